// SPDX-License-Identifier: GPL-2.0
/*
 * Load a vDSO image with pages in front of it in place of the kernel's, patch it
 * for a processor, and find things in it and in the one that the kernel mapped.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <err.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "cpufeatures.h"
#include "image.h"

#define PAGE 4096UL

static bool has_sse2(void)
{
	return true;
}

static bool has_avx2(void)
{
	return __builtin_cpu_supports("avx2");
}

static bool has_avx512vl(void)
{
	return has_avx2() && __builtin_cpu_supports("avx512vl");
}

/* Of those with 512-bit registers, the ones that do not slow down for them. */
static bool has_avx512(void)
{
	return has_avx512vl() && __builtin_cpu_supports("avx512vbmi2");
}

/* Bits of OPENSSL_ia32cap: CPUID.1 as ECX:EDX, then CPUID.7 as ECX:EBX. */
const struct level levels[] = {
	{ "sse2", has_sse2, FEATURE_NONE, "~0x1000000000000000:~0xd0230020" },
	{ "avx2", has_avx2, X86_FEATURE_AVX2, ":~0xd0230000" },
	{ "avx512vl", has_avx512vl, X86_FEATURE_AVX512VL, NULL },
	{ "avx512", has_avx512, X86_FEATURE_AVX512_VBMI2, NULL },
};
const size_t num_levels = sizeof(levels) / sizeof(levels[0]);

/* An image file in memory. */
struct elf {
	const char		*path;
	const uint8_t		*data;
	const Elf64_Ehdr	*header;
	const Elf64_Phdr	*segments;
	const Elf64_Shdr	*sections;
};

static void elf_open(struct elf *elf, const char *path)
{
	struct stat st;
	int fd;

	fd = open(path, O_RDONLY);
	if (fd < 0 || fstat(fd, &st))
		err(1, "%s", path);
	elf->path = path;
	elf->data = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (elf->data == MAP_FAILED)
		err(1, "%s", path);
	close(fd);

	elf->header = (const void *)elf->data;
	if (memcmp(elf->header->e_ident, ELFMAG, SELFMAG) ||
	    elf->header->e_ident[EI_CLASS] != ELFCLASS64 || elf->header->e_machine != EM_X86_64)
		errx(1, "%s is no 64-bit image", path);
	elf->segments = (const void *)(elf->data + elf->header->e_phoff);
	elf->sections = (const void *)(elf->data + elf->header->e_shoff);
}

static const Elf64_Shdr *elf_section(const struct elf *elf, const char *name)
{
	const char *names = (const char *)elf->data +
			    elf->sections[elf->header->e_shstrndx].sh_offset;
	size_t i;

	for (i = 0; i < elf->header->e_shnum; i++)
		if (!strcmp(names + elf->sections[i].sh_name, name))
			return &elf->sections[i];
	return NULL;
}

static const Elf64_Sym *find_symbol(const struct elf *elf, const char *name)
{
	const Elf64_Shdr *symtab = elf_section(elf, ".symtab");
	const Elf64_Sym *symbol, *end;
	const char *names;

	if (!symtab)
		errx(1, "%s has no symbols", elf->path);
	symbol = (const void *)(elf->data + symtab->sh_offset);
	end = symbol + symtab->sh_size / sizeof(*symbol);
	names = (const char *)elf->data + elf->sections[symtab->sh_link].sh_offset;
	for (; symbol < end; symbol++)
		if (!strcmp(names + symbol->st_name, name))
			return symbol;
	return NULL;
}

/* The value of a symbol, which for the pages in front of the image is negative. */
static int64_t elf_symbol(const struct elf *elf, const char *name)
{
	const Elf64_Sym *symbol = find_symbol(elf, name);

	if (!symbol)
		errx(1, "%s has no %s", elf->path, name);
	return symbol->st_value;
}

/* Is the image one of mainline, which has other names than 6.1 with the series? */
static bool is_mainline(const struct elf *elf)
{
	return find_symbol(elf, "vdso_u_rng_data");
}

