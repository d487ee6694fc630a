// SPDX-License-Identifier: GPL-2.0
/*
 * getrandom() in user space: ChaCha20 with fast key erasure, over a state that
 * the caller allocates and the kernel may wipe at any time.
 *
 * These things may happen between any two instructions, any number of times:
 *
 *  - The state turns into zeros: its page was reclaimed, or this is a child of
 *    fork(). @generation is 0 from then on, until a reseed.
 *  - The kernel's generator is reseeded, or the virtual machine is cloned. The
 *    kernel's generation changes.
 *  - A signal arrives. Its handler may draw from the same state. The call that
 *    it interrupted never resumes: the architecture sees to that, and has the
 *    system call serve the whole request when the handler returns.
 *
 * The generation of a state:
 *
 *	any value --- reseed ---> IN_PROGRESS --- complete, cmpxchg ---> g
 *	                               ^                                 |
 *	                               +------- refill, cmpxchg ---------+
 *	any value --- wipe -----> 0, where only a reseed leads away from
 *
 * So a call that finishes is alone with its state, and only has to notice wipes
 * and new generations. One check at the end does that, after everything that the
 * call returns has been loaded: it compares the state's generation with the
 * kernel's. It misses no wipe, however early, because only a reseed moves a state
 * away from generation 0, and a reseed replaces everything. No key is used twice:
 * a refill replaces the key before it offers the keystream that came with it.
 *
 * An abandoned call may leave bytes of the batch behind that it had claimed by
 * lowering @avail, or a state in progress. The former are never handed out, and
 * the next refill overwrites them; the next call reseeds the latter.
 *
 * The state has no "in use" flag as a second line of defence, for calls that the
 * kernel cannot recognise (a debugger's inferior calls, translated code). The page
 * can lose the flag together with everything else, so the flag would protect only
 * most of the time. And a call that a handler abandons by longjmp() would leave it
 * set, which would condemn the state to the system call for good.
 *
 * The compiler must not turn any loop into a call of memcpy() or memset(), which
 * a vDSO does not have; the loops below are too tightly ordered for it to try.
 */
#include <linux/build_bug.h>
#include <linux/compiler.h>
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/types.h>
#include <vdso/getrandom.h>
#include <asm/barrier.h>
#include <asm/cmpxchg.h>
#include <asm/unaligned.h>
#include <asm/vdso/getrandom.h>
#include <uapi/linux/random.h>

/* The most that the system call hands out in one go. */
#define VGETRANDOM_MAX_LEN	((size_t)INT_MAX & PAGE_MASK)

/* Up to this length, what the batch has is checked before it gets to the caller. */
#define VGETRANDOM_SMALL_LEN	(2 * sizeof(__uint128_t))

/* From this length on, blocks are made in the caller's buffer. */
#define VGETRANDOM_DIRECT_LEN	sizeof_field(struct vgetrandom_state, batch)

/* No state crosses a page, or shares a cache line, and a refill is one run. */
static_assert(sizeof(struct vgetrandom_state) % CHACHA_BLOCK_SIZE == 0);
static_assert(sizeof(struct vgetrandom_state) <= PAGE_SIZE);
static_assert(offsetof(struct vgetrandom_state, batch) ==
	      offsetof(struct vgetrandom_state, key) + CHACHA_KEY_SIZE);

/* Every flag and pair but those two together has a smaller value. */
static_assert((GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE) == 7 &&
	      (GRND_RANDOM | GRND_INSECURE) == 6);

static __always_inline bool vgetrandom_flags_ok(unsigned int flags)
{
	return flags < (GRND_RANDOM | GRND_INSECURE);
}

/*
 * A state in two pages could lose one of them and keep the other. One that does
 * not start on a cache line is none that a caller got from the parameters.
 */
static __always_inline bool vgetrandom_state_ok(const struct vgetrandom_state *state)
{
	unsigned long offset = (unsigned long)state & (PAGE_SIZE - 1);

	return !(offset % __alignof__(*state)) && offset <= PAGE_SIZE - sizeof(*state);
}

