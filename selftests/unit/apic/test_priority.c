// SPDX-License-Identifier: GPL-2.0-or-later
/* TPR, PPR, IRR, ISR, nesting, EOI. */
#include "apic_test.h"

static void test_every_vector(void **state)
{
	struct mica_vcpu *vcpu = *state;
	int vector;

	assert_int_equal(mica_apic_pending(&vcpu->apic), -1);
	for (vector = 16; vector < 256; vector++) {
		interrupt(vcpu, vector, false);
		assert_true(in_irr(vcpu, vector));
		assert_int_equal(mica_apic_pending(&vcpu->apic), vector);
		assert_int_equal(take(vcpu), vector);
		assert_false(in_irr(vcpu, vector));
		assert_true(in_isr(vcpu, vector));
		assert_int_equal(rd(vcpu, APIC_PROCPRI), vector & 0xf0);
		assert_int_equal(mica_apic_pending(&vcpu->apic), -1);
		check_invariants(vcpu);
		wr(vcpu, APIC_EOI, 0);
		assert_false(in_isr(vcpu, vector));
		assert_int_equal(rd(vcpu, APIC_PROCPRI), 0);
	}
}

static void test_highest_first(void **state)
{
	struct mica_vcpu *vcpu = *state;

	interrupt(vcpu, 0x31, false);
	interrupt(vcpu, 0xe1, false);
	interrupt(vcpu, 0xe9, false);
	interrupt(vcpu, 0x92, false);
	assert_int_equal(take(vcpu), 0xe9);
	assert_int_equal(take(vcpu), -1);	/* the same class waits */
	wr(vcpu, APIC_EOI, 0);
	assert_int_equal(take(vcpu), 0xe1);
	wr(vcpu, APIC_EOI, 0);
	assert_int_equal(take(vcpu), 0x92);
	wr(vcpu, APIC_EOI, 0);
	assert_int_equal(take(vcpu), 0x31);
	wr(vcpu, APIC_EOI, 0);
	assert_int_equal(take(vcpu), -1);
	wr(vcpu, APIC_EOI, 0);	/* nothing in service: nothing happens */
	check_invariants(vcpu);
}

/* All fourteen classes nest; each EOI ends the highest. */
static void test_nesting(void **state)
{
	struct mica_vcpu *vcpu = *state;
	int class;

	for (class = 1; class < 16; class++) {
		interrupt(vcpu, class << 4 | 3, false);
		assert_int_equal(take(vcpu), class << 4 | 3);
		check_invariants(vcpu);
	}
	assert_int_equal(vcpu->apic.isr_count, 15);
	for (class = 15; class >= 1; class--) {
		assert_int_equal(rd(vcpu, APIC_PROCPRI), class << 4);
		interrupt(vcpu, class << 4 | 9, false);
		assert_int_equal(take(vcpu), -1);
		drop_irr(vcpu, class << 4 | 9);
		wr(vcpu, APIC_EOI, 0);
		check_invariants(vcpu);
	}
	assert_int_equal(vcpu->apic.isr_count, 0);
}

/* SDM "Task and Processor Priorities". */
static void test_ppr(void **state)
{
	static const struct { u8 tpr, vector, ppr; } rows[] = {
		{ 0x00, 0, 0x00 }, { 0x2f, 0, 0x2f }, { 0xff, 0, 0xff },
		{ 0x00, 0x35, 0x30 }, { 0x2f, 0x35, 0x30 }, { 0x45, 0x35, 0x45 },
		{ 0x3b, 0x35, 0x3b },
	};
	struct mica_vcpu *vcpu = *state;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		wr(vcpu, APIC_TASKPRI, 0);
		if (rows[i].vector) {
			interrupt(vcpu, rows[i].vector, false);
			assert_int_equal(take(vcpu), rows[i].vector);
		}
		wr(vcpu, APIC_TASKPRI, rows[i].tpr);
		assert_int_equal(mica_apic_reg(&vcpu->apic, APIC_PROCPRI), rows[i].ppr);
		assert_int_equal(rd(vcpu, APIC_PROCPRI), rows[i].ppr);
		wr(vcpu, APIC_EOI, 0);
		assert_int_equal(mica_apic_reg(&vcpu->apic, APIC_PROCPRI), rows[i].tpr);
	}
}

