/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ChaCha20 block functions of the vDSO's getrandom(), AVX2 and AVX-512
 *
 * void __arch_chacha20_blocks_avx2(u8 *dst, u32 *key,
 *				    u32 *counter, size_t nblocks);
 * void __arch_chacha20_blocks_avx512vl(u8 *dst, u32 *key,
 *					u32 *counter, size_t nblocks);
 * void __arch_chacha20_blocks_avx512(u8 *dst, u32 *key,
 *				      u32 *counter, size_t nblocks);
 *
 * They replace __arch_chacha20_blocks_nostack() where the processor can run them.
 * vgetrandom-chacha.S describes the layout of a block and the rules that keep
 * secrets secret.
 *
 * Register i holds word i of each block of a batch, one lane for each block. So a
 * quarter round takes whole registers, and a diagonal costs no more than a column.
 *
 *	0 to 3		words a0 to a3: the constant
 *	4 to 7		words b0 to b3: key[0..3]
 *	8 to 11		words c0 to c3: key[4..7]
 *	12 to 15	words d0 to d3: counter, counter, 0, 0
 *
 *	%rdi		where the batch goes
 *	%rsi		the key
 *	%rcx		blocks still to be made
 *	%rdx		counter of the batch's first block
 *	%rax		double rounds left, then scratch and blocks of the batch
 *
 * Macros take registers by number. Before the numbers comes v, their width: ymm
 * for batches of eight blocks, zmm for sixteen. Fewer than sixteen blocks are made
 * in batches of eight. A batch of fewer than eight is computed as eight, of which
 * only the first ones are stored. A batch of 32 is two of sixteen side by side, the
 * second one in registers 16 to 31.
 *
 * The words take up all sixteen registers. That suffices for AVX-512, which rotates
 * in place. AVX2 needs a scratch register to rotate. Therefore it keeps word c3 of
 * the batch in dst, where the batch will overwrite it. That gives nothing away, even
 * if the call is abandoned:
 *
 *  - In a refill, dst is the state, which is as secret as its key. The state stays in
 *    progress, so nothing descends from that key.
 *  - In a direct request, dst is the caller's buffer, and the key was drawn for this
 *    request alone. It yields the output that was to be in the same place, and nobody
 *    has received that output.
 *
 *	%ymm11		scratch
 *
 * After the rounds, the input is added, and the words become output. Then every
 * function has c3 in dst until its turn, which leaves a scratch register. What else
 * goes to dst from then on is output, too.
 *
 * All lanes have the same high word of the counter. So a batch ends at a carry out
 * of the low word, and the blocks after the carry make a batch of their own.
 *
 * All registers that were used are zero on return. There are no upper halves for
 * legacy SSE instructions to preserve, or for the kernel to save and restore at context
 * switches. Registers 16 to 31 remain in use as far as XSAVE can tell. Only batches
 * of 32 use them. The mask registers are not used.
 */

#include <linux/linkage.h>
#include <asm/alternative.h>
#include <asm/cpufeatures.h>

#define BLOCK_SIZE	64

/* Where c3 of all blocks is when it is not in a register: never in two cache lines */
#define SLOT		32(%rdi)
#define SLOT_512	(%rdi)

/* Where a quarter of four blocks is when it is not in a register */
#define SLOT_LAST	15 * BLOCK_SIZE(%rdi)

	.section .rodata, "a", @progbits
	.balign 64
/* The number of each lane's block */
.Llanes:
	.long	0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
/* vpshufb: x <<<= 16 and x <<<= 8 in each word */
.Lrotate_16:
	.rept 2
	.byte	2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13
	.endr
.Lrotate_8:
	.rept 2
	.byte	3, 0, 1, 2, 7, 4, 5, 6, 11, 8, 9, 10, 15, 12, 13, 14
	.endr
.Lconstant:
	.ascii	"expand 32-byte k"
.Lsixteen:
	.long	16

/*
 * Step n of the twelve of a quarter round. Other numbers do nothing.
 *
 * This is where the functions differ.
 */

