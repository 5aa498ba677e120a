/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a CPU vendor's backend supplies.  The core allocates, locks, schedules and copies;
 * a backend only enters, exits, injects and reads state.
 *
 * Contexts, by the letter after each slot:
 *   [P] process context, may sleep
 *   [L] the vCPU is loaded on this CPU: preemption off, interrupts on or off
 *   [I] loaded and interrupts off
 *   [C] on the CPU it concerns, interrupts off
 */
#ifndef MICA_BACKEND_H
#define MICA_BACKEND_H

#include "compat.h"
#include "s2.h"
#include "uapi/mica.h"

struct mica_vm;
struct mica_vcpu;

/* What happens after an entry. */
enum mica_next {
	MICA_NEXT_ENTER,	/* handled: enter again */
	MICA_NEXT_HOST,		/* the host wants the CPU: enable interrupts, then enter again */
	MICA_NEXT_SLOW,		/* call ->handle() with interrupts and preemption on */
	MICA_NEXT_USER,		/* vcpu->run tells user space what it is about */
	MICA_NEXT_BLOCK,	/* handled: mp_state is not runnable any more */
	MICA_NEXT_SPIN,		/* handled: the guest seems to wait for another vCPU */
};

/* Instructions that raise #UD in a guest although this CPU has them. */
#define MICA_LACKS_RDTSCP	(1u << 0)	/* RDTSCP, RDPID */
#define MICA_LACKS_INVPCID	(1u << 1)
#define MICA_LACKS_XSAVES	(1u << 2)

struct mica_backend {
	const char *name;
	size_t vm_size;			/* bytes of vm->backend, zeroed by the core */
	size_t vcpu_size;		/* bytes of vcpu->backend, zeroed by the core */
	struct mica_s2_format *s2;
	u32 caps;			/* MICA_CAP_*, filled by setup() */
	u64 xss;			/* IA32_XSS bits that guests may set, filled by setup() */
	u32 lacks;			/* MICA_LACKS_*, filled by setup() */
	bool shows_xsaves;		/* XSAVES cannot be hidden from a guest that has XSAVE */
	bool delivers_interrupts;	/* the CPU itself takes vectors from IRR, and ends them */

	/* [P] Is this CPU one of the vendors whose virtualization this is? */
	bool (*ident)(void);
	/* [P] Can this machine be used?  0, or -errno after one pr_err() that says why and
	 * what to do.  Nothing is switched on yet.  teardown() undoes it. */
	int (*setup)(void);
	void (*teardown)(void);

	/* [C] Switches this CPU's virtualization on and off.  -EBUSY: somebody else holds it. */
	int (*cpu_enable)(void);
	void (*cpu_disable)(void);
	/* Off at a crash of the host, on a CPU that will never run a guest again; any context. */
	void (*cpu_emergency_disable)(void);
	/* The kernel module, not ours, that does this too: see emergency.c. */
	const char *rival;

	/* [P] destroy() is valid on a zeroed or half-built object. */
	int (*vm_init)(struct mica_vm *vm);
	void (*vm_destroy)(struct mica_vm *vm);
	int (*vcpu_init)(struct mica_vcpu *vcpu);
	void (*vcpu_destroy)(struct mica_vcpu *vcpu);

	/* [L] A vCPU comes to this CPU (perhaps from another one) and leaves it.  load() makes
	 * state accessible; put() has given back everything the host lent. */
	void (*load)(struct mica_vcpu *vcpu);
	void (*put)(struct mica_vcpu *vcpu);

	/* [I] Writes what is to be injected at the next entry. */
	void (*inject)(struct mica_vcpu *vcpu, u32 event, u32 error, u32 length);
	/* [I] Could one be injected now?  (RFLAGS.IF, interrupt shadow, NMI blocking) */
	bool (*interrupt_allowed)(struct mica_vcpu *vcpu);
	bool (*nmi_allowed)(struct mica_vcpu *vcpu);
	/* [I] Exit as soon as one could be injected; false takes the wish back. */
	void (*want_interrupt_window)(struct mica_vcpu *vcpu, bool want);
	void (*want_nmi_window)(struct mica_vcpu *vcpu, bool want);
	/* [I] Exit when the guest's TPR class (bits 7:4) falls below `priority_class`; 0: never. */
	void (*set_tpr_threshold)(struct mica_vcpu *vcpu, u32 priority_class);

	/* [I] One entry.  Fast exits are handled at once and give MICA_NEXT_ENTER. */
	enum mica_next (*enter)(struct mica_vcpu *vcpu);
	/* [P] After MICA_NEXT_SLOW, not loaded: only what enter() noted is there; may sleep. */
	enum mica_next (*handle)(struct mica_vcpu *vcpu);

	/* [L] The part of the state that the backend's hardware keeps: rsp, rip, rflags, segs,
	 * cr0, cr3, cr4, the MSRs of get_msr(), interrupt_shadow, nmi_blocked,
	 * pending_debug; state.c does the rest.  set() gets checked values, after state.c has
	 * set its own. */
	void (*get_state)(struct mica_vcpu *vcpu, u64 groups, struct mica_vcpu_state *state);
	void (*set_state)(struct mica_vcpu *vcpu, u64 groups, const struct mica_vcpu_state *state);

	/* [L] MSRs that the backend keeps: segment bases, SYSENTER, SYSCALL, EFER, PAT, TSC_AUX,
	 * ...  -ENOENT: not one of them; -EINVAL: #GP. */
	int (*get_msr)(struct mica_vcpu *vcpu, u32 index, u64 *value);
	int (*set_msr)(struct mica_vcpu *vcpu, u32 index, u64 value);
	u64 (*get_cr4)(struct mica_vcpu *vcpu);

	/* [L] vcpu->dr7 or a breakpoint address changed. */
	void (*dr7_changed)(struct mica_vcpu *vcpu);
	/* [L] RIP behind the instruction that exited, interrupt shadow gone. */
	void (*advance)(struct mica_vcpu *vcpu);
	/* [I] Forget all second-level translations of this VM on this CPU. */
	void (*flush_s2)(struct mica_vcpu *vcpu);
	/* [L] vcpu->apic.base changed: xAPIC, x2APIC or off. */
	void (*apic_mode_changed)(struct mica_vcpu *vcpu);
	/* [I] With delivers_interrupts: IRR, ISR or TMR in the APIC's page changed, and not by the
	 * CPU.  The highest vectors that wait and are in service, 0: none. */
	void (*apic_vectors_changed)(struct mica_vcpu *vcpu, u8 waiting, u8 in_service);
	/* [L] vcpu->tsc_offset changed. */
	void (*tsc_offset_changed)(struct mica_vcpu *vcpu);
	/* [L] vcpu's CPUID was set (before the first run): intercepts that depend on it. */
	void (*cpuid_changed)(struct mica_vcpu *vcpu);
	/* [I] Exit at the latest when the host's TSC reaches `deadline` (0: never); false: the
	 * CPU cannot, the caller uses an hrtimer.  Calls mica_timer_expired() then. */
	bool (*set_deadline)(struct mica_vcpu *vcpu, u64 deadline);

	/* Names of the exit counters, in the order of vcpu->exits[]. */
	const char *(*exit_name)(unsigned int index);
	unsigned int exit_count;
};

extern const struct mica_backend *mica_backend;

#endif
