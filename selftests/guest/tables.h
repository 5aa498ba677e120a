/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Every table of guest tests, in the order in which they run. */
#ifndef MICA_GUEST_TABLES_H
#define MICA_GUEST_TABLES_H

#include "guest.h"

extern TESTS(mode_tests);
extern TESTS(exit_tests);
extern TESTS(instruction_tests);
extern TESTS(rare_tests);
extern TESTS(memory_tests);
extern TESTS(dirty_tests);
extern TESTS(dirty_run_tests);
extern TESTS(event_tests);
extern TESTS(apic_tests);
extern TESTS(apic_x2_tests);
extern TESTS(delivery_tests);
extern TESTS(eventfd_tests);
extern TESTS(eventfd_irq_tests);
extern TESTS(spin_tests);
extern TESTS(halt_tests);
extern TESTS(tsc_tests);
extern TESTS(ioctl_tests);
extern TESTS(host_state_tests);
extern TESTS(stats_tests);
extern TESTS(seen_tests);	/* the last: looks back at all others */

static const struct test *const tables[] = {
	mode_tests,
	exit_tests,
	instruction_tests,
	rare_tests,
	memory_tests,
	dirty_tests,
	dirty_run_tests,
	event_tests,
	apic_tests,
	apic_x2_tests,
	delivery_tests,
	eventfd_tests,
	eventfd_irq_tests,
	spin_tests,
	halt_tests,
	tsc_tests,
	ioctl_tests,
	host_state_tests,
	stats_tests,
	seen_tests,
};
#define TABLE_COUNT (sizeof(tables) / sizeof(tables[0]))

#endif
