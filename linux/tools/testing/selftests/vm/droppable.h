/* SPDX-License-Identifier: GPL-2.0 */
/*
 * droppable.h: shared by the tests of MAP_DROPPABLE
 *
 * Test cases with a result and a reason, access to the files of /proc and
 * /sys, helpers that map, fill, count and drop pages, and memory cgroups.
 */
#ifndef DROPPABLE_H
#define DROPPABLE_H

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "../kselftest.h"

#ifndef MAP_DROPPABLE
#define MAP_DROPPABLE		0x08
#endif
#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK		18
#define MADV_KEEPONFORK		19
#endif
#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT		21
#endif
#ifndef MADV_COLD
#define MADV_COLD		20
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ	22
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE	23
#endif
#ifndef MADV_HWPOISON
#define MADV_HWPOISON		100
#endif
#ifndef MADV_SOFT_OFFLINE
#define MADV_SOFT_OFFLINE	101
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE		25
#endif

#define ANON			(MAP_DROPPABLE | MAP_ANONYMOUS)
#define RW			(PROT_READ | PROT_WRITE)
#define MiB			(1024UL * 1024)
#define ROUNDS			100	/* bound of every retry loop */
#define LRU_GEN			"/sys/kernel/mm/lru_gen/enabled"

/* The result of a test case, and the exit status of a child that runs one */
enum result { PASS = KSFT_PASS, FAIL = KSFT_FAIL, SKIP = KSFT_SKIP };

static char why[256];		/* why a case failed or was skipped */
static size_t page_size;

#define fail(...)	(snprintf(why, sizeof(why), __VA_ARGS__), FAIL)
#define skip(...)	(snprintf(why, sizeof(why), __VA_ARGS__), SKIP)
#define check(cond)							\
	do {								\
		if (!(cond))						\
			return fail("line %d: %s (errno %d)", __LINE__,	\
				    #cond, errno);			\
	} while (0)

/* For memory that others write to, or that the kernel takes away */
#define LOAD(x)		__atomic_load_n(&(x), __ATOMIC_SEQ_CST)
#define STORE(x, value)	__atomic_store_n(&(x), value, __ATOMIC_SEQ_CST)

/* Small helpers */

/* No stdio: some callers must not allocate memory. */
static inline ssize_t slurp(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY);
	size_t len = 0;
	ssize_t n;

	if (fd < 0)
		return -1;
	while (len < size - 1 && (n = read(fd, buf + len, size - 1 - len)) > 0)
		len += n;
	buf[len] = 0;
	close(fd);
	return len;
}

static inline bool spew(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	bool ok;

	if (fd < 0)
		return false;
	ok = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);
	return ok;
}

/* The value after @key in a file of "key value" lines, or 0. */
static inline unsigned long counter(const char *path, const char *key)
{
	static char buf[1 << 16];
	size_t len = strlen(key);
	char *p;

	if (slurp(path, buf, sizeof(buf)) < 0)
		return 0;
	for (p = buf; p; p = strchr(p, '\n')) {
		p += *p == '\n';
		if (!strncmp(p, key, len) && strchr(" :\t", p[len]))
			return strtoul(p + len + 1, NULL, 10);
	}
	return 0;
}

/* Copy the @key line of the mapping's entry in smaps to @line; false if none. */
static inline bool smaps_line(void *addr, const char *key, char *line, size_t size)
{
	static char buf[1 << 20];
	char head[32], *p, *end;

	snprintf(head, sizeof(head), "%08lx-", (unsigned long)addr);
	if (slurp("/proc/self/smaps", buf, sizeof(buf)) < 0)
		return false;
	p = strstr(buf, head);
	p = p ? strstr(p, key) : NULL;
	end = p ? strchr(p, '\n') : NULL;
	if (!end)
		return false;
	*end = 0;
	snprintf(line, size, "%s", p + strlen(key));
	return true;
}

static inline bool has_flag(void *addr, const char *flag)
{
	char line[256], want[8];

	snprintf(want, sizeof(want), " %s ", flag);
	return smaps_line(addr, "VmFlags:", line, sizeof(line)) && strstr(line, want);
}

