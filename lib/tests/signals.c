// SPDX-License-Identifier: MIT
/* signals - storms of signals whose handlers draw, jump out of draws or switch contexts. */
#define _GNU_SOURCE
#include "states.h"
#include <setjmp.h>
#include <ucontext.h>

/* musl has the functions in a library of its own. */
#ifdef __GLIBC__
# define CONTEXT_SWITCHES 1
#else
# define CONTEXT_SWITCHES 0
# define getcontext(context)		0
# define makecontext(context, ...)	((void)0)
# define setcontext(context)		((void)0)
# define swapcontext(from, to)		((void)0)
#endif

#ifndef sigev_notify_thread_id
# define sigev_notify_thread_id _sigev_un._tid
#endif

enum { THREADS = 4, MOST = 300000, CONTEXTS = 5 };

enum how { DRAW, JUMP, SWITCH };

struct storm {
	enum how how;
	bool stack;	/* handlers run on an alternate stack */
	size_t count;
	struct value *values;
	sigjmp_buf back;
	volatile sig_atomic_t may_jump;
	size_t signals;
	double end;
	ucontext_t contexts[CONTEXTS], first;
	int current;
	timer_t timer;
	volatile sig_atomic_t over;
	long pause;
};

static __thread struct storm *storm;
static bool stop;

static void draw_and_record(void)
{
	struct value value = {};
	size_t n;

	/* Before it has a place: a handler may draw others meanwhile, or jump out of here. */
	vgr_random_buf(&value, sizeof(value));
	n = __atomic_fetch_add(&storm->count, 1, __ATOMIC_RELAXED);
	if (n < MOST)
		storm->values[n] = value;
}

static void switch_context(void)
{
	int from = storm->current;

	storm->current = (from + 1) % CONTEXTS;
	swapcontext(&storm->contexts[from], &storm->contexts[storm->current]);
}

/* Once each time, or a slow machine would do nothing but handle signals. */
static void set_timer(void)
{
	struct itimerspec once = { .it_value.tv_nsec = storm->pause + storm->signals * 997 % 16384 };

	/* The thread sanitizer delivers signals late. */
	if (!storm->over && timer_settime(storm->timer, 0, &once, NULL))
		give_up("timer_settime");
}

static void handle(int signal)
{
	(void)signal;
	storm->signals++;
	set_timer();
	if (storm->how != SWITCH)
		draw_and_record();
	if (storm->how == JUMP && storm->may_jump && storm->signals % 4 == 0)
		siglongjmp(storm->back, 1);
	if (storm->how == SWITCH)
		switch_context();
}

/* The pause lets some draws happen between two signals. */
static void make_timer(void)
{
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR1 };
	double begin;

	event.sigev_notify_thread_id = syscall(SYS_gettid);
	if (timer_create(CLOCK_MONOTONIC, &event, &storm->timer))
		give_up("timer_create");
	begin = seconds();
	for (int i = 0; i < 100; i++)
		syscall(SYS_getpid);
	storm->pause = 10000 + (seconds() - begin) / 100 * 1e9 * 20;
}

static void draw_until_end(void)
{
	volatile int round = 0;
	unsigned char buf[250];

	while (seconds() < storm->end) {
		for (volatile int i = 0; i < 20; i++) {
			draw_and_record();
			vgr_getrandom(buf, round++ % sizeof(buf), 0);
		}
	}
}

/*
 * Signals are blocked until here: one that came in the middle of swapcontext() would run
 * its handler on the stack of the context that is being left.
 */
static void leave_contexts(void)
{
	sigset_t all;

	sigemptyset(&all);
	sigaddset(&all, SIGUSR1);
	pthread_sigmask(SIG_UNBLOCK, &all, NULL);
	draw_until_end();
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	setcontext(&storm->first);
}

static void draw_in_contexts(void)
{
	enum { SIZE = 128 << 10 };
	char *stacks = malloc(CONTEXTS * SIZE);
	volatile bool over = false;

	for (int i = 0; i < CONTEXTS; i++) {
		getcontext(&storm->contexts[i]);
		storm->contexts[i].uc_stack.ss_sp = stacks + i * SIZE;
		storm->contexts[i].uc_stack.ss_size = SIZE;
		makecontext(&storm->contexts[i], leave_contexts, 0);
	}
	getcontext(&storm->first);
	if (!over) {
		over = true;
		storm->current = 0;
		setcontext(&storm->contexts[0]);
	}
	/* Not freed: the stacks of contexts that were left in mid-draw */
}

