// SPDX-License-Identifier: GPL-2.0-or-later
#include "loop_lock.h"

atomic_uint loop_lock_waiting;

/* Held by who waits for the lock. */
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

void loop_lock_step_aside(void)
{
	pthread_mutex_lock(&gate);
	pthread_mutex_unlock(&gate);
}

void loop_lock(pthread_mutex_t *lock)
{
	if (pthread_mutex_trylock(lock) == 0)
		return;
	pthread_mutex_lock(&gate);
	atomic_fetch_add(&loop_lock_waiting, 1);
	pthread_mutex_lock(lock);
	atomic_fetch_sub(&loop_lock_waiting, 1);
	pthread_mutex_unlock(&gate);
}
