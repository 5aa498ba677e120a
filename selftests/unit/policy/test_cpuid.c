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

enum op { END, OR, CLEAR, PUT, FLAGS, SUBLEAF, PAD, ADD, REMOVE };
enum { EAX, EBX, ECX, EDX };
#define SUB	MICA_CPUID_SUBLEAF

/* One change of a policy.  ADD: an entry with flags `reg` and `value` in EAX. */
struct change {
	enum op op;
	u32 leaf, subleaf, reg, value;
};

static void change_policy(struct mica_cpuid *p, const struct change *c)
{
	struct mica_cpuid_entry *entry;

	if (c->op == ADD) {
		add(p, c->leaf, c->subleaf, c->reg, c->value);
		return;
	}
	if (c->op == REMOVE) {
		policy_remove(p, c->leaf, c->subleaf);
		return;
	}
	entry = policy_leaf(p, c->leaf, c->subleaf);
	if (c->op == OR)
		*(&entry->eax + c->reg) |= c->value;
	else if (c->op == CLEAR)
		*(&entry->eax + c->reg) &= ~c->value;
	else if (c->op == PUT)
		*(&entry->eax + c->reg) = c->value;
	else if (c->op == FLAGS)
		entry->flags = c->value;
	else if (c->op == SUBLEAF)
		entry->subleaf = c->value;
	else
		entry->pad = c->value;
}

