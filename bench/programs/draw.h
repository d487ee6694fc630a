/* SPDX-License-Identifier: GPL-2.0 */
/* draw.h: the time of one draw of SIZE bytes, in nanoseconds of this process's processor time */
#ifndef DRAW_H
#define DRAW_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LIMIT		(1 << 20)
#define LONG_ENOUGH	60e6	/* nanoseconds */

static unsigned char buffer[LIMIT];

/* Defined by the program. Nonzero if it failed. */
static int draw(size_t size);

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static double time_of(long count, size_t size)
{
	double start = now();
	long i;

	for (i = 0; i < count; i++) {
		if (draw(size)) {
			fprintf(stderr, "a draw failed\n");
			exit(1);
		}
	}
	return now() - start;
}

static int print_time(int argc, char **argv)
{
	size_t size = argc > 1 ? atol(argv[argc - 1]) : 16;
	double time = 0;
	long count;

	if (size > LIMIT)
		return 2;
	for (count = 100; time < LONG_ENOUGH / 4; count *= 4)
		time = time_of(count, size);
	printf("%.1f\n", time_of(count, size) / count);
	return 0;
}

#endif /* DRAW_H */
