// SPDX-License-Identifier: GPL-2.0-or-later
#include "nbd_disk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <poll.h>

#define PATIENCE_MS	10000

static void task_done(struct block_request *request, int error)
{
	struct task *task = (struct task *)request;

	assert_false(task->done);
	task->done = true;
	task->error = error;
}

struct block *open_disk(struct server *server, bool read_only)
{
	g_autoptr(GError) error = NULL;
	struct block *block = block_nbd_open(server->name, read_only, &error);

	if (!block)
		fail_msg("%s", error->message);
	return block;
}

void begin(struct block *block, struct task *task)
{
	task->request.done = task_done;
	task->done = false;
	block_submit(block, &task->request);
	block_submitted(block);
}

void wait_for(struct block *block, const struct task *task)
{
	struct pollfd fd = { .fd = block->fd, .events = POLLIN };

	while (!task->done) {
		assert_int_equal(poll(&fd, 1, PATIENCE_MS), 1);
		block_reap(block);
	}
}

int run(struct block *block, struct task *task)
{
	begin(block, task);
	wait_for(block, task);
	return task->error;
}

void fill_iov(struct task *task, uint8_t *buffer, size_t length, bool split)
{
	size_t first = split ? length / 2 : length;
	size_t second = split ? 24 : 0;

	task->iov[0] = (struct iovec){ buffer, first };
	task->iov[1] = (struct iovec){ buffer + first, second };
	task->iov[2] = (struct iovec){ buffer + first + second, length - first - second };
	task->request.iov = task->iov;
	task->request.iov_count = split ? 3 : 1;
	task->request.length = length;
}

int transfer(struct block *block, enum block_op op, uint64_t offset, uint8_t *buffer,
	     size_t length, bool split)
{
	struct task task = { .request = { .op = op, .offset = offset } };

	fill_iov(&task, buffer, length, split);
	return run(block, &task);
}
