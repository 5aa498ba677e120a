// SPDX-License-Identifier: GPL-2.0-or-later
/* The second-level page tables (kmod/s2.c) against a walker of the test's own, and a model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "pages.h"
#include "tree.h"

/* ------------------------------------------------------------ single operations */

static void test_empty(void **state)
{
	struct mica_s2 *s2 = *state, zeroed = {0};

	assert_int_equal(s2->tables, 1);
	is_hole(s2, 0);
	is_hole(s2, MICA_S2_FRAMES - 1);
	assert_false(zap(s2, 0, MICA_S2_FRAMES, 100));
	mica_s2_destroy(&zeroed);
}

static void test_no_memory(void **state)
{
	struct mica_s2 s2;

	(void)state;
	fake_pages_left = 0;
	assert_int_equal(mica_s2_init(&s2, &ept), -ENOMEM);
	assert_null(mica_s2_table_alloc());
	fake_pages_left = -1;
	mica_s2_destroy(&s2);
}

static void test_spares(void **state)
{
	struct mica_s2_leaf leaf = { .gfn = 5, .pa = 0x1000, .level = 1 };
	struct mica_s2_gather gather = {0};
	struct mica_s2 *s2 = *state;
	u64 *table;
	int i;

	for (i = 0; i < MICA_S2_TABLES_PER_MAP; i++) {
		assert_int_equal(mica_s2_map(s2, &leaf, &gather), -EAGAIN);
		is_hole(s2, 5);
		assert_true(mica_s2_give(s2, mica_s2_table_alloc()));
	}
	assert_int_equal(mica_s2_map(s2, &leaf, &gather), 0);
	assert_int_equal(s2->tables, 4);
	assert_int_equal(s2->spares, 0);
	for (i = 0; i < MICA_S2_SPARES; i++)
		assert_true(mica_s2_give(s2, mica_s2_table_alloc()));
	table = mica_s2_table_alloc();
	assert_false(mica_s2_give(s2, table));
	mica_s2_table_free(table);
	check_pages(s2, 0);
}

static void test_map_each_level(void **state)
{
	struct mica_s2 *s2 = *state;

	assert_false(map(s2, 0, 0x123456000, 1, true));
	assert_int_equal(s2->tables, 4);
	assert_false(map(s2, PAGES_2M, 0x40000000, 2, false));
	assert_int_equal(s2->tables, 4);
	assert_false(map(s2, PAGES_1G, 0x80000000, 3, true));
	assert_int_equal(s2->tables, 4);
	assert_false(map(s2, MICA_S2_FRAMES - 1, 0xffffffffff000, 1, true));
	assert_int_equal(s2->tables, 7);

	is_mapped(s2, 0, 0x123456000, 1, true);
	is_hole(s2, 1);
	is_mapped(s2, PAGES_2M, 0x40000000, 2, false);
	is_mapped(s2, 2 * PAGES_2M - 1, 0x401ff000, 2, false);
	is_hole(s2, 2 * PAGES_2M);
	is_hole(s2, PAGES_1G - 1);
	is_mapped(s2, PAGES_1G + 7, 0x80007000, 3, true);
	is_mapped(s2, 2 * PAGES_1G - 1, 0xbffff000, 3, true);
	is_hole(s2, 2 * PAGES_1G);
	is_mapped(s2, MICA_S2_FRAMES - 1, 0xffffffffff000, 1, true);
	is_hole(s2, MICA_S2_FRAMES - 2);
}

static void test_map_again(void **state)
{
	struct mica_s2 *s2 = *state;

	map(s2, 9, 0x9000, 1, false);
	assert_false(map(s2, 9, 0x9000, 1, false));
	is_mapped(s2, 9, 0x9000, 1, false);
	/* More rights: nobody has to flush. */
	assert_false(map(s2, 9, 0x9000, 1, true));
	is_mapped(s2, 9, 0x9000, 1, true);
	/* Fewer are not a wish to take some away. */
	assert_false(map(s2, 9, 0x9000, 1, false));
	is_mapped(s2, 9, 0x9000, 1, true);
	/* Another page. */
	assert_true(map(s2, 9, 0xa000, 1, false));
	is_mapped(s2, 9, 0xa000, 1, false);
	assert_int_equal(s2->tables, 4);
}

