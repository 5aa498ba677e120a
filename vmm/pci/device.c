// SPDX-License-Identifier: GPL-2.0-or-later
/* A function's making: header, BARs, capabilities. */
#include "internal.h"

#define CAPABILITY_HEADER	2u	/* ID and link */
#define IO_BAR_MIN		4u
#define IO_BAR_MAX		256u
#define MEM_BAR_MIN		16u
#define MEM32_BAR_MAX		(1ull << 30)
#define MEM64_BAR_MAX		(1ull << 32)

#define COMMAND_WRITABLE	(PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | \
				 PCI_COMMAND_PARITY | PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE)

static void check_bar(const struct pci_device_config *config, unsigned int bar)
{
	const struct pci_bar_config *wanted = &config->bars[bar];

	if (wanted->kind == PCI_BAR_NONE)
		return;
	g_assert(wanted->size && (wanted->size & (wanted->size - 1)) == 0);
	switch (wanted->kind) {
	case PCI_BAR_IO:
		g_assert(wanted->size >= IO_BAR_MIN && wanted->size <= IO_BAR_MAX);
		break;
	case PCI_BAR_MEM32:
		g_assert(wanted->size >= MEM_BAR_MIN && wanted->size <= MEM32_BAR_MAX);
		break;
	default:
		g_assert(wanted->size >= MEM_BAR_MIN && wanted->size <= MEM64_BAR_MAX);
		g_assert(bar + 1 < PCI_BARS && config->bars[bar + 1].kind == PCI_BAR_NONE);
	}
}

static unsigned int bar_register(unsigned int bar)
{
	return PCI_BASE_ADDRESS_0 + 4 * bar;
}

/* The bits below the size stay what they are: that is how a guest finds the size.  Of an
 * I/O BAR the upper half is zero, as on PCs, whose ports have 16 bits. */
static void add_bar(struct pci_device *device, unsigned int bar)
{
	const struct pci_bar_config *config = &device->config.bars[bar];
	unsigned int reg = bar_register(bar);
	uint64_t writable = ~(config->size - 1);

	switch (config->kind) {
	case PCI_BAR_NONE:
		return;
	case PCI_BAR_IO:
		device->state.config[reg] = PCI_BASE_ADDRESS_SPACE_IO;
		pci_put32(device->writable, reg, writable & 0xffff);
		return;
	case PCI_BAR_MEM32:
		pci_put32(device->writable, reg, writable);
		return;
	case PCI_BAR_MEM64_PREFETCH:
		device->state.config[reg] |= PCI_BASE_ADDRESS_MEM_PREFETCH;
		break;
	case PCI_BAR_MEM64:
		break;
	}
	device->state.config[reg] |= PCI_BASE_ADDRESS_MEM_TYPE_64;
	pci_put32(device->writable, reg, writable);
	pci_put32(device->writable, reg + 4, writable >> 32);
}

uint64_t pci_bar_address(const struct pci_device *device, unsigned int bar)
{
	unsigned int reg = bar_register(bar);
	uint64_t address = pci_get32(device->state.config, reg);

	if (pci_bar_is_io(device, bar))
		return address & PCI_BASE_ADDRESS_IO_MASK;
	if (pci_bar_is_64(device, bar))
		address |= (uint64_t)pci_get32(device->state.config, reg + 4) << 32;
	return address & PCI_BASE_ADDRESS_MEM_MASK;
}

void pci_bar_set_address(struct pci_device *device, unsigned int bar, uint64_t address)
{
	unsigned int reg = bar_register(bar);
	uint32_t kind = pci_get32(device->state.config, reg) & ~pci_get32(device->writable, reg);

	pci_put32(device->state.config, reg, (uint32_t)address | kind);
	if (pci_bar_is_64(device, bar))
		pci_put32(device->state.config, reg + 4, address >> 32);
}

static void init_header(struct pci_device *device, uint8_t header_type)
{
	const struct pci_device_config *config = &device->config;
	uint8_t *bytes = device->state.config;

	pci_put16(bytes, PCI_VENDOR_ID, config->vendor_id);
	pci_put16(bytes, PCI_DEVICE_ID, config->device_id);
	pci_put32(bytes, PCI_CLASS_REVISION, config->class_code << 8 | config->revision);
	bytes[PCI_HEADER_TYPE] = header_type;
	bytes[PCI_INTERRUPT_PIN] = config->intx;
	pci_put16(device->writable, PCI_COMMAND, COMMAND_WRITABLE);
	device->writable[PCI_CACHE_LINE_SIZE] = 0xff;
	device->writable[PCI_LATENCY_TIMER] = 0xff;
	device->writable[PCI_INTERRUPT_LINE] = 0xff;
	if (header_type == PCI_HEADER_TYPE_NORMAL) {
		pci_put16(bytes, PCI_SUBSYSTEM_VENDOR_ID, config->subsystem_vendor_id);
		pci_put16(bytes, PCI_SUBSYSTEM_ID, config->subsystem_id);
	}
	for (unsigned int bar = 0; bar < PCI_BARS; bar++) {
		check_bar(config, bar);
		add_bar(device, bar);
		device->bar_base[bar] = PCI_UNMAPPED;
	}
}

