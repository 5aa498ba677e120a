/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A virtio device, between its transport and its kind.  The transport (pci*.c) turns the
 * guest's register accesses into calls of this file and knows no kind; a kind
 * (vmm/devices/) fills in struct virtio_device_ops and knows no transport.
 *
 * Source: VIRTIO 1.2, "Basic Facilities of a Virtio Device".
 *
 * Life of a device: made by its kind; virtio_device_attach() by the transport; then by the
 * guest's status writes: features, queues, activate() when it says DRIVER_OK, reset() when
 * it writes 0 or the function is reset.  After something that only a hostile or broken
 * driver does, the device needs a reset: DEVICE_NEEDS_RESET is in the status, the guest
 * gets a configuration interrupt, and the queue where that happened is dead until the reset;
 * whether others go on is up to the kind ("Device Status Field" leaves it open).
 *
 * Locks: [m] machine's lock held.  [d] the thread that the device's queues belong to:
 * between activate() and reset() that may be an I/O thread of the device, which never takes
 * the machine's lock, because reset() waits for it with that lock held.  [any] any thread.
 */
#ifndef MICA_VMM_VIRTIO_DEVICE_H
#define MICA_VMM_VIRTIO_DEVICE_H

#include <glib.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "ring.h"

#define VIRTIO_MAX_QUEUES	64u
#define VIRTIO_CONFIG_INTERRUPT	UINT32_MAX	/* instead of a queue's number */
#define VIRTIO_BIT(feature)	(1ull << (feature))

/* Features of the rings, which virtio_device_init() offers for every device. */
#define VIRTIO_RING_FEATURES							\
	(VIRTIO_BIT(VIRTIO_RING_F_INDIRECT_DESC) | VIRTIO_BIT(VIRTIO_RING_F_EVENT_IDX) |	\
	 VIRTIO_BIT(VIRTIO_F_VERSION_1) | VIRTIO_BIT(VIRTIO_F_RING_PACKED) |		\
	 VIRTIO_BIT(VIRTIO_F_IN_ORDER))

struct virtio_device;
struct virtio_state_ops;

struct virtio_device_ops {
	/* The driver is ready: features are in `negotiated`, enabled queues are started and
	 * belong to the device from now on.  Some may be not started.  [m] */
	void (*activate)(struct virtio_device *device);
	/* Ends all work: when it returns the device holds no chain and its queues are no
	 * longer used by any thread.  Only after activate().  [m] */
	void (*reset)(struct virtio_device *device);
	/* The driver added something to the queue, which exists but may be not started.  Only
	 * between activate() and reset().  [m] */
	void (*notify)(struct virtio_device *device, unsigned int queue);
	/* An eventfd (non-blocking) that is as good as notify(); -1 if there is none.  May be
	 * NULL.  Constant.  [m] */
	int (*notify_fd)(struct virtio_device *device, unsigned int queue);
	/* The driver changed the bytes [offset, offset + size) of its configuration space to
	 * `value`, all inside config_size.  NULL: it cannot.  [m] */
	void (*config_write)(struct virtio_device *device, unsigned int offset, unsigned int size,
			     uint64_t value);
	/* The device is not attached any more, or never was.  [m] */
	void (*free)(struct virtio_device *device);

	/* For checkpoints, see state.h.  All may be NULL.  [m] */

	/* Whether it can be saved now; with an error that says why not. */
	gboolean (*saveable)(const struct virtio_device *device, GError **error);
	/* Work stops, and no chain is held; on error it runs on.  Only between activate() and
	 * reset(), which may follow.  Who works on the main loop does nothing while
	 * device->quiet. */
	gboolean (*quiesce)(struct virtio_device *device, GError **error);
	/* After that, or on an active device that was loaded in activate()'s place: work goes on.
	 * A notify() for each queue follows. */
	void (*go_on)(struct virtio_device *device);
	const struct virtio_state_ops *state;
};

/* What a transport does for a device. */
struct virtio_transport_ops {
	/* An interrupt for a queue, or VIRTIO_CONFIG_INTERRUPT.  [any] */
	void (*interrupt)(void *opaque, uint32_t queue);
	/* An eventfd (non-blocking) that is as good as interrupt() for that queue, with the
	 * vector that it has now; -1 if there is none.  NULL: there never is.  [m] */
	int (*interrupt_fd)(void *opaque, uint32_t queue);
};

/* How long virtio_device_quiesce() waits for a device's host. */
#ifndef VIRTIO_QUIESCE_MS
#define VIRTIO_QUIESCE_MS	5000
#endif

