// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Instructions one at a time: each is put at the same place, and either raises the exception
 * that its row names, at its own address, or is passed.  In kernel mode, in user mode, and
 * with a CPUID that does not tell of it.
 */
#include <cpuid.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "guest.h"

#define COUNT(array)	(sizeof(array) / sizeof(array[0]))

#define NONE		0xff	/* no exception */
#define UD		6
#define GP		13
#define AC		17

/* Handlers report vector, error code and RIP; BODY has room for one instruction. */
#define BODY		0x100
#define BODY_ROOM	48
GUEST_CODE(frame_code, ".code64",
	"mov $6, %eax\n" REPORT "xor %eax, %eax\n" REPORT "mov (%rsp), %eax\n" DONE
	".balign 64\n mov $13, %eax\n" REPORT "pop %rax\n" REPORT "mov (%rsp), %eax\n" DONE
	".balign 64\n mov $17, %eax\n" REPORT "pop %rax\n" REPORT "mov (%rsp), %eax\n" DONE
	".balign 256\n .fill 48, 1, 0x90\n mov $0xff, %eax\n" REPORT DONE);

struct instruction {
	const char *name;
	const char *bytes;
	unsigned int length;
	unsigned int vector;
	bool strict;		/* left out on a host that is lenient */
	uint64_t rax, rcx, rdx;
};

#define I(what, code, exception, ...) \
	{ .name = what, .bytes = code, .length = sizeof(code) - 1, .vector = exception, \
	  ##__VA_ARGS__ }

static void put(struct guest *g, const struct instruction *row)
{
	guest_load(g, G_LONG, frame_code, frame_code_end);
	guest_set_gate(g, G_LONG, UD, 0);
	guest_set_gate(g, G_LONG, GP, 64);
	guest_set_gate(g, G_LONG, AC, 128);
	memcpy(guest_at(g, G_CODE + BODY), row->bytes, row->length);
}

/* What is in RBX and RSI: addresses of memory.  R8 stays 0. */
static void set_registers(struct mica_vcpu_state *state, const struct instruction *row)
{
	state->gprs.rip = G_CODE + BODY;
	state->gprs.rax = row->rax;
	state->gprs.rcx = row->rcx;
	state->gprs.rdx = row->rdx;
	state->gprs.rbx = state->gprs.rsi = G_DATA;
}

static void look(struct guest *g, const struct instruction *row)
{
	if (!check(guest_finish(g), "%s", row->name))
		return;
	check(g->reports[0] == row->vector, "%s gave vector %u, expected %u", row->name,
	      g->reports[0], row->vector);
	if (row->vector == NONE || g->reports[0] != row->vector)
		return;
	check(g->reports[1] == 0, "%s: error code 0x%x", row->name, g->reports[1]);
	check(g->done == G_CODE + BODY, "%s: RIP is 0x%x", row->name, g->done);
}

static void run_rows(const struct instruction *rows, unsigned int count,
		     void (*prepare)(struct guest *g, struct mica_vcpu_state *state))
{
	struct mica_vcpu_state state;
	struct guest g;
	unsigned int i;

	for (i = 0; i < count; i++) {
		if (rows[i].strict && guest_host_is_lenient())
			continue;
		guest_init(&g);
		put(&g, &rows[i]);
		guest_get(&g, &state);
		set_registers(&state, &rows[i]);
		if (prepare)
			prepare(&g, &state);
		guest_set(&g, MICA_STATE_ALL, &state);
		look(&g, &rows[i]);
		guest_destroy(&g);
	}
}

/* ------------------------------------------------------------ never there */

/* No guest has virtualization, SMX, SGX, MONITOR, performance counters or protection keys of
 * which CR4 is not told; system management mode is nowhere. */
static const struct instruction undefined_rows[] = {
	I("vmclear", "\x66\x0f\xc7\x33", UD),
	I("vmptrld", "\x0f\xc7\x33", UD),
	I("vmptrst", "\x0f\xc7\x3b", UD),
	I("vmxon", "\xf3\x0f\xc7\x33", UD),
	I("vmread", "\x0f\x78\xc1", UD),
	I("vmwrite", "\x0f\x79\xc1", UD),
	I("vmcall", "\x0f\x01\xc1", UD),
	I("vmlaunch", "\x0f\x01\xc2", UD),
	I("vmresume", "\x0f\x01\xc3", UD),
	I("vmxoff", "\x0f\x01\xc4", UD),
	I("vmfunc", "\x0f\x01\xd4", UD),
	I("invept", "\x66\x0f\x38\x80\x03", UD, .rax = 2),
	I("invvpid", "\x66\x0f\x38\x81\x03", UD, .rax = 2),
	I("vmrun", "\x0f\x01\xd8", UD),
	I("vmmcall", "\x0f\x01\xd9", UD),
	I("vmload", "\x0f\x01\xda", UD),
	I("vmsave", "\x0f\x01\xdb", UD),
	I("stgi", "\x0f\x01\xdc", UD),
	I("clgi", "\x0f\x01\xdd", UD),
	I("skinit", "\x0f\x01\xde", UD),
	I("invlpga", "\x0f\x01\xdf", UD),
	I("seamcall", "\x66\x0f\x01\xcf", UD),
	I("tdcall", "\x66\x0f\x01\xcc", UD),
	I("getsec", "\x0f\x37", UD),
	I("monitor", "\x0f\x01\xc8", UD, .rax = G_DATA),
	I("mwait", "\x0f\x01\xc9", UD),
	I("encls", "\x0f\x01\xcf", UD),
	I("enclv", "\x0f\x01\xc0", UD),
	I("pconfig", "\x0f\x01\xc5", UD),
	I("rsm", "\x0f\xaa", UD),
	I("rdpkru", "\x0f\x01\xee", UD),
	I("xsetbv without OSXSAVE", "\x0f\x01\xd1", UD, .rax = 1),
	I("xgetbv without OSXSAVE", "\x0f\x01\xd0", UD),
	I("ud2", "\x0f\x0b", UD),
	I("mov to cr1", "\x0f\x22\xc8", UD),
	I("mov from cr5", "\x0f\x20\xe8", UD),
};

static void undefined(void)
{
	run_rows(undefined_rows, COUNT(undefined_rows), NULL);
}

/* Those of WAITPKG, which some CPUs without it take for others. */
static const struct instruction waitpkg_rows[] = {
	I("umonitor", "\xf3\x0f\xae\xf0", UD, .rax = G_DATA),
	I("umwait", "\xf2\x0f\xae\xf1", UD),
	I("tpause", "\x66\x0f\xae\xf1", UD),
};

#define CPUID_7_ECX_WAITPKG	(1u << 5)

static void undefined_waitpkg(void)
{
	unsigned int eax, ebx, ecx, edx;

	if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) && (ecx & CPUID_7_ECX_WAITPKG))
		run_rows(waitpkg_rows, COUNT(waitpkg_rows), NULL);
	else
		skip("this CPU has no WAITPKG");
}

