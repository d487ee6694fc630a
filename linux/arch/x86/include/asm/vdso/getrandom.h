/* SPDX-License-Identifier: GPL-2.0 */
#ifndef __ASM_VDSO_GETRANDOM_H
#define __ASM_VDSO_GETRANDOM_H

#include <asm/alternative.h>
#include <asm/cpufeatures.h>

/*
 * The stack during a draw. The drawing code has a block of stack to itself, which
 * is aligned to its own size and has a record of the call in it:
 *
 *	block + VGETRANDOM_STACK_BLOCK ->
 *					  nothing
 *
 *					  return address	\ what a function called by
 *	VGETRANDOM_RECORD_FRAME        ->  saved frame pointer	/ the entry point would push
 *					  arguments, callee-saved registers
 *	block + VGETRANDOM_STACK_SIZE  ->  record
 *					  return addresses and frames of the drawing code
 *	block			       ->
 *
 * Rounding down any stack pointer of the drawing code yields the block, and
 * thereby the record. The kernel relies on that when it sends a call to the
 * landing pad. The build checks that the drawing code fits below the record.
 */
#define VGETRANDOM_STACK_BLOCK		512	/* a power of two */
#define VGETRANDOM_STACK_SIZE		224	/* of the drawing code, a multiple of 16 */

/* Offsets into the record. */
#define VGETRANDOM_RECORD_BUFFER	0
#define VGETRANDOM_RECORD_LEN		8
#define VGETRANDOM_RECORD_FLAGS		16
#define VGETRANDOM_RECORD_DONE		24	/* bytes that the system call has written */
#define VGETRANDOM_RECORD_RBX		32
#define VGETRANDOM_RECORD_R12		40
#define VGETRANDOM_RECORD_R13		48
#define VGETRANDOM_RECORD_R14		56
#define VGETRANDOM_RECORD_R15		64
#define VGETRANDOM_RECORD_FRAME		72

/* Offset from the bottom of the block. */
#define VGETRANDOM_BLOCK_FRAME		(VGETRANDOM_STACK_SIZE + VGETRANDOM_RECORD_FRAME)

/*
 * What the assembly of the fast path assumes about struct vgetrandom_state and
 * the generic code. vgetrandom-draw.c checks it.
 */
#define VGETRANDOM_STATE_GENERATION	0
#define VGETRANDOM_STATE_AVAIL		8
#define VGETRANDOM_STATE_BATCH		96
#define VGETRANDOM_STATE_SIZE		576
#define VGETRANDOM_BATCH_SIZE		480
#define VGETRANDOM_16_STATE_SIZE	1088	/* with X86_FEATURE_VGETRANDOM_16 */
#define VGETRANDOM_16_BATCH_SIZE	992
#define VGETRANDOM_FLAGS_END		6	/* flags are not served from this value on */
#define VGETRANDOM_FLAG_COOKIE		8	/* GRND_TIMESTAMP: not a draw */

/* The same for struct vdso_rng_data and struct vdso_vmclock. */
#define VDSO_RNG_CHECK			16
#define VDSO_VMCLOCK_MARKER		16

#ifdef __ASSEMBLY__

/* An instruction whose immediate operand depends on the size of a batch */
.macro	by_size insn, small, large, reg
	ALTERNATIVE "\insn $\small, \reg", "\insn $\large, \reg", X86_FEATURE_VGETRANDOM_16
.endm

#else /* !__ASSEMBLY__ */

#include <linux/kconfig.h>
#include <linux/types.h>
#include <asm/unistd.h>

#define __arch_vgetrandom_blocks __arch_vgetrandom_blocks

/* The vDSO's code takes the choice that was made at boot as an immediate operand. */
static __always_inline size_t __arch_vgetrandom_blocks(void)
{
	unsigned int nblocks;

	asm (ALTERNATIVE("movl $8, %0", "movl $16, %0", X86_FEATURE_VGETRANDOM_16)
	     : "=r" (nblocks));
	return nblocks;
}

#define __arch_chacha20_blocks_overlap __arch_chacha20_blocks_overlap

/*
 * The block functions for AVX2 and AVX-512VL read the key again for each eight blocks. The one for
 * 512-bit registers, which not every assembler can make, reads it before it stores sixteen.
 */
static __always_inline size_t __arch_chacha20_blocks_overlap(void)
{
	unsigned int nblocks;

	if (!IS_ENABLED(CONFIG_AS_AVX512))
		return 8;

	asm (ALTERNATIVE("movl $8, %0", "movl $16, %0", X86_FEATURE_AVX512_VBMI2)
	     : "=r" (nblocks));
	return nblocks;
}

struct vdso_rng_data;
struct vdso_vmclock;
struct vgetrandom_opaque_params;

/* The kernel's data, at the address that the vDSO's linker script gives it. */
extern const struct vdso_rng_data vdso_rng_data __attribute__((visibility("hidden")));

/* The place of the hypervisor's page. */
extern const struct vdso_vmclock vdso_vmclock __attribute__((visibility("hidden")));

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
	long ret;

	asm volatile("syscall"
		     : "=a" (ret)
		     : "0" (__NR_getrandom), "D" (buffer), "S" (len), "d" (flags)
		     : "rcx", "r11", "memory");

	return ret;
}

/* The functions in C that the entry point calls. */
ssize_t __vgetrandom_query(void *buffer, size_t len, unsigned int flags,
			   struct vgetrandom_opaque_params *params);
ssize_t __vgetrandom_cookie(void *buffer, size_t len, unsigned int flags);
ssize_t __vgetrandom_draw(void *buffer, size_t len, unsigned int flags,
			  void *opaque_state, size_t opaque_len);

#endif /* !__ASSEMBLY__ */

#endif /* __ASM_VDSO_GETRANDOM_H */
