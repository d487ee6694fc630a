// SPDX-License-Identifier: GPL-2.0
/* Draws with libuv; no two values may be equal. Exits with 0 if that is so. */

#include <stdio.h>
#include <string.h>
#include <stdlib.h>
#include <uv.h>

#define N	1000

static unsigned char values[N][16];

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(values[0]));
}

int main(void)
{
	static unsigned char large[100000];
	int i;

	for (i = 0; i < N; i++)
		if (uv_random(NULL, NULL, values[i], sizeof(values[i]), 0, NULL))
			return 1;
	if (uv_random(NULL, NULL, large, sizeof(large), 0, NULL))
		return 2;
	if (!memcmp(large, large + sizeof(large) / 2, sizeof(large) / 2))
		return 3;
	qsort(values, N, sizeof(values[0]), compare);
	for (i = 1; i < N; i++)
		if (!compare(values[i - 1], values[i]))
			return 4;
	return 0;
}
