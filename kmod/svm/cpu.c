// SPDX-License-Identifier: GPL-2.0-only
/*
 * SVM on the CPUs, the host's save areas, ASIDs.  An ASID means something on one CPU only: each
 * hands them out one after the other and, when all are used up, flushes them and starts anew;
 * a vCPU whose ASID is of an earlier generation, or of another CPU, takes a new one.
 */
#include "vmcb.h"

#include <linux/perf_event.h>

/* All used by their own CPU only, with interrupts off. */
struct svm_cpu {
	struct page *hsave;		/* VM_HSAVE_PA: what VMRUN saves */
	struct page *host;		/* what our VMSAVE saves */
	u64 asid_generation;
	u32 next_asid;
	bool enabled;
};

static DEFINE_PER_CPU(struct svm_cpu, svm_cpu);

int svm_alloc_areas(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		struct svm_cpu *here = per_cpu_ptr(&svm_cpu, cpu);

		here->hsave = alloc_pages_node(cpu_to_node(cpu), GFP_KERNEL | __GFP_ZERO, 0);
		here->host = alloc_pages_node(cpu_to_node(cpu), GFP_KERNEL | __GFP_ZERO, 0);
		if (!here->hsave || !here->host)
			return -ENOMEM;
	}
	return 0;
}

void svm_free_areas(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		struct svm_cpu *here = per_cpu_ptr(&svm_cpu, cpu);

		if (here->hsave)
			__free_page(here->hsave);
		if (here->host)
			__free_page(here->host);
		here->hsave = NULL;
		here->host = NULL;
	}
}

u64 svm_host_area(void)
{
	return svm_pa(page_address(__this_cpu_read(svm_cpu.host)));
}

/* ------------------------------------------------------------ on and off */

/* Revision Guide for AMD Family 10h, erratum 383: two TLB entries for one address can stop
 * the machine unless this bit is set. */
static void set_erratum_383_bit(void)
{
	u64 value;

	if (boot_cpu_has_bug(X86_BUG_AMD_TLB_MMATCH) && !rdmsrl_safe(MSR_AMD64_DC_CFG, &value))
		wrmsrl_safe(MSR_AMD64_DC_CFG, value | BIT_ULL(47));
}

int svm_cpu_enable(void)
{
	struct svm_cpu *here = this_cpu_ptr(&svm_cpu);
	u64 efer;

	/* EFER.SVME is how the kernel's own hypervisor marks a CPU as its. */
	rdmsrl(MSR_EFER, efer);
	if (efer & EFER_SVME)
		return -EBUSY;
	wrmsrl(MSR_EFER, efer | EFER_SVME);
	wrmsrl(MSR_VM_HSAVE_PA, svm_pa(page_address(here->hsave)));
	set_erratum_383_bit();
	amd_pmu_enable_virt();
	/* The first one to take an ASID flushes what another hypervisor may have left. */
	here->next_asid = svm_caps.last_asid + 1;
	here->enabled = true;
	return 0;
}

static void switch_off(void)
{
	u64 efer;

	wrmsrl(MSR_VM_HSAVE_PA, 0);
	rdmsrl(MSR_EFER, efer);
	wrmsrl(MSR_EFER, efer & ~(u64)EFER_SVME);
}

void svm_cpu_disable(void)
{
	__this_cpu_write(svm_cpu.enabled, false);
	switch_off();
	amd_pmu_disable_virt();
}

/* Perhaps as an NMI, on a CPU that will never run a guest again.  With GIF clear not even INIT
 * would reach it. */
void svm_cpu_emergency_disable(void)
{
	if (!__this_cpu_read(svm_cpu.enabled))
		return;
	__this_cpu_write(svm_cpu.enabled, false);
	asm volatile("stgi" : : : "memory");
	switch_off();
}

/* ------------------------------------------------------------ ASIDs */

bool svm_asid_is_old(const struct svm_vcpu *svm)
{
	return svm->asid_generation != __this_cpu_read(svm_cpu.asid_generation);
}

void svm_take_asid(struct svm_vcpu *svm)
{
	struct vmcb_control_area *control = &svm->vmcb->control;
	struct svm_cpu *here = this_cpu_ptr(&svm_cpu);

	if (here->next_asid > svm_caps.last_asid) {
		here->asid_generation++;
		here->next_asid = 1;
		control->tlb_ctl = TLB_CONTROL_FLUSH_ALL_ASID;
	}
	svm->asid_generation = here->asid_generation;
	control->asid = here->next_asid++;
	svm_dirty(svm, SVM_CLEAN_ASID);
}
