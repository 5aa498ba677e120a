// SPDX-License-Identifier: GPL-2.0-or-later
#include "vsock_option.h"

#include <string.h>

#include "../backends/unix_socket.h"
#include "../devices/vsock/device.h"
#include "../error.h"
#include "options.h"

#define PATH_MAX_LENGTH	(UNIX_SOCKET_PATH_MAX - 1 - VSOCK_PORT_DIGITS)	/* "_" and a port */

static gboolean take_path(struct machine_vsock *vsock, const char *path, GError **error)
{
	if (!*path || strlen(path) > PATH_MAX_LENGTH)
		return error_set_usage(error, "path= takes 1 to %u bytes, as \"_PORT\" is put behind "
				       "them, and a socket's name has at most %u",
				       PATH_MAX_LENGTH, UNIX_SOCKET_PATH_MAX);
	g_free(vsock->path);
	vsock->path = g_strdup(path);
	return TRUE;
}

static gboolean take_cid(struct machine_vsock *vsock, const char *cid, GError **error)
{
	if (cli_parse_number(cid, VSOCK_CID_MIN, VSOCK_CID_MAX, &vsock->cid, error))
		return TRUE;
	g_prefix_error(error, "cid=: ");
	return FALSE;
}

static gboolean take_part(struct machine_vsock *vsock, const char *part, GError **error)
{
	if (g_str_has_prefix(part, "cid="))
		return take_cid(vsock, part + strlen("cid="), error);
	if (g_str_has_prefix(part, "path="))
		return take_path(vsock, part + strlen("path="), error);
	return error_set_usage(error, "'%s' is neither cid= nor path=", part);
}

struct machine_vsock *vsock_option_parse(const char *value, GError **error)
{
	struct machine_vsock *vsock = g_new0(struct machine_vsock, 1);
	gboolean good = TRUE;

	vsock->cid = VSOCK_CID_MIN;
	while (value && good) {
		g_autofree char *part = cli_next_part(&value);

		good = take_part(vsock, part, error);
	}
	if (good && !vsock->path)
		good = error_set_usage(error, "path=SOCKET is needed");
	if (good)
		return vsock;
	vsock_option_free(vsock);
	return NULL;
}

void vsock_option_free(struct machine_vsock *vsock)
{
	if (vsock)
		g_free(vsock->path);
	g_free(vsock);
}
