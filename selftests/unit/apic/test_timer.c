// SPDX-License-Identifier: GPL-2.0-or-later
/* The timer's modes and registers. */
#include "timer_test.h"

/* ------------------------------------------------------------ one-shot */

static void test_oneshot(void **state)
{
	struct mica_vcpu *vcpu = *state;

	wr(vcpu, APIC_LVTT, ONESHOT);
	assert_int_equal(rd(vcpu, APIC_TMCCT), 0);
	wr(vcpu, APIC_TMICT, 100000);
	assert_int_equal(rd(vcpu, APIC_TMCCT), 100000);
	machine_advance(40000);
	assert_int_equal(rd(vcpu, APIC_TMCCT), 60000);
	check_fires_after(vcpu, 60000);
	assert_int_equal(rd(vcpu, APIC_TMCCT), 0);
	assert_int_equal(rd(vcpu, APIC_TMICT), 100000);
	machine_advance(1000000);
	assert_false(fired(vcpu));
	assert_int_equal(vcpu->count.timer_expiries, 1);
}

static void test_oneshot_restart_and_stop(void **state)
{
	struct mica_vcpu *vcpu = *state;

	wr(vcpu, APIC_LVTT, ONESHOT);
	wr(vcpu, APIC_TMICT, 100000);
	machine_advance(99000);
	wr(vcpu, APIC_TMICT, 50000);
	check_fires_after(vcpu, 50000);
	wr(vcpu, APIC_TMICT, 50000);
	machine_advance(10000);
	wr(vcpu, APIC_TMICT, 0);
	assert_int_equal(rd(vcpu, APIC_TMCCT), 0);
	assert_int_equal(machine.backend_deadline[0], 0);
	assert_false(vcpu->apic.timer.hrtimer.queued);
	machine_advance(1000000);
	assert_false(fired(vcpu));
}

static void test_shortest_and_longest(void **state)
{
	struct mica_vcpu *vcpu = *state;

	wr(vcpu, APIC_LVTT, ONESHOT);
	wr(vcpu, APIC_TMICT, 1);
	assert_int_equal(rd(vcpu, APIC_TMCCT), 1);
	machine_advance(8);
	assert_true(fired(vcpu));
	wr(vcpu, APIC_TDCR, 0xa);
	wr(vcpu, APIC_TMICT, ~0u);
	assert_int_equal(rd(vcpu, APIC_TMCCT), ~0u);
	machine_advance(127);
	assert_int_equal(rd(vcpu, APIC_TMCCT), ~0u);
	machine_advance(1);
	assert_int_equal(rd(vcpu, APIC_TMCCT), ~0u - 1);
	check_fires_after(vcpu, 0xffffffffull * 128 - 128);
}

static void test_divide(void **state)
{
	static const struct { u32 value, divisor; } rows[] = {
		{ 0x0, 2 }, { 0x1, 4 }, { 0x2, 8 }, { 0x3, 16 },
		{ 0x8, 32 }, { 0x9, 64 }, { 0xa, 128 }, { 0xb, 1 },
	};
	struct mica_vcpu *vcpu = *state;
	unsigned int i;

	wr(vcpu, APIC_LVTT, ONESHOT);
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		wr(vcpu, APIC_TDCR, rows[i].value);
		wr(vcpu, APIC_TMICT, 10000);
		machine_advance(5000 * rows[i].divisor);
		assert_int_equal(rd(vcpu, APIC_TMCCT), 5000);
		check_fires_after(vcpu, 5000 * rows[i].divisor);
	}
	/* A running count goes on at the new speed. */
	wr(vcpu, APIC_TMICT, 10000);
	machine_advance(5000);
	wr(vcpu, APIC_TDCR, 0x2);
	assert_int_equal(rd(vcpu, APIC_TMCCT), 5000);
	check_fires_after(vcpu, 40000);
	/* And a stopped one stays stopped. */
	wr(vcpu, APIC_TDCR, 0xb);
	machine_advance(1000000);
	assert_false(fired(vcpu));
}

