/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A driver's side of a virtqueue, split or packed, written from the specification alone:
 * what the device's side is tested against.  It lives in real guest memory without a
 * kernel below.
 *
 * Guest memory of a test is MEMORY_SIZE bytes.  Rings lie at RING_BASE; buffers are the
 * tests' own business above BUFFER_BASE.
 */
#ifndef MICA_TEST_VIRTIO_DRIVER_H
#define MICA_TEST_VIRTIO_DRIVER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <string.h>

#include "../../../vmm/virtio/ring.h"

#define MEMORY_SIZE	(4ull << 20)
#define RING_BASE	0x10000ull
#define RING_STRIDE	0x8000ull	/* from one queue's areas to the next one's */
#define BUFFER_BASE	0x200000ull

#define FEATURE(bit)	(1ull << (bit))
#define SPLIT		0ull
#define PACKED		FEATURE(VIRTIO_F_RING_PACKED)
#define EVENT_IDX	FEATURE(VIRTIO_RING_F_EVENT_IDX)
#define INDIRECT	FEATURE(VIRTIO_RING_F_INDIRECT_DESC)
#define IN_ORDER	FEATURE(VIRTIO_F_IN_ORDER)

/* One buffer of a request. */
struct buffer {
	uint64_t gpa;
	uint32_t length;
	bool writable;
};

struct driver {
	struct guest_memory *memory;
	struct virtqueue_config config;
	bool packed;
	uint16_t avail_idx;		/* split: free-running; packed: position */
	uint16_t used_idx;
	bool avail_wrap;
	bool used_wrap;
	uint16_t next_free;		/* split: descriptors are taken in turn */
	uint16_t slots[VIRTQUEUE_MAX_SIZE];	/* packed: ring entries of each id */
};

/* A fresh ring, the `number`th, with nothing available. */
void driver_init(struct driver *driver, struct guest_memory *memory, unsigned int number,
		 uint16_t size, uint64_t features);

/* Makes a request available and returns its id.  Its descriptors must be free. */
uint16_t driver_add(struct driver *driver, const struct buffer *buffers, unsigned int count);
/* The same by a table of its own at `table`. */
uint16_t driver_add_indirect(struct driver *driver, const struct buffer *buffers,
			     unsigned int count, uint64_t table);

/* The next request that was handed back; false: none. */
bool driver_get(struct driver *driver, uint16_t *id, uint32_t *written);

/* What the device's side says about notifications for what it has not seen yet. */
bool driver_must_notify(const struct driver *driver, uint16_t added);
/* Asks for an interrupt at the next used entry, or (after `count` more of them) later, or
 * not at all. */
void driver_want_interrupt(struct driver *driver, uint16_t after);
void driver_want_no_interrupt(struct driver *driver);

/* Descriptors as they are in memory, for damage. */
struct vring_desc *driver_split_desc(const struct driver *driver, uint16_t index);
struct vring_packed_desc *driver_packed_desc(const struct driver *driver, uint16_t index);
uint16_t *driver_u16(const struct driver *driver, uint64_t gpa);

#endif
