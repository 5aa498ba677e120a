// SPDX-License-Identifier: GPL-2.0-or-later
#include "model.h"

#include <string.h>

#include "../error.h"

/* Rows of the table. */
struct set {
	bool has[CPU_FEATURES_MAX];
};

/* ------------------------------------------------------------ what the user writes */

static const char *const level_names[] = { "host", "v1", "v2", "v3", "v4" };

G_STATIC_ASSERT(G_N_ELEMENTS(level_names) == CPU_LEVELS + 1);

/* The text up to the next sign or comma, which the caller frees; *at is then there. */
static char *take_word(const char **at)
{
	size_t length = strcspn(*at, ",+-");
	char *word = g_strndup(*at, length);

	*at += length;
	return word;
}

static gboolean take_level(struct cpu_model *model, const char **at, GError **error)
{
	g_autofree char *word = take_word(at);

	for (unsigned int i = 0; i < G_N_ELEMENTS(level_names); i++) {
		if (strcmp(word, level_names[i]))
			continue;
		model->level = i;
		return TRUE;
	}
	return error_set_usage(error, "'%s' is no CPU model: host, v1, v2, v3 or v4, then "
			       "+feature or -feature", word);
}

static gboolean check_wish(const char *name, enum cpu_class class, enum cpu_wish wish,
			   enum cpu_wish before, GError **error)
{
	if (class == CPU_TOPOLOGY)
		return error_set_usage(error, "'%s' follows --cpus", name);
	if (class == CPU_V1 && wish == CPU_WISH_REMOVE)
		return error_set_usage(error, "'%s' cannot be taken away: every x86-64 CPU has it",
				       name);
	if (before != CPU_WISH_NONE && before != wish)
		return error_set_usage(error, "'%s' is both added and taken away", name);
	return TRUE;
}

static gboolean wish_for(struct cpu_model *model, const char *name, enum cpu_wish wish,
			 GError **error)
{
	if (!cpu_feature_known(name))
		return error_set_usage(error, "'%s' is no CPU feature as Linux calls them; the "
				       "nearest is '%s'", name, cpu_feature_nearest(name));
	for (size_t i = 0; i < cpu_features_count; i++) {
		const struct cpu_feature *row = &cpu_features_table[i];

		if (strcmp(row->name, name))
			continue;
		if (!check_wish(name, row->class, wish, model->wishes[i], error))
			return FALSE;
		model->wishes[i] = wish;
	}
	return TRUE;
}

static gboolean take_wish(struct cpu_model *model, const char **at, GError **error)
{
	g_autofree char *name = NULL;
	char sign;

	if (**at == ',')
		(*at)++;
	sign = **at;
	if (sign == '+' || sign == '-')
		(*at)++;
	name = take_word(at);
	if (!*name)
		return error_set_usage(error, "the name of a feature is empty");
	if (sign != '+' && sign != '-')
		return error_set_usage(error, "'%s': write +%s to add the feature, -%s to take it "
				       "away", name, name, name);
	return wish_for(model, name, sign == '+' ? CPU_WISH_ADD : CPU_WISH_REMOVE, error);
}

gboolean cpu_model_parse(struct cpu_model *model, const char *text, GError **error)
{
	const char *at = text;

	cpu_model_clear(model);
	model->text = g_strdup(text);
	if (!take_level(model, &at, error))
		return FALSE;
	while (*at)
		if (!take_wish(model, &at, error))
			return FALSE;
	return TRUE;
}

void cpu_model_clear(struct cpu_model *model)
{
	g_free(model->text);
	*model = (struct cpu_model){ 0 };
}

const char *cpu_model_text(const struct cpu_model *model)
{
	return model->text ? model->text : level_names[0];
}

/* ------------------------------------------------------------ what depends on what */

static bool has_name(const struct set *set, const char *name)
{
	for (size_t i = 0; i < cpu_features_count; i++)
		if (set->has[i] && !strcmp(cpu_features_table[i].name, name))
			return true;
	return false;
}

static bool all_of_name(const struct set *set, const char *name)
{
	for (size_t i = 0; i < cpu_features_count; i++)
		if (!set->has[i] && !strcmp(cpu_features_table[i].name, name))
			return false;
	return true;
}

static bool add_name(struct set *set, const char *name)
{
	bool changed = false;

	for (size_t i = 0; i < cpu_features_count; i++) {
		if (set->has[i] || strcmp(cpu_features_table[i].name, name))
			continue;
		set->has[i] = true;
		changed = true;
	}
	return changed;
}

/* Adds what the rows of the set need. */
static void add_needs(struct set *set)
{
	bool changed;

	do {
		changed = false;
		for (size_t i = 0; i < cpu_features_count; i++) {
			const char *const *needs = cpu_features_table[i].needs;

			for (unsigned int n = 0; set->has[i] && n < 2 && needs[n]; n++)
				changed |= add_name(set, needs[n]);
		}
	} while (changed);
}

/* Is the row lost with those of the set: by what it needs, or because it is the same bit? */
static bool falls_with(const struct cpu_feature *row, const struct set *set)
{
	for (unsigned int n = 0; n < 2 && row->needs[n]; n++)
		if (all_of_name(set, row->needs[n]))
			return true;
	for (size_t i = 0; i < cpu_features_count; i++)
		if (set->has[i] && cpu_features_table[i].word == row->word &&
		    cpu_features_table[i].bit == row->bit)
			return true;
	return false;
}

