// SPDX-License-Identifier: GPL-2.0-only
/* Poisons and compares the host's registers around a guest: see hostcheck.h. */
#include "hostcheck.h"

#include <asm/fpu/xcr.h>
#include <asm/fsgsbase.h>
#include <asm/mmu_context.h>
#include <asm/pkru.h>

/* ------------------------------------------------------------ one register */

/* Reads give false if this CPU has no such register. */
static bool read_cr(u32 number, u64 *value)
{
	switch (number) {
	case 0:
		*value = native_read_cr0();
		break;
	case 3:
		*value = __native_read_cr3();
		break;
	case 4:
		*value = native_read_cr4();
		break;
	default:
		asm volatile("mov %%cr8, %0" : "=r" (*value));
	}
	return true;
}

static bool read_dr(u32 number, u64 *value)
{
	*value = native_get_debugreg(number);
	return true;
}

static void write_dr(u32 number, u64 value)
{
	native_set_debugreg(number, value);
}

#define SYSTEM_FLAGS	(X86_EFLAGS_TF | X86_EFLAGS_IF | X86_EFLAGS_DF | X86_EFLAGS_IOPL | \
			 X86_EFLAGS_NT | X86_EFLAGS_RF | X86_EFLAGS_VM | X86_EFLAGS_AC | \
			 X86_EFLAGS_VIF | X86_EFLAGS_VIP)

static bool read_flags(u32 unused, u64 *value)
{
	*value = native_save_fl() & SYSTEM_FLAGS;
	return true;
}

enum selector { SEL_CS, SEL_SS, SEL_DS, SEL_ES, SEL_FS, SEL_GS, SEL_TR, SEL_LDTR };

static bool read_selector(u32 which, u64 *value)
{
	u16 selector = 0;

	switch (which) {
	case SEL_CS:
		savesegment(cs, selector);
		break;
	case SEL_SS:
		savesegment(ss, selector);
		/* Null after an interrupt of user code, and an exit loads the kernel's: in
		 * 64-bit mode at CPL 0 the two are the same, and the way back to user mode
		 * loads it anyway. */
		selector = selector ? selector : __KERNEL_DS;
		break;
	case SEL_DS:
		savesegment(ds, selector);
		break;
	case SEL_ES:
		savesegment(es, selector);
		break;
	case SEL_FS:
		savesegment(fs, selector);
		break;
	case SEL_GS:
		savesegment(gs, selector);
		break;
	case SEL_TR:
		asm volatile("str %0" : "=r" (selector));
		break;
	case SEL_LDTR:
		asm volatile("sldt %0" : "=r" (selector));
		break;
	}
	*value = selector;
	return true;
}

enum table { TABLE_GDT, TABLE_IDT };

static void store_table(u32 which, struct desc_ptr *table)
{
	if (which == TABLE_GDT)
		native_store_gdt(table);
	else
		store_idt(table);
}

static bool read_table_base(u32 which, u64 *value)
{
	struct desc_ptr table;

	store_table(which, &table);
	*value = table.address;
	return true;
}

static bool read_table_limit(u32 which, u64 *value)
{
	struct desc_ptr table;

	store_table(which, &table);
	*value = table.size;
	return true;
}

static void load_table(u32 which, const struct desc_ptr *table)
{
	if (which == TABLE_GDT)
		native_load_gdt(table);
	else
		native_load_idt(table);
}

static void write_table_base(u32 which, u64 value)
{
	struct desc_ptr table;

	store_table(which, &table);
	table.address = value;
	load_table(which, &table);
}

static void write_table_limit(u32 which, u64 value)
{
	struct desc_ptr table;

	store_table(which, &table);
	table.size = value;
	load_table(which, &table);
}

/* Of the descriptor in the GDT. */
static bool read_tr_limit(u32 unused, u64 *value)
{
	unsigned long limit = 0;
	u64 tr;

	read_selector(SEL_TR, &tr);
	asm volatile("lsl %1, %0" : "+r" (limit) : "r" (tr) : "cc");
	*value = limit;
	return true;
}

static bool read_tr_access(u32 unused, u64 *value)
{
	unsigned long access = 0;
	u64 tr;

	read_selector(SEL_TR, &tr);
	asm volatile("lar %1, %0" : "+r" (access) : "r" (tr) : "cc");
	*value = access;
	return true;
}

static bool read_msr(u32 index, u64 *value)
{
	unsigned long long found;

	if (rdmsrl_safe(index, &found))
		return false;
	*value = found;
	return true;
}

static void write_msr(u32 index, u64 value)
{
	wrmsrl_safe(index, value);
}

