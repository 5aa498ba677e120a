// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Virtqueues that a well-behaved driver uses, in both formats and with every negotiated
 * way of using them.
 */
#include "driver.h"

#define SIZE	8u

struct fixture {
	struct guest_memory *memory;
	struct virtio_memory virtio;
	struct virtqueue queue;
	struct driver driver;
	GArray *dirty;			/* of struct range */
};

struct range {
	uint64_t gpa;
	uint64_t length;
};

static void note_dirty(void *opaque, uint64_t gpa, uint64_t length)
{
	struct fixture *f = opaque;
	const struct range range = { gpa, length };

	g_array_append_val(f->dirty, range);
}

static bool is_dirty(const struct fixture *f, uint64_t gpa, uint64_t length)
{
	const struct range *range;

	for (guint i = 0; i < f->dirty->len; i++) {
		range = &g_array_index(f->dirty, struct range, i);
		if (gpa >= range->gpa && gpa + length <= range->gpa + range->length)
			return true;
	}
	return false;
}

static void open_ring(struct fixture *f, uint16_t size, uint64_t features)
{
	memset(f, 0, sizeof(*f));
	f->memory = guest_memory_new(-1, MEMORY_SIZE, NULL);
	assert_non_null(f->memory);
	f->dirty = g_array_new(FALSE, FALSE, sizeof(struct range));
	f->virtio = (struct virtio_memory){
		.ram = f->memory, .dirty = note_dirty, .opaque = f,
	};
	virtqueue_init(&f->queue, &f->virtio, NULL, NULL);
	driver_init(&f->driver, f->memory, 0, size, features);
	assert_true(virtqueue_start(&f->queue, &f->driver.config, NULL));
}

static void close_ring(struct fixture *f)
{
	assert_null(f->queue.broken);
	virtqueue_stop(&f->queue);
	guest_memory_free(f->memory);
	g_array_unref(f->dirty);
}

static const uint64_t ways[] = {
	SPLIT, SPLIT | EVENT_IDX, SPLIT | IN_ORDER, SPLIT | EVENT_IDX | IN_ORDER,
	PACKED, PACKED | EVENT_IDX, PACKED | IN_ORDER, PACKED | EVENT_IDX | IN_ORDER,
};

static void *host(const struct fixture *f, uint64_t gpa)
{
	return guest_memory_pointer(f->memory, gpa, 1);
}

/* ---------------------------------------------------------------- contents */

static void one_request(uint64_t features, bool indirect)
{
	const struct buffer buffers[] = {
		{ BUFFER_BASE, 16, false }, { BUFFER_BASE + 0x1000, 100, false },
		{ BUFFER_BASE + 0x2000, 0, false },
		{ BUFFER_BASE + 0x3000, 512, true }, { BUFFER_BASE + 0x4000, 1, true },
	};
	struct virtqueue_chain *chain;
	struct fixture f;
	uint32_t written;
	uint16_t id, got;
	uint8_t bytes[32];

	open_ring(&f, SIZE, features | INDIRECT);
	assert_null(virtqueue_pop(&f.queue));
	id = indirect ? driver_add_indirect(&f.driver, buffers, 5, BUFFER_BASE + 0x8001) :
			driver_add(&f.driver, buffers, 5);
	chain = virtqueue_pop(&f.queue);
	assert_non_null(chain);
	assert_int_equal(chain->readable_length, 116);
	assert_int_equal(chain->readable_count, 2);
	assert_int_equal(chain->writable_length, 513);
	assert_int_equal(chain->writable_count, 2);
	assert_ptr_equal(chain->readable[1].iov_base, host(&f, BUFFER_BASE + 0x1000));
	assert_int_equal(chain->readable[1].iov_len, 100);
	assert_ptr_equal(chain->writable[1].iov_base, host(&f, BUFFER_BASE + 0x4000));
	assert_null(virtqueue_pop(&f.queue));

	strcpy(host(&f, BUFFER_BASE + 0x1000), "world");
	memcpy(host(&f, BUFFER_BASE + 14), "w ", 2);
	assert_int_equal(virtqueue_chain_read(chain, 14, bytes, 8), 8);
	assert_memory_equal(bytes, "w world", 8);
	assert_int_equal(virtqueue_chain_read(chain, 110, bytes, 32), 6);
	assert_int_equal(virtqueue_chain_write(chain, 510, "abcd", 4), 3);
	assert_memory_equal(host(&f, BUFFER_BASE + 0x3000 + 510), "ab", 2);
	assert_memory_equal(host(&f, BUFFER_BASE + 0x4000), "c\0", 2);

	virtqueue_push(&f.queue, chain, 513);
	assert_false(driver_get(&f.driver, &got, &written));
	assert_true(virtqueue_commit(&f.queue));
	assert_true(driver_get(&f.driver, &got, &written));
	assert_int_equal(got, id);
	assert_int_equal(written, 513);
	assert_true(is_dirty(&f, BUFFER_BASE + 0x3000, 512));
	assert_true(is_dirty(&f, BUFFER_BASE + 0x4000, 1));
	assert_false(is_dirty(&f, BUFFER_BASE + 0x1000, 1));
	close_ring(&f);
}

