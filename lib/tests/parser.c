// SPDX-License-Identifier: MIT
/* parser WHAT good|bad FILE... - find the function in each image of a vDSO, or do not. */
#define _GNU_SOURCE
static unsigned long image;
static unsigned long find_image(unsigned long type);
#include <sys/auxv.h>
#define getauxval find_image
#include "../vdso.c"
#undef getauxval
#include "tap.h"
#include <fcntl.h>
#include <sys/stat.h>

static unsigned long find_image(unsigned long type)
{
	return type == AT_SYSINFO_EHDR ? image : 0;
}

static void map_image(const char *name)
{
	int fd = open(name, O_RDONLY);
	struct stat about;
	void *memory;

	if (fd < 0 || fstat(fd, &about))
		give_up(name);
	memory = mmap(NULL, about.st_size, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	if (memory == MAP_FAILED)
		give_up(name);
	close(fd);
	image = (unsigned long)memory;
}

static bool answers(vgr_fn *function)
{
	struct vgr_params params = {};

	return !function(NULL, 0, 0, &params, ~0UL) && params.size_of_opaque_state;
}

int main(int argc, char **argv)
{
	image = 0;
	check(!vgr_find_function(), "no vDSO");
	for (int i = 1; i + 2 < argc; i += 3) {
		vgr_fn *function;

		map_image(argv[i + 2]);
		function = vgr_find_function();
		if (!strcmp(argv[i + 1], "good"))
			check(function && answers(function), "%s: finds it", argv[i]);
		else
			check(!function, "%s: finds nothing", argv[i]);
	}
	image = getauxval(AT_SYSINFO_EHDR);
	if (vdso_has_name())
		check(vgr_find_function() != NULL, "this kernel's: finds it");
	else
		skip("this kernel's", "it has no such function");
	return finish();
}
