// SPDX-License-Identifier: GPL-2.0-or-later
/* The time-stamp counters of a guest's vCPUs. */
#include <time.h>
#include <x86intrin.h>

#include "guest.h"

/* Ticks by which the guest's TSC is ahead of the host's, give or take what an ioctl takes. */
static int64_t tsc_ahead(struct guest *g)
{
	struct mica_vcpu_state state;

	guest_get(g, &state);
	return state.msrs.tsc - __rdtsc();
}

static void set_tsc(struct guest *g, uint64_t tsc)
{
	struct mica_vcpu_state state;

	guest_get(g, &state);
	state.msrs.tsc = tsc;
	guest_set(g, MICA_STATE_MSRS, &state);
}

/* The same value, at two moments, as a VMM gives it to one vCPU after the other. */
static void set_one_after_the_other(void)
{
	const struct timespec pause = { .tv_nsec = 200 * 1000 * 1000 };
	struct guest g, other;
	int64_t apart, pause_ticks;

	guest_init(&g);
	other = g;
	other.vcpu = guest_add_vcpu(&g, 1, &other.run);
	pause_ticks = (int64_t)g.info.tsc_khz * 200;
	for (uint64_t tsc = 0; tsc <= 1ull << 50; tsc += 1ull << 50) {
		set_tsc(&g, tsc);
		nanosleep(&pause, NULL);
		set_tsc(&other, tsc);
		apart = tsc_ahead(&other) - tsc_ahead(&g);
		check(apart < pause_ticks / 2 && apart > -pause_ticks / 2,
		      "TSC %llu: %lld ticks apart", (unsigned long long)tsc, (long long)apart);
	}
	guest_destroy(&g);
}

TESTS(tsc_tests) = {
	{ "tsc-together", set_one_after_the_other },
	{ }
};
