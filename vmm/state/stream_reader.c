// SPDX-License-Identifier: GPL-2.0-or-later
#include "stream.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "../error.h"

struct state_reader {
	int fd;
	struct state_header header;
	uint8_t *records;		/* our copy: the file may change */
	GPtrArray *list;		/* struct state_record in `records`, END not among them */
	GHashTable *index;		/* the same by type and instance */
};

/* ------------------------------------------------------------ the file */

gboolean state_reader_read(const struct state_reader *reader, void *to, size_t length,
			   uint64_t offset, GError **error)
{
	uint8_t *at = to;
	ssize_t count;

	while (length) {
		count = pread(reader->fd, at, length, offset);
		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			return error_set_errno(error, errno, "cannot read the checkpoint");
		if (!count)
			return error_set(error, "the file became shorter while it was read");
		at += count;
		offset += count;
		length -= count;
	}
	return TRUE;
}

static gboolean check_size(const struct state_header *header, uint64_t size, GError **error)
{
	if (header->file_size > size)
		return error_set(error, "the file has been cut: %" PRIu64 " of %" PRIu64
				 " bytes are there", size, header->file_size);
	if (header->file_size < size)
		return error_set(error, "%" PRIu64 " bytes have been added to the file",
				 size - header->file_size);
	if (header->records_offset % STATE_PAGE || header->records_offset < STATE_PAGE ||
	    header->records_offset > size ||
	    header->records_length != size - header->records_offset || header->reserved)
		return error_set(error, "the header of the checkpoint makes no sense");
	if (header->records_length > STATE_RECORDS_MAX)
		return error_set(error, "the checkpoint has %" PRIu64 " MiB of records; at most %u "
				 "are possible", header->records_length >> 20,
				 STATE_RECORDS_MAX >> 20);
	return TRUE;
}

static gboolean check_header(const struct state_header *header, uint64_t size, GError **error)
{
	if (memcmp(header->magic, STATE_MAGIC, sizeof(header->magic)))
		return error_set(error, "not a checkpoint of mica");
	if (header->checksum != state_header_checksum(header))
		return error_set(error, "the header of the checkpoint is damaged (its checksum is "
				 "wrong)");
	if (header->version != STATE_VERSION)
		return error_set(error, "the checkpoint has format %" PRIu32 ", this mica knows "
				 "format %u: use the mica that wrote it, or a newer one",
				 header->version, STATE_VERSION);
	if (header->header_size != sizeof(*header))
		return error_set(error, "the header of the checkpoint makes no sense");
	return check_size(header, size, error);
}

static gboolean read_header(struct state_reader *reader, GError **error)
{
	struct stat stat;

	if (fstat(reader->fd, &stat) < 0)
		return error_set_errno(error, errno, "cannot read the checkpoint");
	if (!S_ISREG(stat.st_mode))
		return error_set(error, "not a checkpoint: no regular file");
	if ((uint64_t)stat.st_size < sizeof(reader->header))
		return error_set(error, "not a checkpoint of mica, or one of which nothing is left "
				 "but %" PRIu64 " bytes", (uint64_t)stat.st_size);
	return state_reader_read(reader, &reader->header, sizeof(reader->header), 0, error) &&
	       check_header(&reader->header, stat.st_size, error);
}

/* The allocation is bounded by the file's size, and by STATE_RECORDS_MAX. */
static gboolean read_records(struct state_reader *reader, GError **error)
{
	const struct state_header *header = &reader->header;

	reader->records = g_try_malloc(header->records_length);
	if (!reader->records && header->records_length)
		return error_set(error, "no memory for the records of the checkpoint");
	if (!state_reader_read(reader, reader->records, header->records_length, header->records_offset,
		     error))
		return FALSE;
	if (XXH3_64bits(reader->records, header->records_length) != header->records_checksum)
		return error_set(error, "the records of the checkpoint are damaged (their checksum "
				 "is wrong)");
	return TRUE;
}

/* ------------------------------------------------------------ records */

static gboolean check_type(const struct state_record *record, uint64_t offset, GError **error)
{
	const struct state_type_row *row = state_type_find(record->type);

	if (!row && !(record->flags & STATE_OPTIONAL))
		return error_set(error, "this mica does not know the record of type 0x%" PRIx32
				 " at byte %" PRIu64 " of the checkpoint, and cannot do without it: "
				 "use the mica that wrote it, or a newer one", record->type, offset);
	if (record->length < (row ? row->smallest : 0) ||
	    record->length > (row ? row->largest : STATE_PAYLOAD_MAX))
		return error_set(error, "the record %s (type 0x%" PRIx32 ") at byte %" PRIu64
				 " of the checkpoint has %" PRIu64 " bytes, which cannot be",
				 row ? row->name : "of unknown type", record->type, offset,
				 record->length);
	return TRUE;
}

static gboolean is_padded_with_zeroes(const struct state_record *record)
{
	const uint8_t *payload = (const uint8_t *)(record + 1);

	for (uint64_t i = record->length; i % 8; i++)
		if (payload[i])
			return FALSE;
	return TRUE;
}

