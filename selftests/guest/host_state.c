// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Does the guest leave the host's CPU as it was?  The module poisons and compares every host
 * register around each series of entries (MICA_VM_CHECK_HOST); the guests here change all
 * that a guest can change, and leave by every kind of exit.
 */
#include "guest.h"

/* MSRs, segment bases, control and debug registers, XCR0, PKRU, AVX-512 and CR2, each with a
 * value that no host has. */
GUEST_CODE(change_all, ".code64",
	"mov $0xc0000081, %ecx\n mov $0x11223344, %eax\n mov $0x00330010, %edx\n wrmsr\n"
	"mov $0xc0000082, %ecx\n mov $0x5000, %eax\n xor %edx, %edx\n wrmsr\n"
	"mov $0xc0000083, %ecx\n mov $0x6000, %eax\n wrmsr\n"
	"mov $0xc0000084, %ecx\n mov $0x3f7fd7, %eax\n wrmsr\n"
	"mov $0xc0000100, %ecx\n mov $0x7000, %eax\n wrmsr\n"
	"mov $0xc0000101, %ecx\n mov $0x8000, %eax\n wrmsr\n"
	"mov $0xc0000102, %ecx\n mov $0x9000, %eax\n wrmsr\n"
	"mov $0x174, %ecx\n mov $0x10, %eax\n wrmsr\n"
	"mov $0x175, %ecx\n mov $0xa000, %eax\n wrmsr\n"
	"mov $0x176, %ecx\n mov $0xb000, %eax\n wrmsr\n"
	"mov $0x277, %ecx\n mov $0x01010101, %eax\n mov $0x06060606, %edx\n wrmsr\n"
	"mov $0x1234, %eax\n mov %rax, %dr0\n mov %rax, %dr1\n mov %rax, %dr2\n mov %rax, %dr3\n"
	"mov $0x402, %eax\n mov %rax, %dr7\n"
	"mov $0xc0de, %eax\n mov %rax, %cr2\n mov $7, %eax\n mov %rax, %cr8\n"
	"mov %cr4, %rax\n or $0x40600, %rax\n mov %rax, %cr4\n"
	"mov $0x80000031, %eax\n mov %rax, %cr0\n"
	"mov $0xd, %eax\n xor %ecx, %ecx\n cpuid\n mov %eax, %esi\n"
	"xor %edx, %edx\n xor %ecx, %ecx\n xsetbv\n"
	"mov %esi, %eax\n" REPORT
	"pcmpeqd %xmm0, %xmm0\n pcmpeqd %xmm15, %xmm15\n"
	"test $0xe0, %sil\n jz 1f\n vpternlogd $0xff, %zmm31, %zmm31, %zmm31\n kxnorq %k1, %k1, %k1\n"
	"1: bt $9, %esi\n jnc 2f\n mov %cr4, %rax\n or $0x400000, %rax\n mov %rax, %cr4\n"
	"xor %ecx, %ecx\n xor %edx, %edx\n mov $0x55555554, %eax\n wrpkru\n"
	"2: mov $0x28, %ax\n lldt %ax\n"
	/* And now exits: port, CPUID, MMIO, string, HLT is answered by the timer of nobody. */
	"mov $200, %ebp\n 3: in $0x99, %al\n xor %eax, %eax\n cpuid\n dec %ebp\n jnz 3b\n" DONE);

static void changes(void)
{
	struct guest g;
	uint64_t *gdt;
	enum mica_exit reason;

	guest_init_flags(&g, MICA_VM_CHECK_HOST);
	guest_load(&g, G_LONG, change_all, change_all_end);
	gdt = guest_at(&g, G_GDT);
	gdt[5] = 0x0000820000000fffull | G_DATA << 16;	/* an LDT */
	gdt[6] = 0;
	guest_get(&g, &g.run->state);
	g.run->state.segs.gdtr.limit = 7 * 8 - 1;
	g.run->state_commit = MICA_STATE_SEGS;
	do {
		reason = guest_run(&g);
		g.run->io.data = 0x5a;
	} while (reason == MICA_EXIT_IO && g.run->io.port == 0x99);
	check(reason == MICA_EXIT_IO && g.run->io.port == G_DONE,
	      "ended with %s: %s, expected 0x%llx, found 0x%llx, rip 0x%llx", guest_exit_name(reason),
	      reason == MICA_EXIT_HOST_STATE ? g.run->fail.name : "-",
	      (unsigned long long)g.run->fail.expected, (unsigned long long)g.run->fail.found,
	      (unsigned long long)g.run->state.gprs.rip);
	guest_destroy(&g);
}

GUEST_CODE(crash, ".code64", "lidt (%rsp)\n ud2");

/* The worst way out. */
static void triple_fault(void)
{
	struct guest g;

	guest_init_flags(&g, MICA_VM_CHECK_HOST);
	guest_load(&g, G_LONG, crash, crash_end);
	check_equal(guest_run(&g), MICA_EXIT_SHUTDOWN);
	guest_destroy(&g);
}

static void refused_entry(void)
{
	struct mica_vcpu_state state;
	struct guest g;

	guest_init_flags(&g, MICA_VM_CHECK_HOST);
	guest_load(&g, G_LONG, crash, crash_end);
	guest_get(&g, &state);
	state.segs.cs.attr |= 0x6000;
	guest_set(&g, MICA_STATE_SEGS, &state);
	check_equal(guest_run(&g), MICA_EXIT_FAIL_ENTRY);
	guest_destroy(&g);
}

TESTS(host_state_tests) = {
	{ "host-state-changes", changes },
	{ "host-state-triple-fault", triple_fault },
	{ "host-state-refused-entry", refused_entry },
	{ }
};
