// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A guest that writes anything anywhere in configuration space, by ports and ECAM, and in the
 * windows, while functions come and go, raise interrupts and are given states of files.
 *
 * A second opinion of who decodes an address, made from the registers alone, is asked at each
 * access.  The rig of the unit tests has its own checks of what is bound in the kernel.
 */
#include <sys/eventfd.h>
#include <unistd.h>

#include "../../../vmm/pci/internal.h"
#include "../../unit/pci/rig.h"
#include "../input.h"

#define PORTS		3u
#define COLD		2u
#define FUNCTIONS	(COLD + PORTS)

struct world {
	struct input input;
	struct rig rig;
	struct fake fake[FUNCTIONS];	/* first those that are always there */
	bool made[FUNCTIONS];
	int fd[FUNCTIONS];
};

static const struct pci_doorbell doorbells[] = {
	{ .bar = 0, .offset = 16, .size = 2, .value = 0, .fd = 1000 },
	{ .bar = 0, .offset = 16, .size = 2, .value = 1, .fd = 1001 },
	{ .bar = 1, .offset = 0, .size = 4, .any = true, .fd = 1002 },
	{ .bar = 4, .offset = 0x800, .size = 8, .value = 7, .fd = 1003 },
};

/* ------------------------------------------------------------ functions */

static void make(struct world *world, unsigned int which)
{
	struct pci_device_config config = fake_config();
	static const uint8_t body[6], writable[6] = { 0, 0xff, 0xff, 0, 0xff, 0x0f };
	const struct pci_capability hooked = {
		.id = PCI_CAP_ID_VNDR, .body = body, .writable = writable, .length = sizeof(body),
		.hooked = true,
	};
	struct fake *fake = &world->fake[which];

	fake_new(fake, &config);
	pci_add_capability(fake->device, &hooked);
	for (unsigned int i = 0; i < G_N_ELEMENTS(doorbells); i++) {
		pci_add_doorbell(fake->device, &doorbells[i]);
		pci_doorbell_enable(fake->device, i, true);
	}
	pci_add_irqfd(fake->device, world->fd[which]);
	world->made[which] = true;
}

