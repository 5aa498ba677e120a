// SPDX-License-Identifier: GPL-2.0-or-later
/* Root ports: buses and windows, and a slot that is filled and emptied, as pciehp does it. */
#include "rig.h"

#define SLTCTL_ALL	(PCI_EXP_SLTCTL_ABPE | PCI_EXP_SLTCTL_PDCE | PCI_EXP_SLTCTL_HPIE | \
			 PCI_EXP_SLTCTL_DLLSCE)
#define MSI_ADDRESS	0xfee01000u
#define MSI_DATA	0x4025u

static struct rig rig;
static struct fake fake;
static unsigned int express;

static int setup(void **state)
{
	struct pci_device_config config = fake_config();

	(void)state;
	rig_new(&rig, 2, true);
	fake_new(&fake, &config);
	express = rig_capability(&rig, 0, 1, PCI_CAP_ID_EXP);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fake_free(&fake, pci_host_function(rig.host, 1, true) ? &rig : NULL);
	rig_free(&rig);
	return 0;
}

static uint16_t slot_status(void)
{
	return rig_read(&rig, 0, 1, express + PCI_EXP_SLTSTA, 2);
}

static void slot_control(uint16_t value)
{
	rig_write(&rig, 0, 1, express + PCI_EXP_SLTCTL, 2, value);
}

static void clear_status(uint16_t bits)
{
	rig_write(&rig, 0, 1, express + PCI_EXP_SLTSTA, 2, bits);
}

static bool link_up(void)
{
	return rig_read(&rig, 0, 1, express + PCI_EXP_LNKSTA, 2) & PCI_EXP_LNKSTA_DLLLA;
}

static void enable_msi(void)
{
	unsigned int msi = rig_capability(&rig, 0, 1, PCI_CAP_ID_MSI);

	rig_write(&rig, 0, 1, msi + PCI_MSI_ADDRESS_LO, 4, MSI_ADDRESS);
	rig_write(&rig, 0, 1, msi + PCI_MSI_ADDRESS_HI, 4, 0);
	rig_write(&rig, 0, 1, msi + PCI_MSI_DATA_64, 2, MSI_DATA);
	rig_write(&rig, 0, 1, msi + PCI_MSI_FLAGS, 2, PCI_MSI_FLAGS_ENABLE);
}

static void header(void **state)
{
	(void)state;
	assert_int_equal(rig_read(&rig, 0, 1, PCI_CLASS_REVISION, 4), 0x06040000);
	assert_int_equal(rig_read(&rig, 0, 1, PCI_HEADER_TYPE, 1), PCI_HEADER_TYPE_BRIDGE);
	assert_int_equal(rig_read(&rig, 0, 1, express, 4) >> 16, 0x0142);
	/* No BARs, and closed windows. */
	for (unsigned int reg = 0x10; reg < 0x18; reg += 4) {
		rig_write(&rig, 0, 1, reg, 4, 0xffffffff);
		assert_int_equal(rig_read(&rig, 0, 1, reg, 4), 0);
	}
	assert_int_equal(rig_read(&rig, 0, 1, PCI_IO_BASE, 2), 0x00f0);
	assert_int_equal(rig_read(&rig, 0, 1, PCI_MEMORY_BASE, 4), 0x0000fff0);
	assert_int_equal(rig_read(&rig, 0, 1, PCI_PREF_MEMORY_BASE, 4), 0x0001fff1);
	assert_int_equal(slot_status(), 0);
	assert_false(link_up());
	/* Slots are numbered from 1. */
	assert_int_equal(rig_read(&rig, 0, 2, express + PCI_EXP_SLTCAP, 4) >> 19, 2);
}

