// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests for reseeds, for what random.c publishes about them for
 * getrandom() in the vDSO, and for cookies and clone events. random.c includes
 * this file.
 *
 * The tests run at boot, whether or not the crng is ready. They reseed it many
 * times, which does no harm. None of them credits entropy.
 */
#include <kunit/test.h>
#include <linux/cpu.h>
#include <linux/hw_breakpoint.h>
#include <linux/irq_work.h>
#include <linux/mm.h>
#include <linux/mount.h>
#include <linux/perf_event.h>
#include <linux/pfn.h>
#include <linux/vmalloc.h>

static u64 published(void)
{
	return READ_ONCE(vdso_rng_page.data.generation);
}

/* If the key was born now, no timer replaces it during a test. */
static void set_birth(unsigned long birth)
{
	unsigned long flags;

	spin_lock_irqsave(&base_crng.lock, flags);
	WRITE_ONCE(base_crng.birth, birth);
	spin_unlock_irqrestore(&base_crng.lock, flags);
}

/*
 * Return how many keys @action makes. The number must change if, and only if,
 * there is a new key.
 */
static unsigned long reseeds_by(struct kunit *test, void (*action)(void))
{
	unsigned long generation;
	u64 before;

	set_birth(jiffies);
	generation = base_crng.generation;
	before = published();
	action();
	KUNIT_EXPECT_EQ(test, published() != before, base_crng.generation != generation);
	KUNIT_EXPECT_EQ(test, published(), base_crng.number);
	return base_crng.generation - generation;
}

static void reseed_by_ioctl(void)
{
	random_fops.unlocked_ioctl(NULL, RNDRESEEDCRNG, 0);
}

static void reseed_by_urandom_ioctl(void)
{
	urandom_fops.unlocked_ioctl(NULL, RNDRESEEDCRNG, 0);
}

static void notify_suspend(void)
{
	pm_notifier.notifier_call(&pm_notifier, PM_SUSPEND_PREPARE, NULL);
}

static void notify_resume(void)
{
	pm_notifier.notifier_call(&pm_notifier, PM_POST_SUSPEND, NULL);
}

static void notify_hibernation(void)
{
	pm_notifier.notifier_call(&pm_notifier, PM_HIBERNATION_PREPARE, NULL);
}

static void notify_end_of_hibernation(void)
{
	pm_notifier.notifier_call(&pm_notifier, PM_POST_HIBERNATION, NULL);
}

static void notify_restore(void)
{
	pm_notifier.notifier_call(&pm_notifier, PM_RESTORE_PREPARE, NULL);
}

/* As syscore_resume() does, without the rest of the system. */
static void resume_syscore(void)
{
	unsigned long flags;

	local_irq_save(flags);
	random_syscore_ops.resume();
	local_irq_restore(flags);
}

static void expire_timer(void)
{
	local_bh_disable();
	crng_reseed_timer_fn(this_cpu_ptr(&crng_reseed_timer));
	local_bh_enable();
}

static void expire_timer_of_old_key(void)
{
	set_birth(jiffies - CRNG_RESEED_INTERVAL - 1);
	expire_timer();
}

static void fork_vm(void)
{
	static const u8 unique_vm_id[16] = "a test's machine";

	add_vmfork_randomness(unique_vm_id, sizeof(unique_vm_id));
}

static u64 published_incarnation(void)
{
	return READ_ONCE(vdso_rng_page.data.incarnation);
}

struct cookies {
	u64 reseeded;
	u64 cloned;
};

/* Ask for cookies by the code of the system call and, on the same page, the vDSO. */
static ssize_t ask_kernel(struct cookies *cookies, size_t len)
{
	return crng_update_cookie((u8 *)cookies, len);
}

static ssize_t ask_vdso(struct cookies *cookies, size_t len)
{
	static const struct vdso_vmclock none;

	return __cvdso_getrandom_cookie(&vdso_rng_page.data, vmclock ?: &none, cookies, len,
					GRND_TIMESTAMP);
}

typedef ssize_t (*ask_t)(struct cookies *cookies, size_t len);

static void asker_to_desc(const ask_t *ask, char *desc)
{
	strscpy(desc, *ask == ask_vdso ? "vDSO" : "system call", KUNIT_PARAM_DESC_SIZE);
}

static const ask_t askers[] = { ask_kernel, ask_vdso };

KUNIT_ARRAY_PARAM(asker, askers, asker_to_desc);

static void number_is_0_until_the_crng_is_ready(struct kunit *test)
{
	if (crng_ready())
		kunit_skip(test, "the crng was ready before KUnit started");

	KUNIT_EXPECT_EQ(test, published(), 0);
	KUNIT_EXPECT_EQ(test, random_fops.unlocked_ioctl(NULL, RNDRESEEDCRNG, 0), -ENODATA);
	KUNIT_EXPECT_EQ(test, published(), 0);
	fork_vm();
	KUNIT_EXPECT_EQ(test, published(), 0);
	notify_resume();
	notify_hibernation();
	resume_syscore();
	notify_end_of_hibernation();
	expire_timer();
	KUNIT_EXPECT_EQ(test, published(), 0);

	KUNIT_ASSERT_EQ(test, wait_for_random_bytes(), 0);
	KUNIT_EXPECT_NE(test, published(), 0);
	KUNIT_EXPECT_EQ(test, published(), base_crng.number);
}

static void clone_is_counted_before_the_crng_is_ready(struct kunit *test)
{
	unsigned long before = base_crng.clones;

	if (crng_ready())
		kunit_skip(test, "the crng was ready before KUnit started");

	fork_vm();
	KUNIT_EXPECT_EQ(test, base_crng.clones, before + 1);
	KUNIT_EXPECT_EQ(test, published(), 0);
	KUNIT_EXPECT_EQ(test, published_incarnation(), 0);
}

static void cookies_are_never_unchanged_before_the_crng_is_ready(struct kunit *test)
{
	struct cookies cookies = { U64_MAX, U64_MAX };
	unsigned int i;

	if (crng_ready())
		kunit_skip(test, "the crng was ready before KUnit started");

	for (i = 0; i < 2; i++) {
		KUNIT_EXPECT_EQ(test, ask_kernel(&cookies, 8), 8);
		KUNIT_EXPECT_EQ(test, cookies.reseeded, 0);
		KUNIT_EXPECT_EQ(test, ask_kernel(&cookies, 16), 16);
		KUNIT_EXPECT_EQ(test, cookies.reseeded, 0);
		KUNIT_EXPECT_EQ(test, cookies.cloned, 0);
		KUNIT_EXPECT_EQ(test, ask_vdso(&cookies, 16), VGETRANDOM_SYSCALL);
	}
}

