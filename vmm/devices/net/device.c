// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The device: what it offers, and its threads, one for each pair of queues.
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

/* A notification goes to a thread whatever the driver negotiated, which says what it is for. */
static struct net_pair *pair_of(const struct net_device *device, unsigned int queue)
{
	return device->pairs[queue / 2 % device->pair_count];
}

static bool in_use(const struct net_pair *pair)
{
	return !pair->index || virtio_device_has(&pair->device->virtio, VIRTIO_NET_F_MQ);
}

static bool move_frames(struct net_pair *pair)
{
	bool more;

	if (!in_use(pair)) {
		iothread_watch_on(pair->thread, pair->watch, false);
		return false;
	}
	more = net_transmit_frames(pair);
	more |= net_receive_frames(pair);
	return more;
}

static void work(void *opaque)
{
	struct net_pair *pair = opaque;
	struct net_device *device = pair->device;
	unsigned int control = net_control_queue(device);
	bool commands = control != UINT32_MAX && pair_of(device, control) == pair;
	bool more;

	if (net_vhost_works(device))
		return;
	do {
		more = commands && net_control(pair);
		more |= move_frames(pair);
	} while (more && !iothread_pausing(pair->thread));
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

static uint64_t offered(const struct net *net, unsigned int pairs)
{
	uint64_t features = VIRTIO_BIT(VIRTIO_NET_F_MAC) | VIRTIO_BIT(VIRTIO_NET_F_STATUS) |
			    VIRTIO_BIT(VIRTIO_NET_F_MRG_RXBUF);

	if (pairs > 1)
		features |= VIRTIO_BIT(VIRTIO_NET_F_CTRL_VQ) | VIRTIO_BIT(VIRTIO_NET_F_MQ);
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

/* Said once: a guest can start its card as often as it likes. */
static void lose_all(struct net_device *device, int error)
{
	bool known = device->pairs[0]->gone;

	for (unsigned int i = 0; i < device->pair_count; i++)
		device->pairs[i]->gone = true;
	if (known)
		return;
	message("%s: the host does not set up its end: %s", device->virtio.name,
		g_strerror(-error));
}

void net_run_threads(struct net_device *device)
{
	for (unsigned int i = 0; i < device->pair_count; i++)
		iothread_resume(device->pairs[i]->thread);
}

void net_start(struct net_device *device, unsigned int pairs)
{
	const struct virtio_device *virtio = &device->virtio;
	int error;

	device->loaded = false;
	device->mergeable = virtio_device_has(virtio, VIRTIO_NET_F_MRG_RXBUF);
	device->header = device->mergeable || virtio_device_has(virtio, VIRTIO_F_VERSION_1) ?
			 sizeof(struct virtio_net_hdr_v1) : OLD_HEADER;
	error = net_set_up(device->pairs[0]->net, device->header, guest_offloads(virtio));
	if (!error)
		error = net_use_pairs(device, pairs);
	if (error)
		lose_all(device, error);
	net_vhost_start(device);
	net_run_threads(device);
}

/* "Automatic receive steering": the driver starts with one pair and says when it uses more. */
static void net_activate(struct virtio_device *virtio)
{
	net_start(net_of(virtio), 1);
}

/* A frame that waited for buffers is lost; what the host sends from now on waits there. */
static void net_reset(struct virtio_device *virtio)
{
	struct net_device *device = net_of(virtio);

	for (unsigned int i = 0; i < device->pair_count; i++) {
		iothread_pause(device->pairs[i]->thread);
		device->pairs[i]->held = 0;
	}
	net_vhost_stop(device);
}

static int net_notify_fd(struct virtio_device *virtio, unsigned int queue)
{
	struct net_device *device = net_of(virtio);

	return device->vhost ? net_vhost_kick_fd(device, queue) :
			       iothread_kick_fd(pair_of(device, queue)->thread);
}

static void net_notify(struct virtio_device *virtio, unsigned int queue)
{
	eventfd_write(net_notify_fd(virtio, queue), 1);
}

static void free_pairs(struct net_device *device)
{
	struct net_pair *pair;

	for (unsigned int i = 0; i < device->pair_count; i++) {
		pair = device->pairs[i];
		iothread_free(pair->thread);
		net_close(pair->net);
		g_free(pair->name);
		g_free(pair);
	}
}

static void net_free(struct virtio_device *virtio)
{
	struct net_device *device = net_of(virtio);

	net_vhost_free(device);
	free_pairs(device);
	virtio_device_clear(virtio);
	g_free(device);
}

static const struct virtio_device_ops net_device_ops = {
	.activate = net_activate,
	.reset = net_reset,
	.notify = net_notify,
	.notify_fd = net_notify_fd,
	.free = net_free,
	.quiesce = net_quiesce,
	.go_on = net_go_on,
	.state = &net_state_ops,
};

static void init_virtio(struct net_device *device, const struct net_device_config *config,
			const struct virtio_memory *memory)
{
	const struct net *net = device->pairs[0]->net;
	struct virtio_device *virtio = &device->virtio;

	memcpy(device->config.mac, config->mac, NET_MAC_SIZE);
	device->config.status = VIRTIO_NET_S_LINK_UP;
	device->config.max_virtqueue_pairs = device->pair_count;
	device->config.mtu = net->mtu;
	virtio->ops = &net_device_ops;
	virtio->name = config->name;
	virtio->type = VIRTIO_ID_NET;
	virtio->queue_count = 2 * device->pair_count + (device->pair_count > 1);
	virtio->queue_size = QUEUE_SIZE;
	virtio->offered = offered(net, device->pair_count);
	virtio->config = &device->config;
	virtio->config_size = offsetof(struct virtio_net_config, mtu) + sizeof(device->config.mtu);
	virtio_device_init(virtio, memory);
}

/* Takes `net`, also on error. */
static gboolean add_pair(struct net_device *device, const char *name, struct net *net,
			 GError **error)
{
	struct net_pair *pair = g_new0(struct net_pair, 1);

	pair->device = device;
	pair->index = device->pair_count;
	pair->name = pair->index ? g_strdup_printf("%s/%u", name, pair->index) : g_strdup(name);
	pair->net = net;
	atomic_init(&pair->on, true);
	device->pairs[device->pair_count++] = pair;
	pair->thread = iothread_new(pair->name, work, pair, error);
	return pair->thread && iothread_watch(pair->thread, net->fd, &pair->watch, error);
}

struct virtio_device *net_device_new(const struct net_device_config *config,
				     const struct virtio_memory *memory, struct net *const *nets,
				     unsigned int count, GError **error)
{
	struct net_device *device = g_new0(struct net_device, 1);
	gboolean made = TRUE;
	unsigned int i;

	g_assert(count >= 1 && count <= NET_QUEUES_MAX);
	for (i = 0; i < count && made; i++)
		made = add_pair(device, config->name, nets[i], error);
	if (made) {
		init_virtio(device, config, memory);
		if (config->vhost)
			net_vhost_new(device);
		return &device->virtio;
	}
	for (; i < count; i++)
		net_close(nets[i]);
	free_pairs(device);
	g_free(device);
	return NULL;
}
