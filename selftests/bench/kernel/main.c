// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A kernel that measures what its hypervisor costs it.  Each operation is timed many times,
 * one at a time; the median goes to COM1 as "name ticks", with the cost of reading the clock
 * taken off.  A median knows nothing of the host's timer ticks, which hit few of them.
 * With "quick" in its command line the kernel ends at once, with "chatter" it says the same again
 * and again; "disk", "net", "ipi" and "tick" measure those instead of single exits.
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

void fail(const char *text)
{
	print(text);
	print("\n");
	leave(2);
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

static const struct operation plain[] = {
	{ "cpuid", cpuid_same, 0 },
	{ "cpuid-turns", cpuid_turns, 0 },
	{ "port-read", port_read, 0 },
	{ "port-write", port_write, 0 },
	{ "post-read", post_read, 0 },
	{ "post-write", post_write, 0 },
	{ "elcr-read", elcr_read, 0 },
	{ "elcr-write", elcr_write, 0 },
	{ "mmio-read", mmio_hole, 0 },
	{ "wrmsr-tsc-adjust", write_tsc_adjust, 0 },
	{ "rdmsr-misc-enable", read_misc_enable, 0 },
	{ "cr8-write", write_cr8, 0 },
	{ "cr8-read", read_cr8, 0 },
	{ }
};

static const struct operation memory[] = {
	{ "touch-2m", touch_fresh, 0 },
	{ }
};

static const struct operation xapic[] = {
	{ "xapic-read", apic_read_version, 0 },
	{ "xapic-tpr", apic_write_tpr, 0 },
	{ "xapic-eoi", apic_eoi, 0 },
	{ "xapic-ipi", icr_total, 0 },
	{ "xapic-ipi-send", icr_send, 0 },
	{ "xapic-ipi-eoi", icr_eoi, 0 },
	{ }
};

static const struct operation x2apic[] = {
	{ "x2apic-read", apic_read_version, 0 },
	{ "x2apic-tpr", apic_write_tpr, 0 },
	{ "x2apic-eoi", apic_eoi, 0 },
	{ "x2apic-ipi", icr_total, 0 },
	{ "x2apic-self-ipi", self_ipi_register, 0 },
	{ }
};

static const struct operation xapic_deadline[] = {
	{ "xapic-deadline-arm", deadline_arm, 0 },
	{ "xapic-deadline-fires", deadline_fires, 0 },
	{ }
};

static const struct operation x2apic_deadline[] = {
	{ "x2apic-deadline-arm", deadline_arm, 0 },
	{ "x2apic-deadline-fires", deadline_fires, 0 },
	{ }
};

uint64_t median(uint64_t (*once)(void), unsigned int samples)
{
	static uint64_t sorted[SAMPLES];
	unsigned int i, j;
	uint64_t sample;

	for (i = 0; i < samples; i++) {
		sample = once();
		for (j = i; j && sorted[j - 1] > sample; j--)
			sorted[j] = sorted[j - 1];
		sorted[j] = sample;
	}
	return sorted[samples / 2];
}

void measure(const struct operation *operations, unsigned int samples)
{
	uint64_t overhead = median(nothing, SAMPLES), ticks;

	for (; operations->name; operations++) {
		ticks = median(operations->once, samples);
		print(operations->name);
		print(" ");
		ticks = ticks > overhead ? ticks - overhead : 0;
		print_number(operations->count ? ticks / operations->count : ticks);
		print("\n");
	}
}

/* "Boot information format" of the multiboot specification: flags, and the command line. */
static bool wants(const uint32_t *info, const char *word)
{
	const char *at = (info[0] & 4) ? (const char *)(uintptr_t)info[4] : "";
	unsigned int matched = 0;

	for (; *at; at++) {
		matched = *at == word[matched] ? matched + 1 : *at == word[0];
		if (!word[matched])
			return true;
	}
	return false;
}

static void measure_exits(void)
{
	struct cpuid features = cpuid(1, 0);
	bool has_x2apic = features.ecx & (1u << 21), has_deadline = features.ecx & (1u << 24);

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
}

int main(const uint32_t *info)
{
	static const struct {
		const char *word;
		void (*measure)(void);
	} parts[] = {
		{ "disk", measure_disk },
		{ "net", measure_net },
		{ "ipi", measure_ipi },
		{ "tick", measure_tick },
	};
	bool found = false;
	unsigned int i;

	if (wants(info, "quick"))
		leave(0);
	while (wants(info, "chatter"))
		print("chatter\n");
	interrupts_init();
	for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (!wants(info, parts[i].word))
			continue;
		found = true;
		apic_use_x2();
		parts[i].measure();
	}
	if (!found)
		measure_exits();
	leave(0);
}
