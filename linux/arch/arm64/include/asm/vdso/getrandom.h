/* SPDX-License-Identifier: GPL-2.0 */
#ifndef __ASM_VDSO_GETRANDOM_H
#define __ASM_VDSO_GETRANDOM_H

/*
 * The stack during a draw. The drawing code has a block of stack to itself, which
 * is aligned to its own size and has a record of the call at its top:
 *
 *	block + VGETRANDOM_STACK_BLOCK ->
 *					  return address	\ what a function called by
 *	VGETRANDOM_RECORD_FRAME        ->  saved frame pointer	/ the entry point would push
 *					  arguments, callee-saved registers
 *	record			       ->
 *					  frames of the drawing code, at most
 *					  VGETRANDOM_STACK_SIZE bytes
 *
 *	block			       ->
 *
 * Rounding down any stack pointer of the drawing code yields the block, and
 * thereby the record. The kernel relies on that when it sends a call to the
 * landing pad. The build checks that the drawing code does not use more stack.
 */
#define VGETRANDOM_STACK_BLOCK		512	/* a power of two */
#define VGETRANDOM_STACK_SIZE		192	/* of the drawing code, a multiple of 16 */

/* Offsets into the record */
#define VGETRANDOM_RECORD_BUFFER	0
#define VGETRANDOM_RECORD_LEN		8
#define VGETRANDOM_RECORD_FLAGS		16
#define VGETRANDOM_RECORD_DONE		24	/* bytes that the system call has written */
#define VGETRANDOM_RECORD_X19		32
#define VGETRANDOM_RECORD_X21		48
#define VGETRANDOM_RECORD_X23		64
#define VGETRANDOM_RECORD_X25		80
#define VGETRANDOM_RECORD_X27		96
#define VGETRANDOM_RECORD_FRAME		112
#define VGETRANDOM_RECORD_SIZE		128

/* Offsets from the bottom of the block */
#define VGETRANDOM_BLOCK_RECORD		(VGETRANDOM_STACK_BLOCK - VGETRANDOM_RECORD_SIZE)
#define VGETRANDOM_BLOCK_FRAME		(VGETRANDOM_BLOCK_RECORD + VGETRANDOM_RECORD_FRAME)

#define VGETRANDOM_FLAG_COOKIE_BIT	3	/* GRND_TIMESTAMP: not a draw */

/*
 * What the assembly of the fast path assumes about struct vgetrandom_state and
 * the generic code. vgetrandom-draw.c checks it.
 */
#define VGETRANDOM_STATE_GENERATION	0
#define VGETRANDOM_STATE_AVAIL		8
#define VGETRANDOM_STATE_BATCH		96
#define VGETRANDOM_STATE_SIZE		576
#define VGETRANDOM_BATCH_SIZE		480
#define VGETRANDOM_FLAGS_END		6	/* flags are not served from this value on */

/* The same for struct vdso_rng_data and struct vdso_vmclock */
#define VDSO_RNG_CHECK			16
#define VDSO_VMCLOCK_MARKER		16

#ifndef __ASSEMBLY__

#include <linux/types.h>
#include <asm/unistd.h>

struct vdso_rng_data;
struct vdso_vmclock;
struct vgetrandom_opaque_params;

/* The kernel's and the hypervisor's data, at the addresses that the linker script gives them. */
extern const struct vdso_rng_data vdso_rng_data __attribute__((visibility("hidden")));
extern const struct vdso_vmclock vdso_vmclock __attribute__((visibility("hidden")));

#define __arch_vgetrandom_cmpxchg __arch_vgetrandom_cmpxchg

/*
 * CAS translates the address once, so it compares and stores in the same page. That cannot
 * be said of a pair of exclusives, so processors without CAS do not offer the function.
 */
static __always_inline bool __arch_vgetrandom_cmpxchg(u64 *ptr, u64 old, u64 new)
{
	u64 found = old;

	asm volatile(".arch_extension lse\n"
		     "casal	%[found], %[new], %[v]"
		     : [found] "+r" (found), [v] "+Q" (*ptr)
		     : [new] "r" (new)
		     : "memory");

	return found == old;
}

/**
 * getrandom_syscall() - make the getrandom() system call
 * @buffer: Where to write the random bytes.
 * @len:    Number of bytes to write.
 * @flags:  As for getrandom(2).
 *
 * Context: User space.
 * Return: The number of bytes written, or a negative error code.
 */
static __always_inline ssize_t getrandom_syscall(void *buffer, size_t len, unsigned int flags)
{
	register long nr asm("x8") = __NR_getrandom;
	register void *ret asm("x0") = buffer;
	register size_t x1 asm("x1") = len;
	register unsigned long x2 asm("x2") = flags;

	asm volatile("svc #0" : "+r" (ret) : "r" (nr), "r" (x1), "r" (x2) : "memory");

	return (ssize_t)ret;
}

/* The functions in C that the entry point calls. */
ssize_t __vgetrandom_query(void *buffer, size_t len, unsigned int flags,
			   void *opaque_state, size_t opaque_len);
ssize_t __vgetrandom_cookie(void *buffer, size_t len, unsigned int flags);
ssize_t __vgetrandom_draw(void *buffer, size_t len, unsigned int flags,
			  void *opaque_state, size_t opaque_len);

#endif /* !__ASSEMBLY__ */

#endif /* __ASM_VDSO_GETRANDOM_H */
