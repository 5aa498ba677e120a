// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One timerfd serves all timers.  Any thread that holds the machine's lock may move it to
 * an earlier time; the main loop then wakes by itself, so nobody has to tell it.
 *
 * `armed` is never later than the first deadline, and the main loop always arms anew after
 * it was woken: a timer is never forgotten.  It may be earlier, after a cancel: then one
 * wake-up finds nothing to do, which is cheaper than a system call for each cancel.
 */
#include "clock.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/queue.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "error.h"
#include "loop_lock.h"

#define NSEC_PER_SEC	1000000000ull

LIST_HEAD(timer_list, clock_timer);

struct clock_timer {
	LIST_ENTRY(clock_timer) link;
	struct clock *clock;
	uint64_t deadline;
	bool pending;			/* in one of the clock's two lists */
	void (*expired)(void *opaque);
	void *opaque;
};

struct clock {
	uv_poll_t poll;
	int fd;
	pthread_mutex_t *lock;
	int64_t base;			/* CLOCK_MONOTONIC when clock_now() was 0; before the
					 * host's own start if this was loaded */
	bool paused;
	uint64_t paused_at;		/* what clock_now() says then */
	uint64_t armed;			/* what the timerfd waits for; UINT64_MAX: nothing */
	struct timer_list pending;	/* in the order of their deadlines */
	struct timer_list due;		/* being called by the main loop */
};

static uint64_t monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * NSEC_PER_SEC + now.tv_nsec;
}

uint64_t clock_now(struct clock *clock)
{
	return clock->paused ? clock->paused_at : monotonic_ns() - (uint64_t)clock->base;
}

void clock_wall(struct clock *clock, int64_t *seconds, uint32_t *microseconds)
{
	struct timespec now;

	(void)clock;
	clock_gettime(CLOCK_REALTIME, &now);
	*seconds = now.tv_sec;
	*microseconds = now.tv_nsec / 1000;
}

/* Makes the timerfd expire at `deadline`, at once if it has passed. */
static void clock_arm(struct clock *clock, uint64_t deadline)
{
	struct itimerspec when = { 0 };
	int64_t absolute;

	clock->armed = deadline;
	if (__builtin_add_overflow(clock->base, deadline, &absolute))
		return;		/* in 300 years: the timerfd has expired and stays quiet */
	absolute = MAX(absolute, 1);	/* 0 would stop it */
	when.it_value.tv_sec = absolute / NSEC_PER_SEC;
	when.it_value.tv_nsec = absolute % NSEC_PER_SEC;
	timerfd_settime(clock->fd, TFD_TIMER_ABSTIME, &when, NULL);
}

/*
 * Calls what was due when the list was made, and each timer once: one that sets itself
 * to a time that has passed waits for the next round, and the guest gets the lock between.
 */
static void clock_call_due(struct clock *clock)
{
	struct clock_timer *timer, *last = NULL;
	uint64_t now = clock_now(clock);

	while ((timer = LIST_FIRST(&clock->pending)) && timer->deadline <= now) {
		LIST_REMOVE(timer, link);
		if (last)
			LIST_INSERT_AFTER(last, timer, link);
		else
			LIST_INSERT_HEAD(&clock->due, timer, link);
		last = timer;
	}
	while ((timer = LIST_FIRST(&clock->due))) {
		LIST_REMOVE(timer, link);
		timer->pending = false;
		timer->expired(timer->opaque);
	}
}

static void clock_arm_first(struct clock *clock)
{
	struct clock_timer *first = LIST_FIRST(&clock->pending);

	if (first && first->deadline < clock->armed)
		clock_arm(clock, first->deadline);
}

static void clock_wake(uv_poll_t *handle, int status, int events)
{
	struct clock *clock = handle->data;
	uint64_t expirations;

	(void)status;
	(void)events;
	/* EAGAIN if another thread has just moved the timer on; then it will expire again. */
	if (read(clock->fd, &expirations, sizeof(expirations)) < 0)
		return;
	loop_lock(clock->lock);
	clock->armed = UINT64_MAX;
	if (!clock->paused) {
		clock_call_due(clock);
		clock_arm_first(clock);
	}
	pthread_mutex_unlock(clock->lock);
}

