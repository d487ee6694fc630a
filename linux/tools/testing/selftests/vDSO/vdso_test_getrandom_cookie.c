// SPDX-License-Identifier: GPL-2.0
/*
 * vdso_test_getrandom_cookie.c: test what GRND_TIMESTAMP and fork_event promise
 *
 * Without an argument, run all cases. "off" is for a kernel that was booted with
 * random.vdso_getrandom=off. "bench [DRAWS]" times several ways to draw four bytes.
 * "watch" prints the cookies and the count of clones, now and at each event, until it
 * is killed.
 *
 * The kernel may reseed at any time. A check that a reseed could upset is repeated
 * several times.
 */
#define _GNU_SOURCE
#include <limits.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "vgetrandom_test.h"
#include "vgetrandom_pool.h"
#include "vdso_step.h"
#include "../kselftest_harness.h"

/* Stopping at every instruction takes long on a kernel with debugging options. */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT 300

#define FORK_EVENT	"/proc/sys/kernel/random/fork_event"

/* A check fails if it fails this often: the kernel does not reseed as often. */
#define TRIES		4

/* The cookie for reseeds alone, and both cookies. */
static const size_t cookie_lens[] = { 8, 16 };

struct cookies {
	uint64_t reseeded;
	uint64_t cloned;
};

/* Ask the vDSO. */
static ssize_t ask_vdso(void *cookies, size_t len, unsigned int flags)
{
	return vgr.call(cookies, len, flags, NULL, 0);
}

static const struct {
	const char *name;
	ssize_t (*ask)(void *cookies, size_t len, unsigned int flags);
} askers[] = {
	{ "vDSO",	 ask_vdso },
	{ "system call", vgr_syscall },
};

/*
 * The request
 */

/*
 * Make the same request of the vDSO and of the system call, with zeros for cookies.
 * Check that each returns the expected value, and writes the cookies and nothing else
 * if it succeeds.
 */
static const char *try_request(size_t len, unsigned int flags, ssize_t expected)
{
	const size_t area = 128, touched = expected > 0 ? expected : 0;
	unsigned char buffer[area];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(askers); i++) {
		memset(buffer, GUARD, area);
		memset(buffer, 0, touched);
		if (askers[i].ask(buffer, len, flags) != expected)
			return "another result";
		if (touched && all_bytes(buffer, 8, 0))
			return "no cookie";
		if (!all_bytes(buffer + touched, area - touched, GUARD))
			return "written beside the cookies";
	}
	return fine;
}

static ssize_t expected_of(size_t len)
{
	return len == 8 || len == 16 ? (ssize_t)len : -EINVAL;
}

TEST(lengths_but_8_and_16_are_refused)
{
	const size_t large[] = {
		4096, INT_MAX, 1UL << 31, UINT_MAX, (1UL << 32) + 8,
		(1UL << 32) + 16, (1UL << 63) + 8, SSIZE_MAX, SIZE_MAX,
	};
	size_t len, i;

	for (len = 0; len <= 64; len++) {
		EXPECT_STREQ(fine, try_request(len, GRND_TIMESTAMP, expected_of(len))) {
			TH_LOG("%zu bytes", len);
		}
	}
	for (i = 0; i < ARRAY_SIZE(large); i++) {
		EXPECT_STREQ(fine, try_request(large[i], GRND_TIMESTAMP, -EINVAL)) {
			TH_LOG("%zu bytes", large[i]);
		}
	}
}

TEST(flags_but_nonblock_are_refused)
{
	const size_t lens[] = { 0, 4, 8, 16, 32 };
	unsigned int a, b, flags;
	ssize_t expected;
	size_t i;

	/* Each bit and each pair, in addition to GRND_TIMESTAMP. */
	for (a = 0; a < 32; a++) {
		for (b = 0; b <= a; b++) {
			flags = GRND_TIMESTAMP | 1U << a | 1U << b;
			for (i = 0; i < ARRAY_SIZE(lens); i++) {
				expected = flags & ~(GRND_TIMESTAMP | GRND_NONBLOCK) ?
					   -EINVAL : expected_of(lens[i]);
				ASSERT_STREQ(fine, try_request(lens[i], flags, expected)) {
					TH_LOG("%zu bytes, flags %#x", lens[i], flags);
				}
			}
		}
	}
	EXPECT_STREQ(fine, try_request(8, UINT_MAX, -EINVAL));
	EXPECT_STREQ(fine, try_request(8, GRND_TIMESTAMP | GRND_NONBLOCK, 8));
}

/* Count the kernel's messages that name this program or the system call. */
static int count_messages(int log)
{
	char line[1024];
	int count = 0;
	ssize_t n;

	while ((n = read(log, line, sizeof(line) - 1)) > 0 || errno == EPIPE) {
		if (n <= 0)
			continue;
		line[n] = 0;
		count += strstr(line, "getrandom") || strstr(line, "GRND_") ||
			 strstr(line, "vdso_test");
	}
	return count;
}

TEST(misuse_is_not_logged)
{
	int log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (log < 0 || lseek(log, 0, SEEK_END))
		SKIP(return, "log: the kernel's messages are not permitted");
	EXPECT_STREQ(fine, try_request(4, GRND_TIMESTAMP, -EINVAL));
	EXPECT_STREQ(fine, try_request(8, UINT_MAX, -EINVAL));
	EXPECT_STREQ(fine, try_request(8, GRND_TIMESTAMP | GRND_RANDOM, -EINVAL));
	EXPECT_EQ(0, count_messages(log));
	close(log);
}

