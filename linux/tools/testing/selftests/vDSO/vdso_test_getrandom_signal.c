// SPDX-License-Identifier: GPL-2.0
/*
 * vdso_test_getrandom_signal.c: signals that interrupt the vDSO's getrandom()
 *
 * Some handlers draw from the same state, on either stack and nested. Others do not
 * return: they jump out, switch to another green thread, or end the thread, which
 * unwinds the call. More cases test which addresses the kernel treats as the vDSO's
 * after the vDSO was moved, unmapped or replaced.
 *
 * Nothing sleeps: a case that needs a signal inside the vDSO draws until it arrives.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <time.h>
#include <unwind.h>

#include "vgetrandom_marks.h"
#include "vgetrandom_test.h"
#include "../kselftest_harness.h"

/* Thousands of signals take long on a kernel with debugging enabled. */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT 300

/* Bytes that a handler draws */
#define NESTED 40

/**
 * struct alarm - a timer that aims at the vDSO
 * @timer:	sends a signal each time it is armed
 * @delay:	from arming to the signal, in microseconds
 * @inside:	signals that interrupted the vDSO; the handler counts them
 * @hits:	the value of @inside when the timer was last armed
 */
struct alarm {
	timer_t timer;
	unsigned int delay;
	unsigned int inside;
	unsigned int hits;
};

static bool alarm_open(struct alarm *alarm, int sig)
{
	struct sigevent event = {
		.sigev_notify = SIGEV_SIGNAL,
		.sigev_signo = sig,
	};

	memset(alarm, 0, sizeof(*alarm));
	alarm->delay = 16;
	return !timer_create(CLOCK_MONOTONIC, &event, &alarm->timer);
}

/*
 * Have a signal sent soon. The delay grows while signals arrive before the vDSO is
 * reached, as they do on a slow machine, and shrinks while they hit it.
 */
static void alarm_arm(void *arg)
{
	struct itimerspec soon = { 0 };
	struct alarm *alarm = arg;

	if (alarm->inside == alarm->hits)
		alarm->delay += alarm->delay < 4000 ? alarm->delay / 2 : 0;
	else if (alarm->delay > 4)
		alarm->delay -= alarm->delay / 4;
	alarm->hits = alarm->inside;
	soon.it_value.tv_nsec = alarm->delay * 1000;
	timer_settime(alarm->timer, 0, &soon, NULL);
}

/*
 * Handlers that return
 */

/**
 * struct across - draws before, during and after a signal
 * @state:	to draw from
 * @len:	bytes in a draw
 * @send:	requests a signal
 * @arg:	for @send
 * @handled:	signals handled so far; the handler counts them
 * @output:	the last complete draw before the signal, the one that it interrupted,
 *		and the next one
 */
struct across {
	void *state;
	size_t len;
	void (*send)(void *arg);
	void *arg;
	atomic_uint *handled;
	unsigned char output[3 * 300];
};

/* Request a signal and draw until it has arrived. Returns false if a draw failed. */
static bool draw_across_signal(struct across *across)
{
	unsigned int before = atomic_load(across->handled);
	unsigned char *output = across->output;
	const size_t len = across->len;
	bool last = false;

	if (vgr_draw(output + len, len, across->state) != (ssize_t)len)
		return false;
	across->send(across->arg);
	while (!last) {
		memcpy(output, output + len, len);
		if (vgr_draw(output + len, len, across->state) != (ssize_t)len)
			return false;
		last = atomic_load(across->handled) != before;
	}
	return vgr_draw(output + 2 * len, len, across->state) == (ssize_t)len;
}

/* Shared by the handler and the code that it interrupts, in one thread */
static struct {
	void *state;
	struct alarm alarm;
	atomic_uint handled;
	bool escape;			/* leave the vDSO by siglongjmp() */
	sigjmp_buf env;
	ssize_t ret;
	unsigned char output[NESTED];
} nested;

