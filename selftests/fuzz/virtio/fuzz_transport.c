// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The registers of a virtio function, legacy and modern, written in any order, width and place:
 * BARs, MSI-X table, configuration space and the window in it, by a guest that also resets the
 * function at any moment.  Behind them is a kind of device that looks whether the contract of
 * struct virtio_device_ops is kept.
 */
#include <sys/eventfd.h>
#include <unistd.h>

#include "../../../vmm/pci/internal.h"
#include "../../../vmm/virtio/pci_internal.h"
#include "../../../vmm/virtio/state.h"
#include "../../unit/pci/rig.h"
#include "driver.h"
#include "loop.h"

#define QUEUES		3u
#define QUEUE_SIZE	16u
#define CONFIG_BYTES	20u
#define TAKEN_MAX	8u		/* chains at one notification */

struct probe {
	struct virtio_device virtio;	/* the first member */
	uint8_t config[CONFIG_BYTES];
	struct virtqueue_config wanted[QUEUES];	/* at activation */
	uint64_t negotiated;
	bool active;
	int doorbell;			/* of queue 0 */
};

struct world {
	struct input input;
	struct rig rig;
	struct fuzz_loop loop;
	struct probe *probe;
	struct virtio_pci *pci;
	struct pci_device *function;
	unsigned int slot, bus;
	uint8_t *ram;
};

/* ---------------------------------------------------------------- the device */

static struct probe *probe_of(struct virtio_device *device)
{
	return (struct probe *)device;
}

static void probe_activate(struct virtio_device *device)
{
	struct probe *probe = probe_of(device);

	CHECK(!probe->active && device->active);
	probe->active = true;
	probe->negotiated = device->negotiated;
	memcpy(probe->wanted, device->wanted, sizeof(probe->wanted));
}

static void probe_reset(struct virtio_device *device)
{
	CHECK(probe_of(device)->active);
	probe_of(device)->active = false;
}

static void probe_notify(struct virtio_device *device, unsigned int queue)
{
	struct virtqueue_chain *chain;

	CHECK(probe_of(device)->active && queue < QUEUES);
	for (unsigned int i = 0; i < TAKEN_MAX; i++) {
		chain = virtqueue_pop(&device->queues[queue]);
		if (!chain)
			break;
		virtqueue_push(&device->queues[queue], chain, 0);
	}
	virtio_device_commit(device, queue);
}

static int probe_notify_fd(struct virtio_device *device, unsigned int queue)
{
	return queue ? -1 : probe_of(device)->doorbell;
}

static void probe_config_write(struct virtio_device *device, unsigned int offset,
			       unsigned int size, uint64_t value)
{
	CHECK(offset < CONFIG_BYTES && size <= CONFIG_BYTES - offset);
	memcpy(probe_of(device)->config + offset, &value, size);
}

static void probe_free(struct virtio_device *device)
{
	CHECK(!probe_of(device)->active);
	close(probe_of(device)->doorbell);
	virtio_device_clear(device);
	g_free(device);
}

static const struct virtio_device_ops probe_ops = {
	.activate = probe_activate,
	.reset = probe_reset,
	.notify = probe_notify,
	.notify_fd = probe_notify_fd,
	.config_write = probe_config_write,
	.free = probe_free,
};

/* A kind with a legacy interface, or one without. */
static struct probe *make_probe(bool transitional)
{
	struct probe *probe = g_new0(struct probe, 1);

	probe->virtio = (struct virtio_device){
		.ops = &probe_ops, .name = "probe",
		.type = transitional ? VIRTIO_ID_NET : VIRTIO_ID_VSOCK,
		.queue_count = QUEUES, .queue_size = QUEUE_SIZE,
		.config = probe->config, .config_size = CONFIG_BYTES,
	};
	probe->doorbell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	virtio_device_init(&probe->virtio, fuzz_memory());
	return probe;
}

static void start(struct world *world)
{
	uint8_t how = take8(&world->input);
	bool behind = how & 4;

	fuzz_loop_open(&world->loop);
	rig_new(&world->rig, 1, how & 1);
	world->probe = make_probe(how & 2);
	world->pci = virtio_pci_new(&world->probe->virtio, &world->loop.loop, &world->loop.lock,
				    NULL);
	CHECK(world->pci);
	world->function = virtio_pci_function(world->pci);
	if (behind)
		CHECK(pci_host_plug(world->rig.host, world->function, NULL));
	else
		CHECK(pci_host_attach(world->rig.host, world->function, NULL));
	world->bus = behind;
	world->slot = behind ? 0 : 2;
	pci_host_assign(world->rig.host);
	world->ram = guest_memory_pointer(fuzz_memory()->ram, 0, FUZZ_MEMORY_SIZE);
	memset(world->ram + FUZZ_RINGS, 0, QUEUES * FUZZ_STRIDE);
}

