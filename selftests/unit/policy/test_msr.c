// SPDX-License-Identifier: GPL-2.0-or-later
/* The MSR policy: which registers there are, what they hold, what may be written. */
#include "machine.h"

#define TSC		0x10
#define APIC_BASE	0x1b
#define TSC_ADJUST	0x3b
#define SPEC_CTRL	0x48
#define PRED_CMD	0x49
#define FLUSH_CMD	0x10b
#define MISC_ENABLE	0x1a0
#define DEBUGCTL	0x1d9
#define PAT		0x277
#define MTRR_DEF_TYPE	0x2ff
#define XSS		0xda0
#define EFER		0xc0000080
#define TSC_AUX		0xc0000103

static int setup(void **state)
{
	machine_setup(state);
	give_full_policy();
	return 0;
}

static u64 get(u32 index)
{
	u64 value;

	if (mica_msr_get(vcpu, index, &value))
		fail_msg("MSR %x cannot be read", index);
	return value;
}

static bool can_read(u32 index)
{
	u64 value;

	return !mica_msr_get(vcpu, index, &value);
}

static int set(u32 index, u64 value)
{
	return mica_msr_set(vcpu, index, value, false);
}

static int host_set(u32 index, u64 value)
{
	return mica_msr_set(vcpu, index, value, true);
}

/* ------------------------------------------------------------ which there are */

static const struct {
	u32 first, last;
	bool read, write;
	u64 value;	/* that can be written */
} present[] = {
	{ 0x10, 0x10, true, true }, { 0x17, 0x17, true, false },
	{ 0x1b, 0x1b, true, true, 0xfee00800 }, { 0x2a, 0x2a, true, true },
	{ 0x3a, 0x3a, true, false }, { 0x3b, 0x3b, true, true }, { 0x48, 0x48, true, true },
	{ 0x49, 0x49, false, true }, { 0x79, 0x79, false, true }, { 0x8b, 0x8b, true, true },
	{ 0xcd, 0xce, true, false }, { 0xfe, 0xfe, true, false }, { 0x10a, 0x10a, true, false },
	{ 0x10b, 0x10b, false, true }, { 0x174, 0x176, true, true },
	{ 0x179, 0x179, true, false }, { 0x17a, 0x17a, true, true },
	{ 0x198, 0x198, true, false }, { 0x1a0, 0x1a0, true, true },
	{ 0x1d9, 0x1d9, true, true }, { 0x200, 0x20f, true, true }, { 0x250, 0x250, true, true },
	{ 0x258, 0x259, true, true }, { 0x268, 0x26f, true, true }, { 0x277, 0x277, true, true },
	{ 0x2ff, 0x2ff, true, true }, { 0x6e0, 0x6e0, true, true }, { 0x800, 0x8ff, true, true },
	{ 0xda0, 0xda0, true, true }, { 0xc0000080, 0xc0000084, true, true },
	{ 0xc0000100, 0xc0000103, true, true },
};

static void check_index(u32 index)
{
	bool read = false, write = false;
	u64 value = 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(present); i++) {
		if (index < present[i].first || index > present[i].last)
			continue;
		read = present[i].read;
		write = present[i].write;
		value = present[i].value;
	}
	if (can_read(index) != read)
		fail_msg("MSR %x: read", index);
	if (!set(index, value) != write)
		fail_msg("MSR %x: write", index);
}

static void test_which_there_are(void **state)
{
	u32 i;

	for (i = 0; i < 0x4000; i++) {
		check_index(i);
		check_index(0x40000000 + i);
		check_index(0x80000000 + i);
		check_index(0xc0000000 + i);
		check_index(0xc0010000 + i);
		check_index(0xffffffff - i);
	}
}

static void test_without_features(void **state)
{
	static const u32 gone[] = { TSC_ADJUST, SPEC_CTRL, 0xfe, 0x10a, 0x200, 0x20f, 0x250, 0x258,
				    0x26f, MTRR_DEF_TYPE, XSS, EFER, 0xc0000081, 0xc0000082,
				    0xc0000083, 0xc0000084, 0xc0000100, 0xc0000102, TSC_AUX };
	struct mica_cpuid little = { .count = 2, .entries = {
		{ .leaf = 0, .eax = 1 }, { .leaf = 1, .edx = BIT(0) },
	} };
	unsigned int i;

	give_policy(&little);
	for (i = 0; i < ARRAY_SIZE(gone); i++) {
		if (can_read(gone[i]) || !set(gone[i], 0))
			fail_msg("MSR %x is there", gone[i]);
	}
	assert_int_equal(set(PRED_CMD, 0), -EINVAL);
	assert_int_equal(set(FLUSH_CMD, 0), -EINVAL);
	assert_true(can_read(TSC));
	assert_true(can_read(PAT));
}

