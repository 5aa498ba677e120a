// SPDX-License-Identifier: GPL-2.0-or-later
/* What dirty tracking needs of the second-level page tables (kmod/s2.c), in both formats. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "pages.h"
#include "tree.h"

static bool protect(struct mica_s2 *s2, u64 start, u64 end)
{
	return run(mica_s2_protect, s2, start, end, 100);
}

static bool zap_split(struct mica_s2 *s2, u64 start, u64 end)
{
	return run(mica_s2_zap_split, s2, start, end, 100);
}

/* ------------------------------------------------------------ protection */

static void test_protect_small(void **state)
{
	struct mica_s2 *s2 = *state;

	map(s2, 7, 0x7000, 1, true);
	map(s2, 8, 0x8000, 1, true);
	map(s2, 9, 0x9000, 1, true);
	assert_true(protect(s2, 8, 9));
	is_mapped(s2, 7, 0x7000, 1, true);
	is_mapped(s2, 8, 0x8000, 1, false);
	is_mapped(s2, 9, 0x9000, 1, true);
	/* Nothing is taken away a second time, nor where there is nothing. */
	assert_false(protect(s2, 8, 9));
	assert_false(protect(s2, 10, MICA_S2_FRAMES));
	assert_true(protect(s2, 0, MICA_S2_FRAMES));
	is_mapped(s2, 7, 0x7000, 1, false);
	is_mapped(s2, 9, 0x9000, 1, false);
	/* Writable again without a flush, that one alone. */
	assert_false(map(s2, 9, 0x9000, 1, true));
	is_mapped(s2, 9, 0x9000, 1, true);
	is_mapped(s2, 8, 0x8000, 1, false);
}

/* Large leaves stay large, and lose the right whole. */
static void test_protect_large(void **state)
{
	struct mica_s2 *s2 = *state;
	unsigned long tables;

	map(s2, 0, 0x40000000, 3, true);
	map(s2, PAGES_1G, 0x80000000, 2, true);
	map(s2, PAGES_1G + PAGES_2M, 0x80200000, 2, true);
	tables = s2->tables;
	assert_true(protect(s2, PAGES_1G - 1, PAGES_1G + 1));
	assert_int_equal(s2->tables, tables);
	is_mapped(s2, 0, 0x40000000, 3, false);
	is_mapped(s2, PAGES_1G + 511, 0x801ff000, 2, false);
	is_mapped(s2, PAGES_1G + PAGES_2M, 0x80200000, 2, true);
}

/* The first write to a protected large leaf: that page alone becomes writable, without a
 * flush; taking the right back finds it again. */
static void test_split_of_protected(void **state)
{
	struct mica_s2 *s2 = *state;

	map(s2, 0, 0x40000000, 3, true);
	assert_true(protect(s2, 0, PAGES_1G));
	assert_false(map(s2, PAGES_2M + 3, 0x40203000, 1, true));
	is_mapped(s2, PAGES_2M + 3, 0x40203000, 1, true);
	is_mapped(s2, PAGES_2M + 2, 0x40202000, 1, false);
	is_mapped(s2, PAGES_2M + 4, 0x40204000, 1, false);
	is_mapped(s2, 0, 0x40000000, 2, false);
	is_mapped(s2, 2 * PAGES_2M, 0x40400000, 2, false);
	assert_false(protect(s2, 0, PAGES_2M + 3));
	assert_true(protect(s2, PAGES_2M, 2 * PAGES_2M));
	is_mapped(s2, PAGES_2M + 3, 0x40203000, 1, false);
}

/* Nothing but the right to write changes. */
static void test_protect_keeps_the_rest(void **state)
{
	struct mica_s2 *s2 = *state;
	u64 ad = s2->format->accessed | s2->format->dirty, before, *entry;

	map(s2, 5, 0x5000, 1, true);
	map(s2, PAGES_2M, 0x40000000, 2, true);
	*translate(s2, 5).entry |= ad;
	entry = translate(s2, PAGES_2M).entry;
	*entry = (*entry | s2->format->dirty) & ~s2->format->accessed;
	before = *entry;
	assert_true(protect(s2, 0, 2 * PAGES_2M));
	assert_int_equal(*translate(s2, 5).entry & ad, ad);
	assert_int_equal(*translate(s2, 5).entry & s2->format->exec, s2->format->exec);
	assert_int_equal(*entry, before & ~s2->format->write);
}

