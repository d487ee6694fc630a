/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vgetrandom_test.h: helpers for the tests of the vDSO's getrandom()
 *
 * Guarded memory, traced processes, time namespaces, seccomp filters, reseeds, signals.
 */
#ifndef VGETRANDOM_TEST_H
#define VGETRANDOM_TEST_H

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/ioctl.h>
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

/* The try_ functions return this if nothing is wrong, or say what is. */
static const char fine[] = "fine";

/*
 * Prerequisites
 */

/* Skip the test unless the function exists. It may be switched off. */
static inline void find_vgetrandom(void)
{
	/* Test processes exit without flushing. */
	setvbuf(stdout, NULL, _IOLBF, 0);

	if (!vgr_find())
		ksft_exit_skip("the vDSO has no %s\n", VGR_NAME);
	if (!vgr_seen_init())
		ksft_exit_fail_msg("no memory to remember output in\n");
}

/* Skip the test unless the function is switched on. Call find_vgetrandom() first. */
static inline void need_vgetrandom(void)
{
	unsigned char byte;

	if (vgr.query == -EOPNOTSUPP)
		ksft_exit_skip("%s is switched off\n", VGR_NAME);
	if (vgr.query)
		ksft_exit_fail_msg("parameter query: %zd\n", vgr.query);
	/* Wait until the generator is ready, so that no draw has to. */
	if (vgr_syscall(&byte, 1, 0) != 1)
		ksft_exit_fail_msg("no getrandom() system call\n");
}

/* Does the kernel's command line switch it off? */
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

/* Anonymous memory that child processes share */
static inline void *shared_alloc(size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* Whole pages of zeros with an inaccessible page on either side */
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

/* A state with a batch of output ready, in a page of its own */
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

/* The exit status in a status of waitpid(), or 128 plus the signal that killed it */
static inline int status_of(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Wait for a child, and return its status_of(), or -1. */
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
 * @handed:	those into the watched area: the vDSO fell back to the system call
 * @reseeds:	all others: the vDSO fetched a key
 * @status:	exit status of the process, as reap() returns it
 */
struct calls {
	unsigned int handed;
	unsigned int reseeds;
	int status;
};

/* The area that contains the callers' buffers */
struct watch {
	const void *buffer;
	size_t len;
};

struct counting {
	const struct watch *watch;
	struct calls *calls;
};

/* A process is about to enter a system call: is it getrandom() into that area? */
static inline bool draws_into(const struct user_regs_struct *regs, const void *buffer,
			      size_t len)
{
	return REGS_SYSCALL(regs) == __NR_getrandom &&
	       REGS_ARG1(regs) - (uintptr_t)buffer < len;
}

static inline void count_call(const struct user_regs_struct *regs, void *arg)
{
	const struct counting *counting = arg;

	if (draws_into(regs, counting->watch->buffer, counting->watch->len))
		counting->calls->handed++;
	else if (REGS_SYSCALL(regs) == __NR_getrandom)
		counting->calls->reseeds++;
}

/* How much a traced function is to draw, and where to */
static struct {
	unsigned char *buffer;
	size_t draws;
	size_t len;
} work;

/* Give @work a buffer, shared with child processes, and watch it. */
static inline bool watch_work(struct watch *watch, size_t len)
{
	work.buffer = shared_alloc(len);
	watch->buffer = work.buffer;
	watch->len = len;
	return work.buffer;
}

/*
 * Count the getrandom() calls that @fn(@arg) makes in a process of its own. States
 * are wiped there, as in every child. Returns false if tracing is not permitted.
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

/* Put the next child into a time namespace of its own. */
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

/* Is this process in the time namespace that unshare_time() made? */
static inline bool is_time_unshared(void)
{
	return seconds() >= *clock_before() + TIMENS_SHIFT / 2;
}

/* Install a seccomp filter. */
static inline bool set_filter(struct sock_filter *filter, unsigned short len)
{
	struct sock_fprog program = { .len = len, .filter = filter };

	return !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) &&
	       !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

/* Install a filter that takes @action for this process's getrandom() calls. */
static inline bool filter_getrandom(unsigned int action)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_getrandom, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, action),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};

	return set_filter(filter, ARRAY_SIZE(filter));
}

/*
 * Reseeds
 */

static int random_fd = -1;

static inline bool reseed(void)
{
	return !ioctl(random_fd, RNDRESEEDCRNG);
}

/* May this process reseed the kernel's generator? Find out by reseeding it. */
static inline bool may_reseed(void)
{
	if (random_fd < 0)
		random_fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
	return random_fd >= 0 && reseed();
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

/* The address of the interrupted instruction, as the handler sees it */
static inline uintptr_t interrupted_at(void *context)
{
	const ucontext_t *uc = context;

	return UC_IP(uc);
}

/* Have a signal delivered when this handler returns, where it returns to. */
static inline void raise_on_return(int sig)
{
	sigset_t set;

	/* The return from the handler restores the mask. */
	sigemptyset(&set);
	sigaddset(&set, sig);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(sig);
}

/* The last fault that draw_or_fault() caught, and the registers at that time */
static struct {
	sigjmp_buf env;
	uintptr_t address;
	mcontext_t context;
} fault;

static inline void on_fault(int sig, siginfo_t *info, void *context)
{
	const ucontext_t *uc = context;

	fault.address = (uintptr_t)info->si_addr;
	fault.context = uc->uc_mcontext;
	siglongjmp(fault.env, 1);
}

/* The return value of a draw_or_fault() that faulted */
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