/* Ask for cookies, with a buffer that may fault. */
static ssize_t ask_or_fault(unsigned int asker, void *buffer, size_t len)
{
	if (sigsetjmp(fault.env, 1))
		return FAULTED;
	catch(SIGSEGV, on_fault, 0);
	catch(SIGBUS, on_fault, 0);
	return askers[asker].ask(buffer, len, GRND_TIMESTAMP);
}

/* As with every vDSO function, the caller may fault instead of getting EFAULT. */
static bool is_fault(ssize_t ret, uintptr_t buffer, size_t len)
{
	return ret == -EFAULT || (ret == FAULTED && (fault.address - buffer < len ||
						     !fault.address));
}

TEST(buffer_that_is_inaccessible_faults)
{
	unsigned char *page = fenced_alloc(vgr.page);
	unsigned char *bad[] = {
		NULL, page + vgr.page, page + vgr.page - 1, page + vgr.page - 7,
		page - 1, (unsigned char *)ARCH_KERNEL_ADDRESS,
	};
	size_t i, j, k;

	ASSERT_NE(NULL, page);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		for (j = 0; j < ARRAY_SIZE(askers); j++) {
			for (k = 0; k < ARRAY_SIZE(cookie_lens); k++) {
				ssize_t ret = ask_or_fault(j, bad[i], cookie_lens[k]);

				EXPECT_TRUE(is_fault(ret, (uintptr_t)bad[i],
						     cookie_lens[k])) {
					TH_LOG("%s: %p: %zd", askers[j].name,
					       bad[i], ret);
				}
			}
		}
	}
}

TEST(buffer_that_cannot_be_written_does_for_unchanged_cookies)
{
	unsigned char *page = fenced_alloc(vgr.page);
	ssize_t ret = -1;
	size_t i, try;

	ASSERT_NE(NULL, page);
	for (i = 0; i < ARRAY_SIZE(askers); i++) {
		for (try = 0; try < TRIES && ret; try++) {
			ASSERT_EQ(0, mprotect(page, vgr.page, PROT_READ | PROT_WRITE));
			askers[i].ask(page, 16, GRND_TIMESTAMP);
			ASSERT_EQ(0, mprotect(page, vgr.page, PROT_READ));
			ret = ask_or_fault(i, page, 16);
		}
		EXPECT_EQ(0, ret);
		ret = ask_or_fault(i, page + 16, 16);
		EXPECT_TRUE(is_fault(ret, (uintptr_t)page + 16, 16));
	}
}

TEST(buffer_may_have_any_alignment)
{
	unsigned char *pages = fenced_alloc(2 * vgr.page);
	struct cookies aligned, cookies;
	size_t offset, i, try;
	bool same = false;

	ASSERT_NE(NULL, pages);
	for (offset = vgr.page - 64; offset <= vgr.page + 16; offset++) {
		for (i = 0; i < ARRAY_SIZE(askers); i++) {
			for (try = 0; try < TRIES && !same; try++) {
				memset(&aligned, 0, sizeof(aligned));
				memset(pages, 0, 2 * vgr.page);
				ask_vdso(&aligned, sizeof(aligned), GRND_TIMESTAMP);
				ASSERT_EQ(16, askers[i].ask(pages + offset, 16,
							    GRND_TIMESTAMP));
				memcpy(&cookies, pages + offset, sizeof(cookies));
				same = !memcmp(&cookies, &aligned, sizeof(cookies)) &&
				       all_bytes(pages, offset, 0);
			}
			EXPECT_TRUE(same) {
				TH_LOG("%s, offset %zu", askers[i].name, offset);
			}
			same = false;
		}
	}
}

/*
 * The answer
 */

TEST(never_is_answered_and_the_present_is_not)
{
	struct cookies cookies, before;
	size_t i, j, try;
	ssize_t ret = -1;

	for (i = 0; i < ARRAY_SIZE(askers); i++) {
		for (j = 0; j < ARRAY_SIZE(cookie_lens); j++) {
			const size_t len = cookie_lens[j];

			for (try = 0; try < TRIES && ret; try++) {
				memset(&cookies, 0, sizeof(cookies));
				ASSERT_EQ(len, askers[i].ask(&cookies, len, GRND_TIMESTAMP));
				EXPECT_NE(0, cookies.reseeded);
				EXPECT_EQ(len == 16, !!cookies.cloned);
				before = cookies;
				ret = askers[i].ask(&cookies, len, GRND_TIMESTAMP);
				EXPECT_EQ(!ret, !memcmp(&before, &cookies, len));
			}
			EXPECT_EQ(0, ret) {
				TH_LOG("%s, %zu bytes", askers[i].name, len);
			}
			ret = -1;
		}
	}
}

TEST(vdso_and_system_call_have_the_same_cookies)
{
	struct cookies cookies[2];
	bool same = false;
	size_t i, j, try;

	for (i = 0; i < ARRAY_SIZE(cookie_lens); i++) {
		const size_t len = cookie_lens[i];

		same = false;
		for (try = 0; try < TRIES && !same; try++) {
			memset(cookies, 0, sizeof(cookies));
			for (j = 0; j < ARRAY_SIZE(askers); j++)
				ASSERT_EQ(len, askers[j].ask(&cookies[j], len,
							     GRND_TIMESTAMP));
			/* Each confirms the cookies that the other one gave. */
			same = !memcmp(&cookies[0], &cookies[1], len) &&
			       !ask_vdso(&cookies[1], len, GRND_TIMESTAMP) &&
			       !vgr_syscall(&cookies[0], len, GRND_TIMESTAMP);
		}
		EXPECT_TRUE(same) {
			TH_LOG("%zu bytes", len);
		}
	}
}

