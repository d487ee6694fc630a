/* SPDX-License-Identifier: MIT */
/* stream.h: random bytes from a key that is used once */
#ifndef VGR_STREAM_H
#define VGR_STREAM_H

#include <stddef.h>

#define STREAM_KEY_SIZE	32

/* The most that one key may make. The block counters below it never wrap. */
#define STREAM_MAX	(1UL << 20)

struct stream {
	const char *name;
	int (*is_usable)(void);
	void (*fill)(void *out, size_t len, const unsigned char key[STREAM_KEY_SIZE]);
};

/* What this program was built with, the fastest first. The last one is always usable. */
extern const struct stream stream_all[];
extern const size_t stream_count;

const struct stream *stream_best(void);

/* Overwrites memory in a way that the compiler cannot leave out. */
void stream_erase(void *p, size_t len);

#endif /* VGR_STREAM_H */
