// SPDX-License-Identifier: GPL-2.0-or-later
#include "console_output.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "insn.h"
#include "message.h"
#include "sandbox/thread.h"
#include "signals.h"

#define RING_SIZE	524288u		/* a power of two; a quiet guest needs a page */
#define RING_HIGH	32768u		/* the guest waits from here on */
#define RING_LOW	8192u		/* until here */
#define CHUNK_SIZE	4096u		/* bytes of one write() */
/*
 * Guests print byte by byte.  The thread waits this long after the first one for more to
 * come: a wake-up and a system call for each would cost more than the guest's own work,
 * and nobody sees two milliseconds.
 */
#define GATHER_NS	2000000
#define KICK_NS		10000000	/* between two attempts to interrupt a write() */

/* A vCPU prints at most one string instruction before it waits, so nothing is lost. */
G_STATIC_ASSERT(RING_HIGH + MICA_MAX_VCPUS * INSN_STRING_BYTES <= RING_SIZE);

struct console_output {
	pthread_mutex_t lock;
	pthread_cond_t wake;		/* the thread: first byte, half full, draining, stop */
	pthread_cond_t room;		/* who waits for room, or for the thread's end */
	pthread_t thread;
	int fd;
	bool pty;
	void (*drained)(void *opaque);
	void (*told_room)(void *opaque);
	void *opaque;
	/* below: under the lock */
	uint32_t head;			/* total bytes put; free running */
	uint32_t tail;			/* total bytes taken */
	bool full;			/* somebody was told so, and not yet that it is over */
	bool released;
	bool draining;
	bool stop;
	bool finished;			/* the thread is at its end */
	bool failed;
	uint64_t lost;			/* bytes that did not fit */
	uint8_t ring[RING_SIZE];
};

static uint32_t ring_used(const struct console_output *output)
{
	return output->head - output->tail;
}

static size_t ring_take(struct console_output *output, uint8_t *to, size_t limit)
{
	uint32_t at = output->tail % RING_SIZE;
	size_t count = MIN(MIN(ring_used(output), limit), RING_SIZE - at);

	memcpy(to, output->ring + at, count);
	output->tail += count;
	if (!ring_used(output))
		output->head = output->tail = 0;
	return count;
}

static size_t ring_put(struct console_output *output, const uint8_t *from, size_t count)
{
	size_t fits = MIN(count, RING_SIZE - ring_used(output));

	for (size_t i = 0; i < fits; i++)
		output->ring[output->head++ % RING_SIZE] = from[i];
	return fits;
}

static struct timespec output_deadline(long ns)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += ns;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	return until;
}

/* With the lock held.  False when the thread has to end. */
static bool output_wait_for_bytes(struct console_output *output)
{
	struct timespec until;

	while (!ring_used(output) && !output->draining && !output->stop)
		pthread_cond_wait(&output->wake, &output->lock);
	if (output->stop || !ring_used(output))
		return false;
	until = output_deadline(GATHER_NS);
	while (ring_used(output) < RING_HIGH && !output->draining && !output->stop)
		if (pthread_cond_timedwait(&output->wake, &output->lock, &until) == ETIMEDOUT)
			break;
	return !output->stop;
}

/* Nobody has opened the slave, or it was closed again (tty_ioctl and pty manual pages). */
static bool output_has_no_reader(struct console_output *output)
{
	struct pollfd poll_fd = { .fd = output->fd };

	return output->pty && poll(&poll_fd, 1, 0) == 1 && (poll_fd.revents & POLLHUP);
}

static bool output_stopped(struct console_output *output)
{
	bool stop;

	pthread_mutex_lock(&output->lock);
	stop = output->stop;
	pthread_mutex_unlock(&output->lock);
	return stop;
}

/* Without the lock.  console_output_free() interrupts it.  Returns 0 or -errno. */
static int output_write(struct console_output *output, const uint8_t *bytes, size_t count)
{
	struct pollfd poll_fd = { .fd = output->fd, .events = POLLOUT };
	ssize_t written;

	while (count > 0 && !output_has_no_reader(output)) {
		written = write(output->fd, bytes, count);
		if (written >= 0) {
			bytes += written;
			count -= written;
			continue;
		}
		if (errno != EINTR && errno != EAGAIN)
			return -errno;
		if (errno == EAGAIN)
			poll(&poll_fd, 1, -1);
		if (output_stopped(output))
			return 0;
	}
	return 0;
}

/* With the lock, which is let go while the user is told: that may take a while as well. */
static void output_fail(struct console_output *output, int error)
{
	output->failed = true;
	output->tail = output->head;
	pthread_mutex_unlock(&output->lock);
	message("cannot write the guest's console output (%s): from here on it is thrown away",
		g_strerror(-error));
	pthread_mutex_lock(&output->lock);
}