/*
 * The one check of a finished draw. The state's generation is loaded after what
 * was drawn, and the kernel's after that, so both vouch for all of it.
 */
static __always_inline bool
vgetrandom_current(const struct vdso_rng_data *rng, const struct vgetrandom_state *state)
{
	u64 generation;

	/*
	 * A wipe maps another page. The processor that maps it has invalidated
	 * the old one everywhere before, but loads that are not ordered may
	 * still have been satisfied from either. Without this, the words could
	 * come from the new page, which is zero, and the generation from the
	 * old one. Pairs with the TLB flush of reclaim.
	 */
	smp_rmb();
	generation = READ_ONCE(state->generation);
	/* Pairs with the release in vdso_rng_publish(). */
	smp_rmb();
	return generation == READ_ONCE(rng->generation) && generation;
}

/*
 * Draw @len bytes, which the words at the head and at the tail cover together:
 * load, erase, check, and only then write.
 */
#define vgetrandom_draw_words(type, rng, state, src, dst, len)			\
({										\
	size_t __offset = (len) - sizeof(type);					\
	type *__src_head = (type *)(src);					\
	type *__dst_head = (type *)(dst);					\
	type *__src_tail = (void *)__src_head + __offset;			\
	type *__dst_tail = (void *)__dst_head + __offset;			\
	type __head = get_unaligned(__src_head);				\
	type __tail = get_unaligned(__src_tail);				\
	bool __current;								\
										\
	barrier();								\
	put_unaligned((type)0, __src_head);					\
	put_unaligned((type)0, __src_tail);					\
	__current = vgetrandom_current(rng, state);				\
	if (likely(__current)) {						\
		put_unaligned(__head, __dst_head);				\
		put_unaligned(__tail, __dst_tail);				\
	}									\
	__current;								\
})

/* Draw 1 to VGETRANDOM_SMALL_LEN bytes that have been claimed, all in registers. */
static __always_inline bool
vgetrandom_draw_small(const struct vdso_rng_data *rng, struct vgetrandom_state *state,
		      u8 *src, u8 *dst, size_t len)
{
	if (len > 2 * sizeof(u64))
		return vgetrandom_draw_words(__uint128_t, rng, state, src, dst, len);
	if (len >= sizeof(u64))
		return vgetrandom_draw_words(u64, rng, state, src, dst, len);
	if (len >= sizeof(u32))
		return vgetrandom_draw_words(u32, rng, state, src, dst, len);
	if (len >= sizeof(u16))
		return vgetrandom_draw_words(u16, rng, state, src, dst, len);
	return vgetrandom_draw_words(u8, rng, state, src, dst, len);
}

/*
 * Move @len bytes out of the batch in words of this type, the last of which may
 * overlap the one before. All are loaded before any is erased; besides, stores
 * that go to the same place in a row are faster than by turns.
 */
#define vgetrandom_move_words(type, dst, src, len)				\
do {										\
	u8 *__dst = (dst), *__src = (src);					\
	size_t __last = (len) - sizeof(type);					\
	size_t __at;								\
	type __word;								\
										\
	/* One word at a time, or else these become memcpy() and memset(). */	\
	for (__at = 0; __at < __last; __at += sizeof(type)) {			\
		__word = get_unaligned((type *)(__src + __at));			\
		put_unaligned(__word, (type *)(__dst + __at));			\
		barrier();							\
	}									\
	__word = get_unaligned((type *)(__src + __last));			\
	put_unaligned(__word, (type *)(__dst + __last));			\
	for (__at = 0; __at < __last; __at += sizeof(type)) {			\
		put_unaligned((type)0, (type *)(__src + __at));			\
		barrier();							\
	}									\
	put_unaligned((type)0, (type *)(__src + __last));			\
} while (0)