static void contents(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < G_N_ELEMENTS(ways); i++) {
		one_request(ways[i], false);
		one_request(ways[i], true);
	}
}

/* Only what the device says that it touched is dirty. */
static void touched(void **unused)
{
	const struct buffer buffers[] = {
		{ BUFFER_BASE, 100, true }, { BUFFER_BASE + 0x1000, 100, true },
	};
	struct virtqueue_chain *chain;
	struct fixture f;

	(void)unused;
	open_ring(&f, SIZE, SPLIT);
	driver_add(&f.driver, buffers, 2);
	chain = virtqueue_pop(&f.queue);
	chain->touched = 110;
	virtqueue_push(&f.queue, chain, 110);
	assert_true(is_dirty(&f, BUFFER_BASE, 100));
	assert_true(is_dirty(&f, BUFFER_BASE + 0x1000, 10));
	assert_false(is_dirty(&f, BUFFER_BASE + 0x1000, 11));
	assert_false(is_dirty(&f, f.driver.config.device + 2, 2));
	virtqueue_commit(&f.queue);
	assert_true(is_dirty(&f, f.driver.config.device + 2, 2));
	assert_true(is_dirty(&f, f.driver.config.device + 4, 8));
	close_ring(&f);
}

/* A split ring may have its indirect table behind direct descriptors. */
static void direct_then_indirect(void **unused)
{
	const struct buffer buffers[] = {
		{ BUFFER_BASE, 16, false }, { BUFFER_BASE + 0x8000, 32, false },
	};
	struct vring_desc *table;
	struct virtqueue_chain *chain;
	struct fixture f;

	(void)unused;
	open_ring(&f, SIZE, SPLIT | INDIRECT);
	table = host(&f, BUFFER_BASE + 0x8000);
	table[0] = (struct vring_desc){ BUFFER_BASE + 0x100, 7, VRING_DESC_F_NEXT, 1 };
	table[1] = (struct vring_desc){ BUFFER_BASE + 0x200, 9, VRING_DESC_F_WRITE, 0 };
	driver_add(&f.driver, buffers, 2);
	driver_split_desc(&f.driver, 1)->flags |= VRING_DESC_F_INDIRECT | VRING_DESC_F_WRITE;
	chain = virtqueue_pop(&f.queue);
	assert_non_null(chain);
	assert_int_equal(chain->readable_length, 23);
	assert_int_equal(chain->writable_length, 9);
	virtqueue_push(&f.queue, chain, 0);
	close_ring(&f);
}

/* ---------------------------------------------------------------- many requests */

/* Several requests of several buffers at once, handed back in another order, for so long
 * that indexes wrap. */
