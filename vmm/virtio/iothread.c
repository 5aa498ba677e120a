// SPDX-License-Identifier: GPL-2.0-or-later
#include "iothread.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "../error.h"
#include "../sandbox/thread.h"

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
	int kick;
	struct pollfd fds[1 + IOTHREAD_WATCHES];	/* the first is the kick */
	unsigned int count;

	_Atomic(enum wish) wish;
	pthread_mutex_t lock;		/* of the rest */
	pthread_cond_t changed;
	bool parked;			/* the thread waits for another wish */
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

static void take_kicks(struct iothread *thread)
{
	eventfd_t count;

	eventfd_read(thread->kick, &count);
}

/* Kicks are taken before the work that they are for: one that comes later ends the next wait. */
static void wait_for_work(struct iothread *thread)
{
	if (poll(thread->fds, thread->count, -1) > 0 && thread->fds[0].revents)
		take_kicks(thread);
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

struct iothread *iothread_new(const char *name, void (*work)(void *opaque), void *opaque,
			      GError **error)
{
	struct iothread *thread = g_new0(struct iothread, 1);
	int status;

	g_strlcpy(thread->name, name, sizeof(thread->name));
	thread->work = work;
	thread->opaque = opaque;
	thread->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (thread->kick < 0) {
		error_set_errno(error, errno, "%s: cannot make an eventfd", name);
		g_free(thread);
		return NULL;
	}
	pthread_mutex_init(&thread->lock, NULL);
	pthread_cond_init(&thread->changed, NULL);
	iothread_watch(thread, thread->kick);
	status = pthread_create(&thread->thread, NULL, iothread_main, thread);
	if (status) {
		error_set_errno(error, status, "%s: cannot start a thread", name);
		close(thread->kick);
		g_free(thread);
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
	pthread_cond_destroy(&thread->changed);
	pthread_mutex_destroy(&thread->lock);
	close(thread->kick);
	g_free(thread);
}

int iothread_kick_fd(const struct iothread *thread)
{
	return thread->kick;
}

void iothread_kick(struct iothread *thread)
{
	eventfd_write(thread->kick, 1);
}

unsigned int iothread_watch(struct iothread *thread, int fd)
{
	g_assert(thread->count < G_N_ELEMENTS(thread->fds));
	thread->fds[thread->count] = (struct pollfd){ .fd = fd, .events = POLLIN };
	return thread->count++;
}

/* poll() reports errors of a descriptor that it is asked nothing about, but ignores
 * negative ones. */
void iothread_watch_on(struct iothread *thread, unsigned int watch, bool on)
{
	struct pollfd *fd = &thread->fds[watch];

	if ((fd->fd < 0) == on)
		fd->fd = ~fd->fd;
}
