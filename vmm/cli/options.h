/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Options of a verb as a table: from it come the parser and the help.
 * Forms: `--name VALUE`, `--name=VALUE`, `--flag`.  Names are never abbreviated, so that
 * a new option cannot change the meaning of an old script; a few flags have a letter, `-d`.
 */
#ifndef MICA_VMM_CLI_OPTIONS_H
#define MICA_VMM_CLI_OPTIONS_H

#include <glib.h>
#include <stdint.h>

struct cli_option {
	const char *name;		/* without the two dashes */
	const char *value;		/* what its value is called in the help; NULL: a flag; "[...]":
					 * it may be left out, as a word that follows and begins with
					 * '-' is another option */
	const char *help;
	/* Stores the value (NULL: there is none) in `target`, or says what is wrong with it. */
	gboolean (*take)(void *target, const char *value, GError **error);
};

/* For verbs that take options only.  argv[0] is skipped.  Errors are VMM_ERROR_USAGE. */
gboolean cli_parse(const struct cli_option *options, size_t count, int argc, char **argv,
		   void *target, GError **error);

/* The same for a verb that has operands: each goes to `operand`, whatever its place. */
gboolean cli_parse_operands(const struct cli_option *options, size_t count, int argc,
			    char **argv, void *target,
			    gboolean (*operand)(void *target, const char *word, GError **error),
			    GError **error);

/* Of words that cli_parse() has taken those of the table's first `chosen` options, each as one:
 * "--NAME" or "--NAME=VALUE".  NULL-terminated; the caller frees it. */
char **cli_chosen(const struct cli_option *options, size_t count, size_t chosen, int argc,
		  char **argv);
/* Whether a word is such a one. */
gboolean cli_knows(const struct cli_option *options, size_t count, const char *word);

/* Two columns, for the help. */
void cli_append_options(GString *text, const struct cli_option *options, size_t count);

/* True if --help or -h is among the arguments. */
gboolean cli_wants_help(int argc, char **argv);

/* Decimal digits and one of K, M, G, T (1024, 1024^2, ...) or nothing (bytes). */
gboolean cli_parse_size(const char *text, uint64_t *bytes, GError **error);

/* Decimal digits, low <= *number <= high. */
gboolean cli_parse_number(const char *text, unsigned int low, unsigned int high,
			  unsigned int *number, GError **error);

/* For values of several parts: the text up to the next comma, which the caller frees, and
 * *value behind that comma, or NULL at the end.  A double comma is one in the text.  NULL if
 * *value is. */
char *cli_next_part(const char **value);

#endif
