// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A kernel that measures what its hypervisor costs it.  Each operation is timed many times,
 * one at a time; the median goes to COM1 as "name ticks", with the cost of reading the clock
 * taken off.  A median knows nothing of the host's timer ticks, which hit few of them.
 * With "quick" in its command line the kernel ends at once.
 */
#include "machine.h"

#define SAMPLES		201
#define FAR		(1ull << 40)	/* ticks: longer than this kernel lives */
#define HOLE		0xfeb00000ul	/* no device is there, in Mica's map nor on QEMU's pc */
#define FRESH		0x2000000ul	/* memory that nobody has touched, from 32 MiB on */
#define FRESH_SIZE	0x200000ul
#define FRESH_SAMPLES	5

/* ------------------------------------------------------------ console, end */

void print(const char *text)
{
	for (; *text; text++)
		outb(COM1, *text);
}

static void print_number(uint64_t value)
{
	char digits[21], *at = digits + sizeof(digits) - 1;

	*at = '\0';
	do {
		*--at = '0' + value % 10;
		value /= 10;
	} while (value);
	print(at);
}

/* The VMM's exit status is (value << 1) | 1. */
void leave(uint8_t value)
{
	outb(DEBUG_EXIT, value);
	for (;;)
		asm volatile("cli; hlt");
}

/* ------------------------------------------------------------ operations: ticks of one */

static uint64_t nothing(void)
{
	uint64_t start = rdtsc();

	return rdtsc() - start;
}

static uint64_t cpuid_same(void)
{
	uint64_t start = rdtsc();

	cpuid(0, 0);
	return rdtsc() - start;
}

/* Six leaves in turn: no answer is the same as the last one. */
static uint64_t cpuid_turns(void)
{
	static const uint32_t leaves[] = { 0x1, 0x7, 0xb, 0xd, 0x80000001, 0x80000008 };
	static unsigned int turn;
	uint32_t leaf = leaves[turn++ % 6];
	uint64_t start = rdtsc();

	cpuid(leaf, 0);
	return rdtsc() - start;
}

static uint64_t port_read(void)
{
	uint64_t start = rdtsc();

	inb(COM1_SCRATCH);
	return rdtsc() - start;
}

static uint64_t port_write(void)
{
	uint64_t start = rdtsc();

	outb(COM1_SCRATCH, 0x55);
	return rdtsc() - start;
}

/* The POST port: nobody listens.  Mica answers it in the kernel. */
static uint64_t post_read(void)
{
	uint64_t start = rdtsc();

	inb(POST);
	return rdtsc() - start;
}

static uint64_t post_write(void)
{
	uint64_t start = rdtsc();

	outb(POST, 0x55);
	return rdtsc() - start;
}

/* Edge or level, of the first 8259: as simple as a register can be.  KVM answers it in the kernel. */
static uint64_t elcr_read(void)
{
	uint64_t start = rdtsc();

	inb(ELCR);
	return rdtsc() - start;
}

static uint64_t elcr_write(void)
{
	uint64_t start = rdtsc();

	outb(ELCR, 0);
	return rdtsc() - start;
}

static uint64_t mmio_hole(void)
{
	uint64_t start = rdtsc();

	mmio_read(HOLE);
	return rdtsc() - start;
}

static uint64_t write_tsc_adjust(void)
{
	uint64_t start = rdtsc();

	wrmsr(MSR_TSC_ADJUST, 0);
	return rdtsc() - start;
}

static uint64_t read_misc_enable(void)
{
	uint64_t start = rdtsc();

	rdmsr(MSR_MISC_ENABLE);
	return rdtsc() - start;
}

static uint64_t write_cr8(void)
{
	uint64_t start = rdtsc();

	asm volatile("mov %0, %%cr8" : : "r" (0ul));
	return rdtsc() - start;
}

static uint64_t read_cr8(void)
{
	uint64_t value, start = rdtsc();

	asm volatile("mov %%cr8, %0" : "=r" (value));
	return rdtsc() - start;
}

static uint64_t apic_read_version(void)
{
	uint64_t start = rdtsc();

	apic_read(APIC_VERSION);
	return rdtsc() - start;
}

static uint64_t apic_write_tpr(void)
{
	uint64_t start = rdtsc();

	apic_write(APIC_TPR, 0);
	return rdtsc() - start;
}

/* Nothing is in service. */
static uint64_t apic_eoi(void)
{
	uint64_t start = rdtsc();

	apic_write(APIC_EOI, 0);
	return rdtsc() - start;
}

/* Returns when the handler has run; the time before. */
static uint64_t self_ipi(uint32_t offset, uint32_t value)
{
	uint64_t start;

	interrupt_arrived = false;
	start = rdtsc();
	apic_write(offset, value);
	while (!interrupt_arrived)
		;
	return start;
}

static uint64_t icr_total(void)
{
	uint64_t start = self_ipi(APIC_ICR, ICR_SELF | VECTOR_TEST);

	return rdtsc() - start;
}

static uint64_t icr_send(void)
{
	uint64_t start = self_ipi(APIC_ICR, ICR_SELF | VECTOR_TEST);

	return interrupt_tsc - start;
}

