// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Packed virtqueues: one ring of descriptors that both sides write, and for each side a
 * word that says when it wants to be told.
 *
 * Source: VIRTIO 1.2, "Packed Virtqueues".
 */
#include "ring_internal.h"

#define F_AVAIL		(1u << VRING_PACKED_DESC_F_AVAIL)
#define F_USED		(1u << VRING_PACKED_DESC_F_USED)
#define WRAP_BIT	(1u << VRING_PACKED_EVENT_F_WRAP_CTR)
#define OFFSET_MASK	(WRAP_BIT - 1)

/* Offsets in a descriptor; the id of the buffer counts in the last one of a list. */
#define DESC_LEN	8u
#define DESC_ID		12u
#define DESC_FLAGS	14u

/* Offsets in an event suppression structure. */
#define EVENT_OFF_WRAP	0u
#define EVENT_FLAGS	2u
#define EVENT_SIZE	4u

struct descriptor {
	uint64_t addr;
	uint32_t len;
	uint16_t id;
	uint16_t flags;
};
G_STATIC_ASSERT(sizeof(struct descriptor) == DESCRIPTOR_SIZE);

static uint8_t *descriptor_at(const struct virtqueue *queue, uint16_t place)
{
	return queue->descriptors + DESCRIPTOR_SIZE * place;
}

static bool place_valid(const struct virtqueue *queue, uint16_t place)
{
	return (place & OFFSET_MASK) < queue->config.size;
}

static const char *packed_start(struct virtqueue *queue, const struct virtqueue_position *position)
{
	const struct virtqueue_config *config = &queue->config;

	queue->descriptors = virtqueue_map(queue, config->descriptors,
					   DESCRIPTOR_SIZE * config->size, 16);
	queue->driver = virtqueue_map(queue, config->driver, EVENT_SIZE, 4);
	queue->device = virtqueue_map(queue, config->device, EVENT_SIZE, 4);
	if (!queue->descriptors || !queue->driver || !queue->device)
		return "a ring that is not aligned, or outside of the guest's memory";
	if (!place_valid(queue, position->avail) || !place_valid(queue, position->used))
		return "a position behind the end of the ring";
	queue->next_avail = position->avail & OFFSET_MASK;
	queue->next_used = position->used & OFFSET_MASK;
	queue->avail_wrap = position->avail & WRAP_BIT;
	queue->used_wrap = position->used & WRAP_BIT;
	return NULL;
}

/* ---------------------------------------------------------------- walking */

static bool is_available(uint16_t flags, bool wrap)
{
	return !(flags & F_AVAIL) == !wrap && !(flags & F_USED) == wrap;
}

static void advance(const struct virtqueue *queue, uint16_t *place, bool *wrap, uint16_t slots)
{
	*place += slots;
	if (*place >= queue->config.size) {
		*place -= queue->config.size;
		*wrap = !*wrap;
	}
}

/* In the table all flags but WRITE are reserved, and the entries follow each other. */
static bool walk_indirect(struct virtqueue *queue, struct virtqueue_walk *walk,
			  const struct descriptor *outer)
{
	const uint8_t *table = virtqueue_indirect_table(queue, outer->addr, outer->len);
	struct descriptor desc;

	for (uint32_t at = 0; table && at < outer->len; at += DESCRIPTOR_SIZE) {
		copy_once(&desc, table + at, sizeof(desc));
		if (!virtqueue_walk_add(queue, walk, desc.addr, desc.len, desc.flags))
			return false;
	}
	return table != NULL;
}

static bool walk_one(struct virtqueue *queue, struct virtqueue_walk *walk,
		     const struct descriptor *desc, bool first)
{
	if (!(desc->flags & VRING_DESC_F_INDIRECT))
		return virtqueue_walk_add(queue, walk, desc->addr, desc->len, desc->flags);
	if (!first || (desc->flags & VRING_DESC_F_NEXT)) {
		virtqueue_break(queue, "an indirect table in a list of descriptors");
		return false;
	}
	return walk_indirect(queue, walk, desc);
}

/*
 * The flags of the first descriptor are the guest's release: all of its list was written
 * before them.  They are read first, alone; the copy that follows may hold other flags by
 * then, if the guest breaks the rules, and is used as it is.
 */
static bool packed_pop(struct virtqueue *queue, struct virtqueue_walk *walk, uint16_t *id,
		       uint16_t *slots)
{
	uint16_t place = queue->next_avail;
	bool wrap = queue->avail_wrap;
	struct descriptor desc;
	unsigned int count = 0;

	if (!is_available(load_acquire(descriptor_at(queue, place) + DESC_FLAGS), wrap))
		return false;
	do {
		if (count == virtqueue_free_entries(queue)) {
			virtqueue_break(queue, "more descriptors than the ring can hold");
			return false;
		}
		copy_once(&desc, descriptor_at(queue, place), sizeof(desc));
		if (!walk_one(queue, walk, &desc, !count))
			return false;
		count++;
		advance(queue, &place, &wrap, 1);
	} while (desc.flags & VRING_DESC_F_NEXT);
	queue->next_avail = place;
	queue->avail_wrap = wrap;
	*id = desc.id;
	*slots = count;
	return true;
}

