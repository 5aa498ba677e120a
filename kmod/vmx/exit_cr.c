// SPDX-License-Identifier: GPL-2.0-only
/*
 * Control and debug registers.
 *
 * Nearly all bits of CR0 and CR4 are the guest's own ("unrestricted guest"): the CPU itself
 * switches modes, loads PDPTEs and flushes its TLB.  An exit comes only when a bit changes
 * that the guest does not own.  Then the new value is checked, its bits go where the guest
 * sees them, and the instruction runs again: now it changes nothing but owned bits, and the
 * CPU does the rest.
 */
#include "vmcs.h"

/* ------------------------------------------------------------ CR0, CR4 */

static bool cr0_allowed(struct mica_vcpu *vcpu, u64 value)
{
	u64 efer = vmx_read(GUEST_IA32_EFER);
	u64 cr4 = vmx_get_cr4(vcpu);

	if (value >> 32)
		return false;
	if ((value & X86_CR0_NW) && !(value & X86_CR0_CD))
		return false;
	if (value & X86_CR0_PG)
		return (value & X86_CR0_PE) && (!(efer & EFER_LME) || (cr4 & X86_CR4_PAE));
	/* Paging off: neither in 64-bit code nor with PCIDs. */
	return !(cr4 & X86_CR4_PCIDE) &&
	       !((efer & EFER_LMA) && (vmx_read(GUEST_CS_AR_BYTES) & VMX_AR_L_MASK));
}

static bool cr4_allowed(struct mica_vcpu *vcpu, u64 value)
{
	u64 efer = vmx_read(GUEST_IA32_EFER);
	u64 old = vmx_get_cr4(vcpu);

	if (value & (vcpu->features.cr4_reserved | X86_CR4_VMXE))
		return false;
	if (!(efer & EFER_LMA))
		return !(value & X86_CR4_PCIDE);
	if (!(value & X86_CR4_PAE) || ((value ^ old) & X86_CR4_LA57))
		return false;
	return !(value & ~old & X86_CR4_PCIDE) || !(vmx_read(GUEST_CR3) & 0xfff);
}

static u64 read_gpr(struct mica_vcpu *vcpu, unsigned int n)
{
	return n == MICA_RSP ? vmx_read(GUEST_RSP) : vcpu->gprs[n];
}

static void write_gpr(struct mica_vcpu *vcpu, unsigned int n, u64 value)
{
	if (n == MICA_RSP)
		vmx_write(GUEST_RSP, value);
	else
		vcpu->gprs[n] = value;
}

static bool in_64bit_mode(void)
{
	return (vmx_read(GUEST_IA32_EFER) & EFER_LMA) &&
	       (vmx_read(GUEST_CS_AR_BYTES) & VMX_AR_L_MASK);
}

static void own_cr4(struct mica_vcpu *vcpu, u64 value)
{
	u64 cr4 = vmx_read(GUEST_CR4);

	vmx_write(CR4_READ_SHADOW, value);
	if (!((cr4 ^ value) & VMX_CR4_TOLD))
		return;
	vmx_write(GUEST_CR4, (cr4 & ~VMX_CR4_TOLD) | (value & VMX_CR4_TOLD));
	mica_fpu_update(vcpu);
}

static enum mica_next mov_to_cr(struct mica_vcpu *vcpu, unsigned int cr, u64 value)
{
	bool allowed = cr ? cr4_allowed(vcpu, value) : cr0_allowed(vcpu, value);

	if (!allowed)
		mica_queue_exception_error(vcpu, X86_TRAP_GP, 0);
	else if (cr)
		own_cr4(vcpu, value);
	else
		vmx_write(CR0_READ_SHADOW, value);
	return MICA_NEXT_ENTER;
}

/* "Exit Qualification for Control-Register Accesses". */
enum mica_next vmx_exit_cr(struct mica_vcpu *vcpu)
{
	u64 qualification = vmx_read(EXIT_QUALIFICATION);
	unsigned int cr = qualification & CONTROL_REG_ACCESS_NUM;
	unsigned int type = (qualification >> 4) & 3;
	u64 value = read_gpr(vcpu, (qualification >> 8) & 0xf);

