// SPDX-License-Identifier: GPL-2.0-or-later
/* 16550A: transmit, receive FIFO, interrupt priorities, modem lines, loopback, divisor. */
#include "chip_test.h"

#define BASE UART0_PORT

struct fixture {
	struct bus *ports;
	struct uart *uart;
	struct fake_line irq;
	GString *sent;
	GString *waiting;	/* given to the UART when it says drained */
	unsigned int drained;
};

static void output(void *opaque, const uint8_t *bytes, size_t count)
{
	struct fixture *f = opaque;

	g_string_append_len(f->sent, (const char *)bytes, count);
}

static void drained(void *opaque)
{
	struct fixture *f = opaque;
	size_t taken;

	f->drained++;
	taken = uart_input(f->uart, (const uint8_t *)f->waiting->str, f->waiting->len);
	g_string_erase(f->waiting, 0, taken);
}

static int setup(void **state)
{
	struct fixture *f = g_new0(struct fixture, 1);
	struct uart_sink sink = { .output = output, .drained = drained, .opaque = f };

	f->ports = bus_new("ports");
	f->sent = g_string_new("");
	f->waiting = g_string_new("");
	f->uart = uart_new(f->ports, BASE, fake_line_of(&f->irq), &sink);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	uart_free(f->uart);
	bus_free(f->ports);
	g_string_free(f->sent, TRUE);
	g_string_free(f->waiting, TRUE);
	g_free(f);
	return 0;
}

static uint8_t get(struct fixture *f, unsigned int reg)
{
	return in8(f->ports, BASE + reg);
}

static void put(struct fixture *f, unsigned int reg, uint8_t value)
{
	out8(f->ports, BASE + reg, value);
}

static size_t type(struct fixture *f, const char *text)
{
	return uart_input(f->uart, (const uint8_t *)text, strlen(text));
}

static void test_reset_values(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(get(f, 1), 0);
	assert_int_equal(get(f, 2), 0x01);
	assert_int_equal(get(f, 3), 0);
	assert_int_equal(get(f, 4), 0);
	assert_int_equal(get(f, 5), 0x60);
	assert_int_equal(get(f, 6), 0xb0);	/* CTS, DSR and DCD are up, nothing changed */
	put(f, 7, 0xa5);
	assert_int_equal(get(f, 7), 0xa5);
	put(f, 1, 0xff);
	assert_int_equal(get(f, 1), 0x0f);
	put(f, 4, 0xef);
	assert_int_equal(get(f, 4), 0x0f);
}

static void test_transmit(void **state)
{
	struct fixture *f = *state;

	put(f, 0, 'o');
	put(f, 0, 'k');
	assert_string_equal(f->sent->str, "ok");
	assert_int_equal(get(f, 5), 0x60);
	assert_int_equal(f->irq.rises, 0);
}

static void test_divisor(void **state)
{
	struct fixture *f = *state;

	put(f, 1, 0x05);
	put(f, 3, 0x83);
	put(f, 0, 0x0c);
	put(f, 1, 0x34);
	assert_int_equal(get(f, 0), 0x0c);
	assert_int_equal(get(f, 1), 0x34);
	assert_int_equal(f->sent->len, 0);
	put(f, 3, 0x03);
	assert_int_equal(get(f, 1), 0x05);
	put(f, 3, 0x83);
	assert_int_equal(get(f, 0), 0x0c);
}

/* Linux relies on the interrupt that enabling makes, and on its end by reading IIR. */
static void test_transmitter_interrupt(void **state)
{
	struct fixture *f = *state;

	put(f, 1, 0x02);
	assert_int_equal(f->irq.level, 1);
	assert_int_equal(get(f, 2), 0x02);
	assert_int_equal(f->irq.level, 0);
	assert_int_equal(get(f, 2), 0x01);
	put(f, 1, 0x02);			/* enabled already */
	assert_int_equal(f->irq.level, 0);
	put(f, 0, 'x');
	assert_int_equal(f->irq.level, 1);
	assert_int_equal(f->irq.rises, 2);
	put(f, 0, 'y');				/* each character that has left is an edge */
	assert_int_equal(f->irq.rises, 3);
	put(f, 1, 0x00);
	assert_int_equal(f->irq.level, 0);
	put(f, 1, 0x02);
	assert_int_equal(f->irq.level, 1);
}

static void test_receive_without_fifo(void **state)
{
	struct fixture *f = *state;

	put(f, 1, 0x01);
	assert_int_equal(uart_room(f->uart), 1);
	assert_int_equal(type(f, "ab"), 1);
	assert_int_equal(uart_room(f->uart), 0);
	assert_int_equal(f->irq.level, 1);
	assert_int_equal(get(f, 2), 0x04);
	assert_int_equal(get(f, 5), 0x61);
	assert_int_equal(get(f, 0), 'a');
	assert_int_equal(f->drained, 1);
	assert_int_equal(f->irq.level, 0);
	assert_int_equal(get(f, 5), 0x60);
	assert_int_equal(get(f, 0), 'a');	/* nothing new: the last one again */
	assert_int_equal(f->drained, 1);
}

