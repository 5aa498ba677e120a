/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A fake host CPU, kernel and backend around one vCPU, for the tests of CPUID, MSRs and FPU.
 * The CPU is much like a Skylake server: AVX-512, PKU, XSAVES, and also has things that no
 * guest may get (VMX, MONITOR, AMX, CET, ...).
 */
#ifndef MICA_POLICY_MACHINE_H
#define MICA_POLICY_MACHINE_H

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "vcpu.h"

struct machine {
	/* The CPU. */
	struct mica_cpuid cpuid;
	u64 tsc;
	u64 xcr0, xss;
	u32 pkru;
	u64 msrs[0x2000];		/* by index, below 0x2000 */
	/* The kernel. */
	bool tsc_unstable, no_memory, need_fpu_load;
	unsigned int allocations, fpu_loads;
	/* The backend, with what it keeps of the guest. */
	u64 cr0, cr4, efer, pat, sysenter[3], syscall[8], spec_ctrl;
	bool keeps_spec_ctrl;
	unsigned int advances, tsc_offset_changes, tsc_changes, faults;
	u32 fault_vector, fault_error;
	/* Last accesses of the APIC's MSRs. */
	u32 apic_msr;
	u64 apic_value, apic_base;
	int apic_error;
};

extern struct machine machine;
extern struct mica_vcpu *vcpu;

/* Before each test: the machine above and a vCPU without a policy.  After each: nothing leaks. */
int machine_setup(void **state);
int machine_teardown(void **state);

/* The entry of the fake CPU, to be changed; fails the test if there is none. */
struct mica_cpuid_entry *host_leaf(u32 leaf, u32 subleaf);
/* The same in a policy. */
struct mica_cpuid_entry *policy_leaf(struct mica_cpuid *policy, u32 leaf, u32 subleaf);
void policy_remove(struct mica_cpuid *policy, u32 leaf, u32 subleaf);
/* The kernel takes all bits of the CPU that it knows, as at boot. */
void host_boot(void);
/* What MICA_GET_CPUID gives, set as the vCPU's policy. */
void give_full_policy(void);
void give_policy(const struct mica_cpuid *policy);

/* The guest executes the instruction. */
void guest_cpuid(u32 leaf, u32 subleaf, u32 regs[4]);

#endif