static __always_inline void vgetrandom_move(u8 *dst, u8 *src, size_t len)
{
	if (len >= sizeof(__uint128_t))
		vgetrandom_move_words(__uint128_t, dst, src, len);
	else if (len >= sizeof(u64))
		vgetrandom_move_words(u64, dst, src, len);
	else if (len >= sizeof(u32))
		vgetrandom_move_words(u32, dst, src, len);
	else if (len >= sizeof(u16))
		vgetrandom_move_words(u16, dst, src, len);
	else if (len)
		vgetrandom_move_words(u8, dst, src, len);
}

/*
 * Take @len bytes, of which there must be as many, from the end of the batch.
 * They are claimed before they are used, so that the handler of a signal that
 * ends this call cannot get them as well.
 */
static __always_inline u8 *
vgetrandom_claim(struct vgetrandom_state *state, size_t avail, size_t len)
{
	WRITE_ONCE(state->avail, avail - len);
	barrier();
	return &state->batch[avail - len];
}

/*
 * Turn the key into the next key and a new batch. The state is in progress; if
 * it still is when all has been written, then it was not wiped meanwhile, the
 * key that was used was a secret one, and what was made of it gets a number.
 *
 * Comparing and storing that number has to be one instruction. With two, a wipe
 * between them would be followed by a store that calls zeros a generation.
 */
static __always_inline bool
vgetrandom_generate(struct vgetrandom_state *state, u64 generation)
{
	u32 counter[2] = { 0, 0 };

	__arch_chacha20_blocks_nostack((u8 *)state->key, state->key, counter, VGETRANDOM_BLOCKS);
	WRITE_ONCE(state->avail, sizeof(state->batch));
	barrier();
	return arch_cmpxchg_local(&state->generation, VGETRANDOM_IN_PROGRESS, generation) ==
	       VGETRANDOM_IN_PROGRESS;
}

/*
 * Refill the empty batch. The state enters progress only if it is of
 * @generation, hence not wiped, in that very instruction: a key loaded later is
 * either the state's own, or zero, in which case the end of progress fails.
 */
static __always_inline bool
vgetrandom_refill(struct vgetrandom_state *state, u64 generation)
{
	if (unlikely(arch_cmpxchg_local(&state->generation, generation,
					VGETRANDOM_IN_PROGRESS) != generation))
		return false;
	return vgetrandom_generate(state, generation);
}

/*
 * Start over with a key from the kernel, no matter what the state is in.
 * @generation was loaded before the system call, so it is that of the new key or
 * an earlier one. In the latter case the check at the end of the draw fails.
 *
 * As the generator is ready, the system call does not block. If it is refused
 * all the same, say by seccomp, the state remains in progress.
 */
static __always_inline bool
vgetrandom_reseed(struct vgetrandom_state *state, u64 generation)
{
	WRITE_ONCE(state->generation, VGETRANDOM_IN_PROGRESS);
	barrier();
	if (unlikely(getrandom_syscall(state->key, sizeof(state->key), GRND_NONBLOCK) !=
		     sizeof(state->key)))
		return false;
	return vgetrandom_generate(state, generation);
}

/*
 * Fill @dst with blocks under a key of their own, which is @src, claimed from the
 * batch. Return how many bytes that were.
 */
static __always_inline size_t vgetrandom_direct(u8 *dst, u8 *src, size_t len)
{
	u32 counter[2] = { 0, 0 };
	size_t nblocks = len / CHACHA_BLOCK_SIZE;
	size_t i;

	__arch_chacha20_blocks_nostack(dst, (u32 *)src, counter, nblocks);
	for (i = 0; i < CHACHA_KEY_SIZE; i += sizeof(u64)) {
		put_unaligned((u64)0, (u64 *)(src + i));
		barrier();
	}
	return nblocks * CHACHA_BLOCK_SIZE;
}

/*
 * Fill the caller's buffer from a state of @generation. False if the state turned
 * out to be of another; the caller's check covers all the rest.
 */
