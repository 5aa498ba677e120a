/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A clock (vmm/clock.h) that moves when a test says so.
 */
#ifndef MICA_TEST_FAKE_CLOCK_H
#define MICA_TEST_FAKE_CLOCK_H

#include <stdint.h>

#include "../../vmm/clock.h"

#define FAKE_CLOCK_NEVER	UINT64_MAX

/* Starts at 0 ns, wall time 0. */
struct clock *fake_clock_new(void);
/* All timers must be gone: a leak fails the test. */
void fake_clock_free(struct clock *clock);

/* Moves on, calling each timer at its own deadline. */
void fake_clock_advance(struct clock *clock, uint64_t ns);
/* Moves on as if the host slept: timers are late, and are called by the next advance. */
void fake_clock_sleep(struct clock *clock, uint64_t ns);
/* Sets the wall time of now; it then moves on with the clock. */
void fake_clock_set_wall(struct clock *clock, int64_t seconds, uint32_t microseconds);
/* The earliest deadline, or FAKE_CLOCK_NEVER. */
uint64_t fake_clock_deadline(const struct clock *clock);

#endif
