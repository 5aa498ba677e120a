// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The rules of kmod/vmx/check_rules.c: a good state of each mode passes, and each single
 * change that the manual forbids is found by the name of its field.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "vmx/check.h"

static const struct vmx_check_state long_mode = {
	.cr0 = 0x80000031, .cr3 = 0x1000, .cr4 = 0x2020, .dr7 = 0x400, .efer = 0xd00,
	.pat = 0x0007040600070406, .cr0_must = 0x20, .cr0_may = 0xffffffff, .cr4_must = 0x2000,
	.cr4_may = 0x3767ff, .gdtr_limit = 0xffff, .idtr_limit = 0xffff, .rip = 0x10000,
	.rflags = 2, .link_pointer = ~0ull, .phys_bits = 40, .linear_bits = 48, .long_mode = true,
	.virtual_nmis = true,
	.seg = {
		[VMX_SEG_CS] = { .limit = 0xffffffff, .ar = 0xa09b, .selector = 8 },
		[VMX_SEG_SS] = { .limit = 0xffffffff, .ar = 0xc093, .selector = 16 },
		[VMX_SEG_DS] = { .limit = 0xffffffff, .ar = 0xc093, .selector = 16 },
		[VMX_SEG_ES] = { .ar = 0x10000 },
		[VMX_SEG_FS] = { .ar = 0x10000, .base = 0x7fff00000000 },
		[VMX_SEG_GS] = { .ar = 0x10000, .base = 0xffff888000000000 },
		[VMX_SEG_LDTR] = { .ar = 0x10000 },
		[VMX_SEG_TR] = { .limit = 0x67, .ar = 0x8b },
	},
};

static struct vmx_check_state real_mode(void)
{
	struct vmx_check_state s = long_mode;
	int i;

	s.cr0 = 0x30;
	s.cr4 = 0x2000;
	s.efer = 0;
	s.long_mode = false;
	for (i = VMX_SEG_ES; i <= VMX_SEG_GS; i++)
		s.seg[i] = (struct vmx_check_segment){ .limit = 0xffff, .ar = 0x93 };
	return s;
}

static struct vmx_check_state pae_mode(void)
{
	struct vmx_check_state s = long_mode;

	s.efer = 0;
	s.long_mode = false;
	s.seg[VMX_SEG_CS].ar = 0xc09b;
	s.pdpte[0] = 0x2001;
	return s;
}

static struct vmx_check_state vm86_mode(void)
{
	struct vmx_check_state s = pae_mode();
	int i;

	s.rflags |= 0x20000;
	for (i = VMX_SEG_ES; i <= VMX_SEG_GS; i++)
		s.seg[i] = (struct vmx_check_segment){ .selector = 0x100, .base = 0x1000,
						       .limit = 0xffff, .ar = 0xf3 };
	return s;
}

static void good_states(void **unused)
{
	struct vmx_check_state real = real_mode(), pae = pae_mode(), vm86 = vm86_mode();

	(void)unused;
	assert_null(vmx_check(&long_mode));
	assert_null(vmx_check(&real));
	assert_null(vmx_check(&pae));
	assert_null(vmx_check(&vm86));
}

static void refuses(struct vmx_check_state state, const char *name)
{
	const char *bad = vmx_check(&state);

	if (!bad || strncmp(bad, name, strlen(name)))
		fail_msg("expected \"%s\", got \"%s\"", name, bad ? bad : "nothing");
}

#define WITH(base, change, name) \
	do { \
		struct vmx_check_state s = (base); \
		change; \
		refuses(s, name); \
	} while (0)

