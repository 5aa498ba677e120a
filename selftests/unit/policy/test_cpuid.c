// SPDX-License-Identifier: GPL-2.0-or-later
/* What a CPUID policy may be, and what follows from it. */
#include "machine.h"

#include "backend.h"

static struct mica_cpuid policy;

static int setup(void **state)
{
	machine_setup(state);
	assert_int_equal(mica_cpuid_supported(&policy), 0);
	return 0;
}

/* ------------------------------------------------------------ what is listed */

static void test_supported_is_a_policy(void **state)
{
	assert_in_range(policy.count, 20, 80);
	give_policy(&policy);
}

static void test_supported_needs_nothing_that_is_missing(void **state)
{
	static const struct { u32 leaf, subleaf, reg, bit; const char *name; } none[] = {
		{ 1, 0, 2, 2, "DTES64" }, { 1, 0, 2, 3, "MONITOR" }, { 1, 0, 2, 5, "VMX" },
		{ 1, 0, 2, 6, "SMX" }, { 1, 0, 2, 7, "EIST" }, { 1, 0, 2, 15, "PDCM" },
		{ 1, 0, 2, 27, "OSXSAVE" }, { 1, 0, 3, 21, "DS" }, { 1, 0, 3, 22, "ACPI" },
		{ 1, 0, 3, 18, "PSN" }, { 1, 0, 3, 28, "HTT" },
		{ 6, 0, 0, 0, "thermal sensor" }, { 6, 0, 0, 1, "turbo" },
		{ 7, 0, 1, 2, "SGX" }, { 7, 0, 1, 12, "RDT-M" }, { 7, 0, 1, 14, "MPX" },
		{ 7, 0, 1, 15, "RDT-A" }, { 7, 0, 1, 25, "PT" },
		{ 7, 0, 2, 4, "OSPKE" }, { 7, 0, 2, 5, "WAITPKG" }, { 7, 0, 2, 7, "CET_SS" },
		{ 7, 0, 2, 13, "TME" }, { 7, 0, 2, 16, "LA57" }, { 7, 0, 2, 23, "KL" },
		{ 7, 0, 2, 24, "bus lock" }, { 7, 0, 2, 29, "ENQCMD" }, { 7, 0, 2, 31, "PKS" },
		{ 7, 0, 3, 5, "UINTR" }, { 7, 0, 3, 15, "hybrid" }, { 7, 0, 3, 18, "PCONFIG" },
		{ 7, 0, 3, 19, "LBR" }, { 7, 0, 3, 20, "CET_IBT" }, { 7, 0, 3, 22, "AMX-BF16" },
		{ 7, 0, 3, 24, "AMX-TILE" }, { 7, 0, 3, 25, "AMX-INT8" },
		{ 7, 0, 3, 30, "CORE_CAPABILITIES" }, { 7, 1, 0, 6, "LASS" },
		{ 7, 1, 0, 17, "FRED" }, { 7, 1, 0, 18, "LKGS" }, { 7, 1, 0, 21, "AMX-FP16" },
		{ 7, 1, 0, 22, "HRESET" }, { 7, 1, 0, 26, "LAM" }, { 7, 1, 0, 27, "MSRLIST" },
		{ 0xd, 1, 0, 4, "XFD" },
		{ 0x80000001, 0, 2, 2, "SVM" }, { 0x80000001, 0, 2, 9, "OSVW" },
		{ 0x80000001, 0, 2, 10, "IBS" }, { 0x80000001, 0, 2, 29, "MONITORX" },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(none); i++) {
		struct mica_cpuid_entry *e = policy_leaf(&policy, none[i].leaf, none[i].subleaf);
		u32 regs[4] = { e->eax, e->ebx, e->ecx, e->edx };

		if (regs[none[i].reg] & BIT(none[i].bit))
			fail_msg("%s is offered", none[i].name);
	}
	for (i = 0; i < policy.count; i++) {
		assert_int_not_equal(policy.entries[i].leaf, 0x5);
		assert_int_not_equal(policy.entries[i].leaf, 0xa);
		assert_int_not_equal(policy.entries[i].leaf, 0x14);
	}
}

