// SPDX-License-Identifier: GPL-2.0-or-later
/* Saving and loading: all that a guest did comes back; what no guest could do is refused. */
#include <sys/eventfd.h>
#include <unistd.h>

#include "rig.h"

struct half {
	struct rig rig;
	struct fake fake;		/* in slot 2 */
	struct fake behind;		/* behind the port in slot 1 */
	int fd;
};

static struct half from, to;

static void start(struct half *half)
{
	struct pci_device_config config = fake_config();

	rig_new(&half->rig, 1, true);
	half->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	fake_new(&half->fake, &config);
	pci_add_irqfd(half->fake.device, half->fd);
	assert_true(pci_host_attach(half->rig.host, half->fake.device, NULL));
	fake_new(&half->behind, &config);
	assert_true(pci_host_plug(half->rig.host, half->behind.device, NULL));
}

static void stop(struct half *half)
{
	fake_free(&half->fake, &half->rig);
	fake_free(&half->behind, &half->rig);
	rig_free(&half->rig);
	close(half->fd);
}

static int setup(void **state)
{
	(void)state;
	start(&from);
	start(&to);
	pci_host_assign(from.rig.host);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	stop(&from);
	stop(&to);
	return 0;
}

static void copy(unsigned int slot, bool behind)
{
	g_autoptr(GError) error = NULL;
	struct pci_device_state state;

	pci_device_save(pci_host_function(from.rig.host, slot, behind), &state);
	if (!pci_device_load(pci_host_function(to.rig.host, slot, behind), &state, &error))
		fail_msg("%s", error->message);
}

static void round_trip(void **state)
{
	uint64_t bar = rig_read(&from.rig, 0, 2, 0x18, 4) & ~0xfu;
	unsigned int msix = rig_capability(&from.rig, 0, 2, PCI_CAP_ID_MSIX);
	struct pci_host_state host;
	uint64_t one = 1;

	(void)state;
	rig_write(&from.rig, 0, 2, PCI_COMMAND, 2, 7);
	rig_write(&from.rig, 0, 2, msix + 2, 2, PCI_MSIX_FLAGS_ENABLE);
	rig_store(&from.rig, bar + 0x1000, 4, 0xfee00000);
	rig_store(&from.rig, bar + 0x1008, 4, 0x4041);
	rig_store(&from.rig, bar + 0x100c, 4, 0);
	pci_irqfd_route(from.fake.device, 0, 3);
	assert_int_equal(write(from.fd, &one, sizeof(one)), sizeof(one));
	pci_intx_set(from.behind.device, true);
	rig_out(&from.rig, 0xcf8, 4, 0x80001234);
	for (unsigned int slot = 0; slot < 3; slot++)
		copy(slot, false);
	copy(1, true);
	pci_host_save(from.rig.host, &host);
	assert_true(pci_host_load(to.rig.host, &host, NULL));

	assert_int_equal(rig_in(&to.rig, 0xcf8, 4), 0x80001234);
	assert_int_equal(rig_load(&to.rig, bar, 4), fake_value(2, 0, 4));
	assert_int_equal(rig_load(&to.rig, bar + 0x1008, 8), 0x4041);
	/* The count of the eventfd came over as a pending bit. */
	assert_int_equal(rig_load(&to.rig, bar + 0x1800, 8), 0x8);
	pci_msix_notify(to.fake.device, 0);
	rig_expect_message(&to.rig, 0xfee00000, 0x4041);
	assert_int_equal(rig_read(&to.rig, 1, 0, 0, 4), 0x56781234);
	assert_int_equal(to.rig.line[1], 1);
	assert_int_equal(rig_load(&to.rig, rig_read(&to.rig, 1, 0, 0x14, 4), 4),
			 fake_value(1, 0, 4));
	for (unsigned int reg = 0; reg < 256; reg += 4)
		for (unsigned int slot = 0; slot < 3; slot++)
			assert_int_equal(rig_read(&to.rig, 0, slot, reg, 4),
					 rig_read(&from.rig, 0, slot, reg, 4));
	pci_intx_set(from.behind.device, false);
	pci_intx_set(to.behind.device, false);
}

static void refuse(const struct pci_device_state *state, const char *words)
{
	struct pci_device_state before, after;
	g_autoptr(GError) error = NULL;

	pci_device_save(to.fake.device, &before);
	assert_false(pci_device_load(to.fake.device, state, &error));
	assert_non_null(strstr(error->message, words));
	pci_device_save(to.fake.device, &after);
	assert_memory_equal(&before, &after, sizeof(before));
}

static void refusals(void **unused)
{
	struct pci_device_state good, bad;

	(void)unused;
	pci_device_save(from.fake.device, &good);
	bad = good;
	bad.config[PCI_DEVICE_ID] ^= 1;
	refuse(&bad, "differs at 0x02");
	bad = good;
	bad.config[0x14] = 0x80;	/* a smaller BAR */
	refuse(&bad, "differs at 0x14");
	bad = good;
	bad.config[0xff] = 1;
	refuse(&bad, "differs at 0xff");
	bad = good;
	bad.msix[1].control = 2;
	refuse(&bad, "vector 1");
	bad = good;
	bad.msix[2].address = 1;
	refuse(&bad, "vector 2");
	bad = good;
	bad.msix[4].data = 1;
	refuse(&bad, "vector 4");
	bad = good;
	bad.msix_pending[1] = 1;
	refuse(&bad, "vector 64");
	bad = good;
	bad.intx = 2;
	refuse(&bad, "flags");
	bad = good;
	bad.unplug = 1;			/* on the main bus */
	refuse(&bad, "flags");
	bad = good;
	bad.pad[5] = 1;
	refuse(&bad, "flags");
	assert_true(pci_device_load(to.fake.device, &good, NULL));
}

static void host_refusals(void **unused)
{
	struct pci_host_state bad = { .config_address = 0x01000000 };

	(void)unused;
	assert_false(pci_host_load(to.rig.host, &bad, NULL));
	bad = (struct pci_host_state){ .config_address = 0x80000001 };
	assert_false(pci_host_load(to.rig.host, &bad, NULL));
	bad = (struct pci_host_state){ .pad = 1 };
	assert_false(pci_host_load(to.rig.host, &bad, NULL));
}

/* Each byte of the structure belongs to one row, but for the padding. */
static void description(void **unused)
{
	uint8_t covered[sizeof(struct pci_device_state)] = { 0 };

	(void)unused;
	for (unsigned int i = 0; i < pci_state_field_count; i++) {
		const struct pci_state_field *field = &pci_state_fields[i];

		for (unsigned int n = 0; n < field->count; n++)
			for (unsigned int byte = 0; byte < field->width; byte++)
				covered[field->offset + n * field->stride + byte]++;
	}
	for (size_t i = 0; i < sizeof(covered); i++)
		assert_int_equal(covered[i], i < offsetof(struct pci_device_state, pad) ? 1 : 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(round_trip, setup, teardown),
		cmocka_unit_test_setup_teardown(refusals, setup, teardown),
		cmocka_unit_test_setup_teardown(host_refusals, setup, teardown),
		cmocka_unit_test(description),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
