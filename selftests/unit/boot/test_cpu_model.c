// SPDX-License-Identifier: GPL-2.0-or-later
/* The table of features, what users write, and what a model comes to on made-up hosts. */
#include "guest.h"

#include <string.h>

#include "../../../vmm/cpu/model.h"

static const struct mica_info info = { .caps = MICA_CAP_X2APIC, .phys_bits = 39, .xcr0 = 0x2e7 };

static bool text_has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("\"%s\" does not say \"%s\"", text, part);
	return true;
}

/* ------------------------------------------------------------ the table */

static void names_are_linux_like(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < cpu_features_count; i++) {
		const struct cpu_feature *row = &cpu_features_table[i];

		assert_int_equal(strspn(row->name, G_CSET_a_2_z G_CSET_DIGITS "_"),
				 strlen(row->name));
		assert_in_range(strlen(row->name), 2, 31);
		assert_in_range(row->bit, 0, 31);
		assert_in_range(row->class, CPU_V1, CPU_NEVER);
	}
}

/* A bit has one class; several names for it are of the few kinds that there are. */
static void bits_are_described_once(void **unused)
{
	unsigned int twice = 0;

	(void)unused;
	for (size_t i = 0; i < cpu_features_count; i++)
		for (size_t j = 0; j < i; j++) {
			const struct cpu_feature *a = &cpu_features_table[i];
			const struct cpu_feature *b = &cpu_features_table[j];

			if (a->word != b->word || a->bit != b->bit)
				continue;
			assert_string_not_equal(a->name, b->name);
			assert_int_equal(a->class, b->class);
			twice++;
		}
	assert_int_equal(twice, 2);	/* ibrs and ibpb; nonstop_tsc and constant_tsc */
}

/* What a level needs is of that level or below, and no feature needs what no guest has. */
static void needs_are_known(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < cpu_features_count; i++) {
		const struct cpu_feature *row = &cpu_features_table[i];

		for (unsigned int n = 0; n < 2 && row->needs[n]; n++) {
			assert_true(cpu_feature_known(row->needs[n]));
			for (size_t j = 0; j < cpu_features_count; j++) {
				const struct cpu_feature *need = &cpu_features_table[j];

				if (strcmp(need->name, row->needs[n]))
					continue;
				assert_true(need->class < CPU_OURS);
				if (row->class <= CPU_V4)
					assert_true(need->class <= row->class);
			}
		}
	}
}

/* x86-64 psABI, "Micro-Architecture Levels", in the words of /proc/cpuinfo. */
static void levels_are_the_psabi_s(void **unused)
{
	static const char *const levels[CPU_LEVELS] = {
		"cmov cx8 fpu fxsr mmx syscall sse sse2",
		"cx16 lahf_lm popcnt pni sse4_1 sse4_2 ssse3",
		"avx avx2 bmi1 bmi2 f16c fma abm movbe xsave",
		"avx512f avx512bw avx512cd avx512dq avx512vl",
	};

	(void)unused;
	for (unsigned int level = 1; level <= CPU_LEVELS; level++) {
		g_auto(GStrv) names = g_strsplit(levels[level - 1], " ", -1);
		unsigned int count = 0;

		for (size_t i = 0; i < cpu_features_count; i++) {
			const struct cpu_feature *row = &cpu_features_table[i];
			bool listed = g_strv_contains((const char *const *)names, row->name);

			if (listed)
				assert_int_equal(row->class, level);
			else if (level > 1)
				assert_int_not_equal(row->class, level);
			count += listed;
		}
		assert_int_equal(count, g_strv_length(names));
	}
}

/* ------------------------------------------------------------ what users write */

static enum cpu_wish wish(const struct cpu_model *model, const char *name)
{
	for (size_t i = 0; i < cpu_features_count; i++)
		if (!strcmp(cpu_features_table[i].name, name))
			return model->wishes[i];
	fail_msg("no feature %s", name);
	return CPU_WISH_NONE;
}

