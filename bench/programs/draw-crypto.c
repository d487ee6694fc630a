// SPDX-License-Identifier: GPL-2.0
/* draw-crypto SIZE: OpenSSL's RAND_bytes() */
#include <openssl/rand.h>

#include "draw.h"

static int draw(size_t size)
{
	return RAND_bytes(buffer, size) != 1;
}

int main(int argc, char **argv)
{
	return print_time(argc, argv);
}
