// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The DSDT: S5, the processors, the PCI root (dsdt_pci.c), serial port and RTC.  The power button and the
 * PM timer are fixed hardware, which the FADT describes.
 */
#include "../chipset/chipset.h"
#include "aml.h"
#include "dsdt.h"

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

GByteArray *dsdt_build(unsigned int cpus, const struct pci_map *pci)
{
	struct aml *aml = aml_new();

	add_s5(aml);
	dsdt_add_interrupt_model(aml);
	aml_scope(aml, "\\_SB");
	add_processors(aml, cpus);
	dsdt_add_pci(aml, pci);
	add_isa_device(aml, "COM1", "PNP0501", UART0_PORT, UART_PORTS, IRQ_UART0);
	add_isa_device(aml, "RTC", "PNP0B00", RTC_PORT, RTC_PORTS, IRQ_RTC);
	aml_end(aml);
	return aml_finish(aml);
}
