// SPDX-License-Identifier: GPL-2.0
/*
 * vdso_test_run_as.c: run a test as somebody else
 *
 *	vdso_test_run_as user|timens PROGRAM [ARGUMENT...]
 *
 * As an ordinary user, or in a time namespace whose clocks differ from the system's.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../kselftest.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

#define NOBODY 65534

/* Somebody who is an ordinary user already remains who he is. */
static bool become_user(void)
{
	return geteuid() ||
	       (!setgroups(0, NULL) && !setgid(NOBODY) && !setuid(NOBODY));
}

static bool shift_clocks(void)
{
	static const char shift[] = "monotonic 1000 0\n";
	int fd = open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);

	return fd >= 0 && write(fd, shift, strlen(shift)) == (ssize_t)strlen(shift);
}

/* This process has one thread, and may enter the namespace made for its children. */
static bool enter_time_namespace(void)
{
	int fd;

	if ((unshare(CLONE_NEWTIME) && unshare(CLONE_NEWUSER | CLONE_NEWTIME)) ||
	    !shift_clocks())
		return false;
	fd = open("/proc/self/ns/time_for_children", O_RDONLY | O_CLOEXEC);
	return fd >= 0 && !setns(fd, CLONE_NEWTIME);
}

int main(int argc, char **argv)
{
	const char *as = argc > 2 ? argv[1] : "";

	if (strcmp(as, "user") && strcmp(as, "timens"))
		ksft_exit_fail_msg("usage: %s user|timens PROGRAM [ARGUMENT...]\n", argv[0]);
	if (!strcmp(as, "user") && !become_user())
		ksft_exit_skip("cannot become an ordinary user\n");
	if (!strcmp(as, "timens") && !enter_time_namespace())
		ksft_exit_skip("time namespace: not permitted, or no TIME_NS\n");
	execv(argv[2], argv + 2);
	if (!strcmp(as, "user") && errno == EACCES)
		ksft_exit_skip("%s: not for ordinary users\n", argv[2]);
	ksft_exit_fail_msg("%s: %s\n", argv[2], strerror(errno));
}
