// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What CPUID tells a guest.  An allow-list of leaves: one that has no row in leaf_rules[] is
 * left out and reads as zero, so a leaf that a future CPU introduces stays away from guests
 * until somebody has thought about it.  Features are those of vmm/cpu/feature_table.c.  The
 * module has an allow-list of its own (kmod/cpuid_table.c) and refuses what it does not know.
 *
 * Leaves and bits: SDM volume 2, "CPUID - CPU Identification", and APM volume 3,
 * "Obtaining Processor Information Via the CPUID Instruction".
 */
#include <string.h>

#include "cpuid_internal.h"

#define LEAF_MAX_BASIC		0x00000000u
#define LEAF_XSAVE		0x0000000du
#define LEAF_TSC		0x00000015u
#define LEAF_FREQUENCY		0x00000016u
#define LEAF_TOPOLOGY_V2	0x0000001fu
#define LEAF_HYPERVISOR		0x40000000u
#define LEAF_MAX_EXTENDED	0x80000000u
#define LEAF_AMD_CACHES		0x8000001du
#define LEAF_AMD_TOPOLOGY	0x8000001eu
#define MAX_EXTENDED		0x80000021u

#define BUS_MHZ			100u
#define XSAVE_LEGACY_SIZE	576u	/* legacy region and header */
#define XCR0_STANDARD_BITS	63u
#define COMPACTED		0xau	/* leaf 0xd.1: XSAVEC, XSAVES */

/* ------------------------------------------------------------ features */

/* AMD's copies of leaf 1 EDX in leaf 0x80000001 EDX; Intel's CPUs have zeros there. */
#define AMD_COPIES		0x0183f3ffu

static uint32_t *entry_register(struct mica_cpuid_entry *entry, enum cpu_register reg)
{
	uint32_t *const registers[] = { &entry->eax, &entry->ebx, &entry->ecx, &entry->edx };

	return registers[reg];
}

static void set_features(const struct cpuid_context *context, struct mica_cpuid_entry *entry)
{
	const uint32_t *words = context->source->features->words;

	for (enum cpu_word i = 0; i < CPU_WORDS; i++) {
		uint32_t value = words[i] | cpuid_topology_bits(context, i);
		uint32_t *reg;

		if (cpu_words[i].leaf != entry->leaf || cpu_words[i].subleaf != entry->subleaf)
			continue;
		reg = entry_register(entry, cpu_words[i].reg);
		if (i == W_80000001_EDX && context->vendor != VENDOR_INTEL)
			value |= *reg & words[W_1_EDX] & AMD_COPIES;
		*reg = value;
	}
}

static uint64_t guest_xstate(const struct cpuid_context *context)
{
	return context->source->features->xcr0 | context->source->features->xss;
}

/* ------------------------------------------------------------ single leaves */

void cpuid_set_field(uint32_t *word, unsigned int low, unsigned int width, uint32_t value)
{
	uint32_t mask = ((1u << width) - 1) << low;

	*word = (*word & ~mask) | (value << low & mask);
}

static bool keep(const struct cpuid_context *context, struct mica_cpuid_entry *entry)
{
	(void)context;
	(void)entry;
	return true;
}

/* A leaf of nothing but features. */
static bool clear(const struct cpuid_context *context, struct mica_cpuid_entry *entry)
{
	(void)context;
	entry->eax = 0;
	entry->ebx = 0;
	entry->ecx = 0;
	entry->edx = 0;
	return true;
}

static bool make_features(const struct cpuid_context *context, struct mica_cpuid_entry *entry)
{
	cpuid_set_field(&entry->ebx, 24, 8, context->apic_id);
	cpuid_set_field(&entry->ebx, 16, 8, 1u << context->package_bits);
	return true;
}

/* EAX of subleaf 0 is the last subleaf; those behind it are left out if they are empty. */
static bool make_structured(const struct cpuid_context *context, struct mica_cpuid_entry *entry)
{
	const uint32_t *words = context->source->features->words;
	uint32_t last = words[W_7_2_EDX] ? 2 : words[W_7_1_EAX] | words[W_7_1_EDX] ? 1 : 0;
	uint32_t host_last = entry->eax;

	if (entry->subleaf > last)
		return false;
	clear(context, entry);
	if (entry->subleaf == 0)
		entry->eax = MIN(last, host_last);
	return true;
}

static bool make_cache(const struct cpuid_context *context, struct mica_cpuid_entry *entry)
{
	cpuid_share_cache(context, entry);
	return true;
}