/* Any vCPU exit between reads: the count falls, never to 0 before the interrupt. */
static void test_count_is_monotonic(void **state)
{
	struct mica_vcpu *vcpu = *state;
	u32 last = 1000, count;
	int i;

	wr(vcpu, APIC_TDCR, 0x1);
	wr(vcpu, APIC_LVTT, ONESHOT);
	wr(vcpu, APIC_TMICT, 1000);
	for (i = 1; i < 4000; i++) {
		machine_advance(1);
		count = rd(vcpu, APIC_TMCCT);
		assert_true(count <= last && count > 0);
		last = count;
		assert_false(in_irr(vcpu, VECTOR));
	}
	assert_int_equal(last, 1);
}

/* ------------------------------------------------------------ periodic */

static void test_periodic(void **state)
{
	struct mica_vcpu *vcpu = *state;
	int i;

	wr(vcpu, APIC_LVTT, PERIODIC);
	wr(vcpu, APIC_TMICT, 100000);
	check_fires_after(vcpu, 100000);
	for (i = 2; i < 100; i++) {
		machine_advance(100000 - 50);
		assert_false(fired(vcpu));
		machine_advance(50);
		assert_true(fired(vcpu));
		assert_true(rd(vcpu, APIC_TMCCT) >= 100000 - 50);
	}
	wr(vcpu, APIC_TMICT, 0);
	machine_advance(1000000);
	assert_false(fired(vcpu));
}

/* Served late, each next one is still in phase. */
static void test_periodic_does_not_drift(void **state)
{
	struct mica_vcpu *vcpu = *state;
	u64 start = now(vcpu);
	int i;

	wr(vcpu, APIC_LVTT, PERIODIC);
	wr(vcpu, APIC_TMICT, 100000);
	for (i = 1; i < 50; i++) {
		machine_advance(start + i * 100000 + 777 * i - now(vcpu));
		assert_true(fired(vcpu));
		assert_int_equal((vcpu->apic.timer.deadline - start) % 100000, 0);
		assert_true(vcpu->apic.timer.deadline == start + (i + 1) * 100000);
	}
}

/* Not on a CPU for 1000.5 periods: one interrupt, then in phase. */
static void test_periodic_catches_up(void **state)
{
	struct mica_vcpu *vcpu = *state;

	wr(vcpu, APIC_LVTT, PERIODIC);
	wr(vcpu, APIC_TMICT, 100000);
	vcpu->loaded = false;
	machine.backend_deadline[0] = 0;	/* nobody looks */
	vcpu->apic.timer.hrtimer.queued = false;
	machine.tsc += 1000 * 100000 + 50000;
	assert_int_equal(rd(vcpu, APIC_TMCCT), 50000);
	vcpu->loaded = true;
	mica_timer_deliver(vcpu);
	assert_true(fired(vcpu));
	assert_false(fired(vcpu));
	assert_int_equal(vcpu->count.timer_expiries, 1);
	check_fires_after(vcpu, 50000);
}

static void test_minimum_period(void **state)
{
	struct mica_vcpu *vcpu = *state;
	int i, count = 0;

	wr(vcpu, APIC_LVTT, PERIODIC);
	wr(vcpu, APIC_TMICT, 1);
	assert_int_equal(rd(vcpu, APIC_TMCCT), 1);
	for (i = 0; i < 1000; i++) {
		machine_advance(US);
		assert_true(rd(vcpu, APIC_TMCCT) == 1);
		count += fired(vcpu);
	}
	assert_in_range(count, 49, 50);
}

/* ------------------------------------------------------------ TSC-deadline */

static void test_deadline(void **state)
{
	struct mica_vcpu *vcpu = *state;
	u64 deadline = now(vcpu) + 300000;

	wr(vcpu, APIC_LVTT, DEADLINE);
	assert_true(rdmsr(vcpu, MSR_IA32_TSC_DEADLINE) == 0);
	assert_int_equal(wrmsr(vcpu, MSR_IA32_TSC_DEADLINE, deadline), 0);
	assert_true(rdmsr(vcpu, MSR_IA32_TSC_DEADLINE) == deadline);
	assert_int_equal(rd(vcpu, APIC_TMCCT), 0);
	check_fires_after(vcpu, 300000);
	assert_true(rdmsr(vcpu, MSR_IA32_TSC_DEADLINE) == 0);
	machine_advance(1000000);
	assert_false(fired(vcpu));
}

