// SPDX-License-Identifier: GPL-2.0-or-later
#include "core_test.h"

#include <errno.h>
#include <stdbool.h>
#include <time.h>
#include <uv.h>

#include "../../../vmm/clock.h"

#define MS	1000000ull
#define TIMERS	6

/* The real clock on a real loop.  Each timer notes when it expired, and in which order. */
struct fixture {
	uv_loop_t loop;
	pthread_mutex_t lock;
	struct clock *clock;
	struct clock_timer *timers[TIMERS];
	GArray *order;			/* of timers' numbers */
	uint64_t when[TIMERS];
	int last;			/* the loop ends after this timer */
};

struct one {
	struct fixture *fixture;
	int number;
};

static struct one ones[TIMERS];

static void expired(void *opaque)
{
	struct one *one = opaque;
	struct fixture *fixture = one->fixture;

	/* Held, as promised: a second lock would have to wait. */
	assert_int_equal(pthread_mutex_trylock(&fixture->lock), EBUSY);
	fixture->when[one->number] = clock_now(fixture->clock);
	g_array_append_val(fixture->order, one->number);
	if (one->number == fixture->last)
		uv_stop(&fixture->loop);
}

static int setup(void **state)
{
	struct fixture *fixture = g_new0(struct fixture, 1);

	assert_int_equal(uv_loop_init(&fixture->loop), 0);
	pthread_mutex_init(&fixture->lock, NULL);
	fixture->clock = clock_new(&fixture->loop, &fixture->lock, NULL);
	assert_non_null(fixture->clock);
	fixture->order = g_array_new(FALSE, FALSE, sizeof(int));
	for (int i = 0; i < TIMERS; i++) {
		ones[i] = (struct one){ fixture, i };
		fixture->timers[i] = clock_timer_new(fixture->clock, expired, &ones[i]);
	}
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	for (int i = 0; i < TIMERS; i++)
		clock_timer_free(fixture->timers[i]);
	clock_free(fixture->clock);
	uv_run(&fixture->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&fixture->loop), 0);
	g_array_unref(fixture->order);
	g_free(fixture);
	return 0;
}

static void set(struct fixture *fixture, int number, uint64_t deadline)
{
	pthread_mutex_lock(&fixture->lock);
	clock_timer_set(fixture->timers[number], deadline);
	pthread_mutex_unlock(&fixture->lock);
}

static void run_until(struct fixture *fixture, int number)
{
	fixture->last = number;
	uv_run(&fixture->loop, UV_RUN_DEFAULT);
}

static void assert_order(struct fixture *fixture, const char *expected)
{
	g_autoptr(GString) order = g_string_new(NULL);

	for (guint i = 0; i < fixture->order->len; i++)
		g_string_append_printf(order, "%d", g_array_index(fixture->order, int, i));
	assert_string_equal(order->str, expected);
}

static void test_order(void **state)
{
	struct fixture *fixture = *state;
	static const int ms[TIMERS] = { 30, 10, 50, 20, 40, 10 };
	uint64_t now = clock_now(fixture->clock);

	for (int i = 0; i < TIMERS; i++)
		set(fixture, i, now + ms[i] * MS);
	run_until(fixture, 2);
	assert_order(fixture, "153042");
	for (int i = 0; i < TIMERS; i++)
		assert_true(fixture->when[i] >= now + ms[i] * MS);
}

static void test_past(void **state)
{
	struct fixture *fixture = *state;

	set(fixture, 1, 0);
	run_until(fixture, 1);
	assert_order(fixture, "1");
}

static void test_replace_and_cancel(void **state)
{
	struct fixture *fixture = *state;
	uint64_t now = clock_now(fixture->clock);

	set(fixture, 0, now + 1 * MS);
	set(fixture, 1, now + 2 * MS);
	set(fixture, 2, now + 40 * MS);
	set(fixture, 3, now + 3600 * 1000 * MS);
	set(fixture, 4, UINT64_MAX);
	set(fixture, 5, UINT64_MAX - 1);
	set(fixture, 0, now + 20 * MS);		/* later than it was */
	set(fixture, 3, now + 10 * MS);		/* earlier */
	pthread_mutex_lock(&fixture->lock);
	clock_timer_cancel(fixture->timers[1]);
	clock_timer_cancel(fixture->timers[1]);
	pthread_mutex_unlock(&fixture->lock);
	run_until(fixture, 2);
	assert_order(fixture, "302");
}

static void expired_again(void *opaque)
{
	struct one *one = opaque;

	expired(opaque);
	if (one->fixture->order->len < 100)
		clock_timer_set(one->fixture->timers[one->number], 0);
}

/* A timer that is always late does not keep the others, nor the lock, for itself. */
static void test_always_late(void **state)
{
	struct fixture *fixture = *state;

	clock_timer_free(fixture->timers[0]);
	fixture->timers[0] = clock_timer_new(fixture->clock, expired_again, &ones[0]);
	set(fixture, 0, 0);
	set(fixture, 1, 1);
	run_until(fixture, 1);
	assert_order(fixture, "01");
	set(fixture, 2, clock_now(fixture->clock) + 50 * MS);
	run_until(fixture, 2);
	assert_int_equal(fixture->order->len, 101);
}

static void free_others(void *opaque)
{
	struct one *one = opaque;
	struct fixture *fixture = one->fixture;

	clock_timer_cancel(fixture->timers[1]);
	clock_timer_free(fixture->timers[2]);
	fixture->timers[2] = NULL;
	expired(opaque);
}

