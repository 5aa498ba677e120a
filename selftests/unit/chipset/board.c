// SPDX-License-Identifier: GPL-2.0-or-later
#include "board.h"

#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

static void note(struct board *board, enum board_word word, uint64_t value, uint64_t more)
{
	struct board_event event = { clock_now(board->machine.clock), word, value, more };

	g_array_append_val(board->events, event);
}

/* As in a machine: what the vCPU has already is not told again. */
static void set_intr(void *opaque, unsigned int pin, int level)
{
	struct board *board = opaque;

	(void)pin;
	if (board->machine.lint0 == level)
		return;
	board->machine.lint0 = level;
	note(board, BOARD_INTR, level, 0);
}

static void note_message(void *opaque, uint64_t address, uint32_t data)
{
	note(opaque, BOARD_MSI, address, data);
}

static int bind_irqfd(void *opaque, int fd, uint64_t address, uint32_t data, bool bind)
{
	(void)fd;
	note(opaque, bind ? BOARD_BOUND : BOARD_UNBOUND, address, data);
	return 0;
}

static int bind_doorbell(void *opaque, const struct pci_ioeventfd *doorbell, bool bind)
{
	note(opaque, bind ? BOARD_BOUND : BOARD_UNBOUND, doorbell->address, doorbell->value);
	return 0;
}

static void note_power(void *opaque, enum power_event event, uint32_t value)
{
	note(opaque, BOARD_POWER, event, value);
}

static void note_output(void *opaque, const uint8_t *bytes, size_t count)
{
	assert_int_equal(count, 1);
	note(opaque, BOARD_CHARACTER, bytes[0], 0);
}

static void note_drained(void *opaque)
{
	note(opaque, BOARD_CHARACTER, 256, 0);
}

static uint64_t function_read(void *opaque, unsigned int bar, uint64_t offset, unsigned int size)
{
	(void)opaque;
	return bar << 16 | offset << 4 | size;
}

static void function_write(void *opaque, unsigned int bar, uint64_t offset, unsigned int size,
			   uint64_t value)
{
	(void)opaque;
	(void)bar;
	(void)offset;
	(void)size;
	(void)value;
}

static void function_removed(void *opaque)
{
	struct board *board = opaque;

	board->removed = true;
}

static const struct pci_device_ops function_ops = {
	.read = function_read, .write = function_write, .removed = function_removed,
};

static struct pci_device *make_function(struct board *board, const char *name, uint16_t id)
{
	const struct pci_device_config config = {
		.name = name, .vendor_id = 0x1234, .device_id = id, .class_code = 0xff0000,
		.intx = true, .bars[0] = { PCI_BAR_MEM32, 0x2000 }, .bars[1] = { PCI_BAR_IO, 64 },
		.msix = { .vectors = 3, .bar = 0, .pba_offset = 0x800 },
	};
	const struct pci_doorbell doorbell = {
		.bar = 0, .offset = 0x1000, .size = 2, .any = true, .fd = board->fd,
	};
	struct pci_device *device = pci_device_new(&config, &function_ops, board);

	pci_irqfd_route(device, pci_add_irqfd(device, board->fd), 1);
	pci_doorbell_enable(device, pci_add_doorbell(device, &doorbell), true);
	return device;
}

static void add_pci(struct board *board, bool hot)
{
	struct machine *machine = &board->machine;
	struct pci_host_config config = {
		.ports = machine->ports, .mmio = machine->mmio,
		.config_ports = machine->config_ports,
		.sink = { .msi = note_message, .irqfd = bind_irqfd, .ioeventfd = bind_doorbell,
			  .opaque = board },
	};

	pci_map_init(&config.map, 5ull << 30, 40, BOARD_PORTS);
	for (unsigned int i = 0; i < PCI_INTX_LINES; i++)
		config.sink.intx[i] = gsi_line(&machine->gsi, PCI_INTX_GSI + i);
	machine->pci = pci_host_new(&config);
	board->cold = make_function(board, "cold", 1);
	assert_true(pci_host_attach(machine->pci, board->cold, NULL));
	if (!hot)
		return;
	board->hot = make_function(board, "hot", 2);
	assert_true(pci_host_plug_at(machine->pci, board->hot, 2, NULL));
}

static void add_chips(struct board *board)
{
	struct machine *machine = &board->machine;
	const struct irq_line intr = { .set = set_intr, .opaque = board };
	const struct ioapic_sink sink = { .msi = note_message, .opaque = board };
	const struct uart_sink uart_sink = { note_output, note_drained, board };
	const struct power_sink power = { .request = note_power, .opaque = board };

	machine->pic = pic_new(machine->ports, intr);
	machine->ioapic = ioapic_new(machine->mmio, &sink);
	machine->gsi = (struct gsi_router){ .pic = machine->pic, .ioapic = machine->ioapic };
	machine->pit = pit_new(machine->ports, machine->clock, gsi_line(&machine->gsi, IRQ_PIT));
	machine->rtc = rtc_new(machine->ports, machine->clock, gsi_line(&machine->gsi, IRQ_RTC),
			       1 << 30, 0);
	machine->uart = uart_new(machine->ports, UART0_PORT, gsi_line(&machine->gsi, IRQ_UART0),
				 &uart_sink);
	machine->pm = pm_new(machine->ports, machine->clock, gsi_line(&machine->gsi, IRQ_SCI),
			     &power);
	machine->reset_ports = reset_ports_new(machine->ports, machine->config_ports, &power);
	machine->i8042 = i8042_new(machine->ports, &power);
	bus_write(machine->ports, PIC_ELCR_PORT, 2, 1u << 10 | 1u << 11);
}

