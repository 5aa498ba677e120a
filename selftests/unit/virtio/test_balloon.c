// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The balloon: pages that go back to the host read as zeroes, which tells them from pages that
 * stayed.
 */
#include <poll.h>
#include <time.h>

#include "../../../vmm/devices/balloon/device.h"
#include "bench.h"

#define RING_SIZE	16u
#define INFLATE		0u
#define DEFLATE		1u
#define STATISTICS	2u
#define REPORTING_LINUX	3u
#define REPORTING	4u
#define FIRST_PAGE	0x300000ull	/* of those that are handed over */
#define PAGE		4096ull
#define STATS		VIRTIO_BIT(VIRTIO_BALLOON_F_STATS_VQ)
#define REPORTS		VIRTIO_BIT(VIRTIO_BALLOON_F_REPORTING)
#define POISON		VIRTIO_BIT(VIRTIO_BALLOON_F_PAGE_POISON)

struct fixture {
	struct bench bench;
	uint64_t dirty_from, dirty_to;	/* what the device said that it wrote */
};

static void note_dirty(void *opaque, uint64_t gpa, uint64_t length)
{
	struct fixture *f = opaque;

	if (gpa < BUFFER_BASE)
		return;			/* the rings */
	f->dirty_from = MIN(f->dirty_from, gpa);
	f->dirty_to = MAX(f->dirty_to, gpa + length);
}

static void open_balloon(struct fixture *f, uint64_t target)
{
	const struct balloon_config config = { .name = "balloon0", .target = target };

	bench_init(&f->bench);
	f->dirty_from = UINT64_MAX;
	f->dirty_to = 0;
	f->bench.virtio.dirty = note_dirty;
	f->bench.virtio.opaque = f;
	memset(bench_at(&f->bench, BUFFER_BASE, MEMORY_SIZE - BUFFER_BASE), 0xa5,
	       MEMORY_SIZE - BUFFER_BASE);
	bench_attach(&f->bench, balloon_new(&config, &f->bench.virtio, NULL));
}

static void put_pfns(struct fixture *f, const uint32_t *pfns, size_t count)
{
	memcpy(bench_at(&f->bench, BUFFER_BASE, 4 * count), pfns, 4 * count);
}

static void add(struct fixture *f, unsigned int queue, uint64_t gpa, uint32_t length,
		bool writable)
{
	const struct buffer buffer = { gpa, length, writable };

	driver_add(&f->bench.drivers[queue], &buffer, 1);
	virtio_device_notify(f->bench.device, queue);
}

static void done(struct fixture *f, unsigned int queue)
{
	uint32_t written;
	uint16_t id;

	bench_wait(&f->bench, queue, &id, &written);
	assert_int_equal(written, 0);
}

static bool gone(struct fixture *f, uint64_t gpa)
{
	uint8_t *page = bench_at(&f->bench, gpa, PAGE);

	for (unsigned int i = 1; i < PAGE; i++)
		assert_int_equal(page[i], page[0]);
	assert_true(page[0] == 0 || page[0] == 0xa5);
	return !page[0];
}

static uint32_t config_at(struct fixture *f, unsigned int offset)
{
	return virtio_device_config_read(f->bench.device, offset, 4);
}

/* ---------------------------------------------------------------- inflate and deflate */

static void takes_pages(struct fixture *f, uint64_t features)
{
	const uint32_t first = FIRST_PAGE / PAGE;
	const uint32_t pfns[] = { first + 5, first + 2, first + 1, first + 2, first + 9 };

	open_balloon(f, MEMORY_SIZE);
	bench_start(&f->bench, features, RING_SIZE);
	put_pfns(f, pfns, G_N_ELEMENTS(pfns));
	add(f, INFLATE, BUFFER_BASE, sizeof(pfns), false);
	done(f, INFLATE);
	for (unsigned int i = 0; i < 12; i++)
		assert_int_equal(gone(f, FIRST_PAGE + i * PAGE), i == 1 || i == 2 || i == 5 || i == 9);
	assert_int_equal(f->dirty_from, FIRST_PAGE + PAGE);
	assert_int_equal(f->dirty_to, FIRST_PAGE + 10 * PAGE);
	/* Taking them again changes nothing. */
	memset(bench_at(&f->bench, FIRST_PAGE + PAGE, PAGE), 0xa5, PAGE);
	add(f, DEFLATE, BUFFER_BASE, sizeof(pfns), false);
	done(f, DEFLATE);
	assert_false(gone(f, FIRST_PAGE + PAGE));
	bench_free(&f->bench);
}

static void inflates(void **unused)
{
	struct fixture f;

	(void)unused;
	takes_pages(&f, SPLIT);
	takes_pages(&f, PACKED | EVENT_IDX);
}

