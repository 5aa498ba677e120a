// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What CPUID tells a guest.  An allow-list of leaves: one that has no row in leaf_rules[] is
 * left out and reads as zero, so a leaf that a future CPU introduces stays away from guests
 * until somebody has thought about it.  The module has an allow-list of its own
 * (kmod/cpuid_table.c) and refuses what it does not know.
 *
 * Leaves and bits: SDM volume 2, "CPUID - CPU Identification", and APM volume 3,
 * "Obtaining Processor Information Via the CPUID Instruction".
 */
#include <stdbool.h>
#include <string.h>

#include "boot.h"

#define BIT(n)			(1u << (n))

#define LEAF_MAX_BASIC		0x00000000u
#define LEAF_TOPOLOGY		0x0000000bu
#define LEAF_XSAVE		0x0000000du
#define LEAF_TSC		0x00000015u
#define LEAF_FREQUENCY		0x00000016u
#define LEAF_TOPOLOGY_V2	0x0000001fu
#define LEAF_HYPERVISOR		0x40000000u
#define LEAF_MAX_EXTENDED	0x80000000u
#define MAX_EXTENDED		0x80000021u

#define LEVEL_THREAD		1u	/* level types of the topology leaves */
#define LEVEL_CORE		2u

#define BUS_MHZ			100u
#define XSAVE_LEGACY_SIZE	576u	/* legacy region and header */
#define XCR0_STANDARD_BITS	63u

struct context {
	const struct mica_cpuid *host;
	const struct mica_info *info;
	struct mica_cpuid *policy;
	unsigned int id;
	unsigned int cpus;
	unsigned int id_bits;	/* of an APIC id */
	bool intel;
};

/* ------------------------------------------------------------ features */

enum reg { EAX, EBX, ECX, EDX };

static uint32_t *entry_register(struct mica_cpuid_entry *entry, enum reg reg)
{
	uint32_t *const registers[] = { &entry->eax, &entry->ebx, &entry->ecx, &entry->edx };

	return registers[reg];
}

/* Features that no guest gets, whatever the module offers. */
static const struct {
	uint32_t leaf;
	uint32_t subleaf;
	enum reg reg;
	uint32_t bits;
} hidden[] = {
	/* DTES64, MONITOR, DS-CPL, VMX, SMX, EIST, TM2, SDBG, xTPR, PDCM, DCA; OSXSAVE is
	 * the guest's own, the module sets it */
	{ 0x1, 0, ECX, BIT(2) | BIT(3) | BIT(4) | BIT(5) | BIT(6) | BIT(7) | BIT(8) | BIT(11) |
		       BIT(14) | BIT(15) | BIT(18) | BIT(27) },
	/* PSN, DS, ACPI clock control, TM, PBE */
	{ 0x1, 0, EDX, BIT(18) | BIT(21) | BIT(22) | BIT(29) | BIT(31) },
	/* all but ARAT */
	{ 0x6, 0, EAX, ~BIT(2) },
	{ 0x6, 0, EBX, ~0u },
	{ 0x6, 0, ECX, ~0u },
	{ 0x6, 0, EDX, ~0u },
	/* SGX, RDT monitoring, RDT allocation, processor trace */
	{ 0x7, 0, EBX, BIT(2) | BIT(12) | BIT(15) | BIT(25) },
	/* OSPKE (the guest's own), WAITPKG, TME, key locker, bus-lock detection, ENQCMD,
	 * SGX launch control, PKS */
	{ 0x7, 0, ECX, BIT(4) | BIT(5) | BIT(13) | BIT(23) | BIT(24) | BIT(29) | BIT(30) |
		       BIT(31) },
	/* UINTR, hybrid, PCONFIG, architectural LBRs */
	{ 0x7, 0, EDX, BIT(5) | BIT(15) | BIT(18) | BIT(19) },
	/* architectural perfmon extension, HRESET, LAM */
	{ 0x7, 1, EAX, BIT(8) | BIT(22) | BIT(26) },
	/* SVM, extended APIC space, OSVW, IBS, SKINIT, WDT, LWP, node id, performance
	 * counters, performance TSC, MONITORX */
	{ 0x80000001, 0, ECX, BIT(2) | BIT(3) | BIT(9) | BIT(10) | BIT(12) | BIT(13) | BIT(15) |
			      BIT(19) | BIT(23) | BIT(24) | BIT(27) | BIT(28) | BIT(29) },
	/* all but the invariant TSC */
	{ 0x80000007, 0, EAX, ~0u },
	{ 0x80000007, 0, EBX, ~0u },
	{ 0x80000007, 0, ECX, ~0u },
	{ 0x80000007, 0, EDX, ~BIT(8) },
};

