// SPDX-License-Identifier: GPL-2.0-or-later
/* 8254: the six modes, counts and their encodings, latches, channel 2's gate, late hosts. */
#include "chip_test.h"

struct fixture {
	struct bus *ports;
	struct clock *clock;
	struct pit *pit;
	struct fake_line irq;
};

static int setup(void **state)
{
	struct fixture *f = g_new0(struct fixture, 1);

	f->ports = bus_new("ports");
	f->clock = fake_clock_new();
	f->pit = pit_new(f->ports, f->clock, fake_line_of(&f->irq));
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	pit_free(f->pit);
	bus_free(f->ports);
	fake_clock_free(f->clock);
	g_free(f);
	return 0;
}

/* The first nanosecond of a tick. */
static uint64_t tick_ns(uint64_t tick)
{
	return ((unsigned __int128)tick * SECOND + PIT_HZ - 1) / PIT_HZ;
}

/* Moves to a tick counted from the start of the clock. */
static void go_to_tick(struct fixture *f, uint64_t tick)
{
	fake_clock_advance(f->clock, tick_ns(tick) - clock_now(f->clock));
}

static void program(struct fixture *f, unsigned int channel, unsigned int mode, uint16_t count)
{
	out8(f->ports, 0x43, channel << 6 | 0x30 | mode << 1);
	out8(f->ports, 0x40 + channel, count);
	out8(f->ports, 0x40 + channel, count >> 8);
}

static uint16_t read_count(struct fixture *f, unsigned int channel)
{
	uint16_t low;

	out8(f->ports, 0x43, channel << 6);
	low = in8(f->ports, 0x40 + channel);
	return low | in8(f->ports, 0x40 + channel) << 8;
}

static uint8_t read_status(struct fixture *f, unsigned int channel)
{
	out8(f->ports, 0x43, 0xe0 | 2 << channel);
	return in8(f->ports, 0x40 + channel);
}

static int out2(struct fixture *f)
{
	return in8(f->ports, 0x61) >> 5 & 1;
}

/* The count is loaded at the tick after the write: all times below count from there. */
static void test_mode0(void **state)
{
	struct fixture *f = *state;

	program(f, 0, 0, 100);
	assert_int_equal(read_status(f, 0), 0x70);	/* OUT low, null count */
	go_to_tick(f, 1);
	assert_int_equal(read_status(f, 0), 0x30);
	assert_int_equal(read_count(f, 0), 100);
	go_to_tick(f, 41);
	assert_int_equal(read_count(f, 0), 60);
	go_to_tick(f, 100);
	assert_int_equal(f->irq.level, 0);
	assert_int_equal(read_count(f, 0), 1);
	go_to_tick(f, 101);
	assert_int_equal(f->irq.level, 1);
	assert_int_equal(read_status(f, 0), 0xb0);
	assert_int_equal(fake_clock_deadline(f->clock), FAKE_CLOCK_NEVER);
	go_to_tick(f, 103);
	assert_int_equal(read_count(f, 0), 0xfffe);	/* it counts on */
	/* The first byte of a new count takes OUT down, the second starts. */
	out8(f->ports, 0x40, 10);
	assert_int_equal(f->irq.level, 0);
	go_to_tick(f, 200);
	assert_int_equal(f->irq.level, 0);
	out8(f->ports, 0x40, 0);
	go_to_tick(f, 211);
	assert_int_equal(f->irq.level, 1);
	assert_int_equal(f->irq.rises, 2);
}

static void test_mode0_gate(void **state)
{
	struct fixture *f = *state;

	out8(f->ports, 0x61, 1);
	program(f, 2, 0, 100);
	go_to_tick(f, 31);
	out8(f->ports, 0x61, 0);
	go_to_tick(f, 1000);
	assert_int_equal(read_count(f, 2), 70);
	assert_int_equal(out2(f), 0);
	out8(f->ports, 0x61, 1);
	go_to_tick(f, 1069);
	assert_int_equal(out2(f), 0);
	go_to_tick(f, 1070);
	assert_int_equal(out2(f), 1);
}