TEST(one_wrong_bit_is_noticed_and_put_right)
{
	unsigned char right[16], cookies[16];
	size_t i, j, bit;

	for (i = 0; i < ARRAY_SIZE(askers); i++) {
		for (j = 0; j < ARRAY_SIZE(cookie_lens); j++) {
			const size_t len = cookie_lens[j];

			for (bit = 0; bit < 8 * len; bit++) {
				memset(right, 0, sizeof(right));
				askers[i].ask(right, len, GRND_TIMESTAMP);
				memcpy(cookies, right, len);
				cookies[bit / 8] ^= 1 << bit % 8;
				ASSERT_EQ(len, askers[i].ask(cookies, len, GRND_TIMESTAMP));
				/* Unless the kernel has reseeded meanwhile. */
				EXPECT_TRUE(!memcmp(cookies, right, len) ||
					    askers[i].ask(right, len, GRND_TIMESTAMP));
			}
		}
	}
}

TEST(second_cookie_does_not_matter_if_it_is_not_asked_for)
{
	struct cookies cookies;
	ssize_t ret = -1;
	size_t i, try;

	for (i = 0; i < ARRAY_SIZE(askers); i++) {
		for (try = 0; try < TRIES && ret; try++) {
			memset(&cookies, 0, sizeof(cookies));
			askers[i].ask(&cookies, 16, GRND_TIMESTAMP);
			cookies.cloned = 0;
			ret = askers[i].ask(&cookies, 8, GRND_TIMESTAMP);
			EXPECT_EQ(0, cookies.cloned);
		}
		EXPECT_EQ(0, ret);
		ret = -1;
	}
}

TEST(reseed_changes_the_first_cookie_and_not_the_second)
{
	struct cookies cookies, before;
	size_t i, j;

	if (!may_reseed())
		SKIP(return, "reseed: RNDRESEEDCRNG not permitted");
	for (i = 0; i < ARRAY_SIZE(askers); i++) {
		for (j = 0; j < ARRAY_SIZE(cookie_lens); j++) {
			const size_t len = cookie_lens[j];

			memset(&cookies, 0, sizeof(cookies));
			ASSERT_EQ(len, askers[i].ask(&cookies, len, GRND_TIMESTAMP));
			before = cookies;
			ASSERT_TRUE(reseed());
			ASSERT_EQ(len, askers[i].ask(&cookies, len, GRND_TIMESTAMP));
			EXPECT_NE(before.reseeded, cookies.reseeded);
			EXPECT_EQ(before.cloned, cookies.cloned);
		}
	}
}

/* Whatever is passed as a state is ignored. */
TEST(opaque_state_and_its_length_are_ignored)
{
	const size_t size = vgr.params.size_of_opaque_state;
	const size_t lens[] = { 0, 1, 8, 16, size - 1, size, size + 1, vgr.page,
				SSIZE_MAX, VGR_QUERY - 1, VGR_QUERY };
	unsigned char *page = fenced_alloc(vgr.page);
	unsigned char *states[] = { NULL, page, page + 1, page + 64, page + vgr.page,
				    page - 1, (unsigned char *)ARCH_KERNEL_ADDRESS };
	uint64_t cookie;
	size_t i, j;

	ASSERT_NE(NULL, page);
	memset(page, GUARD, vgr.page);
	for (i = 0; i < ARRAY_SIZE(states); i++) {
		for (j = 0; j < ARRAY_SIZE(lens); j++) {
			cookie = 0;
			EXPECT_EQ(8, vgr.call(&cookie, 8, GRND_TIMESTAMP, states[i],
					      lens[j]));
			EXPECT_NE(0, cookie);
			EXPECT_EQ(-EINVAL, vgr.call(&cookie, 9, GRND_TIMESTAMP,
						    states[i], lens[j]));
		}
	}
	EXPECT_TRUE(all_bytes(page, vgr.page, GUARD));
}

/*
 * Served without a system call
 */

/* Ask with old and with current cookies, of both lengths, with any state. */
static int ask_many(void *unused)
{
	const size_t lens[] = { 0, vgr.params.size_of_opaque_state, VGR_QUERY };
	size_t i;

	for (i = 0; i < work.draws; i++) {
		const size_t len = cookie_lens[i % 2];

		if (i % 3 == 0)
			memset(work.buffer, 0, 16);
		if (vgr.call(work.buffer, len, GRND_TIMESTAMP | (i / 2 % 2 ? GRND_NONBLOCK : 0),
			     work.buffer + 64, lens[i % ARRAY_SIZE(lens)]) < 0)
			return 1;
	}
	return 0;
}

static int ask_in_time_namespace(void *unused)
{
	return is_time_unshared() ? ask_many(NULL) : 2;
}

/* Enough requests to cover each combination several times. */
static bool prepare_to_ask(struct watch *watch)
{
	work.draws = 1200;
	return watch_work(watch, vgr.page);
}

TEST(served_without_system_calls)
{
	struct watch watch;
	struct calls calls;

	ASSERT_TRUE(prepare_to_ask(&watch));
	if (!count_calls(ask_many, NULL, &watch, &calls))
		SKIP(return, "no system calls: tracing not permitted");
	EXPECT_EQ(0, calls.status);
	EXPECT_EQ(0, calls.handed);
	EXPECT_EQ(0, calls.reseeds);
}

TEST(served_without_system_calls_in_a_time_namespace)
{
	struct watch watch;
	struct calls calls;

	ASSERT_TRUE(prepare_to_ask(&watch));
	if (!unshare_time())
		SKIP(return, "time namespace: not permitted, or no TIME_NS");
	if (!count_calls(ask_in_time_namespace, NULL, &watch, &calls))
		SKIP(return, "time namespace: tracing not permitted");
	EXPECT_EQ(0, calls.status);
	EXPECT_EQ(0, calls.handed);
	EXPECT_EQ(0, calls.reseeds);
}

