/* SPDX-License-Identifier: GPL-2.0 */
/* What the kernel's random-number generator and getrandom() in the vDSO share. */
#ifndef __VDSO_GETRANDOM_H
#define __VDSO_GETRANDOM_H

/*
 * The generic code returns this if the system call must serve the request. It
 * cannot be a length. It is below -MAX_ERRNO, so it is not an error code
 * either.
 */
#define VGETRANDOM_SYSCALL	(-4096)

/* The call is a query if opaque_len is this, ~0UL, and all else is zero. */
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
#ifdef CONFIG_VDSO_GETRANDOM
#include <asm/vdso/getrandom.h>
#endif
#include <uapi/linux/mman.h>
#include <uapi/linux/random.h>

/**
 * struct vdso_rng_data - what user space sees of the kernel's generator
 * @generation:  Number of the seed in use. It is 0 until the generator is ready, and
 *		 briefly while the kernel publishes a clone. Otherwise it is
 *		 neither 0 nor U64_MAX, and changes with every reseed. Once a
 *		 program has seen a number, its getrandom() system calls use that
 *		 seed or a later one.
 * @incarnation: Number of the clone that this machine is. It is 0 until the generator
 *		 is ready, and neither 0 nor U64_MAX after that. It changes whenever
 *		 the machine is told that it is a clone. A program that loads
 *		 @generation first and this second does not miss a clone that the
 *		 seed is later than. A program that loads them in the opposite
 *		 order does not find a seed from before the clone.
 * @check:	 Sum of @generation and the vmclock's disruption marker that the seed
 *		 accounts for. It never equals the marker alone.
 * @disabled:	 Not 0 if the vDSO must not serve getrandom(), in which case
 *		 @generation stays 0.
 *
 * The kernel writes this, user space reads it. A wiped state has generation 0, so
 * 0 must never be the number of a seed.
 *
 * The numbers are drawn at random, and may only be compared for equality. None
 * tells which of two seeds is newer. A state that was saved in another boot, or in
 * another clone of this machine, has a number that is not in use here, so nothing
 * is drawn from it.
 */
struct vdso_rng_data {
	u64	generation;
	u64	incarnation;
	u64	check;
	u32	disabled;
};

/* Takes the place of @generation in @check while there is none. */
#define VDSO_RNG_NO_GENERATION	(1ULL << 63)

/**
 * struct vdso_vmclock - the hypervisor's words about clones
 * @disruption_marker:	   Changes when the machine is restored from a snapshot or
 *			   migrated, so it changes whenever @vm_generation_counter does.
 * @vm_generation_counter: Changes when the machine is restored from a snapshot, if
 *			   the hypervisor has this word.
 *
 * This is the part of the vmclock ABI that matters here. The hypervisor writes to the
 * page while the machine is stopped, so the words are new before the first
 * instruction of a clone. Where there is no such page, user space sees zeros.
 */
struct vdso_vmclock {
	/* private: */
	u8	__unused1[16];
	/* public: */
	u64	disruption_marker;
	/* private: */
	u8	__unused2[80];
	/* public: */
	u64	vm_generation_counter;
};

/* Page frame of the hypervisor that user space sees, or 0 if there is none. */
extern unsigned long vdso_vmclock_pfn;

/**
 * vdso_set_vmclock() - show the hypervisor's page to user space
 * @pfn: Number of the page frame, or 0 if there is none.
 *
 * Processes that have another page mapped fault in this one with their next access. A
 * process that is being forked is not found, so the architecture must not let a child
 * inherit the page.
 *
 * Context: Process context, may sleep.
 */
#ifdef CONFIG_VDSO_GETRANDOM
void vdso_set_vmclock(unsigned long pfn);
#else
static inline void vdso_set_vmclock(unsigned long pfn) { }
#endif

/**
 * union vdso_rng_page - the page that is mapped into every process
 * @data: The kernel's data.
 * @page: Fills the page, so that nothing else is mapped with the data.
 */
union vdso_rng_page {
	struct vdso_rng_data	data;
	u8			page[PAGE_SIZE];
};

/* The kernel's view. User space reads it at an address of the vDSO's. */
extern union vdso_rng_page vdso_rng_page;

/* Mapped instead into processes that have switched the function off. */
extern const union vdso_rng_page vdso_rng_page_off;

struct mm_struct;

/**
 * vdso_zap_rng_page() - unmap the page, so that the next access faults it in
 * @mm: The address space.
 *
 * Each architecture provides this function. Its fault handler then maps
 * vdso_rng_page_off if %MMF_NO_VDSO_GETRANDOM is set in @mm->flags, and
 * vdso_rng_page otherwise.
 *
 * Context: The caller holds the mmap_lock of @mm for writing.
 */
void vdso_zap_rng_page(struct mm_struct *mm);

/**
 * vdso_zap_vmclock_page() - have the hypervisor's page faulted in again
 * @mm: The address space. Each architecture has this function. Its fault handler
 *	maps the page that vdso_vmclock_pfn() names, or zeros.
 *
 * Context: The mmap_lock of @mm is held for writing.
 */
