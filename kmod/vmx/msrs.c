// SPDX-License-Identifier: GPL-2.0-only
/* The MSRs that are in the VMCS, or in the CPU while the vCPU is loaded. */
#include "vmcs.h"

#include "mode.h"

#include <asm/nospec-branch.h>

static const struct {
	u32 index;
	u32 field;
} vmcs_msrs[] = {
	{ MSR_IA32_SYSENTER_CS, GUEST_SYSENTER_CS },
	{ MSR_IA32_SYSENTER_ESP, GUEST_SYSENTER_ESP },
	{ MSR_IA32_SYSENTER_EIP, GUEST_SYSENTER_EIP },
	{ MSR_IA32_CR_PAT, GUEST_IA32_PAT },
	{ MSR_EFER, GUEST_IA32_EFER },
	{ MSR_FS_BASE, GUEST_FS_BASE },
	{ MSR_GS_BASE, GUEST_GS_BASE },
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

/* LMA is the CPU's. */
static int write_efer(struct mica_vcpu *vcpu, u64 value)
{
	struct mica_mode mode;

	vmx_get_mode(vcpu, &mode);
	if (!mica_efer_allowed(vcpu, &mode, value))
		return -EINVAL;
	vmx_set_efer(to_vmx(vcpu), (value & ~(u64)EFER_LMA) | (mode.efer & EFER_LMA));
	return 0;
}

int vmx_set_msr(struct mica_vcpu *vcpu, u32 index, u64 value)
{
	if (index == MSR_EFER)
		return write_efer(vcpu, value);
	if (!mica_msr_allowed(index, value))
		return -EINVAL;
	return vmx_put_msr(vcpu, index, value);
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
	if (!mica_host_spec_ctrl_possible(vcpu->spec_ctrl))
		vcpu->spec_ctrl = 0;
	vmx->entry.guest_spec_ctrl = vcpu->spec_ctrl;
	if (vmx->enter_flags & VMX_ENTER_SPEC_CTRL)
		return;
	vmx->enter_flags |= VMX_ENTER_SPEC_CTRL;
	vmx_intercept_msr(vmx, MSR_IA32_SPEC_CTRL, false, false);
}
