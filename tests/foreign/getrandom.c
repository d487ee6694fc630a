// SPDX-License-Identifier: GPL-2.0
/*
 * Tests the getrandom() and getentropy() of a C library: the values that they return, how
 * often they make the system call, and what they keep of threads that are gone. Prints
 * TAP; arguments name cases to run, or with a "-" before the name, not to run.
 *
 * Every value drawn in any thread, child or signal handler goes into one table, and no two
 * may be equal. A supervisor counts the getrandom() system calls: a seccomp filter
 * notifies it of each one, and it lets them continue.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#ifndef MAP_DROPPABLE
#define MAP_DROPPABLE	0x08
#endif

#define SIZE		16
#define TABLE		(1 << 21)
#define OUTERS		65536
#define SMALL_STACK	65536

struct value {
	unsigned char bytes[SIZE];
};

/* Shared with children */
static struct shared {
	_Atomic unsigned int used;
	_Atomic unsigned long calls;
	_Atomic unsigned int errors;
	char why[200];
	_Atomic unsigned int outers;
	struct {
		struct value first, last;
		unsigned long step;
	} outer[OUTERS];
	struct value table[TABLE];
} *shared;

static bool has_vdso;	/* the kernel has the function */
static int listener = -1;
static unsigned int number;	/* of cases so far */

static void complain(const char *why, long n)
{
	if (!atomic_fetch_add(&shared->errors, 1))
		snprintf(shared->why, sizeof(shared->why), "%s (%ld)", why, n);
}

static void record(const void *bytes)
{
	unsigned int i = atomic_fetch_add(&shared->used, 1);

	if (i < TABLE)
		memcpy(shared->table[i].bytes, bytes, SIZE);
}

/* Also called by signal handlers. */
static void draw(void)
{
	int error = errno;
	struct value v;
	ssize_t n = getrandom(&v, SIZE, 0);

	if (n != SIZE)
		complain("getrandom() did not return the length but", n);
	else
		record(&v);
	errno = error;
}

static void draws(int n)
{
	while (n--)
		draw();
}

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, SIZE);
}

/* Also forgets them. */
static void check_distinct(void)
{
	static const struct value zero;
	unsigned int i, n = atomic_load(&shared->used);

	if (n > TABLE)
		n = TABLE;
	qsort(shared->table, n, SIZE, compare);
	for (i = 0; i < n; i++) {
		if (!memcmp(&shared->table[i], &zero, 8))
			complain("zeros among the values of", n);
		if (i && !memcmp(&shared->table[i], &shared->table[i - 1], SIZE))
			complain("a value twice among", n);
	}
	atomic_store(&shared->used, 0);
}

static pthread_t start(void *(*f)(void *), void *argument, size_t stack)
{
	pthread_attr_t attr;
	pthread_t thread;
	int error;

	pthread_attr_init(&attr);
	if (stack)
		pthread_attr_setstacksize(&attr, stack);
	error = pthread_create(&thread, &attr, f, argument);
	if (error) {
		complain("pthread_create() failed", error);
		exit(1);
	}
	pthread_attr_destroy(&attr);
	return thread;
}

static void reap(pid_t pid)
{
	int status;

	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		complain("no child", errno);
	else if (status)
		complain("a child's status", status);
}

static void *draw_thread(void *argument)
{
	draws((int)(intptr_t)argument);
	return NULL;
}

/* --- The supervisor */

static void *supervise(void *argument)
{
	struct seccomp_notif request;
	struct seccomp_notif_resp response;
	int fd = *(int *)argument;

	for (;;) {
		memset(&request, 0, sizeof(request));
		if (ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &request)) {
			if (errno == EINTR || errno == ENOENT)
				continue;
			return NULL;
		}
		atomic_fetch_add(&shared->calls, 1);
		memset(&response, 0, sizeof(response));
		response.id = request.id;
		response.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
		ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, &response);
	}
}

/* A filter that answers one system call, and allows all others. */
static int filter(int call, unsigned int answer, unsigned int flags)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, answer),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(code) / sizeof(code[0]), code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -1;
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}

