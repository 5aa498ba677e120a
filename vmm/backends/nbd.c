// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A disk that an NBD server keeps, by libnbd: with qemu-nbd or nbdkit in any format that
 * they know.
 *
 * Source: the NBD protocol ("The NBD protocol", doc/proto.md of the project) and libnbd(3).
 *
 * libnbd's callbacks come while it holds the handle's lock, so they only move a command from
 * `under_way` to `finished`; settle() goes on with it.  A server that closes the connection,
 * or has not answered for a while, is gone for good: whatever it had and whatever comes later
 * fails, nothing waits.
 */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "../error.h"
#include "../message.h"
#include "bounce.h"
#include "nbd_library.h"

#define SECTOR		512u
#define TRANSFER_MAX	(1u << 20)	/* bytes of one read or write; servers take 32 MiB */
#define CLEAR_MAX	(1u << 30)	/* bytes of one trim or zero */

/* The unit tests have less of both. */
#ifndef NBD_PATIENCE_MS
#define NBD_PATIENCE_MS	60000		/* without any answer; for all answers of a drain */
#define NBD_DRAIN_MS	5000		/* without any answer while a drain waits */
#endif

struct nbd {
	struct block block;		/* the first member; block.fd is the epoll */
	struct nbd_handle *handle;	/* NULL: the server is gone */
	char *name;
	int timer;
	uint32_t events;		/* that the epoll looks for at the connection */
	bool can_flush;
	bool can_fua;
	bool can_trim;
	bool can_zero;
	bool failed;			/* a flush has: see block.h */
	struct bounces bounces;
	void *zeroes;			/* TRANSFER_MAX bytes, for a server that cannot zero */
	GQueue under_way;		/* of struct command */
	GQueue finished;
	GQueue waiting;			/* for a bounce buffer */
};

/* A request, as one NBD command after the other. */
struct command {
	GList link;
	struct nbd *nbd;
	struct block_request *request;
	uint64_t offset;		/* of the current part */
	uint32_t length;
	bool sent;			/* it is in `under_way` */
	bool last;			/* nothing follows it */
	int error;
};

static struct nbd *nbd_of(struct block *block)
{
	return (struct nbd *)block;
}

/* ---------------------------------------------------------------- the guest's buffers */

static bool is_transfer(const struct command *command)
{
	const struct block_request *request = command->request;

	return request->op == BLOCK_READ || request->op == BLOCK_WRITE;
}

/* Makes sure that the next part is in one piece; errors of bounce_take(). */
static int prepare_part(struct command *command)
{
	struct block_request *request = command->request;

	if (!is_transfer(command) || !request->left_length)
		return 0;
	command->length = MIN(request->left_length, TRANSFER_MAX);
	if (request->left->iov_len >= command->length)
		return 0;
	return bounce_take(&command->nbd->bounces, request, command->length);
}

/* Where the current part is read to or written from; NULL: no memory. */
static void *part_buffer(struct command *command)
{
	struct block_request *request = command->request;
	struct nbd *nbd = command->nbd;

	if (request->op == BLOCK_WRITE_ZEROES) {
		if (!nbd->zeroes)
			nbd->zeroes = g_try_malloc0(TRANSFER_MAX);
		return nbd->zeroes;
	}
	if (!request->bounce)
		return request->left->iov_base;
	if (request->op == BLOCK_WRITE)
		bounce_fill(request, command->length);
	return request->bounce;
}

/* The current part has been transferred, or has failed. */
static void end_part(struct command *command)
{
	struct block_request *request = command->request;

	if (is_transfer(command) && !command->error)
		bounce_advance(request, command->length);
	else
		request->left_length -= command->length;
	bounce_put(&command->nbd->bounces, request);
	command->offset += command->length;
}

/* ---------------------------------------------------------------- commands */

static bool is_gone(const struct nbd *nbd)
{
	return nbd_aio_is_dead(nbd->handle) || nbd_aio_is_closed(nbd->handle);
}

static int completed(void *opaque, int *error)
{
	struct command *command = opaque;
	struct nbd *nbd = command->nbd;

	command->error = *error > 0 ? -*error : 0;
	command->sent = false;
	g_queue_unlink(&nbd->under_way, &command->link);
	g_queue_push_tail_link(&nbd->finished, &command->link);
	return 1;			/* libnbd forgets it */
}

static void finish(struct command *command)
{
	struct block_request *request = command->request;
	struct nbd *nbd = command->nbd;
	int error = command->error;

	if (block_breaks_promise(request, error) || (error && command->last))
		nbd->failed = true;
	bounce_put(&nbd->bounces, request);
	g_free(command);
	request->done(request, error);
}

