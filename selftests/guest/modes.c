// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The five modes of a CPU: does code run in each, and does each see its own widths?  Every
 * guest reports 0x12345678 + 1 and the number of bits that its stack pointer moved by.
 */
#include "guest.h"

GUEST_CODE(real_code, ".code16",
	"mov $0x12345678, %eax\n inc %eax\n" REPORT
	"mov %sp, %ax\n push %bx\n sub %sp, %ax\n movzx %ax, %eax\n" REPORT DONE);

GUEST_CODE(prot32_code, ".code32",
	"mov $0x12345678, %eax\n inc %eax\n" REPORT
	"mov %esp, %eax\n push %ebx\n sub %esp, %eax\n" REPORT DONE);

GUEST_CODE(long_code, ".code64",
	"mov $0x12345678, %eax\n inc %eax\n" REPORT
	"mov %rsp, %rax\n push %rbx\n sub %rsp, %rax\n" REPORT DONE);

static void run_mode(enum guest_mode mode, const char *start, const char *end, unsigned int push)
{
	struct guest g;

	guest_init(&g);
	guest_load(&g, mode, start, end);
	if (guest_finish(&g)) {
		check_equal(g.report_count, 2);
		check_equal(g.reports[0], 0x12345679);
		check_equal(g.reports[1], push);
	}
	guest_destroy(&g);
}

static void real_mode(void)
{
	run_mode(G_REAL, real_code, real_code_end, 2);
}

static void protected_16(void)
{
	run_mode(G_PROT16, real_code, real_code_end, 2);
}

static void protected_32(void)
{
	run_mode(G_PROT32, prot32_code, prot32_code_end, 4);
}

static void pae(void)
{
	run_mode(G_PAE, prot32_code, prot32_code_end, 4);
}

static void long_mode(void)
{
	run_mode(G_LONG, long_code, long_code_end, 8);
}

TESTS(mode_tests) = {
	{ "mode-real", real_mode },
	{ "mode-protected-16", protected_16 },
	{ "mode-protected-32", protected_32 },
	{ "mode-pae", pae },
	{ "mode-long", long_mode },
	{ }
};
