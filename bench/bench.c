// SPDX-License-Identifier: GPL-2.0
/*
 * bench IMAGE CSV [LEVEL...] - check and measure getrandom() of a vDSO image beside
 * the running kernel's and other ways to get random bytes, at each level of the
 * processor or at those named.
 * bench beside OTHER IMAGE CSV [LEVEL...] - the same, with another image in the place
 * of the running kernel's.
 * bench against OTHER IMAGE CSV [LEVEL...] - compare two images, and nothing else.
 * bench check IMAGE [LEVEL...] - only check it.
 *
 * Every figure comes from rounds in which each subject gets its turn, so that
 * whatever else the machine does hits all of them, on processors that the
 * threads stay on. The tables have medians.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <x86intrin.h>

#include "check.h"
#include "image.h"
#include "processor.h"
#include "subjects.h"

#define WINDOW_NS	200e3	/* of calls that are timed as one */
#define BUDGET_NS	0.6e9	/* for all rounds of one length, or of another measurement */
#define MIN_ROUNDS	11
#define MAX_ROUNDS	501

#define COLD_STATES	10000
#define COLD_ROUNDS	41
#define COLD_SPREAD	4096
#define IDLE_NS		1000000
#define IDLE_ROUNDS	151
#define DIRTY_ROUNDS	101
#define REFILL_AT	3	/* 32 bytes */
#define BULK_AT		21	/* 64 KiB */
#define BULK_BLOCKS	1024
#define SWITCHES	200	/* that are timed as one, there and back */
#define SWITCH_ROUNDS	101

static const size_t lengths[] = {
	4, 8, 16, 32, 33, 64, 96, 128, 256, 333, 448, 479, 480, 512, 575, 640, 768, 1000, 1023,
	1024, 4096, 65536, MAX_REQUEST, MIXED_LEN, MIXED_LONG_LEN
};

#define NUM_LENGTHS	(sizeof(lengths) / sizeof(lengths[0]))
#define MAX_THREADS	2

static int cpus[MAX_THREADS];
static int num_cpus;
static FILE *csv;
static const char *level_name;
static const char *other_image;
static bool images_only;

static double clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static double now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

/* Of this thread: what it is kept waiting by others does not count. */
static double busy_ns(void)
{
	return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

/* Where somebody watches, what is going on, on a line that is overwritten. */
static void progress(const char *format, ...)
{
	va_list args;

	if (!isatty(STDOUT_FILENO))
		return;
	va_start(args, format);
	printf("\r\033[K");
	vprintf(format, args);
	va_end(args);
	fflush(stdout);
}

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		err(1, "processor %d", cpu);
}

static void find_cpus(void)
{
	cpu_set_t set;
	int cpu;

	if (sched_getaffinity(0, sizeof(set), &set))
		err(1, "sched_getaffinity");
	/* From the end: the first one has most of the interrupts. */
	for (cpu = CPU_SETSIZE - 1; cpu >= 0 && num_cpus < MAX_THREADS; cpu--)
		if (CPU_ISSET(cpu, &set))
			cpus[num_cpus++] = cpu;
}

/* The figures of one subject, ns, one for each round. */
struct figures {
	double	ns[MAX_ROUNDS];
	size_t	count;
	double	min, median;
};

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void evaluate(struct figures *figures)
{
	qsort(figures->ns, figures->count, sizeof(figures->ns[0]), compare_doubles);
	figures->min = figures->ns[0];
	figures->median = figures->ns[figures->count / 2];
}

static const char *length_name(size_t len)
{
	static char name[32];

	if (len == MIXED_LEN)
		snprintf(name, sizeof(name), "1-%d", MIXED_MAX);
	else if (len == MIXED_LONG_LEN)
		snprintf(name, sizeof(name), "1-%d", MIXED_LONG_MAX);
	else
		snprintf(name, sizeof(name), "%zu", len);
	return name;
}

static void write_csv(int threads, const char *size, const char *subject,
		      const struct figures *figures)
{
	fprintf(csv, "%s,%d,%s,%s,%.2f,%.2f\n", level_name, threads, size, subject,
		figures->min, figures->median);
	fflush(csv);
}

