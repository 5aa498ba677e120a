// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The tables of the Intel MultiProcessor Specification 1.4 ("MP Configuration Table"), for
 * kernels that know no ACPI: processors, buses, IOAPIC, and where interrupts go.
 */
#include <string.h>

#include "../chipset/chipset.h"
#include "lowmem.h"
#include "mptable.h"

#define SPEC_REVISION		4u	/* 1.4 */
#define PARAGRAPH		16u

struct __attribute__((packed)) floating_pointer {
	char signature[4];
	uint32_t table;
	uint8_t length;			/* in paragraphs */
	uint8_t revision;
	uint8_t checksum;
	uint8_t features[5];		/* all zero: a table, and virtual wire mode */
};

struct __attribute__((packed)) header {
	char signature[4];
	uint16_t length;
	uint8_t revision;
	uint8_t checksum;
	char oem_id[8];
	char product_id[12];
	uint32_t oem_table;
	uint16_t oem_table_size;
	uint16_t entries;
	uint32_t lapic;
	uint16_t extended_length;
	uint8_t extended_checksum;
	uint8_t reserved;
};

struct __attribute__((packed)) processor {
	uint8_t type;
	uint8_t apic_id;
	uint8_t apic_version;
	uint8_t flags;
	uint32_t signature;
	uint32_t features;
	uint32_t reserved[2];
};
#define ENTRY_PROCESSOR		0u
#define APIC_VERSION		0x14u	/* any xAPIC; the register has the true one */
#define PROCESSOR_ENABLED	1u
#define PROCESSOR_BOOT		2u
#define SIGNATURE		0x600u	/* family 6: CPUID has the true one */
#define FEATURES		0x201u	/* FPU, APIC */

struct __attribute__((packed)) bus {
	uint8_t type;
	uint8_t id;
	char name[6];
};
#define ENTRY_BUS		1u
#define BUS_PCI			0u	/* the ID of a PCI bus is its number */
#define BUS_ISA			PCI_BUSES_MAX

struct __attribute__((packed)) ioapic {
	uint8_t type;
	uint8_t id;
	uint8_t version;
	uint8_t flags;
	uint32_t address;
};
#define ENTRY_IOAPIC		2u
#define IOAPIC_VERSION		0x20u
#define IOAPIC_ENABLED		1u

struct __attribute__((packed)) interrupt {
	uint8_t type;
	uint8_t kind;
	uint16_t flags;
	uint8_t bus;
	uint8_t source;
	uint8_t to;
	uint8_t pin;
};
#define ENTRY_INTERRUPT		3u
#define ENTRY_LOCAL_INTERRUPT	4u
#define KIND_INT		0u
#define KIND_NMI		1u
#define KIND_EXTINT		3u
#define FLAGS_BUS		0u	/* polarity and trigger of the bus */
#define FLAGS_HIGH_LEVEL	0x0du
#define FLAGS_LOW_LEVEL		0x0fu
#define ALL_APICS		0xffu

#define ISA_IRQS		16u
#define PIT_PIN			2u

/* The IOAPIC's ID, as its register has it after reset.  It is only a name: messages do not
 * carry it, and the register takes another if a kernel wants them all different. */
#define IOAPIC_ID		0u

G_STATIC_ASSERT(sizeof(struct floating_pointer) == PARAGRAPH);
G_STATIC_ASSERT(sizeof(struct header) == 44);
G_STATIC_ASSERT(sizeof(struct processor) == 20);
G_STATIC_ASSERT(sizeof(struct bus) == 8);
G_STATIC_ASSERT(sizeof(struct ioapic) == 8);
G_STATIC_ASSERT(sizeof(struct interrupt) == 8);

struct table {
	GByteArray *bytes;
	unsigned int entries;
};

static void add(struct table *table, const void *entry, size_t size)
{
	g_byte_array_append(table->bytes, entry, size);
	table->entries++;
}

static uint8_t checksum(const void *data, size_t length)
{
	const uint8_t *bytes = data;
	uint8_t sum = 0;

	for (size_t i = 0; i < length; i++)
		sum += bytes[i];
	return -sum;
}

static void add_processors(struct table *table, const struct cpu_topology *topology)
{
	for (unsigned int i = 0; i < cpu_topology_cpus(topology); i++) {
		const struct processor processor = {
			.type = ENTRY_PROCESSOR,
			.apic_id = cpu_topology_apic_id(topology, i),
			.apic_version = APIC_VERSION,
			.flags = PROCESSOR_ENABLED | (i == 0 ? PROCESSOR_BOOT : 0),
			.signature = SIGNATURE,
			.features = FEATURES,
		};

		add(table, &processor, sizeof(processor));
	}
}

