// SPDX-License-Identifier: GPL-2.0-or-later
/* The CPUID policy, from a made-up host and from the CPU that runs the test. */
#include "guest.h"

#include <cpuid.h>
#include <string.h>

#define SUBLEAF	MICA_CPUID_SUBLEAF

static const struct mica_info full_info = {
	.caps = MICA_CAP_X2APIC,
	.phys_bits = 39,
	.tsc_khz = 3500000,
	.xcr0 = 0x602e7,
	.xss = 0x1800,
	.xsave_size = 11008,
};

static void add(struct mica_cpuid *list, uint32_t leaf, uint32_t subleaf, uint32_t flags,
		uint32_t eax, uint32_t ebx, uint32_t ecx, uint32_t edx)
{
	assert_true(list->count < MICA_MAX_CPUID);
	list->entries[list->count++] = (struct mica_cpuid_entry){
		.leaf = leaf, .subleaf = subleaf, .flags = flags,
		.eax = eax, .ebx = ebx, .ecx = ecx, .edx = edx,
	};
}

static void add_vendor(struct mica_cpuid *list, uint32_t max, const char *vendor)
{
	uint32_t words[3];

	memcpy(words, vendor, sizeof(words));
	add(list, 0, 0, 0, max, words[0], words[2], words[1]);
}

static void add_xsave(struct mica_cpuid *list)
{
	add(list, 0xd, 0, SUBLEAF, 0xffffffff, 2696, 2696, 0xffffffff);
	add(list, 0xd, 1, SUBLEAF, 0x1f, 2696, 0xffffffff, 0);
	add(list, 0xd, 2, SUBLEAF, 256, 576, 0, 0);
	add(list, 0xd, 3, SUBLEAF, 64, 960, 0, 0);
	add(list, 0xd, 5, SUBLEAF, 64, 1088, 0, 0);
	add(list, 0xd, 6, SUBLEAF, 512, 1152, 0, 0);
	add(list, 0xd, 7, SUBLEAF, 1024, 1664, 0, 0);
	add(list, 0xd, 8, SUBLEAF, 128, 0, 1, 0);		/* PT: supervisor, not given */
	add(list, 0xd, 9, SUBLEAF, 8, 2688, 0, 0);
	add(list, 0xd, 11, SUBLEAF, 16, 0, 1, 0);
	add(list, 0xd, 17, SUBLEAF, 64, 2752, 2, 0);
	add(list, 0xd, 18, SUBLEAF, 8192, 2816, 6, 0);
}

/* A host that claims every feature there is. */
static struct mica_cpuid make_host(const char *vendor, uint32_t max)
{
	struct mica_cpuid host = { 0 };
	bool intel = strcmp(vendor, "GenuineIntel") == 0;

	add_vendor(&host, max, vendor);
	add(&host, 0x1, 0, 0, 0x000906ea, 0x07100800, 0xffffffff, 0xffffffff);
	add(&host, 0x2, 0, 0, 0x76036301, 0x00f0b5ff, 0, 0x00c30000);
	if (intel) {
		add(&host, 0x4, 0, SUBLEAF, 0x1c004121, 0x01c0003f, 63, 0);
		add(&host, 0x4, 2, SUBLEAF, 0x1c004143, 0x00c0003f, 1023, 0);
		add(&host, 0x4, 3, SUBLEAF, 0x1c03c163, 0x03c0003f, 16383, 6);
		add(&host, 0x4, 4, SUBLEAF, 0, 0, 0, 0);
	}
	add(&host, 0x5, 0, 0, 64, 64, 3, 0x11142120);
	add(&host, 0x6, 0, 0, 0x27f7, 2, 9, 1);
	add(&host, 0x7, 0, SUBLEAF, 1, 0xffffffff, 0xffffffff, 0xffffffff);
	add(&host, 0x7, 1, SUBLEAF, 0xffffffff, 0, 0, 0xffffffff);
	add(&host, 0xa, 0, 0, 0x07300404, 0, 0, 0x603);
	add(&host, 0xb, 0, SUBLEAF, 1, 2, 0x100, 5);
	add_xsave(&host);
	add(&host, 0xf, 0, SUBLEAF, 0, 223, 0, 2);
	add(&host, 0x10, 0, SUBLEAF, 0, 2, 0, 0);
	add(&host, 0x12, 0, SUBLEAF, 1, 0, 0, 0x241f);
	add(&host, 0x14, 0, SUBLEAF, 1, 0xf, 7, 0);
	add(&host, 0x15, 0, 0, 2, 292, 24000000, 0);
	add(&host, 0x16, 0, 0, 3500, 4500, 100, 0);
	add(&host, 0x1d, 0, SUBLEAF, 1, 0, 0, 0);
	add(&host, 0x80000000, 0, 0, 0x80000028, 0, 0, 0);
	add(&host, 0x80000001, 0, 0, 0, 0, 0xffffffff, 0xffffffff);
	add(&host, 0x80000002, 0, 0, 0x65746e49, 0, 0, 0);
	add(&host, 0x80000007, 0, 0, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff);
	add(&host, 0x80000008, 0, 0, 0x302e, 0x1, 0x700f, 0x10007);
	add(&host, 0x8000000a, 0, 0, 1, 8, 0, 0xffff);
	add(&host, 0x8000001d, 3, SUBLEAF, 0x3c163, 0, 0, 0);
	add(&host, 0x8000001e, 0, 0, 5, 0x102, 0x300, 0);
	add(&host, 0x8000001f, 0, 0, 1, 0, 0, 0);
	return host;
}