/* A process of its own, so that cases cannot disturb it. */
static void start_supervisor(void)
{
	int parent = getpid(), ready[2];
	char c = 0;

	listener = filter(SYS_getrandom, SECCOMP_RET_USER_NOTIF, SECCOMP_FILTER_FLAG_NEW_LISTENER);
	if (listener < 0 || pipe(ready)) {
		printf("ok %u - counts of system calls # SKIP no seccomp notifications: %s\n",
		       ++number, strerror(errno));
		return;
	}
	if (!fork()) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent || write(ready[1], &c, 1) != 1)
			_exit(1);
		supervise(&listener);
		_exit(0);
	}
	if (read(ready[0], &c, 1) != 1)
		exit(1);
	close(ready[0]);
	close(ready[1]);
	close(listener);
}

/*
 * The system calls since the last time. A reseed is one, and one may come at any time; the
 * first draw of a thread is another.
 */
static void expect_calls(long least, long most)
{
	long n = atomic_exchange(&shared->calls, 0);

	if (listener >= 0 && has_vdso && (n < least || n > most))
		complain("unexpected number of system calls", n);
}

/* The size in KiB of what the kernel may drop, and its first such mapping. */
static long droppable(char **first, size_t *size)
{
	char line[300], flag[] = " dp";
	unsigned long from = 0, to = 0, a, b;
	long all = 0;
	FILE *f = fopen("/proc/self/smaps", "r");

	if (first)
		*first = NULL;
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &a, &b) == 2) {
			from = a;
			to = b;
		}
		if (strncmp(line, "VmFlags:", 8) || !strstr(line, flag))
			continue;
		all += (to - from) / 1024;
		if (first && !*first) {
			*first = (char *)from;
			*size = to - from;
		}
	}
	if (f)
		fclose(f);
	return all;
}

/* --- The cases */

static void contract(void)
{
	static const unsigned int flags[] = { 0, GRND_NONBLOCK, GRND_RANDOM, 4,
		GRND_NONBLOCK | GRND_RANDOM, GRND_NONBLOCK | 4 };
	static const size_t sizes[] = { 0, 1, 4, 31, 32, 33, 256, 257, 4096, 65537, 1000000 };
	static unsigned char big[1000001];
	unsigned int i, j, used;
	size_t k;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		for (j = 0; j < sizeof(flags) / sizeof(flags[0]); j++) {
			memset(big, 0, sizeof(big));
			if (getrandom(big, sizes[i], flags[j]) != (ssize_t)sizes[i])
				complain("a size", sizes[i]);
			for (k = used = 0; k < sizes[i]; k++)
				used += big[k] != 0;
			if (sizes[i] >= 256 && used < sizes[i] * 9 / 10)
				complain("zeros in a size", sizes[i]);
			if (big[sizes[i]])
				complain("too much written for a size", sizes[i]);
			for (k = 0; sizes[i] >= 4096 && k + SIZE <= sizes[i]; k += SIZE)
				record(big + k);
		}
	}
	errno = 0;
	if (getrandom(big, 16, 0x8000) != -1 || errno != EINVAL)
		complain("an unknown flag", errno);
	errno = 0;
	if (getentropy(big, 257) != -1 || errno != EIO)
		complain("getentropy() of 257 bytes", errno);
	for (i = 0; i <= 256; i++) {
		memset(big, 0, 257);
		if (getentropy(big, i))
			complain("getentropy() of a size", i);
		if (i >= SIZE)
			record(big);
		if (big[i])
			complain("getentropy() writes too much for a size", i);
	}
}

/* A reseed may fall into any of these cases. */
static void calls(void)
{
	unsigned char bytes[SIZE];
	int i;

	draw();
	expect_calls(0, 3);
	draws(10000);
	expect_calls(0, 2);
	for (i = 0; i < 10000; i++) {
		if (getentropy(bytes, SIZE))
			complain("getentropy() failed", errno);
		record(bytes);
	}
	expect_calls(0, 2);
	for (i = 0; i < 1000; i++)
		getrandom(bytes, 1, GRND_NONBLOCK);
	expect_calls(0, 2);
}

static void threads(void)
{
	pthread_t thread[64];
	int i;

	expect_calls(0, TABLE);
	for (i = 0; i < 64; i++)
		thread[i] = start(draw_thread, (void *)1000, 0);
	for (i = 0; i < 64; i++)
		pthread_join(thread[i], NULL);
	expect_calls(0, 64 * 2 + 10);
}

static long resident(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_maxrss;
}