static void stop(struct world *world)
{
	pci_host_detach(world->rig.host, world->function);
	virtio_pci_free(world->pci);
	fuzz_loop_close(&world->loop);
	rig_free(&world->rig);
}

/* ---------------------------------------------------------------- accesses */

/* Nowhere if the BAR is not decoded. */
static uint64_t bar(const struct world *world, unsigned int which)
{
	return world->function->bar_base[which];
}

static void io_write(struct world *world, uint64_t offset, unsigned int size, uint64_t value)
{
	if (bar(world, BAR_IO) != PCI_UNMAPPED)
		rig_out(&world->rig, bar(world, BAR_IO) + offset, size, value);
}

static void put(struct world *world, uint64_t offset, unsigned int size, uint64_t value)
{
	if (bar(world, BAR_MEMORY) != PCI_UNMAPPED)
		rig_store(&world->rig, bar(world, BAR_MEMORY) + offset, size, value);
}

static uint64_t get(struct world *world, uint64_t offset, unsigned int size)
{
	if (bar(world, BAR_MEMORY) == PCI_UNMAPPED)
		return 0;
	return rig_load(&world->rig, bar(world, BAR_MEMORY) + offset, size);
}

static uint64_t some_value(struct input *input)
{
	static const uint32_t values[] = {
		0, 1, 2, 3, 4, 7, 8, 15, 16, 0x80, 0xff, 0xffff, 0xffffffff, 0x10, 0x20, 0x100,
		VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK,
		VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_DRIVER_OK,
		FUZZ_RINGS, FUZZ_MEMORY_SIZE - 16,
	};
	uint8_t which = take8(input);

	return which < G_N_ELEMENTS(values) ? values[which] : take_value(input, which % 2 ? 4 : 8);
}

/* ---------------------------------------------------------------- the guest */

/* The legacy registers and the doorbells. */
static void io_bar(struct world *world)
{
	struct input *input = &world->input;
	uint64_t offset = take8(input) % 4 ? take_below(input, 0x30) : take8(input);
	unsigned int size = 1u << take_below(input, 3);
	uint8_t how = take8(input);

	if (how & 1)
		io_write(world, offset, size, some_value(input));
	if ((how & 2) && bar(world, BAR_IO) != PCI_UNMAPPED)
		rig_in(&world->rig, bar(world, BAR_IO) + offset, size);
}

/* A field of the common structure, in its own width. */
static void common_field(struct world *world)
{
	static const struct {
		uint8_t offset, size;
	} fields[] = {
		{ VIRTIO_PCI_COMMON_DFSELECT, 4 }, { VIRTIO_PCI_COMMON_GFSELECT, 4 },
		{ VIRTIO_PCI_COMMON_GF, 4 }, { VIRTIO_PCI_COMMON_MSIX, 2 },
		{ VIRTIO_PCI_COMMON_STATUS, 1 }, { VIRTIO_PCI_COMMON_STATUS, 1 },
		{ VIRTIO_PCI_COMMON_Q_SELECT, 2 }, { VIRTIO_PCI_COMMON_Q_SIZE, 2 },
		{ VIRTIO_PCI_COMMON_Q_MSIX, 2 }, { VIRTIO_PCI_COMMON_Q_ENABLE, 2 },
		{ VIRTIO_PCI_COMMON_Q_DESCLO, 4 }, { VIRTIO_PCI_COMMON_Q_DESCHI, 4 },
		{ VIRTIO_PCI_COMMON_Q_AVAILLO, 4 }, { VIRTIO_PCI_COMMON_Q_USEDLO, 4 },
	};
	unsigned int field = take_below(&world->input, G_N_ELEMENTS(fields));

	put(world, fields[field].offset, fields[field].size, some_value(&world->input));
}

static void memory_bar(struct world *world)
{
	static const uint16_t places[] = {
		MEMORY_COMMON, MEMORY_COMMON, MEMORY_ISR, MEMORY_DEVICE, MEMORY_MSIX_TABLE,
		MEMORY_MSIX_PBA,
	};
	struct input *input = &world->input;
	uint64_t offset = places[take_below(input, G_N_ELEMENTS(places))] + take_below(input, 0x48);
	unsigned int size = 1u << take_below(input, 4);

	if (take8(input) & 1)
		put(world, offset, size, some_value(input));
	get(world, offset, size);
}

