// SPDX-License-Identifier: MIT
/*
 * Random bytes from the vDSO's getrandom(), see libvgetrandom(3).
 *
 * The vDSO needs a generator state for each thread, in memory of a kind that the
 * kernel drops rather than swaps, and clears in the child of a fork(). One mapping
 * of such memory is made when the library is loaded. It never grows, so no draw
 * makes a system call that a sandbox could forbid; threads for which no state is
 * left use the getrandom() system call.
 *
 * A state belongs to a slot, which lies in thread-local memory:
 *
 *               claim_state()                  take()
 *   no state ------------------> state, free <--------> state, busy
 *       ^                             |      put_back()      |
 *       |   return_state(), which clears the state           | the draw never ends:
 *       +-----------------------------+                      | a handler left it by
 *       |     when the thread ends                           | longjmp(), or similar
 *       +----------------------------------------------------+
 *
 * Nothing but "busy" keeps a signal handler from using the state of the draw that
 * it interrupted. The vDSO of Linux 6.11 and later tries, but its mark is in memory
 * that the kernel may drop. A handler that finds the slot busy makes the system
 * call. Whether the interrupted draw will ever continue cannot be known. If the slot
 * is found busy time and again, the thread moves on to another one. The old slot is
 * usable again once its draw has ended, and otherwise not before the thread ends.
 *
 * Nothing here takes a lock, allocates memory or blocks signals, and every function
 * may be interrupted anywhere, also by itself, and be left by longjmp().
 */
#ifndef _GNU_SOURCE
# define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "internal.h"
#include "vgetrandom.h"

/* Threads beyond this number make system calls. Unused states cost addresses only. */
#ifndef STATES
# define STATES		4096
#endif
/* Slots of a thread; more than one only after a draw that did not end. */
#define SLOTS		4
/* How often a thread may find its slot busy before it moves on to another one. */
#define PATIENCE	8
/*
 * The flags below this are those that the system call accepts since Linux 5.6:
 * any combination of GRND_NONBLOCK, GRND_RANDOM and GRND_INSECURE but the one of
 * the last two, which mainline's vDSO accepts by mistake.
 */
#define FLAGS_END	6
/* Mainline's state has one batch of 96 bytes; up to this size, it is its generic code. */
#define SMALL_STATE	256
/* Where its long requests become slower than the system call. */
#define SMALL_LIMIT	256

#define GETENTROPY_MAX	256

#ifndef GRND_TIMESTAMP
# define GRND_TIMESTAMP	0x0008
#endif

enum phase {
	UNUSED,
	BUSY,		/* being set up */
	NO_MEMORY,	/* there is a function, but there was no memory, or no key */
	NO_FUNCTION,
	READY,
	OVER,		/* being unloaded: no thread gets a state any more */
};

struct slot {
	void *state;
	uint32_t busy;
};

struct thread {
	struct slot *slot;	/* the one to draw from; NULL before the first draw */
	uint32_t found_busy;
	bool ended;
	struct slot slots[SLOTS];
};

/*
 * Initial-exec with glibc: any other model may allocate memory when a thread first gets
 * here, which a signal handler must not do, nor a draw made by malloc(). glibc reserves
 * 512 bytes of static TLS for libraries that are opened later; this takes 80.
 * musl reserves none, so it cannot open such a library. There the usual model is safe:
 * dlopen() allocates this for all threads.
 */
#ifdef __GLIBC__
#define TLS_MODEL __attribute__((tls_model("initial-exec")))
#else
#define TLS_MODEL
#endif
static __thread struct thread self TLS_MODEL;

/* Read by every draw, and written only while the library is set up. */
static struct {
	vgr_fn *function;
	size_t state_size;
	size_t limit;		/* longer requests are left to the system call */
	enum phase phase;
	bool has_key;
	pthread_key_t key;
	char *base;
	size_t page_size;
	size_t stride;
	size_t per_page;
} vgr __attribute__((aligned(64)));

/* Written when a thread gets its state and when it ends. */
static struct {
	/* How many states were ever returned */
	size_t returned;
	/* The same plus one, when last no state was free */
	size_t full;
	/* States from this one on were never claimed. */
	size_t top;
	/* The slot that each state belongs to; NULL if it is free */
	struct slot *owner[STATES];
} table __attribute__((aligned(64)));

/* --- The system call */

