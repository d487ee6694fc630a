// SPDX-License-Identifier: GPL-2.0
/*
 * vdso_test_getrandom_memory.c: draws that get no memory for their state
 *
 * The memory cgroup is full. The vDSO must fall back to the system call at once, and the
 * OOM killer must not kill anyone.
 */
#define _GNU_SOURCE
#include <sys/prctl.h>

#include "vgetrandom.h"
#include "../vm/droppable.h"

#define DRAWS	100
#define LEN	16

/* Shared by the child and its parent */
static struct shared {
	bool ready;
	bool go;
	bool done;
	bool freed;
	bool counted;
	unsigned int wrong;
	unsigned int seeded;
	long ms;
} *shared;

/* The bytes must differ from zeros and from those of the previous draw. */
static bool draw(void *state)
{
	static unsigned char before[LEN], bytes[LEN];
	static const unsigned char zeros[LEN];
	bool ok;

	memcpy(before, bytes, LEN);
	ok = vgr_draw(bytes, LEN, state) == LEN;
	return ok && memcmp(bytes, zeros, LEN) && memcmp(bytes, before, LEN);
}

/* Each state has a page of its own, which has not been faulted in yet. */
static enum result draw_from_new_states(char *states)
{
	unsigned int i;
	long start;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	check(set_oom_score(getpid(), "-1000") && cgroup_enter());
	/* Fault in the pages that these calls need. An odd address is never a state. */
	draw((void *)1);
	now_ms();
	STORE(shared->ready, true);
	while (!LOAD(shared->go))
		usleep(1000);

	start = now_ms();
	for (i = 0; i < DRAWS; i++)
		shared->wrong += !draw(states + i * page_size);
	shared->ms = now_ms() - start;
	STORE(shared->done, true);

	/* A state that got no memory is zero. Looking at it may need memory. */
	while (!LOAD(shared->freed))
		usleep(1000);
	for (i = 0; i < DRAWS; i++)
		shared->seeded += *(uint64_t *)(states + i * page_size) != 0;
	STORE(shared->counted, true);
	return PASS;
}

static enum result judge(pid_t pid)
{
	struct filler filler = { 0 };
	enum result result;

	check(wait_for(LOAD(shared->ready)));
	result = cgroup_fill(&filler);
	if (result != PASS)
		return result;
	check(set_oom_score(pid, "0"));
	STORE(shared->go, true);
	check(wait_for(LOAD(shared->done)));
	check(!cgroup_counter("memory.events", "oom_kill"));
	cgroup_fill_end(&filler);
	STORE(shared->freed, true);
	check(wait_for(LOAD(shared->counted)));

	ksft_print_msg("%u draws in %ld ms, %u states got memory\n", DRAWS, shared->ms,
		       shared->seeded);
	if (shared->wrong)
		return fail("%u of %u draws went wrong", shared->wrong, DRAWS);
	/* A fault that waited would take a second. */
	if (shared->ms > DRAWS * 1000L / 4)
		return fail("%u draws took %ld ms", DRAWS, shared->ms);
	if (shared->seeded > DRAWS / 2)
		return fail("%u states got memory: the cgroup was not full", shared->seeded);
	return PASS;
}

static enum result test_full(const void *lru_gen)
{
	enum result result = use_lru_gen(lru_gen);
	char *states;
	pid_t pid;

	if (result == PASS)
		result = cgroup_make("16M");
	if (result != PASS)
		goto out;
	shared = (void *)map(page_size, MAP_SHARED | MAP_ANONYMOUS);
	states = mmap(NULL, DRAWS * page_size, vgr.params.mmap_prot, vgr.params.mmap_flags,
		      -1, 0);
	check(shared && states != MAP_FAILED);
	pid = fork();
	check(pid >= 0);
	if (!pid)
		_exit(draw_from_new_states(states));
	result = judge(pid);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	cgroup_remove();
	munmap(states, DRAWS * page_size);
out:
	untune();
	return result;
}

static const struct test tests[] = {
	{ "full cgroup: 100 new states: classic LRU", test_full, "0" },
	{ "full cgroup: 100 new states: multi-gen LRU", test_full, "7" },
};

int main(int argc, char **argv)
{
	if (!vgr_find() || vgr.query)
		ksft_exit_skip("no getrandom() in the vDSO\n");
	run_tests(tests, ARRAY_SIZE(tests), argv + 1);
}
