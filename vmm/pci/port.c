// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A PCI Express root port with a hot-plug slot.
 *
 * Sources: PCI-to-PCI Bridge Architecture Specification ("Configuration Registers",
 * "Address Decoding"); PCI Express Base Specification ("PCI Express Capability Structure",
 * "PCI Express Hot-Plug Support").
 */
#include "internal.h"

/* IDs that their owner, Red Hat, has set apart for root ports of virtual machines. */
#define PORT_VENDOR		0x1b36
#define PORT_DEVICE		0x000c

#define CLASS_BRIDGE_PCI	0x060400u
#define IO_WINDOW_BITS		0xf0u
#define MEMORY_WINDOW_BITS	0xfff0u
#define MSI_ADDRESS_WRITABLE	0xfffffffcu

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

/* A port has no BARs. */
static const struct pci_device_ops port_ops = { .read = no_read, .write = no_write };

static const struct pci_device_config port_config = {
	.name = "root port",
	.vendor_id = PORT_VENDOR,
	.device_id = PORT_DEVICE,
	.class_code = CLASS_BRIDGE_PCI,
	.intx = true,
};

/* ------------------------------------------------------------ registers */

static void init_bridge_header(struct pci_device *device)
{
	uint8_t *bytes = device->state.config, *writable = device->writable;

	writable[PCI_PRIMARY_BUS] = 0xff;
	writable[PCI_SECONDARY_BUS] = 0xff;
	writable[PCI_SUBORDINATE_BUS] = 0xff;
	/* Windows that are closed: their base is above their limit. */
	bytes[PCI_IO_BASE] = IO_WINDOW_BITS;
	writable[PCI_IO_BASE] = IO_WINDOW_BITS;
	writable[PCI_IO_LIMIT] = IO_WINDOW_BITS;
	pci_put16(bytes, PCI_MEMORY_BASE, MEMORY_WINDOW_BITS);
	pci_put16(writable, PCI_MEMORY_BASE, MEMORY_WINDOW_BITS);
	pci_put16(writable, PCI_MEMORY_LIMIT, MEMORY_WINDOW_BITS);
	pci_put16(bytes, PCI_PREF_MEMORY_BASE, MEMORY_WINDOW_BITS | PCI_PREF_RANGE_TYPE_64);
	pci_put16(bytes, PCI_PREF_MEMORY_LIMIT, PCI_PREF_RANGE_TYPE_64);
	pci_put16(writable, PCI_PREF_MEMORY_BASE, MEMORY_WINDOW_BITS);
	pci_put16(writable, PCI_PREF_MEMORY_LIMIT, MEMORY_WINDOW_BITS);
	pci_put32(writable, PCI_PREF_BASE_UPPER32, 0xffffffff);
	pci_put32(writable, PCI_PREF_LIMIT_UPPER32, 0xffffffff);
	pci_put16(writable, PCI_BRIDGE_CONTROL, PCI_BRIDGE_CTL_PARITY | PCI_BRIDGE_CTL_SERR |
		  PCI_BRIDGE_CTL_BUS_RESET);
}

/* One message, 64-bit address, no masking. */
static void add_msi(struct pci_device *device)
{
	static const uint8_t body[12] = { PCI_MSI_FLAGS_64BIT };
	uint8_t writable[sizeof(body)] = { PCI_MSI_FLAGS_ENABLE };
	const struct pci_capability capability = {
		.id = PCI_CAP_ID_MSI, .body = body, .writable = writable, .length = sizeof(body),
	};

	pci_put32(writable, PCI_MSI_ADDRESS_LO - 2, MSI_ADDRESS_WRITABLE);
	pci_put32(writable, PCI_MSI_ADDRESS_HI - 2, 0xffffffff);
	pci_put16(writable, PCI_MSI_DATA_64 - 2, 0xffff);
	device->msi = pci_add_capability(device, &capability);
}

