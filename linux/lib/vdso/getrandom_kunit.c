// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests for the generic getrandom() in the vDSO, with a fake data page, a
 * fake system call, and the kernel's own ChaCha20.
 *
 * The code under test is compiled into this file, with its memory accessors
 * redefined to stop first. At a stop, a test can wipe the state, change the
 * kernel's generation, or leave the call for good as a signal does. So each of
 * these events can be tried before each access.
 *
 * Two things are verified. At every stop, a state with a number must hold
 * keystream that descends from the seed of that number and that was not handed
 * out yet. After every call, the bytes returned and the whole state must be
 * those that a model of the generator gives.
 */
#include <asm/vdso/getrandom.h>

/* Another file has the same tests with more blocks. */
#ifndef TEST_BLOCKS
#define TEST_BLOCKS	VGETRANDOM_BLOCKS
#define TEST_SUFFIX	""
#endif

/* In place of what the architecture chooses; the functions of <vdso/getrandom.h> use it. */
#undef __arch_vgetrandom_blocks
#undef __arch_chacha20_blocks_overlap
#define __arch_vgetrandom_blocks()		TEST_BLOCKS
#define __arch_chacha20_blocks_overlap()	VGETRANDOM_BLOCKS

#include <kunit/test.h>
#include <linux/build_bug.h>
#include <linux/compiler.h>
#include <linux/completion.h>
#include <linux/gfp.h>
#include <linux/kernel.h>
#include <linux/kthread.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/sizes.h>
#include <linux/string.h>
#include <linux/types.h>
#include <vdso/getrandom.h>
#include <asm/barrier.h>
#include <asm/cmpxchg.h>
#include <asm/unaligned.h>
#include <uapi/linux/random.h>

#define BATCH_SIZE	(TEST_BLOCKS * CHACHA_BLOCK_SIZE - CHACHA_KEY_SIZE)
#define STATE_SIZE	(offsetof(struct vgetrandom_state, batch) + BATCH_SIZE)

/* The longest draw whose output is checked: a bit more than three batches. */
#define MAX_DRAW	(3 * BATCH_SIZE + 2 * CHACHA_BLOCK_SIZE)

/* Bytes on both sides of the output that must not change. */
#define MARGIN		64

/* Fills memory that nothing may write to. */
#define UNTOUCHED	0xa5

/* Length of the unused memory on each side of the state. */
#define STATE_MARGIN	PAGE_SIZE

/**
 * struct keystream - what a state must contain
 * @generation: Number of the seed, 0 if there is none.
 * @run:	The key, and the batch that was made with it.
 * @avail:	Number of bytes of the batch that have not been handed out.
 */
struct keystream {
	u64	generation;
	u8	run[TEST_BLOCKS * CHACHA_BLOCK_SIZE];
	u32	avail;
};

/* An event, and the stop at which it happens. */
struct event {
	unsigned int	stop;
	void		(*happen)(void);
};

static struct {
	/* Arguments of the code under test. */
	struct vdso_rng_data	rng;
	struct vdso_vmclock	clock;
	struct vgetrandom_state	*state;
	u8			*buffer;

	/* What the kernel knows of the hypervisor's word. */
	u64			noticed;

	/* Behaviour of the fake system call. */
	unsigned int		seeds;		/* handed out so far */
	ssize_t			refusal;	/* 0, or the result instead of a seed */

	/* Behaviour of the fake block function. */
	bool			discard;	/* the output is too long to keep */

	/* The secrets given to the state, as they were made. */
	struct keystream	made;
	/* What the next call must find. */
	struct keystream	expected;
	/* Bytes from here on may be left over from abandoned calls. */
	size_t			abandoned;

	/* What happened in the current call. */
	unsigned int		stops;
	unsigned int		syscalls;
	unsigned int		blocks;
	bool			wiped;
	bool			wiped_at_check;
	u64			generation_at_check;
	u64			noticed_at_check;
	u64			clock_at_check;
	bool			hypervisor_asked_last;

	/* What will happen in it. */
	struct event		events[2];
	bool			fired[2];
	bool			in_handler;
	void			(*handler)(void);
	struct completion	left;

	bool			watched;	/* inspect the state at every stop */
	const char		*complaint;
} fake;

static void complain(const char *about)
{
	if (!fake.complaint)
		fake.complaint = about;
}

static bool state_has_number(void)
{
	return fake.state->generation && fake.state->generation != VGETRANDOM_IN_PROGRESS;
}

static void publish(u64 generation)
{
	fake.rng.check = (generation ?: VDSO_RNG_NO_GENERATION) + fake.noticed;
	fake.rng.generation = generation;
}

/* The kernel reseeds without looking at the hypervisor's word. */
static void new_generation(void)
{
	/* No other generation and clock may have the same sum. */
	publish(fake.rng.generation + 1000003);
}

/* Every system call does this first. */
static void notice_clone(void)
{
	if (fake.noticed == fake.clock.disruption_marker)
		return;
	fake.noticed = fake.clock.disruption_marker;
	new_generation();
}

static bool state_is_current(void)
{
	return fake.rng.generation && fake.state->generation == fake.rng.generation;
}

static const u8 *batch_of(const struct keystream *stream)
{
	return stream->run + CHACHA_KEY_SIZE;
}

static bool state_holds(const struct keystream *stream)
{
	return !memcmp(fake.state->key, stream->run, CHACHA_KEY_SIZE) &&
	       !memcmp(fake.state->batch, batch_of(stream),
		       min_t(size_t, fake.state->avail, BATCH_SIZE));
}

static void inspect_state(void)
{
	if (!fake.watched || !state_has_number())
		return;
	if (fake.state->generation > fake.made.generation)
		complain("the state has a number that its seed does not have");
	else if (fake.state->avail > fake.made.avail)
		complain("the state offers bytes that were handed out or never made");
	else if (!state_holds(&fake.made))
		complain("the state has a number, but does not hold its keystream");
}

/* The code under test is about to touch memory. */
static void stop(void)
{
	unsigned int now = fake.stops, i;

	inspect_state();
	if (fake.in_handler)
		return;

	fake.stops++;
	for (i = 0; i < ARRAY_SIZE(fake.events); i++) {
		if (fake.events[i].happen && fake.events[i].stop == now) {
			fake.fired[i] = true;
			fake.events[i].happen();
		}
	}
}

