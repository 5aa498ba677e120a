// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A guest that writes anything to any port of a PC's chips, ACPI's among them, and to the
 * IOAPIC, while time passes, wires move and somebody types.
 */
#include "../../../vmm/chipset/chipset.h"
#include "../../unit/fake_clock.h"
#include "../input.h"

#define WIRES		16u
#define SECOND		1000000000ull
#define EDGE_MIN_NS	100000ull	/* between interrupts of the PIT, by its own word */
#define IOREGSEL	IOAPIC_BASE
#define IOWIN		(IOAPIC_BASE + 0x10)
#define RTE_REMOTE_IRR	(1ull << 14)
#define RTE_LEVEL	(1ull << 15)
#define RTE_MASKED	(1ull << 16)
#define RTE_DEFINED	0xff0000000001ffffull

struct world {
	struct input input;
	struct bus *ports, *mmio, *config_ports;
	struct clock *clock;
	struct pic *pic;
	struct ioapic *ioapic;
	struct pit *pit;
	struct rtc *rtc;
	struct uart *uart;
	struct pm *pm;
	struct reset_ports *reset_ports;
	struct i8042 *i8042;
	struct debug_exit *debug_exit;
	int intr;
	int wires[WIRES];
	unsigned int pit_edges;
	unsigned int asked;		/* mask of enum power_event, by the last access */
	bool drained;
};

/* ---------------------------------------------------------------- the board */

static void set_intr(void *opaque, unsigned int pin, int level)
{
	struct world *world = opaque;

	CHECK(pin == 0 && level != world->intr);
	world->intr = level;
}

static void set_wire(void *opaque, unsigned int pin, int level)
{
	struct world *world = opaque;

	CHECK(pin < WIRES && (level == 0 || level == 1));
	world->pit_edges += pin == IRQ_PIT && level && !world->wires[pin];
	world->wires[pin] = level;
	pic_set_irq(world->pic, pin, level);
	ioapic_set_irq(world->ioapic, pin == IRQ_PIT ? 2 : pin, level);
}

static uint64_t redirection(struct world *world, unsigned int pin)
{
	uint64_t low, high, index;

	bus_read(world->mmio, IOREGSEL, 4, &index);
	bus_write(world->mmio, IOREGSEL, 4, 0x10 + 2 * pin);
	bus_read(world->mmio, IOWIN, 4, &low);
	bus_write(world->mmio, IOREGSEL, 4, 0x11 + 2 * pin);
	bus_read(world->mmio, IOWIN, 4, &high);
	bus_write(world->mmio, IOREGSEL, 4, index);
	return low | high << 32;
}

static bool ends_by_eoi(uint64_t entry)
{
	return (entry >> 8 & 7) <= 1;	/* fixed, lowest priority */
}

/* Every message comes from an entry that is not masked and says just that. */
static void note_message(void *opaque, uint64_t address, uint32_t data)
{
	struct world *world = opaque;
	unsigned int mode = data >> 8 & 7;
	unsigned int matching = 0;

	CHECK(address >> 20 == 0xfee && mode != 3 && mode != 6);
	for (unsigned int pin = 0; pin < IOAPIC_PINS; pin++) {
		uint64_t entry = redirection(world, pin);
		bool level = (entry & RTE_LEVEL) && ends_by_eoi(entry);

		matching += !(entry & RTE_MASKED) && (entry & 0x7ff) == (data & 0x7ff) &&
			    entry >> 56 == (address >> 12 & 0xff) && level == (data >> 15 & 1);
	}
	CHECK(matching);
}

static void note_power(void *opaque, enum power_event event, uint32_t value)
{
	struct world *world = opaque;

	(void)value;
	CHECK(event == POWER_OFF || event == POWER_RESET || event == POWER_DEBUG_EXIT);
	world->asked |= 1u << event;
}

static void note_output(void *opaque, const uint8_t *bytes, size_t count)
{
	(void)opaque;
	CHECK(bytes && count == 1);
}

static void note_drained(void *opaque)
{
	struct world *world = opaque;

	world->drained = true;
}

static struct irq_line wire(struct world *world, unsigned int pin)
{
	return (struct irq_line){ .set = set_wire, .opaque = world, .pin = pin };
}

static void start(struct world *world)
{
	const struct power_sink power = { .request = note_power, .opaque = world };
	const struct ioapic_sink sink = { .msi = note_message, .opaque = world };
	const struct uart_sink uart_sink = { note_output, note_drained, world };

	world->ports = bus_new("ports");
	world->mmio = bus_new("mmio");
	world->config_ports = bus_new("config ports");
	world->clock = fake_clock_new();
	fake_clock_set_wall(world->clock, 1700000000, 0);
	world->pic = pic_new(world->ports, (struct irq_line){ .set = set_intr, .opaque = world });
	world->ioapic = ioapic_new(world->mmio, &sink);
	world->pit = pit_new(world->ports, world->clock, wire(world, IRQ_PIT));
	world->rtc = rtc_new(world->ports, world->clock, wire(world, IRQ_RTC), 1 << 30, 1ull << 33);
	world->uart = uart_new(world->ports, UART0_PORT, wire(world, IRQ_UART0), &uart_sink);
	world->pm = pm_new(world->ports, world->clock, wire(world, IRQ_SCI), &power);
	world->reset_ports = reset_ports_new(world->ports, world->config_ports, &power);
	world->i8042 = i8042_new(world->ports, &power);
	world->debug_exit = debug_exit_new(world->ports, &power);
}

