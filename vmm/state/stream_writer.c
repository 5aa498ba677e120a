// SPDX-License-Identifier: GPL-2.0-or-later
#include "stream.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "../error.h"

struct state_writer {
	int fd;
	uint64_t data_end;		/* in the file */
	uint64_t count;			/* of records */
	GByteArray *records;
};

struct state_writer *state_writer_new(int fd)
{
	struct state_writer *writer = g_new0(struct state_writer, 1);

	writer->fd = fd;
	writer->data_end = STATE_PAGE;
	writer->records = g_byte_array_new();
	return writer;
}

void state_writer_free(struct state_writer *writer)
{
	if (!writer)
		return;
	g_byte_array_unref(writer->records);
	g_free(writer);
}

int state_writer_fd(const struct state_writer *writer)
{
	return writer->fd;
}

uint64_t state_writer_reserve(struct state_writer *writer, uint64_t length, uint64_t alignment,
			      GError **error)
{
	uint64_t start, end;

	g_assert(alignment >= STATE_PAGE && !(alignment & (alignment - 1)));
	if (!g_uint64_checked_add(&start, writer->data_end, alignment - 1) ||
	    !g_uint64_checked_add(&end, start &= ~(alignment - 1), length) || end > INT64_MAX) {
		error_set(error, "the checkpoint would be longer than a file can be");
		return 0;
	}
	if (ftruncate(writer->fd, end) < 0) {
		error_set_errno(error, errno, "cannot make the checkpoint %" G_GUINT64_FORMAT
				" MiB long", end >> 20);
		return 0;
	}
	writer->data_end = end;
	return start;
}

gboolean state_writer_write_at(struct state_writer *writer, uint64_t offset, const void *data,
			       size_t length, GError **error)
{
	const uint8_t *from = data;
	ssize_t count;

	while (length) {
		count = pwrite(writer->fd, from, length, offset);
		if (count < 0 && errno == EINTR)
			continue;
		if (count <= 0)
			return error_set_errno(error, count < 0 ? errno : EIO,
					       "cannot write the checkpoint");
		from += count;
		offset += count;
		length -= count;
	}
	return TRUE;
}

static gboolean writer_append(struct state_writer *writer, struct state_record *record,
			      const void *payload, GError **error)
{
	static const uint8_t zeroes[8];
	size_t padding = -record->length & 7;
	GByteArray *records = writer->records;
	guint start = records->len;

	if (writer->count == STATE_COUNT_MAX - 1 ||
	    sizeof(*record) + record->length + padding > STATE_RECORDS_MAX - 1024 - start)
		return error_set(error, "the guest's state is too large for a checkpoint");
	g_byte_array_append(records, (const uint8_t *)record, sizeof(*record));
	g_byte_array_append(records, payload, record->length);
	g_byte_array_append(records, zeroes, padding);
	record->checksum = state_record_checksum(record, records->data + start + sizeof(*record),
						 record->length + padding);
	memcpy(records->data + start, record, sizeof(*record));
	writer->count++;
	return TRUE;
}

gboolean state_writer_put(struct state_writer *writer, uint32_t type, uint32_t instance,
			  const void *payload, size_t length, GError **error)
{
	const struct state_type_row *row = state_type_find(type);
	struct state_record record = { .type = type, .instance = instance, .length = length };

	g_assert(row && length >= row->smallest && length <= row->largest);
	return writer_append(writer, &record, payload, error);
}

gboolean state_writer_put_optional(struct state_writer *writer, uint32_t type, uint32_t instance,
				   const void *payload, size_t length, GError **error)
{
	struct state_record record = {
		.type = type,
		.flags = STATE_OPTIONAL,
		.instance = instance,
		.length = length,
	};

	g_assert(length <= STATE_PAYLOAD_MAX);
	return writer_append(writer, &record, payload, error);
}

gboolean state_writer_put_origin(struct state_writer *writer, const char *name,
				 uint64_t created_ns, GError **error)
{
	struct state_origin origin = { .created_ns = created_ns };

	strncpy(origin.name, name, sizeof(origin.name) - 1);
	strncpy(origin.program, "mica " MICA_VERSION, sizeof(origin.program) - 1);
	return state_writer_put(writer, STATE_ORIGIN, 0, &origin, sizeof(origin), error);
}

/* What has been written reaches the disk; not all files can be told so. */
static gboolean writer_sync(struct state_writer *writer, GError **error)
{
	if (fdatasync(writer->fd) < 0 && errno != EINVAL)
		return error_set_errno(error, errno, "cannot write the checkpoint to the disk");
	return TRUE;
}

gboolean state_writer_finish(struct state_writer *writer, GError **error)
{
	struct state_end end = { .records = writer->count };
	struct state_header header = {
		.version = STATE_VERSION,
		.header_size = sizeof(header),
	};
	GByteArray *records = writer->records;

	if (!state_writer_put(writer, STATE_END, 0, &end, sizeof(end), error))
		return FALSE;
	header.records_offset = state_writer_reserve(writer, records->len, STATE_PAGE, error);
	if (!header.records_offset)
		return FALSE;
	memcpy(header.magic, STATE_MAGIC, sizeof(header.magic));
	header.records_length = records->len;
	header.records_checksum = XXH3_64bits(records->data, records->len);
	header.file_size = header.records_offset + records->len;
	header.checksum = state_header_checksum(&header);
	return state_writer_write_at(writer, header.records_offset, records->data, records->len,
				     error) &&
	       writer_sync(writer, error) &&
	       state_writer_write_at(writer, 0, &header, sizeof(header), error) &&
	       writer_sync(writer, error);
}
