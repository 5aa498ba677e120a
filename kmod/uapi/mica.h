/* SPDX-License-Identifier: MIT */
/*
 * The ioctl interface of mica.ko.
 *
 * Three kinds of file descriptor: /dev/mica itself, a VM (from MICA_CREATE_VM),
 * a vCPU (from MICA_VM_CREATE_VCPU).  Each holds the ones above it, and the
 * module, for as long as it is open.
 *
 * Rules of this ABI:
 *  - Every field has a fixed width.  No pointer, size_t, int or kernel address.
 *    User addresses are __u64.
 *  - Unused fields are called pad* and must be zero; flags that are not defined
 *    here must be zero: EINVAL otherwise.
 *  - The size of a structure is part of the ioctl's number (_IOC_SIZE).  A shorter
 *    one than the kernel knows is extended with zeros; a longer one is accepted if
 *    the excess is zero, and refused with E2BIG if not.  Numbers are never reused.
 *  - A structure that is not readable or writable gives EFAULT; an unknown ioctl
 *    ENOTTY; an ioctl on a VM from another process than its creator EIO.
 */
#ifndef MICA_UAPI_H
#define MICA_UAPI_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define MICA_API_VERSION	1

#define MICA_MAX_VCPUS		64	/* vCPUs of one VM */
#define MICA_MAX_SLOTS		64	/* memory slots of one VM */
#define MICA_MAX_CPUID		128	/* CPUID entries of one vCPU */
#define MICA_MAX_STATS		160	/* counters of one vCPU */
#define MICA_MAX_IO_BINDINGS	512	/* port ranges of one VM that the kernel answers */
#define MICA_MAX_IRQ_BINDINGS	1024	/* eventfds of one VM that raise interrupts */
#define MICA_XSAVE_SIZE		8192	/* bytes of an XSAVE image (standard format) */
#define MICA_APIC_REGS		64	/* 32-bit registers of a local APIC, 16 bytes apart */
#define MICA_RUN_SIZE		4096	/* bytes of the shared run page */

/* ------------------------------------------------------------ vCPU state */

/*
 * A segment register with its hidden part.  `attr` has the layout of the second
 * doubleword of a segment descriptor shifted right by 8 (SDM volume 3, "Segment
 * Descriptors"): type 3:0, S 4, DPL 6:5, P 7, AVL 12, L 13, D/B 14, G 15; bit 16
 * set means unusable.  Bits 11:8 are zero.  For GDTR and IDTR only base and limit
 * (16 bits) have a meaning, the rest must be zero.
 */
struct mica_segment {
	__u64 base;
	__u32 limit;		/* in bytes, after scaling by G */
	__u32 attr;
	__u16 selector;
	__u16 pad[3];
};
#define MICA_SEG_UNUSABLE	(1u << 16)

struct mica_state_gprs {
#define MICA_STATE_GPR(name, tag, check)	__u64 name;
#include "vcpu_state.def"
};

struct mica_state_segs {
#define MICA_STATE_SEG(name, tag)	struct mica_segment name;
#include "vcpu_state.def"
};

struct mica_state_crs {
#define MICA_STATE_CR(name, tag, check)	__u64 name;
#include "vcpu_state.def"
};

struct mica_state_drs {
#define MICA_STATE_DR(name, tag, check)	__u64 name;
#include "vcpu_state.def"
};

struct mica_state_msrs {
#define MICA_STATE_MSR(name, index, tag, check)	__u64 name;
#include "vcpu_state.def"
};

/*
 * EVENTS
 *  mp_state          MICA_MP_*
 *  exception         an exception that user space asks for, or that waits to be
 *                    delivered: MICA_EVENT_*; 0 means none
 *  exception_error   its error code
 *  injecting         the event whose delivery was interrupted by an exit and which
 *                    is delivered again at the next entry: MICA_EVENT_*
 *  injecting_error   its error code
 *  injecting_length  instruction length for software events, 0..15
 *  interrupt_shadow  MICA_SHADOW_* bits
 *  nmi_pending       0..2 NMIs wait
 *  nmi_blocked       0 or 1: between an NMI and the IRET that ends it
 *  init_pending      0 or 1
 *  sipi_vector       0..255, or MICA_SIPI_NONE
 *  pending_debug     debug exceptions that wait, as in DR6 (SDM volume 3, "Guest
 *                    Non-Register State", pending debug exceptions)
 */
