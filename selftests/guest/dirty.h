/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the tests of dirty tracking share: a guest with a slot of its own for data. */
#ifndef MICA_GUEST_DIRTY_H
#define MICA_GUEST_DIRTY_H

#include "guest.h"

#define PAGE		4096ull
#define LARGE		(2ull << 20)
#define LARGE_PAGES	(LARGE / PAGE)
#define BASE		0x40000000ull	/* guest-physical, of the slot that is tracked */
#define SLOT		1u
#define MAX_PAGES	65536u
#define WORDS(pages)	(((pages) + 63) / 64)

/* Its code runs without paging, so that the CPU writes nothing by itself. */
struct tracked {
	struct guest g;
	uint8_t *ram;
	uint64_t pages;
	uint64_t bitmap[WORDS(MAX_PAGES)];
};

/* MICA_VM_SET_MEMORY for SLOT, MICA_VM_TRACK_DIRTY and MICA_VM_TAKE_DIRTY: 0 or errno. */
int set_slot(struct tracked *t, uint64_t gpa, void *hva, uint64_t pages, uint32_t flags);
int track_slot(struct tracked *t, uint32_t slot, uint32_t enable);
int take_range(struct tracked *t, uint32_t slot, uint64_t first, uint64_t pages, void *bitmap);
/* All of SLOT into t->bitmap. */
void tracked_take(struct tracked *t);
/* The bitmap has these pages, in rising order, and no others; `line` is for the message. */
void tracked_has(struct tracked *t, int line, unsigned int count, const uint64_t *pages);

#define expect_dirty(t, ...) \
	({ const uint64_t pages_[] = { __VA_ARGS__ }; \
	   tracked_take(t); tracked_has(t, __LINE__, sizeof(pages_) / sizeof(pages_[0]), pages_); })
#define expect_clean(t)	({ tracked_take(t); tracked_has(t, __LINE__, 0, NULL); })

static inline bool is_set(const uint64_t *bitmap, uint64_t page)
{
	return bitmap[page / 64] >> page % 64 & 1;
}

/* The counter of second-level faults. */
uint64_t tracked_faults(struct tracked *t);

/* SLOT has `pages` pages at BASE, aligned to 2 MiB in user space, with this madvise(). */
void tracked_init(struct tracked *t, uint64_t pages, int advice);
void tracked_destroy(struct tracked *t);
/* Runs the guest to DONE: the host may want the thread for a moment, without a signal. */
void tracked_finish(struct guest *g);
/* The guest makes these accesses. */
void tracked_accesses(struct tracked *t, unsigned int count, const uint64_t *list);
/* One access of each page of [first, end), at most LARGE_PAGES; how many of them faulted. */
uint64_t tracked_access_all(struct tracked *t, uint64_t first, uint64_t end, bool write);

/* An access of the data slot's page: read, increment, store. */
#define R(page)	(BASE + (page) * PAGE + 8)
#define W(page)	(R(page) | 1)
#define S(page)	(R(page) | 2)
#define do_accesses(t, ...) \
	({ const uint64_t list_[] = { __VA_ARGS__ }; \
	   tracked_accesses(t, sizeof(list_) / sizeof(list_[0]), list_); })

#endif
