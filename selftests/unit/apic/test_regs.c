// SPDX-License-Identifier: GPL-2.0-or-later
/* Every register in both modes, modes of IA32_APIC_BASE, reset. */
#include "apic_test.h"

#define RESERVED	0
#define R		1
#define W		2
#define RW		3

/* What the SDM says, written down independently of kmod/apic.c. */
static const struct row {
	u32 offset;
	int xapic, x2apic;
	u32 bits;	/* writable and readable again */
} rows[] = {
	{ 0x020, R, R, 0 }, { 0x030, R, R, 0 },
	{ 0x080, RW, RW, 0xff }, { 0x090, R, RESERVED, 0 }, { 0x0a0, R, R, 0 },
	{ 0x0b0, W, W, 0 }, { 0x0c0, R, RESERVED, 0 }, { 0x0d0, RW, R, 0xff000000 },
	{ 0x0e0, RW, RESERVED, 0xf0000000 }, { 0x0f0, RW, RW, 0x3ff },
	{ 0x100, R, R, 0 }, { 0x110, R, R, 0 }, { 0x120, R, R, 0 }, { 0x130, R, R, 0 },
	{ 0x140, R, R, 0 }, { 0x150, R, R, 0 }, { 0x160, R, R, 0 }, { 0x170, R, R, 0 },
	{ 0x180, R, R, 0 }, { 0x190, R, R, 0 }, { 0x1a0, R, R, 0 }, { 0x1b0, R, R, 0 },
	{ 0x1c0, R, R, 0 }, { 0x1d0, R, R, 0 }, { 0x1e0, R, R, 0 }, { 0x1f0, R, R, 0 },
	{ 0x200, R, R, 0 }, { 0x210, R, R, 0 }, { 0x220, R, R, 0 }, { 0x230, R, R, 0 },
	{ 0x240, R, R, 0 }, { 0x250, R, R, 0 }, { 0x260, R, R, 0 }, { 0x270, R, R, 0 },
	{ 0x280, RW, RW, 0 }, { 0x300, RW, RW, 0xccfff }, { 0x310, RW, RESERVED, 0xff000000 },
	{ 0x320, RW, RW, 0x700ff }, { 0x330, RW, RW, 0x107ff }, { 0x340, RW, RW, 0x107ff },
	{ 0x350, RW, RW, 0x1a7ff }, { 0x360, RW, RW, 0x1a7ff }, { 0x370, RW, RW, 0x100ff },
	{ 0x380, RW, RW, 0xffffffff }, { 0x390, R, R, 0 }, { 0x3e0, RW, RW, 0xb },
	{ 0x3f0, RESERVED, W, 0xff },
};

static const struct row *find(u32 offset)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].offset == offset)
			return &rows[i];
	return NULL;
}

static bool is_lvt(u32 offset)
{
	return offset >= 0x320 && offset <= 0x370;
}

static u32 latched_errors(struct mica_vcpu *vcpu)
{
	wr(vcpu, APIC_ESR, 0);
	return rd(vcpu, APIC_ESR);
}

/* Values after which nothing is sent: vectors only where nobody is meant. */
static void check_xapic_bits(struct mica_vcpu *vcpu, const struct row *row, u32 value)
{
	u32 fixed = row->offset == 0x0e0 ? 0x0fffffff : 0;

	if (row->offset == 0x0f0)
		value |= APIC_SPIV_APIC_ENABLED;
	if (row->offset == 0x300)
		value = (value & ~0xc0700u) | APIC_DM_SMI;
	mica_apic_write(&vcpu->apic, row->offset, value);
	assert_int_equal(mica_apic_read(&vcpu->apic, row->offset), (value & row->bits) | fixed);
	assert_int_equal(mica_apic_reg(&vcpu->apic, row->offset), (value & row->bits) | fixed);
}

static void test_xapic_writable_bits(void **state)
{
	static const u32 values[] = { 0, ~0u, 0x55555555, 0xaaaaaaaa, 0x12345678, 0 };
	struct mica_vcpu *vcpu = *state;
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		if (rows[i].xapic != RW || rows[i].offset == 0x280)
			continue;
		for (j = 0; j < ARRAY_SIZE(values); j++)
			check_xapic_bits(vcpu, &rows[i], values[j]);
	}
	check_invariants(vcpu);
}

