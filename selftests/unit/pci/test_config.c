// SPDX-License-Identifier: GPL-2.0-or-later
/* Configuration space: how it is reached, and what a write may change. */
#include "rig.h"

static struct rig rig;
static struct fake fake;

static int setup(void **state)
{
	(void)state;
	rig_new(&rig, 0, false);
	fake_attach(&fake, &rig);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fake_free(&fake, &rig);
	rig_free(&rig);
	return 0;
}

static void address_register(void **state)
{
	(void)state;
	rig_out(&rig, 0xcf8, 4, 0xffffffff);
	assert_int_equal(rig_in(&rig, 0xcf8, 4), 0x80fffffc);
	rig_out(&rig, 0xcf8, 4, 0);
	assert_int_equal(rig_in(&rig, 0xcf8, 4), 0);
	/* Without the enable bit nothing answers. */
	assert_int_equal(rig_in(&rig, 0xcfc, 4), 0xffffffff);
	rig_out(&rig, 0xcf8, 4, 0x80000000);
	assert_int_equal(rig_in(&rig, 0xcfc, 4), 0x00081b36);
	rig_out(&rig, 0xcf8, 4, 0x00000800 | 0x3c);
	rig_out(&rig, 0xcfc, 1, 5);
	assert_int_equal(rig_read(&rig, 0, 1, 0x3c, 1), 0);
}

/* Bytes and words at 0xcf8-0xcfb are not the address register's. */
static void narrow_accesses_pass(void **state)
{
	(void)state;
	rig_out(&rig, 0xcf8, 4, 0x80000800);
	rig_out(&rig, 0xcf9, 1, 0x5a);
	assert_int_equal(rig.port_cf9, 0x5a);
	assert_int_equal(rig_in(&rig, 0xcf9, 1), 0x5a);
	rig_out(&rig, 0xcf8, 1, 0x11);
	rig_out(&rig, 0xcf8, 2, 0x2222);
	rig_out(&rig, 0xcfb, 1, 0x01);
	rig_out(&rig, 0xcfb, 2, 0x3333);
	rig_out(&rig, 0xcf9, 4, 0x44444444);
	assert_int_equal(rig.port_cf9, 0x5a);
	assert_int_equal(rig_in(&rig, 0xcf8, 1), 0xff);
	assert_int_equal(rig_in(&rig, 0xcfa, 2), 0xffff);
	assert_int_equal(rig_in(&rig, 0xcf8, 4), 0x80000800);
}

static void every_width(void **state)
{
	(void)state;
	assert_int_equal(rig_read(&rig, 0, 1, 0, 4), 0x56781234);
	assert_int_equal(rig_read(&rig, 0, 1, 0, 2), 0x1234);
	assert_int_equal(rig_read(&rig, 0, 1, 1, 2), 0x7812);
	assert_int_equal(rig_read(&rig, 0, 1, 2, 2), 0x5678);
	for (unsigned int byte = 0; byte < 4; byte++)
		assert_int_equal(rig_read(&rig, 0, 1, byte, 1), 0x56781234 >> (8 * byte) & 0xff);
	assert_int_equal(rig_read(&rig, 0, 1, 8, 4), 0x01800007);
	assert_int_equal(rig_read(&rig, 0, 1, 0x2c, 4), 0xdef09abc);
	/* Over the end of the data register. */
	assert_int_equal(rig_read(&rig, 0, 1, 3, 2), 0xffff);
	assert_int_equal(rig_read(&rig, 0, 1, 2, 4), 0xffffffff);
	/* Only what is enabled is written. */
	rig_write(&rig, 0, 1, 0x0c, 4, 0x0000a55a);
	assert_int_equal(rig_read(&rig, 0, 1, 0x0c, 4), 0x0000a55a);
	rig_write(&rig, 0, 1, 0x0d, 1, 0x11);
	assert_int_equal(rig_read(&rig, 0, 1, 0x0c, 4), 0x0000115a);
	rig_write(&rig, 0, 1, 0x0c, 2, 0x2233);
	assert_int_equal(rig_read(&rig, 0, 1, 0x0c, 4), 0x00002233);
}