.macro	step_avx2 v, n, a, b, c, d
	.if \n == 0 || \n == 6
	vpaddd		%ymm\b, %ymm\a, %ymm\a	/* a += b */
	.elseif \n == 1 || \n == 7
	vpxor		%ymm\a, %ymm\d, %ymm\d	/* d ^= a */
	.elseif \n == 2
	vpshufb		.Lrotate_16(%rip), %ymm\d, %ymm\d
	.elseif \n == 8
	vpshufb		.Lrotate_8(%rip), %ymm\d, %ymm\d
	.elseif (\n == 3 || \n == 9) && \c == 11
	vpaddd		SLOT, %ymm\d, %ymm11	/* c3 += d, b ^= c3 */
	vmovdqu		%ymm11, SLOT
	vpxor		%ymm11, %ymm\b, %ymm\b
	.elseif \n == 3 || \n == 9
	vpaddd		%ymm\d, %ymm\c, %ymm\c	/* c += d */
	.elseif (\n == 4 || \n == 10) && \c != 11
	vpxor		%ymm\c, %ymm\b, %ymm\b	/* b ^= c */
	.elseif \n == 5
	rotate_avx2	\b, 12
	.elseif \n == 11
	rotate_avx2	\b, 7
	.endif
.endm

/* x <<<= bits */
.macro	rotate_avx2 x, bits
	vpslld		$\bits, %ymm\x, %ymm11
	vpsrld		$(32 - \bits), %ymm\x, %ymm\x
	vpor		%ymm11, %ymm\x, %ymm\x
.endm

.macro	step_avx512 v, n, a, b, c, d
	.if \n == 0 || \n == 6
	vpaddd		%\v\b, %\v\a, %\v\a
	.elseif \n == 1 || \n == 7
	vpxord		%\v\a, %\v\d, %\v\d
	.elseif \n == 2
	vprold		$16, %\v\d, %\v\d
	.elseif \n == 8
	vprold		$8, %\v\d, %\v\d
	.elseif \n == 3 || \n == 9
	vpaddd		%\v\d, %\v\c, %\v\c
	.elseif \n == 4 || \n == 10
	vpxord		%\v\c, %\v\b, %\v\b
	.elseif \n == 5
	vprold		$12, %\v\b, %\v\b
	.elseif \n == 11
	vprold		$7, %\v\b, %\v\b
	.endif
.endm

/*
 * Two rounds. Each of the four columns and four diagonals has a start, and does so
 * many of its steps at a time from then on.
 *
 * The processor runs the oldest instruction that can run. With one quarter round after
 * the other, three would be finished early, and then all would wait for the fourth.
 * If all four started at once, they would all add at the same time, and then all
 * wait for the few units that rotate. So they start a few steps apart, and
 * diagonals start before the last columns are finished. With 512 bits, fewer
 * instructions run at a time, and groups of three are faster. The numbers are the best
 * ones of many that were measured.
 */
.macro	double_round isa, v, steps, starts:vararg
	.irp	t, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17
	all_steps	\isa, \v, \steps, \t, \starts
	.endr
	.irp	t, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35
	all_steps	\isa, \v, \steps, \t, \starts
	.endr
.endm

/* The same for 32 blocks. Those of one half run while the others wait. */
.macro	double_round_32 starts:vararg
	.irp	t, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14
	all_steps	avx512, zmm, 1, \t, \starts
	all_second_steps \t, \starts
	.endr
	.irp	t, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29
	all_steps	avx512, zmm, 1, \t, \starts
	all_second_steps \t, \starts
	.endr
.endm

.macro	steps_1 isa, v, t, a, b, c, d
	step_\isa	\v, \t, \a, \b, \c, \d
.endm

.macro	steps_3 isa, v, t, a, b, c, d
	step_\isa	\v, (3*\t), \a, \b, \c, \d
	step_\isa	\v, (3*\t+1), \a, \b, \c, \d
	step_\isa	\v, (3*\t+2), \a, \b, \c, \d
.endm

/* All steps that come at time t */
.macro	all_steps isa, v, steps, t, c0, c1, c2, c3, d0, d1, d2, d3
	steps_\steps	\isa, \v, (\t-\c0), 0, 4, 8, 12
	steps_\steps	\isa, \v, (\t-\c1), 1, 5, 9, 13
	steps_\steps	\isa, \v, (\t-\c2), 2, 6, 10, 14
	steps_\steps	\isa, \v, (\t-\c3), 3, 7, 11, 15
	steps_\steps	\isa, \v, (\t-\d0), 0, 5, 10, 15
	steps_\steps	\isa, \v, (\t-\d1), 1, 6, 11, 12
	steps_\steps	\isa, \v, (\t-\d2), 2, 7, 8, 13
	steps_\steps	\isa, \v, (\t-\d3), 3, 4, 9, 14
