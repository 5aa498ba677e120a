// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * x2APIC mode, where a CPU may answer some MSRs from the APIC's page and all else must exit:
 * TPR and what waits for it, values, accesses that are refused, and the ways in and out.
 */
#include "apic_code.h"
#include "guest.h"

#define WRITE(msr, value) \
	"mov $" #msr ", %ecx\n mov $" #value ", %eax\n xor %edx, %edx\n wrmsr\n"
#define READ(msr)	"mov $" #msr ", %ecx\n rdmsr\n"
#define COUNT		"mov %r15d, %eax\n" REPORT

/* Begins all code: the handlers, whose offsets are known.  Interrupts count in R15: vector 0x40 as
 * 1, vector 0x50 as 0x100.  #GP reports all ones and skips RDMSR or WRMSR, of two bytes each. */
#define HANDLERS \
	"jmp 8f\n" \
	".balign 64\n inc %r15\n jmp 9f\n" \
	".balign 64\n add $0x100, %r15\n" \
	"9: mov $0x80b, %ecx\n xor %eax, %eax\n xor %edx, %edx\n wrmsr\n iretq\n" \
	".balign 64\n mov $-1, %eax\n" REPORT "add $8, %rsp\n addq $2, (%rsp)\n iretq\n" \
	"8:\n"
#define OFFSET_40	64
#define OFFSET_50	128
#define OFFSET_GP	192
#define REFUSED		0xffffffffu

static bool run(struct guest *g, const char *start, const char *end)
{
	guest_load(g, G_LONG, start, end);
	guest_set_gate(g, G_LONG, 0x40, OFFSET_40);
	guest_set_gate(g, G_LONG, 0x50, OFFSET_50);
	guest_set_gate(g, G_LONG, 13, OFFSET_GP);
	return guest_finish(g);
}

static void expect(const struct guest *g, const uint32_t *values, unsigned int count)
{
	unsigned int i;

	check_equal(g->report_count, count);
	for (i = 0; i < count && i < g->report_count; i++)
		check(g->reports[i] == values[i], "report %u is 0x%x, expected 0x%x", i,
		      g->reports[i], values[i]);
}

/* All that is reported is in `values`. */
static void run_and_expect(const char *start, const char *end, const uint32_t *values,
			   unsigned int count)
{
	struct guest g;

	guest_init(&g);
	if (run(&g, start, end))
		expect(&g, values, count);
	guest_destroy(&g);
}

