// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Dirty tracking: exactly the pages that the guest writes, whatever the host does to them
 * meanwhile; large mappings that stay large; a small migration of a guest that keeps writing.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif

#define PAGE		4096ull
#define LARGE		(2ull << 20)
#define LARGE_PAGES	(LARGE / PAGE)
#define BASE		0x40000000ull	/* guest-physical, of the slot that is tracked */
#define SLOT		1u
#define MAX_PAGES	65536u
#define WORDS(pages)	(((pages) + 63) / 64)

/* A guest with a slot of its own for data.  Its code runs without paging, so that the CPU
 * writes nothing by itself. */
struct tracked {
	struct guest g;
	uint8_t *ram;
	uint64_t pages;
	uint64_t bitmap[WORDS(MAX_PAGES)];
};

/* A list of addresses: odd ones are written at the even one below, others read; 0 ends it,
 * then it begins anew. */
GUEST_CODE(list_code, ".code32",
	"0: mov $0x100000, %esi\n"
	"1: mov (%esi), %eax\n add $4, %esi\n test %eax, %eax\n jz 3f\n test $1, %al\n jz 2f\n"
	"dec %eax\n incl (%eax)\n jmp 1b\n"
	"2: mov (%eax), %ebx\n jmp 1b\n"
	"3:" DONE "jmp 0b");

/* ------------------------------------------------------------ the kernel's side */

static int set_slot(struct tracked *t, uint64_t gpa, void *hva, uint64_t pages, uint32_t flags)
{
	struct mica_memory memory = { .slot = SLOT, .flags = flags, .gpa = gpa,
				      .size = pages * PAGE, .hva = (uintptr_t)hva };

	return ioctl(t->g.vm, MICA_VM_SET_MEMORY, &memory) ? errno : 0;
}

static int track(struct tracked *t, uint32_t slot, uint32_t enable)
{
	struct mica_track_dirty args = { .slot = slot, .enable = enable };

	return ioctl(t->g.vm, MICA_VM_TRACK_DIRTY, &args) ? errno : 0;
}

static int take_range(struct tracked *t, uint32_t slot, uint64_t first, uint64_t pages,
		      void *bitmap)
{
	struct mica_take_dirty args = { .slot = slot, .first = first, .pages = pages,
					.bitmap = (uintptr_t)bitmap };

	return ioctl(t->g.vm, MICA_VM_TAKE_DIRTY, &args) ? errno : 0;
}

static void take(struct tracked *t)
{
	memset(t->bitmap, 0xee, sizeof(t->bitmap));
	check_equal(take_range(t, SLOT, 0, t->pages, t->bitmap), 0);
}

static bool is_set(const uint64_t *bitmap, uint64_t page)
{
	return bitmap[page / 64] >> page % 64 & 1;
}

/* The bitmap has these pages, in rising order, and no others. */
static void has(struct tracked *t, int line, unsigned int count, const uint64_t *pages)
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

#define expect_dirty(t, ...) \
	({ const uint64_t pages_[] = { __VA_ARGS__ }; \
	   take(t); has(t, __LINE__, sizeof(pages_) / sizeof(pages_[0]), pages_); })
#define expect_clean(t)	({ take(t); has(t, __LINE__, 0, NULL); })

static uint64_t faults(struct tracked *t)
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

/* The host may want the thread for a moment, without a signal. */
static void finish(struct guest *g)
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

static void tracked_init(struct tracked *t, uint64_t pages, int advice)
{
	guest_init(&t->g);
	t->pages = pages;
	t->ram = map_aligned(pages, advice);
	check_equal(set_slot(t, BASE, t->ram, pages, 0), 0);
	guest_load(&t->g, G_PROT32, list_code, list_code_end);
	/* So that the list's pages are not replaced when it is written. */
	memset(guest_at(&t->g, G_DATA), 0, 0x10000);
	finish(&t->g);
}

static void tracked_destroy(struct tracked *t)
{
	guest_destroy(&t->g);
	munmap(t->ram, t->pages * PAGE);
}

static void accesses(struct tracked *t, unsigned int count, const uint64_t *list)
{
	uint32_t *to = guest_at(&t->g, G_DATA);
	unsigned int i;

	for (i = 0; i < count; i++)
		to[i] = list[i];
	to[count] = 0;
	finish(&t->g);
}

