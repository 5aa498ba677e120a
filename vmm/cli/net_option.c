// SPDX-License-Identifier: GPL-2.0-or-later
#include "net_option.h"

#include <string.h>

#include "../error.h"
#include "options.h"

#define MAC_TEXT	17u	/* "xx:xx:xx:xx:xx:xx" */

static gboolean take_mac(struct machine_net *net, const char *text, GError **error)
{
	for (size_t i = 0; i < MAC_TEXT; i++)
		if (i % 3 == 2 ? text[i] != ':' : !g_ascii_isxdigit(text[i]))
			return error_set_usage(error, "mac=%s: is not of the form "
					       "02:00:00:12:34:56", text);
	if (text[MAC_TEXT])
		return error_set_usage(error, "mac=%s: is too long", text);
	for (size_t i = 0; i < sizeof(net->mac); i++)
		net->mac[i] = g_ascii_xdigit_value(text[3 * i]) << 4 |
			      g_ascii_xdigit_value(text[3 * i + 1]);
	if (net->mac[0] & 1)
		return error_set_usage(error, "mac=%s: is a multicast address", text);
	net->mac_given = TRUE;
	return TRUE;
}

static gboolean take_part(struct machine_net *net, const char *part, GError **error)
{
	if (g_str_has_prefix(part, "mac="))
		return take_mac(net, part + strlen("mac="), error);
	if (!g_str_has_prefix(part, "tap="))
		return error_set_usage(error, "'%s' is neither tap= nor mac=", part);
	g_free(net->tap);
	net->tap = g_strdup(part + strlen("tap="));
	return TRUE;
}

gboolean net_option_parse(struct machine_net *net, const char *value, GError **error)
{
	while (value) {
		g_autofree char *part = cli_next_part(&value);

		if (!take_part(net, part, error))
			return FALSE;
	}
	if (!net->tap)
		return error_set_usage(error, "tap=NAME is missing");
	return TRUE;
}

void net_option_clear(gpointer data)
{
	struct machine_net *net = data;

	g_free(net->tap);
}
