// SPDX-License-Identifier: GPL-2.0-or-later
#include "memory.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xxhash.h>

#include "../error.h"

/* Of the kernel's Documentation/admin-guide/mm/pagemap.rst. */
#define PAGEMAP_PRESENT	(1ull << 63)
#define PAGEMAP_SWAPPED	(1ull << 62)

/* How to tell, without touching them, that pages were never written: they read as zero then. */
struct page_source {
	const struct memory_range *range;
	int pagemap;			/* pages of private memory; -1: cannot be told */
	int file;			/* data of this file is in the range, too; -1: none */
	uint64_t file_offset;
	uint64_t data_start;		/* the file's next data: offsets in the range */
	uint64_t data_end;
};

/* ------------------------------------------------------------ which pages exist */

/* A descriptor that was opened before a fork() shows another process.  This page is there in
 * ours, and, being new, in no other. */
static bool pagemap_is_ours(int fd)
{
	uint64_t entry = 0;
	uint8_t *page;
	bool ours;

	if (fd < 0)
		return false;
	page = mmap(NULL, STATE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED)
		return false;
	*(volatile uint8_t *)page = 1;
	ours = pread(fd, &entry, sizeof(entry), (uintptr_t)page / STATE_PAGE * sizeof(entry)) ==
	       sizeof(entry) && entry & PAGEMAP_PRESENT;
	munmap(page, STATE_PAGE);
	return ours;
}

static void source_init(struct page_source *source, const struct guest_memory *memory,
			const struct memory_range *range)
{
	int pagemap = guest_memory_pagemap(memory);

	source->range = range;
	source->pagemap = range->fd < 0 && pagemap_is_ours(pagemap) ? pagemap : -1;
	source->file = range->fd >= 0 ? range->fd : range->file;
	source->file_offset = range->fd >= 0 ? 0 : range->file_offset;
	source->data_start = 0;
	source->data_end = 0;
}

/* A file whose holes cannot be told has data everywhere. */
static void find_data(struct page_source *source, uint64_t at)
{
	uint64_t base = source->file_offset;
	off_t start = lseek(source->file, base + at, SEEK_DATA);
	off_t end = start < 0 ? start : lseek(source->file, start, SEEK_HOLE);

	if (start < 0 && errno == ENXIO) {
		source->data_start = UINT64_MAX;	/* none behind it */
		source->data_end = UINT64_MAX;
		return;
	}
	source->data_start = start < 0 || end < 0 ? at : start - base;
	source->data_end = start < 0 || end < 0 ? UINT64_MAX : end - base;
}

/* Chunks are asked for in ascending order. */
static bool file_has_data(struct page_source *source, uint64_t at)
{
	if (source->file < 0)
		return false;
	if (source->data_end <= at)
		find_data(source, at);
	return source->data_start < at + STATE_MEMORY_CHUNK;
}

/* The answer may be yes for what is zero. */
static bool chunk_may_have_pages(struct page_source *source, uint64_t at)
{
	uintptr_t first = ((uintptr_t)source->range->host + at) / STATE_PAGE;
	uint64_t entries[STATE_MEMORY_PAGES], seen = 0;

	if (file_has_data(source, at))
		return true;
	if (source->range->fd >= 0)
		return false;
	if (source->pagemap < 0 || pread(source->pagemap, entries, sizeof(entries),
					 first * sizeof(entries[0])) != sizeof(entries))
		return true;
	for (size_t i = 0; i < STATE_MEMORY_PAGES; i++)
		seen |= entries[i];
	return seen & (PAGEMAP_PRESENT | PAGEMAP_SWAPPED);
}

/* ------------------------------------------------------------ save */

static bool page_is_zero(const uint8_t *page)
{
	uint64_t first;

	memcpy(&first, page, sizeof(first));
	return !first && !memcmp(page, page + sizeof(first), STATE_PAGE - sizeof(first));
}

uint64_t state_page_checksum(const void *page)
{
	uint64_t checksum;

	if (page_is_zero(page))
		return 0;
	checksum = XXH3_64bits(page, STATE_PAGE);
	return checksum ? checksum : 1;
}

/* Runs of pages that are not zero become one write each. */
static gboolean save_chunk(struct state_writer *writer, struct state_memory *record,
			   const uint8_t *chunk, uint64_t at, uint64_t *table, GError **error)
{
	uint64_t pages = record->pages;
	size_t first, last;

	for (size_t i = 0; i < STATE_MEMORY_PAGES; i++) {
		table[i] = state_page_checksum(chunk + i * STATE_PAGE);
		record->pages += table[i] != 0;
	}
	if (record->pages == pages)
		return TRUE;
	for (first = 0; first < STATE_MEMORY_PAGES; first = last + 1) {
		for (last = first; last < STATE_MEMORY_PAGES && table[last]; last++)
			;
		if (last > first &&
		    !state_writer_write_at(writer, record->offset + at + first * STATE_PAGE,
					   chunk + first * STATE_PAGE, (last - first) * STATE_PAGE,
					   error))
			return FALSE;
	}
	return state_writer_write_at(writer, record->table + at / STATE_PAGE * sizeof(table[0]),
				     table, STATE_PAGE, error);
}

