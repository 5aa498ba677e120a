// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events into the guest, and events that did not arrive (APM volume 2, "Event Injection",
 * "EXITINTINFO Pseudo-Code").  The fields have the layout of MICA_EVENT_*, but for the types of
 * software interrupts: those are never injected, their instruction just runs again.
 */
#include "vmcb.h"

#include "debug.h"

#define EVENT_BITS	(MICA_EVENT_VECTOR | MICA_EVENT_TYPE | MICA_EVENT_HAS_ERROR | \
			 MICA_EVENT_VALID)
#define SHADOW_TRIES	4

static_assert(MICA_EVENT_VECTOR == SVM_EVTINJ_VEC_MASK);
static_assert(MICA_EVENT_TYPE == SVM_EVTINJ_TYPE_MASK);
static_assert(MICA_EVENT_HAS_ERROR == SVM_EVTINJ_VALID_ERR);
static_assert(MICA_EVENT_VALID == SVM_EVTINJ_VALID);

/* INT n, INT1, INT3 and INTO, for which RIP still is at the instruction; but not a #BP or #OF
 * that was injected. */
static bool is_software(const struct svm_vcpu *svm, u32 event)
{
	u32 type = event & MICA_EVENT_TYPE;

	if (type >= MICA_EVENT_SOFT_INT)
		return true;
	return type == MICA_EVENT_EXCEPTION &&
	       ((u8)event == X86_TRAP_BP || (u8)event == X86_TRAP_OF) &&
	       (u8)svm->injected != (u8)event;
}

void svm_inject(struct mica_vcpu *vcpu, u32 event, u32 error, u32 length)
{
	struct vmcb_control_area *control = svm_control(vcpu);

	if ((event & MICA_EVENT_TYPE) >= MICA_EVENT_SOFT_INT)
		return;
	/* Not to that IRET, then, but to a handler that will come back to it. */
	if (to_svm(vcpu)->iret)
		svm_set_nmi_blocked(to_svm(vcpu), true);
	to_svm(vcpu)->injected = event;
	/* There are no error codes in real mode. */
	if (!(svm_save(vcpu)->cr0 & X86_CR0_PE))
		event &= ~MICA_EVENT_HAS_ERROR;
	control->event_inj = event;
	control->event_inj_err = event & MICA_EVENT_HAS_ERROR ? error : 0;
	if ((event & MICA_EVENT_TYPE) == MICA_EVENT_NMI)
		svm_set_nmi_blocked(to_svm(vcpu), true);
}

static void set_injecting(struct mica_vcpu *vcpu, u32 event, u32 error)
{
	vcpu->injecting = event & EVENT_BITS;
	vcpu->injecting_error = event & MICA_EVENT_HAS_ERROR ? error : 0;
	vcpu->injecting_length = 0;
	/* Delivery of the NMI has blocked NMIs; it starts anew. */
	if ((event & MICA_EVENT_TYPE) == MICA_EVENT_NMI)
		svm_set_nmi_blocked(to_svm(vcpu), false);
	mica_vcpu_request(vcpu, MICA_REQ_EVENT);
}

void svm_take_back_injection(struct mica_vcpu *vcpu)
{
	struct vmcb_control_area *control = svm_control(vcpu);

	if (!(control->event_inj & MICA_EVENT_VALID))
		return;
	set_injecting(vcpu, control->event_inj, control->event_inj_err);
	control->event_inj = 0;
}

void svm_save_vectoring(struct mica_vcpu *vcpu)
{
	struct vmcb_control_area *control = svm_control(vcpu);

	if (!is_software(to_svm(vcpu), control->exit_int_info))
		set_injecting(vcpu, control->exit_int_info, control->exit_int_info_err);
}

/* ------------------------------------------------------------ NMIs */

/* While the IRET has not run, TF is where it was put. */
static void stop_stepping(struct svm_vcpu *svm)
{
	if (svm->stepping && svm->vmcb->save.rip == svm->iret_rip)
		svm->vmcb->save.rflags &= ~(u64)X86_EFLAGS_TF;
	svm->stepping = false;
}

u64 svm_get_rflags(const struct mica_vcpu *vcpu)
{
	u64 rflags = svm_save(vcpu)->rflags;

	return to_svm(vcpu)->stepping ? rflags & ~(u64)X86_EFLAGS_TF : rflags;
}

void svm_set_nmi_blocked(struct svm_vcpu *svm, bool blocked)
{
	svm->nmi_blocked = blocked;
	svm->iret = false;
	stop_stepping(svm);
	svm_set_intercept(svm, INTERCEPT_IRET, blocked);
}

static bool iret_has_run(const struct mica_vcpu *vcpu)
{
	const struct svm_vcpu *svm = to_svm(vcpu);

	return svm->iret && (svm_save(vcpu)->rip != svm->iret_rip ||
			     svm_save(vcpu)->rsp != svm->iret_rsp);
}

/* The entry for which something was injected may have been put off; SVM does not tell the
 * shadow of STI from that of MOV SS. */
