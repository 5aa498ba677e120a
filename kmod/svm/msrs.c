// SPDX-License-Identifier: GPL-2.0-only
/* The MSRs that are in the VMCB, or in the CPU while the vCPU is loaded. */
#include "vmcb.h"

#include <asm/nospec-branch.h>

static const struct {
	u32 index;
	u16 offset;
	u16 clean;			/* enum svm_clean; 0: VMLOAD takes it in any case */
	bool address;			/* may come wider than this CPU takes it */
} vmcb_msrs[] = {
	{ MSR_IA32_SYSENTER_CS, offsetof(struct vmcb_save_area, sysenter_cs) },
	{ MSR_IA32_SYSENTER_ESP, offsetof(struct vmcb_save_area, sysenter_esp), .address = true },
	{ MSR_IA32_SYSENTER_EIP, offsetof(struct vmcb_save_area, sysenter_eip), .address = true },
	{ MSR_IA32_CR_PAT, offsetof(struct vmcb_save_area, g_pat), SVM_CLEAN_NP },
	{ MSR_STAR, offsetof(struct vmcb_save_area, star) },
	{ MSR_LSTAR, offsetof(struct vmcb_save_area, lstar), .address = true },
	{ MSR_CSTAR, offsetof(struct vmcb_save_area, cstar), .address = true },
	{ MSR_SYSCALL_MASK, offsetof(struct vmcb_save_area, sfmask) },
	{ MSR_FS_BASE, offsetof(struct vmcb_save_area, fs.base), .address = true },
	{ MSR_GS_BASE, offsetof(struct vmcb_save_area, gs.base), .address = true },
	{ MSR_KERNEL_GS_BASE, offsetof(struct vmcb_save_area, kernel_gs_base), .address = true },
};

static int find_vmcb_msr(u32 index)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(vmcb_msrs); i++)
		if (vmcb_msrs[i].index == index)
			return i;
	return -ENOENT;
}

static u64 *vmcb_msr(struct mica_vcpu *vcpu, int i)
{
	return (void *)svm_save(vcpu) + vmcb_msrs[i].offset;
}

/* SVME is the host's, set in every guest. */
int svm_get_msr(struct mica_vcpu *vcpu, u32 index, u64 *value)
{
	int i = find_vmcb_msr(index);

	if (i >= 0)
		*value = *vmcb_msr(vcpu, i);
	else if (index == MSR_EFER)
		*value = svm_save(vcpu)->efer & ~(u64)EFER_SVME;
	else if (index == MSR_TSC_AUX && svm_caps.tsc_aux)
		*value = to_svm(vcpu)->tsc_aux;
	else
		return -ENOENT;
	return 0;
}

static void set_tsc_aux(struct svm_vcpu *svm, u64 value)
{
	svm->tsc_aux = value;
	if (svm->guest_loaded)
		wrmsrl(MSR_TSC_AUX, value);
}

int svm_put_msr(struct mica_vcpu *vcpu, u32 index, u64 value)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	int i = find_vmcb_msr(index);

	if (i >= 0) {
		*vmcb_msr(vcpu, i) = vmcb_msrs[i].address ? mica_canonical(value) : value;
		svm_dirty(svm, vmcb_msrs[i].clean);
	} else if (index == MSR_EFER) {
		svm_set_efer(svm, value);
	} else if (index == MSR_TSC_AUX && svm_caps.tsc_aux) {
		set_tsc_aux(svm, value);
	} else {
		return -ENOENT;
	}
	return 0;
}

/* LMA is the CPU's. */
static int write_efer(struct mica_vcpu *vcpu, u64 value)
{
	struct mica_mode mode;

	svm_get_mode(vcpu, &mode);
	if (!mica_efer_allowed(vcpu, &mode, value))
		return -EINVAL;
	svm_set_efer(to_svm(vcpu), (value & ~(u64)EFER_LMA) | (mode.efer & EFER_LMA));
	return 0;
}

int svm_set_msr(struct mica_vcpu *vcpu, u32 index, u64 value)
{
	if (index == MSR_EFER)
		return write_efer(vcpu, value);
	if (!mica_msr_allowed(index, value))
		return -EINVAL;
	return svm_put_msr(vcpu, index, value);
}

/* ------------------------------------------------------------ IA32_SPEC_CTRL */

/*
 * As long as the guest leaves it alone it runs with the host's value, and an entry costs
 * nothing for it; unless the CPU switches it by itself.
 */
void svm_spec_ctrl_used(struct mica_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	if (!svm_caps.spec_ctrl)
		return;
	if (vcpu->spec_ctrl && !mica_host_spec_ctrl_possible(vcpu->spec_ctrl))
		vcpu->spec_ctrl = 0;
	svm_save(vcpu)->spec_ctrl = vcpu->spec_ctrl;
	svm->entry.guest_spec_ctrl = vcpu->spec_ctrl;
	if (!vcpu->spec_ctrl)
		return;
	if (!svm_caps.virtual_spec_ctrl)
		svm->enter_flags |= SVM_ENTER_SPEC_CTRL;
	svm_intercept_msr(svm, MSR_IA32_SPEC_CTRL, false, false);
}

void svm_read_spec_ctrl(struct mica_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	if (svm->enter_flags & SVM_ENTER_SPEC_CTRL)
		vcpu->spec_ctrl = svm->entry.guest_spec_ctrl;
	else if (svm_caps.spec_ctrl && svm_caps.virtual_spec_ctrl)
		vcpu->spec_ctrl = svm_save(vcpu)->spec_ctrl;
}
