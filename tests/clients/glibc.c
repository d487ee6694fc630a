// SPDX-License-Identifier: GPL-2.0
/*
 * glibc WHAT - draws random bytes in that way from glibc, which has to be 2.41
 * or later, and succeeds when no draw is zero or equal to another one.
 * Compiled against an older glibc and run with a packaged one of Debian 13.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <gnu/libc-version.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SAMPLE		16	/* bytes: no two are equal by chance */
#define MANY		100000
#define FEW		1000
#define LARGEST		256

#define THREADS		64
#define PER_THREAD	2000

#define FORKS		100
#define PER_FORK	20

#define CANCELS		200
#define PER_CANCEL	500

struct draws {
	size_t count;
	unsigned char (*sample)[SAMPLE];
};

typedef void draw_fn(unsigned char *sample);

static void __attribute__((noreturn)) fail(const char *what)
{
	printf("# %s\n", what);
	exit(1);
}

static void __attribute__((noreturn)) give_up(const char *what, int error)
{
	printf("# %s: %s\n", what, strerror(error));
	exit(1);
}

static void require_glibc(void)
{
	unsigned int major, minor;

	printf("# glibc %s\n", gnu_get_libc_version());
	if (sscanf(gnu_get_libc_version(), "%u.%u", &major, &minor) != 2 ||
	    major * 1000 + minor < 2041)
		fail("this is not glibc 2.41 or later");
}

/* Shared with children, and not from malloc(), which draws random bytes too. */
static struct draws make_draws(size_t count)
{
	struct draws draws = { .count = count };

	draws.sample = mmap(NULL, count * SAMPLE, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (draws.sample == MAP_FAILED)
		give_up("mmap", errno);
	return draws;
}

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, SAMPLE);
}

static void check_draws(struct draws draws)
{
	static const unsigned char zeros[SAMPLE];
	size_t i;

	qsort(draws.sample, draws.count, SAMPLE, compare);
	if (!memcmp(draws.sample[0], zeros, SAMPLE))
		fail("zeros came out");
	for (i = 1; i < draws.count; i++)
		if (!memcmp(draws.sample[i - 1], draws.sample[i], SAMPLE))
			fail("the same bytes came out twice");
}

/* Sizes from the sample's to the largest, in turn. */
static void by_getrandom(unsigned char *sample)
{
	static __thread unsigned int turn;
	size_t len = SAMPLE + turn++ % (LARGEST - SAMPLE + 1);
	unsigned char buffer[LARGEST];

	if (getrandom(buffer, len, 0) != (ssize_t)len)
		fail("getrandom() does not return the length");
	memcpy(sample, buffer, SAMPLE);
}

static void by_arc4random(unsigned char *sample)
{
	unsigned int i;
	uint32_t word;

	for (i = 0; i < SAMPLE / sizeof(word); i++) {
		word = arc4random();
		memcpy(sample + i * sizeof(word), &word, sizeof(word));
	}
}

static void by_system_call(unsigned char *sample)
{
	if (syscall(SYS_getrandom, sample, SAMPLE, 0) != SAMPLE)
		fail("the system call does not return the length");
}

static void draw(unsigned char (*sample)[SAMPLE], size_t count, draw_fn *by)
{
	while (count--)
		by(*sample++);
}

static void draw_alone(size_t count, draw_fn *by)
{
	struct draws draws = make_draws(count);

	draw(draws.sample, count, by);
	check_draws(draws);
}

static pthread_barrier_t together;

/* A thread that ended would leave its state to one that has yet to draw. */
static void *draw_together(void *sample)
{
	pthread_barrier_wait(&together);
	draw(sample, PER_THREAD, by_getrandom);
	pthread_barrier_wait(&together);
	return NULL;
}

static pthread_t start_thread(void *(*run)(void *), void *arg)
{
	pthread_t thread;
	int error = pthread_create(&thread, NULL, run, arg);

	if (error)
		give_up("pthread_create", error);
	return thread;
}

