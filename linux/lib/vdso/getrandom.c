// SPDX-License-Identifier: GPL-2.0
/*
 * getrandom() in user space: ChaCha20 with fast key erasure. The caller allocates
 * the state, and the kernel may wipe it at any time.
 *
 * Four things can happen between any two instructions, any number of times:
 *
 *  - The state turns into zeros, because its page was reclaimed or because this
 *    is the child of a fork().
 *  - The kernel's generator is reseeded. The kernel's generation changes.
 *  - The virtual machine becomes a clone. The hypervisor's word changes. The
 *    kernel's generation changes when the kernel next looks at this word, which
 *    it does in every system call that this code makes.
 *  - A signal arrives, and its handler draws from the same state. The
 *    interrupted call never resumes: the architecture makes the handler return
 *    to code that serves the whole request by the system call.
 *
 * A generation is a number that is drawn at random for each seed. It can only be
 * compared for equality. The generation of a state takes these values:
 *
 *	      reseed: store               finish: cmpxchg
 *	 +---+           +-------------+               +---+
 *	 | 0 |---------->| IN_PROGRESS |-------------->| g |
 *	 +---+           +-------------+               +---+
 *	   ^               |         ^  refill: cmpxchg  |
 *	   |               |         +-------------------+
 *	   |               |            reseed: store    |
 *	   |     wipe      |                             |
 *	   +---------------+-----------------------------+
 *
 *	0		The state is new or wiped. Only a reseed leads out of
 *			here.
 *	IN_PROGRESS	Key and batch are being replaced, or a call that did so
 *			was abandoned. In the latter case, the next call
 *			reseeds.
 *	g		Key and batch descend from the seed of generation g.
 *
 * Hence a call that completes had the state to itself, and only has to detect
 * wipes and new generations. One check at the end detects both. It compares the
 * state's generation with the kernel's after loading everything that the call
 * returns. It misses no wipe, however early, because only a reseed leads out of
 * generation 0, and a reseed replaces everything. No key is used twice: a refill
 * replaces the key before it offers the keystream that came with it.
 *
 * An abandoned call may leave behind bytes of the batch that it had claimed by
 * lowering @avail. They are never handed out, and the next refill overwrites
 * them.
 *
 * The state has no "in use" flag as a second line of defence for calls that the
 * kernel cannot recognize, such as a debugger's inferior calls or translated
 * code. A wipe clears the flag along with everything else, so the flag would
 * protect only most of the time. And a call that a handler abandons by longjmp()
 * would leave it set, which would condemn the state to the system call for good.
 *
 * A vDSO has no memcpy() and no memset(), so the compiler must not turn any loop
 * into a call to one of them. The loops below are too tightly ordered for it to
 * try.
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

/* The system call returns at most this many bytes. */
#define VGETRANDOM_MAX_LEN	((size_t)INT_MAX & PAGE_MASK)

/* Up to this length, the bytes are checked before the caller gets them. */
#define VGETRANDOM_SMALL_LEN	(2 * sizeof(__uint128_t))

/* After a multiple of a refill's blocks, as many blocks as these come from the batch. */
#define VGETRANDOM_FEW_BLOCKS	5

/*
 * No state straddles pages or shares a cache line, and one run of blocks
 * refills both key and batch.
 */
static_assert(offsetof(struct vgetrandom_state, key) % CHACHA_BLOCK_SIZE == 0);
static_assert(offsetof(struct vgetrandom_state, key) +
	      VGETRANDOM_MAX_BLOCKS * CHACHA_BLOCK_SIZE <= PAGE_SIZE);
static_assert(offsetof(struct vgetrandom_state, batch) ==
	      offsetof(struct vgetrandom_state, key) + CHACHA_KEY_SIZE);

/*
 * Compare a generation with @old, and replace it by @new if they are equal. The two must
 * be one access: a wipe in between would put @new into a page of zeros. Accesses before
 * this one in program order must come before the store, and those after it must come after
 * the load. Yields true if @new was stored.
 */
