// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The ACPI tables: ACPI 6.3, "ACPI Software Programming Model".  One area below 1 MiB holds
 * all of them; the RSDP is its first structure, where it is found by scanning too.
 */
#include <string.h>

#include "../chipset/chipset.h"
#include "boot.h"
#include "dsdt.h"
#include "lowmem.h"

#define AREA_SIZE		(BOOT_ACPI_END - BOOT_ACPI_ADDRESS)
#define ROOTS_SIZE		256u	/* RSDP, RSDT and XSDT, before the other tables */
#define TABLE_ALIGN		64u	/* the FACS needs it, the others may have it */

#define OEM_ID			"MICA  "
#define OEM_TABLE_ID		"MICAVM  "
#define CREATOR_ID		"MICA"

struct __attribute__((packed)) table_header {
	char signature[4];
	uint32_t length;
	uint8_t revision;
	uint8_t checksum;
	char oem_id[6];
	char oem_table_id[8];
	uint32_t oem_revision;
	char creator_id[4];
	uint32_t creator_revision;
};

struct __attribute__((packed)) rsdp {
	char signature[8];
	uint8_t checksum;		/* of the first RSDP_V1_SIZE bytes */
	char oem_id[6];
	uint8_t revision;
	uint32_t rsdt;
	uint32_t length;
	uint64_t xsdt;
	uint8_t extended_checksum;
	uint8_t reserved[3];
};
#define RSDP_V1_SIZE		20u

struct __attribute__((packed)) generic_address {
	uint8_t space;
	uint8_t bit_width;
	uint8_t bit_offset;
	uint8_t access_size;		/* 1: byte, 2: word, 3: dword */
	uint64_t address;
};
#define SPACE_IO		1u

struct __attribute__((packed)) fadt {
	struct table_header header;
	uint32_t firmware_ctrl;
	uint32_t dsdt;
	uint8_t reserved0;
	uint8_t preferred_pm_profile;
	uint16_t sci_int;
	uint32_t smi_cmd;
	uint8_t acpi_enable;
	uint8_t acpi_disable;
	uint8_t s4bios_req;
	uint8_t pstate_cnt;
	uint32_t pm1a_evt_blk;
	uint32_t pm1b_evt_blk;
	uint32_t pm1a_cnt_blk;
	uint32_t pm1b_cnt_blk;
	uint32_t pm2_cnt_blk;
	uint32_t pm_tmr_blk;
	uint32_t gpe0_blk;
	uint32_t gpe1_blk;
	uint8_t pm1_evt_len;
	uint8_t pm1_cnt_len;
	uint8_t pm2_cnt_len;
	uint8_t pm_tmr_len;
	uint8_t gpe0_blk_len;
	uint8_t gpe1_blk_len;
	uint8_t gpe1_base;
	uint8_t cst_cnt;
	uint16_t p_lvl2_lat;
	uint16_t p_lvl3_lat;
	uint16_t flush_size;
	uint16_t flush_stride;
	uint8_t duty_offset;
	uint8_t duty_width;
	uint8_t day_alarm;
	uint8_t month_alarm;
	uint8_t century;
	uint16_t iapc_boot_arch;
	uint8_t reserved1;
	uint32_t flags;
	struct generic_address reset_reg;
	uint8_t reset_value;
	uint16_t arm_boot_arch;
	uint8_t minor_version;
	uint64_t x_firmware_ctrl;
	uint64_t x_dsdt;
	struct generic_address x_pm1a_evt_blk;
	struct generic_address x_pm1b_evt_blk;
	struct generic_address x_pm1a_cnt_blk;
	struct generic_address x_pm1b_cnt_blk;
	struct generic_address x_pm2_cnt_blk;
	struct generic_address x_pm_tmr_blk;
	struct generic_address x_gpe0_blk;
	struct generic_address x_gpe1_blk;
	struct generic_address sleep_control_reg;
	struct generic_address sleep_status_reg;
	char hypervisor_vendor[8];
};

