/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MICA_VMM_BOOT_CPUID_INTERNAL_H
#define MICA_VMM_BOOT_CPUID_INTERNAL_H

#include <stdbool.h>

#include "boot.h"

enum cpuid_vendor { VENDOR_INTEL, VENDOR_AMD, VENDOR_OTHER };	/* the last one is taken for AMD */

struct cpuid_context {
	const struct cpuid_source *source;
	struct mica_cpuid *policy;
	enum cpuid_vendor vendor;
	bool made_up;			/* a level's CPU, not the host's */
	unsigned int apic_id;
	unsigned int thread_bits;	/* of APIC ids */
	unsigned int package_bits;
};

void cpuid_add_entry(const struct cpuid_context *context, const struct mica_cpuid_entry *entry);
void cpuid_set_field(uint32_t *word, unsigned int low, unsigned int width, uint32_t value);

/* cpuid_topology.c: who shares a cache of leaf 0x4 or 0x8000001d. */
void cpuid_share_cache(const struct cpuid_context *context, struct mica_cpuid_entry *entry);
/* The leaves of topology, as far as the last basic leaf allows. */
void cpuid_add_topology(const struct cpuid_context *context, uint32_t last_leaf);
/* Number of CPUs and bits of APIC ids, ECX of leaf 0x80000008. */
uint32_t cpuid_amd_size(const struct cpuid_context *context);
/* The bits of a word of features that follow the topology. */
uint32_t cpuid_topology_bits(const struct cpuid_context *context, enum cpu_word word);

/* cpuid_model.c: what identifies a level's CPU, in place of the host's.  False: the entry is
 * dropped. */
bool cpuid_make_up(const struct cpuid_context *context, struct mica_cpuid_entry *entry);
/* Caches in leaf 0x4 or 0x8000001d. */
void cpuid_add_caches(const struct cpuid_context *context);

#endif