static struct kunit_case random_early_test_cases[] = {
	KUNIT_CASE(clone_is_counted_before_the_crng_is_ready),
	KUNIT_CASE(cookies_are_never_unchanged_before_the_crng_is_ready),
	KUNIT_CASE(number_is_0_until_the_crng_is_ready),
	{ }
};

static struct kunit_suite random_early_test_suite = {
	.name = "random_early",
	.test_cases = random_early_test_cases,
};

static void number_is_that_of_the_seed_in_use(struct kunit *test)
{
	set_birth(jiffies);
	KUNIT_EXPECT_NE(test, published(), 0);
	KUNIT_EXPECT_EQ(test, published(), base_crng.number);
}

/*
 * A counter would have the same values in another boot. By chance, one of these
 * numbers is small once in 2^28 runs, and they ascend once in 16! runs.
 */
static void number_is_drawn_at_random(struct kunit *test)
{
	unsigned int i, ascending = 0;
	u64 before, number;

	for (i = 0; i < 16; i++) {
		before = published();
		crng_reseed();
		number = published();
		KUNIT_EXPECT_GT(test, number, U32_MAX);
		KUNIT_EXPECT_NE(test, number, U64_MAX);
		KUNIT_EXPECT_NE(test, number, before);
		ascending += number > before;
	}
	KUNIT_EXPECT_LT(test, ascending, 16);
}

/* A program that sees the number must get its key from the system call. */
static void new_number_comes_with_a_new_key(struct kunit *test)
{
	u8 old_key[CHACHA_KEY_SIZE], draw[8];

	set_birth(jiffies);
	memcpy(old_key, base_crng.key, sizeof(old_key));
	crng_reseed();
	KUNIT_EXPECT_NE(test, memcmp(old_key, base_crng.key, sizeof(old_key)), 0);

	migrate_disable();
	get_random_bytes(draw, sizeof(draw));
	KUNIT_EXPECT_EQ(test, raw_cpu_ptr(&crngs)->generation, base_crng.generation);
	migrate_enable();
}

#ifdef CONFIG_HAVE_HW_BREAKPOINT
/* Counted by a breakpoint */
static unsigned int loads;

/* Call @note after every access of this @type to the start of @word, on any CPU. */
static struct perf_event * __percpu *watch_word(struct kunit *test, void *word, unsigned int type,
						perf_overflow_handler_t note)
{
	struct perf_event * __percpu *bp;
	struct perf_event_attr attr;

	/* Elsewhere it may stop before the access, and do so again and again. */
	if (!IS_ENABLED(CONFIG_X86))
		kunit_skip(test, "a breakpoint with a handler does not get past the access");

	hw_breakpoint_init(&attr);
	attr.bp_addr = (unsigned long)word;
	attr.bp_len = HW_BREAKPOINT_LEN_4;
	attr.bp_type = type;
	bp = register_wide_hw_breakpoint(&attr, note, NULL);
	if (IS_ERR((void __force *)bp))
		kunit_skip(test, "no hardware breakpoint");
	return bp;
}

/* The crng at the last access that was noted. */
static struct {
	unsigned int stores;
	bool locked;
	unsigned long generation;
	u64 number;
	u8 key[CHACHA_KEY_SIZE];
	u64 published;
	u64 published_incarnation;
} at_store;

static void note_store(struct perf_event *bp, struct perf_sample_data *data,
		       struct pt_regs *regs)
{
	at_store.stores++;
	/* A kernel for one CPU has no lock to check. */
	at_store.locked = !IS_ENABLED(CONFIG_SMP) || spin_is_locked(&base_crng.lock);
	at_store.generation = base_crng.generation;
	at_store.number = base_crng.number;
	memcpy(at_store.key, base_crng.key, sizeof(at_store.key));
	at_store.published = published();
	at_store.published_incarnation = published_incarnation();
}

/* Note the stores to @number while @action reseeds. */
static void note_stores(struct kunit *test, void *number, void (*action)(void))
{
	struct perf_event * __percpu *bp = watch_word(test, number, HW_BREAKPOINT_W, note_store);

	set_birth(jiffies);
	memset(&at_store, 0, sizeof(at_store));
	action();
	unregister_wide_hw_breakpoint(bp);
}

/* Otherwise two concurrent reseeds could publish in the wrong order. */
static void number_is_published_last_and_under_the_lock(struct kunit *test)
{
	u8 old_key[CHACHA_KEY_SIZE];

	memcpy(old_key, base_crng.key, sizeof(old_key));
	note_stores(test, &vdso_rng_page.data.generation, crng_reseed);
	KUNIT_EXPECT_EQ(test, at_store.stores, 1);
	KUNIT_EXPECT_TRUE(test, at_store.locked);
	KUNIT_EXPECT_EQ(test, at_store.generation, base_crng.generation);
	KUNIT_EXPECT_EQ(test, at_store.number, published());
	KUNIT_EXPECT_NE(test, memcmp(at_store.key, old_key, sizeof(old_key)), 0);
}

/*
 * An interrupt that reseeds. A breakpoint in the task under test raises it. If
 * interrupts are off, it waits until the task enables them.
 */
static struct {
	struct irq_work work;
	struct task_struct *task;
	bool raised;
	unsigned long generation;
	u8 key[CHACHA_KEY_SIZE];
} reseed_irq;

/* Like add_vmfork_randomness(), without its notifiers, which may sleep. */
static void reseed_in_irq(struct irq_work *work)
{
	static const u8 unique_vm_id[16] = "a clone's new ID";

	add_device_randomness(unique_vm_id, sizeof(unique_vm_id));
	crng_reseed();
	reseed_irq.generation = base_crng.generation;
	memcpy(reseed_irq.key, base_crng.key, sizeof(reseed_irq.key));
}

