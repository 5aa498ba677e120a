// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How interrupts arrive and end, whoever does it: the CPU by itself (virtual-interrupt delivery),
 * or the module.  What the guest sees is the same; where the CPU does it there are no exits.
 * R15 is a trace: each handler appends a hexadecimal digit.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "apic_code.h"
#include "guest.h"

#define WRITE(msr, value) \
	"mov $" #msr ", %ecx\n mov $" #value ", %eax\n xor %edx, %edx\n wrmsr\n"
#define READ(msr)	"mov $" #msr ", %ecx\n rdmsr\n"
#define EOI		WRITE(0x80b, 0)
#define TRACE(digit)	"shl $4, %r15\n or $" #digit ", %r15\n"
#define PAUSE		"out %al, $0x80\n"

/* All code begins with handlers of vectors 0x30, 0x40 and 0x50. */
#define HANDLERS(of_30, of_40, of_50) \
	"jmp 9f\n .balign 64\n" TRACE(3) of_30 "iretq\n .balign 64\n" TRACE(5) of_50 "iretq\n" \
	".balign 64\n" TRACE(4) of_40 "iretq\n 9:\n"
#define OFFSET_30	64
#define OFFSET_50	128
#define OFFSET_40	192

static void load(struct guest *g, const char *start, const char *end)
{
	guest_init(g);
	guest_load(g, G_LONG, start, end);
	guest_set_gate(g, G_LONG, 0x30, OFFSET_30);
	guest_set_gate(g, G_LONG, 0x40, OFFSET_40);
	guest_set_gate(g, G_LONG, 0x50, OFFSET_50);
}

static void expect(const struct guest *g, const uint32_t *values, unsigned int count)
{
	unsigned int i;

	check_equal(g->report_count, count);
	for (i = 0; i < count && i < g->report_count; i++)
		check(g->reports[i] == values[i], "report %u is 0x%x, expected 0x%x", i,
		      g->reports[i], values[i]);
}

static bool pauses(struct guest *g)
{
	enum mica_exit reason = guest_run(g);

	return check(reason == MICA_EXIT_IO && g->run->io.port == 0x80,
		     "exit %s instead of a pause", guest_exit_name(reason));
}

/* ------------------------------------------------------------ priorities */

/* PPR, ISR and IRR: within the handler of 0x40, when 0x50 has come and gone, and at the end. */
#define LOOK	READ(0x80a) REPORT READ(0x812) REPORT READ(0x822) REPORT READ(0x821) REPORT

GUEST_CODE(nested_code, ".code64",
	HANDLERS(EOI, WRITE(0x83f, 0x30) WRITE(0x83f, 0x50) LOOK "sti\n nop\n cli\n" LOOK EOI, EOI)
	X2 "sti\n" WRITE(0x83f, 0x40) "nop\n" LOOK "mov %r15d, %eax\n" DONE);

static void nested(void)
{
	static const uint32_t values[] = { 0x40, 1, 1 << 16, 1 << 16, 0x40, 1, 0, 1 << 16,
					   0, 0, 0, 0 };
	struct guest g;

	load(&g, nested_code, nested_code_end);
	if (guest_finish(&g)) {
		expect(&g, values, sizeof(values) / sizeof(*values));
		check_equal(g.done, 0x453);
	}
	guest_destroy(&g);
}

/* SDM volume 3, "Error Handling": the sender is told of a vector below 16, which nobody gets. */
GUEST_CODE(illegal_code, ".code64",
	HANDLERS("", "", "") X2 "sti\n" WRITE(0x83f, 15) WRITE(0x828, 0) READ(0x828) REPORT
	READ(0x820) REPORT "mov %r15d, %eax\n" DONE);

static void illegal_vector(void)
{
	struct guest g;

	load(&g, illegal_code, illegal_code_end);
	if (guest_finish(&g)) {
		check(g.reports[0] & 0x20, "ESR is 0x%x", g.reports[0]);
		check_equal(g.reports[1], 0);
		check_equal(g.done, 0);
	}
	guest_destroy(&g);
}

/* ------------------------------------------------------------ exits */

#define ROUNDS	100

/* A hundred times: lower TPR, interrupt oneself, end the interrupt. */
GUEST_CODE(many_x2_code, ".code64",
	HANDLERS("", "inc %rbx\n" EOI, "") X2 "sti\n xor %ebx, %ebx\n mov $100, %edi\n" PAUSE
	"1:" WRITE(0x808, 0x20) WRITE(0x83f, 0x40) "nop\n dec %edi\n jnz 1b\n"
	"mov %ebx, %eax\n" DONE);
