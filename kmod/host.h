/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the host lends to a guest, and what it must be protected from, in the same way
 * whatever the backend.
 */
#ifndef MICA_HOST_H
#define MICA_HOST_H

#include "compat.h"

#define MICA_DR7_ENABLES	0xffu	/* L0..L3 and G0..G3 of DR7 */

/* The host's breakpoint addresses while the guest's are in the CPU; zeroed at first. */
struct mica_host_drs {
	bool lent;
	u64 dr[4];
};

/* [I] In a series of entries: the guest's DR0..DR3 come in. */
void mica_host_lend_drs(struct mica_host_drs *host, const u64 guest[4]);
/* [I] At the end of a series, after an exit has left "nothing enabled" in DR7: the host's
 * breakpoints.  True if the guest's had been in: the next series must bring them again. */
bool mica_host_take_drs(struct mica_host_drs *host);

/* [L] A vCPU of VM `vm_id` comes to this CPU: it must not be steered by what another guest
 * taught the branch predictors. */
void mica_host_guest_comes(u64 vm_id);
/* [I] A guest has run: neither must the VMM. */
void mica_host_guest_ran(void);

/* [I] A #MC came while the guest ran. */
void mica_host_machine_check(void);

/* [P] Would WRMSR to IA32_SPEC_CTRL take this value?  The entry code writes it without a net. */
bool mica_host_spec_ctrl_possible(u64 value);

#endif
