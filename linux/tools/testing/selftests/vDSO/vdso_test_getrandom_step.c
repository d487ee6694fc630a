// SPDX-License-Identifier: GPL-2.0
/*
 * vdso_test_getrandom_step.c: interrupt getrandom() after every instruction
 *
 * ptrace() stops a call of the vDSO's getrandom() at each of its instructions. There,
 * something happens to the state, the process or the kernel. Then the call continues
 * to its end, if it can. No output, from before, during or after the call, may be
 * drawn twice, be zeros, or be the keystream of a zero key. Later calls must not make
 * a system call.
 *
 * To find repetitions, the test compares all outputs of a run by words of eight bytes
 * at all offsets, see struct words. This finds any 16 bytes that two outputs share. An
 * output of fewer than eight bytes is looked for as a whole. After the run, a full
 * batch is drawn from the state, so output of its last key is compared as well.
 *
 * Chance, and a reseed by the kernel, can spoil a run. Therefore an error counts only
 * if it occurs TRIES times in a row, each time with another key. Four bytes are equal
 * to any of 4000 others by chance once in 2^20 runs, so TRIES times in a row once in
 * 2^80.
 *
 * The test relies only on the ABI and discovers the layout of the state, so it can run
 * on any kernel that has the function. It samples inner loops unless FULL is set in
 * the environment. With ONE_IN=N, which slow kernels may need, it tests only one of N
 * boundaries elsewhere, too. The sample is always the same.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sys/uio.h>

#include "vgetrandom_test.h"
#include "vgetrandom_chacha.h"
#include "vgetrandom_step.h"
#include "vgetrandom_vmclock.h"
#include "../kselftest_harness.h"

/* How often in a row a run has to go wrong */
#define TRIES		4

/* Bytes in the draws around the interrupted one */
#define NESTED		32
#define WATCHED		48

/*
 * Once a call has checked the generation for the last time, a fork is no different from
 * one after the call: both processes have the output. No more than this many
 * instructions may follow that check.
 */
#define TAIL		64

/* The signals of a run's first and second event */
static const int signals[] = { SIGUSR1, SIGUSR2 };

/* What the tracer does at the boundary, in this order */
enum {
	DO_ZERO		= 1 << 0,	/* write zeros over the state */
	DO_RECLAIM	= 1 << 1,	/* have its page reclaimed */
	DO_FORK		= 1 << 2,	/* fork without a signal */
	DO_COPY		= 1 << 3,	/* restore the state in the child */
	DO_RESEED	= 1 << 4,	/* have the kernel reseed */
	DO_VMCLOCK	= 1 << 5,	/* change the hypervisor's word */
	DO_SIGNAL	= 1 << 6,	/* deliver a signal */
	DO_SEND		= 1 << 7,	/* send one from another processor */
};

/* What the handler of the signal does, in this order */
enum {
	ON_ALTSTACK	= 1 << 0,	/* run on a stack of its own */
	WIPE		= 1 << 1,	/* wipe the state */
	FORK		= 1 << 2,	/* fork, and continue in both */
	DRAW		= 1 << 3,	/* draw from the state */
	SWITCH		= 1 << 4,	/* have another context draw */
	JUMP		= 1 << 5,	/* jump out */
	CANCEL		= 1 << 6,	/* cancel the thread */
};

/**
 * struct event - what happens in the middle of a call
 * @name:	as printed
 * @tracer:	DO_ flags
 * @handler:	flags for the signal's handler
 * @twice:	happens again, in a call that the handler makes
 */
struct event {
	const char *name;
	unsigned int tracer;
	unsigned int handler;
	bool twice;
};

enum {
	ZEROED,
	RECLAIMED,
	RESEEDED,
	FORKED,
	CLONED,
	CLONED_UNNOTICED,
	DRAWS,
	DRAWS_ON_ANOTHER_STACK,
	WIPES,
	WIPES_AND_DRAWS,
	DRAWS_IN_A_HANDLERS_CALL,
	RESEEDED_AND_DRAWS,
	FORKS,
	FORKS_AND_BOTH_DRAW,
	JUMPS_OUT,
	DRAWS_AND_JUMPS_OUT,
	SWITCHES_CONTEXTS,
	CANCELS_THE_THREAD,
	FROM_ANOTHER_PROCESSOR,
};

static const struct event events[] = {
	[ZEROED] = { "state zeroed", DO_ZERO },
	[RECLAIMED] = { "page reclaimed", DO_RECLAIM },
	[RESEEDED] = { "kernel reseeded", DO_RESEED },
	[FORKED] = { "process forked", DO_FORK },
	[CLONED] = { "virtual machine cloned", DO_FORK | DO_COPY | DO_RESEED },
	[CLONED_UNNOTICED] = {
		"virtual machine cloned, unnoticed by the kernel", DO_FORK | DO_COPY | DO_VMCLOCK
	},
	[DRAWS] = { "handler draws", DO_SIGNAL, DRAW },
	[DRAWS_ON_ANOTHER_STACK] = {
		"handler draws on another stack", DO_SIGNAL, ON_ALTSTACK | DRAW
	},
	[WIPES] = { "handler wipes", DO_SIGNAL, WIPE },
	[WIPES_AND_DRAWS] = { "handler wipes and draws", DO_SIGNAL, WIPE | DRAW },
	[DRAWS_IN_A_HANDLERS_CALL] = { "handler draws in a handler's call", DO_SIGNAL, DRAW, true },
	[RESEEDED_AND_DRAWS] = { "kernel reseeded and handler draws", DO_RESEED | DO_SIGNAL, DRAW },
	[FORKS] = { "handler forks", DO_SIGNAL, FORK },
	[FORKS_AND_BOTH_DRAW] = { "handler forks and both draw", DO_SIGNAL, FORK | DRAW },
	[JUMPS_OUT] = { "handler jumps out", DO_SIGNAL, JUMP },
	[DRAWS_AND_JUMPS_OUT] = { "handler draws and jumps out", DO_SIGNAL, DRAW | JUMP },
	[SWITCHES_CONTEXTS] = { "handler switches contexts", DO_SIGNAL, SWITCH },
	[CANCELS_THE_THREAD] = { "handler cancels the thread", DO_SIGNAL, DRAW | CANCEL },
	[FROM_ANOTHER_PROCESSOR] = { "signal from another processor", DO_SEND, DRAW },
};

/**
 * struct draw - a call and its output
 * @ret:	its return value
 * @len:	the number of bytes requested; 0 if there was no such call
 * @bytes:	the output
 */
struct draw {
	ssize_t ret;
	size_t len;
	unsigned char bytes[LONGEST];
};

/* The draws of one process in a run */
struct part {
	bool returned;			/* from the interrupted call */
	struct draw outer;
	struct draw nested[2];		/* by the handlers of the two events */
	struct draw context;		/* after a switch of contexts */
	struct draw after;
};

