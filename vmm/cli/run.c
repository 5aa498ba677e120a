// SPDX-License-Identifier: GPL-2.0-or-later
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "../error.h"
#include "../exit_status.h"
#include "../machine.h"
#include "../message.h"
#include "cli.h"
#include "options.h"
#include "run_options.h"

/* The parent, often a shell, must see that a signal ended us: scripts stop at Ctrl-C. */
static int run_die_of(int number)
{
	sigset_t set;

	signal(number, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, number);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	raise(number);
	return 128 + number;
}

static int run_status(enum machine_end end, uint32_t value)
{
	switch (end) {
	case MACHINE_OFF:
		return EXIT_STATUS_OK;
	case MACHINE_RESET:
		return EXIT_STATUS_RESET;
	case MACHINE_CRASH:
		return EXIT_STATUS_CRASH;
	case MACHINE_DEBUG_EXIT:
		return exit_status_debug(value);
	case MACHINE_LEFT:
		return EXIT_STATUS_LEFT;
	case MACHINE_SIGNAL:
		return run_die_of(value);
	case MACHINE_RUNS:
	case MACHINE_ERROR:
		return EXIT_STATUS_ERROR;
	}
	g_assert_not_reached();
}

static int run_print_help(void)
{
	g_autofree char *help = run_options_help();

	return fputs(help, stdout) < 0 || fflush(stdout) ? EXIT_STATUS_ERROR : EXIT_STATUS_OK;
}

static void run_print_pty(const struct machine *machine)
{
	const char *path = console_pty_path(machine->console);

	if (!path)
		return;
	printf("%s\n", path);
	fflush(stdout);
}

static int run_guest(const struct machine_config *config)
{
	g_autoptr(GError) error = NULL;
	struct machine *machine = machine_new(config, &error);
	enum machine_end end;
	uint32_t value = 0;

	if (!machine) {
		message("%s", error->message);
		return EXIT_STATUS_ERROR;
	}
	run_print_pty(machine);
	end = machine_run(machine, &value);
	machine_free(machine);
	return run_status(end, value);
}

int cli_run(int argc, char **argv)
{
	g_autoptr(GError) error = NULL;
	struct machine_config config;
	int status;

	if (cli_wants_help(argc, argv))
		return run_print_help();
	if (run_options_parse(argc, argv, &config, &error)) {
		status = run_guest(&config);
	} else {
		message("%s (see `mica run --help`)", error->message);
		status = EXIT_STATUS_USAGE;
	}
	run_options_clear(&config);
	return status;
}
