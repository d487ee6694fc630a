/* SPDX-License-Identifier: MIT */
/* What the files of libvgetrandom share. */
#ifndef VGR_INTERNAL_H
#define VGR_INTERNAL_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define likely(x)	__builtin_expect(!!(x), 1)
#define unlikely(x)	__builtin_expect(!!(x), 0)

typedef ssize_t vgr_fn(void *buf, size_t len, unsigned int flags, void *state,
		       size_t state_len);

/* The vDSO's function, or NULL. */
__attribute__((visibility("hidden"))) vgr_fn *vgr_find_function(void);

/* Linux's <linux/random.h> has these since 6.11, older headers do not. */
struct vgr_params {
	uint32_t size_of_opaque_state;
	uint32_t mmap_prot;
	uint32_t mmap_flags;
	uint32_t reserved[13];
};

#endif /* VGR_INTERNAL_H */