static void start(struct world *world)
{
	rig_new(&world->rig, PORTS, true);
	for (unsigned int i = 0; i < FUNCTIONS; i++)
		world->fd[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	for (unsigned int i = 0; i < COLD; i++) {
		make(world, i);
		CHECK(pci_host_attach(world->rig.host, world->fake[i].device, NULL));
	}
	/* One is behind its port from the start, and so has addresses. */
	make(world, COLD);
	CHECK(pci_host_plug(world->rig.host, world->fake[COLD].device, NULL));
	pci_host_assign(world->rig.host);
}

/* A function that its guest let go is free to be made anew. */
static void sweep(struct world *world)
{
	for (unsigned int i = COLD; i < FUNCTIONS; i++) {
		if (!world->made[i] || !world->fake[i].removals)
			continue;
		CHECK(world->fake[i].removals == 1);
		pci_device_free(world->fake[i].device);
		world->made[i] = false;
	}
}

static void stop(struct world *world)
{
	for (unsigned int i = 0; i < FUNCTIONS; i++) {
		if (world->made[i])
			fake_free(&world->fake[i], &world->rig);
		close(world->fd[i]);
	}
	rig_free(&world->rig);
}

/* ------------------------------------------------------------ who decodes what */

static bool inside(uint64_t first, uint64_t end, uint64_t base, uint64_t last)
{
	return base >= first && last <= end && base <= last;
}

static bool in_d0(const struct pci_device *device)
{
	return (device->state.config[device->pm + PCI_PM_CTRL] & PCI_PM_CTRL_STATE_MASK) == 0;
}

static uint64_t prefetch_address(const uint8_t *config, unsigned int low, unsigned int high)
{
	return (uint64_t)pci_get32(config, high) << 32 |
	       (uint64_t)(pci_get16(config, low) & PCI_PREF_RANGE_MASK & 0xffff) << 16;
}

static bool bridge_forwards(const struct pci_device *bridge, const struct pci_device *child,
			    bool io, uint64_t base, uint64_t last)
{
	const uint8_t *config = bridge->state.config;
	uint16_t link = pci_get16(config, bridge->express + PCI_EXP_LNKSTA);
	uint16_t command = pci_get16(config, PCI_COMMAND);

	if (!in_d0(bridge) || !((link & PCI_EXP_LNKSTA_DLLLA) || child->state.unplug == 2))
		return false;
	if (io)
		return (command & PCI_COMMAND_IO) &&
		       inside((config[PCI_IO_BASE] & 0xf0) << 8,
			      (config[PCI_IO_LIMIT] & 0xf0) << 8 | 0xfff, base, last);
	return (command & PCI_COMMAND_MEMORY) &&
	       (inside((uint64_t)(pci_get16(config, PCI_MEMORY_BASE) & 0xfff0) << 16,
		       (uint64_t)(pci_get16(config, PCI_MEMORY_LIMIT) & 0xfff0) << 16 | 0xfffff,
		       base, last) ||
		inside(prefetch_address(config, PCI_PREF_MEMORY_BASE, PCI_PREF_BASE_UPPER32),
		       prefetch_address(config, PCI_PREF_MEMORY_LIMIT, PCI_PREF_LIMIT_UPPER32) |
		       0xfffff, base, last));
}

static bool in_a_window(bool io, uint64_t base, uint64_t last)
{
	if (io)
		return inside(PCI_WINDOW_IO, PCI_WINDOW_IO_END, base, last);
	return inside(PCI_WINDOW_MEM, PCI_WINDOW_MEM_END, base, last) ||
	       inside(RIG_MEM64, RIG_MEM64 + RIG_MEM64_SIZE - 1, base, last);
}

/* Where a BAR of `device` is decoded; false: nowhere. */
static bool bar_range(const struct pci_device *device, unsigned int bar, uint64_t *base,
		      uint64_t *last)
{
	const struct pci_bar_config *kind = &device->config.bars[bar];
	const uint8_t *config = device->state.config;
	bool io = kind->kind == PCI_BAR_IO;

	if (kind->kind == PCI_BAR_NONE)
		return false;
	*base = pci_get32(config, PCI_BASE_ADDRESS_0 + 4 * bar);
	if (kind->kind == PCI_BAR_MEM64 || kind->kind == PCI_BAR_MEM64_PREFETCH)
		*base |= (uint64_t)pci_get32(config, PCI_BASE_ADDRESS_0 + 4 * bar + 4) << 32;
	*base &= io ? ~3ull : ~15ull;
	*last = *base + kind->size - 1;
	return (pci_get16(config, PCI_COMMAND) & (io ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY)) &&
	       in_d0(device) && in_a_window(io, *base, *last) &&
	       (!device->port ||
		bridge_forwards(device->port->function, device, io, *base, *last));
}

struct answer {
	struct fake *fake;
	unsigned int bar;
	uint64_t offset;
};

static bool answers(const struct pci_device *device, bool io, uint64_t address,
		    unsigned int size, struct answer *answer)
{
	uint64_t base, last;

	for (unsigned int bar = 0; device && bar < PCI_BARS; bar++) {
		if ((device->config.bars[bar].kind == PCI_BAR_IO) != io ||
		    !bar_range(device, bar, &base, &last) ||
		    !inside(base, last, address, address + size - 1))
			continue;
		*answer = (struct answer){ device->opaque, bar, address - base };
		return true;
	}
	return false;
}

/* Functions of bus 0 before those behind ports. */
static bool find(struct world *world, bool io, uint64_t address, unsigned int size,
		 struct answer *answer)
{
	struct pci_host *host = world->rig.host;

	for (unsigned int i = 0; i < COLD; i++)
		if (answers(world->fake[i].device, io, address, size, answer))
			return true;
	for (unsigned int i = 1; i <= PORTS; i++)
		if (answers(pci_host_function(host, i, true), io, address, size, answer))
			return true;
	return false;
}

static bool is_msix(const struct answer *answer)
{
	uint64_t offset = answer->offset;

	return answer->bar == 2 && ((offset >= 0x1000 && offset < 0x1040) ||
				    (offset >= 0x1800 && offset < 0x1808));
}

/* ------------------------------------------------------------ what must be so */

static unsigned int accesses(const struct world *world)
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < FUNCTIONS; i++)
		if (world->made[i])
			count += world->fake[i].reads + world->fake[i].writes;
	return count;
}

