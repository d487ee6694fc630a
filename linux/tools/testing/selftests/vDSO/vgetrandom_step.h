/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vgetrandom_step.h: calls of getrandom() to be interrupted
 *
 * Which states and lengths there are, and which of the instructions of such a
 * call to choose. Only the ABI is used; what the state looks like is found out.
 */
#ifndef VGETRANDOM_STEP_H
#define VGETRANDOM_STEP_H

#include <fcntl.h>
#include <linux/random.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

#include "vgetrandom.h"
#include "vdso_step.h"

/* A case with FULL in the environment takes its time; whoever runs it has a limit. */
#define STEP_SECONDS	9000

/* All boundaries, not a sample. */
static bool full;

/* One boundary in so many is in the sample; more than one on kernels that are slow. */
static unsigned int one_in = 1;

/* A pair takes two boundaries of the shortest call. */
#define ONE_IN_MOST	16

/* How much the environment wants. */
static inline void choose_extent(void)
{
	const char *text = getenv("ONE_IN");
	int n = text ? atoi(text) : 1;

	full = getenv("FULL");
	if (n > 0)
		one_in = n < ONE_IN_MOST ? n : ONE_IN_MOST;
}

/* The longest draw that there is room for. */
#define LONGEST		2048

/* Bytes that are drawn from each state before, so that it has a key. */
#define BEFORE		16

/* What the state is like when the call begins. */
enum kind { WARM, EMPTY, COLD, STALE, KINDS };

static const char * const kinds[KINDS] = {
	[WARM]	= "warm",		/* most of a batch is there */
	[EMPTY]	= "nearly empty",	/* next to nothing of it is */
	[COLD]	= "wiped",
	[STALE]	= "outdated",		/* warm, but the kernel has reseeded */
};

static int random_fd = -1;

static inline bool reseed(void)
{
	return !ioctl(random_fd, RNDRESEEDCRNG);
}

/* May this process reseed the kernel's generator? */
static inline bool may_reseed(void)
{
	random_fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
	return random_fd >= 0 && reseed();
}

/* Copy the state out of a process, or into it. */
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
 * struct words - a set of eight-byte words, to find what is repeated
 * @round:	of which the set is; what others left does not count
 * @set:	the words, each with its round
 *
 * Of one output, the words at multiples of eight are in the set. Of another one,
 * the words at all offsets are looked for. What both have in common is found if
 * it is 15 bytes long, and by luck from eight bytes on.
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

/* Begin a new round, before anything is put in. */
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

/* Those at multiples of eight. */
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

/* The same numbers each time: xorshift, of Marsaglia. */
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
 * @n:		how many of them to interrupt it before
 * @at:		which ones
 */
struct route {
	struct step_trace trace;
	unsigned int n;
	unsigned int *at;
};

#define LENGTHS	5

static size_t lengths[LENGTHS];
static struct route routes[KINDS][LENGTHS];

/* An instruction that a call is at that often is in an inner loop. */
#define INNER	3

/* How many boundaries of inner loops to choose. */
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

/* Has a call of another length been there? */
static inline bool is_seen(const struct step_insn *insn, bool *seen)
{
	bool *there = &seen[insn->at % STEP_VDSO_SIZE];

	if (full || !*there) {
		*there = true;
		return false;
	}
	return true;
}

/* How many system calls such a call takes, if the kernel leaves it in peace. */
static inline unsigned int reseeds(enum kind kind)
{
	return kind == COLD || kind == STALE;
}

/* Bytes that a refill makes. */
static size_t batch;

/*
 * The batch ends where a draw of one byte changes more of the state than that
 * byte and what is counted. Twice, as the kernel may reseed in between.
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

/* Of these lengths are the calls. */
static inline bool choose_lengths(void)
{
	batch = measure_batch();
	lengths[0] = 4;
	lengths[1] = 33;
	lengths[2] = batch;
	lengths[3] = batch + 7;
	lengths[4] = batch + 5 * 64 + 9;
	return batch && lengths[4] <= LONGEST;
}

/* Bytes to leave in the batch of an EMPTY state. */
static inline size_t bytes_left(size_t len)
{
	/* Eight bytes of an output are noticed elsewhere, less are not. */
	return len < BEFORE ? 0 : WORD;
}

#endif /* VGETRANDOM_STEP_H */
