// SPDX-License-Identifier: GPL-2.0-or-later
#include "machine_pause.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <time.h>
#include <x86intrin.h>

#include "error.h"
#include "loop_lock.h"
#include "machine.h"
#include "message.h"
#include "vcpu.h"

/* A vCPU that waits for memory that the host reads from a slow disk may take this long. */
#define PAUSE_SECONDS	5

bool machine_paused(const struct machine *machine)
{
	return machine->paused;
}

void machine_park(struct machine *machine)
{
	vcpu_lock(&machine->lock);
	machine->parked++;
	pthread_cond_signal(&machine->all_parked);
	while (atomic_load(&machine->pausing) && !atomic_load(&machine->stopping))
		pthread_cond_wait(&machine->resumed, &machine->lock);
	machine->parked--;
	pthread_mutex_unlock(&machine->lock);
}

/* With the lock.  Who was kicked may enter the guest again. */
static void pause_let_go(struct machine *machine)
{
	atomic_store(&machine->pausing, false);
	for (unsigned int i = 0; i < machine->vcpu_count; i++)
		vcpu_unkick(machine->vcpus[i]);
	console_hold(machine->console);
	pthread_cond_broadcast(&machine->resumed);
}

/* With the lock.  The lock keeps the threads from parking before all of them are kicked. */
static gboolean pause_wait(struct machine *machine, GError **error)
{
	struct timespec until;

	atomic_store(&machine->pausing, true);
	for (unsigned int i = 0; i < machine->vcpu_count; i++)
		vcpu_kick(machine->vcpus[i]);
	console_release(machine->console);
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += PAUSE_SECONDS;
	while (machine->parked < machine->vcpu_count && machine->end == MACHINE_RUNS)
		if (pthread_cond_timedwait(&machine->all_parked, &machine->lock, &until))
			break;
	if (machine->end != MACHINE_RUNS)
		return error_set(error, "the guest is ending");
	if (machine->parked == machine->vcpu_count)
		return TRUE;
	pause_let_go(machine);
	return error_set(error, "%u of %u virtual CPUs did not stop in %d seconds; the guest runs "
			 "on", machine->vcpu_count - machine->parked, machine->vcpu_count,
			 PAUSE_SECONDS);
}

gboolean machine_pause(struct machine *machine, GError **error)
{
	gboolean paused;

	if (machine->paused)
		return TRUE;
	loop_lock(&machine->lock);
	paused = machine->end == MACHINE_RUNS ? pause_wait(machine, error)
					      : error_set(error, "the guest is ending");
	if (paused) {
		clock_pause(machine->clock);
		machine->paused_tsc = __rdtsc();
	}
	pthread_mutex_unlock(&machine->lock);
	machine->paused = paused;
	if (paused)
		machine_notify(machine, MACHINE_PAUSED);
	return paused;
}

/*
 * The same step for all vCPUs, so that their TSCs stay alike.  If the host was suspended
 * meanwhile its TSC may have started anew, and the module hides that from guests: then there
 * is nothing to take back.
 */
gboolean machine_settle_tsc(struct machine *machine, GError **error)
{
	uint64_t now = __rdtsc();
	struct mica_move_tsc request = { .delta = -(int64_t)(now - machine->paused_tsc) };

	if (now < machine->paused_tsc)
		return TRUE;
	machine->paused_tsc = now;
	for (unsigned int i = 0; i < machine->vcpu_count; i++)
		if (ioctl(machine->vcpus[i]->fd, MICA_VCPU_MOVE_TSC, &request) < 0)
			return error_set_errno(error, errno, "cannot set the TSC of vCPU %u", i);
	return TRUE;
}

gboolean machine_resume(struct machine *machine, GError **error)
{
	gboolean resumed;

	if (!machine->paused)
		return TRUE;
	loop_lock(&machine->lock);
	resumed = machine->end == MACHINE_RUNS ? machine_settle_tsc(machine, error)
					       : error_set(error, "the guest is ending");
	if (resumed) {
		clock_resume(machine->clock);
		pause_let_go(machine);
	}
	pthread_mutex_unlock(&machine->lock);
	if (!resumed)
		return FALSE;
	machine->paused = false;
	machine_notify(machine, MACHINE_RESUMED);
	return TRUE;
}