/* The last loads of these words in a call are its check. */
static void note_load(const void *from)
{
	if (from == &fake.rng.check) {
		fake.generation_at_check = fake.rng.generation;
		fake.noticed_at_check = fake.noticed;
		fake.hypervisor_asked_last = false;
	} else if (from == &fake.rng.generation) {
		fake.generation_at_check = fake.rng.generation;
	} else if (from == &fake.state->generation) {
		fake.wiped_at_check = fake.wiped;
		fake.hypervisor_asked_last = false;
	} else if (from == &fake.clock.disruption_marker) {
		fake.clock_at_check = fake.clock.disruption_marker;
		fake.hypervisor_asked_last = true;
	}
}

static u64 compare_and_exchange(u64 *at, u64 old, u64 new)
{
	u64 found = *at;

	if (found == old)
		*at = new;
	return found;
}

static void reference_blocks(u8 *dst, const u8 *key, u64 counter, size_t nblocks)
{
	u32 input[CHACHA_STATE_WORDS] = { };
	size_t i;

	chacha_init_consts(input);
	for (i = 0; i < CHACHA_KEY_SIZE / sizeof(u32); i++)
		input[4 + i] = get_unaligned_le32(key + i * sizeof(u32));
	for (i = 0; i < nblocks; i++, counter++) {
		input[12] = lower_32_bits(counter);
		input[13] = upper_32_bits(counter);
		chacha20_block(input, dst + i * CHACHA_BLOCK_SIZE);
	}
}

/* The same few keys recur all the time, so cache their output. */
static const u8 *run_of(const u8 *key)
{
	static struct {
		u8	key[CHACHA_KEY_SIZE];
		u8	run[TEST_BLOCKS * CHACHA_BLOCK_SIZE];
		bool	made;
	} known[32], *entry;

	entry = &known[get_unaligned_le32(key) % ARRAY_SIZE(known)];
	if (!entry->made || memcmp(entry->key, key, CHACHA_KEY_SIZE)) {
		memcpy(entry->key, key, CHACHA_KEY_SIZE);
		reference_blocks(entry->run, key, 0, TEST_BLOCKS);
		entry->made = true;
	}
	return entry->run;
}

static void refill(struct keystream *stream)
{
	memcpy(stream->run, run_of(stream->run), sizeof(stream->run));
	stream->avail = BATCH_SIZE;
}

/* No two seeds are equal, and none looks like wiped memory. */
static void make_seed(u8 *seed, unsigned int number)
{
	size_t i;

	for (i = 0; i < CHACHA_KEY_SIZE; i += sizeof(u32))
		put_unaligned_le32(~number - i, seed + i);
}

static ssize_t fake_getrandom_syscall(void *buffer, size_t len, unsigned int flags)
{
	u8 seed[CHACHA_KEY_SIZE];
	size_t i;

	stop();
	fake.syscalls++;
	fake.wiped = false;
	if (buffer != fake.state->key || len != sizeof(seed) || flags != GRND_NONBLOCK)
		complain("a system call for something else than a seed");
	if (fake.refusal)
		return fake.refusal;

	notice_clone();
	make_seed(seed, ++fake.seeds);
	fake.made.generation = fake.rng.generation;
	fake.made.avail = 0;
	memcpy(fake.made.run, seed, sizeof(seed));
	for (i = 0; i < sizeof(seed); i += sizeof(u64)) {
		stop();
		memcpy(buffer + i, seed + i, sizeof(u64));
	}
	stop();
	return len;
}

/* Only the output of a secret key may get a number. */
static void note_refill(const u8 *key)
{
	if (!memcmp(key, fake.made.run, CHACHA_KEY_SIZE))
		refill(&fake.made);
	else
		fake.made.generation = 0;
	fake.abandoned = BATCH_SIZE;
}

static void fake_blocks(u8 *dst, const u32 *src, u32 *counter, size_t nblocks)
{
	u64 first = counter[0] | (u64)counter[1] << 32;
	u8 key[CHACHA_KEY_SIZE], block[CHACHA_BLOCK_SIZE];
	u8 *run = (u8 *)fake.state->key;
	size_t i;

	stop();
	memcpy(key, src, sizeof(key));
	fake.blocks += nblocks;
	if (dst == run)
		note_refill(key);
	else if (first && dst != run + first * CHACHA_BLOCK_SIZE)
		complain("the first block is not number 0");

	for (i = first; i < first + nblocks && !fake.discard; i++) {
		stop();
		if (i < TEST_BLOCKS)
			memcpy(block, run_of(key) + i * sizeof(block), sizeof(block));
		else
			reference_blocks(block, key, i, 1);
		memcpy(dst, block, CHACHA_KEY_SIZE);
		/* Between the next key and the batch. */
		if (i == 0)
			stop();
		memcpy(dst + CHACHA_KEY_SIZE, block + CHACHA_KEY_SIZE,
		       sizeof(block) - CHACHA_KEY_SIZE);
		dst += sizeof(block);
	}
	counter[0] = lower_32_bits(first + nblocks);
	counter[1] = upper_32_bits(first + nblocks);
}

/*
 * From here on, the accessors of the code under test are redefined. There is
 * only one thread, so they need not order anything.
 */
#undef barrier
#define barrier() stop()

#undef smp_rmb
/* Accesses nothing, but is a stop as well. */
#define smp_rmb() stop()

#undef READ_ONCE
#define READ_ONCE(x)							\
({									\
	stop();								\
	note_load(&(x));						\
	(x);								\
})

#undef WRITE_ONCE
#define WRITE_ONCE(x, val)						\
do {									\
	stop();								\
	(x) = (val);							\
} while (0)

#undef smp_load_acquire
/* There is no other thread to acquire from. */
#define smp_load_acquire(p) READ_ONCE(*(p))

#undef __arch_vgetrandom_cmpxchg
#define __arch_vgetrandom_cmpxchg(ptr, old, new)			\
({									\
	u64 __old = (old);						\
									\
	stop();								\
	compare_and_exchange(ptr, __old, new) == __old;			\
})

#undef get_unaligned
#define get_unaligned(ptr)						\
({									\
	stop();								\
	__get_unaligned_t(typeof(*(ptr)), (ptr));			\
})

#undef put_unaligned
#define put_unaligned(val, ptr)						\
do {									\
	stop();								\
	__put_unaligned_t(typeof(*(ptr)), (val), (ptr));		\
} while (0)

#define getrandom_syscall			fake_getrandom_syscall
#define __arch_chacha20_blocks_nostack		fake_blocks

