// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a firmware does before it starts a kernel.  Linux would do it itself; older kernels,
 * and small ones, rely on it.
 */
#include "internal.h"

/* Windows of a root port.  All of them are given one: what is plugged in later finds its
 * room there. */
#define PORT_IO_SIZE		0x1000u
#define PORT_IO_FIRST		(PCI_WINDOW_IO_END + 1 - PCI_PORTS_MAX * PORT_IO_SIZE)
#define PORT_MEMORY_SIZE	(4ull << 20)
#define PORT_MEMORY_FIRST	(PCI_WINDOW_MEM_END + 1 - PCI_PORTS_MAX * PORT_MEMORY_SIZE)
#define PORT_PREFETCH_SIZE	(1ull << 30)

/* A 64-bit BAR of this size or more goes above 4 GiB if it can; smaller ones stay where
 * 32-bit kernels reach them. */
#define LARGE_BAR		(64ull << 20)

struct room {
	uint64_t next;
	uint64_t end;			/* exclusive */
};

struct rooms {
	struct room io;
	struct room memory;
	struct room memory64;
};

/* BARs are aligned to their size.  0 if there is no room; no window starts at 0. */
static uint64_t take(struct room *room, uint64_t size)
{
	uint64_t base = (room->next + size - 1) & ~(size - 1);

	if (base >= room->end || room->end - base < size)
		return 0;
	room->next = base + size;
	return base;
}

static uint64_t place(struct rooms *rooms, const struct pci_device *device, unsigned int bar)
{
	uint64_t size = device->config.bars[bar].size;
	bool may_be_high = pci_bar_is_64(device, bar) &&
			   (!device->port ||
			    device->config.bars[bar].kind == PCI_BAR_MEM64_PREFETCH);
	uint64_t address = 0;

	if (pci_bar_is_io(device, bar))
		return take(&rooms->io, size);
	if (may_be_high && size >= LARGE_BAR)
		address = take(&rooms->memory64, size);
	if (!address)
		address = take(&rooms->memory, size);
	if (!address && may_be_high)
		address = take(&rooms->memory64, size);
	return address;
}

static void enable(struct pci_device *device, uint16_t bits)
{
	uint8_t *config = device->state.config;

	pci_put16(config, PCI_COMMAND, pci_command(device) | bits);
	if (device->config.intx)
		config[PCI_INTERRUPT_LINE] = pci_intx_pic_irq(pci_intx_line(device->slot, 0));
}

static void assign_function(struct rooms *rooms, struct pci_device *device)
{
	uint16_t bits = 0;

	for (unsigned int bar = 0; bar < PCI_BARS; bar++) {
		if (device->config.bars[bar].kind == PCI_BAR_NONE)
			continue;
		pci_bar_set_address(device, bar, place(rooms, device, bar));
		bits |= pci_bar_is_io(device, bar) ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY;
	}
	enable(device, bits);
}

static void assign_port(struct pci_host *host, unsigned int index)
{
	const struct pci_map *map = &host->config.map;
	struct pci_port *port = &host->ports[index];
	uint64_t io = PORT_IO_FIRST + index * PORT_IO_SIZE;
	uint64_t memory = PORT_MEMORY_FIRST + index * PORT_MEMORY_SIZE;
	uint64_t prefetch = map->mem64 + map->mem64_size -
			    (PCI_PORTS_MAX - index) * PORT_PREFETCH_SIZE;
	struct rooms rooms = {
		.io = { io, io + PORT_IO_SIZE },
		.memory = { memory, memory + PORT_MEMORY_SIZE },
	};

	pci_port_set_bus(port, index + 1);
	pci_port_set_io(port, io, io + PORT_IO_SIZE - 1);
	pci_port_set_memory(port, memory, memory + PORT_MEMORY_SIZE - 1);
	if (map->mem64_size) {
		pci_port_set_prefetch(port, prefetch, prefetch + PORT_PREFETCH_SIZE - 1);
		rooms.memory64 = (struct room){ prefetch, prefetch + PORT_PREFETCH_SIZE };
	}
	enable(port->function, PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	if (port->child)
		assign_function(&rooms, port->child);
}

void pci_host_assign(struct pci_host *host)
{
	const struct pci_map *map = &host->config.map;
	struct rooms rooms = {
		.io = { PCI_WINDOW_IO, PORT_IO_FIRST },
		.memory = { PCI_WINDOW_MEM, PORT_MEMORY_FIRST },
		.memory64 = { map->mem64, map->mem64 + map->mem64_size },
	};

	if (map->mem64_size)
		rooms.memory64.end -= PCI_PORTS_MAX * PORT_PREFETCH_SIZE;
	for (unsigned int slot = 1; slot < PCI_SLOTS; slot++)
		if (host->slots[slot] && !host->slots[slot]->bridge)
			assign_function(&rooms, host->slots[slot]);
	for (unsigned int i = 0; i < host->port_count; i++)
		assign_port(host, i);
	host->assigned = true;
	pci_host_remap(host);
}
