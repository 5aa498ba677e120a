// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <sys/ioctl.h>

#include "machine.h"
#include "vcpu.h"

/* All of vcpu_state.def, so that a register that is added there is printed as well. */
struct dump_row {
	const char *name;
	size_t offset;
};

#define ROW(group, name)	{ #name, offsetof(struct mica_vcpu_state, group.name) },

static const struct dump_row rows[] = {
#define MICA_STATE_GPR(name, tag, check)	ROW(gprs, name)
#define MICA_STATE_CR(name, tag, check)		ROW(crs, name)
#define MICA_STATE_DR(name, tag, check)		ROW(drs, name)
#define MICA_STATE_MSR(name, index, tag, check)	ROW(msrs, name)
#define MICA_STATE_EVENT(name, tag, check)	ROW(events, name)
#include <vcpu_state.def>
};

static const struct dump_row segment_rows[] = {
#define MICA_STATE_SEG(name, tag)		ROW(segs, name)
#include <vcpu_state.def>
};

static const void *dump_field(const struct mica_vcpu_state *state, const struct dump_row *row)
{
	return (const uint8_t *)state + row->offset;
}

static void dump_segment(GString *text, const char *name, const struct mica_segment *segment)
{
	g_string_append_printf(text, "  %-16s base %016" PRIx64 " limit %08" PRIx32
			       " attr %05" PRIx32 " selector %04x\n", name,
			       (uint64_t)segment->base, segment->limit, segment->attr,
			       segment->selector);
}

char *vcpu_state_text(const struct mica_vcpu_state *state)
{
	GString *text = g_string_new(NULL);
	const uint64_t *value;

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		value = dump_field(state, &rows[i]);
		g_string_append_printf(text, "  %-16s %016" PRIx64 "%s", rows[i].name, *value,
				       i % 2 ? "\n" : "");
	}
	if (G_N_ELEMENTS(rows) % 2)
		g_string_append_c(text, '\n');
	for (size_t i = 0; i < G_N_ELEMENTS(segment_rows); i++)
		dump_segment(text, segment_rows[i].name, dump_field(state, &segment_rows[i]));
	return g_string_free(text, FALSE);
}

void vcpu_append_stats(const struct vcpu *vcpu, GString *text)
{
	g_autofree struct mica_stats *stats = g_new0(struct mica_stats, 1);

	if (ioctl(vcpu->fd, MICA_VCPU_GET_STATS, stats) < 0) {
		g_string_append_printf(text, "vcpu%u: no counters: %s\n", vcpu->id,
				       g_strerror(errno));
		return;
	}
	for (uint32_t i = 0; i < MIN(stats->count, MICA_MAX_STATS); i++)
		if (stats->stats[i].value)
			g_string_append_printf(text, "vcpu%u %-24.24s %" PRIu64 "\n", vcpu->id,
					       stats->stats[i].name,
					       (uint64_t)stats->stats[i].value);
}
