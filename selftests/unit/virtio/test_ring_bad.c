// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Rings that break the rules.  Each must break its queue, tell the owner once, and leave
 * the queue usable for the next start.
 */
#include "driver.h"

#define SIZE	8u
#define TABLE	(BUFFER_BASE + 0x8000)

struct fixture {
	struct guest_memory *memory;
	struct virtio_memory virtio;
	struct virtqueue queue;
	struct driver driver;
	unsigned int broken;
};

static void note_broken(void *opaque, struct virtqueue *queue)
{
	struct fixture *f = opaque;

	assert_ptr_equal(queue, &f->queue);
	f->broken++;
}

static void open_ring(struct fixture *f, uint64_t features)
{
	memset(f, 0, sizeof(*f));
	f->memory = guest_memory_new(-1, MEMORY_SIZE, NULL);
	assert_non_null(f->memory);
	f->virtio.ram = f->memory;
	virtqueue_init(&f->queue, &f->virtio, note_broken, f);
	driver_init(&f->driver, f->memory, 0, SIZE, features);
	assert_true(virtqueue_start(&f->queue, &f->driver.config, NULL));
}

/* After the damage nothing comes out, nothing goes in, and a new start heals. */
static void expect_broken(struct fixture *f, const char *reason)
{
	const struct buffer buffer = { BUFFER_BASE, 8, true };

	assert_null(virtqueue_pop(&f->queue));
	assert_null(virtqueue_pop(&f->queue));
	assert_int_equal(f->broken, 1);
	assert_string_equal(f->queue.broken, reason);
	assert_false(virtqueue_commit(&f->queue));
	assert_false(virtqueue_enable_notify(&f->queue));
	virtqueue_stop(&f->queue);
	driver_init(&f->driver, f->memory, 0, SIZE, f->driver.config.features);
	assert_true(virtqueue_start(&f->queue, &f->driver.config, NULL));
	driver_add(&f->driver, &buffer, 1);
	virtqueue_push(&f->queue, virtqueue_pop(&f->queue), 1);
	assert_true(virtqueue_commit(&f->queue));
	assert_int_equal(f->broken, 1);
	virtqueue_stop(&f->queue);
	guest_memory_free(f->memory);
}

/* ---------------------------------------------------------------- both formats */

static const uint64_t formats[] = { SPLIT | INDIRECT, PACKED | INDIRECT };

struct bad_buffers {
	const char *reason;
	bool indirect;
	unsigned int count;
	struct buffer buffers[3];
};

static const struct bad_buffers bad_buffers[] = {
	{ "a buffer outside of the guest's memory", false, 1, { { MEMORY_SIZE, 1, false } } },
	{ "a buffer outside of the guest's memory", false, 1, { { MEMORY_SIZE - 8, 9, true } } },
	{ "a buffer outside of the guest's memory", true, 1, { { MEMORY_SIZE - 8, 9, true } } },
	{ "a buffer outside of the guest's memory", false, 1, { { UINT64_MAX - 7, 8, true } } },
	{ "a buffer outside of the guest's memory", false, 1, { { UINT64_MAX, 2, true } } },
	{ "a buffer outside of the guest's memory", false, 1, { { 0, UINT32_MAX, true } } },
	{ "a readable buffer behind a writable one", false, 2,
	  { { BUFFER_BASE, 1, true }, { BUFFER_BASE, 1, false } } },
	{ "a readable buffer behind a writable one", true, 2,
	  { { BUFFER_BASE, 1, true }, { BUFFER_BASE, 1, false } } },
};

static void buffers(void **unused)
{
	const struct bad_buffers *bad;
	struct fixture f;

	(void)unused;
	for (size_t i = 0; i < 2 * G_N_ELEMENTS(bad_buffers); i++) {
		bad = &bad_buffers[i / 2];
		open_ring(&f, formats[i % 2]);
		if (bad->indirect)
			driver_add_indirect(&f.driver, bad->buffers, bad->count, TABLE);
		else
			driver_add(&f.driver, bad->buffers, bad->count);
		expect_broken(&f, bad->reason);
	}
}

