// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Frames from the guest to the host ("Packet Transmission").
 */
#include "internal.h"

/* What is not a header and a frame is lost, as is what the host does not take: it checks
 * the header and the frame itself. */
static void transmit(struct net_pair *pair, const struct virtqueue_chain *chain)
{
	unsigned int header = pair->device->header;

	if (chain->readable_length > header && chain->readable_length <= header + NET_FRAME_MAX &&
	    !pair->gone)
		net_send(pair->net, chain->readable, chain->readable_count);
}

bool net_transmit_frames(struct net_pair *pair)
{
	struct virtio_device *virtio = &pair->device->virtio;
	struct virtqueue *queue = virtio_queue(virtio, net_transmit_queue(pair));
	struct virtqueue_chain *chain;
	unsigned int done = 0;
	bool more;

	virtqueue_disable_notify(queue);
	while (done < BATCH && (chain = virtqueue_pop(queue))) {
		transmit(pair, chain);
		chain->touched = 0;
		virtqueue_push(queue, chain, 0);
		done++;
	}
	more = done == BATCH || virtqueue_enable_notify(queue);
	virtio_device_commit(virtio, net_transmit_queue(pair));
	return more;
}
