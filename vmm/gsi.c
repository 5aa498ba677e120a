// SPDX-License-Identifier: GPL-2.0-or-later
#include "gsi.h"

#include "chipset/chipset.h"

#define ISA_IRQS	16
#define PIT_IOAPIC_PIN	2

static void gsi_set(void *opaque, unsigned int gsi, int level)
{
	struct gsi_router *router = opaque;

	if (gsi < ISA_IRQS && gsi != IRQ_CASCADE)
		pic_set_irq(router->pic, gsi, level);
	ioapic_set_irq(router->ioapic, gsi == IRQ_PIT ? PIT_IOAPIC_PIN : gsi, level);
}

struct irq_line gsi_line(struct gsi_router *router, unsigned int gsi)
{
	g_assert(gsi < IOAPIC_PINS);
	return (struct irq_line){ .set = gsi_set, .opaque = router, .pin = gsi };
}
