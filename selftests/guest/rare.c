// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What modern kernels hardly do: debug registers in all their corners, exceptions whose delivery
 * raises the same exception again, hardware task switches.
 */
#include <string.h>
#include <sys/time.h>

#include "guest.h"

/* ------------------------------------------------------------ debug registers */

/* At +0x80 #DB reports DR6 and RIP, clears DR6 and goes on, with RF set; at +0xc0 #UD skips the
 * three bytes of a MOV DR. */
#define HANDLERS \
	"jmp 9f\n" \
	".balign 128\n push %rax\n mov %dr6, %rax\n" REPORT "mov 8(%rsp), %rax\n" REPORT \
	"xor %eax, %eax\n mov %rax, %dr6\n orq $0x10000, 24(%rsp)\n pop %rax\n iretq\n" \
	".balign 64\n push %rax\n mov $0xdead, %eax\n" REPORT \
	"pop %rax\n addq $3, (%rsp)\n iretq\n 9:\n"

static bool run(struct guest *g, const char *start, const char *end)
{
	guest_load(g, G_LONG, start, end);
	guest_set_gate(g, G_LONG, 1, 0x80);
	guest_set_gate(g, G_LONG, 6, 0xc0);
	return guest_finish(g);
}

GUEST_CODE(values_code, ".code64",
	HANDLERS "xor %eax, %eax\n mov %rax, %dr6\n mov %dr6, %rax\n" REPORT
	"mov $0xe00f, %eax\n mov %rax, %dr6\n mov %dr6, %rax\n" REPORT
	"mov $0xd000, %eax\n mov %rax, %dr7\n mov %dr7, %rax\n" REPORT
	"mov $0x1234567890, %rax\n mov %rax, %dr2\n mov %dr2, %rax\n shr $16, %rax\n" REPORT
	/* DR4 and DR5 are DR6 and DR7, until CR4.DE makes them nothing. */
	"mov $0x4000, %eax\n mov %rax, %dr4\n mov %dr6, %rax\n" REPORT
	"mov $0x500, %eax\n mov %rax, %dr5\n mov %dr7, %rax\n" REPORT
	"mov %cr4, %rax\n or $8, %rax\n mov %rax, %cr4\n mov %dr4, %rax\n mov %rax, %dr5\n" DONE);

static void values(void)
{
	static const uint32_t expected[] = {
		0xffff0ff0, 0xffffefff, 0x400, 0x123456, 0xffff4ff0, 0x500, 0xdead, 0xdead,
	};
	unsigned int i;
	struct guest g;

	guest_init(&g);
	if (run(&g, values_code, values_code_end)) {
		check_equal(g.report_count, 8);
		for (i = 0; i < g.report_count; i++)
			check(g.reports[i] == expected[i], "report %u is 0x%x, expected 0x%x", i,
			      g.reports[i], expected[i]);
	}
	guest_destroy(&g);
}

/* General detect: the access faults, DR6 says so, and the handler may touch the registers. */
GUEST_CODE(detect_code, ".code64",
	HANDLERS "mov $0x2400, %eax\n mov %rax, %dr7\n"
	"1: mov %dr0, %rbx\n mov %dr7, %rax\n" REPORT "lea 1b(%rip), %rax\n" DONE);

static void general_detect(void)
{
	struct guest g;

	guest_init(&g);
	if (run(&g, detect_code, detect_code_end)) {
		check_equal(g.report_count, 3);
		check_equal(g.reports[0], 0xffff2ff0);
		check_equal(g.reports[1], g.done);
		check_equal(g.reports[2], 0x400);
	}
	guest_destroy(&g);
}

/* DR0 on an instruction (a fault), DR1 on four bytes that are written (a trap). */
GUEST_CODE(hit_code, ".code64",
	HANDLERS "lea 1f(%rip), %rax\n mov %rax, %dr0\n mov $0x100000, %eax\n mov %rax, %dr1\n"
	"mov $0xd00405, %eax\n mov %rax, %dr7\n nop\n"
	"1: nop\n mov 0x100000, %eax\n movl $5, 0x100000\n 2: nop\n mov %dr7, %rax\n" REPORT
	"lea 1b(%rip), %rax\n" REPORT "lea 2b(%rip), %rax\n" DONE);

static void breakpoints(void)
{
	struct guest g;

	if (guest_host_is_lenient()) {
		skip("this CPU has no breakpoints in guests");
		return;
	}
	guest_init(&g);
	if (run(&g, hit_code, hit_code_end)) {
		check_equal(g.report_count, 6);
		check_equal(g.reports[0], 0xffff0ff1);
		check_equal(g.reports[1], g.reports[5]);
		check_equal(g.reports[2], 0xffff0ff2);
		check_equal(g.reports[3], g.done);
		check_equal(g.reports[4], 0xd00405);
	}
	guest_destroy(&g);
}

