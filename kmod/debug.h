/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The guest's debug registers.  vcpu->dr7 is the guest's DR7, and the backend's copy follows
 * it by ->dr7_changed(); DR6 never is in the CPU, as every #DB exits.
 */
#ifndef MICA_DEBUG_H
#define MICA_DEBUG_H

#include "compat.h"

struct mica_vcpu;

/* A MOV to or from a debug register that exited. */
struct mica_mov_dr {
	u8 n;			/* 0..7 */
	bool write;		/* to the debug register */
	u8 cpl;
	bool de;		/* CR4.DE */
	bool long_mode;		/* 64-bit code */
};

/* [L] True: done, and `gpr` holds what was read; false: an exception is queued. */
bool mica_mov_dr(struct mica_vcpu *vcpu, const struct mica_mov_dr *mov, u64 *gpr);
/* [L] A #DB of the guest, with the bits that DR6 gets when it is delivered. */
void mica_queue_debug(struct mica_vcpu *vcpu, u64 dr6_bits);
/* [L] */
void mica_set_dr7(struct mica_vcpu *vcpu, u64 value);

#endif
