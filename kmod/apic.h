/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The local APIC of one vCPU: SDM volume 3, "Advanced Programmable Interrupt Controller
 * (APIC)" with "Extended XAPIC (x2APIC)".
 *
 * The registers live in one page laid out as the APIC page is, so that a CPU with a
 * virtual-APIC page can read it directly.  IRR, TMR, the pins and the collected errors are
 * changed from any context with atomic bit operations; all else only by the vCPU's own
 * thread ("own" below: in MICA_VCPU_RUN or in an ioctl that holds vcpu->mutex, the vCPU
 * loaded, preemption on or off).  No lock is taken anywhere.
 *
 * With mica_backend->delivers_interrupts IRR, ISR and PPR are the CPU's while the vCPU is in the
 * guest.  Then others put vectors for IRR into posted[], from where the vCPU's own thread takes
 * them, and how isrv and isr_count are kept has no meaning: ISR itself is looked at.
 *
 * What the model is: version 0x14, six LVT entries (no CMCI), no EOI-broadcast suppression;
 * the APIC id is the vCPU's id and is read-only; the page cannot be moved away from
 * 0xfee00000; messages arrive at once (delivery status always reads idle); SMIs are
 * swallowed; a fixed vector below 16 is an error at the sender and at the receiver.
 */
#ifndef MICA_APIC_H
#define MICA_APIC_H

#include "compat.h"
#include "uapi/mica.h"

struct mica_vm;
struct mica_vcpu;

/* Bits 18:17 of the LVT timer register; 3 is reserved and never fires. */
enum mica_timer_mode { MICA_TIMER_ONESHOT, MICA_TIMER_PERIODIC, MICA_TIMER_DEADLINE };

/* The APIC timer counts at the frequency of the guest's TSC, divided by the divide
 * configuration; the CPUID policy tells the guest so (leaf 0x15).  All times are guest TSC
 * unless a comment says otherwise.  Rules: timer.c. */
struct mica_timer {
	u64 deadline;		/* guest TSC of the next expiry, 0: stopped */
	u64 period;		/* guest TSC ticks between expiries, 0: not periodic */
	u64 tsc_offset;		/* vcpu->tsc_offset when the timer was last armed */
	/* The registers as the timer knows them: the CPU may have overwritten the page. */
	u32 lvt, initial;
	u8 divide_shift;	/* the divisor is 1 << divide_shift */
	bool blocking;		/* the vCPU sleeps, or is about to: use the hrtimer */
	bool rearm;		/* armed nowhere yet: the vCPU was not loaded */
	bool backend_armed;	/* the backend may hold a deadline */
	u64 hrtimer_deadline;	/* host TSC for which the hrtimer was started, 0: not started */
	struct hrtimer hrtimer;
};

struct mica_apic {
	struct mica_vcpu *vcpu;
	void *regs;		/* the page; register r at byte offset r */
	u64 base;		/* IA32_APIC_BASE */
	u32 isrv;		/* highest vector in service, 0: none */
	u32 isr_count;		/* vectors in service */
	DECLARE_BITMAP(posted, 256);	/* atomic; vectors that go to IRR before the next entry */
	unsigned long pins;	/* atomic; bit 0: level of LINT0, bit 1: LINT1 */
	atomic_t errors;	/* ESR bits collected since ESR was written */
	struct mica_timer timer;
	DECLARE_BITMAP(eoi_pending, 256);	/* level-triggered EOIs to be told to user space */
};

/* [P] 0 or -ENOMEM.  The registers are those after RESET. */
int mica_apic_init(struct mica_vcpu *vcpu);
/* [P] Valid on a zeroed object; no timer runs afterwards. */
void mica_apic_destroy(struct mica_vcpu *vcpu);
/* Own.  After RESET, or INIT (which keeps APIC id, base and pins); SDM "Local APIC State
 * After Power-Up or Reset", "Local APIC State After an INIT Reset".  RESET changes base:
 * the caller tells the backend. */
void mica_apic_reset(struct mica_vcpu *vcpu, bool init);

static inline bool mica_apic_enabled(const struct mica_apic *apic)
{
	return READ_ONCE(apic->base) & MSR_IA32_APICBASE_ENABLE;
}

