// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A disk's I/O through io_uring: many requests at once, one system call for a batch.
 */
#include <errno.h>
#include <liburing.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "file_internal.h"

#define ENTRIES		128u
/* Room for all that one disk can have under way, so that the kernel never has to say EBUSY. */
#define COMPLETIONS	2048u

static struct file *file_of(struct block *block)
{
	return (struct file *)((char *)block - offsetof(struct file, block));
}

/* A full queue is submitted to make room. */
static struct io_uring_sqe *get_sqe(struct file *file)
{
	struct io_uring_sqe *sqe;

	while (!(sqe = io_uring_get_sqe(file->ring)))
		io_uring_submit(file->ring);
	return sqe;
}

static void queue_transfer(struct file *file, struct block_request *request)
{
	struct io_uring_sqe *sqe = get_sqe(file);
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
	struct io_uring_sqe *sqe = get_sqe(file);

	io_uring_prep_fsync(sqe, file->fd, IORING_FSYNC_DATASYNC);
	io_uring_sqe_set_data(sqe, request);
}

static void queue_fallocate(struct file *file, struct block_request *request)
{
	struct io_uring_sqe *sqe = get_sqe(file);

	io_uring_prep_fallocate(sqe, file->fd, file_fallocate_mode(request), request->offset,
				request->length);
	io_uring_sqe_set_data(sqe, request);
}

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

/* False: it must wait for a bounce buffer. */
static bool start(struct file *file, struct block_request *request)
{
	int error = file_refuses(file, request) ? -EIO :
		    is_transfer(request) ? file_prepare(file, request) : 0;

	if (error == -EBUSY)
		return false;
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
	request->link = (GList){ .data = request };
	if (!g_queue_is_empty(&file->waiting) || !start(file, request))
		g_queue_push_tail_link(&file->waiting, &request->link);
}

/* Whoever holds a bounce buffer is under way, so this comes for all of them. */
static void start_waiting(struct file *file)
{
	GList *link;

	while ((link = g_queue_pop_head_link(&file->waiting)))
		if (!start(file, link->data)) {
			g_queue_push_head_link(&file->waiting, link);
			return;
		}
}

/* Returns 1 if the request is not at its end yet, else 0 or -errno. */
static int judge(struct file *file, struct block_request *request, int result)
{
	if (result == -EINTR)
		return 1;
	if (!is_transfer(request))
		return request->op == BLOCK_FLUSH ? result :
						    file_after_fallocate(file, request, result);
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

	if (error > 0) {
		queue(file, request);
		return;
	}
	finish(file, request, error);
	start_waiting(file);
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
		complete(file, request, result);
	}
	if (io_uring_sq_ready(file->ring))
		io_uring_submit(file->ring);
}

/* An error is met again, and handled, when the next batch is submitted or waited for.  What did not
 * take any time is done already. */
static void uring_submitted(struct block *block)
{
	io_uring_submit(file_of(block)->ring);
	uring_reap(block);
}

static void uring_drain(struct block *block)
{
	struct file *file = file_of(block);

	while (file->under_way) {
		io_uring_submit_and_wait(file->ring, 1);
		uring_reap(block);
	}
}

static void uring_close(struct block *block)
{
	struct file *file = file_of(block);

	io_uring_queue_exit(file->ring);
	g_free(file->ring);
	close(file->fd);
	g_free(file);
}

static const struct block_ops uring_ops = {
	.submit = uring_submit,
	.submitted = uring_submitted,
	.reap = uring_reap,
	.drain = uring_drain,
	.resize = file_resize,
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
