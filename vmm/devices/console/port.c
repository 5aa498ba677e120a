// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Bytes of one port in both directions.
 */
#include "internal.h"

/* Bytes that are moved together, and how often before others have their turn. */
#define CHUNK	4096u
#define BATCH	16u

/* "Multiport Device Operation": queues 0 and 1, and from 4 on. */
static unsigned int receive_queue(const struct console_port *port)
{
	return port->id ? 2 * port->id + 2 : 0;
}

static unsigned int transmit_queue(const struct console_port *port)
{
	return receive_queue(port) + 1;
}

/* Without MULTIPORT there is the console alone, and nobody opens it. */
bool console_port_open(const struct console_device *device, const struct console_port *port)
{
	return console_multiport(device) ? port->guest_open : port->id == 0;
}

/* ---------------------------------------------------------------- from the guest */

/* Moves some bytes of port->sending.  False: the host's end is full. */
static bool send_some(struct console_port *port)
{
	uint8_t bytes[CHUNK];
	size_t count = virtqueue_chain_read(port->sending, port->sent, bytes, sizeof(bytes));
	size_t taken = count;

	if (count)
		taken = port->end.put(port->end.opaque, bytes, count);
	port->sent += taken;
	port->blocked = taken < count;
	return !port->blocked;
}

static void sent(struct virtqueue *queue, struct console_port *port)
{
	port->sending->touched = 0;
	virtqueue_push(queue, g_steal_pointer(&port->sending), 0);
	port->sent = 0;
}

bool console_send(struct console_device *device, struct console_port *port)
{
	unsigned int number = transmit_queue(port);
	struct virtqueue *queue = virtio_queue(&device->virtio, number);
	unsigned int done;

	if (port->blocked)
		return false;
	virtqueue_disable_notify(queue);
	for (done = 0; done < BATCH; done++) {
		if (!port->sending)
			port->sending = virtqueue_pop(queue);
		if (!port->sending || !send_some(port))
			break;
		if (port->sent >= port->sending->readable_length)
			sent(queue, port);
	}
	virtio_device_commit(&device->virtio, number);
	return done == BATCH || (!port->blocked && virtqueue_enable_notify(queue));
}

/* ---------------------------------------------------------------- to the guest */

/* Buffers that the driver adds meanwhile count as well, so their number is bounded here. */
static size_t receive(struct virtqueue *queue, const uint8_t *bytes, size_t count)
{
	struct virtqueue_chain *chain;
	size_t taken = 0, part;

	for (unsigned int i = 0; i < QUEUE_SIZE && taken < count; i++) {
		chain = virtqueue_pop(queue);
		if (!chain)
			break;
		part = virtqueue_chain_write(chain, 0, bytes + taken, count - taken);
		chain->touched = part;
		taken += part;
		virtqueue_push(queue, chain, part);
	}
	return taken;
}

size_t console_input(struct virtio_device *virtio, unsigned int number, const uint8_t *bytes,
		     size_t count)
{
	struct console_device *device = (struct console_device *)virtio;
	struct console_port *port = &device->ports[number];
	unsigned int queue = receive_queue(port);
	size_t taken = 0;

	port->starved = true;
	if (!console_works(device) || !console_port_open(device, port))
		return 0;
	virtqueue_disable_notify(virtio_queue(virtio, queue));
	taken = receive(virtio_queue(virtio, queue), bytes, count);
	virtio_device_commit(virtio, queue);
	port->starved = taken < count;
	if (port->starved && virtqueue_enable_notify(virtio_queue(virtio, queue)))
		virtio_kick(device->kick);
	return taken;
}

void console_port_let_go(struct console_device *device, struct console_port *port)
{
	if (port->sending)
		virtqueue_unpop(virtio_queue(&device->virtio, transmit_queue(port)),
				g_steal_pointer(&port->sending));
}

void console_port_reset(struct console_device *device, struct console_port *port)
{
	struct virtqueue *queue = virtio_queue(&device->virtio, transmit_queue(port));

	if (port->sending)
		virtqueue_drop(queue, g_steal_pointer(&port->sending));
	port->sent = 0;
	port->blocked = false;
	port->ready = false;
	port->guest_open = false;
	port->news = 0;
}
