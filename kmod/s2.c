// SPDX-License-Identifier: GPL-2.0-only
/* The second-level page tables as a data structure: no locks, no policy.  See s2.h. */
#include "s2.h"

/* ------------------------------------------------------------ entries */

static bool is_present(const struct mica_s2_format *format, u64 entry)
{
	return entry & format->present;
}

static bool is_leaf(const struct mica_s2_format *format, u64 entry, int level)
{
	return is_present(format, entry) && (level == 1 || entry & format->large);
}

static bool is_table(const struct mica_s2_format *format, u64 entry, int level)
{
	return is_present(format, entry) && !is_leaf(format, entry, level);
}

static u64 *table_of(const struct mica_s2_format *format, u64 entry)
{
	return __va(entry & format->address);
}

static u64 table_entry(const struct mica_s2_format *format, u64 *table)
{
	return __pa(table) | format->table;
}

/* Accessed from the start: it is made because of an access, and saves the CPU the work. */
static u64 leaf_entry(const struct mica_s2_format *format, const struct mica_s2_leaf *leaf)
{
	return leaf->pa | format->leaf | format->accessed | (leaf->no_exec ? 0 : format->exec) |
	       (leaf->write ? format->write : 0) | (leaf->level > 1 ? format->large : 0);
}

static unsigned int index_of(u64 gfn, int level)
{
	return (gfn >> (MICA_S2_INDEX_BITS * (level - 1))) % MICA_S2_ENTRIES;
}

static void set_entry(u64 *entry, u64 value)
{
	/* A CPU that sees the entry must see the table behind it. */
	smp_store_release(entry, value);
}

/* The entry that decides about gfn: the first on the way down that is not a table, at
 * `lowest` or above.  At `lowest` it may be a table. */
static u64 *walk(const struct mica_s2 *s2, u64 gfn, int lowest, int *found)
{
	u64 *entry = &s2->root[index_of(gfn, MICA_S2_LEVELS)];
	int level;

	for (level = MICA_S2_LEVELS; level > lowest; level--) {
		if (!is_table(s2->format, READ_ONCE(*entry), level))
			break;
		entry = table_of(s2->format, READ_ONCE(*entry)) + index_of(gfn, level - 1);
	}
	*found = level;
	return entry;
}

/* ------------------------------------------------------------ tables */

u64 *mica_s2_table_alloc(void)
{
	u64 *table = (u64 *)get_zeroed_page(GFP_KERNEL_ACCOUNT);

	if (table)
		mica_count_table(table, 1);
	return table;
}

void mica_s2_table_free(u64 *table)
{
	mica_count_table(table, -1);
	free_page((unsigned long)table);
}

bool mica_s2_give(struct mica_s2 *s2, u64 *table)
{
	if (s2->spares == MICA_S2_SPARES)
		return false;
	s2->spare[s2->spares++] = table;
	return true;
}

static u64 *take_spare(struct mica_s2 *s2)
{
	s2->tables++;
	return s2->spare[--s2->spares];
}

/*
 * The table is not in the tree any more, but a CPU may still walk it until it flushes: its
 * entries stay as they are, except for the first, which links the tables to be freed.  That
 * is the address of a page, which no CPU takes for a present entry.
 */
static void gather_table(struct mica_s2 *s2, u64 *table, struct mica_s2_gather *gather)
{
	set_entry(&table[0], gather->tables ? __pa(gather->tables) : 0);
	gather->tables = table;
	gather->flush = true;
	s2->tables--;
}

/* `level` is that of the table's entries.  The depth of the recursion is the tree's. */
static void gather_tree(struct mica_s2 *s2, u64 *table, int level,
			struct mica_s2_gather *gather)
{
	unsigned int i;

	for (i = 0; level > 1 && i < MICA_S2_ENTRIES; i++)
		if (is_table(s2->format, table[i], level))
			gather_tree(s2, table_of(s2->format, table[i]), level - 1, gather);
	gather_table(s2, table, gather);
}

void mica_s2_gather_free(struct mica_s2_gather *gather)
{
	u64 *table = gather->tables;
	u64 next;

	while (table) {
		next = table[0];
		mica_s2_table_free(table);
		table = next ? __va(next) : NULL;
	}
	gather->tables = NULL;
}

/* ------------------------------------------------------------ the tree */

int mica_s2_init(struct mica_s2 *s2, const struct mica_s2_format *format)
{
	memset(s2, 0, sizeof(*s2));
	s2->format = format;
	s2->root = mica_s2_table_alloc();
	if (!s2->root)
		return -ENOMEM;
	s2->tables = 1;
	return 0;
}