static void ecam(void **state)
{
	uint64_t at = rig_ecam(0, 1, 0);

	(void)state;
	assert_int_equal(rig_load(&rig, at, 4), 0x56781234);
	assert_int_equal(rig_load(&rig, at + 2, 1), 0x78);
	assert_true(rig_load(&rig, at, 8) == 0x0010000056781234);
	/* Any alignment: three dwords are touched. */
	assert_true(rig_load(&rig, at + 3, 8) == 0x8000070010000056);
	rig_store(&rig, at + 0x0b, 4, 0x00c0ffee);
	assert_int_equal(rig_load(&rig, at + 0x08, 8) >> 24, 0x00c0ff01);
	assert_int_equal(rig_load(&rig, at + 0x0e, 1), 0);
	/* Extended space is empty and cannot be written. */
	rig_store(&rig, at + 0x100, 8, UINT64_MAX);
	for (unsigned int reg = 0x100; reg < 0x1000; reg += 8)
		assert_int_equal(rig_load(&rig, at + reg, 8), 0);
	/* From the end of one function into nobody's. */
	assert_true(rig_load(&rig, at + 0xffc, 8) == 0xffffffff00000000);
}

static void nobody(void **state)
{
	(void)state;
	assert_int_equal(rig_read(&rig, 0, 2, 0, 4), 0xffffffff);
	assert_int_equal(rig_read(&rig, 0, 31, 0, 2), 0xffff);
	assert_int_equal(rig_read(&rig, 1, 0, 0, 4), 0xffffffff);
	assert_int_equal(rig_read(&rig, 255, 1, 0, 4), 0xffffffff);
	rig_write(&rig, 0, 2, 4, 4, 0x7);
	/* Functions 1..7 of a slot that has function 0. */
	for (unsigned int function = 1; function < 8; function++) {
		rig_out(&rig, 0xcf8, 4, 0x80000800 | function << 8);
		assert_int_equal(rig_in(&rig, 0xcfc, 4), 0xffffffff);
		assert_int_equal(rig_load(&rig, rig_ecam(0, 1, 0) | function << 12, 4), 0xffffffff);
	}
	/* The ECAM has one bus here; the next one is not decoded. */
	assert_int_equal(rig_load(&rig, rig_ecam(1, 0, 0), 4), 0xffffffff);
	assert_int_equal(rig_load(&rig, rig_ecam(1, 0, 0) - 4, 8), UINT64_MAX);
}

/* All ones, then all zeros, everywhere: what changes is what may. */
static void masks(void **state)
{
	static const struct {
		unsigned int reg;
		uint32_t ones;
		uint32_t zeros;
	} header[] = {
		{ 0x00, 0x56781234, 0x56781234 },
		{ 0x04, 0x00100547, 0x00100000 },
		{ 0x08, 0x01800007, 0x01800007 },
		{ 0x0c, 0x0000ffff, 0x00000000 },
		{ 0x10, 0x0000ffc1, 0x00000001 },
		{ 0x14, 0xfffff000, 0x00000000 },
		{ 0x18, 0xffffc004, 0x00000004 },
		{ 0x1c, 0xffffffff, 0x00000000 },
		{ 0x20, 0xfff0000c, 0x0000000c },
		{ 0x24, 0xffffffff, 0x00000000 },
		{ 0x28, 0x00000000, 0x00000000 },
		{ 0x2c, 0xdef09abc, 0xdef09abc },
		{ 0x30, 0x00000000, 0x00000000 },
		{ 0x34, 0x00000040, 0x00000040 },
		{ 0x38, 0x00000000, 0x00000000 },
		{ 0x3c, 0x000001ff, 0x00000100 },
	};

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(header); i++) {
		rig_write(&rig, 0, 1, header[i].reg, 4, 0xffffffff);
		assert_int_equal(rig_read(&rig, 0, 1, header[i].reg, 4), header[i].ones);
	}
	for (size_t i = 0; i < G_N_ELEMENTS(header); i++) {
		rig_write(&rig, 0, 1, header[i].reg, 4, 0);
		assert_int_equal(rig_read(&rig, 0, 1, header[i].reg, 4), header[i].zeros);
	}
	assert_int_equal(fake.reads + fake.writes, 0);
}