#define RUN_AND_EXPECT(code, values) \
	run_and_expect(code, code##_end, values, sizeof(values) / sizeof(*(values)))

/* ------------------------------------------------------------ TPR */

GUEST_CODE(tpr_code, ".code64",
	HANDLERS X2 WRITE(0x808, 0x45) "or $-1, %rax\n or $-1, %rdx\n" READ(0x808) REPORT
	"mov %edx, %eax\n" REPORT "mov %cr8, %rax\n" REPORT READ(0x80a) REPORT
	"mov $7, %eax\n mov %rax, %cr8\n" READ(0x808) REPORT
	WRITE(0x808, 0x40) "sti\n" WRITE(0x83f, 0x40) COUNT	/* its class is not above TPR's */
	WRITE(0x808, 0x3f) "nop\n" COUNT			/* now it is */
	WRITE(0x808, 0x4f) WRITE(0x83f, 0x40) COUNT
	WRITE(0x808, 0x41) "nop\n" COUNT
	WRITE(0x808, 0) "nop\n" COUNT DONE);

static void task_priority(void)
{
	static const uint32_t values[] = { 0x45, 0, 4, 0x45, 0x70, 0, 1, 1, 1, 2 };

	RUN_AND_EXPECT(tpr_code, values);
}

/* Two wait; each comes when TPR falls below its own class, by either name of TPR. */
GUEST_CODE(two_code, ".code64",
	HANDLERS X2 WRITE(0x808, 0x60) "sti\n" WRITE(0x83f, 0x40) WRITE(0x83f, 0x50) "nop\n" COUNT
	WRITE(0x808, 0x50) "nop\n" COUNT WRITE(0x808, 0x40) "nop\n" COUNT
	"xor %eax, %eax\n mov %rax, %cr8\n nop\n" COUNT DONE);

static void two_wait(void)
{
	static const uint32_t values[] = { 0, 0, 0x100, 0x101 };

	RUN_AND_EXPECT(two_code, values);
}

/* With interrupts off nothing comes, and nothing is lost. */
GUEST_CODE(off_code, ".code64",
	HANDLERS X2 WRITE(0x808, 0x40) WRITE(0x83f, 0x40) WRITE(0x808, 0) "nop\n" COUNT
	WRITE(0x808, 0x40) "sti\n nop\n" COUNT WRITE(0x808, 0) "nop\n" COUNT DONE);

static void interrupts_off(void)
{
	static const uint32_t values[] = { 0, 0, 1 };

	RUN_AND_EXPECT(off_code, values);
}

/* SDM volume 3, "x2APIC Register Address Space": reserved bits raise #GP and change nothing. */
GUEST_CODE(reserved_code, ".code64",
	HANDLERS X2 WRITE(0x808, 0x20) WRITE(0x808, 0x100) WRITE(0x808, 0x80000030)
	"mov $0x808, %ecx\n mov $0x30, %eax\n mov $1, %edx\n wrmsr\n" READ(0x808) REPORT DONE);

static void tpr_reserved(void)
{
	static const uint32_t values[] = { REFUSED, REFUSED, REFUSED, 0x20 };

	RUN_AND_EXPECT(reserved_code, values);
}

/* ------------------------------------------------------------ the other registers */

/* In service is the vector of the handler that reads: IRR and ISR of vectors 0x40..0x5f. */
GUEST_CODE(values_code, ".code64",
	HANDLERS X2 READ(0x802) REPORT READ(0x803) "and $0xf0, %eax\n" REPORT READ(0x80d) REPORT
	READ(0x80f) REPORT WRITE(0x832, 0x10055) READ(0x832) REPORT READ(0x835) REPORT
	WRITE(0x838, 0x1000) READ(0x838) REPORT WRITE(0x83e, 0xb) READ(0x83e) REPORT
	WRITE(0x83f, 0x50) READ(0x822) REPORT READ(0x812) REPORT
	"mov $0x830, %ecx\n mov $0x40, %eax\n mov $0x12345678, %edx\n wrmsr\n" READ(0x830)
	REPORT "mov %edx, %eax\n" REPORT WRITE(0x808, 0x60) READ(0x80a) REPORT DONE);

static void values_of_registers(void)
{
	static const uint32_t values[] = { 0, 0x10, 1, 0x1ff, 0x10055, 0x10000, 0x1000, 0xb,
					   1u << 16, 0, 0x40, 0x12345678, 0x60 };

	RUN_AND_EXPECT(values_code, values);
}

GUEST_CODE(refused_code, ".code64",
	HANDLERS X2 READ(0x80b) READ(0x80e) READ(0x831) READ(0x800) READ(0x83f) READ(0x82f) READ(0x8ff)
	WRITE(0x80a, 0) WRITE(0x802, 0) WRITE(0x80b, 1) WRITE(0x810, 0) DONE);

static void refused(void)
{
	static const uint32_t values[] = { REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED,
					   REFUSED, REFUSED, REFUSED, REFUSED, REFUSED };

	RUN_AND_EXPECT(refused_code, values);
}

/* ------------------------------------------------------------ in and out */

#define BASE(low)	"mov $0x1b, %ecx\n mov $" #low ", %eax\n xor %edx, %edx\n wrmsr\n"

/* The page is there in xAPIC mode only, the MSRs in x2APIC mode only, and each knows at once. */
GUEST_CODE(mode_code, ".code64",
	HANDLERS ENABLE "movl $0x30, 0x80(%rdi)\n"
	"mov 0x30(%rdi), %eax\n and $0xf0, %eax\n" REPORT
	READ(0x808) X2 "mov 0x30(%rdi), %eax\n" REPORT READ(0x808) REPORT
	WRITE(0x808, 0x60) READ(0x808) REPORT
	BASE(0xfee00000) READ(0x808) WRITE(0x808, 0x50) "mov 0x30(%rdi), %eax\n" REPORT
	BASE(0xfee00800) READ(0x808) WRITE(0x808, 0x50) "mov 0x80(%rdi), %eax\n" REPORT
	"movl $0x50, 0x80(%rdi)\n mov %cr8, %rax\n" REPORT DONE);

static void modes(void)
{
	static const uint32_t values[] = { 0x10, REFUSED, 0xffffffff, 0x30, 0x60,
					   REFUSED, REFUSED, 0xffffffff,
					   REFUSED, REFUSED, 0, 5 };

	RUN_AND_EXPECT(mode_code, values);
}

TESTS(apic_x2_tests) = {
	{ "apic-x2-task-priority", task_priority },
	{ "apic-x2-task-priority-two", two_wait },
	{ "apic-x2-task-priority-interrupts-off", interrupts_off },
	{ "apic-x2-task-priority-reserved", tpr_reserved },
	{ "apic-x2-values", values_of_registers },
	{ "apic-x2-refused", refused },
	{ "apic-x2-modes", modes },
	{ }
};