static void test_deadline_in_the_past_fires_at_once(void **state)
{
	struct mica_vcpu *vcpu = *state;

	wr(vcpu, APIC_LVTT, DEADLINE);
	wrmsr(vcpu, MSR_IA32_TSC_DEADLINE, now(vcpu) + 1000000);
	machine.hrtimer_starts = 0;
	vcpu->requests = 0;
	wrmsr(vcpu, MSR_IA32_TSC_DEADLINE, 1);
	assert_true(in_irr(vcpu, VECTOR));
	assert_int_equal(vcpu->requests, BIT(MICA_REQ_EVENT));
	assert_int_equal(machine.hrtimer_starts, 0);
	assert_int_equal(machine.backend_deadline[0], 0);
	assert_int_equal(machine.kicks[0], 0);
	assert_true(fired(vcpu));
	wrmsr(vcpu, MSR_IA32_TSC_DEADLINE, now(vcpu));
	assert_true(fired(vcpu));
}

static void test_deadline_rewritten(void **state)
{
	struct mica_vcpu *vcpu = *state;

	wr(vcpu, APIC_LVTT, DEADLINE);
	wrmsr(vcpu, MSR_IA32_TSC_DEADLINE, now(vcpu) + 100000);
	machine_advance(50000);
	wrmsr(vcpu, MSR_IA32_TSC_DEADLINE, now(vcpu) + 200000);
	check_fires_after(vcpu, 200000);
	wrmsr(vcpu, MSR_IA32_TSC_DEADLINE, now(vcpu) + 100000);
	wrmsr(vcpu, MSR_IA32_TSC_DEADLINE, 0);
	machine_advance(1000000);
	assert_false(fired(vcpu));
}

/* One that was reached before the next write is not forgotten. */
static void test_reached_but_not_served(void **state)
{
	struct mica_vcpu *vcpu = *state;

	wr(vcpu, APIC_LVTT, DEADLINE);
	wrmsr(vcpu, MSR_IA32_TSC_DEADLINE, now(vcpu) + 1000);
	machine.tsc += 2000;
	wrmsr(vcpu, MSR_IA32_TSC_DEADLINE, now(vcpu) + 1000000);
	assert_true(fired(vcpu));
	machine.tsc += 2000000;
	assert_true(rdmsr(vcpu, MSR_IA32_TSC_DEADLINE) == 0);
	assert_true(fired(vcpu));
}

static void test_farthest_deadlines(void **state)
{
	struct mica_vcpu *vcpu = *state;
	struct hrtimer *hrtimer = &vcpu->apic.timer.hrtimer;
	u64 deadline;

	wr(vcpu, APIC_LVTT, DEADLINE);
	for (deadline = ~0ull; deadline > now(vcpu) + 1000000; deadline = deadline / 3 * 2) {
		wrmsr(vcpu, MSR_IA32_TSC_DEADLINE, deadline);
		assert_true(rdmsr(vcpu, MSR_IA32_TSC_DEADLINE) == deadline);
		assert_true(machine.backend_timer ? machine.backend_deadline[0] > machine.tsc :
						    hrtimer->queued);
		assert_true(!hrtimer->queued || hrtimer->expires > ktime_get());
		machine_advance(1000);
		assert_false(fired(vcpu));
	}
}

/* The hrtimer of a far deadline fires early, and is started again. */
static void test_cut_short(void **state)
{
	struct mica_vcpu *vcpu = *state;
	u64 year = 86400ull * 365 * 1000 * TSC_KHZ;

	wr(vcpu, APIC_LVTT, DEADLINE);
	wrmsr(vcpu, MSR_IA32_TSC_DEADLINE, now(vcpu) + 2 * year + year / 2);
	machine.hrtimer_starts = 0;
	machine_advance(year + 10);
	assert_true(test_bit(MICA_REQ_TIMER, &vcpu->requests));
	assert_false(fired(vcpu));
	assert_int_equal(machine.hrtimer_starts, 1);
	machine_advance(year + 10);
	assert_false(fired(vcpu));
	check_fires_after(vcpu, year / 2 - 20);
}

/* ------------------------------------------------------------ LVT */

