// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What identifies the CPU of a level (v1 to v4): signature, name and caches, the same on every
 * host of a vendor.  The signature is that of the first server CPU of each vendor whose errata
 * and speculation bugs a kernel should expect anywhere in a mixed pool; no feature follows from it.
 */
#include <string.h>

#include "cpuid_internal.h"

#define SIGNATURE_INTEL		0x00050654u	/* family 6, model 55h: Skylake-SP */
#define SIGNATURE_AMD		0x00830f10u	/* family 17h, model 31h: Zen 2 */

#define LAST_INTEL_BASIC	0x00000016u
#define LAST_AMD_BASIC		0x0000000du
#define LAST_INTEL_EXTENDED	0x80000008u
#define LAST_AMD_EXTENDED	0x8000001eu
#define LAST_AMD_BUGS		0x80000021u

#define LEAF_CACHES		0x00000004u
#define LEAF_NAME		0x80000002u
#define LEAF_AMD_CACHES		0x8000001du

#define CLFLUSH_8_QUADWORDS	(8u << 8)

/* ------------------------------------------------------------ caches */

#define TYPE_DATA		1u
#define TYPE_CODE		2u
#define TYPE_UNIFIED		3u
#define SELF_INITIALIZING	(1u << 8)
#define LINE			64u

static const struct {
	uint32_t type;
	uint32_t level;
	uint32_t ways;
	uint32_t sets;
} caches[] = {
	{ TYPE_DATA, 1, 8, 64 },		/* 32 KiB */
	{ TYPE_CODE, 1, 8, 64 },
	{ TYPE_UNIFIED, 2, 16, 1024 },		/* 1 MiB */
	{ TYPE_UNIFIED, 3, 16, 16384 },		/* 16 MiB */
};

/* The same in the older leaves 0x80000005 and 0x80000006. */
#define L1_OLD			(32u << 24 | 8u << 16 | 1u << 8 | LINE)
#define SIXTEEN_WAYS		8u
#define L2_OLD			(1024u << 16 | SIXTEEN_WAYS << 12 | 1u << 8 | LINE)
#define L3_OLD			(32u << 18 | SIXTEEN_WAYS << 12 | 1u << 8 | LINE) /* of 512 KiB */
#define DESCRIPTORS_NONE	0x0000ff01u	/* leaf 2: see leaf 4 */

void cpuid_add_caches(const struct cpuid_context *context)
{
	for (uint32_t i = 0; i < G_N_ELEMENTS(caches); i++) {
		struct mica_cpuid_entry entry = {
			.leaf = context->vendor == VENDOR_INTEL ? LEAF_CACHES : LEAF_AMD_CACHES,
			.subleaf = i,
			.flags = MICA_CPUID_SUBLEAF,
			.eax = caches[i].type | caches[i].level << 5 | SELF_INITIALIZING,
			.ebx = (caches[i].ways - 1) << 22 | (LINE - 1),
			.ecx = caches[i].sets - 1,
		};

		cpuid_share_cache(context, &entry);
		cpuid_add_entry(context, &entry);
	}
}

/* ------------------------------------------------------------ single leaves */

static bool make_limit(const struct cpuid_context *context, struct mica_cpuid_entry *entry)
{
	entry->eax = context->vendor == VENDOR_INTEL ? LAST_INTEL_BASIC : LAST_AMD_BASIC;
	return true;
}

static uint32_t signature(const struct cpuid_context *context, uint32_t host)
{
	switch (context->vendor) {
	case VENDOR_INTEL:
		return SIGNATURE_INTEL;
	case VENDOR_AMD:
		return SIGNATURE_AMD;
	case VENDOR_OTHER:
		break;
	}
	return host;
}

static bool make_features(const struct cpuid_context *context, struct mica_cpuid_entry *entry)
{
	entry->eax = signature(context, entry->eax);
	cpuid_set_field(&entry->ebx, 0, 16, CLFLUSH_8_QUADWORDS);
	return true;
}

static bool make_descriptors(const struct cpuid_context *context, struct mica_cpuid_entry *entry)
{
	entry->eax = DESCRIPTORS_NONE;
	entry->ebx = 0;
	entry->ecx = 0;
	entry->edx = 0;
	return context->vendor == VENDOR_INTEL;
}

static bool drop(const struct cpuid_context *context, struct mica_cpuid_entry *entry)
{
	(void)context;
	(void)entry;
	return false;
}

static bool make_extended_limit(const struct cpuid_context *context,
				struct mica_cpuid_entry *entry)
{
	const uint32_t *words = context->source->features->words;

	if (context->vendor == VENDOR_INTEL)
		entry->eax = LAST_INTEL_EXTENDED;
	else if (words[W_80000021_EAX] | words[W_80000021_ECX])
		entry->eax = LAST_AMD_BUGS;
	else
		entry->eax = LAST_AMD_EXTENDED;
	entry->ebx = 0;
	entry->ecx = 0;
	entry->edx = 0;
	return true;
}

static bool make_extended_features(const struct cpuid_context *context,
				   struct mica_cpuid_entry *entry)
{
	entry->eax = context->vendor == VENDOR_INTEL ? 0 : signature(context, entry->eax);
	entry->ebx = 0;
	return true;
}

static bool make_name(const struct cpuid_context *context, struct mica_cpuid_entry *entry)
{
	uint32_t words[12] = { 0 };
	const uint32_t *part = &words[(entry->leaf - LEAF_NAME) * 4];

	g_snprintf((char *)words, sizeof(words), "Mica x86-64-v%u",
		   context->source->features->level);
	entry->eax = part[0];
	entry->ebx = part[1];
	entry->ecx = part[2];
	entry->edx = part[3];
	return true;
}

static bool make_l1(const struct cpuid_context *context, struct mica_cpuid_entry *entry)
{
	entry->eax = 0;
	entry->ebx = 0;
	entry->ecx = L1_OLD;
	entry->edx = L1_OLD;
	return context->vendor != VENDOR_INTEL;
}

static bool make_l2(const struct cpuid_context *context, struct mica_cpuid_entry *entry)
{
	entry->eax = 0;
	entry->ebx = 0;
	entry->ecx = L2_OLD;
	entry->edx = context->vendor == VENDOR_INTEL ? 0 : L3_OLD;
	return true;
}

/* What has no row is the host's. */
static const struct {
	uint32_t leaf;
	bool (*make)(const struct cpuid_context *context, struct mica_cpuid_entry *entry);
} rows[] = {
	{ 0x0, make_limit },
	{ 0x1, make_features },
	{ 0x2, make_descriptors },
	{ LEAF_CACHES, drop },
	{ 0x80000000, make_extended_limit },
	{ 0x80000001, make_extended_features },
	{ LEAF_NAME, make_name },
	{ LEAF_NAME + 1, make_name },
	{ LEAF_NAME + 2, make_name },
	{ 0x80000005, make_l1 },
	{ 0x80000006, make_l2 },
	{ 0x80000019, drop },
	{ LEAF_AMD_CACHES, drop },
};

bool cpuid_make_up(const struct cpuid_context *context, struct mica_cpuid_entry *entry)
{
	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
		if (rows[i].leaf == entry->leaf)
			return rows[i].make(context, entry);
	return true;
}
