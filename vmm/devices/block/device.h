/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A disk.
 *
 * Source: VIRTIO 1.2, "Block Device".
 *
 * What a guest may rely on when the host loses power: once a flush has been answered with
 * VIRTIO_BLK_S_OK, all writes that were answered before the guest asked for it are on
 * stable storage.  With a write-through cache (the driver negotiated no flush, or wrote 0
 * to `writeback`) that holds for each write when it is answered.
 */
#ifndef MICA_VMM_DEVICES_BLOCK_DEVICE_H
#define MICA_VMM_DEVICES_BLOCK_DEVICE_H

#include "../../backends/block.h"
#include "../../virtio/device.h"

#define BLOCK_SERIAL_MAX	20u	/* VIRTIO_BLK_ID_BYTES */
#define BLOCK_QUEUES_MAX	8u

struct block_device_config {
	const char *name;		/* must outlive the device */
	const char *serial;		/* at most BLOCK_SERIAL_MAX bytes; NULL: empty */
	unsigned int queues;		/* 1..BLOCK_QUEUES_MAX */
};

/* Takes over `block`, also if this fails.  `memory` must outlive the device. */
struct virtio_device *block_device_new(const struct block_device_config *config,
				       const struct virtio_memory *memory, struct block *block,
				       GError **error);

/* Gives it another size, as block_resize() does, and tells the guest.  [m] */
gboolean block_device_resize(struct virtio_device *device, uint64_t size, bool shrink,
			     GError **error);
/* In bytes.  [m] */
uint64_t block_device_size(const struct virtio_device *device);

#endif
