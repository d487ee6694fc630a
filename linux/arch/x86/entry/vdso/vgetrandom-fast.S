/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The fast path of getrandom() in the vDSO, for requests that the batch of the
 * state can meet. It passes all others on to __vgetrandom_framed(), arguments
 * intact.
 *
 * It takes the same steps as lib/vdso/getrandom.c, in the order explained there.
 * It is in assembly, because a signal may interrupt it anywhere between
 * vgetrandom_fast_start and vgetrandom_fast_end. The landing pad must then find
 * the request in the argument registers, and the stack and the caller's registers
 * as they were. No compiler promises that. In return, the fast path needs no
 * record of the call, which would take longer than all the rest.
 *
 *	%rdi		buffer		\
 *	%rsi		length		 | never written
 *	%edx		flags		 |
 *	%rcx		state		/
 *	%r8		size of the state, then address of the bytes in the
 *			batch, then generation
 *	%rax, %r9,
 *	%r10, %r11	scratch, and words of the batch
 *	%xmm0 to %xmm4	words of the batch and zero, with AVX
 *
 * A legacy SSE instruction would have to wait if the caller had upper halves in use,
 * so the bytes go through general registers, unless the processor has AVX. Up to 16
 * bytes, and exactly 32, the size of a key, never need more of those.
 */
#include <linux/linkage.h>
#include <asm/alternative.h>
#include <asm/cpufeatures.h>
#include <asm/page_types.h>
#include <asm/vdso/getrandom.h>

/* States start on cache lines. A state fits into its page up to LAST_LINE. */
#define LINE_BITS	6
#define LAST_LINE	((PAGE_SIZE - VGETRANDOM_STATE_SIZE) >> LINE_BITS)
#define LAST_LINE_16	((PAGE_SIZE - VGETRANDOM_16_STATE_SIZE) >> LINE_BITS)

/* The longest request that a batch can serve, minus one */
#define LAST_LEN	(VGETRANDOM_BATCH_SIZE - 1)
#define LAST_LEN_16	(VGETRANDOM_16_BATCH_SIZE - 1)

/*
 * The steps for words of this size: the first and the last one of the bytes to
 * draw. They may overlap, and together they are all of the bytes.
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

/* Copy 32 bytes at this offset by way of %rax, or erase them with %rax at 0. */
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

/* The same with AVX: by way of two registers, or with %xmm4 at 0 */
.macro	copy_32_avx at
	vmovdqu		(%r8, \at), %xmm0
	vmovdqu		16(%r8, \at), %xmm1
	vmovdqu		%xmm0, (%rdi, \at)
	vmovdqu		%xmm1, 16(%rdi, \at)
.endm

.macro	erase_32_avx at
	vmovdqu		%xmm4, (%r8, \at)
	vmovdqu		%xmm4, 16(%r8, \at)
.endm

/* Faster than vzeroall */
.macro	clear_avx words:vararg
	.irp		word, \words
	vpxor		%xmm\word, %xmm\word, %xmm\word
	.endr
.endm

/*
 * The check at the end, after the last word has been loaded and erased, as in
 * the generic code. It also fails for a wiped state: the kernel's sum never
 * equals the hypervisor's word alone.
 */
.macro	check_generation
	mov		vdso_rng_data + VDSO_RNG_CHECK(%rip), %r8
	sub		VGETRANDOM_STATE_GENERATION(%rcx), %r8
	cmp		vdso_vmclock + VDSO_VMCLOCK_MARKER(%rip), %r8
	jne		.Ldrop
.endm

/* Return the length, and leave no word anywhere but in the caller's buffer. */
.macro	return_length	words:vararg
	.irp		word, \words
	xor		\word, \word
	.endr
	mov		%rsi, %rax
	RET
.endm

	.section .text, "ax"

/* The entry point has checked the size of the state. */
SYM_CODE_START(vgetrandom_fast)
	.cfi_startproc
