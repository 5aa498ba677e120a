/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Descriptors for port.c: none of them blocks, and -1 is an error in words.
 */
#ifndef MICA_VMM_BACKENDS_PORT_OPEN_H
#define MICA_VMM_BACKENDS_PORT_OPEN_H

#include <glib.h>
#include <stdbool.h>

/* A socket at `path` that only this user may connect to.  One that is there and that nobody
 * listens at is replaced. */
int port_listen(const char *path, GError **error);

/* Made, or emptied.  A pipe (FIFO) needs no reader. */
int port_open_file(const char *path, GError **error);

/* The master; `port` is the name of the port; `*slave_fd` and `*path` are those of the other side, the caller's as well. */
int port_open_pty(const char *port, int *slave_fd, char **path, GError **error);

/* The other side of a connection sends nothing more, or is gone. */
bool port_hung_up(int fd);

#endif