static void good_words(void **unused)
{
	static const char *const words[] = {
		"v2,+aes,-popcnt", "v2+aes-popcnt", "v2,+aes-popcnt", "v2-popcnt,+aes,+aes",
	};
	struct cpu_model model = { 0 };

	(void)unused;
	assert_string_equal(cpu_model_text(&model), "host");
	for (size_t i = 0; i < G_N_ELEMENTS(words); i++) {
		assert_true(cpu_model_parse(&model, words[i], NULL));
		assert_int_equal(model.level, 2);
		assert_int_equal(wish(&model, "aes"), CPU_WISH_ADD);
		assert_int_equal(wish(&model, "popcnt"), CPU_WISH_REMOVE);
		assert_int_equal(wish(&model, "pni"), CPU_WISH_NONE);
		assert_string_equal(cpu_model_text(&model), words[i]);
	}
	assert_true(cpu_model_parse(&model, "host", NULL));
	assert_int_equal(model.level, 0);
	assert_int_equal(wish(&model, "aes"), CPU_WISH_NONE);
	cpu_model_clear(&model);
}

static void bad_words(void **unused)
{
	static const struct {
		const char *text;
		const char *why;
	} words[] = {
		{ "", "'' is no CPU model: host, v1, v2, v3 or v4" },
		{ "v5", "'v5' is no CPU model" },
		{ "v", "'v' is no CPU model" },
		{ "V2", "'V2' is no CPU model" },
		{ "+aes", "'' is no CPU model" },
		{ "v2,", "the name of a feature is empty" },
		{ "v2,,+aes", "the name of a feature is empty" },
		{ "v2,+", "the name of a feature is empty" },
		{ "v2+-aes", "the name of a feature is empty" },
		{ "v2,aes", "'aes': write +aes to add the feature, -aes to take it away" },
		{ "v2,+avx22", "the nearest is 'avx2'" },
		{ "v2,+AVX2", "'AVX2' is no CPU feature as Linux calls them; the nearest is 'avx2'" },
		{ "v2,+avx512_f", "the nearest is 'avx512f'" },
		{ "v2,+sse3", "the nearest is 'pni'" },
		{ "v2,+lzcnt", "the nearest is 'abm'" },
		{ "v2,+", "is empty" },
		{ "v2,-lm", "'lm' cannot be taken away: every x86-64 CPU has it" },
		{ "v2,+aes,-aes", "'aes' is both added and taken away" },
		{ "v2,+ht", "'ht' follows --cpus" },
		{ "host,-topoext", "'topoext' follows --cpus" },
	};
	g_autofree char *monster = g_strnfill(5000, 'x');
	g_autofree char *long_word = g_strconcat("v2,+", monster, NULL);

	(void)unused;
	for (size_t i = 0; i < G_N_ELEMENTS(words); i++) {
		struct cpu_model model = { 0 };
		g_autoptr(GError) error = NULL;

		assert_false(cpu_model_parse(&model, words[i].text, &error));
		text_has(error->message, words[i].why);
		cpu_model_clear(&model);
	}
	{
		struct cpu_model model = { 0 };

		assert_false(cpu_model_parse(&model, long_word, NULL));
		cpu_model_clear(&model);
	}
}

/* ------------------------------------------------------------ what a host gives */

/* As the module lists it: an entry has all registers of a leaf. */
static uint32_t *host_word(struct mica_cpuid *host, enum cpu_word word)
{
	const struct cpu_word_place *place = &cpu_words[word];
	struct mica_cpuid_entry *entry = host->entries;

	while (entry < host->entries + host->count &&
	       (entry->leaf != place->leaf || entry->subleaf != place->subleaf))
		entry++;
	if (entry == host->entries + host->count) {
		host->count++;
		entry->leaf = place->leaf;
		entry->subleaf = place->subleaf;
	}
	switch (place->reg) {
	case CPU_EAX:
		return &entry->eax;
	case CPU_EBX:
		return &entry->ebx;
	case CPU_ECX:
		return &entry->ecx;
	default:
		return &entry->edx;
	}
}

/* A host with everything up to `level` and all that is of no level, but the names in `without`. */
static struct mica_cpuid make_host(unsigned int level, const char *without)
{
	g_auto(GStrv) names = g_strsplit(without, " ", -1);
	struct mica_cpuid host = { 0 };

	for (size_t i = 0; i < cpu_features_count; i++) {
		const struct cpu_feature *row = &cpu_features_table[i];

		if ((row->class <= level || row->class > CPU_V4) &&
		    !g_strv_contains((const char *const *)names, row->name))
			*host_word(&host, row->word) |= 1u << row->bit;
	}
	return host;
}

