/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vgetrandom_marks.h: a caller of getrandom() that an unwinder can recognize
 *
 * It puts a mark into each register that a function must preserve, and records its
 * stack pointer.
 */
#ifndef VGETRANDOM_MARKS_H
#define VGETRANDOM_MARKS_H

#include <stddef.h>
#include <sys/types.h>

#include "vdso_test_arch.h"
#include "vgetrandom.h"

/* The registers that have a mark, by their DWARF numbers */
static const int marked[] = DWARF_PRESERVED;

#define MARK(n)		(0x5eed0000UL + (n))

/* Call the vDSO's getrandom() as @call, and die if a mark has changed on return. */
ssize_t marked_draw(void *buffer, size_t len, unsigned int flags, void *state,
		    size_t opaque_len, vgetrandom_t call);
extern const char marked_return[];
unsigned long marked_sp;

asm (ARCH_MARKED_DRAW);

#endif /* VGETRANDOM_MARKS_H */
