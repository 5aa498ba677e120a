// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The console of a guest with `--console socket`: between the console (vmm/console.h), at the
 * other end of a socket, and the clients that are attached to it.
 *
 * What the guest prints is kept, the last LINK_BACKLOG bytes of it, and goes to all attached
 * clients; without any the guest prints all the same.  What clients send goes to the guest in
 * the order of its coming; when the guest does not read it, no client is read.
 */
#include <string.h>
#include <unistd.h>

#include "../error.h"
#include "internal.h"

#define INPUT_HIGH	4096u		/* bytes for the guest at which clients wait */
#define READ_SIZE	16384u

struct link {
	struct control_server *server;
	uv_pipe_t pipe;
	bool ended;			/* the console is gone */
	bool held;			/* clients wait */
	char read[READ_SIZE];
	char backlog[LINK_BACKLOG];
	uint64_t printed;		/* bytes, ever; the next one's place modulo LINK_BACKLOG */
};

struct typed {
	uv_write_t request;
	struct link *link;
	char bytes[];
};

static void link_keep(struct link *link, const char *bytes, size_t count)
{
	size_t at, part;

	while (count) {
		at = link->printed % LINK_BACKLOG;
		part = MIN(count, LINK_BACKLOG - at);
		memcpy(link->backlog + at, bytes, part);
		link->printed += part;
		bytes += part;
		count -= part;
	}
}

static void link_printed(struct link *link, const char *bytes, size_t count)
{
	struct connection *connection, *next;

	link_keep(link, bytes, count);
	for (connection = LIST_FIRST(&link->server->connections); connection; connection = next) {
		next = connection_next(connection);
		if (connection_attached(connection))
			connection_send(connection, bytes, count);
	}
}

static void link_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
	struct link *link = handle->data;

	(void)suggested;
	*buffer = uv_buf_init(link->read, READ_SIZE);
}

static void link_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
	struct link *link = stream->data;

	(void)buffer;
	if (count > 0) {
		link_printed(link, link->read, count);
	} else if (count < 0) {
		link->ended = true;
		uv_read_stop(stream);
	}
}

/* ---------------------------------------------------------------- to the guest */

static void link_hold(struct link *link, bool held)
{
	struct connection *connection, *next;

	if (link->held == held)
		return;
	link->held = held;
	for (connection = LIST_FIRST(&link->server->connections); connection; connection = next) {
		next = connection_next(connection);
		if (connection_attached(connection))
			connection_listen(connection, !held);
	}
}

static bool link_full(struct link *link)
{
	return uv_stream_get_write_queue_size((uv_stream_t *)&link->pipe) >= INPUT_HIGH;
}

static void link_typed(uv_write_t *request, int status)
{
	struct typed *typed = request->data;
	struct link *link = typed->link;

	g_free(typed);
	if (status == 0 && !link_full(link))
		link_hold(link, false);
}

void link_input(struct link *link, const char *bytes, size_t count)
{
	struct typed *typed = g_malloc(sizeof(*typed) + count);
	uv_buf_t buffer = uv_buf_init(typed->bytes, count);

	typed->request.data = typed;
	typed->link = link;
	memcpy(typed->bytes, bytes, count);
	if (link->ended ||
	    uv_write(&typed->request, (uv_stream_t *)&link->pipe, &buffer, 1, link_typed) < 0)
		g_free(typed);
	else if (link_full(link))
		link_hold(link, true);
}

/* ---------------------------------------------------------------- its life */

void link_attach(struct link *link, struct connection *connection, size_t backlog)
{
	size_t count = MIN(link->printed, MIN(backlog, LINK_BACKLOG));
	size_t at = (link->printed - count) % LINK_BACKLOG;
	size_t part = MIN(count, LINK_BACKLOG - at);

	connection_attach(connection);
	connection_send(connection, link->backlog + at, part);
	connection_send(connection, link->backlog, count - part);
	connection_listen(connection, !link->held);
}

/* The descriptor does not block; what the console's thread wrote last is in there already. */
void link_drain(struct link *link)
{
	ssize_t count;
	uv_os_fd_t fd;

	if (uv_fileno((uv_handle_t *)&link->pipe, &fd) < 0)
		return;
	while ((count = read(fd, link->read, READ_SIZE)) > 0)
		link_printed(link, link->read, count);
}

struct link *link_new(struct control_server *server, int fd, GError **error)
{
	struct link *link = g_new0(struct link, 1);

	link->server = server;
	uv_pipe_init(&server->machine->loop, &link->pipe, 0);
	link->pipe.data = link;
	if (uv_pipe_open(&link->pipe, fd) < 0)
		close(fd);
	else if (uv_read_start((uv_stream_t *)&link->pipe, link_room, link_read) == 0)
		return link;
	error_set(error, "cannot watch the console's socket");
	link_free(link);
	return NULL;
}

static void link_closed(uv_handle_t *handle)
{
	g_free(handle->data);
}

void link_free(struct link *link)
{
	if (link)
		uv_close((uv_handle_t *)&link->pipe, link_closed);
}