static void thread_exit(void)
{
	long before, rss = 0, i;

	draw();
	before = droppable(NULL, NULL);
	expect_calls(0, TABLE);
	for (i = 0; i < 20000; i++) {
		pthread_join(start(draw_thread, (void *)2, SMALL_STACK), NULL);
		if (i == 1000)
			rss = resident();
	}
	/* Each thread begins with a new key. */
	expect_calls(20000, 20000 + 100);
	if (droppable(NULL, NULL) != before)
		complain("more KiB of states after 20000 threads", droppable(NULL, NULL) - before);
	if (resident() - rss > 2048)
		complain("more KiB of memory after 20000 threads", resident() - rss);
}

static pthread_barrier_t barrier;

static void *crowd_thread(void *argument)
{
	draws(3);
	pthread_barrier_wait(&barrier);
	draws(3);
	pthread_barrier_wait(&barrier);
	return argument;
}

/* There are fewer states than threads, and all are free in the end. */
static void crowd(void)
{
	enum { N = 4000 };
	static pthread_t thread[N];
	int i, turn;
	long before[3];

	for (turn = 0; turn < 3; turn++) {
		pthread_barrier_init(&barrier, NULL, N + 1);
		for (i = 0; i < N; i++)
			thread[i] = start(crowd_thread, NULL, SMALL_STACK);
		pthread_barrier_wait(&barrier);
		pthread_barrier_wait(&barrier);
		for (i = 0; i < N; i++)
			pthread_join(thread[i], NULL);
		before[turn] = droppable(NULL, NULL);
	}
	if (before[1] != before[2])
		complain("the states grew by KiB", before[2] - before[1]);
	expect_calls(0, TABLE);
	for (i = 0; i < 100; i++)
		pthread_join(start(draw_thread, (void *)100, SMALL_STACK), NULL);
	expect_calls(100, 1000);
}

/* They must be quiet while the child counts. */
static void *quiet_thread(void *argument)
{
	draws(3);
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	return argument;
}

/* The child of a crowd has all states but one for itself. */
static void crowd_fork(void)
{
	enum { N = 2500 };
	static pthread_t thread[N];
	pid_t pid;
	int i;

	pthread_barrier_init(&barrier, NULL, N + 1);
	for (i = 0; i < N; i++)
		thread[i] = start(quiet_thread, NULL, SMALL_STACK);
	pthread_barrier_wait(&barrier);
	pid = fork();
	if (!pid) {
		expect_calls(0, TABLE);
		for (i = 0; i < 100; i++)
			pthread_join(start(draw_thread, (void *)100, SMALL_STACK), NULL);
		expect_calls(100, 1000);
		_exit(0);
	}
	reap(pid);
	pthread_barrier_wait(&barrier);
	for (i = 0; i < N; i++)
		pthread_join(thread[i], NULL);
}

static void some_threads(void)
{
	pthread_t thread[8];
	int i;

	for (i = 0; i < 8; i++)
		thread[i] = start(draw_thread, (void *)20, SMALL_STACK);
	draws(20);
	for (i = 0; i < 8; i++)
		pthread_join(thread[i], NULL);
}

static void forks(void)
{
	pid_t pid;
	int i;

	for (i = 0; i < 300; i++) {
		draws(3);
		pid = fork();
		draws(3);
		if (!pid) {
			some_threads();
			pid = fork();
			draws(3);
			if (pid)
				reap(pid);
			_exit(0);
		}
		reap(pid);
	}
}

static atomic_bool enough;

static void *draw_until(void *argument)
{
	while (!atomic_load(&enough)) {
		draws(10);
		pthread_join(start(draw_thread, (void *)3, SMALL_STACK), NULL);
	}
	return argument;
}

/* The other threads draw, begin and end while this one forks. */
static void forks_beside(void)
{
	pthread_t thread[3];
	pid_t pid;
	int i;

	atomic_store(&enough, false);
	for (i = 0; i < 3; i++)
		thread[i] = start(draw_until, NULL, SMALL_STACK);
	for (i = 0; i < 300; i++) {
		pid = fork();
		draws(3);
		if (!pid) {
			some_threads();
			_exit(0);
		}
		reap(pid);
	}
	atomic_store(&enough, true);
	for (i = 0; i < 3; i++)
		pthread_join(thread[i], NULL);
}

static struct itimerval interval;

/*
 * The handler starts the timer. A periodic one would leave no time for the draws if a
 * handler took longer than the interval, as it does on a slow machine.
 */
static void on_alarm(int signal)
{
	(void)signal;
	draw();
	setitimer(ITIMER_REAL, &interval, NULL);
}

