// SPDX-License-Identifier: GPL-2.0
/*
 * cost - how many instructions does each of these operations take?
 *
 * For a guest whose time-stamp counter counts instructions (-icount shift=0).
 * Prints "cost: OPERATION: INSTRUCTIONS", the median of many, since a timer
 * interrupt hits a few of them. What reading the counter takes is deducted.
 */
#define _GNU_SOURCE
#include <err.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <x86intrin.h>

#define TIMES	1001
#define PAGE	4096

static char *pages;	/* TIMES of them, untouched */
static size_t next_page;

static void nothing(void)
{
}

static void handler(int sig)
{
	(void)sig;
}

static void send_signal(void)
{
	syscall(SYS_kill, getpid(), SIGUSR1);
}

static void touch_page(void)
{
	*(volatile char *)(pages + PAGE * next_page++) = 1;
}

static void fork_and_wait(void)
{
	pid_t pid = fork();

	if (pid < 0)
		err(1, "fork");
	if (!pid)
		_exit(0);
	if (waitpid(pid, NULL, 0) != pid)
		err(1, "waitpid");
}

static void map_and_unmap(void)
{
	void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED || munmap(page, PAGE))
		err(1, "mmap");
}

static void draw(void)
{
	char bytes[16];

	if (syscall(SYS_getrandom, bytes, sizeof(bytes), 0) != sizeof(bytes))
		err(1, "getrandom");
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static uint64_t median_of(void (*operation)(void))
{
	static uint64_t counts[TIMES];
	uint64_t begin;
	int i;

	for (i = 0; i < TIMES; i++) {
		begin = __rdtsc();
		operation();
		counts[i] = __rdtsc() - begin;
	}
	qsort(counts, TIMES, sizeof(counts[0]), compare);
	return counts[TIMES / 2];
}

int main(void)
{
	static const struct {
		const char *name;
		void (*operation)(void);
	} operations[] = {
		{ "signal to itself + handler + return", send_signal },
		{ "page fault on anonymous memory", touch_page },
		{ "fork + exit + wait", fork_and_wait },
		{ "mmap + munmap of a page", map_and_unmap },
		{ "getrandom() system call of 16 bytes", draw },
	};
	size_t i;

	pages = mmap(NULL, TIMES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		     -1, 0);
	if (pages == MAP_FAILED || madvise(pages, TIMES * PAGE, MADV_NOHUGEPAGE))
		err(1, "memory");
	if (signal(SIGUSR1, handler) == SIG_ERR)
		err(1, "signal");
	for (i = 0; i < sizeof(operations) / sizeof(operations[0]); i++)
		printf("cost: %s: %llu\n", operations[i].name,
		       (unsigned long long)(median_of(operations[i].operation) - median_of(nothing)));
	return 0;
}