/* Where the actor traps */
enum phase { TOP, READY, DONE };

/**
 * struct scene - one run, in memory that all processes share
 * @quit:	no more runs; the tracer sets this and all members down to @handler
 * @kind:	the condition to bring the state into
 * @left:	bytes to leave in the batch of an EMPTY state
 * @len:	length of the interrupted call
 * @flags:	flags of the call; if any, its system call is checked
 * @query:	the call is a parameter query
 * @handler:	flags for the handlers of the two events
 * @pid:	process ID of the actor
 * @child:	process ID of the child, if any; set by the tracer or the handler
 * @state:	the state
 * @phase:	the trap that the actor is in
 * @unwound:	the cancelled thread ran its cleanup handler
 * @child_status: how the child ended
 * @before:	drawn before the call, from the same state
 * @part:	drawn by the actor, and by its child
 * @watched:	drawn last; must not make a system call
 * @params:	the answer to a query
 */
struct scene {
	bool quit;
	enum kind kind;
	size_t left;
	size_t len;
	unsigned int flags;
	bool query;
	unsigned int handler[2];
	pid_t pid;
	pid_t child;
	void *state;
	enum phase phase;
	bool unwound;
	int child_status;
	struct draw before;
	struct part part[2];
	struct draw watched;
	struct vgetrandom_opaque_params params;
};

static struct scene *scene;
static struct vmclock *vmclock;
static int other_cpu = -1;		/* for the thread that sends signals */
static int send_pipe[2], sent_pipe[2];

/*
 * The actor
 */

static sigjmp_buf jump_env;
static ucontext_t own_context, other_context;

static struct part *my_part(void)
{
	return &scene->part[getpid() != scene->pid];
}

static void reach(enum phase phase)
{
	scene->phase = phase;
	step_trap();
}

/* Add to an output. If a call fails, the sum in @ret is wrong. */
static void draw(struct draw *d, size_t len)
{
	d->ret += vgr_draw(d->bytes + d->len, len, scene->state);
	d->len += len;
}

/* The handler of event 0 or 1 */
static void handle(unsigned int nr)
{
	unsigned int todo = scene->handler[nr];
	pid_t pid;

	if (todo & WIPE)
		vgr_wipe(scene->state);
	if (todo & FORK) {
		pid = fork();
		if (pid)
			scene->child = pid;
	}
	if (todo & DRAW)
		draw(&my_part()->nested[nr], NESTED);
	if (todo & SWITCH)
		swapcontext(&own_context, &other_context);
	if (todo & JUMP)
		siglongjmp(jump_env, 1);
	if (todo & CANCEL)
		pthread_cancel(pthread_self());
}

static void on_signal(int sig)
{
	handle(sig == signals[1]);
}

static void catch_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal };
	unsigned int i;

	sigemptyset(&action.sa_mask);
	for (i = 0; i < ARRAY_SIZE(signals); i++) {
		action.sa_flags = scene->handler[i] & ON_ALTSTACK ? SA_ONSTACK : 0;
		sigaction(signals[i], &action, NULL);
	}
}

static bool make_altstack(void)
{
	stack_t stack = {
		.ss_size = 1 << 16,
		.ss_sp = malloc(1 << 16),
	};

	return stack.ss_sp && !sigaltstack(&stack, NULL);
}

/* The context that handlers switch to: a green thread */
static void other_thread_of_control(void)
{
	for (;;) {
		draw(&my_part()->context, NESTED);
		swapcontext(&other_context, &own_context);
	}
}

static bool make_context(void)
{
	const size_t size = 1 << 16;

	getcontext(&other_context);
	other_context.uc_stack.ss_size = size;
	other_context.uc_stack.ss_sp = malloc(size);
	makecontext(&other_context, other_thread_of_control, 0);
	return other_context.uc_stack.ss_sp;
}

/* On another processor: send the actor a signal on request. */
static void *send_signals(void *unused)
{
	cpu_set_t cpu;
	int sig;

	CPU_ZERO(&cpu);
	CPU_SET(other_cpu, &cpu);
	sched_setaffinity(0, sizeof(cpu), &cpu);
	while (read(send_pipe[0], &sig, sizeof(sig)) == sizeof(sig)) {
		syscall(SYS_tgkill, scene->pid, scene->pid, sig);
		if (write(sent_pipe[1], &sig, sizeof(sig)) != sizeof(sig))
			break;
	}
	return NULL;
}

static void forget(struct draw *draw)
{
	draw->ret = 0;
	draw->len = 0;
}

static void forget_part(struct part *part)
{
	part->returned = false;
	forget(&part->outer);
	forget(&part->nested[0]);
	forget(&part->nested[1]);
	forget(&part->context);
	forget(&part->after);
}

static void start_run(void)
{
	forget(&scene->before);
	forget_part(&scene->part[0]);
	forget_part(&scene->part[1]);
	forget(&scene->watched);
	scene->child = 0;
	scene->child_status = 0;
	scene->unwound = false;
	catch_signals();

	/* Get a new key for each run. */
	vgr_wipe(scene->state);
	draw(&scene->before, BEFORE);
	if (scene->kind == EMPTY)
		draw(&scene->before, batch - BEFORE - scene->left);
	if (scene->kind == COLD)
		vgr_wipe(scene->state);
}

static ssize_t query(void)
{
	return vgr.call(NULL, 0, 0, &scene->params, VGR_QUERY);
}

/* The buffer of the interrupted call is private: a child has its own. */
static unsigned char outer[LONGEST];

static void call(void)
{
	struct part *part;
	ssize_t ret;

	memset(outer, 0, scene->len);
	if (!sigsetjmp(jump_env, 1)) {
		memset(&scene->params, 0xff, sizeof(scene->params));
		reach(READY);
		ret = scene->query ? query() :
				     vgr.call(outer, scene->len, scene->flags,
					      scene->state,
					      vgr.params.size_of_opaque_state);
		part = my_part();
		part->returned = true;
		part->outer.ret = ret;
	}
	part = my_part();
	part->outer.len = scene->len;
	memcpy(part->outer.bytes, outer, scene->len);
}

/* Draw a full batch, in order to use the state's last key as well. */
static void draw_after(void)
{
	struct draw *after = &my_part()->after;

	draw(after, NESTED);
	draw(after, batch + NESTED);
}

static void end_run(void)
{
	draw_after();
	if (getpid() != scene->pid)
		_exit(0);
	if (scene->child)
		scene->child_status = reap(scene->child);
}

static bool make_state(void)
{
	struct vgr_pool pool;

	if (!vgr_pool_open(&pool, 1))
		return false;
	scene->state = vgr_pool_get(&pool);
	scene->pid = getpid();
	return true;
}

