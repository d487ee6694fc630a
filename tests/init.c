// SPDX-License-Identifier: GPL-2.0
/*
 * The first process of the test guest.
 *
 *	init LIST...	run the tests of those lists and switch the guest off
 *	init shell	mount everything and become a shell
 *
 * Kernel messages and this program's own go to the console. What the tests
 * print goes to the second serial port, between two lines of ours, so that no
 * kernel message ever cuts a line of results in two:
 *
 *	# start: DIRECTORY/PROGRAM ARGUMENTS as root|user[,MODE...]
 *	...
 *	# end: exit N | signal N | timeout | absent
 *	# took N s
 *
 * and at the very end "# done".
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/perf_event.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define RESULTS		"RESULTS"	/* the device's name, on the kernel's command line */
#define TEST_LIST	"/tests/list"
#define PATIENCE	"PATIENCE"	/* for slow kernels: a factor for all limits */
#define USER_ID		1000
#define MAX_ARGS	16

struct test {
	char *lists;		/* the lists it is on, comma-separated */
	char *as;		/* "root" or "user", with ",timens", ",mglru" */
	unsigned int limit;	/* seconds */
	char *argv[MAX_ARGS];	/* argv[0] is DIRECTORY/PROGRAM */
};

static void __attribute__((noreturn)) power_off(void)
{
	fflush(NULL);
	sync();
	/* With -no-reboot, this ends QEMU, and needs no driver. */
	reboot(RB_AUTOBOOT);
	_exit(1);
}

static void __attribute__((noreturn)) give_up(const char *what)
{
	fprintf(stderr, "init: %s: %s\n", what, strerror(errno));
	power_off();
}

static void mount_at(const char *type, const char *where, const char *options)
{
	mkdir(where, 0755);
	if (mount(type, where, type, 0, options))
		fprintf(stderr, "init: mounting %s: %s\n", where, strerror(errno));
}

static void mount_all(void)
{
	umask(0);
	mount_at("devtmpfs", "/dev", NULL);
	mount_at("devpts", "/dev/pts", NULL);
	mount_at("tmpfs", "/dev/shm", "mode=1777");
	mount_at("proc", "/proc", NULL);
	mount_at("sysfs", "/sys", NULL);
	mount_at("debugfs", "/sys/kernel/debug", NULL);
	mount_at("tracefs", "/sys/kernel/tracing", NULL);
	mount_at("cgroup2", "/sys/fs/cgroup", NULL);
	mount_at("tmpfs", "/tmp", "mode=1777");
	umask(022);
}

static void raise_loopback(void)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &ifr))
		perror("init: raising lo");
	if (fd >= 0)
		close(fd);
}

static void print_kernel(FILE *out)
{
	struct utsname name;

	if (uname(&name))
		give_up("uname");
	fprintf(out, "# kernel: %s %s, %ld processors\n", name.release,
		name.machine, sysconf(_SC_NPROCESSORS_ONLN));
}

/* Leaves lines as the tests write them: no carriage returns, no echo. */
static FILE *open_results(void)
{
	const char *device = getenv(RESULTS);
	struct termios tio;
	char path[64];
	FILE *out;
	int fd;

	snprintf(path, sizeof(path), "/dev/%s", device ? device : "ttyS1");
	fd = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		give_up(path);
	if (!tcgetattr(fd, &tio)) {
		cfmakeraw(&tio);
		tio.c_cflag |= CLOCAL;
		tcsetattr(fd, TCSANOW, &tio);
	}
	out = fdopen(fd, "w");
	if (!out)
		give_up("fdopen");
	setvbuf(out, NULL, _IOLBF, 0);
	return out;
}

/* What is on the kernel's command line and not the kernel's is our environment. */
static unsigned int patience(void)
{
	const char *text = getenv(PATIENCE);

	return text && atoi(text) > 0 ? atoi(text) : 1;
}

/* Puts a line among the kernel's messages, to tell which test they belong to. */
static void note_in_kernel_log(const struct test *test)
{
	FILE *log = fopen("/dev/kmsg", "we");

	if (!log)
		return;
	fprintf(log, "<5>init: %s as %s\n", test->argv[0], test->as);
	fclose(log);
}

/* Is that word one of the words, which commas separate? */
static bool is_listed(const char *word, const char *words)
{
	size_t len = strlen(word);
	const char *p;

	for (p = words; (p = strstr(p, word)); p += len)
		if ((p == words || p[-1] == ',') && (!p[len] || p[len] == ','))
			return true;
	return false;
}

static bool write_to(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return done;
}

/* A time namespace with clocks of its own for this process, which has one thread. */
static void enter_time_namespace(void)
{
	int fd;

	if (unshare(CLONE_NEWTIME) || !write_to("/proc/self/timens_offsets", "1 1000 0\n"))
		_exit(125);
	fd = open("/proc/self/ns/time_for_children", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWTIME))
		_exit(125);
	close(fd);
}

/* Reclaim with the multi-generational LRU, or without. */
static void set_lru_gen(bool on)
{
	if (!write_to("/sys/kernel/mm/lru_gen/enabled", on ? "y" : "n") && on)
		fprintf(stderr, "init: there is no multi-generational LRU\n");
}

static bool parse_test(char *line, struct test *test)
{
	const char *blanks = " \t\n";
	unsigned int argc = 0;
	char *word;

	memset(test, 0, sizeof(*test));
	line[strcspn(line, "#")] = '\0';
	test->lists = strtok(line, blanks);
	test->as = strtok(NULL, blanks);
	word = strtok(NULL, blanks);
	while (argc < MAX_ARGS - 1 && (test->argv[argc] = strtok(NULL, blanks)))
		argc++;
	if (!argc)
		return false;
	test->limit = atoi(word) * patience();
	return true;
}