static void free_tree(const struct mica_s2_format *format, u64 *table, int level)
{
	unsigned int i;

	for (i = 0; level > 1 && i < MICA_S2_ENTRIES; i++)
		if (is_table(format, table[i], level))
			free_tree(format, table_of(format, table[i]), level - 1);
	mica_s2_table_free(table);
	cond_resched();
}

void mica_s2_destroy(struct mica_s2 *s2)
{
	while (s2->spares)
		mica_s2_table_free(s2->spare[--s2->spares]);
	if (s2->root)
		free_tree(s2->format, s2->root, MICA_S2_LEVELS);
	s2->root = NULL;
	s2->tables = 0;
}

/* ------------------------------------------------------------ map */

/* Does this leaf give what is wanted already? */
static bool leaf_covers(const struct mica_s2_format *format, u64 entry, int level,
			const struct mica_s2_leaf *wanted)
{
	u64 offset = (wanted->gfn & (mica_s2_pages(level) - 1)) << PAGE_SHIFT;

	return (entry & format->address) + offset == wanted->pa &&
	       (!wanted->write || entry & format->write) &&
	       (wanted->no_exec || (entry & format->exec) == format->exec);
}

/*
 * A table with 512 smaller leaves takes the place of a large one.  The translations are the
 * same, so this needs no flush by itself: when one of them changes, all are flushed.
 */
static void split(struct mica_s2 *s2, u64 *entry, int level)
{
	const struct mica_s2_format *format = s2->format;
	u64 pa = *entry & format->address, flags = *entry & ~format->address;
	u64 *table = take_spare(s2);
	unsigned int i;

	if (level - 1 == 1)
		flags &= ~format->large;
	for (i = 0; i < MICA_S2_ENTRIES; i++)
		table[i] = (pa + ((i * mica_s2_pages(level - 1)) << PAGE_SHIFT)) | flags;
	set_entry(entry, table_entry(format, table));
}

/* Does a CPU that still has the leaf `old` get more from it than from `now`? */
static bool takes_away(const struct mica_s2_format *format, u64 old, u64 now)
{
	return (old ^ now) & format->address || old & ~now & (format->write | format->exec);
}

static void set_leaf(struct mica_s2 *s2, u64 *entry, const struct mica_s2_leaf *leaf,
		     struct mica_s2_gather *gather)
{
	const struct mica_s2_format *format = s2->format;
	u64 old = *entry;

	set_entry(entry, leaf_entry(format, leaf));
	/* More rights need no flush: a CPU that has the old ones faults, and looks again. */
	if (is_table(format, old, leaf->level))
		gather_tree(s2, table_of(format, old), leaf->level - 1, gather);
	else if (is_present(format, old) && takes_away(format, old, *entry))
		gather->flush = true;
}

int mica_s2_map(struct mica_s2 *s2, const struct mica_s2_leaf *leaf,
		struct mica_s2_gather *gather)
{
	const struct mica_s2_format *format = s2->format;
	u64 *entry;
	int level;

	if (s2->spares < MICA_S2_TABLES_PER_MAP)
		return -EAGAIN;
	entry = walk(s2, leaf->gfn, leaf->level, &level);
	if (is_leaf(format, *entry, level) && leaf_covers(format, *entry, level, leaf))
		return 0;
	for (; level > leaf->level; level--) {
		if (is_present(format, *entry))
			split(s2, entry, level);
		else
			set_entry(entry, table_entry(format, take_spare(s2)));
		entry = table_of(format, *entry) + index_of(leaf->gfn, level - 1);
	}
	set_leaf(s2, entry, leaf, gather);
	return 0;
}

int mica_s2_room(const struct mica_s2 *s2, u64 gfn)
{
	int level;

	walk(s2, gfn, 1, &level);
	return level;
}

/* ------------------------------------------------------------ passes over a range */

/* What is done to the entries that touch a range. */
struct pass {
	struct mica_s2 *s2;
	struct mica_s2_range *range;
	struct mica_s2_gather *gather;
	unsigned int budget;
	void (*leaf)(struct pass *pass, u64 *entry);	/* NULL: nothing */
	bool drop_empty, drop_split;	/* of the tables, after their entries */
};

static void drop_table(struct pass *pass, u64 *entry)
{
	u64 *table = table_of(pass->s2->format, *entry);

	set_entry(entry, 0);
	gather_table(pass->s2, table, pass->gather);
}

static bool is_empty(const u64 *table)
{
	unsigned int i;

	for (i = 0; i < MICA_S2_ENTRIES; i++)
		if (table[i])
			return false;
	return true;
}

