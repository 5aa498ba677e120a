/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The verbs of the command line: `mica VERB ...`.  One file for each, one table of all.
 */
#ifndef MICA_VMM_CLI_H
#define MICA_VMM_CLI_H

#include <stddef.h>

struct cli_verb {
	const char *name;
	const char *summary;
	/* argv[0] is the verb.  Returns the exit status. */
	int (*run)(int argc, char **argv);
};

extern const struct cli_verb cli_verbs[];
extern const size_t cli_verb_count;

const struct cli_verb *cli_find_verb(const char *name);

int cli_run(int argc, char **argv);
int cli_info(int argc, char **argv);
int cli_help(int argc, char **argv);

#endif