static void cold(void **state)
{
	uint64_t bar;

	(void)state;
	assert_true(pci_host_plug(rig.host, fake.device, NULL));
	pci_host_assign(rig.host);
	assert_int_equal(slot_status(), PCI_EXP_SLTSTA_PDS);
	assert_true(link_up());
	assert_int_equal(rig_read(&rig, 1, 0, 0, 4), 0x56781234);
	assert_int_equal(rig_load(&rig, rig_ecam(1, 0, 0), 4), 0x56781234);
	assert_int_equal(rig_read(&rig, 1, 1, 0, 4), 0xffffffff);
	assert_int_equal(rig_read(&rig, 2, 0, 0, 4), 0xffffffff);
	rig_capability(&rig, 1, 0, PCI_CAP_ID_EXP);
	bar = rig_read(&rig, 1, 0, 0x14, 4);
	assert_int_equal(rig_load(&rig, bar + 4, 4), fake_value(1, 4, 4));
	bar = (uint64_t)rig_read(&rig, 1, 0, 0x24, 4) << 32 | (rig_read(&rig, 1, 0, 0x20, 4) & ~15u);
	assert_int_equal(rig_load(&rig, bar, 2), fake_value(4, 0, 2));
	assert_int_equal(rig_in(&rig, rig_read(&rig, 1, 0, 0x10, 2) & ~3u, 1), fake_value(0, 0, 1));
	pci_intx_set(fake.device, true);
	assert_int_equal(rig.line[1], 1);
}

static void buses(void **state)
{
	(void)state;
	assert_true(pci_host_plug(rig.host, fake.device, NULL));
	pci_host_assign(rig.host);
	rig_write(&rig, 0, 1, PCI_SECONDARY_BUS, 1, 77);
	assert_int_equal(rig_read(&rig, 1, 0, 0, 4), 0xffffffff);
	assert_int_equal(rig_read(&rig, 77, 0, 0, 4), 0x56781234);
	/* Bus 0 stays what it is; two ports with one bus: the first has it. */
	rig_write(&rig, 0, 1, PCI_SECONDARY_BUS, 1, 0);
	assert_int_equal(rig_read(&rig, 0, 0, 0, 4), 0x00081b36);
	rig_write(&rig, 0, 1, PCI_SECONDARY_BUS, 1, 2);
	assert_int_equal(rig_read(&rig, 2, 0, 0, 4), 0x56781234);
}

