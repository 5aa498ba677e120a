// SPDX-License-Identifier: GPL-2.0-or-later
#include "feature.h"

#include <string.h>

#define NAME_MAX_LENGTH	32u	/* of the names in the table */

/* What manuals, compilers or other programs call a feature. */
static const struct {
	const char *name;
	const char *ours;
} other_names[] = {
	{ "sse3", "pni" },
	{ "sse4.1", "sse4_1" },
	{ "sse4.2", "sse4_2" },
	{ "lzcnt", "abm" },
	{ "cmpxchg16b", "cx16" },
	{ "cmpxchg8b", "cx8" },
	{ "lahf", "lahf_lm" },
	{ "sahf", "lahf_lm" },
	{ "pclmul", "pclmulqdq" },
	{ "aesni", "aes" },
	{ "sha", "sha_ni" },
	{ "rdrnd", "rdrand" },
	{ "osxsave", "xsave" },
	{ "prefetchw", "3dnowprefetch" },
	{ "invtsc", "nonstop_tsc" },
	{ "spec_ctrl", "ibrs" },
};

bool cpu_feature_known(const char *name)
{
	for (size_t i = 0; i < cpu_features_count; i++)
		if (!strcmp(cpu_features_table[i].name, name))
			return true;
	return false;
}

/* Insertions, deletions and replacements that make one word of the other (Levenshtein). */
static unsigned int distance(const char *from, const char *to)
{
	unsigned int row[NAME_MAX_LENGTH + 1];
	size_t length = MIN(strlen(to), NAME_MAX_LENGTH);
	unsigned int diagonal, above;

	for (size_t i = 0; i <= length; i++)
		row[i] = i;
	for (; *from; from++) {
		diagonal = row[0]++;
		for (size_t i = 1; i <= length; i++) {
			above = row[i];
			row[i] = MIN(MIN(row[i], row[i - 1]) + 1,
				     diagonal + (g_ascii_tolower(*from) != to[i - 1]));
			diagonal = above;
		}
	}
	return row[length];
}

const char *cpu_feature_nearest(const char *name)
{
	const char *nearest = cpu_features_table[0].name;
	unsigned int best = G_MAXUINT, here;

	for (size_t i = 0; i < G_N_ELEMENTS(other_names); i++)
		if (!g_ascii_strcasecmp(other_names[i].name, name))
			return other_names[i].ours;
	for (size_t i = 0; i < cpu_features_count; i++) {
		here = distance(name, cpu_features_table[i].name);
		if (here < best) {
			best = here;
			nearest = cpu_features_table[i].name;
		}
	}
	return nearest;
}

uint32_t cpu_word_value(const struct mica_cpuid *list, enum cpu_word word)
{
	const struct cpu_word_place *place = &cpu_words[word];

	for (uint32_t i = 0; i < MIN(list->count, MICA_MAX_CPUID); i++) {
		const struct mica_cpuid_entry *entry = &list->entries[i];
		const uint32_t regs[] = { entry->eax, entry->ebx, entry->ecx, entry->edx };

		if (entry->leaf == place->leaf && entry->subleaf == place->subleaf)
			return regs[place->reg];
	}
	return 0;
}