static __always_inline bool
vgetrandom_fill(struct vgetrandom_state *state, u64 generation, u8 *dst, size_t len)
{
	size_t avail, n;

	for (;;) {
		/* The caller could have written there: never go beyond the batch. */
		avail = READ_ONCE(state->avail);
		if (unlikely(avail > sizeof(state->batch)))
			avail = 0;

		if (len >= VGETRANDOM_DIRECT_LEN && avail >= CHACHA_KEY_SIZE) {
			n = vgetrandom_direct(dst, vgetrandom_claim(state, avail, CHACHA_KEY_SIZE),
					      len);
		} else {
			n = min(len, avail);
			vgetrandom_move(dst, vgetrandom_claim(state, avail, n), n);
			if (n < len && !vgetrandom_refill(state, generation))
				return false;
		}

		dst += n;
		len -= n;
		if (!len)
			return true;
	}
}

/*
 * Serve what vgetrandom_draw_small() is not for, or what it had to drop. A state
 * that fails twice is left alone: the kernel can always serve the request.
 */
static noinline ssize_t
vgetrandom_draw(const struct vdso_rng_data *rng, struct vgetrandom_state *state,
		u8 *buffer, size_t len)
{
	ssize_t ret = VGETRANDOM_SYSCALL;
	unsigned int tries;
	u64 generation;

	len = min(len, VGETRANDOM_MAX_LEN);

	for (tries = 0; tries < 2; tries++) {
		/*
		 * Pairs with the release in vdso_rng_publish(): a seed fetched
		 * after this is not older than the number.
		 */
		generation = smp_load_acquire(&rng->generation);
		if (!generation)
			break;

		if (READ_ONCE(state->generation) != generation &&
		    !vgetrandom_reseed(state, generation))
			break;

		if (vgetrandom_fill(state, generation, buffer, len) &&
		    vgetrandom_current(rng, state)) {
			ret = len;
			break;
		}
	}

	return ret;
}

/**
 * __cvdso_getrandom() - getrandom() over a state in user space
 * @rng:	  The kernel's generation.
 * @buffer:	  Where to write the random bytes.
 * @len:	  How many bytes.
 * @flags:	  GRND_NONBLOCK, GRND_RANDOM or GRND_INSECURE, as for getrandom(2).
 * @opaque_state: A state that no other thread uses at the same time.
 * @opaque_len:	  Size of a state as the parameters have it.
 *
 * Context: User space. The architecture must see to it that the call, once
 *	    interrupted by a signal, does not resume but has the system call serve
 *	    the request. When the call is over, the architecture clears scratch
 *	    registers and the stack used here, which may hold dropped words.
 * Return: How many bytes have been written, or %VGETRANDOM_SYSCALL, after which
 *	   the architecture makes the system call.
 */
static __always_inline ssize_t
__cvdso_getrandom(const struct vdso_rng_data *rng, void *buffer, size_t len,
		  unsigned int flags, void *opaque_state, size_t opaque_len)
{
	struct vgetrandom_state *state = opaque_state;
	size_t pos;

	if (unlikely(opaque_len != sizeof(*state) || !vgetrandom_state_ok(state) ||
		     !vgetrandom_flags_ok(flags)))
		return VGETRANDOM_SYSCALL;

	if (unlikely(!len))
		return READ_ONCE(rng->generation) ? 0 : VGETRANDOM_SYSCALL;

	if (likely(len <= VGETRANDOM_SMALL_LEN)) {
		/* One comparison for two: enough is left, and no more than can be. */
		pos = (size_t)READ_ONCE(state->avail) - len;
		if (likely(pos <= sizeof(state->batch) - len) &&
		    likely(vgetrandom_draw_small(rng, state,
						 vgetrandom_claim(state, pos + len, len),
						 buffer, len)))
			return len;
	}

	return vgetrandom_draw(rng, state, buffer, len);
}
