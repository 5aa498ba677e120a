// SPDX-License-Identifier: GPL-2.0-or-later
#include "tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "pages.h"

/* SDM volume 3, "EPT Translation Mechanism": entry formats. */
const struct mica_s2_format ept = {
	.table = 0x7,
	.leaf = 0x1 | 6 << 3,
	.write = 0x2,
	.exec = 0x4,
	.large = 0x80,
	.present = 0x7,
	.accessed = 0x100,
	.dirty = 0x200,
	.address = 0x000ffffffffff000,
	.max_level = 3,
};

/* The same on a CPU without accessed bits. */
const struct mica_s2_format ept_without_ad = {
	.table = 0x7,
	.leaf = 0x1 | 6 << 3,
	.write = 0x2,
	.exec = 0x4,
	.large = 0x80,
	.present = 0x7,
	.address = 0x000ffffffffff000,
	.max_level = 3,
};

/* APM volume 2, "Nested Paging": the format of long mode page tables, user accessible. */
const struct mica_s2_format npt = {
	.table = 0x7,
	.leaf = 0x5,
	.write = 0x2,
	.large = 0x80,
	.present = 0x1,
	.accessed = 0x20,
	.dirty = 0x40,
	.address = 0x000ffffffffff000,
	.max_level = 3,
};

/* Walks as the CPU does. */
struct translation translate(const struct mica_s2 *s2, u64 gfn)
{
	const struct mica_s2_format *f = s2->format;
	u64 *table = s2->root, *entry;
	struct translation none = {0};
	int level, shift;

	for (level = 4; level > 0; level--) {
		shift = 9 * (level - 1);
		entry = &table[(gfn >> shift) & 511];
		if (!(*entry & f->present))
			return none;
		if (level == 1 || *entry & f->large)
			break;
		assert_int_equal(*entry & ~f->address & ~(f->accessed | f->dirty), f->table);
		table = (u64 *)(uintptr_t)(*entry & f->address);
	}
	assert_int_equal(*entry & ~f->address & ~(f->accessed | f->dirty | f->write | f->exec),
			 f->leaf | (level > 1 ? f->large : 0));
	assert_int_equal(*entry & f->address & ((1ull << (shift + 12)) - 1), 0);
	return (struct translation) {
		.pa = (*entry & f->address) + ((gfn & ((1ull << shift) - 1)) << 12),
		.level = level,
		.write = *entry & f->write,
		.entry = entry,
	};
}

/* Only the root may be empty. */
static unsigned long count_tables(const struct mica_s2_format *f, const u64 *table, int level)
{
	unsigned long count = 1;
	bool empty = true;
	int i;

	for (i = 0; i < 512; i++) {
		empty &= !table[i];
		if (level > 1 && table[i] & f->present && !(table[i] & f->large))
			count += count_tables(f, (u64 *)(uintptr_t)(table[i] & f->address),
					      level - 1);
	}
	assert_true(!empty || level == 4);
	return count;
}

void refill(struct mica_s2 *s2)
{
	while (s2->spares < MICA_S2_TABLES_PER_MAP)
		assert_true(mica_s2_give(s2, mica_s2_table_alloc()));
}

/* Every table is in the tree, among the spares, or counted as gathered. */
void check_pages(const struct mica_s2 *s2, long gathered)
{
	assert_int_equal(s2->tables, count_tables(s2->format, s2->root, 4));
	assert_int_equal(fake_pages, s2->tables + s2->spares + gathered);
}

bool map(struct mica_s2 *s2, u64 gfn, u64 pa, int level, bool write)
{
	struct mica_s2_leaf leaf = { .gfn = gfn, .pa = pa, .level = level, .write = write };
	struct mica_s2_gather gather = {0};

	refill(s2);
	assert_int_equal(mica_s2_map(s2, &leaf, &gather), 0);
	assert_true(gather.flush || !gather.tables);
	mica_s2_gather_free(&gather);
	check_pages(s2, 0);
	return gather.flush;
}

bool run(mica_s2_pass_fn *pass, struct mica_s2 *s2, u64 start, u64 end, unsigned int budget)
{
	struct mica_s2_range range = { .cursor = start, .end = end };
	struct mica_s2_gather gather = {0};
	u64 before;

	do {
		before = range.cursor;
		if (pass(s2, &range, budget, &gather))
			break;
		assert_true(range.cursor > before);
	} while (true);
	assert_true(range.cursor >= end);
	assert_true(gather.flush || !gather.tables);
	mica_s2_gather_free(&gather);
	check_pages(s2, 0);
	return gather.flush;
}

bool zap(struct mica_s2 *s2, u64 start, u64 end, unsigned int budget)
{
	return run(mica_s2_zap, s2, start, end, budget);
}

void is_mapped(const struct mica_s2 *s2, u64 gfn, u64 pa, int level, bool write)
{
	struct translation t = translate(s2, gfn);

	assert_int_equal(t.level, level);
	assert_int_equal(t.pa, pa);
	assert_int_equal(t.write, write);
	assert_int_equal(*t.entry & s2->format->exec, s2->format->exec);
}

void is_hole(const struct mica_s2 *s2, u64 gfn)
{
	assert_int_equal(translate(s2, gfn).level, 0);
}

static int setup(void **state, const struct mica_s2_format *format)
{
	struct mica_s2 *s2 = calloc(1, sizeof(*s2));

	*state = s2;
	return mica_s2_init(s2, format);
}

int setup_ept(void **state)
{
	return setup(state, &ept);
}

int setup_ept_without_ad(void **state)
{
	return setup(state, &ept_without_ad);
}

int setup_npt(void **state)
{
	return setup(state, &npt);
}

int teardown(void **state)
{
	mica_s2_destroy(*state);
	free(*state);
	return fake_pages;
}
