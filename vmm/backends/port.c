// SPDX-License-Identifier: GPL-2.0-or-later
#include "port.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "../kept.h"
#include "../loop_lock.h"
#include "../message.h"
#include "port_open.h"

#define PENDING_SIZE	4096u

struct port {
	enum port_kind kind;
	const char *name;
	char *path;
	int fd;				/* carries the bytes; -1: nobody is there */
	int slave_fd;			/* of a pseudo-terminal: else it had a hang-up for ever */
	int listen_fd;			/* of a socket */
	int spare_fd;			/* given up to turn a client away when there are no others */
	uv_poll_t *poll;		/* of fd; NULL: there is none, or it needs none */
	uv_poll_t *listener;
	struct uv_loop_s *loop;
	pthread_mutex_t *lock;
	const struct port_guest *guest;	/* NULL before port_start() */
	bool full;			/* port_put() did not take all */
	bool ended;			/* nothing more comes from `fd` */
	bool complained;
	size_t pending_count;		/* bytes for the guest */
	uint8_t pending[PENDING_SIZE];
};

/* ---------------------------------------------------------------- descriptors */

static void poll_closed(uv_handle_t *handle)
{
	g_free(handle);
}

static void close_poll(uv_poll_t **poll)
{
	uv_poll_t *handle = g_steal_pointer(poll);

	if (!handle)
		return;
	uv_poll_stop(handle);
	uv_close((uv_handle_t *)handle, poll_closed);
}

/* NULL: what the descriptor stands for cannot be waited for, and never lets wait. */
static uv_poll_t *make_poll(struct port *port, int fd)
{
	uv_poll_t *poll = g_new0(uv_poll_t, 1);

	if (uv_poll_init(port->loop, poll, fd) < 0) {
		g_free(poll);
		return NULL;
	}
	poll->data = port;
	uv_unref((uv_handle_t *)poll);
	return poll;
}

static void happened(uv_poll_t *poll, int status, int events);

/* Waits for what there is to wait for. */
static void watch(struct port *port)
{
	int events = 0;

	if (!port->poll || !port->guest)
		return;
	if (port->full)
		events |= UV_WRITABLE;
	if (port->kind != PORT_FILE && !port->ended && !port->pending_count)
		events |= UV_READABLE;
	if (events)
		uv_poll_start(port->poll, events, happened);
	else
		uv_poll_stop(port->poll);
}

static void tell_connected(struct port *port, bool connected)
{
	if (port->guest)
		port->guest->connected(port->guest->opaque, connected);
}

static void disconnect(struct port *port)
{
	close_poll(&port->poll);
	close(port->fd);
	port->fd = -1;
	port->full = false;
	port->ended = false;
	tell_connected(port, false);
}

/* ---------------------------------------------------------------- to the guest */

/* A client's end is read when the guest has all that came before: then it is let go. */
static void feed(struct port *port)
{
	size_t taken;

	if (!port->guest)
		return;
	if (port->pending_count) {
		taken = port->guest->input(port->guest->opaque, port->pending,
					   port->pending_count);
		port->pending_count -= taken;
		memmove(port->pending, port->pending + taken, port->pending_count);
	}
	if (port->ended && port->kind == PORT_SOCKET)
		disconnect(port);
}

static void take_input(struct port *port)
{
	ssize_t count;

	if (port->fd < 0 || port->ended || port->pending_count)
		return;
	count = read(port->fd, port->pending, PENDING_SIZE);
	if (count > 0)
		port->pending_count = count;
	else if (count == 0 || (errno != EAGAIN && errno != EINTR))
		port->ended = true;
	feed(port);
}

/* ---------------------------------------------------------------- from the guest */

static void lose(struct port *port, int error)
{
	if (port->kind == PORT_SOCKET) {
		disconnect(port);
	} else if (!port->complained) {
		port->complained = true;
		message("port %s: cannot write '%s' (%s): what the guest writes is thrown away",
			port->name, port->path, g_strerror(error));
	}
}

static ssize_t put_once(struct port *port, const uint8_t *bytes, size_t count)
{
	if (port->kind == PORT_SOCKET)
		return send(port->fd, bytes, count, MSG_DONTWAIT | MSG_NOSIGNAL);
	return write(port->fd, bytes, count);
}

