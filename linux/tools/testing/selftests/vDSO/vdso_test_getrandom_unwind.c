// SPDX-License-Identifier: GPL-2.0
/*
 * vdso_test_getrandom_unwind.c: unwind out of getrandom() from every instruction
 *
 * Debuggers, profilers and exception handling must find the caller wherever getrandom()
 * is stopped. The test steps through a call in another process. At each instruction in
 * the vDSO, it unwinds the frames by the image's call-frame information until they leave
 * the vDSO. Return address, stack pointer, and the registers that a function preserves
 * must then be what they were before the call. The same applies to the instructions that
 * run after a signal handler has returned.
 */
#define _GNU_SOURCE
#include "vgetrandom_test.h"
#include "vdso_unwind.h"
#include "../kselftest_harness.h"

#define MAX_FRAMES	8
#define MAX_LEN		1500

static const int preserved[] = DWARF_PRESERVED;

/* The call to make; shared with the process that makes it */
static struct request {
	bool cold;
	bool query;
	unsigned int flags;
	size_t len;
} *request;

/*
 * The calls
 */

static void on_signal(int sig)
{
}

static int make_calls(void *unused)
{
	struct vgetrandom_opaque_params params;
	static unsigned char output[MAX_LEN];
	struct vgr_pool pool;
	void *state;

	if (!vgr_pool_open(&pool, 1))
		return EXIT_FAILURE;
	state = vgr_pool_get(&pool);
	signal(SIGUSR1, on_signal);
	for (;;) {
		vgr_draw(output, 1, state);
		if (request->cold)
			vgr_wipe(state);
		step_trap();
		if (request->query)
			vgr.call(NULL, 0, 0, &params, VGR_QUERY);
		else
			vgr.call(output, request->len, request->flags, state,
				 vgr.params.size_of_opaque_state);
	}
}

/*
 * The tracer
 */

/* Get the caller's registers at the first instruction of the call. */
static void get_caller(const struct step_actor *actor, struct uw_frame *caller)
{
	const struct user_regs_struct regs = step_regs(actor);

	uw_first(caller, actor->tid, &regs);
	caller->reg[DWARF_IP] = arch_return_address(actor->tid, &regs);
	caller->reg[DWARF_SP] = REGS_CALLER_SP(&regs);
}

static bool is_preserved(const struct uw_frame *frame, const struct uw_frame *caller,
			 unsigned int reg)
{
	return frame->known >> reg & 1 && frame->reg[reg] == caller->reg[reg];
}

/* Why unwinding from here does not lead to the caller, or NULL. */
static const char *unwind(const struct step_actor *actor, const struct uw_frame *caller)
{
	const void *image = (void *)vgr.vdso.start;
	const struct user_regs_struct regs = step_regs(actor);
	struct uw_frame frame;
	unsigned int i, depth;

	uw_first(&frame, actor->tid, &regs);
	for (depth = 0; vgr_in_vdso(frame.reg[DWARF_IP]); depth++) {
		/* A return address may be that of the next function. */
		if (depth == MAX_FRAMES ||
		    !uw_step(image, &frame, frame.reg[DWARF_IP] - !!depth))
			return "no way out";
	}
	if (!is_preserved(&frame, caller, DWARF_SP))
		return "wrong stack pointer";
	if (!is_preserved(&frame, caller, DWARF_IP))
		return "wrong return address";
	for (i = 0; i < ARRAY_SIZE(preserved); i++)
		if (!is_preserved(&frame, caller, preserved[i]))
			return "wrong register";
	return NULL;
}

/* The number of instructions tested, and of those from which unwinding failed */
static unsigned int looked_at, wrong;

static void look(const struct step_actor *actor, const struct uw_frame *caller)
{
	const char *why = unwind(actor, caller);

	looked_at++;
	if (why && !wrong++)
		ksft_print_msg("at vDSO+%#lx: %s\n", step_ip(actor) - vgr.vdso.start, why);
}