#define FADT_REVISION		6u
#define FADT_MINOR		3u
#define PM1_EVT_LENGTH		4u
#define PM1_CNT_OFFSET		4u
#define PM1_CNT_LENGTH		2u
#define PM_TMR_OFFSET		8u
#define PM_TMR_LENGTH		4u
#define NO_C2_LATENCY		101u	/* microseconds: more than 100 means no C2 */
#define NO_C3_LATENCY		1001u
#define CMOS_CENTURY		0x32u
#define RESET_VALUE		6u	/* full reset through RESET_PORT */

/* "Fixed ACPI Description Table Fixed Feature Flags". */
#define FADT_WBINVD		(1u << 0)
#define FADT_PROC_C1		(1u << 2)
#define FADT_SLP_BUTTON		(1u << 5)	/* no fixed sleep button; bit 4 clear: power button */
#define FADT_FIX_RTC		(1u << 6)	/* the RTC's wake status is not in PM1_STS */
#define FADT_TMR_VAL_EXT	(1u << 8)
#define FADT_RESET_REG_SUP	(1u << 10)
#define FADT_HEADLESS		(1u << 12)

/* "IA-PC Boot Architecture Flags"; bit 1 clear: no 8042, bit 5 clear: there is a CMOS RTC. */
#define BOOT_LEGACY_DEVICES	(1u << 0)
#define BOOT_VGA_NOT_PRESENT	(1u << 2)

struct __attribute__((packed)) facs {
	char signature[4];
	uint32_t length;
	uint32_t hardware_signature;
	uint32_t waking_vector;
	uint32_t global_lock;
	uint32_t flags;
	uint64_t x_waking_vector;
	uint8_t version;
	uint8_t reserved[31];
};
#define FACS_VERSION		2u

struct __attribute__((packed)) madt {
	struct table_header header;
	uint32_t lapic_address;
	uint32_t flags;
};
#define MADT_REVISION		5u
#define MADT_PCAT_COMPAT	1u	/* there is a pair of 8259s too */

struct __attribute__((packed)) madt_lapic {
	uint8_t type;
	uint8_t length;
	uint8_t processor_uid;
	uint8_t apic_id;
	uint32_t flags;
};
#define MADT_LAPIC		0u
#define LAPIC_ENABLED		1u

struct __attribute__((packed)) madt_ioapic {
	uint8_t type;
	uint8_t length;
	uint8_t id;
	uint8_t reserved;
	uint32_t address;
	uint32_t gsi_base;
};
#define MADT_IOAPIC		1u
#define IOAPIC_ID		0u	/* as the chip's ID register reads after reset */

struct __attribute__((packed)) madt_override {
	uint8_t type;
	uint8_t length;
	uint8_t bus;
	uint8_t source;
	uint32_t gsi;
	uint16_t flags;
};
#define MADT_OVERRIDE		2u
#define PIT_GSI			2u
#define INTI_BUS_DEFAULT	0u
#define INTI_ACTIVE_HIGH	(1u << 0)
#define INTI_LEVEL		(3u << 2)

struct __attribute__((packed)) madt_lapic_nmi {
	uint8_t type;
	uint8_t length;
	uint8_t processor_uid;
	uint16_t flags;
	uint8_t lint;
};
#define MADT_LAPIC_NMI		4u
#define ALL_PROCESSORS		0xffu

/* PCI Firmware Specification, "MCFG Table Description", with one segment. */
struct __attribute__((packed)) mcfg {
	struct table_header header;
	uint8_t reserved0[8];
	uint64_t address;
	uint16_t segment;
	uint8_t first_bus;
	uint8_t last_bus;
	uint8_t reserved1[4];
};
#define MCFG_REVISION		1u

