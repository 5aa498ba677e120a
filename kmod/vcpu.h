/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * VMs and vCPUs: what the core knows of them.
 *
 * Marks on fields:  [c] constant after creation   [v] vcpu->mutex (the thread in an ioctl)
 *                   [l] the CPU on which the vCPU is loaded   [a] atomic, any context
 *                   [m] vm->lock
 * Lock order: vm->lock, vcpu->mutex, mem->lock (docs/memory.md).  Interrupt context takes none.
 */
#ifndef MICA_VCPU_H
#define MICA_VCPU_H

#include "apic.h"
#include "backend.h"
#include "compat.h"
#include "irqfd.h"
#include "memory.h"
#include "uapi/mica.h"

/* Order of the instruction encoding, as in struct mica_state_gprs. */
enum { MICA_RAX, MICA_RCX, MICA_RDX, MICA_RBX, MICA_RSP, MICA_RBP, MICA_RSI, MICA_RDI,
       MICA_R8, MICA_R9, MICA_R10, MICA_R11, MICA_R12, MICA_R13, MICA_R14, MICA_R15,
       MICA_GPRS };

/* vcpu->requests: work before the next entry.  Set with mica_vcpu_request(). */
enum mica_request {
	MICA_REQ_EVENT,		/* something may be injectable: look */
	MICA_REQ_FLUSH_S2,	/* second-level translations changed */
	MICA_REQ_TIMER,		/* the APIC timer expired */
	MICA_REQ_INIT,		/* INIT received */
	MICA_REQ_SIPI,		/* SIPI received */
	MICA_REQ_USER,		/* vcpu->run has an exit for user space that came with an entry */
	MICA_REQ_KICK,		/* only leave the guest once */
	MICA_REQ_EOI,		/* mica_apic_take_eoi() has something for user space */
};

/* vcpu->mode, written by the vCPU, read by who kicks it. */
enum { MICA_OUTSIDE, MICA_IN_GUEST };

#define MICA_EXIT_SLOTS		80

struct mica_counters {
	u64 exits[MICA_EXIT_SLOTS];	/* by the backend's exit reason */
	u64 entries;
	u64 series;			/* entered with interrupts off until somebody wants them */
	u64 user_exits;			/* with something for user space to do */
	u64 halts;
	u64 halt_polls_hit;		/* something came before the vCPU had to sleep */
	u64 halt_polls_missed;		/* nothing came, or the host wanted the CPU */
	u64 injected_interrupts;
	u64 injected_nmis;
	u64 injected_exceptions;
	u64 reinjected;
	u64 faults;			/* second-level faults resolved */
	u64 mmio;
	u64 s2_flushes;
	u64 migrations;			/* between host CPUs */
	u64 timer_expiries;
	u64 spin_yields;		/* its time was given to another vCPU */
	u64 refused_msrs;		/* RDMSR and WRMSR that gave #GP */
	u64 port_signals;		/* OUTs that signalled an eventfd */
	u64 port_ignored;		/* accesses to ports that are nobody's */
	u64 interrupted;		/* MICA_VCPU_RUN gave EINTR */
};

struct mica_vcpu {
	/* Hot: the entry code reaches gprs[] at offset 0. */
	u64 gprs[MICA_GPRS];		/* [l] rsp only while cached by the backend */
	void *backend;			/* [c] vcpu_size bytes */
	struct mica_vm *vm;		/* [c] */
	struct mica_run *run;		/* [c] the shared page: see uapi */
	unsigned long requests;		/* [a] bits of enum mica_request */
	int mode;			/* [a] */
	int cpu;			/* [l] -1 if not loaded anywhere */
	int last_cpu;			/* [l] where it was loaded before */
	u64 s2_generation;		/* [l] of the translations this CPU may hold */
	u64 tsc_offset;			/* [l] guest TSC = host TSC + tsc_offset */

	u32 id;				/* [c] also the APIC id */
	struct page *run_page;		/* [c] */
	struct mutex mutex;		/* held for the time of an ioctl */
	struct rcuwait wait;		/* where it blocks */
	struct preempt_notifier preempt;
	bool has_run;			/* [v] */
	bool attached;			/* [v] between mica_vcpu_load() and mica_vcpu_put() */
	bool loaded;			/* [l] on this->cpu, by load() or sched_in */
	struct task_struct *preempted;	/* its thread while that wants a CPU and has none; RCU */
	u64 tsc_lost;			/* [l] of mica_hw_tsc_lost(), already in tsc_offset */

	struct mica_apic apic;

	/* Events, all [l]; the layout of `info` is MICA_EVENT_* */
	u32 exception, exception_error;			/* waits to be injected */
	u32 injecting, injecting_error, injecting_length;	/* delivery was interrupted */
	u64 exception_payload;		/* CR2 of a #PF, DR6 bits of a #DB; set when delivered */
	bool has_payload;
	u32 mp_state;			/* MICA_MP_*, written by the vCPU only */
	atomic_t nmi_pending;		/* [a] 0..2 */
	int sipi_vector;		/* [a] or MICA_SIPI_NONE */
	bool waiting_extint;		/* [v] MICA_EXIT_EXTINT was given */

