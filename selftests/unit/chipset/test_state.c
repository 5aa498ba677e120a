// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A board that went through a checkpoint goes on as if nothing had been: next to the board that
 * it was saved from, with the same guest on both, nothing that a guest or the outside can see
 * differs.
 */
#include "board.h"

#include <unistd.h>

#define RTE_LEVEL	0x8000ull
#define RTE_REMOTE_IRR	0x4000ull

struct pair {
	struct board *old;		/* goes on */
	struct board *new;		/* was loaded from what the old one saved */
};

/* The wall clocks of both show the same. */
static struct board *twin(struct board *old)
{
	g_autoptr(GError) error = NULL;
	bool hot = old->hot && !old->removed;
	struct board *new;
	uint32_t microseconds;
	int64_t wall;
	int file = board_save(old);

	clock_wall(old->machine.clock, &wall, &microseconds);
	new = board_load(file, hot, false, wall, &error);
	if (!new)
		fail_msg("%s", error->message);
	fake_clock_set_wall(new->machine.clock, wall, microseconds);
	close(file);
	return new;
}

/* Byte for byte the same checkpoint. */
static void assert_same_state(struct board *old, struct board *new)
{
	g_autoptr(state_reader) left = NULL, right = NULL;
	int files[2] = { board_save(old), board_save(new) };
	const struct state_record *a, *b;
	size_t n = 0;

	left = state_reader_new(files[0], NULL);
	right = state_reader_new(files[1], NULL);
	do {
		a = state_reader_nth(left, n);
		b = state_reader_nth(right, n++);
		assert_int_equal(!a, !b);
		if (!a)
			break;
		if (a->type != b->type || a->instance != b->instance ||
		    a->checksum != b->checksum)
			fail_msg("record %#x %u differs", a->type, a->instance);
	} while (true);
	assert_true(n > 9);
	close(files[0]);
	close(files[1]);
}

/* ------------------------------------------------------------ a guest of two machines */

static uint64_t some_port(uint64_t random)
{
	static const struct {
		uint16_t first, count;
	} ranges[] = {
		{ PIC_MASTER_PORT, 2 }, { PIC_SLAVE_PORT, 2 }, { PIC_ELCR_PORT, 2 },
		{ PIT_PORT, 4 }, { PIT_PORT, 4 }, { PIT_SPEAKER_PORT, 1 }, { I8042_DATA_PORT, 1 },
		{ I8042_COMMAND_PORT, 1 }, { RTC_PORT, 2 }, { RTC_PORT, 2 }, { PORT92, 1 },
		{ UART0_PORT, 8 }, { UART0_PORT, 8 }, { PM_BASE, 12 }, { 0xcf9, 1 },
	};
	unsigned int which = random % G_N_ELEMENTS(ranges);

	return ranges[which].first + (random >> 8) % ranges[which].count;
}

static uint64_t port_access(struct board *board, uint64_t random)
{
	uint16_t port = some_port(random >> 32);

	if (random & 1)
		board_out8(board, port, random >> 8);
	return board_in8(board, port);
}

static uint64_t cmos_access(struct board *board, uint64_t random)
{
	board_out8(board, RTC_PORT, random % 16);
	if (random & 0x10)
		board_out8(board, RTC_PORT + 1, random >> 8);
	return board_in8(board, RTC_PORT + 1);
}

static uint64_t program_pit(struct board *board, uint64_t random)
{
	unsigned int channel = random % 3;

	board_out8(board, PIT_PORT + 3, channel << 6 | 0x30 | (random >> 8 & 15));
	board_out8(board, PIT_PORT + channel, random >> 16);
	board_out8(board, PIT_PORT + channel, random >> 24);
	return 0;
}

static uint64_t program_pin(struct board *board, uint64_t random)
{
	unsigned int pin = random % IOAPIC_PINS;

	board_set_pin(board, pin, random >> 8 & 0xff0000000000abffull);
	return board_pin(board, pin);
}

static uint64_t end_interrupt(struct board *board, uint64_t random)
{
	if (random & 1)
		return board->machine.lint0 ? pic_acknowledge(board->machine.pic) : 0;
	ioapic_eoi(board->machine.ioapic, random >> 8);
	board_out8(board, PIC_MASTER_PORT, 0x20);
	board_out8(board, PIC_SLAVE_PORT, 0x20);
	return 0;
}