static void test_tpr_holds_back(void **state)
{
	struct mica_vcpu *vcpu = *state;
	u32 tpr;

	interrupt(vcpu, 0x55, false);
	for (tpr = 0; tpr < 256; tpr++) {
		wr(vcpu, APIC_TASKPRI, tpr);
		assert_int_equal(mica_apic_pending(&vcpu->apic), tpr >> 4 < 5 ? 0x55 : -1);
		assert_int_equal(mica_apic_tpr_threshold(&vcpu->apic), tpr >> 4 < 5 ? 0 : 5);
		assert_int_equal(mica_apic_has_work(&vcpu->apic), tpr >> 4 < 5);
	}
}

/* The CPU changes TPR in the page without an exit. */
static void test_tpr_by_cpu(void **state)
{
	struct mica_vcpu *vcpu = *state;

	interrupt(vcpu, 0x55, false);
	mica_apic_set_reg(&vcpu->apic, APIC_TASKPRI, 0x60);
	assert_int_equal(rd(vcpu, APIC_PROCPRI), 0x60);
	assert_int_equal(mica_apic_pending(&vcpu->apic), -1);
	assert_int_equal(mica_apic_tpr_threshold(&vcpu->apic), 5);
	mica_apic_set_reg(&vcpu->apic, APIC_TASKPRI, 0x4f);
	assert_int_equal(mica_apic_pending(&vcpu->apic), 0x55);
}

static void test_threshold_is_for_tpr_alone(void **state)
{
	struct mica_vcpu *vcpu = *state;

	assert_int_equal(mica_apic_tpr_threshold(&vcpu->apic), 0);
	interrupt(vcpu, 0x65, false);
	take(vcpu);
	interrupt(vcpu, 0x61, false);
	wr(vcpu, APIC_TASKPRI, 0x70);
	assert_int_equal(mica_apic_tpr_threshold(&vcpu->apic), 0);	/* EOI comes first */
	vcpu->requests = 0;
	wr(vcpu, APIC_EOI, 0);
	assert_true(machine_take_request(vcpu, MICA_REQ_EVENT));
	assert_int_equal(mica_apic_tpr_threshold(&vcpu->apic), 6);
}

static void test_cr8(void **state)
{
	struct mica_vcpu *vcpu = *state;
	u64 cr8;

	for (cr8 = 0; cr8 < 16; cr8++) {
		wr(vcpu, APIC_TASKPRI, 0xff);
		mica_apic_set_cr8(&vcpu->apic, cr8);
		assert_int_equal(rd(vcpu, APIC_TASKPRI), cr8 << 4);
		assert_int_equal(mica_apic_get_cr8(&vcpu->apic), cr8);
	}
	wr(vcpu, APIC_TASKPRI, 0x5a);
	assert_int_equal(mica_apic_get_cr8(&vcpu->apic), 5);
}

/* Requests are made when there is something to look at, and only then; never a kick. */
static void test_own_requests(void **state)
{
	struct mica_vcpu *vcpu = *state;

	wr(vcpu, APIC_TASKPRI, 0x40);
	wr(vcpu, APIC_EOI, 0);
	assert_int_equal(vcpu->requests, 0);
	wr(vcpu, APIC_ICR, APIC_DEST_SELF | 0x31);
	assert_int_equal(vcpu->requests, BIT(MICA_REQ_EVENT));
	vcpu->requests = 0;
	wr(vcpu, APIC_ICR, APIC_DEST_SELF | 0x31);	/* already there */
	assert_int_equal(vcpu->requests, 0);
	wr(vcpu, APIC_TASKPRI, 0);
	assert_int_equal(vcpu->requests, BIT(MICA_REQ_EVENT));
	vcpu->requests = 0;
	take(vcpu);
	wr(vcpu, APIC_EOI, 0);
	assert_int_equal(vcpu->requests, 0);
	assert_int_equal(machine.kicks[0], 0);
}

