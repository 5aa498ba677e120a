/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a loader leaves below 1 MiB besides its protocol's own structures: BIOS data area,
 * GDT, page tables, command lines.  Addresses are those of docs/memory-map.md.
 */
#ifndef MICA_VMM_BOOT_LOWMEM_H
#define MICA_VMM_BOOT_LOWMEM_H

#include <glib.h>
#include <mica.h>
#include <stdint.h>

#include "boot.h"

#define BOOT_LOW_END		0x1000ull	/* vectors, BIOS data area, GDT */
#define BOOT_PARAMS_END		0x9000ull
#define BOOT_PAGE_TABLES_END	0xf000ull	/* 64-bit entries only */
#define BOOT_COMMAND_LINE_END	0x30000ull
#define BOOT_EBDA_ADDRESS	0x9fc00ull	/* end of conventional memory */
#define BOOT_EBDA_END		0xa0000ull

/* Selectors of the GDT, as "32-bit BOOT PROTOCOL" of the Linux/x86 boot protocol names
 * them (__BOOT_CS, __BOOT_DS); the other protocols leave them open. */
#define BOOT_CS			0x10
#define BOOT_DS			0x18
#define BOOT_GDT_LIMIT		0x1f

/* The BIOS data area and a GDT with `state`'s cs at BOOT_CS and ds at BOOT_DS. */
void boot_write_low_memory(struct guest_memory *memory, const struct mica_vcpu_state *state);

/* Identity map of the first 4 GiB in 2 MiB pages, which every CPU with long mode has.  All
 * that a loader places lies below. */
void boot_write_identity_map(struct guest_memory *memory);

/* Command lines: appended to `strings` with their NUL, later written to
 * BOOT_COMMAND_LINE as one piece.  *address is where the guest will find it.
 * BOOT_ERROR_SPACE: the area is full. */
gboolean boot_string_add(GByteArray *strings, const char *string, uint32_t *address,
			 GError **error);
void boot_strings_write(struct guest_memory *memory, const GByteArray *strings);

/* Guest-physical memory that the caller's boot_layout has taken. */
void boot_write(struct guest_memory *memory, uint64_t gpa, const void *from, size_t length);

#endif
