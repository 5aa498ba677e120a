// SPDX-License-Identifier: GPL-2.0-or-later
#include "fake_clock.h"

#include <glib.h>

struct clock {
	uint64_t now;
	int64_t wall_us;	/* wall time at now = 0 */
	GPtrArray *timers;
};

struct clock_timer {
	struct clock *clock;
	void (*expired)(void *opaque);
	void *opaque;
	uint64_t deadline;
};

struct clock *fake_clock_new(void)
{
	struct clock *clock = g_new0(struct clock, 1);

	clock->timers = g_ptr_array_new();
	return clock;
}

void fake_clock_free(struct clock *clock)
{
	g_assert_cmpuint(clock->timers->len, ==, 0);
	g_ptr_array_free(clock->timers, TRUE);
	g_free(clock);
}

static struct clock_timer *earliest(const struct clock *clock)
{
	struct clock_timer *first = NULL;

	for (guint i = 0; i < clock->timers->len; i++) {
		struct clock_timer *timer = g_ptr_array_index(clock->timers, i);

		if (timer->deadline != FAKE_CLOCK_NEVER &&
		    (!first || timer->deadline < first->deadline))
			first = timer;
	}
	return first;
}

void fake_clock_advance(struct clock *clock, uint64_t ns)
{
	uint64_t end = clock->now + ns;
	struct clock_timer *timer = earliest(clock);

	while (timer && timer->deadline <= end) {
		clock->now = MAX(clock->now, timer->deadline);
		timer->deadline = FAKE_CLOCK_NEVER;
		timer->expired(timer->opaque);
		timer = earliest(clock);
	}
	clock->now = end;
}

void fake_clock_sleep(struct clock *clock, uint64_t ns)
{
	clock->now += ns;
}

void fake_clock_set_wall(struct clock *clock, int64_t seconds, uint32_t microseconds)
{
	clock->wall_us = seconds * 1000000 + microseconds - (int64_t)(clock->now / 1000);
}

uint64_t fake_clock_deadline(const struct clock *clock)
{
	const struct clock_timer *timer = earliest(clock);

	return timer ? timer->deadline : FAKE_CLOCK_NEVER;
}

uint64_t clock_now(struct clock *clock)
{
	return clock->now;
}

void clock_wall(struct clock *clock, int64_t *seconds, uint32_t *microseconds)
{
	int64_t us = clock->wall_us + (int64_t)(clock->now / 1000);

	*seconds = us / 1000000;
	*microseconds = us % 1000000;
}

void clock_save(struct clock *clock, struct clock_state *state)
{
	*state = (struct clock_state){ .now_ns = clock->now };
}

/* The wall clock is the host's: it stays. */
gboolean clock_load(struct clock *clock, const struct clock_state *state, GError **error)
{
	(void)error;
	clock->wall_us += (int64_t)(clock->now / 1000) - (int64_t)(state->now_ns / 1000);
	clock->now = state->now_ns;
	return TRUE;
}

struct clock_timer *clock_timer_new(struct clock *clock, void (*expired)(void *opaque),
				    void *opaque)
{
	struct clock_timer *timer = g_new0(struct clock_timer, 1);

	*timer = (struct clock_timer){ clock, expired, opaque, FAKE_CLOCK_NEVER };
	g_ptr_array_add(clock->timers, timer);
	return timer;
}

void clock_timer_free(struct clock_timer *timer)
{
	if (!timer)
		return;
	g_ptr_array_remove(timer->clock->timers, timer);
	g_free(timer);
}

void clock_timer_set(struct clock_timer *timer, uint64_t deadline)
{
	timer->deadline = deadline;
}

void clock_timer_cancel(struct clock_timer *timer)
{
	timer->deadline = FAKE_CLOCK_NEVER;
}
