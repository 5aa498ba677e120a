// SPDX-License-Identifier: GPL-2.0-or-later
/* MC146818: calendar, formats, setting the time, update cycle, the three interrupts. */
#include "chip_test.h"

#define NOON_2024_02_28 1709121600	/* a Wednesday, one day before a leap day */

struct fixture {
	struct bus *ports;
	struct clock *clock;
	struct rtc *rtc;
	struct fake_line irq;
};

static void make_rtc(struct fixture *f, int64_t seconds, uint32_t us)
{
	rtc_free(f->rtc);
	bus_free(f->ports);
	f->ports = bus_new("ports");
	fake_clock_set_wall(f->clock, seconds, us);
	f->rtc = rtc_new(f->ports, f->clock, fake_line_of(&f->irq), 3ull << 30, 5ull << 30);
}

static int setup(void **state)
{
	struct fixture *f = g_new0(struct fixture, 1);

	f->clock = fake_clock_new();
	make_rtc(f, NOON_2024_02_28, 250000);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	rtc_free(f->rtc);
	bus_free(f->ports);
	fake_clock_free(f->clock);
	g_free(f);
	return 0;
}

static uint8_t get(struct fixture *f, uint8_t index)
{
	out8(f->ports, 0x70, index);
	return in8(f->ports, 0x71);
}

static void put(struct fixture *f, uint8_t index, uint8_t value)
{
	out8(f->ports, 0x70, index);
	out8(f->ports, 0x71, value);
}

/* The time registers as one line: century year month day weekday hours minutes seconds. */
static void assert_time(struct fixture *f, const char *expected)
{
	g_autofree char *found = g_strdup_printf("%02x%02x-%02x-%02x %u %02x:%02x:%02x",
						 get(f, 0x32), get(f, 9), get(f, 8), get(f, 7),
						 get(f, 6), get(f, 4), get(f, 2), get(f, 0));

	assert_string_equal(found, expected);
}

static void test_start(void **state)
{
	struct fixture *f = *state;

	assert_time(f, "2024-02-28 4 12:00:00");
	assert_int_equal(get(f, 0x0a), 0x26);
	assert_int_equal(get(f, 0x0b), 0x02);
	assert_int_equal(get(f, 0x0c), 0x00);
	assert_int_equal(get(f, 0x0d), 0x80);
	assert_int_equal(in8(f->ports, 0x70), 0xff);
	out8(f->ports, 0x70, 0x8d);		/* with the NMI mask */
	assert_int_equal(in8(f->ports, 0x71), 0x80);
}

static void test_time_passes(void **state)
{
	struct fixture *f = *state;

	fake_clock_advance(f->clock, 749 * MS);
	assert_time(f, "2024-02-28 4 12:00:00");
	fake_clock_advance(f->clock, MS);
	assert_time(f, "2024-02-28 4 12:00:01");
	fake_clock_advance(f->clock, 86400 * SECOND);
	assert_time(f, "2024-02-29 5 12:00:01");
	fake_clock_advance(f->clock, 12 * 3600 * SECOND);
	assert_time(f, "2024-03-01 6 00:00:01");
	fake_clock_set_wall(f->clock, NOON_2024_02_28 - 1, 0);	/* the host's clock is set back */
	assert_time(f, "2024-02-28 4 11:59:59");
}

static void test_calendar(void **state)
{
	static const struct {
		int64_t seconds;
		const char *time;
	} cases[] = {
		{ 0, "1970-01-01 5 00:00:00" },
		{ 951782399, "2000-02-28 2 23:59:59" },
		{ 951782400, "2000-02-29 3 00:00:00" },
		{ 978307199, "2000-12-31 1 23:59:59" },
		{ 4107542399, "2100-02-28 1 23:59:59" },
		{ 4107542400, "2100-03-01 2 00:00:00" },
		{ 253402300799, "9999-12-31 6 23:59:59" },
	};
	struct fixture *f = *state;

	for (unsigned int i = 0; i < G_N_ELEMENTS(cases); i++) {
		make_rtc(f, cases[i].seconds, 0);
		assert_time(f, cases[i].time);
		make_rtc(f, cases[i].seconds + 86400, 0);
		fake_clock_set_wall(f->clock, cases[i].seconds, 0);
		assert_time(f, cases[i].time);
	}
}