/* 1024 buffers of 4 MiB are 4 GiB; the last one is one byte short of that. */
static void lengths(void **unused)
{
	static struct buffer many[VIRTQUEUE_MAX_SEGMENTS + 1];
	struct virtqueue_chain *chain;
	struct fixture f;

	(void)unused;
	for (size_t i = 0; i < G_N_ELEMENTS(many); i++)
		many[i] = (struct buffer){ 0, MEMORY_SIZE, true };
	for (size_t i = 0; i < G_N_ELEMENTS(formats); i++) {
		open_ring(&f, formats[i]);
		driver_add_indirect(&f.driver, many, VIRTQUEUE_MAX_SEGMENTS, TABLE);
		expect_broken(&f, "a chain of 4 GiB or more");

		many[VIRTQUEUE_MAX_SEGMENTS - 1].length--;
		open_ring(&f, formats[i]);
		driver_add_indirect(&f.driver, many, VIRTQUEUE_MAX_SEGMENTS, TABLE);
		chain = virtqueue_pop(&f.queue);
		assert_non_null(chain);
		assert_int_equal(chain->writable_length, UINT32_MAX);
		chain->touched = 0;
		virtqueue_push(&f.queue, chain, 0);
		many[VIRTQUEUE_MAX_SEGMENTS - 1].length++;
		for (size_t j = 0; j < G_N_ELEMENTS(many); j++)
			many[j].length = 1;
		driver_add_indirect(&f.driver, many, VIRTQUEUE_MAX_SEGMENTS + 1, TABLE);
		expect_broken(&f, "a chain of too many buffers");
		for (size_t j = 0; j < G_N_ELEMENTS(many); j++)
			many[j].length = MEMORY_SIZE;
	}
}

/* Empty buffers are left out of a chain, but looking at them takes time: a table of a million
 * entries, and a descriptor that links to itself in one. */
static void empty_buffers(void **unused)
{
	static struct buffer many[VIRTQUEUE_MAX_SEGMENTS + 1];
	const struct buffer empty = { BUFFER_BASE, 0, false };
	struct vring_desc *table;
	struct fixture f;

	(void)unused;
	for (size_t i = 0; i < G_N_ELEMENTS(many); i++)
		many[i] = empty;
	for (size_t i = 0; i < G_N_ELEMENTS(formats); i++) {
		open_ring(&f, formats[i]);
		driver_add_indirect(&f.driver, many, VIRTQUEUE_MAX_SEGMENTS, TABLE);
		virtqueue_push(&f.queue, virtqueue_pop(&f.queue), 0);
		driver_add_indirect(&f.driver, many, VIRTQUEUE_MAX_SEGMENTS + 1, TABLE);
		expect_broken(&f, "a chain of too many buffers");
	}
	open_ring(&f, SPLIT | INDIRECT);
	driver_add_indirect(&f.driver, many, VIRTQUEUE_MAX_SEGMENTS + 1, TABLE);
	table = guest_memory_pointer(f.memory, TABLE, sizeof(*table));
	table->next = 0;
	expect_broken(&f, "a chain of too many buffers");
}

struct bad_table {
	const char *reason;
	uint64_t gpa;
	uint32_t length;
};

static const struct bad_table bad_tables[] = {
	{ "an indirect table of a wrong length", TABLE, 0 },
	{ "an indirect table of a wrong length", TABLE, 15 },
	{ "an indirect table of a wrong length", TABLE, 17 },
	{ "an indirect table outside of the guest's memory", MEMORY_SIZE - 16, 32 },
	{ "an indirect table outside of the guest's memory", TABLE, 0xfffffff0 },
	{ "an indirect table outside of the guest's memory", UINT64_MAX - 15, 16 },
};

static void set_outer(struct fixture *f, uint64_t gpa, uint32_t length, uint16_t more_flags)
{
	if (f->driver.packed) {
		driver_packed_desc(&f->driver, 0)->addr = gpa;
		driver_packed_desc(&f->driver, 0)->len = length;
		driver_packed_desc(&f->driver, 0)->flags |= more_flags;
	} else {
		driver_split_desc(&f->driver, 0)->addr = gpa;
		driver_split_desc(&f->driver, 0)->len = length;
		driver_split_desc(&f->driver, 0)->flags |= more_flags;
	}
}

