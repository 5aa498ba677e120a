/* SPDX-License-Identifier: GPL-2.0-only */
/* Lifetime of VMs and vCPUs; struct mica_vm itself is in vcpu.h. */
#ifndef MICA_VM_H
#define MICA_VM_H

#include "compat.h"

struct mica_vm;
struct mica_vcpu;

/* ERR_PTR(-errno) as MICA_CREATE_VM documents.  One reference is the caller's. */
struct mica_vm *mica_vm_create(u32 flags, u32 halt_poll_us);
void mica_vm_get(struct mica_vm *vm);
/* Frees the VM and its vCPUs with the last reference; may sleep. */
void mica_vm_put(struct mica_vm *vm);
/* Makes every vCPU of every VM leave the guest once. */
void mica_vms_kick(void);

/* Caller holds vm->lock.  ERR_PTR as MICA_VM_CREATE_VCPU documents; lives as long as the VM. */
struct mica_vcpu *mica_vcpu_create(struct mica_vm *vm, u32 id);
void mica_vcpu_destroy(struct mica_vcpu *vcpu);		/* valid on a half-built vCPU */

/* MICA_VCPU_RUN; caller holds vcpu->mutex. */
long mica_vcpu_run(struct mica_vcpu *vcpu);

/*
 * Makes the vCPU's state accessible on the current CPU, following the thread when it moves.
 * Caller holds vcpu->mutex.  0, -EINTR or -ESHUTDOWN (see mica_hw_enter()).
 */
int mica_vcpu_load(struct mica_vcpu *vcpu);
void mica_vcpu_put(struct mica_vcpu *vcpu);

#endif
