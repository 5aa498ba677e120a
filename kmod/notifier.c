// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host changes its mind about pages of the VMM's address space: unmaps, moves, swaps,
 * merges, write-protects or ages them.  Called with mmap_lock, locks of the reverse map or a
 * page table lock held, so nothing here sleeps except where the host says it may.
 */
#include "memory.h"

#include "vcpu.h"

static struct mica_vm *vm_of(struct mmu_notifier *notifier)
{
	return container_of(notifier, struct mica_vm, mem.notifier);
}

static bool next_frames(struct mica_mem *mem, u64 start, u64 end, u64 gfn, u64 *first, u64 *last)
{
	const struct mica_slots *slots;

	slots = rcu_dereference_protected(mem->slots, lockdep_is_held(&mem->lock));
	return mica_slots_next(slots, start, end, gfn, first, last);
}

/*
 * Drops what maps user addresses [start, end).  Caller holds the lock, which is dropped now
 * and then.  The slots may change in between: one that goes has no translations left before
 * it goes, one that comes has none yet.
 */
static void zap_user_range(struct mica_mem *mem, u64 start, u64 end, bool may_sleep,
			   struct mica_s2_gather *gather)
{
	u64 first, last = 0;

	while (next_frames(mem, start, end, last, &first, &last))
		mica_memory_zap(mem, first, last, may_sleep, gather);
}

void mica_invalidation_begins(struct mica_mem *mem, u64 start, u64 end)
{
	if (mem->invalidate_count++) {
		start = min(start, mem->invalidate_start);
		end = max(end, mem->invalidate_end);
	}
	mem->invalidate_start = start;
	mem->invalidate_end = end;
}

static int invalidate_range_start(struct mmu_notifier *notifier,
				  const struct mmu_notifier_range *range)
{
	struct mica_vm *vm = vm_of(notifier);
	struct mica_s2_gather gather = {};
	struct mica_mem *mem = &vm->mem;

	spin_lock(&mem->lock);
	mica_invalidation_begins(mem, range->start, range->end);
	zap_user_range(mem, range->start, range->end, mmu_notifier_range_blockable(range),
		       &gather);
	mica_memory_unlock(mem, &gather);
	mica_memory_finish(vm, &gather);
	return 0;
}

void mica_invalidation_ends(struct mica_mem *mem)
{
	bool last;

	spin_lock(&mem->lock);
	/* A fault that read the old number has asked the host for a page before this. */
	mem->invalidate_seq++;
	last = !--mem->invalidate_count;
	spin_unlock(&mem->lock);
	if (last)
		wake_up_all(&mem->invalidate_wait);
}

static void invalidate_range_end(struct mmu_notifier *notifier,
				 const struct mmu_notifier_range *range)
{
	mica_invalidation_ends(&vm_of(notifier)->mem);
}

/* Visits all slots; true if one of the translations of [start, end) was used. */
static bool young_user_range(struct mica_mem *mem, u64 start, u64 end, bool clear)
{
	u64 first, last = 0;
	bool young = false;

	spin_lock(&mem->lock);
	while (next_frames(mem, start, end, last, &first, &last))
		young |= mica_s2_young(&mem->s2, first, last, clear);
	spin_unlock(&mem->lock);
	return young;
}

/*
 * If the CPU keeps accessed bits, they are cleared without a flush, as the host does with its
 * own: a page whose translation stays cached may look older than it is; at worst it is
 * unmapped too early, and a fault brings it back.  If it keeps none, the translation goes,
 * and the fault that brings it back is the sign of an access.
 */
static int clear_young(struct mmu_notifier *notifier, struct mm_struct *mm,
		       unsigned long start, unsigned long end)
{
	struct mica_vm *vm = vm_of(notifier);
	struct mica_s2_gather gather = {};
	struct mica_mem *mem = &vm->mem;
	bool young;

	young = young_user_range(mem, start, end, true);
	if (mem->s2.format->accessed || !young)
		return young;
	spin_lock(&mem->lock);
	zap_user_range(mem, start, end, false, &gather);
	mica_memory_unlock(mem, &gather);
	mica_memory_finish(vm, &gather);
	return true;
}

static int test_young(struct mmu_notifier *notifier, struct mm_struct *mm, unsigned long address)
{
	return young_user_range(&vm_of(notifier)->mem, address, address + PAGE_SIZE, false);
}

/* The last user of the address space is gone, before any file descriptor need be. */
static void release(struct mmu_notifier *notifier, struct mm_struct *mm)
{
	struct mica_vm *vm = vm_of(notifier);
	struct mica_s2_gather gather = {};
	struct mica_mem *mem = &vm->mem;

	spin_lock(&mem->lock);
	/* On the way out (mica_memory_destroy()) nothing can use the translations any more. */
	if (mem->dead) {
		spin_unlock(&mem->lock);
		return;
	}
	mem->dead = true;
	mica_memory_zap(mem, 0, MICA_S2_FRAMES, true, &gather);
	mica_memory_unlock(mem, &gather);
	mica_memory_finish(vm, &gather);
}

const struct mmu_notifier_ops mica_notifier_ops = {
	.release = release,
	.invalidate_range_start = invalidate_range_start,
	.invalidate_range_end = invalidate_range_end,
	.clear_flush_young = clear_young,
	.clear_young = clear_young,
	.test_young = test_young,
};