static const Elf64_Phdr *elf_load_segment(const struct elf *elf)
{
	size_t i;

	for (i = 0; i < elf->header->e_phnum; i++)
		if (elf->segments[i].p_type == PT_LOAD)
			return &elf->segments[i];
	errx(1, "%s has nothing to load", elf->path);
}

/* struct alt_instr of <asm/alternative.h>, in the kernels that the image may be of */
struct alt_instr_6_1 {
	int32_t		instr_offset;
	int32_t		repl_offset;
	uint16_t	cpuid;		/* and ALTINSTR_FLAG_INV */
	uint8_t		instrlen;
	uint8_t		replacementlen;
} __attribute__((packed));

struct alt_instr_7_3 {
	int32_t		instr_offset;
	int32_t		repl_offset;
	uint16_t	cpuid;
	uint16_t	flags;
	uint8_t		instrlen;
	uint8_t		replacementlen;
} __attribute__((packed));

#define ALTINSTR_FLAG_INV	(1 << 15)
#define ALT_FLAG_NOT		(1 << 0)

/* One of either kind */
struct alternative {
	uint8_t		*instr;
	const uint8_t	*repl;
	int		feature;
	bool		want;		/* apply it where the feature is, or where it is not? */
	uint8_t		instrlen;
	uint8_t		replacementlen;
};

/* Read the one at @at, and return where the next one is. */
static uint8_t *read_alternative(struct alternative *alt, uint8_t *at, bool mainline)
{
	const struct alt_instr_6_1 *a = (const void *)at;
	const struct alt_instr_7_3 *b = (const void *)at;

	alt->instr = at + a->instr_offset;
	alt->repl = at + offsetof(struct alt_instr_6_1, repl_offset) + a->repl_offset;
	if (mainline) {
		alt->feature = b->cpuid;
		alt->want = !(b->flags & ALT_FLAG_NOT);
		alt->instrlen = b->instrlen;
		alt->replacementlen = b->replacementlen;
		return at + sizeof(*b);
	}
	alt->feature = a->cpuid & ~ALTINSTR_FLAG_INV;
	alt->want = !(a->cpuid & ALTINSTR_FLAG_INV);
	alt->instrlen = a->instrlen;
	alt->replacementlen = a->replacementlen;
	return at + sizeof(*a);
}

/* An image of a kernel that does not choose the size of a batch */
#ifndef X86_FEATURE_VGETRANDOM_16
#define X86_FEATURE_VGETRANDOM_16	-2
#endif

/* What the kernel chooses at boot. BLOCKS= is like its parameter vdso_getrandom_blocks=. */
static bool has_sixteen_blocks(const struct level *level)
{
	const char *blocks = getenv("BLOCKS");

	if (blocks)
		return !strcmp(blocks, "16");
	return level->feature == X86_FEATURE_AVX512_VBMI2 && __builtin_cpu_is("amd");
}

bool level_has_avx(const struct level *level)
{
	return level->feature != FEATURE_NONE;
}

/* Features that are not a level's are not there; getrandom() asks for no others. */
static bool level_has(const struct level *level, int feature)
{
	const struct level *l;

	if (feature == X86_FEATURE_VGETRANDOM_16)
		return has_sixteen_blocks(level);
	if (feature == X86_FEATURE_AVX)
		return level_has_avx(level);
	for (l = levels; l <= level; l++)
		if (l->feature == feature)
			return true;
	return false;
}

static void patch(const struct alternative *alt)
{
	const uint8_t *repl = alt->repl;
	uint8_t *instr = alt->instr;
	int32_t distance;

	memcpy(instr, repl, alt->replacementlen);
	/* A jump is relative to where it is; only the first one counts. */
	if (alt->replacementlen == 5 && (*repl == 0xe8 || *repl == 0xe9)) {
		memcpy(&distance, repl + 1, sizeof(distance));
		distance += repl - instr;
		memcpy(instr + 1, &distance, sizeof(distance));
	}
	memset(instr + alt->replacementlen, 0x90, alt->instrlen - alt->replacementlen);
}

