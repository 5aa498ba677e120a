// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Every arrangement of up to 64 CPUs: what a kernel makes of the CPUID of each of them, by each
 * of the ways in which Linux finds sockets, cores, threads and who shares a cache.
 */
#include "guest.h"

#include <string.h>

#include "../../../vmm/cpu/topology.h"

#define MAX_CPUS	64u

static const struct mica_info info = { .caps = MICA_CAP_X2APIC, .phys_bits = 39, .xcr0 = 7 };

/* What a kernel finds out about one CPU. */
struct place {
	unsigned int package;
	unsigned int core;		/* unique in its package */
	unsigned int thread;
	unsigned int threads;		/* of a core */
	unsigned int cores;		/* of a package */
};

static void add(struct mica_cpuid *list, uint32_t leaf, uint32_t subleaf, uint32_t flags,
		uint32_t eax, uint32_t ebx, uint32_t ecx, uint32_t edx)
{
	list->entries[list->count++] = (struct mica_cpuid_entry){
		.leaf = leaf, .subleaf = subleaf, .flags = flags,
		.eax = eax, .ebx = ebx, .ecx = ecx, .edx = edx,
	};
}

static struct mica_cpuid make_host(bool intel)
{
	struct mica_cpuid host = { 0 };
	const char *vendor = intel ? "GenuineIntel" : "AuthenticAMD";
	uint32_t words[3];

	memcpy(words, vendor, sizeof(words));
	add(&host, 0, 0, 0, intel ? 0x1f : 0x16, words[0], words[2], words[1]);
	add(&host, 1, 0, 0, 0x306c3, 0x800, 0xffffffff, 0xffffffff);
	for (uint32_t i = 0; i < 4; i++) {
		uint32_t level = i < 2 ? 1 : i;

		add(&host, intel ? 4 : 0x8000001d, i, MICA_CPUID_SUBLEAF,
		    0xffffc000 | 0x100 | level << 5 | (i < 2 ? i + 1 : 3), 0x1c0003f, 63, 0);
	}
	add(&host, 0x80000000, 0, 0, intel ? 0x80000008 : 0x80000021, 0, 0, 0);
	add(&host, 0x80000001, 0, 0, 0x306c3, 0, 0xffffffff, 0xffffffff);
	add(&host, 0x80000008, 0, 0, 0x3027, 0, 0xffff, 0);
	return host;
}

static struct mica_cpuid_entry find(const struct mica_cpuid *policy, uint32_t leaf,
				    uint32_t subleaf)
{
	for (uint32_t i = 0; i < policy->count; i++) {
		const struct mica_cpuid_entry *entry = &policy->entries[i];

		if (entry->leaf == leaf &&
		    (!(entry->flags & MICA_CPUID_SUBLEAF) || entry->subleaf == subleaf))
			return *entry;
	}
	return (struct mica_cpuid_entry){ 0 };
}

/* ------------------------------------------------------------ as kernels do */

static unsigned int order(unsigned int count)
{
	unsigned int bits = 0;

	while ((1u << bits) < count)
		bits++;
	return bits;
}

static struct place split(uint32_t id, unsigned int thread_bits, unsigned int package_bits)
{
	return (struct place){
		.package = id >> package_bits,
		.core = (id & ((1u << package_bits) - 1)) >> thread_bits,
		.thread = id & ((1u << thread_bits) - 1),
	};
}

/* Leaves 0xb and 0x1f: levels are asked for until one is of type 0. */
static struct place decode_extended(const struct mica_cpuid *policy, uint32_t leaf)
{
	struct mica_cpuid_entry level = find(policy, leaf, 0);
	unsigned int thread_bits = level.eax & 0x1f, package_bits = thread_bits;
	unsigned int threads = level.ebx & 0xffff, cpus = threads;
	uint32_t id = level.edx;
	struct place place;

	assert_int_equal(level.ecx >> 8 & 0xff, 1);
	assert_int_not_equal(level.ebx, 0);
	for (uint32_t i = 1; i < 8; i++) {
		level = find(policy, leaf, i);
		if (!(level.ecx >> 8 & 0xff))
			break;
		assert_int_equal(level.ecx & 0xff, i);
		assert_int_equal(level.ecx >> 8 & 0xff, 2);
		assert_int_equal(level.edx, id);
		package_bits = level.eax & 0x1f;
		cpus = level.ebx & 0xffff;
	}
	place = split(id, thread_bits, package_bits);
	place.threads = threads;
	place.cores = cpus / threads;
	return place;
}

