// SPDX-License-Identifier: GPL-2.0
/*
 * vdso_test_chacha.c: the ChaCha20 block functions of the vDSO's getrandom()
 *
 * The functions are built from the kernel's own source. Each of them must pass the same
 * cases, most of them against a reference in plain C.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vdso_test_chacha.h"
#include "vgetrandom_chacha.h"
#include "../kselftest_harness.h"

/* An emulated processor is slow. */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT 100

#define BLOCK		64
#define KEY		32
#define COUNTER		sizeof(uint64_t)

/* The blocks of a refill, which is the only call that may overwrite its key */
#define REFILL_BLOCKS	8
#define MAX_REFILL	16

/* More blocks than in a refill; the widest function makes these in several passes. */
#define MAX_BLOCKS	68

#define GUARD		0xa5

/* The reference, vgr_chacha20_block(), for several blocks */
static void reference_blocks(uint8_t *dst, const uint8_t *key,
			     uint64_t counter, size_t nblocks)
{
	uint32_t block[BLOCK / 4], words[KEY / 4];

	memcpy(words, key, KEY);
	for (; nblocks--; counter++, dst += BLOCK) {
		vgr_chacha20_block(block, words, counter, NULL, NULL);
		memcpy(dst, block, BLOCK);
	}
}

/*
 * Helpers
 */

/* Fill memory with the next bytes of a fixed sequence. */
static void fill(void *p, size_t len)
{
	static uint64_t x = 0x9e3779b97f4a7c15;
	uint8_t *byte = p;

	while (len--) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		*byte++ = x >> 32;
	}
}

static bool all_bytes(const uint8_t *p, size_t len, uint8_t value)
{
	return !len || (*p == value && !memcmp(p, p + 1, len - 1));
}

static size_t page_size(void)
{
	return sysconf(_SC_PAGESIZE);
}

/* Map @pages pages with an inaccessible page on either side. */
static uint8_t *fenced_pages(size_t pages)
{
	const size_t page = page_size();
	uint8_t *p;

	p = mmap(NULL, (pages + 2) * page, PROT_NONE,
		 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED ||
	    mprotect(p + page, pages * page, PROT_READ | PROT_WRITE))
		ksft_exit_fail_msg("no memory\n");
	return p + page;
}

/* Make blocks and compare them with the reference. Do not copy the key. */
static bool makes_blocks(blocks_t blocks, uint8_t *dst, const uint8_t *key,
			 uint64_t start, size_t nblocks)
{
	static uint8_t want[MAX_BLOCKS * BLOCK];
	uint64_t counter = start;

	reference_blocks(want, key, start, nblocks);
	blocks(dst, (const uint32_t *)key, (uint32_t *)&counter, nblocks);
	return !memcmp(dst, want, nblocks * BLOCK) &&
	       counter == start + nblocks;
}

static struct {
	sigjmp_buf env;
	uint8_t *address;
} fault;

static void on_fault(int sig, siginfo_t *info, void *context)
{
	fault.address = info->si_addr;
	siglongjmp(fault.env, 1);
}

/* Does a call fault? If so, fault.address is the address. */
static bool blocks_fault(blocks_t blocks, uint8_t *dst, const uint8_t *key,
			 uint64_t *counter, size_t nblocks)
{
	struct sigaction action = {
		.sa_sigaction = on_fault,
		.sa_flags = SA_SIGINFO,
	};

	sigaction(SIGSEGV, &action, NULL);
	if (sigsetjmp(fault.env, 1))
		return true;
	blocks(dst, (const uint32_t *)key, (uint32_t *)counter, nblocks);
	return false;
}

/*
 * Cases. They return false if they fail, with a message if that says more than the name.
 */