/* Raw: syscall() may be the one of the preload library, which calls this library. */
static ssize_t system_call(void *buf, size_t len, unsigned int flags)
{
#if defined(__x86_64__)
	long result;

	__asm__ volatile("syscall"
			 : "=a" (result)
			 : "0" ((long)SYS_getrandom), "D" (buf), "S" (len), "d" (flags)
			 : "rcx", "r11", "memory");
	return result;
#elif defined(__aarch64__)
	register long number __asm__("x8") = SYS_getrandom;
	register long result __asm__("x0") = (long)buf;
	register long second __asm__("x1") = len;
	register long third __asm__("x2") = flags;

	__asm__ volatile("svc 0"
			 : "+r" (result)
			 : "r" (number), "r" (second), "r" (third)
			 : "memory");
	return result;
#else
	ssize_t result = syscall(SYS_getrandom, buf, len, flags);

	return result < 0 ? -errno : result;
#endif
}

/* --- States */

static void *state_of(size_t i)
{
	return vgr.base + i / vgr.per_page * vgr.page_size +
	       i % vgr.per_page * vgr.stride;
}

static size_t index_of(const void *state)
{
	size_t offset = (const char *)state - vgr.base;

	return offset / vgr.page_size * vgr.per_page +
	       offset % vgr.page_size / vgr.stride;
}

/*
 * Mark the slot busy. One instruction looks at the mark and sets it. In between, a
 * handler could start a draw with this slot and then switch to another context.
 * It need not be atomic against other processors, hence no locked instruction.
 */
static inline bool take(struct slot *slot)
{
	bool was_busy;

#if defined(__x86_64__)
	__asm__ volatile("btsl $0, %1"
			 : "=@ccc" (was_busy), "+m" (slot->busy) : : "memory");
#else
	was_busy = __atomic_exchange_n(&slot->busy, 1, __ATOMIC_RELAXED);
#endif
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	return !was_busy;
}

static inline void put_back(struct slot *slot)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	__atomic_store_n(&slot->busy, 0, __ATOMIC_RELAXED);
}

