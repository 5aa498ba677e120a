// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The common configuration structure of virtio 1.2 ("Common configuration structure
 * layout"), as a table of its fields.
 */
#include <stddef.h>

#include "pci_internal.h"

struct field {
	uint8_t offset;
	uint8_t size;
	uint32_t (*get)(struct virtio_pci *pci);
	void (*set)(struct virtio_pci *pci, uint32_t value);	/* NULL: read-only */
};

/* The features that `select` shows: 32 of them. */
static uint32_t half(uint64_t features, uint32_t select)
{
	return select < 2 ? features >> (32 * select) : 0;
}

static uint32_t get_device_feature_select(struct virtio_pci *pci)
{
	return pci->device_feature_select;
}

static void set_device_feature_select(struct virtio_pci *pci, uint32_t value)
{
	pci->device_feature_select = value;
}

static uint32_t get_device_feature(struct virtio_pci *pci)
{
	return half(pci->device->offered, pci->device_feature_select);
}

static uint32_t get_driver_feature_select(struct virtio_pci *pci)
{
	return pci->driver_feature_select;
}

static void set_driver_feature_select(struct virtio_pci *pci, uint32_t value)
{
	pci->driver_feature_select = value;
}

static uint32_t get_driver_feature(struct virtio_pci *pci)
{
	return half(pci->driver_features, pci->driver_feature_select);
}

static void set_driver_feature(struct virtio_pci *pci, uint32_t value)
{
	unsigned int shift = 32 * pci->driver_feature_select;

	if (pci->driver_feature_select >= 2)
		return;
	pci->driver_features &= ~(UINT64_C(0xffffffff) << shift);
	pci->driver_features |= (uint64_t)value << shift;
	virtio_device_set_features(pci->device, pci->driver_features);
}

static uint32_t get_config_vector(struct virtio_pci *pci)
{
	return pci->config_vector;
}

static void set_config_vector(struct virtio_pci *pci, uint32_t value)
{
	virtio_pci_set_config_vector(pci, value);
}

static uint32_t get_queue_count(struct virtio_pci *pci)
{
	return pci->device->queue_count;
}

static uint32_t get_status(struct virtio_pci *pci)
{
	return virtio_device_status(pci->device);
}

static void set_status(struct virtio_pci *pci, uint32_t value)
{
	virtio_pci_set_status(pci, value, false);
}

static uint32_t get_generation(struct virtio_pci *pci)
{
	return pci->device->generation;
}

static uint32_t get_queue_select(struct virtio_pci *pci)
{
	return pci->queue_select;
}

static void set_queue_select(struct virtio_pci *pci, uint32_t value)
{
	pci->queue_select = value;
}

/* ---------------------------------------------------------------- the selected queue */

static struct virtqueue_config *selected(struct virtio_pci *pci)
{
	return virtio_device_queue(pci->device, pci->queue_select);
}

static bool may_change(struct virtio_pci *pci)
{
	return selected(pci) && !pci->device->active &&
	       !virtio_device_queue_enabled(pci->device, pci->queue_select);
}

static uint32_t get_queue_size(struct virtio_pci *pci)
{
	return selected(pci) ? selected(pci)->size : 0;
}

static void set_queue_size(struct virtio_pci *pci, uint32_t value)
{
	if (may_change(pci) && value && value <= pci->device->queue_size)
		selected(pci)->size = value;
}

static uint32_t get_queue_vector(struct virtio_pci *pci)
{
	return virtio_pci_queue_vector(pci);
}

static void set_queue_vector(struct virtio_pci *pci, uint32_t value)
{
	virtio_pci_set_queue_vector(pci, value);
}

static uint32_t get_queue_enable(struct virtio_pci *pci)
{
	return virtio_device_queue_enabled(pci->device, pci->queue_select);
}

static void set_queue_enable(struct virtio_pci *pci, uint32_t value)
{
	if (value == 1)
		virtio_device_enable_queue(pci->device, pci->queue_select);
}

static uint32_t get_queue_notify_off(struct virtio_pci *pci)
{
	return selected(pci) ? pci->queue_select : 0;
}

static void set_low(struct virtio_pci *pci, uint64_t *address, uint32_t value)
{
	if (may_change(pci))
		*address = (*address & ~UINT64_C(0xffffffff)) | value;
}

static void set_high(struct virtio_pci *pci, uint64_t *address, uint32_t value)
{
	if (may_change(pci))
		*address = (*address & UINT64_C(0xffffffff)) | (uint64_t)value << 32;
}

