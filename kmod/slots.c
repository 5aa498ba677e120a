// SPDX-License-Identifier: GPL-2.0-only
/* The arithmetic of memory slots.  See slots.h. */
#include "slots.h"

#include "s2.h"

#define APIC_GFN	(APIC_DEFAULT_PHYS_BASE >> PAGE_SHIFT)

int mica_slot_from_user(struct mica_slot *slot, const struct mica_memory *args,
			unsigned int phys_bits)
{
	u64 gpa_end, hva_end;

	if (args->slot >= MICA_MAX_SLOTS || args->flags & ~MICA_MEM_READONLY || !args->size)
		return -EINVAL;
	if ((args->gpa | args->size | args->hva) & (PAGE_SIZE - 1))
		return -EINVAL;
	if (check_add_overflow(args->gpa, args->size, &gpa_end) ||
	    check_add_overflow(args->hva, args->size, &hva_end))
		return -EINVAL;
	if (gpa_end > 1ull << phys_bits)
		return -EINVAL;
	*slot = (struct mica_slot) {
		.gfn = args->gpa >> PAGE_SHIFT,
		.pages = args->size >> PAGE_SHIFT,
		.hva = args->hva,
		.flags = args->flags,
		.id = args->slot,
	};
	return 0;
}

int mica_slot_level(const struct mica_slot *slot, u64 gfn, int level)
{
	u64 pages, first;

	for (; level > 1; level--) {
		pages = mica_s2_pages(level);
		first = gfn & ~(pages - 1);
		if (((slot->hva >> PAGE_SHIFT) ^ slot->gfn) & (pages - 1))
			continue;
		if (first >= slot->gfn && first + pages <= slot->gfn + slot->pages)
			break;
	}
	return level;
}

/* How many slots begin at or before gfn. */
static unsigned int slots_up_to(const struct mica_slots *slots, u64 gfn)
{
	unsigned int low = 0, high = slots->count, middle;

	while (low < high) {
		middle = (low + high) / 2;
		if (slots->slot[middle].gfn <= gfn)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct mica_slot *mica_slots_find(const struct mica_slots *slots, u64 gfn)
{
	unsigned int i = slots_up_to(slots, gfn);

	if (!i || gfn - slots->slot[i - 1].gfn >= slots->slot[i - 1].pages)
		return NULL;
	return &slots->slot[i - 1];
}

const struct mica_slot *mica_slots_find_id(const struct mica_slots *slots, u32 id)
{
	unsigned int i;

	for (i = 0; i < slots->count; i++)
		if (slots->slot[i].id == id)
			return &slots->slot[i];
	return NULL;
}

static bool overlap(u64 first, u64 pages, u64 other_first, u64 other_pages)
{
	return first < other_first + other_pages && other_first < first + pages;
}

/* The caller has checked that the sums of both slots do not wrap. */
static bool slots_conflict(const struct mica_slot *a, const struct mica_slot *b)
{
	return a->id == b->id || overlap(a->gfn, a->pages, b->gfn, b->pages);
}

int mica_slots_add(struct mica_slots *to, const struct mica_slots *from,
		   const struct mica_slot *slot)
{
	unsigned int i, place = slots_up_to(from, slot->gfn);

	if (overlap(slot->gfn, slot->pages, APIC_GFN, 1))
		return -EEXIST;
	for (i = 0; i < from->count; i++)
		if (slots_conflict(slot, &from->slot[i]))
			return -EEXIST;
	/* There is room: an id that is free is one of MICA_MAX_SLOTS that is not here. */
	for (i = 0; i < from->count; i++)
		to->slot[i + (i >= place)] = from->slot[i];
	to->slot[place] = *slot;
	to->count = from->count + 1;
	return 0;
}

int mica_slots_remove(struct mica_slots *to, const struct mica_slots *from, u32 id,
		      struct mica_slot *removed)
{
	unsigned int i;

	to->count = 0;
	for (i = 0; i < from->count; i++) {
		if (from->slot[i].id == id)
			*removed = from->slot[i];
		else
			to->slot[to->count++] = from->slot[i];
	}
	return to->count == from->count ? -ENOENT : 0;
}

/* [start, end) cut down to the slot, as frames from gfn on; false: nothing is left. */
static bool slot_part(const struct mica_slot *slot, u64 start, u64 end, u64 gfn,
		      u64 *first, u64 *last)
{
	u64 slot_end = slot->hva + (slot->pages << PAGE_SHIFT);

	start = max(start, slot->hva);
	end = min(end, slot_end);
	if (start >= end)
		return false;
	*first = max(gfn, slot->gfn + ((start - slot->hva) >> PAGE_SHIFT));
	*last = slot->gfn + ((end - slot->hva + PAGE_SIZE - 1) >> PAGE_SHIFT);
	return *first < *last;
}

bool mica_slots_next(const struct mica_slots *slots, u64 start, u64 end, u64 gfn,
		     u64 *first, u64 *last)
{
	unsigned int i;

	for (i = 0; i < slots->count; i++)
		if (slot_part(&slots->slot[i], start, end, gfn, first, last))
			return true;
	return false;
}
