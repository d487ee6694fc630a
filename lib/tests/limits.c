// SPDX-License-Identifier: MIT
/* limits - a process without address space, without /proc, or with locked memory only. */
#define _GNU_SOURCE
#include "tap.h"
#include "../vgetrandom.h"
#include <fcntl.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/stat.h>

/* How a run of this program under a limit ends */
enum { GOOD, BAD_BYTES, NO_MEMORY, NO_FUNCTION, NOT_AGAIN, NOT_RUN = 99 };

static struct value values[100];

static bool draws_well(void)
{
	for (int i = 0; i < 100; i++)
		vgr_random_buf(&values[i], sizeof(values[i]));
	return !count_wrong(values, 100);
}

/* Quiet, or the parent's output gets more lines. */
static int be_limited(void)
{
	struct rlimit limit;
	int result = GOOD;

	if (!draws_well())
		return BAD_BYTES;
	if (vgr_prepare()) {
		result = errno == ENOMEM ? NO_MEMORY : NO_FUNCTION;
		if (!draws_well())
			return BAD_BYTES;
	}
	/* With space again, vgr_prepare() makes the mapping. */
	if (result == NO_MEMORY) {
		getrlimit(RLIMIT_AS, &limit);
		limit.rlim_cur = limit.rlim_max;
		if (setrlimit(RLIMIT_AS, &limit) || vgr_prepare() || !draws_well())
			return NOT_AGAIN;
	}
	return result;
}

static int run(const char *program, const char *root, size_t space)
{
	char *arguments[] = { (char *)program, "limited", NULL };
	char *environment[] = { NULL };
	pid_t pid = fork();
	int status;

	if (pid < 0)
		give_up("fork");
	if (!pid) {
		struct rlimit limit, no_core = { 0, 0 };

		setrlimit(RLIMIT_CORE, &no_core);
		/* The C library complains when it cannot start. */
		close(STDERR_FILENO);
		if (space) {
			getrlimit(RLIMIT_AS, &limit);
			limit.rlim_cur = space;
			setrlimit(RLIMIT_AS, &limit);
		}
		if (root && (chroot(root) || chdir("/")))
			_exit(NOT_RUN);
		execve(program, arguments, environment);
		_exit(NOT_RUN);
	}
	status = status_of(pid);
	/* Too little even for the C library */
	return WIFEXITED(status) ? WEXITSTATUS(status) : NOT_RUN;
}

static void test_address_space(const char *program, bool offered)
{
	int runs = 0, refused = 0, bad = 0, not_again = 0;

	for (size_t kib = 256; kib < 16384; kib += 64) {
		int result = run(program, NULL, kib * 1024);

		runs += result != NOT_RUN;
		refused += result == NO_MEMORY || result == NOT_AGAIN;
		not_again += result == NOT_AGAIN;
		bad += result == BAD_BYTES || (offered && result == NO_FUNCTION);
	}
	check(runs && !bad, "address space used up: right bytes # %d of %d runs without states", refused, runs);
	if (!offered) {
		skip("address space used up: no states", "there is no function");
		return;
	}
	check(refused, "address space used up: some runs had no states # %d", refused);
	check(!not_again, "address space used up: vgr_prepare() tries again # %d failed", not_again);
}

static bool copy(const char *from, const char *to)
{
	int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0755);
	static char buf[1 << 16];
	ssize_t n = -1;

	if (in >= 0 && out >= 0)
		while ((n = read(in, buf, sizeof(buf))) > 0)
			if (write(out, buf, n) != n)
				return false;
	close(in);
	close(out);
	return n == 0;
}

static void test_chroot(const char *program, bool offered)
{
	char dir[] = "/tmp/vgetrandom-XXXXXX", file[64];
	int result;

	if (!mkdtemp(dir)) {
		skip("chroot without /proc and /dev", "there is no /tmp");
		return;
	}
	snprintf(file, sizeof(file), "%s/limits", dir);
	if (!copy(program, file))
		give_up(file);
	result = run("/limits", dir, 0);
	unlink(file);
	rmdir(dir);
	if (result == NOT_RUN)
		skip("chroot without /proc and /dev", "not allowed, or not a static program");
	else
		check(result == GOOD || (!offered && result == NO_FUNCTION), "chroot without /proc and /dev # %d", result);
}

/* Draws with all memory locked, and with no memory left to lock */
static void test_locked(void)
{
	struct rlimit none = { 0, 0 };
	pid_t pid = fork();
	int status;

	if (pid < 0)
		give_up("fork");
	if (!pid) {
		if (mlockall(MCL_CURRENT | MCL_FUTURE))
			_exit(NOT_RUN);
		setrlimit(RLIMIT_MEMLOCK, &none);
		_exit(draws_well() ? GOOD : BAD_BYTES);
	}
	status = status_of(pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_RUN)
		skip("mlockall()", "not allowed");
	else
		check(!status, "mlockall() # status %#x", status);
}

int main(int argc, char **argv)
{
	/* Also found by a process that was not started from a shell */
	const char *program = (const char *)getauxval(AT_EXECFN);
	bool offered;

	if (argc > 1 && !strcmp(argv[1], "limited"))
		return be_limited();
	offered = !vgr_prepare();
	test_address_space(program, offered);
	test_chroot(program, offered);
	test_locked();
	return finish();
}
