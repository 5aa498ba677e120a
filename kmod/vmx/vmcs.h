/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The VMX backend's own objects, and what its files offer each other.  The contexts [P] [L]
 * [I] [C] are those of backend.h.  Names of fields and controls are the SDM's, as the
 * kernel's <asm/vmx.h> spells them.
 */
#ifndef MICA_VMX_VMCS_H
#define MICA_VMX_VMCS_H

#include "host.h"
#include "insn.h"
#include "vcpu.h"
#include "vmx/entry.h"

struct mica_mode;

extern struct mica_backend mica_backend_vmx;

/* What <asm/vmx.h> does not name, or not in all kernels. */
#define MICA_SECONDARY_EXEC_XSAVES	VMCS_CONTROL_BIT(XSAVES)
#define MICA_CR4_FRED			BIT_ULL(32)

/* Secondary controls that follow the mode of each vCPU's APIC. */
#define VMX_APIC_CONTROLS	((u32)(SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES | \
				       SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE | \
				       SECONDARY_EXEC_APIC_REGISTER_VIRT | \
				       SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY))

/* ------------------------------------------------------------ the machine */

/* What setup() found and decided; constant afterwards. */
struct vmx_caps {
	u32 revision;			/* of VMCS and VMXON regions */
	u32 pin, cpu, cpu2, exit, entry;	/* control words to start from */
	u64 ept_vpid;			/* IA32_VMX_EPT_VPID_CAP */
	u64 misc;			/* IA32_VMX_MISC */
	u64 cr0_fixed, cr4_fixed;	/* bits that are 1 in every guest */
	u8 timer_shift;			/* preemption timer: one tick is 2^shift of the TSC */
	u32 timer_longest;		/* ticks after which a guest leaves in any case */
	bool timer;
	bool vpid;
	bool apic_page;			/* "virtualize APIC accesses" */
	bool apic_regs;			/* "APIC-register virtualization" */
	bool x2apic;			/* "virtualize x2APIC mode" */
	bool delivery;			/* "virtual-interrupt delivery", and all of the above */
	bool tsc_aux;			/* the CPU has IA32_TSC_AUX */
	bool spec_ctrl;			/* the CPU has IA32_SPEC_CTRL */
	bool l1d_flush;			/* before a series of entries */
};

extern struct vmx_caps vmx_caps;

/* SYSCALL's MSRs: in the CPU while a vCPU is loaded, in no VMCS field. */
enum { VMX_STAR, VMX_LSTAR, VMX_CSTAR, VMX_SFMASK, VMX_SYSCALL_MSRS };
extern const u32 vmx_syscall_msrs[VMX_SYSCALL_MSRS];

/* The host's registers that do not change while a CPU is switched on. */
struct vmx_host_cpu {
	u64 cr0, efer, pat;
	u64 sysenter_cs, sysenter_esp, sysenter_eip;
	u64 syscall[VMX_SYSCALL_MSRS];
	u64 tsc_aux;
	struct desc_ptr idt;
};

DECLARE_PER_CPU(struct vmx_host_cpu, vmx_host_cpu);

/* ------------------------------------------------------------ VM and vCPU */

struct vmx_vm {
	struct page *apic_page;		/* APIC-access page, NULL if the CPU has no use for it */
};

/* Work before the next entry, vmx_vcpu.pending. */
#define VMX_PENDING_DRS		BIT(0)	/* guest breakpoints changed */
#define VMX_PENDING_PDPTES	BIT(1)	/* PAE: the four entries must be read from memory */
#define VMX_PENDING_PDPTES_READ	BIT(2)	/* ... they are in pdptes[] */
#define VMX_PENDING_FLUSH_VPID	BIT(3)
#define VMX_PENDING_FLUSH_EPT	BIT(4)
#define VMX_PENDING_CHECK	BIT(5)	/* debug builds: user space has set the state */
#define VMX_PENDING_APIC_PAGE	BIT(6)	/* the APIC's page must not be seen any more */

/* Why handle() was asked for. */
enum vmx_slow { VMX_SLOW_NONE, VMX_SLOW_EPT, VMX_SLOW_PDPTES, VMX_SLOW_APIC_PAGE };

struct vmx_vcpu {
	struct vmx_entry entry;		/* what entry.S needs */
	u32 enter_flags;		/* VMX_ENTER_* */
	u32 pending;			/* VMX_PENDING_* */

	/* Shadows of what the VMCS holds, to save VMREADs and VMWRITEs. */
	u32 cpu, cpu2;			/* processor-based controls */
	u32 tpr_threshold;
	u32 timer_value;		/* preemption timer */
	u64 eoi_exits[4];		/* EOI-exit bitmap */
	u64 cr4_mask;
	u64 host_cr3, host_cr4;
	u64 host_fs_base;
	u16 host_fs, host_gs;

