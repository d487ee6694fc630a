/* SPDX-License-Identifier: GPL-2.0 */
/* watch.h: how programs in the guest learn that it was cloned */
#ifndef WATCH_H
#define WATCH_H

#include <err.h>
#include <errno.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

/* Reads on in /dev/kmsg until the kernel tells of a clone. */
static inline void wait_for_kernel_message(int fd)
{
	char record[1024];
	ssize_t len;

	do {
		len = read(fd, record, sizeof(record) - 1);
		if (len < 0 && errno != EPIPE)	/* EPIPE: records were lost, read on */
			err(1, "/dev/kmsg");
		record[len < 0 ? 0 : len] = '\0';
	} while (!strstr(record, "virtual machine fork"));
}

#endif /* WATCH_H */
