/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vdso_step.h: stop another process at any instruction of a vDSO function
 *
 * The process ("actor") is traced by its parent. Its steps are no signals to it,
 * so what it runs is what it would run alone, and a signal that the tracer lets
 * through arrives between exactly the two instructions where it was stopped.
 *
 * ptrace() sleeps for a tick when it finds the other process not yet off its
 * CPU. With one CPU for both, which step_fork() sees to, it never does.
 */
#ifndef VDSO_STEP_H
#define VDSO_STEP_H

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

/* A system-call stop, with PTRACE_O_TRACESYSGOOD. */
#define STEP_SYSCALL_STOP	(SIGTRAP | 0x80)

#define STEP_OPTIONS		(PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL)

/**
 * struct step_actor - a traced process
 * @leader:	its process ID
 * @tid:	the thread that stopped last. Others than the leader join by
 *		step_join().
 * @status:	the last stop or, if the process has ended, its end, as waitpid()
 *		has it
 */
struct step_actor {
	pid_t leader;
	pid_t tid;
	int status;
};

/* Stop for the tracer, without a system call. */
static inline void step_trap(void)
{
	asm volatile ("int3" : : : "memory");
}

/* Be traced, and stop. For an actor's threads; the leader has done so. */
static inline bool step_join(void)
{
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
		return false;
	step_trap();
	return true;
}

/* Wait for the actor's next stop. False: it has ended. */
static inline bool step_wait(struct step_actor *actor)
{
	pid_t tid;

	do {
		/* The end of a thread is not the end of the process. */
		tid = waitpid(-1, &actor->status, __WALL);
		if (tid < 0)
			return false;
	} while (!WIFSTOPPED(actor->status) && tid != actor->leader);

	if (!WIFSTOPPED(actor->status))
		return false;
	if (tid != actor->tid) {
		actor->tid = tid;
		ptrace(PTRACE_SETOPTIONS, tid, NULL, (long)STEP_OPTIONS);
	}
	return true;
}

/* Let the actor go on in the manner of @request, with a signal, until it stops. */
static inline bool step_go(struct step_actor *actor, int request, int sig)
{
	return !ptrace(request, actor->tid, NULL, (long)sig) && step_wait(actor);
}

/* Is the actor in a step_trap(), at a breakpoint, or behind a single step? */
static inline bool step_is_trapped(const struct step_actor *actor)
{
	return actor->status >> 8 == SIGTRAP;
}

/*
 * Let the actor go on, with a signal, until it traps. Signals that are on their
 * way to it are let through.
 */
static inline bool step_continue(struct step_actor *actor, int sig)
{
	do {
		if (!step_go(actor, PTRACE_CONT, sig))
			return false;
		sig = WSTOPSIG(actor->status);
	} while (!step_is_trapped(actor));
	return true;
}

/**
 * step_count_calls() - like step_continue(), and look at the system calls
 * @actor:	stopped outside of system calls
 * @sig:	signal for it, or 0
 * @see:	called with the registers at entry into each system call
 * @arg:	for @see
 *
 * Return: false if the actor has ended.
 */
static inline bool
step_count_calls(struct step_actor *actor, int sig,
		 void (*see)(const struct user_regs_struct *regs, void *arg),
		 void *arg)
{
	struct user_regs_struct regs;
	bool inside = false;

	for (;;) {
		if (!step_go(actor, PTRACE_SYSCALL, sig))
			return false;
		if (step_is_trapped(actor))
			return true;
		sig = WSTOPSIG(actor->status);
		if (sig != STEP_SYSCALL_STOP)
			continue;
		sig = 0;
		inside = !inside;
		if (inside && !ptrace(PTRACE_GETREGS, actor->tid, NULL, &regs))
			see(&regs, arg);
	}
}

/**
 * step_fork() - fork a process and trace it
 * @actor:	to be filled in
 * @fn:		what it runs; the result is its exit status
 * @arg:	for @fn
 *
 * The process is stopped before @fn when this returns. The caller has moved to
 * one CPU, together with it, for good.
 *
 * Return: false if tracing is not permitted.
 */
