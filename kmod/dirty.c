// SPDX-License-Identifier: GPL-2.0-only
/*
 * Dirty tracking by write protection: starting and stopping it, and taking the bitmaps.  The
 * fault that a write to a protected page gives is in fault.c.
 */
#include "dirty.h"

#include "memory.h"
#include "vcpu.h"

/* Pages that are looked at with the lock held: some 10 microseconds. */
#define TAKE_STEP	2048
/* Bytes that are copied to user space at once. */
#define COPY_STEP	0x10000ul
/* Largest slot that is tracked, in pages: 8 TiB, for which the bitmaps need 512 MiB. */
#define MAX_PAGES	(1ull << 31)

/* Caller holds vm->lock, so the slot stays. */
static const struct mica_slot *slot_of(struct mica_vm *vm, u32 id)
{
	return mica_slots_find_id(rcu_dereference_protected(vm->mem.slots,
							    lockdep_is_held(&vm->lock)), id);
}

/* ------------------------------------------------------------ the bitmaps */

static struct mica_dirty_log *log_alloc(u64 pages)
{
	u64 words = DIV_ROUND_UP_ULL(pages, BITS_PER_LONG);
	struct mica_dirty_log *log;

	if (pages > MAX_PAGES)
		return NULL;
	log = kvzalloc(struct_size(log, bits, 2 * words), GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!log)
		return NULL;
	log->dirty = log->bits;
	log->taken = log->bits + words;
	return log;
}

/* Returns the log that was there; a fault in progress sees the new one when it enters. */
static struct mica_dirty_log *log_replace(struct mica_mem *mem, u32 slot,
					  struct mica_dirty_log *log)
{
	struct mica_dirty_log *old;

	spin_lock(&mem->lock);
	old = mem->dirty[slot];
	mem->dirty[slot] = log;
	spin_unlock(&mem->lock);
	return old;
}

void mica_dirty_forget(struct mica_mem *mem, u32 slot)
{
	kvfree(log_replace(mem, slot, NULL));
}

/* ------------------------------------------------------------ start and stop */

static void pass_over_slot(struct mica_vm *vm, const struct mica_slot *slot, mica_s2_pass_fn *pass)
{
	struct mica_s2_gather gather = {};
	struct mica_mem *mem = &vm->mem;

	spin_lock(&mem->lock);
	mica_memory_pass(mem, pass, slot->gfn, slot->gfn + slot->pages, true, &gather);
	mica_memory_unlock(mem, &gather);
	mica_memory_finish(vm, &gather);
}

/* First what faults enter is noted, then what was entered before is protected, large leaves
 * as they are. */
static int start(struct mica_vm *vm, const struct mica_slot *slot)
{
	struct mica_dirty_log *log;

	if (vm->mem.dirty[slot->id])
		return -EEXIST;
	log = log_alloc(slot->pages);
	if (!log)
		return -ENOMEM;
	log_replace(&vm->mem, slot->id, log);
	pass_over_slot(vm, slot, mica_s2_protect);
	return 0;
}

/* Leaves that are still protected become writable when they are written. */
static int stop(struct mica_vm *vm, const struct mica_slot *slot)
{
	if (!vm->mem.dirty[slot->id])
		return -ENOENT;
	mica_dirty_forget(&vm->mem, slot->id);
	pass_over_slot(vm, slot, mica_s2_zap_split);
	return 0;
}

int mica_dirty_track(struct mica_vm *vm, const struct mica_track_dirty *args)
{
	const struct mica_slot *slot;

	lockdep_assert_held(&vm->lock);
	if (args->slot >= MICA_MAX_SLOTS || args->enable > 1)
		return -EINVAL;
	slot = slot_of(vm, args->slot);
	if (!slot)
		return -ENOENT;
	return args->enable ? start(vm, slot) : stop(vm, slot);
}

/* ------------------------------------------------------------ taking */

/* Words [first, end) of a log. */
struct take {
	struct mica_mem *mem;
	const struct mica_slot *slot;
	struct mica_dirty_log *log;
	u64 first, end;
	struct mica_s2_gather gather;
};

/* Returns how many pages were looked at. */
static unsigned int take_word(struct take *take, u64 word)
{
	u64 page = word * BITS_PER_LONG;
	struct mica_s2_range range = {
		.cursor = take->slot->gfn + page,
		.end = take->slot->gfn + min_t(u64, page + BITS_PER_LONG, take->slot->pages),
	};

	if (!take->log->dirty[word])
		return 1;
	take->log->taken[word] |= take->log->dirty[word];
	take->log->dirty[word] = 0;
	/* Those that are not dirty are protected already. */
	mica_s2_protect(&take->mem->s2, &range, UINT_MAX, &take->gather);
	return BITS_PER_LONG;
}

/*
 * Moves the bits and protects their pages in one step each.  A CPU may write to such a page
 * until it flushes: that is why user space gets the bits after the flush, and the page's
 * contents only later.  What is written after the flush faults and gets a new bit.
 */
static void take_bits(struct mica_vm *vm, struct take *take)
{
	unsigned int looked_at = 0;
	u64 word;

	spin_lock(&take->mem->lock);
	for (word = take->first; word < take->end; word++) {
		if (looked_at >= TAKE_STEP) {
			mica_memory_unlock(take->mem, &take->gather);
			cond_resched();
			spin_lock(&take->mem->lock);
			looked_at = 0;
		}
		looked_at += take_word(take, word);
	}
	mica_memory_unlock(take->mem, &take->gather);
	mica_memory_finish(vm, &take->gather);
}

/* All or nothing: what cannot be given stays and comes with the next. */
static int give_bits(struct take *take, u64 user)
{
	void *taken = take->log->taken + take->first;
	u64 size = (take->end - take->first) * sizeof(u64), done, part;

	for (done = 0; done < size; done += part) {
		part = min_t(u64, size - done, COPY_STEP);
		if (copy_to_user((void __user *)(user + done), taken + done, part))
			return -EFAULT;
		cond_resched();
	}
	for (done = 0; done < size; done += part) {
		part = min_t(u64, size - done, COPY_STEP);
		memset(taken + done, 0, part);
		cond_resched();
	}
	return 0;
}

/* Whole words: a range ends with a word or with the slot. */
static bool range_is_good(const struct mica_take_dirty *args, const struct mica_slot *slot)
{
	u64 end;

	return args->pages && !check_add_overflow(args->first, args->pages, &end) &&
	       end <= slot->pages && !(args->first % BITS_PER_LONG) &&
	       (!(end % BITS_PER_LONG) || end == slot->pages);
}

int mica_dirty_take(struct mica_vm *vm, const struct mica_take_dirty *args)
{
	struct take take = { .mem = &vm->mem };

	lockdep_assert_held(&vm->lock);
	if (args->slot >= MICA_MAX_SLOTS || args->pad || args->bitmap % sizeof(u64))
		return -EINVAL;
	take.slot = slot_of(vm, args->slot);
	if (!take.slot)
		return -ENOENT;
	take.log = vm->mem.dirty[take.slot->id];
	if (!take.log)
		return -ENOENT;
	if (!range_is_good(args, take.slot))
		return -EINVAL;
	take.first = args->first / BITS_PER_LONG;
	take.end = DIV_ROUND_UP_ULL(args->first + args->pages, BITS_PER_LONG);
	take_bits(vm, &take);
	return give_bits(&take, args->bitmap);
}
