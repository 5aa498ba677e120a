// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Which kinds of exits all tests together have caused: those that any guest can cause must be
 * among them.  A backend that has no counter of a name has no such exit.  What else was not
 * seen is listed: exits that are not asked for, those of system management mode and of features
 * that this CPU lacks.
 */
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "guest.h"

#define COUNT(array)	(sizeof(array) / sizeof(array[0]))

/* The sums over all guests so far; the first row that is no exit ends them. */
static struct mica_stats sums;
static bool delivers;	/* the CPU interrupts: MICA_CAP_DELIVERY */

void guest_note_exits(const struct guest *g)
{
	static struct mica_stats stats;
	unsigned int i;

	if (ioctl(g->vcpu, MICA_VCPU_GET_STATS, &stats))
		return;
	for (i = 0; i < stats.count && strcmp(stats.stats[i].name, "entries"); i++) {
		memcpy(sums.stats[i].name, stats.stats[i].name, sizeof(stats.stats[i].name));
		sums.stats[i].value += stats.stats[i].value;
	}
	sums.count = i;
	delivers = g->info.caps & MICA_CAP_DELIVERY;
}

static const char *const expected[] = {
	"exception_nmi", "external_interrupt", "triple_fault", "interrupt_window", "nmi_window",
	"task_switch", "cpuid", "hlt", "invd", "rdpmc", "vmcall", "vmclear", "vmlaunch",
	"vmptrld", "vmptrst", "vmread", "vmresume", "vmwrite", "vmxoff", "vmxon", "cr_access",
	"mov_dr", "io_instruction", "rdmsr", "wrmsr", "entry_guest_state", "mwait", "monitor",
	"tpr_below_threshold", "apic_access", "ept_violation", "invept", "preemption_timer",
	"invvpid", "wbinvd", "xsetbv", "apic_write",
	"virtualized_eoi",
	"debug_exception", "cr_write", "dr_read", "dr_write", "nested_page_fault", "shutdown",
	"vmrun", "vmmcall", "vmload", "vmsave", "stgi", "clgi", "skinit", "invlpga", "iret",
};

/* A CPU that delivers interrupts by itself waits for no window, and one that does not has no EOI
 * that it could tell of. */
static bool cannot_be(const char *name)
{
	if (delivers)
		return !strcmp(name, "interrupt_window") || !strcmp(name, "tpr_below_threshold");
	return !strcmp(name, "virtualized_eoi");
}

static void print_unseen(void)
{
	unsigned int i;

	printf("# exits that were not seen:");
	for (i = 0; i < sums.count; i++)
		if (!sums.stats[i].value)
			printf(" %s", sums.stats[i].name);
	printf("\n");
}

static void exits_seen(void)
{
	unsigned int i, j;

	if (!test_runs_all()) {
		skip("needs all tests before it");
		return;
	}
	print_unseen();
	/* It does not exit for all that it is told to. */
	if (guest_host_is_lenient())
		return;
	for (i = 0; i < sums.count; i++)
		for (j = 0; j < COUNT(expected); j++)
			if (!strcmp(sums.stats[i].name, expected[j]) && !cannot_be(expected[j]))
				check(sums.stats[i].value, "no test has caused the exit %s",
				      expected[j]);
}

TESTS(seen_tests) = {
	{ "exits-seen", exits_seen },
	{ }
};
