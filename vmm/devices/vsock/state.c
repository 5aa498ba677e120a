// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Sockets in a checkpoint.  Connections are to programs of this host, now: a guest that is loaded
 * from a checkpoint has none, and is told so ("Device Events").  That tells it as well to read its
 * CID again, which may be another one.  A guest that goes on after it was saved keeps them.
 */
#include <string.h>

#include "../../error.h"
#include "../../virtio/state.h"
#include "internal.h"

#define PORT_MASK	((1u << 30) - 1)

static struct vsock *vsock_of(struct virtio_device *device)
{
	return (struct vsock *)device;
}

bool vsock_give_event(struct vsock *vsock)
{
	const struct virtio_vsock_event event = { .id = VIRTIO_VSOCK_EVENT_TRANSPORT_RESET };
	struct virtqueue *queue = virtio_queue(&vsock->virtio, VSOCK_EVENT);
	struct virtqueue_chain *chain;

	if (!vsock->reset_event)
		return false;
	virtqueue_disable_notify(queue);
	chain = virtqueue_pop(queue);
	if (!chain)
		return virtqueue_enable_notify(queue);
	if (chain->writable_length < sizeof(event)) {
		virtqueue_drop(queue, chain);
		virtqueue_break(queue, "an event buffer without room");
		return false;
	}
	virtqueue_chain_write(chain, 0, &event, sizeof(event));
	chain->touched = sizeof(event);
	virtqueue_push(queue, chain, sizeof(event));
	virtio_device_commit(&vsock->virtio, VSOCK_EVENT);
	vsock->reset_event = false;
	return false;
}

gboolean vsock_quiesce(struct virtio_device *device, GError **error)
{
	gint64 deadline = g_get_monotonic_time() + VIRTIO_QUIESCE_MS * G_TIME_SPAN_MILLISECOND;

	return iothread_pause_until(vsock_of(device)->thread, deadline) ||
	       error_set(error, "%s did not come to rest in %g seconds; the guest runs on",
			 device->name, VIRTIO_QUIESCE_MS / 1000.0);
}

void vsock_go_on(struct virtio_device *device)
{
	iothread_resume(vsock_of(device)->thread);
}

static void save(const struct virtio_device *device, void *to)
{
	const struct vsock *vsock = (const struct vsock *)device;
	struct virtio_vsock_state *state = to;

	state->guest_cid = vsock->config.guest_cid;
	state->next_port = vsock->next_port;
	state->reset_event = vsock->reset_event;
}

static gboolean check(const struct virtio_device *device, const struct virtio_state *common,
		      const void *from, GError **error)
{
	const struct virtio_vsock_state *state = from;
	static const uint8_t zero[sizeof(state->pad)];

	if (state->next_port > PORT_MASK || state->reset_event > 1 ||
	    (state->reset_event && !common->active) || memcmp(state->pad, zero, sizeof(zero)))
		return virtio_state_error(device, error, "its state has values that it cannot have");
	return TRUE;
}

static void load(struct virtio_device *device, const void *from)
{
	struct vsock *vsock = vsock_of(device);
	const struct virtio_vsock_state *state = from;

	vsock->next_port = state->next_port;
	vsock->reset_event = device->active;
}

const struct virtio_state_ops vsock_state_ops = {
	.size = sizeof(struct virtio_vsock_state),
	.save = save,
	.check = check,
	.load = load,
};
