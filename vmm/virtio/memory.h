/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest memory as virtio devices see it.  Whoever tracks the pages that this process
 * writes, for a checkpoint or a migration, sets `dirty`: every write that a device makes
 * goes through virtio_memory_dirty() once it is done, and before the guest is told of it.
 */
#ifndef MICA_VMM_VIRTIO_MEMORY_H
#define MICA_VMM_VIRTIO_MEMORY_H

#include <stdint.h>

#include "../memory.h"

struct virtio_memory {
	const struct guest_memory *ram;
	/* Any thread that runs a device; the range is RAM.  NULL: nobody tracks. */
	void (*dirty)(void *opaque, uint64_t gpa, uint64_t length);
	void *opaque;
};

static inline void virtio_memory_dirty(const struct virtio_memory *memory, uint64_t gpa,
				       uint64_t length)
{
	if (memory->dirty && length)
		memory->dirty(memory->opaque, gpa, length);
}

#endif
