// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a VMCS holds from its start, and the controls that follow a vCPU's mode.
 */
#include "vmcs.h"

#define MSR_BITMAP_LOW		0x2000		/* MSRs 0..0x1fff */
#define MSR_BITMAP_HIGH		0xc0000000u	/* MSRs 0xc0000000..0xc0001fff */
#define MSR_BITMAP_WRITES	(2048 * 8)	/* first bit of the halves for writes */
#define MSR_BITMAP_HIGHS	(1024 * 8)

/* MSRs that the guest reaches without an exit; all others exit.  The SYSCALL MSRs are in
 * the CPU, but writes exit so that putting a vCPU need not read them. */
static const struct {
	u32 index;
	bool write;
} open_msrs[] = {
	{ MSR_IA32_TSC, false },
	{ MSR_IA32_SYSENTER_CS, true },
	{ MSR_IA32_SYSENTER_ESP, true },
	{ MSR_IA32_SYSENTER_EIP, true },
	{ MSR_STAR, false },
	{ MSR_LSTAR, false },
	{ MSR_CSTAR, false },
	{ MSR_SYSCALL_MASK, false },
	{ MSR_FS_BASE, true },
	{ MSR_GS_BASE, true },
	{ MSR_KERNEL_GS_BASE, true },
};

/* SDM volume 3, "PAUSE-Loop Exiting", in TSC ticks: PAUSEs so far apart belong to one loop, and
 * one that has lasted so long exits.  A lock is held for less. */
#define PAUSE_GAP	128
#define PAUSE_WINDOW	4096

/* #DB and #AC exit because their delivery can raise them again for ever. */
#define EXCEPTIONS	(BIT(X86_TRAP_DB) | BIT(X86_TRAP_AC) | BIT(X86_TRAP_MC))

static const struct {
	u32 field;
	u64 value;
} constant_fields[] = {
	{ PAGE_FAULT_ERROR_CODE_MASK, 0 },
	{ PAGE_FAULT_ERROR_CODE_MATCH, 0 },
	{ EXCEPTION_BITMAP, EXCEPTIONS },
	{ CR3_TARGET_COUNT, 0 },
	{ VM_EXIT_MSR_STORE_COUNT, 0 },
	{ VM_EXIT_MSR_LOAD_COUNT, 0 },
	{ VM_ENTRY_MSR_LOAD_COUNT, 0 },
	{ VM_ENTRY_INTR_INFO_FIELD, 0 },
	{ VMCS_LINK_POINTER, -1ull },
	{ TPR_THRESHOLD, 0 },
	{ GUEST_IA32_DEBUGCTL, 0 },
	{ GUEST_ACTIVITY_STATE, GUEST_ACTIVITY_ACTIVE },
	{ GUEST_INTERRUPTIBILITY_INFO, 0 },
	{ GUEST_PENDING_DBG_EXCEPTIONS, 0 },
	{ HOST_CS_SELECTOR, __KERNEL_CS },
	{ HOST_SS_SELECTOR, __KERNEL_DS },
	{ HOST_DS_SELECTOR, 0 },
	{ HOST_ES_SELECTOR, 0 },
	{ HOST_FS_SELECTOR, 0 },
	{ HOST_GS_SELECTOR, 0 },
	{ HOST_FS_BASE, 0 },
	{ HOST_TR_SELECTOR, GDT_ENTRY_TSS * 8 },
};

/* ------------------------------------------------------------ lifetime */

static void open_msr(struct vmx_vcpu *vmx, unsigned int i)
{
	vmx_intercept_msr(vmx, open_msrs[i].index, false, !open_msrs[i].write);
}

int vmx_vcpu_init(struct mica_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	unsigned int i;

	vmx->vmcs_cpu = -1;
	vmx->vmcs = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	vmx->msr_bitmap = (unsigned long *)__get_free_page(GFP_KERNEL_ACCOUNT);
	if (!vmx->vmcs || !vmx->msr_bitmap)
		return -ENOMEM;
	*(u32 *)page_address(vmx->vmcs) = vmx_caps.revision;
	memset(vmx->msr_bitmap, 0xff, PAGE_SIZE);
	for (i = 0; i < ARRAY_SIZE(open_msrs); i++)
		open_msr(vmx, i);
	vmx->eptp = vmx_eptp(vcpu->vm);
	if (cpu_feature_enabled(X86_FEATURE_KERNEL_IBRS))
		vmx->enter_flags |= VMX_ENTER_IBRS;
	vmx->vpid = vmx_alloc_vpid();
	return 0;
}

void vmx_vcpu_destroy(struct mica_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	if (vmx->vmcs) {
		vmx_forget(vmx);
		__free_page(vmx->vmcs);
	}
	free_page((unsigned long)vmx->msr_bitmap);
	vmx_free_vpid(vmx->vpid);
}

/* ------------------------------------------------------------ controls */

void vmx_set_cpu_controls(struct vmx_vcpu *vmx, u32 controls)
{
	if (vmx->cpu == controls)
		return;
	vmx->cpu = controls;
	vmx_write(CPU_BASED_VM_EXEC_CONTROL, controls);
}