static void on_signal(int sig, siginfo_t *info, void *context)
{
	bool inside = vgr_in_vdso(interrupted_at(context));

	nested.ret = vgr_draw(nested.output, NESTED, nested.state);
	nested.alarm.inside += inside;
	atomic_fetch_add(&nested.handled, 1);
	if (nested.escape && inside)
		siglongjmp(nested.env, 1);
}

static bool nested_open(int flags)
{
	nested.state = warm_state();
	catch(SIGALRM, on_signal, flags);
	return nested.state && alarm_open(&nested.alarm, SIGALRM);
}

/* Draw across @rounds signals, and check all draws including the handler's. */
static const char *try_under_signals(unsigned int rounds, void (*send)(void *),
				     void *arg)
{
	const size_t lens[] = { 4, 40, 4, 300 };
	struct across across = {
		.state = nested.state,
		.send = send,
		.arg = arg,
		.handled = &nested.handled,
	};
	unsigned int i;

	for (i = 0; i < rounds; i++) {
		across.len = lens[i % ARRAY_SIZE(lens)];
		if (!draw_across_signal(&across) || nested.ret != NESTED)
			return "wrong return value";
		if (vgr_repeats(across.output, 3 * across.len) ||
		    vgr_repeats(nested.output, NESTED))
			return "output repeats itself or is zero";
	}
	ksft_print_msg("%u of %u signals interrupted the vDSO\n",
		       nested.alarm.inside, rounds);
	return fine;
}

TEST(signal_handler_draws_from_the_interrupted_state)
{
	ASSERT_TRUE(nested_open(0));
	EXPECT_STREQ(fine, try_under_signals(500, alarm_arm, &nested.alarm));
	EXPECT_GT(nested.alarm.inside, 0);
}

TEST(signal_handler_draws_on_an_alternate_stack)
{
	stack_t stack = { .ss_size = 64 * 1024 };

	ASSERT_TRUE(nested_open(SA_ONSTACK));
	stack.ss_sp = fenced_alloc(stack.ss_size);
	ASSERT_NE(NULL, stack.ss_sp);
	ASSERT_EQ(0, sigaltstack(&stack, NULL));
	EXPECT_STREQ(fine, try_under_signals(300, alarm_arm, &nested.alarm));
	EXPECT_GT(nested.alarm.inside, 0);
}

struct sender {
	pthread_t target;
	atomic_uint asked;	/* signals requested so far */
	atomic_bool quit;
};

static void *send_signals(void *arg)
{
	struct sender *sender = arg;
	unsigned int sent = 0;

	/* Do not sleep: the target would be interrupted while it wakes this thread. */
	while (!atomic_load(&sender->quit)) {
		if (sent == atomic_load(&sender->asked)) {
			sched_yield();
			continue;
		}
		pthread_kill(sender->target, SIGALRM);
		sent++;
	}
	return NULL;
}

static void ask_sender(void *arg)
{
	struct sender *sender = arg;

	atomic_fetch_add(&sender->asked, 1);
}

TEST(signal_from_another_thread_while_drawing)
{
	struct sender sender = { .target = pthread_self() };
	const char *wrong;
	pthread_t thread;

	ASSERT_TRUE(nested_open(0));
	ASSERT_EQ(0, pthread_create(&thread, NULL, send_signals, &sender));
	wrong = try_under_signals(300, ask_sender, &sender);
	atomic_store(&sender.quit, true);
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_STREQ(fine, wrong);
	EXPECT_GT(nested.alarm.inside, 0);
}

/*
 * Draws that take longer than the time between two signals
 */

#define LARGE		(64 * 1024)
#define INTERRUPTED	500

static void on_tick(int sig, siginfo_t *info, void *context)
{
	nested.alarm.inside += vgr_in_vdso(interrupted_at(context));
}

