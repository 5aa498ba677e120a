// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A guest that writes anything anywhere: ports, ECAM, windows, while functions come and go
 * and raise interrupts.  Sanitizers and the rig's own checks of bindings watch; after each
 * round what is constant must still be what it was, and a saved state must load again.
 */
#include <sys/eventfd.h>
#include <unistd.h>

#include "rig.h"

#define ROUNDS		200u
#define STEPS		8000u
#define PORTS		3u
#define COLD		3u

struct world {
	struct rig rig;
	struct fake cold[COLD];
	struct fake hot[PORTS];
	bool plugged[PORTS];
	int fd[COLD + PORTS];
	uint64_t seed;
};

static const struct pci_doorbell doorbells[] = {
	{ .bar = 0, .offset = 16, .size = 2, .value = 0, .fd = 1000 },
	{ .bar = 0, .offset = 16, .size = 2, .value = 1, .fd = 1001 },
	{ .bar = 1, .offset = 0, .size = 4, .any = true, .fd = 1002 },
	{ .bar = 4, .offset = 0x800, .size = 8, .value = 7, .fd = 1003 },
};

static uint64_t next(struct world *world)
{
	return rig_random(&world->seed);
}

static void make(struct world *world, struct fake *fake, int fd)
{
	struct pci_device_config config = fake_config();

	fake_new(fake, &config);
	for (unsigned int i = 0; i < G_N_ELEMENTS(doorbells); i++) {
		pci_add_doorbell(fake->device, &doorbells[i]);
		pci_doorbell_enable(fake->device, i, next(world) % 4);
	}
	pci_add_irqfd(fake->device, fd);
}

