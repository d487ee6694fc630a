// SPDX-License-Identifier: GPL-2.0
/* draw-sodium SIZE: libsodium's randombytes_buf() */
#include <sodium.h>

#include "draw.h"

static int draw(size_t size)
{
	randombytes_buf(buffer, size);
	return 0;
}

int main(int argc, char **argv)
{
	return sodium_init() < 0 || print_time(argc, argv);
}
