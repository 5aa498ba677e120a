/* SPDX-License-Identifier: GPL-2.0-only */
/* What entry.S and the C files agree on. */
#ifndef MICA_SVM_ENTRY_H
#define MICA_SVM_ENTRY_H

/* Bits of svm_vcpu.enter_flags. */
#define SVM_ENTER_SPEC_CTRL	0x1	/* the guest has its own IA32_SPEC_CTRL */
#define SVM_ENTER_IBRS		0x2	/* the host's IBRS must be written again after an exit */

/* Offsets in struct svm_entry. */
#define SVM_ENTRY_VMCB			0
#define SVM_ENTRY_HOST			8
#define SVM_ENTRY_GUEST_SPEC_CTRL	16
#define SVM_ENTRY_HOST_SPEC_CTRL	24

#ifndef __ASSEMBLY__

#include "compat.h"

struct mica_vcpu;

struct svm_entry {
	u64 vmcb;			/* physical address */
	u64 host;			/* of the area with the host's VMLOAD state, on this CPU */
	u64 guest_spec_ctrl, host_spec_ctrl;
};

static_assert(offsetof(struct svm_entry, vmcb) == SVM_ENTRY_VMCB);
static_assert(offsetof(struct svm_entry, host) == SVM_ENTRY_HOST);
static_assert(offsetof(struct svm_entry, guest_spec_ctrl) == SVM_ENTRY_GUEST_SPEC_CTRL);
static_assert(offsetof(struct svm_entry, host_spec_ctrl) == SVM_ENTRY_HOST_SPEC_CTRL);

/* [I] One VMRUN, with gprs[] at offset 0 of the vCPU, but RAX and RSP in the VMCB. */
asmlinkage void svm_entry_run(struct mica_vcpu *vcpu, struct svm_entry *entry, u32 flags);

#endif
#endif
