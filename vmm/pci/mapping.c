// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Which BAR answers where.  The lists are made anew at each change, in the order that host.h
 * gives, and searched from the start: the first that holds an access has it.  They are
 * short, and what is hot does not come here (doorbells).
 */
#include "internal.h"

static bool window_holds(uint64_t first, uint64_t end, uint64_t base, uint64_t last)
{
	return base >= first && last <= end;
}

static bool host_decodes(const struct pci_host *host, enum pci_space space, uint64_t base,
			 uint64_t last)
{
	const struct pci_map *map = &host->config.map;

	if (space == PCI_SPACE_IO)
		return window_holds(PCI_WINDOW_IO, PCI_WINDOW_IO_END, base, last);
	return window_holds(PCI_WINDOW_MEM, PCI_WINDOW_MEM_END, base, last) ||
	       (map->mem64_size &&
		window_holds(map->mem64, map->mem64 + (map->mem64_size - 1), base, last));
}

static bool is_decoded(const struct pci_device *device, enum pci_space space, uint64_t base,
		       uint64_t last)
{
	uint16_t enable = space == PCI_SPACE_IO ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY;

	return (pci_command(device) & enable) && pci_powered(device) && last >= base &&
	       host_decodes(device->host, space, base, last) &&
	       (!device->port || pci_port_forwards(device->port, space, base, last));
}

static void map_bar(struct pci_device *device, unsigned int bar)
{
	struct pci_host *host = device->host;
	bool is_io = pci_bar_is_io(device, bar);
	struct pci_mappings *list = is_io ? &host->io : &host->memory;
	uint64_t base = pci_bar_address(device, bar);
	uint64_t last = base + (device->config.bars[bar].size - 1);

	device->bar_base[bar] = PCI_UNMAPPED;
	if (!is_decoded(device, is_io ? PCI_SPACE_IO : PCI_SPACE_MEMORY, base, last))
		return;
	device->bar_base[bar] = base;
	g_assert(list->count < PCI_MAPPINGS_MAX);
	list->mapping[list->count++] = (struct pci_mapping){ base, last, device, bar };
}

static void map_function(struct pci_device *device)
{
	if (!device)
		return;
	for (unsigned int bar = 0; bar < PCI_BARS; bar++)
		if (device->config.bars[bar].kind != PCI_BAR_NONE)
			map_bar(device, bar);
}

static const struct pci_mapping *find(const struct pci_mappings *list, uint64_t address,
				      unsigned int size)
{
	for (unsigned int i = 0; i < list->count; i++) {
		const struct pci_mapping *mapping = &list->mapping[i];

		if (address >= mapping->base && address <= mapping->last &&
		    mapping->last - address >= size - 1)
			return mapping;
	}
	return NULL;
}

/* ------------------------------------------------------------ doorbells */

unsigned int pci_add_doorbell(struct pci_device *device, const struct pci_doorbell *doorbell)
{
	struct pci_doorbell_binding binding = { .doorbell = *doorbell };
	uint64_t length;

	g_assert(!device->host && device->doorbells->len < PCI_DOORBELLS_MAX);
	g_assert(doorbell->bar < PCI_BARS);
	length = device->config.bars[doorbell->bar].size;
	g_assert(doorbell->offset < length && doorbell->size <= length - doorbell->offset);
	g_assert(!pci_msix_owns(device, doorbell->bar, doorbell->offset));
	g_array_append_val(device->doorbells, binding);
	return device->doorbells->len - 1;
}

static struct pci_doorbell_binding *binding_at(struct pci_device *device, unsigned int index)
{
	return &g_array_index(device->doorbells, struct pci_doorbell_binding, index);
}

static int tell_kernel(struct pci_device *device, const struct pci_doorbell_binding *binding,
		       bool bind)
{
	const struct pci_doorbell *doorbell = &binding->doorbell;
	const struct pci_sink *sink = &device->host->config.sink;
	const struct pci_ioeventfd ioeventfd = {
		.space = pci_bar_is_io(device, doorbell->bar) ? PCI_SPACE_IO : PCI_SPACE_MEMORY,
		.address = binding->address,
		.size = doorbell->size,
		.any = doorbell->any,
		.value = doorbell->value,
		.fd = doorbell->fd,
	};

	return sink->ioeventfd(sink->opaque, &ioeventfd, bind);
}

