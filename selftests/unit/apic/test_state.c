// SPDX-License-Identifier: GPL-2.0-or-later
/* The image in the ABI: round trip, refusal; and random accesses with invariants. */
#include "apic_test.h"

#define REG(state, offset)	((state)->regs[(offset) >> 4])

static void get(struct mica_vcpu *vcpu, struct mica_apic_state *state)
{
	memset(state, 0x5a, sizeof(*state));
	mica_apic_get_state(&vcpu->apic, state);
}

static int set(struct mica_vcpu *vcpu, const struct mica_apic_state *state)
{
	return mica_apic_set_state(&vcpu->apic, state);
}

static void make_busy(struct mica_vcpu *vcpu)
{
	interrupt(vcpu, 0x31, true);
	assert_int_equal(take(vcpu), 0x31);
	interrupt(vcpu, 0x91, false);
	assert_int_equal(take(vcpu), 0x91);
	interrupt(vcpu, 0xa1, true);
	interrupt(vcpu, 0x22, false);
	wr(vcpu, APIC_TASKPRI, 0xb3);
	wr(vcpu, APIC_TDCR, 0xb);
	wr(vcpu, APIC_LVTT, APIC_LVT_TIMER_PERIODIC | 0xec);
	wr(vcpu, APIC_TMICT, 100000);
	wr(vcpu, APIC_LVT0, APIC_DM_EXTINT);
	wr(vcpu, APIC_LVTERR, 0xfe);
	wr(vcpu, APIC_ICR, APIC_DEST_SELF | 3);
	wr(vcpu, APIC_ESR, 0);
	mica_apic_set_pin(vcpu, MICA_PIN_LINT0, true);
	mica_apic_set_pin(vcpu, MICA_PIN_LINT1, true);
	/* The CPU has left this in the page. */
	mica_apic_set_reg(&vcpu->apic, APIC_EOI, mica_apic_is_x2(&vcpu->apic) ? 0 : 0x1234);
	machine_advance(30000);
}

static void check_round_trip(struct mica_vcpu *from, struct mica_vcpu *to)
{
	struct mica_apic_state image, again;

	get(from, &image);
	assert_int_equal(mica_apic_set_base(&to->apic, from->apic.base, true), 0);
	to->requests = 0;
	assert_int_equal(set(to, &image), 0);
	assert_true(test_bit(MICA_REQ_EVENT, &to->requests));
	get(to, &again);
	assert_memory_equal(&image, &again, sizeof(image));
	check_invariants(to);
}

static void test_round_trip(void **state)
{
	static const u64 bases[] = { 0xfee00900, 0xfee00d00 };
	struct mica_vcpu *vcpu = *state, *other = calloc(1, sizeof(*vcpu));
	struct mica_apic_state image;
	unsigned int i;

	memcpy(other, vcpu, sizeof(*vcpu));	/* the same policy, id and TSC */
	assert_int_equal(mica_apic_init(other), 0);
	for (i = 0; i < ARRAY_SIZE(bases); i++) {
		mica_apic_reset(vcpu, false);
		assert_int_equal(mica_apic_set_base(&vcpu->apic, bases[i], false), 0);
		check_round_trip(vcpu, other);
		wr(vcpu, APIC_SPIV, 0x1ff);
		make_busy(vcpu);
		check_round_trip(vcpu, other);
		get(vcpu, &image);
		assert_int_equal(REG(&image, APIC_TMCCT), 70000);
		assert_int_equal(image.pins, 3);
		/* What was under way goes on. */
		assert_int_equal(rd(other, APIC_TMCCT), 70000);
		assert_true(mica_apic_extint_pending(&other->apic));
		wr(other, APIC_EOI, 0);
		wr(other, APIC_TASKPRI, 0);
		assert_int_equal(take(other), 0xfe);
	}
	assert_int_equal(mica_apic_set_base(&vcpu->apic, 0xfee00100, false), 0);
	check_round_trip(vcpu, other);
	mica_apic_destroy(other);
	free(other);
}

