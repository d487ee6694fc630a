/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vdso_step.h: stop another process at any instruction of a vDSO function
 *
 * The parent traces the process (the "actor"). Single steps deliver no signals to
 * the actor, so it executes the same instructions as it would alone. A signal that
 * the tracer lets through arrives exactly between the two instructions where the
 * actor was stopped.
 *
 * ptrace() sleeps for a tick if the other process is still on its CPU. To avoid
 * that, step_fork() moves both to one CPU.
 */
#ifndef VDSO_STEP_H
#define VDSO_STEP_H

#include <elf.h>
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
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vdso_test_arch.h"

/* A system-call stop, with PTRACE_O_TRACESYSGOOD. */
#define STEP_SYSCALL_STOP	(SIGTRAP | 0x80)

#define STEP_OPTIONS		(PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL)

/**
 * struct step_actor - a traced process
 * @leader:	its process ID
 * @tid:	the thread that stopped last. Threads other than the leader join
 *		with step_join().
 * @status:	from waitpid(): the last stop, or how the process ended
 */
struct step_actor {
	pid_t leader;
	pid_t tid;
	int status;
};

/* Stop for the tracer without making a system call. */
static inline void step_trap(void)
{
	asm volatile (ARCH_TRAP_INSN : : : "memory");
}

/* Become traced, and stop. For an actor's threads; the leader has done so already. */
static inline bool step_join(void)
{
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
		return false;
	step_trap();
	return true;
}

/* Wait for the actor's next stop. Returns false if it has ended instead. */
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
	if (actor->status >> 8 == SIGTRAP)
		arch_trapped(tid);
	if (tid != actor->tid) {
		actor->tid = tid;
		ptrace(PTRACE_SETOPTIONS, tid, NULL, (long)STEP_OPTIONS);
	}
	return true;
}

/* All general registers of a stopped thread */
static inline bool step_get_regs(pid_t tid, struct user_regs_struct *regs)
{
	struct iovec area = { regs, sizeof(*regs) };

	return !ptrace(PTRACE_GETREGSET, tid, (void *)NT_PRSTATUS, &area);
}

static inline bool step_set_regs(pid_t tid, const struct user_regs_struct *regs)
{
	struct iovec area = { (void *)regs, sizeof(*regs) };

	return !ptrace(PTRACE_SETREGSET, tid, (void *)NT_PRSTATUS, &area);
}

/* Resume the actor with @request and a signal, and wait until it stops. */
static inline bool step_go(struct step_actor *actor, int request, int sig)
{
	return !ptrace(request, actor->tid, NULL, (long)sig) && step_wait(actor);
}

/* Is the actor in a step_trap(), at a breakpoint, or past a single step? */
static inline bool step_is_trapped(const struct step_actor *actor)
{
	return actor->status >> 8 == SIGTRAP;
}

/* Resume the actor. If a breakpoint is where it is stopped, get past it. */
static inline bool step_go_on(struct step_actor *actor, int sig)
{
	pid_t tid = actor->tid;
	bool there;

	if (!sig && arch_begin_step_over(tid)) {
		there = step_go(actor, PTRACE_SINGLESTEP, 0);
		arch_end_step_over(tid);
		if (!there || !step_is_trapped(actor))
			return there;
	}
	return step_go(actor, PTRACE_CONT, sig);
}

/* Resume the actor with a signal until it traps. Deliver signals that arrive meanwhile. */
static inline bool step_continue(struct step_actor *actor, int sig)
{
	do {
		if (!step_go_on(actor, sig))
			return false;
		sig = WSTOPSIG(actor->status);
	} while (!step_is_trapped(actor));
	return true;
}

/**
 * step_count_calls() - like step_continue(), but also look at the system calls
 * @actor:	stopped outside of system calls
 * @sig:	signal to deliver, or 0
 * @see:	called with the registers on entry to each system call
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
		if (inside && step_get_regs(actor->tid, &regs))
			see(&regs, arg);
	}
}

/**
 * step_fork() - fork a process and trace it
 * @actor:	to be filled in
 * @fn:		runs in the process; the result is its exit status
 * @arg:	for @fn
 *
 * On return, the process is stopped before @fn. It shares one CPU with the caller,
 * which stays there.
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

/* Kill the actor, wherever it is. */
static inline void step_kill(struct step_actor *actor)
{
	kill(actor->leader, SIGKILL);
	while (step_wait(actor))
		;
}

/* The actor's registers; zeros if it has ended. */
static inline struct user_regs_struct step_regs(const struct step_actor *actor)
{
	struct user_regs_struct regs = { 0 };

	step_get_regs(actor->tid, &regs);
	return regs;
}

/* The next instruction. */
static inline uintptr_t step_ip(const struct step_actor *actor)
{
	const struct user_regs_struct regs = step_regs(actor);

	return REGS_IP(&regs);
}

