// SPDX-License-Identifier: GPL-2.0-only
/*
 * SDM volume 3, "Checks on the Guest State Area", one function per subsection, for an
 * unrestricted guest with EPT.  No hardware is touched here.
 */
#include "check.h"

#define SEG_TYPE		0xfu
#define SEG_S		BIT(4)
#define SEG_DPL(ar)	((ar) >> 5 & 3)
#define SEG_P		BIT(7)
#define SEG_RESERVED	(0xf00u | ~0x1ffffu)
#define SEG_L		BIT(13)
#define SEG_DB		BIT(14)
#define SEG_G		BIT(15)
#define SEG_UNUSABLE	BIT(16)
#define SEG_VM86		0xf3u

#define ENTRY_TYPE(info)	((info) >> 8 & 7)
#define ENTRY_EXTERNAL		0
#define ENTRY_NMI		2

#define BLOCKED_STI	BIT(0)
#define BLOCKED_MOV_SS	BIT(1)
#define BLOCKED_SMI	BIT(2)
#define BLOCKED_NMI	BIT(3)

#define ACTIVITY_ACTIVE		0
#define ACTIVITY_HLT		1
#define ACTIVITY_SHUTDOWN	2
#define ACTIVITY_WAIT_SIPI	3

static bool canonical(const struct vmx_check_state *s, u64 address)
{
	int shift = 64 - s->linear_bits;

	return (u64)((s64)(address << shift) >> shift) == address;
}

static bool usable(const struct vmx_check_segment *seg)
{
	return !(seg->ar & SEG_UNUSABLE);
}

static bool vm86(const struct vmx_check_state *s)
{
	return s->rflags & X86_EFLAGS_VM;
}

/* ------------------------------------------------------------ control registers, MSRs */

static bool pat_ok(u64 pat)
{
	int i;

	for (i = 0; i < 8; i++, pat >>= 8)
		if ((pat & 0xf8) || !(BIT(pat & 7) & 0xf3))
			return false;
	return true;
}

static const char *check_efer(const struct vmx_check_state *s)
{
	bool lma = s->efer & EFER_LMA, lme = s->efer & EFER_LME;

	if (s->efer & ~(u64)(EFER_SCE | EFER_LME | EFER_LMA | EFER_NX))
		return "EFER: reserved bits";
	if (lma != s->long_mode)
		return "EFER.LMA: not as the IA-32e mode guest control";
	if ((s->cr0 & X86_CR0_PG) && lma != lme)
		return "EFER.LME: not as LMA while paging is on";
	return NULL;
}

static const char *check_control(const struct vmx_check_state *s)
{
	if ((s->cr0 & s->cr0_must) != s->cr0_must || (s->cr0 & ~s->cr0_may))
		return "CR0: fixed bits";
	if ((s->cr0 & X86_CR0_PG) && !(s->cr0 & X86_CR0_PE))
		return "CR0: PG without PE";
	if ((s->cr4 & s->cr4_must) != s->cr4_must || (s->cr4 & ~s->cr4_may))
		return "CR4: fixed bits";
	if (s->long_mode && !(s->cr0 & X86_CR0_PG))
		return "CR0.PG: clear in an IA-32e mode guest";
	if (s->long_mode && !(s->cr4 & X86_CR4_PAE))
		return "CR4.PAE: clear in an IA-32e mode guest";
	if (!s->long_mode && (s->cr4 & X86_CR4_PCIDE))
		return "CR4.PCIDE: set outside IA-32e mode";
	if (s->cr3 >> s->phys_bits)
		return "CR3: beyond the physical-address width";
	if (s->dr7 >> 32)
		return "DR7: bits 63:32";
	if (s->debugctl & ~0xffc3ull)
		return "DEBUGCTL: reserved bits";
	if (!canonical(s, s->sysenter_esp))
		return "SYSENTER_ESP: not canonical";
	if (!canonical(s, s->sysenter_eip))
		return "SYSENTER_EIP: not canonical";
	if (!pat_ok(s->pat))
		return "PAT: memory type";
	return check_efer(s);
}

/* ------------------------------------------------------------ segments */

static bool granularity_ok(const struct vmx_check_segment *seg)
{
	bool g = seg->ar & SEG_G;

	return !(g && (seg->limit & 0xfff) != 0xfff) && !(!g && (seg->limit >> 20));
}

static bool vm86_segment_ok(const struct vmx_check_segment *seg)
{
	return seg->base == (u64)seg->selector << 4 && seg->limit == 0xffff && seg->ar == SEG_VM86;
}

static const char *check_vm86(const struct vmx_check_state *s)
{
	static const char *const names[] = { "ES", "CS", "SS", "DS", "FS", "GS" };
	int i;

	for (i = VMX_SEG_ES; i <= VMX_SEG_GS; i++)
		if (!vm86_segment_ok(&s->seg[i]))
			return names[i];
	return NULL;
}

