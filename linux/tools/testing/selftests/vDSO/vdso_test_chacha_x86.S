/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vdso_test_chacha_x86.S: call a function with every register filled
 *
 * The function runs on a stack of its own, so values that must survive the call are kept
 * in variables.
 */
#include "vdso_test_arch_x86.h"

#define LOW_VECTORS	0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
#define HIGH_VECTORS	16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
#define MASKS		0, 1, 2, 3, 4, 5, 6, 7

#define GP(n)		(REGISTERS_GP + 8 * (n))

	.bss
	.balign	8
caller_rsp:	.skip 8
callee_rax:	.skip 8
out:		.skip 8
function:	.skip 8
width:		.skip 8

.macro	load_vectors insn, prefix, numbers:vararg
	.irp	i, \numbers
	\insn	(REGISTERS_VECTOR + VECTOR_SIZE * \i)(%rdi), %\prefix\i
	.endr
.endm

.macro	store_vectors insn, prefix, numbers:vararg
	.irp	i, \numbers
	\insn	%\prefix\i, (REGISTERS_VECTOR + VECTOR_SIZE * \i)(%rax)
	.endr
.endm

	.text
	.globl	call_with_registers
	.type	call_with_registers, @function
call_with_registers:
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	mov	%rsp, caller_rsp(%rip)
	mov	%rsi, out(%rip)
	mov	%rdx, function(%rip)
	mov	%ecx, width(%rip)

	cmp	$WIDTH_AVX, %ecx
	jb	.Lload_sse
	je	.Lload_avx
	.irp	i, MASKS
	kmovq	(REGISTERS_MASK + 8 * \i)(%rdi), %k\i
	.endr
	load_vectors vmovups, zmm, LOW_VECTORS
	load_vectors vmovups, zmm, HIGH_VECTORS
	jmp	.Lload_general
.Lload_avx:
	load_vectors vmovups, ymm, LOW_VECTORS
	jmp	.Lload_general
.Lload_sse:
	load_vectors movups, xmm, LOW_VECTORS
.Lload_general:
	mov	GP(GP_RAX)(%rdi), %rax
	mov	GP(GP_RCX)(%rdi), %rcx
	mov	GP(GP_RDX)(%rdi), %rdx
	mov	GP(GP_RBX)(%rdi), %rbx
	mov	GP(GP_RSP)(%rdi), %rsp
	mov	GP(GP_RBP)(%rdi), %rbp
	mov	GP(GP_RSI)(%rdi), %rsi
	.irp	i, 8, 9, 10, 11, 12, 13, 14, 15
	mov	GP(\i)(%rdi), %r\i
	.endr
	mov	GP(GP_RDI)(%rdi), %rdi

	call	*function(%rip)

	/* Do not change the flags until they are stored. */
	mov	%rax, callee_rax(%rip)
	mov	out(%rip), %rax
	mov	%rcx, GP(GP_RCX)(%rax)
	mov	%rdx, GP(GP_RDX)(%rax)
	mov	%rbx, GP(GP_RBX)(%rax)
	mov	%rsp, GP(GP_RSP)(%rax)
	mov	%rbp, GP(GP_RBP)(%rax)
	mov	%rsi, GP(GP_RSI)(%rax)
	mov	%rdi, GP(GP_RDI)(%rax)
	.irp	i, 8, 9, 10, 11, 12, 13, 14, 15
	mov	%r\i, GP(\i)(%rax)
	.endr
	mov	callee_rax(%rip), %rcx
	mov	%rcx, GP(GP_RAX)(%rax)

	mov	caller_rsp(%rip), %rsp
	pushf
	pop	REGISTERS_FLAGS(%rax)
	cld
	stmxcsr	REGISTERS_MXCSR(%rax)

	cmpl	$WIDTH_AVX, width(%rip)
	jb	.Lstore_sse
	je	.Lstore_avx
	.irp	i, MASKS
	kmovq	%k\i, (REGISTERS_MASK + 8 * \i)(%rax)
	.endr
	store_vectors vmovups, zmm, LOW_VECTORS
	store_vectors vmovups, zmm, HIGH_VECTORS
	vzeroupper
	jmp	.Lreturn
.Lstore_avx:
	store_vectors vmovups, ymm, LOW_VECTORS
	vzeroupper
	jmp	.Lreturn
.Lstore_sse:
	store_vectors movups, xmm, LOW_VECTORS
.Lreturn:
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	ret
	.size	call_with_registers, . - call_with_registers

	.section .note.GNU-stack, "", @progbits
