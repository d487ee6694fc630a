// SPDX-License-Identifier: GPL-2.0
/*
 * Count the instructions of a draw, for several sizes.
 *
 *	instructions [IMAGE]...	vDSO images with symbols, such as vdso.so.dbg
 *
 * The first one is the running kernel's own. The others are loaded beside it, with a page
 * of their own in place of the RNG's data. Another process draws and is stepped through, one
 * instruction at a time, so the figures are exact and do not depend on the emulator. System
 * calls are not part of them. An image in a file needs one seed, as the generation never
 * changes. The kernel reseeds meanwhile: a figure of its own image with system calls is
 * measured again, and the least counts. Steps through a long draw take longer than the time
 * between two reseeds, so there is no such figure.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "vdso_step.h"
#include "vgetrandom.h"

#define DATA_PAGES	16	/* more than there are before the code */
#define RUNS		3	/* at most, until no system call comes in between */

struct image {
	unsigned char *start;
	size_t size;
	vgetrandom_t draw;
	struct vgetrandom_opaque_params params;
};

#define LONGEST		1024	/* bytes of a draw of the running kernel's image */

/* Sizes and draws: a multiple of the batches of all images */
static const struct { size_t len; unsigned int draws; } rows[] = {
	{ 4, 240 }, { 32, 120 }, { 256, 60 }, { 1024, 16 }, { 65536, 1 },
};

static struct image image;
static unsigned char buffer[65536];
static size_t len;
static unsigned int draws;

static void __attribute__((noreturn)) die(const char *what)
{
	perror(what);
	exit(EXIT_FAILURE);
}

static const Elf64_Shdr *section(const unsigned char *file, unsigned int type, const char *name)
{
	const Elf64_Ehdr *ehdr = (const void *)file;
	const Elf64_Shdr *shdr = (const void *)(file + ehdr->e_shoff);
	const char *names = (const char *)file + shdr[ehdr->e_shstrndx].sh_offset;
	unsigned int i;

	for (i = 0; i < ehdr->e_shnum; i++)
		if (shdr[i].sh_type == type && !strcmp(names + shdr[i].sh_name, name))
			return &shdr[i];
	return NULL;
}

static long symbol(const unsigned char *file, const char *name)
{
	const Elf64_Shdr *symtab = section(file, SHT_SYMTAB, ".symtab");
	const Elf64_Shdr *strtab = section(file, SHT_STRTAB, ".strtab");
	const Elf64_Sym *sym = (const void *)(file + symtab->sh_offset);
	size_t i;

	for (i = 0; i < symtab->sh_size / sizeof(*sym); i++)
		if (!strcmp((const char *)file + strtab->sh_offset + sym[i].st_name, name))
			return sym[i].st_value;
	fprintf(stderr, "there is no %s\n", name);
	exit(EXIT_FAILURE);
}

#ifdef __aarch64__
/* The bits of a branch that have its distance in words, or 0 if it is none */
static uint32_t distance_bits(uint32_t insn)
{
	if ((insn & 0x7c000000) == 0x14000000)		/* B, BL */
		return 0x03ffffff;
	if ((insn & 0xff000000) == 0x54000000)		/* B.cond */
		return 0x00ffffe0;
	return 0;
}

/* Copy an instruction to another place. A branch still leads to the same place. */
static void move_insn(uint32_t *to, const uint32_t *from)
{
	uint32_t insn = *from, bits = distance_bits(insn);
	uint32_t unit = bits & -bits;

	if (bits)
		insn = (insn & ~bits) | ((insn + (uint32_t)(from - to) * unit) & bits);
	*to = insn;
}

/* Apply all alternatives, as on a processor that has everything. */
static void apply_alternatives(const unsigned char *file)
{
	const Elf64_Shdr *alternatives = section(file, SHT_PROGBITS, ".altinstructions");
	struct entry {
		int32_t original, replacement;
		uint16_t feature;
		uint8_t original_len, replacement_len;
	} *entry;
	size_t i, j;

	if (!alternatives)
		return;
	entry = (void *)(image.start + alternatives->sh_addr);
	for (i = 0; i < alternatives->sh_size / sizeof(*entry); i++) {
		void *to = (unsigned char *)&entry[i].original + entry[i].original;
		void *from = (unsigned char *)&entry[i].replacement + entry[i].replacement;

		for (j = 0; j < entry[i].replacement_len / sizeof(uint32_t); j++)
			move_insn((uint32_t *)to + j, (uint32_t *)from + j);
	}
}
#endif