#include "getrandom.c"

/* Hand out bytes as the code under test must. */
static void model_draw(struct keystream *stream, u8 *dst, size_t len)
{
	size_t n, rest;

	for (; len; dst += n, len -= n) {
		if (len >= sizeof(stream->run) && stream->avail >= CHACHA_KEY_SIZE) {
			stream->avail -= CHACHA_KEY_SIZE;
			n = round_down(len, CHACHA_BLOCK_SIZE);
			/* One to five blocks after a multiple of a refill's come later. */
			rest = n % sizeof(stream->run);
			if (rest <= 5 * CHACHA_BLOCK_SIZE)
				n -= rest;
			reference_blocks(dst, batch_of(stream) + stream->avail, 0,
					 n / CHACHA_BLOCK_SIZE);
		} else {
			n = min_t(size_t, len, stream->avail);
			stream->avail -= n;
			memcpy(dst, batch_of(stream) + stream->avail, n);
			if (n < len)
				refill(stream);
		}
	}
}

static void model_reseed(struct keystream *stream)
{
	make_seed(stream->run, fake.seeds);
	refill(stream);
	/* The generation when the code under test took this seed. */
	stream->generation = fake.made.generation;
}

/* Note what the next call must find after an abandoned one. */
static void expect_state(void)
{
	fake.expected.generation = 0;
	if (!state_is_current())
		return;
	fake.expected = fake.made;
	fake.expected.avail = fake.state->avail;
	fake.abandoned = fake.state->avail;
}

/* Restored from a snapshot. */
static void become_clone(void)
{
	fake.clock.disruption_marker++;
}

static void wipe(void)
{
	memset(fake.state, 0, STATE_SIZE);
	fake.wiped = true;
}

static void forget_events(void)
{
	memset(fake.events, 0, sizeof(fake.events));
	memset(fake.fired, 0, sizeof(fake.fired));
}

static u8 *output(void)
{
	return fake.buffer + MARGIN;
}

/* Make one call, and let the events happen. */
static ssize_t call_at(u8 *dst, size_t len, unsigned int flags)
{
	fake.stops = 0;
	fake.syscalls = 0;
	fake.blocks = 0;
	fake.wiped = false;
	fake.wiped_at_check = false;
	fake.generation_at_check = 0;
	fake.hypervisor_asked_last = false;
	return __cvdso_getrandom(&fake.rng, &fake.clock, dst, len, flags, fake.state,
				 STATE_SIZE);
}

static ssize_t call(size_t len)
{
	memset(fake.buffer, UNTOUCHED, MAX_DRAW + 2 * MARGIN);
	return call_at(output(), len, 0);
}

static bool untouched(const void *from, size_t len)
{
	return !memchr_inv(from, UNTOUCHED, len);
}

static bool surroundings_untouched(const u8 *dst, size_t len)
{
	const u8 *state = (const u8 *)fake.state;

	return untouched(fake.buffer, dst - fake.buffer) &&
	       untouched(dst + len, fake.buffer + MAX_DRAW + 2 * MARGIN - dst - len) &&
	       untouched(state - STATE_MARGIN, STATE_MARGIN) &&
	       untouched(state + STATE_SIZE, STATE_MARGIN - STATE_SIZE);
}

/* The state must match the model, with zeros where bytes were handed out. */
static bool state_is_as_expected(void)
{
	return fake.state->avail == fake.expected.avail && state_holds(&fake.expected) &&
	       !memchr_inv(fake.state->batch + fake.state->avail, 0,
			   fake.abandoned - fake.state->avail);
}

/* Return a description of the fault in a call, or NULL if there is none. */
static const char *judge_at(u8 *dst, size_t len, ssize_t ret)
{
	static u8 want[MAX_DRAW];

	if (fake.complaint)
		return fake.complaint;

	if (ret == VGETRANDOM_SYSCALL) {
		fake.expected.generation = 0;
		if (state_is_current() && fake.noticed == fake.clock.disruption_marker)
			return "a state that can serve did not";
		notice_clone();
		return surroundings_untouched(dst, len) ? NULL : "memory outside was written";
	}

	if (ret != len)
		return "the return value is neither the length nor \"ask the kernel\"";
	if (!surroundings_untouched(dst, len))
		return "memory outside was written";
	if (fake.wiped_at_check)
		return "a wiped state served the call";
	/* A request for no bytes draws nothing. */
	if (len && !fake.hypervisor_asked_last)
		return "the hypervisor's word was not the last to be looked at";
	if (len && fake.clock_at_check != fake.noticed_at_check)
		return "a clone served the call from a key that all clones have";
	if (fake.syscalls)
		model_reseed(&fake.expected);
	if (!fake.expected.generation)
		return "a state without a seed served the call";
	if (fake.expected.generation != fake.generation_at_check)
		return "the seed is not the kernel's last one";
	model_draw(&fake.expected, want, len);
	if (memcmp(dst, want, len))
		return "the bytes are not the next ones of the keystream";

	if (fake.state->generation != fake.expected.generation) {
		fake.expected.generation = 0;
		return state_has_number() ? "the state has another seed's number" : NULL;
	}
	if (!state_is_as_expected())
		return "the state does not hold the rest of the keystream, and zeros";
	fake.made.avail = fake.expected.avail;
	return NULL;
}

static const char *judge(size_t len, ssize_t ret)
{
	return judge_at(output(), len, ret);
}

static const char *draw_and_judge(size_t len)
{
	return judge(len, call(len));
}

/* Further calls, without events, must be served and be right. */
static const char *draw_on(void)
{
	static const size_t lens[] = { 8, 100, 600 };
	const char *wrong = NULL;
	size_t i;

	forget_events();
	for (i = 0; i < ARRAY_SIZE(lens) && !wrong; i++) {
		ssize_t ret = call(lens[i]);

		wrong = ret == VGETRANDOM_SYSCALL ? "the state does not serve any more" :
						    judge(lens[i], ret);
	}
	return wrong;
}

/* Start a sequence of calls with this many bytes left, or with a new state. */
#define COLD		SIZE_MAX

static void prepare(size_t avail)
{
	forget_events();
	wipe();
	fake.seeds = 0;
	fake.expected.generation = 0;
	fake.abandoned = BATCH_SIZE;
	if (avail == COLD)
		return;

	fake.made.generation = fake.rng.generation;
	make_seed(fake.made.run, ++fake.seeds);
	refill(&fake.made);
	fake.made.avail = avail;
	fake.expected = fake.made;

	fake.state->generation = fake.made.generation;
	fake.state->avail = avail;
	memcpy(fake.state->key, fake.made.run, CHACHA_KEY_SIZE);
	memcpy(fake.state->batch, batch_of(&fake.made), avail);
}