static void windows(void **state)
{
	uint64_t reads;

	(void)state;
	assert_true(pci_host_plug(rig.host, fake.device, NULL));
	pci_host_assign(rig.host);
	reads = fake.reads;
	/* Out of the window, then half of the window away. */
	rig_write(&rig, 1, 0, 0x14, 4, 0xd0000000);
	assert_int_equal(rig_load(&rig, 0xd0000000, 4), 0xffffffff);
	rig_write(&rig, 0, 1, PCI_MEMORY_BASE, 4, 0xd000d000);
	assert_int_equal(rig_load(&rig, 0xd0000000, 4), fake_value(1, 0, 4));
	rig_write(&rig, 1, 0, 0x14, 4, 0xd00ff000);
	assert_int_equal(rig_load(&rig, 0xd00fffff, 1), fake_value(1, 0xfff, 1));
	rig_write(&rig, 1, 0, 0x14, 4, 0xd0100000);
	assert_int_equal(rig_load(&rig, 0xd0100000, 4), 0xffffffff);
	rig_write(&rig, 1, 0, 0x14, 4, 0xd0000000);
	rig_write(&rig, 0, 1, PCI_COMMAND, 2, PCI_COMMAND_IO);
	assert_int_equal(rig_load(&rig, 0xd0000000, 4), 0xffffffff);
	assert_int_equal(fake.reads, reads + 2);
	rig_write(&rig, 0, 1, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	assert_int_equal(rig_load(&rig, 0xd0000000, 4), fake_value(1, 0, 4));
	assert_int_equal(rig_in(&rig, rig_read(&rig, 1, 0, 0x10, 2) & ~3u, 1), 0xff);
}

/* A port that does not master its bus lets no message through, and then those that wait. */
static void bus_mastering(void **state)
{
	unsigned int msix;
	uint64_t bar;

	(void)state;
	assert_true(pci_host_plug(rig.host, fake.device, NULL));
	pci_host_assign(rig.host);
	msix = rig_capability(&rig, 1, 0, PCI_CAP_ID_MSIX);
	bar = rig_read(&rig, 1, 0, 0x18, 4) & ~15u;
	rig_write(&rig, 0, 1, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	rig_write(&rig, 1, 0, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	assert_false(pci_bus_master(fake.device));
	rig_write(&rig, 1, 0, msix + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE);
	rig_store(&rig, bar + 0x1000, 4, MSI_ADDRESS);
	rig_store(&rig, bar + 0x1008, 8, MSI_DATA);
	pci_msix_notify(fake.device, 0);
	rig_expect_no_message(&rig);
	rig_write(&rig, 0, 1, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	assert_true(pci_bus_master(fake.device));
	rig_expect_message(&rig, MSI_ADDRESS, MSI_DATA);
}

/* A port in D3hot reaches nothing. */
static void power_state(void **state)
{
	unsigned int pm = rig_capability(&rig, 0, 1, PCI_CAP_ID_PM);

	(void)state;
	assert_true(pci_host_plug(rig.host, fake.device, NULL));
	pci_host_assign(rig.host);
	rig_write(&rig, 0, 1, pm + PCI_PM_CTRL, 2, 3);
	assert_int_equal(rig_read(&rig, 1, 0, 0, 4), 0xffffffff);
	assert_int_equal(rig_load(&rig, 0xf7000000, 4), 0xffffffff);
	rig_write(&rig, 0, 1, pm + PCI_PM_CTRL, 2, 0);
	assert_int_equal(rig_read(&rig, 1, 0, 0, 4), 0x56781234);
}

static void bus_reset(void **state)
{
	(void)state;
	assert_true(pci_host_plug(rig.host, fake.device, NULL));
	pci_host_assign(rig.host);
	rig_write(&rig, 1, 0, PCI_INTERRUPT_LINE, 1, 0x55);
	rig_write(&rig, 0, 1, PCI_BRIDGE_CONTROL, 2, PCI_BRIDGE_CTL_BUS_RESET);
	assert_int_equal(fake.resets, 1);
	assert_int_equal(rig_read(&rig, 1, 0, PCI_INTERRUPT_LINE, 1), 0);
	assert_int_equal(rig_read(&rig, 1, 0, 0x14, 4), 0);
	assert_int_equal(rig_read(&rig, 1, 0, PCI_COMMAND, 2), 0);
	rig_write(&rig, 0, 1, PCI_BRIDGE_CONTROL, 2, PCI_BRIDGE_CTL_BUS_RESET);
	assert_int_equal(fake.resets, 1);
	rig_write(&rig, 0, 1, PCI_BRIDGE_CONTROL, 2, 0);
	assert_int_equal(rig_read(&rig, 1, 0, 0, 4), 0x56781234);
}

static void power_on(void)
{
	enable_msi();
	slot_control(SLTCTL_ALL | PCI_EXP_SLTCTL_PWR_OFF);
	assert_true(pci_host_plug(rig.host, fake.device, NULL));
	rig_expect_message(&rig, MSI_ADDRESS, MSI_DATA);
	assert_int_equal(slot_status(), PCI_EXP_SLTSTA_PDS | PCI_EXP_SLTSTA_PDC |
			 PCI_EXP_SLTSTA_ABP);
	assert_false(link_up());
	assert_int_equal(rig_read(&rig, 1, 0, 0, 4), 0xffffffff);
	clear_status(PCI_EXP_SLTSTA_PDC | PCI_EXP_SLTSTA_ABP);
	assert_int_equal(slot_status(), PCI_EXP_SLTSTA_PDS);
	slot_control(SLTCTL_ALL | PCI_EXP_SLTCTL_PWR_IND_BLINK | PCI_EXP_SLTCTL_PWR_ON);
	assert_true(link_up());
	rig_expect_message(&rig, MSI_ADDRESS, MSI_DATA);
	assert_int_equal(slot_status(), PCI_EXP_SLTSTA_PDS | PCI_EXP_SLTSTA_DLLSC);
	clear_status(PCI_EXP_SLTSTA_DLLSC);
	assert_int_equal(rig_read(&rig, 1, 0, 0, 4), 0x56781234);
}

static void hot_plug_and_unplug(void **state)
{
	struct fake again;
	struct pci_device_config config = fake_config();

	(void)state;
	pci_host_assign(rig.host);
	power_on();
	/* Writing zeros to status bits, or ones to others, does nothing. */
	assert_true(pci_host_unplug(rig.host, fake.device, NULL));
	rig_expect_message(&rig, MSI_ADDRESS, MSI_DATA);
	assert_int_equal(slot_status(), PCI_EXP_SLTSTA_PDS | PCI_EXP_SLTSTA_ABP);
	clear_status(PCI_EXP_SLTSTA_PDS);
	assert_int_equal(slot_status(), PCI_EXP_SLTSTA_PDS | PCI_EXP_SLTSTA_ABP);
	clear_status(PCI_EXP_SLTSTA_ABP);
	assert_int_equal(fake.removals, 0);
	slot_control(SLTCTL_ALL | PCI_EXP_SLTCTL_PWR_OFF);
	assert_int_equal(fake.removals, 1);
	assert_int_equal(fake.resets, 1);
	rig_expect_message(&rig, MSI_ADDRESS, MSI_DATA);
	assert_int_equal(slot_status(), PCI_EXP_SLTSTA_PDC | PCI_EXP_SLTSTA_DLLSC);
	assert_int_equal(rig_read(&rig, 1, 0, 0, 4), 0xffffffff);
	clear_status(0xffff);
	/* And the next one. */
	fake_new(&again, &config);
	assert_true(pci_host_plug(rig.host, again.device, NULL));
	rig_expect_message(&rig, MSI_ADDRESS, MSI_DATA);
	slot_control(SLTCTL_ALL);
	assert_int_equal(rig_read(&rig, 1, 0, 0, 4), 0x56781234);
	fake_free(&again, &rig);
}

/* A guest that turns a slot off by itself resets the function but keeps it. */
static void power_cycle(void **state)
{
	(void)state;
	pci_host_assign(rig.host);
	power_on();
	slot_control(SLTCTL_ALL | PCI_EXP_SLTCTL_PWR_OFF);
	assert_int_equal(fake.resets, 1);
	assert_int_equal(fake.removals, 0);
	assert_false(link_up());
	assert_true(slot_status() & PCI_EXP_SLTSTA_PDS);
	slot_control(SLTCTL_ALL);
	assert_true(link_up());
	assert_int_equal(rig_read(&rig, 1, 0, 0, 4), 0x56781234);
	rig_write(&rig, 0, 1, express + PCI_EXP_LNKCTL, 2, PCI_EXP_LNKCTL_LD);
	assert_false(link_up());
	rig_write(&rig, 0, 1, express + PCI_EXP_LNKCTL, 2, 0);
	assert_true(link_up());
}

static void surprise(void **state)
{
	(void)state;
	pci_host_assign(rig.host);
	power_on();
	pci_host_detach(rig.host, fake.device);
	rig_expect_message(&rig, MSI_ADDRESS, MSI_DATA);
	assert_int_equal(slot_status(), PCI_EXP_SLTSTA_PDC | PCI_EXP_SLTSTA_DLLSC);
	assert_int_equal(fake.removals, 0);
}

/* To the guest it has gone, but its driver can still reset it. */
static void pulled(void **state)
{
	uint64_t bar;

	(void)state;
	pci_host_assign(rig.host);
	power_on();
	rig_write(&rig, 1, 0, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	rig_write(&rig, 1, 0, 0x14, 4, rig_read(&rig, 0, 1, PCI_MEMORY_BASE, 2) << 16);
	bar = rig_read(&rig, 1, 0, 0x14, 4);
	pci_host_pull(fake.device);
	rig_expect_message(&rig, MSI_ADDRESS, MSI_DATA);
	assert_int_equal(slot_status(), PCI_EXP_SLTSTA_PDC | PCI_EXP_SLTSTA_DLLSC);
	assert_false(link_up());
	assert_int_equal(rig_read(&rig, 1, 0, 0, 4), 0xffffffff);
	assert_int_equal(rig_load(&rig, bar + 4, 4), fake_value(1, 4, 4));
	assert_int_equal(fake.removals, 0);
	/* To ask for what has gone does not bring it back. */
	assert_false(pci_host_unplug(rig.host, fake.device, NULL));
	assert_int_equal(slot_status(), PCI_EXP_SLTSTA_PDC | PCI_EXP_SLTSTA_DLLSC);
	assert_int_equal(rig_load(&rig, bar + 4, 4), fake_value(1, 4, 4));
	clear_status(0xffff);
	slot_control(SLTCTL_ALL | PCI_EXP_SLTCTL_PWR_OFF);
	assert_int_equal(fake.removals, 1);
	assert_int_equal(rig_load(&rig, bar + 4, 4), 0xffffffff);
}

static void interrupt_pin(void **state)
{
	(void)state;
	pci_host_assign(rig.host);
	slot_control(SLTCTL_ALL | PCI_EXP_SLTCTL_PWR_OFF);
	assert_true(pci_host_plug(rig.host, fake.device, NULL));
	assert_int_equal(rig.line[1], 1);
	rig_expect_no_message(&rig);
	slot_control(PCI_EXP_SLTCTL_PDCE | PCI_EXP_SLTCTL_PWR_OFF);
	assert_int_equal(rig.line[1], 0);
	/* As Linux has it: the button, not presence. */
	slot_control(PCI_EXP_SLTCTL_HPIE | PCI_EXP_SLTCTL_ABPE | PCI_EXP_SLTCTL_PWR_OFF);
	assert_int_equal(rig.line[1], 1);
	enable_msi();
	assert_int_equal(rig.line[1], 0);
	clear_status(PCI_EXP_SLTSTA_PDC | PCI_EXP_SLTSTA_ABP);
	assert_int_equal(rig.line[1], 0);
}

static void refusals(void **state)
{
	struct pci_device_config config = fake_config();
	g_autoptr(GError) none_free = NULL, off = NULL, fixed = NULL;
	struct fake others[3];

	(void)state;
	pci_host_assign(rig.host);
	for (unsigned int i = 0; i < G_N_ELEMENTS(others); i++)
		fake_new(&others[i], &config);
	assert_true(pci_host_plug(rig.host, fake.device, NULL));
	assert_true(pci_host_plug(rig.host, others[0].device, NULL));
	assert_false(pci_host_plug(rig.host, others[1].device, &none_free));
	assert_non_null(strstr(none_free->message, "none of the guest's 2 hot-plug slots"));
	assert_false(pci_host_unplug(rig.host, fake.device, &off));
	assert_non_null(strstr(off->message, "has not turned the device's slot on"));
	assert_true(pci_host_attach(rig.host, others[2].device, NULL));
	assert_false(pci_host_unplug(rig.host, others[2].device, &fixed));
	assert_non_null(strstr(fixed->message, "cannot be detached"));
	fake_free(&others[0], &rig);
	fake_free(&others[1], NULL);
	fake_free(&others[2], &rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(header, setup, teardown),
		cmocka_unit_test_setup_teardown(cold, setup, teardown),
		cmocka_unit_test_setup_teardown(buses, setup, teardown),
		cmocka_unit_test_setup_teardown(windows, setup, teardown),
		cmocka_unit_test_setup_teardown(bus_mastering, setup, teardown),
		cmocka_unit_test_setup_teardown(power_state, setup, teardown),
		cmocka_unit_test_setup_teardown(bus_reset, setup, teardown),
		cmocka_unit_test_setup_teardown(hot_plug_and_unplug, setup, teardown),
		cmocka_unit_test_setup_teardown(power_cycle, setup, teardown),
		cmocka_unit_test_setup_teardown(surprise, setup, teardown),
		cmocka_unit_test_setup_teardown(pulled, setup, teardown),
		cmocka_unit_test_setup_teardown(interrupt_pin, setup, teardown),
		cmocka_unit_test_setup_teardown(refusals, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
