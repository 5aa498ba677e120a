// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A disk in a checkpoint.  Nothing is under way there, and all that the guest has written is on
 * stable storage: a power cut later cannot leave the file with a guest that remembers more than its
 * disk.
 */
#include <poll.h>
#include <string.h>

#include "../../error.h"
#include "../../virtio/state.h"
#include "internal.h"

#define RETRY_MS	1

static struct block_device *block_of(struct virtio_device *device)
{
	return (struct block_device *)device;
}

/* ---------------------------------------------------------------- rest */

/* Outlives who waits for it, if the host takes too long. */
struct last_flush {
	struct block_request request;	/* the first member */
	struct block_device *device;
	int *result;			/* NULL: nobody waits any more */
};

static void flushed(struct block_request *request, int error)
{
	struct last_flush *flush = (struct last_flush *)request;

	if (flush->result)
		*flush->result = error;
	atomic_fetch_sub(&flush->device->requests, 1);
	g_free(flush);
}

static void wait_some(struct block_device *device, gint64 deadline)
{
	gint64 left = (deadline - g_get_monotonic_time() + 999) / 1000;
	struct pollfd end = { .fd = device->block->fd, .events = POLLIN };
	bool taken = block_submitted(device->block);

	block_commit(device);
	if (atomic_load(&device->requests) && left > 0)
		poll(&end, 1, taken && end.fd >= 0 ? left : RETRY_MS);
	block_reap(device->block);
	block_commit(device);
}

/* The thread is paused. */
static gboolean wait_for_requests(struct block_device *device, gint64 deadline, GError **error)
{
	unsigned int left;

	while ((left = atomic_load(&device->requests))) {
		if (g_get_monotonic_time() >= deadline)
			return error_set(error, "%s still has %u request%s under way after %g "
					 "seconds: is its storage on the host well?  The guest "
					 "runs on", device->virtio.name, left, left > 1 ? "s" : "",
					 VIRTIO_QUIESCE_MS / 1000.0);
		wait_some(device, deadline);
	}
	return TRUE;
}

static gboolean flush(struct block_device *device, gint64 deadline, GError **error)
{
	struct last_flush *last = g_new0(struct last_flush, 1);
	int result = 0;

	last->request.op = BLOCK_FLUSH;
	last->request.done = flushed;
	last->device = device;
	last->result = &result;
	atomic_fetch_add(&device->requests, 1);
	block_submit(device->block, &last->request);
	if (!wait_for_requests(device, deadline, error)) {
		last->result = NULL;
		return FALSE;
	}
	return !result || error_set_errno(error, -result, "%s: the host cannot make durable what "
					  "the guest has written", device->virtio.name);
}

gboolean block_quiesce(struct virtio_device *virtio, GError **error)
{
	gint64 deadline = g_get_monotonic_time() + VIRTIO_QUIESCE_MS * G_TIME_SPAN_MILLISECOND;
	struct block_device *device = block_of(virtio);
	bool dirty = atomic_load(&device->writeback) && !device->block->read_only;

	if (!iothread_pause_until(device->thread, deadline))
		return error_set(error, "%s still has %u requests under way after %g seconds: is its "
				 "storage on the host well?  The guest runs on", virtio->name,
				 atomic_load(&device->requests), VIRTIO_QUIESCE_MS / 1000.0);
	if (wait_for_requests(device, deadline, error) &&
	    (!dirty || flush(device, deadline, error)))
		return TRUE;
	iothread_resume(device->thread);
	return FALSE;
}

void block_go_on(struct virtio_device *virtio)
{
	struct block_device *device = block_of(virtio);

	iothread_resume(device->thread);
	if (device->grown)
		virtio_device_config_changed(virtio);
	device->grown = false;
}

/* ---------------------------------------------------------------- state */

static void save(const struct virtio_device *virtio, void *to)
{
	const struct block_device *device = (const struct block_device *)virtio;
	struct virtio_block_state *state = to;

	state->capacity = device->config.capacity;
	state->writeback = device->config.wce;
	state->read_only = device->block->read_only;
}

static bool has(const struct virtio_state *common, unsigned int feature)
{
	return common->negotiated >> feature & 1;
}

/* See choose_cache(). */
static bool cache_is_possible(const struct virtio_state *common, uint8_t writeback)
{
	if (!common->active || has(common, VIRTIO_BLK_F_CONFIG_WCE))
		return writeback <= 1;
	return writeback == has(common, VIRTIO_BLK_F_FLUSH);
}

static gboolean check(const struct virtio_device *virtio, const struct virtio_state *common,
		      const void *from, GError **error)
{
	const struct block_device *device = (const struct block_device *)virtio;
	const struct virtio_block_state *state = from;
	static const uint8_t zero[sizeof(state->pad)];

	if (state->read_only > 1 || memcmp(state->pad, zero, sizeof(zero)) ||
	    !cache_is_possible(common, state->writeback))
		return virtio_state_error(virtio, error, "its state has a cache mode or flags that "
					  "it cannot have");
	if (state->capacity > device->config.capacity)
		return virtio_state_error(virtio, error, "the disk was saved with %" G_GUINT64_FORMAT
					  " sectors of 512 bytes and has %" G_GUINT64_FORMAT " now: "
					  "give it the image that it had", state->capacity,
					  (uint64_t)device->config.capacity);
	if (state->read_only != device->block->read_only)
		return virtio_state_error(virtio, error, "the disk was saved %s and is %s now",
					  state->read_only ? "read-only" : "writable",
					  state->read_only ? "writable" : "read-only");
	return TRUE;
}

static void load(struct virtio_device *virtio, const void *from)
{
	struct block_device *device = block_of(virtio);
	const struct virtio_block_state *state = from;

	device->config.wce = state->writeback;
	atomic_store(&device->writeback, state->writeback);
	device->grown = virtio->active && state->capacity != device->config.capacity;
}

const struct virtio_state_ops block_state_ops = {
	.size = sizeof(struct virtio_block_state),
	.save = save,
	.check = check,
	.load = load,
};