#define XCR0_AVX	0x6ull
#define XCR0_MPX	0x18ull
#define XCR0_AVX512	0xe6ull
#define XCR0_PKRU	0x200ull
#define XCR0_AMX	0x60000ull
#define XSS_CET		0x1800ull

/* Features whose registers are part of the XSAVE state. */
static const struct {
	uint32_t leaf;
	uint32_t subleaf;
	enum reg reg;
	uint32_t bits;
	uint64_t state;		/* of XCR0 and XSS */
} stateful[] = {
	/* FMA, AVX, F16C; XSAVE itself */
	{ 0x1, 0, ECX, BIT(12) | BIT(28) | BIT(29), XCR0_AVX },
	{ 0x1, 0, ECX, BIT(26), 1 },
	/* AVX2, MPX, AVX512 F, DQ, IFMA, PF, ER, CD, BW, VL */
	{ 0x7, 0, EBX, BIT(5), XCR0_AVX },
	{ 0x7, 0, EBX, BIT(14), XCR0_MPX },
	{ 0x7, 0, EBX, BIT(16) | BIT(17) | BIT(21) | BIT(26) | BIT(27) | BIT(28) | BIT(30) |
		       BIT(31), XCR0_AVX512 },
	/* AVX512 VBMI, VBMI2, VNNI, BITALG, VPOPCNTDQ; PKU; CET_SS; VAES, VPCLMULQDQ */
	{ 0x7, 0, ECX, BIT(1) | BIT(6) | BIT(11) | BIT(12) | BIT(14), XCR0_AVX512 },
	{ 0x7, 0, ECX, BIT(3), XCR0_PKRU },
	{ 0x7, 0, ECX, BIT(7), XSS_CET },
	{ 0x7, 0, ECX, BIT(9) | BIT(10), XCR0_AVX },
	/* AVX512 4VNNIW, 4FMAPS, VP2INTERSECT, FP16; CET_IBT; AMX BF16, TILE, INT8 */
	{ 0x7, 0, EDX, BIT(2) | BIT(3) | BIT(8) | BIT(23), XCR0_AVX512 },
	{ 0x7, 0, EDX, BIT(20), XSS_CET },
	{ 0x7, 0, EDX, BIT(22) | BIT(24) | BIT(25), XCR0_AMX },
	/* SHA512, SM3, SM4, AVX-VNNI, AVX-IFMA; AVX512 BF16; AMX FP16 */
	{ 0x7, 1, EAX, BIT(0) | BIT(1) | BIT(2) | BIT(4) | BIT(23), XCR0_AVX },
	{ 0x7, 1, EAX, BIT(5), XCR0_AVX512 },
	{ 0x7, 1, EAX, BIT(21), XCR0_AMX },
	/* AVX-VNNI-INT8, AVX-NE-CONVERT, AVX-VNNI-INT16; AMX-COMPLEX; AVX10 */
	{ 0x7, 1, EDX, BIT(4) | BIT(5) | BIT(10), XCR0_AVX },
	{ 0x7, 1, EDX, BIT(8), XCR0_AMX },
	{ 0x7, 1, EDX, BIT(19), XCR0_AVX512 },
	/* XFD exists for AMX; XOP, FMA4 */
	{ 0xd, 1, EAX, BIT(4), XCR0_AMX },
	{ 0x80000001, 0, ECX, BIT(11) | BIT(16), XCR0_AVX },
};

