/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vgetrandom_test.h: memory with fences, processes that are traced, signals, for
 * the tests of the vDSO's getrandom()
 */
#ifndef VGETRANDOM_TEST_H
#define VGETRANDOM_TEST_H

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>

#include "../kselftest.h"
#include "vdso_step.h"
#include "vgetrandom.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

#define GUARD 0xc5

/* What the try_ functions return when nothing is wrong. */
static const char fine[] = "fine";

/*
 * Begin
 */

/* End the test here unless there is the function, be it switched off or not. */
static inline void find_vgetrandom(void)
{
	/* Test processes end without flushing. */
	setvbuf(stdout, NULL, _IOLBF, 0);

	if (!vgr_find())
		ksft_exit_skip("the vDSO has no %s\n", VGR_NAME);
	if (!vgr_seen_init())
		ksft_exit_fail_msg("no memory to remember output in\n");
}

/* End the test here unless it works. find_vgetrandom() has been called. */
static inline void need_vgetrandom(void)
{
	unsigned char byte;

	if (vgr.query == -EOPNOTSUPP)
		ksft_exit_skip("%s is switched off\n", VGR_NAME);
	if (vgr.query)
		ksft_exit_fail_msg("parameter query: %zd\n", vgr.query);
	/* From here on, no draw has to wait for the generator. */
	if (vgr_syscall(&byte, 1, 0) != 1)
		ksft_exit_fail_msg("no getrandom() system call\n");
}

/* Is it the command line that says that it is switched off? */
static inline bool told_to_be_off(void)
{
	FILE *file = fopen("/proc/cmdline", "re");
	char line[4096] = "";
	bool told;

	told = file && fgets(line, sizeof(line), file) &&
	       strstr(line, "random.vdso_getrandom=off");
	if (file)
		fclose(file);
	return told;
}

/*
 * Memory
 */

