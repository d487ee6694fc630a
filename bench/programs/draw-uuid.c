// SPDX-License-Identifier: GPL-2.0
/* draw-uuid: libuuid's uuid_generate_random() */
#include <uuid/uuid.h>

#include "draw.h"

static int draw(size_t size)
{
	(void)size;
	uuid_generate_random(buffer);
	return 0;
}

int main(int argc, char **argv)
{
	return print_time(argc, argv);
}
