// SPDX-License-Identifier: GPL-2.0-or-later
#include "state_test.h"

#include <xxhash.h>

#define UNKNOWN	0x7f01u		/* no row of types.def */

static const char machine[] = "{\"name\":\"g\"}";

/* Two records with and without padding, one of them twice with another instance. */
static int small_file(void)
{
	g_autoptr(GError) error = NULL;
	uint64_t registers[18] = { 1, 2, 3 };
	state_writer *writer;
	int fd = new_file();

	writer = state_writer_new(fd);
	assert_true(state_writer_put_origin(writer, "g", 1234567890, &error));
	assert_true(state_writer_put(writer, STATE_MACHINE, 0, machine, strlen(machine), &error));
	assert_true(state_writer_put(writer, STATE_CPU_GPRS, 0, registers, sizeof(registers),
				     &error));
	registers[0] = 9;
	assert_true(state_writer_put(writer, STATE_CPU_GPRS, 1, registers, sizeof(registers),
				     &error));
	assert_true(state_writer_finish(writer, &error));
	state_writer_free(writer);
	return fd;
}

static void test_round_trip(void **unused)
{
	const struct state_origin *origin;
	g_autoptr(GError) error = NULL;
	const uint64_t *registers;
	int fd = small_file();
	state_reader *reader = open_file(fd);
	const char *text;
	size_t length;

	(void)unused;
	text = state_reader_find(reader, STATE_MACHINE, 0, &length);
	assert_int_equal(length, strlen(machine));
	assert_memory_equal(text, machine, length);
	registers = state_reader_get(reader, STATE_CPU_GPRS, 1, 144, &error);
	assert_non_null(registers);
	assert_int_equal((uintptr_t)registers % 8, 0);
	assert_true(registers[0] == 9 && registers[1] == 2);
	origin = state_reader_get(reader, STATE_ORIGIN, 0, sizeof(*origin), &error);
	assert_string_equal(origin->name, "g");
	assert_true(origin->created_ns == 1234567890);
	assert_int_equal(state_reader_nth(reader, 1)->type, STATE_MACHINE);
	assert_null(state_reader_nth(reader, 4));
	state_reader_free(reader);
	close(fd);
}

static void test_not_there(void **unused)
{
	g_autoptr(GError) error = NULL;
	int fd = small_file();
	state_reader *reader = open_file(fd);
	size_t length;

	(void)unused;
	assert_null(state_reader_find(reader, STATE_CPU_GPRS, 2, &length));
	assert_null(state_reader_get(reader, STATE_CPU_GPRS, 2, 144, &error));
	assert_string_equal(error->message,
			    "the checkpoint has no record CPU_GPRS 2 (general registers)");
	g_clear_error(&error);
	assert_null(state_reader_get(reader, STATE_MACHINE, 0, 100, &error));
	assert_non_null(strstr(error->message, "12 bytes in place of 100"));
	state_reader_free(reader);
	close(fd);
}

static void test_data(void **unused)
{
	g_autoptr(GError) error = NULL;
	char buffer[4] = "";
	state_writer *writer;
	state_reader *reader;
	int fd = new_file();
	uint64_t first, second;

	(void)unused;
	writer = state_writer_new(fd);
	first = state_writer_reserve(writer, 5000, 4096, &error);
	second = state_writer_reserve(writer, 2 << 20, 2 << 20, &error);
	assert_true(first == 4096 && second == 2 << 20);
	assert_true(state_writer_write_at(writer, second, "data", 4, &error));
	assert_int_equal(state_writer_reserve(writer, UINT64_MAX - 4096, 4096, &error), 0);
	g_clear_error(&error);
	assert_int_equal(state_writer_reserve(writer, INT64_MAX, 4096, &error), 0);
	g_clear_error(&error);
	assert_true(state_writer_finish(writer, &error));
	state_writer_free(writer);
	reader = open_file(fd);
	assert_int_equal(pread(fd, buffer, 4, second), 4);
	assert_memory_equal(buffer, "data", 4);
	assert_true(state_reader_is_data(reader, second, 2 << 20));
	assert_false(state_reader_is_data(reader, second, (2 << 20) + 1));
	assert_false(state_reader_is_data(reader, 0, 1));
	assert_false(state_reader_is_data(reader, UINT64_MAX, 2));
	assert_false(state_reader_is_data(reader, second, UINT64_MAX));
	state_reader_free(reader);
	close(fd);
}

/* ------------------------------------------------------------ damage */

static void test_every_cut(void **unused)
{
	int fd = small_file();

	(void)unused;
	for (uint64_t size = size_of(fd); size--;) {
		assert_int_equal(ftruncate(fd, size), 0);
		assert_refused(fd, size < 64 ? "not a checkpoint" : "has been cut");
	}
	close(fd);
}

static void test_longer(void **unused)
{
	int fd = small_file();

	(void)unused;
	assert_int_equal(ftruncate(fd, size_of(fd) + 8), 0);
	assert_refused(fd, "8 bytes have been added");
	close(fd);
}

