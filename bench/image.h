/* SPDX-License-Identifier: GPL-2.0 */
/* The vDSO image that was built, loaded as the kernel would have it mapped. */
#ifndef IMAGE_H
#define IMAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>
#include <sys/types.h>

#include "model.h"

typedef ssize_t (*vgetrandom_fn)(void *buffer, size_t len, unsigned int flags,
				 void *opaque_state, size_t opaque_len);

struct vgetrandom_opaque_params {
	uint32_t	size_of_opaque_state;
	uint32_t	mmap_prot;
	uint32_t	mmap_flags;
	uint32_t	reserved[13];
};

/* What the kernel writes into its page for user space: struct vdso_rng_data. */
struct rng_page {
	uint64_t		generation;
	union {
		uint64_t	incarnation;
		uint8_t		is_ready;	/* without any series */
	};
	uint64_t		check;
};

/*
 * What a processor has that the image's alternatives ask for. Each level has all
 * that the ones before it have.
 */
struct level {
	const char	*name;
	bool		(*available)(void);	/* does this processor have it? */
	int		feature;		/* its number in <asm/cpufeatures.h> */
	const char	*openssl_ia32cap;	/* takes from OpenSSL what is more, or NULL */
};

#define FEATURE_NONE	-1	/* what every processor has */

extern const struct level levels[];
extern const size_t num_levels;

bool level_has_avx(const struct level *level);

struct image {
	const uint8_t			*text;	/* the image, without the pages before it */
	size_t				size;
	volatile struct rng_page	*rng;
	bool				has_is_ready;
	bool				has_check;	/* the series "clones" added it */
	const struct model		*model;		/* of its algorithm, or NULL */
	vgetrandom_fn			getrandom;
	struct vgetrandom_opaque_params	params;
	bool				has_level;	/* there was something to patch for it */
};

/*
 * Load @path, near @where if that is not NULL, and apply its alternatives for @level.
 * Exits with a message if that fails.
 */
void image_load(struct image *image, const char *path, const struct level *level, void *where);

/* Publish a generation, or 0 for none. The page of the hypervisor is one of zeros. */
void image_publish(const struct image *image, uint64_t generation);

/* The symbol's address in the vDSO that the running kernel has mapped, or NULL. */
void *running_vdso_symbol(const char *name);

#endif
