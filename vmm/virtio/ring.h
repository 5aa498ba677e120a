/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtqueues, split and packed: the device's side, and the only code that reads or writes
 * guest memory through a ring.
 *
 * Source: Virtual I/O Device (VIRTIO) Version 1.2, "Split Virtqueues", "Packed
 * Virtqueues".
 *
 * The guest is hostile and can change its memory at any time.  Every descriptor is copied
 * once, the copy is checked and used.  A ring that breaks the rules (a cycle, an address
 * outside of the RAM, more buffers than the ring can hold, ...) makes its queue "broken":
 * nothing more comes out of it and nothing more is written to it until virtqueue_stop();
 * the owner is told once by `on_broken`.
 *
 * Memory order: the guest's CPUs are this host's, so a ring is shared memory between two
 * threads.  An index or the flags that make something available are read with acquire
 * before what they cover, and written with release after it (plain MOVs on x86, whose
 * stores and loads are not reordered among themselves).  The two places where a store must
 * be seen before a later load, so that neither side sleeps while the other thinks that it
 * is awake, have a full barrier: virtqueue_enable_notify() and virtqueue_commit().
 *
 * Threads: a queue belongs to one thread at a time; the owner sees to that.
 */
#ifndef MICA_VMM_VIRTIO_RING_H
#define MICA_VMM_VIRTIO_RING_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "memory.h"

#define VIRTQUEUE_MAX_SIZE	1024u	/* ring entries that a queue of ours can have */
#define VIRTQUEUE_MAX_SEGMENTS	1024u	/* buffers of one chain, empty ones too: IOV_MAX */

struct virtqueue;
struct virtqueue_format;

/*
 * One request of the guest: host addresses of buffers that were checked to lie in its RAM.
 * What they contain is the guest's and may change at any time.  The readable ones come
 * first in the ring.  Empty buffers are left out.
 */
struct virtqueue_chain {
	uint32_t readable_length;	/* bytes */
	uint32_t writable_length;
	unsigned int readable_count;	/* entries of `readable` */
	unsigned int writable_count;
	struct iovec *readable;
	struct iovec *writable;
	/* How many of the writable bytes the device may have changed: all of them unless it
	 * knows better.  These are what virtqueue_push() marks dirty. */
	uint32_t touched;

	/* For ring*.c only. */
	uint64_t *gpas;			/* of `writable` */
	uint16_t place;			/* in the order of virtqueue_pop(): of virtqueue.done */
	uint16_t id;			/* what the guest knows the chain by */
	uint16_t slots;			/* ring entries that it takes */
	struct iovec segments[];
};

/* Where a guest says its ring is: guest-physical addresses.  For a packed ring `driver`
 * and `device` are the two event suppression structures. */
struct virtqueue_config {
	uint64_t descriptors;
	uint64_t driver;		/* split: the available ring */
	uint64_t device;		/* split: the used ring */
	uint16_t size;			/* entries; split: a power of 2 */
	uint64_t features;		/* that were negotiated: 1 << VIRTIO_F_*, 1 << VIRTIO_RING_F_* */
};

/* What must survive a checkpoint, besides the configuration.  Only taken while nothing is
 * in flight.  Split: the free-running index of the next available entry and of the next
 * used one.  Packed: the ring position of each in bits 14:0, its wrap counter in bit 15. */
struct virtqueue_position {
	uint16_t avail;
	uint16_t used;
};

struct virtqueue_done {
	struct virtqueue_chain *chain;
	uint32_t written;
};

struct virtqueue {
	const struct virtqueue_format *format;	/* NULL: not started */
	const struct virtio_memory *memory;
	struct virtqueue_config config;
	uint8_t *descriptors;			/* host addresses of the three areas */
	uint8_t *driver;
	uint8_t *device;
	bool event_idx;
	bool indirect;
	bool in_order;

	uint16_t next_avail;			/* as in struct virtqueue_position, but for */
	uint16_t next_used;			/* the wrap counters */
	bool avail_wrap;
	bool used_wrap;
	uint16_t staged;			/* ring entries pushed since virtqueue_commit() */
	uint16_t staged_flags;			/* packed: flags of the first of them */
	unsigned int in_flight;			/* ring entries of chains that were popped; */
						/* with `staged` never more than the size */

