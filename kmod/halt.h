/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MICA_HALT_H
#define MICA_HALT_H

struct mica_vcpu;

/* [P] Loaded, mp_state is not MICA_MP_RUNNABLE.  Waits until something makes the vCPU run or
 * asks for it; or -EINTR. */
int mica_halt(struct mica_vcpu *vcpu);

#endif