/*
 * The threads, of which the first is the main one. All of them make the same
 * calls at the same time, between one turn of the main thread's and the next.
 */
static struct worker workers[MAX_THREADS];
static double elapsed[MAX_THREADS];
static struct {
	atomic_uint		turn, finished;
	int			threads;
	const struct subject	*subject;
	size_t			len;
	unsigned int		times;
} team;

static void wait_until(atomic_uint *value, unsigned int wanted)
{
	unsigned int spins = 0;

	while (atomic_load(value) != wanted) {
		_mm_pause();
		if (!(++spins % 10000))
			sched_yield();
	}
}

static void play(int i)
{
	double begin = busy_ns();

	team.subject->call(&workers[i], team.len, team.times);
	elapsed[i] = busy_ns() - begin;
}

static void *follow(void *arg)
{
	int i = (long)arg;
	unsigned int turn = 0;

	pin(cpus[i]);
	for (;;) {
		wait_until(&team.turn, ++turn);
		if (!team.threads)
			return NULL;
		if (i < team.threads)
			play(i);
		atomic_fetch_add(&team.finished, 1);
	}
}

/* Nanoseconds a call, the mean over the threads. */
static double time_window(const struct subject *subject, size_t len, unsigned int times,
			  int threads)
{
	double sum = 0;
	int i;

	team.subject = subject;
	team.len = len;
	team.times = times;
	team.threads = threads;
	if (threads > 1) {
		atomic_store(&team.finished, 0);
		atomic_fetch_add(&team.turn, 1);
	}
	play(0);
	if (threads > 1)
		wait_until(&team.finished, threads - 1);
	for (i = 0; i < threads; i++)
		sum += elapsed[i];
	return sum / threads / times;
}

/* How many calls fill a window; one that was disturbed does not count. */
static unsigned int calibrate(const struct subject *subject, size_t len, int threads)
{
	unsigned int times = 1;
	double ns, again;

	for (;;) {
		ns = time_window(subject, len, times, threads) * times;
		again = time_window(subject, len, times, threads) * times;
		if (again < ns)
			ns = again;
		if (ns >= WINDOW_NS / 4)
			break;
		times *= 2;
	}
	times *= WINDOW_NS / ns;
	return times ? times : 1;
}

/* So many rounds if there is time, and a few in any event. */
static bool enough(size_t round, size_t wanted, double begin)
{
	return round >= wanted || (round >= MIN_ROUNDS && now_ns() - begin > BUDGET_NS);
}

static void measure_length(size_t len, int threads, struct figures figures[NUM_SUBJECTS])
{
	unsigned int times[NUM_SUBJECTS];
	double begin = now_ns();
	size_t round;
	int i;

	for (i = 0; i < NUM_SUBJECTS; i++) {
		figures[i].count = 0;
		if (subjects[i].available)
			times[i] = calibrate(&subjects[i], len, threads);
	}
	for (round = 0; !enough(round, MAX_ROUNDS, begin); round++) {
		subjects_move(round);
		for (i = 0; i < NUM_SUBJECTS; i++)
			if (subjects[i].available)
				figures[i].ns[figures[i].count++] =
					time_window(&subjects[i], len, times[i], threads);
	}
	for (i = 0; i < NUM_SUBJECTS; i++)
		if (subjects[i].available)
			evaluate(&figures[i]);
}

static void print_heading(const char *what)
{
	int i;

	printf("%s", what);
	printf("\n%12s", "bytes");
	for (i = 0; i < NUM_SUBJECTS; i++)
		printf(" %10s", subjects[i].name);
	printf(" %8s\n", "ratio");
}

static void print_row(const char *name, const struct figures figures[NUM_SUBJECTS],
		      unsigned int wanted)
{
	int i;

	progress("%s", "");
	printf("%12s", name);
	for (i = 0; i < NUM_SUBJECTS; i++)
		if (subjects[i].available && wanted & 1 << i)
			printf(" %10.1f", figures[i].median);
		else
			printf(" %10s", "-");
	if (subjects[MAINLINE].available)
		printf(" %8.3f", figures[VDSO].median / figures[MAINLINE].median);
	printf("\n");
	fflush(stdout);
}

static struct figures figures[NUM_SUBJECTS];