static void test_large_covers_small(void **state)
{
	struct mica_s2 *s2 = *state;

	map(s2, 0, 0x40000000, 3, true);
	assert_false(map(s2, 77, 0x4004d000, 1, true));
	assert_false(map(s2, PAGES_2M, 0x40200000, 2, false));
	is_mapped(s2, 77, 0x4004d000, 3, true);
	assert_int_equal(s2->tables, 2);
}

static void test_split(void **state)
{
	struct mica_s2 *s2 = *state;

	map(s2, 0, 0x40000000, 3, false);
	/* The same page, now writable: nothing else changes, so no flush. */
	assert_false(map(s2, PAGES_2M + 3, 0x40203000, 1, true));
	assert_int_equal(s2->tables, 4);
	is_mapped(s2, PAGES_2M + 3, 0x40203000, 1, true);
	is_mapped(s2, PAGES_2M + 2, 0x40202000, 1, false);
	is_mapped(s2, PAGES_2M + 4, 0x40204000, 1, false);
	is_mapped(s2, 2 * PAGES_2M - 1, 0x403ff000, 1, false);
	is_mapped(s2, PAGES_2M - 1, 0x401ff000, 2, false);
	is_mapped(s2, 2 * PAGES_2M, 0x40400000, 2, false);
	is_mapped(s2, PAGES_1G - 1, 0x7ffff000, 2, false);
	/* Another page in the middle of a large one. */
	assert_true(map(s2, 5, 0x123000, 1, true));
	is_mapped(s2, 5, 0x123000, 1, true);
	is_mapped(s2, 6, 0x40006000, 1, false);
	assert_int_equal(s2->tables, 5);
}

static bool may_execute(const struct mica_s2 *s2, u64 gfn)
{
	return *translate(s2, gfn).entry & s2->format->exec;
}

/* A large leaf without execution, then a fetch from one of its pages: that page alone. */
static void test_exec_in_small_leaves(void **state)
{
	struct mica_s2_leaf large = { .pa = 0x40000000, .level = 2, .write = true, .no_exec = true };
	struct mica_s2_leaf small = { .gfn = 7, .pa = 0x40007000, .level = 1, .write = true };
	struct mica_s2_gather gather = {0};
	struct mica_s2 *s2 = *state;

	refill(s2);
	assert_int_equal(mica_s2_map(s2, &large, &gather), 0);
	assert_false(may_execute(s2, 7));
	refill(s2);
	assert_int_equal(mica_s2_map(s2, &small, &gather), 0);
	assert_false(gather.flush);
	is_mapped(s2, 7, 0x40007000, 1, true);
	assert_int_equal(translate(s2, 8).pa, 0x40008000);
	assert_true(may_execute(s2, 7));
	assert_false(may_execute(s2, 6));
	assert_false(may_execute(s2, 8));
}

static void test_split_keeps_accessed_and_dirty(void **state)
{
	struct mica_s2 *s2 = *state;
	u64 ad = ept.accessed | ept.dirty;

	map(s2, 0, 0x40000000, 2, true);
	*translate(s2, 0).entry |= ad;
	assert_true(map(s2, 5, 0x123000, 1, true));
	assert_int_equal(*translate(s2, 6).entry & ad, ad);
	assert_int_equal(*translate(s2, 5).entry & ad, ept.accessed);
}

/* Tables give way to a large leaf, but stay as they are until the CPUs have flushed. */
static void test_join(void **state)
{
	struct mica_s2_leaf leaf = { .pa = 0x80000000, .level = 3, .write = true };
	struct mica_s2_gather gather = {0};
	struct mica_s2 *s2 = *state;
	u64 *old;

	map(s2, 0, 0x1000, 1, true);
	map(s2, PAGES_2M, 0x40000000, 2, true);
	map(s2, 7 * PAGES_2M + 5, 0x3000, 1, true);
	old = translate(s2, 7 * PAGES_2M + 5).entry;
	assert_int_equal(s2->tables, 5);
	refill(s2);
	assert_int_equal(mica_s2_map(s2, &leaf, &gather), 0);
	is_mapped(s2, 0, 0x80000000, 3, true);
	is_mapped(s2, 7 * PAGES_2M + 5, 0x80e05000, 3, true);
	assert_true(gather.flush);
	assert_int_equal(s2->tables, 2);
	check_pages(s2, 3);
	assert_int_equal(*old & ept.address, 0x3000);
	mica_s2_gather_free(&gather);
	assert_null(gather.tables);
	check_pages(s2, 0);
	mica_s2_gather_free(&gather);
}

