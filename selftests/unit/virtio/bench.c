// SPDX-License-Identifier: GPL-2.0-or-later
#include "bench.h"

#include <linux/virtio_pci.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define PATIENCE_MS	10000

static void interrupt(void *opaque, uint32_t queue)
{
	struct bench *bench = opaque;

	if (queue == VIRTIO_CONFIG_INTERRUPT)
		atomic_fetch_add(&bench->config_interrupts, 1);
	eventfd_write(bench->interrupts, 1);
}

static const struct virtio_transport_ops transport_ops = { .interrupt = interrupt };

void bench_init(struct bench *bench)
{
	memset(bench, 0, sizeof(*bench));
	bench->memory = guest_memory_new(-1, MEMORY_SIZE, NULL);
	assert_non_null(bench->memory);
	bench->virtio.ram = bench->memory;
	bench->interrupts = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_true(bench->interrupts >= 0);
}

void bench_attach(struct bench *bench, struct virtio_device *device)
{
	assert_non_null(device);
	assert_in_range(device->queue_count, 1, BENCH_QUEUES);
	bench->device = device;
	virtio_device_attach(device, &transport_ops, bench);
}

void bench_start(struct bench *bench, uint64_t features, uint16_t size)
{
	struct virtio_device *device = bench->device;
	uint8_t status = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;

	virtio_device_set_status(device, status, false);
	virtio_device_set_features(device, features | VIRTIO_BIT(VIRTIO_F_VERSION_1));
	status |= VIRTIO_CONFIG_S_FEATURES_OK;
	virtio_device_set_status(device, status, false);
	assert_int_equal(virtio_device_status(device), status);
	for (unsigned int i = 0; i < device->queue_count; i++) {
		driver_init(&bench->drivers[i], bench->memory, i, size, features);
		*virtio_device_queue(device, i) = bench->drivers[i].config;
		virtio_device_enable_queue(device, i);
	}
	virtio_device_set_status(device, status | VIRTIO_CONFIG_S_DRIVER_OK, false);
	assert_int_equal(virtio_device_status(device), status | VIRTIO_CONFIG_S_DRIVER_OK);
}

void bench_start_mixed(struct bench *bench)
{
	struct virtio_device *device = bench->device;
	uint8_t status = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;

	virtio_device_set_status(device, status, false);
	virtio_device_set_features(device, UINT64_MAX);
	virtio_device_set_status(device, status | VIRTIO_CONFIG_S_FEATURES_OK, false);
	assert_int_equal(virtio_device_status(device), status);
	virtio_device_set_status(device, status | VIRTIO_CONFIG_S_DRIVER_OK, true);
	assert_true(device->active);
	assert_int_equal(device->negotiated, device->offered & UINT32_MAX);
	for (unsigned int i = 0; i < VIRTIO_MAX_QUEUES; i++) {
		virtio_device_notify(device, i);
		assert_null(virtqueue_pop(virtio_queue(device, device->queue_count + i)));
	}
}

void bench_reset(struct bench *bench)
{
	virtio_device_set_status(bench->device, 0, false);
	assert_int_equal(virtio_device_status(bench->device), 0);
}

void bench_free(struct bench *bench)
{
	virtio_device_free(bench->device);
	guest_memory_free(bench->memory);
	close(bench->interrupts);
}

static void wait_interrupt(struct bench *bench)
{
	struct pollfd fd = { .fd = bench->interrupts, .events = POLLIN };
	eventfd_t count;

	assert_int_equal(poll(&fd, 1, PATIENCE_MS), 1);
	eventfd_read(bench->interrupts, &count);
}

void bench_wait(struct bench *bench, unsigned int queue, uint16_t *id, uint32_t *written)
{
	while (!driver_get(&bench->drivers[queue], id, written)) {
		driver_want_interrupt(&bench->drivers[queue], 0);
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		if (driver_get(&bench->drivers[queue], id, written))
			return;
		wait_interrupt(bench);
	}
}

void bench_wait_broken(struct bench *bench)
{
	/* The status first, the interrupt then: that is the order in which they are set. */
	while (!atomic_load(&bench->config_interrupts))
		wait_interrupt(bench);
	assert_int_equal(atomic_load(&bench->config_interrupts), 1);
	assert_true(virtio_device_status(bench->device) & VIRTIO_CONFIG_S_NEEDS_RESET);
	atomic_store(&bench->config_interrupts, 0);
}

void bench_save(struct bench *bench, struct bench_state *state)
{
	struct virtio_device *device = bench->device;
	GError *error = NULL;

	virtio_device_quiesce(device, &error);
	assert_null(error);
	assert_true(device->quiet);
	memset(state, 0, sizeof(*state));
	virtio_device_save(device, &state->common);
	/* The transport's, which is not there. */
	state->common.config_vector = VIRTIO_MSI_NO_VECTOR;
	for (unsigned int i = 0; i < device->queue_count; i++)
		state->common.queues[i].vector = VIRTIO_MSI_NO_VECTOR;
	if (device->ops->state)
		device->ops->state->save(device, &state->kind);
}

void bench_load(struct bench *bench, struct virtio_device *device, const struct bench_state *state)
{
	GError *error = NULL;

	bench_attach(bench, device);
	virtio_device_check(device, &state->common, &state->kind, &error);
	assert_null(error);
	virtio_device_load(device, &state->common, &state->kind);
	virtio_device_go_on(device);
}

void *bench_at(const struct bench *bench, uint64_t gpa, uint64_t length)
{
	void *at = guest_memory_pointer(bench->memory, gpa, length);

	assert_non_null(at);
	return at;
}
