// SPDX-License-Identifier: GPL-2.0-or-later
/* BARs: sizing, moving, decoding on and off, windows, and who answers where two overlap. */
#include "rig.h"

static struct rig rig;
static struct fake fake, other;

static int setup(void **state)
{
	(void)state;
	rig_new(&rig, 0, false);
	fake_attach(&fake, &rig);
	fake_attach(&other, &rig);
	pci_host_assign(rig.host);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fake_free(&fake, &rig);
	fake_free(&other, &rig);
	rig_free(&rig);
	return 0;
}

static void set_bar(unsigned int slot, unsigned int bar, uint64_t address, bool wide)
{
	rig_write(&rig, 0, slot, 0x10 + 4 * bar, 4, address);
	if (wide)
		rig_write(&rig, 0, slot, 0x14 + 4 * bar, 4, address >> 32);
}

static uint64_t get_bar(unsigned int slot, unsigned int bar, bool wide)
{
	uint64_t address = rig_read(&rig, 0, slot, 0x10 + 4 * bar, 4) & ~0xfu;

	if (wide)
		address |= (uint64_t)rig_read(&rig, 0, slot, 0x14 + 4 * bar, 4) << 32;
	return address;
}

static void expect_load(struct fake *whose, unsigned int bar, uint64_t address, uint64_t offset,
			unsigned int size)
{
	unsigned int reads = whose->reads;

	assert_true(rig_load(&rig, address, size) == fake_value(bar, offset, size));
	assert_int_equal(whose->reads, reads + 1);
	assert_int_equal(whose->bar, bar);
	assert_int_equal(whose->offset, offset);
	assert_int_equal(whose->size, size);
}

static void expect_nobody(uint64_t address, unsigned int size)
{
	unsigned int reads = fake.reads + other.reads, writes = fake.writes + other.writes;

	assert_true(rig_load(&rig, address, size) == UINT64_MAX >> (64 - 8 * size));
	rig_store(&rig, address, size, 0);
	assert_int_equal(fake.reads + other.reads, reads);
	assert_int_equal(fake.writes + other.writes, writes);
}

/* As kernels do it, with decoding off and with it on. */
static void sizing(void **state)
{
	static const uint16_t commands[] = { 0, PCI_COMMAND_IO | PCI_COMMAND_MEMORY };
	static const uint32_t expected[PCI_BARS] = {
		0x0000ffc1, 0xfffff000, 0xffffc004, 0xffffffff, 0xfff0000c, 0xffffffff,
	};

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(commands); i++) {
		rig_write(&rig, 0, 1, PCI_COMMAND, 2, commands[i]);
		for (unsigned int bar = 0; bar < PCI_BARS; bar++) {
			uint32_t old = rig_read(&rig, 0, 1, 0x10 + 4 * bar, 4);

			rig_write(&rig, 0, 1, 0x10 + 4 * bar, 4, 0xffffffff);
			assert_int_equal(rig_read(&rig, 0, 1, 0x10 + 4 * bar, 4), expected[bar]);
			rig_write(&rig, 0, 1, 0x10 + 4 * bar, 4, old);
			assert_int_equal(rig_read(&rig, 0, 1, 0x10 + 4 * bar, 4), old);
		}
	}
	expect_load(&fake, 1, get_bar(1, 1, false), 0, 4);
	/* The expansion ROM's register says that there is none. */
	rig_write(&rig, 0, 1, PCI_ROM_ADDRESS, 4, 0xfffff800);
	assert_int_equal(rig_read(&rig, 0, 1, PCI_ROM_ADDRESS, 4), 0);
}

static void every_width_and_edge(void **state)
{
	uint64_t base = get_bar(1, 1, false);

	(void)state;
	for (unsigned int size = 1; size <= 8; size *= 2) {
		expect_load(&fake, 1, base, 0, size);
		expect_load(&fake, 1, base + 5, 5, size);
		expect_load(&fake, 1, base + 4096 - size, 4096 - size, size);
		if (size > 1)
			expect_nobody(base + 4096 - size + 1, size);
	}
	rig_store(&rig, base + 3, 2, 0xffffbeef);
	assert_int_equal(fake.offset, 3);
	assert_int_equal(fake.size, 2);
	assert_int_equal(fake.value, 0xbeef);
}

