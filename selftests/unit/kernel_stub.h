/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the module's files need of the kernel's headers, so that unit tests can compile the
 * real kmod/ sources in user space (kmod/compat.h includes this file there).
 *
 * Types and pure helpers are here.  Functions that do something are only declared: each test
 * program defines the ones that its sources call, as a fake that it can look at.  Bit
 * operations access memory as the kernel's do: compile with -fno-strict-aliasing.
 */
#ifndef MICA_KERNEL_STUB_H
#define MICA_KERNEL_STUB_H

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <linux/types.h>

/* ------------------------------------------------------------ types and attributes */

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s8 s8;
typedef __s16 s16;
typedef __s32 s32;
typedef __s64 s64;
typedef s64 ktime_t;
typedef unsigned int gfp_t;

#define __rcu
#define __user
#define __iomem
#define __percpu
#define __init
#define __exit
#define __ro_after_init
#define __read_mostly
#define __acquires(lock)
#define __releases(lock)
#define __must_hold(lock)
#define __printf(a, b)	__attribute__((__format__(printf, a, b)))
#define fallthrough	__attribute__((__fallthrough__))
#define noinline	__attribute__((__noinline__))

#define likely(x)	__builtin_expect(!!(x), 1)
#define unlikely(x)	__builtin_expect(!!(x), 0)
#define U32_MAX		UINT32_MAX
#define U64_MAX		UINT64_MAX
#define PAGE_SHIFT	12
#define PAGE_SIZE	(1ul << PAGE_SHIFT)

#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))
#define container_of(ptr, type, member) \
	((type *)((char *)(ptr) - offsetof(type, member)))
#define BUILD_BUG_ON(condition)	_Static_assert(!(condition), #condition)

#define min(a, b)	({ __typeof__(a) a_ = (a); __typeof__(b) b_ = (b); a_ < b_ ? a_ : b_; })
#define max(a, b)	({ __typeof__(a) a_ = (a); __typeof__(b) b_ = (b); a_ > b_ ? a_ : b_; })
#define min_t(type, a, b)	({ type a_ = (a), b_ = (b); a_ < b_ ? a_ : b_; })
#define max_t(type, a, b)	({ type a_ = (a), b_ = (b); a_ > b_ ? a_ : b_; })
#define check_add_overflow(a, b, sum)	__builtin_add_overflow(a, b, sum)
#define check_sub_overflow(a, b, sum)	__builtin_sub_overflow(a, b, sum)
#define check_mul_overflow(a, b, sum)	__builtin_mul_overflow(a, b, sum)

static inline u64 mul_u64_u32_div(u64 a, u32 mul, u32 div)
{
	unsigned __int128 quotient = (unsigned __int128)a * mul / div;

	assert(quotient <= U64_MAX);	/* the kernel's would fault */
	return quotient;
}

/* ------------------------------------------------------------ memory ordering, atomics */

#define READ_ONCE(x)		__atomic_load_n(&(x), __ATOMIC_RELAXED)
#define WRITE_ONCE(x, value)	__atomic_store_n(&(x), value, __ATOMIC_RELAXED)
#define smp_mb()		__atomic_thread_fence(__ATOMIC_SEQ_CST)
#define smp_mb__after_atomic()	smp_mb()
#define smp_load_acquire(p)	__atomic_load_n(p, __ATOMIC_ACQUIRE)
#define smp_store_release(p, v)	__atomic_store_n(p, v, __ATOMIC_RELEASE)
#define xchg(p, value)		__atomic_exchange_n(p, value, __ATOMIC_SEQ_CST)

typedef struct { int counter; } atomic_t;
typedef struct { s64 counter; } atomic64_t;

static inline int atomic_read(const atomic_t *v)
{
	return __atomic_load_n(&v->counter, __ATOMIC_RELAXED);
}

static inline void atomic_set(atomic_t *v, int i)
{
	__atomic_store_n(&v->counter, i, __ATOMIC_RELAXED);
}