/* An access of the data slot's page. */
#define R(page)	(BASE + (page) * PAGE + 8)
#define W(page)	(R(page) | 1)
#define do_accesses(t, ...) \
	({ const uint64_t list_[] = { __VA_ARGS__ }; \
	   accesses(t, sizeof(list_) / sizeof(list_[0]), list_); })

/* One access of each page of [first, end); returns how many of them faulted. */
static uint64_t access_all(struct tracked *t, uint64_t first, uint64_t end, bool write)
{
	uint64_t before = faults(t), list[LARGE_PAGES];
	unsigned int i;

	for (i = 0; first + i < end; i++)
		list[i] = write ? W(first + i) : R(first + i);
	accesses(t, i, list);
	return faults(t) - before;
}

/* ------------------------------------------------------------ which pages */

static void exact(void)
{
	struct tracked t;

	tracked_init(&t, 200, MADV_NOHUGEPAGE);
	/* Known before the start, as well as never touched. */
	do_accesses(&t, W(3), R(4), W(5));
	check_equal(track(&t, SLOT, 1), 0);
	expect_clean(&t);
	do_accesses(&t, W(0), W(3), W(4), W(63), W(64), W(129), W(199), R(5), R(7));
	expect_dirty(&t, 0, 3, 4, 63, 64, 129, 199);
	expect_clean(&t);
	/* The same again, and two pages by one write. */
	do_accesses(&t, W(3), R(0), R(63), (BASE + 8 * PAGE - 2) | 1, W(150), W(150));
	expect_dirty(&t, 3, 7, 8, 150);
	do_accesses(&t, R(3), R(7), R(8), R(150), R(199));
	expect_clean(&t);
	check_equal(*(uint32_t *)(t.ram + 3 * PAGE + 8), 3);
	tracked_destroy(&t);
}

/* What is outside of the range stays dirty, and what was not asked for is not stored. */
static void ranges(void)
{
	struct tracked t;

	tracked_init(&t, 200, MADV_NOHUGEPAGE);
	check_equal(track(&t, SLOT, 1), 0);
	do_accesses(&t, W(1), W(63), W(64), W(127), W(128), W(199));
	memset(t.bitmap, 0xee, sizeof(t.bitmap));
	check_equal(take_range(&t, SLOT, 64, 64, t.bitmap), 0);
	check_equal(t.bitmap[0], 1ull << 63 | 1);
	check_equal(t.bitmap[1], 0xeeeeeeeeeeeeeeee);
	do_accesses(&t, W(65));
	check_equal(take_range(&t, SLOT, 192, 8, t.bitmap), 0);
	check_equal(t.bitmap[0], 1 << 7);
	check_equal(t.bitmap[1], 0xeeeeeeeeeeeeeeee);
	expect_dirty(&t, 1, 63, 65, 128);
	tracked_destroy(&t);
}

/* With paging the CPU writes, too: accessed bits, and wherever it walks if it keeps accessed
 * bits of the second level. */
GUEST_CODE(paging_code, ".code64", "mov 0x40003000, %eax\n incl 0x40005000\n" DONE);

static void page_tables(void)
{
	static const uint64_t tables[] = { (G_PAGES >> 12), (G_PAGES >> 12) + 1,
					   (G_PAGES >> 12) + 2, (G_PAGES >> 12) + 8 };
	struct tracked t;
	uint64_t page;
	unsigned int i;

	tracked_init(&t, 64, MADV_NOHUGEPAGE);
	check_equal(track(&t, SLOT, 1), 0);
	guest_load(&t.g, G_LONG, paging_code, paging_code_end);
	check_equal(track(&t, 0, 1), 0);
	finish(&t.g);
	expect_dirty(&t, 5);
	memset(t.bitmap, 0, sizeof(t.bitmap));
	check_equal(take_range(&t, 0, 0, G_RAM_SIZE / PAGE, t.bitmap), 0);
	for (i = 0; i < 4; i++) {
		check(is_set(t.bitmap, tables[i]), "the page table in page 0x%llx is clean",
		      (unsigned long long)tables[i]);
		t.bitmap[tables[i] / 64] &= ~(1ull << tables[i] % 64);
	}
	for (page = 0; page < G_RAM_SIZE / PAGE; page++)
		check(!is_set(t.bitmap, page), "page 0x%llx is dirty", (unsigned long long)page);
	tracked_destroy(&t);
}

