// SPDX-License-Identifier: GPL-2.0-or-later
/* Where the timer is armed: in the backend, as an hrtimer, nowhere; changes of the TSC. */
#include "timer_test.h"

/* ------------------------------------------------------------ loaded, blocked, away */

/* HLT: the hrtimer wakes, and the backend is armed again afterwards. */
static void test_blocking(void **state)
{
	struct mica_vcpu *vcpu = *state;

	wr(vcpu, APIC_LVTT, DEADLINE);
	wrmsr(vcpu, MSR_IA32_TSC_DEADLINE, now(vcpu) + 100000);
	mica_timer_to_hrtimer(vcpu);
	assert_true(vcpu->apic.timer.hrtimer.queued);
	assert_false(mica_apic_has_work(&vcpu->apic));
	machine_advance(100000 - 1);
	assert_false(mica_apic_has_work(&vcpu->apic));
	assert_int_equal(machine.kicks[0], 0);
	machine_advance(5);
	assert_int_equal(machine.kicks[0], 1);
	assert_true(test_bit(MICA_REQ_TIMER, &vcpu->requests));
	assert_true(mica_apic_has_work(&vcpu->apic));
	assert_false(test_bit(MICA_REQ_TIMER, &vcpu->requests));
	assert_true(fired(vcpu));
	/* Woken by something else: the deadline goes on in the backend. */
	wrmsr(vcpu, MSR_IA32_TSC_DEADLINE, now(vcpu) + 100000);
	mica_timer_to_hrtimer(vcpu);
	machine_advance(50000);
	assert_false(fired(vcpu));
	assert_int_equal(vcpu->apic.timer.hrtimer.queued, !machine.backend_timer);
	check_fires_after(vcpu, 50000);
}

/* CLOCK_MONOTONIC runs ahead: the wakeup comes before the TSC is there.  HLT goes on. */
static void test_early_hrtimer(void **state)
{
	struct mica_vcpu *vcpu = *state;

	wr(vcpu, APIC_LVTT, DEADLINE);
	wrmsr(vcpu, MSR_IA32_TSC_DEADLINE, now(vcpu) + 100000);
	mica_timer_to_hrtimer(vcpu);
	machine.clock_skew += 10000;	/* 20000 ticks */
	machine_advance(80005);
	assert_int_equal(machine.kicks[0], 1);
	machine.hrtimer_starts = 0;
	assert_false(mica_apic_has_work(&vcpu->apic));
	assert_int_equal(machine.hrtimer_starts, 1);
	machine_advance(20000);
	assert_int_equal(machine.kicks[0], 2);
	assert_true(mica_apic_has_work(&vcpu->apic));
	assert_true(in_irr(vcpu, VECTOR));
}

static void test_early_backend(void **state)
{
	struct mica_vcpu *vcpu = *state;

	wr(vcpu, APIC_LVTT, DEADLINE);
	wrmsr(vcpu, MSR_IA32_TSC_DEADLINE, now(vcpu) + 100000);
	machine.backend_deadline[0] -= 500;
	machine_advance(99600);
	assert_false(fired(vcpu));
	check_fires_after(vcpu, 400);
}

/* Passed before the vCPU could block. */
static void test_block_too_late(void **state)
{
	struct mica_vcpu *vcpu = *state;

	wr(vcpu, APIC_LVTT, DEADLINE);
	wrmsr(vcpu, MSR_IA32_TSC_DEADLINE, now(vcpu) + 100);
	machine.tsc += 200;
	mica_timer_to_hrtimer(vcpu);
	assert_true(mica_apic_has_work(&vcpu->apic));
	assert_true(fired(vcpu));
}

/* An interrupt that TPR holds back does not end HLT; the periodic timer goes on. */
static void test_blocked_by_tpr(void **state)
{
	struct mica_vcpu *vcpu = *state;
	int i;

	wr(vcpu, APIC_LVTT, PERIODIC);
	wr(vcpu, APIC_TMICT, 100000);
	wr(vcpu, APIC_TASKPRI, 0xf0);
	mica_timer_to_hrtimer(vcpu);
	for (i = 1; i <= 5; i++) {
		machine_advance(100005);
		assert_int_equal(machine.kicks[0], i);
		assert_false(mica_apic_has_work(&vcpu->apic));
	}
	assert_int_equal(vcpu->count.timer_expiries, 5);
	wr(vcpu, APIC_TASKPRI, 0);
	assert_true(fired(vcpu));
}

