/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What device.c shares with pages.c and statistics.c.
 */
#ifndef MICA_VMM_DEVICES_BALLOON_INTERNAL_H
#define MICA_VMM_DEVICES_BALLOON_INTERNAL_H

#include "../../virtio/iothread.h"
#include "device.h"

/*
 * The standard gives reporting the fifth queue.  Linux counts only the queues of features that
 * it negotiated, and so takes the fourth, as VIRTIO_BALLOON_F_FREE_PAGE_HINT is not offered:
 * both report.
 */
enum balloon_queue {
	INFLATE,
	DEFLATE,
	STATISTICS,
	REPORTING_LINUX,
	REPORTING,
	QUEUE_COUNT,
};

#define QUEUE_SIZE	128u

/* [i] constant; [m] machine's lock; [d] the thread, or who paused it; [s] `lock`. */
struct balloon {
	struct virtio_device virtio;		/* the first member */
	struct iothread *thread;		/* [i] */
	uint64_t memory;			/* [i] bytes that the guest has at most */
	struct virtio_balloon_config config;	/* [m] */
	atomic_bool poisons;			/* free pages hold a pattern that must stay */
	atomic_bool wanted;			/* somebody wants newer statistics */
	struct virtqueue_chain *held;		/* [d] the guest's statistics, until wanted */
	bool again;				/* [d] the next ones are those that were held */
	bool complained;			/* [d] that the host takes nothing back */
	pthread_mutex_t lock;			/* taken inside the machine's */
	uint64_t told_ns;			/* [s] CLOCK_MONOTONIC of the statistics; 0: none */
	struct balloon_status status;		/* [s] `reported`, `known`, `guest` */
};

/* pages.c.  Both return true if they stopped before everything was done. */
bool balloon_move_pages(struct balloon *balloon, enum balloon_queue queue);
bool balloon_take_reports(struct balloon *balloon, enum balloon_queue queue);

/* statistics.c */
void balloon_take_statistics(struct balloon *balloon);
/* Those that are held go back to their ring, and will be taken again. */
void balloon_let_go_statistics(struct balloon *balloon);

/* state.c */
gboolean balloon_quiesce(struct virtio_device *device, GError **error);
void balloon_go_on(struct virtio_device *device);
extern const struct virtio_state_ops balloon_state_ops;

#endif
