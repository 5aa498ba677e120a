// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is injected at an entry, and in which order.  SDM volume 3, "Priority Among
 * Concurrent Events": first the event whose delivery was cut short, then exceptions of the
 * last instruction, NMI, external interrupts.
 */
#include "vcpu.h"

/* SDM volume 3, "Interrupt 8: Double Fault Exception (#DF)", table of exception classes. */
enum exception_class { BENIGN, CONTRIBUTORY, PAGE_FAULT };

static enum exception_class exception_class(u8 vector)
{
	switch (vector) {
	case X86_TRAP_PF:
		return PAGE_FAULT;
	case X86_TRAP_DE:
	case X86_TRAP_TS:
	case X86_TRAP_NP:
	case X86_TRAP_SS:
	case X86_TRAP_GP:
		return CONTRIBUTORY;
	}
	return BENIGN;
}

static void set_exception(struct mica_vcpu *vcpu, u32 info, u32 error)
{
	vcpu->exception = MICA_EVENT_VALID | MICA_EVENT_EXCEPTION | info;
	vcpu->exception_error = error;
	mica_vcpu_request(vcpu, MICA_REQ_EVENT);
}

/* A second exception while `first` waits or was being delivered. */
static void queue_second(struct mica_vcpu *vcpu, u8 first, u32 info, u32 error)
{
	enum exception_class a = exception_class(first);
	enum exception_class b = exception_class((u8)info);

	vcpu->has_payload = false;
	if (first == X86_TRAP_DF) {
		mica_exit_shutdown(vcpu);
		mica_vcpu_request(vcpu, MICA_REQ_USER);
	} else if ((a == CONTRIBUTORY && b == CONTRIBUTORY) || (a == PAGE_FAULT && b != BENIGN)) {
		set_exception(vcpu, MICA_EVENT_HAS_ERROR | X86_TRAP_DF, 0);
	} else {
		/* The first instruction restarts and raises its exception again. */
		set_exception(vcpu, info, error);
	}
}

static bool is_exception(u32 event)
{
	return (event & MICA_EVENT_VALID) &&
	       (event & MICA_EVENT_TYPE) == MICA_EVENT_EXCEPTION;
}

static void queue(struct mica_vcpu *vcpu, u32 info, u32 error)
{
	if (is_exception(vcpu->exception))
		queue_second(vcpu, (u8)vcpu->exception, info, error);
	else if (is_exception(vcpu->injecting))
		queue_second(vcpu, (u8)vcpu->injecting, info, error);
	else
		set_exception(vcpu, info, error);
}

void mica_queue_exception(struct mica_vcpu *vcpu, u8 vector)
{
	queue(vcpu, vector, 0);
}

void mica_queue_exception_error(struct mica_vcpu *vcpu, u8 vector, u32 error)
{
	queue(vcpu, MICA_EVENT_HAS_ERROR | vector, error);
}

/* CR2 and DR6 change when the exception is delivered, not when it is found. */
void mica_event_apply_payload(struct mica_vcpu *vcpu)
{
	if (!vcpu->has_payload)
		return;
	vcpu->has_payload = false;
	if ((u8)vcpu->exception == X86_TRAP_PF)
		vcpu->cr2 = vcpu->exception_payload;
	else if ((u8)vcpu->exception == X86_TRAP_DB)
		vcpu->dr6 = (vcpu->dr6 & ~(u64)DR_TRAP_BITS) | vcpu->exception_payload;
}

/*
 * An exception that was raised while another event was being delivered takes that event's
 * place, as on a CPU: an instruction restarts, an external interrupt is gone.
 */
static bool inject_exception(struct mica_vcpu *vcpu)
{
	if (vcpu->exception) {
		mica_event_apply_payload(vcpu);
		mica_backend->inject(vcpu, vcpu->exception, vcpu->exception_error, 0);
		vcpu->exception = 0;
		vcpu->injecting = 0;
		vcpu->count.injected_exceptions++;
		return true;
	}
	if (vcpu->injecting) {
		mica_backend->inject(vcpu, vcpu->injecting, vcpu->injecting_error,
				     vcpu->injecting_length);
		vcpu->injecting = 0;
		vcpu->count.reinjected++;
		return true;
	}
	return false;
}

static bool inject_nmi(struct mica_vcpu *vcpu)
{
	if (!atomic_read(&vcpu->nmi_pending) || !mica_backend->nmi_allowed(vcpu))
		return false;
	atomic_dec(&vcpu->nmi_pending);
	mica_backend->inject(vcpu, MICA_EVENT_VALID | MICA_EVENT_NMI | X86_TRAP_NMI, 0, 0);
	vcpu->count.injected_nmis++;
	return true;
}

/* Where the CPU delivers interrupts by itself it only has to be told of them. */
static void prepare_interrupts(struct mica_vcpu *vcpu, bool extint)
{
	mica_apic_tell_vectors(&vcpu->apic);
	mica_backend->want_interrupt_window(vcpu, extint);
}

static bool inject_interrupt(struct mica_vcpu *vcpu, int vector)
{
	if (vector < 0 || !mica_backend->interrupt_allowed(vcpu))
		return false;
	mica_apic_accept(&vcpu->apic, vector);
	mica_backend->inject(vcpu, MICA_EVENT_VALID | MICA_EVENT_INTERRUPT | vector, 0, 0);
	vcpu->count.injected_interrupts++;
	return true;
}

static void inject_or_wait(struct mica_vcpu *vcpu, bool busy, bool extint)
{
	int vector = mica_apic_pending(&vcpu->apic);

	if (!busy && inject_interrupt(vcpu, vector))
		vector = mica_apic_pending(&vcpu->apic);
	mica_backend->want_interrupt_window(vcpu, vector >= 0 || extint);
	mica_backend->set_tpr_threshold(vcpu, mica_apic_tpr_threshold(&vcpu->apic));
}

bool mica_event_prepare(struct mica_vcpu *vcpu)
{
	bool busy = inject_exception(vcpu) || inject_nmi(vcpu);
	bool extint = mica_apic_extint_pending(&vcpu->apic);

	if (!busy && extint && mica_backend->interrupt_allowed(vcpu))
		return true;
	if (mica_backend->delivers_interrupts)
		prepare_interrupts(vcpu, extint);
	else
		inject_or_wait(vcpu, busy, extint);
	mica_backend->want_nmi_window(vcpu, atomic_read(&vcpu->nmi_pending) != 0);
	return false;
}

bool mica_event_wakes(struct mica_vcpu *vcpu)
{
	if (atomic_read(&vcpu->nmi_pending) || vcpu->exception || vcpu->injecting)
		return true;
	return mica_apic_has_work(&vcpu->apic) && vcpu->loaded &&
	       mica_backend->interrupt_allowed(vcpu);
}