/* More numbers than are looked at together, in two buffers that are cut between two bytes. */
static void inflates_many(void **unused)
{
	enum { COUNT = 255 * 2 };
	const struct buffer buffers[] = {
		{ BUFFER_BASE, 1027, false }, { BUFFER_BASE + 0x8000, 4 * COUNT - 1027, false },
	};
	uint8_t bytes[4 * COUNT];
	struct fixture f;
	uint32_t pfn;

	(void)unused;
	open_balloon(&f, MEMORY_SIZE);
	bench_start(&f.bench, SPLIT, RING_SIZE);
	for (unsigned int i = 0; i < COUNT; i++) {
		pfn = FIRST_PAGE / PAGE + i / 2;	/* each twice */
		memcpy(bytes + 4 * i, &pfn, 4);
	}
	memcpy(bench_at(&f.bench, BUFFER_BASE, 1027), bytes, 1027);
	memcpy(bench_at(&f.bench, BUFFER_BASE + 0x8000, 4 * COUNT - 1027), bytes + 1027,
	       4 * COUNT - 1027);
	driver_add(&f.bench.drivers[INFLATE], buffers, 2);
	virtio_device_notify(f.bench.device, INFLATE);
	done(&f, INFLATE);
	for (unsigned int i = 0; i < 255; i++)
		assert_true(gone(&f, FIRST_PAGE + i * PAGE));
	assert_false(gone(&f, FIRST_PAGE + 255 * PAGE));
	bench_free(&f.bench);
}

/* Breaks the queue, and a reset heals it. */
static void expect_broken(struct fixture *f, unsigned int queue, uint64_t gpa, uint32_t length)
{
	bench_start(&f->bench, STATS | REPORTS, RING_SIZE);
	add(f, queue, gpa, length, false);
	bench_wait_broken(&f->bench);
	bench_reset(&f->bench);
}

static void refuses(void **unused)
{
	const uint32_t wild[] = { FIRST_PAGE / PAGE, MEMORY_SIZE / PAGE };
	const uint32_t last[] = { UINT32_MAX };
	const uint32_t good[] = { FIRST_PAGE / PAGE };
	struct fixture f;

	(void)unused;
	open_balloon(&f, MEMORY_SIZE);
	put_pfns(&f, wild, 2);
	expect_broken(&f, INFLATE, BUFFER_BASE, 8);
	expect_broken(&f, DEFLATE, BUFFER_BASE, 8);
	put_pfns(&f, last, 1);
	expect_broken(&f, INFLATE, BUFFER_BASE, 4);
	put_pfns(&f, good, 1);
	expect_broken(&f, INFLATE, BUFFER_BASE, 5);
	expect_broken(&f, DEFLATE, BUFFER_BASE, 2);
	expect_broken(&f, INFLATE, BUFFER_BASE, 4 * (MEMORY_SIZE / PAGE + 1));
	expect_broken(&f, STATISTICS, BUFFER_BASE, 11);
	assert_false(gone(&f, FIRST_PAGE + PAGE));
	bench_start(&f.bench, SPLIT, RING_SIZE);
	put_pfns(&f, good, 1);
	add(&f, INFLATE, BUFFER_BASE, 4, false);
	done(&f, INFLATE);
	assert_true(gone(&f, FIRST_PAGE));
	bench_free(&f.bench);
}

/* ---------------------------------------------------------------- the target */

static void has_a_target(void **unused)
{
	const unsigned int pages = offsetof(struct virtio_balloon_config, num_pages);
	const unsigned int actual = offsetof(struct virtio_balloon_config, actual);
	struct balloon_status status;
	struct fixture f;

	(void)unused;
	open_balloon(&f, MEMORY_SIZE - 10 * PAGE);
	assert_int_equal(config_at(&f, pages), 10);
	balloon_set_target(f.bench.device, MEMORY_SIZE - 11 * PAGE - 1);
	assert_int_equal(config_at(&f, pages), 11);
	assert_int_equal(atomic_load(&f.bench.config_interrupts), 0);
	bench_start(&f.bench, SPLIT, RING_SIZE);
	balloon_set_target(f.bench.device, MEMORY_SIZE - 20 * PAGE);
	assert_int_equal(atomic_load(&f.bench.config_interrupts), 1);
	assert_int_equal(config_at(&f, pages), 20);
	/* The driver answers as a legacy one does. */
	virtio_device_config_write(f.bench.device, actual, 1, 0x12);
	virtio_device_config_write(f.bench.device, actual + 1, 1, 0);
	virtio_device_config_write(f.bench.device, pages, 4, 0xffffffff);
	virtio_device_config_write(f.bench.device, pages, 8, 0xffffffffffffffff);
	assert_int_equal(config_at(&f, pages), 20);
	balloon_get_status(f.bench.device, &status);
	assert_int_equal(status.target, MEMORY_SIZE - 20 * PAGE);
	assert_int_equal(status.current, MEMORY_SIZE - 0x12 * PAGE);
	virtio_device_config_write(f.bench.device, actual, 4, 0xffffffff);
	balloon_get_status(f.bench.device, &status);
	assert_int_equal(status.current, 0);
	bench_reset(&f.bench);
	assert_int_equal(config_at(&f, actual), 0);
	assert_int_equal(config_at(&f, pages), 20);
	bench_free(&f.bench);
}