static void become_user(void)
{
	if (setgroups(0, NULL) || setgid(USER_ID) || setuid(USER_ID))
		_exit(126);
	setenv("HOME", "/tmp", 1);
}

static void __attribute__((noreturn)) exec_test(const struct test *test, FILE *out)
{
	char path[256];
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
	dup2(fileno(out), STDOUT_FILENO);
	dup2(fileno(out), STDERR_FILENO);
	if (is_listed("timens", test->as))
		enter_time_namespace();
	if (is_listed("user", test->as))
		become_user();
	snprintf(path, sizeof(path), "/tests/%s", test->argv[0]);
	execv(path, test->argv);
	_exit(127);
}

/* Waits for that child and reaps every other; false when the time is up. */
static bool wait_for(pid_t pid, unsigned int limit, int *status)
{
	time_t end = time(NULL) + limit;
	sigset_t chld;

	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	for (;;) {
		struct timespec second = { .tv_sec = 1 };
		pid_t dead;

		while ((dead = waitpid(-1, status, WNOHANG)) > 0)
			if (dead == pid)
				return true;
		if (time(NULL) >= end)
			return false;
		sigtimedwait(&chld, NULL, &second);
	}
}

/* Every process but this one belongs to the test that has just ended. */
static void kill_the_rest(void)
{
	kill(-1, SIGKILL);
	while (waitpid(-1, NULL, 0) > 0)
		;
}

static void report_end(FILE *out, bool in_time, int status)
{
	if (!in_time)
		fprintf(out, "\n# end: timeout\n");
	else if (WIFSIGNALED(status))
		fprintf(out, "\n# end: signal %d\n", WTERMSIG(status));
	else
		fprintf(out, "\n# end: exit %d\n", WEXITSTATUS(status));
}

static void report_start(FILE *out, const struct test *test)
{
	char *const *arg;

	fprintf(out, "\n# start:");
	for (arg = test->argv; *arg; arg++)
		fprintf(out, " %s", *arg);
	fprintf(out, " as %s\n", test->as);
}

static bool is_absent(const struct test *test)
{
	char path[256];

	snprintf(path, sizeof(path), "/tests/%s", test->argv[0]);
	return access(path, F_OK);
}

static void run_test(const struct test *test, FILE *out)
{
	bool in_time;
	time_t begin = time(NULL);
	int status;
	pid_t pid;

	report_start(out, test);
	if (is_absent(test)) {
		fprintf(out, "# end: absent\n");
		return;
	}
	note_in_kernel_log(test);
	set_lru_gen(is_listed("mglru", test->as));
	pid = fork();
	if (pid < 0)
		give_up("fork");
	if (!pid)
		exec_test(test, out);
	in_time = wait_for(pid, test->limit, &status);
	kill_the_rest();
	report_end(out, in_time, status);
	fprintf(out, "# took %lld s\n", (long long)(time(NULL) - begin));
}

static bool is_wanted(const struct test *test, char **lists)
{
	while (*lists)
		if (is_listed(*lists++, test->lists))
			return true;
	return false;
}

static void run_lists(char **lists, FILE *out)
{
	FILE *tests = fopen(TEST_LIST, "re");
	struct test test;
	char line[512];

	if (!tests)
		give_up(TEST_LIST);
	while (fgets(line, sizeof(line), tests))
		if (parse_test(line, &test) && is_wanted(&test, lists))
			run_test(&test, out);
	fclose(tests);
}

static void block_child_signal(void)
{
	sigset_t chld;

	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_BLOCK, &chld, NULL);
}

static void run_tests(char **lists)
{
	FILE *out = open_results();

	print_kernel(out);
	block_child_signal();
	run_lists(lists, out);
	fprintf(out, "# done\n");
	tcdrain(fileno(out));
}

/* A shell of its own session on the console; its end switches the guest off. */
static void run_shell(void)
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		give_up("fork");
	if (!pid) {
		setsid();
		ioctl(STDIN_FILENO, TIOCSCTTY, 1);
		setenv("PATH", "/bin:/tests/vDSO:/tests/vm:/tests/mm", 1);
		setenv("HOME", "/tests", 1);
		chdir("/tests");
		execl("/bin/busybox", "sh", NULL);
		give_up("/bin/busybox");
	}
	while (waitpid(-1, &status, 0) != pid)
		;
}

/*
 * A breakpoint that a tracer sets is a perf event, and the first and the last one of
 * these have the kernel patch its scheduler, which QEMU's emulation of several processors
 * does not always survive. So let there be one from here to the end.
 */
static void keep_perf_on(void)
{
	struct perf_event_attr dummy = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(dummy),
		.config = PERF_COUNT_SW_DUMMY,
	};

	if (syscall(SYS_perf_event_open, &dummy, 0, -1, -1, PERF_FLAG_FD_CLOEXEC) < 0)
		fprintf(stderr, "init: perf_event_open: %s\n", strerror(errno));
}

int main(int argc, char **argv)
{
	char *all[] = { "test", NULL };
	char **lists = argc > 1 ? argv + 1 : all;

	mount_all();
	raise_loopback();
	keep_perf_on();
	setenv("PATH", "/bin", 1);
	print_kernel(stdout);
	if (!strcmp(*lists, "shell"))
		run_shell();
	else
		run_tests(lists);
	power_off();
}
