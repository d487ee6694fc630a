// SPDX-License-Identifier: MIT
/* novdso.c: preloaded, it hides the vDSO, as a kernel without one would */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/auxv.h>

unsigned long getauxval(unsigned long type)
{
	static unsigned long (*real)(unsigned long);

	if (type == AT_SYSINFO_EHDR)
		return 0;
	if (!real)
		real = (unsigned long (*)(unsigned long))dlsym(RTLD_NEXT, "getauxval");
	return real(type);
}
