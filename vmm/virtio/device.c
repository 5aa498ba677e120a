// SPDX-License-Identifier: GPL-2.0-or-later
#include "device.h"

#include <string.h>

#include "../message.h"

/* Messages about one device; a guest can break it as often as it likes. */
#define COMPLAINTS_MAX	3u

#define STATUS_DRIVER_BITS							\
	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_DRIVER_OK |	\
	 VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_FAILED)

static void queue_broken(void *opaque, struct virtqueue *queue)
{
	virtio_device_break(opaque, queue->broken);
}

void virtio_device_init(struct virtio_device *device, const struct virtio_memory *memory)
{
	g_assert(device->queue_count && device->queue_count <= VIRTIO_MAX_QUEUES);
	g_assert(device->queue_size && device->queue_size <= VIRTQUEUE_MAX_SIZE);
	device->memory = memory;
	device->offered |= VIRTIO_RING_FEATURES;
	device->queues = g_new0(struct virtqueue, device->queue_count);
	device->wanted = g_new0(struct virtqueue_config, device->queue_count);
	for (unsigned int i = 0; i < device->queue_count; i++) {
		virtqueue_init(&device->queues[i], memory, queue_broken, device);
		device->wanted[i].size = device->queue_size;
	}
}

void virtio_device_clear(struct virtio_device *device)
{
	g_clear_pointer(&device->queues, g_free);
	g_clear_pointer(&device->wanted, g_free);
}

void virtio_device_attach(struct virtio_device *device, const struct virtio_transport_ops *ops,
			  void *opaque)
{
	device->transport = ops;
	device->transport_opaque = opaque;
}

/* ---------------------------------------------------------------- telling the guest */

static void interrupt(struct virtio_device *device, uint32_t queue)
{
	if (device->transport)
		device->transport->interrupt(device->transport_opaque, queue);
}

void virtio_device_commit(struct virtio_device *device, unsigned int queue)
{
	if (virtqueue_commit(virtio_queue(device, queue)))
		interrupt(device, queue);
}

int virtio_device_interrupt_fd(const struct virtio_device *device, unsigned int queue)
{
	if (!device->transport || !device->transport->interrupt_fd)
		return -1;
	return device->transport->interrupt_fd(device->transport_opaque, queue);
}

void virtio_device_interrupt(struct virtio_device *device, unsigned int queue)
{
	interrupt(device, queue);
}

void virtio_device_config_changed(struct virtio_device *device)
{
	device->generation++;
	if (device->active)
		interrupt(device, VIRTIO_CONFIG_INTERRUPT);
}

void virtio_device_break(struct virtio_device *device, const char *reason)
{
	if (atomic_exchange(&device->needs_reset, true))
		return;
	if (atomic_fetch_add(&device->complaints, 1) < COMPLAINTS_MAX)
		message("%s: the guest's driver gave it %s: it waits for a reset", device->name,
			reason);
	interrupt(device, VIRTIO_CONFIG_INTERRUPT);
}

/* ---------------------------------------------------------------- status */

uint8_t virtio_device_status(const struct virtio_device *device)
{
	return device->status |
	       (atomic_load(&device->needs_reset) ? VIRTIO_CONFIG_S_NEEDS_RESET : 0);
}

static void end_work(struct virtio_device *device)
{
	if (device->active)
		device->ops->reset(device);
	device->active = false;
	device->quiet = false;
	for (unsigned int i = 0; i < device->queue_count; i++)
		virtqueue_stop(&device->queues[i]);
	device->absent.broken = NULL;
}

void virtio_device_halt(struct virtio_device *device)
{
	if (!device->active)
		return;
	end_work(device);
	atomic_store(&device->needs_reset, true);
}

static void reset(struct virtio_device *device)
{
	end_work(device);
	for (unsigned int i = 0; i < device->queue_count; i++)
		device->wanted[i] = (struct virtqueue_config){ .size = device->queue_size };
	device->enabled = 0;
	device->negotiated = 0;
	device->wants_more = false;
	device->status = 0;
	atomic_store(&device->needs_reset, false);
}