static int run_in_process(void *unused)
{
	pthread_t sender;

	if (!make_state() || !make_altstack() || !make_context() ||
	    (other_cpu >= 0 &&
	     pthread_create(&sender, NULL, send_signals, NULL)))
		return EXIT_FAILURE;
	for (;;) {
		reach(TOP);
		if (scene->quit)
			return EXIT_SUCCESS;
		start_run();
		call();
		end_run();
		reach(DONE);
		draw(&scene->watched, WATCHED);
	}
}

static void note_unwinding(void *unused)
{
	scene->unwound = true;
}

static void *run_until_cancelled(void *unused)
{
	if (!step_join())
		return NULL;
	reach(TOP);
	if (scene->quit)
		return NULL;
	start_run();
	pthread_cleanup_push(note_unwinding, NULL);
	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
	call();
	pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, NULL);
	pthread_cleanup_pop(0);
	return NULL;
}

static void *draw_watched(void *unused)
{
	if (!step_join())
		return NULL;
	reach(DONE);
	draw(&scene->watched, WATCHED);
	return NULL;
}

static bool run_thread(void *(*fn)(void *))
{
	pthread_t thread;

	return !pthread_create(&thread, NULL, fn, NULL) &&
	       !pthread_join(thread, NULL);
}

/* Use a thread for each run, since it may be cancelled, and one for the watched draw. */
static int run_in_threads(void *unused)
{
	if (!make_state())
		return EXIT_FAILURE;
	while (run_thread(run_until_cancelled) && !scene->quit) {
		end_run();
		if (!run_thread(draw_watched))
			return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}

/*
 * The tracer: events at a boundary
 */

static bool state_is_zero(pid_t pid)
{
	unsigned char state[vgr.page];

	return peek_state(pid, scene->state, state) && !state[0] &&
	       !memcmp(state, state + 1, vgr.params.size_of_opaque_state - 1);
}

/* Is the page under the state present? The zero page does not count. */
static bool state_is_present(pid_t pid)
{
	uint64_t entry = 0;
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/pagemap", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	if (pread(fd, &entry, sizeof(entry), (uintptr_t)scene->state /
		  vgr.page * sizeof(entry)) != sizeof(entry))
		entry = 0;
	close(fd);
	return entry >> 63 && !state_is_zero(pid);
}

/* Reclaim the page under the state as memory pressure does. */
static bool reclaim(pid_t pid)
{
	struct iovec page = {
		(void *)((uintptr_t)scene->state & -vgr.page), vgr.page
	};
	int fd = syscall(SYS_pidfd_open, pid, 0);
	bool done = fd >= 0 && syscall(SYS_process_madvise, fd, &page, 1,
				       MADV_PAGEOUT, 0) == (ssize_t)vgr.page;

	if (fd >= 0)
		close(fd);
	return done && !state_is_present(pid);
}

static bool may_reclaim(void)
{
	struct iovec page;
	struct vgr_pool pool;
	int fd = syscall(SYS_pidfd_open, getpid(), 0);

	if (fd < 0 || !vgr_pool_open(&pool, 1))
		return false;
	page.iov_base = pool.base;
	page.iov_len = vgr.page;
	return syscall(SYS_process_madvise, fd, &page, 1, MADV_PAGEOUT, 0) >= 0 &&
	       !close(fd);
}

/* Fork the actor where it is. The child stays stopped; if wanted, restore its state. */
static bool fork_actor(struct step_actor *actor, bool copy)
{
	unsigned char state[vgr.page];
	pid_t child;

	if (copy && !peek_state(actor->tid, scene->state, state))
		return false;
	child = step_inject_fork(actor);
	if (child < 0)
		return false;
	scene->child = child;
	return !copy || poke_state(child, scene->state, state);
}

/* Have the actor's other thread send a signal to the stopped one. */
static bool send_from_other_cpu(int sig)
{
	return write(send_pipe[1], &sig, sizeof(sig)) == sizeof(sig) &&
	       read(sent_pipe[0], &sig, sizeof(sig)) == sizeof(sig);
}

/*
 * Make an event happen to the actor where it is stopped. Returns false if that is not
 * possible. The actor must be resumed with the signal *@sig.
 */
static bool happen(struct step_actor *actor, const struct event *event,
		   unsigned int nr, int *sig)
{
	unsigned char zeros[vgr.page];

	*sig = 0;
	if (event->tracer & DO_ZERO) {
		memset(zeros, 0, sizeof(zeros));
		if (!poke_state(actor->tid, scene->state, zeros))
			return false;
	}
	if (event->tracer & DO_RECLAIM && state_is_present(actor->tid) &&
	    !reclaim(actor->tid))
		return false;
	if (event->tracer & DO_FORK &&
	    !fork_actor(actor, event->tracer & DO_COPY))
		return false;
	if (event->tracer & DO_RESEED && !reseed())
		return false;
	if (event->tracer & DO_VMCLOCK)
		vmclock_become_clone(vmclock);
	/* A clone is told that it is one before it continues. */
	if (event->tracer & DO_FORK &&
	    ptrace(PTRACE_DETACH, scene->child, NULL, 0L))
		return false;
	if (event->tracer & DO_SIGNAL)
		*sig = signals[nr];
	if (event->tracer & DO_SEND)
		return send_from_other_cpu(signals[nr]);
	return true;
}

/*
 * The tracer: judging a run
 */

static struct words drawn, public;

/* The keystream of a zero key, which is what a wiped state contains, is public. */
#define PUBLIC_BLOCKS	(LONGEST / sizeof(uint32_t) / VGR_CHACHA_WORDS)

static void make_public(void)
{
	const uint32_t key[VGR_CHACHA_KEY_WORDS] = { 0 };
	uint32_t block[VGR_CHACHA_WORDS];
	unsigned int i;

	words_begin(&public);
	for (i = 0; i < PUBLIC_BLOCKS; i++) {
		vgr_chacha20_block(block, key, i, NULL, NULL);
		words_add(&public, block, sizeof(block));
	}
}

enum wrong {
	FINE, RESULT, ZEROS, PUBLIC, REPEATED, REQUEST, NOT_UNWOUND, NOT_SERVED,
	DIED, WRONGS
};

static const char * const wrongs[WRONGS] = {
	[RESULT]	= "with a wrong result",
	[ZEROS]		= "with zeros",
	[PUBLIC]	= "with the keystream of a zero key",
	[REPEATED]	= "with repeated bytes",
	[REQUEST]	= "with a wrong request to the kernel",
	[NOT_UNWOUND]	= "not unwound",
	[NOT_SERVED]	= "never served again",
	[DIED]		= "killed",
};

/* System calls of interrupted calls with flags */
static struct {
	unsigned int all;		/* in all runs */
	unsigned int wrong;		/* in this run: not for what the caller requested */
} requests;

static void see_request(const struct user_regs_struct *regs, void *unused)
{
	/* Draws after the call may have to fetch a key. */
	if (REGS_SYSCALL(regs) != __NR_getrandom || scene->part[0].returned)
		return;
	requests.all++;
	requests.wrong += REGS_ARG1(regs) != (uintptr_t)outer ||
			  REGS_ARG2(regs) != scene->len ||
			  REGS_ARG3(regs) != scene->flags;
}

