// SPDX-License-Identifier: GPL-2.0-only
/*
 * Entering the guest.  svm_enter() goes round by itself as long as exits are handled at once
 * and nobody wants the CPU: what holds as long as interrupts are off is done once.
 *
 * VMRUN and VMLOAD give the host all back at each exit but DR0..DR3, DR7, TSC_AUX and, once
 * the guest has its own, IA32_SPEC_CTRL ("VMRUN and #VMEXIT", "VMSAVE and VMLOAD").
 */
#include "vmcb.h"

#include "run.h"

#include <asm/fpu/xcr.h>

#include <asm/nospec-branch.h>

/* ------------------------------------------------------------ loading */

void svm_load(struct mica_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	if (vcpu->last_cpu != raw_smp_processor_id() || svm->entry.host != svm_host_area()) {
		svm->entry.host = svm_host_area();
		/* The CPU may hold an older copy of the VMCB from an earlier visit. */
		svm->vmcb->control.clean = 0;
		svm->asid_generation = 0;
	}
	mica_host_guest_comes(vcpu->vm->id);
}

static void write_tsc_aux(u64 value, u64 present)
{
	if (svm_caps.tsc_aux && value != present)
		wrmsrl(MSR_TSC_AUX, value);
}

static void load_guest(struct svm_vcpu *svm)
{
	if (svm_caps.tsc_aux)
		rdmsrl(MSR_TSC_AUX, svm->host_tsc_aux);
	write_tsc_aux(svm->tsc_aux, svm->host_tsc_aux);
	if (svm_caps.spec_ctrl)
		svm->entry.host_spec_ctrl = this_cpu_read(x86_spec_ctrl_current);
	svm->guest_loaded = true;
}

void svm_put(struct mica_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	if (!svm->guest_loaded)
		return;
	svm->guest_loaded = false;
	write_tsc_aux(svm->host_tsc_aux, svm->tsc_aux);
}

/* ------------------------------------------------------------ a series of entries */

/* Interrupts may have been on since the last series: the host's LDT may be another one, and
 * another vCPU may have used up the ASIDs. */
static void begin_series(struct svm_vcpu *svm)
{
	if (unlikely(!svm->guest_loaded))
		load_guest(svm);
	asm volatile("vmsave %0" : : "a" (svm->entry.host) : "memory");
	/* VMRUN leaves it alone, and a #DB of the guest changes it. */
	rdmsrl(MSR_IA32_DEBUGCTLMSR, svm->host_debugctl);
	if (unlikely(svm->host_debugctl))
		wrmsrl(MSR_IA32_DEBUGCTLMSR, 0);
	if (unlikely(svm_asid_is_old(svm)))
		svm_take_asid(svm);
}

static void end_series(struct svm_vcpu *svm)
{
	/* The next series brings the guest's breakpoints in again. */
	if (unlikely(mica_host_take_drs(&svm->host_drs)))
		svm->pending |= SVM_PENDING_DRS;
	if (unlikely(svm->host_debugctl))
		wrmsrl(MSR_IA32_DEBUGCTLMSR, svm->host_debugctl);
	mica_host_guest_ran();
}

/* ------------------------------------------------------------ one entry */

static enum mica_next do_pending(struct mica_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	u32 pending = svm->pending;
	enum mica_next next;

	if (pending & SVM_PENDING_CHECK) {
		next = svm_check_before_entry(vcpu);
		if (next != MICA_NEXT_ENTER)
			return next;
	}
	svm->pending = 0;
	if (pending & SVM_PENDING_FLUSH)
		svm_flush_asid(svm);
	if ((pending & SVM_PENDING_DRS) && (vcpu->dr7 & MICA_DR7_ENABLES))
		mica_host_lend_drs(&svm->host_drs, vcpu->dr);
	return MICA_NEXT_ENTER;
}

/* Bits 7:4 of TPR are CR8, which the guest reaches without an exit as V_TPR. */
static u32 read_tpr_class(const struct mica_vcpu *vcpu)
{
	return READ_ONCE(*(u32 *)(vcpu->apic.regs + APIC_TASKPRI)) >> 4 & 0xf;
}

