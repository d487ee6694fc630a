// SPDX-License-Identifier: GPL-2.0
/*
 * vdso_test_getrandom_frame.c: what a signal handler sees when it interrupts getrandom()
 *
 * Profilers take the address at which a signal interrupted a program, look up the
 * symbol that contains it, and unwind from there. Sandboxes check that SIGSYS comes
 * from a system-call instruction. Tools that patch functions of the vDSO in place
 * expect all instructions of their patch to be executed. The kernel changes the
 * address when a signal interrupts a draw, and none of the three may notice.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <sys/time.h>

#include "vgetrandom_test.h"
#include "vgetrandom_marks.h"
#include "vdso_step.h"
#include "vdso_unwind.h"
#include "../kselftest_harness.h"

#ifndef PR_SET_SYSCALL_USER_DISPATCH
#define PR_SET_SYSCALL_USER_DISPATCH	59
#define PR_SYS_DISPATCH_ON		1
#endif

#ifndef SYS_SECCOMP
#define SYS_SECCOMP			1
#endif

#ifndef SYS_USER_DISPATCH
#define SYS_USER_DISPATCH		2
#endif

/* A time limit that is long enough for slow kernels */
#define SECONDS		300

/* The least room that an exported function has to itself, for tools that patch it */
#define OWN_BYTES	64

#define MAX_FRAMES	8
#define MAX_SYMBOLS	64

/*
 * The functions that the image exports
 */

static struct vgr_range symbols[MAX_SYMBOLS];
static size_t n_symbols;

static const void *dynamic_table(const Elf64_Ehdr *ehdr, Elf64_Sxword tag)
{
	const Elf64_Phdr *phdr = (void *)ehdr + ehdr->e_phoff;
	const Elf64_Dyn *dyn;
	unsigned int i;

	for (i = 0; i < ehdr->e_phnum; i++) {
		if (phdr[i].p_type != PT_DYNAMIC)
			continue;
		for (dyn = (void *)ehdr + phdr[i].p_vaddr; dyn->d_tag; dyn++)
			if (dyn->d_tag == tag)
				return (void *)ehdr + dyn->d_un.d_ptr;
	}
	return NULL;
}

static bool find_symbols(void)
{
	const void *image = (void *)vgr.vdso.start;
	const Elf64_Sym *sym = dynamic_table(image, DT_SYMTAB);
	const Elf64_Word *hash = dynamic_table(image, DT_HASH);
	Elf64_Word i;

	if (!sym || !hash)
		return false;
	n_symbols = 0;
	/* The second word of the hash table is the number of symbols. */
	for (i = 0; i < hash[1] && n_symbols < MAX_SYMBOLS; i++) {
		struct vgr_range *range = &symbols[n_symbols];

		if (ELF64_ST_TYPE(sym[i].st_info) != STT_FUNC)
			continue;
		range->start = vgr.vdso.start + sym[i].st_value;
		range->end = range->start + sym[i].st_size;
		n_symbols++;
	}
	return n_symbols;
}

/* Would a profiler find a name for this address? */
static bool is_named(uintptr_t at)
{
	size_t i;

	for (i = 0; i < n_symbols; i++)
		if (at >= symbols[i].start && at < symbols[i].end)
			return true;
	return false;
}

/* The size of a function, with the room after it that a tool may overwrite */
static size_t own_size(const struct vgr_range *symbol)
{
	size_t size = symbol->end - symbol->start;

	return size < OWN_BYTES ? OWN_BYTES : size;
}

static bool belongs_to_symbol(uintptr_t at)
{
	size_t i;

	for (i = 0; i < n_symbols; i++)
		if (at - symbols[i].start < own_size(&symbols[i]))
			return true;
	return false;
}

/*
 * Unwinding out of the vDSO, as simple unwinders do
 */