static void packed_unpop(struct virtqueue *queue, uint16_t slots)
{
	if (queue->next_avail < slots) {
		queue->next_avail += queue->config.size;
		queue->avail_wrap = !queue->avail_wrap;
	}
	queue->next_avail -= slots;
}

/* ---------------------------------------------------------------- handing back */

static uint16_t used_flags(bool wrap, uint32_t written)
{
	return (wrap ? F_AVAIL | F_USED : 0) | (written ? VRING_DESC_F_WRITE : 0);
}

/* The place of the entry behind what is staged. */
static void staged_end(const struct virtqueue *queue, uint16_t *place, bool *wrap)
{
	*place = queue->next_used;
	*wrap = queue->used_wrap;
	advance(queue, place, wrap, queue->staged);
}

/* The flags make an entry used.  Those of the first one that is staged are written last,
 * by packed_commit(): the guest looks at nothing behind it before. */
static void packed_push(struct virtqueue *queue, const struct virtqueue_chain *chain,
			uint32_t written)
{
	uint8_t *entry;
	uint16_t place, flags;
	bool wrap;

	staged_end(queue, &place, &wrap);
	entry = descriptor_at(queue, place);
	flags = used_flags(wrap, written);
	memcpy(entry + DESC_LEN, &written, sizeof(written));
	memcpy(entry + DESC_ID, &chain->id, sizeof(chain->id));
	if (queue->staged)
		store_release(entry + DESC_FLAGS, flags);
	else
		queue->staged_flags = flags;
	virtio_memory_dirty(queue->memory, queue->config.descriptors + DESCRIPTOR_SIZE * place,
			    DESCRIPTOR_SIZE);
	queue->staged += chain->slots;
}

static bool event_wanted(struct virtqueue *queue, uint16_t staged)
{
	uint16_t event, size = queue->config.size;

	event = load_once(queue->driver + EVENT_OFF_WRAP);
	if (!(event & WRAP_BIT) == queue->used_wrap)	/* in the round before this one */
		event = (event & OFFSET_MASK) - size;
	else
		event &= OFFSET_MASK;
	return event_passed(event, queue->next_used, queue->next_used - staged);
}

/* The barrier is the one of split_wants_interrupt(). */
static bool packed_wants_interrupt(struct virtqueue *queue, uint16_t staged)
{
	uint16_t flags;

	full_barrier();
	flags = load_acquire(queue->driver + EVENT_FLAGS) & 3;
	if (flags == VRING_PACKED_EVENT_FLAG_DISABLE)
		return false;
	if (flags == VRING_PACKED_EVENT_FLAG_DESC && queue->event_idx)
		return event_wanted(queue, staged);
	return true;
}

static bool packed_commit(struct virtqueue *queue)
{
	uint16_t place = queue->next_used;
	uint16_t staged = queue->staged;

	staged_end(queue, &queue->next_used, &queue->used_wrap);
	queue->staged = 0;
	store_release(descriptor_at(queue, place) + DESC_FLAGS, queue->staged_flags);
	virtio_memory_dirty(queue->memory, queue->config.descriptors + DESCRIPTOR_SIZE * place,
			    DESCRIPTOR_SIZE);
	return packed_wants_interrupt(queue, staged);
}

/* ---------------------------------------------------------------- notifications */

static void set_event_flags(struct virtqueue *queue, uint16_t flags)
{
	store_release(queue->device + EVENT_FLAGS, flags);
	virtio_memory_dirty(queue->memory, queue->config.device, EVENT_SIZE);
}

static void packed_disable_notify(struct virtqueue *queue)
{
	set_event_flags(queue, VRING_PACKED_EVENT_FLAG_DISABLE);
}

static bool packed_enable_notify(struct virtqueue *queue)
{
	uint16_t event = queue->next_avail | (queue->avail_wrap ? WRAP_BIT : 0);
	const uint8_t *next = descriptor_at(queue, queue->next_avail);

	if (queue->event_idx)
		store_release(queue->device + EVENT_OFF_WRAP, event);
	set_event_flags(queue, queue->event_idx ? VRING_PACKED_EVENT_FLAG_DESC :
						  VRING_PACKED_EVENT_FLAG_ENABLE);
	full_barrier();
	return is_available(load_once(next + DESC_FLAGS), queue->avail_wrap);
}

static void packed_position(const struct virtqueue *queue, struct virtqueue_position *position)
{
	position->avail = queue->next_avail | (queue->avail_wrap ? WRAP_BIT : 0);
	position->used = queue->next_used | (queue->used_wrap ? WRAP_BIT : 0);
}

const struct virtqueue_format virtqueue_packed = {
	.start = packed_start,
	.pop = packed_pop,
	.unpop = packed_unpop,
	.push = packed_push,
	.commit = packed_commit,
	.disable_notify = packed_disable_notify,
	.enable_notify = packed_enable_notify,
	.position = packed_position,
};