static void load(struct world *world, bool io, uint64_t address, unsigned int size)
{
	struct answer answer = { 0 };
	bool found = find(world, io, address, size, &answer);
	unsigned int before = accesses(world);
	uint64_t value;

	value = io ? rig_in(&world->rig, address, size) : rig_load(&world->rig, address, size);
	CHECK(accesses(world) == before + (found && !is_msix(&answer)));
	if (!found)
		CHECK(value == pci_ones(size));
	else if (!is_msix(&answer))
		CHECK(value == fake_value(answer.bar, answer.offset, size));
}

static void store(struct world *world, bool io, uint64_t address, unsigned int size,
		  uint64_t value)
{
	struct answer answer = { 0 };
	bool found = find(world, io, address, size, &answer);
	unsigned int before = accesses(world);

	if (io)
		rig_out(&world->rig, address, size, value);
	else
		rig_store(&world->rig, address, size, value);
	CHECK(accesses(world) == before + (found && !is_msix(&answer)));
	if (found && !is_msix(&answer))
		CHECK(answer.fake->bar == answer.bar && answer.fake->offset == answer.offset &&
		      answer.fake->size == size && answer.fake->value == (value & pci_ones(size)));
}

/* What the kernel takes from a guest must be the function's own at that moment. */
static void check_bound(struct world *world)
{
	struct answer answer;

	for (unsigned int i = 0; i < world->rig.ioeventfd_count; i++) {
		const struct pci_ioeventfd *bound = &world->rig.ioeventfds[i];

		CHECK(find(world, bound->space == PCI_SPACE_IO, bound->address, bound->size,
			   &answer));
		CHECK(answer.bar == doorbells[bound->fd - 1000].bar &&
		      answer.offset == doorbells[bound->fd - 1000].offset);
	}
	for (unsigned int i = 0; i < FUNCTIONS; i++) {
		const struct pci_device *device = world->made[i] ? world->fake[i].device : NULL;

		for (unsigned int k = 0; device && k < world->rig.irqfd_count; k++)
			if (world->rig.irqfds[k].fd == world->fd[i])
				CHECK(pci_msix_enabled(device) && pci_bus_master(device));
	}
}

static bool drives_pin(const struct pci_device *device)
{
	const uint8_t *config = device->state.config;
	bool messages = device->msi && (config[device->msi + PCI_MSI_FLAGS] & PCI_MSI_FLAGS_ENABLE);

	return device->state.intx && in_d0(device) && !messages && !pci_msix_enabled(device) &&
	       !(pci_get16(config, PCI_COMMAND) & PCI_COMMAND_INTX_DISABLE);
}

static void check_lines(struct world *world)
{
	bool level[PCI_INTX_LINES] = { false };

	for (unsigned int slot = 1; slot <= PORTS + COLD; slot++)
		for (unsigned int behind = 0; behind < 2; behind++) {
			const struct pci_device *device =
				pci_host_function(world->rig.host, slot, behind);

			if (device && drives_pin(device))
				level[slot % PCI_INTX_LINES] = true;
		}
	for (unsigned int i = 0; i < PCI_INTX_LINES; i++)
		CHECK(world->rig.line[i] == level[i]);
}

/* What the guest cannot change; the slot's presence. */
static void check_constants(struct world *world)
{
	CHECK(pci_get32(world->rig.host->bridge->state.config, 0) == 0x00081b36);
	for (unsigned int i = 1; i <= PORTS; i++) {
		struct pci_device *port = pci_host_function(world->rig.host, i, false);
		struct pci_device *child = pci_host_function(world->rig.host, i, true);
		uint16_t slot = pci_get16(port->state.config, port->express + PCI_EXP_SLTSTA);

		CHECK(pci_get32(port->state.config, 0) == 0x000c1b36);
		CHECK(port->state.config[PCI_HEADER_TYPE] == PCI_HEADER_TYPE_BRIDGE);
		CHECK(!!(slot & PCI_EXP_SLTSTA_PDS) == (child && child->state.unplug != 2));
	}
	for (unsigned int i = 0; i < FUNCTIONS; i++)
		if (world->made[i])
			CHECK(pci_get32(world->fake[i].device->state.config, 0) == 0x56781234);
}

/* ------------------------------------------------------------ the guest */

