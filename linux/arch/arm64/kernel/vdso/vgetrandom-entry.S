/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Entry point and landing pads of getrandom() in the vDSO
 *
 * ssize_t __kernel_getrandom(void *buffer, size_t len, unsigned int flags,
 *			      void *opaque_state, size_t opaque_len);
 *
 * A call that a signal interrupts while it draws must not resume. The handler may
 * have drawn from the same state, or left for good and let others do so. So when
 * the kernel delivers a signal at an instruction between VDSO_vgetrandom_start
 * and VDSO_vgetrandom_end, it makes the handler return to the landing pad. The
 * pad drops what the registers hold, and the system call serves the whole
 * request.
 *
 * The pad cannot know where the compiler keeps what at that instruction. Therefore
 * the entry point writes a record of the call to the stack. The kernel finds it
 * from any stack pointer of the drawing code, and points x29 at the frame record
 * in it. <asm/vdso/getrandom.h> has the layout.
 *
 * The fast path, at the start of the drawing range, has its own landing pad, see
 * vgetrandom-fast.S. It needs no record.
 *
 * The entry point and the pads lie outside the drawing range. There, a call has not
 * touched the state yet, or has finished with it, or is in a system call, which
 * takes care of signals itself. All of this is one symbol, so that profilers have a
 * name for every address that a signal handler can see.
 */
#include <linux/const.h>
#include <linux/linkage.h>
#include <asm/alternative.h>
#include <asm/assembler.h>
#include <asm/page-def.h>
#include <asm/unistd.h>
#include <asm/vdso/getrandom.h>
#include <vdso/getrandom.h>

/* The system call returns at most this many bytes. */
#define MAX_LEN		(0x7fffffff & ~(PAGE_SIZE - 1))

/* Offset of a field of the record from the canonical frame address of its frame */
#define RECORD_CFA(field)	((field) - (VGETRANDOM_RECORD_FRAME + 16))

	.text

/* Leave the return address as the compiler's code does. */
	.macro	sign_return_address
#ifdef CONFIG_ARM64_PTR_AUTH_KERNEL
	hint	#25				// paciasp
	.cfi_negate_ra_state
#endif
	.endm

	.macro	authenticate_return_address
#ifdef CONFIG_ARM64_PTR_AUTH_KERNEL
	hint	#29				// autiasp
	.cfi_negate_ra_state
#endif
	.endm