static void raise_top(size_t top)
{
	size_t old = __atomic_load_n(&table.top, __ATOMIC_RELAXED);

	while (old < top &&
	       !__atomic_compare_exchange_n(&table.top, &old, top, true,
					    __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
}

/* The acquire pairs with the release in free_state(): a claimed state has been cleared. */
static bool try_to_own(size_t i, struct slot *slot)
{
	struct slot *nobody = NULL;

	if (__atomic_load_n(&table.owner[i], __ATOMIC_RELAXED))
		return false;
	/* First, or a fork() in between would leave the child with this one taken. */
	raise_top(i + 1);
	return __atomic_compare_exchange_n(&table.owner[i], &nobody, slot, false,
					   __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

static void free_state(size_t i)
{
	__atomic_store_n(&table.owner[i], NULL, __ATOMIC_RELEASE);
	/* Second, or a thread that looks in between would find all states taken for good. */
	__atomic_fetch_add(&table.returned, 1, __ATOMIC_RELEASE);
}

/*
 * Give a slot that is marked busy a state. The key comes first, so that the state is
 * returned even if a handler leaves this function by longjmp(). glibc keeps the
 * values of the first keys in the thread's descriptor; set_up() made sure that ours
 * is one of them, so pthread_setspecific() just stores.
 */
static bool claim_state(struct slot *slot)
{
	size_t returned = __atomic_load_n(&table.returned, __ATOMIC_ACQUIRE);

	if (__atomic_load_n(&table.full, __ATOMIC_RELAXED) == returned + 1)
		return false;
	if (pthread_setspecific(vgr.key, &self))
		return false;
	for (size_t i = 0; i < STATES; i++) {
		if (try_to_own(i, slot)) {
			slot->state = state_of(i);
			return true;
		}
	}
	__atomic_store_n(&table.full, returned + 1, __ATOMIC_RELAXED);
	return false;
}

/*
 * The thread has ended, and no draw of it is left. A state whose draw never ended may
 * hold anything, even the mark by which mainline's vDSO would refuse it for ever.
 */
static void return_state(struct slot *slot)
{
	if (slot->state) {
		memset(slot->state, 0, vgr.state_size);
		__asm__ volatile("" : : "r" (slot->state) : "memory");
		free_state(index_of(slot->state));
		return;
	}
	if (!slot->busy)
		return;
	/* claim_state() was left by longjmp(), maybe with a state. */
	for (size_t i = 0; i < STATES; i++)
		if (__atomic_load_n(&table.owner[i], __ATOMIC_RELAXED) == slot)
			free_state(i);
}

static void end_thread(void *arg)
{
	struct thread *thread = arg;

	/* Destructors that run later, and handlers, make the system call. */
	thread->ended = true;
	thread->slot = NULL;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	for (int i = 0; i < SLOTS; i++) {
		return_state(&thread->slots[i]);
		thread->slots[i].state = NULL;
	}
}

/*
 * Find a slot with a state, and mark it busy. NULL if there is none: then the system
 * call serves.
 */
static struct slot *find_slot(struct thread *thread)
{
	if (thread->ended || __atomic_load_n(&vgr.phase, __ATOMIC_ACQUIRE) != READY)
		return NULL;
	/* This call interrupted a draw, or one was abandoned. */
	if ((thread->slot || thread->slots[0].busy) && ++thread->found_busy % PATIENCE)
		return NULL;
	for (struct slot *slot = thread->slots; slot < thread->slots + SLOTS; slot++) {
		if (!take(slot))
			continue;
		if (!slot->state && !claim_state(slot)) {
			put_back(slot);
			return NULL;
		}
		thread->slot = slot;
		return slot;
	}
	return NULL;
}

/* --- Loading, forking, unloading */

/* The kernel has cleared all states. Those of threads that do not exist here are free. */
static void begin_child(void)
{
	size_t top = __atomic_load_n(&table.top, __ATOMIC_RELAXED);

	for (size_t i = 0; i < top; i++) {
		uintptr_t owner = (uintptr_t)__atomic_load_n(&table.owner[i], __ATOMIC_RELAXED);

		if (owner && owner - (uintptr_t)&self >= sizeof(self))
			free_state(i);
	}
}

/* Without a destructor that can be set without memory, no thread gets a state. */
static enum phase make_key(void)
{
	if (vgr.has_key)
		return READY;
	if (pthread_key_create(&vgr.key, end_thread))
		return NO_MEMORY;
#ifdef __GLIBC__
	/* The values of later keys are allocated by pthread_setspecific(). */
	if (vgr.key >= 32) {
		pthread_key_delete(vgr.key);
		return NO_FUNCTION;
	}
#endif
	if (pthread_atfork(NULL, NULL, begin_child)) {
		pthread_key_delete(vgr.key);
		return NO_MEMORY;
	}
	vgr.has_key = true;
	return READY;
}

static enum phase map_states(const struct vgr_params *params)
{
	size_t pages = (STATES + vgr.per_page - 1) / vgr.per_page;
	void *base;

	base = mmap(NULL, pages * vgr.page_size, params->mmap_prot,
		    params->mmap_flags, -1, 0);
	if (base == MAP_FAILED)
		return NO_MEMORY;
	vgr.base = base;
	return READY;
}

static enum phase set_up(void)
{
	struct vgr_params params = {};
	enum phase phase;

	vgr.function = vgr_find_function();
	if (!vgr.function || vgr.function(NULL, 0, 0, &params, ~0UL))
		return NO_FUNCTION;
	vgr.page_size = sysconf(_SC_PAGESIZE);
	vgr.state_size = params.size_of_opaque_state;
	/* No two states in one cache line, and none on two pages */
	vgr.stride = (vgr.state_size + 63) & ~(size_t)63;
	if (!vgr.stride || vgr.stride > vgr.page_size)
		return NO_FUNCTION;
	vgr.per_page = vgr.page_size / vgr.stride;
	__atomic_store_n(&vgr.limit, vgr.state_size < SMALL_STATE ? SMALL_LIMIT : SIZE_MAX,
			 __ATOMIC_RELAXED);
	phase = make_key();
	return phase == READY ? map_states(&params) : phase;
}

/* Draws that other threads make meanwhile, and handlers here, are system calls. */
static enum phase prepare(void)
{
	enum phase phase = __atomic_load_n(&vgr.phase, __ATOMIC_ACQUIRE);

	if (phase != UNUSED && phase != NO_MEMORY)
		return phase;
	if (!__atomic_compare_exchange_n(&vgr.phase, &phase, BUSY, false,
					 __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE))
		return phase;
	phase = set_up();
	__atomic_store_n(&vgr.phase, phase, __ATOMIC_RELEASE);
	return phase;
}

/* Early, as the constructors of other libraries may start threads. */
__attribute__((constructor(101)))
static void load(void)
{
	int saved = errno;

	prepare();
	errno = saved;
}

/*
 * At exit, other threads may go on drawing, so the states stay. When a plugin that
 * contains this library is closed, they leak, but no thread's end calls code that is
 * gone. The shared library is never unloaded.
 */
__attribute__((destructor(101)))
static void unload(void)
{
	__atomic_store_n(&vgr.phase, OVER, __ATOMIC_RELEASE);
	if (vgr.has_key)
		pthread_key_delete(vgr.key);
}

/* --- What the header declares */

/*
 * Flags and lengths that need no state, or that no state serves. A function that does
 * not have the cookies of GRND_TIMESTAMP makes the system call.
 */
__attribute__((noinline, cold))
static ssize_t draw_without_state(void *buf, size_t len, unsigned int flags)
{
	if ((flags & GRND_TIMESTAMP) && __atomic_load_n(&vgr.phase, __ATOMIC_ACQUIRE) == READY)
		return vgr.function(buf, len, flags, NULL, 0);
	return system_call(buf, len, flags);
}

/* As vgr_getrandom(), but with the error in the result. */
static inline ssize_t draw(void *buf, size_t len, unsigned int flags)
{
	struct thread *thread = &self;
	struct slot *slot = thread->slot;
	ssize_t result;

	if (unlikely(flags >= FLAGS_END ||
		     len > __atomic_load_n(&vgr.limit, __ATOMIC_RELAXED)))
		return draw_without_state(buf, len, flags);
	if (unlikely(!slot || !take(slot))) {
		slot = find_slot(thread);
		if (!slot)
			return system_call(buf, len, flags);
	}
	result = vgr.function(buf, len, flags, slot->state, vgr.state_size);
	put_back(slot);
	return result;
}

ssize_t vgr_getrandom(void *buf, size_t len, unsigned int flags)
{
	ssize_t result = draw(buf, len, flags);

	if (unlikely(result < 0)) {
		errno = -result;
		return -1;
	}
	return result;
}

/* 0, or a negative error number. */
static int fill(void *buf, size_t len)
{
	char *next = buf;

	while (len) {
		ssize_t result = draw(next, len, 0);

		if (unlikely(result <= 0)) {
			if (result == -EINTR)
				continue;
			/* A filter can make the system call return 0. */
			return result ? result : -EIO;
		}
		next += result;
		len -= result;
	}
	return 0;
}

int vgr_getentropy(void *buf, size_t len)
{
	int result = len > GETENTROPY_MAX ? -EIO : fill(buf, len);

	if (unlikely(result)) {
		errno = -result;
		return -1;
	}
	return 0;
}

/*
 * As glibc's arc4random() where there is no getrandom(): before Linux 3.17, or where
 * a filter refuses it.
 */
static bool fill_from_device(char *buf, size_t len)
{
	struct pollfd ready = { .events = POLLIN };
	bool done = false;
	int fd;

	ready.fd = open("/dev/random", O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (ready.fd < 0)
		return false;
	while (poll(&ready, 1, -1) < 0 && errno == EINTR)
		;
	close(ready.fd);
	fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return false;
	for (;;) {
		ssize_t result = len ? read(fd, buf, len) : 0;

		done = !len;
		if (done || result == 0 || (result < 0 && errno != EINTR))
			break;
		if (result > 0) {
			buf += result;
			len -= result;
		}
	}
	close(fd);
	return done;
}

/* Never inlined: the fast path saves no registers for it. */
__attribute__((noinline, cold))
static void fill_or_abort(void *buf, size_t len)
{
	int saved = errno, state;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	if (fill(buf, len) && !fill_from_device(buf, len))
		abort();
	pthread_setcancelstate(state, NULL);
	errno = saved;
}

void vgr_random_buf(void *buf, size_t len)
{
	if (unlikely(draw(buf, len, 0) != (ssize_t)len))
		fill_or_abort(buf, len);
}

uint32_t vgr_random(void)
{
	uint32_t number;

	vgr_random_buf(&number, sizeof(number));
	return number;
}

/*
 * The high half of the product of a number and bound is nearly uniform below bound:
 * each value has the same count of low halves from (2^32 mod bound) on.
 */
uint32_t vgr_random_uniform(uint32_t bound)
{
	uint64_t product;
	uint32_t excess;

	if (bound < 2)
		return 0;
	product = (uint64_t)vgr_random() * bound;
	if (unlikely((uint32_t)product < bound)) {
		excess = -bound % bound;
		while ((uint32_t)product < excess)
			product = (uint64_t)vgr_random() * bound;
	}
	return product >> 32;
}

/* A draw shows that there is a state, brings its page in and seeds it. */
int vgr_prepare(void)
{
	struct thread *thread = &self;
	struct slot *slot = thread->slot;
	enum phase phase = prepare();
	ssize_t result;
	char byte;

	if (phase != READY) {
		errno = phase == NO_MEMORY ? ENOMEM : phase == BUSY ? EAGAIN : ENOSYS;
		return -1;
	}
	if (!slot || !take(slot)) {
		slot = find_slot(thread);
		if (!slot) {
			errno = thread->slot ? EBUSY : EAGAIN;
			return -1;
		}
	}
	result = vgr.function(&byte, sizeof(byte), 0, slot->state, vgr.state_size);
	put_back(slot);
	if (result < 0) {
		errno = -result;
		return -1;
	}
	return 0;
}