static void test_zap_whole_leaves(void **state)
{
	struct mica_s2 *s2 = *state;

	map(s2, 0, 0x40000000, 3, true);
	map(s2, PAGES_1G, 0x40000000, 2, true);
	map(s2, PAGES_1G + PAGES_2M, 0x1000, 1, true);
	map(s2, PAGES_1G + PAGES_2M + 1, 0x2000, 1, true);
	assert_int_equal(s2->tables, 4);
	/* Holes need no flush. */
	assert_false(zap(s2, PAGES_1G + PAGES_2M + 2, PAGES_1G + 9 * PAGES_2M, 100));
	assert_int_equal(s2->tables, 4);
	/* Exactly one of two neighbours; its table stays. */
	assert_true(zap(s2, PAGES_1G + PAGES_2M, PAGES_1G + PAGES_2M + 1, 100));
	is_hole(s2, PAGES_1G + PAGES_2M);
	is_mapped(s2, PAGES_1G + PAGES_2M + 1, 0x2000, 1, true);
	/* One frame takes its large leaf along. */
	assert_true(zap(s2, PAGES_1G + 100, PAGES_1G + 101, 100));
	is_hole(s2, PAGES_1G);
	is_hole(s2, PAGES_1G + 511);
	assert_true(zap(s2, PAGES_1G - 1, PAGES_1G, 100));
	is_hole(s2, 0);
	is_mapped(s2, PAGES_1G + PAGES_2M + 1, 0x2000, 1, true);
	assert_int_equal(s2->tables, 4);
}

static void test_zap_prunes(void **state)
{
	u64 base = 3 * PAGES_1G + 4 * PAGES_2M;
	struct mica_s2 *s2 = *state;

	map(s2, base + 1, 0x1000, 1, true);
	map(s2, base + 2, 0x2000, 1, true);
	map(s2, base + PAGES_2M, 0x3000, 1, true);
	map(s2, 4 * PAGES_1G, 0x4000, 1, true);
	assert_int_equal(s2->tables, 7);
	assert_true(zap(s2, base + 1, base + 2, 100));
	assert_int_equal(s2->tables, 7);
	/* The last leaf takes its table along, and that those above if they are empty then. */
	assert_true(zap(s2, base + 2, base + 3, 100));
	assert_int_equal(s2->tables, 6);
	assert_true(zap(s2, 4 * PAGES_1G - 1, 4 * PAGES_1G + 1, 100));
	assert_int_equal(s2->tables, 4);
	is_mapped(s2, base + PAGES_2M, 0x3000, 1, true);
	assert_true(zap(s2, 0, MICA_S2_FRAMES, 1000));
	assert_int_equal(s2->tables, 1);
}

/* Between the steps of a zap the lock is dropped: what was entered meanwhile must survive
 * together with its table. */
static void test_zap_in_steps(void **state)
{
	struct mica_s2_range range = { .end = PAGES_2M };
	struct mica_s2_gather gather = {0};
	struct mica_s2 *s2 = *state;
	u64 gfn;

	for (gfn = 0; gfn < PAGES_2M; gfn++)
		map(s2, gfn, gfn << 12, 1, true);
	assert_false(mica_s2_zap(s2, &range, 100, &gather));
	assert_in_range(range.cursor, 90, 100);
	is_hole(s2, range.cursor - 1);
	is_mapped(s2, range.cursor, range.cursor << 12, 1, true);
	map(s2, 3, 0x7000, 1, true);
	while (!mica_s2_zap(s2, &range, 100, &gather))
		;
	assert_null(gather.tables);
	is_mapped(s2, 3, 0x7000, 1, true);
	is_hole(s2, PAGES_2M - 1);
	assert_true(zap(s2, 0, PAGES_2M, 1));
	assert_int_equal(s2->tables, 1);
}

