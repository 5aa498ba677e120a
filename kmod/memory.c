// SPDX-License-Identifier: GPL-2.0-only
/*
 * Slots, and what every change of the second-level tables has in common: steps under the
 * lock, one flush, then the freeing.  Faults are in fault.c, the host's wishes in notifier.c.
 */
#include "memory.h"

#include "vcpu.h"

/* Entries that one step of a pass looks at: some 10 microseconds with the lock held. */
#define PASS_STEP	2048

/* ------------------------------------------------------------ changes of the tree */

void mica_memory_unlock(struct mica_mem *mem, struct mica_s2_gather *gather)
	__releases(&mem->lock)
{
	lockdep_assert_held(&mem->lock);
	if (gather->flush)
		atomic64_inc(&mem->generation);
	gather->flush = false;
	spin_unlock(&mem->lock);
}

void mica_memory_finish(struct mica_vm *vm, struct mica_s2_gather *gather)
{
	struct mica_mem *mem = &vm->mem;
	u64 target;
	bool needed;

	/* Not only for our own changes: what we came to drop may have been dropped a moment ago
	 * by somebody who has not flushed yet. */
	spin_lock(&mem->lock);
	target = atomic64_read(&mem->generation);
	needed = target != mem->flushed;
	spin_unlock(&mem->lock);
	if (needed) {
		mica_vm_kick_all_wait(vm, MICA_REQ_FLUSH_S2);
		spin_lock(&mem->lock);
		mem->flushed = max(mem->flushed, target);
		spin_unlock(&mem->lock);
	}
	mica_s2_gather_free(gather);
}

void mica_memory_pass(struct mica_mem *mem, mica_s2_pass_fn *pass, u64 first, u64 last,
		      bool may_sleep, struct mica_s2_gather *gather)
	__must_hold(&mem->lock)
{
	struct mica_s2_range range = { .cursor = first, .end = last };

	while (!pass(&mem->s2, &range, PASS_STEP, gather)) {
		mica_memory_unlock(mem, gather);
		if (may_sleep)
			cond_resched();
		spin_lock(&mem->lock);
	}
}

void mica_memory_zap(struct mica_mem *mem, u64 first, u64 last, bool may_sleep,
		     struct mica_s2_gather *gather)
	__must_hold(&mem->lock)
{
	mica_memory_pass(mem, mica_s2_zap, first, last, may_sleep, gather);
}

/* ------------------------------------------------------------ slots */

unsigned int mica_memory_phys_bits(void)
{
	return min_t(unsigned int, boot_cpu_data.x86_phys_bits,
		     PAGE_SHIFT + MICA_S2_LEVELS * MICA_S2_INDEX_BITS);
}

static struct mica_slots *current_slots(struct mica_vm *vm)
{
	return rcu_dereference_protected(vm->mem.slots, lockdep_is_held(&vm->lock));
}

bool mica_memory_slot(struct mica_mem *mem, u64 gfn, struct mica_slot *slot)
{
	const struct mica_slot *found;

	rcu_read_lock();
	found = mica_slots_find(rcu_dereference(mem->slots), gfn);
	if (found)
		*slot = *found;
	rcu_read_unlock();
	return found;
}

/*
 * A fault reads invalidate_seq, then the slots, and enters nothing if the number has changed
 * by then.  So nothing can be entered for a slot of the old set after this, and nobody needs
 * to wait for faults in progress, which may take as long as user space likes.
 */
static void publish(struct mica_vm *vm, struct mica_slots *slots)
{
	struct mica_slots *old = current_slots(vm);
	struct mica_mem *mem = &vm->mem;

	spin_lock(&mem->lock);
	rcu_assign_pointer(mem->slots, slots);
	mem->invalidate_seq++;
	spin_unlock(&mem->lock);
	kfree_rcu(old, rcu);
}

static int add_slot(struct mica_vm *vm, struct mica_slots *slots, const struct mica_memory *args)
{
	struct mica_slot slot;
	int error = mica_slot_from_user(&slot, args, mica_memory_phys_bits());

	if (error)
		return error;
	if (!access_ok((void __user *)slot.hva, slot.pages << PAGE_SHIFT))
		return -EFAULT;
	error = mica_slots_add(slots, current_slots(vm), &slot);
	if (!error)
		publish(vm, slots);
	return error;
}

/* The slot stays published until its translations are gone: who unmaps its pages meanwhile
 * must find and flush what is left of them. */
static int remove_slot(struct mica_vm *vm, struct mica_slots *slots,
		       const struct mica_memory *args)
{
	struct mica_s2_gather gather = {};
	struct mica_mem *mem = &vm->mem;
	struct mica_slot slot;
	int error;

	if (args->slot >= MICA_MAX_SLOTS || args->gpa || args->hva || args->flags)
		return -EINVAL;
	error = mica_slots_remove(slots, current_slots(vm), args->slot, &slot);
	if (error)
		return error;
	spin_lock(&mem->lock);
	mica_invalidation_begins(mem, slot.hva, slot.hva + (slot.pages << PAGE_SHIFT));
	mica_memory_zap(mem, slot.gfn, slot.gfn + slot.pages, true, &gather);
	mica_memory_unlock(mem, &gather);
	mica_memory_finish(vm, &gather);
	publish(vm, slots);
	mica_dirty_forget(mem, slot.id);
	mica_invalidation_ends(mem);
	return 0;
}