static void test_deadline_round_trip(void **state)
{
	struct mica_apic_state image;
	struct mica_vcpu *vcpu = *state;
	u64 deadline = mica_vcpu_tsc(vcpu) + 100000;

	wr(vcpu, APIC_LVTT, APIC_LVT_TIMER_TSCDEADLINE | 0xec);
	wrmsr(vcpu, MSR_IA32_TSC_DEADLINE, deadline);
	get(vcpu, &image);
	assert_true(image.timer_deadline == deadline);
	assert_int_equal(REG(&image, APIC_TMCCT), 0);
	mica_apic_reset(vcpu, false);
	assert_int_equal(set(vcpu, &image), 0);
	assert_true(rdmsr(vcpu, MSR_IA32_TSC_DEADLINE) == deadline);
	machine_advance(100000 - 1);
	assert_int_equal(take(vcpu), -1);
	machine_advance(1);
	assert_int_equal(take(vcpu), 0xec);
	/* One that has passed in between fires. */
	assert_int_equal(set(vcpu, &image), 0);
	assert_int_equal(take(vcpu), 0xec);
}

/* An image without a deadline counts from the current count. */
static void test_current_count_starts_the_timer(void **state)
{
	struct mica_apic_state image;
	struct mica_vcpu *vcpu = *state;

	wr(vcpu, APIC_LVTT, 0xec);
	get(vcpu, &image);
	REG(&image, APIC_TDCR) = 0xb;
	REG(&image, APIC_TMICT) = 100000;
	REG(&image, APIC_TMCCT) = 60000;
	assert_int_equal(set(vcpu, &image), 0);
	machine_advance(20000);
	assert_int_equal(rd(vcpu, APIC_TMCCT), 40000);
	machine_advance(40000);
	assert_int_equal(take(vcpu), 0xec);
	REG(&image, APIC_TMCCT) = 0;
	assert_int_equal(set(vcpu, &image), 0);
	machine_advance(200000);
	assert_int_equal(take(vcpu), -1);
}

/* An expiry that nobody has looked at is in the image's IRR. */
static void test_unseen_expiry(void **state)
{
	struct mica_apic_state image;
	struct mica_vcpu *vcpu = *state;

	wr(vcpu, APIC_LVTT, 0xec);
	wr(vcpu, APIC_TMICT, 100);
	machine.tsc += 1000;
	get(vcpu, &image);
	assert_int_equal(REG(&image, APIC_IRR + 0x70), 1 << 12);
	assert_true(image.timer_deadline == 0);
}

/* One change each, and the image is impossible. */
static const struct change {
	u32 offset, value;
} impossible[] = {
	{ 0x000, 1 }, { 0x010, 1 }, { 0x020, 0x01000000 }, { 0x030, 0x50015 }, { 0x040, 1 },
	{ 0x080, 0x100 }, { 0x090, 1 }, { 0x0a0, 0x10 }, { 0x0b0, 1 }, { 0x0c0, 1 },
	{ 0x0d0, 1 }, { 0x0e0, 0xf0000000 }, { 0x0f0, 0x11ff }, { 0x0f0, 0xff }, { 0x100, 0x8000 },
	{ 0x180, 1 }, { 0x200, 0x8000 }, { 0x280, 1 }, { 0x280, 0x100 }, { 0x290, 1 },
	{ 0x2f0, 0x10000 }, { 0x300, 0x1000 }, { 0x300, 0x100000 }, { 0x310, 1 },
	{ 0x320, 0x1020 }, { 0x320, 0x80020 }, { 0x330, 0x8020 }, { 0x340, 0x20020 },
	{ 0x350, 0x1000 }, { 0x360, 0x4000 }, { 0x370, 0x400 }, { 0x390, 1 }, { 0x3a0, 1 },
	{ 0x3d0, 1 }, { 0x3e0, 4 }, { 0x3f0, 0x51 },
};

static void test_refusal(void **state)
{
	struct mica_apic_state good, bad, after;
	struct mica_vcpu *vcpu = *state;
	unsigned int i;

	wr(vcpu, APIC_LVT1, 0x400);
	get(vcpu, &good);
	for (i = 0; i < ARRAY_SIZE(impossible); i++) {
		bad = good;
		REG(&bad, impossible[i].offset) = impossible[i].value;
		bad.regs[APIC_LDR >> 4] |= 0xff000000;	/* must not be loaded */
		assert_int_equal(set(vcpu, &bad), -EINVAL);
		get(vcpu, &after);
		assert_memory_equal(&good, &after, sizeof(good));
	}
	bad = good;
	bad.pins = 4;
	assert_int_equal(set(vcpu, &bad), -EINVAL);
	bad = good;
	bad.pad = 1;
	assert_int_equal(set(vcpu, &bad), -EINVAL);
	assert_int_equal(set(vcpu, &good), 0);
}

