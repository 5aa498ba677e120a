// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Any bytes as the state of a chip: refused without a change, or as good as any state, whatever a
 * guest does with the chip afterwards.
 */
#include "../../../vmm/chipset/state.h"
#include "../../../vmm/gsi.h"
#include "../../unit/fake_clock.h"
#include "../input.h"

#define SECOND		1000000000ull
#define EDGE_MIN_NS	100000ull	/* between interrupts of the PIT */
#define STATE_MAX	256u

struct world {
	struct input input;
	struct bus *ports, *mmio, *config_ports;
	struct clock *clock;
	struct gsi_router gsi;
	struct irq_line lines[IRQ_SCI + 1];
	struct pic *pic;
	struct ioapic *ioapic;
	struct pit *pit;
	struct rtc *rtc;
	struct uart *uart;
	struct pm *pm;
	struct reset_ports *reset_ports;
	struct i8042 *i8042;
	unsigned int changes;		/* of wires */
};

/* ---------------------------------------------------------------- the board */

static void set_intr(void *opaque, unsigned int pin, int level)
{
	(void)opaque;
	CHECK(pin == 0 && (level == 0 || level == 1));
}

static void set_wire(void *opaque, unsigned int pin, int level)
{
	struct world *world = opaque;

	CHECK(level == 0 || level == 1);
	world->changes++;
	irq_set(&world->lines[pin], level);
}

static void take_message(void *opaque, uint64_t address, uint32_t data)
{
	(void)opaque;
	(void)data;
	CHECK(address >> 20 == 0xfee);
}

static void take_power(void *opaque, enum power_event event, uint32_t value)
{
	(void)opaque;
	(void)value;
	CHECK(event == POWER_OFF || event == POWER_RESET);
}

static void take_output(void *opaque, const uint8_t *bytes, size_t count)
{
	(void)opaque;
	CHECK(bytes && count == 1);
}

static struct irq_line wire(struct world *world, unsigned int gsi)
{
	world->lines[gsi] = gsi_line(&world->gsi, gsi);
	return (struct irq_line){ .set = set_wire, .opaque = world, .pin = gsi };
}

/* Timers of all kinds run, so that it matters if one of their values is damaged. */
static void program(struct world *world)
{
	static const uint8_t writes[][2] = {
		{ PIT_PORT + 3, 0x34 }, { PIT_PORT, 0x00 }, { PIT_PORT, 0x20 },
		{ PIT_PORT + 3, 0x76 }, { PIT_PORT + 1, 0x00 }, { PIT_PORT + 1, 0x03 },
		{ PIT_SPEAKER_PORT, 0x01 }, { PIT_PORT + 3, 0xb0 }, { PIT_PORT + 2, 0xff },
		{ PIT_PORT + 2, 0xff }, { RTC_PORT, 0x0b }, { RTC_PORT + 1, 0x52 },
	};

	for (unsigned int i = 0; i < G_N_ELEMENTS(writes); i++)
		bus_write(world->ports, writes[i][0], 1, writes[i][1]);
	bus_write(world->ports, UART0_PORT + 2, 1, 0x81);
	uart_input(world->uart, (const uint8_t *)"typed", 5);
	bus_write(world->ports, PM_BASE + 2, 2, 1);
	fake_clock_advance(world->clock, SECOND / 2);
}

static void start(struct world *world)
{
	const struct power_sink power = { .request = take_power, .opaque = world };
	const struct ioapic_sink sink = { .msi = take_message, .opaque = world };
	const struct uart_sink uart_sink = { .output = take_output, .opaque = world };

	world->ports = bus_new("ports");
	world->mmio = bus_new("mmio");
	world->config_ports = bus_new("config ports");
	world->clock = fake_clock_new();
	fake_clock_set_wall(world->clock, 1700000000, 0);
	world->pic = pic_new(world->ports, (struct irq_line){ .set = set_intr, .opaque = world });
	world->ioapic = ioapic_new(world->mmio, &sink);
	world->gsi = (struct gsi_router){ .pic = world->pic, .ioapic = world->ioapic };
	world->pit = pit_new(world->ports, world->clock, wire(world, IRQ_PIT));
	world->rtc = rtc_new(world->ports, world->clock, wire(world, IRQ_RTC), 1 << 30, 1ull << 33);
	world->uart = uart_new(world->ports, UART0_PORT, wire(world, IRQ_UART0), &uart_sink);
	world->pm = pm_new(world->ports, world->clock, wire(world, IRQ_SCI), &power);
	world->reset_ports = reset_ports_new(world->ports, world->config_ports, &power);
	world->i8042 = i8042_new(world->ports, &power);
	program(world);
}