#define ALL_SUBJECTS	((1 << NUM_SUBJECTS) - 1)
#define GENERATORS	(1 << VDSO | 1 << MAINLINE)

static void report(const char *name, int threads, unsigned int wanted)
{
	int i;

	print_row(name, figures, wanted);
	for (i = 0; i < NUM_SUBJECTS; i++)
		if (subjects[i].available && wanted & 1 << i)
			write_csv(threads, name, subjects[i].name, &figures[i]);
}

static double vdso_took[NUM_LENGTHS];

static void measure_lengths(int threads)
{
	char what[100];
	size_t i;

	snprintf(what, sizeof(what), "%s, %d thread%s, ns a call", level_name, threads,
		 threads > 1 ? "s" : "");
	print_heading(what);
	for (i = 0; i < NUM_LENGTHS; i++) {
		progress("%s: %s bytes", what, length_name(lengths[i]));
		measure_length(lengths[i], threads, figures);
		report(length_name(lengths[i]), threads, ALL_SUBJECTS);
		vdso_took[i] = figures[VDSO].median;
	}
}

/*
 * Many states, each used once in a round and in no order, so that none is in a cache.
 * Their batches are used up to different extents, so that in each round some of them are
 * refilled, as many as in the long run: the mean over a round's calls has their share.
 */
static void *cold_states[2][COLD_STATES];

static void shuffle(void **what, size_t count)
{
	size_t i, j;
	void *other;

	for (i = count - 1; i; i--) {
		j = random() % (i + 1);
		other = what[j];
		what[j] = what[i];
		what[i] = other;
	}
}

static void make_cold_states(int which)
{
	void *states = new_states(&generators[which], COLD_STATES);
	size_t i;

	for (i = 0; i < COLD_STATES; i++)
		cold_states[which][i] = nth_state(&generators[which], states, i);
	shuffle(cold_states[which], COLD_STATES);
}

/*
 * Have each state some number of calls further on than the next one. No batch lasts for
 * as many calls as COLD_SPREAD bytes, so all extents are about equally frequent.
 */
static void spread(int which, size_t len)
{
	const struct generator *g = &generators[which];
	size_t i, calls;

	for (i = 0; i < COLD_STATES; i++)
		for (calls = random() % (COLD_SPREAD / len); calls; calls--)
			g->fn(workers[0].buffer, len, 0, cold_states[which][i],
			      g->params.size_of_opaque_state);
}

/* Nanoseconds a call, the mean over all states. */
static double walk(int which, size_t len)
{
	const struct generator *g = &generators[which];
	double begin;
	size_t i;

	begin = busy_ns();
	for (i = 0; i < COLD_STATES; i++)
		g->fn(workers[0].buffer, len, 0, cold_states[which][i],
		      g->params.size_of_opaque_state);
	return (busy_ns() - begin) / COLD_STATES;
}

static void measure_cold(size_t len)
{
	char name[40];
	double begin;
	size_t round;
	int i;

	for (i = VDSO; i <= MAINLINE; i++) {
		figures[i].count = 0;
		if (!subjects[i].available)
			continue;
		if (!cold_states[i][0])
			make_cold_states(i);
		spread(i, len);
		walk(i, len);
	}
	begin = now_ns();
	for (round = 0; !enough(round, COLD_ROUNDS, begin); round++)
		for (i = VDSO; i <= MAINLINE; i++)
			if (subjects[i].available)
				figures[i].ns[figures[i].count++] = walk(i, len);
	for (i = VDSO; i <= MAINLINE; i++)
		if (subjects[i].available)
			evaluate(&figures[i]);
	snprintf(name, sizeof(name), "%s cold", length_name(len));
	report(name, 1, GENERATORS);
}

/* The time-stamp counter's ticks a nanosecond. */
static double ticks_per_ns(void)
{
	double begin = now_ns();
	uint64_t ticks = __rdtsc();

	while (now_ns() - begin < 10e6)
		;
	return (__rdtsc() - ticks) / (now_ns() - begin);
}

static uint64_t ticks(void)
{
	uint64_t t;

	_mm_lfence();
	t = __rdtsc();
	_mm_lfence();
	return t;
}

