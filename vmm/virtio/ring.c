// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What split and packed rings have in common: checks of buffers, chains, the order in
 * which they are handed back, the end of a broken queue.
 */
#include <linux/virtio_config.h>

#include "ring_internal.h"

void virtqueue_init(struct virtqueue *queue, const struct virtio_memory *memory,
		    void (*on_broken)(void *opaque, struct virtqueue *queue), void *opaque)
{
	queue->memory = memory;
	queue->on_broken = on_broken;
	queue->opaque = opaque;
}

void virtqueue_break(struct virtqueue *queue, const char *reason)
{
	if (queue->broken)
		return;
	queue->broken = reason;
	if (queue->on_broken)
		queue->on_broken(queue->opaque, queue);
}

static bool usable(const struct virtqueue *queue)
{
	return queue->format && !queue->broken;
}

/* ---------------------------------------------------------------- start and stop */

uint8_t *virtqueue_map(const struct virtqueue *queue, uint64_t gpa, uint64_t length,
		       unsigned int alignment)
{
	if (gpa % alignment)
		return NULL;
	return guest_memory_pointer(queue->memory->ram, gpa, length);
}

static bool has(const struct virtqueue_config *config, unsigned int feature)
{
	return config->features >> feature & 1;
}

bool virtqueue_start(struct virtqueue *queue, const struct virtqueue_config *config,
		     const struct virtqueue_position *position)
{
	static const struct virtqueue_position beginning[] = {
		{ 0, 0 }, { 1u << VRING_PACKED_EVENT_F_WRAP_CTR, 1u << VRING_PACKED_EVENT_F_WRAP_CTR },
	};
	bool packed = has(config, VIRTIO_F_RING_PACKED);
	const char *reason;

	g_assert(!queue->format && !queue->in_flight);
	queue->broken = NULL;
	queue->config = *config;
	queue->event_idx = has(config, VIRTIO_RING_F_EVENT_IDX);
	queue->indirect = has(config, VIRTIO_RING_F_INDIRECT_DESC);
	queue->in_order = has(config, VIRTIO_F_IN_ORDER);
	queue->staged = 0;
	queue->next_pop = 0;
	queue->next_push = 0;
	queue->format = packed ? &virtqueue_packed : &virtqueue_split;
	if (!config->size || config->size > VIRTQUEUE_MAX_SIZE) {
		virtqueue_break(queue, "a ring of an impossible size");
		return false;
	}
	reason = queue->format->start(queue, position ? position : &beginning[packed]);
	if (reason) {
		virtqueue_break(queue, reason);
		return false;
	}
	if (queue->in_order)
		queue->done = g_new0(struct virtqueue_done, config->size);
	return true;
}

/* Every chain that was taken has been handed back: both sides are at the same place. */
const char *virtqueue_check(const struct virtio_memory *memory,
			    const struct virtqueue_config *config,
			    const struct virtqueue_position *position)
{
	struct virtqueue queue = { .memory = memory };
	const char *reason;

	virtqueue_start(&queue, config, position);
	reason = queue.broken;
	virtqueue_stop(&queue);
	if (!reason && position->avail != position->used)
		reason = "a position with chains in flight";
	return reason;
}

void virtqueue_start_broken(struct virtqueue *queue, const struct virtqueue_config *config)
{
	g_assert(!queue->format && !queue->in_flight);
	queue->config = *config;
	queue->format = has(config, VIRTIO_F_RING_PACKED) ? &virtqueue_packed : &virtqueue_split;
	queue->broken = "what it had before it was saved";
}

/* Chains that waited for an earlier one, which was dropped. */
void virtqueue_drop_done(struct virtqueue *queue)
{
	if (!queue->done)
		return;
	for (unsigned int i = 0; i < queue->config.size; i++)
		if (queue->done[i].chain)
			virtqueue_drop(queue, queue->done[i].chain);
	g_clear_pointer(&queue->done, g_free);
}

void virtqueue_stop(struct virtqueue *queue)
{
	virtqueue_drop_done(queue);
	g_assert(!queue->in_flight);
	queue->format = NULL;
	queue->broken = NULL;
}

void virtqueue_position(const struct virtqueue *queue, struct virtqueue_position *position)
{
	g_assert(queue->format && !queue->in_flight && !queue->staged);
	queue->format->position(queue, position);
}

/* ---------------------------------------------------------------- from the guest */

static bool add_segment(struct virtqueue *queue, struct virtqueue_walk *walk, uint64_t gpa,
			uint32_t length)
{
	unsigned int count = walk->readable + walk->writable;
	void *host;

	host = guest_memory_pointer(queue->memory->ram, gpa, length);
	if (!host) {
		virtqueue_break(queue, "a buffer outside of the guest's memory");
		return false;
	}
	walk->segments[count] = (struct iovec){ .iov_base = host, .iov_len = length };
	walk->gpas[count] = gpa;
	return true;
}

/* "The Virtqueue Descriptor Table": a chain has at most 2^32 bytes, the readable ones
 * first.  Some legacy drivers add empty buffers.  An indirect table can have more entries than any
 * queue, and split ones can link to each other for ever. */
