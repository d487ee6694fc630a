// SPDX-License-Identifier: GPL-2.0
/*
 * draw - the guest's part of the clone test
 *
 * Threads draw 16 bytes at a time, by turns through the vDSO and by the system call,
 * and note each value in memory. Another one has the kernel name sockets, by its own
 * get_random_u32(), and notes the names. With the argument "vdso", no draw makes a system
 * call, in which the kernel would look whether the machine is a clone. The host stops the
 * machine and reads that memory from outside: nothing has to be printed, no draw waits for a
 * device, and it is exact how many draws there were at the moment of the snapshot.
 *
 * Commands come in lines on standard output, which is open for reading as well:
 *
 *	draw N	each thread draws N times; says "drawing", then "drawn"
 *	fill	one large call of the vDSO; says "filling", then "filled"
 *	reseed	reseed the kernel's generator; says "reseeded"
 *	hibernate	to /dev/vda, while all threads draw; says "hibernating", and "woken"
 *		where the image is restored, then "drawn"
 *	cookies	say what cookies taken at the last reseed tell since, "cookies VDSO SYSCALL",
 *		each of which is none, reseed, clone, wrong, or absent from this kernel
 *	interrupts NAME	say how often such a device has interrupted this machine, "interrupts N"
 *
 * At the start it says "memory ADDRESS...", the physical addresses of the pages, of
 * 2 MiB each, in which the streams lie one after the other and then the buffer of the
 * large call, and "vdso ADDRESS", where this process has it. When the kernel tells of a
 * clone it says "noticed NAME", after "clones N" where the kernel counts them.
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/swap.h>
#include <sys/un.h>
#include <time.h>

#include "vgetrandom.h"
#include "watch.h"

#define THREADS		4
#define NAMES		THREADS		/* the stream of the names of sockets */
#define LARGE		(THREADS + 1)	/* and that of the large calls */
#define STREAMS		(THREADS + 2)
#define HUGE_SIZE	(2UL << 20)
#define FILL_PAGES	8
#define PAGES		(STREAMS + FILL_PAGES)
#define FILL_SIZE	(FILL_PAGES * HUGE_SIZE)
#define HEADER_SIZE	4096
#define VALUE_SIZE	16
#define NAME_SIZE	5		/* hexadecimal digits of a name */
#define DRAWS_A_NAME	4
#define CAPACITY	((HUGE_SIZE - HEADER_SIZE) / sizeof(struct drawn))
#define HIBERNATION_DISK	"/dev/vda"
#define AFTER_HIBERNATION	2000	/* draws of each thread */

struct drawn {
	/* When it began: two machines that restore one image differ from there on. */
	unsigned long counter;
	unsigned char value[2][VALUE_SIZE];	/* through the vDSO, by the system call */
};

/* Calls that began, those of them that ended, and when that last changed, in nanoseconds. */
struct progress {
	atomic_ulong started;
	atomic_ulong done;
	atomic_ulong time;
};

/* What machine.py reads. A page starts with it. */
struct stream {
	struct progress calls;
	struct progress reseeded;	/* at the last command to reseed */
	struct progress noticed[2];	/* when watches[i] last noticed a clone */
	atomic_ulong limit;		/* no draw starts beyond it */
	unsigned char header_end[HEADER_SIZE - 13 * sizeof(long)];
	struct drawn drawn[CAPACITY];
};

_Static_assert(sizeof(struct stream) <= HUGE_SIZE, "a stream is in one page");
_Static_assert(offsetof(struct stream, drawn) == HEADER_SIZE, "draws follow the header");

#ifndef GRND_TIMESTAMP
#define GRND_TIMESTAMP	0x0008
#endif

/* What getrandom() with GRND_TIMESTAMP updates. */
struct cookie {
	uint64_t reseed;
	uint64_t clone;
};

struct watch {
	const char *name;
	const char *path;
	void (*wait)(int fd);
	int fd;
};

static bool vdso_only;
static unsigned char *memory;
static struct vgr_pool states;
static struct cookie cookies[2];		/* through the vDSO, by the system call */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t limits_rose = PTHREAD_COND_INITIALIZER;
static pthread_cond_t draws_ended = PTHREAD_COND_INITIALIZER;

static struct stream *stream(size_t i)
{
	return (struct stream *)(memory + i * HUGE_SIZE);
}

