/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MICA_VMM_CLI_BALLOON_OPTION_H
#define MICA_VMM_CLI_BALLOON_OPTION_H

#include <glib.h>

#include "../machine_virtio.h"

/* NULL, or parts: target=SIZE, deflate-on-oom=on|off, reporting=on|off. */
gboolean balloon_option_parse(struct machine_balloon_config *balloon, const char *value,
			      GError **error);

#endif
