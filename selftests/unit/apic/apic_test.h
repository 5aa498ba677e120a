/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A machine of vCPUs around the real kmod/apic*.c and timer.c: fake clocks, hrtimers, backend,
 * requests and kicks.  Time moves only with machine_advance().
 */
#ifndef APIC_TEST_H
#define APIC_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "apic_internal.h"

#define TSC_KHZ		2000000u	/* 2 ticks are 1 ns */
#define HOST_TSC	5000000000ull	/* at the start of each test */
#define GUEST_OFFSET	(-4000000000ull)	/* the guest's TSC starts at 1,000,000,000 */

struct machine {
	struct mica_vm vm;
	u64 tsc;			/* the host's */
	s64 clock_skew;			/* ns that CLOCK_MONOTONIC is ahead of the TSC */
	bool backend_timer;		/* set_deadline() works */
	u64 backend_deadline[MICA_MAX_VCPUS];	/* host TSC, 0: none */
	unsigned int backend_calls;	/* of set_deadline() */
	unsigned int hrtimer_starts;
	unsigned int mode_changes;
	unsigned int kicks[MICA_MAX_VCPUS];
	u8 waiting, in_service;		/* what the backend was told last */
	long pages;			/* allocated and not freed */
	bool no_memory;
	bool yield;			/* the CPU to other threads after each request */
};

extern struct machine machine;

/* cmocka fixtures: *state is the vCPU 0 of a machine of 1, 4, 20 or 64 vCPUs; all loaded, software-
 * enabled, in xAPIC mode, with x2APIC and TSC-deadline in their CPUID. */
int machine_setup(void **state);
int machine_setup_4(void **state);
int machine_setup_20(void **state);
int machine_setup_64(void **state);
int machine_teardown(void **state);

struct mica_vcpu *machine_vcpu(unsigned int id);
void machine_x2apic(void);		/* all vCPUs switch */
/* From now on until the test's end the CPU takes vectors from IRR by itself, and ends them. */
void machine_cpu_delivers(void);
/* Host time passes; timers fire on the tick.  The backend's only for loaded vCPUs that do not
 * block. */
void machine_advance(u64 ticks);
/* What the run loop does before an entry. */
void machine_run_requests(struct mica_vcpu *vcpu);
bool machine_take_request(struct mica_vcpu *vcpu, enum mica_request request);

/* Registers by offset, through the page in xAPIC mode and by MSR in x2APIC mode. */
u32 rd(struct mica_vcpu *vcpu, u32 offset);
void wr(struct mica_vcpu *vcpu, u32 offset, u32 value);
int wrmsr(struct mica_vcpu *vcpu, u32 msr, u64 value);
u64 rdmsr(struct mica_vcpu *vcpu, u32 msr);	/* must succeed */
int rdmsr_error(struct mica_vcpu *vcpu, u32 msr);

bool in_irr(struct mica_vcpu *vcpu, u8 vector);
bool in_isr(struct mica_vcpu *vcpu, u8 vector);
void drop_irr(struct mica_vcpu *vcpu, u8 vector);
/* Takes what is pending as an entry would: the vector, or -1. */
int take(struct mica_vcpu *vcpu);
/* A fixed interrupt from outside to that vCPU alone. */
void interrupt(struct mica_vcpu *vcpu, u8 vector, bool level);

/* What must hold after anything. */
void check_invariants(struct mica_vcpu *vcpu);

#endif
