// SPDX-License-Identifier: GPL-2.0
/*
 * The drawing code of getrandom(): this file, the fast path and the block
 * function. They lie between VDSO_vgetrandom_start and VDSO_vgetrandom_end, and a
 * call that a signal interrupts there never resumes. So nothing in there may call
 * anything outside, and only the entry point may call into it.
 */
#include "../../../../lib/vdso/getrandom.c"

/* The fast path relies on these. */
static_assert(offsetof(struct vgetrandom_state, generation) == VGETRANDOM_STATE_GENERATION);
static_assert(offsetof(struct vgetrandom_state, avail) == VGETRANDOM_STATE_AVAIL);
static_assert(offsetof(struct vgetrandom_state, batch) == VGETRANDOM_STATE_BATCH);
static_assert(VGETRANDOM_STATE_SIZE - VGETRANDOM_STATE_BATCH == VGETRANDOM_BATCH_SIZE);
static_assert(VGETRANDOM_BLOCKS * CHACHA_BLOCK_SIZE - CHACHA_KEY_SIZE == VGETRANDOM_BATCH_SIZE);
static_assert((GRND_RANDOM | GRND_INSECURE) == VGETRANDOM_FLAGS_END);
static_assert(offsetof(struct vdso_rng_data, check) == VDSO_RNG_CHECK);
static_assert(offsetof(struct vdso_vmclock, disruption_marker) == VDSO_VMCLOCK_MARKER);

ssize_t __vgetrandom_draw(void *buffer, size_t len, unsigned int flags,
			  void *opaque_state, size_t opaque_len)
{
	return __cvdso_getrandom(&vdso_rng_data, &vdso_vmclock, buffer, len, flags, opaque_state,
				 opaque_len);
}