/* Forget what the drawing code has spilled. The stack pointer is that of the record. */
	.macro	clear_stack
	.set	at, -VGETRANDOM_STACK_SIZE
	.rept	VGETRANDOM_STACK_SIZE / 16
	stp	xzr, xzr, [sp, #at]
	.set	at, at + 16
	.endr
	.endm

/* All that a function need not preserve, but the result */
	.macro	clear_scratch_registers
	.irp	i, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17
	mov	x\i, xzr
	.endr
	.endm

	/* The macro may begin with an instruction of its own. */
	.cfi_startproc
SYM_FUNC_START(__kernel_getrandom)

	cmp	x4, #VGETRANDOM_STATE_SIZE
	ALTERNATIVE("b.eq vgetrandom_fast", "nop", ARM64_HAS_NO_FPSIMD)

	/* Requests that the fast path does not serve come here, arguments intact. */
SYM_INNER_LABEL(__vgetrandom_framed, SYM_L_GLOBAL)
	/* A request for cookies ignores the state, whatever its length says. */
	tbnz	w2, #VGETRANDOM_FLAG_COOKIE_BIT, __vgetrandom_cookie

	/* The system call cannot answer a query, so a query must not be a draw. */
	cmn	x4, #1
	b.eq	__vgetrandom_query

alternative_if_not ARM64_HAS_LSE_ATOMICS
	b	__vgetrandom_query
alternative_else_nop_endif
alternative_if ARM64_HAS_NO_FPSIMD
	b	__vgetrandom_query
alternative_else_nop_endif

	sign_return_address
	stp	x29, x30, [sp, #-16]!
	.cfi_adjust_cfa_offset	16
	.cfi_rel_offset		x29, 0
	.cfi_rel_offset		x30, 8
	mov	x29, sp
	.cfi_def_cfa_register	x29

	/* The record, at the top of a block */
	and	sp, x29, #-VGETRANDOM_STACK_BLOCK
	sub	sp, sp, #VGETRANDOM_RECORD_SIZE
	stp	x0, x1, [sp, #VGETRANDOM_RECORD_BUFFER]
	stp	x2, xzr, [sp, #VGETRANDOM_RECORD_FLAGS]
	stp	x19, x20, [sp, #VGETRANDOM_RECORD_X19]
	stp	x21, x22, [sp, #VGETRANDOM_RECORD_X21]
	stp	x23, x24, [sp, #VGETRANDOM_RECORD_X23]
	stp	x25, x26, [sp, #VGETRANDOM_RECORD_X25]
	stp	x27, x28, [sp, #VGETRANDOM_RECORD_X27]
	adr	x9, .Ldrawn
	stp	x29, x9, [sp, #VGETRANDOM_RECORD_FRAME]
	bl	__vgetrandom_draw

	/*
	 * Words of the state may have been spilled or dropped. None outlives the call.
	 * The block function has cleared the vector registers, which nothing else uses.
	 */
.Ldrawn:
	clear_stack
	clear_scratch_registers
	cmn	x0, #-VGETRANDOM_SYSCALL
	b.eq	.Lsystem_call
.Lreturn:
	mov	sp, x29
	.cfi_remember_state
	.cfi_def_cfa_register	sp
	ldp	x29, x30, [sp], #16
	.cfi_adjust_cfa_offset	-16
	.cfi_restore		x29
	.cfi_restore		x30
	authenticate_return_address
	ret

	/* The frame is still there in the code below. */
	.cfi_restore_state

	/*
	 * A signal makes the system call return early. Callers have not seen that
	 * from a draw, so go on. Return an error only if nothing was written.
	 */
.Lsystem_call:
	mov_q	x9, MAX_LEN
	ldr	x1, [sp, #VGETRANDOM_RECORD_LEN]
	cmp	x1, x9
	csel	x1, x1, x9, ls
	str	x1, [sp, #VGETRANDOM_RECORD_LEN]
.Lmore:
	ldp	x0, x1, [sp, #VGETRANDOM_RECORD_BUFFER]
	ldr	x2, [sp, #VGETRANDOM_RECORD_FLAGS]
	mov	x8, #__NR_getrandom
	svc	#0
	cmp	x0, #0
	b.le	.Ldone
	ldp	x9, x10, [sp, #VGETRANDOM_RECORD_BUFFER]
	ldr	x11, [sp, #VGETRANDOM_RECORD_DONE]
	add	x9, x9, x0
	sub	x10, x10, x0
	add	x11, x11, x0
	stp	x9, x10, [sp, #VGETRANDOM_RECORD_BUFFER]
	str	x11, [sp, #VGETRANDOM_RECORD_DONE]
	cbnz	x10, .Lmore
.Ldone:
	ldr	x9, [sp, #VGETRANDOM_RECORD_DONE]
	cmp	x9, #0
	csel	x0, x9, x0, ne
	b	.Lreturn

	/*
	 * The landing pad. Its frame is first that of the record, as if the
	 * entry point had called a function that pushed the record. Then it is
	 * the entry point's. Only the latter's return address is signed.
	 */
#ifdef CONFIG_ARM64_PTR_AUTH_KERNEL
	.cfi_negate_ra_state
#endif
	.cfi_offset	x19, RECORD_CFA(VGETRANDOM_RECORD_X19)
	.cfi_offset	x20, RECORD_CFA(VGETRANDOM_RECORD_X19) + 8
	.cfi_offset	x21, RECORD_CFA(VGETRANDOM_RECORD_X21)
	.cfi_offset	x22, RECORD_CFA(VGETRANDOM_RECORD_X21) + 8
	.cfi_offset	x23, RECORD_CFA(VGETRANDOM_RECORD_X23)
	.cfi_offset	x24, RECORD_CFA(VGETRANDOM_RECORD_X23) + 8
	.cfi_offset	x25, RECORD_CFA(VGETRANDOM_RECORD_X25)
	.cfi_offset	x26, RECORD_CFA(VGETRANDOM_RECORD_X25) + 8
	.cfi_offset	x27, RECORD_CFA(VGETRANDOM_RECORD_X27)
	.cfi_offset	x28, RECORD_CFA(VGETRANDOM_RECORD_X27) + 8

	/* Never executed: some handlers of SIGSYS look for it before the address. */
	svc	#0
SYM_INNER_LABEL(vgetrandom_landing_pad, SYM_L_GLOBAL)
	/*
	 * These are the registers of the interrupted call, secrets included. The
	 * drawing code uses no others, and the rest of an SVE register that
	 * contains one of them is cleared with it.
	 */
	.irp	i, 0, 1, 2, 3, 4, 5, 6, 7
	movi	v\i\().16b, #0
	.endr
	.irp	i, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	movi	v\i\().16b, #0
	.endr

	sub	sp, x29, #VGETRANDOM_RECORD_FRAME
	ldp	x19, x20, [sp, #VGETRANDOM_RECORD_X19]
	ldp	x21, x22, [sp, #VGETRANDOM_RECORD_X21]
	ldp	x23, x24, [sp, #VGETRANDOM_RECORD_X23]
	ldp	x25, x26, [sp, #VGETRANDOM_RECORD_X25]
	ldp	x27, x28, [sp, #VGETRANDOM_RECORD_X27]
	ldr	x29, [sp, #VGETRANDOM_RECORD_FRAME]
#ifdef CONFIG_ARM64_PTR_AUTH_KERNEL
	.cfi_negate_ra_state
#endif
	.irp	i, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28
	.cfi_restore	x\i
	.endr

	clear_stack
	clear_scratch_registers
	b	.Lsystem_call

	/*
	 * The landing pad of the fast path: drop what the scratch registers
	 * hold. The arguments are still in place. No state has length 0, so the
	 * code at __vgetrandom_framed leaves the request to the system call. It
	 * may be a long request, because the fast path checks the length inside
	 * its range.
	 */
	.cfi_def_cfa	sp, 0
	.cfi_restore	x29
	.cfi_restore	x30
#ifdef CONFIG_ARM64_PTR_AUTH_KERNEL
	.cfi_negate_ra_state
#endif
	svc	#0
SYM_INNER_LABEL(vgetrandom_fast_landing_pad, SYM_L_GLOBAL)
	.irp	i, 0, 1, 2, 3, 4, 5, 6, 7
	movi	v\i\().16b, #0
	.endr
	.irp	i, 9, 10, 11, 12, 13, 14, 15
	mov	x\i, xzr
	.endr
	mov	x4, xzr
	b	__vgetrandom_framed

	/* The fast path has drawn all bytes. */
SYM_INNER_LABEL(__vgetrandom_return, SYM_L_GLOBAL)
	mov	x0, x1
	ret
	.cfi_endproc
SYM_FUNC_END(__kernel_getrandom)

emit_aarch64_feature_1_and
