// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events into the guest, and events that did not arrive (SDM volume 3, "Event Injection"
 * and "Information for VM Exits That Occur During Event Delivery").  The fields have the
 * layout of MICA_EVENT_*.
 */
#include "vmcs.h"

#define EVENT_BITS	(MICA_EVENT_VECTOR | MICA_EVENT_TYPE | MICA_EVENT_HAS_ERROR | \
			 MICA_EVENT_VALID)
#define SHADOW		(GUEST_INTR_STATE_STI | GUEST_INTR_STATE_MOV_SS)

static_assert(MICA_EVENT_VECTOR == INTR_INFO_VECTOR_MASK);
static_assert(MICA_EVENT_TYPE == INTR_INFO_INTR_TYPE_MASK);
static_assert(MICA_EVENT_HAS_ERROR == INTR_INFO_DELIVER_CODE_MASK);
static_assert(MICA_EVENT_VALID == INTR_INFO_VALID_MASK);

/* INT n, INT1, INT3 and INTO are delivered with the RIP behind the instruction. */
static bool is_software(u32 event)
{
	return (event & MICA_EVENT_TYPE) >= MICA_EVENT_SOFT_INT;
}

void vmx_inject(struct mica_vcpu *vcpu, u32 event, u32 error, u32 length)
{
	if (event & MICA_EVENT_HAS_ERROR) {
		/* "VM-Entry Interruption-Information Field": none in real mode. */
		if (!(vmx_read(GUEST_CR0) & X86_CR0_PE))
			event &= ~MICA_EVENT_HAS_ERROR;
		else
			vmx_write(VM_ENTRY_EXCEPTION_ERROR_CODE, error);
	}
	if (is_software(event))
		vmx_write(VM_ENTRY_INSTRUCTION_LEN, length);
	/* "Checks on Guest Non-Register State" lets CPUs refuse an NMI in the shadow of STI, and
	 * the NMI window opens there on some: the shadow, which is no promise for NMIs, goes. */
	if ((event & MICA_EVENT_TYPE) == MICA_EVENT_NMI)
		vmx_write(GUEST_INTERRUPTIBILITY_INFO, vmx_read(GUEST_INTERRUPTIBILITY_INFO) &
			  ~(u64)GUEST_INTR_STATE_STI);
	vmx_write(VM_ENTRY_INTR_INFO_FIELD, event);
}

static void set_injecting(struct mica_vcpu *vcpu, u32 event, unsigned long error_field,
			  unsigned long length_field)
{
	vcpu->injecting = event & EVENT_BITS;
	vcpu->injecting_error = event & MICA_EVENT_HAS_ERROR ? vmx_read(error_field) : 0;
	vcpu->injecting_length = is_software(event) ? vmx_read(length_field) : 0;
	mica_vcpu_request(vcpu, MICA_REQ_EVENT);
}

bool vmx_take_back_injection(struct mica_vcpu *vcpu)
{
	u32 event = vmx_read(VM_ENTRY_INTR_INFO_FIELD);

	if (!(event & MICA_EVENT_VALID))
		return false;
	set_injecting(vcpu, event, VM_ENTRY_EXCEPTION_ERROR_CODE, VM_ENTRY_INSTRUCTION_LEN);
	vmx_write(VM_ENTRY_INTR_INFO_FIELD, 0);
	return true;
}

void vmx_save_vectoring(struct mica_vcpu *vcpu)
{
	u32 event = vmx_read(IDT_VECTORING_INFO_FIELD);

	if (likely(!(event & MICA_EVENT_VALID)))
		return;
	set_injecting(vcpu, event, IDT_VECTORING_ERROR_CODE, VM_EXIT_INSTRUCTION_LEN);
	/* Delivery of the NMI has blocked NMIs; it starts anew. */
	if ((event & MICA_EVENT_TYPE) == MICA_EVENT_NMI)
		vmx_write(GUEST_INTERRUPTIBILITY_INFO, vmx_read(GUEST_INTERRUPTIBILITY_INFO) &
			  ~(u64)GUEST_INTR_STATE_NMI);
}

void vmx_block_nmis(void)
{
	vmx_write(GUEST_INTERRUPTIBILITY_INFO, vmx_read(GUEST_INTERRUPTIBILITY_INFO) |
		  GUEST_INTR_STATE_NMI);
}

/* ------------------------------------------------------------ when */

/* The entry for which something was injected may have been put off. */
static bool is_injected(void)
{
	return vmx_read(VM_ENTRY_INTR_INFO_FIELD) & MICA_EVENT_VALID;
}

bool vmx_interrupt_allowed(struct mica_vcpu *vcpu)
{
	return !is_injected() && (vmx_read(GUEST_RFLAGS) & X86_EFLAGS_IF) &&
	       !(vmx_read(GUEST_INTERRUPTIBILITY_INFO) & SHADOW);
}

bool vmx_nmi_allowed(struct mica_vcpu *vcpu)
{
	return !is_injected() &&
	       !(vmx_read(GUEST_INTERRUPTIBILITY_INFO) &
		 (GUEST_INTR_STATE_MOV_SS | GUEST_INTR_STATE_NMI));
}

static void want_window(struct vmx_vcpu *vmx, u32 control, bool want)
{
	vmx_set_cpu_controls(vmx, want ? vmx->cpu | control : vmx->cpu & ~control);
}

void vmx_want_interrupt_window(struct mica_vcpu *vcpu, bool want)
{
	want_window(to_vmx(vcpu), CPU_BASED_INTR_WINDOW_EXITING, want);
}

void vmx_want_nmi_window(struct mica_vcpu *vcpu, bool want)
{
	want_window(to_vmx(vcpu), CPU_BASED_NMI_WINDOW_EXITING, want);
}

void vmx_set_tpr_threshold(struct mica_vcpu *vcpu, u32 priority_class)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	/* "VM-Execution Control Fields": a threshold above the TPR is refused, unless APIC
	 * accesses are virtualized, too. */
	if (!(vmx->cpu2 & SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES))
		priority_class = min_t(u32, priority_class, mica_apic_get_cr8(&vcpu->apic));
	if (vmx->tpr_threshold == priority_class)
		return;
	vmx->tpr_threshold = priority_class;
	vmx_write(TPR_THRESHOLD, priority_class);
}

/* ------------------------------------------------------------ behind an instruction */

/* Only code of 64-bit mode has a RIP of more than 32 bits. */
static u64 wrap(u64 rip)
{
	return vmx_read(GUEST_CS_AR_BYTES) & VMX_AR_L_MASK &&
	       vmx_read(GUEST_IA32_EFER) & EFER_LMA ? rip : (u32)rip;
}

void vmx_advance(struct mica_vcpu *vcpu)
{
	u64 old = vmx_read(GUEST_RIP);
	u64 rip = old + vmx_read(VM_EXIT_INSTRUCTION_LEN);
	u32 shadow = vmx_read(GUEST_INTERRUPTIBILITY_INFO);

	if (unlikely((old ^ rip) & BIT_ULL(32)))
		rip = wrap(rip);
	vmx_write(GUEST_RIP, rip);
	if (unlikely(shadow & SHADOW))
		vmx_write(GUEST_INTERRUPTIBILITY_INFO, shadow & ~SHADOW);
	/* Single-stepped: the trap that the CPU would raise now. */
	if (unlikely(vmx_read(GUEST_RFLAGS) & X86_EFLAGS_TF))
		vmx_write(GUEST_PENDING_DBG_EXCEPTIONS,
			  vmx_read(GUEST_PENDING_DBG_EXCEPTIONS) | DR_STEP);
}
