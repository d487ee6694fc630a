// SPDX-License-Identifier: GPL-2.0
/*
 * vdso_test_getrandom_switch.c: a process that switches the vDSO's getrandom() off
 *
 * PR_VDSO_GETRANDOM switches it off and on. The cases test which processes this
 * affects, that it takes effect at once, and that draws meanwhile make the system call.
 */
#define _GNU_SOURCE
#include <linux/prctl.h>
#include <pthread.h>

#include "vgetrandom_test.h"
#include "vdso_step.h"
#include "../kselftest_harness.h"

#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT 120

/* The argument that makes this program report what it has inherited */
#define REPORT "report"

static int set(unsigned long to)
{
	return prctl(PR_VDSO_GETRANDOM, to, 0, 0, 0);
}

static int get(void)
{
	return prctl(PR_VDSO_GETRANDOM, PR_VDSO_GETRANDOM_GET, 0, 0, 0);
}

/* The vDSO's own answer */
static ssize_t query(void)
{
	struct vgetrandom_opaque_params params;

	return vgr.call(NULL, 0, 0, &params, VGR_QUERY);
}

/*
 * Exit statuses: is it on or off? The kernel and the vDSO must agree. It is an error if
 * either is missing.
 */
enum { IS_OFF = 10, IS_ON = 11, IS_UNCLEAR = 12 };

static int report(void)
{
	int on = get();
	ssize_t answer = query();

	if (on == 1 && !answer)
		return IS_ON;
	if (!on && answer == -EOPNOTSUPP)
		return IS_OFF;
	return IS_UNCLEAR;
}

/*
 * The call
 */

TEST(switch_is_on_from_the_start)
{
	EXPECT_EQ(1, get());
	EXPECT_EQ(IS_ON, report());
}

TEST(switch_refuses_what_it_does_not_know)
{
	const unsigned long args[][4] = {
		{ 3 }, { -1UL }, { 1UL << 32 },
		{ PR_VDSO_GETRANDOM_OFF, 1 }, { PR_VDSO_GETRANDOM_OFF, 0, 1 },
		{ PR_VDSO_GETRANDOM_OFF, 0, 0, 1 }, { PR_VDSO_GETRANDOM_GET, 1 },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(args); i++) {
		EXPECT_EQ(-1, prctl(PR_VDSO_GETRANDOM, args[i][0], args[i][1],
				    args[i][2], args[i][3]));
		EXPECT_EQ(EINVAL, errno);
		EXPECT_EQ(IS_ON, report());
	}
}

TEST(switch_changes_the_answer_to_the_query_at_once)
{
	int i;

	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, set(PR_VDSO_GETRANDOM_OFF));
		EXPECT_EQ(IS_OFF, report());
		ASSERT_EQ(0, set(PR_VDSO_GETRANDOM_OFF));
		EXPECT_EQ(IS_OFF, report());
		ASSERT_EQ(0, set(PR_VDSO_GETRANDOM_ON));
		EXPECT_EQ(IS_ON, report());
	}
}

TEST(switch_needs_no_vdso)
{
	ASSERT_EQ(0, munmap((void *)vgr.vdso.start, vgr.vdso.end - vgr.vdso.start));
	EXPECT_EQ(0, set(PR_VDSO_GETRANDOM_OFF));
	EXPECT_EQ(0, get());
}

/*
 * Draws
 */

#define DRAWS 20

/* Draw from a warm state, DRAWS times with the switch in each of these positions. */
static int draw_at(void *positions)
{
	const unsigned long *to;
	void *state = warm_state();
	int i;

	if (!state)
		return 1;
	for (to = positions; *to != PR_VDSO_GETRANDOM_GET; to++) {
		if (set(*to))
			return 2;
		for (i = 0; i < DRAWS; i++)
			if (vgr_draw(work.buffer, work.len, state) != (ssize_t)work.len)
				return 3;
	}
	return 0;
}

