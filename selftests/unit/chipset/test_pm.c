// SPDX-License-Identifier: GPL-2.0-or-later
/* ACPI fixed hardware: PM timer and its status, power button, SCI, the way to S5. */
#include "chip_test.h"

#define STS (PM_BASE + 0)
#define EN (PM_BASE + 2)
#define CNT (PM_BASE + 4)
#define TMR (PM_BASE + 8)
#define HALF_NS ((unsigned __int128)(1u << 31) * SECOND / PM_TIMER_HZ)

struct fixture {
	struct bus *ports;
	struct clock *clock;
	struct pm *pm;
	struct fake_line sci;
	struct fake_power power;
};

static int setup(void **state)
{
	struct fixture *f = g_new0(struct fixture, 1);
	struct power_sink sink = fake_power_of(&f->power);

	f->ports = bus_new("ports");
	f->clock = fake_clock_new();
	f->pm = pm_new(f->ports, f->clock, fake_line_of(&f->sci), &sink);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	pm_free(f->pm);
	bus_free(f->ports);
	fake_clock_free(f->clock);
	g_free(f);
	return 0;
}

static uint64_t in(struct fixture *f, uint64_t port, unsigned int size)
{
	return in_sized(f->ports, port, size);
}

static void out(struct fixture *f, uint64_t port, unsigned int size, uint64_t value)
{
	assert_true(bus_write(f->ports, port, size, value));
}

static void test_timer_counts(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(in(f, TMR, 4), 0);
	fake_clock_advance(f->clock, SECOND);
	assert_int_equal(in(f, TMR, 4), PM_TIMER_HZ);
	assert_int_equal(in(f, TMR, 2), PM_TIMER_HZ & 0xffff);
	assert_int_equal(in(f, TMR + 1, 2), PM_TIMER_HZ >> 8 & 0xffff);
	fake_clock_advance(f->clock, 1999 * SECOND);
	assert_int_equal(in(f, TMR, 4), 2000ull * PM_TIMER_HZ & 0xffffffff);
	out(f, TMR, 4, 0);
	assert_int_equal(in(f, TMR, 4), 2000ull * PM_TIMER_HZ & 0xffffffff);
}

static void test_timer_status(void **state)
{
	struct fixture *f = *state;

	fake_clock_advance(f->clock, HALF_NS);
	assert_int_equal(in(f, STS, 2), 0);
	fake_clock_advance(f->clock, 1000);
	assert_int_equal(in(f, STS, 2), 1);
	assert_int_equal(f->sci.level, 0);
	out(f, STS, 2, 0);			/* only ones clear */
	assert_int_equal(in(f, STS, 2), 1);
	out(f, STS, 2, 1);
	assert_int_equal(in(f, STS, 2), 0);
	fake_clock_advance(f->clock, 10 * HALF_NS);
	assert_int_equal(in(f, STS, 2), 1);
}

static void test_timer_interrupt(void **state)
{
	struct fixture *f = *state;

	assert_true(fake_clock_deadline(f->clock) == FAKE_CLOCK_NEVER);
	out(f, EN, 2, 1);
	fake_clock_advance(f->clock, HALF_NS);
	assert_int_equal(f->sci.level, 0);
	fake_clock_advance(f->clock, 1000);
	assert_int_equal(f->sci.level, 1);
	fake_clock_advance(f->clock, 3 * HALF_NS);
	assert_int_equal(f->sci.rises, 1);
	out(f, STS, 1, 1);
	assert_int_equal(f->sci.level, 0);
	fake_clock_advance(f->clock, HALF_NS);
	assert_int_equal(f->sci.level, 1);
	assert_true(fake_clock_deadline(f->clock) == FAKE_CLOCK_NEVER);
	out(f, STS, 1, 1);
	assert_true(fake_clock_deadline(f->clock) != FAKE_CLOCK_NEVER);
	out(f, EN, 2, 0);
	assert_int_equal(f->sci.level, 0);
	assert_true(fake_clock_deadline(f->clock) == FAKE_CLOCK_NEVER);
}

static void test_power_button(void **state)
{
	struct fixture *f = *state;

	pm_press_power_button(f->pm);
	assert_int_equal(f->sci.level, 0);
	assert_int_equal(in(f, STS, 2), 0x0100);
	out(f, EN, 2, 0x0120);
	assert_int_equal(f->sci.level, 1);
	out(f, STS + 1, 1, 0x01);		/* by bytes, too */
	assert_int_equal(f->sci.level, 0);
	pm_press_power_button(f->pm);
	assert_int_equal(f->sci.level, 1);
	assert_int_equal(f->sci.rises, 2);
	assert_int_equal(f->power.requests, 0);
}

static void test_control(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(in(f, CNT, 2), 0x0001);	/* SCI_EN: always in ACPI mode */
	out(f, CNT, 2, 0x0002);
	assert_int_equal(in(f, CNT, 2), 0x0003);
	out(f, CNT, 2, 0xdfff);			/* all but SLP_EN */
	assert_int_equal(in(f, CNT, 2), 0x1c03);
	out(f, EN, 2, 0xffff);
	assert_int_equal(in(f, EN, 2), 0x0721);
	out(f, STS, 2, 0);			/* touches its own two bytes */
	assert_int_equal(in(f, EN, 2), 0x0721);
	assert_int_equal(f->power.requests, 0);
}

static void test_s5(void **state)
{
	struct fixture *f = *state;

	out(f, CNT, 2, PM_S5_SLEEP_TYPE << 10);
	assert_int_equal(f->power.requests, 0);
	out(f, CNT, 2, 0x2000 | 3 << 10);	/* a state that does not exist */
	assert_int_equal(f->power.requests, 0);
	out(f, CNT, 2, 0x2000 | PM_S5_SLEEP_TYPE << 10);
	assert_int_equal(f->power.requests, 1);
	assert_int_equal(f->power.event, POWER_OFF);
	assert_int_equal(in(f, CNT, 2) & 0x2000, 0);
	out(f, CNT + 1, 1, 0x20 | PM_S5_SLEEP_TYPE << 2);
	assert_int_equal(f->power.requests, 2);
}

static void test_random_accesses(void **state)
{
	struct fixture *f = *state;
	uint64_t seed = 0xac91;

	for (unsigned int i = 0; i < 200000; i++) {
		uint64_t r = next_random(&seed);
		uint64_t port = PM_BASE + (r >> 8 & 15);
		unsigned int size = 1u << (r >> 2 & 3) % 3;

		if (r & 1)
			bus_write(f->ports, port, size, r >> 32);
		else
			in(f, port, size);
		if ((r >> 4 & 15) == 0)
			fake_clock_advance(f->clock, r >> 26);
		if ((r >> 12 & 255) == 0)
			pm_press_power_button(f->pm);
	}
	assert_int_equal(in(f, CNT, 2) & 1, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_timer_counts),
		TEST(test_timer_status),
		TEST(test_timer_interrupt),
		TEST(test_power_button),
		TEST(test_control),
		TEST(test_s5),
		TEST(test_random_accesses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
