/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ChaCha20 for getrandom() in the vDSO, in registers alone: nothing that an attacker
 * could use is ever on the stack, or left in a register.
 */
#include <linux/linkage.h>
#include <asm/cache.h>
#include <asm/assembler.h>

	.text

/*
 * Word i of four blocks is in one register: words 0 to 7 in v0 to v7, words 8 to 15 in
 * v16 to v23. Callers want v8 to v15 preserved.
 */
#define tmp0		v24
#define tmp1		v25
#define tmp2		v26
#define tmp3		v27
#define key0		v28
#define key1		v29
#define rot8		v30
#define lanes		v31

#define dst		x0
#define nblocks		x3
#define counter		x4
#define counter_lo	w5
#define counter_hi	w6
#define counter_hi_x	x6
#define rounds		w7
#define const0		w8
#define const1		w9
#define const2		w10
#define const3		w11
#define dst0		x12
#define dst1		x13
#define dst2		x14
#define dst3		x15
#define stride		x16

/* An instruction with two inputs on four registers each */
.macro	four	op, suffix, d0, d1, d2, d3, n0, n1, n2, n3, m0, m1, m2, m3
	\op	\d0\().\suffix, \n0\().\suffix, \m0\().\suffix
	\op	\d1\().\suffix, \n1\().\suffix, \m1\().\suffix
	\op	\d2\().\suffix, \n2\().\suffix, \m2\().\suffix
	\op	\d3\().\suffix, \n3\().\suffix, \m3\().\suffix
.endm

/* Rotate the words of tmp0 to tmp3 left by a number of bits, into other registers. */
.macro	rotate	bits, d0, d1, d2, d3
	shl	\d0\().4s, tmp0.4s, #\bits
	shl	\d1\().4s, tmp1.4s, #\bits
	shl	\d2\().4s, tmp2.4s, #\bits
	shl	\d3\().4s, tmp3.4s, #\bits
	sri	\d0\().4s, tmp0.4s, #(32 - \bits)
	sri	\d1\().4s, tmp1.4s, #(32 - \bits)
	sri	\d2\().4s, tmp2.4s, #(32 - \bits)
	sri	\d3\().4s, tmp3.4s, #(32 - \bits)
.endm

/* Four quarter rounds of four blocks each, with words 0 to 3 as the first ones */
.macro	round	b0, b1, b2, b3, c0, c1, c2, c3, d0, d1, d2, d3
	/* a += b, d = rotl32(d ^ a, 16) */
	four	add, 4s, v0, v1, v2, v3, v0, v1, v2, v3, \b0, \b1, \b2, \b3
	four	eor, 16b, \d0, \d1, \d2, \d3, \d0, \d1, \d2, \d3, v0, v1, v2, v3
	rev32	\d0\().8h, \d0\().8h
	rev32	\d1\().8h, \d1\().8h
	rev32	\d2\().8h, \d2\().8h
	rev32	\d3\().8h, \d3\().8h

	/* c += d, b = rotl32(b ^ c, 12) */
	four	add, 4s, \c0, \c1, \c2, \c3, \c0, \c1, \c2, \c3, \d0, \d1, \d2, \d3
	four	eor, 16b, tmp0, tmp1, tmp2, tmp3, \b0, \b1, \b2, \b3, \c0, \c1, \c2, \c3
	rotate	12, \b0, \b1, \b2, \b3

	/* a += b, d = rotl32(d ^ a, 8) */
	four	add, 4s, v0, v1, v2, v3, v0, v1, v2, v3, \b0, \b1, \b2, \b3
	four	eor, 16b, \d0, \d1, \d2, \d3, \d0, \d1, \d2, \d3, v0, v1, v2, v3
	tbl	\d0\().16b, { \d0\().16b }, rot8.16b
	tbl	\d1\().16b, { \d1\().16b }, rot8.16b
	tbl	\d2\().16b, { \d2\().16b }, rot8.16b
	tbl	\d3\().16b, { \d3\().16b }, rot8.16b

	/* c += d, b = rotl32(b ^ c, 7) */
	four	add, 4s, \c0, \c1, \c2, \c3, \c0, \c1, \c2, \c3, \d0, \d1, \d2, \d3
	four	eor, 16b, tmp0, tmp1, tmp2, tmp3, \b0, \b1, \b2, \b3, \c0, \c1, \c2, \c3
	rotate	7, \b0, \b1, \b2, \b3
.endm

/* Add four words, the same ones for all blocks, to four registers. */
.macro	add_words	d0, d1, d2, d3, w0, w1, w2, w3
	dup	tmp0.4s, \w0
	dup	tmp1.4s, \w1
	dup	tmp2.4s, \w2
	dup	tmp3.4s, \w3
	four	add, 4s, \d0, \d1, \d2, \d3, \d0, \d1, \d2, \d3, tmp0, tmp1, tmp2, tmp3
.endm

