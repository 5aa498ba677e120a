/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What device.c shares with request.c.
 */
#ifndef MICA_VMM_DEVICES_BLOCK_INTERNAL_H
#define MICA_VMM_DEVICES_BLOCK_INTERNAL_H

#include <linux/virtio_blk.h>

#include "../../virtio/iothread.h"
#include "device.h"

#define SECTOR_SIZE		512u
#define SEGMENTS_MAX		32u	/* of one discard or write-zeroes request */
#define SEGMENT_SECTORS_MAX	(1u << 22)	/* 2 GiB */

/* [i] constant; [m] machine's lock; [d] the thread, or who paused it; [a] atomic. */
struct block_device {
	struct virtio_device virtio;	/* the first member */
	struct iothread *thread;	/* [i] */
	struct block *block;		/* [d] */
	struct virtio_blk_config config;	/* [m] */
	uint8_t serial[BLOCK_SERIAL_MAX];	/* [i] */
	atomic_bool writeback;		/* [a] the cache mode that applies */
	uint64_t answered;		/* [d] mask of queues to be committed */
	bool complained;		/* [d] of an I/O error */
	bool retry;			/* [d] the host could not take all requests */
	atomic_uint requests;		/* [a] under way; changed by [d] */
	unsigned int rests;		/* [m] how often it was to come to rest */
	atomic_uint resting;		/* [a] the number of that: no more are taken; 0: they are */
	atomic_uint at_rest;		/* [a] that number, once nothing is under way */
	unsigned int flushed_for;	/* [d] that number, once a flush has been begun */
	int rest_error;			/* [d] how that ended: 0 or -errno */
	bool grown;			/* [m] loaded with another size than it was saved with */
};

/* One request of the guest, from virtqueue_pop() to virtqueue_push(). */
struct job {
	struct block_request request;	/* the first member */
	struct block_device *device;
	struct virtqueue_chain *chain;
	unsigned int queue;
	unsigned int segment;		/* of the ones below: the next to do */
	unsigned int segment_count;
	struct virtio_blk_discard_write_zeroes *segments;
	struct iovec iov[];
};

/* state.c */
gboolean block_quiesce(struct virtio_device *virtio, GError **error);
void block_go_on(struct virtio_device *virtio);
/* The thread's work while `resting`: ends what is under way. */
void block_rest(struct block_device *device);
extern const struct virtio_state_ops block_state_ops;

/* device.c: shows the guest what was answered.  [d] */
void block_commit(struct block_device *device);

/* request.c: begins what `chain` asks for; it is answered now or later. */
void block_start(struct block_device *device, unsigned int queue, struct virtqueue_chain *chain);

#endif
