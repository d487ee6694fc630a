// SPDX-License-Identifier: GPL-2.0
/*
 * vdso_test_getrandom_threads.c: the vDSO's getrandom() in many threads and
 * processes, under many signals, and with invalid arguments
 *
 * The argument is the number of draws to make under signals. The default takes seconds.
 *
 * No two 16-byte windows of all output may be the same. The test prints how many it
 * has compared.
 */
#define _GNU_SOURCE
#include <limits.h>
#include <pthread.h>
#include <stddef.h>
#include <time.h>

#include "vgetrandom_test.h"
#include "../kselftest_harness.h"

/* A thousand threads take long on a kernel with debugging enabled. */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT 300

/* Draws under signals, in all threads together */
static unsigned long storm_draws = 40000;

/* The next number of a fixed sequence: xorshift64* */
static uint64_t next_number(uint64_t *x)
{
	*x ^= *x >> 12;
	*x ^= *x << 25;
	*x ^= *x >> 27;
	return *x * 0x2545f4914f6cdd1d;
}

#define SEED 0x9e3779b97f4a7c15

/* The seed of a sequence for each of many threads */
static uint64_t seed_of(size_t thread)
{
	return SEED * (2 * thread + 1);
}

/*
 * Lengths that the vDSO serves in different ways: in one go, in a loop, or by blocks
 * generated in the caller's buffer. Several calls use up a batch.
 */
static size_t some_length(uint64_t number)
{
	static const size_t lens[] = { 40, 16, 300, 24, 600, 1000 };

	return lens[number % ARRAY_SIZE(lens)];
}

/* Fill @output in pieces of 1 to 96 bytes. Returns false if a draw failed. */
static bool draw_pieces(unsigned char *output, size_t size, void *state,
			uint64_t *numbers)
{
	size_t n, len;

	for (n = 0; n < size; n += len) {
		len = next_number(numbers) % 96 + 1;
		if (len > size - n)
			len = size - n;
		if (vgr_draw(output + n, len, state) != (ssize_t)len)
			return false;
	}
	return true;
}

/* Count repetitions, and print the number of windows compared. */
static size_t count_repeats(const unsigned char *output, size_t size,
			    size_t outputs)
{
	size_t repeats = 0, i;

	for (i = 0; i < outputs; i++)
		repeats += vgr_repeats(output + i * size, size);
	ksft_print_msg("%zu windows, %zu repeated\n",
		       outputs * (size - VGR_WINDOW + 1), repeats);
	return repeats;
}

/*
 * A thousand threads
 */

#define MANY		1000
#define MANY_OUTPUT	160

static pthread_barrier_t start_line;

struct drawer {
	pthread_t thread;
	void *state;
	size_t number;
	unsigned char *output;
	bool ok;
};

static void *draw_once(void *arg)
{
	struct drawer *drawer = arg;
	uint64_t numbers = seed_of(drawer->number);

	pthread_barrier_wait(&start_line);
	drawer->ok = draw_pieces(drawer->output, MANY_OUTPUT, drawer->state,
				 &numbers);
	return NULL;
}

TEST(thousand_threads_draw_different_bytes)
{
	static unsigned char output[MANY][MANY_OUTPUT];
	static struct drawer drawers[MANY];
	pthread_attr_t attr;
	struct vgr_pool pool;
	size_t i;

	ASSERT_TRUE(vgr_pool_open(&pool, MANY));
	ASSERT_EQ(0, pthread_attr_init(&attr));
	ASSERT_EQ(0, pthread_attr_setstacksize(&attr, 128 * 1024));
	pthread_barrier_init(&start_line, NULL, MANY);
	for (i = 0; i < MANY; i++) {
		drawers[i].state = vgr_pool_get(&pool);
		drawers[i].number = i;
		drawers[i].output = output[i];
		ASSERT_EQ(0, pthread_create(&drawers[i].thread, &attr,
					    draw_once, &drawers[i]));
	}
	for (i = 0; i < MANY; i++) {
		ASSERT_EQ(0, pthread_join(drawers[i].thread, NULL));
		ASSERT_TRUE(drawers[i].ok);
	}
	EXPECT_EQ(0, count_repeats(output[0], MANY_OUTPUT, MANY));
}

