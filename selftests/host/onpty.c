// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * onpty COLUMNS ROWS COMMAND...: runs the command on a terminal of that size, and prints what it
 * prints.  SIGUSR1 makes the terminal a line longer.  The status is the command's.
 */
#include <errno.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

static int master;
static struct winsize size;

static void grow(int number)
{
	(void)number;
	size.ws_row++;
	ioctl(master, TIOCSWINSZ, &size);
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = grow };
	char bytes[4096];
	ssize_t count;
	int status;
	pid_t pid;

	if (argc < 4)
		return 2;
	size.ws_col = atoi(argv[1]);
	size.ws_row = atoi(argv[2]);
	pid = forkpty(&master, NULL, NULL, &size);
	if (pid == 0) {
		execvp(argv[3], argv + 3);
		_exit(127);
	}
	sigaction(SIGUSR1, &action, NULL);
	/* The end of a terminal whose other side is closed is EIO. */
	for (;;) {
		count = read(master, bytes, sizeof(bytes));
		if (count < 0 && errno == EINTR)
			continue;
		if (count <= 0 || write(STDOUT_FILENO, bytes, count) < 0)
			break;
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}