void vmx_set_cpu2_controls(struct vmx_vcpu *vmx, u32 controls)
{
	if (vmx->cpu2 == controls)
		return;
	vmx->cpu2 = controls;
	vmx_write(SECONDARY_VM_EXEC_CONTROL, controls);
}

static void intercept(unsigned long *bitmap, unsigned int bit, bool exit)
{
	if (exit)
		__set_bit(bit, bitmap);
	else
		__clear_bit(bit, bitmap);
}

void vmx_intercept_msr(struct vmx_vcpu *vmx, u32 index, bool read, bool write)
{
	unsigned int bit = index;

	if (index >= MSR_BITMAP_LOW)
		bit = index - MSR_BITMAP_HIGH + MSR_BITMAP_HIGHS;
	if (bit >= MSR_BITMAP_WRITES)
		return;
	intercept(vmx->msr_bitmap, bit, read);
	intercept(vmx->msr_bitmap, bit + MSR_BITMAP_WRITES, write);
}

/* Controls without which an instruction raises #UD. */
#define INSTRUCTIONS	((u32)(SECONDARY_EXEC_ENABLE_RDTSCP | SECONDARY_EXEC_ENABLE_INVPCID | \
			       MICA_SECONDARY_EXEC_XSAVES))

/* A guest that its CPUID does not tell of an instruction gets #UD from it, if VMX can. */
void vmx_cpuid_changed(struct mica_vcpu *vcpu)
{
	const struct mica_guest_features *features = &vcpu->features;
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	u32 shown = 0;

	if (features->rdtscp)
		shown |= SECONDARY_EXEC_ENABLE_RDTSCP;
	if (features->pcid)
		shown |= SECONDARY_EXEC_ENABLE_INVPCID;
	if (features->xsaves)
		shown |= MICA_SECONDARY_EXEC_XSAVES;
	vmx_set_cpu2_controls(vmx, (vmx->cpu2 & ~INSTRUCTIONS) | (vmx_caps.cpu2 & shown));
	/* Which CR4 bits the guest may change by itself has changed. */
	vmx_set_cr4(vcpu, vmx_get_cr4(vcpu));
}

/* ------------------------------------------------------------ the first load */

/* Whatever eoi_exits[] starts with, which is zeroes. */
static void init_delivery(void)
{
	unsigned int i;

	for (i = 0; i < 4; i++)
		vmx_write(EOI_EXIT_BITMAP0 + 2 * i, 0);
	vmx_write(GUEST_INTR_STATUS, 0);
}

static void init_controls(struct mica_vcpu *vcpu)
{
	const struct vmx_vm *vm = vcpu->vm->backend;
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	u32 cpu2 = vmx_caps.cpu2;

	vmx_write(PIN_BASED_VM_EXEC_CONTROL, vmx_caps.pin);
	vmx_write(VM_EXIT_CONTROLS, vmx_caps.exit);
	vmx_write(VM_ENTRY_CONTROLS, vmx_caps.entry);
	vmx_set_cpu_controls(vmx, vmx_caps.cpu);
	if (vmx->vpid) {
		vmx_write(VIRTUAL_PROCESSOR_ID, vmx->vpid);
		cpu2 |= SECONDARY_EXEC_ENABLE_VPID;
	}
	if (vm->apic_page)
		vmx_write(APIC_ACCESS_ADDR, page_to_phys(vm->apic_page));
	vmx_set_cpu2_controls(vmx, cpu2);
	if (cpu2 & MICA_SECONDARY_EXEC_XSAVES)
		vmx_write(XSS_EXIT_BITMAP, 0);
	if (cpu2 & SECONDARY_EXEC_ENCLS_EXITING)
		vmx_write(ENCLS_EXITING_BITMAP, -1ull);
	if (cpu2 & SECONDARY_EXEC_PAUSE_LOOP_EXITING) {
		vmx_write(PLE_GAP, PAUSE_GAP);
		vmx_write(PLE_WINDOW, PAUSE_WINDOW);
	}
	if (vmx_caps.delivery)
		init_delivery();
	if (vmx_caps.timer) {
		vmx->timer_value = vmx_caps.timer_longest;
		vmx_write(VMX_PREEMPTION_TIMER_VALUE, vmx_caps.timer_longest);
	}
}

void vmx_init_vmcs(struct mica_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(constant_fields); i++)
		vmx_write(constant_fields[i].field, constant_fields[i].value);
	init_controls(vcpu);
	vmx_write(HOST_RIP, (unsigned long)vmx_entry_exit);
	vmx_write(MSR_BITMAP, virt_to_phys(vmx->msr_bitmap));
	vmx_write(EPT_POINTER, vmx->eptp);
	vmx_write(VIRTUAL_APIC_PAGE_ADDR, virt_to_phys(vcpu->apic.regs));
	vmx_write(CR0_GUEST_HOST_MASK, vmx_cr0_mask());
	vmx_write(TSC_OFFSET, vcpu->tsc_offset);
	vmx_cpuid_changed(vcpu);
	vmx_apic_mode_changed(vcpu);
}
