// SPDX-License-Identifier: GPL-2.0-or-later
/* 8259A pair: initialization, priorities, every kind of EOI, cascade, spurious requests. */
#include "chip_test.h"

struct fixture {
	struct bus *ports;
	struct pic *pic;
	struct fake_line intr;
};

static void init_chip(struct bus *ports, uint16_t port, uint8_t vector, uint8_t icw4)
{
	out8(ports, port, 0x11);
	out8(ports, port + 1, vector);
	out8(ports, port + 1, port == PIC_MASTER_PORT ? 0x04 : 0x02);
	out8(ports, port + 1, icw4);
}

static int setup(void **state)
{
	struct fixture *f = g_new0(struct fixture, 1);

	f->ports = bus_new("ports");
	f->pic = pic_new(f->ports, fake_line_of(&f->intr));
	*state = f;
	return 0;
}

static int setup_ready(void **state)
{
	struct fixture *f;

	setup(state);
	f = *state;
	init_chip(f->ports, PIC_MASTER_PORT, 0x20, 0x01);
	init_chip(f->ports, PIC_SLAVE_PORT, 0x28, 0x01);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	pic_free(f->pic);
	bus_free(f->ports);
	g_free(f);
	return 0;
}

static uint8_t read_irr(struct fixture *f, uint16_t port)
{
	out8(f->ports, port, 0x0a);
	return in8(f->ports, port);
}

static uint8_t read_isr(struct fixture *f, uint16_t port)
{
	out8(f->ports, port, 0x0b);
	return in8(f->ports, port);
}

static void pulse(struct fixture *f, unsigned int irq)
{
	pic_set_irq(f->pic, irq, 0);
	pic_set_irq(f->pic, irq, 1);
}

static void test_masked_until_programmed(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(in8(f->ports, 0x21), 0xff);
	pulse(f, 1);
	assert_int_equal(f->intr.level, 0);
}

static void test_no_interrupt_during_initialization(void **state)
{
	struct fixture *f = *state;

	out8(f->ports, 0x20, 0x11);
	pulse(f, 1);
	assert_int_equal(f->intr.level, 0);
	out8(f->ports, 0x21, 0x20);
	out8(f->ports, 0x21, 0x04);
	assert_int_equal(f->intr.level, 0);
	out8(f->ports, 0x21, 0x01);
	assert_int_equal(f->intr.level, 1);
	assert_int_equal(pic_acknowledge(f->pic), 0x21);
}

static void test_single_without_icw4(void **state)
{
	struct fixture *f = *state;

	out8(f->ports, 0x20, 0x12);	/* single, no ICW4 */
	out8(f->ports, 0x21, 0x47);	/* low bits of the vector are not the guest's */
	out8(f->ports, 0x21, 0xfd);	/* already the mask */
	assert_int_equal(in8(f->ports, 0x21), 0xfd);
	pulse(f, 1);
	assert_int_equal(pic_acknowledge(f->pic), 0x41);
}

static void test_icw1_resets(void **state)
{
	struct fixture *f = *state;

	out8(f->ports, 0x21, 0x0f);
	pulse(f, 5);
	assert_int_equal(pic_acknowledge(f->pic), 0x25);
	pulse(f, 6);
	out8(f->ports, 0x20, 0x68);	/* special mask mode */
	init_chip(f->ports, PIC_MASTER_PORT, 0x20, 0x01);
	assert_int_equal(in8(f->ports, 0x21), 0);
	assert_int_equal(in8(f->ports, 0x20), 0);	/* IRR is selected, the edge forgotten */
	assert_int_equal(read_isr(f, 0x20), 0);
	assert_int_equal(f->intr.level, 0);
}

static void test_edge(void **state)
{
	struct fixture *f = *state;

	pulse(f, 1);
	assert_int_equal(f->intr.level, 1);
	assert_int_equal(read_irr(f, 0x20), 0x02);
	assert_int_equal(pic_acknowledge(f->pic), 0x21);
	assert_int_equal(f->intr.level, 0);
	assert_int_equal(read_irr(f, 0x20), 0);
	assert_int_equal(read_isr(f, 0x20), 0x02);
	out8(f->ports, 0x20, 0x20);
	/* The line is still high: no new edge. */
	assert_int_equal(f->intr.level, 0);
	pulse(f, 1);
	assert_int_equal(f->intr.level, 1);
}