static const struct bad_policy {
	const char *name;
	struct change changes[8];
} bad_policies[] = {
	{ "VMX", { { OR, 1, 0, ECX, BIT(5) } } },
	{ "MONITOR", { { OR, 1, 0, ECX, BIT(3) } } },
	{ "LA57", { { OR, 7, 0, ECX, BIT(16) } } },
	{ "no feature at all", { { OR, 1, 0, EDX, BIT(20) } } },
	{ "turbo", { { OR, 6, 0, EAX, BIT(1) } } },
	{ "pad", { { PAD, 1, 0, 0, 1 } } },
	{ "flags", { { FLAGS, 4, 1, 0, SUB | 2 } } },
	{ "the kernel's own flag", { { FLAGS, 1, 0, 0, BIT(31) } } },
	{ "leaf twice", { { ADD, 0x80000002 } } },
	{ "subleaf twice", { { ADD, 4, 1, SUB } } },
	{ "all subleaves, and one", { { ADD, 4, 0, 0 } } },
	{ "all subleaves, and one, of an unknown leaf", { { ADD, 3 }, { ADD, 3, 5, SUB } } },
	{ "the same the other way round", { { ADD, 3, 0, SUB }, { ADD, 3 } } },
	{ "leaf 7 without subleaves", { { FLAGS, 7, 0, 0, 0 } } },
	{ "leaf 1 with subleaves", { { FLAGS, 1, 0, 0, SUB } } },
	{ "subleaf without flag", { { SUBLEAF, 1, 0, 0, 1 } } },
	{ "the same, of an unknown leaf", { { ADD, 3, 5 } } },
	{ "performance monitoring", { { ADD, 0xa, 0, 0, 0x07300404 } } },
	{ "MWAIT", { { ADD, 5, 0, 0, 0x40 } } },
	{ "PT", { { ADD, 0x14, 0, SUB, 1 } } },
	{ "no leaf 0", { { REMOVE, 0 } } },
	{ "a limit in another leaf", { { REMOVE, 0 }, { PUT, 1, 0, EAX, 0x1f } } },
	{ "leaf beyond the limit", { { PUT, 0, 0, EAX, 0x15 } } },
	{ "limit beyond what there is", { { PUT, 0, 0, EAX, 0x20 } } },
	{ "extended leaf beyond the limit", { { PUT, 0x80000000, 0, EAX, 0x80000007 } } },
	{ "extended limit beyond", { { PUT, 0x80000000, 0, EAX, 0x80000022 } } },
	{ "no extended limit", { { REMOVE, 0x80000000 } } },
	{ "another range", { { ADD, 0xc0000000 } } },
	{ "no range", { { ADD, 0x20000000 } } },
	{ "47 physical bits", { { PUT, 0x80000008, 0, EAX, 0x302f } } },
	{ "31 physical bits", { { PUT, 0x80000008, 0, EAX, 0x301f } } },
	{ "57 linear bits", { { PUT, 0x80000008, 0, EAX, 0x392e } } },
	{ "x2APIC alone", { { CLEAR, 1, 0, EDX, BIT(9) }, { CLEAR, 1, 0, ECX, BIT(24) } } },
	{ "TSC-deadline alone", { { CLEAR, 1, 0, EDX, BIT(9) }, { CLEAR, 1, 0, ECX, BIT(21) } } },
	{ "XSAVE size", { { PUT, 0xd, 0, ECX, 2695 } } },
	{ "XCR0 without SSE", { { CLEAR, 0xd, 0, EAX, 2 } } },
	{ "XCR0 without x87", { { CLEAR, 0xd, 0, EAX, 1 } } },
	{ "XCR0 with x87 alone", { { PUT, 0xd, 0, EAX, 1 }, { PUT, 0xd, 0, ECX, 576 },
		{ REMOVE, 0xd, 2 }, { REMOVE, 0xd, 5 }, { REMOVE, 0xd, 6 }, { REMOVE, 0xd, 7 },
		{ REMOVE, 0xd, 9 } } },
	{ "half of AVX-512", { { CLEAR, 0xd, 0, EAX, BIT(6) }, { REMOVE, 0xd, 6 } } },
	{ "MPX", { { OR, 0xd, 0, EAX, 0x18 } } },
	{ "AMX", { { OR, 0xd, 0, EAX, 0x60000 } } },
	{ "high half of XCR0", { { PUT, 0xd, 0, EDX, BIT(30) } } },
	{ "PKRU without PKU", { { CLEAR, 7, 0, ECX, BIT(3) } } },
	{ "XSS", { { PUT, 0xd, 1, ECX, 0x800 } } },
	{ "XSS with its component", { { PUT, 0xd, 1, ECX, 0x800 }, { ADD, 0xd, 11, SUB, 16 },
		{ PUT, 0xd, 11, ECX, 1 } } },
	{ "component missing", { { REMOVE, 0xd, 5 } } },
	{ "component elsewhere", { { PUT, 0xd, 9, EBX, 2560 } } },
	{ "component of nothing", { { ADD, 0xd, 3, SUB, 64 } } },
	{ "component 40", { { ADD, 0xd, 40, SUB, 64 } } },
	{ "XSAVE without leaf 0DH", { { REMOVE, 0xd, 0 } } },
	{ "leaf 0DH without XSAVE", { { CLEAR, 1, 0, ECX, BIT(26) } } },
};

static void test_refused(void **state)
{
	struct mica_guest_features features;
	struct mica_cpuid *before;
	unsigned int i;

	give_policy(&policy);
	before = vcpu->cpuid;
	features = vcpu->features;
	for (i = 0; i < ARRAY_SIZE(bad_policies); i++) {
		const struct change *change = bad_policies[i].changes;
		struct mica_cpuid bad = policy;

		for (; change->op != END; change++)
			change_policy(&bad, change);
		if (mica_cpuid_set(vcpu, &bad) != -EINVAL)
			fail_msg("%s: not refused", bad_policies[i].name);
		assert_ptr_equal(vcpu->cpuid, before);
		assert_memory_equal(&vcpu->features, &features, sizeof(features));
	}
}

static void test_refused_header(void **state)
{
	policy.pad = 1;
	assert_int_equal(mica_cpuid_set(vcpu, &policy), -EINVAL);
	policy.pad = 0;
	policy.count = MICA_MAX_CPUID + 1;
	assert_int_equal(mica_cpuid_set(vcpu, &policy), -EINVAL);
	policy.count = ~0u;
	assert_int_equal(mica_cpuid_set(vcpu, &policy), -EINVAL);
	assert_null(vcpu->cpuid);
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
		TEST(test_refused_header),
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