static void test_formats(void **state)
{
	struct fixture *f = *state;

	fake_clock_advance(f->clock, 3600 * SECOND);
	put(f, 0x0b, 0x00);			/* BCD, 12 hours */
	assert_int_equal(get(f, 4), 0x81);
	put(f, 0x0b, 0x04);			/* binary, 12 hours */
	assert_int_equal(get(f, 4), 0x81);
	assert_int_equal(get(f, 7), 28);
	assert_int_equal(get(f, 9), 24);
	assert_int_equal(get(f, 0x32), 20);
	put(f, 0x0b, 0x06);
	assert_int_equal(get(f, 4), 13);
	fake_clock_advance(f->clock, 11 * 3600 * SECOND);
	assert_int_equal(get(f, 4), 0);
	put(f, 0x0b, 0x00);
	assert_int_equal(get(f, 4), 0x12);	/* midnight is 12 AM */
	fake_clock_advance(f->clock, 12 * 3600 * SECOND);
	assert_int_equal(get(f, 4), 0x92);	/* noon is 12 PM */
}

/* As Linux does it: SET, divider reset, registers, all back. */
static void test_set_time(void **state)
{
	struct fixture *f = *state;

	put(f, 0x0b, 0x82);
	put(f, 0x0a, 0x76);
	fake_clock_advance(f->clock, 5 * SECOND);
	put(f, 0, 0x58);
	put(f, 2, 0x59);
	put(f, 4, 0x23);
	put(f, 7, 0x31);
	put(f, 8, 0x12);
	put(f, 9, 0x99);
	put(f, 0x32, 0x19);
	put(f, 6, 0x06);
	put(f, 0x0b, 0x02);
	fake_clock_advance(f->clock, 5 * SECOND);
	assert_time(f, "1999-12-31 6 23:59:58");
	put(f, 0x0a, 0x26);
	/* The first second after a divider reset is half a one. */
	fake_clock_advance(f->clock, 499 * MS);
	assert_time(f, "1999-12-31 6 23:59:58");
	fake_clock_advance(f->clock, 2 * MS);
	assert_time(f, "1999-12-31 6 23:59:59");
	fake_clock_advance(f->clock, SECOND);
	assert_time(f, "2000-01-01 7 00:00:00");
}

/* Day and month may be set one after the other, in any order. */
static void test_set_running(void **state)
{
	struct fixture *f = *state;

	put(f, 7, 0x31);
	assert_int_equal(get(f, 7), 0x31);
	put(f, 8, 0x03);
	assert_time(f, "2024-03-31 4 12:00:00");
	fake_clock_advance(f->clock, 750 * MS);
	assert_time(f, "2024-03-31 4 12:00:01");
}

static void test_update_in_progress(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(get(f, 0x0a), 0x26);
	fake_clock_advance(f->clock, 750 * MS - 245000);
	assert_int_equal(get(f, 0x0a), 0x26);
	fake_clock_advance(f->clock, 1000);
	assert_int_equal(get(f, 0x0a), 0xa6);
	put(f, 0x0a, 0xa6);
	put(f, 0x0b, 0x82);
	assert_int_equal(get(f, 0x0a), 0x26);	/* not while SET */
	put(f, 0x0b, 0x02);
	fake_clock_advance(f->clock, 244000);
	assert_int_equal(get(f, 0x0a), 0x26);
}

static void test_update_interrupt(void **state)
{
	struct fixture *f = *state;

	put(f, 0x0b, 0x12);
	fake_clock_advance(f->clock, 749 * MS);
	assert_int_equal(f->irq.level, 0);
	fake_clock_advance(f->clock, MS);
	assert_int_equal(f->irq.level, 1);
	fake_clock_advance(f->clock, 10 * SECOND);
	assert_int_equal(f->irq.rises, 1);		/* until C is read */
	assert_int_equal(get(f, 0x0c) & 0x90, 0x90);
	assert_int_equal(f->irq.level, 0);
	assert_int_equal(get(f, 0x0c), 0x00);
	fake_clock_advance(f->clock, SECOND);
	assert_int_equal(f->irq.rises, 2);
	get(f, 0x0c);
	put(f, 0x0b, 0x92);				/* SET clears UIE */
	assert_int_equal(get(f, 0x0b), 0x82);
	assert_true(fake_clock_deadline(f->clock) == FAKE_CLOCK_NEVER);
}