static const char *check_cs(const struct vmx_check_state *s)
{
	const struct vmx_check_segment *cs = &s->seg[VMX_SEG_CS];
	u32 type = cs->ar & SEG_TYPE, dpl = SEG_DPL(cs->ar), ss_dpl = SEG_DPL(s->seg[VMX_SEG_SS].ar);

	if (cs->base >> 32)
		return "CS: base bits 63:32";
	if (type != 3 && !((type & 9) == 9))
		return "CS: type";
	if (!(cs->ar & SEG_S) || !(cs->ar & SEG_P) || (cs->ar & SEG_RESERVED))
		return "CS: access rights";
	if ((type == 3 && dpl) || ((type == 9 || type == 11) && dpl != ss_dpl) ||
	    (type >= 13 && dpl > ss_dpl))
		return "CS: DPL";
	if (s->long_mode && (cs->ar & SEG_L) && (cs->ar & SEG_DB))
		return "CS: L and D together";
	return granularity_ok(cs) ? NULL : "CS: granularity";
}

static const char *check_ss(const struct vmx_check_state *s)
{
	const struct vmx_check_segment *ss = &s->seg[VMX_SEG_SS];
	u32 type = ss->ar & SEG_TYPE;
	bool cs_is_data = (s->seg[VMX_SEG_CS].ar & SEG_TYPE) == 3;

	if ((cs_is_data || !(s->cr0 & X86_CR0_PE)) && SEG_DPL(ss->ar))
		return "SS: DPL";
	if (!usable(ss))
		return NULL;
	if (ss->base >> 32)
		return "SS: base bits 63:32";
	if (type != 3 && type != 7)
		return "SS: type";
	if (!(ss->ar & SEG_S) || !(ss->ar & SEG_P) || (ss->ar & SEG_RESERVED))
		return "SS: access rights";
	return granularity_ok(ss) ? NULL : "SS: granularity";
}

static bool data_segment_ok(const struct vmx_check_segment *seg)
{
	u32 type = seg->ar & SEG_TYPE;

	if (!usable(seg))
		return true;
	if (!(type & 1) || ((type & 8) && !(type & 2)))
		return false;
	return (seg->ar & SEG_S) && (seg->ar & SEG_P) && !(seg->ar & SEG_RESERVED) &&
	       granularity_ok(seg);
}

static const char *check_data(const struct vmx_check_state *s)
{
	const struct vmx_check_segment *seg = s->seg;

	if (!data_segment_ok(&seg[VMX_SEG_DS]) ||
	    (usable(&seg[VMX_SEG_DS]) && seg[VMX_SEG_DS].base >> 32))
		return "DS";
	if (!data_segment_ok(&seg[VMX_SEG_ES]) ||
	    (usable(&seg[VMX_SEG_ES]) && seg[VMX_SEG_ES].base >> 32))
		return "ES";
	if (!data_segment_ok(&seg[VMX_SEG_FS]))
		return "FS";
	return data_segment_ok(&seg[VMX_SEG_GS]) ? NULL : "GS";
}

static const char *check_tr(const struct vmx_check_state *s)
{
	const struct vmx_check_segment *tr = &s->seg[VMX_SEG_TR];
	u32 type = tr->ar & SEG_TYPE;

	if (tr->selector & 4)
		return "TR: selector TI";
	if (type != 11 && (s->long_mode || type != 3))
		return "TR: type";
	if ((tr->ar & SEG_S) || !(tr->ar & SEG_P) || (tr->ar & SEG_RESERVED) || !usable(tr))
		return "TR: access rights";
	if (!canonical(s, tr->base))
		return "TR: base not canonical";
	return granularity_ok(tr) ? NULL : "TR: granularity";
}

static const char *check_ldtr(const struct vmx_check_state *s)
{
	const struct vmx_check_segment *ldtr = &s->seg[VMX_SEG_LDTR];

	if (!usable(ldtr))
		return NULL;
	if (ldtr->selector & 4)
		return "LDTR: selector TI";
	if ((ldtr->ar & SEG_TYPE) != 2 || (ldtr->ar & SEG_S) || !(ldtr->ar & SEG_P) ||
	    (ldtr->ar & SEG_RESERVED))
		return "LDTR: access rights";
	if (!canonical(s, ldtr->base))
		return "LDTR: base not canonical";
	return granularity_ok(ldtr) ? NULL : "LDTR: granularity";
}

static const char *check_segments(const struct vmx_check_state *s)
{
	const char *bad;

	if (vm86(s)) {
		bad = check_vm86(s);
	} else {
		bad = check_cs(s);
		if (!bad)
			bad = check_ss(s);
		if (!bad)
			bad = check_data(s);
	}
	if (bad)
		return bad;
	if (!canonical(s, s->seg[VMX_SEG_FS].base) || !canonical(s, s->seg[VMX_SEG_GS].base))
		return "FS or GS: base not canonical";
	bad = check_tr(s);
	return bad ? : check_ldtr(s);
}

