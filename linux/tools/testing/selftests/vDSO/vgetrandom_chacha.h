/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vgetrandom_chacha.h: ChaCha20, to compute the keystream of a key
 *
 * Plain C after RFC 8439, with a 64-bit counter and a nonce of zero. A callback can
 * look at the cipher's state as it changes.
 */
#ifndef VGETRANDOM_CHACHA_H
#define VGETRANDOM_CHACHA_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define VGR_CHACHA_WORDS	16
#define VGR_CHACHA_KEY_WORDS	8
#define VGR_CHACHA_DOUBLE_ROUNDS 10

/* "expand 32-byte k", which is not secret */
static const uint32_t vgr_chacha_constants[] = {
	0x61707865, 0x3320646e, 0x79622d32, 0x6b206574,
};

/* Called for each word of the cipher's state that changes. */
typedef void (*vgr_chacha_see_t)(uint32_t word, void *arg);

static inline uint32_t vgr_rotate(uint32_t x, unsigned int bits)
{
	return x << bits | x >> (32 - bits);
}

static inline void vgr_chacha_step(uint32_t *sum, uint32_t addend, uint32_t *x,
				   unsigned int bits, vgr_chacha_see_t see,
				   void *arg)
{
	*sum += addend;
	*x = vgr_rotate(*x ^ *sum, bits);
	if (see) {
		see(*sum, arg);
		see(*x, arg);
	}
}

static inline void vgr_quarter_round(uint32_t *a, uint32_t *b, uint32_t *c,
				     uint32_t *d, vgr_chacha_see_t see,
				     void *arg)
{
	vgr_chacha_step(a, *b, d, 16, see, arg);
	vgr_chacha_step(c, *d, b, 12, see, arg);
	vgr_chacha_step(a, *b, d, 8, see, arg);
	vgr_chacha_step(c, *d, b, 7, see, arg);
}

/**
 * vgr_chacha20_block() - make one block of keystream
 * @out:	the block
 * @key:	the key
 * @counter:	the block's number
 * @see:	called for each intermediate word, or NULL
 * @arg:	for @see
 */
static inline void vgr_chacha20_block(uint32_t out[VGR_CHACHA_WORDS],
				      const uint32_t key[VGR_CHACHA_KEY_WORDS],
				      uint64_t counter, vgr_chacha_see_t see,
				      void *arg)
{
	uint32_t input[VGR_CHACHA_WORDS] = { 0 };
	uint32_t *x = out;
	unsigned int i;

	memcpy(input, vgr_chacha_constants, sizeof(vgr_chacha_constants));
	memcpy(input + 4, key, VGR_CHACHA_KEY_WORDS * sizeof(*key));
	input[12] = counter;
	input[13] = counter >> 32;
	memcpy(x, input, sizeof(input));

	for (i = 0; i < VGR_CHACHA_DOUBLE_ROUNDS; i++) {
		vgr_quarter_round(&x[0], &x[4], &x[8], &x[12], see, arg);
		vgr_quarter_round(&x[1], &x[5], &x[9], &x[13], see, arg);
		vgr_quarter_round(&x[2], &x[6], &x[10], &x[14], see, arg);
		vgr_quarter_round(&x[3], &x[7], &x[11], &x[15], see, arg);

		vgr_quarter_round(&x[0], &x[5], &x[10], &x[15], see, arg);
		vgr_quarter_round(&x[1], &x[6], &x[11], &x[12], see, arg);
		vgr_quarter_round(&x[2], &x[7], &x[8], &x[13], see, arg);
		vgr_quarter_round(&x[3], &x[4], &x[9], &x[14], see, arg);
	}
	for (i = 0; i < VGR_CHACHA_WORDS; i++)
		x[i] += input[i];
}

#endif /* VGETRANDOM_CHACHA_H */
