// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Leaving the frames to the host's kernel, for who asks for it: no thread of this process is
 * woken for them.  It takes a tap, split rings, and an eventfd for each
 * queue's interrupt; without one of those, for instance for a driver without MSI-X, the device's own
 * thread does the work.  Of a card with several pairs, which have a thread each, the threads always
 * do.
 */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "../../backends/vhost_net.h"
#include "../../message.h"
#include "internal.h"

/* What the kernel must know if the driver is offered it; the rest of the features is of this
 * device or of the tap. */
#define RING_FEATURES	(VIRTIO_BIT(VIRTIO_RING_F_INDIRECT_DESC) | \
			 VIRTIO_BIT(VIRTIO_RING_F_EVENT_IDX) | VIRTIO_BIT(VIRTIO_F_VERSION_1) | \
			 VIRTIO_BIT(VIRTIO_NET_F_MRG_RXBUF))
/* Kinds of rings that it does not know. */
#define UNKNOWN		(VIRTIO_BIT(VIRTIO_F_RING_PACKED) | VIRTIO_BIT(VIRTIO_F_IN_ORDER))

struct net_vhost {
	struct vhost_net *kernel;
	int kicks[QUEUES];
	unsigned int watches[QUEUES];	/* of the kicks */
	unsigned int error_watch;
	bool running;
	bool resting;			/* it will run again, from where it is */
};

static void watch(struct net_device *device, bool running)
{
	const struct net_pair *pair = device->pairs[0];
	struct net_vhost *vhost = device->vhost;

	vhost->running = running;
	iothread_watch_on(pair->thread, vhost->error_watch, running);
	iothread_watch_on(pair->thread, pair->watch, !running);
	for (unsigned int i = 0; i < QUEUES; i++)
		iothread_watch_on(pair->thread, vhost->watches[i], !running);
}

static bool watch_host(struct net_vhost *vhost, struct iothread *thread)
{
	for (unsigned int i = 0; i < QUEUES; i++) {
		vhost->kicks[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (vhost->kicks[i] < 0 ||
		    !iothread_watch(thread, vhost->kicks[i], &vhost->watches[i], NULL))
			return false;
	}
	return iothread_watch(thread, vhost_net_error_fd(vhost->kernel), &vhost->error_watch, NULL);
}

void net_vhost_new(struct net_device *device)
{
	const struct net_pair *pair = device->pairs[0];
	struct vhost_net *kernel;

	if (!pair->net->tap || device->pair_count > 1)
		return;
	kernel = vhost_net_open(device->virtio.name, device->virtio.memory->ram, RING_FEATURES);
	if (!kernel) {
		message("%s: no use of /dev/vhost-net: %s; this process moves the frames itself",
			device->virtio.name, g_strerror(errno));
		return;
	}
	device->vhost = g_new0(struct net_vhost, 1);
	device->vhost->kernel = kernel;
	memset(device->vhost->kicks, 0xff, sizeof(device->vhost->kicks));
	if (!watch_host(device->vhost, pair->thread)) {
		net_vhost_free(device);
		return;
	}
	device->virtio.offered &= ~UNKNOWN;
	watch(device, false);
}

/* What the thread watches it does not any more when it is closed. */
void net_vhost_free(struct net_device *device)
{
	struct net_vhost *vhost = g_steal_pointer(&device->vhost);

	if (!vhost)
		return;
	vhost_net_close(vhost->kernel);
	for (unsigned int i = 0; i < QUEUES; i++)
		if (vhost->kicks[i] >= 0)
			close(vhost->kicks[i]);
	g_free(vhost);
}

int net_vhost_kick_fd(const struct net_device *device, unsigned int queue)
{
	return device->vhost->kicks[queue];
}

/* False: there is something that the kernel cannot do for this driver. */
static bool make_ring(struct net_device *device, unsigned int number, struct vhost_net_ring *ring)
{
	const struct virtqueue *queue = virtio_queue(&device->virtio, number);
	struct virtqueue_position position;

	if (!virtqueue_started(queue) || queue->broken)
		return false;
	virtqueue_position(queue, &position);
	*ring = (struct vhost_net_ring){
		.size = queue->config.size,
		.position = position.avail,
		.descriptors = queue->descriptors,
		.available = queue->driver,
		.used = queue->device,
		.kick = device->vhost->kicks[number],
		.call = virtio_device_interrupt_fd(&device->virtio, number),
	};
	return ring->call >= 0;
}

/* Somebody who tracks what is written to the guest's memory would not see what the kernel
 * writes. */
static bool make_rings(struct net_device *device, struct vhost_net_ring *rings)
{
	return !device->pairs[0]->gone && !device->virtio.memory->dirty &&
	       make_ring(device, RECEIVE, &rings[RECEIVE]) &&
	       make_ring(device, TRANSMIT, &rings[TRANSMIT]);
}

static void started(struct net_device *device, int error)
{
	if (!error)
		watch(device, true);
	else
		message("%s: the host's kernel does not take its rings: %s; this process moves the "
			"frames itself", device->virtio.name, g_strerror(-error));
}

void net_vhost_start(struct net_device *device)
{
	uint64_t features = device->virtio.negotiated & RING_FEATURES;
	struct vhost_net_ring rings[QUEUES];

	if (device->vhost && make_rings(device, rings))
		started(device, vhost_net_start(device->vhost->kernel, features, rings,
						device->pairs[0]->net->fd));
}

/* It knows all but the eventfds still. */
void net_vhost_resume(struct net_device *device)
{
	struct vhost_net_ring rings[QUEUES];

	if (!device->vhost || !device->vhost->resting)
		return;
	device->vhost->resting = false;
	if (make_rings(device, rings))
		started(device, vhost_net_resume(device->vhost->kernel, rings,
						 device->pairs[0]->net->fd));
}

void net_vhost_stop(struct net_device *device)
{
	if (device->vhost)
		device->vhost->resting = false;
	if (!device->vhost || !device->vhost->running)
		return;
	vhost_net_stop(device->vhost->kernel);
	watch(device, false);
}

/* What it took it has handed back when it is stopped: one position says both. */
static void take_back(struct net_device *device, unsigned int number)
{
	struct virtqueue *queue = virtio_queue(&device->virtio, number);
	struct virtqueue_config config = queue->config;
	struct virtqueue_position position;

	if (!virtqueue_started(queue) || queue->broken)
		return;
	if (!vhost_net_position(device->vhost->kernel, number, &position.avail)) {
		virtqueue_break(queue, "a ring that the host's kernel does not give back");
		return;
	}
	position.used = position.avail;
	virtqueue_stop(queue);
	virtqueue_start(queue, &config, &position);
}

void net_vhost_take_back(struct net_device *device)
{
	if (!device->vhost || !device->vhost->running)
		return;
	net_vhost_stop(device);
	device->vhost->resting = true;
	for (unsigned int i = 0; i < QUEUES; i++)
		take_back(device, i);
}

bool net_vhost_works(struct net_device *device)
{
	struct net_vhost *vhost = device->vhost;
	eventfd_t count;

	if (!vhost)
		return false;
	if (!vhost->running) {
		for (unsigned int i = 0; i < QUEUES; i++)
			eventfd_read(vhost->kicks[i], &count);
		return false;
	}
	if (eventfd_read(vhost_net_error_fd(vhost->kernel), &count) == 0)
		virtqueue_break(virtio_queue(&device->virtio, TRANSMIT),
				"a ring or a buffer that the host's kernel cannot use");
	return true;
}
