// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Devices come to rest, are saved, are loaded, and go on.  A state comes from a file that anybody
 * may have written: it is compared with what the functions of device.c can lead to.
 */
#include "state.h"

#include <linux/virtio_pci.h>
#include <string.h>

#include "../error.h"

#define STATUS_BITS								\
	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_DRIVER_OK |	\
	 VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_FAILED)

/* ---------------------------------------------------------------- rest */

gboolean virtio_device_saveable(const struct virtio_device *device, GError **error)
{
	return !device->ops->saveable || device->ops->saveable(device, error);
}

static void let_go_of_all(struct virtio_device *device)
{
	struct virtqueue *queue;

	for (unsigned int i = 0; i < device->queue_count; i++) {
		queue = &device->queues[i];
		if (queue->broken)
			virtqueue_drop_done(queue);
		g_assert(!queue->in_flight);
	}
}

gboolean virtio_device_quiesce(struct virtio_device *device, GError **error)
{
	if (device->quiet)
		return TRUE;
	if (!virtio_device_saveable(device, error))
		return FALSE;
	device->quiet = true;
	if (device->active && device->ops->quiesce && !device->ops->quiesce(device, error)) {
		device->quiet = false;
		return FALSE;
	}
	let_go_of_all(device);
	return TRUE;
}

void virtio_device_go_on(struct virtio_device *device)
{
	if (!device->quiet)
		return;
	device->quiet = false;
	if (!device->active)
		return;
	if (device->ops->go_on)
		device->ops->go_on(device);
	for (unsigned int i = 0; i < device->queue_count; i++)
		if (virtio_device_queue_enabled(device, i))
			device->ops->notify(device, i);
}

/* ---------------------------------------------------------------- saving */

static void save_queue(const struct virtio_device *device, unsigned int index,
		       struct virtio_queue_state *state)
{
	const struct virtqueue *queue = &device->queues[index];
	const struct virtqueue_config *wanted = &device->wanted[index];
	struct virtqueue_position position;

	state->descriptors = wanted->descriptors;
	state->driver = wanted->driver;
	state->device = wanted->device;
	state->size = wanted->size;
	state->enabled = virtio_device_queue_enabled(device, index);
	state->broken = queue->broken != NULL;
	if (!virtqueue_started(queue) || queue->broken)
		return;
	virtqueue_position(queue, &position);
	state->avail = position.avail;
	state->used = position.used;
}

void virtio_device_save(const struct virtio_device *device, struct virtio_state *state)
{
	g_assert(device->quiet);
	memset(state, 0, sizeof(*state));
	state->type = device->type;
	state->queue_count = device->queue_count;
	state->queue_size = device->queue_size;
	state->status = device->status;
	state->generation = device->generation;
	state->active = device->active;
	state->needs_reset = atomic_load(&device->needs_reset);
	state->wants_more = device->wants_more;
	state->negotiated = device->negotiated;
	for (unsigned int i = 0; i < device->queue_count; i++)
		save_queue(device, i, &state->queues[i]);
}

/* ---------------------------------------------------------------- checking */

static bool is_zero(const void *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (((const uint8_t *)bytes)[i])
			return false;
	return true;
}

static gboolean check_identity(const struct virtio_device *device,
			       const struct virtio_state *state, GError **error)
{
	if (state->type != device->type || state->queue_count != device->queue_count ||
	    state->queue_size != device->queue_size)
		return virtio_state_error(device, error, "a device of type %u with %u queues of %u "
					  "was saved, this one is of type %u with %u queues of %u",
					  state->type, state->queue_count, state->queue_size,
					  device->type, device->queue_count, device->queue_size);
	if (state->negotiated & ~device->offered)
		return virtio_state_error(device, error, "the guest's driver uses features that "
					  "this host's device does not have: 0x%" G_GINT64_MODIFIER
					  "x", state->negotiated & ~device->offered);
	return TRUE;
}

/* Whoever starts a device without FEATURES_OK has the first 32 features; whoever says DRIVER_OK
 * has a device that works, or one that needs a reset. */
static bool status_is_possible(const struct virtio_state *state)
{
	bool version_1 = state->negotiated >> VIRTIO_F_VERSION_1 & 1;

	if (state->status & VIRTIO_CONFIG_S_FEATURES_OK)
		return version_1 && !state->wants_more;
	return !state->active || state->negotiated <= UINT32_MAX;
}

static bool life_is_possible(const struct virtio_state *state)
{
	if (state->active)
		return state->status & (VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_DRIVER_OK);
	return state->needs_reset || !(state->status & VIRTIO_CONFIG_S_DRIVER_OK);
}

