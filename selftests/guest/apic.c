// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The local APIC from inside: xAPIC through its page, x2APIC through MSRs, the timer in every
 * mode, IPIs to oneself and to a second CPU, INIT and SIPI.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>

#include "apic_code.h"
#include "guest.h"

/* The handler counts in R15 and ends the interrupt. */
#define HANDLER	".balign 256\n inc %r15\n movl $0, 0xb0(%rdi)\n iretq"
#define HANDLER_X2 ".balign 256\n inc %r15\n mov $0x80b, %ecx\n xor %eax, %eax\n xor %edx, %edx\n" \
		"wrmsr\n iretq"
#define HANDLER_OFFSET 256

static void run(const char *start, const char *end, void (*look)(const struct guest *g))
{
	struct guest g;

	guest_init(&g);
	guest_load(&g, G_LONG, start, end);
	guest_set_gate(&g, G_LONG, 0x40, HANDLER_OFFSET);
	if (guest_finish(&g))
		look(&g);
	guest_destroy(&g);
}

/* ------------------------------------------------------------ registers */

GUEST_CODE(registers_code, ".code64",
	"mov $0xfee00000, %edi\n mov 0x20(%rdi), %eax\n" REPORT "mov 0x30(%rdi), %eax\n" REPORT
	"mov 0xf0(%rdi), %eax\n" REPORT "mov 0x350(%rdi), %eax\n" REPORT
	"movl $0x1ff, 0xf0(%rdi)\n mov 0xf0(%rdi), %eax\n" REPORT
	"movl $0x50, 0x80(%rdi)\n mov %cr8, %rax\n" REPORT
	"mov $3, %eax\n mov %rax, %cr8\n mov 0x80(%rdi), %eax\n" REPORT DONE);

static void look_registers(const struct guest *g)
{
	check_equal(g->reports[0], 0);			/* id */
	check_equal(g->reports[1] & 0xf0, 0x10);	/* version 0x1x */
	check_equal(g->reports[2], 0xff);		/* spurious vector, disabled */
	check_equal(g->reports[3], 0x10000);		/* LINT0 masked */
	check_equal(g->reports[4], 0x1ff);
	check_equal(g->reports[5], 5);
	check_equal(g->reports[6], 0x30);
}

static void registers(void)
{
	run(registers_code, registers_code_end, look_registers);
}

GUEST_CODE(x2_code, ".code64",
	X2 "mov $0x802, %ecx\n rdmsr\n" REPORT "mov $0x80d, %ecx\n rdmsr\n" REPORT
	"mov $0x808, %ecx\n mov $0x60, %eax\n wrmsr\n mov %cr8, %rax\n" REPORT DONE HANDLER_X2);

static void look_x2(const struct guest *g)
{
	check_equal(g->reports[0], 0);
	check_equal(g->reports[1], 1);		/* logical id: cluster 0, bit 0 */
	check_equal(g->reports[2], 6);
}

static void x2apic(void)
{
	run(x2_code, x2_code_end, look_x2);
}

/* ------------------------------------------------------------ IPIs to oneself */

GUEST_CODE(self_code, ".code64",
	ENABLE "sti\n"
	"movl $0, 0x310(%rdi)\n movl $0x40, 0x300(%rdi)\n"	/* physical, id 0 */
	"movl $0x40040, 0x300(%rdi)\n"				/* shorthand self */
	"movl $0x80040, 0x300(%rdi)\n"				/* all */
	"movl $0xc0040, 0x300(%rdi)\n"				/* all but self: nobody */
	"mov %r15d, %eax\n" DONE HANDLER);

static void look_three(const struct guest *g)
{
	check_equal(g->done, 3);
}

static void self_ipi(void)
{
	run(self_code, self_code_end, look_three);
}