static uint64_t some_value(struct input *input)
{
	static const uint64_t values[] = {
		0, 1, 2, 7, 0xff, 0xffff, 0xffffffff, UINT64_MAX, 0xfee00000, 0xfee01000,
		0xc0000000, 0xc0004000, 0xd0000000, 0xf0000000, PCI_ECAM, RIG_MEM64, 0x1000,
		0x8000, 0x0400, 0x0407, 0xc000, 0xf7f0f700, 0x80f08080, 0x01010100,
	};
	uint8_t which = take8(input);

	if (which < G_N_ELEMENTS(values))
		return values[which];
	return take_value(input, which % 4 ? 4 : 8);
}

static unsigned int some_size(struct input *input, bool io)
{
	return 1u << take_below(input, io ? 3 : 4);
}

/* Mostly registers that do something. */
static unsigned int some_register(struct input *input)
{
	static const uint8_t registers[] = {
		PCI_COMMAND, PCI_BASE_ADDRESS_0, PCI_BASE_ADDRESS_1, PCI_BASE_ADDRESS_2,
		PCI_BASE_ADDRESS_3, PCI_BASE_ADDRESS_4, PCI_PRIMARY_BUS, PCI_IO_BASE,
		PCI_MEMORY_BASE, PCI_PREF_MEMORY_BASE, PCI_PREF_BASE_UPPER32,
		PCI_PREF_LIMIT_UPPER32, PCI_BRIDGE_CONTROL & ~3, 0x40, 0x44, 0x48, 0x4c, 0x50,
		0x54, 0x58, 0x5c, 0x60, 0x64, 0x68, 0x6c, 0x70, 0x74, 0x78, 0x7c, 0x80, 0x84,
	};
	uint8_t which = take8(input);

	if (which < 0xe0)
		return registers[which % G_N_ELEMENTS(registers)] + (which >> 6 == 2);
	return take_value(input, 2) % 4096;
}

static void config_ports(struct world *world)
{
	struct input *input = &world->input;
	unsigned int bus = take_below(input, PORTS + 2), slot = take_below(input, 8);
	unsigned int reg = some_register(input);
	uint8_t how = take8(input);

	rig_out(&world->rig, 0xcf8, 4, how & 0x80 ? take_value(input, 4) :
		0x80000000 | bus << 16 | slot << 11 | (reg & 0xfc));
	if (how & 1)
		rig_out(&world->rig, 0xcf8 + (how & 2 ? take_below(input, 8) : 4 + reg % 4),
			some_size(input, true), some_value(input));
	rig_in(&world->rig, 0xcf8 + (how & 4 ? take_below(input, 8) : 4), some_size(input, true));
}

static void ecam(struct world *world)
{
	struct input *input = &world->input;
	uint64_t at = PCI_ECAM + take_below(input, PORTS + 2) * PCI_ECAM_BUS_SIZE;
	uint8_t slot = take8(input);
	unsigned int size;

	at += (slot % 8 << 15) + (slot & 0x80 ? take_below(input, 8) << 12 : 0);
	at += some_register(input);
	size = some_size(input, false);
	if (slot & 0x40)
		rig_store(&world->rig, at, size, some_value(input));
	rig_load(&world->rig, at, size);
}

static void windows(struct world *world)
{
	struct input *input = &world->input;
	unsigned int which = take_below(input, FUNCTIONS), bar = take_below(input, PCI_BARS);
	bool io = bar == 0;
	uint64_t address = some_value(input);
	unsigned int size = some_size(input, io);
	uint64_t last;

	if (world->made[which])
		bar_range(world->fake[which].device, bar, &address, &last);
	address += take_below(input, 4) ? take_value(input, 2) % 0x2000 : take_value(input, 3);
	if (io)
		address &= 0xffff;
	if (io && address < PCI_WINDOW_IO)
		return;
	if (!io && address >= PCI_ECAM && address < PCI_ECAM + PCI_ECAM_SIZE)
		return;
	if (take8(input) & 1)
		store(world, io, address, size, some_value(input));
	load(world, io, address, size);
}

/* ------------------------------------------------------------ the VMM */

static void interrupts(struct world *world)
{
	struct input *input = &world->input;
	unsigned int which = take_below(input, FUNCTIONS);
	uint8_t how = take8(input);
	struct pci_device *device = world->fake[which].device;
	eventfd_t count;

	if (!world->made[which])
		return;
	if (how & 1)
		pci_msix_notify(device, take_below(input, 6));
	if (how & 2)
		pci_intx_set(device, how & 4);
	if (how & 8)
		pci_irqfd_route(device, 0, take_below(input, 6));
	if (how & 16)
		pci_doorbell_enable(device, take_below(input, G_N_ELEMENTS(doorbells)), how & 32);
	if (how & 64)
		eventfd_write(world->fd[which], 1);
	if (how & 128)
		eventfd_read(world->fd[which], &count);
}

