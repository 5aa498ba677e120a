// SPDX-License-Identifier: GPL-2.0-or-later
/* 82093AA: registers and windows, edge and level delivery, remote IRR, EOI, messages. */
#include "chip_test.h"

#define LEVEL		(1u << 15)
#define MASKED		(1u << 16)
#define REMOTE_IRR	(1u << 14)

struct message {
	uint64_t address;
	uint32_t data;
};

struct fixture {
	struct bus *mmio;
	struct ioapic *ioapic;
	unsigned int count;
	struct message last;
};

static void record(void *opaque, uint64_t address, uint32_t data)
{
	struct fixture *f = opaque;

	f->count++;
	f->last = (struct message){ address, data };
}

static int setup(void **state)
{
	struct fixture *f = g_new0(struct fixture, 1);
	struct ioapic_sink sink = { .msi = record, .opaque = f };

	f->mmio = bus_new("mmio");
	f->ioapic = ioapic_new(f->mmio, &sink);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	ioapic_free(f->ioapic);
	bus_free(f->mmio);
	g_free(f);
	return 0;
}

static void write32(struct fixture *f, uint64_t offset, uint32_t value)
{
	assert_true(bus_write(f->mmio, IOAPIC_BASE + offset, 4, value));
}

static uint32_t read_reg(struct fixture *f, uint8_t index)
{
	write32(f, 0, index);
	return in_sized(f->mmio, IOAPIC_BASE + 0x10, 4);
}

static void write_reg(struct fixture *f, uint8_t index, uint32_t value)
{
	write32(f, 0, index);
	write32(f, 0x10, value);
}

static void set_entry(struct fixture *f, unsigned int pin, uint32_t low, uint8_t destination)
{
	write_reg(f, 0x11 + 2 * pin, (uint32_t)destination << 24);
	write_reg(f, 0x10 + 2 * pin, low);
}

static void test_identity(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(read_reg(f, 1), 0x00170020);
	write_reg(f, 1, 0xffffffff);
	assert_int_equal(read_reg(f, 1), 0x00170020);
	write_reg(f, 0, 0xffffffff);
	assert_int_equal(read_reg(f, 0), 0x0f000000);
	assert_int_equal(read_reg(f, 2), 0x0f000000);
	assert_int_equal(read_reg(f, 3), 0);
	for (unsigned int i = 0; i < IOAPIC_PINS; i++) {
		assert_int_equal(read_reg(f, 0x10 + 2 * i), MASKED);
		assert_int_equal(read_reg(f, 0x11 + 2 * i), 0);
	}
	ioapic_set_irq(f->ioapic, 0, 1);
	assert_int_equal(read_reg(f, 0x40), 0);
	assert_int_equal(read_reg(f, 0xff), 0);
}

static void test_reserved_bits(void **state)
{
	struct fixture *f = *state;

	write_reg(f, 0x11, 0xffffffff);
	write_reg(f, 0x10, 0xffffffff);
	assert_int_equal(read_reg(f, 0x10), 0x0001afff);
	assert_int_equal(read_reg(f, 0x11), 0xff000000);
}

static void test_edge(void **state)
{
	struct fixture *f = *state;

	set_entry(f, 5, 0x31, 2);
	ioapic_set_irq(f->ioapic, 5, 1);
	assert_int_equal(f->count, 1);
	assert_true(f->last.address == 0xfee02000);
	assert_int_equal(f->last.data, 0x0031);
	ioapic_set_irq(f->ioapic, 5, 1);
	assert_int_equal(f->count, 1);
	ioapic_set_irq(f->ioapic, 5, 0);
	ioapic_set_irq(f->ioapic, 5, 1);
	assert_int_equal(f->count, 2);
	assert_int_equal(read_reg(f, 0x10 + 10) & REMOTE_IRR, 0);
	ioapic_eoi(f->ioapic, 0x31);
	assert_int_equal(f->count, 2);
}