static void test_modes_ignore_what_is_not_theirs(void **state)
{
	struct mica_vcpu *vcpu = *state;

	wr(vcpu, APIC_LVTT, DEADLINE);
	wr(vcpu, APIC_TMICT, 1000);
	assert_int_equal(rd(vcpu, APIC_TMICT), 0);
	mica_apic_set_reg(&vcpu->apic, APIC_TMICT, 1000);
	mica_apic_written(&vcpu->apic, APIC_TMICT);
	assert_int_equal(rd(vcpu, APIC_TMICT), 0);
	wr(vcpu, APIC_LVTT, ONESHOT);
	wr(vcpu, APIC_TMICT, 100000);
	wrmsr(vcpu, MSR_IA32_TSC_DEADLINE, 1);
	assert_true(rdmsr(vcpu, MSR_IA32_TSC_DEADLINE) == 0);
	check_fires_after(vcpu, 100000);
	/* The reserved mode. */
	wr(vcpu, APIC_LVTT, VECTOR | 3 << 17);
	wr(vcpu, APIC_TMICT, 1000);
	wrmsr(vcpu, MSR_IA32_TSC_DEADLINE, 1);
	machine_advance(1000000);
	assert_false(fired(vcpu));
}

static void test_switching_deadline_disarms(void **state)
{
	static const u32 others[] = { ONESHOT, PERIODIC, VECTOR | 3 << 17 };
	struct mica_vcpu *vcpu = *state;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(others); i++) {
		wr(vcpu, APIC_LVTT, DEADLINE);
		wrmsr(vcpu, MSR_IA32_TSC_DEADLINE, now(vcpu) + 1000);
		wr(vcpu, APIC_LVTT, others[i]);
		wr(vcpu, APIC_LVTT, DEADLINE);
		assert_true(rdmsr(vcpu, MSR_IA32_TSC_DEADLINE) == 0);
		wr(vcpu, APIC_LVTT, others[i]);
		wr(vcpu, APIC_TMICT, 100000);
		wr(vcpu, APIC_LVTT, DEADLINE);
		machine_advance(1000000);
		assert_false(fired(vcpu));
	}
	/* The vector alone is not a switch. */
	wr(vcpu, APIC_LVTT, DEADLINE ^ 1);
	wrmsr(vcpu, MSR_IA32_TSC_DEADLINE, now(vcpu) + 1000);
	wr(vcpu, APIC_LVTT, DEADLINE);
	machine_advance(1010);
	assert_true(fired(vcpu));
}

static void test_switching_oneshot_and_periodic(void **state)
{
	struct mica_vcpu *vcpu = *state;

	wr(vcpu, APIC_LVTT, ONESHOT);
	wr(vcpu, APIC_TMICT, 100000);
	machine_advance(60000);
	wr(vcpu, APIC_LVTT, PERIODIC);
	assert_int_equal(rd(vcpu, APIC_TMCCT), 40000);
	check_fires_after(vcpu, 40000);
	machine_advance(50000);
	wr(vcpu, APIC_LVTT, ONESHOT);
	assert_in_range(rd(vcpu, APIC_TMCCT), 49990, 50000);
	machine_advance(50010);
	assert_true(fired(vcpu));
	machine_advance(500000);
	assert_false(fired(vcpu));
	/* A count that has ended does not begin again. */
	wr(vcpu, APIC_LVTT, PERIODIC);
	assert_int_equal(rd(vcpu, APIC_TMCCT), 0);
	machine_advance(500000);
	assert_false(fired(vcpu));
}

static void test_switching_by_cpu(void **state)
{
	struct mica_vcpu *vcpu = *state;

	wr(vcpu, APIC_LVTT, DEADLINE);
	wrmsr(vcpu, MSR_IA32_TSC_DEADLINE, now(vcpu) + 1000);
	/* The old entry is gone from the page when we hear of it. */
	mica_apic_set_reg(&vcpu->apic, APIC_LVTT, PERIODIC);
	mica_apic_written(&vcpu->apic, APIC_LVTT);
	machine_advance(100000);
	assert_false(fired(vcpu));
	mica_apic_set_reg(&vcpu->apic, APIC_TMICT, 100000);
	mica_apic_written(&vcpu->apic, APIC_TMICT);
	machine_advance(50000);
	mica_apic_set_reg(&vcpu->apic, APIC_TDCR, 0xfffffff2);
	mica_apic_written(&vcpu->apic, APIC_TDCR);
	assert_int_equal(rd(vcpu, APIC_TDCR), 2);
	assert_int_equal(rd(vcpu, APIC_TMCCT), 50000);
	check_fires_after(vcpu, 400000);
}

