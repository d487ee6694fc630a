/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vgetrandom_step.h: calls of getrandom() to be interrupted
 *
 * Choose states and lengths for the calls, and the instructions to interrupt. This
 * relies only on the ABI: the layout of the state is discovered at run time.
 */
#ifndef VGETRANDOM_STEP_H
#define VGETRANDOM_STEP_H

#include <sys/uio.h>

#include "vgetrandom.h"
#include "vdso_step.h"

/* With FULL in the environment, cases take hours. The caller has a limit of its own. */
#define STEP_SECONDS	9000

/* Test all boundaries instead of a sample. */
static bool full;

/* Sample one boundary in this many; slow kernels need more than one. */
static unsigned int one_in = 1;

/* A pair takes two boundaries of the shortest call. */
#define ONE_IN_MOST	16

/* Read from the environment how much to test. */
static inline void choose_extent(void)
{
	const char *text = getenv("ONE_IN");
	int n = text ? atoi(text) : 1;

	full = getenv("FULL");
	if (n > 0)
		one_in = n < ONE_IN_MOST ? n : ONE_IN_MOST;
}

/* The longest draw that fits into buffers */
#define LONGEST		2048

/* Bytes drawn from each state before the call, so that it has a key */
#define BEFORE		16

/* The condition of the state when the call begins */
enum kind { WARM, EMPTY, COLD, STALE, KINDS };

static const char * const kinds[KINDS] = {
	[WARM]	= "warm",		/* most of its batch is left */
	[EMPTY]	= "nearly empty",	/* next to none of it is left */
	[COLD]	= "wiped",
	[STALE]	= "outdated",		/* warm, but the kernel has reseeded */
};

/* Copy the state out of a process, or into one. */
static inline bool peek_state(pid_t pid, void *state, void *copy)
{
	const size_t size = vgr.params.size_of_opaque_state;
	struct iovec here = { copy, size }, there = { state, size };

	return process_vm_readv(pid, &here, 1, &there, 1, 0) == (ssize_t)size;
}

static inline bool poke_state(pid_t pid, void *state, const void *copy)
{
	const size_t size = vgr.params.size_of_opaque_state;
	struct iovec here = { (void *)copy, size }, there = { state, size };

	return process_vm_writev(pid, &here, 1, &there, 1, 0) == (ssize_t)size;
}

/**
 * struct words - a set of eight-byte words, to find repetitions
 * @round:	the current round; words of earlier rounds do not count
 * @set:	the words, each with its round
 *
 * The set contains the words at multiples of eight of one output, and is searched for
 * the words at all offsets of another. This always finds 15 bytes that both have in
 * common, and with luck as few as eight.
 */
#define WORD		sizeof(uint64_t)
#define WORDS_BITS	15

struct words {
	uint64_t round;
	vgr_window_t set[1 << WORDS_BITS];
};

static inline uint64_t get_word(const unsigned char *p)
{
	uint64_t word;

	memcpy(&word, p, sizeof(word));
	return word;
}

/* Begin a new round; the set is then empty. */
static inline void words_begin(struct words *words)
{
	words->round++;
	if (vgr_set_is_filling(words->set, WORDS_BITS))
		memset(words->set, 0, sizeof(words->set));
}

static inline vgr_window_t words_window(const struct words *words, uint64_t word)
{
	return (vgr_window_t)words->round << 64 | word;
}

static inline void words_put(struct words *words, uint64_t word)
{
	vgr_set_add(words->set, WORDS_BITS, words_window(words, word));
}

/* Add the words at multiples of eight. */
static inline void words_add(struct words *words, const void *bytes, size_t len)
{
	size_t i;

	for (i = 0; i + WORD <= len; i += WORD)
		words_put(words, get_word(bytes + i));
}

static inline bool words_have(const struct words *words, uint64_t word)
{
	return vgr_set_has(words->set, WORDS_BITS, words_window(words, word));
}