int mica_memory_set(struct mica_vm *vm, const struct mica_memory *args)
{
	struct mica_slots *slots = kzalloc(sizeof(*slots), GFP_KERNEL_ACCOUNT);
	int error;

	lockdep_assert_held(&vm->lock);
	if (!slots)
		return -ENOMEM;
	error = args->size ? add_slot(vm, slots, args) : remove_slot(vm, slots, args);
	if (error)
		kfree(slots);
	return error;
}

void mica_memory_set_apic_page(struct mica_vm *vm, struct page *page)
{
	WRITE_ONCE(vm->mem.apic_page, page);
}

void mica_memory_drop_apic_page(struct mica_vm *vm)
{
	u64 gfn = APIC_DEFAULT_PHYS_BASE >> PAGE_SHIFT;
	struct mica_s2_gather gather = {};
	struct mica_mem *mem = &vm->mem;

	spin_lock(&mem->lock);
	mica_memory_zap(mem, gfn, gfn + 1, true, &gather);
	mica_memory_unlock(mem, &gather);
	mica_memory_finish(vm, &gather);
}

static int copy_sleeping(void *to, const void __user *from, size_t length)
{
	return copy_from_user(to, from, length) ? -EFAULT : 0;
}

static int copy_now(void *to, const void __user *from, size_t length)
{
	unsigned long left;

	/* Slots are user addresses: mica_memory_set() has seen to that. */
	pagefault_disable();
	left = __copy_from_user_inatomic(to, from, length);
	pagefault_enable();
	return left ? -EAGAIN : 0;
}

static int read_slots(struct mica_vm *vm, u64 gpa, void *to, size_t length,
		      int (*copy)(void *to, const void __user *from, size_t length))
{
	struct mica_slot slot;
	int error;
	u64 offset;
	size_t part;

	while (length) {
		if (!mica_memory_slot(&vm->mem, gpa >> PAGE_SHIFT, &slot))
			return -EFAULT;
		offset = gpa - (slot.gfn << PAGE_SHIFT);
		part = min_t(u64, length, (slot.pages << PAGE_SHIFT) - offset);
		error = copy(to, (void __user *)(slot.hva + offset), part);
		if (error)
			return error;
		gpa += part;
		to += part;
		length -= part;
	}
	return 0;
}

int mica_memory_read(struct mica_vm *vm, u64 gpa, void *to, size_t length)
{
	return read_slots(vm, gpa, to, length, copy_sleeping);
}

int mica_memory_read_now(struct mica_vm *vm, u64 gpa, void *to, size_t length)
{
	return read_slots(vm, gpa, to, length, copy_now);
}

const void __user *mica_memory_user(struct mica_vm *vm, u64 gpa)
{
	struct mica_slot slot;

	if (!mica_memory_slot(&vm->mem, gpa >> PAGE_SHIFT, &slot))
		return NULL;
	return (const void __user *)(slot.hva + gpa - (slot.gfn << PAGE_SHIFT));
}

/* ------------------------------------------------------------ lifetime */

int mica_memory_init(struct mica_vm *vm)
{
	struct mica_mem *mem = &vm->mem;
	struct mica_slots *slots;
	int error;

	spin_lock_init(&mem->lock);
	init_waitqueue_head(&mem->invalidate_wait);
	slots = kzalloc(sizeof(*slots), GFP_KERNEL_ACCOUNT);
	if (!slots)
		return -ENOMEM;
	RCU_INIT_POINTER(mem->slots, slots);
	error = mica_s2_init(&mem->s2, mica_backend->s2);
	if (error)
		return error;
	mem->root_pa = __pa(mem->s2.root);
	mem->notifier.ops = &mica_notifier_ops;
	error = mmu_notifier_register(&mem->notifier, vm->mm);
	mem->registered = !error;
	return error;
}

void mica_memory_destroy(struct mica_vm *vm)
{
	struct mica_mem *mem = &vm->mem;
	u32 slot;

	if (mem->registered) {
		spin_lock(&mem->lock);
		mem->dead = true;
		spin_unlock(&mem->lock);
		/* Waits for callbacks in progress. */
		mmu_notifier_unregister(&mem->notifier, vm->mm);
		mem->registered = false;
	}
	mica_s2_destroy(&mem->s2);
	for (slot = 0; slot < MICA_MAX_SLOTS; slot++)
		kvfree(mem->dirty[slot]);
	kfree(rcu_dereference_protected(mem->slots, true));
	RCU_INIT_POINTER(mem->slots, NULL);
}