static inline bool step_fork(struct step_actor *actor, int (*fn)(void *),
			     void *arg)
{
	cpu_set_t cpu;

	CPU_ZERO(&cpu);
	CPU_SET(sched_getcpu(), &cpu);
	sched_setaffinity(0, sizeof(cpu), &cpu);

	actor->tid = 0;
	actor->leader = fork();
	if (actor->leader < 0)
		return false;
	if (!actor->leader)
		_exit(step_join() ? fn(arg) : EXIT_FAILURE);
	return step_wait(actor);
}

/* End the actor, wherever it is. */
static inline void step_kill(struct step_actor *actor)
{
	kill(actor->leader, SIGKILL);
	while (step_wait(actor))
		;
}

static inline uintptr_t step_peek(const struct step_actor *actor, size_t offset)
{
	return ptrace(PTRACE_PEEKUSER, actor->tid, offset, NULL);
}

/* The next instruction. */
static inline uintptr_t step_ip(const struct step_actor *actor)
{
	return step_peek(actor, offsetof(struct user_regs_struct, rip));
}

static inline uintptr_t step_sp(const struct step_actor *actor)
{
	return step_peek(actor, offsetof(struct user_regs_struct, rsp));
}

/* Set the only breakpoint there is, in a debug register. */
static inline bool step_break(const struct step_actor *actor, uintptr_t at)
{
	const size_t dr0 = offsetof(struct user, u_debugreg[0]);
	const size_t dr7 = offsetof(struct user, u_debugreg[7]);

	return !ptrace(PTRACE_POKEUSER, actor->tid, dr0, at) &&
	       !ptrace(PTRACE_POKEUSER, actor->tid, dr7, 1L);
}

/*
 * Take the breakpoint away, and the resume flag with it. A signal frame would save
 * that, and the return from the handler run past the next breakpoint.
 */
static inline bool step_unbreak(const struct step_actor *actor)
{
	const size_t dr7 = offsetof(struct user, u_debugreg[7]);
	const size_t flags = offsetof(struct user_regs_struct, eflags);
	const long resume = 1L << 16;

	return !ptrace(PTRACE_POKEUSER, actor->tid, flags,
		       step_peek(actor, flags) & ~resume) &&
	       !ptrace(PTRACE_POKEUSER, actor->tid, dr7, 0L);
}

/* Run until an instruction has been reached @times times, at most to a trap. */
static inline bool step_run_to(struct step_actor *actor, uintptr_t at,
			       unsigned int times)
{
	bool there = step_break(actor, at);

	while (there && times--)
		there = step_continue(actor, 0) && step_ip(actor) == at;
	return step_unbreak(actor) && there;
}

/* A system-call instruction to send a stopped process to. */
asm (".pushsection .text\n"
	"step_syscall_insn: syscall\n"
	"int3\n"
	".popsection");
extern const char step_syscall_insn[];

/* Is that the instruction there? The tracer's vDSO is the same, and there, too. */
static inline bool step_is_syscall(uintptr_t at)
{
	return !memcmp((void *)at, step_syscall_insn, 2);
}

/* No vDSO is larger. */
#define STEP_VDSO_SIZE		(64 * 1024)

/* Between a step_trap() and the call that follows it. */
#define STEP_MAX_TO_CALL	1000

/**
 * struct step_insn - an instruction of a call
 * @at:		its address
 * @visits:	how often the call has been there before
 */
struct step_insn {
	uintptr_t at;
	unsigned int visits;
};

/**
 * struct step_trace - the instructions of a call, in the vDSO
 * @n:		how many
 * @size:	how many there is room for
 * @syscalls:	how many of them make a system call
 * @insn:	in the order of execution
 */
struct step_trace {
	unsigned int n;
	unsigned int size;
	unsigned int syscalls;
	struct step_insn *insn;
};

static inline bool step_add(struct step_trace *trace, uintptr_t at)
{
	static unsigned int visits[STEP_VDSO_SIZE];

	if (!trace->n) {
		memset(visits, 0, sizeof(visits));
		trace->syscalls = 0;
	}
	if (trace->n == trace->size) {
		unsigned int size = 2 * trace->size + 1024;
		void *more = realloc(trace->insn, size * sizeof(*trace->insn));

		if (!more)
			return false;
		trace->insn = more;
		trace->size = size;
	}
	trace->syscalls += step_is_syscall(at);
	trace->insn[trace->n].at = at;
	trace->insn[trace->n++].visits = visits[at % STEP_VDSO_SIZE]++;
	return true;
}