#define ADDRESS_FIELDS(member)								\
static uint32_t get_##member##_lo(struct virtio_pci *pci)				\
{											\
	return selected(pci) ? selected(pci)->member : 0;				\
}											\
static uint32_t get_##member##_hi(struct virtio_pci *pci)				\
{											\
	return selected(pci) ? selected(pci)->member >> 32 : 0;				\
}											\
static void set_##member##_lo(struct virtio_pci *pci, uint32_t value)			\
{											\
	if (selected(pci))								\
		set_low(pci, &selected(pci)->member, value);				\
}											\
static void set_##member##_hi(struct virtio_pci *pci, uint32_t value)			\
{											\
	if (selected(pci))								\
		set_high(pci, &selected(pci)->member, value);				\
}

ADDRESS_FIELDS(descriptors)
ADDRESS_FIELDS(driver)
ADDRESS_FIELDS(device)

/* ---------------------------------------------------------------- the table */

static const struct field fields[] = {
	{ VIRTIO_PCI_COMMON_DFSELECT, 4, get_device_feature_select, set_device_feature_select },
	{ VIRTIO_PCI_COMMON_DF, 4, get_device_feature, NULL },
	{ VIRTIO_PCI_COMMON_GFSELECT, 4, get_driver_feature_select, set_driver_feature_select },
	{ VIRTIO_PCI_COMMON_GF, 4, get_driver_feature, set_driver_feature },
	{ VIRTIO_PCI_COMMON_MSIX, 2, get_config_vector, set_config_vector },
	{ VIRTIO_PCI_COMMON_NUMQ, 2, get_queue_count, NULL },
	{ VIRTIO_PCI_COMMON_STATUS, 1, get_status, set_status },
	{ VIRTIO_PCI_COMMON_CFGGENERATION, 1, get_generation, NULL },
	{ VIRTIO_PCI_COMMON_Q_SELECT, 2, get_queue_select, set_queue_select },
	{ VIRTIO_PCI_COMMON_Q_SIZE, 2, get_queue_size, set_queue_size },
	{ VIRTIO_PCI_COMMON_Q_MSIX, 2, get_queue_vector, set_queue_vector },
	{ VIRTIO_PCI_COMMON_Q_ENABLE, 2, get_queue_enable, set_queue_enable },
	{ VIRTIO_PCI_COMMON_Q_NOFF, 2, get_queue_notify_off, NULL },
	{ VIRTIO_PCI_COMMON_Q_DESCLO, 4, get_descriptors_lo, set_descriptors_lo },
	{ VIRTIO_PCI_COMMON_Q_DESCHI, 4, get_descriptors_hi, set_descriptors_hi },
	{ VIRTIO_PCI_COMMON_Q_AVAILLO, 4, get_driver_lo, set_driver_lo },
	{ VIRTIO_PCI_COMMON_Q_AVAILHI, 4, get_driver_hi, set_driver_hi },
	{ VIRTIO_PCI_COMMON_Q_USEDLO, 4, get_device_lo, set_device_lo },
	{ VIRTIO_PCI_COMMON_Q_USEDHI, 4, get_device_hi, set_device_hi },
};

static const struct field *find(uint64_t offset)
{
	for (size_t i = 0; i < G_N_ELEMENTS(fields); i++)
		if (offset - fields[i].offset < fields[i].size)
			return &fields[i];
	return NULL;
}

/* Drivers must use the width of the field, or halves of the 64-bit addresses; reads of a
 * part, and of both halves at once, cost nothing to answer. */
uint64_t virtio_pci_common_read(struct virtio_pci *pci, uint64_t offset, unsigned int size)
{
	const struct field *field = find(offset);

	if (size == 8)
		return virtio_pci_common_read(pci, offset, 4) |
		       virtio_pci_common_read(pci, offset + 4, 4) << 32;
	return field ? field->get(pci) >> (8 * (offset - field->offset)) : 0;
}

void virtio_pci_common_write(struct virtio_pci *pci, uint64_t offset, unsigned int size,
			     uint64_t value)
{
	const struct field *field = find(offset);

	if (size == 8) {
		virtio_pci_common_write(pci, offset, 4, (uint32_t)value);
		virtio_pci_common_write(pci, offset + 4, 4, value >> 32);
	} else if (field && field->set && field->offset == offset && field->size == size) {
		field->set(pci, value);
	}
}
