// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The entropy device, and what all devices do with status and features.
 */
#include <pthread.h>
#include <uv.h>

#include "../../../vmm/devices/rng/device.h"
#include "bench.h"

#define RING_SIZE	16u

struct fixture {
	struct bench bench;
	uv_loop_t loop;
	uv_async_t keep;		/* else the loop thinks that it has nothing to do */
	pthread_mutex_t lock;
};

static void open_rng(struct fixture *f)
{
	bench_init(&f->bench);
	assert_int_equal(uv_loop_init(&f->loop), 0);
	assert_int_equal(uv_async_init(&f->loop, &f->keep, NULL), 0);
	pthread_mutex_init(&f->lock, NULL);
	bench_attach(&f->bench, rng_new("rng0", &f->bench.virtio, &f->loop, &f->lock, NULL));
}

static void close_rng(struct fixture *f)
{
	bench_free(&f->bench);
	uv_close((uv_handle_t *)&f->keep, NULL);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	pthread_mutex_destroy(&f->lock);
}

static void turn(struct fixture *f)
{
	uv_run(&f->loop, UV_RUN_NOWAIT);
}

/* All bytes differ from what they were with a probability that makes failing a miracle. */
static void gives_bytes(void **unused)
{
	const struct buffer buffers[] = { { BUFFER_BASE, 32, true }, { BUFFER_BASE + 64, 9, true } };
	const struct buffer large = { BUFFER_BASE, 100000, true };
	static const uint8_t zeroes[32];
	struct fixture f;
	uint32_t written;
	uint16_t id;

	(void)unused;
	open_rng(&f);
	bench_start(&f.bench, EVENT_IDX | PACKED, RING_SIZE);
	turn(&f);
	driver_add(&f.bench.drivers[0], buffers, 2);
	assert_true(driver_must_notify(&f.bench.drivers[0], 2));
	virtio_device_notify(f.bench.device, 0);
	turn(&f);
	assert_true(driver_get(&f.bench.drivers[0], &id, &written));
	assert_int_equal(written, 41);
	assert_memory_not_equal(bench_at(&f.bench, BUFFER_BASE, 32), zeroes, 32);
	assert_memory_not_equal(bench_at(&f.bench, BUFFER_BASE + 64, 9), zeroes, 9);
	assert_memory_equal(bench_at(&f.bench, BUFFER_BASE + 73, 8), zeroes, 8);
	driver_add(&f.bench.drivers[0], &large, 1);
	virtio_device_notify(f.bench.device, 0);
	turn(&f);
	assert_true(driver_get(&f.bench.drivers[0], &id, &written));
	assert_in_range(written, 1, 1024);
	close_rng(&f);
}

static void breaks_and_heals(void **unused)
{
	const struct buffer wild = { MEMORY_SIZE, 8, true };
	const struct buffer good = { BUFFER_BASE, 8, true };
	struct fixture f;
	uint32_t written;
	uint16_t id;

	(void)unused;
	open_rng(&f);
	bench_start(&f.bench, SPLIT, RING_SIZE);
	driver_add(&f.bench.drivers[0], &wild, 1);
	turn(&f);
	assert_int_equal(virtio_device_status(f.bench.device),
			 VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER |
			 VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK |
			 VIRTIO_CONFIG_S_NEEDS_RESET);
	assert_int_equal(atomic_load(&f.bench.config_interrupts), 1);
	virtio_device_notify(f.bench.device, 0);
	virtio_device_notify(f.bench.device, 77);
	turn(&f);
	assert_int_equal(atomic_load(&f.bench.config_interrupts), 1);
	bench_reset(&f.bench);
	turn(&f);
	bench_start(&f.bench, SPLIT, RING_SIZE);
	driver_add(&f.bench.drivers[0], &good, 1);
	virtio_device_notify(f.bench.device, 0);
	turn(&f);
	assert_true(driver_get(&f.bench.drivers[0], &id, &written));
	close_rng(&f);
}

/* Nothing is done while it rests, and what was asked for meanwhile is done after it. */
static void rests(void **unused)
{
	const struct buffer buffer = { BUFFER_BASE, 8, true };
	struct bench_state state;
	struct fixture f;
	uint32_t written;
	uint16_t id;

	(void)unused;
	open_rng(&f);
	bench_start(&f.bench, PACKED | EVENT_IDX, RING_SIZE);
	turn(&f);
	bench_save(&f.bench, &state);
	driver_add(&f.bench.drivers[0], &buffer, 1);
	virtio_device_notify(f.bench.device, 0);
	turn(&f);
	assert_false(driver_get(&f.bench.drivers[0], &id, &written));
	virtio_device_free(f.bench.device);
	bench_load(&f.bench, rng_new("rng0", &f.bench.virtio, &f.loop, &f.lock, NULL), &state);
	turn(&f);
	assert_true(driver_get(&f.bench.drivers[0], &id, &written));
	bench_save(&f.bench, &state);
	driver_add(&f.bench.drivers[0], &buffer, 1);
	turn(&f);
	virtio_device_go_on(f.bench.device);
	turn(&f);
	assert_true(driver_get(&f.bench.drivers[0], &id, &written));
	close_rng(&f);
}

