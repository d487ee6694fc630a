// SPDX-License-Identifier: GPL-2.0
/*
 * vdso_test_variant.c: run a test of the vDSO's getrandom() in another environment
 *
 * This program has many names, all links to it. Each is the name of a test and a suffix:
 *
 *	TEST_user	run TEST as an ordinary user
 *	TEST_timens	run TEST in a time namespace whose clocks differ from the system's
 *	TEST_off	run the cases of TEST for a kernel booted with
 *			random.vdso_getrandom=off
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
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

static void become_user(void)
{
	if (!geteuid() && (setgroups(0, NULL) || setgid(NOBODY) || setuid(NOBODY)))
		ksft_exit_skip("cannot become an ordinary user: %s\n", strerror(errno));
}

static bool shift_clocks(void)
{
	static const char shift[] = "monotonic 1000 0\n";
	int fd = open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);

	return fd >= 0 && write(fd, shift, strlen(shift)) == (ssize_t)strlen(shift);
}

/* This process has one thread, so it may enter the namespace made for its children. */
static bool join_time_namespace(void)
{
	int fd = open("/proc/self/ns/time_for_children", O_RDONLY | O_CLOEXEC);

	return fd >= 0 && !setns(fd, CLONE_NEWTIME);
}

static void enter_time_namespace(void)
{
	if (unshare(CLONE_NEWTIME) && unshare(CLONE_NEWUSER | CLONE_NEWTIME))
		ksft_exit_skip("no time namespace (CONFIG_TIME_NS): %s\n", strerror(errno));
	if (!shift_clocks() || !join_time_namespace())
		ksft_exit_skip("cannot enter a time namespace: %s\n", strerror(errno));
}

static const struct variant {
	const char *suffix;
	void (*enter)(void);		/* returns once the process is in the environment */
	char *argument;			/* of the test, which checks the environment itself */
} variants[] = {
	{ .suffix = "_user", .enter = become_user },
	{ .suffix = "_timens", .enter = enter_time_namespace },
	{ .suffix = "_off", .argument = "off" },
};

/* Find the variant by the suffix of the program's name, and cut off the suffix. */
static const struct variant *find_variant(char *name)
{
	size_t i, len, end = strlen(name);

	for (i = 0; i < ARRAY_SIZE(variants); i++) {
		len = strlen(variants[i].suffix);
		if (end > len && !strcmp(name + end - len, variants[i].suffix)) {
			name[end - len] = '\0';
			return &variants[i];
		}
	}
	return NULL;
}

/* The tests are in the directory of this program. */
static void test_path(char *path, size_t size, const char *test)
{
	char self[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self));

	while (len > 0 && self[len - 1] != '/')
		len--;
	snprintf(path, size, "%.*s%s", len > 0 ? (int)len : 0, self, test);
}

int main(int argc, char **argv)
{
	const struct variant *variant;
	char path[2 * PATH_MAX];

	argv[0] = basename(argv[0]);
	variant = find_variant(argv[0]);
	if (!variant)
		ksft_exit_fail_msg("run this as TEST_user, TEST_timens or TEST_off\n");
	test_path(path, sizeof(path), argv[0]);
	if (variant->enter)
		variant->enter();
	if (variant->argument)
		execl(path, argv[0], variant->argument, NULL);
	else
		execv(path, argv);
	if (errno == EACCES)
		ksft_exit_skip("%s: not accessible to ordinary users\n", path);
	ksft_exit_fail_msg("%s: %s\n", path, strerror(errno));
}
