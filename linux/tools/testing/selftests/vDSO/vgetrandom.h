/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vgetrandom.h: the vDSO's getrandom(), for its tests
 *
 * Find the function, query its parameters, allocate states for it the way a C
 * library does, and remember all output to detect repetitions.
 */
#ifndef VGETRANDOM_H
#define VGETRANDOM_H

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include <linux/mman.h>
#include <linux/random.h>

#include "parse_vdso.h"
#include "vdso_test_arch.h"

#define VGR_QUERY	(~0UL)		/* opaque_len of a parameter query */

typedef ssize_t (*vgetrandom_t)(void *buffer, size_t len, unsigned int flags,
				void *opaque_state, size_t opaque_len);

/* Addresses from @start up to, but not including, @end */
struct vgr_range {
	unsigned long start;
	unsigned long end;
};

/**
 * struct vgr - the function under test; constant once vgr_find() has filled it in
 * @call:	the vDSO's getrandom(), or NULL
 * @params:	its answer to the parameter query
 * @query:	the return value of the parameter query
 * @vdso:	the addresses of the vDSO
 * @page:	the page size in bytes
 */
struct vgr {
	vgetrandom_t call;
	struct vgetrandom_opaque_params params;
	ssize_t query;
	struct vgr_range vdso;
	size_t page;
};

static struct vgr vgr;

/**
 * vgr_mappings() - find mappings of this process by name
 * @name:	a part of their names
 * @range:	to be filled with their addresses
 * @max:	number of elements of @range
 *
 * Return: the number of mappings found, at most @max.
 */
static inline size_t vgr_mappings(const char *name, struct vgr_range *range,
				  size_t max)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[512];
	size_t n = 0;

	if (!maps)
		return 0;
	while (n < max && fgets(line, sizeof(line), maps))
		if (strstr(line, name) &&
		    sscanf(line, "%lx-%lx", &range[n].start,
			   &range[n].end) == 2)
			n++;
	fclose(maps);
	return n;
}

/**
 * vgr_find() - find the vDSO's getrandom() and fill in vgr
 *
 * Return: true if the vDSO has the symbol. vgr.query tells whether it works.
 */
static inline bool vgr_find(void)
{
	unsigned long ehdr = getauxval(AT_SYSINFO_EHDR);

	vgr.page = sysconf(_SC_PAGESIZE);
	if (!ehdr)
		return false;
	vdso_init_from_sysinfo_ehdr(ehdr);
	vgr.call = (vgetrandom_t)vdso_sym(VGR_VERSION, VGR_NAME);
	if (!vgr.call)
		return false;
	vgr_mappings("[vdso]", &vgr.vdso, 1);
	vgr.query = vgr.call(NULL, 0, 0, &vgr.params, VGR_QUERY);
	return true;
}

/* Is this user-space address inside the vDSO? */
static inline bool vgr_in_vdso(uintptr_t address)
{
	return address >= vgr.vdso.start && address < vgr.vdso.end;
}

/* Draw from a state, as a C library does for getrandom(). */
static inline ssize_t vgr_draw(void *buffer, size_t len, void *state)
{
	return vgr.call(buffer, len, 0, state, vgr.params.size_of_opaque_state);
}

/* The system call itself. Like the vDSO's function, it returns errors as -errno. */
static inline ssize_t vgr_syscall(void *buffer, size_t len, unsigned int flags)
{
	ssize_t ret = syscall(__NR_getrandom, buffer, len, flags);

	return ret < 0 ? -errno : ret;
}

/**
 * struct vgr_pool - states for several threads, none of them across a page boundary
 * @base:	the mapping
 * @len:	its length in bytes
 * @stride:	distance between two states in a page, in bytes
 * @per_page:	states in a page
 * @used:	states handed out so far; vgr_pool_get() may run in any thread
 */
struct vgr_pool {
	unsigned char *base;
	size_t len;
	size_t stride;
	size_t per_page;
	atomic_size_t used;
};

/**
 * vgr_pool_open() - map memory for states with the parameters that the query returned
 * @pool:	to be filled in
 * @states:	the least number of states that it must hold
 *
 * Return: false, with errno set, if there is no memory.
 */
static inline bool vgr_pool_open(struct vgr_pool *pool, size_t states)
{
	const size_t line = 64;

	pool->stride = (vgr.params.size_of_opaque_state + line - 1) & -line;
	pool->per_page = vgr.page / pool->stride;
	pool->len = (states + pool->per_page - 1) / pool->per_page * vgr.page;
	pool->used = 0;
	pool->base = mmap(NULL, pool->len, vgr.params.mmap_prot,
			  vgr.params.mmap_flags, -1, 0);
	return pool->base != MAP_FAILED;
}