/* The least that "Power Management Register Block" wants: D0 and D3hot, state kept. */
void pci_add_power_management(struct pci_device *device)
{
	static const uint8_t body[] = { 0x03, 0, PCI_PM_CTRL_NO_SOFT_RESET, 0, 0, 0 };
	static const uint8_t writable[sizeof(body)] = { [2] = PCI_PM_CTRL_STATE_MASK };
	const struct pci_capability capability = {
		.id = PCI_CAP_ID_PM, .body = body, .writable = writable, .length = sizeof(body),
	};

	device->pm = pci_add_capability(device, &capability);
}

struct pci_device *pci_function_new(const struct pci_device_config *config,
				    const struct pci_device_ops *ops, void *opaque,
				    uint8_t header_type)
{
	struct pci_device *device = g_new0(struct pci_device, 1);

	device->config = *config;
	device->ops = ops;
	device->opaque = opaque;
	device->config_end = PCI_STD_HEADER_SIZEOF;
	device->last_link = PCI_CAPABILITY_LIST;
	device->irqfds = g_array_new(FALSE, FALSE, sizeof(struct pci_irqfd_binding));
	device->doorbells = g_array_new(FALSE, FALSE, sizeof(struct pci_doorbell_binding));
	init_header(device, header_type);
	return device;
}

struct pci_device *pci_device_new(const struct pci_device_config *config,
				  const struct pci_device_ops *ops, void *opaque)
{
	struct pci_device *device;

	device = pci_function_new(config, ops, opaque, PCI_HEADER_TYPE_NORMAL);
	pci_add_power_management(device);
	if (config->msix.vectors)
		pci_msix_add(device);
	return device;
}

void pci_device_free(struct pci_device *device)
{
	if (!device)
		return;
	g_assert(!device->host);
	g_array_free(device->irqfds, TRUE);
	g_array_free(device->doorbells, TRUE);
	g_free(device);
}

const char *pci_device_name(const struct pci_device *device)
{
	return device->config.name;
}

unsigned int pci_add_capability(struct pci_device *device, const struct pci_capability *capability)
{
	unsigned int at = device->config_end;
	unsigned int end = (at + CAPABILITY_HEADER + capability->length + 3) & ~3u;
	uint8_t *bytes = device->state.config;

	g_assert(!device->host && end <= PCI_CONFIG_SIZE);
	bytes[at] = capability->id;
	memcpy(bytes + at + CAPABILITY_HEADER, capability->body, capability->length);
	if (capability->writable)
		memcpy(device->writable + at + CAPABILITY_HEADER, capability->writable,
		       capability->length);
	if (capability->hooked)
		memset(device->hooked + at / 4, at, (end - at) / 4);
	bytes[PCI_STATUS] |= PCI_STATUS_CAP_LIST;
	bytes[device->last_link] = at;
	device->last_link = at + PCI_CAP_LIST_NEXT;
	device->config_end = end;
	return at;
}

uint8_t *pci_capability_bytes(struct pci_device *device, unsigned int capability)
{
	return device->state.config + capability;
}

/* A function below D0 answers configuration cycles only. */
bool pci_powered(const struct pci_device *device)
{
	return !device->pm ||
	       !(device->state.config[device->pm + PCI_PM_CTRL] & PCI_PM_CTRL_STATE_MASK);
}

bool pci_bus_master(const struct pci_device *device)
{
	return (pci_command(device) & PCI_COMMAND_MASTER) && pci_powered(device) &&
	       (!device->port || pci_bus_master(device->port->function));
}

void pci_device_reset(struct pci_device *device)
{
	memcpy(device->state.config, device->initial, sizeof(device->initial));
	pci_msix_reset(device);
	pci_msix_refresh(device);
	device->state.intx = false;
	pci_intx_refresh(device);
	if (device->ops->reset)
		device->ops->reset(device->opaque);
}

static bool bar_holds(const struct pci_device *device, unsigned int bar, uint64_t offset,
		      unsigned int size)
{
	uint64_t length;

	if (bar >= PCI_BARS || device->config.bars[bar].kind == PCI_BAR_NONE)
		return false;
	length = device->config.bars[bar].size;
	return offset < length && size <= length - offset;
}

uint64_t pci_bar_read(struct pci_device *device, unsigned int bar, uint64_t offset,
		      unsigned int size)
{
	if (!bar_holds(device, bar, offset, size))
		return pci_ones(size);
	if (pci_msix_owns(device, bar, offset))
		return pci_msix_read(device, offset, size);
	return device->ops->read(device->opaque, bar, offset, size) & pci_ones(size);
}

void pci_bar_write(struct pci_device *device, unsigned int bar, uint64_t offset,
		   unsigned int size, uint64_t value)
{
	if (!bar_holds(device, bar, offset, size))
		return;
	if (pci_msix_owns(device, bar, offset))
		pci_msix_write(device, offset, size, value);
	else
		device->ops->write(device->opaque, bar, offset, size, value & pci_ones(size));
}
