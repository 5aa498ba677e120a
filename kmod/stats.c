// SPDX-License-Identifier: GPL-2.0-only
/* Counters with their names: MICA_VCPU_GET_STATS needs no list on the other side. */
#include "stats.h"

#include "vcpu.h"

#define COUNTER(name) { #name, offsetof(struct mica_counters, name) }

static const struct counter_row {
	const char *name;
	size_t offset;
} counter_rows[] = {
	COUNTER(entries),
	COUNTER(series),
	COUNTER(user_exits),
	COUNTER(halts),
	COUNTER(injected_interrupts),
	COUNTER(injected_nmis),
	COUNTER(injected_exceptions),
	COUNTER(reinjected),
	COUNTER(faults),
	COUNTER(mmio),
	COUNTER(s2_flushes),
	COUNTER(migrations),
	COUNTER(timer_expiries),
	COUNTER(spin_yields),
	COUNTER(refused_msrs),
	COUNTER(port_signals),
	COUNTER(port_ignored),
	COUNTER(interrupted),
	COUNTER(halt_polls_hit),
	COUNTER(halt_polls_missed),
};

static void add(struct mica_stats *stats, const char *name, u64 value)
{
	struct mica_stat *stat;

	if (!name || stats->count >= MICA_MAX_STATS)
		return;
	stat = &stats->stats[stats->count++];
	strscpy(stat->name, name, sizeof(stat->name));
	stat->value = value;
}

void mica_stats_get(struct mica_vcpu *vcpu, struct mica_stats *stats)
{
	unsigned int i;

	BUILD_BUG_ON(MICA_EXIT_SLOTS + ARRAY_SIZE(counter_rows) > MICA_MAX_STATS);
	for (i = 0; i < mica_backend->exit_count && i < MICA_EXIT_SLOTS; i++)
		add(stats, mica_backend->exit_name(i), vcpu->count.exits[i]);
	for (i = 0; i < ARRAY_SIZE(counter_rows); i++)
		add(stats, counter_rows[i].name,
		    *(const u64 *)((const u8 *)&vcpu->count + counter_rows[i].offset));
}