static void make_policy(const char *text, const struct mica_cpuid *host,
			const struct mica_info *info, unsigned int id, unsigned int cpus,
			struct mica_cpuid *policy)
{
	const struct cpu_topology topology = { .sockets = 1, .cores = cpus, .threads = 1 };
	struct cpu_model model = { 0 };
	struct cpu_features features;
	const struct cpuid_source source = {
		.host = host, .info = info, .features = &features, .topology = &topology,
	};
	g_autoptr(GError) error = NULL;

	if (!cpu_model_parse(&model, text, &error) ||
	    !cpu_model_resolve(&model, host, info, &features, &error))
		fail_msg("%s", error->message);
	cpu_model_clear(&model);
	memset(policy, 0xff, sizeof(*policy));
	cpuid_policy(&source, id, policy);
}

static struct mica_cpuid policy_of(const struct mica_cpuid *host, const struct mica_info *info,
				   unsigned int id, unsigned int cpus)
{
	struct mica_cpuid policy;

	make_policy("host", host, info, id, cpus, &policy);
	assert_in_range(policy.count, 1, MICA_MAX_CPUID);
	assert_int_equal(policy.pad, 0);
	return policy;
}

static struct mica_cpuid intel_policy(unsigned int id, unsigned int cpus)
{
	struct mica_cpuid host = make_host("GenuineIntel", 0x16);

	return policy_of(&host, &full_info, id, cpus);
}

/* The entry that a guest's CPUID finds; zeros if there is none. */
static struct mica_cpuid_entry find(const struct mica_cpuid *policy, uint32_t leaf,
				    uint32_t subleaf)
{
	struct mica_cpuid_entry none = { .leaf = leaf, .subleaf = subleaf };

	for (uint32_t i = 0; i < policy->count; i++) {
		const struct mica_cpuid_entry *entry = &policy->entries[i];

		if (entry->leaf == leaf &&
		    (!(entry->flags & SUBLEAF) || entry->subleaf == subleaf))
			return *entry;
	}
	return none;
}

static void assert_zero(struct mica_cpuid_entry entry)
{
	if (entry.eax | entry.ebx | entry.ecx | entry.edx)
		fail_msg("leaf 0x%x is not zero", entry.leaf);
}

/* ------------------------------------------------------------ tests */

static void features(void **unused)
{
	struct mica_cpuid policy = intel_policy(0, 2);
	struct mica_cpuid_entry one = find(&policy, 1, 0);

	(void)unused;
	assert_int_equal(one.eax, 0x000906ea);
	assert_int_equal(one.ecx & 0x0804c9fc, 0);	/* VMX, MONITOR, ..., OSXSAVE */
	assert_int_equal(one.edx & 0xa0640000, 0);	/* PSN, DS, ACPI, TM, PBE */
	assert_int_equal(one.ecx & 0x97202000, 0x97202000);	/* CX16 x2APIC TSC-deadline XSAVE
								 * AVX, hypervisor */
	assert_int_equal(find(&policy, 7, 0).ebx & 0x02009004, 0);	/* SGX RDT PT */
	assert_int_equal(find(&policy, 7, 0).ecx & 0xe1802030, 0);
	assert_int_equal(find(&policy, 7, 0).edx & 0x000c8020, 0);
	assert_int_equal(find(&policy, 7, 0).edx & 0xfc000000, 0xbc000000);
	assert_int_equal(find(&policy, 6, 0).eax, 4);
	assert_int_equal(find(&policy, 6, 0).ebx | find(&policy, 6, 0).ecx, 0);
	assert_int_equal(find(&policy, 0x80000001, 0).ecx & 0x3988b60c, 0);
	assert_int_equal(find(&policy, 0x80000007, 0).edx, 0x100);
	assert_int_equal(find(&policy, 0x80000007, 0).eax, 0);
}

