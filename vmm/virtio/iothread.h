/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A thread for the I/O of one device.  It exists from the start, so that nothing is needed
 * from the host once guests run, and is paused until the device is activated: while it is
 * paused whoever paused it owns what it works on.
 */
#ifndef MICA_VMM_VIRTIO_IOTHREAD_H
#define MICA_VMM_VIRTIO_IOTHREAD_H

#include <glib.h>
#include <stdbool.h>

#define IOTHREAD_WATCHES	4u

struct iothread;

/* `work` is called in the thread after a kick, after a resume, and whenever a watched
 * descriptor can be read.  It must not take the machine's lock, and should return soon
 * when iothread_pausing() says so. */
struct iothread *iothread_new(const char *name, void (*work)(void *opaque), void *opaque,
			      GError **error);
/* Must be paused.  NULL is fine. */
void iothread_free(struct iothread *thread);

/* A new thread is paused; one that runs must not be resumed. */
void iothread_resume(struct iothread *thread);
/* Returns when `work` has returned and will not be called before iothread_resume(), also if that was
 * so before. */
void iothread_pause(struct iothread *thread);
/* The same, but waits no longer than until `deadline`, of g_get_monotonic_time(): false, and it runs
 * on.  It must run. */
bool iothread_pause_until(struct iothread *thread, gint64 deadline);
bool iothread_pausing(const struct iothread *thread);
/* Of one that runs: waits until `done`, which is asked before and after calls of `work`, and by the
 * caller's thread, says so.  False: it had not by `deadline`. */
bool iothread_wait(struct iothread *thread, bool (*done)(const void *opaque), gint64 deadline);

/* The eventfd that kicks it: any thread may write it, or have the kernel do that; nobody reads it. */
int iothread_kick_fd(const struct iothread *thread);
void iothread_kick(struct iothread *thread);

/* While paused: one more descriptor to watch, for as long as it is open.  `watch`, if not NULL, gets
 * its number for iothread_watch_on(), which is for the thread itself, or for who paused it; a new
 * watch is on. */
gboolean iothread_watch(struct iothread *thread, int fd, unsigned int *watch, GError **error);
void iothread_watch_on(struct iothread *thread, unsigned int watch, bool on);

#endif