static void expect_handed(struct __test_metadata *_metadata, unsigned long *positions,
			  unsigned int handed)
{
	static const size_t lens[] = { 1, 16, 32, 100, 511, 512, 1000 };
	struct watch watch;
	struct calls calls;
	size_t i;

	ASSERT_TRUE(watch_work(&watch, 4096));
	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		work.len = lens[i];
		if (!count_calls(draw_at, positions, &watch, &calls))
			SKIP(return, "tracing is not permitted");
		EXPECT_EQ(0, calls.status);
		EXPECT_EQ(handed, calls.handed) {
			TH_LOG("%zu bytes", lens[i]);
		}
		EXPECT_EQ(0, vgr_repeats(work.buffer, work.len));
	}
}

TEST(draw_makes_no_system_call_while_on)
{
	unsigned long positions[] = { PR_VDSO_GETRANDOM_ON, PR_VDSO_GETRANDOM_GET };

	expect_handed(_metadata, positions, 0);
}

TEST(draw_makes_the_system_call_while_off)
{
	unsigned long positions[] = { PR_VDSO_GETRANDOM_OFF, PR_VDSO_GETRANDOM_GET };

	expect_handed(_metadata, positions, DRAWS);
}

TEST(draw_is_served_again_when_switched_back_on)
{
	unsigned long positions[] = {
		PR_VDSO_GETRANDOM_OFF, PR_VDSO_GETRANDOM_ON, PR_VDSO_GETRANDOM_OFF,
		PR_VDSO_GETRANDOM_ON, PR_VDSO_GETRANDOM_GET,
	};

	expect_handed(_metadata, positions, 2 * DRAWS);
}

/*
 * Children and programs
 */

static int forked_report(void)
{
	pid_t pid = fork();

	if (!pid)
		_exit(report());
	return reap(pid);
}

static int executed_report(void)
{
	pid_t pid = fork();

	if (!pid) {
		execl("/proc/self/exe", "switch", REPORT, NULL);
		_exit(1);
	}
	return reap(pid);
}

TEST(switch_is_inherited_by_children_and_programs)
{
	int i;

	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, set(PR_VDSO_GETRANDOM_OFF));
		EXPECT_EQ(IS_OFF, forked_report());
		EXPECT_EQ(IS_OFF, executed_report());
		ASSERT_EQ(0, set(PR_VDSO_GETRANDOM_ON));
		EXPECT_EQ(IS_ON, forked_report());
		EXPECT_EQ(IS_ON, executed_report());
	}
}

TEST(switch_of_a_child_leaves_the_parent_alone)
{
	pid_t pid = fork();

	if (!pid)
		_exit(set(PR_VDSO_GETRANDOM_OFF) ? 1 : report());
	EXPECT_EQ(IS_OFF, reap(pid));
	EXPECT_EQ(IS_ON, report());
}

TEST(switch_survives_a_time_namespace)
{
	if (!unshare_time())
		SKIP(return, "needs a time namespace");
	ASSERT_EQ(0, set(PR_VDSO_GETRANDOM_OFF));
	EXPECT_EQ(IS_OFF, forked_report());
	ASSERT_EQ(0, set(PR_VDSO_GETRANDOM_ON));
	EXPECT_EQ(IS_ON, forked_report());
}

/*
 * Other threads
 */

/* A thread that turns the switch on request */
static struct {
	int order[2];
	int done[2];
} turner;

static void *turn(void *unused)
{
	unsigned char to;

	while (read(turner.order[0], &to, 1) == 1)
		if (set(to) || write(turner.done[1], &to, 1) != 1)
			_exit(1);
	return NULL;
}

static bool order(unsigned char to)
{
	return write(turner.order[1], &to, 1) == 1 && read(turner.done[0], &to, 1) == 1;
}

/* The draws of the traced thread */
static struct drawn {
	size_t len;
	ssize_t ret[2];
	unsigned char buffer[2][1024];
} *drawn;

static int draw_in_steps(void *unused)
{
	pthread_t thread;
	void *state = warm_state();

	if (!state || pthread_create(&thread, NULL, turn, NULL))
		return 1;
	for (;;) {
		/* Fetch a new key here if the kernel has reseeded. */
		if (vgr_draw(drawn->buffer[0], 1, state) != 1)
			return 2;
		step_trap();
		drawn->ret[0] = vgr_draw(drawn->buffer[0], drawn->len, state);
		step_trap();
		drawn->ret[1] = vgr_draw(drawn->buffer[1], drawn->len, state);
		step_trap();
	}
}

