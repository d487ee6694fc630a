// SPDX-License-Identifier: MIT
/*
 * dlopen LIBRARY PLUGIN - the library opened late and closed early; and as a part of a
 * plugin, which is unloaded. No draw allocates memory. musl neither unloads anything nor
 * lets the test count allocations.
 */
#define _GNU_SOURCE
#include "tap.h"
#include <dlfcn.h>

static ssize_t (*vgr_getrandom)(void *, size_t, unsigned int);
static int (*vgr_prepare)(void);

/* --- Allocations of threads that say so are counted. */

static __thread bool watched;
static unsigned long allocations;

#ifdef __GLIBC__
#define COUNTS 1
#define UNLOADS 1
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);

void *malloc(size_t size)
{
	if (watched)
		__atomic_fetch_add(&allocations, 1, __ATOMIC_RELAXED);
	return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	if (watched)
		__atomic_fetch_add(&allocations, 1, __ATOMIC_RELAXED);
	return __libc_calloc(count, size);
}
#else
#define COUNTS 0
#define UNLOADS 0
#endif

static void *draw_watched(void *value)
{
	ssize_t result;

	watched = true;
	result = vgr_getrandom(value, sizeof(struct value), 0);
	watched = false;
	return result == sizeof(struct value) ? value : NULL;
}

/* --- */

/* Of all mappings: neighbours of one kind are one in the list. */
static unsigned long mapped_kib(void)
{
	unsigned long begin, end, sum = 0;
	FILE *file = fopen("/proc/self/maps", "r");
	char line[512];

	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "%lx-%lx", &begin, &end) == 2)
			sum += (end - begin) / 1024;
	fclose(file);
	return sum;
}

static void *open_library(const char *name)
{
	void *library = dlopen(name, RTLD_NOW);

	if (!library) {
		printf("Bail out! %s\n", dlerror());
		exit(1);
	}
	vgr_getrandom = (ssize_t (*)(void *, size_t, unsigned int))dlsym(library, "vgr_getrandom");
	vgr_prepare = (int (*)(void))dlsym(library, "vgr_prepare");
	return library;
}

static pthread_barrier_t barrier;

/* It starts before the library is opened, draws, and ends after that is closed. */
static void *draw_meanwhile(void *value)
{
	void *result;

	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	result = draw_watched(value);
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	return result;
}

static void test_late(const char *name)
{
	enum { THREADS = 8 };
	static struct value values[2 * THREADS];
	pthread_t old[THREADS], new[THREADS];
	void *library, *result;
	int failed = 0;

	pthread_barrier_init(&barrier, NULL, THREADS + 1);
	for (int i = 0; i < THREADS; i++)
		pthread_create(&old[i], NULL, draw_meanwhile, &values[i]);
	pthread_barrier_wait(&barrier);
	library = open_library(name);
	pthread_barrier_wait(&barrier);
	for (int i = 0; i < THREADS; i++)
		pthread_create(&new[i], NULL, draw_watched, &values[THREADS + i]);
	pthread_barrier_wait(&barrier);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(new[i], &result);
		failed += !result;
	}
	dlclose(library);
	pthread_barrier_wait(&barrier);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(old[i], &result);
		failed += !result;
	}
	check(!failed && !count_wrong(values, 2 * THREADS),
	      "opened late: threads from before and after draw, and end after dlclose()");
	if (COUNTS)
		check(!allocations, "opened late: no first draw allocates memory # %lu did", allocations);
	else
		skip("opened late: no first draw allocates memory", "cannot be counted with this C library");
}

static void test_again(const char *name)
{
	static struct value values[200];
	unsigned long before, after;

	dlclose(open_library(name));
	before = mapped_kib();
	for (int i = 0; i < 200; i++) {
		void *library = open_library(name);

		vgr_getrandom(&values[i], sizeof(values[i]), 0);
		dlclose(library);
	}
	after = mapped_kib();
	check(!count_wrong(values, 200), "opened and closed 200 times: each value once");
	check(after <= before + 4096, "opened and closed 200 times: nothing is left behind # %ld KiB", (long)(after - before));
}

/* --- A plugin */

static uint32_t (*plugin_draw)(void);
static volatile uint32_t number;

static void *draw_from_plugin(void *unused)
{
	(void)unused;
	number = plugin_draw();
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	return NULL;
}

static void test_plugin(const char *name)
{
	int status, gone = 0;
	pid_t pid;

	pthread_barrier_init(&barrier, NULL, 2);
	pid = fork();
	if (!pid) {
		for (int i = 0; i < 20; i++) {
			void *plugin = dlopen(name, RTLD_NOW);
			pthread_t thread;

			if (!plugin)
				_exit(2);
			plugin_draw = (uint32_t (*)(void))dlsym(plugin, "plugin_draw");
			pthread_create(&thread, NULL, draw_from_plugin, NULL);
			pthread_barrier_wait(&barrier);
			dlclose(plugin);
			plugin = dlopen(name, RTLD_NOW | RTLD_NOLOAD);
			gone += !plugin;
			pthread_barrier_wait(&barrier);
			pthread_join(thread, NULL);
			status = fork();
			if (!status)
				_exit(0);
			if (status_of(status))
				_exit(3);
		}
		_exit(gone == 20 ? 0 : 4);
	}
	status = status_of(pid);
	check(!status, "a plugin is unloaded: threads that drew from it end, and the process forks # status %#x", status);
}

/* --- Later keys than the first 32 have their values in allocated memory. */

static void test_keys(const char *name)
{
	struct value values[3] = {};
	int status;
	pid_t pid = fork();

	if (!pid) {
		pthread_key_t key;
		pthread_t thread;

		for (int i = 0; i < 40; i++)
			pthread_key_create(&key, NULL);
		allocations = 0;
		open_library(name);
		for (int i = 0; i < 3; i++) {
			pthread_create(&thread, NULL, draw_watched, &values[i]);
			pthread_join(thread, NULL);
		}
		if (COUNTS && (!vgr_prepare() || errno != ENOSYS))
			_exit(2);
		_exit(allocations ? 3 : count_wrong(values, 3) ? 4 : 0);
	}
	status = status_of(pid);
	check(!status, "32 keys are taken: no draw allocates memory # status %#x", status);
}

int main(int argc, char **argv)
{
	if (argc < 3)
		give_up("arguments");
	test_keys(argv[1]);
	if (UNLOADS)
		test_plugin(argv[2]);
	else
		skip("a plugin is unloaded", "this C library unloads nothing");
	test_late(argv[1]);
	test_again(argv[1]);
	return finish();
}
