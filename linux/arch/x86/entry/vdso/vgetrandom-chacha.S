/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ChaCha20 block function of the vDSO's getrandom(), SSE2
 *
 * void __arch_chacha20_blocks_nostack(u8 *dst, u32 *key,
 *				       u32 *counter, size_t nblocks);
 *
 * Write nblocks * 64 bytes of keystream to dst, at any alignment, and advance
 * the 64-bit little-endian *counter by nblocks.  The nonce is zero:
 *
 *	row a	"expa"		"nd 3"		"2-by"		"te k"
 *	row b	key[0]		key[1]		key[2]		key[3]
 *	row c	key[4]		key[5]		key[6]		key[7]
 *	row d	counter[0]	counter[1]	0		0
 *
 * One row is one register.  A quarter round on the four rows is four quarter
 * rounds, one in each column.  Rotating the rows against each other puts the
 * diagonals into the columns.  Up to three blocks run interleaved, so that one
 * computes while another waits for its last result.  A fourth would need more
 * than the sixteen registers there are.
 *
 *	%xmm0			scratch
 *	%xmm1  - %xmm4		rows a, b, c, d of block 0
 *	%xmm5  - %xmm8		rows a, b, c, d of block 1
 *	%xmm9  - %xmm12		rows a, b, c, d of block 2
 *	%xmm13, %xmm14		rows b, c of every block's input: the key
 *	%xmm15			row a of every block's input: the constant
 *
 *	%rdi			where block 0 goes
 *	%rcx			blocks still to be made
 *	%r8			counter of block 0
 *	%r9			counter of another block
 *	%eax			double rounds left
 *
 * Secrets stay in the vector registers.  The rounds can be run backwards, so
 * any state between input and output is worth as much as the key, and a copy of
 * it on the stack would outlive the call.  Hence there is no push, no call and
 * no spill.  Branches and addresses depend only on nblocks and the pointers.
 * All sixteen vector registers are zero on return.  General registers never
 * hold anything but pointers, counts and public constants.
 *
 * The caller erases its key by having the next one written over it, so dst may
 * overlap key in any way.  Hence the key is read once, as a whole, before the
 * first store, and the final additions take it from the registers.
 *
 * *counter is updated before the first store as well, so that even an abandoned
 * call has used up all of its counter values.
 */

#include <linux/linkage.h>
#include <asm/alternative.h>
#include <asm/cpufeatures.h>

/* pshufd: which words to put into words 0, 1, 2 and 3 */
#define WORDS_3012	0x93
#define WORDS_1230	0x39
#define WORDS_2301	0x4e

/* x <<<= bits */
.macro	rotate	x, bits
	.if \bits == 16
	pshuflw		$0xb1, \x, \x		/* swap halves of words 0, 1 */
	pshufhw		$0xb1, \x, \x		/* and of words 2, 3 */
	.else
	movaps		\x, %xmm0
	pslld		$\bits, \x
	psrld		$(32 - \bits), %xmm0
	por		%xmm0, \x
	.endif
.endm

/*
 * A round: rotate row a by one word, d by two, and c by one the other way, which
 * exchanges columns and diagonals.  Then do the four quarter rounds.
 *
 * Only the positions of the rows relative to each other matter.  Row b is the
 * last one that a round finishes and the first one that the next round needs.
 * So it stays in place, and the other three rotate while it is computed.
 *
 * Each row rotates just before it is needed.  Rotating all three at the end of
 * the round gives the same result, but was slower where measured.
 */
.macro	turn_and_round a, b, c, d, turn_a, turn_c
	pshufd		$\turn_a, \a, \a
	paddd		\b, \a			/* a += b */
	pshufd		$WORDS_2301, \d, \d
	pshufd		$\turn_c, \c, \c
	pxor		\a, \d			/* d = (d ^ a) <<< 16 */
	rotate		\d, 16

	paddd		\d, \c			/* c += d */
	pxor		\c, \b			/* b = (b ^ c) <<< 12 */
	rotate		\b, 12

	paddd		\b, \a			/* a += b */
	pxor		\a, \d			/* d = (d ^ a) <<< 8 */
	rotate		\d, 8

	paddd		\d, \c			/* c += d */
	pxor		\c, \b			/* b = (b ^ c) <<< 7 */
	rotate		\b, 7
.endm

/*
 * Each of the steps below does one block.  run_step passes them the block's
 * number and its rows.  A round starts by rotating the rows, so the input is
 * loaded as a diagonal round leaves it, with the diagonals in the columns.  The
 * output is rotated back as it is stored.
 */

