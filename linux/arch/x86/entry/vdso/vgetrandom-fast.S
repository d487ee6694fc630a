/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The fast path of getrandom() in the vDSO: requests that the batch of the state
 * has enough bytes for. All others go to __vgetrandom_framed() with the arguments
 * as they came.
 *
 * It does what lib/vdso/getrandom.c does in that case, in the order that is
 * explained there. It is in assembly because a signal may interrupt it anywhere
 * between vgetrandom_fast_start and vgetrandom_fast_end. The landing pad has to
 * find the request then: it is still in the argument registers, and the stack and
 * the caller's registers are untouched. No compiler promises that. In return, no
 * record of the call is needed, which took longer than the rest.
 *
 *	%rdi		buffer		\
 *	%rsi		length		 | never written
 *	%edx		flags		 |
 *	%rcx		state		/
 *	%r8		size of the state; then where in the batch the words are,
 *			then the generation
 *	%rax, %r9,
 *	%r10, %r11	scratch, and words of the batch
 *
 * Vector registers are left alone: a legacy SSE instruction would have to wait for
 * the upper halves, should the caller have them in use, and the pad and each way
 * out would have to clear them.
 */
#include <linux/linkage.h>
#include <asm/page_types.h>
#include <asm/vdso/getrandom.h>

/* States begin on cache lines; this is the last one in a page where they may. */
#define LINE_BITS	6
#define LAST_LINE	((PAGE_SIZE - VGETRANDOM_STATE_SIZE) >> LINE_BITS)

/*
 * The steps for words of this size, the first one and the last one, which may
 * overlap and together are what is drawn.
 */
.macro	load_words	mov, head, tail, size
	\mov		(%r8), \head
	\mov		-\size(%r8, %rsi), \tail
.endm

.macro	erase_words	mov, size
	\mov		$0, (%r8)
	\mov		$0, -\size(%r8, %rsi)
.endm

.macro	store_words	head, tail, size
	mov		\head, (%rdi)
	mov		\tail, -\size(%rdi, %rsi)
.endm

/* 32 bytes at this offset, through or with %rax */
.macro	copy_32	at
	.irp		i, 0, 8, 16, 24
	mov		\i(%r8, \at), %rax
	mov		%rax, \i(%rdi, \at)
	.endr
.endm

.macro	erase_32 at
	.irp		i, 0, 8, 16, 24
	mov		%rax, \i(%r8, \at)
	.endr
.endm

/*
 * The one check, after the last word has been loaded and erased: the state's
 * generation, and then the kernel's, which must not be that of a wiped state.
 */
.macro	check_generation
	mov		VGETRANDOM_STATE_GENERATION(%rcx), %r8
	cmp		vdso_rng_data(%rip), %r8
	jne		.Ldrop
	test		%r8, %r8
	jz		.Ldrop
.endm

/* Return the length, and no word but in the caller's buffer. */
.macro	return_length	words:vararg
	.irp		word, \words
	xor		\word, \word
	.endr
	mov		%rsi, %rax
	RET
.endm

	.section .text, "ax"

/* The entry point has compared the size of the state. */
SYM_CODE_START(vgetrandom_fast)
	.cfi_startproc
SYM_INNER_LABEL(vgetrandom_fast_start, SYM_L_GLOBAL)
	/* 1 to VGETRANDOM_FAST_LEN bytes */
	lea		-1(%rsi), %rax
	cmp		$(VGETRANDOM_FAST_LEN - 1), %rax
	ja		__vgetrandom_framed

	cmp		$VGETRANDOM_FLAGS_END, %edx
	jae		__vgetrandom_framed

	/* Offset in the page, in lines; what is less than a line makes it huge. */
	mov		%ecx, %eax
	and		$(PAGE_SIZE - 1), %eax
	ror		$LINE_BITS, %eax
	cmp		$LAST_LINE, %eax
	ja		__vgetrandom_framed

	/* The batch has enough, and no more than can be. */
	mov		VGETRANDOM_STATE_AVAIL(%rcx), %eax
	cmp		$VGETRANDOM_BATCH_SIZE, %eax
	ja		__vgetrandom_framed
	sub		%esi, %eax
	jb		__vgetrandom_framed

	/* Claim them, before anything is read. */
	mov		%eax, VGETRANDOM_STATE_AVAIL(%rcx)
	lea		VGETRANDOM_STATE_BATCH(%rcx, %rax), %r8

	cmp		$8, %esi
	jb		.Lless_than_8
	cmp		$16, %esi
	ja		.Lmore_than_16

	/* 8 to 16 */
	load_words	mov, %rax, %r9, 8
	erase_words	movq, 8
	check_generation
	store_words	%rax, %r9, 8
	return_length	%r9d

.Lless_than_8:
	cmp		$4, %esi
	jb		.Lless_than_4

	load_words	mov, %eax, %r9d, 4
	erase_words	movl, 4
	check_generation
	store_words	%eax, %r9d, 4
	return_length	%r9d

.Lmore_than_32:
	/*
	 * Too much for the registers, so the caller gets it before it is checked, and
	 * over again if need be. First all but the last 1 to 32 bytes, and then the
	 * last 32; copying and erasing by turns would halve the rate of stores.
	 */
	lea		-32(%rsi), %r10
	xor		%r9d, %r9d
.Lcopy:
	copy_32		%r9
	add		$32, %r9
	cmp		%r10, %r9
	jb		.Lcopy
	copy_32		%r10

	xor		%eax, %eax
	xor		%r9d, %r9d
.Lerase:
	erase_32	%r9
	add		$32, %r9
	cmp		%r10, %r9
	jb		.Lerase
	erase_32	%r10

	check_generation
	mov		%rsi, %rax
	RET

.Lmore_than_16:
	cmp		$32, %esi
	ja		.Lmore_than_32

	/* Two words at either end */
	load_words	mov, %rax, %r9, 16
	mov		8(%r8), %r10
	mov		-8(%r8, %rsi), %r11
	erase_words	movq, 16
	movq		$0, 8(%r8)
	movq		$0, -8(%r8, %rsi)
	check_generation
	store_words	%rax, %r9, 16
	mov		%r10, 8(%rdi)
	mov		%r11, -8(%rdi, %rsi)
	return_length	%r9d, %r10d, %r11d

.Lless_than_4:
	/* The byte in the middle, too: of 1 it is the first, of 2 the second */
	mov		%esi, %r11d
	shr		$1, %r11d
	load_words	movzbl, %eax, %r9d, 1
	movzbl		(%r8, %r11), %r10d
	erase_words	movb, 1
	movb		$0, (%r8, %r11)
	check_generation
	store_words	%al, %r9b, 1
	mov		%r10b, (%rdi, %r11)
	return_length	%r9d, %r10d

	/* Zeros, or words that somebody else has, too. They are used up. */
.Ldrop:
	xor		%eax, %eax
	xor		%r9d, %r9d
	xor		%r10d, %r10d
	xor		%r11d, %r11d
	mov		$VGETRANDOM_STATE_SIZE, %r8d
	jmp		__vgetrandom_framed
SYM_INNER_LABEL(vgetrandom_fast_end, SYM_L_GLOBAL)
	.cfi_endproc
SYM_CODE_END(vgetrandom_fast)