static void tables(void **unused)
{
	const struct buffer buffer = { BUFFER_BASE, 8, true };
	struct fixture f;

	(void)unused;
	for (size_t i = 0; i < 2 * G_N_ELEMENTS(bad_tables); i++) {
		open_ring(&f, formats[i % 2]);
		driver_add_indirect(&f.driver, &buffer, 1, TABLE);
		set_outer(&f, bad_tables[i / 2].gpa, bad_tables[i / 2].length, 0);
		expect_broken(&f, bad_tables[i / 2].reason);
	}
	for (size_t i = 0; i < 2; i++) {
		open_ring(&f, formats[i]);
		driver_add_indirect(&f.driver, &buffer, 1, TABLE);
		set_outer(&f, TABLE, 16, VRING_DESC_F_NEXT);
		expect_broken(&f, i ? "an indirect table in a list of descriptors" :
				      "an indirect table that is not the last of its chain");
		open_ring(&f, formats[i] & ~INDIRECT);
		driver_add_indirect(&f.driver, &buffer, 1, TABLE);
		expect_broken(&f, "an indirect table that was not negotiated");
	}
}

/* ---------------------------------------------------------------- split */

static void split_links(void **unused)
{
	const struct buffer pair[] = { { BUFFER_BASE, 8, false }, { BUFFER_BASE, 8, false } };
	struct vring_desc *table;
	struct fixture f;

	(void)unused;
	open_ring(&f, SPLIT);
	driver_add(&f.driver, pair, 2);
	*driver_split_desc(&f.driver, 1) = (struct vring_desc){ BUFFER_BASE, 8, 1, 0 };
	expect_broken(&f, "a chain of descriptors without an end");

	open_ring(&f, SPLIT);
	driver_add(&f.driver, pair, 2);
	driver_split_desc(&f.driver, 0)->next = SIZE;
	expect_broken(&f, "a descriptor's number behind the end of its table");

	open_ring(&f, SPLIT);
	driver_add(&f.driver, pair, 1);
	*driver_u16(&f.driver, f.driver.config.driver + 4) = 0xffff;
	expect_broken(&f, "a descriptor's number behind the end of its table");

	open_ring(&f, SPLIT | INDIRECT);
	driver_add_indirect(&f.driver, pair, 2, TABLE);
	table = guest_memory_pointer(f.memory, TABLE, 32);
	table[1].flags = VRING_DESC_F_NEXT;
	table[1].next = 0;
	expect_broken(&f, "a chain of descriptors without an end");

	open_ring(&f, SPLIT | INDIRECT);
	driver_add_indirect(&f.driver, pair, 2, TABLE);
	table = guest_memory_pointer(f.memory, TABLE, 32);
	table[0].next = 2;
	expect_broken(&f, "a descriptor's number behind the end of its table");

	open_ring(&f, SPLIT | INDIRECT);
	driver_add_indirect(&f.driver, pair, 2, TABLE);
	table = guest_memory_pointer(f.memory, TABLE, 32);
	table[1] = (struct vring_desc){ TABLE, 32, VRING_DESC_F_INDIRECT, 0 };
	expect_broken(&f, "an indirect table inside an indirect table");
}

static void split_index(void **unused)
{
	struct fixture f;

	(void)unused;
	open_ring(&f, SPLIT);
	*driver_u16(&f.driver, f.driver.config.driver + 2) = SIZE + 1;
	expect_broken(&f, "more chains than the ring can hold");
	open_ring(&f, SPLIT);
	*driver_u16(&f.driver, f.driver.config.driver + 2) = 0xffff;
	expect_broken(&f, "more chains than the ring can hold");
}

/* The guest makes the same chain available again and again: what is in flight is bounded. */
static void in_flight(void **unused)
{
	const struct buffer buffer = { BUFFER_BASE, 8, true };
	struct virtqueue_chain *chains[SIZE];
	struct fixture f;

	(void)unused;
	for (size_t i = 0; i < 4; i++) {
		open_ring(&f, formats[i % 2] | (i < 2 ? 0 : IN_ORDER));
		for (unsigned int j = 0; j < SIZE; j++) {
			driver_add(&f.driver, &buffer, 1);
			chains[j] = virtqueue_pop(&f.queue);
			assert_non_null(chains[j]);
		}
		driver_add(&f.driver, &buffer, 1);
		assert_null(virtqueue_pop(&f.queue));
		assert_int_equal(f.broken, 1);
		for (unsigned int j = SIZE; j-- > 0;)
			virtqueue_push(&f.queue, chains[j], 8);
		expect_broken(&f, i % 2 ? "more descriptors than the ring can hold" :
					  "more chains than the ring can hold");
	}
}