GUEST_CODE(self_x2_code, ".code64",
	X2 "sti\n mov $0x83f, %ecx\n mov $0x40, %eax\n wrmsr\n"
	"mov $0x830, %ecx\n mov $0x40, %eax\n xor %edx, %edx\n wrmsr\n"
	"mov $0x830, %ecx\n mov $0x40040, %eax\n xor %edx, %edx\n wrmsr\n"
	"mov %r15d, %eax\n" DONE HANDLER_X2);

static void self_ipi_x2apic(void)
{
	run(self_x2_code, self_x2_code_end, look_three);
}

/* TPR holds the interrupt back until it is lowered, by the register and by CR8. */
GUEST_CODE(tpr_code, ".code64",
	ENABLE "movl $0x40, 0x80(%rdi)\n sti\n movl $0x40040, 0x300(%rdi)\n nop\n"
	"mov %r15d, %eax\n" REPORT "movl $0x30, 0x80(%rdi)\n nop\n mov %r15d, %eax\n" REPORT
	"mov $4, %eax\n mov %rax, %cr8\n movl $0x40040, 0x300(%rdi)\n nop\n"
	"mov %r15d, %eax\n" REPORT "xor %eax, %eax\n mov %rax, %cr8\n nop\n mov %r15d, %eax\n" REPORT
	DONE HANDLER);

static void look_tpr(const struct guest *g)
{
	check_equal(g->reports[0], 0);
	check_equal(g->reports[1], 1);
	check_equal(g->reports[2], 1);
	check_equal(g->reports[3], 2);
}

static void task_priority(void)
{
	run(tpr_code, tpr_code_end, look_tpr);
}

/* ------------------------------------------------------------ the timer */

#define WAIT(n)	"1: sti\n hlt\n cli\n cmp $" #n ", %r15d\n jb 1b\n"

GUEST_CODE(oneshot_code, ".code64",
	ENABLE "movl $0xb, 0x3e0(%rdi)\n movl $0x40, 0x320(%rdi)\n movl $100000000, 0x380(%rdi)\n"
	"mov 0x390(%rdi), %eax\n" REPORT WAIT(1) "mov 0x390(%rdi), %eax\n" REPORT
	"mov %r15d, %eax\n" DONE HANDLER);

static void look_oneshot(const struct guest *g)
{
	check(g->reports[0] && g->reports[0] <= 100000000, "current count %u", g->reports[0]);
	check_equal(g->reports[1], 0);
	check_equal(g->done, 1);
}

static void timer_oneshot(void)
{
	run(oneshot_code, oneshot_code_end, look_oneshot);
}

GUEST_CODE(periodic_code, ".code64",
	ENABLE "movl $0x3, 0x3e0(%rdi)\n movl $0x20040, 0x320(%rdi)\n movl $5000000, 0x380(%rdi)\n"
	WAIT(5) "movl $0, 0x380(%rdi)\n mov %r15d, %eax\n" DONE HANDLER);

static void look_periodic(const struct guest *g)
{
	check(g->done >= 5 && g->done <= 8, "%u interrupts", g->done);
}

static void timer_periodic(void)
{
	run(periodic_code, periodic_code_end, look_periodic);
}

/* Fires not before the deadline; a deadline in the past fires at once; the MSR reads 0 then. */
GUEST_CODE(deadline_code, ".code64",
	X2 "mov $0x832, %ecx\n mov $0x40040, %eax\n xor %edx, %edx\n wrmsr\n"
	"rdtsc\n shl $32, %rdx\n or %rax, %rdx\n add $1000000, %rdx\n mov %rdx, %rsi\n"
	"mov %edx, %eax\n shr $32, %rdx\n mov $0x6e0, %ecx\n wrmsr\n"
	WAIT(1) "rdtsc\n shl $32, %rdx\n or %rdx, %rax\n sub %rsi, %rax\n shr $32, %rax\n" REPORT
	"mov $0x6e0, %ecx\n rdmsr\n" REPORT
	"mov $1, %eax\n xor %edx, %edx\n sti\n wrmsr\n nop\n cli\n mov %r15d, %eax\n" DONE HANDLER_X2);

