// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Frames from the guest to the host ("Packet Transmission").
 */
#include "internal.h"

/* What is not a header and a frame is lost, as is what the host does not take: it checks
 * the header and the frame itself. */
static void transmit(struct net_device *device, const struct virtqueue_chain *chain)
{
	if (chain->readable_length > device->header &&
	    chain->readable_length <= device->header + NET_FRAME_MAX && !device->gone)
		net_send(device->net, chain->readable, chain->readable_count);
}

bool net_transmit_frames(struct net_device *device)
{
	struct virtqueue *queue = &device->virtio.queues[TRANSMIT];
	struct virtqueue_chain *chain;
	unsigned int done = 0;
	bool more;

	virtqueue_disable_notify(queue);
	while (done < BATCH && (chain = virtqueue_pop(queue))) {
		transmit(device, chain);
		chain->touched = 0;
		virtqueue_push(queue, chain, 0);
		done++;
	}
	more = done == BATCH || virtqueue_enable_notify(queue);
	virtio_device_commit(&device->virtio, TRANSMIT);
	return more;
}