static void test_supported_has_what_is_emulated(void **state)
{
	host_leaf(1, 0)->ecx = 0;
	host_leaf(1, 0)->edx = 0;
	host_leaf(7, 0)->ebx = 0;
	host_boot();
	assert_int_equal(mica_cpuid_supported(&policy), 0);
	/* hypervisor, TSC-deadline, x2APIC; MCA, MTRR, APIC; TSC_ADJUST; ARAT */
	assert_int_equal(policy_leaf(&policy, 1, 0)->ecx, 0x81200000);
	assert_int_equal(policy_leaf(&policy, 1, 0)->edx, 0x00005200);
	assert_int_equal(policy_leaf(&policy, 7, 0)->ebx, 0x00000002);
	assert_int_equal(policy_leaf(&policy, 6, 0)->eax, 4);
}

static void test_supported_is_one_cpu(void **state)
{
	assert_int_equal(policy_leaf(&policy, 1, 0)->ebx, 0x00010800);
	assert_int_equal(policy_leaf(&policy, 4, 3)->eax, 0x163);
	assert_int_equal(policy_leaf(&policy, 0xb, 0)->ecx, 0x100);
	assert_int_equal(policy_leaf(&policy, 0xb, 1)->ecx, 0x201);
	assert_int_equal(policy_leaf(&policy, 0xb, 1)->ebx, 1);
	assert_int_equal(policy_leaf(&policy, 0x80000008, 0)->eax, 0x302e);
	assert_int_equal(policy_leaf(&policy, 0x80000008, 0)->ecx, 0);
	assert_int_equal(policy_leaf(&policy, 0, 0)->eax, 0x1f);
	assert_int_equal(policy_leaf(&policy, 0x80000000, 0)->eax, 0x80000021);
}

static void test_supported_tells_the_tsc_frequency(void **state)
{
	struct mica_cpuid_entry *entry = policy_leaf(&policy, 0x15, 0);
	unsigned int i;

	assert_int_equal(entry->eax, 1);
	assert_int_equal(entry->ebx, 1);
	assert_int_equal(entry->ecx, 2100000000);
	assert_int_equal(policy_leaf(&policy, 0x16, 0)->eax, 2100);
	/* Faster than 32 bits can say: the guest measures. */
	tsc_khz = 5000000;
	assert_int_equal(mica_cpuid_supported(&policy), 0);
	for (i = 0; i < policy.count; i++)
		assert_int_not_equal(policy.entries[i].leaf, 0x15);
	assert_int_equal(policy_leaf(&policy, 0x16, 0)->eax, 5000);
}

static void test_supported_xsave(void **state)
{
	struct mica_cpuid_entry *entry = policy_leaf(&policy, 0xd, 0);
	unsigned int i;

	assert_int_equal(entry->eax, 0x2e7);
	assert_int_equal(entry->ecx, 2696);
	assert_int_equal(policy_leaf(&policy, 0xd, 9)->ebx, 2688);
	assert_int_equal(policy_leaf(&policy, 0xd, 1)->eax, 0xf);
	assert_int_equal(policy_leaf(&policy, 0xd, 1)->ecx, 0);
	for (i = 0; i < policy.count; i++)	/* not MPX, not AMX, not CET */
		if (policy.entries[i].leaf == 0xd && policy.entries[i].subleaf > 2)
			assert_true(BIT(policy.entries[i].subleaf) & 0x2e0);
}