static void test_level(void **state)
{
	struct fixture *f = *state;

	out8(f->ports, 0x4d0, 0xff);
	out8(f->ports, 0x4d1, 0xff);
	assert_int_equal(in8(f->ports, 0x4d0), 0xf8);
	assert_int_equal(in8(f->ports, 0x4d1), 0xde);
	pic_set_irq(f->pic, 11, 1);
	assert_int_equal(pic_acknowledge(f->pic), 0x2b);
	assert_int_equal(read_irr(f, 0xa0), 0x08);
	out8(f->ports, 0xa0, 0x20);
	out8(f->ports, 0x20, 0x20);
	assert_int_equal(f->intr.level, 1);	/* the line still stands */
	assert_int_equal(pic_acknowledge(f->pic), 0x2b);
	pic_set_irq(f->pic, 11, 0);
	out8(f->ports, 0xa0, 0x20);
	out8(f->ports, 0x20, 0x20);
	assert_int_equal(f->intr.level, 0);
}

static void test_priority_and_nesting(void **state)
{
	struct fixture *f = *state;

	pulse(f, 4);
	pulse(f, 3);
	assert_int_equal(pic_acknowledge(f->pic), 0x23);
	assert_int_equal(f->intr.level, 0);	/* 4 waits for the end of 3 */
	pulse(f, 1);
	assert_int_equal(f->intr.level, 1);	/* 1 interrupts it */
	assert_int_equal(pic_acknowledge(f->pic), 0x21);
	assert_int_equal(read_isr(f, 0x20), 0x0a);
	out8(f->ports, 0x20, 0x20);
	assert_int_equal(read_isr(f, 0x20), 0x08);
	assert_int_equal(f->intr.level, 0);
	out8(f->ports, 0x20, 0x63);		/* specific EOI of 3 */
	assert_int_equal(f->intr.level, 1);
	assert_int_equal(pic_acknowledge(f->pic), 0x24);
}

/* Only what has a higher priority interrupts a handler. */
static void test_all_pairs(void **state)
{
	struct fixture *f = *state;

	for (unsigned int i = 0; i < 64; i++) {
		unsigned int serving = i >> 3, request = i & 7;

		if (serving == request || serving == IRQ_CASCADE || request == IRQ_CASCADE)
			continue;
		pulse(f, serving);
		assert_int_equal(pic_acknowledge(f->pic), 0x20 + serving);
		pulse(f, request);
		assert_int_equal(f->intr.level, request < serving);
		out8(f->ports, 0x20, 0x20);
		assert_int_equal(pic_acknowledge(f->pic), 0x20 + request);
		out8(f->ports, 0x20, 0x20);
		out8(f->ports, 0x20, 0x20);
	}
}

/* What still waits when INTA is given makes a new edge on INTR. */
static void test_intr_edge_per_request(void **state)
{
	struct fixture *f = *state;

	init_chip(f->ports, PIC_MASTER_PORT, 0x20, 0x03);	/* AEOI */
	pulse(f, 1);
	pulse(f, 3);
	assert_int_equal(f->intr.rises, 1);
	assert_int_equal(pic_acknowledge(f->pic), 0x21);
	assert_int_equal(f->intr.rises, 2);
	assert_int_equal(pic_acknowledge(f->pic), 0x23);
	assert_int_equal(f->intr.level, 0);
}

static void test_mask(void **state)
{
	struct fixture *f = *state;

	out8(f->ports, 0x21, 0x02);
	pulse(f, 1);
	assert_int_equal(f->intr.level, 0);
	assert_int_equal(read_irr(f, 0x20), 0x02);
	out8(f->ports, 0x21, 0x00);
	assert_int_equal(f->intr.level, 1);
	out8(f->ports, 0x21, 0x02);
	assert_int_equal(f->intr.level, 0);
}

static void test_spurious(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(pic_acknowledge(f->pic), 0x27);
	assert_int_equal(read_isr(f, 0x20), 0);
	/* The request goes away before INTA. */
	pulse(f, 1);
	pic_set_irq(f->pic, 1, 0);
	assert_int_equal(f->intr.level, 0);
	assert_int_equal(pic_acknowledge(f->pic), 0x27);
}

