// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The device: what it offers, its thread, its cache mode.
 */
#include "internal.h"

#include <poll.h>
#include <string.h>

#include "../../error.h"

#define QUEUE_SIZE		256u
#define RETRY_MS		1
#define PHYSICAL_BLOCK_EXP	3	/* 4 KiB, as file systems and disks have it */

static struct block_device *block_of(struct virtio_device *device)
{
	return (struct block_device *)device;
}

/* ---------------------------------------------------------------- the thread */

void block_commit(struct block_device *device)
{
	uint64_t queues = device->answered;

	device->answered = 0;
	for (unsigned int i = 0; queues; i++, queues >>= 1)
		if (queues & 1)
			virtio_device_commit(&device->virtio, i);
}

static void take_requests(struct block_device *device, unsigned int index)
{
	struct virtqueue *queue = virtio_queue(&device->virtio, index);
	struct virtqueue_chain *chain;

	do {
		virtqueue_disable_notify(queue);
		while (!iothread_pausing(device->thread) && (chain = virtqueue_pop(queue)))
			block_start(device, index, chain);
		device->retry = !block_submitted(device->block);
		block_commit(device);
	} while (virtqueue_enable_notify(queue) && !iothread_pausing(device->thread));
}

static void work(void *opaque)
{
	struct block_device *device = opaque;

	block_reap(device->block);
	block_commit(device);
	if (atomic_load(&device->resting))
		block_rest(device);
	else
		for (unsigned int i = 0; i < device->virtio.queue_count; i++)
			take_requests(device, i);
	if (device->retry) {
		poll(NULL, 0, RETRY_MS);
		iothread_kick(device->thread);
	}
}

/* The thread is then paused and nothing is under way. */
static void quiesce(struct block_device *device)
{
	iothread_pause(device->thread);
	block_drain(device->block);
	block_commit(device);
}

/* ---------------------------------------------------------------- the cache mode */

/* "Device Initialization": without a driver that flushes, the cache is write-through. */
static void choose_cache(struct block_device *device)
{
	bool flush = virtio_device_has(&device->virtio, VIRTIO_BLK_F_FLUSH);

	if (!flush)
		device->config.wce = 0;
	else if (!virtio_device_has(&device->virtio, VIRTIO_BLK_F_CONFIG_WCE))
		device->config.wce = 1;
	atomic_store(&device->writeback, device->config.wce);
}

static void flushed(struct block_request *request, int error)
{
	/* The backend remembers an error: it fails all durable writes from now on. */
	(void)request;
	(void)error;
}

/* From here on each write is durable; the earlier ones become so now. */
static void end_writeback(struct block_device *device)
{
	struct block_request request = { .op = BLOCK_FLUSH, .done = flushed };

	quiesce(device);
	atomic_store(&device->writeback, false);
	block_submit(device->block, &request);
	block_submitted(device->block);
	block_drain(device->block);
	iothread_resume(device->thread);
}

static void block_config_write(struct virtio_device *virtio, unsigned int offset,
			       unsigned int size, uint64_t value)
{
	struct block_device *device = block_of(virtio);
	bool writeback = value;

	if (offset != offsetof(struct virtio_blk_config, wce) || size != 1 ||
	    !virtio_device_has(virtio, VIRTIO_BLK_F_CONFIG_WCE))
		return;
	device->config.wce = writeback;
	if (!virtio->active)
		return;
	if (!writeback && atomic_load(&device->writeback))
		end_writeback(device);
	else
		atomic_store(&device->writeback, writeback);
}

/* ---------------------------------------------------------------- life */

static void block_activate(struct virtio_device *virtio)
{
	struct block_device *device = block_of(virtio);

	choose_cache(device);
	iothread_resume(device->thread);
}

static void block_reset(struct virtio_device *virtio)
{
	struct block_device *device = block_of(virtio);

	quiesce(device);
	device->config.wce = 1;
}

static void block_notify(struct virtio_device *virtio, unsigned int queue)
{
	(void)queue;
	iothread_kick(block_of(virtio)->thread);
}

static int block_notify_fd(struct virtio_device *virtio, unsigned int queue)
{
	(void)queue;
	return iothread_kick_fd(block_of(virtio)->thread);
}

static void block_free(struct virtio_device *virtio)
{
	struct block_device *device = block_of(virtio);

	iothread_free(device->thread);
	block_close(device->block);
	virtio_device_clear(virtio);
	g_free(device);
}

