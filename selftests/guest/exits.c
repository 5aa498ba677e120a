// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One test per kind of exit: the instruction does what the manual says, and the guest goes on
 * behind it.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "guest.h"

/* ------------------------------------------------------------ CPUID */

GUEST_CODE(cpuid_code, ".code64",
	"xor %eax, %eax\n xor %ecx, %ecx\n cpuid\n mov %eax, %esi\n"
	"mov %ebx, %eax\n" REPORT "mov %edx, %eax\n" REPORT "mov %ecx, %eax\n" REPORT
	"mov $-1, %rax\n mov $-1, %rbx\n xor %ecx, %ecx\n mov $1, %eax\n cpuid\n"
	"shr $32, %rbx\n mov %ebx, %eax\n" REPORT
	"mov %esi, %eax\n" DONE);

static void exit_cpuid(void)
{
	static const uint32_t intel[] = { 0x756e6547, 0x49656e69, 0x6c65746e };
	static const uint32_t amd[] = { 0x68747541, 0x69746e65, 0x444d4163 };
	struct guest g;

	guest_init(&g);
	guest_load(&g, G_LONG, cpuid_code, cpuid_code_end);
	if (guest_finish(&g)) {
		check(!memcmp(g.reports, intel, 12) || !memcmp(g.reports, amd, 12),
		      "vendor 0x%x 0x%x 0x%x", g.reports[0], g.reports[1], g.reports[2]);
		check_equal(g.reports[3], 0);		/* upper half of RBX */
		check(g.done >= 1, "highest leaf %u", g.done);
	}
	guest_destroy(&g);
}

/* The fastest exits in a row, interrupts off: the host must get its CPU back all the same. */
GUEST_CODE(cpuid_loop_code, ".code64", "1: cpuid\n jmp 1b");

static void exit_endless(void)
{
	struct guest g;

	guest_init(&g);
	guest_load(&g, G_LONG, cpuid_loop_code, cpuid_loop_code_end);
	alarm(1);
	check_equal(guest_run(&g), MICA_EXIT_INTERRUPTED);
	guest_destroy(&g);
}

/* ------------------------------------------------------------ ports */

GUEST_CODE(port_code, ".code64",
	"mov $0x1111111111111111, %rax\n mov %rax, %rbx\n"
	"in $0x40, %al\n mov $0x11111111111111aa, %rdi\n cmp %rdi, %rax\n jne 1f\n"	/* AL only */
	"mov %rbx, %rax\n in $0x40, %ax\n mov %rax, %rcx\n shr $16, %rcx\n"
	"cmp %cx, %bx\n jne 1f\n cmp $0xaaaa, %ax\n jne 1f\n"		/* AX only */
	"mov %rbx, %rax\n in $0x40, %eax\n mov %rax, %rcx\n shr $32, %rcx\n jnz 1f\n"
	"mov $0x1234, %dx\n mov $0x89abcdef, %eax\n"
	"out %al, %dx\n out %ax, %dx\n out %eax, %dx\n"
	"mov $1, %eax\n" DONE "1: mov $2, %eax\n" DONE);

static void answer_in(struct guest *g, unsigned int size)
{
	if (check(guest_run(g) == MICA_EXIT_IO && !g->run->io.flags && g->run->io.port == 0x40 &&
		  g->run->io.size == size, "IN of %u bytes: exit %s", size,
		  guest_exit_name(g->run->exit_reason)))
		g->run->io.data = 0xaaaaaaaaaaaaaaaaull;
}

static void expect_out(struct guest *g, unsigned int size, uint64_t value)
{
	check(guest_run(g) == MICA_EXIT_IO && g->run->io.flags == MICA_IO_WRITE &&
	      g->run->io.port == 0x1234 && g->run->io.size == size, "OUT of %u bytes", size);
	check_equal(g->run->io.data, value);
}

static void exit_port(void)
{
	struct guest g;

	guest_init(&g);
	guest_load(&g, G_LONG, port_code, port_code_end);
	answer_in(&g, 1);
	answer_in(&g, 2);
	answer_in(&g, 4);
	expect_out(&g, 1, 0xef);
	expect_out(&g, 2, 0xcdef);
	expect_out(&g, 4, 0x89abcdef);
	if (guest_finish(&g))
		check_equal(g.done, 1);
	guest_destroy(&g);
}

GUEST_CODE(string_code, ".code64",
	"mov $0x100000, %esi\n mov $3, %ecx\n mov $0x55, %dx\n cld\n rep outsb\n"
	"mov $7, %eax\n" DONE);

