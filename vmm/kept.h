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

/* From here on files are kept; before, nothing is. */
void kept_start(void);

/* open(), or a duplicate of what was opened under that path before, set to its beginning.
 * The caller closes it. */
int kept_open(const char *path, int flags, mode_t mode);

/* The same in two steps, for what is not made by open().  `key` is a path, or any words with a
 * space in them.  kept_again() says -1 if nothing is kept; kept_put() keeps a duplicate of what
 * stays the caller's. */
int kept_again(const char *key);
void kept_put(const char *key, int fd);
bool kept_has(const char *key);

/* Before a file is written that a user has named for output: takes the lock that disks have, so that
 * no disk, console or port is emptied by another (fcntl(2), "Open file description locks").
 * False: the file has such a user, in this process or another, who came by another open().
 * Pipes and devices without blocks have no lock, nor has what cannot be locked. */
bool kept_claim(int fd);

/* At the end `path`, which kept_has(), is removed: it is a socket. */
void kept_remove_at_end(const char *path);

/* Closes all. */
void kept_end(void);

#endif
