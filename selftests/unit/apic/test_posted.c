// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The APIC's page belongs to a CPU that delivers interrupts by itself: nobody else writes to it
 * while that may be in the guest, and what the CPU did there counts.
 */
#include "apic_test.h"

static void set(struct mica_vcpu *vcpu, u32 base, u8 vector, bool to)
{
	u32 offset = base + vector / 32 * 16, bit = 1u << vector % 32;
	u32 value = mica_apic_reg(&vcpu->apic, offset);

	mica_apic_set_reg(&vcpu->apic, offset, to ? value | bit : value & ~bit);
}

/* SDM volume 3, "Virtual-Interrupt Delivery". */
static void cpu_delivers(struct mica_vcpu *vcpu, u8 vector)
{
	assert_true(in_irr(vcpu, vector));
	set(vcpu, APIC_IRR, vector, false);
	set(vcpu, APIC_ISR, vector, true);
}

static struct mica_vcpu *start(void **state)
{
	machine_cpu_delivers();
	return *state;
}

static void tell(struct mica_vcpu *vcpu, u8 waiting, u8 in_service)
{
	assert_true(machine_take_request(vcpu, MICA_REQ_EVENT));
	mica_apic_tell_vectors(&vcpu->apic);
	assert_int_equal(machine.waiting, waiting);
	assert_int_equal(machine.in_service, in_service);
}

static void test_page_is_left_alone(void **state)
{
	struct mica_vcpu *vcpu = start(state);
	unsigned int vector;

	for (vector = 16; vector < 256; vector++) {
		interrupt(vcpu, vector, vector % 3 == 0);
		assert_false(in_irr(vcpu, vector));
	}
	tell(vcpu, 255, 0);
	for (vector = 16; vector < 256; vector++)
		assert_true(in_irr(vcpu, vector));
	/* Posted once. */
	cpu_delivers(vcpu, 255);
	interrupt(vcpu, 17, false);
	tell(vcpu, 254, 255);
}

static void test_service(void **state)
{
	struct mica_vcpu *vcpu = start(state);

	interrupt(vcpu, 0x40, false);
	interrupt(vcpu, 0x31, false);
	tell(vcpu, 0x40, 0);
	cpu_delivers(vcpu, 0x40);
	assert_int_equal(mica_apic_pending(&vcpu->apic), -1);
	assert_int_equal(rd(vcpu, APIC_PROCPRI), 0x40);
	interrupt(vcpu, 0x50, false);
	assert_int_equal(mica_apic_pending(&vcpu->apic), 0x50);
	tell(vcpu, 0x50, 0x40);
	/* An EOI that comes by user space. */
	wr(vcpu, APIC_EOI, 0);
	assert_false(in_isr(vcpu, 0x40));
	tell(vcpu, 0x50, 0);
}

static void test_eoi_that_exits(void **state)
{
	struct mica_vcpu *vcpu = start(state);

	interrupt(vcpu, 0x40, true);
	tell(vcpu, 0x40, 0);
	cpu_delivers(vcpu, 0x40);
	set(vcpu, APIC_ISR, 0x40, false);
	mica_apic_eoi_done(&vcpu->apic, 0x40);
	assert_true(machine_take_request(vcpu, MICA_REQ_EOI));
	assert_int_equal(mica_apic_take_eoi(&vcpu->apic), 0x40);
	assert_int_equal(mica_apic_take_eoi(&vcpu->apic), -1);
	/* It has become edge-triggered since. */
	interrupt(vcpu, 0x40, false);
	mica_apic_eoi_done(&vcpu->apic, 0x40);
	assert_int_equal(mica_apic_take_eoi(&vcpu->apic), -1);
}

static void test_state(void **state)
{
	struct mica_vcpu *vcpu = start(state);
	struct mica_apic_state image;

	interrupt(vcpu, 0x40, false);
	tell(vcpu, 0x40, 0);
	cpu_delivers(vcpu, 0x40);
	interrupt(vcpu, 0x55, false);
	mica_apic_get_state(&vcpu->apic, &image);
	assert_int_equal(image.regs[APIC_PROCPRI >> 4], 0x40);
	assert_int_equal(image.regs[(APIC_ISR >> 4) + 2], 1);
	assert_int_equal(image.regs[(APIC_IRR >> 4) + 2], 1u << 0x15);
	interrupt(vcpu, 0x60, false);
	assert_int_equal(mica_apic_set_state(&vcpu->apic, &image), 0);
	tell(vcpu, 0x55, 0x40);
	interrupt(vcpu, 0x60, false);
	mica_apic_reset(vcpu, true);
	tell(vcpu, 0, 0);
	/* An APIC that is off delivers nothing. */
	image.regs[(APIC_ISR >> 4) + 2] = 0;
	image.regs[APIC_PROCPRI >> 4] = 0;
	assert_int_equal(mica_apic_set_state(&vcpu->apic, &image), 0);
	vcpu->apic.base &= ~(u64)MSR_IA32_APICBASE_ENABLE;
	tell(vcpu, 0, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_page_is_left_alone, machine_setup,
						machine_teardown),
		cmocka_unit_test_setup_teardown(test_service, machine_setup, machine_teardown),
		cmocka_unit_test_setup_teardown(test_eoi_that_exits, machine_setup,
						machine_teardown),
		cmocka_unit_test_setup_teardown(test_state, machine_setup, machine_teardown),
	};

	return cmocka_run_group_tests_name("interrupts that the CPU delivers", tests, NULL, NULL);
}