TEST(served_where_seccomp_kills_for_getrandom)
{
	struct watch watch;
	pid_t pid;
	int status;

	ASSERT_TRUE(prepare_to_ask(&watch));
	pid = fork();
	if (!pid)
		_exit(filter_getrandom(SECCOMP_RET_KILL_PROCESS) ? ask_many(NULL) : KSFT_SKIP);
	status = reap(pid);
	if (status == KSFT_SKIP)
		SKIP(return, "seccomp: no filters");
	EXPECT_EQ(0, status);
}

/* The filter of the case above does see requests. */
TEST(refused_requests_reach_the_seccomp_filter)
{
	uint64_t cookie = 0;
	pid_t pid;
	int status;

	pid = fork();
	if (!pid) {
		if (!filter_getrandom(SECCOMP_RET_KILL_PROCESS))
			_exit(KSFT_SKIP);
		_exit(ask_vdso(&cookie, 4, GRND_TIMESTAMP));
	}
	status = reap(pid);
	if (status == KSFT_SKIP)
		SKIP(return, "seccomp: no filters");
	EXPECT_EQ(128 + SIGSYS, status);
}

/*
 * 32-bit programs
 */

#ifdef ARCH_COMPAT_MAP
/* Try in a child: such a call faults without IA32_EMULATION. */
static bool has_compat(void *cookies)
{
	pid_t pid = fork();

	if (!pid)
		_exit(arch_compat_getrandom(cookies, 0, 0) ? KSFT_SKIP : 0);
	return !reap(pid);
}

TEST(programs_of_32_bits_get_the_same_cookies)
{
	unsigned char *low = mmap(NULL, vgr.page, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS | ARCH_COMPAT_MAP, -1, 0);
	struct cookies cookies;
	bool same = false;
	unsigned int len;
	size_t try;

	ASSERT_NE(MAP_FAILED, low);
	if (!has_compat(low))
		SKIP(return, "32-bit programs: no IA32_EMULATION");
	for (len = 0; len <= 64; len++) {
		memset(low, 0, 64);
		EXPECT_EQ(expected_of(len), arch_compat_getrandom(low + 4, len, GRND_TIMESTAMP));
	}
	EXPECT_EQ(-EINVAL, arch_compat_getrandom(low, 8, GRND_TIMESTAMP | GRND_RANDOM));
	EXPECT_EQ(-EFAULT, arch_compat_getrandom(NULL, 8, GRND_TIMESTAMP));
	for (try = 0; try < TRIES && !same; try++) {
		memset(low, 0, 64);
		memset(&cookies, 0, sizeof(cookies));
		ASSERT_EQ(16, arch_compat_getrandom(low + 4, 16, GRND_TIMESTAMP));
		ASSERT_EQ(16, vgr_syscall(&cookies, 16, GRND_TIMESTAMP));
		same = !memcmp(low + 4, &cookies, sizeof(cookies)) &&
		       !arch_compat_getrandom(low + 4, 16, GRND_TIMESTAMP | GRND_NONBLOCK);
	}
	EXPECT_TRUE(same);
}
#endif /* ARCH_COMPAT_MAP */

/*
 * Interrupted at every instruction
 */

enum { ASK = 1 << 0, SAME = 1 << 1, FORK = 1 << 2, RESEED = 1 << 3, WIPE = 1 << 4 };

/**
 * struct scene - a call to be interrupted, in memory that tracer and actor share
 * @quit:	make no more calls
 * @never:	start with zeros, which stand for "never"
 * @handler:	what the handler does: ASK, possibly with the SAME buffer, or FORK
 * @calling:	the call has not returned yet
 * @cookies:	what the calls have left in @asked
 * @own:	buffer of the handler
 * @outer:	result of the call
 * @nested:	result of the call in the handler
 * @later:	result of the next call
 * @child:	exit status of the handler's child
 * @output:	bytes drawn from the pool
 */
static struct scene {
	bool quit;
	bool never;
	unsigned int handler;
	bool calling;
	struct cookies cookies;
	struct cookies own;
	ssize_t outer;
	ssize_t nested;
	ssize_t later;
	int child;
	struct pool *pool;
	unsigned char output[32];
} *scene;

static pid_t forked;

/* The buffer of the call, which a forked child does not share. */
static struct cookies asked;

static void on_interruption(int sig, siginfo_t *info, void *context)
{
	if (scene->handler & ASK)
		scene->nested = ask_vdso(scene->handler & SAME ? &asked : &scene->own,
					 sizeof(struct cookies), GRND_TIMESTAMP);
	if (scene->handler & FORK)
		forked = fork();
}

static bool is_answer(ssize_t ret)
{
	return !ret || ret == sizeof(struct cookies);
}

/* The handler's child exits here, once the interrupted call has returned to it. */
static void part_with_child(pid_t self, const struct cookies *cookies, ssize_t ret)
{
	if (getpid() != self)
		_exit(!is_answer(ret) || !cookies->reseeded || !cookies->cloned);
	scene->child = forked ? reap(forked) : 0;
	forked = 0;
}