/* Changed by an ioctl while the vCPU is on no CPU. */
static void test_changed_while_away(void **state)
{
	struct mica_vcpu *vcpu = *state;

	vcpu->loaded = false;
	wr(vcpu, APIC_LVTT, DEADLINE);
	wrmsr(vcpu, MSR_IA32_TSC_DEADLINE, now(vcpu) + 100000);
	assert_int_equal(machine.backend_deadline[0], 0);
	vcpu->loaded = true;
	machine_run_requests(vcpu);
	check_fires_after(vcpu, 100000);
	/* Stopped while away. */
	wrmsr(vcpu, MSR_IA32_TSC_DEADLINE, now(vcpu) + 100000);
	vcpu->loaded = false;
	wrmsr(vcpu, MSR_IA32_TSC_DEADLINE, 0);
	vcpu->loaded = true;
	machine_run_requests(vcpu);
	assert_int_equal(machine.backend_deadline[0], 0);
	machine_advance(200000);
	assert_false(fired(vcpu));
}

/* An entry with nothing new costs the backend nothing. */
static void test_nothing_to_do(void **state)
{
	struct mica_vcpu *vcpu = *state;

	wr(vcpu, APIC_LVTT, DEADLINE);
	wrmsr(vcpu, MSR_IA32_TSC_DEADLINE, now(vcpu) + 100000);
	machine.backend_calls = 0;
	machine.hrtimer_starts = 0;
	machine_run_requests(vcpu);
	machine_run_requests(vcpu);
	assert_int_equal(machine.backend_calls, 0);
	assert_int_equal(machine.hrtimer_starts, 0);
	/* An hrtimer that runs need not be started again. */
	mica_timer_to_hrtimer(vcpu);
	machine_run_requests(vcpu);
	assert_int_equal(machine.hrtimer_starts, machine.backend_timer);
	/* Nor one that does not run be stopped. */
	wrmsr(vcpu, MSR_IA32_TSC_DEADLINE, 0);
	machine.backend_calls = 0;
	wr(vcpu, APIC_LVTT, DEADLINE | APIC_LVT_MASKED);
	wr(vcpu, APIC_LVTT, DEADLINE);
	assert_int_equal(machine.backend_calls, 0);
}

/* A stale hint: nothing happens, and the timer still runs. */
static void test_stale_request(void **state)
{
	struct mica_vcpu *vcpu = *state;

	wr(vcpu, APIC_LVTT, DEADLINE);
	wrmsr(vcpu, MSR_IA32_TSC_DEADLINE, now(vcpu) + 100000);
	mica_vcpu_request(vcpu, MICA_REQ_TIMER);
	assert_false(fired(vcpu));
	check_fires_after(vcpu, 100000);
	mica_vcpu_request(vcpu, MICA_REQ_TIMER);
	assert_false(fired(vcpu));
}

static void test_no_hrtimer_after_destroy(void **state)
{
	struct mica_vcpu *vcpu = *state;

	wr(vcpu, APIC_LVTT, DEADLINE);
	wrmsr(vcpu, MSR_IA32_TSC_DEADLINE, now(vcpu) + 100000);
	mica_timer_to_hrtimer(vcpu);
	assert_true(vcpu->apic.timer.hrtimer.queued);
	mica_apic_destroy(vcpu);
	assert_false(vcpu->apic.timer.hrtimer.queued);
	mica_apic_destroy(vcpu);
}

/* ------------------------------------------------------------ the TSC changes */

static void set_tsc(struct mica_vcpu *vcpu, u64 tsc)
{
	vcpu->tsc_offset = tsc - rdtsc();
	mica_timer_tsc_changed(vcpu);
}

static void test_tsc_write_moves_the_deadline(void **state)
{
	struct mica_vcpu *vcpu = *state;
	u64 deadline = now(vcpu) + 100000;

	wr(vcpu, APIC_LVTT, DEADLINE);
	wrmsr(vcpu, MSR_IA32_TSC_DEADLINE, deadline);
	set_tsc(vcpu, now(vcpu) - 50000);
	assert_true(rdmsr(vcpu, MSR_IA32_TSC_DEADLINE) == deadline);
	check_fires_after(vcpu, 150000);
	wrmsr(vcpu, MSR_IA32_TSC_DEADLINE, now(vcpu) + 100000);
	set_tsc(vcpu, now(vcpu) + 100000);
	assert_true(fired(vcpu));
}

