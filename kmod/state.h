/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The state of vcpu_state.def: get, set, check, reset.  The backend keeps what its hardware
 * keeps; this file keeps the rest, so that no register is spelt out twice.
 */
#ifndef MICA_STATE_H
#define MICA_STATE_H

#include "compat.h"
#include "uapi/mica.h"

struct mica_vcpu;

/* All: loaded, preemption on. */
void mica_state_get(struct mica_vcpu *vcpu, u64 groups, struct mica_vcpu_state *state);
/* NULL, or the name of the first field that is impossible; nothing is changed then. */
const char *mica_state_set(struct mica_vcpu *vcpu, u64 groups,
			   const struct mica_vcpu_state *state);

/* Registers after RESET, or after INIT (which keeps MSRs, XCR0, TSC and the APIC). */
void mica_state_reset(struct mica_vcpu *vcpu, bool init);
/* Start at vector * 4096 in real mode. */
void mica_state_sipi(struct mica_vcpu *vcpu, u8 vector);

/* The checks alone; state_check.c, also compiled in unit tests. */
const char *mica_state_check(struct mica_vcpu *vcpu, u64 groups,
			     const struct mica_vcpu_state *state);

#endif
