// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Checkpoint files.  Random bytes end at the first checksum, so the input is mostly a list of
 * records whose checksums are made right, with a change afterwards now and then.
 */
#include <glib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xxhash.h>

#include "../../../vmm/state/memory.h"
#include "../../../vmm/state/stream.h"
#include "../../../vmm/state/vcpu.h"
#include "../input.h"

#define RECORDS_AT	(6u << 20)	/* behind 2 MiB of RAM, at 2 MiB */
#define RAM_AT		(2u << 20)
#define TABLE_AT	(4u << 20)

static const uint32_t types[] = {
#define STATE_TYPE(NAME, number, smallest, largest, what) number,
#include "../../../vmm/state/types.def"
#undef STATE_TYPE
	0, 0x7f01, UINT32_MAX,
};

static uint64_t take_payload_length(struct input *input, uint32_t type)
{
	const struct state_type_row *row = state_type_find(type);
	uint8_t what = take8(input);

	if (what < 8)
		return take_value(input, 1 + what % 8);
	if (what < 12 || !row)
		return take8(input);
	return what & 1 ? row->smallest : MIN(row->largest, row->smallest + take8(input));
}

/* What could be true of the file, so that more than the first check is reached. */
static void plausible_memory(struct input *input, struct state_memory *memory)
{
	*memory = (struct state_memory){
		.size = 2 << 20, .offset = RAM_AT, .table = TABLE_AT, .table_length = 4096,
		.page_size = 4096, .gpa = (uint64_t)take8(input) << 21,
	};
	switch (take8(input) % 4) {
	case 0:
		((uint8_t *)memory)[take_below(input, sizeof(*memory))] ^= take8(input);
		break;
	case 1:		/* so many pages or chunks before 2^64 */
		((uint64_t *)memory)[take_below(input, 5)] =
			-(uint64_t)take8(input) << (take8(input) & 1 ? 12 : 21);
		break;
	}
}

static void append_record(struct input *input, GByteArray *bytes)
{
	struct state_record record = { .type = types[take_below(input, G_N_ELEMENTS(types))] };
	static uint8_t payload[65536 + 8];
	uint64_t padded;

	record.flags = take8(input) & 1 ? take8(input) % 4 : 0;
	record.instance = take8(input) & 3;
	record.reserved = take8(input) == 1;
	record.length = take_payload_length(input, record.type);
	memset(payload, 0, sizeof(payload));
	for (uint64_t i = 0; i < MIN(record.length, 32); i++)
		payload[i] = take8(input);
	if (record.type == STATE_MEMORY)
		plausible_memory(input, (struct state_memory *)payload);
	padded = MIN((record.length + 7) & ~7ull, sizeof(payload));
	record.checksum = state_record_checksum(&record, payload, padded);
	g_byte_array_append(bytes, (const uint8_t *)&record, sizeof(record));
	g_byte_array_append(bytes, payload, padded);
}

static GByteArray *make_records(struct input *input)
{
	GByteArray *bytes = g_byte_array_new();
	struct state_record end = { .type = STATE_END, .length = 8 };
	uint64_t count = take8(input) % 12;

	for (uint64_t i = 0; i < count; i++)
		append_record(input, bytes);
	count += take8(input) == 1;
	end.checksum = state_record_checksum(&end, &count, sizeof(count));
	g_byte_array_append(bytes, (const uint8_t *)&end, sizeof(end));
	g_byte_array_append(bytes, (const uint8_t *)&count, sizeof(count));
	return bytes;
}

static void put_at(int fd, const void *data, size_t length, uint64_t offset)
{
	CHECK(pwrite(fd, data, length, offset) == (ssize_t)length);
}

static int make_file(struct input *input)
{
	g_autoptr(GByteArray) bytes = make_records(input);
	struct state_header header = {
		.version = 1, .header_size = 64, .file_size = RECORDS_AT + bytes->len,
		.records_offset = RECORDS_AT, .records_length = bytes->len,
	};
	uint8_t change = take8(input);
	int fd = memfd_create("checkpoint", MFD_CLOEXEC);

	CHECK(fd >= 0);
	memcpy(header.magic, STATE_MAGIC, sizeof(header.magic));
	if (change == 1)
		bytes->data[take_below(input, bytes->len)] ^= take8(input);
	header.records_checksum = XXH3_64bits(bytes->data, bytes->len);
	if (change == 2)
		((uint8_t *)&header)[take_below(input, 56)] ^= take8(input);
	header.checksum = state_header_checksum(&header);
	put_at(fd, &header, sizeof(header), 0);
	put_at(fd, bytes->data, bytes->len, RECORDS_AT);
	if (change == 3)
		CHECK(ftruncate(fd, take_below(input, RECORDS_AT + bytes->len)) == 0);
	if (change & 16)
		put_at(fd, input->at, MIN(input->left, 64), RAM_AT);
	return fd;
}

static void check_error(GError *error)
{
	CHECK(error && *error->message && !strchr(error->message, '\n'));
	g_error_free(error);
}

static void check_memory(const struct state_reader *reader)
{
	const struct state_memory *range;
	GError *error = NULL;

	for (uint32_t i = 0; i < 4; i++) {
		range = state_memory_range(reader, i, &error);
		if (error) {
			CHECK(!range);
			check_error(g_steal_pointer(&error));
		} else if (range) {
			CHECK(range->size && range->offset <= RECORDS_AT - range->size);
			CHECK(range->table <= RECORDS_AT - range->table_length);
			if (!state_memory_read(reader, range, NULL, &error))
				check_error(g_steal_pointer(&error));
		}
	}
}

static void check_vcpus(const struct state_reader *reader)
{
	struct mica_vcpu_state state;
	struct mica_cpuid cpuid;
	GError *error = NULL;
	char *lacks;

	CHECK(state_vcpu_count(reader) <= 4);
	for (unsigned int i = 0; i < 4; i++) {
		if (!state_vcpu_registers(reader, i, &state, &error))
			check_error(g_steal_pointer(&error));
		if (!state_vcpu_cpuid(reader, i, &cpuid, &error)) {
			check_error(g_steal_pointer(&error));
			continue;
		}
		CHECK(cpuid.count <= MICA_MAX_CPUID);
		lacks = state_vcpu_lacks(&cpuid, &cpuid);
		CHECK(!lacks);
	}
}

static void check_records(const struct state_reader *reader)
{
	const struct state_record *record;
	const struct state_type_row *row;
	size_t length;

	for (size_t i = 0; (record = state_reader_nth(reader, i)); i++) {
		row = state_type_find(record->type);
		CHECK(row || record->flags == STATE_OPTIONAL);
		CHECK(!row || (record->length >= row->smallest && record->length <= row->largest));
		CHECK(state_reader_find(reader, record->type, record->instance, &length) ==
		      record + 1);
		CHECK(length == record->length);
		/* All of it can be read, and its padding. */
		CHECK(record->checksum ==
		      state_record_checksum(record, record + 1, (length + 7) & ~7ull));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { .at = data, .left = size };
	GError *error = NULL;
	state_reader *reader;
	int fd;

	fd = make_file(&input);
	reader = state_reader_new(fd, &error);
	if (reader) {
		check_records(reader);
		check_memory(reader);
		check_vcpus(reader);
	} else {
		check_error(error);
	}
	state_reader_free(reader);
	close(fd);
	return 0;
}
