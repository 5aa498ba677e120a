// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One client: what it sends is cut into lines, each a request; what it is sent waits in a queue
 * of bounded size.  Its end comes in two steps: it leaves the server's list at once, and its
 * memory goes when libuv has closed it.  Until then a caller on the stack may still hold it.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../error.h"
#include "descriptors.h"
#include "internal.h"
#include "protocol.h"
#include "server.h"

LIST_HEAD(call_list, control_call);

struct connection {
	LIST_ENTRY(connection) entry;
	struct control_server *server;
	uv_pipe_t pipe;
	struct call_list calls;		/* handlers that have not answered yet */
	bool attached;			/* to the console */
	bool finishing;			/* nothing more is sent or read */
	bool closed;			/* on its way out */
	struct descriptors descriptors;	/* for the next request that takes some */
	char *input;			/* CONTROL_LINE_MAX bytes */
	size_t input_count;
};

struct control_call {
	LIST_ENTRY(control_call) entry;
	struct control_server *server;
	struct connection *connection;	/* NULL: the client has left */
	struct control_request request;
	struct descriptors descriptors;
};

struct outgoing {
	uv_write_t request;
	struct connection *connection;
	char bytes[];
};

struct connection *connection_next(struct connection *connection)
{
	return LIST_NEXT(connection, entry);
}

bool connection_attached(const struct connection *connection)
{
	return connection->attached;
}

/* ---------------------------------------------------------------- the end of one */

static void connection_closed(uv_handle_t *handle)
{
	struct connection *connection = handle->data;

	descriptors_close(&connection->descriptors);
	g_free(connection->input);
	g_free(connection);
}

void connection_cut(struct connection *connection)
{
	struct control_call *call;

	if (connection->closed)
		return;
	connection->closed = true;
	LIST_REMOVE(connection, entry);
	connection->server->connection_count--;
	while ((call = LIST_FIRST(&connection->calls))) {
		LIST_REMOVE(call, entry);
		call->connection = NULL;
	}
	uv_close((uv_handle_t *)&connection->pipe, connection_closed);
	if (connection->server->saver == connection)
		save_command_abandon(connection->server);
}

void connection_finish(struct connection *connection)
{
	if (connection->closed)
		return;
	connection->finishing = true;
	uv_read_stop((uv_stream_t *)&connection->pipe);
	if (!uv_stream_get_write_queue_size((uv_stream_t *)&connection->pipe))
		connection_cut(connection);
}

/* ---------------------------------------------------------------- sending */

static void connection_sent(uv_write_t *request, int status)
{
	struct outgoing *outgoing = request->data;
	struct connection *connection = outgoing->connection;

	g_free(outgoing);
	if (status < 0)
		connection_cut(connection);
	else if (connection->finishing)
		connection_finish(connection);
}

void connection_send(struct connection *connection, const char *bytes, size_t count)
{
	uv_stream_t *stream = (uv_stream_t *)&connection->pipe;
	struct outgoing *outgoing;
	uv_buf_t buffer;

	if (connection->closed || connection->finishing)
		return;
	if (uv_stream_get_write_queue_size(stream) + count > CONTROL_QUEUE_MAX) {
		connection_cut(connection);
		return;
	}
	outgoing = g_malloc(sizeof(*outgoing) + count);
	outgoing->request.data = outgoing;
	outgoing->connection = connection;
	memcpy(outgoing->bytes, bytes, count);
	buffer = uv_buf_init(outgoing->bytes, count);
	if (uv_write(&outgoing->request, stream, &buffer, 1, connection_sent) == 0)
		return;
	g_free(outgoing);
	connection_cut(connection);
}

static void connection_send_line(struct connection *connection, char *line)
{
	connection_send(connection, line, strlen(line));
	g_free(line);
}

/* ---------------------------------------------------------------- calls */

struct control_server *control_call_server(const struct control_call *call)
{
	return call->server;
}

struct connection *control_call_connection(const struct control_call *call)
{
	return call->connection;
}

unsigned int control_call_descriptors(struct control_call *call, int *fds)
{
	unsigned int count = call->descriptors.count;

	if (json_object_get_int_member_with_default(call->request.arguments, CONTROL_DESCRIPTORS, 0) !=
	    count)
		return 0;
	memcpy(fds, call->descriptors.fds, count * sizeof(*fds));
	call->descriptors.count = 0;
	return count;
}

static void call_free(struct control_call *call)
{
	if (call->connection)
		LIST_REMOVE(call, entry);
	control_request_clear(&call->request);
	g_free(call);
}

void control_call_done(struct control_call *call, JsonObject *result)
{
	char *line = control_answer(call->request.id, result ? result : json_object_new());

	descriptors_close(&call->descriptors);
	if (call->connection)
		connection_send_line(call->connection, line);
	else
		g_free(line);
	call_free(call);
}

void control_call_fail(struct control_call *call, const char *field, const char *format, ...)
{
	g_autofree char *message = NULL;
	va_list args;

	va_start(args, format);
	message = g_strdup_vprintf(format, args);
	va_end(args);
	descriptors_close(&call->descriptors);
	if (call->connection)
		connection_send_line(call->connection,
				     control_failure(&call->request, field, message));
	call_free(call);
}

/* Takes `request`. */
static struct control_call *call_new(struct connection *connection,
				     const struct control_request *request)
{
	struct control_call *call = g_new0(struct control_call, 1);

	call->server = connection->server;
	call->connection = connection;
	call->request = *request;
	LIST_INSERT_HEAD(&connection->calls, call, entry);
	return call;
}

