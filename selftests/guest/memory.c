// SPDX-License-Identifier: GPL-2.0-or-later
/* Second-level faults: RAM on demand, holes, read-only memory, memory that the host takes away. */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "guest.h"

GUEST_CODE(hole_code, ".code64",
	"mov $0xd0000010, %ebx\n mov $0x77, %eax\n mov (%rbx), %eax\n nop\n" REPORT
	"movl $0x1234, (%rbx)\n" DONE);

/* The VMM is told address and direction; all-ones are what it gives, as a bus does. */
static void hole(void)
{
	struct guest g;

	guest_init(&g);
	guest_load(&g, G_LONG, hole_code, hole_code_end);
	check_equal(guest_run(&g), MICA_EXIT_MMIO);
	check_equal(g.run->mmio.gpa, G_HOLE + 0x10);
	check_equal(g.run->mmio.flags & (MICA_MMIO_READ | MICA_MMIO_WRITE), MICA_MMIO_READ);
	check_equal(g.run->state_cached, MICA_STATE_ALL);
	g.run->state.gprs.rax = 0xffffffff;
	g.run->state.gprs.rip += 2;
	g.run->state_commit = MICA_STATE_GPRS;
	check_equal(guest_run(&g), MICA_EXIT_MMIO);
	check_equal(g.report_count, 1);
	check_equal(g.reports[0], 0xffffffff);
	check_equal(g.run->mmio.flags & (MICA_MMIO_READ | MICA_MMIO_WRITE), MICA_MMIO_WRITE);
	g.run->state.gprs.rip += 6;
	g.run->state_commit = MICA_STATE_GPRS;
	guest_finish(&g);
	guest_destroy(&g);
}

GUEST_CODE(fetch_code, ".code64", "mov $0xd0000000, %eax\n jmp *%rax");

static void hole_fetch(void)
{
	struct guest g;

	guest_init(&g);
	guest_load(&g, G_LONG, fetch_code, fetch_code_end);
	check_equal(guest_run(&g), MICA_EXIT_MMIO);
	check_equal(g.run->mmio.gpa, G_HOLE);
	check(g.run->mmio.flags & MICA_MMIO_EXEC, "flags 0x%x", g.run->mmio.flags);
	guest_destroy(&g);
}

static int add_slot(struct guest *g, uint32_t slot, uint64_t gpa, void *hva, uint64_t size,
		    uint32_t flags)
{
	struct mica_memory memory = { .slot = slot, .flags = flags, .gpa = gpa, .size = size,
				      .hva = (uintptr_t)hva };

	return ioctl(g->vm, MICA_VM_SET_MEMORY, &memory);
}

GUEST_CODE(rom_code, ".code64",
	"mov $0xc0000000, %ebx\n mov (%rbx), %eax\n" REPORT "movl $1, (%rbx)\n mov (%rbx), %eax\n" DONE);

static void read_only(void)
{
	uint32_t *rom = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct guest g;

	rom[0] = 0xfeedface;
	guest_init(&g);
	check(!add_slot(&g, 1, 0xc0000000, rom, 8192, MICA_MEM_READONLY), "set: %s", strerror(errno));
	guest_load(&g, G_LONG, rom_code, rom_code_end);
	check_equal(guest_run(&g), MICA_EXIT_MMIO);
	check_equal(g.reports[0], 0xfeedface);
	check_equal(g.run->mmio.gpa, 0xc0000000);
	check(g.run->mmio.flags & MICA_MMIO_WRITE, "flags 0x%x", g.run->mmio.flags);
	g.run->state.gprs.rip += 6;
	g.run->state_commit = MICA_STATE_GPRS;
	if (guest_finish(&g))
		check_equal(g.done, 0xfeedface);
	guest_destroy(&g);
	munmap(rom, 8192);
}

/* Reads 1 MiB.., writes back +1, again and again, one round per OUT. */
GUEST_CODE(touch_code, ".code64",
	"1: mov 0x100000, %eax\n incl 0x100000\n" REPORT "out %eax, $0x80\n jmp 1b");

/* What the host does to the mapping is what the guest sees at its next access. */
static void host_changes(void)
{
	struct guest g;
	uint32_t *word;

	guest_init(&g);
	word = guest_at(&g, G_DATA);
	guest_load(&g, G_LONG, touch_code, touch_code_end);
	*word = 5;
	guest_run(&g);
	check_equal(g.reports[0], 5);
	check_equal(*word, 6);
	check(!madvise(word, 4096, MADV_DONTNEED), "madvise: %s", strerror(errno));
	guest_run(&g);
	check_equal(g.reports[1], 0);
	check_equal(*word, 1);
	check(!mprotect(word, 4096, PROT_READ), "mprotect: %s", strerror(errno));
	check_equal(guest_run(&g), MICA_EXIT_MEMORY_FAULT);
	check_equal(g.run->mmio.gpa, G_DATA);
	check_equal(g.run->mmio.error, -EFAULT);
	mprotect(word, 4096, PROT_READ | PROT_WRITE);
	guest_run(&g);
	check_equal(g.reports[2], 1);
	guest_destroy(&g);
}

static void slot_removed(void)
{
	uint32_t *ram = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct guest g;

	guest_init(&g);
	ram[0] = 3;
	check(!add_slot(&g, 5, 0xc0000000, ram, 4096, 0), "set: %s", strerror(errno));
	guest_load(&g, G_LONG, rom_code, rom_code_end);
	guest_finish(&g);
	check_equal(g.done, 1);
	check(!add_slot(&g, 5, 0, NULL, 0, 0), "remove: %s", strerror(errno));
	guest_load(&g, G_LONG, rom_code, rom_code_end);
	check_equal(guest_run(&g), MICA_EXIT_MMIO);
	check(add_slot(&g, 5, 0, NULL, 0, 0) && errno == ENOENT, "removed twice: %s", strerror(errno));
	guest_destroy(&g);
	munmap(ram, 4096);
}

/* Every page of RAM once, so that all levels of the tables are used. */
GUEST_CODE(sweep_code, ".code64",
	"mov $0x100000, %ebx\n xor %eax, %eax\n"
	"1: add (%rbx), %eax\n mov %eax, (%rbx)\n add $0x1000, %ebx\n cmp $0x400000, %ebx\n jb 1b\n" DONE);

static void sweep(void)
{
	struct guest g;
	unsigned int i;

	guest_init(&g);
	for (i = 0x100; i < 0x400; i++)
		*(uint32_t *)guest_at(&g, i * 4096ull) = i;
	guest_load(&g, G_LONG, sweep_code, sweep_code_end);
	if (guest_finish(&g))
		check_equal(g.done, (0x100 + 0x3ff) * 0x300 / 2);
	check_equal(*(uint32_t *)guest_at(&g, 0x3ff000), (0x100 + 0x3ff) * 0x300 / 2);
	guest_destroy(&g);
}

TESTS(memory_tests) = {
	{ "memory-hole", hole },
	{ "memory-hole-fetch", hole_fetch },
	{ "memory-read-only", read_only },
	{ "memory-host-changes", host_changes },
	{ "memory-slot-removed", slot_removed },
	{ "memory-sweep", sweep },
	{ }
};