/* Kernels that know leaf 1 and leaf 4 only: counts are of ids, not of CPUs. */
static struct place decode_legacy_intel(const struct mica_cpuid *policy)
{
	struct mica_cpuid_entry one = find(policy, 1, 0);
	unsigned int cores = (find(policy, 4, 0).eax >> 26) + 1;
	unsigned int ids = one.edx >> 28 & 1 ? one.ebx >> 16 & 0xff : 1;

	assert_int_equal(ids % cores, 0);
	return split(one.ebx >> 24, order(ids / cores), order(ids));
}

/* Leaves 0x80000008 and 0x8000001e, without 0xb. */
static struct place decode_amd(const struct mica_cpuid *policy)
{
	uint32_t size = find(policy, 0x80000008, 0).ecx;
	struct mica_cpuid_entry leaf = find(policy, 0x8000001e, 0);
	unsigned int threads = (leaf.ebx >> 8 & 0xff) + 1;
	unsigned int cpus = (size & 0xff) + 1;
	unsigned int bits = size >> 12 & 0xf ? size >> 12 & 0xf : order(cpus);
	struct place place = split(leaf.eax, order(threads), bits);

	assert_int_equal(leaf.ebx & 0xff, place.core);
	assert_int_equal(leaf.ecx, 0);
	assert_int_equal(find(policy, 0x80000001, 0).ecx >> 22 & 1, 1);
	assert_int_equal(find(policy, 0x80000001, 0).ecx >> 1 & 1, cpus > 1);
	assert_true(find(policy, 0x80000000, 0).eax >= 0x8000001e);
	place.threads = threads;
	place.cores = cpus / threads;
	return place;
}

/* ------------------------------------------------------------ checks */

static void assert_place(struct place place, struct place expected)
{
	assert_int_equal(place.package, expected.package);
	assert_int_equal(place.core, expected.core);
	assert_int_equal(place.thread, expected.thread);
}

static void assert_counts(struct place place, const struct cpu_topology *topology)
{
	assert_int_equal(place.threads, topology->threads);
	assert_int_equal(place.cores, topology->cores);
}

/* Which ids share a cache is a power of two on both vendors. */
static void check_caches(const struct mica_cpuid *policy, bool intel, struct place expected)
{
	uint32_t id = find(policy, 1, 0).ebx >> 24;
	unsigned int thread_bits = 0, package_bits = 0;

	for (uint32_t i = 0; i < 4; i++) {
		uint32_t eax = find(policy, intel ? 4 : 0x8000001d, i).eax;
		unsigned int shared = order((eax >> 14 & 0xfff) + 1);

		assert_int_equal(1u << shared, (eax >> 14 & 0xfff) + 1);
		if (i == 3)
			package_bits = shared;
		else
			thread_bits = shared;
		if (!intel)
			assert_int_equal(eax >> 26, 0x3f);	/* reserved there: the host's */
	}
	assert_place(split(id, thread_bits, package_bits), expected);
}

static void check_cpu(const struct cpuid_source *source, unsigned int index, bool intel,
		      struct place expected)
{
	struct mica_cpuid policy;

	cpuid_policy(source, index, &policy);
	assert_place(decode_extended(&policy, 0xb), expected);
	assert_counts(decode_extended(&policy, 0xb), source->topology);
	check_caches(&policy, intel, expected);
	if (intel) {
		assert_place(decode_legacy_intel(&policy), expected);
		assert_place(decode_extended(&policy, 0x1f), expected);
		assert_int_equal(find(&policy, 0x80000001, 0).ecx >> 22 & 1, 0);
		assert_int_equal(find(&policy, 0x80000001, 0).ecx >> 1 & 1, 0);
	} else {
		assert_place(decode_amd(&policy), expected);
		assert_counts(decode_amd(&policy), source->topology);
	}
}

static void check_topology(const struct cpu_topology *topology, bool intel)
{
	const struct mica_cpuid host = make_host(intel);
	const struct cpu_model model = { 0 };
	struct cpu_features features;
	const struct cpuid_source source = {
		.host = &host, .info = &info, .features = &features, .topology = topology,
	};
	unsigned int index = 0;

	assert_true(cpu_model_resolve(&model, &host, &info, &features, NULL));
	for (unsigned int thread = 0; thread < topology->threads; thread++)
		for (unsigned int socket = 0; socket < topology->sockets; socket++)
			for (unsigned int core = 0; core < topology->cores; core++)
				check_cpu(&source, index++, intel, (struct place){
					.package = socket, .core = core, .thread = thread });
	assert_int_equal(index, cpu_topology_cpus(topology));
}

