/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vdso_test_arch.h: the architecture, for the tests of getrandom() in the vDSO
 *
 * Another architecture needs a header of its own, with the same names as
 * vdso_test_arch_x86.h.
 */
#ifndef VDSO_TEST_ARCH_H
#define VDSO_TEST_ARCH_H

#if defined(__x86_64__) && !defined(__ILP32__)
#include "vdso_test_arch_x86.h"
#elif defined(__aarch64__)
#include "vdso_test_arch_arm64.h"
#else
#error "The tests of getrandom() in the vDSO lack a header for this architecture."
#endif

#endif /* VDSO_TEST_ARCH_H */
