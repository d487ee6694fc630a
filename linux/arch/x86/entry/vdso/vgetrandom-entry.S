/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Entry point and landing pads of getrandom() in the vDSO
 *
 * ssize_t vgetrandom(void *buffer, size_t len, unsigned int flags,
 *		      void *opaque_state, size_t opaque_len);
 *
 * A call that a signal interrupts while it draws must not resume. The handler may
 * have drawn from the same state, or left for good and let others do so. So when
 * the kernel delivers a signal at an instruction between vgetrandom_start and
 * vgetrandom_end, it makes the handler return to the landing pad. The pad drops
 * what the registers hold, and the system call serves the whole request.
 *
 * The pad cannot know where the compiler keeps what at that instruction. Therefore
 * the entry point writes a record of the call to the stack. The kernel finds it
 * from any stack pointer of the drawing code, and points %rbp at the frame in it.
 * <asm/vdso/getrandom.h> has the layout.
 *
 * The fast path has its own range and its own landing pad, see vgetrandom-fast.S.
 * It needs no record.
 *
 * The entry point and the pads lie outside the drawing ranges. There, a call has
 * not touched the state yet, or has finished with it, or is in a system call,
 * which takes care of signals itself. All of this is one symbol, so that profilers
 * have a name for every address that a signal handler can see.
 */
#include <linux/linkage.h>
#include <asm/alternative.h>
#include <asm/cpufeatures.h>
#include <asm/page_types.h>
#include <asm/unistd.h>
#include <asm/vdso/getrandom.h>
#include <vdso/getrandom.h>

/* The system call returns at most this many bytes. */
#define MAX_LEN		(0x7fffffff & ~(PAGE_SIZE - 1))

/* Offset of a field of the record from the canonical frame address of its frame. */
#define RECORD_CFA(field)	((field) - (VGETRANDOM_RECORD_FRAME + 16))

	.section .text, "ax"

SYM_START(__vdso_getrandom, SYM_L_GLOBAL, SYM_A_ALIGN)
	.cfi_startproc
	ENDBR

	by_size	cmp, VGETRANDOM_STATE_SIZE, VGETRANDOM_16_STATE_SIZE, %r8
	je	vgetrandom_fast

	/* Requests that the fast path does not serve come here, arguments intact. */
SYM_INNER_LABEL(__vgetrandom_framed, SYM_L_GLOBAL)

	/* A request for cookies ignores the state, whatever its length says. */
	test	$VGETRANDOM_FLAG_COOKIE, %edx
	jnz	__vgetrandom_cookie

	/* The system call cannot answer a query, so a query must not be a draw. */
	cmp	$VGETRANDOM_QUERY, %r8
	je	__vgetrandom_query

	push	%rbp
	.cfi_adjust_cfa_offset	8
	.cfi_rel_offset		%rbp, 0
	mov	%rsp, %rbp
	.cfi_def_cfa_register	%rbp

	/* The record, above the stack of the drawing code. */
	and	$-VGETRANDOM_STACK_BLOCK, %rsp
	sub	$(VGETRANDOM_STACK_BLOCK - VGETRANDOM_STACK_SIZE), %rsp
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

	/*
	 * Words of the state may have been spilled or dropped. None outlives
	 * the call.
	 */
.Ldrawn:
	pxor	%xmm0, %xmm0
	.set	at, -VGETRANDOM_STACK_SIZE
	.rept	VGETRANDOM_STACK_SIZE / 16
	movaps	%xmm0, at(%rsp)
	.set	at, at + 16
	.endr
	xor	%ecx, %ecx
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

	/* The frame is still there in the code below. */
	.cfi_def_cfa		%rbp, 16

	/*
	 * A signal makes the system call return early. Callers have never seen
	 * that from the vDSO, so go on. Return an error only if nothing was
	 * written.
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
	 * The landing pad. Its frame is first that of the record, as if the
	 * entry point had called a function that pushed the record. Then it is
	 * the entry point's.
	 */
	.cfi_offset	%rbx, RECORD_CFA(VGETRANDOM_RECORD_RBX)
	.cfi_offset	%r12, RECORD_CFA(VGETRANDOM_RECORD_R12)
	.cfi_offset	%r13, RECORD_CFA(VGETRANDOM_RECORD_R13)
	.cfi_offset	%r14, RECORD_CFA(VGETRANDOM_RECORD_R14)
	.cfi_offset	%r15, RECORD_CFA(VGETRANDOM_RECORD_R15)

	/* Never executed: some handlers of SIGSYS look for it before the address. */
	syscall
SYM_INNER_LABEL(vgetrandom_landing_pad, SYM_L_GLOBAL)
	cld

	/* These are the registers of the interrupted call, secrets included. */
	ALTERNATIVE "", "vzeroall", X86_FEATURE_AVX
#ifdef CONFIG_AS_AVX512
	ALTERNATIVE "jmp .Lnarrow", "", X86_FEATURE_AVX512_VBMI2
	.irp i, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	vpxord	%xmm\i, %xmm\i, %xmm\i
	.endr
.Lnarrow:
#endif
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
	 * The landing pad of the fast path: drop what the scratch registers
	 * hold. The arguments are still in place, and no state has length 0, so
	 * the code at __vgetrandom_framed leaves the request to the system
	 * call. It may be a long request, because the fast path checks the
	 * length inside its range.
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
	ALTERNATIVE "", "vzeroall", X86_FEATURE_AVX
	jmp	__vgetrandom_framed
	.cfi_endproc
SYM_FUNC_END(__vdso_getrandom)
SYM_FUNC_ALIAS_WEAK(getrandom, __vdso_getrandom)
