/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Entry point and landing pads of getrandom() in the vDSO
 *
 * ssize_t vgetrandom(void *buffer, size_t len, unsigned int flags,
 *		      void *opaque_state, size_t opaque_len);
 *
 * A call that a signal interrupts while it draws must not resume, because the
 * handler may have drawn from the same state, or left for good and let somebody
 * else do so. So when the kernel delivers a signal to an instruction between
 * vgetrandom_start and vgetrandom_end, it makes the handler return to the landing
 * pad. The pad drops what the registers hold and has the system call serve the
 * whole request.
 *
 * The pad cannot know where the compiler keeps what at that instruction. Therefore
 * the entry point makes a record of the call on the stack, which the kernel finds
 * from any stack pointer of the drawing code: <asm/vdso/getrandom.h> has the layout.
 * The kernel leaves its address in %rbp.
 *
 * The fast path has a range and a landing pad of its own, see vgetrandom-fast.S. It
 * needs no record.
 *
 * Neither entry point nor pads lie in a drawing range. Outside of it a call is not
 * under way: it has not touched the state yet, or has finished with it, or is a
 * system call, which takes care of signals itself. All belong to one symbol, so that
 * profilers have a name for every address that a signal handler can see.
 */
#include <linux/linkage.h>
#include <asm/alternative.h>
#include <asm/cpufeatures.h>
#include <asm/page_types.h>
#include <asm/unistd.h>
#include <asm/vdso/getrandom.h>
#include <vdso/getrandom.h>

/* The most that the system call hands out in one go. */
#define MAX_LEN		(0x7fffffff & ~(PAGE_SIZE - 1))

/* From the canonical frame address of a frame that is the record's. */
#define RECORD_CFA(field)	((field) - (VGETRANDOM_RECORD_FRAME + 16))

	.section .text, "ax"

SYM_START(__vdso_getrandom, SYM_L_GLOBAL, SYM_A_ALIGN)
	.cfi_startproc
	ENDBR

	cmp	$VGETRANDOM_STATE_SIZE, %r8
	je	vgetrandom_fast

	/* What the fast path is not for comes back here, with its arguments. */
SYM_INNER_LABEL(__vgetrandom_framed, SYM_L_GLOBAL)

	/* Cookies do not draw. The state is ignored, whatever its length says. */
	test	$VGETRANDOM_FLAG_COOKIE, %edx
	jnz	__vgetrandom_cookie

	/* A query cannot be left to the system call, so it is no draw. */
	cmp	$VGETRANDOM_QUERY, %r8
	je	__vgetrandom_query

	push	%rbp
	.cfi_adjust_cfa_offset	8
	.cfi_rel_offset		%rbp, 0
	mov	%rsp, %rbp
	.cfi_def_cfa_register	%rbp

	/* The top of a block, and the record there. */
	and	$-VGETRANDOM_STACK_BLOCK, %rsp
	sub	$VGETRANDOM_RECORD_SIZE, %rsp
	mov	%rdi, VGETRANDOM_RECORD_BUFFER(%rsp)
	mov	%rsi, VGETRANDOM_RECORD_LEN(%rsp)
	mov	%edx, VGETRANDOM_RECORD_FLAGS(%rsp)
	mov	%rbx, VGETRANDOM_RECORD_RBX(%rsp)
	mov	%r12, VGETRANDOM_RECORD_R12(%rsp)
	mov	%r13, VGETRANDOM_RECORD_R13(%rsp)
	mov	%r14, VGETRANDOM_RECORD_R14(%rsp)
	mov	%r15, VGETRANDOM_RECORD_R15(%rsp)
	mov	%rbp, VGETRANDOM_RECORD_FRAME(%rsp)
	lea	.Ldrawn(%rip), %rax
	mov	%rax, VGETRANDOM_RECORD_FRAME + 8(%rsp)

	call	__vgetrandom_draw

	/* No word of the state outlives the call, be it spilled or dropped. */
.Ldrawn:
	xor	%ecx, %ecx
	.set	at, -VGETRANDOM_BLOCK_RECORD
	.rept	VGETRANDOM_BLOCK_RECORD / 8
	mov	%rcx, at(%rsp)
	.set	at, at + 8
	.endr
	xor	%edx, %edx
	xor	%esi, %esi
	xor	%edi, %edi
	xor	%r8d, %r8d
	xor	%r9d, %r9d
	xor	%r10d, %r10d
	xor	%r11d, %r11d

	cmp	$VGETRANDOM_SYSCALL, %rax
	je	.Lsystem_call