static void test_mode1(void **state)
{
	struct fixture *f = *state;

	program(f, 2, 1, 50);
	assert_int_equal(out2(f), 1);
	go_to_tick(f, 100);
	assert_int_equal(out2(f), 1);			/* no trigger yet */
	out8(f->ports, 0x61, 1);
	go_to_tick(f, 101);
	assert_int_equal(out2(f), 0);
	go_to_tick(f, 131);
	out8(f->ports, 0x61, 0);			/* the gate's level does not matter */
	out8(f->ports, 0x61, 1);			/* a second trigger starts it over */
	go_to_tick(f, 181);
	assert_int_equal(out2(f), 0);
	go_to_tick(f, 182);
	assert_int_equal(out2(f), 1);
	/* A new count waits for the next trigger. */
	out8(f->ports, 0x42, 5);
	out8(f->ports, 0x42, 0);
	go_to_tick(f, 200);
	assert_int_equal(out2(f), 1);
	assert_int_equal(read_status(f, 2) & 0x40, 0x40);
	out8(f->ports, 0x61, 0);
	out8(f->ports, 0x61, 1);
	go_to_tick(f, 205);
	assert_int_equal(out2(f), 0);
	go_to_tick(f, 206);
	assert_int_equal(out2(f), 1);
}

static void test_mode2(void **state)
{
	struct fixture *f = *state;

	program(f, 0, 2, 1000);
	assert_int_equal(f->irq.rises, 1);		/* OUT goes high with the control word */
	go_to_tick(f, 1);
	assert_int_equal(read_count(f, 0), 1000);
	go_to_tick(f, 1000);
	assert_int_equal(read_count(f, 0), 1);
	assert_int_equal(read_status(f, 0), 0x34);	/* OUT is low for one tick */
	assert_int_equal(f->irq.rises, 1);
	go_to_tick(f, 1001);
	assert_int_equal(read_count(f, 0), 1000);
	assert_int_equal(read_status(f, 0), 0xb4);
	assert_int_equal(f->irq.rises, 2);
}

/* After a day the thousandth of a tick has not been lost. */
static void test_no_drift(void **state)
{
	struct fixture *f = *state;
	uint64_t ticks = 86400ull * PIT_HZ;

	program(f, 0, 2, 65535);
	go_to_tick(f, 1 + ticks);
	assert_int_equal(f->irq.rises, 1 + ticks / 65535);
	assert_int_equal(read_count(f, 0), 65535 - ticks % 65535);
}

static void test_mode2_new_count(void **state)
{
	struct fixture *f = *state;

	program(f, 0, 2, 1000);
	go_to_tick(f, 501);
	out8(f->ports, 0x40, 200);
	out8(f->ports, 0x40, 0);
	assert_int_equal(read_status(f, 0) & 0x40, 0x40);
	go_to_tick(f, 1000);
	assert_int_equal(f->irq.rises, 1);	/* the period in progress ends as it began */
	go_to_tick(f, 1001);
	assert_int_equal(f->irq.rises, 2);
	assert_int_equal(read_status(f, 0) & 0x40, 0);
	go_to_tick(f, 1401);
	assert_int_equal(f->irq.rises, 4);
}

static void test_mode2_gate(void **state)
{
	struct fixture *f = *state;

	out8(f->ports, 0x61, 1);
	program(f, 2, 2, 100);
	go_to_tick(f, 51);
	out8(f->ports, 0x61, 0);
	go_to_tick(f, 100);
	assert_int_equal(out2(f), 1);
	out8(f->ports, 0x61, 1);			/* starts from the full count */
	go_to_tick(f, 101);
	assert_int_equal(read_count(f, 2), 100);
	go_to_tick(f, 200);
	assert_int_equal(out2(f), 0);
}

static void test_mode3(void **state)
{
	struct fixture *f = *state;

	out8(f->ports, 0x61, 1);
	program(f, 2, 3, 6);
	go_to_tick(f, 1);
	for (unsigned int i = 0; i < 12; i++) {
		assert_int_equal(out2(f), i % 6 < 3);
		assert_int_equal(read_count(f, 2), 6 - 2 * (i % 3));
		go_to_tick(f, 2 + i);
	}
}