static void many_requests(uint64_t features, uint16_t size)
{
	struct buffer buffers[3] = {
		{ BUFFER_BASE, 8, false }, { BUFFER_BASE + 64, 8, true }, { BUFFER_BASE + 128, 8, true },
	};
	struct virtqueue_chain *chains[2];
	uint16_t ids[2], got[2];
	uint32_t written[2];
	struct fixture f;
	bool ordered = features & IN_ORDER;

	open_ring(&f, size, features);
	/* Indexes of split rings have 16 bits. */
	for (unsigned int round = 0; round < (features & PACKED ? 3000 : 34000); round++) {
		ids[0] = driver_add(&f.driver, buffers, 1 + round % 3);
		ids[1] = driver_add(&f.driver, buffers + 1, 1 + round % 2);
		chains[0] = virtqueue_pop(&f.queue);
		chains[1] = virtqueue_pop(&f.queue);
		assert_non_null(chains[1]);
		assert_null(virtqueue_pop(&f.queue));
		if (round % 5 == 0) {
			virtqueue_unpop(&f.queue, chains[1]);
			chains[1] = virtqueue_pop(&f.queue);
		}
		/* Places go round with rings of all sizes, and no counter ever wraps. */
		assert_in_range(f.queue.next_pop, 0, size - 1);
		virtqueue_push(&f.queue, chains[1], 1 + round % 8);
		assert_int_equal(virtqueue_commit(&f.queue), !ordered);
		assert_int_equal(driver_get(&f.driver, &got[0], &written[0]), !ordered);
		driver_want_interrupt(&f.driver, 0);
		virtqueue_push(&f.queue, chains[0], 0);
		assert_true(virtqueue_commit(&f.queue));
		if (ordered)
			assert_true(driver_get(&f.driver, &got[0], &written[0]));
		assert_true(driver_get(&f.driver, &got[1], &written[1]));
		assert_false(driver_get(&f.driver, &got[0], &written[0]) &&
			     got[0] != got[1]);
		driver_want_interrupt(&f.driver, 0);
		assert_int_equal(ordered ? got[1] : got[0], ids[1]);
		assert_int_equal(ordered ? written[1] : written[0], 1 + round % 8);
	}
	close_ring(&f);
}

static void many(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < G_N_ELEMENTS(ways); i++) {
		many_requests(ways[i], 8);
		many_requests(ways[i], 256);
		if (ways[i] & PACKED)
			many_requests(ways[i], 7);
	}
}

/* What is handed back at once becomes visible at once. */
static void staged(void **unused)
{
	const struct buffer buffer = { BUFFER_BASE, 8, true };
	struct virtqueue_chain *chains[3];
	struct fixture f;
	uint32_t written;
	uint16_t id;

	(void)unused;
	for (size_t i = 0; i < G_N_ELEMENTS(ways); i++) {
		open_ring(&f, 4, ways[i]);
		for (int j = 0; j < 3; j++)
			driver_add(&f.driver, &buffer, 1);
		for (int j = 0; j < 3; j++)
			chains[j] = virtqueue_pop(&f.queue);
		for (int j = 0; j < 3; j++) {
			assert_false(driver_get(&f.driver, &id, &written));
			virtqueue_push(&f.queue, chains[j], j);
		}
		assert_false(driver_get(&f.driver, &id, &written));
		virtqueue_commit(&f.queue);
		for (uint32_t j = 0; j < 3; j++) {
			assert_true(driver_get(&f.driver, &id, &written));
			assert_int_equal(written, j);
		}
		assert_false(driver_get(&f.driver, &id, &written));
		close_ring(&f);
	}
}

static void unpop(void **unused)
{
	const struct buffer buffers[] = { { BUFFER_BASE, 8, true }, { BUFFER_BASE + 8, 8, true } };
	struct virtqueue_chain *chain;
	struct fixture f;
	uint32_t written;
	uint16_t id, got;

	(void)unused;
	for (size_t i = 0; i < G_N_ELEMENTS(ways); i++) {
		open_ring(&f, 4, ways[i]);
		for (int round = 0; round < 9; round++) {
			id = driver_add(&f.driver, buffers, 2);
			virtqueue_unpop(&f.queue, virtqueue_pop(&f.queue));
			chain = virtqueue_pop(&f.queue);
			assert_int_equal(chain->writable_length, 16);
			virtqueue_push(&f.queue, chain, 3);
			virtqueue_commit(&f.queue);
			assert_true(driver_get(&f.driver, &got, &written));
			assert_int_equal(got, id);
		}
		close_ring(&f);
	}
}

/* A queue that goes on from where another one stopped. */
static void goes_on(void **unused)
{
	const struct buffer buffers[] = { { BUFFER_BASE, 8, true }, { BUFFER_BASE + 8, 8, true } };
	struct virtqueue_position position;
	struct fixture f;
	uint32_t written;
	uint16_t id, got;

	(void)unused;
	for (size_t i = 0; i < G_N_ELEMENTS(ways); i++) {
		open_ring(&f, 4, ways[i]);
		for (int round = 0; round < 9; round++) {
			id = driver_add(&f.driver, buffers, 1 + round % 2);
			virtqueue_position(&f.queue, &position);
			virtqueue_stop(&f.queue);
			assert_true(virtqueue_start(&f.queue, &f.driver.config, &position));
			virtqueue_push(&f.queue, virtqueue_pop(&f.queue), 1);
			virtqueue_commit(&f.queue);
			assert_true(driver_get(&f.driver, &got, &written));
			assert_int_equal(got, id);
		}
		close_ring(&f);
	}
}