size_t port_put(struct port *port, const uint8_t *bytes, size_t count)
{
	size_t done = 0;
	ssize_t put;

	if (port->fd < 0)
		return count;
	while (done < count) {
		put = put_once(port, bytes + done, count - done);
		if (put > 0) {
			done += put;
		} else if (put < 0 && errno == EAGAIN && port->poll) {
			break;
		} else if (put == 0 || errno != EINTR) {
			lose(port, put ? errno : EIO);
			return count;
		}
	}
	port->full = done < count;
	watch(port);
	return done;
}

void port_room(struct port *port)
{
	feed(port);
	watch(port);
}

/* ---------------------------------------------------------------- the loop */

static void happened(uv_poll_t *poll, int status, int events)
{
	struct port *port = poll->data;

	loop_lock(port->lock);
	if (status < 0)
		events = UV_READABLE | UV_WRITABLE;	/* an error: reading tells which */
	if (port->full && (events & UV_WRITABLE)) {
		port->full = false;
		port->guest->writable(port->guest->opaque);
	}
	if (events & UV_READABLE)
		take_input(port);
	watch(port);
	pthread_mutex_unlock(port->lock);
}

/* Somebody new takes the place of a client that has hung up, but not of one that is there. */
static bool place_is_free(struct port *port)
{
	if (port->fd >= 0 && port_hung_up(port->fd)) {
		port->pending_count = 0;
		disconnect(port);
	}
	return port->fd < 0;
}

/* One that cannot be let in would make the main loop come here again and again. */
static void turn_away(struct port *port)
{
	int fd;

	if (port->spare_fd < 0)
		return;
	close(port->spare_fd);
	fd = accept4(port->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0)
		close(fd);
	port->spare_fd = fcntl(port->listen_fd, F_DUPFD_CLOEXEC, 0);
}

static void client_waits(uv_poll_t *poll, int status, int events)
{
	struct port *port = poll->data;
	int fd = accept4(port->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)status;
	(void)events;
	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE)
			turn_away(port);
		return;
	}
	loop_lock(port->lock);
	if (place_is_free(port)) {
		port->fd = fd;
		port->poll = make_poll(port, fd);
		if (port->poll)
			tell_connected(port, true);
		else
			disconnect(port);
		watch(port);
	} else {
		close(fd);
	}
	pthread_mutex_unlock(port->lock);
}

/* ---------------------------------------------------------------- its life */

static gboolean open_kind(struct port *port, const char *path, GError **error)
{
	switch (port->kind) {
	case PORT_SOCKET:
		port->listen_fd = port_listen(path, error);
		if (port->listen_fd < 0)
			return FALSE;
		port->path = g_strdup(path);
		port->spare_fd = fcntl(port->listen_fd, F_DUPFD_CLOEXEC, 0);
		port->listener = make_poll(port, port->listen_fd);
		return port->listener != NULL;
	case PORT_FILE:
		port->path = g_strdup(path);
		port->fd = port_open_file(path, error);
		break;
	case PORT_PTY:
		port->fd = port_open_pty(port->name, &port->slave_fd, &port->path, error);
		break;
	}
	if (port->fd >= 0)
		port->poll = make_poll(port, port->fd);
	return port->fd >= 0;
}

struct port *port_open(struct uv_loop_s *loop, pthread_mutex_t *lock, enum port_kind kind,
		       const char *name, const char *path, GError **error)
{
	struct port *port = g_new0(struct port, 1);

	port->kind = kind;
	port->name = name;
	port->loop = loop;
	port->lock = lock;
	port->fd = -1;
	port->slave_fd = -1;
	port->listen_fd = -1;
	port->spare_fd = -1;
	if (open_kind(port, path, error))
		return port;
	g_prefix_error(error, "port %s: ", name);
	port_free(port);
	return NULL;
}

void port_start(struct port *port, const struct port_guest *guest)
{
	port->guest = guest;
	if (port->listener)
		uv_poll_start(port->listener, UV_READABLE, client_waits);
	watch(port);
}

void port_free(struct port *port)
{
	if (!port)
		return;
	close_poll(&port->listener);
	close_poll(&port->poll);
	if (port->fd >= 0)
		close(port->fd);
	if (port->slave_fd >= 0)
		close(port->slave_fd);
	if (port->listen_fd >= 0) {
		if (!kept_has(port->path))
			unlink(port->path);
		close(port->listen_fd);
	}
	if (port->spare_fd >= 0)
		close(port->spare_fd);
	g_free(port->path);
	g_free(port);
}

bool port_connected(const struct port *port)
{
	return port->fd >= 0;
}

const char *port_path(const struct port *port)
{
	return port->path;
}
