/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a call of vgetrandom() has to do, written down without regard to speed, by the
 * algorithm of the series for Linux 6.1 and by that of the series for 7.3.
 */
#ifndef MODEL_H
#define MODEL_H

#include <stdint.h>
#include <stddef.h>
#include <sys/types.h>

#define MODEL_BLOCKS	8
#define MODEL_BATCH	(MODEL_BLOCKS * 64 - 32)

/* The getrandom() system call as a script has it: may change the kernel's generation. */
struct model_kernel {
	uint64_t	generation;
	ssize_t		(*getrandom)(struct model_kernel *kernel, uint8_t *buffer, size_t len);
};

struct model {
	size_t	state_size;
	ssize_t	(*getrandom)(struct model_kernel *kernel, void *state, uint8_t *buffer, size_t len);
	void	(*set_generation)(void *state, uint64_t generation);
	/* Set what says how much of the batch is left, and who uses it, to something. */
	void	(*disturb)(void *state, uint64_t value);
};

extern const struct model model_6_1, model_7_3;

#endif
