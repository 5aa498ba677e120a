// SPDX-License-Identifier: GPL-2.0-only
/*
 * Second-level faults: which page of the host backs a guest frame, how much of its
 * surroundings can be mapped at once, and entering that.
 */
#include "memory.h"

#include "vcpu.h"

/* One attempt to resolve a fault. */
struct fault {
	u64 gfn;
	bool write;			/* the access is a write */
	bool exec;			/* the access is an instruction fetch */
	unsigned long seq;		/* mem->invalidate_seq when the attempt began */
	struct mica_slot slot;
	unsigned long hva;
	struct page *page;		/* the host's, one reference is ours; NULL: a kernel page */
	bool writable;			/* the host lets the page be written */
	struct mica_s2_leaf leaf;
};

/* ------------------------------------------------------------ the host's page */

static bool get_page_quickly(struct fault *fault, bool write)
{
	struct page *page;	/* may be written to even if the page cannot be had */

	if (get_user_pages_fast_only(fault->hva, 1, write ? FOLL_WRITE : 0, &page) != 1)
		return false;
	fault->page = page;
	fault->writable = write;
	return true;
}

/* The page may only be readable because nobody has written to it yet; if it can be had
 * writable for nothing, a second fault is saved. */
static void try_writable(struct fault *fault)
{
	struct page *page = fault->page;

	if (!(fault->slot.flags & MICA_MEM_READONLY) && get_page_quickly(fault, true))
		put_page(page);
}

/*
 * Gets the page that backs fault->hva, faulting it in if need be.  A read does not break
 * copy-on-write: memory that guests share stays shared until one writes.  The host refuses
 * mappings without pages of its own (VM_PFNMAP, VM_IO).
 */
static int get_page_of(struct fault *fault)
{
	unsigned int flags = FOLL_HWPOISON | MICA_FOLL_INTERRUPTIBLE;
	long count;

	if (!(fault->slot.flags & MICA_MEM_READONLY) && get_page_quickly(fault, true))
		return 0;
	if (!fault->write && get_page_quickly(fault, false))
		return 0;
	if (fault->write)
		flags |= FOLL_WRITE;
	count = get_user_pages_unlocked(fault->hva, 1, &fault->page, flags);
	if (count != 1)
		return count < 0 ? count : -EFAULT;
	fault->writable = fault->write;
	if (!fault->write)
		try_writable(fault);
	return 0;
}

/* ------------------------------------------------------------ the size of its mapping */

static bool entry_fits(u64 flags, unsigned long first_pfn, unsigned long hva, unsigned long size,
		       const struct fault *fault)
{
	/* Present and large; an entry that is being split or migrated is not. */
	if ((flags & (_PAGE_PRESENT | _PAGE_PSE)) != (_PAGE_PRESENT | _PAGE_PSE))
		return false;
	if (first_pfn + ((hva & (size - 1)) >> PAGE_SHIFT) != page_to_pfn(fault->page))
		return false;
	return !fault->writable || flags & _PAGE_RW;
}

/*
 * The level at which the host itself maps the page.  Its tables may change or go meanwhile:
 * with interrupts off their pages stay (as for get_user_pages_fast()), and what is read is
 * used only if no invalidation comes between.
 */
static int walk_host(struct mm_struct *mm, unsigned long hva, const struct fault *fault)
{
	pgd_t pgd = READ_ONCE(*pgd_offset(mm, hva));
	p4d_t p4d;
	pud_t pud;
	pmd_t pmd;

	if (!pgd_present(pgd))
		return 1;
	p4d = READ_ONCE(*p4d_offset(&pgd, hva));
	if (!p4d_present(p4d))
		return 1;
	pud = READ_ONCE(*pud_offset(&p4d, hva));
	if (entry_fits(pud_flags(pud), pud_pfn(pud), hva, PUD_SIZE, fault))
		return 3;
	if (!pud_present(pud) || pud_leaf(pud))
		return 1;
	pmd = READ_ONCE(*pmd_offset(&pud, hva));
	return entry_fits(pmd_flags(pmd), pmd_pfn(pmd), hva, PMD_SIZE, fault) ? 2 : 1;
}

