// SPDX-License-Identifier: GPL-2.0-only
/* What a VMCB holds from its start, the permission maps, and the intercepts that follow a
 * vCPU's CPUID. */
#include "vmcb.h"

#define IOPM_ORDER	2		/* "I/O Permissions Map": 12 KiB */
#define MSRPM_ORDER	1		/* "MSR Permissions Map": 8 KiB */

/* Three ranges of 0x2000 MSRs, two bits each: read, write. */
static const u32 msr_ranges[] = { 0, 0xc0000000, 0xc0010000 };
#define MSRS_PER_RANGE	0x2000u

/* MSRs that the guest reaches without an exit, as VMLOAD and VMSAVE switch them; all others
 * exit. */
static const struct {
	u32 index;
	bool write;
} open_msrs[] = {
	{ MSR_IA32_TSC, false },
	{ MSR_IA32_SYSENTER_CS, true },
	{ MSR_IA32_SYSENTER_ESP, true },
	{ MSR_IA32_SYSENTER_EIP, true },
	{ MSR_STAR, true },
	{ MSR_LSTAR, true },
	{ MSR_CSTAR, true },
	{ MSR_SYSCALL_MASK, true },
	{ MSR_FS_BASE, true },
	{ MSR_GS_BASE, true },
	{ MSR_KERNEL_GS_BASE, true },
};

/* What exits in every guest.  #DB and #AC because their delivery can raise them again for
 * ever.  Task switches do not: the CPU does them. */
static const u8 intercepts[] = {
	INTERCEPT_CR4_WRITE,
	INTERCEPT_DR0_READ, INTERCEPT_DR1_READ, INTERCEPT_DR2_READ, INTERCEPT_DR3_READ,
	INTERCEPT_DR4_READ, INTERCEPT_DR5_READ, INTERCEPT_DR6_READ, INTERCEPT_DR7_READ,
	INTERCEPT_DR0_WRITE, INTERCEPT_DR1_WRITE, INTERCEPT_DR2_WRITE, INTERCEPT_DR3_WRITE,
	INTERCEPT_DR4_WRITE, INTERCEPT_DR5_WRITE, INTERCEPT_DR6_WRITE, INTERCEPT_DR7_WRITE,
	INTERCEPT_EXCEPTION_OFFSET + X86_TRAP_DB,
	INTERCEPT_EXCEPTION_OFFSET + X86_TRAP_AC,
	INTERCEPT_EXCEPTION_OFFSET + X86_TRAP_MC,
	INTERCEPT_INTR, INTERCEPT_NMI, INTERCEPT_INIT,
	INTERCEPT_RDPMC, INTERCEPT_CPUID, INTERCEPT_RSM, INTERCEPT_INVD, INTERCEPT_HLT,
	INTERCEPT_INVLPGA, INTERCEPT_IOIO_PROT, INTERCEPT_MSR_PROT, INTERCEPT_SHUTDOWN,
	INTERCEPT_VMRUN, INTERCEPT_VMMCALL, INTERCEPT_VMLOAD, INTERCEPT_VMSAVE,
	INTERCEPT_STGI, INTERCEPT_CLGI, INTERCEPT_SKINIT, INTERCEPT_ICEBP, INTERCEPT_WBINVD,
	INTERCEPT_MONITOR, INTERCEPT_MWAIT, INTERCEPT_XSETBV, INTERCEPT_RDPRU,
};

/* "Pause Intercept Filtering": so many PAUSEs that are at most so many ticks apart exit.  A lock
 * is held for less. */
#define PAUSE_COUNT	3000
#define PAUSE_GAP	128

static struct page *iopm;

int svm_alloc_iopm(void)
{
	iopm = alloc_pages(GFP_KERNEL, IOPM_ORDER);
	if (!iopm)
		return -ENOMEM;
	memset(page_address(iopm), 0xff, PAGE_SIZE << IOPM_ORDER);
	return 0;
}

void svm_free_iopm(void)
{
	if (iopm)
		__free_pages(iopm, IOPM_ORDER);
	iopm = NULL;
}

/* ------------------------------------------------------------ intercepts */

void svm_set_intercept(struct svm_vcpu *svm, unsigned int intercept, bool on)
{
	u32 *word = &svm->vmcb->control.intercepts[intercept / 32];
	u32 bit = BIT(intercept % 32);

	if (!!(*word & bit) == on)
		return;
	*word ^= bit;
	svm_dirty(svm, SVM_CLEAN_INTERCEPTS);
}

