/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Instructions that C has no words for, and what the kernel's two files share. */
#ifndef MICA_BENCH_MACHINE_H
#define MICA_BENCH_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#define COM1			0x3f8
#define COM1_SCRATCH		0x3ff	/* a register that remembers and does nothing */
#define DEBUG_EXIT		0xf4
#define POST			0x80
#define ELCR			0x4d0

#define MSR_APIC_BASE		0x1b
#define MSR_TSC_ADJUST		0x3b
#define MSR_MISC_ENABLE		0x1a0
#define MSR_TSC_DEADLINE	0x6e0
#define MSR_X2APIC		0x800	/* and the register's offset divided by 16 */

#define APIC_BASE_X2		0x400u	/* in MSR_APIC_BASE */

/* SDM volume 3, "Local APIC Register Address Map". */
#define APIC_PAGE		0xfee00000ul
#define APIC_VERSION		0x30u
#define APIC_TPR		0x80u
#define APIC_EOI		0xb0u
#define APIC_SVR		0xf0u
#define APIC_ICR		0x300u
#define APIC_LVT_TIMER		0x320u
#define APIC_SELF_IPI		0x3f0u	/* x2APIC only */

#define ICR_SELF		0x40000u
#define LVT_TSC_DEADLINE	0x40000u

struct cpuid {
	uint32_t eax, ebx, ecx, edx;
};

static inline struct cpuid cpuid(uint32_t leaf, uint32_t subleaf)
{
	struct cpuid r = { .eax = leaf, .ecx = subleaf };

	asm volatile("cpuid" : "+a" (r.eax), "=b" (r.ebx), "+c" (r.ecx), "=d" (r.edx));
	return r;
}

/* LFENCE: on a CPU that runs ahead, the clock is read when all before it is done. */
static inline uint64_t rdtsc(void)
{
	uint32_t low, high;

	asm volatile("lfence; rdtsc" : "=a" (low), "=d" (high) : : "memory");
	return (uint64_t)high << 32 | low;
}

static inline uint64_t rdmsr(uint32_t index)
{
	uint32_t low, high;

	asm volatile("rdmsr" : "=a" (low), "=d" (high) : "c" (index));
	return (uint64_t)high << 32 | low;
}

static inline void wrmsr(uint32_t index, uint64_t value)
{
	asm volatile("wrmsr" : : "c" (index), "a" ((uint32_t)value), "d" ((uint32_t)(value >> 32))
		     : "memory");
}

static inline void outb(uint16_t port, uint8_t value)
{
	asm volatile("outb %0, %1" : : "a" (value), "Nd" (port));
}

static inline uint8_t inb(uint16_t port)
{
	uint8_t value;

	asm volatile("inb %1, %0" : "=a" (value) : "Nd" (port));
	return value;
}

static inline void outw(uint16_t port, uint16_t value)
{
	asm volatile("outw %0, %1" : : "a" (value), "Nd" (port));
}

static inline void outl(uint16_t port, uint32_t value)
{
	asm volatile("outl %0, %1" : : "a" (value), "Nd" (port));
}

static inline uint32_t inl(uint16_t port)
{
	uint32_t value;

	asm volatile("inl %1, %0" : "=a" (value) : "Nd" (port));
	return value;
}

static inline uint32_t mmio_read(uintptr_t address)
{
	uint32_t value;

	asm volatile("movl (%1), %0" : "=r" (value) : "r" (address) : "memory");
	return value;
}

static inline void mmio_write(uintptr_t address, uint32_t value)
{
	asm volatile("movl %0, (%1)" : : "r" (value), "r" (address) : "memory");
}

/* ------------------------------------------------------------ interrupts.c */

#define VECTOR_TEST	0x40
#define VECTOR_DEVICE	0x41	/* and the next ones, one for each queue; the handler only ends them */
#define VECTOR_IPI	0x50	/* as VECTOR_DEVICE, of the other CPU's */
#define VECTOR_ANSWER	0x51	/* sends VECTOR_IPI to CPU 0 */

/* Written by the handler of VECTOR_TEST, which also ends the interrupt. */
extern volatile bool interrupt_arrived;
extern volatile uint64_t interrupt_tsc, interrupt_eoi_ticks;

extern volatile uint32_t ipis_arrived;

void interrupts_init(void);
/* Another CPU than the first: the same IDT. */
void interrupts_init_other(void);
/* Interrupts are off, and were when the caller found nothing to do: sleeps until one comes. */
void wait_for_interrupt(void);
void apic_use_x2(void);
uint32_t apic_read(uint32_t offset);
/* In the mode that the APIC is in. */
void apic_write(uint32_t offset, uint32_t value);
/* `id` is an APIC ID, `icr` the low half of the register; x2APIC mode only. */
void apic_send(uint32_t id, uint32_t icr);

/* ------------------------------------------------------------ main.c */

/* Ticks of one operation, or of `count` of them: then those of one are printed. */
struct operation {
	const char *name;
	uint64_t (*once)(void);
	unsigned int count;		/* 0: one */
};

void measure(const struct operation *operations, unsigned int samples);
uint64_t median(uint64_t (*once)(void), unsigned int samples);
void print(const char *text);
__attribute__((noreturn)) void fail(const char *text);
__attribute__((noreturn)) void leave(uint8_t value);

/* ------------------------------------------------------------ disk.c, net.c, smp.c, tick.c */

void measure_disk(void);
void measure_net(void);
void measure_ipi(void);
void measure_tick(void);

#endif
