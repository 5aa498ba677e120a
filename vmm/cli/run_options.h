/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The options of `mica run`.
 */
#ifndef MICA_VMM_CLI_RUN_OPTIONS_H
#define MICA_VMM_CLI_RUN_OPTIONS_H

#include <glib.h>

#include "../machine.h"
#include "options.h"

struct run_config {
	struct machine_config machine;	/* the first member: options of the two share a target */
	char *control;			/* where the control socket is; NULL: a folder of guests */
	gboolean no_control;		/* there is none */
	gboolean detach;
	gboolean restart;		/* a reset starts the guest anew */
	gboolean has_console;		/* --console was given */
	gboolean has_on_reset;
	gboolean no_sandbox;		/* without confinement */
};

/* Fills in what the command line says and the defaults for the rest.  The strings belong to
 * the configuration: run_options_clear(), also after an error. */
gboolean run_options_parse(int argc, char **argv, struct run_config *config, GError **error);
void run_options_clear(struct run_config *config);

/* The same in two steps, between which others may store to the configuration. */
void run_options_init(struct run_config *config);
gboolean run_options_take(int argc, char **argv, struct run_config *config, GError **error);

/* Options that say what the guest has, which a checkpoint keeps; and all others. */
const struct cli_option *run_options_of_machine(size_t *count);
const struct cli_option *run_options_of_process(size_t *count);

/* run.c: starts the guest and stays with it, or with --detach goes as soon as it runs.  The exit
 * status.  kept_end() is left to the caller. */
int run_start(struct run_config *config);

/* The text of `mica run --help`; the caller frees it. */
char *run_options_help(void);

#endif