/* The data sheet: edges on a masked pin are ignored, not held. */
static void test_edge_while_masked(void **state)
{
	struct fixture *f = *state;

	set_entry(f, 5, 0x31 | MASKED, 0);
	ioapic_set_irq(f->ioapic, 5, 1);
	set_entry(f, 5, 0x31, 0);
	assert_int_equal(f->count, 0);
}

static void test_level(void **state)
{
	struct fixture *f = *state;

	set_entry(f, 16, 0x41 | LEVEL | 1 << 13, 1);
	ioapic_set_irq(f->ioapic, 16, 1);
	assert_int_equal(f->count, 1);
	assert_int_equal(f->last.data, 0xc041);
	assert_int_equal(read_reg(f, 0x30) & REMOTE_IRR, REMOTE_IRR);
	/* Nothing more until the EOI, whatever the line does. */
	ioapic_set_irq(f->ioapic, 16, 0);
	ioapic_set_irq(f->ioapic, 16, 1);
	assert_int_equal(f->count, 1);
	ioapic_eoi(f->ioapic, 0x42);
	assert_int_equal(f->count, 1);
	ioapic_eoi(f->ioapic, 0x41);
	assert_int_equal(f->count, 2);
	ioapic_set_irq(f->ioapic, 16, 0);
	ioapic_eoi(f->ioapic, 0x41);
	assert_int_equal(f->count, 2);
	assert_int_equal(read_reg(f, 0x30) & REMOTE_IRR, 0);
}

static void test_level_mask(void **state)
{
	struct fixture *f = *state;

	set_entry(f, 16, 0x41 | LEVEL | MASKED, 1);
	ioapic_set_irq(f->ioapic, 16, 1);
	assert_int_equal(f->count, 0);
	set_entry(f, 16, 0x41 | LEVEL, 1);
	assert_int_equal(f->count, 1);
	/* Masked while in service: the EOI ends it and sends nothing. */
	write_reg(f, 0x30, 0x41 | LEVEL | MASKED);
	assert_int_equal(read_reg(f, 0x30) & REMOTE_IRR, REMOTE_IRR);
	ioapic_eoi(f->ioapic, 0x41);
	assert_int_equal(f->count, 1);
	write_reg(f, 0x30, 0x41 | LEVEL);
	assert_int_equal(f->count, 2);
}

static void test_eoi_register(void **state)
{
	struct fixture *f = *state;

	set_entry(f, 16, 0x41 | LEVEL, 1);
	set_entry(f, 17, 0x41 | LEVEL, 1);
	ioapic_set_irq(f->ioapic, 16, 1);
	ioapic_set_irq(f->ioapic, 17, 1);
	assert_int_equal(f->count, 2);
	write32(f, 0x40, 0x41);
	assert_int_equal(f->count, 4);	/* both pins share the vector */
}

/* Kernels without the EOI register switch a pin to edge and back. */
static void test_edge_clears_remote_irr(void **state)
{
	struct fixture *f = *state;

	set_entry(f, 16, 0x41 | LEVEL, 1);
	ioapic_set_irq(f->ioapic, 16, 1);
	ioapic_set_irq(f->ioapic, 16, 0);
	write_reg(f, 0x30, 0x41 | MASKED);
	assert_int_equal(read_reg(f, 0x30) & REMOTE_IRR, 0);
	write_reg(f, 0x30, 0x41 | LEVEL);
	ioapic_set_irq(f->ioapic, 16, 1);
	assert_int_equal(f->count, 2);
}

