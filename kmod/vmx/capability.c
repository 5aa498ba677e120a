// SPDX-License-Identifier: GPL-2.0-only
/*
 * What this CPU's VMX can do, and the control words that follow from it (SDM volume 3,
 * appendix "VMX Capability Reporting Facility").
 */
#include "vmcs.h"

#include <asm/nospec-branch.h>

/*
 * A guest that does nothing but loop leaves after this time even if no host interrupt comes.
 * No CPU needs it.  Bochs does: it does not let an external interrupt end a guest that has run
 * with RFLAGS.IF clear since its entry, so that one could stop the host.
 */
#define LONGEST_STAY_MS	10

struct vmx_caps vmx_caps __ro_after_init;

enum ctl_word { PIN, CPU, CPU2, EXIT, ENTRY, WORDS };

/* ONE: set, and required.  OPTIONAL: set if there.  LATER: off at first, must be settable.
 * ZERO: must be off.  What no row names is off unless the CPU insists on it. */
enum ctl_need { ONE, OPTIONAL, LATER, ZERO };

static const struct ctl {
	enum ctl_word word;
	enum ctl_need need;
	u32 bit;
	const char *name;
} ctls[] = {
	{ PIN, ONE, PIN_BASED_EXT_INTR_MASK, "external-interrupt exiting" },
	{ PIN, ONE, PIN_BASED_NMI_EXITING, "NMI exiting" },
	{ PIN, ONE, PIN_BASED_VIRTUAL_NMIS, "virtual NMIs" },
	{ PIN, OPTIONAL, PIN_BASED_VMX_PREEMPTION_TIMER, "VMX-preemption timer" },
	{ PIN, ZERO, PIN_BASED_POSTED_INTR, "process posted interrupts" },

	{ CPU, LATER, CPU_BASED_INTR_WINDOW_EXITING, "interrupt-window exiting" },
	{ CPU, LATER, CPU_BASED_NMI_WINDOW_EXITING, "NMI-window exiting" },
	{ CPU, ONE, CPU_BASED_USE_TSC_OFFSETTING, "TSC offsetting" },
	{ CPU, ONE, CPU_BASED_HLT_EXITING, "HLT exiting" },
	{ CPU, ZERO, CPU_BASED_INVLPG_EXITING, "INVLPG exiting" },
	{ CPU, ONE, CPU_BASED_MWAIT_EXITING, "MWAIT exiting" },
	{ CPU, ONE, CPU_BASED_RDPMC_EXITING, "RDPMC exiting" },
	{ CPU, ZERO, CPU_BASED_RDTSC_EXITING, "RDTSC exiting" },
	{ CPU, ZERO, CPU_BASED_CR3_LOAD_EXITING, "CR3-load exiting" },
	{ CPU, ZERO, CPU_BASED_CR3_STORE_EXITING, "CR3-store exiting" },
	{ CPU, ZERO, CPU_BASED_CR8_LOAD_EXITING, "CR8-load exiting" },
	{ CPU, ZERO, CPU_BASED_CR8_STORE_EXITING, "CR8-store exiting" },
	{ CPU, ONE, CPU_BASED_TPR_SHADOW, "use TPR shadow" },
	{ CPU, ONE, CPU_BASED_MOV_DR_EXITING, "MOV-DR exiting" },
	{ CPU, ONE, CPU_BASED_UNCOND_IO_EXITING, "unconditional I/O exiting" },
	{ CPU, ZERO, CPU_BASED_USE_IO_BITMAPS, "use I/O bitmaps" },
	{ CPU, ONE, CPU_BASED_USE_MSR_BITMAPS, "use MSR bitmaps" },
	{ CPU, ONE, CPU_BASED_MONITOR_EXITING, "MONITOR exiting" },
	{ CPU, ZERO, CPU_BASED_PAUSE_EXITING, "PAUSE exiting" },
	{ CPU, ONE, CPU_BASED_ACTIVATE_SECONDARY_CONTROLS, "activate secondary controls" },

	{ CPU2, OPTIONAL, SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES, "virtualize APIC accesses" },
	{ CPU2, ONE, SECONDARY_EXEC_ENABLE_EPT, "enable EPT" },
	{ CPU2, ZERO, SECONDARY_EXEC_DESC, "descriptor-table exiting" },
	{ CPU2, OPTIONAL, SECONDARY_EXEC_ENABLE_RDTSCP, "enable RDTSCP" },
	{ CPU2, OPTIONAL, SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE, "virtualize x2APIC mode" },
	{ CPU2, OPTIONAL, SECONDARY_EXEC_ENABLE_VPID, "enable VPID" },
	{ CPU2, ONE, SECONDARY_EXEC_WBINVD_EXITING, "WBINVD exiting" },
	{ CPU2, ONE, SECONDARY_EXEC_UNRESTRICTED_GUEST, "unrestricted guest" },
	{ CPU2, OPTIONAL, SECONDARY_EXEC_APIC_REGISTER_VIRT, "APIC-register virtualization" },
	{ CPU2, OPTIONAL, SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY, "virtual-interrupt delivery" },
	{ CPU2, OPTIONAL, SECONDARY_EXEC_PAUSE_LOOP_EXITING, "PAUSE-loop exiting" },
	{ CPU2, ZERO, SECONDARY_EXEC_RDRAND_EXITING, "RDRAND exiting" },
	{ CPU2, OPTIONAL, SECONDARY_EXEC_ENABLE_INVPCID, "enable INVPCID" },
	{ CPU2, OPTIONAL, SECONDARY_EXEC_ENCLS_EXITING, "enable ENCLS exiting" },
	{ CPU2, ZERO, SECONDARY_EXEC_RDSEED_EXITING, "RDSEED exiting" },
	{ CPU2, OPTIONAL, MICA_SECONDARY_EXEC_XSAVES, "enable XSAVES/XRSTORS" },

	{ EXIT, ONE, VM_EXIT_SAVE_DEBUG_CONTROLS, "save debug controls" },
	{ EXIT, ONE, VM_EXIT_HOST_ADDR_SPACE_SIZE, "host address-space size" },
	{ EXIT, ZERO, VM_EXIT_ACK_INTR_ON_EXIT, "acknowledge interrupt on exit" },
	{ EXIT, ONE, VM_EXIT_LOAD_IA32_PAT, "load IA32_PAT on exit" },
	{ EXIT, ONE, VM_EXIT_SAVE_IA32_EFER, "save IA32_EFER" },
	{ EXIT, ONE, VM_EXIT_LOAD_IA32_EFER, "load IA32_EFER on exit" },
	{ EXIT, ZERO, VM_EXIT_SAVE_VMX_PREEMPTION_TIMER, "save VMX-preemption timer" },

	{ ENTRY, ONE, VM_ENTRY_LOAD_DEBUG_CONTROLS, "load debug controls" },
	{ ENTRY, LATER, VM_ENTRY_IA32E_MODE, "IA-32e mode guest" },
	{ ENTRY, ONE, VM_ENTRY_LOAD_IA32_PAT, "load IA32_PAT on entry" },
	{ ENTRY, ONE, VM_ENTRY_LOAD_IA32_EFER, "load IA32_EFER on entry" },
};