/* Check an output, and remember it. */
static enum wrong check_bytes(const unsigned char *bytes, size_t len)
{
	size_t i;

	for (i = 0; i + WORD <= len; i++) {
		uint64_t word = get_word(bytes + i);

		if (!word)
			return ZEROS;
		if (words_have(&public, word))
			return PUBLIC;
		if (words_have(&drawn, word))
			return REPEATED;
	}
	words_add(&drawn, bytes, len);
	return FINE;
}

static enum wrong check_draw(const struct draw *draw)
{
	if (draw->ret != (ssize_t)draw->len)
		return RESULT;
	return check_bytes(draw->bytes, draw->len);
}

/*
 * A call that a handler left may have filled a part of its buffer; the rest is still
 * zero. The bytes it wrote count as output. They may come from a wiped state, though,
 * because the call did not reach the check at its end.
 */
static enum wrong check_left(const struct draw *outer)
{
	size_t i, end;

	for (i = 0; i + WORD <= outer->len; i = end + 1) {
		for (end = i; end < outer->len && outer->bytes[end]; end++)
			;
		if (check_bytes(outer->bytes + i, end - i) == REPEATED)
			return REPEATED;
	}
	return FINE;
}

/* Is an output, which is too short to contain words, part of another one? */
static bool is_in(const struct draw *outer, const struct draw *other)
{
	return other->len && memmem(other->bytes, other->len,
				    outer->bytes, outer->len);
}

static enum wrong check_short(const struct draw *outer)
{
	static const unsigned char zeros[WORD];
	unsigned int i;

	if (!memcmp(outer->bytes, zeros, outer->len))
		return ZEROS;
	if (is_in(outer, &scene->before) || is_in(outer, &scene->watched))
		return REPEATED;
	for (i = 0; i < ARRAY_SIZE(scene->part); i++) {
		const struct part *part = &scene->part[i];

		if (is_in(outer, &part->nested[0]) ||
		    is_in(outer, &part->nested[1]) ||
		    is_in(outer, &part->context) || is_in(outer, &part->after) ||
		    (outer != &part->outer && is_in(outer, &part->outer)))
			return REPEATED;
	}
	return FINE;
}

/*
 * Has the child returned the same bytes as the parent, or what the parent's buffer had? A
 * call that a handler left may have filled a part of it; the rest is still zero.
 */
static bool is_common(void)
{
	const struct part *part = scene->part;
	size_t i;

	if (!scene->child || !part[1].returned)
		return false;
	for (i = 0; i < scene->len; i++) {
		unsigned char byte = part[0].outer.bytes[i];

		if (byte != part[1].outer.bytes[i] && (byte || part[0].returned))
			return false;
	}
	return true;
}

static enum wrong check_outer(const struct part *part)
{
	if (!part->returned)
		return check_left(&part->outer);
	if (part->outer.ret != (ssize_t)part->outer.len)
		return RESULT;
	if (scene->query)
		return memcmp(&scene->params, &vgr.params, sizeof(vgr.params)) ?
		       RESULT : FINE;
	/* A short output contains no words, so it is not remembered, either. */
	if (part->outer.len < WORD)
		return check_short(&part->outer);
	return check_draw(&part->outer);
}

static enum wrong check_part(const struct part *part, bool with_outer)
{
	enum wrong wrong = FINE;

	if (with_outer)
		wrong = check_outer(part);
	if (wrong == FINE)
		wrong = check_draw(&part->nested[0]);
	if (wrong == FINE)
		wrong = check_draw(&part->nested[1]);
	if (wrong == FINE)
		wrong = check_draw(&part->context);
	if (wrong == FINE)
		wrong = check_draw(&part->after);
	return wrong;
}

/* After a fork past the end of the call, parent and child both have its output. */
static enum wrong check_run(bool forked_after, unsigned int handed)
{
	struct part *part = scene->part;
	enum wrong wrong;

	words_begin(&drawn);
	if (forked_after)
		part[1].outer.len = 0;
	wrong = check_draw(&scene->before);
	if (wrong == FINE)
		wrong = check_part(&part[0], true);
	if (wrong == FINE && scene->child)
		wrong = check_part(&part[1], !forked_after);
	if (wrong == FINE)
		wrong = check_draw(&scene->watched);
	if (wrong == FINE && scene->child && scene->child_status)
		wrong = DIED;
	if (wrong == FINE && scene->handler[0] & CANCEL && !part->returned &&
	    !scene->unwound)
		wrong = NOT_UNWOUND;
	if (wrong == FINE && requests.wrong)
		wrong = REQUEST;
	if (wrong == FINE && handed)
		wrong = NOT_SERVED;
	return wrong;
}

/*
 * The tracer: runs
 */

/* Count system calls that the watched draw falls back to. */
static void count_handed(const struct user_regs_struct *regs, void *arg)
{
	unsigned int *handed = arg;

	*handed += draws_into(regs, scene->watched.bytes, LONGEST);
}

/* Resume the actor until it traps in a given phase. */
static bool run_to_phase(struct step_actor *actor, enum phase phase, int sig)
{
	do {
		if (!step_continue(actor, sig))
			return false;
		sig = 0;
	} while (scene->phase != phase);
	return true;
}

/* Where the second event of a pair happens */
enum where {
	OUTER,		/* in the interrupted call, if it continues */
	NESTED_CALL,	/* in a call that the first event's handler makes */
	RESUMED,	/* in the interrupted call, after the handler has returned */
	WHERES
};

/**
 * struct plan - what happens in a run
 * @kind:	the condition of the state
 * @len:	bytes that the interrupted call draws
 * @trace:	the instructions of such a call
 * @event:	the first event, and the second one or NULL
 * @n:		the instructions before which they happen
 * @where:	the call in which the second event happens. If RESUMED, @n counts
 *		instructions from the handler's return.
 */
struct plan {
	enum kind kind;
	size_t len;
	const struct step_trace *trace;
	const struct event *event[2];
	unsigned int n[2];
	enum where where;
};

/* The drawing code uses less stack than this, and a signal frame takes more. */
#define OUTER_FRAMES	1024

static bool is_outer(uintptr_t sp, uintptr_t before)
{
	return sp <= before && sp > before - OUTER_FRAMES;
}

/* How often will the call execute the second instruction after the first event? */
static unsigned int visits_between(const struct plan *plan)
{
	const struct step_insn *insn = plan->trace->insn;
	unsigned int visits = 0, i;

	for (i = plan->n[0] + 1; i <= plan->n[1]; i++)
		visits += insn[i].at == insn[plan->n[1]].at;
	return visits;
}

/*
 * Go from the first event to an instruction of the trace. The draws after the call
 * have the same stack pointer, but are too late.
 */
