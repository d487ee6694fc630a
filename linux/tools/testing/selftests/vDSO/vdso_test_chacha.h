/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vdso_test_chacha.h: calls of block functions with every register filled
 */
#ifndef VDSO_TEST_CHACHA_H
#define VDSO_TEST_CHACHA_H

#include <stddef.h>
#include <stdint.h>

#include "vdso_test_arch.h"

/* Write @nblocks blocks of keystream to @dst and add as many to *@counter. */
typedef void (*blocks_t)(uint8_t *dst, const uint32_t *key, uint32_t *counter,
			 size_t nblocks);

/**
 * call_with_registers() - call a function with every register filled
 * @in:		all registers at the call, including arguments and stack pointer
 * @out:	all registers as the function leaves them
 * @function:	to be called
 * @width:	arch_vector_width() of the vector registers; the call leaves wider ones alone
 *
 * Flags and control words are stored, but not loaded. All that the call itself writes
 * to the stack is ARCH_CALL_PUSHES bytes, right below @in's stack pointer.
 *
 * Context: one thread at a time.
 */
void call_with_registers(const struct registers *in, struct registers *out,
			 const void *function, int width);

#endif /* VDSO_TEST_CHACHA_H */
