/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest's RAM: mappings of this process, registered with the kernel as slots.
 * RAM starts at 0; what does not fit below MEMORY_HOLE_START goes on at 4 GiB.
 *
 * The guest can write its RAM at any time: copy a value once, check the copy, use the
 * copy.  guest_memory_pointer() is for bulk data and for loaders that run before the
 * guest does.
 */
#ifndef MICA_VMM_MEMORY_H
#define MICA_VMM_MEMORY_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MEMORY_HOLE_START	0xc0000000ull	/* PCI windows, APICs, ECAM live above */
#define MEMORY_HOLE_END		0x100000000ull

struct guest_memory;

struct memory_range {
	uint64_t gpa;
	uint64_t size;
	void *host;
	int fd;				/* what it maps, from the beginning; -1: private memory */
	/* Private memory: pages that were not written since guest_memory_map_file() are those of
	 * this file, from here on.  -1: they are zero. */
	int file;
	uint64_t file_offset;
};

/* `size` in bytes, a multiple of 2 MiB, at least 2 MiB.  vm_fd -1: no kernel (unit tests). */
struct guest_memory *guest_memory_new(int vm_fd, uint64_t size, GError **error);
/* The same in memory that other processes can map, for those that serve a device: a memfd
 * for each range, whose size nobody can change. */
struct guest_memory *guest_memory_new_shared(int vm_fd, uint64_t size, GError **error);
void guest_memory_free(struct guest_memory *memory);

uint64_t guest_memory_size(const struct guest_memory *memory);
/* The contiguous ranges in ascending order; *count is 1 or 2. */
const struct memory_range *guest_memory_ranges(const struct guest_memory *memory, size_t *count);

/* Range `index`, private memory, becomes a private mapping of the file from `offset` (a multiple
 * of 4096) on: pages come in when they are touched, writes stay here.  The file must keep its
 * contents and size for as long as the guest lives; `fd`, open for reading, stays the caller's.
 * Slots that the kernel has stay right: its MMU notifier sees the old pages go.  0 or -errno;
 * nothing has changed then. */
int guest_memory_map_file(struct guest_memory *memory, size_t index, int fd, uint64_t offset);

/* /proc/self/pagemap of this process, or -1: its pread(2) tells which pages exist (the kernel's
 * Documentation/admin-guide/mm/pagemap.rst).  It may be another process's after a fork(). */
int guest_memory_pagemap(const struct guest_memory *memory);

/* NULL if [gpa, gpa + length) is not inside one range (a zero length is never inside). */
void *guest_memory_pointer(const struct guest_memory *memory, uint64_t gpa, uint64_t length);
/* False, and nothing copied, if the range is not all RAM. */
bool guest_memory_read(const struct guest_memory *memory, uint64_t gpa, void *to, size_t length);
bool guest_memory_write(const struct guest_memory *memory, uint64_t gpa, const void *from,
			size_t length);

/* Gives pages back to the host: they read as zeroes from now on.  Whole pages inside of one
 * range.  0 or -errno. */
int guest_memory_discard(const struct guest_memory *memory, void *host, uint64_t length);

#endif
