/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading a kernel or a module as a whole.
 *
 * The bytes are a copy, not a mapping: a file that is shortened while it is mapped would
 * kill the process, and one that changes would escape its check.
 */
#ifndef MICA_VMM_BOOT_FILE_H
#define MICA_VMM_BOOT_FILE_H

#include <glib.h>

#define BOOT_FILE_MAX	(1ull << 30)	/* bytes */

/* Files and pipes; no devices, which have no end.  BOOT_ERROR_FILE: it cannot be read or
 * is empty; BOOT_ERROR_SPACE: it is longer than BOOT_FILE_MAX.  The message starts with
 * the path.  The caller owns the bytes. */
GBytes *boot_file_read(const char *path, GError **error);

#endif
