// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A guest that does what it is told: a multiboot 1 kernel that answers each byte on its first
 * serial port with one line, and powers off when its power button is pressed.
 *
 *	a	"alive"
 *	t	"time TSC PM", its TSC and its PM timer, in hexadecimal digits
 *	i	"ignored": from here on the power button is
 *	r	asks for a reset
 *	f	"flood", and then a line again and again, for ever
 *	s	"vector": it has written to and read from the I/O APIC by an XMM register
 *	w	"worked": it has changed a MiB of memory by arithmetic alone, and then touches no
 *		memory before the next byte comes
 *	c	crashes: a triple fault
 *
 * It never halts: it looks at both all the time.  The header is of the Multiboot Specification
 * 0.6.96, "OS image format".
 */
#include <stdint.h>

#define COM1		0x3f8
#define LSR_DR		0x01		/* a byte has come */
#define RESET_PORT	0xcf9
#define PM1_STS		0x600		/* ACPI specification, "PM1 Event Grouping" */
#define PM1_EN		0x602
#define PM1_CNT		0x604
#define PM_TMR		0x608
#define PWRBTN		0x100
#define S5		(5 << 10 | 1 << 13)
#define IOAPIC		0xfec00000	/* its register select */
#define POOL_WORDS	(1u << 18)
#define CR0_EM		(1u << 2)
#define CR4_OSFXSR	(1u << 9)

asm(".section .multiboot, \"a\"\n"
    ".balign 4\n"
    ".long 0x1badb002, 0, -0x1badb002\n"
    ".text\n"
    ".globl _start\n"
    "_start: mov $stack_end, %esp\n"
    "	jmp respond\n"
    ".bss\n"
    ".balign 16\n"
    ".skip 4096\n"
    "stack_end:\n"
    ".text\n");

static void out8(uint16_t port, uint8_t value)
{
	asm volatile("outb %0, %1" : : "a"(value), "d"(port));
}

static void out16(uint16_t port, uint16_t value)
{
	asm volatile("outw %0, %1" : : "a"(value), "d"(port));
}

static uint8_t in8(uint16_t port)
{
	uint8_t value;

	asm volatile("inb %1, %0" : "=a"(value) : "d"(port));
	return value;
}

static uint16_t in16(uint16_t port)
{
	uint16_t value;

	asm volatile("inw %1, %0" : "=a"(value) : "d"(port));
	return value;
}

static uint32_t in32(uint16_t port)
{
	uint32_t value;

	asm volatile("inl %1, %0" : "=a"(value) : "d"(port));
	return value;
}

static void print(const char *text)
{
	while (*text)
		out8(COM1, *text++);
}

static void print_hex(uint32_t value)
{
	for (int shift = 28; shift >= 0; shift -= 4)
		out8(COM1, "0123456789abcdef"[value >> shift & 15]);
}

static void print_time(void)
{
	uint32_t low, high, pm = in32(PM_TMR);

	asm volatile("rdtsc" : "=a"(low), "=d"(high));
	print("time ");
	print_hex(high);
	print_hex(low);
	print(" ");
	print_hex(pm);
	print("\n");
}

static void flood(void)
{
	for (;;)
		print("flood\n");
}

static void use_vector(void)
{
	uint32_t cr0, cr4;

	asm volatile("mov %%cr0, %0" : "=r"(cr0));
	asm volatile("mov %%cr4, %0" : "=r"(cr4));
	asm volatile("mov %0, %%cr0" : : "r"(cr0 & ~CR0_EM));
	asm volatile("mov %0, %%cr4" : : "r"(cr4 | CR4_OSFXSR));
	asm volatile("movups %%xmm0, (%0)\n\tmovups (%0), %%xmm0" : : "r"(IOAPIC) : "memory");
	print("vector\n");
}

/* What memory holds afterwards depends on how often this was done, and on nothing else. */
static void work(void)
{
	static uint32_t pool[POOL_WORDS], state = 1;

	for (uint32_t i = 0; i < POOL_WORDS; i++) {
		state = state * 1664525 + 1013904223;
		pool[state % POOL_WORDS] ^= state + i;
	}
	print("worked\n");
	asm volatile("1: inb %w1, %%al\n\ttestb %0, %%al\n\tjz 1b"
		     : : "i"(LSR_DR), "d"(COM1 + 5) : "eax", "cc");
}

static void crash(void)
{
	static const struct {
		uint16_t limit;
		uint32_t base;
	} __attribute__((packed)) empty;

	asm volatile("lidt %0\n\tud2" : : "m"(empty));
}

static void obey(uint8_t order)
{
	if (order == 'a')
		print("alive\n");
	else if (order == 't')
		print_time();
	else if (order == 'r')
		out8(RESET_PORT, 6);
	else if (order == 'f')
		flood();
	else if (order == 's')
		use_vector();
	else if (order == 'w')
		work();
	else if (order == 'c')
		crash();
}

void respond(void);
void __attribute__((noreturn, used)) respond(void)
{
	uint8_t order, ignores = 0;

	out16(PM1_EN, PWRBTN);
	print("ready\n");
	for (;;) {
		if (in16(PM1_STS) & PWRBTN) {
			out16(PM1_STS, PWRBTN);
			print("button\n");
			if (!ignores)
				out16(PM1_CNT, S5);
		}
		if (!(in8(COM1 + 5) & LSR_DR))
			continue;
		order = in8(COM1);
		if (order == 'i')
			print("ignored\n");
		ignores |= order == 'i';
		obey(order);
	}
}
