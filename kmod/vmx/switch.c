// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the host lends to a guest, and gets back.
 *
 * A VM exit restores control registers, segments and the MSRs that have a field in the
 * host-state area (SDM volume 3, "Loading Host State"), and leaves traces: limits of GDTR,
 * IDTR and TR, a null LDTR, DR7 and IA32_DEBUGCTL cleared.  Those, and the registers that no
 * field holds, are put right here:
 *   at the end of each series of entries    DR0..DR3, DR7, DEBUGCTL, performance counters
 *   when the vCPU leaves the CPU (put)      all others
 */
#include "vmcs.h"

#include "mode.h"

#include <linux/perf_event.h>

#include <asm/cpu_entry_area.h>
#include <asm/fsgsbase.h>
#include <asm/mmu_context.h>
#include <asm/nospec-branch.h>

/* ------------------------------------------------------------ a new CPU */

/* Fields of the host-state area that are constant on one CPU. */
static void write_host_cpu(void)
{
	const struct vmx_host_cpu *host = this_cpu_ptr(&vmx_host_cpu);
	int cpu = smp_processor_id();
	u64 gs_base;

	rdmsrl(MSR_GS_BASE, gs_base);
	vmx_write(HOST_CR0, host->cr0);
	vmx_write(HOST_IA32_EFER, host->efer);
	vmx_write(HOST_IA32_PAT, host->pat);
	vmx_write(HOST_IA32_SYSENTER_CS, host->sysenter_cs);
	vmx_write(HOST_IA32_SYSENTER_ESP, host->sysenter_esp);
	vmx_write(HOST_IA32_SYSENTER_EIP, host->sysenter_eip);
	vmx_write(HOST_GS_BASE, gs_base);
	vmx_write(HOST_TR_BASE, (unsigned long)&get_cpu_entry_area(cpu)->tss.x86_tss);
	vmx_write(HOST_GDTR_BASE, (unsigned long)get_cpu_gdt_ro(cpu));
	vmx_write(HOST_IDTR_BASE, host->idt.address);
}

void vmx_load(struct mica_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	if (vmx_make_current(vmx)) {
		if (!vmx->initialised)
			vmx_init_vmcs(vcpu);
		vmx->initialised = true;
		write_host_cpu();
		/* This CPU may hold translations from an earlier visit. */
		vmx->pending |= VMX_PENDING_FLUSH_EPT | VMX_PENDING_FLUSH_VPID;
	}
	mica_host_guest_comes(vcpu->vm->id);
}

/* ------------------------------------------------------------ the guest comes in */

/* A selector in the host-state area has RPL and TI clear; one that has not is loaded by
 * put(). */
static u16 vmcs_selector(u16 selector)
{
	return selector & (SEGMENT_RPL_MASK | SEGMENT_TI_MASK) ? 0 : selector;
}

static void save_segments(struct vmx_vcpu *vmx)
{
	savesegment(fs, vmx->fs);
	savesegment(gs, vmx->gs);
	savesegment(ds, vmx->ds);
	savesegment(es, vmx->es);
	store_ldt(vmx->ldt);
	vmx->fs_base = x86_fsbase_read_cpu();
	if (vmcs_selector(vmx->fs) != vmx->host_fs) {
		vmx->host_fs = vmcs_selector(vmx->fs);
		vmx_write(HOST_FS_SELECTOR, vmx->host_fs);
	}
	if (vmcs_selector(vmx->gs) != vmx->host_gs) {
		vmx->host_gs = vmcs_selector(vmx->gs);
		vmx_write(HOST_GS_SELECTOR, vmx->host_gs);
	}
	if (vmx->fs_base != vmx->host_fs_base) {
		vmx->host_fs_base = vmx->fs_base;
		vmx_write(HOST_FS_BASE, vmx->fs_base);
	}
}

static void write_if_other(u32 index, u64 value, u64 present)
{
	if (value != present)
		wrmsrl(index, value);
}

void vmx_load_guest(struct vmx_vcpu *vmx)
{
	const struct vmx_host_cpu *host = this_cpu_ptr(&vmx_host_cpu);
	unsigned int i;

	save_segments(vmx);
	rdmsrl(MSR_KERNEL_GS_BASE, vmx->host_kernel_gs_base);
	write_if_other(MSR_KERNEL_GS_BASE, vmx->kernel_gs_base, vmx->host_kernel_gs_base);
	for (i = 0; i < VMX_SYSCALL_MSRS; i++)
		write_if_other(vmx_syscall_msrs[i], vmx->syscall[i], host->syscall[i]);
	if (vmx_caps.tsc_aux)
		write_if_other(MSR_TSC_AUX, vmx->tsc_aux, host->tsc_aux);
	if (vmx_caps.spec_ctrl)
		vmx->entry.host_spec_ctrl = this_cpu_read(x86_spec_ctrl_current);
	vmx->guest_loaded = true;
}

/* ------------------------------------------------------------ the guest goes out */