static void read_only(void)
{
	struct tracked t;

	tracked_init(&t, 64, MADV_NOHUGEPAGE);
	check_equal(set_slot(&t, 0, NULL, 0, 0), 0);
	check_equal(set_slot(&t, BASE, t.ram, 64, MICA_MEM_READONLY), 0);
	check_equal(track(&t, SLOT, 1), 0);
	do_accesses(&t, R(0), R(1));
	((uint32_t *)guest_at(&t.g, G_DATA))[0] = W(1);
	check_equal(guest_run(&t.g), MICA_EXIT_MMIO);
	check_equal(t.g.run->mmio.gpa, R(1));
	expect_clean(&t);
	tracked_destroy(&t);
}

/* One piece of memory at two places: the one by which it was written. */
static void alias(void)
{
	struct mica_memory other = { .slot = 2, .gpa = BASE + LARGE, .size = 64 * PAGE };
	struct tracked t;

	tracked_init(&t, 64, MADV_NOHUGEPAGE);
	other.hva = (uintptr_t)t.ram;
	check(!ioctl(t.g.vm, MICA_VM_SET_MEMORY, &other), "set: %s", strerror(errno));
	check_equal(track(&t, SLOT, 1), 0);
	check_equal(track(&t, 2, 1), 0);
	do_accesses(&t, W(1), W(LARGE_PAGES + 2));
	expect_dirty(&t, 1);
	check_equal(take_range(&t, 2, 0, 64, t.bitmap), 0);
	check_equal(t.bitmap[0], 1 << 2);
	check_equal(*(uint32_t *)(t.ram + 2 * PAGE + 8), 1);
	tracked_destroy(&t);
}

/* ------------------------------------------------------------ start and stop */

static void restart(void)
{
	unsigned int round;
	struct tracked t;

	tracked_init(&t, 64, MADV_NOHUGEPAGE);
	check_equal(track(&t, SLOT, 0), ENOENT);
	for (round = 0; round < 20; round++) {
		check_equal(track(&t, SLOT, 1), 0);
		check_equal(track(&t, SLOT, 1), EEXIST);
		expect_clean(&t);
		do_accesses(&t, W(round), R(round + 1));
		expect_dirty(&t, round);
		do_accesses(&t, W(40), R(41));
		check_equal(track(&t, SLOT, 0), 0);
		check_equal(track(&t, SLOT, 0), ENOENT);
		check_equal(take_range(&t, SLOT, 0, 64, t.bitmap), ENOENT);
		do_accesses(&t, W(round), W(41), R(40));
	}
	check_equal(*(uint32_t *)(t.ram + 8), 2);
	check_equal(*(uint32_t *)(t.ram + 41 * PAGE + 8), 20);
	tracked_destroy(&t);
}

static void slot_removed(void)
{
	struct tracked t;

	tracked_init(&t, 64, MADV_NOHUGEPAGE);
	check_equal(track(&t, SLOT, 1), 0);
	do_accesses(&t, W(1));
	check_equal(set_slot(&t, 0, NULL, 0, 0), 0);
	check_equal(take_range(&t, SLOT, 0, 64, t.bitmap), ENOENT);
	check_equal(track(&t, SLOT, 0), ENOENT);
	check_equal(track(&t, SLOT, 1), ENOENT);
	/* Another slot of that number is not tracked, and starts clean. */
	check_equal(set_slot(&t, BASE, t.ram, 64, 0), 0);
	check_equal(take_range(&t, SLOT, 0, 64, t.bitmap), ENOENT);
	do_accesses(&t, W(2));
	check_equal(track(&t, SLOT, 1), 0);
	do_accesses(&t, W(3));
	expect_dirty(&t, 3);
	/* And goes with the VM. */
	do_accesses(&t, W(4));
	tracked_destroy(&t);
}

/* ------------------------------------------------------------ bad arguments */

