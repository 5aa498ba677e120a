// SPDX-License-Identifier: GPL-2.0-or-later
#include <string.h>

#include "../cpu/feature.h"
#include "../error.h"
#include "vcpu.h"

/* One row for each group of vcpu_state.def, with its record. */
static const struct group_row {
	uint32_t type;
	size_t offset;
	size_t length;
} groups[] = {
#define MICA_STATE_GROUP(GROUP, group, bit) \
	{ STATE_CPU_##GROUP, offsetof(struct mica_vcpu_state, group), \
	  sizeof(struct mica_state_##group) },
#include <vcpu_state.def>
};

gboolean state_vcpu_put_registers(struct state_writer *writer, unsigned int id,
				  const struct mica_vcpu_state *state, GError **error)
{
	for (size_t i = 0; i < G_N_ELEMENTS(groups); i++)
		if (!state_writer_put(writer, groups[i].type, id,
				      (const uint8_t *)state + groups[i].offset, groups[i].length,
				      error))
			return FALSE;
	return TRUE;
}

gboolean state_vcpu_registers(const struct state_reader *reader, unsigned int id,
			      struct mica_vcpu_state *state, GError **error)
{
	const void *payload;

	for (size_t i = 0; i < G_N_ELEMENTS(groups); i++) {
		payload = state_reader_get(reader, groups[i].type, id, groups[i].length, error);
		if (!payload)
			return FALSE;
		memcpy((uint8_t *)state + groups[i].offset, payload, groups[i].length);
	}
	return TRUE;
}

unsigned int state_vcpu_count(const struct state_reader *reader)
{
	unsigned int count = 0;
	size_t length;

	while (state_reader_find(reader, STATE_CPU_GPRS, count, &length))
		count++;
	return count;
}

gboolean state_vcpu_cpuid(const struct state_reader *reader, unsigned int id,
			  struct mica_cpuid *cpuid, GError **error)
{
	const void *payload;
	size_t length;

	memset(cpuid, 0, sizeof(*cpuid));
	payload = state_reader_find(reader, STATE_CPU_CPUID, id, &length);
	if (!payload || length % sizeof(cpuid->entries[0]))
		return error_set(error, "the checkpoint has no CPUID of vCPU %u, or one that makes no "
				 "sense", id);
	memcpy(cpuid->entries, payload, length);
	cpuid->count = length / sizeof(cpuid->entries[0]);
	return TRUE;
}

/* Several rows may have one name. */
static gboolean has_word(const GString *names, const char *name)
{
	g_auto(GStrv) words = g_strsplit(names->str, " ", -1);

	return g_strv_contains((const gchar *const *)words, name);
}

char *state_vcpu_lacks(const struct mica_cpuid *needed, const struct mica_cpuid *offered)
{
	GString *names = g_string_new(NULL);

	for (size_t i = 0; i < cpu_features_count; i++) {
		const struct cpu_feature *row = &cpu_features_table[i];
		uint32_t lacks = cpu_word_value(needed, row->word) &
				 ~cpu_word_value(offered, row->word);

		if (row->class == CPU_TOPOLOGY || !(lacks >> row->bit & 1) ||
		    has_word(names, row->name))
			continue;
		g_string_append_printf(names, "%s%s", names->len ? " " : "", row->name);
	}
	return g_string_free(names, !names->len);
}
