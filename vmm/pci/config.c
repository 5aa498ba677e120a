// SPDX-License-Identifier: GPL-2.0-or-later
/* Configuration cycles of one function: masks first, then what the change means. */
#include "internal.h"

/* Enables 0..15 as a mask of bits. */
static uint32_t enabled_bits(unsigned int enables)
{
	uint32_t bits = 0;

	for (unsigned int byte = 0; byte < 4; byte++)
		if (enables & 1u << byte)
			bits |= 0xffu << (8 * byte);
	return bits;
}

/* "Interrupt Status" is the only register that nobody writes and that changes. */
static uint32_t volatile_bits(const struct pci_device *device, unsigned int reg)
{
	if (reg == PCI_COMMAND && device->state.intx)
		return PCI_STATUS_INTERRUPT << 16;
	return 0;
}

uint32_t pci_config_read(struct pci_device *device, unsigned int reg, unsigned int enables)
{
	unsigned int hook;

	if (reg >= PCI_CONFIG_SIZE)
		return 0;
	hook = device->hooked[reg / 4];
	if (hook)
		device->ops->capability_read(device->opaque, hook, reg - hook, enables);
	return pci_get32(device->state.config, reg) | volatile_bits(device, reg);
}

/* Does a change of this dword matter to decoding, interrupts or power? */
static bool matters(const struct pci_device *device, unsigned int reg)
{
	return reg < PCI_STD_HEADER_SIZEOF ||
	       (device->pm && reg == device->pm + PCI_PM_CTRL) ||
	       (device->msix && reg == device->msix);
}

static void apply(struct pci_device *device)
{
	if (device->host)
		pci_host_remap(device->host);
	pci_msix_refresh(device);
	pci_intx_refresh(device);
}

/* What the function itself wants to know. */
static void tell(struct pci_device *device, unsigned int reg, uint32_t old, uint32_t new)
{
	const struct pci_device_ops *ops = device->ops;

	if (reg == PCI_COMMAND && (old & ~new & PCI_COMMAND_MASTER) && ops->master_off)
		ops->master_off(device->opaque);
	if (device->msix && reg == device->msix && ops->msix_enabled &&
	    ((old ^ new) >> 16 & PCI_MSIX_FLAGS_ENABLE))
		ops->msix_enabled(device->opaque, pci_msix_enabled(device));
}

void pci_config_write(struct pci_device *device, unsigned int reg, unsigned int enables,
		      uint32_t value)
{
	uint32_t bits = enabled_bits(enables);
	uint32_t old, new, writable, clearable;

	if (reg >= PCI_CONFIG_SIZE)
		return;
	old = pci_get32(device->state.config, reg);
	writable = pci_get32(device->writable, reg) & bits;
	clearable = pci_get32(device->clearable, reg) & bits;
	new = ((old & ~writable) | (value & writable)) & ~(value & clearable);
	pci_put32(device->state.config, reg, new);
	if (device->hooked[reg / 4])
		device->ops->capability_written(device->opaque, device->hooked[reg / 4],
						reg - device->hooked[reg / 4], enables);
	if (old != new && matters(device, reg)) {
		apply(device);
		tell(device, reg, old, new);
	}
	if (device->bridge)
		pci_port_written(device->bridge, reg, old, new);
}
