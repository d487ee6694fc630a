// SPDX-License-Identifier: MIT
/*
 * clone.c: the long path with a kernel made up here, which counts the draws, has
 * GRND_TIMESTAMP or not, and is cloned, reseeded or broken at a chosen draw. Also what
 * generators ask of their parent, with lengths that OpenSSL's own ones do not use.
 */
#include "../provider.c"

#include <stdio.h>
#include <stdlib.h>

#define SIZE	(5 * CHUNK + 100)	/* six keys */

static struct {
	bool has_cookies;
	struct cookie cookie;
	unsigned int keys;		/* drawn so far */
	unsigned int direct;		/* bytes drawn that are no key */
	unsigned int cookies;		/* asked for so far */
	unsigned int clone_at;		/* before that key; 0 is never */
	unsigned int reseed_at;
	unsigned int fork_at;
	unsigned int lose_cookies_at;	/* the question for a cookie that fails */
	unsigned int fail_at;
	unsigned int interrupt_at;
} kernel;

static int failed;

static ssize_t give_cookie(struct cookie *cookie)
{
	struct cookie old = *cookie;

	if (!kernel.has_cookies || ++kernel.cookies == kernel.lose_cookies_at) {
		errno = EINVAL;
		return -1;
	}
	*cookie = kernel.cookie;
	return memcmp(&old, cookie, sizeof(old)) ? (ssize_t)sizeof(*cookie) : 0;
}

ssize_t vgr_getrandom(void *buf, size_t len, unsigned int flags)
{
	if (flags == GRND_TIMESTAMP)
		return give_cookie(buf);
	if (len != STREAM_KEY_SIZE) {
		kernel.direct += len;
		memset(buf, 0xdd, len);
		return len;
	}
	kernel.keys++;
	if (kernel.keys == kernel.fail_at) {
		errno = EPERM;
		return -1;
	}
	if (kernel.keys == kernel.interrupt_at) {
		kernel.interrupt_at = 0;
		kernel.keys--;
		errno = EINTR;
		return -1;
	}
	if (kernel.keys == kernel.clone_at) {
		kernel.cookie.reseed++;
		kernel.cookie.clone++;
	}
	if (kernel.keys == kernel.reseed_at)
		kernel.cookie.reseed++;
	if (kernel.keys == kernel.fork_at)
		count_fork();
	memset(buf, kernel.keys, len);
	return len;
}

static void judge(bool ok, const char *what)
{
	printf("%s %s\n", ok ? "pass" : "fail", what);
	failed |= !ok;
}

/* Is each piece made from a key of its own, the first one from that key? */
static bool comes_from(const struct stream *stream, const unsigned char *out, unsigned int first)
{
	unsigned char key[STREAM_KEY_SIZE], expected[CHUNK];
	size_t at;

	for (at = 0; at < SIZE; at += CHUNK) {
		size_t len = SIZE - at < CHUNK ? SIZE - at : CHUNK;

		memset(key, first + at / CHUNK, sizeof(key));
		stream->fill(expected, len, key);
		if (memcmp(out + at, expected, len))
			return false;
	}
	return true;
}

static unsigned char out[SIZE];
static struct provider provider;

static bool fill_with(bool has_cookies)
{
	kernel.has_cookies = has_cookies;
	kernel.keys = kernel.direct = kernel.cookies = 0;
	kernel.cookie.reseed = kernel.cookie.clone = 1;
	provider.stream = stream_best();
	provider.has_cookies = has_cookies;
	return fill(&provider, out, SIZE);
}

static bool is_right(bool has_cookies, unsigned int first, unsigned int keys)
{
	return fill_with(has_cookies) && comes_from(provider.stream, out, first) &&
	       kernel.keys == keys && !kernel.direct;
}

static void *allocate(size_t len, const char *file, int line)
{
	(void)file;
	(void)line;
	return malloc(len);
}

static void clear_free(void *p, size_t len, const char *file, int line)
{
	(void)len;
	(void)file;
	(void)line;
	free(p);
}

static size_t seed_len(struct context *c, int entropy, size_t min, size_t max)
{
	unsigned char *seed = NULL;
	size_t len = get_seed(c, &seed, entropy, min, max, 0, NULL, 0);

	if (!len != !seed)
		return SIZE_MAX;
	if (seed)
		clear_seed(c, seed, len);
	return len;
}

static void check_parent(void)
{
	struct context c = { &provider, true };
	unsigned char bytes[64];

	provider.direct_max = DIRECT_MAX;
	provider.secure_malloc = allocate;
	provider.secure_clear_free = clear_free;
	judge(nonce(&c, NULL, 256, 0, 100) == 16 && nonce(&c, NULL, 256, 0, 10) == 10 &&
	      nonce(&c, NULL, 256, 20, 100) == 20 && nonce(&c, bytes, 256, 20, 64) == 20,
	      "a nonce is as long as it should be");
	judge(!nonce(&c, bytes, 256, 20, 10) && !nonce(&c, bytes, 257, 0, 64),
	      "a nonce whose bounds or strength cannot be met is refused");
	judge(seed_len(&c, 256, 0, 64) == 32 && seed_len(&c, 256, 48, 64) == 48 &&
	      seed_len(&c, 121, 0, 64) == 16 && seed_len(&c, 0, 8, 64) == 8,
	      "a seed has the entropy and the length that it should");
	judge(!seed_len(&c, 256, 0, 31) && !seed_len(&c, 0, 8, 7), "a seed that is too long is refused");
	c.is_instantiated = false;
	judge(!nonce(&c, bytes, 256, 16, 64) && !seed_len(&c, 256, 0, 64),
	      "without an instance, there is neither");
}

int main(void)
{
	unsigned int i;
	bool ok = true;

	judge(is_right(false, 1, 6), "a key for each 4 KiB, none used twice");
	judge(is_right(true, 1, 6) && kernel.cookies == 2, "so too where the kernel tells of clones");
	for (i = 1; i <= 6; i++) {
		kernel.clone_at = i;
		ok &= is_right(true, 7, 12);
	}
	judge(ok, "a clone within the call: all of it is made anew");
	for (ok = true, i = 1; i <= 6; i++) {
		kernel.clone_at = i;
		ok &= is_right(false, 1, 6);
	}
	judge(ok, "a clone that nobody tells of: each further key is drawn from the kernel");
	kernel.clone_at = 0;
	kernel.reseed_at = 3;
	judge(is_right(true, 1, 6), "a reseed within the call changes nothing");
	kernel.reseed_at = 0;
	kernel.fork_at = 4;
	judge(is_right(false, 7, 12) && is_right(true, 7, 12), "a fork within the call: all of it is made anew");
	kernel.fork_at = 0;
	kernel.interrupt_at = 2;
	judge(is_right(true, 1, 6), "an interrupted draw of a key is repeated");
	for (ok = true, i = 1; i <= 2; i++) {
		kernel.lose_cookies_at = i;
		ok &= fill_with(true) && kernel.direct == SIZE && out[0] == 0xdd && out[SIZE - 1] == 0xdd;
	}
	judge(ok, "if the question for clones fails, the kernel makes all of it");
	kernel.lose_cookies_at = 0;
	check_parent();
	kernel.fail_at = 3;
	judge(!fill_with(true) && !fill_with(false), "a key that cannot be drawn is an error");
	return failed;
}