static inline uintptr_t step_sp(const struct step_actor *actor)
{
	const struct user_regs_struct regs = step_regs(actor);

	return REGS_SP(&regs);
}

/* Run until the actor has reached an instruction @times times, or has trapped. */
static inline bool step_run_to(struct step_actor *actor, uintptr_t at,
			       unsigned int times)
{
	bool there = arch_set_breakpoint(actor->tid, at);

	while (there && times--)
		there = step_continue(actor, 0) && step_ip(actor) == at;
	return arch_clear_breakpoint(actor->tid) && there;
}

/* A system-call instruction that a stopped process can be sent to */
asm (".pushsection .text\n"
	"step_syscall_insn: " ARCH_SYSCALL_INSN "\n"
	ARCH_TRAP_INSN "\n"
	".popsection");
extern const char step_syscall_insn[];

/* Is that a system-call instruction? The tracer has the same vDSO at the same address. */
static inline bool step_is_syscall(uintptr_t at)
{
	return !memcmp((void *)at, step_syscall_insn, ARCH_SYSCALL_SIZE);
}

/* No vDSO is larger. */
#define STEP_VDSO_SIZE		(64 * 1024)

/* More steps than there are from a step_trap() to the call that follows it */
#define STEP_MAX_TO_CALL	1000

/**
 * struct step_insn - an instruction of a call
 * @at:		its address
 * @visits:	how often the call has executed it before
 */
struct step_insn {
	uintptr_t at;
	unsigned int visits;
};

/**
 * struct step_trace - the instructions that a call executes in the vDSO
 * @n:		their number
 * @size:	the number that @insn has room for
 * @syscalls:	the number of system calls among them
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

/* Step from the step_trap() before a call to its first instruction. */
static inline bool step_enter(struct step_actor *actor, bool (*in_vdso)(uintptr_t at))
{
	unsigned int steps = 0;

	do {
		if (!step_go(actor, PTRACE_SINGLESTEP, 0) ||
		    steps++ > STEP_MAX_TO_CALL)
			return false;
	} while (!in_vdso(step_ip(actor)));
	return true;
}

/**
 * step_record() - step through a call
 * @actor:	in the step_trap() before the call
 * @in_vdso:	whether an address is in the vDSO
 * @trace:	to be filled in; zeroed, or a trace that is no longer needed
 *
 * Return: true, with the actor past the call, or false if it could not be stepped
 * through.
 */
static inline bool step_record(struct step_actor *actor,
			       bool (*in_vdso)(uintptr_t at),
			       struct step_trace *trace)
{
	uintptr_t at;

	if (!step_enter(actor, in_vdso))
		return false;
	trace->n = 0;
	for (at = step_ip(actor); in_vdso(at); at = step_ip(actor))
		if (!step_add(trace, at) ||
		    !step_go(actor, PTRACE_SINGLESTEP, 0))
			return false;
	return true;
}

/*
 * Take the actor from the step_trap() before a call to the call's instruction @n. If
 * the call executes that more than once, it may be faster to break at the last
 * instruction before @n that it had not executed yet, and to step from there. Returns
 * false if the call took another path.
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

/* Single-step one thread. Returns its new status, or -1 if it has ended. */
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
 * The caller releases the child with PTRACE_DETACH.
 *
 * Return: the child's process ID, or -1. The child's parent is the actor.
 */
static inline pid_t step_inject_fork(struct step_actor *actor)
{
	const int forked = SIGTRAP | PTRACE_EVENT_FORK << 8;
	struct user_regs_struct saved, regs;
	pid_t tid = actor->tid;
	unsigned long child;
	bool ok;

	if (!step_get_regs(tid, &saved))
		return -1;
	regs = saved;
	arch_prepare_syscall(&regs, (uintptr_t)step_syscall_insn, __NR_clone, SIGCHLD);

	/* The first stop reports the child, the second one is past the system call. */
	ok = step_set_regs(tid, &regs) &&
	     !ptrace(PTRACE_SETOPTIONS, tid, NULL,
		     (long)(STEP_OPTIONS | PTRACE_O_TRACEFORK)) &&
	     step_single(tid) >> 8 == forked &&
	     !ptrace(PTRACE_GETEVENTMSG, tid, NULL, &child) &&
	     step_single(tid) >> 8 == SIGTRAP &&
	     !ptrace(PTRACE_SETOPTIONS, tid, NULL, (long)STEP_OPTIONS) &&
	     step_set_regs(tid, &saved) &&
	     waitpid(child, NULL, __WALL) == (pid_t)child &&
	     step_set_regs(child, &saved);
	return ok ? (pid_t)child : -1;
}

#endif /* VDSO_STEP_H */
