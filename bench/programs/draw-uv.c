// SPDX-License-Identifier: GPL-2.0
/* draw-uv SIZE: libuv's uv_random() */
#include <uv.h>

#include "draw.h"

static int draw(size_t size)
{
	return uv_random(NULL, NULL, buffer, size, 0, NULL);
}

int main(int argc, char **argv)
{
	return print_time(argc, argv);
}
