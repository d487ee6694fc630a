// SPDX-License-Identifier: GPL-2.0
/*
 * vdso_test_getrandom.c: what the vDSO's getrandom() promises its callers
 *
 * Without an argument, run all cases. "off" runs those for a kernel that was booted
 * with random.vdso_getrandom=off. "bench-single" and "bench-multi" time the vDSO, the
 * C library and the system call side by side, in one thread and in one thread per
 * online CPU.
 *
 * All random output goes through vgr_repeats(), which finds repetitions across cases,
 * processes and threads.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdalign.h>
#include <sys/random.h>
#include <sys/time.h>

#include "vgetrandom_test.h"
#include "../kselftest_harness.h"

/* The kernel's limit on one transfer */
#define LONGEST (INT_MAX & -(ssize_t)vgr.page)

static struct vgr_pool pool;

/*
 * The symbol
 */

TEST(symbol_and_alias_have_the_version)
{
	EXPECT_TRUE(vgr_in_vdso((uintptr_t)vgr.call));
	EXPECT_EQ(NULL, vdso_sym("LINUX_2.6.15", VGR_NAME));
#ifdef VGR_ALIAS
	EXPECT_EQ((void *)vgr.call, vdso_sym(VGR_VERSION, VGR_ALIAS));
	EXPECT_EQ(NULL, vdso_sym("LINUX_2.6.15", VGR_ALIAS));
#endif
}

#ifdef ARCH_MAP_VDSO_32
/*
 * Replace this process's vDSO by another image and see whether that has getrandom().
 * Returns 0 or 1, or a negative errno value if there is no such image.
 */
static int image_has_getrandom(int image, unsigned char elf_class)
{
	const char name[] = VGR_NAME, other[] = "__vdso_clock_gettime";
	struct vgr_range range[8];
	const char *elf;
	size_t len, n;
	void *room;

	n = vgr_mappings("[v", range, ARRAY_SIZE(range));
	while (n--)
		if (munmap((void *)range[n].start,
			   range[n].end - range[n].start))
			return -errno;
	room = mmap(NULL, 64 * vgr.page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
		    -1, 0);
	if (room == MAP_FAILED || munmap(room, 64 * vgr.page))
		return -errno;
	if (syscall(__NR_arch_prctl, image, room) < 0)
		return -errno;
	if (vgr_mappings("[vdso]", range, 1) != 1)
		return -ENOENT;

	elf = (const char *)range[0].start;
	len = range[0].end - range[0].start;
	if (elf[EI_CLASS] != elf_class || !memmem(elf, len, other,
						  sizeof(other)))
		return -ENOEXEC;
	return !!memmem(elf, len, name, sizeof(name));
}

TEST(symbol_is_not_in_the_ia32_image)
{
	int ret = image_has_getrandom(ARCH_MAP_VDSO_32, ELFCLASS32);

	if (ret == -EINVAL)
		SKIP(return, "ia32 image: needs IA32_EMULATION and CHECKPOINT_RESTORE");
	EXPECT_EQ(0, ret);
}

TEST(symbol_is_not_in_the_x32_image)
{
	int ret = image_has_getrandom(ARCH_MAP_VDSO_X32, ELFCLASS32);

	if (ret == -EINVAL)
		SKIP(return, "x32 image: needs X86_X32_ABI and CHECKPOINT_RESTORE");
	EXPECT_EQ(0, ret);
}
#endif /* ARCH_MAP_VDSO_32 */

/*
 * The parameter query
 */

TEST(query_tells_usable_parameters)
{
	struct {
		struct vgetrandom_opaque_params params;
		unsigned char guard[64];
	} answer;
	const struct vgetrandom_opaque_params *params = &answer.params;
	unsigned char *area;
	size_t i;

	memset(&answer, GUARD, sizeof(answer));
	ASSERT_EQ(0, vgr.call(NULL, 0, 0, &answer.params, VGR_QUERY));
	EXPECT_TRUE(all_bytes(answer.guard, sizeof(answer.guard), GUARD));

	EXPECT_GT(params->size_of_opaque_state, 0);
	EXPECT_LE(params->size_of_opaque_state, vgr.page);
	EXPECT_EQ(0, params->size_of_opaque_state % 64);
	EXPECT_EQ(PROT_READ | PROT_WRITE, params->mmap_prot);
	EXPECT_EQ(MAP_DROPPABLE | MAP_ANONYMOUS, params->mmap_flags);
	for (i = 0; i < ARRAY_SIZE(params->reserved); i++)
		EXPECT_EQ(0, params->reserved[i]);

	area = mmap(NULL, 4 * vgr.page, params->mmap_prot, params->mmap_flags,
		    -1, 0);
	ASSERT_NE(MAP_FAILED, area);
	EXPECT_TRUE(all_bytes(area, 4 * vgr.page, 0));
}

TEST(query_is_only_the_exact_query)
{
	/* Aligned like a state. Misaligned states have a case of their own. */
	static alignas(64) struct vgetrandom_opaque_params params;
	const size_t size = vgr.params.size_of_opaque_state;
	unsigned char byte;
	const struct {
		void *buffer;
		size_t len;
		unsigned int flags;
		size_t opaque_len;
		ssize_t ret;
	} near[] = {
		{ &byte, 0, 0,             VGR_QUERY,     0 },
		{ &byte, 1, 0,             VGR_QUERY,     1 },
		{ NULL,  1, 0,             VGR_QUERY,     -EFAULT },
		{ NULL,  0, GRND_NONBLOCK, VGR_QUERY,     0 },
		{ NULL,  0, 1U << 31,      VGR_QUERY,     -EINVAL },
		{ NULL,  0, 0,             VGR_QUERY - 1, 0 },
		{ NULL,  0, 0,             UINT_MAX,      0 },
		{ NULL,  0, 0,             size + 1,      0 },
		{ NULL,  0, 0,             0,             0 },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(near); i++) {
		memset(&params, GUARD, sizeof(params));
		EXPECT_EQ(near[i].ret,
			  vgr.call(near[i].buffer, near[i].len, near[i].flags,
				   &params, near[i].opaque_len)) {
			TH_LOG("near miss %zu", i);
		}
		EXPECT_TRUE(all_bytes((void *)&params, sizeof(params), GUARD));
	}
}