.macro	load_input i, a, b, c, d
	pshufd		$WORDS_3012, %xmm15, \a	/* a = constant */
	movaps		%xmm13, \b		/* b = key[0..3] */
	pshufd		$WORDS_1230, %xmm14, \c	/* c = key[4..7] */
	lea		\i(%r8), %r9
	movq		%r9, \d
	pshufd		$WORDS_2301, \d, \d	/* d = counter + i, 0 */
.endm

.macro	column_round i, a, b, c, d
	turn_and_round	\a, \b, \c, \d, WORDS_1230, WORDS_3012
.endm

.macro	diagonal_round i, a, b, c, d
	turn_and_round	\a, \b, \c, \d, WORDS_3012, WORDS_1230
.endm

.macro	store_output i, a, b, c, d
	pshufd		$WORDS_1230, \a, \a
	paddd		%xmm15, \a		/* dst[0..3] = a + constant */
	movups		\a, (64 * \i + 0)(%rdi)
	paddd		%xmm13, \b		/* dst[4..7] = b + key[0..3] */
	movups		\b, (64 * \i + 16)(%rdi)
	pshufd		$WORDS_3012, \c, \c
	paddd		%xmm14, \c		/* dst[8..11] = c + key[4..7] */
	movups		\c, (64 * \i + 32)(%rdi)
	lea		\i(%r8), %r9
	movq		%r9, %xmm0
	pshufd		$WORDS_2301, \d, \d
	paddd		%xmm0, \d		/* dst[12..15] = d + counter */
	movups		\d, (64 * \i + 48)(%rdi)
.endm

/* Run a step on each of n blocks */
.macro	run_step n, step
	\step		0, %xmm1, %xmm2, %xmm3, %xmm4
	.if \n > 1
	\step		1, %xmm5, %xmm6, %xmm7, %xmm8
	.endif
	.if \n > 2
	\step		2, %xmm9, %xmm10, %xmm11, %xmm12
	.endif
.endm

/* Make n blocks, interleaved */
.macro	make_blocks n
	run_step	\n, load_input

	mov		$10, %eax
.Ldouble_round_\n:
	run_step	\n, column_round
	run_step	\n, diagonal_round
	dec		%eax
	jnz		.Ldouble_round_\n

	run_step	\n, store_output

	add		$(64 * \n), %rdi
	add		$\n, %r8
	sub		$\n, %rcx
.endm

	.section .text.vgetrandom, "ax", @progbits

SYM_START(__arch_chacha20_blocks_nostack, SYM_L_GLOBAL, SYM_A_ALIGN)
	.cfi_startproc
	ENDBR
	/*
	 * Use wider registers if there are any. Processors that lower their
	 * clock for 512-bit instructions lack VBMI2. The first ones that do
	 * not, Ice Lake and Zen 4, introduced it.
	 */
#ifdef CONFIG_AS_AVX512
	ALTERNATIVE "", "jmp __arch_chacha20_blocks_avx512", X86_FEATURE_AVX512_VBMI2
	ALTERNATIVE "", "jmp __arch_chacha20_blocks_avx512vl", X86_FEATURE_AVX512VL
#endif
	ALTERNATIVE "", "jmp __arch_chacha20_blocks_avx2", X86_FEATURE_AVX2

	/* Immediates spare the constant a cache line and a relocation */
	movabs		$0x3320646e61707865, %rax	/* "expand 3" */
	movq		%rax, %xmm15
	movabs		$0x6b20657479622d32, %rax	/* "2-byte k" */
	movq		%rax, %xmm0
	punpcklqdq	%xmm0, %xmm15

	/* The whole key at once: dst may overlap it */
	movups		(%rsi), %xmm13
	movups		16(%rsi), %xmm14

	mov		(%rdx), %r8
	lea		(%r8, %rcx), %rax
	mov		%rax, (%rdx)		/* *counter += nblocks */
	jmp		.Lnext

.Lthree:
	make_blocks	3
.Lnext:
	cmp		$2, %rcx
	ja		.Lthree
	je		.Ltwo
	test		%ecx, %ecx
	jz		.Lclear

	make_blocks	1
	jmp		.Lclear

.Ltwo:
	make_blocks	2

.Lclear:
	.irp	i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	pxor		%xmm\i, %xmm\i
	.endr

	RET
	.cfi_endproc
SYM_FUNC_END(__arch_chacha20_blocks_nostack)
