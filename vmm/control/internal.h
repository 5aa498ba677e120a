/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the server share: connections, the console's readers, the commands. */
#ifndef MICA_VMM_CONTROL_INTERNAL_H
#define MICA_VMM_CONTROL_INTERNAL_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>
#include <uv.h>

#include "../machine.h"
#include "command.h"

struct connection;
struct detach;
struct control_endpoint;
struct link;

LIST_HEAD(connection_list, connection);

struct control_server {
	struct machine *machine;
	struct link *link;			/* the console's other end; NULL: none */
	const struct control_endpoint *endpoint;
	uv_poll_t listener;			/* of the endpoint's socket */
	bool listens;				/* there is such a handle */
	uv_timer_t room;			/* until there may be descriptors for clients */
	uv_timer_t patience;			/* at the end */
	bool impatient;				/* it has expired */
	unsigned int open_handles;		/* of the three */
	int statm_fd;				/* /proc/self/statm; -1: the host has none */
	struct connection_list connections;
	unsigned int connection_count;
	struct connection *saver;		/* has the guest in a file: it is paused until `save-end` */
	bool saver_resumes;			/* or runs on if that client goes */
	GPtrArray *detaches;			/* of struct detach: the guest is asked to let go */
};

/* connection.c */

/* Takes a client's socket, which is closed with its connection. */
void connection_accept(struct control_server *server, int fd);
/* Queues bytes; a client whose queue is full is cut off. */
void connection_send(struct connection *connection, const char *bytes, size_t count);
/* Sends nothing more.  What is queued is sent, and then the client is let go. */
void connection_finish(struct connection *connection);
/* At once.  The connection is no longer among the server's. */
void connection_cut(struct connection *connection);
struct connection *connection_next(struct connection *connection);

/* The client becomes a reader and writer of the console: link_attach() does the rest. */
void connection_attach(struct connection *connection);
bool connection_attached(const struct connection *connection);
/* Whether what an attached client sends is read. */
void connection_listen(struct connection *connection, bool listen);

struct control_server *control_call_server(const struct control_call *call);
struct connection *control_call_connection(const struct control_call *call);

/* link.c: the console of a guest with `--console socket`.  `fd` becomes the link's. */
struct link *link_new(struct control_server *server, int fd, GError **error);
void link_free(struct link *link);
/* What clients type.  The link tells them by connection_listen() when to wait. */
void link_input(struct link *link, const char *bytes, size_t count);
/* Sends the client the last `backlog` bytes, or less, that the guest printed, and from then on
 * whatever it prints. */
void link_attach(struct link *link, struct connection *connection, size_t backlog);
/* Reads what is left when the guest has ended. */
void link_drain(struct link *link);
#define LINK_BACKLOG	65536u

/* device_commands.c */
void device_commands_add(struct control_server *server);
/* Whoever still waits for a guest to let go of a device gets an error. */
void device_commands_remove(struct control_server *server);
void device_commands_released(struct control_server *server, const char *id);
/* What devices the guest has, for `status`. */
JsonArray *device_commands_describe(struct machine *machine);

/* save_command.c */
void save_command_add(struct control_server *server);
/* The client that has saved the guest is gone, and nobody knows what became of the file. */
void save_command_abandon(struct control_server *server);

/* server.c: tells all clients but those at the console.  `data` is taken. */
void server_broadcast(struct control_server *server, const char *event, JsonObject *data);

/* guest_commands.c */
void guest_commands_add(struct control_server *server);
void guest_commands_remove(struct control_server *server);
/* Names of events and ends in the protocol. */
const char *guest_end_name(enum machine_end end);

#endif
