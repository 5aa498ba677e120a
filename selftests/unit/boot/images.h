/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Kernel images made in memory for the tests of the loaders.  Every specification starts
 * from a default that loads; a test changes one thing.
 */
#ifndef MICA_TEST_BOOT_IMAGES_H
#define MICA_TEST_BOOT_IMAGES_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* The byte at `offset` of the kernel's own code, in every image. */
static inline uint8_t image_pattern(uint64_t offset)
{
	return offset * 7 + (offset >> 8) + 1;
}

struct bzimage_spec {
	uint16_t version;
	uint8_t setup_sectors;
	uint32_t code_size;		/* bytes in the file */
	uint32_t syssize;		/* what the header says, 16-byte units */
	uint8_t header_jump;		/* distance to the end of the header */
	uint8_t loadflags;
	uint16_t xloadflags;
	uint32_t initrd_addr_max;
	uint32_t alignment;
	uint8_t relocatable;
	uint32_t cmdline_size;
	uint64_t pref_address;
	uint32_t init_size;
};
struct bzimage_spec bzimage_spec(void);
GByteArray *image_bzimage(const struct bzimage_spec *spec);

enum elf_note { ELF_NOTE_NONE, ELF_NOTE_SEGMENT, ELF_NOTE_SECTION };

struct elf_spec_segment {
	uint64_t virtual_address;
	uint64_t address;
	uint64_t file_size;
	uint64_t memory_size;
};

#define ELF_SPEC_SEGMENTS	4
struct elf_spec {
	bool is_64;
	uint16_t machine;
	uint16_t type;
	uint64_t entry;
	unsigned int segment_count;
	struct elf_spec_segment segments[ELF_SPEC_SEGMENTS];
	enum elf_note note;
	uint32_t note_size;		/* of the PVH entry: 4 or 8 */
	uint64_t note_entry;
	bool note_behind_others;	/* three other notes come first */
	uint32_t note_align;		/* of the notes: 4 or 8 */
	bool multiboot;			/* a multiboot header lies behind the ELF headers */
	uint32_t multiboot_flags;
};
struct elf_spec elf_spec(bool is_64);
/* *needed: how many of its bytes the kernel cannot do without. */
GByteArray *image_elf(const struct elf_spec *spec, size_t *needed);
/* Where the data of a segment starts in the file. */
uint64_t image_elf_segment_offset(const struct elf_spec *spec, unsigned int index);

struct flat_spec {
	uint32_t header_offset;		/* in the file */
	uint32_t flags;
	uint32_t checksum_error;	/* added to the checksum */
	uint32_t header;		/* the five addresses, see the specification */
	uint32_t load;
	uint32_t load_end;
	uint32_t bss_end;
	uint32_t entry;
	uint32_t size;			/* of the file */
};
struct flat_spec flat_spec(void);
GByteArray *image_flat(const struct flat_spec *spec);

#endif
