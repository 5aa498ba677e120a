// SPDX-License-Identifier: GPL-2.0-only
/* Exceptions and NMIs that come while the guest runs: some are the guest's, some the host's. */
#include "vmcs.h"

#include "debug.h"

#define NMI_UNBLOCKING	BIT(12)		/* "VM-Exit Interruption-Information Field" */

/* NMIs stay blocked from the exit until the host's handler ends with IRET.  The handler may
 * be perf's or a debugger's, and change what a series of entries takes for constant. */
static enum mica_next host_nmi(struct mica_vcpu *vcpu)
{
	vmx_end_series(to_vmx(vcpu));
	asm volatile("int $2" : : : "memory");
	return MICA_NEXT_HOST;
}

/*
 * "Exit Qualification for Debug Exceptions" is what DR6 would have got.  A trap flag that
 * meets an interrupt shadow must be pending, or the entry is refused ("Checks on Guest
 * Non-Register State").
 */
static enum mica_next guest_debug(struct mica_vcpu *vcpu, u32 info)
{
	/* INT1 is a trap, but its exit comes like a fault's. */
	if ((info & INTR_INFO_INTR_TYPE_MASK) == INTR_TYPE_PRIV_SW_EXCEPTION)
		vmx_advance(vcpu);

	if ((vmx_read(GUEST_RFLAGS) & X86_EFLAGS_TF) &&
	    (vmx_read(GUEST_INTERRUPTIBILITY_INFO) &
	     (GUEST_INTR_STATE_STI | GUEST_INTR_STATE_MOV_SS)))
		vmx_write(GUEST_PENDING_DBG_EXCEPTIONS,
			  vmx_read(GUEST_PENDING_DBG_EXCEPTIONS) | DR_STEP);
	mica_queue_debug(vcpu, vmx_read(EXIT_QUALIFICATION));
	return MICA_NEXT_ENTER;
}

static enum mica_next guest_exception(struct mica_vcpu *vcpu, u32 info)
{
	switch (info & INTR_INFO_VECTOR_MASK) {
	case X86_TRAP_DB:
		return guest_debug(vcpu, info);
	case X86_TRAP_AC:
		mica_queue_exception_error(vcpu, X86_TRAP_AC, vmx_read(VM_EXIT_INTR_ERROR_CODE));
		return MICA_NEXT_ENTER;
	case X86_TRAP_MC:
		mica_host_machine_check();
		return MICA_NEXT_HOST;
	}
	return mica_exit_fail(vcpu, MICA_EXIT_INTERNAL_ERROR, EXIT_REASON_EXCEPTION_NMI, info,
			      "exception that is not intercepted");
}

enum mica_next vmx_exit_exception(struct mica_vcpu *vcpu)
{
	u32 info = vmx_read(VM_EXIT_INTR_INFO);

	if ((info & INTR_INFO_INTR_TYPE_MASK) == INTR_TYPE_NMI_INTR)
		return host_nmi(vcpu);
	if ((info & NMI_UNBLOCKING) && !vcpu->injecting)
		vmx_block_nmis();
	return guest_exception(vcpu, info);
}
