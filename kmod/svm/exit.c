// SPDX-License-Identifier: GPL-2.0-only
/*
 * The table of #VMEXITs (APM volume 2, appendix "SVM Intercept Exit Codes").  Handlers run
 * with interrupts off, right after the exit; RIP is that of the instruction.
 */
#include "vmcb.h"

#include "trace.h"

/* ------------------------------------------------------------ small handlers */

/* The host has an interrupt waiting, or had an NMI; it comes when they are enabled. */
static enum mica_next exit_to_host(struct mica_vcpu *vcpu)
{
	return MICA_NEXT_HOST;
}

static enum mica_next exit_interrupt_window(struct mica_vcpu *vcpu)
{
	svm_want_interrupt_window(vcpu, false);
	mica_vcpu_request(vcpu, MICA_REQ_EVENT);
	return MICA_NEXT_ENTER;
}

static enum mica_next exit_undefined(struct mica_vcpu *vcpu)
{
	mica_queue_exception(vcpu, X86_TRAP_UD);
	return MICA_NEXT_ENTER;
}

/* RDPMC: there are no performance counters. */
static enum mica_next exit_protection(struct mica_vcpu *vcpu)
{
	mica_queue_exception_error(vcpu, X86_TRAP_GP, 0);
	return MICA_NEXT_ENTER;
}

/* INVD and WBINVD: memory is coherent, and the caches are the host's. */
static enum mica_next exit_nothing(struct mica_vcpu *vcpu)
{
	svm_advance(vcpu);
	return MICA_NEXT_ENTER;
}

static enum mica_next exit_pause(struct mica_vcpu *vcpu)
{
	svm_advance(vcpu);
	return MICA_NEXT_SPIN;
}

/* "IOIO Intercept Information": EXITINFO2 is the RIP behind the instruction. */
static enum mica_next exit_io(struct mica_vcpu *vcpu)
{
	u64 info = svm_control(vcpu)->exit_info_1;
	u8 size = (info & SVM_IOIO_SIZE_MASK) >> SVM_IOIO_SIZE_SHIFT;
	bool write = !(info & SVM_IOIO_TYPE_MASK);
	u16 port = info >> 16;

	if (info & SVM_IOIO_STR_MASK)
		return mica_exit_io_string(vcpu, port, size, write);
	to_svm(vcpu)->next_rip = svm_control(vcpu)->exit_info_2;
	return mica_exit_io(vcpu, port, size, write);
}

/* This intercept, unlike most, comes before the look at the privilege level. */
static enum mica_next exit_xsetbv(struct mica_vcpu *vcpu)
{
	return svm_save(vcpu)->cpl ? exit_protection(vcpu) : mica_exit_xsetbv(vcpu);
}

static enum mica_next exit_wrmsr(struct mica_vcpu *vcpu)
{
	u32 index = vcpu->gprs[MICA_RCX];
	enum mica_next next = mica_exit_wrmsr(vcpu);

	if (unlikely(index == MSR_IA32_SPEC_CTRL))
		svm_spec_ctrl_used(vcpu);
	return next;
}

/* ------------------------------------------------------------ the table */

enum row {
	UNKNOWN, CR_READ, CR_WRITE, DR_READ, DR_WRITE, EXCEPTION, DEBUG, ALIGNMENT, MACHINE_CHECK,
	INTR, NMI, SMI, INIT, VINTR, CR0_SEL_WRITE, TABLE_READ, TABLE_WRITE, RDTSC, RDPMC, PUSHF,
	POPF, CPUID, RSM, IRET, SWINT, INVD, PAUSE, HLT, INVLPG, INVLPGA, IOIO, RDMSR, WRMSR,
	TASK_SWITCH, FERR_FREEZE, SHUTDOWN, VMRUN, VMMCALL, VMLOAD, VMSAVE, STGI, CLGI, SKINIT,
	RDTSCP, ICEBP, WBINVD, MONITOR, MWAIT, XSETBV, RDPRU, WRITE_TRAP, INVLPGB, INVPCID,
	MCOMMIT, TLBSYNC, NPF, AVIC_IPI, AVIC_ACCESS,
	ROWS
};

static_assert(ROWS == SVM_EXITS);