/* User space restores all registers, also those that the guest does not have. */
static void test_host_sets_hidden_registers(void **state)
{
	struct mica_cpuid little = { .count = 2, .entries = {
		{ .leaf = 0, .eax = 1 }, { .leaf = 1, .edx = BIT(0) },
	} };

	give_policy(&little);
	assert_int_equal(host_set(TSC_AUX, 0), 0);
	assert_int_equal(host_set(TSC_AUX, 1), -EINVAL);
	assert_int_equal(host_set(SPEC_CTRL, 0), 0);
	assert_int_equal(host_set(SPEC_CTRL, 1), -EINVAL);
	assert_int_equal(host_set(XSS, 0), 0);
	assert_int_equal(host_set(XSS, 0x800), -EINVAL);
	assert_int_equal(host_set(0x12345, 0), -EINVAL);
	assert_int_equal(vcpu->spec_ctrl | vcpu->xss | machine.syscall[7], 0);
}

static void test_amd(void **state)
{
	struct mica_cpuid policy;

	assert_int_equal(mica_cpuid_supported(&policy), 0);
	policy_leaf(&policy, 0, 0)->ebx = 0x68747541;
	give_policy(&policy);
	assert_int_equal(get(0xc0010015), 0);
	assert_int_equal(set(0xc0010015, BIT(24)), 0);
	assert_int_equal(get(0xc0010114), 0x18);
	assert_int_equal(set(0xc0010114, 0), -EINVAL);
	assert_int_equal(get(0xc0011029), 0);
	boot_cpu_data.x86_capability[CPUID_LNX_1] = BIT(18);
	assert_int_equal(get(0xc0011029), 2);
	assert_int_equal(get(0x8b), 0x2007006);		/* patch level */
}

/* ------------------------------------------------------------ constants */

static void test_constants(void **state)
{
	assert_int_equal(get(0x3a), 1);
	assert_int_equal(get(0xfe), 0x508);
	assert_int_equal(get(0x8b), 0x0200700600000000);
	assert_int_equal(get(0x179), 0);
	assert_int_equal(set(0x8b, 0), 0);
	assert_int_equal(get(0x8b), 0x0200700600000000);
}

static void test_arch_capabilities(void **state)
{
	machine.msrs[0x10a] = BIT(0) | BIT(7) | BIT(8) | BIT(18) | BIT(21) | BIT(25) | BIT_ULL(62);
	boot_cpu_data.bugs = BIT(X86_BUG_MDS) | BIT(X86_BUG_SPEC_STORE_BYPASS);
	give_full_policy();
	assert_int_equal(get(0x10a), BIT(0) | BIT(8) | BIT_ULL(62));
	machine.msrs[0x10a] = 0;
	give_full_policy();
	assert_int_equal(get(0x10a), BIT(0));	/* not affected by Meltdown, says the kernel */
	boot_cpu_data.bugs = 0;
	give_full_policy();
	assert_int_equal(get(0x10a), BIT(0) | BIT(4) | BIT(5));
}

/* ------------------------------------------------------------ time */

static void test_tsc(void **state)
{
	vcpu->tsc_offset = -500000;
	assert_int_equal(get(TSC), 500000);
	assert_int_equal(set(TSC, 2000000), 0);
	assert_int_equal(get(TSC), 2000000);
	assert_int_equal(vcpu->tsc_offset, 1000000);
	assert_int_equal(get(TSC_ADJUST), 1500000);
	assert_int_equal(machine.tsc_offset_changes, 1);
	assert_int_equal(machine.tsc_changes, 1);
}

static void test_tsc_adjust(void **state)
{
	assert_int_equal(set(TSC_ADJUST, -1000), 0);
	assert_int_equal(get(TSC_ADJUST), -1000);
	assert_int_equal(get(TSC), 999000);
	assert_int_equal(set(TSC_ADJUST, 1000), 0);
	assert_int_equal(get(TSC), 1001000);
	assert_int_equal(machine.tsc_offset_changes, 2);
	assert_int_equal(machine.tsc_changes, 2);
	/* The same value again moves nothing. */
	assert_int_equal(set(TSC_ADJUST, 1000), 0);
	assert_int_equal(machine.tsc_changes, 2);
}

static void test_tsc_by_the_host(void **state)
{
	assert_int_equal(host_set(TSC_ADJUST, 77), 0);
	assert_int_equal(get(TSC), 1000000);
	assert_int_equal(host_set(TSC, 5), 0);
	assert_int_equal(get(TSC), 5);
	assert_int_equal(get(TSC_ADJUST), 77);
	assert_int_equal(machine.tsc_changes, 1);
}

