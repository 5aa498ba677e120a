/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Descriptors that a client has sent (SCM_RIGHTS) and nobody has taken yet. */
#ifndef MICA_VMM_CONTROL_DESCRIPTORS_H
#define MICA_VMM_CONTROL_DESCRIPTORS_H

#include <stdbool.h>
#include <uv.h>

#include "command.h"

struct descriptors {
	int fds[CONTROL_DESCRIPTORS_MAX];
	unsigned int count;
};

/* What libuv has received with the bytes just read; `pipe` must be made for passing handles, and
 * is being read.  False: there are more than CONTROL_DESCRIPTORS_MAX, or the process has no
 * descriptor left; those that are too many are closed. */
bool descriptors_receive(struct descriptors *descriptors, uv_pipe_t *pipe);
void descriptors_close(struct descriptors *descriptors);

#endif