G_STATIC_ASSERT(sizeof(struct table_header) == 36);
G_STATIC_ASSERT(sizeof(struct rsdp) == 36);
G_STATIC_ASSERT(sizeof(struct fadt) == 276);
G_STATIC_ASSERT(sizeof(struct facs) == 64);
G_STATIC_ASSERT(sizeof(struct madt) == 44);
G_STATIC_ASSERT(sizeof(struct mcfg) == 60);
G_STATIC_ASSERT(MICA_MAX_VCPUS < ALL_PROCESSORS);

/* The tables grow in a buffer of ours and go to the guest in one piece. */
struct area {
	GByteArray *bytes;
	GArray *tables;		/* uint64_t: addresses for RSDT and XSDT */
};

static uint8_t checksum(const void *data, size_t length)
{
	const uint8_t *bytes = data;
	uint8_t sum = 0;

	for (size_t i = 0; i < length; i++)
		sum += bytes[i];
	return -sum;
}

static struct table_header table_header(const char *signature, uint8_t revision)
{
	struct table_header header = {
		.revision = revision,
		.oem_revision = 1,
		.creator_revision = 1,
	};

	memcpy(header.signature, signature, sizeof(header.signature));
	memcpy(header.oem_id, OEM_ID, sizeof(header.oem_id));
	memcpy(header.oem_table_id, OEM_TABLE_ID, sizeof(header.oem_table_id));
	memcpy(header.creator_id, CREATOR_ID, sizeof(header.creator_id));
	return header;
}

/* Length and checksum of a complete table. */
static void seal(GByteArray *table)
{
	struct table_header header;

	memcpy(&header, table->data, sizeof(header));
	header.length = table->len;
	header.checksum = 0;
	memcpy(table->data, &header, sizeof(header));
	header.checksum = checksum(table->data, table->len);
	memcpy(table->data, &header, sizeof(header));
}

/* Returns the guest-physical address. */
static uint64_t add_bytes(struct area *area, const void *data, size_t length)
{
	size_t offset = (area->bytes->len + TABLE_ALIGN - 1) / TABLE_ALIGN * TABLE_ALIGN;
	size_t old = area->bytes->len;

	g_byte_array_set_size(area->bytes, offset + length);
	memset(area->bytes->data + old, 0, offset - old);
	memcpy(area->bytes->data + offset, data, length);
	return BOOT_ACPI_ADDRESS + offset;
}

static uint64_t add_table(struct area *area, GByteArray *table)
{
	seal(table);
	return add_bytes(area, table->data, table->len);
}

static uint64_t add_facs(struct area *area)
{
	struct facs facs = {
		.signature = "FACS",
		.length = sizeof(facs),
		.version = FACS_VERSION,
	};

	return add_bytes(area, &facs, sizeof(facs));
}

static uint64_t add_dsdt(struct area *area, unsigned int cpus, const struct pci_map *pci)
{
	g_autoptr(GByteArray) aml = dsdt_build(cpus, pci);
	g_autoptr(GByteArray) table = g_byte_array_new();
	/* Revision 2: integers have 64 bits. */
	struct table_header header = table_header("DSDT", 2);

	g_byte_array_append(table, (const guint8 *)&header, sizeof(header));
	g_byte_array_append(table, aml->data, aml->len);
	return add_table(area, table);
}

static struct generic_address io_address(uint16_t port, uint8_t bytes, uint8_t access_size)
{
	return (struct generic_address){
		.space = SPACE_IO, .bit_width = bytes * 8, .access_size = access_size,
		.address = port,
	};
}

