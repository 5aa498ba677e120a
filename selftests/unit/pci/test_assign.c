// SPDX-License-Identifier: GPL-2.0-or-later
/* What the firmware's part leaves: every BAR in a window, none over another. */
#include "rig.h"

struct range {
	enum pci_space space;
	uint64_t first;
	uint64_t last;
};

static struct range range_of(struct rig *rig, unsigned int bus, unsigned int slot,
			     const struct pci_device_config *config, unsigned int bar)
{
	uint32_t low = rig_read(rig, bus, slot, 0x10 + 4 * bar, 4);
	struct range range = { .space = config->bars[bar].kind == PCI_BAR_IO ? PCI_SPACE_IO :
				       PCI_SPACE_MEMORY };

	if (range.space == PCI_SPACE_IO)
		range.first = low & ~3u;
	else
		range.first = low & ~15u;
	if (low & PCI_BASE_ADDRESS_MEM_TYPE_64 && range.space == PCI_SPACE_MEMORY)
		range.first |= (uint64_t)rig_read(rig, bus, slot, 0x14 + 4 * bar, 4) << 32;
	range.last = range.first + config->bars[bar].size - 1;
	return range;
}

static void add_ranges(GArray *ranges, struct rig *rig, unsigned int bus, unsigned int slot,
		       const struct pci_device_config *config)
{
	for (unsigned int bar = 0; bar < PCI_BARS; bar++) {
		struct range range;

		if (config->bars[bar].kind == PCI_BAR_NONE)
			continue;
		range = range_of(rig, bus, slot, config, bar);
		assert_int_equal(range.first % config->bars[bar].size, 0);
		if (range.space == PCI_SPACE_IO)
			assert_in_range(range.first, 0x1000, 0xffff);
		else if (range.first < 4 * GIB)
			assert_in_range(range.first, 0xc0000000, 0xf7ffffff);
		else
			assert_in_range(range.first, RIG_MEM64, RIG_MEM64 + RIG_MEM64_SIZE - 1);
		g_array_append_val(ranges, range);
	}
}

static void check_apart(const GArray *ranges)
{
	for (unsigned int i = 0; i < ranges->len; i++)
		for (unsigned int j = 0; j < i; j++) {
			const struct range *a = &g_array_index(ranges, struct range, i);
			const struct range *b = &g_array_index(ranges, struct range, j);

			assert_false(a->space == b->space && a->first <= b->last &&
				     b->first <= a->last);
		}
}

static void full_bus(void **state)
{
	struct pci_device_config config = fake_config();
	g_autoptr(GArray) ranges = g_array_new(FALSE, FALSE, sizeof(struct range));
	struct fake fakes[PCI_SLOTS - 1 - PCI_PORTS_MAX], behind[PCI_PORTS_MAX];
	struct rig rig;

	(void)state;
	rig_new(&rig, PCI_PORTS_MAX, false);
	for (unsigned int i = 0; i < G_N_ELEMENTS(fakes); i++)
		fake_attach(&fakes[i], &rig);
	for (unsigned int i = 0; i < G_N_ELEMENTS(behind); i++) {
		fake_new(&behind[i], &config);
		assert_true(pci_host_plug(rig.host, behind[i].device, NULL));
	}
	pci_host_assign(rig.host);
	for (unsigned int i = 0; i < G_N_ELEMENTS(fakes); i++)
		add_ranges(ranges, &rig, 0, 1 + PCI_PORTS_MAX + i, &config);
	for (unsigned int i = 0; i < G_N_ELEMENTS(behind); i++)
		add_ranges(ranges, &rig, 1 + i, 0, &config);
	check_apart(ranges);
	/* All of them answer where they say. */
	for (unsigned int i = 0; i < G_N_ELEMENTS(behind); i++) {
		struct range range = range_of(&rig, 1 + i, 0, &config, 4);

		rig_load(&rig, range.last, 1);
		assert_int_equal(behind[i].offset, MIB - 1);
	}
	for (unsigned int i = 0; i < G_N_ELEMENTS(fakes); i++)
		fake_free(&fakes[i], &rig);
	for (unsigned int i = 0; i < G_N_ELEMENTS(behind); i++)
		fake_free(&behind[i], &rig);
	rig_free(&rig);
}

static void large_bars(void **state)
{
	struct pci_device_config config = {
		.name = "large", .vendor_id = 0x1234, .device_id = 1,
		.bars = {
			[0] = { PCI_BAR_MEM64_PREFETCH, 4 * GIB },
			[2] = { PCI_BAR_MEM64, 256 * MIB },
			[4] = { PCI_BAR_MEM32, 512 * MIB },
			[5] = { PCI_BAR_MEM32, 512 * MIB },
		},
	};
	struct fake fake;
	struct rig rig;

	(void)state;
	rig_new(&rig, 0, false);
	fake_new(&fake, &config);
	assert_true(pci_host_attach(rig.host, fake.device, NULL));
	pci_host_assign(rig.host);
	assert_int_equal(rig_read(&rig, 0, 1, 0x10, 4), 0xc);
	assert_int_equal(rig_read(&rig, 0, 1, 0x14, 4), RIG_MEM64 >> 32);
	assert_int_equal(rig_read(&rig, 0, 1, 0x18, 4), 0x4);
	assert_int_equal(rig_read(&rig, 0, 1, 0x1c, 4), (RIG_MEM64 >> 32) + 1);
	assert_int_equal(rig_read(&rig, 0, 1, 0x20, 4), 0xc0000000);
	/* There is no room for the second one. */
	assert_int_equal(rig_read(&rig, 0, 1, 0x24, 4), 0);
	fake_free(&fake, &rig);
	rig_free(&rig);
}

static void interrupt_lines(void **state)
{
	struct fake fakes[4];
	struct pci_map map;
	struct rig rig;

	(void)state;
	rig_new(&rig, 0, false);
	for (unsigned int i = 0; i < 4; i++)
		fake_attach(&fakes[i], &rig);
	pci_host_assign(rig.host);
	for (unsigned int i = 0; i < 4; i++)
		assert_int_equal(rig_read(&rig, 0, 1 + i, PCI_INTERRUPT_LINE, 2),
				 0x0100 | (i % 2 ? 10 : 11));
	map = pci_host_map(rig.host);
	assert_int_equal(map.slots, 0x1e);
	assert_int_equal(map.buses, 1);
	for (unsigned int i = 0; i < 4; i++)
		fake_free(&fakes[i], &rig);
	rig_free(&rig);
}

static void maps(void **state)
{
	struct pci_map map;

	(void)state;
	pci_map_init(&map, 256 * MIB, 46, 4);
	assert_int_equal(map.buses, 5);
	assert_int_equal(map.mem64, 64 * GIB);
	assert_int_equal(map.mem64_size, 64 * GIB);
	pci_map_init(&map, 64 * GIB + 1, 46, 0);
	assert_int_equal(map.mem64, 128 * GIB);
	pci_map_init(&map, GIB, 37, 0);
	assert_int_equal(map.mem64_size, 64 * GIB);
	pci_map_init(&map, GIB, 36, 0);
	assert_int_equal(map.mem64_size, 0);
	pci_map_init(&map, 65 * GIB, 37, 0);
	assert_int_equal(map.mem64_size, 0);
	pci_map_init(&map, GIB, 64, 0);
	assert_int_equal(map.mem64, 64 * GIB);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(full_bus),
		cmocka_unit_test(large_bars),
		cmocka_unit_test(interrupt_lines),
		cmocka_unit_test(maps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
