// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A balloon in a checkpoint.  Which pages are in it is known to the guest alone: in its memory they
 * read as zeroes.  The statistics that wait for somebody who wants them are in their ring again.
 */
#include <string.h>

#include "../../error.h"
#include "../../virtio/state.h"
#include "internal.h"

static struct balloon *balloon_of(struct virtio_device *device)
{
	return (struct balloon *)device;
}

gboolean balloon_quiesce(struct virtio_device *device, GError **error)
{
	gint64 deadline = g_get_monotonic_time() + VIRTIO_QUIESCE_MS * G_TIME_SPAN_MILLISECOND;
	struct balloon *balloon = balloon_of(device);

	if (!iothread_pause_until(balloon->thread, deadline))
		return error_set(error, "%s did not come to rest in %g seconds; the guest runs on",
				 device->name, VIRTIO_QUIESCE_MS / 1000.0);
	balloon_let_go_statistics(balloon);
	return TRUE;
}

void balloon_go_on(struct virtio_device *device)
{
	iothread_resume(balloon_of(device)->thread);
}

static void save(const struct virtio_device *device, void *to)
{
	const struct balloon *balloon = (const struct balloon *)device;
	struct virtio_balloon_state *state = to;

	state->num_pages = balloon->config.num_pages;
	state->actual = balloon->config.actual;
	state->poison_val = balloon->config.poison_val;
	state->reported = balloon->status.reported;
}

/* What the guest says of itself may be anything. */
static gboolean check(const struct virtio_device *device, const struct virtio_state *common,
		      const void *from, GError **error)
{
	const struct balloon *balloon = (const struct balloon *)device;
	const struct virtio_balloon_state *state = from;
	static const uint8_t zero[sizeof(state->pad)];

	if (state->num_pages > balloon->memory / BALLOON_PAGE)
		return virtio_state_error(device, error, "it was saved with a target of %u pages, "
					  "and the guest has %" G_GUINT64_FORMAT, state->num_pages,
					  balloon->memory / BALLOON_PAGE);
	if (memcmp(state->pad, zero, sizeof(zero)) ||
	    (state->poison_val && !(common->negotiated >> VIRTIO_BALLOON_F_PAGE_POISON & 1)))
		return virtio_state_error(device, error, "its state has values that it cannot have");
	return TRUE;
}

static void load(struct virtio_device *device, const void *from)
{
	struct balloon *balloon = balloon_of(device);
	const struct virtio_balloon_state *state = from;

	balloon->config.num_pages = state->num_pages;
	balloon->config.actual = state->actual;
	balloon->config.poison_val = state->poison_val;
	atomic_store(&balloon->poisons, state->poison_val != 0);
	balloon->status.reported = state->reported;
}

const struct virtio_state_ops balloon_state_ops = {
	.size = sizeof(struct virtio_balloon_state),
	.save = save,
	.check = check,
	.load = load,
};
