// SPDX-License-Identifier: GPL-2.0
/*
 * The part of getrandom() in the vDSO that does not draw, and that resumes
 * after a signal.
 */
#include <linux/bits.h>
#include <linux/errno.h>
#include <linux/types.h>
#include <vdso/getrandom.h>
#include <asm/alternative.h>
#include <asm/vdso/getrandom.h>

/* The entry point tests this bit. */
static_assert(BIT(VGETRANDOM_FLAG_COOKIE_BIT) == GRND_TIMESTAMP);

/* The entry point looks for the same. */
static __always_inline bool can_draw(void)
{
	return alternative_has_feature_unlikely(ARM64_HAS_LSE_ATOMICS) &&
	       !alternative_has_feature_unlikely(ARM64_HAS_NO_FPSIMD);
}

/* The parameter query, and all requests on a processor that cannot draw. */
ssize_t __vgetrandom_query(void *buffer, size_t len, unsigned int flags,
			   void *opaque_state, size_t opaque_len)
{
	if (opaque_len != ~0UL || buffer || len || flags)
		return getrandom_syscall(buffer, len, flags);

	if (!can_draw())
		return -EOPNOTSUPP;
	return __cvdso_getrandom_query(&vdso_rng_data, opaque_state);
}

/* This does not draw either. */
ssize_t __vgetrandom_cookie(void *buffer, size_t len, unsigned int flags)
{
	ssize_t ret = __cvdso_getrandom_cookie(&vdso_rng_data, &vdso_vmclock, buffer, len,
					       flags);

	return ret == VGETRANDOM_SYSCALL ? getrandom_syscall(buffer, len, flags) : ret;
}
