/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the chips' tests share: a port bus, a line that remembers, a power button that
 * remembers.
 */
#ifndef MICA_TEST_CHIP_TEST_H
#define MICA_TEST_CHIP_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <glib.h>
#include <string.h>

#include "../../../vmm/chipset/chipset.h"
#include "../fake_clock.h"

#define MS	1000000ull
#define SECOND	1000000000ull

struct fake_line {
	int level;
	unsigned int rises;
};

static inline void fake_line_set(void *opaque, unsigned int pin, int level)
{
	struct fake_line *line = opaque;

	(void)pin;
	if (level && !line->level)
		line->rises++;
	line->level = level;
}

static inline struct irq_line fake_line_of(struct fake_line *line)
{
	return (struct irq_line){ .set = fake_line_set, .opaque = line };
}

struct fake_power {
	unsigned int requests;
	enum power_event event;
	uint32_t value;
};

static inline void fake_power_request(void *opaque, enum power_event event, uint32_t value)
{
	struct fake_power *power = opaque;

	power->requests++;
	power->event = event;
	power->value = value;
}

static inline struct power_sink fake_power_of(struct fake_power *power)
{
	return (struct power_sink){ .request = fake_power_request, .opaque = power };
}

static inline uint64_t in_sized(struct bus *bus, uint64_t port, unsigned int size)
{
	uint64_t value;

	bus_read(bus, port, size, &value);
	return value;
}

static inline uint8_t in8(struct bus *bus, uint64_t port)
{
	return in_sized(bus, port, 1);
}

static inline void out8(struct bus *bus, uint64_t port, uint8_t value)
{
	assert_true(bus_write(bus, port, 1, value));
}

/* Xorshift: the same numbers on every run. */
static inline uint64_t next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

#endif
