/* SPDX-License-Identifier: MIT */
/* The library's own source, so that a test can look at its states. */
#ifndef STATES_H
#define STATES_H

#include "tap.h"

/* Sanitizers do not stand thousands of threads, nor small stacks. */
#if SANITIZED
# define STATES		64
#endif
#include "../vgetrandom.c"

__attribute__((unused))
static size_t taken(void)
{
	size_t count = 0;

	for (size_t i = 0; i < STATES; i++)
		count += __atomic_load_n(&table.owner[i], __ATOMIC_SEQ_CST) != NULL;
	return count;
}

__attribute__((unused))
static size_t mapping_size(void)
{
	return (STATES + vgr.per_page - 1) / vgr.per_page * vgr.page_size;
}

/* The thread's state is as after a drop of its page. */
__attribute__((unused))
static void wipe(void)
{
	if (vgr.base && madvise(vgr.base, mapping_size(), MADV_DONTNEED))
		give_up("madvise");
}

/*
 * The same while other threads draw. MADV_DONTNEED flushes the TLBs too late for that: some
 * threads would go on with the old page when others have already used the new one, which
 * reclaim never does to droppable memory on this project's kernels. Nobody can touch the
 * memory while a new mapping takes its place. Raw, as the thread sanitizer takes mmap() for
 * a write.
 */
__attribute__((unused))
static void wipe_for_all(void)
{
	struct vgr_params params = {};

	if (!vgr.base)
		return;
	if (vgr.function(NULL, 0, 0, &params, ~0UL) ||
	    syscall(SYS_mmap, vgr.base, mapping_size(), params.mmap_prot,
		    params.mmap_flags | MAP_FIXED, -1, 0) != (long)vgr.base)
		give_up("mmap");
}

/* Threads with small stacks, as some tests start thousands */
__attribute__((unused))
static int try_to_start(pthread_t *thread, void *(*function)(void *), void *arg)
{
	static pthread_attr_t small;
	static bool ready;

	if (!ready) {
		pthread_attr_init(&small);
		pthread_attr_setstacksize(&small, SANITIZED ? 1 << 20 : 64 << 10);
		ready = true;
	}
	return pthread_create(thread, &small, function, arg);
}

__attribute__((unused))
static void start(pthread_t *thread, void *(*function)(void *), void *arg)
{
	errno = try_to_start(thread, function, arg);
	if (errno)
		give_up("pthread_create");
}

#endif /* STATES_H */
