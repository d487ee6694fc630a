// SPDX-License-Identifier: GPL-2.0
/*
 * The KUnit tests of getrandom_kunit.c, with as many blocks in a batch as there may be. The
 * block function is one that cannot make all of them at once.
 */
#define TEST_BLOCKS	VGETRANDOM_MAX_BLOCKS
#define TEST_SUFFIX	"_16"

#include "getrandom_kunit.c"