static void stop(struct world *world)
{
	debug_exit_free(world->debug_exit);
	i8042_free(world->i8042);
	reset_ports_free(world->reset_ports);
	pm_free(world->pm);
	uart_free(world->uart);
	rtc_free(world->rtc);
	pit_free(world->pit);
	ioapic_free(world->ioapic);
	pic_free(world->pic);
	fake_clock_free(world->clock);
	bus_free(world->config_ports);
	bus_free(world->mmio);
	bus_free(world->ports);
}

/* ---------------------------------------------------------------- ports */

static struct bus *bus_of(struct world *world, uint64_t port)
{
	return port == RESET_PORT ? world->config_ports : world->ports;
}

static uint64_t in(struct world *world, uint64_t port, unsigned int size)
{
	uint64_t value;

	bus_read(bus_of(world, port), port, size, &value);
	CHECK(size == 8 || !(value >> 8 * size));
	return value;
}

static bool covers(uint64_t port, unsigned int size, uint64_t wanted)
{
	return wanted - port < size;
}

/* What a write there may ask for. */
static unsigned int may_ask(uint64_t port, unsigned int size)
{
	unsigned int events = 0;

	if (covers(port, size, PM_BASE + 5))
		events |= 1u << POWER_OFF;
	if (covers(port, size, PORT92) || covers(port, size, RESET_PORT) ||
	    covers(port, size, I8042_DATA_PORT) || covers(port, size, I8042_COMMAND_PORT))
		events |= 1u << POWER_RESET;
	if (port == DEBUG_EXIT_PORT)
		events |= 1u << POWER_DEBUG_EXIT;
	return events;
}

static void out(struct world *world, uint64_t port, unsigned int size, uint64_t value)
{
	size_t room = uart_room(world->uart);

	world->asked = 0;
	world->drained = false;
	bus_write(bus_of(world, port), port, size, value);
	CHECK(!(world->asked & ~may_ask(port, size)));
	if (size == 1)
		CHECK(world->drained == (!room && uart_room(world->uart)));
}

static uint64_t some_port(struct input *input)
{
	static const struct {
		uint16_t first, count;
	} ranges[] = {
		{ PIC_MASTER_PORT, 2 }, { PIC_SLAVE_PORT, 2 }, { PIC_ELCR_PORT, 2 },
		{ PIT_PORT, 4 }, { PIT_PORT, 4 }, { PIT_SPEAKER_PORT, 1 }, { I8042_DATA_PORT, 1 },
		{ I8042_COMMAND_PORT, 1 }, { RTC_PORT, 2 }, { RTC_PORT, 2 }, { PORT92, 1 },
		{ UART0_PORT, 8 }, { UART0_PORT, 8 }, { DEBUG_EXIT_PORT, 4 }, { RESET_PORT, 1 },
		{ PM_BASE, 12 }, { PM_BASE, 12 },
	};
	unsigned int range = take_below(input, G_N_ELEMENTS(ranges));

	return ranges[range].first + take_below(input, ranges[range].count);
}

static void write_port(struct world *world)
{
	struct input *input = &world->input;
	uint64_t port = some_port(input);
	unsigned int size = take8(input) % 4 ? 1 : 2u << take_below(input, 2);

	out(world, port, size, take_value(input, size));
}

static void read_port(struct world *world)
{
	struct input *input = &world->input;
	uint64_t port = some_port(input);

	in(world, port, take8(input) % 4 ? 1 : 2u << take_below(input, 2));
}

/* ---------------------------------------------------------------- each chip's own words */

/* The clock's registers by index, its memory among them. */
static void cmos(struct world *world)
{
	struct input *input = &world->input;
	uint8_t index = take8(input), how = take8(input), value;

	if (how & 1)
		index %= 14;
	out(world, RTC_PORT, 1, index);
	if (how & 2) {
		value = take8(input);
		out(world, RTC_PORT + 1, 1, value);
		if (index % 128 >= 14 && index % 128 != 0x32)
			CHECK(in(world, RTC_PORT + 1, 1) == value);
	}
	value = in(world, RTC_PORT + 1, 1);
	if (index % 128 == 0x0c)	/* reading the flags ends the interrupt */
		CHECK(!world->wires[IRQ_RTC]);
	if (index % 128 == 0x0d)
		CHECK(value == 0x80);
}

/* The identification tells what the wire does. */
static void identify_uart(struct world *world)
{
	int level = world->wires[IRQ_UART0];

	CHECK(level == !(in(world, UART0_PORT + 2, 1) & 1));
}

static void type(struct world *world)
{
	static const uint8_t bytes[20] = "many characters";
	size_t count = take_below(&world->input, sizeof(bytes)), room = uart_room(world->uart);

	CHECK(room <= 16 && uart_input(world->uart, bytes, count) == MIN(room, count));
}

