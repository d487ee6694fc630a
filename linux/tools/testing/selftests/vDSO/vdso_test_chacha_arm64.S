/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vdso_test_chacha_arm64.S: the block function, and a call with every register filled
 */
#include "vdso_test_arch_arm64.h"

#define FROM_1_TO_29	1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, \
			20, 21, 22, 23, 24, 25, 26, 27, 28, 29
#define ALL_VECTORS	0, FROM_1_TO_29, 30, 31

/* What the kernel's source needs of the kernel's headers, which need generated ones */
#define _LINUX_LINKAGE_H
#define __ASM_CACHE_H
#define __ASM_ASSEMBLER_H

#define SYM_FUNC_START(name)	.globl name; .type name, %function; name:
#define SYM_FUNC_END(name)	.size name, . - name

#ifdef __AARCH64EB__
#define CPU_BE(code...)		code
#else
#define CPU_BE(code...)
#endif

.macro	mov_q	reg, value
	movz	\reg, #(\value & 0xffff)
	movk	\reg, #((\value >> 16) & 0xffff), lsl #16
	movk	\reg, #((\value >> 32) & 0xffff), lsl #32
	movk	\reg, #((\value >> 48) & 0xffff), lsl #48
.endm

.macro	emit_aarch64_feature_1_and
.endm

#include "../../../../arch/arm64/kernel/vdso/vgetrandom-chacha.S"

	.bss
	.balign	8
caller_sp:	.skip 8
out:		.skip 8

	.text
	.globl	call_with_registers
	.type	call_with_registers, %function
call_with_registers:
	stp	x29, x30, [sp, #-160]!
	stp	x19, x20, [sp, #16]
	stp	x21, x22, [sp, #32]
	stp	x23, x24, [sp, #48]
	stp	x25, x26, [sp, #64]
	stp	x27, x28, [sp, #80]
	stp	d8, d9, [sp, #96]
	stp	d10, d11, [sp, #112]
	stp	d12, d13, [sp, #128]
	stp	d14, d15, [sp, #144]
	mov	x10, sp
	adrp	x9, caller_sp
	str	x10, [x9, #:lo12:caller_sp]
	adrp	x9, out
	str	x1, [x9, #:lo12:out]
	mov	x30, x2

	.irp	i, ALL_VECTORS
	ldr	q\i, [x0, #(REGISTERS_VECTOR + 16 * \i)]
	.endr
	ldr	x9, [x0, #REGISTERS_SP]
	mov	sp, x9
	.irp	i, FROM_1_TO_29
	ldr	x\i, [x0, #(REGISTERS_GP + 8 * \i)]
	.endr
	ldr	x0, [x0, #REGISTERS_GP]

	/* The call overwrites X30 in any case. */
	blr	x30

	adrp	x30, out
	ldr	x30, [x30, #:lo12:out]
	.irp	i, 0, FROM_1_TO_29
	str	x\i, [x30, #(REGISTERS_GP + 8 * \i)]
	.endr
	mov	x9, sp
	str	x9, [x30, #REGISTERS_SP]
	mrs	x9, nzcv
	str	x9, [x30, #REGISTERS_NZCV]
	mrs	x9, fpcr
	str	x9, [x30, #REGISTERS_FPCR]
	mrs	x9, fpsr
	str	x9, [x30, #REGISTERS_FPSR]
	.irp	i, ALL_VECTORS
	str	q\i, [x30, #(REGISTERS_VECTOR + 16 * \i)]
	.endr

	adrp	x9, caller_sp
	ldr	x10, [x9, #:lo12:caller_sp]
	mov	sp, x10
	ldp	x19, x20, [sp, #16]
	ldp	x21, x22, [sp, #32]
	ldp	x23, x24, [sp, #48]
	ldp	x25, x26, [sp, #64]
	ldp	x27, x28, [sp, #80]
	ldp	d8, d9, [sp, #96]
	ldp	d10, d11, [sp, #112]
	ldp	d12, d13, [sp, #128]
	ldp	d14, d15, [sp, #144]
	ldp	x29, x30, [sp], #160
	ret
	.size	call_with_registers, . - call_with_registers

	.section .note.GNU-stack, "", %progbits