static void hot_plug(struct world *world)
{
	struct input *input = &world->input;
	unsigned int which = COLD + take_below(input, PORTS);
	struct fake *fake = &world->fake[which];
	uint8_t how = take8(input);

	if (!world->made[which]) {
		make(world, which);
		CHECK(pci_host_plug(world->rig.host, fake->device, NULL));
	} else if (how & 1) {
		pci_host_unplug(world->rig.host, fake->device, NULL);
	} else if (how & 2) {
		pci_host_pull(fake->device);
	} else if (how & 4) {
		fake_free(fake, &world->rig);
		world->made[which] = false;
	}
}

/* A state that was saved, and damaged on its way: refused, or as good as any. */
static void saved_state(struct world *world)
{
	struct input *input = &world->input;
	unsigned int slot = take_below(input, PORTS + COLD + 1), changes = take_below(input, 4);
	struct pci_device *device = pci_host_function(world->rig.host, slot, take8(input) & 1);
	struct pci_device_state before, state, after;

	if (!device)
		return;
	pci_device_save(device, &before);
	state = before;
	for (unsigned int i = 0; i < changes; i++)
		((uint8_t *)&state)[take8(input) & 1 ? take_below(input, PCI_CONFIG_SIZE) :
				    take_value(input, 2) % sizeof(state)] ^= take8(input);
	if (pci_device_load(device, &state, NULL)) {
		pci_device_save(device, &after);
		CHECK(changes || !memcmp(&before, &after, sizeof(after)));
	} else {
		CHECK(changes);
		pci_device_save(device, &after);
		CHECK(!memcmp(&before, &after, sizeof(after)));
	}
}

static void save_bus(const struct pci_host *host, struct pci_device_state *states,
		     const struct pci_device_state **at)
{
	memset(states, 0, PCI_PLACES * sizeof(*states));
	for (unsigned int place = 0; place < PCI_PLACES; place++) {
		const struct pci_device *device = pci_host_at(host, place);

		at[place] = device ? &states[place] : NULL;
		if (!device)
			continue;
		CHECK(pci_device_place(device) == place);
		pci_device_save(device, &states[place]);
	}
}

/* All functions at once.  What is there now can always be loaded; else all or nothing. */
static void saved_bus(struct world *world)
{
	static struct pci_device_state states[PCI_PLACES], damaged[PCI_PLACES], after[PCI_PLACES];
	const struct pci_device_state *at[PCI_PLACES];
	struct pci_host *host = world->rig.host;
	struct input *input = &world->input;
	unsigned int changes = take_below(input, 3);
	struct pci_host_state host_state;

	pci_host_save(host, &host_state);
	save_bus(host, states, at);
	memcpy(damaged, states, sizeof(states));
	for (unsigned int place = 0; place < PCI_PLACES; place++)
		at[place] = at[place] ? &damaged[place] : NULL;
	for (unsigned int i = 0; i < changes; i++)
		((uint8_t *)&damaged[take_below(input, PORTS + COLD + 1) +
				     (take8(input) & 1 ? PCI_SLOTS : 0)])
			[take_below(input, PCI_CONFIG_SIZE)] ^= take8(input);
	if (pci_bus_load(host, &host_state, at, NULL)) {
		save_bus(host, after, at);
		CHECK(changes || !memcmp(states, after, sizeof(states)));
	} else {
		CHECK(changes);
		save_bus(host, after, at);
		CHECK(!memcmp(states, after, sizeof(states)));
	}
}

static void (*const steps[])(struct world *world) = {
	config_ports, config_ports, ecam, ecam, ecam, windows, windows, windows, interrupts,
	hot_plug, saved_state, saved_bus,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct world world;

	memset(&world, 0, sizeof(world));
	world.input = (struct input){ data, MIN(size, 1024) };
	start(&world);
	while (world.input.left) {
		steps[take_below(&world.input, G_N_ELEMENTS(steps))](&world);
		sweep(&world);
		check_bound(&world);
		check_lines(&world);
		check_constants(&world);
	}
	stop(&world);
	return 0;
}