static void start(struct world *world)
{
	rig_new(&world->rig, PORTS, true);
	for (unsigned int i = 0; i < COLD + PORTS; i++)
		world->fd[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	for (unsigned int i = 0; i < COLD; i++) {
		make(world, &world->cold[i], world->fd[i]);
		assert_true(pci_host_attach(world->rig.host, world->cold[i].device, NULL));
	}
	pci_host_assign(world->rig.host);
}

/* A function that its guest let go is free to be made anew. */
static void sweep(struct world *world)
{
	for (unsigned int i = 0; i < PORTS; i++) {
		if (!world->plugged[i] || !world->hot[i].removals)
			continue;
		pci_device_free(world->hot[i].device);
		world->plugged[i] = false;
	}
}

static void stop(struct world *world)
{
	sweep(world);
	for (unsigned int i = 0; i < PORTS; i++)
		if (world->plugged[i])
			fake_free(&world->hot[i], &world->rig);
	memset(world->plugged, 0, sizeof(world->plugged));
	for (unsigned int i = 0; i < COLD; i++)
		fake_free(&world->cold[i], &world->rig);
	rig_free(&world->rig);
	for (unsigned int i = 0; i < COLD + PORTS; i++)
		close(world->fd[i]);
}

/* Addresses that do something are more likely than others. */
static uint64_t some_value(struct world *world)
{
	static const uint64_t values[] = {
		0, 1, 2, 7, 0xff, 0xffff, 0xffffffff, UINT64_MAX, 0xfee00000, 0xfee01000,
		0xc0000000, 0xc0004000, 0xd0000000, 0xf0000000, PCI_ECAM, RIG_MEM64, 0x1000,
		0x8000, 0x0400, 0x0407, 0x8000, 0xc000, 0xf7f0f700, 0x80f08080, 0x01010100,
	};
	uint64_t random = next(world);

	return random % 4 ? values[random / 4 % G_N_ELEMENTS(values)] : next(world);
}

static void config_ports(struct world *world, uint64_t random)
{
	unsigned int bus = random % 5, slot = random / 8 % 8, reg = random / 64 % 256;

	rig_out(&world->rig, 0xcf8, 4, random % 16 ? 0x80000000 | bus << 16 | slot << 11 | reg :
		random >> 32);
	rig_out(&world->rig, 0xcf8 + random / 65536 % 8, 1u << random / 1048576 % 3,
		some_value(world));
	rig_in(&world->rig, 0xcf8 + random / 4194304 % 8, 1u << random / 1048576 % 3);
}

static void ecam(struct world *world, uint64_t random)
{
	uint64_t at = rig_ecam(random % 5, random / 8 % 8, random / 64 % 264);

	if (random >> 60 == 0)
		at = PCI_ECAM + (random >> 20) % PCI_ECAM_SIZE;
	rig_store(&world->rig, at, 1u << random / 65536 % 4, some_value(world));
	rig_load(&world->rig, at, 1u << random / 65536 % 4);
}

static void windows(struct world *world, uint64_t random)
{
	uint64_t at = (random & 1 ? some_value(world) : PCI_WINDOW_MEM) + (random >> 8) % 0x8000;
	unsigned int size = 1u << random / 2 % 4;

	rig_store(&world->rig, at, size, some_value(world));
	rig_load(&world->rig, at, size);
	rig_out(&world->rig, at, MIN(size, 4), random >> 32);
	rig_in(&world->rig, at, MIN(size, 4));
}

/* What the VMM does meanwhile. */
static void interrupts(struct world *world, uint64_t random)
{
	unsigned int which = random % (COLD + PORTS);
	struct fake *fake = which < COLD ? &world->cold[which] : &world->hot[which - COLD];
	uint64_t one = 1;

	if (which >= COLD && !world->plugged[which - COLD])
		return;
	pci_msix_notify(fake->device, random / 16 % 6);
	pci_intx_set(fake->device, random & 1024);
	pci_irqfd_route(fake->device, 0, random / 2048 % 6);
	pci_doorbell_enable(fake->device, random / 32768 % G_N_ELEMENTS(doorbells), random & 8);
	assert_true(write(world->fd[which], &one, sizeof(one)) == sizeof(one));
}

static void hot_plug(struct world *world, uint64_t random)
{
	unsigned int i = random % PORTS;

	if (world->plugged[i]) {
		if (random & 256)
			pci_host_unplug(world->rig.host, world->hot[i].device, NULL);
		else if ((random & 1536) == 1024)
			pci_host_pull(world->hot[i].device);
		else if (random & 512) {
			fake_free(&world->hot[i], &world->rig);
			world->plugged[i] = false;
		}
		return;
	}
	make(world, &world->hot[i], world->fd[COLD + i]);
	world->plugged[i] = pci_host_plug(world->rig.host, world->hot[i].device, NULL);
	if (!world->plugged[i])
		fake_free(&world->hot[i], NULL);
}

static void step(struct world *world)
{
	uint64_t random = next(world);

	switch (random % 64) {
	case 0:
		hot_plug(world, random >> 8);
		break;
	case 1 ... 8:
		interrupts(world, random >> 8);
		break;
	case 9 ... 28:
		config_ports(world, random >> 8);
		break;
	case 29 ... 48:
		ecam(world, random >> 8);
		break;
	default:
		windows(world, random >> 8);
	}
	sweep(world);
}

static void check_constants(struct world *world)
{
	struct pci_device_state state;

	assert_int_equal(rig_read(&world->rig, 0, 0, 0, 4), 0x00081b36);
	for (unsigned int i = 0; i < PORTS; i++) {
		assert_int_equal(rig_read(&world->rig, 0, 1 + i, 0, 4), 0x000c1b36);
		assert_int_equal(rig_read(&world->rig, 0, 1 + i, 0x0e, 1), 1);
	}
	for (unsigned int i = 0; i < COLD; i++) {
		assert_int_equal(rig_read(&world->rig, 0, 1 + PORTS + i, 0, 4), 0x56781234);
		pci_device_save(world->cold[i].device, &state);
		assert_true(pci_device_load(world->cold[i].device, &state, NULL));
	}
	for (unsigned int i = 0; i < PORTS; i++) {
		struct pci_device *port = pci_host_function(world->rig.host, 1 + i, false);

		pci_device_save(port, &state);
		assert_true(pci_device_load(port, &state, NULL));
	}
}

static void anything_anywhere(void **state)
{
	struct world *world = g_new0(struct world, 1);
	unsigned int reached = 0;

	(void)state;
	world->seed = 0x243f6a8885a308d3;
	for (unsigned int round = 0; round < ROUNDS; round++) {
		start(world);
		for (unsigned int i = 0; i < STEPS; i++)
			step(world);
		check_constants(world);
		for (unsigned int i = 0; i < COLD; i++)
			reached += world->cold[i].reads > 0;
		stop(world);
	}
	/* The walk is no use if it never gets to a function. */
	assert_true(reached > ROUNDS);
	g_free(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(anything_anywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