static void capabilities(void **state)
{
	unsigned int pm = rig_capability(&rig, 0, 1, PCI_CAP_ID_PM);
	unsigned int msix = rig_capability(&rig, 0, 1, PCI_CAP_ID_MSIX);

	(void)state;
	assert_int_equal(rig_read(&rig, 0, 1, pm + 2, 2), 0x0003);
	rig_write(&rig, 0, 1, pm, 4, 0xffffffff);
	rig_write(&rig, 0, 1, pm + 4, 4, 0xffffffff);
	assert_int_equal(rig_read(&rig, 0, 1, pm + 2, 2), 0x0003);
	assert_int_equal(rig_read(&rig, 0, 1, pm + 4, 4), 0x0000000b);
	rig_write(&rig, 0, 1, msix, 4, 0xffffffff);
	assert_int_equal(rig_read(&rig, 0, 1, msix + 2, 2), 0xc003);
	rig_write(&rig, 0, 1, msix + 4, 4, 0xffffffff);
	rig_write(&rig, 0, 1, msix + 8, 4, 0xffffffff);
	assert_int_equal(rig_read(&rig, 0, 1, msix + 4, 4), 0x1002);
	assert_int_equal(rig_read(&rig, 0, 1, msix + 8, 4), 0x1802);
	/* The space behind the last capability is empty. */
	rig_write(&rig, 0, 1, 0xfc, 4, 0xffffffff);
	assert_int_equal(rig_read(&rig, 0, 1, 0xfc, 4), 0);
}

/* A vendor's capability with a hook: the function sees each access, and what was written. */
static void hooks(void **state)
{
	static const uint8_t body[] = { 10, 1, 2, 3, 4, 5, 6, 7 };
	static const uint8_t writable[] = { 0, 0, 0xf0, 0, 0xff, 0xff, 0xff, 0xff };
	const struct pci_capability capability = {
		.id = PCI_CAP_ID_VNDR, .body = body, .writable = writable,
		.length = sizeof(body), .hooked = true,
	};
	struct pci_device_config config = fake_config();
	struct fake hooked;
	unsigned int at;

	(void)state;
	fake_new(&hooked, &config);
	at = pci_add_capability(hooked.device, &capability);
	assert_true(pci_host_attach(rig.host, hooked.device, NULL));
	assert_int_equal(rig_capability(&rig, 0, 2, PCI_CAP_ID_VNDR), at);
	hooked.hook_reads = 0;
	assert_int_equal(rig_read(&rig, 0, 2, at + 8, 2), 0x0706);
	assert_int_equal(hooked.hook_reads, 1);
	assert_int_equal(hooked.capability, at);
	assert_int_equal(hooked.reg, 8);
	assert_int_equal(hooked.enables, 0x3);
	rig_write(&rig, 0, 2, at + 6, 2, 0xabcd);
	assert_int_equal(hooked.hook_writes, 1);
	assert_int_equal(hooked.reg, 4);
	assert_int_equal(hooked.enables, 0xc);
	assert_memory_equal(pci_capability_bytes(hooked.device, at) + 6, "\xcd\xab", 2);
	rig_write(&rig, 0, 2, at + 4, 1, 0xff);
	assert_int_equal(pci_capability_bytes(hooked.device, at)[4], 0xf2);
	rig_read(&rig, 0, 2, 0x40, 4);
	assert_int_equal(hooked.hook_writes + hooked.hook_reads, 3);
	fake_free(&hooked, &rig);
}

static void all_slots(void **state)
{
	struct pci_device_config config = fake_config();
	struct fake others[PCI_SLOTS - 2], too_many;
	g_autoptr(GError) error = NULL;

	(void)state;
	for (unsigned int i = 0; i < G_N_ELEMENTS(others); i++)
		fake_attach(&others[i], &rig);
	fake_new(&too_many, &config);
	assert_false(pci_host_attach(rig.host, too_many.device, &error));
	assert_non_null(strstr(error->message, "all 32 slots"));
	assert_int_equal(rig_read(&rig, 0, 31, 0, 4), 0x56781234);
	for (unsigned int i = 0; i < G_N_ELEMENTS(others); i++)
		fake_free(&others[i], &rig);
	fake_free(&too_many, NULL);
	assert_int_equal(rig_read(&rig, 0, 31, 0, 4), 0xffffffff);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(address_register, setup, teardown),
		cmocka_unit_test_setup_teardown(narrow_accesses_pass, setup, teardown),
		cmocka_unit_test_setup_teardown(every_width, setup, teardown),
		cmocka_unit_test_setup_teardown(ecam, setup, teardown),
		cmocka_unit_test_setup_teardown(nobody, setup, teardown),
		cmocka_unit_test_setup_teardown(masks, setup, teardown),
		cmocka_unit_test_setup_teardown(capabilities, setup, teardown),
		cmocka_unit_test_setup_teardown(hooks, setup, teardown),
		cmocka_unit_test_setup_teardown(all_slots, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
