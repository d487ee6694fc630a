// SPDX-License-Identifier: MIT
/* fork - children of all kinds draw other bytes than their parents, and lose no states. */
#define _GNU_SOURCE
#include "states.h"
#include <sched.h>
#include <spawn.h>

enum { THREADS = 4, DRAWS = 3, MOST = 200000 };

static struct shared {
	size_t count;
	size_t bad;
	struct value values[MOST];
} *shared;

static bool stop;

static void draw_and_record(void)
{
	size_t n = __atomic_fetch_add(&shared->count, 1, __ATOMIC_SEQ_CST);

	if (n < MOST)
		vgr_random_buf(&shared->values[n], sizeof(struct value));
}

/* The values since then, of all processes */
static void check_values(const char *what)
{
	size_t count = shared->count < MOST ? shared->count : MOST;
	size_t wrong = count_wrong(shared->values, count);

	check(!wrong && count, "%s: each value once, none zero # %zu values, %zu wrong", what, count, wrong);
	shared->count = 0;
	memset(shared->values, 0, count * sizeof(shared->values[0]));
}

static void *draw_until_stopped(void *unused)
{
	(void)unused;
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED))
		vgr_random();
	return NULL;
}

static void *draw_in_thread(void *unused)
{
	(void)unused;
	draw_and_record();
	return NULL;
}

__attribute__((noreturn))
static void be_child(size_t most)
{
	pthread_t thread;
	size_t held = taken();

	for (int i = 0; i < DRAWS; i++)
		draw_and_record();
	/* Its own state must not be anybody else's. */
	if (self.slot && !table.owner[index_of(self.slot->state)])
		_exit(1);
	/* Neither sanitizers nor qemu-user stand threads in the child of a threaded process. */
	if (!SANITIZED && !getenv("TEST_EMULATED")) {
		start(&thread, draw_in_thread, NULL);
		pthread_join(thread, NULL);
	}
	_exit(held > most || taken() > most);
}

static void *fork_some(void *count)
{
	for (int i = 0; i < *(int *)count; i++) {
		pid_t pid;

		draw_and_record();
		pid = fork();
		if (pid < 0)
			give_up("fork");
		if (!pid)
			be_child(1);
		draw_and_record();
		if (status_of(pid))
			__atomic_fetch_add(&shared->bad, 1, __ATOMIC_SEQ_CST);
	}
	return NULL;
}

static void test_fork_from_threads(void)
{
	pthread_t forking[THREADS], drawing[THREADS];
	int count = scaled(500);

	stop = false;
	for (int i = 0; i < THREADS; i++) {
		start(&drawing[i], draw_until_stopped, NULL);
		start(&forking[i], fork_some, &count);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(forking[i], NULL);
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (int i = 0; i < THREADS; i++)
		pthread_join(drawing[i], NULL);
	check_values("fork from threads");
	check(!shared->bad, "fork from threads: a child has its own state and no other # %zu children had not", shared->bad);
	shared->bad = 0;
}

static timer_t timer;

/* Once each time: a fork() that a signal interrupts starts again, maybe for ever. */
static void set_timer(void)
{
	struct itimerspec once = { .it_value.tv_nsec = 100000 + shared->count % 64 * 1000 };

	if (timer_settime(timer, 0, &once, NULL))
		give_up("timer_settime");
}

static void fork_in_handler(int signal)
{
	pid_t pid = fork();

	(void)signal;
	if (pid < 0)
		give_up("fork");
	if (!pid)
		be_child(1);
	if (status_of(pid))
		shared->bad++;
	set_timer();
}

static void test_fork_from_handlers(void)
{
	struct sigaction action = { .sa_handler = fork_in_handler };
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM };
	double end = seconds() + (double)scaled(1000) / 1000;

	sigaction(SIGALRM, &action, NULL);
	if (timer_create(CLOCK_MONOTONIC, &event, &timer))
		give_up("timer_create");
	set_timer();
	while (seconds() < end) {
		draw_and_record();
		for (int i = 0; i < 100; i++)
			vgr_random();
	}
	/* Or a last signal would set the timer that is gone. */
	signal(SIGALRM, SIG_IGN);
	timer_delete(timer);
	check_values("fork from handlers");
	check(!shared->bad, "fork from handlers: a child has its own state and no other # %zu children had not", shared->bad);
	shared->bad = 0;
}

/* Each child forks the next one. */
static void fork_on(int generations)
{
	pid_t pid;

	for (int i = 0; i < DRAWS; i++)
		draw_and_record();
	if (!generations)
		return;
	pid = fork();
	if (pid < 0)
		give_up("fork");
	if (!pid) {
		fork_on(generations - 1);
		_exit(0);
	}
	if (status_of(pid))
		shared->bad++;
	draw_and_record();
}

