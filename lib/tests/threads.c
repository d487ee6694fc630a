// SPDX-License-Identifier: MIT
/* threads - states of threads: handed out once, returned clean, enough for some only. */
#define _GNU_SOURCE
#include "states.h"

/* States that are free, but not clean. Nobody may draw meanwhile. */
static size_t count_dirty(void)
{
	size_t dirty = 0;

	for (size_t i = 0; i < table.top; i++) {
		const char *state = state_of(i);

		if (table.owner[i])
			continue;
		for (size_t j = 0; j < vgr.state_size; j++) {
			if (state[j]) {
				dirty++;
				break;
			}
		}
	}
	return dirty;
}

static size_t resident_kib(void)
{
	unsigned char here[8192];
	size_t pages = mapping_size() / vgr.page_size, count = 0;

	if (pages > sizeof(here) || mincore(vgr.base, mapping_size(), here))
		give_up("mincore");
	for (size_t i = 0; i < pages; i++)
		count += here[i] & 1;
	return count * vgr.page_size / 1024;
}

static void *draw_one(void *value)
{
	vgr_random_buf(value, sizeof(struct value));
	return NULL;
}

/* --- One after the other */

static void test_one_by_one(void)
{
	int count = scaled(20000);
	struct value *values = calloc(count, sizeof(*values));
	size_t before = taken(), kib = 0, wrong;
	pthread_t thread;

	for (int i = 0; i < count; i++) {
		start(&thread, draw_one, &values[i]);
		pthread_join(thread, NULL);
		if (i == 10 && vgr.base)
			kib = resident_kib();
	}
	wrong = count_wrong(values, count);
	check(!wrong, "one by one: each value once, none zero # %d threads, %zu wrong", count, wrong);
	check(taken() == before, "one by one: all states are returned # %zu taken", taken());
	if (vgr.base) {
		check(table.top <= before + 2, "one by one: the same state serves all # %zu used", table.top);
		check(resident_kib() <= kib, "one by one: memory does not grow # %zu KiB", resident_kib());
		check(!count_dirty(), "one by one: returned states are cleared # %zu are not", count_dirty());
	} else {
		skip("one by one: memory", "there are no states");
	}
	free(values);
}

/* --- Many at the same time */

/* How often all draw. When the kernel reseeds, each thread makes a system call. */
enum { ROUNDS = 4 };

static struct crowd {
	pthread_barrier_t barrier;
	bool first_only;
} crowd;

static void *draw_in_crowd(void *value)
{
	struct value *values = value;

	vgr_random_buf(&values[0], sizeof(values[0]));
	pthread_barrier_wait(&crowd.barrier);	/* everyone has drawn */
	for (int round = 1; round < ROUNDS; round++) {
		pthread_barrier_wait(&crowd.barrier);	/* the main thread has looked */
		vgr_random_buf(&values[round], sizeof(values[round]));
		pthread_barrier_wait(&crowd.barrier);	/* everyone has drawn again */
	}
	return NULL;
}

static bool owners_are_distinct(void)
{
	struct slot **owners = malloc(sizeof(table.owner));
	size_t twice = 0;

	for (size_t i = 0; i < STATES; i++)
		owners[i] = __atomic_load_n(&table.owner[i], __ATOMIC_SEQ_CST);
	for (size_t i = 0; i < STATES; i++)
		for (size_t j = 0; j < i; j++)
			twice += owners[i] && owners[i] == owners[j];
	free(owners);
	return !twice;
}

