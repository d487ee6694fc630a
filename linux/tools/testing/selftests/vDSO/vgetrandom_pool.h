/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vgetrandom_pool.h: a pool of random bytes that notices reseeds, clones and wipes
 *
 * This is the example in Documentation/userspace-api/rng-events.rst, and needs no
 * other header of the selftests. A pool is for one thread, and not for signal handlers.
 */
#ifndef VGETRANDOM_POOL_H
#define VGETRANDOM_POOL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/types.h>

#include <linux/mman.h>

#define POOL_SIZE	4096

/* Updates the cookie. Returns 0 if it was current, so nothing has happened. */
typedef ssize_t (*pool_ask_t)(uint64_t *cookie);

/*
 * The kernel may wipe the page at any time, and a child of fork() finds it wiped.
 * The cookie is in the same page, so it is then zero, which stands for "never".
 */
struct pool {
	uint64_t cookie;
	size_t left;
	unsigned char bytes[POOL_SIZE - sizeof(uint64_t) - sizeof(size_t)];
};

static inline struct pool *pool_open(void)
{
	void *page = mmap(NULL, sizeof(struct pool), PROT_READ | PROT_WRITE,
			  MAP_DROPPABLE | MAP_ANONYMOUS, -1, 0);

	return page == MAP_FAILED ? NULL : page;
}

/*
 * The cookie is older than the bytes, so as long as it is current, they are good. It
 * has to be stored first: a wipe at any later point then leaves zero. Stored last, it
 * would make a wiped page look good.
 */
static inline bool pool_refill(struct pool *pool, uint64_t cookie)
{
	ssize_t got;

	pool->left = 0;
	pool->cookie = cookie;
	got = getrandom(pool->bytes, sizeof(pool->bytes), 0);
	if (got < 0)
		return false;
	pool->left = got;
	return true;
}

/* Take bytes off the end of the pool, if there are enough. */
static inline bool pool_take(struct pool *pool, void *out, size_t len)
{
	size_t left = pool->left;

	if (left < len || left > sizeof(pool->bytes))
		return false;
	left -= len;
	pool->left = left;
	memcpy(out, pool->bytes + left, len);
	memset(pool->bytes + left, 0, len);
	return true;
}

/* Has the page not been wiped, and the kernel's generator not been reseeded? */
static inline bool pool_is_current(const struct pool *pool, pool_ask_t ask)
{
	uint64_t cookie;

	/* The compiler knows of no wipe: have it load the cookie after the bytes. */
	atomic_signal_fence(memory_order_seq_cst);
	cookie = pool->cookie;
	return cookie && !ask(&cookie);
}

/**
 * pool_draw() - draw from a pool
 * @pool:	from pool_open()
 * @out:	where to write
 * @len:	how many bytes, at most as many as fit in a pool
 * @ask:	asks for the cookie, in the vDSO or by system call
 *
 * The bytes are good, and nobody else has them, as of the second check. What happens
 * after that is up to the caller.
 *
 * Return: false if there are no bytes.
 */
static inline bool pool_draw(struct pool *pool, void *out, size_t len, pool_ask_t ask)
{
	if (len > sizeof(pool->bytes))
		return false;
	for (;;) {
		uint64_t cookie = pool->cookie;
		ssize_t changed = ask(&cookie);

		if (changed < 0 || (changed && !pool_refill(pool, cookie)))
			return false;
		if (!pool_take(pool, out, len))
			pool->cookie = 0;	/* used up: the next turn refills it */
		else if (pool_is_current(pool, ask))
			return true;
	}
}

#endif /* VGETRANDOM_POOL_H */