/* Does unwinding lead back to marked_draw(), with its marks intact? */
static bool leads_to_caller(const ucontext_t *uc)
{
	const struct user_regs_struct regs = arch_interrupted_regs(uc);
	const void *image = (void *)vgr.vdso.start;
	struct uw_frame frame;
	unsigned int depth;
	size_t i;

	uw_first(&frame, getpid(), &regs);
	for (depth = 0; vgr_in_vdso(frame.reg[DWARF_IP]); depth++) {
		/* A return address may be that of the next function. */
		if (depth == MAX_FRAMES ||
		    !uw_step_simple(image, &frame, frame.reg[DWARF_IP] - !!depth))
			return false;
	}
	if (frame.reg[DWARF_IP] != (uintptr_t)marked_return ||
	    frame.reg[DWARF_SP] != marked_sp)
		return false;
	for (i = 0; i < ARRAY_SIZE(marked); i++)
		if (!(frame.known >> marked[i] & 1) ||
		    frame.reg[marked[i]] != MARK(marked[i]))
			return false;
	return true;
}

/**
 * struct view - what handlers saw, in memory that a tracer shares
 * @signals:	the number of signals
 * @in_vdso:	of these, those that interrupted the vDSO
 * @named:	of these, those whose address belonged to a symbol
 * @unwound:	of these, those from which unwinding found the caller
 * @at:		the address that the last handler saw
 * @unnamed_at:	the first address without a symbol, or 0
 * @lost_at:	the first address from which unwinding failed, or 0
 */
struct view {
	unsigned int signals;
	unsigned int in_vdso;
	unsigned int named;
	unsigned int unwound;
	uintptr_t at;
	uintptr_t unnamed_at;
	uintptr_t lost_at;
};

static struct view *view;

static void look(const ucontext_t *uc)
{
	view->signals++;
	view->at = UC_IP(uc);
	if (!vgr_in_vdso(view->at))
		return;
	view->in_vdso++;
	if (is_named(view->at))
		view->named++;
	else if (!view->unnamed_at)
		view->unnamed_at = view->at;
	if (leads_to_caller(uc))
		view->unwound++;
	else if (!view->lost_at)
		view->lost_at = view->at;
}

static void on_sample(int sig, siginfo_t *info, void *context)
{
	look(context);
}

static void print_view(void)
{
	ksft_print_msg("%u signals, %u in the vDSO: %u named, %u unwound\n",
		       view->signals, view->in_vdso, view->named, view->unwound);
	if (view->unnamed_at)
		ksft_print_msg("no name for vDSO+%#lx\n",
			       view->unnamed_at - vgr.vdso.start);
	if (view->lost_at)
		ksft_print_msg("no way out of vDSO+%#lx\n",
			       view->lost_at - vgr.vdso.start);
}

/*
 * A sampling profiler
 */

#define SAMPLES		200

FIXTURE(sampled)
{
	void *state;
	unsigned char *buffer;
};

FIXTURE_VARIANT(sampled)
{
	size_t len;
	bool prof;		/* ITIMER_PROF, not a POSIX timer */
};

FIXTURE_VARIANT_ADD(sampled, profiling_4_bytes) { .len = 4, .prof = true };
FIXTURE_VARIANT_ADD(sampled, profiling_40_bytes) { .len = 40, .prof = true };
FIXTURE_VARIANT_ADD(sampled, profiling_300_bytes) { .len = 300, .prof = true };
FIXTURE_VARIANT_ADD(sampled, profiling_64_kib) { .len = 65536, .prof = true };
FIXTURE_VARIANT_ADD(sampled, timer_4_bytes) { .len = 4 };
FIXTURE_VARIANT_ADD(sampled, timer_40_bytes) { .len = 40 };
FIXTURE_VARIANT_ADD(sampled, timer_300_bytes) { .len = 300 };
FIXTURE_VARIANT_ADD(sampled, timer_64_kib) { .len = 65536 };

FIXTURE_SETUP(sampled)
{
	self->state = warm_state();
	self->buffer = malloc(variant->len);
	ASSERT_TRUE(self->state && self->buffer);
	memset(view, 0, sizeof(*view));
}

FIXTURE_TEARDOWN(sampled)
{
	free(self->buffer);
}

/* Sample every millisecond, or at every tick if the kernel has fewer ticks. */
static bool start_sampling(bool prof)
{
	const struct itimerval every_ms = { { 0, 1000 }, { 0, 1000 } };
	const struct itimerspec each_ms = { { 0, 1000000 }, { 0, 1000000 } };
	struct sigevent event = {
		.sigev_notify = SIGEV_SIGNAL,
		.sigev_signo = SIGPROF,
	};
	timer_t timer;

	catch(SIGPROF, on_sample, SA_RESTART);
	if (prof)
		return !setitimer(ITIMER_PROF, &every_ms, NULL);
	return !timer_create(CLOCK_MONOTONIC, &event, &timer) &&
	       !timer_settime(timer, 0, &each_ms, NULL);
}

