// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "exit_status.h"
#include "footprint.h"
#include "message.h"

/*
 * A standard descriptor that is closed would be taken by the next file that is opened, and
 * the guest's output would go there.  Writing to what is put in its place fails.
 */
static void open_standard_descriptors(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", O_RDONLY) != fd)
			return;
}

static int print_version(void)
{
	printf("mica %s\n", MICA_VERSION);
	return EXIT_STATUS_OK;
}

static int run_verb(int argc, char **argv)
{
	const struct cli_verb *verb;

	if (argc < 1) {
		message("what shall it do? (see `mica --help`)");
		return EXIT_STATUS_USAGE;
	}
	if (!strcmp(argv[0], "--help") || !strcmp(argv[0], "-h"))
		return cli_help(1, argv);
	if (!strcmp(argv[0], "--version"))
		return print_version();
	verb = cli_find_verb(argv[0]);
	if (verb)
		return verb->run(argc, argv);
	message("'%s' is not a verb (see `mica --help`)", argv[0]);
	return EXIT_STATUS_USAGE;
}

int main(int argc, char **argv)
{
	int status;

	footprint_init();
	open_standard_descriptors();
	/* A console whose reader is gone is an error of write(), which is reported. */
	signal(SIGPIPE, SIG_IGN);
	/* Likewise a file that would be larger than the user may make. */
	signal(SIGXFSZ, SIG_IGN);
	status = run_verb(argc - 1, argv + 1);
	if (fflush(stdout) && status == EXIT_STATUS_OK) {
		message("cannot write to standard output: %s", strerror(errno));
		status = EXIT_STATUS_ERROR;
	}
	return status;
}
