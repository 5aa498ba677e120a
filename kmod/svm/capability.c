// SPDX-License-Identifier: GPL-2.0-only
/* What this CPU's SVM can do (APM volume 2, "Determining Support for SVM"). */
#include "vmcb.h"

#define CPUID_SVM		0x8000000au	/* APM volume 3, "SVM Features" */
#define SVM_NESTED_PAGING	BIT(0)		/* EDX of it */
#define SVM_NRIP_SAVE		BIT(3)
#define SVM_FLUSH_BY_ASID	BIT(6)
#define SVM_DECODE_ASSISTS	BIT(7)
#define SVM_PAUSE_FILTER	BIT(10)
#define SVM_PAUSE_FILTER_THRESHOLD BIT(12)
#define SVM_VIRT_SPEC_CTRL	BIT(20)

struct svm_caps svm_caps __ro_after_init;

static int check_allowed(void)
{
	u64 vm_cr;

	if (!(cpuid_ecx(0x80000001) & BIT(X86_FEATURE_SVM & 31))) {
		pr_err("mica: this CPU has no AMD-V, or a hypervisor hides it: enable nested virtualization there\n");
		return -ENODEV;
	}
	if (rdmsrl_safe(MSR_VM_CR, &vm_cr) || (vm_cr & BIT(4))) {	/* SVMDIS */
		pr_err("mica: AMD-V is switched off by the firmware: enable \"SVM Mode\" in the firmware's setup and power the machine off and on\n");
		return -EACCES;
	}
	/* Revision Guide for AMD Family 10h: a guest can cause a machine check by two TLB entries
	 * for one address. */
	if (boot_cpu_has_bug(X86_BUG_AMD_TLB_MMATCH)) {
		pr_err("mica: this CPU (AMD family 10h) has erratum 383, by which a guest can stop the machine, and Mica does not work around it\n");
		return -EOPNOTSUPP;
	}
	return 0;
}

/* QEMU's emulated CPU, by the signature of its hypervisor leaf. */
static bool is_qemu(void)
{
	u32 eax, signature[3];

	if (!boot_cpu_has(X86_FEATURE_HYPERVISOR))
		return false;
	cpuid(0x40000000, &eax, &signature[0], &signature[1], &signature[2]);
	return !memcmp(signature, "TCGTCGTCGTCG", sizeof(signature));
}

int svm_find_capabilities(void)
{
	u32 eax, ebx, ecx, edx;
	int error = check_allowed();

	if (error)
		return error;
	cpuid(CPUID_SVM, &eax, &ebx, &ecx, &edx);
	if (!(edx & SVM_NESTED_PAGING)) {
		pr_err("mica: this CPU has no nested paging: an AMD CPU of 2008 (Barcelona) or later has it; under a hypervisor, enable it there\n");
		return -EOPNOTSUPP;
	}
	if (ebx < 2) {
		pr_err("mica: this CPU offers no ASID for a guest\n");
		return -EOPNOTSUPP;
	}
	svm_caps.last_asid = ebx - 1;
	svm_caps.next_rip = edx & SVM_NRIP_SAVE;
	svm_caps.decode_assists = edx & SVM_DECODE_ASSISTS;
	svm_caps.flush_by_asid = edx & SVM_FLUSH_BY_ASID;
	svm_caps.pause_filter = (edx & SVM_PAUSE_FILTER) && (edx & SVM_PAUSE_FILTER_THRESHOLD);
	svm_caps.virtual_spec_ctrl = edx & SVM_VIRT_SPEC_CTRL;
	svm_caps.rdtscp = boot_cpu_has(X86_FEATURE_RDTSCP);
	svm_caps.invpcid = boot_cpu_has(X86_FEATURE_INVPCID);
	svm_caps.tsc_aux = svm_caps.rdtscp || boot_cpu_has(X86_FEATURE_RDPID);
	svm_caps.blind_to_xsetbv = is_qemu();
	svm_caps.spec_ctrl = boot_cpu_has(X86_FEATURE_MSR_SPEC_CTRL);
	return 0;
}
