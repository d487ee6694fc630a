// SPDX-License-Identifier: GPL-2.0
/*
 * Prints the nanoseconds that getrandom() and getentropy() take, a line "NAME SIZE NS" for
 * each size: the median of many short runs, so that other load on the machine matters little.
 */

#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#define RUNS	51

static unsigned char buffer[65536];

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void fill(size_t size)
{
	if (getrandom(buffer, size, 0) < 0)
		abort();
}

static void entropy(size_t size)
{
	if (getentropy(buffer, size))
		abort();
}

static void *thread(void *argument)
{
	fill(*(size_t *)argument);
	return NULL;
}

static void *nothing(void *argument)
{
	return argument;
}

static void a_thread(size_t size, void *(*f)(void *))
{
	pthread_t id;

	if (pthread_create(&id, NULL, f, &size))
		abort();
	pthread_join(id, NULL);
}

/* A thread that draws once, and one that does not. */
static void one_draw(size_t size)
{
	a_thread(size, thread);
}

static void no_draw(size_t size)
{
	a_thread(size, nothing);
}

static void measure(const char *name, void (*f)(size_t), size_t size, int calls)
{
	double ns[RUNS], begin;
	int i, j;

	for (i = 0; i < RUNS; i++) {
		begin = now();
		for (j = 0; j < calls; j++)
			f(size);
		ns[i] = (now() - begin) / calls;
	}
	qsort(ns, RUNS, sizeof(ns[0]), compare);
	printf("%s %zu %.1f\n", name, size, ns[RUNS / 2]);
}

int main(void)
{
	static const size_t sizes[] = { 4, 16, 32, 64, 128, 256, 1024, 4096, 65536 };
	unsigned int i;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		measure("getrandom", fill, sizes[i], sizes[i] > 512 ? 10 : 500);
	for (i = 0; i < 6; i++)
		measure("getentropy", entropy, sizes[i], 500);
	measure("thread-no-draw", no_draw, 16, 50);
	measure("thread-one-draw", one_draw, 16, 50);
	return 0;
}
