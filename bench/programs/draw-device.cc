// SPDX-License-Identifier: GPL-2.0
/*
 * draw-device default|arc4random: a number of std::random_device. By default, libstdc++ takes an
 * instruction of the processor where there is one.
 */
#include <random>
#include <string>

#include "draw.h"

static std::random_device *device;

static int draw(size_t size)
{
	unsigned int number = (*device)();

	memcpy(buffer, &number, size);
	return 0;
}

int main(int argc, char **argv)
{
	char four[] = "4";
	char *arguments[] = { argv[0], four };

	if (argc != 2)
		return 2;
	device = new std::random_device(argv[1]);
	return print_time(2, arguments);
}
