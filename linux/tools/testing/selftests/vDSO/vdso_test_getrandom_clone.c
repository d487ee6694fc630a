// SPDX-License-Identifier: GPL-2.0
/*
 * vdso_test_getrandom_clone.c: clones that the kernel has not noticed
 *
 * The test plays the hypervisor and changes the word of a vmclock that reports a clone.
 * getrandom() in the vDSO must see the change before the kernel does. To the kernel and
 * to other programs, the machine becomes a clone each time.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sys/resource.h>

#include "vgetrandom_test.h"
#include "vgetrandom_vmclock.h"
#include "../kselftest_harness.h"

#ifndef GRND_TIMESTAMP
#define GRND_TIMESTAMP 0x0008
#endif

#define DRIVER "/sys/bus/platform/drivers/vmclock/"

#define THREADS 3
#define ROUNDS 20

static struct vmclock *vmclock;

static int draw_around_clone(void *clones)
{
	void *state = warm_state();

	if (!state)
		return 1;
	if (clones)
		vmclock_become_clone(vmclock);
	return vgr_draw(work.buffer, work.len, state) == (ssize_t)work.len ? 0 : 2;
}

TEST(clone_is_noticed_by_the_next_draw)
{
	static const size_t lens[] = { 1, 4, 32, 64, 256, 1000 };
	struct watch watch;
	struct calls calls;
	size_t i;

	ASSERT_TRUE(watch_work(&watch, vgr.page));
	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		work.len = lens[i];
		if (!count_calls(draw_around_clone, vmclock, &watch, &calls))
			SKIP(return, "clone: tracing not permitted");
		EXPECT_EQ(0, calls.status);
		EXPECT_GE(calls.reseeds + calls.handed, 2);
		EXPECT_EQ(0, vgr_repeats(work.buffer, work.len));
	}
}

/* Two draws, of which only the first comes after a clone */
static int draw_after_clone(void *unused)
{
	unsigned char byte;
	void *state = warm_state();

	if (!state)
		return 1;
	vmclock_become_clone(vmclock);
	if (vgr_draw(&byte, 1, state) != 1)
		return 2;
	return vgr_draw(work.buffer, work.len, state) == (ssize_t)work.len ? 0 : 3;
}

TEST(clone_costs_each_state_one_system_call)
{
	struct watch watch;
	struct calls calls;
	int tries;

	ASSERT_TRUE(watch_work(&watch, vgr.page));
	work.len = 4;
	/* The kernel may reseed for other reasons, too. */
	for (tries = 0; tries < 5; tries++) {
		if (!count_calls(draw_after_clone, NULL, &watch, &calls))
			SKIP(return, "clone: tracing not permitted");
		ASSERT_EQ(0, calls.status);
		ASSERT_EQ(0, calls.handed);
		/* The first draw, and the one that served the clone, with its state */
		if (calls.reseeds <= 3)
			break;
	}
	EXPECT_LT(tries, 5);
}

TEST(clone_changes_both_cookies_at_once)
{
	uint64_t before[2], after[2];

	memset(before, 0, sizeof(before));
	ASSERT_EQ(16, vgr.call(before, sizeof(before), GRND_TIMESTAMP, NULL, 0));
	memcpy(after, before, sizeof(after));
	vmclock_become_clone(vmclock);
	ASSERT_EQ(16, vgr.call(after, sizeof(after), GRND_TIMESTAMP, NULL, 0));
	EXPECT_NE(before[0], after[0]);
	EXPECT_NE(before[1], after[1]);
}

/*
 * The device goes, and comes back
 */

static bool write_name(const char *file, const char *name)
{
	int fd = open(file, O_WRONLY | O_CLOEXEC);
	bool done = fd >= 0 && write(fd, name, strlen(name)) == (ssize_t)strlen(name);

	if (fd >= 0)
		close(fd);
	return done;
}

static atomic_bool enough;
static atomic_uint drawn;

/* Draw until told to stop. The result is NULL if each draw was right. */
static void *keep_drawing(void *unused)
{
	unsigned char last[8] = { }, bytes[8];
	void *state = warm_state();

	if (!state)
		return "no state";
	while (!atomic_load(&enough)) {
		if (vgr_draw(bytes, sizeof(bytes), state) != sizeof(bytes))
			return "a draw failed";
		if (!memcmp(bytes, last, sizeof(bytes)))
			return "a draw was repeated";
		memcpy(last, bytes, sizeof(bytes));
		atomic_fetch_add(&drawn, 1);
	}
	return NULL;
}