/* How many requests of `count` buffers come out if none is committed. */
static unsigned int push_all(struct fixture *f, unsigned int count)
{
	const struct buffer buffers[] = {
		{ BUFFER_BASE, 8, true }, { BUFFER_BASE, 8, true }, { BUFFER_BASE, 8, true },
	};
	struct virtqueue_chain *chain;
	unsigned int done;

	for (done = 0; done < 8 * SIZE; done++) {
		driver_add(&f->driver, buffers, count);
		chain = virtqueue_pop(&f->queue);
		if (!chain)
			break;
		virtqueue_push(&f->queue, chain, 8);
	}
	return done;
}

/* The guest makes entries available again that were pushed but not committed: what is staged
 * ends with the ring, and nothing is written behind it. */
static void staged(void **unused)
{
	const uint8_t *behind;
	struct fixture f;

	(void)unused;
	for (size_t i = 0; i < 8; i++) {
		unsigned int buffers = i & 4 ? 3 : 1;
		bool packed = i & 1;

		open_ring(&f, formats[packed] | (i & 2 ? IN_ORDER : 0));
		behind = (uint8_t *)driver_split_desc(&f.driver, SIZE);
		assert_int_equal(push_all(&f, buffers), packed ? SIZE / buffers : SIZE);
		for (size_t j = 0; packed && j < 16 * 8 * SIZE; j++)
			assert_int_equal(behind[j], 0);
		expect_broken(&f, packed ? "more descriptors than the ring can hold" :
					   "more chains than the ring can hold");
	}
}

/* In order, and the second of two chains was handed back before the first, which is returned. */
static struct virtqueue_chain *push_second(struct fixture *f)
{
	const struct buffer buffer = { BUFFER_BASE, 8, true };
	struct virtqueue_chain *first;

	open_ring(f, SPLIT | IN_ORDER);
	driver_add(&f->driver, &buffer, 1);
	driver_add(&f->driver, &buffer, 1);
	first = virtqueue_pop(&f->queue);
	virtqueue_push(&f->queue, virtqueue_pop(&f->queue), 8);
	return first;
}

/* The first chain never comes back. */
static void stopped_while_waiting(void **unused)
{
	struct virtqueue_chain *first;
	struct fixture f;

	(void)unused;
	first = push_second(&f);
	assert_false(virtqueue_commit(&f.queue));
	virtqueue_drop(&f.queue, first);
	virtqueue_stop(&f.queue);
	guest_memory_free(f.memory);
}

/* The same of a ring that breaks, and is not stopped: a device that comes to rest holds nothing. */
static void broken_while_waiting(void **unused)
{
	struct virtqueue_chain *first;
	struct fixture f;

	(void)unused;
	first = push_second(&f);
	virtqueue_break(&f.queue, "a test");
	virtqueue_push(&f.queue, first, 8);
	assert_int_equal(f.queue.in_flight, 1);
	virtqueue_drop_done(&f.queue);
	assert_int_equal(f.queue.in_flight, 0);
	assert_null(virtqueue_pop(&f.queue));
	virtqueue_stop(&f.queue);
	guest_memory_free(f.memory);
}

/* ---------------------------------------------------------------- packed */

static void packed_endless(void **unused)
{
	const struct buffer buffer = { BUFFER_BASE, 8, true };
	struct fixture f;

	(void)unused;
	open_ring(&f, PACKED);
	for (unsigned int i = 0; i < SIZE; i++)
		driver_add(&f.driver, &buffer, 1);
	for (unsigned int i = 0; i < SIZE; i++)
		driver_packed_desc(&f.driver, i)->flags |= VRING_DESC_F_NEXT;
	expect_broken(&f, "more descriptors than the ring can hold");

	open_ring(&f, PACKED | INDIRECT);
	driver_add(&f.driver, (const struct buffer[]){ { BUFFER_BASE, 8, false },
						       { TABLE, 16, false } }, 2);
	driver_packed_desc(&f.driver, 1)->flags |= VRING_DESC_F_INDIRECT;
	expect_broken(&f, "an indirect table in a list of descriptors");
}

