// SPDX-License-Identifier: GPL-2.0-or-later
#include "state_test.h"

#include <fcntl.h>
#include <sys/wait.h>

#include "../../../vmm/state/memory.h"

#define MIB	(1ull << 20)
#define GIB	(1ull << 30)
#define PAGE	4096u

static struct guest_memory *make(uint64_t size, bool shared)
{
	g_autoptr(GError) error = NULL;
	struct guest_memory *memory = shared ? guest_memory_new_shared(-1, size, &error)
					     : guest_memory_new(-1, size, &error);

	assert_non_null(memory);
	return memory;
}

static int save(const struct guest_memory *memory)
{
	state_writer *writer;
	int fd = new_file();

	writer = state_writer_new(fd);
	assert_true(state_memory_save(writer, memory, NULL));
	assert_true(state_writer_finish(writer, NULL));
	state_writer_free(writer);
	return fd;
}

static uint64_t blocks(int fd)
{
	struct stat stat;

	assert_int_equal(fstat(fd, &stat), 0);
	return stat.st_blocks * 512ull;
}

static uint8_t *at(struct guest_memory *memory, uint64_t gpa)
{
	uint8_t *byte = guest_memory_pointer(memory, gpa, 1);

	assert_non_null(byte);
	return byte;
}

/* Some pages in both ranges, at the ends and in between. */
static const uint64_t places[] = {
	0, PAGE * 3 + 17, 2 * MIB - 1, 2 * MIB, 77 * MIB + 5, MEMORY_HOLE_START - 1,
	MEMORY_HOLE_END, MEMORY_HOLE_END + 100 * MIB + 8, MEMORY_HOLE_END + 2 * GIB - 1,
};
#define SIZE	(5 * GIB)

static void fill(struct guest_memory *memory)
{
	for (size_t i = 0; i < G_N_ELEMENTS(places); i++)
		*at(memory, places[i]) = i + 1;
}

static void check(struct guest_memory *memory)
{
	for (size_t i = 0; i < G_N_ELEMENTS(places); i++)
		assert_int_equal(*at(memory, places[i]), i + 1);
	assert_int_equal(*at(memory, 50 * MIB), 0);
	assert_int_equal(*at(memory, PAGE), 0);
}

/* Of 5 GiB only what is there is written. */
static void round_trip(bool from_shared, bool to_shared, gboolean eager)
{
	struct guest_memory *memory = make(SIZE, from_shared);
	g_autoptr(GError) error = NULL;
	state_reader *reader;
	int fd;

	fill(memory);
	fd = save(memory);
	guest_memory_free(memory);
	assert_in_range(blocks(fd), 8 * PAGE, 64 * PAGE);
	reader = open_file(fd);
	assert_true(state_memory_range(reader, 0, NULL)->pages == 6);
	assert_int_equal(state_memory_range(reader, 1, NULL)->offset % (2 * MIB), 0);
	memory = make(SIZE, to_shared);
	*at(memory, 50 * MIB) = 7;		/* what is not in the file goes */
	if (!state_memory_load(reader, memory, eager, &error))
		fail_msg("%s", error->message);
	check(memory);
	state_reader_free(reader);
	guest_memory_free(memory);
	close(fd);
}

static void test_lazy(void **unused)
{
	(void)unused;
	round_trip(false, false, FALSE);
	round_trip(true, false, FALSE);
}

static void test_eager(void **unused)
{
	(void)unused;
	round_trip(false, false, TRUE);
	round_trip(false, true, TRUE);
	round_trip(true, true, FALSE);
}

