/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where control sockets are: one for each guest, named after it, in a folder that all guests of
 * the host share (CONTROL_FOLDER), or of the user ($XDG_RUNTIME_DIR/mica).
 *
 * A guest whose process died without a word leaves its socket behind.  Nobody listens there:
 * whoever finds that out removes it.  Who makes or removes a socket holds a lock on the folder.
 */
#ifndef MICA_VMM_CONTROL_ENDPOINT_H
#define MICA_VMM_CONTROL_ENDPOINT_H

#include <glib.h>

#define CONTROL_FOLDER		"/run/mica"
#define CONTROL_SUFFIX		".sock"

struct control_endpoint {
	char *path;
	int fd;			/* listens */
};

/*
 * The folders to look in, in this order; a NULL at the end.  `root`, for tests, is what
 * CONTROL_FOLDER is put behind; else "".  The caller frees with g_strfreev().
 */
char **control_folders(const char *root);

/*
 * Listens at `path`, or if that is NULL at the socket of the guest `name` in the first of the
 * folders in which this process may make one.  Only its user may connect.  An error is in
 * words: a guest of this name runs, or there is no folder.  control_endpoint_free() removes
 * the socket.
 */
struct control_endpoint *control_endpoint_new(const char *root, const char *path,
					      const char *name, GError **error);
void control_endpoint_free(struct control_endpoint *endpoint);

/* The socket of the guest `name`, if one runs; the caller frees it.  In several folders that of
 * this user's guest; those at which nobody listens are removed.  An error is in words: none
 * runs, it is another user's, or two are as good. */
char *control_find(const char *root, const char *name, GError **error);

/* Paths of all sockets that this user may connect to, in the order of the guests' names, a NULL
 * at the end.  Those that nobody listens at are removed. */
char **control_list(const char *root);

/* A connected socket, close-on-exec, whose other end belongs to this process's user or to
 * root, or is anybody's if we are root.  -1 on error. */
int control_connect(const char *path, GError **error);

#endif
