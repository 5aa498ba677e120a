/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Time for devices.  The real clock (vmm/clock.c) is CLOCK_MONOTONIC with timers on the
 * main loop; unit tests link a fake one that moves when told (selftests/unit/fake_clock.c).
 *
 * Locks: all calls with the machine's lock held; timer callbacks are called with it held.
 */
#ifndef MICA_VMM_CLOCK_H
#define MICA_VMM_CLOCK_H

#include <assert.h>
#include <glib.h>
#include <pthread.h>
#include <stdint.h>

struct clock;
struct clock_timer;
struct uv_loop_s;

/*
 * A clock that starts at 0 now, with its timers on `loop`; `lock` is the machine's.  NULL
 * if the host has no timer left.  Both are called by the thread of the loop.  clock_free():
 * all its timers were freed before; the loop must run once more to close what it holds.
 */
struct clock *clock_new(struct uv_loop_s *loop, pthread_mutex_t *lock, GError **error);
void clock_free(struct clock *clock);

/* Nanoseconds of guest time since the machine was made.  Never goes back; stands still
 * while the machine is paused. */
uint64_t clock_now(struct clock *clock);

/* Lets clock_now() stand still and calls no timer; and lets both go on. */
void clock_pause(struct clock *clock);
void clock_resume(struct clock *clock);

/* The time in a checkpoint. */
struct clock_state {
	uint64_t now_ns;		/* clock_now(): 0..CLOCK_MAX_NS */
	uint64_t reserved;		/* 0 */
};
static_assert(sizeof(struct clock_state) == 16, "ABI");
#define CLOCK_MAX_NS	(UINT64_C(1) << 62)	/* 146 years */

void clock_save(struct clock *clock, struct clock_state *state);
/* Goes on from that time, at once or, if it stands still, with clock_resume().  For a clock
 * whose machine has never run: deadlines that are set already stay as they are.  FALSE, and
 * nothing changed, for a time that no guest could have come to. */
gboolean clock_load(struct clock *clock, const struct clock_state *state, GError **error);

/* Seconds since the epoch and microseconds, for the RTC. */
void clock_wall(struct clock *clock, int64_t *seconds, uint32_t *microseconds);

struct clock_timer *clock_timer_new(struct clock *clock, void (*expired)(void *opaque),
				    void *opaque);
void clock_timer_free(struct clock_timer *timer);

/* Calls `expired` once at `deadline` (clock_now() scale), soon if it has passed;
 * replaces an earlier deadline.  UINT64_MAX never comes. */
void clock_timer_set(struct clock_timer *timer, uint64_t deadline);
void clock_timer_cancel(struct clock_timer *timer);

#endif
