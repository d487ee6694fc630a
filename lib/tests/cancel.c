// SPDX-License-Identifier: MIT
/* cancel - threads that end in the middle of a draw, and draws that never end. */
#define _GNU_SOURCE
#include "states.h"

static bool counted;

/* A new thread gets a state that others left, and must be able to draw from it. */
static void *draw_recycled(void *made)
{
	unsigned long before = calls();

	for (int i = 0; i < 1000; i++)
		vgr_random();
	*(unsigned long *)made = calls() - before;
	return NULL;
}

static void check_recycled(const char *what)
{
	unsigned long made = 0, worst = 0;
	pthread_t thread;

	if (!counted || !vgr.base) {
		skip(what, vgr.base ? "system calls cannot be counted here" : "there are no states");
		return;
	}
	/* One for the seed; others if the kernel happens to reseed now. */
	for (int i = 0; i < 5; i++) {
		start(&thread, draw_recycled, &made);
		pthread_join(thread, NULL);
		if (made > worst)
			worst = made;
	}
	check(worst < 10, "%s: the state serves the next thread # %lu system calls for 1000 draws", what, worst);
}

enum way { ASYNCHRONOUS, DEFERRED, IN_HANDLER };

struct victim {
	enum way way;
	bool ready;
};

static void *draw_for_ever(void *arg)
{
	struct victim *victim = arg;
	unsigned char buf[250];

	if (victim->way == ASYNCHRONOUS)
		pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
	for (unsigned int i = 0;; i++) {
		vgr_getrandom(buf, i % sizeof(buf), 0);
		__atomic_store_n(&victim->ready, true, __ATOMIC_RELAXED);
		if (victim->way == DEFERRED)
			pthread_testcancel();
	}
	return NULL;
}

static void leave(int signal)
{
	(void)signal;
	pthread_exit(NULL);
}

static void test_ends(const char *what, enum way way)
{
	struct sigaction action = { .sa_handler = leave };
	size_t before = taken();
	pthread_t thread;

	if (SANITIZED && way != DEFERRED) {
		skip(what, "sanitizers do not see that the stack is left");
		return;
	}
	sigaction(SIGUSR1, &action, NULL);
	for (int i = 0; i < scaled(1000); i++) {
		struct timespec moment = { 0, 1 + i * 7919 % 100000 };
		struct victim victim = { .way = way };

		if (pthread_create(&thread, NULL, draw_for_ever, &victim))
			give_up("pthread_create");
		/* Sometimes in the first draw */
		while (i % 4 && !__atomic_load_n(&victim.ready, __ATOMIC_RELAXED))
			sched_yield();
		nanosleep(&moment, NULL);
		if (way == IN_HANDLER)
			pthread_kill(thread, SIGUSR1);
		else
			pthread_cancel(thread);
		pthread_join(thread, NULL);
	}
	check(taken() == before, "%s: all states are returned # %zu taken", what, taken());
	check_recycled(what);
}

/* --- Draws that a longjmp() ended: what it leaves behind is a slot marked busy */

static unsigned long draws_until_fast(void)
{
	unsigned long draws = 0, before;

	do {
		before = calls();
		vgr_random();
		draws++;
	} while (calls() != before && draws < 1000);
	return draws;
}

static void *abandon(void *results)
{
	unsigned long *draws = results;

	vgr_random();
	for (int i = 0; i < SLOTS; i++) {
		take(self.slot);
		draws[i] = draws_until_fast();
	}
	return NULL;
}

static void test_abandoned(void)
{
	unsigned long draws[SLOTS] = {}, most = 0;
	size_t before = taken();
	pthread_t thread;

	if (!counted || !vgr.base) {
		skip("abandoned draws", vgr.base ? "system calls cannot be counted here" : "there are no states");
		return;
	}
	start(&thread, abandon, draws);
	pthread_join(thread, NULL);
	for (int i = 0; i < SLOTS - 1; i++)
		if (draws[i] > most)
			most = draws[i];
	/* And the draw that seeds the next state */
	check(most <= PATIENCE + 2, "abandoned draws: the thread gets another state # after %lu draws", most);
	check(draws[SLOTS - 1] == 1000, "abandoned draws: but not any number of them");
	check(taken() == before, "abandoned draws: all states are returned # %zu taken", taken());
	check_recycled("abandoned draws");
}

/* An interrupted draw that goes on after the thread has moved on to another slot. */
static void *come_back(void *bad)
{
	struct slot *old;

	vgr_random();
	old = self.slot;
	take(old);
	for (int i = 0; i <= PATIENCE; i++)
		vgr_random();
	*(int *)bad += self.slot == old;
	put_back(old);
	/* Now the new one is found busy: the old one is the next. */
	take(self.slot);
	for (int i = 0; i <= PATIENCE; i++)
		vgr_random();
	*(int *)bad += self.slot != old;
	return NULL;
}

static void test_come_back(void)
{
	size_t before = taken();
	pthread_t thread;
	int bad = 0;

	if (!vgr.base) {
		skip("a draw that comes back", "there are no states");
		return;
	}
	start(&thread, come_back, &bad);
	pthread_join(thread, NULL);
	check(!bad, "a draw that comes back: its slot can be used again");
	check(taken() == before, "a draw that comes back: all states are returned # %zu taken", taken());
}

int main(void)
{
	counted = count_calls();
	if (!counted)
		tap_calls = shared_memory(4096);
	test_ends("asynchronous cancellation", ASYNCHRONOUS);
	test_ends("deferred cancellation", DEFERRED);
	test_ends("pthread_exit() in a handler", IN_HANDLER);
	test_abandoned();
	test_come_back();
	return finish();
}
