// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Halted vCPUs poll before they sleep: for short waits, not for long ones, not if told not to, and
 * not where others need the CPU.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "apic_code.h"
#include "eventfd.h"

#define LIMIT_US	10000
#define NEAR_US		100			/* HLT comes well before it */
#define MIDDLE_US	(LIMIT_US / 4)		/* a poll could see its end; HLT comes before it anywhere */
#define LONG_US		(2 * LIMIT_US)
#define PARAMETER	"/sys/module/mica/parameters/halt_poll_us"

/* Halts until a deadline, as often as G_DATA says, which is so many ticks away as G_DATA + 4 says;
 * then OUT to 0x80, and again. */
GUEST_CODE(halt_code, ".code64",
	X2 "mov $0x832, %ecx\n mov $0x40040, %eax\n xor %edx, %edx\n wrmsr\n mov $0x100000, %esi\n"
	"1: out %al, $0x80\n mov (%rsi), %edi\n"
	"2: mov %r15, %r14\n rdtsc\n add 4(%rsi), %eax\n adc $0, %edx\n mov $0x6e0, %ecx\n wrmsr\n"
	"3: sti\n hlt\n cli\n cmp %r14, %r15\n je 3b\n dec %edi\n jnz 2b\n jmp 1b\n"
	".balign 256\n inc %r15\n mov $0x80b, %ecx\n xor %eax, %eax\n xor %edx, %edx\n wrmsr\n iretq");
#define HANDLER_OFFSET	256

static unsigned int get_parameter(void)
{
	FILE *file = fopen(PARAMETER, "r");
	unsigned int value;

	if (!file || fscanf(file, "%u", &value) != 1)
		bail("cannot read " PARAMETER);
	fclose(file);
	return value;
}

static void set_parameter(unsigned int value)
{
	FILE *file = fopen(PARAMETER, "w");

	if (!file || fprintf(file, "%u\n", value) < 0 || fclose(file))
		bail("cannot write " PARAMETER);
}

static void start(struct guest *g, const struct mica_create_vm *args)
{
	guest_init_args(g, args);
	guest_load(g, G_LONG, halt_code, halt_code_end);
	guest_set_gate(g, G_LONG, 0x40, HANDLER_OFFSET);
	check_equal(guest_run(g), MICA_EXIT_IO);
}

struct polls { uint64_t halts, hit, missed; };

static struct polls count(struct guest *g)
{
	return (struct polls){ guest_stat(g, "halts"), guest_stat(g, "halt_polls_hit"),
			       guest_stat(g, "halt_polls_missed") };
}

/* What `times` halts of so many microseconds each add to the counters. */
static struct polls halt(struct guest *g, uint32_t times, uint32_t us)
{
	uint32_t data[] = { times, us * (uint64_t)g->info.tsc_khz / 1000 };
	struct polls before = count(g), after;

	memcpy(guest_at(g, G_DATA), data, sizeof(data));
	check_equal(guest_run(g), MICA_EXIT_IO);
	after = count(g);
	return (struct polls){ after.halts - before.halts, after.hit - before.hit,
			       after.missed - before.missed };
}

/* A wait that a poll can see the end of makes it poll; long ones make it stop. */
static void adapts(void)
{
	unsigned int parameter = get_parameter();
	struct mica_create_vm args = { 0 };
	struct polls polls;
	struct guest g;

	set_parameter(LIMIT_US);
	start(&g, &args);
	polls = halt(&g, 1, LONG_US);
	check_equal(polls.hit + polls.missed, 0);
	polls = halt(&g, 40, MIDDLE_US);
	check(polls.hit, "%lu of %lu halts polled in vain, none with success",
	      (unsigned long)polls.missed, (unsigned long)polls.halts);
	halt(&g, 12, LONG_US);
	polls = halt(&g, 3, LONG_US);
	check_equal(polls.hit + polls.missed, 0);
	guest_destroy(&g);
	set_parameter(parameter);
}

