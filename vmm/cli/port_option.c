// SPDX-License-Identifier: GPL-2.0-or-later
#include "port_option.h"

#include <string.h>

#include "../devices/console/device.h"
#include "../error.h"
#include "options.h"

struct parts {
	struct machine_port *port;
	unsigned int ends;		/* how many of socket=, file=, pty were there */
};

/* A guest makes a file name of it. */
static gboolean take_name(struct machine_port *port, const char *name, GError **error)
{
	size_t length = strlen(name);

	if (!length || length > CONSOLE_NAME_MAX || *name == '.' ||
	    strspn(name, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "._-") != length)
		return error_set_usage(error, "name=%s: is not a name: up to %u letters, digits, '.', "
				       "'_', '-'", name, CONSOLE_NAME_MAX);
	g_free(port->name);
	port->name = g_strdup(name);
	return TRUE;
}

static gboolean take_end(struct parts *parts, enum port_kind kind, const char *path,
			 GError **error)
{
	if (path && !*path)
		return error_set_usage(error, "the file's name is empty");
	g_free(parts->port->path);
	parts->port->path = g_strdup(path);
	parts->port->kind = kind;
	parts->ends++;
	return TRUE;
}

static gboolean take_part(struct parts *parts, const char *part, GError **error)
{
	if (g_str_has_prefix(part, "name="))
		return take_name(parts->port, part + strlen("name="), error);
	if (g_str_has_prefix(part, "socket="))
		return take_end(parts, PORT_SOCKET, part + strlen("socket="), error);
	if (g_str_has_prefix(part, "file="))
		return take_end(parts, PORT_FILE, part + strlen("file="), error);
	if (!strcmp(part, "pty"))
		return take_end(parts, PORT_PTY, NULL, error);
	return error_set_usage(error, "'%s' is none of name=, socket=, file=, pty", part);
}

gboolean port_option_parse(struct machine_port *port, const char *value, GError **error)
{
	struct parts parts = { .port = port };

	while (value) {
		g_autofree char *part = cli_next_part(&value);

		if (!take_part(&parts, part, error))
			return FALSE;
	}
	if (!port->name)
		return error_set_usage(error, "name=NAME is missing");
	return parts.ends == 1 ||
	       error_set_usage(error, "one of socket=PATH, file=PATH and pty is needed");
}

void port_option_clear(gpointer data)
{
	struct machine_port *port = data;

	g_free(port->name);
	g_free(port->path);
}
