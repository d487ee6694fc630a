/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the kernel's random-number generator and getrandom() in the vDSO share.
 */
#ifndef __VDSO_GETRANDOM_H
#define __VDSO_GETRANDOM_H

/*
 * What the generic code returns when the call is one for the kernel. It is no
 * length and, being below -MAX_ERRNO, no error code either.
 */
#define VGETRANDOM_SYSCALL	(-4096)

/* Length of a state that makes the call a query, if all else is zero: ~0UL. */
#define VGETRANDOM_QUERY	(-1)

#ifndef __ASSEMBLY__

#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/limits.h>
#include <linux/types.h>
#include <crypto/chacha.h>
#include <asm/barrier.h>
#include <asm/page.h>
#include <asm/unaligned.h>
#include <uapi/linux/mman.h>
#include <uapi/linux/random.h>

/**
 * struct vdso_rng_data - what user space sees of the kernel's generator
 * @generation:  Number of the seed in use; 0 until the generator is ready, and for
 *		 a moment while the machine becomes a clone. Otherwise it is never
 *		 0 nor U64_MAX. It changes with every reseed. A program that has
 *		 seen a number gets that seed, or a later one, from a getrandom()
 *		 system call that it makes afterwards.
 * @incarnation: Number of the clone that this machine is; 0 until the generator is
 *		 ready, and never 0 nor U64_MAX after that. It changes whenever the
 *		 machine is told to be a clone. A program that loads @generation
 *		 and then this sees the last clone that the seed is later than. A
 *		 program that loads this and then @generation finds no seed from
 *		 before the clone.
 * @disabled:	 Set at boot when the vDSO is not to serve getrandom(), in which
 *		 case @generation stays 0.
 *
 * The kernel writes it, user space reads it. A state that was wiped has 0 for
 * its generation, so 0 must never be the number of a seed.
 *
 * The numbers are drawn at random, and no number tells which of two seeds is newer.
 * A state that was saved in another boot, or in another clone of this machine, has
 * a number that is not in use here, so nobody draws from it.
 */
struct vdso_rng_data {
	u64	generation;
	u64	incarnation;
	u32	disabled;
};

/**
 * union vdso_rng_page - the page that is mapped into every process
 * @data: The kernel's data.
 * @page: Makes it a page of its own, so that nothing else is mapped with it.
 */
union vdso_rng_page {
	struct vdso_rng_data	data;
	u8			page[PAGE_SIZE];
};

/* For the kernel: user space has its own view, at an address of the vDSO's. */
extern union vdso_rng_page vdso_rng_page;

/* Mapped in its place into processes that asked to do without. */
extern const union vdso_rng_page vdso_rng_page_off;

struct mm_struct;

/**
 * vdso_zap_rng_page() - have the page faulted in again
 * @mm: The address space. Each architecture has this function. Its fault handler
 *	maps vdso_rng_page_off if %MMF_NO_VDSO_GETRANDOM is set in @mm->flags.
 *
 * Context: The mmap_lock of @mm is held for writing.
 */
void vdso_zap_rng_page(struct mm_struct *mm);

struct pt_regs;

#ifdef CONFIG_VDSO_GETRANDOM
/**
 * vdso_getrandom_abort() - leave a draw to the system call
 * @regs: The user's registers.
 *
 * Each architecture has this function. A draw that is aborted never resumes.
 *
 * Context: current, in an exception from user mode or about to return there.
 * Return: True if the registers were those of a draw. They now are those of a call
 *	   that is about to make the system call.
 */
bool vdso_getrandom_abort(struct pt_regs *regs);
#else
static inline bool vdso_getrandom_abort(struct pt_regs *regs)
{
	return false;
}
#endif

/* Cookies of GRND_TIMESTAMP: one for reseeds, and optionally one for clones. */
#define GETRANDOM_COOKIE_LEN		sizeof(u64)
#define GETRANDOM_TWO_COOKIES_LEN	(2 * GETRANDOM_COOKIE_LEN)

/**
 * getrandom_cookie_ok() - check a request for cookies
 * @len:   As for getrandom(2).
 * @flags: As for getrandom(2), %GRND_TIMESTAMP among them.
 *
 * Return: false if the system call is to fail.
 */
static __always_inline bool getrandom_cookie_ok(size_t len, unsigned int flags)
{
	return (len == GETRANDOM_COOKIE_LEN || len == GETRANDOM_TWO_COOKIES_LEN) &&
	       !(flags & ~(GRND_TIMESTAMP | GRND_NONBLOCK));
}

/**
 * getrandom_update_cookie() - compare cookies with the present, and update them
 * @cookie:	 What the caller has, of any alignment.
 * @len:	 Its length, which getrandom_cookie_ok() has accepted.
 * @generation:	 Number of the seed in use, 0 until the generator is ready. No
 *		 cookie equals it then.
 * @incarnation: Number of the clone that this machine is, loaded with @generation
 *		 or after it, so that a new seed never comes without its clone.
 *
 * Return: @len if the cookies were updated, 0 if there was nothing to update.
 */
static __always_inline size_t
getrandom_update_cookie(u8 *cookie, size_t len, u64 generation, u64 incarnation)
{
	u64 *reseeded = (u64 *)cookie;
	u64 *cloned = (u64 *)(cookie + GETRANDOM_COOKIE_LEN);
	bool both = len == GETRANDOM_TWO_COOKIES_LEN;

	if (generation && get_unaligned(reseeded) == generation &&
	    (!both || get_unaligned(cloned) == incarnation))
		return 0;

	put_unaligned(generation, reseeded);
	if (both)
		put_unaligned(incarnation, cloned);
	return len;
}

