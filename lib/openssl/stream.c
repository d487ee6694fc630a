// SPDX-License-Identifier: MIT
/*
 * stream.c: random bytes from a key that is used once
 *
 * AES-256 encrypts a counter where the processor has instructions for that, ChaCha20 does
 * elsewhere. The counter starts at zero, because no key is ever used a second time. Neither
 * looks up a table nor branches on a secret. Each function erases its round keys.
 */
#include <stdint.h>
#include <string.h>

#include "stream.h"

#define ROUNDS		14		/* of AES-256 */
#define BLOCK		16		/* bytes of AES */

void stream_erase(void *p, size_t len)
{
	memset(p, 0, len);
	__asm__ __volatile__("" : : "r" (p) : "memory");
}

#if defined(__x86_64__) || defined(__aarch64__)
/* The first block that the key of bytes 0, 1, 2... makes, and the sixteenth one. */
static const unsigned char aes_answers[2][BLOCK] = {
	{ 0xf2, 0x90, 0x00, 0xb6, 0x2a, 0x49, 0x9f, 0xd0,
	  0xa9, 0xf3, 0x9a, 0x6a, 0xdd, 0x2e, 0x77, 0x80 },
	{ 0xc0, 0xde, 0x48, 0xd7, 0x69, 0xb1, 0x97, 0xcd,
	  0x5c, 0xf9, 0xbb, 0x5f, 0x79, 0x8f, 0x49, 0xd0 },
};

/*
 * Emulators have got these instructions wrong: QEMU 7.2 returns the first of two blocks
 * twice. Therefore check once, before they are used, that they compute AES.
 */
__attribute__((unused))
static int computes_aes(void (*fill)(void *out, size_t len, const unsigned char *key))
{
	unsigned char key[STREAM_KEY_SIZE], out[16][BLOCK];
	int i;

	for (i = 0; i < STREAM_KEY_SIZE; i++)
		key[i] = i;
	fill(out, sizeof(out), key);
	return !memcmp(out[0], aes_answers[0], BLOCK) && !memcmp(out[15], aes_answers[1], BLOCK);
}
#endif

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>

#define AES	__attribute__((target("sse4.1,aes")))
#define VAES	__attribute__((target("avx2,aes,vaes")))

/*
 * Substitutes the bytes of the key's last word, in the given order, and adds the constant.
 * All columns of the state are that word, so ShiftRows changes nothing, and the cipher's
 * last round is just the substitution.
 */
#define SUBSTITUTE(key, order, constant) \
	_mm_aesenclast_si128(_mm_shuffle_epi8(key, order), constant)

/* Each word of a round key is the sum of those up to it, and of the substituted word. */
static AES inline __m128i next_key(__m128i key, __m128i substituted)
{
	key = _mm_xor_si128(key, _mm_slli_si128(key, 4));
	key = _mm_xor_si128(key, _mm_slli_si128(key, 8));
	return _mm_xor_si128(key, substituted);
}

static AES inline void expand_key(__m128i *rk, const unsigned char *key)
{
	const __m128i same = _mm_set1_epi32(0x0f0e0d0c);
	const __m128i rotated = _mm_set1_epi32(0x0c0f0e0d);
	__m128i constant = _mm_set1_epi32(1);
	int i;

	rk[0] = _mm_loadu_si128((const __m128i *)key);
	rk[1] = _mm_loadu_si128((const __m128i *)key + 1);
#pragma GCC unroll 7
	for (i = 2; i <= ROUNDS; i += 2) {
		rk[i] = next_key(rk[i - 2], SUBSTITUTE(rk[i - 1], rotated, constant));
		constant = _mm_slli_epi32(constant, 1);
		if (i < ROUNDS)
			rk[i + 1] = next_key(rk[i - 1], SUBSTITUTE(rk[i], same, _mm_setzero_si128()));
	}
}