/* ------------------------------------------------------------ values */

static void test_canonical(void **state)
{
	static const u32 addresses[] = { 0x175, 0x176, 0xc0000082, 0xc0000083, 0xc0000100,
					 0xc0000101, 0xc0000102 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(addresses); i++) {
		assert_int_equal(set(addresses[i], 0x00007fffffffffff), 0);
		assert_int_equal(set(addresses[i], 0x0000800000000000), -EINVAL);
		assert_int_equal(set(addresses[i], 0xffff7fffffffffff), -EINVAL);
		assert_int_equal(get(addresses[i]), 0x00007fffffffffff);
		assert_int_equal(set(addresses[i], 0xffff800000000000), 0);
		assert_int_equal(get(addresses[i]), 0xffff800000000000);
	}
}

static void test_narrow_registers(void **state)
{
	assert_int_equal(set(0x174, 0x1234500000010), 0);
	assert_int_equal(get(0x174), 0x10);
	assert_int_equal(set(0xc0000084, 0xffffffff00047700), 0);
	assert_int_equal(get(0xc0000084), 0x47700);
	assert_int_equal(set(TSC_AUX, 0x100000000), -EINVAL);
	assert_int_equal(set(TSC_AUX, 0xffffffff), 0);
	assert_int_equal(set(0xc0000081, 0x0023001000000000), 0);
	assert_int_equal(get(0xc0000081), 0x0023001000000000);
}

static void test_pat(void **state)
{
	u64 value;
	unsigned int type, slot;

	for (slot = 0; slot < 8; slot++) {
		for (type = 0; type < 256; type++) {
			bool legal = type < 8 && type != 2 && type != 3;

			value = (u64)type << 8 * slot;
			assert_int_equal(set(PAT, value), legal ? 0 : -EINVAL);
		}
	}
	assert_int_equal(set(PAT, 0x0407050600070106), 0);
	assert_int_equal(get(PAT), 0x0407050600070106);
}

static void test_mtrrs(void **state)
{
	u32 index;

	assert_int_equal(set(MTRR_DEF_TYPE, 0xc06), 0);
	assert_int_equal(get(MTRR_DEF_TYPE), 0xc06);
	assert_int_equal(set(MTRR_DEF_TYPE, 0xc02), -EINVAL);
	assert_int_equal(set(MTRR_DEF_TYPE, 0xc07), -EINVAL);
	assert_int_equal(set(MTRR_DEF_TYPE, 0x1c06), -EINVAL);
	assert_int_equal(set(MTRR_DEF_TYPE, 0xd06), -EINVAL);

	/* Each register is one of its own. */
	for (index = 0x200; index < 0x210; index++)
		assert_int_equal(set(index, index & 1 ? 0x800 | (u64)index << 12 :
				     6 | (u64)index << 12), 0);
	for (index = 0x200; index < 0x210; index++)
		assert_int_equal(get(index) >> 12, index);
	assert_int_equal(set(0x200, 0x3ffffffff006), 0);
	assert_int_equal(set(0x200, 0x400000000006), -EINVAL);	/* 46 bits */
	assert_int_equal(set(0x200, 7), -EINVAL);
	assert_int_equal(set(0x200, 0x106), -EINVAL);
	assert_int_equal(set(0x201, 0x3ffffffff800), 0);
	assert_int_equal(set(0x201, 0x400000000800), -EINVAL);
	assert_int_equal(set(0x201, 0x400), -EINVAL);

	assert_int_equal(set(0x250, 0x0606060606060606), 0);
	assert_int_equal(set(0x258, 0x0505050505050505), 0);
	assert_int_equal(set(0x259, 0x0404040404040404), 0);
	for (index = 0x268; index < 0x270; index++)
		assert_int_equal(set(index, index & 1), 0);
	assert_int_equal(get(0x250), 0x0606060606060606);
	assert_int_equal(get(0x258), 0x0505050505050505);
	assert_int_equal(get(0x259), 0x0404040404040404);
	for (index = 0x268; index < 0x270; index++)
		assert_int_equal(get(index), index & 1);
	assert_int_equal(set(0x26f, 0x0606060606060607), -EINVAL);
	assert_int_equal(set(0x250, 0x0206060606060606), -EINVAL);
}