struct mica_state_events {
#define MICA_STATE_EVENT(name, tag, check)	__u64 name;
#include "vcpu_state.def"
};

#define MICA_MP_RUNNABLE	0
#define MICA_MP_HALTED		1	/* HLT, waits for an interrupt */
#define MICA_MP_WAIT_SIPI	2	/* after INIT, or an AP after reset */
#define MICA_MP_SHUTDOWN	3	/* after a triple fault; only INIT or reset wakes it */

#define MICA_SHADOW_STI		1
#define MICA_SHADOW_MOV_SS	2

#define MICA_SIPI_NONE		0x100

/* An event: vector 7:0, type 10:8, error-code-valid 11, valid 31 (the layout of the
 * SDM's VM-entry interruption-information field and of the APM's EVENTINJ, less
 * what differs between them). */
#define MICA_EVENT_VECTOR	0xffu
#define MICA_EVENT_TYPE		0x700u
#define MICA_EVENT_INTERRUPT	(0u << 8)	/* external interrupt */
#define MICA_EVENT_NMI		(2u << 8)
#define MICA_EVENT_EXCEPTION	(3u << 8)	/* hardware exception */
#define MICA_EVENT_SOFT_INT	(4u << 8)	/* INT n */
#define MICA_EVENT_PRIV_TRAP	(5u << 8)	/* INT1 */
#define MICA_EVENT_SOFT_TRAP	(6u << 8)	/* INT3, INTO */
#define MICA_EVENT_HAS_ERROR	(1u << 11)
#define MICA_EVENT_VALID	(1u << 31)

struct mica_vcpu_state {
#define MICA_STATE_GROUP(GROUP, group, bit)	struct mica_state_##group group;
#include "vcpu_state.def"
};

enum mica_state_group {
#define MICA_STATE_GROUP(GROUP, group, bit)	MICA_STATE_##GROUP = 1 << bit,
#include "vcpu_state.def"
	MICA_STATE_ALL = 0x3f,
};

/* ------------------------------------------------------------ the run page */

enum mica_exit {
	MICA_EXIT_NONE = 0,
	MICA_EXIT_IO = 1,		/* port access, run->io */
	MICA_EXIT_MMIO = 2,		/* no memory there, or a write to read-only memory; run->mmio */
	MICA_EXIT_EXTINT = 3,		/* LINT0 as ExtINT is accepted: answer with extint_vector */
	MICA_EXIT_EOI = 4,		/* end of a level-triggered interrupt, run->eoi */
	MICA_EXIT_SHUTDOWN = 5,		/* triple fault */
	MICA_EXIT_FAIL_ENTRY = 6,	/* the CPU or our check refuses the state, run->fail */
	MICA_EXIT_INTERNAL_ERROR = 7,	/* an exit that we do not know, run->fail */
	/* A signal, immediate_exit, or the host needs the thread to return to user space for a
	 * moment; MICA_VCPU_RUN gives EINTR.  Unless there was a reason, call it again. */
	MICA_EXIT_INTERRUPTED = 8,
	MICA_EXIT_HOST_STATE = 9,	/* MICA_VM_CHECK_HOST found a difference, run->fail */
	MICA_EXIT_MEMORY_FAULT = 10,	/* the host cannot give the page, run->mmio */
};

#define MICA_IO_WRITE		1u	/* OUT */
#define MICA_IO_STRING		2u	/* INS or OUTS: nothing was done; decode at rip */

/*
 * A port access.  Without MICA_IO_STRING rip already points behind the instruction
 * and for IN user space writes the answer to `data`, of which the low `size` bytes
 * are put into rax at the next ioctl on the vCPU.
 */
struct mica_exit_io {
	__u16 port;
	__u8 size;		/* 1, 2 or 4 */
	__u8 pad;
	__u32 flags;		/* MICA_IO_* */
	__u64 data;
};

#define MICA_MMIO_READ		1u
#define MICA_MMIO_WRITE		2u
#define MICA_MMIO_EXEC		4u
#define MICA_MMIO_GVA_VALID	8u
#define MICA_MMIO_PAGE_WALK	16u	/* the access was to a paging structure of the guest */

