// SPDX-License-Identifier: GPL-2.0-or-later
#include "dirty.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

/* A list of addresses, with what is done there in the low bits: bit 0 increments, bit 1 stores
 * 1 without a read before, none reads; 0 ends it, then it begins anew. */
GUEST_CODE(list_code, ".code32",
	"0: mov $0x100000, %esi\n"
	"1: mov (%esi), %eax\n add $4, %esi\n test %eax, %eax\n jz 4f\n test $1, %al\n jz 2f\n"
	"dec %eax\n incl (%eax)\n jmp 1b\n"
	"2: test $2, %al\n jz 3f\n movl $1, -2(%eax)\n jmp 1b\n"
	"3: mov (%eax), %ebx\n jmp 1b\n"
	"4:" DONE "jmp 0b");

/* ------------------------------------------------------------ the kernel's side */

int set_slot(struct tracked *t, uint64_t gpa, void *hva, uint64_t pages, uint32_t flags)
{
	struct mica_memory memory = { .slot = SLOT, .flags = flags, .gpa = gpa,
				      .size = pages * PAGE, .hva = (uintptr_t)hva };

	return ioctl(t->g.vm, MICA_VM_SET_MEMORY, &memory) ? errno : 0;
}

int track_slot(struct tracked *t, uint32_t slot, uint32_t enable)
{
	struct mica_track_dirty args = { .slot = slot, .enable = enable };

	return ioctl(t->g.vm, MICA_VM_TRACK_DIRTY, &args) ? errno : 0;
}

int take_range(struct tracked *t, uint32_t slot, uint64_t first, uint64_t pages,
		      void *bitmap)
{
	struct mica_take_dirty args = { .slot = slot, .first = first, .pages = pages,
					.bitmap = (uintptr_t)bitmap };

	return ioctl(t->g.vm, MICA_VM_TAKE_DIRTY, &args) ? errno : 0;
}

void tracked_take(struct tracked *t)
{
	memset(t->bitmap, 0xee, sizeof(t->bitmap));
	check_equal(take_range(t, SLOT, 0, t->pages, t->bitmap), 0);
}

void tracked_has(struct tracked *t, int line, unsigned int count, const uint64_t *pages)
{
	uint64_t page, end = WORDS(t->pages) * 64;
	unsigned int i = 0;

	for (page = 0; page < end; page++) {
		bool expected = i < count && pages[i] == page;

		check(is_set(t->bitmap, page) == expected, "line %d: page %llu is %s", line,
		      (unsigned long long)page, expected ? "clean" : "dirty");
		i += expected;
	}
}

uint64_t tracked_faults(struct tracked *t)
{
	static struct mica_stats stats;
	unsigned int i;

	if (ioctl(t->g.vcpu, MICA_VCPU_GET_STATS, &stats))
		bail("MICA_VCPU_GET_STATS: %s", strerror(errno));
	for (i = 0; i < stats.count; i++)
		if (!strcmp(stats.stats[i].name, "faults"))
			return stats.stats[i].value;
	bail("no counter of faults");
}

/* ------------------------------------------------------------ the guest's side */

void tracked_finish(struct guest *g)
{
	enum mica_exit reason;

	do {
		reason = guest_run(g);
	} while (reason == MICA_EXIT_INTERRUPTED);
	check(reason == MICA_EXIT_IO && g->run->io.port == G_DONE, "the guest ended with %s",
	      guest_exit_name(reason));
	g->done = g->run->io.data;
}

static void *map_aligned(uint64_t pages, int advice)
{
	uint64_t size = pages * PAGE;
	uint8_t *all = mmap(NULL, size + LARGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uint8_t *start = (uint8_t *)(((uintptr_t)all + LARGE - 1) & ~(LARGE - 1));

	if (all == MAP_FAILED)
		bail("mmap: %s", strerror(errno));
	if (start > all)
		munmap(all, start - all);
	munmap(start + size, all + LARGE - start);
	madvise(start, size, advice);
	return start;
}

void tracked_init(struct tracked *t, uint64_t pages, int advice)
{
	guest_init(&t->g);
	t->pages = pages;
	t->ram = map_aligned(pages, advice);
	check_equal(set_slot(t, BASE, t->ram, pages, 0), 0);
	guest_load(&t->g, G_PROT32, list_code, list_code_end);
	/* So that the list's pages are not replaced when it is written. */
	memset(guest_at(&t->g, G_DATA), 0, 0x10000);
	tracked_finish(&t->g);
}

void tracked_destroy(struct tracked *t)
{
	guest_destroy(&t->g);
	munmap(t->ram, t->pages * PAGE);
}

void tracked_accesses(struct tracked *t, unsigned int count, const uint64_t *list)
{
	uint32_t *to = guest_at(&t->g, G_DATA);
	unsigned int i;

	for (i = 0; i < count; i++)
		to[i] = list[i];
	to[count] = 0;
	tracked_finish(&t->g);
}

uint64_t tracked_access_all(struct tracked *t, uint64_t first, uint64_t end, bool write)
{
	uint64_t before = tracked_faults(t), list[LARGE_PAGES];
	unsigned int i;

	for (i = 0; first + i < end; i++)
		list[i] = write ? S(first + i) : R(first + i);
	tracked_accesses(t, i, list);
	return tracked_faults(t) - before;
}
