// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The PCI transport, from the guest's side: ports and memory of a real PCI host with an
 * entropy device behind it.
 */
#include <linux/virtio_pci.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <uv.h>

#include "../../../vmm/devices/rng/device.h"
#include "../../../vmm/pci/host.h"
#include "../../../vmm/virtio/pci_transport.h"
#include "../../../vmm/virtio/state.h"
#include "driver.h"

#define RING_SIZE	16u
#define SLOT		1u
#define UP_TO_DRIVER	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER)
#define UP_TO_FEATURES	(UP_TO_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK)

struct fixture {
	struct guest_memory *memory;
	struct virtio_memory virtio;
	uv_loop_t loop;
	uv_async_t keep;		/* else the loop thinks that it has nothing to do */
	pthread_mutex_t lock;
	struct bus *ports, *mmio, *config_ports;
	struct pci_host *host;
	struct virtio_pci *pci;
	struct driver driver;
	int lines[PCI_INTX_LINES];
	unsigned int messages;
	uint64_t address;
	uint32_t data;
	int bound;			/* the eventfd that sends messages, or -1 */
	uint64_t io;			/* BAR 0 */
	uint64_t memory_bar;		/* BAR 1 */
};

static void note_message(void *opaque, uint64_t address, uint32_t data)
{
	struct fixture *f = opaque;

	f->messages++;
	f->address = address;
	f->data = data;
}

static int note_irqfd(void *opaque, int fd, uint64_t address, uint32_t data, bool bind)
{
	struct fixture *f = opaque;

	f->address = address;
	f->data = data;
	f->bound = bind ? fd : -1;
	return 0;
}

static void note_line(void *opaque, unsigned int pin, int level)
{
	struct fixture *f = opaque;

	f->lines[pin] = level;
}

/* ---------------------------------------------------------------- accesses */

static uint32_t config_read(struct fixture *f, unsigned int reg, unsigned int size)
{
	uint64_t value;

	bus_write(f->ports, PCI_CONFIG_PORT, 4, 0x80000000u | SLOT << 11 | (reg & ~3u));
	bus_read(f->ports, PCI_CONFIG_PORT + 4 + reg % 4, size, &value);
	return value;
}

static void config_write(struct fixture *f, unsigned int reg, unsigned int size, uint32_t value)
{
	bus_write(f->ports, PCI_CONFIG_PORT, 4, 0x80000000u | SLOT << 11 | (reg & ~3u));
	bus_write(f->ports, PCI_CONFIG_PORT + 4 + reg % 4, size, value);
}

static uint64_t in(struct fixture *f, uint64_t offset, unsigned int size)
{
	uint64_t value;

	assert_true(bus_read(f->ports, f->io + offset, size, &value));
	return value;
}

static void out(struct fixture *f, uint64_t offset, unsigned int size, uint64_t value)
{
	assert_true(bus_write(f->ports, f->io + offset, size, value));
}

static uint64_t get(struct fixture *f, uint64_t offset, unsigned int size)
{
	uint64_t value;

	assert_true(bus_read(f->mmio, f->memory_bar + offset, size, &value));
	return value;
}

static void put(struct fixture *f, uint64_t offset, unsigned int size, uint64_t value)
{
	assert_true(bus_write(f->mmio, f->memory_bar + offset, size, value));
}

/* The capability of a type of structure; 0 if there is none. */
static unsigned int find_capability(struct fixture *f, uint8_t id, uint8_t type)
{
	unsigned int at = config_read(f, PCI_CAPABILITY_LIST, 1);

	for (unsigned int steps = 0; at && steps < 48; steps++) {
		if (config_read(f, at, 1) == id &&
		    (id != PCI_CAP_ID_VNDR || config_read(f, at + 3, 1) == type))
			return at;
		at = config_read(f, at + 1, 1);
	}
	return 0;
}

static uint32_t structure(struct fixture *f, uint8_t type, unsigned int bar)
{
	unsigned int at = find_capability(f, PCI_CAP_ID_VNDR, type);

	assert_int_not_equal(at, 0);
	assert_int_equal(config_read(f, at + VIRTIO_PCI_CAP_BAR, 1), bar);
	return config_read(f, at + VIRTIO_PCI_CAP_OFFSET, 4);
}

/* ---------------------------------------------------------------- the machine */

