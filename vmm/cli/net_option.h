/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MICA_VMM_CLI_NET_OPTION_H
#define MICA_VMM_CLI_NET_OPTION_H

#include <glib.h>

#include "../machine_virtio.h"

/* tap=NAME, bridge=NAME (or both: the tap becomes a port of the bridge) or user, with
 * [,id=ID][,mac=XX:XX:XX:XX:XX:XX][,mtu=BYTES], a tap with [,queues=N][,vhost=on|off], user with
 * [,forward=PROTO:PORT:PORT].  The strings belong to `net`: net_option_clear(), also after an
 * error. */
gboolean net_option_parse(struct machine_net *net, const char *value, GError **error);
void net_option_clear(gpointer net);

#endif
