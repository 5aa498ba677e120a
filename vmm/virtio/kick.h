/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Work of a device on the main loop, asked for by any thread: for devices that are not
 * worth a thread of their own.  Guests do not wait in their vCPU's thread for it.
 */
#ifndef MICA_VMM_VIRTIO_KICK_H
#define MICA_VMM_VIRTIO_KICK_H

#include <glib.h>
#include <pthread.h>

struct uv_loop_s;
struct virtio_kick;

/* `work` is called with `lock`, the machine's, held.  By the thread of the loop. */
struct virtio_kick *virtio_kick_new(struct uv_loop_s *loop, pthread_mutex_t *lock,
				    void (*work)(void *opaque), void *opaque, GError **error);
/* `work` is not called any more.  The loop must run once more to close what is left.  By the
 * thread of the loop; NULL is fine. */
void virtio_kick_free(struct virtio_kick *kick);

/* Calls `work` once soon, however often this was called before.  Any thread. */
void virtio_kick(struct virtio_kick *kick);

#endif
