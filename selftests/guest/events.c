// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Exceptions, NMIs and interrupts: are they delivered, with the right frame, and only when
 * the guest can take them?
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest.h"

/* ------------------------------------------------------------ exceptions in the guest */

/* The handler at +64 reports the error code, RIP and CR2, and returns to RBX. */
#define FAULT_HANDLER \
	".balign 64\n pop %rax\n" REPORT "mov (%rsp), %rax\n" REPORT "mov %cr2, %rax\n" REPORT \
	"mov %rbx, (%rsp)\n iretq"

GUEST_CODE(pf_code, ".code64",
	"lea 1f(%rip), %rbx\n"
	"mov $0x8000000000, %rax\n mov %eax, (%rax)\n 1: mov $1, %eax\n" DONE FAULT_HANDLER);

GUEST_CODE(gp_code, ".code64",
	"lea 1f(%rip), %rbx\n"
	"mov $0x12345, %ecx\n wrmsr\n 1: mov $2, %eax\n" DONE FAULT_HANDLER);

static void page_fault(void)
{
	struct guest g;

	guest_init(&g);
	guest_load(&g, G_LONG, pf_code, pf_code_end);
	guest_set_gate(&g, G_LONG, 14, 64);
	if (guest_finish(&g)) {
		check_equal(g.reports[0], 2);		/* write, not present */
		check_equal(g.reports[2], 0);		/* low half of CR2 */
		check_equal(g.done, 1);
	}
	guest_destroy(&g);
}

/* An MSR that does not exist: raised by the module, not by the CPU. */
static void general_protection(void)
{
	struct guest g;

	guest_init(&g);
	guest_load(&g, G_LONG, gp_code, gp_code_end);
	guest_set_gate(&g, G_LONG, 13, 64);
	if (guest_finish(&g)) {
		check_equal(g.reports[0], 0);
		check(!memcmp(guest_at(&g, g.reports[1]), "\x0f\x30", 2), "RIP is not at WRMSR");
		check_equal(g.done, 2);
	}
	guest_destroy(&g);
}

GUEST_CODE(loop_code, ".code64", "1: out %al, $0x80\n jmp 1b\n .balign 64\n" DONE);

/* An exception that user space asks for, as an emulated access does. */
static void committed_exception(void)
{
	struct guest g;

	guest_init(&g);
	guest_load(&g, G_LONG, loop_code, loop_code_end);
	guest_set_gate(&g, G_LONG, 13, 64);
	guest_run(&g);
	guest_get(&g, &g.run->state);
	g.run->state.events.exception = MICA_EVENT_VALID | MICA_EVENT_EXCEPTION |
					MICA_EVENT_HAS_ERROR | 13;
	g.run->state.events.exception_error = 0x18;
	g.run->state.gprs.rax = 0xabc;
	g.run->state_commit = MICA_STATE_EVENTS | MICA_STATE_GPRS;
	if (guest_finish(&g))
		check_equal(g.done, 0xabc);
	guest_get(&g, &g.run->state);
	check_equal(*(uint64_t *)guest_at(&g, g.run->state.gprs.rsp), 0x18);
	guest_destroy(&g);
}

/* Traps with and without instruction length, and a single step. */
GUEST_CODE(trap_code, ".code64",
	"int3\n int $0x30\n"
	"pushfq\n orq $0x100, (%rsp)\n popfq\n nop\n nop\n" DONE
	".balign 64\n mov (%rsp), %rax\n" REPORT "andq $~0x100, 16(%rsp)\n iretq");

static void traps(void)
{
	struct guest g;

	guest_init(&g);
	guest_load(&g, G_LONG, trap_code, trap_code_end);
	guest_set_gate(&g, G_LONG, 1, 64);
	guest_set_gate(&g, G_LONG, 3, 64);
	guest_set_gate(&g, G_LONG, 0x30, 64);
	if (guest_finish(&g)) {
		check_equal(g.report_count, 3);
		check_equal(g.reports[0], G_CODE + 1);		/* INT3 */
		check_equal(g.reports[1], G_CODE + 3);		/* INT 0x30 */
		check_equal(g.reports[2], G_CODE + 3 + 1 + 8 + 1 + 1);	/* behind the first NOP */
	}
	guest_destroy(&g);
}