static void test_kernel_says_no(void **state)
{
	static const struct { u32 word, bit, leaf, reg; } kernel[] = {
		{ CPUID_1_ECX, 30, 1, 2 },		/* RDRAND */
		{ CPUID_7_0_EBX, 20, 7, 1 },		/* SMAP */
		{ CPUID_7_ECX, 4, 7, 2 },		/* OSPKE, seen as PKU */
		{ CPUID_LNX_4, 16, 7, 3 },		/* MSR_SPEC_CTRL */
	};
	static const u32 guest_bits[] = { BIT(30), BIT(20), BIT(3), BIT(26) | BIT(27) | BIT(31) };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(kernel); i++) {
		struct mica_cpuid_entry *entry = policy_leaf(&policy, kernel[i].leaf, 0);
		u32 *reg = &entry->eax + kernel[i].reg;

		assert_int_equal(*reg & guest_bits[i], guest_bits[i]);
		boot_cpu_data.x86_capability[kernel[i].word] &= ~BIT(kernel[i].bit);
		assert_int_equal(mica_fpu_setup(), 0);
		assert_int_equal(mica_cpuid_set(vcpu, &policy), -EINVAL);
		assert_int_equal(mica_cpuid_supported(&policy), 0);
		entry = policy_leaf(&policy, kernel[i].leaf, 0);
		assert_int_equal(*(&entry->eax + kernel[i].reg) & guest_bits[i], 0);
		give_policy(&policy);
	}
}

static void test_cpu_says_no(void **state)
{
	host_leaf(0x7, 0)->ebx &= ~BIT(16);
	host_leaf(0x80000007, 0)->edx = 0;
	assert_int_equal(mica_cpuid_set(vcpu, &policy), -EINVAL);
	assert_int_equal(mica_cpuid_supported(&policy), 0);
	assert_false(policy_leaf(&policy, 7, 0)->ebx & BIT(16));
}

/* Beyond its last leaf a CPU answers with other leaves' data. */
static void test_old_cpu(void **state)
{
	u32 i;

	host_leaf(0, 0)->eax = 0xd;
	host_leaf(7, 0)->eax = 0;
	host_leaf(0xd, 0)->ebx = 0x0badbad0;
	host_leaf(0x80000000, 0)->eax = 0x80000008;
	host_leaf(0xd, 0)->edx = 0x0badbad0;
	assert_int_equal(mica_cpuid_set(vcpu, &policy), -EINVAL);
	assert_int_equal(mica_cpuid_supported(&policy), 0);
	give_policy(&policy);
	for (i = 0; i < policy.count; i++) {
		assert_int_not_equal(policy.entries[i].leaf, 0x1f);
		assert_int_not_equal(policy.entries[i].leaf, 0x80000021);
		assert_false(policy.entries[i].leaf == 7 && policy.entries[i].subleaf);
	}
}

static void test_backend_says_no(void **state)
{
	((struct mica_backend *)mica_backend)->lacks = MICA_LACKS_RDTSCP | MICA_LACKS_INVPCID |
						       MICA_LACKS_XSAVES;
	assert_int_equal(mica_cpuid_supported(&policy), 0);
	assert_false(policy_leaf(&policy, 7, 0)->ebx & BIT(10));
	assert_false(policy_leaf(&policy, 7, 0)->ecx & BIT(22));
	assert_false(policy_leaf(&policy, 0x80000001, 0)->edx & BIT(27));
	assert_int_equal(policy_leaf(&policy, 0xd, 1)->eax, 7);
}

static void test_host_without_xsave(void **state)
{
	u32 i;

	host_leaf(1, 0)->ecx &= ~BIT(26);
	boot_cpu_data.x86_capability[CPUID_1_ECX] &= ~BIT(26);
	/* mica_fpu_xcr0() is found at module load, once. */
	assert_int_equal(mica_cpuid_supported(&policy), 0);
	assert_false(policy_leaf(&policy, 1, 0)->ecx & BIT(26));
	for (i = policy.count; i--;)
		if (policy.entries[i].leaf == 0xd)
			policy_remove(&policy, 0xd, policy.entries[i].subleaf);
	give_policy(&policy);
	assert_int_equal(vcpu->features.xcr0, 0);
	assert_true(vcpu->features.cr4_reserved & X86_CR4_OSXSAVE);
}

/* ------------------------------------------------------------ what is refused */

