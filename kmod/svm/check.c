// SPDX-License-Identifier: GPL-2.0-only
/*
 * State that VMRUN refuses (APM volume 2, "Canonicalization and Consistency Checks").  The
 * state is whatever user space set, so the answer is for user space, with the field's name.
 */
#include "vmcb.h"

static const char *check_crs(const struct vmcb_save_area *save)
{
	if (save->cr0 >> 32)
		return "CR0: bits 63:32";
	if ((save->cr0 & X86_CR0_NW) && !(save->cr0 & X86_CR0_CD))
		return "CR0: NW without CD";
	if ((save->efer & EFER_LMA) && save->cr3 >> boot_cpu_data.x86_phys_bits)
		return "CR3: address too wide";
	if (save->dr6 >> 32 || save->dr7 >> 32)
		return "DR6 or DR7: bits 63:32";
	return NULL;
}

static const char *check_mode(const struct vmcb_save_area *save)
{
	if (!(save->efer & EFER_LME) || !(save->cr0 & X86_CR0_PG))
		return NULL;
	if (!(save->cr4 & X86_CR4_PAE))
		return "CR4: long mode without PAE";
	if (!(save->cr0 & X86_CR0_PE))
		return "CR0: long mode without PE";
	if ((save->cs.attrib & SVM_ATTR_L) && (save->cs.attrib & SVM_ATTR_DB))
		return "CS: L and D";
	return NULL;
}

const char *svm_check_state(struct mica_vcpu *vcpu)
{
	const char *field = check_crs(svm_save(vcpu));

	return field ? field : check_mode(svm_save(vcpu));
}

static enum mica_next fail(struct mica_vcpu *vcpu, const char *field)
{
	svm_take_back_injection(vcpu);
	return mica_exit_fail(vcpu, MICA_EXIT_FAIL_ENTRY, svm_control(vcpu)->exit_code,
			      svm_control(vcpu)->exit_info_1, field);
}

enum mica_next svm_check_before_entry(struct mica_vcpu *vcpu)
{
	const char *field = svm_check_state(vcpu);

	return field ? fail(vcpu, field) : MICA_NEXT_ENTER;
}

enum mica_next svm_entry_failed(struct mica_vcpu *vcpu)
{
	const char *field = svm_check_state(vcpu);

	if (!field)
		field = svm_control(vcpu)->event_inj & MICA_EVENT_VALID ? "injecting" : "guest state";
	return fail(vcpu, field);
}