static uint64_t icr_eoi(void)
{
	self_ipi(APIC_ICR, ICR_SELF | VECTOR_TEST);
	return interrupt_eoi_ticks;
}

static uint64_t self_ipi_register(void)
{
	uint64_t start = self_ipi(APIC_SELF_IPI, VECTOR_TEST);

	return rdtsc() - start;
}

static uint64_t deadline_arm(void)
{
	uint64_t deadline = rdtsc() + FAR, start = rdtsc();

	wrmsr(MSR_TSC_DEADLINE, deadline);
	return rdtsc() - start;
}

static uint64_t deadline_fires(void)
{
	uint64_t start;

	interrupt_arrived = false;
	start = rdtsc();
	wrmsr(MSR_TSC_DEADLINE, 1);
	while (!interrupt_arrived)
		;
	return rdtsc() - start;
}

static uint64_t touch_fresh(void)
{
	static uintptr_t next = FRESH;
	uintptr_t end = next + FRESH_SIZE;
	uint64_t start = rdtsc();

	for (; next < end; next += 4096)
		mmio_write(next, 1);
	return rdtsc() - start;
}

/* ------------------------------------------------------------ measuring */

struct operation {
	const char *name;
	uint64_t (*once)(void);
};

static const struct operation plain[] = {
	{ "cpuid", cpuid_same },
	{ "cpuid-turns", cpuid_turns },
	{ "port-read", port_read },
	{ "port-write", port_write },
	{ "post-read", post_read },
	{ "post-write", post_write },
	{ "elcr-read", elcr_read },
	{ "elcr-write", elcr_write },
	{ "mmio-read", mmio_hole },
	{ "wrmsr-tsc-adjust", write_tsc_adjust },
	{ "rdmsr-misc-enable", read_misc_enable },
	{ "cr8-write", write_cr8 },
	{ "cr8-read", read_cr8 },
	{ }
};

static const struct operation memory[] = {
	{ "touch-2m", touch_fresh },
	{ }
};

static const struct operation xapic[] = {
	{ "xapic-read", apic_read_version },
	{ "xapic-tpr", apic_write_tpr },
	{ "xapic-eoi", apic_eoi },
	{ "xapic-ipi", icr_total },
	{ "xapic-ipi-send", icr_send },
	{ "xapic-ipi-eoi", icr_eoi },
	{ }
};

static const struct operation x2apic[] = {
	{ "x2apic-read", apic_read_version },
	{ "x2apic-tpr", apic_write_tpr },
	{ "x2apic-eoi", apic_eoi },
	{ "x2apic-ipi", icr_total },
	{ "x2apic-self-ipi", self_ipi_register },
	{ }
};

static const struct operation xapic_deadline[] = {
	{ "xapic-deadline-arm", deadline_arm },
	{ "xapic-deadline-fires", deadline_fires },
	{ }
};

static const struct operation x2apic_deadline[] = {
	{ "x2apic-deadline-arm", deadline_arm },
	{ "x2apic-deadline-fires", deadline_fires },
	{ }
};

static uint64_t median(uint64_t (*once)(void), unsigned int count)
{
	static uint64_t samples[SAMPLES];
	unsigned int i, j;
	uint64_t sample;

	for (i = 0; i < count; i++) {
		sample = once();
		for (j = i; j && samples[j - 1] > sample; j--)
			samples[j] = samples[j - 1];
		samples[j] = sample;
	}
	return samples[count / 2];
}

static void measure(const struct operation *operations, unsigned int count)
{
	uint64_t overhead = median(nothing, SAMPLES), ticks;

	for (; operations->name; operations++) {
		ticks = median(operations->once, count);
		print(operations->name);
		print(" ");
		print_number(ticks > overhead ? ticks - overhead : 0);
		print("\n");
	}
}

/* "Boot information format" of the multiboot specification: flags, and the command line. */
static bool wants_quick(const uint32_t *info)
{
	const char *at = (info[0] & 4) ? (const char *)(uintptr_t)info[4] : "";
	const char *word = "quick";
	unsigned int matched = 0;

	for (; *at; at++) {
		matched = *at == word[matched] ? matched + 1 : *at == word[0];
		if (!word[matched])
			return true;
	}
	return false;
}

int main(const uint32_t *info)
{
	struct cpuid features = cpuid(1, 0);
	bool has_x2apic = features.ecx & (1u << 21), has_deadline = features.ecx & (1u << 24);

	if (wants_quick(info))
		leave(0);
	interrupts_init();
	measure(plain, SAMPLES);
	measure(memory, FRESH_SAMPLES);
	measure(xapic, SAMPLES);
	if (has_deadline) {
		apic_write(APIC_LVT_TIMER, LVT_TSC_DEADLINE | VECTOR_TEST);
		measure(xapic_deadline, SAMPLES);
		wrmsr(MSR_TSC_DEADLINE, 0);
	}
	if (has_x2apic) {
		apic_use_x2();
		measure(x2apic, SAMPLES);
		if (has_deadline)
			measure(x2apic_deadline, SAMPLES);
	}
	leave(0);
}