/* No handler runs in these children, so states of other threads stay taken. */
static void test_bare_clone(void)
{
	pthread_t thread;
	pid_t pid;

	stop = false;
	start(&thread, draw_until_stopped, NULL);
	for (int i = 0; i < scaled(100); i++) {
		draw_and_record();
		pid = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
		if (pid < 0)
			give_up("clone");
		if (!pid) {
			for (int j = 0; j < DRAWS; j++)
				draw_and_record();
			_exit(taken() > 2);
		}
		draw_and_record();
		if (status_of(pid))
			shared->bad++;
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	check_values("bare clone()");
	check(!shared->bad, "bare clone(): the child has its parent's states, and no more");
	shared->bad = 0;
}

/* --- Children that share memory with their parent */

static pid_t volatile victim;

static void *draw_in_vfork(void *before)
{
	size_t *states = before;
	pid_t pid;

	pid = vfork();
	if (!pid) {
		for (int i = 0; i < DRAWS; i++)
			draw_and_record();
		_exit(0);
	}
	draw_and_record();
	if (pid < 0 || status_of(pid))
		shared->bad++;
	if (vgr.base && taken() > *states + 1)
		shared->bad++;
	return NULL;
}

/* Some tools make an ordinary fork() of it. */
static bool vfork_shares_memory(void)
{
	static volatile bool shares;
	pid_t pid = vfork();

	if (!pid) {
		shares = true;
		_exit(0);
	}
	if (pid > 0)
		status_of(pid);
	return shares;
}

static void test_vfork(void)
{
	size_t before = taken();
	pthread_t thread;

	for (int i = 0; i < scaled(200); i++) {
		start(&thread, draw_in_vfork, &before);
		pthread_join(thread, NULL);
	}
	check_values("vfork, the child draws first");
	check(!shared->bad && taken() == before,
	      "vfork, the child draws first: its state is its parent's # %zu bad, %zu taken", shared->bad, taken());
	shared->bad = 0;
}

static void *kill_victim(void *unused)
{
	struct timespec moment = { 0, 500000 };

	(void)unused;
	while (!victim)
		sched_yield();
	nanosleep(&moment, NULL);
	kill(victim, SIGKILL);
	return NULL;
}

static void *lose_vforked(void *unused)
{
	pthread_t killer;
	pid_t pid;

	(void)unused;
	victim = 0;
	start(&killer, kill_victim, NULL);
	pid = vfork();
	if (!pid) {
		victim = syscall(SYS_getpid);
		for (;;)
			vgr_random();
	}
	for (int i = 0; i < 2 * PATIENCE; i++)
		draw_and_record();
	if (pid < 0 || status_of(pid) != SIGKILL)
		shared->bad++;
	pthread_join(killer, NULL);
	return NULL;
}

static void test_killed_vfork(void)
{
	size_t before = taken();
	pthread_t thread;

	if (!vfork_shares_memory()) {
		skip("vfork, the child is killed in a draw", "vfork() is a fork() here");
		return;
	}
	for (int i = 0; i < scaled(200); i++) {
		start(&thread, lose_vforked, NULL);
		pthread_join(thread, NULL);
	}
	check_values("vfork, the child is killed in a draw");
	check(!shared->bad && taken() == before,
	      "vfork, the child is killed in a draw: no state is lost # %zu bad, %zu taken", shared->bad, taken());
	shared->bad = 0;
}

static void test_spawn(const char *program)
{
	extern char **environ;
	size_t before = taken();
	int failed = 0;

	if (getenv("TEST_EMULATED")) {
		skip("posix_spawn", "only the emulator can run the program");
		return;
	}
	for (int i = 0; i < scaled(50); i++) {
		char *arguments[] = { (char *)program, "spawned", NULL };
		pid_t pid;

		draw_and_record();
		if (posix_spawn(&pid, program, NULL, NULL, arguments, environ) || status_of(pid))
			failed++;
		draw_and_record();
	}
	check(!failed, "posix_spawn: the new program draws # %d failed", failed);
	check_values("posix_spawn");
	check(!vgr.base || taken() <= before + 1, "posix_spawn: no state is lost # %zu taken", taken());
}

/* The first draws of a process, from many threads at once. */
static int be_spawned(void)
{
	struct value values[2];

	vgr_random_buf(values, sizeof(values));
	return count_wrong(values, 2) ? 1 : 0;
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "spawned"))
		return be_spawned();
	shared = shared_memory(sizeof(*shared));
	test_vfork();	/* nobody has drawn yet */
	test_killed_vfork();
	test_fork_from_threads();
	test_fork_from_handlers();
	fork_on(50);
	check_values("fork of a fork");
	check(!shared->bad, "fork of a fork: all children end well");
	test_bare_clone();
	test_spawn((const char *)getauxval(AT_EXECFN));
	return finish();
}