/* Wait until all of the threads, or one of them many times, have drawn. */
static void let_draw(void)
{
	unsigned int begin = atomic_load(&drawn);

	while (atomic_load(&drawn) - begin < 1000)
		sched_yield();
}

static long minor_faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_minflt;
}

/* Have the kernel read from a page. Returns how many pages had to be faulted in. */
static long touch(int pipe, unsigned long page)
{
	long before = minor_faults();

	/* Not every machine has every clock. */
	if (write(pipe, (void *)page, 1) != 1)
		return 0;
	return minor_faults() - before;
}

/* Touch each page of the vDSO's data. */
static long touch_data(int pipe)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	unsigned long at, end;
	char line[256];
	long faults = 0;

	/* Fault in the stack. */
	minor_faults();
	while (maps && fgets(line, sizeof(line), maps))
		if (strstr(line, " [vvar") && sscanf(line, "%lx-%lx", &at, &end) == 2)
			for (; at < end; at += vgr.page)
				faults += touch(pipe, at);
	if (maps)
		fclose(maps);
	return faults;
}

/* Does a page that a process has inherited fault once, to be marked as accessed? */
static bool needs_access_fault(int pipe, void *page)
{
	minor_faults();
	return touch(pipe, (unsigned long)page);
}

#define ACCESS_FAULT	100

/* When a vmclock comes or goes, the kernel does not find a process that is being forked. */
TEST(child_does_not_inherit_the_page)
{
	int pipes[2], status;
	pid_t child;
	char *page;

	ASSERT_EQ(0, pipe(pipes));
	page = mmap(NULL, vgr.page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, page);
	*page = 1;
	ASSERT_NE(NULL, warm_state());
	touch_data(pipes[1]);
	ASSERT_EQ(0, touch_data(pipes[1]));
	child = fork();
	ASSERT_GE(child, 0);
	if (!child)
		_exit(needs_access_fault(pipes[1], page) ? ACCESS_FAULT : touch_data(pipes[1]));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	ASSERT_TRUE(WIFEXITED(status));
	if (WEXITSTATUS(status) == ACCESS_FAULT)
		SKIP(return, "child: the processor does not mark accessed pages");
	EXPECT_EQ(1, WEXITSTATUS(status));
}

TEST(device_may_go_and_come_back)
{
	pthread_t threads[THREADS];
	unsigned long start;
	struct watch watch;
	struct calls calls;
	char name[64];
	void *wrong;
	int i;

	ASSERT_TRUE(watch_work(&watch, vgr.page));
	work.len = 32;
	ASSERT_TRUE(vmclock_name(name, &start));
	if (access(DRIVER "unbind", W_OK))
		SKIP(return, "device: removing it is not permitted");
	for (i = 0; i < THREADS; i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, keep_drawing, NULL));
	for (i = 0; i < ROUNDS; i++) {
		ASSERT_TRUE(write_name(DRIVER "unbind", name));
		let_draw();
		/* Nothing looks at the page any more. */
		vmclock_become_clone(vmclock);
		let_draw();
		ASSERT_TRUE(write_name(DRIVER "bind", name));
		let_draw();
		vmclock_become_clone(vmclock);
	}
	atomic_store(&enough, true);
	for (i = 0; i < THREADS; i++) {
		ASSERT_EQ(0, pthread_join(threads[i], &wrong));
		EXPECT_EQ(NULL, wrong) {
			TH_LOG("thread %d: %s", i, (char *)wrong);
		}
	}

	/* The page is watched again. */
	if (!count_calls(draw_around_clone, vmclock, &watch, &calls))
		SKIP(return, "clone: tracing not permitted");
	EXPECT_EQ(0, calls.status);
	EXPECT_GE(calls.reseeds + calls.handed, 2);
}

int main(int argc, char **argv)
{
	find_vgetrandom();
	need_vgetrandom();
	vmclock = vmclock_open();
	if (!vmclock)
		ksft_exit_skip("no vmclock, or no access to its page (CONFIG_DEVMEM)\n");
	return test_harness_run(argc, argv);
}
