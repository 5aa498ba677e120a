// SPDX-License-Identifier: GPL-2.0-or-later
#include "map.h"

#include <string.h>

#define GIB		(1ull << 30)
#define MEM64_SIZE	(64 * GIB)
#define MEM64_BITS_MAX	52u	/* no x86 CPU has more physical address bits */

void pci_map_init(struct pci_map *map, uint64_t ram_end, unsigned int phys_bits,
		  unsigned int ports)
{
	uint64_t base = (ram_end + MEM64_SIZE - 1) / MEM64_SIZE * MEM64_SIZE;
	uint64_t limit = 1ull << (phys_bits < MEM64_BITS_MAX ? phys_bits : MEM64_BITS_MAX);

	memset(map, 0, sizeof(*map));
	map->buses = 1 + ports;
	if (base >= limit || limit - base < MEM64_SIZE)
		return;
	map->mem64 = base;
	map->mem64_size = MEM64_SIZE;
}
