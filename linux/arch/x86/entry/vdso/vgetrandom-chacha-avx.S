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
 * only the first ones are stored.
 *
 * The words take up all sixteen registers. That suffices for AVX-512, which rotates
 * in place. AVX2 needs a scratch register to rotate. Therefore it keeps word c3 in
 * the key's memory, which is as secret as a state of the cipher has to be. It
 * keeps the key in general registers, and writes it back before it writes to dst.
 *
 *	%ymm11		scratch
 *	%r8 to %r11	the key
 *
 * After the rounds, the input is added, and the words become output. Then every
 * function stores c3 at the start of the batch in dst, which frees a scratch
 * register.
 *
 * All lanes have the same high word of the counter. So a batch ends at a carry out
 * of the low word, and the blocks after the carry make a batch of their own.
 *
 * Registers 16 to 31 and the mask registers are not used. vzeroall clears all
 * others. After that there are no upper halves for legacy SSE instructions to
 * preserve, or for the kernel to save and restore at context switches.
 */

#include <linux/linkage.h>

#define BLOCK_SIZE	64

/* Where c3 of all blocks waits, already output but not in its place yet */
#define SLOT		(%rdi)

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

/*
 * x += y, z = (z ^ x) <<< bits
 *
 * This is where the functions differ.
 */
.macro	add_xor_rotate_avx2 v, x, y, z, bits
	.if \x == 11
	vpaddd		(%rsi), %ymm\y, %ymm11
	vmovdqu		%ymm11, (%rsi)
	.else
	vpaddd		%ymm\y, %ymm\x, %ymm\x
	.endif
	vpxor		%ymm\x, %ymm\z, %ymm\z
	.if \bits == 16
	vpshufb		.Lrotate_16(%rip), %ymm\z, %ymm\z
	.elseif \bits == 8
	vpshufb		.Lrotate_8(%rip), %ymm\z, %ymm\z
	.else
	vpslld		$\bits, %ymm\z, %ymm11
	vpsrld		$(32 - \bits), %ymm\z, %ymm\z
	vpor		%ymm11, %ymm\z, %ymm\z
	.endif
.endm

.macro	add_xor_rotate_avx512 v, x, y, z, bits
	vpaddd		%\v\y, %\v\x, %\v\x
	vpxord		%\v\x, %\v\z, %\v\z
	vprold		$\bits, %\v\z, %\v\z
.endm

/* Half of a quarter round on each of four columns or diagonals */
.macro	half_round isa, v, d_bits, b_bits, b0, b1, b2, b3, c0, c1, c2, c3, d0, d1, d2, d3
	/* a += b, d = (d ^ a) <<< d_bits */
	add_xor_rotate_\isa \v, 0, \b0, \d0, \d_bits
	add_xor_rotate_\isa \v, 1, \b1, \d1, \d_bits
	add_xor_rotate_\isa \v, 2, \b2, \d2, \d_bits
	add_xor_rotate_\isa \v, 3, \b3, \d3, \d_bits
	/* c += d, b = (b ^ c) <<< b_bits */
	add_xor_rotate_\isa \v, \c0, \d0, \b0, \b_bits
	add_xor_rotate_\isa \v, \c1, \d1, \b1, \b_bits
	add_xor_rotate_\isa \v, \c2, \d2, \b2, \b_bits
	add_xor_rotate_\isa \v, \c3, \d3, \b3, \b_bits
.endm

/* The twenty rounds: columns and diagonals, ten times each */
.macro	all_rounds isa, v
	mov		$10, %eax
.Ldouble_round_\@:
	half_round	\isa, \v, 16, 12, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	half_round	\isa, \v, 8, 7, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	half_round	\isa, \v, 16, 12, 5, 6, 7, 4, 10, 11, 8, 9, 15, 12, 13, 14
	half_round	\isa, \v, 8, 7, 5, 6, 7, 4, 10, 11, 8, 9, 15, 12, 13, 14
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

/* x += the low word of a general register, y += the high one */
.macro	add_words v, gpr, x, y
	mov		\gpr, %rax
	add_word	\v, %eax, \x
	shr		$32, %rax
	add_word	\v, %eax, \y
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