static void prepare_reseed_irq(struct kunit *test)
{
	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		kunit_skip(test, "no interrupt can take the lock");
	memset(&reseed_irq, 0, sizeof(reseed_irq));
	init_irq_work(&reseed_irq.work, reseed_in_irq);
	reseed_irq.task = current;
	set_birth(jiffies);
}

static void raise_reseed_irq(struct perf_event *bp, struct perf_sample_data *data,
			     struct pt_regs *regs)
{
	if (current != reseed_irq.task || reseed_irq.raised)
		return;
	reseed_irq.raised = true;
	irq_work_queue(&reseed_irq.work);
}

/*
 * After an extraction, the pool has a new key and has not hashed anything with
 * it.
 */
static void raise_reseed_irq_after_extraction(struct perf_event *bp,
					      struct perf_sample_data *data,
					      struct pt_regs *regs)
{
	const u32 initial = BLAKE2S_IV0 ^
			    (0x01010000 | BLAKE2S_HASH_SIZE << 8 | BLAKE2S_HASH_SIZE);

	if (input_pool.hash.h[0] == initial)
		raise_reseed_irq(bp, data, regs);
}

/*
 * A snapshot may be taken after a task has extracted a key and before it has
 * installed it. In each clone, the key made with the new ID must be the one
 * that stays.
 */
static void interrupted_reseed_does_not_bring_an_old_key_back(struct kunit *test)
{
	struct perf_event * __percpu *bp;

	prepare_reseed_irq(test);
	bp = watch_word(test, input_pool.hash.h, HW_BREAKPOINT_W,
			raise_reseed_irq_after_extraction);
	crng_reseed();
	unregister_wide_hw_breakpoint(bp);
	irq_work_sync(&reseed_irq.work);
	KUNIT_EXPECT_TRUE(test, reseed_irq.raised);
	KUNIT_EXPECT_EQ(test, base_crng.generation, reseed_irq.generation);
	KUNIT_EXPECT_EQ(test, memcmp(base_crng.key, reseed_irq.key, sizeof(reseed_irq.key)), 0);
}

/* base_crng gives this CPU's crng a new key only if it is found to be outdated. */
static void long_read_takes_a_new_key_after_a_reseed(struct kunit *test)
{
	const size_t len = 4 * PAGE_SIZE;
	u8 *buffer = kunit_kzalloc(test, len, GFP_KERNEL);
	struct perf_event * __percpu *bp;
	struct kvec vec = { buffer, len };
	struct iov_iter iter;

	KUNIT_ASSERT_NOT_NULL(test, buffer);
	prepare_reseed_irq(test);
	bp = watch_word(test, buffer + PAGE_SIZE / 2, HW_BREAKPOINT_W, raise_reseed_irq);
	iov_iter_kvec(&iter, ITER_DEST, &vec, 1, len);
	migrate_disable();
	KUNIT_EXPECT_EQ(test, get_random_bytes_user(&iter), len);
	KUNIT_EXPECT_EQ(test, raw_cpu_ptr(&crngs)->generation, reseed_irq.generation);
	migrate_enable();
	unregister_wide_hw_breakpoint(bp);
	irq_work_sync(&reseed_irq.work);
	KUNIT_EXPECT_TRUE(test, reseed_irq.raised);
}
#endif

static void reseed_makes_a_new_number(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, reseeds_by(test, crng_reseed), 1);
	KUNIT_EXPECT_EQ(test, reseeds_by(test, crng_reseed), 1);
}

static void ioctl_makes_a_new_number(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, reseeds_by(test, reseed_by_ioctl), 1);
	KUNIT_EXPECT_EQ(test, reseeds_by(test, reseed_by_urandom_ioctl), 1);
}

static u64 seen_by_vmfork_notifier;

static int note_vmfork(struct notifier_block *nb, unsigned long action, void *data)
{
	seen_by_vmfork_notifier = published();
	return NOTIFY_OK;
}

static void vm_fork_makes_a_new_number(struct kunit *test)
{
	static struct notifier_block vmfork_notifier = { .notifier_call = note_vmfork };

	KUNIT_ASSERT_EQ(test, register_random_vmfork_notifier(&vmfork_notifier), 0);
	KUNIT_EXPECT_EQ(test, reseeds_by(test, fork_vm), 1);
	/* The new number is in place when notifiers run. */
	KUNIT_EXPECT_EQ(test, seen_by_vmfork_notifier, published());
	unregister_random_vmfork_notifier(&vmfork_notifier);
}

static void resume_makes_a_new_number(struct kunit *test)
{
	bool autosleep = IS_ENABLED(CONFIG_PM_AUTOSLEEP) ||
			 IS_ENABLED(CONFIG_PM_USERSPACE_AUTOSLEEP);

	KUNIT_EXPECT_EQ(test, reseeds_by(test, notify_suspend), 0);
	KUNIT_EXPECT_EQ(test, reseeds_by(test, notify_resume), autosleep ? 0 : 1);
	KUNIT_EXPECT_EQ(test, reseeds_by(test, notify_restore), 1);
}

/* In the restored image, and before the notifier unless spinlocks sleep. */
static void restored_image_has_a_new_number(struct kunit *test)
{
	unsigned int late = IS_ENABLED(CONFIG_PREEMPT_RT);

	KUNIT_EXPECT_NOT_NULL(test, random_syscore_ops.node.next);

	KUNIT_EXPECT_EQ(test, reseeds_by(test, resume_syscore), 0);
	KUNIT_EXPECT_EQ(test, reseeds_by(test, notify_hibernation), 0);
	KUNIT_EXPECT_EQ(test, reseeds_by(test, resume_syscore), 1 - late);
	KUNIT_EXPECT_EQ(test, reseeds_by(test, notify_end_of_hibernation), late);
	KUNIT_EXPECT_EQ(test, reseeds_by(test, resume_syscore), 0);
}

static void timer_makes_a_new_number_when_the_key_is_old(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, reseeds_by(test, expire_timer), 0);
	KUNIT_EXPECT_EQ(test, reseeds_by(test, expire_timer_of_old_key), 1);
	KUNIT_EXPECT_EQ(test, reseeds_by(test, expire_timer), 0);

	migrate_disable();
	expire_timer();
	KUNIT_EXPECT_TRUE(test, timer_pending(this_cpu_ptr(&crng_reseed_timer)));
	migrate_enable();
}