/*
 * The bytes
 */

/*
 * Draw @len bytes to @offset in a guarded buffer. Check the return value, that each
 * byte of the buffer is written and none beside it, and that nothing is repeated.
 */
static const char *try_draw(size_t len, size_t offset, void *state)
{
	static unsigned char area[128 + (1 << 20) + 64 + 128];
	static unsigned char touched[(1 << 20) + 64];
	unsigned char *buffer = area + 64 + offset;
	const size_t tries = 16;
	size_t try, i;

	memset(touched, 0, len);
	for (try = 0; try < tries && (!try || memchr(touched, 0, len)); try++) {
		memset(buffer - 64, GUARD, 64);
		memset(buffer, 0, len);
		memset(buffer + len, GUARD, 64);

		if (vgr_draw(buffer, len, state) != (ssize_t)len)
			return "wrong return value";
		if (!all_bytes(buffer - 64, 64, GUARD))
			return "bytes written before the buffer";
		if (!all_bytes(buffer + len, 64, GUARD))
			return "bytes written behind the buffer";
		if (!try && vgr_repeats(buffer, len))
			return "output repeats itself or is zero";
		for (i = 0; i < len; i++)
			touched[i] |= buffer[i];
	}
	return memchr(touched, 0, len) ? "bytes never written" : fine;
}

TEST(bytes_of_every_size)
{
	const size_t large[] = { 4095, 4096, 4097, 65537, (1 << 20) + 3 };
	size_t len, i;
	void *state;

	state = warm_state();
	ASSERT_NE(NULL, state);
	for (len = 0; len <= 1100; len++) {
		ASSERT_STREQ(fine, try_draw(len, 0, state)) {
			TH_LOG("%zu bytes", len);
		}
	}
	for (i = 0; i < ARRAY_SIZE(large); i++) {
		ASSERT_STREQ(fine, try_draw(large[i], 0, state)) {
			TH_LOG("%zu bytes", large[i]);
		}
	}
}

TEST(bytes_at_every_alignment)
{
	const size_t lens[] = { 1, 3, 4, 8, 15, 32, 33, 64, 100, 255, 256, 600 };
	size_t offset, i;
	void *state;

	state = warm_state();
	ASSERT_NE(NULL, state);
	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		for (offset = 0; offset < 64; offset++) {
			ASSERT_STREQ(fine, try_draw(lens[i], offset, state)) {
				TH_LOG("%zu bytes at %zu", lens[i], offset);
			}
		}
	}
}

/* Does the state still contain output that it has just handed out? */
static bool state_keeps_output(void *state, size_t len)
{
	unsigned char output[len];

	return vgr_draw(output, len, state) != (ssize_t)len ||
	       vgr_share(output, len, state, vgr.params.size_of_opaque_state);
}

TEST(bytes_handed_out_are_erased_from_the_state)
{
	void *state;
	size_t len;

	state = warm_state();
	ASSERT_NE(NULL, state);
	for (len = sizeof(uint64_t); len <= 1100; len += 1 + len / 16) {
		/* Once may be chance. */
		ASSERT_FALSE(state_keeps_output(state, len) &&
			     state_keeps_output(state, len)) {
			TH_LOG("%zu bytes", len);
		}
	}
}

TEST(length_zero_is_served)
{
	unsigned char byte = GUARD;
	void *state;

	state = warm_state();
	ASSERT_NE(NULL, state);
	EXPECT_EQ(0, vgr_draw(&byte, 0, state));
	EXPECT_EQ(0, vgr_draw(NULL, 0, state));
	EXPECT_EQ(GUARD, byte);
}

/* Map two gibibytes of addresses, all of them to the same two mebibytes. */
static unsigned char *alias_huge(size_t len)
{
	const size_t part = 2 << 20;
	unsigned char *area;
	size_t offset;
	int fd;

	fd = memfd_create("alias", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, part))
		return NULL;
	area = mmap(NULL, len + part, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS |
		    MAP_NORESERVE, -1, 0);
	if (area == MAP_FAILED)
		return NULL;
	for (offset = 0; offset < len; offset += part)
		if (mmap(area + offset, part, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED)
			return NULL;
	close(fd);
	return area;
}

/* Does a register show that nearly as much as the cap remains to be drawn? */
static bool register_has_cap(const mcontext_t *context, const unsigned char *buffer)
{
	const unsigned long cap = LONGEST, block = 64, slack = 4096;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(MC_REGS(context)); i++) {
		const unsigned long value = MC_REGS(context)[i];

		/* In bytes, in blocks, or as the end address */
		if (cap - value < slack ||
		    cap / block - value < slack / block ||
		    (unsigned long)buffer + cap - value < slack)
			return true;
	}
	return false;
}

/*
 * Drawing two gibibytes takes most of a minute on an emulated CPU. But the function
 * applies the cap first, and soon writes to the buffer. Let it fault there, and look
 * for the remaining length in the registers.
 */