static bool has(const struct cpu_features *features, const char *name)
{
	for (size_t i = 0; i < cpu_features_count; i++)
		if (!strcmp(cpu_features_table[i].name, name) &&
		    features->words[cpu_features_table[i].word] >> cpu_features_table[i].bit & 1)
			return true;
	return false;
}

static struct cpu_features resolve(const char *text, const struct mica_cpuid *host,
				   const struct mica_info *about)
{
	struct cpu_model model = { 0 };
	struct cpu_features features;
	g_autoptr(GError) error = NULL;

	if (!cpu_model_parse(&model, text, &error) ||
	    !cpu_model_resolve(&model, host, about, &features, &error))
		fail_msg("%s", error->message);
	cpu_model_clear(&model);
	return features;
}

static char *refusal(const char *text, const struct mica_cpuid *host)
{
	struct cpu_model model = { 0 };
	struct cpu_features features;
	g_autoptr(GError) error = NULL;
	char *message;

	if (cpu_model_parse(&model, text, &error))
		assert_false(cpu_model_resolve(&model, host, &info, &features, &error));
	cpu_model_clear(&model);
	message = g_strdup(error->message);
	return message;
}

/* A level is its features, those below it, and what the module itself makes; nothing else. */
static void levels(void **unused)
{
	static const char *const texts[] = { "v1", "v2", "v3", "v4" };
	struct mica_cpuid host = make_host(CPU_V4, "");

	(void)unused;
	for (unsigned int level = 1; level <= CPU_LEVELS; level++) {
		struct cpu_features features = resolve(texts[level - 1], &host, &info);

		assert_int_equal(features.level, level);
		for (size_t i = 0; i < cpu_features_count; i++) {
			const struct cpu_feature *row = &cpu_features_table[i];

			assert_int_equal(features.words[row->word] >> row->bit & 1,
					 row->class <= level || row->class == CPU_OURS ||
					 row->class == CPU_CLOCK);
		}
		assert_int_equal(features.xcr0, level < 3 ? 0 : level == 3 ? 7 : 0xe7);
		assert_int_equal(features.xss, 0);
	}
}

/* What is gained by a better host does not show. */
static void levels_are_the_same_everywhere(void **unused)
{
	struct mica_cpuid good = make_host(CPU_V4, "");
	struct mica_cpuid poor = make_host(CPU_V2, "aes smep smap ibrs stibp clzero xsaveopt rdtscp "
					   "pclmulqdq arch_capabilities vme ss");
	struct cpu_features on_good = resolve("v2", &good, &info);
	struct cpu_features on_poor = resolve("v2", &poor, &info);

	(void)unused;
	assert_memory_equal(&on_good, &on_poor, sizeof(on_good));
}

static void host_model(void **unused)
{
	struct mica_cpuid host = make_host(CPU_V4, "aes");
	struct cpu_features features = resolve("host", &host, &info);

	(void)unused;
	for (size_t i = 0; i < cpu_features_count; i++) {
		const struct cpu_feature *row = &cpu_features_table[i];

		if (row->class >= CPU_TOPOLOGY)
			assert_int_equal(features.words[row->word] >> row->bit & 1, 0);
	}
	assert_true(has(&features, "avx512vl") && has(&features, "sse4a") && has(&features, "pku"));
	assert_false(has(&features, "aes") || has(&features, "vaes"));	/* vaes needs aes */
	assert_int_equal(features.xcr0, 0x2e7);
}

static void all_that_is_missing_is_named(void **unused)
{
	struct mica_cpuid host = make_host(CPU_V2, "popcnt aes");
	g_autofree char *two = refusal("v2,+aes", &host);
	g_autofree char *never = refusal("v2,+aes,+vmx", &host);
	g_autofree char *three = refusal("v3,-avx", &host);
	g_autofree char *four = refusal("v4", &host);

	(void)unused;
	text_has(two, "--cpu v2,+aes: this host cannot give a guest popcnt, aes: ");
	text_has(never, "--cpu v2,+aes,+vmx: no guest gets 'vmx', whatever the host has");
	text_has(three, "guest movbe, popcnt, xsave, bmi1, bmi2, abm: ");
	text_has(four, " avx512f, ");
	text_has(four, " avx512vl, ");
	text_has(four, " fma, ");
}