static bool read_xcr0(u32 unused, u64 *value)
{
	if (!(native_read_cr4() & X86_CR4_OSXSAVE))
		return false;
	*value = xgetbv(XCR_XFEATURE_ENABLED_MASK);
	return true;
}

static void write_xcr0(u32 unused, u64 value)
{
	xsetbv(XCR_XFEATURE_ENABLED_MASK, value);
}

static bool read_pkru_register(u32 unused, u64 *value)
{
	if (!(native_read_cr4() & X86_CR4_PKE))
		return false;
	*value = rdpkru();
	return true;
}

static void write_pkru_register(u32 unused, u64 value)
{
	wrpkru(value);
}

/* ------------------------------------------------------------ all registers */

/* Shadow-stack pointers; SDM volume 4, "Architectural MSRs". */
#define MICA_MSR_PL0_SSP	0x6a4
#define MICA_MSR_PL3_SSP	0x6a7

#define MSR(index, name)	{ name, read_msr, write_msr, index }

static const struct host_register {
	const char *name;
	bool (*read)(u32 which, u64 *value);
	/* Repairs; NULL: cannot, or comes back by itself when poison is taken away. */
	void (*write)(u32 which, u64 value);
	u32 which;
} registers[] = {
	{ "CR0", read_cr, NULL, 0 },
	{ "CR3", read_cr, NULL, 3 },
	{ "CR4", read_cr, NULL, 4 },
	{ "CR8", read_cr, NULL, 8 },
	{ "DR0", read_dr, NULL, 0 },
	{ "DR1", read_dr, NULL, 1 },
	{ "DR2", read_dr, NULL, 2 },
	{ "DR3", read_dr, NULL, 3 },
	{ "DR6", read_dr, write_dr, 6 },
	{ "DR7", read_dr, write_dr, 7 },
	{ "RFLAGS", read_flags },
	{ "CS", read_selector, NULL, SEL_CS },
	{ "SS", read_selector, NULL, SEL_SS },
	{ "DS", read_selector, NULL, SEL_DS },
	{ "ES", read_selector, NULL, SEL_ES },
	{ "FS", read_selector, NULL, SEL_FS },
	{ "GS", read_selector, NULL, SEL_GS },
	{ "TR", read_selector, NULL, SEL_TR },
	{ "LDTR", read_selector, NULL, SEL_LDTR },
	{ "GDTR base", read_table_base, write_table_base, TABLE_GDT },
	{ "GDTR limit", read_table_limit, write_table_limit, TABLE_GDT },
	{ "IDTR base", read_table_base, write_table_base, TABLE_IDT },
	{ "IDTR limit", read_table_limit, write_table_limit, TABLE_IDT },
	{ "TR limit", read_tr_limit },
	{ "TR access rights", read_tr_access },
	{ "XCR0", read_xcr0, write_xcr0 },
	{ "PKRU", read_pkru_register, write_pkru_register },
	MSR(MSR_FS_BASE, "IA32_FS_BASE"),
	MSR(MSR_GS_BASE, "IA32_GS_BASE"),
	MSR(MSR_KERNEL_GS_BASE, "IA32_KERNEL_GS_BASE"),
	MSR(MSR_EFER, "IA32_EFER"),
	MSR(MSR_STAR, "IA32_STAR"),
	MSR(MSR_LSTAR, "IA32_LSTAR"),
	MSR(MSR_CSTAR, "IA32_CSTAR"),
	MSR(MSR_SYSCALL_MASK, "IA32_FMASK"),
	MSR(MSR_IA32_SYSENTER_CS, "IA32_SYSENTER_CS"),
	MSR(MSR_IA32_SYSENTER_ESP, "IA32_SYSENTER_ESP"),
	MSR(MSR_IA32_SYSENTER_EIP, "IA32_SYSENTER_EIP"),
	MSR(MSR_IA32_CR_PAT, "IA32_PAT"),
	MSR(MSR_TSC_AUX, "IA32_TSC_AUX"),
	MSR(MSR_IA32_TSC_ADJUST, "IA32_TSC_ADJUST"),
	MSR(MSR_IA32_SPEC_CTRL, "IA32_SPEC_CTRL"),
	MSR(MSR_IA32_DEBUGCTLMSR, "IA32_DEBUGCTL"),
	MSR(MSR_CORE_PERF_GLOBAL_CTRL, "IA32_PERF_GLOBAL_CTRL"),
	MSR(MSR_IA32_MISC_ENABLE, "IA32_MISC_ENABLE"),
	MSR(MSR_MTRRdefType, "IA32_MTRR_DEF_TYPE"),
	MSR(MSR_IA32_APICBASE, "IA32_APIC_BASE"),
	MSR(MSR_IA32_XSS, "IA32_XSS"),
	MSR(MSR_IA32_XFD, "IA32_XFD"),
	MSR(MSR_IA32_XFD_ERR, "IA32_XFD_ERR"),
	MSR(MSR_IA32_U_CET, "IA32_U_CET"),
	MSR(MSR_IA32_S_CET, "IA32_S_CET"),
	MSR(MICA_MSR_PL0_SSP, "IA32_PL0_SSP"),
	MSR(MICA_MSR_PL3_SSP, "IA32_PL3_SSP"),
};