static const struct exit_row {
	const char *name;		/* at most 23 characters: struct mica_stat */
	enum mica_next (*handler)(struct mica_vcpu *vcpu);	/* NULL: cannot happen */
	struct svm_opcode opcode;
} exits[SVM_EXITS] = {
	[CR_READ] = { "cr_read", svm_exit_cr_read, { 2, { 0x0f, 0x20 }, .modrm = true } },
	[CR_WRITE] = { "cr_write", svm_exit_cr_write, { 2, { 0x0f, 0x22 }, .modrm = true } },
	[DR_READ] = { "dr_read", svm_exit_dr, { 2, { 0x0f, 0x21 }, .modrm = true } },
	[DR_WRITE] = { "dr_write", svm_exit_dr, { 2, { 0x0f, 0x23 }, .modrm = true } },
	[EXCEPTION] = { "exception" },
	[DEBUG] = { "debug_exception", svm_exit_debug },
	[ALIGNMENT] = { "alignment_check", svm_exit_alignment },
	[MACHINE_CHECK] = { "machine_check", svm_exit_machine_check },
	[INTR] = { "external_interrupt", exit_to_host },
	[NMI] = { "nmi", exit_to_host },
	[SMI] = { "smi" },
	[INIT] = { "init_signal", exit_to_host },
	[VINTR] = { "interrupt_window", exit_interrupt_window },
	[CR0_SEL_WRITE] = { "cr0_selective_write" },
	[TABLE_READ] = { "descriptor_table_read" },
	[TABLE_WRITE] = { "descriptor_table_write" },
	[RDTSC] = { "rdtsc" },
	[RDPMC] = { "rdpmc", exit_protection },
	[PUSHF] = { "pushf" },
	[POPF] = { "popf" },
	[CPUID] = { "cpuid", mica_exit_cpuid, { 2, { 0x0f, 0xa2 } } },
	[RSM] = { "rsm", exit_undefined },
	[IRET] = { "iret", svm_exit_iret },
	[SWINT] = { "software_interrupt" },
	[INVD] = { "invd", exit_nothing, { 2, { 0x0f, 0x08 } } },
	[PAUSE] = { "pause", exit_pause, { 1, { 0x90 } } },
	[HLT] = { "hlt", mica_exit_hlt, { 1, { 0xf4 } } },
	[INVLPG] = { "invlpg" },
	[INVLPGA] = { "invlpga", exit_undefined },
	[IOIO] = { "io_instruction", exit_io },
	[RDMSR] = { "rdmsr", mica_exit_rdmsr, { 2, { 0x0f, 0x32 } } },
	[WRMSR] = { "wrmsr", exit_wrmsr, { 2, { 0x0f, 0x30 } } },
	[TASK_SWITCH] = { "task_switch" },
	[FERR_FREEZE] = { "ferr_freeze" },
	[SHUTDOWN] = { "shutdown", svm_exit_shutdown },
	[VMRUN] = { "vmrun", exit_undefined },
	[VMMCALL] = { "vmmcall", exit_undefined },
	[VMLOAD] = { "vmload", exit_undefined },
	[VMSAVE] = { "vmsave", exit_undefined },
	[STGI] = { "stgi", exit_undefined },
	[CLGI] = { "clgi", exit_undefined },
	[SKINIT] = { "skinit", exit_undefined },
	[RDTSCP] = { "rdtscp", exit_undefined },
	[ICEBP] = { "icebp", svm_exit_icebp, { 1, { 0xf1 } } },
	/* QEMU has its exit for INVD, too. */
	[WBINVD] = { "wbinvd", exit_nothing, { 2, { 0x0f, 0x09 }, .any = 1 } },
	[MONITOR] = { "monitor", exit_undefined },
	[MWAIT] = { "mwait", exit_undefined },
	[XSETBV] = { "xsetbv", exit_xsetbv, { 3, { 0x0f, 0x01, 0xd1 } } },
	[RDPRU] = { "rdpru", exit_undefined },
	[WRITE_TRAP] = { "register_write_trap" },
	[INVLPGB] = { "invlpgb" },
	[INVPCID] = { "invpcid", exit_undefined },
	[MCOMMIT] = { "mcommit" },
	[TLBSYNC] = { "tlbsync" },
	[NPF] = { "nested_page_fault", svm_exit_npf },
	[AVIC_IPI] = { "avic_incomplete_ipi" },
	[AVIC_ACCESS] = { "avic_unaccelerated" },
};

