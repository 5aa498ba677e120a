// SPDX-License-Identifier: GPL-2.0-or-later
/* The ACPI tables: found as an OS finds them, summed, disassembled and evaluated. */
#include "guest.h"

#include <string.h>

#include "../../../vmm/chipset/chipset.h"

static struct guest guest;

static int teardown(void **unused)
{
	(void)unused;
	guest_clear(&guest);
	return 0;
}

struct table {
	uint64_t address;
	uint32_t length;
	const uint8_t *bytes;
};

static uint8_t sum(const uint8_t *bytes, size_t length)
{
	uint8_t total = 0;

	for (size_t i = 0; i < length; i++)
		total += bytes[i];
	return total;
}

static uint32_t u32(const uint8_t *bytes)
{
	uint32_t value;

	memcpy(&value, bytes, sizeof(value));
	return value;
}

static uint64_t u64(const uint8_t *bytes)
{
	uint64_t value;

	memcpy(&value, bytes, sizeof(value));
	return value;
}

static struct table table_at(uint64_t address)
{
	struct table table = { .address = address };

	assert_in_range(address, BOOT_ACPI_ADDRESS, BOOT_ACPI_END - 36);
	table.length = guest_u32(&guest, address + 4);
	assert_in_range(address + table.length, address + 36, BOOT_ACPI_END);
	table.bytes = guest_memory_pointer(guest.memory, address, table.length);
	return table;
}

/* As "Finding the RSDP on IA-PC Systems": on 16-byte boundaries from 0xe0000 on. */
static const uint8_t *find_rsdp(void)
{
	for (uint64_t at = 0xe0000; at < 0x100000; at += 16) {
		const uint8_t *bytes = guest_memory_pointer(guest.memory, at, 36);

		if (memcmp(bytes, "RSD PTR ", 8) == 0 && sum(bytes, 20) == 0)
			return bytes;
	}
	fail_msg("no RSDP");
	return NULL;
}

static struct table root_table(const char *signature)
{
	const uint8_t *rsdp = find_rsdp();
	struct table table = table_at(strcmp(signature, "XSDT") ? u32(rsdp + 16) : u64(rsdp + 24));

	assert_memory_equal(table.bytes, signature, 4);
	assert_int_equal(sum(table.bytes, table.length), 0);
	return table;
}

/* From the RSDT and the XSDT, which must agree. */
static struct table find_table(const char *signature)
{
	struct table rsdt = root_table("RSDT");
	struct table xsdt = root_table("XSDT");
	unsigned int count = (xsdt.length - 36) / 8;

	assert_int_equal((rsdt.length - 36) / 4, count);
	for (unsigned int i = 0; i < count; i++) {
		uint64_t address = u64(xsdt.bytes + 36 + 8 * i);

		assert_int_equal(u32(rsdt.bytes + 36 + 4 * i), address);
		if (guest_u32(&guest, address) == u32((const uint8_t *)signature))
			return table_at(address);
	}
	fail_msg("no %s", signature);
	return xsdt;
}

static struct table find_dsdt(void)
{
	return table_at(u64(find_table("FACP").bytes + 140));
}

static struct table find_facs(void)
{
	return table_at(u32(find_table("FACP").bytes + 36));
}

/* Slots 1, 6 and 31 have functions with interrupts. */
static void build_topology(const struct cpu_topology *topology)
{
	const struct pci_map pci = {
		.mem64 = 0x1000000000, .mem64_size = 0x2000000000, .buses = 5, .slots = 0x80000042,
	};

	guest_new(&guest, 4);
	assert_int_equal(acpi_build(guest.memory, topology, &pci), BOOT_ACPI_ADDRESS);
}

static void build(unsigned int cpus)
{
	const struct cpu_topology topology = { .sockets = 1, .cores = cpus, .threads = 1 };

	build_topology(&topology);
}

static void rsdp(void **unused)
{
	const uint8_t *bytes;

	(void)unused;
	build(1);
	bytes = find_rsdp();
	assert_ptr_equal(bytes, guest_memory_pointer(guest.memory, BOOT_ACPI_ADDRESS, 36));
	assert_int_equal(bytes[15], 2);
	assert_int_equal(u32(bytes + 20), 36);
	assert_int_equal(sum(bytes, 36), 0);
}