static void every_topology(void **unused)
{
	unsigned int good = 0, refused = 0;

	(void)unused;
	for (unsigned int sockets = 1; sockets <= MAX_CPUS; sockets++)
		for (unsigned int cores = 1; sockets * cores <= MAX_CPUS; cores++)
			for (unsigned int threads = 1; sockets * cores * threads <= MAX_CPUS;
			     threads++) {
				struct cpu_topology topology = { sockets, cores, threads };

				if (!cpu_topology_complete(&topology, sockets * cores * threads,
							   MICA_MAX_VCPUS, NULL)) {
					refused++;
					continue;
				}
				check_topology(&topology, true);
				check_topology(&topology, false);
				good++;
			}
	/* What is refused has gaps that do not fit. */
	assert_int_equal(refused, 108);
	assert_int_equal(good, 688);
}

static void ids_are_apart(void **unused)
{
	static const struct cpu_topology topology = { 4, 3, 3 };
	bool taken[MICA_MAX_VCPUS] = { 0 };

	(void)unused;
	for (unsigned int i = 0; i < 36; i++) {
		unsigned int id = cpu_topology_apic_id(&topology, i);

		assert_in_range(id, 0, MICA_MAX_VCPUS - 1);
		assert_false(taken[id]);
		taken[id] = true;
	}
	assert_int_equal(cpu_topology_apic_id(&topology, 0), 0);
	assert_int_equal(cpu_topology_apic_id(&topology, 3), 16);	/* the next socket */
	assert_int_equal(cpu_topology_apic_id(&topology, 12), 1);	/* the second threads */
}

static void complete(unsigned int cpus, struct cpu_topology topology, struct cpu_topology expected)
{
	g_autoptr(GError) error = NULL;

	if (!cpu_topology_complete(&topology, cpus, MICA_MAX_VCPUS, &error))
		fail_msg("%s", error->message);
	assert_memory_equal(&topology, &expected, sizeof(expected));
}

static void counts_are_completed(void **unused)
{
	(void)unused;
	complete(1, (struct cpu_topology){ 0, 0, 0 }, (struct cpu_topology){ 1, 1, 1 });
	complete(64, (struct cpu_topology){ 0, 0, 0 }, (struct cpu_topology){ 1, 64, 1 });
	complete(8, (struct cpu_topology){ 2, 0, 0 }, (struct cpu_topology){ 2, 4, 1 });
	complete(8, (struct cpu_topology){ 0, 2, 0 }, (struct cpu_topology){ 4, 2, 1 });
	complete(8, (struct cpu_topology){ 0, 0, 2 }, (struct cpu_topology){ 1, 4, 2 });
	complete(8, (struct cpu_topology){ 0, 2, 2 }, (struct cpu_topology){ 2, 2, 2 });
	complete(8, (struct cpu_topology){ 2, 2, 0 }, (struct cpu_topology){ 2, 2, 2 });
	complete(8, (struct cpu_topology){ 2, 0, 2 }, (struct cpu_topology){ 2, 2, 2 });
	complete(12, (struct cpu_topology){ 2, 3, 2 }, (struct cpu_topology){ 2, 3, 2 });
}

static void refuse(unsigned int cpus, struct cpu_topology topology, const char *why)
{
	g_autoptr(GError) error = NULL;

	assert_false(cpu_topology_complete(&topology, cpus, MICA_MAX_VCPUS, &error));
	if (!strstr(error->message, why))
		fail_msg("\"%s\" does not say \"%s\"", error->message, why);
}

static void wrong_counts(void **unused)
{
	(void)unused;
	refuse(8, (struct cpu_topology){ 3, 0, 0 }, "3 sockets x 1 cores x 1 threads do not divide 8");
	refuse(8, (struct cpu_topology){ 2, 2, 1 }, "2 sockets x 2 cores x 1 threads do not make 8");
	refuse(8, (struct cpu_topology){ 0, 64, 64 }, "do not divide 8 CPUs");
	refuse(2, (struct cpu_topology){ 4, 0, 0 }, "do not divide 2 CPUs");
	refuse(45, (struct cpu_topology){ 5, 3, 3 }, "APIC ids up to 74");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_topology),
		cmocka_unit_test(ids_are_apart),
		cmocka_unit_test(counts_are_completed),
		cmocka_unit_test(wrong_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
