/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which parts of the guest's RAM are taken while a kernel is being placed.  It only does
 * sums; nothing is written.  Only RAM below the hole at MEMORY_HOLE_START is given out:
 * every boot protocol here starts with 32-bit addresses.
 */
#ifndef MICA_VMM_BOOT_LAYOUT_H
#define MICA_VMM_BOOT_LAYOUT_H

#include <glib.h>
#include <stdint.h>

#include "../memory.h"

typedef struct boot_layout boot_layout;

/* With the fixed areas of docs/memory-map.md already taken. */
struct boot_layout *boot_layout_new(const struct guest_memory *memory);
void boot_layout_free(struct boot_layout *layout);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(boot_layout, boot_layout_free)

/* Takes [start, start + size).  BOOT_ERROR_SPACE: it is not all RAM below the hole, or
 * overlaps an area that is taken.  `name` is for messages.  Size 0 takes nothing. */
gboolean boot_layout_take(struct boot_layout *layout, uint64_t start, uint64_t size,
			  const char *name, GError **error);

/* The end of the highest area taken at or above 1 MiB; 1 MiB if there is none. */
uint64_t boot_layout_end(const struct boot_layout *layout);

/* Takes `size` bytes at the lowest multiple of `align` (a power of two) that is free and
 * not below `from`, and says where. */
gboolean boot_layout_place(struct boot_layout *layout, uint64_t from, uint64_t size,
			   uint64_t align, const char *name, uint64_t *start, GError **error);

/* Likewise at the highest one such that all lies in [1 MiB, limit). */
gboolean boot_layout_place_below(struct boot_layout *layout, uint64_t limit, uint64_t size,
				 uint64_t align, const char *name, uint64_t *start,
				 GError **error);

#endif