/* Nothing was executed: RIP is on the instruction, and skipping it is our business. */
static void exit_string_port(void)
{
	struct mica_vcpu_state state;
	struct guest g;

	guest_init(&g);
	guest_load(&g, G_LONG, string_code, string_code_end);
	check_equal(guest_run(&g), MICA_EXIT_IO);
	check_equal(g.run->io.flags, MICA_IO_STRING | MICA_IO_WRITE);
	check_equal(g.run->io.port, 0x55);
	check_equal(g.run->io.size, 1);
	check_equal(g.run->state_cached, MICA_STATE_ALL);
	check_equal(g.run->state.gprs.rcx, 3);
	check_equal(g.run->state.gprs.rsi, 0x100000);
	check(!memcmp(guest_at(&g, g.run->state.gprs.rip), "\xf3\x6e", 2), "rip is not at REP OUTSB");
	state = g.run->state;
	state.gprs.rip += 2;
	g.run->state = state;
	g.run->state_commit = MICA_STATE_GPRS;
	if (guest_finish(&g))
		check_equal(g.done, 7);
	check_equal(g.run->state_commit, 0);
	guest_destroy(&g);
}

/* ------------------------------------------------------------ control and debug registers */

GUEST_CODE(cr_code, ".code64",
	"mov %cr0, %rax\n" REPORT					/* PG, PE, ET, NE */
	"or $8, %rax\n mov %rax, %cr0\n mov %cr0, %rax\n" REPORT	/* TS */
	"clts\n mov %cr0, %rax\n" REPORT
	"mov $0x60000000, %ebx\n mov %cr0, %rax\n or %rbx, %rax\n mov %rax, %cr0\n"
	"mov %cr0, %rax\n" REPORT					/* CD and NW read back */
	"mov %cr4, %rax\n or $0x80, %rax\n mov %rax, %cr4\n mov %cr4, %rax\n" REPORT	/* PGE */
	"mov %cr3, %rax\n mov %rax, %cr3\n"
	"mov $5, %eax\n mov %rax, %cr8\n mov %cr8, %rax\n" REPORT
	"smsw %ax\n and $0xf, %eax\n" REPORT
	"mov $0, %eax\n" DONE);

static void exit_control_registers(void)
{
	struct guest g;

	guest_init(&g);
	guest_load(&g, G_LONG, cr_code, cr_code_end);
	if (guest_finish(&g)) {
		check_equal(g.reports[0], 0x80000031);
		check_equal(g.reports[1], 0x80000039);
		check_equal(g.reports[2], 0x80000031);
		check_equal(g.reports[3], 0xe0000031);
		check_equal(g.reports[4] & 0xff, 0xa0);
		check_equal(g.reports[5], 5);
		check_equal(g.reports[6], 1);
	}
	guest_destroy(&g);
}

GUEST_CODE(dr_code, ".code64",
	"mov $0x1234, %eax\n mov %rax, %dr0\n mov $0x5678, %eax\n mov %rax, %dr3\n"
	"mov %dr0, %rax\n" REPORT "mov %dr3, %rax\n" REPORT
	"mov %dr6, %rax\n" REPORT "mov %dr7, %rax\n" REPORT
	"mov $0x401, %eax\n mov %rax, %dr7\n mov %dr7, %rax\n" REPORT DONE);

static void exit_debug_registers(void)
{
	struct guest g;

	guest_init(&g);
	guest_load(&g, G_LONG, dr_code, dr_code_end);
	if (guest_finish(&g)) {
		check_equal(g.reports[0], 0x1234);
		check_equal(g.reports[1], 0x5678);
		check_equal(g.reports[2], 0xffff0ff0);
		check_equal(g.reports[3], 0x400);
		check_equal(g.reports[4], 0x401);
	}
	guest_destroy(&g);
}

/* ------------------------------------------------------------ MSRs */

GUEST_CODE(msr_code, ".code64",
	"mov $0x10, %ecx\n rdmsr\n mov %eax, %esi\n rdtsc\n sub %esi, %eax\n" REPORT	/* TSC moves */
	"mov $0x174, %ecx\n mov $0x10, %eax\n xor %edx, %edx\n wrmsr\n xor %eax, %eax\n rdmsr\n" REPORT
	"mov $0xc0000102, %ecx\n mov $0x9abc, %eax\n mov $0x12, %edx\n wrmsr\n"
	"xor %eax, %eax\n rdmsr\n" REPORT "mov %edx, %eax\n" REPORT
	"mov $0xc0000080, %ecx\n rdmsr\n" REPORT DONE);

static void exit_msr(void)
{
	struct guest g;

	guest_init(&g);
	guest_load(&g, G_LONG, msr_code, msr_code_end);
	if (guest_finish(&g)) {
		check(g.reports[0] < 1u << 30, "the TSC moved by %u", g.reports[0]);
		check_equal(g.reports[1], 0x10);
		check_equal(g.reports[2], 0x9abc);
		check_equal(g.reports[3], 0x12);
		check_equal(g.reports[4], 0x500);
	}
	guest_destroy(&g);
}

/* ------------------------------------------------------------ HLT, shutdown, the rest */

GUEST_CODE(hlt_code, ".code64", "1: hlt\n jmp 1b");

