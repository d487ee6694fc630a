// SPDX-License-Identifier: GPL-2.0
/* draw-libc getrandom|getentropy|arc4random SIZE: what the C library has */
#define _GNU_SOURCE
#include <sys/random.h>
#include <unistd.h>

#include "draw.h"

static const char *function;

static int draw(size_t size)
{
	switch (function[3]) {
	case 'r':
		return getrandom(buffer, size, 0) != (ssize_t)size;
	case 'e':
		return getentropy(buffer, size);
	default:
		arc4random_buf(buffer, size);
		return 0;
	}
}

int main(int argc, char **argv)
{
	if (argc != 3 || (strcmp(argv[1], "getrandom") && strcmp(argv[1], "getentropy") &&
			  strcmp(argv[1], "arc4random")))
		return 2;
	function = argv[1];
	return print_time(argc, argv);
}
