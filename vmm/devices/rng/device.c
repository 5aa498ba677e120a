// SPDX-License-Identifier: GPL-2.0-or-later
#include "device.h"

#include <sys/random.h>

#include "../../virtio/kick.h"

#define QUEUE_SIZE	64u
/* Requests and bytes for each of them at once: the main loop has other things to do, and a
 * driver that wants more asks again. */
#define BATCH		64u
#define BYTES_MAX	1024u

struct rng {
	struct virtio_device virtio;	/* the first member */
	struct virtio_kick *kick;
};

static struct rng *rng_of(struct virtio_device *device)
{
	return (struct rng *)device;
}

/* getrandom() gives up to 256 bytes whatever happens, and more if no signal comes. */
static void answer(struct virtqueue *queue, struct virtqueue_chain *chain)
{
	size_t wanted = MIN(chain->writable_length, BYTES_MAX);
	uint8_t bytes[BYTES_MAX];
	ssize_t count = getrandom(bytes, wanted, 0);

	chain->touched = MAX(count, 0);
	virtqueue_chain_write(chain, 0, bytes, chain->touched);
	virtqueue_push(queue, chain, chain->touched);
}

static void work(void *opaque)
{
	struct rng *rng = opaque;
	struct virtqueue *queue = virtio_queue(&rng->virtio, 0);
	struct virtqueue_chain *chain;
	unsigned int done = 0;

	if (!rng->virtio.active || rng->virtio.quiet)
		return;
	virtqueue_disable_notify(queue);
	while (done < BATCH && (chain = virtqueue_pop(queue))) {
		answer(queue, chain);
		done++;
	}
	virtio_device_commit(&rng->virtio, 0);
	if (done == BATCH || virtqueue_enable_notify(queue))
		virtio_kick(rng->kick);
}

static void rng_activate(struct virtio_device *device)
{
	virtio_kick(rng_of(device)->kick);
}

static void rng_reset(struct virtio_device *device)
{
	(void)device;	/* nothing is held between two calls of work() */
}

static void rng_notify(struct virtio_device *device, unsigned int queue)
{
	(void)queue;
	virtio_kick(rng_of(device)->kick);
}

static void rng_free(struct virtio_device *device)
{
	struct rng *rng = rng_of(device);

	virtio_kick_free(rng->kick);
	virtio_device_clear(device);
	g_free(rng);
}

static const struct virtio_device_ops rng_ops = {
	.activate = rng_activate,
	.reset = rng_reset,
	.notify = rng_notify,
	.free = rng_free,
};

struct virtio_device *rng_new(const char *name, const struct virtio_memory *memory,
			      struct uv_loop_s *loop, pthread_mutex_t *lock, GError **error)
{
	struct rng *rng = g_new0(struct rng, 1);

	rng->kick = virtio_kick_new(loop, lock, work, rng, error);
	if (!rng->kick) {
		g_free(rng);
		return NULL;
	}
	rng->virtio.ops = &rng_ops;
	rng->virtio.name = name;
	rng->virtio.type = VIRTIO_ID_RNG;
	rng->virtio.queue_count = 1;
	rng->virtio.queue_size = QUEUE_SIZE;
	virtio_device_init(&rng->virtio, memory);
	return &rng->virtio;
}