static void make_xsave_sizes(const struct cpuid_context *context, struct mica_cpuid_entry *entry)
{
	uint32_t end = XSAVE_LEGACY_SIZE;
	const struct mica_cpuid *host = context->source->host;
	uint64_t xcr0 = context->source->features->xcr0;

	entry->eax = (uint32_t)xcr0;
	entry->edx = (uint32_t)(xcr0 >> 32);
	for (uint32_t i = 0; i < MIN(host->count, MICA_MAX_CPUID); i++) {
		const struct mica_cpuid_entry *part = &host->entries[i];

		if (part->leaf == LEAF_XSAVE && part->subleaf >= 2 &&
		    part->subleaf < XCR0_STANDARD_BITS && (xcr0 >> part->subleaf & 1))
			end = MAX(end, part->ebx + part->eax);	/* offset, size */
	}
	entry->ecx = end;
	entry->ebx = XSAVE_LEGACY_SIZE;	/* with XCR0 as after reset; the module follows it */
}

static bool make_xsave(const struct cpuid_context *context, struct mica_cpuid_entry *entry)
{
	const uint32_t *words = context->source->features->words;
	uint64_t xss = context->source->features->xss;

	if (!context->source->features->xcr0)
		return false;
	if (entry->subleaf == 0)
		make_xsave_sizes(context, entry);
	if (entry->subleaf == 1) {
		entry->ebx = words[W_D_1_EAX] & COMPACTED ? XSAVE_LEGACY_SIZE : 0;	/* likewise */
		entry->ecx = (uint32_t)xss;
		entry->edx = (uint32_t)(xss >> 32);
	}
	return entry->subleaf < 2 || (entry->subleaf < XCR0_STANDARD_BITS &&
				      (guest_xstate(context) >> entry->subleaf & 1));
}

static bool make_max_extended(const struct cpuid_context *context, struct mica_cpuid_entry *entry)
{
	entry->eax = MIN(entry->eax, MAX_EXTENDED);
	if (context->vendor != VENDOR_INTEL)
		entry->eax = MAX(entry->eax, LEAF_AMD_TOPOLOGY);
	return true;
}

static bool make_address_sizes(const struct cpuid_context *context,
			       struct mica_cpuid_entry *entry)
{
	uint32_t host_bits = entry->eax & 0xff;
	uint32_t bits = context->source->info->phys_bits;

	cpuid_set_field(&entry->eax, 0, 8, bits ? MIN(host_bits, bits) : host_bits);
	cpuid_set_field(&entry->eax, 16, 8, 0);	/* guest width: the same */
	entry->ecx = context->vendor == VENDOR_INTEL ? 0 : cpuid_amd_size(context);
	entry->edx = 0;
	return true;
}

/* Returns false to drop the entry.  Feature bits come afterwards. */
static const struct leaf_rule {
	uint32_t first;
	uint32_t last;
	bool (*make)(const struct cpuid_context *context, struct mica_cpuid_entry *entry);
} leaf_rules[] = {
	{ 0x0, 0x0, keep },			/* vendor */
	{ 0x1, 0x1, make_features },
	{ 0x2, 0x2, keep },			/* cache descriptors */
	{ 0x4, 0x4, make_cache },
	{ 0x6, 0x6, clear },
	{ 0x7, 0x7, make_structured },
	{ 0xd, 0xd, make_xsave },
	{ 0x80000000, 0x80000000, make_max_extended },
	{ 0x80000001, 0x80000006, keep },	/* features, name, caches */
	{ 0x80000007, 0x80000007, clear },
	{ 0x80000008, 0x80000008, make_address_sizes },
	{ 0x80000019, 0x80000019, keep },	/* TLBs of 1 GiB pages */
	{ LEAF_AMD_CACHES, LEAF_AMD_CACHES, make_cache },
	{ 0x80000021, 0x80000021, clear },
};

static const struct leaf_rule *find_rule(uint32_t leaf)
{
	for (size_t i = 0; i < G_N_ELEMENTS(leaf_rules); i++)
		if (leaf >= leaf_rules[i].first && leaf <= leaf_rules[i].last)
			return &leaf_rules[i];
	return NULL;
}

/* ------------------------------------------------------------ the list */

void cpuid_add_entry(const struct cpuid_context *context, const struct mica_cpuid_entry *entry)
{
	struct mica_cpuid *policy = context->policy;

	/* No host has that many; a leaf that is left out reads as zero. */
	if (policy->count < MICA_MAX_CPUID)
		policy->entries[policy->count++] = *entry;
}

