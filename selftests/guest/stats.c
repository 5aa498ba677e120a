// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The counters of a vCPU have one shape, whatever CPU is below: first a row for each kind of
 * exit, with a name of its own, then the core's counters, which are the same everywhere.  Every
 * entry ends in one exit that is counted.
 */
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "guest.h"

#define COUNT(array) (sizeof(array) / sizeof(array[0]))

/* In the order of the table; more may follow. */
static const char *const core_counters[] = {
	"entries", "series", "user_exits", "halts", "injected_interrupts", "injected_nmis",
	"injected_exceptions", "reinjected", "faults", "mmio", "s2_flushes", "migrations",
	"timer_expiries", "spin_yields", "refused_msrs", "port_signals", "port_ignored", "interrupted",
	"halt_polls_hit", "halt_polls_missed",
};

/* Exits that every CPU has, under the one name. */
static const char *const common_exits[] = {
	"cpuid", "external_interrupt", "hlt", "init_signal", "interrupt_window", "invd",
	"io_instruction", "monitor", "mwait", "rdmsr", "rdpmc", "wbinvd", "wrmsr", "xsetbv",
};

static void get_stats(const struct guest *g, struct mica_stats *stats)
{
	memset(stats, 0xff, sizeof(*stats));
	if (ioctl(g->vcpu, MICA_VCPU_GET_STATS, stats))
		bail("MICA_VCPU_GET_STATS: %s", strerror(errno));
	if (stats->count > MICA_MAX_STATS)
		bail("%u counters", stats->count);
}

/* How many rows are for exits: those before the first of the core's counters. */
static unsigned int exit_rows(const struct mica_stats *stats)
{
	unsigned int i;

	for (i = 0; i < stats->count; i++)
		if (!strcmp(stats->stats[i].name, core_counters[0]))
			break;
	if (!i || i + COUNT(core_counters) > stats->count)
		bail("%u counters for exits, %u in all", i, stats->count);
	return i;
}

/* As an identifier: begins with a letter, then letters, digits, underscores; padded with zeros.
 * One that fills the field may have been cut. */
static bool is_name(const struct mica_stat *stat)
{
	size_t length = strnlen(stat->name, sizeof(stat->name)), i;

	if (!length || length >= sizeof(stat->name) - 1 || !islower(stat->name[0]))
		return false;
	for (i = 0; i < sizeof(stat->name); i++) {
		char c = stat->name[i];

		if (i < length ? !islower(c) && !isdigit(c) && c != '_' : c)
			return false;
	}
	return true;
}

static void check_unique(const struct mica_stats *stats, unsigned int index)
{
	unsigned int i;

	for (i = 0; i < index; i++)
		check(strcmp(stats->stats[i].name, stats->stats[index].name),
		      "rows %u and %u are both called %s", i, index, stats->stats[i].name);
}

static uint64_t value_of(const struct mica_stats *stats, const char *name)
{
	unsigned int i;

	for (i = 0; i < stats->count; i++)
		if (!strcmp(stats->stats[i].name, name))
			return stats->stats[i].value;
	check(false, "no counter %s", name);
	return 0;
}

static void shape(void)
{
	static struct mica_stats stats;
	unsigned int exits, i;
	struct guest g;

	guest_init(&g);
	get_stats(&g, &stats);
	check_equal(stats.pad, 0);
	exits = exit_rows(&stats);
	for (i = 0; i < stats.count; i++) {
		if (!check(is_name(&stats.stats[i]), "row %u has no proper name: %.24s", i,
			   stats.stats[i].name))
			continue;
		check_unique(&stats, i);
		if (i >= exits && i - exits < COUNT(core_counters))
			check(!strcmp(stats.stats[i].name, core_counters[i - exits]),
			      "row %u is %s, not %s", i, stats.stats[i].name, core_counters[i - exits]);
		if (i <= exits)
			check(!stats.stats[i].value, "%s is %llu before the first run",
			      stats.stats[i].name, (unsigned long long)stats.stats[i].value);
	}
	for (i = 0; i < COUNT(common_exits); i++)
		check_equal(value_of(&stats, common_exits[i]), 0);
	for (i = stats.count; i < MICA_MAX_STATS; i++)
		check(!stats.stats[i].name[0] && !stats.stats[i].value, "row %u is not empty", i);
	guest_destroy(&g);
}

/* 7 CPUID, 3 WBINVD, 2 INVD, a WRMSR that is refused, 5 OUTs to user space. */
GUEST_CODE(count_code, ".code64",
	"mov $7, %edi\n 1: xor %eax, %eax\n cpuid\n dec %edi\n jnz 1b\n"
	"wbinvd\n wbinvd\n wbinvd\n invd\n invd\n"
	"mov $0xbad, %ecx\n wrmsr\n mov $4, %edi\n 3:" REPORT "dec %edi\n jnz 3b\n" DONE
	".balign 64\n addq $2, 8(%rsp)\n add $8, %rsp\n iretq");

static void counts(void)
{
	static struct mica_stats stats;
	uint64_t sum = 0;
	struct guest g;
	unsigned int i;

	guest_init(&g);
	guest_load(&g, G_LONG, count_code, count_code_end);
	guest_set_gate(&g, G_LONG, 13, 64);
	guest_finish(&g);
	get_stats(&g, &stats);
	check_equal(value_of(&stats, "cpuid"), 7);
	/* QEMU takes INVD for WBINVD. */
	check_equal(value_of(&stats, "wbinvd") + value_of(&stats, "invd"), 5);
	check_equal(value_of(&stats, "io_instruction"), 5);
	check_equal(value_of(&stats, "wrmsr"), 1);
	check_equal(value_of(&stats, "user_exits"), 5);
	check_equal(value_of(&stats, "refused_msrs"), 1);
	check_equal(value_of(&stats, "injected_exceptions"), 1);
	check(value_of(&stats, "series") >= 5, "%llu series",
	      (unsigned long long)value_of(&stats, "series"));
	for (i = 0; i < exit_rows(&stats); i++)
		sum += stats.stats[i].value;
	check_equal(value_of(&stats, "entries"), sum);
	guest_destroy(&g);
}

TESTS(stats_tests) = {
	{ "stats-shape", shape },
	{ "stats-counts", counts },
	{ }
};