static const struct virtio_device_ops block_ops = {
	.activate = block_activate,
	.reset = block_reset,
	.notify = block_notify,
	.notify_fd = block_notify_fd,
	.config_write = block_config_write,
	.free = block_free,
	.quiesce = block_quiesce,
	.go_on = block_go_on,
	.state = &block_state_ops,
};

/* ---------------------------------------------------------------- another size */

uint64_t block_device_size(const struct virtio_device *virtio)
{
	const struct block_device *device = (const struct block_device *)virtio;

	return device->config.capacity * SECTOR_SIZE;
}

/* What is under way was checked against the old size, and ends before. */
gboolean block_device_resize(struct virtio_device *virtio, uint64_t size, bool shrink,
			     GError **error)
{
	struct block_device *device = block_of(virtio);
	uint64_t before = device->config.capacity;
	gboolean done;

	if (virtio->active && !virtio->quiet)
		quiesce(device);
	done = block_resize(device->block, size, shrink, error);
	device->config.capacity = device->block->size / SECTOR_SIZE;
	if (virtio->active && !virtio->quiet)
		iothread_resume(device->thread);
	if (device->config.capacity != before)
		virtio_device_config_changed(virtio);
	return done;
}

/* ---------------------------------------------------------------- making one */

static uint64_t offered(const struct block *block, unsigned int queues)
{
	uint64_t features = VIRTIO_BIT(VIRTIO_BLK_F_SEG_MAX) | VIRTIO_BIT(VIRTIO_BLK_F_BLK_SIZE) |
			    VIRTIO_BIT(VIRTIO_BLK_F_TOPOLOGY) | VIRTIO_BIT(VIRTIO_BLK_F_FLUSH) |
			    VIRTIO_BIT(VIRTIO_BLK_F_CONFIG_WCE);

	if (queues > 1)
		features |= VIRTIO_BIT(VIRTIO_BLK_F_MQ);
	if (block->read_only)
		features |= VIRTIO_BIT(VIRTIO_BLK_F_RO);
	else
		features |= VIRTIO_BIT(VIRTIO_BLK_F_DISCARD) |
			    VIRTIO_BIT(VIRTIO_BLK_F_WRITE_ZEROES);
	return features;
}

static void fill_config(struct virtio_blk_config *config, const struct block *block,
			unsigned int queues)
{
	config->capacity = block->size / SECTOR_SIZE;
	config->seg_max = QUEUE_SIZE - 2;	/* and the header and the status */
	config->blk_size = SECTOR_SIZE;
	config->physical_block_exp = PHYSICAL_BLOCK_EXP;
	config->min_io_size = 1u << PHYSICAL_BLOCK_EXP;
	config->wce = 1;
	config->num_queues = queues;
	if (block->read_only)
		return;
	config->max_discard_sectors = SEGMENT_SECTORS_MAX;
	config->max_discard_seg = SEGMENTS_MAX;
	config->discard_sector_alignment = 1u << PHYSICAL_BLOCK_EXP;
	config->max_write_zeroes_sectors = SEGMENT_SECTORS_MAX;
	config->max_write_zeroes_seg = SEGMENTS_MAX;
	config->write_zeroes_may_unmap = 1;
}

static void init_virtio(struct block_device *device, const struct block_device_config *config,
			const struct virtio_memory *memory)
{
	struct virtio_device *virtio = &device->virtio;

	virtio->ops = &block_ops;
	virtio->name = config->name;
	virtio->type = VIRTIO_ID_BLOCK;
	virtio->queue_count = config->queues;
	virtio->queue_size = QUEUE_SIZE;
	virtio->offered = offered(device->block, config->queues);
	virtio->config = &device->config;
	/* What comes after the last field that we use (secure erase, zones) is not there. */
	virtio->config_size = offsetof(struct virtio_blk_config, unused1) +
			      sizeof(device->config.unused1);
	virtio_device_init(virtio, memory);
}

struct virtio_device *block_device_new(const struct block_device_config *config,
				       const struct virtio_memory *memory, struct block *block,
				       GError **error)
{
	struct block_device *device = g_new0(struct block_device, 1);

	g_assert(config->queues && config->queues <= BLOCK_QUEUES_MAX);
	device->thread = iothread_new(config->name, work, device, error);
	if (!device->thread ||
	    (block->fd >= 0 && !iothread_watch(device->thread, block->fd, NULL, error))) {
		iothread_free(device->thread);
		block_close(block);
		g_free(device);
		return NULL;
	}
	device->block = block;
	if (config->serial)
		memcpy(device->serial, config->serial,
		       strnlen(config->serial, BLOCK_SERIAL_MAX));
	fill_config(&device->config, block, config->queues);
	init_virtio(device, config, memory);
	return &device->virtio;
}
