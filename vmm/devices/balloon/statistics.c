// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the guest tells of its memory ("Memory Statistics").  The driver gives one buffer when
 * it starts; each time it gets that back it makes it available again, with new numbers.
 */
#include <time.h>

#include "internal.h"

/* More than there are kinds: unknown ones are passed over. */
#define STATISTICS_MAX	32u

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

static void keep(struct balloon *balloon, const struct virtio_balloon_stat *entries, size_t count)
{
	struct balloon_status *status = &balloon->status;

	pthread_mutex_lock(&balloon->lock);
	balloon->told_ns = now_ns();
	status->known = 0;
	for (size_t i = 0; i < count; i++) {
		if (entries[i].tag >= VIRTIO_BALLOON_S_NR)
			continue;
		status->known |= 1u << entries[i].tag;
		status->guest[entries[i].tag] = entries[i].val;
	}
	pthread_mutex_unlock(&balloon->lock);
}

static void give_back(struct balloon *balloon)
{
	struct virtqueue *queue = virtio_queue(&balloon->virtio, STATISTICS);

	virtqueue_push(queue, g_steal_pointer(&balloon->held), 0);
	virtio_device_commit(&balloon->virtio, STATISTICS);
}

/* A driver that gives a second buffer before it has the first one back gets no answer to that:
 * there is never more than one to hold. */
static void take(struct balloon *balloon)
{
	struct virtqueue *queue = virtio_queue(&balloon->virtio, STATISTICS);
	struct virtio_balloon_stat entries[STATISTICS_MAX];
	struct virtqueue_chain *chain = virtqueue_pop(queue);
	size_t size;

	if (!chain)
		return;
	if (chain->readable_length % sizeof(entries[0])) {
		virtqueue_drop(queue, chain);
		virtqueue_break(queue, "statistics that do not have 10 bytes each");
		return;
	}
	chain->touched = 0;
	size = virtqueue_chain_read(chain, 0, entries, sizeof(entries));
	if (!balloon->again)
		keep(balloon, entries, size / sizeof(entries[0]));
	balloon->again = false;
	balloon->held = chain;
}

void balloon_let_go_statistics(struct balloon *balloon)
{
	if (!balloon->held)
		return;
	virtqueue_unpop(virtio_queue(&balloon->virtio, STATISTICS), g_steal_pointer(&balloon->held));
	balloon->again = true;
}

void balloon_take_statistics(struct balloon *balloon)
{
	if (!virtio_device_has(&balloon->virtio, VIRTIO_BALLOON_F_STATS_VQ))
		return;
	if (!balloon->held)
		take(balloon);
	if (balloon->held && atomic_exchange(&balloon->wanted, false))
		give_back(balloon);
}