static int ask_interrupted(void *unused)
{
	struct cookies *cookies = &asked;
	const pid_t self = getpid();
	ssize_t ret;

	catch(SIGUSR1, on_interruption, 0);
	for (;;) {
		memset(cookies, 0, sizeof(*cookies));
		if (!scene->never)
			ask_vdso(cookies, sizeof(*cookies), GRND_TIMESTAMP);
		scene->own = *cookies;
		scene->nested = 0;
		scene->calling = true;
		step_trap();
		if (scene->quit)
			return 0;
		/* As from a C library: the fast path of draws comes first. */
		ret = vgr.call(cookies, sizeof(*cookies), GRND_TIMESTAMP, NULL,
			       vgr.params.size_of_opaque_state);
		part_with_child(self, cookies, ret);
		scene->outer = ret;
		scene->calling = false;
		step_trap();
		scene->later = ask_vdso(cookies, sizeof(*cookies), GRND_TIMESTAMP);
		scene->cookies = *cookies;
		step_trap();
	}
}

/* Find what went wrong in the interrupted call. */
static const char *judge(unsigned int event)
{
	struct cookies present = { 0 };
	bool told = scene->outer || scene->later;
	bool changed = event & RESEED || scene->never;

	vgr_syscall(&present, sizeof(present), GRND_TIMESTAMP);
	if (!is_answer(scene->outer) || !is_answer(scene->nested) || !is_answer(scene->later))
		return "wrong result";
	if (scene->handler & SAME)
		told |= scene->nested > 0;
	if (told != changed)
		return changed ? "change not told of" : "told of no change";
	if (event & ASK && !(event & SAME) && !!scene->nested != changed)
		return "handler told wrong";
	if (memcmp(&scene->cookies, &present, sizeof(present)))
		return "cookies are not the present ones";
	if (scene->child)
		return "child told wrong";
	return fine;
}

/*
 * Go from the trap before the call to its instruction @n. The steps are too few to
 * be worth a breakpoint, each of which makes the kernel patch its own code for perf.
 */
static bool step_into(struct step_actor *actor, const struct step_trace *trace, unsigned int n)
{
	unsigned int steps;

	if (!step_enter(actor, vgr_in_vdso))
		return false;
	for (steps = 0; steps < n; steps++)
		if (!step_go(actor, PTRACE_SINGLESTEP, 0))
			return false;
	return step_ip(actor) == trace->insn[n].at;
}

/* Run to the trap before the next call. */
static bool run_to_top(struct step_actor *actor)
{
	do {
		if (!step_continue(actor, 0))
			return false;
	} while (!scene->calling);
	return true;
}

/* Step through the call. */
static bool record(struct step_actor *actor, struct step_trace *trace)
{
	return step_record(actor, vgr_in_vdso, trace) && run_to_top(actor);
}

/* Cause the event here, and finish the call and the one after it. */
static bool interrupt(struct step_actor *actor, unsigned int event)
{
	return (!(event & RESEED) || reseed()) &&
	       step_continue(actor, scene->handler ? SIGUSR1 : 0) &&
	       step_continue(actor, 0);
}

/*
 * Cause the event at instruction @n. If the kernel reseeds at the wrong moment, this
 * call, or the recorded one, goes another way: record again.
 */
static const char *try_interrupted_at(struct step_actor *actor, struct step_trace *trace,
				      unsigned int n, unsigned int event)
{
	const char *wrong = "?";
	unsigned int try;

	for (try = 0; try < TRIES && wrong != fine && n < trace->n; try++) {
		scene->handler = event & (ASK | SAME | FORK);
		if (!step_into(actor, trace, n)) {
			wrong = "not to be stopped where it should";
			scene->handler = 0;
			if (!run_to_top(actor) || !record(actor, trace))
				return "died";
			continue;
		}
		if (!interrupt(actor, event))
			return "died";
		wrong = judge(event);
		if (!step_continue(actor, 0))
			return "died";
	}
	return n < trace->n ? wrong : fine;
}

/* Cause the event at each instruction of a call. */
static const char *try_interrupted(unsigned int event, bool never)
{
	static struct step_trace trace;
	const char *wrong = fine;
	struct step_actor actor;
	unsigned int n;

	scene = shared_alloc(sizeof(*scene));
	if (!scene)
		return "no memory";
	scene->never = never;
	if (!step_fork(&actor, ask_interrupted, NULL))
		return "tracing not permitted";
	if (!step_continue(&actor, 0) || !record(&actor, &trace))
		wrong = "cannot be stepped through";
	for (n = 0; n < trace.n && wrong == fine; n++)
		wrong = try_interrupted_at(&actor, &trace, n, event);
	ksft_print_msg("%u instructions, %u system calls; stopped at %u: %s\n",
		       trace.n, trace.syscalls, n, wrong);
	step_kill(&actor);
	return trace.syscalls ? "by system call" : wrong;
}

static void test_interrupted(struct __test_metadata *_metadata, unsigned int event)
{
	if (event & RESEED && !may_reseed())
		SKIP(return, "interrupted: RNDRESEEDCRNG not permitted");
	EXPECT_STREQ(fine, try_interrupted(event, false));
	EXPECT_STREQ(fine, try_interrupted(event, true));
}

TEST(interrupted_by_nothing)
{
	test_interrupted(_metadata, 0);
}

TEST(interrupted_by_a_reseed)
{
	test_interrupted(_metadata, RESEED);
}

TEST(interrupted_by_a_handler_that_asks)
{
	test_interrupted(_metadata, ASK);
}

TEST(interrupted_by_a_handler_that_asks_for_the_same)
{
	test_interrupted(_metadata, ASK | SAME);
}

TEST(interrupted_by_a_reseed_and_a_handler_that_asks)
{
	test_interrupted(_metadata, RESEED | ASK);
}

TEST(interrupted_by_a_reseed_and_a_handler_that_asks_for_the_same)
{
	test_interrupted(_metadata, RESEED | ASK | SAME);
}

TEST(interrupted_by_a_handler_that_forks)
{
	test_interrupted(_metadata, FORK);
}