static void clear_leaf(struct mica_cpuid *p, u32 leaf, u32 subleaf)
{
	struct mica_cpuid_entry *entry = policy_leaf(p, leaf, subleaf);

	entry->eax = entry->ebx = entry->ecx = entry->edx = 0;
}

static void add(struct mica_cpuid *p, u32 leaf, u32 subleaf, u32 flags, u32 eax)
{
	p->entries[p->count++] = (struct mica_cpuid_entry){ leaf, subleaf, flags, eax };
}

static void vmx(struct mica_cpuid *p) { policy_leaf(p, 1, 0)->ecx |= BIT(5); }
static void monitor(struct mica_cpuid *p) { policy_leaf(p, 1, 0)->ecx |= BIT(3); }
static void la57(struct mica_cpuid *p) { policy_leaf(p, 7, 0)->ecx |= BIT(16); }
static void unknown_edx(struct mica_cpuid *p) { policy_leaf(p, 1, 0)->edx |= BIT(20); }
static void turbo(struct mica_cpuid *p) { policy_leaf(p, 6, 0)->eax |= BIT(1); }
static void pad(struct mica_cpuid *p) { p->entries[3].pad = 1; }
static void outer_pad(struct mica_cpuid *p) { p->pad = 1; }
static void flags(struct mica_cpuid *p) { p->entries[3].flags |= 2; }
static void dynamic_flag(struct mica_cpuid *p) { p->entries[3].flags |= BIT(31); }
static void too_many(struct mica_cpuid *p) { p->count = MICA_MAX_CPUID + 1; }
static void huge_count(struct mica_cpuid *p) { p->count = ~0u; }
static void twice(struct mica_cpuid *p) { add(p, 0x80000002, 0, 0, 0); }
static void subleaf_twice(struct mica_cpuid *p) { add(p, 4, 1, MICA_CPUID_SUBLEAF, 0); }
static void all_and_one(struct mica_cpuid *p) { add(p, 4, 0, 0, 0); }
static void all_and_one_zero(struct mica_cpuid *p)
{
	add(p, 3, 0, 0, 0);
	add(p, 3, 5, MICA_CPUID_SUBLEAF, 0);
}
static void one_and_all_zero(struct mica_cpuid *p)
{
	add(p, 3, 0, MICA_CPUID_SUBLEAF, 0);
	add(p, 3, 0, 0, 0);
}
static void all_of_leaf_7(struct mica_cpuid *p) { policy_leaf(p, 7, 0)->flags = 0; }
static void subleaf_of_1(struct mica_cpuid *p) { policy_leaf(p, 1, 0)->flags = 1; }
static void stray_subleaf(struct mica_cpuid *p) { policy_leaf(p, 1, 0)->subleaf = 1; }
static void stray_zero(struct mica_cpuid *p) { add(p, 3, 5, 0, 0); }
static void pmu(struct mica_cpuid *p) { add(p, 0xa, 0, 0, 0x07300404); }
static void mwait(struct mica_cpuid *p) { add(p, 5, 0, 0, 0x40); }
static void pt(struct mica_cpuid *p) { add(p, 0x14, 0, MICA_CPUID_SUBLEAF, 1); }
static void no_leaf_0(struct mica_cpuid *p) { policy_remove(p, 0, 0); }
static void no_leaf_0_but_a_limit(struct mica_cpuid *p)
{
	policy_remove(p, 0, 0);
	policy_leaf(p, 1, 0)->eax = 0x1f;
}
static void low_limit(struct mica_cpuid *p) { policy_leaf(p, 0, 0)->eax = 0x15; }
static void high_limit(struct mica_cpuid *p) { policy_leaf(p, 0, 0)->eax = 0x20; }
static void low_extended(struct mica_cpuid *p) { policy_leaf(p, 0x80000000, 0)->eax = 0x80000007; }
static void high_extended(struct mica_cpuid *p) { policy_leaf(p, 0x80000000, 0)->eax = 0x80000022; }
static void no_extended(struct mica_cpuid *p) { policy_remove(p, 0x80000000, 0); }
static void other_range(struct mica_cpuid *p) { add(p, 0xc0000000, 0, 0, 0); }
static void between(struct mica_cpuid *p) { add(p, 0x20000000, 0, 0, 0); }
static void wide_addresses(struct mica_cpuid *p) { policy_leaf(p, 0x80000008, 0)->eax = 0x302f; }
static void narrow_addresses(struct mica_cpuid *p) { policy_leaf(p, 0x80000008, 0)->eax = 0x301f; }
static void linear_57(struct mica_cpuid *p) { policy_leaf(p, 0x80000008, 0)->eax = 0x392e; }
static void x2apic_alone(struct mica_cpuid *p)
{
	policy_leaf(p, 1, 0)->edx &= ~BIT(9);
	policy_leaf(p, 1, 0)->ecx &= ~BIT(24);
}
static void deadline_alone(struct mica_cpuid *p)
{
	policy_leaf(p, 1, 0)->edx &= ~BIT(9);
	policy_leaf(p, 1, 0)->ecx &= ~BIT(21);
}
static void xsave_size(struct mica_cpuid *p) { policy_leaf(p, 0xd, 0)->ecx = 2695; }
static void no_sse(struct mica_cpuid *p) { policy_leaf(p, 0xd, 0)->eax &= ~2u; }
static void no_x87(struct mica_cpuid *p) { policy_leaf(p, 0xd, 0)->eax &= ~1u; }
static void x87_only(struct mica_cpuid *p)
{
	unsigned int i;

	policy_leaf(p, 0xd, 0)->eax = 1;
	policy_leaf(p, 0xd, 0)->ecx = 576;
	for (i = 2; i < 10; i++)
		if (BIT(i) & 0x2e4)
			policy_remove(p, 0xd, i);
}
static void half_avx512(struct mica_cpuid *p)
{
	policy_leaf(p, 0xd, 0)->eax &= ~BIT(6);
	policy_remove(p, 0xd, 6);
}
static void mpx(struct mica_cpuid *p) { policy_leaf(p, 0xd, 0)->eax |= 0x18; }
static void amx(struct mica_cpuid *p) { policy_leaf(p, 0xd, 0)->eax |= 0x60000; }
static void high_xcr0(struct mica_cpuid *p) { policy_leaf(p, 0xd, 0)->edx = BIT(30); }
static void pkru_alone(struct mica_cpuid *p) { policy_leaf(p, 7, 0)->ecx &= ~BIT(3); }
static void xss(struct mica_cpuid *p) { policy_leaf(p, 0xd, 1)->ecx = 0x800; }
static void xss_described(struct mica_cpuid *p)
{
	xss(p);
	p->entries[p->count++] = *host_leaf(0xd, 11);
}
static void no_component(struct mica_cpuid *p) { policy_remove(p, 0xd, 5); }
static void moved_component(struct mica_cpuid *p) { policy_leaf(p, 0xd, 9)->ebx = 2560; }
static void stray_component(struct mica_cpuid *p) { add(p, 0xd, 3, MICA_CPUID_SUBLEAF, 64); }
static void far_component(struct mica_cpuid *p) { add(p, 0xd, 40, MICA_CPUID_SUBLEAF, 64); }
static void no_xsave_leaf(struct mica_cpuid *p) { policy_remove(p, 0xd, 0); }
static void no_xsave_feature(struct mica_cpuid *p) { policy_leaf(p, 1, 0)->ecx &= ~BIT(26); }

