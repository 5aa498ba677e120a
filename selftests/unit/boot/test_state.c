// SPDX-License-Identifier: GPL-2.0-or-later
/* Registers after RESET, and the memory map. */
#include "../../../vmm/boot/state.h"
#include "guest.h"

static void reset_values(void **unused)
{
	struct mica_vcpu_state state;

	(void)unused;
	memset(&state, 0xff, sizeof(state));
	boot_reset_state(&state, 0);
	guest_check_state(&state);
	assert_int_equal(state.gprs.rip, 0xfff0);
	assert_int_equal(state.gprs.rdx, 0x600);
	assert_int_equal(state.gprs.rax | state.gprs.rbx | state.gprs.rcx | state.gprs.rsi |
			 state.gprs.rdi | state.gprs.rsp | state.gprs.rbp | state.gprs.r8 |
			 state.gprs.r15, 0);
	assert_int_equal(state.gprs.rflags, 2);
	assert_int_equal(state.crs.cr0, 0x60000010);
	assert_int_equal(state.crs.cr2 | state.crs.cr3 | state.crs.cr4 | state.crs.cr8, 0);
	assert_int_equal(state.crs.xcr0, 1);
	assert_int_equal(state.segs.cs.selector, 0xf000);
	assert_int_equal(state.segs.cs.base, 0xffff0000);
	assert_int_equal(state.segs.cs.limit, 0xffff);
	assert_int_equal(state.segs.cs.attr, 0x93);
	assert_int_equal(state.segs.gdtr.limit, 0xffff);
	assert_int_equal(state.segs.idtr.limit, 0xffff);
	assert_int_equal(state.drs.dr6, 0xffff0ff0);
	assert_int_equal(state.drs.dr7, 0x400);
	assert_int_equal(state.msrs.efer | state.msrs.tsc | state.msrs.mtrr_def_type, 0);
	assert_int_equal(state.msrs.pat, 0x0007040600070406ull);
	assert_int_equal(state.msrs.apic_base, 0xfee00900);
	assert_int_equal(state.events.mp_state, MICA_MP_RUNNABLE);
}

static void reset_data_segments(void **unused)
{
	struct mica_vcpu_state state;

	(void)unused;
	boot_reset_state(&state, 0);
	const struct mica_segment *segments[] = {
		&state.segs.ds, &state.segs.es, &state.segs.fs, &state.segs.gs, &state.segs.ss,
	};

	for (size_t i = 0; i < G_N_ELEMENTS(segments); i++) {
		assert_int_equal(segments[i]->selector, 0);
		assert_int_equal(segments[i]->base, 0);
		assert_int_equal(segments[i]->limit, 0xffff);
		assert_int_equal(segments[i]->attr, 0x93);
	}
}

static void reset_other_vcpu(void **unused)
{
	struct mica_vcpu_state state;

	(void)unused;
	boot_reset_state(&state, 3);
	guest_check_state(&state);
	assert_int_equal(state.msrs.apic_base, 0xfee00800);
	assert_int_equal(state.events.mp_state, MICA_MP_WAIT_SIPI);
	assert_int_equal(state.events.sipi_vector, MICA_SIPI_NONE);
}

/* Linux: "your CPUs had inconsistent MTRRdefType settings". */
static void parked_vcpu_has_the_first_ones_caches(void **unused)
{
	struct mica_vcpu_state first, parked;

	(void)unused;
	boot_protected_mode(&first, MIB);
	boot_parked_state(&parked, 3);
	guest_check_state(&parked);
	assert_int_equal(first.msrs.mtrr_def_type, 0x806);
	assert_int_equal(parked.msrs.mtrr_def_type, first.msrs.mtrr_def_type);
	assert_int_equal(parked.crs.cr0, 0x10);
	assert_int_equal(parked.msrs.apic_base, 0xfee00800);
	assert_int_equal(parked.events.mp_state, MICA_MP_WAIT_SIPI);
}

static void check_map(unsigned int mib, const struct e820_entry *expected, size_t count)
{
	struct guest guest = { 0 };
	struct e820_entry entries[E820_MAX];

	guest_new(&guest, mib);
	assert_int_equal(boot_e820(guest.memory, entries), count);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(entries[i].address, expected[i].address);
		assert_int_equal(entries[i].size, expected[i].size);
		assert_int_equal(entries[i].type, expected[i].type);
	}
	guest_clear(&guest);
}

static void e820_small(void **unused)
{
	static const struct e820_entry expected[] = {
		{ 0, 0x9fc00, E820_RAM },
		{ 0x9fc00, 0x400, E820_RESERVED },
		{ 0xe0000, 0x20000, E820_RESERVED },
		{ MIB, MIB, E820_RAM },
		{ 0xf8000000, 16 * MIB, E820_RESERVED },
	};

	(void)unused;
	check_map(2, expected, G_N_ELEMENTS(expected));
}

static void e820_around_the_hole(void **unused)
{
	static const struct e820_entry expected[] = {
		{ 0, 0x9fc00, E820_RAM },
		{ 0x9fc00, 0x400, E820_RESERVED },
		{ 0xe0000, 0x20000, E820_RESERVED },
		{ MIB, 0xc0000000 - MIB, E820_RAM },
		{ 0xf8000000, 16 * MIB, E820_RESERVED },
		{ 0x100000000ull, 2 * MIB, E820_RAM },
	};

	(void)unused;
	check_map(3072, expected, 5);
	check_map(3074, expected, 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reset_values),
		cmocka_unit_test(reset_data_segments),
		cmocka_unit_test(reset_other_vcpu),
		cmocka_unit_test(parked_vcpu_has_the_first_ones_caches),
		cmocka_unit_test(e820_small),
		cmocka_unit_test(e820_around_the_hole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
