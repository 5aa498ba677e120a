// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Packets to the guest: answers first, then one of each connection in turn.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "internal.h"

#define HEADER_SIZE	sizeof(struct virtio_vsock_hdr)

/* ---------------------------------------------------------------- headers */

static struct virtio_vsock_hdr make_header(struct vsock_connection *connection, uint16_t op)
{
	const struct virtio_vsock_hdr header = {
		.src_cid = VSOCK_HOST_CID,
		.dst_cid = vsock_cid(connection->vsock),
		.src_port = connection->host_port,
		.dst_port = connection->guest_port,
		.type = VIRTIO_VSOCK_TYPE_STREAM,
		.op = op,
		.buf_alloc = VSOCK_BUFFER_SIZE,
		.fwd_cnt = connection->taken,
	};

	connection->taken_told = connection->taken;
	connection->pending &= ~VSOCK_SEND_CREDIT;
	return header;
}

static size_t put_header(struct virtqueue_chain *chain, const struct virtio_vsock_hdr *header)
{
	return virtqueue_chain_write(chain, 0, header, HEADER_SIZE);
}

static size_t put_reset(struct vsock *vsock, struct virtqueue_chain *chain)
{
	const struct vsock_reset *reset = &vsock->resets[vsock->first_reset];
	const struct virtio_vsock_hdr header = {
		.src_cid = reset->source_cid,
		.dst_cid = vsock_cid(vsock),
		.src_port = reset->source_port,
		.dst_port = reset->port,
		.type = reset->type,
		.op = VIRTIO_VSOCK_OP_RST,
	};

	vsock->first_reset = (vsock->first_reset + 1) % VSOCK_RESETS_MAX;
	vsock->reset_count--;
	return put_header(chain, &header);
}

/* ---------------------------------------------------------------- bytes */

/* Bytes that the guest has room for; none if what it says makes no sense. */
static uint32_t credit(const struct vsock_connection *connection)
{
	uint32_t used = connection->sent - connection->guest_taken;

	return used < connection->guest_size ? connection->guest_size - used : 0;
}

/* Into the guest's buffer, behind the header.  A count, 0 at the end, or -errno. */
static ssize_t receive(struct vsock_connection *connection, struct virtqueue_chain *chain,
		       uint32_t limit)
{
	struct iovec *iov = connection->vsock->iov;
	struct msghdr message = { .msg_iov = iov };
	ssize_t count;

	message.msg_iovlen = virtqueue_iov_slice(chain->writable, chain->writable_count,
						 HEADER_SIZE, limit, iov);
	do
		count = recvmsg(connection->fd, &message, MSG_DONTWAIT);
	while (count < 0 && errno == EINTR);
	return count < 0 ? -errno : count;
}

/* Bytes of the chain, 0: nothing to send.  May end the connection: then it is 0. */
static size_t put_bytes(struct vsock_connection *connection, struct virtqueue_chain *chain,
			bool *ended)
{
	uint32_t limit = MIN(credit(connection), chain->writable_length - HEADER_SIZE);
	struct virtio_vsock_hdr header;
	ssize_t count;

	if (!limit)
		return 0;
	count = receive(connection, chain, limit);
	if (count > 0) {
		header = make_header(connection, VIRTIO_VSOCK_OP_RW);
		header.len = count;
		connection->sent += count;
		return put_header(chain, &header) + count;
	}
	if (count < 0 && count != -EAGAIN) {
		vsock_connection_reset(connection);
		*ended = true;
		return 0;
	}
	connection->readable = false;
	if (!count)
		vsock_connection_shut(connection, VIRTIO_VSOCK_SHUTDOWN_SEND);
	return 0;
}

/* ---------------------------------------------------------------- a connection's next packet */

static const struct {
	unsigned int pending;
	uint16_t op;
} first_packets[] = {
	{ VSOCK_SEND_REQUEST, VIRTIO_VSOCK_OP_REQUEST },
	{ VSOCK_SEND_RESPONSE, VIRTIO_VSOCK_OP_RESPONSE },
}, later_packets[] = {
	{ VSOCK_SEND_CREDIT, VIRTIO_VSOCK_OP_CREDIT_UPDATE },
	{ VSOCK_ASK_CREDIT, VIRTIO_VSOCK_OP_CREDIT_REQUEST },
};

