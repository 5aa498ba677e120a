// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * MSI-X: PCI Local Bus Specification 3.0, "MSI-X Capability and Table Structures".
 *
 * The table is kept as the guest sees it, byte for byte, so an access of any width and
 * alignment is a copy.  A message is held back, as a pending bit or as the count of an
 * eventfd that is not bound, while the vector or the function is masked or bus mastering
 * is off.
 */
#include <poll.h>

#include "internal.h"

#define ADDRESS_WRITABLE	(~3ull)

G_STATIC_ASSERT(sizeof(struct pci_msix_entry) == PCI_MSIX_ENTRY_SIZE);
G_STATIC_ASSERT(offsetof(struct pci_msix_entry, data) == PCI_MSIX_ENTRY_DATA);
G_STATIC_ASSERT(offsetof(struct pci_msix_entry, control) == PCI_MSIX_ENTRY_VECTOR_CTRL);
G_STATIC_ASSERT(G_BYTE_ORDER == G_LITTLE_ENDIAN);

static size_t table_size(const struct pci_device *device)
{
	return device->config.msix.vectors * PCI_MSIX_ENTRY_SIZE;
}

static size_t pba_size(const struct pci_device *device)
{
	return (device->config.msix.vectors + 63) / 64 * 8;
}

static void check(const struct pci_device *device)
{
	const struct pci_msix_config *msix = &device->config.msix;
	const struct pci_bar_config *bar;
	uint64_t table = msix->table_offset, pba = msix->pba_offset;

	g_assert(msix->vectors <= PCI_MSIX_VECTORS_MAX && msix->bar < PCI_BARS);
	bar = &device->config.bars[msix->bar];
	g_assert(bar->kind != PCI_BAR_NONE && bar->kind != PCI_BAR_IO);
	g_assert(table % 8 == 0 && table + table_size(device) <= bar->size);
	g_assert(pba % 8 == 0 && pba + pba_size(device) <= bar->size);
	g_assert(pba >= table + table_size(device) || table >= pba + pba_size(device));
}

/* All vectors masked. */
void pci_msix_reset(struct pci_device *device)
{
	memset(device->state.msix, 0, sizeof(device->state.msix));
	memset(device->state.msix_pending, 0, sizeof(device->state.msix_pending));
	for (unsigned int i = 0; i < device->config.msix.vectors; i++)
		device->state.msix[i].control = PCI_MSIX_ENTRY_CTRL_MASKBIT;
}

void pci_msix_add(struct pci_device *device)
{
	const struct pci_msix_config *msix = &device->config.msix;
	uint8_t body[PCI_CAP_MSIX_SIZEOF - 2] = { 0 };
	const uint8_t writable[sizeof(body)] = {
		[1] = (PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL) >> 8,
	};
	const struct pci_capability capability = {
		.id = PCI_CAP_ID_MSIX, .body = body, .writable = writable, .length = sizeof(body),
	};

	check(device);
	pci_put16(body, PCI_MSIX_FLAGS - 2, msix->vectors - 1);
	pci_put32(body, PCI_MSIX_TABLE - 2, msix->table_offset | msix->bar);
	pci_put32(body, PCI_MSIX_PBA - 2, msix->pba_offset | msix->bar);
	device->msix = pci_add_capability(device, &capability);
	pci_msix_reset(device);
}

static uint16_t flags(const struct pci_device *device)
{
	return pci_get16(device->state.config, device->msix + PCI_MSIX_FLAGS);
}

bool pci_msix_enabled(const struct pci_device *device)
{
	return device->msix && (flags(device) & PCI_MSIX_FLAGS_ENABLE);
}

static bool open_to_messages(const struct pci_device *device)
{
	return device->host && pci_msix_enabled(device) &&
	       !(flags(device) & PCI_MSIX_FLAGS_MASKALL) && pci_bus_master(device);
}

static bool masked(const struct pci_device *device, unsigned int vector)
{
	return device->state.msix[vector].control & PCI_MSIX_ENTRY_CTRL_MASKBIT;
}

static void send(struct pci_device *device, unsigned int vector)
{
	const struct pci_sink *sink = &device->host->config.sink;

	sink->msi(sink->opaque, device->state.msix[vector].address,
		  device->state.msix[vector].data);
}

void pci_msix_notify(struct pci_device *device, unsigned int vector)
{
	if (vector >= device->config.msix.vectors || !pci_msix_enabled(device))
		return;
	if (open_to_messages(device) && !masked(device, vector))
		send(device, vector);
	else
		device->state.msix_pending[vector / 64] |= 1ull << (vector % 64);
}

static void send_pending(struct pci_device *device)
{
	for (unsigned int i = 0; i < device->config.msix.vectors; i++) {
		uint64_t *word = &device->state.msix_pending[i / 64];

		if (!(*word & 1ull << (i % 64)) || masked(device, i))
			continue;
		*word &= ~(1ull << (i % 64));
		send(device, i);
	}
}

/* ------------------------------------------------------------ eventfds */

unsigned int pci_add_irqfd(struct pci_device *device, int fd)
{
	struct pci_irqfd_binding binding = { .fd = fd, .vector = PCI_NO_VECTOR };

	g_assert(!device->host && device->irqfds->len < PCI_IRQFDS_MAX);
	g_array_append_val(device->irqfds, binding);
	return device->irqfds->len - 1;
}