static void hidden_leaves(void **unused)
{
	static const uint32_t leaves[] = {
		0x3, 0x5, 0x8, 0x9, 0xa, 0xc, 0xe, 0xf, 0x10, 0x12, 0x14, 0x1d, 0x8000000a, 0x8000001f,
		0x40000001, 0x40000100,
	};
	struct mica_cpuid policy = intel_policy(0, 2);

	(void)unused;
	for (size_t i = 0; i < G_N_ELEMENTS(leaves); i++)
		assert_zero(find(&policy, leaves[i], 0));
}

static void no_entry_twice(void **unused)
{
	struct mica_cpuid policy = intel_policy(1, 4);

	(void)unused;
	for (uint32_t i = 0; i < policy.count; i++) {
		assert_int_equal(policy.entries[i].pad, 0);
		for (uint32_t j = 0; j < i; j++)
			assert_false(policy.entries[i].leaf == policy.entries[j].leaf &&
				     policy.entries[i].subleaf == policy.entries[j].subleaf);
	}
}

/* The module refuses a leaf beyond the limits that leaves 0 and 0x80000000 give. */
static void leaves_are_within_limits(void **unused)
{
	static const uint32_t host_max[] = { 0xd, 0x16, 0x1d, 0x20 };

	(void)unused;
	for (size_t i = 0; i < G_N_ELEMENTS(host_max); i++) {
		struct mica_cpuid host = make_host("GenuineIntel", host_max[i]);
		struct mica_cpuid policy = policy_of(&host, &full_info, 0, 2);
		uint32_t basic = find(&policy, 0, 0).eax;
		uint32_t extended = find(&policy, 0x80000000, 0).eax;

		for (uint32_t j = 0; j < policy.count; j++) {
			uint32_t leaf = policy.entries[j].leaf;

			assert_true(leaf <= basic || leaf == 0x40000000 ||
				    (leaf >= 0x80000000 && leaf <= extended));
		}
	}
}

static void without_x2apic(void **unused)
{
	struct mica_cpuid host = make_host("GenuineIntel", 0x16);
	struct mica_info info = full_info;
	struct mica_cpuid policy;

	(void)unused;
	info.caps = 0;
	policy = policy_of(&host, &info, 0, 1);
	assert_int_equal(find(&policy, 1, 0).ecx >> 21 & 1, 0);
}

static void check_topology(unsigned int id, unsigned int cpus, unsigned int bits)
{
	struct mica_cpuid policy = intel_policy(id, cpus);
	struct mica_cpuid_entry one = find(&policy, 1, 0);
	struct mica_cpuid_entry cores = find(&policy, 0xb, 1);

	assert_int_equal(one.ebx >> 24, id);
	assert_int_equal(one.ebx >> 16 & 0xff, 1 << bits);
	assert_int_equal(one.ebx & 0xffff, 0x0800);	/* CLFLUSH size as the host's */
	assert_int_equal(one.edx >> 28 & 1, cpus > 1);
	assert_int_equal(find(&policy, 0xb, 0).eax, 0);
	assert_int_equal(find(&policy, 0xb, 0).ebx, 1);
	assert_int_equal(find(&policy, 0xb, 0).ecx, 0x100);
	assert_int_equal(find(&policy, 0xb, 0).edx, id);
	assert_int_equal(cores.eax, bits);
	assert_int_equal(cores.ebx, cpus);
	assert_int_equal(cores.ecx, 0x201);
	assert_int_equal(cores.edx, id);
	assert_int_equal(find(&policy, 0xb, 2).ebx, 0);
	assert_int_equal(find(&policy, 0xb, 2).ecx, 2);
	/* L1 and L2 are a core's own, L3 is everyone's; the type and level stay. */
	assert_int_equal(find(&policy, 4, 0).eax, ((1u << bits) - 1) << 26 | 0x121);
	assert_int_equal(find(&policy, 4, 2).eax, ((1u << bits) - 1) << 26 | 0x143);
	assert_int_equal(find(&policy, 4, 3).eax,
			 ((1u << bits) - 1) << 26 | ((1u << bits) - 1) << 14 | 0x163);
	assert_int_equal(find(&policy, 4, 4).eax, 0);
	assert_int_equal(find(&policy, 0x80000008, 0).ecx, 0);
}