static int64_t send_transfer(struct command *command, nbd_completion_callback callback)
{
	struct nbd *nbd = command->nbd;
	uint32_t flags = command->request->durable && nbd->can_fua ? LIBNBD_CMD_FLAG_FUA : 0;
	void *buffer;

	command->length = MIN(command->request->left_length, TRANSFER_MAX);
	buffer = part_buffer(command);
	if (!buffer)
		return -1;
	if (command->request->op == BLOCK_READ)
		return nbd_aio_pread(nbd->handle, buffer, command->length, command->offset,
				     callback, 0);
	return nbd_aio_pwrite(nbd->handle, buffer, command->length, command->offset, callback,
			      flags);
}

static int64_t send_clear(struct command *command, nbd_completion_callback callback)
{
	const struct block_request *request = command->request;
	struct nbd *nbd = command->nbd;
	uint32_t flags = 0;

	if (request->op == BLOCK_WRITE_ZEROES && !nbd->can_zero)
		return send_transfer(command, callback);
	command->length = MIN(request->left_length, CLEAR_MAX);
	if (request->durable && nbd->can_fua)
		flags |= LIBNBD_CMD_FLAG_FUA;
	if (request->op == BLOCK_DISCARD)
		return nbd_aio_trim(nbd->handle, command->length, command->offset, callback,
				    flags);
	if (!request->may_unmap)
		flags |= LIBNBD_CMD_FLAG_NO_HOLE;
	return nbd_aio_zero(nbd->handle, command->length, command->offset, callback, flags);
}

/* A flush, or the one behind a durable request for a server without FUA. */
static int64_t send_flush(struct command *command, nbd_completion_callback callback)
{
	command->length = 0;
	command->last = true;
	return nbd_aio_flush(command->nbd->handle, callback, 0);
}

static int64_t send_part(struct command *command)
{
	const nbd_completion_callback callback = { completed, command, NULL };

	if (!command->request->left_length)
		return send_flush(command, callback);
	switch (command->request->op) {
	case BLOCK_READ:
	case BLOCK_WRITE:
		return send_transfer(command, callback);
	case BLOCK_DISCARD:
	case BLOCK_WRITE_ZEROES:
		return send_clear(command, callback);
	case BLOCK_FLUSH:
		break;
	}
	g_assert_not_reached();
}

/* Whether there is nothing more to ask of the server. */
static bool is_done(const struct command *command)
{
	const struct block_request *request = command->request;
	struct nbd *nbd = command->nbd;

	if (command->error || command->last)
		return true;
	if (request->op == BLOCK_DISCARD && !nbd->can_trim)
		return true;			/* a wish */
	if (request->left_length)
		return false;
	return !nbd->can_flush ||
	       (request->op != BLOCK_FLUSH && (!request->durable || nbd->can_fua));
}

static void send_or_finish(struct command *command)
{
	struct nbd *nbd = command->nbd;

	command->sent = true;
	g_queue_push_tail_link(&nbd->under_way, &command->link);
	if (send_part(command) >= 0 || !command->sent)
		return;
	g_queue_unlink(&nbd->under_way, &command->link);
	command->sent = false;
	command->error = is_gone(nbd) ? -EIO : -ENOMEM;
	finish(command);
}

/* Sends the next part or finishes the request; false: it must wait for a bounce buffer. */
static bool try_next_part(struct command *command)
{
	int error = 0;

	if (!command->error && !command->nbd->handle)
		command->error = -EIO;
	if (!is_done(command))
		error = prepare_part(command);
	if (error == -EBUSY)
		return false;
	if (error)
		command->error = error;
	if (is_done(command))
		finish(command);
	else
		send_or_finish(command);
	return true;
}

/* Nobody overtakes those that wait. */
static void next_part(struct command *command)
{
	struct nbd *nbd = command->nbd;

	if (!g_queue_is_empty(&nbd->waiting) || !try_next_part(command))
		g_queue_push_tail_link(&nbd->waiting, &command->link);
}

/* Whoever holds a bounce buffer is under way, so this comes for all of them. */
static void go_on(struct nbd *nbd)
{
	GList *link;

	while ((link = g_queue_pop_head_link(&nbd->waiting)))
		if (!try_next_part(link->data)) {
			g_queue_push_head_link(&nbd->waiting, link);
			return;
		}
}

/* ---------------------------------------------------------------- the connection */

static void lose(struct nbd *nbd, const char *why)
{
	struct command *command;

	message("disk %s: the server is gone (%s); the guest gets I/O errors from now on",
		nbd->name, why);
	nbd_close(g_steal_pointer(&nbd->handle));
	nbd->failed = true;
	while (!g_queue_is_empty(&nbd->under_way)) {
		command = g_queue_peek_head(&nbd->under_way);
		command->error = -EIO;
		command->sent = false;
		g_queue_unlink(&nbd->under_way, &command->link);
		g_queue_push_tail_link(&nbd->finished, &command->link);
	}
}

