// SPDX-License-Identifier: GPL-2.0-only
/*
 * A vCPU that executes PAUSE again and again waits for another one, and if that is not running
 * it waits in vain: it gives what is left of its time to it.  Which one it waits for nobody
 * knows; those that the scheduler has taken the CPU from get their turn one after the other.
 */
#include "spin.h"

#include "vcpu.h"

/* The pointer is gone before its thread can end: see vcpu_sched_in(). */
static struct task_struct *get_preempted(const struct mica_vcpu *vcpu)
{
	struct task_struct *task;

	rcu_read_lock();
	task = READ_ONCE(vcpu->preempted);
	if (task)
		get_task_struct(task);
	rcu_read_unlock();
	return task;
}

/* Positive: it has had our time; negative: nobody can, this thread has its CPU for itself. */
static int give_time(const struct mica_vcpu *other)
{
	struct task_struct *task = get_preempted(other);
	int given;

	if (!task)
		return 0;
	given = yield_to(task, true);
	put_task_struct(task);
	return given;
}

void mica_spin_yield(struct mica_vcpu *vcpu)
{
	unsigned int first = READ_ONCE(vcpu->vm->helped_last) + 1, i;
	struct mica_vcpu *other;
	int given;

	for (i = 0; i < MICA_MAX_VCPUS; i++) {
		other = mica_vm_vcpu(vcpu->vm, (first + i) % MICA_MAX_VCPUS);
		if (!other || other == vcpu)
			continue;
		given = give_time(other);
		if (given > 0) {
			WRITE_ONCE(vcpu->vm->helped_last, other->id);
			vcpu->count.spin_yields++;
		}
		if (given)
			return;
	}
}