/* Anonymous memory that child processes share. */
static inline void *shared_alloc(size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* Whole pages of zeros with an inaccessible page on either side. */
static inline unsigned char *fenced_alloc(size_t len)
{
	unsigned char *p;

	p = mmap(NULL, len + 2 * vgr.page, PROT_NONE,
		 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED ||
	    mprotect(p + vgr.page, len, PROT_READ | PROT_WRITE))
		return NULL;
	return p + vgr.page;
}

/* Are all these bytes @value? */
static inline bool all_bytes(const unsigned char *p, size_t len,
			     unsigned char value)
{
	return !len || (*p == value && !memcmp(p, p + 1, len - 1));
}

/* A state that has a batch of output ready, in a page of its own. */
static inline void *warm_state(void)
{
	struct vgr_pool own;
	unsigned char byte;
	void *state;

	if (!vgr_pool_open(&own, 1))
		return NULL;
	state = vgr_pool_get(&own);
	return vgr_draw(&byte, 1, state) == 1 ? state : NULL;
}

/*
 * Processes
 */

/* What a status of waitpid() says: exit status, or 128 and the signal that ended it. */
static inline int status_of(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Wait for a child. */
static inline int reap(pid_t pid)
{
	int status;

	if (pid < 0)
		return -1;
	while (waitpid(pid, &status, 0) != pid)
		if (errno != EINTR)
			return -1;
	return status_of(status);
}

/**
 * struct calls - getrandom() system calls that a traced function made
 * @handed:	those with a buffer inside the watched area: the vDSO handed its
 *		caller's request over
 * @reseeds:	all others: the vDSO fetched a key
 * @status:	exit status of the process, as from reap()
 */
struct calls {
	unsigned int handed;
	unsigned int reseeds;
	int status;
};

/* The area that callers' buffers lie in. */
struct watch {
	const void *buffer;
	size_t len;
};

struct counting {
	const struct watch *watch;
	struct calls *calls;
};

/* The actor is about to enter a system call: is it getrandom()? */
static inline void count_call(const struct user_regs_struct *regs, void *arg)
{
	const struct counting *counting = arg;

	if (regs->orig_rax != __NR_getrandom)
		return;
	if (regs->rdi - (uintptr_t)counting->watch->buffer < counting->watch->len)
		counting->calls->handed++;
	else
		counting->calls->reseeds++;
}

/* What a traced function has to draw, and where. */
static struct {
	unsigned char *buffer;
	size_t draws;
	size_t len;
} work __attribute__((unused));

/*
 * Count the getrandom() calls that @fn(@arg) makes in a process of its own.
 * States are zero there, as in every child. False: cannot be traced.
 */
static inline bool count_calls(int (*fn)(void *), void *arg,
			       const struct watch *watch, struct calls *calls)
{
	struct counting counting = { watch, calls };
	struct step_actor actor;

	memset(calls, 0, sizeof(*calls));
	if (!step_fork(&actor, fn, arg))
		return false;
	while (step_count_calls(&actor, 0, count_call, &counting))
		;
	calls->status = status_of(actor.status);
	return true;
}

/*
 * Time namespaces and filters
 */

static inline double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

#define TIMENS_SHIFT 1000000

static inline double *clock_before(void)
{
	static double before;

	return &before;
}

/* Have the next child live in a time namespace of its own. */
static inline bool unshare_time(void)
{
	char shift[32];
	bool ok;
	int fd;

	*clock_before() = seconds();
	if (unshare(CLONE_NEWTIME) && unshare(CLONE_NEWUSER | CLONE_NEWTIME))
		return false;
	fd = open("/proc/self/timens_offsets", O_WRONLY);
	if (fd < 0)
		return false;
	snprintf(shift, sizeof(shift), "monotonic %d 0", TIMENS_SHIFT);
	ok = write(fd, shift, strlen(shift)) == (ssize_t)strlen(shift);
	close(fd);
	return ok;
}

/* Has this process been moved, maybe from a time namespace to another one? */
static inline bool is_time_unshared(void)
{
	return seconds() >= *clock_before() + TIMENS_SHIFT / 2;
}

/* Have a filter do something else with this process's getrandom() calls. */
static inline bool filter_getrandom(unsigned int action)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_getrandom, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, action),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {
		.len = ARRAY_SIZE(filter),
		.filter = filter,
	};

	return !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) &&
	       !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

/*
 * Signals
 */

static inline void catch(int sig, void (*handler)(int, siginfo_t *, void *),
			 int flags)
{
	struct sigaction action = {
		.sa_sigaction = handler,
		.sa_flags = SA_SIGINFO | flags,
	};

	sigemptyset(&action.sa_mask);
	sigaction(sig, &action, NULL);
}

/* Where the interrupted code was, as the handler is told. */
static inline uintptr_t interrupted_at(void *context)
{
	const ucontext_t *uc = context;

	return uc->uc_mcontext.gregs[REG_RIP];
}

/* Have a signal come as this handler returns, at the place it returns to. */
static inline void raise_on_return(int sig)
{
	sigset_t set;

	/* The mask that the handler returns to is another one. */
	sigemptyset(&set);
	sigaddset(&set, sig);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(sig);
}

/* The last fault that draw_or_fault() caught, and the registers then. */
static struct {
	sigjmp_buf env;
	uintptr_t address;
	gregset_t regs;
} fault;

static inline void on_fault(int sig, siginfo_t *info, void *context)
{
	const ucontext_t *uc = context;

	fault.address = (uintptr_t)info->si_addr;
	memcpy(fault.regs, uc->uc_mcontext.gregs, sizeof(fault.regs));
	siglongjmp(fault.env, 1);
}

/* Result of a draw that may fault on its buffer: FAULTED if it did. */
#define FAULTED (-1000)

static inline ssize_t draw_or_fault(void *buffer, size_t len, void *state,
				    size_t opaque_len)
{
	if (sigsetjmp(fault.env, 1))
		return FAULTED;
	catch(SIGSEGV, on_fault, 0);
	catch(SIGBUS, on_fault, 0);
	return vgr.call(buffer, len, 0, state, opaque_len);
}

#endif /* VGETRANDOM_TEST_H */
