// SPDX-License-Identifier: GPL-2.0-only
/* Rules for CR0, CR4, EFER and the MSRs that backends keep: see mode.h. */
#include "mode.h"

#include "vcpu.h"

bool mica_cr0_allowed(const struct mica_mode *mode, u64 value)
{
	if (value >> 32)
		return false;
	if ((value & X86_CR0_NW) && !(value & X86_CR0_CD))
		return false;
	if (value & X86_CR0_PG)
		return (value & X86_CR0_PE) &&
		       (!(mode->efer & EFER_LME) || (mode->cr4 & X86_CR4_PAE));
	/* Paging off: neither in 64-bit code nor with PCIDs. */
	return !(mode->cr4 & X86_CR4_PCIDE) && !((mode->efer & EFER_LMA) && mode->cs_l);
}

bool mica_cr4_allowed(const struct mica_vcpu *vcpu, const struct mica_mode *mode, u64 value)
{
	if (value & (vcpu->features.cr4_reserved | X86_CR4_VMXE))
		return false;
	if (!(mode->efer & EFER_LMA))
		return !(value & X86_CR4_PCIDE);
	if (!(value & X86_CR4_PAE) || ((value ^ mode->cr4) & X86_CR4_LA57))
		return false;
	return !(value & ~mode->cr4 & X86_CR4_PCIDE) || !(mode->cr3 & 0xfff);
}

/* LME does not change under paging. */
bool mica_efer_allowed(const struct mica_vcpu *vcpu, const struct mica_mode *mode, u64 value)
{
	if (value & ~(u64)EFER_LMA & vcpu->features.efer_reserved)
		return false;
	return !((value ^ mode->efer) & EFER_LME) || !(mode->cr0 & X86_CR0_PG);
}

u64 mica_canonical(u64 address)
{
	unsigned int unused = boot_cpu_has(X86_FEATURE_LA57) ? 64 - 57 : 64 - 48;

	return (s64)(address << unused) >> unused;
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

bool mica_msr_allowed(u32 index, u64 value)
{
	switch (index) {
	case MSR_IA32_CR_PAT:
		return pat_allowed(value);
	case MSR_SYSCALL_MASK:
	case MSR_TSC_AUX:
		return !(value >> 32);
	case MSR_LSTAR:
	case MSR_CSTAR:
	case MSR_FS_BASE:
	case MSR_GS_BASE:
	case MSR_KERNEL_GS_BASE:
	case MSR_IA32_SYSENTER_ESP:
	case MSR_IA32_SYSENTER_EIP:
		return mica_canonical(value) == value;
	}
	return true;
}
