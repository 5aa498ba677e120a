/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Second-level page tables: guest-physical to host-physical addresses.  A radix tree of
 * four levels of 512 entries; level 1 maps 4 KiB, level 2 2 MiB, level 3 1 GiB, the root
 * is level 4.  The tree is the same for all backends; what an entry looks like is theirs
 * (SDM volume 3, "The Extended Page Table Mechanism (EPT)"; APM volume 2, "Nested Paging").
 *
 * Nothing here locks or sleeps unless it says so: the caller serializes changes of one tree
 * (mem->lock).  CPUs walk the tree at any time, so each entry is written once and whole.
 */
#ifndef MICA_S2_H
#define MICA_S2_H

#include "compat.h"

#define MICA_S2_LEVELS		4
#define MICA_S2_ENTRIES		512
#define MICA_S2_INDEX_BITS	9
/* Guest frames that the tree can map: a guest-physical address has 48 bits at most. */
#define MICA_S2_FRAMES		(1ull << (MICA_S2_LEVELS * MICA_S2_INDEX_BITS))
/* The most tables that one mapping can need: all but the root. */
#define MICA_S2_TABLES_PER_MAP	(MICA_S2_LEVELS - 1)
#define MICA_S2_SPARES		8

/* The bits of one backend's entries.  A leaf is host address | leaf | write? | exec |
 * (large if level > 1); a table is host address | table; zero is "not present".  The present
 * bits are below bit 12. */
struct mica_s2_format {
	u64 table;	/* flags of a non-leaf entry */
	u64 leaf;	/* flags of every leaf: present, readable, write-back memory */
	u64 write;	/* this leaf may be written: one bit */
	u64 exec;	/* this leaf may be executed (0 where execution is always allowed) */
	u64 large;	/* this is a leaf above level 1 */
	u64 present;	/* an entry with any of these bits is present */
	u64 accessed;	/* set by the CPU, 0 where it does not */
	u64 dirty;	/* likewise */
	u64 address;	/* mask of the host address */
	int max_level;	/* largest level at which a leaf may be (1..3), filled at load */
	/* Only leaves of level 1 may be executed: a CPU that finds one instruction in TLB
	 * entries of two sizes can stop for good (CVE-2018-12207, "iTLB multihit"). */
	bool exec_small;
};

struct mica_s2 {
	const struct mica_s2_format *format;
	u64 *root;		/* NULL: not built */
	unsigned long tables;	/* tables of the tree, the root among them */
	/* Empty tables for the next mappings: the tree is changed where nothing may sleep. */
	u64 *spare[MICA_S2_SPARES];
	unsigned int spares;
};

/* What a change leaves to be done: other CPUs may still use what is gone. */
struct mica_s2_gather {
	bool flush;		/* translations went away or changed: flush */
	u64 *tables;		/* no longer in the tree; to be freed after that flush */
};

/* One translation: mica_s2_pages(level) frames from gfn on. */
struct mica_s2_leaf {
	u64 gfn;		/* aligned to the level's size, below MICA_S2_FRAMES */
	u64 pa;			/* host-physical, likewise aligned */
	int level;		/* 1..format->max_level */
	bool write;
	bool no_exec;
};

/* Frames [cursor, end) are still to be visited: that is done in steps, so that no lock is held
 * for long.  end <= MICA_S2_FRAMES. */
struct mica_s2_range {
	u64 cursor, end;
};

/* A pass over a range of the tree, one step of it: looks at about `budget` entries and moves
 * the cursor; true: done. */
typedef bool mica_s2_pass_fn(struct mica_s2 *s2, struct mica_s2_range *range, unsigned int budget,
			     struct mica_s2_gather *gather);

/* Frames that an entry of this level maps. */
static inline u64 mica_s2_pages(int level)
{
	return 1ull << (MICA_S2_INDEX_BITS * (level - 1));
}

/* An empty tree, or -ENOMEM.  May sleep. */
int mica_s2_init(struct mica_s2 *s2, const struct mica_s2_format *format);
/* Frees all of it, on a zeroed object nothing.  No CPU uses it any more.  May sleep. */
void mica_s2_destroy(struct mica_s2 *s2);

/* A table to be given, NULL if there is no memory.  Charged to the caller's memory cgroup.
 * May sleep, so it is called without the lock. */
u64 *mica_s2_table_alloc(void);
void mica_s2_table_free(u64 *table);
/* Adds a spare table; false: there are enough, the caller keeps it. */
bool mica_s2_give(struct mica_s2 *s2, u64 *table);

/*
 * Enters a translation.  A larger leaf in its way is split, smaller ones are dropped.  A leaf
 * of this size or larger that maps the same memory with at least the same rights is left
 * alone (to take rights away, zap).  -EAGAIN: fewer than MICA_S2_TABLES_PER_MAP spare tables;
 * nothing was changed.
 */
int mica_s2_map(struct mica_s2 *s2, const struct mica_s2_leaf *leaf,
		struct mica_s2_gather *gather);

/* The largest level at which a leaf for gfn would not replace smaller ones. */
int mica_s2_room(const struct mica_s2 *s2, u64 gfn);

/* Drops leaves that touch the range, whole ones even if only a part of them does, and the
 * tables that are empty then. */
mica_s2_pass_fn mica_s2_zap;

/* Takes the right to write from the leaves that touch the range, whole ones.  Large ones stay
 * large. */
mica_s2_pass_fn mica_s2_protect;

/* Drops the tables that touch the range and whose leaves could be one larger leaf, as a split
 * leaves them behind: so that the next fault can enter the large leaf again. */
mica_s2_pass_fn mica_s2_zap_split;

/* Has the CPU used a leaf that touches frames [start, end) since this was last cleared?
 * Where the CPU keeps no accessed bits: is there a leaf?  (`clear` does nothing then.) */
bool mica_s2_young(struct mica_s2 *s2, u64 start, u64 end, bool clear);

/* Frees the gathered tables.  Only after every CPU has flushed; any context. */
void mica_s2_gather_free(struct mica_s2_gather *gather);

#endif
