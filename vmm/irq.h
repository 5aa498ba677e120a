/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A wire.  A chip that drives one holds a struct irq_line that its maker filled in;
 * the chip at the other end supplies `set`.  Level 0 or 1; setting the same level
 * twice has no effect.  Called with the machine's lock held.
 */
#ifndef MICA_VMM_IRQ_H
#define MICA_VMM_IRQ_H

struct irq_line {
	void (*set)(void *opaque, unsigned int pin, int level);
	void *opaque;
	unsigned int pin;
};

/* A line with no `set` goes nowhere. */
static inline void irq_set(const struct irq_line *line, int level)
{
	if (line->set)
		line->set(line->opaque, line->pin, level);
}

#endif
