// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Connections: the table of them, their ends and their time limits.
 */
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "internal.h"

/* Ports of the host's own connections begin above those that programs listen at. */
#define FIRST_LOCAL_PORT	(1u << 30)
/* As long as Linux waits for the end of a connection that both sides are done with. */
#define CLOSE_SECONDS		8u
#define DRAIN_SECONDS		60u
#define MICROSECONDS		1000000

/* ---------------------------------------------------------------- time limits */

static void set_alarm(struct vsock *vsock, int64_t when)
{
	const struct itimerspec setting = { .it_value = {
		.tv_sec = when / MICROSECONDS,
		.tv_nsec = when % MICROSECONDS * 1000,
	} };

	vsock->alarm = when;
	timerfd_settime(vsock->timer, TFD_TIMER_ABSTIME, &setting, NULL);
}

void vsock_connection_limit(struct vsock_connection *connection, unsigned int seconds)
{
	struct vsock *vsock = connection->vsock;

	connection->deadline = 0;
	if (!seconds)
		return;
	connection->deadline = g_get_monotonic_time() + (int64_t)seconds * MICROSECONDS;
	if (!vsock->alarm || connection->deadline < vsock->alarm)
		set_alarm(vsock, connection->deadline);
}

void vsock_expire(struct vsock *vsock)
{
	int64_t now = g_get_monotonic_time(), next = 0;
	struct vsock_connection *connection;
	GList *link, *behind;

	if (!vsock->alarm || now < vsock->alarm)
		return;
	for (link = vsock->connections.head; link; link = behind) {
		behind = link->next;
		connection = link->data;
		if (!connection->deadline)
			continue;
		if (connection->deadline <= now)
			vsock_connection_reset(connection);
		else if (!next || connection->deadline < next)
			next = connection->deadline;
	}
	set_alarm(vsock, next);
}

/* ---------------------------------------------------------------- the table */

static guint hash(gconstpointer key)
{
	const struct vsock_connection *connection = key;

	return connection->guest_port * 31 + connection->host_port;
}

static gboolean equal(gconstpointer left, gconstpointer right)
{
	const struct vsock_connection *a = left, *b = right;

	return a->guest_port == b->guest_port && a->host_port == b->host_port;
}

GHashTable *vsock_table_new(void)
{
	return g_hash_table_new(hash, equal);
}

struct vsock_connection *vsock_find(struct vsock *vsock, uint32_t guest_port, uint32_t host_port)
{
	const struct vsock_connection key = { .guest_port = guest_port, .host_port = host_port };

	return g_hash_table_lookup(vsock->table, &key);
}

bool vsock_connection_register(struct vsock_connection *connection)
{
	GHashTable *table = connection->vsock->table;

	if (g_hash_table_contains(table, connection))
		return false;
	g_hash_table_add(table, connection);
	connection->known = true;
	return true;
}

/* Ends: there are more ports than connections. */
void vsock_connection_choose_port(struct vsock_connection *connection)
{
	struct vsock *vsock = connection->vsock;

	do {
		connection->host_port = FIRST_LOCAL_PORT | vsock->next_port;
		vsock->next_port = (vsock->next_port + 1) & (FIRST_LOCAL_PORT - 1);
	} while (!vsock_connection_register(connection));
}

/* ---------------------------------------------------------------- life */

static bool watch(struct vsock_connection *connection)
{
	struct epoll_event event = {
		.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
		.data.ptr = connection,
	};

	return epoll_ctl(connection->vsock->epoll, EPOLL_CTL_ADD, connection->fd, &event) == 0;
}

struct vsock_connection *vsock_connection_new(struct vsock *vsock, int fd, enum vsock_state state)
{
	struct vsock_connection *connection;

	if (vsock->connections.length >= VSOCK_CONNECTIONS_MAX) {
		close(fd);
		return NULL;
	}
	connection = g_new0(struct vsock_connection, 1);
	connection->vsock = vsock;
	connection->state = state;
	connection->fd = fd;
	connection->in_all.data = connection;
	connection->in_ready.data = connection;
	if (!watch(connection)) {
		close(fd);
		g_free(connection);
		return NULL;
	}
	g_queue_push_tail_link(&vsock->connections, &connection->in_all);
	return connection;
}

/* The guest's side of it: nothing more is sent to it or taken from it. */
static void forget(struct vsock_connection *connection)
{
	struct vsock *vsock = connection->vsock;

	if (connection->ready)
		g_queue_unlink(&vsock->ready, &connection->in_ready);
	if (connection->known)
		g_hash_table_remove(vsock->table, connection);
	connection->ready = false;
	connection->known = false;
	connection->requested = false;
}

void vsock_connection_free(struct vsock_connection *connection)
{
	forget(connection);
	g_queue_unlink(&connection->vsock->connections, &connection->in_all);
	close(connection->fd);		/* which takes it out of the epoll as well */
	g_free(connection->buffer);
	g_free(connection);
}

void vsock_forget_all(struct vsock *vsock)
{
	while (vsock->connections.head)
		vsock_connection_free(vsock->connections.head->data);
	vsock->first_reset = 0;
	vsock->reset_count = 0;
	if (vsock->alarm)
		set_alarm(vsock, 0);
}

static void tell(struct vsock_connection *connection)
{
	const struct vsock_reset reset = {
		.source_cid = VSOCK_HOST_CID,
		.source_port = connection->host_port,
		.port = connection->guest_port,
		.type = VIRTIO_VSOCK_TYPE_STREAM,
	};

	if (connection->requested)
		vsock_refuse(connection->vsock, &reset);
}

void vsock_connection_reset(struct vsock_connection *connection)
{
	tell(connection);
	vsock_connection_free(connection);
}

void vsock_connection_finish(struct vsock_connection *connection)
{
	tell(connection);
	if (!connection->held) {
		vsock_connection_free(connection);
		return;
	}
	forget(connection);
	connection->state = VSOCK_DRAINING;
	vsock_connection_limit(connection, DRAIN_SECONDS);
}

/*
 * There is always a place.  Packets of the guest, each of which can bring one answer or one
 * connection, are taken while fewer than VSOCK_RESETS_SOFT wait; the host's own connections
 * become the guest's business by a REQUEST, which is sent when none waits.  So answers and
 * connections together are never more than VSOCK_RESETS_MAX.
 */
void vsock_refuse(struct vsock *vsock, const struct vsock_reset *reset)
{
	g_assert(vsock->reset_count < VSOCK_RESETS_MAX);
	vsock->resets[(vsock->first_reset + vsock->reset_count++) % VSOCK_RESETS_MAX] = *reset;
}

void vsock_connection_wake(struct vsock_connection *connection)
{
	if (connection->ready || !connection->known)
		return;
	connection->ready = true;
	g_queue_push_tail_link(&connection->vsock->ready, &connection->in_ready);
}

void vsock_connection_shut(struct vsock_connection *connection, unsigned int what)
{
	const unsigned int both = VIRTIO_VSOCK_SHUTDOWN_RCV | VIRTIO_VSOCK_SHUTDOWN_SEND;

	if ((connection->shut & what) == what)
		return;
	connection->shut |= what;
	if (connection->shut == both)
		vsock_connection_limit(connection, CLOSE_SECONDS);
	vsock_connection_wake(connection);
}
