/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The other side of a guest's control socket, for the verbs of `mica`: one request at a time,
 * and everything waits.  A guest that does not answer in CLIENT_SECONDS is an error: its
 * process is stopped, or very busy.
 */
#ifndef MICA_VMM_CONTROL_CLIENT_H
#define MICA_VMM_CONTROL_CLIENT_H

#include <glib.h>
#include <json-glib/json-glib.h>
#include <sys/types.h>

#define CLIENT_SECONDS	10
#define CLIENT_FOREVER	(-1)

struct control_client;

/* Connects and takes the greeting. */
struct control_client *control_client_open(const char *path, GError **error);
/* Connects and waits for nothing: good for control_client_pid(), also if nobody answers. */
struct control_client *control_client_connect(const char *path, GError **error);
void control_client_free(struct control_client *client);

/* The guest's name, of the greeting. */
const char *control_client_name(const struct control_client *client);
/* The process at the other end, as the kernel knows it. */
pid_t control_client_pid(const struct control_client *client);
/* Sends it SIGKILL: it, and no later process of the same number. */
gboolean control_client_kill(struct control_client *client, GError **error);
/* Waits for its end, until g_get_monotonic_time() is `deadline`.  TRUE if it has come, or if the
 * process cannot be watched (it is in another PID namespace). */
gboolean control_client_wait_exit(struct control_client *client, gint64 deadline);

/* `arguments` are taken; NULL: none.  The result, which the caller unrefs; events that come
 * first are passed over.  An error is what the guest says, or that it does not. */
JsonObject *control_client_call(struct control_client *client, const char *command,
				JsonObject *arguments, GError **error);

/* The same for a request that hands over descriptors, which stay open here, or whose answer may
 * take as long as `seconds`. */
struct control_extra {
	const int *fds;
	unsigned int fd_count;		/* at most CONTROL_DESCRIPTORS_MAX */
	unsigned int seconds;		/* 0: CLIENT_SECONDS */
};
JsonObject *control_client_call_with(struct control_client *client, const char *command,
				     JsonObject *arguments, const struct control_extra *extra,
				     GError **error);

enum control_wait {
	CONTROL_WAIT_EVENT,	/* *event is one, the caller's to unref */
	CONTROL_WAIT_CLOSED,	/* the guest has closed the connection: its process is gone */
	CONTROL_WAIT_TIMEOUT,
	CONTROL_WAIT_ERROR,	/* what came is not a line of the protocol */
};

/* Waits for the next event, until g_get_monotonic_time() is `deadline`; CLIENT_FOREVER. */
enum control_wait control_client_wait(struct control_client *client, gint64 deadline,
				      JsonObject **event);

/* After the command `console`: the socket, still the client's, and the bytes behind the answer
 * that have been read already, which the caller frees. */
int control_client_raw(struct control_client *client, GBytes **ahead);

#endif
