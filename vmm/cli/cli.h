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

/* Dies of the signal, so that a shell sees it; returns what it would show if that fails. */
int cli_die_of(int number);

int cli_run(int argc, char **argv);
int cli_ps(int argc, char **argv);
int cli_console(int argc, char **argv);
int cli_pause(int argc, char **argv);
int cli_restore(int argc, char **argv);
int cli_resume(int argc, char **argv);
int cli_save(int argc, char **argv);
int cli_stop(int argc, char **argv);
int cli_kill(int argc, char **argv);
int cli_reset(int argc, char **argv);
int cli_attach(int argc, char **argv);
int cli_detach(int argc, char **argv);
int cli_resize(int argc, char **argv);
int cli_stats(int argc, char **argv);
int cli_top(int argc, char **argv);
int cli_balloon(int argc, char **argv);
int cli_inspect(int argc, char **argv);
int cli_info(int argc, char **argv);
int cli_help(int argc, char **argv);

#endif