static void test_young(void **state)
{
	struct mica_s2 *s2 = *state;
	struct translation t;

	map(s2, 8, 0x8000, 1, true);
	map(s2, PAGES_2M, 0x200000, 2, true);
	t = translate(s2, 8);
	/* Born young. */
	assert_true(mica_s2_young(s2, 8, 9, false));
	assert_true(mica_s2_young(s2, 8, 9, true));
	assert_false(mica_s2_young(s2, 0, PAGES_2M, true));
	assert_true(mica_s2_young(s2, 0, 2 * PAGES_2M, false));
	*t.entry |= ept.accessed | ept.dirty;
	assert_false(mica_s2_young(s2, 7, 8, true));
	assert_false(mica_s2_young(s2, 9, 10, true));
	assert_true(mica_s2_young(s2, 7, 9, true));
	assert_int_equal(*t.entry & (ept.accessed | ept.dirty), ept.dirty);
	is_mapped(s2, 8, 0x8000, 1, true);
	/* Any part of a large leaf tells about all of it. */
	assert_true(mica_s2_young(s2, PAGES_2M + 500, PAGES_2M + 501, true));
	assert_false(mica_s2_young(s2, PAGES_2M, 2 * PAGES_2M, false));
	assert_false(mica_s2_young(s2, MICA_S2_FRAMES - 1, MICA_S2_FRAMES, false));
	/* From the middle of an old large leaf to the one behind it. */
	map(s2, 2 * PAGES_2M + 1, 0x9000, 1, true);
	assert_true(mica_s2_young(s2, PAGES_2M + 500, 2 * PAGES_2M + 2, false));
}

static void test_young_without_accessed_bits(void **state)
{
	struct mica_s2 *s2 = *state;
	u64 entry;

	map(s2, 8, 0x8000, 1, true);
	entry = *translate(s2, 8).entry;
	assert_true(mica_s2_young(s2, 0, PAGES_2M, true));
	assert_true(mica_s2_young(s2, 8, 9, true));
	assert_int_equal(*translate(s2, 8).entry, entry);
	assert_false(mica_s2_young(s2, 9, 10, true));
}

/* ------------------------------------------------------------ random operations */

#define MODEL_BASE	(511 * PAGES_1G)	/* its second half begins a new root entry */
#define MODEL_FRAMES	(2 * PAGES_1G)

struct frame {
	u64 pa;
	signed char level;	/* 0: hole */
	bool write;
};

static struct frame *model;

static u64 random_number(u64 *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static u64 pages_of(int level)
{
	return 1ull << (9 * (level - 1));
}

/* The frames of the leaf at i become smaller leaves, down to `level` around i. */
static void model_split(u64 i, int level)
{
	u64 first, j;
	int l;

	for (l = model[i].level; l > level; l--) {
		first = i & ~(pages_of(l) - 1);
		for (j = first; j < first + pages_of(l); j++)
			model[j].level = l - 1;
	}
}

/* Returns whether a CPU could hold something that is no longer true. */
static bool model_map(u64 i, u64 pa, int level, bool write)
{
	bool stale = false;
	u64 j;

	if (model[i].level >= level && model[i].pa == pa && (model[i].write || !write))
		return false;
	if (model[i].level > level)
		model_split(i, level);
	for (j = i; j < i + pages_of(level); j++, pa += 4096) {
		stale |= model[j].level && (model[j].pa != pa || (model[j].write && !write));
		model[j] = (struct frame) { .pa = pa, .level = level, .write = write };
	}
	return stale;
}

static bool model_zap(u64 start, u64 end)
{
	bool stale = false;
	u64 i = start, j, first, pages;

	while (i < end) {
		if (!model[i].level) {
			i++;
			continue;
		}
		stale = true;
		pages = pages_of(model[i].level);
		first = i & ~(pages - 1);
		for (j = first; j < first + pages; j++)
			model[j] = (struct frame) {0};
		i = first + pages;
	}
	return stale;
}

static bool model_protect(u64 start, u64 end)
{
	bool stale = false;
	u64 i = start, j, first, pages;

	while (i < end) {
		pages = pages_of(model[i].level ? model[i].level : 1);
		first = i & ~(pages - 1);
		for (j = first; j < first + pages; j++) {
			stale |= model[j].write;
			model[j].write = false;
		}
		i = first + pages;
	}
	return stale;
}

static void check_frame(const struct mica_s2 *s2, u64 i)
{
	struct translation t = translate(s2, MODEL_BASE + i);

	if (t.level != model[i].level || t.pa != model[i].pa || t.write != model[i].write)
		fail_msg("frame %#llx is %d %#llx %d, not %d %#llx %d", (long long)i, t.level,
			 (long long)t.pa, t.write, model[i].level, (long long)model[i].pa,
			 model[i].write);
}

/* Mostly what a well-behaved host does (few different pages for a frame), mostly small. */
static void random_map(struct mica_s2 *s2, u64 *seed)
{
	static const int levels[16] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 3 };
	int level = levels[random_number(seed) % 16];
	u64 i = random_number(seed) % MODEL_FRAMES & ~(pages_of(level) - 1);
	u64 pa = (i << 12) + (random_number(seed) % 4 ? 0 : 1ull << 40);
	bool write = random_number(seed) % 2;
	bool stale = model_map(i, pa, level, write);
	bool flush = map(s2, MODEL_BASE + i, pa, level, write);

	if (stale)
		assert_true(flush);
	check_frame(s2, i);
	check_frame(s2, i + pages_of(level) - 1);
}