/*
 * States handed from thread to thread
 */

#define HANDS		8
#define HANDED		3
#define HAND_OUTPUT	(128 * 1024)

static struct {
	pthread_mutex_t lock;
	void *state;
} handed[HANDED];

static void *draw_from_any(void *arg)
{
	struct drawer *drawer = arg;
	uint64_t numbers = seed_of(drawer->number);
	size_t n, len;

	for (n = 0; n < HAND_OUTPUT; n += len) {
		uint64_t number = next_number(&numbers);
		size_t which = (number >> 32) % HANDED;
		ssize_t ret;

		len = some_length(number);
		if (len > HAND_OUTPUT - n)
			len = HAND_OUTPUT - n;
		pthread_mutex_lock(&handed[which].lock);
		ret = vgr_draw(drawer->output + n, len, handed[which].state);
		pthread_mutex_unlock(&handed[which].lock);
		if (ret != (ssize_t)len)
			return NULL;
	}
	drawer->ok = true;
	return NULL;
}

TEST(states_handed_from_thread_to_thread_never_repeat)
{
	static unsigned char output[HANDS][HAND_OUTPUT];
	static struct drawer drawers[HANDS];
	size_t i;

	for (i = 0; i < HANDED; i++) {
		pthread_mutex_init(&handed[i].lock, NULL);
		handed[i].state = warm_state();
		ASSERT_NE(NULL, handed[i].state);
	}
	for (i = 0; i < HANDS; i++) {
		drawers[i].number = i;
		drawers[i].output = output[i];
		ASSERT_EQ(0, pthread_create(&drawers[i].thread, NULL,
					    draw_from_any, &drawers[i]));
	}
	for (i = 0; i < HANDS; i++) {
		ASSERT_EQ(0, pthread_join(drawers[i].thread, NULL));
		ASSERT_TRUE(drawers[i].ok);
	}
	EXPECT_EQ(0, count_repeats(output[0], sizeof(output[0]), HANDS));
}

/*
 * Threads that create processes of each kind. A child with its own memory draws from
 * the states of all threads, because no other thread in it uses them. A child that
 * shares memory draws from the state of its creator, which is waiting.
 */

#define MAKERS		4
#define CHILDREN	30
#define CHILD_OUTPUT	64

enum kind {
	KIND_FORK,
	KIND_CLONE,		/* the system call itself */
	KIND_VFORK,		/* in the memory of the parent, which waits */
	KIND_COUNT,
};

/* The draws of one child, from each state that it may use, and of its parent */
struct family {
	unsigned char parent[CHILD_OUTPUT];
	unsigned char child[MAKERS][CHILD_OUTPUT];
	enum kind kind;
};

static void *maker_states[MAKERS];
static struct family (*families)[CHILDREN];

static bool draw_as_child(struct family *family, size_t maker)
{
	size_t i;

	for (i = 0; i < MAKERS; i++)
		if ((family->kind != KIND_VFORK || i == maker) &&
		    vgr_draw(family->child[i], CHILD_OUTPUT,
			     maker_states[i]) != CHILD_OUTPUT)
			return false;
	return true;
}

/* clone() passes one argument to the child. */
struct vfork_child {
	struct family *family;
	size_t maker;
};

static int draw_in_parents_memory(void *arg)
{
	struct vfork_child *child = arg;

	return !draw_as_child(child->family, child->maker);
}

static pid_t make_child(struct family *family, size_t maker,
			unsigned char *stack_top)
{
	struct vfork_child child = { .family = family, .maker = maker };
	pid_t pid;

	if (family->kind == KIND_VFORK)
		return clone(draw_in_parents_memory, stack_top,
			     CLONE_VM | CLONE_VFORK | SIGCHLD, &child);
	if (family->kind == KIND_FORK)
		pid = fork();
	else
		pid = syscall(__NR_clone, SIGCHLD, NULL, NULL, NULL, NULL);
	if (!pid)
		_exit(!draw_as_child(family, maker));
	return pid;
}