static void test_mode3_odd(void **state)
{
	static const uint16_t counts[] = { 4, 2, 0, 4, 2 };
	struct fixture *f = *state;

	out8(f->ports, 0x61, 1);
	program(f, 2, 7, 5);				/* mode 7 is mode 3 */
	assert_int_equal(read_status(f, 2) & 0x0e, 3 << 1);
	go_to_tick(f, 1);
	for (unsigned int i = 0; i < 10; i++) {
		assert_int_equal(out2(f), i % 5 < 3);
		assert_int_equal(read_count(f, 2), counts[i % 5]);
		go_to_tick(f, 2 + i);
	}
}

static void test_mode3_new_count(void **state)
{
	struct fixture *f = *state;

	program(f, 0, 3, 1000);
	go_to_tick(f, 301);				/* in the high half */
	out8(f->ports, 0x40, 200);
	out8(f->ports, 0x40, 0);
	go_to_tick(f, 501);				/* the low half has the new length */
	assert_int_equal(read_status(f, 0) & 0xc0, 0);
	go_to_tick(f, 600);
	assert_int_equal(f->irq.rises, 1);
	go_to_tick(f, 601);
	assert_int_equal(f->irq.rises, 2);
	go_to_tick(f, 801);
	assert_int_equal(f->irq.rises, 3);
	go_to_tick(f, 901);				/* at the start of a low half */
	out8(f->ports, 0x40, 300 & 0xff);
	out8(f->ports, 0x40, 300 >> 8);
	go_to_tick(f, 1001);
	assert_int_equal(f->irq.rises, 4);
	go_to_tick(f, 1300);
	assert_int_equal(f->irq.rises, 4);
	go_to_tick(f, 1301);
	assert_int_equal(f->irq.rises, 5);
}

static void test_mode4(void **state)
{
	struct fixture *f = *state;
	unsigned int rises;

	program(f, 0, 4, 30);
	assert_int_equal(f->irq.level, 1);
	rises = f->irq.rises;
	go_to_tick(f, 30);
	assert_int_equal(read_status(f, 0) & 0x80, 0x80);
	go_to_tick(f, 31);
	assert_int_equal(read_status(f, 0) & 0x80, 0);
	assert_int_equal(f->irq.rises, rises);
	go_to_tick(f, 32);
	assert_int_equal(f->irq.rises, rises + 1);
	/* Each new count starts it again, as kernels use it. */
	out8(f->ports, 0x40, 10);
	out8(f->ports, 0x40, 0);
	go_to_tick(f, 44);
	assert_int_equal(f->irq.rises, rises + 2);
	go_to_tick(f, 200000);
	assert_int_equal(f->irq.rises, rises + 2);
}

static void test_mode5(void **state)
{
	struct fixture *f = *state;

	program(f, 2, 5, 30);
	go_to_tick(f, 100);
	assert_int_equal(out2(f), 1);
	out8(f->ports, 0x61, 1);
	go_to_tick(f, 130);
	assert_int_equal(out2(f), 1);
	go_to_tick(f, 131);
	assert_int_equal(out2(f), 0);
	go_to_tick(f, 132);
	assert_int_equal(out2(f), 1);
}

static void test_byte_accesses(void **state)
{
	struct fixture *f = *state;

	out8(f->ports, 0x43, 0x94);			/* channel 2, low byte, mode 2 */
	out8(f->ports, 0x61, 1);
	out8(f->ports, 0x42, 200);
	go_to_tick(f, 51);
	assert_int_equal(in8(f->ports, 0x42), 150);
	assert_int_equal(in8(f->ports, 0x42), 150);
	out8(f->ports, 0x43, 0x80);
	assert_int_equal(in8(f->ports, 0x42), 150);
	out8(f->ports, 0x43, 0xa4);			/* high byte */
	out8(f->ports, 0x42, 0x20);
	go_to_tick(f, 52);
	assert_int_equal(in8(f->ports, 0x42), 0x20);
	go_to_tick(f, 53);
	assert_int_equal(in8(f->ports, 0x42), 0x1f);
	out8(f->ports, 0x43, 0x80);
	assert_int_equal(in8(f->ports, 0x42), 0x1f);
}