static void test_refused(void **state)
{
#define CASE(f) { f, #f }
	static const struct { void (*spoil)(struct mica_cpuid *p); const char *name; } cases[] = {
		CASE(vmx), CASE(monitor), CASE(la57), CASE(unknown_edx), CASE(turbo), CASE(pad),
		CASE(outer_pad), CASE(flags), CASE(dynamic_flag), CASE(too_many),
		CASE(huge_count), CASE(twice), CASE(subleaf_twice), CASE(all_and_one),
		CASE(all_and_one_zero), CASE(one_and_all_zero), CASE(all_of_leaf_7),
		CASE(subleaf_of_1), CASE(stray_subleaf), CASE(pmu), CASE(stray_zero),
		CASE(no_leaf_0_but_a_limit), CASE(x87_only), CASE(xss_described), CASE(mwait), CASE(pt),
		CASE(no_leaf_0), CASE(low_limit), CASE(high_limit), CASE(low_extended),
		CASE(high_extended), CASE(no_extended), CASE(other_range), CASE(between),
		CASE(wide_addresses), CASE(narrow_addresses), CASE(linear_57),
		CASE(x2apic_alone), CASE(deadline_alone), CASE(xsave_size), CASE(no_sse),
		CASE(no_x87), CASE(half_avx512), CASE(mpx), CASE(amx), CASE(high_xcr0),
		CASE(pkru_alone), CASE(xss), CASE(no_component), CASE(moved_component),
		CASE(stray_component), CASE(far_component), CASE(no_xsave_leaf),
		CASE(no_xsave_feature),
	};
	struct mica_guest_features features;
	struct mica_cpuid *before;
	unsigned int i;

	give_policy(&policy);
	before = vcpu->cpuid;
	features = vcpu->features;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct mica_cpuid bad = policy;

		cases[i].spoil(&bad);
		if (mica_cpuid_set(vcpu, &bad) != -EINVAL)
			fail_msg("%s: not refused", cases[i].name);
		assert_ptr_equal(vcpu->cpuid, before);
		assert_memory_equal(&vcpu->features, &features, sizeof(features));
	}
}

