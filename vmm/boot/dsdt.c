// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The DSDT: S5, the processors, a PCI root, serial port and RTC.  The power button and the
 * PM timer are fixed hardware, which the FADT describes.
 */
#include "../chipset/chipset.h"
#include "../memory.h"
#include "aml.h"
#include "dsdt.h"

#define PCI_CONFIG_PORT		0xcf8
#define PCI_CONFIG_PORTS	8
#define UART_PORTS		8
#define RTC_PORTS		2	/* with more, Linux takes it for a second bank of CMOS */

static void add_s5(struct aml *aml)
{
	/* SLP_TYP for PM1a and PM1b, two reserved words. */
	const uint64_t values[] = { PM_S5_SLEEP_TYPE, PM_S5_SLEEP_TYPE, 0, 0 };

	aml_name_package(aml, "\\_S5", values, G_N_ELEMENTS(values));
}

/* _UID is what the MADT calls the ACPI processor UID. */
static void add_processors(struct aml *aml, unsigned int cpus)
{
	for (unsigned int i = 0; i < cpus; i++) {
		char name[5];

		g_snprintf(name, sizeof(name), "C%03X", i & 0xfff);
		aml_device(aml, name);
		aml_name_string(aml, "_HID", "ACPI0007");
		aml_name_integer(aml, "_UID", i);
		aml_end(aml);
	}
}

/* Bus 0 alone, with no device on it yet; the memory window is the hole below the APICs. */
static void add_pci_root(struct aml *aml)
{
	aml_device(aml, "PCI0");
	aml_name_eisa_id(aml, "_HID", "PNP0A03");
	aml_name_integer(aml, "_UID", 0);
	aml_resources(aml, "_CRS");
	aml_resource_bus_window(aml, 0, 0);
	aml_resource_ports(aml, PCI_CONFIG_PORT, PCI_CONFIG_PORTS);
	aml_resource_port_window(aml, 0, PCI_CONFIG_PORT - 1);
	aml_resource_port_window(aml, PCI_CONFIG_PORT + PCI_CONFIG_PORTS, 0xffff);
	aml_resource_memory_window(aml, MEMORY_HOLE_START, IOAPIC_BASE - 1);
	aml_end(aml);
	aml_end(aml);
}

static void add_isa_device(struct aml *aml, const char *name, const char *id, uint16_t port,
			   uint8_t ports, unsigned int irq)
{
	aml_device(aml, name);
	aml_name_eisa_id(aml, "_HID", id);
	aml_name_integer(aml, "_UID", 0);
	aml_resources(aml, "_CRS");
	aml_resource_ports(aml, port, ports);
	aml_resource_irq(aml, irq);
	aml_end(aml);
	aml_end(aml);
}

GByteArray *dsdt_build(unsigned int cpus)
{
	struct aml *aml = aml_new();

	add_s5(aml);
	aml_scope(aml, "\\_SB");
	add_processors(aml, cpus);
	add_pci_root(aml);
	add_isa_device(aml, "COM1", "PNP0501", UART0_PORT, UART_PORTS, IRQ_UART0);
	add_isa_device(aml, "RTC", "PNP0B00", RTC_PORT, RTC_PORTS, IRQ_RTC);
	aml_end(aml);
	return aml_finish(aml);
}
