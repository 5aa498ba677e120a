// SPDX-License-Identifier: GPL-2.0-or-later
#include "lowmem.h"

size_t boot_e820(const struct guest_memory *memory, struct e820_entry entries[E820_MAX])
{
	const struct memory_range *ranges;
	size_t range_count;
	size_t count = 0;

	ranges = guest_memory_ranges(memory, &range_count);
	entries[count++] = (struct e820_entry){ 0, BOOT_EBDA_ADDRESS, E820_RAM };
	entries[count++] = (struct e820_entry){
		BOOT_EBDA_ADDRESS, BOOT_EBDA_END - BOOT_EBDA_ADDRESS, E820_RESERVED,
	};
	/* Not E820_ACPI, which a kernel may reclaim: the FACS must stay. */
	entries[count++] = (struct e820_entry){
		BOOT_ACPI_ADDRESS, BOOT_MP_END - BOOT_ACPI_ADDRESS, E820_RESERVED,
	};
	entries[count++] = (struct e820_entry){
		BOOT_MP_END, ranges[0].size - BOOT_MP_END, E820_RAM,
	};
	/* PCI Firmware Specification, "MCFG Table Description". */
	entries[count++] = (struct e820_entry){ PCI_ECAM, PCI_ECAM_SIZE, E820_RESERVED };
	for (size_t i = 1; i < range_count; i++)
		entries[count++] = (struct e820_entry){
			ranges[i].gpa, ranges[i].size, E820_RAM,
		};
	return count;
}
