/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An entropy device: gives the guest bytes of the host's getrandom().
 *
 * Source: VIRTIO 1.2, "Entropy Device".
 */
#ifndef MICA_VMM_DEVICES_RNG_DEVICE_H
#define MICA_VMM_DEVICES_RNG_DEVICE_H

#include <pthread.h>

#include "../../virtio/device.h"

struct uv_loop_s;

/* `name`, `memory` and `lock`, the machine's, must outlive it. */
struct virtio_device *rng_new(const char *name, const struct virtio_memory *memory,
			      struct uv_loop_s *loop, pthread_mutex_t *lock, GError **error);

#endif