static void on_alarm_fork(int signal)
{
	int error = errno;
	pid_t pid;

	(void)signal;
	pid = _Fork();
	draws(2);
	if (!pid) {
		draws(2);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	setitimer(ITIMER_REAL, &interval, NULL);
	errno = error;
}

static void storm(void (*handler)(int), int microseconds, int n)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = SA_RESTART };

	interval.it_value.tv_usec = microseconds;
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &interval, NULL);
	draws(n);
	signal(SIGALRM, SIG_IGN);
}

static void signals(void)
{
	storm(on_alarm, 40, 500000);
}

static void signals_fork(void)
{
	storm(on_alarm_fork, 1000, 200000);
}

/* --- Cancellation */

static void *cancelled(void *argument)
{
	struct value v;
	int state;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	pthread_cancel(pthread_self());
	draw();
	if (getentropy(&v, SIZE))
		complain("getentropy() with cancellation disabled", errno);
	pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &state);
	/* Never a cancellation point */
	if (getentropy(&v, SIZE))
		complain("getentropy() with a cancellation pending", errno);
	getrandom(&v, SIZE, 0);
	complain("getrandom() did not act upon cancellation", 0);
	return argument;
}

static atomic_int running;

static void *asynchronous(void *argument)
{
	struct value v;
	int type;

	draw();
	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &type);
	atomic_store(&running, 1);
	for (;;)
		if (getrandom(&v, SIZE, 0) != SIZE)
			complain("getrandom() failed", errno);
	return argument;
}

static void cancellation(void)
{
	pthread_t thread;
	void *result;
	int i;

	for (i = 0; i < 100; i++) {
		pthread_join(start(cancelled, NULL, 0), &result);
		if (result != PTHREAD_CANCELED)
			complain("the thread was not cancelled", i);
	}
	for (i = 0; i < 2000; i++) {
		atomic_store(&running, 0);
		thread = start(asynchronous, NULL, 0);
		while (!atomic_load(&running))
			;
		pthread_cancel(thread);
		pthread_join(thread, &result);
		if (result != PTHREAD_CANCELED)
			complain("the thread was not cancelled", i);
	}
	/* Whatever those threads left behind serves these. */
	expect_calls(0, TABLE);
	for (i = 0; i < 100; i++)
		pthread_join(start(draw_thread, (void *)100, SMALL_STACK), NULL);
	expect_calls(100, 1000);
}

/* --- Sandboxes and children */

static void in_child(void (*f)(void))
{
	pid_t pid = fork();

	if (!pid) {
		f();
		_exit(0);
	}
	reap(pid);
}

/*
 * The first draw ever is in a child, because cases run in children. It must not try the
 * mapping again and again.
 */
static void refused_mmap(void)
{
	if (filter(SYS_mmap, SECCOMP_RET_ERRNO | ENOMEM, 0) < 0)
		complain("no filter", errno);
	draws(1000);
	expect_calls(1000, 1000);
}

static void no_address_space(void)
{
	struct rlimit limit = { 1 << 20, 1 << 20 };

	setrlimit(RLIMIT_AS, &limit);
	draws(1000);
}

extern char **environ;

static void spawn(void)
{
	char *arguments[] = { "/bin/true", "nothing", NULL };
	volatile int i;
	pid_t pid;

	if (access(arguments[0], X_OK))
		arguments[0] = "/proc/self/exe";
	for (i = 0; i < 200; i++) {
		draw();
		pid = vfork();
		if (!pid) {
			draw();
			draw();
			_exit(0);
		}
		draw();
		reap(pid);
	}
	for (i = 0; i < 20; i++) {
		if (posix_spawn(&pid, arguments[0], NULL, NULL, arguments, environ))
			complain("posix_spawn() failed", errno);
		else
			reap(pid);
		draw();
	}
	expect_calls(0, 100);
}

static void at_the_end(void)
{
	draws(100);
	_exit(atomic_load(&shared->used) < 201);
}

/* The thread that exits last runs the functions of atexit(). */
static void last_thread(void)
{
	pid_t pid = fork();

	if (!pid) {
		atexit(at_the_end);
		draws(100);
		start(draw_thread, (void *)1, 0);
		pthread_exit(NULL);
	}
	reap(pid);
}

/* The kernel drops the memory now and then. */
static void pressure(void)
{
	size_t size = 0;
	char *first;
	int i;

	draw();
	droppable(&first, &size);
	for (i = 0; i < 20000; i++) {
		if (first && madvise(first, size, MADV_DONTNEED))
			complain("madvise() failed", errno);
		draws(3);
	}
}