static void test_receive_fifo(void **state)
{
	struct fixture *f = *state;

	put(f, 2, 0x81);			/* FIFO, trigger level 8 */
	put(f, 1, 0x01);
	assert_int_equal(type(f, "1234567"), 7);
	assert_int_equal(get(f, 2), 0xcc);	/* character time-out */
	assert_int_equal(f->irq.level, 1);
	assert_int_equal(type(f, "8"), 1);
	assert_int_equal(get(f, 2), 0xc4);	/* trigger level reached */
	assert_int_equal(type(f, "9abcdefgh"), 8);
	assert_int_equal(uart_room(f->uart), 0);
	for (unsigned int i = 0; i < 16; i++)
		assert_int_equal(get(f, 0), "123456789abcdefg"[i]);
	assert_int_equal(f->irq.level, 0);
	assert_int_equal(get(f, 2), 0xc1);
	assert_int_equal(f->drained, 1);
}

static void test_drained_refills(void **state)
{
	struct fixture *f = *state;
	GString *got = g_string_new("");
	char text[101];

	for (unsigned int i = 0; i < 100; i++)
		text[i] = 'A' + i % 26;
	text[100] = 0;
	put(f, 2, 0x01);
	g_string_assign(f->waiting, text);
	g_string_erase(f->waiting, 0, type(f, text));
	while (get(f, 5) & 1)
		g_string_append_c(got, get(f, 0));
	assert_string_equal(got->str, text);
	g_string_free(got, TRUE);
}

static void test_fifo_reset(void **state)
{
	struct fixture *f = *state;

	put(f, 2, 0x01);
	assert_int_equal(type(f, "0123456789abcdef"), 16);
	put(f, 2, 0x03);			/* clear the receiver */
	assert_int_equal(get(f, 5), 0x60);
	assert_int_equal(f->drained, 1);
	assert_int_equal(type(f, "xy"), 2);
	put(f, 2, 0xc0);			/* without bit 0 nothing else is programmed */
	assert_int_equal(get(f, 5), 0x60);	/* but the FIFO goes, with what it held */
	assert_int_equal(get(f, 2), 0x01);
	put(f, 2, 0x01);
	type(f, "z");
	put(f, 1, 0x01);
	assert_int_equal(get(f, 2), 0xc4);	/* trigger level 1 */
}

static void test_priorities(void **state)
{
	struct fixture *f = *state;

	put(f, 4, 0x1f);			/* loopback with all outputs set */
	get(f, 6);
	put(f, 0, 'a');
	put(f, 0, 'b');				/* overrun */
	put(f, 4, 0x10);
	put(f, 1, 0x0f);
	assert_int_equal(get(f, 2), 0x06);
	assert_int_equal(get(f, 5), 0x63);
	assert_int_equal(get(f, 5), 0x61);
	assert_int_equal(get(f, 2), 0x04);
	assert_int_equal(get(f, 0), 'b');
	assert_int_equal(get(f, 2), 0x02);
	assert_int_equal(get(f, 2), 0x00);
	assert_int_equal(f->irq.level, 1);
	assert_int_equal(get(f, 6), 0x0f);
	assert_int_equal(get(f, 2), 0x01);
	assert_int_equal(f->irq.level, 0);
}

static void test_loopback(void **state)
{
	struct fixture *f = *state;

	put(f, 4, 0x10);
	assert_int_equal(get(f, 6), 0x0b);	/* CTS, DSR, DCD went down */
	put(f, 4, 0x1a);			/* RTS, OUT2: as Linux tests it */
	assert_int_equal(get(f, 6) & 0xf0, 0x90);
	put(f, 4, 0x15);			/* DTR, OUT1 */
	assert_int_equal(get(f, 6), 0x60 | 0x0b);
	put(f, 4, 0x10);
	assert_int_equal(get(f, 6), 0x06);	/* DSR changed, RI's trailing edge */
	assert_int_equal(uart_room(f->uart), 0);
	put(f, 0, 'q');
	assert_int_equal(f->sent->len, 0);
	assert_int_equal(get(f, 0), 'q');
	assert_int_equal(f->drained, 0);
	put(f, 4, 0x00);
	assert_int_equal(f->drained, 1);
	assert_int_equal(get(f, 6), 0xb0 | 0x0b);
}

static void test_overrun_in_fifo(void **state)
{
	struct fixture *f = *state;

	put(f, 2, 0x01);
	put(f, 4, 0x10);
	for (unsigned int i = 0; i < 20; i++)
		put(f, 0, i);
	assert_int_equal(get(f, 5), 0x63);
	for (unsigned int i = 0; i < 16; i++)
		assert_int_equal(get(f, 0), i);
	assert_int_equal(get(f, 5), 0x60);
}

static void test_random_accesses(void **state)
{
	struct fixture *f = *state;
	uint64_t seed = 0x16550;

	for (unsigned int i = 0; i < 300000; i++) {
		uint64_t r = next_random(&seed);
		uint16_t port = BASE + (r >> 8 & 7);
		unsigned int size = 1u << (r >> 2 & 3) % 3;

		if ((r & 3) == 0)
			uart_input(f->uart, (const uint8_t *)&r, r >> 61);
		else if (r & 1)
			bus_write(f->ports, port, size, r >> 32);
		else
			in_sized(f->ports, port, size);
		assert_in_range(uart_room(f->uart), 0, 16);
		g_string_truncate(f->sent, 0);
	}
	put(f, 3, 0);
	put(f, 4, 0);
	put(f, 0, '!');
	assert_string_equal(f->sent->str, "!");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_reset_values),
		TEST(test_transmit),
		TEST(test_divisor),
		TEST(test_transmitter_interrupt),
		TEST(test_receive_without_fifo),
		TEST(test_receive_fifo),
		TEST(test_drained_refills),
		TEST(test_fifo_reset),
		TEST(test_priorities),
		TEST(test_loopback),
		TEST(test_overrun_in_fifo),
		TEST(test_random_accesses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