/* Exit codes below SVM_EXIT_NPF. */
static const u8 rows[] = {
	[SVM_EXIT_READ_CR0 ... SVM_EXIT_READ_CR0 + 15] = CR_READ,
	[SVM_EXIT_WRITE_CR0 ... SVM_EXIT_WRITE_CR0 + 15] = CR_WRITE,
	[SVM_EXIT_READ_DR0 ... SVM_EXIT_READ_DR0 + 15] = DR_READ,
	[SVM_EXIT_WRITE_DR0 ... SVM_EXIT_WRITE_DR0 + 15] = DR_WRITE,
	[SVM_EXIT_EXCP_BASE ... SVM_EXIT_EXCP_BASE + 31] = EXCEPTION,
	[SVM_EXIT_EXCP_BASE + X86_TRAP_DB] = DEBUG,
	[SVM_EXIT_EXCP_BASE + X86_TRAP_AC] = ALIGNMENT,
	[SVM_EXIT_EXCP_BASE + X86_TRAP_MC] = MACHINE_CHECK,
	[SVM_EXIT_INTR] = INTR, [SVM_EXIT_NMI] = NMI, [SVM_EXIT_SMI] = SMI,
	[SVM_EXIT_INIT] = INIT, [SVM_EXIT_VINTR] = VINTR,
	[SVM_EXIT_CR0_SEL_WRITE] = CR0_SEL_WRITE,
	[SVM_EXIT_IDTR_READ ... SVM_EXIT_TR_READ] = TABLE_READ,
	[SVM_EXIT_IDTR_WRITE ... SVM_EXIT_TR_WRITE] = TABLE_WRITE,
	[SVM_EXIT_RDTSC] = RDTSC, [SVM_EXIT_RDPMC] = RDPMC, [SVM_EXIT_PUSHF] = PUSHF,
	[SVM_EXIT_POPF] = POPF, [SVM_EXIT_CPUID] = CPUID, [SVM_EXIT_RSM] = RSM,
	[SVM_EXIT_IRET] = IRET, [SVM_EXIT_SWINT] = SWINT, [SVM_EXIT_INVD] = INVD,
	[SVM_EXIT_PAUSE] = PAUSE, [SVM_EXIT_HLT] = HLT, [SVM_EXIT_INVLPG] = INVLPG,
	[SVM_EXIT_INVLPGA] = INVLPGA, [SVM_EXIT_IOIO] = IOIO, [SVM_EXIT_MSR] = RDMSR,
	[SVM_EXIT_TASK_SWITCH] = TASK_SWITCH, [SVM_EXIT_FERR_FREEZE] = FERR_FREEZE,
	[SVM_EXIT_SHUTDOWN] = SHUTDOWN, [SVM_EXIT_VMRUN] = VMRUN, [SVM_EXIT_VMMCALL] = VMMCALL,
	[SVM_EXIT_VMLOAD] = VMLOAD, [SVM_EXIT_VMSAVE] = VMSAVE, [SVM_EXIT_STGI] = STGI,
	[SVM_EXIT_CLGI] = CLGI, [SVM_EXIT_SKINIT] = SKINIT, [SVM_EXIT_RDTSCP] = RDTSCP,
	[SVM_EXIT_ICEBP] = ICEBP, [SVM_EXIT_WBINVD] = WBINVD, [SVM_EXIT_MONITOR] = MONITOR,
	[SVM_EXIT_MWAIT ... SVM_EXIT_MWAIT_COND] = MWAIT, [SVM_EXIT_XSETBV] = XSETBV,
	[SVM_EXIT_RDPRU] = RDPRU,
	[SVM_EXIT_EFER_WRITE_TRAP ... SVM_EXIT_CR15_WRITE_TRAP] = WRITE_TRAP,
	[0xa0 ... 0xa1] = INVLPGB, [SVM_EXIT_INVPCID] = INVPCID, [0xa3] = MCOMMIT,
	[0xa4] = TLBSYNC,
};

static unsigned int row_of(const struct vmcb_control_area *control)
{
	u32 code = control->exit_code;

	if (code < ARRAY_SIZE(rows)) {
		code = rows[array_index_nospec(code, ARRAY_SIZE(rows))];
		return code == RDMSR && (control->exit_info_1 & 1) ? WRMSR : code;
	}
	switch (code) {
	case SVM_EXIT_NPF:
		return NPF;
	case SVM_EXIT_AVIC_INCOMPLETE_IPI:
		return AVIC_IPI;
	case SVM_EXIT_AVIC_UNACCELERATED_ACCESS:
		return AVIC_ACCESS;
	}
	return UNKNOWN;
}

const char *svm_exit_name(unsigned int index)
{
	return index < SVM_EXITS ? exits[index].name : NULL;
}

static void trace(struct mica_vcpu *vcpu, unsigned int row)
{
	const char *name = exits[row].name;

	trace_mica_exit(vcpu->id, svm_control(vcpu)->exit_code, name ? name : "?",
			svm_save(vcpu)->rip, svm_control(vcpu)->exit_info_1);
}

static enum mica_next impossible(struct mica_vcpu *vcpu, const char *name)
{
	const struct vmcb_control_area *control = svm_control(vcpu);

	return mica_exit_fail(vcpu, MICA_EXIT_INTERNAL_ERROR, control->exit_code,
			      control->exit_info_1, name ? name : "unknown VM exit");
}

enum mica_next svm_dispatch(struct mica_vcpu *vcpu)
{
	unsigned int index = row_of(svm_control(vcpu));
	const struct exit_row *row = &exits[index];
	int error;

	vcpu->count.exits[index]++;
	if (trace_mica_exit_enabled())
		trace(vcpu, index);
	if (unlikely(!row->handler))
		return impossible(vcpu, row->name);
	if (row->opcode.length) {
		error = svm_find_next_rip(vcpu, &row->opcode);
		if (unlikely(error)) {
			to_svm(vcpu)->slow = SVM_SLOW_FETCH;
			if (error == -EIO)
				return impossible(vcpu, "instruction that is not what exited");
			return error == -EAGAIN ? MICA_NEXT_SLOW : MICA_NEXT_ENTER;
		}
	}
	return row->handler(vcpu);
}
