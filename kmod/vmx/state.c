// SPDX-License-Identifier: GPL-2.0-only
/* The part of the vCPU's state that is in the VMCS; values were checked one by one. */
#include "vmcs.h"

#include "mode.h"

/* ------------------------------------------------------------ control registers */

u64 vmx_get_cr0(const struct vmx_vcpu *vmx)
{
	u64 mask = vmx_cr0_mask();

	return (vmx_read(GUEST_CR0) & ~mask) | (vmx_read(CR0_READ_SHADOW) & mask);
}

u64 vmx_get_cr4(struct mica_vcpu *vcpu)
{
	u64 mask = to_vmx(vcpu)->cr4_mask;

	return (vmx_read(GUEST_CR4) & ~mask) | (vmx_read(CR4_READ_SHADOW) & mask);
}

void vmx_set_cr0(struct vmx_vcpu *vmx, u64 value)
{
	vmx_write(CR0_READ_SHADOW, value);
	vmx_write(GUEST_CR0, (value & ~(u64)(X86_CR0_CD | X86_CR0_NW)) | vmx_caps.cr0_fixed);
}

/*
 * The guest owns what its CPUID allows, but for VMXE, which is set whatever it sees, and
 * MCE: a machine check is the host's.
 */
void vmx_set_cr4(struct mica_vcpu *vcpu, u64 value)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	u64 mce = native_read_cr4() & X86_CR4_MCE;

	vmx->cr4_mask = vcpu->features.cr4_reserved | X86_CR4_MCE | vmx_caps.cr4_fixed |
			VMX_CR4_TOLD;
	vmx_write(CR4_GUEST_HOST_MASK, vmx->cr4_mask);
	vmx_write(CR4_READ_SHADOW, value);
	vmx_write(GUEST_CR4, (value & ~(u64)X86_CR4_MCE) | mce | vmx_caps.cr4_fixed);
	mica_fpu_update(vcpu);
}

/* "IA-32e mode guest" and LMA are one thing: "Checks on Guest Control Registers". */
void vmx_set_efer(struct vmx_vcpu *vmx, u64 value)
{
	u32 entry = vmx_caps.entry;

	if (value & EFER_LMA)
		entry |= VM_ENTRY_IA32E_MODE;
	vmx_write(VM_ENTRY_CONTROLS, entry);
	vmx_write(GUEST_IA32_EFER, value);
	vmx->pending |= VMX_PENDING_FLUSH_VPID;
}

void vmx_dr7_changed(struct mica_vcpu *vcpu)
{
	to_vmx(vcpu)->pending |= VMX_PENDING_DRS;
	vmx_write(GUEST_DR7, vcpu->dr7);
}

void vmx_get_mode(struct mica_vcpu *vcpu, struct mica_mode *mode)
{
	mode->cr0 = vmx_get_cr0(to_vmx(vcpu));
	mode->cr3 = vmx_read(GUEST_CR3);
	mode->cr4 = vmx_get_cr4(vcpu);
	mode->efer = vmx_read(GUEST_IA32_EFER);
	mode->cs_l = vmx_read(GUEST_CS_AR_BYTES) & VMX_AR_L_MASK;
}

/* ------------------------------------------------------------ segments */

