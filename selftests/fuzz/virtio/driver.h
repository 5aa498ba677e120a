/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The driver's half of a target for one device: it starts the device with rings that are in
 * order, and then does what the input says with them.  Everything is a function of the input,
 * so that a run can be done again.
 *
 * Queue n has its descriptors at FUZZ_RINGS + n * FUZZ_STRIDE and the two other parts behind
 * them, all split and of FUZZ_QUEUE_SIZE entries; buffers are the targets' own business, in the
 * upper half of memory.
 */
#ifndef MICA_FUZZ_VIRTIO_DRIVER_H
#define MICA_FUZZ_VIRTIO_DRIVER_H

#include "../../../vmm/virtio/state.h"
#include "../input.h"

#define FUZZ_MEMORY_SIZE	(2ull << 20)
#define FUZZ_RINGS		0x10000ull
#define FUZZ_STRIDE		0x8000ull
#define FUZZ_QUEUE_SIZE		16u
#define FUZZ_QUEUES_MAX		8u
#define FUZZ_BUFFERS		(FUZZ_MEMORY_SIZE / 2)

/* First member of a target's own state, where it has any. */
struct fuzz_driver {
	struct input input;
	struct virtio_device *device;
	unsigned int queues;		/* at most FUZZ_QUEUES_MAX */
	bool notifies;			/* of each chain that it makes available */
	unsigned int patience;		/* one in so many of fuzz_driver_again() starts anew */
	void (*was_reset)(struct fuzz_driver *driver);	/* NULL: there is nothing more to do */

	uint8_t *ram;			/* of fuzz_memory() */
	uint16_t avail[FUZZ_QUEUES_MAX];
};

typedef void (*fuzz_step)(struct fuzz_driver *driver);

/* The guest's memory, the same for all runs: mapping is dear. */
const struct virtio_memory *fuzz_memory(void);

/* Starts the device, whose transport this is from now on, and takes steps until the input
 * ends.  The device is left as it is then. */
void fuzz_driver_run(struct fuzz_driver *driver, const fuzz_step *steps, unsigned int count);

/* Both leave the rings empty; start() negotiates any features that are offered, but never
 * packed rings. */
void fuzz_driver_reset(struct fuzz_driver *driver);
void fuzz_driver_start(struct fuzz_driver *driver);

/* `index` and `head` may be anything up to FUZZ_QUEUE_SIZE, of which that one is wrong. */
void fuzz_driver_describe(struct fuzz_driver *driver, unsigned int queue, uint16_t index,
			  const struct vring_desc *desc);
void fuzz_driver_make_available(struct fuzz_driver *driver, unsigned int queue, uint16_t head);

/* Steps that fit every device: a descriptor and a head that mean nothing; the configuration
 * space; another start. */
void fuzz_driver_wild(struct fuzz_driver *driver);
void fuzz_driver_config(struct fuzz_driver *driver);
void fuzz_driver_again(struct fuzz_driver *driver);
/* As for a checkpoint: the device comes to rest, its state is one that would be loaded, and it goes
 * on. */
void fuzz_driver_rest(struct fuzz_driver *driver);

#endif
