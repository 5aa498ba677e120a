/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What device.c shares with port.c and control.c.
 */
#ifndef MICA_VMM_DEVICES_CONSOLE_INTERNAL_H
#define MICA_VMM_DEVICES_CONSOLE_INTERNAL_H

#include <linux/virtio_console.h>

#include "../../virtio/kick.h"
#include "device.h"

#define QUEUE_SIZE		64u
#define CONTROL_RECEIVE		2u	/* queues */
#define CONTROL_TRANSMIT	3u

/* What a driver still has to be told of a port, in this order. */
enum console_news {
	NEWS_ADD,
	NEWS_CONSOLE,
	NEWS_NAME,
	NEWS_OPEN,
	NEWS_SIZE,
	NEWS_COUNT,
};

struct console_port {
	struct console_end end;
	const char *name;		/* NULL: the console */
	uint32_t id;			/* the driver's number */
	bool connected;			/* the host's end is */
	bool ready;			/* the driver knows the port */
	bool guest_open;
	bool blocked;			/* the host's end has no room */
	bool starved;			/* the guest had no room for input */
	uint8_t news;			/* mask of enum console_news */
	struct virtqueue_chain *sending;	/* the guest's; NULL: it has not been taken (again) */
	uint32_t sent;			/* bytes of it that are gone */
};

/* All under the machine's lock. */
struct console_device {
	struct virtio_device virtio;	/* the first member */
	struct virtio_kick *kick;
	struct virtio_console_config config;
	struct console_port ports[CONSOLE_PORTS_MAX];
	unsigned int count;
	uint16_t columns, rows;		/* if `resized`: the terminal's, of which the guest has */
	bool resized;			/* to be told, once a device that was loaded goes on */
};

static inline bool console_multiport(const struct console_device *device)
{
	return virtio_device_has(&device->virtio, VIRTIO_CONSOLE_F_MULTIPORT);
}

/* The device works: it is active and its driver has broken nothing. */
static inline bool console_works(const struct console_device *device)
{
	return device->virtio.active && !device->virtio.quiet &&
	       !atomic_load(&device->virtio.needs_reset);
}

/* port.c.  Returns true if it stopped before everything was done. */
bool console_send(struct console_device *device, struct console_port *port);
bool console_port_open(const struct console_device *device, const struct console_port *port);
/* A reset: nothing is held any more. */
void console_port_reset(struct console_device *device, struct console_port *port);
/* The chain of which a part is sent goes back to its ring; console_send() goes on with the rest. */
void console_port_let_go(struct console_device *device, struct console_port *port);

/* state.c */
gboolean console_quiesce(struct virtio_device *virtio, GError **error);
void console_go_on(struct virtio_device *virtio);
extern const struct virtio_state_ops console_state_ops;

/* control.c: messages of the driver, and to it.  Likewise. */
bool console_take_messages(struct console_device *device);
bool console_give_messages(struct console_device *device);

#endif
