// SPDX-License-Identifier: GPL-2.0-or-later
/* Two vCPUs on one CPU of the host, each of which waits for the other with PAUSE. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>

#include "guest.h"

#define ROUNDS		"20"
#define ANSWERER	256	/* offset of the second vCPU's code */

GUEST_CODE(spin_code, ".code64",
	"mov $0x100000, %edi\n mov $" ROUNDS ", %ecx\n"
	"1: movl $1, (%rdi)\n 2: pause\n cmpl $2, (%rdi)\n jne 2b\n dec %ecx\n jnz 1b\n" DONE
	".balign 256\n mov $0x100000, %edi\n"
	"3: pause\n cmpl $1, (%rdi)\n jne 3b\n movl $2, (%rdi)\n jmp 3b");

static void *run_answerer(void *arg)
{
	struct guest *other = arg;

	while (ioctl(other->vcpu, MICA_VCPU_RUN) && errno == EINTR && !other->run->immediate_exit)
		;
	return NULL;
}

static void stay_on_one_cpu(cpu_set_t *before)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	if (sched_getaffinity(0, sizeof(*before), before) || sched_setaffinity(0, sizeof(one), &one))
		bail("sched_setaffinity");
}

static void spin_for_each_other(void)
{
	struct mica_vcpu_state state;
	struct guest g, other;
	pthread_t thread;
	cpu_set_t before;

	guest_init(&g);
	guest_load(&g, G_LONG, spin_code, spin_code_end);
	other = g;
	other.vcpu = guest_add_vcpu(&g, 1, &other.run);
	guest_get(&g, &state);
	state.gprs.rip = G_CODE + ANSWERER;
	state.events.mp_state = MICA_MP_RUNNABLE;
	guest_set(&other, MICA_STATE_GPRS | MICA_STATE_SEGS | MICA_STATE_CRS | MICA_STATE_MSRS |
		  MICA_STATE_EVENTS, &state);
	stay_on_one_cpu(&before);
	if (pthread_create(&thread, NULL, run_answerer, &other))
		bail("pthread_create");
	guest_finish(&g);
	/* Not every CPU has such exits. */
	if (guest_stat(&g, "pause"))
		check(guest_stat(&g, "spin_yields"), "nobody was given the time");
	other.run->immediate_exit = 1;
	pthread_kill(thread, SIGUSR1);
	pthread_join(thread, NULL);
	sched_setaffinity(0, sizeof(before), &before);
	guest_destroy(&g);
}

TESTS(spin_tests) = {
	{ "spin-for-each-other", spin_for_each_other },
	{ }
};