/**
 * step_record() - step through a call
 * @actor:	in the step_trap() before the call
 * @in_vdso:	whether an address is in the vDSO
 * @trace:	to be filled; zero, or one that is not needed any more
 *
 * Return: true, with the actor behind the call.
 */
static inline bool step_record(struct step_actor *actor,
			       bool (*in_vdso)(uintptr_t at),
			       struct step_trace *trace)
{
	unsigned int steps = 0;
	uintptr_t at;

	do {
		if (!step_go(actor, PTRACE_SINGLESTEP, 0) ||
		    steps++ > STEP_MAX_TO_CALL)
			return false;
		at = step_ip(actor);
	} while (!in_vdso(at));

	for (trace->n = 0; in_vdso(at); at = step_ip(actor))
		if (!step_add(trace, at) ||
		    !step_go(actor, PTRACE_SINGLESTEP, 0))
			return false;
	return true;
}

/*
 * Take the actor from the step_trap() before a call to its instruction @n. If
 * it was there before, the last one before that where it was not may be nearer.
 * False: the call took another way.
 */
static inline bool step_to(struct step_actor *actor,
			   const struct step_trace *trace, unsigned int n)
{
	unsigned int visits = trace->insn[n].visits, from = n;

	while (trace->insn[from].visits && n - from < visits)
		from--;
	if (trace->insn[from].visits)
		return step_run_to(actor, trace->insn[n].at, visits + 1);
	if (!step_run_to(actor, trace->insn[from].at, 1))
		return false;
	while (from++ < n)
		if (!step_go(actor, PTRACE_SINGLESTEP, 0))
			return false;
	return step_ip(actor) == trace->insn[n].at;
}

/* A single step of one thread. Its new status, -1 if it has ended. */
static inline int step_single(pid_t tid)
{
	int status;

	if (ptrace(PTRACE_SINGLESTEP, tid, NULL, 0L) ||
	    waitpid(tid, &status, __WALL) != tid || !WIFSTOPPED(status))
		return -1;
	return status;
}

/**
 * step_inject_fork() - fork the actor where it is stopped, without a signal
 * @actor:	stopped outside of system calls
 *
 * Parent and child are stopped at the same instruction, with the same registers.
 * The caller sets the child free with PTRACE_DETACH.
 *
 * Return: process ID of the child, which is the actor's, or -1.
 */
static inline pid_t step_inject_fork(struct step_actor *actor)
{
	const int forked = SIGTRAP | PTRACE_EVENT_FORK << 8;
	struct user_regs_struct saved, regs;
	pid_t tid = actor->tid;
	unsigned long child;
	bool ok;

	if (ptrace(PTRACE_GETREGS, tid, NULL, &saved))
		return -1;
	regs = saved;
	regs.rip = (uintptr_t)step_syscall_insn;
	regs.orig_rax = -1;
	regs.rax = __NR_clone;
	regs.rdi = SIGCHLD;
	regs.rsi = 0;
	regs.rdx = 0;
	regs.r10 = 0;
	regs.r8 = 0;

	/* One stop is for the child, the next one behind the system call. */
	ok = !ptrace(PTRACE_SETREGS, tid, NULL, &regs) &&
	     !ptrace(PTRACE_SETOPTIONS, tid, NULL,
		     (long)(STEP_OPTIONS | PTRACE_O_TRACEFORK)) &&
	     step_single(tid) >> 8 == forked &&
	     !ptrace(PTRACE_GETEVENTMSG, tid, NULL, &child) &&
	     step_single(tid) >> 8 == SIGTRAP &&
	     !ptrace(PTRACE_SETOPTIONS, tid, NULL, (long)STEP_OPTIONS) &&
	     !ptrace(PTRACE_SETREGS, tid, NULL, &saved) &&
	     waitpid(child, NULL, __WALL) == (pid_t)child &&
	     !ptrace(PTRACE_SETREGS, child, NULL, &saved);
	return ok ? (pid_t)child : -1;
}

#endif /* VDSO_STEP_H */
