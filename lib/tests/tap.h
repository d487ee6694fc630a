/* SPDX-License-Identifier: MIT */
/* Test cases as lines of TAP, and what the tests share. */
#ifndef TAP_H
#define TAP_H

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* With a sanitizer of clang or gcc? Each of them follows less than a program may do. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
# define SANITIZED 1
#elif defined(__has_feature)
# if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#  define SANITIZED 1
# endif
#endif
#ifndef SANITIZED
# define SANITIZED 0
#endif

static int tap_cases, tap_failures;

/* Print "ok" or "not ok" for a case. What follows " # " is a remark. */
__attribute__((format(printf, 2, 3), unused))
static void check(bool passed, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	printf("%s %d - ", passed ? "ok" : "not ok", ++tap_cases);
	vprintf(format, args);
	printf("\n");
	fflush(stdout);
	va_end(args);
	tap_failures += !passed;
}

__attribute__((unused))
static void skip(const char *what, const char *why)
{
	printf("ok %d - %s # SKIP %s\n", ++tap_cases, what, why);
	fflush(stdout);
}

__attribute__((unused))
static int finish(void)
{
	printf("1..%d\n", tap_cases);
	fflush(stdout);
	return tap_failures ? 1 : 0;
}

__attribute__((noreturn, unused))
static void give_up(const char *what)
{
	printf("Bail out! %s: %s\n", what, strerror(errno));
	fflush(stdout);
	_exit(1);
}

/* Slow machines and tools test less: TEST_SCALE=10 means a tenth. */
__attribute__((unused))
static int scaled(int count)
{
	const char *scale = getenv("TEST_SCALE");
	int by = scale ? atoi(scale) : 1;

	return count / by > 0 ? count / by : 1;
}

__attribute__((unused))
static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

/* --- Values drawn: none of them may be zero, and no two the same */

struct value {
	uint64_t low, high;
};

__attribute__((unused))
static int compare_values(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct value));
}

__attribute__((unused))
static size_t count_wrong(struct value *values, size_t count)
{
	size_t wrong = 0;

	qsort(values, count, sizeof(*values), compare_values);
	for (size_t i = 0; i < count; i++)
		wrong += !values[i].low || !values[i].high ||
			 (i && !compare_values(&values[i - 1], &values[i]));
	return wrong;
}

/* Memory that children share */
__attribute__((unused))
static void *shared_memory(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		give_up("mmap");
	return memory;
}

/* Wait for a child; 0 if it ended with status 0, else what wait() says. */
__attribute__((unused))
static int status_of(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) != pid)
		if (errno != EINTR)
			give_up("waitpid");
	return status;
}

/* --- Seccomp filters */

#if defined(__x86_64__)
# define THIS_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
# define THIS_ARCH AUDIT_ARCH_AARCH64
#endif

#define LOAD_NUMBER BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))
#define ON_CALL(number, action)						\
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (number), 0, 1),		\
	BPF_STMT(BPF_RET | BPF_K, (action))
#define OTHERWISE(action) BPF_STMT(BPF_RET | BPF_K, (action))

/* Returns what seccomp() returns: a file descriptor with SECCOMP_FILTER_FLAG_NEW_LISTENER. */
__attribute__((unused))
static int set_filter(struct sock_filter *code, size_t length, unsigned int flags)
{
	struct sock_fprog filter = { .len = length, .filter = code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -1;
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &filter);
}

#define FILTER(code) set_filter((code), sizeof(code) / sizeof((code)[0]), 0)

/*
 * Count the getrandom() system calls of the calling thread, and of all threads and
 * processes that it starts from here on. A thread that was started before, and has no
 * filter, lets each of them through.
 */
static unsigned long *tap_calls;
static int tap_listener = -1;

__attribute__((unused))
static void *let_through(void *unused)
{
	(void)unused;
	for (;;) {
		struct seccomp_notif call = {};
		struct seccomp_notif_resp answer = {
			.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE,
		};

		if (ioctl(tap_listener, SECCOMP_IOCTL_NOTIF_RECV, &call)) {
			if (errno == EINTR || errno == ENOENT)
				continue;
			return NULL;
		}
		__atomic_fetch_add(tap_calls, 1, __ATOMIC_SEQ_CST);
		answer.id = call.id;
		ioctl(tap_listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
	}
}

__attribute__((unused))
static void *begin_listening(void *start)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	pthread_barrier_wait(start);
	return let_through(NULL);
}

/* False where that is not possible: under qemu-user and valgrind. */
__attribute__((unused))
static bool count_calls(void)
{
	struct sock_filter code[] = {
		LOAD_NUMBER,
		ON_CALL(SYS_getrandom, SECCOMP_RET_USER_NOTIF),
		OTHERWISE(SECCOMP_RET_ALLOW),
	};
	static pthread_barrier_t start;
	pthread_t thread;
	void *memory;

	if (tap_listener >= 0)
		return true;
	/* valgrind prints a warning. */
	if (getenv("TEST_NO_SECCOMP"))
		return false;
	if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0,
		    &(uint32_t){ SECCOMP_RET_USER_NOTIF }))
		return false;
	memory = shared_memory(4096);
	pthread_barrier_init(&start, NULL, 2);
	if (pthread_create(&thread, NULL, begin_listening, &start))
		give_up("pthread_create");
	tap_calls = memory;
	tap_listener = set_filter(code, sizeof(code) / sizeof(code[0]),
				  SECCOMP_FILTER_FLAG_NEW_LISTENER);
	if (tap_listener < 0) {
		pthread_cancel(thread);
		return false;
	}
	pthread_barrier_wait(&start);
	pthread_detach(thread);
	return true;
}

__attribute__((unused))
static unsigned long calls(void)
{
	return __atomic_load_n(tap_calls, __ATOMIC_SEQ_CST);
}

/* --- The vDSO, looked at in another way than the library does */

/* Does the image have the name of the function somewhere, and does the kernel offer it? */
__attribute__((unused))
static bool vdso_has_name(void)
{
	const char *image = (const char *)getauxval(AT_SYSINFO_EHDR);
#if defined(__aarch64__)
	static const char name[] = "__kernel_getrandom";
#else
	static const char name[] = "__vdso_getrandom";
#endif

	return image && memmem(image, 4096, name, sizeof(name));
}

#endif /* TAP_H */
