// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The host bridge: configuration cycles, and who sits in which slot.
 *
 * Sources: PCI Local Bus Specification 3.0, "Software Generation of Configuration
 * Transactions"; PCI Express Base Specification, "PCI Express Enhanced Configuration Access
 * Mechanism".
 */
#include "internal.h"

#include "../error.h"

/* IDs that their owner, Red Hat, has set apart for host bridges of virtual machines. */
#define BRIDGE_VENDOR		0x1b36
#define BRIDGE_DEVICE		0x0008
#define CLASS_BRIDGE_HOST	0x060000u

#define CONFIG_ENABLE		0x80000000u
#define CONFIG_WRITABLE		0x80fffffcu
#define CONFIG_DATA		4u	/* from PCI_CONFIG_PORT */

static uint64_t no_read(void *opaque, unsigned int bar, uint64_t offset, unsigned int size)
{
	(void)opaque;
	(void)bar;
	(void)offset;
	return pci_ones(size);
}

static void no_write(void *opaque, unsigned int bar, uint64_t offset, unsigned int size,
		     uint64_t value)
{
	(void)opaque;
	(void)bar;
	(void)offset;
	(void)size;
	(void)value;
}

static const struct pci_device_ops bridge_ops = { .read = no_read, .write = no_write };

static const struct pci_device_config bridge_config = {
	.name = "host bridge",
	.vendor_id = BRIDGE_VENDOR,
	.device_id = BRIDGE_DEVICE,
	.class_code = CLASS_BRIDGE_HOST,
};

/* ------------------------------------------------------------ configuration cycles */

/* The function that a cycle reaches.  Behind a port there is only device 0; of all devices
 * there is only function 0. */
static struct pci_device *target(struct pci_host *host, unsigned int bus, unsigned int devfn)
{
	if (devfn % 8)
		return NULL;
	if (!bus)
		return host->slots[devfn / 8];
	for (unsigned int i = 0; i < host->port_count && !devfn; i++)
		if (pci_port_reaches(&host->ports[i], bus))
			return host->ports[i].child;
	return NULL;
}

/* `at` is laid out as in the ECAM: bus 27:20, device and function 19:12, register 11:0. */
static struct pci_device *target_at(struct pci_host *host, uint32_t at)
{
	return target(host, at >> 20, at >> 12 & 0xff);
}

/* An access of any width and alignment is one cycle for each dword that it touches. */
static uint64_t read_cycles(struct pci_host *host, uint32_t at, unsigned int size)
{
	uint64_t value = 0;

	for (unsigned int done = 0, bytes; done < size; done += bytes, at += bytes) {
		struct pci_device *device = target_at(host, at);
		unsigned int byte = at % 4;
		uint32_t dword = UINT32_MAX;

		bytes = MIN(size - done, 4 - byte);
		if (device)
			dword = pci_config_read(device, at & 0xffc, ((1u << bytes) - 1) << byte);
		value |= (dword >> (8 * byte) & pci_ones(bytes)) << (8 * done);
	}
	return value;
}

static void write_cycles(struct pci_host *host, uint32_t at, unsigned int size, uint64_t value)
{
	for (unsigned int done = 0, bytes; done < size; done += bytes, at += bytes) {
		struct pci_device *device = target_at(host, at);
		unsigned int byte = at % 4;

		bytes = MIN(size - done, 4 - byte);
		if (device)
			pci_config_write(device, at & 0xffc, ((1u << bytes) - 1) << byte,
					 (uint32_t)(value >> (8 * done)) << (8 * byte));
	}
}

static uint64_t ecam_read(void *opaque, uint64_t offset, unsigned int size)
{
	return read_cycles(opaque, offset, size);
}

static void ecam_write(void *opaque, uint64_t offset, unsigned int size, uint64_t value)
{
	write_cycles(opaque, offset, size, value);
}

/* Bus 23:16, device and function 15:8, register 7:2 of the address register. */
static uint32_t config_target(const struct pci_host *host, uint64_t offset)
{
	uint32_t address = host->state.config_address;

	return (address & 0xffff00) << 4 | (address & 0xfc) | (offset - CONFIG_DATA);
}

static bool is_address(uint64_t offset, unsigned int size)
{
	return offset == 0 && size == 4;
}

