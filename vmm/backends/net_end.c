// SPDX-License-Identifier: GPL-2.0-or-later
#include <unistd.h>

#include "net.h"

void net_end_close(struct net_end *end)
{
	if (end->fd >= 0)
		close(end->fd);
	end->fd = -1;
}

struct net *net_end_take(const struct net_end *end, GError **error)
{
	if (end->tap ? net_tap_check(end->fd, error) : net_stream_check(end->fd, error))
		return end->tap ? net_tap_new(end->fd, end->mtu) : net_stream_new(end->fd);
	close(end->fd);
	return NULL;
}
