// SPDX-License-Identifier: GPL-2.0-only
/*
 * Entering the guest.  vmx_enter() goes round by itself as long as exits are handled at
 * once and nobody wants the CPU: what holds as long as interrupts are off is done once.
 */
#include "vmcs.h"

#include "run.h"

#include <asm/special_insns.h>

/* Is there anything that the core's loop must see before another entry? */
static bool others_want(const struct mica_vcpu *vcpu)
{
	return READ_ONCE(vcpu->requests) || mica_series_over(vcpu);
}

/* ------------------------------------------------------------ one entry */

static bool pae_paging(const struct mica_vcpu *vcpu)
{
	return (vmx_read(GUEST_CR0) & X86_CR0_PG) && (vmx_read(GUEST_CR4) & X86_CR4_PAE) &&
	       !(vmx_read(GUEST_IA32_EFER) & EFER_LMA);
}

/* A CPU loads the PDPTEs with CR3; in a VM entry they come from the VMCS.  They are in the
 * guest's memory, to be read where sleeping is allowed. */
static enum mica_next load_pdptes(struct mica_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	unsigned int i;

	if (!pae_paging(vcpu)) {
		vmx->pending &= ~(VMX_PENDING_PDPTES | VMX_PENDING_PDPTES_READ);
		return MICA_NEXT_ENTER;
	}
	if (!(vmx->pending & VMX_PENDING_PDPTES_READ)) {
		vmx->fault.gpa = vmx_read(GUEST_CR3) & GENMASK_ULL(31, 5);
		vmx->slow = VMX_SLOW_PDPTES;
		return MICA_NEXT_SLOW;
	}
	/* The fields are consecutive, two encodings apart: "Field Encoding in VMCS". */
	for (i = 0; i < ARRAY_SIZE(vmx->pdptes); i++)
		vmx_write(GUEST_PDPTR0 + 2 * i, vmx->pdptes[i]);
	vmx->pending &= ~(VMX_PENDING_PDPTES | VMX_PENDING_PDPTES_READ);
	return MICA_NEXT_ENTER;
}

/* The guest's breakpoint addresses are needed while its DR7 enables one. */
static void load_drs(struct mica_vcpu *vcpu)
{
	if (vcpu->dr7 & MICA_DR7_ENABLES)
		mica_host_lend_drs(&to_vmx(vcpu)->host_drs, vcpu->dr);
}

static enum mica_next do_pending(struct mica_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	enum mica_next next = MICA_NEXT_ENTER;
	u32 pending = vmx->pending;

	if (pending & VMX_PENDING_APIC_PAGE) {
		vmx->slow = VMX_SLOW_APIC_PAGE;
		return MICA_NEXT_SLOW;
	}
	if (pending & VMX_PENDING_PDPTES)
		next = load_pdptes(vcpu);
	if (next == MICA_NEXT_ENTER && (pending & VMX_PENDING_CHECK))
		next = vmx_check_before_entry(vcpu);
	if (next != MICA_NEXT_ENTER)
		return next;
	vmx->pending = 0;
	if (pending & VMX_PENDING_FLUSH_EPT)
		vmx_flush_s2(vcpu);
	if (pending & VMX_PENDING_FLUSH_VPID)
		vmx_flush_vpid(vmx);
	if (pending & VMX_PENDING_DRS)
		load_drs(vcpu);
	return MICA_NEXT_ENTER;
}

/* The timer counts from each entry on; an exit before the deadline is answered by another
 * entry. */
static void write_timer(struct vmx_vcpu *vmx)
{
	u64 now, ticks = vmx_caps.timer_longest;

	if (vmx->deadline) {
		now = rdtsc();
		ticks = vmx->deadline > now ? (vmx->deadline - now) >> vmx_caps.timer_shift : 0;
		ticks = min_t(u64, ticks, vmx_caps.timer_longest);
	}
	if (ticks == vmx->timer_value)
		return;
	vmx->timer_value = ticks;
	vmx_write(VMX_PREEMPTION_TIMER_VALUE, ticks);
}

static enum mica_next enter_once(struct mica_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	enum mica_next next;
	int failed;
	u32 reason;

	if (unlikely(vcpu->s2_generation != atomic64_read(&vcpu->vm->mem.generation)))
		vmx->pending |= VMX_PENDING_FLUSH_EPT;
	if (unlikely(vmx->pending)) {
		next = do_pending(vcpu);
		if (next != MICA_NEXT_ENTER)
			return next;
	}
	if (vmx->deadline | (vmx->timer_value ^ vmx_caps.timer_longest))
		write_timer(vmx);
	if (vcpu->cr2 != native_read_cr2())
		native_write_cr2(vcpu->cr2);
	failed = vmx_entry_run(vcpu, &vmx->entry, vmx->enter_flags);
	vcpu->cr2 = native_read_cr2();
	if (unlikely(failed))
		return vmx_entry_rejected(vcpu);
	reason = vmx_read(VM_EXIT_REASON);
	if (unlikely(reason & VMX_EXIT_REASONS_FAILED_VMENTRY))
		return vmx_entry_failed(vcpu, reason);
	vmx->enter_flags |= VMX_ENTER_LAUNCHED;
	return vmx_dispatch(vcpu, reason);
}

enum mica_next vmx_enter(struct mica_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	enum mica_next next;

	vmx_begin_series(vmx);
	next = enter_once(vcpu);
	while (next == MICA_NEXT_ENTER && !others_want(vcpu)) {
		vcpu->count.entries++;
		next = enter_once(vcpu);
	}
	vmx_end_series(vmx);
	return next;
}

/* ------------------------------------------------------------ what needs sleep */

static enum mica_next read_pdptes(struct mica_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	/* Not in memory: no translation is present, and the guest faults. */
	if (mica_memory_read(vcpu->vm, vmx->fault.gpa, vmx->pdptes, sizeof(vmx->pdptes)))
		memset(vmx->pdptes, 0, sizeof(vmx->pdptes));
	vmx->pending |= VMX_PENDING_PDPTES_READ;
	return MICA_NEXT_ENTER;
}

static enum mica_next drop_apic_page(struct mica_vcpu *vcpu)
{
	to_vmx(vcpu)->pending &= ~VMX_PENDING_APIC_PAGE;
	mica_memory_drop_apic_page(vcpu->vm);
	return MICA_NEXT_ENTER;
}

enum mica_next vmx_handle(struct mica_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	if (vmx->slow == VMX_SLOW_PDPTES)
		return read_pdptes(vcpu);
	if (vmx->slow == VMX_SLOW_APIC_PAGE)
		return drop_apic_page(vcpu);
	return mica_exit_s2_fault(vcpu, vmx->fault.gpa, vmx->fault.gva, vmx->fault.access,
				  vmx->fault.flags);
}

/* ------------------------------------------------------------ time */

bool vmx_set_deadline(struct mica_vcpu *vcpu, u64 deadline)
{
	if (!vmx_caps.timer)
		return false;
	to_vmx(vcpu)->deadline = deadline;
	return true;
}

void vmx_tsc_offset_changed(struct mica_vcpu *vcpu)
{
	vmx_write(TSC_OFFSET, vcpu->tsc_offset);
}
