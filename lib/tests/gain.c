// SPDX-License-Identifier: MIT
/* gain - the time of a draw by the library and by the system call, medians of rounds in turn. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "../vgetrandom.h"

enum { ROUNDS = 31, DRAWS = 2000 };

static char buf[4096];

static double nanoseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1e9 + now.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *times)
{
	qsort(times, ROUNDS, sizeof(*times), compare);
	return times[ROUNDS / 2] / DRAWS;
}

int main(void)
{
	static const size_t sizes[] = { 4, 16, 32, 64, 128, 256, 4096 };
	double with[ROUNDS], without[ROUNDS], begin;

	if (vgr_prepare())
		printf("No gain here (%s): the library makes the system call.\n", strerror(errno));
	printf("bytes  library, ns  system call, ns  times as fast\n");
	for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		for (int round = 0; round < ROUNDS; round++) {
			begin = nanoseconds();
			for (int i = 0; i < DRAWS; i++)
				vgr_getrandom(buf, sizes[s], 0);
			with[round] = nanoseconds() - begin;
			begin = nanoseconds();
			for (int i = 0; i < DRAWS; i++)
				syscall(SYS_getrandom, buf, sizes[s], 0);
			without[round] = nanoseconds() - begin;
		}
		printf("%5zu  %11.1f  %15.1f  %13.1f\n", sizes[s], median(with), median(without),
		       median(without) / median(with));
	}
	return 0;
}