/* Pages that were read, written or given back since, and those that were not. */
static void test_save_again(void **unused)
{
	struct guest_memory *memory = make(SIZE, false), *second = make(SIZE, false);
	state_reader *reader, *other;
	int fd, again;

	(void)unused;
	fill(memory);
	*at(memory, 60 * MIB) = 9;
	fd = save(memory);
	reader = open_file(fd);
	assert_true(state_memory_load(reader, second, FALSE, NULL));
	assert_int_equal(guest_memory_discard(second, at(second, 60 * MIB), PAGE), 0);
	assert_int_equal(*at(second, 60 * MIB), 0);
	*at(second, 61 * MIB) = 10;
	again = save(second);
	assert_in_range(blocks(again), 8 * PAGE, 64 * PAGE);
	guest_memory_free(second);
	second = make(SIZE, false);
	other = open_file(again);
	assert_true(state_memory_load(other, second, TRUE, NULL));
	check(second);
	assert_int_equal(*at(second, 60 * MIB), 0);
	assert_int_equal(*at(second, 61 * MIB), 10);
	/* The first file is as it was. */
	assert_true(state_memory_load(reader, second, TRUE, NULL));
	assert_int_equal(*at(second, 60 * MIB), 9);
	assert_int_equal(*at(second, 61 * MIB), 0);
	state_reader_free(other);
	state_reader_free(reader);
	guest_memory_free(memory);
	guest_memory_free(second);
	close(fd);
	close(again);
}

/* Memory that nobody has touched is not there afterwards, either. */
static void test_untouched(void **unused)
{
	struct guest_memory *memory = make(64 * MIB, false);
	int pagemap = guest_memory_pagemap(memory);
	uint64_t entry = 1;

	(void)unused;
	*at(memory, 5 * MIB) = 1;
	close(save(memory));
	assert_int_equal(pread(pagemap, &entry, 8, (uintptr_t)at(memory, 32 * MIB) / PAGE * 8), 8);
	assert_int_equal(entry >> 62, 0);
	assert_int_equal(pread(pagemap, &entry, 8, (uintptr_t)at(memory, 5 * MIB) / PAGE * 8), 8);
	assert_int_equal(entry >> 63, 1);
	guest_memory_free(memory);
}