static void *weather(void *arg)
{
	stack_t stack = { .ss_size = 64 << 10 };
	sigset_t set;

	storm = arg;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	if (storm->stack) {
		stack.ss_sp = malloc(stack.ss_size);
		sigaltstack(&stack, NULL);
	}
	make_timer();
	set_timer();
	if (storm->how == SWITCH) {
		draw_in_contexts();
	} else {
		if (storm->how == JUMP) {
			sigsetjmp(storm->back, 1);
			storm->may_jump = 1;
		}
		pthread_sigmask(SIG_UNBLOCK, &set, NULL);
		draw_until_end();
		storm->may_jump = 0;
	}
	storm->over = 1;
	timer_delete(storm->timer);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	/* With the timer gone and the signal blocked, nothing draws any more. */
	if (storm->stack) {
		stack.ss_flags = SS_DISABLE;
		sigaltstack(&stack, NULL);
		free(stack.ss_sp);
	}
	return NULL;
}

static void *drop_pages(void *unused)
{
	struct timespec moment = { 0, 30000 };

	(void)unused;
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		wipe_for_all();
		nanosleep(&moment, NULL);
	}
	return NULL;
}

/* Append the values, but not the places of those that a jump prevented. */
static size_t append(struct value *all, size_t count, const struct storm *from)
{
	static const struct value none = { ~0ull, ~0ull };

	for (size_t i = 0; i < from->count && i < MOST; i++)
		if (memcmp(&from->values[i], &none, sizeof(none)))
			all[count++] = from->values[i];
	return count;
}

static void test(const char *what, enum how how, bool stack, bool drop)
{
	static struct storm storms[THREADS];
	struct sigaction action = { .sa_handler = handle, .sa_flags = stack ? SA_ONSTACK : 0 };
	struct value *all = malloc(sizeof(*all) * THREADS * MOST);
	size_t count = 0, wrong, signals = 0, before = taken();
	pthread_t threads[THREADS], dropper;

	/* Another signal may come while a handler draws. */
	action.sa_flags |= SA_NODEFER;
	if (how == SWITCH || stack)
		action.sa_flags &= ~SA_NODEFER;
	sigaction(SIGUSR1, &action, NULL);
	stop = false;
	if (drop)
		start(&dropper, drop_pages, NULL);
	for (int i = 0; i < THREADS; i++) {
		memset(&storms[i], 0, sizeof(storms[i]));
		storms[i].how = how;
		storms[i].stack = stack;
		storms[i].values = malloc(sizeof(struct value) * MOST);
		memset(storms[i].values, 0xff, sizeof(struct value) * MOST);
		storms[i].end = seconds() + scaled(1000) / 1000.0;
		if (pthread_create(&threads[i], NULL, weather, &storms[i]))
			give_up("pthread_create");
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		count = append(all, count, &storms[i]);
		signals += storms[i].signals;
		free(storms[i].values);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	if (drop)
		pthread_join(dropper, NULL);
	wrong = count_wrong(all, count);
	check(!wrong && signals, "%s: each value once, none zero # %zu signals, %zu values, %zu wrong",
	      what, signals, count, wrong);
	check(taken() == before, "%s: no state is lost # %zu taken", what, taken());
	free(all);
}

int main(void)
{
	test("handlers draw", DRAW, false, false);
	test("handlers draw, pages are dropped", DRAW, false, true);
	test("handlers draw on another stack, pages are dropped", DRAW, true, true);
	test("handlers jump out", JUMP, false, false);
	test("handlers jump out, pages are dropped", JUMP, false, true);
	if (!CONTEXT_SWITCHES || SANITIZED || getenv("TEST_EMULATED")) {
		skip("handlers switch contexts", "musl, sanitizers and qemu-user cannot");
		return finish();
	}
	test("handlers switch contexts", SWITCH, false, false);
	test("handlers switch contexts, pages are dropped", SWITCH, false, true);
	return finish();
}
