/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host's end of a console port: a UNIX socket that one client at a time connects to, a
 * file or pipe for what the guest writes, or a pseudo-terminal.
 *
 * A client that goes is waited for again; what the guest writes meanwhile is thrown away.  A
 * client that closes the half that it sends by is taken to be gone once the guest has all that
 * it sent.  A pseudo-terminal or a pipe that nobody reads takes what it has room for, and then the
 * guest waits.
 *
 * All functions are for the main thread with the machine's lock held.
 */
#ifndef MICA_VMM_BACKENDS_PORT_H
#define MICA_VMM_BACKENDS_PORT_H

#include <glib.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct port;
struct uv_loop_s;

enum port_kind {
	PORT_SOCKET,
	PORT_FILE,
	PORT_PTY,
};

/* The guest's side: all called by the main thread with the lock held, also from within
 * port_put() and port_room(). */
struct port_guest {
	/* Bytes for the guest; returns how many it takes.  After less than all port_room() must
	 * be called once it may take more. */
	size_t (*input)(void *opaque, const uint8_t *bytes, size_t count);
	/* There is room after port_put() did not take all. */
	void (*writable)(void *opaque);
	/* Somebody came, or went. */
	void (*connected)(void *opaque, bool connected);
	void *opaque;
};

/* `name`, for messages, and `lock` must outlive it; `path` is for sockets and files.  Nothing
 * is called before port_start(). */
struct port *port_open(struct uv_loop_s *loop, pthread_mutex_t *lock, enum port_kind kind,
		       const char *name, const char *path, GError **error);
void port_start(struct port *port, const struct port_guest *guest);
/* The loop must run once more to close what is left.  NULL is fine. */
void port_free(struct port *port);

/* Somebody is there; always so for files and pseudo-terminals. */
bool port_connected(const struct port *port);
/* The pseudo-terminal's, else what port_open() was given. */
const char *port_path(const struct port *port);

/* Takes bytes of the guest; returns how many. */
size_t port_put(struct port *port, const uint8_t *bytes, size_t count);
void port_room(struct port *port);

#endif
