// SPDX-License-Identifier: GPL-2.0-or-later
#include "insn_test.h"

#include <errno.h>
#include <stdlib.h>

static void record(struct world *world, bool port, bool write, uint64_t address,
		   unsigned int size, const void *bytes)
{
	struct access access = { port, write, address, size, 0 };

	memcpy(&access.value, bytes, size);
	if (world->count < LOG_SIZE)
		world->log[world->count] = access;
	world->count++;
}

/* The contract of struct insn_ops. */
static void check_access(uint64_t gpa, unsigned int size)
{
	assert_true(size == 1 || size == 2 || size == 4 || size == 8);
	assert_true(gpa / 4096 == (gpa + size - 1) / 4096);
}

static bool in_device(uint64_t gpa, unsigned int size)
{
	return gpa >= DEVICE && gpa - DEVICE <= DEVICE_SIZE - size;
}

static int op_read(void *opaque, uint64_t gpa, void *to, unsigned int size)
{
	struct world *world = opaque;

	check_access(gpa, size);
	memset(to, 0xff, size);
	if (gpa <= RAM_SIZE - size) {
		memcpy(to, world->ram + gpa, size);
		return 0;
	}
	if (world->fail)
		return world->fail;
	if (in_device(gpa, size))
		memcpy(to, world->device + (gpa - DEVICE), size);
	record(world, false, false, gpa, size, to);
	return 0;
}

static int op_write(void *opaque, uint64_t gpa, const void *from, unsigned int size)
{
	struct world *world = opaque;

	check_access(gpa, size);
	if (gpa <= RAM_SIZE - size) {
		memcpy(world->ram + gpa, from, size);
		return 0;
	}
	if (world->fail || world->fail_write)
		return world->fail ? world->fail : world->fail_write;
	if (in_device(gpa, size))
		memcpy(world->device + (gpa - DEVICE), from, size);
	record(world, false, true, gpa, size, from);
	return 0;
}

static int op_entry_load(void *opaque, uint64_t gpa, unsigned int size, uint64_t *entry)
{
	struct world *world = opaque;

	assert_true(size == 4 || size == 8);
	assert_int_equal(gpa % size, 0);
	if (gpa > RAM_SIZE - size)
		return -EFAULT;
	*entry = world_get(world, gpa, size);
	return 0;
}

static int op_entry_update(void *opaque, uint64_t gpa, unsigned int size, uint64_t expected,
			   uint64_t desired)
{
	struct world *world = opaque;

	world->entry_updates++;
	if (world_get(world, gpa, size) == expected)
		world_put(world, gpa, desired, size);
	return 0;
}

static int op_port_in(void *opaque, uint16_t port, void *to, unsigned int size)
{
	struct world *world = opaque;

	memcpy(to, &world->port_value, size);
	world->port_value++;
	record(world, true, false, port, size, to);
	return world->fail;
}

static int op_port_out(void *opaque, uint16_t port, const void *from, unsigned int size)
{
	struct world *world = opaque;

	record(world, true, true, port, size, from);
	return world->fail;
}

static int op_vector_load(void *opaque, unsigned int index, uint8_t bytes[16])
{
	struct world *world = opaque;

	assert_in_range(index, 0, 15);
	memcpy(bytes, world->xmm[index], 16);
	return 0;
}

static int op_vector_store(void *opaque, unsigned int index, const uint8_t bytes[16])
{
	struct world *world = opaque;

	assert_in_range(index, 0, 15);
	memcpy(world->xmm[index], bytes, 16);
	return 0;
}

enum insn_result world_execute(struct world *world)
{
	struct insn_ops ops = {
		.read = op_read,
		.write = op_write,
		.entry_load = op_entry_load,
		.entry_update = op_entry_update,
		.port_in = op_port_in,
		.port_out = op_port_out,
		.vector_load = world->no_vectors ? NULL : op_vector_load,
		.vector_store = world->no_vectors ? NULL : op_vector_store,
	};

	return insn_execute(&world->state, &ops, world, &world->changed, &world->report);
}

enum insn_result world_run(struct world *world, const void *bytes, size_t length)
{
	memcpy(world->ram + CODE, bytes, length);
	world->state.gprs.rip = CODE;
	return world_execute(world);
}

static void set_segments(struct world *world, uint32_t limit, uint32_t code, uint32_t data)
{
	struct mica_segment *segments = &world->state.segs.es;

	for (unsigned int i = 0; i < 6; i++) {
		segments[i].base = 0;
		segments[i].limit = limit;
		segments[i].attr = i == 1 ? code : data;
	}
}

void world_reset(struct world *world)
{
	memset(world, 0, sizeof(*world));
	world->state.gprs.rip = CODE;
	world->state.gprs.rflags = FIXED;
	world_long_mode(world);
}

void world_real_mode(struct world *world)
{
	world->state.crs.cr0 = 0;
	world->state.msrs.efer = 0;
	set_segments(world, 0xffff, ATTR_CODE16, ATTR_DATA16);
}

void world_protected(struct world *world, bool code32)
{
	world->state.crs.cr0 = CR0_PE;
	world->state.msrs.efer = 0;
	if (code32)
		set_segments(world, 0xffffffff, ATTR_CODE32, ATTR_DATA32);
	else
		set_segments(world, 0xffff, ATTR_CODE16, ATTR_DATA16);
}

/* The CPU has no long mode without paging; the executor looks at CR0.PG alone. */
void world_long_mode(struct world *world)
{
	world->state.crs.cr0 = CR0_PE;
	world->state.crs.cr4 = CR4_PAE;
	world->state.msrs.efer = EFER_LMA;
	set_segments(world, 0xffffffff, ATTR_CODE64, ATTR_DATA32);
}

int world_setup(void **state)
{
	struct world *world = malloc(sizeof(*world));

	world_reset(world);
	*state = world;
	return 0;
}

int world_teardown(void **state)
{
	free(*state);
	return 0;
}

void world_assert_fault(const struct world *world, enum insn_result result, unsigned int vector,
			bool has_error, uint32_t error)
{
	assert_int_equal(result, INSN_EXCEPTION);
	assert_int_equal(world->state.events.exception,
			 0x80000000u | 3 << 8 | (has_error ? 1 << 11 : 0) | vector);
	assert_int_equal(world->state.events.exception_error, error);
	assert_true(world->state.gprs.rflags & RF);
	assert_true(world->changed & MICA_STATE_EVENTS);
}