static void test_messages(void **state)
{
	static const struct {
		uint32_t entry;
		uint8_t destination;
		uint64_t address;
		uint32_t data;
	} cases[] = {
		{ 0x0050, 0x07, 0xfee07000, 0x0050 },	/* fixed, physical */
		{ 0x0850, 0x03, 0xfee03004, 0x0050 },	/* fixed, logical */
		{ 0x0950, 0xff, 0xfeeff00c, 0x0150 },	/* lowest priority, logical */
		{ 0x0200, 0x01, 0xfee01000, 0x0200 },	/* SMI */
		{ 0x0402, 0x01, 0xfee01000, 0x0402 },	/* NMI */
		{ 0x0500, 0x01, 0xfee01000, 0x0500 },	/* INIT */
		{ 0x0700, 0x01, 0xfee01000, 0x0700 },	/* ExtINT */
		{ 0x8400, 0x01, 0xfee01000, 0x0400 },	/* NMI is an edge whatever bit 15 says */
	};
	struct fixture *f = *state;

	for (unsigned int i = 0; i < G_N_ELEMENTS(cases); i++) {
		set_entry(f, i, cases[i].entry, cases[i].destination);
		ioapic_set_irq(f->ioapic, i, 1);
		assert_int_equal(f->count, i + 1);
		assert_true(f->last.address == cases[i].address);
		assert_int_equal(f->last.data, cases[i].data);
	}
	set_entry(f, 20, 0x0350, 1);	/* reserved delivery modes send nothing */
	ioapic_set_irq(f->ioapic, 20, 1);
	set_entry(f, 21, 0x0650, 1);
	ioapic_set_irq(f->ioapic, 21, 1);
	assert_int_equal(f->count, G_N_ELEMENTS(cases));
}

static void test_narrow_accesses(void **state)
{
	struct fixture *f = *state;

	assert_true(bus_write(f->mmio, IOAPIC_BASE, 1, 0x10));
	assert_int_equal(in_sized(f->mmio, IOAPIC_BASE, 1), 0x10);
	assert_true(bus_write(f->mmio, IOAPIC_BASE + 0x10, 1, 0x77));
	assert_int_equal(in_sized(f->mmio, IOAPIC_BASE + 0x10, 4), MASKED | 0x77);
	assert_true(bus_write(f->mmio, IOAPIC_BASE + 0x12, 2, 0));
	assert_int_equal(in_sized(f->mmio, IOAPIC_BASE + 0x10, 4), 0x77);
	assert_int_equal(in_sized(f->mmio, IOAPIC_BASE + 0x10, 8), 0x77);
	for (unsigned int i = 4; i < 16; i++)
		assert_true(bus_write(f->mmio, IOAPIC_BASE + 0x10 + i, 1, 0xff));
	assert_int_equal(in_sized(f->mmio, IOAPIC_BASE + 0x10, 4), 0x77);
	assert_int_equal(in_sized(f->mmio, IOAPIC_BASE + 0x14, 4), 0);
	assert_int_equal(in_sized(f->mmio, IOAPIC_BASE + 0x20, 4), 0);
	assert_int_equal(in_sized(f->mmio, IOAPIC_BASE + 0x13, 4), 0);
}

static void test_random_accesses(void **state)
{
	struct fixture *f = *state;
	uint64_t seed = 0x82093;

	for (unsigned int i = 0; i < 300000; i++) {
		uint64_t r = next_random(&seed);
		uint64_t address = IOAPIC_BASE + (r >> 8 & 1 ? r >> 16 & 0xfff : r >> 16 & 0x5f);
		unsigned int size = 1u << (r >> 2 & 3);

		switch (r & 3) {
		case 0:
			bus_write(f->mmio, address, size, r >> 28);
			break;
		case 1:
			in_sized(f->mmio, address, size);
			break;
		case 2:
			ioapic_set_irq(f->ioapic, (r >> 40) % IOAPIC_PINS, r >> 32 & 1);
			break;
		default:
			ioapic_eoi(f->ioapic, r >> 32);
			break;
		}
	}
	ioapic_set_irq(f->ioapic, 3, 0);
	set_entry(f, 3, 0x99, 0);
	f->count = 0;
	ioapic_set_irq(f->ioapic, 3, 1);
	assert_int_equal(f->count, 1);
	assert_int_equal(f->last.data, 0x99);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_identity),
		TEST(test_reserved_bits),
		TEST(test_edge),
		TEST(test_edge_while_masked),
		TEST(test_level),
		TEST(test_level_mask),
		TEST(test_eoi_register),
		TEST(test_edge_clears_remote_irr),
		TEST(test_messages),
		TEST(test_narrow_accesses),
		TEST(test_random_accesses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
