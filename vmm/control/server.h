/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest's side of its control socket (docs/control.md), on the machine's main loop.
 *
 * No client can hold up the guest: what a client does not read waits in a queue of bounded
 * size, and a client that lets it fill is cut off.  Everything here runs in the main thread, and
 * SIGPIPE must be ignored.
 */
#ifndef MICA_VMM_CONTROL_SERVER_H
#define MICA_VMM_CONTROL_SERVER_H

#include <glib.h>
#include <stdint.h>

#include "../machine.h"

#define CONTROL_CLIENTS_MAX	64u
#define CONTROL_QUEUE_MAX	1048576u	/* bytes that wait for one client */

struct control_endpoint;
struct control_server;

/* Adds the commands of every guest to the machine's registry and serves `endpoint`, which must
 * outlive it, as the machine must. */
struct control_server *control_server_new(struct machine *machine,
					  struct control_endpoint *endpoint, GError **error);

/* Tells all clients what the machine says. */
void control_server_event(struct control_server *server, enum machine_event event);

/* A device is gone: machine_listener.released(). */
void control_server_released(struct control_server *server, const char *id);

/* The machine has ended: tells all clients so, and gives them a second to read it and what is
 * left of the console's output.  Runs the machine's loop. */
void control_server_finish(struct control_server *server, enum machine_end end, uint32_t value);

/* The loop must run once more to close what it holds. */
void control_server_free(struct control_server *server);

#endif
