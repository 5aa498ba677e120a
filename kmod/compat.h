/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel's headers, and what differs between the kernels that Mica supports (6.1 to
 * 6.12).  Every version check of the module is in this file.  Unit tests on the build
 * machine get selftests/unit/kernel_stub.h instead.
 */
#ifndef MICA_COMPAT_H
#define MICA_COMPAT_H

#ifndef __KERNEL__
#include "kernel_stub.h"
#else

#include <linux/anon_inodes.h>
#include <linux/atomic.h>
#include <linux/bitmap.h>
#include <linux/bitops.h>
#include <linux/cpu.h>
#include <linux/errno.h>
#include <linux/eventfd.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/hrtimer.h>
#include <linux/kernel.h>
#include <linux/kref.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/nospec.h>
#include <linux/nospec.h>
#include <linux/overflow.h>
#include <linux/pagemap.h>
#include <linux/pgtable.h>
#include <linux/poll.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>
#include <linux/rcuwait.h>
#include <linux/reboot.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/stat.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/spinlock.h>
#include <linux/srcu.h>
#include <linux/types.h>
#include <linux/uaccess.h>
#include <linux/version.h>
#include <linux/vmstat.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include <asm/apicdef.h>
#include <asm/cpufeature.h>
#include <asm/debugreg.h>
#include <asm/desc.h>
#include <asm/fpu/api.h>
#include <asm/fpu/types.h>
#include <asm/io.h>
#include <asm/msr.h>
#include <asm/processor.h>
#include <asm/tlbflush.h>
#include <asm/trapnr.h>
#include <asm/tsc.h>

/* 6.5 traces reschedule IPIs in the inline function that sends them. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
#include <trace/events/ipi.h>
#endif

/* [interrupts off] That a guest ran is a quiescent state of RCU. */
static inline void mica_note_guest_exit(void)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0)
	rcu_virt_note_context_switch();
#else
	rcu_virt_note_context_switch(smp_processor_id());
#endif
}

/* The thread's control group is over memory.high: it is throttled when it returns to user mode. */
static inline bool mica_memory_high(struct task_struct *task)
{
#ifdef CONFIG_MEMCG
	return task->memcg_nr_pages_over_high;
#else
	return false;
#endif
}

/* 6.2 lets a signal that is not fatal end the wait for a page. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0)
#define MICA_FOLL_INTERRUPTIBLE	FOLL_INTERRUPTIBLE
#else
#define MICA_FOLL_INTERRUPTIBLE	0
#endif

/* Any context, interrupts on or off.  6.8 has taken the count away, which all had at 1. */
static inline void mica_eventfd_signal(struct eventfd_ctx *eventfd)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
	eventfd_signal(eventfd);
#else
	eventfd_signal(eventfd, 1);
#endif
}

/* SRSO: 6.12 knows CPUs whose hypervisor reduces speculation (MSR_ZEN4_BP_CFG). */
#define MICA_BP_SPEC_REDUCE	BIT_ULL(4)

static inline bool mica_reduces_speculation(void)
{
#ifdef X86_FEATURE_SRSO_BP_SPEC_REDUCE
	return cpu_feature_enabled(X86_FEATURE_SRSO_BP_SPEC_REDUCE);
#else
	return false;
#endif
}

/* The host counts second-level tables: SecPageTables of /proc/meminfo. */
static inline void mica_count_table(void *table, int change)
{
	mod_lruvec_page_state(virt_to_page(table), NR_SECONDARY_PAGETABLE, change);
}

#endif /* __KERNEL__ */

#endif
