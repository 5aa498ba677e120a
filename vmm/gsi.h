/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The wiring of interrupt lines.  Chips drive global system interrupts 0..23; GSI n is
 * pin n of the IOAPIC and, for n < 16, ISA IRQ n of the PIC pair.  The exception is the
 * PIT's IRQ 0, which is pin 2 of the IOAPIC, as the MADT's interrupt source override says;
 * IRQ 2 is the PIC's own cascade.  PCI's lines, GSIs 16..19, drive IRQs 10 and 11 of the PIC
 * too, by turns: kernels use either it or the IOAPIC.
 */
#ifndef MICA_VMM_GSI_H
#define MICA_VMM_GSI_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "irq.h"

struct ioapic;
struct pic;

/* Filled in by the machine before any line is driven; all lines are low then. */
struct gsi_router {
	struct pic *pic;
	struct ioapic *ioapic;
	uint32_t levels;		/* one bit for each GSI */
	bool held;			/* gsi_hold() */
};

/* The line of GSI 0..23; `router` must outlive it. */
struct irq_line gsi_line(struct gsi_router *router, unsigned int gsi);

/*
 * Between these two the wires take the levels that the devices drive, but PIC and IOAPIC are
 * not told: a checkpoint is loaded, and they are loaded with what they had seen of the wires.
 * Holding lets all wires fall.  gsi_release(): FALSE, and the wires stay held, if those two
 * remember other levels than the wires have now, which names the first.
 */
void gsi_hold(struct gsi_router *router);
gboolean gsi_release(struct gsi_router *router, GError **error);

#endif