GUEST_CODE(int1_code, ".code64",
	".byte 0xf1\n nop\n" DONE ".balign 64\n mov (%rsp), %rax\n" REPORT "iretq");

/* Emulated CPUs exist that take it for an undefined opcode. */
static bool have_int1(void)
{
	pid_t child = fork();
	int status;

	if (!child) {
		asm volatile(".byte 0xf1");
		_exit(0);
	}
	return waitpid(child, &status, 0) == child && WIFSIGNALED(status) &&
	       WTERMSIG(status) == SIGTRAP;
}

static void int1(void)
{
	struct guest g;

	if (!have_int1()) {
		skip("this CPU has no INT1");
		return;
	}
	guest_init(&g);
	guest_load(&g, G_LONG, int1_code, int1_code_end);
	guest_set_gate(&g, G_LONG, 1, 64);
	if (guest_finish(&g)) {
		check_equal(g.report_count, 1);
		check_equal(g.reports[0], G_CODE + 1);
	}
	guest_destroy(&g);
}

/* #AC and #DB that deliver themselves again and again must not hold the CPU for ever. */
GUEST_CODE(db_loop_code, ".code64",
	"1: out %al, $0x80\n jmp 1b\n .balign 64\n iretq");

static void endless_debug_exceptions(void)
{
	struct mica_vcpu_state state;
	struct guest g;

	guest_init(&g);
	guest_load(&g, G_LONG, db_loop_code, db_loop_code_end);
	guest_set_gate(&g, G_LONG, 1, 64);
	guest_get(&g, &state);
	/* A data breakpoint on the stack slot that the delivery of #DB itself writes. */
	state.drs.dr0 = G_STACK - 8;
	state.drs.dr7 = 0x400 | 0x1 | 0x30000 | 0x80000;
	state.gprs.rflags = 2;
	guest_set(&g, MICA_STATE_DRS | MICA_STATE_GPRS, &state);
	check_equal(guest_run(&g), MICA_EXIT_IO);
	check_equal(g.run->io.port, 0x80);
	guest_destroy(&g);
}

/* ------------------------------------------------------------ NMI and shadows */

static void pin(struct guest *g, uint32_t number, uint32_t level)
{
	struct mica_pin args = { .pin = number, .level = level };

	check(!ioctl(g->vcpu, MICA_VCPU_SET_PIN, &args), "MICA_VCPU_SET_PIN: %s", strerror(errno));
}

/* The NMI handler exits once before its IRET; a second NMI must wait for that IRET. */
GUEST_CODE(nmi_code, ".code64",
	"mov $0xaa, %eax\n out %al, $0x80\n 1: out %al, $0x81\n jmp 1b\n"
	".balign 64\n mov $0x4e, %eax\n" REPORT "out %al, $0x82\n mov $0x4f, %eax\n" REPORT "iretq");

static void nmi_blocking(void)
{
	struct mica_vcpu_state state;
	struct guest g;

	guest_init(&g);
	guest_load(&g, G_LONG, nmi_code, nmi_code_end);
	guest_set_gate(&g, G_LONG, 2, 64);
	guest_run(&g);
	check_equal(g.run->io.port, 0x80);
	pin(&g, MICA_PIN_NMI, 1);
	guest_run(&g);
	check_equal(g.run->io.port, 0x82);
	check_equal(g.report_count, 1);
	guest_get(&g, &state);
	check_equal(state.events.nmi_blocked, 1);
	pin(&g, MICA_PIN_NMI, 0);
	pin(&g, MICA_PIN_NMI, 1);
	guest_run(&g);		/* the second handler, after the first one's IRET */
	check_equal(g.run->io.port, 0x82);
	check_equal(g.report_count, 3);
	check_equal(g.reports[1], 0x4f);
	check_equal(g.reports[2], 0x4e);
	guest_run(&g);
	check_equal(g.run->io.port, 0x81);
	guest_get(&g, &state);
	check_equal(state.events.nmi_blocked, 0);
	guest_destroy(&g);
}

/* Self-IPI 0x40 pending with interrupts off; STI and MOV SS each hold it for one instruction. */
#define SEND_40 \
	"mov $0xfee00000, %edi\n movl $0x1ff, 0xf0(%rdi)\n movl $0x40040, 0x300(%rdi)\n"
