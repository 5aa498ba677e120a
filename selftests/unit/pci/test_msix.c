// SPDX-License-Identifier: GPL-2.0-or-later
/* Messages: sent, held back, pending, by call and by eventfd.  INTA# beside them. */
#include <sys/eventfd.h>
#include <unistd.h>

#include "rig.h"

#define TABLE		0x1000u
#define PBA		0x1800u
#define ENABLE		0x8000u
#define MASK_ALL	0x4000u
#define ADDRESS(n)	(0xfee00000u + ((n) << 12))
#define DATA(n)		(0x4030u + (n))

static struct rig rig;
static struct fake fake;
static uint64_t bar;
static unsigned int msix;
static int fds[2];

static void start(bool eventfds)
{
	struct pci_device_config config = fake_config();

	rig_new(&rig, 0, eventfds);
	fake_new(&fake, &config);
	for (unsigned int i = 0; i < G_N_ELEMENTS(fds); i++) {
		fds[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		assert_int_equal(pci_add_irqfd(fake.device, fds[i]), i);
	}
	assert_true(pci_host_attach(rig.host, fake.device, NULL));
	pci_host_assign(rig.host);
	bar = rig_read(&rig, 0, 1, 0x18, 4) & ~0xfu;
	msix = rig_capability(&rig, 0, 1, PCI_CAP_ID_MSIX);
	rig_write(&rig, 0, 1, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

static int setup(void **state)
{
	(void)state;
	start(true);
	return 0;
}

static int setup_without_eventfds(void **state)
{
	(void)state;
	start(false);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fake_free(&fake, &rig);
	rig_free(&rig);
	for (unsigned int i = 0; i < G_N_ELEMENTS(fds); i++)
		close(fds[i]);
	return 0;
}

static void control(uint16_t flags)
{
	rig_write(&rig, 0, 1, msix + 2, 2, flags);
}

static void program(unsigned int vector)
{
	rig_store(&rig, bar + TABLE + 16 * vector, 4, ADDRESS(vector));
	rig_store(&rig, bar + TABLE + 16 * vector + 4, 4, 0);
	rig_store(&rig, bar + TABLE + 16 * vector + 8, 4, DATA(vector));
}

static void mask(unsigned int vector, bool masked)
{
	rig_store(&rig, bar + TABLE + 16 * vector + 12, 4, masked);
}

static uint64_t pending(void)
{
	return rig_load(&rig, bar + PBA, 8);
}

static void kick(unsigned int fd)
{
	uint64_t one = 1;

	assert_int_equal(write(fds[fd], &one, sizeof(one)), sizeof(one));
}

static void after_reset(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 4; i++) {
		assert_int_equal(rig_load(&rig, bar + TABLE + 16 * i, 8), 0);
		assert_true(rig_load(&rig, bar + TABLE + 16 * i + 8, 8) == 1ull << 32);
	}
	assert_false(pci_msix_enabled(fake.device));
	pci_msix_notify(fake.device, 0);
	assert_int_equal(pending(), 0);
	rig_expect_no_message(&rig);
}

static void messages(void **state)
{
	(void)state;
	control(ENABLE);
	assert_true(pci_msix_enabled(fake.device));
	for (unsigned int i = 0; i < 4; i++) {
		program(i);
		mask(i, false);
		pci_msix_notify(fake.device, i);
		rig_expect_message(&rig, ADDRESS(i), DATA(i));
	}
	pci_msix_notify(fake.device, 4);
	pci_msix_notify(fake.device, 64);
	pci_msix_notify(fake.device, PCI_NO_VECTOR);
	rig_expect_no_message(&rig);
	assert_int_equal(pending(), 0);
}

static void mask_pending_unmask(void **state)
{
	(void)state;
	control(ENABLE);
	program(1);
	pci_msix_notify(fake.device, 1);
	pci_msix_notify(fake.device, 1);
	pci_msix_notify(fake.device, 3);
	rig_expect_no_message(&rig);
	assert_int_equal(pending(), 0xa);
	mask(1, false);
	rig_expect_message(&rig, ADDRESS(1), DATA(1));
	assert_int_equal(pending(), 0x8);
	/* The pending bits are not the guest's to write. */
	rig_store(&rig, bar + PBA, 8, 0xff);
	assert_int_equal(pending(), 0x8);
	rig_store(&rig, bar + PBA, 8, 0);
	assert_int_equal(pending(), 0x8);
	mask(1, true);
	mask(1, false);
	rig_expect_no_message(&rig);
}

static void function_mask_and_bus_master(void **state)
{
	(void)state;
	program(2);
	control(ENABLE | MASK_ALL);
	mask(2, false);
	pci_msix_notify(fake.device, 2);
	rig_expect_no_message(&rig);
	assert_int_equal(pending(), 0x4);
	control(ENABLE);
	rig_expect_message(&rig, ADDRESS(2), DATA(2));
	rig_write(&rig, 0, 1, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	assert_false(pci_bus_master(fake.device));
	pci_msix_notify(fake.device, 2);
	rig_expect_no_message(&rig);
	rig_write(&rig, 0, 1, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	assert_true(pci_bus_master(fake.device));
	rig_expect_message(&rig, ADDRESS(2), DATA(2));
	/* What waits when MSI-X is turned off is gone. */
	mask(2, true);
	pci_msix_notify(fake.device, 2);
	control(0);
	control(ENABLE);
	mask(2, false);
	rig_expect_no_message(&rig);
}

/* Bytes, words and whole entries; undefined bits read as zero. */
static void table_accesses(void **state)
{
	uint64_t entry = bar + TABLE + 16;

	(void)state;
	rig_store(&rig, entry, 8, UINT64_MAX);
	assert_true(rig_load(&rig, entry, 8) == 0xfffffffffffffffc);
	rig_store(&rig, entry + 8, 8, UINT64_MAX);
	assert_true(rig_load(&rig, entry + 8, 8) == 0x1ffffffff);
	rig_store(&rig, entry + 9, 1, 0x55);
	assert_int_equal(rig_load(&rig, entry + 8, 4), 0xffff55ff);
	rig_store(&rig, entry + 6, 4, 0x11223344);
	assert_true(rig_load(&rig, entry, 8) == 0x3344fffffffffffc);
	assert_int_equal(rig_load(&rig, entry + 8, 2), 0x1122);
	rig_store(&rig, entry + 12, 1, 0);
	rig_store(&rig, entry + 13, 2, 0xffff);
	assert_int_equal(rig_load(&rig, entry + 12, 4), 0);
	/* Over the end of the table. */
	rig_store(&rig, bar + TABLE + 63, 8, UINT64_MAX);
	assert_int_equal(rig_load(&rig, bar + TABLE + 60, 8), 1);
	assert_int_equal(fake.reads + fake.writes, 0);
}

static void eventfds(void **state)
{
	(void)state;
	assert_true(pci_has_irqfd(fake.device));
	control(ENABLE);
	program(0);
	mask(0, false);
	program(1);
	assert_int_equal(rig.irqfd_count, 0);
	pci_irqfd_route(fake.device, 0, 0);
	pci_irqfd_route(fake.device, 1, 1);
	assert_int_equal(rig.irqfd_count, 1);
	assert_int_equal(rig.irqfds[0].fd, fds[0]);
	assert_int_equal(rig.irqfds[0].address, ADDRESS(0));
	assert_int_equal(rig.irqfds[0].data, DATA(0));
	/* The second one is masked: its count is a pending bit. */
	assert_int_equal(pending(), 0);
	kick(1);
	assert_int_equal(pending(), 0x2);
	mask(1, false);
	assert_int_equal(rig.irqfd_count, 2);
	assert_int_equal(pending(), 0);
	mask(0, true);
	assert_int_equal(rig.irqfd_count, 1);
	assert_int_equal(rig.irqfds[0].fd, fds[1]);
	/* Another message for a bound one, and one that no APIC takes. */
	rig_store(&rig, bar + TABLE + 16 + 8, 4, 0x77);
	assert_int_equal(rig.irqfd_count, 1);
	assert_int_equal(rig.irqfds[0].data, 0x77);
	rig_store(&rig, bar + TABLE + 16, 4, 0x1000);
	assert_int_equal(rig.irqfd_count, 0);
	rig_store(&rig, bar + TABLE + 16, 4, ADDRESS(1));
	assert_int_equal(rig.irqfd_count, 1);
	/* To no vector, to one that does not exist, and two to one. */
	pci_irqfd_route(fake.device, 1, PCI_NO_VECTOR);
	assert_int_equal(rig.irqfd_count, 0);
	pci_irqfd_route(fake.device, 1, 4);
	assert_int_equal(rig.irqfd_count, 0);
	mask(0, false);
	pci_irqfd_route(fake.device, 1, 0);
	assert_int_equal(rig.irqfd_count, 2);
	control(ENABLE | MASK_ALL);
	assert_int_equal(rig.irqfd_count, 0);
	control(ENABLE);
	assert_int_equal(rig.irqfd_count, 2);
	rig_write(&rig, 0, 1, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	assert_int_equal(rig.irqfd_count, 0);
	rig_write(&rig, 0, 1, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	assert_int_equal(rig.irqfd_count, 2);
	control(0);
	assert_int_equal(rig.irqfd_count, 0);
	control(ENABLE);
	/* Teardown sees that nothing stays bound. */
	assert_int_equal(rig.irqfd_count, 2);
}

static void no_eventfds(void **state)
{
	(void)state;
	assert_false(pci_has_irqfd(fake.device));
	control(ENABLE);
	program(0);
	mask(0, false);
	pci_irqfd_route(fake.device, 0, 0);
	pci_msix_notify(fake.device, 0);
	rig_expect_message(&rig, ADDRESS(0), DATA(0));
}

static void intx(void **state)
{
	struct fake fifth[4];

	(void)state;
	pci_intx_set(fake.device, true);
	assert_int_equal(rig.line[1], 1);
	assert_int_equal(rig_read(&rig, 0, 1, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT,
			 PCI_STATUS_INTERRUPT);
	rig_write(&rig, 0, 1, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_INTX_DISABLE);
	assert_int_equal(rig.line[1], 0);
	assert_int_equal(rig_read(&rig, 0, 1, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT,
			 PCI_STATUS_INTERRUPT);
	rig_write(&rig, 0, 1, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	assert_int_equal(rig.line[1], 1);
	control(ENABLE);
	assert_int_equal(rig.line[1], 0);
	control(0);
	assert_int_equal(rig.line[1], 1);
	/* Slot 5 shares the line. */
	for (unsigned int i = 0; i < 4; i++)
		fake_attach(&fifth[i], &rig);
	pci_intx_set(fifth[3].device, true);
	pci_intx_set(fake.device, false);
	assert_int_equal(rig.line[1], 1);
	pci_intx_set(fifth[0].device, true);
	assert_int_equal(rig.line[2], 1);
	pci_intx_set(fifth[3].device, false);
	assert_int_equal(rig.line[1], 0);
	/* Who leaves lets go of the line. */
	for (unsigned int i = 0; i < 4; i++)
		fake_free(&fifth[i], &rig);
	assert_int_equal(rig.line[2], 0);
	assert_int_equal(rig_read(&rig, 0, 1, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(after_reset, setup, teardown),
		cmocka_unit_test_setup_teardown(messages, setup, teardown),
		cmocka_unit_test_setup_teardown(mask_pending_unmask, setup, teardown),
		cmocka_unit_test_setup_teardown(function_mask_and_bus_master, setup, teardown),
		cmocka_unit_test_setup_teardown(table_accesses, setup, teardown),
		cmocka_unit_test_setup_teardown(eventfds, setup, teardown),
		cmocka_unit_test_setup_teardown(no_eventfds, setup_without_eventfds, teardown),
		cmocka_unit_test_setup_teardown(intx, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