static void set_level(struct mica_mem *mem, struct fault *fault, int level)
{
	struct mica_s2_leaf *leaf = &fault->leaf;
	u64 pages = mica_s2_pages(level);

	leaf->level = level;
	leaf->gfn = fault->gfn & ~(pages - 1);
	leaf->pa = page_to_phys(fault->page) & ~((pages << PAGE_SHIFT) - 1);
	leaf->no_exec = mem->s2.format->exec_small && level > 1;
}

static void size_leaf(struct mica_vm *vm, struct fault *fault)
{
	const struct mica_s2_format *format = vm->mem.s2.format;
	unsigned long flags;
	int level, limit = format->max_level;

	if (format->exec_small && fault->exec)
		limit = 1;
	local_irq_save(flags);
	level = walk_host(vm->mm, fault->hva, fault);
	local_irq_restore(flags);
	level = min(level, limit);
	set_level(&vm->mem, fault, mica_slot_level(&fault->slot, fault->gfn, level));
	fault->leaf.write = fault->writable;
}

/* ------------------------------------------------------------ entering it */

/* Is an invalidation of some part of the leaf in progress?  Caller holds the lock, or checks
 * again with it. */
static bool being_invalidated(const struct mica_mem *mem, const struct fault *fault)
{
	u64 size = mica_s2_pages(fault->leaf.level) << PAGE_SHIFT;
	u64 start = fault->hva & ~(size - 1);

	return READ_ONCE(mem->invalidate_count) && start < READ_ONCE(mem->invalidate_end) &&
	       start + size > READ_ONCE(mem->invalidate_start);
}

static int refill(struct mica_mem *mem)
{
	u64 *table;
	bool taken;

	while (READ_ONCE(mem->s2.spares) < MICA_S2_TABLES_PER_MAP) {
		table = mica_s2_table_alloc();
		if (!table)
			return -ENOMEM;
		spin_lock(&mem->lock);
		taken = mica_s2_give(&mem->s2, table);
		spin_unlock(&mem->lock);
		if (!taken)
			mica_s2_table_free(table);
	}
	return 0;
}

/*
 * The guest will write without the host's entry becoming dirty, so the page is marked here.
 * Getting a page quickly did not do that, and getting it slowly did it before the host may
 * have cleaned it again.  It must be done before the lock is dropped: the host's entry is
 * still writable now, so a file system knows of it, and who cleans or drops the page later
 * sends an invalidation first, and looks at the mark after that.  The page may be marked
 * although the guest only reads; that costs a write-back.  It is marked accessed by
 * get_user_pages*().
 */
static void mark_dirty(const struct fault *fault)
{
	if (fault->leaf.write)
		folio_mark_dirty(page_folio(fault->page));
}

/*
 * In a slot whose dirty pages are tracked, only the 4 KiB that are written become writable,
 * and their bit is set before a CPU can write to them.  What is around them is entered as
 * large as it can be, but read-only.  It never replaces smaller leaves: they are there
 * because one of them was written, and the others of them would have to be faulted in again.
 */
static int enter_tracked(struct mica_mem *mem, struct fault *fault, struct mica_dirty_log *log,
			 struct mica_s2_gather *gather)
{
	int error;

	set_level(mem, fault, min(fault->leaf.level, mica_s2_room(&mem->s2, fault->gfn)));
	if (!fault->write || fault->leaf.level > 1) {
		fault->leaf.write = false;
		error = mica_s2_map(&mem->s2, &fault->leaf, gather);
		if (error || !fault->write)
			return error;
	}
	set_level(mem, fault, 1);
	fault->leaf.write = true;
	error = mica_s2_map(&mem->s2, &fault->leaf, gather);
	if (!error)
		__set_bit(fault->gfn - fault->slot.gfn, log->dirty);
	return error;
}