static bool go_to_insn(struct step_actor *actor, const struct plan *plan,
		       uintptr_t before, int sig)
{
	const bool outer = plan->where == OUTER;
	unsigned int visits = outer ? visits_between(plan) : 1;
	uintptr_t at = plan->trace->insn[plan->n[1]].at;
	bool there = arch_set_breakpoint(actor->tid, at);

	/* If the call is at that instruction already, the breakpoint triggers at once. */
	if (outer && step_ip(actor) == at)
		visits++;
	while (there && visits) {
		there = step_continue(actor, sig) && step_ip(actor) == at &&
			!scene->part[0].returned;
		sig = 0;
		if (there && outer == is_outer(step_sp(actor), before))
			visits--;
	}
	return arch_clear_breakpoint(actor->tid) && there;
}

/* The address that a handler returns to; the actor is at its first instruction. */
static uintptr_t return_address(const struct step_actor *actor)
{
	const struct user_regs_struct regs = step_regs(actor);
	ucontext_t *uc = (void *)REGS_ARG3(&regs);

	return ptrace(PTRACE_PEEKDATA, actor->tid, &UC_IP(uc), NULL);
}

/* Go from the beginning of a handler to its return. */
static bool go_to_return(struct step_actor *actor, uintptr_t before)
{
	uintptr_t at = return_address(actor);
	bool there = arch_set_breakpoint(actor->tid, at);

	do {
		there = there && step_continue(actor, 0) && step_ip(actor) == at;
	} while (there && !is_outer(step_sp(actor), before));
	return arch_clear_breakpoint(actor->tid) && there;
}

/* Go from the first event to some steps past the handler's return. */
static bool go_behind_handler(struct step_actor *actor, const struct plan *plan,
			      uintptr_t before, int sig)
{
	unsigned int steps = plan->n[1];

	if (sig && (!step_go(actor, PTRACE_SINGLESTEP, sig) ||
		    !go_to_return(actor, before)))
		return false;
	while (steps--)
		if (!step_go(actor, PTRACE_SINGLESTEP, 0) ||
		    !step_is_trapped(actor) || !vgr_in_vdso(step_ip(actor)))
			return false;
	return true;
}

/* The outcome of a run */
enum outcome { LOST, MISSED, RAN, GONE };

/*
 * Go from the first event to the second one. Returns MISSED if that was not reached.
 * In any case, the actor must be resumed with *@sig.
 */
static enum outcome second_event(struct step_actor *actor,
				 const struct plan *plan, uintptr_t before,
				 int *sig)
{
	bool there = plan->where == RESUMED ?
		     go_behind_handler(actor, plan, before, *sig) :
		     go_to_insn(actor, plan, before, *sig);

	*sig = 0;
	if (!there)
		return WIFSTOPPED(actor->status) ? MISSED : GONE;
	return happen(actor, plan->event[1], 1, sig) ? RAN : LOST;
}

/* Go from the top of the loop to the call. */
static bool start(struct step_actor *actor, enum kind kind, size_t len)
{
	scene->kind = kind;
	scene->len = len;
	scene->left = bytes_left(len);
	return run_to_phase(actor, READY, 0) && (kind != STALE || reseed());
}

/* Make both events happen, or as many of them as are reached. */
static enum outcome make_happen(struct step_actor *actor,
				const struct plan *plan, int *sig)
{
	uintptr_t before = step_sp(actor);

	*sig = 0;
	if (!step_to(actor, plan->trace, plan->n[0]))
		return LOST;
	if (!happen(actor, plan->event[0], 0, sig))
		return LOST;
	return plan->event[1] ? second_event(actor, plan, before, sig) : RAN;
}

/* Go from the last event to the trap after the call. */
static bool end_call(struct step_actor *actor, int sig)
{
	if (scene->flags)
		return step_count_calls(actor, sig, see_request, NULL);
	return run_to_phase(actor, DONE, sig);
}

/**
 * run() - interrupt one call
 * @actor:	at the top of the loop, before and after
 * @plan:	what happens
 * @handed:	set to the number of system calls that the watched draw fell back to
 *
 * Return: RAN; MISSED if the second event could not happen; LOST if not even the
 * first one could, because a reseed at the wrong moment led the call another way;
 * GONE if the process has ended.
 */
static enum outcome run(struct step_actor *actor, const struct plan *plan,
			unsigned int *handed)
{
	enum outcome outcome;
	int sig;

	scene->handler[0] = plan->event[0]->handler;
	scene->handler[1] = plan->event[1] ? plan->event[1]->handler : 0;
	*handed = 0;
	requests.wrong = 0;

	if (!start(actor, plan->kind, plan->len))
		return GONE;
	outcome = make_happen(actor, plan, &sig);
	if (!WIFSTOPPED(actor->status))
		return GONE;
	if (scene->phase != DONE && !end_call(actor, sig))
		return GONE;
	if (!step_count_calls(actor, 0, count_handed, handed))
		return GONE;
	if (scene->phase != TOP && !run_to_phase(actor, TOP, 0))
		return GONE;
	return outcome;
}

/*
 * The tracer: boundaries
 */

/*
 * Step through a call. Returns false if it did not make the expected system calls. This
 * is an error unless it was due to a reseed at the wrong moment: try again.
 */
static bool record(struct step_actor *actor, enum kind kind, unsigned int len)
{
	struct route *route = &routes[kind][len];

	memset(scene->handler, 0, sizeof(scene->handler));
	return start(actor, kind, lengths[len]) &&
	       step_record(actor, vgr_in_vdso, &route->trace) &&
	       run_to_phase(actor, DONE, 0) && run_to_phase(actor, TOP, 0) &&
	       choose_boundaries(route) &&
	       route->trace.syscalls == reseeds(kind);
}

/*
 * The tracer: cases
 */

/**
 * struct result - the result of a case
 * @boundaries:	the number of boundaries, or pairs of them, tested
 * @missed:	the number of pairs whose second event could not happen
 * @wrong:	the number of errors of each kind
 * @common:	the number of boundaries where a fork counts as one after the call
 * @first:	the first plan that went wrong
 */
struct result {
	unsigned int boundaries;
	unsigned int missed;
	unsigned int wrong[WRONGS];
	unsigned int common;
	struct plan first;
};

/**
 * struct kept - shared by all cases, each of which is a process of its own
 * @boundaries:	the number of boundaries tested
 * @pairs:	the number of pairs of events tested
 * @runs:	the number of runs
 * @draws:	the number of draws in them
 * @last:	the event of the previous case
 * @seen:	where that event has happened, in whatever state
 */
static struct kept {
	unsigned long boundaries, pairs, runs, draws;
	const struct event *last;
	bool seen[STEP_VDSO_SIZE];
} *kept;

static void count_draws(void)
{
	const struct part *part = scene->part;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(scene->part); i++)
		kept->draws += !!part[i].outer.len + !!part[i].nested[0].len +
			       !!part[i].nested[1].len + !!part[i].context.len +
			       2 * !!part[i].after.len;
	kept->draws += 2;
	kept->runs++;
}