static void checksums(void **unused)
{
	static const char *const signatures[] = { "FACP", "APIC", "MCFG" };

	(void)unused;
	for (unsigned int cpus = 1; cpus <= MICA_MAX_VCPUS; cpus++) {
		build(cpus);
		for (size_t i = 0; i < G_N_ELEMENTS(signatures); i++) {
			struct table table = find_table(signatures[i]);

			assert_int_equal(sum(table.bytes, table.length), 0);
		}
		assert_memory_equal(find_dsdt().bytes, "DSDT", 4);
		assert_int_equal(sum(find_dsdt().bytes, find_dsdt().length), 0);
	}
}

/* Tables that an OS may keep using are in reserved memory, not in RAM that it takes. */
static void tables_are_reserved(void **unused)
{
	struct e820_entry entries[E820_MAX];
	bool reserved = false;
	size_t count;

	(void)unused;
	build(1);
	count = boot_e820(guest.memory, entries);
	for (size_t i = 0; i < count; i++)
		if (entries[i].type == E820_RESERVED && entries[i].address <= BOOT_ACPI_ADDRESS &&
		    entries[i].address + entries[i].size >= BOOT_ACPI_END)
			reserved = true;
	assert_true(reserved);
}

static void fadt(void **unused)
{
	struct table table;

	(void)unused;
	build(1);
	table = find_table("FACP");
	assert_int_equal(table.length, 276);
	assert_int_equal(table.bytes[8], 6);
	assert_int_equal(table.bytes[46], IRQ_SCI);
	assert_int_equal(u32(table.bytes + 48), 0);			/* SMI_CMD */
	assert_int_equal(u32(table.bytes + 56), PM_BASE);
	assert_int_equal(u64(table.bytes + 152), PM_BASE);
	assert_int_equal(u32(table.bytes + 64), PM_BASE + 4);
	assert_int_equal(u64(table.bytes + 176), PM_BASE + 4);
	assert_int_equal(u32(table.bytes + 76), PM_BASE + 8);
	assert_int_equal(u64(table.bytes + 212), PM_BASE + 8);
	assert_int_equal(table.bytes[88], 4);
	assert_int_equal(table.bytes[89], 2);
	assert_int_equal(table.bytes[91], 4);
	assert_true((table.bytes[96] | table.bytes[97] << 8) > 100);	/* no C2 */
	assert_true((table.bytes[98] | table.bytes[99] << 8) > 1000);	/* no C3 */
	assert_int_equal(table.bytes[109], 0x05);			/* IAPC_BOOT_ARCH */
	assert_int_equal(u32(table.bytes + 112) & 0x100530, 0x520);	/* flags */
	assert_int_equal(table.bytes[116], 1);				/* RESET_REG: I/O */
	assert_int_equal(u64(table.bytes + 120), RESET_PORT);
	assert_int_equal(table.bytes[128], 6);
	assert_int_equal(u64(table.bytes + 132), 0);			/* X_FIRMWARE_CTRL */
	assert_int_equal(u32(table.bytes + 40), u64(table.bytes + 140));
}

static void facs(void **unused)
{
	struct table table;

	(void)unused;
	build(1);
	table = find_facs();
	assert_memory_equal(table.bytes, "FACS", 4);
	assert_int_equal(table.length, 64);
	assert_int_equal(table.address % 64, 0);
	assert_int_equal(table.bytes[32], 2);
}

static void madt(void **unused)
{
	static const uint8_t tail[] = {
		1, 12, 0, 0, 0x00, 0x00, 0xc0, 0xfe, 0, 0, 0, 0,	/* IOAPIC */
		2, 10, 0, 0, 2, 0, 0, 0, 0, 0,				/* IRQ 0 is GSI 2 */
		2, 10, 0, 9, 9, 0, 0, 0, 0x0d, 0,			/* SCI: level, high */
		4, 6, 0xff, 0, 0, 1,					/* LINT1: NMI */
	};
	const unsigned int cpus = MICA_MAX_VCPUS;
	struct table table;

	(void)unused;
	build(cpus);
	table = find_table("APIC");
	assert_int_equal(table.length, 44 + 8 * cpus + sizeof(tail));
	assert_int_equal(u32(table.bytes + 36), LAPIC_BASE);
	assert_int_equal(u32(table.bytes + 40), 1);
	for (unsigned int i = 0; i < cpus; i++) {
		const uint8_t lapic[] = { 0, 8, i, i, 1, 0, 0, 0 };

		assert_memory_equal(table.bytes + 44 + 8 * i, lapic, sizeof(lapic));
	}
	assert_memory_equal(table.bytes + 44 + 8 * cpus, tail, sizeof(tail));
}