TEST(length_is_capped_like_the_system_call)
{
	const size_t lens[] = {
		LONGEST, INT_MAX, 1UL << 31, UINT_MAX, 1UL << 40, SSIZE_MAX,
		SIZE_MAX,
	};
	const size_t size = vgr.params.size_of_opaque_state;
	unsigned char *bad = fenced_alloc(vgr.page);
	void *state = warm_state();
	size_t i;

	ASSERT_TRUE(bad && state);
	bad += vgr.page;
	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		ASSERT_EQ(FAULTED, draw_or_fault(bad, lens[i], state, size));
		EXPECT_TRUE(register_has_cap(&fault.context, bad)) {
			TH_LOG("%zu bytes", lens[i]);
		}
	}
	/* Without the cap in a register, none is found. */
	ASSERT_EQ(FAULTED, draw_or_fault(bad, LONGEST / 2, state, size));
	EXPECT_FALSE(register_has_cap(&fault.context, bad));
}

/* Really draw that much, if the CPU is fast enough. */
TEST(length_beyond_int_max_returns_the_cap)
{
	const size_t len = (size_t)INT_MAX + 2, sample = 4 << 20;
	unsigned char *area;
	double estimate;
	void *state;

	state = warm_state();
	ASSERT_NE(NULL, state);
	area = alias_huge(len);
	if (!area)
		SKIP(return, "length cap: no address space for %zu bytes", len);

	estimate = seconds();
	ASSERT_EQ(sample, vgr_draw(area, sample, state));
	estimate = (seconds() - estimate) * len / sample;
	if (estimate > 8)
		SKIP(return, "length cap: 2 GiB would take %.0f seconds here",
		     estimate);
	EXPECT_EQ(LONGEST, vgr_draw(area, len, state));
}

TEST(length_beyond_the_buffer_faults_or_ends_there)
{
	const size_t lens[] = {
		65537, 1 << 20, INT_MAX, 1UL << 31, SSIZE_MAX, SIZE_MAX,
	};
	const size_t mapped = 65536, blocks = 32 * 64;
	unsigned char *area;
	void *state;
	size_t i;

	state = warm_state();
	area = fenced_alloc(mapped);
	ASSERT_TRUE(state && area);
	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		ssize_t ret = draw_or_fault(area, lens[i], state,
					    vgr.params.size_of_opaque_state);

		/*
		 * Either a fault in the first blocks that are not mapped, or none. The
		 * blocks that are made at once may be written in any order.
		 */
		EXPECT_EQ(ret == FAULTED ? FAULTED :
			  vgr_syscall(area, lens[i], 0), ret);
		if (ret == FAULTED)
			EXPECT_LT((unsigned long)fault.address - (unsigned long)(area + mapped),
				  blocks);
		/* A wrong length of the state makes it a system call. */
		EXPECT_EQ(vgr_syscall(area, lens[i], 0),
			  vgr.call(area, lens[i], 0, state, 1));
		EXPECT_EQ(mapped, vgr_draw(area, mapped, state));
		EXPECT_EQ(0, vgr_repeats(area, 256));
	}
}

/*
 * Flags and errors
 */

/* Do vDSO and system call return the same for these flags? */
static bool same_result(unsigned int flags, void *state)
{
	static const size_t lens[] = { 0, 16, 600 };
	unsigned char raw[600] = { 0 }, buffer[600] = { 0 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		ssize_t expected = vgr_syscall(raw, lens[i], flags);
		ssize_t ret;

		ret = vgr.call(buffer, lens[i], flags, state,
			       vgr.params.size_of_opaque_state);
		if (ret != expected) {
			ksft_print_msg("%zu bytes, flags %#x: %zd, system call %zd\n",
				       lens[i], flags, ret, expected);
			return false;
		}
		/* Two requests return the same cookie. */
		if (!(flags & GRND_TIMESTAMP) && ret > 0 && vgr_repeats(buffer, ret))
			return false;
	}
	return true;
}

TEST(flags_each_bit_like_the_system_call)
{
	void *state;
	int bit;

	state = warm_state();
	ASSERT_NE(NULL, state);
	EXPECT_TRUE(same_result(0, state));
	EXPECT_TRUE(same_result(UINT_MAX, state));
	for (bit = 0; bit < 32; bit++)
		EXPECT_TRUE(same_result(1U << bit, state));
}

TEST(flags_each_pair_like_the_system_call)
{
	void *state;
	int a, b;

	state = warm_state();
	ASSERT_NE(NULL, state);
	for (a = 0; a < 32; a++)
		for (b = 0; b < a; b++)
			EXPECT_TRUE(same_result(1U << a | 1U << b, state));
}

TEST(errors_are_negative_and_errno_is_left_alone)
{
	const size_t size = vgr.params.size_of_opaque_state;
	unsigned char buffer[16];
	void *state;

	state = warm_state();
	ASSERT_NE(NULL, state);
	errno = ERANGE;
	EXPECT_EQ(-EINVAL, vgr.call(buffer, sizeof(buffer), 1U << 31, state,
				    size));
	EXPECT_EQ(-EFAULT, vgr.call(NULL, sizeof(buffer), 0, state, size + 1));
	EXPECT_EQ(sizeof(buffer), vgr_draw(buffer, sizeof(buffer), state));
	EXPECT_EQ(ERANGE, errno);
}