/* RFC 8439, appendix A.1: the vectors with a nonce of zero */
static const struct {
	size_t at;			/* offset of the only nonzero byte in the key */
	uint8_t value;
	uint64_t counter;
	uint32_t keystream[BLOCK / 4];
} vectors[] = {
	{ 0, 0, 0, {
		0xade0b876, 0x903df1a0, 0xe56a5d40, 0x28bd8653,
		0xb819d2bd, 0x1aed8da0, 0xccef36a8, 0xc70d778b,
		0x7c5941da, 0x8d485751, 0x3fe02477, 0x374ad8b8,
		0xf4b8436a, 0x1ca11815, 0x69b687c3, 0x8665eeb2,
	} },
	{ 0, 0, 1, {
		0xbee7079f, 0x7a385155, 0x7c97ba98, 0x0d082d73,
		0xa0290fcb, 0x6965e348, 0x3e53c612, 0xed7aee32,
		0x7621b729, 0x434ee69c, 0xb03371d5, 0xd539d874,
		0x281fed31, 0x45fb0a51, 0x1f0ae1ac, 0x6f4d794b,
	} },
	{ 31, 1, 1, {
		0x2452eb3a, 0x9249f8ec, 0x8d829d9b, 0xddd4ceb1,
		0xe8252083, 0x60818b01, 0xf38422b8, 0x5aaa49c9,
		0xbb00ca8e, 0xda3ba7b4, 0xc4b592d1, 0xfdf2732f,
		0x4436274e, 0x2561b3c8, 0xebdd4aa6, 0xa0136c00,
	} },
	{ 1, 255, 2, {
		0xfb4dd572, 0x4bc42ef1, 0xdf922636, 0x327f1394,
		0xa78dea8f, 0x5e269039, 0xa1bebbc1, 0xcaf09aae,
		0xa25ab213, 0x48a6b46c, 0x1b9d9bcb, 0x092c5be6,
		0x546ca624, 0x1bec45d5, 0x87f47473, 0x96f0992e,
	} },
};

static bool gives_rfc8439_vectors(blocks_t blocks)
{
	uint8_t key[KEY], got[BLOCK];
	uint64_t counter;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(vectors); i++) {
		memset(key, 0, KEY);
		key[vectors[i].at] = vectors[i].value;
		counter = vectors[i].counter;
		blocks(got, (uint32_t *)key, (uint32_t *)&counter, 1);
		if (memcmp(vectors[i].keystream, got, BLOCK))
			return false;
	}
	return true;
}

/* Make blocks at @offset in fenced memory. Are they right, and is nothing else written? */
static bool makes_only_blocks(blocks_t blocks, uint8_t *area, size_t len,
			      size_t offset, size_t nblocks)
{
	const size_t end = offset + nblocks * BLOCK;
	uint8_t key[KEY];

	fill(key, KEY);
	memset(area, GUARD, len);
	if (makes_blocks(blocks, area + offset, key, 0x123456789abcdef0,
			 nblocks) &&
	    all_bytes(area, offset, GUARD) &&
	    all_bytes(area + end, len - end, GUARD))
		return true;
	ksft_print_msg("%zu blocks at %zu of %zu bytes\n", nblocks, offset, len);
	return false;
}

static bool makes_any_count_at_any_alignment(blocks_t blocks)
{
	const size_t pages = (MAX_BLOCKS * BLOCK + BLOCK) / page_size() + 1;
	const size_t len = pages * page_size();
	uint8_t *area = fenced_pages(pages);
	size_t n, shift;

	for (n = 0; n < MAX_BLOCKS; n++) {
		for (shift = 0; shift < BLOCK; shift++) {
			/* The fence right before, then right after */
			if (!makes_only_blocks(blocks, area, len, shift, n) ||
			    !makes_only_blocks(blocks, area, len,
					       len - n * BLOCK - shift, n))
				return false;
		}
	}
	return true;
}

/* Try keys at any alignment, and counters at that of their type, both next to fences. */
static bool reads_and_writes_no_more_than_key_and_counter(blocks_t blocks)
{
	const size_t page = page_size(), shifts = 2 * KEY, max = 9;
	uint8_t *keys = fenced_pages(1), *counters = fenced_pages(1);
	uint8_t want[max * BLOCK], got[max * BLOCK];
	uint8_t keys_want[page], counters_want[page];
	size_t n, i;

	for (n = 0; n <= max; n++) {
		for (i = 0; i < 2 * shifts; i++) {
			const size_t shift = i / 2, aligned = shift & -sizeof(uint32_t);
			const size_t key = i % 2 ? shift : page - KEY - shift;
			const size_t counter = i % 2 ? aligned :
						       page - COUNTER - aligned;
			uint64_t now;

			fill(keys, page);
			fill(counters, page);
			memcpy(keys_want, keys, page);
			memcpy(counters_want, counters, page);
			memcpy(&now, counters + counter, COUNTER);
			reference_blocks(want, keys + key, now, n);
			now += n;
			memcpy(counters_want + counter, &now, COUNTER);

			blocks(got, (uint32_t *)(keys + key),
			       (uint32_t *)(counters + counter), n);
			if (memcmp(want, got, n * BLOCK) ||
			    memcmp(keys_want, keys, page) ||
			    memcmp(counters_want, counters, page)) {
				ksft_print_msg("%zu blocks, key at %zu, counter at %zu\n",
					       n, key, counter);
				return false;
			}
		}
	}
	return true;
}

