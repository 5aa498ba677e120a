/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A directory of the host as a file system of the guest, which another process serves: see
 * backends/vhost_user.h.  The guest's memory must be shared.
 *
 * Source: VIRTIO 1.2, "File System Device".
 */
#ifndef MICA_VMM_DEVICES_FS_DEVICE_H
#define MICA_VMM_DEVICES_FS_DEVICE_H

#include "../../backends/vhost_user.h"
#include "../../virtio/device.h"

#define FS_TAG_MAX	36u		/* bytes */

struct fs_device_config {
	const char *name;		/* must outlive the device */
	const char *tag;		/* 1 to FS_TAG_MAX bytes: what the guest mounts */
};

/* Takes over `vhost`, also if this fails.  `memory` must outlive the device. */
struct virtio_device *fs_device_new(const struct fs_device_config *config,
				    const struct virtio_memory *memory, struct vhost_user *vhost,
				    GError **error);

#endif
