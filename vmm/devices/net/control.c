// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The driver's commands ("Control Virtqueue"), of which there is one: how many pairs of queues it
 * uses ("Device Operation in Multiqueue Mode").
 */
#include "internal.h"

/* Commands before frames have their turn. */
#define COMMANDS	4u

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
static void answer(struct net_device *device, struct virtqueue *queue,
		   struct virtqueue_chain *chain)
{
	uint8_t status;

	if (!chain->writable_length) {
		virtqueue_break(queue, "a command without a place for its answer");
		virtqueue_drop(queue, chain);
		return;
	}
	status = command(device, chain) ? VIRTIO_NET_OK : VIRTIO_NET_ERR;
	virtqueue_chain_write(chain, chain->writable_length - 1, &status, sizeof(status));
	virtqueue_push(queue, chain, chain->writable_length);
}

/* A command takes its time in the host's kernel, and a driver can give new ones for ever: frames
 * have their turn in between, and a reset waits for one command at most. */
bool net_control(struct net_pair *pair)
{
	struct net_device *device = pair->device;
	unsigned int index = net_control_queue(device);
	struct virtqueue *queue = virtio_queue(&device->virtio, index);
	struct virtqueue_chain *chain;
	unsigned int done = 0;

	virtqueue_disable_notify(queue);
	while (done < COMMANDS && !iothread_pausing(pair->thread) &&
	       (chain = virtqueue_pop(queue))) {
		answer(device, queue, chain);
		done++;
	}
	virtio_device_commit(&device->virtio, index);
	return done == COMMANDS || virtqueue_enable_notify(queue);
}
