/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading ELF files of either class: System V ABI, "Object Files" and "Program Loading",
 * with the i386 and x86-64 supplements.  The file is hostile: counts are bounded and sums
 * checked here, once; what struct elf_image says lies inside the file.
 */
#ifndef MICA_VMM_BOOT_ELF_IMAGE_H
#define MICA_VMM_BOOT_ELF_IMAGE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "loader.h"

#define ELF_HEADERS_MAX		128u	/* program headers; sections: ELF_SECTIONS_MAX */
#define ELF_SECTIONS_MAX	4096u

struct elf_segment {			/* of PT_LOAD, with memory_size > 0 */
	uint64_t offset;
	uint64_t virtual_address;
	uint64_t address;		/* physical */
	uint64_t file_size;		/* <= memory_size */
	uint64_t memory_size;
};

struct elf_image {
	uint64_t entry;
	GArray *segments;		/* struct elf_segment, at least one */
};
typedef struct elf_image elf_image;

/* True if the file starts as an ELF file does. */
bool elf_probe(const struct boot_image *image);

/* NULL and BOOT_ERROR_FORMAT, if the file is cut short, not for x86, or inconsistent. */
struct elf_image *elf_read(const struct boot_image *image, GError **error);
void elf_free(struct elf_image *elf);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(elf_image, elf_free)

/* The first note `type` of owner `name`: in the PT_NOTE segments or, failing that, the
 * SHT_NOTE sections.  Sets the place of its descriptor in the file.  False if there is
 * none, or the file is too short to find it. */
bool elf_find_note(const struct boot_image *image, const char *name, uint32_t type,
		   uint64_t *offset, uint32_t *size);

/* Takes the segments' memory from the layout; later writes them. */
gboolean elf_take(const struct elf_image *elf, struct boot_layout *layout, GError **error);
void elf_write(const struct elf_image *elf, const struct boot_image *image,
	       struct guest_memory *memory);

/* The segment that holds the virtual or physical address; NULL if there is none. */
const struct elf_segment *elf_find_virtual(const struct elf_image *elf, uint64_t address);
const struct elf_segment *elf_find_physical(const struct elf_image *elf, uint64_t address);

#endif
