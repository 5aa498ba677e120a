// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interrupt messages: who is meant, who accepts, and the pins.  SDM volume 3, "Issuing
 * Interprocessor Interrupts", "Determining IPI Destination", "Error Handling".
 *
 * Ordering: a bit in IRR (or nmi_pending, sipi_vector) is set first, the request second, the
 * kick last; all three are full barriers.  The vCPU clears the request before it looks
 * at IRR.  So what is set is either seen in this look or there is a request for another.
 * Whoever finds the IRR bit already set leaves the request to who set it.  Where the CPU delivers
 * interrupts the bit is one of posted[].
 */
#include "apic_internal.h"

/* ------------------------------------------------------------ one APIC receives */

static void request(struct mica_vcpu *vcpu, enum mica_request request, bool kick)
{
	mica_vcpu_request(vcpu, request);
	if (kick)
		mica_vcpu_kick(vcpu);
}

void mica_apic_error(struct mica_apic *apic, u32 bit, bool kick)
{
	if (!atomic_fetch_or(bit, &apic->errors))
		mica_apic_local(apic, mica_apic_reg(apic, APIC_LVTERR), kick);
}

bool mica_apic_accept_fixed(struct mica_apic *apic, u8 vector, bool level, bool kick)
{
	unsigned long *tmr = mica_apic_bits(apic, APIC_TMR);
	unsigned int bit = mica_apic_bit(vector);

	if (unlikely(vector < APIC_FIRST_VECTOR)) {
		mica_apic_error(apic, APIC_ESR_RECVILL, kick);
		return false;
	}
	if (unlikely(test_bit(bit, tmr) != level)) {
		if (level)
			set_bit(bit, tmr);
		else
			clear_bit(bit, tmr);
	}
	if (mica_backend->delivers_interrupts ? !test_and_set_bit(vector, apic->posted) :
	    !test_and_set_bit(bit, mica_apic_bits(apic, APIC_IRR)))
		request(apic->vcpu, MICA_REQ_EVENT, kick);
	return true;
}

/* One NMI can be blocked by the handler of another while a third is latched. */
static void accept_nmi(struct mica_vcpu *vcpu, bool kick)
{
	atomic_add_unless(&vcpu->nmi_pending, 1, 2);
	request(vcpu, MICA_REQ_EVENT, kick);
}

static void accept_init(struct mica_vcpu *vcpu, bool kick)
{
	clear_bit(MICA_REQ_SIPI, &vcpu->requests);
	xchg(&vcpu->sipi_vector, MICA_SIPI_NONE);
	request(vcpu, MICA_REQ_INIT, kick);
}

static void accept_startup(struct mica_vcpu *vcpu, u8 vector, bool kick)
{
	xchg(&vcpu->sipi_vector, vector);
	request(vcpu, MICA_REQ_SIPI, kick);
}

/* True if the message was received. */
static bool accept(struct mica_vcpu *vcpu, const struct mica_irq *irq, bool kick)
{
	if (irq->level && !irq->assert)
		return true;
	switch (irq->delivery_mode << 8) {
	case APIC_DM_FIXED:
	case APIC_DM_LOWEST:
		if (!mica_apic_software_enabled(&vcpu->apic))
			return false;
		mica_apic_accept_fixed(&vcpu->apic, irq->vector, irq->level, kick);
		return true;
	case APIC_DM_SMI:
		return true;	/* there is no system-management mode */
	case APIC_DM_NMI:
		accept_nmi(vcpu, kick);
		return true;
	case APIC_DM_INIT:
		accept_init(vcpu, kick);
		return true;
	case APIC_DM_STARTUP:
		accept_startup(vcpu, irq->vector, kick);
		return true;
	}
	return false;
}

/* ------------------------------------------------------------ destinations */