static void *make_children(void *arg)
{
	struct drawer *maker = arg;
	const size_t stack = 64 * 1024;
	unsigned char *area = fenced_alloc(stack);
	size_t i;

	pthread_barrier_wait(&start_line);
	for (i = 0; area && i < CHILDREN; i++) {
		struct family *family = &families[maker->number][i];
		pid_t pid;

		family->kind = i % KIND_COUNT;
		pid = make_child(family, maker->number, area + stack);
		if (vgr_draw(family->parent, CHILD_OUTPUT, maker->state) !=
		    CHILD_OUTPUT || reap(pid))
			return NULL;
	}
	maker->ok = i == CHILDREN;
	return NULL;
}

static size_t family_repeats(const struct family *family, size_t maker)
{
	size_t repeats = vgr_repeats(family->parent, CHILD_OUTPUT), i;

	for (i = 0; i < MAKERS; i++)
		if (family->kind != KIND_VFORK || i == maker)
			repeats += vgr_repeats(family->child[i], CHILD_OUTPUT);
	return repeats;
}

TEST(processes_made_by_many_threads_draw_different_bytes)
{
	static struct drawer makers[MAKERS];
	size_t i, j;

	families = shared_alloc(sizeof(*families) * MAKERS);
	ASSERT_NE(NULL, families);
	pthread_barrier_init(&start_line, NULL, MAKERS);
	for (i = 0; i < MAKERS; i++) {
		maker_states[i] = warm_state();
		ASSERT_NE(NULL, maker_states[i]);
		makers[i].state = maker_states[i];
		makers[i].number = i;
	}
	for (i = 0; i < MAKERS; i++)
		ASSERT_EQ(0, pthread_create(&makers[i].thread, NULL,
					    make_children, &makers[i]));
	for (i = 0; i < MAKERS; i++) {
		ASSERT_EQ(0, pthread_join(makers[i].thread, NULL));
		ASSERT_TRUE(makers[i].ok);
	}
	for (i = 0; i < MAKERS; i++)
		for (j = 0; j < CHILDREN; j++)
			EXPECT_EQ(0, family_repeats(&families[i][j], i));
}

/*
 * Signals from all threads to all others
 */

#define STORM		4
#define STORM_OUTPUT	40
#define STORM_REPORT	1000000	/* draws of a thread between progress reports */
#define RECENT_BITS	17

/**
 * struct recent - windows of recent output
 * @set:	the windows
 * @windows:	the number of windows compared
 * @repeats:	of these, the number of repetitions
 *
 * This takes any amount of output. It finds repetitions of some hundred draws before,
 * except at the rare times when the set is cleared because it is full.
 */
struct recent {
	vgr_window_t set[1 << RECENT_BITS];
	unsigned long windows;
	unsigned long repeats;
};

static void recent_add(struct recent *recent, const unsigned char *output,
		       size_t len)
{
	size_t i;

	if (vgr_set_is_filling(recent->set, RECENT_BITS))
		memset(recent->set, 0, sizeof(recent->set));
	for (i = 0; i + VGR_WINDOW <= len; i++) {
		recent->repeats += !vgr_set_add(recent->set, RECENT_BITS,
						vgr_window(output + i));
		recent->windows++;
	}
}

#define NESTED_KEPT	64

/**
 * struct stormed - a thread in the storm, in which handlers run as well
 * @drawer:	the thread
 * @recent:	its output and the handlers'
 * @handled:	the number of signals handled
 * @looked_at:	of these, the number whose output has been compared
 * @nested:	the last output of the handlers
 * @wrong:	the number of wrong return values in handlers
 */
struct stormed {
	struct drawer drawer;
	struct recent recent;
	atomic_uint handled;
	unsigned int looked_at;
	unsigned char nested[NESTED_KEPT][STORM_OUTPUT];
	unsigned int wrong;
};

static struct stormed storm[STORM];
static atomic_uint storm_inside;	/* signals in the vDSO, in all threads */
static __thread struct stormed *stormed;

