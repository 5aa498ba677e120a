/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What device.c shares with receive.c and transmit.c.
 */
#ifndef MICA_VMM_DEVICES_NET_INTERNAL_H
#define MICA_VMM_DEVICES_NET_INTERNAL_H

#include <linux/virtio_net.h>

#include "../../virtio/iothread.h"
#include "device.h"

#define RECEIVE		0u	/* queues */
#define TRANSMIT	1u
#define QUEUE_SIZE	256u
/* Frames in one direction before the other one has its turn. */
#define BATCH		64u

/* [i] constant; [d] the thread, or who paused it. */
struct net_device {
	struct virtio_device virtio;	/* the first member */
	struct iothread *thread;	/* [i] */
	struct net *net;		/* [d] */
	struct virtio_net_config config;	/* [i] */
	unsigned int watch;		/* [i] of net->fd */
	unsigned int header;		/* [d] bytes before each frame */
	bool mergeable;			/* [d] a frame may take several buffers */
	bool gone;			/* [d] the host's end is closed */
	size_t held;			/* [d] bytes in `frame` that wait for buffers */
	uint8_t frame[NET_HEADER_MAX + NET_FRAME_MAX];	/* [d] */
};

/* Both return true if they stopped before everything was done. */
bool net_receive_frames(struct net_device *device);
bool net_transmit_frames(struct net_device *device);

#endif
