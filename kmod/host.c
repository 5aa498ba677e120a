// SPDX-License-Identifier: GPL-2.0-only
/* Host state and protection that no backend does differently: see host.h. */
#include "host.h"

#include <linux/ptrace.h>

#include <asm/nospec-branch.h>

#ifdef CONFIG_X86_MCE
#include <asm/mce.h>
#endif

/* ------------------------------------------------------------ debug registers */

static void read_drs(u64 *drs)
{
	get_debugreg(drs[0], 0);
	get_debugreg(drs[1], 1);
	get_debugreg(drs[2], 2);
	get_debugreg(drs[3], 3);
}

static void write_drs(const u64 *drs)
{
	set_debugreg(drs[0], 0);
	set_debugreg(drs[1], 1);
	set_debugreg(drs[2], 2);
	set_debugreg(drs[3], 3);
}

void mica_host_lend_drs(struct mica_host_drs *host, const u64 guest[4])
{
	if (!host->lent) {
		/* The host's own breakpoints must not see the guest's addresses. */
		set_debugreg(0UL, 7);
		read_drs(host->dr);
		host->lent = true;
	}
	write_drs(guest);
}

bool mica_host_take_drs(struct mica_host_drs *host)
{
	bool lent = host->lent;

	if (lent)
		write_drs(host->dr);
	host->lent = false;
	/* An exit leaves 0x400 in DR7.  The host's may differ although no breakpoint is active:
	 * the kernel leaves the bit GE behind. */
	if (hw_breakpoint_active())
		hw_breakpoint_restore();
	else if (unlikely(__this_cpu_read(cpu_dr7)))
		set_debugreg(__this_cpu_read(cpu_dr7), 7);
	return lent;
}

/* ------------------------------------------------------------ branch predictions */

/* The VM whose guest ran here last; its branch predictions are still in the CPU. */
static DEFINE_PER_CPU(u64, last_vm);

void mica_host_guest_comes(u64 vm_id)
{
	if (__this_cpu_read(last_vm) == vm_id)
		return;
	__this_cpu_write(last_vm, vm_id);
	indirect_branch_prediction_barrier();
}

void mica_host_guest_ran(void)
{
	if (cpu_feature_enabled(X86_FEATURE_IBPB_EXIT_TO_USER))
		this_cpu_write(x86_ibpb_exit_to_user, true);
}

bool mica_host_spec_ctrl_possible(u64 value)
{
	unsigned long flags;
	int error;

	local_irq_save(flags);
	error = wrmsrl_safe(MSR_IA32_SPEC_CTRL, value);
	wrmsrl(MSR_IA32_SPEC_CTRL, this_cpu_read(x86_spec_ctrl_current));
	local_irq_restore(flags);
	return !error;
}

/* ------------------------------------------------------------ machine checks */

/*
 * The machine check handler is told that user code ran: whatever was hit is not the
 * kernel's, and it is enough to end this process.
 */
void mica_host_machine_check(void)
{
#ifdef CONFIG_X86_MCE
	struct pt_regs regs = {
		.cs = __USER_CS,
		.flags = X86_EFLAGS_IF,
	};

	do_machine_check(&regs);
#else
	pr_emerg("mica: machine check in a guest, and this kernel has no handler\n");
#endif
}