/* What a guest has for some of its devices only. */
static const struct {
	const char *command;
	const char *option;
} optional_commands[] = {
	{ "balloon", "--balloon" },
	{ "ports", "--port" },
	{ "console-size", "--console-device virtio" },
};

static void fail_unknown(struct control_call *call, const char *command)
{
	for (size_t i = 0; i < G_N_ELEMENTS(optional_commands); i++) {
		if (strcmp(command, optional_commands[i].command))
			continue;
		control_call_fail(call, "command", "this guest has no command '%s': it was started "
				  "without %s", command, optional_commands[i].option);
		return;
	}
	control_call_fail(call, "command", "there is no command '%s'", command);
}

static void connection_request(struct connection *connection, struct control_request *request)
{
	const struct control_command *command;
	struct control_call *call = call_new(connection, request);
	g_autoptr(GError) error = NULL;
	g_autofree char *field = NULL;
	void *opaque;

	command = control_registry_find(connection->server->machine->commands, request->command,
					&opaque);
	if (command && control_takes_descriptors(command)) {
		call->descriptors = connection->descriptors;
		connection->descriptors.count = 0;
	}
	if (!command)
		fail_unknown(call, request->command);
	else if (!control_check_arguments(command, request->arguments, &field, &error))
		control_call_fail(call, field, "%s", error->message);
	else
		command->handler(call, request->arguments, opaque);
}

static void connection_line(struct connection *connection, const char *line, size_t length)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *field = NULL;
	struct control_request request;

	if (control_request_parse(line, length, &request, &field, &error)) {
		connection_request(connection, &request);
		return;
	}
	connection_send_line(connection, control_failure(&request, field, error->message));
	control_request_clear(&request);
}

/* ---------------------------------------------------------------- receiving */

static bool connection_reads(const struct connection *connection)
{
	return !connection->closed && !connection->finishing;
}

static void connection_take_lines(struct connection *connection)
{
	const char *at = connection->input;
	const char *end = connection->input + connection->input_count;
	const char *newline;

	while (connection_reads(connection) && !connection->attached &&
	       (newline = memchr(at, '\n', end - at))) {
		connection_line(connection, at, newline - at);
		at = newline + 1;
	}
	if (connection_reads(connection) && connection->attached && at < end) {
		link_input(connection->server->link, at, end - at);
		at = end;
	}
	connection->input_count = end - at;
	memmove(connection->input, at, connection->input_count);
}

static void connection_refuse(struct connection *connection, const char *why)
{
	connection_send_line(connection, control_failure(NULL, NULL, why));
	connection_finish(connection);
}

static void connection_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
	struct connection *connection = handle->data;

	(void)suggested;
	buffer->base = connection->input + connection->input_count;
	buffer->len = CONTROL_LINE_MAX - connection->input_count;
}

static void connection_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
	struct connection *connection = stream->data;

	(void)buffer;
	if (!descriptors_receive(&connection->descriptors, &connection->pipe)) {
		connection_refuse(connection, "at most " G_STRINGIFY(CONTROL_DESCRIPTORS_MAX)
				  " descriptors may wait for a request");
	} else if (count == UV_EOF) {
		connection_finish(connection);
	} else if (count < 0) {
		connection_cut(connection);
	} else {
		connection->input_count += count;
		connection_take_lines(connection);
		if (connection_reads(connection) && connection->input_count == CONTROL_LINE_MAX)
			connection_refuse(connection, "a line has at most "
					  G_STRINGIFY(CONTROL_LINE_MAX) " bytes");
	}
}

void connection_listen(struct connection *connection, bool listen)
{
	uv_stream_t *stream = (uv_stream_t *)&connection->pipe;

	if (!connection_reads(connection))
		return;
	if (!listen)
		uv_read_stop(stream);
	else
		uv_read_start(stream, connection_room, connection_read);
}

void connection_attach(struct connection *connection)
{
	connection->attached = true;
}

/* ---------------------------------------------------------------- accepting */

/* The socket's mode lets its user in, and root.  It may have been changed. */
static gboolean connection_check_peer(struct connection *connection, GError **error)
{
	struct ucred peer;
	socklen_t length = sizeof(peer);
	uv_os_fd_t fd;

	if (uv_fileno((uv_handle_t *)&connection->pipe, &fd) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0)
		return error_set(error, "cannot tell who asks");
	if (peer.uid != geteuid() && peer.uid != 0)
		return error_set(error, "this guest obeys user %u and root, not user %u",
				 geteuid(), peer.uid);
	if (connection->server->connection_count > CONTROL_CLIENTS_MAX)
		return error_set(error, "%u clients are connected, which is the most",
				 CONTROL_CLIENTS_MAX);
	return TRUE;
}

static void connection_greet(struct connection *connection)
{
	g_autoptr(GError) error = NULL;

	if (!connection_check_peer(connection, &error)) {
		connection_send_line(connection, control_failure(NULL, NULL, error->message));
		connection_finish(connection);
		return;
	}
	connection_send_line(connection,
			     control_greeting(connection->server->machine->config->name));
	connection_listen(connection, true);
}

void connection_accept(struct control_server *server, int fd)
{
	struct connection *connection = g_new0(struct connection, 1);

	connection->server = server;
	connection->input = g_malloc(CONTROL_LINE_MAX);
	LIST_INIT(&connection->calls);
	LIST_INSERT_HEAD(&server->connections, connection, entry);
	server->connection_count++;
	uv_pipe_init(&server->machine->loop, &connection->pipe, 1);
	connection->pipe.data = connection;
	if (uv_pipe_open(&connection->pipe, fd) == 0) {
		connection_greet(connection);
	} else {
		close(fd);
		connection_cut(connection);
	}
}