/* The CPU stored the value first; read-only bits come back. */
static void test_xapic_written(void **state)
{
	struct mica_vcpu *vcpu = *state;
	struct mica_apic *apic = &vcpu->apic;
	unsigned int i;
	u32 value, fixed;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		if (rows[i].xapic != RW || rows[i].offset == 0x280)
			continue;
		value = 0xfedcba98;
		if (rows[i].offset == 0x0f0)
			value |= APIC_SPIV_APIC_ENABLED;
		fixed = rows[i].offset == 0x0e0 ? 0x0fffffff : 0;
		mica_apic_set_reg(apic, rows[i].offset, value);
		mica_apic_written(apic, rows[i].offset);
		assert_int_equal(mica_apic_reg(apic, rows[i].offset),
				 (value & rows[i].bits) | fixed);
		if (rows[i].offset == APIC_LVTT)	/* a mode in which the timer counts */
			wr(vcpu, APIC_LVTT, 0);
	}
	mica_apic_set_reg(apic, APIC_ID, 0x7f000000);
	mica_apic_written(apic, APIC_ID);
	check_invariants(vcpu);
}

static void test_xapic_read_only(void **state)
{
	struct mica_vcpu *vcpu = *state;
	unsigned int i;
	u32 before;

	interrupt(vcpu, 0x61, true);
	interrupt(vcpu, 0x51, false);
	assert_int_equal(take(vcpu), 0x61);
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		if (rows[i].xapic != R)
			continue;
		before = rd(vcpu, rows[i].offset);
		wr(vcpu, rows[i].offset, ~before);
		assert_int_equal(rd(vcpu, rows[i].offset), before);
		assert_int_equal(latched_errors(vcpu), 0);
	}
	check_invariants(vcpu);
}

static void test_xapic_reserved(void **state)
{
	struct mica_vcpu *vcpu = *state;
	u32 offset;

	for (offset = 0; offset < 0x1000; offset += 4) {
		if (find(offset) && find(offset)->xapic)
			continue;
		assert_int_equal(mica_apic_read(&vcpu->apic, offset), 0);
		assert_int_equal(latched_errors(vcpu), APIC_ESR_ILLREGA);
		mica_apic_write(&vcpu->apic, offset, ~0u);
		assert_int_equal(latched_errors(vcpu), APIC_ESR_ILLREGA);
	}
	check_invariants(vcpu);
}

/* The LVT of CPUs without TSC-deadline has one mode bit. */
static void test_lvt_timer_without_deadline(void **state)
{
	struct mica_vcpu *vcpu = *state;

	vcpu->features.tsc_deadline = false;
	wr(vcpu, APIC_LVTT, ~0u);
	assert_int_equal(rd(vcpu, APIC_LVTT), 0x300ff);
	assert_int_equal(rdmsr_error(vcpu, MSR_IA32_TSC_DEADLINE), -EINVAL);
	assert_int_equal(wrmsr(vcpu, MSR_IA32_TSC_DEADLINE, 1), -EINVAL);
	machine_x2apic();
	assert_int_equal(wrmsr(vcpu, 0x832, 0x40000), -EINVAL);
}

static void test_x2apic_is_not_there_in_xapic_mode(void **state)
{
	struct mica_vcpu *vcpu = *state;
	u32 msr;

	for (msr = 0x800; msr < 0x900; msr++) {
		assert_int_equal(rdmsr_error(vcpu, msr), -EINVAL);
		assert_int_equal(wrmsr(vcpu, msr, 0), -EINVAL);
	}
	machine_x2apic();
	assert_int_equal(mica_apic_read(&vcpu->apic, APIC_LVR), ~0u);
	mica_apic_write(&vcpu->apic, APIC_TASKPRI, 0x30);
	assert_int_equal(rd(vcpu, APIC_TASKPRI), 0);
}

/* What a CPU may read from the page is what RDMSR gives; what has a value of its own, or none,
 * is not offered. */
