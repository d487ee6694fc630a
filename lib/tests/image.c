// SPDX-License-Identifier: MIT
/* getauxval(), by the linker's --wrap: the vDSO is the image that the test contains. */
#include <elf.h>

extern const char fake_image[];
unsigned long __real_getauxval(unsigned long type);
unsigned long __wrap_getauxval(unsigned long type);

unsigned long __wrap_getauxval(unsigned long type)
{
	return type == AT_SYSINFO_EHDR ? (unsigned long)fake_image : __real_getauxval(type);
}