static void set_timer(struct nbd *nbd, bool on)
{
	const struct itimerspec time = {
		.it_value.tv_sec = on ? NBD_PATIENCE_MS / 1000 : 0,
		.it_value.tv_nsec = on ? NBD_PATIENCE_MS % 1000 * 1000000 : 0,
	};

	timerfd_settime(nbd->timer, 0, &time, NULL);
}

/* Looks for what the connection can do next; false: it is closed. */
static bool watch(struct nbd *nbd)
{
	unsigned int direction = nbd_aio_get_direction(nbd->handle);
	struct epoll_event event = { .data.fd = 0 };

	if (is_gone(nbd))
		return false;
	if (direction & LIBNBD_AIO_DIRECTION_READ)
		event.events |= EPOLLIN;
	if (direction & LIBNBD_AIO_DIRECTION_WRITE)
		event.events |= EPOLLOUT;
	if (event.events == nbd->events)
		return true;
	nbd->events = event.events;
	return epoll_ctl(nbd->block.fd, EPOLL_CTL_MOD, nbd_aio_get_fd(nbd->handle), &event) == 0;
}

/* Goes on with what the server has answered. */
static void settle(struct nbd *nbd)
{
	struct command *command;

	if (!g_queue_is_empty(&nbd->finished))
		set_timer(nbd, true);
	do {
		while (!g_queue_is_empty(&nbd->finished)) {
			command = g_queue_peek_head(&nbd->finished);
			g_queue_unlink(&nbd->finished, &command->link);
			end_part(command);
			next_part(command);
		}
		go_on(nbd);
		if (nbd->handle && !watch(nbd))
			lose(nbd, "it closed the connection");
	} while (!g_queue_is_empty(&nbd->finished));
	if (g_queue_is_empty(&nbd->under_way))
		set_timer(nbd, false);
}

/* What it may do next can be something else than when the epoll was told. */
static void talk(struct nbd *nbd, uint32_t events)
{
	int status = 0;

	if ((events & EPOLLOUT) &&
	    (nbd_aio_get_direction(nbd->handle) & LIBNBD_AIO_DIRECTION_WRITE))
		status = nbd_aio_notify_write(nbd->handle);
	if (status == 0 && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) &&
	    (nbd_aio_get_direction(nbd->handle) & LIBNBD_AIO_DIRECTION_READ))
		status = nbd_aio_notify_read(nbd->handle);
	if (status < 0 && is_gone(nbd))
		lose(nbd, nbd_get_error());
}

/* Returns how many events there were. */
static int pump(struct nbd *nbd, int timeout_ms)
{
	struct epoll_event events[2];
	int count = epoll_wait(nbd->block.fd, events, G_N_ELEMENTS(events), timeout_ms);

	for (int i = 0; i < count && nbd->handle; i++) {
		if (events[i].data.fd == nbd->timer)
			lose(nbd, "it does not answer");
		else
			talk(nbd, events[i].events);
	}
	settle(nbd);
	return count < 0 && errno == EINTR ? 1 : count;
}

/* ---------------------------------------------------------------- as a disk */

static void nbd_submit(struct block *block, struct block_request *request)
{
	struct command *command = g_new0(struct command, 1);
	struct nbd *nbd = nbd_of(block);

	command->link.data = command;
	command->nbd = nbd;
	command->request = request;
	command->offset = request->offset;
	request->bounce = NULL;
	request->left = request->iov;
	request->left_count = request->iov_count;
	request->left_length = request->op == BLOCK_FLUSH ? 0 : request->length;
	if (nbd->failed && (request->op == BLOCK_FLUSH || request->durable))
		command->error = -EIO;
	if (g_queue_is_empty(&nbd->under_way))
		set_timer(nbd, true);
	next_part(command);
}

static bool nbd_submitted(struct block *block)
{
	settle(nbd_of(block));
	return true;
}

static void nbd_reap(struct block *block)
{
	pump(nbd_of(block), 0);
}

/* A server that answers, but now and then only, may not hold everybody up either. */
static void nbd_drain(struct block *block)
{
	gint64 end = g_get_monotonic_time() + NBD_PATIENCE_MS * G_TIME_SPAN_MILLISECOND;
	struct nbd *nbd = nbd_of(block);

	settle(nbd);
	while (!g_queue_is_empty(&nbd->under_way))
		if ((pump(nbd, NBD_DRAIN_MS) <= 0 || g_get_monotonic_time() > end) && nbd->handle) {
			lose(nbd, "it does not answer");
			settle(nbd);
		}
}

