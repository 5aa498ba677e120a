/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The SVM backend's own objects, and what its files offer each other.  The contexts [P] [L]
 * [I] [C] are those of backend.h.  Names of fields and intercepts are the APM's (volume 2,
 * "Secure Virtual Machine"), as the kernel's <asm/svm.h> spells them.
 */
#ifndef MICA_SVM_VMCB_H
#define MICA_SVM_VMCB_H

#include "host.h"
#include "mode.h"
#include "vcpu.h"
#include "svm/entry.h"

#include <asm/svm.h>

extern struct mica_backend mica_backend_svm;

/* ------------------------------------------------------------ the machine */

/* What setup() found; constant afterwards. */
struct svm_caps {
	u32 last_asid;
	bool next_rip;			/* "NRIP save" */
	bool decode_assists;		/* a MOV of CR or DR tells its register */
	bool flush_by_asid;
	bool virtual_spec_ctrl;		/* the CPU switches IA32_SPEC_CTRL by itself */
	bool pause_filter;		/* with a threshold */
	bool rdtscp, invpcid;		/* can be intercepted */
	bool tsc_aux;			/* the CPU has TSC_AUX */
	bool spec_ctrl;			/* the CPU has IA32_SPEC_CTRL */
	bool blind_to_xsetbv;		/* QEMU: the intercept of XSETBV does nothing */
};

extern struct svm_caps svm_caps;

/* "VMCB Clean and Dirty Bits": what an entry may take from the CPU's copy. */
enum svm_clean {
	SVM_CLEAN_INTERCEPTS = BIT(0),	/* also the TSC offset */
	SVM_CLEAN_PERMISSIONS = BIT(1),
	SVM_CLEAN_ASID = BIT(2),
	SVM_CLEAN_TPR = BIT(3),		/* V_TPR, V_IRQ and their like */
	SVM_CLEAN_NP = BIT(4),		/* nested paging, PAT */
	SVM_CLEAN_CRX = BIT(5),		/* also EFER */
	SVM_CLEAN_DRX = BIT(6),
	SVM_CLEAN_DT = BIT(7),
	SVM_CLEAN_SEG = BIT(8),		/* also CPL */
	SVM_CLEAN_CR2 = BIT(9),
	SVM_CLEAN_ALL = 0x3ff,
};

/* ------------------------------------------------------------ VM and vCPU */

struct svm_vm {
	u64 nested_cr3;
	u64 *top;			/* NULL, or the fifth level of the nested page table */
};

/* Work before the next entry, svm_vcpu.pending. */
#define SVM_PENDING_DRS		BIT(0)	/* guest breakpoints changed */
#define SVM_PENDING_FLUSH	BIT(1)	/* this guest's translations, of both levels */
#define SVM_PENDING_CHECK	BIT(2)	/* debug builds: user space has set the state */

/* Why handle() was asked for. */
enum svm_slow { SVM_SLOW_NPF, SVM_SLOW_FETCH };

#define SVM_INSN_MAX	15		/* APM volume 3, "Instruction Length" */

struct svm_insn {
	u8 bytes[SVM_INSN_MAX];
	u8 count;			/* bytes that could be read */
};

/*
 * A walk of the guest's page tables.  One that is remembered is taken again by a look at each of
 * its entries: as long as they and the registers are the same, it ends where it has ended.
 */
#define SVM_WALK_LEVELS	5
#define SVM_WALKS	8		/* are remembered, by the number of the page */

struct svm_walk {
	bool valid;			/* ... as long as mem.invalidate_seq is `seq` */
	u8 count;
	unsigned long seq;
	u64 cr0, cr3, cr4, efer;
	u64 linear, gpa;		/* of the page */
	const u8 __user *page;
	struct svm_walk_entry {
		u64 gpa, value;
		const u64 __user *address;
	} entry[SVM_WALK_LEVELS];
};

struct svm_vcpu {
	struct svm_entry entry;		/* what entry.S needs */
	u32 enter_flags;		/* SVM_ENTER_* */
	u32 pending;			/* SVM_PENDING_* */
	struct vmcb *vmcb;		/* a page that is no 2 MiB page's first: svm_alloc_page() */
	u8 *msrpm;			/* MSR permission map, two pages */
	u64 cr4;			/* as the guest sees it */
	u64 next_rip;			/* behind the instruction that exited */
	u8 gpr;				/* of a MOV to or from CR or DR */

	u64 asid_generation;		/* 0: needs an ASID */
	bool guest_loaded;		/* TSC_AUX is the guest's */
	struct mica_host_drs host_drs;
	u64 tsc_aux, host_tsc_aux;
	u64 host_debugctl;

	/* From an NMI until the IRET that ends it; an IRET exits before it has run. */
	bool nmi_blocked;
	bool iret;
	bool stepping;			/* ... and RFLAGS.TF is ours, for the exit right after it */
	u64 iret_rip, iret_rsp;
	bool event_waits;		/* an event, for something else than the IRET */
	bool shadow_waits;		/* ... and that is an interrupt in a forgotten shadow */
	unsigned int shadow_tries;	/* exits for which the shadow is taken to last ... */
	u64 shadow_rip;			/* ... here */
	u32 injected;			/* at this entry, as MICA_EVENT_*; 0: nothing */

