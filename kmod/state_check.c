// SPDX-License-Identifier: GPL-2.0-only
/*
 * Is a state possible at all?  One function per kind of register named in vcpu_state.def;
 * combinations are the business of the VM entry and of the backend's own checks.
 */
#include "state.h"
#include "vcpu.h"
#include "xsave.h"

#define RFLAGS_RESERVED		(~0x3f7fd7ull)	/* SDM volume 1, "EFLAGS Register": bits that are 0 */
#define CR0_DEFINED		(X86_CR0_PE | X86_CR0_MP | X86_CR0_EM | X86_CR0_TS | X86_CR0_ET | \
				 X86_CR0_NE | X86_CR0_WP | X86_CR0_AM | X86_CR0_NW | X86_CR0_CD | \
				 X86_CR0_PG)
#define EFER_DEFINED		(EFER_SCE | EFER_LME | EFER_LMA | EFER_NX | EFER_FFXSR)

typedef bool (*check_fn)(const struct mica_vcpu *vcpu, u64 value);

#define check_ANY	NULL

static bool check_LOW32(const struct mica_vcpu *vcpu, u64 value)
{
	return value == (u32)value;
}

/* Canonical for the widest linear address that a guest can have (57 bits). */
static bool check_CANON(const struct mica_vcpu *vcpu, u64 value)
{
	return (u64)((s64)(value << 7) >> 7) == value;
}

static bool check_RFLAGS(const struct mica_vcpu *vcpu, u64 value)
{
	return (value & X86_EFLAGS_FIXED) && !(value & RFLAGS_RESERVED);
}

static bool check_CR0(const struct mica_vcpu *vcpu, u64 value)
{
	if (value & ~(u64)CR0_DEFINED)
		return false;
	if ((value & X86_CR0_PG) && !(value & X86_CR0_PE))
		return false;
	return !(value & X86_CR0_NW) || (value & X86_CR0_CD);
}

static bool check_CR4(const struct mica_vcpu *vcpu, u64 value)
{
	return !(value & vcpu->features.cr4_reserved);
}

static bool check_CR8(const struct mica_vcpu *vcpu, u64 value)
{
	return value < 16;
}

static bool check_XCR0(const struct mica_vcpu *vcpu, u64 value)
{
	return mica_xcr0_valid(value) && !(value & ~(vcpu->features.xcr0 | XFEATURE_MASK_FP));
}

static bool check_XSS(const struct mica_vcpu *vcpu, u64 value)
{
	return !(value & ~mica_backend->xss);
}

/* Reserved bits would fault in the host, which loads the register for the guest. */
static bool check_SPEC_CTRL(const struct mica_vcpu *vcpu, u64 value)
{
	return !(value & ~vcpu->features.spec_ctrl_bits);
}

static bool check_DR6(const struct mica_vcpu *vcpu, u64 value)
{
	return check_LOW32(vcpu, value);
}

static bool check_DR7(const struct mica_vcpu *vcpu, u64 value)
{
	return check_LOW32(vcpu, value);
}

static bool check_EFER(const struct mica_vcpu *vcpu, u64 value)
{
	return !(value & ~(u64)EFER_DEFINED);
}

/* SDM volume 3, "IA32_PAT MSR": eight memory types, each one of 0, 1, 4, 5, 6, 7. */
static bool check_PAT(const struct mica_vcpu *vcpu, u64 value)
{
	int i;

	for (i = 0; i < 8; i++, value >>= 8)
		if (!(BIT(value & 7) & 0xf3) || (value & 0xf8))
			return false;
	return true;
}

static bool check_APICBASE(const struct mica_vcpu *vcpu, u64 value)
{
	bool x2 = value & X2APIC_ENABLE;
	bool on = value & MSR_IA32_APICBASE_ENABLE;
	u64 known = MSR_IA32_APICBASE_BSP | X2APIC_ENABLE | MSR_IA32_APICBASE_ENABLE;

	return (value & ~known) == APIC_DEFAULT_PHYS_BASE && (!x2 || on);
}

