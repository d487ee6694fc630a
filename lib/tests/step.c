// SPDX-License-Identifier: MIT
/*
 * step [all] - a signal handler at each instruction boundary of a draw.
 *
 * A parent steps a child so many instructions into a draw, and then delivers a signal.
 * What the child's handler does, and what it interrupts, are the cases. Long draws take
 * minutes: without "all", they are interrupted at each boundary at their beginning, where
 * the library is, and at a few later.
 */
#define _GNU_SOURCE
#include "states.h"
#include <sched.h>
#include <setjmp.h>
#include <ucontext.h>

#ifdef __x86_64__
#include <sys/ptrace.h>
#include <sys/user.h>

enum { WIPE = 1, DRAW = 2, DRAW_MUCH = 4, FORK = 8, JUMP = 16, WIPE_AGAIN = 32 };

static const struct action {
	const char *name;
	int what;
} actions[] = {
	{ "nothing", 0 },
	{ "a wipe", WIPE },
	{ "a draw", DRAW },
	{ "a wipe and a draw", WIPE | DRAW },
	{ "a draw and a wipe", DRAW | WIPE_AGAIN },
	{ "many draws", WIPE | DRAW_MUCH },
	{ "a fork", FORK },
	{ "a fork and draws", FORK | DRAW },
	{ "a fork and many draws", FORK | DRAW_MUCH },
	{ "a longjmp", JUMP },
	{ "a draw and a longjmp", DRAW | JUMP },
	{ "a wipe, many draws and a longjmp", WIPE | DRAW_MUCH | JUMP },
	{ "a fork and a longjmp", FORK | JUMP },
};

static const struct kind {
	const char *name;
	size_t size;
	bool first;	/* the thread has no state yet */
} kinds[] = {
	{ "first draw", 16, true },
	{ "8 bytes", 8, false },
	{ "40 bytes", 40, false },
	{ "250 bytes", 250, false },
};

/* The library has fewer boundaries before and behind the vDSO's code than that. */
enum { FIRST_EDGE = 150, EDGE = 60, END = 40, MANY = PATIENCE + 2, AFTER = 3, VALUES = 2000000, BUFFER = 256 };

static struct shared {
	const struct action *action;
	size_t count;
	size_t dropped;
	size_t short_results;
	size_t leaked;
	size_t bad_children;
	int boundary, length;
	bool last;
	bool drawn;
	/* The interrupted draw of the handler's child */
	bool child_drew;
	unsigned char childs[BUFFER];
	size_t same;
	uint64_t values[VALUES];
} *shared;

static jmp_buf before_draw;
static bool is_child;

static void record(const unsigned char *buf, size_t size)
{
	for (size_t i = 0; i + 8 <= size; i += 8) {
		size_t n = __atomic_fetch_add(&shared->count, 1, __ATOMIC_SEQ_CST);

		if (n < VALUES)
			memcpy(&shared->values[n], buf + i, 8);
		else
			shared->dropped++;
	}
}

static void draw_and_record(size_t size)
{
	unsigned char buf[BUFFER] = {};

	shared->short_results += vgr_getrandom(buf, size, 0) != (ssize_t)size;
	record(buf, size);
}

static void act(int signal)
{
	int what = shared->action->what;
	pid_t pid;

	(void)signal;
	if (what & WIPE)
		wipe();
	if (what & FORK) {
		pid = fork();
		if (pid < 0)
			give_up("fork");
		if (pid)
			shared->bad_children += status_of(pid) != 0;
		else
			is_child = true;
	}
	if (what & (DRAW | DRAW_MUCH))
		for (int i = what & DRAW ? 1 : MANY; i; i--)
			draw_and_record(16);
	if (what & WIPE_AGAIN)
		wipe();
	if (what & JUMP)
		siglongjmp(before_draw, 1);
}

/* The parent steps from one breakpoint to the other. */
__attribute__((noinline, noclone))
static void stepped_draw(unsigned char *buf, size_t size)
{
	ssize_t result;

	__asm__ volatile("int3" : : : "memory");
	result = vgr_getrandom(buf, size, 0);
	*(volatile bool *)&shared->drawn = true;
	__asm__ volatile("int3" : : : "memory");
	shared->short_results += result != (ssize_t)size;
}

/* Everything that the thread has is returned, whatever happened to it. */
static void forget_thread(void)
{
	end_thread(&self);
	for (size_t i = 0; i < STATES; i++) {
		if (table.owner[i]) {
			shared->leaked++;
			free_state(i);
		}
	}
	memset(&self, 0, sizeof(self));
}