static bool counts_in_64_bits(blocks_t blocks)
{
	static const uint64_t edges[] = {
		1ULL << 31, 1ULL << 32, 2ULL << 32, 1ULL << 63, 0,
	};
	uint8_t key[KEY], dst[MAX_BLOCKS * BLOCK];
	size_t before, n, i;

	fill(key, KEY);
	for (i = 0; i < ARRAY_SIZE(edges); i++) {
		for (before = 0; before <= 34; before++) {
			for (n = 0; n <= 35; n++) {
				if (makes_blocks(blocks, dst, key,
						 edges[i] - before, n))
					continue;
				ksft_print_msg("%zu blocks, %zu before %#lx\n",
					       n, before, edges[i]);
				return false;
			}
		}
	}
	return true;
}

/* A call that faults must not leave a counter that would be used again. */
static bool advances_the_counter_before_it_stores(blocks_t blocks)
{
	const size_t page = page_size();
	uint8_t *bad = fenced_pages(1) + page;
	uint64_t start = 0xfffffff0, counter;
	uint8_t key[KEY];
	size_t n;

	fill(key, KEY);
	for (n = 1; n < MAX_BLOCKS; n++) {
		counter = start;
		if (!blocks_fault(blocks, bad, key, &counter, n) ||
		    counter != start + n) {
			ksft_print_msg("%zu blocks\n", n);
			return false;
		}
	}
	return true;
}

/* A call for more blocks than there is memory must reach the fence after it. */
static bool takes_a_count_of_64_bits(blocks_t blocks)
{
	static const uint64_t counts[] = {
		1ULL << 31, 1ULL << 32, (1ULL << 32) + 1, (1ULL << 32) + 16,
	};
	const size_t page = page_size(), len = 4 * page;
	uint8_t *area = fenced_pages(4);
	uint8_t want[len - BLOCK], key[KEY];
	uint64_t counter;
	size_t i;

	fill(key, KEY);
	reference_blocks(want, key, 0, sizeof(want) / BLOCK);
	for (i = 0; i < ARRAY_SIZE(counts); i++) {
		memset(area, 0, len);
		counter = 0;
		if (!blocks_fault(blocks, area, key, &counter, counts[i]) ||
		    fault.address < area + len || counter != counts[i]) {
			ksft_print_msg("%#lx blocks\n", counts[i]);
			return false;
		}
	}
	return true;
}

/* May so many blocks overwrite their key? */
static bool may_overwrite(blocks_t blocks, size_t nblocks)
{
#ifdef __x86_64__
	if (blocks == __arch_chacha20_blocks_avx512 && nblocks == MAX_REFILL)
		return true;
#endif
	return nblocks <= REFILL_BLOCKS;
}

/* Try keys right before the output, at its start, and right after it. */
static bool may_overwrite_its_key(blocks_t blocks)
{
	uint8_t area[KEY + MAX_REFILL * BLOCK + KEY];
	size_t n, i;

	for (n = 0; n <= MAX_REFILL; n++) {
		const size_t places[] = { 0, KEY, KEY + n * BLOCK };

		if (!may_overwrite(blocks, n))
			continue;
		for (i = 0; i < ARRAY_SIZE(places); i++) {
			fill(area, sizeof(area));
			if (!makes_blocks(blocks, area + KEY, area + places[i], 0, n)) {
				ksft_print_msg("%zu blocks with key at %zd\n",
					       n, places[i] - KEY);
				return false;
			}
		}
	}
	return true;
}

/* Refill as the vDSO does: each refill overwrites its key, which is then the next one. */
static bool refills_over_its_key(blocks_t blocks)
{
	uint8_t area[MAX_REFILL * BLOCK];
	size_t n, i;

	fill(area, sizeof(area));
	for (n = 1; n <= MAX_REFILL; n++)
		for (i = 0; i < 16 && may_overwrite(blocks, n); i++)
			if (!makes_blocks(blocks, area, area, 0, n))
				return false;
	return true;
}

/*
 * Cases that check all registers and the stack
 */

#define STACK_BELOW	(64 * 1024)
#define STACK_ABOVE	4096
#define STACK_PATTERN	0xc3

/* One call, with everything that it may change */
struct observed {
	struct registers in;
	struct registers out;
	uint8_t key[KEY];
	uint8_t dst[MAX_BLOCKS * BLOCK];
	uint8_t *stack;			/* STACK_BELOW and STACK_ABOVE */
	uint64_t counter;
};

