// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * count-instructions FILE COMMAND [ARG...]: from just before fork() until the command has
 * ended, in ticks of the TSC, which under Bochs are instructions of the whole machine.  The
 * number goes to FILE; the exit status is the command's.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <x86intrin.h>

#define EXIT_CANNOT	127

static int write_count(const char *path, unsigned long long count)
{
	FILE *file = fopen(path, "w");
	int bad;

	if (!file)
		return -1;
	bad = fprintf(file, "%llu\n", count) < 0;
	return fclose(file) || bad ? -1 : 0;
}

static int run(char **command, unsigned long long *count)
{
	unsigned long long start = __rdtsc();
	pid_t child = fork();
	int status;

	if (child < 0)
		return -1;
	if (!child) {
		execvp(command[0], command);
		fprintf(stderr, "count-instructions: %s: %s\n", command[0], strerror(errno));
		_exit(EXIT_CANNOT);
	}
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	*count = __rdtsc() - start;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int argc, char **argv)
{
	unsigned long long count;
	int status;

	if (argc < 3) {
		fprintf(stderr, "usage: count-instructions FILE COMMAND [ARG...]\n");
		return EXIT_CANNOT;
	}
	status = run(argv + 2, &count);
	if (status < 0 || write_count(argv[1], count) < 0) {
		fprintf(stderr, "count-instructions: %s\n", strerror(errno));
		return EXIT_CANNOT;
	}
	return status;
}
