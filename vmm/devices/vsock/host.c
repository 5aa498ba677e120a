// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the descriptors of the host say: programs that connect, their first line, bytes and
 * ends.
 */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "internal.h"

#define EVENTS		64
#define LINE_MAX_SIZE	32u		/* "CONNECT 4294967295\n" and a few blanks */
#define GREETING_SECONDS	10u
#define REQUEST_SECONDS	10u

/* ---------------------------------------------------------------- the first line */

/* "CONNECT PORT", with `line` cut off behind it. */
static bool parse_line(const char *line, uint32_t *port)
{
	static const char word[] = "CONNECT ";
	char *end;
	guint64 value;

	if (!g_str_has_prefix(line, word) || !g_ascii_isdigit(line[strlen(word)]))
		return false;
	value = g_ascii_strtoull(line + strlen(word), &end, 10);
	if (*end == '\r')
		end++;
	*port = value;
	return !*end && value <= UINT32_MAX;
}

static void request(struct vsock_connection *connection, uint32_t port)
{
	connection->guest_port = port;
	vsock_connection_choose_port(connection);
	connection->state = VSOCK_REQUESTED;
	connection->pending = VSOCK_SEND_REQUEST;
	vsock_connection_limit(connection, REQUEST_SECONDS);
	vsock_connection_wake(connection);
}

/* What is behind the line may be there already, and is for the guest. */
static void greet(struct vsock_connection *connection)
{
	char line[LINE_MAX_SIZE + 1];
	ssize_t count = recv(connection->fd, line, LINE_MAX_SIZE, MSG_PEEK | MSG_DONTWAIT);
	uint32_t port;
	char *end;

	if (count < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	end = count > 0 ? memchr(line, '\n', count) : NULL;
	if (count > 0 && !end && count < LINE_MAX_SIZE)
		return;
	if (end)
		*end = '\0';
	if (!end || !parse_line(line, &port) ||
	    recv(connection->fd, line, end + 1 - line, MSG_DONTWAIT) != end + 1 - line) {
		vsock_connection_free(connection);
		return;
	}
	connection->readable = true;
	request(connection, port);
}

/* ---------------------------------------------------------------- events */

static void accept_all(struct vsock *vsock)
{
	struct vsock_connection *connection;
	int fd;

	while (vsock->acceptable && vsock->connections.length < VSOCK_CONNECTIONS_MAX) {
		fd = accept4(vsock->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd < 0) {
			vsock->acceptable = errno == EINTR || errno == ECONNABORTED;
			continue;
		}
		connection = vsock_connection_new(vsock, fd, VSOCK_GREETING);
		if (connection)
			vsock_connection_limit(connection, GREETING_SECONDS);
	}
}

/* That the host sends no more is seen by reading, behind its last byte, but for a guest that
 * does not want to know the rest. */
static void hung_up(struct vsock_connection *connection)
{
	unsigned int what = VIRTIO_VSOCK_SHUTDOWN_RCV;

	if (connection->guest_shut & VIRTIO_VSOCK_SHUTDOWN_RCV)
		what |= VIRTIO_VSOCK_SHUTDOWN_SEND;
	vsock_connection_shut(connection, what);
}

static void open_event(struct vsock_connection *connection, uint32_t events)
{
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
		connection->readable = true;
		vsock_connection_wake(connection);
	}
	if (events & EPOLLHUP)
		hung_up(connection);
	if (events & EPOLLOUT && connection->held)
		vsock_flush(connection);
}

static void connection_event(struct vsock_connection *connection, uint32_t events)
{
	switch (connection->state) {
	case VSOCK_GREETING:
		greet(connection);
		break;
	case VSOCK_REQUESTED:
		connection->readable = true;
		if (events & EPOLLHUP)
			vsock_connection_reset(connection);
		break;
	case VSOCK_OPEN:
		open_event(connection, events);
		break;
	case VSOCK_DRAINING:
		vsock_flush(connection);
		break;
	}
}

/* Handling an event frees no connection but its own, so that the others' pointers are good. */
bool vsock_host_events(struct vsock *vsock)
{
	struct epoll_event events[EVENTS];
	int count = epoll_wait(vsock->epoll, events, EVENTS, 0);

	for (int i = 0; i < count; i++) {
		if (events[i].data.ptr == &vsock->listener)
			vsock->acceptable = true;
		else if (events[i].data.ptr != &vsock->timer)
			connection_event(events[i].data.ptr, events[i].events);
	}
	accept_all(vsock);
	return count == EVENTS;
}
