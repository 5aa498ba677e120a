/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who has the CPUs' virtualization switched on, and when: from the first VM to the last,
 * on every CPU that is online, and never across suspend, reboot or kexec.
 */
#ifndef MICA_HW_H
#define MICA_HW_H

#include "compat.h"

int mica_hw_init(void);		/* module load; 0 or -errno */
void mica_hw_exit(void);	/* no users any more */

/* One user more or less.  -EBUSY: another hypervisor holds a CPU; -ESHUTDOWN: reboot. */
int mica_hw_get(void);
void mica_hw_put(void);

/*
 * Leave to use the hardware, from loading a vCPU to putting it.  Interruptible wait while
 * the machine is suspending.  0, -EINTR, or -ESHUTDOWN when the machine is going down.
 */
int mica_hw_enter(void);
void mica_hw_leave(void);

/* True while a suspend or reboot waits for the vCPUs to leave; cheap. */
extern bool mica_hw_pausing;

/* [preemption off] Is this CPU switched on?  False only while it is being unplugged. */
bool mica_hw_here(void);

/* Host TSC ticks that were lost in suspends since the module was loaded: a vCPU adds what
 * is new to its TSC offset, so that guest time does not go back. */
u64 mica_hw_tsc_lost(void);

#endif