static void arguments(void)
{
	static const struct {
		uint32_t slot;
		uint64_t first, pages;
		unsigned int offset;	/* of the bitmap */
		int error;
	} rows[] = {
		{ SLOT, 0, 200, 0, 0 }, { SLOT, 64, 64, 8, 0 }, { SLOT, 192, 8, 0, 0 },
		{ SLOT, 0, 0, 0, EINVAL }, { SLOT, 1, 64, 0, EINVAL }, { SLOT, 63, 1, 0, EINVAL },
		{ SLOT, 0, 63, 0, EINVAL }, { SLOT, 0, 199, 0, EINVAL }, { SLOT, 128, 8, 0, EINVAL },
		{ SLOT, 0, 201, 0, EINVAL }, { SLOT, 0, 256, 0, EINVAL }, { SLOT, 192, 64, 0, EINVAL },
		{ SLOT, 256, 64, 0, EINVAL }, { SLOT, 0, -64ull, 0, EINVAL },
		{ SLOT, -64ull, 64, 0, EINVAL }, { SLOT, -64ull, 128, 0, EINVAL },
		{ SLOT, 64, -64ull, 0, EINVAL }, { SLOT, 1ull << 63, 1ull << 63, 0, EINVAL },
		{ SLOT, 0, 64, 4, EINVAL }, { SLOT, 0, 64, 1, EINVAL },
		{ 0, 0, 64, 0, ENOENT }, { 2, 0, 64, 0, ENOENT }, { 63, 0, 64, 0, ENOENT },
		{ MICA_MAX_SLOTS, 0, 64, 0, EINVAL }, { ~0u, 0, 64, 0, EINVAL },
	};
	struct mica_take_dirty padded = { .slot = SLOT, .pad = 1, .pages = 64 };
	struct tracked t;
	unsigned int i;

	tracked_init(&t, 200, MADV_NOHUGEPAGE);
	check_equal(track(&t, SLOT, 2), EINVAL);
	check_equal(track(&t, MICA_MAX_SLOTS, 1), EINVAL);
	check_equal(track(&t, ~0u, 1), EINVAL);
	check_equal(track(&t, 2, 1), ENOENT);
	check_equal(track(&t, 2, 0), ENOENT);
	check_equal(track(&t, SLOT, 1), 0);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int error = take_range(&t, rows[i].slot, rows[i].first, rows[i].pages,
				       (uint8_t *)t.bitmap + rows[i].offset);

		check(error == rows[i].error, "row %u: %s instead of %s", i, strerror(error),
		      strerror(rows[i].error));
	}
	padded.bitmap = (uintptr_t)t.bitmap;
	check(ioctl(t.g.vm, MICA_VM_TAKE_DIRTY, &padded) && errno == EINVAL, "pad: %s",
	      strerror(errno));
	tracked_destroy(&t);
}

/* A bitmap of two pages of which the second cannot be stored: nothing is lost. */
static void bad_buffer(void)
{
	uint8_t *buffer = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct tracked t;

	mprotect(buffer + PAGE, PAGE, PROT_NONE);
	tracked_init(&t, MAX_PAGES, MADV_NOHUGEPAGE);
	check_equal(track(&t, SLOT, 1), 0);
	do_accesses(&t, W(0), W(777), W(MAX_PAGES - 1));
	check_equal(take_range(&t, SLOT, 0, MAX_PAGES, buffer), EFAULT);
	check_equal(take_range(&t, SLOT, 0, MAX_PAGES, (void *)0xffff800000000000), EFAULT);
	check_equal(take_range(&t, SLOT, 0, MAX_PAGES, (void *)-8ull), EFAULT);
	do_accesses(&t, W(777), W(5), R(0));
	expect_dirty(&t, 0, 5, 777, MAX_PAGES - 1);
	do_accesses(&t, W(MAX_PAGES - 1));
	expect_dirty(&t, MAX_PAGES - 1);
	tracked_destroy(&t);
	munmap(buffer, 2 * PAGE);
}

/* ------------------------------------------------------------ large mappings */

/* Two 2 MiB pages that the guest has read; false if it did not get them large. */
static bool large_init(struct tracked *t)
{
	tracked_init(t, 2 * LARGE_PAGES, MADV_HUGEPAGE);
	memset(t->ram, 0, 2 * LARGE);
	if ((t->g.info.caps & MICA_CAP_LARGE_2M) &&
	    access_all(t, 0, LARGE_PAGES, false) == 1 &&
	    access_all(t, LARGE_PAGES, 2 * LARGE_PAGES, false) == 1)
		return true;
	skip("no 2 MiB mappings here");
	return false;
}

