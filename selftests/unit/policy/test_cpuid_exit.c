// SPDX-License-Identifier: GPL-2.0-or-later
/* What the guest sees when it executes CPUID. */
#include "machine.h"

#include "xsave.h"

static void add(struct mica_cpuid *p, u32 leaf, u32 subleaf, u32 flags, u32 eax)
{
	p->entries[p->count++] = (struct mica_cpuid_entry){ leaf, subleaf, flags, eax,
							    eax + 1, eax + 2, eax + 3 };
}

static void expect(u32 leaf, u32 subleaf, u32 eax, u32 ebx, u32 ecx, u32 edx)
{
	u32 regs[4];

	guest_cpuid(leaf, subleaf, regs);
	assert_int_equal(regs[0], eax);
	assert_int_equal(regs[1], ebx);
	assert_int_equal(regs[2], ecx);
	assert_int_equal(regs[3], edx);
}

static void test_no_policy_is_all_zero(void **state)
{
	expect(0, 0, 0, 0, 0, 0);
	expect(1, 0, 0, 0, 0, 0);
	expect(0xb, 3, 0, 0, 0, 0);
	expect(0xffffffff, 0xffffffff, 0, 0, 0, 0);
}

/* Each entry of an unsorted policy is found, twice: by search and as the last one found. */
static void test_every_entry_is_found(void **state)
{
	struct mica_cpuid policy;
	u32 i, count;

	assert_int_equal(mica_cpuid_supported(&policy), 0);
	for (i = 0; policy.count < MICA_MAX_CPUID; i++)
		add(&policy, 0x40000000 + i, 0, 0, 0x1000 * i);
	for (i = 0; i < policy.count / 2; i += 3) {
		struct mica_cpuid_entry entry = policy.entries[i];

		policy.entries[i] = policy.entries[policy.count - 1 - i];
		policy.entries[policy.count - 1 - i] = entry;
	}
	for (count = policy.count; count >= policy.count - 5; count--) {
		struct mica_cpuid some = policy;
		unsigned int again;

		while (some.count > count)
			policy_remove(&some, 0x40000000 + policy.count - some.count, 0);
		give_policy(&some);
		for (i = 0; i < 2 * some.count; i++) {
			struct mica_cpuid_entry *entry = &some.entries[i / 2];
			u32 regs[4];

			if (entry->leaf == 1 || entry->leaf == 7 || entry->leaf == 0xb ||
			    entry->leaf == 0xd || entry->leaf == 0x1f)
				continue;	/* not constant; see below */
			guest_cpuid(entry->leaf, entry->subleaf, regs);
			assert_memory_equal(regs, &entry->eax, sizeof(regs));
			for (again = 0; again < 2 && !(entry->flags & 1); again++) {
				guest_cpuid(entry->leaf, again ? 77 : ~0u, regs);
				assert_memory_equal(regs, &entry->eax, sizeof(regs));
			}
		}
	}
}

static void test_subleaf_that_is_none(void **state)
{
	give_full_policy();
	expect(4, 4, 0, 0, 0, 0);
	expect(4, 0xffffffff, 0, 0, 0, 0);
	expect(7, 3, 0, 0, 0, 0);
	expect(0xd, 3, 0, 0, 0, 0);
	expect(0xd, 0x80000000, 0, 0, 0, 0);
	/* SDM, leaves 0BH and 1FH: EDX is the x2APIC id, CL what was asked for. */
	expect(0xb, 0, 0, 1, 0x100, 3);
	expect(0xb, 1, 0, 1, 0x201, 3);
	expect(0xb, 2, 0, 0, 2, 3);
	expect(0x1f, 0x1234, 0, 0, 0x34, 3);
}

static void test_leaf_that_is_none(void **state)
{
	struct mica_cpuid policy;

	assert_int_equal(mica_cpuid_supported(&policy), 0);
	policy_remove(&policy, 0x1f, 0);
	policy_remove(&policy, 0x1f, 1);
	policy_leaf(&policy, 0, 0)->eax = 0x16;
	give_policy(&policy);
	expect(3, 0, 0, 0, 0, 0);
	expect(0xa, 0, 0, 0, 0, 0);
	expect(0x80000009, 0, 0, 0, 0, 0);
	/* Beyond the last leaf: the last basic one. */
	expect(0x17, 0, 2100, 2100, 100, 0);
	expect(0x1f, 0, 2100, 2100, 100, 0);
	expect(0x3fffffff, 5, 2100, 2100, 100, 0);
	expect(0x80000022, 0, 2100, 2100, 100, 0);
	expect(0xffffffff, 0, 2100, 2100, 100, 0);
	expect(0x40000000, 0, 0, 0, 0, 0);
	expect(0x4fffffff, 0, 0, 0, 0, 0);
	/* It is looked up with the subleaf. */
	policy_remove(&policy, 0x15, 0);
	policy_remove(&policy, 0x16, 0);
	policy_leaf(&policy, 0, 0)->eax = 0xd;
	give_policy(&policy);
	expect(0x10, 2, 256, 576, 0, 0);
	expect(0x10, 0, 0x2e7, XSAVE_MIN_SIZE, 2696, 0);
	expect(0x10, 4, 0, 0, 0, 0);
	/* Not on other vendors' CPUs. */
	policy_leaf(&policy, 0, 0)->ebx = 0x68747541;
	give_policy(&policy);
	expect(0x10, 2, 0, 0, 0, 0);
	expect(0xffffffff, 0, 0, 0, 0, 0);
}

