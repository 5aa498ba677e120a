// SPDX-License-Identifier: GPL-2.0-or-later
#include "iothread.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "../error.h"
#include "../sandbox/thread.h"

#define UNWATCHED_MS	1

enum wish {
	WISH_PAUSE,
	WISH_RUN,
	WISH_END,
};

struct iothread {
	void (*work)(void *opaque);
	void *opaque;
	pthread_t thread;
	char name[16];			/* for ps(1); the kernel keeps no more */
	int kick;			/* never read: each write of it is an event */
	int epoll;			/* of the kick, by edges, and the watches, by levels */
	struct {
		int fd;
		bool on;
	} watches[IOTHREAD_WATCHES];
	unsigned int count;
	unsigned int unwatched;		/* those that are on, but the kernel took no more */

	_Atomic(enum wish) wish;
	pthread_mutex_t lock;		/* of the rest */
	pthread_cond_t changed;
	bool parked;			/* the thread waits for another wish */
	atomic_bool watched;		/* somebody waits for the end of calls of `work` */
};

bool iothread_pausing(const struct iothread *thread)
{
	return atomic_load_explicit(&thread->wish, memory_order_relaxed) != WISH_RUN;
}

/* Returns false at the end. */
static bool park(struct iothread *thread)
{
	enum wish wish;

	pthread_mutex_lock(&thread->lock);
	thread->parked = true;
	pthread_cond_broadcast(&thread->changed);
	while ((wish = atomic_load(&thread->wish)) == WISH_PAUSE)
		pthread_cond_wait(&thread->changed, &thread->lock);
	thread->parked = false;
	pthread_mutex_unlock(&thread->lock);
	return wish != WISH_END;
}

/* What ended the wait does not matter: `work` looks at everything, also at what is not watched. */
static void wait_for_work(struct iothread *thread)
{
	struct epoll_event events[1 + IOTHREAD_WATCHES];

	epoll_wait(thread->epoll, events, G_N_ELEMENTS(events),
		   thread->unwatched ? UNWATCHED_MS : -1);
}

static void tell_watcher(struct iothread *thread)
{
	pthread_mutex_lock(&thread->lock);
	pthread_cond_broadcast(&thread->changed);
	pthread_mutex_unlock(&thread->lock);
}

static void *iothread_main(void *opaque)
{
	struct iothread *thread = opaque;

	/* Of another thread glibc would open a file for it. */
	pthread_setname_np(pthread_self(), thread->name);
	thread_confine(THREAD_IO);
	while (park(thread)) {
		while (!iothread_pausing(thread)) {
			thread->work(thread->opaque);
			if (atomic_load_explicit(&thread->watched, memory_order_relaxed))
				tell_watcher(thread);
			if (!iothread_pausing(thread))
				wait_for_work(thread);
		}
	}
	return NULL;
}

static void set_wish(struct iothread *thread, enum wish wish)
{
	pthread_mutex_lock(&thread->lock);
	atomic_store(&thread->wish, wish);
	pthread_cond_broadcast(&thread->changed);
	pthread_mutex_unlock(&thread->lock);
	iothread_kick(thread);
}

void iothread_resume(struct iothread *thread)
{
	g_assert(iothread_pausing(thread));
	set_wish(thread, WISH_RUN);
}

void iothread_pause(struct iothread *thread)
{
	set_wish(thread, WISH_PAUSE);
	pthread_mutex_lock(&thread->lock);
	while (!thread->parked)
		pthread_cond_wait(&thread->changed, &thread->lock);
	pthread_mutex_unlock(&thread->lock);
}

/* With the lock.  False: the time is over. */
static bool wait_until(struct iothread *thread, gint64 deadline)
{
	const struct timespec end = {
		.tv_sec = deadline / G_USEC_PER_SEC,
		.tv_nsec = deadline % G_USEC_PER_SEC * 1000,
	};

	return pthread_cond_clockwait(&thread->changed, &thread->lock, CLOCK_MONOTONIC, &end) !=
	       ETIMEDOUT;
}