void pci_port_init(struct pci_port *port, unsigned int number)
{
	struct pci_device *device;

	device = pci_function_new(&port_config, &port_ops, port, PCI_HEADER_TYPE_BRIDGE);
	init_bridge_header(device);
	pci_add_power_management(device);
	pci_express_add_port(device, number);
	add_msi(device);
	device->bridge = port;
	port->function = device;
}

static uint8_t *registers(const struct pci_port *port)
{
	return port->function->state.config;
}

static uint16_t express16(const struct pci_port *port, unsigned int reg)
{
	return pci_get16(registers(port), port->function->express + reg);
}

static void set_express16(struct pci_port *port, unsigned int reg, uint16_t value)
{
	pci_put16(registers(port), port->function->express + reg, value);
}

static bool link_is_up(const struct pci_port *port)
{
	return express16(port, PCI_EXP_LNKSTA) & PCI_EXP_LNKSTA_DLLLA;
}

static bool is_pulled(const struct pci_port *port)
{
	return port->child && port->child->state.unplug == PCI_UNPLUG_PULLED;
}

/* A card in the slot, as far as the guest is told. */
static bool is_present(const struct pci_port *port)
{
	return port->child && !is_pulled(port);
}

/* ------------------------------------------------------------ forwarding */

bool pci_port_reaches(const struct pci_port *port, unsigned int bus)
{
	return link_is_up(port) && pci_powered(port->function) &&
	       bus == registers(port)[PCI_SECONDARY_BUS];
}

/* What is being pulled answers at its BARs to the end: a driver resets it before it lets go. */
static bool is_open(const struct pci_port *port)
{
	return (link_is_up(port) || is_pulled(port)) && pci_powered(port->function);
}

static bool holds(uint64_t first, uint64_t end, uint64_t base, uint64_t last)
{
	return base >= first && last <= end;
}

static bool io_window_holds(const uint8_t *bytes, uint64_t base, uint64_t last)
{
	uint64_t first = (uint64_t)(bytes[PCI_IO_BASE] & IO_WINDOW_BITS) << 8;
	uint64_t end = (uint64_t)(bytes[PCI_IO_LIMIT] & IO_WINDOW_BITS) << 8 | 0xfff;

	return holds(first, end, base, last);
}

static uint64_t memory_window(const uint8_t *bytes, unsigned int reg)
{
	return (uint64_t)(pci_get16(bytes, reg) & MEMORY_WINDOW_BITS) << 16;
}

static bool memory_windows_hold(const uint8_t *bytes, uint64_t base, uint64_t last)
{
	uint64_t upper_base = (uint64_t)pci_get32(bytes, PCI_PREF_BASE_UPPER32) << 32;
	uint64_t upper_limit = (uint64_t)pci_get32(bytes, PCI_PREF_LIMIT_UPPER32) << 32;

	return holds(memory_window(bytes, PCI_MEMORY_BASE),
		     memory_window(bytes, PCI_MEMORY_LIMIT) | 0xfffff, base, last) ||
	       holds(upper_base | memory_window(bytes, PCI_PREF_MEMORY_BASE),
		     upper_limit | memory_window(bytes, PCI_PREF_MEMORY_LIMIT) | 0xfffff,
		     base, last);
}

bool pci_port_forwards(const struct pci_port *port, enum pci_space space, uint64_t base,
		       uint64_t last)
{
	uint16_t command = pci_command(port->function);

	if (!is_open(port))
		return false;
	if (space == PCI_SPACE_IO)
		return (command & PCI_COMMAND_IO) && io_window_holds(registers(port), base, last);
	return (command & PCI_COMMAND_MEMORY) && memory_windows_hold(registers(port), base, last);
}

void pci_port_set_bus(struct pci_port *port, uint8_t bus)
{
	registers(port)[PCI_SECONDARY_BUS] = bus;
	registers(port)[PCI_SUBORDINATE_BUS] = bus;
}

void pci_port_set_io(struct pci_port *port, uint16_t base, uint16_t last)
{
	registers(port)[PCI_IO_BASE] = base >> 8 & IO_WINDOW_BITS;
	registers(port)[PCI_IO_LIMIT] = last >> 8 & IO_WINDOW_BITS;
}

