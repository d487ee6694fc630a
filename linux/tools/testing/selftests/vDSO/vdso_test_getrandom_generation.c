// SPDX-License-Identifier: GPL-2.0
/*
 * vdso_test_getrandom_generation.c: what user space sees of the kernel's reseeds
 * through the vDSO's getrandom()
 *
 * The first case needs a generator that is not ready. To run it, boot with
 * random.trust_cpu=off and random.trust_bootloader=off on a processor without RDRAND,
 * and start this program before any other. The cases that reseed need root.
 */
#define _GNU_SOURCE
#include <pthread.h>

#include "vgetrandom_test.h"
#include "../kselftest_harness.h"

static unsigned char *new_state(void)
{
	struct vgr_pool own;

	return vgr_pool_open(&own, 1) ? vgr_pool_get(&own) : NULL;
}

/*
 * Before the generator is ready
 */

#define INVALID_FLAG	(GRND_INSECURE << 1)

static bool is_ready(void)
{
	unsigned char byte;

	return vgr_syscall(&byte, 1, GRND_NONBLOCK) == 1;
}

/* Do the vDSO and the system call agree? They need not if the generator became ready. */
static bool same_as_the_system_call(void *state, size_t len, unsigned int flags)
{
	unsigned char output[2][300];
	ssize_t expected = vgr_syscall(output[0], len, flags);
	ssize_t ret = vgr.call(output[1], len, flags, state,
			       vgr.params.size_of_opaque_state);

	return is_ready() || (ret == expected &&
			      (ret <= 0 || !vgr_repeats(output[1], ret)));
}

TEST(before_the_generator_is_ready_calls_give_what_the_system_call_gives)
{
	static const unsigned int flags[] = {
		/* The first call without GRND_NONBLOCK would wait for the generator. */
		GRND_NONBLOCK, GRND_NONBLOCK | GRND_RANDOM,
		GRND_INSECURE, GRND_INSECURE | GRND_NONBLOCK,
		GRND_INSECURE | GRND_RANDOM, GRND_NONBLOCK | INVALID_FLAG,
	};
	static const size_t lens[] = { 0, 1, 32, 300 };
	unsigned char *state = new_state(), output[32];
	size_t i, j;

	ASSERT_NE(NULL, state);
	if (is_ready())
		SKIP(return, "the generator is ready");
	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		for (j = 0; j < ARRAY_SIZE(lens); j++) {
			EXPECT_TRUE(same_as_the_system_call(state, lens[j], flags[i])) {
				TH_LOG("flags %#x, length %zu", flags[i], lens[j]);
			}
		}
	}
	if (is_ready())
		SKIP(return, "the generator became ready meanwhile");
	EXPECT_TRUE(all_bytes(state, vgr.params.size_of_opaque_state, 0));
	/* This draw waits for the generator; the next one initializes the state. */
	EXPECT_EQ(sizeof(output), vgr_draw(output, sizeof(output), state));
	EXPECT_EQ(0, vgr_repeats(output, sizeof(output)));
	EXPECT_TRUE(is_ready());
	EXPECT_EQ(sizeof(output), vgr_draw(output, sizeof(output), state));
	EXPECT_EQ(0, vgr_repeats(output, sizeof(output)));
	EXPECT_FALSE(all_bytes(state, vgr.params.size_of_opaque_state, 0));
}

/*
 * Reseeds
 */

static size_t generation_at;

static uint64_t generation_of(const unsigned char *state)
{
	uint64_t generation;

	memcpy(&generation, state + generation_at, sizeof(generation));
	return generation;
}

/* Reseed, and update the state. */
static bool renew(unsigned char *state)
{
	unsigned char byte;

	return reseed() && vgr_draw(&byte, 1, state) == 1;
}

/*
 * Find out where a state has its generation: it is the word that changes with each
 * reseed and is the same in two states with the same seed. The kernel may reseed
 * between the two draws, so this may take several tries.
 */