static bool forks(const struct event *event)
{
	return event->tracer & DO_FORK || event->handler & FORK;
}

/* Was the fork so close to the end of the call that it counts as one after it? */
static bool forked_after(const struct plan *plan)
{
	return is_common() &&
	       plan->trace->n - plan->n[!forks(plan->event[0])] <= TAIL;
}

/*
 * Test one boundary, or pair, up to TRIES times. Returns LOST if such a call does not,
 * or no longer, follow the trace.
 */
static enum outcome try(struct step_actor *actor, const struct plan *plan,
			struct result *result)
{
	enum outcome outcome = LOST;
	enum wrong wrong = FINE;
	unsigned int handed, i;
	bool common;

	for (i = 0; i < TRIES; i++) {
		outcome = run(actor, plan, &handed);
		if (outcome == LOST)
			continue;
		if (outcome == GONE)
			return GONE;
		count_draws();
		common = forked_after(plan);
		wrong = check_run(common, handed);
		if (wrong == FINE)
			break;
	}
	if (outcome == LOST)
		return LOST;
	if (outcome == MISSED)
		result->missed++;
	result->boundaries++;
	result->common += wrong == FINE && common;
	if (wrong != FINE && !result->wrong[wrong]++ && !result->first.trace)
		result->first = *plan;
	return outcome;
}

static bool step_start(struct step_actor *actor, bool in_threads)
{
	memset(scene, 0, sizeof(*scene));
	return step_fork(actor, in_threads ? run_in_threads : run_in_process,
			 NULL) && run_to_phase(actor, TOP, 0);
}

/* Test one boundary, or pair. Replace the actor if it dies. */
static bool try_and_revive(struct step_actor *actor, const struct plan *plan,
			   struct result *result)
{
	enum outcome outcome = try(actor, plan, result);

	if (outcome == GONE) {
		if (!result->wrong[DIED]++ && !result->first.trace)
			result->first = *plan;
		return step_start(actor, plan->event[0]->handler & CANCEL);
	}
	return outcome != LOST;
}

/* Other calls take other paths, but begin with much the same instructions. */
static unsigned int pick_nested(const struct step_trace *trace)
{
	const unsigned int common = 96;

	return pick(trace->n < common ? trace->n : common);
}

/*
 * Test an event at the boundaries that the route has chosen. Unless all are wanted, skip
 * those where a call of another length has been interrupted.
 */
static bool try_route(struct step_actor *actor, const struct event *event,
		      enum kind kind, unsigned int len, bool *seen,
		      struct result *result)
{
	const struct route *route = &routes[kind][len];
	struct plan plan = {
		.kind = kind,
		.len = lengths[len],
		.trace = &route->trace,
		.event = { event },
	};
	unsigned int i;

	if (event->twice) {
		plan.event[1] = event;
		plan.where = NESTED_CALL;
	}
	for (i = 0; i < route->n; i++) {
		plan.n[0] = route->at[i];
		plan.n[1] = pick_nested(plan.trace);
		if (is_seen(&route->trace.insn[plan.n[0]], seen))
			continue;
		if (!try_and_revive(actor, &plan, result))
			return false;
	}
	return true;
}

static unsigned int count_wrong(const struct result *result)
{
	unsigned int wrong = 0, i;

	for (i = FINE + 1; i < WRONGS; i++)
		wrong += result->wrong[i];
	return wrong;
}

static void print_result(const struct result *result, const char *what)
{
	const struct plan *first = &result->first;
	unsigned int i;

	ksft_print_msg("%u %s, %u wrong\n", result->boundaries - result->missed, what,
		       count_wrong(result));
	if (result->missed)
		ksft_print_msg("%u without the second one\n", result->missed);
	if (!count_wrong(result))
		return;
	for (i = FINE + 1; i < WRONGS; i++)
		if (result->wrong[i])
			ksft_print_msg("%u %s\n", result->wrong[i], wrongs[i]);
	ksft_print_msg("the first one: %zu bytes, instruction %u of %u at %#lx\n",
		       first->len, first->n[0], first->trace->n,
		       first->trace->insn[first->n[0]].at - vgr.vdso.start);
	if (first->event[1])
		ksft_print_msg("%s; then, at %u, %s\n", first->event[0]->name,
			       first->n[1], first->event[1]->name);
}

/* Why an event is impossible here, or NULL */
static const char *impossible(const struct event *event)
{
	static int reseeds = -1, reclaims = -1;

	if (reseeds < 0) {
		reseeds = may_reseed();
		reclaims = may_reclaim();
	}
	if (event->tracer & DO_RESEED && !reseeds)
		return "reseeding is not permitted";
	if (event->tracer & DO_RECLAIM && !reclaims)
		return "reclaiming another process's page is not permitted";
	if (event->tracer & DO_VMCLOCK && !vmclock)
		return "no vmclock, or no access to its page (CONFIG_DEVMEM)";
	if (event->tracer & DO_SEND && other_cpu < 0)
		return "there is only one processor";
	return NULL;
}

static const struct event stale = { "", DO_RESEED };

static void test_event(struct __test_metadata *_metadata, struct step_actor *actor,
		       const struct event *event, enum kind kind)
{
	const char *why = impossible(event);
	struct result result = { };
	unsigned int i, len;

	if (!why && kind == STALE)
		why = impossible(&stale);
	if (why)
		SKIP(return, "%s: %s state: %s", event->name, kinds[kind], why);
	/*
	 * Each event begins with another length. A signal ends a call in the same way
	 * in any condition of the state, so each boundary is tested in only one.
	 */
	if (event != kept->last || !(event->tracer & DO_SIGNAL))
		memset(kept->seen, 0, sizeof(kept->seen));
	kept->last = event;
	for (i = 0; i < LENGTHS; i++) {
		len = (event - events + i) % LENGTHS;
		if (!try_route(actor, event, kind, len, kept->seen, &result))
			break;
	}
	print_result(&result, "boundaries");
	if (i < LENGTHS)
		ksft_print_msg("%zu bytes: the call cannot be stopped at the boundary\n",
			       lengths[len]);
	if (forks(event))
		ksft_print_msg("%u boundaries at the calls' ends are after the call\n",
			       result.common);
	kept->boundaries += result.boundaries;
	EXPECT_EQ(LENGTHS, i);
	EXPECT_EQ(0, count_wrong(&result));
}

/* The number of pairs in a case */
#define PAIRS		150
#define PAIRS_FULL	5000

/* The most steps from the return of a handler to the second event */
#define RESUMED_STEPS	64

/* Does the call continue in this thread after this event? */
static bool goes_on(const struct event *event)
{
	return !(event->handler & (JUMP | CANCEL)) && !event->twice;
}

