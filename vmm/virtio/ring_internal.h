/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What ring.c shares with the two formats, ring_split.c and ring_packed.c.
 */
#ifndef MICA_VMM_VIRTIO_RING_INTERNAL_H
#define MICA_VMM_VIRTIO_RING_INTERNAL_H

#include <linux/virtio_ring.h>
#include <string.h>

#include "ring.h"

/* Both formats have descriptors of 16 bytes with the same first three fields. */
#define DESCRIPTOR_SIZE		16u

/* The buffers of a chain, as they are collected from its descriptors.  `steps` counts the
 * descriptors, empty ones too: they take time. */
struct virtqueue_walk {
	unsigned int steps;
	unsigned int readable;
	unsigned int writable;
	uint64_t readable_length;
	uint64_t writable_length;
	struct iovec segments[VIRTQUEUE_MAX_SEGMENTS];
	uint64_t gpas[VIRTQUEUE_MAX_SEGMENTS];
};

/* Calls of a started queue that is not broken.  `pop` returns false if there is nothing or
 * the queue is now broken, and else fills in the walk, the id and the slots. */
struct virtqueue_format {
	const char *(*start)(struct virtqueue *queue, const struct virtqueue_position *position);
	bool (*pop)(struct virtqueue *queue, struct virtqueue_walk *walk, uint16_t *id,
		    uint16_t *slots);
	void (*unpop)(struct virtqueue *queue, uint16_t slots);
	void (*push)(struct virtqueue *queue, const struct virtqueue_chain *chain,
		     uint32_t written);
	bool (*commit)(struct virtqueue *queue);
	void (*disable_notify)(struct virtqueue *queue);
	bool (*enable_notify)(struct virtqueue *queue);
	void (*position)(const struct virtqueue *queue, struct virtqueue_position *position);
};

extern const struct virtqueue_format virtqueue_split;
extern const struct virtqueue_format virtqueue_packed;

/* Adds one buffer.  False: the queue is broken. */
bool virtqueue_walk_add(struct virtqueue *queue, struct virtqueue_walk *walk, uint64_t gpa,
			uint32_t length, uint16_t flags);

/* The table of an indirect descriptor; NULL: the queue is broken. */
const uint8_t *virtqueue_indirect_table(struct virtqueue *queue, uint64_t gpa, uint32_t length);

/* Maps one area of the ring; NULL if it is not in RAM or not at a multiple of `alignment`. */
uint8_t *virtqueue_map(const struct virtqueue *queue, uint64_t gpa, uint64_t length,
		       unsigned int alignment);

/*
 * How many ring entries the guest can have made available: not those in flight, and not those
 * that were pushed but not committed, as a driver looks at nothing behind the first of them
 * before that is used.  With both, what is pushed stays within one round of the ring.
 */
static inline unsigned int virtqueue_free_entries(const struct virtqueue *queue)
{
	return queue->config.size - queue->in_flight - queue->staged;
}

/* A copy that the compiler cannot replace by a second read of the guest's memory: it must
 * assume that the memory has changed since. */
static inline void copy_once(void *to, const void *from, size_t length)
{
	memcpy(to, from, length);
	__asm__ __volatile__("" : : : "memory");
}

static inline uint16_t load_acquire(const void *from)
{
	return __atomic_load_n((const uint16_t *)from, __ATOMIC_ACQUIRE);
}

static inline uint16_t load_once(const void *from)
{
	return __atomic_load_n((const uint16_t *)from, __ATOMIC_RELAXED);
}

static inline void store_release(void *to, uint16_t value)
{
	__atomic_store_n((uint16_t *)to, value, __ATOMIC_RELEASE);
}

/* Before: what was just stored.  After: what the other side may have stored meanwhile. */
static inline void full_barrier(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* "Used Buffer Notification Suppression": whether `event` is one of the entries that an
 * index passed when it went from `before` to `now`. */
static inline bool event_passed(uint16_t event, uint16_t now, uint16_t before)
{
	return (uint16_t)(now - event - 1) < (uint16_t)(now - before);
}

#endif