/* ---------------------------------------------------------------- suppression */

static bool hand_back(struct fixture *f)
{
	const struct buffer buffer = { BUFFER_BASE, 8, true };
	uint32_t written;
	uint16_t id;
	bool interrupt;

	driver_add(&f->driver, &buffer, 1);
	virtqueue_push(&f->queue, virtqueue_pop(&f->queue), 8);
	interrupt = virtqueue_commit(&f->queue);
	assert_true(driver_get(&f->driver, &id, &written));
	return interrupt;
}

static void interrupts(void **unused)
{
	struct fixture f;

	(void)unused;
	for (size_t i = 0; i < G_N_ELEMENTS(ways); i++) {
		open_ring(&f, 4, ways[i]);
		for (int round = 0; round < 12; round++) {
			driver_want_interrupt(&f.driver, 0);
			assert_true(hand_back(&f));
			if (ways[i] & EVENT_IDX) {
				driver_want_interrupt(&f.driver, 2);
				assert_false(hand_back(&f));
				assert_false(hand_back(&f));
				assert_true(hand_back(&f));
				assert_false(hand_back(&f));
			}
			if (!(ways[i] & EVENT_IDX) || (ways[i] & PACKED)) {
				driver_want_no_interrupt(&f.driver);
				assert_false(hand_back(&f));
			}
		}
		close_ring(&f);
	}
}

static void notifications(void **unused)
{
	const struct buffer buffer = { BUFFER_BASE, 8, true };
	struct fixture f;
	uint32_t written;
	uint16_t id;

	(void)unused;
	for (size_t i = 0; i < G_N_ELEMENTS(ways); i++) {
		open_ring(&f, 4, ways[i]);
		for (int round = 0; round < 12; round++) {
			assert_false(virtqueue_enable_notify(&f.queue));
			driver_add(&f.driver, &buffer, 1);
			assert_true(driver_must_notify(&f.driver, 1));
			virtqueue_disable_notify(&f.queue);
			driver_add(&f.driver, &buffer, 1);
			assert_false(driver_must_notify(&f.driver, 1));
			virtqueue_push(&f.queue, virtqueue_pop(&f.queue), 8);
			assert_true(virtqueue_enable_notify(&f.queue));
			virtqueue_push(&f.queue, virtqueue_pop(&f.queue), 8);
			virtqueue_commit(&f.queue);
			assert_true(driver_get(&f.driver, &id, &written));
			assert_true(driver_get(&f.driver, &id, &written));
		}
		close_ring(&f);
	}
}

static void slices(void **unused)
{
	char text[] = "abcdefgh";
	struct iovec from[] = { { text, 3 }, { text + 3, 1 }, { text + 4, 4 } };
	struct iovec to[3];

	(void)unused;
	assert_int_equal(virtqueue_iov_slice(from, 3, 0, 8, to), 3);
	assert_int_equal(virtqueue_iov_slice(from, 3, 2, 3, to), 3);
	assert_ptr_equal(to[0].iov_base, text + 2);
	assert_int_equal(to[0].iov_len, 1);
	assert_int_equal(to[2].iov_len, 1);
	assert_int_equal(virtqueue_iov_slice(from, 3, 3, 1, to), 1);
	assert_int_equal(virtqueue_iov_slice(from, 3, 7, 100, to), 1);
	assert_int_equal(to[0].iov_len, 1);
	assert_int_equal(virtqueue_iov_slice(from, 3, 8, 1, to), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(contents), cmocka_unit_test(touched),
		cmocka_unit_test(direct_then_indirect), cmocka_unit_test(many),
		cmocka_unit_test(staged), cmocka_unit_test(unpop), cmocka_unit_test(goes_on),
		cmocka_unit_test(interrupts), cmocka_unit_test(notifications),
		cmocka_unit_test(slices),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