/* Where the doorbell is to be, or PCI_UNMAPPED.  In the kernel's list there is no order:
 * one that another BAR shadows must not be there. */
static uint64_t place(struct pci_device *device, const struct pci_doorbell_binding *binding)
{
	const struct pci_doorbell *doorbell = &binding->doorbell;
	const struct pci_mapping *mapping;
	uint64_t address;

	if (!device->host->config.sink.ioeventfd || !binding->enabled ||
	    device->bar_base[doorbell->bar] == PCI_UNMAPPED)
		return PCI_UNMAPPED;
	address = device->bar_base[doorbell->bar] + doorbell->offset;
	mapping = find(pci_bar_is_io(device, doorbell->bar) ? &device->host->io :
		       &device->host->memory, address, doorbell->size);
	if (mapping->device != device || mapping->bar != doorbell->bar)
		return PCI_UNMAPPED;
	return address;
}

static void unbind_stale(struct pci_device *device, struct pci_doorbell_binding *binding)
{
	if (!binding->bound || binding->address == place(device, binding))
		return;
	tell_kernel(device, binding, false);
	binding->bound = false;
}

/* If the kernel has no room, the write comes to the function instead. */
static void bind_new(struct pci_device *device, struct pci_doorbell_binding *binding)
{
	uint64_t address = place(device, binding);

	if (binding->bound || address == PCI_UNMAPPED)
		return;
	binding->address = address;
	binding->bound = tell_kernel(device, binding, true) == 0;
}

static void each_doorbell(struct pci_device *device,
			  void (*change)(struct pci_device *, struct pci_doorbell_binding *))
{
	if (!device)
		return;
	for (unsigned int i = 0; i < device->doorbells->len; i++)
		change(device, binding_at(device, i));
}

void pci_doorbell_enable(struct pci_device *device, unsigned int doorbell, bool enable)
{
	struct pci_doorbell_binding *binding;

	g_assert(doorbell < device->doorbells->len);
	binding = binding_at(device, doorbell);
	binding->enabled = enable;
	if (!device->host)
		return;
	unbind_stale(device, binding);
	bind_new(device, binding);
}

static void unbind(struct pci_device *device, struct pci_doorbell_binding *binding)
{
	if (binding->bound)
		tell_kernel(device, binding, false);
	binding->bound = false;
}

void pci_doorbells_unbind(struct pci_device *device)
{
	each_doorbell(device, unbind);
}

/* ------------------------------------------------------------ all of them */

static void each_function(struct pci_host *host, void (*act)(struct pci_device *device))
{
	for (unsigned int slot = 0; slot < PCI_SLOTS; slot++)
		act(host->slots[slot]);
	for (unsigned int i = 0; i < host->port_count; i++)
		act(host->ports[i].child);
}

static void unbind_stale_ones(struct pci_device *device)
{
	each_doorbell(device, unbind_stale);
}

static void bind_new_ones(struct pci_device *device)
{
	each_doorbell(device, bind_new);
}

/* Old places are left before new ones are taken: two doorbells may change places. */
void pci_host_remap(struct pci_host *host)
{
	host->io.count = 0;
	host->memory.count = 0;
	each_function(host, map_function);
	each_function(host, unbind_stale_ones);
	each_function(host, bind_new_ones);
}

/* ------------------------------------------------------------ accesses */

static uint64_t window_read(void *opaque, uint64_t offset, unsigned int size)
{
	const struct pci_window *window = opaque;
	uint64_t address = window->base + offset;
	const struct pci_mapping *mapping = find(window->list, address, size);

	if (!mapping)
		return UINT64_MAX;
	return pci_bar_read(mapping->device, mapping->bar, address - mapping->base, size);
}

static void window_write(void *opaque, uint64_t offset, unsigned int size, uint64_t value)
{
	const struct pci_window *window = opaque;
	uint64_t address = window->base + offset;
	const struct pci_mapping *mapping = find(window->list, address, size);

	if (mapping)
		pci_bar_write(mapping->device, mapping->bar, address - mapping->base, size, value);
}

static const struct bus_ops window_ops = { .read = window_read, .write = window_write };

void pci_window_claim(struct pci_window *window, struct bus *bus, const char *name, uint64_t base,
		      uint64_t size, const struct pci_mappings *list)
{
	int error;

	window->base = base;
	window->list = list;
	error = bus_add(bus, name, base, size, &window_ops, window);
	g_assert_cmpint(error, ==, 0);
}