static void io(void **state)
{
	uint16_t base = rig_read(&rig, 0, 1, 0x10, 2) & ~3u;

	(void)state;
	assert_int_equal(rig_in(&rig, base + 2, 2), fake_value(0, 2, 2));
	rig_out(&rig, base + 60, 4, 0x12345678);
	assert_int_equal(fake.offset, 60);
	assert_int_equal(fake.value, 0x12345678);
	assert_int_equal(rig_in(&rig, base + 62, 4), 0xffffffff);
	/* Moved to the very end of the ports, then below the window, where chips are. */
	set_bar(1, 0, 0xffc0, false);
	assert_int_equal(rig_in(&rig, 0xffff, 1), fake_value(0, 63, 1));
	assert_int_equal(rig_in(&rig, base, 1), 0xff);
	set_bar(1, 0, 0x0cc0, false);
	assert_int_equal(rig_in(&rig, 0x0cc0, 1), 0xff);
	set_bar(1, 0, 0, false);
	assert_int_equal(rig_in(&rig, 0, 4), 0xffffffff);
}

static void moving(void **state)
{
	uint64_t old = get_bar(1, 1, false);

	(void)state;
	set_bar(1, 1, 0xd0000000, false);
	expect_nobody(old, 4);
	expect_load(&fake, 1, 0xd0000ffc, 0xffc, 4);
	set_bar(1, 1, PCI_WINDOW_MEM_END - 4095, false);
	expect_load(&fake, 1, PCI_WINDOW_MEM_END, 4095, 1);
	/* 64 bits: low half first, then the high one. */
	set_bar(1, 2, RIG_MEM64 + 0x1234c000, true);
	expect_load(&fake, 2, RIG_MEM64 + 0x1234c008, 8, 8);
	set_bar(1, 2, RIG_MEM64 + RIG_MEM64_SIZE - 16 * KIB, true);
	expect_load(&fake, 2, RIG_MEM64 + RIG_MEM64_SIZE - 8, 16 * KIB - 8, 8);
}

/* Wherever a guest puts a BAR outside the windows, what is there stays as it was. */
static void outside_the_windows(void **state)
{
	static const uint64_t places[] = {
		0, 0x1000, 0xbffff000, PCI_ECAM, PCI_ECAM + 0x8000, 0xfec00000, 0xfee00000,
		0xfffff000, 0x100000000, RIG_MEM64 - 16 * KIB, RIG_MEM64 + RIG_MEM64_SIZE,
		UINT64_MAX << 14,
	};

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(places); i++) {
		set_bar(1, 2, places[i], true);
		set_bar(1, 1, places[i], false);
		rig_load(&rig, places[i], 4);
		rig_load(&rig, places[i] + 0xff8, 8);
		rig_store(&rig, places[i] + 0x100, 4, UINT32_MAX);
		assert_int_equal(fake.reads + fake.writes, 0);
		assert_int_equal(rig_load(&rig, rig_ecam(0, 1, 0), 4), 0x56781234);
	}
}

