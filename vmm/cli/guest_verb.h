/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the verbs share that talk to a running guest: `mica VERB NAME [OPTION]...`.
 */
#ifndef MICA_VMM_CLI_GUEST_VERB_H
#define MICA_VMM_CLI_GUEST_VERB_H

#include <glib.h>
#include <json-glib/json-glib.h>

#include "../control/client.h"
#include "options.h"

struct guest_words;

struct guest_verb {
	const char *name;			/* also that of the command it sends, if it sends one */
	const char *about;			/* for the help; ends with a newline */
	const struct cli_option *options;	/* beyond --control */
	size_t option_count;
	gboolean all;				/* it is about all guests and takes no NAME */
	/* What comes behind NAME, for the help, and how many words of it there may be. */
	const char *operands;
	unsigned int operand_min, operand_max;
	/* Is given each of them; NULL: they are left in guest_words.operands. */
	gboolean (*take_operand)(struct guest_words *words, const char *word, GError **error);
};

/* What the command line says; guest_words_clear(). */
struct guest_words {
	const struct guest_verb *verb;
	char *name;
	char *control;			/* a socket's path */
	GPtrArray *operands;		/* behind NAME: char * */
	JsonObject *arguments;		/* of the command */
	gboolean json;
	unsigned int seconds;
};

/* TRUE if the verb shall go on; else *status is the exit status, and the help or an error has
 * been printed. */
gboolean guest_verb_parse(const struct guest_verb *verb, int argc, char **argv,
			  struct guest_words *words, int *status);
void guest_words_clear(struct guest_words *words);

/* The socket of the guest; the caller frees it. */
char *guest_words_path(const struct guest_words *words, GError **error);
/* Connects to the guest, or says why not and gives NULL. */
struct control_client *guest_words_open(const struct guest_words *words);

/* Sends the command with words->arguments; the result, which the caller unrefs, or NULL, and the
 * user was told why. */
JsonObject *guest_words_call(const struct guest_words *words, const char *command,
			     const struct control_extra *extra);

/* All of a verb that sends one command and has nothing to say if it succeeds. */
int guest_verb_run(const struct guest_verb *verb, int argc, char **argv);

/* cli_option.take of several verbs. */
gboolean guest_take_json(void *target, const char *value, GError **error);
gboolean guest_take_seconds(void *target, const char *value, GError **error);
/* An option that is an argument of the command: the command's own table says what is good. */
gboolean guest_take_argument(struct guest_words *words, const char *name, const char *value,
			     GError **error);

/* For tables: a member; 0 or "" if there is none. */
gint64 guest_integer(JsonObject *object, const char *name);
const char *guest_string(JsonObject *object, const char *name);
/* "12M", "3.5G"; "59s", "4m12s", "3d07h".  The caller frees them. */
char *guest_size_text(gint64 bytes);
char *guest_time_text(gint64 milliseconds);

#endif
