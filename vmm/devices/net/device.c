// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The device: what it offers, and its thread.
 */
#include "internal.h"

#include <string.h>
#include <sys/eventfd.h>

#include "../../message.h"

/* The header of drivers that negotiated neither VERSION_1 nor MRG_RXBUF has no num_buffers. */
#define OLD_HEADER	((unsigned int)offsetof(struct virtio_net_hdr_v1, num_buffers))

static struct net_device *net_of(struct virtio_device *device)
{
	return (struct net_device *)device;
}

static void work(void *opaque)
{
	struct net_device *device = opaque;
	bool more;

	if (net_vhost_works(device))
		return;
	do {
		more = net_transmit_frames(device);
		more |= net_receive_frames(device);
	} while (more && !iothread_pausing(device->thread));
}

/* ---------------------------------------------------------------- offloads */

static const struct {
	unsigned int offload;
	unsigned int host_feature;	/* the guest leaves it to us */
	unsigned int guest_feature;	/* we leave it to the guest */
} offloads[] = {
	{ NET_CHECKSUM, VIRTIO_NET_F_CSUM, VIRTIO_NET_F_GUEST_CSUM },
	{ NET_TSO4, VIRTIO_NET_F_HOST_TSO4, VIRTIO_NET_F_GUEST_TSO4 },
	{ NET_TSO6, VIRTIO_NET_F_HOST_TSO6, VIRTIO_NET_F_GUEST_TSO6 },
	{ NET_ECN, VIRTIO_NET_F_HOST_ECN, VIRTIO_NET_F_GUEST_ECN },
};

static uint64_t offered(const struct net *net)
{
	uint64_t features = VIRTIO_BIT(VIRTIO_NET_F_MAC) | VIRTIO_BIT(VIRTIO_NET_F_STATUS) |
			    VIRTIO_BIT(VIRTIO_NET_F_MRG_RXBUF);

	if (net->mtu)
		features |= VIRTIO_BIT(VIRTIO_NET_F_MTU);
	for (size_t i = 0; i < G_N_ELEMENTS(offloads); i++)
		if (net->offloads & offloads[i].offload)
			features |= VIRTIO_BIT(offloads[i].host_feature) |
				    VIRTIO_BIT(offloads[i].guest_feature);
	return features;
}

static unsigned int guest_offloads(const struct virtio_device *virtio)
{
	unsigned int wanted = 0;

	for (size_t i = 0; i < G_N_ELEMENTS(offloads); i++)
		if (virtio_device_has(virtio, offloads[i].guest_feature))
			wanted |= offloads[i].offload;
	return wanted;
}

/* ---------------------------------------------------------------- life */

static void net_activate(struct virtio_device *virtio)
{
	struct net_device *device = net_of(virtio);
	int error;

	device->mergeable = virtio_device_has(virtio, VIRTIO_NET_F_MRG_RXBUF);
	device->header = device->mergeable || virtio_device_has(virtio, VIRTIO_F_VERSION_1) ?
			 sizeof(struct virtio_net_hdr_v1) : OLD_HEADER;
	error = net_set_up(device->net, device->header, guest_offloads(virtio));
	if (error) {
		device->gone = true;
		message("%s: the host does not set up its end: %s", virtio->name,
			g_strerror(-error));
	}
	net_vhost_start(device);
	iothread_resume(device->thread);
}

/* A frame that waited for buffers is lost; what the host sends from now on waits there. */
static void net_reset(struct virtio_device *virtio)
{
	struct net_device *device = net_of(virtio);

	iothread_pause(device->thread);
	net_vhost_stop(device);
	device->held = 0;
}

static int net_notify_fd(struct virtio_device *virtio, unsigned int queue)
{
	struct net_device *device = net_of(virtio);

	return device->vhost ? net_vhost_kick_fd(device, queue) : iothread_kick_fd(device->thread);
}

static void net_notify(struct virtio_device *virtio, unsigned int queue)
{
	eventfd_write(net_notify_fd(virtio, queue), 1);
}

static void net_free(struct virtio_device *virtio)
{
	struct net_device *device = net_of(virtio);

	net_vhost_free(device);
	iothread_free(device->thread);
	net_close(device->net);
	virtio_device_clear(virtio);
	g_free(device);
}

static const struct virtio_device_ops net_device_ops = {
	.activate = net_activate,
	.reset = net_reset,
	.notify = net_notify,
	.notify_fd = net_notify_fd,
	.free = net_free,
};

static void init_virtio(struct net_device *device, const struct net_device_config *config,
			const struct virtio_memory *memory)
{
	struct virtio_device *virtio = &device->virtio;

	memcpy(device->config.mac, config->mac, NET_MAC_SIZE);
	device->config.status = VIRTIO_NET_S_LINK_UP;
	device->config.max_virtqueue_pairs = 1;
	device->config.mtu = device->net->mtu;
	virtio->ops = &net_device_ops;
	virtio->name = config->name;
	virtio->type = VIRTIO_ID_NET;
	virtio->queue_count = QUEUES;
	virtio->queue_size = QUEUE_SIZE;
	virtio->offered = offered(device->net);
	virtio->config = &device->config;
	virtio->config_size = offsetof(struct virtio_net_config, mtu) + sizeof(device->config.mtu);
	virtio_device_init(virtio, memory);
}

struct virtio_device *net_device_new(const struct net_device_config *config,
				     const struct virtio_memory *memory, struct net *net,
				     GError **error)
{
	struct net_device *device = g_new0(struct net_device, 1);

	device->thread = iothread_new(config->name, work, device, error);
	if (!device->thread) {
		net_close(net);
		g_free(device);
		return NULL;
	}
	device->net = net;
	device->watch = iothread_watch(device->thread, net->fd);
	init_virtio(device, config, memory);
	net_vhost_new(device);
	return &device->virtio;
}
