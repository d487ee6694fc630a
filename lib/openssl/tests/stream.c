// SPDX-License-Identifier: MIT
/*
 * stream.c: every stream of this processor, compared with libcrypto's, for each length up to
 * several batches of blocks, at each alignment, and for the greatest length.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "../stream.h"

#define LENGTHS		1100
#define ALIGNMENTS	16
#define GUARD		64

static int failed;

static void judge(bool ok, const char *stream, const char *what)
{
	printf("%s %s: %s\n", ok ? "pass" : "fail", stream, what);
	failed |= !ok;
}

/* Encrypts the block numbers; they are little-endian here, so OpenSSL's counter is no help. */
static bool expect_aes(unsigned char *out, size_t len, const unsigned char *key)
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	int made;
	size_t i;

	memset(out, 0, len);
	for (i = 0; i < len / 16; i++)
		memcpy(out + 16 * i, &i, sizeof(i));
	if (!EVP_EncryptInit_ex(c, EVP_aes_256_ecb(), NULL, key, NULL) ||
	    !EVP_CIPHER_CTX_set_padding(c, 0) || !EVP_EncryptUpdate(c, out, &made, out, len))
		return false;
	EVP_CIPHER_CTX_free(c);
	return (size_t)made == len;
}

static bool expect_chacha(unsigned char *out, size_t len, const unsigned char *key)
{
	static const unsigned char start[16];
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	int made;

	memset(out, 0, len);
	if (!EVP_EncryptInit_ex(c, EVP_chacha20(), NULL, key, start) ||
	    !EVP_EncryptUpdate(c, out, &made, out, len))
		return false;
	EVP_CIPHER_CTX_free(c);
	return (size_t)made == len;
}

static bool all_are(const unsigned char *p, size_t len, unsigned char value)
{
	while (len--)
		if (*p++ != value)
			return false;
	return true;
}

/* Are these bytes made, and those around them left alone? */
static bool is_right(const struct stream *s, const unsigned char *expected, size_t at,
		     size_t len, const unsigned char *key)
{
	static unsigned char out[GUARD + ALIGNMENTS + LENGTHS + GUARD];

	memset(out, 0xa5, sizeof(out));
	s->fill(out + GUARD + at, len, key);
	return !memcmp(out + GUARD + at, expected, len) && all_are(out, GUARD + at, 0xa5) &&
	       all_are(out + GUARD + at + len, sizeof(out) - GUARD - at - len, 0xa5);
}

static void check_stream(const struct stream *s)
{
	static unsigned char expected[STREAM_MAX], out[STREAM_MAX];
	unsigned char key[STREAM_KEY_SIZE];
	bool ok = true;
	size_t at, len, i;

	for (i = 0; i < sizeof(key); i++)
		key[i] = 7 * i + 1;
	if (!strncmp(s->name, "AES", 3) ? !expect_aes(expected, STREAM_MAX, key) :
					  !expect_chacha(expected, STREAM_MAX, key))
		abort();
	for (at = 0; at < ALIGNMENTS; at++)
		for (len = 0; len <= LENGTHS; len++)
			ok &= is_right(s, expected, at, len, key);
	judge(ok, s->name, "as libcrypto's, at every length and alignment");
	s->fill(out, STREAM_MAX, key);
	judge(!memcmp(out, expected, STREAM_MAX), s->name, "as libcrypto's, at the greatest length");
}

int main(void)
{
	size_t i;

	for (i = 0; i < stream_count; i++) {
		if (stream_all[i].is_usable())
			check_stream(&stream_all[i]);
		else
			printf("skip %s: # not on this processor\n", stream_all[i].name);
	}
	judge(stream_best()->is_usable(), stream_best()->name, "is the best one here");
	return failed;
}