/*
 * An access to guest-physical memory that has no slot.  Nothing was executed: user
 * space decodes the instruction at rip and commits the changed state.
 */
struct mica_exit_mmio {
	__u64 gpa;
	__u64 gva;
	__u32 flags;		/* MICA_MMIO_* */
	__s32 error;		/* MICA_EXIT_MEMORY_FAULT: -errno of the host */
};

struct mica_exit_eoi {
	__u32 vector;
	__u32 pad;
};

/* `hw_reason`, `qualification` are the CPU's own; `name` is the field that is wrong
 * or the name of the exit, a NUL-terminated string. */
struct mica_exit_fail {
	__u64 hw_reason;
	__u64 qualification;
	__u64 expected;
	__u64 found;
	char name[64];
};

#define MICA_EXTINT_VALID	0x100u

/*
 * One page per vCPU, mmap()ed from its fd at offset 0.  User space may write any of
 * it at any time: the kernel reads each input once, at MICA_VCPU_RUN, and checks its
 * copy.
 *
 * After every exit the kernel has stored the groups in state_wanted (as they were
 * at MICA_VCPU_RUN) and says so in state_cached.  After MICA_EXIT_MMIO, an
 * MICA_EXIT_IO with MICA_IO_STRING, SHUTDOWN, FAIL_ENTRY and INTERNAL_ERROR it has
 * stored all of them.  Groups in state_commit are checked and loaded at
 * MICA_VCPU_RUN, which then clears the mask; a bad value gives EINVAL, nothing is
 * loaded and the field's name is in fail.name.
 */
struct mica_run {
	/* read by the kernel */
	__u32 immediate_exit;	/* not 0: MICA_VCPU_RUN completes pending work and gives
				 * EINTR, or MICA_EXIT_EOI if one is still to be told */
	__u32 extint_vector;	/* vector | MICA_EXTINT_VALID answers MICA_EXIT_EXTINT; cleared */
	__u64 state_wanted;
	__u64 state_commit;
	/* written by the kernel */
	__u64 state_cached;
	__u32 exit_reason;	/* enum mica_exit */
	__u32 pad0;
	__u64 pad1[3];
	union {
		struct mica_exit_io io;
		struct mica_exit_mmio mmio;
		struct mica_exit_eoi eoi;
		struct mica_exit_fail fail;
		__u64 pad_exit[24];
	};
	struct mica_vcpu_state state;
};

/* ------------------------------------------------------------ /dev/mica */

#define MICA_IOC	0xb5

#define MICA_CAP_LARGE_2M	(1u << 0)	/* second-level mappings of 2 MiB */
#define MICA_CAP_LARGE_1G	(1u << 1)
#define MICA_CAP_X2APIC		(1u << 2)
#define MICA_CAP_TSC_SCALING	(1u << 3)
#define MICA_CAP_APIC_REGS	(1u << 4)	/* xAPIC accesses need no decoding by user space */
#define MICA_CAP_DIRTY_LOG	(1u << 5)	/* the CPU logs dirty pages */
#define MICA_CAP_DELIVERY	(1u << 6)	/* the CPU delivers interrupts: no exit for EOI */

struct mica_info {
	__u32 api_version;	/* MICA_API_VERSION */
	__u32 caps;		/* MICA_CAP_* */
	char backend[16];	/* "vmx" or "svm" */
	__u32 max_vcpus;
	__u32 max_slots;
	__u32 phys_bits;	/* width of a guest-physical address */
	__u32 tsc_khz;		/* frequency of the host's TSC; guests see the same */
	__u64 xcr0;		/* XCR0 bits that a guest may set */
	__u64 xss;		/* IA32_XSS bits that a guest may set */
	__u32 xsave_size;	/* bytes of MICA_XSAVE_SIZE that are used */
	__u32 pad;
};

struct mica_cpuid_entry {
	__u32 leaf;
	__u32 subleaf;
	__u32 flags;		/* MICA_CPUID_SUBLEAF: the subleaf counts */
	__u32 eax;
	__u32 ebx;
	__u32 ecx;
	__u32 edx;
	__u32 pad;
};
#define MICA_CPUID_SUBLEAF	1u

