// SPDX-License-Identifier: GPL-2.0-only
/* Lifetime of VMs: created by an ioctl, gone with the last of their file descriptors. */
#include "vm.h"

#include "hw.h"
#include "ports.h"
#include "vcpu.h"

static DEFINE_MUTEX(vms_mutex);
static LIST_HEAD(vms);
static atomic64_t vm_ids = ATOMIC64_INIT(0);

static void vm_destroy(struct mica_vm *vm)
{
	unsigned int i;

	if (!list_empty(&vm->link)) {
		mutex_lock(&vms_mutex);
		list_del_init(&vm->link);
		mutex_unlock(&vms_mutex);
	}
	/* Others can signal bound eventfds until this returns, which looks at all vCPUs. */
	mica_irqfds_destroy(vm);
	mica_ports_destroy(vm);
	/* The notifier goes before vCPUs do: it must not find vCPUs that are half gone. */
	mica_memory_destroy(vm);
	for (i = 0; i < MICA_MAX_VCPUS; i++)
		if (vm->vcpus[i])
			mica_vcpu_destroy(vm->vcpus[i]);
	if (vm->backend)
		mica_backend->vm_destroy(vm);
	kfree(vm->backend);
	if (vm->has_hw)
		mica_hw_put();
	if (vm->mm)
		mmdrop(vm->mm);
	kfree(vm);
}

static int vm_build(struct mica_vm *vm)
{
	int error;

	vm->backend = kzalloc(mica_backend->vm_size, GFP_KERNEL_ACCOUNT);
	if (!vm->backend)
		return -ENOMEM;
	error = mica_hw_get();
	if (error)
		return error;
	vm->has_hw = true;
	error = mica_memory_init(vm);
	if (error)
		return error;
	error = mica_backend->vm_init(vm);
	if (error)
		return error;
	mutex_lock(&vms_mutex);
	list_add(&vm->link, &vms);
	mutex_unlock(&vms_mutex);
	return 0;
}

struct mica_vm *mica_vm_create(u32 flags, u32 halt_poll_us)
{
	struct mica_vm *vm = kzalloc(sizeof(*vm), GFP_KERNEL_ACCOUNT);
	int error;

	if (!vm)
		return ERR_PTR(-ENOMEM);
	kref_init(&vm->ref);
	mutex_init(&vm->lock);
	INIT_LIST_HEAD(&vm->link);
	vm->id = atomic64_inc_return(&vm_ids);
	mica_irqfds_init(vm);
	vm->flags = flags;
	vm->halt_poll_us = halt_poll_us;
	vm->mm = current->mm;
	mmgrab(vm->mm);
	error = vm_build(vm);
	if (error) {
		vm_destroy(vm);
		return ERR_PTR(error);
	}
	return vm;
}

void mica_vm_get(struct mica_vm *vm)
{
	kref_get(&vm->ref);
}

static void vm_release(struct kref *ref)
{
	vm_destroy(container_of(ref, struct mica_vm, ref));
}

void mica_vm_put(struct mica_vm *vm)
{
	kref_put(&vm->ref, vm_release);
}

void mica_vms_kick(void)
{
	struct mica_vcpu *vcpu;
	struct mica_vm *vm;
	unsigned int i;

	mutex_lock(&vms_mutex);
	list_for_each_entry(vm, &vms, link)
		mica_for_each_vcpu(vm, vcpu, i) {
			mica_vcpu_request(vcpu, MICA_REQ_KICK);
			mica_vcpu_kick(vcpu);
		}
	mutex_unlock(&vms_mutex);
}
