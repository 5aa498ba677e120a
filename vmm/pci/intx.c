// SPDX-License-Identifier: GPL-2.0-or-later
/* Interrupt pins: level-triggered, shared.  Only INTA# is used. */
#include "internal.h"

/* Behind a port the slot is the port's, and device 0 of its bus, so INTA# stays INTA#
 * (PCI-to-PCI Bridge Architecture Specification, "Interrupt Routing"). */
static void drive(struct pci_device *device, bool level)
{
	struct pci_host *host = device->host;
	unsigned int line = pci_intx_line(device->slot, 0);

	if (device->intx_line == level)
		return;
	device->intx_line = level;
	host->intx[line] += level ? 1 : -1;
	irq_set(&host->config.sink.intx[line], host->intx[line] > 0);
}

static bool msi_enabled(const struct pci_device *device)
{
	return device->msi &&
	       (device->state.config[device->msi + PCI_MSI_FLAGS] & PCI_MSI_FLAGS_ENABLE);
}

void pci_intx_refresh(struct pci_device *device)
{
	if (!device->host)
		return;
	drive(device, device->state.intx && device->config.intx && pci_powered(device) &&
	      !(pci_command(device) & PCI_COMMAND_INTX_DISABLE) &&
	      !pci_msix_enabled(device) && !msi_enabled(device));
}

void pci_intx_set(struct pci_device *device, bool level)
{
	device->state.intx = level;
	pci_intx_refresh(device);
}
