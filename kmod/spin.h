/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MICA_SPIN_H
#define MICA_SPIN_H

struct mica_vcpu;

/* [P] The vCPU spins: another one of the VM that waits for a CPU may have this one. */
void mica_spin_yield(struct mica_vcpu *vcpu);

#endif