void virtio_device_free(struct virtio_device *device)
{
	if (!device)
		return;
	reset(device);
	device->ops->free(device);
}

/* A queue with a ring that is no good breaks, and with it the device.  "Legacy Interface: A Note
 * on Feature Bits": such a driver has the first 32 only, whatever was written to the others. */
static void activate(struct virtio_device *device)
{
	if (atomic_load(&device->needs_reset))
		return;
	if (!(device->status & VIRTIO_CONFIG_S_FEATURES_OK))
		device->negotiated &= UINT32_MAX;
	for (unsigned int i = 0; i < device->queue_count; i++) {
		if (!(device->enabled >> i & 1))
			continue;
		device->wanted[i].features = device->negotiated;
		virtqueue_start(&device->queues[i], &device->wanted[i], NULL);
	}
	device->active = true;
	device->ops->activate(device);
}

void virtio_device_activate_legacy(struct virtio_device *device)
{
	if (!device->active && (device->status & VIRTIO_CONFIG_S_DRIVER))
		activate(device);
}

static bool features_acceptable(const struct virtio_device *device)
{
	return virtio_device_has(device, VIRTIO_F_VERSION_1) && !device->wants_more;
}

/* Bits can only be added; FEATURES_OK stays clear if we cannot do what was asked for. */
void virtio_device_set_status(struct virtio_device *device, uint8_t status, bool legacy)
{
	uint8_t added;

	if (!status) {
		reset(device);
		return;
	}
	added = status & STATUS_DRIVER_BITS & ~device->status;
	if (legacy)
		added &= ~VIRTIO_CONFIG_S_FEATURES_OK;
	else if ((added & VIRTIO_CONFIG_S_FEATURES_OK) && !features_acceptable(device))
		added &= ~VIRTIO_CONFIG_S_FEATURES_OK;
	device->status |= added;
	if (!(added & VIRTIO_CONFIG_S_DRIVER_OK) || device->active)
		return;
	if (legacy || (device->status & VIRTIO_CONFIG_S_FEATURES_OK))
		activate(device);
	else
		virtio_device_break(device, "DRIVER_OK without FEATURES_OK");
}

void virtio_device_set_features(struct virtio_device *device, uint64_t features)
{
	if (device->active ||
	    (device->status & (VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK)))
		return;
	device->negotiated = features & device->offered;
	device->wants_more = features & ~device->offered;
}

/* ---------------------------------------------------------------- queues */

struct virtqueue_config *virtio_device_queue(struct virtio_device *device, unsigned int queue)
{
	return queue < device->queue_count ? &device->wanted[queue] : NULL;
}

void virtio_device_enable_queue(struct virtio_device *device, unsigned int queue)
{
	if (queue < device->queue_count && !device->active)
		device->enabled |= 1ull << queue;
}

void virtio_device_disable_queue(struct virtio_device *device, unsigned int queue)
{
	if (queue < device->queue_count && !device->active)
		device->enabled &= ~(1ull << queue);
}

bool virtio_device_queue_enabled(const struct virtio_device *device, unsigned int queue)
{
	return queue < device->queue_count && (device->enabled >> queue & 1);
}

void virtio_device_notify(struct virtio_device *device, unsigned int queue)
{
	if (device->active && queue < device->queue_count)
		device->ops->notify(device, queue);
}

/* ---------------------------------------------------------------- configuration space */

uint64_t virtio_device_config_read(const struct virtio_device *device, uint64_t offset,
				   unsigned int size)
{
	uint64_t value = 0;

	if (offset < device->config_size)
		memcpy(&value, (const uint8_t *)device->config + offset,
		       MIN(size, device->config_size - offset));
	return value;
}

void virtio_device_config_write(struct virtio_device *device, uint64_t offset, unsigned int size,
				uint64_t value)
{
	if (device->ops->config_write && offset < device->config_size &&
	    size <= device->config_size - offset)
		device->ops->config_write(device, offset, size, value);
}
