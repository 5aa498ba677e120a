// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Frames from the host to the guest ("Processing of Incoming Packets").
 */
#include <errno.h>
#include <string.h>

#include "../../message.h"
#include "internal.h"

/* Buffers for one frame.  A guest that merges buffers of 1500 bytes needs 45 for the
 * longest; one that gives tiny ones loses long frames. */
#define CHAINS_MAX	64u

struct buffers {
	struct virtqueue_chain *chains[CHAINS_MAX];
	unsigned int count;
	size_t room;
};

static struct virtqueue *queue_of(const struct net_pair *pair)
{
	return virtio_queue(&pair->device->virtio, net_receive_queue(pair));
}

static void put_back(struct virtqueue *queue, struct buffers *buffers)
{
	while (buffers->count)
		virtqueue_unpop(queue, buffers->chains[--buffers->count]);
}

/* Takes buffers until `length` bytes fit.  False: there are not enough now. */
static bool take_buffers(const struct net_pair *pair, struct buffers *buffers, size_t length)
{
	unsigned int most = pair->device->mergeable ? CHAINS_MAX : 1;
	struct virtqueue *queue = queue_of(pair);
	struct virtqueue_chain *chain;

	buffers->count = 0;
	buffers->room = 0;
	while (buffers->room < length && buffers->count < most) {
		chain = virtqueue_pop(queue);
		if (!chain) {
			put_back(queue, buffers);
			return false;
		}
		buffers->chains[buffers->count++] = chain;
		buffers->room += chain->writable_length;
	}
	return true;
}

static void fill(struct net_pair *pair, struct buffers *buffers, size_t length)
{
	const struct net_device *device = pair->device;
	struct virtqueue *queue = queue_of(pair);
	uint16_t count = buffers->count;
	struct virtqueue_chain *chain;
	size_t done = 0, part;

	/* The host may say that it has checked a checksum; not all drivers want to know. */
	if (!virtio_device_has(&device->virtio, VIRTIO_NET_F_GUEST_CSUM))
		pair->frame[offsetof(struct virtio_net_hdr_v1, flags)] = 0;
	if (device->header == sizeof(struct virtio_net_hdr_v1))
		memcpy(pair->frame + offsetof(struct virtio_net_hdr_v1, num_buffers), &count,
		       sizeof(count));
	for (unsigned int i = 0; i < buffers->count; i++) {
		chain = buffers->chains[i];
		part = MIN(length - done, chain->writable_length);
		virtqueue_chain_write(chain, 0, pair->frame + done, part);
		chain->touched = part;
		virtqueue_push(queue, chain, part);
		done += part;
	}
}

/* A frame that does not fit into what one frame may have is lost. */
static bool deliver(struct net_pair *pair)
{
	struct virtqueue *queue = queue_of(pair);
	struct buffers buffers;

	if (!take_buffers(pair, &buffers, pair->held))
		return false;
	if (buffers.room >= pair->held) {
		fill(pair, &buffers, pair->held);
	} else if (!buffers.room) {
		put_back(queue, &buffers);
		virtqueue_break(queue, "receive buffers without room");
		return false;
	} else {
		put_back(queue, &buffers);
	}
	pair->held = 0;
	return true;
}

static void lose_host(struct net_pair *pair, int error)
{
	pair->gone = true;
	message("%s: the host's end of the card is gone (%s): the guest has no network there",
		pair->device->virtio.name, g_strerror(error));
}

static bool next_frame(struct net_pair *pair)
{
	ssize_t count;

	if (pair->held)
		return true;
	if (pair->gone || !atomic_load(&pair->on))
		return false;
	count = net_receive(pair->net, pair->frame, sizeof(pair->frame));
	if (count == -EAGAIN)
		return false;
	if (count <= 0 && atomic_load(&pair->on))
		lose_host(pair, -count);
	if (count <= (ssize_t)pair->device->header)	/* a header alone is no frame */
		return false;
	pair->held = count;
	return true;
}

/* Without a buffer the host's frames wait where they are, and are lost there. */
static bool wait_for_buffers(struct net_pair *pair)
{
	bool more = virtqueue_enable_notify(queue_of(pair));

	iothread_watch_on(pair->thread, pair->watch, more);
	return more;
}

bool net_receive_frames(struct net_pair *pair)
{
	unsigned int done;

	virtqueue_disable_notify(queue_of(pair));
	for (done = 0; done < BATCH && next_frame(pair); done++)
		if (!deliver(pair))
			break;
	virtio_device_commit(&pair->device->virtio, net_receive_queue(pair));
	if (pair->held)
		return wait_for_buffers(pair);
	iothread_watch_on(pair->thread, pair->watch, !pair->gone && atomic_load(&pair->on));
	return done == BATCH;
}