#ifdef CONFIG_HOTPLUG_CPU
/* Otherwise it would continue on a CPU that may be isolated from timers. */
static void timer_is_gone_while_its_cpu_is_offline(struct kunit *test)
{
	unsigned int cpu = cpumask_last(cpu_online_mask);
	struct timer_list *timer = per_cpu_ptr(&crng_reseed_timer, cpu);

	if (!cpu || remove_cpu(cpu))
		kunit_skip(test, "no CPU can be taken offline");
	KUNIT_EXPECT_FALSE(test, timer_pending(timer));
	KUNIT_EXPECT_EQ(test, add_cpu(cpu), 0);
	KUNIT_EXPECT_EQ(test, timer_pending(timer), housekeeping_cpu(cpu, HK_TYPE_TIMER));
}
#endif

/* The page was mapped before the reseed. */
static void old_readers_see_the_new_number(struct kunit *test)
{
	struct page *page = pfn_to_page(PHYS_PFN(__pa_symbol(&vdso_rng_page)));
	const struct vdso_rng_data *mapped = vmap(&page, 1, VM_MAP, PAGE_KERNEL_RO);
	u64 before;

	KUNIT_ASSERT_NOT_NULL(test, mapped);
	set_birth(jiffies);
	before = READ_ONCE(mapped->generation);
	KUNIT_EXPECT_EQ(test, before, published());
	crng_reseed();
	KUNIT_EXPECT_NE(test, READ_ONCE(mapped->generation), before);
	KUNIT_EXPECT_EQ(test, READ_ONCE(mapped->generation), published());
	vunmap(mapped);
}

static void page_holds_nothing_else(struct kunit *test)
{
	const u8 *page = vdso_rng_page.page;
	size_t used = sizeof(struct vdso_rng_data);

	KUNIT_EXPECT_TRUE(test, PAGE_ALIGNED(page));
	KUNIT_EXPECT_EQ(test, sizeof(vdso_rng_page), PAGE_SIZE);
	KUNIT_EXPECT_NULL(test, memchr_inv(page + used, 0, PAGE_SIZE - used));
}

static void cookies_follow_reseeds(struct kunit *test)
{
	ask_t ask = *(const ask_t *)test->param_value;
	struct cookies cookies = { }, before;

	set_birth(jiffies);
	KUNIT_EXPECT_EQ(test, ask(&cookies, 16), 16);
	KUNIT_EXPECT_NE(test, cookies.reseeded, 0);
	KUNIT_EXPECT_NE(test, cookies.cloned, 0);
	KUNIT_EXPECT_EQ(test, ask(&cookies, 16), 0);
	KUNIT_EXPECT_EQ(test, ask(&cookies, 8), 0);

	before = cookies;
	crng_reseed();
	KUNIT_EXPECT_EQ(test, ask(&cookies, 8), 8);
	KUNIT_EXPECT_NE(test, cookies.reseeded, before.reseeded);
	KUNIT_EXPECT_EQ(test, ask(&cookies, 16), 0);
	KUNIT_EXPECT_EQ(test, ask(&before, 16), 16);
	KUNIT_EXPECT_EQ(test, memcmp(&before, &cookies, sizeof(cookies)), 0);
}

static void clone_is_counted_once(struct kunit *test)
{
	unsigned long before = base_crng.clones;

	fork_vm();
	KUNIT_EXPECT_EQ(test, base_crng.clones, before + 1);
	crng_reseed();
	KUNIT_EXPECT_EQ(test, base_crng.clones, before + 1);
}

/* Counters would be equal in two clones; see number_is_drawn_at_random(). */
static void incarnation_is_drawn_at_random(struct kunit *test)
{
	unsigned int i, ascending = 0;
	u64 before, now;

	for (i = 0; i < 16; i++) {
		before = published_incarnation();
		fork_vm();
		now = published_incarnation();
		KUNIT_EXPECT_EQ(test, now, base_crng.incarnation);
		KUNIT_EXPECT_GT(test, now, U32_MAX);
		KUNIT_EXPECT_NE(test, now, U64_MAX);
		KUNIT_EXPECT_NE(test, now, before);
		KUNIT_EXPECT_NE(test, now, published());
		ascending += now > before;
		crng_reseed();
		KUNIT_EXPECT_EQ(test, published_incarnation(), now);
	}
	KUNIT_EXPECT_LT(test, ascending, 16);
}

static void cookies_follow_clones(struct kunit *test)
{
	ask_t ask = *(const ask_t *)test->param_value;
	struct cookies cookies = { }, before, one;

	ask(&cookies, 16);
	before = cookies;
	one = cookies;
	fork_vm();
	KUNIT_EXPECT_EQ(test, ask(&one, 8), 8);
	KUNIT_EXPECT_NE(test, one.reseeded, before.reseeded);
	KUNIT_EXPECT_EQ(test, one.cloned, before.cloned);
	KUNIT_EXPECT_EQ(test, ask(&cookies, 16), 16);
	KUNIT_EXPECT_NE(test, cookies.reseeded, before.reseeded);
	KUNIT_EXPECT_NE(test, cookies.cloned, before.cloned);

	/* A caller that knows only of the reseed still learns of the clone. */
	KUNIT_EXPECT_EQ(test, ask(&one, 16), 16);
	KUNIT_EXPECT_EQ(test, one.cloned, cookies.cloned);
}

#ifdef CONFIG_HAVE_HW_BREAKPOINT
static void clone_is_published_before_the_generation(struct kunit *test)
{
	u64 before = published_incarnation();

	note_stores(test, &vdso_rng_page.data.generation, fork_vm);
	/* One store withdraws the old number, the next publishes the new one. */
	KUNIT_EXPECT_EQ(test, at_store.stores, 2);
	KUNIT_EXPECT_EQ(test, at_store.published, base_crng.number);
	KUNIT_EXPECT_EQ(test, at_store.published_incarnation, base_crng.incarnation);
	KUNIT_EXPECT_NE(test, at_store.published_incarnation, before);
}

static void expect_new_key_before(struct kunit *test, void *word)
{
	unsigned long before = base_crng.generation;
	u8 old_key[CHACHA_KEY_SIZE];

	memcpy(old_key, base_crng.key, sizeof(old_key));
	note_stores(test, word, fork_vm);
	KUNIT_EXPECT_EQ(test, at_store.stores, 1);
	KUNIT_EXPECT_TRUE(test, at_store.locked);
	KUNIT_EXPECT_NE(test, at_store.generation, before);
	KUNIT_EXPECT_NE(test, memcmp(at_store.key, old_key, sizeof(old_key)), 0);
}

