// SPDX-License-Identifier: GPL-2.0-or-later
/* Messages between vCPUs and from outside, errors, pins. */
#include "apic_test.h"

#define VECTOR	0x51
#define ALL	0xfu

/* ------------------------------------------------------------ who got it */

/* Mask of the vCPUs with VECTOR in IRR, which is taken away again. */
static u64 who_got_fixed(void)
{
	struct mica_vcpu *vcpu;
	unsigned int i;
	u64 mask = 0;

	mica_for_each_vcpu(&machine.vm, vcpu, i) {
		if (in_irr(vcpu, VECTOR)) {
			mask |= 1ull << i;
			assert_true(test_bit(MICA_REQ_EVENT, &vcpu->requests));
		}
		drop_irr(vcpu, VECTOR);
		vcpu->requests = 0;
	}
	return mask;
}

static u64 who_got_nmi(void)
{
	struct mica_vcpu *vcpu;
	unsigned int i;
	u64 mask = 0;

	mica_for_each_vcpu(&machine.vm, vcpu, i) {
		if (atomic_xchg(&vcpu->nmi_pending, 0))
			mask |= 1ull << i;
		vcpu->requests = 0;
	}
	return mask;
}

static u64 who_got_request(enum mica_request request)
{
	struct mica_vcpu *vcpu;
	unsigned int i;
	u64 mask = 0;

	mica_for_each_vcpu(&machine.vm, vcpu, i) {
		if (machine_take_request(vcpu, request))
			mask |= 1ull << i;
		vcpu->requests = 0;
	}
	return mask;
}

static u64 who_was_kicked(void)
{
	unsigned int i;
	u64 mask = 0;

	for (i = 0; i < MICA_MAX_VCPUS; i++)
		if (machine.kicks[i])
			mask |= 1ull << i;
	memset(machine.kicks, 0, sizeof(machine.kicks));
	return mask;
}

static void send(unsigned int from, u32 low, u32 dest)
{
	struct mica_vcpu *vcpu = machine_vcpu(from);

	if (mica_apic_is_x2(&vcpu->apic)) {
		assert_int_equal(wrmsr(vcpu, 0x830, (u64)dest << 32 | low), 0);
	} else {
		wr(vcpu, APIC_ICR2, dest << 24);
		wr(vcpu, APIC_ICR, low);
	}
}

static u64 fixed(unsigned int from, u32 low, u32 dest)
{
	send(from, low | VECTOR, dest);
	return who_got_fixed();
}

/* ------------------------------------------------------------ destinations */

static void check_physical(u32 everybody)
{
	u32 dest;

	for (dest = 0; dest < 4; dest++) {
		assert_int_equal(fixed(1, 0, dest), 1u << dest);
		assert_int_equal(who_was_kicked(), dest == 1 ? 0 : 1u << dest);
	}
	assert_int_equal(fixed(1, 0, 4), 0);
	assert_int_equal(fixed(1, 0, 200), 0);
	assert_int_equal(fixed(1, 0, everybody), ALL);
	assert_int_equal(who_was_kicked(), ALL & ~2u);
}

static void check_shorthands(void)
{
	assert_int_equal(fixed(2, APIC_DEST_SELF, 0), 4);
	assert_int_equal(who_was_kicked(), 0);
	assert_int_equal(fixed(2, APIC_DEST_ALLINC, 0), ALL);
	assert_int_equal(fixed(2, APIC_DEST_ALLBUT, 0), ALL & ~4u);
	assert_int_equal(who_was_kicked(), ALL & ~4u);
}

static void test_physical_xapic(void **state)
{
	check_physical(0xff);
	check_shorthands();
}

static void test_physical_x2apic(void **state)
{
	machine_x2apic();
	check_physical(~0u);
	check_shorthands();
	assert_int_equal(fixed(1, 0, 0xff), 0);
}

static void set_ldr(unsigned int id, u32 ldr, u32 dfr)
{
	wr(machine_vcpu(id), APIC_LDR, ldr << 24);
	wr(machine_vcpu(id), APIC_DFR, dfr);
}