/*
 * The first call after the processor was idle; 4 bytes are drawn from a batch that is there.
 * The caches may have lost the page tables, so what counts is where the kernel's vDSO lies.
 */
static void measure_idle(size_t len)
{
	const unsigned int wanted = GENERATORS | 1 << SYSCALL;
	const struct timespec idle = { .tv_nsec = IDLE_NS };
	double rate = ticks_per_ns(), start;
	size_t round, turn, i;
	uint64_t begin;
	char name[40];

	for (i = 0; i < NUM_SUBJECTS; i++)
		figures[i].count = 0;
	subjects_move(0);
	start = now_ns();
	for (round = 0; !enough(round, IDLE_ROUNDS, start); round++) {
		for (turn = 0; turn <= SYSCALL; turn++) {
			/* Each of them follows each other one. */
			i = (round + turn * (round % 2 ? 1 : 2)) % (SYSCALL + 1);
			if (!subjects[i].available)
				continue;
			nanosleep(&idle, NULL);
			begin = ticks();
			subjects[i].call(&workers[0], len, 1);
			figures[i].ns[figures[i].count++] = (ticks() - begin) / rate;
		}
	}
	for (i = VDSO; i <= SYSCALL; i++)
		if (subjects[i].available)
			evaluate(&figures[i]);
	snprintf(name, sizeof(name), "%s idle", length_name(len));
	report(name, 1, wanted);
}

/* Leave something in the upper half of a register, as AVX code without vzeroupper does. */
static void dirty_upper_halves(void)
{
	asm volatile("vpcmpeqd %%ymm7, %%ymm7, %%ymm7" : : : "xmm7");
}

/* Calls after other AVX code that left upper halves in use. */
static void measure_dirty(size_t len)
{
	unsigned int calls = 2000, n;
	size_t round;
	double begin;
	char name[40];
	int i;

	for (i = VDSO; i <= MAINLINE; i++)
		figures[i].count = 0;
	begin = now_ns();
	for (round = 0; !enough(round, DIRTY_ROUNDS, begin); round++) {
		for (i = VDSO; i <= MAINLINE; i++) {
			double start = busy_ns();

			if (!subjects[i].available)
				continue;
			for (n = 0; n < calls; n++) {
				dirty_upper_halves();
				subjects[i].call(&workers[0], len, 1);
			}
			figures[i].ns[figures[i].count++] = (busy_ns() - start) / calls;
		}
	}
	asm volatile("vzeroupper");
	for (i = VDSO; i <= MAINLINE; i++)
		if (subjects[i].available)
			evaluate(&figures[i]);
	snprintf(name, sizeof(name), "%s dirty", length_name(len));
	report(name, 1, GENERATORS);
}

/* Instructions and cycles of getrandom(), where the machine lets us count them. */
static void report_counts(void)
{
	static const size_t some[] = { 4, 32, 256, 1024, 65536 };
	struct counts counts;
	unsigned int times;
	size_t i;

	if (!counters_open()) {
		printf("instructions and cycles: not counted on this machine\n");
		return;
	}
	printf("%12s %14s %14s %10s\n", "bytes", "instructions", "cycles", "a byte");
	for (i = 0; i < sizeof(some) / sizeof(some[0]); i++) {
		times = some[i] < 4096 ? 6000 : 100;
		subjects[VDSO].call(&workers[0], some[i], times);
		counters_start();
		subjects[VDSO].call(&workers[0], some[i], times);
		counts = counters_stop();
		printf("%12zu %14.1f %14.1f %10.2f\n", some[i],
		       (double)counts.instructions / times, (double)counts.cycles / times,
		       (double)counts.cycles / times / some[i]);
	}
	counters_close();
}

static void print_roof(const char *what, const struct roof *roof, unsigned int blocks, double took)
{
	const double bound = roof_ns(roof, blocks);

	printf("%12s %10.0f %10.0f %10.0f %10.2f\n", what, roof->latency, bound, took,
	       bound / took);
}