static const struct {
	u32 msr, true_msr;
} ctl_msrs[WORDS] = {
	[PIN] = { MSR_IA32_VMX_PINBASED_CTLS, MSR_IA32_VMX_TRUE_PINBASED_CTLS },
	[CPU] = { MSR_IA32_VMX_PROCBASED_CTLS, MSR_IA32_VMX_TRUE_PROCBASED_CTLS },
	[CPU2] = { MSR_IA32_VMX_PROCBASED_CTLS2, MSR_IA32_VMX_PROCBASED_CTLS2 },
	[EXIT] = { MSR_IA32_VMX_EXIT_CTLS, MSR_IA32_VMX_TRUE_EXIT_CTLS },
	[ENTRY] = { MSR_IA32_VMX_ENTRY_CTLS, MSR_IA32_VMX_TRUE_ENTRY_CTLS },
};

#define VMX_BASIC_TRUE_CONTROLS	BIT_ULL(55)	/* "Basic VMX Information" */
#define VMX_BASIC_MEMORY_TYPE	50
#define FEAT_CTL_VMX		FEAT_CTL_VMX_ENABLED_OUTSIDE_SMX

static int refuse(const char *what)
{
	pr_err("mica: this CPU lacks the VMX feature \"%s\": an Intel CPU of 2013 (Haswell) or later has it; under a hypervisor, enable nested virtualization with all VMX features\n",
	       what);
	return -EOPNOTSUPP;
}