static const char *check_tables(const struct vmx_check_state *s)
{
	if (!canonical(s, s->gdtr_base) || s->gdtr_limit >> 16)
		return "GDTR";
	if (!canonical(s, s->idtr_base) || s->idtr_limit >> 16)
		return "IDTR";
	return NULL;
}

/* ------------------------------------------------------------ RIP, RFLAGS, non-register */

static bool entry_injects(const struct vmx_check_state *s, u32 type)
{
	return (s->entry_info & BIT(31)) && ENTRY_TYPE(s->entry_info) == type;
}

static const char *check_rip_rflags(const struct vmx_check_state *s)
{
	bool code64 = s->long_mode && (s->seg[VMX_SEG_CS].ar & SEG_L);

	if (code64 ? !canonical(s, s->rip) : s->rip >> 32 != 0)
		return "RIP";
	if ((s->rflags & ~0x3f7fd7ull) || !(s->rflags & X86_EFLAGS_FIXED))
		return "RFLAGS: reserved bits";
	if (vm86(s) && (s->long_mode || !(s->cr0 & X86_CR0_PE)))
		return "RFLAGS.VM";
	if (entry_injects(s, ENTRY_EXTERNAL) && !(s->rflags & X86_EFLAGS_IF))
		return "RFLAGS.IF: clear while an interrupt is injected";
	return NULL;
}

static const char *check_interruptibility(const struct vmx_check_state *s)
{
	u32 blocked = s->interruptibility;

	if (blocked & ~0x1fu)
		return "interruptibility: reserved bits";
	if ((blocked & BLOCKED_STI) && (blocked & BLOCKED_MOV_SS))
		return "interruptibility: STI and MOV SS together";
	if ((blocked & BLOCKED_STI) && !(s->rflags & X86_EFLAGS_IF))
		return "interruptibility: STI with RFLAGS.IF clear";
	if (blocked & BLOCKED_SMI)
		return "interruptibility: SMI";
	if (entry_injects(s, ENTRY_EXTERNAL) && (blocked & (BLOCKED_STI | BLOCKED_MOV_SS)))
		return "interruptibility: blocks the interrupt that is injected";
	if (entry_injects(s, ENTRY_NMI) && (blocked & (BLOCKED_STI | BLOCKED_MOV_SS)))
		return "interruptibility: blocks the NMI that is injected";
	if (s->virtual_nmis && entry_injects(s, ENTRY_NMI) && (blocked & BLOCKED_NMI))
		return "interruptibility: NMI blocking while an NMI is injected";
	return NULL;
}

static const char *check_activity(const struct vmx_check_state *s)
{
	if (s->activity > ACTIVITY_WAIT_SIPI)
		return "activity state";
	if (s->activity == ACTIVITY_HLT && SEG_DPL(s->seg[VMX_SEG_SS].ar))
		return "activity state: HLT with CPL above 0";
	if (s->activity != ACTIVITY_ACTIVE &&
	    (s->interruptibility & (BLOCKED_STI | BLOCKED_MOV_SS)))
		return "activity state: not active in an interrupt shadow";
	return NULL;
}

static const char *check_pending_debug(const struct vmx_check_state *s)
{
	bool shadow = (s->interruptibility & (BLOCKED_STI | BLOCKED_MOV_SS)) ||
		      s->activity == ACTIVITY_HLT;
	bool bs = s->pending_debug & BIT(14);
	bool step = (s->rflags & X86_EFLAGS_TF) && !(s->debugctl & DEBUGCTLMSR_BTF);

	if (s->pending_debug & ~0x1500full)
		return "pending debug exceptions: reserved bits";
	if (shadow && bs != step)
		return "pending debug exceptions: BS";
	return s->link_pointer == ~0ull ? NULL : "VMCS link pointer";
}

/* SDM volume 3, "PAE Paging": bits 2:1, 8:5 and those beyond the width are reserved. */
static const char *check_pdptes(const struct vmx_check_state *s)
{
	static const char *const names[] = { "PDPTE0", "PDPTE1", "PDPTE2", "PDPTE3" };
	u64 reserved = 0x1e6ull | (~0ull << s->phys_bits);
	int i;

	if (s->long_mode || !(s->cr0 & X86_CR0_PG) || !(s->cr4 & X86_CR4_PAE))
		return NULL;
	for (i = 0; i < 4; i++)
		if ((s->pdpte[i] & 1) && (s->pdpte[i] & reserved))
			return names[i];
	return NULL;
}

const char *vmx_check(const struct vmx_check_state *state)
{
	static const char *(*const checks[])(const struct vmx_check_state *s) = {
		check_control, check_rip_rflags, check_segments, check_tables,
		check_interruptibility, check_activity, check_pending_debug, check_pdptes,
	};
	const char *bad = NULL;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(checks) && !bad; i++)
		bad = checks[i](state);
	return bad;
}
