// SPDX-License-Identifier: GPL-2.0-or-later
/* The arithmetic of memory slots (kmod/slots.c). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "slots.h"

#define MIB	(1ull << 20)
#define GIB	(1ull << 30)
#define HVA	0x7f0000000000ull
#define TOP	(1ull << 36)		/* end of the guest-physical addresses of these tests */

static int from_user(u32 id, u64 gpa, u64 size, u64 hva, u32 flags)
{
	struct mica_memory args = {
		.slot = id, .flags = flags, .gpa = gpa, .size = size, .hva = hva,
	};
	struct mica_slot slot;

	return mica_slot_from_user(&slot, &args, 36);
}

static struct mica_slot slot_of(u32 id, u64 gpa, u64 size, u64 hva)
{
	return (struct mica_slot) {
		.gfn = gpa >> 12, .pages = size >> 12, .hva = hva, .id = id,
	};
}

static int add(struct mica_slots *slots, u32 id, u64 gpa, u64 size)
{
	struct mica_slot slot = slot_of(id, gpa, size, HVA + gpa);
	struct mica_slots old = *slots;

	return mica_slots_add(slots, &old, &slot);
}

static int remove_id(struct mica_slots *slots, u32 id, struct mica_slot *removed)
{
	struct mica_slots old = *slots;

	return mica_slots_remove(slots, &old, id, removed);
}

/* -1: none */
static int find(const struct mica_slots *slots, u64 gpa)
{
	const struct mica_slot *slot = mica_slots_find(slots, gpa >> 12);

	return slot ? (int)slot->id : -1;
}

/* ------------------------------------------------------------ what user space asks for */