/* Have a signal sent every 100 microseconds, or as often as the machine can. */
static bool start_ticks(void)
{
	const struct itimerspec ticks = { { 0, 100000 }, { 0, 100000 } };

	nested.state = warm_state();
	catch(SIGALRM, on_tick, 0);
	return nested.state && alarm_open(&nested.alarm, SIGALRM) &&
	       !timer_settime(nested.alarm.timer, 0, &ticks, NULL);
}

/* Is there random output in each page that a draw has filled? */
static bool pages_are_random(const unsigned char *buffer, size_t len)
{
	size_t i;

	for (i = 0; i + VGR_WINDOW <= len; i += vgr.page)
		if (vgr_repeats(buffer + i, VGR_WINDOW))
			return false;
	return len < VGR_WINDOW || !vgr_repeats(buffer + len - VGR_WINDOW, VGR_WINDOW);
}

TEST(interrupted_draws_are_not_short)
{
	unsigned char *buffer = malloc(LARGE);
	unsigned int draws, interrupted = 0, wrong = 0, n;

	ASSERT_TRUE(buffer && start_ticks());
	for (draws = 0; interrupted < INTERRUPTED; draws++) {
		const unsigned int before = nested.alarm.inside;

		memset(buffer, 0, LARGE);
		n = vgr_draw(buffer, LARGE, nested.state) != LARGE;
		interrupted += nested.alarm.inside != before;
		wrong += n;
		if (!n)
			ASSERT_TRUE(pages_are_random(buffer, LARGE));
	}
	signal(SIGALRM, SIG_IGN);
	ksft_print_msg("%u draws, %u interrupted by %u signals, %u short\n",
		       draws, interrupted, nested.alarm.inside, wrong);
	EXPECT_EQ(0, wrong);
}

/* A draw faults at the first byte that is not mapped, or returns all before it. */
TEST(interrupted_draws_beyond_the_buffer_return_what_there_is)
{
	const size_t size = vgr.params.size_of_opaque_state;
	unsigned int faulted = 0, returned = 0, wrong = 0;
	unsigned char *buffer = fenced_alloc(LARGE);

	ASSERT_TRUE(buffer && start_ticks());
	while (returned + wrong < INTERRUPTED && nested.alarm.inside < 100 * INTERRUPTED) {
		ssize_t ret;

		memset(buffer, 0, LARGE);
		ret = draw_or_fault(buffer, 2 * LARGE, nested.state, size);
		if (ret == FAULTED)
			faulted += fault.address == (uintptr_t)buffer + LARGE;
		else if (ret == LARGE)
			returned++;
		else
			wrong++;
		if (ret == LARGE)
			ASSERT_TRUE(pages_are_random(buffer, LARGE));
	}
	signal(SIGALRM, SIG_IGN);
	ksft_print_msg("%u faulted, %u returned all there is, %u less\n",
		       faulted, returned, wrong);
	EXPECT_GT(returned, 0);
	EXPECT_EQ(0, wrong);
}

/*
 * Nested handlers. Level 0 is ordinary code. The signal of each higher level
 * interrupts the draws of the level below.
 */

#define LEVELS	4

static struct {
	struct alarm alarm[LEVELS];
	atomic_uint handled[LEVELS];
	struct across across[LEVELS];
	bool ok;
} deep;

/* Draw across the signal of the next level. */
static void draw_at_level(unsigned int level)
{
	deep.ok &= draw_across_signal(&deep.across[level]);
}

static void on_level(int sig, siginfo_t *info, void *context)
{
	unsigned int level = sig - SIGRTMIN;

	deep.alarm[level].inside += vgr_in_vdso(interrupted_at(context));
	if (level + 1 < LEVELS)
		draw_at_level(level);
	atomic_fetch_add(&deep.handled[level], 1);
}

static bool deep_open(void)
{
	void *state = warm_state();
	unsigned int level;

	for (level = 0; level + 1 < LEVELS; level++) {
		struct across *across = &deep.across[level];

		across->state = state;
		across->len = NESTED;
		across->send = alarm_arm;
		across->arg = &deep.alarm[level + 1];
		across->handled = &deep.handled[level + 1];
		catch(SIGRTMIN + level + 1, on_level, 0);
		if (!alarm_open(&deep.alarm[level + 1], SIGRTMIN + level + 1))
			return false;
	}
	return state;
}