static const struct event *pick_event(void)
{
	const struct event *event;

	do {
		event = &events[pick(ARRAY_SIZE(events))];
	} while (impossible(event) || event->handler & CANCEL || event->twice);
	return event;
}

/*
 * Are these two events after which the run can be checked? There may be no second
 * child, no fork in a nested call, whose output is not kept for each process, and no
 * switch back to a context that has continued meanwhile.
 */
static bool are_a_pair(const struct event *first, const struct event *second,
		       enum where where)
{
	if (!goes_on(first) || first->tracer & DO_SEND)
		return false;
	if (where == OUTER)
		return !forks(first) || !forks(second);
	return first->handler && !forks(second) && !(first->handler & SWITCH);
}

static void pick_events(struct plan *plan)
{
	do {
		plan->event[0] = pick_event();
		plan->event[1] = pick_event();
	} while (!are_a_pair(plan->event[0], plan->event[1], plan->where));
}

static void pick_pair(struct plan *plan)
{
	unsigned int len = pick(LENGTHS), first, second;
	const struct route *route = &routes[plan->kind][len];

	plan->len = lengths[len];
	plan->trace = &route->trace;
	pick_events(plan);
	first = pick(route->n - 1);
	second = first + 1 + pick(route->n - first - 1);
	plan->n[0] = route->at[first];
	switch (plan->where) {
	case NESTED_CALL:
		plan->n[1] = pick_nested(plan->trace);
		break;
	case RESUMED:
		plan->n[1] = pick(RESUMED_STEPS);
		break;
	default:
		plan->n[1] = route->at[second];
	}
}

static void test_pairs(struct __test_metadata *_metadata, struct step_actor *actor,
		       enum where where, enum kind kind)
{
	const char *why = kind == STALE ? impossible(&stale) : NULL;
	struct plan plan = { .kind = kind, .where = where };
	struct result result = { };
	unsigned int pairs = full ? PAIRS_FULL : PAIRS, lost = 0;

	if (why)
		SKIP(return, "%s state: %s", kinds[kind], why);
	/* Choose other pairs in each case. */
	pick_state += where * KINDS + kind;
	while (result.boundaries < pairs && lost <= pairs) {
		pick_pair(&plan);
		lost += !try_and_revive(actor, &plan, &result);
	}
	print_result(&result, "pairs");
	kept->pairs += result.boundaries - result.missed;
	EXPECT_EQ(pairs, result.boundaries);
	EXPECT_EQ(0, count_wrong(&result));
}

static void find_other_cpu(void)
{
	int here = sched_getcpu(), cpu;
	cpu_set_t allowed;

	if (sched_getaffinity(0, sizeof(allowed), &allowed))
		return;
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (cpu != here && CPU_ISSET(cpu, &allowed))
			other_cpu = cpu;
}

static bool prepare(void)
{
	scene = shared_alloc(sizeof(*scene));
	kept = shared_alloc(sizeof(*kept));
	if (!scene || !kept || pipe(send_pipe) || pipe(sent_pipe))
		return false;
	make_public();
	find_other_cpu();
	return choose_lengths();
}

static struct {
	unsigned int calls, wrong, insns;
} recorded;

/* Record all calls before the cases, which all need them. */
static bool record_all(void)
{
	unsigned int kind, len, try;
	struct step_actor actor;

	if (!step_start(&actor, false))
		return false;
	for (kind = 0; kind < KINDS; kind++) {
		if (kind == STALE && impossible(&stale))
			continue;
		for (len = 0; len < LENGTHS; len++) {
			for (try = 0; !record(&actor, kind, len) && try < TRIES;)
				try++;
			recorded.wrong += try == TRIES;
			recorded.insns += routes[kind][len].trace.n;
			recorded.calls++;
		}
	}
	step_kill(&actor);
	return true;
}

TEST(key_is_fetched_when_it_has_to_be)
{
	ksft_print_msg("%u calls, %u instructions\n", recorded.calls, recorded.insns);
	EXPECT_EQ(0, recorded.wrong);
}

FIXTURE(call)
{
	struct step_actor actor;
};

FIXTURE_SETUP(call)
{
	ASSERT_TRUE(step_start(&self->actor, false));
}

FIXTURE_TEARDOWN(call)
{
	step_kill(&self->actor);
}

/* A query is not a draw: it must be answered after a signal as well. */
static void test_query(struct __test_metadata *_metadata, struct step_actor *actor,
		       const struct event *event)
{
	static struct step_trace trace;
	struct result result = { };
	struct plan plan = { .trace = &trace, .event = { event } };
	bool ok;

	scene->query = true;
	memset(scene->handler, 0, sizeof(scene->handler));
	ok = start(actor, WARM, 0) && step_record(actor, vgr_in_vdso, &trace) &&
	     run_to_phase(actor, DONE, 0) && run_to_phase(actor, TOP, 0);
	while (ok && plan.n[0] < trace.n) {
		ok = try_and_revive(actor, &plan, &result);
		plan.n[0]++;
	}
	print_result(&result, "boundaries");
	kept->boundaries += result.boundaries;
	EXPECT_TRUE(ok);
	EXPECT_GT(result.boundaries, 0);
	EXPECT_EQ(0, count_wrong(&result));
}

TEST_F_TIMEOUT(call, for_parameters_resumes_when_the_handler_draws, STEP_SECONDS)
{
	static const struct event draws = { "handler draws", DO_SIGNAL, DRAW };

	test_query(_metadata, &self->actor, &draws);
}

TEST_F_TIMEOUT(call, for_parameters_resumes_when_the_handler_forks, STEP_SECONDS)
{
	static const struct event forks = {
		"handler forks and both draw", DO_SIGNAL, FORK | DRAW
	};

	test_query(_metadata, &self->actor, &forks);
}

/*
 * The output does not tell which flags the system call was given, so check the system
 * call that a landing pad makes.
 */
static void test_request(struct __test_metadata *_metadata, struct step_actor *actor,
			 enum kind kind, unsigned int len)
{
	static const struct event nothing = { "handler does nothing", DO_SIGNAL };
	static const unsigned int flags[] = { GRND_NONBLOCK, GRND_INSECURE };
	const struct route *route = &routes[kind][len];
	struct plan plan = {
		.kind = kind,
		.len = lengths[len],
		.trace = &route->trace,
		.event = { &nothing },
	};
	struct result result = { };
	bool ok = true;
	unsigned int i;

	requests.all = 0;
	for (i = 0; ok && i < route->n; i++) {
		plan.n[0] = route->at[i];
		scene->flags = flags[i % ARRAY_SIZE(flags)];
		ok = try_and_revive(actor, &plan, &result);
	}
	print_result(&result, "boundaries");
	ksft_print_msg("%u requests\n", requests.all);
	kept->boundaries += result.boundaries;
	EXPECT_TRUE(ok);
	EXPECT_GT(requests.all, 0);
	EXPECT_EQ(0, count_wrong(&result));
}

