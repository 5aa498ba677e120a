// SPDX-License-Identifier: GPL-2.0-or-later
#include "memory.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <mica.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kept.h"

/* A mapping that starts at such a multiple lets the host use 2 MiB pages for it, and
 * the kernel map them for the guest as they are. */
#define MEMORY_ALIGNMENT	(2ull << 20)
#define MEMORY_MAX_RANGES	2

struct guest_memory {
	uint64_t size;
	bool shared;
	int pagemap;			/* -1: there is none */
	size_t count;
	struct memory_range ranges[MEMORY_MAX_RANGES];
};

/* A file in memory of a size that nobody can change: a mapping of it never loses its pages.
 * -1 with errno. */
static int memory_make_file(uint64_t size)
{
	int fd = memfd_create("mica-memory", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int number;

	if (fd >= 0 && !ftruncate(fd, size) &&
	    !fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		return fd;
	number = errno;
	if (fd >= 0)
		close(fd);
	errno = number;
	return -1;
}

/* Unmapped address space around an aligned part of `size` bytes is given back.  fd -1:
 * private memory. */
static void *memory_map(uint64_t size, int fd)
{
	uint64_t length = size + MEMORY_ALIGNMENT;
	uintptr_t start, aligned;
	void *mapping;

	mapping = mmap(NULL, length, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (mapping == MAP_FAILED)
		return NULL;
	start = (uintptr_t)mapping;
	aligned = (start + MEMORY_ALIGNMENT - 1) & ~(uintptr_t)(MEMORY_ALIGNMENT - 1);
	if (aligned > start)
		munmap(mapping, aligned - start);
	if (start + length > aligned + size)
		munmap((void *)(aligned + size), start + length - (aligned + size));
	if (fd >= 0 && mmap((void *)aligned, size, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_FIXED | MAP_NORESERVE, fd, 0) == MAP_FAILED) {
		munmap((void *)aligned, size);
		return NULL;
	}
	/* Both are wishes: a host without them runs guests as well. */
	madvise((void *)aligned, size, MADV_HUGEPAGE);
	madvise((void *)aligned, size, MADV_DONTDUMP);
	return (void *)aligned;
}

static gboolean memory_register(int vm_fd, unsigned int slot, const struct memory_range *range,
				GError **error)
{
	struct mica_memory request = {
		.slot = slot,
		.gpa = range->gpa,
		.size = range->size,
		.hva = (uintptr_t)range->host,
	};

	if (vm_fd < 0 || ioctl(vm_fd, MICA_VM_SET_MEMORY, &request) == 0)
		return TRUE;
	g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno),
		    "the module does not take memory at 0x%" PRIx64 "-0x%" PRIx64 ": %s",
		    range->gpa, range->gpa + (range->size - 1), g_strerror(errno));
	return FALSE;
}

static gboolean memory_add(struct guest_memory *memory, int vm_fd, uint64_t gpa, uint64_t size,
			   GError **error)
{
	struct memory_range *range = &memory->ranges[memory->count];

	range->gpa = gpa;
	range->size = size;
	range->file = -1;
	range->fd = memory->shared ? memory_make_file(size) : -1;
	if (!memory->shared || range->fd >= 0)
		range->host = memory_map(size, range->fd);
	if (!range->host) {
		if (range->fd >= 0)
			close(range->fd);
		g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno),
			    "cannot map %" PRIu64 " MiB for the guest's memory: %s",
			    size >> 20, g_strerror(errno));
		return FALSE;
	}
	memory->count++;
	return memory_register(vm_fd, memory->count - 1, range, error);
}

static struct guest_memory *memory_new(int vm_fd, uint64_t size, bool shared, GError **error)
{
	struct guest_memory *memory = g_new0(struct guest_memory, 1);
	uint64_t low = MIN(size, MEMORY_HOLE_START);

	memory->size = size;
	memory->shared = shared;
	memory->pagemap = kept_open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC, 0);
	if (size < MEMORY_ALIGNMENT || size % MEMORY_ALIGNMENT) {
		g_set_error_literal(error, G_FILE_ERROR, G_FILE_ERROR_INVAL,
				    "the guest's memory must be a multiple of 2 MiB");
		goto fail;
	}
	if (!memory_add(memory, vm_fd, 0, low, error))
		goto fail;
	if (size > low && !memory_add(memory, vm_fd, MEMORY_HOLE_END, size - low, error))
		goto fail;
	return memory;

