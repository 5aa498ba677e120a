// SPDX-License-Identifier: GPL-2.0-or-later
/* XCR0, IA32_XSS and PKRU around entries; XSETBV; the XSAVE image of user space. */
#include "machine.h"

#include "backend.h"

#define HOST_XCR0	0x602e7ull
#define HOST_XSS	0x800ull
#define HOST_PKRU	0x55555554u

static struct mica_xsave image;

static int setup(void **state)
{
	machine_setup(state);
	give_full_policy();
	memset(&image, 0, sizeof(image));
	return 0;
}

static void expect_host(void)
{
	assert_int_equal(machine.xcr0, HOST_XCR0);
	assert_int_equal(machine.xss, HOST_XSS);
	assert_int_equal(machine.pkru, HOST_PKRU);
}

/* ------------------------------------------------------------ what guests may have */

static void test_what_guests_may_have(void **state)
{
	assert_int_equal(mica_fpu_xcr0(), 0x2e7);
	assert_int_equal(mica_fpu_size(), 2696);
	boot_cpu_data.x86_capability[CPUID_7_ECX] &= ~BIT(4);	/* the kernel runs without keys */
	assert_int_equal(mica_fpu_setup(), 0);
	assert_int_equal(mica_fpu_xcr0(), 0xe7);
	/* Images that are larger than the interface knows. */
	host_leaf(0xd, 7)->ebx = 8000;
	assert_int_equal(mica_fpu_setup(), 0);
	assert_int_equal(mica_fpu_xcr0(), 3);
	assert_int_equal(mica_fpu_size(), 576);
}

/* ------------------------------------------------------------ around entries */

static void test_host_gets_back_what_it_lent(void **state)
{
	unsigned int round;

	machine.cr4 = X86_CR4_OSXSAVE | X86_CR4_PKE;
	vcpu->xcr0 = 7;
	vcpu->pkru = 0x12;
	for (round = 0; round < 3; round++) {
		mica_fpu_enter(vcpu);
		assert_int_equal(machine.xcr0, 7);
		assert_int_equal(machine.xss, 0);
		assert_int_equal(machine.pkru, 0x12 + round);
		machine.pkru = 0x13 + round;	/* the guest's WRPKRU */
		mica_fpu_leave(vcpu);
		expect_host();
		assert_int_equal(vcpu->pkru, 0x13 + round);
	}
	mica_fpu_leave(vcpu);	/* once more does no harm */
	expect_host();
}

static void test_osxsave_clear(void **state)
{
	vcpu->xcr0 = 1;
	mica_fpu_enter(vcpu);
	assert_int_equal(machine.xcr0, HOST_XCR0);
	assert_int_equal(machine.xss, HOST_XSS);
	assert_int_equal(machine.pkru, 0);
	mica_fpu_leave(vcpu);
	expect_host();
}

static void test_no_pku_leaves_pkru_alone(void **state)
{
	struct mica_cpuid policy;

	assert_int_equal(mica_cpuid_supported(&policy), 0);
	policy_leaf(&policy, 7, 0)->ecx &= ~BIT(3);
	policy_leaf(&policy, 0xd, 0)->eax = 3;
	policy_leaf(&policy, 0xd, 0)->ecx = 576;
	policy_remove(&policy, 0xd, 2);
	policy_remove(&policy, 0xd, 5);
	policy_remove(&policy, 0xd, 6);
	policy_remove(&policy, 0xd, 7);
	policy_remove(&policy, 0xd, 9);
	give_policy(&policy);
	mica_fpu_enter(vcpu);
	assert_int_equal(machine.pkru, HOST_PKRU);
	mica_fpu_leave(vcpu);
	expect_host();
}

static void test_host_pkru_changes_between_series(void **state)
{
	vcpu->pkru = 4;
	mica_fpu_enter(vcpu);
	mica_fpu_leave(vcpu);
	machine.pkru = 0x77;
	mica_fpu_enter(vcpu);
	assert_int_equal(machine.pkru, 4);
	mica_fpu_leave(vcpu);
	assert_int_equal(machine.pkru, 0x77);
}

static void test_no_xsaves_keeps_the_hosts_xss(void **state)
{
	struct mica_cpuid policy;

	assert_int_equal(mica_cpuid_supported(&policy), 0);
	policy_leaf(&policy, 0xd, 1)->eax &= ~BIT(3);
	give_policy(&policy);
	machine.cr4 = X86_CR4_OSXSAVE;
	vcpu->xcr0 = 7;
	mica_fpu_enter(vcpu);
	assert_int_equal(machine.xcr0, 7);
	assert_int_equal(machine.xss, HOST_XSS);
	mica_fpu_leave(vcpu);
	expect_host();
}

static void test_registers_are_loaded_before_xcr0(void **state)
{
	machine.cr4 = X86_CR4_OSXSAVE;
	vcpu->xcr0 = 3;
	machine.need_fpu_load = true;
	mica_fpu_enter(vcpu);	/* switch_fpu_return() checks the XCR0 that it finds */
	assert_int_equal(machine.fpu_loads, 1);
	assert_int_equal(machine.xcr0, 3);
	mica_fpu_leave(vcpu);
}