/* No SMI_CMD: the machine is always in ACPI mode (SCI_EN is set). */
static void set_fadt_blocks(struct fadt *fadt)
{
	fadt->pm1a_evt_blk = PM_BASE;
	fadt->pm1_evt_len = PM1_EVT_LENGTH;
	fadt->x_pm1a_evt_blk = io_address(PM_BASE, PM1_EVT_LENGTH, 2);
	fadt->pm1a_cnt_blk = PM_BASE + PM1_CNT_OFFSET;
	fadt->pm1_cnt_len = PM1_CNT_LENGTH;
	fadt->x_pm1a_cnt_blk = io_address(PM_BASE + PM1_CNT_OFFSET, PM1_CNT_LENGTH, 2);
	fadt->pm_tmr_blk = PM_BASE + PM_TMR_OFFSET;
	fadt->pm_tmr_len = PM_TMR_LENGTH;
	fadt->x_pm_tmr_blk = io_address(PM_BASE + PM_TMR_OFFSET, PM_TMR_LENGTH, 3);
	fadt->reset_reg = io_address(RESET_PORT, 1, 1);
	fadt->reset_value = RESET_VALUE;
}

static void add_fadt(struct area *area, uint64_t facs, uint64_t dsdt)
{
	struct fadt fadt = {
		.header = table_header("FACP", FADT_REVISION),
		.minor_version = FADT_MINOR,
		/* Either firmware_ctrl or x_firmware_ctrl must be zero. */
		.firmware_ctrl = facs,
		.dsdt = dsdt,
		.x_dsdt = dsdt,
		.sci_int = IRQ_SCI,
		.p_lvl2_lat = NO_C2_LATENCY,
		.p_lvl3_lat = NO_C3_LATENCY,
		.century = CMOS_CENTURY,
		.iapc_boot_arch = BOOT_LEGACY_DEVICES | BOOT_VGA_NOT_PRESENT,
		.flags = FADT_WBINVD | FADT_PROC_C1 | FADT_SLP_BUTTON | FADT_FIX_RTC |
			 FADT_TMR_VAL_EXT | FADT_RESET_REG_SUP | FADT_HEADLESS,
		.hypervisor_vendor = "Mica",
	};
	g_autoptr(GByteArray) table = g_byte_array_new();
	uint64_t address;

	set_fadt_blocks(&fadt);
	g_byte_array_append(table, (const guint8 *)&fadt, sizeof(fadt));
	address = add_table(area, table);
	g_array_append_val(area->tables, address);
}

#define APPEND(table, structure) \
	g_byte_array_append(table, (const guint8 *)&(structure), sizeof(structure))

/* vCPUs are numbered in the order that the specification wants here (vmm/cpu/topology.h). */
static void append_processors(GByteArray *table, const struct cpu_topology *topology)
{
	for (unsigned int i = 0; i < cpu_topology_cpus(topology); i++) {
		struct madt_lapic lapic = {
			.type = MADT_LAPIC, .length = sizeof(lapic),
			.processor_uid = i, .apic_id = cpu_topology_apic_id(topology, i),
			.flags = LAPIC_ENABLED,
		};

		APPEND(table, lapic);
	}
}

static void append_interrupts(GByteArray *table)
{
	static const struct madt_ioapic ioapic = {
		.type = MADT_IOAPIC, .length = sizeof(ioapic), .id = IOAPIC_ID,
		.address = IOAPIC_BASE,
	};
	static const struct madt_override pit = {
		.type = MADT_OVERRIDE, .length = sizeof(pit), .source = IRQ_PIT, .gsi = PIT_GSI,
		.flags = INTI_BUS_DEFAULT,
	};
	static const struct madt_override sci = {
		.type = MADT_OVERRIDE, .length = sizeof(sci), .source = IRQ_SCI, .gsi = IRQ_SCI,
		.flags = INTI_LEVEL | INTI_ACTIVE_HIGH,
	};
	static const struct madt_lapic_nmi nmi = {
		.type = MADT_LAPIC_NMI, .length = sizeof(nmi), .processor_uid = ALL_PROCESSORS,
		.lint = 1,
	};

	APPEND(table, ioapic);
	APPEND(table, pit);
	APPEND(table, sci);
	APPEND(table, nmi);
}