.endm

/* All steps of the second sixteen blocks */
.macro	all_second_steps t, c0, c1, c2, c3, d0, d1, d2, d3
	step_avx512	zmm, (\t-\c0), 16, 20, 24, 28
	step_avx512	zmm, (\t-\c1), 17, 21, 25, 29
	step_avx512	zmm, (\t-\c2), 18, 22, 26, 30
	step_avx512	zmm, (\t-\c3), 19, 23, 27, 31
	step_avx512	zmm, (\t-\d0), 16, 21, 26, 31
	step_avx512	zmm, (\t-\d1), 17, 22, 27, 28
	step_avx512	zmm, (\t-\d2), 18, 23, 24, 29
	step_avx512	zmm, (\t-\d3), 19, 20, 25, 30
.endm

/* The twenty rounds: columns and diagonals, ten times each */
.macro	all_rounds isa, v, steps, starts:vararg
	mov		$10, %eax
	.balign		32
.Ldouble_round_\@:
	double_round	\isa, \v, \steps, \starts
	dec		%eax
	jnz		.Ldouble_round_\@
.endm

/* x = a general register, in each lane */
.macro	broadcast v, gpr, x
	vmovd		\gpr, %xmm\x
	vpbroadcastd	%xmm\x, %\v\x
.endm

/* x += a general register, in each lane */
.macro	add_word v, gpr, x
	broadcast	\v, \gpr, 11
	vpaddd		%\v\()11, %\v\x, %\v\x
.endm

.macro	load_input v
	.irp	i, 0, 1, 2, 3
	vpbroadcastd	4 * \i + .Lconstant(%rip), %\v\i
	.endr
	.irp	i, 4, 5, 6, 7, 8, 9, 10, 11
	vpbroadcastd	4 * (\i - 4)(%rsi), %\v\i
	.endr
	broadcast	\v, %edx, 12
	vpaddd		.Llanes(%rip), %\v\()12, %\v\()12
	mov		%rdx, %rax
	shr		$32, %rax
	broadcast	\v, %eax, 13
	vpxor		%xmm14, %xmm14, %xmm14
	vpxor		%xmm15, %xmm15, %xmm15
.endm

/* Load the input of the second sixteen blocks, after that of the first */
.macro	load_second_input
	load_words	16, 17, 18, 19, .Lconstant(%rip)
	load_words	20, 21, 22, 23, 0(%rsi)
	load_words	24, 25, 26, 27, 16(%rsi)
	vpaddd		.Lsixteen(%rip){1to16}, %zmm12, %zmm28
	vmovdqa32	%zmm13, %zmm29
	vpxord		%xmm30, %xmm30, %xmm30
	vpxord		%xmm31, %xmm31, %xmm31
.endm

.macro	load_words x0, x1, x2, x3, from
	vpbroadcastd	0 + \from, %zmm\x0
	vpbroadcastd	4 + \from, %zmm\x1
	vpbroadcastd	8 + \from, %zmm\x2
	vpbroadcastd	12 + \from, %zmm\x3
.endm

/* Add the input, which turns the words into output, and leave c3 in the slot */

.macro	add_input_avx2
	.irp	i, 0, 1, 2, 3
	vpbroadcastd	4 * \i + .Lconstant(%rip), %ymm11
	vpaddd		%ymm11, %ymm\i, %ymm\i
	.endr
	.irp	i, 4, 5, 6, 7, 8, 9, 10
	vpbroadcastd	4 * (\i - 4)(%rsi), %ymm11
	vpaddd		%ymm11, %ymm\i, %ymm\i
	.endr
	vpbroadcastd	28(%rsi), %ymm11
	vpaddd		SLOT, %ymm11, %ymm11
	vmovups		%ymm11, SLOT
	add_counter	ymm
.endm

.macro	add_input_avx512 v, lanes, slot
	.irp	i, 0, 1, 2, 3
	vpaddd		4 * \i + .Lconstant(%rip){1to\lanes}, %\v\i, %\v\i
	.endr
	.irp	i, 4, 5, 6, 7, 8, 9, 10, 11
	vpaddd		4 * (\i - 4)(%rsi){1to\lanes}, %\v\i, %\v\i
	.endr
	vmovups		%\v\()11, \slot
	add_counter	\v
