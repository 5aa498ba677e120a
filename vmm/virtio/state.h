/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio devices in checkpoints: how they come to rest, and what of them is kept.  The structures
 * are the contents of records and never change (docs/checkpoint-format.md); numbers are
 * little-endian, what is not used is zero.
 *
 * Order: virtio_device_quiesce() of all devices while no vCPU runs; saving; virtio_device_go_on().
 * Or, on a machine that has never run: PCI's states; virtio's; virtio_device_go_on() when the vCPUs
 * may start.  A device that was loaded does nothing before that.
 *
 * Locks: all with the machine's lock held, by the main thread.
 */
#ifndef MICA_VMM_VIRTIO_STATE_H
#define MICA_VMM_VIRTIO_STATE_H

#include "device.h"

struct virtio_queue_state {
	uint64_t descriptors;		/* guest-physical, as the driver wrote them: */
	uint64_t driver;		/* struct virtqueue_config */
	uint64_t device;
	uint16_t size;			/* 1..the device's queue_size */
	uint16_t vector;		/* 0..queue_count, or VIRTIO_MSI_NO_VECTOR */
	uint16_t avail;			/* struct virtqueue_position, nothing being in flight; */
	uint16_t used;			/* 0 unless the queue works */
	uint8_t enabled;		/* 0..1 */
	uint8_t broken;			/* 0..1; only if it is enabled and the device active */
	uint8_t interrupt;		/* 0..1: one is due, and not delivered */
	uint8_t pad[5];
};
G_STATIC_ASSERT(sizeof(struct virtio_queue_state) == 40);

/* A device and its PCI transport's registers. */
struct virtio_state {
	uint16_t type;			/* VIRTIO_ID_* */
	uint16_t queue_count;
	uint16_t queue_size;		/* the largest */
	uint16_t queue_select;
	uint16_t config_vector;		/* as a queue's */
	uint8_t status;			/* as the driver wrote it */
	uint8_t generation;
	uint8_t active;			/* 0..1: the driver was ready, and has not reset it */
	uint8_t needs_reset;		/* 0..1 */
	uint8_t wants_more;		/* 0..1: the driver asked for what is not offered */
	uint8_t isr;			/* 0..3 */
	uint8_t config_interrupt;	/* 0..1: one is due, and not delivered */
	uint8_t pad[7];
	uint32_t device_feature_select;
	uint32_t driver_feature_select;
	uint64_t driver_features;	/* as the driver wrote them */
	uint64_t negotiated;
	struct virtio_queue_state queues[VIRTIO_MAX_QUEUES];	/* behind queue_count: zero */
};
G_STATIC_ASSERT(sizeof(struct virtio_state) == 48 + 40 * VIRTIO_MAX_QUEUES);

struct virtio_block_state {
	uint64_t capacity;		/* sectors of 512 bytes */
	uint8_t writeback;		/* 0..1, as in the configuration space */
	uint8_t read_only;		/* 0..1 */
	uint8_t pad[6];
};
G_STATIC_ASSERT(sizeof(struct virtio_block_state) == 16);

struct virtio_net_state {
	uint8_t mac[6];
	uint16_t status;		/* VIRTIO_NET_S_LINK_UP */
	uint16_t mtu;
	uint16_t pairs;			/* in use: 1..8 */
	uint8_t pad[4];
};
G_STATIC_ASSERT(sizeof(struct virtio_net_state) == 16);

#define VIRTIO_CONSOLE_STATE_PORTS	16u
#define VIRTIO_CONSOLE_STATE_NAME	64u

struct virtio_console_port_state {
	char name[VIRTIO_CONSOLE_STATE_NAME];	/* zeroes behind it; all zero: the console */
	uint32_t sent;			/* bytes of the guest's next buffer that the host has */
	uint8_t connected;		/* 0..1: as the guest knows it, or will by `news` */
	uint8_t ready;			/* 0..1: the driver knows the port */
	uint8_t guest_open;		/* 0..1 */
	uint8_t news;			/* what the driver has to be told: bit 0 add, 1 console, */
};					/* 2 name, 3 open, 4 size */
G_STATIC_ASSERT(sizeof(struct virtio_console_port_state) == 72);

struct virtio_console_state {
	uint16_t columns;
	uint16_t rows;
	uint32_t count;			/* of ports */
	struct virtio_console_port_state ports[VIRTIO_CONSOLE_STATE_PORTS];
};
G_STATIC_ASSERT(sizeof(struct virtio_console_state) == 8 + 72 * VIRTIO_CONSOLE_STATE_PORTS);

struct virtio_balloon_state {
	uint32_t num_pages;		/* of 4 KiB: what the guest shall hand over, */
	uint32_t actual;		/* and what it says it has */
	uint32_t poison_val;
	uint8_t pad[4];
	uint64_t reported;		/* bytes of free pages that went back */
};
G_STATIC_ASSERT(sizeof(struct virtio_balloon_state) == 24);

struct virtio_vsock_state {
	uint64_t guest_cid;		/* for readers: the new device may have another */
	uint32_t next_port;		/* of the host's connections: below 2^30 */
	uint8_t reset_event;		/* 0..1: one from an earlier load is not delivered yet */
	uint8_t pad[3];
};
G_STATIC_ASSERT(sizeof(struct virtio_vsock_state) == 16);

/* What a kind keeps in a record of its own.  check() may look at the device, which is as it was
 * made, and at the state that it will have; load() comes after the device has that. */
struct virtio_state_ops {
	size_t size;
	void (*save)(const struct virtio_device *device, void *state);
	gboolean (*check)(const struct virtio_device *device, const struct virtio_state *common,
			  const void *state, GError **error);
	void (*load)(struct virtio_device *device, const void *state);
};

/* With an error that says why not. */
gboolean virtio_device_saveable(const struct virtio_device *device, GError **error);

/*
 * When it returns TRUE no thread works for the device, no chain is held, and what the host had under
 * way has ended and was handed back.  Waits for at most VIRTIO_QUIESCE_MS; on error the device
 * runs on.  Without effect on one that is quiet.
 */
gboolean virtio_device_quiesce(struct virtio_device *device, GError **error);
/* It looks at its rings, as notifications may have got lost.  Without effect on one that is not
 * quiet. */
void virtio_device_go_on(struct virtio_device *device);

/* Of a device that is quiet: all but what is the transport's. */
void virtio_device_save(const struct virtio_device *device, struct virtio_state *state);
/* FALSE if no guest could have come to that state on this device.  `kind`: of the kind's size. */
gboolean virtio_device_check(const struct virtio_device *device, const struct virtio_state *state,
			     const void *kind, GError **error);
/* After that, on a device that has had no driver.  It is quiet then. */
void virtio_device_load(struct virtio_device *device, const struct virtio_state *state,
			const void *kind);

/* For check(): an error in words with the device's name before them. */
#define virtio_state_error(device, error, format, ...) \
	error_set(error, "%s: " format, (device)->name, ##__VA_ARGS__)

#endif
