/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the registers that choose a CPU's mode may hold: values that the guest writes, where
 * the backend's hardware leaves the check to software.
 */
#ifndef MICA_MODE_H
#define MICA_MODE_H

#include "compat.h"

struct mica_vcpu;

/* The registers before the write. */
struct mica_mode {
	u64 cr0, cr3, cr4, efer;
	bool cs_l;		/* CS.L */
};

/* False: the architecture wants #GP. */
bool mica_cr0_allowed(const struct mica_mode *mode, u64 value);
bool mica_cr4_allowed(const struct mica_vcpu *vcpu, const struct mica_mode *mode, u64 value);
/* LMA of `value` does not matter: it is the CPU's. */
bool mica_efer_allowed(const struct mica_vcpu *vcpu, const struct mica_mode *mode, u64 value);
/* MSRs that a backend keeps, but for EFER. */
bool mica_msr_allowed(u32 index, u64 value);
/* An address as this CPU would take it: sign-extended from its highest linear bit. */
u64 mica_canonical(u64 address);

#endif
