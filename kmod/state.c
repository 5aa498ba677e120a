// SPDX-License-Identifier: GPL-2.0-only
/* Get, set and reset of the state in vcpu_state.def: see state.h. */
#include "state.h"

#include "vcpu.h"

/* ------------------------------------------------------------ get */

static void get_gprs(struct mica_vcpu *vcpu, struct mica_vcpu_state *state)
{
	u64 rsp = state->gprs.rsp;	/* the backend has it */

	memcpy(&state->gprs, vcpu->gprs, sizeof(vcpu->gprs));
	state->gprs.rsp = rsp;
}

static void get_crs(struct mica_vcpu *vcpu, struct mica_vcpu_state *state)
{
	state->crs.cr2 = vcpu->cr2;
	state->crs.cr8 = mica_apic_get_cr8(&vcpu->apic);
	state->crs.xcr0 = vcpu->xcr0;
}

static void get_drs(struct mica_vcpu *vcpu, struct mica_vcpu_state *state)
{
	state->drs.dr0 = vcpu->dr[0];
	state->drs.dr1 = vcpu->dr[1];
	state->drs.dr2 = vcpu->dr[2];
	state->drs.dr3 = vcpu->dr[3];
	state->drs.dr6 = vcpu->dr6;
	state->drs.dr7 = vcpu->dr7;
}

static void get_msrs(struct mica_vcpu *vcpu, struct mica_vcpu_state *state)
{
	struct mica_state_msrs *msrs = &state->msrs;

	msrs->tsc = mica_vcpu_tsc(vcpu);
	msrs->apic_base = vcpu->apic.base;
	msrs->tsc_adjust = vcpu->tsc_adjust;
	msrs->spec_ctrl = vcpu->spec_ctrl;
	msrs->misc_enable = vcpu->misc_enable;
	msrs->mtrr_def_type = vcpu->mtrr_def_type;
	msrs->xss = vcpu->xss;
	mica_apic_msr_read(&vcpu->apic, MSR_IA32_TSC_DEADLINE, &msrs->tsc_deadline);
}

static void get_events(struct mica_vcpu *vcpu, struct mica_vcpu_state *state)
{
	struct mica_state_events *events = &state->events;

	events->mp_state = vcpu->mp_state;
	events->exception = vcpu->exception;
	events->exception_error = vcpu->exception_error;
	events->injecting = vcpu->injecting;
	events->injecting_error = vcpu->injecting_error;
	events->injecting_length = vcpu->injecting_length;
	events->nmi_pending = atomic_read(&vcpu->nmi_pending);
	events->init_pending = test_bit(MICA_REQ_INIT, &vcpu->requests);
	events->sipi_vector = READ_ONCE(vcpu->sipi_vector);
}

/* ------------------------------------------------------------ set */

static void set_gprs(struct mica_vcpu *vcpu, const struct mica_vcpu_state *state)
{
	memcpy(vcpu->gprs, &state->gprs, sizeof(vcpu->gprs));
}

static void set_crs(struct mica_vcpu *vcpu, const struct mica_vcpu_state *state)
{
	vcpu->cr2 = state->crs.cr2;
	vcpu->xcr0 = state->crs.xcr0;
	mica_apic_set_cr8(&vcpu->apic, state->crs.cr8);
}

static void set_drs(struct mica_vcpu *vcpu, const struct mica_vcpu_state *state)
{
	vcpu->dr[0] = state->drs.dr0;
	vcpu->dr[1] = state->drs.dr1;
	vcpu->dr[2] = state->drs.dr2;
	vcpu->dr[3] = state->drs.dr3;
	vcpu->dr6 = state->drs.dr6;
	vcpu->dr7 = state->drs.dr7;
}

