// SPDX-License-Identifier: MIT
/* api - the functions of the header keep their contracts. */
#define _GNU_SOURCE
#include "tap.h"
#include "../vgetrandom.h"

#ifndef GRND_NONBLOCK
# define GRND_NONBLOCK	1
#endif

static long raw(void *buf, size_t len, unsigned int flags)
{
	long result = syscall(SYS_getrandom, buf, len, flags);

	return result < 0 ? -errno : result;
}

static long cooked(void *buf, size_t len, unsigned int flags)
{
	long result = vgr_getrandom(buf, len, flags);

	return result < 0 ? -errno : result;
}

/* Each flag, each pair of flags, and a few lengths. Bit 3 is a cookie on some kernels. */
static void test_flags(void)
{
	static const size_t lengths[] = { 0, 1, 32, 256, 257, 5000 };
	int differ = 0, tried = 0;
	char a[5000], b[5000];

	for (int first = -1; first < 32; first++) {
		for (int second = -1; second <= first; second++) {
			unsigned int flags = (first < 0 ? 0 : 1u << first) |
					     (second < 0 ? 0 : 1u << second);

			for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
				memset(a, 0, sizeof(a));
				memset(b, 0, sizeof(b));
				if (raw(a, lengths[i], flags) != cooked(b, lengths[i], flags)) {
					if (!differ++)
						printf("# flags %#x, %zu bytes\n", flags, lengths[i]);
				}
				tried++;
			}
		}
	}
	check(!differ, "results are the system call's, for each flag and each pair # %d tried", tried);
}

static void test_lengths(void)
{
	enum { LONGEST = 70000, BORDER = 16 };
	unsigned char *buf = malloc(LONGEST + 2 * BORDER);
	int outside = 0, empty = 0, shorter = 0, tried = 0;

	for (size_t len = 1; len <= LONGEST; len += len < 700 ? 1 : 997) {
		int zeros = 0;

		memset(buf, 0, LONGEST + 2 * BORDER);
		if (vgr_getrandom(buf + BORDER, len, 0) != (ssize_t)len)
			shorter++;
		for (size_t i = 0; i < BORDER; i++)
			outside += buf[i] || buf[BORDER + len + i];
		/* 16 zeros in a row */
		for (size_t i = 0; i < len; i++) {
			zeros = buf[BORDER + i] ? 0 : zeros + 1;
			empty += zeros == 16;
		}
		tried++;
	}
	check(!shorter, "getrandom: all bytes of each length # %d lengths", tried);
	check(!outside, "getrandom: writes nothing outside the buffer");
	check(!empty, "getrandom: leaves no part of the buffer as it was");
	free(buf);
}

static void test_entropy(void)
{
	char buf[257] = {};

	check(vgr_getentropy(buf, 256) == 0, "getentropy: 256 bytes");
	errno = 0;
	check(vgr_getentropy(buf, 257) == -1 && errno == EIO, "getentropy: EIO for 257 bytes");
	check(vgr_getentropy(buf, 0) == 0, "getentropy: nothing");
}

static void test_errno(void)
{
	char buf[600];
	int changed = 0;

	for (size_t len = 0; len < sizeof(buf); len++) {
		errno = 4711;
		vgr_getrandom(buf, len, 0);
		vgr_random_buf(buf, len);
		vgr_random();
		vgr_random_uniform(1000);
		changed += errno != 4711;
	}
	check(!changed, "errno is left alone when nothing fails");
}

static void test_numbers(void)
{
	enum { BOUND = 6, DRAWS = 600000 };
	unsigned int counts[BOUND] = {}, draws = scaled(DRAWS);
	uint32_t any = 0, all = ~0u, bound = 3u << 30, upper = 0;
	double expected = draws / (double)BOUND, square = 0;

	for (int i = 0; i < 1000; i++) {
		uint32_t number = vgr_random();

		any |= number;
		all &= number;
	}
	check(any == ~0u && !all, "random: each bit is sometimes set and sometimes not");
	check(!vgr_random_uniform(0) && !vgr_random_uniform(1), "uniform: 0 for a bound of 0 or 1");
	for (unsigned int i = 0; i < draws; i++) {
		uint32_t number = vgr_random_uniform(BOUND);

		if (number >= BOUND) {
			check(false, "uniform: less than the bound");
			return;
		}
		counts[number]++;
	}
	for (int i = 0; i < BOUND; i++)
		square += (counts[i] - expected) * (counts[i] - expected) / expected;
	/* 5 degrees of freedom: exceeded once in 10^7 runs */
	check(square < 41, "uniform: six values, equally often # chi square %.1f", square);
	/*
	 * A quarter of all numbers is too much for this bound. Where they are not
	 * rejected, some values come up twice as often.
	 */
	draws = scaled(90000);
	for (unsigned int i = 0; i < draws; i++)
		upper += vgr_random_uniform(bound) % 3 == 0;
	expected = draws / 3.0;
	square = (upper - expected) * (upper - expected) / (expected * 2 / 3);
	check(square < 30, "uniform: no value twice as often, for a bound of 3/4 of all # square %.1f", square);
}

static void test_distinct(void)
{
	int count = scaled(200000);
	struct value *values = malloc(count * sizeof(*values));
	size_t wrong;

	for (int i = 0; i < count; i++)
		vgr_random_buf(&values[i], sizeof(*values));
	wrong = count_wrong(values, count);
	check(!wrong, "no value twice, and none zero # %d values, %zu wrong", count, wrong);
	free(values);
}

static void test_calls(bool ready)
{
	int draws = scaled(100000);
	unsigned long before;
	char buf[16];

	if (!count_calls()) {
		skip("no system calls", "they cannot be counted here");
		return;
	}
	before = calls();
	syscall(SYS_getrandom, buf, sizeof(buf), 0);
	check(calls() == before + 1, "a system call is counted");
	before = calls();
	for (int i = 0; i < draws; i++) {
		vgr_getrandom(buf, sizeof(buf), i % 6);
		vgr_random();
	}
	/* A reseed, by the clock or by somebody else, is one. */
	if (ready)
		check(calls() - before < 100,
		      "no system calls # %lu for %d draws", calls() - before, 2 * draws);
	else
		check(calls() - before == 2ul * draws,
		      "system calls, as there is no function # %lu for %d draws",
		      calls() - before, 2 * draws);
}

int main(int argc, char **argv)
{
	/* The caller may know better than this program. */
	bool offered = argc > 1 ? !strcmp(argv[1], "offered") : vdso_has_name();
	int result = vgr_prepare();

	if (offered)
		check(result == 0, "prepare: ready # %s", result ? strerror(errno) : "the vDSO has the function");
	else
		check(result == -1 && errno == ENOSYS, "prepare: ENOSYS, the vDSO lacks the function");
	check(vgr_prepare() == result, "prepare: the same again");
	test_flags();
	test_lengths();
	test_entropy();
	test_errno();
	test_numbers();
	test_distinct();
	test_calls(result == 0);
	return finish();
}
