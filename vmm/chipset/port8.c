// SPDX-License-Identifier: GPL-2.0-or-later
#include "port8.h"

static uint64_t port8_read(void *opaque, uint64_t offset, unsigned int size)
{
	const struct port8 *port = opaque;
	uint64_t value = 0;

	for (unsigned int i = 0; i < size; i++)
		value |= (uint64_t)port->read(port->chip, offset + i) << (8 * i);
	return value;
}

static void port8_write(void *opaque, uint64_t offset, unsigned int size, uint64_t value)
{
	const struct port8 *port = opaque;

	for (unsigned int i = 0; i < size; i++)
		port->write(port->chip, offset + i, value >> (8 * i));
}

static const struct bus_ops port8_ops = { .read = port8_read, .write = port8_write };

void chip_claim(struct bus *bus, const char *name, uint64_t base, uint64_t length,
		const struct bus_ops *ops, void *opaque)
{
	int error = bus_add(bus, name, base, length, ops, opaque);

	g_assert_cmpint(error, ==, 0);
}

void port8_claim(struct bus *bus, const char *name, uint64_t base, uint64_t length,
		 struct port8 *port)
{
	chip_claim(bus, name, base, length, &port8_ops, port);
}