static void test_refusal_of_timers(void **state)
{
	struct mica_apic_state good, bad;
	struct mica_vcpu *vcpu = *state;

	get(vcpu, &good);
	bad = good;
	bad.timer_deadline = 1;		/* a count that cannot run */
	assert_int_equal(set(vcpu, &bad), -EINVAL);
	REG(&bad, APIC_LVTT) = 0x600ec;	/* the reserved mode */
	assert_int_equal(set(vcpu, &bad), -EINVAL);
	bad.timer_deadline = 0;
	assert_int_equal(set(vcpu, &bad), 0);
	REG(&bad, APIC_LVTT) = 0x400ec;
	REG(&bad, APIC_TMICT) = 5;
	assert_int_equal(set(vcpu, &bad), 0);
	REG(&bad, APIC_TMCCT) = 5;	/* nothing counts in TSC-deadline mode */
	assert_int_equal(set(vcpu, &bad), -EINVAL);
	vcpu->features.tsc_deadline = false;
	REG(&bad, APIC_TMCCT) = 0;
	assert_int_equal(set(vcpu, &bad), -EINVAL);
}

static void test_refusal_by_mode(void **state)
{
	struct mica_apic_state xapic, x2apic, bad;
	struct mica_vcpu *vcpu = machine_vcpu(1);

	get(vcpu, &xapic);
	machine_x2apic();
	get(vcpu, &x2apic);
	assert_int_equal(set(vcpu, &xapic), -EINVAL);
	assert_int_equal(set(machine_vcpu(2), &x2apic), -EINVAL);
	bad = x2apic;
	REG(&bad, APIC_LDR) = 1;
	assert_int_equal(set(vcpu, &bad), -EINVAL);
	bad = x2apic;
	REG(&bad, APIC_DFR) = 0x0fffffff;
	assert_int_equal(set(vcpu, &bad), -EINVAL);
	REG(&x2apic, APIC_ICR2) = 0x12345678;
	assert_int_equal(set(vcpu, &x2apic), 0);
	assert_int_equal(mica_apic_set_base(&vcpu->apic, 0xfee00800, true), 0);
	assert_int_equal(set(vcpu, &x2apic), -EINVAL);
	assert_int_equal(set(vcpu, &xapic), 0);
}

/* EOIs that user space was not told, and errors, belong to the state that is replaced. */
static void test_set_forgets(void **state)
{
	struct mica_apic_state image;
	struct mica_vcpu *vcpu = *state;

	get(vcpu, &image);
	interrupt(vcpu, 0x41, true);
	take(vcpu);
	wr(vcpu, APIC_EOI, 0);
	mica_apic_read(&vcpu->apic, 0x400);
	assert_int_equal(set(vcpu, &image), 0);
	wr(vcpu, APIC_ESR, 0);
	assert_int_equal(rd(vcpu, APIC_ESR), 0);
	assert_false(test_bit(MICA_REQ_EOI, &vcpu->requests));
	assert_int_equal(mica_apic_take_eoi(&vcpu->apic), -1);
}

/* ------------------------------------------------------------ random accesses */

static u32 random_offset(void)
{
	static const u32 hot[] = { 0x80, 0xb0, 0xd0, 0xe0, 0xf0, 0x280, 0x300, 0x310, 0x320, 0x350,
				   0x360, 0x370, 0x380, 0x390, 0x3e0, 0x3f0 };

	return random() % 8 ? hot[random() % ARRAY_SIZE(hot)] : random() & 0x1fff;
}

static u32 random_value(void)
{
	switch (random() % 4) {
	case 0:
		return random() ^ (u32)random() << 16;
	case 1:
		return random() & 0x700ff;
	case 2:
		return random() & 0x1ff;
	default:
		return random() & 0xfffff;
	}
}

/* Writes by the CPU itself, at the offsets that it virtualizes. */
static void random_written(struct mica_vcpu *vcpu)
{
	static const u32 offsets[] = { 0x20, 0x80, 0xb0, 0xd0, 0xe0, 0xf0, 0x280, 0x300, 0x310,
				       0x320, 0x330, 0x340, 0x350, 0x360, 0x370, 0x380, 0x3e0 };
	u32 offset = offsets[random() % ARRAY_SIZE(offsets)];

	if (!mica_apic_enabled(&vcpu->apic) || mica_apic_is_x2(&vcpu->apic))
		return;
	mica_apic_set_reg(&vcpu->apic, offset, random_value());
	mica_apic_written(&vcpu->apic, offset);
}

static void random_base(struct mica_vcpu *vcpu)
{
	static const u64 bases[] = { 0xfee00000, 0xfee00800, 0xfee00900, 0xfee00c00, 0xfee00400 };

	mica_apic_set_base(&vcpu->apic, bases[random() % ARRAY_SIZE(bases)], random() & 1);
}