/* All of these large pages can be read: nothing was dropped. */
static void no_faults(struct tracked *t, uint64_t first, uint64_t end)
{
	for (; first < end; first += LARGE_PAGES)
		check_equal(access_all(t, first, first + LARGE_PAGES, false), 0);
}

static void large(void)
{
	struct tracked t;
	uint64_t before;

	if (!large_init(&t))
		goto out;
	check_equal(track(&t, SLOT, 1), 0);
	no_faults(&t, 0, 2 * LARGE_PAGES);
	expect_clean(&t);
	/* The first write makes one page writable, its neighbours stay readable. */
	before = faults(&t);
	do_accesses(&t, W(5), W(5), R(6));
	check_equal(faults(&t) - before, 1);
	no_faults(&t, 0, 2 * LARGE_PAGES);
	do_accesses(&t, W(6), W(5));
	check_equal(faults(&t) - before, 2);
	expect_dirty(&t, 5, 6);
	do_accesses(&t, W(5), W(600));
	check_equal(faults(&t) - before, 4);
	expect_dirty(&t, 5, 600);
	no_faults(&t, 0, 2 * LARGE_PAGES);
	expect_clean(&t);
	/* Large again, and writable. */
	check_equal(track(&t, SLOT, 0), 0);
	check_equal(access_all(&t, 0, LARGE_PAGES, true), 1);
	check_equal(access_all(&t, LARGE_PAGES, 2 * LARGE_PAGES, true), 1);
	/* Were writable when it starts. */
	check_equal(track(&t, SLOT, 1), 0);
	do_accesses(&t, W(7));
	expect_dirty(&t, 7);
out:
	tracked_destroy(&t);
}

/* What is not mapped yet when it is written, or is mapped by a read: large around it. */
static void large_later(void)
{
	struct tracked t;

	if (!large_init(&t))
		goto out;
	check_equal(set_slot(&t, 0, NULL, 0, 0), 0);
	check_equal(set_slot(&t, BASE, t.ram, 2 * LARGE_PAGES, 0), 0);
	check_equal(track(&t, SLOT, 1), 0);
	check_equal(access_all(&t, 9, 10, true), 1);
	no_faults(&t, 0, LARGE_PAGES);
	check_equal(access_all(&t, LARGE_PAGES, 2 * LARGE_PAGES, false), 1);
	check_equal(access_all(&t, LARGE_PAGES + 1, LARGE_PAGES + 3, true), 2);
	expect_dirty(&t, 9, LARGE_PAGES + 1, LARGE_PAGES + 2);
out:
	tracked_destroy(&t);
}

/* ------------------------------------------------------------ what the host does meanwhile */

/* The page goes, and comes back with its contents or without: a bit that was set stays. */
static void host_changes(void)
{
	struct tracked t;

	tracked_init(&t, 64, MADV_NOHUGEPAGE);
	check_equal(track(&t, SLOT, 1), 0);
	do_accesses(&t, W(1), W(2), W(3));
	check(!madvise(t.ram + PAGE, PAGE, MADV_DONTNEED), "madvise: %s", strerror(errno));
	mprotect(t.ram + 2 * PAGE, PAGE, PROT_READ);
	do_accesses(&t, R(1), R(2));
	mprotect(t.ram + 2 * PAGE, PAGE, PROT_READ | PROT_WRITE);
	expect_dirty(&t, 1, 2, 3);
	do_accesses(&t, R(1), R(2), W(2));
	madvise(t.ram + 3 * PAGE, PAGE, MADV_DONTNEED);
	do_accesses(&t, R(3), W(1));
	expect_dirty(&t, 1, 2);
	check_equal(*(uint32_t *)(t.ram + PAGE + 8), 1);
	check_equal(*(uint32_t *)(t.ram + 2 * PAGE + 8), 2);
	tracked_destroy(&t);
}

/* A private mapping of a file, read and then written (so copied), and again after a fork:
 * the guest's writes are noted, and the child does not see them. */