/* Between the header and the records there is nothing in this file. */
static void test_every_bit(void **unused)
{
	int fd = small_file();
	uint64_t size = size_of(fd);
	uint8_t *file = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	g_autoptr(GError) error = NULL;

	(void)unused;
	assert_ptr_not_equal(file, MAP_FAILED);
	for (uint64_t i = 0; i < size; i = i == 63 ? 4096 : i + 1) {
		for (unsigned int bit = 0; bit < 8; bit++) {
			file[i] ^= 1 << bit;
			if (state_reader_new(fd, &error))
				fail_msg("bit %u of byte %zu", bit, (size_t)i);
			g_clear_error(&error);
			file[i] ^= 1 << bit;
		}
	}
	state_reader_free(open_file(fd));
	munmap(file, size);
	close(fd);
}

/* ------------------------------------------------------------ files with good checksums */

/* Makes the checksums of header and records right again. */
static void repair(int fd)
{
	uint8_t *file = mmap(NULL, size_of(fd), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	struct state_header *header = (struct state_header *)file;

	assert_ptr_not_equal(file, MAP_FAILED);
	header->records_checksum = XXH3_64bits(file + header->records_offset,
					       header->records_length);
	header->checksum = state_header_checksum(header);
	munmap(file, size_of(fd));
}

/* A file of these bytes as records. */
static int file_of(const void *records, size_t length)
{
	struct state_header header = {
		.version = STATE_VERSION, .header_size = 64, .file_size = 4096 + length,
		.records_offset = 4096, .records_length = length,
	};
	int fd = new_file();

	memcpy(header.magic, STATE_MAGIC, 8);
	assert_int_equal(pwrite(fd, &header, sizeof(header), 0), sizeof(header));
	assert_int_equal(ftruncate(fd, 4096 + length), 0);
	assert_int_equal(pwrite(fd, records, length, 4096), length);
	repair(fd);
	return fd;
}

static void append(GByteArray *bytes, struct state_record record, const void *payload)
{
	uint8_t padded[STATE_PAGE] = "";
	size_t length = MIN(record.length, sizeof(padded));

	memcpy(padded, payload, length);
	length = (length + 7) & ~7ull;
	record.checksum = state_record_checksum(&record, padded, length);
	g_byte_array_append(bytes, (const uint8_t *)&record, sizeof(record));
	g_byte_array_append(bytes, padded, length);
}

static void append_end(GByteArray *bytes, uint64_t count)
{
	append(bytes, (struct state_record){ .type = STATE_END, .length = 8 }, &count);
}

/* A file with one record and an end. */
static int one_record(struct state_record record, const void *payload)
{
	g_autoptr(GByteArray) bytes = g_byte_array_new();

	append(bytes, record, payload);
	append_end(bytes, 1);
	return file_of(bytes->data, bytes->len);
}

static void assert_record_refused(struct state_record record, const char *words)
{
	static const uint8_t payload[STATE_PAGE];
	int fd = one_record(record, payload);

	assert_refused(fd, words);
	close(fd);
}

static void test_header(void **unused)
{
	int fd = small_file();
	uint8_t *file = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	struct state_header *header = (struct state_header *)file;
	struct state_header good = *header;
#define BAD(field, value, words) do { \
		header->field = (value); \
		header->checksum = state_header_checksum(header); \
		assert_refused(fd, words); \
		*header = good; \
	} while (0)

	(void)unused;
	BAD(magic[0], 'M', "not a checkpoint of mica");
	BAD(version, 2, "has format 2, this mica knows format 1");
	BAD(header_size, 128, "makes no sense");
	BAD(file_size, good.file_size + 1, "has been cut");
	BAD(file_size, UINT64_MAX, "has been cut");
	BAD(records_offset, 0, "makes no sense");
	BAD(records_offset, 4097, "makes no sense");
	BAD(records_offset, -4096ull, "makes no sense");
	BAD(records_length, UINT64_MAX, "makes no sense");
	BAD(records_length, good.records_length - 8, "makes no sense");
	BAD(reserved, 1, "makes no sense");
	munmap(file, 4096);
	close(fd);
}

static void test_too_many_bytes(void **unused)
{
	struct state_header header = {
		.version = STATE_VERSION, .header_size = 64, .file_size = 1ull << 40,
		.records_offset = 4096, .records_length = (1ull << 40) - 4096,
	};
	int fd = new_file();

	(void)unused;
	memcpy(header.magic, STATE_MAGIC, 8);
	header.checksum = state_header_checksum(&header);
	assert_int_equal(pwrite(fd, &header, sizeof(header), 0), sizeof(header));
	assert_int_equal(ftruncate(fd, 1ull << 40), 0);
	assert_refused(fd, "at most 16 are possible");
	close(fd);
}