/* Nothing can wake it: only immediate_exit ends the run. */
static void exit_hlt(void)
{
	struct mica_vcpu_state state;
	struct guest g;

	guest_init(&g);
	guest_load(&g, G_LONG, hlt_code, hlt_code_end);
	guest_get(&g, &state);
	state.events.mp_state = MICA_MP_HALTED;
	guest_set(&g, MICA_STATE_EVENTS, &state);
	g.run->immediate_exit = 1;
	check_equal(guest_run(&g), MICA_EXIT_INTERRUPTED);
	guest_get(&g, &state);
	check_equal(state.events.mp_state, MICA_MP_HALTED);
	check_equal(state.gprs.rip, G_CODE);
	guest_destroy(&g);
}

GUEST_CODE(triple_code, ".code64", "ud2");

static void exit_triple_fault(void)
{
	struct mica_vcpu_state state;
	struct guest g;

	guest_init(&g);
	guest_load(&g, G_LONG, triple_code, triple_code_end);
	guest_get(&g, &state);
	state.segs.idtr.limit = 0;
	guest_set(&g, MICA_STATE_SEGS, &state);
	check_equal(guest_run(&g), MICA_EXIT_SHUTDOWN);
	check_equal(g.run->state_cached, MICA_STATE_ALL);
	check_equal(g.run->state.gprs.rip, G_CODE);
	guest_destroy(&g);
}

GUEST_CODE(odd_code, ".code64",
	"wbinvd\n invd\n pause\n rdtsc\n mov %cr3, %rax\n mov %rax, %cr3\n invlpg (%rsp)\n"
	"mov $9, %eax\n" DONE);

static void exit_cache_and_tlb(void)
{
	struct guest g;

	guest_init(&g);
	guest_load(&g, G_LONG, odd_code, odd_code_end);
	if (guest_finish(&g))
		check_equal(g.done, 9);
	guest_destroy(&g);
}

/* Instructions of virtualization do not exist for a guest; each is three bytes long.  RAX is 0:
 * those that take an address complain of a bad one first. */
GUEST_CODE(virtualization_code, ".code64",
	"vmcall\n vmlaunch\n vmresume\n vmxoff\n vmrun\n vmmcall\n vmload\n vmsave\n stgi\n clgi\n"
	"skinit\n invlpga\n" DONE
	".balign 64\n mov (%rsp), %rax\n" REPORT "addq $3, (%rsp)\n xor %eax, %eax\n iretq");

static void exit_virtualization_instructions(void)
{
	struct guest g;
	unsigned int i;

	guest_init(&g);
	guest_load(&g, G_LONG, virtualization_code, virtualization_code_end);
	guest_set_gate(&g, G_LONG, 6, 64);
	if (guest_finish(&g)) {
		check_equal(g.report_count, 12);
		for (i = 0; i < g.report_count; i++)
			check_equal(g.reports[i], G_CODE + 3 * i);
	}
	guest_destroy(&g);
}

GUEST_CODE(xsetbv_code, ".code64",
	"mov %cr4, %rax\n or $0x40000, %rax\n mov %rax, %cr4\n"
	"mov $1, %eax\n cpuid\n mov %ecx, %eax\n" REPORT		/* OSXSAVE shows */
	"xor %ecx, %ecx\n xgetbv\n" REPORT
	"xor %edx, %edx\n mov $3, %eax\n xsetbv\n xor %eax, %eax\n xgetbv\n" REPORT DONE);

static void exit_xsetbv(void)
{
	struct guest g;

	guest_init(&g);
	if (!(g.info.xcr0 & 2)) {
		skip("the host has no XSAVE");
	} else {
		guest_load(&g, G_LONG, xsetbv_code, xsetbv_code_end);
		if (guest_finish(&g)) {
			check_equal(g.reports[0] >> 27 & 1, 1);
			check_equal(g.reports[1], 1);
			check_equal(g.reports[2], 3);
		}
	}
	guest_destroy(&g);
}

/* A state that the CPU refuses: the entry fails and the field is named. */
static void failed_entry(void)
{
	struct mica_vcpu_state state;
	struct guest g;

	guest_init(&g);
	guest_load(&g, G_LONG, hlt_code, hlt_code_end);
	guest_get(&g, &state);
	state.segs.cs.attr |= 0x6000;	/* 64-bit code of 32 bits: both manuals refuse it */
	guest_set(&g, MICA_STATE_SEGS, &state);
	check_equal(guest_run(&g), MICA_EXIT_FAIL_ENTRY);
	check(strstr(g.run->fail.name, "CS") != NULL, "the field is called \"%s\"", g.run->fail.name);
	guest_destroy(&g);
}

TESTS(exit_tests) = {
	{ "exit-cpuid", exit_cpuid },
	{ "exit-endless", exit_endless },
	{ "exit-port", exit_port },
	{ "exit-string-port", exit_string_port },
	{ "exit-control-registers", exit_control_registers },
	{ "exit-debug-registers", exit_debug_registers },
	{ "exit-msr", exit_msr },
	{ "exit-hlt", exit_hlt },
	{ "exit-triple-fault", exit_triple_fault },
	{ "exit-cache-and-tlb", exit_cache_and_tlb },
	{ "exit-virtualization-instructions", exit_virtualization_instructions },
	{ "exit-xsetbv", exit_xsetbv },
	{ "failed-entry", failed_entry },
	{ }
};
