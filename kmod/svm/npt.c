// SPDX-License-Identifier: GPL-2.0-only
/* Nested page tables: what an entry looks like, and invalidation (APM volume 2, "Nested
 * Paging", "TLB Control"). */
#include "vmcb.h"

/* Long mode's page tables; to the nested walk every access is a user's. */
#define NPT_P		BIT_ULL(0)
#define NPT_RW		BIT_ULL(1)
#define NPT_US		BIT_ULL(2)
#define NPT_A		BIT_ULL(5)
#define NPT_D		BIT_ULL(6)
#define NPT_PS		BIT_ULL(7)

struct mica_s2_format svm_npt_format __ro_after_init = {
	.table = NPT_P | NPT_RW | NPT_US,
	.leaf = NPT_P | NPT_US,
	.write = NPT_RW,
	.large = NPT_PS,
	.present = NPT_P,
	.accessed = NPT_A,
	.dirty = NPT_D,
	.address = GENMASK_ULL(51, PAGE_SHIFT),
	.max_level = 2,
};

void svm_setup_npt(void)
{
	mica_backend_svm.caps |= MICA_CAP_LARGE_2M;
	if (boot_cpu_has(X86_FEATURE_GBPAGES)) {
		svm_npt_format.max_level = 3;
		mica_backend_svm.caps |= MICA_CAP_LARGE_1G;
	}
	svm_npt_format.table |= sme_me_mask;
	svm_npt_format.leaf |= sme_me_mask;
	svm_npt_format.address &= ~sme_me_mask;
}

/*
 * The CPU walks with as many levels as the host pages with.  Guest-physical addresses have 48
 * bits; where there is a fifth level, all of them are below its first entry.
 */
int svm_vm_init(struct mica_vm *vm)
{
	struct svm_vm *svm = vm->backend;

	svm->nested_cr3 = __sme_set(vm->mem.root_pa);
	if (!(native_read_cr4() & X86_CR4_LA57))
		return 0;
	svm->top = (u64 *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!svm->top)
		return -ENOMEM;
	svm->top[0] = vm->mem.root_pa | svm_npt_format.table;
	svm->nested_cr3 = svm_pa(svm->top);
	return 0;
}

void svm_vm_destroy(struct mica_vm *vm)
{
	struct svm_vm *svm = vm->backend;

	free_page((unsigned long)svm->top);
}

void svm_flush_asid(struct svm_vcpu *svm)
{
	if (svm_caps.flush_by_asid)
		svm->vmcb->control.tlb_ctl = TLB_CONTROL_FLUSH_ASID;
	else
		svm_take_asid(svm);
}

/* The generation is read first: what changes after that is flushed the next time. */
void svm_flush_s2(struct mica_vcpu *vcpu)
{
	vcpu->s2_generation = atomic64_read(&vcpu->vm->mem.generation);
	smp_rmb();
	to_svm(vcpu)->pending |= SVM_PENDING_FLUSH;
}