TEST(buffer_that_is_inaccessible_faults)
{
	const size_t lens[] = { 1, 4, 40, 600, 4096 };
	unsigned char *bad[4], output[64];
	void *state;
	size_t i, j;

	state = warm_state();
	bad[0] = NULL;
	bad[1] = fenced_alloc(vgr.page);
	bad[2] = (unsigned char *)ARCH_KERNEL_ADDRESS;
	bad[3] = fenced_alloc(vgr.page);
	ASSERT_TRUE(state && bad[1] && bad[3]);
	bad[1] += vgr.page;
	ASSERT_EQ(0, mprotect(bad[3], vgr.page, PROT_READ));

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		for (j = 0; j < ARRAY_SIZE(lens); j++) {
			uintptr_t start = (uintptr_t)bad[i];
			ssize_t ret;

			ret = draw_or_fault(bad[i], lens[j], state,
					    vgr.params.size_of_opaque_state);
			EXPECT_EQ(ret == FAULTED ? FAULTED : -EFAULT, ret);
			if (ret == FAULTED)
				EXPECT_LT(fault.address - start, lens[j]);
			/* A wrong length of the state makes it a system call. */
			EXPECT_EQ(-EFAULT, draw_or_fault(bad[i], lens[j], state,
							 1));
			EXPECT_EQ(sizeof(output),
				  vgr_draw(output, sizeof(output), state));
			EXPECT_EQ(0, vgr_repeats(output, sizeof(output)));
		}
	}
}

/*
 * Served without a system call
 */

/* Warm a state, then draw into the watched buffer. */
static int draw_many(void *unused)
{
	void *state = warm_state();
	size_t i;

	if (!state)
		return 1;
	for (i = 0; i < work.draws; i++)
		if (vgr_draw(work.buffer, work.len, state) !=
		    (ssize_t)work.len)
			return 2;
	return 0;
}

TEST(served_without_system_calls)
{
	const size_t lens[] = { 0, 1, 4, 32, 100, 1100, 4096, 65536 };
	struct watch watch;
	struct calls calls;
	size_t i;

	ASSERT_TRUE(watch_work(&watch, 65536));
	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		work.len = lens[i];
		work.draws = lens[i] == 4 ? 100000 : 1 + 65536 / (lens[i] + 32);
		if (!count_calls(draw_many, NULL, &watch, &calls))
			SKIP(return, "no system calls: tracing not permitted");
		EXPECT_EQ(0, calls.status);
		EXPECT_EQ(0, calls.handed);
		/* One for the new state, and more if the kernel reseeds */
		EXPECT_LE(calls.reseeds, 4);
		if (lens[i] == 4)
			ksft_print_msg("%zu draws of 4 bytes: %u handed over, %u reseeds\n",
				       work.draws, calls.handed, calls.reseeds);
	}
}

static int draw_around_reseed(void *unused)
{
	void *state = warm_state();

	if (!state)
		return 1;
	if (!may_reseed())
		return KSFT_SKIP;
	return vgr_draw(work.buffer, work.len, state) == (ssize_t)work.len ? 0 : 2;
}

TEST(kernel_reseed_is_noticed_by_the_next_draw)
{
	static const size_t lens[] = { 1, 4, 32, 64, 1000 };
	struct watch watch;
	struct calls calls;
	size_t i;

	ASSERT_TRUE(watch_work(&watch, vgr.page));
	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		work.len = lens[i];
		if (!count_calls(draw_around_reseed, NULL, &watch, &calls))
			SKIP(return, "kernel reseed: tracing not permitted");
		if (calls.status == KSFT_SKIP)
			SKIP(return, "kernel reseed: RNDRESEEDCRNG not permitted");
		EXPECT_EQ(0, calls.status);
		EXPECT_GE(calls.reseeds + calls.handed, 2);
		EXPECT_EQ(0, vgr_repeats(work.buffer, work.len));
	}
}

static int draw_in_time_namespace(void *unused)
{
	return is_time_unshared() ? draw_many(NULL) : 3;
}

TEST(served_without_system_calls_in_a_time_namespace)
{
	struct watch watch;
	struct calls calls;

	ASSERT_TRUE(watch_work(&watch, vgr.page));
	work.len = 40;
	work.draws = 1000;
	if (!unshare_time())
		SKIP(return, "time namespace: not permitted, or no TIME_NS");
	if (!count_calls(draw_in_time_namespace, NULL, &watch, &calls))
		SKIP(return, "time namespace: tracing not permitted");
	EXPECT_EQ(0, calls.status);
	EXPECT_EQ(0, calls.handed);
	EXPECT_LE(calls.reseeds, 4);
	EXPECT_EQ(0, vgr_repeats(work.buffer, work.len));
}

static int draw_denied(void *unused)
{
	void *state = warm_state();
	size_t i;

	if (!state)
		return 1;
	if (!filter_getrandom(SECCOMP_RET_ERRNO | EPERM))
		return KSFT_SKIP;
	/* A warm state serves draws until the kernel reseeds. */
	for (i = 0; i < work.draws; i++) {
		ssize_t ret = vgr_draw(work.buffer, work.len, state);

		if (ret != (ssize_t)work.len && ret != -EPERM)
			return 2;
	}
	/* A wiped one does not. */
	for (i = 0; i < work.draws; i++) {
		vgr_wipe(state);
		if (vgr_draw(work.buffer, work.len, state) != -EPERM)
			return 3;
	}
	return 0;
}

TEST(seccomp_that_denies_ends_in_eperm_and_no_loop)
{
	struct watch watch;
	struct calls calls;

	ASSERT_TRUE(watch_work(&watch, vgr.page));
	work.len = 40;
	work.draws = 100;
	if (!count_calls(draw_denied, NULL, &watch, &calls))
		SKIP(return, "seccomp: tracing not permitted");
	if (calls.status == KSFT_SKIP)
		SKIP(return, "seccomp: no filters");
	EXPECT_EQ(0, calls.status);
	EXPECT_LE(calls.handed, 2 * work.draws);
	/* One for each draw, which then falls back, and those for the warm state */
	EXPECT_LE(calls.reseeds, calls.handed + 2);
}

/* The number of draws from a warm state, and from a wiped one */
static struct {
	unsigned int warm;
	unsigned int fresh;
} *survived;

