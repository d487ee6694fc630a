// SPDX-License-Identifier: GPL-2.0
/*
 * The drawing code of getrandom(): this file and the block function. They lie
 * between VDSO_vgetrandom_start and VDSO_vgetrandom_end, and a call that a
 * signal interrupts there never resumes. So nothing in there may call anything
 * outside, and only the entry point may call into it.
 */
#include "../../../../lib/vdso/getrandom.c"

ssize_t __vgetrandom_draw(void *buffer, size_t len, unsigned int flags,
			  void *opaque_state, size_t opaque_len)
{
	return __cvdso_getrandom(&vdso_rng_data, &vdso_vmclock, buffer, len, flags, opaque_state,
				 opaque_len);
}