/* What the rounds need at least on this processor, and how much of our time that is. */
static void report_roofline(const struct level *level)
{
	const size_t batch = subjects_batch(VDSO), draws = batch / lengths[REFILL_AT];
	const unsigned int blocks = (batch + 32) / 64;
	struct roof bulk = roof_of(level->name), refill = bulk;

	if (blocks < bulk.blocks)	/* then the function uses narrower registers */
		refill = roof_of("avx512vl");
	printf("the twenty rounds: one result after the other, all instructions; we take; ns\n");
	printf("%12s %10s %10s %10s %10s\n", "", "latency", "bound", "vdso", "bound/vdso");
	print_roof("refill", &refill, blocks, draws * vdso_took[REFILL_AT]);
	print_roof("64 KiB", &bulk, BULK_BLOCKS, vdso_took[BULK_AT]);
	printf("%12s a refill is that of %zu draws of %zu bytes, with these\n", "", draws,
	       lengths[REFILL_AT]);
}

/* Another thread on our processor, which answers each byte that it gets. */
static int there[2], back[2];

static void *answer(void *arg)
{
	char byte;

	(void)arg;
	while (read(there[0], &byte, 1) == 1)
		if (write(back[1], &byte, 1) != 1)
			break;
	return NULL;
}

/* A switch of context to the other thread and back, after @subject's call, if any. */
static double time_switches(const struct subject *subject, size_t len)
{
	double begin, ns;
	char byte = 0;
	int i;

	begin = now_ns();
	for (i = 0; i < SWITCHES; i++) {
		if (subject)
			subject->call(&workers[0], len, 1);
		if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1)
			err(1, "pipe");
	}
	ns = now_ns() - begin;
	if (subject) {
		begin = now_ns();
		for (i = 0; i < SWITCHES; i++)
			subject->call(&workers[0], len, 1);
		ns -= now_ns() - begin;
	}
	return ns / SWITCHES / 2;
}

static void measure_switch(size_t len)
{
	static struct figures none;
	pthread_t other;
	char name[40];
	double begin;
	size_t round;
	int i;

	if (pipe(there) || pipe(back) || pthread_create(&other, NULL, answer, NULL))
		err(1, "a thread to switch to");
	none.count = 0;
	for (i = VDSO; i <= MAINLINE; i++)
		figures[i].count = 0;
	begin = now_ns();
	for (round = 0; !enough(round, SWITCH_ROUNDS, begin); round++) {
		none.ns[none.count++] = time_switches(NULL, 0);
		for (i = VDSO; i <= MAINLINE; i++)
			if (subjects[i].available)
				figures[i].ns[figures[i].count++] =
					time_switches(&subjects[i], len);
	}
	close(there[1]);
	pthread_join(other, NULL);

	evaluate(&none);
	for (i = VDSO; i <= MAINLINE; i++)
		if (subjects[i].available)
			evaluate(&figures[i]);
	snprintf(name, sizeof(name), "%s switch", length_name(len));
	report(name, 1, GENERATORS);
	write_csv(1, name, "none", &none);
	progress("%s", "");
	printf("%12s %10.1f without any call before it\n", "", none.median);
}

/* In a process of its own: an error from each getrandom() system call, from now on. */
static void refuse_system_calls(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getrandom, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(filter) / sizeof(filter[0]), filter };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		err(1, "seccomp");
}

/* Does a generator with a seed draw by itself? Without a seed, it must not seem to. */
static int draw_alone(int which)
{
	const struct generator *g = &generators[which];
	const size_t size = g->params.size_of_opaque_state;
	size_t i;

	g->fn(workers[0].buffer, 1, 0, workers[0].states[which], size);
	refuse_system_calls();
	for (i = 0; i < NUM_LENGTHS; i++)
		if (lengths[i] != MIXED_LEN && lengths[i] != MIXED_LONG_LEN &&
		    g->fn(workers[0].buffer, lengths[i], 0, workers[0].states[which], size) !=
		    (ssize_t)lengths[i])
			return 1;
	memset(workers[0].states[which], 0, size);
	return g->fn(workers[0].buffer, 1, 0, workers[0].states[which], size) >= 0;
}

/*
 * Nothing would be gained from measuring a vDSO that makes the system call. The running
 * kernel may reseed meanwhile, so try again.
 */
