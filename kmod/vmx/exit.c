// SPDX-License-Identifier: GPL-2.0-only
/*
 * The table of VM exits (SDM volume 3, appendix "VMX Basic Exit Reasons").  Handlers run
 * with interrupts off, right after the exit.
 */
#include "vmcs.h"

#include <linux/nospec.h>

#include "trace.h"

#define BASIC_REASON	0xffffu		/* "Exit Reason" */
#define UNKNOWN		71		/* a row without a name */

/* ------------------------------------------------------------ small handlers */

/* The host has an interrupt waiting; it comes when interrupts are enabled. */
static enum mica_next exit_to_host(struct mica_vcpu *vcpu)
{
	return MICA_NEXT_HOST;
}

static enum mica_next exit_interrupt_window(struct mica_vcpu *vcpu)
{
	vmx_want_interrupt_window(vcpu, false);
	mica_vcpu_request(vcpu, MICA_REQ_EVENT);
	return MICA_NEXT_ENTER;
}

static enum mica_next exit_nmi_window(struct mica_vcpu *vcpu)
{
	vmx_want_nmi_window(vcpu, false);
	mica_vcpu_request(vcpu, MICA_REQ_EVENT);
	return MICA_NEXT_ENTER;
}

static enum mica_next exit_tpr(struct mica_vcpu *vcpu)
{
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
	vmx_advance(vcpu);
	return MICA_NEXT_ENTER;
}

static enum mica_next exit_pause(struct mica_vcpu *vcpu)
{
	vmx_advance(vcpu);
	return MICA_NEXT_SPIN;
}

/* "Exit Qualification for I/O Instructions". */
static enum mica_next exit_io(struct mica_vcpu *vcpu)
{
	u64 qualification = vmx_read(EXIT_QUALIFICATION);
	u8 size = (qualification & 7) + 1;
	bool write = !(qualification & BIT(3));
	u16 port = qualification >> 16;

	if (qualification & BIT(4))
		return mica_exit_io_string(vcpu, port, size, write);
	return mica_exit_io(vcpu, port, size, write);
}

static enum mica_next exit_wrmsr(struct mica_vcpu *vcpu)
{
	u32 index = vcpu->gprs[MICA_RCX];
	enum mica_next next = mica_exit_wrmsr(vcpu);

	if (unlikely(index == MSR_IA32_SPEC_CTRL))
		vmx_spec_ctrl_used(vcpu);
	return next;
}

/* "Relative Priority of Faults and VM Exits" has CPUs look at CPL first; Bochs does not. */
static enum mica_next exit_xsetbv(struct mica_vcpu *vcpu)
{
	if (vmx_read(GUEST_SS_AR_BYTES) >> 5 & 3)
		return exit_protection(vcpu);
	return mica_exit_xsetbv(vcpu);
}

static enum mica_next exit_timer(struct mica_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	if (vmx->deadline && rdtsc() >= vmx->deadline) {
		vmx->deadline = 0;
		mica_timer_expired(vcpu);
		return MICA_NEXT_ENTER;
	}
	/* It has stayed for long: see LONGEST_STAY_MS. */
	return MICA_NEXT_HOST;
}

/* ------------------------------------------------------------ the table */

/* An exit that may come in the middle of an event's delivery. */
#define DELIVERY	1

