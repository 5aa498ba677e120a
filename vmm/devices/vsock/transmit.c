// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Packets of the guest.
 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "../../backends/unix_socket.h"
#include "internal.h"

#define BOTH	(VIRTIO_VSOCK_SHUTDOWN_RCV | VIRTIO_VSOCK_SHUTDOWN_SEND)

struct packet {
	struct virtio_vsock_hdr header;	/* a copy */
	const struct virtqueue_chain *chain;
};

static void refuse(struct vsock *vsock, const struct packet *packet)
{
	const struct vsock_reset reset = {
		.source_cid = packet->header.dst_cid,
		.source_port = packet->header.dst_port,
		.port = packet->header.src_port,
		.type = packet->header.type,
	};

	if (packet->header.op != VIRTIO_VSOCK_OP_RST)
		vsock_refuse(vsock, &reset);
}

static void take_credit(struct vsock_connection *connection, const struct packet *packet)
{
	connection->guest_size = packet->header.buf_alloc;
	connection->guest_taken = packet->header.fwd_cnt;
	if (connection->readable)
		vsock_connection_wake(connection);
}

/* ---------------------------------------------------------------- packets without connection */

/* The guest connects to a program of the host. */
static void take_request(struct vsock *vsock, const struct packet *packet)
{
	struct vsock_connection *connection = NULL;
	g_autofree char *path = g_strdup_printf("%s_%u", vsock->path, packet->header.dst_port);
	int fd = -1;

	if (vsock->connections.length < VSOCK_CONNECTIONS_MAX)
		fd = unix_socket_connect(path);
	if (fd >= 0)
		connection = vsock_connection_new(vsock, fd, VSOCK_OPEN);
	if (!connection) {
		refuse(vsock, packet);
		return;
	}
	connection->guest_port = packet->header.src_port;
	connection->host_port = packet->header.dst_port;
	connection->requested = true;
	connection->pending = VSOCK_SEND_RESPONSE;
	vsock_connection_register(connection);
	take_credit(connection, packet);
	vsock_connection_wake(connection);
}

/* ---------------------------------------------------------------- packets of a connection */

/* The host's program hears which port of ours is its connection's.  A new socket takes it. */
static void take_response(struct vsock_connection *connection, const struct packet *packet)
{
	char line[sizeof("OK \n") + VSOCK_PORT_DIGITS];
	int length = snprintf(line, sizeof(line), "OK %u\n", connection->host_port);

	(void)packet;
	if (connection->state != VSOCK_REQUESTED || !connection->requested ||
	    send(connection->fd, line, length, MSG_DONTWAIT | MSG_NOSIGNAL) != length) {
		vsock_connection_reset(connection);
		return;
	}
	connection->state = VSOCK_OPEN;
	vsock_connection_limit(connection, 0);
	vsock_connection_wake(connection);
}

static void take_reset(struct vsock_connection *connection, const struct packet *packet)
{
	(void)packet;
	connection->requested = false;	/* no answer */
	vsock_connection_finish(connection);
}

static void take_shutdown(struct vsock_connection *connection, const struct packet *packet)
{
	connection->guest_shut |= packet->header.flags & BOTH;
	if (connection->guest_shut == BOTH) {
		vsock_connection_finish(connection);
		return;
	}
	if (connection->guest_shut & VIRTIO_VSOCK_SHUTDOWN_RCV)
		shutdown(connection->fd, SHUT_RD);
	if (connection->guest_shut & VIRTIO_VSOCK_SHUTDOWN_SEND && !connection->held)
		shutdown(connection->fd, SHUT_WR);
}

static void take_bytes(struct vsock_connection *connection, const struct packet *packet)
{
	if (connection->guest_shut & VIRTIO_VSOCK_SHUTDOWN_SEND ||
	    packet->header.len > vsock_room(connection)) {
		vsock_connection_reset(connection);
		return;
	}
	vsock_pass(connection, packet->chain, sizeof(packet->header), packet->header.len);
}