static void test_level_eoi(void **state)
{
	struct mica_vcpu *vcpu = *state;

	interrupt(vcpu, 0x41, true);
	interrupt(vcpu, 0x52, false);
	interrupt(vcpu, 0x63, true);
	assert_int_equal(rd(vcpu, APIC_TMR + 0x20), 1 << 1);
	assert_int_equal(rd(vcpu, APIC_TMR + 0x30), 1 << 3);
	vcpu->requests = 0;
	assert_int_equal(take(vcpu), 0x63);
	wr(vcpu, APIC_EOI, 0);
	assert_true(test_bit(MICA_REQ_EOI, &vcpu->requests));
	assert_int_equal(take(vcpu), 0x52);
	wr(vcpu, APIC_EOI, 0);
	assert_int_equal(take(vcpu), 0x41);
	wr(vcpu, APIC_EOI, 0);
	assert_true(machine_take_request(vcpu, MICA_REQ_EOI));
	assert_int_equal(mica_apic_take_eoi(&vcpu->apic), 0x41);
	assert_true(machine_take_request(vcpu, MICA_REQ_EOI));
	assert_int_equal(mica_apic_take_eoi(&vcpu->apic), 0x63);
	assert_false(test_bit(MICA_REQ_EOI, &vcpu->requests));
	assert_int_equal(mica_apic_take_eoi(&vcpu->apic), -1);
}

/* The same vector may come as level, then as edge. */
static void test_trigger_mode_changes(void **state)
{
	struct mica_vcpu *vcpu = *state;

	interrupt(vcpu, 0x41, true);
	take(vcpu);
	wr(vcpu, APIC_EOI, 0);
	assert_int_equal(mica_apic_take_eoi(&vcpu->apic), 0x41);
	vcpu->requests = 0;
	interrupt(vcpu, 0x41, false);
	assert_int_equal(rd(vcpu, APIC_TMR + 0x20), 0);
	take(vcpu);
	wr(vcpu, APIC_EOI, 0);
	assert_int_equal(mica_apic_take_eoi(&vcpu->apic), -1);
	assert_false(test_bit(MICA_REQ_EOI, &vcpu->requests));
}

/* SDM "Local APIC State After It Has Been Software Disabled": pending ones stay. */
static void test_software_disabled(void **state)
{
	struct mica_irq irq = { .dest = 0, .vector = 0x77, .assert = true };
	struct mica_vcpu *vcpu = *state;

	interrupt(vcpu, 0x41, false);
	wr(vcpu, APIC_SPIV, 0xff);
	assert_int_equal(mica_apic_deliver(&machine.vm, NULL, &irq), 0);
	assert_false(in_irr(vcpu, 0x77));
	assert_int_equal(take(vcpu), 0x41);
	wr(vcpu, APIC_EOI, 0);
	assert_int_equal(vcpu->apic.isr_count, 0);
}

static void test_eoi_by_cpu_and_msr(void **state)
{
	struct mica_vcpu *vcpu = *state;

	interrupt(vcpu, 0x41, false);
	take(vcpu);
	mica_apic_set_reg(&vcpu->apic, APIC_EOI, 0x12345678);
	mica_apic_written(&vcpu->apic, APIC_EOI);
	assert_false(in_isr(vcpu, 0x41));
	assert_int_equal(rd(vcpu, APIC_EOI), 0);
	machine_x2apic();
	interrupt(vcpu, 0x41, false);
	take(vcpu);
	assert_int_equal(wrmsr(vcpu, 0x80b, 1), -EINVAL);
	assert_true(in_isr(vcpu, 0x41));
	assert_int_equal(wrmsr(vcpu, 0x80b, 0), 0);
	assert_false(in_isr(vcpu, 0x41));
}

#define TEST(name)	cmocka_unit_test_setup_teardown(name, machine_setup, machine_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_every_vector),
		TEST(test_highest_first),
		TEST(test_nesting),
		TEST(test_ppr),
		TEST(test_tpr_holds_back),
		TEST(test_tpr_by_cpu),
		TEST(test_threshold_is_for_tpr_alone),
		TEST(test_cr8),
		TEST(test_own_requests),
		TEST(test_level_eoi),
		TEST(test_trigger_mode_changes),
		TEST(test_software_disabled),
		TEST(test_eoi_by_cpu_and_msr),
	};

	return cmocka_run_group_tests_name("apic priorities", tests, NULL, NULL);
}
