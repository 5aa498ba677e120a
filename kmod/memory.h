/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The guest's memory: slots of the VMM's own mapping, entered on demand into second-level
 * page tables under an MMU notifier.  Nothing is pinned.  Rules: docs/memory.md.
 */
#ifndef MICA_MEMORY_H
#define MICA_MEMORY_H

#include "compat.h"
#include "dirty.h"
#include "s2.h"
#include "slots.h"
#include "uapi/mica.h"

struct mica_vm;
struct mica_vcpu;

struct mica_mem {
	struct mmu_notifier notifier;
	bool registered;
	/* Replaced with vm->lock and mem->lock held, read under either or RCU. */
	struct mica_slots __rcu *slots;
	struct page *apic_page;		/* mapped at APIC_DEFAULT_PHYS_BASE, owned by the caller */
	u64 root_pa;			/* of the tree, constant */
	wait_queue_head_t invalidate_wait;	/* woken when invalidate_count becomes 0 */

	/* [lock] all below */
	spinlock_t lock;
	struct mica_s2 s2;
	/* By the slot's number, NULL: not tracked.  Replaced with vm->lock held as well. */
	struct mica_dirty_log *dirty[MICA_MAX_SLOTS];
	bool dead;			/* the address space is gone, or the VM is going */
	unsigned long invalidate_seq;	/* of ended invalidations and slot changes */
	unsigned long invalidate_count;	/* invalidations in progress ... */
	u64 invalidate_start, invalidate_end;	/* ... all within these user addresses */
	/* Changes after translations went away, before the lock is dropped.  Readable without
	 * the lock: what a CPU cached before it flushed at this value is not stale. */
	atomic64_t generation;
	u64 flushed;			/* every CPU has flushed at this generation or later */
};

/* vm->mm is set, and the mm of the caller.  0, -ENOMEM or -EINTR.  After a failure
 * mica_memory_destroy() is still called. */
int mica_memory_init(struct mica_vm *vm);
/* Valid on a zeroed object.  No vCPU can run any more, but all of vm->vcpus still exist: the
 * notifier may be at work until this returns. */
void mica_memory_destroy(struct mica_vm *vm);
/* MICA_VM_SET_MEMORY; errors as documented there.  Caller holds vm->lock.  May sleep. */
int mica_memory_set(struct mica_vm *vm, const struct mica_memory *args);
/* Width of a guest-physical address in bits, for struct mica_info. */
unsigned int mica_memory_phys_bits(void);

#define MICA_ACCESS_READ	1u
#define MICA_ACCESS_WRITE	2u
#define MICA_ACCESS_EXEC	4u

/* Is it certain, without asking the host for anything, that there is no memory at gpa?  Any
 * context; mica_memory_fault() knows the rest. */
bool mica_memory_hole(struct mica_vm *vm, u64 gpa);

/* Resolves a second-level fault: 0 the access can be tried again, 1 there is no memory
 * (or it is read-only and this is a write): MMIO, -errno the host cannot give the page
 * (-EFAULT, -EHWPOISON, -ENOMEM), -EINTR a signal.  May sleep. */
int mica_memory_fault(struct mica_vcpu *vcpu, u64 gpa, u32 access);

/* Copies from the guest's RAM; -EFAULT if not all of it is in slots.  May sleep. */
int mica_memory_read(struct mica_vm *vm, u64 gpa, void *to, size_t length);

/* [I] The same without sleeping; -EAGAIN: a part of it is not in memory now. */
int mica_memory_read_now(struct mica_vm *vm, u64 gpa, void *to, size_t length);

/* Where the guest's RAM at gpa is in the VMM, up to the end of the page, as long as invalidate_seq
 * stays what it was before the call; NULL: in no slot. */
const void __user *mica_memory_user(struct mica_vm *vm, u64 gpa);

/* Maps one page of the kernel's own at the APIC's address, where no slot can be, for vCPUs
 * whose APIC is in xAPIC mode.  Before the first vCPU runs.  The page must stay until
 * mica_memory_destroy(). */
void mica_memory_set_apic_page(struct mica_vm *vm, struct page *page);
/* Unmaps it, for a vCPU that has left xAPIC mode and whose CPU would not notice an access.  One
 * that is still in xAPIC mode brings it back when it touches it.  Process context. */
void mica_memory_drop_apic_page(struct mica_vm *vm);

/* ------------------------------------------------------------ between the files of memory */

/* Ends a step of changes: raises the generation if the gather wants a flush. */
void mica_memory_unlock(struct mica_mem *mem, struct mica_s2_gather *gather)
	__releases(&mem->lock);
/*
 * After the last step, without the lock: returns when no CPU uses a translation that went
 * away before, by whomever, and frees the gathered tables.  Any process context, also where
 * sleeping is not allowed.
 */
void mica_memory_finish(struct mica_vm *vm, struct mica_s2_gather *gather);
/* All steps of a pass over frames [first, last).  Caller holds the lock, which is dropped now
 * and then; `may_sleep` allows to sleep then. */
void mica_memory_pass(struct mica_mem *mem, mica_s2_pass_fn *pass, u64 first, u64 last,
		      bool may_sleep, struct mica_s2_gather *gather)
	__must_hold(&mem->lock);
void mica_memory_zap(struct mica_mem *mem, u64 first, u64 last, bool may_sleep,
		     struct mica_s2_gather *gather)
	__must_hold(&mem->lock);
/* Until the end of it no fault enters a page of user addresses [start, end); begins() with
 * the lock held, ends() without. */
void mica_invalidation_begins(struct mica_mem *mem, u64 start, u64 end);
void mica_invalidation_ends(struct mica_mem *mem);
/* Copies the slot of gfn; false: there is none. */
bool mica_memory_slot(struct mica_mem *mem, u64 gfn, struct mica_slot *slot);

extern const struct mmu_notifier_ops mica_notifier_ops;

#endif
