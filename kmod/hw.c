// SPDX-License-Identifier: GPL-2.0-only
/*
 * Switching the CPUs' virtualization on and off: see hw.h.
 *
 * A percpu_rw_semaphore separates the vCPUs (readers, from load to put) from what needs
 * all of them out (the writer: suspend and reboot).  Unplugging one CPU needs no writer:
 * its hotplug thread runs there, so every vCPU has been scheduled out, and none enters
 * again because it looks at hw_enabled with interrupts off.
 */
#include "hw.h"

#include <linux/freezer.h>
#include <linux/percpu-rwsem.h>
#include <linux/suspend.h>
#include <linux/wait.h>

#include "backend.h"
#include "emergency.h"
#include "vm.h"

static DEFINE_PER_CPU(bool, hw_enabled);
static DEFINE_MUTEX(hw_mutex);		/* hw_users, with cpus_read_lock() outside of it */
static unsigned int hw_users;
static bool hw_going_down;
static enum cpuhp_state hw_cpuhp;

DEFINE_STATIC_PERCPU_RWSEM(hw_sem);
static DECLARE_WAIT_QUEUE_HEAD(hw_wait);
bool mica_hw_pausing;
static bool hw_paused;			/* [hw_mutex] all vCPUs are out, hw_sem is held for writing */
static u64 hw_tsc_at_pause;
static u64 hw_tsc_lost;

static void enable_here(void *failed)
{
	int error;

	if (__this_cpu_read(hw_enabled))
		return;
	error = mica_backend->cpu_enable();
	if (error)
		atomic_cmpxchg((atomic_t *)failed, 0, error);
	else
		__this_cpu_write(hw_enabled, true);
}

static void disable_here(void *unused)
{
	if (!__this_cpu_read(hw_enabled))
		return;
	mica_backend->cpu_disable();
	__this_cpu_write(hw_enabled, false);
}

/* Both: the caller holds cpus_read_lock(). */
static void disable_all(void)
{
	on_each_cpu(disable_here, NULL, 1);
	mica_emergency_in_use(false);
}

static int enable_all(void)
{
	atomic_t failed = ATOMIC_INIT(0);

	mica_emergency_in_use(true);
	on_each_cpu(enable_here, &failed, 1);
	if (atomic_read(&failed))
		disable_all();
	return atomic_read(&failed);
}

int mica_hw_get(void)
{
	int error = 0;

	cpus_read_lock();
	mutex_lock(&hw_mutex);
	if (hw_going_down)
		error = -ESHUTDOWN;
	else if (!hw_users && !hw_paused)	/* hw_resume() does it for who comes in a pause */
		error = enable_all();
	if (!error)
		hw_users++;
	mutex_unlock(&hw_mutex);
	cpus_read_unlock();
	return error;
}

void mica_hw_put(void)
{
	cpus_read_lock();
	mutex_lock(&hw_mutex);
	if (!--hw_users)
		disable_all();
	mutex_unlock(&hw_mutex);
	cpus_read_unlock();
}

int mica_hw_enter(void)
{
	int error;

	while (!percpu_down_read_trylock(&hw_sem)) {
		if (READ_ONCE(hw_going_down))
			return -ESHUTDOWN;
		error = wait_event_freezable(hw_wait, !READ_ONCE(mica_hw_pausing) ||
					     READ_ONCE(hw_going_down));
		if (error)
			return -EINTR;
	}
	if (READ_ONCE(hw_going_down)) {
		percpu_up_read(&hw_sem);
		return -ESHUTDOWN;
	}
	return 0;
}

void mica_hw_leave(void)
{
	percpu_up_read(&hw_sem);
}

bool mica_hw_here(void)
{
	return __this_cpu_read(hw_enabled);
}

u64 mica_hw_tsc_lost(void)
{
	return READ_ONCE(hw_tsc_lost);
}

/* All vCPUs out and all CPUs off; they stay so until hw_resume(). */
static void hw_pause(void)
{
	WRITE_ONCE(mica_hw_pausing, true);
	mica_vms_kick();
	percpu_down_write(&hw_sem);
	cpus_read_lock();
	mutex_lock(&hw_mutex);
	hw_paused = true;
	hw_tsc_at_pause = rdtsc();
	disable_all();
	mutex_unlock(&hw_mutex);
	cpus_read_unlock();
}

static void hw_resume(void)
{
	u64 now = rdtsc();

	if (!hw_paused)
		return;
	if (now < hw_tsc_at_pause)
		WRITE_ONCE(hw_tsc_lost, hw_tsc_lost + (hw_tsc_at_pause - now));
	cpus_read_lock();
	mutex_lock(&hw_mutex);
	hw_paused = false;
	if (hw_users && enable_all()) {
		pr_err("mica: cannot switch virtualization on again after suspend; guests stay stopped\n");
		WRITE_ONCE(hw_going_down, true);
	}
	mutex_unlock(&hw_mutex);
	cpus_read_unlock();
	WRITE_ONCE(mica_hw_pausing, false);
	percpu_up_write(&hw_sem);
	wake_up_all(&hw_wait);
}

static int hw_pm_event(struct notifier_block *block, unsigned long event, void *unused)
{
	switch (event) {
	case PM_SUSPEND_PREPARE:
	case PM_HIBERNATION_PREPARE:
	case PM_RESTORE_PREPARE:
		hw_pause();
		break;
	case PM_POST_SUSPEND:
	case PM_POST_HIBERNATION:
	case PM_POST_RESTORE:
		hw_resume();
		break;
	}
	return NOTIFY_DONE;
}

/* Reboot and kexec: the next kernel, or the firmware, must find VMX and SVM off. */
static int hw_reboot_event(struct notifier_block *block, unsigned long event, void *unused)
{
	WRITE_ONCE(hw_going_down, true);
	wake_up_all(&hw_wait);
	if (!hw_paused)
		hw_pause();
	return NOTIFY_DONE;
}

static struct notifier_block hw_pm_block = { .notifier_call = hw_pm_event };
static struct notifier_block hw_reboot_block = { .notifier_call = hw_reboot_event };

/* hw_users does not change while a CPU comes or goes (cpus_read_lock() in its writers). */
static int hw_cpu_online(unsigned int cpu)
{
	atomic_t failed = ATOMIC_INIT(0);

	if (!hw_users || hw_paused)
		return 0;
	local_irq_disable();
	enable_here(&failed);
	local_irq_enable();
	return atomic_read(&failed);
}

static int hw_cpu_offline(unsigned int cpu)
{
	local_irq_disable();
	disable_here(NULL);
	local_irq_enable();
	return 0;
}

int mica_hw_init(void)
{
	int state = cpuhp_setup_state(CPUHP_AP_ONLINE_DYN, "mica:online", hw_cpu_online,
				      hw_cpu_offline);
	int error;

	if (state < 0)
		return state;
	error = mica_emergency_init();
	if (error) {
		cpuhp_remove_state(state);
		return error;
	}
	hw_cpuhp = state;
	/* Here and not when the first guest starts: it rewrites code of the scheduler's, for which
	 * every CPU is interrupted. */
	preempt_notifier_inc();
	register_pm_notifier(&hw_pm_block);
	register_reboot_notifier(&hw_reboot_block);
	return 0;
}

void mica_hw_exit(void)
{
	unregister_reboot_notifier(&hw_reboot_block);
	unregister_pm_notifier(&hw_pm_block);
	preempt_notifier_dec();
	mica_emergency_exit();
	cpuhp_remove_state(hw_cpuhp);
}