static uint64_t guest_xstate(const struct context *context)
{
	return context->info->xcr0 | context->info->xss;
}

static void mask_features(const struct context *context, struct mica_cpuid_entry *entry)
{
	for (size_t i = 0; i < G_N_ELEMENTS(hidden); i++)
		if (hidden[i].leaf == entry->leaf && hidden[i].subleaf == entry->subleaf)
			*entry_register(entry, hidden[i].reg) &= ~hidden[i].bits;
	for (size_t i = 0; i < G_N_ELEMENTS(stateful); i++)
		if (stateful[i].leaf == entry->leaf && stateful[i].subleaf == entry->subleaf &&
		    (guest_xstate(context) & stateful[i].state) != stateful[i].state)
			*entry_register(entry, stateful[i].reg) &= ~stateful[i].bits;
}

/* ------------------------------------------------------------ single leaves */

static void set_field(uint32_t *word, unsigned int low, unsigned int width, uint32_t value)
{
	uint32_t mask = (BIT(width) - 1) << low;

	*word = (*word & ~mask) | (value << low & mask);
}

static bool keep(const struct context *context, struct mica_cpuid_entry *entry)
{
	(void)context;
	(void)entry;
	return true;
}

static bool make_features(const struct context *context, struct mica_cpuid_entry *entry)
{
	set_field(&entry->ebx, 24, 8, context->id);
	set_field(&entry->ebx, 16, 8, BIT(context->id_bits));
	set_field(&entry->edx, 28, 1, context->cpus > 1);	/* HTT: the count is valid */
	set_field(&entry->ecx, 31, 1, 1);			/* a hypervisor is present */
	if (!(context->info->caps & MICA_CAP_X2APIC))
		set_field(&entry->ecx, 21, 1, 0);
	return true;
}

/* One thread per core, one package: caches of level 3 belong to all, the others to one.
 * EAX has the same layout on AMD, in leaf 0x8000001d, save for the cores. */
static bool make_cache(const struct context *context, struct mica_cpuid_entry *entry)
{
	uint32_t level = entry->eax >> 5 & 7;

	if ((entry->eax & 0x1f) == 0)
		return true;	/* the end of the list */
	set_field(&entry->eax, 14, 12, level >= 3 ? BIT(context->id_bits) - 1 : 0);
	if (entry->leaf == 0x4)
		set_field(&entry->eax, 26, 6, BIT(context->id_bits) - 1);
	return true;
}

static bool make_xsave_sizes(const struct context *context, struct mica_cpuid_entry *entry)
{
	uint32_t end = XSAVE_LEGACY_SIZE;
	const struct mica_cpuid *host = context->host;

	entry->eax &= (uint32_t)context->info->xcr0;
	entry->edx &= (uint32_t)(context->info->xcr0 >> 32);
	for (uint32_t i = 0; i < MIN(host->count, MICA_MAX_CPUID); i++) {
		const struct mica_cpuid_entry *part = &host->entries[i];

		if (part->leaf == LEAF_XSAVE && part->subleaf >= 2 &&
		    part->subleaf < XCR0_STANDARD_BITS &&
		    (context->info->xcr0 >> part->subleaf & 1))
			end = MAX(end, part->ebx + part->eax);	/* offset, size */
	}
	entry->ecx = end;
	entry->ebx = XSAVE_LEGACY_SIZE;	/* with XCR0 as after reset; the module follows it */
	return true;
}

