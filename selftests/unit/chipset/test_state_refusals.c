// SPDX-License-Identifier: GPL-2.0-or-later
/* States that no guest could have come to are refused by the field's name, and change nothing. */
#include "board.h"

#include <unistd.h>

/* Each chip with something to lose. */
static struct board *busy_board(void)
{
	struct board *board = board_new(true);

	board_assign(board);
	board_out8(board, PIT_PORT + 3, 0x34);
	board_out8(board, PIT_PORT, 0);
	board_out8(board, PIT_PORT, 0x20);
	board_out8(board, PIC_MASTER_PORT + 1, 0x00);
	board_out8(board, UART0_PORT + 2, 0xc1);
	uart_input(board->machine.uart, (const uint8_t *)"characters", 10);
	board_out8(board, UART0_PORT + 1, 0x01);
	board_set_pin(board, 5, 0x8045);
	board_advance(board, 100 * MS);
	return board;
}

union state {
	uint8_t bytes[512];
	struct pic_state pic;
	struct ioapic_state ioapic;
	struct pit_state pit;
	struct rtc_state rtc;
	struct uart_state uart;
	struct pm_state pm;
	struct i8042_state i8042;
	struct reset_ports_state reset_ports;
};

struct chip {
	void (*save)(struct board *board, union state *state);
	gboolean (*load)(struct board *board, const union state *state, GError **error);
};

