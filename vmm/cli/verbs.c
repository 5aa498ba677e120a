// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli.h"

#include <string.h>

const struct cli_verb cli_verbs[] = {
	{ "run", "start a guest and stay with it until it ends", cli_run },
	{ "info", "show what the module and this host offer, or what is missing", cli_info },
	{ "help", "show this help, or that of a verb", cli_help },
};

const size_t cli_verb_count = sizeof(cli_verbs) / sizeof(cli_verbs[0]);

const struct cli_verb *cli_find_verb(const char *name)
{
	for (size_t i = 0; i < cli_verb_count; i++)
		if (strcmp(cli_verbs[i].name, name) == 0)
			return &cli_verbs[i];
	return NULL;
}