static void test_flags_without_interrupt(void **state)
{
	struct fixture *f = *state;

	fake_clock_advance(f->clock, SECOND);
	assert_true(fake_clock_deadline(f->clock) == FAKE_CLOCK_NEVER);
	assert_int_equal(get(f, 0x0c), 0x50);		/* UF and PF, no IRQF */
	assert_int_equal(f->irq.rises, 0);
	fake_clock_advance(f->clock, SECOND);
	put(f, 0x0b, 0x12);				/* enabling a set flag interrupts */
	assert_int_equal(f->irq.level, 1);
}

static void test_alarm(void **state)
{
	struct fixture *f = *state;

	put(f, 1, 0x30);
	put(f, 3, 0x05);
	put(f, 5, 0x12);
	put(f, 0x0b, 0x22);
	fake_clock_advance(f->clock, 329749 * MS);
	assert_int_equal(f->irq.level, 0);
	fake_clock_advance(f->clock, MS);
	assert_int_equal(f->irq.level, 1);
	assert_int_equal(get(f, 0x0c) & 0xa0, 0xa0);
	fake_clock_advance(f->clock, 86399 * SECOND);
	assert_int_equal(f->irq.rises, 1);
	fake_clock_advance(f->clock, SECOND);
	assert_int_equal(f->irq.rises, 2);
}

static unsigned int alarms_in(struct fixture *f, unsigned int seconds)
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < seconds; i++) {
		fake_clock_advance(f->clock, SECOND);
		count += get(f, 0x0c) >> 5 & 1;
	}
	return count;
}

static void test_alarm_wildcards(void **state)
{
	struct fixture *f = *state;

	put(f, 1, 0x15);
	put(f, 3, 0xff);
	put(f, 5, 0xc0);
	assert_int_equal(alarms_in(f, 3600), 60);
	put(f, 1, 0xff);
	assert_int_equal(alarms_in(f, 100), 100);
	put(f, 3, 0x20);
	assert_int_equal(alarms_in(f, 3600), 60);
	put(f, 1, 0x60);				/* never */
	assert_int_equal(alarms_in(f, 3600), 0);
	put(f, 0x0b, 0x22);
	assert_true(fake_clock_deadline(f->clock) == FAKE_CLOCK_NEVER);
}

static void test_alarm_afternoon(void **state)
{
	struct fixture *f = *state;

	put(f, 0x0b, 0x00);
	put(f, 1, 0x00);
	put(f, 3, 0x00);
	put(f, 5, 0x83);				/* 3 PM */
	put(f, 0x0b, 0x20);
	fake_clock_advance(f->clock, (3 * 3600 - 1) * SECOND);
	assert_int_equal(f->irq.level, 0);
	fake_clock_advance(f->clock, SECOND);
	assert_int_equal(f->irq.level, 1);
}

static void test_periodic(void **state)
{
	struct fixture *f = *state;

	put(f, 0x0b, 0x42);
	for (unsigned int i = 0; i < 1024; i++) {
		fake_clock_advance(f->clock, 976563);
		assert_int_equal(f->irq.rises, i + 1);
		assert_int_equal(get(f, 0x0c) & 0xc0, 0xc0);
	}
	put(f, 0x0a, 0x2f);				/* 2 Hz */
	assert_int_equal(get(f, 0x0c), 0);		/* another rate is no interrupt */
	f->irq.rises = 0;
	for (unsigned int i = 0; i < 100; i++) {
		fake_clock_advance(f->clock, 100 * MS);
		get(f, 0x0c);
	}
	assert_in_range(f->irq.rises, 20, 21);
	put(f, 0x0a, 0x20);				/* none */
	fake_clock_advance(f->clock, 10 * SECOND);
	assert_int_equal(get(f, 0x0c) & 0x40, 0);
	put(f, 0x0a, 0x21);				/* 256 Hz */
	fake_clock_advance(f->clock, 3 * MS);
	get(f, 0x0c);
	fake_clock_advance(f->clock, 3906251);
	assert_int_equal(get(f, 0x0c) & 0x40, 0x40);
}