/* What apply_alternatives() does. True if the image has something for the level. */
static bool apply_alternatives(uint8_t *text, const struct elf *elf, const struct level *level)
{
	const Elf64_Shdr *section = elf_section(elf, ".altinstructions");
	bool found = level->feature == FEATURE_NONE;
	struct alternative alt;
	uint8_t *at, *end;

	if (!section)
		return found;
	at = text + section->sh_addr;
	end = at + section->sh_size;
	while (at < end) {
		at = read_alternative(&alt, at, is_mainline(elf));
		found |= alt.feature == level->feature;
		if (level_has(level, alt.feature) == alt.want)
			patch(&alt);
	}
	return found;
}

void image_load(struct image *image, const char *path, const struct level *level, void *where)
{
	const Elf64_Phdr *segment;
	bool mainline;
	size_t before;
	struct elf elf;
	uint8_t *area;

	elf_open(&elf, path);
	mainline = is_mainline(&elf);
	segment = elf_load_segment(&elf);
	before = -elf_symbol(&elf, mainline ? "vdso_u_data" : "vvar_start");
	image->size = (segment->p_memsz + PAGE - 1) & -PAGE;

	area = mmap(where, before + image->size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (area == MAP_FAILED)
		err(1, "memory for the image");
	area += before;
	memcpy(area, elf.data + segment->p_offset, segment->p_filesz);
	image->has_level = apply_alternatives(area, &elf, level);
	if (mprotect(area, image->size, PROT_READ | PROT_EXEC))
		err(1, "mprotect");

	image->text = area;
	image->rng = (void *)(area + elf_symbol(&elf, mainline ? "vdso_u_rng_data" : "vdso_rng_data"));
	/* The drawing range comes with the first series that changes the algorithm. */
	image->has_is_ready = mainline && !find_symbol(&elf, "vgetrandom_start");
	image->has_check = find_symbol(&elf, mainline ? "vmclock_page" : "vdso_vmclock");
	/* Both models have a fast path. */
	image->model = !find_symbol(&elf, "vgetrandom_fast") ? NULL :
		       mainline ? &model_7_3 : &model_6_1;
	image_publish(image, 1);
	image->getrandom = (vgetrandom_fn)(area + elf_symbol(&elf, "__vdso_getrandom"));
	if (image->getrandom(NULL, 0, 0, &image->params, ~0UL))
		errx(1, "%s does not answer the parameter query", path);
}

void image_publish(const struct image *image, uint64_t generation)
{
	if (image->has_check)
		image->rng->check = generation ? generation : 1ULL << 63;
	if (image->has_is_ready)
		image->rng->is_ready = generation != 0;
	image->rng->generation = generation;
}

void *running_vdso_symbol(const char *name)
{
	const uint8_t *base = (const uint8_t *)getauxval(AT_SYSINFO_EHDR);
	const Elf64_Ehdr *header = (const void *)base;
	const Elf64_Phdr *segment;
	const Elf64_Dyn *dynamic = NULL;
	const Elf64_Sym *symbols = NULL;
	const char *names = NULL;
	uint32_t count = 0, i;

	if (!base)
		return NULL;
	segment = (const void *)(base + header->e_phoff);
	for (i = 0; i < header->e_phnum; i++)
		if (segment[i].p_type == PT_DYNAMIC)
			dynamic = (const void *)(base + segment[i].p_offset);
	for (; dynamic && dynamic->d_tag != DT_NULL; dynamic++) {
		if (dynamic->d_tag == DT_SYMTAB)
			symbols = (const void *)(base + dynamic->d_un.d_ptr);
		else if (dynamic->d_tag == DT_STRTAB)
			names = (const char *)base + dynamic->d_un.d_ptr;
		else if (dynamic->d_tag == DT_HASH)	/* its second word counts the chains */
			count = ((const uint32_t *)(base + dynamic->d_un.d_ptr))[1];
	}
	for (i = 0; symbols && names && i < count; i++)
		if (!strcmp(names + symbols[i].st_name, name) && symbols[i].st_value)
			return (void *)(base + symbols[i].st_value);
	return NULL;
}
