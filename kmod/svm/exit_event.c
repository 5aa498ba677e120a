// SPDX-License-Identifier: GPL-2.0-only
/* Exceptions that exit, and the end of NMIs. */
#include "vmcb.h"

#include "debug.h"

#define DR_BD	BIT(13)		/* APM volume 2, "DR6" */
#define DR_BT	BIT(15)

/* "Exception Intercepts": DR6 in the VMCB is what the handler would find.  It is the guest's for
 * the time of this exception only; and it was in the CPU, which does not clear it for the host. */
enum mica_next svm_exit_debug(struct mica_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	u64 bits = svm_save(vcpu)->dr6 & (DR_TRAP_BITS | DR_STEP | DR_BD | DR_BT);

	/* We have asked for the exit behind an IRET; the guest's TF is what that has popped. */
	if (svm->stepping && (bits & DR_STEP)) {
		svm->stepping = false;
		bits &= ~(u64)DR_STEP;
	}
	svm_save(vcpu)->dr6 = DR6_RESERVED;
	svm_dirty(svm, SVM_CLEAN_DRX);
	set_debugreg(DR6_RESERVED, 6);
	if (bits)
		mica_queue_debug(vcpu, bits);
	return MICA_NEXT_ENTER;
}

/* INT1 is a trap that leaves DR6 alone. */
enum mica_next svm_exit_icebp(struct mica_vcpu *vcpu)
{
	svm_advance(vcpu);
	mica_queue_debug(vcpu, 0);
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

/* "Shutdown Intercept": what is in the VMCB is undefined.  An INIT or user space writes the
 * groups of the state anew; the rest is put right here. */
enum mica_next svm_exit_shutdown(struct mica_vcpu *vcpu)
{
	struct vmcb_control_area *control = svm_control(vcpu);
	struct vmcb_save_area *save = svm_save(vcpu);

	control->int_ctl = V_INTR_MASKING_MASK;
	control->int_state = 0;
	control->clean = 0;
	save->efer |= EFER_SVME;
	save->dr6 = DR6_RESERVED;
	save->dbgctl = 0;
	svm_set_intercept(to_svm(vcpu), INTERCEPT_VINTR, false);
	return mica_exit_shutdown(vcpu);
}

/* It has not run yet, and NMIs stay blocked until it has. */
enum mica_next svm_exit_iret(struct mica_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	svm->iret = true;
	svm->iret_rip = svm_save(vcpu)->rip;
	svm->iret_rsp = svm_save(vcpu)->rsp;
	svm_set_intercept(svm, INTERCEPT_IRET, false);
	/* If another one waits it wants to be next: see svm_want_nmi_window(). */
	mica_vcpu_request(vcpu, MICA_REQ_EVENT);
	return MICA_NEXT_ENTER;
}
