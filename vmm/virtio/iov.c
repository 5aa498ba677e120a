// SPDX-License-Identifier: GPL-2.0-or-later
#include <string.h>

#include "ring.h"

unsigned int virtqueue_iov_slice(const struct iovec *from, unsigned int count, size_t offset,
				 size_t length, struct iovec *to)
{
	unsigned int used = 0;
	size_t part;

	for (unsigned int i = 0; i < count && length; i++) {
		if (offset >= from[i].iov_len) {
			offset -= from[i].iov_len;
			continue;
		}
		part = MIN(length, from[i].iov_len - offset);
		to[used].iov_base = (uint8_t *)from[i].iov_base + offset;
		to[used++].iov_len = part;
		length -= part;
		offset = 0;
	}
	return used;
}

/* Calls for each piece of [offset, offset + length); returns the bytes that there were. */
static size_t copy(const struct iovec *iov, unsigned int count, size_t offset, uint8_t *buffer,
		   size_t length, bool to_guest)
{
	size_t done = 0, part;
	uint8_t *at;

	for (unsigned int i = 0; i < count && done < length; i++) {
		if (offset >= iov[i].iov_len) {
			offset -= iov[i].iov_len;
			continue;
		}
		at = (uint8_t *)iov[i].iov_base + offset;
		part = MIN(length - done, iov[i].iov_len - offset);
		if (to_guest)
			memcpy(at, buffer + done, part);
		else
			memcpy(buffer + done, at, part);
		done += part;
		offset = 0;
	}
	/* What was read is a copy from here on: see copy_once(). */
	__asm__ __volatile__("" : : : "memory");
	return done;
}

size_t virtqueue_chain_read(const struct virtqueue_chain *chain, size_t offset, void *to,
			    size_t length)
{
	return copy(chain->readable, chain->readable_count, offset, to, length, false);
}

size_t virtqueue_chain_write(struct virtqueue_chain *chain, size_t offset, const void *from,
			     size_t length)
{
	return copy(chain->writable, chain->writable_count, offset, (uint8_t *)(uintptr_t)from,
		    length, true);
}