/* Otherwise, a program that starts over could draw what the other machine draws. */
static void key_is_new_when_the_clone_is_told(struct kunit *test)
{
	expect_new_key_before(test, &vdso_rng_page.data.incarnation);
	KUNIT_EXPECT_EQ(test, at_store.published, 0);
	expect_new_key_before(test, &base_crng.clones);
	KUNIT_EXPECT_EQ(test, at_store.published, base_crng.number);
}

/* Otherwise, it could pair a cookie from before a clone with one from after it. */
static void system_call_takes_cookies_under_the_lock(struct kunit *test)
{
	struct perf_event * __percpu *bp = watch_word(test, &base_crng.incarnation,
						      HW_BREAKPOINT_RW, note_store);
	struct cookies cookies = { };

	memset(&at_store, 0, sizeof(at_store));
	KUNIT_EXPECT_EQ(test, ask_kernel(&cookies, 16), 16);
	unregister_wide_hw_breakpoint(bp);
	KUNIT_EXPECT_EQ(test, cookies.cloned, base_crng.incarnation);
	KUNIT_EXPECT_EQ(test, at_store.stores, 1);
	KUNIT_EXPECT_TRUE(test, at_store.locked);
}

/* After the first load, store what a clone stores, in the same order. */
static void clone_after_load(struct perf_event *bp, struct perf_sample_data *data,
			     struct pt_regs *regs)
{
	if (loads++)
		return;

	base_crng.number++;
	base_crng.incarnation++;
	WRITE_ONCE(vdso_rng_page.data.generation, 0);
	WRITE_ONCE(vdso_rng_page.data.incarnation, base_crng.incarnation);
	WRITE_ONCE(vdso_rng_page.data.check, base_crng.number + base_crng.marker);
	WRITE_ONCE(vdso_rng_page.data.generation, base_crng.number);
}

/*
 * A caller that has the incarnation from before a clone must not have the number from
 * after it: the next request for the first cookie alone would miss the clone.
 */
static void clone_in_a_vdso_call_is_told_by_the_next(struct kunit *test)
{
	struct perf_event * __percpu *bp = watch_word(test, &vdso_rng_page.data.incarnation,
						      HW_BREAKPOINT_RW, clone_after_load);
	struct cookies cookies = { }, one;

	loads = 0;
	set_birth(jiffies);
	/* The numbers are from different moments, so the system call must look. */
	KUNIT_EXPECT_EQ(test, ask_vdso(&cookies, 16), VGETRANDOM_SYSCALL);
	unregister_wide_hw_breakpoint(bp);
	KUNIT_EXPECT_EQ(test, loads, 1);

	one = cookies;
	KUNIT_EXPECT_TRUE(test, ask_vdso(&one, 8) || one.cloned == published_incarnation());
	ask_vdso(&cookies, 16);
	KUNIT_EXPECT_EQ(test, cookies.cloned, published_incarnation());

	/* Give the number a key of its own again. */
	crng_reseed();
}
#endif

static struct {
	unsigned int calls;
	u64 generation;
	u64 incarnation;
	unsigned long clones;
} told;

static void note_told(void)
{
	told.calls++;
	told.generation = published();
	told.incarnation = published_incarnation();
	told.clones = base_crng.clones;
}

static int note_vmfork_told(struct notifier_block *nb, unsigned long action, void *data)
{
	note_told();
	return NOTIFY_OK;
}

static void notifiers_find_the_clone_counted(struct kunit *test)
{
	static struct notifier_block notifier = { .notifier_call = note_vmfork_told };
	unsigned long before = base_crng.clones;
	unsigned int i;

	KUNIT_ASSERT_EQ(test, register_random_vmfork_notifier(&notifier), 0);
	memset(&told, 0, sizeof(told));
	for (i = 1; i <= 2; i++) {
		set_birth(jiffies);
		fork_vm();
		KUNIT_EXPECT_EQ(test, told.calls, i);
		KUNIT_EXPECT_EQ(test, told.generation, published());
		KUNIT_EXPECT_EQ(test, told.incarnation, published_incarnation());
		KUNIT_EXPECT_EQ(test, told.clones, before + i);
	}
	unregister_random_vmfork_notifier(&notifier);
}

#ifdef CONFIG_SYSCTL
static int note_wakeup(struct wait_queue_entry *entry, unsigned int mode, int flags, void *key)
{
	note_told();
	return 0;
}

static void pollers_are_woken_once_a_clone(struct kunit *test)
{
	unsigned long before = base_crng.clones;
	struct wait_queue_entry entry;
	unsigned int i;
	u64 number;

	init_waitqueue_func_entry(&entry, note_wakeup);
	add_wait_queue(&fork_event_poll.wait, &entry);
	memset(&told, 0, sizeof(told));
	for (i = 1; i <= 2; i++) {
		set_birth(jiffies);
		fork_vm();
		number = published();
		crng_reseed();
		KUNIT_EXPECT_EQ(test, told.calls, i);
		KUNIT_EXPECT_EQ(test, told.generation, number);
		KUNIT_EXPECT_EQ(test, told.incarnation, published_incarnation());
		KUNIT_EXPECT_EQ(test, told.clones, before + i);
	}
	remove_wait_queue(&fork_event_poll.wait, &entry);
}

#ifdef CONFIG_PROC_SYSCTL
/* KUnit runs before anything is mounted. */
static struct vfsmount *mount_proc(struct kunit *test)
{
	struct file_system_type *type = get_fs_type("proc");
	struct vfsmount *proc;

	KUNIT_ASSERT_NOT_NULL(test, type);
	proc = kern_mount(type);
	put_filesystem(type);
	KUNIT_ASSERT_FALSE(test, IS_ERR(proc));
	return proc;
}

static struct file *open_fork_event(struct kunit *test, struct vfsmount *proc)
{
	struct file *file = file_open_root_mnt(proc, "sys/kernel/random/fork_event",
					       O_RDONLY, 0);

	KUNIT_ASSERT_FALSE(test, IS_ERR(file));
	return file;
}

