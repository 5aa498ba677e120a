// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The device: what it offers, and its work on the main loop.
 */
#include <string.h>

#include "internal.h"

static struct console_device *console_of(struct virtio_device *device)
{
	return (struct console_device *)device;
}

/* The ends are asked last: they give what they have by console_input(). */
static void work(void *opaque)
{
	struct console_device *device = opaque;
	struct console_port *port;
	bool more = false;

	if (!console_works(device))
		return;
	if (console_multiport(device)) {
		more = console_take_messages(device);
		more |= console_give_messages(device);
	}
	for (unsigned int i = 0; i < device->count; i++) {
		port = &device->ports[i];
		if (console_multiport(device) || !port->id)
			more |= console_send(device, port);
		if (port->starved && console_port_open(device, port)) {
			port->starved = false;
			port->end.room(port->end.opaque);
		}
	}
	if (more)
		virtio_kick(device->kick);
}

/* ---------------------------------------------------------------- what the host says */

void console_writable(struct virtio_device *virtio, unsigned int number)
{
	struct console_device *device = console_of(virtio);

	device->ports[number].blocked = false;
	virtio_kick(device->kick);
}

/* An end where nobody is takes all and throws it away. */
void console_connected(struct virtio_device *virtio, unsigned int number, bool connected)
{
	struct console_device *device = console_of(virtio);
	struct console_port *port = &device->ports[number];

	if (port->connected == connected)
		return;
	port->connected = connected;
	port->blocked = false;
	if (port->ready)
		port->news |= 1u << NEWS_OPEN;
	virtio_kick(device->kick);
}

bool console_guest_open(const struct virtio_device *virtio, unsigned int number)
{
	const struct console_device *device = (const struct console_device *)virtio;

	return virtio->active && console_port_open(device, &device->ports[number]);
}

/* A driver with MULTIPORT gets a message, others look into the configuration space. */
void console_resize(struct virtio_device *virtio, uint16_t columns, uint16_t rows)
{
	struct console_device *device = console_of(virtio);
	struct console_port *port = &device->ports[0];

	if (port->name || (device->config.cols == columns && device->config.rows == rows))
		return;
	device->config.cols = columns;
	device->config.rows = rows;
	if (port->ready)
		port->news |= 1u << NEWS_SIZE;
	virtio_device_config_changed(virtio);
	virtio_kick(device->kick);
}

/* ---------------------------------------------------------------- life */

/* Linux looks at the size in the configuration space only when that is said to have changed. */
static void console_activate(struct virtio_device *virtio)
{
	struct console_device *device = console_of(virtio);

	if (device->config.cols && !console_multiport(device))
		virtio_device_config_changed(virtio);
	virtio_kick(device->kick);
}

/* By any thread: the ends hear of it when they are asked the next time. */
static void console_reset(struct virtio_device *virtio)
{
	struct console_device *device = console_of(virtio);

	for (unsigned int i = 0; i < device->count; i++)
		console_port_reset(device, &device->ports[i]);
}

static void console_notify(struct virtio_device *device, unsigned int queue)
{
	(void)queue;
	virtio_kick(console_of(device)->kick);
}

static void console_free(struct virtio_device *virtio)
{
	struct console_device *device = console_of(virtio);

	virtio_kick_free(device->kick);
	virtio_device_clear(virtio);
	g_free(device);
}

static const struct virtio_device_ops console_ops = {
	.activate = console_activate,
	.reset = console_reset,
	.notify = console_notify,
	.free = console_free,
	.quiesce = console_quiesce,
	.go_on = console_go_on,
	.state = &console_state_ops,
};

/* Without a console there is no port 0. */
static void add_ports(struct console_device *device, const struct console_device_config *config)
{
	uint32_t first = config->ports[0].name ? 1 : 0;

	g_assert(config->count && config->count + first <= CONSOLE_PORTS_MAX);
	for (unsigned int i = 0; i < config->count; i++) {
		g_assert(!config->ports[i].name || strlen(config->ports[i].name) <=
			 CONSOLE_NAME_MAX);
		device->ports[i].end = config->ports[i].end;
		device->ports[i].name = config->ports[i].name;
		device->ports[i].connected = config->ports[i].connected;
		device->ports[i].id = i + first;
		/* The ends have not been asked for anything yet. */
		device->ports[i].starved = true;
	}
	device->count = config->count;
	device->config.max_nr_ports = config->count + first;
}

/* A console alone is what drivers of all times know. */
static void init_virtio(struct console_device *device, const char *name,
			const struct virtio_memory *memory)
{
	struct virtio_device *virtio = &device->virtio;
	uint32_t ports = device->config.max_nr_ports;

	virtio->ops = &console_ops;
	virtio->name = name;
	virtio->type = VIRTIO_ID_CONSOLE;
	virtio->queue_count = ports > 1 ? 2 * ports + 2 : 2;
	virtio->queue_size = QUEUE_SIZE;
	if (ports > 1)
		virtio->offered |= VIRTIO_BIT(VIRTIO_CONSOLE_F_MULTIPORT);
	if (!device->ports[0].name)
		virtio->offered |= VIRTIO_BIT(VIRTIO_CONSOLE_F_SIZE);
	virtio->config = &device->config;
	virtio->config_size = offsetof(struct virtio_console_config, emerg_wr);
	virtio_device_init(virtio, memory);
}

struct virtio_device *console_device_new(const struct console_device_config *config,
					 const struct virtio_memory *memory,
					 struct uv_loop_s *loop, pthread_mutex_t *lock,
					 GError **error)
{
	struct console_device *device = g_new0(struct console_device, 1);

	device->kick = virtio_kick_new(loop, lock, work, device, error);
	if (!device->kick) {
		g_free(device);
		return NULL;
	}
	add_ports(device, config);
	init_virtio(device, config->name, memory);
	return &device->virtio;
}
