/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MICA_VMM_CLI_PORT_OPTION_H
#define MICA_VMM_CLI_PORT_OPTION_H

#include <glib.h>

#include "../machine_virtio.h"

/* name=NAME and one of socket=PATH, file=PATH, pty.  The strings belong to `port`:
 * port_option_clear(), also after an error. */
gboolean port_option_parse(struct machine_port *port, const char *value, GError **error);
void port_option_clear(gpointer port);

#endif