static void set_msrs(struct mica_vcpu *vcpu, const struct mica_vcpu_state *state)
{
	const struct mica_state_msrs *msrs = &state->msrs;

	vcpu->tsc_offset = msrs->tsc - rdtsc();
	mica_backend->tsc_offset_changed(vcpu);
	vcpu->tsc_adjust = msrs->tsc_adjust;
	vcpu->spec_ctrl = msrs->spec_ctrl;
	vcpu->misc_enable = msrs->misc_enable;
	vcpu->mtrr_def_type = msrs->mtrr_def_type;
	vcpu->xss = msrs->xss;
	mica_apic_set_base(&vcpu->apic, msrs->apic_base, true);
	mica_timer_tsc_changed(vcpu);
	/* Without effect, as on a CPU, unless the timer is in TSC-deadline mode. */
	mica_apic_msr_write(&vcpu->apic, MSR_IA32_TSC_DEADLINE, msrs->tsc_deadline);
}

/* In place of a vector: an INIT does not touch the SIPI that may already follow it.  User
 * space cannot give this value, its check refuses it. */
#define SIPI_KEEP	(MICA_SIPI_NONE + 1)

static void set_sipi(struct mica_vcpu *vcpu, u64 vector)
{
	if (vector == SIPI_KEEP)
		return;
	WRITE_ONCE(vcpu->sipi_vector, vector);
	if (vector != MICA_SIPI_NONE)
		mica_vcpu_request(vcpu, MICA_REQ_SIPI);
}

static void set_events(struct mica_vcpu *vcpu, const struct mica_vcpu_state *state)
{
	const struct mica_state_events *events = &state->events;

	vcpu->mp_state = events->mp_state;
	vcpu->exception = events->exception;
	vcpu->exception_error = events->exception_error;
	vcpu->has_payload = false;
	vcpu->injecting = events->injecting;
	vcpu->injecting_error = events->injecting_error;
	vcpu->injecting_length = events->injecting_length;
	atomic_set(&vcpu->nmi_pending, events->nmi_pending);
	set_sipi(vcpu, events->sipi_vector);
	if (events->init_pending)
		mica_vcpu_request(vcpu, MICA_REQ_INIT);
	mica_vcpu_request(vcpu, MICA_REQ_EVENT);
}

/* ------------------------------------------------------------ all groups */

static const struct group_row {
	u64 group;
	void (*get)(struct mica_vcpu *vcpu, struct mica_vcpu_state *state);
	void (*set)(struct mica_vcpu *vcpu, const struct mica_vcpu_state *state);
} group_rows[] = {
	{ MICA_STATE_GPRS, get_gprs, set_gprs },
	{ MICA_STATE_CRS, get_crs, set_crs },
	{ MICA_STATE_DRS, get_drs, set_drs },
	{ MICA_STATE_MSRS, get_msrs, set_msrs },
	{ MICA_STATE_EVENTS, get_events, set_events },
};

void mica_state_get(struct mica_vcpu *vcpu, u64 groups, struct mica_vcpu_state *state)
{
	unsigned int i;

	/* No group has it: with the exception it is as good as delivered. */
	if (groups & (MICA_STATE_CRS | MICA_STATE_DRS | MICA_STATE_EVENTS))
		mica_event_apply_payload(vcpu);
	preempt_disable();
	mica_backend->get_state(vcpu, groups, state);
	for (i = 0; i < ARRAY_SIZE(group_rows); i++)
		if (groups & group_rows[i].group)
			group_rows[i].get(vcpu, state);
	preempt_enable();
}

static void set_all(struct mica_vcpu *vcpu, u64 groups, const struct mica_vcpu_state *state)
{
	unsigned int i;

	preempt_disable();
	for (i = 0; i < ARRAY_SIZE(group_rows); i++)
		if (groups & group_rows[i].group)
			group_rows[i].set(vcpu, state);
	mica_backend->set_state(vcpu, groups, state);
	preempt_enable();
}

const char *mica_state_set(struct mica_vcpu *vcpu, u64 groups,
			   const struct mica_vcpu_state *state)
{
	const char *bad;

	if (groups & ~(u64)MICA_STATE_ALL)
		return "groups";
	bad = mica_state_check(vcpu, groups, state);
	if (!bad)
		set_all(vcpu, groups, state);
	return bad;
}

/* ------------------------------------------------------------ reset */

static const struct mica_segment reset_data = { .limit = 0xffff, .attr = 0x93 };

