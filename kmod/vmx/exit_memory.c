// SPDX-License-Identifier: GPL-2.0-only
/* Accesses to guest-physical memory that exit: EPT violations, the APIC's page. */
#include "vmcs.h"

/* "Exit Qualification for EPT Violations". */
#define EPT_READ		BIT(0)
#define EPT_WRITE		BIT(1)
#define EPT_FETCH		BIT(2)
#define EPT_LINEAR_VALID	BIT(7)
#define EPT_TRANSLATED		BIT(8)		/* else the access was to a paging structure */
#define EPT_NMI_UNBLOCKING	BIT(12)

static u32 mmio_flags(u64 qualification)
{
	u32 flags = 0;

	if (qualification & EPT_READ)
		flags |= MICA_MMIO_READ;
	if (qualification & EPT_WRITE)
		flags |= MICA_MMIO_WRITE;
	if (qualification & EPT_FETCH)
		flags |= MICA_MMIO_EXEC;
	if (!(qualification & EPT_LINEAR_VALID))
		return flags;
	return flags | MICA_MMIO_GVA_VALID |
	       (qualification & EPT_TRANSLATED ? 0 : MICA_MMIO_PAGE_WALK);
}

static_assert(MICA_ACCESS_READ == EPT_READ && MICA_ACCESS_WRITE == EPT_WRITE &&
	      MICA_ACCESS_EXEC == EPT_FETCH);

enum mica_next vmx_exit_ept_violation(struct mica_vcpu *vcpu)
{
	u64 qualification = vmx_read(EXIT_QUALIFICATION);
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	if ((qualification & EPT_NMI_UNBLOCKING) && !vcpu->injecting)
		vmx_block_nmis();
	vmx->slow = VMX_SLOW_EPT;
	vmx->fault.gpa = vmx_read(GUEST_PHYSICAL_ADDRESS);
	vmx->fault.gva = qualification & EPT_LINEAR_VALID ? vmx_read(GUEST_LINEAR_ADDRESS) : 0;
	vmx->fault.access = qualification & (EPT_READ | EPT_WRITE | EPT_FETCH);
	vmx->fault.flags = mmio_flags(qualification);
	if (mica_memory_hole(vcpu->vm, vmx->fault.gpa))
		return mica_exit_mmio(vcpu, vmx->fault.gpa, vmx->fault.gva, vmx->fault.flags);
	return MICA_NEXT_SLOW;
}

/* "Exit Qualification for APIC-Access VM Exits": how the page was accessed. */
static u32 apic_access_flags(u64 qualification)
{
	switch (qualification & APIC_ACCESS_TYPE) {
	case TYPE_LINEAR_APIC_INST_READ:
		return MICA_MMIO_READ;
	case TYPE_LINEAR_APIC_INST_WRITE:
		return MICA_MMIO_WRITE;
	case TYPE_LINEAR_APIC_INST_FETCH:
		return MICA_MMIO_EXEC;
	}
	return 0;
}

/* What the CPU does not virtualize by itself: user space decodes the instruction. */
enum mica_next vmx_exit_apic_access(struct mica_vcpu *vcpu)
{
	u64 qualification = vmx_read(EXIT_QUALIFICATION);
	u32 flags = apic_access_flags(qualification);
	u64 offset = qualification & APIC_ACCESS_OFFSET;

	if (!flags)
		return mica_exit_fail(vcpu, MICA_EXIT_INTERNAL_ERROR, EXIT_REASON_APIC_ACCESS,
				      qualification, "event delivery or page walk in the APIC page");
	return mica_exit_mmio(vcpu, APIC_DEFAULT_PHYS_BASE + offset, 0, flags);
}

/* The value is in the page already, and RIP behind the instruction. */
enum mica_next vmx_exit_apic_write(struct mica_vcpu *vcpu)
{
	mica_apic_written(&vcpu->apic, vmx_read(EXIT_QUALIFICATION) & 0xff0);
	return MICA_NEXT_ENTER;
}