static void test_x2apic_reads_from_page(void **state)
{
	struct mica_vcpu *vcpu = *state;
	unsigned int offered = 0;
	u32 offset;
	u64 value;

	machine_x2apic();
	wrmsr(vcpu, APIC_BASE_MSR + (APIC_SPIV >> 4), 0x1ff);
	wrmsr(vcpu, APIC_BASE_MSR + (APIC_LVT1 >> 4), 0x400);
	wrmsr(vcpu, APIC_BASE_MSR + (APIC_TMICT >> 4), 0x1000);
	for (offset = 0; offset < 0x1000; offset += 16) {
		if (!mica_apic_in_page(offset))
			continue;
		offered++;
		assert_int_equal(mica_apic_msr_read(&vcpu->apic, APIC_BASE_MSR + (offset >> 4),
						    &value), 0);
		assert_int_equal(value, *(u64 *)(vcpu->apic.regs + offset));
	}
	/* id, version, TPR, LDR, SVR, ESR, six LVT entries, initial count, divide; ISR, TMR, IRR */
	assert_int_equal(offered, 14 + 3 * 8);
	assert_false(mica_apic_in_page(APIC_PROCPRI));
	assert_false(mica_apic_in_page(APIC_TMCCT));
	assert_false(mica_apic_in_page(APIC_ICR));
	assert_false(mica_apic_in_page(APIC_EOI));
	assert_false(mica_apic_in_page(APIC_ID + 4));
}

static void test_x2apic_rights(void **state)
{
	struct mica_vcpu *vcpu = *state;
	const struct row *row;
	u32 msr;

	machine_x2apic();
	for (msr = 0x7ff; msr <= 0x900; msr++) {
		row = msr < 0x800 ? NULL : find((msr - 0x800) << 4);
		assert_int_equal(rdmsr_error(vcpu, msr), row && (row->x2apic & R) ? 0 : -EINVAL);
		/* A zero is possible wherever writes are (ICR and self IPI: illegal vector). */
		assert_int_equal(wrmsr(vcpu, msr, row && row->offset == 0x0f0 ? 0x1ff : 0),
				 row && (row->x2apic & W) ? 0 : -EINVAL);
	}
	check_invariants(vcpu);
}

static void test_x2apic_reserved_bits(void **state)
{
	struct mica_vcpu *vcpu = *state;
	unsigned int i, bit;
	u64 allowed, value;

	machine_x2apic();
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		if (!(rows[i].x2apic & W))
			continue;
		/* Delivery status and remote IRR may be written as they were read. */
		allowed = rows[i].bits;
		if (is_lvt(rows[i].offset) || rows[i].offset == 0x300)
			allowed |= 1 << 12;
		if (rows[i].offset == 0x350 || rows[i].offset == 0x360)
			allowed |= 1 << 14;
		if (rows[i].offset == 0x300)
			allowed |= 0xffffffffull << 32;
		for (bit = 0; bit < 64; bit++) {
			value = 1ull << bit;
			if (rows[i].offset == 0x300)	/* nobody, and no illegal vector */
				value |= allowed & value ? 0x200 : 0;
			assert_int_equal(wrmsr(vcpu, 0x800 + rows[i].offset / 16, value),
					 allowed >> bit & 1 ? 0 : -EINVAL);
			if ((rows[i].x2apic & R) && ((u64)rows[i].bits >> bit & 1) &&
			    !is_lvt(rows[i].offset))
				assert_int_equal(rdmsr(vcpu, 0x800 + rows[i].offset / 16), value);
		}
		if (rows[i].offset == APIC_LVTT)	/* a mode in which the timer counts */
			wr(vcpu, APIC_LVTT, 0);
	}
	check_invariants(vcpu);
}

static void test_x2apic_icr_is_64_bits(void **state)
{
	struct mica_vcpu *vcpu = *state;

	machine_x2apic();
	assert_int_equal(wrmsr(vcpu, 0x830, 0x1234567800001231ull), 0);
	assert_true(rdmsr(vcpu, 0x830) == 0x1234567800000231ull);
}

static void test_ids(void **state)
{
	struct mica_vcpu *vcpu;
	unsigned int id;

	for (id = 0; id < 20; id++) {
		vcpu = machine_vcpu(id);
		assert_int_equal(rd(vcpu, APIC_ID), id << 24);
		assert_int_equal(rd(vcpu, APIC_LDR), 0);
		assert_int_equal(!!(vcpu->apic.base & MSR_IA32_APICBASE_BSP), id == 0);
	}
	machine_x2apic();
	for (id = 0; id < 20; id++) {
		vcpu = machine_vcpu(id);
		assert_int_equal(rd(vcpu, APIC_ID), id);
		assert_int_equal(rd(vcpu, APIC_LDR), id / 16 << 16 | 1 << id % 16);
	}
}