/* One control word: `allowed0` must be 1, what is not in `allowed1` must be 0. */
static int reconcile(enum ctl_word word, u32 allowed0, u32 allowed1, u32 *value)
{
	unsigned int i;

	*value = allowed0;
	for (i = 0; i < ARRAY_SIZE(ctls); i++) {
		const struct ctl *ctl = &ctls[i];

		if (ctl->word != word)
			continue;
		if (ctl->need == ZERO ? allowed0 & ctl->bit :
		    ctl->need != OPTIONAL && !(allowed1 & ctl->bit))
			return refuse(ctl->name);
		if (ctl->need == ONE || (ctl->need == OPTIONAL && (allowed1 & ctl->bit)))
			*value |= ctl->bit;
	}
	return 0;
}

static int find_controls(u64 basic)
{
	u32 *words[WORDS] = { &vmx_caps.pin, &vmx_caps.cpu, &vmx_caps.cpu2, &vmx_caps.exit,
			      &vmx_caps.entry };
	enum ctl_word word;
	u64 allowed;
	int error;

	for (word = PIN; word < WORDS; word++) {
		/* The words before CPU2 say whether there is a CPU2: secondary controls. */
		rdmsrl(basic & VMX_BASIC_TRUE_CONTROLS ? ctl_msrs[word].true_msr :
		       ctl_msrs[word].msr, allowed);
		error = reconcile(word, (u32)allowed, allowed >> 32, words[word]);
		if (error)
			return error;
	}
	return 0;
}

/* EPT with four levels and write-back tables, INVEPT; VPIDs only with INVVPID. */
static int find_ept(void)
{
	u64 cap;

	rdmsrl(MSR_IA32_VMX_EPT_VPID_CAP, cap);
	vmx_caps.ept_vpid = cap;
	if (!(cap & VMX_EPT_PAGE_WALK_4_BIT))
		return refuse("EPT page-walk length of 4");
	if (!(cap & VMX_EPTP_WB_BIT))
		return refuse("EPT paging structures in write-back memory");
	if (!(cap & VMX_EPT_INVEPT_BIT) || !(cap & VMX_EPT_EXTENT_GLOBAL_BIT))
		return refuse("INVEPT, all contexts");
	cap >>= 32;
	vmx_caps.vpid = (vmx_caps.cpu2 & SECONDARY_EXEC_ENABLE_VPID) &&
			(cap & VMX_VPID_INVVPID_BIT) &&
			(cap & VMX_VPID_EXTENT_SINGLE_CONTEXT_BIT) &&
			(cap & VMX_VPID_EXTENT_GLOBAL_CONTEXT_BIT);
	/* Each vCPU that gets a VPID sets it again. */
	vmx_caps.cpu2 &= ~SECONDARY_EXEC_ENABLE_VPID;
	return 0;
}

/* L1TF: the kernel wants the L1 data cache empty before a guest runs. */
static bool wants_l1d_flush(void)
{
	u64 arch_caps = 0;

	if (!boot_cpu_has_bug(X86_BUG_L1TF) || l1tf_mitigation == L1TF_MITIGATION_OFF)
		return false;
	if (boot_cpu_has(X86_FEATURE_ARCH_CAPABILITIES))
		rdmsrl(MSR_IA32_ARCH_CAPABILITIES, arch_caps);
	if (arch_caps & ARCH_CAP_SKIP_VMENTRY_L1DFLUSH)
		return false;
	if (!boot_cpu_has(X86_FEATURE_FLUSH_L1D)) {
		pr_warn("mica: this CPU is affected by L1TF and its microcode cannot flush the L1 data cache: guests may read the host's memory; update the microcode\n");
		return false;
	}
	return true;
}

