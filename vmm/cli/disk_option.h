/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MICA_VMM_CLI_DISK_OPTION_H
#define MICA_VMM_CLI_DISK_OPTION_H

#include <glib.h>

#include "../machine_virtio.h"

/* PATH[,ro][,id=ID][,serial=TEXT][,format=raw][,cache=none|host]; a comma that belongs to
 * PATH or TEXT is written twice.  The strings belong to `disk`: disk_option_clear(), also after an
 * error. */
gboolean disk_option_parse(struct machine_disk *disk, const char *value, GError **error);
void disk_option_clear(gpointer disk);

#endif