static void msix_entry(struct world *world)
{
	struct input *input = &world->input;
	uint64_t at = MEMORY_MSIX_TABLE + 16 * take_below(input, QUEUES + 2);

	put(world, at, 8, take8(input) % 8 ? 0xfee00000 : take_value(input, 8));
	put(world, at + 8, 4, take8(input));
	put(world, at + 12, 4, take8(input) & 1);
}

/* Command register, MSI-X, power, the window to the BARs, and the port's reset. */
static void configuration(struct world *world)
{
	struct input *input = &world->input;
	unsigned int capability = world->pci->capability;
	uint8_t which = take8(input);

	if (which % 8 == 0)
		rig_write(&world->rig, world->bus, world->slot, PCI_COMMAND, 2,
			  take_value(input, 2));
	else if (which % 8 == 1)
		rig_write(&world->rig, world->bus, world->slot,
			  world->function->msix + PCI_MSIX_FLAGS, 2, take8(input) << 8);
	else if (which % 8 == 2)
		rig_write(&world->rig, 0, 1, PCI_BRIDGE_CONTROL, 2, take8(input) << 3);
	else if (which % 8 == 3)
		rig_write(&world->rig, world->bus, world->slot, take8(input) & 0xfc, 4,
			  some_value(input));
	else if (which & 8)
		rig_write(&world->rig, world->bus, world->slot,
			  capability + 4 + 4 * take_below(input, 4), 4, some_value(input));
	else
		rig_read(&world->rig, world->bus, world->slot,
			 capability + 4 + 4 * take_below(input, 4), 4);
}

/* What a driver does, to the end or not. */
static void bring_up(struct world *world)
{
	struct input *input = &world->input;
	uint8_t status = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;
	uint8_t queues = take8(input);
	uint64_t base;

	put(world, VIRTIO_PCI_COMMON_STATUS, 1, 0);
	put(world, VIRTIO_PCI_COMMON_STATUS, 1, status);
	put(world, VIRTIO_PCI_COMMON_GFSELECT, 4, 0);
	put(world, VIRTIO_PCI_COMMON_GF, 4, take_value(input, 4) & world->probe->virtio.offered);
	put(world, VIRTIO_PCI_COMMON_GFSELECT, 4, 1);
	put(world, VIRTIO_PCI_COMMON_GF, 4,
	    1 | (take8(input) & world->probe->virtio.offered >> 32));
	put(world, VIRTIO_PCI_COMMON_STATUS, 1, status |= VIRTIO_CONFIG_S_FEATURES_OK);
	for (unsigned int i = 0; i < QUEUES; i++) {
		base = FUZZ_RINGS + FUZZ_STRIDE * i;
		put(world, VIRTIO_PCI_COMMON_Q_SELECT, 2, i);
		put(world, VIRTIO_PCI_COMMON_Q_DESCLO, 4, base);
		put(world, VIRTIO_PCI_COMMON_Q_AVAILLO, 4, base + 0x4000);
		put(world, VIRTIO_PCI_COMMON_Q_USEDLO, 4, base + 0x5000);
		put(world, VIRTIO_PCI_COMMON_Q_MSIX, 2, queues & 0x10 << i ? i : 0xffff);
		put(world, VIRTIO_PCI_COMMON_Q_ENABLE, 2, queues >> i & 1);
	}
	put(world, VIRTIO_PCI_COMMON_STATUS, 1, status | VIRTIO_CONFIG_S_DRIVER_OK);
}

/* The same as a driver from before virtio 1.0. */
static void bring_up_legacy(struct world *world)
{
	struct input *input = &world->input;
	uint8_t status = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;

	io_write(world, VIRTIO_PCI_STATUS, 1, 0);
	io_write(world, VIRTIO_PCI_STATUS, 1, status);
	io_write(world, VIRTIO_PCI_GUEST_FEATURES, 4, take_value(input, 4));
	for (unsigned int i = 0; i < QUEUES; i++) {
		io_write(world, VIRTIO_PCI_QUEUE_SEL, 2, i);
		io_write(world, VIRTIO_PCI_QUEUE_PFN, 4, take8(input) % 4 ?
			 (FUZZ_RINGS + FUZZ_STRIDE * i) >> 12 : take_value(input, 4));
	}
	if (take8(input) & 1)
		io_write(world, VIRTIO_PCI_STATUS, 1, status | VIRTIO_CONFIG_S_DRIVER_OK);
	io_write(world, VIRTIO_PCI_QUEUE_NOTIFY, 2, take_below(input, QUEUES + 1));
}