/* Caller holds the lock.  -EAGAIN: look at everything again. */
static int enter_leaf(struct mica_mem *mem, struct fault *fault, struct mica_s2_gather *gather)
{
	struct mica_dirty_log *log;
	int error;

	if (mem->dead)
		return -EFAULT;
	/* The kernel's own page, which is in no slot. */
	if (!fault->page)
		return mica_s2_map(&mem->s2, &fault->leaf, gather);
	if (mem->invalidate_seq != fault->seq || being_invalidated(mem, fault))
		return -EAGAIN;
	log = mem->dirty[fault->slot.id];
	if (log)
		error = enter_tracked(mem, fault, log, gather);
	else
		error = mica_s2_map(&mem->s2, &fault->leaf, gather);
	if (!error)
		mark_dirty(fault);
	return error;
}

static int enter(struct mica_vm *vm, struct fault *fault)
{
	struct mica_s2_gather gather = {};
	struct mica_mem *mem = &vm->mem;
	bool changed;
	int error;

	spin_lock(&mem->lock);
	error = enter_leaf(mem, fault, &gather);
	changed = gather.flush;
	mica_memory_unlock(mem, &gather);
	if (unlikely(changed))
		mica_memory_finish(vm, &gather);
	return error;
}

/* ------------------------------------------------------------ faults */

static int fault_in_slot(struct mica_vm *vm, struct fault *fault)
{
	struct mica_mem *mem = &vm->mem;
	int error;

	fault->hva = fault->slot.hva + ((fault->gfn - fault->slot.gfn) << PAGE_SHIFT);
	error = get_page_of(fault);
	if (error)
		return error;
	size_leaf(vm, fault);
	error = enter(vm, fault);
	/* Before the wait, so that who invalidates does not find an extra reference. */
	put_page(fault->page);
	if (error != -EAGAIN || !being_invalidated(mem, fault))
		return error;
	error = wait_event_interruptible(mem->invalidate_wait, !being_invalidated(mem, fault));
	return error ? -EINTR : -EAGAIN;
}

static int fault_in_apic_page(struct mica_vcpu *vcpu, struct fault *fault)
{
	struct page *page = READ_ONCE(vcpu->vm->mem.apic_page);

	if (!page || !mica_apic_enabled(&vcpu->apic) || mica_apic_is_x2(&vcpu->apic))
		return 1;
	fault->leaf = (struct mica_s2_leaf) {
		.gfn = fault->gfn,
		.pa = page_to_phys(page),
		.level = 1,
		.write = true,
	};
	return enter(vcpu->vm, fault);
}

static int try_fault(struct mica_vcpu *vcpu, struct fault *fault)
{
	struct mica_mem *mem = &vcpu->vm->mem;
	int error = refill(mem);

	if (error)
		return error;
	/* Before the slots, and before the host is asked for the page. */
	fault->seq = smp_load_acquire(&mem->invalidate_seq);
	if (mica_memory_slot(mem, fault->gfn, &fault->slot)) {
		if (fault->write && fault->slot.flags & MICA_MEM_READONLY)
			return 1;
		return fault_in_slot(vcpu->vm, fault);
	}
	if (fault->gfn == APIC_DEFAULT_PHYS_BASE >> PAGE_SHIFT)
		return fault_in_apic_page(vcpu, fault);
	return 1;
}

bool mica_memory_hole(struct mica_vm *vm, u64 gpa)
{
	struct mica_slot slot;
	u64 gfn = gpa >> PAGE_SHIFT;

	return gfn != APIC_DEFAULT_PHYS_BASE >> PAGE_SHIFT && !mica_memory_slot(&vm->mem, gfn, &slot);
}

int mica_memory_fault(struct mica_vcpu *vcpu, u64 gpa, u32 access)
{
	struct fault fault = {
		.gfn = gpa >> PAGE_SHIFT,
		.write = access & MICA_ACCESS_WRITE,
		.exec = access & MICA_ACCESS_EXEC,
	};
	int error;

	/* Ends when user space leaves the address alone for a moment, or sends a signal. */
	while ((error = try_fault(vcpu, &fault)) == -EAGAIN) {
		if (signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return error;
}
