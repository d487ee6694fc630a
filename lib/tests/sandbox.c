// SPDX-License-Identifier: MIT
/* sandbox - draws under seccomp filters that kill for what a draw must not do. */
#define _GNU_SOURCE
#include "tap.h"
#include "../vgetrandom.h"

/* What a thread needs to draw and to report, and nothing else */
#define ALLOW(number) ON_CALL(number, SECCOMP_RET_ALLOW)
#define STRICT(on_getrandom)						\
	LOAD_NUMBER,							\
	ON_CALL(SYS_getrandom, (on_getrandom)),				\
	ALLOW(SYS_exit_group),						\
	ALLOW(SYS_rt_sigreturn),					\
	OTHERWISE(SECCOMP_RET_KILL_PROCESS)

static struct value values[64];

/* qsort() allocates memory, which these filters forbid. */
static bool all_differ(void)
{
	for (int i = 0; i < 64; i++) {
		if (!values[i].low || !values[i].high)
			return false;
		for (int j = 0; j < i; j++)
			if (!compare_values(&values[i], &values[j]))
				return false;
	}
	return true;
}

static bool draw_all(void)
{
	for (int i = 0; i < 64; i++)
		if (vgr_getrandom(&values[i], sizeof(values[i]), i % 6) != sizeof(values[i]))
			return false;
	return all_differ();
}

/* Run a function in a child. */
static int in_child(int (*function)(void))
{
	pid_t pid = fork();

	if (pid < 0)
		give_up("fork");
	if (!pid)
		_exit(function());
	return status_of(pid);
}

static int first_draw(void)
{
	struct sock_filter code[] = { STRICT(SECCOMP_RET_ALLOW) };

	if (FILTER(code))
		return 2;
	return draw_all() ? 0 : 1;
}

static int later_draw(void)
{
	struct sock_filter code[] = { STRICT(SECCOMP_RET_ALLOW) };

	vgr_random();
	if (FILTER(code))
		return 2;
	return draw_all() ? 0 : 1;
}

/* The filter holds for all threads; only this one has not drawn yet. */
static volatile int go, drawn;

static void *wait_and_draw(void *unused)
{
	(void)unused;
	go = 1;
	while (go != 2)
		;
	drawn = draw_all() ? 1 : 2;
	for (;;)
		;
	return NULL;
}

static int first_draw_of_thread(void)
{
	struct sock_filter code[] = { STRICT(SECCOMP_RET_ALLOW) };
	pthread_t thread;

	if (pthread_create(&thread, NULL, wait_and_draw, NULL))
		return 2;
	while (!go)
		;
	if (set_filter(code, sizeof(code) / sizeof(code[0]), SECCOMP_FILTER_FLAG_TSYNC))
		return 2;
	go = 2;
	while (!drawn)
		;
	return drawn == 1 ? 0 : 1;
}

/* No system call at all, unless the kernel reseeds in this very moment. */
static int prepared(void)
{
	struct sock_filter code[] = { STRICT(SECCOMP_RET_KILL_PROCESS) };

	if (vgr_prepare())
		return 3;
	if (FILTER(code))
		return 2;
	return draw_all() ? 0 : 1;
}

/* Nor for the cookies of GRND_TIMESTAMP, on kernels that have these. */
static int prepared_cookies(void)
{
	struct sock_filter code[] = { STRICT(SECCOMP_RET_KILL_PROCESS) };
	struct value cookies = {};
	const unsigned int timestamp = 8;

	if (vgr_prepare())
		return 3;
	if (vgr_getrandom(&cookies, sizeof(cookies), timestamp) != sizeof(cookies))
		return 5;
	if (FILTER(code))
		return 2;
	return vgr_getrandom(&cookies, sizeof(cookies), timestamp) < 0 ? 1 : 0;
}