static void expect_to_draw_alone(int which)
{
	int tries, status;
	pid_t pid;

	for (tries = 0; tries < 3; tries++) {
		fflush(stdout);
		pid = fork();
		if (!pid)
			_exit(draw_alone(which));
		if (pid < 0 || waitpid(pid, &status, 0) != pid)
			err(1, "fork");
		if (!status)
			return;
	}
	errx(1, "%s: %s makes system calls", level_name, subjects[which].name);
}

static int measure(const char *path, const struct level *level)
{
	pthread_t other[MAX_THREADS];
	int i;

	subjects_init(path, level, other_image, images_only);
	for (i = 0; i < num_cpus; i++)
		worker_init(&workers[i]);
	for (i = VDSO; i <= MAINLINE; i++)
		if (subjects[i].available)
			expect_to_draw_alone(i);
	pin(cpus[0]);

	measure_lengths(1);
	if (images_only)
		return 0;
	printf("many states, each one cold; the mean of %d calls, refills included\n", COLD_STATES);
	progress("%s: many states, each one cold", level_name);
	measure_cold(4);
	measure_cold(32);
	measure_cold(64);
	progress("%s: after idle", level_name);
	measure_idle(4);
	measure_idle(1024);
	if (__builtin_cpu_supports("avx2")) {
		measure_dirty(4);
		measure_dirty(32);
		measure_dirty(1024);
	}
	progress("%s: switches of context", level_name);
	measure_switch(1024);
	report_counts();
	report_roofline(level);

	if (num_cpus < 2) {
		printf("one processor: no figures for two threads\n");
		return 0;
	}
	for (i = 1; i < num_cpus; i++)
		if (pthread_create(&other[i], NULL, follow, (void *)(long)i))
			err(1, "thread");
	measure_lengths(num_cpus);
	return 0;
}

/* In a process of its own, whose exit status is the result; -1 if it has none. */
static int in_child(const char *path, const struct level *level,
		    int (*work)(const char *path, const struct level *level))
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		err(1, "fork");
	if (!pid) {
		status = work(path, level);
		fflush(stdout);
		_exit(status);
	}
	if (waitpid(pid, &status, 0) != pid)
		err(1, "waitpid");
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	warnx("%s: ended by signal %d", level->name, WTERMSIG(status));
	return -1;
}

static int check(const char *path, const struct level *level)
{
	return check_image(path, level);
}

/* True unless something is wrong. */
static bool run_level(const char *path, const struct level *level)
{
	struct image image;
	int result;

	level_name = level->name;
	if (!level->available()) {
		printf("%s: this processor does not have it\n", level->name);
		return true;
	}
	image_load(&image, path, level, NULL);
	if (!image.has_level) {
		printf("%s: the image has no code for it\n", level->name);
		return true;
	}
	result = in_child(path, level, check);
	if (result != CHECK_PASSED && result != CHECK_SKIPPED)
		return false;
	return !csv || !in_child(path, level, measure);
}

static bool wanted(const struct level *level, char **names)
{
	if (!*names)
		return true;
	for (; *names; names++)
		if (!strcmp(level->name, *names))
			return true;
	return false;
}

static void open_csv(const char *path)
{
	csv = fopen(path, "w");
	if (!csv)
		err(1, "%s", path);
	fprintf(csv, "level,threads,size,subject,min_ns,median_ns\n");
	fflush(csv);
}

int main(int argc, char **argv)
{
	const char *image;
	size_t i;

	if (argc > 3 && (!strcmp(argv[1], "against") || !strcmp(argv[1], "beside"))) {
		images_only = !strcmp(argv[1], "against");
		other_image = argv[2];
		argc -= 2;
		argv += 2;
	}
	if (argc < 3)
		errx(2, "usage: bench [beside OTHER|against OTHER] IMAGE CSV [LEVEL...] or bench check IMAGE [LEVEL...]");
	if (!strcmp(argv[1], "check")) {
		image = argv[2];
	} else {
		image = argv[1];
		open_csv(argv[2]);
		find_cpus();
		if (!other_image && !running_vdso_symbol("__vdso_getrandom"))
			printf("the running kernel has no getrandom() in its vDSO: nothing of mainline's to compare with\n");
	}
	for (i = 0; i < num_levels; i++)
		if (wanted(&levels[i], argv + 3) && !run_level(image, &levels[i]))
			return 1;
	return 0;
}