/* The first threads of all cores come first; gaps of APIC ids stay free. */
static void madt_with_threads(void **unused)
{
	static const struct cpu_topology topology = { .sockets = 2, .cores = 3, .threads = 2 };
	static const uint8_t ids[] = { 0, 2, 4, 8, 10, 12, 1, 3, 5, 9, 11, 13 };
	struct table table;

	(void)unused;
	build_topology(&topology);
	table = find_table("APIC");
	for (unsigned int i = 0; i < sizeof(ids); i++) {
		const uint8_t lapic[] = { 0, 8, i, ids[i], 1, 0, 0, 0 };

		assert_memory_equal(table.bytes + 44 + 8 * i, lapic, sizeof(lapic));
	}
}

static void mcfg(void **unused)
{
	static const uint8_t body[] = {
		0, 0, 0, 0, 0, 0, 0, 0,
		0x00, 0x00, 0x00, 0xf8, 0, 0, 0, 0,	/* address */
		0, 0, 0, 4, 0, 0, 0, 0,		/* segment 0, buses 0-4 */
	};
	struct table table;

	(void)unused;
	build(1);
	table = find_table("MCFG");
	assert_int_equal(table.length, 36 + sizeof(body));
	assert_memory_equal(table.bytes + 36, body, sizeof(body));
}

/* The ECAM is no RAM to whoever looks at the memory map. */
static void ecam_is_reserved(void **unused)
{
	struct e820_entry entries[E820_MAX];
	bool reserved = false;
	size_t count;

	(void)unused;
	build(1);
	count = boot_e820(guest.memory, entries);
	for (size_t i = 0; i < count; i++)
		if (entries[i].type == E820_RESERVED && entries[i].address == PCI_ECAM &&
		    entries[i].size == PCI_ECAM_SIZE)
			reserved = true;
	assert_true(reserved);
}

/* ------------------------------------------------------------ with ACPICA's own tools */

/* Output of a command, both streams; NULL if the tool is not installed. */
static char *run(const char *const *arguments)
{
	g_autofree char *program = g_find_program_in_path(arguments[0]);
	char *output = NULL, *errors = NULL, *both;
	int status = 0;

	if (!program)
		return NULL;
	assert_true(g_spawn_sync(guest_folder(), (char **)arguments, NULL, G_SPAWN_SEARCH_PATH,
				 NULL, NULL, &output, &errors, &status, NULL));
	both = g_strconcat(output, errors, NULL);
	if (status)
		fail_msg("%s: %s", arguments[0], both);
	g_free(output);
	g_free(errors);
	return both;
}

/* Developers may do without the tool, continuous integration may not. */
static void no_tool(const char *tool)
{
	print_message("%s is not installed: apt-get install acpica-tools\n", tool);
	if (g_strcmp0(g_getenv("CI"), "true") == 0)
		fail_msg("%s is needed here", tool);
	skip();
}

static void no_complaint(const char *output)
{
	static const char *const words[] = {
		"rror", "arning", "nvalid", "ncorrect", "AE_", "xception",
	};

	for (size_t i = 0; i < G_N_ELEMENTS(words); i++)
		if (strstr(output, words[i]))
			fail_msg("%s", output);
}