/* --- One instruction at a time */

#ifdef __x86_64__
static char *state_memory;
static size_t state_memory_size;
static volatile unsigned long steps;
static void (*volatile at_each_step)(void);
static sigjmp_buf out;
static volatile unsigned long leave_at;
static volatile bool is_child;
static volatile unsigned long forked_at;

static void on_trap(int signal, siginfo_t *info, void *context)
{
	ucontext_t *interrupted = context;
	void (*f)(void) = at_each_step;

	(void)signal;
	(void)info;
	steps++;
	if (f)
		f();
	/* A child goes on at full speed. */
	if (f && !at_each_step)
		interrupted->uc_mcontext.gregs[REG_EFL] &= ~0x100L;
	if (leave_at && steps == leave_at)
		siglongjmp(out, 1);
}

static void single_step(bool on)
{
	/* The red zone belongs to the compiler. */
	if (on)
		__asm__ volatile("lea -128(%%rsp), %%rsp; pushfq; orl $0x100, (%%rsp); popfq;"
				 "lea 128(%%rsp), %%rsp" : : : "memory", "cc");
	else
		__asm__ volatile("lea -128(%%rsp), %%rsp; pushfq; andl $~0x100, (%%rsp); popfq;"
				 "lea 128(%%rsp), %%rsp" : : : "memory", "cc");
}

/*
 * A fork after the last check of a call is a fork after the call, so that parent and child
 * have the same bytes. These forks must be the last ones of all.
 */
static void check_children(const unsigned char *first, const unsigned char *last)
{
	unsigned int i, n = atomic_exchange(&shared->outers, 0);
	unsigned long differ = 0, equal = ~0UL;

	for (i = 0; i < n && i < OUTERS; i++) {
		bool same = !memcmp(&shared->outer[i].first, first, SIZE);
		unsigned long step = shared->outer[i].step;

		if (same != !memcmp(&shared->outer[i].last, last, SIZE))
			complain("parent and child have some bytes in common at step", step);
		if (same && step < equal)
			equal = step;
		if (!same && step > differ)
			differ = step;
		if (!same) {
			record(&shared->outer[i].first);
			if (memcmp(&shared->outer[i].first, &shared->outer[i].last, SIZE))
				record(&shared->outer[i].last);
		}
	}
	if (n && differ > equal)
		complain("parent and child have the same bytes already at step", equal);
	if (n && !differ)
		complain("parent and child always have the same bytes", n);
}

/* Is complete when the handler has not left by siglongjmp(). */
static void stepped_draw(size_t size)
{
	unsigned char bytes[512] = { 0 }, *last = bytes + size - SIZE;
	unsigned int i;
	ssize_t n;

	if (size < 2 * SIZE)
		last = bytes;
	single_step(true);
	n = getrandom(bytes, size, 0);
	single_step(false);
	if (n != (ssize_t)size)
		complain("a stepped draw returned", n);
	if (is_child) {
		i = atomic_fetch_add(&shared->outers, 1);
		if (i < OUTERS) {
			memcpy(&shared->outer[i].first, bytes, SIZE);
			memcpy(&shared->outer[i].last, last, SIZE);
			shared->outer[i].step = forked_at;
		}
	} else {
		record(bytes);
		if (last != bytes)
			record(last);
		check_children(bytes, last);
	}
}

static void prepare_steps(void (*f)(void))
{
	struct sigaction action = { .sa_sigaction = on_trap, .sa_flags = SA_SIGINFO };

	sigaction(SIGTRAP, &action, NULL);
	at_each_step = f;
	steps = 0;
	leave_at = 0;
}

static void draw_once(void)
{
	draw();
}

static void wipe_and_draw(void)
{
	if (state_memory)
		madvise(state_memory, state_memory_size, MADV_DONTNEED);
	draw();
}

/*
 * Every child draws in the handler, and then lets the call go on. Most instructions of a
 * call are the block function's, so one in 17 of these will do.
 */
static void fork_and_draw(void)
{
	pid_t pid;

	if (is_child || (steps > 300 && steps % 17))
		return;
	pid = _Fork();
	if (!pid) {
		is_child = true;
		forked_at = steps;
		at_each_step = NULL;
		draw();
		return;
	}
	draw();
	waitpid(pid, NULL, 0);
}