static int draw_until_killed(void)
{
	unsigned char output[40];
	void *state = warm_state();

	if (!state)
		return 1;
	if (!filter_getrandom(SECCOMP_RET_KILL_PROCESS))
		return KSFT_SKIP;
	while (survived->warm < 100) {
		if (vgr_draw(output, sizeof(output), state) != sizeof(output))
			return 2;
		survived->warm++;
	}
	vgr_wipe(state);
	vgr_draw(output, sizeof(output), state);
	survived->fresh++;
	return 0;
}

TEST(seccomp_that_kills_does_so_only_for_a_new_key)
{
	unsigned int try;
	int status = -1;
	pid_t pid;

	survived = shared_alloc(sizeof(*survived));
	ASSERT_NE(NULL, survived);
	/* The kernel may reseed meanwhile, but not each time. */
	for (try = 0; try < 5 && survived->warm < 100; try++) {
		survived->warm = 0;
		pid = fork();
		if (!pid)
			_exit(draw_until_killed());
		status = reap(pid);
		if (status == KSFT_SKIP)
			SKIP(return, "seccomp: no filters");
	}
	EXPECT_EQ(128 + SIGSYS, status);
	EXPECT_EQ(100, survived->warm);
	EXPECT_EQ(0, survived->fresh);
}

static struct {
	unsigned int signals;
	unsigned int outside;	/* of these, with an address outside the vDSO */
} trapped;

/* Like a sandbox, decide on the result of the system call. */
static void on_sigsys(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	trapped.signals++;
	if (!vgr_in_vdso((uintptr_t)info->si_call_addr))
		trapped.outside++;
	UC_RET(uc) = -ENOSYS;
}

TEST(seccomp_that_traps_ends_in_what_the_handler_says)
{
	const unsigned int draws = 100;
	void *state = warm_state();
	unsigned char output[40];
	unsigned int i;

	ASSERT_NE(NULL, state);
	catch(SIGSYS, on_sigsys, 0);
	if (!filter_getrandom(SECCOMP_RET_TRAP))
		SKIP(return, "seccomp: no filters");
	for (i = 0; i < draws; i++) {
		ASSERT_EQ(0, vgr_wipe(state));
		EXPECT_EQ(-ENOSYS, vgr_draw(output, sizeof(output), state));
	}
	/* One signal for the fetch of a key, and one for the fallback */
	EXPECT_GE(trapped.signals, draws);
	EXPECT_LE(trapped.signals, 2 * draws);
	EXPECT_EQ(0, trapped.outside);
}

/*
 * Unusual states
 */

TEST(state_of_wrong_length_goes_to_the_system_call)
{
	const size_t size = vgr.params.size_of_opaque_state;
	const size_t lens[] = {
		0, 1, size / 2, size - 64, size - 1, size + 1, size + 64,
		size * 2, vgr.page, UINT_MAX, (1UL << 32) + size, SSIZE_MAX,
		VGR_QUERY - 1, VGR_QUERY,
	};
	unsigned char output[100], *state;
	size_t i;

	state = fenced_alloc(vgr.page);
	ASSERT_NE(NULL, state);
	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		if (lens[i] == size)
			continue;
		EXPECT_EQ(sizeof(output), vgr.call(output, sizeof(output), 0,
						   state, lens[i]));
		EXPECT_EQ(0, vgr_repeats(output, sizeof(output)));
		EXPECT_TRUE(all_bytes(state, vgr.page, 0)) {
			TH_LOG("opaque_len %zu: state used", lens[i]);
		}
	}
	/* Then the address of the state does not matter, either. */
	EXPECT_EQ(sizeof(output), vgr.call(output, sizeof(output), 0, NULL, 0));
	EXPECT_EQ(sizeof(output), vgr.call(output, sizeof(output), 0,
					   state + vgr.page, 0));
}

TEST(state_null_is_served_or_faults_there)
{
	const size_t size = vgr.params.size_of_opaque_state;
	unsigned char output[40];
	ssize_t ret = draw_or_fault(output, sizeof(output), NULL, size);

	if (ret == FAULTED) {
		EXPECT_LT(fault.address, vgr.page);
	} else {
		EXPECT_EQ(sizeof(output), ret);
		EXPECT_EQ(0, vgr_repeats(output, sizeof(output)));
	}
}

/*
 * Draws from a state at an offset into two pages must be correct, and leave the rest
 * of the pages alone.
 */
static const char *try_state_at(unsigned char *pages, size_t offset)
{
	const size_t size = vgr.params.size_of_opaque_state;
	const size_t lens[] = { 4, 100, 1, 700 };
	unsigned char *state = pages + offset;
	unsigned char output[700];
	size_t i;

	memset(pages, GUARD, 2 * vgr.page);
	memset(state, 0, size);
	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		if (vgr_draw(output, lens[i], state) != (ssize_t)lens[i])
			return "wrong return value";
		if (vgr_repeats(output, lens[i]))
			return "output repeats itself or is zero";
	}
	if (!all_bytes(pages, offset, GUARD) ||
	    !all_bytes(state + size, 2 * vgr.page - offset - size, GUARD))
		return "memory beside the state written";
	return fine;
}

/* The kernel can drop half of such a state, so the vDSO must not use it. */
static bool state_crosses(size_t offset)
{
	return offset < vgr.page && offset + vgr.params.size_of_opaque_state > vgr.page;
}

TEST(state_misaligned_is_served)
{
	unsigned char *pages = fenced_alloc(2 * vgr.page);
	size_t offset;

	ASSERT_NE(NULL, pages);
	for (offset = 0; offset < 64; offset++) {
		ASSERT_STREQ(fine, try_state_at(pages, offset)) {
			TH_LOG("offset %zu", offset);
		}
	}
}