static unsigned long read_fork_event(struct kunit *test, struct file *file)
{
	unsigned long count = ULONG_MAX;
	char number[32] = "";
	loff_t pos = 0;

	KUNIT_EXPECT_GT(test, kernel_read(file, number, sizeof(number) - 1, &pos), 1);
	KUNIT_EXPECT_EQ(test, kstrtoul(number, 10, &count), 0);
	/* At the end of the file. */
	KUNIT_EXPECT_EQ(test, kernel_read(file, number, sizeof(number) - 1, &pos), 0);
	return count;
}

static void expect_event(struct kunit *test, struct file *file, bool event)
{
	const __poll_t expected = event ? EPOLLIN | EPOLLRDNORM | EPOLLPRI : 0;
	unsigned int i;

	for (i = 0; i < 100; i++)
		KUNIT_ASSERT_TRUE(test, vfs_poll(file, NULL) == expected);
}

static void fork_event_reads_as_the_number_of_clones(struct kunit *test)
{
	struct vfsmount *proc = mount_proc(test);
	struct file *file = open_fork_event(test, proc);
	unsigned long before = read_fork_event(test, file);

	KUNIT_EXPECT_EQ(test, before, base_crng.clones);
	crng_reseed();
	KUNIT_EXPECT_EQ(test, read_fork_event(test, file), before);
	fork_vm();
	KUNIT_EXPECT_EQ(test, read_fork_event(test, file), before + 1);
	fput(file);
	kern_unmount(proc);
}

static void fork_event_is_readable_from_a_clone_until_it_is_read(struct kunit *test)
{
	struct vfsmount *proc = mount_proc(test);
	struct file *reader = open_fork_event(test, proc);
	struct file *idle = open_fork_event(test, proc);
	struct file *late;
	loff_t end = 1;
	char byte;

	expect_event(test, reader, false);
	crng_reseed();
	expect_event(test, reader, false);
	fork_vm();
	expect_event(test, reader, true);
	KUNIT_EXPECT_EQ(test, kernel_read(reader, &byte, 1, &end), 0);
	expect_event(test, reader, true);
	read_fork_event(test, reader);
	expect_event(test, reader, false);
	/* Each open file has an event of its own, and starts without one. */
	expect_event(test, idle, true);
	late = open_fork_event(test, proc);
	expect_event(test, late, false);
	fput(late);
	fput(idle);
	fput(reader);
	kern_unmount(proc);
}

#ifdef CONFIG_HAVE_HW_BREAKPOINT
static void count_event(struct perf_event *bp, struct perf_sample_data *data,
			struct pt_regs *regs)
{
	atomic_inc(&fork_event_poll.event);
}

static void clone_while_fork_event_is_read_is_reported(struct kunit *test)
{
	struct perf_event * __percpu *bp = watch_word(test, &base_crng.clones,
						      HW_BREAKPOINT_RW, count_event);
	struct vfsmount *proc = mount_proc(test);
	struct file *file = open_fork_event(test, proc);
	char number[32];
	loff_t pos = 0;

	/* Read only once: a read at the end of the file would leave an event of its own. */
	KUNIT_EXPECT_GT(test, kernel_read(file, number, sizeof(number), &pos), 1);
	unregister_wide_hw_breakpoint(bp);
	expect_event(test, file, true);
	fput(file);
	kern_unmount(proc);
}
#endif
#endif
#endif

/* The tests' own hypervisor */
static struct vdso_vmclock fake_clock;
static u64 fake_id[2] __aligned(16);

static struct {
	const struct vdso_vmclock	*clock;
	bool				has_counter;
	const u64			*id;
} real;

static void become_clone(void)
{
	WRITE_ONCE(fake_clock.disruption_marker, fake_clock.disruption_marker + 1);
}

static void become_clone_by_counter(void)
{
	WRITE_ONCE(fake_clock.vm_generation_counter, fake_clock.vm_generation_counter + 1);
}

static void become_clone_by_id(void)
{
	WRITE_ONCE(fake_id[1], fake_id[1] + 1);
}

static void draw_bytes(void)
{
	u8 bytes[100];

	get_random_bytes(bytes, sizeof(bytes));
}

static void draw_u8(void)
{
	get_random_u8();
}

static void draw_u16(void)
{
	get_random_u16();
}

static void draw_u32(void)
{
	get_random_u32();
}

static void draw_u64(void)
{
	get_random_u64();
}

static void read_bytes(size_t len)
{
	static u8 bytes[2 * PAGE_SIZE];
	struct kvec kvec = { .iov_base = bytes, .iov_len = len };
	struct iov_iter iter;

	iov_iter_kvec(&iter, READ, &kvec, 1, len);
	get_random_bytes_user(&iter);
}

static void read_few_bytes(void)
{
	read_bytes(16);
}

static void read_many_bytes(void)
{
	read_bytes(2 * PAGE_SIZE);
}

static void ask_for_cookies(void)
{
	struct cookies cookies = { };

	ask_kernel(&cookies, sizeof(cookies));
}

struct use_case {
	const char	*name;
	void		(*use)(void);
};

static const struct use_case use_cases[] = {
	{ "get_random_bytes()",	draw_bytes },
	{ "get_random_u8()",	draw_u8 },
	{ "get_random_u16()",	draw_u16 },
	{ "get_random_u32()",	draw_u32 },
	{ "get_random_u64()",	draw_u64 },
	{ "16 bytes for a user", read_few_bytes },
	{ "two pages for a user", read_many_bytes },
	{ "cookies",		ask_for_cookies },
	{ "the timer",		expire_timer },
};