	u64 deadline;			/* host TSC, 0: none */
	u64 eptp;
	u16 vpid;			/* 0: none */

	/* The VMCS: on the list of the CPU that may hold it in its cache. */
	struct page *vmcs;
	struct list_head link;
	int vmcs_cpu;			/* -1: cleared, on no list */
	bool initialised;
	unsigned long *msr_bitmap;

	/* Lent by the host from the first entry after load() until put(). */
	bool guest_loaded;
	bool in_series;			/* from vmx_begin_series() to vmx_end_series() */
	bool guest_perf;		/* the CPU's performance counters are set for a guest */
	u16 fs, gs, ds, es, ldt;	/* the host's selectors */
	u64 fs_base, host_kernel_gs_base;
	u64 host_debugctl;
	struct mica_host_drs host_drs;

	/* The guest's, when they are not in the CPU. */
	u64 kernel_gs_base;
	u64 syscall[VMX_SYSCALL_MSRS];
	u64 tsc_aux;
	u64 pdptes[4];

	enum vmx_slow slow;
	struct {			/* an EPT violation for handle() */
		u64 gpa, gva;
		u32 access, flags;
	} fault;
};

static __always_inline struct vmx_vcpu *to_vmx(const struct mica_vcpu *vcpu)
{
	return vcpu->backend;
}

/* ------------------------------------------------------------ capability.c */

/* [P] Fills vmx_caps; 0, or -errno after one pr_err() that says what to do. */
int vmx_find_capabilities(void);

/* ------------------------------------------------------------ cpu.c */

int vmx_alloc_regions(void);		/* VMXON regions of all possible CPUs; [P] */
void vmx_free_regions(void);
int vmx_cpu_enable(void);		/* [C] */
void vmx_cpu_disable(void);
void vmx_cpu_emergency_disable(void);	/* any context, at a crash of the host */
/* [L] The VMCS becomes current here; true if it was active on another CPU, or nowhere. */
bool vmx_make_current(struct vmx_vcpu *vmx);
/* [P] The VMCS is in no CPU any more. */
void vmx_forget(struct vmx_vcpu *vmx);

/* ------------------------------------------------------------ vmcs.c */

int vmx_vcpu_init(struct mica_vcpu *vcpu);
void vmx_vcpu_destroy(struct mica_vcpu *vcpu);
/* [L] All that is constant in a VMCS. */
void vmx_init_vmcs(struct mica_vcpu *vcpu);
void vmx_set_cpu_controls(struct vmx_vcpu *vmx, u32 controls);
void vmx_set_cpu2_controls(struct vmx_vcpu *vmx, u32 controls);
/* Which accesses of MSR `index` exit. */
void vmx_intercept_msr(struct vmx_vcpu *vmx, u32 index, bool read, bool write);
void vmx_cpuid_changed(struct mica_vcpu *vcpu);

/* ------------------------------------------------------------ apicv.c */

void vmx_setup_delivery(void);		/* [P] fills vmx_caps.delivery */
void vmx_apic_mode_changed(struct mica_vcpu *vcpu);
void vmx_apic_vectors_changed(struct mica_vcpu *vcpu, u8 waiting, u8 in_service);
enum mica_next vmx_exit_eoi(struct mica_vcpu *vcpu);

/* ------------------------------------------------------------ ept.c */

extern struct mica_s2_format vmx_ept_format;

void vmx_setup_ept(void);
u64 vmx_eptp(const struct mica_vm *vm);
u16 vmx_alloc_vpid(void);		/* [P] 0: none free, or the CPU has none */
void vmx_free_vpid(u16 vpid);
void vmx_flush_everything(void);	/* [C] */
void vmx_flush_vpid(const struct vmx_vcpu *vmx);	/* [I] */
void vmx_flush_s2(struct mica_vcpu *vcpu);		/* [I] */

/* ------------------------------------------------------------ switch.c */

void vmx_load(struct mica_vcpu *vcpu);
void vmx_put(struct mica_vcpu *vcpu);
/* [I] The guest's registers that are in no VMCS field come in, before the first entry. */
void vmx_load_guest(struct vmx_vcpu *vmx);
u64 vmx_get_kernel_gs_base(const struct vmx_vcpu *vmx);
void vmx_set_kernel_gs_base(struct vmx_vcpu *vmx, u64 base);
void vmx_set_syscall_msr(struct vmx_vcpu *vmx, unsigned int i, u64 value);
void vmx_set_tsc_aux(struct vmx_vcpu *vmx, u64 value);
/* [I] Around the entries between which interrupts stay off.  end() may come early. */
void vmx_begin_series(struct vmx_vcpu *vmx);
void vmx_end_series(struct vmx_vcpu *vmx);

/* ------------------------------------------------------------ enter.c */

