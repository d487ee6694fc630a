// SPDX-License-Identifier: GPL-2.0
/*
 * What the processor counts, and the least that it needs for the rounds of ChaCha20:
 * a quarter round whose every instruction waits for the one before, and the same
 * instructions without any that waits.
 */
#define _GNU_SOURCE
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "processor.h"

static int leader = -1, member = -1;

static int open_counter(uint64_t what, int group)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_HARDWARE,
		.size = sizeof(attr),
		.config = what,
		.read_format = PERF_FORMAT_GROUP,
		.disabled = group < 0,
		.exclude_kernel = 1,
		.exclude_hv = 1,
	};

	return syscall(SYS_perf_event_open, &attr, 0, -1, group, 0);
}

bool counters_open(void)
{
	leader = open_counter(PERF_COUNT_HW_INSTRUCTIONS, -1);
	if (leader < 0)
		return false;
	member = open_counter(PERF_COUNT_HW_CPU_CYCLES, leader);
	if (member >= 0)
		return true;
	close(leader);
	return false;
}

void counters_start(void)
{
	ioctl(leader, PERF_EVENT_IOC_RESET, PERF_IOC_FLAG_GROUP);
	ioctl(leader, PERF_EVENT_IOC_ENABLE, PERF_IOC_FLAG_GROUP);
}

struct counts counters_stop(void)
{
	uint64_t values[3] = { 0 };		/* how many, then each */

	ioctl(leader, PERF_EVENT_IOC_DISABLE, PERF_IOC_FLAG_GROUP);
	if (read(leader, values, sizeof(values)) != sizeof(values))
		memset(values, 0, sizeof(values));
	return (struct counts){ .instructions = values[1], .cycles = values[2] };
}

void counters_close(void)
{
	close(member);
	close(leader);
}

#define TIMES	4000		/* halves of a quarter round that are timed as one */
#define TRIES	300