static void random_image(struct mica_vcpu *vcpu)
{
	struct mica_apic_state image;

	get(vcpu, &image);
	if (random() & 1)
		image.regs[random() % MICA_APIC_REGS] ^= 1u << random() % 32;
	if (!(random() & 7))
		image.timer_deadline = mica_vcpu_tsc(vcpu) + random_value();
	set(vcpu, &image);
}

static void random_outside(struct mica_vcpu *vcpu)
{
	struct mica_irq irq = { .dest = random() & 0xff, .vector = random(),
				.delivery_mode = random() & 7, .logical = random() & 1,
				.level = random() & 1, .assert = true };

	if (random() & 1)
		mica_apic_deliver(&machine.vm, NULL, &irq);
	else
		mica_apic_set_pin(vcpu, random() & 3, random() & 1);
}

static void random_events(struct mica_vcpu *vcpu)
{
	machine_run_requests(vcpu);
	if (machine_take_request(vcpu, MICA_REQ_EOI))
		assert_int_not_equal(mica_apic_take_eoi(&vcpu->apic), -1);
	if (machine_take_request(vcpu, MICA_REQ_INIT) && !(random() & 3))
		mica_apic_reset(vcpu, true);
	vcpu->requests &= BIT(MICA_REQ_EOI);
	atomic_set(&vcpu->nmi_pending, 0);
	while (random() & 3 && take(vcpu) >= 0)
		;
}

static void random_time(struct mica_vcpu *vcpu)
{
	switch (random() % 8) {
	case 0:
		mica_timer_to_hrtimer(vcpu);
		mica_apic_has_work(&vcpu->apic);
		break;
	case 1:
		vcpu->tsc_offset = random();
		mica_timer_tsc_changed(vcpu);
		break;
	default:
		machine_advance(random() % 20000 + 1);
	}
}

static void random_access(struct mica_vcpu *vcpu)
{
	u64 value;

	switch (random() % 10) {
	case 0:
		mica_apic_read(&vcpu->apic, random_offset());
		break;
	case 1 ... 2:
		mica_apic_write(&vcpu->apic, random_offset(), random_value());
		break;
	case 3:
		mica_apic_msr_read(&vcpu->apic, 0x7f8 + random() % 0x110, &value);
		break;
	case 4 ... 5:
		value = (u64)(random() & 31) << 32 | random_value();
		wrmsr(vcpu, 0x800 + (random_offset() >> 4), random() & 1 ? value : (u32)value);
		break;
	case 6:
		wrmsr(vcpu, MSR_IA32_TSC_DEADLINE,
		      random() & 1 ? random() : (long)mica_vcpu_tsc(vcpu) + random() % 100000);
		break;
	case 7:
		random_written(vcpu);
		break;
	case 8:
		random_outside(vcpu);
		break;
	case 9:
		mica_apic_set_cr8(&vcpu->apic, random());
		break;
	}
}

static void fuzz(unsigned int seed)
{
	struct mica_vcpu *vcpu;
	unsigned int i;

	srandom(seed);
	for (i = 0; i < 60000; i++) {
		vcpu = machine_vcpu(random() % 4);
		random_access(vcpu);
		if (!(random() % 4))
			random_events(vcpu);
		if (!(random() % 8))
			random_time(vcpu);
		if (!(random() % 100))
			random_base(vcpu);
		if (!(random() % 50))
			random_image(vcpu);
		if (!(random() % 20))
			wr(vcpu, APIC_SPIV, 0x1ff);
		check_invariants(vcpu);
	}
}

static void test_random_accesses(void **state)
{
	fuzz(1);
	fuzz(20261122);
}

static void test_random_accesses_hrtimer(void **state)
{
	machine.backend_timer = false;
	fuzz(2);
}

#define TEST(name, setup)	cmocka_unit_test_setup_teardown(name, setup, machine_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_round_trip, machine_setup),
		TEST(test_deadline_round_trip, machine_setup),
		TEST(test_current_count_starts_the_timer, machine_setup),
		TEST(test_unseen_expiry, machine_setup),
		TEST(test_refusal, machine_setup),
		TEST(test_refusal_of_timers, machine_setup),
		TEST(test_refusal_by_mode, machine_setup_4),
		TEST(test_set_forgets, machine_setup),
		TEST(test_random_accesses, machine_setup_4),
		TEST(test_random_accesses_hrtimer, machine_setup_4),
	};

	return cmocka_run_group_tests_name("apic state", tests, NULL, NULL);
}
