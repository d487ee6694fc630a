// SPDX-License-Identifier: MIT
/*
 * novdso PROGRAM [ARGUMENT...] - run a program as if the kernel had no vDSO: before its
 * first instruction, remove AT_SYSINFO_EHDR from what the kernel passes on its stack.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

static void give_up(const char *what)
{
	fprintf(stderr, "novdso: %s: %s\n", what, strerror(errno));
	exit(125);
}

static unsigned long stack_pointer(pid_t pid)
{
	struct user_regs_struct regs;
	struct iovec where = { &regs, sizeof(regs) };

	if (ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &where))
		give_up("PTRACE_GETREGSET");
#if defined(__x86_64__)
	return regs.rsp;
#else
	return regs.sp;
#endif
}

static unsigned long peek(pid_t pid, unsigned long address)
{
	errno = 0;
	address = ptrace(PTRACE_PEEKDATA, pid, address, 0);
	if (errno)
		give_up("PTRACE_PEEKDATA");
	return address;
}

/* The number of arguments, these, NULL, the environment, NULL, and pairs up to AT_NULL */
static void hide_vdso(pid_t pid)
{
	unsigned long at = stack_pointer(pid), type;

	at += (peek(pid, at) + 2) * sizeof(long);
	while (peek(pid, at))
		at += sizeof(long);
	for (at += sizeof(long); (type = peek(pid, at)) != AT_NULL; at += 2 * sizeof(long))
		if (type == AT_SYSINFO_EHDR && ptrace(PTRACE_POKEDATA, pid, at, AT_IGNORE))
			give_up("PTRACE_POKEDATA");
}

int main(int argc, char **argv)
{
	int status;
	pid_t pid;

	if (argc < 2)
		return 125;
	pid = fork();
	if (pid < 0)
		give_up("fork");
	if (!pid) {
		if (ptrace(PTRACE_TRACEME, 0, 0, 0))
			give_up("PTRACE_TRACEME");
		execv(argv[1], argv + 1);
		give_up(argv[1]);
	}
	/* It stops at the end of the execv(). */
	if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
		return 125;
	hide_vdso(pid);
	if (ptrace(PTRACE_DETACH, pid, 0, 0))
		give_up("PTRACE_DETACH");
	while (waitpid(pid, &status, 0) != pid)
		if (errno != EINTR)
			give_up("waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