/* SDM "Logical Destination Mode" of the xAPIC: flat or cluster model by DFR. */
static bool matches_xapic_logical(const struct mica_apic *apic, u32 dest)
{
	u32 mine = mica_apic_reg(apic, APIC_LDR) >> 24;

	if (dest == 0xff)
		return true;
	switch (mica_apic_reg(apic, APIC_DFR) >> 28) {
	case 0xf:
		return mine & dest;
	case 0:
		return mine >> 4 == dest >> 4 && (mine & dest & 0xf);
	}
	return false;
}

/* SDM "Logical Destination Mode in x2APIC Mode". */
static bool matches_x2apic_logical(const struct mica_apic *apic, u32 dest)
{
	u32 mine = mica_apic_reg(apic, APIC_LDR);

	return mine >> 16 == dest >> 16 && (mine & dest & 0xffff);
}

struct destination {
	struct mica_vcpu *source;
	u32 everybody;		/* the value of dest that means so: ~0u or, 8 bits wide, 0xff */
};

static bool matches(const struct mica_vcpu *vcpu, const struct mica_irq *irq,
		    const struct destination *from)
{
	const struct mica_apic *apic = &vcpu->apic;

	if (!mica_apic_enabled(apic))
		return false;
	if (irq->shorthand)
		return irq->shorthand == 2 || vcpu != from->source;
	if (!irq->logical)
		return irq->dest == vcpu->id || irq->dest == from->everybody;
	if (from->everybody == ~0u && irq->dest == ~0u)
		return true;
	if (mica_apic_is_x2(apic))
		return matches_x2apic_logical(apic, irq->dest);
	return from->everybody == 0xff && matches_xapic_logical(apic, irq->dest);
}

/* Processor priority class of a vCPU that may be running. */
static u32 priority_class(const struct mica_vcpu *vcpu)
{
	const struct mica_apic *apic = &vcpu->apic;

	return mica_apic_ppr(mica_apic_reg(apic, APIC_TASKPRI), mica_apic_in_service(apic)) >> 4;
}

/* Ids of the vCPUs that may be meant.  The cluster of an x2APIC's logical destination is
 * one of 16 consecutive ids; vCPUs in xAPIC mode are not reached by it. */
static u64 candidates(const struct mica_irq *irq, const struct destination *from)
{
	u32 cluster = irq->dest >> 16;

	BUILD_BUG_ON(MICA_MAX_VCPUS > 64);
	if (irq->shorthand || !irq->logical || from->everybody != ~0u || irq->dest == ~0u)
		return ~0ull;
	return cluster < 4 ? (u64)(irq->dest & 0xffff) << (cluster * 16) : 0;
}

static int deliver_lowest(struct mica_vm *vm, const struct mica_irq *irq,
			  const struct destination *from)
{
	u64 ids = candidates(irq, from);
	unsigned int left = READ_ONCE(vm->vcpu_count);
	struct mica_vcpu *vcpu, *best = NULL;

	for (; ids; ids &= ids - 1) {
		vcpu = mica_vm_vcpu(vm, __ffs(ids));
		if (!vcpu)
			continue;
		if (matches(vcpu, irq, from) && mica_apic_software_enabled(&vcpu->apic) &&
		    (!best || priority_class(vcpu) < priority_class(best)))
			best = vcpu;
		if (!--left)
			break;
	}
	return best ? accept(best, irq, best != from->source) : 0;
}

static int deliver_all(struct mica_vm *vm, const struct mica_irq *irq,
		       const struct destination *from)
{
	u64 ids = candidates(irq, from);
	unsigned int left = READ_ONCE(vm->vcpu_count);
	struct mica_vcpu *vcpu;
	int count = 0;

	for (; ids; ids &= ids - 1) {
		vcpu = mica_vm_vcpu(vm, __ffs(ids));
		if (!vcpu)
			continue;
		if (matches(vcpu, irq, from))
			count += accept(vcpu, irq, vcpu != from->source);
		if (!--left)
			break;
	}
	return count;
}

