/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A console with one or several ports: streams of bytes in both directions between a file of
 * the guest (/dev/hvc0, /dev/virtio-ports/NAME) and an end on the host.
 *
 * Source: VIRTIO 1.2, "Console Device".
 *
 * Port 0 is the guest's console, if there is one.  The others have names.  All is done on the
 * main loop, with the machine's lock held; what the host does not take stays in the guest's
 * buffers, and what the guest does not take stays at the host's end.
 */
#ifndef MICA_VMM_DEVICES_CONSOLE_DEVICE_H
#define MICA_VMM_DEVICES_CONSOLE_DEVICE_H

#include <pthread.h>

#include "../../virtio/device.h"

#define CONSOLE_PORTS_MAX	16u	/* with port 0 */
#define CONSOLE_NAME_MAX	64u	/* bytes */

struct uv_loop_s;

/* The host's end of a port: called by the main thread with the machine's lock held. */
struct console_end {
	/* Takes bytes of the guest, or throws them away; returns how many.  After less than
	 * all console_writable() must be called once there is room again. */
	size_t (*put)(void *opaque, const uint8_t *bytes, size_t count);
	/* The guest may take more, after console_input() did not take all. */
	void (*room)(void *opaque);
	void *opaque;
};

struct console_port_config {
	const char *name;		/* NULL: port 0, the console */
	struct console_end end;
	bool connected;			/* somebody is there from the start */
};

struct console_device_config {
	const char *name;
	const struct console_port_config *ports;	/* the console, if any, is the first */
	unsigned int count;		/* 1..CONSOLE_PORTS_MAX, less one without a console */
};

/* The names, `memory` and `lock`, the machine's, must outlive it.  Ports are told apart by
 * their place in `config->ports` from then on. */
struct virtio_device *console_device_new(const struct console_device_config *config,
					 const struct virtio_memory *memory,
					 struct uv_loop_s *loop, pthread_mutex_t *lock,
					 GError **error);

/* All by the main thread with the machine's lock held. */

/* Bytes for the guest; returns how many it took. */
size_t console_input(struct virtio_device *device, unsigned int port, const uint8_t *bytes,
		     size_t count);
/* There is room at the host's end again. */
void console_writable(struct virtio_device *device, unsigned int port);
/* Somebody came to the host's end, or went. */
void console_connected(struct virtio_device *device, unsigned int port, bool connected);
/* The guest has the port open. */
bool console_guest_open(const struct virtio_device *device, unsigned int port);
/* The size of port 0's terminal.  Without effect if there is none. */
void console_resize(struct virtio_device *device, uint16_t columns, uint16_t rows);

#endif
