// SPDX-License-Identifier: GPL-2.0-or-later
/* Reset ports, the keyboard controller without a keyboard, the debug-exit port. */
#include "chip_test.h"

struct fixture {
	struct bus *ports;
	struct reset_ports *reset;
	struct i8042 *i8042;
	struct debug_exit *debug_exit;
	struct fake_power power;
};

static int setup(void **state)
{
	struct fixture *f = g_new0(struct fixture, 1);
	struct power_sink sink = fake_power_of(&f->power);

	f->ports = bus_new("ports");
	f->reset = reset_ports_new(f->ports, f->ports, &sink);
	f->i8042 = i8042_new(f->ports, &sink);
	f->debug_exit = debug_exit_new(f->ports, &sink);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	reset_ports_free(f->reset);
	i8042_free(f->i8042);
	debug_exit_free(f->debug_exit);
	bus_free(f->ports);
	g_free(f);
	return 0;
}

static void assert_reset(struct fixture *f)
{
	assert_int_equal(f->power.requests, 1);
	assert_int_equal(f->power.event, POWER_RESET);
	f->power.requests = 0;
}

static uint8_t command(struct fixture *f, uint8_t byte)
{
	out8(f->ports, 0x64, byte);
	assert_int_equal(in8(f->ports, 0x64) & 0x02, 0);
	assert_int_equal(in8(f->ports, 0x64) & 0x01, 0x01);
	return in8(f->ports, 0x60);
}

static void test_port92(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(in8(f->ports, 0x92), 0x02);
	out8(f->ports, 0x92, 0xfe);
	assert_int_equal(in8(f->ports, 0x92), 0x02);
	assert_int_equal(f->power.requests, 0);
	out8(f->ports, 0x92, 0x03);
	assert_reset(f);
	out8(f->ports, 0x92, 0x03);	/* no rising edge */
	assert_int_equal(f->power.requests, 0);
}

static void test_reset_control(void **state)
{
	struct fixture *f = *state;

	out8(f->ports, 0xcf9, 0x02);
	assert_int_equal(in8(f->ports, 0xcf9), 0x02);
	assert_int_equal(f->power.requests, 0);
	out8(f->ports, 0xcf9, 0x06);
	assert_reset(f);
	out8(f->ports, 0xcf9, 0x00);
	out8(f->ports, 0xcf9, 0x0e);
	assert_reset(f);
	assert_int_equal(in_sized(f->ports, 0xcf8, 4), 0xffffffff);
}

static void test_keyboard_reset(void **state)
{
	struct fixture *f = *state;

	out8(f->ports, 0x64, 0xfe);
	assert_reset(f);
	out8(f->ports, 0x64, 0xff);	/* pulses nothing */
	assert_int_equal(f->power.requests, 0);
	out8(f->ports, 0x64, 0xd1);
	out8(f->ports, 0x60, 0x02);
	assert_reset(f);
	out8(f->ports, 0x64, 0xd1);
	out8(f->ports, 0x60, 0xdf);
	assert_int_equal(f->power.requests, 0);
}

static void test_keyboard_probe(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(in8(f->ports, 0x64) & 0x41, 0);
	assert_int_equal(command(f, 0x20), 0x74);
	assert_int_equal(command(f, 0xaa), 0x55);
	assert_int_equal(in8(f->ports, 0x64) & 0x05, 0x04);
	assert_int_equal(command(f, 0xab), 0x00);
	assert_int_equal(command(f, 0x20), 0x74);
	out8(f->ports, 0x64, 0x60);
	out8(f->ports, 0x60, 0x45);
	assert_int_equal(command(f, 0x20), 0x65);	/* the second port stays off */
	out8(f->ports, 0x64, 0xad);
	assert_int_equal(command(f, 0x20) & 0x10, 0x10);
	out8(f->ports, 0x64, 0xae);
	assert_int_equal(command(f, 0x20) & 0x10, 0);
	/* Nobody is there: the controller answers "resend", with the time-out bit. */
	out8(f->ports, 0x60, 0xff);
	assert_int_equal(in8(f->ports, 0x64) & 0x41, 0x41);
	assert_int_equal(in8(f->ports, 0x60), 0xfe);
	assert_int_equal(in8(f->ports, 0x64) & 0x41, 0);
}

static void test_no_second_port(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(command(f, 0xa9), 0x01);
	out8(f->ports, 0x64, 0xa8);
	assert_int_equal(command(f, 0x20) & 0x20, 0x20);
	out8(f->ports, 0x64, 0xd3);
	out8(f->ports, 0x60, 0x5a);
	assert_int_equal(in8(f->ports, 0x64) & 0x21, 0x01);
	assert_int_equal(in8(f->ports, 0x60), 0xfe);
	out8(f->ports, 0x64, 0xd4);
	out8(f->ports, 0x60, 0xf2);
	assert_int_equal(in8(f->ports, 0x64) & 0x61, 0x61);
	assert_int_equal(in8(f->ports, 0x60), 0xfe);
	out8(f->ports, 0x64, 0xd2);
	out8(f->ports, 0x60, 0x77);
	assert_int_equal(in8(f->ports, 0x64) & 0x41, 0x01);
	assert_int_equal(in8(f->ports, 0x60), 0x77);
}

static void test_controller_ram(void **state)
{
	struct fixture *f = *state;

	out8(f->ports, 0x64, 0x7f);
	out8(f->ports, 0x60, 0x9c);
	assert_int_equal(command(f, 0x3f), 0x9c);
	out8(f->ports, 0x64, 0x40);	/* no commands */
	out8(f->ports, 0x64, 0x80);
	assert_int_equal(in8(f->ports, 0x64) & 0x01, 0);
	out8(f->ports, 0x60, 0x11);	/* for the keyboard, then */
	assert_int_equal(in8(f->ports, 0x60), 0xfe);
	assert_int_equal(command(f, 0xd0), 0x03);
	assert_int_equal(command(f, 0xc0), 0x80);
}

static void test_debug_exit(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(in_sized(f->ports, 0xf4, 4), 0);
	out8(f->ports, 0xf5, 7);
	assert_int_equal(f->power.requests, 0);
	assert_true(bus_write(f->ports, 0xf4, 4, 0x12345678));
	assert_int_equal(f->power.requests, 1);
	assert_int_equal(f->power.event, POWER_DEBUG_EXIT);
	assert_int_equal(f->power.value, 0x12345678);
	out8(f->ports, 0xf4, 0x21);
	assert_int_equal(f->power.value, 0x21);
}

static void test_random_accesses(void **state)
{
	static const uint16_t bases[] = { 0x60, 0x64, 0x92, 0xf4, 0xf6, 0xcf9 };
	struct fixture *f = *state;
	uint64_t seed = 0x8042;

	for (unsigned int i = 0; i < 200000; i++) {
		uint64_t r = next_random(&seed);
		uint16_t port = bases[(r >> 8) % 6];
		unsigned int size = 1u << (r >> 2 & 3) % 3;

		if (r & 1)
			bus_write(f->ports, port, size, r >> 32);
		else
			in_sized(f->ports, port, size);
	}
	assert_int_equal(command(f, 0xaa), 0x55);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_port92),
		TEST(test_reset_control),
		TEST(test_keyboard_reset),
		TEST(test_keyboard_probe),
		TEST(test_no_second_port),
		TEST(test_controller_ram),
		TEST(test_debug_exit),
		TEST(test_random_accesses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
