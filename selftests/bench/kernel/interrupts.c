// SPDX-License-Identifier: GPL-2.0-or-later
/* The IDT, the local APIC, and the one interrupt whose way is measured. */
#include "machine.h"

#define VECTOR_SPURIOUS	0xff
#define CODE_SELECTOR	8
#define GATE_INTERRUPT	0x8e

volatile bool interrupt_arrived;
volatile uint64_t interrupt_tsc, interrupt_eoi_ticks;
volatile uint32_t ipis_arrived;

static bool x2apic;

uint32_t apic_read(uint32_t offset)
{
	return x2apic ? (uint32_t)rdmsr(MSR_X2APIC + offset / 16) : mmio_read(APIC_PAGE + offset);
}

void apic_write(uint32_t offset, uint32_t value)
{
	if (x2apic)
		wrmsr(MSR_X2APIC + offset / 16, value);
	else
		mmio_write(APIC_PAGE + offset, value);
}

void apic_send(uint32_t id, uint32_t icr)
{
	wrmsr(MSR_X2APIC + APIC_ICR / 16, (uint64_t)id << 32 | icr);
}

void apic_use_x2(void)
{
	wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_BASE_X2);
	x2apic = true;
}

/* ------------------------------------------------------------ IDT */

/* SDM volume 3, "64-Bit Mode IDT". */
struct gate {
	uint16_t offset_low;
	uint16_t selector;
	uint8_t ist;
	uint8_t type;
	uint16_t offset_middle;
	uint32_t offset_high;
	uint32_t reserved;
};

struct frame;

static struct gate idt[256];

__attribute__((interrupt)) static void test_interrupt(struct frame *frame)
{
	uint64_t before;

	(void)frame;
	before = rdtsc();
	interrupt_tsc = before;
	before = rdtsc();
	apic_write(APIC_EOI, 0);
	interrupt_eoi_ticks = rdtsc() - before;
	interrupt_arrived = true;
}

__attribute__((interrupt)) static void device_interrupt(struct frame *frame)
{
	(void)frame;
	apic_write(APIC_EOI, 0);
}

__attribute__((interrupt)) static void ipi(struct frame *frame)
{
	(void)frame;
	apic_write(APIC_EOI, 0);
	ipis_arrived++;
}

__attribute__((interrupt)) static void answer(struct frame *frame)
{
	(void)frame;
	apic_write(APIC_EOI, 0);
	apic_send(0, VECTOR_IPI);
}

__attribute__((interrupt)) static void unexpected(struct frame *frame)
{
	(void)frame;
	print("unexpected exception or interrupt\n");
	leave(2);
}

__attribute__((interrupt)) static void spurious(struct frame *frame)
{
	(void)frame;
}

static void set_gate(unsigned int vector, void (*handler)(struct frame *frame))
{
	uint64_t address = (uint64_t)handler;

	idt[vector] = (struct gate){
		.offset_low = address,
		.selector = CODE_SELECTOR,
		.type = GATE_INTERRUPT,
		.offset_middle = address >> 16,
		.offset_high = address >> 32,
	};
}

static void enable(void)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) pointer = { sizeof(idt) - 1, (uint64_t)idt };

	asm volatile("lidt %0" : : "m" (pointer));
	apic_write(APIC_SVR, 0x100 | VECTOR_SPURIOUS);
}

void interrupts_init(void)
{
	unsigned int i;

	for (i = 0; i < 256; i++)
		set_gate(i, unexpected);
	set_gate(VECTOR_TEST, test_interrupt);
	for (i = VECTOR_DEVICE; i < VECTOR_IPI; i++)
		set_gate(i, device_interrupt);
	set_gate(VECTOR_IPI, ipi);
	set_gate(VECTOR_ANSWER, answer);
	set_gate(VECTOR_SPURIOUS, spurious);
	/* Both 8259s: nothing gets through. */
	outb(0x21, 0xff);
	outb(0xa1, 0xff);
	enable();
	asm volatile("sti");
}

void interrupts_init_other(void)
{
	wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_BASE_X2);
	enable();
}

/* STI lets nothing in before HLT has begun. */
void wait_for_interrupt(void)
{
	asm volatile("sti; hlt; cli" : : : "memory");
}