#ifndef __arch_vgetrandom_cmpxchg
static __always_inline bool __arch_vgetrandom_cmpxchg(u64 *ptr, u64 old, u64 new)
{
	return arch_cmpxchg_local(ptr, old, new) == old;
}
#endif

/* All valid combinations of flags are smaller than the pair that is invalid. */
static_assert((GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE) == 7 &&
	      (GRND_RANDOM | GRND_INSECURE) == 6);

static __always_inline bool vgetrandom_flags_ok(unsigned int flags)
{
	return flags < (GRND_RANDOM | GRND_INSECURE);
}

/*
 * A state in two pages could lose one of them and keep the other. A state that
 * does not start on a cache line was not placed according to the parameters.
 */
static __always_inline bool vgetrandom_state_ok(const struct vgetrandom_state *state)
{
	unsigned long offset = (unsigned long)state & (PAGE_SIZE - 1);

	return !(offset % __alignof__(*state)) && offset <= PAGE_SIZE - vgetrandom_state_size();
}

/*
 * The check at the end of a draw. Its loads come after those of the bytes drawn, so
 * they vouch for all of the bytes: the kernel's generation is still the state's, the
 * state was not wiped, and the machine is not a clone that the kernel has yet to notice.
 * A wiped state has generation 0, and @check never equals the hypervisor's word alone.
 *
 * The kernel publishes one sum of its generation and the hypervisor's word. With two
 * separate words, a clone and its reseed could happen between the two loads, and both
 * would look right. The hypervisor's word is loaded last. A clone before that load makes
 * the check fail, and a clone after it finds the draw finished.
 */
static __always_inline bool
vgetrandom_current(const struct vdso_rng_data *rng, const struct vdso_vmclock *clock,
		   const struct vgetrandom_state *state)
{
	u64 check, generation;

	/*
	 * A wipe replaces the page. Every CPU has dropped the old translation
	 * by the time the new page is mapped, but unordered loads may be
	 * satisfied from either page. Without this barrier, the words could
	 * come from the new page, which is zero, and the generation from the
	 * old one. Pairs with the TLB flush of reclaim.
	 */
	smp_rmb();
	check = READ_ONCE(rng->check);
	/* Pairs with the release in vdso_rng_publish(). */
	smp_rmb();
	generation = READ_ONCE(state->generation);
	/* The hypervisor stops the machine to write, which orders its stores. */
	smp_rmb();
	return check - generation == READ_ONCE(clock->disruption_marker);
}

/*
 * Draw @len bytes as two words, at the head and at the tail, which may overlap.
 * Load, erase, check, and only then write.
 */
#define vgetrandom_draw_words(type, rng, clock, state, src, dst, len)		\
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
	__current = vgetrandom_current(rng, clock, state);			\
	if (likely(__current)) {						\
		put_unaligned(__head, __dst_head);				\
		put_unaligned(__tail, __dst_tail);				\
	}									\
	__current;								\
})

/* Draw 1 to VGETRANDOM_SMALL_LEN claimed bytes, all of them in registers. */
static __always_inline bool
vgetrandom_draw_small(const struct vdso_rng_data *rng, const struct vdso_vmclock *clock,
		      struct vgetrandom_state *state, u8 *src, u8 *dst, size_t len)
{
	if (len > 2 * sizeof(u64))
		return vgetrandom_draw_words(__uint128_t, rng, clock, state, src, dst, len);
	if (len >= sizeof(u64))
		return vgetrandom_draw_words(u64, rng, clock, state, src, dst, len);
	if (len >= sizeof(u32))
		return vgetrandom_draw_words(u32, rng, clock, state, src, dst, len);
	if (len >= sizeof(u16))
		return vgetrandom_draw_words(u16, rng, clock, state, src, dst, len);
	return vgetrandom_draw_words(u8, rng, clock, state, src, dst, len);
}

/*
 * Move @len bytes out of the batch in words of this type. The last word may
 * overlap the one before, so load all words before erasing any. Besides, a row
 * of stores to one place is faster than stores that alternate between two.
 */