int mica_apic_deliver(struct mica_vm *vm, struct mica_vcpu *source, const struct mica_irq *irq)
{
	struct destination from = {
		.source = source,
		.everybody = source && mica_apic_is_x2(&source->apic) ? ~0u : 0xff,
	};
	struct mica_vcpu *vcpu;

	if (irq->shorthand && !source)
		return 0;
	if (irq->shorthand == 1)
		return accept(source, irq, false);
	if (irq->delivery_mode << 8 == APIC_DM_LOWEST)
		return deliver_lowest(vm, irq, &from);
	if (irq->shorthand || irq->logical || irq->dest == from.everybody)
		return deliver_all(vm, irq, &from);
	vcpu = mica_vm_vcpu(vm, irq->dest);
	if (!vcpu || !mica_apic_enabled(&vcpu->apic))
		return 0;
	return accept(vcpu, irq, vcpu != source);
}

/* SDM volume 3, "Message Address Register Format" and "Message Data Register Format". */
int mica_apic_decode_msi(u64 address, u32 data, struct mica_irq *irq)
{
	*irq = (struct mica_irq) {
		.dest = (address >> 12) & 0xff,
		.logical = address & BIT(2),
		.vector = data,
		.delivery_mode = (data >> 8) & 7,
		.level = data & BIT(15),
		.assert = !(data & BIT(15)) || (data & BIT(14)),
	};

	if (address >> 20 != 0xfee)
		return -EINVAL;
	/* Reserved, a start-up IPI, ExtINT (which asks the PIC: it comes by LINT0 only). */
	if (irq->delivery_mode == 3 || irq->delivery_mode == 6 || irq->delivery_mode == 7)
		return -EINVAL;
	return 0;
}

/* ------------------------------------------------------------ ICR */

#define ICR_SHORTHAND	0xc0000u

/* SDM table "Valid Combinations for the Pentium 4 and Intel Xeon Processors' Local xAPIC
 * Interrupt Command Register": a message to oneself can only be a fixed interrupt. */
static bool icr_is_valid(u32 low)
{
	switch (low & APIC_MODE_MASK) {
	case APIC_DM_FIXED:
		return true;
	case APIC_DM_INIT:
		/* "INIT level de-assert" does nothing on these CPUs. */
		if ((low & (APIC_INT_LEVELTRIG | APIC_INT_ASSERT)) == APIC_INT_LEVELTRIG)
			return false;
		break;
	}
	return !(low & ICR_SHORTHAND) || (low & ICR_SHORTHAND) == APIC_DEST_ALLBUT;
}

static bool icr_has_illegal_vector(u32 low)
{
	u32 mode = low & APIC_MODE_MASK;

	return (mode == APIC_DM_FIXED || mode == APIC_DM_LOWEST) &&
	       (low & APIC_VECTOR_MASK) < APIC_FIRST_VECTOR;
}

/* Level and trigger mode of ICR have no other meaning: IPIs are edge-triggered. */
void mica_apic_send(struct mica_apic *apic, u32 low, u32 dest)
{
	struct mica_irq irq = {
		.dest = dest,
		.vector = low & APIC_VECTOR_MASK,
		.delivery_mode = (low & APIC_MODE_MASK) >> 8,
		.logical = low & APIC_DEST_LOGICAL,
		.assert = true,
		.shorthand = (low & ICR_SHORTHAND) >> 18,
	};

	/* The most frequent one. */
	if ((low & (ICR_SHORTHAND | APIC_MODE_MASK)) == (APIC_DEST_SELF | APIC_DM_FIXED) &&
	    irq.vector >= APIC_FIRST_VECTOR && mica_apic_software_enabled(apic)) {
		mica_apic_accept_fixed(apic, irq.vector, false, false);
		return;
	}
	if (!icr_is_valid(low))
		return;
	if (unlikely(icr_has_illegal_vector(low)))
		mica_apic_error(apic, APIC_ESR_SENDILL, false);
	mica_apic_deliver(apic->vcpu->vm, apic->vcpu, &irq);
}

/* ------------------------------------------------------------ LVT and pins */