static void disassemble(struct table table, const char *expected)
{
	g_autofree char *name = g_strdup_printf("%.4s.dat", (const char *)table.bytes);
	g_autofree char *source = g_strdup_printf("%s/%.4s.dsl", guest_folder(),
						  (const char *)table.bytes);
	g_autofree char *path = guest_file(name, table.bytes, table.length);
	const char *const arguments[] = { "iasl", "-d", path, NULL };
	g_autofree char *output = run(arguments);
	g_autofree char *text = NULL;

	if (!output) {
		no_tool("iasl");
		return;
	}
	no_complaint(output);
	assert_true(g_file_get_contents(source, &text, NULL, NULL));
	if (!strstr(text, expected))
		fail_msg("'%s' is not in the disassembly:\n%s", expected, text);
}

static void iasl_reads_the_tables(void **unused)
{
	(void)unused;
	build(3);
	disassemble(root_table("RSDT"), "\"RSDT\"");
	disassemble(root_table("XSDT"), "\"XSDT\"");
	disassemble(find_table("FACP"), "PM1A Event Block Address : 00000600");
	disassemble(find_table("APIC"), "[Interrupt Source Override]");
	disassemble(find_facs(), "Version : 02");
	disassemble(find_dsdt(), "Name (_HID, \"ACPI0007\"");
	disassemble(find_dsdt(), "Name (_UID, 0x02)");
	disassemble(find_table("MCFG"), "Base Address : 00000000F8000000");
	disassemble(find_dsdt(), "EisaId (\"PNP0A08\")");
	disassemble(find_dsdt(), "EisaId (\"PNP0A03\")");
	disassemble(find_dsdt(), "Method (_OSC, 4, Serialized)");
	disassemble(find_dsdt(), "EisaId (\"PNP0501\")");
	disassemble(find_dsdt(), "EisaId (\"PNP0B00\")");
}

/* What was disassembled compiles without a word of complaint. */
static void iasl_compiles_the_dsdt(void **unused)
{
	const char *const arguments[] = { "iasl", "-oa", "-p", "again", "DSDT.dsl", NULL };
	g_autofree char *output = NULL;

	(void)unused;
	build(64);
	disassemble(find_dsdt(), "Device (C03F)");
	output = run(arguments);
	if (!strstr(output, "0 Errors, 0 Warnings, 0 Remarks"))
		fail_msg("%s", output);
}

static void evaluate(const char *command, const char *const *expected)
{
	struct table dsdt = find_dsdt();
	g_autofree char *path = guest_file("dsdt.aml", dsdt.bytes, dsdt.length);
	const char *const arguments[] = { "acpiexec", "-b", command, path, NULL };
	g_autofree char *output = run(arguments);
	const char *at = output;

	if (!output) {
		no_tool("acpiexec");
		return;
	}
	at = strstr(output, "Evaluati");
	assert_non_null(at);
	for (; *expected; expected++) {
		const char *found = strstr(at, *expected);

		if (!found)
			fail_msg("'%s' does not follow in:\n%s", *expected, output);
		at = found + 1;
	}
}

static void acpiexec_evaluates_s5(void **unused)
{
	static const char *const expected[] = {
		"[Package] Contains 4 Elements", "[Integer] = 0000000000000005",
		"[Integer] = 0000000000000005", "[Integer] = 0000000000000000", NULL,
	};

	(void)unused;
	build(1);
	evaluate("evaluate \\_S5", expected);
}

static void acpiexec_decodes_the_pci_root(void **unused)
{
	static const char *const expected[] = {
		"Bus Number Range", "Address Maximum : 0004", "Address Length : 0005",
		"I/O Resource", "Address Minimum : 0CF8", "Address Length : 08",
		"I/O Range", "Address Minimum : 1000", "Address Maximum : FFFF",
		"Address Length : F000",
		"Memory Range", "Address Minimum : C0000000", "Address Maximum : F7FFFFFF",
		"Address Length : 38000000",
		"Memory Range", "Address Minimum : 0000001000000000",
		"Address Maximum : 0000002FFFFFFFFF", "Address Length : 0000002000000000",
		"EndTag", NULL,
	};

	(void)unused;
	build(1);
	evaluate("resources \\_SB.PCI0", expected);
}

static void acpiexec_decodes_the_board(void **unused)
{
	static const char *const expected[] = {
		"32-Bit Fixed Memory", "Address : F8000000", "Address Length : 01000000", "EndTag", NULL,
	};

	(void)unused;
	build(1);
	evaluate("resources \\_SB.MBRD", expected);
}

