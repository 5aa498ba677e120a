// SPDX-License-Identifier: GPL-2.0-or-later
#include "detach.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../exit_status.h"
#include "../kept.h"
#include "../message.h"
#include "cli.h"

#define NOWHERE	"/dev/null"

/* What became of the guest's process, which has ended without a word. */
static int status_of(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return EXIT_STATUS_ERROR;
	if (WIFSIGNALED(status))
		return cli_die_of(WTERMSIG(status));
	return WEXITSTATUS(status);
}

/* Returns when the other process has detached or ended. */
static int wait_for(pid_t pid, int fd)
{
	ssize_t count;
	char byte;

	do
		count = read(fd, &byte, 1);
	while (count < 0 && errno == EINTR);
	close(fd);
	return count == 1 ? EXIT_STATUS_OK : status_of(pid);
}

/* What detach_finish() needs: then files cannot be opened any more. */
static void prepare_finish(void)
{
	close(kept_open(NOWHERE, O_RDWR | O_CLOEXEC, 0));
	message_prepare_syslog();
}

int detach_begin(int *status)
{
	int ends[2];
	pid_t pid;

	*status = EXIT_STATUS_ERROR;
	if (pipe2(ends, O_CLOEXEC) < 0) {
		message("cannot make a pipe: %s", strerror(errno));
		return -1;
	}
	pid = fork();
	if (pid == 0) {
		close(ends[0]);
		prepare_finish();
		return ends[1];
	}
	close(ends[1]);
	if (pid < 0) {
		message("cannot make a process: %s", strerror(errno));
		close(ends[0]);
		return -1;
	}
	*status = wait_for(pid, ends[0]);
	return -1;
}

void detach_finish(int fd)
{
	int null = kept_open(NOWHERE, O_RDWR | O_CLOEXEC, 0);

	setsid();
	message_to_syslog();
	for (int standard = STDIN_FILENO; standard <= STDERR_FILENO; standard++)
		dup2(null, standard);
	if (null > STDERR_FILENO)
		close(null);
	if (write(fd, "", 1) != 1)
		message("nobody waits for the guest to be started any more; it runs");
	close(fd);
}