static void look_deadline(const struct guest *g)
{
	check_equal(g->reports[0], 0);		/* not negative: never early */
	check_equal(g->reports[1], 0);
	check_equal(g->done, 2);
}

static void timer_deadline(void)
{
	run(deadline_code, deadline_code_end, look_deadline);
}

/* Masked, it counts to the end in silence. */
GUEST_CODE(masked_code, ".code64",
	ENABLE "movl $0xb, 0x3e0(%rdi)\n movl $0x10040, 0x320(%rdi)\n movl $10000, 0x380(%rdi)\n"
	"sti\n 1: mov 0x390(%rdi), %eax\n test %eax, %eax\n jnz 1b\n mov %r15d, %eax\n" DONE HANDLER);

static void look_none(const struct guest *g)
{
	check_equal(g->done, 0);
}

static void timer_masked(void)
{
	run(masked_code, masked_code_end, look_none);
}

/* A guest that never exits by itself must still see its timer. */
GUEST_CODE(spin_code, ".code64",
	X2 "mov $0x832, %ecx\n mov $0x40040, %eax\n xor %edx, %edx\n wrmsr\n"
	"rdtsc\n add $500000, %eax\n adc $0, %edx\n mov $0x6e0, %ecx\n wrmsr\n sti\n"
	"1: test %r15d, %r15d\n jz 1b\n mov %r15d, %eax\n" DONE HANDLER_X2);

static void look_one(const struct guest *g)
{
	check_equal(g->done, 1);
}

static void timer_while_spinning(void)
{
	run(spin_code, spin_code_end, look_one);
}

/* ------------------------------------------------------------ level-triggered EOI, MSI */

GUEST_CODE(msi_code, ".code64",
	X2 "sti\n out %al, $0x80\n 1: test %r15d, %r15d\n jz 1b\n mov %r15d, %eax\n" DONE HANDLER_X2);

static void level_eoi(void)
{
	struct mica_msi msi = { .address = 0xfee00000, .data = 0xc040 };
	struct guest g;

	guest_init(&g);
	guest_load(&g, G_LONG, msi_code, msi_code_end);
	guest_set_gate(&g, G_LONG, 0x40, HANDLER_OFFSET);
	guest_run(&g);
	check_equal(g.run->io.port, 0x80);
	check(!ioctl(g.vm, MICA_VM_SIGNAL_MSI, &msi), "MICA_VM_SIGNAL_MSI: %s", strerror(errno));
	check_equal(guest_run(&g), MICA_EXIT_EOI);
	check_equal(g.run->eoi.vector, 0x40);
	if (guest_finish(&g))
		check_equal(g.done, 1);
	msi.address = 0xfee05000;
	check(ioctl(g.vm, MICA_VM_SIGNAL_MSI, &msi) && errno == ESRCH, "nobody: %s", strerror(errno));
	guest_destroy(&g);
}

/* In the handler user space does the EOI in place of the guest, as it does for one in xAPIC mode. */
GUEST_CODE(pending_code, ".code64",
	"sti\n out %al, $0x80\n 1: jmp 1b\n .balign 256\n"
	"out %al, $0x81\n 2: jmp 2b");