	/* The instruction that svm_fetch_slowly() has read, for the exit that comes again. */
	struct svm_insn fetched;
	u64 fetched_rip;
	struct svm_walk walks[SVM_WALKS];	/* to pages that instructions were read from */
	unsigned int misses;		/* another instruction was found than had exited */

	enum svm_slow slow;
	struct {			/* a nested page fault for handle() */
		u64 gpa;
		u32 access, flags;
	} fault;
};

static __always_inline struct svm_vcpu *to_svm(const struct mica_vcpu *vcpu)
{
	return vcpu->backend;
}

static __always_inline struct vmcb_control_area *svm_control(const struct mica_vcpu *vcpu)
{
	return &to_svm(vcpu)->vmcb->control;
}

static __always_inline struct vmcb_save_area *svm_save(const struct mica_vcpu *vcpu)
{
	return &to_svm(vcpu)->vmcb->save;
}

static __always_inline void svm_dirty(struct svm_vcpu *svm, enum svm_clean what)
{
	svm->vmcb->control.clean &= ~what;
}

/* Attributes of a segment as the VMCB packs them: bits 47:40 and 55:52 of its descriptor. */
#define SVM_ATTR_P		BIT(7)
#define SVM_ATTR_L		BIT(9)
#define SVM_ATTR_DB		BIT(10)

static inline bool svm_in_64bit_code(const struct mica_vcpu *vcpu)
{
	return (svm_save(vcpu)->efer & EFER_LMA) && (svm_save(vcpu)->cs.attrib & SVM_ATTR_L);
}

/* Under memory encryption the host's own tables carry the C-bit in their addresses. */
static inline u64 svm_pa(const void *address)
{
	return __sme_set(virt_to_phys((void *)address));
}

/* ------------------------------------------------------------ capability.c */

/* [P] Fills svm_caps; 0, or -errno after one pr_err() that says what to do. */
int svm_find_capabilities(void);

/* ------------------------------------------------------------ cpu.c */

/* [P] A zeroed page for a VMCB or a host save area, or NULL. */
void *svm_alloc_page(int node);
int svm_alloc_areas(void);		/* host save areas of all possible CPUs; [P] */
void svm_free_areas(void);
int svm_cpu_enable(void);		/* [C] */
void svm_cpu_disable(void);
void svm_cpu_emergency_disable(void);	/* any context, at a crash of the host */
/* [L] Where this CPU keeps the host's VMLOAD state while a guest runs. */
u64 svm_host_area(void);
/* [I] The vCPU gets an ASID under which this CPU holds no translation. */
void svm_take_asid(struct svm_vcpu *svm);
/* [I] Has its ASID been given to others? */
bool svm_asid_is_old(const struct svm_vcpu *svm);
/* [I] ASIDs are given out anew, and nobody has entered since: what TLB_CONTROL must say. */
bool svm_asids_need_flush(void);
void svm_asids_are_flushed(void);

/* ------------------------------------------------------------ npt.c */

extern struct mica_s2_format svm_npt_format;

void svm_setup_npt(void);
int svm_vm_init(struct mica_vm *vm);	/* [P] */
void svm_vm_destroy(struct mica_vm *vm);
void svm_flush_s2(struct mica_vcpu *vcpu);	/* [I] */
void svm_flush_asid(struct svm_vcpu *svm);	/* [I] */

/* ------------------------------------------------------------ vmcb.c */

int svm_alloc_iopm(void);		/* [P] one for all guests: every port exits */
void svm_free_iopm(void);
int svm_vcpu_init(struct mica_vcpu *vcpu);
void svm_vcpu_destroy(struct mica_vcpu *vcpu);
void svm_set_intercept(struct svm_vcpu *svm, unsigned int intercept, bool on);
void svm_cpuid_changed(struct mica_vcpu *vcpu);
void svm_apic_mode_changed(struct mica_vcpu *vcpu);
void svm_tsc_offset_changed(struct mica_vcpu *vcpu);
/* Which accesses of MSR `index` exit. */
void svm_intercept_msr(struct svm_vcpu *svm, u32 index, bool read, bool write);

/* ------------------------------------------------------------ enter.c */

void svm_load(struct mica_vcpu *vcpu);
void svm_put(struct mica_vcpu *vcpu);
enum mica_next svm_enter(struct mica_vcpu *vcpu);
enum mica_next svm_handle(struct mica_vcpu *vcpu);
bool svm_set_deadline(struct mica_vcpu *vcpu, u64 deadline);

/* ------------------------------------------------------------ insn.c */

/* An instruction that exits: its opcode, without prefixes. */
struct svm_opcode {
	u8 length;			/* 0: the exit needs none */
	u8 bytes[3];
	u8 any;				/* bits of the last byte that do not matter */
	bool modrm;			/* a ModRM byte follows, which names registers only */
};

