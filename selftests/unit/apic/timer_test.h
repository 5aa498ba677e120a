/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the timer's tests share.  TSC_KHZ makes 2 ticks 1 ns; the divide configuration is 1
 * unless a test changes it.
 */
#ifndef TIMER_TEST_H
#define TIMER_TEST_H

#include "apic_test.h"

#define VECTOR		0xec
#define ONESHOT		(VECTOR | APIC_LVT_TIMER_ONESHOT)
#define PERIODIC	(VECTOR | APIC_LVT_TIMER_PERIODIC)
#define DEADLINE	(VECTOR | APIC_LVT_TIMER_TSCDEADLINE)
#define US		2000ull		/* ticks */

static inline int setup(void **state)
{
	machine_setup(state);
	wr(*state, APIC_TDCR, 0xb);
	return 0;
}

/* The same with a backend that has no timer. */
static inline int setup_hrtimer(void **state)
{
	setup(state);
	machine.backend_timer = false;
	return 0;
}

static inline u64 now(struct mica_vcpu *vcpu)
{
	return mica_vcpu_tsc(vcpu);
}

/* Has the timer's interrupt come?  Takes and ends it. */
static inline bool fired(struct mica_vcpu *vcpu)
{
	int vector;

	machine_run_requests(vcpu);
	check_invariants(vcpu);
	vector = take(vcpu);
	if (vector < 0)
		return false;
	assert_int_equal(vector, VECTOR);
	wr(vcpu, APIC_EOI, 0);
	assert_int_equal(take(vcpu), -1);
	return true;
}

/* Not one tick before, and then. */
static inline void check_fires_after(struct mica_vcpu *vcpu, u64 ticks)
{
	machine_advance(ticks - 1);
	assert_false(fired(vcpu));
	/* An hrtimer has steps of 2 ticks and is never early. */
	machine_advance(machine.backend_timer ? 1 : 5);
	assert_true(fired(vcpu));
}

/* A test by itself, and twice: with the backend's timer and with an hrtimer only. */
#define ONE(name, setup)	cmocka_unit_test_setup_teardown(name, setup, machine_teardown)
#define TEST(name)		ONE(name, setup), \
	{ #name " (hrtimer)", name, setup_hrtimer, machine_teardown, NULL }

#endif