static gboolean save_pages(struct state_writer *writer, struct state_memory *record,
			   struct page_source *source, XXH3_state_t *hash, GError **error)
{
	static const uint64_t zeroes[STATE_MEMORY_PAGES];
	const uint8_t *host = source->range->host;
	uint64_t table[STATE_MEMORY_PAGES];
	bool pages;

	for (uint64_t at = 0; at < record->size; at += STATE_MEMORY_CHUNK) {
		pages = chunk_may_have_pages(source, at);
		if (pages && !save_chunk(writer, record, host + at, at, table, error))
			return FALSE;
		XXH3_64bits_update(hash, pages ? table : zeroes, sizeof(table));
	}
	return TRUE;
}

static gboolean save_range(struct state_writer *writer, const struct guest_memory *memory,
			   const struct memory_range *range, uint32_t instance, GError **error)
{
	struct state_memory record = {
		.gpa = range->gpa,
		.size = range->size,
		.table_length = range->size / STATE_PAGE * sizeof(uint64_t),
		.page_size = STATE_PAGE,
	};
	struct page_source source;
	XXH3_state_t *hash;
	gboolean good;

	record.offset = state_writer_reserve(writer, record.size, STATE_MEMORY_ALIGNMENT, error);
	if (!record.offset)
		return FALSE;
	record.table = state_writer_reserve(writer, record.table_length, STATE_PAGE, error);
	if (!record.table)
		return FALSE;
	hash = XXH3_createState();
	g_assert(hash);
	XXH3_64bits_reset(hash);
	source_init(&source, memory, range);
	good = save_pages(writer, &record, &source, hash, error);
	record.table_checksum = XXH3_64bits_digest(hash);
	XXH3_freeState(hash);
	return good && state_writer_put(writer, STATE_MEMORY, instance, &record, sizeof(record),
					error);
}

gboolean state_memory_save(struct state_writer *writer, const struct guest_memory *memory,
			   GError **error)
{
	const struct memory_range *ranges;
	size_t count;

	ranges = guest_memory_ranges(memory, &count);
	for (size_t i = 0; i < count; i++)
		if (!save_range(writer, memory, &ranges[i], i, error))
			return FALSE;
	return TRUE;
}

/* ------------------------------------------------------------ load */

static gboolean check_ranges(const struct state_reader *reader, const struct guest_memory *memory,
			     GError **error)
{
	g_autoptr(GError) problem = NULL;
	const struct state_memory *record;
	const struct memory_range *ranges;
	size_t count;

	ranges = guest_memory_ranges(memory, &count);
	for (size_t i = 0; i <= count && !problem; i++) {
		record = state_memory_range(reader, i, &problem);
		if (!problem && (i < count ? !record || record->gpa != ranges[i].gpa ||
					     record->size != ranges[i].size : record != NULL))
			return error_set(error, "the memory in the checkpoint is not of the size "
					 "that the guest's configuration in it says");
	}
	if (!problem)
		return TRUE;
	g_propagate_error(error, g_steal_pointer(&problem));
	return FALSE;
}

static gboolean load_range(const struct state_reader *reader, struct guest_memory *memory,
			   size_t index, gboolean eager, GError **error)
{
	const struct state_memory *record = state_memory_range(reader, index, NULL);
	const struct memory_range *range;
	size_t count;
	int number;

	range = &guest_memory_ranges(memory, &count)[index];
	if (!eager && range->fd < 0) {
		number = guest_memory_map_file(memory, index, state_reader_fd(reader),
					       record->offset);
		if (number)
			return error_set_errno(error, -number, "cannot map the memory of the "
					       "checkpoint");
		return TRUE;
	}
	number = guest_memory_discard(memory, range->host, range->size);
	if (number)
		return error_set_errno(error, -number, "cannot empty the guest's memory");
	return state_memory_read(reader, record, range->host, error);
}

gboolean state_memory_load(const struct state_reader *reader, struct guest_memory *memory,
			   gboolean eager, GError **error)
{
	size_t count;

	if (!check_ranges(reader, memory, error))
		return FALSE;
	guest_memory_ranges(memory, &count);
	for (size_t i = 0; i < count; i++)
		if (!load_range(reader, memory, i, eager, error))
			return FALSE;
	return TRUE;
}