bool virtqueue_walk_add(struct virtqueue *queue, struct virtqueue_walk *walk, uint64_t gpa,
			uint32_t length, uint16_t flags)
{
	bool writable = flags & VRING_DESC_F_WRITE;

	if (walk->steps++ == VIRTQUEUE_MAX_SEGMENTS) {
		virtqueue_break(queue, "a chain of too many buffers");
		return false;
	}
	if (!length)
		return true;
	if (!writable && walk->writable) {
		virtqueue_break(queue, "a readable buffer behind a writable one");
		return false;
	}
	if (walk->readable_length + walk->writable_length + length > UINT32_MAX) {
		virtqueue_break(queue, "a chain of 4 GiB or more");
		return false;
	}
	if (!add_segment(queue, walk, gpa, length))
		return false;
	if (writable) {
		walk->writable++;
		walk->writable_length += length;
	} else {
		walk->readable++;
		walk->readable_length += length;
	}
	return true;
}

const uint8_t *virtqueue_indirect_table(struct virtqueue *queue, uint64_t gpa, uint32_t length)
{
	const uint8_t *table;

	if (!queue->indirect) {
		virtqueue_break(queue, "an indirect table that was not negotiated");
		return NULL;
	}
	if (!length || length % DESCRIPTOR_SIZE) {
		virtqueue_break(queue, "an indirect table of a wrong length");
		return NULL;
	}
	table = guest_memory_pointer(queue->memory->ram, gpa, length);
	if (!table)
		virtqueue_break(queue, "an indirect table outside of the guest's memory");
	return table;
}

static struct virtqueue_chain *make_chain(const struct virtqueue_walk *walk)
{
	unsigned int count = walk->readable + walk->writable;
	struct virtqueue_chain *chain;

	chain = g_malloc(sizeof(*chain) + count * sizeof(struct iovec) +
			 walk->writable * sizeof(uint64_t));
	chain->readable_length = walk->readable_length;
	chain->writable_length = walk->writable_length;
	chain->readable_count = walk->readable;
	chain->writable_count = walk->writable;
	chain->readable = chain->segments;
	chain->writable = chain->segments + walk->readable;
	chain->touched = walk->writable_length;
	chain->gpas = (uint64_t *)(chain->segments + count);
	memcpy(chain->segments, walk->segments, count * sizeof(struct iovec));
	memcpy(chain->gpas, walk->gpas + walk->readable, walk->writable * sizeof(uint64_t));
	return chain;
}

/* Places go round with the ring: its size need not be a power of 2. */
static uint16_t next_place(const struct virtqueue *queue, uint16_t place)
{
	return place + 1 == queue->config.size ? 0 : place + 1;
}

static uint16_t previous_place(const struct virtqueue *queue, uint16_t place)
{
	return (place ? place : queue->config.size) - 1;
}

struct virtqueue_chain *virtqueue_pop(struct virtqueue *queue)
{
	struct virtqueue_chain *chain;
	struct virtqueue_walk walk;
	uint16_t id, slots;

	if (!usable(queue))
		return NULL;
	walk.steps = 0;
	walk.readable = 0;
	walk.writable = 0;
	walk.readable_length = 0;
	walk.writable_length = 0;
	if (!queue->format->pop(queue, &walk, &id, &slots))
		return NULL;
	chain = make_chain(&walk);
	chain->id = id;
	chain->slots = slots;
	chain->place = queue->next_pop;
	queue->next_pop = next_place(queue, queue->next_pop);
	queue->in_flight += slots;
	return chain;
}

void virtqueue_drop(struct virtqueue *queue, struct virtqueue_chain *chain)
{
	queue->in_flight -= chain->slots;
	g_free(chain);
}

void virtqueue_unpop(struct virtqueue *queue, struct virtqueue_chain *chain)
{
	if (usable(queue)) {
		queue->format->unpop(queue, chain->slots);
		queue->next_pop = previous_place(queue, queue->next_pop);
	}
	virtqueue_drop(queue, chain);
}

/* ---------------------------------------------------------------- to the guest */

static void mark_dirty(const struct virtqueue *queue, const struct virtqueue_chain *chain)
{
	uint64_t left = MIN(chain->touched, chain->writable_length);
	uint64_t length;

	for (unsigned int i = 0; left; i++, left -= length) {
		length = MIN(left, chain->writable[i].iov_len);
		virtio_memory_dirty(queue->memory, chain->gpas[i], length);
	}
}

static void hand_back(struct virtqueue *queue, struct virtqueue_chain *chain, uint32_t written)
{
	queue->format->push(queue, chain, MIN(written, chain->writable_length));
	virtqueue_drop(queue, chain);
}

/* At most `size` chains are in flight, so no two of them have the same place. */
static void hand_back_in_order(struct virtqueue *queue, struct virtqueue_chain *chain,
			       uint32_t written)
{
	struct virtqueue_done *done = &queue->done[chain->place];

	done->chain = chain;
	done->written = written;
	while (queue->done[queue->next_push].chain) {
		done = &queue->done[queue->next_push];
		queue->next_push = next_place(queue, queue->next_push);
		chain = g_steal_pointer(&done->chain);
		hand_back(queue, chain, done->written);
	}
}

void virtqueue_push(struct virtqueue *queue, struct virtqueue_chain *chain, uint32_t written)
{
	mark_dirty(queue, chain);
	if (!usable(queue))
		virtqueue_drop(queue, chain);
	else if (queue->in_order)
		hand_back_in_order(queue, chain, written);
	else
		hand_back(queue, chain, written);
}

bool virtqueue_commit(struct virtqueue *queue)
{
	if (!usable(queue) || !queue->staged)
		return false;
	return queue->format->commit(queue);
}

/* ---------------------------------------------------------------- notifications */

void virtqueue_disable_notify(struct virtqueue *queue)
{
	if (usable(queue))
		queue->format->disable_notify(queue);
}

bool virtqueue_enable_notify(struct virtqueue *queue)
{
	return usable(queue) && queue->format->enable_notify(queue);
}