static inline long smaps_kb(void *addr, const char *key)
{
	char line[256];

	return smaps_line(addr, key, line, sizeof(line)) ? atol(line) : -1;
}

static char *map(size_t len, int flags)
{
	char *p = mmap(NULL, len, RW, flags, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* Map between two inaccessible pages, so that the mapping merges with no other. */
static char *map_alone(size_t len, int flags)
{
	char *p = mmap(NULL, len + 2 * page_size, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	p = mmap(p + page_size, len, RW, flags | MAP_FIXED, -1, 0);
	return p == MAP_FAILED ? NULL : p;
}

static inline void fill(char *p, size_t len, char value)
{
	size_t i;

	for (i = 0; i < len; i += page_size)
		STORE(p[i], value);
}

static size_t count_pages(char *p, size_t len, char value)
{
	size_t i, n = 0;

	for (i = 0; i < len; i += page_size)
		n += LOAD(p[i]) == value;
	return n;
}

static inline void run_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

/*
 * Page out until no page holds @value; true if that worked. Pages that still
 * wait for the LRU in the batch of another processor cannot be isolated, and
 * each processor drains only its own batch, so try from all of them.
 */
static inline bool page_out(char *p, size_t len, char value)
{
	cpu_set_t old;
	bool done = false;
	int i;

	sched_getaffinity(0, sizeof(old), &old);
	for (i = 0; i < ROUNDS && !done; i++) {
		if (madvise(p, len, MADV_PAGEOUT))
			break;
		done = !count_pages(p, len, value);
		run_on(i % sysconf(_SC_NPROCESSORS_CONF));
	}
	sched_setaffinity(0, sizeof(old), &old);
	return done;
}

static inline size_t count_resident(char *p, size_t len)
{
	unsigned char resident[len / page_size];
	size_t i, n = 0;

	if (mincore(p, len, resident))
		return len / page_size;
	for (i = 0; i < len / page_size; i++)
		n += resident[i] & 1;
	return n;
}

/* The same for pages that must not be read. */
static inline bool page_out_unseen(char *p, size_t len)
{
	cpu_set_t old;
	int i;

	sched_getaffinity(0, sizeof(old), &old);
	for (i = 0; i < ROUNDS && count_resident(p, len); i++) {
		run_on(i % sysconf(_SC_NPROCESSORS_CONF));
		madvise(p, len, MADV_PAGEOUT);
	}
	sched_setaffinity(0, sizeof(old), &old);
	return i < ROUNDS;
}

static inline long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Run @fn in a child. Return its result, or FAIL if the child was killed. */
static inline enum result in_child(enum result (*fn)(void *), void *arg)
{
	char *shared = map(sizeof(why), MAP_SHARED | MAP_ANONYMOUS);
	enum result result;
	int status;
	pid_t pid;

	check(shared);
	pid = fork();
	check(pid >= 0);
	if (!pid) {
		result = fn(arg);
		memcpy(shared, why, sizeof(why));
		_exit(result);
	}
	check(waitpid(pid, &status, 0) == pid);
	memcpy(why, shared, sizeof(why));
	munmap(shared, sizeof(why));
	if (WIFSIGNALED(status))
		return fail("child died of signal %d", WTERMSIG(status));
	return WEXITSTATUS(status);
}

#define wait_for(cond)							\
	({								\
		bool __ok;						\
		int __i;						\
		for (__i = 0; !(__ok = (cond)) && __i < 10 * ROUNDS; __i++) \
			usleep(10000);					\
		__ok;							\
	})

/* Memory cgroups */

static char cgroup[300];

/* Make a cgroup of our own that may use @limit bytes and no swap. */
static inline enum result cgroup_make(const char *limit)
{
	static unsigned int count;
	static char root[64];
	char path[400];

	if (geteuid())
		return skip("needs root");
	if (!root[0]) {
		static const char * const at[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };
		char dir[] = "/tmp/cgroup.XXXXXX";
		unsigned int i;

		for (i = 0; i < 2 && !root[0]; i++) {
			snprintf(path, sizeof(path), "%s/cgroup.controllers", at[i]);
			if (!access(path, F_OK))
				strcpy(root, at[i]);
		}
		if (!root[0] && mkdtemp(dir)) {
			if (!mount("none", dir, "cgroup2", 0, NULL))
				strcpy(root, dir);
			else
				rmdir(dir);
		}
	}
	if (!root[0])
		return skip("no cgroup2");
	snprintf(path, sizeof(path), "%s/cgroup.subtree_control", root);
	spew(path, "+memory");
	/* Use a new name each time: removed cgroups linger in the kernel's lists. */
	snprintf(cgroup, sizeof(cgroup), "%s/droppable.%d.%u", root, getpid(), count++);
	if (mkdir(cgroup, 0755) && errno != EEXIST)
		return skip("cannot make a cgroup");
	snprintf(path, sizeof(path), "%s/memory.max", cgroup);
	if (!spew(path, limit)) {
		rmdir(cgroup);
		return skip("no memory controller in cgroup2");
	}
	snprintf(path, sizeof(path), "%s/memory.swap.max", cgroup);
	spew(path, "0");
	return PASS;
}

static inline unsigned long cgroup_counter(const char *file, const char *key)
{
	char path[400];

	snprintf(path, sizeof(path), "%s/%s", cgroup, file);
	return counter(path, key);
}

static inline bool cgroup_enter(void)
{
	char path[400];

	snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
	return spew(path, "0");
}

static inline void cgroup_remove(void)
{
	int i;

	for (i = 0; i < ROUNDS && rmdir(cgroup) && errno == EBUSY; i++)
		usleep(10000);
}

static inline bool set_oom_score(pid_t pid, const char *value)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", pid);
	return spew(path, value);
}

/*
 * A process that fills our cgroup to its limit with memory that cannot be
 * reclaimed. The OOM killer would strike in the meantime, so all tasks in the
 * cgroup need an oom_score_adj of -1000 until cgroup_fill() returns, as the
 * filler has. From then on, the OOM killer may take the filler, and prefers it.
 *
 *	cgroup_make("16M");
 *	(a child: set_oom_score(getpid(), "-1000"), cgroup_enter(), prepare)
 *	cgroup_fill(&filler);
 *	set_oom_score(child, "0");
 *	(the child touches memory; it must not make system calls that allocate)
 *	cgroup_release(&filler);	(frees the memory, the process stays)
 *	cgroup_fill_end(&filler);
 */
struct filler {
	pid_t pid;
	struct {
		bool full, release;
	} *shared;
};

static inline void filler_run(struct filler *filler)
{
	const size_t len = 64 * MiB;
	char *p = map_alone(len, MAP_PRIVATE | MAP_ANONYMOUS), *end = p;
	int i;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!p || !set_oom_score(getpid(), "-1000") || !cgroup_enter())
		_exit(FAIL);
	madvise(p, len, MADV_NOHUGEPAGE);
	/* Have a page table for this before the cgroup is full. */
	STORE(filler->shared->full, false);
	/* Memory that the kernel frees late makes room again: until it stays full. */
	for (i = 0; i < 20; i++) {
		while (end < p + len &&
		       !madvise(end, page_size, MADV_POPULATE_WRITE)) {
			end += page_size;
			i = 0;
		}
		if (end == p + len)
			_exit(FAIL);
		usleep(10000);
	}
	STORE(filler->shared->full, true);
	while (!LOAD(filler->shared->release))
		usleep(1000);
	munmap(p, len);
	for (;;)
		pause();
}

static inline enum result cgroup_fill(struct filler *filler)
{
	filler->shared = (void *)map(page_size, MAP_SHARED | MAP_ANONYMOUS);
	check(filler->shared);
	filler->pid = fork();
	check(filler->pid >= 0);
	if (!filler->pid)
		filler_run(filler);
	while (!LOAD(filler->shared->full)) {
		if (waitpid(filler->pid, NULL, WNOHANG) == filler->pid) {
			filler->pid = 0;
			return skip("the cgroup does not fill up");
		}
		usleep(1000);
	}
	check(set_oom_score(filler->pid, "1000"));
	return PASS;
}

static inline void cgroup_release(struct filler *filler)
{
	STORE(filler->shared->release, true);
}

static inline void cgroup_fill_end(struct filler *filler)
{
	if (filler->pid > 0) {
		kill(filler->pid, SIGKILL);
		waitpid(filler->pid, NULL, 0);
	}
	if (filler->shared)
		munmap(filler->shared, page_size);
}

/*
 * Change settings of the machine for the duration of a case: untune() restores
 * what tune() has changed.
 */
static struct {
	char path[128];
	char old[256];
} tuned[16];
static unsigned int tuned_count;

static inline bool tune(const char *path, const char *value)
{
	char *old = tuned[tuned_count].old, *chosen, *end;

	if (tuned_count == ARRAY_SIZE(tuned) ||
	    slurp(path, old, sizeof(tuned->old)) <= 0 || !spew(path, value))
		return false;
	/* In "this [that]", the current setting is "that". */
	chosen = strchr(old, '[');
	end = chosen ? strchr(chosen, ']') : NULL;
	if (end) {
		*end = 0;
		memmove(old, chosen + 1, end - chosen);
	}
	snprintf(tuned[tuned_count++].path, sizeof(tuned->path), "%s", path);
	return true;
}

static inline void untune(void)
{
	while (tuned_count) {
		tuned_count--;
		spew(tuned[tuned_count].path, tuned[tuned_count].old);
	}
}

/* "0" selects the classic LRU, "7" the multi-gen LRU with all its features. */
static inline enum result use_lru_gen(const char *enabled)
{
	if (access(LRU_GEN, F_OK))
		return strcmp(enabled, "0") ? skip("no multi-gen LRU") : PASS;
	return tune(LRU_GEN, enabled) ? PASS : skip("cannot switch the LRU");
}

struct test {
	const char *name;
	enum result (*fn)(const void *arg);
	const void *arg;
};

/* Given arguments, run only the cases whose names contain one of them. */
static inline bool selected(const char *name, char **args)
{
	if (!*args)
		return true;
	for (; *args; args++)
		if (strstr(name, *args))
			return true;
	return false;
}

static inline void run_test(const struct test *test)
{
	why[0] = 0;
	switch (test->fn(test->arg)) {
	case PASS:
		ksft_test_result_pass("%s\n", test->name);
		break;
	case SKIP:
		ksft_test_result_skip("%s: %s\n", test->name, why);
		break;
	default:
		ksft_test_result_fail("%s: %s\n", test->name, why);
	}
}

/*
 * Options come before the names of cases. --multi-gen uses the multi-gen LRU for
 * all cases that do not choose an LRU, --user runs them as an ordinary user.
 */
static char default_lru_gen[16];

static void restore_lru_gen(void)
{
	spew(LRU_GEN, default_lru_gen);
}

static inline char **take_options(char **args)
{
	for (; *args && !strncmp(*args, "--", 2); args++) {
		if (!strcmp(*args, "--multi-gen")) {
			if (slurp(LRU_GEN, default_lru_gen, sizeof(default_lru_gen)) <= 0 ||
			    !spew(LRU_GEN, "7"))
				ksft_exit_skip("cannot switch to the multi-gen LRU\n");
			atexit(restore_lru_gen);
		} else if (!strcmp(*args, "--user")) {
			if (!geteuid() && setresuid(65534, 65534, 65534))
				ksft_exit_fail_msg("cannot become an ordinary user\n");
			/* Have our files in /proc belong to that user, too. */
			prctl(PR_SET_DUMPABLE, 1);
		} else {
			ksft_exit_fail_msg("no such option: %s\n", *args);
		}
	}
	return args;
}

static inline void run_tests(const struct test *tests, unsigned int count, char **args)
{
	unsigned int i, plan = 0;

	setvbuf(stdout, NULL, _IONBF, 0);
	page_size = sysconf(_SC_PAGESIZE);
	ksft_print_header();
	args = take_options(args);
	if (!map(page_size, ANON))
		ksft_exit_skip("no MAP_DROPPABLE: %s\n", strerror(errno));
	for (i = 0; i < count; i++)
		plan += selected(tests[i].name, args);
	ksft_set_plan(plan);
	for (i = 0; i < count; i++)
		if (selected(tests[i].name, args))
			run_test(&tests[i]);
	ksft_finished();
}

#endif /* DROPPABLE_H */