static void draw_in_threads(void)
{
	struct draws draws = make_draws(THREADS * PER_THREAD);
	pthread_t thread[THREADS];
	unsigned int i;

	pthread_barrier_init(&together, NULL, THREADS);
	for (i = 0; i < THREADS; i++)
		thread[i] = start_thread(draw_together, draws.sample + i * PER_THREAD);
	for (i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	check_draws(draws);
}

/* Parent and child draw at the same time, from copies of the same state. */
static void draw_across_forks(void)
{
	struct draws draws = make_draws(FORKS * 2 * PER_FORK);
	unsigned char (*at)[SAMPLE] = draws.sample;
	int i, status;
	pid_t pid;

	for (i = 0; i < FORKS; i++, at += 2 * PER_FORK) {
		pid = fork();
		if (pid < 0)
			give_up("fork", errno);
		draw(pid ? at : at + PER_FORK, PER_FORK, by_getrandom);
		if (!pid)
			_exit(0);
		if (waitpid(pid, &status, 0) != pid || status)
			fail("a child did not end well");
	}
	check_draws(draws);
}

static sem_t cancel_me;

static void await_cancellation(void)
{
	while (sem_wait(&cancel_me))
		;
}

/* Only the draws before the cancellation are sure to be whole. */
static void draw_until_cancelled(int type, void *sample)
{
	unsigned char more[SAMPLE];

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	pthread_setcanceltype(type, NULL);
	draw(sample, PER_CANCEL, by_getrandom);
	sem_post(&cancel_me);
	pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
	for (;;) {
		by_getrandom(more);
		pthread_testcancel();
	}
}

static void *draw_until_cancelled_between(void *sample)
{
	draw_until_cancelled(PTHREAD_CANCEL_DEFERRED, sample);
	return NULL;
}

static void *draw_until_cancelled_within(void *sample)
{
	draw_until_cancelled(PTHREAD_CANCEL_ASYNCHRONOUS, sample);
	return NULL;
}

static void join_cancelled(pthread_t thread)
{
	void *result;

	pthread_join(thread, &result);
	if (result != PTHREAD_CANCELED)
		fail("a thread was not cancelled");
}

/* One thread after the other, so that each may get the state of the last. */
static void cancel_between_draws(void)
{
	struct draws draws = make_draws(CANCELS * PER_CANCEL);
	pthread_t thread;
	int i;

	sem_init(&cancel_me, 0, 0);
	for (i = 0; i < CANCELS; i++) {
		thread = start_thread(draw_until_cancelled_between,
				      draws.sample + i * PER_CANCEL);
		await_cancellation();
		pthread_cancel(thread);
		join_cancelled(thread);
	}
	check_draws(draws);
}

/*
 * All at once: of a thread that is cancelled within a draw, glibc hands on a
 * wrong pointer to the state, with which every draw is a system call.
 */
static void cancel_within_draws(void)
{
	struct draws draws = make_draws(THREADS * PER_CANCEL);
	pthread_t thread[THREADS];
	unsigned int i;

	sem_init(&cancel_me, 0, 0);
	for (i = 0; i < THREADS; i++)
		thread[i] = start_thread(draw_until_cancelled_within,
					 draws.sample + i * PER_CANCEL);
	for (i = 0; i < THREADS; i++)
		await_cancellation();
	for (i = 0; i < THREADS; i++)
		pthread_cancel(thread[i]);
	for (i = 0; i < THREADS; i++)
		join_cancelled(thread[i]);
	check_draws(draws);
}

static bool has_flag(const char *line, const char *flag)
{
	return !strncmp(line, "VmFlags:", 8) && strstr(line, flag);
}

static void find_droppable(void)
{
	unsigned char sample[SAMPLE];
	bool found = false;
	char line[512];
	FILE *smaps;

	by_getrandom(sample);
	smaps = fopen("/proc/self/smaps", "re");
	if (!smaps)
		give_up("smaps", errno);
	while (fgets(line, sizeof(line), smaps))
		found |= has_flag(line, " dp");
	fclose(smaps);
	if (!found)
		fail("no mapping has dp in its VmFlags");
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	require_glibc();
	if (!strcmp(what, "getrandom"))
		draw_alone(MANY, by_getrandom);
	else if (!strcmp(what, "arc4random"))
		draw_alone(MANY, by_arc4random);
	else if (!strcmp(what, "system-call"))
		draw_alone(FEW, by_system_call);
	else if (!strcmp(what, "threads"))
		draw_in_threads();
	else if (!strcmp(what, "fork"))
		draw_across_forks();
	else if (!strcmp(what, "cancel-between"))
		cancel_between_draws();
	else if (!strcmp(what, "cancel-within"))
		cancel_within_draws();
	else if (!strcmp(what, "smaps"))
		find_droppable();
	else
		fail("what?");
	return 0;
}
