// SPDX-License-Identifier: GPL-2.0
/*
 * openssl - RAND_bytes() in a guest, by OpenSSL's own generator or by the provider of lib/openssl
 *
 * The argument is "stock", or the configuration file that switches the provider on. Commands
 * come in lines on standard output, which is open for reading as well:
 *
 *	draw N SIZE	call RAND_bytes() N times; says "values HEX...", 16 bytes a word
 *	watch	wait until the kernel tells of a clone; says "noticed kmsg"
 *
 * At the start it says "generator NAME".
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/evp.h>
#include <openssl/rand.h>

#include "watch.h"

#define VALUE_SIZE	16
#define MAX_SIZE	(64 << 10)

static void print_value(const unsigned char *value)
{
	size_t i;

	putchar(' ');
	for (i = 0; i < VALUE_SIZE; i++)
		printf("%02x", value[i]);
}

static void draw(unsigned long count, size_t size)
{
	static unsigned char buffer[MAX_SIZE];
	size_t at;

	printf("values");
	while (count--) {
		if (size > sizeof(buffer) || RAND_bytes(buffer, size) != 1)
			errx(1, "RAND_bytes() failed");
		for (at = 0; at + VALUE_SIZE <= size; at += VALUE_SIZE)
			print_value(buffer + at);
	}
	printf("\n");
}

static const char *generator(void)
{
	EVP_RAND_CTX *context = RAND_get0_public(NULL);

	if (!context)
		errx(1, "there is no generator");
	return EVP_RAND_get0_name(EVP_RAND_CTX_get0_rand(context));
}

int main(int argc, char **argv)
{
	FILE *in = fdopen(dup(STDOUT_FILENO), "r");
	int kmsg = open("/dev/kmsg", O_RDONLY | O_CLOEXEC);
	unsigned long count;
	char line[64];
	size_t size;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc > 1 && strcmp(argv[1], "stock"))
		setenv("OPENSSL_CONF", argv[1], 1);
	printf("generator %s\n", generator());
	printf("memory\nvdso 0\n");	/* no memory for the host to read */
	while (in && fgets(line, sizeof(line), in)) {
		if (sscanf(line, "draw %lu %zu", &count, &size) == 2) {
			draw(count, size);
		} else if (!strcmp(line, "watch\n")) {
			wait_for_kernel_message(kmsg);
			printf("noticed kmsg\n");
		}
	}
	err(1, "no more commands");
}