TEST(interrupted_by_a_reseed_and_a_handler_that_forks)
{
	test_interrupted(_metadata, RESEED | FORK);
}

/*
 * The pool of the documentation
 */

static ssize_t pool_ask_vdso(uint64_t *cookie)
{
	return ask_vdso(cookie, sizeof(*cookie), GRND_TIMESTAMP);
}

static ssize_t pool_ask_kernel(uint64_t *cookie)
{
	return vgr_syscall(cookie, sizeof(*cookie), GRND_TIMESTAMP);
}

static const pool_ask_t pool_asks[] = { pool_ask_vdso, pool_ask_kernel };

TEST(pool_never_repeats_itself)
{
	unsigned char output[100];
	struct pool *pool = pool_open();
	size_t len, i;

	ASSERT_NE(NULL, pool);
	for (i = 0; i < 400; i++) {
		len = i % sizeof(output) + 1;
		ASSERT_TRUE(i % 50 || !vgr_wipe(pool));
		ASSERT_TRUE(pool_draw(pool, output, len, pool_asks[i / 200]));
		ASSERT_EQ(0, vgr_repeats(output, len));
	}
	EXPECT_FALSE(pool_draw(pool, output, sizeof(*pool), pool_ask_vdso));
}

TEST(pool_is_refilled_after_a_reseed)
{
	struct pool *pool = pool_open();
	unsigned char output[32];
	size_t i;

	if (!may_reseed())
		SKIP(return, "pool: RNDRESEEDCRNG not permitted");
	ASSERT_NE(NULL, pool);
	for (i = 0; i < ARRAY_SIZE(pool_asks); i++) {
		ASSERT_TRUE(pool_draw(pool, output, sizeof(output), pool_asks[i]));
		ASSERT_TRUE(pool_draw(pool, output, sizeof(output), pool_asks[i]));
		ASSERT_TRUE(reseed());
		ASSERT_TRUE(pool_draw(pool, output, sizeof(output), pool_asks[i]));
		EXPECT_EQ(sizeof(pool->bytes) - sizeof(output), pool->left);
	}
}

TEST(pool_is_not_shared_with_a_forked_child)
{
	unsigned char *output = shared_alloc(vgr.page);
	struct pool *pool = pool_open();
	pid_t pid;

	ASSERT_TRUE(output && pool);
	ASSERT_TRUE(pool_draw(pool, output, 32, pool_ask_vdso));
	pid = fork();
	if (!pid)
		_exit(!pool_draw(pool, output + 32, 32, pool_ask_vdso));
	ASSERT_EQ(0, reap(pid));
	ASSERT_TRUE(pool_draw(pool, output + 64, 32, pool_ask_vdso));
	EXPECT_EQ(0, vgr_repeats(output, 32));
	EXPECT_EQ(0, vgr_repeats(output + 32, 32));
	EXPECT_EQ(0, vgr_repeats(output + 64, 32));
}

/* Draw between two traps, from a pool that has to be refilled if @never is set. */
static int draw_interrupted(void *unused)
{
	unsigned char output[sizeof(scene->output)];
	unsigned int i;
	bool ok;

	scene->pool = pool_open();
	if (!scene->pool)
		return 1;
	for (i = 0; !scene->quit; i++) {
		/* Refill the pool each time, and use it up if asked to. */
		vgr_wipe(scene->pool);
		if (!pool_draw(scene->pool, output, 1, pool_ask_vdso))
			return 2;
		if (scene->never)
			scene->pool->left = 1;
		scene->calling = true;
		step_trap();
		ok = pool_draw(scene->pool, output, sizeof(output), pool_ask_vdso);
		scene->calling = false;
		if (!ok)
			return 3;
		memcpy(scene->output, output, sizeof(output));
		step_trap();
	}
	return 0;
}

/* Write zeros over the pool of a stopped process, as if its page had been dropped. */
static bool wipe_pool(pid_t pid)
{
	static const struct pool zeros;
	struct iovec here = { (void *)&zeros, sizeof(zeros) };
	struct iovec there = { scene->pool, sizeof(zeros) };

	return process_vm_writev(pid, &here, 1, &there, 1, 0) == sizeof(zeros);
}

/* Wipe the pool, or reseed, before instruction @n. False if the draw has fewer. */
static bool interrupt_draw(struct step_actor *actor, unsigned int n, unsigned int event,
			   const char **wrong)
{
	unsigned int i;

	for (i = 0; i < n && scene->calling; i++)
		if (!step_go(actor, PTRACE_SINGLESTEP, 0))
			return false;
	if (scene->calling && ((event & WIPE && !wipe_pool(actor->tid)) ||
			       (event & RESEED && !reseed())))
		*wrong = "nothing could happen";
	i = scene->calling;
	if (!step_continue(actor, 0))
		*wrong = "died";
	else if (vgr_repeats(scene->output, sizeof(scene->output)))
		*wrong = "zeros, or bytes twice";
	return i && *wrong == fine && step_continue(actor, 0);
}

static const char *try_interrupted_draw(unsigned int event, bool used_up)
{
	const char *wrong = fine;
	struct step_actor actor;
	unsigned int n = 0;

	scene = shared_alloc(sizeof(*scene));
	if (!scene)
		return "no memory";
	scene->never = used_up;
	if (!step_fork(&actor, draw_interrupted, NULL) || !step_continue(&actor, 0))
		return "tracing not permitted";
	while (interrupt_draw(&actor, n, event, &wrong))
		n++;
	ksft_print_msg("%u instructions: %s\n", n, wrong);
	step_kill(&actor);
	return n > 50 ? wrong : "too short a call";
}