static void test_hypervisor_leaves(void **state)
{
	struct mica_cpuid policy;

	assert_int_equal(mica_cpuid_supported(&policy), 0);
	add(&policy, 0x40000000, 0, 0, 0x40000001);
	add(&policy, 0x40000003, 1, MICA_CPUID_SUBLEAF, 0x55);
	give_policy(&policy);
	expect(0x40000000, 9, 0x40000001, 0x40000002, 0x40000003, 0x40000004);
	expect(0x40000003, 1, 0x55, 0x56, 0x57, 0x58);
	expect(0x40000003, 0, 0, 0, 0, 0);
	expect(0x40000001, 0, 0, 0, 0, 0);
}

static u32 reg(u32 leaf, u32 subleaf, unsigned int which)
{
	u32 regs[4];

	guest_cpuid(leaf, subleaf, regs);
	return regs[which];
}

static void test_bits_that_follow_registers(void **state)
{
	struct mica_cpuid policy;

	assert_int_equal(mica_cpuid_supported(&policy), 0);
	policy_leaf(&policy, 1, 0)->ecx |= BIT(27);
	policy_leaf(&policy, 7, 0)->ecx |= BIT(4);
	give_policy(&policy);
	assert_false(reg(1, 0, 2) & BIT(27));
	assert_false(reg(7, 0, 2) & BIT(4));
	machine.cr4 = X86_CR4_OSXSAVE;
	assert_true(reg(1, 0, 2) & BIT(27));
	assert_false(reg(7, 0, 2) & BIT(4));
	machine.cr4 = X86_CR4_PKE;
	assert_false(reg(1, 0, 2) & BIT(27));
	assert_true(reg(7, 0, 2) & BIT(4));
	/* Only where the bit is. */
	assert_int_equal(reg(7, 1, 2), 0);
	assert_int_equal(reg(1, 0, 2) & ~BIT(27), policy_leaf(&policy, 1, 0)->ecx & ~BIT(27));

	assert_true(reg(1, 0, 3) & BIT(9));
	assert_true(reg(0x80000001, 0, 3) & BIT(9));
	vcpu->apic.base = APIC_DEFAULT_PHYS_BASE;
	assert_false(reg(1, 0, 3) & BIT(9));
	assert_false(reg(0x80000001, 0, 3) & BIT(9));
	assert_int_equal(reg(1, 0, 3), policy_leaf(&policy, 1, 0)->edx & ~BIT(9));
}

static void test_no_pku_no_ospke(void **state)
{
	struct mica_cpuid policy;

	assert_int_equal(mica_cpuid_supported(&policy), 0);
	policy_leaf(&policy, 7, 0)->ecx = BIT(4);
	policy_leaf(&policy, 0xd, 0)->eax = 7;
	policy_leaf(&policy, 0xd, 0)->ecx = 832;
	policy_remove(&policy, 0xd, 5);
	policy_remove(&policy, 0xd, 6);
	policy_remove(&policy, 0xd, 7);
	policy_remove(&policy, 0xd, 9);
	give_policy(&policy);
	assert_int_equal(reg(7, 0, 2), 0);
}

static void test_xsave_sizes(void **state)
{
	give_full_policy();
	vcpu->xcr0 = 1;
	assert_int_equal(reg(0xd, 0, 1), 576);
	vcpu->xcr0 = 7;
	assert_int_equal(reg(0xd, 0, 1), 832);
	assert_int_equal(reg(0xd, 1, 1), 832);
	vcpu->xcr0 = 0x207;
	assert_int_equal(reg(0xd, 0, 1), 2696);
	assert_int_equal(reg(0xd, 1, 1), 840);		/* compacted */
	assert_int_equal(reg(0xd, 0, 2), 2696);		/* of all that can be */
	vcpu->xcr0 = 0x2e7;
	assert_int_equal(reg(0xd, 1, 1), 832 + 64 + 512 + 1024 + 8);
}

static void test_xsave_compacted_alignment(void **state)
{
	mica_xsave_setup(0x602e7);
	assert_int_equal(mica_xsave_compacted_size(0x20003), 576 + 64);
	assert_int_equal(mica_xsave_compacted_size(0x20203), 576 + 64 + 64);
	assert_int_equal(mica_xsave_size(0x60003), 2816 + 8192);
}

/* Without XSAVEC and XSAVES there is no compacted format: SDM, leaf 0DH, subleaf 1. */
static void test_xsave_no_compacted_size(void **state)
{
	struct mica_cpuid policy;

	assert_int_equal(mica_cpuid_supported(&policy), 0);
	policy_leaf(&policy, 0xd, 1)->eax = 1;
	give_policy(&policy);
	vcpu->xcr0 = 7;
	assert_int_equal(reg(0xd, 1, 1), 0);
}

static void test_apic_ids(void **state)
{
	struct mica_cpuid policy;

	assert_int_equal(mica_cpuid_supported(&policy), 0);
	policy_leaf(&policy, 1, 0)->ebx = 0xaa020800;
	policy_leaf(&policy, 0xb, 1)->edx = 0xaa;
	policy_leaf(&policy, 1, 0)->eax = 0x50654;
	give_policy(&policy);
	assert_int_equal(reg(1, 0, 1), 0x03020800);
	assert_int_equal(reg(0xb, 1, 3), 3);
	assert_int_equal(mica_cpuid_signature(vcpu), 0x50654);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, machine_setup, machine_teardown)
	static const struct CMUnitTest tests[] = {
		TEST(test_no_policy_is_all_zero),
		TEST(test_every_entry_is_found),
		TEST(test_subleaf_that_is_none),
		TEST(test_leaf_that_is_none),
		TEST(test_hypervisor_leaves),
		TEST(test_bits_that_follow_registers),
		TEST(test_no_pku_no_ospke),
		TEST(test_xsave_sizes),
		TEST(test_xsave_compacted_alignment),
		TEST(test_xsave_no_compacted_size),
		TEST(test_apic_ids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