/* Send one signal of each level. Did each of them interrupt the vDSO? */
static bool deep_round(void)
{
	unsigned int before = 0, after = 0, level;

	for (level = 1; level < LEVELS; level++)
		before += deep.alarm[level].inside;
	draw_at_level(0);
	for (level = 1; level < LEVELS; level++)
		after += deep.alarm[level].inside;
	return after == before + LEVELS - 1;
}

TEST(signal_handlers_within_each_other_draw_from_the_same_state)
{
	const unsigned int enough = 50, most = 5000;
	unsigned int rounds, full = 0, level;

	ASSERT_TRUE(deep_open());
	deep.ok = true;
	for (rounds = 0; full < enough && rounds < most; rounds++) {
		full += deep_round();
		ASSERT_TRUE(deep.ok);
		for (level = 0; level + 1 < LEVELS; level++)
			ASSERT_EQ(0, vgr_repeats(deep.across[level].output,
						 3 * NESTED));
	}
	ksft_print_msg("in %u of %u rounds, each of %u signals interrupted the vDSO\n",
		       full, rounds, LEVELS - 1);
	EXPECT_EQ(enough, full);
}

/*
 * Handlers that do not return
 */

/*
 * In a traced process: draw from a state after a handler has left it. The vDSO must
 * serve all these draws. Returns the exit status.
 */
static int draw_work(void *state)
{
	size_t n;

	for (n = 0; n < work.draws; n++)
		if (vgr_draw(work.buffer + n * work.len, work.len, state) !=
		    (ssize_t)work.len)
			return 3;
	return 0;
}

/* In a traced process, have @fn leave a state in some way, and then draw_work(). */
static void served_after(struct __test_metadata *_metadata, int (*fn)(void *))
{
	struct watch watch;
	struct calls calls;

	ASSERT_TRUE(watch_work(&watch, vgr.page));
	work.len = 40;
	work.draws = 100;
	if (!count_calls(fn, NULL, &watch, &calls))
		SKIP(return, "%s: tracing not permitted", _metadata->name);
	EXPECT_EQ(0, calls.status);
	EXPECT_EQ(0, calls.handed);
	EXPECT_EQ(0, vgr_repeats(work.buffer, work.len * work.draws));
}

#define ESCAPES 100

/* Leave the vDSO by siglongjmp() several times, then draw as usual. */
static int escape_and_draw(void *unused)
{
	static unsigned int i;
	unsigned char output[300];

	nested.escape = true;
	if (!nested_open(0))
		return 1;
	sigsetjmp(nested.env, 1);
	while (nested.alarm.inside < ESCAPES) {
		unsigned int before = atomic_load(&nested.handled);

		if (i++ > 100 * ESCAPES)
			return 4;
		alarm_arm(&nested.alarm);
		while (atomic_load(&nested.handled) == before)
			if (vgr_draw(output, i % 4 ? 40 : 300,
				     nested.state) < 0)
				return 2;
	}
	nested.escape = false;
	return draw_work(nested.state);
}

TEST(signal_handler_that_jumps_out_leaves_the_state_usable)
{
	served_after(_metadata, escape_and_draw);
}

/*
 * Two green threads draw from one state. When a signal interrupts a draw, the handler
 * switches to the other thread, which is itself in the middle of a draw.
 */

#define SWITCHES	200
#define LOGGED		4	/* draws to check after each switch */

/**
 * struct green - a green thread
 * @context:	where it continues
 * @n:		bytes in the log
 * @log:	the draws that a switch interrupted, and some after each switch
 * @ok:		all return values were correct
 */
struct green {
	ucontext_t context;
	size_t n;
	unsigned char log[SWITCHES * LOGGED * 600];
	bool ok;
};