/* ------------------------------------------------------------ wrong values */

#define CR0	0x80000031u
#define CR4	0x220u		/* PAE, OSFXSR */

static const struct instruction refused_rows[] = {
	I("rdpmc", "\x0f\x33", GP),
	I("rdpmc, fixed counter", "\x0f\x33", GP, .rcx = 0x40000000),
	I("mov cr0: PG without PE", "\x0f\x22\xc0", GP, .strict = true, .rax = CR0 & ~1u),
	I("mov cr0: NW without CD", "\x0f\x22\xc0", GP, .strict = true, .rax = CR0 | 0x20000000),
	I("mov cr0: bit 32", "\x0f\x22\xc0", GP, .strict = true, .rax = CR0 | 1ull << 32),
	I("mov cr0: paging off in 64-bit code", "\x0f\x22\xc0", GP, .strict = true,
	  .rax = CR0 & 0x7fffffff),
	I("mov cr4: PAE off in long mode", "\x0f\x22\xe0", GP, .rax = 0x200),
	I("mov cr4: VMXE", "\x0f\x22\xe0", GP, .rax = CR4 | 1 << 13),
	I("mov cr4: SMXE", "\x0f\x22\xe0", GP, .rax = CR4 | 1 << 14),
	I("mov cr4: LA57", "\x0f\x22\xe0", GP, .rax = CR4 | 1 << 12),
	I("mov cr4: bit 63", "\x0f\x22\xe0", GP, .rax = CR4 | 1ull << 63),
	I("mov cr4: PCIDE with a PCID of 5 in CR3", "\x0f\x22\xe0", GP, .rax = CR4 | 1 << 17),
	I("mov cr8: 16", "\x44\x0f\x22\xc0", GP, .strict = true, .rax = 16),
	I("mov dr7: bit 32", "\x0f\x23\xf8", GP, .rax = 1ull << 32),
	I("mov dr6: bit 63", "\x0f\x23\xf0", GP, .rax = 1ull << 63),
	I("wrmsr EFER: reserved", "\x0f\x30", GP, .rax = 0x80000500, .rcx = 0xc0000080),
	I("wrmsr EFER: LME off under paging", "\x0f\x30", GP, .rax = 0x400, .rcx = 0xc0000080),
	I("wrmsr KERNEL_GS_BASE: not canonical", "\x0f\x30", GP, .strict = true,
	  .rcx = 0xc0000102, .rdx = 0x8000),
	I("wrmsr LSTAR: not canonical", "\x0f\x30", GP, .strict = true,
	  .rcx = 0xc0000082, .rdx = 0xffff0000),
	I("wrmsr PAT: type 2", "\x0f\x30", GP, .rax = 2, .rcx = 0x277),
	I("wrmsr DEBUGCTL: TR", "\x0f\x30", GP, .rax = 1 << 6, .rcx = 0x1d9),
	I("rdmsr that does not exist", "\x0f\x32", GP, .rcx = 0x12345),
	I("wrmsr APIC_BASE: x2APIC without xAPIC", "\x0f\x30", GP, .rax = 0xfee00400, .rcx = 0x1b),
	I("wrmsr APIC_BASE: elsewhere", "\x0f\x30", GP, .rax = 0xfed00900, .rcx = 0x1b),
	I("wrmsr x2APIC register in xAPIC mode", "\x0f\x30", GP, .rcx = 0x808),
};