static void test_no_memory(void **state)
{
	machine.no_memory = true;
	assert_int_equal(mica_cpuid_set(vcpu, &policy), -ENOMEM);
	assert_null(vcpu->cpuid);
}

/* ------------------------------------------------------------ what is accepted */

static void test_less_is_accepted(void **state)
{
	policy_leaf(&policy, 1, 0)->ecx = 0;
	policy_leaf(&policy, 1, 0)->edx = BIT(0) | BIT(9);
	clear_leaf(&policy, 7, 0);
	clear_leaf(&policy, 0xd, 1);
	give_policy(&policy);
}

static void test_the_vmm_may_choose(void **state)
{
	struct mica_cpuid_entry *entry = policy_leaf(&policy, 1, 0);

	entry->eax = 0x663;
	entry->ebx = 0x12345678;
	entry->edx |= BIT(28);
	entry->ecx |= BIT(27);
	entry->ecx &= ~BIT(31);
	policy_leaf(&policy, 7, 0)->ecx |= BIT(4);
	policy_leaf(&policy, 0xb, 0)->ebx = 4;
	policy_leaf(&policy, 0x80000002, 0)->edx = 0x20202020;
	add(&policy, 0x40000000, 0, 0, 0x40000002);
	add(&policy, 0x40000002, 7, MICA_CPUID_SUBLEAF, 0xffffffff);
	add(&policy, 0x9, 0, 0, 0);
	give_policy(&policy);
}

static void test_empty_policy(void **state)
{
	struct mica_guest_features none = vcpu->features;
	struct mica_cpuid empty = { 0 };

	give_policy(&policy);
	assert_memory_not_equal(&vcpu->features, &none, sizeof(none));
	give_policy(&empty);
	assert_null(vcpu->cpuid);
	assert_memory_equal(&vcpu->features, &none, sizeof(none));
}