static struct {
	struct green thread[2];
	unsigned int running;
	atomic_uint switches;
	struct alarm alarm;
	void *state;
} greens;

static void green_switch(void)
{
	struct green *from = &greens.thread[greens.running];

	greens.running ^= 1;
	swapcontext(&from->context, &greens.thread[greens.running].context);
}

static void on_green(int sig, siginfo_t *info, void *context)
{
	bool inside = vgr_in_vdso(interrupted_at(context));

	greens.alarm.inside += inside;
	if (atomic_load(&greens.switches) == SWITCHES)
		return;
	alarm_arm(&greens.alarm);
	if (!inside)
		return;
	atomic_fetch_add(&greens.switches, 1);
	green_switch();
}

/* Draw until there have been enough switches; log the draws close to one. */
static void green_draw(struct green *self)
{
	static const size_t lens[] = { 40, 4, 100, 600 };
	unsigned int switches = 0, keep = 0, now, i;

	self->ok = true;
	for (i = 0; switches < SWITCHES; i++) {
		const size_t len = lens[i % ARRAY_SIZE(lens)];
		unsigned char output[600];

		if (vgr_draw(output, len, greens.state) != (ssize_t)len)
			self->ok = false;
		now = atomic_load(&greens.switches);
		if (now != switches)
			keep = LOGGED;
		switches = now;
		if (keep && self->n + len <= sizeof(self->log)) {
			memcpy(self->log + self->n, output, len);
			self->n += len;
			keep--;
		}
	}
}

static void green_main(void)
{
	green_draw(&greens.thread[1]);
	/* The other thread may be waiting for this one to end. */
	for (;;)
		green_switch();
}

/* Have two green threads draw and switch, then draw as usual. */
static int switch_and_draw(void *unused)
{
	const size_t size = 256 * 1024;
	ucontext_t *other = &greens.thread[1].context;

	greens.state = warm_state();
	if (!greens.state || getcontext(other))
		return 1;
	other->uc_stack.ss_sp = fenced_alloc(size);
	other->uc_stack.ss_size = size;
	if (!other->uc_stack.ss_sp || !alarm_open(&greens.alarm, SIGALRM))
		return 1;
	makecontext(other, green_main, 0);

	catch(SIGALRM, on_green, 0);
	alarm_arm(&greens.alarm);
	green_draw(&greens.thread[0]);
	/* The other thread is in the middle of a draw, or has ended. */
	green_switch();
	if (!greens.thread[0].ok || !greens.thread[1].ok)
		return 2;
	if (vgr_repeats(greens.thread[0].log, greens.thread[0].n) ||
	    vgr_repeats(greens.thread[1].log, greens.thread[1].n))
		return 5;
	return draw_work(greens.state);
}

TEST(signal_handler_that_switches_green_threads_leaves_both_right)
{
	served_after(_metadata, switch_and_draw);
}

/*
 * Threads that end in the middle of a draw, which unwinds it
 */

#define ENDINGS	100

/* How a thread ends */
enum ending {
	ENDING_CANCEL,		/* another thread calls pthread_cancel() */
	ENDING_HANDLER,		/* a handler that interrupted the vDSO ends it */
	ENDING_PAD,		/* a second handler does, right after the first one */
	ENDING_COUNT,
};

static struct {
	void *state;
	enum ending ending;
	atomic_uint draws;	/* complete draws so far */
	unsigned char output[2][NESTED];	/* the last two of them */
	bool cleaned;		/* the thread was unwound to its start function */
	bool in_vdso;		/* from inside the vDSO */
} ended;

/*
 * Some unwinders fail in a signal handler that interrupted the return from another one.
 * On arm64, the code of that return is in the vDSO.
 */
static bool can_unwind(void *context)
{
	const uintptr_t at = interrupted_at(context);

	return vgr_in_vdso(at) && !arch_is_sigreturn(at);
}

static void end_thread(void *context)
{
	if (!can_unwind(context))
		return;
	ended.in_vdso = true;
	pthread_exit(PTHREAD_CANCELED);
}