static struct pci_irqfd_binding *binding_at(const struct pci_device *device, unsigned int index)
{
	return &g_array_index(device->irqfds, struct pci_irqfd_binding, index);
}

bool pci_has_irqfd(const struct pci_device *device)
{
	return device->host && device->host->config.sink.irqfd;
}

static void unbind(struct pci_device *device, struct pci_irqfd_binding *binding)
{
	const struct pci_sink *sink = &device->host->config.sink;

	if (!binding->bound)
		return;
	sink->irqfd(sink->opaque, binding->fd, binding->address, binding->data, false);
	binding->bound = false;
}

/* An address that is not the APICs' is refused by the kernel: the messages stay. */
static void bind(struct pci_device *device, struct pci_irqfd_binding *binding)
{
	const struct pci_msix_entry *entry = &device->state.msix[binding->vector];
	const struct pci_sink *sink = &device->host->config.sink;

	if (binding->bound && binding->address == entry->address && binding->data == entry->data)
		return;
	unbind(device, binding);
	binding->address = entry->address;
	binding->data = entry->data;
	binding->bound = sink->irqfd(sink->opaque, binding->fd, entry->address, entry->data,
				     true) == 0;
}

static void refresh_irqfd(struct pci_device *device, struct pci_irqfd_binding *binding)
{
	if (!pci_has_irqfd(device))
		return;
	if (binding->vector < device->config.msix.vectors && open_to_messages(device) &&
	    !masked(device, binding->vector))
		bind(device, binding);
	else
		unbind(device, binding);
}

void pci_irqfd_route(struct pci_device *device, unsigned int irqfd, unsigned int vector)
{
	struct pci_irqfd_binding *binding;

	g_assert(irqfd < device->irqfds->len);
	binding = binding_at(device, irqfd);
	binding->vector = vector < device->config.msix.vectors ? vector : PCI_NO_VECTOR;
	refresh_irqfd(device, binding);
}

void pci_msix_unbind(struct pci_device *device)
{
	for (unsigned int i = 0; i < device->irqfds->len; i++)
		unbind(device, binding_at(device, i));
}

void pci_msix_refresh(struct pci_device *device)
{
	if (!device->msix)
		return;
	if (!pci_msix_enabled(device))
		memset(device->state.msix_pending, 0, sizeof(device->state.msix_pending));
	if (open_to_messages(device))
		send_pending(device);
	for (unsigned int i = 0; i < device->irqfds->len; i++)
		refresh_irqfd(device, binding_at(device, i));
}

static bool has_count(int fd)
{
	struct pollfd wanted = { .fd = fd, .events = POLLIN };

	return poll(&wanted, 1, 0) == 1 && (wanted.revents & POLLIN);
}

/* A bound eventfd's count is the kernel's business: it is on its way. */
bool pci_msix_pending(const struct pci_device *device, unsigned int vector)
{
	if (device->state.msix_pending[vector / 64] & 1ull << (vector % 64))
		return true;
	for (unsigned int i = 0; i < device->irqfds->len; i++) {
		const struct pci_irqfd_binding *binding = binding_at(device, i);

		if (binding->vector == vector && !binding->bound && has_count(binding->fd))
			return true;
	}
	return false;
}

/* ------------------------------------------------------------ table and pending bits */

static bool in_table(const struct pci_device *device, uint64_t offset)
{
	return offset - device->config.msix.table_offset < table_size(device);
}

bool pci_msix_owns(const struct pci_device *device, unsigned int bar, uint64_t offset)
{
	return device->msix && bar == device->config.msix.bar &&
	       (in_table(device, offset) ||
		offset - device->config.msix.pba_offset < pba_size(device));
}

static uint64_t read_pba(const struct pci_device *device, uint64_t offset, unsigned int size)
{
	uint64_t value = 0;

	for (unsigned int bit = 0; bit < 8 * size; bit++) {
		unsigned int vector = 8 * offset + bit;

		if (vector < device->config.msix.vectors && pci_msix_pending(device, vector))
			value |= 1ull << bit;
	}
	return value;
}

/* An access that runs over the end of the table reads zeros there, and writes nothing. */
static unsigned int clip(const struct pci_device *device, uint64_t at, unsigned int size)
{
	return MIN(size, table_size(device) - at);
}

uint64_t pci_msix_read(struct pci_device *device, uint64_t offset, unsigned int size)
{
	const struct pci_msix_config *msix = &device->config.msix;
	uint64_t value = 0, at = offset - msix->table_offset;

	if (!in_table(device, offset))
		return read_pba(device, offset - msix->pba_offset, size);
	memcpy(&value, (const uint8_t *)device->state.msix + at, clip(device, at, size));
	return value;
}

void pci_msix_write(struct pci_device *device, uint64_t offset, unsigned int size, uint64_t value)
{
	uint64_t at = offset - device->config.msix.table_offset;
	unsigned int last;

	if (!in_table(device, offset))
		return;
	size = clip(device, at, size);
	memcpy((uint8_t *)device->state.msix + at, &value, size);
	last = (at + size - 1) / PCI_MSIX_ENTRY_SIZE;
	for (unsigned int i = at / PCI_MSIX_ENTRY_SIZE; i <= last; i++) {
		device->state.msix[i].address &= ADDRESS_WRITABLE;
		device->state.msix[i].control &= PCI_MSIX_ENTRY_CTRL_MASKBIT;
	}
	pci_msix_refresh(device);
}