static void test_bcd(void **state)
{
	struct fixture *f = *state;

	out8(f->ports, 0x43, 0x31);			/* channel 0, mode 0, BCD */
	out8(f->ports, 0x40, 0x34);
	out8(f->ports, 0x40, 0x12);
	go_to_tick(f, 1);
	assert_int_equal(read_count(f, 0), 0x1234);
	go_to_tick(f, 36);
	assert_int_equal(read_count(f, 0), 0x1199);
	go_to_tick(f, 1235);
	assert_int_equal(f->irq.level, 1);
	go_to_tick(f, 1236);
	assert_int_equal(read_count(f, 0), 0x9999);
	out8(f->ports, 0x40, 0);			/* 0 is 10000 */
	out8(f->ports, 0x40, 0);
	go_to_tick(f, 1237 + 9999);
	assert_int_equal(f->irq.level, 0);
	go_to_tick(f, 1237 + 10000);
	assert_int_equal(f->irq.level, 1);
}

static void test_latch_holds(void **state)
{
	struct fixture *f = *state;

	program(f, 0, 2, 0);				/* 65536 */
	go_to_tick(f, 2);
	out8(f->ports, 0x43, 0x00);
	go_to_tick(f, 1001);
	out8(f->ports, 0x43, 0x00);			/* ignored: the first was not read */
	assert_int_equal(in8(f->ports, 0x40), 0xff);
	assert_int_equal(in8(f->ports, 0x40), 0xff);
	assert_int_equal(read_count(f, 0), 65536 - 1000);
	/* Without a latch: low byte, then high byte. */
	assert_int_equal(in8(f->ports, 0x40), (65536 - 1000) & 0xff);
	assert_int_equal(in8(f->ports, 0x40), (65536 - 1000) >> 8);
}

static void test_read_back(void **state)
{
	struct fixture *f = *state;

	program(f, 0, 2, 1000);
	program(f, 1, 0, 500);
	go_to_tick(f, 101);
	out8(f->ports, 0x43, 0xc6);			/* status and count of channels 0 and 1 */
	go_to_tick(f, 300);
	assert_int_equal(in8(f->ports, 0x40), 0xb4);
	assert_int_equal(in8(f->ports, 0x40), 900 & 0xff);
	assert_int_equal(in8(f->ports, 0x40), 900 >> 8);
	assert_int_equal(in8(f->ports, 0x41), 0x30);
	assert_int_equal(in8(f->ports, 0x41), 400 & 0xff);
	assert_int_equal(in8(f->ports, 0x41), 400 >> 8);
	assert_int_equal(in8(f->ports, 0x43), 0xff);
}

static void test_speaker_port(void **state)
{
	struct fixture *f = *state;
	unsigned int toggles = 0;
	uint8_t last, value;

	out8(f->ports, 0x61, 0xff);
	last = in8(f->ports, 0x61);
	assert_int_equal(last & 0xcf, 0x0f);
	for (unsigned int i = 0; i < 1000; i++) {
		fake_clock_advance(f->clock, 1000);
		value = in8(f->ports, 0x61);
		toggles += (value ^ last) >> 4 & 1;
		last = value;
	}
	assert_int_equal(toggles, 1000000 / 15085);
}

/* The way Linux measures the TSC: channel 2 in mode 0, polled through port 0x61. */
static void test_calibration_loop(void **state)
{
	struct fixture *f = *state;
	uint16_t latch = PIT_HZ / (1000 / 50);
	unsigned int polls = 0;

	out8(f->ports, 0x61, (in8(f->ports, 0x61) & ~2) | 1);
	out8(f->ports, 0x43, 0xb0);
	out8(f->ports, 0x42, latch);
	out8(f->ports, 0x42, latch >> 8);
	while (!(in8(f->ports, 0x61) & 0x20)) {
		fake_clock_advance(f->clock, 10000);
		polls++;
	}
	assert_in_range(polls, 4999, 5001);
}