struct mica_cpuid {
	__u32 count;		/* 0..MICA_MAX_CPUID */
	__u32 pad;
	struct mica_cpuid_entry entries[MICA_MAX_CPUID];
};

#define MICA_VM_CHECK_HOST	1u	/* compare the host's registers around every entry (slow) */
#define MICA_VM_HALT_POLL	2u	/* halt_poll_us counts, else the module's parameter alone */

#define MICA_HALT_POLL_MAX_US	10000u

struct mica_create_vm {
	__u32 flags;		/* MICA_VM_* */
	/* The longest time in microseconds that a halted vCPU polls before it sleeps: 0 (never) to
	 * MICA_HALT_POLL_MAX_US, and no longer than the module's parameter of this name says. */
	__u32 halt_poll_us;
};

/* Errors: none beyond the general ones. */
#define MICA_GET_INFO		_IOR(MICA_IOC, 0x00, struct mica_info)
/* All that this host and module can give a guest; the starting point of a policy. */
#define MICA_GET_CPUID		_IOR(MICA_IOC, 0x01, struct mica_cpuid)
/* Returns a VM fd (O_CLOEXEC).  EBUSY: another hypervisor holds the CPU; EINVAL: flags;
 * EINTR: a signal; EMFILE, ENFILE, ENOMEM. */
#define MICA_CREATE_VM		_IOW(MICA_IOC, 0x02, struct mica_create_vm)

/* ------------------------------------------------------------ VM fd */

struct mica_create_vcpu {
	__u32 id;		/* 0..MICA_MAX_VCPUS-1, also the APIC id; 0 is the BSP */
	__u32 pad;
};

#define MICA_MEM_READONLY	1u	/* guest writes exit as MICA_EXIT_MMIO */

/*
 * Memory of the guest: [gpa, gpa + size) is the caller's [hva, hva + size).  All three
 * are multiples of 4096.  size 0 removes the slot (gpa, hva and flags must be 0).  A
 * slot that exists must be removed before it is set again.
 * EINVAL: alignment, wrap, beyond phys_bits, slot number, flags; EEXIST: overlap (with
 * another slot, or with the APIC page at 0xfee00000) or the slot is in use; ENOENT:
 * nothing to remove; EFAULT: hva is not a user address range; ENOMEM.
 */
struct mica_memory {
	__u32 slot;		/* 0..MICA_MAX_SLOTS-1 */
	__u32 flags;		/* MICA_MEM_* */
	__u64 gpa;
	__u64 size;
	__u64 hva;
};

/* A message-signalled interrupt (SDM volume 3, "Message Signalled Interrupts").
 * EINVAL: the address is not 0xfeexxxxx or the delivery mode is reserved.
 * ESRCH: no vCPU has that destination. */
struct mica_msi {
	__u64 address;
	__u32 data;
	__u32 pad;
};

#define MICA_BIND_DATA		1u	/* only writes of the value `data` */
#define MICA_BIND_IGNORE	2u	/* these ports are nobody's */
#define MICA_BIND_MMIO		4u	/* always refused, see below */

/*
 * Port accesses that the kernel answers: [address, address + length) are ports.  An access
 * is answered if all of it is in the range and its width is `size` (0: any).
 *
 * An OUT signals the eventfd `fd` once and is done.  With MICA_BIND_DATA it must also write
 * `data`; then `size` is not 0 and length is `size`.  IN is not answered.
 * With MICA_BIND_IGNORE an OUT does nothing and an IN reads all ones; fd is -1, size is 0.
 *
 * All other accesses to the range exit as before, and so do INS and OUTS on it, always: user
 * space must have a device there that does the same, that is, writes to the eventfd itself.
 *
 * Ranges do not overlap; the exception are ranges that are equal in length and size and
 * differ only in `data`.  The binding holds the eventfd, not the file: it stays when the
 * descriptor is closed, until MICA_VM_UNBIND_IO or the end of the VM.
 *
 * MMIO cannot be bound (EOPNOTSUPP): to go on behind a store the kernel would have to know
 * the length of its instruction, which CPUs report for port accesses but not for faults of
 * the second-level translation, and it has no decoder.  Put doorbells into an I/O BAR.
 *
 * BIND: EINVAL: a reserved flag, no such size, an empty range or one that ends behind port
 * 0xffff or is shorter than `size`, data that is wider than `size`, `fd` is not an eventfd;
 * EBADF: `fd` is not open; EEXIST: overlap; ENOSPC: MICA_MAX_IO_BINDINGS; ENOMEM;
 * EOPNOTSUPP: MMIO, or an eventfd on a PREEMPT_RT kernel.
 * UNBIND: all fields as at BIND, but fd is -1.  Once it has returned, writes are no longer
 * answered; one that another vCPU was doing meanwhile may still signal the eventfd a moment
 * later.  It fails only for wrong arguments.  ENOENT: there is no such binding; EINVAL as above.
 */
