// SPDX-License-Identifier: GPL-2.0-only
/* The part of the vCPU's state that is in the VMCB; values were checked one by one. */
#include "vmcb.h"

#include "debug.h"

/* ------------------------------------------------------------ control registers */

u64 svm_get_cr4(struct mica_vcpu *vcpu)
{
	return to_svm(vcpu)->cr4;
}

/* MCE is set whatever the guest wants: a machine check is the host's, and would be a shutdown. */
void svm_set_cr4(struct mica_vcpu *vcpu, u64 value)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	u64 real = value | (native_read_cr4() & X86_CR4_MCE);

	svm->cr4 = value;
	svm_save(vcpu)->cr4 = real;
	svm_dirty(svm, SVM_CLEAN_CRX);
	svm_set_intercept(svm, INTERCEPT_CR4_READ, real != value);
	mica_fpu_update(vcpu);
}

void svm_set_efer(struct svm_vcpu *svm, u64 value)
{
	svm->vmcb->save.efer = value | EFER_SVME;
	svm_dirty(svm, SVM_CLEAN_CRX);
	svm->pending |= SVM_PENDING_FLUSH;
}

void svm_get_mode(struct mica_vcpu *vcpu, struct mica_mode *mode)
{
	const struct vmcb_save_area *save = svm_save(vcpu);

	mode->cr0 = save->cr0;
	mode->cr3 = save->cr3;
	mode->cr4 = to_svm(vcpu)->cr4;
	mode->efer = save->efer & ~(u64)EFER_SVME;
	mode->cs_l = save->cs.attrib & SVM_ATTR_L;
}

void svm_dr7_changed(struct mica_vcpu *vcpu)
{
	svm_save(vcpu)->dr7 = vcpu->dr7;
	svm_dirty(to_svm(vcpu), SVM_CLEAN_DRX);
	to_svm(vcpu)->pending |= SVM_PENDING_DRS;
}

/* ------------------------------------------------------------ segments */

#define DPL_SHIFT	5
#define TSS_BUSY	2		/* of a TSS descriptor's type */
#define MICA_SEG_G	BIT(15)
#define ATTR_BITS	0xf0ffu		/* of struct mica_segment, as in a descriptor */

static const struct segment_row {
	u16 offset;			/* in struct mica_state_segs */
	u16 vmcb;			/* in struct vmcb_save_area */
	bool table;			/* GDTR or IDTR: base and limit only */
	u8 always;			/* attributes that are set, though SVM need not keep them */
} segment_rows[] = {
#define ROW(name) \
	{ offsetof(struct mica_state_segs, name), offsetof(struct vmcb_save_area, name), false }
	ROW(es), ROW(cs), ROW(ss), ROW(ds), ROW(fs), ROW(gs), ROW(ldtr),
#undef ROW
	{ offsetof(struct mica_state_segs, tr), offsetof(struct vmcb_save_area, tr), false,
	  TSS_BUSY },
	{ offsetof(struct mica_state_segs, gdtr), offsetof(struct vmcb_save_area, gdtr), true },
	{ offsetof(struct mica_state_segs, idtr), offsetof(struct vmcb_save_area, idtr), true },
};

static_assert(ARRAY_SIZE(segment_rows) * sizeof(struct mica_segment) ==
	      sizeof(struct mica_state_segs));

/* Bits 11:8 of the VMCB's form are bits 15:12 of a descriptor's. */
static u32 unpack_attr(u16 attr)
{
	u32 flags = (attr & 0xff) | (u32)(attr & 0xf00) << 4;

	return attr & SVM_ATTR_P ? flags : flags | MICA_SEG_UNUSABLE;
}

static u16 pack_attr(u32 attr)
{
	attr &= attr & MICA_SEG_UNUSABLE ? ATTR_BITS & ~SVM_ATTR_P : ATTR_BITS;
	return (attr & 0xff) | (attr >> 4 & 0xf00);
}

static void get_segment(struct mica_vcpu *vcpu, const struct segment_row *row,
			struct mica_state_segs *segs)
{
	const struct vmcb_seg *from = (void *)svm_save(vcpu) + row->vmcb;
	struct mica_segment *segment = (void *)segs + row->offset;

	memset(segment, 0, sizeof(*segment));
	segment->base = from->base;
	segment->limit = from->limit;
	if (row->table)
		return;
	segment->selector = from->selector;
	segment->attr = unpack_attr(from->attrib) | row->always;
	/* CPUs were seen to lose the granularity of CS. */
	if (from->limit > 0xfffff)
		segment->attr |= MICA_SEG_G;
}

static void set_segment(struct mica_vcpu *vcpu, const struct segment_row *row,
			const struct mica_state_segs *segs)
{
	const struct mica_segment *segment = (const void *)segs + row->offset;
	struct vmcb_seg *to = (void *)svm_save(vcpu) + row->vmcb;

	to->base = segment->base;
	to->limit = segment->limit;
	if (row->table)
		return;
	to->selector = segment->selector;
	to->attrib = pack_attr(segment->attr);
}

/* The privilege level is a field of its own here, and SS.DPL in the state. */
static void get_segs(struct mica_vcpu *vcpu, struct mica_vcpu_state *state)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(segment_rows); i++)
		get_segment(vcpu, &segment_rows[i], &state->segs);
	state->segs.ss.attr &= ~(3u << DPL_SHIFT);
	state->segs.ss.attr |= (u32)svm_save(vcpu)->cpl << DPL_SHIFT;
}

static void set_segs(struct mica_vcpu *vcpu, const struct mica_vcpu_state *state)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(segment_rows); i++)
		set_segment(vcpu, &segment_rows[i], &state->segs);
	svm_save(vcpu)->cpl = state->segs.ss.attr >> DPL_SHIFT & 3;
	svm_dirty(to_svm(vcpu), SVM_CLEAN_SEG | SVM_CLEAN_DT);
}