static void load(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	const size_t before = DATA_PAGES * vgr.page;
	const unsigned char *file;
	unsigned char *area;
	uint64_t *rng;
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		die(path);
	file = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (file == MAP_FAILED)
		die(path);
	area = mmap(NULL, before + st.st_size, PROT_READ | PROT_WRITE | PROT_EXEC,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (area == MAP_FAILED)
		die("mmap");
	image.start = area + before;
	image.size = st.st_size;
	memcpy(image.start, file, st.st_size);
#ifdef __aarch64__
	apply_alternatives(file);
#endif
	__builtin___clear_cache((char *)image.start, (char *)image.start + image.size);
	rng = (void *)(image.start + symbol(file, "vdso_u_rng_data"));
	/*
	 * A generation, the flag of older kernels that says that it is ready, and the sum of
	 * the generation and of the marker of a vmclock, whose page has zeros
	 */
	rng[0] = 1;
	rng[1] = 1;
	rng[2] = 1;
	image.draw = (vgetrandom_t)(image.start + symbol(file, VGR_NAME));
	if (image.draw(NULL, 0, 0, &image.params, VGR_QUERY))
		die("parameter query");
	close(fd);
}

/* The tracer recognizes this function by its address. */
static void __attribute__((noinline)) finished(void)
{
	asm volatile ("" : : : "memory");
}

static int draw_all(void *state)
{
	unsigned int i;

	image.draw(buffer, 1, 0, state, image.params.size_of_opaque_state);
	step_trap();
	for (i = 0; i < draws; i++)
		image.draw(buffer, len, 0, state, image.params.size_of_opaque_state);
	finished();
	return 0;
}

/* Step through all draws, and return the number of instructions and of system calls. */
static unsigned long count(void *state, unsigned long *calls)
{
	struct step_actor actor;
	unsigned long n = 0;
	uintptr_t ip;

	*calls = 0;

	if (!step_fork(&actor, draw_all, state) || !step_continue(&actor, 0))
		die("tracing");
	while (step_go(&actor, PTRACE_SINGLESTEP, 0)) {
		ip = step_ip(&actor);
		if (ip == (uintptr_t)finished)
			break;
		if (ip - (uintptr_t)image.start >= image.size)
			continue;
		n++;
		*calls += step_is_syscall(ip);
	}
	step_kill(&actor);
	return n;
}

/* Measure the image, and print a line for each size up to @longest bytes. */
static void measure(const char *name, size_t longest)
{
	unsigned char *state = mmap(NULL, vgr.page, image.params.mmap_prot,
				    image.params.mmap_flags, -1, 0);
	size_t row;

	if (state == MAP_FAILED)
		die("mmap");
	printf("instructions: %s\n", name);
	for (row = 0; row < sizeof(rows) / sizeof(*rows) && rows[row].len <= longest; row++) {
		unsigned long least = ULONG_MAX, least_calls = 1, calls, n;
		unsigned int run;

		len = rows[row].len;
		draws = rows[row].draws;
		for (run = 0; run < RUNS && least_calls; run++) {
			n = count(state, &calls);
			if (n < least) {
				least = n;
				least_calls = calls;
			}
		}
		printf("instructions: %6zu bytes %10.1f a draw (%lu system calls in %u draws)\n",
		       len, (double)least / draws, least_calls, draws);
	}
	munmap(state, vgr.page);
}

int main(int argc, char **argv)
{
	int i;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (vgr_find() && !vgr.query) {
		image.start = (unsigned char *)vgr.vdso.start;
		image.size = vgr.vdso.end - vgr.vdso.start;
		image.draw = vgr.call;
		image.params = vgr.params;
		measure("the running kernel", LONGEST);
	} else {
		printf("instructions: the running kernel has no %s\n", VGR_NAME);
	}
	for (i = 1; i < argc; i++) {
		if (access(argv[i], R_OK))
			continue;
		load(argv[i]);
		measure(argv[i], SIZE_MAX);
	}
	return EXIT_SUCCESS;
}