/* None is slept through, wherever between WRMSR and HLT it passes. */
static void near_deadlines(void)
{
	struct mica_create_vm args = { 0 };
	struct guest g;

	start(&g, &args);
	for (uint32_t us = 1; us < NEAR_US; us++)
		halt(&g, 40, us);
	guest_destroy(&g);
}

static void never_polls(unsigned int parameter, const struct mica_create_vm *args)
{
	unsigned int before = get_parameter();
	struct polls polls;
	struct guest g;

	set_parameter(parameter);
	start(&g, args);
	polls = halt(&g, 10, MIDDLE_US);
	check(polls.halts, "the guest did not halt");
	check_equal(polls.hit, 0);
	check_equal(polls.missed, 0);
	guest_destroy(&g);
	set_parameter(before);
}

/* Each can turn it off: the operator for all VMs, the VM for itself. */
static void off(void)
{
	struct mica_create_vm none = { .flags = MICA_VM_HALT_POLL };
	struct mica_create_vm long_one = { .flags = MICA_VM_HALT_POLL, .halt_poll_us = LIMIT_US };

	never_polls(LIMIT_US, &none);
	never_polls(0, &long_one);
}

static atomic_bool busy;

static void *keep_busy(void *arg)
{
	(void)arg;
	while (atomic_load(&busy))
		;
	return NULL;
}

/* This thread, and those that it makes from here on. */
static void stay_here(cpu_set_t *before)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	if (sched_getaffinity(0, sizeof(*before), before) || sched_setaffinity(0, sizeof(one), &one))
		bail("sched_setaffinity");
}

/* Another thread has work on this CPU. */
static void not_alone(void)
{
	struct mica_create_vm args = { 0 };
	cpu_set_t before;
	pthread_t thread;

	stay_here(&before);
	atomic_store(&busy, true);
	if (pthread_create(&thread, NULL, keep_busy, NULL))
		bail("pthread_create");
	never_polls(LIMIT_US, &args);
	atomic_store(&busy, false);
	pthread_join(thread, NULL);
	sched_setaffinity(0, sizeof(before), &before);
}

/* Wakes the guest by interrupts, soon enough for a poll.  It sleeps again before the guest runs. */
static void *wake(void *eventfd)
{
	struct sched_param first = { .sched_priority = 1 };

	if (pthread_setschedparam(pthread_self(), SCHED_FIFO, &first))
		bail("pthread_setschedparam");
	while (atomic_load(&busy)) {
		usleep(MIDDLE_US);
		eventfd_add(*(int *)eventfd, 1);
	}
	return NULL;
}

/* What the guest waits for is a thread that has no other CPU than this one. */
static void neighbour(void)
{
	struct mica_irq_binding binding = { .address = MSI_TO_0, .data = 0x40, .fd = eventfd_new() };
	unsigned int parameter = get_parameter();
	struct mica_create_vm args = { 0 };
	struct polls polls;
	cpu_set_t before;
	pthread_t thread;
	struct guest g;

	set_parameter(LIMIT_US);
	stay_here(&before);
	start(&g, &args);
	check_equal(bind_irq(&g, binding), 0);
	atomic_store(&busy, true);
	if (pthread_create(&thread, NULL, wake, &binding.fd))
		bail("pthread_create");
	polls = halt(&g, 40, 10 * LONG_US);
	check(polls.halts >= 10, "the guest halted %lu times", (unsigned long)polls.halts);
	check_equal(polls.hit + polls.missed, 0);
	atomic_store(&busy, false);
	pthread_join(thread, NULL);
	guest_destroy(&g);
	close(binding.fd);
	sched_setaffinity(0, sizeof(before), &before);
	set_parameter(parameter);
}

TESTS(halt_tests) = {
	{ "halt-near-deadlines", near_deadlines },
	{ "halt-poll-adapts", adapts },
	{ "halt-poll-off", off },
	{ "halt-poll-not-alone", not_alone },
	{ "halt-poll-neighbour", neighbour },
	{ }
};
