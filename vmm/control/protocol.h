/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The lines of the control socket, as docs/control.md describes them: one JSON object each.
 * The guest's side sends a greeting, then answers and events; the other side sends requests.
 */
#ifndef MICA_VMM_CONTROL_PROTOCOL_H
#define MICA_VMM_CONTROL_PROTOCOL_H

#include <glib.h>
#include <json-glib/json-glib.h>
#include <stdbool.h>
#include <stddef.h>

#define CONTROL_PROTOCOL	1
#define CONTROL_LINE_MAX	65536		/* bytes of a request, with its newline */
#define CONTROL_ID_MAX		G_GINT64_CONSTANT(9007199254740991)	/* 2^53 - 1 */

struct control_request {
	gint64 id;
	bool has_id;			/* also if something else is wrong: errors are answered by it */
	char *command;
	JsonObject *arguments;		/* never NULL in a good request */
};

/* Takes a line without its newline.  On error *field, which the caller frees, is the name of
 * what is wrong, or NULL if it is the line.  control_request_clear() also after an error. */
gboolean control_request_parse(const char *line, size_t length, struct control_request *request,
			       char **field, GError **error);
void control_request_clear(struct control_request *request);

/* One object of a line that json_check() has seen; the caller unrefs it. */
JsonObject *control_parse_object(const char *line, size_t length, GError **error);

/* `object` as a line, with its newline; the caller frees it. */
char *control_line(JsonObject *object);

/* Lines, with their newline; the caller frees them.  `result` and `data` are taken. */
char *control_greeting(const char *name);
char *control_answer(gint64 id, JsonObject *result);
/* `request` may be NULL or without an id; `field` may be NULL. */
char *control_failure(const struct control_request *request, const char *field,
		      const char *message);
char *control_event(const char *event, JsonObject *data);

#endif
