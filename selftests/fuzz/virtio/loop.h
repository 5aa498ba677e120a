/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A main loop and a machine's lock, for devices that work on the loop.  It turns when a target
 * says so.
 */
#ifndef MICA_FUZZ_VIRTIO_LOOP_H
#define MICA_FUZZ_VIRTIO_LOOP_H

#include <pthread.h>
#include <uv.h>

struct fuzz_loop {
	uv_loop_t loop;
	pthread_mutex_t lock;
	uv_async_t keep;		/* else the loop thinks that it has nothing to do */
};

void fuzz_loop_open(struct fuzz_loop *loop);
/* One turn: a guest can keep a device busy for ever. */
void fuzz_loop_turn(struct fuzz_loop *loop);
/* What was on the loop has been freed: it must have closed everything. */
void fuzz_loop_close(struct fuzz_loop *loop);

#endif
