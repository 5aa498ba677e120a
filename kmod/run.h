/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MICA_RUN_H
#define MICA_RUN_H

struct mica_vcpu;

/* Takes user space's answers to the last exit (port reads, ExtINT) into the vCPU's state.
 * Loaded, vcpu->mutex held. */
void mica_run_complete(struct mica_vcpu *vcpu);

#endif