static void on_storm(int sig, siginfo_t *info, void *context)
{
	struct stormed *self = stormed;
	unsigned int n;

	if (!self)
		return;
	n = atomic_load(&self->handled);
	atomic_fetch_add(&storm_inside, vgr_in_vdso(interrupted_at(context)));
	if (vgr_draw(self->nested[n % NESTED_KEPT], STORM_OUTPUT,
		     self->drawer.state) != STORM_OUTPUT)
		self->wrong++;
	atomic_store(&self->handled, n + 1);
}

/*
 * Compare the output of handlers since the last time, with the signal blocked. If there
 * were many, for example while the thread waited to start, the first outputs have been
 * overwritten.
 */
static void look_at_nested(struct stormed *self)
{
	unsigned int handled;
	sigset_t set;

	if (self->looked_at == atomic_load(&self->handled))
		return;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	handled = atomic_load(&self->handled);
	if (handled - self->looked_at > NESTED_KEPT)
		self->looked_at = handled - NESTED_KEPT;
	for (; self->looked_at != handled; self->looked_at++)
		recent_add(&self->recent,
			   self->nested[self->looked_at % NESTED_KEPT],
			   STORM_OUTPUT);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static bool draw_in_storm(struct stormed *self, size_t len)
{
	unsigned char output[1000];

	if (vgr_draw(output, len, self->drawer.state) != (ssize_t)len)
		return false;
	/* Comparing more would leave little time to be interrupted in the vDSO. */
	recent_add(&self->recent, output, len < STORM_OUTPUT ? len : STORM_OUTPUT);
	look_at_nested(self);
	return true;
}

static void *draw_and_send(void *arg)
{
	struct stormed *self = arg;
	uint64_t numbers = seed_of(self->drawer.number);
	unsigned long i;

	stormed = self;
	self->drawer.ok = true;
	pthread_barrier_wait(&start_line);
	/* Make this thread's share of the draws, and go on until a signal hit the vDSO. */
	for (i = 0; self->drawer.ok && (i < storm_draws / STORM ||
					!atomic_load(&storm_inside)); i++) {
		uint64_t number = next_number(&numbers);
		size_t other = self->drawer.number + 1 + (number >> 32) % (STORM - 1);

		if (!self->drawer.number && i && i % STORM_REPORT == 0)
			ksft_print_msg("%lu of %lu draws so far\n", i * STORM,
				       storm_draws);
		self->drawer.ok = draw_in_storm(self, some_length(number));
		/* Do not send one each time, or all threads only handle signals. */
		if (!((number >> 16) % 8))
			pthread_kill(storm[other % STORM].drawer.thread, SIGUSR1);
	}
	/* Do not exit while other threads may send signals to this one. */
	pthread_barrier_wait(&start_line);
	return NULL;
}

/* A fixture can have a time limit of its own. */
FIXTURE(storm)
{
};

FIXTURE_SETUP(storm)
{
}

FIXTURE_TEARDOWN(storm)
{
}

#define STORM_SECONDS	(24 * 3600)

TEST_F_TIMEOUT(storm, of_signals_between_threads_never_repeats, STORM_SECONDS)
{
	unsigned long windows = 0, repeats = 0;
	unsigned int signals = 0;
	size_t i;

	catch(SIGUSR1, on_storm, SA_RESTART);
	pthread_barrier_init(&start_line, NULL, STORM + 1);
	for (i = 0; i < STORM; i++) {
		storm[i].drawer.number = i;
		storm[i].drawer.state = warm_state();
		ASSERT_NE(NULL, storm[i].drawer.state);
		ASSERT_EQ(0, pthread_create(&storm[i].drawer.thread, NULL,
					    draw_and_send, &storm[i]));
	}
	pthread_barrier_wait(&start_line);
	pthread_barrier_wait(&start_line);
	for (i = 0; i < STORM; i++) {
		ASSERT_EQ(0, pthread_join(storm[i].drawer.thread, NULL));
		EXPECT_TRUE(storm[i].drawer.ok);
		EXPECT_EQ(0, storm[i].wrong);
		windows += storm[i].recent.windows;
		repeats += storm[i].recent.repeats;
		signals += atomic_load(&storm[i].handled);
	}
	ksft_print_msg("%lu draws, %u signals, %u in the vDSO, %lu windows, %lu repeated\n",
		       storm_draws, signals, atomic_load(&storm_inside), windows,
		       repeats);
	EXPECT_EQ(0, repeats);
}

/*
 * Threads are cancelled while others draw, and the next thread takes over the state
 */

#define VICTIMS		4
#define CANCELS		60
#define VICTIM_OUTPUT	48

struct victim {
	pthread_t thread;
	void *state;
	unsigned char output[2][VICTIM_OUTPUT];
	atomic_uint draws;
};

static void *draw_until_cancelled(void *arg)
{
	struct victim *victim = arg;
	unsigned char output[600];
	unsigned int i;

	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
	for (i = 0;; i++) {
		size_t len = i % 2 ? sizeof(output) : VICTIM_OUTPUT;

		if (vgr_draw(output, len, victim->state) != (ssize_t)len)
			return NULL;
		memcpy(victim->output[i % 2], output, VICTIM_OUTPUT);
		atomic_fetch_add(&victim->draws, 1);
	}
}

static bool victim_start(struct victim *victim)
{
	atomic_store(&victim->draws, 0);
	return !pthread_create(&victim->thread, NULL, draw_until_cancelled,
			       victim);
}

/* Cancel it after draws of both sizes. Compare its last draws and one more. */
static bool victim_cancel(struct victim *victim)
{
	unsigned char output[VICTIM_OUTPUT];
	void *result;

	while (atomic_load(&victim->draws) < 2)
		sched_yield();
	if (pthread_cancel(victim->thread) ||
	    pthread_join(victim->thread, &result) || result != PTHREAD_CANCELED)
		return false;
	return vgr_draw(output, sizeof(output), victim->state) ==
	       sizeof(output) && !vgr_repeats(output, sizeof(output)) &&
	       !vgr_repeats(victim->output[0], VICTIM_OUTPUT) &&
	       !vgr_repeats(victim->output[1], VICTIM_OUTPUT);
}

TEST(cancelled_threads_leave_their_states_to_the_next)
{
	static struct victim victims[VICTIMS];
	uint64_t numbers = SEED;
	size_t i;

	for (i = 0; i < VICTIMS; i++) {
		victims[i].state = warm_state();
		ASSERT_NE(NULL, victims[i].state);
		ASSERT_TRUE(victim_start(&victims[i]));
	}
	for (i = 0; i < CANCELS; i++) {
		struct victim *victim = &victims[next_number(&numbers) % VICTIMS];

		ASSERT_TRUE(victim_cancel(victim));
		ASSERT_TRUE(victim_start(victim));
	}
	for (i = 0; i < VICTIMS; i++)
		ASSERT_TRUE(victim_cancel(&victims[i]));
}

/*
 * Invalid arguments
 */

#define HOSTILE_CALLS	30000
#define ARENA_PAGES	4

/**
 * struct arena - the memory that pointers point to
 * @writable:	pages with a fence on either side; nothing else may change
 * @before:	their contents before the call
 * @readable:	a page that is only readable, followed by one that is not
 */
static struct {
	unsigned char *writable;
	unsigned char *before;
	unsigned char *readable;
} arena;

struct arguments {
	unsigned char *buffer;
	size_t len;
	unsigned int flags;
	unsigned char *state;
	size_t opaque_len;
};

static bool arena_open(void)
{
	arena.writable = fenced_alloc(ARENA_PAGES * vgr.page);
	arena.before = malloc(ARENA_PAGES * vgr.page);
	arena.readable = fenced_alloc(vgr.page);
	return arena.writable && arena.before && arena.readable &&
	       !mprotect(arena.readable, vgr.page, PROT_READ);
}

/* A number close to one of the values that make a difference */
static size_t hostile_number(uint64_t *numbers, const size_t *values, size_t n)
{
	uint64_t number = next_number(numbers);

	if (number % 8 == 0)
		return next_number(numbers) >> (number >> 8) % 64;
	return values[(number >> 16) % n] + (number >> 32) % 5 - 2;
}

static unsigned char *hostile_pointer(uint64_t *numbers, size_t size)
{
	const size_t offsets[] = {
		2, 66, vgr.page + 2, vgr.page - size + 2, 2 * vgr.page + 64,
		ARENA_PAGES * vgr.page - 600, ARENA_PAGES * vgr.page - size - 2,
		ARENA_PAGES * vgr.page,
	};
	uint64_t number = next_number(numbers);

	switch (number % 16) {
	case 0:
		return NULL;
	case 1:
		return (unsigned char *)next_number(numbers);
	case 2:
		return arena.readable + (number >> 32) % (2 * vgr.page);
	case 3:
		return (unsigned char *)ARCH_USER_END - size;
	case 4 ... 10:		/* valid */
		return arena.writable + (number >> 32) % (2 * vgr.page) / 64 * 64;
	default:
		return arena.writable +
		       hostile_number(numbers, offsets, ARRAY_SIZE(offsets)) %
		       ((ARENA_PAGES + 1) * vgr.page);
	}
}

static void hostile_arguments(struct arguments *args, uint64_t *numbers)
{
	const size_t size = vgr.params.size_of_opaque_state;
	const size_t lens[] = { 2, 16, 32, 64, size, 2 * size, vgr.page, INT_MAX,
				UINT_MAX, SSIZE_MAX, SIZE_MAX };
	const size_t sizes[] = { 2, size, size, 2 * size, vgr.page, UINT_MAX,
				 VGR_QUERY, SSIZE_MAX };
	uint64_t number = next_number(numbers);

	args->len = hostile_number(numbers, lens, ARRAY_SIZE(lens));
	args->buffer = hostile_pointer(numbers, args->len % vgr.page);
	args->state = hostile_pointer(numbers, size);
	args->flags = number % 4 ? (number >> 8) % 2 : (number >> 8) % 16;
	if (!(number % 64))
		args->flags = number >> 32;
	args->opaque_len = (number >> 4) % 4 ? size :
			   hostile_number(numbers, sizes, ARRAY_SIZE(sizes));
	if (!((number >> 40) % 32))
		*args = (struct arguments) {
			.state = args->state,
			.opaque_len = VGR_QUERY,
		};
}

static bool is_query(const struct arguments *args)
{
	return !args->buffer && !args->len && !args->flags &&
	       args->opaque_len == VGR_QUERY;
}

/* Is it in that area? Areas may be longer than the address space. */
static bool is_within(const unsigned char *p, const unsigned char *area,
		      size_t len)
{
	return (uintptr_t)p - (uintptr_t)area < len;
}

/* May the call write to this byte, or fault there? */
static bool may_touch(const struct arguments *args, const unsigned char *p)
{
	size_t state_len = is_query(args) ?
			   sizeof(struct vgetrandom_opaque_params) :
			   args->opaque_len == vgr.params.size_of_opaque_state ?
			   args->opaque_len : 0;

	return is_within(p, args->buffer, args->len) ||
	       is_within(p, args->state, state_len);
}

/* May it fault at this address? The kernel reports it without the tag of the pointer. */
static bool may_fault(const struct arguments *args, uintptr_t address)
{
	return may_touch(args, (void *)(address | ((uintptr_t)args->buffer & ARCH_TAG))) ||
	       may_touch(args, (void *)(address | ((uintptr_t)args->state & ARCH_TAG)));
}

static bool only_arguments_touched(const struct arguments *args)
{
	const size_t chunk = 64;
	size_t i;

	for (i = 0; i < ARENA_PAGES * vgr.page; i++) {
		/* Skip what is unchanged, for speed. */
		while (i % chunk == 0 && i < ARENA_PAGES * vgr.page &&
		       !memcmp(arena.writable + i, arena.before + i, chunk))
			i += chunk;
		if (i < ARENA_PAGES * vgr.page &&
		    arena.writable[i] != arena.before[i] &&
		    !may_touch(args, arena.writable + i))
			return false;
	}
	return true;
}

/* The return value of the system call, which writes to the buffer at most */
static ssize_t kernels_answer(const struct arguments *args)
{
	ssize_t ret = vgr_syscall(args->buffer, args->len, args->flags);

	memcpy(arena.writable, arena.before, ARENA_PAGES * vgr.page);
	return ret;
}

/*
 * A call must return what the system call returns, or fault on the buffer or the state.
 * The system call returns less if the end of the buffer is not mapped.
 */
static const char *try_hostile(const struct arguments *args)
{
	ssize_t expected = is_query(args) ? 0 : kernels_answer(args);
	ssize_t ret;

	if (sigsetjmp(fault.env, 1)) {
		if (!only_arguments_touched(args))
			return "memory beside the arguments written, and a fault";
		/* A fault at a non-canonical address does not report it. */
		return !fault.address ||
		       may_fault(args, (uintptr_t)fault.address) ?
		       fine : "a fault outside of the arguments";
	}
	ret = vgr.call(args->buffer, args->len, args->flags, args->state,
		       args->opaque_len);
	/* The vDSO tries once more after the fault that ended the system call. */
	if (expected > 0 && ret > expected && ret - expected < ARCH_COPY_STEP)
		ret = expected;
	/* For zero bytes, the vDSO does not check the buffer's address. */
	if (ret != expected && (args->len || ret || expected != -EFAULT))
		return "another result than the system call's";
	return only_arguments_touched(args) ? fine :
	       "memory beside the arguments written";
}

TEST(hostile_arguments_do_no_harm)
{
	uint64_t numbers = SEED;
	struct arguments args;
	unsigned int i, j;

	ASSERT_TRUE(arena_open());
	catch(SIGSEGV, on_fault, 0);
	catch(SIGBUS, on_fault, 0);
	for (i = 0; i < HOSTILE_CALLS; i++) {
		for (j = 0; j < ARENA_PAGES * vgr.page / sizeof(uint64_t); j++)
			((uint64_t *)arena.before)[j] = i % 4 ? next_number(&numbers) : 0;
		memcpy(arena.writable, arena.before, ARENA_PAGES * vgr.page);
		hostile_arguments(&args, &numbers);
		ASSERT_STREQ(fine, try_hostile(&args)) {
			TH_LOG("call %u: %p, %#zx, %#x, %p, %#zx; pages at %p, %p",
			       i, args.buffer, args.len, args.flags, args.state,
			       args.opaque_len, arena.writable, arena.readable);
		}
	}
}

/*
 * Jumps to any address in the vDSO with arbitrary registers, while a signal is pending.
 * If the kernel moves such a process to a landing pad, the process is lost, but it must
 * not harm the kernel.
 *
 * If the vDSO is not mapped there, the kernel must not move the process.
 */

#define JUMPS	100

/* What is mapped where the jump leads to: the vDSO, nothing, or other memory */
enum there { IMAGE, NOTHING, OTHER };

/**
 * struct jumped - a jump, in memory that its process shares
 * @there:	what is mapped at @to
 * @numbers:	the random numbers for @to and the registers
 * @to:		the address to jump to
 * @at:		the interrupted address, as the handler of the signal sees it
 */
static struct jumped {
	enum there there;
	uint64_t numbers;
	uintptr_t to;
	uintptr_t at;
} *jumped;

/* Permit only the system calls needed here, so that lost processes do no harm. */
static bool filter_all_but_getrandom(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_getrandom, 3, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_rt_sigreturn, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_exit_group, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};

	return set_filter(filter, ARRAY_SIZE(filter));
}

