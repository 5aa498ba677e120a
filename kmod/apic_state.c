// SPDX-License-Identifier: GPL-2.0-only
/* The local APIC's image in the ABI: everything is checked before anything is loaded. */
#include "apic_internal.h"

#define PINS	(BIT(MICA_PIN_LINT0) | BIT(MICA_PIN_LINT1))

/* ------------------------------------------------------------ get */

void mica_apic_get_state(struct mica_apic *apic, struct mica_apic_state *state)
{
	unsigned int i;

	/* An expiry that was not delivered yet becomes a bit in IRR. */
	mica_timer_deliver(apic->vcpu);
	mica_apic_take_posted(apic);
	for (i = 0; i < MICA_APIC_REGS; i++)
		state->regs[i] = mica_apic_reg(apic, i * 16);
	state->regs[APIC_EOI >> 4] = 0;
	state->regs[APIC_SELF_IPI >> 4] = 0;
	state->regs[APIC_PROCPRI >> 4] =
		mica_apic_ppr(state->regs[APIC_TASKPRI >> 4], mica_apic_in_service(apic));
	state->regs[APIC_TMCCT >> 4] = mica_timer_current(apic);
	state->timer_deadline = apic->timer.deadline;
	state->pins = READ_ONCE(apic->pins) & PINS;
	state->pad = 0;
}

/* ------------------------------------------------------------ check */

static u32 highest_in_service(const u32 *regs)
{
	int i;

	for (i = 7; i >= 0; i--)
		if (regs[(APIC_ISR >> 4) + i])
			return i * 32 + __fls(regs[(APIC_ISR >> 4) + i]);
	return 0;
}

static bool ldr_is_possible(const struct mica_apic *apic, u32 ldr)
{
	if (mica_apic_is_x2(apic))
		return ldr == mica_apic_reg(apic, APIC_LDR);
	return !(ldr & 0x00ffffff);
}

static bool dfr_is_possible(const struct mica_apic *apic, u32 dfr)
{
	if (mica_apic_is_x2(apic))
		return dfr == (u32)APIC_DFR_FLAT;
	return (dfr & 0x0fffffff) == 0x0fffffff;
}

static bool lvt_is_possible(const struct mica_apic *apic, const u32 *regs, u32 offset)
{
	u32 lvt = regs[offset >> 4];
	bool enabled = regs[APIC_SPIV >> 4] & APIC_SPIV_APIC_ENABLED;

	return !(lvt & ~mica_apic_writable(apic, offset)) && (enabled || (lvt & APIC_LVT_MASKED));
}

static bool reg_is_possible(const struct mica_apic *apic, const u32 *regs, u32 offset)
{
	u32 value = regs[offset >> 4];

	switch (offset) {
	case APIC_ID:
	case APIC_LVR:
		return value == mica_apic_reg(apic, offset);
	case APIC_PROCPRI:
		return value == mica_apic_ppr(regs[APIC_TASKPRI >> 4], highest_in_service(regs));
	case APIC_LDR:
		return ldr_is_possible(apic, value);
	case APIC_DFR:
		return dfr_is_possible(apic, value);
	case APIC_ISR:
	case APIC_TMR:
	case APIC_IRR:
		return !(value & 0xffff);	/* vectors below 16 */
	case APIC_ISR + 16 ... APIC_ISR + 0x70:
	case APIC_TMR + 16 ... APIC_TMR + 0x70:
	case APIC_IRR + 16 ... APIC_IRR + 0x70:
		return true;
	case APIC_ESR:
		return !(value & ~(APIC_ESR_SENDILL | APIC_ESR_RECVILL | APIC_ESR_ILLREGA));
	case APIC_ICR2:
		return mica_apic_is_x2(apic) || !(value & 0x00ffffff);
	case APIC_LVTT ... APIC_LVTERR:
		return lvt_is_possible(apic, regs, offset);
	case APIC_TMCCT:
		return value <= regs[APIC_TMICT >> 4];
	case APIC_SELF_IPI:
		return !value;
	}
	return !(value & ~mica_apic_writable(apic, offset));
}

/* A running timer needs something to run from. */
static bool timer_is_possible(const struct mica_apic_state *state)
{
	u32 mode = (state->regs[APIC_LVTT >> 4] >> 17) & 3;
	u32 current_count = state->regs[APIC_TMCCT >> 4];

	if (mode == MICA_TIMER_ONESHOT || mode == MICA_TIMER_PERIODIC)
		return !state->timer_deadline || state->regs[APIC_TMICT >> 4];
	return !current_count && (mode == MICA_TIMER_DEADLINE || !state->timer_deadline);
}

static bool state_is_possible(const struct mica_apic *apic, const struct mica_apic_state *state)
{
	unsigned int i;

	for (i = 0; i < MICA_APIC_REGS; i++)
		if (!reg_is_possible(apic, state->regs, i * 16))
			return false;
	return timer_is_possible(state) && !(state->pins & ~PINS) && !state->pad;
}

/* ------------------------------------------------------------ set */

int mica_apic_set_state(struct mica_apic *apic, const struct mica_apic_state *state)
{
	unsigned int i;

	if (!state_is_possible(apic, state))
		return -EINVAL;
	for (i = 0; i < MICA_APIC_REGS; i++)
		mica_apic_set_reg(apic, i * 16, state->regs[i]);
	bitmap_zero(apic->posted, APIC_VECTORS);
	mica_apic_recount(apic);
	atomic_set(&apic->errors, 0);
	WRITE_ONCE(apic->pins, state->pins);
	bitmap_zero(apic->eoi_pending, APIC_VECTORS);
	clear_bit(MICA_REQ_EOI, &apic->vcpu->requests);
	mica_timer_restore(apic, state->timer_deadline, state->regs[APIC_TMCCT >> 4]);
	mica_vcpu_request(apic->vcpu, MICA_REQ_EVENT);
	return 0;
}
