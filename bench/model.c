// SPDX-License-Identifier: GPL-2.0
/*
 * The algorithm of vgetrandom() over ChaCha20 of RFC 8439 with a 64-bit counter
 * from zero and no nonce. Shares nothing with the code that it is to check.
 */
#include <string.h>

#include "model.h"

#define IN_PROGRESS	UINT64_MAX

/* Up to this length, the caller gets nothing that has not been checked. */
#define SMALL_LEN	32

/* From this length on, output is made under a key of its own from the batch. */
#define DIRECT_LEN	MODEL_BATCH

/* No more blocks than these are made directly after a multiple of MODEL_BLOCKS. */
#define FEW_BLOCKS	5

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

void model_chacha20(uint8_t *dst, const uint8_t key[32], size_t nblocks)
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

/* Take bytes from the end of the batch. */
static void take(struct model_state *state, uint8_t *dst, size_t len)
{
	state->avail -= len;
	memcpy(dst, state->batch + state->avail, len);
	memset(state->batch + state->avail, 0, len);
}

static void refill(struct model_state *state)
{
	uint8_t out[MODEL_BLOCKS * 64];

	model_chacha20(out, state->key, MODEL_BLOCKS);
	memcpy(state->key, out, sizeof(state->key));
	memcpy(state->batch, out + sizeof(state->key), sizeof(state->batch));
	state->avail = sizeof(state->batch);
}

static int reseed(struct model_kernel *kernel, struct model_state *state, uint64_t generation)
{
	state->generation = IN_PROGRESS;
	if (kernel->getrandom(kernel, state->key, sizeof(state->key)) != sizeof(state->key))
		return -1;
	refill(state);
	state->generation = generation;
	return 0;
}

static void fill(struct model_state *state, uint8_t *dst, size_t len)
{
	uint8_t key[32];
	size_t n;

	while (len) {
		if (state->avail > MODEL_BATCH)
			state->avail = 0;
		if (len >= DIRECT_LEN && state->avail >= sizeof(key)) {
			take(state, key, sizeof(key));
			n = len / 64;
			if (n > MODEL_BLOCKS && n % MODEL_BLOCKS <= FEW_BLOCKS)
				n -= n % MODEL_BLOCKS;
			n *= 64;
			model_chacha20(dst, key, n / 64);
		} else {
			n = len < state->avail ? len : state->avail;
			take(state, dst, n);
			if (n < len)
				refill(state);
		}
		dst += n;
		len -= n;
	}
}

static int current(const struct model_kernel *kernel, const struct model_state *state)
{
	return state->generation && state->generation == kernel->generation;
}

/* Does the batch have enough, and no more than can be? */
static int has(const struct model_state *state, size_t len)
{
	return state->avail >= len && state->avail <= MODEL_BATCH;
}

ssize_t model_getrandom(struct model_kernel *kernel, struct model_state *state,
			uint8_t *buffer, size_t len)
{
	uint8_t words[MODEL_BATCH];
	uint64_t generation;
	int tries;

	if (!len && kernel->generation)
		return 0;

	if (len && len < DIRECT_LEN && has(state, len)) {
		take(state, words, len);
		if (current(kernel, state) || len > SMALL_LEN)
			memcpy(buffer, words, len);
		if (current(kernel, state))
			return len;
	}

	/* The fast path dropped the words, and the C code does not know that it tried. */
	if (len && len <= SMALL_LEN && has(state, len))
		take(state, words, len);

	for (tries = 0; len && tries < 2; tries++) {
		generation = kernel->generation;
		if (!generation)
			break;
		if (state->generation != generation && reseed(kernel, state, generation))
			break;
		fill(state, buffer, len);
		if (current(kernel, state))
			return len;
	}
	return kernel->getrandom(kernel, buffer, len);
}
