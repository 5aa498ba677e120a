/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which pages of a slot the guest has written, found by write protection.  Rules: "Dirty
 * tracking" in docs/memory.md.
 */
#ifndef MICA_DIRTY_H
#define MICA_DIRTY_H

#include "compat.h"
#include "uapi/mica.h"

struct mica_vm;
struct mica_mem;

/* Of one slot while it is tracked; a bit is a page, counted from the slot's first. */
struct mica_dirty_log {
	/* [mem->lock] Written since it was last taken.  From the end of the start on, a leaf that
	 * may be written has a size of 4 KiB, and its bit is set here. */
	unsigned long *dirty;
	/* [vm->lock] On the way to user space; not zero only if that failed. */
	unsigned long *taken;
	unsigned long bits[];		/* both of them */
};

/* MICA_VM_TRACK_DIRTY and MICA_VM_TAKE_DIRTY; errors as documented there.  Caller holds
 * vm->lock.  May sleep. */
int mica_dirty_track(struct mica_vm *vm, const struct mica_track_dirty *args);
int mica_dirty_take(struct mica_vm *vm, const struct mica_take_dirty *args);
/* Ends the tracking of a slot, if it is tracked, and frees its bitmaps: the slot is gone, or
 * the VM.  Nobody else starts or stops tracking meanwhile.  May sleep. */
void mica_dirty_forget(struct mica_mem *mem, u32 slot);

#endif