static void decoding_off(void **state)
{
	uint64_t base = get_bar(1, 1, false);
	uint16_t port = rig_read(&rig, 0, 1, 0x10, 2) & ~3u;
	unsigned int pm = rig_capability(&rig, 0, 1, PCI_CAP_ID_PM);

	(void)state;
	rig_write(&rig, 0, 1, PCI_COMMAND, 2, PCI_COMMAND_IO);
	expect_nobody(base, 4);
	assert_int_equal(rig_in(&rig, port, 1), fake_value(0, 0, 1));
	rig_write(&rig, 0, 1, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	expect_load(&fake, 1, base, 0, 4);
	assert_int_equal(rig_in(&rig, port, 1), 0xff);
	rig_write(&rig, 0, 1, PCI_COMMAND, 2, PCI_COMMAND_IO | PCI_COMMAND_MEMORY);
	/* D3hot, and back. */
	rig_write(&rig, 0, 1, pm + 4, 2, 3);
	expect_nobody(base, 4);
	assert_int_equal(rig_in(&rig, port, 1), 0xff);
	assert_int_equal(rig_read(&rig, 0, 1, 0, 4), 0x56781234);
	rig_write(&rig, 0, 1, pm + 4, 2, 0);
	expect_load(&fake, 1, base, 0, 4);
}

/* The lower slot wins, then the lower BAR; the loser has what the winner does not cover. */
static void overlaps(void **state)
{
	(void)state;
	set_bar(1, 1, 0xd0001000, false);
	set_bar(2, 2, 0xd0000000, true);
	expect_load(&other, 2, 0xd0000ff8, 0xff8, 8);
	expect_load(&fake, 1, 0xd0001000, 0, 8);
	/* Half in the winner: all of it is in the other one. */
	expect_load(&other, 2, 0xd0000ffc, 0xffc, 8);
	expect_load(&fake, 1, 0xd0001ff8, 0xff8, 8);
	expect_load(&other, 2, 0xd0001ffc, 0x1ffc, 8);
	set_bar(2, 1, 0xd0001000, false);
	expect_load(&fake, 1, 0xd0001000, 0, 4);
	rig_write(&rig, 0, 1, PCI_COMMAND, 2, 0);
	expect_load(&other, 1, 0xd0001000, 0, 4);
	set_bar(2, 1, 0xd8000000, false);
	/* Below it now: the table of MSI-X, of which the vectors are masked. */
	assert_int_equal(rig_load(&rig, 0xd000100c, 4), 1);
	assert_int_equal(other.offset, 0);
}

/* The table lies in BAR 2 and belongs to nobody else, whatever is put over it. */
static void msix_inside_a_bar(void **state)
{
	uint64_t base = get_bar(1, 2, true);
	unsigned int reads = fake.reads;

	(void)state;
	rig_store(&rig, base + 0x1000, 8, 0xfee00000);
	assert_int_equal(rig_load(&rig, base + 0x1000, 8), 0xfee00000);
	assert_int_equal(rig_load(&rig, base + 0x1800, 8), 0);
	assert_int_equal(fake.reads, reads);
	expect_load(&fake, 2, base + 0x0ff8, 0x0ff8, 8);
	expect_load(&fake, 2, base + 0x1040, 0x1040, 4);
	expect_load(&fake, 2, base + 0x1808, 0x1808, 4);
	/* The first byte decides. */
	expect_load(&fake, 2, base + 0x0ffc, 0x0ffc, 8);
	assert_int_equal(rig_load(&rig, base + 0x103c, 8), 1);
}

/* From inside, as virtio's configuration access capability does it: no decoding needed. */
static void by_the_device(void **state)
{
	(void)state;
	rig_write(&rig, 0, 1, PCI_COMMAND, 2, 0);
	assert_int_equal(pci_bar_read(fake.device, 1, 8, 4), fake_value(1, 8, 4));
	pci_bar_write(fake.device, 0, 4, 2, 0x12345);
	assert_int_equal(fake.value, 0x2345);
	assert_int_equal(pci_bar_read(fake.device, 2, 0x100c, 4), 1);
	fake.reads = 0;
	fake.writes = 0;
	assert_int_equal(pci_bar_read(fake.device, 1, 4094, 4), 0xffffffff);
	assert_int_equal(pci_bar_read(fake.device, 3, 0, 4), 0xffffffff);
	assert_int_equal(pci_bar_read(fake.device, 6, 0, 1), 0xff);
	assert_int_equal(pci_bar_read(fake.device, 1, UINT64_MAX, 2), 0xffff);
	pci_bar_write(fake.device, 1, UINT32_MAX, 4, 0);
	pci_bar_write(fake.device, 255, 0, 4, 0);
	assert_int_equal(fake.reads + fake.writes, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(sizing, setup, teardown),
		cmocka_unit_test_setup_teardown(every_width_and_edge, setup, teardown),
		cmocka_unit_test_setup_teardown(io, setup, teardown),
		cmocka_unit_test_setup_teardown(moving, setup, teardown),
		cmocka_unit_test_setup_teardown(outside_the_windows, setup, teardown),
		cmocka_unit_test_setup_teardown(decoding_off, setup, teardown),
		cmocka_unit_test_setup_teardown(overlaps, setup, teardown),
		cmocka_unit_test_setup_teardown(msix_inside_a_bar, setup, teardown),
		cmocka_unit_test_setup_teardown(by_the_device, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
