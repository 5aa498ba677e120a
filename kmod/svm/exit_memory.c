// SPDX-License-Identifier: GPL-2.0-only
/* Nested page faults. */
#include "vmcb.h"

/* "Nested versus Guest Page Faults, Fault Ordering": EXITINFO1 is an error code. */
#define NPF_WRITE		BIT_ULL(1)
#define NPF_RESERVED		BIT_ULL(3)
#define NPF_FETCH		BIT_ULL(4)
#define NPF_PAGE_WALK		BIT_ULL(33)	/* on an access to the guest's paging structures */

enum mica_next svm_exit_npf(struct mica_vcpu *vcpu)
{
	u64 error = svm_control(vcpu)->exit_info_1;
	struct svm_vcpu *svm = to_svm(vcpu);

	if (unlikely(error & NPF_RESERVED))
		return mica_exit_fail(vcpu, MICA_EXIT_INTERNAL_ERROR, SVM_EXIT_NPF, error,
				      "reserved bit in a nested page table");
	svm->slow = SVM_SLOW_NPF;
	svm->fault.gpa = svm_control(vcpu)->exit_info_2;
	if (error & NPF_FETCH) {
		svm->fault.access = MICA_ACCESS_EXEC;
		svm->fault.flags = MICA_MMIO_EXEC;
	} else if (error & NPF_WRITE) {
		svm->fault.access = MICA_ACCESS_WRITE;
		svm->fault.flags = MICA_MMIO_WRITE;
	} else {
		svm->fault.access = MICA_ACCESS_READ;
		svm->fault.flags = MICA_MMIO_READ;
	}
	if (error & NPF_PAGE_WALK)
		svm->fault.flags |= MICA_MMIO_PAGE_WALK;
	if (mica_memory_hole(vcpu->vm, svm->fault.gpa))
		return mica_exit_mmio(vcpu, svm->fault.gpa, 0, svm->fault.flags);
	return MICA_NEXT_SLOW;
}