/* The next unused state, or NULL if none is left */
static inline void *vgr_pool_get(struct vgr_pool *pool)
{
	size_t i = atomic_fetch_add(&pool->used, 1);
	size_t page = i / pool->per_page;

	if ((page + 1) * vgr.page > pool->len)
		return NULL;
	return pool->base + page * vgr.page + i % pool->per_page * pool->stride;
}

/* Drop the page under a state, as reclaim does under memory pressure. */
static inline int vgr_wipe(void *state)
{
	void *page = (void *)((uintptr_t)state & -vgr.page);

	return madvise(page, vgr.page, MADV_DONTNEED);
}

/*
 * A set of 16-byte windows, or of anything that fits, to detect repetitions. It is a
 * hash table with 2^bits slots, all zero when the set is empty. Slot 0 holds the
 * number of windows. Lookups slow down as the table fills, and do not end when it is
 * full. Zero is always a member.
 */
#define VGR_WINDOW	16

typedef unsigned __int128 vgr_window_t;

static inline size_t vgr_set_slot(const vgr_window_t *set, unsigned int bits,
				  vgr_window_t window)
{
	uint64_t mixed = (uint64_t)window ^ (uint64_t)(window >> 64) * 3;
	size_t i = mixed * 0x9e3779b97f4a7c15 >> (64 - bits);

	while (!i || (set[i] && set[i] != window))
		i = (i + 1) & ((1UL << bits) - 1);
	return i;
}

static inline bool vgr_set_has(const vgr_window_t *set, unsigned int bits,
			       vgr_window_t window)
{
	return !window || set[vgr_set_slot(set, bits, window)];
}

/* Is it more than half full? */
static inline bool vgr_set_is_filling(const vgr_window_t *set, unsigned int bits)
{
	return set[0] >> (bits - 1);
}

/* Returns false if it was a member already. */
static inline bool vgr_set_add(vgr_window_t *set, unsigned int bits,
			       vgr_window_t window)
{
	size_t i = vgr_set_slot(set, bits, window);

	if (!window || set[i])
		return false;
	set[i] = window;
	if (++set[0] > (1UL << bits) / 8 * 7)
		abort();
	return true;
}

/*
 * All output of all tests and processes. Random output of n bytes repeats a window
 * by chance with a probability of n^2 / 2^129. A run draws at most three million
 * bytes, for which this is one in 2^86.
 */
#define VGR_SEEN_BITS	22

static vgr_window_t *vgr_seen;

static inline bool vgr_seen_init(void)
{
	vgr_seen = mmap(NULL, sizeof(*vgr_seen) << VGR_SEEN_BITS,
			PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS |
			MAP_NORESERVE, -1, 0);
	return vgr_seen != MAP_FAILED;
}

/* The window that begins at @p */
static inline vgr_window_t vgr_window(const unsigned char *p)
{
	vgr_window_t window;

	memcpy(&window, p, sizeof(window));
	return window;
}

/**
 * vgr_repeats() - remember output, and count repetitions of earlier output
 * @output:	the bytes drawn
 * @len:	their number; fewer than VGR_WINDOW are neither compared nor remembered
 *
 * Only one thread of one process may call it at a time.
 *
 * Return: the number of windows that repeat earlier output or are all zeros.
 */
static inline size_t vgr_repeats(const void *output, size_t len)
{
	const unsigned char *p = output;
	size_t repeats = 0, i;

	for (i = 0; i + VGR_WINDOW <= len; i++)
		repeats += !vgr_set_add(vgr_seen, VGR_SEEN_BITS, vgr_window(p + i));
	return repeats;
}

/*
 * Do two outputs share eight consecutive bytes, or the whole of the shorter output if
 * that has fewer? Two outputs of a kilobyte do so by chance once in 2^44 times, so
 * callers try again.
 */
static inline bool vgr_share(const void *a, size_t alen,
			     const void *b, size_t blen)
{
	const size_t common = sizeof(uint64_t);
	size_t shorter = alen < blen ? alen : blen;
	size_t window = shorter < common ? shorter : common;
	const unsigned char *p = a, *q = b;
	size_t i, j;

	for (i = 0; window && i + window <= alen; i++)
		for (j = 0; j + window <= blen; j++)
			if (!memcmp(p + i, q + j, window))
				return true;
	return false;
}

#endif /* VGETRANDOM_H */