.endm

.macro	add_second_input
	add_words	16, 17, 18, 19, .Lconstant(%rip)
	add_words	20, 21, 22, 23, 0(%rsi)
	add_words	24, 25, 26, 27, 16(%rsi)
	add_word	zmm, %edx, 28
	mov		%rdx, %rax
	shr		$32, %rax
	add_word	zmm, %eax, 29
	vpaddd		.Llanes(%rip), %zmm28, %zmm28
	vpaddd		.Lsixteen(%rip){1to16}, %zmm28, %zmm28
.endm

.macro	add_words x0, x1, x2, x3, from
	vpaddd		0 + \from{1to16}, %zmm\x0, %zmm\x0
	vpaddd		4 + \from{1to16}, %zmm\x1, %zmm\x1
	vpaddd		8 + \from{1to16}, %zmm\x2, %zmm\x2
	vpaddd		12 + \from{1to16}, %zmm\x3, %zmm\x3
.endm

.macro	add_counter v
	add_word	\v, %edx, 12
	mov		%rdx, %rax
	shr		$32, %rax
	add_word	\v, %eax, 13
	vpaddd		.Llanes(%rip), %\v\()12, %\v\()12
.endm

/*
 * Transpose words 0 to 3 of four blocks in each 128 bits of four registers.
 * Blocks 0, 1, 2 and 3 end up in registers x3, x1, scratch and x0. x2 is free.
 */
.macro	transpose v, x0, x1, x2, x3, scratch
	vpunpckldq	%\v\x1, %\v\x0, %\v\scratch
	vpunpckhdq	%\v\x1, %\v\x0, %\v\x0
	vpunpckldq	%\v\x3, %\v\x2, %\v\x1
	vpunpckhdq	%\v\x3, %\v\x2, %\v\x2
	vpunpcklqdq	%\v\x1, %\v\scratch, %\v\x3
	vpunpckhqdq	%\v\x1, %\v\scratch, %\v\x1
	vpunpcklqdq	%\v\x2, %\v\x0, %\v\scratch
	vpunpckhqdq	%\v\x2, %\v\x0, %\v\x0
.endm

/*
 * Store a quarter of each block of a batch, as transpose leaves them: those of
 * four blocks in the low 128 bits of four registers, those of the next four in
 * the next 128 bits.
 *
 * Extracting to memory does not keep the shuffle port busy. Joining the quarters
 * first saves stores, but is slower.
 */

.macro	store_quarter lane, i, x, offset
	.if \x > 15 && \lane == 0
	vmovdqu32	%xmm\x, BLOCK_SIZE * \i + \offset(%rdi)
	.elseif \lane == 0
	vmovdqu		%xmm\x, BLOCK_SIZE * \i + \offset(%rdi)
	.elseif \x < 16 && \lane == 1
	vextracti128	$1, %ymm\x, BLOCK_SIZE * (4 + \i) + \offset(%rdi)
	.else
	vextracti32x4	$\lane, %zmm\x, BLOCK_SIZE * (4 * \lane + \i) + \offset(%rdi)
	.endif
.endm

.macro	store_quarters lane, offset, x0, x1, x2, x3
	store_quarter	\lane, 0, \x0, \offset
	store_quarter	\lane, 1, \x1, \offset
	store_quarter	\lane, 2, \x2, \offset
	store_quarter	\lane, 3, \x3, \offset
.endm

/* Store the quarters of the first %rax blocks out of eight */
.macro	store_quarters_ymm offset, x0, x1, x2, x3
	cmp		$8, %eax
	jb		.Lfew_\@
	store_quarters	0, \offset, \x0, \x1, \x2, \x3
	store_quarters	1, \offset, \x0, \x1, \x2, \x3
	jmp		.Lstored_\@
.Lfew_\@:
	store_quarter	0, 0, \x0, \offset
	store_if_more	0, 1, \x1, \offset, .Lstored_\@
	store_if_more	0, 2, \x2, \offset, .Lstored_\@
	store_if_more	0, 3, \x3, \offset, .Lstored_\@
	store_if_more	1, 0, \x0, \offset, .Lstored_\@
	store_if_more	1, 1, \x1, \offset, .Lstored_\@
	store_if_more	1, 2, \x2, \offset, .Lstored_\@
.Lstored_\@:
.endm

