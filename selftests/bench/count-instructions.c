// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * count-instructions FILE COMMAND [ARG...]: from just before fork() until the command has
 * ended, in ticks of the TSC, which under Bochs are instructions of the whole machine.  The
 * number goes to FILE; the exit status is the command's.
 *
 * count-instructions FILE --until TEXT COMMAND [ARG...]: until the command has printed TEXT.  It is
 * killed then; the exit status is 0, or 127 if it ended without.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
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

static pid_t start(char **command, int output)
{
	pid_t child = fork();

	if (child)
		return child;
	if (output >= 0)
		dup2(output, STDOUT_FILENO);
	execvp(command[0], command);
	fprintf(stderr, "count-instructions: %s: %s\n", command[0], strerror(errno));
	_exit(EXIT_CANNOT);
}

static int wait_for(pid_t child)
{
	int status;

	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int run(char **command, unsigned long long *count)
{
	unsigned long long start_tick = __rdtsc();
	pid_t child = start(command, -1);
	int status = child < 0 ? -1 : wait_for(child);

	*count = __rdtsc() - start_tick;
	return status;
}

/* Whether `text` comes.  A part of it at the end of a read is kept for the next. */
static bool read_until(int fd, const char *text)
{
	char buffer[4096];
	size_t kept = 0, length = strlen(text);
	ssize_t got;

	while ((got = read(fd, buffer + kept, sizeof(buffer) - kept)) > 0) {
		if (memmem(buffer, kept + got, text, length))
			return true;
		got += kept;
		kept = (size_t)got < length ? (size_t)got : length - 1;
		memmove(buffer, buffer + got - kept, kept);
	}
	return false;
}

static int run_until(char **command, const char *text, unsigned long long *count)
{
	unsigned long long start_tick;
	bool found;
	pid_t child;
	int fds[2];

	if (pipe(fds))
		return -1;
	fcntl(fds[0], F_SETFD, FD_CLOEXEC);
	start_tick = __rdtsc();
	child = start(command, fds[1]);
	close(fds[1]);
	found = child > 0 && read_until(fds[0], text);
	*count = __rdtsc() - start_tick;
	if (child < 0)
		return -1;
	kill(child, SIGKILL);
	wait_for(child);
	return found ? 0 : EXIT_CANNOT;
}

static int run_command(char **words, unsigned long long *count)
{
	if (strcmp(words[0], "--until"))
		return run(words, count);
	return run_until(words + 2, words[1], count);
}

int main(int argc, char **argv)
{
	unsigned long long count;
	int status;

	if (argc < 3 || (!strcmp(argv[2], "--until") && argc < 5)) {
		fprintf(stderr, "usage: count-instructions FILE [--until TEXT] COMMAND [ARG...]\n");
		return EXIT_CANNOT;
	}
	status = run_command(argv + 2, &count);
	if (status < 0 || write_count(argv[1], count) < 0) {
		fprintf(stderr, "count-instructions: %s\n", strerror(errno));
		return EXIT_CANNOT;
	}
	return status;
}
