/* SPDX-License-Identifier: GPL-2.0 */
/* What a call of vgetrandom() has to do, written down without regard to speed. */
#ifndef MODEL_H
#define MODEL_H

#include <stdint.h>
#include <stddef.h>
#include <sys/types.h>

#define MODEL_BLOCKS	8
#define MODEL_BATCH	(MODEL_BLOCKS * 64 - 32)

/* struct vgetrandom_state */
struct model_state {
	uint64_t	generation;
	uint32_t	avail;
	uint8_t		key[32] __attribute__((aligned(64)));
	uint8_t		batch[MODEL_BATCH];
};

/* The getrandom() system call as a script has it: may change the kernel's generation. */
struct model_kernel {
	uint64_t	generation;
	ssize_t		(*getrandom)(struct model_kernel *kernel, uint8_t *buffer, size_t len);
};

void model_chacha20(uint8_t *dst, const uint8_t key[32], size_t nblocks);
ssize_t model_getrandom(struct model_kernel *kernel, struct model_state *state,
			uint8_t *buffer, size_t len);

#endif