static void test_tsc_write_does_not_touch_the_count(void **state)
{
	static const u64 tscs[] = { 0, 1, 1ull << 63, ~0ull - 30000, ~0ull, 12345678 };
	struct mica_vcpu *vcpu = *state;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(tscs); i++) {
		wr(vcpu, APIC_LVTT, ONESHOT);
		wr(vcpu, APIC_TMICT, 100000);
		set_tsc(vcpu, tscs[i]);
		assert_int_equal(rd(vcpu, APIC_TMCCT), 100000);
		machine_advance(40000);
		assert_int_equal(rd(vcpu, APIC_TMCCT), 60000);
		check_fires_after(vcpu, 60000);
		wr(vcpu, APIC_LVTT, PERIODIC);
		wr(vcpu, APIC_TMICT, 100000);
		set_tsc(vcpu, tscs[i]);
		check_fires_after(vcpu, 100000);
		machine_advance(100000);
		assert_true(fired(vcpu));
		assert_int_equal(vcpu->count.timer_expiries, 3 * (i + 1));
	}
}

/* The guest stood still for a while, and its TSC is set back by that: whatever the timer waited
 * for is as far away as it was, in deadlines and in counts, also if the host's clock has passed
 * it meanwhile. */
static void stand_still(struct mica_vcpu *vcpu, u64 ticks)
{
	/* A vCPU that is in no ioctl is on no CPU: the backend's timer is off, the hrtimer not. */
	if (machine.backend_timer)
		machine.tsc += ticks;
	else
		machine_advance(ticks);
	vcpu->tsc_offset -= ticks;
	mica_timer_time_moved(vcpu);
}

static void test_time_moves(void **state)
{
	struct mica_vcpu *vcpu = *state;
	u64 before;

	wr(vcpu, APIC_LVTT, DEADLINE);
	wrmsr(vcpu, MSR_IA32_TSC_DEADLINE, now(vcpu) + 100000);
	before = now(vcpu);
	stand_still(vcpu, 5000000);
	assert_true(now(vcpu) == before);
	assert_false(fired(vcpu));
	check_fires_after(vcpu, 100000);
	wr(vcpu, APIC_LVTT, ONESHOT);
	wr(vcpu, APIC_TMICT, 100000);
	stand_still(vcpu, 40000);
	assert_int_equal(rd(vcpu, APIC_TMCCT), 100000);
	machine_advance(30000);
	stand_still(vcpu, 7000000);
	assert_int_equal(rd(vcpu, APIC_TMCCT), 70000);
	check_fires_after(vcpu, 70000);
	wr(vcpu, APIC_LVTT, PERIODIC);
	wr(vcpu, APIC_TMICT, 100000);
	machine_advance(60000);
	stand_still(vcpu, 12340000);
	check_fires_after(vcpu, 40000);
	machine_advance(100000);
	assert_true(fired(vcpu));
}

/* The host's TSC jumps back (suspend), the guest's does not. */
static void test_host_tsc_jumps(void **state)
{
	struct mica_vcpu *vcpu = *state;
	u64 before;

	wr(vcpu, APIC_LVTT, ONESHOT);
	wr(vcpu, APIC_TMICT, 1000000);
	machine_advance(400000);
	before = now(vcpu);
	vcpu->apic.timer.hrtimer.queued = false;
	machine.tsc -= HOST_TSC / 2;
	vcpu->tsc_offset += HOST_TSC / 2;
	assert_true(now(vcpu) == before);
	machine_run_requests(vcpu);
	assert_int_equal(rd(vcpu, APIC_TMCCT), 600000);
	check_fires_after(vcpu, 600000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_blocking),
		TEST(test_early_hrtimer),
		ONE(test_early_backend, setup),
		TEST(test_block_too_late),
		TEST(test_blocked_by_tpr),
		TEST(test_changed_while_away),
		TEST(test_nothing_to_do),
		TEST(test_stale_request),
		TEST(test_no_hrtimer_after_destroy),
		TEST(test_tsc_write_moves_the_deadline),
		TEST(test_tsc_write_does_not_touch_the_count),
		TEST(test_time_moves),
		TEST(test_host_tsc_jumps),
	};

	return cmocka_run_group_tests_name("apic timer, arming", tests, NULL, NULL);
}
