// SPDX-License-Identifier: GPL-2.0-or-later
#include "rig.h"

#include <errno.h>

/* ------------------------------------------------------------ the machine */

static void record_message(void *opaque, uint64_t address, uint32_t data)
{
	struct rig *rig = opaque;

	rig->messages++;
	rig->address = address;
	rig->data = data;
}

void rig_expect_message(struct rig *rig, uint64_t address, uint32_t data)
{
	assert_int_equal(rig->messages, 1);
	assert_int_equal(rig->address, address);
	assert_int_equal(rig->data, data);
	rig->messages = 0;
}

void rig_expect_no_message(struct rig *rig)
{
	assert_int_equal(rig->messages, 0);
}

/* Like the kernel's: refuses addresses that are not the APICs', a second binding, and the
 * end of one that is not there with the same fields. */
static int bind_irqfd(void *opaque, int fd, uint64_t address, uint32_t data, bool bind)
{
	struct rig *rig = opaque;
	unsigned int i = 0;

	while (i < rig->irqfd_count && rig->irqfds[i].fd != fd)
		i++;
	if (!bind) {
		assert_true(i < rig->irqfd_count);
		assert_int_equal(rig->irqfds[i].address, address);
		assert_int_equal(rig->irqfds[i].data, data);
		rig->irqfds[i] = rig->irqfds[--rig->irqfd_count];
		return 0;
	}
	if (address >> 20 != 0xfee)
		return -EINVAL;
	assert_int_equal(i, rig->irqfd_count);
	assert_true(i < RIG_BINDINGS);
	rig->irqfds[rig->irqfd_count++] = (struct rig_irqfd){ fd, address, data };
	return 0;
}

static bool same_place(const struct pci_ioeventfd *a, const struct pci_ioeventfd *b)
{
	return a->space == b->space && a->address == b->address && a->size == b->size &&
	       a->any == b->any && a->value == b->value;
}

static bool overlaps(const struct pci_ioeventfd *a, const struct pci_ioeventfd *b)
{
	return a->space == b->space && a->address < b->address + b->size &&
	       b->address < a->address + a->size;
}

static int bind_ioeventfd(void *opaque, const struct pci_ioeventfd *wanted, bool bind)
{
	struct rig *rig = opaque;
	unsigned int i = 0;

	while (i < rig->ioeventfd_count && !same_place(&rig->ioeventfds[i], wanted))
		i++;
	if (!bind) {
		assert_true(i < rig->ioeventfd_count);
		assert_int_equal(rig->ioeventfds[i].fd, wanted->fd);
		rig->ioeventfds[i] = rig->ioeventfds[--rig->ioeventfd_count];
		return 0;
	}
	assert_int_equal(i, rig->ioeventfd_count);
	for (i = 0; i < rig->ioeventfd_count; i++)
		if (overlaps(&rig->ioeventfds[i], wanted))
			assert_true(rig->ioeventfds[i].address == wanted->address &&
				    rig->ioeventfds[i].size == wanted->size &&
				    rig->ioeventfds[i].value != wanted->value);
	assert_true(i < RIG_BINDINGS);
	rig->ioeventfds[rig->ioeventfd_count++] = *wanted;
	return 0;
}

static void set_line(void *opaque, unsigned int pin, int level)
{
	struct rig *rig = opaque;

	rig->line[pin] = level;
}

static uint64_t read_cf9(void *opaque, uint64_t offset, unsigned int size)
{
	struct rig *rig = opaque;

	assert_int_equal(offset, 0);
	assert_int_equal(size, 1);
	return rig->port_cf9;
}

static void write_cf9(void *opaque, uint64_t offset, unsigned int size, uint64_t value)
{
	struct rig *rig = opaque;

	assert_int_equal(offset, 0);
	assert_int_equal(size, 1);
	rig->port_cf9 = value;
}

static const struct bus_ops cf9_ops = { .read = read_cf9, .write = write_cf9 };

void rig_new(struct rig *rig, unsigned int ports, bool eventfds)
{
	struct pci_host_config config = {
		.sink = { .msi = record_message, .opaque = rig },
		.map = {
			.mem64 = RIG_MEM64, .mem64_size = RIG_MEM64_SIZE, .buses = 1 + ports,
		},
	};

	memset(rig, 0, sizeof(*rig));
	config.ports = rig->ports = bus_new("ports");
	config.mmio = rig->mmio = bus_new("mmio");
	config.config_ports = rig->config_ports = bus_new("config ports");
	assert_int_equal(bus_add(rig->config_ports, "cf9", 0xcf9, 1, &cf9_ops, rig), 0);
	if (eventfds) {
		config.sink.irqfd = bind_irqfd;
		config.sink.ioeventfd = bind_ioeventfd;
	}
	for (unsigned int i = 0; i < PCI_INTX_LINES; i++)
		config.sink.intx[i] = (struct irq_line){ set_line, rig, i };
	rig->host = pci_host_new(&config);
}

void rig_free(struct rig *rig)
{
	pci_host_free(rig->host);
	bus_free(rig->ports);
	bus_free(rig->mmio);
	bus_free(rig->config_ports);
	assert_int_equal(rig->irqfd_count, 0);
	assert_int_equal(rig->ioeventfd_count, 0);
	for (unsigned int i = 0; i < PCI_INTX_LINES; i++)
		assert_int_equal(rig->line[i], 0);
}