SYM_INNER_LABEL(vgetrandom_fast_start, SYM_L_GLOBAL)
	/* A batch at most, but not nothing */
	lea		-1(%rsi), %rax
	by_size		cmp, LAST_LEN, LAST_LEN_16, %rax
	ja		__vgetrandom_framed

	cmp		$VGETRANDOM_FLAGS_END, %edx
	jae		__vgetrandom_framed

	/* Offset in the page, in lines. Rotating makes it huge if misaligned. */
	mov		%ecx, %eax
	and		$(PAGE_SIZE - 1), %eax
	ror		$LINE_BITS, %eax
	by_size		cmp, LAST_LINE, LAST_LINE_16, %eax
	ja		__vgetrandom_framed

	/* The batch has enough bytes, and no more than fit. */
	mov		VGETRANDOM_STATE_AVAIL(%rcx), %eax
	by_size		cmp, VGETRANDOM_BATCH_SIZE, VGETRANDOM_16_BATCH_SIZE, %eax
	ja		__vgetrandom_framed
	sub		%esi, %eax
	jb		__vgetrandom_framed

	/* Claim them before reading any. */
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

.Lmore_than_16:
	cmp		$32, %esi
	jne		.Lnot_32

	/* Two words at either end */
.Ltwo_words:
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

.Lnot_32:
	ALTERNATIVE	"", "jmp .Lmore_than_16_avx", X86_FEATURE_AVX
	jb		.Ltwo_words

	/*
	 * Too many bytes for the registers, so the caller gets them before the
	 * check, and again if it fails. Copy all but the last 1 to 32 bytes,
	 * then the last 32. Copying and erasing in turns would halve the rate
	 * of stores.
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

.Lmore_than_16_avx:
	cmp		$64, %esi
	ja		.Lmore_than_64_avx

	/*
	 * The words at both ends, and those next to them, which are the same ones
	 * again if there are no more. A branch for each number of words would often
	 * be predicted wrongly.
	 */
	mov		$16, %r9d
	lea		-16(%rsi), %r10d
	cmp		%r10d, %r9d
	cmova		%r10d, %r9d
	mov		%r10d, %r11d
	sub		%r9d, %r11d
	vpxor		%xmm4, %xmm4, %xmm4
	vmovdqu		(%r8), %xmm0
	vmovdqu		(%r8, %r9), %xmm1
	vmovdqu		(%r8, %r11), %xmm2
	vmovdqu		(%r8, %r10), %xmm3
	vmovdqu		%xmm4, (%r8)
	vmovdqu		%xmm4, (%r8, %r9)
	vmovdqu		%xmm4, (%r8, %r11)
	vmovdqu		%xmm4, (%r8, %r10)
	check_generation
	vmovdqu		%xmm0, (%rdi)
	vmovdqu		%xmm1, (%rdi, %r9)
	vmovdqu		%xmm2, (%rdi, %r11)
	vmovdqu		%xmm3, (%rdi, %r10)
	clear_avx	0, 1, 2, 3
	mov		%rsi, %rax
	RET

.Lmore_than_64_avx:
	/* As without AVX */
	lea		-32(%rsi), %r10
	xor		%r9d, %r9d
.Lcopy_avx:
	copy_32_avx	%r9
	add		$32, %r9
	cmp		%r10, %r9
	jb		.Lcopy_avx
	copy_32_avx	%r10

	vpxor		%xmm4, %xmm4, %xmm4
	xor		%r9d, %r9d
.Lerase_avx:
	erase_32_avx	%r9
	add		$32, %r9
	cmp		%r10, %r9
	jb		.Lerase_avx
	erase_32_avx	%r10

	check_generation
	clear_avx	0, 1
	mov		%rsi, %rax
	RET

.Lless_than_4:
	/* Also the byte in the middle: the first of 1, the second of 2 or 3 */
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

	/* The words are zeros, or others may have them, too. They stay claimed. */
.Ldrop:
	ALTERNATIVE	"", "vzeroall", X86_FEATURE_AVX
	xor		%eax, %eax
	xor		%r9d, %r9d
	xor		%r10d, %r10d
	xor		%r11d, %r11d
	by_size		mov, VGETRANDOM_STATE_SIZE, VGETRANDOM_16_STATE_SIZE, %r8d
	jmp		__vgetrandom_framed
SYM_INNER_LABEL(vgetrandom_fast_end, SYM_L_GLOBAL)
	.cfi_endproc
SYM_CODE_END(vgetrandom_fast)
