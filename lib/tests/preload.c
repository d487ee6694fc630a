// SPDX-License-Identifier: MIT
/*
 * preload [served|syscall|missing] - the C library's functions under the preload library;
 * with "syscall", that was built with SYSCALL=1; with "missing", the kernel has no function.
 */
#define _GNU_SOURCE
#include "tap.h"
#include <sys/random.h>

/* <stdlib.h> has these since glibc 2.36. */
extern uint32_t arc4random(void);
extern void arc4random_buf(void *buf, size_t len);
extern uint32_t arc4random_uniform(uint32_t bound);

enum { DRAWS = 1000 };

static struct value values[DRAWS];
static unsigned long begin;

static void begin_draws(void)
{
	memset(values, 0, sizeof(values));
	begin = calls();
}

static void end_draws(const char *what, bool served)
{
	unsigned long made = calls() - begin;

	check(!count_wrong(values, DRAWS), "%s: each value once, none zero", what);
	check(served ? made < 10 : made >= DRAWS, "%s: %s # %lu calls for %d draws", what,
	      served ? "no system calls" : "system calls", made, DRAWS);
}

static void test_draws(bool served, bool served_syscall)
{
	begin_draws();
	for (int i = 0; i < DRAWS; i++)
		getrandom(&values[i], sizeof(values[i]), 0);
	end_draws("getrandom()", served);
	begin_draws();
	for (int i = 0; i < DRAWS; i++)
		getentropy(&values[i], sizeof(values[i]));
	end_draws("getentropy()", served);
	begin_draws();
	for (int i = 0; i < DRAWS; i++)
		arc4random_buf(&values[i], sizeof(values[i]));
	end_draws("arc4random_buf()", served);
	begin_draws();
	for (int i = 0; i < DRAWS; i++) {
		values[i].low = (uint64_t)arc4random() << 32 | arc4random();
		values[i].high = 1 + arc4random_uniform(4711);
	}
	end_draws("arc4random()", served);
	begin_draws();
	for (int i = 0; i < DRAWS; i++)
		syscall(SYS_getrandom, &values[i], sizeof(values[i]), 0);
	end_draws("syscall(SYS_getrandom)", served_syscall);
}

static void test_syscall(void)
{
	void *memory;
	pid_t pid;
	char byte;

	errno = 0;
	check(syscall(SYS_close, -1) == -1 && errno == EBADF, "syscall(): errors are in errno");
	errno = 0;
	check(syscall(SYS_getrandom, &byte, 1, ~0u) == -1 && errno == EINVAL,
	      "syscall(SYS_getrandom): errors are in errno");
	memory = (void *)syscall(SYS_mmap, NULL, 12288, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check(memory != MAP_FAILED && !munmap(memory, 12288), "syscall(): passes six arguments");
	pid = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	if (!pid)
		_exit(syscall(SYS_getpid) == getppid() ? 1 : 42);
	check(pid > 0 && status_of(pid) == 42 << 8, "syscall(): returns twice from clone()");
	check(syscall(SYS_getpid) == getpid() && syscall(SYS_gettid) == gettid(), "syscall(): returns numbers");
}

/* getrandom() is a cancellation point in glibc, and may be the only one of a thread. */
static void *draw_for_ever(void *unused)
{
	char buf[8];

	(void)unused;
	for (;;)
		getrandom(buf, sizeof(buf), 0);
	return NULL;
}

static void test_cancel(void)
{
	struct timespec second = {};
	pthread_t thread;
	void *result;

	pthread_create(&thread, NULL, draw_for_ever, NULL);
	pthread_cancel(thread);
	clock_gettime(CLOCK_REALTIME, &second);
	second.tv_sec += 10;
	check(!pthread_timedjoin_np(thread, &result, &second) && result == PTHREAD_CANCELED,
	      "getrandom(): is a cancellation point");
}

static void test_contracts(void)
{
	char buf[300] = {};

	errno = 0;
	check(getentropy(buf, 257) == -1 && errno == EIO, "getentropy(): EIO for 257 bytes");
	errno = 0;
	check(getrandom(buf, 8, 0x8000) == -1 && errno == EINVAL, "getrandom(): EINVAL for an unknown flag");
	check(!arc4random_uniform(1), "arc4random_uniform(): 0 for a bound of 1");
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "missing";

	if (count_calls())
		test_draws(strcmp(how, "missing"), !strcmp(how, "syscall"));
	else
		skip("draws", "system calls cannot be counted here");
	test_syscall();
	test_cancel();
	test_contracts();
	return finish();
}