/* SDM "Local APIC State After Power-Up or Reset". */
static void check_reset_values(struct mica_vcpu *vcpu)
{
	u32 offset, expected;

	for (offset = 0; offset < 0x400; offset += 16) {
		expected = 0;
		if (offset == APIC_ID || (offset == APIC_LDR && mica_apic_is_x2(&vcpu->apic)))
			continue;
		if (offset == APIC_LVR)
			expected = 0x50014;
		else if (offset == APIC_DFR)
			expected = ~0u;
		else if (offset == APIC_SPIV)
			expected = 0xff;
		else if (is_lvt(offset))
			expected = 0x10000;
		assert_int_equal(mica_apic_reg(&vcpu->apic, offset), expected);
	}
	assert_int_equal(vcpu->apic.timer.deadline, 0);
	check_invariants(vcpu);
}

static void make_busy(struct mica_vcpu *vcpu)
{
	wr(vcpu, APIC_SPIV, 0x1ff);
	wr(vcpu, APIC_TASKPRI, 0x20);
	wr(vcpu, APIC_TDCR, 0xb);
	wr(vcpu, APIC_LVTT, 0x20041);
	wr(vcpu, APIC_TMICT, 1000000);
	wr(vcpu, APIC_LVTERR, 0x45);
	if (!mica_apic_is_x2(&vcpu->apic)) {
		wr(vcpu, APIC_LDR, 0x5000000);
		wr(vcpu, APIC_DFR, 0);
	}
	wr(vcpu, APIC_ICR, APIC_DEST_SELF | 5);
	interrupt(vcpu, 0x71, true);
	assert_int_equal(take(vcpu), 0x71);
	interrupt(vcpu, 0x81, true);
}

static void test_reset(void **state)
{
	struct mica_vcpu *vcpu = *state;

	make_busy(vcpu);
	mica_apic_reset(vcpu, false);
	check_reset_values(vcpu);
	assert_int_equal(vcpu->apic.base, 0xfee00900);
	assert_int_equal(machine.backend_deadline[0], 0);
	wr(vcpu, APIC_ESR, 0);
	assert_int_equal(rd(vcpu, APIC_ESR), 0);
}

static void test_init_keeps_mode_and_id(void **state)
{
	struct mica_vcpu *vcpu = machine_vcpu(3);

	make_busy(vcpu);
	mica_apic_set_pin(vcpu, MICA_PIN_LINT0, true);
	mica_apic_reset(vcpu, true);
	check_reset_values(vcpu);
	assert_int_equal(vcpu->apic.pins, 1);
	machine_x2apic();
	make_busy(vcpu);
	mica_apic_reset(vcpu, true);
	check_reset_values(vcpu);
	assert_int_equal(vcpu->apic.base, 0xfee00c00);
	assert_int_equal(rd(vcpu, APIC_ID), 3);
	assert_int_equal(rd(vcpu, APIC_LDR), 8);
}

#define DISABLED	0xfee00000ull
#define XAPIC		0xfee00800ull
#define INVALID		0xfee00400ull
#define X2APIC		0xfee00c00ull

static void go_to(struct mica_vcpu *vcpu, u64 base)
{
	assert_int_equal(mica_apic_set_base(&vcpu->apic, base, true), 0);
	assert_int_equal(vcpu->apic.base, base);
}

static void test_base_transitions(void **state)
{
	static const u64 modes[] = { DISABLED, XAPIC, X2APIC };
	static const bool legal[3][3] = { { 1, 1, 0 }, { 1, 1, 1 }, { 1, 0, 1 } };
	struct mica_vcpu *vcpu = *state;
	unsigned int from, to;

	for (from = 0; from < 3; from++) {
		for (to = 0; to < 3; to++) {
			go_to(vcpu, modes[from]);
			machine.mode_changes = 0;
			assert_int_equal(mica_apic_set_base(&vcpu->apic, modes[to] | 0x100, false),
					 legal[from][to] ? 0 : -EINVAL);
			assert_int_equal(vcpu->apic.base,
					 legal[from][to] ? modes[to] | 0x100 : modes[from]);
			assert_int_equal(machine.mode_changes, legal[from][to] && from != to);
			check_invariants(vcpu);
		}
		assert_int_equal(mica_apic_set_base(&vcpu->apic, INVALID, false), -EINVAL);
		assert_int_equal(mica_apic_set_base(&vcpu->apic, INVALID, true), -EINVAL);
	}
}

/* Only user space can go straight back. */
static void test_host_leaves_x2apic(void **state)
{
	struct mica_vcpu *vcpu = *state;

	machine_x2apic();
	assert_int_equal(wrmsr(vcpu, 0x830, 0x1234567800000231ull), 0);
	go_to(vcpu, XAPIC);
	assert_int_equal(rd(vcpu, APIC_ID), 0);
	assert_int_equal(rd(vcpu, APIC_LDR), 0);
	assert_int_equal(rd(vcpu, APIC_ICR2), 0);
	assert_int_equal(rd(vcpu, APIC_DFR), ~0u);
}

