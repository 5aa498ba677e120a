// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>

#include "../exit_status.h"
#include "../message.h"
#include "cli.h"

static int help_all(void)
{
	printf("Usage: mica VERB [OPTION]...\n"
	       "       mica --help | --version\n\n");
	for (size_t i = 0; i < cli_verb_count; i++)
		printf("  %-8s %s\n", cli_verbs[i].name, cli_verbs[i].summary);
	printf("\n`mica VERB --help` says more.\n");
	return EXIT_STATUS_OK;
}

int cli_help(int argc, char **argv)
{
	const struct cli_verb *verb = argc == 2 ? cli_find_verb(argv[1]) : NULL;
	char option[] = "--help";
	char *words[] = { argv[0], option, NULL };

	if (argc < 2 || (verb && verb->run == cli_help))
		return help_all();
	if (verb)
		return verb->run(2, words);
	message("'%s' is not a verb (see `mica --help`)", argv[1]);
	return EXIT_STATUS_USAGE;
}