static bool find_generation(void)
{
	const size_t size = vgr.params.size_of_opaque_state;
	unsigned char *state = warm_state(), *other = warm_state(), before[vgr.page], byte;
	unsigned int tries;

	if (!state || !other)
		return false;
	for (tries = 0; tries < 4; tries++) {
		memcpy(before, state, size);
		if (!renew(state) || vgr_draw(&byte, 1, other) != 1)
			return false;
		for (generation_at = 0; generation_at < size; generation_at += sizeof(uint64_t))
			if (generation_of(state) != generation_of(before) &&
			    generation_of(state) == generation_of(other))
				return true;
	}
	return false;
}

#define RESEEDERS	4
#define RESEEDS		1000

static pthread_barrier_t start_line;
static atomic_bool stop;
static atomic_ulong latest;		/* the generation last seen by any thread */

static void *reseed_often(void *ok)
{
	unsigned int i;

	*(bool *)ok = true;
	pthread_barrier_wait(&start_line);
	for (i = 0; i < RESEEDS; i++)
		if (!reseed())
			*(bool *)ok = false;
	return NULL;
}

/*
 * The numbers do not tell which of two generations is newer. But a generation that some
 * thread saw before a draw began cannot be newer than that of the draw.
 */
struct order {
	uint64_t older;
	uint64_t newer;
};

#define MAX_ORDERS	100000

/* A thread that draws while others reseed */
struct drawer {
	pthread_t thread;
	unsigned char *state;
	struct order orders[MAX_ORDERS];
	size_t num_orders;
	unsigned int draws;
	unsigned int wrong;		/* wrong return values */
	unsigned int same;		/* reseeds that did not change the generation */
	unsigned int stale;		/* draws that returned bytes from before a reseed */
	bool reseeds;
};

static void note_order(struct drawer *drawer, uint64_t older, uint64_t newer)
{
	if (older && older != newer && drawer->num_orders < MAX_ORDERS)
		drawer->orders[drawer->num_orders++] = (struct order) { older, newer };
}

static void *draw_while_others_reseed(void *arg)
{
	const size_t size = vgr.params.size_of_opaque_state;
	unsigned char before[vgr.page], output[VGR_WINDOW];
	struct drawer *drawer = arg;

	pthread_barrier_wait(&start_line);
	while (!atomic_load(&stop) || !drawer->draws) {
		uint64_t seen = atomic_load(&latest);

		memcpy(before, drawer->state, size);
		if (drawer->reseeds && !reseed())
			drawer->wrong++;
		if (vgr_draw(output, sizeof(output), drawer->state) != sizeof(output))
			drawer->wrong++;
		if (drawer->reseeds && memmem(before, size, output, sizeof(output)))
			drawer->stale++;
		if (drawer->reseeds && generation_of(before) == generation_of(drawer->state))
			drawer->same++;
		note_order(drawer, generation_of(before), generation_of(drawer->state));
		note_order(drawer, seen, generation_of(drawer->state));
		atomic_store(&latest, generation_of(drawer->state));
		drawer->draws++;
	}
	return NULL;
}