static void add_bus(struct table *table, uint8_t id, const char *name)
{
	struct bus bus = { .type = ENTRY_BUS, .id = id };

	memcpy(bus.name, name, sizeof(bus.name));
	add(table, &bus, sizeof(bus));
}

static void add_ioapic(struct table *table)
{
	const struct ioapic ioapic = {
		.type = ENTRY_IOAPIC, .id = IOAPIC_ID, .version = IOAPIC_VERSION,
		.flags = IOAPIC_ENABLED, .address = IOAPIC_BASE,
	};

	add(table, &ioapic, sizeof(ioapic));
}

static void add_interrupt(struct table *table, uint8_t bus, uint8_t source, uint16_t flags,
			  uint8_t pin)
{
	const struct interrupt interrupt = {
		.type = ENTRY_INTERRUPT, .kind = KIND_INT, .flags = flags, .bus = bus,
		.source = source, .to = IOAPIC_ID, .pin = pin,
	};

	add(table, &interrupt, sizeof(interrupt));
}

static void add_isa_interrupts(struct table *table)
{
	for (unsigned int irq = 0; irq < ISA_IRQS; irq++)
		if (irq != IRQ_CASCADE)
			add_interrupt(table, BUS_ISA, irq,
				      irq == IRQ_SCI ? FLAGS_HIGH_LEVEL : FLAGS_BUS,
				      irq == IRQ_PIT ? PIT_PIN : irq);
}

/* The source of a PCI interrupt: device number 6:2, pin 1:0. */
static void add_pci_interrupts(struct table *table, const struct pci_map *pci)
{
	for (unsigned int slot = 0; slot < PCI_SLOTS; slot++)
		if (pci->slots & 1u << slot)
			add_interrupt(table, BUS_PCI, slot << 2, FLAGS_LOW_LEVEL,
				      PCI_INTX_GSI + pci_intx_line(slot, 0));
}

static void add_local_interrupt(struct table *table, uint8_t kind, uint8_t to, uint8_t pin)
{
	const struct interrupt interrupt = {
		.type = ENTRY_LOCAL_INTERRUPT, .kind = kind, .flags = FLAGS_BUS, .bus = BUS_ISA,
		.to = to, .pin = pin,
	};

	add(table, &interrupt, sizeof(interrupt));
}

static void write_header(struct table *table)
{
	struct header header = {
		.signature = { 'P', 'C', 'M', 'P' },
		.length = table->bytes->len,
		.revision = SPEC_REVISION,
		.oem_id = { 'M', 'I', 'C', 'A', ' ', ' ', ' ', ' ' },
		.product_id = { 'M', 'I', 'C', 'A', 'V', 'M', ' ', ' ', ' ', ' ', ' ', ' ' },
		.entries = table->entries,
		.lapic = LAPIC_BASE,
	};

	memcpy(table->bytes->data, &header, sizeof(header));
	header.checksum = checksum(table->bytes->data, table->bytes->len);
	memcpy(table->bytes->data, &header, sizeof(header));
}

/* The entries' order is the specification's: by type. */
static void fill(struct table *table, const struct cpu_topology *topology,
		 const struct pci_map *pci)
{
	add_processors(table, topology);
	add_bus(table, BUS_PCI, "PCI   ");
	add_bus(table, BUS_ISA, "ISA   ");
	add_ioapic(table);
	add_isa_interrupts(table);
	add_pci_interrupts(table, pci);
	add_local_interrupt(table, KIND_EXTINT, 0, 0);
	add_local_interrupt(table, KIND_NMI, ALL_APICS, 1);
}

void mptable_build(struct guest_memory *memory, const struct cpu_topology *topology,
		   const struct pci_map *pci)
{
	struct floating_pointer pointer = {
		.signature = { '_', 'M', 'P', '_' },
		.table = BOOT_MP_ADDRESS + sizeof(pointer),
		.length = sizeof(pointer) / PARAGRAPH,
		.revision = SPEC_REVISION,
	};
	struct table table = { .bytes = g_byte_array_new() };

	g_byte_array_set_size(table.bytes, sizeof(struct header));
	memset(table.bytes->data, 0, sizeof(struct header));
	fill(&table, topology, pci);
	write_header(&table);
	g_assert(sizeof(pointer) + table.bytes->len <= BOOT_MP_END - BOOT_MP_ADDRESS);
	pointer.checksum = checksum(&pointer, sizeof(pointer));
	boot_write(memory, BOOT_MP_ADDRESS, &pointer, sizeof(pointer));
	boot_write(memory, pointer.table, table.bytes->data, table.bytes->len);
	g_byte_array_unref(table.bytes);
}
