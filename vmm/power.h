/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a guest can ask of its machine as a whole, through whichever chip: the chips
 * (pm.c, reset.c, i8042.c, debug_exit.c) call power_request(), vmm/machine.c acts.
 */
#ifndef MICA_VMM_POWER_H
#define MICA_VMM_POWER_H

#include <stdint.h>

enum power_event {
	POWER_OFF,		/* S5, orderly */
	POWER_RESET,		/* any of the PC's reset ports, or the ACPI reset register */
	POWER_CRASH,		/* triple fault, or a vCPU that cannot go on */
	POWER_DEBUG_EXIT,	/* port 0xf4; the value counts */
};

struct power_sink {
	/* Machine's lock held.  The first request wins; vCPUs stop soon after. */
	void (*request)(void *opaque, enum power_event event, uint32_t value);
	void *opaque;
};

static inline void power_request(const struct power_sink *sink, enum power_event event,
				 uint32_t value)
{
	sink->request(sink->opaque, event, value);
}

#endif
