// SPDX-License-Identifier: GPL-2.0-or-later
#include "share_option.h"

#include <string.h>

#include "../backends/vhost_user.h"
#include "../devices/fs/device.h"
#include "../error.h"
#include "options.h"

static gboolean take_tag(struct machine_share *share, const char *tag, GError **error)
{
	if (!*tag || strlen(tag) > FS_TAG_MAX)
		return error_set_usage(error, "tag= takes 1 to %u bytes", FS_TAG_MAX);
	g_free(share->tag);
	share->tag = g_strdup(tag);
	return TRUE;
}

static gboolean take_part(struct machine_share *share, const char *part, GError **error)
{
	if (g_str_has_prefix(part, "tag="))
		return take_tag(share, part + strlen("tag="), error);
	if (strcmp(part, "ro"))
		return error_set_usage(error, "'%s' is neither tag= nor ro; a comma in the "
				       "directory's name is written twice", part);
	share->read_only = TRUE;
	return TRUE;
}

static void take_place(struct machine_share *share, char *place)
{
	share->socket = g_str_has_prefix(place, "socket=");
	share->path = share->socket ? g_strdup(place + strlen("socket=")) : g_strdup(place);
	g_free(place);
}

gboolean share_option_parse(struct machine_share *share, const char *value, GError **error)
{
	take_place(share, cli_next_part(&value));
	if (!*share->path)
		return error_set_usage(error, "the directory's name is empty");
	while (value) {
		g_autofree char *part = cli_next_part(&value);

		if (!take_part(share, part, error))
			return FALSE;
	}
	if (!share->tag && !share->socket && g_str_has_prefix(share->path, "tag="))
		return error_set_usage(error, "the directory's name is missing, which comes first: "
				       "DIRECTORY,tag=TAG");
	if (!share->tag)
		return error_set_usage(error, "tag=TAG is needed: what the guest mounts");
	if (share->socket && share->read_only)
		return error_set_usage(error, "ro is a matter of the program behind socket=");
	return TRUE;
}

void share_option_clear(gpointer data)
{
	struct machine_share *share = data;

	if (share->vhost)
		vhost_user_keep(share->vhost, false);
	vhost_user_free(share->vhost);
	g_free(share->path);
	g_free(share->tag);
}
