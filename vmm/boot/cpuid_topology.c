// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How CPUID tells of sockets, cores and threads.  SDM volume 3, "Programming Considerations for
 * Hardware Multi-Threading Capable Processors"; APM volume 3, "Multiple Processor Calculation" and
 * "Extended Topology Enumeration".  The module puts each vCPU's APIC id in itself.
 */
#include "cpuid_internal.h"

#define LEAF_CACHES		0x00000004u
#define LEAF_TOPOLOGY		0x0000000bu
#define LEAF_TOPOLOGY_V2	0x0000001fu
#define LEAF_AMD_TOPOLOGY	0x8000001eu

#define LEVEL_THREAD		1u	/* level types of leaves 0xb and 0x1f */
#define LEVEL_CORE		2u

#define SHARED_BY_ALL		3u	/* caches of this level and above are the package's */

#define HTT			(1u << 28)	/* leaf 1: the count of logical processors is valid */
#define CMP_LEGACY		(1u << 1)	/* that count is not one of threads alone */
#define TOPOEXT			(1u << 22)	/* leaves 0x8000001d and 0x8000001e are there */

static uint32_t cpus_of_package(const struct cpuid_context *context)
{
	const struct cpu_topology *topology = context->source->topology;

	return topology->cores * topology->threads;
}

void cpuid_share_cache(const struct cpuid_context *context, struct mica_cpuid_entry *entry)
{
	uint32_t level = entry->eax >> 5 & 7;
	uint32_t bits = level >= SHARED_BY_ALL ? context->package_bits : context->thread_bits;

	if ((entry->eax & 0x1f) == 0)
		return;		/* the end of the list */
	cpuid_set_field(&entry->eax, 14, 12, (1u << bits) - 1);
	if (entry->leaf == LEAF_CACHES)
		cpuid_set_field(&entry->eax, 26, 6,
				(1u << (context->package_bits - context->thread_bits)) - 1);
}

static void add_levels(const struct cpuid_context *context, uint32_t leaf)
{
	const struct mica_cpuid_entry levels[] = {
		{ .eax = context->thread_bits, .ebx = context->source->topology->threads,
		  .ecx = LEVEL_THREAD << 8 | 0 },
		{ .eax = context->package_bits, .ebx = cpus_of_package(context),
		  .ecx = LEVEL_CORE << 8 | 1 },
		{ .ecx = 2 },		/* the end */
	};

	for (uint32_t i = 0; i < G_N_ELEMENTS(levels); i++) {
		struct mica_cpuid_entry entry = levels[i];

		entry.leaf = leaf;
		entry.subleaf = i;
		entry.flags = MICA_CPUID_SUBLEAF;
		entry.edx = context->apic_id;
		cpuid_add_entry(context, &entry);
	}
}

/* ECX: node 0 of 1. */
static void add_amd_topology(const struct cpuid_context *context)
{
	uint32_t core_bits = context->package_bits - context->thread_bits;
	uint32_t core = context->apic_id >> context->thread_bits & ((1u << core_bits) - 1);
	const struct mica_cpuid_entry entry = {
		.leaf = LEAF_AMD_TOPOLOGY,
		.eax = context->apic_id,
		.ebx = (context->source->topology->threads - 1) << 8 | core,
	};

	cpuid_add_entry(context, &entry);
}

/* The leaves 0xb and 0x1f say the same here; a made-up CPU has the one that each host has. */
void cpuid_add_topology(const struct cpuid_context *context, uint32_t last_leaf)
{
	if (last_leaf >= LEAF_TOPOLOGY)
		add_levels(context, LEAF_TOPOLOGY);
	if (last_leaf >= LEAF_TOPOLOGY_V2 && !context->made_up)
		add_levels(context, LEAF_TOPOLOGY_V2);
	if (context->vendor != VENDOR_INTEL)
		add_amd_topology(context);
}

uint32_t cpuid_amd_size(const struct cpuid_context *context)
{
	return context->package_bits << 12 | (cpus_of_package(context) - 1);
}

uint32_t cpuid_topology_bits(const struct cpuid_context *context, enum cpu_word word)
{
	bool several = cpus_of_package(context) > 1;

	if (word == W_1_EDX)
		return several ? HTT : 0;
	if (word == W_80000001_ECX && context->vendor != VENDOR_INTEL)
		return TOPOEXT | (several ? CMP_LEGACY : 0);
	return 0;
}