static const struct check_row {
	u16 offset;
	u64 group;
	check_fn check;
	const char *name;
} checks[] = {
#define ROW(GROUP, group, name, check) \
	{ offsetof(struct mica_vcpu_state, group.name), MICA_STATE_##GROUP, check_##check, #name },
#define check_FIELD check_ANY	/* ranges of the EVENTS group are in check_events() */
#define MICA_STATE_GPR(name, tag, check)	ROW(GPRS, gprs, name, check)
#define MICA_STATE_CR(name, tag, check)		ROW(CRS, crs, name, check)
#define MICA_STATE_DR(name, tag, check)		ROW(DRS, drs, name, check)
#define MICA_STATE_MSR(name, index, tag, check)	ROW(MSRS, msrs, name, check)
#define MICA_STATE_EVENT(name, tag, check)	ROW(EVENTS, events, name, check)
#include "uapi/vcpu_state.def"
#undef ROW
#undef check_FIELD
};

static bool segment_ok(const struct mica_segment *seg, bool table)
{
	if (seg->pad[0] || seg->pad[1] || seg->pad[2])
		return false;
	if (table)
		return !seg->attr && !seg->selector && seg->limit <= 0xffff;
	return !(seg->attr & ~(MICA_SEG_UNUSABLE | 0xf0ff));
}

static const char *check_segments(const struct mica_state_segs *segs)
{
#define MICA_STATE_SEG(name, tag) \
	if (!segment_ok(&segs->name, &segs->name == &segs->gdtr || &segs->name == &segs->idtr)) \
		return #name;
#include "uapi/vcpu_state.def"
	return NULL;
}

static bool event_ok(u64 event, bool exception_only)
{
	u64 type = event & MICA_EVENT_TYPE;
	u8 vector = event;

	if (!event)
		return true;
	if (!(event & MICA_EVENT_VALID) ||
	    (event & ~(u64)(MICA_EVENT_VECTOR | MICA_EVENT_TYPE | MICA_EVENT_HAS_ERROR |
			    MICA_EVENT_VALID)))
		return false;
	if (type == MICA_EVENT_EXCEPTION)
		return vector < 32 && vector != X86_TRAP_NMI;
	if (exception_only || (event & MICA_EVENT_HAS_ERROR))
		return false;
	return type != (1u << 8) && type != (7u << 8) &&
	       (type != MICA_EVENT_NMI || vector == X86_TRAP_NMI);
}

static const char *check_events(const struct mica_state_events *events)
{
	if (events->mp_state > MICA_MP_SHUTDOWN)
		return "mp_state";
	if (!event_ok(events->exception, true))
		return "exception";
	if (!event_ok(events->injecting, false))
		return "injecting";
	if (events->injecting_length > 15)
		return "injecting_length";
	if (events->interrupt_shadow > (MICA_SHADOW_STI | MICA_SHADOW_MOV_SS))
		return "interrupt_shadow";
	if (events->nmi_pending > 2)
		return "nmi_pending";
	if (events->nmi_blocked > 1)
		return "nmi_blocked";
	if (events->init_pending > 1)
		return "init_pending";
	if (events->sipi_vector > MICA_SIPI_NONE)
		return "sipi_vector";
	return NULL;
}

const char *mica_state_check(struct mica_vcpu *vcpu, u64 groups,
			     const struct mica_vcpu_state *state)
{
	const char *bad = NULL;
	unsigned int i;
	u64 value;

	for (i = 0; i < ARRAY_SIZE(checks); i++) {
		if (!(groups & checks[i].group) || !checks[i].check)
			continue;
		memcpy(&value, (const u8 *)state + checks[i].offset, sizeof(value));
		if (!checks[i].check(vcpu, value))
			return checks[i].name;
	}
	if (groups & MICA_STATE_SEGS)
		bad = check_segments(&state->segs);
	if (!bad && (groups & MICA_STATE_EVENTS))
		bad = check_events(&state->events);
	return bad;
}