static void on_end(int sig, siginfo_t *info, void *context)
{
	if (ended.ending == ENDING_HANDLER)
		end_thread(context);
	if (ended.ending == ENDING_PAD)
		raise_on_return(SIGUSR2);
}

static void on_end_after(int sig, siginfo_t *info, void *context)
{
	end_thread(context);
}

static void on_cleanup(void *unused)
{
	ended.cleaned = true;
}

static void *draw_until_end(void *unused)
{
	unsigned char output[600];
	unsigned int i;

	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
	pthread_cleanup_push(on_cleanup, NULL);
	for (i = 0;; i++) {
		if (vgr_draw(output, i % 2 ? NESTED : 600, ended.state) < 0)
			break;
		memcpy(ended.output[i % 2], output, NESTED);
		atomic_fetch_add(&ended.draws, 1);
	}
	pthread_cleanup_pop(0);
	return NULL;
}

/* End a thread while it draws. Returns false if something went wrong. */
static bool end_while_drawing(enum ending ending, unsigned int draws)
{
	unsigned char output[NESTED];
	pthread_t thread;
	void *result;

	ended.ending = ending;
	ended.cleaned = ended.in_vdso = false;
	atomic_store(&ended.draws, 0);
	if (pthread_create(&thread, NULL, draw_until_end, NULL))
		return false;
	while (atomic_load(&ended.draws) < draws)
		sched_yield();
	if (ending == ENDING_CANCEL)
		pthread_cancel(thread);
	else
		while (!ended.in_vdso && !pthread_kill(thread, SIGUSR1))
			sched_yield();
	if (pthread_join(thread, &result) || result != PTHREAD_CANCELED ||
	    !ended.cleaned)
		return false;

	/* The state remains in use. The interrupted draw was never returned. */
	return vgr_draw(output, NESTED, ended.state) == NESTED &&
	       !vgr_repeats(output, NESTED) &&
	       !vgr_repeats(ended.output[0], NESTED) &&
	       !vgr_repeats(ended.output[1], NESTED);
}

/* End some threads in each way, then draw as usual. */
static int end_and_draw(void *unused)
{
	enum ending ending;
	unsigned int i;

	ended.state = warm_state();
	if (!ended.state)
		return 1;
	catch(SIGUSR1, on_end, 0);
	catch(SIGUSR2, on_end_after, 0);
	for (ending = 0; ending < ENDING_COUNT; ending++)
		for (i = 0; i < ENDINGS; i++)
			if (!end_while_drawing(ending, i % 16 + 2))
				return 5;
	return draw_work(ended.state);
}

TEST(thread_that_ends_in_a_draw_is_unwound_and_leaves_the_state_usable)
{
	served_after(_metadata, end_and_draw);
}

/*
 * Unwinding from any place in the vDSO to its caller
 */

static struct {
	struct alarm alarm;
	unsigned int after;	/* signals delivered when the first one's handler returned */
	unsigned int found;	/* unwinding found the caller */
	unsigned int wrong;	/* it did not, or found it changed */
} unwound;

static _Unwind_Reason_Code on_frame(struct _Unwind_Context *context, void *arg)
{
	bool *found = arg;
	size_t i;

	if (_Unwind_GetIP(context) != (uintptr_t)marked_return)
		return _URC_NO_REASON;
	*found = _Unwind_GetCFA(context) == marked_sp;
	for (i = 0; i < ARRAY_SIZE(marked); i++)
		*found &= _Unwind_GetGR(context, marked[i]) == MARK(marked[i]);
	return _URC_END_OF_STACK;
}

static void unwind(void)
{
	bool found = false;

	_Unwind_Backtrace(on_frame, &found);
	if (found)
		unwound.found++;
	else
		unwound.wrong++;
}

