/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What pci_transport.c shares with the two register interfaces, pci_modern.c and
 * pci_legacy.c.  All with the machine's lock held, but for what says otherwise.
 */
#ifndef MICA_VMM_VIRTIO_PCI_INTERNAL_H
#define MICA_VMM_VIRTIO_PCI_INTERNAL_H

#include <linux/virtio_pci.h>
#include <uv.h>

#include "pci_transport.h"

#define BAR_IO			0u
#define BAR_MEMORY		1u
#define IO_SIZE			0x100u
#define IO_NOTIFY		0x80u	/* the legacy interface is below */
#define NOTIFY_MULTIPLIER	2u	/* a port of 16 bits for each queue */
#define MEMORY_COMMON		0x0u
#define MEMORY_ISR		0x100u
#define MEMORY_DEVICE		0x200u
#define MEMORY_MSIX_TABLE	0x1000u
#define MEMORY_MSIX_PBA		0x1800u
#define MEMORY_SIZE		0x2000u

struct virtio_pci {
	struct virtio_device *device;
	struct pci_device *function;
	pthread_mutex_t *lock;
	unsigned int capability;	/* VIRTIO_PCI_CAP_PCI_CFG's */

	void (*removed)(void *opaque);	/* NULL: nobody wants to know */
	void *removed_opaque;

	uint32_t device_feature_select;
	uint32_t driver_feature_select;
	uint64_t driver_features;	/* as the driver wrote them */
	uint16_t queue_select;
	uint16_t config_vector;
	uint16_t queue_vectors[VIRTIO_MAX_QUEUES];
	uint8_t isr;

	/* Interrupts that other threads ask for; the main loop delivers them. */
	uv_async_t wanted;
	atomic_ulong wanted_queues;	/* mask */
	atomic_bool wanted_config;

	/* The same by eventfds, where the host can: no lock, no thread in between. */
	int irqfds[VIRTIO_MAX_QUEUES];
	unsigned int irqfd_handles[VIRTIO_MAX_QUEUES];
	atomic_ulong routed;		/* mask: the queue's irqfd has a vector, and MSI-X is on */

	unsigned int doorbells[2 * VIRTIO_MAX_QUEUES];
	unsigned int doorbell_count;
	bool doorbells_on;
};

/* What the guest does through either interface. */
void virtio_pci_set_status(struct virtio_pci *pci, uint8_t status, bool legacy);
/* virtio_device_halt(); nothing is said to the driver any more, and no interrupt stays up. */
void virtio_pci_halt(struct virtio_pci *pci);
uint8_t virtio_pci_read_isr(struct virtio_pci *pci);	/* and clears it */
uint16_t virtio_pci_queue_vector(const struct virtio_pci *pci);
void virtio_pci_set_queue_vector(struct virtio_pci *pci, uint16_t vector);
void virtio_pci_set_config_vector(struct virtio_pci *pci, uint16_t vector);
/* What the driver gave the queue, which exists; checked. */
void virtio_pci_route_queue(struct virtio_pci *pci, unsigned int queue, uint16_t vector);
/* Doorbells follow the state of the device; after each thing that may have changed it. */
void virtio_pci_sync_doorbells(struct virtio_pci *pci);

/* The common configuration structure; `offset` is inside it or behind it. */
uint64_t virtio_pci_common_read(struct virtio_pci *pci, uint64_t offset, unsigned int size);
void virtio_pci_common_write(struct virtio_pci *pci, uint64_t offset, unsigned int size,
			     uint64_t value);

/* BAR 0 below IO_NOTIFY. */
uint64_t virtio_pci_legacy_read(struct virtio_pci *pci, uint64_t offset, unsigned int size);
void virtio_pci_legacy_write(struct virtio_pci *pci, uint64_t offset, unsigned int size,
			     uint64_t value);

/* Whether the kind has a legacy interface ("Legacy Interfaces: A Note on PCI Device
 * Discovery"). */
bool virtio_pci_transitional(const struct virtio_device *device);

#endif