static int compare_numbers(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static size_t index_of(uint64_t number, const uint64_t *numbers, size_t count)
{
	return (const uint64_t *)bsearch(&number, numbers, count, sizeof(number),
					 compare_numbers) - numbers;
}

/* Sort the generations, and drop duplicates. Returns how many are left. */
static size_t list_generations(const struct order *orders, size_t count, uint64_t *numbers)
{
	size_t distinct = 0, i;

	for (i = 0; i < count; i++) {
		numbers[2 * i] = orders[i].older;
		numbers[2 * i + 1] = orders[i].newer;
	}
	qsort(numbers, 2 * count, sizeof(*numbers), compare_numbers);
	for (i = 0; i < 2 * count; i++)
		if (!i || numbers[i] != numbers[i - 1])
			numbers[distinct++] = numbers[i];
	return distinct;
}

/*
 * Is there an order of all generations that agrees with what each thread has seen? Sort
 * them topologically: repeatedly remove one that has none before it. If some remain,
 * there is a cycle.
 */
static bool can_be_ordered(const struct order *orders, size_t count)
{
	uint64_t *numbers = calloc(2 * count + 1, sizeof(*numbers));
	size_t *before = calloc(2 * count + 1, sizeof(*before));
	size_t *next = calloc(2 * count + 2, sizeof(*next));
	size_t *after = calloc(count + 1, sizeof(*after));
	size_t *free_ones = calloc(2 * count + 1, sizeof(*free_ones));
	size_t distinct, taken, num_free = 0, i;

	if (!numbers || !before || !next || !after || !free_ones)
		return false;

	/* The successors of number i will be in after[], from next[i] up to next[i + 1]. */
	distinct = list_generations(orders, count, numbers);
	for (i = 0; i < count; i++) {
		before[index_of(orders[i].newer, numbers, distinct)]++;
		next[index_of(orders[i].older, numbers, distinct) + 1]++;
	}
	for (i = 0; i < distinct; i++)
		next[i + 1] += next[i];
	for (i = count; i-- > 0;)
		after[--next[index_of(orders[i].older, numbers, distinct) + 1]] =
			index_of(orders[i].newer, numbers, distinct);
	memmove(next, next + 1, distinct * sizeof(*next));
	next[distinct] = count;

	for (i = 0; i < distinct; i++)
		if (!before[i])
			free_ones[num_free++] = i;
	for (taken = 0; taken < num_free; taken++)
		for (i = next[free_ones[taken]]; i < next[free_ones[taken] + 1]; i++)
			if (!--before[after[i]])
				free_ones[num_free++] = after[i];

	ksft_print_msg("%zu generations, %zu of them in order\n", distinct, taken);
	free(numbers);
	free(before);
	free(next);
	free(after);
	free(free_ones);
	return taken == distinct;
}

FIXTURE(reseeds)
{
};

FIXTURE_SETUP(reseeds)
{
	unsigned char byte;

	/* Wait until the generator is ready. */
	ASSERT_EQ(1, vgr_syscall(&byte, 1, 0));
	if (!may_reseed())
		SKIP(return, "RNDRESEEDCRNG not permitted");
	ASSERT_TRUE(find_generation());
}

FIXTURE_TEARDOWN(reseeds)
{
}

#define SECONDS		300

/*
 * If generations were counted, another boot would have the same numbers, and a state
 * from there would pass for current. By chance, one of these is small once in 2^28
 * runs, and they are in ascending order once in 16! runs.
 */
TEST_F(reseeds, give_generations_that_are_not_counted)
{
	unsigned char *state = warm_state();
	unsigned int i, ascending = 0;
	uint64_t before;

	ASSERT_NE(NULL, state);
	for (i = 0; i < 16; i++) {
		before = generation_of(state);
		ASSERT_TRUE(renew(state));
		EXPECT_LT(UINT32_MAX, generation_of(state));
		EXPECT_NE(UINT64_MAX, generation_of(state));
		EXPECT_NE(before, generation_of(state));
		ascending += generation_of(state) > before;
	}
	EXPECT_GT(16, ascending);
}

TEST(orders_that_contradict_each_other_are_found)
{
	static struct order orders[] = { { 7, 3 }, { 3, 5 }, { 5, 9 }, { 9, 7 } };

	EXPECT_TRUE(can_be_ordered(orders, 3));
	EXPECT_FALSE(can_be_ordered(orders, 4));
}

TEST_F_TIMEOUT(reseeds, of_several_threads_never_bring_old_keys_back, SECONDS)
{
	static struct order orders[RESEEDERS * MAX_ORDERS];
	static struct drawer drawers[RESEEDERS];
	pthread_t reseeders[RESEEDERS];
	bool ok[RESEEDERS];
	unsigned int draws = 0, i;
	size_t count = 0;

	pthread_barrier_init(&start_line, NULL, 2 * RESEEDERS);
	for (i = 0; i < RESEEDERS; i++) {
		drawers[i].state = warm_state();
		drawers[i].reseeds = i % 2;
		ASSERT_NE(NULL, drawers[i].state);
		ASSERT_EQ(0, pthread_create(&drawers[i].thread, NULL,
					    draw_while_others_reseed, &drawers[i]));
		ASSERT_EQ(0, pthread_create(&reseeders[i], NULL, reseed_often, &ok[i]));
	}
	for (i = 0; i < RESEEDERS; i++) {
		ASSERT_EQ(0, pthread_join(reseeders[i], NULL));
		EXPECT_TRUE(ok[i]);
	}
	atomic_store(&stop, true);
	for (i = 0; i < RESEEDERS; i++) {
		ASSERT_EQ(0, pthread_join(drawers[i].thread, NULL));
		EXPECT_EQ(0, drawers[i].wrong);
		EXPECT_EQ(0, drawers[i].same);
		EXPECT_EQ(0, drawers[i].stale);
		draws += drawers[i].draws;
		memcpy(orders + count, drawers[i].orders,
		       drawers[i].num_orders * sizeof(*orders));
		count += drawers[i].num_orders;
	}
	EXPECT_NE(0, count);
	EXPECT_TRUE(can_be_ordered(orders, count));
	ksft_print_msg("%u draws while four threads reseeded\n", draws);
}

/*
 * CPU hotplug
 */

#define CYCLES		4
#define OUTPUTS		4000

struct recorder {
	pthread_t thread;
	unsigned char *state;
	unsigned char output[OUTPUTS][VGR_WINDOW];
	size_t draws;
	bool ok;
};

/* Record the first draws, and the last ones over and over again. */
static void *draw_and_record(void *arg)
{
	struct recorder *self = arg;

	self->ok = true;
	while (!atomic_load(&stop)) {
		size_t at = self->draws < OUTPUTS ? self->draws :
			    OUTPUTS / 2 + self->draws % (OUTPUTS / 2);

		if (vgr_draw(self->output[at], VGR_WINDOW, self->state) != VGR_WINDOW)
			self->ok = false;
		self->draws++;
	}
	return NULL;
}

static bool set_online(long cpu, bool online)
{
	char path[64];
	bool done;
	int fd;

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%ld/online", cpu);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	done = write(fd, online ? "1" : "0", 1) == 1;
	close(fd);
	return done;
}

/* Does a reseed reach the state after a CPU has gone or come back? */
static bool goes_on(unsigned char *state)
{
	uint64_t before = generation_of(state);
	unsigned char output[VGR_WINDOW];

	return reseed() && vgr_draw(output, sizeof(output), state) == sizeof(output) &&
	       generation_of(state) != before && !vgr_repeats(output, sizeof(output));
}

TEST_F_TIMEOUT(reseeds, go_on_while_processors_come_and_go, SECONDS)
{
	const long last = sysconf(_SC_NPROCESSORS_CONF) - 1;
	static struct recorder recorders[RESEEDERS];
	unsigned char *state = warm_state();
	unsigned long draws = 0;
	unsigned int i;
	long cpu;

	ASSERT_NE(NULL, state);
	if (!last || !set_online(last, false))
		SKIP(return, "no processor can be taken away");
	atomic_store(&stop, false);
	for (i = 0; i < RESEEDERS; i++) {
		recorders[i].state = warm_state();
		ASSERT_NE(NULL, recorders[i].state);
		ASSERT_EQ(0, pthread_create(&recorders[i].thread, NULL,
					    draw_and_record, &recorders[i]));
	}
	for (i = 0; i < CYCLES; i++) {
		for (cpu = last; cpu; cpu--) {
			set_online(cpu, false);
			EXPECT_TRUE(goes_on(state));
		}
		for (cpu = last; cpu; cpu--) {
			EXPECT_TRUE(set_online(cpu, true));
			EXPECT_TRUE(goes_on(state));
		}
	}
	atomic_store(&stop, true);
	for (i = 0; i < RESEEDERS; i++) {
		size_t kept;

		ASSERT_EQ(0, pthread_join(recorders[i].thread, NULL));
		EXPECT_TRUE(recorders[i].ok);
		kept = recorders[i].draws < OUTPUTS ? recorders[i].draws : OUTPUTS;
		EXPECT_NE(0, kept);
		EXPECT_EQ(0, vgr_repeats(recorders[i].output, kept * VGR_WINDOW));
		draws += recorders[i].draws;
	}
	ksft_print_msg("%lu draws, %ld processors %u times\n", draws, last, CYCLES);
}

int main(int argc, char **argv)
{
	find_vgetrandom();
	if (vgr.query == -EOPNOTSUPP)
		ksft_exit_skip("%s is switched off\n", VGR_NAME);
	return test_harness_run(argc, argv);
}