static const struct exit_row {
	const char *name;		/* at most 23 characters: struct mica_stat */
	enum mica_next (*handler)(struct mica_vcpu *vcpu);	/* NULL: cannot happen */
	u32 flags;
} exits[VMX_EXITS] = {
	[0] = { "exception_nmi", vmx_exit_exception, DELIVERY },
	[1] = { "external_interrupt", exit_to_host },
	[2] = { "triple_fault", mica_exit_shutdown },
	[3] = { "init_signal", exit_to_host },
	[4] = { "sipi" },
	[5] = { "io_smi" },
	[6] = { "other_smi" },
	[7] = { "interrupt_window", exit_interrupt_window },
	[8] = { "nmi_window", exit_nmi_window },
	/* Task switches through a TSS are not emulated: such a guest stops here. */
	[9] = { "task_switch", NULL, DELIVERY },
	[10] = { "cpuid", mica_exit_cpuid },
	[11] = { "getsec", exit_undefined },
	[12] = { "hlt", mica_exit_hlt },
	[13] = { "invd", exit_nothing },
	[14] = { "invlpg" },
	[15] = { "rdpmc", exit_protection },
	[16] = { "rdtsc" },
	[17] = { "rsm", exit_undefined },
	[18] = { "vmcall", exit_undefined },
	[19] = { "vmclear", exit_undefined },
	[20] = { "vmlaunch", exit_undefined },
	[21] = { "vmptrld", exit_undefined },
	[22] = { "vmptrst", exit_undefined },
	[23] = { "vmread", exit_undefined },
	[24] = { "vmresume", exit_undefined },
	[25] = { "vmwrite", exit_undefined },
	[26] = { "vmxoff", exit_undefined },
	[27] = { "vmxon", exit_undefined },
	[28] = { "cr_access", vmx_exit_cr },
	[29] = { "mov_dr", vmx_exit_dr },
	[30] = { "io_instruction", exit_io },
	[31] = { "rdmsr", mica_exit_rdmsr },
	[32] = { "wrmsr", exit_wrmsr },
	[33] = { "entry_guest_state" },
	[34] = { "entry_msr_loading" },
	[36] = { "mwait", exit_undefined },
	[37] = { "monitor_trap_flag" },
	[39] = { "monitor", exit_undefined },
	[40] = { "pause", exit_pause },
	[41] = { "entry_machine_check" },
	[43] = { "tpr_below_threshold", exit_tpr },
	[44] = { "apic_access", vmx_exit_apic_access, DELIVERY },
	[45] = { "virtualized_eoi", vmx_exit_eoi },
	[46] = { "gdtr_idtr_access" },
	[47] = { "ldtr_tr_access" },
	[48] = { "ept_violation", vmx_exit_ept_violation, DELIVERY },
	[49] = { "ept_misconfiguration", NULL, DELIVERY },
	[50] = { "invept", exit_undefined },
	[51] = { "rdtscp" },
	[52] = { "preemption_timer", exit_timer },
	[53] = { "invvpid", exit_undefined },
	[54] = { "wbinvd", exit_nothing },
	[55] = { "xsetbv", exit_xsetbv },
	[56] = { "apic_write", vmx_exit_apic_write },
	[57] = { "rdrand" },
	[58] = { "invpcid" },
	[59] = { "vmfunc" },
	[60] = { "encls", exit_undefined },
	[61] = { "rdseed" },
	[62] = { "page_mod_log_full", NULL, DELIVERY },
	[63] = { "xsaves" },
	[64] = { "xrstors" },
	[65] = { "pconfig" },
	[66] = { "spp_event", NULL, DELIVERY },
	[67] = { "umwait" },
	[68] = { "tpause" },
	[69] = { "loadiwkey" },
	[70] = { "enclv" },
	[72] = { "enqcmd_pasid" },
	[73] = { "enqcmds_pasid" },
	[74] = { "bus_lock" },
	[75] = { "instruction_timeout" },
	/* On a CPU with TDX these exit whoever executes them, at any CPL. */
	[76] = { "seamcall", exit_undefined },
	[77] = { "tdcall", exit_undefined },
	[78] = { "rdmsrlist" },
	[79] = { "wrmsrlist" },
};

const char *vmx_exit_name(unsigned int index)
{
	return index < VMX_EXITS ? exits[index].name : NULL;
}

static void trace(struct mica_vcpu *vcpu, unsigned int basic)
{
	const char *name = exits[basic].name;

	trace_mica_exit(vcpu->id, basic, name ? name : "?", vmx_read(GUEST_RIP),
			vmx_read(EXIT_QUALIFICATION));
}

unsigned int vmx_count_exit(struct mica_vcpu *vcpu, u32 reason)
{
	/* What the table has no row for goes to one without a handler. */
	unsigned int basic = reason & BASIC_REASON;

	basic = likely(basic < VMX_EXITS) ? array_index_nospec(basic, VMX_EXITS) : UNKNOWN;
	vcpu->count.exits[basic]++;
	if (trace_mica_exit_enabled())
		trace(vcpu, basic);
	return basic;
}

static enum mica_next impossible(struct mica_vcpu *vcpu, u32 reason, const char *name)
{
	return mica_exit_fail(vcpu, MICA_EXIT_INTERNAL_ERROR, reason,
			      vmx_read(EXIT_QUALIFICATION), name ? name : "unknown VM exit");
}

enum mica_next vmx_dispatch(struct mica_vcpu *vcpu, u32 reason)
{
	const struct exit_row *row = &exits[vmx_count_exit(vcpu, reason)];

	if (row->flags & DELIVERY)
		vmx_save_vectoring(vcpu);
	/* Bits above the basic reason belong to features that are not used. */
	if (unlikely(!row->handler || reason > BASIC_REASON))
		return impossible(vcpu, reason, row->name);
	return row->handler(vcpu);
}
