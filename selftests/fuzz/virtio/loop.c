// SPDX-License-Identifier: GPL-2.0-or-later
#include "loop.h"

#include "../input.h"

static void nothing(uv_async_t *handle)
{
	(void)handle;
}

void fuzz_loop_open(struct fuzz_loop *loop)
{
	CHECK(uv_loop_init(&loop->loop) == 0);
	CHECK(uv_async_init(&loop->loop, &loop->keep, nothing) == 0);
	pthread_mutex_init(&loop->lock, NULL);
}

void fuzz_loop_turn(struct fuzz_loop *loop)
{
	uv_run(&loop->loop, UV_RUN_NOWAIT);
}

void fuzz_loop_close(struct fuzz_loop *loop)
{
	uv_close((uv_handle_t *)&loop->keep, NULL);
	uv_run(&loop->loop, UV_RUN_DEFAULT);
	CHECK(uv_loop_close(&loop->loop) == 0);
	pthread_mutex_destroy(&loop->lock);
}