static void topology(void **unused)
{
	(void)unused;
	check_topology(0, 1, 0);
	check_topology(1, 2, 1);
	check_topology(2, 3, 2);
	check_topology(63, 64, 6);
}

static void amd(void **unused)
{
	struct mica_cpuid host = make_host("AuthenticAMD", 0x10);
	struct mica_cpuid policy = policy_of(&host, &full_info, 2, 6);
	struct mica_cpuid_entry e = find(&policy, 0x8000001e, 0);

	(void)unused;
	assert_int_equal(find(&policy, 0, 0).eax, 0x10);	/* no leaf 0x15 */
	assert_zero(find(&policy, 0x15, 0));
	assert_int_equal(find(&policy, 0x80000000, 0).eax, 0x80000021);
	assert_int_equal(find(&policy, 0x80000008, 0).ecx, 0x3005);
	assert_int_equal(find(&policy, 0x80000008, 0).edx, 0);
	assert_int_equal(find(&policy, 0x8000001d, 3).eax, 7 << 14 | 0x163);
	assert_int_equal(e.eax, 2);
	assert_int_equal(e.ebx, 2);
	assert_int_equal(e.ecx, 0);
	assert_int_equal(find(&policy, 0x80000001, 0).ecx & 0x400002, 0x400002);	/* TOPOEXT */
	assert_int_equal(find(&policy, 0x80000001, 0).edx & 0x0183f3ff, 0x0183f3ff); /* copies */
}

/* ------------------------------------------------------------ levels */

static struct mica_cpuid level_policy(const char *text, const char *vendor, uint32_t max)
{
	struct mica_cpuid host = make_host(vendor, max);
	struct mica_cpuid policy;

	make_policy(text, &host, &full_info, 0, 2, &policy);
	return policy;
}

/* What a program can ask for, bit by bit the same on a host of each vendor. */
static void levels_are_alike(void **unused)
{
	static const char *const texts[] = { "v1", "v2", "v3", "v3,+aes,+pclmulqdq,+rdtscp" };
	static const struct {
		uint32_t leaf;
		uint32_t subleaf;
	} leaves[] = {
		{ 0x6, 0 }, { 0x7, 0 }, { 0x7, 1 }, { 0x7, 2 }, { 0xb, 0 }, { 0xb, 1 }, { 0xd, 0 },
		{ 0xd, 1 }, { 0xd, 2 }, { 0xd, 3 }, { 0xd, 9 }, { 0xd, 11 }, { 0x80000002, 0 },
		{ 0x80000003, 0 }, { 0x80000007, 0 }, { 0x80000021, 0 },
	};

	(void)unused;
	for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
		struct mica_cpuid intel = level_policy(texts[i], "GenuineIntel", 0x1f);
		struct mica_cpuid amd = level_policy(texts[i], "AuthenticAMD", 0x10);

		for (size_t j = 0; j < G_N_ELEMENTS(leaves); j++) {
			struct mica_cpuid_entry a = find(&intel, leaves[j].leaf, leaves[j].subleaf);
			struct mica_cpuid_entry b = find(&amd, leaves[j].leaf, leaves[j].subleaf);

			assert_int_equal(a.eax, b.eax);
			assert_int_equal(a.ebx, b.ebx);
			assert_int_equal(a.ecx, b.ecx);
			assert_int_equal(a.edx, b.edx);
		}
		assert_int_equal(find(&intel, 1, 0).ebx, find(&amd, 1, 0).ebx);
		assert_int_equal(find(&intel, 1, 0).ecx, find(&amd, 1, 0).ecx);
		assert_int_equal(find(&intel, 1, 0).edx, find(&amd, 1, 0).edx);
		/* But for topology and the copies of leaf 1. */
		assert_int_equal(find(&intel, 0x80000001, 0).ecx,
				 find(&amd, 0x80000001, 0).ecx & ~0x400002u);
		assert_int_equal(find(&intel, 0x80000001, 0).edx,
				 find(&amd, 0x80000001, 0).edx & ~0x0183f3ffu);
	}
}