struct mica_io_binding {
	__u64 address;
	__u64 length;
	__u64 data;
	__u32 size;		/* of an access in bytes: 1, 2, 4; 0: any */
	__u32 flags;		/* MICA_BIND_* */
	__s32 fd;
	__u32 pad;
};

#define MICA_BIND_UPDATE	1u	/* change the message of a binding */
#define MICA_BIND_MASKED	2u	/* hold interrupts back */

/*
 * Whenever the eventfd `fd` is signalled, by whomever, the MSI (see struct mica_msi) is
 * delivered without user space, and the eventfd's counter read to 0.  A counter that is not
 * 0 at BIND counts as a signal.  Signals that come faster than they are delivered are one.
 *
 * With MICA_BIND_MASKED nothing is delivered and the counter keeps the signals: poll() tells
 * whether an interrupt is pending.  MICA_BIND_UPDATE replaces message and mask of a binding
 * at once: a signal uses the old or the new ones, none is lost, and pending ones are
 * delivered when the mask goes.  A masked binding may have address and data 0.
 *
 * A binding ends with MICA_VM_UNBIND_IRQ (address, data and flags are 0), with the VM, or
 * when the last descriptor of the eventfd is closed.  An eventfd should have nobody else who
 * reads it, and not be made with EFD_SEMAPHORE, of which each signal takes only 1.
 *
 * EINVAL: a reserved flag, `fd` is not an eventfd, or as MICA_VM_SIGNAL_MSI; EBADF: `fd` is not
 * open; EEXIST: the eventfd is bound in this VM (without UPDATE); ENOENT: it is not (UPDATE,
 * UNBIND); ENOSPC: MICA_MAX_IRQ_BINDINGS; ENOMEM.  Nobody with that destination is no error.
 */
struct mica_irq_binding {
	__u64 address;
	__u32 data;
	__u32 flags;		/* MICA_BIND_UPDATE, MICA_BIND_MASKED */
	__s32 fd;
	__u32 pad;
};

/*
 * Dirty tracking of a slot: which of its pages the guest writes, from the start on; all are
 * clean then.  Writes of others than the guest's vCPUs are not seen: who writes guest memory
 * through hva, or changes what is mapped there, keeps a bitmap of its own for that.  If two
 * slots share memory, a write is noted in the slot by which it was made.
 * EINVAL: slot number, enable; ENOENT: no such slot, or (stop) it is not tracked; EEXIST:
 * it is tracked already; ENOMEM: also for a slot of more than 8 TiB.
 * A slot's removal ends its tracking.
 */
struct mica_track_dirty {
	__u32 slot;		/* 0..MICA_MAX_SLOTS-1 */
	__u32 enable;		/* 1 starts, 0 stops */
};

/*
 * Stores a bitmap of pages [first, first + pages) of a slot: bit n of word m is the page
 * first + 64 * m + n, 4096 bytes each; set: the guest has written it since it was last taken.
 * These pages are clean afterwards.  What a page contains must be read later than this: a
 * write until then may be in this bitmap only, one after it is in the next.
 * EINVAL: slot number, nothing or not all in the slot, first is no multiple of 64, pages is
 * neither a multiple of 64 nor up to the end of the slot, bitmap is no multiple of 8;
 * ENOENT: no such slot, or it is not tracked; EFAULT: the bitmap cannot be stored; the pages
 * stay dirty.
 */
struct mica_take_dirty {
	__u32 slot;
	__u32 pad;
	__u64 first;		/* page, counted from the slot's first */
	__u64 pages;
	__u64 bitmap;		/* user address of (pages + 63) / 64 words of 64 bits */
};