#define TAKE_40 \
	".balign 128\n mov (%rsp), %rax\n" REPORT "movl $0, 0xb0(%rdi)\n iretq"

/* The first MOV SS brings the GDT's page in: QEMU's VMRUN forgets a shadow in which the guest
 * exited, and the interrupt would come before the second one. */
GUEST_CODE(sti_code, ".code64", SEND_40 "sti\n nop\n nop\n" DONE TAKE_40);
GUEST_CODE(mov_ss_code, ".code64",
	"mov $0x10, %eax\n mov %eax, %ss\n"
	SEND_40 "mov $0x10, %eax\n sti\n mov %eax, %ss\n nop\n nop\n" DONE TAKE_40);

#define UNDISTURBED_WITHIN 100	/* runs */

static bool came_behind(struct guest *g, const char *text)
{
	return !memcmp(guest_at(g, g->reports[0] - strlen(text)), text, strlen(text));
}

/* One run of the code.  False if the host interrupted it: QEMU forgets the shadow then, and what
 * the module does about that comes late. */
static bool shadow_run(const char *start, const char *end, const char *text, const char *or_text)
{
	bool finished, disturbed;
	struct guest g;

	guest_init(&g);
	guest_load(&g, G_LONG, start, end);
	guest_set_gate(&g, G_LONG, 0x40, 128);
	finished = guest_finish(&g);
	disturbed = guest_stat(&g, "external_interrupt");
	if (finished && !disturbed) {
		check_equal(g.report_count, 1);
		check(came_behind(&g, text) || came_behind(&g, or_text),
		      "the interrupt came at 0x%x", g.reports[0]);
	}
	guest_destroy(&g);
	return !finished || !disturbed;
}

static void shadow(const char *start, const char *end, const char *text, const char *or_text)
{
	for (unsigned int runs = 0; runs < UNDISTURBED_WITHIN; runs++)
		if (shadow_run(start, end, text, or_text))
			return;
	check(false, "the host interrupted each of %u runs", UNDISTURBED_WITHIN);
}

static void sti_shadow(void)
{
	shadow(sti_code, sti_code_end, "\xfb\x90", "\xfb\x90");
}

/* Of two shadows in a row only the first is sure. */
static void mov_ss_shadow(void)
{
	shadow(mov_ss_code, mov_ss_code_end, "\x8e\xd0\x90", "\xfb\x8e\xd0");
}

/* ------------------------------------------------------------ ExtINT */

/* The wire of a PIC at LINT0: the kernel asks for the vector when the guest can take it. */
GUEST_CODE(extint_code, ".code64",
	"mov $0xfee00000, %edi\n movl $0x1ff, 0xf0(%rdi)\n movl $0x700, 0x350(%rdi)\n"
	"cli\n out %al, $0x80\n sti\n 1: hlt\n jmp 1b\n .balign 64\n" DONE);

static void extint(void)
{
	struct guest g;

	guest_init(&g);
	guest_load(&g, G_LONG, extint_code, extint_code_end);
	guest_set_gate(&g, G_LONG, 0x58, 64);
	guest_run(&g);
	check_equal(g.run->io.port, 0x80);
	pin(&g, MICA_PIN_LINT0, 1);
	check_equal(guest_run(&g), MICA_EXIT_EXTINT);
	pin(&g, MICA_PIN_LINT0, 0);
	g.run->extint_vector = 0x58 | MICA_EXTINT_VALID;
	guest_finish(&g);
	check_equal(g.run->extint_vector, 0);
	guest_destroy(&g);
}

TESTS(event_tests) = {
	{ "event-page-fault", page_fault },
	{ "event-general-protection", general_protection },
	{ "event-committed-exception", committed_exception },
	{ "event-traps", traps },
	{ "event-int1", int1 },
	{ "event-endless-debug-exceptions", endless_debug_exceptions },
	{ "event-nmi-blocking", nmi_blocking },
	{ "event-sti-shadow", sti_shadow },
	{ "event-mov-ss-shadow", mov_ss_shadow },
	{ "event-extint", extint },
	{ }
};
