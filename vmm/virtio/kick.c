// SPDX-License-Identifier: GPL-2.0-or-later
#include "kick.h"

#include <uv.h>

#include "../error.h"
#include "../loop_lock.h"

struct virtio_kick {
	uv_async_t async;
	pthread_mutex_t *lock;
	void (*work)(void *opaque);
	void *opaque;
};

static void kicked(uv_async_t *handle)
{
	struct virtio_kick *kick = handle->data;

	loop_lock(kick->lock);
	kick->work(kick->opaque);
	pthread_mutex_unlock(kick->lock);
}

struct virtio_kick *virtio_kick_new(struct uv_loop_s *loop, pthread_mutex_t *lock,
				    void (*work)(void *opaque), void *opaque, GError **error)
{
	struct virtio_kick *kick = g_new0(struct virtio_kick, 1);

	kick->lock = lock;
	kick->work = work;
	kick->opaque = opaque;
	if (uv_async_init(loop, &kick->async, kicked) < 0) {
		error_set(error, "the host has no eventfd left");
		g_free(kick);
		return NULL;
	}
	kick->async.data = kick;
	uv_unref((uv_handle_t *)&kick->async);
	return kick;
}

static void closed(uv_handle_t *handle)
{
	g_free(handle->data);
}

void virtio_kick_free(struct virtio_kick *kick)
{
	if (kick)
		uv_close((uv_handle_t *)&kick->async, closed);
}

void virtio_kick(struct virtio_kick *kick)
{
	uv_async_send(&kick->async);
}
