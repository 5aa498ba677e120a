// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Pages that the guest hands over, takes again, or reports to be free.
 */
#include <errno.h>
#include <stdlib.h>

#include "../../message.h"
#include "internal.h"

#define PFN_SIZE	4u
/* Page numbers looked at together: as many as Linux puts into one request. */
#define SLICE		256u
/* Requests of one queue before the others have their turn. */
#define BATCH		16u

static void discard(struct balloon *balloon, uint64_t gpa, void *host, uint64_t length)
{
	int error = guest_memory_discard(balloon->virtio.memory->ram, host, length);

	if (!error) {
		virtio_memory_dirty(balloon->virtio.memory, gpa, length);
	} else if (!balloon->complained) {
		balloon->complained = true;
		message("%s: the host does not take pages back: %s", balloon->virtio.name,
			g_strerror(-error));
	}
}

/* ---------------------------------------------------------------- inflate and deflate */

static int compare(const void *left, const void *right)
{
	uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;

	return (a > b) - (a < b);
}

/* Pages that lie one behind the other go back together.  False: one is not RAM. */
static bool move_slice(struct balloon *balloon, uint32_t *pfns, unsigned int count, bool give)
{
	unsigned int start, end;
	uint64_t gpa, length;
	void *host;

	qsort(pfns, count, sizeof(*pfns), compare);
	for (start = 0; start < count; start = end) {
		for (end = start + 1; end < count && pfns[end] - pfns[end - 1] <= 1; end++)
			;
		gpa = (uint64_t)pfns[start] * BALLOON_PAGE;
		length = (uint64_t)(pfns[end - 1] - pfns[start] + 1) * BALLOON_PAGE;
		host = guest_memory_pointer(balloon->virtio.memory->ram, gpa, length);
		if (!host)
			return false;
		if (give)
			discard(balloon, gpa, host, length);
	}
	return true;
}

/* NULL: done.  Else what is wrong with it. */
static const char *move_chain(struct balloon *balloon, const struct virtqueue_chain *chain,
			      bool give)
{
	uint32_t pfns[SLICE];
	size_t count;

	if (!chain->readable_length || chain->readable_length % PFN_SIZE)
		return "page numbers that do not have 4 bytes each";
	if (chain->readable_length / PFN_SIZE > balloon->memory / BALLOON_PAGE)
		return "more page numbers than it has pages";
	for (size_t at = 0; at < chain->readable_length; at += count) {
		if (iothread_pausing(balloon->thread))
			return NULL;
		count = virtqueue_chain_read(chain, at, pfns, sizeof(pfns));
		if (!move_slice(balloon, pfns, count / PFN_SIZE, give))
			return "a page that is not RAM";
	}
	return NULL;
}

bool balloon_move_pages(struct balloon *balloon, enum balloon_queue number)
{
	struct virtqueue *queue = virtio_queue(&balloon->virtio, number);
	struct virtqueue_chain *chain;
	const char *wrong = NULL;
	unsigned int done = 0;

	virtqueue_disable_notify(queue);
	while (!wrong && done++ < BATCH && (chain = virtqueue_pop(queue))) {
		wrong = move_chain(balloon, chain, number == INFLATE);
		/* Giving the same pages once more does no harm. */
		if (iothread_pausing(balloon->thread)) {
			virtqueue_unpop(queue, chain);
			break;
		}
		if (wrong) {
			virtqueue_drop(queue, chain);
			virtqueue_break(queue, wrong);
			break;
		}
		chain->touched = 0;
		virtqueue_push(queue, chain, 0);
	}
	virtio_device_commit(&balloon->virtio, number);
	return done > BATCH || virtqueue_enable_notify(queue);
}

/* ---------------------------------------------------------------- reporting */

/* The buffers themselves are the free pages.  Pieces of pages at their ends stay. */
static uint64_t discard_buffer(struct balloon *balloon, const struct iovec *buffer)
{
	uintptr_t start = (uintptr_t)buffer->iov_base;
	uintptr_t end = start + buffer->iov_len;

	start = (start + BALLOON_PAGE - 1) & ~(uintptr_t)(BALLOON_PAGE - 1);
	end &= ~(uintptr_t)(BALLOON_PAGE - 1);
	if (start >= end)
		return 0;
	if (guest_memory_discard(balloon->virtio.memory->ram, (void *)start, end - start))
		return 0;
	return end - start;
}

static void take_report(struct balloon *balloon, const struct virtqueue_chain *chain)
{
	uint64_t bytes = 0;

	for (unsigned int i = 0; i < chain->writable_count; i++)
		bytes += discard_buffer(balloon, &chain->writable[i]);
	pthread_mutex_lock(&balloon->lock);
	balloon->status.reported += bytes;
	pthread_mutex_unlock(&balloon->lock);
}

/* What went back reads as zeroes: dirty, as if we had written it. */
bool balloon_take_reports(struct balloon *balloon, enum balloon_queue number)
{
	struct virtqueue *queue = virtio_queue(&balloon->virtio, number);
	bool keep = atomic_load(&balloon->poisons);
	struct virtqueue_chain *chain;
	unsigned int done = 0;

	virtqueue_disable_notify(queue);
	while (done++ < BATCH && (chain = virtqueue_pop(queue))) {
		if (keep)
			chain->touched = 0;
		else
			take_report(balloon, chain);
		virtqueue_push(queue, chain, 0);
		if (iothread_pausing(balloon->thread))
			break;
	}
	virtio_device_commit(&balloon->virtio, number);
	return done > BATCH || virtqueue_enable_notify(queue);
}
