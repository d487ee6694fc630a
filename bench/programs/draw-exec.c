// SPDX-License-Identifier: GPL-2.0
/* draw-exec PROGRAM [ARGUMENT...]: start it, and wait for its end; children's time counts */
#define _GNU_SOURCE
#include <spawn.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define COUNT	60

extern char **environ;

static double seconds(struct timeval t)
{
	return t.tv_sec + t.tv_usec / 1e6;
}

int main(int argc, char **argv)
{
	posix_spawn_file_actions_t quiet;
	struct rusage usage;
	int i, status;
	pid_t pid;

	posix_spawn_file_actions_init(&quiet);
	posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", 1 /* O_WRONLY */, 0);
	for (i = 0; i < COUNT; i++)
		if (argc < 2 || posix_spawnp(&pid, argv[1], &quiet, NULL, argv + 1, environ) ||
		    waitpid(pid, &status, 0) != pid || status)
			return 1;
	getrusage(RUSAGE_CHILDREN, &usage);
	printf("%.0f\n", (seconds(usage.ru_utime) + seconds(usage.ru_stime)) * 1e9 / COUNT);
	return 0;
}