/* Errors of a filter are the caller's. */
static int refused(void)
{
	struct sock_filter code[] = {
		LOAD_NUMBER,
		ON_CALL(SYS_getrandom, SECCOMP_RET_ERRNO | EPERM),
		OTHERWISE(SECCOMP_RET_ALLOW),
	};
	char buf[16];

	if (FILTER(code))
		return 2;
	for (int i = 0; i < 20; i++) {
		errno = 0;
		if (vgr_getrandom(buf, sizeof(buf), 0) != -1 || errno != EPERM)
			return 1;
		errno = 0;
		if (vgr_getentropy(buf, sizeof(buf)) != -1 || errno != EPERM)
			return 1;
	}
	return 0;
}

/* Success without a byte */
static int nothing(void)
{
	struct sock_filter code[] = {
		LOAD_NUMBER,
		ON_CALL(SYS_getrandom, SECCOMP_RET_ERRNO | 0),
		OTHERWISE(SECCOMP_RET_ALLOW),
	};
	char buf[16];

	if (access("/dev/urandom", R_OK))
		return 4;
	if (FILTER(code))
		return 2;
	alarm(10);
	errno = 0;
	if (vgr_getentropy(buf, sizeof(buf)) != -1 || errno != EIO)
		return 1;
	for (int i = 0; i < 64; i++)
		vgr_random_buf(&values[i], sizeof(values[i]));
	return all_differ() ? 0 : 1;
}

/* arc4random() has the device then. */
static int refused_to_random(void)
{
	struct sock_filter code[] = {
		LOAD_NUMBER,
		ON_CALL(SYS_getrandom, SECCOMP_RET_ERRNO | ENOSYS),
		OTHERWISE(SECCOMP_RET_ALLOW),
	};

	if (access("/dev/urandom", R_OK))
		return 4;
	if (FILTER(code))
		return 2;
	for (int i = 0; i < 64; i++)
		vgr_random_buf(&values[i], sizeof(values[i]));
	return all_differ() ? 0 : 1;
}

/* Neither the call nor, under the filter, the device */
static int refused_all(void)
{
	struct sock_filter code[] = {
		LOAD_NUMBER,
		ON_CALL(SYS_getrandom, SECCOMP_RET_ERRNO | ENOSYS),
		ON_CALL(SYS_openat, SECCOMP_RET_ERRNO | ENOENT),
#ifdef SYS_open
		ON_CALL(SYS_open, SECCOMP_RET_ERRNO | ENOENT),
#endif
		OTHERWISE(SECCOMP_RET_ALLOW),
	};

	if (FILTER(code))
		return 2;
	vgr_random();
	return 0;
}

static void report(const char *what, int status, int wanted)
{
	if (WIFEXITED(status) && WEXITSTATUS(status) == 2)
		skip(what, "seccomp does not work here");
	else if (WIFEXITED(status) && WEXITSTATUS(status) == 3)
		skip(what, "there is no function");
	else if (WIFEXITED(status) && WEXITSTATUS(status) == 4)
		skip(what, "there is no /dev/urandom");
	else if (WIFEXITED(status) && WEXITSTATUS(status) == 5)
		skip(what, "the kernel has no cookies");
	else
		check(status == wanted, "%s # status %#x", what, status);
}

/* A reseed kills, too; not three times in a row. */
static int in_children(int (*function)(void))
{
	int status = 0;

	for (int i = 0; i < 3; i++) {
		status = in_child(function);
		if (!WIFSIGNALED(status))
			break;
	}
	return status;
}

int main(void)
{

	report("first draw, anything but getrandom() kills", in_child(first_draw), 0);
	report("later draw, anything but getrandom() kills", in_child(later_draw), 0);
	report("first draw of a thread, anything but getrandom() kills", in_child(first_draw_of_thread), 0);
	report("after vgr_prepare(), getrandom() kills as well", in_children(prepared), 0);
	report("cookies, getrandom() kills as well", in_children(prepared_cookies), 0);
	report("getrandom() is refused: so is the first draw, with its error", in_child(refused), 0);
	report("getrandom() returns nothing: the others notice", in_child(nothing), 0);
	report("getrandom() is refused: vgr_random() reads the device", in_child(refused_to_random), 0);
	report("getrandom() is refused, no device: vgr_random() aborts",
	       in_child(refused_all) & 0xff7f, SIGABRT);
	return finish();
}