static void offers(void **unused)
{
	const struct balloon_config strict = {
		.name = "balloon0", .target = MEMORY_SIZE, .no_oom = true, .no_reporting = true,
	};
	const uint64_t switched = VIRTIO_BIT(VIRTIO_BALLOON_F_DEFLATE_ON_OOM) | REPORTS;
	struct virtio_device *device;
	struct fixture f;

	(void)unused;
	open_balloon(&f, MEMORY_SIZE);
	assert_int_equal(f.bench.device->offered & switched, switched);
	device = balloon_new(&strict, &f.bench.virtio, NULL);
	assert_int_equal(device->offered & switched, 0);
	virtio_device_free(device);
	bench_free(&f.bench);
}

/* ---------------------------------------------------------------- statistics */

static void put_statistics(struct fixture *f, uint64_t value)
{
	const struct virtio_balloon_stat entries[] = {
		{ VIRTIO_BALLOON_S_MEMFREE, value }, { 999, 1 }, { VIRTIO_BALLOON_S_MAJFLT, 7 },
	};

	memcpy(bench_at(&f->bench, BUFFER_BASE, sizeof(entries)), entries, sizeof(entries));
	add(f, STATISTICS, BUFFER_BASE, sizeof(entries), false);
}

/* Asks until there is an answer: each asking gives the driver its buffer back, if there is one
 * to give. */
static void expect_free(struct fixture *f, uint64_t value)
{
	struct balloon_status status = { 0 };

	for (unsigned int i = 0; i < 10000 && !(status.known && status.guest[4] == value); i++) {
		balloon_get_status(f->bench.device, &status);
		poll(NULL, 0, 1);
	}
	assert_int_equal(status.known,
			 1u << VIRTIO_BALLOON_S_MEMFREE | 1u << VIRTIO_BALLOON_S_MAJFLT);
	assert_int_equal(status.guest[VIRTIO_BALLOON_S_MEMFREE], value);
	assert_int_equal(status.guest[VIRTIO_BALLOON_S_MAJFLT], 7);
}

static void tells_statistics(void **unused)
{
	struct balloon_status status;
	struct fixture f;

	(void)unused;
	open_balloon(&f, MEMORY_SIZE);
	bench_start(&f.bench, STATS, RING_SIZE);
	balloon_get_status(f.bench.device, &status);
	assert_int_equal(status.known, 0);
	put_statistics(&f, 1111);
	expect_free(&f, 1111);
	done(&f, STATISTICS);
	put_statistics(&f, 2222);
	expect_free(&f, 2222);
	/* A reset while the device holds the buffer. */
	bench_reset(&f.bench);
	balloon_get_status(f.bench.device, &status);
	assert_int_equal(status.known, 0);
	bench_free(&f.bench);
}

/* ---------------------------------------------------------------- reporting */

static void takes_reports(void **unused)
{
	const unsigned int queues[] = { REPORTING, REPORTING_LINUX };
	struct balloon_status status;
	struct fixture f;

	(void)unused;
	open_balloon(&f, MEMORY_SIZE);
	bench_start(&f.bench, REPORTS, RING_SIZE);
	for (unsigned int i = 0; i < 2; i++) {
		add(&f, queues[i], FIRST_PAGE + 8 * i * PAGE, 2 * PAGE, true);
		done(&f, queues[i]);
		assert_true(gone(&f, FIRST_PAGE + 8 * i * PAGE));
		assert_true(gone(&f, FIRST_PAGE + (8 * i + 1) * PAGE));
		assert_false(gone(&f, FIRST_PAGE + (8 * i + 2) * PAGE));
	}
	/* Of buffers that are not pages only the whole pages. */
	add(&f, REPORTING, FIRST_PAGE + 19 * PAGE + 1, 2 * PAGE - 1, true);
	add(&f, REPORTING, FIRST_PAGE + 30 * PAGE + 1, PAGE, true);
	done(&f, REPORTING);
	done(&f, REPORTING);
	assert_false(gone(&f, FIRST_PAGE + 19 * PAGE));
	assert_true(gone(&f, FIRST_PAGE + 20 * PAGE));
	assert_false(gone(&f, FIRST_PAGE + 30 * PAGE));
	balloon_get_status(f.bench.device, &status);
	assert_int_equal(status.reported, 5 * PAGE);
	assert_in_range(FIRST_PAGE, f.dirty_from, f.dirty_to);
	bench_free(&f.bench);
}

