// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli.h"

#include <signal.h>
#include <string.h>

const struct cli_verb cli_verbs[] = {
	{ "run", "start a guest and stay with it until it ends", cli_run },
	{ "ps", "list the guests that run", cli_ps },
	{ "console", "attach to a guest's console", cli_console },
	{ "pause", "let a guest and its time stand still", cli_pause },
	{ "resume", "let a paused guest go on", cli_resume },
	{ "save", "stop a guest into a file", cli_save },
	{ "restore", "let a guest go on from a file", cli_restore },
	{ "stop", "press a guest's power button and wait for its end", cli_stop },
	{ "kill", "end a guest at once", cli_kill },
	{ "reset", "press a guest's reset button", cli_reset },
	{ "attach", "give a running guest a disk or a network card", cli_attach },
	{ "detach", "take a device from a running guest", cli_detach },
	{ "resize", "change the size of a running guest's disk", cli_resize },
	{ "stats", "show a guest's counters", cli_stats },
	{ "top", "watch what guests do", cli_top },
	{ "balloon", "say how much memory a guest shall keep", cli_balloon },
	{ "inspect", "show what is in a checkpoint", cli_inspect },
	{ "info", "show what the module and this host offer, or what is missing", cli_info },
	{ "help", "show this help, or that of a verb", cli_help },
};

const size_t cli_verb_count = sizeof(cli_verbs) / sizeof(cli_verbs[0]);

/* The parent, often a shell, must see that a signal ended us: scripts stop at Ctrl-C. */
int cli_die_of(int number)
{
	sigset_t set;

	signal(number, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, number);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	raise(number);
	return 128 + number;
}

const struct cli_verb *cli_find_verb(const char *name)
{
	for (size_t i = 0; i < cli_verb_count; i++)
		if (strcmp(cli_verbs[i].name, name) == 0)
			return &cli_verbs[i];
	return NULL;
}
