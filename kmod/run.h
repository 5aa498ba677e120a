/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MICA_RUN_H
#define MICA_RUN_H

#include <linux/task_work.h>

#include "compat.h"

struct mica_vcpu;

/*
 * What the kernel wants of the vCPU's thread, to be asked before every entry.
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

/* Takes user space's answers to the last exit (port reads, ExtINT) into the vCPU's state.
 * Loaded, vcpu->mutex held. */
void mica_run_complete(struct mica_vcpu *vcpu);

#endif
