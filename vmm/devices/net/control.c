// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The driver's commands ("Control Virtqueue"), of which there is one: how many pairs of queues it
 * uses ("Device Operation in Multiqueue Mode").
 */
#include "internal.h"

/* Behind the pairs; without MQ the driver knows of one pair only. */
unsigned int net_control_queue(const struct net_device *device)
{
	if (!virtio_device_has(&device->virtio, VIRTIO_NET_F_CTRL_VQ))
		return UINT32_MAX;
	return virtio_device_has(&device->virtio, VIRTIO_NET_F_MQ) ? 2 * device->pair_count : 2;
}

/* A pair is turned off before the host's queue is, and on after it: its thread reads only what is
 * on, and takes an error for the host's end only then. */
static int use_pair(struct net_pair *pair, bool on)
{
	int error;

	if (atomic_load(&pair->on) == on)
		return 0;
	if (!on)
		atomic_store(&pair->on, false);
	error = net_enable(pair->net, on);
	if (on && !error)
		atomic_store(&pair->on, true);
	iothread_kick(pair->thread);
	return error;
}

int net_use_pairs(struct net_device *device, unsigned int count)
{
	int error = 0;

	for (unsigned int i = 1; i < device->pair_count && !error; i++)
		error = use_pair(device->pairs[i], i < count);
	return error;
}

static bool set_pairs(struct net_device *device, const struct virtqueue_chain *chain)
{
	uint16_t count;

	if (!virtio_device_has(&device->virtio, VIRTIO_NET_F_MQ) ||
	    chain->readable_length < sizeof(struct virtio_net_ctrl_hdr) + sizeof(count))
		return false;
	virtqueue_chain_read(chain, sizeof(struct virtio_net_ctrl_hdr), &count, sizeof(count));
	if (count < VIRTIO_NET_CTRL_MQ_VQ_PAIRS_MIN || count > device->pair_count)
		return false;
	return net_use_pairs(device, count) == 0;
}

static bool command(struct net_device *device, const struct virtqueue_chain *chain)
{
	struct virtio_net_ctrl_hdr header;

	if (chain->readable_length < sizeof(header))
		return false;
	virtqueue_chain_read(chain, 0, &header, sizeof(header));
	return header.class == VIRTIO_NET_CTRL_MQ && header.cmd == VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET &&
	       set_pairs(device, chain);
}

/* The answer is the last byte that the driver lets us write. */
void net_control(struct net_device *device)
{
	unsigned int index = net_control_queue(device);
	struct virtqueue *queue = virtio_queue(&device->virtio, index);
	struct virtqueue_chain *chain;
	uint8_t answer;

	do {
		virtqueue_disable_notify(queue);
		while ((chain = virtqueue_pop(queue))) {
			if (!chain->writable_length) {
				virtqueue_break(queue, "a command without a place for its answer");
				virtqueue_drop(queue, chain);
				return;
			}
			answer = command(device, chain) ? VIRTIO_NET_OK : VIRTIO_NET_ERR;
			virtqueue_chain_write(chain, chain->writable_length - 1, &answer,
					      sizeof(answer));
			virtqueue_push(queue, chain, chain->writable_length);
		}
		virtio_device_commit(&device->virtio, index);
	} while (virtqueue_enable_notify(queue));
}