static void test_from_user(void **state)
{
	static const struct {
		u32 id;
		u64 gpa, size, hva;
		u32 flags;
		int error;
	} rows[] = {
		{ 0, 0, 4096, HVA, 0, 0 },
		{ 63, 0, 4096, HVA, MICA_MEM_READONLY, 0 },
		{ 0, 0, 4096, 0, 0, 0 },
		{ 0, 0, TOP, HVA, 0, 0 },
		{ 0, TOP - 4096, 4096, HVA, 0, 0 },
		{ 64, 0, 4096, HVA, 0, -EINVAL },
		{ ~0u, 0, 4096, HVA, 0, -EINVAL },
		{ 0, 0, 4096, HVA, 2, -EINVAL },
		{ 0, 0, 4096, HVA, 1u << 31, -EINVAL },
		{ 0, 0, 0, HVA, 0, -EINVAL },
		{ 0, 1, 4096, HVA, 0, -EINVAL },
		{ 0, 2048, 4096, HVA, 0, -EINVAL },
		{ 0, 0, 4095, HVA, 0, -EINVAL },
		{ 0, 0, 4097, HVA, 0, -EINVAL },
		{ 0, 0, 4096, HVA + 8, 0, -EINVAL },
		{ 0, TOP, 4096, HVA, 0, -EINVAL },
		{ 0, TOP - 4096, 8192, HVA, 0, -EINVAL },
		{ 0, 0, TOP + 4096, HVA, 0, -EINVAL },
		{ 0, -4096ull, 4096, HVA, 0, -EINVAL },
		{ 0, -4096ull, 8192, HVA, 0, -EINVAL },
		{ 0, 4096, -4096ull, 0, 0, -EINVAL },
		{ 0, 0, 4096, -4096ull, 0, -EINVAL },
		{ 0, 0, 8192, -4096ull, 0, -EINVAL },
		{ 0, 0, TOP, -(u64)TOP + 4096, 0, -EINVAL },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (from_user(rows[i].id, rows[i].gpa, rows[i].size, rows[i].hva,
			      rows[i].flags) != rows[i].error)
			fail_msg("row %zu", i);
}

static void test_from_user_fills(void **state)
{
	struct mica_memory args = {
		.slot = 7, .flags = MICA_MEM_READONLY, .gpa = 3 * MIB, .size = 5 * MIB, .hva = HVA,
	};
	struct mica_slot slot;

	(void)state;
	assert_int_equal(mica_slot_from_user(&slot, &args, 52), 0);
	assert_int_equal(slot.id, 7);
	assert_int_equal(slot.flags, MICA_MEM_READONLY);
	assert_int_equal(slot.gfn, 3 * MIB / 4096);
	assert_int_equal(slot.pages, 5 * MIB / 4096);
	assert_int_equal(slot.hva, HVA);
}

/* ------------------------------------------------------------ the set */

static void test_overlap(void **state)
{
	struct mica_slots slots = {0};

	(void)state;
	assert_int_equal(add(&slots, 0, 2 * MIB, 2 * MIB), 0);
	assert_int_equal(add(&slots, 1, 2 * MIB, 2 * MIB), -EEXIST);
	assert_int_equal(add(&slots, 1, 0, 2 * MIB + 4096), -EEXIST);
	assert_int_equal(add(&slots, 1, 4 * MIB - 4096, 4096), -EEXIST);
	assert_int_equal(add(&slots, 1, 3 * MIB, 4096), -EEXIST);
	assert_int_equal(add(&slots, 1, 0, 8 * MIB), -EEXIST);
	assert_int_equal(add(&slots, 0, 8 * MIB, MIB), -EEXIST);
	assert_int_equal(slots.count, 1);
	assert_int_equal(add(&slots, 1, 0, 2 * MIB), 0);
	assert_int_equal(add(&slots, 2, 4 * MIB, 4096), 0);
	assert_int_equal(slots.count, 3);
}

static void test_apic_page(void **state)
{
	struct mica_slots slots = {0};

	(void)state;
	assert_int_equal(add(&slots, 0, 0xfee00000, 4096), -EEXIST);
	assert_int_equal(add(&slots, 0, 0xfedff000, 8192), -EEXIST);
	assert_int_equal(add(&slots, 0, 0, 4 * GIB), -EEXIST);
	assert_int_equal(add(&slots, 0, 0, 0xfee00000), 0);
	assert_int_equal(add(&slots, 1, 0xfee01000, MIB), 0);
}

static void test_find(void **state)
{
	struct mica_slots slots = {0};

	(void)state;
	assert_int_equal(find(&slots, 0), -1);
	assert_int_equal(add(&slots, 5, 16 * MIB, MIB), 0);
	assert_int_equal(add(&slots, 3, MIB, MIB), 0);
	assert_int_equal(add(&slots, 9, 4 * GIB, GIB), 0);
	assert_int_equal(add(&slots, 1, 2 * MIB, MIB), 0);
	assert_int_equal(find(&slots, 0), -1);
	assert_int_equal(find(&slots, MIB - 1), -1);
	assert_int_equal(find(&slots, MIB), 3);
	assert_int_equal(find(&slots, 2 * MIB - 1), 3);
	assert_int_equal(find(&slots, 2 * MIB), 1);
	assert_int_equal(find(&slots, 3 * MIB), -1);
	assert_int_equal(find(&slots, 16 * MIB), 5);
	assert_int_equal(find(&slots, 17 * MIB), -1);
	assert_int_equal(find(&slots, 4 * GIB - 1), -1);
	assert_int_equal(find(&slots, 4 * GIB), 9);
	assert_int_equal(find(&slots, 5 * GIB - 1), 9);
	assert_int_equal(find(&slots, 5 * GIB), -1);
	assert_int_equal(find(&slots, -1ull), -1);
}

static void test_find_id(void **state)
{
	struct mica_slots slots = {0};

	(void)state;
	assert_null(mica_slots_find_id(&slots, 0));
	assert_int_equal(add(&slots, 5, 16 * MIB, MIB), 0);
	assert_int_equal(add(&slots, 63, MIB, MIB), 0);
	assert_null(mica_slots_find_id(&slots, 0));
	assert_int_equal(mica_slots_find_id(&slots, 5)->gfn, 16 * MIB / 4096);
	assert_int_equal(mica_slots_find_id(&slots, 63)->gfn, MIB / 4096);
	assert_null(mica_slots_find_id(&slots, ~0u));
}

static void test_remove(void **state)
{
	struct mica_slots slots = {0};
	struct mica_slot removed;

	(void)state;
	assert_int_equal(remove_id(&slots, 0, &removed), -ENOENT);
	assert_int_equal(add(&slots, 4, 0, MIB), 0);
	assert_int_equal(add(&slots, 2, 4 * MIB, MIB), 0);
	assert_int_equal(add(&slots, 8, 2 * MIB, MIB), 0);
	assert_int_equal(remove_id(&slots, 0, &removed), -ENOENT);
	assert_int_equal(slots.count, 3);
	assert_int_equal(remove_id(&slots, 8, &removed), 0);
	assert_int_equal(removed.gfn, 2 * MIB / 4096);
	assert_int_equal(removed.pages, MIB / 4096);
	assert_int_equal(slots.count, 2);
	assert_int_equal(find(&slots, 2 * MIB), -1);
	assert_int_equal(find(&slots, 0), 4);
	assert_int_equal(find(&slots, 4 * MIB), 2);
	assert_int_equal(remove_id(&slots, 8, &removed), -ENOENT);
	assert_int_equal(add(&slots, 8, 2 * MIB, MIB), 0);
}

/* All of them, in an order that exercises insertion, then all away. */
static void test_full(void **state)
{
	struct mica_slots slots = {0};
	struct mica_slot removed;
	unsigned int i, place;

	(void)state;
	for (i = 0; i < MICA_MAX_SLOTS; i++) {
		place = i * 37 % MICA_MAX_SLOTS;
		assert_int_equal(add(&slots, i, place * 2 * MIB, MIB), 0);
	}
	assert_int_equal(add(&slots, 5, GIB, MIB), -EEXIST);
	for (i = 0; i < MICA_MAX_SLOTS; i++) {
		place = i * 37 % MICA_MAX_SLOTS;
		assert_int_equal(find(&slots, place * 2 * MIB), i);
		assert_int_equal(find(&slots, place * 2 * MIB + MIB), -1);
		if (i)
			assert_true(slots.slot[i - 1].gfn < slots.slot[i].gfn);
	}
	for (i = 0; i < MICA_MAX_SLOTS; i++)
		assert_int_equal(remove_id(&slots, i, &removed), 0);
	assert_int_equal(slots.count, 0);
}

/* ------------------------------------------------------------ levels */

static void test_level(void **state)
{
	struct mica_slot aligned = slot_of(0, 0, 3 * GIB, 0x7f0000000000);
	struct mica_slot congruent = slot_of(0, 3 * MIB, GIB, 0x7f0000300000);
	struct mica_slot skewed = slot_of(0, 0, 3 * GIB, 0x7f0000001000);
	struct mica_slot half = slot_of(0, 0, 3 * GIB, 0x7f0000200000);
	struct mica_slot ragged = slot_of(0, 4096, GIB, 0x7f0000001000);

	(void)state;
	assert_int_equal(mica_slot_level(&aligned, 0, 3), 3);
	assert_int_equal(mica_slot_level(&aligned, 3 * GIB / 4096 - 1, 3), 3);
	assert_int_equal(mica_slot_level(&aligned, 5, 2), 2);
	assert_int_equal(mica_slot_level(&aligned, 5, 1), 1);
	/* The first and last MiB are not whole large pages. */
	assert_int_equal(mica_slot_level(&congruent, 3 * MIB / 4096, 3), 1);
	assert_int_equal(mica_slot_level(&congruent, 4 * MIB / 4096 - 1, 3), 1);
	assert_int_equal(mica_slot_level(&congruent, 4 * MIB / 4096, 3), 2);
	assert_int_equal(mica_slot_level(&congruent, (GIB + 2 * MIB) / 4096 - 1, 3), 2);
	assert_int_equal(mica_slot_level(&congruent, (GIB + 2 * MIB) / 4096, 3), 1);
	assert_int_equal(mica_slot_level(&skewed, GIB / 4096, 3), 1);
	assert_int_equal(mica_slot_level(&half, GIB / 4096, 3), 2);
	assert_int_equal(mica_slot_level(&ragged, 1, 3), 1);
	assert_int_equal(mica_slot_level(&ragged, 511, 3), 1);
	assert_int_equal(mica_slot_level(&ragged, 512, 3), 2);
	assert_int_equal(mica_slot_level(&ragged, GIB / 4096 - 1, 3), 2);
	assert_int_equal(mica_slot_level(&ragged, GIB / 4096, 3), 1);
}

/* ------------------------------------------------------------ from user addresses */

static void expect_next(const struct mica_slots *slots, u64 start, u64 end, u64 gfn,
			u64 first, u64 last)
{
	u64 f, l;

	assert_true(mica_slots_next(slots, start, end, gfn, &f, &l));
	assert_int_equal(f, first);
	assert_int_equal(l, last);
}

static void expect_none(const struct mica_slots *slots, u64 start, u64 end, u64 gfn)
{
	u64 f, l;

	assert_false(mica_slots_next(slots, start, end, gfn, &f, &l));
}

static void test_next(void **state)
{
	struct mica_slot low = slot_of(0, 0, 16 * 4096, HVA);
	/* The same user memory again, and some more, elsewhere in the guest. */
	struct mica_slot alias = slot_of(1, GIB, 32 * 4096, HVA);
	struct mica_slots one = {0}, two = {0}, none = {0};

	(void)state;
	assert_int_equal(mica_slots_add(&one, &none, &low), 0);
	assert_int_equal(mica_slots_add(&two, &one, &alias), 0);

	expect_none(&none, 0, -1ull, 0);
	expect_none(&two, 0, HVA, 0);
	expect_none(&two, 0, HVA - 4096, 0);
	expect_none(&two, HVA + 32 * 4096, -1ull, 0);
	expect_none(&two, HVA + 4096, HVA + 4096, 0);
	expect_next(&two, 0, -1ull, 0, 0, 16);
	expect_next(&two, 0, -1ull, 16, GIB / 4096, GIB / 4096 + 32);
	expect_none(&two, 0, -1ull, GIB / 4096 + 32);
	expect_next(&two, HVA + 4096, HVA + 3 * 4096, 0, 1, 3);
	expect_next(&two, HVA + 4096, HVA + 3 * 4096, 2, 2, 3);
	expect_next(&two, HVA + 4096, HVA + 3 * 4096, 3, GIB / 4096 + 1, GIB / 4096 + 3);
	expect_next(&two, HVA + 16 * 4096, HVA + 17 * 4096, 0, GIB / 4096 + 16, GIB / 4096 + 17);
	/* Parts of pages count as pages. */
	expect_next(&one, HVA + 4095, HVA + 4097, 0, 0, 2);
	expect_next(&one, HVA + 4096, HVA + 4097, 0, 1, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_from_user),
		cmocka_unit_test(test_from_user_fills),
		cmocka_unit_test(test_overlap),
		cmocka_unit_test(test_apic_page),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_find_id),
		cmocka_unit_test(test_remove),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_level),
		cmocka_unit_test(test_next),
	};

	return cmocka_run_group_tests_name("slots", tests, NULL, NULL);
}
