/* SPDX-License-Identifier: GPL-2.0 */
#ifndef CHECK_H
#define CHECK_H

#include "image.h"

enum check_result { CHECK_PASSED, CHECK_FAILED, CHECK_SKIPPED };

/*
 * Compare what the image at @path does with the model, call by call. For a process
 * of its own: system calls made in the image are answered here from then on. Prints
 * what came of it.
 */
enum check_result check_image(const char *path, const struct level *level);

#endif