/* ------------------------------------------------------------ groups */

static void get_gprs(struct mica_vcpu *vcpu, struct mica_vcpu_state *state)
{
	state->gprs.rsp = svm_save(vcpu)->rsp;
	state->gprs.rip = svm_save(vcpu)->rip;
	state->gprs.rflags = svm_get_rflags(vcpu);
}

/* Elsewhere now, so an IRET that was about to run is not any more. */
static void set_gprs(struct mica_vcpu *vcpu, const struct mica_vcpu_state *state)
{
	svm_set_nmi_blocked(to_svm(vcpu), to_svm(vcpu)->nmi_blocked);
	svm_save(vcpu)->rsp = state->gprs.rsp;
	svm_save(vcpu)->rip = state->gprs.rip;
	svm_save(vcpu)->rflags = state->gprs.rflags;
}

static void get_crs(struct mica_vcpu *vcpu, struct mica_vcpu_state *state)
{
	state->crs.cr0 = svm_save(vcpu)->cr0;
	state->crs.cr3 = svm_save(vcpu)->cr3;
	state->crs.cr4 = to_svm(vcpu)->cr4;
}

static void set_crs(struct mica_vcpu *vcpu, const struct mica_vcpu_state *state)
{
	svm_save(vcpu)->cr0 = state->crs.cr0;
	svm_save(vcpu)->cr3 = state->crs.cr3;
	svm_set_cr4(vcpu, state->crs.cr4);
	to_svm(vcpu)->pending |= SVM_PENDING_FLUSH;
}

static void set_drs(struct mica_vcpu *vcpu, const struct mica_vcpu_state *state)
{
	svm_dr7_changed(vcpu);
}

/* All rows of the group that svm_get_msr() knows. */
static const struct {
	u32 index;
	u16 offset;
} msr_rows[] = {
#define MICA_STATE_MSR(name, index, tag, check) \
	{ index, offsetof(struct mica_vcpu_state, msrs.name) },
#include "uapi/vcpu_state.def"
};

static void get_msrs(struct mica_vcpu *vcpu, struct mica_vcpu_state *state)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(msr_rows); i++)
		svm_get_msr(vcpu, msr_rows[i].index, (void *)state + msr_rows[i].offset);
	svm_read_spec_ctrl(vcpu);
}

static void set_msrs(struct mica_vcpu *vcpu, const struct mica_vcpu_state *state)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(msr_rows); i++)
		svm_put_msr(vcpu, msr_rows[i].index,
			    *(const u64 *)((const void *)state + msr_rows[i].offset));
	svm_spec_ctrl_used(vcpu);
}

/* "Interrupt Shadows": which of the two kinds it is SVM does not say. */
static void get_events(struct mica_vcpu *vcpu, struct mica_vcpu_state *state)
{
	/* An entry that was put off: state.c finds its event in the vCPU. */
	svm_take_back_injection(vcpu);
	state->events.interrupt_shadow =
		svm_control(vcpu)->int_state & SVM_INTERRUPT_SHADOW_MASK ? MICA_SHADOW_STI : 0;
	state->events.nmi_blocked = to_svm(vcpu)->nmi_blocked;
	state->events.pending_debug = 0;
}

static void set_events(struct mica_vcpu *vcpu, const struct mica_vcpu_state *state)
{
	svm_control(vcpu)->int_state = state->events.interrupt_shadow ? SVM_INTERRUPT_SHADOW_MASK : 0;
	svm_set_nmi_blocked(to_svm(vcpu), state->events.nmi_blocked);
	/* What was to be injected is in the state, or is not wanted any more. */
	svm_control(vcpu)->event_inj = 0;
	if (state->events.pending_debug & (DR_TRAP_BITS | DR_STEP))
		mica_queue_debug(vcpu, state->events.pending_debug);
}

static const struct {
	u64 group;
	void (*get)(struct mica_vcpu *vcpu, struct mica_vcpu_state *state);
	void (*set)(struct mica_vcpu *vcpu, const struct mica_vcpu_state *state);
} groups[] = {
	{ MICA_STATE_GPRS, get_gprs, set_gprs },
	{ MICA_STATE_SEGS, get_segs, set_segs },
	{ MICA_STATE_CRS, get_crs, set_crs },
	{ MICA_STATE_DRS, NULL, set_drs },
	{ MICA_STATE_MSRS, get_msrs, set_msrs },
	{ MICA_STATE_EVENTS, get_events, set_events },
};

void svm_get_state(struct mica_vcpu *vcpu, u64 wanted, struct mica_vcpu_state *state)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(groups); i++)
		if ((wanted & groups[i].group) && groups[i].get)
			groups[i].get(vcpu, state);
}

/* VMRUN does not say what it makes of an LMA that is not (LME and PG). */
static void set_lma(struct mica_vcpu *vcpu)
{
	const struct vmcb_save_area *save = svm_save(vcpu);
	bool lma = (save->efer & EFER_LME) && (save->cr0 & X86_CR0_PG);

	svm_set_efer(to_svm(vcpu), lma ? save->efer | EFER_LMA : save->efer & ~(u64)EFER_LMA);
}

void svm_set_state(struct mica_vcpu *vcpu, u64 given, const struct mica_vcpu_state *state)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(groups); i++)
		if (given & groups[i].group)
			groups[i].set(vcpu, state);
	if (given & (MICA_STATE_CRS | MICA_STATE_MSRS))
		set_lma(vcpu);
	if (IS_ENABLED(MICA_DEBUG))
		to_svm(vcpu)->pending |= SVM_PENDING_CHECK;
}