static void dependent_features(void **unused)
{
	struct mica_cpuid host = make_host(CPU_V4, "");
	struct cpu_features plus = resolve("v2,+avx2,+pku", &host, &info);
	struct cpu_features minus = resolve("host,-avx", &host, &info);
	struct cpu_features none = resolve("v3,-xsave", &host, &info);
	g_autofree char *conflict = refusal("v2,+avx512bw,-avx", &host);

	(void)unused;
	assert_true(has(&plus, "avx") && has(&plus, "xsave"));
	assert_false(has(&plus, "fma") || has(&plus, "xsaveopt"));
	assert_int_equal(plus.xcr0, 0x207);
	assert_false(has(&minus, "avx2") || has(&minus, "fma") || has(&minus, "f16c") ||
		     has(&minus, "avx512f") || has(&minus, "avx512_vnni") || has(&minus, "vaes") ||
		     has(&minus, "xop"));
	assert_true(has(&minus, "xsave") && has(&minus, "aes") && has(&minus, "bmi2"));
	assert_int_equal(minus.xcr0, 0x203);
	assert_false(has(&none, "avx"));
	assert_int_equal(none.xcr0, 0);
	text_has(conflict, "'avx512bw' cannot be without 'avx', which is taken away");
}

/* Needs of needs, on either side of each other in the table. */
static void chains(void **unused)
{
	struct mica_cpuid host = make_host(CPU_V4, "");
	struct mica_info with_cet = info;
	struct cpu_features features;

	(void)unused;
	with_cet.xss = 0x1800;
	features = resolve("v1,+avx512vl,+shstk", &host, &with_cet);
	assert_true(has(&features, "avx2") && has(&features, "avx") && has(&features, "xsave"));
	assert_true(has(&features, "xsaves") && has(&features, "xsavec"));
	assert_int_equal(features.xcr0, 0xe7);
	assert_int_equal(features.xss, 0x1800);
	features = resolve("host,-xsave", &host, &with_cet);
	assert_false(has(&features, "avx512vl") || has(&features, "shstk") ||
		     has(&features, "xsaves"));
	assert_int_equal(features.xss, 0);
}

/* Intel and AMD keep it in different places; the names of one bit go together. */
static void names_of_several_bits(void **unused)
{
	struct mica_cpuid intel = make_host(CPU_V3, ""), amd = make_host(CPU_V3, "");
	struct cpu_features features;

	(void)unused;
	*host_word(&intel, W_80000008_EBX) = 0;
	*host_word(&amd, W_7_0_EDX) = 0;
	features = resolve("v2,+ibpb,+ssbd", &intel, &info);
	assert_int_equal(features.words[W_7_0_EDX], 1u << 26 | 1u << 31);
	assert_int_equal(features.words[W_80000008_EBX], 0);
	features = resolve("v2,+ibpb,+ssbd", &amd, &info);
	assert_int_equal(features.words[W_7_0_EDX], 0);
	assert_int_equal(features.words[W_80000008_EBX], 1u << 12 | 1u << 24);
	features = resolve("host,-ibpb", &intel, &info);
	assert_int_equal(features.words[W_7_0_EDX] >> 26 & 1, 0);
}

static void what_registers_allow(void **unused)
{
	struct mica_cpuid host = make_host(CPU_V4, "");
	struct mica_info poor = info;
	struct cpu_features features;

	(void)unused;
	poor.caps = 0;
	poor.xcr0 = 3;
	features = resolve("host", &host, &poor);
	assert_false(has(&features, "x2apic") || has(&features, "avx") || has(&features, "avx2") ||
		     has(&features, "pku"));
	assert_true(has(&features, "xsave"));
	poor.xcr0 = 0;
	features = resolve("host", &host, &poor);
	assert_false(has(&features, "xsave") || has(&features, "xsaveopt"));
	features = resolve("v2,-x2apic,-hypervisor", &host, &info);
	assert_false(has(&features, "x2apic") || has(&features, "hypervisor"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_linux_like),
		cmocka_unit_test(bits_are_described_once),
		cmocka_unit_test(needs_are_known),
		cmocka_unit_test(levels_are_the_psabi_s),
		cmocka_unit_test(good_words),
		cmocka_unit_test(bad_words),
		cmocka_unit_test(levels),
		cmocka_unit_test(levels_are_the_same_everywhere),
		cmocka_unit_test(host_model),
		cmocka_unit_test(all_that_is_missing_is_named),
		cmocka_unit_test(dependent_features),
		cmocka_unit_test(chains),
		cmocka_unit_test(names_of_several_bits),
		cmocka_unit_test(what_registers_allow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