/* After a fork() a descriptor shows the parent's pages, which are others. */
static void test_foreign_pagemap(void **unused)
{
	struct guest_memory *memory = make(16 * MIB, false), *second = make(16 * MIB, false);
	g_autofree char *path = NULL;
	state_reader *reader;
	int ends[2], other, fd;
	char byte;
	pid_t pid;

	(void)unused;
	assert_int_equal(pipe(ends), 0);
	pid = fork();
	if (pid == 0) {
		close(ends[1]);
		_exit(read(ends[0], &byte, 1) != 0);
	}
	path = g_strdup_printf("/proc/%d/pagemap", pid);
	other = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(other >= 0);
	assert_int_equal(dup2(other, guest_memory_pagemap(memory)), guest_memory_pagemap(memory));
	*at(memory, 5 * MIB) = 1;
	fd = save(memory);
	reader = open_file(fd);
	assert_true(state_memory_load(reader, second, TRUE, NULL));
	assert_int_equal(*at(second, 5 * MIB), 1);
	state_reader_free(reader);
	guest_memory_free(memory);
	guest_memory_free(second);
	close(fd);
	close(other);
	close(ends[0]);
	close(ends[1]);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void assert_load_fails(const state_reader *reader, uint64_t size, const char *words)
{
	struct guest_memory *memory = make(size, false);
	g_autoptr(GError) error = NULL;

	assert_false(state_memory_load(reader, memory, TRUE, &error));
	if (!strstr(error->message, words))
		fail_msg("\"%s\" does not say \"%s\"", error->message, words);
	guest_memory_free(memory);
}

static void test_other_size(void **unused)
{
	struct guest_memory *memory = make(16 * MIB, false);
	int fd = save(memory);
	state_reader *reader = open_file(fd);

	(void)unused;
	assert_load_fails(reader, 18 * MIB, "not of the size");
	assert_load_fails(reader, SIZE, "not of the size");
	state_reader_free(reader);
	guest_memory_free(memory);
	close(fd);
}

static void test_damage(void **unused)
{
	struct guest_memory *memory = make(16 * MIB, false);
	const struct state_memory *range;
	g_autoptr(GError) error = NULL;
	state_reader *reader;
	int fd;

	(void)unused;
	*at(memory, 5 * MIB) = 1;
	fd = save(memory);
	reader = open_file(fd);
	range = state_memory_range(reader, 0, NULL);
	assert_true(state_memory_read(reader, range, NULL, &error));
	/* A page that has a checksum. */
	assert_int_equal(pwrite(fd, "x", 1, range->offset + 5 * MIB + 1), 1);
	assert_load_fails(reader, 16 * MIB, "the page at 0x500000");
	assert_false(state_memory_read(reader, range, NULL, &error));
	g_clear_error(&error);
	assert_int_equal(pwrite(fd, "", 1, range->offset + 5 * MIB + 1), 1);
	/* One that should be zero: it is not read, but found if someone looks. */
	assert_int_equal(pwrite(fd, "x", 1, range->offset + 9 * MIB), 1);
	assert_false(state_memory_read(reader, range, NULL, &error));
	assert_non_null(strstr(error->message, "the page at 0x900000"));
	g_clear_error(&error);
	assert_int_equal(pwrite(fd, "", 1, range->offset + 9 * MIB), 1);
	assert_true(state_memory_read(reader, range, NULL, &error));
	/* The table: a checksum that goes, whose page would be zero then. */
	assert_int_equal(pwrite(fd, "\0\0\0\0\0\0\0", 8, range->table + 5 * MIB / PAGE * 8), 8);
	assert_load_fails(reader, 16 * MIB, "their own checksum");
	state_reader_free(reader);
	guest_memory_free(memory);
	close(fd);
}

/* Records that point to where nothing is. */
static void test_bad_records(void **unused)
{
	static const struct state_memory good = {
		.size = 4 * MIB, .offset = 2 * MIB, .table = 6 * MIB, .table_length = 8192,
		.page_size = PAGE,
	};
	const struct {
		size_t at;
		uint64_t value;
	} changes[] = {
		{ offsetof(struct state_memory, gpa), PAGE },
		{ offsetof(struct state_memory, gpa), -2 * MIB },
		{ offsetof(struct state_memory, size), 0 },
		{ offsetof(struct state_memory, size), 2 * MIB },
		{ offsetof(struct state_memory, offset), 0 },
		{ offsetof(struct state_memory, offset), 2 * MIB + PAGE },
		{ offsetof(struct state_memory, offset), 4 * MIB },
		{ offsetof(struct state_memory, offset), -2 * MIB },
		{ offsetof(struct state_memory, table), 6 * MIB + 8 },
		{ offsetof(struct state_memory, table), 6 * MIB + PAGE },
		{ offsetof(struct state_memory, table_length), 8200 },
		{ offsetof(struct state_memory, pages), 1025 },
		{ offsetof(struct state_memory, page_size), 65536 },
		{ offsetof(struct state_memory, page_size), 1ull << 32 | PAGE },
	};
	struct state_memory record;

	(void)unused;
	for (size_t i = 0; i <= G_N_ELEMENTS(changes); i++) {
		g_autoptr(GError) error = NULL;
		int fd = new_file();
		state_writer *writer = state_writer_new(fd);
		state_reader *reader;

		record = good;
		if (i)
			memcpy((uint8_t *)&record + changes[i - 1].at, &changes[i - 1].value, 8);
		state_writer_reserve(writer, 4 * MIB, 2 * MIB, NULL);
		state_writer_reserve(writer, 8192, PAGE, NULL);
		assert_true(state_writer_put(writer, STATE_MEMORY, 0, &record, 64, NULL));
		assert_true(state_writer_finish(writer, NULL));
		state_writer_free(writer);
		reader = open_file(fd);
		if (!state_memory_range(reader, 0, &error) != (i > 0))
			fail_msg("change %zu", i);
		assert_int_equal(error != NULL, i > 0);
		state_reader_free(reader);
		close(fd);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lazy),
		cmocka_unit_test(test_eager),
		cmocka_unit_test(test_save_again),
		cmocka_unit_test(test_untouched),
		cmocka_unit_test(test_foreign_pagemap),
		cmocka_unit_test(test_other_size),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_bad_records),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
