/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A memory balloon: the guest hands pages over, which go back to the host, and takes them
 * again when it is told to, or when it needs them.  It also says which pages it has free just
 * now, and these go back as well ("free page reporting").
 *
 * Source: VIRTIO 1.2, "Traditional Memory Balloon Device".
 */
#ifndef MICA_VMM_DEVICES_BALLOON_DEVICE_H
#define MICA_VMM_DEVICES_BALLOON_DEVICE_H

#include <linux/virtio_balloon.h>

#include "../../virtio/device.h"

#define BALLOON_PAGE	4096u		/* whatever the guest's own page is */

struct balloon_config {
	const char *name;
	uint64_t target;		/* bytes that the guest shall keep; at most all it has */
	bool no_oom;			/* the guest may not take pages when it runs out */
	bool no_reporting;
};

struct balloon_status {
	uint64_t target;		/* bytes that the guest shall keep */
	uint64_t current;		/* that it keeps, as it says itself */
	uint64_t reported;		/* bytes of free pages that went back, since the start */
	uint64_t age_ms;		/* of what follows */
	uint32_t known;			/* which of them the guest has told: 1 << index */
	uint64_t guest[VIRTIO_BALLOON_S_NR];	/* by VIRTIO_BALLOON_S_*; memory in bytes */
};

/* `config->name` and `memory` must outlive it. */
struct virtio_device *balloon_new(const struct balloon_config *config,
				  const struct virtio_memory *memory, GError **error);

/* Bytes that the guest shall keep, at most all it has; rounded down to pages.  [m] */
void balloon_set_target(struct virtio_device *device, uint64_t target);

/* What is known now; the guest is asked for newer statistics.  [m] */
void balloon_get_status(struct virtio_device *device, struct balloon_status *status);

#endif