static void random_zap(struct mica_s2 *s2, u64 *seed)
{
	u64 start = random_number(seed) % MODEL_FRAMES;
	u64 limit = 1ull << (random_number(seed) % 20);
	u64 end = min(start + 1 + random_number(seed) % limit, MODEL_FRAMES);
	bool stale = model_zap(start, end);
	bool flush = zap(s2, MODEL_BASE + start, MODEL_BASE + end, random_number(seed) % 2000);

	if (stale)
		assert_true(flush);
	check_frame(s2, start);
	check_frame(s2, end - 1);
}

/* Where there is no leaf, and before and behind the range's own, nothing may change. */
static void random_protect(struct mica_s2 *s2, u64 *seed)
{
	u64 start = random_number(seed) % MODEL_FRAMES;
	u64 limit = 1ull << (random_number(seed) % 20);
	u64 end = min(start + 1 + random_number(seed) % limit, MODEL_FRAMES);
	bool stale = model_protect(start, end);
	bool flush = run(mica_s2_protect, s2, MODEL_BASE + start, MODEL_BASE + end,
			 random_number(seed) % 2000);

	assert_int_equal(flush, stale);
	check_frame(s2, start);
	check_frame(s2, end - 1);
}

static void random_operation(struct mica_s2 *s2, u64 *seed)
{
	switch (random_number(seed) % 8) {
	case 0:
		random_zap(s2, seed);
		break;
	case 1:
		random_protect(s2, seed);
		break;
	default:
		random_map(s2, seed);
	}
}

static void test_random(void **state)
{
	u64 seed = 0x9e3779b97f4a7c15, i;
	struct mica_s2 *s2 = *state;
	int round;

	model = calloc(MODEL_FRAMES, sizeof(*model));
	for (round = 0; round < 6000; round++) {
		random_operation(s2, &seed);
		if (round % 500 == 499)
			for (i = 0; i < MODEL_FRAMES; i++)
				check_frame(s2, i);
	}
	zap(s2, 0, MICA_S2_FRAMES, 2048);
	assert_int_equal(s2->tables, 1);
	free(model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_empty, setup_ept, teardown),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test_setup_teardown(test_spares, setup_ept, teardown),
		cmocka_unit_test_setup_teardown(test_map_each_level, setup_ept, teardown),
		cmocka_unit_test_setup_teardown(test_map_again, setup_ept, teardown),
		cmocka_unit_test_setup_teardown(test_large_covers_small, setup_ept, teardown),
		cmocka_unit_test_setup_teardown(test_split, setup_ept, teardown),
		cmocka_unit_test_setup_teardown(test_exec_in_small_leaves, setup_ept, teardown),
		cmocka_unit_test_setup_teardown(test_split_keeps_accessed_and_dirty, setup_ept,
						teardown),
		cmocka_unit_test_setup_teardown(test_join, setup_ept, teardown),
		cmocka_unit_test_setup_teardown(test_zap_whole_leaves, setup_ept, teardown),
		cmocka_unit_test_setup_teardown(test_zap_prunes, setup_ept, teardown),
		cmocka_unit_test_setup_teardown(test_zap_in_steps, setup_ept, teardown),
		cmocka_unit_test_setup_teardown(test_young, setup_ept, teardown),
		cmocka_unit_test_setup_teardown(test_young_without_accessed_bits,
						setup_ept_without_ad, teardown),
		cmocka_unit_test_setup_teardown(test_map_each_level, setup_npt, teardown),
		cmocka_unit_test_setup_teardown(test_split, setup_npt, teardown),
		cmocka_unit_test_setup_teardown(test_random, setup_ept, teardown),
		cmocka_unit_test_setup_teardown(test_random, setup_npt, teardown),
	};

	return cmocka_run_group_tests_name("s2", tests, NULL, NULL);
}
