// SPDX-License-Identifier: GPL-2.0-or-later
#include <unistd.h>

#include "net.h"

void net_end_close(struct net_end *end)
{
	while (end->count)
		close(end->fds[--end->count]);
}

static gboolean check(const struct net_end *end, GError **error)
{
	for (unsigned int i = 0; i < end->count; i++)
		if (end->tap ? !net_tap_check(end->fds[i], error) :
			       !net_stream_check(end->fds[i], error))
			return FALSE;
	return TRUE;
}

gboolean net_end_take(struct net_end *end, struct net **nets, GError **error)
{
	if (!check(end, error)) {
		net_end_close(end);
		return FALSE;
	}
	for (unsigned int i = 0; i < end->count; i++)
		nets[i] = end->tap ? net_tap_new(end->fds[i], end->mtu) :
				     net_stream_new(end->fds[i], end->mtu);
	return TRUE;
}
