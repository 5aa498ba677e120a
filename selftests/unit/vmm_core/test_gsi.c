// SPDX-License-Identifier: GPL-2.0-or-later
#include "core_test.h"

#include "../../../vmm/chipset/chipset.h"
#include "../../../vmm/gsi.h"
#include "../../../vmm/pci/map.h"

/* The chips at the ends of the wires: they remember the last change. */
static int pic_irq, pic_level, ioapic_pin, ioapic_level;

void pic_set_irq(struct pic *pic, unsigned int irq, int level)
{
	assert_ptr_equal(pic, (struct pic *)1);
	pic_irq = irq;
	pic_level = level;
}

void ioapic_set_irq(struct ioapic *ioapic, unsigned int pin, int level)
{
	assert_ptr_equal(ioapic, (struct ioapic *)2);
	ioapic_pin = pin;
	ioapic_level = level;
}

static uint16_t pic_levels;
static uint32_t ioapic_levels;

uint16_t pic_lines(const struct pic *pic)
{
	assert_ptr_equal(pic, (struct pic *)1);
	return pic_levels;
}

uint32_t ioapic_lines(const struct ioapic *ioapic)
{
	assert_ptr_equal(ioapic, (struct ioapic *)2);
	return ioapic_levels;
}

static struct gsi_router router = { .pic = (struct pic *)1, .ioapic = (struct ioapic *)2 };

static void drive(unsigned int gsi, int level)
{
	struct irq_line line = gsi_line(&router, gsi);

	pic_irq = -1;
	ioapic_pin = -1;
	irq_set(&line, level);
}

static void test_isa(void **state)
{
	(void)state;
	for (unsigned int irq = 1; irq < 16; irq++) {
		drive(irq, 1);
		assert_int_equal(ioapic_pin, irq);
		assert_int_equal(ioapic_level, 1);
		assert_int_equal(pic_irq, irq == IRQ_CASCADE ? -1 : (int)irq);
		if (irq != IRQ_CASCADE)
			assert_int_equal(pic_level, 1);
		drive(irq, 0);
		assert_int_equal(ioapic_level, 0);
		if (irq != IRQ_CASCADE)
			assert_int_equal(pic_level, 0);
	}
}

static void test_pit(void **state)
{
	(void)state;
	drive(IRQ_PIT, 1);
	assert_int_equal(pic_irq, 0);
	assert_int_equal(ioapic_pin, 2);
	drive(IRQ_PIT, 0);
	assert_int_equal(pic_irq, 0);
	assert_int_equal(ioapic_pin, 2);
}

/* Only changes reach the chips, of each line for itself. */
static void test_same_level(void **state)
{
	(void)state;
	drive(IRQ_UART0, 0);
	assert_int_equal(ioapic_pin, -1);
	drive(IRQ_UART0, 1);
	assert_int_equal(ioapic_pin, IRQ_UART0);
	drive(IRQ_UART0, 1);
	assert_int_equal(ioapic_pin, -1);
	assert_int_equal(pic_irq, -1);
	drive(IRQ_RTC, 1);
	assert_int_equal(ioapic_pin, IRQ_RTC);
	drive(IRQ_UART0, 0);
	assert_int_equal(ioapic_level, 0);
	drive(IRQ_RTC, 0);
	assert_int_equal(pic_level, 0);
}

static void test_beyond_isa(void **state)
{
	(void)state;
	for (unsigned int gsi = 20; gsi < IOAPIC_PINS; gsi++) {
		drive(gsi, 1);
		assert_int_equal(pic_irq, -1);
		assert_int_equal(ioapic_pin, gsi);
		drive(gsi, 0);
	}
}

static void drive_pci(unsigned int line, int level, int irq, int irq_level)
{
	drive(16 + line, level);
	assert_int_equal(ioapic_pin, 16 + line);
	assert_int_equal(ioapic_level, level);
	assert_int_equal(pic_irq, irq);
	assert_int_equal(pic_level, irq_level);
}

/* PCI's lines have a pin each at the IOAPIC and share two at the PIC. */
static void test_pci(void **state)
{
	(void)state;
	drive_pci(0, 1, 10, 1);
	drive_pci(1, 1, 11, 1);
	drive_pci(2, 1, 10, 1);
	drive_pci(0, 0, 10, 1);
	drive_pci(1, 0, 11, 0);
	drive_pci(3, 1, 11, 1);
	drive_pci(2, 0, 10, 0);
	drive_pci(3, 0, 11, 0);
}

/* A checkpoint is loaded: devices drive wires whose other ends know of them already. */
static void test_hold(void **state)
{
	g_autoptr(GError) no_pic = NULL, no_ioapic = NULL;

	(void)state;
	drive(5, 1);
	gsi_hold(&router);
	drive(IRQ_PIT, 1);
	drive(IRQ_UART0, 1);
	drive(PCI_INTX_GSI + 1, 1);
	drive(PCI_INTX_GSI + 3, 1);
	drive(PCI_INTX_GSI + 3, 0);
	assert_int_equal(pic_irq, -1);
	assert_int_equal(ioapic_pin, -1);
	pic_levels = 1u << IRQ_PIT | 1u << IRQ_UART0;
	ioapic_levels = 1u << 2 | 1u << IRQ_UART0 | 1u << (PCI_INTX_GSI + 1);
	assert_false(gsi_release(&router, &no_pic));
	assert_non_null(strstr(no_pic->message, "PIC's input 11"));
	pic_levels |= 1u << pci_intx_pic_irq(1);
	ioapic_levels &= ~(1u << 2);
	assert_false(gsi_release(&router, &no_ioapic));
	assert_non_null(strstr(no_ioapic->message, "pin 2 "));
	ioapic_levels |= 1u << 2;
	assert_true(gsi_release(&router, NULL));
	assert_int_equal(pic_irq, -1);
	drive(IRQ_UART0, 1);			/* no edge: it is high */
	assert_int_equal(pic_irq, -1);
	drive(IRQ_UART0, 0);
	assert_int_equal(pic_irq, IRQ_UART0);
	drive(5, 1);				/* it fell when the wires were held */
	assert_int_equal(pic_irq, 5);
	gsi_hold(&router);
	router.held = false;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_isa),
		cmocka_unit_test(test_pit),
		cmocka_unit_test(test_hold),
		cmocka_unit_test(test_same_level),
		cmocka_unit_test(test_beyond_isa),
		cmocka_unit_test(test_pci),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