enum mica_next vmx_enter(struct mica_vcpu *vcpu);
enum mica_next vmx_handle(struct mica_vcpu *vcpu);
bool vmx_set_deadline(struct mica_vcpu *vcpu, u64 deadline);
void vmx_tsc_offset_changed(struct mica_vcpu *vcpu);

/* ------------------------------------------------------------ fail.c */

/* Debug builds: MICA_NEXT_ENTER if the checks find nothing wrong. */
enum mica_next vmx_check_before_entry(struct mica_vcpu *vcpu);
/* The VM entry instruction itself failed. */
enum mica_next vmx_entry_rejected(struct mica_vcpu *vcpu);
/* An exit with bit 31 of the reason set. */
enum mica_next vmx_entry_failed(struct mica_vcpu *vcpu, u32 reason);

/* check.c: [L] the guest-state area by SDM volume 3, "Checks on the Guest State Area".
 * NULL, or the name of the first field that is wrong. */
const char *vmx_check_guest_state(struct mica_vcpu *vcpu);

/* ------------------------------------------------------------ exit.c, exit_*.c */

#define VMX_EXITS	MICA_EXIT_SLOTS

enum mica_next vmx_dispatch(struct mica_vcpu *vcpu, u32 reason);
/* Counts and traces an exit, also a failed entry; returns its row in the table. */
unsigned int vmx_count_exit(struct mica_vcpu *vcpu, u32 reason);
const char *vmx_exit_name(unsigned int index);

enum mica_next vmx_exit_exception(struct mica_vcpu *vcpu);
enum mica_next vmx_exit_cr(struct mica_vcpu *vcpu);
enum mica_next vmx_exit_dr(struct mica_vcpu *vcpu);
enum mica_next vmx_exit_ept_violation(struct mica_vcpu *vcpu);
enum mica_next vmx_exit_apic_access(struct mica_vcpu *vcpu);
enum mica_next vmx_exit_apic_write(struct mica_vcpu *vcpu);

/* ------------------------------------------------------------ inject.c */

void vmx_inject(struct mica_vcpu *vcpu, u32 event, u32 error, u32 length);
/* [L] An entry failed or did not come: its event goes back to the vCPU; false: it had none. */
bool vmx_take_back_injection(struct mica_vcpu *vcpu);
/* [I] After an exit that may come in the middle of an event's delivery. */
void vmx_save_vectoring(struct mica_vcpu *vcpu);
/* [L] "NMI unblocking due to IRET": the IRET did not complete. */
void vmx_block_nmis(void);
bool vmx_interrupt_allowed(struct mica_vcpu *vcpu);
bool vmx_nmi_allowed(struct mica_vcpu *vcpu);
void vmx_want_interrupt_window(struct mica_vcpu *vcpu, bool want);
void vmx_want_nmi_window(struct mica_vcpu *vcpu, bool want);
void vmx_set_tpr_threshold(struct mica_vcpu *vcpu, u32 priority_class);
void vmx_advance(struct mica_vcpu *vcpu);

/* ------------------------------------------------------------ state.c, msrs.c */

void vmx_get_state(struct mica_vcpu *vcpu, u64 groups, struct mica_vcpu_state *state);
void vmx_set_state(struct mica_vcpu *vcpu, u64 groups, const struct mica_vcpu_state *state);
/* What the guest sees of its mode. */
void vmx_get_mode(struct mica_vcpu *vcpu, struct mica_mode *mode);
u64 vmx_get_cr0(const struct vmx_vcpu *vmx);
u64 vmx_get_cr4(struct mica_vcpu *vcpu);
void vmx_set_cr0(struct vmx_vcpu *vmx, u64 value);
void vmx_set_cr4(struct mica_vcpu *vcpu, u64 value);
void vmx_set_efer(struct vmx_vcpu *vmx, u64 value);
void vmx_dr7_changed(struct mica_vcpu *vcpu);
int vmx_get_msr(struct mica_vcpu *vcpu, u32 index, u64 *value);
/* By the guest: -EINVAL where the architecture wants #GP. */
int vmx_set_msr(struct mica_vcpu *vcpu, u32 index, u64 value);
/* By user space, whose values are possible ones: no checks. */
int vmx_put_msr(struct mica_vcpu *vcpu, u32 index, u64 value);
/* [L] vcpu->spec_ctrl was written: once it is not 0, it is switched at entries. */
void vmx_spec_ctrl_used(struct mica_vcpu *vcpu);

/* CR0 bits that the guest does not own: caches stay on, and what VMX wants set stays set. */
static inline u64 vmx_cr0_mask(void)
{
	return X86_CR0_CD | X86_CR0_NW | vmx_caps.cr0_fixed;
}

/* CR4 bits that the guest may change, but whose change the FPU code wants to know. */
#define VMX_CR4_TOLD	((u64)(X86_CR4_OSXSAVE | X86_CR4_PKE))

#endif
