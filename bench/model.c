// SPDX-License-Identifier: GPL-2.0
/*
 * The algorithms of vgetrandom() over ChaCha20 of RFC 8439 with a 64-bit counter
 * from zero and no nonce. They share nothing with the code that they are to check.
 */
#include <stdbool.h>
#include <string.h>

#include "model.h"

#define IN_PROGRESS	UINT64_MAX

/*
 * Up to this length, the caller gets nothing that has not been checked: from the C code, and from
 * the fast path, which has longer registers with AVX.
 */
#define SMALL_LEN	32
#define FAST_SMALL_LEN	(use_avx ? 64 : SMALL_LEN)

/* Blocks of a refill, and what they leave for requests after the next key */
#define BLOCKS		nblocks_of_refill
#define BATCH		(BLOCKS * 64 - 32)

/* From this length on, output is made under a key of its own from the batch. */
#define DIRECT_LEN	(BLOCKS * 64)

/* No more blocks than these are made directly after a multiple of BLOCKS. */
#define FEW_BLOCKS	5

static size_t nblocks_of_refill = MODEL_BLOCKS;
static bool use_avx;

void model_set_avx(bool avx)
{
	use_avx = avx;
}

bool model_set_state_size(const struct model *model, size_t size)
{
	BLOCKS = (size - model->beside_batch + 32) / 64;
	return size == model->beside_batch + BATCH &&
	       (BLOCKS == MODEL_BLOCKS || BLOCKS == MODEL_MAX_BLOCKS);
}

size_t model_batch(void)
{
	return BATCH;
}

static uint32_t rotl(uint32_t x, int bits)
{
	return x << bits | x >> (32 - bits);
}

static void quarter_round(uint32_t *x, int a, int b, int c, int d)
{
	x[a] += x[b];
	x[d] = rotl(x[d] ^ x[a], 16);
	x[c] += x[d];
	x[b] = rotl(x[b] ^ x[c], 12);
	x[a] += x[b];
	x[d] = rotl(x[d] ^ x[a], 8);
	x[c] += x[d];
	x[b] = rotl(x[b] ^ x[c], 7);
}

static void block(uint8_t *dst, const uint32_t *in)
{
	uint32_t x[16];
	int i;

	memcpy(x, in, sizeof(x));
	for (i = 0; i < 10; i++) {
		quarter_round(x, 0, 4, 8, 12);
		quarter_round(x, 1, 5, 9, 13);
		quarter_round(x, 2, 6, 10, 14);
		quarter_round(x, 3, 7, 11, 15);
		quarter_round(x, 0, 5, 10, 15);
		quarter_round(x, 1, 6, 11, 12);
		quarter_round(x, 2, 7, 8, 13);
		quarter_round(x, 3, 4, 9, 14);
	}
	for (i = 0; i < 16; i++)
		x[i] += in[i];
	memcpy(dst, x, sizeof(x));
}

static void chacha20(uint8_t *dst, const uint8_t key[32], size_t nblocks)
{
	uint32_t in[16] = { 0x61707865, 0x3320646e, 0x79622d32, 0x6b206574 };
	size_t i;

	memcpy(in + 4, key, 32);
	for (i = 0; i < nblocks; i++) {
		in[12] = i;
		in[13] = (uint64_t)i >> 32;
		block(dst + i * 64, in);
	}
}

/* How many blocks of a request are made under a key of their own */
static size_t direct_blocks(size_t len)
{
	size_t n = len / 64;

	if (n > BLOCKS && n % BLOCKS <= FEW_BLOCKS)
		n -= n % BLOCKS;
	return n;
}

/* struct vgetrandom_state of 6.1 */
struct state_6_1 {
	uint64_t	generation;
	uint32_t	avail;
	uint8_t		key[32] __attribute__((aligned(64)));
	uint8_t		batch[MODEL_MAX_BATCH];	/* BATCH of them exist */
};

/* Take bytes from the end of the batch. */
static void take_6_1(struct state_6_1 *state, uint8_t *dst, size_t len)
{
	state->avail -= len;
	memcpy(dst, state->batch + state->avail, len);
	memset(state->batch + state->avail, 0, len);
}

static void refill_6_1(struct state_6_1 *state)
{
	uint8_t out[MODEL_MAX_BLOCKS * 64];

	chacha20(out, state->key, BLOCKS);
	memcpy(state->key, out, sizeof(state->key));
	memcpy(state->batch, out + sizeof(state->key), BATCH);
	state->avail = BATCH;
}

static int reseed_6_1(struct model_kernel *kernel, struct state_6_1 *state, uint64_t generation)
{
	state->generation = IN_PROGRESS;
	if (kernel->getrandom(kernel, state->key, sizeof(state->key)) != sizeof(state->key))
		return -1;
	refill_6_1(state);
	state->generation = generation;
	return 0;
}

static void fill_6_1(struct state_6_1 *state, uint8_t *dst, size_t len)
{
	uint8_t key[32];
	size_t n;

	while (len) {
		if (state->avail > BATCH)
			state->avail = 0;
		if (len >= DIRECT_LEN && state->avail >= sizeof(key)) {
			take_6_1(state, key, sizeof(key));
			n = direct_blocks(len) * 64;
			chacha20(dst, key, n / 64);
		} else {
			n = len < state->avail ? len : state->avail;
			take_6_1(state, dst, n);
			if (n < len)
				refill_6_1(state);
		}
		dst += n;
		len -= n;
	}
}