static void test_records(void **unused)
{
	(void)unused;
	assert_record_refused((struct state_record){ .type = UNKNOWN, .length = 8 },
			      "does not know the record of type 0x7f01 at byte 4096");
	assert_record_refused((struct state_record){ .type = STATE_MACHINE, .length = 0 },
			      "has 0 bytes, which cannot be");
	assert_record_refused((struct state_record){ .type = STATE_CPU_GPRS, .length = 152 },
			      "CPU_GPRS");
	assert_record_refused((struct state_record){ .type = STATE_MACHINE, .length = 8,
						     .flags = 2 }, "does not know");
	assert_record_refused((struct state_record){ .type = STATE_MACHINE, .length = 8,
						     .reserved = 1 }, "does not know");
	assert_record_refused((struct state_record){ .type = STATE_MACHINE, .length = 5000 },
			      "longer than what is there");
	assert_record_refused((struct state_record){ .type = STATE_MACHINE,
						     .length = UINT64_MAX }, "longer than");
	assert_record_refused((struct state_record){ .type = STATE_MACHINE,
						     .length = UINT64_MAX - 31 }, "longer than");
}

static void test_unknown_optional(void **unused)
{
	g_autoptr(GError) error = NULL;
	state_writer *writer;
	state_reader *reader;
	int fd = new_file();
	size_t length;

	(void)unused;
	writer = state_writer_new(fd);
	assert_true(state_writer_put_optional(writer, UNKNOWN, 5, "abc", 3, &error));
	assert_true(state_writer_finish(writer, &error));
	state_writer_free(writer);
	reader = open_file(fd);
	assert_memory_equal(state_reader_find(reader, UNKNOWN, 5, &length), "abc", 3);
	assert_int_equal(length, 3);
	state_reader_free(reader);
	close(fd);
}

static void test_duplicate(void **unused)
{
	g_autoptr(GByteArray) bytes = g_byte_array_new();
	int fd;

	(void)unused;
	for (int i = 0; i < 2; i++)
		append(bytes, (struct state_record){ .type = STATE_MACHINE, .length = 2 }, "{}");
	append_end(bytes, 2);
	fd = file_of(bytes->data, bytes->len);
	assert_refused(fd, "two records of type 0x101, instance 0");
	close(fd);
}

static void test_padding(void **unused)
{
	struct state_record record = { .type = STATE_MACHINE, .length = 2 };
	g_autoptr(GByteArray) bytes = g_byte_array_new();
	const char payload[8] = "{}\0\0\0\0\0x";
	int fd;

	(void)unused;
	record.checksum = state_record_checksum(&record, payload, 8);
	g_byte_array_append(bytes, (const uint8_t *)&record, sizeof(record));
	g_byte_array_append(bytes, (const uint8_t *)payload, 8);
	append_end(bytes, 1);
	fd = file_of(bytes->data, bytes->len);
	assert_refused(fd, "uses what this mica does not know");
	close(fd);
}

static void test_end(void **unused)
{
	struct state_record record = { .type = STATE_MACHINE, .length = 2 };
	int fd;

	(void)unused;
	for (int what = 0; what < 4; what++) {
		g_autoptr(GByteArray) bytes = g_byte_array_new();

		append(bytes, record, "{}");
		if (what)
			append_end(bytes, what == 1 ? 2 : 1);
		if (what == 2)
			append_end(bytes, 2);
		if (what == 3)
			append(bytes, record, "{}");
		fd = file_of(bytes->data, bytes->len);
		assert_refused(fd, what ? "is not where it should be" : "have no end");
		close(fd);
	}
	fd = file_of("", 0);
	assert_refused(fd, "have no end");
	close(fd);
}

/* The time of the index would grow with the square of them. */
static void test_too_many(void **unused)
{
	g_autoptr(GByteArray) bytes = g_byte_array_new();
	int fd;

	(void)unused;
	for (uint32_t i = 0; i < STATE_COUNT_MAX; i++)
		append(bytes, (struct state_record){ .type = UNKNOWN, .instance = i,
						     .flags = STATE_OPTIONAL }, "");
	append_end(bytes, STATE_COUNT_MAX);
	fd = file_of(bytes->data, bytes->len);
	assert_refused(fd, "too many records");
	close(fd);
}

/* A writer stops before a reader would. */
static void test_writer_is_bounded(void **unused)
{
	g_autoptr(GError) error = NULL;
	state_writer *writer;
	uint32_t count = 0;
	int fd = new_file();

	(void)unused;
	writer = state_writer_new(fd);
	while (state_writer_put_optional(writer, UNKNOWN, count, "", 0, &error))
		count++;
	g_clear_error(&error);
	assert_int_equal(count, STATE_COUNT_MAX - 1);
	assert_false(state_writer_finish(writer, &error));
	state_writer_free(writer);
	close(fd);
}

static void test_not_a_file(void **unused)
{
	int fds[2];

	(void)unused;
	assert_int_equal(pipe(fds), 0);
	assert_refused(fds[0], "no regular file");
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_not_there),
		cmocka_unit_test(test_data),
		cmocka_unit_test(test_every_cut),
		cmocka_unit_test(test_longer),
		cmocka_unit_test(test_every_bit),
		cmocka_unit_test(test_header),
		cmocka_unit_test(test_too_many_bytes),
		cmocka_unit_test(test_records),
		cmocka_unit_test(test_unknown_optional),
		cmocka_unit_test(test_duplicate),
		cmocka_unit_test(test_padding),
		cmocka_unit_test(test_end),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_writer_is_bounded),
		cmocka_unit_test(test_not_a_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