void pci_port_set_memory(struct pci_port *port, uint32_t base, uint32_t last)
{
	pci_put16(registers(port), PCI_MEMORY_BASE, base >> 16 & MEMORY_WINDOW_BITS);
	pci_put16(registers(port), PCI_MEMORY_LIMIT, last >> 16 & MEMORY_WINDOW_BITS);
}

void pci_port_set_prefetch(struct pci_port *port, uint64_t base, uint64_t last)
{
	uint8_t *bytes = registers(port);

	pci_put16(bytes, PCI_PREF_MEMORY_BASE,
		  (base >> 16 & MEMORY_WINDOW_BITS) | PCI_PREF_RANGE_TYPE_64);
	pci_put16(bytes, PCI_PREF_MEMORY_LIMIT,
		  (last >> 16 & MEMORY_WINDOW_BITS) | PCI_PREF_RANGE_TYPE_64);
	pci_put32(bytes, PCI_PREF_BASE_UPPER32, base >> 32);
	pci_put32(bytes, PCI_PREF_LIMIT_UPPER32, last >> 32);
}

/* ------------------------------------------------------------ the slot's interrupt */

/* "Software Notification of Hot-Plug Events": enables and events have the same bits, but
 * for the link's. */
static bool has_event(const struct pci_port *port)
{
	uint16_t control = express16(port, PCI_EXP_SLTCTL);
	uint16_t status = express16(port, PCI_EXP_SLTSTA);
	uint16_t same = PCI_EXP_SLTSTA_ABP | PCI_EXP_SLTSTA_PFD | PCI_EXP_SLTSTA_PDC;

	return (control & PCI_EXP_SLTCTL_HPIE) &&
	       ((control & status & same) ||
		((control & PCI_EXP_SLTCTL_DLLSCE) && (status & PCI_EXP_SLTSTA_DLLSC)));
}

static void send_msi(const struct pci_port *port)
{
	const struct pci_device *device = port->function;
	const struct pci_sink *sink = &device->host->config.sink;
	const uint8_t *msi = device->state.config + device->msi;

	if (!(pci_get16(msi, PCI_MSI_FLAGS) & PCI_MSI_FLAGS_ENABLE) || !pci_bus_master(device))
		return;
	sink->msi(sink->opaque, pci_get32(msi, PCI_MSI_ADDRESS_LO) |
		  (uint64_t)pci_get32(msi, PCI_MSI_ADDRESS_HI) << 32,
		  pci_get16(msi, PCI_MSI_DATA_64));
}

/* INTA# has the level of "some event is enabled and there"; a message tells of its rise. */
static void update_interrupt(struct pci_port *port)
{
	bool before = port->function->state.intx;
	bool now = has_event(port);

	if (before == now)
		return;
	pci_intx_set(port->function, now);
	if (now && port->function->host)
		send_msi(port);
}

/* ------------------------------------------------------------ power and link */

/* Leaves the event bits to be noticed by update_interrupt(). */
static void set_status(struct pci_port *port, uint16_t events)
{
	set_express16(port, PCI_EXP_SLTSTA, express16(port, PCI_EXP_SLTSTA) | events);
}

bool pci_port_on(const struct pci_port *port)
{
	return !(express16(port, PCI_EXP_SLTCTL) & PCI_EXP_SLTCTL_PCC);
}

static bool link_should_be_up(const struct pci_port *port)
{
	return is_present(port) && pci_port_on(port) &&
	       !(express16(port, PCI_EXP_LNKCTL) & PCI_EXP_LNKCTL_LD);
}

static void update_link(struct pci_port *port)
{
	bool up = link_should_be_up(port);
	uint16_t status = express16(port, PCI_EXP_LNKSTA);

	if (up == link_is_up(port))
		return;
	set_express16(port, PCI_EXP_LNKSTA, status ^ PCI_EXP_LNKSTA_DLLLA);
	set_status(port, PCI_EXP_SLTSTA_DLLSC);
	pci_host_remap(port->function->host);
}

static void reset_child(struct pci_port *port)
{
	if (port->child)
		pci_device_reset(port->child);
}