	struct {			/* [v] an IN that user space answers */
		bool pending;
		u8 size;
	} io;

	/* Guest registers that no backend keeps in hardware structures. */
	u64 cr2;
	u64 dr[4], dr6, dr7;		/* dr7 is set by mica_set_dr7() or user space */
	u64 xcr0, xss;
	u64 tsc_adjust, misc_enable, mtrr_def_type, spec_ctrl;
	u64 mtrr_fixed[11], mtrr_variable[16];	/* stored only; memory is write-back */
	u64 mcg_status;

	struct fpu_guest fpu;		/* [v] */
	u32 pkru;			/* [l] unless MICA_FPU_PKRU is in fpu_in_cpu */
	u32 host_pkru;			/* [l] while it is */
	u32 fpu_in_cpu;			/* [l] which of the guest's registers the CPU has: fpu.c */
	u32 cpuid_last;			/* [l] index of the entry that was found last */
	struct mica_cpuid *cpuid;	/* [v] the policy, sorted; NULL: none */
	struct mica_guest_features {	/* what the policy says about things the kernel acts on */
		u64 cr4_reserved;	/* CR4 bits that the guest must not set */
		u64 efer_reserved;
		u64 xcr0;		/* what XSETBV may set */
		u64 xss;
		u64 spec_ctrl_bits;	/* of IA32_SPEC_CTRL; 0: there is no such MSR */
		u64 arch_capabilities;
		u8 phys_bits;
		bool x2apic, tsc_deadline, tsc_adjust, pred_cmd, flush_cmd, arch_caps, xsaves,
		     rdtscp, long_mode, mtrr, pcid, pku, amd;
	} features;

	struct mica_hostcheck *hostcheck;	/* [l] NULL without MICA_VM_CHECK_HOST */
	struct mica_vcpu_state scratch;	/* [v] the checked copy of what user space gave */
	struct mica_counters count;	/* [l] */
	u64 series_start;		/* [l] count.entries when the series began */
	u64 halt_window;		/* [v] ns to poll at the next HLT: halt.c */
	int kicked_by;			/* [a] the CPU on which a thread kicked it; -1: an interrupt did */
};

struct mica_vm {
	u64 id;				/* [c] never 0, never reused */
	struct kref ref;		/* the VM fd and every vCPU fd hold one */
	struct mm_struct *mm;		/* [c] of the creator, mmgrab()ed */
	void *backend;			/* [c] vm_size bytes */
	u32 flags;			/* [c] MICA_VM_* */
	u32 halt_poll_us;		/* [c] with MICA_VM_HALT_POLL */
	bool has_hw;			/* [c] counted by mica_hw_get() */
	struct list_head link;		/* all VMs; vms_mutex in vm.c */
	struct mutex lock;
	struct mica_mem mem;
	struct mica_ports __rcu *ports;	/* [m] to write; NULL: none was ever bound */
	struct mica_irqfds irqfds;
	struct mica_vcpu *vcpus[MICA_MAX_VCPUS];	/* [m] to write; never removed before the VM goes */
	u32 vcpu_count;			/* [m] */
	u32 helped_last;		/* [a] id of a vCPU: spin.c */
	u64 tsc_offset;				/* [a] of all vCPUs, but for IA32_TSC_ADJUST */
};

static inline struct mica_vcpu *mica_vm_vcpu(struct mica_vm *vm, unsigned int id)
{
	if (id >= MICA_MAX_VCPUS)
		return NULL;
	/* The id may be a guest's, and the branch be guessed wrong. */
	return READ_ONCE(vm->vcpus[array_index_nospec(id, MICA_MAX_VCPUS)]);
}

#define mica_for_each_vcpu(vm, vcpu, i) \
	for ((i) = 0; (i) < MICA_MAX_VCPUS; (i)++) \
		if (((vcpu) = mica_vm_vcpu(vm, i)) == NULL) {} else

/* Any context.  Sets the request; kick() makes the vCPU see it soon: out of the guest if
 * it is there, awake if it blocks. */
void mica_vcpu_request(struct mica_vcpu *vcpu, enum mica_request request);
void mica_vcpu_kick(struct mica_vcpu *vcpu);
/* Process context: returns when no vCPU of the VM is in guest mode with an older request
 * set (each has exited or will see MICA_REQ_FLUSH_S2 before it enters). */
void mica_vm_kick_all_wait(struct mica_vm *vm, enum mica_request request);

static inline bool mica_vcpu_test_clear(struct mica_vcpu *vcpu, enum mica_request request)
{
	if (!test_bit(request, &vcpu->requests))
		return false;
	clear_bit(request, &vcpu->requests);
	smp_mb__after_atomic();
	return true;
}

static inline u64 mica_vcpu_tsc(struct mica_vcpu *vcpu)
{
	return rdtsc() + vcpu->tsc_offset;
}

/* [L] All of the guest's time moves, seen by its TSC (modulo 2^64): mica_timer_time_moved(). */
void mica_vcpu_move_tsc(struct mica_vcpu *vcpu, u64 delta);