#define EXPECT_RIGHT(test, wrong, fmt, ...)						\
do {											\
	const char *__wrong = (wrong);							\
											\
	KUNIT_ASSERT_TRUE_MSG(test, !__wrong, fmt ": %s", ##__VA_ARGS__, __wrong);	\
} while (0)

/* Lengths at which the code takes another path, and their neighbours. */
static const size_t boundary_lens[] = {
	1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 300,
	BATCH_SIZE - 65, BATCH_SIZE - 64, BATCH_SIZE - 33, BATCH_SIZE - 32, BATCH_SIZE - 31,
	BATCH_SIZE - 1, BATCH_SIZE, BATCH_SIZE + 1, BATCH_SIZE + 31, BATCH_SIZE + 32,
	8 * CHACHA_BLOCK_SIZE - 1, 8 * CHACHA_BLOCK_SIZE, 8 * CHACHA_BLOCK_SIZE + 1,
	2 * BATCH_SIZE - 1, 2 * BATCH_SIZE, 2 * BATCH_SIZE + 1,
	3 * BATCH_SIZE - 1, 3 * BATCH_SIZE, 3 * BATCH_SIZE + 1,
};

static void every_length_in_a_row(struct kunit *test)
{
	size_t len;

	prepare(COLD);
	for (len = 1; len <= MAX_DRAW; len++)
		EXPECT_RIGHT(test, draw_and_judge(len), "%zu bytes", len);
	KUNIT_EXPECT_EQ(test, fake.seeds, 1);
}

static void every_length_from_an_empty_state(struct kunit *test)
{
	size_t len;

	for (len = 1; len <= MAX_DRAW; len++) {
		prepare(COLD);
		EXPECT_RIGHT(test, draw_and_judge(len), "%zu bytes", len);
		KUNIT_ASSERT_EQ(test, fake.syscalls, 1);
	}
}

static void every_fill_of_the_batch(struct kunit *test)
{
	size_t avail, i;

	for (avail = 0; avail <= BATCH_SIZE; avail++) {
		for (i = 0; i < ARRAY_SIZE(boundary_lens); i++) {
			prepare(avail);
			EXPECT_RIGHT(test, draw_and_judge(boundary_lens[i]), "%zu bytes, %zu left",
				     boundary_lens[i], avail);
			KUNIT_ASSERT_EQ(test, fake.syscalls, 0);
		}
	}
}

static void every_alignment_of_the_buffer(struct kunit *test)
{
	size_t i, shift;

	prepare(COLD);
	for (i = 0; i < ARRAY_SIZE(boundary_lens); i++) {
		for (shift = 0; shift < 2 * sizeof(u64); shift++) {
			u8 *dst = output() + shift;
			ssize_t ret;

			memset(fake.buffer, UNTOUCHED, MAX_DRAW + 2 * MARGIN);
			ret = call_at(dst, boundary_lens[i], 0);
			EXPECT_RIGHT(test, judge_at(dst, boundary_lens[i], ret),
				     "%zu bytes at +%zu", boundary_lens[i], shift);
		}
	}
}

/*
 * Not using the model: draw three batches in equal parts, from the end. They
 * must be all of the output of three refills, and nothing twice.
 */
static void a_batch_is_used_up_before_the_next_one(struct kunit *test)
{
	static const size_t lens[] = { 1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 16, 20, 24, 30, 32, 40, 48,
				       60, 62, 80, 96, 120, 124, 160, 240, 248, 496 };
	static struct keystream stream;
	static u8 batch[BATCH_SIZE];
	unsigned int batches;
	size_t i, left;

	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		if (BATCH_SIZE % lens[i])
			continue;
		prepare(COLD);
		make_seed(stream.run, fake.seeds + 1);
		for (batches = 0; batches < 3; batches++) {
			for (left = BATCH_SIZE; left; left -= lens[i]) {
				KUNIT_ASSERT_EQ(test, call(lens[i]), lens[i]);
				memcpy(batch + left - lens[i], output(), lens[i]);
			}
			refill(&stream);
			KUNIT_ASSERT_TRUE_MSG(test, !memcmp(batch, batch_of(&stream), BATCH_SIZE),
					      "%zu bytes at a time, batch %u", lens[i], batches);
		}
	}
}

static bool state_contains(const u8 *secret, size_t len)
{
	const u8 *state = (const u8 *)fake.state;
	size_t i;

	for (i = 0; i <= STATE_SIZE - len; i++)
		if (!memcmp(state + i, secret, len))
			return true;
	return false;
}

/* Eight bytes are enough to recognize a secret. */
#define TRACE		sizeof(u64)

static void output_is_erased_from_the_state(struct kunit *test)
{
	size_t i, j;

	for (i = 0; i < ARRAY_SIZE(boundary_lens); i++) {
		prepare(300);
		KUNIT_ASSERT_EQ(test, call(boundary_lens[i]), boundary_lens[i]);
		for (j = 0; j + TRACE <= boundary_lens[i]; j++)
			KUNIT_ASSERT_FALSE_MSG(test, state_contains(output() + j, TRACE),
					       "%zu bytes, at %zu", boundary_lens[i], j);
	}
}

static void keys_are_erased_once_they_were_used(struct kunit *test)
{
	u8 seed[CHACHA_KEY_SIZE], second[CHACHA_KEY_SIZE], direct[CHACHA_KEY_SIZE];
	struct keystream stream;
	size_t i;

	prepare(COLD);
	make_seed(seed, fake.seeds + 1);
	memcpy(stream.run, seed, sizeof(seed));
	refill(&stream);
	memcpy(second, stream.run, sizeof(second));
	memcpy(direct, batch_of(&stream) + BATCH_SIZE - sizeof(direct), sizeof(direct));

	KUNIT_ASSERT_EQ(test, call(sizeof(stream.run)), sizeof(stream.run));
	for (i = 0; i + TRACE <= sizeof(seed); i++) {
		KUNIT_EXPECT_FALSE(test, state_contains(seed + i, TRACE));
		KUNIT_EXPECT_FALSE(test, state_contains(direct + i, TRACE));
	}
	KUNIT_EXPECT_TRUE(test, state_contains(second, sizeof(second)));

	/* The next refill replaces the second key. */
	KUNIT_ASSERT_EQ(test, call(BATCH_SIZE - 1), BATCH_SIZE - 1);
	for (i = 0; i + TRACE <= sizeof(second); i++)
		KUNIT_EXPECT_FALSE(test, state_contains(second + i, TRACE));
}