#define CHIP(name) \
static void save_##name(struct board *board, union state *state) \
{ \
	name##_save(board->machine.name, &state->name); \
} \
static gboolean load_##name(struct board *board, const union state *state, GError **error) \
{ \
	return name##_load(board->machine.name, &state->name, error); \
} \
static const struct chip name = { save_##name, load_##name };

CHIP(pic)
CHIP(ioapic)
CHIP(pit)
CHIP(uart)
CHIP(pm)
CHIP(i8042)
CHIP(reset_ports)

static void save_rtc(struct board *board, union state *state)
{
	rtc_save(board->machine.rtc, &state->rtc);
}

static gboolean load_rtc(struct board *board, const union state *state, GError **error)
{
	return rtc_load(board->machine.rtc, &state->rtc, false, error);
}

static gboolean load_rtc_kept(struct board *board, const union state *state, GError **error)
{
	return rtc_load(board->machine.rtc, &state->rtc, true, error);
}

static const struct chip rtc = { save_rtc, load_rtc };
static const struct chip rtc_kept = { save_rtc, load_rtc_kept };

struct refusal {
	const struct chip *chip;
	size_t offset;
	size_t width;
	uint64_t value;
	const char *words;
};

#define AT(name, member)	&name, offsetof(union state, name.member), \
				sizeof(((union state *)0)->name.member)
#define CMOS(index)		&rtc, offsetof(union state, rtc.cmos) + (index), 1

static const struct refusal refusals[] = {
	{ AT(pic, chips[0].vector_base), 0x09, "master PIC has a value of \"vector_base\"" },
	{ AT(pic, chips[1].vector_base), 0x71, "slave PIC has a value of \"vector_base\"" },
	{ AT(pic, chips[0].step), 4, "\"step\"" },
	{ AT(pic, chips[0].lowest), 8, "\"lowest\"" },
	{ AT(pic, chips[1].rotate_aeoi), 2, "\"rotate_aeoi\"" },
	{ AT(pic, chips[1].special_mask), 2, "\"special_mask\"" },
	{ AT(pic, chips[1].read_isr), 2, "\"read_isr\"" },
	{ AT(pic, chips[1].poll), 0x80, "\"poll\"" },
	{ AT(pic, chips[1].output), 2, "\"output\"" },
	{ AT(pic, chips[0].pad), 1, "\"pad\"" },
	{ AT(pic, chips[0].elcr), 0x01, "\"elcr\"" },
	{ AT(pic, chips[1].elcr), 0x01, "\"elcr\"" },
	{ AT(pic, chips[0].irr), 0x80, "\"irr\"" },		/* its line is low */
	{ AT(pic, chips[1].lines), 0x04, "\"irr\"" },		/* a level that is not asked for */
	{ AT(pic, chips[0].icw1), 0x01, "\"icw1\"" },
	{ AT(pic, chips[0].step), 1, "\"icw1\"" },
	{ AT(pic, chips[0].icw4), 1, "\"icw4\"" },
	{ AT(pic, chips[0].output), 0, "master PIC has a value of \"output\"" },
	{ AT(pic, chips[1].output), 1, "slave PIC has a value of \"output\"" },
	{ AT(pic, chips[0].lines), 0x15, "master PIC has a value of \"lines\"" },

	{ AT(ioapic, redirection[3]), 0x11000, "\"redirection\"" },	/* delivery status */
	{ AT(ioapic, redirection[3]), 0x1000000, "\"redirection\"" },
	{ AT(ioapic, redirection[3]), 0x14041, "\"redirection\"" },	/* remote IRR of an edge */
	{ AT(ioapic, lines), 0x1000000, "\"lines\"" },
	{ AT(ioapic, lines), 0x20, "\"redirection\"" },		/* a level that was not sent */
	{ AT(ioapic, id), 1, "\"id\"" },
	{ AT(ioapic, pad[6]), 1, "\"pad\"" },

	{ AT(pit, channels[0].mode), 6, "PIT's channel 0 has a value of \"mode\"" },
	{ AT(pit, channels[1].bcd), 2, "PIT's channel 1 has a value of \"bcd\"" },
	{ AT(pit, channels[2].access), 4, "PIT's channel 2 has a value of \"access\"" },
	{ AT(pit, channels[2].access), 0, "\"access\"" },
	{ AT(pit, channels[0].status_latched), 2, "\"status_latched\"" },
	{ AT(pit, channels[0].write_high), 2, "\"write_high\"" },
	{ AT(pit, channels[0].read_high), 2, "\"read_high\"" },
	{ AT(pit, channels[0].gate), 2, "\"gate\"" },
	{ AT(pit, channels[0].gate), 0, "\"gate\"" },
	{ AT(pit, channels[2].gate), 1, "\"gate\"" },
	{ AT(pit, channels[0].running), 2, "\"running\"" },
	{ AT(pit, channels[0].pad[6]), 1, "\"pad\"" },
	{ AT(pit, channels[0].count), 0, "\"count\"" },
	{ AT(pit, channels[0].count), 65537, "\"count\"" },
	{ AT(pit, channels[0].reload), 0, "\"reload\"" },
	{ AT(pit, channels[0].reload), 65537, "\"reload\"" },
	{ AT(pit, channels[0].next_count), 65537, "\"next_count\"" },
	{ AT(pit, channels[1].next_count), 1, "\"next_count\"" },
	{ AT(pit, channels[0].latch_bytes), 3, "\"latch_bytes\"" },
	{ AT(pit, channels[0].start), INT64_MAX, "\"start\"" },
	{ AT(pit, channels[0].start), (uint64_t)INT64_MIN, "\"start\"" },
	{ AT(pit, channels[0].stopped), (uint64_t)-1, "\"stopped\"" },
	{ AT(pit, channels[0].stopped), INT64_MAX, "\"stopped\"" },
	{ AT(pit, channels[0].next_at), INT64_MAX, "\"next_at\"" },
	{ AT(pit, channels[0].next_start), 1, "\"next_start\"" },
	{ AT(pit, channels[0].running), 0, "\"next_edge\"" },
	{ AT(pit, next_edge), 0, "\"next_edge\"" },
	{ AT(pit, next_edge), INT64_MAX - 1, "\"next_edge\"" },
	{ AT(pit, last_edge_ns), 100 * MS + 1, "\"last_edge_ns\"" },
	{ AT(pit, backlog), 17, "\"backlog\"" },
	{ AT(pit, speaker), 0x10, "\"speaker\"" },
	{ AT(pit, line), 2, "\"line\"" },
	{ AT(pit, pad[1]), 1, "\"pad\"" },

	{ AT(rtc, index), 0x80, "\"index\"" },
	{ AT(rtc, divider_was_reset), 2, "\"divider_was_reset\"" },
	{ AT(rtc, divider_was_reset), 1, "\"divider_was_reset\"" },	/* and runs */
	{ AT(rtc, pad[5]), 1, "\"pad\"" },
	{ CMOS(RTC_A), 0xa6, "\"cmos[A]\"" },
	{ CMOS(RTC_A), 0x66, "\"divider_was_reset\"" },
	{ CMOS(RTC_B), 0x92, "\"cmos[B]\"" },
	{ CMOS(RTC_C), 0x01, "\"cmos[C]\"" },
	{ CMOS(RTC_C), 0x80, "\"cmos[C]\"" },			/* IRQF for nothing */
	{ CMOS(RTC_D), 0x00, "\"cmos[D]\"" },
	{ AT(rtc, second), INT64_MAX, "\"second\"" },
	{ AT(rtc, second), (uint64_t)INT64_MIN, "\"second\"" },
	{ AT(rtc, phase_us), RTC_TIME_MAX_US + 1, "\"phase_us\"" },
	{ AT(rtc, kept_us), (uint64_t)INT64_MIN, "\"kept_us\"" },
	{ AT(rtc, wall_us), INT64_MAX, "\"wall_us\"" },
	{ AT(rtc, periods), 104, "\"periods\"" },		/* of 1/1024 s, in 100 ms */
	{ &rtc_kept, offsetof(union state, rtc.wall_us), 8, (uint64_t)-RTC_TIME_MAX_US,
	  "\"wall_us\"" },					/* too far from now */

	{ AT(uart, first), 16, "\"first\"" },
	{ AT(uart, count), 17, "\"count\"" },
	{ AT(uart, ier), 0x10, "\"ier\"" },
	{ AT(uart, fcr), 0x09, "\"fcr\"" },
	{ AT(uart, fcr), 0x40, "\"fcr\"" },
	{ AT(uart, fcr), 0, "\"count\"" },			/* ten bytes without a FIFO */
	{ AT(uart, mcr), 0x20, "\"mcr\"" },
	{ AT(uart, mcr), 0x10, "\"msr\"" },
	{ AT(uart, msr), 0, "\"msr\"" },
	{ AT(uart, overrun), 1, "\"overrun\"" },
	{ AT(uart, thre_pending), 2, "\"thre_pending\"" },
	{ AT(uart, pad[3]), 1, "\"pad\"" },

	{ AT(pm, timer_halves), 1, "\"timer_halves\"" },
	{ AT(pm, status), 0x20, "\"status\"" },
	{ AT(pm, enable), 0x8000, "\"enable\"" },
	{ AT(pm, control), 0x2001, "\"control\"" },
	{ AT(pm, control), 0, "\"control\"" },
	{ AT(pm, pad), 1, "\"pad\"" },

	{ AT(i8042, ram[0]), 0x44, "\"ram\"" },
	{ AT(i8042, ram[0]), 0x20, "\"status\"" },
	{ AT(i8042, status), 0x84, "\"status\"" },
	{ AT(i8042, status), 0x24, "\"status\"" },		/* whose answer? */
	{ AT(i8042, command), 0x60, "\"command\"" },		/* was not written */
	{ AT(i8042, pad[3]), 1, "\"pad\"" },

	{ AT(reset_ports, port92), 4, "\"port92\"" },
	{ AT(reset_ports, control), 1, "\"control\"" },
	{ AT(reset_ports, pad[0]), 1, "\"pad\"" },
};

static void refuse(struct board *board, const struct refusal *refusal)
{
	union state before = { 0 }, bad, after = { 0 };
	g_autoptr(GError) error = NULL;

	refusal->chip->save(board, &before);
	bad = before;
	memcpy(bad.bytes + refusal->offset, &refusal->value, refusal->width);
	if (refusal->chip->load(board, &bad, &error))
		fail_msg("row %d was loaded: %s", (int)(refusal - refusals), refusal->words);
	if (!strstr(error->message, refusal->words))
		fail_msg("row %d: no %s in: %s", (int)(refusal - refusals), refusal->words,
			 error->message);
	refusal->chip->save(board, &after);
	assert_memory_equal(&before, &after, sizeof(before));
}

static void test_refusals(void **unused)
{
	struct board *board = busy_board();
	uint64_t deadline = fake_clock_deadline(board->machine.clock);

	(void)unused;
	g_array_set_size(board->events, 0);
	for (unsigned int i = 0; i < G_N_ELEMENTS(refusals); i++) {
		union state good = { 0 };

		refuse(board, &refusals[i]);
		refusals[i].chip->save(board, &good);
		assert_true(refusals[i].chip->load(board, &good, NULL));
	}
	assert_int_equal(fake_clock_deadline(board->machine.clock), deadline);
	assert_int_equal(board->events->len, 0);
	board_free(board);
}

/* ------------------------------------------------------------ records that do not go together */

struct change {
	uint32_t type;
	uint32_t instance;
	size_t offset;
	uint8_t bits;			/* to be flipped */
	bool left_out;
};

static int damaged_file(const struct change *change, bool twice)
{
	struct board *board = busy_board();
	int good = board_save(board), bad = board_save(board);
	g_autoptr(state_reader) reader = state_reader_new(good, NULL);
	g_autoptr(state_writer) writer = NULL;
	const struct state_record *record;

	assert_int_equal(ftruncate(bad, 0), 0);
	writer = state_writer_new(bad);
	for (size_t n = 0; (record = state_reader_nth(reader, n)); n++) {
		g_autofree uint8_t *payload = g_memdup2(record + 1, record->length);
		bool it = record->type == change->type && record->instance == change->instance;

		if (it && change->left_out)
			continue;
		if (it)
			payload[change->offset] ^= change->bits;
		assert_true(state_writer_put(writer, record->type, record->instance, payload,
					     record->length, NULL));
		if (it && twice)
			assert_true(state_writer_put(writer, record->type, PCI_PLACES, payload,
						     record->length, NULL));
	}
	assert_true(state_writer_finish(writer, NULL));
	close(good);
	board_free(board);
	return bad;
}

static void refuse_file(const struct change *change, bool twice, bool hot, const char *words)
{
	g_autoptr(GError) error = NULL;
	int file = damaged_file(change, twice);

	assert_null(board_load(file, hot, false, BOARD_WALL, &error));
	if (!strstr(error->message, words))
		fail_msg("no \"%s\" in: %s", words, error->message);
	close(file);
}

static void test_wires(void **unused)
{
	static const struct change none = { 0 };
	static const struct change pit_line = { STATE_PIT, 0, offsetof(struct pit_state, line), 1, false };
	static const struct change pin = { STATE_IOAPIC, 0, offsetof(struct ioapic_state, lines), 0x80,
					   false };
	static const struct change uart_enable = { STATE_UART, 0, offsetof(struct uart_state, ier), 1,
						   false };
	static const struct change intx = { STATE_PCI_FUNCTION, 3,
					    offsetof(struct pci_device_state, intx), 1, false };
	int good = damaged_file(&none, false);
	struct board *board = board_load(good, true, false, BOARD_WALL, NULL);

	(void)unused;
	assert_non_null(board);
	board_free(board);
	close(good);
	refuse_file(&pit_line, false, true, "the PIC's input 0");
	refuse_file(&uart_enable, false, true, "the PIC's input 4");
	refuse_file(&pin, false, true, "I/O APIC's pin 7");
	refuse_file(&intx, false, true, "the PIC's input 11");
}

static void test_functions(void **unused)
{
	static const struct change none = { 0 };
	static const struct change no_hot = { STATE_PCI_FUNCTION, 34, 0, 0, true };
	static const struct change no_cold = { STATE_PCI_FUNCTION, 3, 0, 0, true };
	static const struct change no_host = { STATE_PCI_HOST, 0, 0, 0, true };
	static const struct change other = { STATE_PCI_FUNCTION, 34, PCI_DEVICE_ID, 1, false };
	static const struct change too_many = { STATE_PCI_FUNCTION, 3, 0, 0, false };
	static const struct change pulled = { STATE_PCI_FUNCTION, 34,
					      offsetof(struct pci_device_state, unplug), 2, false };
	static const struct change address = { STATE_PCI_HOST, 0, 0, 1, false };

	(void)unused;
	refuse_file(&none, false, false,
		    "a device (1234:0002) behind the root port in PCI slot 2, where");
	refuse_file(&no_hot, false, true, "hot, behind the root port in PCI slot 2 of this machine, is "
		    "not in the checkpoint");
	refuse_file(&no_cold, false, true, "cold, PCI slot 3 of this machine, is not");
	refuse_file(&no_host, false, true, "PCI");
	refuse_file(&other, false, true, "hot: configuration space differs at 0x02");
	refuse_file(&too_many, true, true, "place 64");
	refuse_file(&pulled, false, true, "the root port in PCI slot 2");
	refuse_file(&address, false, true, "PCI host");
}

/* Who is in a slot already is named, and so is a slot that is none. */
static void test_plug_at(void **unused)
{
	struct board *board = board_new(true), *other = board_new(false);
	g_autoptr(GError) taken = NULL, none = NULL;

	(void)unused;
	pci_host_detach(other->machine.pci, other->cold);
	assert_false(pci_host_plug_at(board->machine.pci, other->cold, 2, &taken));
	assert_non_null(strstr(taken->message, "slot 2 has hot in it"));
	assert_false(pci_host_plug_at(board->machine.pci, other->cold, 3, &none));
	assert_non_null(strstr(none->message, "slot 3"));
	assert_true(pci_host_plug_at(board->machine.pci, other->cold, 1, NULL));
	assert_int_equal(pci_device_place(other->cold), 33);
	assert_ptr_equal(pci_host_at(board->machine.pci, 33), other->cold);
	assert_int_equal(pci_device_place(board->cold), 3);
	pci_host_detach(board->machine.pci, other->cold);
	assert_true(pci_host_attach(other->machine.pci, other->cold, NULL));
	board_free(board);
	board_free(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_wires),
		cmocka_unit_test(test_functions),
		cmocka_unit_test(test_plug_at),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