/* A step over an instruction that exits is one step, also where the exit is the module's. */
GUEST_CODE(step_code, ".code64",
	HANDLERS "pushfq\n orq $0x100, (%rsp)\n popfq\n 1: cpuid\n 2: wbinvd\n 3: nop\n"
	"pushfq\n andq $~0x100, (%rsp)\n popfq\n nop\n mov $1, %eax\n" DONE);

static void step_over_exits(void)
{
	struct guest g;
	unsigned int i;

	guest_init(&g);
	if (run(&g, step_code, step_code_end)) {
		/* CPUID, WBINVD, NOP, PUSHF, AND, POPF: the last still ends as a step. */
		check_equal(g.report_count, 12);
		for (i = 0; i < g.report_count; i += 2)
			check_equal(g.reports[i], 0xffff4ff0);
		check_equal(g.reports[3] - g.reports[1], 2);
		check_equal(g.reports[5] - g.reports[3], 1);
	}
	guest_destroy(&g);
}

/* ------------------------------------------------------------ exceptions without end */

/*
 * Each delivery causes the next, and the guest never executes an instruction: only the host can
 * end that.  A guest that could keep the CPU would stop a host of one CPU right here.
 */
static void run_endless(struct guest *g)
{
	const struct itimerval soon = { .it_value.tv_usec = 50000 };

	setitimer(ITIMER_REAL, &soon, NULL);
	check_equal(guest_run(g), MICA_EXIT_INTERRUPTED);
	/* And again, from where it was. */
	setitimer(ITIMER_REAL, &soon, NULL);
	check_equal(guest_run(g), MICA_EXIT_INTERRUPTED);
}

GUEST_CODE(endless_code, ".code64", "movb $1, (%rbx)\n" DONE ".balign 64\n" DONE);

#define TSS_IST1	0x24

/* A data breakpoint on a stack that starts anew with each delivery. */
static void endless_debug(void)
{
	uint64_t stack = G_STACK;
	struct mica_vcpu_state state;
	struct guest g;

	if (guest_host_is_lenient()) {
		skip("this CPU has no breakpoints in guests");
		return;
	}
	guest_init(&g);
	guest_load(&g, G_LONG, endless_code, endless_code_end);
	guest_set_gate(&g, G_LONG, 1, 64);
	((uint64_t *)guest_at(&g, G_IDT))[2] |= 1ull << 32;	/* IST 1 */
	memcpy(guest_at(&g, G_TSS + TSS_IST1), &stack, sizeof(stack));
	guest_get(&g, &state);
	state.drs.dr0 = state.gprs.rbx = G_STACK - 8;
	state.drs.dr7 = 0x400 | 0x1 | 0x90000;		/* L0: writes, eight bytes */
	guest_set(&g, MICA_STATE_DRS | MICA_STATE_GPRS, &state);
	run_endless(&g);
	guest_destroy(&g);
}

GUEST_CODE(alignment_code, ".code32", "mov 1(%ebx), %eax\n ud2\n .balign 64\n ud2");

#define CR0_AM		(1u << 18)
#define RFLAGS_AC	(1u << 18)
#define USER_CODE	0x23
#define ATTR_DPL3	0x60

/* #AC in user mode whose handler is there as well, with a stack that is misaligned. */
static void endless_alignment(void)
{
	struct mica_vcpu_state state;
	struct guest g;

	if (guest_host_is_lenient()) {
		skip("this CPU has no #AC");
		return;
	}
	guest_init(&g);
	guest_load(&g, G_PROT32, alignment_code, alignment_code_end);
	guest_set_gate(&g, G_PROT32, 17, 64);
	((uint64_t *)guest_at(&g, G_GDT))[USER_CODE / 8] = 0x00cffb000000ffffull;
	((uint16_t *)guest_at(&g, G_IDT + 17 * 8))[1] = USER_CODE;
	guest_get(&g, &state);
	state.segs.cs.selector = USER_CODE;
	state.segs.cs.attr |= ATTR_DPL3;
	state.segs.ss.selector |= 3;
	state.segs.ss.attr |= ATTR_DPL3;
	state.crs.cr0 |= CR0_AM;
	state.gprs.rflags |= RFLAGS_AC;
	state.gprs.rbx = G_DATA;
	state.gprs.rsp -= 1;
	guest_set(&g, MICA_STATE_ALL, &state);
	run_endless(&g);
	guest_destroy(&g);
}