/* Counters of the next four blocks: the low words in tmp0, the high words in tmp1 */
.macro	counters
	dup	tmp1.4s, counter_lo
	add	tmp0.4s, tmp1.4s, lanes.4s
	/* -1 where the low word has wrapped */
	cmhi	tmp2.4s, tmp1.4s, tmp0.4s
	dup	tmp1.4s, counter_hi
	sub	tmp1.4s, tmp1.4s, tmp2.4s
.endm

/* Write one block, and stop if it was the last one. */
.macro	store	lane
	st4	{ v0.s, v1.s, v2.s, v3.s }[\lane], [dst0], stride
	st4	{ v4.s, v5.s, v6.s, v7.s }[\lane], [dst1], stride
	st4	{ v16.s, v17.s, v18.s, v19.s }[\lane], [dst2], stride
	st4	{ v20.s, v21.s, v22.s, v23.s }[\lane], [dst3], stride
	add	counter, counter, #1
	subs	nblocks, nblocks, #1
	b.eq	.Ldone
.endm

/*
 * void __arch_chacha20_blocks_nostack(u8 *dst, const u32 *key, u32 *counter, size_t nblocks)
 *
 * <vdso/getrandom.h> describes it. It makes four blocks at a time, and does not write
 * those of the last four that nobody asked for. It reads the key once, before it writes
 * anything.
 *
 *	x0: dst
 *	x1: key, 32 bytes
 *	x2: counter, 8 bytes, read and written
 *	x3: nblocks
 */
	/* The macro may begin with an instruction of its own. */
	.cfi_startproc
SYM_FUNC_START(__arch_chacha20_blocks_nostack)
	ld1		{ key0.4s, key1.4s }, [x1]
	ldp		counter_lo, counter_hi, [x2]
	orr		counter, x5, counter_hi_x, lsl #32

	/* Advance the counter first: a call that a fault ends must not leave a used one. */
	add		x8, counter, nblocks
	lsr		x9, x8, #32
	stp		w8, w9, [x2]
	cbz		nblocks, .Ldone

	/* "expand 32-byte k" */
	mov_q		x8, 0x61707865
	mov_q		x9, 0x3320646e
	mov_q		x10, 0x79622d32
	mov_q		x11, 0x6b206574

	/* Each byte of a word moves up by one place, the last one down to the first. */
	mov_q		x12, 0x0605040702010003
	mov_q		x13, 0x0e0d0c0f0a09080b
	mov		rot8.d[0], x12
	mov		rot8.d[1], x13

	/* Word i is i. */
	mov_q		x12, 0x0000000100000000
	mov_q		x13, 0x0000000300000002
	mov		lanes.d[0], x12
	mov		lanes.d[1], x13

	mov		stride, #64
	mov		dst0, dst
	add		dst1, dst, #16
	add		dst2, dst, #32
	add		dst3, dst, #48

.Lblocks:
	dup		v0.4s, const0
	dup		v1.4s, const1
	dup		v2.4s, const2
	dup		v3.4s, const3
	dup		v4.4s, key0.s[0]
	dup		v5.4s, key0.s[1]
	dup		v6.4s, key0.s[2]
	dup		v7.4s, key0.s[3]
	dup		v16.4s, key1.s[0]
	dup		v17.4s, key1.s[1]
	dup		v18.4s, key1.s[2]
	dup		v19.4s, key1.s[3]
	counters
	mov		v20.16b, tmp0.16b
	mov		v21.16b, tmp1.16b
	movi		v22.16b, #0
	movi		v23.16b, #0

	mov		rounds, #20
.Ldoubleround:
	round		v4, v5, v6, v7, v16, v17, v18, v19, v20, v21, v22, v23
	round		v5, v6, v7, v4, v18, v19, v16, v17, v23, v20, v21, v22
	subs		rounds, rounds, #2
	b.ne		.Ldoubleround

	/* The last two words of the input are zero. */
	add_words	v0, v1, v2, v3, const0, const1, const2, const3
	add_words	v4, v5, v6, v7, key0.s[0], key0.s[1], key0.s[2], key0.s[3]
	add_words	v16, v17, v18, v19, key1.s[0], key1.s[1], key1.s[2], key1.s[3]
	counters
	add		v20.4s, v20.4s, tmp0.4s
	add		v21.4s, v21.4s, tmp1.4s

	/* The output is little-endian. */
	.irp	i, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23
CPU_BE(	rev32		v\i\().16b, v\i\().16b	)
	.endr

	store		0
	store		1
	store		2
	store		3
	mov		counter_lo, w4
	lsr		counter_hi_x, counter, #32
	b		.Lblocks

.Ldone:
	/* Whoever knows a state of the cipher can run it backwards to the key. */
	.irp	i, 0, 1, 2, 3, 4, 5, 6, 7
	movi		v\i\().16b, #0
	.endr
	.irp	i, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	movi		v\i\().16b, #0
	.endr
	ret
	.cfi_endproc
SYM_FUNC_END(__arch_chacha20_blocks_nostack)

emit_aarch64_feature_1_and
