/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * UNIX stream sockets with a name in the file system.
 */
#ifndef MICA_VMM_BACKENDS_UNIX_SOCKET_H
#define MICA_VMM_BACKENDS_UNIX_SOCKET_H

#include <glib.h>

/* What a path may have, without the zero behind it. */
#define UNIX_SOCKET_PATH_MAX	107u

/* A non-blocking socket that listens at `path`, or -1.  A socket that is there already, and
 * that nobody listens at, is replaced.  The file is the caller's to unlink. */
int unix_socket_listen(const char *path, GError **error);

/* Why bind() to `path` failed, with that errno value.  FALSE. */
gboolean unix_socket_listen_error(const char *path, int number, GError **error);

/* Connects without waiting: a non-blocking socket, or -errno. */
int unix_socket_connect(const char *path);

#endif