static void long_draws_are_made_in_the_buffer(struct kunit *test)
{
	prepare(BATCH_SIZE);
	EXPECT_RIGHT(test, draw_and_judge(3 * BATCH_SIZE), "three batches");
	KUNIT_EXPECT_EQ(test, fake.blocks, 3 * BATCH_SIZE / CHACHA_BLOCK_SIZE);
	KUNIT_EXPECT_LT(test, fake.state->avail, BATCH_SIZE);
}

static void a_new_generation_is_noticed(struct kunit *test)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(boundary_lens); i++) {
		prepare(BATCH_SIZE);
		new_generation();
		EXPECT_RIGHT(test, draw_and_judge(boundary_lens[i]), "%zu bytes", boundary_lens[i]);
		KUNIT_ASSERT_EQ(test, fake.syscalls, 1);
		KUNIT_ASSERT_EQ(test, fake.state->generation, fake.rng.generation);
	}
}

static void a_clone_is_noticed_without_the_kernel(struct kunit *test)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(boundary_lens); i++) {
		ssize_t ret;

		prepare(BATCH_SIZE);
		become_clone();
		ret = call(boundary_lens[i]);
		if (boundary_lens[i])
			KUNIT_ASSERT_EQ(test, ret, VGETRANDOM_SYSCALL);
		EXPECT_RIGHT(test, judge(boundary_lens[i], ret), "%zu bytes", boundary_lens[i]);
		notice_clone();
		EXPECT_RIGHT(test, draw_on(), "after %zu bytes", boundary_lens[i]);
	}
}

/* The kernel reseeds for another reason before it notices. */
static void become_clone_and_reseed(void)
{
	become_clone();
	new_generation();
}

static void a_reseed_does_not_hide_a_clone(struct kunit *test)
{
	prepare(BATCH_SIZE);
	fake.noticed = fake.clock.disruption_marker;
	become_clone_and_reseed();
	KUNIT_EXPECT_EQ(test, call(20), 20);
	KUNIT_EXPECT_EQ(test, fake.noticed, fake.clock.disruption_marker);
}

static void a_wipe_between_calls_is_noticed(struct kunit *test)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(boundary_lens); i++) {
		prepare(BATCH_SIZE);
		wipe();
		fake.expected.generation = 0;
		EXPECT_RIGHT(test, draw_and_judge(boundary_lens[i]), "%zu bytes", boundary_lens[i]);
		KUNIT_ASSERT_EQ(test, fake.syscalls, 1);
	}
}

static void a_state_in_progress_is_seeded_anew(struct kunit *test)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(boundary_lens); i++) {
		prepare(BATCH_SIZE);
		fake.state->generation = VGETRANDOM_IN_PROGRESS;
		fake.expected.generation = 0;
		EXPECT_RIGHT(test, draw_and_judge(boundary_lens[i]), "%zu bytes", boundary_lens[i]);
		KUNIT_ASSERT_EQ(test, fake.syscalls, 1);
	}
}

/* Expect that nothing was drawn or written, and that no seed was fetched. */
static void expect_passed_on(struct kunit *test, ssize_t ret)
{
	KUNIT_EXPECT_EQ(test, ret, VGETRANDOM_SYSCALL);
	KUNIT_EXPECT_EQ(test, fake.syscalls, 0);
	KUNIT_EXPECT_EQ(test, fake.blocks, 0);
	KUNIT_EXPECT_TRUE(test, untouched(fake.buffer, MAX_DRAW + 2 * MARGIN));
	KUNIT_EXPECT_TRUE(test, surroundings_untouched(output(), 0));
}

static const size_t some_lens[] = { 0, 1, 32, 33, BATCH_SIZE, MAX_DRAW };

static bool kernel_takes(unsigned int flags)
{
	return !(flags & ~(GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE)) &&
	       (flags & (GRND_RANDOM | GRND_INSECURE)) != (GRND_RANDOM | GRND_INSECURE);
}

static void try_flags(struct kunit *test, unsigned int flags)
{
	size_t i;
	ssize_t ret;

	for (i = 0; i < ARRAY_SIZE(some_lens); i++) {
		prepare(BATCH_SIZE);
		memset(fake.buffer, UNTOUCHED, MAX_DRAW + 2 * MARGIN);
		ret = call_at(output(), some_lens[i], flags);
		if (kernel_takes(flags))
			EXPECT_RIGHT(test, judge(some_lens[i], ret), "flags %#x", flags);
		else
			expect_passed_on(test, ret);
	}
}

static void every_flag_and_pair_is_served_or_passed_on(struct kunit *test)
{
	unsigned int i, j;

	try_flags(test, 0);
	for (i = 0; i < 32; i++)
		for (j = i; j < 32; j++)
			try_flags(test, BIT(i) | BIT(j));
	try_flags(test, GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE);
	try_flags(test, ~0U);
}

static void not_ready_is_passed_on(struct kunit *test)
{
	static const size_t avails[] = { COLD, 0, 1, BATCH_SIZE };
	size_t i, j;
	ssize_t ret;

	for (i = 0; i < ARRAY_SIZE(avails); i++) {
		for (j = 0; j < ARRAY_SIZE(some_lens); j++) {
			/* Even a full state must not match generation 0. */
			prepare(avails[i]);
			fake.state->generation = 0;
			publish(0);
			ret = call(some_lens[j]);
			publish(fake.made.generation);
			expect_passed_on(test, ret);
		}
	}
}

static void length_0_takes_nothing(struct kunit *test)
{
	prepare(17);
	EXPECT_RIGHT(test, draw_and_judge(0), "warm");
	prepare(COLD);
	KUNIT_EXPECT_EQ(test, call(0), 0);
	KUNIT_EXPECT_EQ(test, fake.syscalls, 0);
	KUNIT_EXPECT_EQ(test, call_at(NULL, 0, 0), 0);
}

