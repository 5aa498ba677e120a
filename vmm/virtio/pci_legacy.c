// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The registers that drivers before virtio 1.0 know ("Legacy Interfaces: A Note on PCI
 * Device Layout").  Values are in the guest's byte order, which on x86 is little-endian.
 */
#include "pci_internal.h"

/* The guest's page size, which the layout of a legacy ring depends on. */
#define QUEUE_ALIGNMENT	((uint64_t)VIRTIO_PCI_VRING_ALIGN)

static uint32_t features(const struct virtio_pci *pci)
{
	return (uint32_t)pci->device->offered | 1u << VIRTIO_F_ANY_LAYOUT;
}

static struct virtqueue_config *selected(struct virtio_pci *pci)
{
	return virtio_device_queue(pci->device, pci->queue_select);
}

/* Drivers do so when they have reset the device.  One that works cannot go on without the ring. */
static void take_ring_away(struct virtio_pci *pci)
{
	if (virtio_device_queue_enabled(pci->device, pci->queue_select))
		virtio_pci_halt(pci);
	virtio_device_disable_queue(pci->device, pci->queue_select);
}

/* "Legacy Interfaces: A Note on Virtqueue Layout": one contiguous piece. */
static void set_pfn(struct virtio_pci *pci, uint32_t pfn)
{
	struct virtqueue_config *queue = selected(pci);
	uint64_t used;

	if (!pfn)
		take_ring_away(pci);
	if (!queue || !pfn || pci->device->active)
		return;
	queue->size = pci->device->queue_size;
	queue->descriptors = (uint64_t)pfn << VIRTIO_PCI_QUEUE_ADDR_SHIFT;
	queue->driver = queue->descriptors + 16ull * queue->size;
	used = queue->driver + 4 + 2ull * queue->size + 2;
	queue->device = (used + QUEUE_ALIGNMENT - 1) & ~(QUEUE_ALIGNMENT - 1);
	virtio_device_enable_queue(pci->device, pci->queue_select);
}

static uint32_t get_pfn(struct virtio_pci *pci)
{
	if (!virtio_device_queue_enabled(pci->device, pci->queue_select))
		return 0;
	return selected(pci)->descriptors >> VIRTIO_PCI_QUEUE_ADDR_SHIFT;
}

static void notify(struct virtio_pci *pci, uint16_t queue)
{
	virtio_device_activate_legacy(pci->device);
	virtio_pci_sync_doorbells(pci);
	virtio_device_notify(pci->device, queue);
}

static uint64_t read_register(struct virtio_pci *pci, uint64_t offset)
{
	switch (offset) {
	case VIRTIO_PCI_HOST_FEATURES:
		return features(pci);
	case VIRTIO_PCI_GUEST_FEATURES:
		return (uint32_t)pci->driver_features;
	case VIRTIO_PCI_QUEUE_PFN:
		return get_pfn(pci);
	case VIRTIO_PCI_QUEUE_NUM:
		return selected(pci) ? pci->device->queue_size : 0;
	case VIRTIO_PCI_QUEUE_SEL:
		return pci->queue_select;
	case VIRTIO_PCI_STATUS:
		return virtio_device_status(pci->device);
	case VIRTIO_PCI_ISR:
		return virtio_pci_read_isr(pci);
	case VIRTIO_MSI_CONFIG_VECTOR:
		return pci->config_vector;
	case VIRTIO_MSI_QUEUE_VECTOR:
		return virtio_pci_queue_vector(pci);
	}
	return 0;
}

static void set_features(struct virtio_pci *pci, uint32_t value)
{
	pci->driver_features = value;
	virtio_device_set_features(pci->device, value);
}

static void write_register(struct virtio_pci *pci, uint64_t offset, uint32_t value)
{
	switch (offset) {
	case VIRTIO_PCI_GUEST_FEATURES:
		set_features(pci, value);
		break;
	case VIRTIO_PCI_QUEUE_PFN:
		set_pfn(pci, value);
		break;
	case VIRTIO_PCI_QUEUE_SEL:
		pci->queue_select = value;
		break;
	case VIRTIO_PCI_QUEUE_NOTIFY:
		notify(pci, value);
		break;
	case VIRTIO_PCI_STATUS:
		virtio_pci_set_status(pci, value, true);
		break;
	case VIRTIO_MSI_CONFIG_VECTOR:
		virtio_pci_set_config_vector(pci, value);
		break;
	case VIRTIO_MSI_QUEUE_VECTOR:
		virtio_pci_set_queue_vector(pci, value);
		break;
	}
}

/* The two vector registers are there only while MSI-X is enabled. */
static uint64_t config_start(const struct virtio_pci *pci)
{
	return VIRTIO_PCI_CONFIG_OFF(pci_msix_enabled(pci->function));
}

uint64_t virtio_pci_legacy_read(struct virtio_pci *pci, uint64_t offset, unsigned int size)
{
	uint64_t start = config_start(pci);

	if (offset >= start)
		return virtio_device_config_read(pci->device, offset - start, size);
	return read_register(pci, offset);
}

void virtio_pci_legacy_write(struct virtio_pci *pci, uint64_t offset, unsigned int size,
			     uint64_t value)
{
	uint64_t start = config_start(pci);

	if (offset >= start)
		virtio_device_config_write(pci->device, offset - start, size, value);
	else
		write_register(pci, offset, value);
}