static uint64_t outside(struct board *board, uint64_t random)
{
	uint8_t bytes[8];

	memcpy(bytes, &random, sizeof(bytes));
	if (random & 1)
		return uart_input(board->machine.uart, bytes, random >> 8 & 7);
	pm_press_power_button(board->machine.pm);
	return 0;
}

static uint64_t wait_some(struct board *board, uint64_t random)
{
	static const uint64_t longest[] = { 1000, MS, 100 * MS, 30 * SECOND, 700 * SECOND };

	board_advance(board, (random >> 8) % longest[random % 4 + !(random >> 4 & 15)]);
	return clock_now(board->machine.clock);
}

static uint64_t config_access(struct board *board, uint64_t random)
{
	unsigned int bus = random & 3, slot = bus ? 0 : random >> 2 & 3, reg = random >> 8 & 0xfc;

	if (random & 0x10)
		board_config_write(board, bus, slot, reg, random >> 32);
	return board_config_read(board, bus, slot, reg);
}

static uint64_t memory_access(struct board *board, uint64_t random)
{
	uint64_t address = PCI_WINDOW_MEM + (random >> 8 & 0x3ffc), value;

	if (random & 1)
		bus_write(board->machine.mmio, address, 4, random >> 32);
	bus_read(board->machine.mmio, address, 4, &value);
	return value;
}

static uint64_t function_acts(struct board *board, uint64_t random)
{
	struct pci_device *device = board->hot && !board->removed && (random & 1) ? board->hot
										   : board->cold;

	if (random & 2)
		pci_intx_set(device, random & 4);
	else
		pci_msix_notify(device, random >> 3 & 3);
	if (!(random & 0x700))
		return pci_host_unplug(board->machine.pci, device, NULL);
	return 0;
}

static uint64_t (*const steps[])(struct board *board, uint64_t random) = {
	port_access, port_access, port_access, port_access, cmos_access, program_pit, program_pin,
	end_interrupt, outside, wait_some, wait_some, config_access, config_access, memory_access,
	function_acts,
};

static uint64_t step(struct board *board, uint64_t random)
{
	return steps[random % G_N_ELEMENTS(steps)](board, random / G_N_ELEMENTS(steps));
}

static void assert_same_events(struct pair *pair)
{
	assert_int_equal(pair->old->events->len, pair->new->events->len);
	if (pair->old->events->len)
		assert_memory_equal(pair->old->events->data, pair->new->events->data,
				    pair->old->events->len * sizeof(struct board_event));
}

/* What a load does at once: eventfds are bound, and nothing else leaves the board. */
static void assert_quiet(const struct board *board)
{
	for (guint i = 0; i < board->events->len; i++)
		assert_int_equal(g_array_index(board->events, struct board_event, i).word,
				 BOARD_BOUND);
}

static void one_life(uint64_t seed)
{
	struct pair pair = { .old = board_new(seed & 1) };

	board_assign(pair.old);
	for (unsigned int checkpoint = 0; checkpoint < 4; checkpoint++) {
		for (unsigned int i = 0; i < 120; i++)
			step(pair.old, next_random(&seed));
		pair.new = twin(pair.old);
		assert_quiet(pair.new);
		assert_same_state(pair.old, pair.new);
		g_array_set_size(pair.old->events, 0);
		g_array_set_size(pair.new->events, 0);
		for (unsigned int i = 0; i < 120; i++) {
			uint64_t random = next_random(&seed);

			assert_int_equal(step(pair.old, random), step(pair.new, random));
			assert_same_events(&pair);
		}
		assert_same_state(pair.old, pair.new);
		board_free(pair.old);
		pair.old = pair.new;
	}
	board_free(pair.old);
}

static void test_lives(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 25; seed++)
		one_life(seed * 0x9e3779b97f4a7c15ull);
}

/* ------------------------------------------------------------ chip by chip */

static struct board *twin_instead(struct board *old)
{
	struct board *new = twin(old);

	board_free(old);
	return new;
}

static struct board *new_board(void)
{
	struct board *board = board_new(false);

	board_assign(board);
	return board;
}