static void control_registers(void **unused)
{
	(void)unused;
	WITH(long_mode, s.cr0 &= ~0x20ull, "CR0");
	WITH(long_mode, s.cr0 = 0x80000030, "CR0: PG");
	WITH(long_mode, s.cr0 = 0x31, "CR0.PG");
	WITH(long_mode, s.cr4 &= ~0x20ull, "CR4.PAE");
	WITH(long_mode, s.cr4 |= 1ull << 40, "CR4");
	WITH(pae_mode(), s.cr4 |= 1 << 17, "CR4.PCIDE");
	WITH(long_mode, s.cr3 = 1ull << 40, "CR3");
	WITH(long_mode, s.dr7 = 1ull << 32, "DR7");
	WITH(long_mode, s.debugctl = 4, "DEBUGCTL");
	WITH(long_mode, s.sysenter_esp = 1ull << 62, "SYSENTER_ESP");
	WITH(long_mode, s.sysenter_eip = 1ull << 62, "SYSENTER_EIP");
	WITH(long_mode, s.pat = 2, "PAT");
	WITH(long_mode, s.efer = 0xd02, "EFER");
	WITH(long_mode, s.efer = 0x100, "EFER.LMA");
	WITH(long_mode, s.efer = 0x400, "EFER.LME");
}

static void segments(void **unused)
{
	(void)unused;
	WITH(long_mode, s.seg[VMX_SEG_CS].base = 1ull << 32, "CS: base");
	WITH(long_mode, s.seg[VMX_SEG_CS].ar = 0xa092, "CS: type");
	WITH(long_mode, s.seg[VMX_SEG_CS].ar = 0xa01b, "CS: access");
	WITH(long_mode, s.seg[VMX_SEG_CS].ar = 0xe09b, "CS: L");
	WITH(long_mode, s.seg[VMX_SEG_CS].ar = 0xa0fb, "CS: DPL");
	WITH(long_mode, s.seg[VMX_SEG_CS].limit = 0xfff00000, "CS: gran");
	WITH(long_mode, s.seg[VMX_SEG_SS].ar = 0xc09b, "SS: type");
	WITH(real_mode(), s.seg[VMX_SEG_SS].ar = 0xf3, "SS: DPL");
	WITH(long_mode, s.seg[VMX_SEG_DS].ar = 0xc092, "DS");
	WITH(long_mode, s.seg[VMX_SEG_ES].ar = 0x98, "ES");
	WITH(long_mode, s.seg[VMX_SEG_FS].base = 1ull << 50, "FS or GS");
	WITH(long_mode, s.seg[VMX_SEG_TR].ar = 0x89, "TR: type");
	WITH(long_mode, s.seg[VMX_SEG_TR].ar = 0x1008b, "TR: access");
	WITH(long_mode, s.seg[VMX_SEG_TR].selector = 4, "TR: selector");
	WITH(long_mode, s.seg[VMX_SEG_LDTR].ar = 0x89, "LDTR");
	WITH(vm86_mode(), s.seg[VMX_SEG_FS].base = 0x1010, "FS");
	WITH(vm86_mode(), s.seg[VMX_SEG_CS].limit = 0x1ffff, "CS");
	WITH(long_mode, s.gdtr_limit = 0x10000, "GDTR");
	WITH(long_mode, s.idtr_base = 1ull << 60, "IDTR");
}

static void the_rest(void **unused)
{
	(void)unused;
	WITH(long_mode, s.rip = 1ull << 60, "RIP");
	WITH(real_mode(), s.rip = 1ull << 32, "RIP");
	WITH(long_mode, s.rflags = 0, "RFLAGS");
	WITH(long_mode, s.rflags = 0x20002, "RFLAGS.VM");
	WITH(long_mode, s.entry_info = 0x80000040, "RFLAGS.IF");
	WITH(long_mode, s.interruptibility = 3, "interruptibility");
	WITH(long_mode, s.interruptibility = 1, "interruptibility: STI");
	WITH(long_mode, (s.interruptibility = 2, s.entry_info = 0x80000202), "interruptibility");
	WITH(long_mode, (s.interruptibility = 8, s.entry_info = 0x80000202), "interruptibility: NMI");
	WITH(long_mode, s.activity = 4, "activity");
	WITH(long_mode, (s.interruptibility = 2, s.activity = 2), "activity");
	WITH(long_mode, s.pending_debug = 0x20, "pending debug");
	WITH(long_mode, (s.interruptibility = 2, s.pending_debug = 1 << 14), "pending debug");
	WITH(long_mode, s.link_pointer = 0, "VMCS link");
	WITH(pae_mode(), s.pdpte[3] = 0x2003, "PDPTE3");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_states),
		cmocka_unit_test(control_registers),
		cmocka_unit_test(segments),
		cmocka_unit_test(the_rest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