/* Add the input, which turns the words into output, and store c3 in the slot */

.macro	add_input_avx2
	.irp	i, 0, 1, 2, 3
	vpbroadcastd	4 * \i + .Lconstant(%rip), %ymm11
	vpaddd		%ymm11, %ymm\i, %ymm\i
	.endr
	add_counter	ymm
	add_words	ymm, %r8, 4, 5
	add_words	ymm, %r9, 6, 7
	add_words	ymm, %r10, 8, 9
	mov		%r11, %rax
	add_word	ymm, %eax, 10
	shr		$32, %rax
	broadcast	ymm, %eax, 11
	vpaddd		(%rsi), %ymm11, %ymm11

	mov		%r8, 0(%rsi)
	mov		%r9, 8(%rsi)
	mov		%r10, 16(%rsi)
	mov		%r11, 24(%rsi)
	vmovups		%ymm11, SLOT
.endm

.macro	add_input_avx512 v, lanes
	.irp	i, 0, 1, 2, 3
	vpaddd		4 * \i + .Lconstant(%rip){1to\lanes}, %\v\i, %\v\i
	.endr
	.irp	i, 4, 5, 6, 7, 8, 9, 10, 11
	vpaddd		4 * (\i - 4)(%rsi){1to\lanes}, %\v\i, %\v\i
	.endr
	vmovups		%\v\()11, SLOT
	add_counter	\v
.endm

.macro	add_counter v
	add_words	\v, %rdx, 12, 13
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
	.if \lane == 0
	vmovdqu		%xmm\x, BLOCK_SIZE * \i + \offset(%rdi)
	.elseif \lane == 1
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
.macro	store_output v
	transpose	\v, 0, 1, 2, 3, 11
	vmovups		SLOT, %\v\()2
	store_quarters_\v 0, 3, 1, 11, 0
	transpose	\v, 4, 5, 6, 7, 11
	store_quarters_\v 16, 7, 5, 11, 4
	transpose	\v, 8, 9, 10, 2, 11
	store_quarters_\v 32, 2, 9, 11, 8
	transpose	\v, 12, 13, 14, 15, 11
	store_quarters_\v 48, 15, 13, 11, 12
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
	mov		0(%rsi), %r8
	mov		8(%rsi), %r9
	mov		16(%rsi), %r10
	mov		24(%rsi), %r11
	test		%rcx, %rcx
	jz		.Lclear_avx2

.Lbatch_avx2:
	load_input	ymm
	vmovdqu		%ymm11, (%rsi)
	all_rounds	avx2, ymm
	add_input_avx2
	count_blocks
	store_output	ymm
	next_batch
	jnz		.Lbatch_avx2

.Lclear_avx2:
	xor		%r8d, %r8d
	xor		%r9d, %r9d
	xor		%r10d, %r10d
	xor		%r11d, %r11d
	vzeroall
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
	all_rounds	avx512, ymm
	add_input_avx512 ymm, 8
	count_blocks
	store_output	ymm
	next_batch
	jnz		.Lbatch_avx512vl

.Lclear_avx512vl:
	vzeroall
	RET
	.cfi_endproc
SYM_FUNC_END(__arch_chacha20_blocks_avx512vl)

SYM_START(__arch_chacha20_blocks_avx512, SYM_L_GLOBAL, SYM_A_ALIGN)
	.cfi_startproc
	take_counter
.Lbatch_avx512:
	cmp		$16, %rcx
	jb		.Ltest_avx512vl
	mov		%edx, %eax
	add		$15, %eax
	jc		.Ltest_avx512vl			/* a carry within the batch */

	load_input	zmm
	all_rounds	avx512, zmm
	add_input_avx512 zmm, 16
	store_output	zmm
	mov		$16, %eax
	next_batch
	jmp		.Lbatch_avx512
	.cfi_endproc
SYM_FUNC_END(__arch_chacha20_blocks_avx512)

#endif /* CONFIG_AS_AVX512 */