void vdso_zap_vmclock_page(struct mm_struct *mm);

struct pt_regs;

#ifdef CONFIG_VDSO_GETRANDOM
/**
 * vdso_getrandom_abort() - make a draw fall back to the system call
 * @regs: The user's registers, which this changes if they are those of a draw.
 *
 * Each architecture provides this function. The draw never resumes.
 *
 * Context: Task context, in an exception from user mode or on the way back there.
 *	    @regs are those of current.
 * Return: True if @regs were those of a draw. They are now those of a call that
 *	   is about to make the system call.
 */
bool vdso_getrandom_abort(struct pt_regs *regs);
#else
static inline bool vdso_getrandom_abort(struct pt_regs *regs)
{
	return false;
}
#endif

/* GRND_TIMESTAMP: one cookie for reseeds, and optionally a second for clones. */
#define GETRANDOM_COOKIE_LEN		sizeof(u64)
#define GETRANDOM_TWO_COOKIES_LEN	(2 * GETRANDOM_COOKIE_LEN)

/**
 * getrandom_cookie_ok() - check a request for cookies
 * @len:   As for getrandom(2).
 * @flags: As for getrandom(2), including %GRND_TIMESTAMP.
 *
 * Return: false if the system call has to fail.
 */
static __always_inline bool getrandom_cookie_ok(size_t len, unsigned int flags)
{
	return (len == GETRANDOM_COOKIE_LEN || len == GETRANDOM_TWO_COOKIES_LEN) &&
	       !(flags & ~(GRND_TIMESTAMP | GRND_NONBLOCK));
}

/**
 * getrandom_update_cookie() - bring cookies up to date
 * @cookie:	 The caller's cookies, of any alignment.
 * @len:	 Their length, which getrandom_cookie_ok() has accepted.
 * @generation:	 Number of the seed in use. It is 0 until the generator is ready,
 *		 and no cookie is current until then.
 * @incarnation: Number of the clone that this machine is. The caller loads it with
 *		 @generation or after it, so that a new seed never comes without
 *		 the clone that led to it.
 *
 * Return: @len if the cookies were updated, 0 if they were current.
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
 * A refill makes this many ChaCha20 blocks, unless the architecture chooses more, see
 * __arch_vgetrandom_blocks(). The first half of the first block is the next key. Each
 * further block gains less and costs as much cache.
 */
#define VGETRANDOM_BLOCKS	8
#define VGETRANDOM_MAX_BLOCKS	16

/* The generation while key or batch are being replaced; never that of a seed. */
#define VGETRANDOM_IN_PROGRESS	U64_MAX

/**
 * struct vgetrandom_state - one generator in user space
 * @generation: Number of the seed that @key and @batch descend from, or
 *		%VGETRANDOM_IN_PROGRESS. It is 0 in a new or wiped state.
 * @avail:	Number of bytes left in @batch. They are at its start: the batch
 *		is consumed from its end, so that a wiped state reads as an
 *		empty one.
 * @key:	Key for the next refill, whose first output replaces it.
 * @batch:	Keystream that has not been handed out, then zeros in place of
 *		the bytes that have. An abandoned call may leave the bytes it
 *		claimed until the next refill. There are vgetrandom_batch_size()
 *		bytes.
 *
 * It lives in memory that the kernel may wipe between any two instructions. See
 * lib/vdso/getrandom.c for how @generation changes. @key and @batch are adjacent,
 * so that a refill is one run of blocks.
 */
struct vgetrandom_state {
	u64	generation;
	u32	avail;
	u32	key[CHACHA_KEY_SIZE / sizeof(u32)] __aligned(CHACHA_BLOCK_SIZE);
	u8	batch[];
};

#ifndef __arch_vgetrandom_blocks
/**
 * __arch_vgetrandom_blocks() - the number of blocks that a refill makes
 *
 * Description: An architecture may choose the number at boot. It must be a power of two
 * from %VGETRANDOM_BLOCKS to %VGETRANDOM_MAX_BLOCKS, and never change once user space runs.
 *
 * Return: that number.
 */
#define __arch_vgetrandom_blocks()		VGETRANDOM_BLOCKS
#endif

#ifndef __arch_chacha20_blocks_overlap
/**
 * __arch_chacha20_blocks_overlap() - how many blocks may overwrite their key
 *
 * Return: a number of blocks from %VGETRANDOM_BLOCKS to %VGETRANDOM_MAX_BLOCKS for which
 *	   the @dst of __arch_chacha20_blocks_nostack() may start with the @key.
 */
#define __arch_chacha20_blocks_overlap()	VGETRANDOM_BLOCKS
#endif

/**
 * vgetrandom_batch_size() - the size of a full batch
 *
 * Return: the number of bytes that a refill leaves for requests.
 */
