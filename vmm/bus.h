/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Address spaces of devices: one bus for the 64 KiB of I/O ports, one for MMIO.
 *
 * Ranges are registered while the machine is built and never overlap.  Reads of an
 * address that nobody claims give all-ones, writes vanish, as on a PC.  Accesses
 * that straddle the end of a range are treated as unclaimed.
 *
 * Locks: accesses are made with the machine's lock held (vmm/machine.h), so device
 * callbacks need none of their own.  A callback must not block.
 */
#ifndef MICA_VMM_BUS_H
#define MICA_VMM_BUS_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

struct bus;

/* `offset` is relative to the start of the range; `size` is 1, 2, 4 or 8 (ports: not
 * 8).  A device returns or takes the low `size` bytes of the value. */
struct bus_ops {
	uint64_t (*read)(void *opaque, uint64_t offset, unsigned int size);
	void (*write)(void *opaque, uint64_t offset, unsigned int size, uint64_t value);
};

struct bus *bus_new(const char *name);
void bus_free(struct bus *bus);

/* -EEXIST: the range overlaps another one; -EINVAL: empty or wraps.  `ops`, `opaque`
 * and `name` must outlive the bus. */
int bus_add(struct bus *bus, const char *name, uint64_t base, uint64_t length,
	    const struct bus_ops *ops, void *opaque);

/*
 * The same for a range that guests write to although nobody is there, and will never be:
 * accesses give what an unclaimed address gives.  Whoever sends accesses to the bus may
 * answer them by itself; bus_tell_nobody() names these ranges until `tell` returns false,
 * and returns what it did.
 */
int bus_add_nobody(struct bus *bus, const char *name, uint64_t base, uint64_t length);
bool bus_tell_nobody(const struct bus *bus,
		     bool (*tell)(void *opaque, uint64_t base, uint64_t length), void *opaque);

/* False if nobody claims the access; *value is then all-ones of `size` bytes. */
bool bus_read(struct bus *bus, uint64_t address, unsigned int size, uint64_t *value);
bool bus_write(struct bus *bus, uint64_t address, unsigned int size, uint64_t value);

#endif
