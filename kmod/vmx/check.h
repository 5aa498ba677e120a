/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The guest-state area as plain values, so that its checks can also run on a build machine.
 * Names and meanings are those of SDM volume 3, "Guest-State Area".
 */
#ifndef MICA_VMX_CHECK_H
#define MICA_VMX_CHECK_H

#include "compat.h"

enum { VMX_SEG_ES, VMX_SEG_CS, VMX_SEG_SS, VMX_SEG_DS, VMX_SEG_FS, VMX_SEG_GS, VMX_SEG_LDTR,
       VMX_SEG_TR, VMX_SEGS };

struct vmx_check_segment {
	u64 base;
	u32 limit, ar;
	u16 selector;
};

struct vmx_check_state {
	u64 cr0, cr3, cr4, dr7, efer, pat, debugctl;
	u64 cr0_must, cr0_may;		/* bits that VMX wants 1, bits that may be 1 */
	u64 cr4_must, cr4_may;
	u64 sysenter_esp, sysenter_eip;
	u64 gdtr_base, idtr_base;
	u32 gdtr_limit, idtr_limit;
	u64 rip, rflags;
	u64 pending_debug, link_pointer;
	u64 pdpte[4];
	u32 activity, interruptibility;
	u32 entry_info;			/* VM-entry interruption information */
	u8 phys_bits, linear_bits;	/* linear: 48 or 57 */
	bool long_mode;			/* the entry control "IA-32e mode guest" */
	bool virtual_nmis;
	struct vmx_check_segment seg[VMX_SEGS];
};

/* NULL, or the name of the first field that the CPU would refuse.  An unrestricted guest
 * with EPT is assumed. */
const char *vmx_check(const struct vmx_check_state *state);

#endif
