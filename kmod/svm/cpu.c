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
	void *hsave;			/* VM_HSAVE_PA: what VMRUN saves */
	void *host;			/* what our VMSAVE saves */
	u64 asid_generation;
	u32 next_asid;
	bool must_flush;		/* before anybody enters */
	bool enabled;
};

static DEFINE_PER_CPU(struct svm_cpu, svm_cpu);

/* On hosts with SEV-SNP, some CPUs take a whole 2 MiB page for in use if its first page is. */
void *svm_alloc_page(int node)
{
	struct page *page, *first = NULL;

	page = alloc_pages_node(node, GFP_KERNEL_ACCOUNT | __GFP_ZERO, 0);
	if (page && IS_ALIGNED(page_to_phys(page), PMD_SIZE)) {
		first = page;
		page = alloc_pages_node(node, GFP_KERNEL_ACCOUNT | __GFP_ZERO, 0);
	}
	if (first)
		__free_page(first);
	return page ? page_address(page) : NULL;
}

int svm_alloc_areas(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		struct svm_cpu *here = per_cpu_ptr(&svm_cpu, cpu);

		here->hsave = svm_alloc_page(cpu_to_node(cpu));
		here->host = svm_alloc_page(cpu_to_node(cpu));
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

		free_page((unsigned long)here->hsave);
		free_page((unsigned long)here->host);
		here->hsave = NULL;
		here->host = NULL;
	}
}

u64 svm_host_area(void)
{
	return svm_pa(__this_cpu_read(svm_cpu.host));
}

/* ------------------------------------------------------------ on and off */

/* SRSO on CPUs where the kernel wants less speculation while there are guests. */
static void reduce_speculation(bool reduce)
{
	u64 value;

	if (!mica_reduces_speculation() || rdmsrl_safe(MSR_ZEN4_BP_CFG, &value))
		return;
	value &= ~MICA_BP_SPEC_REDUCE;
	wrmsrl_safe(MSR_ZEN4_BP_CFG, reduce ? value | MICA_BP_SPEC_REDUCE : value);
}

int svm_cpu_enable(void)
{
	struct svm_cpu *here = this_cpu_ptr(&svm_cpu);
	u64 efer;

	/* EFER.SVME is how the kernel's own hypervisor marks a CPU as its. */
	rdmsrl(MSR_EFER, efer);
	if (efer & EFER_SVME)
		return -EBUSY;
	if (wrmsrl_safe(MSR_EFER, efer | EFER_SVME))
		return -EACCES;
	wrmsrl(MSR_VM_HSAVE_PA, svm_pa(here->hsave));
	reduce_speculation(true);
	amd_pmu_enable_virt();
	/* Never 0, which no vCPU's ASID is of; what another hypervisor may have left goes. */
	here->asid_generation++;
	here->next_asid = 1;
	here->must_flush = true;
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
	reduce_speculation(false);
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

/* Until somebody has really entered: VMRUN may refuse the one who took the first of them. */
bool svm_asids_need_flush(void)
{
	return __this_cpu_read(svm_cpu.must_flush);
}

void svm_asids_are_flushed(void)
{
	__this_cpu_write(svm_cpu.must_flush, false);
}

void svm_take_asid(struct svm_vcpu *svm)
{
	struct svm_cpu *here = this_cpu_ptr(&svm_cpu);

	if (here->next_asid > svm_caps.last_asid) {
		here->asid_generation++;
		here->next_asid = 1;
		here->must_flush = true;
	}
	svm->asid_generation = here->asid_generation;
	svm->vmcb->control.asid = here->next_asid++;
	svm_dirty(svm, SVM_CLEAN_ASID);
}