/* On Intel's hosts the limits, leaves and identity do not depend on the generation. */
static void levels_hide_the_generation(void **unused)
{
	struct mica_cpuid host = make_host("GenuineIntel", 0x20);
	struct mica_cpuid old = level_policy("v3", "GenuineIntel", 0x16), new;

	(void)unused;
	host.entries[1].eax = 0x000c06f2;
	host.entries[2].eax = 0x00feff01;
	make_policy("v3", &host, &full_info, 0, 2, &new);
	assert_int_equal(old.count, new.count);
	for (uint32_t i = 0; i < old.count; i++)
		assert_memory_equal(&old.entries[i], &new.entries[i], sizeof(old.entries[i]));
}

static void level_xsave(void **unused)
{
	struct mica_cpuid v2 = level_policy("v2", "GenuineIntel", 0x16);
	struct mica_cpuid v3 = level_policy("v3", "GenuineIntel", 0x16);
	struct mica_cpuid v4 = level_policy("v4", "GenuineIntel", 0x16);

	(void)unused;
	for (uint32_t i = 0; i < 20; i++)
		assert_zero(find(&v2, 0xd, i));
	assert_int_equal(find(&v3, 0xd, 0).eax, 7);
	assert_int_equal(find(&v3, 0xd, 0).ecx, 832);
	assert_zero(find(&v3, 0xd, 1));
	assert_int_equal(find(&v3, 0xd, 2).eax, 256);
	assert_zero(find(&v3, 0xd, 5));
	assert_zero(find(&v3, 0xd, 9));
	assert_int_equal(find(&v4, 0xd, 0).eax, 0xe7);
	assert_int_equal(find(&v4, 0xd, 0).ecx, 2688);
	assert_int_equal(find(&v3, 7, 0).eax, 0);
}

static void level_identity(void **unused)
{
	struct mica_cpuid policy = level_policy("v2", "AuthenticAMD", 0x10);
	struct mica_cpuid_entry name = find(&policy, 0x80000002, 0);
	char text[17] = "";

	(void)unused;
	memcpy(text, &name.eax, 16);
	assert_string_equal(text, "Mica x86-64-v2");
	assert_int_equal(find(&policy, 0, 0).eax, 0xd);
	assert_int_equal(find(&policy, 1, 0).eax, 0x830f10);
	assert_int_equal(find(&policy, 0x80000000, 0).eax, 0x8000001e);
	/* 16 MiB shared by the package's two, 32 KiB of data of each. */
	assert_int_equal(find(&policy, 0x8000001d, 3).eax, 1 << 14 | 0x163);
	assert_int_equal(find(&policy, 0x8000001d, 0).eax, 0x121);
	assert_zero(find(&policy, 0x8000001d, 4));
}

static void tsc_frequency(void **unused)
{
	struct mica_cpuid host = make_host("GenuineIntel", 0xd);
	struct mica_info info = full_info;
	struct mica_cpuid policy = policy_of(&host, &info, 0, 1);
	struct mica_cpuid_entry tsc = find(&policy, 0x15, 0);

	(void)unused;
	assert_int_equal(find(&policy, 0, 0).eax, 0x16);
	assert_int_equal(tsc.eax, 1);
	assert_int_equal(tsc.ebx, 1);
	assert_int_equal(tsc.ecx, 3500000000u);
	assert_int_equal(find(&policy, 0x16, 0).eax, 3500);
	assert_int_equal(find(&policy, 0x16, 0).ecx, 100);
	info.tsc_khz = 5000000;
	policy = policy_of(&host, &info, 0, 1);
	tsc = find(&policy, 0x15, 0);
	assert_int_equal(tsc.ebx, 1);
	assert_int_equal(tsc.ecx, 0);		/* does not fit */
	assert_int_equal(find(&policy, 0x16, 0).eax, 5000);
	assert_int_equal(tsc.edx, 0);
}

