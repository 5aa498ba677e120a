// SPDX-License-Identifier: GPL-2.0-or-later
#include "server.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../error.h"
#include "../kept.h"
#include "endpoint.h"
#include "internal.h"
#include "protocol.h"

#define PATIENCE_MS	1000
#define ROOM_MS		100

static void server_closed(uv_handle_t *handle)
{
	struct control_server *server = handle->data;

	if (--server->open_handles == 0)
		g_free(server);
}

static void server_listen_again(uv_timer_t *timer);

static bool is_for_that_client(int error)
{
	return error == EAGAIN || error == EINTR || error == ECONNABORTED;
}

/*
 * Not by uv_listen(): when there are no descriptors it opens a file to let the client go, and
 * where it may not, as in a confined process, it tries without end.  Here clients wait.
 */
static void server_incoming(uv_poll_t *listener, int status, int events)
{
	struct control_server *server = listener->data;
	int fd = -1;

	(void)events;
	if (status == 0)
		fd = accept4(server->endpoint->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd >= 0) {
		connection_accept(server, fd);
	} else if (status < 0 || !is_for_that_client(errno)) {
		uv_poll_stop(listener);
		uv_timer_start(&server->room, server_listen_again, ROOM_MS, 0);
	}
}

static void server_listen_again(uv_timer_t *timer)
{
	struct control_server *server = timer->data;

	uv_poll_start(&server->listener, UV_READABLE, server_incoming);
}

static gboolean server_listen(struct control_server *server, GError **error)
{
	if (uv_poll_init(&server->machine->loop, &server->listener, server->endpoint->fd) < 0)
		return error_set(error, "cannot listen at the control socket '%s'",
				 server->endpoint->path);
	server->listener.data = server;
	server->listens = true;
	server->open_handles++;
	server_listen_again(&server->room);
	return TRUE;
}

static gboolean server_add_link(struct control_server *server, GError **error)
{
	int fd = console_take_link(server->machine->console);

	if (fd < 0)
		return TRUE;
	server->link = link_new(server, fd, error);
	return server->link != NULL;
}

struct control_server *control_server_new(struct machine *machine,
					  struct control_endpoint *endpoint, GError **error)
{
	struct control_server *server = g_new0(struct control_server, 1);

	server->machine = machine;
	server->endpoint = endpoint;
	server->statm_fd = kept_open("/proc/self/statm", O_RDONLY | O_CLOEXEC, 0);
	LIST_INIT(&server->connections);
	uv_timer_init(&machine->loop, &server->patience);
	uv_timer_init(&machine->loop, &server->room);
	server->patience.data = server;
	server->room.data = server;
	server->open_handles = 2;
	guest_commands_add(server);
	device_commands_add(server);
	save_command_add(server);
	if (!server_add_link(server, error) || !server_listen(server, error)) {
		control_server_free(server);
		return NULL;
	}
	return server;
}

void control_server_free(struct control_server *server)
{
	if (!server)
		return;
	device_commands_remove(server);
	guest_commands_remove(server);
	if (server->statm_fd >= 0)
		close(server->statm_fd);
	while (!LIST_EMPTY(&server->connections))
		connection_cut(LIST_FIRST(&server->connections));
	link_free(server->link);
	if (server->listens)
		uv_close((uv_handle_t *)&server->listener, server_closed);
	uv_close((uv_handle_t *)&server->patience, server_closed);
	uv_close((uv_handle_t *)&server->room, server_closed);
}

/* ---------------------------------------------------------------- events */

/* An attached client gets the console's bytes and nothing else. */
void server_broadcast(struct control_server *server, const char *event, JsonObject *data)
{
	g_autofree char *line = control_event(event, data);
	struct connection *connection, *next;

	for (connection = LIST_FIRST(&server->connections); connection; connection = next) {
		next = connection_next(connection);
		if (!connection_attached(connection))
			connection_send(connection, line, strlen(line));
	}
}

void control_server_event(struct control_server *server, enum machine_event event)
{
	static const char *const names[] = {
		[MACHINE_PAUSED] = "paused",
		[MACHINE_RESUMED] = "resumed",
	};

	if (event == MACHINE_RESUMED)
		server->saver = NULL;
	/* Nobody can have connected before the start. */
	if (event != MACHINE_STARTED)
		server_broadcast(server, names[event], json_object_new());
}

void control_server_released(struct control_server *server, const char *id)
{
	JsonObject *data = json_object_new();

	json_object_set_string_member(data, "id", id);
	server_broadcast(server, "detached", data);
	device_commands_released(server, id);
}

/* ---------------------------------------------------------------- the end */

static void server_impatient(uv_timer_t *timer)
{
	struct control_server *server = timer->data;

	server->impatient = true;
}

void control_server_finish(struct control_server *server, enum machine_end end, uint32_t value)
{
	struct connection *connection, *next;
	JsonObject *data = json_object_new();

	json_object_set_string_member(data, "reason", guest_end_name(end));
	json_object_set_int_member(data, "value", value);
	server_broadcast(server, "ended", data);
	if (server->link)
		link_drain(server->link);
	for (connection = LIST_FIRST(&server->connections); connection; connection = next) {
		next = connection_next(connection);
		connection_finish(connection);
	}
	uv_timer_start(&server->patience, server_impatient, PATIENCE_MS, 0);
	while (!LIST_EMPTY(&server->connections) && !server->impatient)
		uv_run(&server->machine->loop, UV_RUN_ONCE);
	uv_timer_stop(&server->patience);
}