/* A count for the PIT in one go, which random bytes seldom make. */
static void program_pit(struct world *world)
{
	struct input *input = &world->input;
	unsigned int channel = take_below(input, 3);
	uint16_t count = take_value(input, take8(input) & 1 ? 1 : 2);

	out(world, PIT_PORT + 3, 1, channel << 6 | 0x30 | (take8(input) & 0x0f));
	out(world, PIT_PORT + channel, 1, count & 0xff);
	out(world, PIT_PORT + channel, 1, count >> 8);
}

static void soft_off(struct world *world)
{
	unsigned int kind = take_below(&world->input, 8);

	out(world, PM_BASE + 4, 2, kind << 10 | 0x2000);
	CHECK(world->asked == (kind == PM_S5_SLEEP_TYPE ? 1u << POWER_OFF : 0));
}

static void press_button(struct world *world)
{
	pm_press_power_button(world->pm);
	CHECK(in(world, PM_BASE, 2) & 0x100);
}

/* Without a request INTA gives a spurious vector; INTR falls with INTA. */
static void acknowledge(struct world *world)
{
	bool asked = world->intr;
	uint8_t vector = pic_acknowledge(world->pic);

	if (!asked)
		CHECK(vector % 8 == 7);
}

static void move_wire(struct world *world)
{
	static const uint8_t free_wires[] = { 1, 3, 5, 6, 7, 10, 11, 12, 13, 14, 15 };
	struct input *input = &world->input;
	uint8_t which = take8(input);
	unsigned int pin = 16 + which % 8;

	if (which & 0x40)
		ioapic_set_irq(world->ioapic, pin, which >> 7);
	else
		set_wire(world, free_wires[which % G_N_ELEMENTS(free_wires)], which >> 7);
}

static void ioapic_access(struct world *world)
{
	struct input *input = &world->input;
	uint8_t how = take8(input);
	uint64_t at = how & 1 ? IOWIN : IOAPIC_BASE + take_below(input, 0x50), value;
	unsigned int size = how & 2 ? 4 : 1u << take_below(input, 4);

	if (how & 4)
		bus_write(world->mmio, IOREGSEL, 4, take_below(input, 0x42));
	if (how & 8)
		bus_write(world->mmio, at, size, take_value(input, size));
	if (how & 16)
		ioapic_eoi(world->ioapic, take8(input));
	bus_read(world->mmio, at, size, &value);
}

/* An entry in one go, and its wire. */
static void program_pin(struct world *world)
{
	struct input *input = &world->input;
	unsigned int pin = take_below(input, IOAPIC_PINS);
	uint8_t how = take8(input);

	bus_write(world->mmio, IOREGSEL, 4, 0x10 + 2 * pin);
	bus_write(world->mmio, IOWIN, 4, take_value(input, 2) | (how & 1 ? RTE_MASKED : 0));
	if (how & 2)
		ioapic_set_irq(world->ioapic, pin, how >> 7);
}

/* ---------------------------------------------------------------- time */

static void wait_some(struct world *world)
{
	struct input *input = &world->input;
	uint8_t how = take8(input);
	uint64_t ns = take_value(input, how & 1 ? 2 : 3) << (how & 2 ? 0 : 6);
	uint64_t late = how & 4 ? take_value(input, 3) << 6 : 0;

	if (how & 8)
		fake_clock_sleep(world->clock, late);
	world->pit_edges = 0;
	fake_clock_advance(world->clock, ns);
	CHECK(fake_clock_deadline(world->clock) > clock_now(world->clock));
	CHECK(world->pit_edges <= ns / EDGE_MIN_NS + 2);
}

/* Of the host's clock, somebody else is the master. */
static void set_clock(struct world *world)
{
	int64_t second = take_value(&world->input, 5);

	fake_clock_set_wall(world->clock, second, take_below(&world->input, 1000000));
}

/* ---------------------------------------------------------------- always */

static void check_world(struct world *world)
{
	uint32_t events = in(world, PM_BASE, 4);

	CHECK(world->wires[IRQ_SCI] == !!(events & events >> 16));
	CHECK(in(world, PM_BASE + 4, 2) & 1);	/* always in ACPI mode */
	for (unsigned int pin = 0; pin < IOAPIC_PINS; pin++) {
		uint64_t entry = redirection(world, pin);

		CHECK(!(entry & ~RTE_DEFINED));
		if (entry & RTE_REMOTE_IRR)
			CHECK((entry & RTE_LEVEL) && ends_by_eoi(entry));
	}
}

static void (*const steps[])(struct world *world) = {
	write_port, write_port, write_port, write_port, read_port, read_port, cmos, cmos,
	identify_uart, type, program_pit, soft_off, press_button, acknowledge, move_wire,
	ioapic_access, program_pin, program_pin, wait_some, wait_some, set_clock,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world world = { .input = { data, MIN(size, 512) } };

	start(&world);
	while (world.input.left) {
		steps[take_below(&world.input, G_N_ELEMENTS(steps))](&world);
		check_world(&world);
	}
	stop(&world);
	return 0;
}