TEST_F_TIMEOUT(call, from_a_warm_state_is_handed_over_as_it_was, STEP_SECONDS)
{
	test_request(_metadata, &self->actor, WARM, 0);
}

TEST_F_TIMEOUT(call, from_a_nearly_empty_state_is_handed_over_as_it_was, STEP_SECONDS)
{
	test_request(_metadata, &self->actor, EMPTY, 0);
}

/*
 * Block functions
 */

/* The widest instruction of a call */
static enum arch_isa isa_used(const struct step_trace *trace)
{
	enum arch_isa used = 0;
	unsigned int i;

	for (i = 0; i < trace->n; i++) {
		enum arch_isa isa = arch_isa_of((void *)trace->insn[i].at);

		if (isa > used)
			used = isa;
	}
	return used;
}

/* All calls from a nearly empty state have to refill the batch. */
TEST(block_function_for_this_processor_is_in_use)
{
	const enum arch_isa offered = arch_isa_offered();
	unsigned int wrong = 0, len;

	ksft_print_msg("the processor has %s\n", arch_isa_name(offered));
	for (len = 0; len < LENGTHS; len++) {
		enum arch_isa used = isa_used(&routes[EMPTY][len].trace);

		if (used != offered)
			ksft_print_msg("%zu bytes: %s\n", lengths[len], arch_isa_name(used));
		wrong += used != offered;
	}
	EXPECT_EQ(0, wrong);
}

/*
 * One event at every boundary
 */

FIXTURE(event)
{
	struct step_actor actor;
};

FIXTURE_VARIANT(event)
{
	unsigned int nr;
};

FIXTURE_VARIANT_ADD(event, state_zeroed) { ZEROED };
FIXTURE_VARIANT_ADD(event, page_reclaimed) { RECLAIMED };
FIXTURE_VARIANT_ADD(event, kernel_reseeded) { RESEEDED };
FIXTURE_VARIANT_ADD(event, process_forked) { FORKED };
FIXTURE_VARIANT_ADD(event, virtual_machine_cloned) { CLONED };
FIXTURE_VARIANT_ADD(event, virtual_machine_cloned_unnoticed) { CLONED_UNNOTICED };
FIXTURE_VARIANT_ADD(event, handler_draws) { DRAWS };
FIXTURE_VARIANT_ADD(event, handler_draws_on_another_stack) { DRAWS_ON_ANOTHER_STACK };
FIXTURE_VARIANT_ADD(event, handler_wipes) { WIPES };
FIXTURE_VARIANT_ADD(event, handler_wipes_and_draws) { WIPES_AND_DRAWS };
FIXTURE_VARIANT_ADD(event, handler_draws_in_a_handlers_call) { DRAWS_IN_A_HANDLERS_CALL };
FIXTURE_VARIANT_ADD(event, kernel_reseeded_and_handler_draws) { RESEEDED_AND_DRAWS };
FIXTURE_VARIANT_ADD(event, handler_forks) { FORKS };
FIXTURE_VARIANT_ADD(event, handler_forks_and_both_draw) { FORKS_AND_BOTH_DRAW };
FIXTURE_VARIANT_ADD(event, handler_jumps_out) { JUMPS_OUT };
FIXTURE_VARIANT_ADD(event, handler_draws_and_jumps_out) { DRAWS_AND_JUMPS_OUT };
FIXTURE_VARIANT_ADD(event, handler_switches_contexts) { SWITCHES_CONTEXTS };
FIXTURE_VARIANT_ADD(event, handler_cancels_the_thread) { CANCELS_THE_THREAD };
FIXTURE_VARIANT_ADD(event, signal_from_another_processor) { FROM_ANOTHER_PROCESSOR };

FIXTURE_SETUP(event)
{
	ASSERT_TRUE(step_start(&self->actor, events[variant->nr].handler & CANCEL));
}

FIXTURE_TEARDOWN(event)
{
	step_kill(&self->actor);
}

TEST_F_TIMEOUT(event, in_draws_from_a_warm_state, STEP_SECONDS)
{
	test_event(_metadata, &self->actor, &events[variant->nr], WARM);
}

TEST_F_TIMEOUT(event, in_draws_from_a_nearly_empty_state, STEP_SECONDS)
{
	test_event(_metadata, &self->actor, &events[variant->nr], EMPTY);
}

TEST_F_TIMEOUT(event, in_draws_from_a_wiped_state, STEP_SECONDS)
{
	test_event(_metadata, &self->actor, &events[variant->nr], COLD);
}

TEST_F_TIMEOUT(event, in_draws_from_an_outdated_state, STEP_SECONDS)
{
	test_event(_metadata, &self->actor, &events[variant->nr], STALE);
}

/*
 * Two events
 */

FIXTURE(pairs)
{
	struct step_actor actor;
};

FIXTURE_VARIANT(pairs)
{
	enum where where;
};

FIXTURE_VARIANT_ADD(pairs, both_in_the_interrupted_call) { OUTER };
FIXTURE_VARIANT_ADD(pairs, second_one_in_a_call_of_the_handler) { NESTED_CALL };
FIXTURE_VARIANT_ADD(pairs, second_one_after_the_handler_has_returned) { RESUMED };

FIXTURE_SETUP(pairs)
{
	ASSERT_TRUE(step_start(&self->actor, false));
}

FIXTURE_TEARDOWN(pairs)
{
	step_kill(&self->actor);
}

TEST_F_TIMEOUT(pairs, in_draws_from_a_warm_state, STEP_SECONDS)
{
	test_pairs(_metadata, &self->actor, variant->where, WARM);
}

TEST_F_TIMEOUT(pairs, in_draws_from_a_nearly_empty_state, STEP_SECONDS)
{
	test_pairs(_metadata, &self->actor, variant->where, EMPTY);
}

TEST_F_TIMEOUT(pairs, in_draws_from_a_wiped_state, STEP_SECONDS)
{
	test_pairs(_metadata, &self->actor, variant->where, COLD);
}

TEST_F_TIMEOUT(pairs, in_draws_from_an_outdated_state, STEP_SECONDS)
{
	test_pairs(_metadata, &self->actor, variant->where, STALE);
}

int main(int argc, char **argv)
{
	int ret;

	find_vgetrandom();
	need_vgetrandom();
	if (arch_no_steps())
		ksft_exit_skip("%s\n", arch_no_steps());
	choose_extent();
	vmclock = vmclock_open();
	if (!prepare() || !record_all())
		ksft_exit_fail_msg("cannot prepare\n");
	ksft_print_msg("state of %u bytes, batch of %zu\n",
		       vgr.params.size_of_opaque_state, batch);
	ret = test_harness_run(argc, argv);
	ksft_print_msg("%lu boundaries, %lu pairs, %lu runs, %lu draws\n",
		       kept->boundaries, kept->pairs, kept->runs, kept->draws);
	return ret;
}