TEST(state_across_a_page_boundary_is_served_and_left_alone)
{
	const size_t size = vgr.params.size_of_opaque_state;
	unsigned char *pages = fenced_alloc(2 * vgr.page);
	size_t over;

	ASSERT_NE(NULL, pages);
	for (over = 0; over <= size; over++) {
		const size_t offset = vgr.page - size + over;

		ASSERT_STREQ(fine, try_state_at(pages, offset)) {
			TH_LOG("%zu bytes across", over);
		}
		EXPECT_TRUE(!state_crosses(offset) || all_bytes(pages + offset, size, 0));
	}
}

/*
 * Draw from a state with arbitrary contents. The output need not be random, but the
 * return value must be correct, and nothing may be written except the buffer and the
 * state.
 */
static const char *try_garbage(unsigned char *page, size_t offset,
			       const unsigned char *contents)
{
	const size_t size = vgr.params.size_of_opaque_state;
	const size_t lens[] = { 1, 4, 33, 600 };
	unsigned char area[64 + 600 + 64];
	ssize_t ret;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		memcpy(page + offset, contents, size);
		memset(area, GUARD, sizeof(area));
		ret = draw_or_fault(area + 64, lens[i], page + offset, size);
		if (ret == FAULTED)
			return "memory outside of the state accessed";
		if (ret != (ssize_t)lens[i])
			return "wrong return value";
		if (!all_bytes(area, 64, GUARD) ||
		    !all_bytes(area + 64 + lens[i], 64, GUARD))
			return "memory beside the buffer written";
		if (!all_bytes(page, offset, GUARD) ||
		    !all_bytes(page + offset + size, vgr.page - offset - size,
			       GUARD))
			return "memory beside the state written";
	}
	return fine;
}

TEST(state_with_any_contents_is_harmless)
{
	const uint32_t values[] = {
		0, 1, 63, 255, 256, 0x7fffffff, 0x80000000, 0xffffffff,
	};
	const size_t size = vgr.params.size_of_opaque_state;
	/* The fence right after the state, then right before it */
	const size_t offsets[] = { vgr.page - size, 0 };
	unsigned char warm[size], contents[size], *page;
	size_t place, offset, at, i;

	page = fenced_alloc(vgr.page);
	ASSERT_NE(NULL, page);
	ASSERT_EQ(1, vgr_draw(warm, 1, page));
	memcpy(warm, page, size);

	for (place = 0; place < ARRAY_SIZE(offsets); place++) {
		offset = offsets[place];
		memset(page, GUARD, vgr.page);

		/* Each word of a warm state, with values near limits */
		for (i = 0; i < size / 4 * ARRAY_SIZE(values); i++) {
			const uint32_t *value = &values[i % ARRAY_SIZE(values)];

			at = i / ARRAY_SIZE(values) * 4;
			memcpy(contents, warm, size);
			memcpy(contents + at, value, sizeof(*value));
			ASSERT_STREQ(fine, try_garbage(page, offset,
						       contents)) {
				TH_LOG("%#x at %zu", *value, at);
			}
		}
		/* All bytes the same */
		for (i = 0; i < 256; i++) {
			memset(contents, i, size);
			ASSERT_STREQ(fine, try_garbage(page, offset,
						       contents)) {
				TH_LOG("%#zx everywhere", i);
			}
		}
		/* Half of a warm state, half of a fixed sequence */
		srandom(1);
		for (i = 0; i < 300; i++) {
			for (at = 0; at < size; at++)
				contents[at] = random() & 256 ? random() :
								warm[at];
			ASSERT_STREQ(fine, try_garbage(page, offset,
						       contents)) {
				TH_LOG("sequence %zu", i);
			}
		}
	}
}

TEST(state_wiped_between_calls_never_repeats)
{
	unsigned char output[200 * 40];
	size_t n = 0, len, i;
	void *state;

	state = warm_state();
	ASSERT_NE(NULL, state);
	for (i = 0; i < 200; i++) {
		len = i % 40 + 1;
		ASSERT_TRUE(i % 3 == 0 || !vgr_wipe(state));
		ASSERT_EQ(len, vgr_draw(output + n, len, state));
		n += len;
	}
	EXPECT_EQ(0, vgr_repeats(output, n));
}

/* A thread that wipes a state while another thread draws from it */
struct wiper {
	void *state;
	atomic_uint draws;	/* whole draws so far */
	atomic_bool quit;
	unsigned int wipes;
};

static void *wipe_while_drawn(void *arg)
{
	struct wiper *wiper = arg;
	unsigned int seen = 0, delay = 1;
	volatile unsigned int spin;

	while (!atomic_load(&wiper->quit)) {
		/* Wait until the other thread has recovered from the last wipe. */
		if (atomic_load(&wiper->draws) - seen < 2) {
			sched_yield();
			continue;
		}
		seen = atomic_load(&wiper->draws);
		/* Do not always wipe at the same point of a draw. */
		delay = delay * 69069 + 1;
		for (spin = 0; spin < delay >> 22; spin++)
			;
		vgr_wipe(wiper->state);
		wiper->wipes++;
	}
	return NULL;
}

/*
 * Draw until there have been @wipes wipes. Look for zeros everywhere, and for
 * repetitions at the start of each draw.
 */