static struct mica_cpuid_entry *find_entry(struct mica_cpuid *policy, uint32_t leaf)
{
	for (uint32_t i = 0; i < policy->count; i++)
		if (policy->entries[i].leaf == leaf)
			return &policy->entries[i];
	return NULL;
}

static void copy_host(const struct cpuid_context *context)
{
	const struct mica_cpuid *host = context->source->host;

	for (uint32_t i = 0; i < MIN(host->count, MICA_MAX_CPUID); i++) {
		struct mica_cpuid_entry entry = host->entries[i];
		const struct leaf_rule *rule = find_rule(entry.leaf);

		if (!rule || !rule->make(context, &entry))
			continue;
		if (context->made_up && !cpuid_make_up(context, &entry))
			continue;
		set_features(context, &entry);
		cpuid_add_entry(context, &entry);
	}
}

/*
 * The crystal clock is the TSC itself, so a kernel knows the frequencies of the TSC and
 * of the APIC timer, which counts at the crystal's rate, without measuring.  What does
 * not fit into ECX (4.29 GHz and more) is left to leaf 0x16; 0 in ECX says so.
 */
static void add_tsc(const struct cpuid_context *context)
{
	uint64_t hz = (uint64_t)context->source->info->tsc_khz * 1000;
	const struct mica_cpuid_entry tsc = {
		.leaf = LEAF_TSC, .eax = 1, .ebx = 1, .ecx = hz > UINT32_MAX ? 0 : hz,
	};
	uint32_t mhz = MIN(context->source->info->tsc_khz / 1000, 0xffffu);
	const struct mica_cpuid_entry frequency = {
		.leaf = LEAF_FREQUENCY, .eax = mhz, .ebx = mhz, .ecx = BUS_MHZ,
	};

	cpuid_add_entry(context, &tsc);
	cpuid_add_entry(context, &frequency);
}

/* Leaves from 0x40000000 on are a hypervisor's own (SDM: reserved for software).  There is
 * no paravirtual interface behind this one; the name only says who is there. */
static void add_hypervisor(const struct cpuid_context *context)
{
	struct mica_cpuid_entry entry = { .leaf = LEAF_HYPERVISOR, .eax = LEAF_HYPERVISOR };
	const char signature[] = "MicaMicaMica";

	memcpy(&entry.ebx, signature, 4);
	memcpy(&entry.ecx, signature + 4, 4);
	memcpy(&entry.edx, signature + 8, 4);
	cpuid_add_entry(context, &entry);
}

static enum cpuid_vendor find_vendor(const struct mica_cpuid *host)
{
	static const struct {
		const char *name;
		enum cpuid_vendor vendor;
	} vendors[] = {
		{ "GenuineIntel", VENDOR_INTEL },
		{ "AuthenticAMD", VENDOR_AMD },
	};

	for (uint32_t i = 0; i < MIN(host->count, MICA_MAX_CPUID); i++) {
		const struct mica_cpuid_entry *entry = &host->entries[i];
		const uint32_t name[] = { entry->ebx, entry->edx, entry->ecx };

		for (size_t j = 0; entry->leaf == LEAF_MAX_BASIC && j < G_N_ELEMENTS(vendors); j++)
			if (!memcmp(name, vendors[j].name, sizeof(name)))
				return vendors[j].vendor;
	}
	return VENDOR_OTHER;
}

void cpuid_policy(const struct cpuid_source *source, unsigned int index, struct mica_cpuid *policy)
{
	const struct cpuid_context context = {
		.source = source,
		.policy = policy,
		.vendor = find_vendor(source->host),
		.made_up = source->features->level > 0,
		.apic_id = cpu_topology_apic_id(source->topology, index),
		.thread_bits = cpu_topology_thread_bits(source->topology),
		.package_bits = cpu_topology_package_bits(source->topology),
	};
	struct mica_cpuid_entry *basic;

	memset(policy, 0, sizeof(*policy));
	copy_host(&context);
	basic = find_entry(policy, LEAF_MAX_BASIC);
	if (!basic)
		return;		/* nothing to build on: the module refuses an empty policy */
	if (context.made_up ||
	    (context.vendor != VENDOR_INTEL && !find_entry(policy, LEAF_AMD_CACHES)))
		cpuid_add_caches(&context);
	cpuid_add_topology(&context, basic->eax);
	if (context.vendor == VENDOR_INTEL && source->info->tsc_khz) {
		add_tsc(&context);
		basic->eax = MAX(basic->eax, LEAF_FREQUENCY);
	}
	basic->eax = MIN(basic->eax, LEAF_TOPOLOGY_V2);
	add_hypervisor(&context);
}