static struct observed *new_observed(void)
{
	const size_t stack = STACK_BELOW + STACK_ABOVE;
	struct observed *o = calloc(1, sizeof(*o));

	if (!o)
		ksft_exit_fail_msg("no memory\n");
	o->stack = fenced_pages((stack + page_size() - 1) / page_size());
	return o;
}

/* Make a call with every register filled; only the key differs from the last call. */
static void observe(struct observed *o, blocks_t blocks, size_t nblocks)
{
	fill(o->key, KEY);
	memset(o->stack, STACK_PATTERN, STACK_BELOW + STACK_ABOVE);
	memset(o->dst, 0, sizeof(o->dst));
	o->counter = 0xfffffff0;
	arch_set_arguments(&o->in, o->stack + STACK_BELOW, o->dst, o->key, &o->counter,
			   nblocks);
	memset(&o->out, 0, sizeof(o->out));
	call_with_registers(&o->in, &o->out, blocks, arch_vector_width());
}

static bool leaves_the_stack_alone(blocks_t blocks)
{
	struct observed *o = new_observed();
	const size_t below = STACK_BELOW - ARCH_CALL_PUSHES;
	size_t n;

	fill(&o->in, sizeof(o->in));
	for (n = 0; n < MAX_BLOCKS; n++) {
		observe(o, blocks, n);
		if (!all_bytes(o->stack, below, STACK_PATTERN) ||
		    !all_bytes(o->stack + STACK_BELOW, STACK_ABOVE,
			       STACK_PATTERN)) {
			ksft_print_msg("%zu blocks\n", n);
			return false;
		}
	}
	return true;
}

static bool keeps_callee_saved_registers_and_modes(blocks_t blocks)
{
	struct observed *o = new_observed();
	const uint64_t modes = arch_modes();
	int clobbered;
	size_t n;

	fill(&o->in, sizeof(o->in));
	for (n = 0; n < MAX_BLOCKS; n++) {
		observe(o, blocks, n);
		clobbered = arch_clobbered(&o->in, &o->out);
		if (clobbered >= 0) {
			ksft_print_msg("%zu blocks, register %d\n", n, clobbered);
			return false;
		}
		if (!arch_modes_are_kept(&o->out, modes))
			return false;
	}
	return true;
}

/* Is each lane of 128 bits zero, or the same as before the call? */
static bool vector_is_clean(const uint8_t *before, const uint8_t *after,
			    size_t bytes)
{
	size_t lane;

	for (lane = 0; lane < bytes; lane += 16)
		if (!all_bytes(after + lane, 16, 0) &&
		    memcmp(after + lane, before + lane, 16))
			return false;
	return true;
}

static bool leaves_nothing_in_vector_registers(blocks_t blocks)
{
	const int width = arch_vector_width();
	struct observed *o = new_observed();
	size_t n, i;

	fill(&o->in, sizeof(o->in));
	for (n = 0; n < MAX_BLOCKS; n++) {
		observe(o, blocks, n);
		for (i = 0; i < arch_vector_count(width); i++) {
			if (vector_is_clean(o->in.vector[i], o->out.vector[i],
					    arch_vector_bytes(width)))
				continue;
			ksft_print_msg("%zu blocks, vector register %zu\n", n, i);
			return false;
		}
	}
	return true;
}

/*
 * Calls that differ only in the key, and hence in the output, must leave the same
 * registers, including flags, masks and control word.
 */
static bool leaves_registers_that_no_key_has_touched(blocks_t blocks)
{
	struct observed *o = new_observed();
	struct registers first;
	size_t n, try;

	fill(&o->in, sizeof(o->in));
	for (n = 0; n < MAX_BLOCKS; n++) {
		observe(o, blocks, n);
		first = o->out;
		for (try = 0; try < 4; try++) {
			observe(o, blocks, n);
			if (!memcmp(&first, &o->out, sizeof(first)))
				continue;
			ksft_print_msg("%zu blocks\n", n);
			return false;
		}
	}
	return true;
}

static bool works_with_every_register_filled(blocks_t blocks)
{
	struct observed *o = new_observed();
	uint8_t want[MAX_BLOCKS * BLOCK];
	size_t n;

	for (n = 0; n < MAX_BLOCKS; n++) {
		fill(&o->in, sizeof(o->in));
		observe(o, blocks, n);
		reference_blocks(want, o->key, 0xfffffff0, n);
		if (memcmp(want, o->dst, n * BLOCK) ||
		    o->counter != 0xfffffff0 + n)
			return false;
	}
	return true;
}

