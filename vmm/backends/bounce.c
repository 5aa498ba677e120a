// SPDX-License-Identifier: GPL-2.0-or-later
#include "bounce.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int bounce_take(struct bounces *bounces, struct block_request *request, size_t size)
{
	g_assert(!request->bounce && size <= BOUNCES_MAX);
	if (size > BOUNCES_MAX - bounces->used)
		return -EBUSY;
	if (posix_memalign(&request->bounce, BOUNCE_ALIGNMENT, size)) {
		request->bounce = NULL;
		return -ENOMEM;
	}
	request->bounce_size = size;
	bounces->used += size;
	return 0;
}

void bounce_put(struct bounces *bounces, struct block_request *request)
{
	if (!request->bounce)
		return;
	bounces->used -= request->bounce_size;
	g_clear_pointer(&request->bounce, free);
}

static void copy(const struct block_request *request, size_t length, bool to_bounce)
{
	const struct iovec *iov = request->left;
	uint8_t *at = request->bounce;
	size_t part;

	for (; length; length -= part, at += part, iov++) {
		part = MIN(length, iov->iov_len);
		if (to_bounce)
			memcpy(at, iov->iov_base, part);
		else
			memcpy(iov->iov_base, at, part);
	}
}

void bounce_fill(struct block_request *request, size_t length)
{
	copy(request, length, true);
}

void bounce_advance(struct block_request *request, size_t length)
{
	size_t part;

	if (request->op == BLOCK_READ && request->bounce)
		copy(request, length, false);
	request->left_length -= length;
	while (length) {
		part = MIN(length, request->left->iov_len);
		request->left->iov_base = (uint8_t *)request->left->iov_base + part;
		request->left->iov_len -= part;
		length -= part;
		if (!request->left->iov_len) {
			request->left++;
			request->left_count--;
		}
	}
}
