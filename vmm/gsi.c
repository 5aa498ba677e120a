// SPDX-License-Identifier: GPL-2.0-or-later
#include "gsi.h"

#include "chipset/chipset.h"
#include "error.h"
#include "pci/map.h"

#define ISA_IRQS	16
#define PIT_IOAPIC_PIN	2

/* An IRQ of the PIC that several PCI lines share. */
static void set_shared_irq(struct gsi_router *router, unsigned int line)
{
	unsigned int irq = pci_intx_pic_irq(line);
	int level = 0;

	for (unsigned int i = 0; i < PCI_INTX_LINES; i++)
		if (pci_intx_pic_irq(i) == irq && (router->levels & 1u << (PCI_INTX_GSI + i)))
			level = 1;
	pic_set_irq(router->pic, irq, level);
}

/* Chips say their level after every access; most of the time it is the old one. */
static void gsi_set(void *opaque, unsigned int gsi, int level)
{
	struct gsi_router *router = opaque;
	uint32_t bit = 1u << gsi;

	if (!(router->levels & bit) == !level)
		return;
	router->levels ^= bit;
	if (router->held)
		return;
	if (gsi < ISA_IRQS && gsi != IRQ_CASCADE)
		pic_set_irq(router->pic, gsi, level);
	else if (gsi >= PCI_INTX_GSI && gsi < PCI_INTX_GSI + PCI_INTX_LINES)
		set_shared_irq(router, gsi - PCI_INTX_GSI);
	ioapic_set_irq(router->ioapic, gsi == IRQ_PIT ? PIT_IOAPIC_PIN : gsi, level);
}

void gsi_hold(struct gsi_router *router)
{
	router->held = true;
	router->levels = 0;
}

static uint16_t expected_pic_lines(uint32_t levels)
{
	uint16_t lines = levels & ((1u << ISA_IRQS) - 1) & ~(1u << IRQ_CASCADE);

	for (unsigned int i = 0; i < PCI_INTX_LINES; i++)
		if (levels & 1u << (PCI_INTX_GSI + i))
			lines |= 1u << pci_intx_pic_irq(i);
	return lines;
}

static uint32_t expected_ioapic_lines(uint32_t levels)
{
	uint32_t lines = levels & ~(1u << IRQ_PIT | 1u << PIT_IOAPIC_PIN);

	return levels & 1u << IRQ_PIT ? lines | 1u << PIT_IOAPIC_PIN : lines;
}

gboolean gsi_release(struct gsi_router *router, GError **error)
{
	uint16_t pic = expected_pic_lines(router->levels) ^ pic_lines(router->pic);
	uint32_t ioapic = expected_ioapic_lines(router->levels) ^ ioapic_lines(router->ioapic);

	if (pic)
		return error_set(error, "the checkpoint is damaged: the PIC's input %d has another level "
				 "than the devices on it", __builtin_ctz(pic));
	if (ioapic)
		return error_set(error, "the checkpoint is damaged: the I/O APIC's pin %d has another "
				 "level than the devices on it", __builtin_ctz(ioapic));
	router->held = false;
	return TRUE;
}

struct irq_line gsi_line(struct gsi_router *router, unsigned int gsi)
{
	g_assert(gsi < IOAPIC_PINS);
	return (struct irq_line){ .set = gsi_set, .opaque = router, .pin = gsi };
}
