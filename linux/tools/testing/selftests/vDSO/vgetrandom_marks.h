/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vgetrandom_marks.h: a caller of getrandom() that an unwinder can recognise
 *
 * It has its marks in all registers that a function has to preserve, and notes its
 * stack pointer.
 */
#ifndef VGETRANDOM_MARKS_H
#define VGETRANDOM_MARKS_H

#include <stddef.h>
#include <sys/types.h>

#include "vgetrandom.h"

#define MARK(n)		(0x5eed0000 + (n))

/* Registers by their DWARF numbers, and the mark of each */
static const struct {
	int number;
	unsigned long mark;
} marks[] = {
	{ 3, MARK(3) }, { 6, MARK(6) }, { 12, MARK(12) }, { 13, MARK(13) },
	{ 14, MARK(14) }, { 15, MARK(15) },
};

/* The vDSO's getrandom() as @call, from a caller that dies if a mark is gone at return. */
ssize_t marked_draw(void *buffer, size_t len, unsigned int flags, void *state,
		    size_t opaque_len, vgetrandom_t call);
extern const char marked_return[];
unsigned long marked_sp;

asm (".pushsection .text\n"
     ".globl marked_draw, marked_return\n"
     ".type marked_draw, @function\n"
     "marked_draw:\n"
     "	.cfi_startproc\n"
     ".irp reg, rbx, rbp, r12, r13, r14, r15\n"
     "	push	%\\reg\n"
     "	.cfi_adjust_cfa_offset 8\n"
     "	.cfi_rel_offset %\\reg, 0\n"
     ".endr\n"
     "	sub	$8, %rsp\n"
     "	.cfi_adjust_cfa_offset 8\n"
     "	mov	$0x5eed0003, %ebx\n"
     "	mov	$0x5eed0006, %ebp\n"
     ".irp n, 12, 13, 14, 15\n"
     "	mov	$0x5eed0000 + \\n, %r\\n\n"
     ".endr\n"
     "	mov	%rsp, marked_sp(%rip)\n"
     "	call	*%r9\n"
     "marked_return:\n"
     "	cmp	$0x5eed0003, %rbx\n"
     "	jne	1f\n"
     "	cmp	$0x5eed0006, %rbp\n"
     "	jne	1f\n"
     ".irp n, 12, 13, 14, 15\n"
     "	cmp	$0x5eed0000 + \\n, %r\\n\n"
     "	jne	1f\n"
     ".endr\n"
     "	cmp	%rsp, marked_sp(%rip)\n"
     "	je	2f\n"
     "1:	ud2\n"
     "2:	add	$8, %rsp\n"
     "	.cfi_adjust_cfa_offset -8\n"
     ".irp reg, r15, r14, r13, r12, rbp, rbx\n"
     "	pop	%\\reg\n"
     "	.cfi_adjust_cfa_offset -8\n"
     "	.cfi_restore %\\reg\n"
     ".endr\n"
     "	ret\n"
     "	.cfi_endproc\n"
     ".size marked_draw, . - marked_draw\n"
     ".popsection\n");

#endif /* VGETRANDOM_MARKS_H */
