/* SPDX-License-Identifier: MIT */
/*
 * libvgetrandom: random bytes from the kernel's generator, without a system
 * call where the kernel's vDSO offers that. See libvgetrandom(3).
 *
 * Every function may be called from any thread and from signal handlers. None
 * of them allocates memory, takes a lock or changes the signal mask.
 */
#ifndef VGETRANDOM_H
#define VGETRANDOM_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

/* As getrandom(2), errno included. Not a cancellation point. */
ssize_t vgr_getrandom(void *buf, size_t len, unsigned int flags);

/* As getentropy(3): 0, or -1 with errno; EIO for more than 256 bytes. */
int vgr_getentropy(void *buf, size_t len);

/*
 * As the arc4random(3) family: these cannot fail. They wait until the kernel's
 * generator is ready, and abort the program when the kernel has no random bytes
 * for it at all.
 */
uint32_t vgr_random(void);
void vgr_random_buf(void *buf, size_t len);
/* Less than bound, each value equally likely; 0 if bound is 0 or 1. */
uint32_t vgr_random_uniform(uint32_t bound);

/*
 * Give the calling thread its generator state now, before a sandbox. Returns 0
 * if the thread draws without system calls from here on, apart from reseeds.
 * Otherwise returns -1 with errno; the other functions work all the same, by
 * the system call.
 */
int vgr_prepare(void);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif /* VGETRANDOM_H */
