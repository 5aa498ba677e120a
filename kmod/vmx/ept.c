// SPDX-License-Identifier: GPL-2.0-only
/*
 * The format of EPT entries, and the invalidation of what CPUs cache of them (SDM volume 3,
 * "The Extended Page Table Mechanism" and "Caching Translation Information").
 */
#include "vmcs.h"

#include <linux/idr.h>

#define EPTP_LEVELS_4	VMX_EPTP_PWL_4
#define EPT_MEMTYPE_WB	(VMX_EPTP_MT_WB << VMX_EPT_MT_EPTE_SHIFT)

/*
 * Guest memory is RAM of the host, which everybody must map write-back: so the guest's PAT
 * is ignored.  Execute-only entries do not exist here.
 */
struct mica_s2_format vmx_ept_format __ro_after_init = {
	.table = VMX_EPT_RWX_MASK,
	.leaf = VMX_EPT_READABLE_MASK | EPT_MEMTYPE_WB | VMX_EPT_IPAT_BIT,
	.write = VMX_EPT_WRITABLE_MASK,
	.exec = VMX_EPT_EXECUTABLE_MASK,
	.large = BIT_ULL(7),
	.present = VMX_EPT_RWX_MASK,
	.address = GENMASK_ULL(51, 12),
	.max_level = 1,
};

static DEFINE_IDA(vpids);

void vmx_setup_ept(void)
{
	u64 cap = vmx_caps.ept_vpid;

	if (cap & VMX_EPT_2MB_PAGE_BIT) {
		vmx_ept_format.max_level = 2;
		mica_backend_vmx.caps |= MICA_CAP_LARGE_2M;
	}
	if ((cap & VMX_EPT_2MB_PAGE_BIT) && (cap & VMX_EPT_1GB_PAGE_BIT)) {
		vmx_ept_format.max_level = 3;
		mica_backend_vmx.caps |= MICA_CAP_LARGE_1G;
	}
	if (cap & VMX_EPT_AD_BIT) {
		vmx_ept_format.accessed = VMX_EPT_ACCESS_BIT;
		vmx_ept_format.dirty = VMX_EPT_DIRTY_BIT;
	}
	vmx_ept_format.exec_small = boot_cpu_has_bug(X86_BUG_ITLB_MULTIHIT) &&
				    !cpu_mitigations_off();
}

u64 vmx_eptp(const struct mica_vm *vm)
{
	u64 eptp = vm->mem.root_pa | VMX_EPTP_MT_WB | EPTP_LEVELS_4;

	if (vmx_ept_format.accessed)
		eptp |= VMX_EPTP_AD_ENABLE_BIT;
	return eptp;
}

/* ------------------------------------------------------------ VPIDs */

u16 vmx_alloc_vpid(void)
{
	int vpid;

	if (!vmx_caps.vpid)
		return 0;
	vpid = ida_alloc_range(&vpids, 1, VMX_NR_VPIDS - 1, GFP_KERNEL_ACCOUNT);
	return vpid < 0 ? 0 : vpid;
}

void vmx_free_vpid(u16 vpid)
{
	if (vpid)
		ida_free(&vpids, vpid);
}

/* ------------------------------------------------------------ invalidation */

static void check(bool done, const char *what)
{
	if (unlikely(!done))
		pr_err_ratelimited("mica: %s failed\n", what);
}

void vmx_flush_everything(void)
{
	check(vmx_invept(VMX_EPT_EXTENT_GLOBAL, 0), "INVEPT");
	if (vmx_caps.vpid)
		check(vmx_invvpid(VMX_VPID_EXTENT_ALL_CONTEXT, 0), "INVVPID");
}

/* Without a VPID, each entry and exit flushes by itself. */
void vmx_flush_vpid(const struct vmx_vcpu *vmx)
{
	if (vmx->vpid)
		check(vmx_invvpid(VMX_VPID_EXTENT_SINGLE_CONTEXT, vmx->vpid), "INVVPID");
}

/* The generation is read first: what changes after that is flushed the next time. */
void vmx_flush_s2(struct mica_vcpu *vcpu)
{
	vcpu->s2_generation = atomic64_read(&vcpu->vm->mem.generation);
	smp_rmb();
	if (vmx_caps.ept_vpid & VMX_EPT_EXTENT_CONTEXT_BIT)
		check(vmx_invept(VMX_EPT_EXTENT_CONTEXT, to_vmx(vcpu)->eptp), "INVEPT");
	else
		check(vmx_invept(VMX_EPT_EXTENT_GLOBAL, 0), "INVEPT");
}