static bool is_current(const struct model_kernel *kernel, uint64_t generation)
{
	return generation && generation == kernel->generation;
}

/* Does the batch have enough, and no more than can be? */
static bool has_6_1(const struct state_6_1 *state, size_t len)
{
	return state->avail >= len && state->avail <= BATCH;
}

static ssize_t getrandom_6_1(struct model_kernel *kernel, void *opaque_state,
			     uint8_t *buffer, size_t len)
{
	struct state_6_1 *state = opaque_state;
	uint8_t words[MODEL_MAX_BATCH];
	uint64_t generation;
	int tries;

	if (!len && kernel->generation)
		return 0;

	if (len && len <= BATCH && has_6_1(state, len)) {
		take_6_1(state, words, len);
		if (is_current(kernel, state->generation) || len > FAST_SMALL_LEN)
			memcpy(buffer, words, len);
		if (is_current(kernel, state->generation))
			return len;
	}

	/* The fast path dropped the words, and the C code does not know that it tried. */
	if (len && len <= SMALL_LEN && has_6_1(state, len))
		take_6_1(state, words, len);

	for (tries = 0; len && tries < 2; tries++) {
		generation = kernel->generation;
		if (!generation)
			break;
		if (state->generation != generation && reseed_6_1(kernel, state, generation))
			break;
		fill_6_1(state, buffer, len);
		if (is_current(kernel, state->generation))
			return len;
	}
	return kernel->getrandom(kernel, buffer, len);
}

static void set_generation_6_1(void *opaque_state, uint64_t generation)
{
	struct state_6_1 *state = opaque_state;

	state->generation = generation;
}

static void disturb_6_1(void *opaque_state, uint64_t value)
{
	struct state_6_1 *state = opaque_state;

	state->avail = value;
}

const struct model model_6_1 = {
	offsetof(struct state_6_1, batch), getrandom_6_1, set_generation_6_1, disturb_6_1
};

/* struct vgetrandom_state of 7.3 */
struct state_7_3 {
	uint64_t	generation;
	uint16_t	pos;
	bool		in_use;
	uint8_t		batch[MODEL_MAX_BATCH + 32] __attribute__((aligned(64)));
};

/* The next key comes after the batch. */
static uint8_t *key_7_3(struct state_7_3 *state)
{
	return state->batch + BATCH;
}

/* Take the first unused bytes of the batch. */
static void take_7_3(struct state_7_3 *state, uint8_t *dst, size_t len)
{
	memcpy(dst, state->batch + state->pos, len);
	memset(state->batch + state->pos, 0, len);
	state->pos += len;
}

static void refill_7_3(struct state_7_3 *state)
{
	uint8_t out[MODEL_MAX_BLOCKS * 64];

	chacha20(out, key_7_3(state), BLOCKS);
	memcpy(state->batch, out, BLOCKS * 64);
	state->pos = 0;
}

static void fill_7_3(struct state_7_3 *state, uint8_t *dst, size_t len, uint64_t generation)
{
	size_t left, n;
	uint8_t key[32];

	for (;;) {
		if (len >= DIRECT_LEN && BATCH - state->pos >= sizeof(key)) {
			take_7_3(state, key, sizeof(key));
			n = direct_blocks(len);
			chacha20(dst, key, n);
			dst += n * 64;
			len -= n * 64;
		}
		left = BATCH - state->pos;
		n = len < left ? len : left;
		take_7_3(state, dst, n);
		dst += n;
		len -= n;
		if (!len)
			return;

		refill_7_3(state);
		state->generation = generation;
	}
}

/* Does the call succeed without the system call? */
static bool draw_7_3(struct model_kernel *kernel, struct state_7_3 *state, uint8_t *buffer,
		     size_t len)
{
	uint64_t generation = kernel->generation;

	if (!state->in_use) {
		if (state->generation != generation) {
			state->generation = IN_PROGRESS;
			if (kernel->getrandom(kernel, key_7_3(state), 32) != 32) {
				state->generation = 0;
				return false;
			}
			state->pos = BATCH;
		}
		fill_7_3(state, buffer, len, generation);
		if (is_current(kernel, state->generation))
			return true;
	}
	state->generation = 0;
	state->in_use = false;
	return false;
}

static ssize_t getrandom_7_3(struct model_kernel *kernel, void *opaque_state,
			     uint8_t *buffer, size_t len)
{
	struct state_7_3 *state = opaque_state;
	uint8_t words[MODEL_MAX_BATCH];

	if (len && len <= BATCH && !state->in_use && state->pos + len <= BATCH) {
		take_7_3(state, words, len);
		if (is_current(kernel, state->generation) || len > FAST_SMALL_LEN)
			memcpy(buffer, words, len);
		if (is_current(kernel, state->generation))
			return len;
	}
	if (kernel->generation && (!len || draw_7_3(kernel, state, buffer, len)))
		return len;
	return kernel->getrandom(kernel, buffer, len);
}

static void set_generation_7_3(void *opaque_state, uint64_t generation)
{
	struct state_7_3 *state = opaque_state;

	state->generation = generation;
}

/* Unlike 6.1's, the code relies on a position inside the batch. */
static void disturb_7_3(void *opaque_state, uint64_t value)
{
	struct state_7_3 *state = opaque_state;

	state->pos = value % (BATCH + 1);
	state->in_use = value >> 63;
}

const struct model model_7_3 = {
	offsetof(struct state_7_3, batch) + 32, getrandom_7_3, set_generation_7_3, disturb_7_3
};
