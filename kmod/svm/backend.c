// SPDX-License-Identifier: GPL-2.0-only
/* The backend's table, its start and end. */
#include "vmcb.h"

static void svm_teardown(void)
{
	svm_free_iopm();
	svm_free_areas();
}

static bool svm_ident(void)
{
	return boot_cpu_data.x86_vendor == X86_VENDOR_AMD ||
	       boot_cpu_data.x86_vendor == X86_VENDOR_HYGON;
}

static int svm_setup(void)
{
	int error = svm_find_capabilities();

	if (error)
		return error;
	error = svm_alloc_areas();
	if (!error)
		error = svm_alloc_iopm();
	if (error) {
		pr_err("mica: not enough memory for the host save areas\n");
		svm_teardown();
		return error;
	}
	svm_setup_npt();
	mica_backend_svm.caps |= MICA_CAP_X2APIC;
	return 0;
}

struct mica_backend mica_backend_svm __ro_after_init = {
	.name = "svm",
	.vm_size = sizeof(struct svm_vm),
	.vcpu_size = sizeof(struct svm_vcpu),
	.s2 = &svm_npt_format,
	.ident = svm_ident,
	.setup = svm_setup,
	.teardown = svm_teardown,
	.cpu_enable = svm_cpu_enable,
	.cpu_disable = svm_cpu_disable,
	.cpu_emergency_disable = svm_cpu_emergency_disable,
	.rival = "kvm_amd",
	.shows_xsaves = true,
	.vm_init = svm_vm_init,
	.vm_destroy = svm_vm_destroy,
	.vcpu_init = svm_vcpu_init,
	.vcpu_destroy = svm_vcpu_destroy,
	.load = svm_load,
	.put = svm_put,
	.inject = svm_inject,
	.interrupt_allowed = svm_interrupt_allowed,
	.nmi_allowed = svm_nmi_allowed,
	.want_interrupt_window = svm_want_interrupt_window,
	.want_nmi_window = svm_want_nmi_window,
	.set_tpr_threshold = svm_set_tpr_threshold,
	.enter = svm_enter,
	.handle = svm_handle,
	.get_state = svm_get_state,
	.set_state = svm_set_state,
	.get_msr = svm_get_msr,
	.set_msr = svm_set_msr,
	.get_cr4 = svm_get_cr4,
	.dr7_changed = svm_dr7_changed,
	.advance = svm_advance,
	.flush_s2 = svm_flush_s2,
	.apic_mode_changed = svm_apic_mode_changed,
	.tsc_offset_changed = svm_tsc_offset_changed,
	.cpuid_changed = svm_cpuid_changed,
	.set_deadline = svm_set_deadline,
	.exit_name = svm_exit_name,
	.exit_count = SVM_EXITS,
};