static void test_masked_counts(void **state)
{
	struct mica_vcpu *vcpu = *state;

	wr(vcpu, APIC_LVTT, ONESHOT | APIC_LVT_MASKED);
	wr(vcpu, APIC_TMICT, 100000);
	machine_advance(60000);
	assert_int_equal(rd(vcpu, APIC_TMCCT), 40000);
	assert_int_equal(machine.backend_deadline[0], 0);
	assert_false(vcpu->apic.timer.hrtimer.queued);
	wr(vcpu, APIC_LVTT, ONESHOT);
	check_fires_after(vcpu, 40000);
	/* The expiry of a masked one is not made up for. */
	wr(vcpu, APIC_LVTT, ONESHOT | APIC_LVT_MASKED);
	wr(vcpu, APIC_TMICT, 100000);
	machine_advance(200000);
	assert_int_equal(rd(vcpu, APIC_TMCCT), 0);
	wr(vcpu, APIC_LVTT, ONESHOT);
	assert_false(fired(vcpu));
	/* A masked periodic one goes round. */
	wr(vcpu, APIC_LVTT, PERIODIC | APIC_LVT_MASKED);
	wr(vcpu, APIC_TMICT, 100000);
	machine_advance(250000);
	assert_int_equal(rd(vcpu, APIC_TMCCT), 50000);
	wr(vcpu, APIC_LVTT, PERIODIC);
	assert_false(fired(vcpu));
	check_fires_after(vcpu, 50000);
	/* A masked deadline is cleared when it is reached. */
	wr(vcpu, APIC_LVTT, DEADLINE | APIC_LVT_MASKED);
	wrmsr(vcpu, MSR_IA32_TSC_DEADLINE, now(vcpu) + 1000);
	machine_advance(2000);
	assert_true(rdmsr(vcpu, MSR_IA32_TSC_DEADLINE) == 0);
	assert_false(fired(vcpu));
}

static void test_software_disable_masks(void **state)
{
	struct mica_vcpu *vcpu = *state;

	wr(vcpu, APIC_LVTT, ONESHOT);
	wr(vcpu, APIC_TMICT, 100000);
	wr(vcpu, APIC_SPIV, 0xff);
	assert_int_equal(machine.backend_deadline[0], 0);
	assert_false(vcpu->apic.timer.hrtimer.queued);
	machine_advance(200000);
	assert_false(fired(vcpu));
}

static void test_illegal_vector(void **state)
{
	struct mica_vcpu *vcpu = *state;

	wr(vcpu, APIC_LVTT, 5);
	wr(vcpu, APIC_TMICT, 1000);
	machine_advance(2000);
	machine_run_requests(vcpu);
	assert_int_equal(take(vcpu), -1);
	wr(vcpu, APIC_ESR, 0);
	assert_int_equal(rd(vcpu, APIC_ESR), APIC_ESR_RECVILL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_oneshot),
		TEST(test_oneshot_restart_and_stop),
		TEST(test_shortest_and_longest),
		TEST(test_divide),
		TEST(test_count_is_monotonic),
		TEST(test_periodic),
		TEST(test_periodic_does_not_drift),
		TEST(test_periodic_catches_up),
		TEST(test_minimum_period),
		TEST(test_deadline),
		TEST(test_deadline_in_the_past_fires_at_once),
		TEST(test_deadline_rewritten),
		TEST(test_reached_but_not_served),
		TEST(test_farthest_deadlines),
		ONE(test_cut_short, setup_hrtimer),
		TEST(test_modes_ignore_what_is_not_theirs),
		TEST(test_switching_deadline_disarms),
		TEST(test_switching_oneshot_and_periodic),
		TEST(test_switching_by_cpu),
		TEST(test_masked_counts),
		TEST(test_software_disable_masks),
		TEST(test_illegal_vector),
	};

	return cmocka_run_group_tests_name("apic timer", tests, NULL, NULL);
}
