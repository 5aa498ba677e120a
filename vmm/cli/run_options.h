/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The options of `mica run`.
 */
#ifndef MICA_VMM_CLI_RUN_OPTIONS_H
#define MICA_VMM_CLI_RUN_OPTIONS_H

#include <glib.h>

#include "../machine.h"

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

/* The text of `mica run --help`; the caller frees it. */
char *run_options_help(void);

#endif