static void ring(struct world *world)
{
	struct input *input = &world->input;
	unsigned int queue = take_below(input, QUEUES);
	uint8_t *rings = world->ram + FUZZ_RINGS + FUZZ_STRIDE * queue;
	uint16_t index = take8(input);
	const struct vring_desc desc = {
		take_address(input, FUZZ_RINGS, FUZZ_MEMORY_SIZE), take_length(input),
		take8(input) & 7, take_below(input, QUEUE_SIZE + 1),
	};

	memcpy(rings + 16 * take_below(input, QUEUE_SIZE), &desc, sizeof(desc));
	memcpy(rings + (take8(input) & 1 ? 0x4002 : 0x102), &index, sizeof(index));
	io_write(world, IO_NOTIFY + NOTIFY_MULTIPLIER * queue, 2, queue);
}

/* ---------------------------------------------------------------- the VMM */

/* Whatever a guest does leads to a state that can be loaded. */
static void rest(struct world *world)
{
	struct virtio_device *device = &world->probe->virtio;
	struct virtio_state state;

	CHECK(virtio_device_quiesce(device, NULL));
	virtio_pci_save(world->pci, &state);
	CHECK(virtio_pci_check(world->pci, &state, NULL, NULL));
	virtio_device_go_on(device);
}

static void device_side(struct world *world)
{
	struct virtio_device *device = &world->probe->virtio;

	switch (take8(&world->input) % 6) {
	case 0:
		virtio_device_interrupt(device, take_below(&world->input, QUEUES));
		break;
	case 1:
		virtio_device_config_changed(device);
		break;
	case 2:
		virtio_device_break(device, "nothing good");
		break;
	case 3:
		virtio_pci_reset(world->pci);
		CHECK(!world->probe->active && !virtio_device_status(device));
		break;
	case 4:
		rest(world);
		break;
	case 5:
		CHECK(virtio_device_interrupt_fd(device, take_below(&world->input, QUEUES)) < 0 ||
		      world->rig.host->config.sink.irqfd);
	}
}

static void deliver(struct world *world)
{
	fuzz_loop_turn(&world->loop);
}

/* ---------------------------------------------------------------- always */

static void check_world(struct world *world)
{
	const struct probe *probe = world->probe;
	const struct virtio_device *device = &probe->virtio;
	uint8_t status = virtio_device_status(device);

	CHECK(probe->active == device->active);
	if (bar(world, BAR_MEMORY) != PCI_UNMAPPED)
		CHECK(get(world, VIRTIO_PCI_COMMON_STATUS, 1) == status);
	if (status & VIRTIO_CONFIG_S_FEATURES_OK)
		CHECK((device->negotiated & VIRTIO_BIT(VIRTIO_F_VERSION_1)) &&
		      !(device->negotiated & ~device->offered));
	if (probe->active) {	/* the driver's words are taken once */
		CHECK(device->negotiated == probe->negotiated);
		CHECK(!memcmp(device->wanted, probe->wanted, sizeof(probe->wanted)));
	} else {
		CHECK(!world->rig.ioeventfd_count);
	}
	CHECK(!(device->enabled >> QUEUES));
	for (unsigned int i = 0; i < QUEUES; i++) {
		CHECK(device->wanted[i].size && device->wanted[i].size <= QUEUE_SIZE);
		CHECK(world->pci->queue_vectors[i] <= QUEUES ||
		      world->pci->queue_vectors[i] == VIRTIO_MSI_NO_VECTOR);
	}
	CHECK(world->function->state.intx == (world->pci->isr != 0));
	if (world->rig.irqfd_count)
		CHECK(pci_msix_enabled(world->function) && pci_bus_master(world->function));
}

static void (*const steps[])(struct world *world) = {
	io_bar, io_bar, common_field, common_field, common_field, memory_bar, msix_entry,
	configuration, configuration, bring_up, bring_up_legacy, ring, ring, device_side, deliver,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct world world;

	memset(&world, 0, sizeof(world));
	world.input = (struct input){ data, MIN(size, 1024) };
	start(&world);
	while (world.input.left) {
		steps[take_below(&world.input, G_N_ELEMENTS(steps))](&world);
		check_world(&world);
	}
	stop(&world);
	return 0;
}
