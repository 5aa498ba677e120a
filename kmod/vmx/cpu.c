// SPDX-License-Identifier: GPL-2.0-only
/*
 * VMX operation of the CPUs, and which VMCS is where.  A CPU may hold parts of a VMCS in
 * itself until VMCLEAR; so each VMCS is on the list of the CPU where it was last current,
 * and is cleared there before another CPU takes it (SDM volume 3, "VMCS State").
 */
#include "vmcs.h"

#include <linux/perf_event.h>

DEFINE_PER_CPU(struct vmx_host_cpu, vmx_host_cpu);

/* All three are used by their own CPU only, with interrupts off. */
static DEFINE_PER_CPU(struct list_head, active);	/* of vmx_vcpu.link */
static DEFINE_PER_CPU(struct vmx_vcpu *, current_vmcs);
static DEFINE_PER_CPU(bool, in_vmx);
static DEFINE_PER_CPU(struct page *, vmxon_region);

const u32 vmx_syscall_msrs[VMX_SYSCALL_MSRS] = {
	[VMX_STAR] = MSR_STAR,
	[VMX_LSTAR] = MSR_LSTAR,
	[VMX_CSTAR] = MSR_CSTAR,
	[VMX_SFMASK] = MSR_SYSCALL_MASK,
};

/* ------------------------------------------------------------ VMXON regions */

int vmx_alloc_regions(void)
{
	struct page *page;
	int cpu;

	for_each_possible_cpu(cpu) {
		INIT_LIST_HEAD(&per_cpu(active, cpu));
		page = alloc_pages_node(cpu_to_node(cpu), GFP_KERNEL | __GFP_ZERO, 0);
		if (!page)
			return -ENOMEM;
		*(u32 *)page_address(page) = vmx_caps.revision;
		per_cpu(vmxon_region, cpu) = page;
	}
	return 0;
}

void vmx_free_regions(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		if (per_cpu(vmxon_region, cpu))
			__free_page(per_cpu(vmxon_region, cpu));
		per_cpu(vmxon_region, cpu) = NULL;
	}
}

/* ------------------------------------------------------------ on and off */

static void read_host(void)
{
	struct vmx_host_cpu *host = this_cpu_ptr(&vmx_host_cpu);
	unsigned int i;

	host->cr0 = read_cr0() & ~X86_CR0_TS;
	rdmsrl(MSR_EFER, host->efer);
	rdmsrl(MSR_IA32_CR_PAT, host->pat);
	rdmsrl(MSR_IA32_SYSENTER_CS, host->sysenter_cs);
	rdmsrl(MSR_IA32_SYSENTER_ESP, host->sysenter_esp);
	rdmsrl(MSR_IA32_SYSENTER_EIP, host->sysenter_eip);
	for (i = 0; i < VMX_SYSCALL_MSRS; i++)
		rdmsrl(vmx_syscall_msrs[i], host->syscall[i]);
	if (vmx_caps.tsc_aux)
		rdmsrl(MSR_TSC_AUX, host->tsc_aux);
	store_idt(&host->idt);
}

static int allow_vmx(void)
{
	u64 feature_control;

	rdmsrl(MSR_IA32_FEAT_CTL, feature_control);
	if (!(feature_control & FEAT_CTL_LOCKED))
		return wrmsrl_safe(MSR_IA32_FEAT_CTL, feature_control | FEAT_CTL_LOCKED |
				   FEAT_CTL_VMX_ENABLED_OUTSIDE_SMX);
	return feature_control & FEAT_CTL_VMX_ENABLED_OUTSIDE_SMX ? 0 : -EACCES;
}

int vmx_cpu_enable(void)
{
	int error;

	/* CR4.VMXE is how the kernel's own hypervisor marks a CPU as its. */
	if (native_read_cr4() & X86_CR4_VMXE)
		return -EBUSY;
	error = allow_vmx();
	if (error)
		return error;
	read_host();
	intel_pt_handle_vmx(1);
	cr4_set_bits(X86_CR4_VMXE);
	error = vmx_on(page_to_phys(__this_cpu_read(vmxon_region)));
	if (error) {
		cr4_clear_bits(X86_CR4_VMXE);
		intel_pt_handle_vmx(0);
		return error;
	}
	__this_cpu_write(current_vmcs, NULL);
	__this_cpu_write(in_vmx, true);
	/* Translations of another hypervisor that used the same tags before. */
	vmx_flush_everything();
	return 0;
}

/* [C] */
static void clear_here(struct vmx_vcpu *vmx)
{
	if (!vmx_clear(page_to_phys(vmx->vmcs)))
		pr_err_ratelimited("mica: VMCLEAR failed\n");
	if (__this_cpu_read(current_vmcs) == vmx)
		__this_cpu_write(current_vmcs, NULL);
	list_del(&vmx->link);
	vmx->enter_flags &= ~VMX_ENTER_LAUNCHED;
	/* Pairs with smp_load_acquire() in clear_elsewhere(). */
	smp_store_release(&vmx->vmcs_cpu, -1);
}

void vmx_cpu_disable(void)
{
	struct vmx_vcpu *vmx, *next;

	list_for_each_entry_safe(vmx, next, this_cpu_ptr(&active), link)
		clear_here(vmx);
	__this_cpu_write(in_vmx, false);
	vmx_off();
	cr4_clear_bits(X86_CR4_VMXE);
	intel_pt_handle_vmx(0);
}

/* Perhaps as an NMI, on a CPU that will never run a guest again. */
void vmx_cpu_emergency_disable(void)
{
	if (!__this_cpu_read(in_vmx))
		return;
	__this_cpu_write(in_vmx, false);
	vmx_off();
	cr4_clear_bits(X86_CR4_VMXE);
}

/* ------------------------------------------------------------ which VMCS is where */

static void clear_call(void *data)
{
	struct vmx_vcpu *vmx = data;

	/* The CPU may have been switched off since the call was sent. */
	if (vmx->vmcs_cpu == raw_smp_processor_id())
		clear_here(vmx);
}

/* A CPU that does not answer is offline, and cleared the VMCS on its way there. */
static void clear_elsewhere(struct vmx_vcpu *vmx)
{
	int cpu = smp_load_acquire(&vmx->vmcs_cpu);

	if (cpu >= 0)
		smp_call_function_single(cpu, clear_call, vmx, 1);
}

bool vmx_make_current(struct vmx_vcpu *vmx)
{
	bool moved = vmx->vmcs_cpu != raw_smp_processor_id();
	unsigned long flags;

	if (likely(!moved && __this_cpu_read(current_vmcs) == vmx))
		return false;
	if (moved)
		clear_elsewhere(vmx);
	local_irq_save(flags);
	if (moved) {
		/* "Software Use of Virtual-Machine Control Structures": only VMCLEAR makes a
		 * region's launch state clear, whatever its bytes are. */
		if (!vmx->initialised && !vmx_clear(page_to_phys(vmx->vmcs)))
			pr_err_ratelimited("mica: VMCLEAR failed\n");
		list_add(&vmx->link, this_cpu_ptr(&active));
		vmx->vmcs_cpu = raw_smp_processor_id();
	}
	if (!vmx_ptrld(page_to_phys(vmx->vmcs)))
		pr_err_ratelimited("mica: VMPTRLD failed\n");
	__this_cpu_write(current_vmcs, vmx);
	local_irq_restore(flags);
	return moved;
}

void vmx_forget(struct vmx_vcpu *vmx)
{
	preempt_disable();
	clear_elsewhere(vmx);
	preempt_enable();
}