/* Adds what cannot be without the rows of the set. */
static void add_dependents(struct set *set)
{
	bool changed;

	do {
		changed = false;
		for (size_t i = 0; i < cpu_features_count; i++) {
			if (set->has[i] || !falls_with(&cpu_features_table[i], set))
				continue;
			set->has[i] = true;
			changed = true;
		}
	} while (changed);
}

/* ------------------------------------------------------------ what the host has */

static bool host_has(const struct cpu_feature *row, uint32_t word, const struct mica_info *info)
{
	if (row->class == CPU_NEVER || row->class == CPU_TOPOLOGY || !(word >> row->bit & 1))
		return false;
	if (row->word == W_1_ECX && !strcmp(row->name, "x2apic") &&
	    !(info->caps & MICA_CAP_X2APIC))
		return false;
	return ((info->xcr0 | info->xss) & row->xstate) == row->xstate;
}

static void find_offered(const struct mica_cpuid *list, const struct mica_info *info,
			 struct set *offered)
{
	struct set absent;

	for (size_t i = 0; i < cpu_features_count; i++) {
		const struct cpu_feature *row = &cpu_features_table[i];

		absent.has[i] = !host_has(row, cpu_word_value(list, row->word), info);
	}
	add_dependents(&absent);
	for (size_t i = 0; i < cpu_features_count; i++)
		offered->has[i] = !absent.has[i];
}

/* ------------------------------------------------------------ what the guest gets */

static void find_wished(const struct cpu_model *model, enum cpu_wish wish, struct set *set)
{
	for (size_t i = 0; i < cpu_features_count; i++)
		set->has[i] = model->wishes[i] == wish;
}

/* What stands behind the loss of row `lost`. */
static const char *find_culprit(const struct cpu_model *model, size_t lost)
{
	for (size_t i = 0; i < cpu_features_count; i++) {
		struct set one = { 0 };

		if (model->wishes[i] != CPU_WISH_REMOVE)
			continue;
		add_name(&one, cpu_features_table[i].name);
		add_dependents(&one);
		if (one.has[lost])
			return cpu_features_table[i].name;
	}
	return "";
}

static gboolean check_conflicts(const struct cpu_model *model, const struct set *removed,
				GError **error)
{
	for (size_t i = 0; i < cpu_features_count; i++)
		if (model->wishes[i] == CPU_WISH_ADD && removed->has[i])
			return error_set_usage(error, "--cpu %s: '%s' cannot be without '%s', "
					       "which is taken away", cpu_model_text(model),
					       cpu_features_table[i].name, find_culprit(model, i));
	return TRUE;
}

static bool is_for_nobody(const char *name)
{
	for (size_t i = 0; i < cpu_features_count; i++)
		if (!strcmp(cpu_features_table[i].name, name) &&
		    cpu_features_table[i].class != CPU_NEVER)
			return false;
	return true;
}

/* Another host would not help. */
static gboolean check_wishes(const struct cpu_model *model, GError **error)
{
	for (size_t i = 0; i < cpu_features_count; i++)
		if (model->wishes[i] == CPU_WISH_ADD && is_for_nobody(cpu_features_table[i].name))
			return error_set(error, "--cpu %s: no guest gets '%s', whatever the host has",
					 cpu_model_text(model), cpu_features_table[i].name);
	return TRUE;
}

static gboolean check_missing(const struct cpu_model *model, const struct set *required,
			      const struct set *offered, GError **error)
{
	g_autoptr(GString) names = g_string_new(NULL);
	struct set told = { 0 };

	for (size_t i = 0; i < cpu_features_count; i++) {
		const char *name = cpu_features_table[i].name;

		if (!required->has[i] || told.has[i] || has_name(offered, name))
			continue;
		add_name(&told, name);
		g_string_append_printf(names, "%s%s", names->len ? ", " : "", name);
	}
	return !names->len ||
	       error_set(error, "--cpu %s: this host cannot give a guest %s: its CPU, its kernel or "
			 "mica.ko lacks it", cpu_model_text(model), names->str);
}

static void collect(const struct set *on, const struct mica_info *info,
		    struct cpu_features *features)
{
	uint64_t state = 0;

	for (size_t i = 0; i < cpu_features_count; i++) {
		const struct cpu_feature *row = &cpu_features_table[i];

		if (!on->has[i])
			continue;
		features->words[row->word] |= 1u << row->bit;
		state |= row->xstate;
	}
	features->xcr0 = info->xcr0 & state;
	if (has_name(on, "xsaves"))
		features->xss = info->xss & state;
}

gboolean cpu_model_resolve(const struct cpu_model *model, const struct mica_cpuid *list,
			   const struct mica_info *info, struct cpu_features *features,
			   GError **error)
{
	struct set offered = { 0 }, required = { 0 }, removed = { 0 }, on = { 0 };

	*features = (struct cpu_features){ .level = model->level };
	find_offered(list, info, &offered);
	find_wished(model, CPU_WISH_REMOVE, &removed);
	add_dependents(&removed);
	find_wished(model, CPU_WISH_ADD, &required);
	for (size_t i = 0; i < cpu_features_count; i++)
		required.has[i] |= cpu_features_table[i].class <= model->level;
	add_needs(&required);
	for (size_t i = 0; i < cpu_features_count; i++) {
		enum cpu_class class = cpu_features_table[i].class;

		required.has[i] &= !removed.has[i];
		on.has[i] = offered.has[i] && !removed.has[i] &&
			    (required.has[i] || !model->level || class == CPU_OURS ||
			     class == CPU_CLOCK);
	}
	if (!check_wishes(model, error) || !check_conflicts(model, &removed, error) ||
	    !check_missing(model, &required, &offered, error))
		return FALSE;
	collect(&on, info, features);
	return TRUE;
}