static void test_cascade(void **state)
{
	struct fixture *f = *state;

	pulse(f, 12);
	assert_int_equal(read_irr(f, 0x20), 0x04);
	assert_int_equal(pic_acknowledge(f->pic), 0x2c);
	assert_int_equal(read_isr(f, 0x20), 0x04);
	assert_int_equal(read_isr(f, 0xa0), 0x10);
	/* A higher one of the slave does not pass the master's IR2 in service. */
	pulse(f, 8);
	assert_int_equal(f->intr.level, 0);
	out8(f->ports, 0xa0, 0x20);
	out8(f->ports, 0x20, 0x20);
	assert_int_equal(f->intr.level, 1);
	assert_int_equal(pic_acknowledge(f->pic), 0x28);
}

/* What the slave takes back, the master takes back too. */
static void test_spurious_slave(void **state)
{
	struct fixture *f = *state;

	pulse(f, 14);
	assert_int_equal(f->intr.level, 1);
	pic_set_irq(f->pic, 14, 0);
	assert_int_equal(f->intr.level, 0);
	pulse(f, 14);
	out8(f->ports, 0xa1, 0x40);
	assert_int_equal(f->intr.level, 0);
	assert_int_equal(pic_acknowledge(f->pic), 0x27);
	assert_int_equal(read_isr(f, 0x20), 0);
}

static void test_special_fully_nested(void **state)
{
	struct fixture *f = *state;

	init_chip(f->ports, PIC_MASTER_PORT, 0x20, 0x11);
	pulse(f, 12);
	assert_int_equal(pic_acknowledge(f->pic), 0x2c);
	pulse(f, 3);
	assert_int_equal(f->intr.level, 0);
	pulse(f, 8);
	assert_int_equal(f->intr.level, 1);
	assert_int_equal(pic_acknowledge(f->pic), 0x28);
}

static void test_automatic_eoi(void **state)
{
	struct fixture *f = *state;

	init_chip(f->ports, PIC_MASTER_PORT, 0x20, 0x03);
	pulse(f, 4);
	assert_int_equal(pic_acknowledge(f->pic), 0x24);
	assert_int_equal(read_isr(f, 0x20), 0);
	/* Rotate in automatic EOI mode: 4 becomes the lowest, so 5 goes before 3. */
	out8(f->ports, 0x20, 0x80);
	pulse(f, 4);
	assert_int_equal(pic_acknowledge(f->pic), 0x24);
	pulse(f, 3);
	pulse(f, 5);
	assert_int_equal(pic_acknowledge(f->pic), 0x25);
	out8(f->ports, 0x20, 0x00);	/* no more rotation: 6 is the highest for good */
	pulse(f, 6);
	assert_int_equal(pic_acknowledge(f->pic), 0x26);
	pulse(f, 6);
	assert_int_equal(pic_acknowledge(f->pic), 0x26);
	assert_int_equal(pic_acknowledge(f->pic), 0x23);
}

static void test_rotation(void **state)
{
	struct fixture *f = *state;

	pulse(f, 4);
	assert_int_equal(pic_acknowledge(f->pic), 0x24);
	out8(f->ports, 0x20, 0xa0);	/* rotate on non-specific EOI */
	pulse(f, 3);
	pulse(f, 6);
	assert_int_equal(pic_acknowledge(f->pic), 0x26);
	out8(f->ports, 0x20, 0xe6);	/* rotate on specific EOI of 6 */
	assert_int_equal(pic_acknowledge(f->pic), 0x23);
	out8(f->ports, 0x20, 0x63);
	out8(f->ports, 0x20, 0xc0);	/* 0 is the lowest: 7 goes first of 0 and 7 */
	pulse(f, 0);
	pulse(f, 7);
	assert_int_equal(pic_acknowledge(f->pic), 0x27);
}

static void test_special_mask(void **state)
{
	struct fixture *f = *state;

	pulse(f, 1);
	assert_int_equal(pic_acknowledge(f->pic), 0x21);
	pulse(f, 5);
	assert_int_equal(f->intr.level, 0);
	out8(f->ports, 0x21, 0x02);
	assert_int_equal(f->intr.level, 0);
	out8(f->ports, 0x20, 0x68);	/* set special mask mode */
	assert_int_equal(f->intr.level, 1);
	assert_int_equal(pic_acknowledge(f->pic), 0x25);
	out8(f->ports, 0x20, 0x20);	/* ends 5: the masked 1 is not in the running */
	assert_int_equal(read_isr(f, 0x20), 0x02);
	out8(f->ports, 0x20, 0x48);	/* reset special mask mode */
	pulse(f, 5);
	assert_int_equal(f->intr.level, 0);
	out8(f->ports, 0x20, 0x20);
	assert_int_equal(read_isr(f, 0x20), 0);
}

