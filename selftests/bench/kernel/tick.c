// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a tick of the local APIC's timer costs a guest that is busy: the time that a loop takes
 * in which the timer goes off, less that of the same loop without it.  The deadline is written
 * at the loop's start, as a kernel does for its next tick.
 */
#include "machine.h"

#define SAMPLES		201
#define ROUNDS		100000ul	/* of the loop: two instructions each */
#define DEADLINE	50000ul		/* ticks from the loop's start */

static void loop(void)
{
	uint64_t rounds = ROUNDS;

	asm volatile("1: dec %0; jnz 1b" : "+r" (rounds));
}

static uint64_t calm(void)
{
	uint64_t start = rdtsc();

	loop();
	return rdtsc() - start;
}

static uint64_t calm_ticks;

/* A loop that is shorter than the last one: never on an emulator that counts instructions. */
static uint64_t tick(void)
{
	uint64_t start = rdtsc();

	interrupt_arrived = false;
	wrmsr(MSR_TSC_DEADLINE, start + DEADLINE);
	loop();
	start = rdtsc() - start;
	if (!interrupt_arrived)
		fail("a tick that has not come");
	return start > calm_ticks ? start - calm_ticks : 0;
}

void measure_tick(void)
{
	static const struct operation operations[] = {
		{ "tick-busy", tick, 0 },
		{ }
	};

	if (!(cpuid(1, 0).ecx & 1u << 24))
		fail("no TSC deadline");
	apic_write(APIC_LVT_TIMER, LVT_TSC_DEADLINE | VECTOR_TEST);
	calm_ticks = median(calm, SAMPLES);
	measure(operations, SAMPLES);
}