	uint16_t next_pop;			/* place of the next chain to pop, */
	uint16_t next_push;			/* and in order, of the next to hand back */
	struct virtqueue_done *done;		/* in order: `size` of them, by place */

	const char *broken;			/* why; NULL: it is not */
	void (*on_broken)(void *opaque, struct virtqueue *queue);
	void *opaque;
};

/* Must be called once on zeroed memory, before all others.  `memory` must outlive the
 * queue; `on_broken` is called from within the functions below, at most once for each
 * virtqueue_start(). */
void virtqueue_init(struct virtqueue *queue, const struct virtio_memory *memory,
		    void (*on_broken)(void *opaque, struct virtqueue *queue), void *opaque);

/* Puts a ring into use from `position` (NULL: the beginning).  False, and the queue is
 * broken, if the configuration is no good.  The queue must not be started. */
bool virtqueue_start(struct virtqueue *queue, const struct virtqueue_config *config,
		     const struct virtqueue_position *position);
/* Why virtqueue_start() would break the queue, or the position is none that a queue with nothing in
 * flight can have; NULL: it is good.  Changes nothing. */
const char *virtqueue_check(const struct virtio_memory *memory,
			    const struct virtqueue_config *config,
			    const struct virtqueue_position *position);
/* Started and broken at once, without a call of `on_broken`: as it was when it was saved. */
void virtqueue_start_broken(struct virtqueue *queue, const struct virtqueue_config *config);
/* Forgets the ring.  Chains that were popped must have been pushed or dropped.  Does
 * nothing on a queue that is not started. */
void virtqueue_stop(struct virtqueue *queue);

static inline bool virtqueue_started(const struct virtqueue *queue)
{
	return queue->format != NULL;
}

/* The next request, or NULL: there is none, or the queue is broken or not started.  It is
 * the caller's until virtqueue_push() or virtqueue_drop(). */
struct virtqueue_chain *virtqueue_pop(struct virtqueue *queue);

/* Hands a request back: `written` is how many bytes at the start of its writable part have
 * a meaning for the guest, which sees it at the next virtqueue_commit().  Frees the chain.
 * A ring "in order" hands it back when all before it have been. */
void virtqueue_push(struct virtqueue *queue, struct virtqueue_chain *chain, uint32_t written);

/* Lets the guest see what was pushed.  True: it wants an interrupt for it. */
bool virtqueue_commit(struct virtqueue *queue);

/* Frees a chain that the guest does not get back, because its ring is about to stop. */
void virtqueue_drop(struct virtqueue *queue, struct virtqueue_chain *chain);

/* In order: frees the chains that were pushed and wait for one before them, of a ring that is broken
 * or about to stop. */
void virtqueue_drop_done(struct virtqueue *queue);

/* Puts back the chain that was popped last, as if it had not been: there is no room for
 * its contents now. */
void virtqueue_unpop(struct virtqueue *queue, struct virtqueue_chain *chain);

/* Asks the guest not to notify: a wish only.  virtqueue_enable_notify() takes it back and
 * returns true if more became available meanwhile, for which no notification may come. */
void virtqueue_disable_notify(struct virtqueue *queue);
bool virtqueue_enable_notify(struct virtqueue *queue);

/* Says that the device found the contents of a request to break the rules of its kind.
 * `reason` is a constant. */
void virtqueue_break(struct virtqueue *queue, const char *reason);

/* The queue must be started and have nothing in flight. */
void virtqueue_position(const struct virtqueue *queue, struct virtqueue_position *position);

/* iov.c: copies between a chain and a buffer of ours, from `offset` in the readable or the
 * writable part.  Return the bytes copied, fewer than `length` at the part's end. */
size_t virtqueue_chain_read(const struct virtqueue_chain *chain, size_t offset, void *to,
			    size_t length);
size_t virtqueue_chain_write(struct virtqueue_chain *chain, size_t offset, const void *from,
			     size_t length);
/* The part [offset, offset + length) of `from` as iovecs in `to`, which has as many places
 * as `from`; returns how many were used.  Stops at the end of `from`. */
unsigned int virtqueue_iov_slice(const struct iovec *from, unsigned int count, size_t offset,
				 size_t length, struct iovec *to);

#endif