static inline int atomic_xchg(atomic_t *v, int i)
{
	return __atomic_exchange_n(&v->counter, i, __ATOMIC_SEQ_CST);
}

static inline int atomic_fetch_or(int i, atomic_t *v)
{
	return __atomic_fetch_or(&v->counter, i, __ATOMIC_SEQ_CST);
}

static inline void atomic_dec(atomic_t *v)
{
	__atomic_fetch_sub(&v->counter, 1, __ATOMIC_SEQ_CST);
}

static inline bool atomic_add_unless(atomic_t *v, int a, int unless)
{
	int old = atomic_read(v);

	do {
		if (old == unless)
			return false;
	} while (!__atomic_compare_exchange_n(&v->counter, &old, old + a, false,
					      __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
	return true;
}

/* ------------------------------------------------------------ bits */

#define BITS_PER_LONG		64
#define BITS_TO_LONGS(n)	(((n) + BITS_PER_LONG - 1) / BITS_PER_LONG)
#define DECLARE_BITMAP(name, bits)	unsigned long name[BITS_TO_LONGS(bits)]
#define BIT(n)			(1ul << (n))
#define BIT_ULL(n)		(1ull << (n))
#define GENMASK(high, low)	(~0ul >> (63 - (high)) & ~0ul << (low))
#define GENMASK_ULL(high, low)	(~0ull >> (63 - (high)) & ~0ull << (low))
#define BIT_MASK_OF(n)		(1ul << ((n) % BITS_PER_LONG))

static inline bool test_bit(unsigned long n, const volatile unsigned long *p)
{
	return READ_ONCE(p[n / BITS_PER_LONG]) & BIT_MASK_OF(n);
}

static inline void set_bit(unsigned long n, volatile unsigned long *p)
{
	__atomic_fetch_or(&p[n / BITS_PER_LONG], BIT_MASK_OF(n), __ATOMIC_SEQ_CST);
}

static inline void clear_bit(unsigned long n, volatile unsigned long *p)
{
	__atomic_fetch_and(&p[n / BITS_PER_LONG], ~BIT_MASK_OF(n), __ATOMIC_SEQ_CST);
}

static inline bool test_and_set_bit(unsigned long n, volatile unsigned long *p)
{
	return __atomic_fetch_or(&p[n / BITS_PER_LONG], BIT_MASK_OF(n), __ATOMIC_SEQ_CST) &
	       BIT_MASK_OF(n);
}

static inline void __set_bit(unsigned long n, volatile unsigned long *p)
{
	p[n / BITS_PER_LONG] |= BIT_MASK_OF(n);
}

static inline void __clear_bit(unsigned long n, volatile unsigned long *p)
{
	p[n / BITS_PER_LONG] &= ~BIT_MASK_OF(n);
}

static inline bool __test_and_set_bit(unsigned long n, volatile unsigned long *p)
{
	bool old = test_bit(n, p);

	__set_bit(n, p);
	return old;
}

static inline unsigned long __fls(unsigned long word)
{
	return BITS_PER_LONG - 1 - __builtin_clzl(word);
}

static inline unsigned long __ffs(unsigned long word)
{
	return __builtin_ctzl(word);
}

static inline unsigned int hweight32(u32 word)
{
	return __builtin_popcount(word);
}

static inline unsigned long find_first_bit(const unsigned long *p, unsigned long size)
{
	unsigned long i;

	for (i = 0; i < size; i++)
		if (test_bit(i, p))
			return i;
	return size;
}

static inline void bitmap_zero(unsigned long *p, unsigned int bits)
{
	memset(p, 0, BITS_TO_LONGS(bits) * sizeof(long));
}

/* ------------------------------------------------------------ objects that are only members */

struct page;
struct mm_struct;
struct file;
struct kref { int refcount; };
struct list_head { struct list_head *next, *prev; };
struct rcu_head { void *next; void (*func)(struct rcu_head *head); };
struct mutex { int locked; };
struct work_struct { void *func; };
struct rcuwait { void *task; };
struct preempt_notifier { void *ops; };
struct srcu_struct { int idx; };
struct mmu_notifier { void *ops; };
struct mmu_notifier_ops { void *release; };
struct wait_queue_head { int waiters; };
struct fpstate;
struct fpu_guest { struct fpstate *fpstate; };
typedef struct wait_queue_head wait_queue_head_t;
typedef struct { int locked; } spinlock_t;

static inline void spin_lock(spinlock_t *lock)
{
	assert(!lock->locked++);
}

static inline void spin_unlock(spinlock_t *lock)
{
	assert(!--lock->locked);
}

/* ------------------------------------------------------------ CPU state */

/* How deep the code under test is in sections with interrupts or preemption off. */
extern unsigned int stub_irqs_off, stub_preemption_off;

#define local_irq_save(flags)		((void)((flags) = stub_irqs_off++))
#define local_irq_restore(flags)	((void)(stub_irqs_off = (flags)))
#define preempt_disable()		((void)stub_preemption_off++)
#define preempt_enable()		((void)stub_preemption_off--)

u64 rdtsc(void);
extern unsigned int tsc_khz;

/* ------------------------------------------------------------ pages */

#define GFP_KERNEL_ACCOUNT	0u
#define __GFP_ZERO		0u

unsigned long get_zeroed_page(gfp_t gfp);
void free_page(unsigned long page);

/* Physical addresses are the test's own pointers. */
#define __va(pa)		((void *)(uintptr_t)(pa))
#define __pa(va)		((u64)(uintptr_t)(va))

#define cond_resched()		((void)0)
#define mica_count_table(table, change)	((void)(table), (void)(change))

/* ------------------------------------------------------------ allocations, RCU, eventfds */

#define IS_ENABLED(option)	0
#define lockdep_is_held(lock)	((void)(lock), true)
#define lockdep_assert_held(lock)	((void)(lock))
#define struct_size(p, member, count)	\
	(sizeof(*(p)) + sizeof((p)->member[0]) * (count))

#define rcu_access_pointer(p)		READ_ONCE(p)
#define rcu_dereference_sched(p)	__atomic_load_n(&(p), __ATOMIC_CONSUME)
#define rcu_dereference_protected(p, c)	((void)(c), (p))
#define rcu_assign_pointer(p, v)	__atomic_store_n(&(p), v, __ATOMIC_RELEASE)
#define RCU_INIT_POINTER(p, v)		WRITE_ONCE(p, v)
#define kvfree_rcu(p, member)		stub_kvfree_rcu(p)

struct eventfd_ctx;

void *kmalloc(size_t size, gfp_t gfp);
void *kvmalloc(size_t size, gfp_t gfp);
void kfree(const void *p);
void kvfree(const void *p);
void stub_kvfree_rcu(void *p);
void call_rcu(struct rcu_head *head, void (*func)(struct rcu_head *head));
void rcu_barrier(void);
void synchronize_rcu_expedited(void);
struct eventfd_ctx *eventfd_ctx_fdget(int fd);
void eventfd_ctx_put(struct eventfd_ctx *eventfd);
void mica_eventfd_signal(struct eventfd_ctx *eventfd);

static inline bool IS_ERR(const void *p)
{
	return (uintptr_t)p >= (uintptr_t)-4095;
}

static inline long PTR_ERR(const void *p)
{
	return (long)p;
}

/* ------------------------------------------------------------ timers */

enum hrtimer_restart { HRTIMER_NORESTART, HRTIMER_RESTART };
enum hrtimer_mode { HRTIMER_MODE_ABS_PINNED_HARD = 0x0a };

struct hrtimer {
	enum hrtimer_restart (*function)(struct hrtimer *timer);
	ktime_t expires;
	bool initialized, queued;
};

#ifndef CLOCK_MONOTONIC
#define CLOCK_MONOTONIC	1
#endif

ktime_t ktime_get(void);
void hrtimer_init(struct hrtimer *timer, int clock, enum hrtimer_mode mode);
void hrtimer_start(struct hrtimer *timer, ktime_t expires, enum hrtimer_mode mode);
int hrtimer_try_to_cancel(struct hrtimer *timer);
int hrtimer_cancel(struct hrtimer *timer);

static inline ktime_t ktime_add_ns(ktime_t time, u64 ns)
{
	return time + ns;
}

/* ------------------------------------------------------------ MSRs; SDM volume 4 */

#define MSR_IA32_APICBASE		0x0000001b
#define MSR_IA32_APICBASE_BSP		(1 << 8)
#define MSR_IA32_APICBASE_ENABLE	(1 << 11)
#define MSR_IA32_TSC_DEADLINE		0x000006e0

/* ------------------------------------------------------------ asm/apicdef.h; SDM volume 3 */

#define APIC_DEFAULT_PHYS_BASE	0xfee00000
#define APIC_BASE_MSR		0x800
#define X2APIC_ENABLE		(1ul << 10)

#define APIC_ID			0x20
#define APIC_LVR		0x30
#define APIC_TASKPRI		0x80
#define APIC_ARBPRI		0x90
#define APIC_PROCPRI		0xa0
#define APIC_EOI		0xb0
#define APIC_RRR		0xc0
#define APIC_LDR		0xd0
#define APIC_DFR		0xe0
#define APIC_DFR_FLAT		0xfffffffful
#define APIC_SPIV		0xf0
#define APIC_SPIV_FOCUS_DISABLED	(1 << 9)
#define APIC_SPIV_APIC_ENABLED	(1 << 8)
#define APIC_ISR		0x100
#define APIC_TMR		0x180
#define APIC_IRR		0x200
#define APIC_ESR		0x280
#define APIC_ESR_SENDILL	0x20
#define APIC_ESR_RECVILL	0x40
#define APIC_ESR_ILLREGA	0x80
#define APIC_LVTCMCI		0x2f0
#define APIC_ICR		0x300
#define APIC_DEST_SELF		0x40000
#define APIC_DEST_ALLINC	0x80000
#define APIC_DEST_ALLBUT	0xc0000
#define APIC_INT_LEVELTRIG	0x8000
#define APIC_INT_ASSERT		0x4000
#define APIC_ICR_BUSY		0x1000
#define APIC_DEST_LOGICAL	0x800
#define APIC_DM_FIXED		0x000
#define APIC_DM_LOWEST		0x100
#define APIC_DM_SMI		0x200
#define APIC_DM_REMRD		0x300
#define APIC_DM_NMI		0x400
#define APIC_DM_INIT		0x500
#define APIC_DM_STARTUP		0x600
#define APIC_DM_EXTINT		0x700
#define APIC_VECTOR_MASK	0xff
#define APIC_ICR2		0x310
#define APIC_LVTT		0x320
#define APIC_LVT_TIMER_ONESHOT	(0 << 17)
#define APIC_LVT_TIMER_PERIODIC	(1 << 17)
#define APIC_LVT_TIMER_TSCDEADLINE	(2 << 17)
#define APIC_LVT_MASKED		(1 << 16)
#define APIC_LVT_LEVEL_TRIGGER	(1 << 15)
#define APIC_LVT_REMOTE_IRR	(1 << 14)
#define APIC_INPUT_POLARITY	(1 << 13)
#define APIC_SEND_PENDING	(1 << 12)
#define APIC_MODE_MASK		0x700
#define APIC_LVTTHMR		0x330
#define APIC_LVTPC		0x340
#define APIC_LVT0		0x350
#define APIC_LVT1		0x360
#define APIC_LVTERR		0x370
#define APIC_TMICT		0x380
#define APIC_TMCCT		0x390
#define APIC_TDCR		0x3e0
#define APIC_SELF_IPI		0x3f0

#define array_index_nospec(index, size)	((index) < (size) ? (index) : 0)

#endif