static void make_host(struct fixture *f, bool eventfds)
{
	struct pci_host_config config = {
		.ports = f->ports, .mmio = f->mmio, .config_ports = f->config_ports,
		.sink = {
			.msi = note_message, .irqfd = eventfds ? note_irqfd : NULL, .opaque = f,
		},
	};

	pci_map_init(&config.map, 0x100000000ull, 40, 0);
	for (unsigned int i = 0; i < PCI_INTX_LINES; i++)
		config.sink.intx[i] = (struct irq_line){
			.set = note_line, .opaque = f, .pin = i,
		};
	f->host = pci_host_new(&config);
}

static void attach_device(struct fixture *f)
{
	struct virtio_device *device = rng_new("rng0", &f->virtio, &f->loop, &f->lock, NULL);

	f->pci = virtio_pci_new(device, &f->loop, &f->lock, NULL);
	assert_non_null(f->pci);
	assert_true(pci_host_attach(f->host, virtio_pci_function(f->pci), NULL));
}

static void open_machine_with(struct fixture *f, bool eventfds)
{
	memset(f, 0, sizeof(*f));
	f->bound = -1;
	f->memory = guest_memory_new(-1, MEMORY_SIZE, NULL);
	f->virtio.ram = f->memory;
	f->ports = bus_new("ports");
	f->mmio = bus_new("mmio");
	f->config_ports = bus_new("config");
	assert_int_equal(uv_loop_init(&f->loop), 0);
	assert_int_equal(uv_async_init(&f->loop, &f->keep, NULL), 0);
	pthread_mutex_init(&f->lock, NULL);
	pthread_mutex_lock(&f->lock);
	make_host(f, eventfds);
	attach_device(f);
	pci_host_assign(f->host);
	config_write(f, PCI_COMMAND, 2,
		     PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	f->io = config_read(f, PCI_BASE_ADDRESS_0, 4) & PCI_BASE_ADDRESS_IO_MASK;
	f->memory_bar = config_read(f, PCI_BASE_ADDRESS_1, 4) & PCI_BASE_ADDRESS_MEM_MASK;
	driver_init(&f->driver, f->memory, 0, RING_SIZE, 0);
}

static void open_machine(struct fixture *f)
{
	open_machine_with(f, false);
}

static void close_machine(struct fixture *f)
{
	pci_host_detach(f->host, virtio_pci_function(f->pci));
	virtio_pci_free(f->pci);
	pci_host_free(f->host);
	pthread_mutex_unlock(&f->lock);
	uv_close((uv_handle_t *)&f->keep, NULL);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	bus_free(f->ports);
	bus_free(f->mmio);
	bus_free(f->config_ports);
	guest_memory_free(f->memory);
	pthread_mutex_destroy(&f->lock);
}

/* Lets the main loop do what is due: the device's work, then its interrupt. */
static void turn(struct fixture *f)
{
	pthread_mutex_unlock(&f->lock);
	for (int i = 0; i < 3; i++)
		uv_run(&f->loop, UV_RUN_NOWAIT);
	pthread_mutex_lock(&f->lock);
}

static int line(const struct fixture *f)
{
	return f->lines[pci_intx_line(SLOT, 0)];
}

/* ---------------------------------------------------------------- modern */

static uint32_t features_at(struct fixture *f, uint32_t common, uint32_t select)
{
	put(f, common + VIRTIO_PCI_COMMON_DFSELECT, 4, select);
	return get(f, common + VIRTIO_PCI_COMMON_DF, 4);
}

static void modern_queue(struct fixture *f, uint32_t common, uint16_t vector)
{
	put(f, common + VIRTIO_PCI_COMMON_Q_SELECT, 2, 0);
	put(f, common + VIRTIO_PCI_COMMON_Q_SIZE, 2, RING_SIZE);
	put(f, common + VIRTIO_PCI_COMMON_Q_MSIX, 2, vector);
	put(f, common + VIRTIO_PCI_COMMON_Q_DESCLO, 4, f->driver.config.descriptors);
	put(f, common + VIRTIO_PCI_COMMON_Q_DESCHI, 4, 0);
	put(f, common + VIRTIO_PCI_COMMON_Q_AVAILLO, 8, f->driver.config.driver);
	put(f, common + VIRTIO_PCI_COMMON_Q_USEDLO, 8, f->driver.config.device);
	assert_int_equal(get(f, common + VIRTIO_PCI_COMMON_Q_USEDLO, 8), f->driver.config.device);
	put(f, common + VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
	assert_int_equal(get(f, common + VIRTIO_PCI_COMMON_Q_ENABLE, 2), 1);
}

static void modern_start(struct fixture *f, uint16_t vector)
{
	uint32_t common = structure(f, VIRTIO_PCI_CAP_COMMON_CFG, 1);

	assert_int_equal(features_at(f, common, 1) & 1, 1);
	assert_int_equal(features_at(f, common, 2), 0);
	put(f, common + VIRTIO_PCI_COMMON_STATUS, 1, 0);
	put(f, common + VIRTIO_PCI_COMMON_STATUS, 1, UP_TO_DRIVER);
	put(f, common + VIRTIO_PCI_COMMON_GFSELECT, 4, 1);
	put(f, common + VIRTIO_PCI_COMMON_GF, 4, 1);
	put(f, common + VIRTIO_PCI_COMMON_STATUS, 1, UP_TO_FEATURES);
	assert_int_equal(get(f, common + VIRTIO_PCI_COMMON_STATUS, 1), UP_TO_FEATURES);
	modern_queue(f, common, vector);
	put(f, common + VIRTIO_PCI_COMMON_STATUS, 1, UP_TO_FEATURES | VIRTIO_CONFIG_S_DRIVER_OK);
}

/* Whether there is an answer. */
static bool ask(struct fixture *f, bool legacy, uint32_t *written)
{
	const struct buffer buffer = { BUFFER_BASE, 8, true };
	uint16_t id;

	driver_add(&f->driver, &buffer, 1);
	out(f, legacy ? VIRTIO_PCI_QUEUE_NOTIFY : structure(f, VIRTIO_PCI_CAP_NOTIFY_CFG, 0), 2, 0);
	turn(f);
	return driver_get(&f->driver, &id, written);
}

static void request(struct fixture *f, bool legacy)
{
	uint32_t written;

	assert_true(ask(f, legacy, &written));
	assert_int_equal(written, 8);
}

static void modern_intx(void **unused)
{
	uint32_t isr;
	struct fixture f;

	(void)unused;
	open_machine(&f);
	assert_int_equal(config_read(&f, PCI_VENDOR_ID, 4), 0x10051af4);
	assert_int_equal(config_read(&f, PCI_SUBSYSTEM_VENDOR_ID, 4), 0x00041af4);
	isr = structure(&f, VIRTIO_PCI_CAP_ISR_CFG, 1);
	modern_start(&f, VIRTIO_MSI_NO_VECTOR);
	assert_int_equal(line(&f), 0);
	request(&f, false);
	assert_int_equal(line(&f), 1);
	assert_int_equal(get(&f, isr, 1), 1);
	assert_int_equal(line(&f), 0);
	assert_int_equal(get(&f, isr, 1), 0);
	assert_int_equal(f.messages, 0);
	close_machine(&f);
}

static void enable_msix(struct fixture *f, unsigned int vector)
{
	unsigned int at = find_capability(f, PCI_CAP_ID_MSIX, 0);
	uint32_t table = config_read(f, at + PCI_MSIX_TABLE, 4);

	assert_int_equal(table & PCI_MSIX_TABLE_BIR, 1);
	table = (table & PCI_MSIX_TABLE_OFFSET) + 16 * vector;
	config_write(f, at + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE);
	put(f, table, 4, 0xfee01000);
	put(f, table + 4, 4, 0);
	put(f, table + 8, 4, 0x4000 + vector);
	put(f, table + 12, 4, 0);
}

static void modern_msix(void **unused)
{
	struct fixture f;
	uint32_t common;

	(void)unused;
	open_machine(&f);
	enable_msix(&f, 1);
	modern_start(&f, 1);
	request(&f, false);
	assert_int_equal(f.messages, 1);
	assert_int_equal(f.address, 0xfee01000);
	assert_int_equal(f.data, 0x4001);
	assert_int_equal(line(&f), 0);
	common = structure(&f, VIRTIO_PCI_CAP_COMMON_CFG, 1);
	put(&f, common + VIRTIO_PCI_COMMON_Q_MSIX, 2, 2);	/* there are 0 and 1 */
	assert_int_equal(get(&f, common + VIRTIO_PCI_COMMON_Q_MSIX, 2), VIRTIO_MSI_NO_VECTOR);
	put(&f, common + VIRTIO_PCI_COMMON_MSIX, 2, 1);
	assert_int_equal(get(&f, common + VIRTIO_PCI_COMMON_MSIX, 2), 1);
	/* What is broken is said by the configuration's vector. */
	driver_add(&f.driver, &(const struct buffer){ MEMORY_SIZE, 8, true }, 1);
	out(&f, structure(&f, VIRTIO_PCI_CAP_NOTIFY_CFG, 0), 2, 0);
	turn(&f);
	assert_int_equal(f.messages, 2);
	assert_true(get(&f, common + VIRTIO_PCI_COMMON_STATUS, 1) & VIRTIO_CONFIG_S_NEEDS_RESET);
	put(&f, common + VIRTIO_PCI_COMMON_STATUS, 1, 0);
	assert_int_equal(get(&f, common + VIRTIO_PCI_COMMON_STATUS, 1), 0);
	assert_int_equal(get(&f, common + VIRTIO_PCI_COMMON_MSIX, 2), VIRTIO_MSI_NO_VECTOR);
	close_machine(&f);
}

/* With an eventfd as well: where it counts, and nobody takes that any more. */
static void msix_off_again(void **unused)
{
	eventfd_t count;
	struct fixture f;
	unsigned int at;

	(void)unused;
	open_machine_with(&f, true);
	at = find_capability(&f, PCI_CAP_ID_MSIX, 0);
	enable_msix(&f, 1);
	modern_start(&f, 1);
	request(&f, false);
	assert_true(f.bound >= 0);
	assert_int_equal(f.data, 0x4001);
	assert_int_equal(eventfd_read(f.bound, &count), 0);
	assert_int_equal(count, 1);
	assert_int_equal(line(&f), 0);
	/* Off, with a vector left in the queue's register. */
	config_write(&f, at + PCI_MSIX_FLAGS, 2, 0);
	assert_int_equal(f.bound, -1);
	request(&f, false);
	assert_int_equal(line(&f), 1);
	assert_int_equal(get(&f, structure(&f, VIRTIO_PCI_CAP_ISR_CFG, 1), 1), 1);
	/* On again: the vector counts again.  What was held back by a mask comes by INTx. */
	config_write(&f, at + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE);
	assert_true(f.bound >= 0);
	config_write(&f, at + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	assert_int_equal(f.bound, -1);
	request(&f, false);
	assert_int_equal(line(&f), 0);
	config_write(&f, at + PCI_MSIX_FLAGS, 2, 0);
	turn(&f);
	assert_int_equal(line(&f), 1);
	close_machine(&f);
}

/* What the driver asks for is not done. */
static void expect_nothing(struct fixture *f, bool legacy)
{
	uint32_t written;

	assert_false(ask(f, legacy, &written));
	assert_int_equal(line(f), 0);
}

#define DECODE	(PCI_COMMAND_IO | PCI_COMMAND_MEMORY)

/* As kexec does it: memory is left alone until the next driver's reset. */
static void master_off(void **unused)
{
	uint32_t status;
	struct fixture f;

	(void)unused;
	open_machine(&f);
	status = structure(&f, VIRTIO_PCI_CAP_COMMON_CFG, 1) + VIRTIO_PCI_COMMON_STATUS;
	modern_start(&f, VIRTIO_MSI_NO_VECTOR);
	request(&f, false);
	assert_int_equal(line(&f), 1);
	config_write(&f, PCI_COMMAND, 2, DECODE);
	assert_int_equal(line(&f), 0);
	expect_nothing(&f, false);
	config_write(&f, PCI_COMMAND, 2, DECODE | PCI_COMMAND_MASTER);
	expect_nothing(&f, false);
	assert_true(get(&f, status, 1) & VIRTIO_CONFIG_S_NEEDS_RESET);
	put(&f, status, 1, UP_TO_FEATURES | VIRTIO_CONFIG_S_DRIVER_OK);
	out(&f, VIRTIO_PCI_STATUS, 1, UP_TO_FEATURES | VIRTIO_CONFIG_S_DRIVER_OK);
	expect_nothing(&f, true);
	driver_init(&f.driver, f.memory, 0, RING_SIZE, 0);
	modern_start(&f, VIRTIO_MSI_NO_VECTOR);
	assert_false(get(&f, status, 1) & VIRTIO_CONFIG_S_NEEDS_RESET);
	request(&f, false);
	close_machine(&f);
}

/* A driver that sleeps finds its device as it was. */
static void sleeps(void **unused)
{
	struct fixture f;
	unsigned int at;

	(void)unused;
	open_machine(&f);
	at = find_capability(&f, PCI_CAP_ID_PM, 0) + PCI_PM_CTRL;
	modern_start(&f, VIRTIO_MSI_NO_VECTOR);
	request(&f, false);
	config_write(&f, at, 2, 3);
	assert_int_equal(config_read(&f, at, 2) & PCI_PM_CTRL_STATE_MASK, 3);
	turn(&f);
	config_write(&f, at, 2, 0);
	request(&f, false);
	close_machine(&f);
}

/* Values that a queue cannot have, queues that do not exist, fields that cannot be written. */
static void modern_limits(void **unused)
{
	struct fixture f;
	uint32_t common;

	(void)unused;
	open_machine(&f);
	common = structure(&f, VIRTIO_PCI_CAP_COMMON_CFG, 1);
	assert_int_equal(get(&f, common + VIRTIO_PCI_COMMON_NUMQ, 2), 1);
	put(&f, common + VIRTIO_PCI_COMMON_NUMQ, 2, 9);
	assert_int_equal(get(&f, common + VIRTIO_PCI_COMMON_NUMQ, 2), 1);
	put(&f, common + VIRTIO_PCI_COMMON_Q_SIZE, 2, 0);
	assert_int_equal(get(&f, common + VIRTIO_PCI_COMMON_Q_SIZE, 2), 64);
	put(&f, common + VIRTIO_PCI_COMMON_Q_SIZE, 2, 65);
	assert_int_equal(get(&f, common + VIRTIO_PCI_COMMON_Q_SIZE, 2), 64);
	put(&f, common + VIRTIO_PCI_COMMON_Q_SELECT, 2, 1);
	assert_int_equal(get(&f, common + VIRTIO_PCI_COMMON_Q_SIZE, 2), 0);
	put(&f, common + VIRTIO_PCI_COMMON_Q_DESCLO, 8, 0x1000);
	assert_int_equal(get(&f, common + VIRTIO_PCI_COMMON_Q_DESCLO, 8), 0);
	put(&f, common + VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
	assert_int_equal(get(&f, common + VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
	for (uint64_t offset = 0; offset < 0x2000; offset++)
		for (unsigned int size = 1; size <= 8; size *= 2) {
			if (offset + size > 0x2000)
				continue;
			get(&f, offset, size);
			put(&f, offset, size, UINT64_MAX);
		}
	for (uint64_t offset = 0; offset < 0x100; offset++)
		for (unsigned int size = 1; size <= 4 && offset + size <= 0x100; size *= 2) {
			in(&f, offset, size);
			out(&f, offset, size, UINT32_MAX);
		}
	turn(&f);
	close_machine(&f);
}

/* VIRTIO_PCI_CAP_PCI_CFG: the same registers by configuration cycles alone. */
static void window(void **unused)
{
	unsigned int at;
	struct fixture f;
	uint32_t common;

	(void)unused;
	open_machine(&f);
	common = structure(&f, VIRTIO_PCI_CAP_COMMON_CFG, 1);
	at = find_capability(&f, PCI_CAP_ID_VNDR, VIRTIO_PCI_CAP_PCI_CFG);
	config_write(&f, at + VIRTIO_PCI_CAP_BAR, 1, 1);
	config_write(&f, at + VIRTIO_PCI_CAP_OFFSET, 4, common + VIRTIO_PCI_COMMON_Q_SIZE);
	config_write(&f, at + VIRTIO_PCI_CAP_LENGTH, 4, 2);
	assert_int_equal(config_read(&f, at + 16, 2), 64);
	config_write(&f, at + 16, 2, 8);
	assert_int_equal(get(&f, common + VIRTIO_PCI_COMMON_Q_SIZE, 2), 8);
	config_write(&f, at + VIRTIO_PCI_CAP_LENGTH, 4, 3);
	config_write(&f, at + 16, 2, 16);
	assert_int_equal(get(&f, common + VIRTIO_PCI_COMMON_Q_SIZE, 2), 8);
	config_write(&f, at + VIRTIO_PCI_CAP_LENGTH, 4, 0);
	config_write(&f, at + 16, 2, 16);
	config_read(&f, at + 16, 2);
	config_write(&f, at + VIRTIO_PCI_CAP_LENGTH, 4, 4);
	config_write(&f, at + VIRTIO_PCI_CAP_BAR, 1, 200);
	config_write(&f, at + VIRTIO_PCI_CAP_OFFSET, 4, 0xfffffffc);
	config_read(&f, at + 16, 4);
	config_write(&f, at + 16, 4, 1);
	close_machine(&f);
}

/* ---------------------------------------------------------------- legacy */

static void legacy_queue(struct fixture *f)
{
	uint64_t base = 0x40000;

	out(f, VIRTIO_PCI_QUEUE_SEL, 2, 1);
	assert_int_equal(in(f, VIRTIO_PCI_QUEUE_NUM, 2), 0);
	out(f, VIRTIO_PCI_QUEUE_SEL, 2, 0);
	assert_int_equal(in(f, VIRTIO_PCI_QUEUE_NUM, 2), 64);
	assert_int_equal(in(f, VIRTIO_PCI_QUEUE_PFN, 4), 0);
	driver_init(&f->driver, f->memory, 0, 64, 0);
	f->driver.config.descriptors = base;
	f->driver.config.driver = base + 64 * 16;
	f->driver.config.device = base + 4096;
	memset(guest_memory_pointer(f->memory, base, 8192), 0, 8192);
	out(f, VIRTIO_PCI_QUEUE_PFN, 4, base >> 12);
	assert_int_equal(in(f, VIRTIO_PCI_QUEUE_PFN, 4), base >> 12);
}

static void legacy_start(struct fixture *f)
{
	out(f, VIRTIO_PCI_STATUS, 1, 0);
	out(f, VIRTIO_PCI_STATUS, 1, UP_TO_DRIVER);
	assert_int_equal(in(f, VIRTIO_PCI_HOST_FEATURES, 4) & 1u << VIRTIO_RING_F_EVENT_IDX,
			 1u << VIRTIO_RING_F_EVENT_IDX);
	out(f, VIRTIO_PCI_GUEST_FEATURES, 4, 0);
	legacy_queue(f);
}

static void legacy_intx(void **unused)
{
	struct fixture f;

	(void)unused;
	open_machine(&f);
	for (int round = 0; round < 2; round++) {
		legacy_start(&f);
		if (round)	/* older drivers use their queues before they say DRIVER_OK */
			out(&f, VIRTIO_PCI_STATUS, 1, UP_TO_DRIVER | VIRTIO_CONFIG_S_DRIVER_OK);
		request(&f, true);
		assert_int_equal(line(&f), 1);
		assert_int_equal(in(&f, VIRTIO_PCI_ISR, 1), 1);
		assert_int_equal(line(&f), 0);
		out(&f, VIRTIO_PCI_STATUS, 1, UP_TO_DRIVER | VIRTIO_CONFIG_S_DRIVER_OK);
		assert_int_equal(in(&f, VIRTIO_PCI_STATUS, 1),
				 UP_TO_DRIVER | VIRTIO_CONFIG_S_DRIVER_OK);
		request(&f, true);
	}
	out(&f, VIRTIO_PCI_STATUS, 1, 0);
	assert_int_equal(line(&f), 0);
	close_machine(&f);
}

static void legacy_msix(void **unused)
{
	struct fixture f;

	(void)unused;
	open_machine(&f);
	enable_msix(&f, 0);
	legacy_start(&f);
	out(&f, VIRTIO_MSI_QUEUE_VECTOR, 2, 7);
	assert_int_equal(in(&f, VIRTIO_MSI_QUEUE_VECTOR, 2), VIRTIO_MSI_NO_VECTOR);
	out(&f, VIRTIO_MSI_QUEUE_VECTOR, 2, 0);
	assert_int_equal(in(&f, VIRTIO_MSI_QUEUE_VECTOR, 2), 0);
	out(&f, VIRTIO_MSI_CONFIG_VECTOR, 2, 1);
	assert_int_equal(in(&f, VIRTIO_MSI_CONFIG_VECTOR, 2), 1);
	out(&f, VIRTIO_PCI_STATUS, 1, UP_TO_DRIVER | VIRTIO_CONFIG_S_DRIVER_OK);
	request(&f, true);
	assert_int_equal(f.messages, 1);
	assert_int_equal(f.data, 0x4000);
	close_machine(&f);
}

/* Drivers that do not know of Bus Master, and one that finds it late. */
static void legacy_without_master(void **unused)
{
	struct fixture f;

	(void)unused;
	open_machine(&f);
	config_write(&f, PCI_COMMAND, 2, DECODE);
	legacy_start(&f);
	out(&f, VIRTIO_PCI_STATUS, 1, UP_TO_DRIVER | VIRTIO_CONFIG_S_DRIVER_OK);
	request(&f, true);
	config_write(&f, PCI_COMMAND, 2, DECODE | PCI_COMMAND_MASTER);
	request(&f, true);
	config_write(&f, PCI_COMMAND, 2, DECODE | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE);
	request(&f, true);
	close_machine(&f);
}

/* A page number of 0 takes the ring away, before it is used and while it is. */
static void legacy_ring_away(void **unused)
{
	struct fixture f;

	(void)unused;
	open_machine(&f);
	legacy_start(&f);
	out(&f, VIRTIO_PCI_QUEUE_PFN, 4, 0);
	assert_int_equal(in(&f, VIRTIO_PCI_QUEUE_PFN, 4), 0);
	out(&f, VIRTIO_PCI_STATUS, 1, UP_TO_DRIVER | VIRTIO_CONFIG_S_DRIVER_OK);
	expect_nothing(&f, true);
	legacy_start(&f);
	request(&f, true);
	out(&f, VIRTIO_PCI_QUEUE_SEL, 2, 1);	/* there is none */
	out(&f, VIRTIO_PCI_QUEUE_PFN, 4, 0);
	request(&f, true);
	out(&f, VIRTIO_PCI_QUEUE_SEL, 2, 0);
	out(&f, VIRTIO_PCI_QUEUE_PFN, 4, 0);
	expect_nothing(&f, true);
	assert_true(in(&f, VIRTIO_PCI_STATUS, 1) & VIRTIO_CONFIG_S_NEEDS_RESET);
	legacy_start(&f);
	request(&f, true);
	close_machine(&f);
}

static void write_features(struct fixture *f, uint64_t features)
{
	uint32_t common = structure(f, VIRTIO_PCI_CAP_COMMON_CFG, 1);

	for (unsigned int half = 0; half < 2; half++) {
		put(f, common + VIRTIO_PCI_COMMON_GFSELECT, 4, half);
		put(f, common + VIRTIO_PCI_COMMON_GF, 4, (uint32_t)(features >> (32 * half)));
	}
}

/* Both interfaces of one device.  Without FEATURES_OK the ring is a legacy one, whatever was
 * written to the modern registers; with it, it is what was agreed on. */
static void mixed(void **unused)
{
	struct fixture f;
	uint32_t common;

	(void)unused;
	open_machine(&f);
	common = structure(&f, VIRTIO_PCI_CAP_COMMON_CFG, 1);
	out(&f, VIRTIO_PCI_STATUS, 1, UP_TO_DRIVER);
	write_features(&f, UINT64_MAX & ~VIRTIO_BIT(VIRTIO_RING_F_EVENT_IDX));
	put(&f, common + VIRTIO_PCI_COMMON_STATUS, 1, UP_TO_FEATURES);
	assert_int_equal(get(&f, common + VIRTIO_PCI_COMMON_STATUS, 1), UP_TO_DRIVER);
	legacy_queue(&f);
	out(&f, VIRTIO_PCI_STATUS, 1, UP_TO_FEATURES | VIRTIO_CONFIG_S_DRIVER_OK);
	request(&f, true);
	put(&f, common + VIRTIO_PCI_COMMON_STATUS, 1, UP_TO_FEATURES);
	assert_int_equal(in(&f, VIRTIO_PCI_STATUS, 1), UP_TO_DRIVER | VIRTIO_CONFIG_S_DRIVER_OK);

	out(&f, VIRTIO_PCI_STATUS, 1, 0);
	out(&f, VIRTIO_PCI_STATUS, 1, UP_TO_DRIVER);
	write_features(&f, VIRTIO_BIT(VIRTIO_F_VERSION_1) | PACKED);
	put(&f, common + VIRTIO_PCI_COMMON_STATUS, 1, UP_TO_FEATURES);
	driver_init(&f.driver, f.memory, 0, RING_SIZE, PACKED);
	modern_queue(&f, common, VIRTIO_MSI_NO_VECTOR);
	out(&f, VIRTIO_PCI_STATUS, 1, UP_TO_FEATURES | VIRTIO_CONFIG_S_DRIVER_OK);
	request(&f, false);
	close_machine(&f);
}

/* ---------------------------------------------------------------- checkpoints */

/* The function is another one; what the guest sees of it, and where its interrupts go, is not. */
static void exchange(struct fixture *f)
{
	struct pci_device_state pci;
	struct virtio_state state;

	assert_true(virtio_device_quiesce(virtio_pci_device(f->pci), NULL));
	pci_device_save(virtio_pci_function(f->pci), &pci);
	virtio_pci_save(f->pci, &state);
	pci_host_detach(f->host, virtio_pci_function(f->pci));
	virtio_pci_free(f->pci);
	attach_device(f);
	assert_true(pci_device_load(virtio_pci_function(f->pci), &pci, NULL));
	assert_true(virtio_pci_check(f->pci, &state, NULL, NULL));
	virtio_pci_load(f->pci, &state, NULL);
	virtio_device_go_on(virtio_pci_device(f->pci));
}

static void is_saved_with_intx(void **unused)
{
	struct fixture f;
	uint32_t isr;

	(void)unused;
	open_machine(&f);
	isr = structure(&f, VIRTIO_PCI_CAP_ISR_CFG, 1);
	exchange(&f);
	modern_start(&f, VIRTIO_MSI_NO_VECTOR);
	request(&f, false);
	exchange(&f);
	assert_int_equal(line(&f), 1);
	assert_int_equal(get(&f, isr, 1), 1);
	assert_int_equal(line(&f), 0);
	request(&f, false);
	assert_int_equal(line(&f), 1);
	close_machine(&f);
}

/* An interrupt that is due, but was not delivered, is delivered once. */
static void keeps_what_is_due(void **unused)
{
	struct fixture f;

	(void)unused;
	open_machine(&f);
	enable_msix(&f, 1);
	modern_start(&f, 1);
	virtio_device_interrupt(virtio_pci_device(f.pci), 0);
	exchange(&f);
	assert_int_equal(f.messages, 0);
	turn(&f);
	turn(&f);
	assert_int_equal(f.messages, 1);
	request(&f, false);
	assert_int_equal(f.messages, 2);
	close_machine(&f);
}

static void binds_again(void **unused)
{
	uint32_t common, written;
	eventfd_t count;
	struct fixture f;

	(void)unused;
	open_machine_with(&f, true);
	enable_msix(&f, 1);
	modern_start(&f, 1);
	common = structure(&f, VIRTIO_PCI_CAP_COMMON_CFG, 1);
	request(&f, false);
	assert_int_equal(eventfd_read(f.bound, &count), 0);
	f.bound = -1;
	exchange(&f);
	assert_true(f.bound >= 0);
	assert_int_equal(f.data, 0x4001);
	assert_int_equal(get(&f, common + VIRTIO_PCI_COMMON_Q_MSIX, 2), 1);
	assert_true(ask(&f, false, &written));
	assert_int_equal(eventfd_read(f.bound, &count), 0);
	assert_int_equal(count, 1);
	assert_int_equal(f.messages, 0);
	close_machine(&f);
}

static void is_saved_with_legacy_driver(void **unused)
{
	struct fixture f;

	(void)unused;
	open_machine(&f);
	legacy_start(&f);
	request(&f, true);
	exchange(&f);
	request(&f, true);
	close_machine(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(modern_intx), cmocka_unit_test(modern_msix),
		cmocka_unit_test(modern_limits), cmocka_unit_test(window),
		cmocka_unit_test(msix_off_again), cmocka_unit_test(master_off),
		cmocka_unit_test(sleeps), cmocka_unit_test(legacy_intx),
		cmocka_unit_test(legacy_msix), cmocka_unit_test(legacy_without_master),
		cmocka_unit_test(legacy_ring_away), cmocka_unit_test(mixed),
		cmocka_unit_test(is_saved_with_intx), cmocka_unit_test(keeps_what_is_due),
		cmocka_unit_test(binds_again), cmocka_unit_test(is_saved_with_legacy_driver),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
