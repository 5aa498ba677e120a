// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A console in a checkpoint.  Bytes are never between the two sides: what the host has not taken
 * is in the guest's buffers, and what the guest has not taken is at the host's end.
 */
#include <string.h>

#include "../../error.h"
#include "../../virtio/state.h"
#include "internal.h"

G_STATIC_ASSERT(CONSOLE_PORTS_MAX <= VIRTIO_CONSOLE_STATE_PORTS);
G_STATIC_ASSERT(CONSOLE_NAME_MAX <= VIRTIO_CONSOLE_STATE_NAME);

static struct console_device *console_of(struct virtio_device *device)
{
	return (struct console_device *)device;
}

gboolean console_quiesce(struct virtio_device *virtio, GError **error)
{
	struct console_device *device = console_of(virtio);

	(void)error;
	for (unsigned int i = 0; i < device->count; i++)
		console_port_let_go(device, &device->ports[i]);
	return TRUE;
}

/* The thread of the loop begins when it is asked: see virtio_device_go_on(). */
void console_go_on(struct virtio_device *virtio)
{
	struct console_device *device = console_of(virtio);

	if (device->resized)
		console_resize(virtio, device->columns, device->rows);
	device->resized = false;
	virtio_kick(device->kick);
}

/* ---------------------------------------------------------------- save */

static void save_port(const struct console_port *port, struct virtio_console_port_state *state)
{
	if (port->name)
		memcpy(state->name, port->name, strlen(port->name));
	state->sent = port->sent;
	state->connected = port->connected;
	state->ready = port->ready;
	state->guest_open = port->guest_open;
	state->news = port->news;
}

static void save(const struct virtio_device *virtio, void *to)
{
	const struct console_device *device = (const struct console_device *)virtio;
	struct virtio_console_state *state = to;

	state->columns = device->config.cols;
	state->rows = device->config.rows;
	state->count = device->count;
	for (unsigned int i = 0; i < device->count; i++)
		save_port(&device->ports[i], &state->ports[i]);
}

/* ---------------------------------------------------------------- check */

static bool same_name(const struct console_port *port,
		      const struct virtio_console_port_state *state)
{
	char name[VIRTIO_CONSOLE_STATE_NAME] = { 0 };

	if (port->name)
		memcpy(name, port->name, strlen(port->name));
	return memcmp(name, state->name, sizeof(name)) == 0;
}

static bool port_is_possible(const struct console_port *port, const struct virtio_state *common,
			     const struct virtio_console_port_state *state)
{
	bool multiport = common->active && (common->negotiated >> VIRTIO_CONSOLE_F_MULTIPORT & 1);
	unsigned int news = (1u << NEWS_COUNT) - 1;

	news &= ~(1u << (port->name ? NEWS_CONSOLE : NEWS_NAME));
	if (port->name)
		news &= ~(1u << NEWS_SIZE);
	if (state->connected > 1 || state->ready > 1 || state->guest_open > 1 ||
	    (state->news & ~news))
		return false;
	if (!multiport && (state->ready || state->guest_open || state->news))
		return false;
	return common->active || !state->sent;
}

static gboolean check_port(const struct virtio_device *virtio, unsigned int index,
			   const struct virtio_state *common,
			   const struct virtio_console_port_state *state, GError **error)
{
	const struct console_device *device = (const struct console_device *)virtio;
	const struct console_port *port = &device->ports[index];

	if (!same_name(port, state))
		return virtio_state_error(virtio, error, "its port %u was saved with another name: "
					  "give it the same ports in the same order", index);
	if (!port_is_possible(port, common, state))
		return virtio_state_error(virtio, error, "the state of its port %u is none that it "
					  "can have", index);
	return TRUE;
}

static gboolean check(const struct virtio_device *virtio, const struct virtio_state *common,
		      const void *from, GError **error)
{
	const struct console_device *device = (const struct console_device *)virtio;
	static const struct virtio_console_port_state none;
	const struct virtio_console_state *state = from;

	if (state->count != device->count)
		return virtio_state_error(virtio, error, "it was saved with %u ports and has %u",
					  state->count, device->count);
	if (device->ports[0].name && (state->columns || state->rows))
		return virtio_state_error(virtio, error, "it was saved with a size, but has no "
					  "terminal");
	for (unsigned int i = 0; i < device->count; i++)
		if (!check_port(virtio, i, common, &state->ports[i], error))
			return FALSE;
	for (unsigned int i = device->count; i < VIRTIO_CONSOLE_STATE_PORTS; i++)
		if (memcmp(&state->ports[i], &none, sizeof(none)))
			return virtio_state_error(virtio, error, "its state has ports that do not "
						  "exist");
	return TRUE;
}

/* ---------------------------------------------------------------- load */

/* The host's ends are this process's: whether somebody is there now, and has room, they know. */
static void load_port(struct console_port *port, const struct virtio_console_port_state *state)
{
	port->sent = state->sent;
	port->ready = state->ready;
	port->guest_open = state->guest_open;
	port->news = state->news;
	if (port->ready && port->connected != state->connected)
		port->news |= 1u << NEWS_OPEN;
}

static void load(struct virtio_device *virtio, const void *from)
{
	struct console_device *device = console_of(virtio);
	const struct virtio_console_state *state = from;
	bool known = device->config.cols && device->config.rows;

	device->columns = device->config.cols;
	device->rows = device->config.rows;
	device->resized = known && virtio->active;
	if (virtio->active || !known) {
		device->config.cols = state->columns;
		device->config.rows = state->rows;
	}
	for (unsigned int i = 0; i < device->count; i++)
		load_port(&device->ports[i], &state->ports[i]);
}

const struct virtio_state_ops console_state_ops = {
	.size = sizeof(struct virtio_console_state),
	.save = save,
	.check = check,
	.load = load,
};
