/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The record stream of checkpoint files: docs/checkpoint-format.md is its specification.
 *
 * A file has a header, then data that records refer to (RAM), then all records in one piece.
 * The reader checks every record before it hands out any: framing, checksums, lengths against
 * types.def, duplicates, unknown types.  What is in a payload is for its user to check.
 *
 * All numbers are little endian.  Errors are VMM_ERROR_FAILED and do not name the file.
 */
#ifndef MICA_VMM_STATE_STREAM_H
#define MICA_VMM_STATE_STREAM_H

#include <assert.h>
#include <glib.h>
#include <stddef.h>
#include <stdint.h>

#if G_BYTE_ORDER != G_LITTLE_ENDIAN
#error "records are copied as they are in memory"
#endif

enum state_type {
#define STATE_TYPE(NAME, number, smallest, largest, what) STATE_##NAME = number,
#include "types.def"
#undef STATE_TYPE
};

struct state_type_row {
	const char *name;
	uint32_t number;
	uint32_t smallest;		/* length of a payload in bytes */
	uint32_t largest;
	const char *what;
};

/* NULL: no such type. */
const struct state_type_row *state_type_find(uint32_t number);

#define STATE_MAGIC	"\x89" "MICA\r\n\x1a"	/* 8 bytes; shows what text transfers break */
#define STATE_VERSION	1

/* At the beginning of the file, and never changed. */
struct state_header {
	uint8_t magic[8];
	uint32_t version;		/* STATE_VERSION; others are refused */
	uint32_t header_size;		/* 64 */
	uint64_t file_size;		/* all of the file in bytes */
	uint64_t records_offset;	/* a multiple of 4096 */
	uint64_t records_length;	/* with END; to the end of the file */
	uint64_t records_checksum;	/* XXH3-64 of them */
	uint64_t reserved;		/* 0 */
	uint64_t checksum;		/* XXH3-64 of the 56 bytes before */
};
static_assert(sizeof(struct state_header) == 64, "the header is part of the format");

#define STATE_OPTIONAL	1u		/* a reader that does not know the type passes over it */

struct state_record {
	uint32_t type;			/* enum state_type */
	uint32_t flags;			/* STATE_OPTIONAL */
	uint32_t instance;		/* which one, from 0 */
	uint32_t reserved;		/* 0 */
	uint64_t length;		/* of the payload; zeroes pad it to a multiple of 8 */
	uint64_t checksum;		/* XXH3-64 of the 24 bytes before, and the padded payload */
};
static_assert(sizeof(struct state_record) == 32, "the record header is part of the format");

/* STATE_END, instance 0, the last record. */
struct state_end {
	uint64_t records;		/* before this one */
};
static_assert(sizeof(struct state_end) == 8, "record of the format");

/* STATE_ORIGIN, instance 0.  For people, and for nothing else. */
struct state_origin {
	uint64_t created_ns;		/* since 1970 in UTC, when the guest was stopped */
	uint64_t reserved;		/* 0 */
	char name[64];			/* of the guest: UTF-8, zeroes behind it, at least one */
	char program[32];		/* that wrote the file, likewise */
};
static_assert(sizeof(struct state_origin) == 112, "record of the format");

#define STATE_RECORDS_MAX	(16u << 20)	/* bytes of all records of a file */
#define STATE_COUNT_MAX		8192u		/* how many they are, END among them */
#define STATE_PAYLOAD_MAX	(1u << 20)	/* of a record whose type is unknown */
#define STATE_PAGE		4096u		/* unit of places in the file */

/* ------------------------------------------------------------ writer */

struct state_writer;

/* `fd` is a regular file that is empty, open for writing; it stays the caller's. */
struct state_writer *state_writer_new(int fd);
void state_writer_free(struct state_writer *writer);
typedef struct state_writer state_writer;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(state_writer, state_writer_free)

int state_writer_fd(const struct state_writer *writer);

/* A place for `length` bytes of data in the file, at a multiple of `alignment` (a power of two,
 * at least STATE_PAGE); the file is as long then.  What the caller does not write there reads
 * as zeroes.  0 and an error if the file cannot be so long. */
uint64_t state_writer_reserve(struct state_writer *writer, uint64_t length, uint64_t alignment,
			      GError **error);
/* All of it; for data at places that were reserved. */
gboolean state_writer_write_at(struct state_writer *writer, uint64_t offset, const void *data,
			       size_t length, GError **error);

/* Copies the payload.  FALSE if there are too many records, or too many bytes.  That type,
 * instance and length fit is the caller's promise. */
gboolean state_writer_put(struct state_writer *writer, uint32_t type, uint32_t instance,
			  const void *payload, size_t length, GError **error);
/* The same with STATE_OPTIONAL: `type` need not be in types.def. */
gboolean state_writer_put_optional(struct state_writer *writer, uint32_t type, uint32_t instance,
				   const void *payload, size_t length, GError **error);
gboolean state_writer_put_origin(struct state_writer *writer, const char *name,
				 uint64_t created_ns, GError **error);

/* Writes records, then, when all else is on the disk, the header: a file that has one is whole.
 * Last; the writer can only be freed then. */
gboolean state_writer_finish(struct state_writer *writer, GError **error);

/* ------------------------------------------------------------ reader */

struct state_reader;

/* Reads and checks all records.  `fd` is a regular file, open for reading; it stays the
 * caller's, and open for as long as the reader is used. */
struct state_reader *state_reader_new(int fd, GError **error);
void state_reader_free(struct state_reader *reader);
typedef struct state_reader state_reader;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(state_reader, state_reader_free)

int state_reader_fd(const struct state_reader *reader);
const struct state_header *state_reader_header(const struct state_reader *reader);

/* The payload is aligned to 8 bytes, and belongs to the reader.
 * get: it must be there with exactly this length, else NULL and an error. */
const void *state_reader_get(const struct state_reader *reader, uint32_t type, uint32_t instance,
			     size_t length, GError **error);
/* NULL: not there.  Its length is one that types.def allows. */
const void *state_reader_find(const struct state_reader *reader, uint32_t type, uint32_t instance,
			      size_t *length);
/* In the order of the file, END not among them; NULL behind the last.  The payload follows the
 * header. */
const struct state_record *state_reader_nth(const struct state_reader *reader, size_t n);

/* Reads all of it from the file, wherever it is there; whoever reads checks it. */
gboolean state_reader_read(const struct state_reader *reader, void *to, size_t length,
			   uint64_t offset, GError **error);

/* True if [offset, offset + length) is data: behind the header's page and before the records. */
gboolean state_reader_is_data(const struct state_reader *reader, uint64_t offset,
			      uint64_t length);

/* ------------------------------------------------------------ both */

/* Of the record header's checksum; `payload` is padded. */
uint64_t state_record_checksum(const struct state_record *record, const void *payload,
			       size_t padded);
uint64_t state_header_checksum(const struct state_header *header);

#endif