static void test_protect_in_steps(void **state)
{
	struct mica_s2_range range = { .cursor = 1, .end = PAGES_2M };
	struct mica_s2_gather gather = {0};
	struct mica_s2 *s2 = *state;
	u64 gfn;

	for (gfn = 0; gfn < PAGES_2M; gfn++)
		map(s2, gfn, gfn << 12, 1, true);
	assert_false(mica_s2_protect(s2, &range, 100, &gather));
	/* Each step asks for a flush of its own: a CPU may enter between two. */
	assert_true(gather.flush);
	assert_in_range(range.cursor, 90, 101);
	is_mapped(s2, 0, 0, 1, true);
	is_mapped(s2, range.cursor - 1, (range.cursor - 1) << 12, 1, false);
	is_mapped(s2, range.cursor, range.cursor << 12, 1, true);
	gather.flush = false;
	while (!mica_s2_protect(s2, &range, 100, &gather))
		;
	assert_true(gather.flush);
	is_mapped(s2, PAGES_2M - 1, (PAGES_2M - 1) << 12, 1, false);
}

/* A leaf that is entered with fewer rights than the one in its place asks for a flush: else a
 * CPU could go on writing without a fault. */
static void test_fewer_rights_are_flushed(void **state)
{
	struct mica_s2_leaf leaf = { .pa = 0x40000000, .level = 2, .write = true, .no_exec = true };
	struct mica_s2_gather gather = {0};
	struct mica_s2 *s2 = *state;

	refill(s2);
	assert_int_equal(mica_s2_map(s2, &leaf, &gather), 0);
	assert_false(gather.flush);
	leaf = (struct mica_s2_leaf) { .gfn = 7, .pa = 0x40007000, .level = 1 };
	refill(s2);
	assert_int_equal(mica_s2_map(s2, &leaf, &gather), 0);
	is_mapped(s2, 7, 0x40007000, 1, false);
	assert_true(gather.flush);
}

/* ------------------------------------------------------------ sizes */

static void test_room(void **state)
{
	struct mica_s2 *s2 = *state;

	assert_int_equal(mica_s2_room(s2, 0), 4);
	map(s2, 0, 0x40000000, 3, false);
	assert_int_equal(mica_s2_room(s2, 0), 3);
	assert_int_equal(mica_s2_room(s2, PAGES_1G), 3);
	map(s2, 7, 0x40007000, 1, true);
	assert_int_equal(mica_s2_room(s2, 8), 1);
	assert_int_equal(mica_s2_room(s2, PAGES_2M), 2);
	map(s2, PAGES_1G + 5, 0x1000, 1, true);
	assert_int_equal(mica_s2_room(s2, PAGES_1G + 6), 1);
	assert_int_equal(mica_s2_room(s2, PAGES_1G + PAGES_2M), 2);
	assert_int_equal(mica_s2_room(s2, MICA_S2_FRAMES - 1), 4);
}

