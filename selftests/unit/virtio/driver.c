// SPDX-License-Identifier: GPL-2.0-or-later
#include "driver.h"

#define AVAIL_OFFSET	0x5000ull	/* behind 1024 descriptors, with room for a test */
#define USED_OFFSET	0x6000ull	/* 8206 bytes at most, so that 0x8000 hold */

uint16_t *driver_u16(const struct driver *driver, uint64_t gpa)
{
	return guest_memory_pointer(driver->memory, gpa, 2);
}

static void *at(const struct driver *driver, uint64_t gpa, uint64_t length)
{
	void *pointer = guest_memory_pointer(driver->memory, gpa, length);

	assert_non_null(pointer);
	return pointer;
}

struct vring_desc *driver_split_desc(const struct driver *driver, uint16_t index)
{
	return at(driver, driver->config.descriptors + 16ull * index, 16);
}

struct vring_packed_desc *driver_packed_desc(const struct driver *driver, uint16_t index)
{
	return at(driver, driver->config.descriptors + 16ull * index, 16);
}

void driver_init(struct driver *driver, struct guest_memory *memory, unsigned int number,
		 uint16_t size, uint64_t features)
{
	uint64_t base = RING_BASE + RING_STRIDE * 2 * number;

	*driver = (struct driver){
		.memory = memory,
		.packed = features & PACKED,
		.avail_wrap = true,
		.used_wrap = true,
		.config = {
			.descriptors = base,
			.driver = base + AVAIL_OFFSET,
			.device = base + USED_OFFSET,
			.size = size,
			.features = features,
		},
	};
	memset(at(driver, base, RING_STRIDE * 2), 0, RING_STRIDE * 2);
}

/* ---------------------------------------------------------------- adding */

static uint16_t split_add(struct driver *driver, const struct buffer *buffers, unsigned int count,
			  uint16_t more_flags)
{
	uint16_t size = driver->config.size;
	uint16_t head = driver->next_free % size;
	struct vring_desc *desc;
	uint64_t entry = driver->config.driver + 4 + 2ull * (driver->avail_idx % size);

	for (unsigned int i = 0; i < count; i++) {
		desc = driver_split_desc(driver, driver->next_free++ % size);
		desc->addr = buffers[i].gpa;
		desc->len = buffers[i].length;
		desc->flags = more_flags | (buffers[i].writable ? VRING_DESC_F_WRITE : 0) |
			      (i + 1 < count ? VRING_DESC_F_NEXT : 0);
		desc->next = driver->next_free % size;
	}
	*driver_u16(driver, entry) = head;
	driver->avail_idx++;
	__atomic_store_n(driver_u16(driver, driver->config.driver + 2), driver->avail_idx,
			 __ATOMIC_RELEASE);
	return head;
}

static uint16_t packed_flags(bool wrap)
{
	return wrap ? 1u << VRING_PACKED_DESC_F_AVAIL : 1u << VRING_PACKED_DESC_F_USED;
}

static uint16_t packed_add(struct driver *driver, const struct buffer *buffers,
			   unsigned int count, uint16_t more_flags)
{
	uint16_t id = driver->avail_idx, first_flags = 0, flags;
	struct vring_packed_desc *desc, *first = driver_packed_desc(driver, driver->avail_idx);

	for (unsigned int i = 0; i < count; i++) {
		desc = driver_packed_desc(driver, driver->avail_idx);
		desc->addr = buffers[i].gpa;
		desc->len = buffers[i].length;
		desc->id = id;
		flags = more_flags | (buffers[i].writable ? VRING_DESC_F_WRITE : 0) |
			(i + 1 < count ? VRING_DESC_F_NEXT : 0) | packed_flags(driver->avail_wrap);
		if (i)
			desc->flags = flags;
		else
			first_flags = flags;
		if (++driver->avail_idx == driver->config.size) {
			driver->avail_idx = 0;
			driver->avail_wrap = !driver->avail_wrap;
		}
	}
	driver->slots[id] = count;
	__atomic_store_n(&first->flags, first_flags, __ATOMIC_RELEASE);
	return id;
}

uint16_t driver_add(struct driver *driver, const struct buffer *buffers, unsigned int count)
{
	return (driver->packed ? packed_add : split_add)(driver, buffers, count, 0);
}

