// SPDX-License-Identifier: GPL-2.0-only
/*
 * VM entries that do not happen (SDM volume 3, "VM-Entry Failures During or After Loading
 * Guest State", "VM Instruction Error Numbers").  The state is whatever user space set, so
 * the answer is for user space, with the field's name if the checks find it.
 */
#include "vmcs.h"

static const char *const instruction_errors[] = {
	[VMXERR_VMLAUNCH_NONCLEAR_VMCS] = "VMLAUNCH with non-clear VMCS",
	[VMXERR_VMRESUME_NONLAUNCHED_VMCS] = "VMRESUME with non-launched VMCS",
	[VMXERR_VMRESUME_AFTER_VMXOFF] = "VMRESUME after VMXOFF",
	[VMXERR_ENTRY_INVALID_CONTROL_FIELD] = "invalid control field(s)",
	[VMXERR_ENTRY_INVALID_HOST_STATE_FIELD] = "invalid host-state field(s)",
	[VMXERR_ENTRY_EVENTS_BLOCKED_BY_MOV_SS] = "events blocked by MOV SS",
};

#ifdef MICA_DEBUG
void vmx_access_failed(unsigned long field)
{
	pr_err_ratelimited("mica: VMREAD or VMWRITE of field 0x%lx failed\n", field);
}
#endif

/* "Exit Qualification for VM-Entry Failures". */
static const char *state_failure(u64 qualification)
{
	switch (qualification) {
	case ENTRY_FAIL_PDPTE:
		return "PDPTE";
	case ENTRY_FAIL_NMI:
		return "injecting: NMI in the shadow of STI or MOV SS";
	case ENTRY_FAIL_VMCS_LINK_PTR:
		return "VMCS link pointer";
	}
	return "guest state";
}

enum mica_next vmx_check_before_entry(struct mica_vcpu *vcpu)
{
	const char *field = vmx_check_guest_state(vcpu);

	if (!field)
		return MICA_NEXT_ENTER;
	vmx_take_back_injection(vcpu);
	return mica_exit_fail(vcpu, MICA_EXIT_FAIL_ENTRY, 0, 0, field);
}

enum mica_next vmx_entry_rejected(struct mica_vcpu *vcpu)
{
	u32 error = vmx_read(VM_INSTRUCTION_ERROR);
	const char *name = NULL;

	if (error < ARRAY_SIZE(instruction_errors))
		name = instruction_errors[error];
	/* Of the control fields, user space chooses the event to be injected. */
	if (vmx_take_back_injection(vcpu) && error == VMXERR_ENTRY_INVALID_CONTROL_FIELD)
		name = "injecting";
	return mica_exit_fail(vcpu, MICA_EXIT_FAIL_ENTRY, error, 0,
			      name ? name : "VM entry instruction failed");
}

enum mica_next vmx_entry_failed(struct mica_vcpu *vcpu, u32 reason)
{
	u64 qualification = vmx_read(EXIT_QUALIFICATION);
	const char *name;

	vmx_count_exit(vcpu, reason);
	switch (reason & ~VMX_EXIT_REASONS_FAILED_VMENTRY) {
	case EXIT_REASON_INVALID_STATE:
		name = vmx_check_guest_state(vcpu);
		if (!name)
			name = state_failure(qualification);
		break;
	case EXIT_REASON_MCE_DURING_VMENTRY:
		mica_host_machine_check();
		name = "machine check during VM entry";
		break;
	default:
		name = "VM entry failed";
	}
	vmx_take_back_injection(vcpu);
	return mica_exit_fail(vcpu, MICA_EXIT_FAIL_ENTRY, reason, qualification, name);
}
