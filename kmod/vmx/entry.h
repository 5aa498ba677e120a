/* SPDX-License-Identifier: GPL-2.0-only */
/* What entry.S and the C files agree on. */
#ifndef MICA_VMX_ENTRY_H
#define MICA_VMX_ENTRY_H

/* Bits of vmx_vcpu.enter_flags; the first is a bit number. */
#define VMX_ENTER_LAUNCHED_BIT	0	/* VMRESUME, else VMLAUNCH */
#define VMX_ENTER_LAUNCHED	0x1
#define VMX_ENTER_SPEC_CTRL	0x2	/* the guest has its own IA32_SPEC_CTRL */
#define VMX_ENTER_IBRS		0x4	/* the host's IBRS must be written again after an exit */

/* Offsets in struct vmx_entry. */
#define VMX_ENTRY_HOST_RSP		0
#define VMX_ENTRY_GUEST_SPEC_CTRL	8
#define VMX_ENTRY_HOST_SPEC_CTRL	16

#define VMX_FIELD_HOST_RSP	0x6c14	/* SDM volume 3, "Field Encoding in VMCS" */

#ifndef __ASSEMBLY__

#include "compat.h"

struct mica_vcpu;

struct vmx_entry {
	u64 host_rsp;			/* in the VMCS */
	u64 guest_spec_ctrl, host_spec_ctrl;
};

static_assert(offsetof(struct vmx_entry, host_rsp) == VMX_ENTRY_HOST_RSP);
static_assert(offsetof(struct vmx_entry, guest_spec_ctrl) == VMX_ENTRY_GUEST_SPEC_CTRL);
static_assert(offsetof(struct vmx_entry, host_spec_ctrl) == VMX_ENTRY_HOST_SPEC_CTRL);

/*
 * [I] One VM entry, with gprs[] at offset 0 of the vCPU.  0: the guest ran, or the entry
 * failed after the host's state was gone (see the exit reason); 1: VMfail, the guest's
 * registers are as they were.
 */
asmlinkage int vmx_entry_run(struct mica_vcpu *vcpu, struct vmx_entry *entry, u32 flags);
/* Where the CPU comes back: the VMCS's HOST_RIP; no function. */
asmlinkage void vmx_entry_exit(void);

#endif
#endif