/* The credit is in every packet. */
static void take_credit_update(struct vsock_connection *connection, const struct packet *packet)
{
	(void)connection;
	(void)packet;
}

static void take_credit_request(struct vsock_connection *connection, const struct packet *packet)
{
	(void)packet;
	connection->pending |= VSOCK_SEND_CREDIT;
	vsock_connection_wake(connection);
}

static const struct {
	void (*take)(struct vsock_connection *connection, const struct packet *packet);
	bool early;			/* also before the connection is open */
} operations[] = {
	[VIRTIO_VSOCK_OP_RESPONSE] = { take_response, true },
	[VIRTIO_VSOCK_OP_RST] = { take_reset, true },
	[VIRTIO_VSOCK_OP_SHUTDOWN] = { take_shutdown, false },
	[VIRTIO_VSOCK_OP_RW] = { take_bytes, false },
	[VIRTIO_VSOCK_OP_CREDIT_UPDATE] = { take_credit_update, false },
	[VIRTIO_VSOCK_OP_CREDIT_REQUEST] = { take_credit_request, false },
};

static void take_known(struct vsock_connection *connection, const struct packet *packet)
{
	unsigned int op = packet->header.op;

	if (op >= G_N_ELEMENTS(operations) || !operations[op].take ||
	    (connection->state != VSOCK_OPEN && !operations[op].early)) {
		vsock_connection_reset(connection);
		return;
	}
	take_credit(connection, packet);
	operations[op].take(connection, packet);
}

/* ---------------------------------------------------------------- all */

/* Nobody can be told of a packet that does not come from this guest. */
static void take_packet(struct vsock *vsock, const struct packet *packet)
{
	const struct virtio_vsock_hdr *header = &packet->header;
	struct vsock_connection *connection;

	if (header->src_cid != vsock_cid(vsock))
		return;
	if (header->dst_cid != VSOCK_HOST_CID || header->type != VIRTIO_VSOCK_TYPE_STREAM) {
		refuse(vsock, packet);
		return;
	}
	connection = vsock_find(vsock, header->src_port, header->dst_port);
	if (connection)
		take_known(connection, packet);
	else if (header->op == VIRTIO_VSOCK_OP_REQUEST)
		take_request(vsock, packet);
	else
		refuse(vsock, packet);
}

static bool take_chain(struct vsock *vsock, struct virtqueue_chain *chain)
{
	struct virtqueue *queue = virtio_queue(&vsock->virtio, VSOCK_TRANSMIT);
	struct packet packet = { .chain = chain };
	size_t size = sizeof(packet.header);
	bool good;

	good = virtqueue_chain_read(chain, 0, &packet.header, size) == size &&
	       packet.header.len <= chain->readable_length - size;
	if (good)
		take_packet(vsock, &packet);
	chain->touched = 0;
	virtqueue_push(queue, chain, 0);
	if (!good)
		virtqueue_break(queue, "a packet that is shorter than it says");
	return good;
}

bool vsock_take_packets(struct vsock *vsock)
{
	struct virtqueue *queue = virtio_queue(&vsock->virtio, VSOCK_TRANSMIT);
	struct virtqueue_chain *chain;
	unsigned int done = 0;
	bool more;

	virtqueue_disable_notify(queue);
	while (done < VSOCK_BATCH && vsock->reset_count < VSOCK_RESETS_SOFT &&
	       (chain = virtqueue_pop(queue)) && take_chain(vsock, chain))
		done++;
	/* While answers wait, the rest is taken when there are buffers for them. */
	if (vsock->reset_count >= VSOCK_RESETS_SOFT)
		more = false;
	else
		more = done == VSOCK_BATCH || virtqueue_enable_notify(queue);
	virtio_device_commit(&vsock->virtio, VSOCK_TRANSMIT);
	return more;
}