static void test_logical_flat(void **state)
{
	u32 dest;

	for (dest = 0; dest < 4; dest++)
		set_ldr(dest, 1u << dest, ~0u);
	for (dest = 0; dest < 256; dest++)
		assert_int_equal(fixed(0, APIC_DEST_LOGICAL, dest), dest & ALL);
	set_ldr(3, 0x85, ~0u);
	assert_int_equal(fixed(0, APIC_DEST_LOGICAL, 0x80), 8);
	assert_int_equal(fixed(0, APIC_DEST_LOGICAL, 0x01), 9);
	set_ldr(3, 0, ~0u);
	assert_int_equal(fixed(0, APIC_DEST_LOGICAL, 0xfe), 6);
	assert_int_equal(fixed(0, APIC_DEST_LOGICAL, 0xff), ALL);
}

static void test_logical_cluster(void **state)
{
	static const struct { u8 dest, expected; } rows[] = {
		{ 0x11, 1 }, { 0x12, 2 }, { 0x13, 3 }, { 0x1c, 0 }, { 0x21, 4 }, { 0x22, 8 },
		{ 0x2f, 12 }, { 0x31, 0 }, { 0x10, 0 }, { 0xff, ALL }, { 0xf3, 0 },
	};
	unsigned int i;

	for (i = 0; i < 4; i++)
		set_ldr(i, 0x11 + (i / 2 << 4) + (i & 1), 0);
	for (i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(fixed(0, APIC_DEST_LOGICAL, rows[i].dest), rows[i].expected);
	/* A model that does not exist. */
	set_ldr(0, 0x11, 0x50000000);
	assert_int_equal(fixed(0, APIC_DEST_LOGICAL, 0x11), 0);
}

static void test_logical_x2apic(void **state)
{
	machine_x2apic();
	assert_true(fixed(0, APIC_DEST_LOGICAL, 0x00000001) == 1);
	assert_true(fixed(0, APIC_DEST_LOGICAL, 0x0000ffff) == 0xffff);
	assert_true(fixed(0, APIC_DEST_LOGICAL, 0x00010001) == 0x10000);
	assert_true(fixed(0, APIC_DEST_LOGICAL, 0x0001000c) == 0xc0000);
	assert_true(fixed(0, APIC_DEST_LOGICAL, 0x000100f0) == 0);
	assert_true(fixed(0, APIC_DEST_LOGICAL, 0x00020001) == 0);
	assert_true(fixed(0, APIC_DEST_LOGICAL, 0x00000000) == 0);
	assert_true(fixed(0, APIC_DEST_LOGICAL, 0xffffffff) == 0xfffff);
}

/* The 64th is reached too, and ids need not be dense. */
static void test_sixty_four(void **state)
{
	machine_x2apic();
	assert_true(fixed(5, APIC_DEST_ALLINC, 0) == ~0ull);
	assert_true(fixed(63, APIC_DEST_ALLBUT, 0) == ~0ull >> 1);
	assert_true(fixed(0, 0, 63) == 1ull << 63);
	assert_true(fixed(0, APIC_DEST_LOGICAL, 0x00038000) == 1ull << 63);
}

static void test_sparse_ids(void **state)
{
	struct mica_vcpu *gone = machine.vm.vcpus[1];

	machine.vm.vcpus[1] = NULL;
	machine.vm.vcpu_count = 3;
	assert_int_equal(fixed(0, APIC_DEST_ALLINC, 0), 0xd);
	assert_int_equal(fixed(0, 0, 1), 0);
	machine.vm.vcpus[1] = gone;
}

static void test_mixed_modes(void **state)
{
	struct mica_vcpu *vcpu = *state;

	set_ldr(1, 2, ~0u);
	assert_int_equal(mica_apic_set_base(&vcpu->apic, 0xfee00d00, false), 0);
	assert_int_equal(fixed(0, 0, 2), 4);
	assert_int_equal(fixed(0, 0, ~0u), ALL);
	assert_int_equal(fixed(0, APIC_DEST_LOGICAL, 1), 1);
	assert_int_equal(fixed(0, APIC_DEST_LOGICAL, 2), 0);	/* 1 is no x2APIC */
	assert_int_equal(fixed(0, APIC_DEST_LOGICAL, ~0u), ALL);
	assert_int_equal(fixed(2, APIC_DEST_LOGICAL, 2), 2);
	assert_int_equal(fixed(2, 0, 0xff), ALL);
	assert_int_equal(fixed(2, 0, 0), 1);
}

/* ------------------------------------------------------------ delivery modes */

/* SDM table "Valid Combinations for the Pentium 4 and Intel Xeon Processors' Local xAPIC
 * Interrupt Command Register". */
static void test_modes_and_shorthands(void **state)
{
	static const u32 modes[] = { APIC_DM_FIXED, APIC_DM_LOWEST, APIC_DM_SMI, APIC_DM_REMRD,
				     APIC_DM_NMI, APIC_DM_INIT, APIC_DM_STARTUP, APIC_DM_EXTINT };
	static const u32 shorthands[] = { 0, APIC_DEST_SELF, APIC_DEST_ALLINC, APIC_DEST_ALLBUT };
	unsigned int mode, s, x2;
	u64 got, expected;

	for (x2 = 0; x2 < 2; x2++) {
		for (mode = 0; mode < 8; mode++) {
			for (s = 0; s < 4; s++) {
				send(1, modes[mode] | shorthands[s] | VECTOR, 3);
				expected = s == 0 ? 8 : s == 1 ? 2 : s == 2 ? ALL : ALL & ~2u;
				if ((s == 1 || s == 2) && mode != 0)
					expected = 0;
				if (mode == 1 && s == 3)	/* the first of the lowest */
					expected = 1;
				got = 0;
				if (mode <= 1)
					got = who_got_fixed();
				else if (modes[mode] == APIC_DM_NMI)
					got = who_got_nmi();
				else if (modes[mode] == APIC_DM_INIT)
					got = who_got_request(MICA_REQ_INIT);
				else if (modes[mode] == APIC_DM_STARTUP)
					got = who_got_request(MICA_REQ_SIPI);
				else
					expected = 0;
				assert_int_equal(got, expected);
				/* And nothing else. */
				assert_int_equal(who_got_fixed() | who_got_nmi(), 0);
			}
		}
		machine_x2apic();
	}
}

static void test_lowest_priority(void **state)
{
	struct mica_vcpu *vcpu = *state;

	wr(vcpu, APIC_TASKPRI, 0x40);
	wr(machine_vcpu(1), APIC_TASKPRI, 0x30);
	wr(machine_vcpu(2), APIC_TASKPRI, 0x20);
	interrupt(machine_vcpu(3), 0x91, false);
	take(machine_vcpu(3));
	assert_int_equal(fixed(0, APIC_DM_LOWEST, 0xff), 4);
	wr(machine_vcpu(2), APIC_SPIV, 0xff);
	assert_int_equal(fixed(0, APIC_DM_LOWEST, 0xff), 2);
	wr(machine_vcpu(1), APIC_TASKPRI, 0xa0);
	assert_int_equal(fixed(0, APIC_DM_LOWEST, 0xff), 1);
	assert_int_equal(fixed(0, APIC_DM_LOWEST | APIC_DEST_ALLBUT, 0), 8);
	assert_int_equal(fixed(0, APIC_DM_LOWEST, 2), 0);
}

static void test_init_and_startup(void **state)
{
	struct mica_vcpu *ap = machine_vcpu(2);

	send(0, APIC_DM_INIT | APIC_INT_LEVELTRIG | APIC_INT_ASSERT, 2);
	assert_true(test_bit(MICA_REQ_INIT, &ap->requests));
	ap->requests = 0;
	send(0, APIC_DM_INIT | APIC_INT_LEVELTRIG, 2);	/* de-assert */
	assert_int_equal(ap->requests, 0);
	send(0, APIC_DM_STARTUP | 0x9a, 2);
	assert_true(test_bit(MICA_REQ_SIPI, &ap->requests));
	assert_int_equal(ap->sipi_vector, 0x9a);
	/* A new INIT forgets the start-up that was not seen. */
	send(0, APIC_DM_INIT | APIC_INT_ASSERT, 2);
	assert_int_equal(ap->requests, BIT(MICA_REQ_INIT));
	assert_int_equal(ap->sipi_vector, MICA_SIPI_NONE);
	send(0, APIC_DM_STARTUP | 0, 2);
	assert_int_equal(ap->requests, BIT(MICA_REQ_INIT) | BIT(MICA_REQ_SIPI));
	assert_int_equal(ap->sipi_vector, 0);
}

static void test_nmi_count(void **state)
{
	struct mica_vcpu *vcpu = *state;
	int i;

	for (i = 1; i < 5; i++) {
		send(1, APIC_DM_NMI, 0);
		assert_int_equal(atomic_read(&vcpu->nmi_pending), i < 2 ? 1 : 2);
	}
}

/* SDM: all but fixed and lowest priority reach a software-disabled APIC. */
static void test_software_disabled(void **state)
{
	struct mica_vcpu *ap = machine_vcpu(1);

	wr(ap, APIC_SPIV, 0xff);
	assert_int_equal(fixed(0, 0, 1), 0);
	send(0, APIC_DM_NMI, 1);
	assert_int_equal(who_got_nmi(), 2);
	send(0, APIC_DM_INIT | APIC_INT_ASSERT, 1);
	assert_int_equal(who_got_request(MICA_REQ_INIT), 2);
	send(0, APIC_DM_STARTUP, 1);
	assert_int_equal(who_got_request(MICA_REQ_SIPI), 2);
	assert_int_equal(fixed(1, 0, 2), 4);	/* it can still send */
}

static void test_hardware_disabled(void **state)
{
	struct mica_vcpu *ap = machine_vcpu(1);

	assert_int_equal(mica_apic_set_base(&ap->apic, 0xfee00000, false), 0);
	assert_int_equal(fixed(0, 0, 1), 0);
	assert_int_equal(fixed(0, 0, 0xff), ALL & ~2u);
	send(0, APIC_DM_NMI | APIC_DEST_ALLBUT, 0);
	assert_int_equal(who_got_nmi(), 0xc);
	ap->requests = 0;
	send(0, APIC_DM_INIT, 1);
	assert_int_equal(ap->requests, 0);
	/* One that was under way while the APIC was switched off. */
	set_bit(mica_apic_bit(VECTOR), mica_apic_bits(&ap->apic, APIC_IRR));
	assert_int_equal(mica_apic_pending(&ap->apic), -1);
}

/* ------------------------------------------------------------ from outside */

static int msi(u32 dest, bool logical, u8 mode, bool level, bool assert)
{
	struct mica_irq irq = { .dest = dest, .vector = VECTOR, .delivery_mode = mode,
				.logical = logical, .level = level, .assert = assert };

	return mica_apic_deliver(&machine.vm, NULL, &irq);
}

static void test_msi(void **state)
{
	assert_int_equal(msi(2, false, 0, false, true), 1);
	assert_int_equal(who_was_kicked(), 4);
	assert_int_equal(who_got_fixed(), 4);
	assert_int_equal(msi(9, false, 0, false, true), 0);
	assert_int_equal(msi(0xff, false, 0, false, true), 4);
	assert_int_equal(who_was_kicked(), ALL);
	assert_int_equal(who_got_fixed(), ALL);
	assert_int_equal(msi(0xff, false, 1, false, true), 1);
	assert_int_equal(who_got_fixed(), 1);
	assert_int_equal(msi(1, false, 4, false, true), 1);
	assert_int_equal(who_got_nmi(), 2);
	assert_int_equal(msi(1, false, 2, false, true), 1);	/* SMI: swallowed */
	assert_int_equal(machine_vcpu(1)->requests, 0);
	assert_int_equal(msi(1, false, 3, false, true), 0);
	assert_int_equal(msi(1, false, 7, false, true), 0);
	assert_int_equal(msi(1, false, 0, true, false), 1);	/* de-assert */
	assert_int_equal(who_got_fixed(), 0);
	set_ldr(1, 0x10, ~0u);
	assert_int_equal(msi(0x10, true, 0, false, true), 1);
	assert_int_equal(who_got_fixed(), 2);
	/* A pending one is not told twice. */
	who_was_kicked();
	msi(2, false, 0, false, true);
	machine_vcpu(2)->requests = 0;
	who_was_kicked();
	assert_int_equal(msi(2, false, 0, false, true), 1);
	assert_int_equal(machine_vcpu(2)->requests, 0);
	assert_int_equal(who_was_kicked(), 0);
}

static void test_msi_to_x2apic(void **state)
{
	machine_x2apic();
	assert_int_equal(msi(3, false, 0, false, true), 1);
	assert_int_equal(who_got_fixed(), 8);
	/* 8 bits can only name vCPUs of cluster 0. */
	assert_int_equal(msi(0x06, true, 0, false, true), 2);
	assert_int_equal(who_got_fixed(), 6);
	assert_int_equal(msi(0xff, false, 0, false, true), 20);
	assert_int_equal(who_got_fixed(), 0xfffff);
}

/* Any bytes in the structure. */
static void test_hostile_irq(void **state)
{
	struct mica_vcpu *vcpu;
	struct mica_irq irq;
	unsigned int i, id;

	srandom(1);
	for (i = 0; i < 200000; i++) {
		irq = (struct mica_irq){ .dest = random() & 1 ? random() : random() & 0xff,
			.vector = random(), .delivery_mode = random(), .logical = random() & 1,
			.level = random() & 1, .assert = random() & 1, .shorthand = random() };
		mica_apic_deliver(&machine.vm, random() & 1 ? *state : NULL, &irq);
	}
	mica_for_each_vcpu(&machine.vm, vcpu, id)
		check_invariants(vcpu);
}

/* ------------------------------------------------------------ errors */

static u32 latched(struct mica_vcpu *vcpu)
{
	wr(vcpu, APIC_ESR, 0);
	return rd(vcpu, APIC_ESR);
}

static void test_illegal_vectors(void **state)
{
	struct mica_vcpu *vcpu = *state;
	u32 vector;

	for (vector = 0; vector < 16; vector++) {
		send(0, vector, 1);
		assert_int_equal(latched(vcpu), APIC_ESR_SENDILL);
		assert_int_equal(latched(machine_vcpu(1)), APIC_ESR_RECVILL);
		assert_int_equal(latched(machine_vcpu(1)), 0);
		send(0, vector | APIC_DEST_SELF, 0);
		assert_int_equal(latched(vcpu), APIC_ESR_SENDILL | APIC_ESR_RECVILL);
		send(0, vector | APIC_DM_NMI, 1);	/* NMIs have no vector */
		assert_int_equal(latched(vcpu), 0);
	}
	check_invariants(vcpu);
	check_invariants(machine_vcpu(1));
}

static void test_self_ipi_register(void **state)
{
	struct mica_vcpu *vcpu = *state;

	machine_x2apic();
	assert_int_equal(wrmsr(vcpu, 0x83f, VECTOR), 0);
	assert_int_equal(who_got_fixed(), 1);
	assert_int_equal(who_was_kicked(), 0);
	assert_int_equal(wrmsr(vcpu, 0x83f, 3), 0);
	assert_int_equal(latched(vcpu), APIC_ESR_SENDILL | APIC_ESR_RECVILL);
	assert_int_equal(wrmsr(vcpu, 0x83f, 0x151), -EINVAL);
	assert_int_equal(rdmsr_error(vcpu, 0x83f), -EINVAL);
}

/* SDM "Error Handling": one interrupt until ESR is written; reads show what was latched. */
static void test_error_interrupt(void **state)
{
	struct mica_vcpu *vcpu = *state;

	wr(vcpu, APIC_LVTERR, VECTOR);
	mica_apic_read(&vcpu->apic, 0x400);
	assert_int_equal(rd(vcpu, APIC_ESR), 0);
	assert_int_equal(who_got_fixed(), 1);
	send(0, 3, 1);
	assert_int_equal(who_got_fixed(), 0);
	wr(vcpu, APIC_ESR, 0xffff);
	assert_int_equal(rd(vcpu, APIC_ESR), APIC_ESR_ILLREGA | APIC_ESR_SENDILL);
	assert_int_equal(rd(vcpu, APIC_ESR), APIC_ESR_ILLREGA | APIC_ESR_SENDILL);
	send(1, 4, 0);	/* the other vCPU's fault reaches it, and kicks */
	assert_int_equal(who_got_fixed(), 1);
	assert_int_equal(who_was_kicked(), 1);
	wr(vcpu, APIC_LVTERR, VECTOR | APIC_LVT_MASKED);
	assert_int_equal(latched(vcpu), APIC_ESR_RECVILL);
	mica_apic_read(&vcpu->apic, 0x400);
	assert_int_equal(who_got_fixed(), 0);
	/* An entry that is itself illegal. */
	latched(vcpu);
	wr(vcpu, APIC_LVTERR, 2);
	mica_apic_read(&vcpu->apic, 0x400);
	assert_int_equal(latched(vcpu), APIC_ESR_ILLREGA | APIC_ESR_RECVILL);
}

/* ------------------------------------------------------------ pins */

static void test_extint(void **state)
{
	struct mica_vcpu *vcpu = *state;

	mica_apic_set_pin(vcpu, MICA_PIN_LINT0, true);	/* masked */
	assert_false(mica_apic_extint_pending(&vcpu->apic));
	assert_int_equal(who_was_kicked(), 0);
	vcpu->requests = 0;
	wr(vcpu, APIC_LVT0, APIC_DM_EXTINT);
	assert_true(mica_apic_extint_pending(&vcpu->apic));
	assert_true(mica_apic_has_work(&vcpu->apic));
	assert_true(machine_take_request(vcpu, MICA_REQ_EVENT));
	mica_apic_set_pin(vcpu, MICA_PIN_LINT0, false);
	assert_false(mica_apic_extint_pending(&vcpu->apic));
	mica_apic_set_pin(vcpu, MICA_PIN_LINT0, true);
	assert_true(mica_apic_extint_pending(&vcpu->apic));
	assert_true(test_bit(MICA_REQ_EVENT, &vcpu->requests));
	assert_int_equal(who_was_kicked(), 1);
	wr(vcpu, APIC_SPIV, 0xff);
	assert_false(mica_apic_extint_pending(&vcpu->apic));
	assert_int_equal(mica_apic_set_base(&vcpu->apic, 0xfee00100, false), 0);
	assert_true(mica_apic_extint_pending(&vcpu->apic));
	mica_apic_set_pin(vcpu, MICA_PIN_LINT0, false);
	assert_false(mica_apic_extint_pending(&vcpu->apic));
	mica_apic_set_pin(vcpu, MICA_PIN_LINT0, true);
	assert_int_equal(who_was_kicked(), 1);
	assert_int_equal(mica_apic_pending(&vcpu->apic), -1);
}

static void test_lint0_edge(void **state)
{
	struct mica_vcpu *vcpu = *state;

	wr(vcpu, APIC_LVT0, VECTOR);
	mica_apic_set_pin(vcpu, MICA_PIN_LINT0, true);
	assert_int_equal(take(vcpu), VECTOR);
	mica_apic_set_pin(vcpu, MICA_PIN_LINT0, true);
	wr(vcpu, APIC_EOI, 0);
	assert_int_equal(take(vcpu), -1);
	assert_int_equal(mica_apic_take_eoi(&vcpu->apic), -1);
	mica_apic_set_pin(vcpu, MICA_PIN_LINT0, false);
	mica_apic_set_pin(vcpu, MICA_PIN_LINT0, true);
	assert_int_equal(take(vcpu), VECTOR);
	/* An edge while masked is lost. */
	wr(vcpu, APIC_EOI, 0);
	wr(vcpu, APIC_LVT0, VECTOR | APIC_LVT_MASKED);
	mica_apic_set_pin(vcpu, MICA_PIN_LINT0, false);
	mica_apic_set_pin(vcpu, MICA_PIN_LINT0, true);
	wr(vcpu, APIC_LVT0, VECTOR);
	assert_int_equal(take(vcpu), -1);
}

static void test_lint0_level(void **state)
{
	u32 lvt = VECTOR | APIC_LVT_LEVEL_TRIGGER;
	struct mica_vcpu *vcpu = *state;

	mica_apic_set_pin(vcpu, MICA_PIN_LINT0, true);
	wr(vcpu, APIC_LVT0, lvt);	/* a level while masked is not lost */
	assert_int_equal(rd(vcpu, APIC_LVT0), lvt | APIC_LVT_REMOTE_IRR);
	assert_int_equal(take(vcpu), VECTOR);
	assert_int_equal(rd(vcpu, APIC_LVT0), lvt | APIC_LVT_REMOTE_IRR);
	wr(vcpu, APIC_LVT0, lvt | APIC_LVT_REMOTE_IRR);
	assert_int_equal(take(vcpu), -1);
	interrupt(vcpu, VECTOR + 0x20, true);
	assert_int_equal(take(vcpu), VECTOR + 0x20);
	wr(vcpu, APIC_EOI, 0);		/* of another */
	assert_false(in_irr(vcpu, VECTOR));
	wr(vcpu, APIC_EOI, 0);		/* still asserted: again */
	assert_int_equal(take(vcpu), VECTOR);
	mica_apic_set_pin(vcpu, MICA_PIN_LINT0, false);
	wr(vcpu, APIC_EOI, 0);
	assert_int_equal(take(vcpu), -1);
	assert_int_equal(rd(vcpu, APIC_LVT0), lvt);
}

static void test_lint1_and_nmi_pin(void **state)
{
	struct mica_vcpu *vcpu = *state;

	mica_apic_set_pin(vcpu, MICA_PIN_LINT1, true);
	assert_int_equal(who_got_nmi(), 0);
	mica_apic_set_pin(vcpu, MICA_PIN_LINT1, false);
	wr(vcpu, APIC_LVT1, APIC_DM_NMI);
	mica_apic_set_pin(vcpu, MICA_PIN_LINT1, true);
	assert_int_equal(who_was_kicked(), 1);
	assert_int_equal(who_got_nmi(), 1);
	mica_apic_set_pin(vcpu, MICA_PIN_LINT1, true);
	assert_int_equal(who_got_nmi(), 0);
	mica_apic_set_pin(vcpu, MICA_PIN_LINT1, false);
	/* LINT1 has no level mode. */
	wr(vcpu, APIC_LVT1, VECTOR | APIC_LVT_LEVEL_TRIGGER);
	mica_apic_set_pin(vcpu, MICA_PIN_LINT1, true);
	assert_int_equal(take(vcpu), VECTOR);
	wr(vcpu, APIC_EOI, 0);
	assert_int_equal(mica_apic_take_eoi(&vcpu->apic), -1);
	wr(vcpu, APIC_LVT1, APIC_DM_INIT);
	mica_apic_set_pin(vcpu, MICA_PIN_LINT1, false);
	mica_apic_set_pin(vcpu, MICA_PIN_LINT1, true);
	assert_int_equal(who_got_request(MICA_REQ_INIT), 1);
	/* Without an APIC it is the NMI pin. */
	assert_int_equal(mica_apic_set_base(&vcpu->apic, 0xfee00100, false), 0);
	mica_apic_set_pin(vcpu, MICA_PIN_LINT1, false);
	mica_apic_set_pin(vcpu, MICA_PIN_LINT1, true);
	assert_int_equal(who_got_nmi(), 1);
	mica_apic_set_pin(vcpu, MICA_PIN_NMI, true);
	assert_int_equal(who_got_nmi(), 1);
	mica_apic_set_pin(vcpu, MICA_PIN_NMI, false);
	mica_apic_set_pin(vcpu, 17, true);
	assert_int_equal(who_got_nmi(), 0);
	mica_apic_set_pin(vcpu, MICA_PIN_INIT, true);
	assert_int_equal(who_got_request(MICA_REQ_INIT), 1);
}

#define TEST(name, setup)	cmocka_unit_test_setup_teardown(name, setup, machine_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_physical_xapic, machine_setup_4),
		TEST(test_physical_x2apic, machine_setup_4),
		TEST(test_logical_flat, machine_setup_4),
		TEST(test_logical_cluster, machine_setup_4),
		TEST(test_logical_x2apic, machine_setup_20),
		TEST(test_sixty_four, machine_setup_64),
		TEST(test_sparse_ids, machine_setup_4),
		TEST(test_mixed_modes, machine_setup_4),
		TEST(test_modes_and_shorthands, machine_setup_4),
		TEST(test_lowest_priority, machine_setup_4),
		TEST(test_init_and_startup, machine_setup_4),
		TEST(test_nmi_count, machine_setup_4),
		TEST(test_software_disabled, machine_setup_4),
		TEST(test_hardware_disabled, machine_setup_4),
		TEST(test_msi, machine_setup_4),
		TEST(test_msi_to_x2apic, machine_setup_20),
		TEST(test_hostile_irq, machine_setup_20),
		TEST(test_illegal_vectors, machine_setup_4),
		TEST(test_self_ipi_register, machine_setup_4),
		TEST(test_error_interrupt, machine_setup_4),
		TEST(test_extint, machine_setup),
		TEST(test_lint0_edge, machine_setup),
		TEST(test_lint0_level, machine_setup),
		TEST(test_lint1_and_nmi_pin, machine_setup),
	};

	return cmocka_run_group_tests_name("apic messages", tests, NULL, NULL);
}