bool iothread_wait(struct iothread *thread, bool (*done)(const void *opaque), gint64 deadline)
{
	bool is_done;

	atomic_store(&thread->watched, true);
	iothread_kick(thread);
	pthread_mutex_lock(&thread->lock);
	while (!(is_done = done(thread->opaque)) && wait_until(thread, deadline))
		;
	pthread_mutex_unlock(&thread->lock);
	atomic_store(&thread->watched, false);
	return is_done;
}

bool iothread_pause_until(struct iothread *thread, gint64 deadline)
{
	bool parked;

	set_wish(thread, WISH_PAUSE);
	pthread_mutex_lock(&thread->lock);
	while (!thread->parked && wait_until(thread, deadline))
		;
	parked = thread->parked;
	pthread_mutex_unlock(&thread->lock);
	if (!parked)
		iothread_resume(thread);
	return parked;
}

static bool add(struct iothread *thread, int fd, uint32_t events)
{
	struct epoll_event event = { .events = events };

	return epoll_ctl(thread->epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

static void close_all(struct iothread *thread)
{
	pthread_cond_destroy(&thread->changed);
	pthread_mutex_destroy(&thread->lock);
	if (thread->kick >= 0)
		close(thread->kick);
	if (thread->epoll >= 0)
		close(thread->epoll);
	g_free(thread);
}

struct iothread *iothread_new(const char *name, void (*work)(void *opaque), void *opaque,
			      GError **error)
{
	struct iothread *thread = g_new0(struct iothread, 1);
	int status;

	g_strlcpy(thread->name, name, sizeof(thread->name));
	thread->work = work;
	thread->opaque = opaque;
	pthread_mutex_init(&thread->lock, NULL);
	pthread_cond_init(&thread->changed, NULL);
	thread->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	thread->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (thread->kick < 0 || thread->epoll < 0 || !add(thread, thread->kick, EPOLLIN | EPOLLET)) {
		error_set_errno(error, errno, "%s: cannot make an eventfd and watch it", name);
		close_all(thread);
		return NULL;
	}
	status = pthread_create(&thread->thread, NULL, iothread_main, thread);
	if (status) {
		error_set_errno(error, status, "%s: cannot start a thread", name);
		close_all(thread);
		return NULL;
	}
	return thread;
}

void iothread_free(struct iothread *thread)
{
	if (!thread)
		return;
	set_wish(thread, WISH_END);
	pthread_join(thread->thread, NULL);
	close_all(thread);
}

int iothread_kick_fd(const struct iothread *thread)
{
	return thread->kick;
}

void iothread_kick(struct iothread *thread)
{
	eventfd_write(thread->kick, 1);
}

gboolean iothread_watch(struct iothread *thread, int fd, unsigned int *watch, GError **error)
{
	g_assert(thread->count < G_N_ELEMENTS(thread->watches));
	if (!add(thread, fd, EPOLLIN))
		return error_set_errno(error, errno, "cannot watch a descriptor");
	thread->watches[thread->count].fd = fd;
	thread->watches[thread->count].on = true;
	if (watch)
		*watch = thread->count;
	thread->count++;
	return TRUE;
}

/* epoll reports errors of a descriptor that it is asked nothing about, and who signals one calls it:
 * so one that is off is not in there. */
void iothread_watch_on(struct iothread *thread, unsigned int watch, bool on)
{
	unsigned int bit = 1u << watch;
	int fd = thread->watches[watch].fd;

	if (thread->watches[watch].on == on)
		return;
	thread->watches[watch].on = on;
	if (on && !add(thread, fd, EPOLLIN))
		thread->unwatched |= bit;
	else if (!on && !(thread->unwatched & bit))
		epoll_ctl(thread->epoll, EPOLL_CTL_DEL, fd, NULL);
	else if (!on)
		thread->unwatched &= ~bit;
}