/* The processor's own counter of time */
static unsigned long read_counter(void)
{
#ifdef __x86_64__
	return __builtin_ia32_rdtsc();
#else
	unsigned long counter;

	asm volatile ("mrs %0, cntvct_el0" : "=r" (counter));
	return counter;
#endif
}

/* To a tick of the kernel, but without a system call: the draws are to follow closely. */
static unsigned long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
	return t.tv_sec * 1000000000UL + t.tv_nsec;
}

static void count_call(struct stream *s, atomic_ulong *count)
{
	atomic_store_explicit(&s->calls.time, now(), memory_order_relaxed);
	++*count;
}

static void note_progress(struct stream *s, struct progress *note)
{
	note->done = s->calls.done;
	note->started = s->calls.started;
	note->time = now();
}

static void print_fork_count(int fd)
{
	char count[32];
	ssize_t len = pread(fd, count, sizeof(count) - 1, 0);

	if (len <= 0)
		err(1, "reading fork_event");
	count[len] = '\0';
	printf("clones %lu\n", strtoul(count, NULL, 10));
}

static bool is_readable(int fd)
{
	struct pollfd event = { .fd = fd, .events = POLLIN };

	return poll(&event, 1, 0) == 1 && event.revents == POLLIN;
}

static int new_epoll(int fd)
{
	struct epoll_event event = { .events = EPOLLIN };
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
		err(1, "epoll");
	return epoll;
}

/*
 * Waits with an epoll instance inside another one, and changes the event in between: as
 * long as nobody reads, none of this takes the event away.
 */
static void wait_for_fork_event(int fd)
{
	static int inner, outer;
	struct epoll_event event = { .events = EPOLLIN }, got;
	unsigned int i;

	if (!outer) {
		inner = new_epoll(fd);
		outer = new_epoll(inner);
	}
	/* A thaw interrupts the call. */
	while (epoll_wait(outer, &got, 1, -1) != 1)
		if (errno != EINTR)
			err(1, "waiting for fork_event");
	for (i = 0; i < 100; i++)
		if (!is_readable(fd) || epoll_ctl(inner, EPOLL_CTL_MOD, fd, &event) ||
		    epoll_wait(outer, &got, 1, 0) != 1 || epoll_wait(inner, &got, 1, 0) != 1)
			errx(1, "fork_event was lost before it was read");
	print_fork_count(fd);
	if (is_readable(fd) || epoll_wait(outer, &got, 1, 0))
		errx(1, "fork_event is readable after it was read");
}

static struct watch watches[] = {
	{ "kmsg", "/dev/kmsg", wait_for_kernel_message, -1 },
	{ "fork_event", "/proc/sys/kernel/random/fork_event", wait_for_fork_event, -1 },
};

#define NUM_WATCHES	(sizeof(watches) / sizeof(watches[0]))

static void *watch_thread(void *arg)
{
	struct watch *w = arg;
	size_t i;

	for (;;) {
		w->wait(w->fd);
		/* A draw that starts from here on starts after the notification. */
		for (i = 0; i < STREAMS; i++)
			note_progress(stream(i), &stream(i)->noticed[w - watches]);
		printf("noticed %s\n", w->name);
	}
	return NULL;
}

/* Waits while there is nothing to draw. */
static void wait_for_limit(struct stream *s)
{
	if (s->calls.started < s->limit)
		return;
	pthread_mutex_lock(&lock);
	pthread_cond_signal(&draws_ended);
	while (s->calls.started == s->limit)
		pthread_cond_wait(&limits_rose, &lock);
	pthread_mutex_unlock(&lock);
}

static void *draw_thread(void *arg)
{
	void *state = vgr_pool_get(&states);
	struct stream *s = arg;
	unsigned long n;

	for (n = 0;; n++) {
		struct drawn *drawn = &s->drawn[n % CAPACITY];

		wait_for_limit(s);
		count_call(s, &s->calls.started);
		drawn->counter = read_counter();
		if (vgr_draw(drawn->value[0], VALUE_SIZE, state) != VALUE_SIZE ||
		    (!vdso_only && vgr_syscall(drawn->value[1], VALUE_SIZE, 0) != VALUE_SIZE))
			errx(1, "a draw failed");
		count_call(s, &s->calls.done);
	}
	return NULL;
}

/* The kernel names a socket that is bound without a name: a zero and random digits. */
static void bind_socket(void *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(address);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(sa_family_t)) ||
	    getsockname(fd, (struct sockaddr *)&address, &len))
		err(1, "binding a socket");
	memcpy(name, address.sun_path + 1, NAME_SIZE);
	close(fd);
}