static bool make_xsave(const struct context *context, struct mica_cpuid_entry *entry)
{
	if (!(context->info->xcr0 & 1))
		return false;
	if (entry->subleaf == 0)
		return make_xsave_sizes(context, entry);
	if (entry->subleaf == 1) {
		entry->ebx = entry->ebx ? XSAVE_LEGACY_SIZE : 0;	/* likewise */
		entry->ecx &= (uint32_t)context->info->xss;
		entry->edx &= (uint32_t)(context->info->xss >> 32);
		return true;
	}
	return entry->subleaf < XCR0_STANDARD_BITS && (guest_xstate(context) >> entry->subleaf & 1);
}

static bool make_max_extended(const struct context *context, struct mica_cpuid_entry *entry)
{
	(void)context;
	entry->eax = MIN(entry->eax, MAX_EXTENDED);
	return true;
}

static bool make_address_sizes(const struct context *context, struct mica_cpuid_entry *entry)
{
	uint32_t host_bits = entry->eax & 0xff;
	uint32_t bits = context->info->phys_bits;

	set_field(&entry->eax, 0, 8, bits ? MIN(host_bits, bits) : host_bits);
	set_field(&entry->eax, 16, 8, 0);	/* guest width: the same */
	entry->ecx = context->intel ? 0 : (context->id_bits << 12) | (context->cpus - 1);
	entry->edx = 0;
	return true;
}

static bool make_amd_topology(const struct context *context, struct mica_cpuid_entry *entry)
{
	entry->eax = context->id;	/* extended APIC id */
	entry->ebx = context->id;	/* core id, one thread per core */
	entry->ecx = 0;			/* node 0 of 1 */
	entry->edx = 0;
	return true;
}

/* Returns false to drop the entry. */
static const struct leaf_rule {
	uint32_t first;
	uint32_t last;
	bool (*make)(const struct context *context, struct mica_cpuid_entry *entry);
} leaf_rules[] = {
	{ 0x0, 0x0, keep },			/* vendor */
	{ 0x1, 0x1, make_features },
	{ 0x2, 0x2, keep },			/* cache descriptors */
	{ 0x4, 0x4, make_cache },
	{ 0x6, 0x7, keep },			/* masked by the tables above */
	{ 0xd, 0xd, make_xsave },
	{ 0x80000000, 0x80000000, make_max_extended },
	{ 0x80000001, 0x80000007, keep },	/* features, name, caches */
	{ 0x80000008, 0x80000008, make_address_sizes },
	{ 0x80000019, 0x80000019, keep },	/* TLBs of 1 GiB pages */
	{ 0x8000001d, 0x8000001d, make_cache },
	{ 0x8000001e, 0x8000001e, make_amd_topology },
	{ 0x80000021, 0x80000021, keep },
};

static const struct leaf_rule *find_rule(uint32_t leaf)
{
	for (size_t i = 0; i < G_N_ELEMENTS(leaf_rules); i++)
		if (leaf >= leaf_rules[i].first && leaf <= leaf_rules[i].last)
			return &leaf_rules[i];
	return NULL;
}

/* ------------------------------------------------------------ the list */