static size_t put_first(struct vsock_connection *connection, struct virtqueue_chain *chain)
{
	struct virtio_vsock_hdr header;

	for (size_t i = 0; i < G_N_ELEMENTS(first_packets); i++) {
		if (!(connection->pending & first_packets[i].pending))
			continue;
		connection->pending &= ~first_packets[i].pending;
		connection->requested = true;
		header = make_header(connection, first_packets[i].op);
		return put_header(chain, &header);
	}
	return 0;
}

static size_t put_later(struct vsock_connection *connection, struct virtqueue_chain *chain)
{
	struct virtio_vsock_hdr header;

	for (size_t i = 0; i < G_N_ELEMENTS(later_packets); i++) {
		if (!(connection->pending & later_packets[i].pending))
			continue;
		connection->pending &= ~later_packets[i].pending;
		header = make_header(connection, later_packets[i].op);
		return put_header(chain, &header);
	}
	if (connection->shut == connection->shut_told)
		return 0;
	connection->shut_told = connection->shut;
	header = make_header(connection, VIRTIO_VSOCK_OP_SHUTDOWN);
	header.flags = connection->shut;
	return put_header(chain, &header);
}

static bool wants_bytes(const struct vsock_connection *connection)
{
	return connection->state == VSOCK_OPEN && connection->readable &&
	       !(connection->guest_shut & VIRTIO_VSOCK_SHUTDOWN_RCV);
}

static size_t put_next(struct vsock_connection *connection, struct virtqueue_chain *chain,
		       bool *ended)
{
	bool starved = wants_bytes(connection) && !credit(connection);
	size_t size = put_first(connection, chain);

	connection->asked &= starved;
	if (!size && wants_bytes(connection))
		size = put_bytes(connection, chain, ended);
	if (size || *ended)
		return size;
	if (starved && !connection->asked) {
		connection->pending |= VSOCK_ASK_CREDIT;
		connection->asked = true;
	}
	return put_later(connection, chain);
}

/* The first one that is ready, which goes behind the others if it has sent something. */
static size_t put_connection(struct vsock *vsock, struct virtqueue_chain *chain)
{
	struct vsock_connection *connection = vsock->ready.head->data;
	bool ended = false;
	size_t size;

	g_queue_unlink(&vsock->ready, &connection->in_ready);
	connection->ready = false;
	size = put_next(connection, chain, &ended);
	if (size && !ended)
		vsock_connection_wake(connection);
	return size;
}

/* ---------------------------------------------------------------- all */

static bool anything(const struct vsock *vsock)
{
	return vsock->reset_count || vsock->ready.length;
}

/* True: the guest has given a buffer meanwhile. */
static bool wait_for_buffers(struct vsock *vsock)
{
	struct virtqueue *queue = virtio_queue(&vsock->virtio, VSOCK_RECEIVE);

	return !queue->broken && virtqueue_enable_notify(queue);
}

/* False: there is no buffer. */
static bool fill_one(struct vsock *vsock, unsigned int *done)
{
	struct virtqueue *queue = virtio_queue(&vsock->virtio, VSOCK_RECEIVE);
	struct virtqueue_chain *chain = virtqueue_pop(queue);
	size_t size;

	if (!chain)
		return false;
	if (chain->writable_length <= HEADER_SIZE) {
		virtqueue_unpop(queue, chain);
		virtqueue_break(queue, "receive buffers without room");
		return false;
	}
	if (vsock->reset_count)
		size = put_reset(vsock, chain);
	else
		size = put_connection(vsock, chain);
	if (!size) {
		virtqueue_unpop(queue, chain);
		return true;
	}
	chain->touched = size;
	virtqueue_push(queue, chain, size);
	(*done)++;
	return true;
}

/* Each turn of the loop sends a packet or makes a connection not ready, so it ends. */
bool vsock_fill_guest(struct vsock *vsock)
{
	unsigned int waiting = vsock->reset_count, done = 0;
	bool starved = false;

	virtqueue_disable_notify(virtio_queue(&vsock->virtio, VSOCK_RECEIVE));
	while (!starved && done < VSOCK_BATCH && anything(vsock))
		starved = !fill_one(vsock, &done);
	virtio_device_commit(&vsock->virtio, VSOCK_RECEIVE);
	if (starved)
		return wait_for_buffers(vsock);
	/* Packets of the guest may have waited for the answers to go. */
	return done == VSOCK_BATCH || (waiting >= VSOCK_RESETS_SOFT && done);
}