/* Marsaglia's xorshift generator: every run gets the same numbers. */
static uint32_t pick_state = 2463534242;

static inline uint32_t pick(uint32_t below)
{
	pick_state ^= pick_state << 13;
	pick_state ^= pick_state >> 17;
	pick_state ^= pick_state << 5;
	return pick_state % below;
}

/**
 * struct route - a call, and where to interrupt it
 * @trace:	its instructions
 * @n:		the number of instructions to interrupt it before
 * @at:		their indexes in @trace
 */
struct route {
	struct step_trace trace;
	unsigned int n;
	unsigned int *at;
};

#define LENGTHS	5

static size_t lengths[LENGTHS];
static struct route routes[KINDS][LENGTHS];

/* An instruction that a call executes this often is in an inner loop. */
#define INNER	3

/* The number of boundaries in inner loops to choose */
#define SAMPLES	12

static inline bool choose_boundaries(struct route *route)
{
	static unsigned int visits[STEP_VDSO_SIZE];
	const struct step_trace *trace = &route->trace;
	unsigned int inner = 0, i;

	free(route->at);
	route->at = malloc(trace->n * sizeof(*route->at));
	if (!route->at)
		return false;
	for (i = 0; i < trace->n; i++)
		visits[trace->insn[i].at % STEP_VDSO_SIZE] =
			trace->insn[i].visits + 1;
	for (i = 0; i < trace->n; i++)
		inner += visits[trace->insn[i].at % STEP_VDSO_SIZE] >= INNER;
	route->n = 0;
	for (i = 0; i < trace->n; i++)
		if (full || (i % one_in == 0 &&
			     (visits[trace->insn[i].at % STEP_VDSO_SIZE] < INNER ||
			      pick(inner) < SAMPLES)))
			route->at[route->n++] = i;
	return true;
}

/* Has a call of another length been interrupted there? */
static inline bool is_seen(const struct step_insn *insn, bool *seen)
{
	bool *there = &seen[insn->at % STEP_VDSO_SIZE];

	if (full || !*there) {
		*there = true;
		return false;
	}
	return true;
}

/* The number of system calls that such a call makes if the kernel does not reseed */
static inline unsigned int reseeds(enum kind kind)
{
	return kind == COLD || kind == STALE;
}

/* Bytes that a refill makes available */
static size_t batch;

/*
 * The batch is used up when a draw of one byte changes more of the state than that
 * byte and its counters. Measure until two results in a row agree: the kernel may
 * reseed in between.
 */
static inline size_t measure_batch(void)
{
	const size_t size = vgr.params.size_of_opaque_state, few = 24;
	unsigned char old[vgr.page], byte;
	size_t drawn[2] = { 0 }, n = 0, changed, i;
	struct vgr_pool pool;
	void *state;

	if (!vgr_pool_open(&pool, 1))
		return 0;
	state = vgr_pool_get(&pool);
	do {
		drawn[n] = 0;
		do {
			memcpy(old, state, size);
			if (vgr_draw(&byte, 1, state) != 1)
				return 0;
			drawn[n]++;
			changed = 0;
			for (i = 0; i < size; i++)
				changed += old[i] != ((unsigned char *)state)[i];
		} while (changed <= few);
		n = !n;
	} while (drawn[0] != drawn[1] || drawn[0] < BEFORE);
	return drawn[0];
}

/* Choose the lengths of the calls. */
static inline bool choose_lengths(void)
{
	batch = measure_batch();
	lengths[0] = 4;
	lengths[1] = 33;
	lengths[2] = 100;
	lengths[3] = batch + 7;
	lengths[4] = batch + 5 * 64 + 9;
	return batch && lengths[4] <= LONGEST;
}

/* Bytes to leave in the batch of an EMPTY state */
static inline size_t bytes_left(size_t len)
{
	/* Repetitions of eight bytes are detected, those of fewer are not. */
	return len < BEFORE ? 0 : WORD;
}

#endif /* VGETRANDOM_STEP_H */