/* The main thread has no state of its own yet. */
static void test_more_than_states(bool count_them)
{
	int count = STATES + 100;
	struct value *values = calloc(ROUNDS * count, sizeof(*values));
	pthread_t *threads = calloc(count, sizeof(*threads));
	size_t wrong, held, before = taken();
	unsigned long made, least = ~0ul;
	int started = 0;

	pthread_barrier_init(&crowd.barrier, NULL, count + 1);
	for (; started < count; started++) {
		int error = try_to_start(&threads[started], draw_in_crowd, &values[ROUNDS * started]);

		if (error) {
			printf("# %d threads: %s\n", started, strerror(error));
			skip("more threads than states", "the machine cannot run so many");
			exit(finish());
		}
	}
	pthread_barrier_wait(&crowd.barrier);
	held = taken();
	for (int round = 1; round < ROUNDS; round++) {
		made = count_them ? calls() : 0;
		pthread_barrier_wait(&crowd.barrier);
		pthread_barrier_wait(&crowd.barrier);
		made = count_them ? calls() - made : 0;
		if (made < least)
			least = made;
	}
	if (vgr.base) {
		check(held == STATES, "more threads than states: all states are taken # %zu by %d", held, count);
		check(owners_are_distinct(), "more threads than states: each state has one owner");
		if (count_them)
			check(least >= 100 && least < 100 + STATES / 2,
			      "more threads than states: the others make system calls # %lu", least);
	}
	for (int i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	wrong = count_wrong(values, ROUNDS * count);
	check(!wrong, "more threads than states: each value once, none zero # %d values, %zu wrong",
	      ROUNDS * count, wrong);
	check(taken() == before, "more threads than states: all are returned # %zu taken", taken());
	if (vgr.base) {
		check(!count_dirty(), "more threads than states: all are cleared # %zu are not", count_dirty());
		check(vgr_prepare() == 0, "more threads than states: then another thread gets one");
	}
	free(values);
	free(threads);
}

/* --- Threads that do nothing but get a state and return it */

static unsigned long claims, shared_states;
static bool stop;

static void *claim_and_return(void *unused)
{
	(void)unused;
	for (unsigned long i = 0; !__atomic_load_n(&stop, __ATOMIC_RELAXED); i++) {
		vgr_random();
		/* Sometimes others have time to get the same one. */
		if (i % 64 == 0)
			sched_yield();
		if (self.slot &&
		    __atomic_load_n(&table.owner[index_of(self.slot->state)], __ATOMIC_RELAXED) != self.slot)
			__atomic_fetch_add(&shared_states, 1, __ATOMIC_RELAXED);
		end_thread(&self);
		memset(&self, 0, sizeof(self));
		__atomic_fetch_add(&claims, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void test_claims(void)
{
	enum { THREADS = 8 };
	struct timespec time = { 0, scaled(900) * 1000000l };
	pthread_t threads[THREADS];

	stop = false;
	for (int i = 0; i < THREADS; i++)
		start(&threads[i], claim_and_return, NULL);
	nanosleep(&time, NULL);
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	check(!shared_states, "claims at the same time: each state has one owner # %lu of %lu had not",
	      shared_states, claims);
}

/* --- Batches of threads that draw while the kernel drops their pages */

static void *drop_pages(void *unused)
{
	(void)unused;
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		madvise(vgr.base, mapping_size(), MADV_PAGEOUT);
		wipe_for_all();
		sched_yield();
	}
	return NULL;
}

enum { EACH = 8 };

static void *draw_some(void *value)
{
	struct value *values = value;

	for (int i = 0; i < EACH; i++)
		vgr_random_buf(&values[i], sizeof(values[i]));
	return NULL;
}

static void test_batches(void)
{
	enum { BATCH = 100 };
	int batches = scaled(1000);
	size_t count = (size_t)batches * BATCH * EACH, wrong, before = taken();
	struct value *values = calloc(count, sizeof(*values)), *next = values;
	pthread_t threads[BATCH], dropper;

	stop = false;
	if (vgr.base)
		start(&dropper, drop_pages, NULL);
	for (int i = 0; i < batches; i++) {
		for (int j = 0; j < BATCH; j++, next += EACH)
			start(&threads[j], draw_some, next);
		for (int j = 0; j < BATCH; j++)
			pthread_join(threads[j], NULL);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	if (vgr.base)
		pthread_join(dropper, NULL);
	wrong = count_wrong(values, count);
	check(!wrong, "batches, while pages are dropped: each value once, none zero # %d threads, "
	      "%zu values, %zu wrong", batches * BATCH, count, wrong);
	check(taken() == before, "batches: all states are returned # %zu taken", taken());
	free(values);
}

/* --- Draws in destructors of other keys, before ours and after */

static struct value late[2][PTHREAD_DESTRUCTOR_ITERATIONS];
static pthread_key_t keys[2];

static void draw_late(int which, void *value)
{
	uintptr_t round = (uintptr_t)value - 1;

	vgr_random_buf(&late[which][round], sizeof(struct value));
	if (round + 1 < PTHREAD_DESTRUCTOR_ITERATIONS)
		pthread_setspecific(keys[which], (void *)(round + 2));
}

static void draw_late_first(void *value)
{
	draw_late(0, value);
}

static void draw_late_second(void *value)
{
	draw_late(1, value);
}

static void *end_late(void *with_draw)
{
	if (with_draw)
		vgr_random();
	for (int i = 0; i < 2; i++)
		pthread_setspecific(keys[i], (void *)1);
	return NULL;
}

static void test_destructors(void)
{
	size_t before = taken(), wrong;
	pthread_t thread;

	if (SANITIZED) {
		skip("destructors draw", "the thread sanitizer itself has ended by then");
		return;
	}
	pthread_key_create(&keys[0], draw_late_first);
	pthread_key_create(&keys[1], draw_late_second);
	start(&thread, end_late, &thread);
	pthread_join(thread, NULL);
	wrong = count_wrong(late[0], 2 * PTHREAD_DESTRUCTOR_ITERATIONS);
	check(!wrong, "destructors draw: each value once, none zero # %zu wrong", wrong);
	check(taken() == before, "destructors draw: all states are returned # %zu taken", taken());
	start(&thread, end_late, NULL);
	pthread_join(thread, NULL);
	check(taken() == before, "destructors draw first: all states are returned # %zu taken", taken());
}

int main(void)
{
	bool counted = count_calls();

	if (!counted)
		printf("# system calls cannot be counted here\n");
	test_one_by_one();
	test_more_than_states(counted);
	test_claims();
	test_batches();
	test_destructors();
	return finish();
}