void mica_apic_local(struct mica_apic *apic, u32 lvt, bool kick)
{
	if (lvt & APIC_LVT_MASKED)
		return;
	switch (lvt & APIC_MODE_MASK) {
	case APIC_DM_FIXED:
		mica_apic_accept_fixed(apic, lvt & APIC_VECTOR_MASK,
				       lvt & APIC_LVT_LEVEL_TRIGGER, kick);
		break;
	case APIC_DM_NMI:
		accept_nmi(apic->vcpu, kick);
		break;
	case APIC_DM_INIT:
		accept_init(apic->vcpu, kick);
		break;
	case APIC_DM_EXTINT:	/* mica_apic_extint_pending() looks at the pin */
		request(apic->vcpu, MICA_REQ_EVENT, kick);
		break;
	}
}

bool mica_apic_extint_pending(struct mica_apic *apic)
{
	u32 lvt;

	if (!test_bit(MICA_PIN_LINT0, &apic->pins))
		return false;
	if (!mica_apic_enabled(apic))
		return true;
	lvt = mica_apic_reg(apic, APIC_LVT0);
	return (lvt & (APIC_LVT_MASKED | APIC_MODE_MASK)) == APIC_DM_EXTINT;
}

static bool lint0_is_level(u32 lvt)
{
	return (lvt & (APIC_LVT_MASKED | APIC_MODE_MASK | APIC_LVT_LEVEL_TRIGGER)) ==
	       (APIC_DM_FIXED | APIC_LVT_LEVEL_TRIGGER);
}

void mica_apic_lint0_changed(struct mica_apic *apic)
{
	u32 lvt = mica_apic_reg(apic, APIC_LVT0);

	/* Pairs with the barrier of test_and_set_bit() in set_lint(): one of the two sees
	 * both the new entry and the pin. */
	smp_mb();
	if (!test_bit(MICA_PIN_LINT0, &apic->pins))
		return;
	if (mica_apic_extint_pending(apic))
		mica_vcpu_request(apic->vcpu, MICA_REQ_EVENT);
	else if (lint0_is_level(lvt) && !test_bit(mica_apic_bit(lvt & APIC_VECTOR_MASK),
						  mica_apic_bits(apic, APIC_ISR)))
		mica_apic_local(apic, lvt, false);
}

void mica_apic_lint0_eoi(struct mica_apic *apic, u8 vector)
{
	u32 lvt = mica_apic_reg(apic, APIC_LVT0);

	if (lint0_is_level(lvt) && (lvt & APIC_VECTOR_MASK) == vector &&
	    test_bit(MICA_PIN_LINT0, &apic->pins))
		mica_apic_local(apic, lvt, false);
}

/* SDM "Local APIC State": without an APIC the pins are INTR and NMI. */
static void set_lint(struct mica_apic *apic, unsigned int lint, bool level)
{
	u32 lvt;

	if (!level) {
		clear_bit(lint, &apic->pins);
		return;
	}
	if (test_and_set_bit(lint, &apic->pins))
		return;
	if (!mica_apic_enabled(apic))
		lvt = lint == MICA_PIN_LINT0 ? APIC_DM_EXTINT : APIC_DM_NMI;
	else if (lint == MICA_PIN_LINT0)
		lvt = mica_apic_reg(apic, APIC_LVT0);
	else	/* SDM "Local Vector Table": LINT1 has no level mode */
		lvt = mica_apic_reg(apic, APIC_LVT1) & ~(u32)APIC_LVT_LEVEL_TRIGGER;
	mica_apic_local(apic, lvt, true);
}

void mica_apic_set_pin(struct mica_vcpu *vcpu, unsigned int pin, bool level)
{
	switch (pin) {
	case MICA_PIN_LINT0:
	case MICA_PIN_LINT1:
		set_lint(&vcpu->apic, pin, level);
		break;
	case MICA_PIN_NMI:
		if (level)
			accept_nmi(vcpu, true);
		break;
	case MICA_PIN_INIT:
		if (level)
			accept_init(vcpu, true);
		break;
	}
}
