/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What `mica inspect` shows of a checkpoint, as text and as JSON.  The file is hostile: no byte
 * of it reaches a terminal as it is.
 */
#ifndef MICA_VMM_CLI_INSPECT_H
#define MICA_VMM_CLI_INSPECT_H

#include <glib.h>

#include "../state/stream.h"

/* The caller frees them.  NULL: something makes no sense, and `error` says what. */
char *inspect_text(const struct state_reader *reader, GError **error);
char *inspect_json(const struct state_reader *reader, gboolean verified, GError **error);

/* Up to `length` bytes, up to a zero, with what a terminal could take for more than text
 * escaped; the caller frees it. */
char *inspect_escape(const char *bytes, size_t length);

#endif
