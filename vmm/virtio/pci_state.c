// SPDX-License-Identifier: GPL-2.0-or-later
/* Saving and loading of the transport's registers, and of what is due to the driver. */
#include "pci_internal.h"
#include "state.h"

struct virtio_device *virtio_pci_device(const struct virtio_pci *pci)
{
	return pci->device;
}

/* What waits in a queue's eventfd is among PCI's pending bits. */
void virtio_pci_save(const struct virtio_pci *pci, struct virtio_state *state)
{
	unsigned long due = atomic_load(&pci->wanted_queues);

	virtio_device_save(pci->device, state);
	state->queue_select = pci->queue_select;
	state->config_vector = pci->config_vector;
	state->isr = pci->isr;
	state->config_interrupt = atomic_load(&pci->wanted_config);
	state->device_feature_select = pci->device_feature_select;
	state->driver_feature_select = pci->driver_feature_select;
	state->driver_features = pci->driver_features;
	for (unsigned int i = 0; i < pci->device->queue_count; i++) {
		state->queues[i].vector = pci->queue_vectors[i];
		state->queues[i].interrupt = due >> i & 1;
	}
}

gboolean virtio_pci_check(const struct virtio_pci *pci, const struct virtio_state *state,
			  const void *kind, GError **error)
{
	return virtio_device_check(pci->device, state, kind, error);
}

/* The main loop delivers what is due, as it would have done. */
static void load_interrupts(struct virtio_pci *pci, const struct virtio_state *state)
{
	unsigned int count = MIN(pci->device->queue_count, VIRTIO_MAX_QUEUES);
	unsigned long due = 0;

	for (unsigned int i = 0; i < count; i++) {
		virtio_pci_route_queue(pci, i, state->queues[i].vector);
		due |= (unsigned long)state->queues[i].interrupt << i;
	}
	pci->config_vector = state->config_vector;
	pci->isr = state->isr;
	pci_intx_set(pci->function, pci->isr != 0);
	atomic_store(&pci->wanted_queues, due);
	atomic_store(&pci->wanted_config, state->config_interrupt);
	if (due || state->config_interrupt)
		uv_async_send(&pci->wanted);
}

void virtio_pci_load(struct virtio_pci *pci, const struct virtio_state *state, const void *kind)
{
	virtio_device_load(pci->device, state, kind);
	pci->queue_select = state->queue_select;
	pci->device_feature_select = state->device_feature_select;
	pci->driver_feature_select = state->driver_feature_select;
	pci->driver_features = state->driver_features;
	load_interrupts(pci, state);
	virtio_pci_sync_doorbells(pci);
}