/* ------------------------------------------------------------ poison */

/* Canonical addresses of the user half that nobody maps, one for each register. */
#define POISON_BASE(n)	(0x00005eed00000000ull + (n) * 0x10010000ull)
#define POISON_PKRU	0xc0000000u	/* key 15: access and write disabled, or not */

static void load_user_segments(u16 ds, u16 es, u16 fs, u64 fs_base, u16 gs, u64 kernel_gs_base)
{
	loadsegment(ds, ds);
	loadsegment(es, es);
	loadsegment(fs, fs);
	wrmsrl(MSR_FS_BASE, fs_base);
	load_gs_index(gs);
	wrmsrl(MSR_KERNEL_GS_BASE, kernel_gs_base);
}

static void write_drs(const u64 dr[4])
{
	unsigned int i;

	for (i = 0; i < 4; i++)
		native_set_debugreg(i, dr[i]);
}

static void poison(struct mica_hostcheck *check)
{
	const u64 dr[4] = { POISON_BASE(2), POISON_BASE(3), POISON_BASE(4), POISON_BASE(5) };
	unsigned int i;

	savesegment(ds, check->lent.ds);
	savesegment(es, check->lent.es);
	savesegment(fs, check->lent.fs);
	savesegment(gs, check->lent.gs);
	rdmsrl(MSR_FS_BASE, check->lent.fs_base);
	rdmsrl(MSR_KERNEL_GS_BASE, check->lent.kernel_gs_base);
	load_user_segments(__USER_DS, __USER_DS, __USER_DS, POISON_BASE(0), __USER_DS,
			   POISON_BASE(1));
	check->lent.drs = !hw_breakpoint_active();
	if (check->lent.drs) {
		for (i = 0; i < 4; i++)
			check->lent.dr[i] = native_get_debugreg(i);
		write_drs(dr);
	}
	if (cpu_feature_enabled(X86_FEATURE_OSPKE)) {
		check->lent.pkru = rdpkru();
		wrpkru(check->lent.pkru ^ POISON_PKRU);
	}
}

static void remove_poison(struct mica_hostcheck *check)
{
	load_user_segments(check->lent.ds, check->lent.es, check->lent.fs, check->lent.fs_base,
			   check->lent.gs, check->lent.kernel_gs_base);
	if (check->lent.drs)
		write_drs(check->lent.dr);
	if (cpu_feature_enabled(X86_FEATURE_OSPKE))
		wrpkru(check->lent.pkru);
}

/* ------------------------------------------------------------ the window */

void mica_hostcheck_before(struct mica_hostcheck *check)
{
	unsigned int i;

	BUILD_BUG_ON(ARRAY_SIZE(registers) > MICA_HOSTCHECK_REGS);
	BUILD_BUG_ON(MICA_HOSTCHECK_REGS > BITS_PER_TYPE(check->absent));
	lockdep_assert_irqs_disabled();
	poison(check);
	for (i = 0; i < ARRAY_SIZE(registers); i++) {
		if (check->absent & BIT_ULL(i))
			continue;
		if (!registers[i].read(registers[i].which, &check->values[i]))
			check->absent |= BIT_ULL(i);
	}
}

static void note_difference(struct mica_hostcheck *check, unsigned int i, u64 found)
{
	check->differences++;
	if (check->name)
		return;
	check->name = registers[i].name;
	check->expected = check->values[i];
	check->found = found;
}

bool mica_hostcheck_after(struct mica_hostcheck *check)
{
	u64 before = check->differences, found;
	unsigned int i;

	lockdep_assert_irqs_disabled();
	check->windows++;
	for (i = 0; i < ARRAY_SIZE(registers); i++) {
		if (check->absent & BIT_ULL(i))
			continue;
		found = ~check->values[i];
		if (registers[i].read(registers[i].which, &found) && found == check->values[i])
			continue;
		note_difference(check, i, found);
		if (registers[i].write)
			registers[i].write(registers[i].which, check->values[i]);
	}
	remove_poison(check);
	return check->differences == before;
}
