// SPDX-License-Identifier: GPL-2.0-or-later
#include "footprint.h"

#include <link.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

/* The deepest thing that a thread does needs a tenth of that.  Less than a huge page of the
 * host, which would be all there as soon as the stack is touched. */
#define STACK_SIZE	(512u << 10)
#define ARENAS		2
/* What is larger is mapped, and given back to the host when it is freed. */
#define MMAP_THRESHOLD	(128 << 10)

void footprint_init(void)
{
	pthread_attr_t attributes;

	mallopt(M_ARENA_MAX, ARENAS);
	mallopt(M_MMAP_THRESHOLD, MMAP_THRESHOLD);
	if (pthread_getattr_default_np(&attributes))
		return;
	if (!pthread_attr_setstacksize(&attributes, STACK_SIZE))
		pthread_setattr_default_np(&attributes);
	pthread_attr_destroy(&attributes);
}

static void drop(uintptr_t start, uintptr_t end)
{
	uintptr_t page = sysconf(_SC_PAGESIZE);

	start &= ~(page - 1);
	madvise((void *)start, ((end + page - 1) & ~(page - 1)) - start, MADV_DONTNEED);
}

/* Of a program or a library: segments that nobody can have written. */
static int drop_segments(struct dl_phdr_info *object, size_t size, void *unused)
{
	const ElfW(Phdr) *segment;
	uintptr_t start;

	(void)size;
	(void)unused;
	for (unsigned int i = 0; i < object->dlpi_phnum; i++) {
		segment = &object->dlpi_phdr[i];
		start = object->dlpi_addr + segment->p_vaddr;
		if (segment->p_type == PT_LOAD && !(segment->p_flags & PF_W) && segment->p_memsz)
			drop(start, start + segment->p_memsz);
	}
	return 0;
}

void footprint_settle(void)
{
	malloc_trim(0);
	dl_iterate_phdr(drop_segments, NULL);
}
