/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where PCI is in a guest's address spaces (docs/memory-map.md).  The host bridge decodes
 * exactly these windows, the ACPI and MP tables announce them.  Ends are inclusive.
 */
#ifndef MICA_VMM_PCI_MAP_H
#define MICA_VMM_PCI_MAP_H

#include <stdint.h>

#define PCI_CONFIG_PORT		0xcf8u		/* address 0xcf8, data 0xcfc-0xcff */
#define PCI_CONFIG_PORTS	8u

#define PCI_WINDOW_IO		0x1000u		/* below: the chips of a PC */
#define PCI_WINDOW_IO_END	0xffffu
#define PCI_WINDOW_MEM		0xc0000000ull	/* MEMORY_HOLE_START */
#define PCI_WINDOW_MEM_END	0xf7ffffffull
#define PCI_ECAM		0xf8000000ull	/* room for 16 buses, up to 0xf8ffffff */
#define PCI_ECAM_BUS_SIZE	0x100000ull
#define PCI_BUSES_MAX		16u
#define PCI_ECAM_SIZE		(PCI_BUSES_MAX * PCI_ECAM_BUS_SIZE)

#define PCI_SLOTS		32u

/* INTA#..INTD# of slot n of bus 0 are lines (n + 0..3) % 4: GSIs 16..19 of the IOAPIC, and
 * for kernels that use the PIC, IRQs 10 and 11 by turns. */
#define PCI_INTX_LINES		4u
#define PCI_INTX_GSI		16u
#define PCI_INTX_PIC_IRQ	10u

static inline unsigned int pci_intx_line(unsigned int slot, unsigned int pin)
{
	return (slot + pin) % PCI_INTX_LINES;
}

static inline unsigned int pci_intx_pic_irq(unsigned int line)
{
	return PCI_INTX_PIC_IRQ + line % 2;
}

/* What differs between guests. */
struct pci_map {
	uint64_t mem64;		/* window for 64-bit BARs, above all RAM */
	uint64_t mem64_size;	/* 0: the CPU's addresses are too narrow for one */
	/* Bus 0 and one for each root port.  No more than there are: Linux looks for devices on
	 * every bus that the MCFG has, slot by slot. */
	uint8_t buses;
	uint32_t slots;		/* bit n: slot n of bus 0 has a function with INTA# */
};

/* `ram_end`: the first address behind the RAM; `phys_bits`: width of a guest's addresses;
 * `ports`: root ports. */
void pci_map_init(struct pci_map *map, uint64_t ram_end, unsigned int phys_bits,
		  unsigned int ports);

#endif