/*
 * A fork() after the draw's last look at the kernel's generation is one after the draw:
 * only then may both have the same result. Behind that look there are few instructions.
 */
static void end_draw(const unsigned char *buf, size_t size)
{
	if (is_child) {
		memcpy(shared->childs, buf, size);
		shared->child_drew = true;
		return;
	}
	record(buf, size);
	if (!shared->child_drew)
		return;
	if (!memcmp(shared->childs, buf, size) &&
	    shared->boundary >= shared->length - END)
		shared->same++;
	else
		record(shared->childs, size);
}

static void draw_under_steps(const struct kind *kind)
{
	unsigned char buf[BUFFER] = {};

	forget_thread();
	shared->child_drew = false;
	if (!kind->first)
		draw_and_record(8);
	if (!sigsetjmp(before_draw, 1)) {
		stepped_draw(buf, kind->size);
		end_draw(buf, kind->size);
	} else {
		/* The breakpoint that the parent waits for */
		kill(getpid(), SIGTRAP);
	}
	for (int i = 0; i < AFTER; i++)
		draw_and_record(16);
	if (is_child)
		_exit(0);
}

/* --- Two contexts, which handlers switch between in the middle of a draw each */

static ucontext_t main_context, other_context, main_in_handler, other_in_handler;
static unsigned char other_bytes[16];
static volatile bool switched, gone_on;

static void draw_in_other(void)
{
	__asm__ volatile("int3" : : : "memory");
	shared->short_results += vgr_getrandom(other_bytes, sizeof(other_bytes), 0) !=
				 sizeof(other_bytes);
	/* Some draws are shorter than the parent's steps. */
	while (!gone_on)
		;
	swapcontext(&other_context, &main_context);
}

static void switch_to_other(int signal)
{
	(void)signal;
	switched = true;
	swapcontext(&main_in_handler, &other_context);
}

static void switch_back(int signal)
{
	(void)signal;
	wipe();
	swapcontext(&other_in_handler, &main_in_handler);
}

static void draw_in_two_contexts(void)
{
	static char stack[64 << 10];
	unsigned char buf[BUFFER] = {};

	forget_thread();
	draw_and_record(8);
	switched = gone_on = false;
	memset(other_bytes, 0, sizeof(other_bytes));
	getcontext(&other_context);
	other_context.uc_stack.ss_sp = stack;
	other_context.uc_stack.ss_size = sizeof(stack);
	makecontext(&other_context, draw_in_other, 0);
	stepped_draw(buf, 16);
	record(buf, 16);
	if (switched) {
		gone_on = true;
		swapcontext(&main_context, &other_in_handler);
		record(other_bytes, sizeof(other_bytes));
	}
	for (int i = 0; i < AFTER; i++)
		draw_and_record(16);
}

static void ignore(int signal)
{
	(void)signal;
}

__attribute__((noreturn))
static void be_stepped(const struct kind *kind)
{
	/* A breakpoint of a child's child, which nobody traces, has no effect. */
	struct sigaction trap = { .sa_handler = ignore };
	struct sigaction usr1 = { .sa_handler = kind ? act : switch_to_other };
	struct sigaction usr2 = { .sa_handler = switch_back };

	sigaction(SIGTRAP, &trap, NULL);
	sigaction(SIGUSR1, &usr1, NULL);
	sigaction(SIGUSR2, &usr2, NULL);
	if (ptrace(PTRACE_TRACEME, 0, 0, 0))
		give_up("PTRACE_TRACEME");
	raise(SIGSTOP);
	while (!shared->last) {
		if (kind)
			draw_under_steps(kind);
		else
			draw_in_two_contexts();
	}
	_exit(0);
}

/* --- The parent */

static void resume(int how, pid_t pid, int signal)
{
	int status;

	do {
		if (ptrace(how, pid, 0, signal))
			give_up("ptrace");
		status = status_of(pid);
		signal = SIGCHLD;
	} while (WIFSTOPPED(status) && WSTOPSIG(status) == SIGCHLD);
	if (WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP)
		return;
	if (WIFEXITED(status) && !WEXITSTATUS(status) && shared->last)
		return;
	printf("Bail out! the child stopped with status %#x\n", status);
	exit(1);
}

static bool has_drawn(void)
{
	return *(volatile bool *)&shared->drawn;
}

/*
 * Step over so many instructions, then deliver the signal. Returns the number of steps
 * that the draw has when it ends before.
 */