static void test_registers_must_fit(void **state)
{
	struct mica_cpuid less = policy;

	policy_leaf(&less, 7, 0)->ecx &= ~BIT(3);	/* PKU */
	policy_leaf(&less, 0xd, 0)->eax &= ~BIT(9);
	policy_leaf(&less, 0xd, 0)->ecx = 2688;
	policy_remove(&less, 0xd, 9);
	give_policy(&less);
	assert_false(vcpu->features.pku);

	machine.cr4 = X86_CR4_PKE;
	assert_int_equal(mica_cpuid_set(vcpu, &less), -EINVAL);
	give_policy(&policy);
	machine.cr4 = 0;
	vcpu->xcr0 = 0x207;
	assert_int_equal(mica_cpuid_set(vcpu, &less), -EINVAL);
	give_policy(&policy);
	vcpu->xcr0 = 7;
	vcpu->xss = 0x800;
	assert_int_equal(mica_cpuid_set(vcpu, &policy), -EINVAL);
	vcpu->xss = 0;
	vcpu->spec_ctrl = 1;
	give_policy(&less);
	policy_leaf(&less, 7, 0)->edx &= ~BIT(26);
	policy_leaf(&less, 0x80000008, 0)->ebx &= ~BIT(14);
	assert_int_equal(mica_cpuid_set(vcpu, &less), -EINVAL);
	vcpu->spec_ctrl = 0;
	give_policy(&less);
}

/* Any bits and bytes: refused, or what the host can do.  The guest then asks for anything. */
static void test_random_policies(void **state)
{
	unsigned int round, accepted = 0, i;
	u32 regs[4];

	srandom(1);
	for (round = 0; round < 20000; round++) {
		struct mica_cpuid changed = policy;
		unsigned int changes = 1 + random() % 3;

		while (changes--) {
			struct mica_cpuid_entry *entry =
				&changed.entries[random() % changed.count];
			u32 *word = &entry->leaf + random() % 8;

			*word = random() % 4 ? *word ^ BIT(random() % 32) : random() % 0x40;
		}
		if (mica_cpuid_set(vcpu, &changed))
			continue;
		accepted++;
		assert_int_equal(vcpu->features.xcr0 & ~mica_fpu_xcr0(), 0);
		assert_int_equal(vcpu->features.xss, 0);
		assert_true(vcpu->features.cr4_reserved & X86_CR4_VMXE);
		assert_in_range(vcpu->features.phys_bits, 32, 46);
		for (i = 0; i < 8; i++)
			guest_cpuid(random() % 0x30 | (u32)(random() & 0xc) << 28, random() % 12,
				    regs);
	}
	assert_in_range(accepted, 1000, 19000);
}

/* ------------------------------------------------------------ features */

static void test_features_of_all(void **state)
{
	const struct mica_guest_features *f = &vcpu->features;
	u64 never = X86_CR4_VMXE | X86_CR4_SMXE | X86_CR4_LA57 | X86_CR4_CET | BIT_ULL(19) |
		    BIT_ULL(24) | BIT_ULL(25) | BIT_ULL(28) | BIT_ULL(32) | ~(BIT_ULL(32) - 1) |
		    BIT_ULL(15) | GENMASK(31, 26);

	machine.msrs[0x10a] = ~0ull;
	give_policy(&policy);
	assert_int_equal(f->cr4_reserved, never);
	assert_int_equal(f->efer_reserved, ~0x4d01ull);
	assert_int_equal(f->xcr0, 0x2e7);
	assert_int_equal(f->xss, 0);
	assert_int_equal(f->phys_bits, 46);
	assert_int_equal(f->spec_ctrl_bits, 0x5ff);
	assert_true(f->x2apic && f->tsc_deadline && f->tsc_adjust && f->pred_cmd && f->flush_cmd);
	assert_true(f->arch_caps && f->xsaves && f->rdtscp && f->long_mode && f->mtrr && f->pcid);
	assert_true(f->pku && !f->amd);
	/* Bug-free, says the kernel, too; no TSX_CTRL, no FB_CLEAR_CTRL, no XAPIC_DISABLE. */
	assert_int_equal(f->arch_capabilities & (BIT(7) | BIT(18) | BIT(21) | BIT(25)), 0);
	assert_int_equal(f->arch_capabilities & 0x7f, 0x7f);
}

