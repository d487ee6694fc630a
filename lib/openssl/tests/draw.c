// SPDX-License-Identifier: MIT
/*
 * draw.c: "draw COUNT SIZE" calls RAND_bytes(). "draw vdso" succeeds where the kernel has
 * getrandom() in its vDSO.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include <openssl/rand.h>

/* Looks for the name in the image, which is small. */
static int find(void)
{
	const char *image = (const char *)getauxval(AT_SYSINFO_EHDR);
	size_t len = 2 * sysconf(_SC_PAGESIZE);

#if defined(__aarch64__)
	return image && memmem(image, len, "__kernel_getrandom", 18);
#else
	return image && memmem(image, len, "__vdso_getrandom", 16);
#endif
}

int main(int argc, char **argv)
{
	unsigned char *buffer;
	long count, size, i;

	if (argc == 2 && !strcmp(argv[1], "vdso"))
		return !find();
	if (argc != 3)
		return 2;
	count = atol(argv[1]);
	size = atol(argv[2]);
	buffer = malloc(size);
	for (i = 0; i < count; i++)
		if (RAND_bytes(buffer, size) != 1)
			return 1;
	return 0;
}