/* ------------------------------------------------------------ a function */

uint64_t fake_value(unsigned int bar, uint64_t offset, unsigned int size)
{
	return (0x0101010101010101ull * (bar + 1) ^ offset << 32 ^ offset ^ size) &
	       UINT64_MAX >> (64 - 8 * size);
}

static uint64_t fake_read(void *opaque, unsigned int bar, uint64_t offset, unsigned int size)
{
	struct fake *fake = opaque;

	fake->reads++;
	fake->bar = bar;
	fake->offset = offset;
	fake->size = size;
	return fake_value(bar, offset, size);
}

static void fake_write(void *opaque, unsigned int bar, uint64_t offset, unsigned int size,
		       uint64_t value)
{
	struct fake *fake = opaque;

	fake->writes++;
	fake->bar = bar;
	fake->offset = offset;
	fake->size = size;
	fake->value = value;
}

static void fake_capability_read(void *opaque, unsigned int capability, unsigned int reg,
				 unsigned int enables)
{
	struct fake *fake = opaque;

	fake->hook_reads++;
	fake->capability = capability;
	fake->reg = reg;
	fake->enables = enables;
}

static void fake_capability_written(void *opaque, unsigned int capability, unsigned int reg,
				    unsigned int enables)
{
	struct fake *fake = opaque;

	fake->hook_writes++;
	fake->capability = capability;
	fake->reg = reg;
	fake->enables = enables;
}

static void fake_reset(void *opaque)
{
	struct fake *fake = opaque;

	fake->resets++;
}

static void fake_removed(void *opaque)
{
	struct fake *fake = opaque;

	fake->removals++;
}

static const struct pci_device_ops fake_ops = {
	.read = fake_read,
	.write = fake_write,
	.capability_read = fake_capability_read,
	.capability_written = fake_capability_written,
	.reset = fake_reset,
	.removed = fake_removed,
};

struct pci_device_config fake_config(void)
{
	return (struct pci_device_config){
		.name = "fake",
		.vendor_id = 0x1234,
		.device_id = 0x5678,
		.subsystem_vendor_id = 0x9abc,
		.subsystem_id = 0xdef0,
		.revision = 7,
		.class_code = 0x018000,
		.intx = true,
		.bars = {
			[0] = { PCI_BAR_IO, 64 },
			[1] = { PCI_BAR_MEM32, 4 * KIB },
			[2] = { PCI_BAR_MEM64, 16 * KIB },
			[4] = { PCI_BAR_MEM64_PREFETCH, MIB },
		},
		.msix = { .vectors = 4, .bar = 2, .table_offset = 0x1000, .pba_offset = 0x1800 },
	};
}

void fake_new(struct fake *fake, const struct pci_device_config *config)
{
	memset(fake, 0, sizeof(*fake));
	fake->device = pci_device_new(config, &fake_ops, fake);
}

void fake_attach(struct fake *fake, struct rig *rig)
{
	struct pci_device_config config = fake_config();

	fake_new(fake, &config);
	assert_true(pci_host_attach(rig->host, fake->device, NULL));
}

void fake_free(struct fake *fake, struct rig *rig)
{
	if (rig)
		pci_host_detach(rig->host, fake->device);
	pci_device_free(fake->device);
}

/* ------------------------------------------------------------ accesses */

uint32_t rig_in(struct rig *rig, uint16_t port, unsigned int size)
{
	uint64_t value;

	bus_read(rig->ports, port, size, &value);
	return value;
}

void rig_out(struct rig *rig, uint16_t port, unsigned int size, uint32_t value)
{
	bus_write(rig->ports, port, size, value);
}

uint64_t rig_load(struct rig *rig, uint64_t address, unsigned int size)
{
	uint64_t value;

	bus_read(rig->mmio, address, size, &value);
	return value;
}

void rig_store(struct rig *rig, uint64_t address, unsigned int size, uint64_t value)
{
	bus_write(rig->mmio, address, size, value);
}

static void point(struct rig *rig, unsigned int bus, unsigned int slot, unsigned int reg)
{
	rig_out(rig, 0xcf8, 4, 0x80000000 | bus << 16 | slot << 11 | (reg & 0xfc));
}

uint32_t rig_read(struct rig *rig, unsigned int bus, unsigned int slot, unsigned int reg,
		  unsigned int size)
{
	point(rig, bus, slot, reg);
	return rig_in(rig, 0xcfc + reg % 4, size);
}

void rig_write(struct rig *rig, unsigned int bus, unsigned int slot, unsigned int reg,
	       unsigned int size, uint32_t value)
{
	point(rig, bus, slot, reg);
	rig_out(rig, 0xcfc + reg % 4, size, value);
}

unsigned int rig_capability(struct rig *rig, unsigned int bus, unsigned int slot, uint8_t id)
{
	unsigned int at = rig_read(rig, bus, slot, 0x34, 1);

	for (unsigned int count = 0; at && count < 48; count++) {
		assert_int_equal(at % 4, 0);
		if (rig_read(rig, bus, slot, at, 1) == id)
			return at;
		at = rig_read(rig, bus, slot, at + 1, 1);
	}
	fail_msg("no capability 0x%02x", id);
	return 0;
}

uint64_t rig_ecam(unsigned int bus, unsigned int slot, unsigned int reg)
{
	return 0xf8000000 + ((uint64_t)bus << 20 | slot << 15 | reg);
}

uint64_t rig_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}
