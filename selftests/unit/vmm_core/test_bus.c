// SPDX-License-Identifier: GPL-2.0-or-later
#include "core_test.h"

#include <errno.h>

#include "../../../vmm/bus.h"

struct fake_device {
	uint64_t offset;
	unsigned int size;
	uint64_t value;
	unsigned int accesses;
};

static uint64_t fake_read(void *opaque, uint64_t offset, unsigned int size)
{
	struct fake_device *device = opaque;

	device->offset = offset;
	device->size = size;
	device->accesses++;
	return device->value;
}

static void fake_write(void *opaque, uint64_t offset, unsigned int size, uint64_t value)
{
	struct fake_device *device = opaque;

	device->offset = offset;
	device->size = size;
	device->accesses++;
	device->value = value;
}

static const struct bus_ops fake_ops = { fake_read, fake_write };

static int setup(void **state)
{
	*state = bus_new("test");
	return 0;
}

static int teardown(void **state)
{
	bus_free(*state);
	return 0;
}

static void test_nobody(void **state)
{
	struct bus *bus = *state;
	uint64_t value = 0;

	assert_false(bus_read(bus, 0x80, 1, &value));
	assert_int_equal(value, 0xff);
	assert_false(bus_read(bus, 0x80, 2, &value));
	assert_int_equal(value, 0xffff);
	assert_false(bus_read(bus, 0x80, 4, &value));
	assert_int_equal(value, 0xffffffff);
	assert_false(bus_read(bus, 0x80, 8, &value));
	assert_true(value == UINT64_MAX);
	assert_false(bus_write(bus, 0x80, 1, 0));
}

/* The right device out of many, whatever the order in which they came. */
static void test_finds(void **state)
{
	struct bus *bus = *state;
	struct fake_device devices[16] = { 0 };
	static const int order[16] = { 7, 3, 11, 0, 15, 1, 14, 2, 13, 4, 12, 5, 10, 6, 9, 8 };
	uint64_t value;

	for (int i = 0; i < 16; i++)
		assert_int_equal(bus_add(bus, "device", 0x100 * order[i], 8, &fake_ops,
					 &devices[order[i]]), 0);
	for (int i = 0; i < 16; i++) {
		assert_true(bus_write(bus, 0x100 * i + 5, 2, 0x12340000 + i));
		assert_int_equal(devices[i].offset, 5);
		assert_int_equal(devices[i].size, 2);
		assert_int_equal(devices[i].value, i);
	}
	for (int i = 15; i >= 0; i--) {
		devices[i].value = 0xaabbccdd00112200 + i;
		assert_true(bus_read(bus, 0x100 * i, 4, &value));
		assert_int_equal(value, 0x00112200 + i);
		assert_int_equal(devices[i].accesses, 2);
		assert_false(bus_read(bus, 0x100 * i + 8, 1, &value));
		assert_int_equal(value, 0xff);
	}
}

static void test_overlaps(void **state)
{
	struct bus *bus = *state;
	struct fake_device device = { 0 };

	assert_int_equal(bus_add(bus, "a", 0x100, 0x10, &fake_ops, &device), 0);
	assert_int_equal(bus_add(bus, "same", 0x100, 0x10, &fake_ops, &device), -EEXIST);
	assert_int_equal(bus_add(bus, "inside", 0x104, 1, &fake_ops, &device), -EEXIST);
	assert_int_equal(bus_add(bus, "around", 0xf0, 0x100, &fake_ops, &device), -EEXIST);
	assert_int_equal(bus_add(bus, "left", 0xf0, 0x11, &fake_ops, &device), -EEXIST);
	assert_int_equal(bus_add(bus, "right", 0x10f, 1, &fake_ops, &device), -EEXIST);
	assert_int_equal(bus_add(bus, "before", 0xf0, 0x10, &fake_ops, &device), 0);
	assert_int_equal(bus_add(bus, "behind", 0x110, 1, &fake_ops, &device), 0);
	assert_int_equal(bus_add(bus, "empty", 0x200, 0, &fake_ops, &device), -EINVAL);
	assert_int_equal(bus_add(bus, "wraps", UINT64_MAX - 3, 5, &fake_ops, &device), -EINVAL);
	assert_int_equal(bus_add(bus, "last", UINT64_MAX - 3, 4, &fake_ops, &device), 0);
	assert_true(bus_write(bus, UINT64_MAX, 1, 0));
	assert_int_equal(device.offset, 3);
}

/* An access that begins in a range and ends behind it reaches nobody, also when the range
 * was hit just before. */
static void test_straddles(void **state)
{
	struct bus *bus = *state;
	struct fake_device first = { 0 }, second = { 0 };
	uint64_t value;

	assert_int_equal(bus_add(bus, "first", 0x100, 8, &fake_ops, &first), 0);
	assert_int_equal(bus_add(bus, "second", 0x108, 8, &fake_ops, &second), 0);
	assert_true(bus_read(bus, 0x104, 4, &value));
	assert_false(bus_read(bus, 0x106, 4, &value));
	assert_int_equal(value, 0xffffffff);
	assert_false(bus_write(bus, 0x10e, 4, 1));
	assert_false(bus_read(bus, 0xff, 2, &value));
	assert_int_equal(first.accesses, 1);
	assert_int_equal(second.accesses, 0);
}

struct told {
	unsigned int calls, stop_at;
	uint64_t base[4], length[4];
};

static bool tell(void *opaque, uint64_t base, uint64_t length)
{
	struct told *told = opaque;

	told->base[told->calls] = base;
	told->length[told->calls] = length;
	return ++told->calls != told->stop_at;
}

/* Claimed, so that no device can be put there, and yet as if nobody were. */
static void test_add_nobody(void **state)
{
	struct bus *bus = *state;
	struct fake_device device = { 0 };
	struct told told = { 0 };
	uint64_t value;

	assert_int_equal(bus_add_nobody(bus, "second", 0x200, 2), 0);
	assert_int_equal(bus_add(bus, "device", 0x180, 0x80, &fake_ops, &device), 0);
	assert_int_equal(bus_add_nobody(bus, "first", 0x80, 1), 0);
	assert_int_equal(bus_add_nobody(bus, "again", 0x80, 1), -EEXIST);
	assert_int_equal(bus_add(bus, "device", 0x7f, 4, &fake_ops, &device), -EEXIST);
	assert_true(bus_write(bus, 0x80, 1, 0x55));
	assert_true(bus_read(bus, 0x200, 2, &value));
	assert_int_equal(value, 0xffff);
	assert_true(bus_tell_nobody(bus, tell, &told));
	assert_int_equal(told.calls, 2);
	assert_int_equal(told.base[0], 0x80);
	assert_int_equal(told.length[0], 1);
	assert_int_equal(told.base[1], 0x200);
	assert_int_equal(told.length[1], 2);
	told = (struct told){ .stop_at = 1 };
	assert_false(bus_tell_nobody(bus, tell, &told));
	assert_int_equal(told.calls, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_nobody, setup, teardown),
		cmocka_unit_test_setup_teardown(test_finds, setup, teardown),
		cmocka_unit_test_setup_teardown(test_overlaps, setup, teardown),
		cmocka_unit_test_setup_teardown(test_straddles, setup, teardown),
		cmocka_unit_test_setup_teardown(test_add_nobody, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
