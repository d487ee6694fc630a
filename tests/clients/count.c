// SPDX-License-Identifier: GPL-2.0
/*
 * count LOW-HIGH PROGRAM [ARGUMENT...]
 *
 * Runs a program and counts the getrandom() system calls that it, its threads
 * and its children make. One test case: it ends well, and the number is in that
 * range.
 *
 * A seccomp filter reports every getrandom() to this process and to nobody
 * else; each is counted and let through. So the program is not stopped, traced
 * or slowed down otherwise, and signals reach it as ever.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __aarch64__
# define OWN_ARCH	AUDIT_ARCH_AARCH64
#else
# define OWN_ARCH	AUDIT_ARCH_X86_64
#endif

struct run {
	char **argv;
	int listener;
	int status;
	pthread_barrier_t started;
};

static void __attribute__((noreturn)) give_up(const char *what)
{
	printf("Bail out! %s: %s\n", what, strerror(errno));
	exit(1);
}

static int filter_getrandom(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, OWN_ARCH, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getrandom, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = {
		.len = sizeof(code) / sizeof(code[0]),
		.filter = code,
	};
	int fd;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		give_up("PR_SET_NO_NEW_PRIVS");
	fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
		     SECCOMP_FILTER_FLAG_NEW_LISTENER, &filter);
	if (fd < 0)
		give_up("seccomp");
	return fd;
}

static void __attribute__((noreturn)) become(char **argv)
{
	execv(argv[0], argv);
	fprintf(stderr, "# %s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

/*
 * The filter holds for this thread and for what it starts, and not for the
 * main thread, which has the listener all the same: threads share their files.
 * Only when the program has been waited for is the filter no longer in use.
 */
static void *run_filtered(void *arg)
{
	struct run *run = arg;
	pid_t pid;

	run->listener = filter_getrandom();
	pid = fork();
	if (pid < 0)
		give_up("fork");
	if (!pid)
		become(run->argv);
	pthread_barrier_wait(&run->started);
	if (waitpid(pid, &run->status, 0) != pid)
		give_up("waitpid");
	return NULL;
}

/* False once no process with the filter is left. */
static bool wait_for_call(int listener)
{
	struct pollfd pfd = { .fd = listener, .events = POLLIN };

	while (poll(&pfd, 1, -1) < 0)
		if (errno != EINTR)
			give_up("poll");
	return pfd.revents & POLLIN;
}

/* A caller that died in between is no error, and its call was none. */
static bool let_through(int listener)
{
	struct seccomp_notif call = {};
	struct seccomp_notif_resp answer = {
		.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE,
	};

	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call))
		return false;
	answer.id = call.id;
	return !ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
}

/* What goes beyond the limit takes long and changes nothing. */
static unsigned long count_calls(int listener, unsigned long limit)
{
	unsigned long calls = 0;

	while (calls <= limit && wait_for_call(listener))
		calls += let_through(listener);
	return calls;
}

/* Returns the number of calls; the status only when they are within the limit. */
static unsigned long run_and_count(char **argv, unsigned long limit, int *status)
{
	static struct run run;	/* the thread may outlast this function */
	unsigned long calls;
	pthread_t thread;

	run.argv = argv;
	pthread_barrier_init(&run.started, NULL, 2);
	if (pthread_create(&thread, NULL, run_filtered, &run))
		give_up("pthread_create");
	pthread_barrier_wait(&run.started);
	calls = count_calls(run.listener, limit);
	if (calls > limit)
		return calls;
	pthread_join(thread, NULL);
	*status = run.status;
	return calls;
}

int main(int argc, char **argv)
{
	unsigned long low, high, calls;
	int status = 0;

	if (argc < 3 || sscanf(argv[1], "%lu-%lu", &low, &high) != 2) {
		fprintf(stderr, "usage: count LOW-HIGH PROGRAM [ARGUMENT...]\n");
		return 2;
	}
	printf("TAP version 13\n1..1\n");
	fflush(stdout);
	calls = run_and_count(argv + 2, high, &status);
	if (calls > high)
		printf("not ok 1 ends well after %s getrandom() system calls # more\n", argv[1]);
	else if (calls < low || status)
		printf("not ok 1 ends well after %s getrandom() system calls # %lu, wait status %#x\n",
		       argv[1], calls, status);
	else
		printf("ok 1 ends well after %s getrandom() system calls # %lu\n", argv[1], calls);
	return calls < low || calls > high || status;
}