TEST(pool_wiped_at_any_instruction_gives_no_zeros)
{
	EXPECT_STREQ(fine, try_interrupted_draw(WIPE, false));
	EXPECT_STREQ(fine, try_interrupted_draw(WIPE, true));
}

/*
 * fork_event
 */

TEST(fork_event_is_a_number_that_all_may_read_and_none_write)
{
	char number[32] = "", *end;
	struct stat st;
	int fd;

	if (stat(FORK_EVENT, &st))
		SKIP(return, "fork_event: no PROC_SYSCTL");
	EXPECT_EQ(0444, st.st_mode & 07777);
	EXPECT_EQ(-1, open(FORK_EVENT, O_WRONLY));
	EXPECT_EQ(EACCES, errno);
	fd = open(FORK_EVENT, O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, fd);
	EXPECT_LT(1, read(fd, number, sizeof(number) - 1));
	strtoul(number, &end, 10);
	EXPECT_STREQ("\n", end);
	EXPECT_EQ(0, read(fd, number, sizeof(number)));
	close(fd);
}

static int open_fork_event(void)
{
	return open(FORK_EVENT, O_RDONLY | O_CLOEXEC);
}

/* Add a file to a new epoll instance. */
static int watch_by_epoll(int fd)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLPRI };
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	return epoll >= 0 && !epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) ? epoll : -1;
}

static bool epoll_has_event(int epoll)
{
	struct epoll_event event;

	return epoll_wait(epoll, &event, 1, 0) == 1;
}

static bool has_event(int fd)
{
	struct pollfd poller = { .fd = fd, .events = POLLIN | POLLPRI };

	return poll(&poller, 1, 0);
}

/* Event loops that wait for POLLIN have to sleep, whether they read the file or not. */
TEST(fork_event_has_no_event_without_a_clone)
{
	int reader = open_fork_event(), idle = open_fork_event(), inner, outer;
	struct epoll_event event = { .events = EPOLLIN };
	char number[32];
	size_t i;

	if (reader < 0 || idle < 0)
		SKIP(return, "fork_event: no PROC_SYSCTL");
	inner = watch_by_epoll(idle);
	outer = watch_by_epoll(inner);
	ASSERT_LE(0, inner);
	ASSERT_LE(0, outer);
	for (i = 0; i < 100; i++) {
		EXPECT_FALSE(has_event(reader));
		EXPECT_FALSE(has_event(idle));
		EXPECT_FALSE(epoll_has_event(outer));
		EXPECT_FALSE(epoll_has_event(inner));
		EXPECT_EQ(0, epoll_ctl(inner, EPOLL_CTL_MOD, idle, &event));
		EXPECT_LT(1, pread(reader, number, sizeof(number), 0));
	}
	if (may_reseed()) {
		EXPECT_FALSE(has_event(reader));
		EXPECT_FALSE(has_event(idle));
	}
	close(outer);
	close(inner);
	close(idle);
	close(reader);
}

/*
 * Announced clones
 */

static int announce(int fd, const void *id, size_t len, unsigned int flags)
{
	struct rand_vmfork clone = {
		.id = (uintptr_t)id, .id_len = len, .flags = flags,
	};

	return ioctl(fd, RNDVMFORK, &clone) ? -errno : 0;
}

static unsigned long count_clones(int reader)
{
	char number[32] = "";

	return pread(reader, number, sizeof(number) - 1, 0) > 0 ? strtoul(number, NULL, 10) : 0;
}

TEST(announced_clone_is_told_before_the_call_returns)
{
	static const char id[256] = "an ID of this clone";
	const size_t lens[] = { 16, 17, 255, 256 };
	int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
	int reader = open_fork_event(), idle = open_fork_event();
	struct cookies cookies[ARRAY_SIZE(askers)] = { }, before;
	unsigned long clones;
	size_t i, j;

	ASSERT_LE(0, fd);
	if (!may_reseed())
		SKIP(return, "clone: RNDVMFORK not permitted");
	if (reader < 0)
		SKIP(return, "clone: no PROC_SYSCTL");
	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		for (j = 0; j < ARRAY_SIZE(askers); j++)
			askers[j].ask(&cookies[j], 16, GRND_TIMESTAMP);
		clones = count_clones(reader);
		ASSERT_EQ(0, announce(fd, id, lens[i], 0)) {
			TH_LOG("%zu bytes", lens[i]);
		}
		EXPECT_TRUE(has_event(reader));
		EXPECT_EQ(clones + 1, count_clones(reader));
		for (j = 0; j < ARRAY_SIZE(askers); j++) {
			before = cookies[j];
			EXPECT_EQ(16, askers[j].ask(&cookies[j], 16, GRND_TIMESTAMP));
			EXPECT_NE(before.reseeded, cookies[j].reseeded);
			EXPECT_NE(before.cloned, cookies[j].cloned);
		}
	}
	EXPECT_TRUE(has_event(idle));
	close(idle);
	close(reader);
	close(fd);
}

TEST(announcement_that_is_refused_counts_nothing)
{
	static const char id[512];
	const struct {
		size_t len;
		unsigned int flags;
	} refused[] = { { 0, 0 }, { 15, 0 }, { 257, 0 }, { UINT_MAX, 0 }, { 16, 1 }, { 16, ~0U } };
	int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC), reader = open_fork_event();
	bool permitted = may_reseed();
	unsigned long clones;
	size_t i;

	ASSERT_LE(0, fd);
	if (reader < 0)
		SKIP(return, "clone: no PROC_SYSCTL");
	clones = count_clones(reader);
	for (i = 0; i < ARRAY_SIZE(refused); i++) {
		EXPECT_EQ(permitted ? -EINVAL : -EPERM,
			  announce(fd, id, refused[i].len, refused[i].flags)) {
			TH_LOG("%zu bytes, flags %#x", refused[i].len, refused[i].flags);
		}
	}
	EXPECT_EQ(permitted ? -EFAULT : -EPERM, announce(fd, NULL, 16, 0));
	EXPECT_EQ(-1, ioctl(fd, RNDVMFORK, NULL));
	EXPECT_EQ(permitted ? EFAULT : EPERM, errno);
	if (!permitted)
		EXPECT_EQ(-EPERM, announce(fd, id, 16, 0));
	EXPECT_EQ(clones, count_clones(reader));
	close(reader);
	close(fd);
}