/* Nobody reads C: one interrupt, and the host is left alone. */
static void test_periodic_unread(void **state)
{
	struct fixture *f = *state;

	put(f, 0x0a, 0x23);				/* 8192 Hz */
	put(f, 0x0b, 0x42);
	fake_clock_advance(f->clock, SECOND);
	assert_int_equal(f->irq.rises, 1);
	assert_true(fake_clock_deadline(f->clock) == FAKE_CLOCK_NEVER);
}

static void test_memory_sizes(void **state)
{
	struct fixture *f = *state;
	unsigned int sum = 0;

	assert_int_equal(get(f, 0x15) | get(f, 0x16) << 8, 640);
	assert_int_equal(get(f, 0x17) | get(f, 0x18) << 8, 0xffff);
	assert_int_equal(get(f, 0x30) | get(f, 0x31) << 8, 0xffff);
	assert_int_equal(get(f, 0x34) | get(f, 0x35) << 8, ((3ull << 30) - (16 << 20)) >> 16);
	assert_int_equal(get(f, 0x5b) | get(f, 0x5c) << 8 | get(f, 0x5d) << 16, 5ull << 30 >> 16);
	for (unsigned int i = 0x10; i <= 0x2d; i++)
		sum += get(f, i);
	assert_int_equal(get(f, 0x2e) << 8 | get(f, 0x2f), sum);
	rtc_free(f->rtc);
	bus_free(f->ports);
	f->ports = bus_new("ports");
	f->rtc = rtc_new(f->ports, f->clock, fake_line_of(&f->irq), 8 << 20, 0);
	assert_int_equal(get(f, 0x17) | get(f, 0x18) << 8, 7 << 10);
	assert_int_equal(get(f, 0x34) | get(f, 0x35) << 8, 0);
	put(f, 0x7f, 0x3c);
	assert_int_equal(get(f, 0x7f), 0x3c);
}

static void test_random_accesses(void **state)
{
	struct fixture *f = *state;
	uint64_t seed = 0x146818;

	for (unsigned int i = 0; i < 300000; i++) {
		uint64_t r = next_random(&seed);
		uint8_t index = r >> 8 & 1 ? r >> 9 & 15 : r >> 9;

		if (r & 1)
			put(f, index, r >> 32);
		else if (r & 2)
			get(f, index);
		else if (r & 4)
			bus_write(f->ports, 0x70, 2, r >> 32);
		else
			in_sized(f->ports, 0x70 + (r >> 3 & 1), 1 << (r >> 4 & 1));
		if ((r >> 20 & 15) == 0)
			fake_clock_advance(f->clock, r >> 38);
		if ((r >> 24 & 255) == 0)
			fake_clock_set_wall(f->clock, r >> 24, 0);
	}
	put(f, 0x0b, 0x02);
	put(f, 0x0a, 0x26);
	fake_clock_advance(f->clock, 2 * SECOND);
	get(f, 0x0c);
	fake_clock_advance(f->clock, SECOND);
	assert_int_equal(get(f, 0x0c) & 0x50, 0x50);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_start),
		TEST(test_time_passes),
		TEST(test_calendar),
		TEST(test_formats),
		TEST(test_set_time),
		TEST(test_set_running),
		TEST(test_update_in_progress),
		TEST(test_update_interrupt),
		TEST(test_flags_without_interrupt),
		TEST(test_alarm),
		TEST(test_alarm_wildcards),
		TEST(test_alarm_afternoon),
		TEST(test_periodic),
		TEST(test_periodic_unread),
		TEST(test_memory_sizes),
		TEST(test_random_accesses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
