/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vdso_test_chacha.h: the block functions, and a register file
 */
#ifndef VDSO_TEST_CHACHA_H
#define VDSO_TEST_CHACHA_H

/* General registers are numbered as instructions number them. */
#define GP_RAX		0
#define GP_RCX		1
#define GP_RDX		2
#define GP_RBX		3
#define GP_RSP		4
#define GP_RBP		5
#define GP_RSI		6
#define GP_RDI		7
#define GP_R8		8
#define GP_R12		12
#define GP_R15		15
#define GP_COUNT	16

#define MASK_COUNT	8
#define VECTOR_COUNT	32
#define VECTOR_SIZE	64

/* Offsets into struct registers */
#define REGISTERS_GP		0
#define REGISTERS_FLAGS		128
#define REGISTERS_MXCSR		136
#define REGISTERS_MASK		144
#define REGISTERS_VECTOR	256

/* How much of the vector registers there is to load and to store */
#define WIDTH_SSE	0	/* 16 of 128 bits */
#define WIDTH_AVX	1	/* 16 of 256 bits */
#define WIDTH_AVX512	2	/* 32 of 512 bits, and the mask registers */

#ifndef __ASSEMBLER__

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

/* Write @nblocks blocks of keystream to @dst and add as many to *@counter. */
typedef void (*blocks_t)(uint8_t *dst, const uint32_t *key, uint32_t *counter,
			 size_t nblocks);

/* The kernel's */
void __arch_chacha20_blocks_nostack(uint8_t *dst, const uint32_t *key,
				    uint32_t *counter, size_t nblocks);
void __arch_chacha20_blocks_avx2(uint8_t *dst, const uint32_t *key,
				 uint32_t *counter, size_t nblocks);
void __arch_chacha20_blocks_avx512vl(uint8_t *dst, const uint32_t *key,
				     uint32_t *counter, size_t nblocks);
void __arch_chacha20_blocks_avx512(uint8_t *dst, const uint32_t *key,
				   uint32_t *counter, size_t nblocks);

struct registers {
	uint64_t gp[GP_COUNT];
	uint64_t flags;
	uint64_t mxcsr;
	uint64_t mask[MASK_COUNT];
	uint64_t pad[6];
	uint8_t vector[VECTOR_COUNT][VECTOR_SIZE];
};

static_assert(offsetof(struct registers, gp) == REGISTERS_GP, "gp");
static_assert(offsetof(struct registers, flags) == REGISTERS_FLAGS, "flags");
static_assert(offsetof(struct registers, mxcsr) == REGISTERS_MXCSR, "mxcsr");
static_assert(offsetof(struct registers, mask) == REGISTERS_MASK, "mask");
static_assert(offsetof(struct registers, vector) == REGISTERS_VECTOR, "vector");

/**
 * call_with_registers() - call a function with every register filled
 * @in:		all registers at the call: arguments and stack pointer, too
 * @out:	all registers as the function leaves them
 * @function:	to be called
 * @width:	WIDTH_ of the vector registers; those beyond it are left alone
 *
 * Flags and control word are stored, but not loaded. The return address, right
 * below @in's stack pointer, is all that is written to the stack there.
 *
 * Context: one thread at a time.
 */
void call_with_registers(const struct registers *in, struct registers *out,
			 const void *function, int width);

#endif /* __ASSEMBLER__ */

#endif /* VDSO_TEST_CHACHA_H */