/* A CR3 whose low bits are set, which only matters to PCIDs. */
static void prepare_refused(struct guest *g, struct mica_vcpu_state *state)
{
	(void)g;
	state->crs.cr3 |= 5;
}

static void refused(void)
{
	run_rows(refused_rows, COUNT(refused_rows), prepare_refused);
}

static const struct instruction xsetbv_rows[] = {
	I("xsetbv: x87 and SSE", "\x0f\x01\xd1", NONE, .rax = 3),
	I("xsetbv: x87 off", "\x0f\x01\xd1", GP, .rax = 2),
	I("xsetbv: AVX without SSE", "\x0f\x01\xd1", GP, .rax = 5),
	I("xsetbv: half of AVX-512", "\x0f\x01\xd1", GP, .rax = 0x27),
	I("xsetbv: bit 63", "\x0f\x01\xd1", GP, .rax = 3, .rdx = 1u << 31),
	I("xsetbv: bit 62", "\x0f\x01\xd1", GP, .rax = 3, .rdx = 1u << 30),
	I("xsetbv: register 1", "\x0f\x01\xd1", GP, .rax = 3, .rcx = 1),
};

static void prepare_xsave(struct guest *g, struct mica_vcpu_state *state)
{
	(void)g;
	state->crs.cr4 |= 1 << 18;
}

static bool has_xsave(void)
{
	struct guest g;
	bool has;

	guest_init(&g);
	has = g.info.xcr0 & 2;
	guest_destroy(&g);
	return has;
}

static void xsetbv(void)
{
	if (has_xsave())
		run_rows(xsetbv_rows, COUNT(xsetbv_rows), prepare_xsave);
	else
		skip("the host has no XSAVE");
}

/* ------------------------------------------------------------ passed */

static const struct instruction passed_rows[] = {
	I("cpuid", "\x0f\xa2", NONE),
	I("invd", "\x0f\x08", NONE),
	I("wbinvd", "\x0f\x09", NONE),
	I("wbnoinvd", "\xf3\x0f\x09", NONE),
	I("pause", "\xf3\x90", NONE),
	I("rdtsc", "\x0f\x31", NONE),
	I("invlpg", "\x0f\x01\x3b", NONE),
	I("clts", "\x0f\x06", NONE),
	I("lmsw", "\x0f\x01\xf0", NONE, .rax = 0xb),
	I("smsw", "\x0f\x01\xe0", NONE),
	I("sgdt", "\x0f\x01\x03", NONE),
	I("sidt", "\x0f\x01\x0b", NONE),
	I("sldt", "\x0f\x00\xc0", NONE),
	I("str", "\x0f\x00\xc8", NONE),
	I("lldt with a null selector", "\x0f\x00\xd0", NONE),
	I("mov cr2", "\x0f\x22\xd0", NONE, .rax = 0x123456789abc),
	I("mov cr8", "\x44\x0f\x22\xc0", NONE, .rax = 15),
	I("wrmsr DEBUGCTL: LBR, BTF", "\x0f\x30", NONE, .rax = 3, .rcx = 0x1d9),
	I("wrmsr BIOS_SIGN_ID", "\x0f\x30", NONE, .rcx = 0x8b),
	I("rdmsr PLATFORM_ID", "\x0f\x32", NONE, .rcx = 0x17),
};

static void passed(void)
{
	run_rows(passed_rows, COUNT(passed_rows), NULL);
}

