// SPDX-License-Identifier: GPL-2.0-or-later
#include "net_option.h"

#include <string.h>

#include "../device_words.h"
#include "../error.h"
#include "options.h"

static gboolean take_mac(struct machine_net *net, const char *text, GError **error)
{
	net->mac_given = device_mac_parse(text, net->mac, error);
	return net->mac_given;
}

static gboolean take_id(struct machine_net *net, const char *text, GError **error)
{
	g_free(net->id);
	net->id = g_strdup(text);
	return device_id_check(text, error);
}

/* *text is moved behind the number; -1: there is none from 1 to 65535. */
static int take_port(const char **text)
{
	unsigned int port = 0;

	while (g_ascii_isdigit(**text) && port <= UINT16_MAX)
		port = port * 10 + *(*text)++ - '0';
	return port && port <= UINT16_MAX ? (int)port : -1;
}

static gboolean take_forward(struct machine_net *net, const char *text, GError **error)
{
	bool udp = g_str_has_prefix(text, "udp:");
	const char *at = text + strlen("tcp:");
	struct net_forward forward;
	int host = -1, guest = -1;

	if (udp || g_str_has_prefix(text, "tcp:"))
		host = take_port(&at);
	if (host > 0 && *at++ == ':')
		guest = take_port(&at);
	if (guest < 0 || *at)
		return error_set_usage(error, "forward=%s: is not of the form tcp:2222:22 or "
				       "udp:5353:53: a port of the host, and the guest's", text);
	forward = (struct net_forward){ udp, host, guest };
	if (!net->forwards)
		net->forwards = g_array_new(FALSE, FALSE, sizeof(struct net_forward));
	g_array_append_val(net->forwards, forward);
	return TRUE;
}

static gboolean take_part(struct machine_net *net, const char *part, GError **error)
{
	if (g_str_has_prefix(part, "mac="))
		return take_mac(net, part + strlen("mac="), error);
	if (g_str_has_prefix(part, "id="))
		return take_id(net, part + strlen("id="), error);
	if (g_str_has_prefix(part, "forward="))
		return take_forward(net, part + strlen("forward="), error);
	if (!strcmp(part, "user")) {
		net->user = TRUE;
		return TRUE;
	}
	if (!g_str_has_prefix(part, "tap="))
		return error_set_usage(error, "'%s' is none of user, tap=, mac=, id=, forward=", part);
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
	if (!net->tap == !net->user)
		return error_set_usage(error, "one of user and tap=NAME is needed");
	if (net->forwards && !net->user)
		return error_set_usage(error, "forward= goes with user only; a tap interface can be "
				       "reached as it is");
	return TRUE;
}

void net_option_clear(gpointer data)
{
	struct machine_net *net = data;

	g_free(net->tap);
	g_free(net->id);
	g_clear_pointer(&net->forwards, g_array_unref);
}
