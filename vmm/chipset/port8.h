/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Eight-bit chips on a wider bus.  As on an ISA bus, a wider access becomes that many
 * byte cycles at ascending addresses, so that every width and offset has a meaning.
 */
#ifndef MICA_VMM_CHIPSET_PORT8_H
#define MICA_VMM_CHIPSET_PORT8_H

#include <glib.h>
#include <stdint.h>

#include "../bus.h"

/* One range of a chip; lives in the chip's structure. */
struct port8 {
	uint8_t (*read)(void *chip, unsigned int offset);
	void (*write)(void *chip, unsigned int offset, uint8_t value);
	void *chip;
};

void port8_claim(struct bus *bus, const char *name, uint64_t base, uint64_t length,
		 struct port8 *port);

/* bus_add() for addresses that are this program's own: a conflict is a bug in it. */
void chip_claim(struct bus *bus, const char *name, uint64_t base, uint64_t length,
		const struct bus_ops *ops, void *opaque);

#endif