/* A guest that fills its free pages with a pattern wants to find it there. */
static void leaves_poison(void **unused)
{
	const unsigned int poison = offsetof(struct virtio_balloon_config, poison_val);
	struct fixture f;

	(void)unused;
	open_balloon(&f, MEMORY_SIZE);
	bench_start(&f.bench, REPORTS | POISON, RING_SIZE);
	virtio_device_config_write(f.bench.device, poison, 4, 0xa5a5a5a5);
	add(&f, REPORTING, FIRST_PAGE, PAGE, true);
	done(&f, REPORTING);
	assert_false(gone(&f, FIRST_PAGE));
	virtio_device_config_write(f.bench.device, poison, 4, 0);
	add(&f, REPORTING, FIRST_PAGE, PAGE, true);
	done(&f, REPORTING);
	assert_true(gone(&f, FIRST_PAGE));
	bench_free(&f.bench);
}

/* Queues of features that were not negotiated are not looked at. */
static void minds_features(void **unused)
{
	const uint32_t pfn = FIRST_PAGE / PAGE + 1;
	struct balloon_status status;
	struct fixture f;

	(void)unused;
	open_balloon(&f, MEMORY_SIZE);
	bench_start(&f.bench, SPLIT, RING_SIZE);
	put_statistics(&f, 1);
	add(&f, REPORTING, FIRST_PAGE, PAGE, true);
	put_pfns(&f, &pfn, 1);
	add(&f, INFLATE, BUFFER_BASE, 4, false);
	done(&f, INFLATE);
	balloon_get_status(f.bench.device, &status);
	assert_int_equal(status.known, 0);
	assert_false(gone(&f, FIRST_PAGE));
	bench_free(&f.bench);
}

/* ---------------------------------------------------------------- checkpoints */

/* Until the device keeps them: it has looked there once it has answered an inflation. */
static void hold_statistics(struct fixture *f, uint64_t value)
{
	const uint32_t pfn = FIRST_PAGE / PAGE + 50;
	uint32_t written;
	uint16_t id;

	do {
		put_statistics(f, value);
		memcpy(bench_at(&f->bench, BUFFER_BASE + 0x1000, 4), &pfn, 4);
		add(f, INFLATE, BUFFER_BASE + 0x1000, 4, false);
		done(f, INFLATE);
	} while (driver_get(&f->bench.drivers[STATISTICS], &id, &written));
}

static void is_saved(void **unused)
{
	const struct balloon_config config = { .name = "balloon0", .target = MEMORY_SIZE };
	const unsigned int actual = offsetof(struct virtio_balloon_config, actual);
	const unsigned int poison = offsetof(struct virtio_balloon_config, poison_val);
	struct bench_state state;
	struct fixture f;

	(void)unused;
	open_balloon(&f, MEMORY_SIZE);
	bench_start(&f.bench, STATS | POISON | REPORTS | PACKED, RING_SIZE);
	balloon_set_target(f.bench.device, MEMORY_SIZE - 3 * PAGE);
	virtio_device_config_write(f.bench.device, actual, 4, 2);
	virtio_device_config_write(f.bench.device, poison, 4, 0xa5a5a5a5);
	put_statistics(&f, 1111);
	expect_free(&f, 1111);
	done(&f, STATISTICS);
	hold_statistics(&f, 2222);
	bench_save(&f.bench, &state);
	virtio_device_free(f.bench.device);
	bench_load(&f.bench, balloon_new(&config, &f.bench.virtio, NULL), &state);
	assert_int_equal(config_at(&f, 0), 3);
	assert_int_equal(config_at(&f, actual), 2);
	expect_free(&f, 2222);
	done(&f, STATISTICS);
	add(&f, REPORTING, FIRST_PAGE, PAGE, true);
	done(&f, REPORTING);
	assert_false(gone(&f, FIRST_PAGE));
	bench_free(&f.bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(inflates), cmocka_unit_test(inflates_many),
		cmocka_unit_test(refuses), cmocka_unit_test(has_a_target),
		cmocka_unit_test(offers), cmocka_unit_test(tells_statistics),
		cmocka_unit_test(takes_reports), cmocka_unit_test(leaves_poison),
		cmocka_unit_test(minds_features), cmocka_unit_test(is_saved),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
