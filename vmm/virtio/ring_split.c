// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Split virtqueues: a table of descriptors, a ring of available chains that the guest
 * writes and a ring of used ones that we write.
 *
 * Source: VIRTIO 1.2, "Split Virtqueues".
 */
#include "ring_internal.h"

/* Offsets in the two rings ("The Virtqueue Available Ring", "The Virtqueue Used Ring"). */
#define RING_FLAGS	0u
#define RING_IDX	2u
#define RING_ENTRIES	4u
#define AVAIL_ENTRY	2u	/* bytes of an entry */
#define USED_ENTRY	8u

static size_t used_event_offset(const struct virtqueue *queue)
{
	return RING_ENTRIES + AVAIL_ENTRY * queue->config.size;
}

static size_t avail_event_offset(const struct virtqueue *queue)
{
	return RING_ENTRIES + USED_ENTRY * queue->config.size;
}

static void mark_used_ring(const struct virtqueue *queue, size_t offset, size_t length)
{
	virtio_memory_dirty(queue->memory, queue->config.device + offset, length);
}

/* The event field at the end of each ring exists only if it was negotiated: a legacy ring
 * may end with the guest's last page. */
static const char *split_start(struct virtqueue *queue, const struct virtqueue_position *position)
{
	const struct virtqueue_config *config = &queue->config;
	size_t event = queue->event_idx ? 2 : 0;

	if (config->size & (config->size - 1))
		return "a split ring whose size is not a power of 2";
	queue->descriptors = virtqueue_map(queue, config->descriptors,
					   DESCRIPTOR_SIZE * config->size, 16);
	queue->driver = virtqueue_map(queue, config->driver, used_event_offset(queue) + event, 2);
	queue->device = virtqueue_map(queue, config->device, avail_event_offset(queue) + event, 4);
	if (!queue->descriptors || !queue->driver || !queue->device)
		return "a ring that is not aligned, or outside of the guest's memory";
	queue->next_avail = position->avail;
	queue->next_used = position->used;
	return NULL;
}

/* ---------------------------------------------------------------- walking */

/* A table of descriptors that link to each other: the queue's own, or an indirect one. */
struct table {
	const uint8_t *entries;
	unsigned int count;
	bool indirect;
};

static bool walk_table(struct virtqueue *queue, struct virtqueue_walk *walk,
		       const struct table *table, unsigned int first);

static bool walk_indirect(struct virtqueue *queue, struct virtqueue_walk *walk,
			  const struct table *outer, const struct vring_desc *desc)
{
	struct table table = { .indirect = true, .count = desc->len / DESCRIPTOR_SIZE };

	if (outer->indirect || (desc->flags & VRING_DESC_F_NEXT)) {
		virtqueue_break(queue, outer->indirect ?
				"an indirect table inside an indirect table" :
				"an indirect table that is not the last of its chain");
		return false;
	}
	table.entries = virtqueue_indirect_table(queue, desc->addr, desc->len);
	return table.entries && walk_table(queue, walk, &table, 0);
}

/* A chain visits each descriptor of its table at most once: more steps mean a cycle. */
static bool walk_table(struct virtqueue *queue, struct virtqueue_walk *walk,
		       const struct table *table, unsigned int first)
{
	struct vring_desc desc;
	unsigned int next = first;

	for (unsigned int steps = 0; steps < table->count; steps++) {
		if (next >= table->count) {
			virtqueue_break(queue, "a descriptor's number behind the end of its table");
			return false;
		}
		copy_once(&desc, table->entries + DESCRIPTOR_SIZE * next, sizeof(desc));
		if (desc.flags & VRING_DESC_F_INDIRECT)
			return walk_indirect(queue, walk, table, &desc);
		if (!virtqueue_walk_add(queue, walk, desc.addr, desc.len, desc.flags))
			return false;
		if (!(desc.flags & VRING_DESC_F_NEXT))
			return true;
		next = desc.next;
	}
	virtqueue_break(queue, "a chain of descriptors without an end");
	return false;
}

static bool split_pop(struct virtqueue *queue, struct virtqueue_walk *walk, uint16_t *id,
		      uint16_t *slots)
{
	uint16_t size = queue->config.size;
	struct table table = { .entries = queue->descriptors, .count = size };
	uint16_t available = load_acquire(queue->driver + RING_IDX) - queue->next_avail;

	if (!available)
		return false;
	if (available > virtqueue_free_entries(queue)) {
		virtqueue_break(queue, "more chains than the ring can hold");
		return false;
	}
	*id = load_once(queue->driver + RING_ENTRIES +
			AVAIL_ENTRY * (queue->next_avail & (size - 1)));
	*slots = 1;
	queue->next_avail++;
	return walk_table(queue, walk, &table, *id);
}

static void split_unpop(struct virtqueue *queue, uint16_t slots)
{
	queue->next_avail -= slots;
}

/* ---------------------------------------------------------------- handing back */

static void split_push(struct virtqueue *queue, const struct virtqueue_chain *chain,
		       uint32_t written)
{
	uint16_t place = (queue->next_used + queue->staged) & (queue->config.size - 1);
	size_t offset = RING_ENTRIES + USED_ENTRY * place;
	struct vring_used_elem element = { .id = chain->id, .len = written };

	memcpy(queue->device + offset, &element, sizeof(element));
	mark_used_ring(queue, offset, sizeof(element));
	queue->staged++;
}

/* The guest stores its wish and then looks at our index, we store the index and then look
 * at its wish: with a full barrier on each side one of the two sees the other's store. */
static bool split_wants_interrupt(struct virtqueue *queue, uint16_t before)
{
	full_barrier();
	if (queue->event_idx)
		return event_passed(load_once(queue->driver + used_event_offset(queue)),
				    queue->next_used, before);
	return !(load_once(queue->driver + RING_FLAGS) & VRING_AVAIL_F_NO_INTERRUPT);
}

static bool split_commit(struct virtqueue *queue)
{
	uint16_t before = queue->next_used;

	queue->next_used += queue->staged;
	queue->staged = 0;
	store_release(queue->device + RING_IDX, queue->next_used);
	mark_used_ring(queue, RING_IDX, sizeof(uint16_t));
	return split_wants_interrupt(queue, before);
}

/* ---------------------------------------------------------------- notifications */

/* With EVENT_IDX the guest notifies when it passes the entry that we named last: not naming
 * the next one is enough. */
static void split_disable_notify(struct virtqueue *queue)
{
	if (queue->event_idx)
		return;
	store_release(queue->device + RING_FLAGS, VRING_USED_F_NO_NOTIFY);
	mark_used_ring(queue, RING_FLAGS, sizeof(uint16_t));
}

static bool split_enable_notify(struct virtqueue *queue)
{
	size_t offset = queue->event_idx ? avail_event_offset(queue) : RING_FLAGS;

	store_release(queue->device + offset, queue->event_idx ? queue->next_avail : 0);
	mark_used_ring(queue, offset, sizeof(uint16_t));
	full_barrier();
	return load_once(queue->driver + RING_IDX) != queue->next_avail;
}

static void split_position(const struct virtqueue *queue, struct virtqueue_position *position)
{
	position->avail = queue->next_avail;
	position->used = queue->next_used;
}

const struct virtqueue_format virtqueue_split = {
	.start = split_start,
	.pop = split_pop,
	.unpop = split_unpop,
	.push = split_push,
	.commit = split_commit,
	.disable_notify = split_disable_notify,
	.enable_notify = split_enable_notify,
	.position = split_position,
};