static void change_bit_to(u8 *map, unsigned int bit, bool set)
{
	if (set)
		map[bit / 8] |= BIT(bit % 8);
	else
		map[bit / 8] &= ~BIT(bit % 8);
}

void svm_intercept_msr(struct svm_vcpu *svm, u32 index, bool read, bool write)
{
	unsigned int i, bit;

	for (i = 0; i < ARRAY_SIZE(msr_ranges); i++) {
		if (index - msr_ranges[i] >= MSRS_PER_RANGE)
			continue;
		bit = 2 * (i * MSRS_PER_RANGE + (index - msr_ranges[i]));
		change_bit_to(svm->msrpm, bit, read);
		change_bit_to(svm->msrpm, bit + 1, write);
		svm_dirty(svm, SVM_CLEAN_PERMISSIONS);
	}
}

/* A guest that its CPUID does not tell of an instruction gets #UD from it, if SVM can. */
void svm_cpuid_changed(struct mica_vcpu *vcpu)
{
	const struct mica_guest_features *features = &vcpu->features;
	struct svm_vcpu *svm = to_svm(vcpu);

	svm_set_intercept(svm, INTERCEPT_RDTSCP, svm_caps.rdtscp && !features->rdtscp);
	svm_set_intercept(svm, INTERCEPT_INVPCID, svm_caps.invpcid && !features->pcid);
}

/* The APIC's page is a hole in every mode: user space decodes what is done to it. */
void svm_apic_mode_changed(struct mica_vcpu *vcpu)
{
}

void svm_tsc_offset_changed(struct mica_vcpu *vcpu)
{
	svm_control(vcpu)->tsc_offset = vcpu->tsc_offset;
	svm_dirty(to_svm(vcpu), SVM_CLEAN_INTERCEPTS);
}

/* ------------------------------------------------------------ lifetime */

static void init_msrpm(struct svm_vcpu *svm)
{
	unsigned int i;

	memset(svm->msrpm, 0xff, PAGE_SIZE << MSRPM_ORDER);
	for (i = 0; i < ARRAY_SIZE(open_msrs); i++)
		svm_intercept_msr(svm, open_msrs[i].index, false, !open_msrs[i].write);
}

static void init_vmcb(struct mica_vcpu *vcpu)
{
	struct vmcb_control_area *control = svm_control(vcpu);
	struct svm_vcpu *svm = to_svm(vcpu);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(intercepts); i++)
		svm_set_intercept(svm, intercepts[i], true);
	control->iopm_base_pa = svm_pa(page_address(iopm));
	control->msrpm_base_pa = svm_pa(svm->msrpm);
	if (svm_caps.pause_filter) {
		svm_set_intercept(svm, INTERCEPT_PAUSE, true);
		control->pause_filter_count = PAUSE_COUNT;
		control->pause_filter_thresh = PAUSE_GAP;
	}
	control->int_ctl = V_INTR_MASKING_MASK;
	control->nested_ctl = SVM_NESTED_CTL_NP_ENABLE;
	control->nested_cr3 = ((struct svm_vm *)vcpu->vm->backend)->nested_cr3;
	svm_save(vcpu)->efer = EFER_SVME;
	svm_save(vcpu)->dr6 = DR6_RESERVED;
}

int svm_vcpu_init(struct mica_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	svm->vmcb = svm_alloc_page(NUMA_NO_NODE);
	svm->msrpm = (void *)__get_free_pages(GFP_KERNEL_ACCOUNT, MSRPM_ORDER);
	if (!svm->vmcb || !svm->msrpm)
		return -ENOMEM;
	svm->entry.vmcb = svm_pa(svm->vmcb);
	if (cpu_feature_enabled(X86_FEATURE_KERNEL_IBRS))
		svm->enter_flags |= SVM_ENTER_IBRS;
	init_msrpm(svm);
	init_vmcb(vcpu);
	svm_cpuid_changed(vcpu);
	return 0;
}

void svm_vcpu_destroy(struct mica_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	free_page((unsigned long)svm->vmcb);
	free_pages((unsigned long)svm->msrpm, MSRPM_ORDER);
}
