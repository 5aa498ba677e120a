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

static gboolean take_tap(struct machine_net *net, const char *text, GError **error)
{
	(void)error;
	g_free(net->tap);
	net->tap = g_strdup(text);
	return TRUE;
}

static gboolean take_bridge(struct machine_net *net, const char *text, GError **error)
{
	g_free(net->bridge);
	net->bridge = g_strdup(text);
	return *text || error_set_usage(error, "bridge= needs a name");
}

static gboolean take_queues(struct machine_net *net, const char *text, GError **error)
{
	if (cli_parse_number(text, 1, NET_QUEUES_MAX, &net->queues, error))
		return TRUE;
	g_prefix_error(error, "queues=: ");
	return FALSE;
}

/* 68: the least that IPv4 works with (RFC 791). */
static gboolean take_mtu(struct machine_net *net, const char *text, GError **error)
{
	unsigned int mtu;

	if (!cli_parse_number(text, 68, UINT16_MAX, &mtu, error)) {
		g_prefix_error(error, "mtu=: ");
		return FALSE;
	}
	net->mtu = mtu;
	return TRUE;
}

static gboolean take_vhost(struct machine_net *net, const char *text, GError **error)
{
	net->vhost = !strcmp(text, "on");
	return net->vhost || !strcmp(text, "off") ||
	       error_set_usage(error, "vhost=%s is neither vhost=on nor vhost=off", text);
}

static const struct {
	const char *prefix;
	gboolean (*take)(struct machine_net *net, const char *text, GError **error);
} parts[] = {
	{ "tap=", take_tap },
	{ "bridge=", take_bridge },
	{ "mac=", take_mac },
	{ "id=", take_id },
	{ "queues=", take_queues },
	{ "mtu=", take_mtu },
	{ "forward=", take_forward },
	{ "vhost=", take_vhost },
};

static gboolean take_part(struct machine_net *net, const char *part, GError **error)
{
	for (size_t i = 0; i < G_N_ELEMENTS(parts); i++)
		if (g_str_has_prefix(part, parts[i].prefix))
			return parts[i].take(net, part + strlen(parts[i].prefix), error);
	net->user = net->user || !strcmp(part, "user");
	return !strcmp(part, "user") ||
	       error_set_usage(error, "'%s' is none of user, tap=, bridge=, mac=, id=, queues=, mtu=, "
			       "forward=, vhost=", part);
}

gboolean net_option_parse(struct machine_net *net, const char *value, GError **error)
{
	while (value) {
		g_autofree char *part = cli_next_part(&value);

		if (!take_part(net, part, error))
			return FALSE;
	}
	if (net->user && (net->tap || net->bridge))
		return error_set_usage(error, "user is another network than tap= and bridge=: one of "
				       "them for a card");
	if (!net->user && !net->tap && !net->bridge)
		return error_set_usage(error, "one of user, tap=NAME and bridge=NAME is needed");
	if (net->forwards && !net->user)
		return error_set_usage(error, "forward= goes with user only; a tap interface can be "
				       "reached as it is");
	if (net->queues > 1 && net->user)
		return error_set_usage(error, "queues= goes with tap= and bridge= only");
	if (net->vhost && (net->user || net->queues > 1))
		return error_set_usage(error, "vhost=on goes with tap= and bridge= only, and with one "
				       "queue");
	return TRUE;
}

void net_option_clear(gpointer data)
{
	struct machine_net *net = data;

	for (unsigned int i = 0; i < net->end.count; i++) {
		net->nets[i]->kept = false;
		net_close(net->nets[i]);
	}
	g_free(net->tap);
	g_free(net->bridge);
	g_free(net->id);
	g_clear_pointer(&net->forwards, g_array_unref);
}
