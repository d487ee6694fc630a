/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The fast path of getrandom() in the vDSO, for requests that the batch of the
 * state can meet. It passes all others on to __vgetrandom_framed(), arguments
 * intact.
 *
 * It takes the same steps as lib/vdso/getrandom.c, in the order explained there.
 * It is in assembly, because a signal may interrupt it anywhere between
 * VDSO_vgetrandom_start and VDSO_vgetrandom_fast_end. The landing pad must then
 * find the request in the argument registers, and the stack and the caller's
 * registers as they were. No compiler promises that. In return, the fast path
 * needs no record of the call, which would take longer than all the rest.
 *
 * The result and the first argument share a register, so it is written outside of
 * the range, at __vgetrandom_return().
 *
 *	x0		buffer		\
 *	x1		length		 |
 *	w2		flags		 | never written
 *	x3		state		 |
 *	x4		its size	/
 *	x9		state + offset of the bytes in the batch
 *	x10		x9 + length
 *	x11 to x15	scratch, and words of the batch
 *	v0 to v7	words of the batch
 *	v16		zero
 *
 */
#include <linux/linkage.h>
#include <asm/assembler.h>
#include <asm/page-def.h>
#include <asm/vdso/getrandom.h>

/* States start on cache lines. A state fits into its page up to LAST_LINE. */
#define LINE_BITS	6
#define LAST_LINE	((PAGE_SIZE - VGETRANDOM_STATE_SIZE) >> LINE_BITS)

/* The longest request that a batch can serve, minus one */
#define LAST_LEN	(VGETRANDOM_BATCH_SIZE - 1)

#define BATCH		VGETRANDOM_STATE_BATCH

/*
 * The check at the end, after the last word has been loaded and erased, as in
 * the generic code. It also fails for a wiped state: the kernel's sum never
 * equals the hypervisor's word alone. Loads of the batch come before those of
 * the check, and the hypervisor's word is loaded last.
 */