/* With the lock. */
static void output_tell_room(struct console_output *output)
{
	if (ring_used(output) > RING_LOW)
		return;
	pthread_cond_broadcast(&output->room);
	if (output->full)
		output->told_room(output->opaque);
	output->full = false;
}

static void *output_thread(void *opaque)
{
	struct console_output *output = opaque;
	uint8_t chunk[CHUNK_SIZE];
	uint64_t lost;
	size_t count;
	int error;

	prctl(PR_SET_NAME, "console");
	signals_accept_kick();
	thread_confine(THREAD_IO);
	pthread_mutex_lock(&output->lock);
	while (output_wait_for_bytes(output)) {
		while (!output->stop && (count = ring_take(output, chunk, sizeof(chunk)))) {
			pthread_mutex_unlock(&output->lock);
			error = output_write(output, chunk, count);
			pthread_mutex_lock(&output->lock);
			if (error)
				output_fail(output, error);
			output_tell_room(output);
		}
	}
	lost = output->lost;
	pthread_mutex_unlock(&output->lock);
	if (lost)
		message("%" PRIu64 " bytes of the guest's console output did not fit and are lost",
			lost);
	output->drained(output->opaque);
	pthread_mutex_lock(&output->lock);
	output->finished = true;
	pthread_cond_broadcast(&output->room);
	pthread_mutex_unlock(&output->lock);
	return NULL;
}

/* The main thread's signals are none of this thread's, also those that are not blocked yet. */
static int output_start_thread(struct console_output *output)
{
	sigset_t all, before;
	int status;

	signals_prepare_kick();
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	status = pthread_create(&output->thread, NULL, output_thread, output);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return status;
}

struct console_output *console_output_new(int fd, bool pty, void (*drained)(void *opaque),
					  void (*room)(void *opaque), void *opaque,
					  GError **error)
{
	struct console_output *output = g_new0(struct console_output, 1);
	pthread_condattr_t monotonic;
	int status;

	output->fd = fd;
	output->pty = pty;
	output->drained = drained;
	output->told_room = room;
	output->opaque = opaque;
	pthread_mutex_init(&output->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&output->wake, &monotonic);
	pthread_cond_init(&output->room, &monotonic);
	pthread_condattr_destroy(&monotonic);
	status = output_start_thread(output);
	if (!status)
		return output;
	g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(status),
		    "cannot start a thread: %s", g_strerror(status));
	g_free(output);
	return NULL;
}

/* The thread may sit in a write() to a terminal or pipe that nobody empties, or be about to
 * enter it: then one signal is not enough. */
void console_output_free(struct console_output *output)
{
	struct timespec until;

	if (!output)
		return;
	pthread_mutex_lock(&output->lock);
	output->stop = true;
	pthread_cond_signal(&output->wake);
	while (!output->finished) {
		pthread_kill(output->thread, SIGNAL_KICK);
		until = output_deadline(KICK_NS);
		pthread_cond_timedwait(&output->room, &output->lock, &until);
	}
	pthread_mutex_unlock(&output->lock);
	pthread_join(output->thread, NULL);
	pthread_cond_destroy(&output->wake);
	pthread_cond_destroy(&output->room);
	pthread_mutex_destroy(&output->lock);
	g_free(output);
}

bool console_output_put(struct console_output *output, const uint8_t *bytes, size_t count)
{
	uint32_t before;
	size_t fits;
	bool full;

	pthread_mutex_lock(&output->lock);
	if (output->failed) {
		pthread_mutex_unlock(&output->lock);
		return false;
	}
	before = ring_used(output);
	fits = ring_put(output, bytes, count);
	output->lost += count - fits;
	full = ring_used(output) >= RING_HIGH;
	output->full = output->full || full;
	if (!before || (full && before < RING_HIGH))
		pthread_cond_signal(&output->wake);
	pthread_mutex_unlock(&output->lock);
	return full;
}

void console_output_wait(struct console_output *output)
{
	pthread_mutex_lock(&output->lock);
	while (ring_used(output) > RING_LOW && !output->released)
		pthread_cond_wait(&output->room, &output->lock);
	pthread_mutex_unlock(&output->lock);
}

void console_output_release(struct console_output *output)
{
	pthread_mutex_lock(&output->lock);
	output->released = true;
	pthread_cond_broadcast(&output->room);
	pthread_mutex_unlock(&output->lock);
}

void console_output_hold(struct console_output *output)
{
	pthread_mutex_lock(&output->lock);
	output->released = false;
	pthread_mutex_unlock(&output->lock);
}

void console_output_drain(struct console_output *output)
{
	pthread_mutex_lock(&output->lock);
	output->draining = true;
	pthread_cond_signal(&output->wake);
	pthread_mutex_unlock(&output->lock);
}