/* The guest turned the slot off.  If that is what we asked for, the function goes. */
static void power_off(struct pci_port *port)
{
	struct pci_device *child = port->child;

	reset_child(port);
	if (!child || !child->state.unplug)
		return;
	pci_host_detach(child->host, child);
	if (child->ops->removed)
		child->ops->removed(child->opaque);
}

static bool rose(uint32_t old, uint32_t new, uint32_t bit)
{
	return ~old & new & bit;
}

static void slot_written(struct pci_port *port, uint32_t old, uint32_t new)
{
	if (rose(old, new, PCI_EXP_SLTCTL_PCC))
		power_off(port);
	update_link(port);
	update_interrupt(port);
}

static void header_written(struct pci_port *port, unsigned int reg, uint32_t old, uint32_t new)
{
	if (reg != (PCI_BRIDGE_CONTROL & ~3) ||
	    !rose(old, new, PCI_BRIDGE_CTL_BUS_RESET << 8 * (PCI_BRIDGE_CONTROL & 3)))
		return;
	reset_child(port);
	pci_host_remap(port->function->host);
}

void pci_port_written(struct pci_port *port, unsigned int reg, uint32_t old, uint32_t new)
{
	unsigned int express = port->function->express;

	if (!port->function->host || old == new)
		return;
	if (reg < PCI_STD_HEADER_SIZEOF)
		header_written(port, reg, old, new);
	else if (reg == express + PCI_EXP_SLTCTL)
		slot_written(port, old, new);
	else if (reg == express + PCI_EXP_LNKCTL)
		pci_port_refresh(port);
	else if (reg == port->function->msi)
		pci_intx_refresh(port->function);
	/* What lets the port master the bus lets its child. */
	if (port->child)
		pci_msix_refresh(port->child);
}

bool pci_port_agrees(const struct pci_port *port)
{
	bool shown = express16(port, PCI_EXP_SLTSTA) & PCI_EXP_SLTSTA_PDS;

	return shown == is_present(port) && link_is_up(port) == link_should_be_up(port) &&
	       port->function->state.intx == has_event(port);
}

void pci_port_refresh(struct pci_port *port)
{
	uint16_t status = express16(port, PCI_EXP_SLTSTA) & ~PCI_EXP_SLTSTA_PDS;

	set_express16(port, PCI_EXP_SLTSTA, status | (is_present(port) ? PCI_EXP_SLTSTA_PDS : 0));
	update_link(port);
	update_interrupt(port);
}

/* Who inserts a card presses the button too: a kernel that has been told of a button (Linux)
 * enables no interrupt for presence.  With both it does not wait for a second press. */
static uint16_t presence_events(const struct pci_port *port, bool running)
{
	if (!running)
		return 0;
	return PCI_EXP_SLTSTA_PDC | (is_present(port) ? PCI_EXP_SLTSTA_ABP : 0);
}

void pci_port_presence(struct pci_port *port, bool running)
{
	uint16_t status = express16(port, PCI_EXP_SLTSTA) & ~PCI_EXP_SLTSTA_PDS;
	uint16_t control = express16(port, PCI_EXP_SLTCTL);

	if (is_present(port))
		status |= PCI_EXP_SLTSTA_PDS;
	set_express16(port, PCI_EXP_SLTSTA, status | presence_events(port, running));
	if (!running)
		set_express16(port, PCI_EXP_SLTCTL,
			      (control & ~(PCI_EXP_SLTCTL_PIC | PCI_EXP_SLTCTL_PCC)) |
			      PCI_EXP_SLTCTL_PWR_IND_ON | PCI_EXP_SLTCTL_PWR_ON);
	update_link(port);
	if (!running)
		set_express16(port, PCI_EXP_SLTSTA, status);
	update_interrupt(port);
}

bool pci_port_press(struct pci_port *port)
{
	if (!port->child || !pci_port_on(port))
		return false;
	set_status(port, PCI_EXP_SLTSTA_ABP);
	update_interrupt(port);
	return true;
}