void clock_pause(struct clock *clock)
{
	clock->paused_at = clock_now(clock);
	clock->paused = true;
}

/* What the timerfd waits for is too early now, or has come and was passed over. */
void clock_resume(struct clock *clock)
{
	clock->base = (int64_t)(monotonic_ns() - clock->paused_at);
	clock->paused = false;
	clock->armed = UINT64_MAX;
	clock_arm_first(clock);
}

void clock_save(struct clock *clock, struct clock_state *state)
{
	*state = (struct clock_state){ .now_ns = clock_now(clock) };
}

gboolean clock_load(struct clock *clock, const struct clock_state *state, GError **error)
{
	if (state->now_ns > CLOCK_MAX_NS || state->reserved)
		return error_set(error, "the checkpoint is damaged: the guest's clock has a time that "
				 "it cannot have");
	clock->paused_at = state->now_ns;
	clock->base = (int64_t)(monotonic_ns() - state->now_ns);
	if (!clock->paused) {
		clock->armed = UINT64_MAX;
		clock_arm_first(clock);
	}
	return TRUE;
}

struct clock *clock_new(struct uv_loop_s *loop, pthread_mutex_t *lock, GError **error)
{
	struct clock *clock = g_new0(struct clock, 1);
	int status;

	clock->lock = lock;
	clock->base = monotonic_ns();
	clock->armed = UINT64_MAX;
	LIST_INIT(&clock->pending);
	LIST_INIT(&clock->due);
	clock->fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	status = clock->fd < 0 ? -errno : uv_poll_init(loop, &clock->poll, clock->fd);
	if (status < 0) {
		g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(-status),
			    "cannot make a timer: %s", g_strerror(-status));
		if (clock->fd >= 0)
			close(clock->fd);
		g_free(clock);
		return NULL;
	}
	clock->poll.data = clock;
	uv_poll_start(&clock->poll, UV_READABLE, clock_wake);
	return clock;
}

static void clock_closed(uv_handle_t *handle)
{
	struct clock *clock = handle->data;

	close(clock->fd);
	g_free(clock);
}

void clock_free(struct clock *clock)
{
	if (!clock)
		return;
	g_assert(LIST_EMPTY(&clock->pending) && LIST_EMPTY(&clock->due));
	uv_close((uv_handle_t *)&clock->poll, clock_closed);
}

struct clock_timer *clock_timer_new(struct clock *clock, void (*expired)(void *opaque),
				    void *opaque)
{
	struct clock_timer *timer = g_new0(struct clock_timer, 1);

	timer->clock = clock;
	timer->expired = expired;
	timer->opaque = opaque;
	return timer;
}

void clock_timer_free(struct clock_timer *timer)
{
	if (!timer)
		return;
	clock_timer_cancel(timer);
	g_free(timer);
}

static void clock_insert(struct clock *clock, struct clock_timer *timer)
{
	struct clock_timer *other = LIST_FIRST(&clock->pending);

	if (!other || timer->deadline < other->deadline) {
		LIST_INSERT_HEAD(&clock->pending, timer, link);
		return;
	}
	while (LIST_NEXT(other, link) && LIST_NEXT(other, link)->deadline <= timer->deadline)
		other = LIST_NEXT(other, link);
	LIST_INSERT_AFTER(other, timer, link);
}

void clock_timer_set(struct clock_timer *timer, uint64_t deadline)
{
	struct clock *clock = timer->clock;

	clock_timer_cancel(timer);
	timer->deadline = deadline;
	timer->pending = true;
	clock_insert(clock, timer);
	if (deadline < clock->armed)
		clock_arm(clock, deadline);
}

void clock_timer_cancel(struct clock_timer *timer)
{
	if (!timer->pending)
		return;
	LIST_REMOVE(timer, link);
	timer->pending = false;
}