/* Returns a vCPU fd.  EEXIST: the id is taken; EINVAL: the id is too large; ENOMEM. */
#define MICA_VM_CREATE_VCPU	_IOW(MICA_IOC, 0x20, struct mica_create_vcpu)
#define MICA_VM_SET_MEMORY	_IOW(MICA_IOC, 0x21, struct mica_memory)
#define MICA_VM_SIGNAL_MSI	_IOW(MICA_IOC, 0x22, struct mica_msi)
#define MICA_VM_BIND_IO		_IOW(MICA_IOC, 0x28, struct mica_io_binding)
#define MICA_VM_UNBIND_IO	_IOW(MICA_IOC, 0x29, struct mica_io_binding)
#define MICA_VM_BIND_IRQ	_IOW(MICA_IOC, 0x2a, struct mica_irq_binding)
#define MICA_VM_UNBIND_IRQ	_IOW(MICA_IOC, 0x2b, struct mica_irq_binding)
#define MICA_VM_TRACK_DIRTY	_IOW(MICA_IOC, 0x23, struct mica_track_dirty)
#define MICA_VM_TAKE_DIRTY	_IOW(MICA_IOC, 0x24, struct mica_take_dirty)

/* ------------------------------------------------------------ vCPU fd */

struct mica_get_set_state {
	__u64 groups;		/* mask of enum mica_state_group */
	struct mica_vcpu_state state;
};

struct mica_xsave {
	__u32 size;		/* in: bytes valid in data (set), out: bytes written (get) */
	__u32 pad;
	__u8 data[MICA_XSAVE_SIZE];
};

/* Registers as at offsets 0, 16, 32, ... of the APIC page.  The timer's current count
 * (index 0x39) is derived on get and starts the timer on set. */
struct mica_apic_state {
	__u32 regs[MICA_APIC_REGS];
	__u64 timer_deadline;	/* guest TSC at which the running timer fires, 0: stopped */
	__u32 pins;		/* bit 0: level of LINT0, bit 1: of LINT1 */
	__u32 pad;
};

/* An access to the APIC page that user space had to decode.  `value` in or out. */
struct mica_apic_access {
	__u32 offset;		/* multiple of 16 below 0x400 */
	__u32 write;		/* 0 or 1 */
	__u32 value;
	__u32 pad;
};

#define MICA_PIN_LINT0		0u
#define MICA_PIN_LINT1		1u
#define MICA_PIN_NMI		2u	/* an NMI from outside the APIC */
#define MICA_PIN_INIT		3u	/* INIT#, as a keyboard controller pulses it */

struct mica_pin {
	__u32 pin;		/* MICA_PIN_* */
	__u32 level;		/* 0 or 1 */
};

/* Added to the guest's TSC, modulo 2^64; no register of the guest shows that it was. */
struct mica_move_tsc {
	__s64 delta;
};

struct mica_stat {
	char name[24];		/* NUL-terminated */
	__u64 value;
};

/* Counters since the vCPU was created: exits by reason first, then others. */
struct mica_stats {
	__u32 count;
	__u32 pad;
	struct mica_stat stats[MICA_MAX_STATS];
};

/* Enters the guest until something needs user space; see struct mica_run.  The fd may
 * be used from any thread of the creating process; two at once: EBUSY.  EINTR: signal
 * or immediate_exit; EINVAL: state_commit holds a bad value. */
#define MICA_VCPU_RUN		_IO(MICA_IOC, 0x40)
/* EINVAL: unknown group, or (set) a value that its check refuses; nothing is changed
 * then.  The EBUSY of all ioctls below: the vCPU is in MICA_VCPU_RUN. */
#define MICA_VCPU_GET_STATE	_IOWR(MICA_IOC, 0x41, struct mica_get_set_state)
#define MICA_VCPU_SET_STATE	_IOW(MICA_IOC, 0x42, struct mica_get_set_state)
#define MICA_VCPU_GET_XSAVE	_IOR(MICA_IOC, 0x43, struct mica_xsave)
#define MICA_VCPU_SET_XSAVE	_IOW(MICA_IOC, 0x44, struct mica_xsave)
#define MICA_VCPU_GET_APIC	_IOR(MICA_IOC, 0x45, struct mica_apic_state)
#define MICA_VCPU_SET_APIC	_IOW(MICA_IOC, 0x46, struct mica_apic_state)
#define MICA_VCPU_APIC_ACCESS	_IOWR(MICA_IOC, 0x47, struct mica_apic_access)
/* Before the first MICA_VCPU_RUN only (EBUSY after).  EINVAL: a feature that the host
 * or the module lacks, a duplicate, an inconsistent leaf. */
