// SPDX-License-Identifier: GPL-2.0-or-later
/* Doorbells follow their BAR, and are not bound where another BAR answers. */
#include "rig.h"

static struct rig rig;
static struct fake first, second;

/* Two words at one place that differ by value, and four bytes in memory. */
static void new_with_doorbells(struct fake *fake, int fd)
{
	const struct pci_doorbell doorbells[] = {
		{ .bar = 0, .offset = 16, .size = 2, .value = 0, .fd = fd },
		{ .bar = 0, .offset = 16, .size = 2, .value = 1, .fd = fd + 1 },
		{ .bar = 1, .offset = 0x80, .size = 4, .any = true, .fd = fd + 2 },
	};
	struct pci_device_config config = fake_config();

	fake_new(fake, &config);
	for (unsigned int i = 0; i < G_N_ELEMENTS(doorbells); i++)
		assert_int_equal(pci_add_doorbell(fake->device, &doorbells[i]), i);
	assert_true(pci_host_attach(rig.host, fake->device, NULL));
}

static int setup(void **state)
{
	(void)state;
	rig_new(&rig, 0, true);
	new_with_doorbells(&first, 100);
	new_with_doorbells(&second, 200);
	pci_host_assign(rig.host);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fake_free(&first, &rig);
	fake_free(&second, &rig);
	rig_free(&rig);
	return 0;
}

static const struct pci_ioeventfd *bound(int fd)
{
	for (unsigned int i = 0; i < rig.ioeventfd_count; i++)
		if (rig.ioeventfds[i].fd == fd)
			return &rig.ioeventfds[i];
	return NULL;
}

static uint32_t get_bar(unsigned int slot, unsigned int bar)
{
	return rig_read(&rig, 0, slot, 0x10 + 4 * bar, 4) & ~3u;
}

static void set_bar(unsigned int slot, unsigned int bar, uint32_t address)
{
	rig_write(&rig, 0, slot, 0x10 + 4 * bar, 4, address);
}

static void enabling(void **state)
{
	(void)state;
	assert_int_equal(rig.ioeventfd_count, 0);
	pci_doorbell_enable(first.device, 0, true);
	pci_doorbell_enable(first.device, 0, true);
	assert_int_equal(rig.ioeventfd_count, 1);
	assert_non_null(bound(100));
	assert_int_equal(bound(100)->space, PCI_SPACE_IO);
	assert_int_equal(bound(100)->address, get_bar(1, 0) + 16);
	assert_int_equal(bound(100)->size, 2);
	assert_false(bound(100)->any);
	pci_doorbell_enable(first.device, 1, true);
	assert_int_equal(bound(101)->value, 1);
	pci_doorbell_enable(first.device, 2, true);
	assert_int_equal(bound(102)->space, PCI_SPACE_MEMORY);
	assert_int_equal(bound(102)->address, get_bar(1, 1) + 0x80);
	assert_true(bound(102)->any);
	pci_doorbell_enable(first.device, 0, false);
	assert_null(bound(100));
	assert_int_equal(rig.ioeventfd_count, 2);
}

static void following(void **state)
{
	(void)state;
	pci_doorbell_enable(first.device, 0, true);
	pci_doorbell_enable(first.device, 2, true);
	set_bar(1, 0, 0x7000);
	assert_int_equal(bound(100)->address, 0x7010);
	set_bar(1, 0, 0x0800);
	assert_null(bound(100));
	assert_non_null(bound(102));
	rig_write(&rig, 0, 1, PCI_COMMAND, 2, PCI_COMMAND_IO);
	assert_null(bound(102));
	set_bar(1, 0, 0x7000);
	assert_int_equal(bound(100)->address, 0x7010);
	rig_write(&rig, 0, 1, PCI_COMMAND, 2, 0);
	assert_int_equal(rig.ioeventfd_count, 0);
}

/* Two functions at one place: the first slot's doorbells only; then they change places. */
static void shadowing(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 3; i++) {
		pci_doorbell_enable(first.device, i, true);
		pci_doorbell_enable(second.device, i, true);
	}
	assert_int_equal(rig.ioeventfd_count, 6);
	set_bar(2, 0, get_bar(1, 0));
	assert_int_equal(rig.ioeventfd_count, 4);
	assert_null(bound(200));
	assert_null(bound(201));
	set_bar(2, 1, get_bar(1, 1));
	assert_null(bound(202));
	rig_write(&rig, 0, 1, PCI_COMMAND, 2, 0);
	assert_int_equal(rig.ioeventfd_count, 3);
	assert_non_null(bound(200));
	rig_write(&rig, 0, 1, PCI_COMMAND, 2, 3);
	assert_int_equal(rig.ioeventfd_count, 3);
	assert_non_null(bound(100));
	assert_null(bound(200));
	/* The MSI-X table of the first over the doorbell of the second. */
	set_bar(2, 1, 0xd0000000);
	assert_non_null(bound(202));
	set_bar(1, 2, 0xcffff000 & ~0x3fffu);
	rig_write(&rig, 0, 1, 0x1c, 4, 0);
	set_bar(2, 1, 0xcfffd000);
	assert_null(bound(202));
}

static void by_exit_too(void **state)
{
	uint16_t port = get_bar(1, 0);

	(void)state;
	pci_doorbell_enable(first.device, 0, true);
	rig_out(&rig, port + 16, 2, 0);
	assert_int_equal(first.writes, 1);
	assert_int_equal(first.offset, 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(enabling, setup, teardown),
		cmocka_unit_test_setup_teardown(following, setup, teardown),
		cmocka_unit_test_setup_teardown(shadowing, setup, teardown),
		cmocka_unit_test_setup_teardown(by_exit_too, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