static bool is_busy(struct mica_vcpu *vcpu)
{
	return (svm_control(vcpu)->event_inj & MICA_EVENT_VALID) ||
	       (svm_control(vcpu)->int_state & SVM_INTERRUPT_SHADOW_MASK);
}

void svm_look_at_events(struct mica_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	if (iret_has_run(vcpu))
		svm_set_nmi_blocked(svm, false);
	else if (!svm->event_waits)
		return;
	if (!is_busy(vcpu))
		mica_vcpu_request(vcpu, MICA_REQ_EVENT);
}

/* ------------------------------------------------------------ when */

/*
 * Where VMRUN forgets the shadow (QEMU's does) the window opens before the instruction that the
 * shadow is for.  If that is HLT, an interrupt then would be one that the guest sleeps through.
 * Other exits may come before the instruction runs, so the shadow is taken to last for a few;
 * on a CPU that keeps it, that is a wait for who jumps from there to there.
 */
static bool shadow_was_forgotten(struct mica_vcpu *vcpu)
{
	const struct svm_vcpu *svm = to_svm(vcpu);

	return svm->shadow_tries && svm_save(vcpu)->rip == svm->shadow_rip;
}

bool svm_interrupt_allowed(struct mica_vcpu *vcpu)
{
	return !is_busy(vcpu) && (svm_save(vcpu)->rflags & X86_EFLAGS_IF) &&
	       !shadow_was_forgotten(vcpu);
}

bool svm_nmi_allowed(struct mica_vcpu *vcpu)
{
	return !is_busy(vcpu) && !to_svm(vcpu)->nmi_blocked;
}

void svm_exited_in_shadow(struct mica_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	svm->shadow_rip = svm_save(vcpu)->rip;
	svm->shadow_tries = SHADOW_TRIES;
}

/* Whether to wait for the next exit rather than for a window.  It is asked before an entry. */
static bool waits_in_shadow(struct mica_vcpu *vcpu)
{
	if (is_busy(vcpu) || likely(!shadow_was_forgotten(vcpu)))
		return false;
	to_svm(vcpu)->shadow_tries--;
	return true;
}

/* A virtual interrupt of the highest priority exits when it could be taken ("Virtual Interrupt
 * Intercept"). */
void svm_want_interrupt_window(struct mica_vcpu *vcpu, bool want)
{
	const u32 bits = V_IRQ_MASK | V_IGN_TPR_MASK | V_INTR_PRIO_MASK;
	struct vmcb_control_area *control = svm_control(vcpu);
	struct svm_vcpu *svm = to_svm(vcpu);
	u32 int_ctl;

	svm->shadow_waits = want && waits_in_shadow(vcpu);
	want = want && !svm->shadow_waits;
	int_ctl = want ? control->int_ctl | bits : control->int_ctl & ~bits;
	if (control->int_ctl == int_ctl)
		return;
	control->int_ctl = int_ctl;
	svm_dirty(svm, SVM_CLEAN_TPR);
	svm_set_intercept(svm, INTERCEPT_VINTR, want);
}

/* NMIs that are blocked are so until an IRET has run: that exits before, and is then stepped
 * over with TF, which it pops as it was.  (Should it fault, the handler sees TF set in what it
 * finds on its stack.) */
static void step_over_iret(struct mica_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	if (svm->stepping || (svm_save(vcpu)->rflags & X86_EFLAGS_TF))
		return;
	svm->stepping = true;
	svm_save(vcpu)->rflags |= X86_EFLAGS_TF;
}

/*
 * What else is in an NMI's way is looked at again after each exit.  Behind an event that is
 * injected first there is one at once: a host interrupt that this CPU sends itself.  At the end
 * of an interrupt shadow there is none, but the next one is not far.
 */
void svm_want_nmi_window(struct mica_vcpu *vcpu, bool want)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	svm->event_waits = svm->shadow_waits || (want && !svm->nmi_blocked);
	if (!want)
		return;
	if (svm_control(vcpu)->event_inj & MICA_EVENT_VALID)
		smp_send_reschedule(raw_smp_processor_id());
	else if (svm->iret)
		step_over_iret(vcpu);
}

void svm_set_tpr_threshold(struct mica_vcpu *vcpu, u32 priority_class)
{
	svm_set_intercept(to_svm(vcpu), INTERCEPT_CR8_WRITE, priority_class);
}

/* ------------------------------------------------------------ behind an instruction */

void svm_advance(struct mica_vcpu *vcpu)
{
	struct vmcb_save_area *save = svm_save(vcpu);

	save->rip = to_svm(vcpu)->next_rip;
	svm_control(vcpu)->int_state &= ~(u32)SVM_INTERRUPT_SHADOW_MASK;
	/* Single-stepped: the trap that the CPU would raise now. */
	if (unlikely(save->rflags & X86_EFLAGS_TF))
		mica_queue_debug(vcpu, DR_STEP);
}