static void test_each_cr4_bit_needs_its_feature(void **state)
{
	static const struct { u32 leaf, reg, bit; u64 cr4; } rows[] = {
		{ 1, 3, 1, X86_CR4_VME | X86_CR4_PVI }, { 1, 3, 2, X86_CR4_DE },
		{ 1, 3, 3, X86_CR4_PSE }, { 1, 3, 4, X86_CR4_TSD }, { 1, 3, 6, X86_CR4_PAE },
		{ 1, 3, 7, X86_CR4_MCE }, { 1, 3, 13, X86_CR4_PGE },
		{ 1, 3, 24, X86_CR4_OSFXSR }, { 1, 3, 25, X86_CR4_OSXMMEXCPT },
		{ 7, 2, 2, X86_CR4_UMIP }, { 7, 1, 0, X86_CR4_FSGSBASE },
		{ 1, 2, 17, X86_CR4_PCIDE }, { 7, 1, 7, X86_CR4_SMEP },
		{ 7, 1, 20, X86_CR4_SMAP },
	};
	struct mica_guest_features all;
	unsigned int i;

	give_policy(&policy);
	all = vcpu->features;
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		struct mica_cpuid less = policy;
		struct mica_cpuid_entry *entry = policy_leaf(&less, rows[i].leaf, 0);

		*(&entry->eax + rows[i].reg) &= ~BIT(rows[i].bit);
		assert_false(all.cr4_reserved & rows[i].cr4);
		give_policy(&less);
		assert_int_equal(vcpu->features.cr4_reserved, all.cr4_reserved | rows[i].cr4);
	}
}

static void test_features_of_little(void **state)
{
	const struct mica_guest_features *f = &vcpu->features;
	struct mica_cpuid little = { .count = 2, .entries = {
		{ .leaf = 1, .edx = BIT(0) | BIT(17) },
		{ .leaf = 0, .eax = 1, .ebx = 0x68747541 },
	} };

	give_policy(&little);
	assert_int_equal(f->cr4_reserved, ~(u64)X86_CR4_PCE);
	assert_int_equal(f->efer_reserved, ~0ull);
	assert_int_equal(f->phys_bits, 36);
	assert_int_equal(f->xcr0 | f->xss | f->spec_ctrl_bits | f->arch_capabilities, 0);
	assert_false(f->x2apic || f->tsc_deadline || f->tsc_adjust || f->pred_cmd || f->flush_cmd);
	assert_false(f->arch_caps || f->xsaves || f->rdtscp || f->long_mode || f->mtrr || f->pcid);
	assert_false(f->pku);
	assert_true(f->amd);
	little.entries[0].edx = 0;
	give_policy(&little);
	assert_int_equal(f->phys_bits, 32);
}

static void test_features_of_no_policy(void **state)
{
	const struct mica_guest_features *f = &vcpu->features;

	assert_int_equal(f->cr4_reserved, ~0x7fful);
	assert_int_equal(f->efer_reserved, ~0xd01ull);
	assert_int_equal(f->phys_bits, 46);
	assert_true(f->long_mode && f->mtrr);
	assert_false(f->x2apic || f->tsc_deadline || f->xcr0 || f->pku);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, machine_teardown)
	static const struct CMUnitTest tests[] = {
		TEST(test_supported_is_a_policy),
		TEST(test_supported_needs_nothing_that_is_missing),
		TEST(test_supported_has_what_is_emulated),
		TEST(test_supported_is_one_cpu),
		TEST(test_supported_tells_the_tsc_frequency),
		TEST(test_supported_xsave),
		TEST(test_kernel_says_no),
		TEST(test_cpu_says_no),
		TEST(test_old_cpu),
		TEST(test_backend_says_no),
		TEST(test_host_without_xsave),
		TEST(test_refused),
		TEST(test_no_memory),
		TEST(test_less_is_accepted),
		TEST(test_the_vmm_may_choose),
		TEST(test_empty_policy),
		TEST(test_registers_must_fit),
		TEST(test_random_policies),
		TEST(test_features_of_all),
		TEST(test_each_cr4_bit_needs_its_feature),
		TEST(test_features_of_little),
		TEST(test_features_of_no_policy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