#define MICA_VCPU_SET_CPUID	_IOW(MICA_IOC, 0x48, struct mica_cpuid)
/* May be called from any thread while the vCPU runs. */
#define MICA_VCPU_SET_PIN	_IOW(MICA_IOC, 0x49, struct mica_pin)
#define MICA_VCPU_GET_STATS	_IOR(MICA_IOC, 0x4a, struct mica_stats)
/* For a guest that stood still: what its APIC timer waits for stays as far away as the guest's
 * TSC says, also the end of a count.  TSCs of several vCPUs stay alike if all are moved by the
 * same delta while none of them runs. */
#define MICA_VCPU_MOVE_TSC	_IOW(MICA_IOC, 0x4b, struct mica_move_tsc)

/* ------------------------------------------------------------ layout */

#ifdef __cplusplus
#define MICA_STATIC_ASSERT(c, m)	static_assert(c, m)
#else
#define MICA_STATIC_ASSERT(c, m)	_Static_assert(c, m)
#endif
#define MICA_SIZE_IS(type, n) \
	MICA_STATIC_ASSERT(sizeof(struct type) == (n), "size of struct " #type " is ABI")
#define MICA_OFFSET_IS(type, member, n) \
	MICA_STATIC_ASSERT(__builtin_offsetof(struct type, member) == (n), \
			   "offset of " #member " in struct " #type " is ABI")

MICA_SIZE_IS(mica_segment, 24);
MICA_SIZE_IS(mica_state_gprs, 18 * 8);
MICA_SIZE_IS(mica_state_segs, 10 * 24);
MICA_SIZE_IS(mica_state_crs, 6 * 8);
MICA_SIZE_IS(mica_state_drs, 6 * 8);
MICA_SIZE_IS(mica_state_msrs, 19 * 8);
MICA_SIZE_IS(mica_state_events, 12 * 8);
MICA_SIZE_IS(mica_vcpu_state, 728);
MICA_SIZE_IS(mica_exit_io, 16);
MICA_SIZE_IS(mica_exit_mmio, 24);
MICA_SIZE_IS(mica_exit_fail, 96);
MICA_SIZE_IS(mica_run, 64 + 192 + 728);
MICA_OFFSET_IS(mica_run, exit_reason, 32);
MICA_OFFSET_IS(mica_run, io, 64);
MICA_OFFSET_IS(mica_run, state, 256);
MICA_STATIC_ASSERT(sizeof(struct mica_run) <= MICA_RUN_SIZE, "the run page is one page");
MICA_SIZE_IS(mica_info, 64);
MICA_SIZE_IS(mica_cpuid_entry, 32);
MICA_SIZE_IS(mica_cpuid, 8 + 32 * MICA_MAX_CPUID);
MICA_SIZE_IS(mica_create_vm, 8);
MICA_SIZE_IS(mica_create_vcpu, 8);
MICA_SIZE_IS(mica_memory, 32);
MICA_SIZE_IS(mica_msi, 16);
MICA_SIZE_IS(mica_io_binding, 40);
MICA_OFFSET_IS(mica_io_binding, size, 24);
MICA_OFFSET_IS(mica_io_binding, fd, 32);
MICA_SIZE_IS(mica_irq_binding, 24);
MICA_OFFSET_IS(mica_irq_binding, fd, 16);
MICA_SIZE_IS(mica_track_dirty, 8);
MICA_SIZE_IS(mica_take_dirty, 32);
MICA_SIZE_IS(mica_get_set_state, 736);
MICA_SIZE_IS(mica_xsave, 8200);
MICA_SIZE_IS(mica_apic_state, 272);
MICA_SIZE_IS(mica_apic_access, 16);
MICA_SIZE_IS(mica_pin, 8);
MICA_SIZE_IS(mica_move_tsc, 8);
MICA_SIZE_IS(mica_stats, 8 + 32 * MICA_MAX_STATS);

#endif /* MICA_UAPI_H */