static void copy_on_write(void)
{
	int fd = memfd_create("ram", MFD_CLOEXEC), pipes[2], status = 0;
	struct tracked t;
	uint32_t *word;
	pid_t child;
	char go = 0;

	tracked_init(&t, 64, MADV_NOHUGEPAGE);
	if (fd < 0 || ftruncate(fd, 64 * PAGE) || pipe(pipes))
		bail("memfd or pipe: %s", strerror(errno));
	check(mmap(t.ram, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, fd, 0) == t.ram,
	      "mmap: %s", strerror(errno));
	word = (uint32_t *)(t.ram + PAGE + 8);
	check_equal(track(&t, SLOT, 1), 0);
	do_accesses(&t, R(1), R(2));
	expect_clean(&t);
	do_accesses(&t, W(1));
	expect_dirty(&t, 1);
	do_accesses(&t, W(1));
	child = fork();
	if (!child)
		_exit(read(pipes[0], &go, 1) == 1 && *word == 2 ? 0 : 1);
	do_accesses(&t, R(2), W(1), W(3));
	expect_dirty(&t, 1, 3);
	check_equal(write(pipes[1], &go, 1), 1);
	waitpid(child, &status, 0);
	check(WIFEXITED(status) && !WEXITSTATUS(status), "the child sees the writes: 0x%x", status);
	check_equal(*word, 3);
	close(pipes[0]);
	close(pipes[1]);
	close(fd);
	tracked_destroy(&t);
}

static void collapse(void)
{
	struct tracked t;

	tracked_init(&t, 2 * LARGE_PAGES, MADV_NOHUGEPAGE);
	access_all(&t, 0, LARGE_PAGES, true);
	check_equal(track(&t, SLOT, 1), 0);
	do_accesses(&t, W(7));
	madvise(t.ram, LARGE, MADV_HUGEPAGE);
	if (madvise(t.ram, LARGE, MADV_COLLAPSE)) {
		skip("MADV_COLLAPSE: %s", strerror(errno));
		goto out;
	}
	do_accesses(&t, W(8), R(9));
	expect_dirty(&t, 7, 8);
	no_faults(&t, 0, LARGE_PAGES);
	expect_clean(&t);
	check_equal(*(uint32_t *)(t.ram + 8 * PAGE + 8), 2);
out:
	tracked_destroy(&t);
}

/* ------------------------------------------------------------ a small migration */

#define RACE_PAGES	(2 * LARGE_PAGES)
#define SEED		12345u
#define STOP_WORD	G_DATA

/* Writes pseudo-random numbers all over the slot until it is told to stop; reports how many. */
GUEST_CODE(race_code, ".code32",
	"mov $12345, %eax\n xor %ecx, %ecx\n"
	"1: imul $1103515245, %eax, %eax\n add $12345, %eax\n"
	"mov %eax, %ebx\n shr $10, %ebx\n and $0x3ffffc, %ebx\n"
	"mov %eax, 0x40000000(%ebx)\n inc %ecx\n cmpl $0, 0x100000\n je 1b\n"
	"mov %ecx, %eax\n" DONE);

static uint32_t next_number(uint32_t number)
{
	return number * 1103515245u + 12345u;
}

static uint32_t offset_of(uint32_t number)
{
	return number >> 10 & 0x3ffffc;
}

struct race {
	struct tracked t;
	uint8_t *copy;			/* the other side of the migration */
	uint64_t all[WORDS(RACE_PAGES)];	/* pages that were ever dirty */
	uint64_t copied;		/* pages, with repetitions */
	bool restarts;			/* tracking stops and starts now and then */
	bool ended;			/* the guest has, as it was told or not */
};

static void copy_dirty(struct race *race)
{
	uint64_t page;

	take(&race->t);
	for (page = 0; page < RACE_PAGES; page++) {
		if (!is_set(race->t.bitmap, page))
			continue;
		memcpy(race->copy + page * PAGE, race->t.ram + page * PAGE, PAGE);
		race->all[page / 64] |= 1ull << page % 64;
		race->copied++;
	}
}

static void start_over(struct race *race)
{
	check_equal(track(&race->t, SLOT, 0), 0);
	check_equal(track(&race->t, SLOT, 1), 0);
	memcpy(race->copy, race->t.ram, RACE_PAGES * PAGE);
}

#define RACE_ROUNDS	200
#define RACE_COPIES	3000
#define RACE_MOST	100000	/* the guest does not get on */

