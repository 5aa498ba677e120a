// SPDX-License-Identifier: GPL-2.0-or-later
/* Reads RAM of a checkpoint, page by page with its checksums. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "../error.h"
#include "memory.h"

static gboolean range_makes_sense(const struct state_reader *reader,
				  const struct state_memory *range)
{
	uint64_t end;

	return !(range->gpa % STATE_MEMORY_ALIGNMENT) && range->size &&
	       !(range->size % STATE_MEMORY_CHUNK) &&
	       g_uint64_checked_add(&end, range->gpa, range->size) &&
	       !(range->offset % STATE_MEMORY_ALIGNMENT) && !(range->table % STATE_PAGE) &&
	       range->table_length == range->size / STATE_PAGE * sizeof(uint64_t) &&
	       state_reader_is_data(reader, range->offset, range->size) &&
	       state_reader_is_data(reader, range->table, range->table_length) &&
	       range->pages <= range->size / STATE_PAGE && range->page_size == STATE_PAGE &&
	       !range->reserved;
}

const struct state_memory *state_memory_range(const struct state_reader *reader,
					      uint32_t instance, GError **error)
{
	const struct state_memory *range;
	size_t length;

	range = state_reader_find(reader, STATE_MEMORY, instance, &length);
	if (!range || range_makes_sense(reader, range))
		return range;
	error_set(error, "the record of RAM %" PRIu32 " of the checkpoint makes no sense", instance);
	return NULL;
}

/* `chunk` has the pages as the file has them. */
static gboolean check_chunk(const struct state_memory *range, const uint8_t *chunk,
			    const uint64_t *table, uint64_t at, GError **error)
{
	for (size_t i = 0; i < STATE_MEMORY_PAGES; i++)
		if (table[i] != state_page_checksum(chunk + i * STATE_PAGE))
			return error_set(error, "the page at 0x%" PRIx64 " of the guest's memory is "
					 "damaged in the checkpoint (its checksum is wrong)",
					 range->gpa + at + i * STATE_PAGE);
	return TRUE;
}

/* Only what is not zero; the rest of `to` stays as it is. */
static gboolean load_chunk(const struct state_reader *reader, const struct state_memory *range,
			   uint8_t *to, const uint64_t *table, uint64_t at, GError **error)
{
	size_t first, last;

	for (first = 0; first < STATE_MEMORY_PAGES; first = last + 1) {
		for (last = first; last < STATE_MEMORY_PAGES && table[last]; last++)
			;
		if (last > first &&
		    !state_reader_read(reader, to + first * STATE_PAGE, (last - first) * STATE_PAGE,
			     range->offset + at + first * STATE_PAGE, error))
			return FALSE;
	}
	for (size_t i = 0; i < STATE_MEMORY_PAGES; i++)
		if (table[i] && table[i] != state_page_checksum(to + i * STATE_PAGE))
			return error_set(error, "the page at 0x%" PRIx64 " of the guest's memory is "
					 "damaged in the checkpoint (its checksum is wrong)",
					 range->gpa + at + i * STATE_PAGE);
	return TRUE;
}

/* True if the file has a hole there for sure: zeroes that need not be read. */
static gboolean is_hole(const struct state_reader *reader, uint64_t offset, uint64_t length)
{
	off_t data = lseek(state_reader_fd(reader), offset, SEEK_DATA);

	return data < 0 ? errno == ENXIO : (uint64_t)data >= offset + length;
}

static gboolean read_chunk(const struct state_reader *reader, const struct state_memory *range,
			   uint8_t *to, uint8_t *buffer, uint64_t *table, uint64_t at,
			   GError **error)
{
	uint64_t place = range->table + at / STATE_PAGE * sizeof(table[0]);
	uint64_t pages = 0;

	if (is_hole(reader, place, STATE_PAGE))
		memset(table, 0, STATE_PAGE);
	else if (!state_reader_read(reader, table, STATE_PAGE, place, error))
		return FALSE;
	for (size_t i = 0; i < STATE_MEMORY_PAGES; i++)
		pages |= table[i];
	if (to)
		return !pages || load_chunk(reader, range, to + at, table, at, error);
	if (!pages && is_hole(reader, range->offset + at, STATE_MEMORY_CHUNK))
		return TRUE;
	return state_reader_read(reader, buffer, STATE_MEMORY_CHUNK, range->offset + at, error) &&
	       check_chunk(range, buffer, table, at, error);
}

static gboolean read_chunks(const struct state_reader *reader, const struct state_memory *range,
			    uint8_t *to, XXH3_state_t *hash, uint64_t *pages, GError **error)
{
	g_autofree uint8_t *buffer = to ? NULL : g_malloc(STATE_MEMORY_CHUNK);
	uint64_t table[STATE_MEMORY_PAGES];

	for (uint64_t at = 0; at < range->size; at += STATE_MEMORY_CHUNK) {
		if (!read_chunk(reader, range, to, buffer, table, at, error))
			return FALSE;
		XXH3_64bits_update(hash, table, sizeof(table));
		for (size_t i = 0; i < STATE_MEMORY_PAGES; i++)
			*pages += table[i] != 0;
	}
	return TRUE;
}

gboolean state_memory_read(const struct state_reader *reader, const struct state_memory *range,
			   uint8_t *to, GError **error)
{
	XXH3_state_t *hash = XXH3_createState();
	uint64_t checksum, pages = 0;
	gboolean good;

	g_assert(hash);
	XXH3_64bits_reset(hash);
	good = read_chunks(reader, range, to, hash, &pages, error);
	checksum = XXH3_64bits_digest(hash);
	XXH3_freeState(hash);
	if (good && (checksum != range->table_checksum || pages != range->pages))
		return error_set(error, "the page checksums of the checkpoint are damaged (their own "
				 "checksum is wrong)");
	return good;
}
