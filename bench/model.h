/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a call of vgetrandom() has to do, written down without regard to speed, by the
 * algorithm of the series for Linux 6.1 and by that of the series for 7.3.
 */
#ifndef MODEL_H
#define MODEL_H

#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>
#include <sys/types.h>

#define MODEL_BLOCKS		8	/* of a refill, unless the kernel chooses more */
#define MODEL_MAX_BLOCKS	16
#define MODEL_MAX_BATCH		(MODEL_MAX_BLOCKS * 64 - 32)

/* The getrandom() system call as a script has it: may change the kernel's generation. */
struct model_kernel {
	uint64_t	generation;
	ssize_t		(*getrandom)(struct model_kernel *kernel, uint8_t *buffer, size_t len);
};

struct model {
	size_t	beside_batch;	/* bytes of a state that are not the batch */
	ssize_t	(*getrandom)(struct model_kernel *kernel, void *state, uint8_t *buffer, size_t len);
	void	(*set_generation)(void *state, uint64_t generation);
	/* Set what says how much of the batch is left, and who uses it, to something. */
	void	(*disturb)(void *state, uint64_t value);
};

extern const struct model model_6_1, model_7_3;

/* Have the models make as many blocks as states of this size need, if there are such states. */
bool model_set_state_size(const struct model *model, size_t size);
/* Have the models copy as they do with AVX, or without. */
void model_set_avx(bool avx);
/* The bytes that a refill leaves for requests, then */
size_t model_batch(void);

#endif
