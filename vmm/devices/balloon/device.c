// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The device: what it offers, its configuration space, and its thread.
 */
#include <string.h>
#include <time.h>

#include "internal.h"

static struct balloon *balloon_of(struct virtio_device *device)
{
	return (struct balloon *)device;
}

/* Of queues that the driver did not set up nothing comes. */
static void work(void *opaque)
{
	struct balloon *balloon = opaque;
	bool more = !atomic_load(&balloon->virtio.needs_reset);

	while (more && !iothread_pausing(balloon->thread)) {
		balloon_take_statistics(balloon);
		more = balloon_move_pages(balloon, DEFLATE);
		more |= balloon_move_pages(balloon, INFLATE);
		if (virtio_device_has(&balloon->virtio, VIRTIO_BALLOON_F_REPORTING)) {
			more |= balloon_take_reports(balloon, REPORTING_LINUX);
			more |= balloon_take_reports(balloon, REPORTING);
		}
		more = more && !atomic_load(&balloon->virtio.needs_reset);
	}
}

/* ---------------------------------------------------------------- configuration space */

static void copy_part(void *field, size_t start, size_t length, unsigned int offset,
		      unsigned int size, uint64_t value)
{
	if (offset >= start && offset + size <= start + length)
		memcpy((uint8_t *)field + (offset - start), &value, size);
}

/* Drivers write `actual`, and `poison_val` if that was negotiated; legacy ones byte by byte. */
static void balloon_config_write(struct virtio_device *device, unsigned int offset,
				 unsigned int size, uint64_t value)
{
	struct balloon *balloon = balloon_of(device);
	struct virtio_balloon_config *config = &balloon->config;

	copy_part(&config->actual, offsetof(struct virtio_balloon_config, actual),
		  sizeof(config->actual), offset, size, value);
	if (virtio_device_has(device, VIRTIO_BALLOON_F_PAGE_POISON))
		copy_part(&config->poison_val, offsetof(struct virtio_balloon_config, poison_val),
			  sizeof(config->poison_val), offset, size, value);
	atomic_store(&balloon->poisons, config->poison_val != 0);
}

static void set_pages(struct balloon *balloon, uint64_t target)
{
	uint64_t pages = (balloon->memory - MIN(target, balloon->memory)) / BALLOON_PAGE;

	balloon->config.num_pages = MIN(pages, UINT32_MAX);
}

void balloon_set_target(struct virtio_device *device, uint64_t target)
{
	set_pages(balloon_of(device), target);
	virtio_device_config_changed(device);
}

/* What the guest says of itself may be anything. */
static uint64_t kept(const struct balloon *balloon, uint32_t pages)
{
	uint64_t taken = (uint64_t)pages * BALLOON_PAGE;

	return balloon->memory - MIN(taken, balloon->memory);
}

void balloon_get_status(struct virtio_device *device, struct balloon_status *status)
{
	struct balloon *balloon = balloon_of(device);
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	pthread_mutex_lock(&balloon->lock);
	*status = balloon->status;
	if (balloon->told_ns)
		status->age_ms = (now.tv_sec * 1000000000ull + now.tv_nsec - balloon->told_ns) /
				 1000000;
	pthread_mutex_unlock(&balloon->lock);
	status->target = kept(balloon, balloon->config.num_pages);
	status->current = kept(balloon, balloon->config.actual);
	atomic_store(&balloon->wanted, true);
	iothread_kick(balloon->thread);
}

/* ---------------------------------------------------------------- life */

static void balloon_activate(struct virtio_device *device)
{
	iothread_resume(balloon_of(device)->thread);
}

/* The driver that comes next has all pages. */
static void balloon_reset(struct virtio_device *device)
{
	struct balloon *balloon = balloon_of(device);

	iothread_pause(balloon->thread);
	if (balloon->held)
		virtqueue_drop(virtio_queue(device, STATISTICS), g_steal_pointer(&balloon->held));
	balloon->config.actual = 0;
	balloon->config.poison_val = 0;
	atomic_store(&balloon->poisons, false);
	balloon->status.known = 0;
	balloon->told_ns = 0;
	balloon->again = false;
}

static void balloon_notify(struct virtio_device *device, unsigned int queue)
{
	(void)queue;
	iothread_kick(balloon_of(device)->thread);
}

static int balloon_notify_fd(struct virtio_device *device, unsigned int queue)
{
	(void)queue;
	return iothread_kick_fd(balloon_of(device)->thread);
}

static void balloon_free(struct virtio_device *device)
{
	struct balloon *balloon = balloon_of(device);

	iothread_free(balloon->thread);
	pthread_mutex_destroy(&balloon->lock);
	virtio_device_clear(device);
	g_free(balloon);
}

static const struct virtio_device_ops balloon_ops = {
	.activate = balloon_activate,
	.reset = balloon_reset,
	.notify = balloon_notify,
	.notify_fd = balloon_notify_fd,
	.config_write = balloon_config_write,
	.free = balloon_free,
	.quiesce = balloon_quiesce,
	.go_on = balloon_go_on,
	.state = &balloon_state_ops,
};

static uint64_t offered(const struct balloon_config *config)
{
	uint64_t features = VIRTIO_BIT(VIRTIO_BALLOON_F_STATS_VQ) |
			    VIRTIO_BIT(VIRTIO_BALLOON_F_PAGE_POISON);

	if (!config->no_oom)
		features |= VIRTIO_BIT(VIRTIO_BALLOON_F_DEFLATE_ON_OOM);
	if (!config->no_reporting)
		features |= VIRTIO_BIT(VIRTIO_BALLOON_F_REPORTING);
	return features;
}

struct virtio_device *balloon_new(const struct balloon_config *config,
				  const struct virtio_memory *memory, GError **error)
{
	struct balloon *balloon = g_new0(struct balloon, 1);
	struct virtio_device *virtio = &balloon->virtio;

	balloon->thread = iothread_new(config->name, work, balloon, error);
	if (!balloon->thread) {
		g_free(balloon);
		return NULL;
	}
	pthread_mutex_init(&balloon->lock, NULL);
	balloon->memory = guest_memory_size(memory->ram);
	set_pages(balloon, config->target);
	virtio->ops = &balloon_ops;
	virtio->name = config->name;
	virtio->type = VIRTIO_ID_BALLOON;
	virtio->queue_count = QUEUE_COUNT;
	virtio->queue_size = QUEUE_SIZE;
	virtio->offered = offered(config);
	virtio->config = &balloon->config;
	virtio->config_size = sizeof(balloon->config);
	virtio_device_init(virtio, memory);
	return virtio;
}
