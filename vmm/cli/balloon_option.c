// SPDX-License-Identifier: GPL-2.0-or-later
#include "balloon_option.h"

#include <string.h>

#include "../error.h"
#include "../machine_balloon.h"
#include "options.h"

static gboolean take_target(struct machine_balloon_config *balloon, const char *text,
			    GError **error)
{
	if (!cli_parse_size(text, &balloon->target, error))
		return FALSE;
	return balloon->target >= MACHINE_BALLOON_LOWEST ||
	       error_set_usage(error, "target=%s: a guest keeps 2M or more", text);
}

static gboolean take_switch(gboolean *off, const char *part, GError **error)
{
	const char *value = strchr(part, '=') + 1;

	*off = !strcmp(value, "off");
	return *off || !strcmp(value, "on") ||
	       error_set_usage(error, "'%s' is neither on nor off", part);
}

static gboolean take_part(struct machine_balloon_config *balloon, const char *part,
			  GError **error)
{
	if (g_str_has_prefix(part, "target="))
		return take_target(balloon, part + strlen("target="), error);
	if (g_str_has_prefix(part, "deflate-on-oom="))
		return take_switch(&balloon->no_oom, part, error);
	if (g_str_has_prefix(part, "reporting="))
		return take_switch(&balloon->no_reporting, part, error);
	return error_set_usage(error, "'%s' is none of target=, deflate-on-oom=, reporting=",
			       part);
}

gboolean balloon_option_parse(struct machine_balloon_config *balloon, const char *value,
			      GError **error)
{
	*balloon = (struct machine_balloon_config){ .wanted = TRUE };
	while (value) {
		g_autofree char *part = cli_next_part(&value);

		if (!take_part(balloon, part, error))
			return FALSE;
	}
	return TRUE;
}