static void test_update_in_a_series(void **state)
{
	vcpu->xcr0 = 1;
	mica_fpu_enter(vcpu);
	assert_int_equal(machine.xcr0, HOST_XCR0);
	machine.cr4 = X86_CR4_OSXSAVE;		/* the guest's MOV to CR4 */
	mica_fpu_update(vcpu);
	assert_int_equal(machine.xcr0, 1);
	vcpu->xcr0 = 0xe7;
	mica_fpu_update(vcpu);
	assert_int_equal(machine.xcr0, 0xe7);
	machine.cr4 = 0;
	mica_fpu_update(vcpu);
	assert_int_equal(machine.xcr0, HOST_XCR0);
	mica_fpu_leave(vcpu);
	expect_host();
	machine.cr4 = X86_CR4_OSXSAVE;
	mica_fpu_update(vcpu);			/* not in a series: nothing */
	expect_host();
}

/* ------------------------------------------------------------ XSETBV */

static void xsetbv_by_guest(u32 index, u64 value)
{
	vcpu->gprs[MICA_RCX] = 0xffffffff00000000 | index;
	vcpu->gprs[MICA_RAX] = 0xffffffff00000000 | (u32)value;
	vcpu->gprs[MICA_RDX] = 0xffffffff00000000 | value >> 32;
	assert_int_equal(mica_exit_xsetbv(vcpu), MICA_NEXT_ENTER);
}

static void test_xsetbv(void **state)
{
	static const u64 legal[] = { 1, 3, 7, 0xe7, 0x201, 0x203, 0x207, 0x2e7 };
	u64 value;

	for (value = 0; value < 0x400; value++) {
		unsigned int i, faults = machine.faults, advances = machine.advances;
		u64 before = vcpu->xcr0;
		bool ok = false;

		for (i = 0; i < ARRAY_SIZE(legal); i++)
			ok |= legal[i] == value;
		xsetbv_by_guest(0, value);
		assert_int_equal(machine.faults, faults + !ok);
		assert_int_equal(machine.advances, advances + ok);
		assert_int_equal(vcpu->xcr0, ok ? value : before);
	}
	assert_int_equal(machine.fault_vector, X86_TRAP_GP);
	assert_int_equal(machine.fault_error, 0);
}

static void test_xsetbv_elsewhere(void **state)
{
	xsetbv_by_guest(1, 7);
	xsetbv_by_guest(0, 7 | BIT_ULL(32));
	xsetbv_by_guest(0, 0x60007);
	assert_int_equal(machine.faults, 3);
	assert_int_equal(vcpu->xcr0, 1);
	expect_host();
}

static void test_xsetbv_in_a_series(void **state)
{
	machine.cr4 = X86_CR4_OSXSAVE;
	mica_fpu_enter(vcpu);
	assert_int_equal(machine.xcr0, 1);
	xsetbv_by_guest(0, 7);
	assert_int_equal(machine.xcr0, 7);
	mica_fpu_leave(vcpu);
	expect_host();
	xsetbv_by_guest(0, 0xe7);	/* after one: with the next */
	expect_host();
}

static void test_xsetbv_follows_the_policy(void **state)
{
	struct mica_cpuid policy;

	assert_int_equal(mica_cpuid_supported(&policy), 0);
	policy_leaf(&policy, 0xd, 0)->eax = 7;
	policy_leaf(&policy, 0xd, 0)->ecx = 832;
	policy_remove(&policy, 0xd, 5);
	policy_remove(&policy, 0xd, 6);
	policy_remove(&policy, 0xd, 7);
	policy_remove(&policy, 0xd, 9);
	give_policy(&policy);
	xsetbv_by_guest(0, 0xe7);
	assert_int_equal(machine.faults, 1);
	xsetbv_by_guest(0, 7);
	assert_int_equal(machine.faults, 1);
}

/* ------------------------------------------------------------ the image */

static void put_u64(unsigned int offset, u64 value)
{
	memcpy(image.data + offset, &value, sizeof(value));
}

static u64 image_u64(unsigned int offset)
{
	u64 value;

	memcpy(&value, image.data + offset, sizeof(value));
	return value;
}

static void test_image_goes_in_and_out(void **state)
{
	struct mica_xsave out;
	unsigned int i;

	for (i = 32; i < 416; i++)
		image.data[i] = i;
	for (i = 576; i < 2696; i++)
		image.data[i] = i * 7;
	put_u64(24, 0x0000ffff00001f80);
	put_u64(512, 0x2e7);
	put_u64(2688, 0x55555550);
	image.size = 2696;
	assert_int_equal(mica_fpu_set(vcpu, &image), 0);
	assert_int_equal(vcpu->pkru, 0x55555550);
	memset(&out, 0xee, sizeof(out));
	assert_int_equal(mica_fpu_get(vcpu, &out), 0);
	assert_memory_equal(&out, &image, sizeof(image));
}

