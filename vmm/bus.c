// SPDX-License-Identifier: GPL-2.0-or-later
#include "bus.h"

#include <errno.h>

struct bus_range {
	uint64_t base;
	uint64_t length;
	const struct bus_ops *ops;
	void *opaque;
	const char *name;
};

/* Ranges in ascending order.  `last` is the one that was hit last: devices are polled
 * in streaks.  Adding a range moves the array, and nobody adds one once guests run. */
struct bus {
	const char *name;
	GArray *ranges;
	const struct bus_range *last;
};

static const struct bus_range bus_nobody;

struct bus *bus_new(const char *name)
{
	struct bus *bus = g_new0(struct bus, 1);

	bus->name = name;
	bus->ranges = g_array_new(FALSE, FALSE, sizeof(struct bus_range));
	bus->last = &bus_nobody;
	return bus;
}

void bus_free(struct bus *bus)
{
	if (!bus)
		return;
	g_array_free(bus->ranges, TRUE);
	g_free(bus);
}

/* The index of the first range that ends behind `address`. */
static guint bus_position(const struct bus *bus, uint64_t address)
{
	const struct bus_range *range;
	guint low = 0, high = bus->ranges->len, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		range = &g_array_index(bus->ranges, struct bus_range, middle);
		if (range->base + (range->length - 1) < address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

int bus_add(struct bus *bus, const char *name, uint64_t base, uint64_t length,
	    const struct bus_ops *ops, void *opaque)
{
	struct bus_range new = {
		.base = base, .length = length, .ops = ops, .opaque = opaque, .name = name,
	};
	guint position;

	if (!length || base + (length - 1) < base)
		return -EINVAL;
	position = bus_position(bus, base);
	if (position < bus->ranges->len &&
	    g_array_index(bus->ranges, struct bus_range, position).base <= base + (length - 1))
		return -EEXIST;
	g_array_insert_val(bus->ranges, position, new);
	bus->last = &bus_nobody;
	return 0;
}

static uint64_t nobody_read(void *opaque, uint64_t offset, unsigned int size)
{
	(void)opaque;
	(void)offset;
	(void)size;
	return UINT64_MAX;
}

static void nobody_write(void *opaque, uint64_t offset, unsigned int size, uint64_t value)
{
	(void)opaque;
	(void)offset;
	(void)size;
	(void)value;
}

static const struct bus_ops nobody_ops = { .read = nobody_read, .write = nobody_write };

int bus_add_nobody(struct bus *bus, const char *name, uint64_t base, uint64_t length)
{
	return bus_add(bus, name, base, length, &nobody_ops, NULL);
}

bool bus_tell_nobody(const struct bus *bus,
		     bool (*tell)(void *opaque, uint64_t base, uint64_t length), void *opaque)
{
	const struct bus_range *range;

	for (guint i = 0; i < bus->ranges->len; i++) {
		range = &g_array_index(bus->ranges, struct bus_range, i);
		if (range->ops == &nobody_ops && !tell(opaque, range->base, range->length))
			return false;
	}
	return true;
}

static bool bus_range_holds(const struct bus_range *range, uint64_t address, unsigned int size)
{
	uint64_t offset = address - range->base;

	return offset < range->length && size <= range->length - offset;
}

static const struct bus_range *bus_find(struct bus *bus, uint64_t address, unsigned int size)
{
	const struct bus_range *range = bus->last;
	guint position;

	if (G_LIKELY(bus_range_holds(range, address, size)))
		return range;
	position = bus_position(bus, address);
	if (position == bus->ranges->len)
		return NULL;
	range = &g_array_index(bus->ranges, struct bus_range, position);
	if (!bus_range_holds(range, address, size))
		return NULL;
	bus->last = range;
	return range;
}

static uint64_t bus_mask(unsigned int size)
{
	return UINT64_MAX >> (64 - 8 * size);
}

bool bus_read(struct bus *bus, uint64_t address, unsigned int size, uint64_t *value)
{
	const struct bus_range *range = bus_find(bus, address, size);

	if (!range) {
		*value = bus_mask(size);
		return false;
	}
	*value = range->ops->read(range->opaque, address - range->base, size) & bus_mask(size);
	return true;
}

bool bus_write(struct bus *bus, uint64_t address, unsigned int size, uint64_t value)
{
	const struct bus_range *range = bus_find(bus, address, size);

	if (!range)
		return false;
	range->ops->write(range->opaque, address - range->base, size, value & bus_mask(size));
	return true;
}