static int interrupt_at(pid_t pid, int boundary)
{
	int steps = 0, length = 0;

	shared->drawn = false;
	shared->boundary = boundary;
	resume(PTRACE_CONT, pid, 0);		/* up to the first breakpoint */
	for (; steps < boundary && !has_drawn(); steps++)
		resume(PTRACE_SINGLESTEP, pid, 0);
	if (has_drawn())
		length = steps;
	resume(PTRACE_CONT, pid, length ? 0 : SIGUSR1);
	/* It stands behind the second breakpoint, or behind the one after the longjmp(). */
	return length;
}

static int compare_numbers(const void *a, const void *b)
{
	uint64_t x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return x < y ? -1 : x > y;
}

static size_t count_bad(uint64_t *values, size_t count)
{
	size_t bad = 0;

	qsort(values, count, sizeof(*values), compare_numbers);
	for (size_t i = 0; i < count; i++)
		bad += !values[i] || (i && values[i] == values[i - 1]);
	return bad;
}

static int next_boundary(int boundary, int length, int edge, bool all)
{
	int end = length - END, next;

	if (all || boundary < edge || length < 300)
		return boundary + 1;
	if (boundary >= end)
		return boundary + 8;
	next = boundary + (end - edge) / 12;
	return next < end ? next : end + boundary % 8;
}

static pid_t start_child(const struct kind *kind, const struct action *action)
{
	pid_t pid;

	memset(shared, 0, sizeof(*shared) - sizeof(shared->values));
	shared->action = action;
	pid = fork();
	if (pid < 0)
		give_up("fork");
	if (!pid)
		be_stepped(kind);
	status_of(pid);
	ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_EXITKILL);
	return pid;
}

/*
 * The first draw is left where it is in the library, before it gets to the vDSO, and the
 * second one anywhere. Steps cost time: with "all", each pair of boundaries is tried.
 */
enum { FIRST = 30, SECOND = 130 };

static void test_contexts(bool all)
{
	pid_t pid = start_child(NULL, NULL);
	int tried = 0;
	size_t bad;

	for (int first = 0; first < FIRST; first++) {
		for (int second = 1; second < SECOND; second += all ? 1 : 4) {
			if (interrupt_at(pid, first))
				break;
			for (int step = (second + first) % SECOND; step; step--)
				resume(PTRACE_SINGLESTEP, pid, 0);
			resume(PTRACE_CONT, pid, SIGUSR2);
			tried++;
		}
	}
	shared->last = true;
	resume(PTRACE_CONT, pid, 0);
	bad = count_bad(shared->values, shared->count);
	check(!bad && !shared->dropped && !shared->short_results && !shared->leaked && tried > 10,
	      "two contexts, switched by handlers # %d pairs of boundaries, %zu values; "
	      "%zu zero or repeated, %zu short, %zu states leaked",
	      tried, shared->count, bad, shared->short_results, shared->leaked);
}

static void test(const struct kind *kind, const struct action *action, bool all)
{
	int length, tried = 0, boundary;
	size_t bad;
	pid_t pid;

	pid = start_child(kind, action);
	length = interrupt_at(pid, 1000000);
	shared->length = length;
	/* Not the same ones for each action */
	boundary = (action - actions) % 8;
	for (;;) {
		int end = interrupt_at(pid, boundary);

		/* Not each draw has the same length. */
		if (end && boundary >= length)
			break;
		tried++;
		boundary = next_boundary(boundary, length, kind->first ? FIRST_EDGE : EDGE, all);
	}
	shared->last = true;
	resume(PTRACE_CONT, pid, 0);
	bad = count_bad(shared->values, shared->count);
	check(!bad && !shared->dropped && !shared->short_results && !shared->leaked &&
	      !shared->bad_children && tried > 10,
	      "%s, %s in a handler # %d of %d boundaries, %zu values; %zu zero or repeated, "
	      "%zu short, %zu states leaked, %zu bad children, %zu forked at the end",
	      kind->name, action->name, tried, length, shared->count, bad,
	      shared->short_results, shared->leaked, shared->bad_children, shared->same);
}

/* On one processor, a step does not have to wake up another one. */
static void stay_here(void)
{
	cpu_set_t here;

	CPU_ZERO(&here);
	CPU_SET(sched_getcpu(), &here);
	sched_setaffinity(0, sizeof(here), &here);
}

int main(int argc, char **argv)
{
	bool all = argc > 1 && !strcmp(argv[1], "all");

	stay_here();
	shared = shared_memory(sizeof(*shared));
	vgr_prepare();
	test_contexts(all);
	for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++)
		for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
			test(&kinds[k], &actions[i], all);
	return finish();
}
#else
int main(void)
{
	skip("a handler at each instruction", "nothing here steps through this architecture's code");
	return finish();
}
#endif
