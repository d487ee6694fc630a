/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vgetrandom_vmclock.h: play the hypervisor of a machine that has a vmclock
 *
 * The hypervisor reports a clone by changing a word in a page of memory. A test can do
 * the same through /dev/mem. The kernel does not notice until it looks.
 */
#ifndef VGETRANDOM_VMCLOCK_H
#define VGETRANDOM_VMCLOCK_H

#include <dirent.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define VMCLOCK_MAGIC 0x4b4c4356

struct vmclock {
	uint32_t	magic;
	uint32_t	unused[3];
	atomic_ulong	disruption_marker;
};

/* As vmclock_name(), for a device that a device tree describes */
static inline bool vmclock_name_in_tree(char name[64], unsigned long *start)
{
	DIR *dir = opendir("/sys/bus/platform/drivers/vmclock");
	bool found = false;
	struct dirent *entry;

	while (dir && !found && (entry = readdir(dir))) {
		found = sscanf(entry->d_name, "%lx.%*s", start) == 1 &&
			strstr(entry->d_name, ".vmclock");
		snprintf(name, 64, "%.63s", entry->d_name);
	}
	if (dir)
		closedir(dir);
	return found;
}

/**
 * vmclock_name() - find the device in /proc/iomem, or with its driver
 * @name:	buffer for its name, as drivers and sysfs know it
 * @start:	where its page begins
 *
 * Return: true if there is one, and this process may know where.
 */
static inline bool vmclock_name(char name[64], unsigned long *start)
{
	FILE *file = fopen("/proc/iomem", "re");
	bool found = false;
	char line[256];

	while (file && !found && fgets(line, sizeof(line), file))
		found = sscanf(line, "%lx-%*x : %63s", start, name) == 2 && *start &&
			(strstr(name, "AMZNC10C") || strstr(name, "VMCLOCK"));
	if (file)
		fclose(file);
	return found || vmclock_name_in_tree(name, start);
}

/* The page, for writing, or NULL if there is none or this process may not have it */
static inline struct vmclock *vmclock_open(void)
{
	struct vmclock *clock;
	unsigned long start;
	char name[64];
	int fd;

	if (!vmclock_name(name, &start))
		return NULL;
	fd = open("/dev/mem", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	clock = mmap(NULL, sizeof(*clock), PROT_READ | PROT_WRITE, MAP_SHARED, fd, start);
	close(fd);
	return clock != MAP_FAILED && clock->magic == VMCLOCK_MAGIC ? clock : NULL;
}

/* Make this machine look like a clone. */
static inline void vmclock_become_clone(struct vmclock *clock)
{
	atomic_fetch_add(&clock->disruption_marker, 1);
}

#endif /* VGETRANDOM_VMCLOCK_H */