/* A guest of the PIC: what is not masked interrupts at once. */
static void unmask(struct board *board, unsigned int irq)
{
	board_out8(board, PIC_MASTER_PORT + 1, irq < 8 ? ~(1u << irq) : ~(1u << IRQ_CASCADE));
	board_out8(board, PIC_SLAVE_PORT + 1, irq < 8 ? 0xff : ~(1u << (irq - 8)));
}

static void test_pending_once(void **state)
{
	struct board *board = new_board();

	(void)state;
	board_out8(board, PIT_PORT + 3, 0x30);
	board_out8(board, PIT_PORT, 100);
	board_out8(board, PIT_PORT, 0);
	unmask(board, IRQ_PIT);
	board_advance(board, MS);
	assert_int_equal(board->machine.lint0, 1);
	board = twin_instead(board);
	assert_int_equal(board->machine.lint0, 1);
	assert_int_equal(pic_acknowledge(board->machine.pic), 0x08);
	assert_int_equal(board->machine.lint0, 0);
	board = twin_instead(board);			/* in service, the line still high */
	board_out8(board, PIC_MASTER_PORT, 0x0b);
	assert_int_equal(board_in8(board, PIC_MASTER_PORT), 1);
	board_advance(board, SECOND);
	board_out8(board, PIC_MASTER_PORT, 0x20);
	assert_int_equal(board->machine.lint0, 0);
	assert_int_equal(board_count(board, BOARD_INTR), 0);
	board_free(board);
}

static void test_pit_phase(void **state)
{
	struct board *board = new_board();
	uint64_t period = 11932 * SECOND / PIT_HZ;

	(void)state;
	board_out8(board, PIT_PORT + 3, 0x34);
	board_out8(board, PIT_PORT, 11932 & 0xff);
	board_out8(board, PIT_PORT, 11932 >> 8);
	unmask(board, IRQ_PIT);
	board_advance(board, 5 * period + period / 2);
	board = twin_instead(board);
	assert_int_equal(pic_acknowledge(board->machine.pic), 0x08);
	board_out8(board, PIC_MASTER_PORT, 0x20);
	g_array_set_size(board->events, 0);
	board_advance(board, period / 2 - 2000);
	assert_int_equal(board_count(board, BOARD_INTR), 0);
	board_advance(board, 4000);
	assert_int_equal(board_count(board, BOARD_INTR), 1);
	board_free(board);
}

static void test_uart(void **state)
{
	struct board *board = new_board();

	(void)state;
	board_out8(board, UART0_PORT + 2, 0x81);	/* FIFO, trigger level 8 */
	assert_int_equal(uart_input(board->machine.uart, (const uint8_t *)"abc", 3), 3);
	assert_int_equal(board_in8(board, UART0_PORT), 'a');
	board_out8(board, UART0_PORT + 1, 0x02);	/* THRE raises its interrupt */
	board = twin_instead(board);
	assert_int_equal(board->machine.gsi.levels, 1u << IRQ_UART0);
	assert_int_equal(uart_room(board->machine.uart), 14);
	assert_int_equal(board_in8(board, UART0_PORT + 2), 0xc2);
	assert_int_equal(board->machine.gsi.levels, 0);
	assert_int_equal(board_in8(board, UART0_PORT), 'b');
	assert_int_equal(board_in8(board, UART0_PORT), 'c');
	assert_int_equal(board_in8(board, UART0_PORT + 5), 0x60);
	board_free(board);
}

static void test_ioapic(void **state)
{
	struct board *board = new_board();

	(void)state;
	board_set_pin(board, PCI_INTX_GSI + 3, RTE_LEVEL | 0x41);
	pci_intx_set(board->cold, true);		/* in slot 3 */
	assert_int_equal(board_count(board, BOARD_MSI), 1);
	board = twin_instead(board);
	assert_int_equal(board_count(board, BOARD_MSI), 0);
	assert_int_equal(board_pin(board, PCI_INTX_GSI + 3), RTE_LEVEL | RTE_REMOTE_IRR | 0x41);
	ioapic_eoi(board->machine.ioapic, 0x41);	/* and the line is still high */
	assert_int_equal(board_count(board, BOARD_MSI), 1);
	pci_intx_set(board->cold, false);
	ioapic_eoi(board->machine.ioapic, 0x41);
	assert_int_equal(board_pin(board, PCI_INTX_GSI + 3), RTE_LEVEL | 0x41);
	assert_int_equal(board_count(board, BOARD_MSI), 1);
	board_free(board);
}

