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

#include "debug.h"
#include "mode.h"

/* ------------------------------------------------------------ CR0, CR4 */

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
	struct mica_mode mode;

	vmx_get_mode(vcpu, &mode);
	if (cr ? !mica_cr4_allowed(vcpu, &mode, value) : !mica_cr0_allowed(&mode, value))
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

static unsigned int cpl(void)
{
	return vmx_read(GUEST_SS_AR_BYTES) >> 5 & 3;
}

/* "Exit Qualification for MOV DR". */
enum mica_next vmx_exit_dr(struct mica_vcpu *vcpu)
{
	u64 qualification = vmx_read(EXIT_QUALIFICATION);
	unsigned int gpr = (qualification >> 8) & 0xf;
	struct mica_mov_dr mov = {
		.n = qualification & DEBUG_REG_ACCESS_NUM,
		.write = !(qualification & TYPE_MOV_FROM_DR),
		.cpl = cpl(),
		.de = vmx_get_cr4(vcpu) & X86_CR4_DE,
		.long_mode = in_64bit_mode(),
	};
	u64 value = read_gpr(vcpu, gpr);

	if (!mica_mov_dr(vcpu, &mov, &value))
		return MICA_NEXT_ENTER;
	if (!mov.write)
		write_gpr(vcpu, gpr, value);
	vmx_advance(vcpu);
	return MICA_NEXT_ENTER;
}