/* ------------------------------------------------------------ user mode */

/* Privilege comes before an exit, but for debug registers, and for what does not exist. */
static const struct instruction user_rows[] = {
	I("hlt", "\xf4", GP),
	I("invd", "\x0f\x08", GP),
	I("wbinvd", "\x0f\x09", GP),
	I("invlpg", "\x0f\x01\x3b", GP),
	I("clts", "\x0f\x06", GP),
	I("lmsw", "\x0f\x01\xf0", GP, .rax = 1),
	I("rdmsr", "\x0f\x32", GP, .rcx = 0x10),
	I("wrmsr", "\x0f\x30", GP, .rcx = 0x10),
	I("rdpmc", "\x0f\x33", GP),
	I("mov from cr0", "\x0f\x20\xc0", GP),
	I("mov to cr3", "\x0f\x22\xd8", GP),
	I("mov to cr4", "\x0f\x22\xe0", GP),
	I("mov to cr8", "\x44\x0f\x22\xc0", GP),
	I("mov from dr0", "\x0f\x21\xc0", GP),
	I("mov to dr0", "\x0f\x23\xc0", GP),
	I("mov to dr7", "\x0f\x23\xf8", GP, .rax = 0x2000),
	I("xsetbv", "\x0f\x01\xd1", GP, .rax = 3),
	I("lgdt", "\x0f\x01\x13", GP),
	I("ltr", "\x0f\x00\xd8", GP, .rax = 0x18),
	I("cli", "\xfa", GP),
	I("in", "\xe4\x40", GP),
	I("out", "\xe6\x80", GP),
	I("rep outsb", "\xf3\x6e", GP, .rcx = 1, .rdx = 0x80),
	I("vmcall", "\x0f\x01\xc1", UD),
	I("vmmcall", "\x0f\x01\xd9", UD),
	I("vmxoff", "\x0f\x01\xc4", UD),
	I("vmread", "\x0f\x78\xc1", UD),
	I("invept", "\x66\x0f\x38\x80\x03", UD, .rax = 2),
	I("monitor", "\x0f\x01\xc8", UD, .rax = G_DATA),
	I("mwait", "\x0f\x01\xc9", UD),
	I("tdcall", "\x66\x0f\x01\xcc", UD),
	I("encls", "\x0f\x01\xcf", UD),
	I("rsm", "\x0f\xaa", UD),
};

#define TSS_RSP0	4
#define TSS_IO_MAP	0x66
#define ATTR_DPL3	0x60

/* Levels above the last: may user mode go there?  SDM volume 3, "Determination of Access
 * Rights". */
static void let_user_in(struct guest *g)
{
	uint64_t *pml4 = guest_at(g, G_PAGES + 0x8000), *pointers = guest_at(g, G_PAGES);
	uint64_t *directory = guest_at(g, G_PAGES + 0x1000);

	pml4[0] |= 4;
	pointers[0] |= 4;
	directory[0] |= 4;
}

static void prepare_user(struct guest *g, struct mica_vcpu_state *state)
{
	uint64_t stack = G_STACK - 0x1000;
	uint16_t no_map = 0xffff;

	let_user_in(g);
	memcpy(guest_at(g, G_TSS + TSS_RSP0), &stack, sizeof(stack));
	memcpy(guest_at(g, G_TSS + TSS_IO_MAP), &no_map, sizeof(no_map));
	state->segs.cs.selector |= 3;
	state->segs.cs.attr |= ATTR_DPL3;
	state->segs.ss.selector |= 3;
	state->segs.ss.attr |= ATTR_DPL3;
	if (g->info.xcr0 & 2)
		state->crs.cr4 |= 1 << 18;
}

static void user_mode(void)
{
	unsigned int count = COUNT(user_rows), i;
	struct instruction rows[COUNT(user_rows)];
	bool xsave = has_xsave();

	memcpy(rows, user_rows, sizeof(rows));
	for (i = 0; i < count && !xsave; i++)
		if (!strcmp(rows[i].name, "xsetbv"))
			rows[i].vector = UD;
	run_rows(rows, count, prepare_user);
}

/* In user mode: the instruction is passed, and what faults is the OUT behind it. */
static void run_behind(const struct instruction *row,
		       void (*prepare)(struct guest *g, struct mica_vcpu_state *state))
{
	struct mica_vcpu_state state;
	struct guest g;

	guest_init(&g);
	put(&g, row);
	guest_get(&g, &state);
	set_registers(&state, row);
	prepare(&g, &state);
	guest_set(&g, MICA_STATE_ALL, &state);
	if (guest_finish(&g))
		check(g.reports[0] == GP && g.done == G_CODE + BODY + BODY_ROOM + 5,
		      "%s: vector %u at 0x%x", row->name, g.reports[0], g.done);
	guest_destroy(&g);
}