/* The reference itself, with the same vectors */
TEST(reference_is_that_of_rfc_8439)
{
	uint8_t key[KEY], got[BLOCK];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(vectors); i++) {
		memset(key, 0, KEY);
		key[vectors[i].at] = vectors[i].value;
		reference_blocks(got, key, vectors[i].counter, 1);
		EXPECT_EQ(0, memcmp(vectors[i].keystream, got, BLOCK));
	}
}

FIXTURE(blocks)
{
};

FIXTURE_VARIANT(blocks)
{
	blocks_t blocks;
	const char *(*lacking)(void);	/* what this machine lacks to run it, or NULL */
};

static const char *lacks_nothing(void)
{
	return NULL;
}

#ifdef __x86_64__
static const char *lacks_avx2(void)
{
	return __builtin_cpu_supports("avx2") ? NULL : "no AVX2";
}

static const char *lacks_avx512(void)
{
	return __builtin_cpu_supports("avx512vl") ? NULL : "no AVX-512VL";
}

FIXTURE_VARIANT_ADD(blocks, sse2)
{
	__arch_chacha20_blocks_nostack, lacks_nothing
};

FIXTURE_VARIANT_ADD(blocks, avx2)
{
	__arch_chacha20_blocks_avx2, lacks_avx2
};

FIXTURE_VARIANT_ADD(blocks, avx512vl)
{
	__arch_chacha20_blocks_avx512vl, lacks_avx512
};

FIXTURE_VARIANT_ADD(blocks, avx512)
{
	__arch_chacha20_blocks_avx512, lacks_avx512
};
#else
FIXTURE_VARIANT_ADD(blocks, neon)
{
	__arch_chacha20_blocks_nostack, lacks_nothing
};
#endif

FIXTURE_SETUP(blocks)
{
}

FIXTURE_TEARDOWN(blocks)
{
}

static void run_case(struct __test_metadata *_metadata, const FIXTURE_VARIANT(blocks) *variant,
		     bool (*holds)(blocks_t blocks))
{
	const char *lacking = variant->lacking();

	if (lacking)
		SKIP(return, "%s", lacking);
	EXPECT_TRUE(holds(variant->blocks));
}

TEST_F(blocks, gives_the_vectors_of_rfc_8439)
{
	run_case(_metadata, variant, gives_rfc8439_vectors);
}

TEST_F(blocks, makes_any_count_of_blocks_at_any_alignment_and_writes_nothing_else)
{
	run_case(_metadata, variant, makes_any_count_at_any_alignment);
}

TEST_F(blocks, reads_and_writes_no_more_than_key_and_counter)
{
	run_case(_metadata, variant, reads_and_writes_no_more_than_key_and_counter);
}

TEST_F(blocks, counts_in_64_bits)
{
	run_case(_metadata, variant, counts_in_64_bits);
}

TEST_F(blocks, takes_a_count_of_64_bits)
{
	run_case(_metadata, variant, takes_a_count_of_64_bits);
}

TEST_F(blocks, advances_the_counter_before_it_stores)
{
	run_case(_metadata, variant, advances_the_counter_before_it_stores);
}

TEST_F(blocks, may_overwrite_its_key)
{
	run_case(_metadata, variant, may_overwrite_its_key);
}

TEST_F(blocks, refills_over_its_key)
{
	run_case(_metadata, variant, refills_over_its_key);
}

TEST_F(blocks, works_with_every_register_filled)
{
	run_case(_metadata, variant, works_with_every_register_filled);
}

TEST_F(blocks, leaves_nothing_in_vector_registers)
{
	run_case(_metadata, variant, leaves_nothing_in_vector_registers);
}

TEST_F(blocks, leaves_registers_that_no_key_has_touched)
{
	run_case(_metadata, variant, leaves_registers_that_no_key_has_touched);
}

TEST_F(blocks, keeps_callee_saved_registers_and_modes)
{
	run_case(_metadata, variant, keeps_callee_saved_registers_and_modes);
}

TEST_F(blocks, leaves_the_stack_alone)
{
	run_case(_metadata, variant, leaves_the_stack_alone);
}

int main(int argc, char **argv)
{
	/* Test processes exit without flushing. */
	setvbuf(stdout, NULL, _IOLBF, 0);
	return test_harness_run(argc, argv);
}