static void count_handed(const struct user_regs_struct *regs, void *count)
{
	*(unsigned int *)count += draws_into(regs, drawn->buffer, sizeof(drawn->buffer));
}

/*
 * Switch it off after this many instructions of a draw.
 *
 * Return: 1 if the draw made the system call, 0 if it did not, 2 if it ended before
 * that instruction, -1 if something is wrong.
 */
static int off_in_mid_draw(struct step_actor *actor, unsigned int steps)
{
	unsigned int handed = 0, later = 0;

	while (steps--) {
		if (!step_go(actor, PTRACE_SINGLESTEP, 0))
			return -1;
		if (drawn->ret[0])
			return 2;
	}
	if (!order(PR_VDSO_GETRANDOM_OFF) ||
	    !step_count_calls(actor, 0, count_handed, &handed) ||
	    !step_count_calls(actor, 0, count_handed, &later) ||
	    !order(PR_VDSO_GETRANDOM_ON))
		return -1;
	if (drawn->ret[0] != (ssize_t)drawn->len || drawn->ret[1] != (ssize_t)drawn->len ||
	    handed > 1 || later != 1)
		return -1;
	return handed;
}

static void step_through(struct __test_metadata *_metadata, size_t len,
			 unsigned int stride)
{
	unsigned int n, handed = 0, served = 0, repeats = 0;
	struct step_actor actor;
	int ret;

	drawn = shared_alloc(sizeof(*drawn));
	ASSERT_NE(NULL, drawn);
	ASSERT_EQ(0, pipe(turner.order) | pipe(turner.done));
	drawn->len = len;
	if (!step_fork(&actor, draw_in_steps, NULL))
		SKIP(return, "tracing is not permitted");

	for (n = 0;; n += stride) {
		ASSERT_TRUE(step_continue(&actor, 0));
		memset(drawn->ret, 0, sizeof(drawn->ret));
		ret = off_in_mid_draw(&actor, n);
		if (ret == 2)
			break;
		ASSERT_GE(ret, 0) {
			TH_LOG("after %u instructions: %zd and %zd bytes", n,
			       drawn->ret[0], drawn->ret[1]);
		}
		handed += ret;
		served += !ret;
		repeats += vgr_repeats(drawn->buffer[0], len);
		repeats += vgr_repeats(drawn->buffer[1], len);
	}
	step_kill(&actor);
	ksft_print_msg("%zu bytes: switched off at %u boundaries; %u system calls\n",
		       len, handed + served, handed);
	EXPECT_EQ(0, repeats);
	/* At the first boundary, and at the last one, which a stride may miss */
	EXPECT_GT(handed, 0);
	if (stride == 1)
		EXPECT_GT(served, 0);
}

TEST(thread_in_mid_draw_of_a_few_bytes)
{
	step_through(_metadata, 16, 1);
}

TEST(thread_in_mid_draw_of_many_bytes)
{
	step_through(_metadata, 600, 31);
}

static atomic_bool stop;

static void *turn_without_end(void *unused)
{
	while (!atomic_load(&stop))
		if (set(PR_VDSO_GETRANDOM_OFF) || set(PR_VDSO_GETRANDOM_ON))
			return "failed";
	return NULL;
}

TEST(thread_draws_while_another_turns_the_switch)
{
	unsigned char output[600];
	void *state = warm_state(), *result;
	unsigned int i, wrong = 0;
	pthread_t thread;

	ASSERT_NE(NULL, state);
	ASSERT_EQ(0, pthread_create(&thread, NULL, turn_without_end, NULL));
	for (i = 0; i < 3000; i++) {
		const ssize_t len = i % 8 ? 16 + i % 100 : 600;

		wrong += vgr_draw(output, len, state) != len || vgr_repeats(output, len);
	}
	atomic_store(&stop, true);
	pthread_join(thread, &result);
	EXPECT_EQ(NULL, result);
	EXPECT_EQ(0, wrong);
}

int main(int argc, char **argv)
{
	find_vgetrandom();
	if (argc == 2 && !strcmp(argv[1], REPORT))
		return report();
	need_vgetrandom();
	if (get() < 0)
		ksft_exit_skip("the kernel has no PR_VDSO_GETRANDOM\n");
	return test_harness_run(argc, argv);
}