static void test_poll(void **state)
{
	struct fixture *f = *state;

	out8(f->ports, 0x20, 0x0c);
	assert_int_equal(in8(f->ports, 0x20), 0);
	pulse(f, 9);
	out8(f->ports, 0x20, 0x0c);
	assert_int_equal(in8(f->ports, 0x20), 0x82);
	out8(f->ports, 0xa0, 0x0c);
	assert_int_equal(in8(f->ports, 0xa0), 0x81);
	assert_int_equal(read_isr(f, 0x20), 0x04);
	assert_int_equal(read_isr(f, 0xa0), 0x02);
	assert_int_equal(in8(f->ports, 0x21), 0);	/* one read only */
	pulse(f, 0);
	out8(f->ports, 0x20, 0x0c);
	assert_int_equal(in8(f->ports, 0x21), 0x80);
}

static void test_wide_access(void **state)
{
	struct fixture *f = *state;

	assert_true(bus_write(f->ports, 0x20, 2, 0xfb0b));
	assert_int_equal(in_sized(f->ports, 0x20, 2), 0xfb00);
	assert_int_equal(in_sized(f->ports, 0x21, 2), 0xffff);	/* leaves the chip */
	assert_true(bus_write(f->ports, 0x4d0, 2, 0x0820));
	assert_int_equal(in_sized(f->ports, 0x4d0, 2), 0x0820);
}

static void test_random_accesses(void **state)
{
	static const uint16_t bases[] = { 0x20, 0xa0, 0x4d0 };
	struct fixture *f = *state;
	uint64_t seed = 0x8259;

	for (unsigned int i = 0; i < 200000; i++) {
		uint64_t r = next_random(&seed);
		uint16_t port = bases[r % 3] + (r >> 8 & 1);
		unsigned int irq = r >> 12 & 15;

		switch (r >> 16 & 3) {
		case 0:
			bus_write(f->ports, port, 1 << (r >> 20 & 1), r >> 32);
			break;
		case 1:
			in_sized(f->ports, port, 1 << (r >> 20 & 1));
			break;
		case 2:
			pic_set_irq(f->pic, irq == 2 ? 3 : irq, r >> 20 & 1);
			break;
		default:
			pic_acknowledge(f->pic);
			break;
		}
	}
	/* It still works. */
	for (unsigned int irq = 0; irq < 16; irq++)
		if (irq != 2)
			pic_set_irq(f->pic, irq, 0);
	init_chip(f->ports, PIC_MASTER_PORT, 0x20, 0x01);
	init_chip(f->ports, PIC_SLAVE_PORT, 0x28, 0x01);
	pulse(f, 10);
	assert_int_equal(f->intr.level, 1);
	assert_int_equal(pic_acknowledge(f->pic), 0x2a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_masked_until_programmed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_interrupt_during_initialization, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_single_without_icw4, setup, teardown),
		cmocka_unit_test_setup_teardown(test_icw1_resets, setup_ready, teardown),
		cmocka_unit_test_setup_teardown(test_edge, setup_ready, teardown),
		cmocka_unit_test_setup_teardown(test_level, setup_ready, teardown),
		cmocka_unit_test_setup_teardown(test_priority_and_nesting, setup_ready, teardown),
		cmocka_unit_test_setup_teardown(test_all_pairs, setup_ready, teardown),
		cmocka_unit_test_setup_teardown(test_intr_edge_per_request, setup_ready, teardown),
		cmocka_unit_test_setup_teardown(test_mask, setup_ready, teardown),
		cmocka_unit_test_setup_teardown(test_spurious, setup_ready, teardown),
		cmocka_unit_test_setup_teardown(test_cascade, setup_ready, teardown),
		cmocka_unit_test_setup_teardown(test_spurious_slave, setup_ready, teardown),
		cmocka_unit_test_setup_teardown(test_special_fully_nested, setup_ready, teardown),
		cmocka_unit_test_setup_teardown(test_automatic_eoi, setup_ready, teardown),
		cmocka_unit_test_setup_teardown(test_rotation, setup_ready, teardown),
		cmocka_unit_test_setup_teardown(test_special_mask, setup_ready, teardown),
		cmocka_unit_test_setup_teardown(test_poll, setup_ready, teardown),
		cmocka_unit_test_setup_teardown(test_wide_access, setup_ready, teardown),
		cmocka_unit_test_setup_teardown(test_random_accesses, setup_ready, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
