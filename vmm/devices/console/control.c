// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Messages about ports ("Multiport Device Operation").  What the driver has to be told is a
 * mask for each port and not a queue: it does not grow if the driver gives no buffers.
 */
#include <string.h>

#include "internal.h"

/* Messages of the driver before others have their turn. */
#define BATCH	32u

/* ---------------------------------------------------------------- of the driver */

static void add_news(struct console_port *port, enum console_news news)
{
	port->news |= 1u << news;
}

static void device_ready(struct console_device *device)
{
	for (unsigned int i = 0; i < device->count; i++)
		add_news(&device->ports[i], NEWS_ADD);
}

static void port_ready(struct console_device *device, struct console_port *port)
{
	port->ready = true;
	add_news(port, port->name ? NEWS_NAME : NEWS_CONSOLE);
	add_news(port, NEWS_OPEN);
	if (!port->name && device->config.cols)
		add_news(port, NEWS_SIZE);
}

static struct console_port *find_port(struct console_device *device, uint32_t id)
{
	for (unsigned int i = 0; i < device->count; i++)
		if (device->ports[i].id == id)
			return &device->ports[i];
	return NULL;
}

/* A driver that could not set something up says so by the value 0, and the port stays silent.
 * Ports and events that do not exist are passed over. */
static void handle(struct console_device *device, const struct virtio_console_control *message)
{
	struct console_port *port;

	if (message->event == VIRTIO_CONSOLE_DEVICE_READY && message->value)
		device_ready(device);
	port = find_port(device, message->id);
	if (!port)
		return;
	if (message->event == VIRTIO_CONSOLE_PORT_READY && message->value)
		port_ready(device, port);
	else if (message->event == VIRTIO_CONSOLE_PORT_OPEN)
		port->guest_open = message->value;
}

bool console_take_messages(struct console_device *device)
{
	struct virtqueue *queue = virtio_queue(&device->virtio, CONTROL_TRANSMIT);
	struct virtio_console_control message;
	struct virtqueue_chain *chain;
	unsigned int done = 0;

	virtqueue_disable_notify(queue);
	while (done < BATCH && (chain = virtqueue_pop(queue))) {
		if (virtqueue_chain_read(chain, 0, &message, sizeof(message)) < sizeof(message)) {
			virtqueue_drop(queue, chain);
			virtqueue_break(queue, "a control message of a wrong length");
			return false;
		}
		handle(device, &message);
		chain->touched = 0;
		virtqueue_push(queue, chain, 0);
		done++;
	}
	virtio_device_commit(&device->virtio, CONTROL_TRANSMIT);
	return done == BATCH || virtqueue_enable_notify(queue);
}

/* ---------------------------------------------------------------- to the driver */

struct message {
	struct virtio_console_control header;
	uint8_t payload[CONSOLE_NAME_MAX];
	size_t payload_size;
};

static void make_name(const struct console_device *device, const struct console_port *port,
		      struct message *message)
{
	(void)device;
	message->header.event = VIRTIO_CONSOLE_PORT_NAME;
	message->header.value = 1;
	message->payload_size = strlen(port->name);
	memcpy(message->payload, port->name, message->payload_size);
}

static void make_add(const struct console_device *device, const struct console_port *port,
		     struct message *message)
{
	(void)device;
	(void)port;
	message->header.event = VIRTIO_CONSOLE_PORT_ADD;
}

static void make_console(const struct console_device *device, const struct console_port *port,
			 struct message *message)
{
	(void)device;
	(void)port;
	message->header.event = VIRTIO_CONSOLE_CONSOLE_PORT;
	message->header.value = 1;
}

static void make_open(const struct console_device *device, const struct console_port *port,
		      struct message *message)
{
	(void)device;
	message->header.event = VIRTIO_CONSOLE_PORT_OPEN;
	message->header.value = port->connected;
}

/* struct virtio_console_resize of the standard: columns, then rows. */
static void make_size(const struct console_device *device, const struct console_port *port,
		      struct message *message)
{
	const uint16_t size[] = { device->config.cols, device->config.rows };

	(void)port;
	message->header.event = VIRTIO_CONSOLE_RESIZE;
	message->payload_size = sizeof(size);
	memcpy(message->payload, size, sizeof(size));
}

static void (*const makers[])(const struct console_device *device,
			      const struct console_port *port, struct message *message) = {
	[NEWS_ADD] = make_add,
	[NEWS_CONSOLE] = make_console,
	[NEWS_NAME] = make_name,
	[NEWS_OPEN] = make_open,
	[NEWS_SIZE] = make_size,
};

/* False: there is no buffer for it. */
static bool give(struct console_device *device, struct console_port *port, enum console_news news)
{
	struct virtqueue *queue = virtio_queue(&device->virtio, CONTROL_RECEIVE);
	struct virtqueue_chain *chain = virtqueue_pop(queue);
	struct message message = { .header.id = port->id };
	size_t size;

	if (!chain)
		return false;
	makers[news](device, port, &message);
	size = sizeof(message.header) + message.payload_size;
	if (chain->writable_length < size) {
		virtqueue_drop(queue, chain);
		virtqueue_break(queue, "a buffer that is too short for a control message");
		return false;
	}
	virtqueue_chain_write(chain, 0, &message.header, sizeof(message.header));
	virtqueue_chain_write(chain, sizeof(message.header), message.payload,
			      message.payload_size);
	chain->touched = size;
	virtqueue_push(queue, chain, size);
	port->news &= ~(1u << news);
	return true;
}

/* False: something is left to be told. */
static bool give_all(struct console_device *device, struct console_port *port)
{
	for (enum console_news news = 0; news < NEWS_COUNT; news++)
		if ((port->news >> news & 1) && !give(device, port, news))
			return false;
	return true;
}

bool console_give_messages(struct console_device *device)
{
	struct virtqueue *queue = virtio_queue(&device->virtio, CONTROL_RECEIVE);
	bool all = true;

	virtqueue_disable_notify(queue);
	for (unsigned int i = 0; all && i < device->count; i++)
		all = give_all(device, &device->ports[i]);
	virtio_device_commit(&device->virtio, CONTROL_RECEIVE);
	return !all && virtqueue_enable_notify(queue);
}