TEST_F_TIMEOUT(sampled, draws_are_named_and_unwound, SECONDS)
{
	ASSERT_TRUE(start_sampling(variant->prof));
	while (view->in_vdso < SAMPLES)
		ASSERT_LT(0, marked_draw(self->buffer, variant->len, 0, self->state,
					 vgr.params.size_of_opaque_state, vgr.call));
	signal(SIGPROF, SIG_IGN);
	print_view();
	EXPECT_GE(view->named * 100, view->in_vdso * 99);
	EXPECT_GE(view->unwound * 100, view->in_vdso * 99);
}

/*
 * A signal at every instruction
 */

#define BEFORE		16	/* bytes drawn from each state before */
#define TRIES		8	/* after a reseed, a call takes another path */

FIXTURE(stepped)
{
	struct step_actor actor;
	struct step_trace trace;
	bool traced;
};

FIXTURE_VARIANT(stepped)
{
	size_t len;
	unsigned int flags;
	bool cold;
};

FIXTURE_VARIANT_ADD(stepped, draw_of_4_bytes) { .len = 4 };
FIXTURE_VARIANT_ADD(stepped, draw_of_40_bytes) { .len = 40 };
FIXTURE_VARIANT_ADD(stepped, draw_of_300_bytes) { .len = 300 };
FIXTURE_VARIANT_ADD(stepped, draw_of_more_than_a_batch) { .len = 1500 };
FIXTURE_VARIANT_ADD(stepped, draw_of_4_bytes_from_a_wiped_state) { .len = 4, .cold = true };
FIXTURE_VARIANT_ADD(stepped, draw_of_300_bytes_from_a_wiped_state) { .len = 300, .cold = true };
FIXTURE_VARIANT_ADD(stepped, system_call) { .len = 40, .flags = 1U << 31 };

/*
 * In another process: make the same call over and over, between two traps. The draw
 * that prepares the state executes some of the same instructions.
 */
static int make_calls(void *arg)
{
	const FIXTURE_VARIANT(stepped) *variant = arg;
	static unsigned char output[2048];
	struct vgr_pool pool;
	void *state;

	if (!vgr_pool_open(&pool, 1))
		return EXIT_FAILURE;
	state = vgr_pool_get(&pool);
	catch(SIGUSR1, on_sample, 0);
	for (;;) {
		vgr_wipe(state);
		vgr_draw(output, BEFORE, state);
		if (variant->cold)
			vgr_wipe(state);
		step_trap();
		marked_draw(output, variant->len, variant->flags, state,
			    vgr.params.size_of_opaque_state, vgr.call);
		step_trap();
	}
}

/* Complete the call, and go to the trap before the next one. */
static bool to_next_call(struct step_actor *actor, int sig)
{
	return step_continue(actor, sig) && step_continue(actor, 0);
}

FIXTURE_SETUP(stepped)
{
	const unsigned int usual = variant->cold || variant->flags;
	unsigned int try;

	memset(&self->trace, 0, sizeof(self->trace));
	memset(view, 0, sizeof(*view));
	self->traced = step_fork(&self->actor, make_calls, (void *)variant);
	if (!self->traced)
		return;
	ASSERT_TRUE(step_continue(&self->actor, 0));
	/* A call that met a reseed has instructions that others do not come to. */
	for (try = 0; try < TRIES; try++) {
		ASSERT_TRUE(step_record(&self->actor, vgr_in_vdso, &self->trace));
		ASSERT_TRUE(to_next_call(&self->actor, 0));
		if (self->trace.syscalls == usual)
			break;
	}
	ASSERT_EQ(usual, self->trace.syscalls);
}

FIXTURE_TEARDOWN(stepped)
{
	free(self->trace.insn);
	if (self->traced)
		step_kill(&self->actor);
}