#define ROUTE(slot, interrupt) \
	"Contains 4 Elements", "[Integer] = 00000000" slot "FFFF", \
	"[Integer] = 0000000000000000", "[Integer] = 0000000000000000", \
	"[Integer] = 00000000000000" interrupt

/* Before a kernel has called _PIC(1), interrupts are the PIC's. */
static void acpiexec_evaluates_the_routing(void **unused)
{
	static const char *const pic[] = {
		"Contains 3 Elements", ROUTE("0001", "0B"), ROUTE("0006", "0A"),
		ROUTE("001F", "0B"), NULL,
	};
	static const char *const ioapic[] = {
		"Contains 3 Elements", ROUTE("0001", "11"), ROUTE("0006", "12"),
		ROUTE("001F", "13"), NULL,
	};

	(void)unused;
	build(1);
	evaluate("evaluate \\_SB.PCI0._PRT", pic);
	evaluate("evaluate \\_PIC 1;evaluate \\_SB.PCI0._PRT", ioapic);
}

#define OSC_UUID	"(5B 4D DB 33 F7 1F 1C 40 96 57 74 41 C0 3D D7 66)"
#define OSC		"evaluate \\_SB.PCI0._OSC "

/* Status and control are what we make of them, support stays. */
static void acpiexec_evaluates_osc(void **unused)
{
	static const char *const masked[] = {
		"10 00 00 00 1F 01 00 00", "11 00 00 00", NULL,
	};
	static const char *const granted[] = {
		"00 00 00 00 1F 01 00 00", "11 00 00 00", NULL,
	};
	static const char *const revision[] = { "08 00 00 00 1F 01 00 00", NULL };
	static const char *const uuid[] = {
		"04 00 00 00 1F 01 00 00", "FF 00 00 00", NULL,
	};

	(void)unused;
	build(1);
	evaluate(OSC OSC_UUID " 1 3 (00 00 00 00 1F 01 00 00 1F 00 00 00)", masked);
	evaluate(OSC OSC_UUID " 1 3 (00 00 00 00 1F 01 00 00 11 00 00 00)", granted);
	evaluate(OSC OSC_UUID " 2 3 (00 00 00 00 1F 01 00 00 11 00 00 00)", revision);
	evaluate(OSC "(00 4D DB 33 F7 1F 1C 40 96 57 74 41 C0 3D D7 66) 1 3 "
		 "(00 00 00 00 1F 01 00 00 FF 00 00 00)", uuid);
}

static void acpiexec_decodes_the_uart(void **unused)
{
	static const char *const expected[] = {
		"I/O Resource", "Address Minimum : 03F8", "Address Length : 08",
		"IRQ Resource", "Interrupt List : 4 ", "EndTag", NULL,
	};

	(void)unused;
	build(1);
	evaluate("resources \\_SB.COM1", expected);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(rsdp, teardown),
		cmocka_unit_test_teardown(checksums, teardown),
		cmocka_unit_test_teardown(tables_are_reserved, teardown),
		cmocka_unit_test_teardown(fadt, teardown),
		cmocka_unit_test_teardown(facs, teardown),
		cmocka_unit_test_teardown(madt, teardown),
		cmocka_unit_test_teardown(madt_with_threads, teardown),
		cmocka_unit_test_teardown(mcfg, teardown),
		cmocka_unit_test_teardown(ecam_is_reserved, teardown),
		cmocka_unit_test_teardown(iasl_reads_the_tables, teardown),
		cmocka_unit_test_teardown(iasl_compiles_the_dsdt, teardown),
		cmocka_unit_test_teardown(acpiexec_evaluates_s5, teardown),
		cmocka_unit_test_teardown(acpiexec_decodes_the_pci_root, teardown),
		cmocka_unit_test_teardown(acpiexec_decodes_the_board, teardown),
		cmocka_unit_test_teardown(acpiexec_evaluates_the_routing, teardown),
		cmocka_unit_test_teardown(acpiexec_evaluates_osc, teardown),
		cmocka_unit_test_teardown(acpiexec_decodes_the_uart, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