static void on_unwind(int sig, siginfo_t *info, void *context)
{
	bool inside = can_unwind(context);

	if (inside)
		unwind();
	if (sig == SIGUSR2) {
		unwound.after += inside;
		return;
	}
	unwound.alarm.inside += inside;
	alarm_arm(&unwound.alarm);
	raise_on_return(SIGUSR2);
}

TEST(signal_handler_can_unwind_to_the_caller)
{
	const unsigned int enough = 500;
	unsigned char output[600];
	void *state = warm_state();
	unsigned int i;

	ASSERT_TRUE(state && alarm_open(&unwound.alarm, SIGALRM));
	catch(SIGALRM, on_unwind, 0);
	catch(SIGUSR2, on_unwind, 0);
	alarm_arm(&unwound.alarm);
	for (i = 0; unwound.after < enough; i++) {
		const ssize_t len = i % 4 ? 40 : 600;

		ASSERT_EQ(len, marked_draw(output, len, 0, state,
					   vgr.params.size_of_opaque_state,
					   vgr.call));
	}
	ksft_print_msg("%u signals in the vDSO, %u more right after them\n",
		       unwound.alarm.inside, unwound.after);
	EXPECT_EQ(0, unwound.wrong);
	EXPECT_GT(unwound.alarm.inside, 0);
	EXPECT_EQ(unwound.alarm.inside + unwound.after, unwound.found);
}

/*
 * A vDSO that moves or goes away
 */

/* The offsets into the vDSO at which the kernel changes the interrupted address */
#define OFFSETS (64 * 1024)

struct moved {
	bool from[OFFSETS];
	unsigned int count;
};

/* Like on_fault(), but without a system call: this runs for every instruction. */
static void on_fault_insn(int sig, siginfo_t *info, void *context)
{
	fault.address = interrupted_at(context);
	siglongjmp(fault.env, 1);
}

/* Fill a mapping with instructions that raise a signal. */
static void fill_faults(void *start, size_t len)
{
	arch_insn_t *insn = start;
	size_t i;

	for (i = 0; i < len / sizeof(*insn); i++)
		insn[i] = ARCH_FAULT_INSN;
	__builtin___clear_cache(start, (char *)start + len);
}

/* Raise the signal at each instruction of such a mapping. */
static void find_moved(uintptr_t start, size_t len, struct moved *moved)
{
	volatile uintptr_t address;

	memset(moved, 0, sizeof(*moved));
	catch(ARCH_FAULT_SIGNAL, on_fault_insn, SA_NODEFER);
	for (address = start; address < start + len; address += sizeof(arch_insn_t)) {
		if (!sigsetjmp(fault.env, 0))
			((void (*)(void))address)();
		if (fault.address == address)
			continue;
		moved->from[address - start] = true;
		moved->count++;
	}
}

/* Overwrite this process's copy of the vDSO, as a debugger does. */
static bool fill_vdso(uintptr_t start, size_t len)
{
	int fd = open("/proc/self/mem", O_RDWR);
	void *faults = malloc(len);
	bool ok;

	if (fd < 0 || !faults)
		return false;
	fill_faults(faults, len);
	ok = pwrite(fd, faults, len, start) == (ssize_t)len;
	free(faults);
	close(fd);
	return ok;
}

