// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A disk's I/O through io_uring: many requests at once, one system call for a batch.
 */
#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "file_internal.h"

#define ENTRIES		128u
/* Room for all that one disk can have under way, so that the kernel never has to say EBUSY. */
#define COMPLETIONS	2048u
#define RETRY_MS	1	/* by poll(), which all threads may call, a vCPU's too */

/* The unit tests have less of it. */
#ifndef FILE_DRAIN_MS
#define FILE_DRAIN_MS	5000		/* until requests that have not ended may fail */
#endif

static struct file *file_of(struct block *block)
{
	return (struct file *)((char *)block - offsetof(struct file, block));
}

/* A full queue is submitted to make room, which the kernel may have no memory for. */
static bool has_room(struct file *file)
{
	if (!io_uring_sq_space_left(file->ring))
		io_uring_submit(file->ring);
	return io_uring_sq_space_left(file->ring);
}

static void queue_transfer(struct file *file, struct block_request *request)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(file->ring);
	uint64_t offset = file_part_offset(request);
	const struct iovec *part;
	unsigned int count;

	part = file_part(request, &count);
	if (request->op == BLOCK_READ && count == 1)	/* nothing to import */
		io_uring_prep_read(sqe, file->fd, part->iov_base, part->iov_len, offset);
	else if (request->op == BLOCK_READ)
		io_uring_prep_readv(sqe, file->fd, part, count, offset);
	else
		io_uring_prep_writev2(sqe, file->fd, part, count, offset,
				      request->durable ? RWF_DSYNC : 0);
	io_uring_sqe_set_data(sqe, request);
}

static void queue_flush(struct file *file, struct block_request *request)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(file->ring);

	io_uring_prep_fsync(sqe, file->fd, IORING_FSYNC_DATASYNC);
	io_uring_sqe_set_data(sqe, request);
}

static void queue_fallocate(struct file *file, struct block_request *request)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(file->ring);

	io_uring_prep_fallocate(sqe, file->fd, file_fallocate_mode(request), request->offset,
				request->length);
	io_uring_sqe_set_data(sqe, request);
}

static void queue_zeroes(struct file *file, struct block_request *request)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(file->ring);

	io_uring_prep_write(sqe, file->fd, file->zeroes, MIN(FILE_ZEROES, request->left_length),
			    file_part_offset(request));
	io_uring_sqe_set_data(sqe, request);
}

/* There is room. */
static void queue(struct file *file, struct block_request *request)
{
	switch (request->op) {
	case BLOCK_READ:
	case BLOCK_WRITE:
		queue_transfer(file, request);
		break;
	case BLOCK_FLUSH:
		queue_flush(file, request);
		break;
	case BLOCK_DISCARD:
	case BLOCK_WRITE_ZEROES:
		if (request->zeroing)
			queue_zeroes(file, request);
		else
			queue_fallocate(file, request);
		break;
	}
}

static bool is_transfer(const struct block_request *request)
{
	return request->op == BLOCK_READ || request->op == BLOCK_WRITE;
}

static void finish(struct file *file, struct block_request *request, int error)
{
	file->under_way--;
	file_finish(file, request, error);
}

static int begin(struct file *file, struct block_request *request)
{
	if (request->begun)
		return 0;
	if (file_refuses(file, request))
		return -EIO;
	request->left_length = request->length;
	return is_transfer(request) ? file_prepare(file, request) : 0;
}

/* False: it must wait, for a bounce buffer or a place in the queue. */
static bool start(struct file *file, struct block_request *request)
{
	int error = has_room(file) ? begin(file, request) : -EBUSY;

	if (error == -EBUSY)
		return false;
	request->begun = true;
	if (error)
		finish(file, request, error);
	else
		queue(file, request);
	return true;
}

/* Nobody overtakes those that wait. */
static void uring_submit(struct block *block, struct block_request *request)
{
	struct file *file = file_of(block);

	file->under_way++;
	request->bounce = NULL;
	request->begun = false;
	request->zeroing = false;
	request->link = (GList){ .data = request };
	if (!g_queue_is_empty(&file->waiting) || !start(file, request))
		g_queue_push_tail_link(&file->waiting, &request->link);
}

/* Whoever holds a bounce buffer is under way, so this comes for all of them.  What has begun
 * is in front of what has not. */
static void start_waiting(struct file *file)
{
	GList *link;

	while ((link = g_queue_pop_head_link(&file->waiting)))
		if (!start(file, link->data)) {
			g_queue_push_head_link(&file->waiting, link);
			return;
		}
}

/* As judge(). */
static int judge_clear(struct file *file, struct block_request *request, int result)
{
	if (!request->zeroing && file_must_write_zeroes(file, request, result)) {
		request->zeroing = true;
		return 1;
	}
	if (request->zeroing && result == -EAGAIN)	/* not without waiting: then by waiting */
		result = file_write_zeroes(file, file_part_offset(request),
					   request->left_length);
	if (!request->zeroing || result < 0)
		return file_cleared(file, request, result);
	request->left_length -= result;
	if (!request->left_length)
		return file_cleared(file, request, 0);
	return !result || file->hurry ? -EIO : 1;
}

