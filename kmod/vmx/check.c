// SPDX-License-Identifier: GPL-2.0-only
/* Reads the current VMCS's guest-state area for the rules of check_rules.c. */
#include "check.h"

#include "vmx/vmcs.h"

static const struct {
	u16 selector, base, limit, ar;
} segment_fields[VMX_SEGS] = {
#define SEGMENT(name) \
	[VMX_SEG_##name] = { GUEST_##name##_SELECTOR, GUEST_##name##_BASE, \
			     GUEST_##name##_LIMIT, GUEST_##name##_AR_BYTES }
	SEGMENT(ES), SEGMENT(CS), SEGMENT(SS), SEGMENT(DS), SEGMENT(FS), SEGMENT(GS),
	SEGMENT(LDTR), SEGMENT(TR),
#undef SEGMENT
};

static void read_segments(struct vmx_check_state *s)
{
	int i;

	for (i = 0; i < VMX_SEGS; i++) {
		s->seg[i].selector = vmx_read(segment_fields[i].selector);
		s->seg[i].base = vmx_read(segment_fields[i].base);
		s->seg[i].limit = vmx_read(segment_fields[i].limit);
		s->seg[i].ar = vmx_read(segment_fields[i].ar);
	}
	s->gdtr_base = vmx_read(GUEST_GDTR_BASE);
	s->gdtr_limit = vmx_read(GUEST_GDTR_LIMIT);
	s->idtr_base = vmx_read(GUEST_IDTR_BASE);
	s->idtr_limit = vmx_read(GUEST_IDTR_LIMIT);
}

/* SDM volume 3, "VMX-Fixed Bits in CR0", "... in CR4"; PE and PG are free. */
static void read_fixed_bits(struct vmx_check_state *s)
{
	rdmsrl(MSR_IA32_VMX_CR0_FIXED0, s->cr0_must);
	s->cr0_must &= ~(u64)(X86_CR0_PE | X86_CR0_PG);
	rdmsrl(MSR_IA32_VMX_CR0_FIXED1, s->cr0_may);
	rdmsrl(MSR_IA32_VMX_CR4_FIXED0, s->cr4_must);
	rdmsrl(MSR_IA32_VMX_CR4_FIXED1, s->cr4_may);
}

static void read_registers(struct vmx_check_state *s)
{
	s->cr0 = vmx_read(GUEST_CR0);
	s->cr3 = vmx_read(GUEST_CR3);
	s->cr4 = vmx_read(GUEST_CR4);
	s->dr7 = vmx_read(GUEST_DR7);
	s->efer = vmx_read(GUEST_IA32_EFER);
	s->pat = vmx_read(GUEST_IA32_PAT);
	s->debugctl = vmx_read(GUEST_IA32_DEBUGCTL);
	s->sysenter_esp = vmx_read(GUEST_SYSENTER_ESP);
	s->sysenter_eip = vmx_read(GUEST_SYSENTER_EIP);
	s->rip = vmx_read(GUEST_RIP);
	s->rflags = vmx_read(GUEST_RFLAGS);
	s->pdpte[0] = vmx_read(GUEST_PDPTR0);
	s->pdpte[1] = vmx_read(GUEST_PDPTR1);
	s->pdpte[2] = vmx_read(GUEST_PDPTR2);
	s->pdpte[3] = vmx_read(GUEST_PDPTR3);
}

static void read_rest(struct vmx_check_state *s)
{
	s->pending_debug = vmx_read(GUEST_PENDING_DBG_EXCEPTIONS);
	s->link_pointer = vmx_read(VMCS_LINK_POINTER);
	s->activity = vmx_read(GUEST_ACTIVITY_STATE);
	s->interruptibility = vmx_read(GUEST_INTERRUPTIBILITY_INFO);
	s->entry_info = vmx_read(VM_ENTRY_INTR_INFO_FIELD);
	s->long_mode = vmx_read(VM_ENTRY_CONTROLS) & VM_ENTRY_IA32E_MODE;
	s->virtual_nmis = vmx_caps.pin & PIN_BASED_VIRTUAL_NMIS;
	s->phys_bits = boot_cpu_data.x86_phys_bits;
	s->linear_bits = boot_cpu_has(X86_FEATURE_LA57) ? 57 : 48;
}

const char *vmx_check_guest_state(struct mica_vcpu *vcpu)
{
	struct vmx_check_state state;

	read_fixed_bits(&state);
	read_registers(&state);
	read_segments(&state);
	read_rest(&state);
	return vmx_check(&state);
}