.macro	store_if_more lane, i, x, offset, otherwise
	cmp		$(4 * \lane + \i), %eax
	jbe		\otherwise
	store_quarter	\lane, \i, \x, \offset
.endm

/* Store the quarters of sixteen blocks */
.macro	store_quarters_zmm offset, x0, x1, x2, x3
	store_quarters	0, \offset, \x0, \x1, \x2, \x3
	store_quarters	1, \offset, \x0, \x1, \x2, \x3
	store_quarters	2, \offset, \x0, \x1, \x2, \x3
	store_quarters	3, \offset, \x0, \x1, \x2, \x3
.endm

/* Turn words into blocks and store them, after taking c3 out of the slot */
.macro	store_output v, slot
	transpose	\v, 0, 1, 2, 3, 11
	vmovups		\slot, %\v\()2
	store_quarters_\v 0, 3, 1, 11, 0
	transpose	\v, 4, 5, 6, 7, 11
	store_quarters_\v 16, 7, 5, 11, 4
	transpose	\v, 8, 9, 10, 2, 11
	store_quarters_\v 32, 2, 9, 11, 8
	transpose	\v, 12, 13, 14, 15, 11
	store_quarters_\v 48, 15, 13, 11, 12
.endm

/*
 * The same for sixteen blocks, but join the quarters of each block and store them as one.
 * A quarter of the first four blocks has no register, and waits where the last block goes.
 */
.macro	store_whole_output
	transpose	zmm, 0, 1, 2, 3, 11
	vmovups		SLOT_512, %zmm2
	vmovups		%zmm0, SLOT_LAST
	transpose	zmm, 4, 5, 6, 7, 0
	transpose	zmm, 8, 9, 10, 2, 6
	transpose	zmm, 12, 13, 14, 15, 10
	store_joined	0, 3, 7, 2, 15, 14
	store_joined	1, 1, 5, 9, 13, 14
	store_joined	2, 11, 0, 6, 10, 14
	vmovups		SLOT_LAST, %zmm0
	store_joined	3, 0, 4, 8, 12, 14
.endm

/* Blocks i, i + 4, i + 8 and i + 12, which have their quarters in x0, x1, x2 and x3 */
.macro	store_joined i, x0, x1, x2, x3, scratch
	vshufi32x4	$0x44, %zmm\x1, %zmm\x0, %zmm\scratch
	vshufi32x4	$0xee, %zmm\x1, %zmm\x0, %zmm\x0
	vshufi32x4	$0x44, %zmm\x3, %zmm\x2, %zmm\x1
	vshufi32x4	$0xee, %zmm\x3, %zmm\x2, %zmm\x2
	vshufi32x4	$0x88, %zmm\x1, %zmm\scratch, %zmm\x3
	vmovups		%zmm\x3, BLOCK_SIZE * \i(%rdi)
	vshufi32x4	$0xdd, %zmm\x1, %zmm\scratch, %zmm\x3
	vmovups		%zmm\x3, BLOCK_SIZE * (4 + \i)(%rdi)
	vshufi32x4	$0x88, %zmm\x2, %zmm\x0, %zmm\x3
	vmovups		%zmm\x3, BLOCK_SIZE * (8 + \i)(%rdi)
	vshufi32x4	$0xdd, %zmm\x2, %zmm\x0, %zmm\x3
	vmovups		%zmm\x3, BLOCK_SIZE * (12 + \i)(%rdi)
.endm

/* The second sixteen blocks. Register 11 is free by then, and none has to wait. */
.macro	store_second_output
	transpose	zmm, 16, 17, 18, 19, 11
	store_quarters_zmm 0, 19, 17, 11, 16
	transpose	zmm, 20, 21, 22, 23, 11
	store_quarters_zmm 16, 23, 21, 11, 20
	transpose	zmm, 24, 25, 26, 27, 11
	store_quarters_zmm 32, 27, 25, 11, 24
	transpose	zmm, 28, 29, 30, 31, 11
	store_quarters_zmm 48, 31, 29, 11, 28
.endm

/* %rax = blocks in a batch of eight: all that are left, or up to the carry */
.macro	count_blocks
	mov		%edx, %eax
	not		%eax
	inc		%rax				/* 2^32 - low word */
	cmp		%rcx, %rax
	cmova		%rcx, %rax
	cmp		$8, %rax
	jbe		.Lcounted_\@
	mov		$8, %eax