static void stop(struct world *world)
{
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

/* ---------------------------------------------------------------- what all steps use */

static const struct {
	uint16_t first, count;
} ranges[] = {
	{ PIC_MASTER_PORT, 2 }, { PIC_SLAVE_PORT, 2 }, { PIC_ELCR_PORT, 2 }, { PIT_PORT, 4 },
	{ PIT_PORT, 4 }, { PIT_SPEAKER_PORT, 1 }, { I8042_DATA_PORT, 1 }, { I8042_COMMAND_PORT, 1 },
	{ RTC_PORT, 2 }, { RTC_PORT, 2 }, { PORT92, 1 }, { UART0_PORT, 8 }, { UART0_PORT, 8 },
	{ PM_BASE, 12 },
};

static uint64_t some_port(struct input *input)
{
	unsigned int range = take_below(input, G_N_ELEMENTS(ranges));

	return ranges[range].first + take_below(input, ranges[range].count);
}

static void advance(struct world *world, uint64_t ns)
{
	world->changes = 0;
	fake_clock_advance(world->clock, ns);
	CHECK(fake_clock_deadline(world->clock) > clock_now(world->clock));
	CHECK(world->changes <= 2 * (ns / EDGE_MIN_NS) + 64);
}

/* All that can be read, now and a little later. */
static void sweep(struct world *world)
{
	uint64_t value;

	for (unsigned int round = 0; round < 2; round++) {
		bus_write(world->ports, PIT_PORT + 3, 1, 0xce);		/* latch all */
		for (unsigned int i = 0; i < G_N_ELEMENTS(ranges); i++)
			for (unsigned int port = 0; port < ranges[i].count; port++)
				bus_read(world->ports, ranges[i].first + port, 1, &value);
		advance(world, SECOND / 100);
	}
}

/* ---------------------------------------------------------------- states */

struct chip {
	size_t size;
	void (*save)(struct world *world, void *state);
	gboolean (*load)(struct world *world, const void *state);
};

#define CHIP(name) \
static void save_##name(struct world *world, void *state) \
{ \
	name##_save(world->name, state); \
} \
static gboolean load_##name(struct world *world, const void *state) \
{ \
	return name##_load(world->name, state, NULL); \
}

CHIP(pic)
CHIP(ioapic)
CHIP(pit)
CHIP(uart)
CHIP(pm)
CHIP(reset_ports)
CHIP(i8042)

static void save_rtc(struct world *world, void *state)
{
	rtc_save(world->rtc, state);
}

/* The time is kept: as no time passes, it is the same state afterwards. */
static gboolean load_rtc(struct world *world, const void *state)
{
	return rtc_load(world->rtc, state, true, NULL);
}

#define ROW(name)	{ sizeof(struct name##_state), save_##name, load_##name }

static const struct chip chips[] = {
	ROW(pic), ROW(ioapic), ROW(pit), ROW(pit), ROW(rtc), ROW(rtc), ROW(uart), ROW(pm),
	ROW(reset_ports), ROW(i8042),
};

static void damage(struct input *input, uint8_t *state, size_t size)
{
	uint8_t how = take8(input);
	unsigned int changes = how & 4 ? 1 : 1 + how % 4;

	if (how == UINT8_MAX) {		/* all of it */
		for (size_t i = 0; i < size; i++)
			state[i] = take8(input);
		return;
	}
	while (changes--) {
		size_t width = 1u << take_below(input, 4);
		size_t at = take_below(input, size) / width * width;
		uint64_t value = take_value(input, how & 8 ? 1 : width) << (how & 16 ? 56 : 0);

		memcpy(state + at, &value, MIN(width, size - at));
	}
}

/* A second load of what is there changes nothing. */
static void check_again(struct world *world, const struct chip *chip)
{
	uint8_t once[STATE_MAX] = { 0 }, twice[STATE_MAX] = { 0 };

	chip->save(world, once);
	CHECK(chip->load(world, once));
	chip->save(world, twice);
	CHECK(!memcmp(once, twice, chip->size));
}

static void load_some(struct world *world)
{
	const struct chip *chip = &chips[take_below(&world->input, G_N_ELEMENTS(chips))];
	uint8_t before[STATE_MAX] = { 0 }, state[STATE_MAX], after[STATE_MAX] = { 0 };

	CHECK(chip->size <= STATE_MAX);
	chip->save(world, before);
	memcpy(state, before, sizeof(state));
	damage(&world->input, state, chip->size);
	world->gsi.held = true;		/* so that no chip hears of another */
	if (chip->load(world, state)) {
		check_again(world, chip);
		world->gsi.held = false;
		sweep(world);
	} else {
		chip->save(world, after);
		CHECK(!memcmp(before, after, chip->size));
	}
	world->gsi.held = false;
}

/* ---------------------------------------------------------------- the guest, and time */

static void use_port(struct world *world)
{
	struct input *input = &world->input;
	uint64_t port = some_port(input), value;

	if (take8(input) & 1)
		bus_write(world->ports, port, 1, take8(input));
	bus_read(world->ports, port, 1, &value);
}

static void use_ioapic(struct world *world)
{
	struct input *input = &world->input;
	uint64_t value;

	bus_write(world->mmio, IOAPIC_BASE, 4, take_below(input, 0x42));
	if (take8(input) & 1)
		bus_write(world->mmio, IOAPIC_BASE + 0x10, 4, take_value(input, 4));
	bus_read(world->mmio, IOAPIC_BASE + 0x10, 4, &value);
	ioapic_eoi(world->ioapic, take8(input));
}

static void use_wires(struct world *world)
{
	static const uint8_t bytes[20] = "many characters";
	uint8_t how = take8(&world->input);

	if (how & 1)
		pic_acknowledge(world->pic);
	if (how & 2)
		pm_press_power_button(world->pm);
	if (how & 4)
		CHECK(uart_input(world->uart, bytes, how >> 4) <= 16);
}

static void wait_some(struct world *world)
{
	struct input *input = &world->input;

	advance(world, take_value(input, 3) << (take8(input) & 1 ? 0 : 6));
}

static void set_clock(struct world *world)
{
	int64_t second = take_value(&world->input, 5);

	fake_clock_set_wall(world->clock, second, take_below(&world->input, 1000000));
}

static void (*const steps[])(struct world *world) = {
	load_some, load_some, load_some, use_port, use_port, use_port, use_ioapic, use_wires,
	wait_some, wait_some, set_clock,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world world = { .input = { data, MIN(size, 1024) } };

	start(&world);
	while (world.input.left)
		steps[take_below(&world.input, G_N_ELEMENTS(steps))](&world);
	stop(&world);
	return 0;
}
