/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Offsets and bits of the configuration space.  Sources: PCI Local Bus Specification 3.0
 * ("Configuration Space Organization", "Capabilities List", "MSI Capability", "MSI-X
 * Capability and Table Structures"), PCI-to-PCI Bridge Architecture Specification
 * ("Configuration Registers"), PCI Bus Power Management Interface Specification ("Power
 * Management Register Block"), PCI Express Base Specification ("PCI Express Capability
 * Structure").
 */
#ifndef MICA_VMM_PCI_REGS_H
#define MICA_VMM_PCI_REGS_H

#define PCI_VENDOR_ID		0x00
#define PCI_DEVICE_ID		0x02
#define PCI_COMMAND		0x04
#define PCI_COMMAND_IO			0x0001u
#define PCI_COMMAND_MEMORY		0x0002u
#define PCI_COMMAND_MASTER		0x0004u
#define PCI_COMMAND_PARITY		0x0040u
#define PCI_COMMAND_SERR		0x0100u
#define PCI_COMMAND_INTX_DISABLE	0x0400u
#define PCI_STATUS		0x06
#define PCI_STATUS_INTERRUPT		0x0008u
#define PCI_STATUS_CAP_LIST		0x0010u
#define PCI_REVISION_ID		0x08
#define PCI_CLASS		0x09	/* 3 bytes */
#define PCI_CACHE_LINE_SIZE	0x0c
#define PCI_HEADER_TYPE		0x0e
#define PCI_HEADER_NORMAL		0x00
#define PCI_HEADER_BRIDGE		0x01
#define PCI_BAR0		0x10
#define PCI_BAR_IO_BIT			0x1u
#define PCI_BAR_64_BITS			0x4u
#define PCI_BAR_PREFETCH_BIT		0x8u
#define PCI_SUBSYSTEM_VENDOR_ID	0x2c
#define PCI_SUBSYSTEM_ID	0x2e
#define PCI_CAPABILITY_LIST	0x34
#define PCI_INTERRUPT_LINE	0x3c
#define PCI_INTERRUPT_PIN	0x3d
#define PCI_HEADER_END		0x40

/* Header type 1. */
#define PCI_PRIMARY_BUS		0x18
#define PCI_SECONDARY_BUS	0x19
#define PCI_SUBORDINATE_BUS	0x1a
#define PCI_IO_BASE		0x1c
#define PCI_IO_LIMIT		0x1d
#define PCI_MEMORY_BASE		0x20
#define PCI_MEMORY_LIMIT	0x22
#define PCI_PREFETCH_BASE	0x24
#define PCI_PREFETCH_LIMIT	0x26
#define PCI_PREFETCH_BASE_UPPER	0x28
#define PCI_PREFETCH_LIMIT_UPPER 0x2c
#define PCI_BRIDGE_CONTROL	0x3e
#define PCI_BRIDGE_PARITY		0x0001u
#define PCI_BRIDGE_SERR			0x0002u
#define PCI_BRIDGE_BUS_RESET		0x0040u

#define PCI_CAP_ID_PM		0x01
#define PCI_CAP_ID_MSI		0x05
#define PCI_CAP_ID_VENDOR	0x09
#define PCI_CAP_ID_EXPRESS	0x10
#define PCI_CAP_ID_MSIX		0x11

/* Power management; offsets from the capability's ID, as below. */
#define PCI_PM_CAPABILITIES	2
#define PCI_PM_VERSION_3		0x0003u
#define PCI_PM_CONTROL		4
#define PCI_PM_STATE			0x0003u
#define PCI_PM_NO_SOFT_RESET		0x0008u

#define PCI_MSI_CONTROL		2
#define PCI_MSI_ENABLE			0x0001u
#define PCI_MSI_64_BITS			0x0080u
#define PCI_MSI_ADDRESS		4
#define PCI_MSI_DATA		12	/* with a 64-bit address */

#define PCI_MSIX_CONTROL	2
#define PCI_MSIX_FUNCTION_MASK		0x4000u
#define PCI_MSIX_ENABLE			0x8000u
#define PCI_MSIX_TABLE		4
#define PCI_MSIX_PBA		8
#define PCI_MSIX_ENTRY_SIZE	16u
#define PCI_MSIX_ENTRY_MASKED	1u

#endif
