/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the tests of the second-level page tables share: formats of entries, a walker of the
 * tests' own, and operations that check what always holds.
 */
#ifndef MICA_TEST_TREE_H
#define MICA_TEST_TREE_H

#include "s2.h"

#define PAGES_2M	512ull
#define PAGES_1G	(512ull * 512)

extern const struct mica_s2_format ept, ept_without_ad, npt;

struct translation {
	u64 pa;		/* of the frame, not of the leaf */
	int level;	/* 0: none */
	bool write;
	u64 *entry;
};

/* Walks as the CPU does. */
struct translation translate(const struct mica_s2 *s2, u64 gfn);
/* Enough spare tables for one mapping. */
void refill(struct mica_s2 *s2);
/* Every table is in the tree, among the spares, or counted as gathered. */
void check_pages(const struct mica_s2 *s2, long gathered);

/* These return whether a flush is asked for. */
bool map(struct mica_s2 *s2, u64 gfn, u64 pa, int level, bool write);
/* All steps of a pass over [start, end), each of which must move on. */
bool run(mica_s2_pass_fn *pass, struct mica_s2 *s2, u64 start, u64 end, unsigned int budget);
bool zap(struct mica_s2 *s2, u64 start, u64 end, unsigned int budget);

void is_mapped(const struct mica_s2 *s2, u64 gfn, u64 pa, int level, bool write);
void is_hole(const struct mica_s2 *s2, u64 gfn);

/* cmocka's: *state is an empty tree of that format; nothing may be left of it in the end. */
int setup_ept(void **state);
int setup_ept_without_ad(void **state);
int setup_npt(void **state);
int teardown(void **state);

#endif
