// SPDX-License-Identifier: GPL-2.0
/*
 * draw.c: does what was saved in one boot pass for current in another?
 *
 *	draw		the first boot: print a state, what is drawn from it, and cookies
 *	with TWOBOOTS_STATE= and TWOBOOTS_COOKIE= in the environment: the second boot:
 *			draw from that state, ask with those cookies, and print what comes
 *
 * A number that is counted is the same in both boots at some time: the first boot counts
 * some reseeds before it saves, and the second one tries again after each of more.
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <linux/random.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "vgetrandom.h"

#ifndef GRND_TIMESTAMP
#define GRND_TIMESTAMP	0x0008
#endif

#define RESEEDS_BEFORE	32
#define RESEEDS_AFTER	128
#define LEN		16

struct cookies {
	uint64_t reseeded;
	uint64_t cloned;
};

static unsigned char *state;
static size_t size;

static void reseed(void)
{
	static int fd = -1;

	if (fd < 0)
		fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
	if (ioctl(fd, RNDRESEEDCRNG))
		err(1, "RNDRESEEDCRNG");
}

static void print_hex(const char *name, const void *bytes, size_t len)
{
	const unsigned char *p = bytes;

	printf("%s ", name);
	while (len--)
		printf("%02x", *p++);
	printf("\n");
}

static bool read_hex(const char *name, void *bytes, size_t len)
{
	const char *text = getenv(name);
	unsigned char *p = bytes;

	if (!text || strlen(text) != 2 * len)
		return false;
	for (; len--; text += 2)
		if (sscanf(text, "%2hhx", p++) != 1)
			return false;
	return true;
}

static void draw(const char *name)
{
	unsigned char output[LEN];

	if (vgr_draw(output, LEN, state) != LEN)
		errx(1, "a draw failed");
	print_hex(name, output, LEN);
}

static void first_boot(void)
{
	struct cookies cookies = { 0 };
	unsigned char saved[vgr.page];
	unsigned int i;

	for (i = 0; i < RESEEDS_BEFORE; i++)
		reseed();
	draw("before");
	memcpy(saved, state, size);
	draw("next");
	/* In the same boot, the state gives the same bytes again. */
	memcpy(state, saved, size);
	draw("again");
	print_hex("state", saved, size);
	if (vgr_syscall(&cookies, sizeof(cookies), GRND_TIMESTAMP) == sizeof(cookies))
		print_hex("cookie", &cookies, sizeof(cookies));
}

static void ask(const struct cookies *saved, bool by_syscall)
{
	struct cookies now = *saved;
	ssize_t ret = by_syscall ? vgr_syscall(&now, sizeof(now), GRND_TIMESTAMP) :
		      vgr.call(&now, sizeof(now), GRND_TIMESTAMP, NULL, 0);

	if (ret < 0)
		errx(1, "asking for cookies: %zd", ret);
	printf("reseed %s\n", now.reseeded == saved->reseeded ? "missed" : "told");
	printf("clone %s\n", now.cloned == saved->cloned ? "missed" : "told");
}

static void second_boot(const unsigned char *saved)
{
	struct cookies cookies;
	bool have_cookies = read_hex("TWOBOOTS_COOKIE", &cookies, sizeof(cookies));
	unsigned int i;

	for (i = 0; i < RESEEDS_AFTER; i++) {
		memcpy(state, saved, size);
		draw("drawn");
		if (have_cookies) {
			ask(&cookies, false);
			ask(&cookies, true);
		}
		reseed();
	}
}

int main(void)
{
	unsigned char saved[4096];
	struct vgr_pool pool;

	if (!vgr_find() || vgr.query)
		errx(4, "there is no %s", VGR_NAME);
	size = vgr.params.size_of_opaque_state;
	if (!vgr_pool_open(&pool, 1))
		err(1, "memory for a state");
	state = vgr_pool_get(&pool);
	if (read_hex("TWOBOOTS_STATE", saved, size))
		second_boot(saved);
	else
		first_boot();
	return 0;
}