/* ------------------------------------------------------------ hardware task switches */

#define SELECTOR_TASK	0x20
#define TASK_TSS	(G_TSS + 0x100)
#define TASK_GATE	0x30

GUEST_CODE(task_code, ".code32",
	"int $0x30\n ud2\n .balign 64\n ljmp $0x20, $0\n ud2\n"
	".balign 64\n mov $0x7a5c, %eax\n" DONE);

/* SDM volume 3, "Task-State Segment (TSS)": what the new task starts with. */
static void write_task(struct guest *g)
{
	uint32_t *tss = guest_at(g, TASK_TSS);
	uint64_t *gdt = guest_at(g, G_GDT), *idt = guest_at(g, G_IDT);
	unsigned int i;

	memset(tss, 0, 0x68);
	tss[8] = G_CODE + 128;		/* EIP */
	tss[9] = 2;			/* EFLAGS */
	tss[14] = G_STACK - 0x1000;	/* ESP */
	for (i = 18; i < 24; i++)	/* ES, CS, SS, DS, FS, GS */
		tss[i] = 0x10;
	tss[19] = 0x08;
	gdt[SELECTOR_TASK / 8] = 0x0000890000000067ull | TASK_TSS << 16;
	idt[TASK_GATE] = 0x0000850000000000ull | SELECTOR_TASK << 16;
}

/* A CPU, or a module, that can do it starts the task; else the exit is named. */
static void run_task_switch(unsigned int offset)
{
	struct mica_vcpu_state state;
	enum mica_exit reason;
	struct guest g;

	guest_init(&g);
	guest_load(&g, G_PROT32, task_code, task_code_end);
	write_task(&g);
	guest_get(&g, &state);
	state.gprs.rip = G_CODE + offset;
	guest_set(&g, MICA_STATE_GPRS, &state);
	reason = guest_run(&g);
	if (reason == MICA_EXIT_IO)
		check(g.run->io.port == G_DONE && g.run->io.data == 0x7a5c, "port 0x%x, 0x%llx",
		      g.run->io.port, (unsigned long long)g.run->io.data);
	else
		check(reason == MICA_EXIT_INTERNAL_ERROR && strstr(g.run->fail.name, "task_switch"),
		      "exit %s, \"%s\"", guest_exit_name(reason), g.run->fail.name);
	guest_destroy(&g);
}

static void task_gate(void)
{
	run_task_switch(0);
}

static void task_jump(void)
{
	run_task_switch(64);
}

/* ------------------------------------------------------------ code that moves */

#define PLAIN		"0x90c3a20f"	/* CPUID; RET */
#define PREFIXED	"0xc3a20f66"	/* the same with a prefix that does nothing */
#define SWITCH_TO(entry) \
	"movq $" entry ", (%rdi)\n mov %cr3, %rax\n mov %rax, %cr3\n"

/* Calls PLAIN at another linear address, 2 MiB page 3, three times; PREFIXED, which the guest's page
 * tables put in its place; and PLAIN after it has become the other. */
GUEST_CODE(moved_code, ".code64",
	"movl $" PLAIN ", 0x180000\n movl $" PREFIXED ", 0x380000\n"
	"mov $0x780000, %esi\n mov $0x41018, %edi\n" SWITCH_TO("0x83")
	"call *%rsi\n call *%rsi\n call *%rsi\n mov $1, %eax\n" REPORT
	SWITCH_TO("0x200083") "call *%rsi\n mov $2, %eax\n" REPORT
	SWITCH_TO("0x83") "call *%rsi\n movl $" PREFIXED ", 0x180000\n call *%rsi\n"
	"mov $3, %eax\n" DONE);

static void moved(void)
{
	struct guest g;

	guest_init(&g);
	guest_load(&g, G_LONG, moved_code, moved_code_end);
	if (guest_finish(&g))
		check(g.report_count == 2 && g.done == 3, "the guest ended with %u after %u reports",
		      g.done, g.report_count);
	guest_destroy(&g);
}

TESTS(rare_tests) = {
	{ "instruction-moved", moved },
	{ "debug-register-values", values },
	{ "debug-general-detect", general_detect },
	{ "debug-breakpoints", breakpoints },
	{ "debug-step-over-exits", step_over_exits },
	{ "endless-debug-exceptions", endless_debug },
	{ "endless-alignment-checks", endless_alignment },
	{ "task-switch-by-gate", task_gate },
	{ "task-switch-by-jump", task_jump },
	{ }
};