/* Returns 1 if the request is not at its end yet, else 0 or -errno. */
static int judge(struct file *file, struct block_request *request, int result)
{
	if (result == -EINTR)
		return 1;
	if (request->op == BLOCK_FLUSH)
		return result;
	if (!is_transfer(request))
		return judge_clear(file, request, result);
	if (result == -EAGAIN)		/* not without waiting: then by waiting */
		return file_transfer(file, request);
	if (result <= 0)
		return result ? result : -EIO;
	bounce_advance(request, result);
	return request->left_length != 0;
}

static void complete(struct file *file, struct block_request *request, int result)
{
	int error = judge(file, request, result);

	if (error <= 0)
		finish(file, request, error);
	else if (!start(file, request))
		g_queue_push_head_link(&file->waiting, &request->link);
}

static void uring_reap(struct block *block)
{
	struct file *file = file_of(block);
	struct block_request *request;
	struct io_uring_cqe *cqe;
	int result;

	while (io_uring_peek_cqe(file->ring, &cqe) == 0) {
		request = io_uring_cqe_get_data(cqe);
		result = cqe->res;
		io_uring_cqe_seen(file->ring, cqe);
		if (request)
			complete(file, request, result);
	}
	start_waiting(file);
	if (io_uring_sq_ready(file->ring))
		io_uring_submit(file->ring);
}

/* What did not take any time is done already. */
static bool uring_submitted(struct block *block)
{
	struct file *file = file_of(block);

	start_waiting(file);
	io_uring_submit(file->ring);
	uring_reap(block);
	return !io_uring_sq_ready(file->ring);
}

/* What the kernel has not taken fails; that it takes later does nothing. */
static void give_up(struct file *file)
{
	struct io_uring_sq *sq = &file->ring->sq;
	struct block_request *request;
	struct io_uring_sqe *sqe;
	GList *link;

	for (unsigned int i = io_uring_sq_ready(file->ring); i; i--) {
		sqe = &sq->sqes[(sq->sqe_tail - i) & sq->ring_mask];
		request = (struct block_request *)(uintptr_t)sqe->user_data;
		io_uring_prep_nop(sqe);
		io_uring_sqe_set_data(sqe, NULL);
		if (request)
			finish(file, request, -EIO);
	}
	while ((link = g_queue_pop_head_link(&file->waiting)))
		finish(file, link->data, -EIO);
}

static void uring_drain(struct block *block)
{
	gint64 end = g_get_monotonic_time() + FILE_DRAIN_MS * G_TIME_SPAN_MILLISECOND;
	struct file *file = file_of(block);

	while (file->under_way) {
		file->hurry = g_get_monotonic_time() > end;
		io_uring_submit_and_wait(file->ring, 1);
		uring_reap(block);
		if (!io_uring_sq_ready(file->ring))
			continue;
		if (file->hurry)
			give_up(file);
		poll(NULL, 0, RETRY_MS);
	}
	file->hurry = false;
}

static void uring_close(struct block *block)
{
	struct file *file = file_of(block);

	io_uring_queue_exit(file->ring);
	g_free(file->ring);
	file_close(block);
}

static const struct block_ops uring_ops = {
	.submit = uring_submit,
	.submitted = uring_submitted,
	.reap = uring_reap,
	.drain = uring_drain,
	.resize = file_resize,
	.changed = file_changed,
	.close = uring_close,
};

/* What a ring does is no system call, so no filter sees it: it could open files and connect
 * sockets.  This one can do nothing but a disk's work, whoever fills its queue.  Debian 12's
 * liburing declares functions for it, but has none. */
static bool restrict_ring(const struct io_uring *ring)
{
	struct io_uring_restriction allowed[] = {
		{ .opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_READ },
		{ .opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_READV },
		{ .opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_WRITEV },
		{ .opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_WRITE },
		{ .opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_NOP },
		{ .opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_FSYNC },
		{ .opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_FALLOCATE },
	};

	return syscall(SYS_io_uring_register, ring->ring_fd, IORING_REGISTER_RESTRICTIONS, allowed,
		       G_N_ELEMENTS(allowed)) == 0 &&
	       syscall(SYS_io_uring_register, ring->ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL,
		       0) == 0;
}

static bool make_ring(struct io_uring *ring)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_CQSIZE | IORING_SETUP_R_DISABLED, .cq_entries = COMPLETIONS,
	};

	if (io_uring_queue_init_params(ENTRIES, ring, &params) < 0)
		return false;
	if (restrict_ring(ring))
		return true;
	io_uring_queue_exit(ring);
	return false;
}

void file_uring_start(struct file *file)
{
	file->ring = g_new0(struct io_uring, 1);
	if (!make_ring(file->ring)) {
		g_clear_pointer(&file->ring, g_free);
		return;
	}
	file->block.ops = &uring_ops;
	file->block.fd = file->ring->ring_fd;
}
