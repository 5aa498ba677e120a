/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Does a guest leave the host's CPU as it found it?  For VMs with MICA_VM_CHECK_HOST.
 *
 * The window is one whole cycle on one CPU with interrupts off from its first line to its
 * last, the vCPU not loaded before and after:
 *
 *	mica_hostcheck_before(check);
 *	mica_backend->load(vcpu);
 *	mica_fpu_enter(vcpu);
 *	... a series of entries ...
 *	mica_fpu_leave(vcpu);
 *	mica_backend->put(vcpu);
 *	if (!mica_hostcheck_after(check))
 *		-> MICA_EXIT_HOST_STATE with check->name, ->expected, ->found
 *
 * before() poisons what a backend must save and restore by itself because it changes from
 * task to task, then notes all registers; after() compares, puts back what was poisoned and,
 * so that the report can still be read, repairs what differs and can be written.
 *
 * Compared and poisoned:
 *	DS, ES, FS, GS (user selectors), FS base, IA32_KERNEL_GS_BASE (the user's GS base),
 *	DR0..DR3 (unless the host has a breakpoint set), PKRU (the two bits of key 15, which
 *	the kernel never gives out to a VMM that does not ask for it)
 * Compared:
 *	CR0, CR3, CR4, CR8, DR6, DR7, RFLAGS (system flags), CS, SS, TR, LDTR, base and limit
 *	of GDTR and IDTR, limit and access rights of TR's descriptor, GS base, XCR0, and the
 *	MSRs EFER, STAR, LSTAR, CSTAR, FMASK, SYSENTER_CS, _ESP, _EIP, PAT, TSC_AUX, TSC_ADJUST,
 *	SPEC_CTRL, DEBUGCTL, PERF_GLOBAL_CTRL, MISC_ENABLE, MTRR_DEF_TYPE, APIC_BASE, XSS, XFD,
 *	XFD_ERR, U_CET, S_CET, PL0_SSP, PL3_SSP, as far as this CPU has them.  A backend may
 *	take these from a copy made when the CPU came up, so they are not poisoned: a guest
 *	whose values differ from the host's shows what is forgotten.
 * Not compared:
 *	general registers and RSP (the code could not go on), CR2 (dead outside a page fault),
 *	x87, SSE and AVX registers (in the window they are the guest's, for the kernel those of
 *	the task: see fpu.c), the hidden limit of TR (software cannot read it; the backend has
 *	the kernel load TR again before it matters), TSC and what counts by itself, NMI
 *	blocking, VMX operation (on in the window), MSRs that neither guests nor backends can
 *	touch.
 *
 * The structure is the caller's, zeroed at first; nothing locks it.
 */
#ifndef MICA_HOSTCHECK_H
#define MICA_HOSTCHECK_H

#include "compat.h"

#define MICA_HOSTCHECK_REGS	64

struct mica_hostcheck {
	/* The first difference ever seen: NULL if none, or the register's name. */
	const char *name;
	u64 expected, found;
	u64 differences;	/* registers that differed, all windows together */
	u64 windows;

	/* Inside a window. */
	u64 values[MICA_HOSTCHECK_REGS];
	u64 absent;		/* bit per register: this CPU does not have it */
	struct {
		u16 ds, es, fs, gs;
		u64 fs_base, kernel_gs_base, dr[4];
		u32 pkru;
		bool drs;
	} lent;			/* what poison replaced */
};

/* [interrupts off] */
void mica_hostcheck_before(struct mica_hostcheck *check);
/* [interrupts off] False: something differed in this window. */
bool mica_hostcheck_after(struct mica_hostcheck *check);

#endif
