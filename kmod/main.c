// SPDX-License-Identifier: GPL-2.0-only
/* mica.ko: choosing a backend, loading and unloading. */
#include "backend.h"
#include "compat.h"
#include "device.h"
#include "hw.h"
#include "ports.h"
#include "vcpu.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

/* The one place of the core that knows the backends' names. */
extern const struct mica_backend mica_backend_vmx;
extern const struct mica_backend mica_backend_svm;

static const struct mica_backend *const backends[] = {
	&mica_backend_vmx,
	&mica_backend_svm,
};

const struct mica_backend *mica_backend __ro_after_init;

static int __init choose_backend(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(backends); i++) {
		if (!backends[i]->ident())
			continue;
		mica_backend = backends[i];
		return mica_backend->setup();
	}
	pr_err("mica: this is no CPU of Intel, AMD or those who build the same virtualization\n");
	return -ENODEV;
}

/* Says it now rather than at the first guest, if another hypervisor has the CPUs. */
static int __init try_hardware(void)
{
	int error = mica_hw_get();

	if (!error)
		mica_hw_put();
	else if (error == -EBUSY)
		pr_err("mica: another hypervisor holds this CPU's virtualization (KVM?): end its guests, then `modprobe -r kvm_intel kvm_amd`, or boot with kvm.enable_virt_at_load=0\n");
	return error;
}

static int __init mica_init(void)
{
	int error = choose_backend();

	if (error)
		return error;
	error = mica_fpu_setup();
	if (error)
		goto teardown;
	error = mica_hw_init();
	if (error)
		goto teardown;
	error = try_hardware();
	if (error)
		goto hw_exit;
	error = mica_device_register();
	if (error)
		goto hw_exit;
	pr_info("mica: ready, backend %s\n", mica_backend->name);
	return 0;

hw_exit:
	mica_hw_exit();
teardown:
	mica_backend->teardown();
	return error;
}

static void __exit mica_exit(void)
{
	mica_device_unregister();
	mica_ports_exit();
	mica_hw_exit();
	mica_backend->teardown();
}

module_init(mica_init);
module_exit(mica_exit);

MODULE_DESCRIPTION("Mica, a hosted hypervisor");
MODULE_LICENSE("GPL");