	/* CLTS, LMSW and reads concern owned bits only; CR3 and CR8 never exit. */
	if (type != 0 || (cr != 0 && cr != 4))
		return mica_exit_fail(vcpu, MICA_EXIT_INTERNAL_ERROR, EXIT_REASON_CR_ACCESS,
				      qualification, "cr_access");
	if (!in_64bit_mode())
		value = (u32)value;
	return mov_to_cr(vcpu, cr, value);
}

/* ------------------------------------------------------------ debug registers */

/* SDM volume 3, "Debug Status Register (DR6)", "Debug Control Register (DR7)". */
#define DR6_BD		BIT(13)
#define DR6_WRITABLE	0xe00fu
#define DR6_ONES	0xffff0ff0u
#define DR7_ONES	BIT(10)
#define DR7_ZEROS	0xd000u

/* "General-detect exception": somebody has asked to be told of debug-register accesses. */
static enum mica_next general_detect(struct mica_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	vmx_set_dr7(vmx, vmx->dr7 & ~(u64)DR7_GD);
	mica_queue_exception(vcpu, X86_TRAP_DB);
	vcpu->exception_payload = DR6_BD;
	vcpu->has_payload = (u8)vcpu->exception == X86_TRAP_DB;
	return MICA_NEXT_ENTER;
}

static u64 get_dr(struct mica_vcpu *vcpu, unsigned int n)
{
	if (n < 4)
		return vcpu->dr[n];
	return n == 6 ? vcpu->dr6 : to_vmx(vcpu)->dr7;
}

static bool set_dr(struct mica_vcpu *vcpu, unsigned int n, u64 value)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	if (n < 4) {
		vcpu->dr[n] = value;
		vmx->pending |= VMX_PENDING_DRS;
		return true;
	}
	if (value >> 32)
		return false;
	if (n == 6)
		vcpu->dr6 = (value & DR6_WRITABLE) | DR6_ONES;
	else
		vmx_set_dr7(vmx, (value & ~(u64)DR7_ZEROS) | DR7_ONES);
	return true;
}

static unsigned int cpl(void)
{
	return vmx_read(GUEST_SS_AR_BYTES) >> 5 & 3;
}

/* "Exit Qualification for MOV DR".  "Relative Priority of Faults and VM Exits": the exit comes
 * before #UD for CR4.DE and #GP for want of privilege, so both are looked for here. */
enum mica_next vmx_exit_dr(struct mica_vcpu *vcpu)
{
	u64 qualification = vmx_read(EXIT_QUALIFICATION);
	unsigned int n = qualification & DEBUG_REG_ACCESS_NUM;
	unsigned int gpr = (qualification >> 8) & 0xf;
	u64 value;

	/* DR4 and DR5 are other names of DR6 and DR7, or nothing. */
	if (n == 4 || n == 5) {
		if (vmx_get_cr4(vcpu) & X86_CR4_DE) {
			mica_queue_exception(vcpu, X86_TRAP_UD);
			return MICA_NEXT_ENTER;
		}
		n += 2;
	}
	if (cpl()) {
		mica_queue_exception_error(vcpu, X86_TRAP_GP, 0);
		return MICA_NEXT_ENTER;
	}
	if (to_vmx(vcpu)->dr7 & DR7_GD)
		return general_detect(vcpu);
	if (qualification & TYPE_MOV_FROM_DR) {
		value = get_dr(vcpu, n);
		write_gpr(vcpu, gpr, in_64bit_mode() ? value : (u32)value);
	} else {
		value = read_gpr(vcpu, gpr);
		if (!set_dr(vcpu, n, in_64bit_mode() ? value : (u32)value)) {
			mica_queue_exception_error(vcpu, X86_TRAP_GP, 0);
			return MICA_NEXT_ENTER;
		}
	}
	vmx_advance(vcpu);
	return MICA_NEXT_ENTER;
}
