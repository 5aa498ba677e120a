// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the CPU does of the local APIC's work: SDM volume 3, "APIC Virtualization and Virtual
 * Interrupts".
 */
#include "vmcs.h"

/* Off until it has run on a CPU: what it has run on is an emulator, after a repair of that. */
static bool virtual_interrupts;
module_param(virtual_interrupts, bool, 0444);
MODULE_PARM_DESC(virtual_interrupts, "let the CPU deliver interrupts to guests by itself, if it can");

/* "Virtual-interrupt delivery" together with all the other controls is one path, in which EOI, TPR
 * and self-IPIs exit in no mode; a CPU that lacks one of them is not worth another path. */
void vmx_setup_delivery(void)
{
	vmx_caps.delivery = virtual_interrupts &&
			    (vmx_caps.cpu2 & SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY) &&
			    vmx_caps.apic_page && vmx_caps.apic_regs && vmx_caps.x2apic;
}

/* ------------------------------------------------------------ the APIC's mode */

static u32 apic_controls(const struct mica_vcpu *vcpu)
{
	const struct vmx_vm *vm = vcpu->vm->backend;
	u32 regs = vmx_caps.apic_regs ? SECONDARY_EXEC_APIC_REGISTER_VIRT : 0;

	if (vmx_caps.delivery)
		regs |= SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY;
	if (vmx_caps.x2apic && mica_apic_is_x2(&vcpu->apic))
		return SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE | regs;
	if (!vm->apic_page)
		return 0;
	if (!mica_apic_enabled(&vcpu->apic) || mica_apic_is_x2(&vcpu->apic))
		regs = 0;
	return SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES | regs;
}

/*
 * "Virtualizing MSR-Based APIC Accesses": an MSR that is open here and that the CPU does not
 * virtualize would be the host's own APIC.  Reads come from the page, of TPR always and of all
 * others with "APIC-register virtualization"; of writes, that of TPR goes there, and with
 * "virtual-interrupt delivery" those of EOI and SELF IPI.
 */
static void intercept_x2apic(struct mica_vcpu *vcpu, u32 controls)
{
	bool tpr = controls & SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE;
	bool regs = tpr && (controls & SECONDARY_EXEC_APIC_REGISTER_VIRT);
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	u32 offset;

	for (offset = 0; offset < MICA_APIC_REGS * 16; offset += 16)
		vmx_intercept_msr(vmx, APIC_BASE_MSR + (offset >> 4),
				  !(regs && mica_apic_in_page(offset)), true);
	vmx_intercept_msr(vmx, APIC_BASE_MSR + (APIC_TASKPRI >> 4), !tpr, !tpr);
	if (!tpr || !(controls & SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY))
		return;
	vmx_intercept_msr(vmx, APIC_BASE_MSR + (APIC_EOI >> 4), true, false);
	vmx_intercept_msr(vmx, APIC_BASE_MSR + (APIC_SELF_IPI >> 4), true, false);
}

/*
 * In xAPIC mode the CPU reads the APIC's page by itself, where it can, and in x2APIC mode the
 * MSRs.  Outside xAPIC mode an access to the page exits and is answered as one to a hole; but
 * "virtualize x2APIC mode" excludes "virtualize APIC accesses", so there what memory.c has
 * mapped must go.  If the APIC is off TPR still shows through: "use TPR shadow" ties it to
 * the page.
 */
void vmx_apic_mode_changed(struct mica_vcpu *vcpu)
{
	u32 controls = apic_controls(vcpu);
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	u32 new = controls & ~vmx->cpu2;

	if (new & SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE)
		vmx->pending |= VMX_PENDING_APIC_PAGE;
	/* "Guidelines for Use of the INVEPT Instruction": translations without the control. */
	if (new & SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES)
		vmx->pending |= VMX_PENDING_FLUSH_EPT;
	intercept_x2apic(vcpu, controls);
	vmx_set_cpu2_controls(vmx, (vmx->cpu2 & ~VMX_APIC_CONTROLS) | controls);
}

/* ------------------------------------------------------------ virtual interrupts */

/* "EOI Virtualization": those of level-triggered interrupts exit, as user space waits for them. */
static void write_eoi_exits(struct mica_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	const u32 *tmr = vcpu->apic.regs + APIC_TMR;
	unsigned int i;
	u64 wanted;

	for (i = 0; i < ARRAY_SIZE(vmx->eoi_exits); i++) {
		/* 32 vectors every 16 bytes. */
		wanted = READ_ONCE(tmr[i * 8]) | (u64)READ_ONCE(tmr[i * 8 + 4]) << 32;
		if (likely(vmx->eoi_exits[i] == wanted))
			continue;
		vmx->eoi_exits[i] = wanted;
		/* The fields are consecutive, two encodings apart: "Field Encoding in VMCS". */
		vmx_write(EOI_EXIT_BITMAP0 + 2 * i, wanted);
	}
}

/*
 * "Guest Interrupt Status": RVI and SVI.  An entry works out PPR from SVI and TPR, and whether
 * RVI can be delivered ("Evaluation of Pending Virtual Interrupts").
 */
void vmx_apic_vectors_changed(struct mica_vcpu *vcpu, u8 waiting, u8 in_service)
{
	write_eoi_exits(vcpu);
	vmx_write(GUEST_INTR_STATUS, in_service << 8 | waiting);
}

/* "Virtualized EOI": trap-like, all that the page shows of it is done. */
enum mica_next vmx_exit_eoi(struct mica_vcpu *vcpu)
{
	mica_apic_eoi_done(&vcpu->apic, vmx_read(EXIT_QUALIFICATION));
	return MICA_NEXT_ENTER;
}