static void test_zap_split(void **state)
{
	struct mica_s2 *s2 = *state;
	u64 gfn;

	map(s2, 0, 0x40000000, 2, false);
	map(s2, 9, 0x40009000, 1, true);
	/* As contiguous, but not where a large leaf could be. */
	for (gfn = PAGES_2M; gfn < 2 * PAGES_2M; gfn++)
		map(s2, gfn, 0x50001000 + (gfn << 12), 1, true);
	/* One page is another. */
	map(s2, 2 * PAGES_2M, 0x60000000, 2, false);
	map(s2, 2 * PAGES_2M + 511, 0x1000, 1, true);
	/* A hole. */
	map(s2, 3 * PAGES_2M, 0x70000000, 2, false);
	map(s2, 3 * PAGES_2M, 0x70000000, 1, true);
	assert_true(zap(s2, 3 * PAGES_2M + 77, 3 * PAGES_2M + 78, 1));
	/* Large. */
	map(s2, 4 * PAGES_2M, 0x80000000, 2, true);
	assert_true(zap_split(s2, 0, PAGES_1G));
	is_hole(s2, 0);
	is_hole(s2, 9);
	is_hole(s2, 511);
	is_mapped(s2, PAGES_2M, 0x50201000, 1, true);
	is_mapped(s2, 2 * PAGES_2M, 0x60000000, 1, false);
	is_mapped(s2, 3 * PAGES_2M, 0x70000000, 1, true);
	is_mapped(s2, 4 * PAGES_2M + 1, 0x80001000, 2, true);
	assert_false(zap_split(s2, 0, PAGES_1G));
}

/* A split gigabyte: the tables go from below, and none is left empty. */
static void test_zap_split_gigabyte(void **state)
{
	struct mica_s2 *s2 = *state;
	u64 gfn;

	map(s2, 0, 0x40000000, 3, false);
	map(s2, PAGES_2M, 0x40200000, 2, true);
	assert_int_equal(s2->tables, 3);
	assert_true(zap_split(s2, 3, 4));
	is_hole(s2, 0);
	assert_int_equal(s2->tables, 1);

	map(s2, 0, 0x40000000, 3, false);
	map(s2, 5, 0x40005000, 1, true);
	assert_true(zap_split(s2, 0, PAGES_1G));
	is_hole(s2, 5);
	is_mapped(s2, PAGES_2M, 0x40200000, 2, false);
	/* What is left does not prevent the large leaf. */
	assert_true(map(s2, 0, 0x40000000, 3, true));
	is_mapped(s2, PAGES_2M, 0x40200000, 3, true);

	assert_true(protect(s2, 0, PAGES_1G));
	for (gfn = 0; gfn < PAGES_1G; gfn += PAGES_2M)
		map(s2, gfn, 0x40000000 + (gfn << 12), 1, true);
	assert_int_equal(s2->tables, 3 + 512);
	assert_true(zap_split(s2, 0, PAGES_1G));
	assert_int_equal(s2->tables, 1);
}

static void test_zap_split_without_large_pages(void **state)
{
	struct mica_s2_format small = ept;
	struct mica_s2 *s2 = *state;
	u64 gfn;

	small.max_level = 1;
	s2->format = &small;
	for (gfn = 0; gfn < PAGES_2M; gfn++)
		map(s2, gfn, 0x40000000 + (gfn << 12), 1, true);
	assert_false(zap_split(s2, 0, PAGES_2M));
	is_mapped(s2, 7, 0x40007000, 1, true);
	zap(s2, 0, PAGES_2M, 100);
	s2->format = &ept;
}

#define IN_BOTH_FORMATS(test) \
	cmocka_unit_test_setup_teardown(test, setup_ept, teardown), \
	cmocka_unit_test_setup_teardown(test, setup_npt, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_BOTH_FORMATS(test_protect_small),
		IN_BOTH_FORMATS(test_protect_large),
		IN_BOTH_FORMATS(test_split_of_protected),
		IN_BOTH_FORMATS(test_protect_keeps_the_rest),
		cmocka_unit_test_setup_teardown(test_protect_keeps_the_rest, setup_ept_without_ad,
						teardown),
		IN_BOTH_FORMATS(test_protect_in_steps),
		/* The other format knows no leaf that cannot be executed. */
		cmocka_unit_test_setup_teardown(test_fewer_rights_are_flushed, setup_ept, teardown),
		IN_BOTH_FORMATS(test_room),
		IN_BOTH_FORMATS(test_zap_split),
		IN_BOTH_FORMATS(test_zap_split_gigabyte),
		cmocka_unit_test_setup_teardown(test_zap_split_without_large_pages, setup_ept,
						teardown),
	};

	return cmocka_run_group_tests_name("dirty", tests, NULL, NULL);
}