static void wrong_state_lengths_are_passed_on(struct kunit *test)
{
	static const size_t state_lens[] = {
		0, 1, STATE_SIZE - 1, STATE_SIZE + 1,
		STATE_SIZE + SZ_4G, PAGE_SIZE, SIZE_MAX,
	};
	size_t i, j;
	ssize_t ret;

	prepare(BATCH_SIZE);
	call(0);
	for (i = 0; i < ARRAY_SIZE(state_lens); i++) {
		for (j = 0; j < ARRAY_SIZE(some_lens); j++) {
			ret = __cvdso_getrandom(&fake.rng, &fake.clock, output(), some_lens[j], 0,
						fake.state, state_lens[i]);
			expect_passed_on(test, ret);
			KUNIT_EXPECT_TRUE(test, state_is_as_expected());
		}
	}
}

/* Every wrong address in the page of the state; none may be dereferenced. */
static void misplaced_states_are_passed_on(struct kunit *test)
{
	u8 *page = (u8 *)fake.state;
	size_t shift, i;
	ssize_t ret;

	prepare(BATCH_SIZE);
	call(0);
	for (shift = 1; shift < PAGE_SIZE; shift++) {
		if (IS_ALIGNED(shift, __alignof__(*fake.state)) &&
		    shift + STATE_SIZE <= PAGE_SIZE)
			continue;
		for (i = 0; i < ARRAY_SIZE(some_lens); i++) {
			ret = __cvdso_getrandom(&fake.rng, &fake.clock, output(), some_lens[i], 0,
						page + shift, STATE_SIZE);
			expect_passed_on(test, ret);
		}
		KUNIT_ASSERT_TRUE(test, state_is_as_expected());
	}
}

static void a_state_anywhere_in_a_page_is_served(struct kunit *test)
{
	struct vgetrandom_state *first = fake.state;
	size_t shift;

	for (shift = 0; shift + STATE_SIZE <= PAGE_SIZE;
	     shift += __alignof__(*fake.state)) {
		fake.state = (void *)first + shift;
		memset(fake.state, 0, STATE_SIZE);
		fake.expected.generation = 0;
		KUNIT_ASSERT_EQ(test, call(100), 100);
		memset(fake.state, UNTOUCHED, STATE_SIZE);
		KUNIT_ASSERT_TRUE(test, untouched((u8 *)first - STATE_MARGIN, 2 * STATE_MARGIN));
	}
	fake.state = first;
}

static void refused_seeds_are_passed_on(struct kunit *test)
{
	static const ssize_t refusals[] = { -EPERM, -EACCES, -EAGAIN, -EINTR, -EFAULT, 1,
					    CHACHA_KEY_SIZE - 1 };
	size_t i, j;
	ssize_t ret;

	for (i = 0; i < ARRAY_SIZE(refusals); i++) {
		for (j = 1; j < ARRAY_SIZE(some_lens); j++) {
			prepare(BATCH_SIZE);
			new_generation();
			fake.refusal = refusals[i];
			ret = call(some_lens[j]);
			fake.refusal = 0;
			/* The seed was asked for once, and not in a loop. */
			KUNIT_EXPECT_EQ(test, ret, VGETRANDOM_SYSCALL);
			KUNIT_EXPECT_EQ(test, fake.syscalls, 1);
			KUNIT_EXPECT_EQ(test, fake.blocks, 0);
			KUNIT_EXPECT_TRUE(test, untouched(fake.buffer, MAX_DRAW + 2 * MARGIN));
			EXPECT_RIGHT(test, judge(some_lens[j], ret), "refused");
			EXPECT_RIGHT(test, draw_on(), "afterwards");
		}
	}
}

static void wild_avail_stays_inside_the_batch(struct kunit *test)
{
	static const u32 avails[] = { BATCH_SIZE + 1, BATCH_SIZE + 8, BATCH_SIZE + 32,
				      BATCH_SIZE + 33, STATE_SIZE, PAGE_SIZE,
				      INT_MAX, 1U << 31, U32_MAX - 31, U32_MAX };
	size_t i, j;

	for (i = 0; i < ARRAY_SIZE(avails); i++) {
		for (j = 1; j < ARRAY_SIZE(boundary_lens); j++) {
			ssize_t ret;

			prepare(BATCH_SIZE);
			fake.state->avail = avails[i];
			/*
			 * Such a value cannot be trusted, so the batch counts
			 * as empty.
			 */
			fake.expected.avail = 0;
			fake.watched = false;
			ret = call(boundary_lens[j]);
			fake.watched = true;
			EXPECT_RIGHT(test, judge(boundary_lens[j], ret), "%zu bytes, %u left",
				     boundary_lens[j], avails[i]);
		}
	}
}

static void lengths_are_capped_as_in_the_kernel(struct kunit *test)
{
	/* Whole blocks: even uncapped, no byte is written behind the buffer. */
	static const size_t lens[] = {
		VGETRANDOM_MAX_LEN, VGETRANDOM_MAX_LEN + CHACHA_BLOCK_SIZE, (size_t)INT_MAX + 1,
		SZ_4G - CHACHA_BLOCK_SIZE, SZ_4G, SZ_4G + CHACHA_BLOCK_SIZE,
		(size_t)LONG_MAX + 1, SIZE_MAX - CHACHA_BLOCK_SIZE + 1,
	};
	size_t i;

	fake.discard = true;
	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		prepare(CHACHA_KEY_SIZE);
		KUNIT_EXPECT_EQ(test, call(lens[i]), INT_MAX & PAGE_MASK);
		KUNIT_EXPECT_EQ(test, fake.blocks, (INT_MAX & PAGE_MASK) / CHACHA_BLOCK_SIZE);
	}
	prepare(CHACHA_KEY_SIZE);
	KUNIT_EXPECT_EQ(test, call(VGETRANDOM_MAX_LEN - CHACHA_BLOCK_SIZE),
			VGETRANDOM_MAX_LEN - CHACHA_BLOCK_SIZE);
}

static void the_query_gives_the_parameters(struct kunit *test)
{
	struct vgetrandom_opaque_params params;

	memset(&params, UNTOUCHED, sizeof(params));
	KUNIT_EXPECT_EQ(test, __cvdso_getrandom_query(&fake.rng, &params), 0);
	KUNIT_EXPECT_EQ(test, params.size_of_opaque_state, STATE_SIZE);
	KUNIT_EXPECT_EQ(test, params.mmap_prot, PROT_READ | PROT_WRITE);
	KUNIT_EXPECT_EQ(test, params.mmap_flags, MAP_DROPPABLE | MAP_ANONYMOUS);
	KUNIT_EXPECT_NULL(test, memchr_inv(params.reserved, 0, sizeof(params.reserved)));

	/* C libraries round the size up to 64, and cannot use more than a page. */
	KUNIT_EXPECT_EQ(test, params.size_of_opaque_state % 64, 0);
	KUNIT_EXPECT_LE(test, params.size_of_opaque_state, PAGE_SIZE);
}

