// SPDX-License-Identifier: GPL-2.0-only
/* Lifetime of vCPUs, where they are loaded, and how others reach them. */
#include "vcpu.h"

#include "hostcheck.h"
#include "hw.h"
#include "state.h"
#include "vm.h"

/* ------------------------------------------------------------ on a CPU */

/* All vCPUs of a VM are moved, one after the other, by the same. */
static void move_tsc(struct mica_vcpu *vcpu, u64 delta)
{
	vcpu->tsc_offset += delta;
	WRITE_ONCE(vcpu->vm->tsc_offset, vcpu->tsc_offset - vcpu->tsc_adjust);
	mica_backend->tsc_offset_changed(vcpu);
}

/* [L] The hardware may be used here; see hw_cpu_offline() for when it may not. */
static void vcpu_load_here(struct mica_vcpu *vcpu)
{
	u64 lost = mica_hw_tsc_lost();

	if (!mica_hw_here())
		return;
	vcpu->cpu = smp_processor_id();
	if (vcpu->cpu != vcpu->last_cpu)
		vcpu->count.migrations++;
	mica_backend->load(vcpu);
	vcpu->last_cpu = vcpu->cpu;
	vcpu->loaded = true;
	if (unlikely(lost != vcpu->tsc_lost)) {
		move_tsc(vcpu, lost - vcpu->tsc_lost);
		vcpu->tsc_lost = lost;
	}
}

static void vcpu_put_here(struct mica_vcpu *vcpu)
{
	if (!vcpu->loaded)
		return;
	mica_backend->put(vcpu);
	vcpu->loaded = false;
	vcpu->cpu = -1;
}

static void vcpu_sched_in(struct preempt_notifier *notifier, int cpu)
{
	struct mica_vcpu *vcpu = container_of(notifier, struct mica_vcpu, preempt);

	WRITE_ONCE(vcpu->preempted, NULL);
	vcpu_load_here(vcpu);
}

static void vcpu_sched_out(struct preempt_notifier *notifier, struct task_struct *next)
{
	struct mica_vcpu *vcpu = container_of(notifier, struct mica_vcpu, preempt);

	if (task_is_running(current))
		WRITE_ONCE(vcpu->preempted, current);
	vcpu_put_here(vcpu);
}

static struct preempt_ops vcpu_preempt_ops = {
	.sched_in = vcpu_sched_in,
	.sched_out = vcpu_sched_out,
};

int mica_vcpu_load(struct mica_vcpu *vcpu)
{
	int error = mica_hw_enter();

	if (error)
		return error;
	preempt_disable();
	preempt_notifier_register(&vcpu->preempt);
	vcpu_load_here(vcpu);
	preempt_enable();
	/* This CPU is being unplugged: the scheduler moves us away when we sleep. */
	while (unlikely(!READ_ONCE(vcpu->loaded)))
		schedule_timeout_uninterruptible(1);
	vcpu->attached = true;
	return 0;
}

void mica_vcpu_put(struct mica_vcpu *vcpu)
{
	vcpu->attached = false;
	preempt_disable();
	vcpu_put_here(vcpu);
	preempt_notifier_unregister(&vcpu->preempt);
	preempt_enable();
	mica_hw_leave();
}

/* ------------------------------------------------------------ reaching a vCPU */

void mica_vcpu_request(struct mica_vcpu *vcpu, enum mica_request request)
{
	set_bit(request, &vcpu->requests);
}

void mica_vcpu_kick(struct mica_vcpu *vcpu)
{
	int me, cpu;

	WRITE_ONCE(vcpu->kicked_by, in_task() ? raw_smp_processor_id() : -1);
	/* Pairs with the barrier after mode = MICA_IN_GUEST in the run loop: either the vCPU
	 * sees the request before it enters, or we see that it is in the guest. */
	smp_mb();
	rcuwait_wake_up(&vcpu->wait);
	me = get_cpu();
	cpu = READ_ONCE(vcpu->cpu);
	if (READ_ONCE(vcpu->mode) == MICA_IN_GUEST && cpu != me && cpu >= 0 && cpu_online(cpu))
		smp_send_reschedule(cpu);
	put_cpu();
}

static void acknowledge(void *unused)
{
}