.Lreturn:
	leave
	.cfi_def_cfa		%rsp, 8
	RET

	/* What follows runs with the frame still there. */
	.cfi_def_cfa		%rbp, 16

	/*
	 * The system call returns early when there is a signal. Callers have never
	 * seen that of the vDSO, so go on. An error counts if nothing was written.
	 */
.Lsystem_call:
	mov	$MAX_LEN, %ecx
	cmp	%rcx, VGETRANDOM_RECORD_LEN(%rsp)
	jbe	1f
	mov	%rcx, VGETRANDOM_RECORD_LEN(%rsp)
1:	movq	$0, VGETRANDOM_RECORD_DONE(%rsp)
.Lmore:
	mov	VGETRANDOM_RECORD_BUFFER(%rsp), %rdi
	mov	VGETRANDOM_RECORD_LEN(%rsp), %rsi
	mov	VGETRANDOM_RECORD_FLAGS(%rsp), %edx
	mov	$__NR_getrandom, %eax
	syscall
	test	%rax, %rax
	jle	.Ldone
	add	%rax, VGETRANDOM_RECORD_BUFFER(%rsp)
	add	%rax, VGETRANDOM_RECORD_DONE(%rsp)
	sub	%rax, VGETRANDOM_RECORD_LEN(%rsp)
	ja	.Lmore
.Ldone:
	mov	VGETRANDOM_RECORD_DONE(%rsp), %rcx
	test	%rcx, %rcx
	cmovnz	%rcx, %rax
	jmp	.Lreturn

	/*
	 * The landing pad. At first its frame is the record's, as if the entry point
	 * had called a function that pushed all this; then it is the entry point's.
	 */
	.cfi_offset	%rbx, RECORD_CFA(VGETRANDOM_RECORD_RBX)
	.cfi_offset	%r12, RECORD_CFA(VGETRANDOM_RECORD_R12)
	.cfi_offset	%r13, RECORD_CFA(VGETRANDOM_RECORD_R13)
	.cfi_offset	%r14, RECORD_CFA(VGETRANDOM_RECORD_R14)
	.cfi_offset	%r15, RECORD_CFA(VGETRANDOM_RECORD_R15)

	/* Never executed: some handlers of SIGSYS want to see it before the address. */
	syscall
SYM_INNER_LABEL(vgetrandom_landing_pad, SYM_L_GLOBAL)
	cld

	/* The registers are those of the interrupted call, secrets included. */
	ALTERNATIVE "", "vzeroall", X86_FEATURE_AVX
	.irp i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	pxor	%xmm\i, %xmm\i
	.endr

	lea	-VGETRANDOM_RECORD_FRAME(%rbp), %rsp
	mov	VGETRANDOM_RECORD_RBX(%rsp), %rbx
	mov	VGETRANDOM_RECORD_R12(%rsp), %r12
	mov	VGETRANDOM_RECORD_R13(%rsp), %r13
	mov	VGETRANDOM_RECORD_R14(%rsp), %r14
	mov	VGETRANDOM_RECORD_R15(%rsp), %r15
	mov	VGETRANDOM_RECORD_FRAME(%rsp), %rbp
	.cfi_restore	%rbx
	.cfi_restore	%r12
	.cfi_restore	%r13
	.cfi_restore	%r14
	.cfi_restore	%r15
	mov	$VGETRANDOM_SYSCALL, %rax
	jmp	.Ldrawn

	/*
	 * The landing pad of the fast path: drop what the scratch registers hold.
	 * The arguments are still there, and no state has length 0, so what follows
	 * leaves the request to the system call. That may be a long one: the fast
	 * path looks at the length inside its range.
	 */
	.cfi_def_cfa	%rsp, 8
	.cfi_restore	%rbp
	syscall
SYM_INNER_LABEL(vgetrandom_fast_landing_pad, SYM_L_GLOBAL)
	xor	%eax, %eax
	xor	%r8d, %r8d
	xor	%r9d, %r9d
	xor	%r10d, %r10d
	xor	%r11d, %r11d
	jmp	__vgetrandom_framed
	.cfi_endproc
SYM_FUNC_END(__vdso_getrandom)
SYM_FUNC_ALIAS_WEAK(getrandom, __vdso_getrandom)