/* Map other code where the vDSO is or was. */
static bool take_place(uintptr_t start, size_t len)
{
	void *p = mmap((void *)start, len, PROT_READ | PROT_WRITE | PROT_EXEC,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	if (p == MAP_FAILED)
		return false;
	fill_faults(p, len);
	return true;
}

/* Move the vDSO, and return its new address, or 0. */
static uintptr_t move_vdso(uintptr_t start, size_t len)
{
	void *room = mmap(NULL, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (room == MAP_FAILED ||
	    mremap((void *)start, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, room) != room)
		return 0;
	return (uintptr_t)room;
}

FIXTURE(vdso) {
	uintptr_t start;
	size_t len;
	struct moved moved;
};

FIXTURE_SETUP(vdso)
{
	self->start = vgr.vdso.start;
	self->len = vgr.vdso.end - vgr.vdso.start;
	ASSERT_LE(self->len, OFFSETS);
}

FIXTURE_TEARDOWN(vdso)
{
}

TEST_F(vdso, in_its_place_has_a_drawing_range)
{
	ASSERT_TRUE(fill_vdso(self->start, self->len));
	find_moved(self->start, self->len, &self->moved);
	ksft_print_msg("%zu bytes of %zu are drawing code\n",
		       self->moved.count * sizeof(arch_insn_t), self->len);
	EXPECT_GT(self->moved.count, 0);
	EXPECT_LT(self->moved.count, self->len / sizeof(arch_insn_t));
}

TEST_F(vdso, that_was_moved_has_it_there_and_not_where_it_was)
{
	struct moved *old = malloc(sizeof(*old));
	uintptr_t to;

	ASSERT_NE(NULL, old);
	ASSERT_TRUE(fill_vdso(self->start, self->len));
	find_moved(self->start, self->len, old);
	ASSERT_GT(old->count, 0);

	to = move_vdso(self->start, self->len);
	ASSERT_NE(0, to);
	find_moved(to, self->len, &self->moved);
	EXPECT_EQ(0, memcmp(old, &self->moved, sizeof(*old)));

	ASSERT_TRUE(take_place(self->start, self->len));
	find_moved(self->start, self->len, &self->moved);
	EXPECT_EQ(0, self->moved.count);
}

TEST_F(vdso, that_was_moved_and_unmapped_is_forgotten)
{
	uintptr_t to = move_vdso(self->start, self->len);

	ASSERT_NE(0, to);
	ASSERT_EQ(0, munmap((void *)to, self->len));
	ASSERT_TRUE(take_place(to, self->len));
	find_moved(to, self->len, &self->moved);
	EXPECT_EQ(0, self->moved.count);
}

TEST_F(vdso, that_was_unmapped_is_forgotten)
{
	ASSERT_EQ(0, munmap((void *)self->start, self->len));
	ASSERT_TRUE(take_place(self->start, self->len));
	find_moved(self->start, self->len, &self->moved);
	EXPECT_EQ(0, self->moved.count);
}

TEST_F(vdso, that_was_replaced_is_forgotten)
{
	ASSERT_TRUE(take_place(self->start, self->len));
	find_moved(self->start, self->len, &self->moved);
	EXPECT_EQ(0, self->moved.count);
}

/* Look at the vDSO of a child, or at other code in its place. Returns 0 if all is well. */
static int child_of_fork(uintptr_t start, size_t len, bool replace, struct moved *moved)
{
	pid_t pid = fork();

	if (pid)
		return reap(pid);
	if (!(replace ? take_place(start, len) : fill_vdso(start, len)))
		_exit(2);
	find_moved(start, len, moved);
	_exit(replace == !!moved->count);
}

TEST_F(vdso, is_inherited_by_a_child)
{
	EXPECT_EQ(0, child_of_fork(self->start, self->len, false, &self->moved));
}

TEST_F(vdso, that_a_child_does_not_inherit_is_forgotten_there)
{
	ASSERT_EQ(0, madvise((void *)self->start, self->len, MADV_DONTFORK));
	EXPECT_EQ(0, child_of_fork(self->start, self->len, true, &self->moved));

	/* The parent still has its vDSO. */
	ASSERT_TRUE(fill_vdso(self->start, self->len));
	find_moved(self->start, self->len, &self->moved);
	EXPECT_GT(self->moved.count, 0);
}

TEST_F(vdso, that_a_child_unmaps_stays_with_the_parent)
{
	EXPECT_EQ(0, child_of_fork(self->start, self->len, true, &self->moved));
	ASSERT_TRUE(fill_vdso(self->start, self->len));
	find_moved(self->start, self->len, &self->moved);
	EXPECT_GT(self->moved.count, 0);
}

int main(int argc, char **argv)
{
	find_vgetrandom();
	need_vgetrandom();
	return test_harness_run(argc, argv);
}