static void use_case_to_desc(const struct use_case *use_case, char *desc)
{
	strscpy(desc, use_case->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(use_case, use_cases, use_case_to_desc);

static void expect_clones(struct kunit *test, unsigned long clones, void (*action)(void),
			  void (*use)(void))
{
	unsigned long before = base_crng.clones;
	u64 incarnation = base_crng.incarnation;
	unsigned long reseeds;

	action();
	reseeds = reseeds_by(test, use);
	KUNIT_EXPECT_EQ(test, reseeds, clones);
	KUNIT_EXPECT_EQ(test, base_crng.clones - before, clones);
	KUNIT_EXPECT_EQ(test, base_crng.incarnation != incarnation, clones > 0);
	KUNIT_EXPECT_EQ(test, vdso_rng_page.data.check,
			published() + fake_clock.disruption_marker);
}

static void do_nothing(void)
{
}

/* Nobody has notified the kernel. */
static void every_use_finds_a_clone(struct kunit *test)
{
	const struct use_case *use_case = test->param_value;

	expect_clones(test, 0, do_nothing, use_case->use);
	expect_clones(test, 1, become_clone, use_case->use);
	expect_clones(test, 0, do_nothing, use_case->use);
	expect_clones(test, 1, become_clone_by_id, use_case->use);
}

/* With a counter, the marker tells of a migration. */
static void migration_is_no_clone(struct kunit *test)
{
	random_watch_vmclock(&fake_clock, true);
	expect_clones(test, 0, become_clone, draw_u32);
	expect_clones(test, 1, become_clone_by_counter, draw_u32);
}

static void watching_is_no_clone(struct kunit *test)
{
	u64 stamp;

	become_clone();
	draw_u32();
	expect_clones(test, 0, do_nothing, draw_u32);
	stamp = random_vmfork_stamp();
	become_clone();
	KUNIT_EXPECT_NE(test, random_vmfork_stamp(), stamp);
	random_watch_vmclock(NULL, false);
	random_watch_vmclock(&fake_clock, false);
	expect_clones(test, 0, do_nothing, draw_u32);
}

static void announced_clone_changes_the_stamp(struct kunit *test)
{
	u64 stamp = random_vmfork_stamp();

	expect_clones(test, 1, do_nothing, fork_vm);
	KUNIT_EXPECT_NE(test, random_vmfork_stamp(), stamp);
	expect_clones(test, 0, do_nothing, draw_u32);
}

#ifdef CONFIG_HAVE_HW_BREAKPOINT
static unsigned long clone_at;

/* The key at the moment of the clone, and how often it was published afterwards. */
static unsigned long key_at_clone;
static unsigned int old_keys_published;

static void clone_at_load_of_counter(struct perf_event *bp, struct perf_sample_data *data,
				     struct pt_regs *regs)
{
	if (loads++ != clone_at)
		return;
	key_at_clone = base_crng.generation;
	become_clone_by_counter();
	become_clone();
}

static void note_check(struct perf_event *bp, struct perf_sample_data *data,
		       struct pt_regs *regs)
{
	if (base_crng.generation == key_at_clone &&
	    vdso_rng_page.data.check == published() + fake_clock.disruption_marker)
		old_keys_published++;
}

/* A draw finds a migration, and the machine becomes a clone before the draw publishes it. */
static void clone_is_not_mistaken_for_the_migration_before_it(struct kunit *test)
{
	enum { MORE_THAN_THE_LOADS = 10 };
	struct perf_event * __percpu *counter, * __percpu *check;

	random_watch_vmclock(&fake_clock, true);
	old_keys_published = 0;
	for (clone_at = 0; clone_at < MORE_THAN_THE_LOADS; clone_at++) {
		loads = 0;
		key_at_clone = 0;
		set_birth(jiffies);
		become_clone();
		counter = watch_word(test, &fake_clock.vm_generation_counter, HW_BREAKPOINT_RW,
				     clone_at_load_of_counter);
		check = watch_word(test, &vdso_rng_page.data.check, HW_BREAKPOINT_W, note_check);
		draw_u32();
		unregister_wide_hw_breakpoint(check);
		unregister_wide_hw_breakpoint(counter);
		KUNIT_EXPECT_TRUE(test, clone_at || key_at_clone);
		draw_u32();
		expect_clones(test, 0, do_nothing, draw_u32);
	}
	KUNIT_EXPECT_EQ(test, old_keys_published, 0);
}

static void clone_at_load(struct perf_event *bp, struct perf_sample_data *data,
			  struct pt_regs *regs)
{
	if (loads++ == clone_at)
		become_clone();
}

/* Return the number of times that @use loads the generation. Clone at load number @at. */
static unsigned long loads_by(struct kunit *test, void (*use)(void), unsigned long at)
{
	struct perf_event * __percpu *bp;

	loads = 0;
	clone_at = at;
	set_birth(jiffies);
	bp = watch_word(test, &base_crng.generation, HW_BREAKPOINT_RW, clone_at_load);
	use();
	unregister_wide_hw_breakpoint(bp);
	return loads;
}

static void clone_after_the_check_starts_over(struct kunit *test)
{
	const struct use_case *use_case = test->param_value;
	unsigned long before, usual = ULONG_MAX;
	int i;

	if (use_case->use == expire_timer || use_case->use == ask_for_cookies)
		kunit_skip(test, "has no output of the key");

	/* The last load is after the last check, but before the key is used. */
	use_case->use();
	/* An interrupt that draws adds to them. */
	for (i = 0; i < 5; i++)
		usual = min(usual, loads_by(test, use_case->use, ULONG_MAX));
	KUNIT_ASSERT_GT(test, usual, 0);
	before = base_crng.clones;
	KUNIT_EXPECT_GT(test, loads_by(test, use_case->use, usual - 1), usual);
	KUNIT_EXPECT_EQ(test, base_crng.clones - before, 1);
	KUNIT_EXPECT_EQ(test, base_crng.stamp, random_vmfork_stamp());
}
#endif

static struct kunit_case random_clone_test_cases[] = {
	KUNIT_CASE_PARAM(every_use_finds_a_clone, use_case_gen_params),
	KUNIT_CASE(migration_is_no_clone),
	KUNIT_CASE(watching_is_no_clone),
	KUNIT_CASE(announced_clone_changes_the_stamp),
#ifdef CONFIG_HAVE_HW_BREAKPOINT
	KUNIT_CASE(clone_is_not_mistaken_for_the_migration_before_it),
	KUNIT_CASE_PARAM(clone_after_the_check_starts_over, use_case_gen_params),
#endif
	{ }
};

static int random_clone_test_init(struct kunit *test)
{
	const u64 *id = vmfork_word[VMFORK_ID];

	real.clock = vmclock;
	real.has_counter = vmclock && vmfork_word[VMFORK_CLOCK] == &vmclock->vm_generation_counter;
	real.id = id == &no_word ? NULL : id;
	random_watch_vmclock(&fake_clock, false);
	random_watch_vmgenid(fake_id);
	return wait_for_random_bytes();
}

static void random_clone_test_exit(struct kunit *test)
{
	random_watch_vmgenid(real.id);
	random_watch_vmclock(real.clock, real.has_counter);
}

static struct kunit_suite random_clone_test_suite = {
	.name = "random_clones",
	.init = random_clone_test_init,
	.exit = random_clone_test_exit,
	.test_cases = random_clone_test_cases,
};

static struct kunit_case random_cookie_test_cases[] = {
	KUNIT_CASE_PARAM(cookies_follow_reseeds, asker_gen_params),
	KUNIT_CASE(clone_is_counted_once),
	KUNIT_CASE(incarnation_is_drawn_at_random),
	KUNIT_CASE_PARAM(cookies_follow_clones, asker_gen_params),
#ifdef CONFIG_HAVE_HW_BREAKPOINT
	KUNIT_CASE(clone_is_published_before_the_generation),
	KUNIT_CASE(key_is_new_when_the_clone_is_told),
	KUNIT_CASE(system_call_takes_cookies_under_the_lock),
	KUNIT_CASE(clone_in_a_vdso_call_is_told_by_the_next),
#endif
	KUNIT_CASE(notifiers_find_the_clone_counted),
#ifdef CONFIG_SYSCTL
	KUNIT_CASE(pollers_are_woken_once_a_clone),
#ifdef CONFIG_PROC_SYSCTL
	KUNIT_CASE(fork_event_reads_as_the_number_of_clones),
	KUNIT_CASE(fork_event_is_readable_from_a_clone_until_it_is_read),
#ifdef CONFIG_HAVE_HW_BREAKPOINT
	KUNIT_CASE(clone_while_fork_event_is_read_is_reported),
#endif
#endif
#endif
	{ }
};

static int random_test_init(struct kunit *test)
{
	return wait_for_random_bytes();
}

static struct kunit_suite random_cookie_test_suite = {
	.name = "random_cookies",
	.init = random_test_init,
	.test_cases = random_cookie_test_cases,
};

static struct kunit_case random_test_cases[] = {
	KUNIT_CASE(number_is_that_of_the_seed_in_use),
	KUNIT_CASE(number_is_drawn_at_random),
	KUNIT_CASE(new_number_comes_with_a_new_key),
#ifdef CONFIG_HAVE_HW_BREAKPOINT
	KUNIT_CASE(number_is_published_last_and_under_the_lock),
	KUNIT_CASE(interrupted_reseed_does_not_bring_an_old_key_back),
	KUNIT_CASE(long_read_takes_a_new_key_after_a_reseed),
#endif
	KUNIT_CASE(reseed_makes_a_new_number),
	KUNIT_CASE(ioctl_makes_a_new_number),
	KUNIT_CASE(vm_fork_makes_a_new_number),
	KUNIT_CASE(resume_makes_a_new_number),
	KUNIT_CASE(restored_image_has_a_new_number),
	KUNIT_CASE(timer_makes_a_new_number_when_the_key_is_old),
#ifdef CONFIG_HOTPLUG_CPU
	KUNIT_CASE(timer_is_gone_while_its_cpu_is_offline),
#endif
	KUNIT_CASE(old_readers_see_the_new_number),
	KUNIT_CASE(page_holds_nothing_else),
	{ }
};

static struct kunit_suite random_test_suite = {
	.name = "random_publication",
	.init = random_test_init,
	.test_cases = random_test_cases,
};

static char switch_off[] __initdata = "off";
static char switch_on[] __initdata = "on";
static char switch_to_nonsense[] __initdata = "maybe";

static void __init switched_off_number_stays_0(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, parse_vdso_getrandom(switch_off), 0);
	KUNIT_EXPECT_TRUE(test, vdso_rng_page.data.disabled);
	KUNIT_EXPECT_EQ(test, published(), 0);
	crng_reseed();
	KUNIT_EXPECT_EQ(test, published(), 0);

	KUNIT_EXPECT_EQ(test, parse_vdso_getrandom(switch_on), 0);
	KUNIT_EXPECT_FALSE(test, vdso_rng_page.data.disabled);
	KUNIT_EXPECT_EQ(test, reseeds_by(test, crng_reseed), 1);
}

static void __init switched_off_cookies_are_left_to_the_system_call(struct kunit *test)
{
	struct cookies cookies = { };

	KUNIT_EXPECT_EQ(test, parse_vdso_getrandom(switch_off), 0);
	KUNIT_EXPECT_EQ(test, ask_vdso(&cookies, 16), VGETRANDOM_SYSCALL);
	KUNIT_EXPECT_EQ(test, ask_kernel(&cookies, 16), 16);
	KUNIT_EXPECT_NE(test, cookies.reseeded, 0);
	fork_vm();
	KUNIT_EXPECT_EQ(test, ask_kernel(&cookies, 16), 16);
	KUNIT_EXPECT_EQ(test, cookies.cloned, base_crng.incarnation);
	KUNIT_EXPECT_EQ(test, published(), 0);
	KUNIT_EXPECT_EQ(test, parse_vdso_getrandom(switch_on), 0);
	KUNIT_EXPECT_EQ(test, ask_vdso(&cookies, 16), 0);
}

static void __init bad_switch_changes_nothing(struct kunit *test)
{
	u64 before;

	set_birth(jiffies);
	before = published();
	KUNIT_EXPECT_LT(test, parse_vdso_getrandom(switch_to_nonsense), 0);
	KUNIT_EXPECT_FALSE(test, vdso_rng_page.data.disabled);
	KUNIT_EXPECT_EQ(test, published(), before);
}

static struct kunit_case __refdata random_switch_test_cases[] = {
	KUNIT_CASE(switched_off_number_stays_0),
	KUNIT_CASE(switched_off_cookies_are_left_to_the_system_call),
	KUNIT_CASE(bad_switch_changes_nothing),
	{ }
};

static struct kunit_suite random_switch_test_suite = {
	.name = "random_switch",
	.init = random_test_init,
	.test_cases = random_switch_test_cases,
};

/*
 * The order matters: later suites make the crng ready, and the first must run
 * before that.
 */
kunit_test_init_section_suites(&random_early_test_suite, &random_test_suite,
			       &random_cookie_test_suite, &random_clone_test_suite,
			       &random_switch_test_suite);
