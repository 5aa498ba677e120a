/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * I/O ports that the kernel answers by itself: writes that signal an eventfd, and ports that
 * are nobody's.  A table that is published (RCU) and from which bindings are only taken away;
 * a new one takes its place under vm->lock.
 */
#ifndef MICA_PORTS_H
#define MICA_PORTS_H

#include "compat.h"
#include "uapi/mica.h"

struct mica_vm;
struct mica_vcpu;

/* MICA_VM_BIND_IO, MICA_VM_UNBIND_IO; errors as documented there.  Caller holds vm->lock. */
int mica_ports_bind(struct mica_vm *vm, const struct mica_io_binding *args);
int mica_ports_unbind(struct mica_vm *vm, const struct mica_io_binding *args);
/* No vCPU can run any more.  Valid on a VM that was never bound. */
void mica_ports_destroy(struct mica_vm *vm);
/* No VM exists any more: waits for what was unbound. */
void mica_ports_exit(void);

/* [L] (backend.h).  OUT of `size` bytes, value without excess bits.  True: somebody took it. */
bool mica_ports_write(struct mica_vcpu *vcpu, u16 port, u8 size, u32 value);
/* [L]  IN: true if the ports are nobody's. */
bool mica_ports_ignore_read(struct mica_vcpu *vcpu, u16 port, u8 size);

#endif
