// SPDX-License-Identifier: GPL-2.0-only
/*
 * A vCPU that has nothing to run.  To sleep and to be woken costs thousands of instructions and
 * some microseconds; what it waits for often comes sooner.  So a halted vCPU first looks for it
 * for a while, and how long that is follows what its last waits were like: a wait that ended
 * soon after it had gone to sleep makes it longer, a long one shorter, down to nothing.
 *
 * Polling takes from nobody: it ends as soon as another thread wants this CPU.  And if it was
 * another thread of this CPU that woke the vCPU, no poll would have seen that: the thread runs
 * only when the poll is over.  So such waits count as long ones.
 */
#include "halt.h"

#include "run.h"
#include "vcpu.h"

#define FIRST_WINDOW_NS	(10 * NSEC_PER_USEC)	/* shorter is no poll */

static unsigned int halt_poll_us = 200;
module_param(halt_poll_us, uint, 0644);
MODULE_PARM_DESC(halt_poll_us, "longest time in microseconds that a halted vCPU polls before it sleeps; 0: none does");

/* The operator's limit may change at any time; a VM may ask for less. */
static u64 longest_window(const struct mica_vcpu *vcpu)
{
	unsigned int us = min(READ_ONCE(halt_poll_us), MICA_HALT_POLL_MAX_US);

	if (vcpu->vm->flags & MICA_VM_HALT_POLL)
		us = min(us, vcpu->vm->halt_poll_us);
	return (u64)us * NSEC_PER_USEC;
}

/* [loaded] True: the vCPU runs again, or somebody asks for it; false: it stays where it is. */
static bool runs_again(struct mica_vcpu *vcpu)
{
	if (vcpu->requests & (BIT(MICA_REQ_INIT) | BIT(MICA_REQ_SIPI) | BIT(MICA_REQ_KICK)))
		return true;
	if (vcpu->mp_state != MICA_MP_HALTED || !mica_event_wakes(vcpu))
		return false;
	vcpu->mp_state = MICA_MP_RUNNABLE;
	mica_vcpu_request(vcpu, MICA_REQ_EVENT);
	return true;
}

/* Nobody else has a use for this CPU, and this thread none for anything else. */
static bool may_poll(void)
{
	return single_task_running() && !need_resched() && !signal_pending(current) &&
	       !task_work_pending(current);
}

/* True if there was a reason to run before `until`. */
static bool poll(struct mica_vcpu *vcpu, u64 until)
{
	do {
		if (runs_again(vcpu))
			return true;
		cpu_relax();
	} while (may_poll() && ktime_get_ns() < until);
	return false;
}

/* Sleeps until something makes the vCPU run, or -EINTR. */
static int sleep(struct mica_vcpu *vcpu)
{
	int error = 0;

	prepare_to_rcuwait(&vcpu->wait);
	for (;;) {
		/* Pairs with the barrier in mica_vcpu_kick(). */
		set_current_state(TASK_INTERRUPTIBLE);
		if (runs_again(vcpu))
			break;
		if (signal_pending(current)) {
			error = -EINTR;
			break;
		}
		schedule();
	}
	finish_rcuwait(&vcpu->wait);
	return error;
}

/* It slept on `cpu`, after a poll or without one; `waited` counts from the beginning. */
static void adapt(struct mica_vcpu *vcpu, int cpu, u64 waited, u64 longest)
{
	u64 window = vcpu->halt_window;

	if (waited <= longest && READ_ONCE(vcpu->kicked_by) != cpu)
		window = max_t(u64, window * 2, FIRST_WINDOW_NS);
	else
		window /= 2;
	vcpu->halt_window = window < FIRST_WINDOW_NS ? 0 : min(window, longest);
	/* Not when the next wait begins: a thread that takes this CPU just before it may have
	 * ended that wait already. */
	WRITE_ONCE(vcpu->kicked_by, -1);
}

static int poll_and_sleep(struct mica_vcpu *vcpu)
{
	u64 longest = longest_window(vcpu), start = ktime_get_ns();
	u64 window = min(vcpu->halt_window, longest);
	int error, cpu;

	if (window && may_poll()) {
		if (poll(vcpu, start + window)) {
			vcpu->count.halt_polls_hit++;
			return 0;
		}
		vcpu->count.halt_polls_missed++;
	}
	cpu = raw_smp_processor_id();
	error = sleep(vcpu);
	if (!error)
		adapt(vcpu, cpu, ktime_get_ns() - start, longest);
	return error;
}

int mica_halt(struct mica_vcpu *vcpu)
{
	vcpu->count.halts++;
	mica_timer_to_hrtimer(vcpu);
	/* What INIT or a start-up IPI ends is long, as a rule. */
	return vcpu->mp_state == MICA_MP_HALTED ? poll_and_sleep(vcpu) : sleep(vcpu);
}