static void test_base_reserved(void **state)
{
	struct mica_vcpu *vcpu = *state;
	unsigned int bit;
	u64 base;

	for (bit = 0; bit < 64; bit++) {
		base = XAPIC ^ 1ull << bit;
		if (bit == 8 || bit == 10 || bit == 11)
			continue;
		assert_int_equal(mica_apic_set_base(&vcpu->apic, base, false), -EINVAL);
		assert_int_equal(mica_apic_set_base(&vcpu->apic, base, true), -EINVAL);
	}
	vcpu->features.x2apic = false;
	assert_int_equal(mica_apic_set_base(&vcpu->apic, X2APIC, false), -EINVAL);
	assert_int_equal(vcpu->apic.base, XAPIC | 0x100);
}

static void test_disabling_resets(void **state)
{
	struct mica_vcpu *vcpu = *state;

	make_busy(vcpu);
	assert_int_equal(mica_apic_set_base(&vcpu->apic, DISABLED, false), 0);
	check_reset_values(vcpu);
	assert_int_equal(mica_apic_read(&vcpu->apic, APIC_LVR), ~0u);
	assert_int_equal(rdmsr_error(vcpu, 0x803), -EINVAL);
	assert_int_equal(mica_apic_set_base(&vcpu->apic, XAPIC, false), 0);
	assert_int_equal(rd(vcpu, APIC_SPIV), 0xff);
}

static void test_software_disable_masks_lvts(void **state)
{
	struct mica_vcpu *vcpu = *state;
	u32 offset;

	for (offset = APIC_LVTT; offset <= APIC_LVTERR; offset += 16)
		wr(vcpu, offset, 0x40);
	wr(vcpu, APIC_SPIV, 0xff);
	for (offset = APIC_LVTT; offset <= APIC_LVTERR; offset += 16) {
		assert_int_equal(rd(vcpu, offset), 0x10040);
		wr(vcpu, offset, 0x41);
		assert_int_equal(rd(vcpu, offset), 0x10041);
	}
	wr(vcpu, APIC_SPIV, 0x1ff);
	for (offset = APIC_LVTT; offset <= APIC_LVTERR; offset += 16)
		assert_int_equal(rd(vcpu, offset), 0x10041);
	/* The CPU may have stored both in the page before we see the first. */
	wr(vcpu, APIC_LVT0, 0x700);
	mica_apic_set_reg(&vcpu->apic, APIC_SPIV, 0xff);
	mica_apic_written(&vcpu->apic, APIC_SPIV);
	assert_int_equal(rd(vcpu, APIC_LVT0), 0x10700);
	check_invariants(vcpu);
}

static void test_no_memory(void **state)
{
	struct mica_vcpu *vcpu = calloc(1, sizeof(*vcpu));

	machine.no_memory = true;
	assert_int_equal(mica_apic_init(vcpu), -ENOMEM);
	mica_apic_destroy(vcpu);
	free(vcpu);
}

#define TEST(name, setup)	cmocka_unit_test_setup_teardown(name, setup, machine_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_xapic_writable_bits, machine_setup),
		TEST(test_xapic_written, machine_setup),
		TEST(test_xapic_read_only, machine_setup),
		TEST(test_xapic_reserved, machine_setup),
		TEST(test_lvt_timer_without_deadline, machine_setup),
		TEST(test_x2apic_is_not_there_in_xapic_mode, machine_setup),
		TEST(test_x2apic_reads_from_page, machine_setup),
		TEST(test_x2apic_rights, machine_setup),
		TEST(test_x2apic_reserved_bits, machine_setup),
		TEST(test_x2apic_icr_is_64_bits, machine_setup),
		TEST(test_ids, machine_setup_20),
		TEST(test_reset, machine_setup),
		TEST(test_init_keeps_mode_and_id, machine_setup_4),
		TEST(test_base_transitions, machine_setup),
		TEST(test_host_leaves_x2apic, machine_setup),
		TEST(test_base_reserved, machine_setup),
		TEST(test_disabling_resets, machine_setup),
		TEST(test_software_disable_masks_lvts, machine_setup),
		TEST(test_no_memory, machine_setup),
	};

	return cmocka_run_group_tests_name("apic registers", tests, NULL, NULL);
}