fail:
	guest_memory_free(memory);
	return NULL;
}

struct guest_memory *guest_memory_new(int vm_fd, uint64_t size, GError **error)
{
	return memory_new(vm_fd, size, false, error);
}

struct guest_memory *guest_memory_new_shared(int vm_fd, uint64_t size, GError **error)
{
	return memory_new(vm_fd, size, true, error);
}

void guest_memory_free(struct guest_memory *memory)
{
	if (!memory)
		return;
	for (size_t i = 0; i < memory->count; i++) {
		munmap(memory->ranges[i].host, memory->ranges[i].size);
		if (memory->ranges[i].fd >= 0)
			close(memory->ranges[i].fd);
		if (memory->ranges[i].file >= 0)
			close(memory->ranges[i].file);
	}
	if (memory->pagemap >= 0)
		close(memory->pagemap);
	g_free(memory);
}

uint64_t guest_memory_size(const struct guest_memory *memory)
{
	return memory->size;
}

const struct memory_range *guest_memory_ranges(const struct guest_memory *memory, size_t *count)
{
	*count = memory->count;
	return memory->ranges;
}

void *guest_memory_pointer(const struct guest_memory *memory, uint64_t gpa, uint64_t length)
{
	const struct memory_range *range;
	uint64_t offset;

	if (!length)
		return NULL;
	for (size_t i = 0; i < memory->count; i++) {
		range = &memory->ranges[i];
		offset = gpa - range->gpa;
		if (offset < range->size && length <= range->size - offset)
			return (uint8_t *)range->host + offset;
	}
	return NULL;
}

bool guest_memory_read(const struct guest_memory *memory, uint64_t gpa, void *to, size_t length)
{
	const void *from = guest_memory_pointer(memory, gpa, length);

	if (!from)
		return false;
	memcpy(to, from, length);
	return true;
}

bool guest_memory_write(const struct guest_memory *memory, uint64_t gpa, const void *from,
			size_t length)
{
	void *to = guest_memory_pointer(memory, gpa, length);

	if (!to)
		return false;
	memcpy(to, from, length);
	return true;
}

int guest_memory_pagemap(const struct guest_memory *memory)
{
	return memory->pagemap;
}

/* In the place of what is there; nothing has changed if it fails.  The wishes as above. */
static int memory_replace(void *host, uint64_t size, int flags, int fd, uint64_t offset)
{
	if (mmap(host, size, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE | flags, fd, offset) == MAP_FAILED)
		return -errno;
	madvise(host, size, MADV_HUGEPAGE);
	madvise(host, size, MADV_DONTDUMP);
	return 0;
}

int guest_memory_map_file(struct guest_memory *memory, size_t index, int fd, uint64_t offset)
{
	struct memory_range *range = &memory->ranges[index];
	int copy, error;

	if (memory->shared)
		return -EOPNOTSUPP;
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (copy < 0)
		return -errno;
	error = memory_replace(range->host, range->size, 0, copy, offset);
	if (error) {
		close(copy);
		return error;
	}
	if (range->file >= 0)
		close(range->file);
	range->file = copy;
	range->file_offset = offset;
	return 0;
}

/* Of a file's mapping dropped pages would come back from the file. */
static bool memory_has_file(const struct guest_memory *memory, const void *host)
{
	const struct memory_range *range;

	for (size_t i = 0; i < memory->count; i++) {
		range = &memory->ranges[i];
		if ((uintptr_t)host - (uintptr_t)range->host < range->size)
			return range->file >= 0;
	}
	return false;
}

/* Of shared memory the file must let the pages go.  The kernel's MMU notifier takes them from
 * the guest's tables. */
int guest_memory_discard(const struct guest_memory *memory, void *host, uint64_t length)
{
	if (memory_has_file(memory, host))
		return memory_replace(host, length, MAP_ANONYMOUS, -1, 0);
	return madvise(host, length, memory->shared ? MADV_REMOVE : MADV_DONTNEED) < 0 ? -errno : 0;
}