static void set_cmos(struct board *board, uint8_t index, uint8_t value)
{
	board_out8(board, RTC_PORT, index);
	board_out8(board, RTC_PORT + 1, value);
}

static uint8_t cmos(struct board *board, uint8_t index)
{
	board_out8(board, RTC_PORT, index);
	return board_in8(board, RTC_PORT + 1);
}

/* 2023-11-14 22:13:20 UTC is BOARD_WALL. */
static void test_rtc_alarm(void **state)
{
	struct board *board = new_board();

	(void)state;
	set_cmos(board, RTC_SECONDS_ALARM, 0x30);
	set_cmos(board, RTC_MINUTES_ALARM, 0xff);
	set_cmos(board, RTC_HOURS_ALARM, 0xff);
	set_cmos(board, RTC_B, 0x22);
	unmask(board, IRQ_RTC);
	board_advance(board, 3 * SECOND);
	board = twin_instead(board);
	board_advance(board, 6900 * MS);
	assert_int_equal(board->machine.lint0, 0);
	board_advance(board, 200 * MS);
	assert_int_equal(board->machine.lint0, 1);
	assert_int_equal(cmos(board, RTC_SECONDS), 0x30);
	board = twin_instead(board);
	assert_int_equal(pic_acknowledge(board->machine.pic), 0x70);
	assert_int_equal(cmos(board, RTC_C), 0xf0);
	board_advance(board, SECOND);
	assert_int_equal(board_count(board, BOARD_INTR), 1);	/* it fell */
	board_free(board);
}

static void assert_time(struct board *board, uint8_t hour, uint8_t minute, uint8_t second)
{
	assert_int_equal(cmos(board, RTC_HOURS), hour);
	assert_int_equal(cmos(board, RTC_MINUTES), minute);
	assert_int_equal(cmos(board, RTC_SECONDS), second);
}

static void test_rtc_wall(void **state)
{
	static const int64_t later = BOARD_WALL + 3600, earlier = BOARD_WALL - 3600;
	struct board *board = new_board(), *again;
	int file, kept;

	(void)state;
	set_cmos(board, RTC_B, 0x12);			/* update-ended interrupts */
	file = board_save(board);
	board_free(board);

	board = board_load(file, false, false, later, NULL);
	assert_time(board, 0x23, 0x13, 0x20);
	board_free(board);

	board = board_load(file, false, false, earlier, NULL);
	board_advance(board, 2 * SECOND);		/* no hour without an interrupt */
	assert_int_equal(board->machine.gsi.levels, 1u << IRQ_RTC);
	assert_time(board, 0x21, 0x13, 0x22);
	board_free(board);

	board = board_load(file, false, true, later, NULL);
	assert_time(board, 0x22, 0x13, 0x20);
	board_advance(board, 5 * SECOND);
	assert_time(board, 0x22, 0x13, 0x25);
	kept = board_save(board);			/* an hour behind its host */
	board_free(board);

	again = board_load(kept, false, true, BOARD_WALL, NULL);
	assert_time(again, 0x22, 0x13, 0x25);
	board_free(again);
	again = board_load(kept, false, false, later, NULL);
	assert_time(again, 0x23, 0x13, 0x20);
	board_free(again);
	close(file);
	close(kept);
}

static void test_pm(void **state)
{
	struct board *board = new_board();
	uint64_t ticks;

	(void)state;
	bus_write(board->machine.ports, PM_BASE + 2, 2, 0x101);
	board_advance(board, 598 * SECOND);
	ticks = in_sized(board->machine.ports, PM_BASE + 8, 4);
	board = twin_instead(board);
	assert_int_equal(in_sized(board->machine.ports, PM_BASE + 8, 4), ticks);
	board_advance(board, 3 * SECOND);		/* bit 31 changes */
	assert_int_equal(in_sized(board->machine.ports, PM_BASE, 2), 1);
	assert_int_equal(board->machine.gsi.levels, 1u << IRQ_SCI);
	bus_write(board->machine.ports, PM_BASE, 2, 1);
	pm_press_power_button(board->machine.pm);
	board = twin_instead(board);
	assert_int_equal(board->machine.gsi.levels, 1u << IRQ_SCI);
	bus_write(board->machine.ports, PM_BASE, 2, 0x100);
	assert_int_equal(board->machine.gsi.levels, 0);
	board_free(board);
}