static const char *try_while_wiped(struct wiper *wiper, unsigned int wipes)
{
	static const size_t lens[] = { 40, 300, 16, 1000 };
	static const unsigned char zeros[16];
	unsigned char output[1000];
	unsigned int i;

	for (i = 0; wiper->wipes < wipes; i++) {
		const size_t len = lens[i % ARRAY_SIZE(lens)];

		if (vgr_draw(output, len, wiper->state) != (ssize_t)len)
			return "wrong return value";
		if (memmem(output, len, zeros, sizeof(zeros)))
			return "zeros";
		/* There is no room to remember all draws. */
		if (i < 20000 && vgr_repeats(output, 16))
			return "output repeats itself";
		atomic_fetch_add(&wiper->draws, 1);
	}
	return fine;
}

TEST(state_wiped_by_another_thread_never_repeats)
{
	const unsigned int wipes = 500;
	struct wiper wiper = { .state = warm_state() };
	const char *wrong;
	pthread_t thread;

	ASSERT_NE(NULL, wiper.state);
	ASSERT_EQ(0, pthread_create(&thread, NULL, wipe_while_drawn, &wiper));
	wrong = try_while_wiped(&wiper, wipes);
	atomic_store(&wiper.quit, true);
	ASSERT_EQ(0, pthread_join(thread, NULL));
	ksft_print_msg("%u wipes, %u draws\n", wiper.wipes,
		       atomic_load(&wiper.draws));
	EXPECT_STREQ(fine, wrong);
}

/*
 * Processes and threads
 */

#define FAMILY	4
#define SHARE	512

/* Draw, fork, and go on drawing in both, down to the last generation. */
static bool family_draw(unsigned char *output, int generation, void *state)
{
	unsigned char *own = output + generation * SHARE;
	pid_t pid;

	/* Fork with a warm state, at another point of the batch each time. */
	if (vgr_draw(own, generation + 1, state) != generation + 1)
		return false;
	if (generation + 1 < FAMILY) {
		pid = fork();
		if (!pid)
			_exit(!family_draw(output, generation + 1, state));
		if (pid < 0 || reap(pid))
			return false;
	}
	own += generation + 1;
	return vgr_draw(own, SHARE - FAMILY, state) == SHARE - FAMILY;
}

/* Have a family draw, and look for repetitions in all output. */
static bool try_family(unsigned char *output, void *state)
{
	size_t i;

	if (!family_draw(output, 0, state))
		return false;
	for (i = 0; i < FAMILY; i++)
		if (vgr_repeats(output + i * SHARE, SHARE - FAMILY + i + 1))
			return false;
	return true;
}

TEST(fork_children_and_parents_draw_different_bytes)
{
	unsigned char *output = shared_alloc(FAMILY * SHARE);
	void *state;
	int i;

	state = warm_state();
	ASSERT_TRUE(output && state);
	for (i = 0; i < 20; i++)
		ASSERT_TRUE(try_family(output, state));
}

static struct {
	unsigned char *output;
	void *state;
	bool ok;
} in_thread;

static void *family_in_thread(void *unused)
{
	in_thread.ok = try_family(in_thread.output, in_thread.state);
	return NULL;
}

TEST(fork_in_a_thread_draws_different_bytes)
{
	pthread_t thread;
	int i;

	for (i = 0; i < 10; i++) {
		in_thread.output = shared_alloc(FAMILY * SHARE);
		in_thread.state = warm_state();
		ASSERT_TRUE(in_thread.output && in_thread.state);
		ASSERT_EQ(0, pthread_create(&thread, NULL, family_in_thread,
					    NULL));
		ASSERT_EQ(0, pthread_join(thread, NULL));
		ASSERT_TRUE(in_thread.ok);
	}
}

static int draw_sharing_memory(void *output)
{
	return vgr_draw(output, SHARE, in_thread.state) != SHARE;
}

TEST(vfork_child_draws_on_in_its_parents_state)
{
	unsigned char before[SHARE], child[SHARE], after[SHARE];
	unsigned char *stack = fenced_alloc(64 * 1024);
	pid_t pid;

	in_thread.state = warm_state();
	ASSERT_TRUE(stack && in_thread.state);
	ASSERT_EQ(SHARE, vgr_draw(before, SHARE, in_thread.state));
	pid = clone(draw_sharing_memory, stack + 64 * 1024,
		    CLONE_VM | CLONE_VFORK | SIGCHLD, child);
	ASSERT_EQ(0, reap(pid));
	ASSERT_EQ(SHARE, vgr_draw(after, SHARE, in_thread.state));
	EXPECT_EQ(0, vgr_repeats(before, SHARE));
	EXPECT_EQ(0, vgr_repeats(child, SHARE));
	EXPECT_EQ(0, vgr_repeats(after, SHARE));
}

#define THREADS		64
#define THREAD_OUTPUT	4000

static pthread_barrier_t start_line;

static void *draw_in_thread(void *arg)
{
	void *state = vgr_pool_get(&pool);
	unsigned char *output = arg;
	size_t n, i;

	pthread_barrier_wait(&start_line);
	for (n = 0, i = 0; n < THREAD_OUTPUT; i++) {
		size_t len = i % 67 + 1;

		if (len > THREAD_OUTPUT - n)
			len = THREAD_OUTPUT - n;
		if (!state || vgr_draw(output + n, len, state) != (ssize_t)len)
			return NULL;
		n += len;
	}
	return arg;
}

TEST(threads_with_a_state_each_draw_different_bytes)
{
	static unsigned char output[THREADS][THREAD_OUTPUT];
	pthread_t threads[THREADS];
	size_t i;

	ASSERT_TRUE(vgr_pool_open(&pool, THREADS));
	pthread_barrier_init(&start_line, NULL, THREADS);
	for (i = 0; i < THREADS; i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, draw_in_thread,
					    output[i]));
	for (i = 0; i < THREADS; i++) {
		void *done;

		ASSERT_EQ(0, pthread_join(threads[i], &done));
		ASSERT_NE(NULL, done);
	}
	for (i = 0; i < THREADS; i++)
		EXPECT_EQ(0, vgr_repeats(output[i], THREAD_OUTPUT));
}