static uint64_t config_read(void *opaque, uint64_t offset, unsigned int size)
{
	struct pci_host *host = opaque;
	uint64_t value;

	if (is_address(offset, size))
		return host->state.config_address;
	if (offset < CONFIG_DATA) {
		bus_read(host->config.config_ports, PCI_CONFIG_PORT + offset, size, &value);
		return value;
	}
	if (!(host->state.config_address & CONFIG_ENABLE))
		return UINT64_MAX;
	return read_cycles(host, config_target(host, offset), size);
}

static void config_write(void *opaque, uint64_t offset, unsigned int size, uint64_t value)
{
	struct pci_host *host = opaque;

	if (is_address(offset, size))
		host->state.config_address = value & CONFIG_WRITABLE;
	else if (offset < CONFIG_DATA)
		bus_write(host->config.config_ports, PCI_CONFIG_PORT + offset, size, value);
	else if (host->state.config_address & CONFIG_ENABLE)
		write_cycles(host, config_target(host, offset), size, value);
}

static const struct bus_ops ecam_ops = { .read = ecam_read, .write = ecam_write };
static const struct bus_ops config_ops = { .read = config_read, .write = config_write };

/* ------------------------------------------------------------ slots */

void pci_host_connect(struct pci_host *host, struct pci_device *device, unsigned int slot,
		      struct pci_port *port)
{
	g_assert(!device->host);
	device->host = host;
	device->slot = slot;
	device->port = port;
	memcpy(device->initial, device->state.config, sizeof(device->initial));
	if (port)
		port->child = device;
	else
		host->slots[slot] = device;
}

static unsigned int free_slot(const struct pci_host *host)
{
	unsigned int slot = 0;

	while (slot < PCI_SLOTS && host->slots[slot])
		slot++;
	return slot;
}

gboolean pci_host_attach(struct pci_host *host, struct pci_device *device, GError **error)
{
	unsigned int slot = free_slot(host);

	if (slot == PCI_SLOTS)
		return error_set(error, "%s: all %u slots of the PCI bus are taken: give the guest "
				 "fewer devices", device->config.name, PCI_SLOTS);
	pci_host_connect(host, device, slot, NULL);
	return TRUE;
}

static void plug(struct pci_host *host, struct pci_device *device, struct pci_port *port)
{
	if (!device->express)
		pci_express_add_endpoint(device);
	pci_host_connect(host, device, port->function->slot, port);
	pci_port_presence(port, host->assigned);
}

gboolean pci_host_plug(struct pci_host *host, struct pci_device *device, GError **error)
{
	unsigned int i = 0;

	while (i < host->port_count && host->ports[i].child)
		i++;
	if (i == host->port_count)
		return error_set(error, "%s: none of the guest's %u hot-plug slots is free: detach "
				 "a device first", device->config.name, host->port_count);
	plug(host, device, &host->ports[i]);
	return TRUE;
}

gboolean pci_host_plug_at(struct pci_host *host, struct pci_device *device, unsigned int slot,
			  GError **error)
{
	struct pci_device *function = pci_host_function(host, slot, false);

	if (!function || !function->bridge)
		return error_set(error, "%s: slot %u of the PCI bus has no hot-plug slot behind it",
				 device->config.name, slot);
	if (function->bridge->child)
		return error_set(error, "%s: the hot-plug slot %u has %s in it", device->config.name,
				 slot, function->bridge->child->config.name);
	plug(host, device, function->bridge);
	return TRUE;
}

gboolean pci_host_unplug(struct pci_host *host, struct pci_device *device, GError **error)
{
	(void)host;
	if (!device->port)
		return error_set(error, "%s is on the guest's main PCI bus and cannot be detached",
				 device->config.name);
	if (device->state.unplug == PCI_UNPLUG_PULLED)
		return error_set(error, "%s is being taken out of the guest already",
				 device->config.name);
	if (!pci_port_press(device->port))
		return error_set(error, "%s: the guest has not turned the device's slot on: wait "
				 "until it has found the device", device->config.name);
	device->state.unplug = PCI_UNPLUG_ASKED;
	return TRUE;
}

void pci_host_pull(struct pci_device *device)
{
	g_assert(device->port && device->host);
	device->state.unplug = PCI_UNPLUG_PULLED;
	pci_port_presence(device->port, true);
}

bool pci_host_slot_on(const struct pci_device *device)
{
	return !device->port || pci_port_on(device->port);
}