uint16_t driver_add_indirect(struct driver *driver, const struct buffer *buffers,
			     unsigned int count, uint64_t table)
{
	uint8_t *entries = at(driver, table, 16ull * count);
	const struct buffer outer = { .gpa = table, .length = 16 * count };

	for (unsigned int i = 0; i < count; i++) {
		uint16_t flags = buffers[i].writable ? VRING_DESC_F_WRITE : 0;
		const struct vring_packed_desc packed = {
			.addr = buffers[i].gpa, .len = buffers[i].length, .flags = flags,
		};
		const struct vring_desc split = {
			.addr = buffers[i].gpa, .len = buffers[i].length, .next = i + 1,
			.flags = flags | (i + 1 < count ? VRING_DESC_F_NEXT : 0),
		};

		if (driver->packed)
			memcpy(entries + 16 * i, &packed, sizeof(packed));
		else
			memcpy(entries + 16 * i, &split, sizeof(split));
	}
	return (driver->packed ? packed_add : split_add)(driver, &outer, 1,
							 VRING_DESC_F_INDIRECT);
}

/* ---------------------------------------------------------------- getting back */

static bool split_get(struct driver *driver, uint16_t *id, uint32_t *written)
{
	uint64_t entry = driver->config.device + 4 +
			 8ull * (driver->used_idx % driver->config.size);
	struct vring_used_elem element;

	if (__atomic_load_n(driver_u16(driver, driver->config.device + 2), __ATOMIC_ACQUIRE) ==
	    driver->used_idx)
		return false;
	memcpy(&element, at(driver, entry, 8), 8);
	driver->used_idx++;
	*id = element.id;
	*written = element.len;
	return true;
}

static bool packed_get(struct driver *driver, uint16_t *id, uint32_t *written)
{
	struct vring_packed_desc *desc = driver_packed_desc(driver, driver->used_idx);
	uint16_t flags = __atomic_load_n(&desc->flags, __ATOMIC_ACQUIRE);
	bool avail = flags & 1u << VRING_PACKED_DESC_F_AVAIL;
	bool used = flags & 1u << VRING_PACKED_DESC_F_USED;

	if (avail != used || used != driver->used_wrap)
		return false;
	*id = desc->id;
	*written = flags & VRING_DESC_F_WRITE ? desc->len : 0;
	assert_in_range(*id, 0, driver->config.size - 1);
	driver->used_idx += driver->slots[*id];
	if (driver->used_idx >= driver->config.size) {
		driver->used_idx -= driver->config.size;
		driver->used_wrap = !driver->used_wrap;
	}
	return true;
}

bool driver_get(struct driver *driver, uint16_t *id, uint32_t *written)
{
	return (driver->packed ? packed_get : split_get)(driver, id, written);
}

/* ---------------------------------------------------------------- notifications */

static bool split_must_notify(const struct driver *driver, uint16_t added)
{
	uint64_t event = driver->config.device + 4 + 8ull * driver->config.size;

	if (driver->config.features & EVENT_IDX)
		return vring_need_event(*driver_u16(driver, event), driver->avail_idx,
					driver->avail_idx - added);
	return !(*driver_u16(driver, driver->config.device) & VRING_USED_F_NO_NOTIFY);
}

static bool packed_must_notify(const struct driver *driver, uint16_t added)
{
	uint16_t off = *driver_u16(driver, driver->config.device);
	uint16_t flags = *driver_u16(driver, driver->config.device + 2);
	uint16_t event = off & 0x7fff;

	if (flags != VRING_PACKED_EVENT_FLAG_DESC)
		return flags == VRING_PACKED_EVENT_FLAG_ENABLE;
	if ((off >> 15) != driver->avail_wrap)
		event -= driver->config.size;
	return vring_need_event(event, driver->avail_idx, driver->avail_idx - added);
}

bool driver_must_notify(const struct driver *driver, uint16_t added)
{
	return (driver->packed ? packed_must_notify : split_must_notify)(driver, added);
}

static void packed_want(struct driver *driver, uint16_t after)
{
	uint16_t event = driver->used_idx + after;
	bool wrap = driver->used_wrap;
	bool named = driver->config.features & EVENT_IDX;

	if (event >= driver->config.size) {
		event -= driver->config.size;
		wrap = !wrap;
	}
	*driver_u16(driver, driver->config.driver) = event | wrap << 15;
	*driver_u16(driver, driver->config.driver + 2) =
		named ? VRING_PACKED_EVENT_FLAG_DESC : VRING_PACKED_EVENT_FLAG_ENABLE;
}

void driver_want_interrupt(struct driver *driver, uint16_t after)
{
	uint64_t event = driver->config.driver + 4 + 2ull * driver->config.size;

	if (driver->packed)
		packed_want(driver, after);
	else if (driver->config.features & EVENT_IDX)
		*driver_u16(driver, event) = driver->used_idx + after;
	else
		*driver_u16(driver, driver->config.driver) = 0;
}

void driver_want_no_interrupt(struct driver *driver)
{
	if (driver->packed)
		*driver_u16(driver, driver->config.driver + 2) = VRING_PACKED_EVENT_FLAG_DISABLE;
	else if (!(driver->config.features & EVENT_IDX))
		*driver_u16(driver, driver->config.driver) = VRING_AVAIL_F_NO_INTERRUPT;
}
