// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A network card in a checkpoint.  A frame that waits for buffers of the guest is not in there:
 * networks may lose frames.
 */
#include <string.h>

#include "../../error.h"
#include "../../virtio/state.h"
#include "internal.h"

static struct net_device *net_of(struct virtio_device *device)
{
	return (struct net_device *)device;
}

/* ---------------------------------------------------------------- rest */

static unsigned int pairs_on(const struct net_device *device)
{
	unsigned int count = 1;

	while (count < device->pair_count && atomic_load(&device->pairs[count]->on))
		count++;
	return count;
}

gboolean net_quiesce(struct virtio_device *virtio, GError **error)
{
	gint64 deadline = g_get_monotonic_time() + VIRTIO_QUIESCE_MS * G_TIME_SPAN_MILLISECOND;
	struct net_device *device = net_of(virtio);
	unsigned int i;

	for (i = 0; i < device->pair_count; i++)
		if (!iothread_pause_until(device->pairs[i]->thread, deadline))
			break;
	if (i < device->pair_count) {
		while (i)
			iothread_resume(device->pairs[--i]->thread);
		return error_set(error, "%s did not come to rest in %g seconds; the guest runs on",
				 virtio->name, VIRTIO_QUIESCE_MS / 1000.0);
	}
	net_vhost_take_back(device);
	device->quiet_pairs = pairs_on(device);
	return TRUE;
}

void net_go_on(struct virtio_device *virtio)
{
	struct net_device *device = net_of(virtio);

	if (device->loaded) {
		net_start(device, device->quiet_pairs);
	} else {
		net_vhost_resume(device);
		net_run_threads(device);
	}
}

/* ---------------------------------------------------------------- state */

static void save(const struct virtio_device *virtio, void *to)
{
	const struct net_device *device = (const struct net_device *)virtio;
	struct virtio_net_state *state = to;

	memcpy(state->mac, device->config.mac, NET_MAC_SIZE);
	state->status = device->config.status;
	state->mtu = device->config.mtu;
	state->pairs = virtio->active ? device->quiet_pairs : 1;
}

static bool has(const struct virtio_state *common, unsigned int feature)
{
	return common->negotiated >> feature & 1;
}

static bool pairs_possible(const struct net_device *device, const struct virtio_state *common,
			   uint16_t pairs)
{
	if (common->active && has(common, VIRTIO_NET_F_MQ))
		return pairs >= 1 && pairs <= device->pair_count;
	return pairs == 1;
}

static gboolean check(const struct virtio_device *virtio, const struct virtio_state *common,
		      const void *from, GError **error)
{
	const struct net_device *device = (const struct net_device *)virtio;
	const struct virtio_net_state *state = from;
	static const uint8_t zero[sizeof(state->pad)];

	if ((state->status & ~VIRTIO_NET_S_LINK_UP) || memcmp(state->pad, zero, sizeof(zero)) ||
	    !pairs_possible(device, common, state->pairs))
		return virtio_state_error(virtio, error, "its state has flags or pairs of queues "
					  "that it cannot have");
	if (has(common, VIRTIO_NET_F_MTU) && state->mtu > device->config.mtu)
		return virtio_state_error(virtio, error, "the guest sends frames of up to %u bytes, "
					  "and the host's interface takes %u: raise its MTU",
					  state->mtu, device->config.mtu);
	return TRUE;
}

static void load(struct virtio_device *virtio, const void *from)
{
	struct net_device *device = net_of(virtio);
	const struct virtio_net_state *state = from;

	memcpy(device->config.mac, state->mac, NET_MAC_SIZE);
	device->config.status = state->status;
	if (virtio_device_has(virtio, VIRTIO_NET_F_MTU))
		device->config.mtu = state->mtu;
	device->quiet_pairs = state->pairs;
	device->loaded = virtio->active;
}

const struct virtio_state_ops net_state_ops = {
	.size = sizeof(struct virtio_net_state),
	.save = save,
	.check = check,
	.load = load,
};