GUEST_CODE(many_code, ".code64",
	HANDLERS("", "inc %rbx\n movl $0, 0xb0(%rdi)\n", "")
	ENABLE "sti\n xor %ebx, %ebx\n mov $100, %esi\n" PAUSE
	"1: movl $0x20, 0x80(%rdi)\n movl $0x40040, 0x300(%rdi)\n nop\n dec %esi\n jnz 1b\n"
	"mov %ebx, %eax\n" DONE);

/* Exits for the APIC between the pause and the end. */
static uint64_t exits_for_apic(struct guest *g)
{
	uint64_t count = guest_stat(g, "wrmsr") + guest_stat(g, "interrupt_window") +
			 guest_stat(g, "mmio");

	if (!strcmp(g->info.backend, "vmx"))
		count += guest_stat(g, "apic_write");
	return count;
}

static void many_self_ipis(const char *start, const char *end)
{
	uint64_t before;
	struct guest g;

	load(&g, start, end);
	if (pauses(&g)) {
		before = exits_for_apic(&g);
		if (guest_finish(&g))
			check_equal(g.done, ROUNDS);
		before = exits_for_apic(&g) - before;
		if (g.info.caps & MICA_CAP_DELIVERY)
			check_equal(before, 0);
		else
			check(before >= 2 * ROUNDS, "%lu exits, but the CPU cannot do it by itself",
			      (unsigned long)before);
	}
	guest_destroy(&g);
}

static void no_exits(void)
{
	many_self_ipis(many_x2_code, many_x2_code_end);
	many_self_ipis(many_code, many_code_end);
}

/* ------------------------------------------------------------ level-triggered */

#define LEVEL	0xc000u		/* level, assert */

GUEST_CODE(level_code, ".code64",
	HANDLERS(EOI, EOI, EOI) X2 "sti\n 1:" PAUSE "nop\n nop\n jmp 1b");

static void send(struct guest *g, uint32_t data)
{
	struct mica_msi msi = { .address = 0xfee00000, .data = data };

	if (ioctl(g->vm, MICA_VM_SIGNAL_MSI, &msi))
		bail("MICA_VM_SIGNAL_MSI: %s", strerror(errno));
}

static void expect_eoi(struct guest *g, uint32_t vector)
{
	check_equal(guest_run(g), MICA_EXIT_EOI);
	check_equal(g->run->eoi.vector, vector);
}

/* The mode may change from one interrupt to the next; user space hears of the level ones. */
static void level_triggered(void)
{
	struct guest g;

	load(&g, level_code, level_code_end);
	pauses(&g);
	send(&g, 0x40);
	pauses(&g);
	send(&g, LEVEL | 0x40);
	expect_eoi(&g, 0x40);
	pauses(&g);
	send(&g, LEVEL | 0x40);
	send(&g, LEVEL | 0x30);
	send(&g, 0x50);
	expect_eoi(&g, 0x40);
	expect_eoi(&g, 0x30);
	pauses(&g);
	send(&g, 0x40);
	pauses(&g);
	guest_destroy(&g);
}

/* ------------------------------------------------------------ state */

GUEST_CODE(state_code, ".code64",
	HANDLERS(EOI, WRITE(0x83f, 0x30) WRITE(0x83f, 0x50) PAUSE EOI, EOI)
	X2 "sti\n" WRITE(0x83f, 0x40) "nop\n mov %r15d, %eax\n" DONE);

static void get_apic(struct guest *g, struct mica_apic_state *apic)
{
	memset(apic, 0, sizeof(*apic));
	if (ioctl(g->vcpu, MICA_VCPU_GET_APIC, apic))
		bail("MICA_VCPU_GET_APIC: %s", strerror(errno));
}

static uint32_t reg(const struct mica_apic_state *apic, unsigned int offset)
{
	return apic->regs[offset / 16];
}