/* Leaves nothing of the last blocks and of the round keys in registers. */
#define ERASE_SSE_REGISTERS() \
	__asm__ __volatile__( \
		"pxor %%xmm0, %%xmm0\n\tpxor %%xmm1, %%xmm1\n\t" \
		"pxor %%xmm2, %%xmm2\n\tpxor %%xmm3, %%xmm3\n\t" \
		"pxor %%xmm4, %%xmm4\n\tpxor %%xmm5, %%xmm5\n\t" \
		"pxor %%xmm6, %%xmm6\n\tpxor %%xmm7, %%xmm7\n\t" \
		"pxor %%xmm8, %%xmm8\n\tpxor %%xmm9, %%xmm9\n\t" \
		"pxor %%xmm10, %%xmm10\n\tpxor %%xmm11, %%xmm11\n\t" \
		"pxor %%xmm12, %%xmm12\n\tpxor %%xmm13, %%xmm13\n\t" \
		"pxor %%xmm14, %%xmm14\n\tpxor %%xmm15, %%xmm15" \
		: : : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", \
		      "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15")

#define AES_LANES	8

/* Eight blocks keep both of a processor's AES units busy. */
static AES inline __m128i aes_blocks(__m128i *b, __m128i counter, const __m128i *rk)
{
	const __m128i one = _mm_set_epi64x(0, 1);
	int i, j;

#pragma GCC unroll 8
	for (i = 0; i < AES_LANES; i++) {
		b[i] = _mm_xor_si128(counter, rk[0]);
		counter = _mm_add_epi64(counter, one);
	}
#pragma GCC unroll 13
	for (j = 1; j < ROUNDS; j++) {
#pragma GCC unroll 8
		for (i = 0; i < AES_LANES; i++)
			b[i] = _mm_aesenc_si128(b[i], rk[j]);
	}
#pragma GCC unroll 8
	for (i = 0; i < AES_LANES; i++)
		b[i] = _mm_aesenclast_si128(b[i], rk[ROUNDS]);
	return counter;
}

static AES void aes_fill(void *out, size_t len, const unsigned char *key)
{
	__m128i rk[ROUNDS + 1], b[AES_LANES], counter = _mm_setzero_si128();
	unsigned char *p = out;
	int i;

	expand_key(rk, key);
	for (; len >= sizeof(b); len -= sizeof(b), p += sizeof(b)) {
		counter = aes_blocks(b, counter, rk);
#pragma GCC unroll 8
		for (i = 0; i < AES_LANES; i++)
			_mm_storeu_si128((__m128i *)p + i, b[i]);
	}
	if (len) {
		__m128i rest[AES_LANES];

		aes_blocks(b, counter, rk);
		memcpy(rest, b, sizeof(rest));
		memcpy(p, rest, len);
		stream_erase(rest, sizeof(rest));
	}
	ERASE_SSE_REGISTERS();
	stream_erase(rk, sizeof(rk));
}

static int has_aes(void)
{
	return __builtin_cpu_supports("sse4.1") && __builtin_cpu_supports("aes") &&
	       computes_aes(aes_fill);
}

#define VAES_LANES	8
#define VAES_SIZE	(VAES_LANES * 2 * BLOCK)

/* Two blocks in a register. */
static VAES inline __m256i vaes_blocks(__m256i *b, __m256i counter, const __m128i *rk)
{
	const __m256i two = _mm256_set_epi64x(0, 2, 0, 2);
	__m256i key = _mm256_broadcastsi128_si256(rk[0]);
	int i, j;

#pragma GCC unroll 8
	for (i = 0; i < VAES_LANES; i++) {
		b[i] = _mm256_xor_si256(counter, key);
		counter = _mm256_add_epi64(counter, two);
	}
#pragma GCC unroll 13
	for (j = 1; j < ROUNDS; j++) {
		key = _mm256_broadcastsi128_si256(rk[j]);
#pragma GCC unroll 8
		for (i = 0; i < VAES_LANES; i++)
			b[i] = _mm256_aesenc_epi128(b[i], key);
	}
	key = _mm256_broadcastsi128_si256(rk[ROUNDS]);
#pragma GCC unroll 8
	for (i = 0; i < VAES_LANES; i++)
		b[i] = _mm256_aesenclast_epi128(b[i], key);
	return counter;
}

static VAES void vaes_fill(void *out, size_t len, const unsigned char *key)
{
	__m256i b[VAES_LANES], counter = _mm256_set_epi64x(0, 1, 0, 0);
	__m128i rk[ROUNDS + 1];
	unsigned char *p = out;
	int i;

	expand_key(rk, key);
	for (; len >= VAES_SIZE; len -= VAES_SIZE, p += VAES_SIZE) {
		counter = vaes_blocks(b, counter, rk);
#pragma GCC unroll 8
		for (i = 0; i < VAES_LANES; i++)
			_mm256_storeu_si256((__m256i *)p + i, b[i]);
	}
	if (len) {
		__m256i rest[VAES_LANES];

		vaes_blocks(b, counter, rk);
		memcpy(rest, b, sizeof(rest));
		memcpy(p, rest, len);
		stream_erase(rest, sizeof(rest));
	}
	_mm256_zeroall();
	stream_erase(rk, sizeof(rk));
}

static int has_vaes(void)
{
	unsigned int a, b, c, d;

	/* Not all compilers know the feature by its name. The kernel has enabled AVX2's registers. */
	return has_aes() && __builtin_cpu_supports("avx2") &&
	       __get_cpuid_count(7, 0, &a, &b, &c, &d) && c & 1U << 9 &&
	       computes_aes(vaes_fill);
}
#endif

#if defined(__aarch64__) && defined(__ARM_NEON) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ && \
	(!defined(__clang__) || __clang_major__ >= 16)
/* Older versions of clang have the functions only if all of the file may use AES. */
#define HAS_ARM_AES
#endif

#ifdef HAS_ARM_AES
#include <arm_neon.h>
#include <sys/auxv.h>

#ifndef HWCAP_AES
#define HWCAP_AES	(1 << 3)
#endif

#ifdef __clang__
#define ARM_AES	__attribute__((target("neon,aes")))
#else
#define ARM_AES	__attribute__((target("+crypto")))
#endif

#define ARM_LANES	4

/* With a key of zeros and four times the same word, a round is the substitution of bytes. */
static ARM_AES inline uint32_t substitute(uint32_t word)
{
	uint8x16_t same = vreinterpretq_u8_u32(vdupq_n_u32(word));

	return vgetq_lane_u32(vreinterpretq_u32_u8(vaeseq_u8(same, vdupq_n_u8(0))), 0);
}

static ARM_AES void arm_expand_key(uint8x16_t *rk, const unsigned char *key)
{
	uint32_t w[4 * (ROUNDS + 1)], constant = 1;
	int i;

	memcpy(w, key, STREAM_KEY_SIZE);
	for (i = 8; i < 4 * (ROUNDS + 1); i++) {
		uint32_t word = w[i - 1];

		if (i % 8 == 0) {
			word = substitute(word >> 8 | word << 24) ^ constant;
			constant <<= 1;
		} else if (i % 4 == 0) {
			word = substitute(word);
		}
		w[i] = w[i - 8] ^ word;
	}
	for (i = 0; i <= ROUNDS; i++)
		rk[i] = vreinterpretq_u8_u32(vld1q_u32(w + 4 * i));
	stream_erase(w, sizeof(w));
}

static ARM_AES inline void arm_blocks(uint8x16_t *b, uint64_t counter, const uint8x16_t *rk)
{
	int i, j;

	for (i = 0; i < ARM_LANES; i++)
		b[i] = vreinterpretq_u8_u64(vsetq_lane_u64(counter + i, vdupq_n_u64(0), 0));
#pragma GCC unroll 13
	for (j = 0; j < ROUNDS - 1; j++) {
#pragma GCC unroll 4
		for (i = 0; i < ARM_LANES; i++)
			b[i] = vaesmcq_u8(vaeseq_u8(b[i], rk[j]));
	}
	for (i = 0; i < ARM_LANES; i++)
		b[i] = veorq_u8(vaeseq_u8(b[i], rk[ROUNDS - 1]), rk[ROUNDS]);
}

static ARM_AES void arm_fill(void *out, size_t len, const unsigned char *key)
{
	uint8x16_t rk[ROUNDS + 1], b[ARM_LANES];
	unsigned char *p = out;
	uint64_t counter = 0;
	int i;

	arm_expand_key(rk, key);
	for (; len >= sizeof(b); len -= sizeof(b), p += sizeof(b)) {
		arm_blocks(b, counter, rk);
		for (i = 0; i < ARM_LANES; i++)
			vst1q_u8(p + i * BLOCK, b[i]);
		counter += ARM_LANES;
	}
	if (len) {
		arm_blocks(b, counter, rk);
		memcpy(p, b, len);
	}
	stream_erase(b, sizeof(b));
	stream_erase(rk, sizeof(rk));
}

static int has_arm_aes(void)
{
	return getauxval(AT_HWCAP) & HWCAP_AES && computes_aes(arm_fill);
}
#endif

/* One word of several blocks: the compiler makes of it whatever vectors there are. */
#define CHACHA_LANES	4
#define CHACHA_BLOCK	64

typedef uint32_t lanes __attribute__((vector_size(4 * CHACHA_LANES)));

static inline lanes rotate(lanes v, int bits)
{
	return v << bits | v >> (32 - bits);
}

static inline void quarter_round(lanes *a, lanes *b, lanes *c, lanes *d)
{
	*a += *b;
	*d = rotate(*d ^ *a, 16);
	*c += *d;
	*b = rotate(*b ^ *c, 12);
	*a += *b;
	*d = rotate(*d ^ *a, 8);
	*c += *d;
	*b = rotate(*b ^ *c, 7);
}

static uint32_t little_endian(const unsigned char *p)
{
	return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24;
}

static void chacha_blocks(unsigned char *out, const lanes *input)
{
	lanes x[16];
	int i, j;

	memcpy(x, input, sizeof(x));
	for (i = 0; i < 10; i++) {
		for (j = 0; j < 4; j++)
			quarter_round(&x[j], &x[4 + j], &x[8 + j], &x[12 + j]);
		for (j = 0; j < 4; j++)
			quarter_round(&x[j], &x[4 + (j + 1) % 4], &x[8 + (j + 2) % 4],
				      &x[12 + (j + 3) % 4]);
	}
	for (i = 0; i < 16; i++) {
		x[i] += input[i];
		for (j = 0; j < CHACHA_LANES; j++) {
			unsigned char *p = out + j * CHACHA_BLOCK + 4 * i;

			p[0] = x[i][j];
			p[1] = x[i][j] >> 8;
			p[2] = x[i][j] >> 16;
			p[3] = x[i][j] >> 24;
		}
	}
	stream_erase(x, sizeof(x));
}

static void chacha_fill(void *out, size_t len, const unsigned char *key)
{
	static const char constant[] = "expand 32-byte k";
	unsigned char rest[CHACHA_LANES * CHACHA_BLOCK], *p = out;
	lanes input[16] = { 0 };
	int i;

	for (i = 0; i < 4; i++)
		input[i] += little_endian((const unsigned char *)constant + 4 * i);
	for (i = 0; i < 8; i++)
		input[4 + i] += little_endian(key + 4 * i);
	for (i = 0; i < CHACHA_LANES; i++)
		input[12][i] = i;
	for (; len >= sizeof(rest); len -= sizeof(rest), p += sizeof(rest)) {
		chacha_blocks(p, input);
		input[12] += CHACHA_LANES;
	}
	if (len) {
		chacha_blocks(rest, input);
		memcpy(p, rest, len);
		stream_erase(rest, sizeof(rest));
	}
	stream_erase(input, sizeof(input));
}

static int always(void)
{
	return 1;
}

const struct stream stream_all[] = {
#if defined(__x86_64__)
	{ "AES-256, VAES", has_vaes, vaes_fill },
	{ "AES-256, AES-NI", has_aes, aes_fill },
#endif
#ifdef HAS_ARM_AES
	{ "AES-256, ARMv8", has_arm_aes, arm_fill },
#endif
	{ "ChaCha20", always, chacha_fill },
};

const size_t stream_count = sizeof(stream_all) / sizeof(stream_all[0]);

const struct stream *stream_best(void)
{
	const struct stream *s = stream_all;

	while (!s->is_usable())
		s++;
	return s;
}
