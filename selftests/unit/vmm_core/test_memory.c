// SPDX-License-Identifier: GPL-2.0-or-later
#include "core_test.h"

#include <sys/mman.h>
#include <unistd.h>

#include "../../../vmm/memory.h"

#define MIB	(1ull << 20)
#define GIB	(1ull << 30)

static struct guest_memory *make(uint64_t size)
{
	g_autoptr(GError) error = NULL;
	struct guest_memory *memory = guest_memory_new(-1, size, &error);

	assert_non_null(memory);
	assert_null(error);
	assert_true(guest_memory_size(memory) == size);
	return memory;
}

static void test_small(void **state)
{
	struct guest_memory *memory = make(2 * MIB);
	const struct memory_range *ranges;
	size_t count;

	(void)state;
	ranges = guest_memory_ranges(memory, &count);
	assert_int_equal(count, 1);
	assert_true(ranges[0].gpa == 0 && ranges[0].size == 2 * MIB);
	assert_int_equal((uintptr_t)ranges[0].host % (2 * MIB), 0);
	memset(ranges[0].host, 0x5a, ranges[0].size);
	guest_memory_free(memory);
}

/* Another mapping of the file shows the same bytes; nobody can make the file shorter. */
static void test_shared(void **state)
{
	struct guest_memory *memory = guest_memory_new_shared(-1, 5 * GIB, NULL);
	const struct memory_range *ranges;
	uint8_t *other;
	size_t count;

	(void)state;
	assert_non_null(memory);
	ranges = guest_memory_ranges(memory, &count);
	assert_int_equal(count, 2);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal((uintptr_t)ranges[i].host % (2 * MIB), 0);
		other = mmap(NULL, MIB, PROT_READ, MAP_SHARED, ranges[i].fd, ranges[i].size - MIB);
		assert_ptr_not_equal(other, MAP_FAILED);
		((uint8_t *)ranges[i].host)[ranges[i].size - MIB + 7] = 0x5a;
		assert_int_equal(other[7], 0x5a);
		assert_int_equal(guest_memory_discard(memory, (uint8_t *)ranges[i].host +
						      ranges[i].size - MIB, 4096), 0);
		assert_int_equal(other[7], 0);
		munmap(other, MIB);
		assert_int_equal(ftruncate(ranges[i].fd, 0), -1);
	}
	guest_memory_free(memory);
	memory = make(2 * MIB);
	assert_int_equal(guest_memory_ranges(memory, &count)->fd, -1);
	guest_memory_free(memory);
}

static void test_hole(void **state)
{
	struct guest_memory *memory = make(5 * GIB);
	const struct memory_range *ranges;
	uint32_t value = 0;
	size_t count;

	(void)state;
	ranges = guest_memory_ranges(memory, &count);
	assert_int_equal(count, 2);
	assert_true(ranges[0].gpa == 0 && ranges[0].size == MEMORY_HOLE_START);
	assert_true(ranges[1].gpa == MEMORY_HOLE_END &&
		    ranges[1].size == 5 * GIB - MEMORY_HOLE_START);
	assert_int_equal((uintptr_t)ranges[1].host % (2 * MIB), 0);

	assert_non_null(guest_memory_pointer(memory, MEMORY_HOLE_START - 4, 4));
	assert_null(guest_memory_pointer(memory, MEMORY_HOLE_START - 4, 5));
	assert_null(guest_memory_pointer(memory, MEMORY_HOLE_START, 1));
	assert_null(guest_memory_pointer(memory, MEMORY_HOLE_END - 1, 1));
	assert_ptr_equal(guest_memory_pointer(memory, MEMORY_HOLE_END, 1), ranges[1].host);
	assert_non_null(guest_memory_pointer(memory, 6 * GIB - 1, 1));
	assert_null(guest_memory_pointer(memory, 6 * GIB - 1, 2));
	assert_false(guest_memory_read(memory, MEMORY_HOLE_START - 2, &value, sizeof(value)));
	guest_memory_free(memory);
}

static void test_just_at_hole(void **state)
{
	struct guest_memory *memory = make(MEMORY_HOLE_START);
	size_t count;

	(void)state;
	guest_memory_ranges(memory, &count);
	assert_int_equal(count, 1);
	guest_memory_free(memory);
}

/* Lengths that wrap must not look small. */
static void test_bounds(void **state)
{
	struct guest_memory *memory = make(4 * MIB);

	(void)state;
	assert_null(guest_memory_pointer(memory, 0, 0));
	assert_null(guest_memory_pointer(memory, 4 * MIB, 0));
	assert_null(guest_memory_pointer(memory, 4 * MIB, 1));
	assert_null(guest_memory_pointer(memory, 1, UINT64_MAX));
	assert_null(guest_memory_pointer(memory, UINT64_MAX, 2));
	assert_null(guest_memory_pointer(memory, UINT64_MAX, UINT64_MAX));
	assert_null(guest_memory_pointer(memory, 0, 4 * MIB + 1));
	assert_non_null(guest_memory_pointer(memory, 0, 4 * MIB));
	guest_memory_free(memory);
}

static void test_copies(void **state)
{
	struct guest_memory *memory = make(2 * MIB);
	char text[8] = "";

	(void)state;
	assert_true(guest_memory_write(memory, 2 * MIB - 6, "mica!", 6));
	assert_true(guest_memory_read(memory, 2 * MIB - 6, text, 6));
	assert_string_equal(text, "mica!");
	/* Nothing is copied if not all of it is RAM. */
	assert_false(guest_memory_write(memory, 2 * MIB - 6, "change!", 8));
	assert_false(guest_memory_read(memory, 2 * MIB - 4, text, 8));
	assert_string_equal(text, "mica!");
	assert_true(guest_memory_read(memory, 2 * MIB - 6, text, 6));
	assert_string_equal(text, "mica!");
	guest_memory_free(memory);
}

static void test_refuses(void **state)
{
	GError *error = NULL;

	(void)state;
	assert_null(guest_memory_new(-1, 0, &error));
	assert_error_says(&error, "2 MiB");
	assert_null(guest_memory_new(-1, 3 * MIB, &error));
	assert_error_says(&error, "2 MiB");
	assert_null(guest_memory_new(-1, 1ull << 60, &error));
	assert_error_says(&error, "cannot map");
	assert_null(guest_memory_new(-1, -2 * MIB, &error));
	assert_error_says(&error, "cannot map");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_small),
		cmocka_unit_test(test_shared),
		cmocka_unit_test(test_hole),
		cmocka_unit_test(test_just_at_hole),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_copies),
		cmocka_unit_test(test_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
