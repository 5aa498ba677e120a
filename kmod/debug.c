// SPDX-License-Identifier: GPL-2.0-only
/* The guest's debug registers: see debug.h. */
#include "debug.h"

#include "vcpu.h"

/* SDM volume 3, "Debug Status Register (DR6)", "Debug Control Register (DR7)". */
#define DR6_BD		BIT(13)		/* debug registers were accessed under DR7.GD */
#define DR6_BT		BIT(15)		/* a task switch to a TSS with T set */
#define DR6_WRITABLE	0xe00fu
#define DR6_ONES	0xffff0ff0u
#define DR7_ONES	BIT(10)
#define DR7_ZEROS	0xd000u
#define DR7_GD		BIT(13)		/* general detect; the delivery of #DB clears it */

void mica_set_dr7(struct mica_vcpu *vcpu, u64 value)
{
	vcpu->dr7 = (value & ~(u64)DR7_ZEROS) | DR7_ONES;
	mica_backend->dr7_changed(vcpu);
}

void mica_queue_debug(struct mica_vcpu *vcpu, u64 dr6_bits)
{
	if (vcpu->dr7 & DR7_GD)
		mica_set_dr7(vcpu, vcpu->dr7 & ~(u64)DR7_GD);
	mica_queue_exception(vcpu, X86_TRAP_DB);
	vcpu->exception_payload = dr6_bits & (DR_TRAP_BITS | DR6_BD | DR_STEP | DR6_BT);
	vcpu->has_payload = (u8)vcpu->exception == X86_TRAP_DB;
}

static u64 get_dr(const struct mica_vcpu *vcpu, unsigned int n)
{
	if (n < 4)
		return vcpu->dr[n];
	return n == 6 ? vcpu->dr6 : vcpu->dr7;
}

static bool set_dr(struct mica_vcpu *vcpu, unsigned int n, u64 value)
{
	if (n < 4) {
		vcpu->dr[n] = value;
		mica_backend->dr7_changed(vcpu);
		return true;
	}
	if (value >> 32)
		return false;
	if (n == 6)
		vcpu->dr6 = (value & DR6_WRITABLE) | DR6_ONES;
	else
		mica_set_dr7(vcpu, value);
	return true;
}

/* Exits come before the instruction's own faults on some CPUs ("Relative Priority of Faults
 * and VM Exits"): #UD for CR4.DE and #GP for want of privilege are looked for here. */
bool mica_mov_dr(struct mica_vcpu *vcpu, const struct mica_mov_dr *mov, u64 *gpr)
{
	unsigned int n = mov->n;

	/* DR4 and DR5 are other names of DR6 and DR7, or nothing. */
	if (n == 4 || n == 5) {
		if (mov->de) {
			mica_queue_exception(vcpu, X86_TRAP_UD);
			return false;
		}
		n += 2;
	}
	if (mov->cpl) {
		mica_queue_exception_error(vcpu, X86_TRAP_GP, 0);
		return false;
	}
	/* "General-detect exception": somebody has asked to be told of such accesses. */
	if (vcpu->dr7 & DR7_GD) {
		mica_queue_debug(vcpu, DR6_BD);
		return false;
	}
	if (!mov->write) {
		*gpr = mov->long_mode ? get_dr(vcpu, n) : (u32)get_dr(vcpu, n);
		return true;
	}
	if (set_dr(vcpu, n, mov->long_mode ? *gpr : (u32)*gpr))
		return true;
	mica_queue_exception_error(vcpu, X86_TRAP_GP, 0);
	return false;
}