/* ---------------------------------------------------------------- status and features */

#define UP_TO_DRIVER	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER)
#define UP_TO_FEATURES	(UP_TO_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK)

static void expect_features(struct virtio_device *device, uint64_t features, bool accepted)
{
	virtio_device_set_status(device, 0, false);
	virtio_device_set_status(device, UP_TO_DRIVER, false);
	virtio_device_set_features(device, features);
	virtio_device_set_status(device, UP_TO_FEATURES, false);
	assert_int_equal(virtio_device_status(device), accepted ? UP_TO_FEATURES : UP_TO_DRIVER);
}

static void negotiates(void **unused)
{
	const uint64_t version_1 = VIRTIO_BIT(VIRTIO_F_VERSION_1);
	struct virtio_device *device;
	struct fixture f;

	(void)unused;
	open_rng(&f);
	device = f.bench.device;
	expect_features(device, version_1, true);
	virtio_device_set_features(device, version_1 | EVENT_IDX);	/* too late */
	assert_int_equal(device->negotiated, version_1);
	expect_features(device, device->offered, true);
	expect_features(device, 0, false);
	expect_features(device, version_1 | VIRTIO_BIT(5), false);
	expect_features(device, version_1 | VIRTIO_BIT(63), false);
	virtio_device_set_status(device, UP_TO_DRIVER | VIRTIO_CONFIG_S_DRIVER_OK, false);
	assert_true(virtio_device_status(device) & VIRTIO_CONFIG_S_NEEDS_RESET);
	assert_false(device->active);
	bench_reset(&f.bench);
	virtio_device_notify(device, 0);	/* no queue yet */
	turn(&f);
	close_rng(&f);
}

/* DRIVER_OK with rings that are no good, or none at all. */
static void starts_badly(void **unused)
{
	struct virtio_device *device;
	struct fixture f;

	(void)unused;
	open_rng(&f);
	device = f.bench.device;
	expect_features(device, VIRTIO_BIT(VIRTIO_F_VERSION_1), true);
	virtio_device_queue(device, 0)->descriptors = 1;
	virtio_device_enable_queue(device, 0);
	virtio_device_enable_queue(device, 5);
	assert_null(virtio_device_queue(device, 1));
	virtio_device_set_status(device, UP_TO_FEATURES | VIRTIO_CONFIG_S_DRIVER_OK, false);
	assert_true(virtio_device_status(device) & VIRTIO_CONFIG_S_NEEDS_RESET);
	turn(&f);
	expect_features(device, VIRTIO_BIT(VIRTIO_F_VERSION_1), true);
	assert_int_equal(virtio_device_queue(device, 0)->descriptors, 0);
	virtio_device_set_status(device, UP_TO_FEATURES | VIRTIO_CONFIG_S_DRIVER_OK, false);
	virtio_device_notify(device, 0);
	turn(&f);
	assert_false(virtio_device_status(device) & VIRTIO_CONFIG_S_NEEDS_RESET);
	close_rng(&f);
}

/* ---------------------------------------------------------------- configuration space */

static unsigned int config_writes;

static void note_config_write(struct virtio_device *device, unsigned int offset,
			      unsigned int size, uint64_t value)
{
	(void)value;
	assert_true(offset + size <= device->config_size);
	config_writes++;
}

static void config_space(void **unused)
{
	g_autofree uint8_t *config = g_malloc(6);	/* AddressSanitizer knows its end */
	struct virtio_device_ops ops;
	struct virtio_device *device;
	struct fixture f;

	(void)unused;
	open_rng(&f);
	device = f.bench.device;
	ops = *device->ops;
	ops.config_write = note_config_write;
	memcpy(config, "\x01\x02\x03\x04\x05\x06", 6);
	device->ops = &ops;
	device->config = config;
	device->config_size = 6;
	assert_int_equal(virtio_device_config_read(device, 0, 4), 0x04030201);
	assert_int_equal(virtio_device_config_read(device, 4, 8), 0x0605);
	assert_int_equal(virtio_device_config_read(device, 6, 4), 0);
	assert_int_equal(virtio_device_config_read(device, UINT64_MAX, 8), 0);
	virtio_device_config_write(device, 4, 2, 0);
	assert_int_equal(config_writes, 1);
	virtio_device_config_write(device, 4, 4, 0);
	virtio_device_config_write(device, 6, 1, 0);
	virtio_device_config_write(device, UINT64_MAX, 2, 0);
	assert_int_equal(config_writes, 1);
	close_rng(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_bytes), cmocka_unit_test(breaks_and_heals),
		cmocka_unit_test(rests),
		cmocka_unit_test(negotiates), cmocka_unit_test(starts_badly),
		cmocka_unit_test(config_space),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