static inline bool mica_apic_is_x2(const struct mica_apic *apic)
{
	return (READ_ONCE(apic->base) & (MSR_IA32_APICBASE_ENABLE | X2APIC_ENABLE)) ==
	       (MSR_IA32_APICBASE_ENABLE | X2APIC_ENABLE);
}

/* Own.  The vector that the CPU would take now given TPR and ISR, or -1. */
int mica_apic_pending(struct mica_apic *apic);
/* Own.  Moves that vector from IRR to ISR. */
void mica_apic_accept(struct mica_apic *apic, u8 vector);
/* Any context.  LINT0 (or a disabled APIC's INTR pin) asks for an ExtINT cycle. */
bool mica_apic_extint_pending(struct mica_apic *apic);
/* Own.  Priority class of the highest vector in IRR if it is TPR (not ISR) that holds it
 * back, else 0. */
u32 mica_apic_tpr_threshold(struct mica_apic *apic);
/* Own.  With delivers_interrupts: tells the backend what waits and what is in service. */
void mica_apic_tell_vectors(struct mica_apic *apic);
/* Own.  The CPU has ended the interrupt of an EOI that was to exit. */
void mica_apic_eoi_done(struct mica_apic *apic, u8 vector);
/* Own.  An interrupt would be taken now: HLT must not block.  Also takes note of the
 * timer's expiry, and may be called with the thread's state already set to sleep. */
bool mica_apic_has_work(struct mica_apic *apic);
/* Own.  Answers MICA_REQ_EOI: a vector whose level-triggered interrupt has ended, each
 * once, or -1.  Sets the request again if there are more. */
int mica_apic_take_eoi(struct mica_apic *apic);

/*
 * Own.  Accesses in xAPIC mode; offset is a byte offset into the page.  Reserved and
 * misaligned offsets set the "illegal register address" error and read as 0, reserved bits
 * are ignored; outside xAPIC mode reads give all ones and writes do nothing.
 */
u32 mica_apic_read(struct mica_apic *apic, u32 offset);
void mica_apic_write(struct mica_apic *apic, u32 offset, u32 value);
/*
 * Own.  The CPU has already stored 32 bits at `offset` of the page (SDM "APIC-Write
 * Emulation", trap-like): the effects of mica_apic_write().  Only for the offsets that the
 * CPU virtualizes; the APIC id is put back.
 *
 * Where the CPU reads the page itself it must not be given the current count (0x390), PPR
 * (0xa0; right after all that this file sees, but not after the CPU itself changed TPR) and,
 * in x2APIC mode, ICR (whose high half is kept at 0x310): mica_apic_read() and
 * mica_apic_msr_read() compute these, and the remote IRR of LINT0, which a CPU that reads the
 * page itself always finds clear.
 */
void mica_apic_written(struct mica_apic *apic, u32 offset);
/* May the CPU answer RDMSR of the register at `offset`, in x2APIC mode, from the page? */
bool mica_apic_in_page(u32 offset);
/*
 * Own.  MSRs 0x800..0x8ff and IA32_TSC_DEADLINE.  -EINVAL, which is #GP: not in x2APIC mode,
 * reserved register, read of a write-only or write of a read-only one, reserved bit set, no
 * TSC-deadline in the CPUID policy.  Bit 12 of ICR is ignored as Intel's CPUs do.
 */
int mica_apic_msr_read(struct mica_apic *apic, u32 msr, u64 *value);
int mica_apic_msr_write(struct mica_apic *apic, u32 msr, u64 value);
/*
 * Own.  -EINVAL, which is #GP: a reserved bit, x2APIC without the feature, a base other
 * than 0xfee00000 (the page cannot be moved), x2APIC without xAPIC; and, unless `host`, a
 * transition that SDM "x2APIC State Transitions" forbids.  Disabling the APIC resets its
 * registers.
 */
int mica_apic_set_base(struct mica_apic *apic, u64 base, bool host);
/* Own.  CR8: bits 7:4 of TPR. */
u64 mica_apic_get_cr8(struct mica_apic *apic);
void mica_apic_set_cr8(struct mica_apic *apic, u64 cr8);