static void newer_topology_leaf(void **unused)
{
	struct mica_cpuid host = make_host("GenuineIntel", 0x20);
	struct mica_cpuid policy = policy_of(&host, &full_info, 3, 4);

	(void)unused;
	assert_int_equal(find(&policy, 0, 0).eax, 0x1f);
	assert_int_equal(find(&policy, 0x1f, 1).ebx, 4);
	assert_int_equal(find(&policy, 0x1f, 1).edx, 3);
}

static void xsave(void **unused)
{
	struct mica_cpuid host = make_host("GenuineIntel", 0x16);
	struct mica_info info = full_info;
	struct mica_cpuid policy = policy_of(&host, &info, 0, 1);

	(void)unused;
	assert_int_equal(find(&policy, 0xd, 0).eax, 0x602e7);
	assert_int_equal(find(&policy, 0xd, 0).edx, 0);
	assert_int_equal(find(&policy, 0xd, 0).ebx, 576);
	assert_int_equal(find(&policy, 0xd, 0).ecx, 11008);
	assert_int_equal(find(&policy, 0xd, 1).ecx, 0x1800);
	assert_int_equal(find(&policy, 0xd, 1).eax, 0x1f);
	assert_int_equal(find(&policy, 0xd, 11).eax, 16);
	assert_zero(find(&policy, 0xd, 3));	/* MPX: not in XCR0 */
	assert_zero(find(&policy, 0xd, 8));
	info.xcr0 = 0x7;
	info.xss = 0;
	policy = policy_of(&host, &info, 0, 1);
	assert_int_equal(find(&policy, 0xd, 0).ecx, 832);
	assert_int_equal(find(&policy, 0xd, 1).eax, 0xf);	/* no XFD without AMX */
	assert_zero(find(&policy, 0xd, 5));
	assert_zero(find(&policy, 0xd, 11));
}

static void features_follow_xcr0(void **unused)
{
	struct mica_cpuid host = make_host("GenuineIntel", 0x1d);
	struct mica_info info = full_info;
	struct mica_cpuid policy = policy_of(&host, &info, 0, 1);

	(void)unused;
	assert_int_equal(find(&policy, 7, 0).ebx & 0xdc230000, 0xdc230000);
	assert_int_equal(find(&policy, 7, 0).ebx >> 14 & 1, 0);	/* MPX */
	assert_int_equal(find(&policy, 7, 0).edx & 0x03400000, 0x03400000);
	info.xcr0 = 0x7;
	info.xss = 0;
	policy = policy_of(&host, &info, 0, 1);
	assert_int_equal(find(&policy, 7, 0).ebx & 0xdc230000, 0);	/* AVX512 */
	assert_int_equal(find(&policy, 7, 0).ebx & 0x20, 0x20);		/* AVX2 */
	assert_int_equal(find(&policy, 7, 0).ecx & 0x88, 0);		/* PKU, CET */
	assert_int_equal(find(&policy, 7, 0).edx & 0x03400000, 0);	/* AMX */
	info.xcr0 = 0x3;
	policy = policy_of(&host, &info, 0, 1);
	assert_int_equal(find(&policy, 1, 0).ecx & 0x30001000, 0);	/* AVX F16C FMA */
	assert_int_equal(find(&policy, 7, 0).ebx & 0x20, 0);
	assert_int_equal(find(&policy, 1, 0).ecx >> 26 & 1, 1);
	info.xcr0 = 0;
	policy = policy_of(&host, &info, 0, 1);
	assert_int_equal(find(&policy, 1, 0).ecx >> 26 & 1, 0);		/* XSAVE */
	assert_zero(find(&policy, 0xd, 0));
	assert_zero(find(&policy, 0xd, 1));
}

static void address_width(void **unused)
{
	struct mica_cpuid host = make_host("GenuineIntel", 0x16);
	struct mica_info info = full_info;
	struct mica_cpuid policy = policy_of(&host, &info, 0, 1);

	(void)unused;
	assert_int_equal(find(&policy, 0x80000008, 0).eax, 0x3027);
	info.phys_bits = 52;
	policy = policy_of(&host, &info, 0, 1);
	assert_int_equal(find(&policy, 0x80000008, 0).eax, 0x302e);
}

