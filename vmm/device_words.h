/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Words about devices that both the command line and the control socket take. */
#ifndef MICA_VMM_DEVICE_WORDS_H
#define MICA_VMM_DEVICE_WORDS_H

#include <glib.h>
#include <stdint.h>

#define DEVICE_ID_MAX	32	/* bytes */

/* A device's id: letters, digits, '.', '_', '-', the first a letter or digit. */
gboolean device_id_check(const char *id, GError **error);

/* "02:00:00:12:34:56" to six bytes; multicast addresses are refused. */
gboolean device_mac_parse(const char *text, uint8_t *mac, GError **error);

#endif