/* The host slept for three periods: the guest gets all of them, at twice the rate. */
static void test_catch_up(void **state)
{
	struct fixture *f = *state;
	uint64_t period = tick_ns(11932);

	program(f, 0, 2, 11932);
	go_to_tick(f, 1);
	fake_clock_sleep(f->clock, 3 * period + period / 10);
	assert_int_equal(f->irq.rises, 1);
	fake_clock_advance(f->clock, 0);
	assert_int_equal(f->irq.rises, 2);
	fake_clock_advance(f->clock, period + period / 2);
	assert_int_equal(f->irq.rises, 2 + 1 + 2);	/* one that was due, two that were owed */
	fake_clock_advance(f->clock, 10 * period);
	assert_int_equal(f->irq.rises, 2 + 1 + 2 + 10);
}

static void test_catch_up_is_bounded(void **state)
{
	struct fixture *f = *state;
	uint64_t period = tick_ns(1193);

	program(f, 0, 2, 1193);
	fake_clock_sleep(f->clock, 3600 * SECOND);
	fake_clock_advance(f->clock, 100 * period);
	assert_in_range(f->irq.rises, 100, 100 + 16 + 3);
}

/* A period of two ticks must not keep the host busy. */
static void test_no_storm(void **state)
{
	struct fixture *f = *state;

	program(f, 0, 2, 2);
	fake_clock_advance(f->clock, SECOND);
	assert_in_range(f->irq.rises, 5000, 10001);
	program(f, 0, 3, 1);
	fake_clock_advance(f->clock, SECOND);
	assert_in_range(f->irq.rises, 10000, 20002);
}

/* A write that comes after an edge was due, but before the timer was called. */
static void test_due_edge_is_not_lost(void **state)
{
	struct fixture *f = *state;

	program(f, 0, 4, 1000);
	fake_clock_sleep(f->clock, 2 * MS);
	out8(f->ports, 0x40, 0xe8);
	out8(f->ports, 0x40, 0x03);
	assert_int_equal(f->irq.rises, 2);
	fake_clock_advance(f->clock, MS);
	assert_int_equal(f->irq.rises, 3);
}

static void test_random_accesses(void **state)
{
	static const uint16_t bases[] = { 0x40, 0x41, 0x42, 0x43, 0x43, 0x61 };
	struct fixture *f = *state;
	uint64_t seed = 0x8254;

	for (unsigned int i = 0; i < 200000; i++) {
		uint64_t r = next_random(&seed);
		uint16_t port = bases[r % 6];
		unsigned int size = 1u << (r >> 8 & 3) % 3;

		if (r >> 10 & 1)
			bus_write(f->ports, port, size, r >> 32);
		else
			in_sized(f->ports, port, size);
		if ((r >> 11 & 3) == 0)
			fake_clock_advance(f->clock, r >> 44);
		if ((r >> 13 & 63) == 0)
			fake_clock_sleep(f->clock, r >> 34);
	}
	out8(f->ports, 0x43, 0x30);
	f->irq.rises = 0;
	program(f, 0, 2, 11932);
	fake_clock_advance(f->clock, SECOND + 100);
	assert_in_range(f->irq.rises, 100, 101);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_mode0),
		TEST(test_mode0_gate),
		TEST(test_mode1),
		TEST(test_mode2),
		TEST(test_no_drift),
		TEST(test_mode2_new_count),
		TEST(test_mode2_gate),
		TEST(test_mode3),
		TEST(test_mode3_odd),
		TEST(test_mode3_new_count),
		TEST(test_mode4),
		TEST(test_mode5),
		TEST(test_byte_accesses),
		TEST(test_bcd),
		TEST(test_latch_holds),
		TEST(test_read_back),
		TEST(test_speaker_port),
		TEST(test_calibration_loop),
		TEST(test_catch_up),
		TEST(test_catch_up_is_bounded),
		TEST(test_no_storm),
		TEST(test_due_edge_is_not_lost),
		TEST(test_random_accesses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