/* As long as it takes to copy many pages by many bitmaps; the guest has its share of the CPU. */
static void *copy_thread(void *arg)
{
	struct race *race = arg;
	unsigned int round;

	for (round = 0; round < RACE_ROUNDS || race->copied < RACE_COPIES; round++) {
		if (round == RACE_MOST || __atomic_load_n(&race->ended, __ATOMIC_ACQUIRE)) {
			check(false, "only %llu pages in %u rounds",
			      (unsigned long long)race->copied, round);
			break;
		}
		copy_dirty(race);
		if (race->restarts && round % 64 == 63)
			start_over(race);
		sched_yield();
	}
	__atomic_store_n((uint32_t *)guest_at(&race->t.g, STOP_WORD), 1, __ATOMIC_RELEASE);
	return NULL;
}

/* What the guest's memory must be after `count` writes. */
static void check_memory(struct race *race, uint32_t count)
{
	uint8_t *expected = calloc(RACE_PAGES, PAGE);
	uint32_t number = SEED, i;
	uint64_t page;

	for (i = 0; i < count; i++) {
		number = next_number(number);
		memcpy(expected + offset_of(number), &number, 4);
	}
	for (page = 0; page < RACE_PAGES; page++) {
		check(!memcmp(race->t.ram + page * PAGE, expected + page * PAGE, PAGE),
		      "page %llu is not what the guest wrote", (unsigned long long)page);
		check(!memcmp(race->t.ram + page * PAGE, race->copy + page * PAGE, PAGE),
		      "the copy of page %llu is old", (unsigned long long)page);
	}
	free(expected);
}

static void check_union(struct race *race, uint32_t count)
{
	uint64_t written[WORDS(RACE_PAGES)] = { 0 };
	uint32_t number = SEED, i, page;

	for (i = 0; i < count; i++) {
		number = next_number(number);
		page = offset_of(number) / PAGE;
		written[page / 64] |= 1ull << page % 64;
	}
	/* What is written between a stop and a start is not in a bitmap. */
	for (page = 0; page < RACE_PAGES; page++) {
		check(is_set(written, page) || !is_set(race->all, page),
		      "page %u was dirty, but not written", page);
		check(!is_set(written, page) || is_set(race->all, page) || race->restarts,
		      "page %u was written, but never dirty", page);
	}
}

static void migrate(int advice, bool restarts)
{
	static struct race race;
	pthread_t thread;

	memset(&race, 0, sizeof(race));
	tracked_init(&race.t, RACE_PAGES, advice);
	race.restarts = restarts;
	race.copy = calloc(RACE_PAGES, PAGE);
	memset(race.t.ram, 0, RACE_PAGES * PAGE);
	guest_load(&race.t.g, G_PROT32, race_code, race_code_end);
	check_equal(track(&race.t, SLOT, 1), 0);
	pthread_create(&thread, NULL, copy_thread, &race);
	finish(&race.t.g);
	__atomic_store_n(&race.ended, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	copy_dirty(&race);
	check_memory(&race, race.t.g.done);
	check_union(&race, race.t.g.done);
	copy_dirty(&race);
	has(&race.t, __LINE__, 0, NULL);
	free(race.copy);
	tracked_destroy(&race.t);
}

static void migrate_small(void)
{
	migrate(MADV_NOHUGEPAGE, false);
}

static void migrate_large(void)
{
	migrate(MADV_HUGEPAGE, false);
}

static void migrate_restart(void)
{
	migrate(MADV_HUGEPAGE, true);
}

TESTS(dirty_tests) = {
	{ "dirty-exact", exact },
	{ "dirty-ranges", ranges },
	{ "dirty-page-tables", page_tables },
	{ "dirty-read-only", read_only },
	{ "dirty-alias", alias },
	{ "dirty-restart", restart },
	{ "dirty-slot-removed", slot_removed },
	{ "dirty-arguments", arguments },
	{ "dirty-bad-buffer", bad_buffer },
	{ "dirty-large", large },
	{ "dirty-large-later", large_later },
	{ "dirty-host-changes", host_changes },
	{ "dirty-copy-on-write", copy_on_write },
	{ "dirty-collapse", collapse },
	{ "dirty-migrate-small", migrate_small },
	{ "dirty-migrate-large", migrate_large },
	{ "dirty-migrate-restart", migrate_restart },
	{ }
};