static void stepped(void (*f)(void))
{
	static const size_t sizes[] = { 16, 16, 40, 300 };
	unsigned int i;

	draw();
	droppable(&state_memory, &state_memory_size);
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		prepare_steps(f);
		stepped_draw(sizes[i]);
		draws(2);
		if (is_child) {
			some_threads();
			_exit(0);
		}
		if (!steps)
			complain("no steps", 0);
	}
}

static void steps_draw(void)
{
	stepped(draw_once);
}

static void steps_wipe(void)
{
	stepped(wipe_and_draw);
}

static void steps_fork(void)
{
	stepped(fork_and_draw);
}

/* A new thread's first draw takes a state. */
static void *first_draw(void *argument)
{
	prepare_steps((void (*)(void))argument);
	stepped_draw(SIZE);
	draws(2);
	if (is_child) {
		some_threads();
		_exit(0);
	}
	return NULL;
}

static void steps_first(void)
{
	pthread_join(start(first_draw, draw_once, 0), NULL);
	pthread_join(start(first_draw, fork_and_draw, 0), NULL);
}

/* The first draw of the process also looks for the function and maps memory. */
static void steps_very_first(void)
{
	prepare_steps(fork_and_draw);
	stepped_draw(SIZE);
	draws(2);
	if (is_child) {
		some_threads();
		_exit(0);
	}
}

static void *leave(void *argument)
{
	static volatile unsigned long at;
	static volatile bool done;

	done = false;
	for (at = 1; !done; at++) {
		prepare_steps(NULL);
		leave_at = at;
		if (!sigsetjmp(out, 1)) {
			stepped_draw(SIZE);
			done = true;
		}
		draws(2);
	}
	return argument;
}

static void steps_leave(void)
{
	pthread_join(start(leave, NULL, 0), NULL);
	some_threads();
}
#endif

static const struct test {
	const char *name;
	void (*run)(void);
} tests[] = {
	{ "contract of getrandom() and getentropy()", contract },
	{ "draws make no system calls", calls },
	{ "64 threads", threads },
	{ "20000 threads one after the other", thread_exit },
	{ "4000 threads at a time", crowd },
	{ "fork beside 2500 threads", crowd_fork },
	{ "fork", forks },
	{ "fork beside drawing threads", forks_beside },
	{ "handlers that draw", signals },
	{ "handlers that fork", signals_fork },
	{ "cancellation", cancellation },
	{ "mmap refused", refused_mmap },
	{ "no address space", no_address_space },
	{ "vfork and posix_spawn", spawn },
	{ "draws at exit of the last thread", last_thread },
	{ "dropped memory", pressure },
#ifdef __x86_64__
	{ "step: a draw at each instruction", steps_draw },
	{ "step: dropped memory and a draw at each instruction", steps_wipe },
	{ "step: a fork at each instruction", steps_fork },
	{ "step: a thread's first draw", steps_first },
	{ "step: the process's first draw", steps_very_first },
	{ "step: siglongjmp() at each instruction", steps_leave },
#endif
};

static bool is_wanted(const char *name, int argc, char **argv)
{
	bool wanted = argc == 1 || argv[1][0] == '-';
	int i;

	for (i = 1; i < argc; i++) {
		if (argv[i][0] == '-' && strstr(name, argv[i] + 1))
			return false;
		wanted |= !!strstr(name, argv[i]);
	}
	return wanted;
}

/* Each case runs in a child, so that it begins without any state. */
int main(int argc, char **argv)
{
	unsigned int i;
	bool failed = false;
	time_t begin;
	char *page;

	/* Started by a case */
	if (argc == 2 && !strcmp(argv[1], "nothing"))
		return 0;
	setvbuf(stdout, NULL, _IOLBF, 0);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_DROPPABLE | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return 1;
	has_vdso = page != MAP_FAILED;
	if (has_vdso)
		munmap(page, 4096);
	start_supervisor();
	for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		if (!is_wanted(tests[i].name, argc, argv))
			continue;
		atomic_store(&shared->errors, 0);
		atomic_store(&shared->calls, 0);
		begin = time(NULL);
		in_child(tests[i].run);
		check_distinct();
		if (getenv("TIMES"))
			printf("# %ld s\n", (long)(time(NULL) - begin));
		if (atomic_load(&shared->errors)) {
			printf("not ok %u - %s # %s\n", ++number, tests[i].name, shared->why);
			failed = true;
		} else {
			printf("ok %u - %s\n", ++number, tests[i].name);
		}
	}
	printf("1..%u\n", number);
	return failed;
}