/* A callback may cancel and free timers that are due in the same round. */
static void test_cancel_while_due(void **state)
{
	struct fixture *fixture = *state;

	clock_timer_free(fixture->timers[0]);
	fixture->timers[0] = clock_timer_new(fixture->clock, free_others, &ones[0]);
	for (int i = 0; i < 4; i++)
		set(fixture, i, i);
	run_until(fixture, 3);
	assert_order(fixture, "03");
}

static void *set_from_thread(void *opaque)
{
	struct fixture *fixture = opaque;
	struct timespec pause = { .tv_nsec = 5 * MS };

	/* So that the loop is probably asleep; if it is not, the test is as valid. */
	nanosleep(&pause, NULL);
	set(fixture, 0, clock_now(fixture->clock) + MS);
	return NULL;
}

/* The loop sleeps for an hour, and another thread sets an earlier time. */
static void test_other_thread(void **state)
{
	struct fixture *fixture = *state;
	pthread_t thread;

	set(fixture, 1, 3600 * 1000 * MS);
	assert_int_equal(pthread_create(&thread, NULL, set_from_thread, fixture), 0);
	run_until(fixture, 0);
	pthread_join(thread, NULL);
	assert_order(fixture, "0");
}

static void move_clock(struct fixture *fixture, void (*move)(struct clock *clock))
{
	pthread_mutex_lock(&fixture->lock);
	move(fixture->clock);
	pthread_mutex_unlock(&fixture->lock);
}

/* The time and what waits for it stand still, also what is set meanwhile; then they go on. */
static void test_pause(void **state)
{
	const struct timespec pause = { .tv_nsec = 30 * MS };
	struct fixture *fixture = *state;
	uint64_t now;

	move_clock(fixture, clock_pause);
	now = clock_now(fixture->clock);
	set(fixture, 0, now + 20 * MS);
	set(fixture, 1, now + 10 * MS);
	set(fixture, 2, now);
	nanosleep(&pause, NULL);
	assert_true(clock_now(fixture->clock) == now);
	/* All deadlines have passed, for the host: the timerfd, which has been armed for the
	 * first that was set, wakes the loop. */
	uv_run(&fixture->loop, UV_RUN_ONCE);
	uv_run(&fixture->loop, UV_RUN_NOWAIT);
	assert_order(fixture, "");
	move_clock(fixture, clock_resume);
	run_until(fixture, 0);
	assert_order(fixture, "210");
	assert_true(fixture->when[0] >= now + 20 * MS);
	assert_true(fixture->when[1] >= now + 10 * MS);
}

static void test_wall(void **state)
{
	struct fixture *fixture = *state;
	uint32_t microseconds;
	int64_t seconds, before = time(NULL);

	clock_wall(fixture->clock, &seconds, &microseconds);
	assert_true(seconds >= before && seconds <= time(NULL) + 1);
	assert_true(microseconds < 1000000);
}

/* A guest that is older than this host: its clock began before the host's did. */
static void test_load(void **state)
{
	struct fixture *fixture = *state;
	struct clock_state saved = { .now_ns = CLOCK_MAX_NS }, again;

	clock_pause(fixture->clock);
	assert_true(clock_load(fixture->clock, &saved, NULL));
	assert_int_equal(clock_now(fixture->clock), CLOCK_MAX_NS);
	clock_save(fixture->clock, &again);
	assert_memory_equal(&again, &saved, sizeof(saved));
	set(fixture, 0, CLOCK_MAX_NS + 20 * MS);
	set(fixture, 1, CLOCK_MAX_NS + 10 * MS);
	set(fixture, 2, CLOCK_MAX_NS - 1);
	clock_resume(fixture->clock);
	run_until(fixture, 0);
	assert_order(fixture, "210");
	assert_true(fixture->when[2] >= CLOCK_MAX_NS);
	assert_true(fixture->when[0] >= CLOCK_MAX_NS + 20 * MS);
	assert_true(fixture->when[0] < CLOCK_MAX_NS + 20000 * MS);
}

static void test_load_running(void **state)
{
	struct fixture *fixture = *state;
	struct clock_state saved = { .now_ns = 5000 * MS };

	assert_true(clock_load(fixture->clock, &saved, NULL));
	assert_true(clock_now(fixture->clock) >= 5000 * MS);
	assert_true(clock_now(fixture->clock) < 25000 * MS);
	set(fixture, 3, 5010 * MS);
	run_until(fixture, 3);
	assert_order(fixture, "3");
}

static void test_load_refused(void **state)
{
	struct fixture *fixture = *state;
	struct clock_state late = { .now_ns = CLOCK_MAX_NS + 1 }, dirty = { .reserved = 1 };
	g_autoptr(GError) error = NULL;

	assert_false(clock_load(fixture->clock, &late, &error));
	assert_non_null(strstr(error->message, "clock"));
	assert_false(clock_load(fixture->clock, &dirty, NULL));
	assert_true(clock_now(fixture->clock) < 20000 * MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_past, setup, teardown),
		cmocka_unit_test_setup_teardown(test_load, setup, teardown),
		cmocka_unit_test_setup_teardown(test_load_running, setup, teardown),
		cmocka_unit_test_setup_teardown(test_load_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_replace_and_cancel, setup, teardown),
		cmocka_unit_test_setup_teardown(test_always_late, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cancel_while_due, setup, teardown),
		cmocka_unit_test_setup_teardown(test_other_thread, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pause, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wall, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
