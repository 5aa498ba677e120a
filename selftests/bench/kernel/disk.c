// SPDX-License-Identifier: GPL-2.0-or-later
/* Reads of 4 KiB at random places of a virtio disk, of 1 GiB at least. */
#include "virtio.h"

#define SAMPLES		201
#define BATCH		32u
#define BLOCK		4096u
#define BLOCKS		(1u << 18)	/* of BLOCK bytes */

/* VIRTIO 1.2, "Block Device", "Device Operation". */
struct request {
	struct {
		uint32_t type, reserved;
		uint64_t sector;
	} header;
	volatile uint8_t status;
} __attribute__((aligned(32)));

static struct virtio disk;
static struct virtqueue queue;
static struct request requests[BATCH];
static uint8_t blocks[BATCH][BLOCK] __attribute__((aligned(4096)));

/* "Numerical Recipes", the generator with these constants: the same places for everyone. */
static uint32_t random_block(void)
{
	static uint32_t state = 1;

	state = state * 1664525 + 1013904223;
	return (state >> 8) % BLOCKS;
}

static void make_chain(unsigned int i)
{
	struct descriptor *d = &queue.descriptors[3 * i];

	d[0] = (struct descriptor){ (uintptr_t)&requests[i].header, 16, DESC_NEXT, 3 * i + 1 };
	d[1] = (struct descriptor){ (uintptr_t)blocks[i], BLOCK, DESC_NEXT | DESC_WRITE, 3 * i + 2 };
	d[2] = (struct descriptor){ (uintptr_t)&requests[i].status, 1, DESC_WRITE, 0 };
}

static void queue_read(unsigned int i)
{
	requests[i].header.sector = (uint64_t)random_block() * (BLOCK / 512);
	requests[i].status = 0xff;
	virtqueue_add(&queue, 3 * i);
}

static uint64_t reads(unsigned int count)
{
	uint64_t start = rdtsc();
	unsigned int i;

	for (i = 0; i < count; i++)
		queue_read(i);
	virtqueue_kick(&queue);
	virtqueue_wait(&queue, count);
	start = rdtsc() - start;
	for (i = 0; i < count; i++)
		if (requests[i].status)
			fail("a read that failed");
	return start;
}

static uint64_t read_one(void)
{
	return reads(1);
}

static uint64_t read_batch(void)
{
	return reads(BATCH);
}

void measure_disk(void)
{
	static const struct operation operations[] = {
		{ "disk-read", read_one, 0 },
		{ "disk-read-batch", read_batch, BATCH },
		{ }
	};
	unsigned int i;

	virtio_find(&disk, VIRTIO_BLOCK);
	virtio_start(&disk, 0, &queue, 1);
	for (i = 0; i < BATCH; i++)
		make_chain(i);
	read_batch();
	measure(operations, SAMPLES);
}