/* In the handler of 0x40, which others wait for; a second guest goes on from there. */
static void state_within_handler(void)
{
	struct mica_apic_state apic;
	struct mica_vcpu_state state;
	struct guest g, copy;

	load(&g, state_code, state_code_end);
	if (pauses(&g)) {
		get_apic(&g, &apic);
		check_equal(reg(&apic, 0xa0), 0x40);
		check_equal(reg(&apic, 0x120), 1);
		check_equal(reg(&apic, 0x210), 1 << 16);
		check_equal(reg(&apic, 0x220), 1 << 16);
		guest_get(&g, &state);
		guest_init(&copy);
		memcpy(copy.ram, g.ram, G_RAM_SIZE);
		guest_set(&copy, MICA_STATE_ALL, &state);
		if (ioctl(copy.vcpu, MICA_VCPU_SET_APIC, &apic))
			bail("MICA_VCPU_SET_APIC: %s", strerror(errno));
		if (guest_finish(&copy))
			check_equal(copy.done, 0x453);
		get_apic(&copy, &apic);
		check_equal(reg(&apic, 0x120), 0);
		check_equal(reg(&apic, 0xa0), 0);
		guest_destroy(&copy);
		if (guest_finish(&g))
			check_equal(g.done, 0x453);
	}
	guest_destroy(&g);
}

/* User space takes away what waits and what is in service. */
static void state_taken_away(void)
{
	struct mica_apic_state apic;
	unsigned int i;
	struct guest g;

	load(&g, state_code, state_code_end);
	if (pauses(&g)) {
		get_apic(&g, &apic);
		for (i = 0x100 / 16; i < 0x280 / 16; i++)
			apic.regs[i] = 0;
		apic.regs[0xa0 / 16] = 0;
		if (ioctl(g.vcpu, MICA_VCPU_SET_APIC, &apic))
			bail("MICA_VCPU_SET_APIC: %s", strerror(errno));
		if (guest_finish(&g))
			check_equal(g.done, 4);
	}
	guest_destroy(&g);
}

/* The handler of 0x40 pauses; user space ends the interrupt, and the next one comes. */
GUEST_CODE(eoi_code, ".code64",
	HANDLERS("movl $0, 0xb0(%rdi)\n", PAUSE, "")
	ENABLE "movl $0x40040, 0x300(%rdi)\n movl $0x40030, 0x300(%rdi)\n sti\n nop\n nop\n"
	"mov %r15d, %eax\n" DONE);

static void eoi_by_user_space(void)
{
	struct mica_apic_access eoi = { .offset = 0xb0, .write = 1 };
	struct mica_apic_state apic;
	struct guest g;

	load(&g, eoi_code, eoi_code_end);
	if (pauses(&g)) {
		if (ioctl(g.vcpu, MICA_VCPU_APIC_ACCESS, &eoi))
			bail("MICA_VCPU_APIC_ACCESS: %s", strerror(errno));
		get_apic(&g, &apic);
		check_equal(reg(&apic, 0x120), 0);
		check_equal(reg(&apic, 0xa0), 0);
		if (guest_finish(&g))
			check_equal(g.done, 0x43);
	}
	guest_destroy(&g);
}

/* ------------------------------------------------------------ modes */

#define BASE(low)	"mov $0x1b, %ecx\n mov $" #low ", %eax\n xor %edx, %edx\n wrmsr\n"
#define ALL_THREE	WRITE(0x808, 0x50) WRITE(0x80b, 0) WRITE(0x83f, 0x40)

/* In x2APIC mode some writes of MSRs need no exit.  In all other modes they must have one: what the
 * CPU would write is the host's APIC.  #GP skips the WRMSR. */
GUEST_CODE(leave_code, ".code64",
	HANDLERS("", "", "addq $2, 8(%rsp)\n add $8, %rsp\n")
	ALL_THREE X2 ALL_THREE BASE(0xfee00000) ALL_THREE BASE(0xfee00800) ALL_THREE
	"mov %r15d, %eax\n" DONE);

static void closed_outside_x2apic(void)
{
	struct guest g;

	load(&g, leave_code, leave_code_end);
	guest_set_gate(&g, G_LONG, 13, OFFSET_50);
	if (guest_finish(&g)) {
		check_equal(g.done, 0x55555555);
		check_equal(guest_stat(&g, "refused_msrs"), 9);
	}
	guest_destroy(&g);
}

TESTS(delivery_tests) = {
	{ "delivery-nested", nested },
	{ "delivery-illegal-vector", illegal_vector },
	{ "delivery-no-exits", no_exits },
	{ "delivery-level-triggered", level_triggered },
	{ "delivery-state-within-handler", state_within_handler },
	{ "delivery-state-taken-away", state_taken_away },
	{ "delivery-eoi-by-user-space", eoi_by_user_space },
	{ "delivery-closed-outside-x2apic", closed_outside_x2apic },
	{ }
};