/*
 * Switched off
 */

/* The query is refused, and writes nothing. */
static bool off_refuses_the_query(void)
{
	struct vgetrandom_opaque_params params;

	memset(&params, GUARD, sizeof(params));
	return vgr.call(NULL, 0, 0, &params, VGR_QUERY) == -EOPNOTSUPP &&
	       all_bytes((void *)&params, sizeof(params), GUARD);
}

/*
 * A process may draw all the same, for example if it was migrated from a kernel that
 * has the function switched on. Such a draw must return what the system call returns
 * and leave the state alone, for any length of the state.
 */
static bool off_leaves_draws_to_the_system_call(void)
{
	unsigned char *state = fenced_alloc(vgr.page);
	unsigned char output[100];
	unsigned int flags;
	size_t len;

	if (!state)
		return false;
	for (len = 0; len <= vgr.page; len++) {
		if (vgr.call(output, sizeof(output), 0, state, len) !=
		    sizeof(output) || vgr_repeats(output, sizeof(output)))
			return false;
		for (flags = 0; flags < 16; flags++)
			if (vgr.call(output, 1, flags, state, len) !=
			    vgr_syscall(output, 1, flags))
				return false;
	}
	return all_bytes(state, vgr.page, 0);
}

static int test_off(void)
{
	if (!told_to_be_off())
		ksft_exit_skip("boot with random.vdso_getrandom=off\n");
	ksft_print_header();
	ksft_set_plan(2);
	ksft_test_result(off_refuses_the_query(), "off: refuses the query\n");
	ksft_test_result(off_leaves_draws_to_the_system_call(),
			 "off: leaves draws to the system call\n");
	return ksft_get_fail_cnt() ? ksft_exit_fail() : ksft_exit_pass();
}

/*
 * Timing
 */

struct subject {
	const char *name;
	ssize_t (*draw)(void *buffer, size_t len, void *state);
};

static ssize_t draw_libc(void *buffer, size_t len, void *state)
{
	return getrandom(buffer, len, 0);
}

static ssize_t draw_syscall(void *buffer, size_t len, void *state)
{
	return syscall(__NR_getrandom, buffer, len, 0);
}

static const struct subject subjects[] = {
	{ "vdso",    vgr_draw },
	{ "libc",    draw_libc },
	{ "syscall", draw_syscall },
};

static struct {
	const struct subject *subject;
	size_t len;
	unsigned long times;
	unsigned int threads;
} bench;

static void *bench_thread(void *state)
{
	unsigned char buffer[4096];
	unsigned long i;

	pthread_barrier_wait(&start_line);
	for (i = 0; i < bench.times; i++)
		if (bench.subject->draw(buffer, bench.len, state) !=
		    (ssize_t)bench.len)
			return NULL;
	return state;
}

/* The seconds that all threads take to draw bench.times times each */
static double bench_once(void **states)
{
	pthread_t threads[bench.threads];
	double start;
	unsigned int i;

	pthread_barrier_init(&start_line, NULL, bench.threads + 1);
	for (i = 0; i < bench.threads; i++)
		if (pthread_create(&threads[i], NULL, bench_thread, states[i]))
			ksft_exit_fail_msg("cannot make a thread\n");
	pthread_barrier_wait(&start_line);
	start = seconds();
	for (i = 0; i < bench.threads; i++) {
		void *done;

		pthread_join(threads[i], &done);
		if (!done)
			ksft_exit_fail_msg("%s: a draw failed\n",
					   bench.subject->name);
	}
	pthread_barrier_destroy(&start_line);
	return seconds() - start;
}

/* Time one subject for about @target seconds, regardless of the machine's speed. */
static void bench_subject(void **states, double target)
{
	double took;

	for (bench.times = 64;; bench.times *= 4) {
		took = bench_once(states);
		if (took > target / 20)
			break;
	}
	bench.times = bench.times * (target / took) + 1;
	took = bench_once(states);
	printf("%8s: %lu times in %.3f seconds (%.1f ns each)\n",
	       bench.subject->name, bench.times, took,
	       took * 1e9 / bench.times);
}

static int bench_all(unsigned int threads)
{
	const size_t lens[] = { 4, 32, 256, 4096 };
	void *states[threads];
	size_t i, j;

	/* Give each thread a page, so that no two share a cache line. */
	for (i = 0; i < threads; i++) {
		states[i] = warm_state();
		if (!states[i])
			ksft_exit_fail_msg("no memory for a state\n");
	}
	bench.threads = threads;
	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		bench.len = lens[i];
		printf("%zu bytes, %u %s:\n", lens[i], threads,
		       threads == 1 ? "thread" : "threads, each");
		for (j = 0; j < ARRAY_SIZE(subjects); j++) {
			bench.subject = &subjects[j];
			bench_subject(states, i ? 0.25 : 1.0);
		}
	}
	return KSFT_PASS;
}

int main(int argc, char **argv)
{
	find_vgetrandom();
	if (argc == 2 && !strcmp(argv[1], "off"))
		return test_off();
	need_vgetrandom();
	if (argc == 2 && !strcmp(argv[1], "bench-single"))
		return bench_all(1);
	if (argc == 2 && !strcmp(argv[1], "bench-multi"))
		return bench_all(sysconf(_SC_NPROCESSORS_ONLN));
	if (argc != 1) {
		fprintf(stderr, "Usage: %s [off|bench-single|bench-multi]\n",
			argv[0]);
		return KSFT_FAIL;
	}
	return test_harness_run(argc, argv);
}