static void nbd_free(struct block *block)
{
	struct nbd *nbd = nbd_of(block);

	if (nbd->handle)
		nbd_aio_disconnect(nbd->handle, 0);
	nbd_close(nbd->handle);
	close(nbd->timer);
	close(block->fd);
	g_free(nbd->zeroes);
	g_free(nbd->name);
	g_free(nbd);
}

static const struct block_ops nbd_ops = {
	.submit = nbd_submit,
	.submitted = nbd_submitted,
	.reap = nbd_reap,
	.drain = nbd_drain,
	.close = nbd_free,
};

/* ---------------------------------------------------------------- opening */

/* Waits for the end of the handshake. */
static gboolean shake_hands(struct nbd *nbd, GError **error)
{
	gint64 end = g_get_monotonic_time() + NBD_PATIENCE_MS * G_TIME_SPAN_MILLISECOND;
	gint64 left;

	while (nbd_aio_is_connecting(nbd->handle)) {
		left = (end - g_get_monotonic_time()) / G_TIME_SPAN_MILLISECOND;
		if (left <= 0)
			return error_set(error, "disk %s: the server does not answer", nbd->name);
		if (nbd_poll(nbd->handle, left) < 0)
			return error_set(error, "disk %s: %s", nbd->name, nbd_get_error());
	}
	if (!nbd_aio_is_ready(nbd->handle))
		return error_set(error, "disk %s: the server closed the connection", nbd->name);
	return TRUE;
}

static gboolean connect_to(struct nbd *nbd, GError **error)
{
	int status;

	if (g_str_has_prefix(nbd->name, BLOCK_NBD_UNIX))
		status = nbd_aio_connect_unix(nbd->handle, nbd->name + strlen(BLOCK_NBD_UNIX));
	else
		status = nbd_aio_connect_uri(nbd->handle, nbd->name);
	if (status < 0)
		return error_set(error, "disk %s: %s", nbd->name, nbd_get_error());
	return shake_hands(nbd, error);
}

static gboolean take_properties(struct nbd *nbd, bool read_only, GError **error)
{
	int64_t smallest = nbd_get_block_size(nbd->handle, LIBNBD_SIZE_MINIMUM);
	int64_t size = nbd_get_size(nbd->handle);

	if (size < (int64_t)SECTOR)
		return error_set(error, "disk %s: the server's disk is smaller than a sector",
				 nbd->name);
	if (smallest > (int64_t)SECTOR)
		return error_set(error, "disk %s: the server takes no requests of less than %d "
				 "bytes; the guest's have 512", nbd->name, (int)smallest);
	if (!read_only && nbd_is_read_only(nbd->handle) > 0)
		return error_set(error, "disk %s: the server lets nobody write; use it with `ro`",
				 nbd->name);
	nbd->block.size = size - size % SECTOR;
	nbd->block.read_only = read_only;
	nbd->can_flush = nbd_can_flush(nbd->handle) > 0;
	nbd->can_fua = nbd_can_fua(nbd->handle) > 0;
	nbd->can_trim = nbd_can_trim(nbd->handle) > 0;
	nbd->can_zero = nbd_can_zero(nbd->handle) > 0;
	if (!read_only && !nbd->can_flush)
		message("disk %s: the server cannot flush: its data may not survive a power cut",
			nbd->name);
	return TRUE;
}

static gboolean start_watching(struct nbd *nbd, GError **error)
{
	struct epoll_event timer = { .events = EPOLLIN, .data.fd = nbd->timer };
	struct epoll_event connection = { .data.fd = 0 };

	if (nbd->block.fd < 0 || nbd->timer < 0 ||
	    epoll_ctl(nbd->block.fd, EPOLL_CTL_ADD, nbd->timer, &timer) < 0 ||
	    epoll_ctl(nbd->block.fd, EPOLL_CTL_ADD, nbd_aio_get_fd(nbd->handle), &connection) < 0 ||
	    !watch(nbd))
		return error_set_errno(error, errno, "disk %s: cannot wait for the server",
				       nbd->name);
	return TRUE;
}

struct block *block_nbd_open(const char *name, bool read_only, GError **error)
{
	struct nbd *nbd;

	if (!nbd_library_load(error)) {
		g_prefix_error(error, "disk %s: ", name);
		return NULL;
	}
	nbd = g_new0(struct nbd, 1);
	nbd->block.ops = &nbd_ops;
	nbd->block.fd = epoll_create1(EPOLL_CLOEXEC);
	nbd->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	nbd->name = g_strdup(name);
	nbd->handle = nbd_create();
	if (nbd->handle && connect_to(nbd, error) && take_properties(nbd, read_only, error) &&
	    start_watching(nbd, error))
		return &nbd->block;
	if (!nbd->handle)
		error_set(error, "disk %s: %s", name, nbd_get_error());
	nbd_free(&nbd->block);
	return NULL;
}