static const struct segment_row {
	u16 offset;			/* in struct mica_state_segs */
	u16 selector, limit, attr, base;	/* fields; 0: GDTR and IDTR have none */
} segment_rows[] = {
#define ROW(name, NAME) \
	{ offsetof(struct mica_state_segs, name), GUEST_##NAME##_SELECTOR, \
	  GUEST_##NAME##_LIMIT, GUEST_##NAME##_AR_BYTES, GUEST_##NAME##_BASE }
	ROW(es, ES), ROW(cs, CS), ROW(ss, SS), ROW(ds, DS), ROW(fs, FS), ROW(gs, GS),
	ROW(ldtr, LDTR), ROW(tr, TR),
#undef ROW
	{ offsetof(struct mica_state_segs, gdtr), 0, GUEST_GDTR_LIMIT, 0, GUEST_GDTR_BASE },
	{ offsetof(struct mica_state_segs, idtr), 0, GUEST_IDTR_LIMIT, 0, GUEST_IDTR_BASE },
};

static_assert(ARRAY_SIZE(segment_rows) * sizeof(struct mica_segment) ==
	      sizeof(struct mica_state_segs));

#define ATTR_DEFINED	(~(u32)VMX_AR_RESERVD_MASK | MICA_SEG_UNUSABLE)

static void get_segment(const struct segment_row *row, struct mica_state_segs *segs)
{
	struct mica_segment *segment = (void *)segs + row->offset;

	memset(segment, 0, sizeof(*segment));
	segment->base = vmx_read(row->base);
	segment->limit = vmx_read(row->limit);
	if (!row->selector)
		return;
	segment->selector = vmx_read(row->selector);
	segment->attr = vmx_read(row->attr) & ATTR_DEFINED;
}

static void set_segment(const struct segment_row *row, const struct mica_state_segs *segs)
{
	const struct mica_segment *segment = (const void *)segs + row->offset;
	u32 attr = segment->attr & ATTR_DEFINED;

	vmx_write(row->base, segment->base);
	vmx_write(row->limit, segment->limit);
	if (!row->selector)
		return;
	/* A register that was loaded with a null selector: not present means unusable. */
	if (!(attr & VMX_AR_P_MASK))
		attr |= MICA_SEG_UNUSABLE;
	vmx_write(row->selector, segment->selector);
	vmx_write(row->attr, attr);
}

/* ------------------------------------------------------------ groups */

static void get_gprs(struct mica_vcpu *vcpu, struct mica_vcpu_state *state)
{
	state->gprs.rsp = vmx_read(GUEST_RSP);
	state->gprs.rip = vmx_read(GUEST_RIP);
	state->gprs.rflags = vmx_read(GUEST_RFLAGS);
}

static void set_gprs(struct mica_vcpu *vcpu, const struct mica_vcpu_state *state)
{
	vmx_write(GUEST_RSP, state->gprs.rsp);
	vmx_write(GUEST_RIP, state->gprs.rip);
	vmx_write(GUEST_RFLAGS, state->gprs.rflags);
}

static void get_segs(struct mica_vcpu *vcpu, struct mica_vcpu_state *state)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(segment_rows); i++)
		get_segment(&segment_rows[i], &state->segs);
}

static void set_segs(struct mica_vcpu *vcpu, const struct mica_vcpu_state *state)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(segment_rows); i++)
		set_segment(&segment_rows[i], &state->segs);
}

static void get_crs(struct mica_vcpu *vcpu, struct mica_vcpu_state *state)
{
	state->crs.cr0 = vmx_get_cr0(to_vmx(vcpu));
	state->crs.cr3 = vmx_read(GUEST_CR3);
	state->crs.cr4 = vmx_get_cr4(vcpu);
}

static void set_crs(struct mica_vcpu *vcpu, const struct mica_vcpu_state *state)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	vmx_set_cr0(vmx, state->crs.cr0);
	vmx_write(GUEST_CR3, state->crs.cr3);
	vmx_set_cr4(vcpu, state->crs.cr4);
	vmx->pending &= ~VMX_PENDING_PDPTES_READ;
	vmx->pending |= VMX_PENDING_PDPTES | VMX_PENDING_FLUSH_VPID;
}

static void set_drs(struct mica_vcpu *vcpu, const struct mica_vcpu_state *state)
{
	vmx_dr7_changed(vcpu);
}

/* All rows of the group that vmx_get_msr() knows. */
static const struct {
	u32 index;
	u16 offset;
} msr_rows[] = {
#define MICA_STATE_MSR(name, index, tag, check) \
	{ index, offsetof(struct mica_vcpu_state, msrs.name) },
#include "uapi/vcpu_state.def"
};