static void hypervisor(void **unused)
{
	struct mica_cpuid policy = intel_policy(0, 1);
	struct mica_cpuid_entry entry = find(&policy, 0x40000000, 0);
	char signature[13] = "";

	(void)unused;
	memcpy(signature, &entry.ebx, 4);
	memcpy(signature + 4, &entry.ecx, 4);
	memcpy(signature + 8, &entry.edx, 4);
	assert_int_equal(entry.eax, 0x40000000);
	assert_string_equal(signature, "MicaMicaMica");
}

/* Never more than the host offers, and never past the end of the array. */
static void odd_hosts(void **unused)
{
	struct mica_cpuid host = { 0 };
	struct mica_cpuid policy;

	(void)unused;
	make_policy("host", &host, &full_info, 0, 1, &policy);
	assert_int_equal(policy.count, 0);
	add_vendor(&host, 0xffffffff, "GenuineIntel");
	policy = policy_of(&host, &full_info, 0, 1);
	assert_int_equal(find(&policy, 0, 0).eax, 0x1f);
	assert_zero(find(&policy, 1, 0));
	host.count = 0xffffffff;	/* the rest is leaf 0 over and over */
	assert_int_equal(host.entries[1].leaf, 0);
	host.entries[MICA_MAX_CPUID - 1].leaf = 0x20;
	policy = policy_of(&host, &full_info, 0, 1);
	assert_int_equal(policy.count, MICA_MAX_CPUID);
}

/* ------------------------------------------------------------ this CPU */

static void add_real(struct mica_cpuid *list, uint32_t leaf, uint32_t subleaf, uint32_t flags)
{
	uint32_t eax, ebx, ecx, edx;

	__cpuid_count(leaf, subleaf, eax, ebx, ecx, edx);
	add(list, leaf, subleaf, flags, eax, ebx, ecx, edx);
}

static struct mica_cpuid real_host(void)
{
	struct mica_cpuid host = { 0 };
	uint32_t max = __get_cpuid_max(0, NULL);
	uint32_t max_extended = __get_cpuid_max(0x80000000, NULL);

	for (uint32_t leaf = 0; leaf <= MIN(max, 0x24); leaf++)
		add_real(&host, leaf, 0, leaf == 4 || leaf == 7 || leaf == 0xd ? SUBLEAF : 0);
	for (uint32_t i = 1; i < 4; i++)
		add_real(&host, 4, i, SUBLEAF);
	for (uint32_t i = 1; i < 20 && max >= 0xd; i++)
		add_real(&host, 0xd, i, SUBLEAF);
	for (uint32_t leaf = 0x80000000; leaf <= MIN(max_extended, 0x80000028); leaf++)
		add_real(&host, leaf, 0, 0);
	return host;
}

static void this_cpu(void **unused)
{
	struct mica_cpuid host = real_host();
	struct mica_info info = full_info;
	struct mica_cpuid policy;

	(void)unused;
	info.xcr0 = 0x7;
	info.xss = 0;
	policy = policy_of(&host, &info, 0, 1);
	for (uint32_t i = 0; i < policy.count; i++) {
		const struct mica_cpuid_entry *entry = &policy.entries[i];
		struct mica_cpuid_entry real = find(&host, entry->leaf, entry->subleaf);

		if (entry->leaf == 1) {
			assert_int_equal(entry->ecx & ~real.ecx & ~(1u << 31), 0);
			assert_int_equal(entry->edx & ~real.edx, 0);
		}
		if (entry->leaf == 7 && entry->subleaf == 0) {
			assert_int_equal(entry->ebx & ~real.ebx, 0);
			assert_int_equal(entry->ecx & ~real.ecx, 0);
			assert_int_equal(entry->edx & ~real.edx, 0);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(features),
		cmocka_unit_test(hidden_leaves),
		cmocka_unit_test(no_entry_twice),
		cmocka_unit_test(leaves_are_within_limits),
		cmocka_unit_test(without_x2apic),
		cmocka_unit_test(topology),
		cmocka_unit_test(amd),
		cmocka_unit_test(levels_are_alike),
		cmocka_unit_test(levels_hide_the_generation),
		cmocka_unit_test(level_xsave),
		cmocka_unit_test(level_identity),
		cmocka_unit_test(tsc_frequency),
		cmocka_unit_test(newer_topology_leaf),
		cmocka_unit_test(xsave),
		cmocka_unit_test(features_follow_xcr0),
		cmocka_unit_test(address_width),
		cmocka_unit_test(hypervisor),
		cmocka_unit_test(odd_hosts),
		cmocka_unit_test(this_cpu),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