/* SDM volume 3, "Processor State After Reset", the same after INIT. */
static void reset_segments(struct mica_state_segs *segs)
{
	segs->cs = (struct mica_segment){ .base = 0xffff0000, .limit = 0xffff, .attr = 0x9b,
					  .selector = 0xf000 };
	segs->ss = reset_data;
	segs->ds = reset_data;
	segs->es = reset_data;
	segs->fs = reset_data;
	segs->gs = reset_data;
	segs->ldtr = (struct mica_segment){ .limit = 0xffff, .attr = 0x82 };
	segs->tr = (struct mica_segment){ .limit = 0xffff, .attr = 0x8b };
	segs->gdtr.limit = 0xffff;
	segs->idtr.limit = 0xffff;
}

#define RESET_PAT	0x0007040600070406ull	/* SDM volume 3, "IA32_PAT MSR" */
#define MICA_DR7_RESET	0x400	/* SDM volume 3, "Debug Control Register (DR7)": bit 10 is 1 */

static void reset_msrs(struct mica_vcpu *vcpu, struct mica_state_msrs *msrs)
{
	u64 apic_base = vcpu->apic.base;
	u64 tsc = mica_vcpu_tsc(vcpu);

	memset(msrs, 0, sizeof(*msrs));
	msrs->apic_base = apic_base;
	msrs->tsc = tsc;
	msrs->pat = RESET_PAT;
	msrs->misc_enable = MSR_IA32_MISC_ENABLE_FAST_STRING;
}

void mica_state_reset(struct mica_vcpu *vcpu, bool init)
{
	struct mica_vcpu_state *state = &vcpu->scratch;
	u64 tsc_offset = vcpu->tsc_offset;
	u64 cr0, signature;

	mica_state_get(vcpu, MICA_STATE_ALL, state);
	cr0 = init ? state->crs.cr0 & (X86_CR0_CD | X86_CR0_NW) : X86_CR0_CD | X86_CR0_NW;
	signature = vcpu->cpuid ? mica_cpuid_signature(vcpu) : 0x600;
	memset(&state->gprs, 0, sizeof(state->gprs));
	memset(&state->segs, 0, sizeof(state->segs));
	memset(&state->drs, 0, sizeof(state->drs));
	memset(&state->events, 0, sizeof(state->events));
	state->gprs.rdx = signature;
	state->gprs.rip = 0xfff0;
	state->gprs.rflags = X86_EFLAGS_FIXED;
	reset_segments(&state->segs);
	state->crs = (struct mica_state_crs){ .cr0 = cr0 | X86_CR0_ET, .xcr0 = state->crs.xcr0 };
	state->drs.dr6 = DR6_RESERVED;
	state->drs.dr7 = MICA_DR7_RESET;
	if (!init) {
		state->crs.xcr0 = XFEATURE_MASK_FP;
		reset_msrs(vcpu, &state->msrs);
	}
	state->msrs.efer = 0;
	state->events.mp_state = vcpu->id ? MICA_MP_WAIT_SIPI : MICA_MP_RUNNABLE;
	state->events.sipi_vector = init ? SIPI_KEEP : MICA_SIPI_NONE;
	set_all(vcpu, MICA_STATE_ALL, state);
	/* Neither moves the TSC, which is the same on all vCPUs: not by one tick. */
	preempt_disable();
	vcpu->tsc_offset = tsc_offset;
	mica_backend->tsc_offset_changed(vcpu);
	mica_timer_tsc_changed(vcpu);
	preempt_enable();
}

void mica_state_sipi(struct mica_vcpu *vcpu, u8 vector)
{
	struct mica_vcpu_state *state = &vcpu->scratch;

	mica_state_get(vcpu, MICA_STATE_GPRS | MICA_STATE_SEGS, state);
	state->segs.cs.selector = vector << 8;
	state->segs.cs.base = (u64)vector << 12;
	state->gprs.rip = 0;
	set_all(vcpu, MICA_STATE_GPRS | MICA_STATE_SEGS, state);
	vcpu->mp_state = MICA_MP_RUNNABLE;
}