/* What the core keeps elsewhere than the VMCB. */
static void copy_in(struct mica_vcpu *vcpu)
{
	struct vmcb_control_area *control = svm_control(vcpu);
	struct vmcb_save_area *save = svm_save(vcpu);
	u32 tpr = read_tpr_class(vcpu);

	save->rax = vcpu->gprs[MICA_RAX];
	if (unlikely(save->cr2 != vcpu->cr2)) {
		save->cr2 = vcpu->cr2;
		svm_dirty(to_svm(vcpu), SVM_CLEAN_CR2);
	}
	if (unlikely((control->int_ctl & V_TPR_MASK) != tpr)) {
		control->int_ctl = (control->int_ctl & ~V_TPR_MASK) | tpr;
		svm_dirty(to_svm(vcpu), SVM_CLEAN_TPR);
	}
}

static void copy_out(struct mica_vcpu *vcpu)
{
	struct vmcb_control_area *control = svm_control(vcpu);
	struct vmcb_save_area *save = svm_save(vcpu);
	u32 tpr = control->int_ctl & V_TPR_MASK;

	vcpu->gprs[MICA_RAX] = save->rax;
	vcpu->cr2 = save->cr2;
	if (unlikely(tpr != read_tpr_class(vcpu)))
		mica_apic_set_cr8(&vcpu->apic, tpr);
	if (unlikely(svm_caps.blind_to_xsetbv) && (save->cr4 & X86_CR4_OSXSAVE))
		mica_fpu_xcr0_written(vcpu, xgetbv(XCR_XFEATURE_ENABLED_MASK));
	control->clean = SVM_CLEAN_ALL;
	control->event_inj = 0;
	if (unlikely(control->tlb_ctl == TLB_CONTROL_FLUSH_ALL_ASID))
		svm_asids_are_flushed();
	control->tlb_ctl = TLB_CONTROL_DO_NOTHING;
}

static enum mica_next enter_once(struct mica_vcpu *vcpu)
{
	struct vmcb_control_area *control = svm_control(vcpu);
	struct svm_vcpu *svm = to_svm(vcpu);
	enum mica_next next;

	if (unlikely(vcpu->s2_generation != atomic64_read(&vcpu->vm->mem.generation)))
		svm_flush_s2(vcpu);
	if (unlikely(svm->pending)) {
		next = do_pending(vcpu);
		if (next != MICA_NEXT_ENTER)
			return next;
	}
	if (unlikely(svm_asids_need_flush()))
		control->tlb_ctl = TLB_CONTROL_FLUSH_ALL_ASID;
	copy_in(vcpu);
	svm_entry_run(vcpu, &svm->entry, svm->enter_flags);
	if (unlikely(control->exit_code == (u32)SVM_EXIT_ERR))
		return svm_entry_failed(vcpu);
	copy_out(vcpu);
	if (unlikely(control->int_state & SVM_INTERRUPT_SHADOW_MASK))
		svm_exited_in_shadow(vcpu);
	if (unlikely(control->exit_int_info & SVM_EXITINTINFO_VALID))
		svm_save_vectoring(vcpu);
	svm->injected = 0;
	next = svm_dispatch(vcpu);
	if (unlikely(svm->iret || svm->event_waits))
		svm_look_at_events(vcpu);
	return next;
}

/* Is there anything that the core's loop must see before another entry? */
static bool others_want(const struct mica_vcpu *vcpu)
{
	return READ_ONCE(vcpu->requests) || mica_series_over(vcpu);
}

enum mica_next svm_enter(struct mica_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	enum mica_next next;

	begin_series(svm);
	next = enter_once(vcpu);
	while (next == MICA_NEXT_ENTER && !others_want(vcpu)) {
		vcpu->count.entries++;
		next = enter_once(vcpu);
	}
	end_series(svm);
	return next;
}

enum mica_next svm_handle(struct mica_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	if (svm->slow == SVM_SLOW_FETCH)
		return svm_fetch_slowly(vcpu);
	return mica_exit_s2_fault(vcpu, svm->fault.gpa, 0, svm->fault.access, svm->fault.flags);
}

/* SVM has no timer of its own. */
bool svm_set_deadline(struct mica_vcpu *vcpu, u64 deadline)
{
	return false;
}
