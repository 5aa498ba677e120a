/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libuv's main loop, of which confinement knows all that it can do.
 *
 * From 1.45 on uv_loop_init() makes an io_uring, which can open files and connect sockets, as
 * what a ring does is no system call.  It has no switch, but goes without if there can be none.
 */
#ifndef MICA_VMM_LOOP_INIT_H
#define MICA_VMM_LOOP_INIT_H

#include <uv.h>

/* uv_loop_init(), without a ring.  0, or libuv's number of an error. */
int loop_init(uv_loop_t *loop);

#endif