void pci_host_detach(struct pci_host *host, struct pci_device *device)
{
	struct pci_port *port = device->port;

	g_assert(device->host == host);
	pci_msix_unbind(device);
	pci_doorbells_unbind(device);
	device->state.intx = false;
	pci_intx_refresh(device);
	if (port)
		port->child = NULL;
	else
		host->slots[device->slot] = NULL;
	device->host = NULL;
	device->port = NULL;
	device->state.unplug = 0;
	pci_host_remap(host);
	if (port)
		pci_port_presence(port, true);
}

struct pci_device *pci_host_function(const struct pci_host *host, unsigned int slot, bool behind)
{
	struct pci_device *device = slot < PCI_SLOTS ? host->slots[slot] : NULL;

	if (!behind || !device)
		return device;
	return device->bridge ? device->bridge->child : NULL;
}

unsigned int pci_device_place(const struct pci_device *device)
{
	return device->slot + (device->port ? PCI_SLOTS : 0);
}

struct pci_device *pci_host_at(const struct pci_host *host, unsigned int place)
{
	return pci_host_function(host, place % PCI_SLOTS, place >= PCI_SLOTS);
}

char *pci_device_where(const struct pci_device *device)
{
	unsigned int bus = 0, slot = device->slot;

	if (device->port) {
		bus = device->port->function->state.config[PCI_SECONDARY_BUS];
		slot = 0;
	}
	return g_strdup_printf("%02x:%02x.0", bus, slot);
}

struct pci_map pci_host_map(const struct pci_host *host)
{
	struct pci_map map = host->config.map;

	map.slots = 0;
	for (unsigned int slot = 0; slot < PCI_SLOTS; slot++)
		if (host->slots[slot] && host->slots[slot]->config.intx)
			map.slots |= 1u << slot;
	return map;
}

/* ------------------------------------------------------------ making one */

static void claim(struct bus *bus, const char *name, uint64_t base, uint64_t size,
		  const struct bus_ops *ops, struct pci_host *host)
{
	int error = bus_add(bus, name, base, size, ops, host);

	g_assert_cmpint(error, ==, 0);
}

static void claim_ranges(struct pci_host *host)
{
	const struct pci_host_config *config = &host->config;

	claim(config->ports, "pci config", PCI_CONFIG_PORT, PCI_CONFIG_PORTS, &config_ops, host);
	claim(config->mmio, "pci ecam", PCI_ECAM, config->map.buses * PCI_ECAM_BUS_SIZE,
	      &ecam_ops, host);
	pci_window_claim(&host->io_window, config->ports, "pci io", PCI_WINDOW_IO,
			 PCI_WINDOW_IO_END - PCI_WINDOW_IO + 1, &host->io);
	pci_window_claim(&host->memory_window, config->mmio, "pci memory", PCI_WINDOW_MEM,
			 PCI_WINDOW_MEM_END - PCI_WINDOW_MEM + 1, &host->memory);
	if (config->map.mem64_size)
		pci_window_claim(&host->memory64_window, config->mmio, "pci memory 64",
				 config->map.mem64, config->map.mem64_size, &host->memory);
}

struct pci_host *pci_host_new(const struct pci_host_config *config)
{
	struct pci_host *host = g_new0(struct pci_host, 1);

	g_assert(config->map.buses >= 1 && config->map.buses <= 1 + PCI_PORTS_MAX);
	host->config = *config;
	host->bridge = pci_function_new(&bridge_config, &bridge_ops, NULL, PCI_HEADER_TYPE_NORMAL);
	pci_host_connect(host, host->bridge, 0, NULL);
	for (unsigned int i = 0; i + 1 < config->map.buses; i++) {
		pci_port_init(&host->ports[i], i + 1);
		pci_host_connect(host, host->ports[i].function, free_slot(host), NULL);
		host->port_count++;
	}
	claim_ranges(host);
	return host;
}

static void free_function(struct pci_host *host, struct pci_device *device)
{
	pci_host_detach(host, device);
	pci_device_free(device);
}

void pci_host_free(struct pci_host *host)
{
	if (!host)
		return;
	for (unsigned int i = 0; i < host->port_count; i++) {
		g_assert(!host->ports[i].child);
		free_function(host, host->ports[i].function);
	}
	free_function(host, host->bridge);
	for (unsigned int slot = 0; slot < PCI_SLOTS; slot++)
		g_assert(!host->slots[slot]);
	g_free(host);
}