static void user_cpuid(void)
{
	static const struct instruction row = I("cpuid", "\x0f\xa2", GP);

	run_behind(&row, prepare_user);
}

/* "Alignment Checking": only user mode has it. */
static const struct instruction alignment_rows[] = {
	I("mov 4(%rbx)", "\x8b\x43\x04", GP),		/* passed: what faults is the OUT */
	I("mov 1(%rbx)", "\x8b\x43\x01", AC),
};

static void prepare_alignment(struct guest *g, struct mica_vcpu_state *state)
{
	prepare_user(g, state);
	state->crs.cr0 |= 1 << 18;
	state->gprs.rflags |= 1 << 18;
}

static void alignment_check(void)
{
	if (guest_host_is_lenient()) {
		skip("this CPU has no #AC");
		return;
	}
	run_behind(&alignment_rows[0], prepare_alignment);
	run_rows(&alignment_rows[1], 1, prepare_alignment);
}

/* ------------------------------------------------------------ CPUID */

static struct mica_cpuid_entry *find_leaf(struct mica_cpuid *cpuid, uint32_t leaf)
{
	unsigned int i;

	for (i = 0; i < cpuid->count; i++)
		if (cpuid->entries[i].leaf == leaf && !cpuid->entries[i].subleaf)
			return &cpuid->entries[i];
	bail("the host's CPUID has no leaf 0x%x", leaf);
}

/* RDTSCP (with RDPID, which the same register serves) and INVPCID: those that are here, and
 * whether they are. */
static unsigned int take_away(struct guest *g, bool *rdtscp, bool *invpcid)
{
	static struct mica_cpuid cpuid;
	struct mica_cpuid_entry *leaf;

	if (ioctl(g->dev, MICA_GET_CPUID, &cpuid))
		bail("MICA_GET_CPUID: %s", strerror(errno));
	leaf = find_leaf(&cpuid, 0x80000001);
	*rdtscp = leaf->edx >> 27 & 1;
	leaf->edx &= ~(1u << 27);
	leaf = find_leaf(&cpuid, 7);
	*invpcid = leaf->ebx >> 10 & 1;
	leaf->ebx &= ~(1u << 10);
	leaf->ecx &= ~(1u << 22);
	leaf = find_leaf(&cpuid, 1);
	leaf->ecx &= ~(1u << 17);		/* PCID */
	return ioctl(g->vcpu, MICA_VCPU_SET_CPUID, &cpuid) ? errno : 0;
}

static const struct instruction optional_rows[] = {
	I("rdtscp", "\x0f\x01\xf9", NONE, .strict = true),
	I("invpcid", "\x66\x0f\x38\x82\x03", NONE, .rax = 2),
};

static void run_optional(const struct instruction *original, bool hidden, bool present)
{
	struct instruction row = *original;
	struct mica_vcpu_state state;
	struct guest g;
	bool dummy;

	if (row.strict && hidden && guest_host_is_lenient())
		return;
	row.vector = hidden || !present ? UD : NONE;
	guest_init(&g);
	if (hidden)
		check_equal(take_away(&g, &dummy, &dummy), 0);
	put(&g, &row);
	guest_get(&g, &state);
	set_registers(&state, &row);
	guest_set(&g, MICA_STATE_ALL, &state);
	look(&g, &row);
	guest_destroy(&g);
}

static void hidden_by_cpuid(void)
{
	bool rdtscp, invpcid;
	struct guest g;

	guest_init(&g);
	check_equal(take_away(&g, &rdtscp, &invpcid), 0);
	guest_destroy(&g);
	run_optional(&optional_rows[0], false, rdtscp);
	run_optional(&optional_rows[0], true, rdtscp);
	run_optional(&optional_rows[1], false, invpcid);
	run_optional(&optional_rows[1], true, invpcid);
}

TESTS(instruction_tests) = {
	{ "instruction-undefined", undefined },
	{ "instruction-undefined-waitpkg", undefined_waitpkg },
	{ "instruction-refused", refused },
	{ "instruction-xsetbv", xsetbv },
	{ "instruction-passed", passed },
	{ "instruction-user-mode", user_mode },
	{ "instruction-user-mode-cpuid", user_cpuid },
	{ "instruction-alignment-check", alignment_check },
	{ "instruction-hidden-by-cpuid", hidden_by_cpuid },
	{ }
};
