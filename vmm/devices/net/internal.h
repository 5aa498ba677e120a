/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What device.c shares with receive.c, transmit.c and control.c.
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

/* [i] constant; [d] the pair's thread, or who paused it; [c] the first pair's; [a] atomic. */

/* A queue to the guest and one from it, the host's queue, and their thread. */
struct net_pair {
	struct net_device *device;	/* [i] */
	unsigned int index;		/* [i] */
	char *name;			/* [i] */
	struct iothread *thread;	/* [i] */
	struct net *net;		/* [i] */
	unsigned int watch;		/* [i] of net->fd */
	atomic_bool on;			/* [a] the host uses it for frames to the guest */
	bool gone;			/* [d] the host's end is closed */
	size_t held;			/* [d] bytes in `frame` that wait for buffers */
	uint8_t frame[NET_HEADER_MAX + NET_FRAME_MAX];	/* [d] */
};

struct net_device {
	struct virtio_device virtio;	/* the first member */
	struct virtio_net_config config;	/* [i] but for a load */
	unsigned int pair_count;	/* [i] */
	struct net_pair *pairs[NET_QUEUES_MAX];	/* [i] */
	/* [d] of the first pair; NULL: the host's kernel does not move frames */
	struct net_vhost *vhost;
	/* Set when all threads are paused: */
	unsigned int quiet_pairs;	/* in use when it became quiet */
	bool loaded;			/* the host's end is not yet as the driver wants it */
	unsigned int header;		/* bytes before each frame */
	bool mergeable;			/* a frame may take several buffers */
};

static inline unsigned int net_receive_queue(const struct net_pair *pair)
{
	return 2 * pair->index;
}

static inline unsigned int net_transmit_queue(const struct net_pair *pair)
{
	return 2 * pair->index + 1;
}

/* vhost.c: [d] all of them.  Makes device->vhost if it can; frees it. */
void net_vhost_new(struct net_device *device);
void net_vhost_free(struct net_device *device);
/* What the driver's notifications must be written to if there is device->vhost. */
int net_vhost_kick_fd(const struct net_device *device, unsigned int queue);
/* Hands the queues to the kernel if it can take them; takes them back. */
void net_vhost_start(struct net_device *device);
void net_vhost_stop(struct net_device *device);
/* Stops as well, and this process can go on where the kernel was. */
void net_vhost_take_back(struct net_device *device);
/* After that: the kernel goes on, unless it cannot any more. */
void net_vhost_resume(struct net_device *device);
/* The thread was woken: false if the frames are its own business. */
bool net_vhost_works(struct net_device *device);

/* device.c: the host's end is as the driver wants it, with `pairs` of it in use; threads run. */
void net_start(struct net_device *device, unsigned int pairs);
void net_run_threads(struct net_device *device);
/* state.c */
gboolean net_quiesce(struct virtio_device *virtio, GError **error);
void net_go_on(struct virtio_device *virtio);
extern const struct virtio_state_ops net_state_ops;

/* Both return true if they stopped before everything was done. */
bool net_receive_frames(struct net_pair *pair);
bool net_transmit_frames(struct net_pair *pair);

/* control.c: the queue of commands, which the thread of one pair serves; UINT32_MAX: none. */
unsigned int net_control_queue(const struct net_device *device);
/* By that thread; true if it stopped before everything was done. */
bool net_control(struct net_pair *pair);
/* Which pairs the host uses: the first `count`.  0 or -errno. */
int net_use_pairs(struct net_device *device, unsigned int count);

#endif
