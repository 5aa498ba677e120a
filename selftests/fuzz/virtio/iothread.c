// SPDX-License-Identifier: GPL-2.0-or-later
#include "iothread.h"

#include "../input.h"

#define PATIENCE	64u		/* questions whether it shall pause, in one call */

struct iothread {
	void (*work)(void *opaque);
	void *opaque;
	bool runs;
	bool works;
	unsigned int watches;
	unsigned int patience;
	GList link;			/* of `threads` */
};

static GQueue threads = G_QUEUE_INIT;

struct iothread *iothread_new(const char *name, void (*work)(void *opaque), void *opaque,
			      GError **error)
{
	struct iothread *thread = g_new0(struct iothread, 1);

	(void)error;
	CHECK(name && work);
	thread->work = work;
	thread->opaque = opaque;
	thread->link.data = thread;
	g_queue_push_tail_link(&threads, &thread->link);
	return thread;
}

void iothread_free(struct iothread *thread)
{
	CHECK(!thread || !thread->runs);
	if (thread)
		g_queue_unlink(&threads, &thread->link);
	g_free(thread);
}

void iothread_resume(struct iothread *thread)
{
	CHECK(!thread->runs);
	thread->runs = true;
}

void iothread_pause(struct iothread *thread)
{
	CHECK(!thread->works);
	thread->runs = false;
}

bool iothread_pause_until(struct iothread *thread, gint64 deadline)
{
	(void)deadline;
	CHECK(thread->runs);
	iothread_pause(thread);
	return true;
}

bool iothread_wait(struct iothread *thread, bool (*done)(const void *opaque), gint64 deadline)
{
	(void)deadline;
	for (unsigned int i = 0; i < PATIENCE && !done(thread->opaque); i++)
		fuzz_iothread_work(thread);
	return done(thread->opaque);
}

bool iothread_pausing(const struct iothread *thread)
{
	struct iothread *counted = (struct iothread *)thread;

	return !thread->runs || !counted->patience || !--counted->patience;
}

int iothread_kick_fd(const struct iothread *thread)
{
	(void)thread;
	return -1;
}

void iothread_kick(struct iothread *thread)
{
	(void)thread;
}

gboolean iothread_watch(struct iothread *thread, int fd, unsigned int *watch, GError **error)
{
	(void)error;
	CHECK(fd >= 0 && !thread->runs && thread->watches < IOTHREAD_WATCHES);
	if (watch)
		*watch = thread->watches;
	thread->watches++;
	return TRUE;
}

void iothread_watch_on(struct iothread *thread, unsigned int watch, bool on)
{
	(void)on;
	CHECK(watch < thread->watches);
}

void fuzz_iothread_work(struct iothread *thread)
{
	if (!thread->runs)
		return;
	thread->patience = PATIENCE;
	thread->works = true;
	thread->work(thread->opaque);
	thread->works = false;
}

void fuzz_iothread_work_all(void)
{
	for (GList *link = threads.head; link; link = link->next)
		fuzz_iothread_work(link->data);
}