/* Lowest time of one out of TIMES, in ns */
#define LOWEST(code)							\
({									\
	struct timespec from, to;					\
	double best = 1e9, ns;						\
	int try, i;							\
									\
	for (try = 0; try < TRIES; try++) {				\
		clock_gettime(CLOCK_MONOTONIC, &from);			\
		for (i = 0; i < TIMES; i++)				\
			asm volatile(code : : : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", \
				     "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", \
				     "xmm12", "xmm13", "xmm14", "xmm15"); \
		clock_gettime(CLOCK_MONOTONIC, &to);			\
		ns = (to.tv_sec - from.tv_sec) * 1e9 + (to.tv_nsec - from.tv_nsec); \
		if (ns / TIMES < best)					\
			best = ns / TIMES;				\
	}								\
	best;								\
})

/*
 * Half a quarter round on registers a to d, with t as scratch. The second half takes as
 * long.
 */
#define HALF_AVX2(a, b, c, d, t)					\
	"vpaddd %%ymm" b ", %%ymm" a ", %%ymm" a "\n"			\
	"vpxor %%ymm" a ", %%ymm" d ", %%ymm" d "\n"			\
	"vpshufb %%ymm15, %%ymm" d ", %%ymm" d "\n"			\
	"vpaddd %%ymm" d ", %%ymm" c ", %%ymm" c "\n"			\
	"vpxor %%ymm" c ", %%ymm" b ", %%ymm" b "\n"			\
	"vpslld $12, %%ymm" b ", %%ymm" t "\n"				\
	"vpsrld $20, %%ymm" b ", %%ymm" b "\n"				\
	"vpor %%ymm" t ", %%ymm" b ", %%ymm" b "\n"

#define HALF_AVX512(v, a, b, c, d)					\
	"vpaddd %%" v b ", %%" v a ", %%" v a "\n"			\
	"vpxord %%" v a ", %%" v d ", %%" v d "\n"			\
	"vprold $16, %%" v d ", %%" v d "\n"				\
	"vpaddd %%" v d ", %%" v c ", %%" v c "\n"			\
	"vpxord %%" v c ", %%" v b ", %%" v b "\n"			\
	"vprold $12, %%" v b ", %%" v b "\n"

/* The same without any result that another one needs */
#define FREE_HALF_AVX2							\
	"vpaddd %%ymm14, %%ymm15, %%ymm0\n vpxor %%ymm14, %%ymm15, %%ymm1\n"	\
	"vpshufb %%ymm14, %%ymm15, %%ymm2\n vpaddd %%ymm14, %%ymm15, %%ymm3\n" \
	"vpxor %%ymm14, %%ymm15, %%ymm4\n vpslld $12, %%ymm15, %%ymm5\n"	\
	"vpsrld $20, %%ymm15, %%ymm6\n vpor %%ymm14, %%ymm15, %%ymm7\n"

#define FREE_HALF_AVX512(v)						\
	"vpaddd %%" v "14, %%" v "15, %%" v "0\n vpxord %%" v "14, %%" v "15, %%" v "1\n" \
	"vprold $16, %%" v "15, %%" v "2\n vpaddd %%" v "14, %%" v "15, %%" v "3\n" \
	"vpxord %%" v "14, %%" v "15, %%" v "4\n vprold $12, %%" v "15, %%" v "5\n"

/* x <<<= bits, with t as scratch */
#define ROTATE_SSE2(x, t, left, right)					\
	"movaps %%xmm" x ", %%xmm" t "\n pslld $" left ", %%xmm" x "\n"	\
	"psrld $" right ", %%xmm" t "\n por %%xmm" t ", %%xmm" x "\n"

/* A round of one block in rows a to d, which turn against each other, with t as scratch */
#define ROUND_SSE2(a, b, c, d, t)					\
	"pshufd $0x93, %%xmm" a ", %%xmm" a "\n paddd %%xmm" b ", %%xmm" a "\n" \
	"pshufd $0x4e, %%xmm" d ", %%xmm" d "\n pxor %%xmm" a ", %%xmm" d "\n" \
	"pshuflw $0xb1, %%xmm" d ", %%xmm" d "\n pshufhw $0xb1, %%xmm" d ", %%xmm" d "\n" \
	"pshufd $0x39, %%xmm" c ", %%xmm" c "\n paddd %%xmm" d ", %%xmm" c "\n" \
	"pxor %%xmm" c ", %%xmm" b "\n" ROTATE_SSE2(b, t, "12", "20")	\
	"paddd %%xmm" b ", %%xmm" a "\n pxor %%xmm" a ", %%xmm" d "\n"	\
	ROTATE_SSE2(d, t, "8", "24")					\
	"paddd %%xmm" d ", %%xmm" c "\n pxor %%xmm" c ", %%xmm" b "\n"	\
	ROTATE_SSE2(b, t, "7", "25")

/* The same instructions, which need no result of those on other registers */
#define FREE_ROTATE_SSE2(x, t, left, right)				\
	"movaps %%xmm15, %%xmm" t "\n pslld $" left ", %%xmm" x "\n"	\
	"psrld $" right ", %%xmm" t "\n por %%xmm15, %%xmm" x "\n"

#define FREE_ROUND_SSE2(a, b, c, d, t)					\
	"pshufd $0x93, %%xmm15, %%xmm" a "\n paddd %%xmm15, %%xmm" a "\n"	\
	"pshufd $0x4e, %%xmm15, %%xmm" d "\n pxor %%xmm15, %%xmm" d "\n"	\
	"pshuflw $0xb1, %%xmm15, %%xmm" d "\n pshufhw $0xb1, %%xmm15, %%xmm" d "\n" \
	"pshufd $0x39, %%xmm15, %%xmm" c "\n paddd %%xmm15, %%xmm" c "\n"	\
	"pxor %%xmm15, %%xmm" b "\n" FREE_ROTATE_SSE2(b, t, "12", "20")	\
	"paddd %%xmm15, %%xmm" a "\n pxor %%xmm15, %%xmm" d "\n"		\
	FREE_ROTATE_SSE2(d, t, "8", "24")				\
	"paddd %%xmm15, %%xmm" c "\n pxor %%xmm15, %%xmm" b "\n"		\
	FREE_ROTATE_SSE2(b, t, "7", "25")

#define FREE_ROUND_OF_THREE_SSE2					\
	FREE_ROUND_SSE2("0", "1", "2", "3", "12") FREE_ROUND_SSE2("4", "5", "6", "7", "13") \
	FREE_ROUND_SSE2("8", "9", "10", "11", "14")

#define QUARTER_ROUNDS	80	/* of twenty rounds in columns */
#define ROUNDS		20

struct roof roof_of(const char *level)
{
	struct roof roof = { 0 };

	if (!strcmp(level, "sse2")) {
		roof.blocks = 3;
		roof.latency = ROUNDS * LOWEST(ROUND_SSE2("0", "1", "2", "3", "12"));
		roof.work = ROUNDS * LOWEST(FREE_ROUND_OF_THREE_SSE2);
	} else if (!strcmp(level, "avx2")) {
		roof.blocks = 8;
		roof.latency = 2 * ROUNDS * LOWEST(HALF_AVX2("0", "1", "2", "3", "4"));
		roof.work = 2 * QUARTER_ROUNDS * LOWEST(FREE_HALF_AVX2);
	} else if (!strcmp(level, "avx512vl")) {
		roof.blocks = 8;
		roof.latency = 2 * ROUNDS * LOWEST(HALF_AVX512("ymm", "0", "1", "2", "3"));
		roof.work = 2 * QUARTER_ROUNDS * LOWEST(FREE_HALF_AVX512("ymm"));
	} else if (!strcmp(level, "avx512")) {
		roof.blocks = 16;
		roof.latency = 2 * ROUNDS * LOWEST(HALF_AVX512("zmm", "0", "1", "2", "3"));
		roof.work = 2 * QUARTER_ROUNDS * LOWEST(FREE_HALF_AVX512("zmm"));
	}
	if (roof.blocks > 3)
		asm volatile("vzeroupper");
	return roof;
}

double roof_ns(const struct roof *roof, unsigned int blocks)
{
	const unsigned int batches = (blocks + roof->blocks - 1) / roof->blocks;
	const double work = batches * roof->work;

	return work > roof->latency ? work : roof->latency;
}