/* event.c: exceptions that the kernel raises in the guest; [L]. */
void mica_queue_exception(struct mica_vcpu *vcpu, u8 vector);
void mica_queue_exception_error(struct mica_vcpu *vcpu, u8 vector, u32 error);
/* Decides what to inject and which windows to ask for; [I].  True: user space must answer
 * (MICA_EXIT_EXTINT). */
bool mica_event_prepare(struct mica_vcpu *vcpu);
/* What comes with an exception goes to CR2 or DR6 now: it is about to be delivered, or read. */
void mica_event_apply_payload(struct mica_vcpu *vcpu);
/* Is there a reason to leave HLT? */
bool mica_event_wakes(struct mica_vcpu *vcpu);

/* io.c: exits that the backends have decoded; [L] or [I]. */
/* Port access without string; data is RAX for OUT.  Answers it, or fills run->io and gives
 * MICA_NEXT_USER. */
enum mica_next mica_exit_io(struct mica_vcpu *vcpu, u16 port, u8 size, bool write);
/* What IN of `size` bytes has read goes to AL, AX or EAX. */
void mica_io_answer(struct mica_vcpu *vcpu, u8 size, u64 data);
enum mica_next mica_exit_io_string(struct mica_vcpu *vcpu, u16 port, u8 size, bool write);
enum mica_next mica_exit_mmio(struct mica_vcpu *vcpu, u64 gpa, u64 gva, u32 flags);
enum mica_next mica_exit_fail(struct mica_vcpu *vcpu, enum mica_exit reason, u64 hw_reason,
			      u64 qualification, const char *name);
/* [P] a second-level fault: resolves it or makes it an MMIO or MEMORY_FAULT exit. */
enum mica_next mica_exit_s2_fault(struct mica_vcpu *vcpu, u64 gpa, u64 gva, u32 access,
				  u32 mmio_flags);
enum mica_next mica_exit_hlt(struct mica_vcpu *vcpu);
enum mica_next mica_exit_shutdown(struct mica_vcpu *vcpu);

/* cpuid.c, msr.c, fpu.c */
enum mica_next mica_exit_cpuid(struct mica_vcpu *vcpu);		/* also advances */
enum mica_next mica_exit_rdmsr(struct mica_vcpu *vcpu);		/* #GP if the policy says so */
enum mica_next mica_exit_wrmsr(struct mica_vcpu *vcpu);
enum mica_next mica_exit_xsetbv(struct mica_vcpu *vcpu);
int mica_cpuid_supported(struct mica_cpuid *cpuid);		/* [P] MICA_GET_CPUID */
/* [P] A new vCPU, before its registers are reset: the features without a policy. */
void mica_cpuid_init(struct mica_vcpu *vcpu);
/* [P] -EINVAL: not a subset of what is supported, duplicates, inconsistent, or at odds with
 * CR4, XCR0 or XSS as they are; nothing is changed then.  -ENOMEM.  Loaded. */
int mica_cpuid_set(struct mica_vcpu *vcpu, const struct mica_cpuid *cpuid);
void mica_cpuid_destroy(struct mica_vcpu *vcpu);
u32 mica_cpuid_signature(struct mica_vcpu *vcpu);	/* leaf 1 EAX of the policy */
/* [L] What RDMSR and WRMSR of the guest do; -EINVAL: #GP.  `host`: user space sets the
 * register, which moves no other one; a feature that the guest lacks is no error as long as
 * the value stays what it is. */
int mica_msr_get(struct mica_vcpu *vcpu, u32 index, u64 *value);
int mica_msr_set(struct mica_vcpu *vcpu, u32 index, u64 value, bool host);
u64 mica_msr_arch_capabilities(void);	/* IA32_ARCH_CAPABILITIES for guests of this host */
int mica_fpu_setup(void);		/* module load: what XCR0 may hold; 0 or -errno */
u64 mica_fpu_xcr0(void);		/* bits guests may set */
u32 mica_fpu_size(void);
int mica_fpu_init(struct mica_vcpu *vcpu);
void mica_fpu_destroy(struct mica_vcpu *vcpu);
void mica_fpu_load(struct mica_vcpu *vcpu);	/* [P] around MICA_VCPU_RUN: user's FPU out, guest's in */
void mica_fpu_put(struct mica_vcpu *vcpu);
void mica_fpu_enter(struct mica_vcpu *vcpu);	/* [I] before entries: lazy restore, XCR0, XSS, PKRU */
void mica_fpu_leave(struct mica_vcpu *vcpu);	/* [I] after the last of a series */
/* [L] XCR0, XSS, CR4.OSXSAVE or CR4.PKE changed: between enter() and leave() the CPU gets
 * what belongs to it, at other times nothing happens. */
void mica_fpu_update(struct mica_vcpu *vcpu);
/* [I] Between enter() and leave(): the guest has changed the CPU's XCR0 without an exit. */
void mica_fpu_xcr0_written(struct mica_vcpu *vcpu, u64 value);
int mica_fpu_get(struct mica_vcpu *vcpu, struct mica_xsave *xsave);	/* [P] */
int mica_fpu_set(struct mica_vcpu *vcpu, const struct mica_xsave *xsave);

#endif