static __always_inline size_t vgetrandom_batch_size(void)
{
	return __arch_vgetrandom_blocks() * CHACHA_BLOCK_SIZE - CHACHA_KEY_SIZE;
}

/**
 * vgetrandom_state_size() - the size of a state
 *
 * Return: the number of bytes of a struct vgetrandom_state and its batch.
 */
static __always_inline size_t vgetrandom_state_size(void)
{
	return offsetof(struct vgetrandom_state, batch) + vgetrandom_batch_size();
}

/**
 * __arch_chacha20_blocks_nostack() - generate ChaCha20 keystream
 * @dst:     Where to write the keystream, at any alignment.
 * @key:     The 32-byte key, at any alignment. If *@counter is 0 and @nblocks is at
 *	     most %VGETRANDOM_BLOCKS, or is __arch_chacha20_blocks_overlap(), @dst may
 *	     start with the key.
 *	     Otherwise they do not overlap. Until @dst has the output, it may have
 *	     intermediate states of the cipher.
 * @counter: The 64-bit block counter, low word first. On entry it is that of the
 *	     first block, on return that of the block after the last one.
 * @nblocks: Number of 64-byte blocks to write.
 *
 * The nonce is zero. Each architecture provides this function. Neither the key nor
 * any state of the cipher may reach the stack or stay in a register: the cipher
 * can be run backwards from a state to the key.
 *
 * Context: User space.
 */
void __arch_chacha20_blocks_nostack(u8 *dst, const u32 *key, u32 *counter, size_t nblocks);

/**
 * __cvdso_getrandom_query() - tell how to allocate states
 * @rng:    The kernel's data.
 * @params: Where to write the parameters.
 *
 * This must not be part of the drawing code. There, a signal would turn it into a
 * system call, which cannot answer a query.
 *
 * Context: User space.
 * Return: 0, or -EOPNOTSUPP if getrandom() in the vDSO is switched off.
 */
static __always_inline ssize_t
__cvdso_getrandom_query(const struct vdso_rng_data *rng, struct vgetrandom_opaque_params *params)
{
	size_t i;

	if (READ_ONCE(rng->disabled))
		return -EOPNOTSUPP;

	params->size_of_opaque_state = vgetrandom_state_size();
	params->mmap_prot = PROT_READ | PROT_WRITE;
	params->mmap_flags = MAP_DROPPABLE | MAP_ANONYMOUS;
	/* WRITE_ONCE() keeps the loop from becoming memset(). */
	for (i = 0; i < ARRAY_SIZE(params->reserved); i++)
		WRITE_ONCE(params->reserved[i], 0);
	return 0;
}

/**
 * __cvdso_getrandom_cookie() - bring cookies up to date
 * @rng:    The kernel's generation and incarnation.
 * @clock:  The hypervisor's page, or one of zeros.
 * @buffer: The caller's cookies.
 * @len:    Their length.
 * @flags:  As for getrandom(2), including %GRND_TIMESTAMP.
 *
 * Like the query, this is not part of the drawing code. It uses no state and handles
 * no secrets, so a call that a signal interrupts may resume. The call compares with
 * the values that it had loaded, and the next call reports everything that has
 * happened since. If a handler asks with the same buffer, each of the two calls may
 * write one of the cookies. Even then, the call that wrote a cookie returns the
 * length.
 *
 * Return: what the system call returns, or %VGETRANDOM_SYSCALL if the caller must
 *	   make the system call: the generator is not ready, the function is
 *	   switched off, the request is invalid, or the machine is a clone and the
 *	   kernel has not noticed yet.
 */
static __always_inline ssize_t
__cvdso_getrandom_cookie(const struct vdso_rng_data *rng, const struct vdso_vmclock *clock,
			 void *buffer, size_t len, unsigned int flags)
{
	u64 generation, incarnation;

	if (!getrandom_cookie_ok(len, flags))
		return VGETRANDOM_SYSCALL;

	/*
	 * Nothing that the caller has read before, say from a pool of random bytes,
	 * is newer than the answer. Pairs with the release in vdso_rng_publish().
	 */
	smp_rmb();
	/*
	 * A caller that sees the number also sees the clone that led to it, and
	 * gets that seed from a system call. Pairs with the release in
	 * vdso_rng_publish().
	 */
	generation = smp_load_acquire(&rng->generation);
	if (!generation)
		return VGETRANDOM_SYSCALL;

	/*
	 * A caller that learns of a clone draws from the seed that came with it.
	 * Pairs with the first release in vdso_rng_publish().
	 */
	incarnation = smp_load_acquire(&rng->incarnation);

	/* The hypervisor's word is loaded last, so the answer accounts for it. */
	if (smp_load_acquire(&rng->check) - generation != READ_ONCE(clock->disruption_marker))
		return VGETRANDOM_SYSCALL;

	return getrandom_update_cookie(buffer, len, generation, incarnation);
}

#endif /* !__ASSEMBLY__ */

#endif /* __VDSO_GETRANDOM_H */
