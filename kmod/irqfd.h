/* SPDX-License-Identifier: GPL-2.0-only */
/* Eventfds that raise interrupts.  How they live and end: irqfd.c. */
#ifndef MICA_IRQFD_H
#define MICA_IRQFD_H

#include "compat.h"
#include "uapi/mica.h"

struct mica_vm;

struct mica_irqfds {
	struct list_head list;		/* [m] of struct irqfd */
	unsigned int count;		/* [m] */
	struct work_struct reaper;	/* takes out those whose eventfd was closed */
};

void mica_irqfds_init(struct mica_vm *vm);
/* [P] No ioctl is possible any more; all vCPUs still exist.  After it nobody delivers. */
void mica_irqfds_destroy(struct mica_vm *vm);

/* MICA_VM_BIND_IRQ, MICA_VM_UNBIND_IRQ; errors as documented there.  Caller holds vm->lock. */
int mica_irqfd_bind(struct mica_vm *vm, const struct mica_irq_binding *args);
int mica_irqfd_unbind(struct mica_vm *vm, const struct mica_irq_binding *args);

#endif