static unsigned int find_capability(struct board *board, unsigned int slot, uint8_t id)
{
	unsigned int at = board_config_read(board, 0, slot, PCI_CAPABILITY_LIST) & 0xff;

	while (at && (board_config_read(board, 0, slot, at) & 0xff) != id)
		at = board_config_read(board, 0, slot, at) >> 8 & 0xff;
	assert_int_not_equal(at, 0);
	return at;
}

/* Eventfds are where they were before the guest's first access. */
static void test_bindings(void **state)
{
	struct board *board = new_board();
	uint64_t bar = board_config_read(board, 0, 3, PCI_BASE_ADDRESS_0) & ~15u;
	unsigned int msix = find_capability(board, 3, PCI_CAP_ID_MSIX);
	const struct board_event *events;

	(void)state;
	board_config_write(board, 0, 3, PCI_COMMAND, 7);
	board_config_write(board, 0, 3, msix, (uint32_t)PCI_MSIX_FLAGS_ENABLE << 16);
	bus_write(board->machine.mmio, bar + 16, 4, 0xfee01000);
	bus_write(board->machine.mmio, bar + 24, 4, 0x51);
	bus_write(board->machine.mmio, bar + 28, 4, 0);
	pci_msix_notify(board->cold, 2);		/* masked */
	board = twin_instead(board);
	events = (const struct board_event *)(const void *)board->events->data;
	assert_int_equal(board->events->len, 2);
	assert_int_equal(board_count(board, BOARD_BOUND), 2);
	assert_int_equal(events[0].value, bar + 0x1000);
	assert_int_equal(events[1].value, 0xfee01000);
	assert_int_equal(events[1].more, 0x51);
	bus_write(board->machine.mmio, bar + 32, 4, 0xfee02000);
	bus_write(board->machine.mmio, bar + 44, 4, 0);
	assert_int_equal(board_count(board, BOARD_MSI), 1);
	board_free(board);
}

/* The guest is told of what is plugged in later, as before. */
static void test_plug_later(void **state)
{
	struct board *board = twin_instead(new_board()), *other = board_new(false);
	unsigned int express = find_capability(board, 1, PCI_CAP_ID_EXP);

	(void)state;
	pci_host_detach(other->machine.pci, other->cold);
	assert_true(pci_host_plug(board->machine.pci, other->cold, NULL));
	assert_int_equal(board_config_read(board, 0, 1, express + PCI_EXP_SLTCTL) >> 16,
			 PCI_EXP_SLTSTA_PDS | PCI_EXP_SLTSTA_PDC | PCI_EXP_SLTSTA_ABP);
	pci_host_detach(board->machine.pci, other->cold);
	assert_true(pci_host_attach(other->machine.pci, other->cold, NULL));
	board_free(board);
	board_free(other);
}

/* For the reader in Python: a board after some life. */
static int write_file(const char *path, uint64_t seed)
{
	struct board *board = board_new(seed & 1);
	g_autofree char *source = NULL;
	g_autofree char *bytes = NULL;
	gsize length;
	int file;

	board_assign(board);
	seed *= 0x9e3779b97f4a7c15ull;
	for (unsigned int i = 0; i < 300; i++)
		step(board, next_random(&seed));
	file = board_save(board);
	board_free(board);
	source = g_strdup_printf("/proc/self/fd/%d", file);
	if (!g_file_get_contents(source, &bytes, &length, NULL) ||
	    !g_file_set_contents(path, bytes, length, NULL))
		return 1;
	close(file);
	return 0;
}

/* Without arguments the tests; with FILE SEED that file is written. */
int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pending_once),
		cmocka_unit_test(test_pit_phase),
		cmocka_unit_test(test_uart),
		cmocka_unit_test(test_ioapic),
		cmocka_unit_test(test_rtc_alarm),
		cmocka_unit_test(test_rtc_wall),
		cmocka_unit_test(test_pm),
		cmocka_unit_test(test_bindings),
		cmocka_unit_test(test_plug_later),
		cmocka_unit_test(test_lives),
	};

	if (argc == 3)
		return write_file(argv[1], g_ascii_strtoull(argv[2], NULL, 10));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
