// SPDX-License-Identifier: GPL-2.0-or-later
/* The small VMM of the guest tests: see guest.h. */
#include "guest.h"

#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define CR0_PE	1u
#define CR0_ET	(1u << 4)
#define CR0_NE	(1u << 5)
#define CR0_PG	(1u << 31)
#define CR4_PSE	(1u << 4)
#define CR4_PAE	(1u << 5)
#define CR4_OSFXSR (1u << 9)
#define EFER_LME (1u << 8)
#define EFER_LMA (1u << 10)

#define SELECTOR_CODE	0x08
#define SELECTOR_DATA	0x10
#define SELECTOR_TSS	0x18

static void set_cpuid(struct guest *g)
{
	static struct mica_cpuid cpuid;

	if (ioctl(g->dev, MICA_GET_CPUID, &cpuid))
		bail("MICA_GET_CPUID: %s", strerror(errno));
	if (ioctl(g->vcpu, MICA_VCPU_SET_CPUID, &cpuid))
		bail("MICA_VCPU_SET_CPUID: %s", strerror(errno));
}

static void add_ram(struct guest *g)
{
	struct mica_memory memory = { .size = G_RAM_SIZE };

	g->ram = mmap(NULL, G_RAM_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (g->ram == MAP_FAILED)
		bail("mmap: %s", strerror(errno));
	memory.hva = (uintptr_t)g->ram;
	if (ioctl(g->vm, MICA_VM_SET_MEMORY, &memory))
		bail("MICA_VM_SET_MEMORY: %s", strerror(errno));
}

int guest_add_vcpu(struct guest *g, unsigned int id, struct mica_run **run)
{
	struct mica_create_vcpu args = { .id = id };
	int fd = ioctl(g->vm, MICA_VM_CREATE_VCPU, &args);

	if (fd < 0)
		bail("MICA_VM_CREATE_VCPU %u: %s", id, strerror(errno));
	*run = mmap(NULL, MICA_RUN_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (*run == MAP_FAILED)
		bail("mmap of the run page: %s", strerror(errno));
	return fd;
}

void guest_init(struct guest *g)
{
	guest_init_flags(g, 0);
}

void guest_init_flags(struct guest *g, uint32_t vm_flags)
{
	struct mica_create_vm args = { .flags = vm_flags };

	guest_init_args(g, &args);
}

void guest_init_args(struct guest *g, const struct mica_create_vm *args)
{
	memset(g, 0, sizeof(*g));
	g->dev = open("/dev/mica", O_RDWR | O_CLOEXEC);
	if (g->dev < 0)
		bail("/dev/mica: %s", strerror(errno));
	if (ioctl(g->dev, MICA_GET_INFO, &g->info))
		bail("MICA_GET_INFO: %s", strerror(errno));
	g->vm = ioctl(g->dev, MICA_CREATE_VM, args);
	if (g->vm < 0)
		bail("MICA_CREATE_VM: %s", strerror(errno));
	add_ram(g);
	g->vcpu = guest_add_vcpu(g, 0, &g->run);
	set_cpuid(g);
}

void guest_destroy(struct guest *g)
{
	guest_note_exits(g);
	munmap(g->run, MICA_RUN_SIZE);
	close(g->vcpu);
	close(g->vm);
	close(g->dev);
	munmap(g->ram, G_RAM_SIZE);
}

void guest_get(struct guest *g, struct mica_vcpu_state *state)
{
	struct mica_get_set_state args = { .groups = MICA_STATE_ALL };

	if (ioctl(g->vcpu, MICA_VCPU_GET_STATE, &args))
		bail("MICA_VCPU_GET_STATE: %s", strerror(errno));
	*state = args.state;
}

void guest_set(struct guest *g, uint64_t groups, const struct mica_vcpu_state *state)
{
	struct mica_get_set_state args = { .groups = groups, .state = *state };

	if (ioctl(g->vcpu, MICA_VCPU_SET_STATE, &args))
		bail("MICA_VCPU_SET_STATE: %s", strerror(errno));
}

/* ------------------------------------------------------------ modes */

/* SDM volume 3, "Segment Descriptors": code or data, accessed, present. */
static struct mica_segment segment(uint16_t selector, uint32_t limit, uint32_t attr)
{
	return (struct mica_segment){ .selector = selector, .limit = limit, .attr = attr };
}

static void set_data_segments(struct mica_state_segs *segs, struct mica_segment data)
{
	segs->ds = segs->es = segs->ss = segs->fs = segs->gs = data;
}

static void real_mode(struct mica_vcpu_state *state)
{
	state->segs.cs = segment(G_CODE >> 4, 0xffff, 0x9b);
	state->segs.cs.base = G_CODE;
	set_data_segments(&state->segs, segment(0, 0xffff, 0x93));
	state->segs.ss = segment(G_STACK >> 4, 0xffff, 0x93);
	state->segs.ss.base = G_STACK - 0x10000;
	state->segs.ss.selector = (G_STACK - 0x10000) >> 4;
	state->gprs.rip = 0;
	state->gprs.rsp = 0xfff0;
	state->segs.idtr.base = 0;
	state->segs.idtr.limit = 0x3ff;
	state->crs.cr0 = CR0_ET | CR0_NE;
}

/* GDT: null, code, data, 64-bit TSS. */
static void write_gdt(struct guest *g, enum guest_mode mode)
{
	static const uint64_t code[] = {
		[G_PROT16] = 0x008f9b000000ffffull, [G_PROT32] = 0x00cf9b000000ffffull,
		[G_PAE] = 0x00cf9b000000ffffull, [G_LONG] = 0x00af9b000000ffffull,
	};
	uint64_t *gdt = guest_at(g, G_GDT);

	gdt[0] = 0;
	gdt[1] = code[mode];
	gdt[2] = mode == G_PROT16 ? 0x008f93000000ffffull : 0x00cf93000000ffffull;
	gdt[3] = 0x0000890000000067ull | (G_TSS & 0xffffff) << 16;
	gdt[4] = 0;
}

static void protected_mode(struct guest *g, struct mica_vcpu_state *state, enum guest_mode mode)
{
	uint32_t size = mode == G_PROT16 ? 0x8000 : mode == G_LONG ? 0xa000 : 0xc000;

	write_gdt(g, mode);
	state->segs.cs = segment(SELECTOR_CODE, 0xffffffff, 0x9b | size);
	set_data_segments(&state->segs, segment(SELECTOR_DATA, 0xffffffff,
						0x93 | (mode == G_PROT16 ? 0x8000 : 0xc000)));
	state->segs.tr = segment(SELECTOR_TSS, 0x67, 0x8b);
	state->segs.tr.base = G_TSS;
	state->segs.gdtr.base = G_GDT;
	state->segs.gdtr.limit = 5 * 8 - 1;
	state->segs.idtr.base = G_IDT;
	state->segs.idtr.limit = 256 * (mode == G_LONG ? 16 : 8) - 1;
	state->gprs.rip = G_CODE;
	state->gprs.rsp = G_STACK;
	state->crs.cr0 = CR0_PE | CR0_ET | CR0_NE;
	state->crs.cr4 = CR4_OSFXSR;
}

/* The first 4 GiB as 2 MiB pages, by four page directories after one page of pointers. */
static void identity_map(struct guest *g, uint64_t table_flags)
{
	uint64_t *pointers = guest_at(g, G_PAGES), *directory = guest_at(g, G_PAGES + 0x1000);
	unsigned int i;

	for (i = 0; i < 4; i++)
		pointers[i] = (G_PAGES + 0x1000 * (i + 1)) | table_flags;
	for (i = 0; i < 4 * 512; i++)
		directory[i] = (uint64_t)i << 21 | 0x83;
}

static void pae_mode(struct guest *g, struct mica_vcpu_state *state)
{
	identity_map(g, 1);
	state->crs.cr3 = G_PAGES;
	state->crs.cr4 |= CR4_PAE;
	state->crs.cr0 |= CR0_PG;
}

static void long_mode(struct guest *g, struct mica_vcpu_state *state)
{
	uint64_t *pml4 = guest_at(g, G_PAGES + 0x8000);

	identity_map(g, 3);
	pml4[0] = G_PAGES | 3;
	state->crs.cr3 = G_PAGES + 0x8000;
	state->crs.cr4 |= CR4_PAE;
	state->crs.cr0 |= CR0_PG;
	state->msrs.efer = EFER_LME | EFER_LMA;
}

void guest_load(struct guest *g, enum guest_mode mode, const void *start, const void *end)
{
	struct mica_vcpu_state state;

	memcpy(guest_at(g, G_CODE), start, (const char *)end - (const char *)start);
	guest_get(g, &state);
	if (mode == G_REAL)
		real_mode(&state);
	else
		protected_mode(g, &state, mode);
	if (mode == G_PAE)
		pae_mode(g, &state);
	if (mode == G_LONG)
		long_mode(g, &state);
	guest_set(g, MICA_STATE_ALL, &state);
}

static void set_gate_real(struct guest *g, unsigned int vector, size_t offset)
{
	uint16_t *entry = guest_at(g, vector * 4ull);

	entry[0] = offset;
	entry[1] = G_CODE >> 4;
}

/* SDM volume 3, "IDT Descriptors" and "64-Bit Mode IDT": interrupt gates. */
void guest_set_gate(struct guest *g, enum guest_mode mode, unsigned int vector, size_t offset)
{
	uint64_t address = G_CODE + offset;
	uint64_t type = mode == G_PROT16 ? 0x86 : 0x8e;
	uint64_t low = (address & 0xffff) | (uint64_t)SELECTOR_CODE << 16 | type << 40 |
		       (address >> 16 & 0xffff) << 48;
	uint64_t *idt = guest_at(g, G_IDT);

	if (mode == G_REAL) {
		set_gate_real(g, vector, offset);
	} else if (mode == G_LONG) {
		idt[2 * vector] = low;
		idt[2 * vector + 1] = address >> 32;
	} else {
		idt[vector] = low;
	}
}

/* ------------------------------------------------------------ running */

static const char *const exit_names[] = {
	[MICA_EXIT_NONE] = "none", [MICA_EXIT_IO] = "io", [MICA_EXIT_MMIO] = "mmio",
	[MICA_EXIT_EXTINT] = "extint", [MICA_EXIT_EOI] = "eoi",
	[MICA_EXIT_SHUTDOWN] = "shutdown", [MICA_EXIT_FAIL_ENTRY] = "fail-entry",
	[MICA_EXIT_INTERNAL_ERROR] = "internal-error", [MICA_EXIT_INTERRUPTED] = "interrupted",
	[MICA_EXIT_HOST_STATE] = "host-state", [MICA_EXIT_MEMORY_FAULT] = "memory-fault",
};

bool guest_host_is_lenient(void)
{
	unsigned int eax, regs[3];

	__cpuid(0x40000000, eax, regs[0], regs[1], regs[2]);
	return !memcmp(regs, "TCGTCGTCGTCG", sizeof(regs));
}

const char *guest_exit_name(unsigned int reason)
{
	return reason < sizeof(exit_names) / sizeof(exit_names[0]) ? exit_names[reason] : "?";
}

static bool take_report(struct guest *g)
{
	const struct mica_exit_io *io = &g->run->io;

	if (g->run->exit_reason != MICA_EXIT_IO || io->port != G_REPORT ||
	    io->flags != MICA_IO_WRITE || g->report_count == G_MAX_REPORTS)
		return false;
	g->reports[g->report_count++] = io->data;
	return true;
}

int guest_enter(int vcpu, struct mica_run *run)
{
	/* The alarm comes once: a case that goes on after it must not wait for its guest again. */
	while (!guest_test_timed_out && ioctl(vcpu, MICA_VCPU_RUN))
		if (errno != EINTR || __atomic_load_n(&run->immediate_exit, __ATOMIC_RELAXED))
			return errno;
	return guest_test_timed_out ? EINTR : 0;
}

enum mica_exit guest_run(struct guest *g)
{
	int error;

	do {
		error = guest_enter(g->vcpu, g->run);
		if (error && error != EINTR)
			bail("MICA_VCPU_RUN: %s (%s)", strerror(error), g->run->fail.name);
	} while (take_report(g) || guest_emulate_apic_access(g));
	return g->run->exit_reason;
}

uint64_t guest_stat(struct guest *g, const char *name)
{
	struct mica_stats stats;
	unsigned int i;

	if (ioctl(g->vcpu, MICA_VCPU_GET_STATS, &stats))
		bail("MICA_VCPU_GET_STATS: %s", strerror(errno));
	for (i = 0; i < stats.count; i++)
		if (!strcmp(stats.stats[i].name, name))
			return stats.stats[i].value;
	bail("the module has no counter %s", name);
}

bool guest_finish(struct guest *g)
{
	enum mica_exit reason = guest_run(g);

	if (reason == MICA_EXIT_IO && g->run->io.port == G_DONE) {
		g->done = g->run->io.data;
		return true;
	}
	return check(false, "guest ended with %s (%s) at rip 0x%llx instead of DONE",
		     guest_exit_name(reason),
		     reason == MICA_EXIT_FAIL_ENTRY || reason == MICA_EXIT_INTERNAL_ERROR ?
			     g->run->fail.name : "-",
		     (unsigned long long)g->run->state.gprs.rip);
}