void mica_vm_kick_all_wait(struct mica_vm *vm, enum mica_request request)
{
	struct mica_vcpu *vcpu;
	cpumask_var_t mask;
	unsigned int i;
	bool have_mask;
	int cpu, me;

	have_mask = zalloc_cpumask_var(&mask, GFP_NOWAIT | __GFP_NOWARN);
	mica_for_each_vcpu(vm, vcpu, i)
		mica_vcpu_request(vcpu, request);
	smp_mb();	/* as in mica_vcpu_kick() */
	me = get_cpu();
	mica_for_each_vcpu(vm, vcpu, i) {
		cpu = READ_ONCE(vcpu->cpu);
		if (have_mask && READ_ONCE(vcpu->mode) == MICA_IN_GUEST && cpu >= 0 && cpu != me)
			cpumask_set_cpu(cpu, mask);
	}
	smp_call_function_many(have_mask ? mask : cpu_online_mask, acknowledge, NULL, true);
	put_cpu();
	if (have_mask)
		free_cpumask_var(mask);
}

/* ------------------------------------------------------------ lifetime */

void mica_vcpu_destroy(struct mica_vcpu *vcpu)
{
	mica_apic_destroy(vcpu);
	if (vcpu->backend)
		mica_backend->vcpu_destroy(vcpu);
	mica_cpuid_destroy(vcpu);
	mica_fpu_destroy(vcpu);
	kfree(vcpu->backend);
	kfree(vcpu->hostcheck);
	if (vcpu->run_page)
		put_page(vcpu->run_page);
	kfree(vcpu);
}

/* Its registers are those after RESET; the guest's TSC starts at 0 with the first vCPU. */
static int vcpu_reset(struct mica_vcpu *vcpu)
{
	struct mica_vm *vm = vcpu->vm;
	int error = mica_vcpu_load(vcpu);

	if (error)
		return error;
	if (!vm->vcpu_count)
		vm->tsc_offset = -rdtsc();
	vcpu->tsc_offset = vm->tsc_offset;
	vcpu->tsc_lost = mica_hw_tsc_lost();
	mica_backend->tsc_offset_changed(vcpu);
	mica_apic_reset(vcpu, false);
	mica_state_reset(vcpu, false);
	mica_vcpu_put(vcpu);
	return 0;
}

void mica_vcpu_move_tsc(struct mica_vcpu *vcpu, u64 delta)
{
	move_tsc(vcpu, delta);
	mica_timer_time_moved(vcpu);
}

static int vcpu_build(struct mica_vcpu *vcpu)
{
	int error;

	vcpu->run_page = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	vcpu->backend = kzalloc(mica_backend->vcpu_size, GFP_KERNEL_ACCOUNT);
	if (!vcpu->run_page || !vcpu->backend)
		return -ENOMEM;
	vcpu->run = page_address(vcpu->run_page);
	if (vcpu->vm->flags & MICA_VM_CHECK_HOST) {
		vcpu->hostcheck = kzalloc(sizeof(*vcpu->hostcheck), GFP_KERNEL_ACCOUNT);
		if (!vcpu->hostcheck)
			return -ENOMEM;
	}
	mica_cpuid_init(vcpu);
	error = mica_apic_init(vcpu);
	if (!error)
		error = mica_fpu_init(vcpu);
	if (!error)
		error = mica_backend->vcpu_init(vcpu);
	if (!error)
		error = vcpu_reset(vcpu);
	return error;
}

struct mica_vcpu *mica_vcpu_create(struct mica_vm *vm, u32 id)
{
	struct mica_vcpu *vcpu;
	int error;

	if (id >= MICA_MAX_VCPUS)
		return ERR_PTR(-EINVAL);
	if (vm->vcpus[id])
		return ERR_PTR(-EEXIST);
	vcpu = kzalloc(sizeof(*vcpu), GFP_KERNEL_ACCOUNT);
	if (!vcpu)
		return ERR_PTR(-ENOMEM);
	vcpu->vm = vm;
	vcpu->id = id;
	vcpu->cpu = -1;
	vcpu->kicked_by = -1;
	vcpu->last_cpu = -1;
	mutex_init(&vcpu->mutex);
	rcuwait_init(&vcpu->wait);
	preempt_notifier_init(&vcpu->preempt, &vcpu_preempt_ops);
	error = vcpu_build(vcpu);
	if (error) {
		mica_vcpu_destroy(vcpu);
		return ERR_PTR(error);
	}
	/* Pairs with READ_ONCE() in mica_vm_vcpu(): whoever sees it sees it complete. */
	smp_store_release(&vm->vcpus[id], vcpu);
	vm->vcpu_count++;
	return vcpu;
}
