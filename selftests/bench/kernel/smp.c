// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * IPIs between two CPUs that both sleep whenever they can: a message from CPU 0 to CPU 1,
 * and CPU 1's answer.
 */
#include "machine.h"

#define SAMPLES		201
#define TRAMPOLINE	0x8000ul
#define ICR_INIT	0x4500u		/* level asserted */
#define ICR_STARTUP	0x4600u

/* start.S */
extern const char trampoline[], trampoline_end[];
extern volatile uint32_t other_cpu_runs;

/* CPU 1 gets here; answer() is all it does from now on. */
void other_main(void);

void other_main(void)
{
	interrupts_init_other();
	other_cpu_runs = 1;
	for (;;)
		wait_for_interrupt();
}

static void start_other(void)
{
	volatile char *to = (volatile char *)TRAMPOLINE;
	const char *from;

	for (from = trampoline; from < trampoline_end; from++)
		*to++ = *from;
	apic_send(1, ICR_INIT);
	apic_send(1, ICR_STARTUP | TRAMPOLINE >> 12);
	apic_send(1, ICR_STARTUP | TRAMPOLINE >> 12);
	while (!other_cpu_runs)
		asm volatile("pause");
}

static uint64_t there_and_back(void)
{
	uint32_t before = ipis_arrived;
	uint64_t start = rdtsc();

	asm volatile("cli");
	apic_send(1, VECTOR_ANSWER);
	while (ipis_arrived == before)
		wait_for_interrupt();
	asm volatile("sti");
	return rdtsc() - start;
}

void measure_ipi(void)
{
	static const struct operation operations[] = {
		{ "ipi-halted", there_and_back, 2 },
		{ }
	};

	start_other();
	measure(operations, SAMPLES);
}
