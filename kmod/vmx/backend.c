// SPDX-License-Identifier: GPL-2.0-only
/* The backend's table, its start and end, and VMs. */
#include "vmcs.h"

static bool vmx_ident(void)
{
	return boot_cpu_data.x86_vendor == X86_VENDOR_INTEL ||
	       boot_cpu_data.x86_vendor == X86_VENDOR_CENTAUR ||
	       boot_cpu_data.x86_vendor == X86_VENDOR_ZHAOXIN;
}

/* Instructions that "enable ..." controls would allow, on a CPU that has no such control. */
static u32 lacking_instructions(void)
{
	return (vmx_caps.cpu2 & SECONDARY_EXEC_ENABLE_RDTSCP ? 0 : MICA_LACKS_RDTSCP) |
	       (vmx_caps.cpu2 & SECONDARY_EXEC_ENABLE_INVPCID ? 0 : MICA_LACKS_INVPCID) |
	       (vmx_caps.cpu2 & MICA_SECONDARY_EXEC_XSAVES ? 0 : MICA_LACKS_XSAVES);
}

static int vmx_setup(void)
{
	int error = vmx_find_capabilities();

	if (error)
		return error;
	error = vmx_alloc_regions();
	if (error) {
		pr_err("mica: not enough memory for the VMXON regions\n");
		vmx_free_regions();
		return error;
	}
	vmx_setup_ept();
	mica_backend_vmx.delivers_interrupts = vmx_caps.delivery;
	mica_backend_vmx.lacks = lacking_instructions();
	mica_backend_vmx.caps |= MICA_CAP_X2APIC;
	if (vmx_caps.apic_page && vmx_caps.apic_regs)
		mica_backend_vmx.caps |= MICA_CAP_APIC_REGS;
	if (vmx_caps.delivery)
		mica_backend_vmx.caps |= MICA_CAP_DELIVERY;
	return 0;
}

static void vmx_teardown(void)
{
	vmx_free_regions();
}

static int vmx_vm_init(struct mica_vm *vm)
{
	struct vmx_vm *vmx = vm->backend;

	if (!vmx_caps.apic_page)
		return 0;
	vmx->apic_page = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (!vmx->apic_page)
		return -ENOMEM;
	mica_memory_set_apic_page(vm, vmx->apic_page);
	return 0;
}

static void vmx_vm_destroy(struct mica_vm *vm)
{
	struct vmx_vm *vmx = vm->backend;

	if (vmx->apic_page)
		__free_page(vmx->apic_page);
}

struct mica_backend mica_backend_vmx __ro_after_init = {
	.name = "vmx",
	.vm_size = sizeof(struct vmx_vm),
	.vcpu_size = sizeof(struct vmx_vcpu),
	.s2 = &vmx_ept_format,
	.ident = vmx_ident,
	.setup = vmx_setup,
	.teardown = vmx_teardown,
	.cpu_enable = vmx_cpu_enable,
	.cpu_disable = vmx_cpu_disable,
	.cpu_emergency_disable = vmx_cpu_emergency_disable,
	.rival = "kvm_intel",
	.vm_init = vmx_vm_init,
	.vm_destroy = vmx_vm_destroy,
	.vcpu_init = vmx_vcpu_init,
	.vcpu_destroy = vmx_vcpu_destroy,
	.load = vmx_load,
	.put = vmx_put,
	.inject = vmx_inject,
	.interrupt_allowed = vmx_interrupt_allowed,
	.nmi_allowed = vmx_nmi_allowed,
	.want_interrupt_window = vmx_want_interrupt_window,
	.want_nmi_window = vmx_want_nmi_window,
	.set_tpr_threshold = vmx_set_tpr_threshold,
	.enter = vmx_enter,
	.handle = vmx_handle,
	.get_state = vmx_get_state,
	.set_state = vmx_set_state,
	.get_msr = vmx_get_msr,
	.set_msr = vmx_set_msr,
	.get_cr4 = vmx_get_cr4,
	.dr7_changed = vmx_dr7_changed,
	.advance = vmx_advance,
	.flush_s2 = vmx_flush_s2,
	.apic_mode_changed = vmx_apic_mode_changed,
	.apic_vectors_changed = vmx_apic_vectors_changed,
	.tsc_offset_changed = vmx_tsc_offset_changed,
	.cpuid_changed = vmx_cpuid_changed,
	.set_deadline = vmx_set_deadline,
	.exit_name = vmx_exit_name,
	.exit_count = VMX_EXITS,
};
