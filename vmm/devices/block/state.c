// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A disk in a checkpoint.  Nothing is under way there, and all that the guest has written is on
 * stable storage: a power cut later cannot leave the file with a guest that remembers more than its
 * disk.
 */
#include <string.h>

#include "../../error.h"
#include "../../virtio/state.h"
#include "internal.h"

static struct block_device *block_of(struct virtio_device *device)
{
	return (struct block_device *)device;
}

/* ---------------------------------------------------------------- rest */

struct last_flush {
	struct block_request request;	/* the first member */
	struct block_device *device;
};

/* May be of an earlier attempt, which somebody did not wait for any longer. */
static void flushed(struct block_request *request, int error)
{
	struct block_device *device = ((struct last_flush *)request)->device;

	atomic_fetch_sub(&device->requests, 1);
	device->rest_error = error;
	g_free(request);
}

static void flush(struct block_device *device)
{
	struct last_flush *last = g_new0(struct last_flush, 1);

	last->request.op = BLOCK_FLUSH;
	last->request.done = flushed;
	last->device = device;
	atomic_fetch_add(&device->requests, 1);
	block_submit(device->block, &last->request);
}

/* Comes here again when something has ended, or when the host may take more. */
void block_rest(struct block_device *device)
{
	bool dirty = atomic_load(&device->writeback) && !device->block->read_only;
	unsigned int number = atomic_load(&device->resting);

	if (!atomic_load(&device->requests) && device->flushed_for != number) {
		device->flushed_for = number;
		device->rest_error = 0;
		if (dirty)
			flush(device);
	}
	device->retry = !block_submitted(device->block);
	block_commit(device);
	if (!atomic_load(&device->requests) && device->flushed_for == number)
		atomic_store(&device->at_rest, number);
}

static bool at_rest(const void *opaque)
{
	const struct block_device *device = opaque;

	return atomic_load(&device->at_rest) == atomic_load(&device->resting);
}

static gboolean too_slow(struct block_device *device, GError **error)
{
	unsigned int left = atomic_load(&device->requests);

	atomic_store(&device->resting, 0);
	iothread_kick(device->thread);
	return error_set(error, "%s still has %u request%s under way after %g seconds: is its "
			 "storage on the host well?  The guest runs on", device->virtio.name, left,
			 left == 1 ? "" : "s", VIRTIO_QUIESCE_MS / 1000.0);
}

/* The thread itself ends what is under way, as it may make the calls that this takes. */
gboolean block_quiesce(struct virtio_device *virtio, GError **error)
{
	gint64 deadline = g_get_monotonic_time() + VIRTIO_QUIESCE_MS * G_TIME_SPAN_MILLISECOND;
	struct block_device *device = block_of(virtio);

	if (!++device->rests)
		device->rests++;
	atomic_store(&device->resting, device->rests);
	if (!iothread_wait(device->thread, at_rest, deadline) ||
	    !iothread_pause_until(device->thread, deadline + G_TIME_SPAN_SECOND))
		return too_slow(device, error);
	atomic_store(&device->resting, 0);
	if (!device->rest_error)
		return TRUE;
	iothread_resume(device->thread);
	return error_set_errno(error, -device->rest_error, "%s: the host cannot make durable what "
			       "the guest has written", virtio->name);
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
