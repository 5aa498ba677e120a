/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files that a guest's next life needs again.  Confinement lets nobody open a file by its
 * path, so what was opened before is kept, and given out once more.
 *
 * Main thread only.
 */
#ifndef MICA_VMM_KEPT_H
#define MICA_VMM_KEPT_H

#include <fcntl.h>
#include <stdbool.h>

/* From here on files are kept; before, kept_open() is open(). */
void kept_start(void);

/* open(), or a duplicate of what was opened under that path before, set to its beginning.
 * The caller closes it. */
int kept_open(const char *path, int flags, mode_t mode);

bool kept_has(const char *path);

/* Closes all. */
void kept_end(void);

#endif
