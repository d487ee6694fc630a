// SPDX-License-Identifier: GPL-2.0
/*
 * The part of getrandom() in the vDSO that does not draw, and that resumes
 * after a signal.
 */
#include <linux/types.h>
#include <vdso/getrandom.h>
#include <asm/vdso/getrandom.h>

/* The entry point tests this bit. */
static_assert(GRND_TIMESTAMP == VGETRANDOM_FLAG_COOKIE);

ssize_t __vgetrandom_query(void *buffer, size_t len, unsigned int flags,
			   struct vgetrandom_opaque_params *params)
{
	if (buffer || len || flags)
		return getrandom_syscall(buffer, len, flags);

	return __cvdso_getrandom_query(&vdso_rng_data, params);
}

ssize_t __vgetrandom_cookie(void *buffer, size_t len, unsigned int flags)
{
	ssize_t ret = __cvdso_getrandom_cookie(&vdso_rng_data, &vdso_vmclock, buffer, len,
					       flags);

	return ret == VGETRANDOM_SYSCALL ? getrandom_syscall(buffer, len, flags) : ret;
}