static void the_query_is_refused_when_switched_off(struct kunit *test)
{
	struct vgetrandom_opaque_params params;

	memset(&params, UNTOUCHED, sizeof(params));
	fake.rng.disabled = true;
	KUNIT_EXPECT_EQ(test, __cvdso_getrandom_query(&fake.rng, &params), -EOPNOTSUPP);
	KUNIT_EXPECT_TRUE(test, untouched(&params, sizeof(params)));
}

/**
 * struct draw_case - a call for events to happen in
 * @name:  Name of the case.
 * @len:   Number of bytes drawn.
 * @avail: Number of bytes left before the call, or COLD.
 */
struct draw_case {
	const char	*name;
	size_t		len;
	size_t		avail;
};

static const struct draw_case draw_cases[] = {
	{ "1 byte of many",			1,	300 },
	{ "8 bytes of many",			8,	300 },
	{ "31 bytes of many",			31,	300 },
	{ "40 bytes of many",			40,	300 },
	{ "40 bytes of 40",			40,	40 },
	{ "4 bytes of none",			4,	0 },
	{ "32 bytes of 3",			32,	3 },
	{ "4 bytes of a new state",		4,	COLD },
	{ "100 bytes of a new state",		100,	COLD },
	{ "479 bytes of 479",			BATCH_SIZE - 1,		BATCH_SIZE - 1 },
	{ "479 bytes of 100",			BATCH_SIZE - 1,		100 },
	{ "480 bytes of 480",			BATCH_SIZE,		BATCH_SIZE },
	{ "480 bytes of 31",			BATCH_SIZE,		CHACHA_KEY_SIZE - 1 },
	{ "511 bytes of none",			BATCH_SIZE + CHACHA_KEY_SIZE - 1,	0 },
	{ "511 bytes of a new state",		BATCH_SIZE + CHACHA_KEY_SIZE - 1,	COLD },
	{ "512 bytes of 32",			BATCH_SIZE + CHACHA_KEY_SIZE,	CHACHA_KEY_SIZE },
	{ "a batch and a half of none",		3 * BATCH_SIZE / 2,	0 },
	{ "three batches of 33",		MAX_DRAW,		CHACHA_KEY_SIZE + 1 },
	{ "three batches of a new state",	3 * BATCH_SIZE,		COLD },
};