.Lcounted_\@:
.endm

/* Go on to the next batch, after one of %rax blocks; ZF is set at the end */
.macro	next_batch
	add		%rax, %rdx
	sub		%rax, %rcx
	shl		$6, %rax
	add		%rax, %rdi
	test		%rcx, %rcx
.endm

/* Registers 0 to 15. This is faster than vzeroall. */
.macro	clear
	.irp	i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	vpxor		%xmm\i, %xmm\i, %xmm\i
	.endr
	vzeroupper
.endm

.macro	clear_second
	.irp	i, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	vpxord		%xmm\i, %xmm\i, %xmm\i
	.endr
.endm

/* %rdx = *counter, *counter += nblocks: only once, before the first store */
.macro	take_counter
	mov		(%rdx), %rax
	add		%rcx, (%rdx)
	mov		%rax, %rdx
.endm

	.section .text.vgetrandom, "ax", @progbits

SYM_START(__arch_chacha20_blocks_avx2, SYM_L_GLOBAL, SYM_A_ALIGN)
	.cfi_startproc
	take_counter
	test		%rcx, %rcx
	jz		.Lclear_avx2

.Lbatch_avx2:
	load_input	ymm
	vmovups		%ymm11, SLOT
	all_rounds	avx2, ymm, 1, 4, 1, 6, 3, 15, 18, 15, 17
	add_input_avx2
	count_blocks
	store_output	ymm, SLOT
	next_batch
	jnz		.Lbatch_avx2

.Lclear_avx2:
	clear
	RET
	.cfi_endproc
SYM_FUNC_END(__arch_chacha20_blocks_avx2)

#ifdef CONFIG_AS_AVX512

SYM_START(__arch_chacha20_blocks_avx512vl, SYM_L_GLOBAL, SYM_A_ALIGN)
	.cfi_startproc
	take_counter
.Ltest_avx512vl:
	test		%rcx, %rcx
	jz		.Lclear_avx512vl

.Lbatch_avx512vl:
	load_input	ymm
	all_rounds	avx512, ymm, 1, 0, 4, 4, 0, 18, 18, 20, 19
	add_input_avx512 ymm, 8, SLOT
	count_blocks
	store_output	ymm, SLOT
	next_batch
	jnz		.Lbatch_avx512vl

.Lclear_avx512vl:
	clear
	RET
	.cfi_endproc
SYM_FUNC_END(__arch_chacha20_blocks_avx512vl)

SYM_START(__arch_chacha20_blocks_avx512, SYM_L_GLOBAL, SYM_A_ALIGN)
	.cfi_startproc
	take_counter
.Lbatch_avx512:
	cmp		$32, %rcx
	jb		.Lsixteen_avx512
	mov		%edx, %eax
	add		$31, %eax
	jc		.Lsixteen_avx512		/* a carry within the batch */

	load_input	zmm
	load_second_input
	mov		$10, %eax
	.balign		32
.Ldouble_round_32:
	double_round_32	0, 1, 2, 3, 15, 16, 17, 18
	dec		%eax
	jnz		.Ldouble_round_32
	add_input_avx512 zmm, 16, SLOT_512
	add_second_input
	store_output	zmm, SLOT_512
	add		$(16 * BLOCK_SIZE), %rdi
	store_second_output
	clear_second
	sub		$(16 * BLOCK_SIZE), %rdi
	mov		$32, %eax
	next_batch
	jmp		.Lbatch_avx512

.Lsixteen_avx512:
	cmp		$16, %rcx
	jb		.Ltest_avx512vl
	mov		%edx, %eax
	add		$15, %eax
	jc		.Ltest_avx512vl			/* a carry within the batch */

	load_input	zmm
	all_rounds	avx512, zmm, 3, 0, 0, 0, 0, 4, 4, 4, 4
	add_input_avx512 zmm, 16, SLOT_512
	ALTERNATIVE	"", "jmp .Lstore_whole", X86_FEATURE_VGETRANDOM_16
	store_output	zmm, SLOT_512
.Lnext_avx512:
	mov		$16, %eax
	next_batch
	jmp		.Lbatch_avx512

.Lstore_whole:
	store_whole_output
	jmp		.Lnext_avx512
	.cfi_endproc
SYM_FUNC_END(__arch_chacha20_blocks_avx512)

#endif /* CONFIG_AS_AVX512 */
