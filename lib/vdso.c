// SPDX-License-Identifier: MIT
/*
 * Find getrandom() in the vDSO: a small ELF parser that needs neither /proc nor
 * memory. The image is the kernel's, so it is well-formed; what this parser does
 * not know makes it return NULL, and callers use the system call.
 */
#include <elf.h>
#include <link.h>
#include <stdbool.h>
#include <string.h>
#include <sys/auxv.h>

#include "internal.h"

#if defined(__x86_64__) && !defined(__ILP32__)
# define NAME		"__vdso_getrandom"
# define VERSION	"LINUX_2.6"
#elif defined(__aarch64__) && !defined(__ILP32__)
# define NAME		"__kernel_getrandom"
# define VERSION	"LINUX_2.6.39"
#endif

#ifdef NAME
/* What the dynamic section points to. */
struct image {
	uintptr_t bias;
	const ElfW(Sym) *symbols;
	const char *strings;
	const uint32_t *hash;
	const uint32_t *gnu_hash;
	const ElfW(Versym) *versions;
	const ElfW(Verdef) *definitions;
};

/* The C libraries relocate such addresses, the kernel does not. */
static const void *address(const struct image *image, ElfW(Addr) value)
{
	return (const void *)(image->bias + value);
}

static bool read_dynamic(struct image *image, const ElfW(Dyn) *dyn)
{
	for (; dyn->d_tag != DT_NULL; dyn++) {
		const void *target = address(image, dyn->d_un.d_ptr);

		switch (dyn->d_tag) {
		case DT_SYMTAB:
			image->symbols = target;
			break;
		case DT_STRTAB:
			image->strings = target;
			break;
		case DT_HASH:
			image->hash = target;
			break;
		case DT_GNU_HASH:
			image->gnu_hash = target;
			break;
		case DT_VERSYM:
			image->versions = target;
			break;
		case DT_VERDEF:
			image->definitions = target;
			break;
		}
	}
	return image->symbols && image->strings && image->versions &&
	       image->definitions && (image->hash || image->gnu_hash);
}

static bool read_image(struct image *image, uintptr_t base)
{
	const ElfW(Ehdr) *header = (const void *)base;
	const ElfW(Phdr) *segment = (const void *)(base + header->e_phoff);
	const ElfW(Phdr) *end = segment + header->e_phnum;
	const ElfW(Dyn) *dyn = NULL;
	bool loaded = false;

	if (memcmp(header->e_ident, ELFMAG, SELFMAG) ||
	    header->e_phentsize != sizeof(*segment))
		return false;
	for (; segment < end; segment++) {
		if (segment->p_type == PT_LOAD && !loaded) {
			image->bias = base + segment->p_offset - segment->p_vaddr;
			loaded = true;
		} else if (segment->p_type == PT_DYNAMIC) {
			dyn = (const void *)(base + segment->p_offset);
		}
	}
	return loaded && dyn && read_dynamic(image, dyn);
}

/* A GNU hash table does not say how many symbols there are: its last chain does. */
static uint32_t count_by_gnu_hash(const uint32_t *table)
{
	uint32_t buckets = table[0], first = table[1], blooms = table[2];
	const uint32_t *bucket = table + 4 + blooms * (sizeof(ElfW(Addr)) / 4);
	const uint32_t *chain = bucket + buckets;
	uint32_t last = 0;

	for (uint32_t i = 0; i < buckets; i++)
		if (bucket[i] > last)
			last = bucket[i];
	if (last < first)
		return first;
	while (!(chain[last - first] & 1))
		last++;
	return last + 1;
}

static uint32_t count_symbols(const struct image *image)
{
	return image->hash ? image->hash[1] : count_by_gnu_hash(image->gnu_hash);
}

/* Is this the number of a version that the image defines, and is that ours? */
static bool is_our_version(const struct image *image, ElfW(Versym) number)
{
	const ElfW(Verdef) *definition = image->definitions;

	for (;;) {
		const ElfW(Verdaux) *name = (const void *)
			((uintptr_t)definition + definition->vd_aux);

		if (!(definition->vd_flags & VER_FLG_BASE) &&
		    definition->vd_ndx == (number & 0x7fff))
			return !strcmp(image->strings + name->vda_name, VERSION);
		if (!definition->vd_next)
			return false;
		definition = (const void *)((uintptr_t)definition + definition->vd_next);
	}
}

static bool is_ours(const struct image *image, uint32_t i)
{
	const ElfW(Sym) *symbol = image->symbols + i;
	unsigned char type = symbol->st_info & 0xf;

	return symbol->st_shndx != SHN_UNDEF &&
	       (type == STT_FUNC || type == STT_NOTYPE) &&
	       !strcmp(image->strings + symbol->st_name, NAME) &&
	       is_our_version(image, image->versions[i]);
}

vgr_fn *vgr_find_function(void)
{
	uintptr_t base = getauxval(AT_SYSINFO_EHDR);
	struct image image = {};
	uint32_t count;

	if (!base || !read_image(&image, base))
		return NULL;
	count = count_symbols(&image);
	for (uint32_t i = 0; i < count; i++)
		if (is_ours(&image, i))
			return (vgr_fn *)address(&image, image.symbols[i].st_value);
	return NULL;
}
#else
vgr_fn *vgr_find_function(void)
{
	return NULL;
}
#endif