static void restore_segments(struct vmx_vcpu *vmx)
{
	/* First, as the others may be in it. */
	if (unlikely(vmx->ldt))
		asm volatile("lldt %0" : : "rm" (vmx->ldt));
	if (unlikely(vmx->ds))
		loadsegment(ds, vmx->ds);
	if (unlikely(vmx->es))
		loadsegment(es, vmx->es);
	if (unlikely(vmx->fs != vmx->host_fs)) {
		loadsegment(fs, vmx->fs);
		x86_fsbase_write_cpu(vmx->fs_base);
	}
	/* Loads the base that user space has, too; the MSR is written after this. */
	if (unlikely(vmx->gs != vmx->host_gs))
		load_gs_index(vmx->gs);
}

/* VM exits leave limits of 64 KiB behind, and for TR one without the I/O bitmap. */
static void restore_limits(void)
{
	load_fixmap_gdt(raw_smp_processor_id());
	native_load_idt(&this_cpu_ptr(&vmx_host_cpu)->idt);
	invalidate_tss_limit();
}

void vmx_put(struct mica_vcpu *vcpu)
{
	const struct vmx_host_cpu *host = this_cpu_ptr(&vmx_host_cpu);
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	unsigned int i;

	if (!vmx->guest_loaded)
		return;
	vmx->guest_loaded = false;
	rdmsrl(MSR_KERNEL_GS_BASE, vmx->kernel_gs_base);
	restore_limits();
	restore_segments(vmx);
	wrmsrl(MSR_KERNEL_GS_BASE, vmx->host_kernel_gs_base);
	for (i = 0; i < VMX_SYSCALL_MSRS; i++)
		write_if_other(vmx_syscall_msrs[i], host->syscall[i], vmx->syscall[i]);
	if (vmx_caps.tsc_aux)
		write_if_other(MSR_TSC_AUX, host->tsc_aux, vmx->tsc_aux);
}

/* ------------------------------------------------------------ single registers */

u64 vmx_get_kernel_gs_base(const struct vmx_vcpu *vmx)
{
	u64 base = vmx->kernel_gs_base;

	if (vmx->guest_loaded)
		rdmsrl(MSR_KERNEL_GS_BASE, base);
	return base;
}

/* Addresses that come from user space may be wider than this CPU takes. */
void vmx_set_kernel_gs_base(struct vmx_vcpu *vmx, u64 base)
{
	vmx->kernel_gs_base = mica_canonical(base);
	if (vmx->guest_loaded)
		wrmsrl(MSR_KERNEL_GS_BASE, vmx->kernel_gs_base);
}

void vmx_set_syscall_msr(struct vmx_vcpu *vmx, unsigned int i, u64 value)
{
	vmx->syscall[i] = i == VMX_LSTAR || i == VMX_CSTAR ? mica_canonical(value) : value;
	if (vmx->guest_loaded)
		wrmsrl(vmx_syscall_msrs[i], vmx->syscall[i]);
}

void vmx_set_tsc_aux(struct vmx_vcpu *vmx, u64 value)
{
	vmx->tsc_aux = value;
	if (vmx->guest_loaded && vmx_caps.tsc_aux)
		wrmsrl(MSR_TSC_AUX, value);
}

/* ------------------------------------------------------------ performance counters */

/*
 * Counters that leave out guests, and those that write samples to memory by themselves
 * (PEBS): in a guest they would write to the guest's memory.  perf knows which.
 */
static void switch_perf(struct vmx_vcpu *vmx, bool to_guest)
{
	struct perf_guest_switch_msr *msrs;
	int count, i;

	msrs = perf_guest_get_msrs(&count, NULL);
	if (!msrs)
		return;
	for (i = 0; i < count; i++)
		if (msrs[i].host != msrs[i].guest) {
			wrmsrl(msrs[i].msr, to_guest ? msrs[i].guest : msrs[i].host);
			vmx->guest_perf = to_guest;
		}
}

/* ------------------------------------------------------------ a series of entries */

/* Interrupts may have been on since the last series: the host's registers may be others. */
void vmx_begin_series(struct vmx_vcpu *vmx)
{
	u64 cr3 = __native_read_cr3();
	u64 cr4 = native_read_cr4();

	if (unlikely(!vmx->guest_loaded))
		vmx_load_guest(vmx);
	if (unlikely(cr3 != vmx->host_cr3)) {
		vmx->host_cr3 = cr3;
		vmx_write(HOST_CR3, cr3);
	}
	if (unlikely(cr4 != vmx->host_cr4)) {
		vmx->host_cr4 = cr4;
		vmx_write(HOST_CR4, cr4);
	}
	rdmsrl(MSR_IA32_DEBUGCTLMSR, vmx->host_debugctl);
	switch_perf(vmx, true);
	if (vmx_caps.l1d_flush)
		native_wrmsrl(MSR_IA32_FLUSH_CMD, L1D_FLUSH);
	vmx->in_series = true;
}

void vmx_end_series(struct vmx_vcpu *vmx)
{
	if (unlikely(!vmx->in_series))
		return;
	vmx->in_series = false;
	/* The next series brings the guest's breakpoints in again. */
	if (unlikely(mica_host_take_drs(&vmx->host_drs)))
		vmx->pending |= VMX_PENDING_DRS;
	if (unlikely(vmx->host_debugctl))
		wrmsrl(MSR_IA32_DEBUGCTLMSR, vmx->host_debugctl);
	if (unlikely(vmx->guest_perf))
		switch_perf(vmx, false);
	mica_host_guest_ran();
}
