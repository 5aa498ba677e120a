/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A driver of virtio over PCI as small as it can be: split rings, EVENT_IDX, MSI-X. */
#ifndef MICA_BENCH_VIRTIO_H
#define MICA_BENCH_VIRTIO_H

#include "machine.h"

#define VIRTIO_BLOCK	0x1001	/* PCI device IDs of transitional functions */
#define VIRTIO_NET	0x1000

#define QUEUE_MAX	256u

/* VIRTIO 1.2, "The Virtqueue Descriptor Table". */
#define DESC_NEXT	1u
#define DESC_WRITE	2u

struct descriptor {
	uint64_t address;
	uint32_t length;
	uint16_t flags;
	uint16_t next;
};

struct virtqueue {
	struct descriptor descriptors[QUEUE_MAX] __attribute__((aligned(4096)));
	/* Flags, index, ring, used_event. */
	volatile uint16_t avail[2 + QUEUE_MAX + 1] __attribute__((aligned(4096)));
	struct {
		volatile uint16_t flags, index;
		struct {
			uint32_t id, length;
		} ring[QUEUE_MAX];
		volatile uint16_t avail_event;
	} used __attribute__((aligned(4096)));
	uint16_t added, kicked, taken;	/* indices that only grow */
	uint16_t number;
	bool notify_by_port;
	uintptr_t notify;
};

struct virtio {
	uint32_t function;		/* as the configuration address has it */
	uintptr_t common, msix_table;
	uintptr_t notify;
	bool notify_by_port;
	uint32_t notify_multiplier;
};

/* The first function with that ID, reset and acknowledged; ends the kernel if there is none. */
void virtio_find(struct virtio *virtio, uint16_t device_id);
/* Features of the device's own kind are bits 0 to 23.  Queue N has QUEUE_MAX entries and
 * VECTOR_DEVICE + N. */
void virtio_start(struct virtio *virtio, uint32_t features, struct virtqueue *queues,
		  unsigned int count);

/* Makes the chain that begins with descriptor `head` available; virtqueue_kick() tells the device. */
void virtqueue_add(struct virtqueue *queue, uint16_t head);
void virtqueue_kick(struct virtqueue *queue);
/* Waits, halted, until `count` chains more have come back than were taken; takes them. */
void virtqueue_wait(struct virtqueue *queue, unsigned int count);

#endif
