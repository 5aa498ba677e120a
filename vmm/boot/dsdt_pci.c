// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * PCI in the DSDT: the root bridge with its windows, which interrupt a function's INTA# is,
 * and what a kernel may take over.
 *
 * Sources: PCI Firmware Specification ("_OSC for PCI Host Bridge Devices", "MCFG Table
 * Description"); ACPI 6.3 ("_PRT (PCI Routing Table)", "_PIC Method").
 */
#include "dsdt.h"

#define ADDRESS_ALL_FUNCTIONS	0xffffu
#define INTA			0u	/* the _PRT's name of the pin */

/* "Interpretation of _OSC Support Field", "... Control Field". */
#define OSC_REVISION		1u
#define OSC_FAILED_UUID		(1u << 2)
#define OSC_FAILED_REVISION	(1u << 3)
#define OSC_MASKED		(1u << 4)
#define OSC_NATIVE_HOT_PLUG	(1u << 0)
#define OSC_EXPRESS_CAPABILITY	(1u << 4)
#define OSC_GRANTED		(OSC_NATIVE_HOT_PLUG | OSC_EXPRESS_CAPABILITY)

/* 33db4d5b-1ff7-401c-9657-7441c03dd766, as ToUUID() stores it. */
static const uint8_t osc_uuid[16] = {
	0x5b, 0x4d, 0xdb, 0x33, 0xf7, 0x1f, 0x1c, 0x40,
	0x96, 0x57, 0x74, 0x41, 0xc0, 0x3d, 0xd7, 0x66,
};

void dsdt_add_interrupt_model(struct aml *aml)
{
	aml_name_integer(aml, "\\PICM", 0);
	aml_method(aml, "\\_PIC", 1);
	aml_op(aml, AML_STORE);
	aml_argument(aml, 0);
	aml_reference(aml, "\\PICM");
	aml_end(aml);
}

static void add_windows(struct aml *aml, const struct pci_map *pci)
{
	aml_resources(aml, "_CRS");
	aml_resource_bus_window(aml, 0, pci->buses - 1);
	aml_resource_ports(aml, PCI_CONFIG_PORT, PCI_CONFIG_PORTS);
	aml_resource_port_window(aml, PCI_WINDOW_IO, PCI_WINDOW_IO_END);
	aml_resource_memory_window(aml, PCI_WINDOW_MEM, PCI_WINDOW_MEM_END);
	if (pci->mem64_size)
		aml_resource_memory64_window(aml, pci->mem64, pci->mem64 + (pci->mem64_size - 1));
	aml_end(aml);
}

/* Functions have no other pin than INTA#.  What is behind a port has the port's. */
static void add_routes(struct aml *aml, const char *name, const struct pci_map *pci,
		       unsigned int (*interrupt)(unsigned int line))
{
	aml_package(aml, name);
	for (unsigned int slot = 0; slot < PCI_SLOTS; slot++) {
		const uint64_t route[] = {
			slot << 16 | ADDRESS_ALL_FUNCTIONS, INTA, 0,
			interrupt(pci_intx_line(slot, INTA)),
		};

		if (pci->slots & 1u << slot)
			aml_element_package(aml, route, G_N_ELEMENTS(route));
	}
	aml_end(aml);
}

static unsigned int ioapic_interrupt(unsigned int line)
{
	return PCI_INTX_GSI + line;
}

static void add_routing(struct aml *aml, const struct pci_map *pci)
{
	add_routes(aml, "PRTP", pci, pci_intx_pic_irq);
	add_routes(aml, "PRTA", pci, ioapic_interrupt);
	aml_method(aml, "_PRT", 0);
	aml_if(aml);
	aml_reference(aml, "\\PICM");
	aml_op(aml, AML_RETURN);
	aml_reference(aml, "PRTA");
	aml_end(aml);
	aml_op(aml, AML_RETURN);
	aml_reference(aml, "PRTP");
	aml_end(aml);
}

static void add_field(struct aml *aml, unsigned int dword, const char *name)
{
	aml_op(aml, AML_CREATE_DWORD_FIELD);
	aml_argument(aml, 3);
	aml_integer(aml, 4 * dword);
	aml_reference(aml, name);
}

static void set_status(struct aml *aml, const char *field, uint32_t bit)
{
	aml_op(aml, AML_OR);
	aml_reference(aml, field);
	aml_integer(aml, bit);
	aml_reference(aml, field);
}

/* CTRL &= OSC_GRANTED; say so if that took something away. */
static void grant_control(struct aml *aml)
{
	aml_op(aml, AML_STORE);
	aml_reference(aml, "CTRL");
	aml_local(aml, 0);
	aml_op(aml, AML_AND);
	aml_local(aml, 0);
	aml_integer(aml, OSC_GRANTED);
	aml_reference(aml, "CTRL");
	aml_if(aml);
	aml_op(aml, AML_NOT);
	aml_op(aml, AML_EQUAL);
	aml_local(aml, 0);
	aml_reference(aml, "CTRL");
	set_status(aml, "STAT", OSC_MASKED);
	aml_end(aml);
}

static void return_capabilities(struct aml *aml)
{
	aml_op(aml, AML_RETURN);
	aml_argument(aml, 3);
}

/* Arguments: UUID, revision, number of dwords, the dwords: status, support, control. */
static void add_osc(struct aml *aml)
{
	aml_method(aml, "_OSC", 4);
	add_field(aml, 0, "STAT");
	aml_if(aml);
	aml_op(aml, AML_EQUAL);
	aml_argument(aml, 0);
	aml_buffer(aml, osc_uuid, sizeof(osc_uuid));
	add_field(aml, 2, "CTRL");
	grant_control(aml);
	aml_if(aml);
	aml_op(aml, AML_NOT);
	aml_op(aml, AML_EQUAL);
	aml_argument(aml, 1);
	aml_integer(aml, OSC_REVISION);
	set_status(aml, "STAT", OSC_FAILED_REVISION);
	aml_end(aml);
	return_capabilities(aml);
	aml_end(aml);
	set_status(aml, "STAT", OSC_FAILED_UUID);
	return_capabilities(aml);
	aml_end(aml);
}

/* The ECAM belongs to the board: the MCFG's areas must be reserved so. */
static void add_board(struct aml *aml)
{
	aml_device(aml, "MBRD");
	aml_name_eisa_id(aml, "_HID", "PNP0C02");
	aml_name_integer(aml, "_UID", 0);
	aml_resources(aml, "_CRS");
	aml_resource_fixed_memory(aml, PCI_ECAM, PCI_ECAM_SIZE);
	aml_end(aml);
	aml_end(aml);
}

void dsdt_add_pci(struct aml *aml, const struct pci_map *pci)
{
	aml_device(aml, "PCI0");
	aml_name_eisa_id(aml, "_HID", "PNP0A08");
	aml_name_eisa_id(aml, "_CID", "PNP0A03");
	aml_name_integer(aml, "_UID", 0);
	add_windows(aml, pci);
	add_routing(aml, pci);
	add_osc(aml);
	aml_end(aml);
	add_board(aml);
}