static void add_entry(struct mica_cpuid *policy, const struct mica_cpuid_entry *entry)
{
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

static void copy_host(const struct context *context)
{
	for (uint32_t i = 0; i < MIN(context->host->count, MICA_MAX_CPUID); i++) {
		struct mica_cpuid_entry entry = context->host->entries[i];
		const struct leaf_rule *rule = find_rule(entry.leaf);

		if (!rule || !rule->make(context, &entry))
			continue;
		mask_features(context, &entry);
		add_entry(context->policy, &entry);
	}
}

static void add_topology(const struct context *context, uint32_t leaf)
{
	const struct mica_cpuid_entry levels[] = {
		{ .eax = 0, .ebx = 1, .ecx = LEVEL_THREAD << 8 | 0 },
		{ .eax = context->id_bits, .ebx = context->cpus, .ecx = LEVEL_CORE << 8 | 1 },
		{ .ecx = 2 },		/* the end */
	};

	for (uint32_t i = 0; i < G_N_ELEMENTS(levels); i++) {
		struct mica_cpuid_entry entry = levels[i];

		entry.leaf = leaf;
		entry.subleaf = i;
		entry.flags = MICA_CPUID_SUBLEAF;
		entry.edx = context->id;
		add_entry(context->policy, &entry);
	}
}

/*
 * The crystal clock is the TSC itself, so a kernel knows the frequencies of the TSC and
 * of the APIC timer, which counts at the crystal's rate, without measuring.  What does
 * not fit into ECX (4.29 GHz and more) is left to leaf 0x16; 0 in ECX says so.
 */
static void add_tsc(const struct context *context)
{
	uint64_t hz = (uint64_t)context->info->tsc_khz * 1000;
	const struct mica_cpuid_entry tsc = {
		.leaf = LEAF_TSC, .eax = 1, .ebx = 1, .ecx = hz > UINT32_MAX ? 0 : hz,
	};
	uint32_t mhz = MIN(context->info->tsc_khz / 1000, 0xffffu);
	const struct mica_cpuid_entry frequency = {
		.leaf = LEAF_FREQUENCY, .eax = mhz, .ebx = mhz, .ecx = BUS_MHZ,
	};

	add_entry(context->policy, &tsc);
	add_entry(context->policy, &frequency);
}

/* Leaves from 0x40000000 on are a hypervisor's own (SDM: reserved for software).  There is
 * no paravirtual interface behind this one; the name only says who is there. */
static void add_hypervisor(const struct context *context)
{
	struct mica_cpuid_entry entry = { .leaf = LEAF_HYPERVISOR, .eax = LEAF_HYPERVISOR };
	const char signature[] = "MicaMicaMica";

	memcpy(&entry.ebx, signature, 4);
	memcpy(&entry.ecx, signature + 4, 4);
	memcpy(&entry.edx, signature + 8, 4);
	add_entry(context->policy, &entry);
}

static bool is_intel(const struct mica_cpuid *host)
{
	for (uint32_t i = 0; i < MIN(host->count, MICA_MAX_CPUID); i++) {
		const struct mica_cpuid_entry *entry = &host->entries[i];

		if (entry->leaf == LEAF_MAX_BASIC)
			return memcmp(&entry->ebx, "Genu", 4) == 0 &&
			       memcmp(&entry->edx, "ineI", 4) == 0 &&
			       memcmp(&entry->ecx, "ntel", 4) == 0;
	}
	return false;
}

static unsigned int id_bits(unsigned int cpus)
{
	unsigned int bits = 0;

	while (BIT(bits) < cpus)
		bits++;
	return bits;
}

void cpuid_policy(const struct mica_cpuid *host, const struct mica_info *info, unsigned int id,
		  unsigned int cpus, struct mica_cpuid *policy)
{
	const struct context context = {
		.host = host, .info = info, .policy = policy, .id = id, .cpus = cpus,
		.id_bits = id_bits(cpus), .intel = is_intel(host),
	};
	struct mica_cpuid_entry *basic;
	uint32_t host_max;

	memset(policy, 0, sizeof(*policy));
	copy_host(&context);
	basic = find_entry(policy, LEAF_MAX_BASIC);
	if (!basic)
		return;		/* nothing to build on: the module refuses an empty policy */
	host_max = basic->eax;
	if (host_max >= LEAF_TOPOLOGY)
		add_topology(&context, LEAF_TOPOLOGY);
	if (context.intel && info->tsc_khz) {
		add_tsc(&context);
		basic->eax = MAX(basic->eax, LEAF_FREQUENCY);
	}
	if (host_max >= LEAF_TOPOLOGY_V2)
		add_topology(&context, LEAF_TOPOLOGY_V2);
	basic->eax = MIN(basic->eax, LEAF_TOPOLOGY_V2);
	add_hypervisor(&context);
}