static void *name_thread(void *arg)
{
	struct stream *s = arg;
	unsigned long n;

	for (n = 0;; n++) {
		wait_for_limit(s);
		count_call(s, &s->calls.started);
		if (!vdso_only)
			bind_socket(s->drawn[n % CAPACITY].value[0]);
		count_call(s, &s->calls.done);
	}
	return NULL;
}

static bool all_drawn(void)
{
	size_t i;

	for (i = 0; i <= NAMES; i++)
		if (stream(i)->calls.done != stream(i)->limit)
			return false;
	return true;
}

static void start_draws(unsigned long n)
{
	size_t i;

	pthread_mutex_lock(&lock);
	for (i = 0; i < THREADS; i++)
		stream(i)->limit = stream(i)->calls.started + n;
	stream(NAMES)->limit = stream(NAMES)->calls.started + n / DRAWS_A_NAME;
	pthread_cond_broadcast(&limits_rose);
	pthread_mutex_unlock(&lock);
}

static void wait_for_draws(void)
{
	pthread_mutex_lock(&lock);
	while (!all_drawn())
		pthread_cond_wait(&draws_ended, &lock);
	pthread_mutex_unlock(&lock);
	printf("drawn\n");
}

static void draw(unsigned long n)
{
	start_draws(n);
	printf("drawing\n");
	wait_for_draws();
}

static void fill(void *state)
{
	struct stream *s = stream(LARGE);
	unsigned char *buffer = memory + STREAMS * HUGE_SIZE;

	memset(buffer, 0, FILL_SIZE);
	printf("filling\n");
	count_call(s, &s->calls.started);
	if (vgr_draw(buffer, FILL_SIZE, state) != FILL_SIZE)
		errx(1, "the large call failed");
	count_call(s, &s->calls.done);
	printf("filled\n");
}

static ssize_t ask_cookie(size_t kind, struct cookie *cookie)
{
	if (kind)
		return vgr_syscall(cookie, sizeof(*cookie), GRND_TIMESTAMP);
	return vgr.call(cookie, sizeof(*cookie), GRND_TIMESTAMP, NULL, 0);
}

static const char *judge_cookie(size_t kind)
{
	struct cookie cookie = cookies[kind];
	ssize_t ret = ask_cookie(kind, &cookie);
	bool reseed = cookie.reseed != cookies[kind].reseed;
	bool clone = cookie.clone != cookies[kind].clone;

	if (ret == -EINVAL)
		return "absent";
	if (ret != (reseed ? (ssize_t)sizeof(cookie) : 0) || (clone && !reseed))
		return "wrong";
	return clone ? "clone" : reseed ? "reseed" : "none";
}

/* A row of the table has a count for each processor. */
static unsigned long count_interrupts(const char *name)
{
	FILE *f = fopen("/proc/interrupts", "re");
	unsigned long count, sum = 0;
	char line[512], *p;
	int len;

	if (!f)
		err(1, "/proc/interrupts");
	while (fgets(line, sizeof(line), f)) {
		p = strstr(line, name) ? strchr(line, ':') : NULL;
		for (; p && sscanf(p + 1, "%lu%n", &count, &len) == 1; p += len)
			sum += count;
	}
	fclose(f);
	return sum;
}

static void reseed(void)
{
	int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
	size_t i;

	if (fd < 0 || ioctl(fd, RNDRESEEDCRNG))
		err(1, "reseeding");
	close(fd);
	for (i = 0; i < STREAMS; i++)
		note_progress(stream(i), &stream(i)->reseeded);
	for (i = 0; i < 2; i++)
		ask_cookie(i, &cookies[i]);
	printf("reseeded\n");
}

static void write_setting(const char *path, const char *value)
{
	FILE *f = fopen(path, "we");

	if (!f || fputs(value, f) < 0 || fclose(f))
		err(1, "%s", path);
}

/*
 * This thread leaves hibernation, and then stops the drawing ones. Should they get the
 * processors instead, they overwrite what they drew before the image.
 */
static void go_first(void)
{
	struct sched_param first = { .sched_priority = 1 };

	if (sched_setscheduler(0, SCHED_FIFO, &first))
		err(1, "real-time priority");
}