/*
 * A refill makes this many ChaCha20 blocks, the first half of the first one
 * being the next key. More blocks pay less and less, but cost cache.
 */
#define VGETRANDOM_BLOCKS	8

/* A state whose batch or key is just being replaced; never a seed's number. */
#define VGETRANDOM_IN_PROGRESS	U64_MAX

/**
 * struct vgetrandom_state - one generator in user space
 * @generation: Number of the seed that @key and @batch descend from, or
 *		%VGETRANDOM_IN_PROGRESS. 0 in a new or wiped state.
 * @avail:	Number of bytes left in @batch. They are the first ones: the
 *		batch is consumed from its end, so that a wiped state reads as
 *		an empty one.
 * @key:	Key for the next refill, which replaces it by its first output.
 * @batch:	Keystream not handed out yet, and zeros where it was. What an
 *		abandoned call had claimed remains until the next refill.
 *
 * It lives in memory that the kernel may wipe between any two instructions.
 * @key and @batch are adjacent, so that a refill is one run of blocks.
 */
struct vgetrandom_state {
	u64	generation;
	u32	avail;
	u32	key[CHACHA_KEY_SIZE / sizeof(u32)] __aligned(CHACHA_BLOCK_SIZE);
	u8	batch[VGETRANDOM_BLOCKS * CHACHA_BLOCK_SIZE - CHACHA_KEY_SIZE];
};

/**
 * __arch_chacha20_blocks_nostack() - generate ChaCha20 keystream
 * @dst:     Where to write, of any alignment.
 * @key:     The key of 32 bytes, of any alignment. A refill may have @dst overlap
 *	     it: from *@counter 0, and at most %VGETRANDOM_BLOCKS. Its memory may
 *	     serve for intermediate states; if @dst does not overlap it, it is
 *	     back in place on return.
 * @counter: The 64-bit block counter, low word first: that of the first block
 *	     on entry, that of the block after the last one on return.
 * @nblocks: How many blocks of 64 bytes to write.
 *
 * The nonce is zero. The architecture provides it. Neither the key nor any state
 * of the cipher may reach the stack or stay in a register: a cipher state can be
 * run backwards to the key.
 */
void __arch_chacha20_blocks_nostack(u8 *dst, u32 *key, u32 *counter, size_t nblocks);

/**
 * __cvdso_getrandom_query() - tell how to allocate states
 * @rng:    The kernel's generation.
 * @params: What to fill in.
 *
 * This is not for the drawing code, where a signal would turn it into a system
 * call: it has to resume.
 *
 * Return: 0, or -EOPNOTSUPP if the kernel was told not to offer the function.
 */
static __always_inline ssize_t
__cvdso_getrandom_query(const struct vdso_rng_data *rng, struct vgetrandom_opaque_params *params)
{
	size_t i;

	if (READ_ONCE(rng->disabled))
		return -EOPNOTSUPP;

	params->size_of_opaque_state = sizeof(struct vgetrandom_state);
	params->mmap_prot = PROT_READ | PROT_WRITE;
	params->mmap_flags = MAP_DROPPABLE | MAP_ANONYMOUS;
	/* One at a time, or else this becomes memset(). */
	for (i = 0; i < ARRAY_SIZE(params->reserved); i++)
		WRITE_ONCE(params->reserved[i], 0);
	return 0;
}

/**
 * __cvdso_getrandom_cookie() - compare cookies with the present, and update them
 * @rng:    The kernel's generation and incarnation.
 * @buffer: The caller's cookies.
 * @len:    Their length.
 * @flags:  As for getrandom(2), %GRND_TIMESTAMP among them.
 *
 * This does not belong to the drawing code either. There is no state, nothing is
 * secret, and a signal handler can take nothing away: a call that resumes after a
 * handler compares with what it had loaded, and the next call tells of everything
 * that has happened since. Every cookie in the buffer was written by a call that
 * returns the length, even if two calls, one in a handler of the other, wrote one
 * word each.
 *
 * Return: what the system call returns, or %VGETRANDOM_SYSCALL if the system call
 *	   is to be made: the generator is not ready, the function is switched off,
 *	   or the request is wrong.
 */
static __always_inline ssize_t
__cvdso_getrandom_cookie(const struct vdso_rng_data *rng, void *buffer, size_t len,
			 unsigned int flags)
{
	u64 generation, incarnation;

	if (!getrandom_cookie_ok(len, flags))
		return VGETRANDOM_SYSCALL;

	/*
	 * What the caller has read before, say from a pool of random bytes, is not
	 * newer than the answer. Pairs with the release in vdso_rng_publish().
	 */
	smp_rmb();
	/*
	 * Pairs with the release in vdso_rng_publish(): a caller that sees the
	 * number also sees the clone before it, and gets that seed from a system
	 * call.
	 */
	generation = smp_load_acquire(&rng->generation);
	if (!generation)
		return VGETRANDOM_SYSCALL;

	/*
	 * Pairs with the first release in vdso_rng_publish(): a caller that is told
	 * of a clone draws from the seed that came with it.
	 */
	incarnation = smp_load_acquire(&rng->incarnation);
	return getrandom_update_cookie(buffer, len, generation, incarnation);
}

#endif /* !__ASSEMBLY__ */

#endif /* __VDSO_GETRANDOM_H */