static void test_image_pkru(void **state)
{
	/* Not in use means zero, whatever the bytes say; and out of a guest with zero. */
	vcpu->pkru = 5;
	put_u64(24, 0x1f80);
	put_u64(512, 7);
	put_u64(2688, 9);
	image.size = 832;
	assert_int_equal(mica_fpu_set(vcpu, &image), 0);
	assert_int_equal(vcpu->pkru, 0);
	assert_int_equal(mica_fpu_get(vcpu, &image), 0);
	assert_int_equal(image_u64(512), 7);
	assert_int_equal(image_u64(2688), 0);
	/* The kernel's copy need not know it. */
	vcpu->pkru = 5;
	assert_int_equal(mica_fpu_get(vcpu, &image), 0);
	assert_int_equal(image_u64(512), 0x207);
	assert_int_equal(image_u64(2688), 5);
}

static void test_image_mxcsr_of_unused_sse(void **state)
{
	struct xregs_state *regs = &vcpu->fpu.fpstate->regs.xsave;

	regs->i387.mxcsr = 0x9fc0;
	regs->header.xfeatures = 1;
	assert_int_equal(mica_fpu_get(vcpu, &image), 0);
	assert_int_equal(image_u64(512), 3);
	assert_int_equal((u32)image_u64(24), 0x9fc0);
	/* In the compacted format SSE would be in use. */
	regs->header.xcomp_bv = 1ull << 63;
	assert_int_equal(mica_fpu_get(vcpu, &image), 0);
	assert_int_equal(image_u64(512), 1);
}

static void test_image_refused(void **state)
{
	static const struct { unsigned int offset; u64 value; u32 size; } bad[] = {
		{ 512, 7, 575 }, { 512, 7, 0 }, { 512, 7, 8193 }, { 512, 7, ~0u },
		{ 512, 7, 831 }, { 512, 0x207, 2695 }, { 512, 0x8, 8192 }, { 512, 0x10, 8192 },
		{ 512, 0x100, 8192 }, { 512, 0x800, 8192 }, { 512, 0x20000, 8192 },
		{ 512, 1ull << 63, 8192 }, { 520, 1ull << 63, 8192 }, { 520, 1, 8192 },
		{ 528, 1, 8192 }, { 568, 1ull << 56, 8192 }, { 24, 0x11f80, 8192 },
		{ 24, 0x80001f80, 8192 },
	};
	struct fpstate before;
	unsigned int i;

	vcpu->pkru = 5;
	before = *vcpu->fpu.fpstate;
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		memset(&image, 0, sizeof(image));
		put_u64(24, 0x1f80);
		put_u64(512, 3);
		put_u64(bad[i].offset, bad[i].value);
		image.size = bad[i].size;
		if (mica_fpu_set(vcpu, &image) != -EINVAL)
			fail_msg("case %u is accepted", i);
		assert_memory_equal(&before, vcpu->fpu.fpstate, sizeof(before));
		assert_int_equal(vcpu->pkru, 5);
	}
	memset(&image, 0, sizeof(image));
	image.size = 576;
	assert_int_equal(mica_fpu_set(vcpu, &image), 0);
}

static void test_image_follows_the_policy(void **state)
{
	struct mica_cpuid none = { 0 };

	give_policy(&none);
	vcpu->fpu.fpstate->regs.xsave.header.xfeatures = 0x2e7;
	assert_int_equal(mica_fpu_get(vcpu, &image), 0);
	assert_int_equal(image.size, 576);
	assert_int_equal(image_u64(512), 3);
	put_u64(512, 7);
	image.size = 832;
	assert_int_equal(mica_fpu_set(vcpu, &image), -EINVAL);
}

static void test_init_without_memory(void **state)
{
	struct mica_vcpu other = { 0 };

	machine.no_memory = true;
	assert_int_equal(mica_fpu_init(&other), -ENOMEM);
	mica_fpu_destroy(&other);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, machine_teardown)
	static const struct CMUnitTest tests[] = {
		TEST(test_what_guests_may_have),
		TEST(test_host_gets_back_what_it_lent),
		TEST(test_osxsave_clear),
		TEST(test_no_pku_leaves_pkru_alone),
		TEST(test_host_pkru_changes_between_series),
		TEST(test_no_xsaves_keeps_the_hosts_xss),
		TEST(test_registers_are_loaded_before_xcr0),
		TEST(test_update_in_a_series),
		TEST(test_xsetbv),
		TEST(test_xsetbv_elsewhere),
		TEST(test_xsetbv_in_a_series),
		TEST(test_xsetbv_follows_the_policy),
		TEST(test_image_goes_in_and_out),
		TEST(test_image_pkru),
		TEST(test_image_mxcsr_of_unused_sse),
		TEST(test_image_refused),
		TEST(test_image_follows_the_policy),
		TEST(test_init_without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
