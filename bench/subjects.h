/* SPDX-License-Identifier: GPL-2.0 */
/* What is measured: ways to get random bytes, and memcpy() as the limit. */
#ifndef SUBJECTS_H
#define SUBJECTS_H

#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>

#include "image.h"

#define MAX_REQUEST	(1 << 20)
/* Lengths of a request that stand for 1 to so many bytes, at random */
#define MIXED_LEN	0
#define MIXED_MAX	64
#define MIXED_LONG_LEN	SIZE_MAX
#define MIXED_LONG_MAX	512

enum subject_id {
	VDSO, MAINLINE, SYSCALL, POOLED, ARC4RANDOM, RAND_BYTES, CHACHA20, MEMCPY, NUM_SUBJECTS
};

/*
 * Where an image is and where its caller is: between them, some addresses cost up to a
 * third more, whatever the code is. The kernel maps the vDSO anywhere, so the figures are
 * the medians over many places.
 */
#define NUM_PLACES	32

/* A vgetrandom() and where its states come from. */
struct generator {
	vgetrandom_fn			fn;
	struct vgetrandom_opaque_params	params;
	vgetrandom_fn			places[NUM_PLACES];	/* unless the kernel mapped it */
};

extern struct generator generators[2];		/* of VDSO and of MAINLINE */

/* What a thread has of its own. */
struct worker {
	uint8_t		*buffer;
	void		*states[2];		/* for the generators */
	struct pool	*pool;
	void		*cipher;
};

struct subject {
	const char	*name;
	bool		available;
	void		(*call)(struct worker *worker, size_t len, unsigned int times);
};

extern struct subject subjects[NUM_SUBJECTS];

/*
 * Find out what there is; in the process that measures, as OpenSSL looks at its environment.
 * The path of another image stands for that of the running kernel. There may be nothing
 * but the two images.
 */
void subjects_init(const char *image, const struct level *level, const char *other,
		   bool images_only);
size_t subjects_batch(int which);	/* bytes that a refill leaves for requests */
void subjects_move(size_t round);		/* the images; place 0 is beside the vDSO */
void worker_init(struct worker *worker);

/* The i-th of @count states in memory from new_states(). */
void *new_states(const struct generator *generator, size_t count);
void *nth_state(const struct generator *generator, void *states, size_t i);

#endif