static void test_efer(void **state)
{
	machine.efer = 0;
	machine.cr0 = 0x11;
	assert_int_equal(set(EFER, 0x901), 0);
	assert_int_equal(get(EFER), 0x901);
	assert_int_equal(set(EFER, 0x1901), -EINVAL);	/* SVME */
	assert_int_equal(set(EFER, 0x903), -EINVAL);
	/* Paging on: LME stays what it is, LMA is not software's. */
	machine.cr0 = 0x80000011;
	machine.efer = 0xd01;
	assert_int_equal(set(EFER, 0xc01), -EINVAL);
	assert_int_equal(set(EFER, 0x901), 0);
	assert_int_equal(machine.efer, 0xd01);
	assert_int_equal(set(EFER, 0xd00), 0);
	assert_int_equal(machine.efer, 0xd00);
	machine.efer = 0;
	assert_int_equal(set(EFER, 0x100), -EINVAL);
	assert_int_equal(set(EFER, 0x401), 0);
	assert_int_equal(machine.efer, 1);
	/* User space restores registers in any order. */
	assert_int_equal(host_set(EFER, 0xd01), 0);
	assert_int_equal(machine.efer, 0xd01);
}

static void test_spec_ctrl(void **state)
{
	assert_int_equal(set(SPEC_CTRL, 0x5ff), 0);
	assert_int_equal(get(SPEC_CTRL), 0x5ff);
	assert_int_equal(vcpu->spec_ctrl, 0x5ff);
	assert_int_equal(set(SPEC_CTRL, 0x200), -EINVAL);
	assert_int_equal(set(SPEC_CTRL, BIT_ULL(32)), -EINVAL);
	machine.keeps_spec_ctrl = true;
	assert_int_equal(set(SPEC_CTRL, 4), 0);
	assert_int_equal(machine.spec_ctrl, 4);
	machine.spec_ctrl = 1;	/* the guest wrote it without an exit */
	assert_int_equal(get(SPEC_CTRL), 1);
}

static void test_commands(void **state)
{
	assert_int_equal(set(PRED_CMD, 0), 0);
	assert_int_equal(set(FLUSH_CMD, 0), 0);
	assert_int_equal(machine.msrs[PRED_CMD] | machine.msrs[FLUSH_CMD], 0);
	assert_int_equal(set(PRED_CMD, 1), 0);
	assert_int_equal(set(FLUSH_CMD, 1), 0);
	assert_int_equal(machine.msrs[PRED_CMD], 1);
	assert_int_equal(machine.msrs[FLUSH_CMD], 1);
	assert_int_equal(set(PRED_CMD, 0x80), -EINVAL);
	assert_int_equal(set(FLUSH_CMD, 3), -EINVAL);
}

static void test_misc_enable(void **state)
{
	vcpu->misc_enable = 1;
	assert_int_equal(get(MISC_ENABLE), 0x1801);
	assert_int_equal(set(MISC_ENABLE, 0x1800), 0);
	assert_int_equal(get(MISC_ENABLE), 0x1800);
	assert_int_equal(vcpu->misc_enable, 0);
	assert_int_equal(set(MISC_ENABLE, 1), 0);
	assert_int_equal(get(MISC_ENABLE), 0x1801);
	assert_int_equal(set(MISC_ENABLE, BIT(22)), -EINVAL);
	assert_int_equal(set(MISC_ENABLE, BIT(16)), -EINVAL);
	assert_int_equal(set(MISC_ENABLE, BIT_ULL(34)), -EINVAL);
}

static void test_others(void **state)
{
	assert_int_equal(set(0x17a, 7), 0);
	assert_int_equal(get(0x17a), 7);
	assert_int_equal(set(0x17a, 8), -EINVAL);
	assert_int_equal(set(DEBUGCTL, 0), 0);
	assert_int_equal(set(DEBUGCTL, 3), 0);
	assert_int_equal(get(DEBUGCTL), 0);
	assert_int_equal(set(DEBUGCTL, 4), -EINVAL);
	assert_int_equal(set(DEBUGCTL, BIT(14)), -EINVAL);
	assert_int_equal(set(XSS, 0x800), -EINVAL);
	assert_int_equal(set(APIC_BASE, 0xfee00d00), 0);
	assert_int_equal(get(APIC_BASE), 0xfee00d00);
	machine.apic_error = -EINVAL;
	assert_int_equal(set(APIC_BASE, 0xfee00800), -EINVAL);
}

/* ------------------------------------------------------------ the instructions */

static void rdmsr(u32 index)
{
	vcpu->gprs[MICA_RCX] = 0xffffffff00000000 | index;
	vcpu->gprs[MICA_RAX] = 0x1111111111111111;
	vcpu->gprs[MICA_RDX] = 0x2222222222222222;
	assert_int_equal(mica_exit_rdmsr(vcpu), MICA_NEXT_ENTER);
}