/*
 * Runs when the jump has arrived. Return only to a landing pad: bytes in the middle of
 * instructions may form others, such as far returns, which some emulators get wrong in
 * a way that looks like a fault of the kernel.
 */
static void on_jumped(int sig, siginfo_t *info, void *context)
{
	jumped->at = interrupted_at(context);
	if (jumped->at == jumped->to)
		_exit(0);
}

/* An address in the arena or in the kernel, a small number, or any number */
static uint64_t jump_register(void)
{
	uint64_t number = next_number(&jumped->numbers);

	switch (number % 8) {
	case 0 ... 3:
		return (uintptr_t)arena.writable +
		       (number >> 32) % (ARENA_PAGES * vgr.page);
	case 4:
		return (number >> 32) % 1024;
	case 5 ... 6:
		return next_number(&jumped->numbers) | ARCH_KERNEL_ADDRESS;
	default:
		return next_number(&jumped->numbers);
	}
}

/* Return to another address than the interrupted one. */
static void on_jump(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	raise_on_return(SIGUSR2);
	if (!filter_all_but_getrandom())
		_exit(KSFT_SKIP);
	arch_fill_registers(uc, jump_register);
	UC_IP(uc) = jumped->to;
}

/* Unmap or replace the vDSO, if the jump calls for it. */
static bool make_there(void)
{
	void *start = (void *)vgr.vdso.start;
	const size_t len = vgr.vdso.end - vgr.vdso.start;

	if (jumped->there == NOTHING)
		return !munmap(start, len);
	return jumped->there == IMAGE ||
	       mmap(start, len, PROT_READ | PROT_EXEC,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == start;
}

/* Make the jump, in a process of its own. Returns only if it fails. */
static int jump(void)
{
	stack_t stack = { .ss_size = 64 * 1024 };

	stack.ss_sp = fenced_alloc(stack.ss_size);
	if (!stack.ss_sp || sigaltstack(&stack, NULL) || !make_there())
		return 1;
	catch(SIGUSR1, on_jump, 0);
	catch(SIGUSR2, on_jumped, SA_ONSTACK);
	/* The landing pad may return into an endless loop. */
	signal(SIGALRM, SIG_DFL);
	alarm(10);
	raise(SIGUSR1);
	return 2;
}

static long taint(void)
{
	FILE *file = fopen("/proc/sys/kernel/tainted", "re");
	long value = -1;

	if (!file || fscanf(file, "%ld", &value) != 1)
		value = -1;
	if (file)
		fclose(file);
	return value;
}

/* How often processes ended with each status */
static unsigned int jump_ends[256];

/* Returns false if filters are not permitted. */
static bool try_jump(struct __test_metadata *_metadata, unsigned int nr,
		     enum there there)
{
	pid_t pid;
	int status;

	jumped->there = there;
	jumped->numbers = seed_of(nr);
	jumped->to = vgr.vdso.start + next_number(&jumped->numbers) %
		     (vgr.vdso.end - vgr.vdso.start);
	jumped->at = 0;
	pid = fork();
	if (!pid)
		_exit(jump());
	status = reap(pid);
	ASSERT_GE(status, 0);
	jump_ends[status]++;
	return status != KSFT_SKIP;
}

FIXTURE(jumps)
{
	long taint;
};

FIXTURE_SETUP(jumps)
{
	self->taint = taint();
	jumped = shared_alloc(sizeof(*jumped));
	ASSERT_TRUE(jumped && arena_open());
}

/* Check that the kernel is unharmed. */
FIXTURE_TEARDOWN(jumps)
{
	unsigned char output[40];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(jump_ends); i++)
		if (jump_ends[i])
			ksft_print_msg("%u jumps ended with status %u\n",
				       jump_ends[i], i);
	EXPECT_EQ(self->taint, taint());
	EXPECT_EQ(sizeof(output), vgr_draw(output, sizeof(output), warm_state()));
}

TEST_F(jumps, to_anywhere_do_not_harm_the_kernel)
{
	unsigned int moved = 0, i;

	for (i = 0; i < JUMPS; i++) {
		if (!try_jump(_metadata, i, IMAGE))
			SKIP(return, "jumps: no seccomp filters");
		if (jumped->at != jumped->to) {
			moved++;
			EXPECT_TRUE(vgr_in_vdso(jumped->at));
		}
	}
	ksft_print_msg("%u of %u went to the landing pads\n", moved, JUMPS);
}

TEST_F(jumps, to_where_the_vdso_was_are_left_alone)
{
	unsigned int i;

#ifdef ARCH_SIGRETURN_IN_VDSO
	SKIP(return, "jumps: without the vDSO, handlers cannot return");
#endif
	for (i = 0; i < JUMPS; i++) {
		if (!try_jump(_metadata, i, i % 2 ? NOTHING : OTHER))
			SKIP(return, "jumps: no seccomp filters");
		EXPECT_EQ(jumped->to, jumped->at);
	}
}

int main(int argc, char **argv)
{
	find_vgetrandom();
	need_vgetrandom();
	if (argc > 1)
		storm_draws = strtoul(argv[1], NULL, 0);
	return test_harness_run(argc, argv);
}
