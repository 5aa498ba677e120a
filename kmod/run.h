/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MICA_RUN_H
#define MICA_RUN_H

#include <linux/task_work.h>

#include "compat.h"
#include "vcpu.h"

/*
 * Entries of one series, in which interrupts are off.  Usually an interrupt of the host ends a
 * series at once.  But a CPU looks at its interrupt pin between two of the guest's
 * instructions, and a guest whose exceptions raise themselves again in their own delivery never
 * comes to one: then it is this that lets the host have its CPU.
 */
#define MICA_SERIES_ENTRIES	256

/*
 * What the kernel wants of the vCPU's thread.
 * TIF_NOTIFY_RESUME alone does not count: every preemption sets it for the sake of
 * restartable sequences, which only user code has.
 */
static inline bool mica_host_wants_thread(void)
{
	unsigned long work = read_thread_flags() & (_TIF_NEED_RESCHED | _TIF_SIGPENDING |
						    _TIF_NOTIFY_SIGNAL | _TIF_NOTIFY_RESUME);

	if (likely(!work))
		return false;
	return work != _TIF_NOTIFY_RESUME || task_work_pending(current) ||
	       mica_memory_high(current);
}

/* [I] Does the host get its interrupts now?  To be asked before every entry. */
static inline bool mica_series_over(const struct mica_vcpu *vcpu)
{
	return unlikely(vcpu->count.entries - vcpu->series_start >= MICA_SERIES_ENTRIES) ||
	       mica_host_wants_thread();
}

/* Takes user space's answers to the last exit (port reads, ExtINT) into the vCPU's state.
 * Loaded, vcpu->mutex held. */
void mica_run_complete(struct mica_vcpu *vcpu);

#endif