/* Often, for each access that user space decodes: without a search for each. */
static void get_msrs(struct mica_vcpu *vcpu, struct mica_vcpu_state *state)
{
	struct mica_state_msrs *msrs = &state->msrs;
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	msrs->sysenter_cs = vmx_read(GUEST_SYSENTER_CS);
	msrs->sysenter_esp = vmx_read(GUEST_SYSENTER_ESP);
	msrs->sysenter_eip = vmx_read(GUEST_SYSENTER_EIP);
	msrs->pat = vmx_read(GUEST_IA32_PAT);
	msrs->efer = vmx_read(GUEST_IA32_EFER);
	msrs->star = vmx->syscall[VMX_STAR];
	msrs->lstar = vmx->syscall[VMX_LSTAR];
	msrs->cstar = vmx->syscall[VMX_CSTAR];
	msrs->sfmask = vmx->syscall[VMX_SFMASK];
	msrs->kernel_gs_base = vmx_get_kernel_gs_base(vmx);
	msrs->tsc_aux = vmx->tsc_aux;
	/* The guest may have written it without an exit. */
	if (vmx->enter_flags & VMX_ENTER_SPEC_CTRL)
		vcpu->spec_ctrl = vmx->entry.guest_spec_ctrl;
}

static void set_msrs(struct mica_vcpu *vcpu, const struct mica_vcpu_state *state)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(msr_rows); i++)
		vmx_put_msr(vcpu, msr_rows[i].index,
			    *(const u64 *)((const void *)state + msr_rows[i].offset));
	vmx_spec_ctrl_used(vcpu);
}

static void get_events(struct mica_vcpu *vcpu, struct mica_vcpu_state *state)
{
	u32 info;

	/* An entry that was put off: state.c finds its event in the vCPU. */
	vmx_take_back_injection(vcpu);
	info = vmx_read(GUEST_INTERRUPTIBILITY_INFO);
	state->events.interrupt_shadow =
		(info & GUEST_INTR_STATE_STI ? MICA_SHADOW_STI : 0) |
		(info & GUEST_INTR_STATE_MOV_SS ? MICA_SHADOW_MOV_SS : 0);
	state->events.nmi_blocked = !!(info & GUEST_INTR_STATE_NMI);
	state->events.pending_debug = vmx_read(GUEST_PENDING_DBG_EXCEPTIONS);
}

static void set_events(struct mica_vcpu *vcpu, const struct mica_vcpu_state *state)
{
	u32 info = 0;

	if (state->events.interrupt_shadow & MICA_SHADOW_STI)
		info |= GUEST_INTR_STATE_STI;
	if (state->events.interrupt_shadow & MICA_SHADOW_MOV_SS)
		info |= GUEST_INTR_STATE_MOV_SS;
	if (state->events.nmi_blocked)
		info |= GUEST_INTR_STATE_NMI;
	vmx_write(GUEST_INTERRUPTIBILITY_INFO, info);
	vmx_write(GUEST_PENDING_DBG_EXCEPTIONS, state->events.pending_debug);
	/* What was to be injected is in the state, or is not wanted any more. */
	vmx_write(VM_ENTRY_INTR_INFO_FIELD, 0);
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

void vmx_get_state(struct mica_vcpu *vcpu, u64 wanted, struct mica_vcpu_state *state)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(groups); i++)
		if ((wanted & groups[i].group) && groups[i].get)
			groups[i].get(vcpu, state);
}

void vmx_set_state(struct mica_vcpu *vcpu, u64 given, const struct mica_vcpu_state *state)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(groups); i++)
		if (given & groups[i].group)
			groups[i].set(vcpu, state);
	if (IS_ENABLED(MICA_DEBUG))
		to_vmx(vcpu)->pending |= VMX_PENDING_CHECK;
}