/*
 * [I] Sets next_rip and gpr, from the VMCB if the CPU tells, else from the instruction's bytes.
 * 0; -EAGAIN: they are not in memory now, ask for handle(); -ENOEXEC: there is another
 * instruction by now, enter again; -EIO: there still is, after many tries.
 */
int svm_find_next_rip(struct mica_vcpu *vcpu, const struct svm_opcode *opcode);
/* [P] Brings the bytes at RIP to memory.  MICA_NEXT_ENTER, or MICA_NEXT_USER: there are none. */
enum mica_next svm_fetch_slowly(struct mica_vcpu *vcpu);

/* ------------------------------------------------------------ check.c */

/* "Canonicalization and Consistency Checks": NULL, or the field that VMRUN would refuse. */
const char *svm_check_state(struct mica_vcpu *vcpu);
/* Debug builds: MICA_NEXT_ENTER if the checks find nothing wrong. */
enum mica_next svm_check_before_entry(struct mica_vcpu *vcpu);
/* VMRUN has refused the VMCB. */
enum mica_next svm_entry_failed(struct mica_vcpu *vcpu);

/* ------------------------------------------------------------ exit.c, exit_*.c */

enum mica_next svm_dispatch(struct mica_vcpu *vcpu);
const char *svm_exit_name(unsigned int index);
#define SVM_EXITS	58

enum mica_next svm_exit_cr_write(struct mica_vcpu *vcpu);
enum mica_next svm_exit_cr_read(struct mica_vcpu *vcpu);
enum mica_next svm_exit_dr(struct mica_vcpu *vcpu);
enum mica_next svm_exit_debug(struct mica_vcpu *vcpu);
enum mica_next svm_exit_icebp(struct mica_vcpu *vcpu);
enum mica_next svm_exit_alignment(struct mica_vcpu *vcpu);
enum mica_next svm_exit_machine_check(struct mica_vcpu *vcpu);
enum mica_next svm_exit_iret(struct mica_vcpu *vcpu);
enum mica_next svm_exit_npf(struct mica_vcpu *vcpu);
enum mica_next svm_exit_shutdown(struct mica_vcpu *vcpu);

/* ------------------------------------------------------------ inject.c */

void svm_inject(struct mica_vcpu *vcpu, u32 event, u32 error, u32 length);
/* [L] An entry failed or did not come: its event goes back to the vCPU. */
void svm_take_back_injection(struct mica_vcpu *vcpu);
/* [I] After an exit in the middle of an event's delivery. */
void svm_save_vectoring(struct mica_vcpu *vcpu);
void svm_set_nmi_blocked(struct svm_vcpu *svm, bool blocked);
/* RFLAGS as the guest has them. */
u64 svm_get_rflags(const struct mica_vcpu *vcpu);
/* [I] After an exit: may an event be injected by now that could not before? */
void svm_look_at_events(struct mica_vcpu *vcpu);
bool svm_interrupt_allowed(struct mica_vcpu *vcpu);
bool svm_nmi_allowed(struct mica_vcpu *vcpu);
void svm_exited_in_shadow(struct mica_vcpu *vcpu);
void svm_want_interrupt_window(struct mica_vcpu *vcpu, bool want);
void svm_want_nmi_window(struct mica_vcpu *vcpu, bool want);
void svm_set_tpr_threshold(struct mica_vcpu *vcpu, u32 priority_class);
void svm_advance(struct mica_vcpu *vcpu);

/* ------------------------------------------------------------ state.c, msrs.c */

void svm_get_state(struct mica_vcpu *vcpu, u64 groups, struct mica_vcpu_state *state);
void svm_set_state(struct mica_vcpu *vcpu, u64 groups, const struct mica_vcpu_state *state);
void svm_dr7_changed(struct mica_vcpu *vcpu);
/* What the guest sees of its mode. */
void svm_get_mode(struct mica_vcpu *vcpu, struct mica_mode *mode);
u64 svm_get_cr4(struct mica_vcpu *vcpu);
void svm_set_cr4(struct mica_vcpu *vcpu, u64 value);
void svm_set_efer(struct svm_vcpu *svm, u64 value);
int svm_get_msr(struct mica_vcpu *vcpu, u32 index, u64 *value);
/* By the guest: -EINVAL where the architecture wants #GP. */
int svm_set_msr(struct mica_vcpu *vcpu, u32 index, u64 value);
/* By user space, whose values are possible ones: no checks. */
int svm_put_msr(struct mica_vcpu *vcpu, u32 index, u64 value);
/* [L] vcpu->spec_ctrl was written: once it is not 0, it is switched at entries. */
void svm_spec_ctrl_used(struct mica_vcpu *vcpu);
/* [L] vcpu->spec_ctrl becomes what the guest has written without an exit. */
void svm_read_spec_ctrl(struct mica_vcpu *vcpu);

#endif