static gboolean check_flags(const struct virtio_device *device, const struct virtio_state *state,
			    GError **error)
{
	if ((state->status & ~STATUS_BITS) || state->active > 1 || state->needs_reset > 1 ||
	    state->wants_more > 1 || state->config_interrupt > 1 ||
	    state->isr & ~(1 | VIRTIO_PCI_ISR_CONFIG) ||
	    !is_zero(state->pad, sizeof(state->pad)) || !status_is_possible(state) ||
	    !life_is_possible(state))
		return virtio_state_error(device, error, "its state has a status or flags that it "
					  "cannot have");
	return TRUE;
}

static bool vector_is_possible(const struct virtio_device *device, uint16_t vector)
{
	return vector <= device->queue_count || vector == VIRTIO_MSI_NO_VECTOR;
}

static bool queue_is_possible(const struct virtio_device *device,
			      const struct virtio_state *state, unsigned int index)
{
	const struct virtio_queue_state *queue = &state->queues[index];
	bool started = state->active && queue->enabled;

	if (queue->enabled > 1 || queue->broken > 1 || queue->interrupt > 1 ||
	    !is_zero(queue->pad, sizeof(queue->pad)) ||
	    !queue->size || queue->size > device->queue_size ||
	    !vector_is_possible(device, queue->vector))
		return false;
	if (queue->broken && !(started && state->needs_reset))
		return false;
	return (started && !queue->broken) || (!queue->avail && !queue->used);
}

static struct virtqueue_config make_config(const struct virtio_state *state, unsigned int index)
{
	const struct virtio_queue_state *queue = &state->queues[index];

	return (struct virtqueue_config){
		.descriptors = queue->descriptors, .driver = queue->driver,
		.device = queue->device, .size = queue->size,
		.features = state->active && queue->enabled ? state->negotiated : 0,
	};
}

static gboolean check_queue(const struct virtio_device *device, const struct virtio_state *state,
			    unsigned int index, GError **error)
{
	const struct virtio_queue_state *queue = &state->queues[index];
	const struct virtqueue_position position = { queue->avail, queue->used };
	struct virtqueue_config config = make_config(state, index);
	const char *reason;

	if (!queue_is_possible(device, state, index))
		return virtio_state_error(device, error, "the state of queue %u is none that it can "
					  "have", index);
	if (!state->active || !queue->enabled || queue->broken)
		return TRUE;
	reason = virtqueue_check(device->memory, &config, &position);
	return !reason || virtio_state_error(device, error, "queue %u was saved with %s", index,
					     reason);
}

static gboolean check_queues(const struct virtio_device *device, const struct virtio_state *state,
			     GError **error)
{
	unsigned int count = device->queue_count;

	for (unsigned int i = 0; i < count; i++)
		if (!check_queue(device, state, i, error))
			return FALSE;
	if (!vector_is_possible(device, state->config_vector) ||
	    !is_zero(&state->queues[count],
		     (VIRTIO_MAX_QUEUES - count) * sizeof(state->queues[0])))
		return virtio_state_error(device, error, "its state has queues or vectors that it "
					  "cannot have");
	return TRUE;
}

gboolean virtio_device_check(const struct virtio_device *device, const struct virtio_state *state,
			     const void *kind, GError **error)
{
	const struct virtio_state_ops *ops = device->ops->state;

	if (!check_identity(device, state, error) || !check_flags(device, state, error) ||
	    !check_queues(device, state, error))
		return FALSE;
	if (state->active && device->ops->saveable)
		return virtio_state_error(device, error, "a device of this kind cannot have been "
					  "saved while it worked");
	return !ops || ops->check(device, state, kind, error);
}

/* ---------------------------------------------------------------- loading */

static void load_queue(struct virtio_device *device, const struct virtio_state *state,
		       unsigned int index)
{
	const struct virtio_queue_state *queue = &state->queues[index];
	const struct virtqueue_position position = { queue->avail, queue->used };

	device->wanted[index] = make_config(state, index);
	if (queue->enabled)
		device->enabled |= 1ull << index;
	if (!state->active || !queue->enabled)
		return;
	if (queue->broken)
		virtqueue_start_broken(&device->queues[index], &device->wanted[index]);
	else
		virtqueue_start(&device->queues[index], &device->wanted[index], &position);
}

void virtio_device_load(struct virtio_device *device, const struct virtio_state *state,
			const void *kind)
{
	g_assert(!device->active && !device->status && !device->enabled);
	device->status = state->status;
	device->generation = state->generation;
	device->wants_more = state->wants_more;
	device->negotiated = state->negotiated;
	atomic_store(&device->needs_reset, state->needs_reset);
	for (unsigned int i = 0; i < device->queue_count; i++)
		load_queue(device, state, i);
	device->active = state->active;
	device->quiet = true;
	if (device->ops->state)
		device->ops->state->load(device, kind);
}