/* Send a signal before instruction @n, which the call has not executed yet. */
static bool interrupt(struct step_actor *actor, const struct step_trace *trace, unsigned int n)
{
	unsigned int try;

	for (try = 0; try < TRIES; try++) {
		if (step_to(actor, trace, n))
			return to_next_call(actor, SIGUSR1);
		/* The call took another path, and has ended. */
		if (!step_continue(actor, 0))
			return false;
	}
	return false;
}

TEST_F_TIMEOUT(stepped, is_named_and_unwound_from_every_instruction, SECONDS)
{
	unsigned int moved = 0, wrongly = 0, n;

	if (!self->traced)
		SKIP(return, "tracing is not permitted");
	for (n = 0; n < self->trace.n; n++) {
		uintptr_t at = self->trace.insn[n].at;

		/* What a handler sees depends on the instruction alone. */
		if (self->trace.insn[n].visits)
			continue;
		ASSERT_TRUE(interrupt(&self->actor, &self->trace, n)) {
			TH_LOG("vDSO+%#lx cannot be interrupted", at - vgr.vdso.start);
		}
		moved += view->at != at;
		if (view->at == at || !belongs_to_symbol(at))
			continue;
		if (!wrongly++)
			TH_LOG("vDSO+%#lx belongs to a function, but no handler sees it",
			       at - vgr.vdso.start);
	}
	print_view();
	EXPECT_GT(view->in_vdso, 0);
	EXPECT_EQ(view->in_vdso, view->named);
	EXPECT_EQ(view->in_vdso, view->unwound);
	EXPECT_EQ(0, wrongly);
	/* Otherwise the call has not executed any instruction that matters. */
	if (!variant->flags)
		EXPECT_GT(moved, 0);
}

/*
 * Every byte of exported functions, whether or not an instruction begins there now
 */

static void on_patched(int sig, siginfo_t *info, void *context)
{
	view->at = interrupted_at(context);
	step_trap();
}

static int wait_for_signals(void *unused)
{
	catch(SIGUSR1, on_patched, SA_NODEFER);
	step_trap();
	return EXIT_SUCCESS;
}

/* Interrupt the actor at an address. Returns the address that its handler sees. */
static uintptr_t seen_from(struct step_actor *actor, const struct user_regs_struct *regs,
			   uintptr_t at)
{
	struct user_regs_struct there = *regs;

	REGS_IP(&there) = at;
	REGS_SYSCALL(&there) = -1;
	view->at = 0;
	if (!step_set_regs(actor->tid, &there) ||
	    !step_go(actor, PTRACE_CONT, SIGUSR1))
		return 0;
	return view->at;
}

TEST(signals_in_exported_functions_show_the_true_address)
{
	struct user_regs_struct regs;
	struct step_actor actor;
	uintptr_t seen;
	size_t i, byte;

	if (!step_fork(&actor, wait_for_signals, NULL))
		SKIP(return, "tracing is not permitted");
	ASSERT_TRUE(step_continue(&actor, 0));
	ASSERT_TRUE(step_get_regs(actor.tid, &regs));
	for (i = 0; i < n_symbols; i++)
		for (byte = 0; byte < own_size(&symbols[i]); byte++) {
			seen = seen_from(&actor, &regs, symbols[i].start + byte);
			ASSERT_EQ(symbols[i].start + byte, seen) {
				TH_LOG("%zu bytes into vDSO+%#lx", byte,
				       symbols[i].start - vgr.vdso.start);
			}
		}
	step_kill(&actor);
}

/*
 * Sandboxes that emulate system calls
 */

static struct {
	int code;			/* si_code of a genuine signal */
	int urandom;
	unsigned int signals;
	unsigned int wrong_kind;
	unsigned int wrong_address;	/* si_call_addr is not the interrupted address */
	unsigned int wrong_code;	/* there is no system-call instruction before it */
	uintptr_t wrong_at;
} sandbox;

static void verify_sigsys(const siginfo_t *info, uintptr_t at)
{
	unsigned int wrong = sandbox.wrong_address + sandbox.wrong_code;

	sandbox.signals++;
	sandbox.wrong_kind += info->si_code != sandbox.code ||
			      info->si_syscall != __NR_getrandom;
	sandbox.wrong_address += (uintptr_t)info->si_call_addr != at;
	sandbox.wrong_code += !step_is_syscall(at - ARCH_SYSCALL_SIZE);
	if (!wrong && sandbox.wrong_address + sandbox.wrong_code)
		sandbox.wrong_at = at;
}

