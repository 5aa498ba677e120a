/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * RAM in a checkpoint: docs/checkpoint-format.md, "RAM".
 */
#ifndef MICA_VMM_STATE_MEMORY_H
#define MICA_VMM_STATE_MEMORY_H

#include <stdbool.h>

#include "../memory.h"
#include "stream.h"

#define STATE_MEMORY_ALIGNMENT	(2ull << 20)
/* The page checksums of so much RAM fill a page. */
#define STATE_MEMORY_CHUNK	(2ull << 20)
#define STATE_MEMORY_PAGES	(STATE_MEMORY_CHUNK / STATE_PAGE)

/* STATE_MEMORY: a range of RAM; instances count from 0 in the order of their addresses. */
struct state_memory {
	uint64_t gpa;			/* a multiple of 2 MiB */
	uint64_t size;			/* a multiple of 2 MiB, not 0 */
	uint64_t offset;		/* of the RAM in the file, a multiple of 2 MiB */
	uint64_t table;			/* of its page checksums in the file, a multiple of 4096 */
	uint64_t table_length;		/* 8 bytes for each page */
	uint64_t table_checksum;	/* XXH3-64 of them */
	uint64_t pages;			/* how many are not zero */
	uint32_t page_size;		/* 4096 */
	uint32_t reserved;		/* 0 */
};
static_assert(sizeof(struct state_memory) == 64, "record of the format");

/* The guest stands still, and no device writes to its memory. */
gboolean state_memory_save(struct state_writer *writer, const struct guest_memory *memory,
			   GError **error);

/*
 * The memory becomes what the file says, whatever it was.  It has the same ranges, else FALSE.
 * Lazy: private memory is mapped, and its checksums are not looked at.  Eager, and all shared
 * memory: every page is read and its checksum is right, else FALSE, and the memory is
 * undefined.
 */
gboolean state_memory_load(const struct state_reader *reader, struct guest_memory *memory,
			   gboolean eager, GError **error);

/* NULL: there is no such range (no error is set), or its record makes no sense. */
const struct state_memory *state_memory_range(const struct state_reader *reader,
					      uint32_t instance, GError **error);

/* Reads a range and its table; if `to` is not NULL it is filled with what is not zero.  FALSE if
 * a checksum is wrong; without `to` also if a page that should be zero is not. */
gboolean state_memory_read(const struct state_reader *reader, const struct state_memory *range,
			   uint8_t *to, GError **error);

/* In tables: 0 of a page that is all zero, and else its XXH3-64, or 1 if that is 0. */
uint64_t state_page_checksum(const void *page);

#endif
