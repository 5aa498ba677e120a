// SPDX-License-Identifier: GPL-2.0-only
/* The MSRs that are in the VMCS, or in the CPU while the vCPU is loaded. */
#include "vmcs.h"

#include <asm/nospec-branch.h>

static const struct {
	u32 index;
	u32 field;
	bool canonical;			/* holds a linear address */
} vmcs_msrs[] = {
	{ MSR_IA32_SYSENTER_CS, GUEST_SYSENTER_CS, false },
	{ MSR_IA32_SYSENTER_ESP, GUEST_SYSENTER_ESP, true },
	{ MSR_IA32_SYSENTER_EIP, GUEST_SYSENTER_EIP, true },
	{ MSR_IA32_CR_PAT, GUEST_IA32_PAT, false },
	{ MSR_EFER, GUEST_IA32_EFER, false },
	{ MSR_FS_BASE, GUEST_FS_BASE, true },
	{ MSR_GS_BASE, GUEST_GS_BASE, true },
};

static int find_vmcs_msr(u32 index)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(vmcs_msrs); i++)
		if (vmcs_msrs[i].index == index)
			return i;
	return -ENOENT;
}

static int find_syscall_msr(u32 index)
{
	unsigned int i;

	for (i = 0; i < VMX_SYSCALL_MSRS; i++)
		if (vmx_syscall_msrs[i] == index)
			return i;
	return -ENOENT;
}

int vmx_get_msr(struct mica_vcpu *vcpu, u32 index, u64 *value)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	int i = find_vmcs_msr(index);

	if (i >= 0) {
		*value = vmx_read(vmcs_msrs[i].field);
		return 0;
	}
	i = find_syscall_msr(index);
	if (i >= 0)
		*value = vmx->syscall[i];
	else if (index == MSR_KERNEL_GS_BASE)
		*value = vmx_get_kernel_gs_base(vmx);
	else if (index == MSR_TSC_AUX && vmx_caps.tsc_aux)
		*value = vmx->tsc_aux;
	else
		return -ENOENT;
	return 0;
}

int vmx_put_msr(struct mica_vcpu *vcpu, u32 index, u64 value)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	int i = find_vmcs_msr(index);

	if (index == MSR_EFER)
		vmx_set_efer(vmx, value);
	else if (i >= 0)
		vmx_write(vmcs_msrs[i].field, value);
	else if ((i = find_syscall_msr(index)) >= 0)
		vmx_set_syscall_msr(vmx, i, value);
	else if (index == MSR_KERNEL_GS_BASE)
		vmx_set_kernel_gs_base(vmx, value);
	else if (index == MSR_TSC_AUX && vmx_caps.tsc_aux)
		vmx_set_tsc_aux(vmx, value);
	else
		return -ENOENT;
	return 0;
}

/* ------------------------------------------------------------ writes by the guest */

static bool is_canonical(u64 value)
{
	return vmx_canonical(value) == value;
}

/* SDM volume 3, "IA32_PAT MSR". */
static bool pat_allowed(u64 value)
{
	unsigned int i;

	for (i = 0; i < 64; i += 8)
		if (!(0xf3 & BIT((value >> i) & 7)) || (value >> i) & 0xf8)
			return false;
	return true;
}

/* LMA is the CPU's, and LME does not change under paging. */
static int write_efer(struct mica_vcpu *vcpu, u64 value)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	u64 old = vmx_read(GUEST_IA32_EFER);

	if (value & ~(u64)EFER_LMA & vcpu->features.efer_reserved)
		return -EINVAL;
	if (((value ^ old) & EFER_LME) && (vmx_read(GUEST_CR0) & X86_CR0_PG))
		return -EINVAL;
	vmx_set_efer(vmx, (value & ~(u64)EFER_LMA) | (old & EFER_LMA));
	return 0;
}

static bool value_allowed(u32 index, u64 value)
{
	int i = find_vmcs_msr(index);

	switch (index) {
	case MSR_IA32_CR_PAT:
		return pat_allowed(value);
	case MSR_SYSCALL_MASK:
	case MSR_TSC_AUX:
		return !(value >> 32);
	case MSR_LSTAR:
	case MSR_CSTAR:
	case MSR_KERNEL_GS_BASE:
		return is_canonical(value);
	}
	return i < 0 || !vmcs_msrs[i].canonical || is_canonical(value);
}

int vmx_set_msr(struct mica_vcpu *vcpu, u32 index, u64 value)
{
	if (index == MSR_EFER)
		return write_efer(vcpu, value);
	if (!value_allowed(index, value))
		return -EINVAL;
	return vmx_put_msr(vcpu, index, value);
}

/* The entry code writes the register without a net: try it here, where a fault is caught. */
static bool spec_ctrl_possible(u64 value)
{
	unsigned long flags;
	int error;

	local_irq_save(flags);
	error = wrmsrl_safe(MSR_IA32_SPEC_CTRL, value);
	wrmsrl(MSR_IA32_SPEC_CTRL, this_cpu_read(x86_spec_ctrl_current));
	local_irq_restore(flags);
	return !error;
}

/*
 * As long as the guest leaves IA32_SPEC_CTRL alone it runs with the host's value, and an
 * entry costs nothing for it.
 */
void vmx_spec_ctrl_used(struct mica_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	if (!vmx_caps.spec_ctrl || (!vcpu->spec_ctrl && !(vmx->enter_flags & VMX_ENTER_SPEC_CTRL)))
		return;
	if (!spec_ctrl_possible(vcpu->spec_ctrl))
		vcpu->spec_ctrl = 0;
	vmx->entry.guest_spec_ctrl = vcpu->spec_ctrl;
	if (vmx->enter_flags & VMX_ENTER_SPEC_CTRL)
		return;
	vmx->enter_flags |= VMX_ENTER_SPEC_CTRL;
	vmx_intercept_msr(vmx, MSR_IA32_SPEC_CTRL, false, false);
}
