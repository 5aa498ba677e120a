/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bounce buffers: copies of a part of a request's data, where what does the I/O cannot use the
 * guest's own buffers.  A guest chooses how long its requests are and how many it has under way,
 * so a disk has a fixed number of bytes for them; who finds them taken waits.
 */
#ifndef MICA_VMM_BACKENDS_BOUNCE_H
#define MICA_VMM_BACKENDS_BOUNCE_H

#include "block.h"

#define BOUNCE_ALIGNMENT	512u
#define BOUNCES_MAX		(16u << 20)	/* bytes, of one disk */

struct bounces {
	size_t used;			/* bytes */
};

/* `size` bytes, at most BOUNCES_MAX, as request->bounce.  0, -ENOMEM, or -EBUSY: not before
 * another request has given its own back. */
int bounce_take(struct bounces *bounces, struct block_request *request, size_t size);
/* A request that has none is fine. */
void bounce_put(struct bounces *bounces, struct block_request *request);

/* Fills the bounce buffer with the first `length` bytes of what is left. */
void bounce_fill(struct block_request *request, size_t length);
/* The first `length` bytes of what is left were transferred, through the bounce buffer if there
 * is one. */
void bounce_advance(struct block_request *request, size_t length);

#endif