/* Step to the first instruction of the call. */
static bool enter(struct step_actor *actor, struct uw_frame *caller)
{
	if (!step_enter(actor, vgr_in_vdso))
		return false;
	get_caller(actor, caller);
	return true;
}

/* Step to the end of the call, look at each instruction, and count them. */
static bool look_to_end(struct step_actor *actor, const struct uw_frame *caller, unsigned int *n)
{
	for (*n = 0; vgr_in_vdso(step_ip(actor)); ++*n) {
		look(actor, caller);
		if (!step_go(actor, PTRACE_SINGLESTEP, 0))
			return false;
	}
	return true;
}

/* Deliver a signal after @n instructions, and look at what runs after its handler. */
static bool look_behind_signal(struct step_actor *actor, unsigned int n)
{
	struct uw_frame caller;
	unsigned int left;

	if (!enter(actor, &caller))
		return false;
	while (n--) {
		if (!step_go(actor, PTRACE_SINGLESTEP, 0))
			return false;
		/* Unlike the first call, it need not fetch a key, and may be shorter. */
		if (!vgr_in_vdso(step_ip(actor)))
			return step_continue(actor, 0);
	}
	if (!step_go(actor, PTRACE_SINGLESTEP, SIGUSR1))
		return false;
	/* Step through the handler and the return from the signal. */
	while (!vgr_in_vdso(step_ip(actor)) || arch_is_sigreturn(step_ip(actor)))
		if (!step_go(actor, PTRACE_SINGLESTEP, 0))
			return false;
	return look_to_end(actor, &caller, &left) && step_continue(actor, 0);
}

/* About this many instructions of a call are interrupted by a signal. */
#define SIGNALS		16

static bool look_at_call(struct step_actor *actor)
{
	struct uw_frame caller;
	unsigned int n, i, stride;

	if (!enter(actor, &caller) || !look_to_end(actor, &caller, &n) ||
	    !step_continue(actor, 0))
		return false;
	stride = n / SIGNALS + 1;
	for (i = 0; i < n; i += stride)
		if (!look_behind_signal(actor, i))
			return false;
	return true;
}

FIXTURE(unwound)
{
	struct step_actor actor;
	bool traced;
};

FIXTURE_VARIANT(unwound)
{
	struct request request;
};

FIXTURE_VARIANT_ADD(unwound, draw_of_4_bytes) { { .len = 4 } };

FIXTURE_VARIANT_ADD(unwound, draw_of_33_bytes) { { .len = 33 } };

FIXTURE_VARIANT_ADD(unwound, draw_of_4_bytes_from_a_wiped_state) { { .len = 4, .cold = true } };

FIXTURE_VARIANT_ADD(unwound, draw_of_more_than_a_batch) { { .len = 777 } };

FIXTURE_VARIANT_ADD(unwound, draw_of_several_blocks_from_a_wiped_state) {
	{ .len = MAX_LEN, .cold = true }
};

FIXTURE_VARIANT_ADD(unwound, call_with_unknown_flags) { { .len = 4, .flags = 1U << 31 } };

FIXTURE_VARIANT_ADD(unwound, parameter_query) { { .query = true } };

FIXTURE_SETUP(unwound)
{
	*request = variant->request;
	self->traced = step_fork(&self->actor, make_calls, NULL);
}

FIXTURE_TEARDOWN(unwound)
{
	if (self->traced)
		step_kill(&self->actor);
}

TEST_F_TIMEOUT(unwound, leads_to_the_caller_from_every_instruction, 300)
{
	if (!self->traced)
		SKIP(return, "tracing is not permitted");
	ASSERT_TRUE(step_continue(&self->actor, 0));
	ASSERT_TRUE(look_at_call(&self->actor));
	ksft_print_msg("%u instructions, %u wrong\n", looked_at, wrong);
	EXPECT_GT(looked_at, 0);
	EXPECT_EQ(0, wrong);
}

int main(int argc, char **argv)
{
	find_vgetrandom();
	need_vgetrandom();
	request = shared_alloc(sizeof(*request));
	if (!request)
		ksft_exit_fail_msg("no memory\n");
	return test_harness_run(argc, argv);
}