static void wrmsr(u32 index, u64 value)
{
	vcpu->gprs[MICA_RCX] = 0xffffffff00000000 | index;
	vcpu->gprs[MICA_RAX] = 0xaaaaaaaa00000000 | (u32)value;
	vcpu->gprs[MICA_RDX] = 0xaaaaaaaa00000000 | value >> 32;
	assert_int_equal(mica_exit_wrmsr(vcpu), MICA_NEXT_ENTER);
}

static void test_instructions(void **state)
{
	wrmsr(0xc0000102, 0xffff888012345678);
	assert_int_equal(machine.syscall[6], 0xffff888012345678);
	rdmsr(0xc0000102);
	assert_int_equal(vcpu->gprs[MICA_RAX], 0x12345678);
	assert_int_equal(vcpu->gprs[MICA_RDX], 0xffff8880);
	assert_int_equal(machine.advances, 2);
	assert_int_equal(machine.faults, 0);
}

static void expect_fault(unsigned int count)
{
	assert_int_equal(machine.faults, count);
	assert_int_equal(machine.fault_vector, X86_TRAP_GP);
	assert_int_equal(machine.fault_error, 0);
	assert_int_equal(machine.advances, 0);
	assert_int_equal(vcpu->count.refused_msrs, count);
}

static void test_instructions_fault(void **state)
{
	rdmsr(0x12345);
	expect_fault(1);
	assert_int_equal(vcpu->gprs[MICA_RAX], 0x1111111111111111);
	assert_int_equal(vcpu->gprs[MICA_RDX], 0x2222222222222222);
	wrmsr(0x12345, 0);
	expect_fault(2);
	wrmsr(0x3a, 5);
	expect_fault(3);
	rdmsr(PRED_CMD);
	expect_fault(4);
	machine.apic_error = -EINVAL;
	rdmsr(0x808);
	expect_fault(5);
	wrmsr(0x6e0, 1);
	expect_fault(6);
}

static void test_instructions_on_the_apic(void **state)
{
	machine.apic_value = 0x500000020;
	rdmsr(0x830);
	assert_int_equal(machine.apic_msr, 0x830);
	assert_int_equal(vcpu->gprs[MICA_RAX], 0x20);
	assert_int_equal(vcpu->gprs[MICA_RDX], 5);
	wrmsr(0x6e0, 0x123456789abc);
	assert_int_equal(machine.apic_msr, 0x6e0);
	assert_int_equal(machine.apic_value, 0x123456789abc);
	wrmsr(0x8ff, 1);
	assert_int_equal(machine.apic_msr, 0x8ff);
	wrmsr(0x900, 1);
	assert_int_equal(machine.apic_msr, 0x8ff);
	assert_int_equal(machine.faults, 1);
}

/* A refused write changes nothing, whatever the register and the value. */
static void test_refused_writes_change_nothing(void **state)
{
	static const u64 values[] = { ~0ull, 1ull << 63, 1ull << 47, 0x8000000080000000, 0xff,
				      0x0202020202020202, 1ull << 46, 1 << 13, 0x300 };
	struct mica_vcpu *before = malloc(sizeof(*before));
	struct machine host;
	unsigned int i, j;
	u32 index;

	for (i = 0; i < ARRAY_SIZE(present); i++) {
		for (index = present[i].first; index <= present[i].last; index++) {
			for (j = 0; j < ARRAY_SIZE(values); j++) {
				*before = *vcpu;
				host = machine;
				if (!set(index, values[j]))
					continue;
				/* What write_efer() looked at. */
				before->scratch = vcpu->scratch;
				assert_memory_equal(before, vcpu, sizeof(*vcpu));
				assert_memory_equal(&host, &machine, sizeof(host));
			}
		}
	}
	free(before);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, machine_teardown)
	static const struct CMUnitTest tests[] = {
		TEST(test_which_there_are),
		TEST(test_without_features),
		TEST(test_host_sets_hidden_registers),
		TEST(test_amd),
		TEST(test_constants),
		TEST(test_arch_capabilities),
		TEST(test_tsc),
		TEST(test_tsc_adjust),
		TEST(test_tsc_by_the_host),
		TEST(test_canonical),
		TEST(test_narrow_registers),
		TEST(test_pat),
		TEST(test_mtrrs),
		TEST(test_efer),
		TEST(test_spec_ctrl),
		TEST(test_commands),
		TEST(test_misc_enable),
		TEST(test_others),
		TEST(test_instructions),
		TEST(test_instructions_fault),
		TEST(test_instructions_on_the_apic),
		TEST(test_refused_writes_change_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