/* `left` bytes of the stream begin with this record. */
static gboolean check_record(const struct state_record *record, uint64_t left, uint64_t offset,
			     GError **error)
{
	uint64_t padded;

	if (left < sizeof(*record) || record->length > left - sizeof(*record))
		return error_set(error, "the record at byte %" PRIu64 " of the checkpoint is longer "
				 "than what is there", offset);
	padded = (record->length + 7) & ~7ull;
	if (padded > left - sizeof(*record))
		return error_set(error, "the record at byte %" PRIu64 " of the checkpoint is longer "
				 "than what is there", offset);
	if (record->checksum != state_record_checksum(record, record + 1, padded))
		return error_set(error, "the record at byte %" PRIu64 " of the checkpoint is damaged "
				 "(its checksum is wrong)", offset);
	if (record->flags & ~STATE_OPTIONAL || record->reserved || !is_padded_with_zeroes(record))
		return error_set(error, "the record at byte %" PRIu64 " of the checkpoint uses what "
				 "this mica does not know: use the mica that wrote it, or a newer "
				 "one", offset);
	return check_type(record, offset, error);
}

static gboolean check_end(const struct state_reader *reader, const struct state_record *record,
			  uint64_t behind, GError **error)
{
	const struct state_end *end = (const struct state_end *)(record + 1);

	if (behind || record->instance || end->records != reader->list->len)
		return error_set(error, "the end of the checkpoint's records is not where it should "
				 "be");
	return TRUE;
}

static gint64 index_key(uint32_t type, uint32_t instance)
{
	return (uint64_t)type << 32 | instance;
}

static gboolean add_record(struct state_reader *reader, struct state_record *record,
			   GError **error)
{
	gint64 key = index_key(record->type, record->instance);

	if (reader->list->len == STATE_COUNT_MAX - 1)
		return error_set(error, "the checkpoint has too many records");
	if (g_hash_table_contains(reader->index, &key))
		return error_set(error, "the checkpoint has two records of type 0x%" PRIx32
				 ", instance %" PRIu32, record->type, record->instance);
	g_ptr_array_add(reader->list, record);
	g_hash_table_insert(reader->index, g_memdup2(&key, sizeof(key)), record);
	return TRUE;
}

static gboolean index_records(struct state_reader *reader, GError **error)
{
	uint64_t left, at = 0;
	struct state_record *record;

	for (;;) {
		record = (struct state_record *)(reader->records + at);
		left = reader->header.records_length - at;
		if (!left)
			return error_set(error, "the records of the checkpoint have no end");
		if (!check_record(record, left, reader->header.records_offset + at, error))
			return FALSE;
		at += sizeof(*record) + ((record->length + 7) & ~7ull);
		if (record->type == STATE_END)
			return check_end(reader, record, reader->header.records_length - at, error);
		if (!add_record(reader, record, error))
			return FALSE;
	}
}

struct state_reader *state_reader_new(int fd, GError **error)
{
	g_autoptr(state_reader) reader = g_new0(struct state_reader, 1);

	reader->fd = fd;
	reader->list = g_ptr_array_new();
	reader->index = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
	if (!read_header(reader, error) || !read_records(reader, error) ||
	    !index_records(reader, error))
		return NULL;
	return g_steal_pointer(&reader);
}

void state_reader_free(struct state_reader *reader)
{
	if (!reader)
		return;
	g_hash_table_unref(reader->index);
	g_ptr_array_unref(reader->list);
	g_free(reader->records);
	g_free(reader);
}

/* ------------------------------------------------------------ what is there */

int state_reader_fd(const struct state_reader *reader)
{
	return reader->fd;
}

const struct state_header *state_reader_header(const struct state_reader *reader)
{
	return &reader->header;
}

const void *state_reader_find(const struct state_reader *reader, uint32_t type, uint32_t instance,
			      size_t *length)
{
	gint64 key = index_key(type, instance);
	const struct state_record *record = g_hash_table_lookup(reader->index, &key);

	if (!record)
		return NULL;
	*length = record->length;
	return record + 1;
}

const void *state_reader_get(const struct state_reader *reader, uint32_t type, uint32_t instance,
			     size_t length, GError **error)
{
	const struct state_type_row *row = state_type_find(type);
	size_t found;
	const void *payload = state_reader_find(reader, type, instance, &found);

	g_assert(row);
	if (payload && found == length)
		return payload;
	if (payload)
		error_set(error, "the record %s %" PRIu32 " (%s) has %zu bytes in place of %zu",
			  row->name, instance, row->what, found, length);
	else
		error_set(error, "the checkpoint has no record %s %" PRIu32 " (%s)", row->name,
			  instance, row->what);
	return NULL;
}

const struct state_record *state_reader_nth(const struct state_reader *reader, size_t n)
{
	return n < reader->list->len ? reader->list->pdata[n] : NULL;
}

gboolean state_reader_is_data(const struct state_reader *reader, uint64_t offset, uint64_t length)
{
	uint64_t end = reader->header.records_offset;

	return offset >= STATE_PAGE && offset <= end && length <= end - offset;
}