.macro	check_generation
	dmb	ishld
	ldr	x11, [x3, #VGETRANDOM_STATE_GENERATION]
	adr	x12, vdso_rng_data + VDSO_RNG_CHECK
	ldar	x12, [x12]
	sub	x12, x12, x11
	ldr	x11, vdso_vmclock + VDSO_VMCLOCK_MARKER
	cmp	x11, x12
	b.ne	.Ldrop
.endm

.macro	clear_vectors	first, last
	.set	.Lvector, \first
	.rept	\last - \first + 1
	/* MOVI of zeros, by number */
	.inst	0x4f000400 | .Lvector
	.set	.Lvector, .Lvector + 1
	.endr
.endm

	.text

	.cfi_startproc
SYM_CODE_START(vgetrandom_fast)
	/* A batch at most, but not nothing */
	sub	x9, x1, #1
	cmp	x9, #LAST_LEN
	b.hi	__vgetrandom_framed

	cmp	w2, #VGETRANDOM_FLAGS_END
	b.hs	__vgetrandom_framed

	/* Offset in the page, in lines. Rotating makes it huge if misaligned. */
	and	w9, w3, #(PAGE_SIZE - 1)
	ror	w9, w9, #LINE_BITS
	cmp	w9, #LAST_LINE
	b.hi	__vgetrandom_framed

	/* The batch has enough bytes, and no more than fit. */
	ldr	w9, [x3, #VGETRANDOM_STATE_AVAIL]
	cmp	w9, #VGETRANDOM_BATCH_SIZE
	b.hi	__vgetrandom_framed
	subs	w9, w9, w1
	b.lo	__vgetrandom_framed

	/* Claim them before reading any. */
	str	w9, [x3, #VGETRANDOM_STATE_AVAIL]
	add	x9, x3, x9
	add	x10, x9, x1

	cmp	x1, #16
	b.hi	.Lmore_than_16
	cmp	x1, #8
	b.lo	.Lless_than_8

	/* 8 to 16: the first word and the last one, which may overlap */
	ldr	x13, [x9, #BATCH]
	ldur	x14, [x10, #(BATCH - 8)]
	str	xzr, [x9, #BATCH]
	stur	xzr, [x10, #(BATCH - 8)]
	check_generation
	add	x12, x0, x1
	str	x13, [x0]
	stur	x14, [x12, #-8]
	mov	x13, xzr
	mov	x14, xzr
	b	__vgetrandom_return

.Lless_than_8:
	cmp	x1, #4
	b.lo	.Lless_than_4

	ldr	w13, [x9, #BATCH]
	ldur	w14, [x10, #(BATCH - 4)]
	str	wzr, [x9, #BATCH]
	stur	wzr, [x10, #(BATCH - 4)]
	check_generation
	add	x12, x0, x1
	str	w13, [x0]
	stur	w14, [x12, #-4]
	mov	x13, xzr
	mov	x14, xzr
	b	__vgetrandom_return

.Lless_than_4:
	/* Also the byte in the middle: the first of 1, the second of 2 or 3 */
	add	x12, x9, x1, lsr #1
	ldrb	w13, [x9, #BATCH]
	ldrb	w14, [x10, #(BATCH - 1)]
	ldrb	w15, [x12, #BATCH]
	strb	wzr, [x9, #BATCH]
	strb	wzr, [x10, #(BATCH - 1)]
	strb	wzr, [x12, #BATCH]
	check_generation
	add	x12, x0, x1
	strb	w13, [x0]
	sturb	w14, [x12, #-1]
	add	x12, x0, x1, lsr #1
	strb	w15, [x12]
	mov	x13, xzr
	mov	x14, xzr
	mov	x15, xzr
	b	__vgetrandom_return

.Lmore_than_16:
	cmp	x1, #32
	b.hi	.Lmore_than_32

	ldr	q0, [x9, #BATCH]
	ldr	q1, [x10, #(BATCH - 16)]
	stp	xzr, xzr, [x9, #BATCH]
	stp	xzr, xzr, [x10, #(BATCH - 16)]
	check_generation
	add	x12, x0, x1
	str	q0, [x0]
	stur	q1, [x12, #-16]
	clear_vectors	0, 1
	b	__vgetrandom_return

.Lmore_than_32:
	clear_vectors	16, 16
	cmp	x1, #64
	b.hi	.Lmore_than_64

	ldp	q0, q1, [x9, #BATCH]
	ldp	q2, q3, [x10, #(BATCH - 32)]
	stp	q16, q16, [x9, #BATCH]
	stp	q16, q16, [x10, #(BATCH - 32)]
	check_generation
	add	x12, x0, x1
	stp	q0, q1, [x0]
	stp	q2, q3, [x12, #-32]
	clear_vectors	0, 3
	b	__vgetrandom_return

	/*
	 * Too many bytes for the registers, so the caller gets them before the
	 * check, and again if it fails. Load the last 64 first, before the loop
	 * erases some of them.
	 */
.Lmore_than_64:
	sub	x13, x10, #64
	mov	x14, x0
	ldp	q4, q5, [x10, #(BATCH - 64)]
	ldp	q6, q7, [x10, #(BATCH - 32)]
.Lcopy:
	ldp	q0, q1, [x9, #BATCH]
	ldp	q2, q3, [x9, #(BATCH + 32)]
	stp	q16, q16, [x9, #BATCH]
	stp	q16, q16, [x9, #(BATCH + 32)]
	add	x9, x9, #64
	stp	q0, q1, [x14]
	stp	q2, q3, [x14, #32]
	add	x14, x14, #64
	cmp	x9, x13
	b.lo	.Lcopy

	add	x12, x0, x1
	stp	q16, q16, [x10, #(BATCH - 64)]
	stp	q16, q16, [x10, #(BATCH - 32)]
	stp	q4, q5, [x12, #-64]
	stp	q6, q7, [x12, #-32]
	check_generation
	clear_vectors	0, 7
	b	__vgetrandom_return

	/* The words are zeros, or others may have them, too. They stay claimed. */
.Ldrop:
	clear_vectors	0, 7
	mov	x13, xzr
	mov	x14, xzr
	mov	x15, xzr
	b	__vgetrandom_framed
	.cfi_endproc
SYM_CODE_END(vgetrandom_fast)

emit_aarch64_feature_1_and
