// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Dirty tracking: exactly the pages that the guest writes, whatever the host does to them
 * meanwhile; large mappings that stay large.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dirty.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif

/* ------------------------------------------------------------ which pages */

static void exact(void)
{
	struct tracked t;

	tracked_init(&t, 200, MADV_NOHUGEPAGE);
	/* Known before the start, as well as never touched. */
	do_accesses(&t, W(3), R(4), W(5));
	check_equal(track_slot(&t, SLOT, 1), 0);
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
	check_equal(track_slot(&t, SLOT, 1), 0);
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
	check_equal(track_slot(&t, SLOT, 1), 0);
	guest_load(&t.g, G_LONG, paging_code, paging_code_end);
	check_equal(track_slot(&t, 0, 1), 0);
	tracked_finish(&t.g);
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
	check_equal(track_slot(&t, SLOT, 1), 0);
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
	check_equal(track_slot(&t, SLOT, 1), 0);
	check_equal(track_slot(&t, 2, 1), 0);
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
	check_equal(track_slot(&t, SLOT, 0), ENOENT);
	for (round = 0; round < 20; round++) {
		check_equal(track_slot(&t, SLOT, 1), 0);
		check_equal(track_slot(&t, SLOT, 1), EEXIST);
		expect_clean(&t);
		do_accesses(&t, W(round), R(round + 1));
		expect_dirty(&t, round);
		do_accesses(&t, W(40), R(41));
		check_equal(track_slot(&t, SLOT, 0), 0);
		check_equal(track_slot(&t, SLOT, 0), ENOENT);
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
	check_equal(track_slot(&t, SLOT, 1), 0);
	do_accesses(&t, W(1));
	check_equal(set_slot(&t, 0, NULL, 0, 0), 0);
	check_equal(take_range(&t, SLOT, 0, 64, t.bitmap), ENOENT);
	check_equal(track_slot(&t, SLOT, 0), ENOENT);
	check_equal(track_slot(&t, SLOT, 1), ENOENT);
	/* Another slot of that number is not tracked, and starts clean. */
	check_equal(set_slot(&t, BASE, t.ram, 64, 0), 0);
	check_equal(take_range(&t, SLOT, 0, 64, t.bitmap), ENOENT);
	do_accesses(&t, W(2));
	check_equal(track_slot(&t, SLOT, 1), 0);
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
	check_equal(track_slot(&t, SLOT, 2), EINVAL);
	check_equal(track_slot(&t, MICA_MAX_SLOTS, 1), EINVAL);
	check_equal(track_slot(&t, ~0u, 1), EINVAL);
	check_equal(track_slot(&t, 2, 1), ENOENT);
	check_equal(track_slot(&t, 2, 0), ENOENT);
	check_equal(track_slot(&t, SLOT, 1), 0);
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
	check_equal(track_slot(&t, SLOT, 1), 0);
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
	    tracked_access_all(t, 0, LARGE_PAGES, false) == 1 &&
	    tracked_access_all(t, LARGE_PAGES, 2 * LARGE_PAGES, false) == 1)
		return true;
	skip("no 2 MiB mappings here");
	return false;
}

/* All of these large pages can be read: nothing was dropped. */
static void no_faults(struct tracked *t, uint64_t first, uint64_t end)
{
	for (; first < end; first += LARGE_PAGES)
		check_equal(tracked_access_all(t, first, first + LARGE_PAGES, false), 0);
}

static void large(void)
{
	struct tracked t;
	uint64_t before;

	if (!large_init(&t))
		goto out;
	check_equal(track_slot(&t, SLOT, 1), 0);
	no_faults(&t, 0, 2 * LARGE_PAGES);
	expect_clean(&t);
	/* The first write makes one page writable, its neighbours stay readable. */
	before = tracked_faults(&t);
	do_accesses(&t, W(5), W(5), R(6));
	check_equal(tracked_faults(&t) - before, 1);
	no_faults(&t, 0, 2 * LARGE_PAGES);
	do_accesses(&t, W(6), W(5));
	check_equal(tracked_faults(&t) - before, 2);
	expect_dirty(&t, 5, 6);
	do_accesses(&t, W(5), W(600));
	check_equal(tracked_faults(&t) - before, 4);
	expect_dirty(&t, 5, 600);
	no_faults(&t, 0, 2 * LARGE_PAGES);
	expect_clean(&t);
	/* Large again, and writable, also where all of it was written. */
	check_equal(tracked_access_all(&t, 0, LARGE_PAGES, true), LARGE_PAGES);
	check_equal(track_slot(&t, SLOT, 0), 0);
	check_equal(tracked_access_all(&t, 0, LARGE_PAGES, true), 1);
	check_equal(tracked_access_all(&t, LARGE_PAGES, 2 * LARGE_PAGES, true), 1);
	/* Were writable when it starts. */
	check_equal(track_slot(&t, SLOT, 1), 0);
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
	check_equal(track_slot(&t, SLOT, 1), 0);
	check_equal(tracked_access_all(&t, 9, 10, true), 1);
	no_faults(&t, 0, LARGE_PAGES);
	check_equal(tracked_access_all(&t, LARGE_PAGES, 2 * LARGE_PAGES, false), 1);
	check_equal(tracked_access_all(&t, LARGE_PAGES + 1, LARGE_PAGES + 3, true), 2);
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
	check_equal(track_slot(&t, SLOT, 1), 0);
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
	check_equal(track_slot(&t, SLOT, 1), 0);
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
	tracked_access_all(&t, 0, LARGE_PAGES, true);
	check_equal(track_slot(&t, SLOT, 1), 0);
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
	{ }
};
