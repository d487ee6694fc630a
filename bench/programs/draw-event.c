// SPDX-License-Identifier: GPL-2.0
/* draw-event SIZE: libevent's evutil_secure_rng_get_bytes() */
#include <event2/util.h>

#include "draw.h"

static int draw(size_t size)
{
	evutil_secure_rng_get_bytes(buffer, size);
	return 0;
}

int main(int argc, char **argv)
{
	return evutil_secure_rng_init() || print_time(argc, argv);
}
