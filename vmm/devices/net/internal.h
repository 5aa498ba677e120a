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
#define QUEUES		2u
#define QUEUE_SIZE	256u
/* Frames in one direction before the other one has its turn. */
#define BATCH		64u

/* [i] constant; [d] the thread, or who paused it. */
struct net_device {
	struct virtio_device virtio;	/* the first member */
	struct iothread *thread;	/* [i] */
	struct net_vhost *vhost;	/* [d] NULL: the host's kernel does not move frames */
	struct net *net;		/* [d] */
	struct virtio_net_config config;	/* [i] */
	unsigned int watch;		/* [i] of net->fd */
	unsigned int header;		/* [d] bytes before each frame */
	bool mergeable;			/* [d] a frame may take several buffers */
	bool gone;			/* [d] the host's end is closed */
	size_t held;			/* [d] bytes in `frame` that wait for buffers */
	uint8_t frame[NET_HEADER_MAX + NET_FRAME_MAX];	/* [d] */
};

/* vhost.c: [d] all of them.  Makes device->vhost if it can; frees it. */
void net_vhost_new(struct net_device *device);
void net_vhost_free(struct net_device *device);
/* What the driver's notifications must be written to if there is device->vhost. */
int net_vhost_kick_fd(const struct net_device *device, unsigned int queue);
/* Hands the queues to the kernel if it can take them; takes them back. */
void net_vhost_start(struct net_device *device);
void net_vhost_stop(struct net_device *device);
/* The thread was woken: false if the frames are its own business. */
bool net_vhost_works(struct net_device *device);

/* Both return true if they stopped before everything was done. */
bool net_receive_frames(struct net_device *device);
bool net_transmit_frames(struct net_device *device);

#endif