#define vgetrandom_move_words(type, dst, src, len)				\
do {										\
	u8 *__dst = (dst), *__src = (src);					\
	size_t __last = (len) - sizeof(type);					\
	size_t __at;								\
	type __word;								\
										\
	/* barrier() keeps the loops from becoming memcpy() and memset(). */	\
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
 * Take @len bytes from the end of the batch, which must have that many. Claim
 * them before use. Otherwise the handler of a signal that ends this call could
 * get them as well.
 */
static __always_inline u8 *
vgetrandom_claim(struct vgetrandom_state *state, size_t avail, size_t len)
{
	WRITE_ONCE(state->avail, avail - len);
	barrier();
	return &state->batch[avail - len];
}

/* Make the blocks of a refill. Those that overwrite the key must be the last ones. */
static __always_inline void vgetrandom_make_run(u8 *run, const u32 *key)
{
	size_t nblocks = __arch_vgetrandom_blocks();
	size_t first = min_t(size_t, nblocks, __arch_chacha20_blocks_overlap());
	u32 counter[2] = { first, 0 };

	if (unlikely(nblocks > first))
		__arch_chacha20_blocks_nostack(run + first * CHACHA_BLOCK_SIZE, key, counter,
					       nblocks - first);
	counter[0] = 0;
	__arch_chacha20_blocks_nostack(run, key, counter, first);
}

/*
 * Replace the key and the batch by the output of the key. The state is in
 * progress. If it still is after everything has been written, the state was not
 * wiped in the meantime. Then the key was a secret one, and its output gets the
 * generation.
 *
 * Comparing and storing must be one instruction. A wipe between two would be
 * followed by a store that gives zeros a generation.
 */
static __always_inline bool
vgetrandom_generate(struct vgetrandom_state *state, u64 generation)
{
	vgetrandom_make_run((u8 *)state->key, state->key);
	WRITE_ONCE(state->avail, vgetrandom_batch_size());
	barrier();
	return __arch_vgetrandom_cmpxchg(&state->generation, VGETRANDOM_IN_PROGRESS, generation);
}

/*
 * Refill the empty batch. The state enters IN_PROGRESS only if it is of
 * @generation, and hence not wiped, at that very instruction. A key loaded
 * later is either the state's own or, after a wipe, zero. If it is zero, the
 * cmpxchg at the end fails.
 */
static __always_inline bool
vgetrandom_refill(struct vgetrandom_state *state, u64 generation)
{
	if (unlikely(!__arch_vgetrandom_cmpxchg(&state->generation, generation,
						VGETRANDOM_IN_PROGRESS)))
		return false;
	return vgetrandom_generate(state, generation);
}

/*
 * Start over with a key from the kernel, whatever the condition of the state.
 * @generation was loaded before the system call, so it is that of the new key
 * or an earlier one. If it is an earlier one, the check at the end of the draw
 * fails.
 *
 * The generator is ready, so the system call does not block. If it is refused
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
 * Generate blocks in @dst with a key of their own, @src, which has been claimed
 * from the batch. Erase that key, and return the number of bytes generated. Up to
 * VGETRANDOM_FEW_BLOCKS blocks and a part of one may remain.
 */
static __always_inline size_t vgetrandom_direct(u8 *dst, u8 *src, size_t len)
{
	u32 counter[2] = { 0, 0 };
	size_t nblocks = len / CHACHA_BLOCK_SIZE;
	size_t few = nblocks & (__arch_vgetrandom_blocks() - 1);
	size_t i;

	/* A few blocks alone take as long as a refill, which makes more of them. */
	if (few <= VGETRANDOM_FEW_BLOCKS)
		nblocks -= few;

	__arch_chacha20_blocks_nostack(dst, (u32 *)src, counter, nblocks);
	for (i = 0; i < CHACHA_KEY_SIZE; i += sizeof(u64)) {
		put_unaligned((u64)0, (u64 *)(src + i));
		barrier();
	}
	return nblocks * CHACHA_BLOCK_SIZE;
}

/*
 * Fill the caller's buffer from a state of @generation. Return false if the
 * state turns out to be of another one. The check at the end of the draw
 * detects everything else.
 */
static __always_inline bool
vgetrandom_fill(struct vgetrandom_state *state, u64 generation, u8 *dst, size_t len)
{
	size_t avail, n;

	for (;;) {
		/* User space can write to @avail: stay within the batch. */
		avail = READ_ONCE(state->avail);
		if (unlikely(avail > vgetrandom_batch_size()))
			avail = 0;

		/*
		 * Generate the blocks of a long request in the caller's buffer. Fewer
		 * than those of a refill would take no less time than a refill, which
		 * leaves something for later.
		 */
		if (len >= __arch_vgetrandom_blocks() * CHACHA_BLOCK_SIZE &&
		    avail >= CHACHA_KEY_SIZE) {
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
 * Serve a request that is too long for vgetrandom_draw_small(), that the batch
 * cannot meet, or whose bytes had to be dropped. After two failures, give up on
 * the state: the system call can always serve the request.
 */
static noinline ssize_t
vgetrandom_draw(const struct vdso_rng_data *rng, const struct vdso_vmclock *clock,
		struct vgetrandom_state *state, u8 *buffer, size_t len)
{
	ssize_t ret = VGETRANDOM_SYSCALL;
	unsigned int tries;
	u64 generation;

	len = min(len, VGETRANDOM_MAX_LEN);

	for (tries = 0; tries < 2; tries++) {
		/*
		 * A seed fetched after this is not older than the generation.
		 * Pairs with the release in vdso_rng_publish().
		 */
		generation = smp_load_acquire(&rng->generation);
		if (!generation)
			break;

		if (READ_ONCE(state->generation) != generation &&
		    !vgetrandom_reseed(state, generation))
			break;

		if (vgetrandom_fill(state, generation, buffer, len) &&
		    vgetrandom_current(rng, clock, state)) {
			ret = len;
			break;
		}
	}

	return ret;
}

/**
 * __cvdso_getrandom() - draw random bytes from a state in user space
 * @rng:	  The kernel's data.
 * @clock:	  The hypervisor's page, or one of zeros.
 * @buffer:	  Where to write the random bytes.
 * @len:	  Number of bytes to write.
 * @flags:	  %GRND_NONBLOCK, %GRND_RANDOM or %GRND_INSECURE, as for
 *		  getrandom(2).
 * @opaque_state: A state that no other thread uses at the same time.
 * @opaque_len:	  Size of a state in bytes, as the query returned it.
 *
 * This never returns an error. Whatever it cannot serve, it leaves to the system
 * call.
 *
 * Context: User space. A call that a signal interrupts must not resume; the
 *	    architecture must serve its request by the system call. When the call
 *	    is over, the architecture clears the scratch registers and the stack
 *	    used here, which may hold dropped words.
 * Return: The number of bytes written, or %VGETRANDOM_SYSCALL if the
 *	   architecture must make the system call.
 */
static __always_inline ssize_t
__cvdso_getrandom(const struct vdso_rng_data *rng, const struct vdso_vmclock *clock,
		  void *buffer, size_t len, unsigned int flags, void *opaque_state,
		  size_t opaque_len)
{
	struct vgetrandom_state *state = opaque_state;
	size_t pos;

	if (unlikely(opaque_len != vgetrandom_state_size() || !vgetrandom_state_ok(state) ||
		     !vgetrandom_flags_ok(flags)))
		return VGETRANDOM_SYSCALL;

	if (unlikely(!len))
		return READ_ONCE(rng->generation) ? 0 : VGETRANDOM_SYSCALL;

	if (likely(len <= VGETRANDOM_SMALL_LEN)) {
		/* One comparison checks @len <= @avail <= vgetrandom_batch_size(). */
		pos = (size_t)READ_ONCE(state->avail) - len;
		if (likely(pos <= vgetrandom_batch_size() - len) &&
		    likely(vgetrandom_draw_small(rng, clock, state,
						 vgetrandom_claim(state, pos + len, len),
						 buffer, len)))
			return len;
	}

	return vgetrandom_draw(rng, clock, state, buffer, len);
}
