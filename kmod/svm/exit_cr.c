// SPDX-License-Identifier: GPL-2.0-only
/*
 * Control and debug registers.  CR0, CR2 and CR3 are the guest's own, and CR8 as long as no
 * interrupt waits for it to fall; CR4 exits because its bits depend on the guest's CPUID.
 */
#include "vmcb.h"

#include "debug.h"

/* RAX is in gprs[] between entries. */
static u64 *gpr(struct mica_vcpu *vcpu)
{
	unsigned int n = to_svm(vcpu)->gpr;

	return n == MICA_RSP ? &svm_save(vcpu)->rsp : &vcpu->gprs[n];
}

static enum mica_next refuse(struct mica_vcpu *vcpu)
{
	mica_queue_exception_error(vcpu, X86_TRAP_GP, 0);
	return MICA_NEXT_ENTER;
}

static enum mica_next done(struct mica_vcpu *vcpu)
{
	svm_advance(vcpu);
	return MICA_NEXT_ENTER;
}

static enum mica_next write_cr4(struct mica_vcpu *vcpu, u64 value)
{
	struct mica_mode mode;

	svm_get_mode(vcpu, &mode);
	if (!mica_cr4_allowed(vcpu, &mode, value))
		return refuse(vcpu);
	/* APM volume 2, "Implicit Invalidations". */
	to_svm(vcpu)->pending |= SVM_PENDING_FLUSH;
	svm_set_cr4(vcpu, value);
	return done(vcpu);
}

/* It exits while an interrupt waits for TPR to fall. */
static enum mica_next write_cr8(struct mica_vcpu *vcpu, u64 value)
{
	if (value & ~0xfull)
		return refuse(vcpu);
	mica_apic_set_cr8(&vcpu->apic, value);
	mica_vcpu_request(vcpu, MICA_REQ_EVENT);
	return done(vcpu);
}

static enum mica_next impossible(struct mica_vcpu *vcpu)
{
	return mica_exit_fail(vcpu, MICA_EXIT_INTERNAL_ERROR, svm_control(vcpu)->exit_code,
			      svm_control(vcpu)->exit_info_1, "control register");
}

enum mica_next svm_exit_cr_write(struct mica_vcpu *vcpu)
{
	u64 value = svm_in_64bit_code(vcpu) ? *gpr(vcpu) : (u32)*gpr(vcpu);

	switch (svm_control(vcpu)->exit_code) {
	case SVM_EXIT_WRITE_CR4:
		return write_cr4(vcpu, value);
	case SVM_EXIT_WRITE_CR8:
		return write_cr8(vcpu, value);
	}
	return impossible(vcpu);
}

/* Of CR4, while the host's MCE is set in it and the guest's is not. */
enum mica_next svm_exit_cr_read(struct mica_vcpu *vcpu)
{
	u64 value = to_svm(vcpu)->cr4;

	if (svm_control(vcpu)->exit_code != SVM_EXIT_READ_CR4)
		return impossible(vcpu);
	*gpr(vcpu) = svm_in_64bit_code(vcpu) ? value : (u32)value;
	return done(vcpu);
}

enum mica_next svm_exit_dr(struct mica_vcpu *vcpu)
{
	u32 code = svm_control(vcpu)->exit_code;
	struct mica_mov_dr mov = {
		.n = code & 7,
		.write = code >= SVM_EXIT_WRITE_DR0,
		.cpl = svm_save(vcpu)->cpl,
		.de = to_svm(vcpu)->cr4 & X86_CR4_DE,
		.long_mode = svm_in_64bit_code(vcpu),
	};

	return mica_mov_dr(vcpu, &mov, gpr(vcpu)) ? done(vcpu) : MICA_NEXT_ENTER;
}
