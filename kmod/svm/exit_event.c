// SPDX-License-Identifier: GPL-2.0-only
/* Exceptions that exit, and the end of NMIs. */
#include "vmcb.h"

#include "debug.h"

/* "Exception Intercepts": DR6 in the VMCB is what the handler would find.  It is the guest's for
 * the time of this exception only; and it was in the CPU, which does not clear it for the host. */
enum mica_next svm_exit_debug(struct mica_vcpu *vcpu)
{
	u64 bits = svm_save(vcpu)->dr6;

	svm_save(vcpu)->dr6 = DR6_RESERVED;
	svm_dirty(to_svm(vcpu), SVM_CLEAN_DRX);
	set_debugreg(DR6_RESERVED, 6);
	mica_queue_debug(vcpu, bits);
	return MICA_NEXT_ENTER;
}

enum mica_next svm_exit_alignment(struct mica_vcpu *vcpu)
{
	mica_queue_exception_error(vcpu, X86_TRAP_AC, svm_control(vcpu)->exit_info_1);
	return MICA_NEXT_ENTER;
}

enum mica_next svm_exit_machine_check(struct mica_vcpu *vcpu)
{
	mica_host_machine_check();
	return MICA_NEXT_HOST;
}

/* It has not run yet, and NMIs stay blocked until it has. */
enum mica_next svm_exit_iret(struct mica_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	svm->iret = true;
	svm->iret_rip = svm_save(vcpu)->rip;
	svm->iret_rsp = svm_save(vcpu)->rsp;
	svm_set_intercept(svm, INTERCEPT_IRET, false);
	return MICA_NEXT_ENTER;
}
