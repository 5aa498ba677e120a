// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Bytes from the guest to a program of the host ("Buffer Space Management").  What the
 * descriptor does not take at once is kept in the connection's buffer, for which the guest
 * has the credit.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "internal.h"

/* The guest may be waiting for credit when it has used half of it. */
#define TELL_AT		(VSOCK_BUFFER_SIZE / 2)

uint32_t vsock_room(const struct vsock_connection *connection)
{
	return VSOCK_BUFFER_SIZE - (connection->received - connection->taken);
}

/* `count` bytes need no room any more. */
static void give_credit(struct vsock_connection *connection, size_t count)
{
	connection->taken += count;
	if (connection->taken - connection->taken_told >= TELL_AT) {
		connection->pending |= VSOCK_SEND_CREDIT;
		vsock_connection_wake(connection);
	}
}

/* Bytes that were sent, or -errno. */
static ssize_t send_some(const struct vsock_connection *connection, struct iovec *iov,
			 unsigned int count)
{
	const struct msghdr message = { .msg_iov = iov, .msg_iovlen = count };
	ssize_t done;

	do
		done = sendmsg(connection->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (done < 0 && errno == EINTR);
	return done < 0 ? -errno : done;
}

/* The host's program reads no more: what is left is lost, and the guest is told. */
static void lose_rest(struct vsock_connection *connection)
{
	size_t lost = connection->held;

	connection->held = 0;
	g_clear_pointer(&connection->buffer, g_free);
	give_credit(connection, lost);
	vsock_connection_shut(connection, VIRTIO_VSOCK_SHUTDOWN_RCV);
}

/* There is room. */
static void keep(struct vsock_connection *connection, const struct virtqueue_chain *chain,
		 size_t offset, size_t length)
{
	size_t end = (connection->first + connection->held) % VSOCK_BUFFER_SIZE;
	size_t part = MIN(length, VSOCK_BUFFER_SIZE - end);

	if (!connection->buffer) {
		connection->buffer = g_malloc(VSOCK_BUFFER_SIZE);
		connection->first = end = 0;
		part = length;
	}
	virtqueue_chain_read(chain, offset, connection->buffer + end, part);
	virtqueue_chain_read(chain, offset + part, connection->buffer, length - part);
	connection->held += length;
}

void vsock_pass(struct vsock_connection *connection, const struct virtqueue_chain *chain,
		size_t offset, size_t length)
{
	struct iovec *iov = connection->vsock->iov;
	ssize_t done = 0;
	unsigned int count;

	connection->received += length;
	if (connection->shut & VIRTIO_VSOCK_SHUTDOWN_RCV) {
		give_credit(connection, length);
		return;
	}
	if (!connection->held && length) {
		count = virtqueue_iov_slice(chain->readable, chain->readable_count, offset, length,
					    iov);
		done = send_some(connection, iov, count);
		if (done == -EAGAIN)
			done = 0;
	}
	if (done < 0) {
		give_credit(connection, length);
		lose_rest(connection);
		return;
	}
	give_credit(connection, done);
	if ((size_t)done < length)
		keep(connection, chain, offset + done, length - done);
}

/* False: the descriptor takes no more now, or nothing is left. */
static bool flush_some(struct vsock_connection *connection)
{
	size_t part = MIN(connection->held, VSOCK_BUFFER_SIZE - connection->first);
	struct iovec iov = { connection->buffer + connection->first, part };
	ssize_t done;

	if (!connection->held)
		return false;
	done = send_some(connection, &iov, 1);
	if (done == -EAGAIN)
		return false;
	if (done < 0) {
		lose_rest(connection);
		return false;
	}
	connection->first = (connection->first + done) % VSOCK_BUFFER_SIZE;
	connection->held -= done;
	give_credit(connection, done);
	return true;
}

void vsock_flush(struct vsock_connection *connection)
{
	while (flush_some(connection))
		;
	if (connection->held)
		return;
	g_clear_pointer(&connection->buffer, g_free);
	if (connection->state == VSOCK_DRAINING)
		vsock_connection_free(connection);
	else if (connection->guest_shut & VIRTIO_VSOCK_SHUTDOWN_SEND)
		shutdown(connection->fd, SHUT_WR);
}