struct board *board_new(bool hot)
{
	struct board *board = g_new0(struct board, 1);
	struct machine *machine = &board->machine;

	board->events = g_array_new(FALSE, FALSE, sizeof(struct board_event));
	board->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	machine->ports = bus_new("ports");
	machine->mmio = bus_new("mmio");
	machine->config_ports = bus_new("config ports");
	machine->clock = fake_clock_new();
	fake_clock_set_wall(machine->clock, BOARD_WALL, 0);
	add_chips(board);
	add_pci(board, hot);
	return board;
}

void board_free(struct board *board)
{
	struct machine *machine = &board->machine;

	pci_host_detach(machine->pci, board->cold);
	pci_device_free(board->cold);
	if (board->hot && !board->removed)
		pci_host_detach(machine->pci, board->hot);
	pci_device_free(board->hot);
	pci_host_free(machine->pci);
	i8042_free(machine->i8042);
	reset_ports_free(machine->reset_ports);
	pm_free(machine->pm);
	uart_free(machine->uart);
	rtc_free(machine->rtc);
	pit_free(machine->pit);
	ioapic_free(machine->ioapic);
	pic_free(machine->pic);
	fake_clock_free(machine->clock);
	bus_free(machine->config_ports);
	bus_free(machine->mmio);
	bus_free(machine->ports);
	close(board->fd);
	g_array_unref(board->events);
	g_free(board);
}

void board_assign(struct board *board)
{
	pci_host_assign(board->machine.pci);
}

void board_advance(struct board *board, uint64_t ns)
{
	fake_clock_advance(board->machine.clock, ns);
}

uint8_t board_in8(struct board *board, uint16_t port)
{
	return in8(board->machine.ports, port);
}

void board_out8(struct board *board, uint16_t port, uint8_t value)
{
	out8(board->machine.ports, port, value);
}

static void select_register(struct board *board, unsigned int bus, unsigned int slot,
			    unsigned int reg)
{
	bus_write(board->machine.ports, 0xcf8, 4, 0x80000000 | bus << 16 | slot << 11 | reg);
}

uint32_t board_config_read(struct board *board, unsigned int bus, unsigned int slot,
			   unsigned int reg)
{
	select_register(board, bus, slot, reg);
	return in_sized(board->machine.ports, 0xcfc, 4);
}

void board_config_write(struct board *board, unsigned int bus, unsigned int slot,
			unsigned int reg, uint32_t value)
{
	select_register(board, bus, slot, reg);
	bus_write(board->machine.ports, 0xcfc, 4, value);
}

void board_set_pin(struct board *board, unsigned int pin, uint64_t entry)
{
	for (unsigned int half = 2; half-- > 0; entry <<= 32) {
		bus_write(board->machine.mmio, IOAPIC_BASE, 4, 0x10 + 2 * pin + half);
		bus_write(board->machine.mmio, IOAPIC_BASE + 0x10, 4, entry >> 32);
	}
}

uint64_t board_pin(struct board *board, unsigned int pin)
{
	uint64_t entry = 0;

	for (unsigned int half = 2; half-- > 0;) {
		bus_write(board->machine.mmio, IOAPIC_BASE, 4, 0x10 + 2 * pin + half);
		entry = entry << 32 | in_sized(board->machine.mmio, IOAPIC_BASE + 0x10, 4);
	}
	return entry;
}

unsigned int board_count(const struct board *board, enum board_word word)
{
	unsigned int count = 0;

	for (guint i = 0; i < board->events->len; i++)
		count += g_array_index(board->events, struct board_event, i).word == word;
	return count;
}

int board_save(struct board *board)
{
	int file = memfd_create("checkpoint", MFD_CLOEXEC);
	g_autoptr(state_writer) writer = state_writer_new(file);

	assert_true(chipset_save(&board->machine, writer, NULL));
	assert_true(state_writer_finish(writer, NULL));
	return file;
}

struct board *board_load(int file, bool hot, bool keep_time, int64_t wall, GError **error)
{
	g_autoptr(state_reader) reader = state_reader_new(file, error);
	struct board *board;

	assert_non_null(reader);
	board = board_new(hot);
	fake_clock_set_wall(board->machine.clock, wall, 0);
	if (chipset_load(&board->machine, reader, keep_time, error))
		return board;
	board_free(board);
	return NULL;
}
