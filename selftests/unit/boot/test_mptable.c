// SPDX-License-Identifier: GPL-2.0-or-later
/* The MP tables, read as a kernel would: scan, checksums, then entry by entry. */
#include "guest.h"

#include <string.h>

#include "../../../vmm/boot/mptable.h"

static struct guest guest;

struct tables {
	const uint8_t *table;
	unsigned int length;
	unsigned int processors;
	unsigned int buses;
	unsigned int ioapics;
	const uint8_t *interrupts;	/* 8 bytes each */
	unsigned int interrupt_count;
	unsigned int local_count;
};

static int teardown(void **unused)
{
	(void)unused;
	guest_clear(&guest);
	return 0;
}

static uint8_t sum(const uint8_t *bytes, size_t length)
{
	uint8_t sum = 0;

	for (size_t i = 0; i < length; i++)
		sum += bytes[i];
	return sum;
}

static const uint8_t *scan(void)
{
	for (uint64_t at = 0xf0000; at < 0x100000; at += 16) {
		const uint8_t *bytes = guest_memory_pointer(guest.memory, at, 16);

		if (!memcmp(bytes, "_MP_", 4) && sum(bytes, 16) == 0)
			return bytes;
	}
	fail_msg("no MP floating pointer");
	return NULL;
}

static const uint8_t *count_entry(struct tables *tables, const uint8_t *entry)
{
	switch (*entry) {
	case 0:
		tables->processors++;
		return entry + 20;
	case 1:
		tables->buses++;
		return entry + 8;
	case 2:
		tables->ioapics++;
		return entry + 8;
	case 3:
		if (!tables->interrupt_count++)
			tables->interrupts = entry;
		return entry + 8;
	default:
		assert_int_equal(*entry, 4);
		tables->local_count++;
		return entry + 8;
	}
}

static struct tables build_topology(const struct cpu_topology *topology, uint32_t slots)
{
	const struct pci_map pci = { .buses = 3, .slots = slots };
	struct tables tables = { 0 };
	const uint8_t *pointer, *entry;
	unsigned int entries;
	uint8_t last = 0;

	guest_new(&guest, 4);
	mptable_build(guest.memory, topology, &pci);
	pointer = scan();
	assert_int_equal(pointer[8], 1);
	assert_int_equal(pointer[9], 4);
	tables.table = guest_memory_pointer(guest.memory, pointer[4] | pointer[5] << 8 |
					    pointer[6] << 16, 44);
	assert_memory_equal(tables.table, "PCMP", 4);
	tables.length = tables.table[4] | tables.table[5] << 8;
	assert_int_equal(sum(tables.table, tables.length), 0);
	entries = tables.table[34] | tables.table[35] << 8;
	entry = tables.table + 44;
	for (unsigned int i = 0; i < entries; i++) {
		assert_true(*entry >= last);	/* sorted by type */
		last = *entry;
		entry = count_entry(&tables, entry);
	}
	assert_ptr_equal(entry, tables.table + tables.length);
	return tables;
}

static struct tables build(unsigned int cpus, uint32_t slots)
{
	const struct cpu_topology topology = { .sockets = 1, .cores = cpus, .threads = 1 };

	return build_topology(&topology, slots);
}

/* APIC ids have gaps; the processors are in the order of the MADT. */
static void processors_with_threads(void **unused)
{
	static const struct cpu_topology topology = { .sockets = 2, .cores = 3, .threads = 2 };
	static const uint8_t ids[] = { 0, 2, 4, 8, 10, 12, 1, 3, 5, 9, 11, 13 };
	struct tables tables = build_topology(&topology, 0);

	(void)unused;
	assert_int_equal(tables.processors, sizeof(ids));
	for (unsigned int i = 0; i < sizeof(ids); i++)
		assert_int_equal(tables.table[44 + 20 * i + 1], ids[i]);
}

static void processors(void **unused)
{
	(void)unused;
	for (unsigned int cpus = 1; cpus <= MICA_MAX_VCPUS; cpus++) {
		struct tables tables = build(cpus, 0);

		assert_int_equal(tables.processors, cpus);
		for (unsigned int i = 0; i < cpus; i++) {
			const uint8_t *processor = tables.table + 44 + 20 * i;

			assert_int_equal(processor[1], i);
			assert_int_equal(processor[3], i ? 1 : 3);
		}
	}
}

static void find_interrupt(const struct tables *tables, uint8_t bus, uint8_t source, uint8_t flags,
			   uint8_t pin)
{
	const uint8_t expected[] = { 3, 0, flags, 0, bus, source, 0, pin };

	for (unsigned int i = 0; i < tables->interrupt_count; i++)
		if (!memcmp(tables->interrupts + 8 * i, expected, sizeof(expected)))
			return;
	fail_msg("interrupt %u of bus %u does not go to pin %u", source, bus, pin);
}

static void interrupts(void **unused)
{
	struct tables tables = build(2, 1u << 3 | 1u << 31);

	(void)unused;
	assert_int_equal(tables.buses, 2);
	assert_int_equal(tables.ioapics, 1);
	assert_int_equal(tables.interrupt_count, 15 + 2);
	assert_int_equal(tables.local_count, 2);
	find_interrupt(&tables, 16, 0, 0, 2);		/* PIT */
	find_interrupt(&tables, 16, 4, 0, 4);		/* UART */
	find_interrupt(&tables, 16, 9, 0x0d, 9);	/* SCI */
	find_interrupt(&tables, 0, 3 << 2, 0x0f, 19);
	find_interrupt(&tables, 0, 31 << 2, 0x0f, 19);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(processors, teardown),
		cmocka_unit_test_teardown(processors_with_threads, teardown),
		cmocka_unit_test_teardown(interrupts, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
