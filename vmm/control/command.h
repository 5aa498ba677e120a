/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Commands of the control socket as data.  A table's arguments are checked before a handler
 * sees them, and the verbs of `mica` that send a command take their options from the same
 * table.
 *
 * The machine has one registry.  Whoever is part of the machine may add commands to it while
 * the machine is built, and something to the answer of the command `stats`.  All of this, and
 * every handler, runs in the main thread without the machine's lock.
 */
#ifndef MICA_VMM_CONTROL_COMMAND_H
#define MICA_VMM_CONTROL_COMMAND_H

#include <glib.h>
#include <json-glib/json-glib.h>
#include <stddef.h>

enum control_type {
	CONTROL_BOOLEAN,
	CONTROL_INTEGER,
	CONTROL_STRING,
};

struct control_argument {
	const char *name;
	enum control_type type;
	gboolean required;
	gint64 low, high;	/* of an integer; of a string: how many bytes */
	const char *value;	/* what a verb's help calls it */
	const char *help;
};

struct control_call;

struct control_command {
	const char *name;
	const char *summary;
	const struct control_argument *arguments;
	size_t argument_count;
	/* Ends with control_call_done() or control_call_fail(), at once or later.  `arguments`
	 * have been checked, and are there until then. */
	void (*handler)(struct control_call *call, JsonObject *arguments, void *opaque);
};

/* An integer, how many descriptors come with the request: a command that has this argument takes
 * all that have come (control_call_descriptors()), another one none. */
#define CONTROL_DESCRIPTORS	"descriptors"
#define CONTROL_DESCRIPTORS_MAX	16	/* that wait at one connection */

/* Answers.  `result` is taken; NULL is an empty one.  `field` names the argument that is
 * wrong, or is NULL.  The call is gone afterwards, and may be when its client has left:
 * then the answer goes nowhere. */
void control_call_done(struct control_call *call, JsonObject *result);
void control_call_fail(struct control_call *call, const char *field, const char *format, ...)
	G_GNUC_PRINTF(3, 4);

/* The descriptors that came before the end of the request's line: `fds` has room for as many as
 * the argument CONTROL_DESCRIPTORS may say, and they are the caller's from now on.  Returns how
 * many; 0: not as many have come as the argument says. */
unsigned int control_call_descriptors(struct control_call *call, int *fds);

struct control_registry;

struct control_registry *control_registry_new(void);
void control_registry_free(struct control_registry *registry);

/* The tables must outlive the registry, or be removed; their names must be new (one that is
 * there twice is a bug).  `opaque` goes to the handlers. */
void control_registry_add(struct control_registry *registry,
			  const struct control_command *commands, size_t count, void *opaque);
/* All commands and parts of `stats` that came with this `opaque`. */
void control_registry_remove(struct control_registry *registry, const void *opaque);

const struct control_command *control_registry_find(const struct control_registry *registry,
						    const char *name, void **opaque);

/* All commands with their arguments, for the command `commands`. */
JsonArray *control_registry_describe(const struct control_registry *registry);

/* `append` adds to the answer of `stats`: one member, called after what it is of. */
void control_registry_add_stats(struct control_registry *registry,
				void (*append)(JsonObject *stats, void *opaque), void *opaque);
void control_registry_append_stats(const struct control_registry *registry, JsonObject *stats);

/* The arguments are those of the table: none unknown, none missing, each of its type and in
 * its range.  On error *field, which the caller frees, is "arguments.NAME". */
gboolean control_check_arguments(const struct control_command *command, JsonObject *arguments,
				 char **field, GError **error);

gboolean control_takes_descriptors(const struct control_command *command);

/* One integer or string in words, for the option of a verb. */
gboolean control_check_value(const struct control_argument *argument, JsonNode *value,
			     GError **error);

#endif