static void find_others(u64 basic)
{
	u64 fixed;

	vmx_caps.revision = vmx_basic_vmcs_revision_id(basic);
	rdmsrl(MSR_IA32_VMX_MISC, vmx_caps.misc);
	vmx_caps.timer = vmx_caps.pin & PIN_BASED_VMX_PREEMPTION_TIMER;
	vmx_caps.timer_shift = vmx_misc_preemption_timer_rate(vmx_caps.misc);
	vmx_caps.timer_longest = clamp_t(u64, (u64)tsc_khz * LONGEST_STAY_MS >> vmx_caps.timer_shift,
					 1, U32_MAX);
	/* "Unrestricted guest" frees PE and PG of what VMX operation demands of CR0. */
	rdmsrl(MSR_IA32_VMX_CR0_FIXED0, fixed);
	vmx_caps.cr0_fixed = fixed & ~(u64)(X86_CR0_PE | X86_CR0_PG);
	rdmsrl(MSR_IA32_VMX_CR4_FIXED0, vmx_caps.cr4_fixed);
	vmx_caps.apic_page = vmx_caps.cpu2 & SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES;
	vmx_caps.apic_regs = vmx_caps.cpu2 & SECONDARY_EXEC_APIC_REGISTER_VIRT;
	vmx_caps.x2apic = vmx_caps.cpu2 & SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE;
	vmx_setup_delivery();
	vmx_caps.cpu2 &= ~VMX_APIC_CONTROLS;
	vmx_caps.tsc_aux = boot_cpu_has(X86_FEATURE_RDTSCP) || boot_cpu_has(X86_FEATURE_RDPID);
	vmx_caps.spec_ctrl = boot_cpu_has(X86_FEATURE_MSR_SPEC_CTRL);
	vmx_caps.l1d_flush = wants_l1d_flush();
}

/* The kernel locks IA32_FEATURE_CONTROL at boot if the firmware did not. */
static int check_allowed(void)
{
	u64 feature_control;

	if (!(cpuid_ecx(1) & BIT(X86_FEATURE_VMX & 31))) {
		pr_err("mica: this CPU has no VT-x, or a hypervisor hides it: enable nested virtualization there\n");
		return -ENODEV;
	}
	if (rdmsrl_safe(MSR_IA32_FEAT_CTL, &feature_control)) {
		pr_err("mica: IA32_FEATURE_CONTROL cannot be read: the hypervisor below does not offer VT-x\n");
		return -ENODEV;
	}
	if ((feature_control & FEAT_CTL_LOCKED) && !(feature_control & FEAT_CTL_VMX)) {
		pr_err("mica: VT-x is locked by the firmware: enable \"Intel Virtualization Technology\" in the firmware's setup and power the machine off and on\n");
		return -EACCES;
	}
	if (native_read_cr4() & MICA_CR4_FRED) {
		pr_err("mica: the kernel uses FRED, which Mica does not support yet: boot with fred=off\n");
		return -EOPNOTSUPP;
	}
	return 0;
}

int vmx_find_capabilities(void)
{
	u64 basic;
	int error = check_allowed();

	if (error)
		return error;
	rdmsrl(MSR_IA32_VMX_BASIC, basic);
	if (vmx_basic_vmcs_size(basic) > PAGE_SIZE)
		return refuse("VMCS of at most 4096 bytes");
	if (((basic >> VMX_BASIC_MEMORY_TYPE) & 0xf) != VMX_EPTP_MT_WB)
		return refuse("VMCS in write-back memory");
	error = find_controls(basic);
	if (!error)
		error = find_ept();
	if (!error)
		find_others(basic);
	return error;
}