/* Before a state is saved the end of the interrupt must be told, and the guest not run. */
static void eoi_and_immediate_exit(void)
{
	struct mica_apic_access access = { .offset = 0xf0, .write = 1, .value = 0x1ff };
	struct mica_msi msi = { .address = 0xfee00000, .data = 0xc040 };
	struct mica_vcpu_state before, after;
	struct guest g;

	guest_init(&g);
	guest_load(&g, G_LONG, pending_code, pending_code_end);
	guest_set_gate(&g, G_LONG, 0x40, HANDLER_OFFSET);
	check(!ioctl(g.vcpu, MICA_VCPU_APIC_ACCESS, &access), "SVR: %s", strerror(errno));
	guest_run(&g);
	check_equal(g.run->io.port, 0x80);
	check(!ioctl(g.vm, MICA_VM_SIGNAL_MSI, &msi), "MICA_VM_SIGNAL_MSI: %s", strerror(errno));
	guest_run(&g);
	check_equal(g.run->io.port, 0x81);
	access = (struct mica_apic_access){ .offset = 0xb0, .write = 1 };
	check(!ioctl(g.vcpu, MICA_VCPU_APIC_ACCESS, &access), "EOI: %s", strerror(errno));
	guest_get(&g, &before);
	g.run->immediate_exit = 1;
	check(!ioctl(g.vcpu, MICA_VCPU_RUN), "MICA_VCPU_RUN: %s", strerror(errno));
	check_equal(g.run->exit_reason, MICA_EXIT_EOI);
	check_equal(g.run->eoi.vector, 0x40);
	check(ioctl(g.vcpu, MICA_VCPU_RUN) && errno == EINTR, "then: %s", strerror(errno));
	check_equal(g.run->exit_reason, MICA_EXIT_INTERRUPTED);
	guest_get(&g, &after);
	check_equal(after.gprs.rip, before.gprs.rip);
	guest_destroy(&g);
}

/* ------------------------------------------------------------ INIT and SIPI */

GUEST_CODE(sipi_code, ".code64",
	X2 "mov $0x830, %ecx\n mov $1, %edx\n mov $0x4500, %eax\n wrmsr\n"	/* INIT to id 1 */
	"mov $0x4611, %eax\n wrmsr\n"						/* SIPI, 0x11000 */
	"sti\n 1: cmpl $0x600d, 0x100000\n jne 1b\n mov $1, %eax\n" DONE HANDLER_X2);

GUEST_CODE(ap_code, ".code16",
	"mov $0x1000, %ax\n mov %ax, %ds\n mov %cs, %ax\n cmp $0x1100, %ax\n jne 1f\n"
	"mov $0xffff, %bx\n mov %bx, %ds\n movl $0x600d, 0x10\n 1: hlt\n jmp 1b");

struct ap {
	int fd;
	struct mica_run *run;
};

static void *run_ap(void *arg)
{
	struct ap *ap = arg;

	guest_enter(ap->fd, ap->run);
	return NULL;
}

static void init_sipi(void)
{
	pthread_t thread;
	struct guest g;
	struct ap ap;

	guest_init(&g);
	ap.fd = guest_add_vcpu(&g, 1, &ap.run);
	guest_load(&g, G_LONG, sipi_code, sipi_code_end);
	memcpy(guest_at(&g, 0x11000), ap_code, ap_code_end - ap_code);
	if (pthread_create(&thread, NULL, run_ap, &ap))
		bail("pthread_create");
	if (guest_finish(&g))
		check_equal(g.done, 1);
	ap.run->immediate_exit = 1;
	pthread_kill(thread, SIGUSR1);
	pthread_join(thread, NULL);
	guest_destroy(&g);
}

TESTS(apic_tests) = {
	{ "apic-registers", registers },
	{ "apic-x2apic", x2apic },
	{ "apic-self-ipi", self_ipi },
	{ "apic-self-ipi-x2apic", self_ipi_x2apic },
	{ "apic-task-priority", task_priority },
	{ "apic-timer-oneshot", timer_oneshot },
	{ "apic-timer-periodic", timer_periodic },
	{ "apic-timer-deadline", timer_deadline },
	{ "apic-timer-masked", timer_masked },
	{ "apic-timer-while-spinning", timer_while_spinning },
	{ "apic-level-eoi", level_eoi },
	{ "apic-eoi-and-immediate-exit", eoi_and_immediate_exit },
	{ "apic-init-sipi", init_sipi },
	{ }
};
