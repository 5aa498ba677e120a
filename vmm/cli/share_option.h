/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MICA_VMM_CLI_SHARE_OPTION_H
#define MICA_VMM_CLI_SHARE_OPTION_H

#include <glib.h>

#include "../machine_virtio.h"

/* PATH,tag=TAG[,ro] or socket=PATH,tag=TAG; a comma that belongs to a value is written twice.
 * The strings belong to `share`: share_option_clear(), also after an error. */
gboolean share_option_parse(struct machine_share *share, const char *value, GError **error);
void share_option_clear(gpointer share);

#endif
