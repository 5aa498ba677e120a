/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory slots: which guest frames are which part of the VMM's address space.  A set of slots
 * never changes once others can see it: a new one takes its place (see docs/memory.md).
 * Nothing here locks or sleeps.
 */
#ifndef MICA_SLOTS_H
#define MICA_SLOTS_H

#include "compat.h"
#include "uapi/mica.h"

struct mica_slot {
	u64 gfn;		/* first guest frame */
	u64 pages;		/* at least 1 */
	u64 hva;		/* user address of the first page */
	u32 flags;		/* MICA_MEM_* */
	u32 id;			/* the number that user space gave it */
};

/* Ordered by gfn, without overlaps. */
struct mica_slots {
	struct rcu_head rcu;
	unsigned int count;
	struct mica_slot slot[MICA_MAX_SLOTS];
};

/* Checks what user space asks for and fills the slot: 0 or -EINVAL.  Guest-physical addresses
 * have `phys_bits` bits.  That hva is a user address is not checked here. */
int mica_slot_from_user(struct mica_slot *slot, const struct mica_memory *args,
			unsigned int phys_bits);
/* The largest level, up to `level`, at which the mapping of gfn may be one leaf: all of it
 * inside the slot, guest and user address alike below the leaf's size. */
int mica_slot_level(const struct mica_slot *slot, u64 gfn, int level);

/* The slot that holds gfn, or NULL. */
const struct mica_slot *mica_slots_find(const struct mica_slots *slots, u64 gfn);
/* The slot with the number `id`, or NULL. */
const struct mica_slot *mica_slots_find_id(const struct mica_slots *slots, u32 id);
/* `to` becomes `from` and `slot`: 0, or -EEXIST if the id is in use or the frames overlap
 * another slot or the APIC page. */
int mica_slots_add(struct mica_slots *to, const struct mica_slots *from,
		   const struct mica_slot *slot);
/* `to` becomes `from` without the slot `id`, which is copied to `removed`: 0 or -ENOENT. */
int mica_slots_remove(struct mica_slots *to, const struct mica_slots *from, u32 id,
		      struct mica_slot *removed);
/* The first frames at or after `gfn` in one slot that are user addresses of [start, end):
 * true and [*first, *last), or false if there are none. */
bool mica_slots_next(const struct mica_slots *slots, u64 start, u64 end, u64 gfn,
		     u64 *first, u64 *last);

#endif
