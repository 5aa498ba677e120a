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

void svm_flush_asid(struct svm_vcpu *svm)
{
	if (!svm_caps.flush_by_asid)
		svm_take_asid(svm);
	else if (svm->vmcb->control.tlb_ctl == TLB_CONTROL_DO_NOTHING)
		svm->vmcb->control.tlb_ctl = TLB_CONTROL_FLUSH_ASID;
}

/* The generation is read first: what changes after that is flushed the next time. */
void svm_flush_s2(struct mica_vcpu *vcpu)
{
	vcpu->s2_generation = atomic64_read(&vcpu->vm->mem.generation);
	smp_rmb();
	to_svm(vcpu)->pending |= SVM_PENDING_FLUSH;
}