/*
 * Switched off
 */

static int test_off(void)
{
	struct watch watch;
	struct calls calls;
	size_t len;
	bool same = true;

	if (!told_to_be_off())
		ksft_exit_skip("boot with random.vdso_getrandom=off\n");
	ksft_print_header();
	ksft_set_plan(2);
	for (len = 0; len <= 64; len++)
		same &= try_request(len, GRND_TIMESTAMP, expected_of(len)) == fine;
	ksft_test_result(same, "off: cookies are those of the system call\n");
	if (!prepare_to_ask(&watch) || !count_calls(ask_many, NULL, &watch, &calls))
		ksft_test_result_skip("off: tracing not permitted\n");
	else
		ksft_test_result(!calls.status && calls.handed == work.draws,
				 "off: requests are handed to the system call\n");
	return ksft_get_fail_cnt() ? ksft_exit_fail() : ksft_exit_pass();
}

/*
 * Watching
 */

static void print_watched(const char *when, int reader, unsigned int polled)
{
	static struct cookies cookies;
	char number[32] = "";
	ssize_t ret = ask_vdso(&cookies, sizeof(cookies), GRND_TIMESTAMP);

	/* This consumes the event. */
	if (pread(reader, number, sizeof(number) - 1, 0) < 0)
		perror(FORK_EVENT);
	number[strcspn(number, "\n")] = 0;
	printf("%s: %#x, getrandom %zd, cookies %#lx %#lx, fork_event %s\n",
	       when, polled, ret, (unsigned long)cookies.reseeded,
	       (unsigned long)cookies.cloned, number);
}

static int watch_events(void)
{
	struct pollfd poller = { .fd = open_fork_event(), .events = POLLIN | POLLPRI };

	if (poller.fd < 0)
		ksft_exit_skip("no %s\n", FORK_EVENT);
	print_watched("now", poller.fd, 0);
	while (poll(&poller, 1, -1) > 0)
		print_watched("event", poller.fd, poller.revents);
	return KSFT_FAIL;
}

/*
 * Timing
 */

static void *bench_state;
static struct pool *bench_pool;

static bool bench_syscall(void *out, size_t len)
{
	return vgr_syscall(out, len, 0) == (ssize_t)len;
}

/* Check the cookie, but get the bytes from the kernel each time. */
static bool bench_syscall_and_cookie(void *out, size_t len)
{
	static uint64_t cookie;

	return pool_ask_vdso(&cookie) >= 0 && bench_syscall(out, len);
}

static bool bench_pool_by_syscall(void *out, size_t len)
{
	return pool_draw(bench_pool, out, len, pool_ask_kernel);
}

static bool bench_pool_by_vdso(void *out, size_t len)
{
	return pool_draw(bench_pool, out, len, pool_ask_vdso);
}

static bool bench_vgetrandom(void *out, size_t len)
{
	return vgr_draw(out, len, bench_state) == (ssize_t)len;
}

static const struct {
	const char *name;
	bool (*draw)(void *out, size_t len);
} subjects[] = {
	{ "system call",				bench_syscall },
	{ "system call, and cookie by vDSO",		bench_syscall_and_cookie },
	{ "pool, cookie by system call",		bench_pool_by_syscall },
	{ "pool, cookie by vDSO",			bench_pool_by_vdso },
	{ "vgetrandom()",				bench_vgetrandom },
};

static int bench(unsigned long draws)
{
	unsigned long i;
	double took;
	uint32_t out;
	size_t s;

	bench_state = warm_state();
	bench_pool = pool_open();
	if (!bench_state || !bench_pool)
		ksft_exit_fail_msg("no memory\n");
	printf("%lu draws of %zu bytes, ns each:\n", draws, sizeof(out));
	for (s = 0; s < ARRAY_SIZE(subjects); s++) {
		took = seconds();
		for (i = 0; i < draws; i++)
			if (!subjects[s].draw(&out, sizeof(out)))
				ksft_exit_fail_msg("%s: a draw failed\n", subjects[s].name);
		took = seconds() - took;
		printf("%-32s %10.2f\n", subjects[s].name, took * 1e9 / draws);
	}
	return KSFT_PASS;
}

int main(int argc, char **argv)
{
	unsigned char cookie[8] = { 0 };

	find_vgetrandom();
	if (vgr_syscall(cookie, sizeof(cookie), GRND_TIMESTAMP) == -EINVAL)
		ksft_exit_skip("the kernel has no GRND_TIMESTAMP\n");
	if (argc == 2 && !strcmp(argv[1], "off"))
		return test_off();
	need_vgetrandom();
	if (argc == 2 && !strcmp(argv[1], "watch"))
		return watch_events();
	if (argc >= 2 && !strcmp(argv[1], "bench"))
		return bench(argc > 2 ? strtoul(argv[2], NULL, 0) : 1UL << 24);
	if (argc != 1) {
		fprintf(stderr, "Usage: %s [off|watch|bench [DRAWS]]\n", argv[0]);
		return KSFT_FAIL;
	}
	return test_harness_run(argc, argv);
}
