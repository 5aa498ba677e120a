/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Landlock, where the kernel has it: nothing in the file system may be opened, made or removed
 * by its name, but for the files of some folders, which may be removed; and TCP and abstract
 * UNIX sockets may not be bound or connected, where it knows them.
 *
 * Source: the kernel's "Landlock: unprivileged access control".
 */
#ifndef MICA_VMM_SANDBOX_LANDLOCK_H
#define MICA_VMM_SANDBOX_LANDLOCK_H

#include <glib.h>

/* The version of its interface; 0: the kernel has none, or it was not switched on. */
int landlock_version(void);

/* A descriptor for landlock_restrict(); -1: there is no Landlock.  `folders`, of paths, may be
 * NULL. */
int landlock_prepare(const GPtrArray *folders);

/* The calling thread and those that it makes.  PR_SET_NO_NEW_PRIVS must be set.  0 or
 * -errno. */
int landlock_restrict(int ruleset);

#endif