/* First member of a device of some kind.  [i]: constant once the device is made. */
struct virtio_device {
	const struct virtio_device_ops *ops;	/* [i] */
	const char *name;			/* [i] for messages, e.g. "disk0" */
	uint16_t type;				/* [i] VIRTIO_ID_* */
	uint16_t queue_count;			/* [i] 1..VIRTIO_MAX_QUEUES */
	uint16_t queue_size;			/* [i] largest and default, a power of 2 */
	uint64_t offered;			/* [i] features */
	uint16_t config_size;			/* [i] */
	const void *config;			/* configuration space as the guest reads it: [m] */
	struct virtqueue *queues;		/* [d] by virtio_queue() only */
	struct virtqueue absent;		/* [i] never started */
	const struct virtio_memory *memory;	/* [i] */

	const struct virtio_transport_ops *transport;	/* [i] after attach */
	void *transport_opaque;
	uint64_t negotiated;			/* [m] before DRIVER_OK, constant after: what */
						/* the driver wants of `offered`, no more */
	bool wants_more;			/* [m] it wants features that are not offered */
	struct virtqueue_config *wanted;	/* [m] what the driver set up, for each queue */
	uint64_t enabled;			/* [m] mask of queues */
	uint8_t status;				/* [m] as the driver wrote it */
	uint8_t generation;			/* [m] of the configuration space */
	bool active;				/* [m] between activate() and reset() */
	bool quiet;				/* [m] since virtio_device_quiesce() or a load */
	atomic_bool needs_reset;
	atomic_uint complaints;
};

/* For kinds: fills in what all devices have.  `device` is zeroed; ops, name, type,
 * queue_count, queue_size and the kind's own features in `offered` are set.  Copies nothing
 * of what it is given. */
void virtio_device_init(struct virtio_device *device, const struct virtio_memory *memory);
/* Undoes it; for ops->free(). */
void virtio_device_clear(struct virtio_device *device);

/* Interrupts the guest if virtqueue_commit() says that it wants that.  [d] */
void virtio_device_commit(struct virtio_device *device, unsigned int queue);
/* Interrupts the guest for a queue that another process serves, which has looked whether the
 * guest wants that.  [any] */
void virtio_device_interrupt(struct virtio_device *device, unsigned int queue);
/* The device itself changed its configuration space.  [m] */
void virtio_device_config_changed(struct virtio_device *device);
/* For somebody who fills a queue in this device's stead; -1: there is no such eventfd.  [m] */
int virtio_device_interrupt_fd(const struct virtio_device *device, unsigned int queue);
/* See above; `reason` is for the user and says what the driver did.  [any] */
void virtio_device_break(struct virtio_device *device, const char *reason);

static inline bool virtio_device_has(const struct virtio_device *device, unsigned int feature)
{
	return device->negotiated >> feature & 1;
}

/* The queue of that number; one from which nothing comes and into which nothing goes if there
 * is none.  Never NULL. */
static inline struct virtqueue *virtio_queue(struct virtio_device *device, unsigned int queue)
{
	return queue < device->queue_count ? &device->queues[queue] : &device->absent;
}

/* ------------------------------------------------------------ for transports, all [m] */

void virtio_device_attach(struct virtio_device *device, const struct virtio_transport_ops *ops,
			  void *opaque);
/* Resets and frees the device. */
void virtio_device_free(struct virtio_device *device);

uint8_t virtio_device_status(const struct virtio_device *device);
/* A driver without VIRTIO_F_VERSION_1 (`legacy`) knows no FEATURES_OK.  Whoever starts the device
 * without it is one, whichever registers it used before. */
void virtio_device_set_status(struct virtio_device *device, uint8_t status, bool legacy);
/* Ignored once FEATURES_OK or DRIVER_OK is set.  Features that are not offered never take
 * effect; a driver that insists on them gets no FEATURES_OK. */
void virtio_device_set_features(struct virtio_device *device, uint64_t features);

/* What the driver sets up; NULL if there is no such queue. */
struct virtqueue_config *virtio_device_queue(struct virtio_device *device, unsigned int queue);
/* Ignored if the queue is enabled or the device is active. */
void virtio_device_enable_queue(struct virtio_device *device, unsigned int queue);
/* Likewise; for legacy drivers, as others can only reset. */
void virtio_device_disable_queue(struct virtio_device *device, unsigned int queue);
bool virtio_device_queue_enabled(const struct virtio_device *device, unsigned int queue);
/* A queue that does not exist, or a device that is not active: no effect. */
void virtio_device_notify(struct virtio_device *device, unsigned int queue);
/* Legacy drivers use their queues before they say DRIVER_OK.  Queues that they set up after
 * their first notification stay dead: none is known that does so. */
void virtio_device_activate_legacy(struct virtio_device *device);
/* The driver took something away without which the device cannot work: it ends all work, and
 * needs a reset, of which it says nothing but by its status.  Without effect if not active. */
void virtio_device_halt(struct virtio_device *device);

/* 1, 2, 4 or 8 bytes; what lies behind the configuration space reads as zero. */
uint64_t virtio_device_config_read(const struct virtio_device *device, uint64_t offset,
				   unsigned int size);
void virtio_device_config_write(struct virtio_device *device, uint64_t offset, unsigned int size,
				uint64_t value);

#endif