/* An interrupt message from an IPI, an MSI or the IOAPIC. */
struct mica_irq {
	u32 dest;		/* APIC id or logical destination; all ones: everybody.  8 bits
				 * wide unless `source` is in x2APIC mode */
	u8 vector;
	u8 delivery_mode;	/* APIC_DM_* >> 8; reserved ones and ExtINT reach nobody */
	bool logical;
	bool level;		/* trigger mode */
	bool assert;		/* false with level: nothing happens */
	u8 shorthand;		/* 0 none, 1 self, 2 all, 3 all but self; needs a source */
};

/*
 * Any context.  `source` is NULL for MSIs, else the calling vCPU.  Returns how many vCPUs
 * received it: one whose APIC is software-disabled does not receive fixed and
 * lowest-priority ones, one whose APIC is hardware-disabled receives nothing.
 *
 * NMI: vcpu->nmi_pending goes up to at most 2.  INIT: MICA_REQ_INIT, and a start-up IPI that
 * waits is forgotten.  Start-up: sipi_vector and MICA_REQ_SIPI, whatever mp_state is.
 */
int mica_apic_deliver(struct mica_vm *vm, struct mica_vcpu *source, const struct mica_irq *irq);
/* MICA_VM_SIGNAL_MSI's message as an interrupt: 0 or -EINVAL as documented there. */
int mica_apic_decode_msi(u64 address, u32 data, struct mica_irq *irq);
/* Any context.  MICA_PIN_NMI and MICA_PIN_INIT act each time they are set to true. */
void mica_apic_set_pin(struct mica_vcpu *vcpu, unsigned int pin, bool level);

/*
 * Own.  The uapi image.  set returns -EINVAL and changes nothing if a register holds what
 * this APIC, in the mode that its base says, could not hold.  Set the MSRs (TSC and base)
 * before.  Errors that were collected but not read yet are not part of the image.
 */
void mica_apic_get_state(struct mica_apic *apic, struct mica_apic_state *state);
int mica_apic_set_state(struct mica_apic *apic, const struct mica_apic_state *state);

/* ------------------------------------------------------------ timer.c */

void mica_timer_init(struct mica_vcpu *vcpu);
/* [P] Waits for a running hrtimer. */
void mica_timer_destroy(struct mica_vcpu *vcpu);
/* Own.  Registers as after RESET, the timer stopped. */
void mica_timer_reset(struct mica_vcpu *vcpu);
/* Own.  A register is written; the value is free of reserved bits. */
void mica_timer_set_lvt(struct mica_apic *apic, u32 lvt);
void mica_timer_set_initial(struct mica_apic *apic, u32 count);
void mica_timer_set_divide(struct mica_apic *apic, u32 divide);
void mica_timer_set_deadline(struct mica_apic *apic, u64 guest_tsc);
u64 mica_timer_deadline(struct mica_apic *apic);	/* as IA32_TSC_DEADLINE reads */
u32 mica_timer_current(struct mica_apic *apic);
/* Own.  Registers were put in the page; the timer fires at `deadline` or, if that is 0 and
 * it counts, after `current_count`. */
void mica_timer_restore(struct mica_apic *apic, u64 deadline, u32 current_count);

/* Own.  The vCPU is about to block: let an hrtimer do the waking. */
void mica_timer_to_hrtimer(struct mica_vcpu *vcpu);
/* [I] The vCPU is loaded and will enter: let the backend's timer do it if it can. */
void mica_timer_to_backend(struct mica_vcpu *vcpu);
/* [I] The backend's timer fired, perhaps early. */
void mica_timer_expired(struct mica_vcpu *vcpu);
/* Own.  Answers MICA_REQ_TIMER: if the timer has expired, its interrupt goes to IRR; then
 * arms what comes next. */
void mica_timer_deliver(struct mica_vcpu *vcpu);
/* Own.  The guest's TSC was set (vcpu->tsc_offset is new): IA32_TSC_DEADLINE means a new
 * moment, a running count goes on from where it is. */
void mica_timer_tsc_changed(struct mica_vcpu *vcpu);
/* Own.  The guest's TSC was moved and all of the guest's time with it: a running count is as far
 * from its end as it was at that TSC. */
void mica_timer_time_moved(struct mica_vcpu *vcpu);

#endif