static void hibernate(void)
{
	go_first();
	if (swapon(HIBERNATION_DISK, 0))
		err(1, "swapping to " HIBERNATION_DISK);
	write_setting("/sys/power/disk", "shutdown");
	start_draws(LONG_MAX / 2);
	printf("hibernating\n");
	write_setting("/sys/power/state", "disk");
	start_draws(AFTER_HIBERNATION);
	printf("woken\n");
	wait_for_draws();
}

static void run_commands(void)
{
	FILE *in = fdopen(dup(STDOUT_FILENO), "r");
	void *state = vgr_pool_get(&states);
	char line[64], name[16];
	unsigned long n;

	while (in && fgets(line, sizeof(line), in)) {
		if (sscanf(line, "draw %lu", &n) == 1)
			draw(n);
		else if (!strcmp(line, "fill\n"))
			fill(state);
		else if (!strcmp(line, "reseed\n"))
			reseed();
		else if (!strcmp(line, "hibernate\n"))
			hibernate();
		else if (!strcmp(line, "cookies\n"))
			printf("cookies %s %s\n", judge_cookie(0), judge_cookie(1));
		else if (sscanf(line, "interrupts %15s", name) == 1)
			printf("interrupts %lu\n", count_interrupts(name));
		else
			printf("what? %s", line);
	}
	err(1, "no more commands");
}

static void reserve_huge_pages(void)
{
	char count[16];

	snprintf(count, sizeof(count), "%d", PAGES);
	write_setting("/proc/sys/vm/nr_hugepages", count);
}

static void map_memory(void)
{
	reserve_huge_pages();
	memory = mmap(NULL, PAGES * HUGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE |
		      MAP_ANONYMOUS | MAP_HUGETLB | MAP_POPULATE, -1, 0);
	if (memory == MAP_FAILED)
		err(1, "mapping huge pages");
}

static unsigned long physical_address(const void *p)
{
	const uint64_t frame_mask = (1UL << 55) - 1;
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t entry;

	if (fd < 0 || pread(fd, &entry, sizeof(entry),
			    (uintptr_t)p / vgr.page * sizeof(entry)) != sizeof(entry))
		err(1, "pagemap");
	close(fd);
	return (entry & frame_mask) * vgr.page;
}

static void print_addresses(void)
{
	size_t i;

	printf("memory");
	for (i = 0; i < PAGES; i++)
		printf(" %#lx", physical_address(memory + i * HUGE_SIZE));
	printf("\n");
	printf("vdso %#lx\n", getauxval(AT_SYSINFO_EHDR));
}

static void start(void *(*function)(void *), void *arg, const cpu_set_t *cpus, int policy)
{
	struct sched_param param = { .sched_priority = policy == SCHED_FIFO };
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED);
	pthread_attr_setschedpolicy(&attr, policy);
	pthread_attr_setschedparam(&attr, &param);
	if (cpus)
		pthread_attr_setaffinity_np(&attr, sizeof(*cpus), cpus);
	errno = pthread_create(&thread, &attr, function, arg);
	if (errno)
		err(1, "pthread_create");
}

/* Each on a processor of its own as far as they go, so that all of them have keys in use. */
static void start_drawing(void)
{
	long online = sysconf(_SC_NPROCESSORS_ONLN);
	size_t i;

	for (i = 0; i <= NAMES; i++) {
		cpu_set_t cpus;

		CPU_ZERO(&cpus);
		CPU_SET(i % online, &cpus);
		start(i == NAMES ? name_thread : draw_thread, stream(i), &cpus, SCHED_OTHER);
	}
}

/* Ahead of everything that draws, as a program is that must not miss a clone. */
static void start_watching(void)
{
	size_t i;

	for (i = 0; i < NUM_WATCHES; i++) {
		struct watch *w = &watches[i];

		w->fd = open(w->path, O_RDONLY | O_CLOEXEC);
		if (w->fd < 0)
			continue;
		printf("watching %s\n", w->name);
		start(watch_thread, w, NULL, SCHED_FIFO);
	}
}

int main(int argc, char **argv)
{
	vdso_only = argc > 1 && !strcmp(argv[1], "vdso");
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!vgr_find() || vgr.query)
		errx(1, "there is no getrandom() in the vDSO");
	if (!vgr_pool_open(&states, STREAMS))
		err(1, "mapping states");
	map_memory();
	start_watching();
	start_drawing();
	print_addresses();
	run_commands();
}
