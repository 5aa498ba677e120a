/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The machine's lock is a mutex that vCPU threads take at each exit, and a mutex is not fair: a
 * guest that does nothing else keeps the main loop from it, and so timers, the control socket and
 * signals.  So whoever must not starve says that it waits, and vCPU threads let it go first.
 *
 * A program has one main loop and one machine: what belongs to that is in loop_lock.c.
 */
#ifndef MICA_VMM_LOOP_LOCK_H
#define MICA_VMM_LOOP_LOCK_H

#include <glib.h>
#include <pthread.h>
#include <stdatomic.h>

extern atomic_uint loop_lock_waiting;

/* Waits until nobody waits in loop_lock(). */
void loop_lock_step_aside(void);

/* For the main loop: vCPU threads take the lock once more at most. */
void loop_lock(pthread_mutex_t *lock);

/* For vCPU threads; both are undone by pthread_mutex_unlock(). */
static inline void vcpu_lock(pthread_mutex_t *lock)
{
	if (G_UNLIKELY(atomic_load_explicit(&loop_lock_waiting, memory_order_relaxed)))
		loop_lock_step_aside();
	pthread_mutex_lock(lock);
}

#endif