/* ---------------------------------------------------------------- starting */

struct bad_config {
	const char *reason;
	struct virtqueue_config config;
};

#define MISPLACED	"a ring that is not aligned, or outside of the guest's memory"
#define AREAS(d, a, u)	.descriptors = (d), .driver = (a), .device = (u)

static const struct bad_config bad_configs[] = {
	{ "a ring of an impossible size", { AREAS(0x1000, 0x2000, 0x3000), .size = 0 } },
	{ "a ring of an impossible size", { AREAS(0x1000, 0x2000, 0x3000), .size = 2048 } },
	{ "a ring of an impossible size",
	  { AREAS(0x1000, 0x2000, 0x3000), .size = 0, .features = PACKED } },
	{ "a split ring whose size is not a power of 2",
	  { AREAS(0x1000, 0x2000, 0x3000), .size = 7 } },
	{ MISPLACED, { AREAS(0x1008, 0x2000, 0x3000), .size = 8 } },
	{ MISPLACED, { AREAS(0x1000, 0x2001, 0x3000), .size = 8 } },
	{ MISPLACED, { AREAS(0x1000, 0x2000, 0x3002), .size = 8 } },
	{ MISPLACED, { AREAS(MEMORY_SIZE - 112, 0x2000, 0x3000), .size = 8 } },
	{ MISPLACED, { AREAS(0x1000, MEMORY_SIZE - 18, 0x3000), .size = 8 } },
	{ MISPLACED, { AREAS(0x1000, MEMORY_SIZE - 20, 0x3000), .size = 8,
		       .features = EVENT_IDX } },
	{ MISPLACED, { AREAS(0x1000, 0x2000, MEMORY_SIZE - 64), .size = 8 } },
	{ MISPLACED, { AREAS(0x1000, 0x2000, MEMORY_SIZE - 68), .size = 8,
		       .features = EVENT_IDX } },
	{ MISPLACED, { AREAS(0x1000, 0x2000, UINT64_MAX - 3), .size = 8 } },
	{ MISPLACED, { AREAS(0x1000, 0x2002, 0x3000), .size = 8, .features = PACKED } },
	{ MISPLACED, { AREAS(0x1000, 0x2000, MEMORY_SIZE), .size = 8, .features = PACKED } },
};

static void starting(void **unused)
{
	const struct virtqueue_config last = {
		AREAS(MEMORY_SIZE - 128, MEMORY_SIZE - 20, MEMORY_SIZE - 68), .size = 8,
	};
	struct virtqueue_position behind = { 8, 0 };
	struct fixture f;

	(void)unused;
	open_ring(&f, SPLIT);
	for (size_t i = 0; i < G_N_ELEMENTS(bad_configs); i++) {
		virtqueue_stop(&f.queue);
		f.broken = 0;
		assert_false(virtqueue_start(&f.queue, &bad_configs[i].config, NULL));
		assert_int_equal(f.broken, 1);
		assert_string_equal(f.queue.broken, bad_configs[i].reason);
		assert_null(virtqueue_pop(&f.queue));
	}
	virtqueue_stop(&f.queue);
	assert_true(virtqueue_start(&f.queue, &last, NULL));
	virtqueue_stop(&f.queue);
	f.driver.config.features = PACKED;
	assert_false(virtqueue_start(&f.queue, &f.driver.config, &behind));
	virtqueue_stop(&f.queue);
	guest_memory_free(f.memory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buffers), cmocka_unit_test(lengths),
		cmocka_unit_test(empty_buffers), cmocka_unit_test(tables),
		cmocka_unit_test(split_links), cmocka_unit_test(split_index),
		cmocka_unit_test(in_flight), cmocka_unit_test(staged),
		cmocka_unit_test(stopped_while_waiting), cmocka_unit_test(broken_while_waiting),
		cmocka_unit_test(packed_endless),
		cmocka_unit_test(starting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