static void add_madt(struct area *area, const struct cpu_topology *topology)
{
	struct madt madt = {
		.header = table_header("APIC", MADT_REVISION),
		.lapic_address = LAPIC_BASE,
		.flags = MADT_PCAT_COMPAT,
	};
	g_autoptr(GByteArray) table = g_byte_array_new();
	uint64_t address;

	APPEND(table, madt);
	append_processors(table, topology);
	append_interrupts(table);
	address = add_table(area, table);
	g_array_append_val(area->tables, address);
}

static void add_mcfg(struct area *area, const struct pci_map *pci)
{
	struct mcfg mcfg = {
		.header = table_header("MCFG", MCFG_REVISION),
		.address = PCI_ECAM,
		.last_bus = pci->buses - 1,
	};
	g_autoptr(GByteArray) table = g_byte_array_new();
	uint64_t address;

	APPEND(table, mcfg);
	address = add_table(area, table);
	g_array_append_val(area->tables, address);
}

/* RSDT (4 bytes per address) or XSDT (8) at an offset that was left free for it. */
static void write_root(struct area *area, size_t offset, const char *signature, size_t bytes)
{
	struct table_header header = table_header(signature, 1);
	g_autoptr(GByteArray) table = g_byte_array_new();

	APPEND(table, header);
	for (unsigned int i = 0; i < area->tables->len; i++)
		g_byte_array_append(table, (const guint8 *)&g_array_index(area->tables, uint64_t, i),
				    bytes);
	seal(table);
	memcpy(area->bytes->data + offset, table->data, table->len);
}

static void write_roots(struct area *area)
{
	struct rsdp rsdp = {
		.signature = { 'R', 'S', 'D', ' ', 'P', 'T', 'R', ' ' },
		.revision = 2,
		.length = sizeof(rsdp),
	};
	size_t rsdt = TABLE_ALIGN;
	size_t xsdt = rsdt + TABLE_ALIGN;

	memcpy(rsdp.oem_id, OEM_ID, sizeof(rsdp.oem_id));
	rsdp.rsdt = BOOT_ACPI_ADDRESS + rsdt;
	rsdp.xsdt = BOOT_ACPI_ADDRESS + xsdt;
	rsdp.checksum = checksum(&rsdp, RSDP_V1_SIZE);
	rsdp.extended_checksum = checksum(&rsdp, sizeof(rsdp));
	memcpy(area->bytes->data, &rsdp, sizeof(rsdp));
	g_assert(sizeof(struct table_header) + 4 * area->tables->len <= TABLE_ALIGN);
	write_root(area, rsdt, "RSDT", 4);
	g_assert(xsdt + sizeof(struct table_header) + 8 * area->tables->len <= ROOTS_SIZE);
	write_root(area, xsdt, "XSDT", 8);
}

uint64_t acpi_build(struct guest_memory *memory, const struct cpu_topology *topology,
		    const struct pci_map *pci)
{
	struct area area = {
		.bytes = g_byte_array_new(),
		.tables = g_array_new(FALSE, FALSE, sizeof(uint64_t)),
	};
	unsigned int cpus = cpu_topology_cpus(topology);
	uint64_t facs, dsdt;

	g_assert(cpus >= 1 && cpus <= MICA_MAX_VCPUS);
	g_byte_array_set_size(area.bytes, ROOTS_SIZE);
	memset(area.bytes->data, 0, ROOTS_SIZE);
	facs = add_facs(&area);
	dsdt = add_dsdt(&area, cpus, pci);
	add_fadt(&area, facs, dsdt);
	add_madt(&area, topology);
	add_mcfg(&area, pci);
	write_roots(&area);
	g_assert(area.bytes->len <= AREA_SIZE);
	boot_write(memory, BOOT_ACPI_ADDRESS, area.bytes->data, area.bytes->len);
	g_byte_array_unref(area.bytes);
	g_array_free(area.tables, TRUE);
	return BOOT_ACPI_ADDRESS;
}