static void describe_draw_case(const struct draw_case *draw, char *desc)
{
	strscpy(desc, draw->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(draw, draw_cases, describe_draw_case);

/* Only calls with few stops, so that there is time for every pair of them. */
static const void *short_draw_gen_params(const void *prev, char *desc)
{
	const struct draw_case *next = draw_gen_params(prev, desc);

	return next && next->len <= 100 ? next : NULL;
}

/* Make one call for each memory access, and let @happen come before it. */
static void happen_at_every_stop(struct kunit *test, void (*happen)(void))
{
	const struct draw_case *draw = test->param_value;
	unsigned int at;

	for (at = 0; ; at++) {
		prepare(draw->avail);
		fake.events[0] = (struct event){ at, happen };
		EXPECT_RIGHT(test, draw_and_judge(draw->len), "stop %u", at);
		if (!fake.fired[0])
			break;
		/* It may have come right after the last load. */
		notice_clone();
		EXPECT_RIGHT(test, draw_on(), "after stop %u", at);
	}
	/* Every call has a check at its end, so there were stops. */
	KUNIT_EXPECT_GT(test, at, 4);
}

/* Another thread makes a system call right after the clone. */
static void become_clone_and_notice(void)
{
	become_clone();
	notice_clone();
}

static void wiped_at_every_stop(struct kunit *test)
{
	happen_at_every_stop(test, wipe);
}

static void new_generation_at_every_stop(struct kunit *test)
{
	happen_at_every_stop(test, new_generation);
}

static void cloned_at_every_stop(struct kunit *test)
{
	happen_at_every_stop(test, become_clone);
}

static void noticed_as_clone_at_every_stop(struct kunit *test)
{
	happen_at_every_stop(test, become_clone_and_notice);
}

static void wiped_with_new_generation(void)
{
	wipe();
	new_generation();
}

static void wiped_with_new_generation_at_every_stop(struct kunit *test)
{
	happen_at_every_stop(test, wiped_with_new_generation);
}

static void two_events_at_every_two_stops(struct kunit *test)
{
	static void (*const happen[])(void) = { wipe, new_generation, become_clone };
	const struct draw_case *draw = test->param_value;
	unsigned int kinds, first, second;

	for (kinds = 0; kinds < ARRAY_SIZE(happen) * ARRAY_SIZE(happen); kinds++) {
		for (first = 0, second = 1; ; ) {
			prepare(draw->avail);
			fake.events[0].stop = first;
			fake.events[0].happen = happen[kinds % ARRAY_SIZE(happen)];
			fake.events[1].stop = second;
			fake.events[1].happen = happen[kinds / ARRAY_SIZE(happen)];
			EXPECT_RIGHT(test, draw_and_judge(draw->len), "stops %u and %u",
				     first, second);
			if (!fake.fired[0])
				break;
			if (fake.fired[1]) {
				second++;
			} else {
				first++;
				second = first + 1;
			}
			notice_clone();
			forget_events();
			EXPECT_RIGHT(test, draw_and_judge(8), "before stops %u and %u",
				     first, second);
		}
	}
}

/*
 * A signal at a stop: its handler draws from the same state, and the
 * interrupted call never resumes. The call has a thread of its own, so that
 * there is something to leave for good.
 */
static void draw_in_handler(void)
{
	const char *wrong;

	expect_state();
	wrong = draw_and_judge(20) ?: draw_and_judge(600);
	if (wrong)
		complain(wrong);
}

static void wipe_and_draw_in_handler(void)
{
	wipe();
	draw_in_handler();
}

static void reseed_and_draw_in_handler(void)
{
	new_generation();
	draw_in_handler();
}

static void draw_and_wipe_in_handler(void)
{
	draw_in_handler();
	wipe();
}

static void do_nothing_in_handler(void)
{
}

static void leave(void)
{
	fake.in_handler = true;
	fake.handler();
	fake.in_handler = false;
	kthread_complete_and_exit(&fake.left, 0);
}

static int interrupted_call(void *param)
{
	const struct draw_case *draw = param;
	const char *wrong = draw_and_judge(draw->len);

	if (wrong)
		complain(wrong);
	kthread_complete_and_exit(&fake.left, 0);
}

static void call_in_thread(struct kunit *test, const struct draw_case *draw)
{
	struct task_struct *thread;

	reinit_completion(&fake.left);
	thread = kthread_run(interrupted_call, (void *)draw, "vgetrandom_draw");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, thread);
	wait_for_completion(&fake.left);
}

static void interrupted_at_every_stop(struct kunit *test)
{
	static void (*const handlers[])(void) = {
		draw_in_handler, wipe_and_draw_in_handler, reseed_and_draw_in_handler,
		draw_and_wipe_in_handler, do_nothing_in_handler,
	};
	const struct draw_case *draw = test->param_value;
	unsigned int i, at;

	for (i = 0; i < ARRAY_SIZE(handlers); i++) {
		for (at = 0; ; at++) {
			prepare(draw->avail);
			fake.handler = handlers[i];
			fake.events[0] = (struct event){ at, leave };
			call_in_thread(test, draw);
			EXPECT_RIGHT(test, fake.complaint, "handler %u, stop %u", i, at);
			if (!fake.fired[0])
				break;
			expect_state();
			EXPECT_RIGHT(test, draw_on(), "after handler %u, stop %u", i, at);
		}
	}
}

/* An abandoned call skips no more than it was asked for. */
static void an_interrupted_call_skips_what_it_claimed(struct kunit *test)
{
	static const struct draw_case draw = { "", 40, 300 };
	unsigned int at, before = 0, after = 0;

	for (at = 0; ; at++) {
		prepare(draw.avail);
		fake.handler = do_nothing_in_handler;
		fake.events[0] = (struct event){ at, leave };
		call_in_thread(test, &draw);
		if (!fake.fired[0])
			break;
		KUNIT_ASSERT_TRUE(test, state_is_current());
		if (fake.state->avail == draw.avail) {
			before++;
			KUNIT_ASSERT_TRUE_MSG(test, state_is_as_expected(), "stop %u", at);
			KUNIT_ASSERT_EQ(test, after, 0);
		} else {
			after++;
			KUNIT_ASSERT_EQ(test, fake.state->avail, draw.avail - draw.len);
		}
	}
	KUNIT_EXPECT_GT(test, before, 0);
	KUNIT_EXPECT_GT(test, after, 0);
}

static int vgetrandom_test_init(struct kunit *test)
{
	size_t size = MAX_DRAW + 2 * MARGIN;
	void *pages = (void *)__get_free_pages(GFP_KERNEL, get_order(3 * PAGE_SIZE));

	if (!pages)
		return -ENOMEM;

	memset(&fake, 0, sizeof(fake));
	test->priv = pages;
	memset(pages, UNTOUCHED, 3 * PAGE_SIZE);
	fake.state = pages + STATE_MARGIN;
	memset(fake.state, 0, STATE_SIZE);

	fake.buffer = kunit_kmalloc(test, size, GFP_KERNEL);
	if (!fake.buffer)
		return -ENOMEM;
	memset(fake.buffer, UNTOUCHED, size);

	init_completion(&fake.left);
	publish(1);
	fake.watched = true;
	return 0;
}

static void vgetrandom_test_exit(struct kunit *test)
{
	free_pages((unsigned long)test->priv, get_order(3 * PAGE_SIZE));
}

static struct kunit_case vgetrandom_test_cases[] = {
	KUNIT_CASE(every_length_in_a_row),
	KUNIT_CASE(every_length_from_an_empty_state),
	KUNIT_CASE(every_fill_of_the_batch),
	KUNIT_CASE(every_alignment_of_the_buffer),
	KUNIT_CASE(a_batch_is_used_up_before_the_next_one),
	KUNIT_CASE(output_is_erased_from_the_state),
	KUNIT_CASE(keys_are_erased_once_they_were_used),
	KUNIT_CASE(long_draws_are_made_in_the_buffer),
	KUNIT_CASE(a_new_generation_is_noticed),
	KUNIT_CASE(a_clone_is_noticed_without_the_kernel),
	KUNIT_CASE(a_reseed_does_not_hide_a_clone),
	KUNIT_CASE(a_wipe_between_calls_is_noticed),
	KUNIT_CASE(a_state_in_progress_is_seeded_anew),
	KUNIT_CASE(every_flag_and_pair_is_served_or_passed_on),
	KUNIT_CASE(not_ready_is_passed_on),
	KUNIT_CASE(length_0_takes_nothing),
	KUNIT_CASE(wrong_state_lengths_are_passed_on),
	KUNIT_CASE(misplaced_states_are_passed_on),
	KUNIT_CASE(a_state_anywhere_in_a_page_is_served),
	KUNIT_CASE(refused_seeds_are_passed_on),
	KUNIT_CASE(wild_avail_stays_inside_the_batch),
	KUNIT_CASE(lengths_are_capped_as_in_the_kernel),
	KUNIT_CASE(the_query_gives_the_parameters),
	KUNIT_CASE(the_query_is_refused_when_switched_off),
	KUNIT_CASE_PARAM(wiped_at_every_stop, draw_gen_params),
	KUNIT_CASE_PARAM(new_generation_at_every_stop, draw_gen_params),
	KUNIT_CASE_PARAM(cloned_at_every_stop, draw_gen_params),
	KUNIT_CASE_PARAM(noticed_as_clone_at_every_stop, draw_gen_params),
	KUNIT_CASE_PARAM(wiped_with_new_generation_at_every_stop, draw_gen_params),
	KUNIT_CASE_PARAM(two_events_at_every_two_stops, short_draw_gen_params),
	KUNIT_CASE_PARAM(interrupted_at_every_stop, draw_gen_params),
	KUNIT_CASE(an_interrupted_call_skips_what_it_claimed),
	{ }
};

static struct kunit_suite vgetrandom_test_suite = {
	.name = "vdso_getrandom" TEST_SUFFIX,
	.init = vgetrandom_test_init,
	.exit = vgetrandom_test_exit,
	.test_cases = vgetrandom_test_cases,
};

kunit_test_suite(vgetrandom_test_suite);

MODULE_LICENSE("GPL");