/* Do the leaves of `level` in the table map what one leaf of the level above could map? */
static bool is_split(const struct mica_s2_format *format, const u64 *table, int level)
{
	u64 pa = table[0] & format->address, size = mica_s2_pages(level) << PAGE_SHIFT;
	unsigned int i;

	if (level >= format->max_level || pa & (size * MICA_S2_ENTRIES - 1))
		return false;
	for (i = 0; i < MICA_S2_ENTRIES; i++)
		if (!is_leaf(format, table[i], level) ||
		    (table[i] & format->address) != pa + i * size)
			return false;
	return true;
}

/* `entry` is a table with entries of `level`. */
static void prune(struct pass *pass, u64 *entry, int level)
{
	const u64 *table = table_of(pass->s2->format, *entry);

	if ((pass->drop_empty && is_empty(table)) ||
	    (pass->drop_split && is_split(pass->s2->format, table, level)))
		drop_table(pass, entry);
}

/*
 * `table` has entries of `level` and begins at frame `base`; the cursor is inside.  The depth
 * of the recursion is the tree's.  False: the budget is used up.
 */
static bool pass_over(struct pass *pass, u64 *table, int level, u64 base)
{
	const struct mica_s2_format *format = pass->s2->format;
	struct mica_s2_range *range = pass->range;
	unsigned int i = index_of(range->cursor, level);
	u64 gfn;

	for (; i < MICA_S2_ENTRIES && range->cursor < range->end; i++) {
		if (!pass->budget)
			return false;
		pass->budget--;
		gfn = base + i * mica_s2_pages(level);
		if (is_leaf(format, table[i], level)) {
			if (pass->leaf)
				pass->leaf(pass, &table[i]);
		} else if (is_present(format, table[i])) {
			if (!pass_over(pass, table_of(format, table[i]), level - 1, gfn))
				return false;
			prune(pass, &table[i], level - 1);
		}
		range->cursor = gfn + mica_s2_pages(level);
	}
	return true;
}

static bool run_pass(struct pass *pass)
{
	if (pass->range->cursor >= pass->range->end)
		return true;
	/* Less would not reach level 1 from the root. */
	pass->budget = max_t(unsigned int, pass->budget, MICA_S2_LEVELS);
	return pass_over(pass, pass->s2->root, MICA_S2_LEVELS, 0);
}

/* ------------------------------------------------------------ zap */

static void drop_leaf(struct pass *pass, u64 *entry)
{
	set_entry(entry, 0);
	pass->gather->flush = true;
}

bool mica_s2_zap(struct mica_s2 *s2, struct mica_s2_range *range, unsigned int budget,
		 struct mica_s2_gather *gather)
{
	struct pass pass = {
		.s2 = s2,
		.range = range,
		.gather = gather,
		.budget = budget,
		.leaf = drop_leaf,
		/* None is left below the root, so slots that come and go leave nothing behind. */
		.drop_empty = true,
	};

	return run_pass(&pass);
}

bool mica_s2_zap_split(struct mica_s2 *s2, struct mica_s2_range *range, unsigned int budget,
		       struct mica_s2_gather *gather)
{
	struct pass pass = {
		.s2 = s2,
		.range = range,
		.gather = gather,
		.budget = budget,
		.drop_empty = true,
		.drop_split = true,
	};

	return run_pass(&pass);
}

/* ------------------------------------------------------------ write protection */

/* The CPU may set its accessed and dirty bits meanwhile. */
static void protect_leaf(struct pass *pass, u64 *entry)
{
	u64 write = pass->s2->format->write;

	if (!(READ_ONCE(*entry) & write))
		return;
	clear_bit(__ffs(write), (unsigned long *)entry);
	pass->gather->flush = true;
}

bool mica_s2_protect(struct mica_s2 *s2, struct mica_s2_range *range, unsigned int budget,
		     struct mica_s2_gather *gather)
{
	struct pass pass = {
		.s2 = s2,
		.range = range,
		.gather = gather,
		.budget = budget,
		.leaf = protect_leaf,
	};

	return run_pass(&pass);
}

/* ------------------------------------------------------------ accessed bits */

static bool test_accessed(const struct mica_s2_format *format, u64 *entry, bool clear)
{
	if (!format->accessed)
		return true;
	if (!(READ_ONCE(*entry) & format->accessed))
		return false;
	if (clear)
		clear_bit(__ffs(format->accessed), (unsigned long *)entry);
	return true;
}

bool mica_s2_young(struct mica_s2 *s2, u64 start, u64 end, bool clear)
{
	bool young = false;
	u64 *entry, gfn;
	int level;

	for (gfn = start; gfn < end; gfn = (gfn | (mica_s2_pages(level) - 1)) + 1) {
		entry = walk(s2, gfn, 1, &level);
		if (is_leaf(s2->format, *entry, level))
			young |= test_accessed(s2->format, entry, clear);
	}
	return young;
}