/* Check the signal, then emulate getrandom() by reading from an open file. */
static void on_sandboxed(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	verify_sigsys(info, UC_IP(uc));
	UC_RET(uc) = read(sandbox.urandom, (void *)UC_ARG1(uc), UC_ARG2(uc));
}

/* Dispatch all system calls of the vDSO. No other code that runs is mapped above it. */
static bool dispatch_vdso(void)
{
	static char block = 1;

	return !prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, 0,
		      vgr.vdso.start, &block);
}

FIXTURE(sandboxed)
{
	void *state;
	unsigned char *output;
};

FIXTURE_VARIANT(sandboxed)
{
	size_t len;
	size_t opaque_len;	/* 0: the right one */
};

FIXTURE_VARIANT_ADD(sandboxed, draw_of_4_bytes) { .len = 4 };
FIXTURE_VARIANT_ADD(sandboxed, draw_of_16_bytes) { .len = 16 };
FIXTURE_VARIANT_ADD(sandboxed, draw_of_300_bytes) { .len = 300 };
FIXTURE_VARIANT_ADD(sandboxed, draw_of_64_kib) { .len = 65536 };
FIXTURE_VARIANT_ADD(sandboxed, system_call) { .len = 16, .opaque_len = 1 };

FIXTURE_SETUP(sandboxed)
{
	self->state = warm_state();
	self->output = calloc(1, variant->len);
	ASSERT_TRUE(self->state && self->output);
	sandbox.urandom = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
	ASSERT_GE(sandbox.urandom, 0);
	catch(SIGSYS, on_sandboxed, 0);
}

FIXTURE_TEARDOWN(sandboxed)
{
	free(self->output);
}

#define SANDBOXED_DRAWS	50

/* Make draws that need the kernel. Their signals must pass all checks. */
static void draw_sandboxed(struct __test_metadata *_metadata,
			   FIXTURE_DATA(sandboxed) *self,
			   const FIXTURE_VARIANT(sandboxed) *variant)
{
	const size_t size = variant->opaque_len ?: vgr.params.size_of_opaque_state;
	unsigned int i;

	for (i = 0; i < SANDBOXED_DRAWS; i++) {
		memset(self->output, 0, variant->len);
		ASSERT_EQ(0, vgr_wipe(self->state));
		ASSERT_EQ(variant->len, vgr.call(self->output, variant->len, 0,
						 self->state, size));
		ASSERT_EQ(0, vgr_repeats(self->output, variant->len < 300 ?
						       variant->len : 300));
	}
	ksft_print_msg("%u signals, %u of another kind, %u from elsewhere, %u without a system call\n",
		       sandbox.signals, sandbox.wrong_kind, sandbox.wrong_address,
		       sandbox.wrong_code);
	if (sandbox.wrong_at)
		ksft_print_msg("the first wrong one at vDSO+%#lx\n",
			       sandbox.wrong_at - vgr.vdso.start);
	EXPECT_GE(sandbox.signals, SANDBOXED_DRAWS);
	EXPECT_LE(sandbox.signals, 2 * SANDBOXED_DRAWS);
	EXPECT_EQ(0, sandbox.wrong_kind);
	EXPECT_EQ(0, sandbox.wrong_address);
	EXPECT_EQ(0, sandbox.wrong_code);
}

TEST_F(sandboxed, by_seccomp_gives_signals_that_verify)
{
	sandbox.code = SYS_SECCOMP;
	if (!filter_getrandom(SECCOMP_RET_TRAP))
		SKIP(return, "seccomp: no filters");
	draw_sandboxed(_metadata, self, variant);
}

TEST_F(sandboxed, by_user_dispatch_gives_signals_that_verify)
{
	sandbox.code = SYS_USER_DISPATCH;
	if (!dispatch_vdso())
		SKIP(return, "the kernel has no system-call user dispatch");
	draw_sandboxed(_metadata, self, variant);
}

int main(int argc, char **argv)
{
	find_vgetrandom();
	need_vgetrandom();
	view = shared_alloc(sizeof(*view));
	if (!view || !find_symbols())
		ksft_exit_fail_msg("cannot prepare\n");
	return test_harness_run(argc, argv);
}
