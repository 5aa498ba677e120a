// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Frames with 1500 bytes of payload, to and from the host.  Frames of type TYPE_DROP are
 * nobody's business there; for one of type TYPE_ASK, `net-answer` sends as many of TYPE_DROP
 * as the first byte of its payload says.
 */
#include "virtio.h"

#define SAMPLES		201
#define BATCH		64u
#define HEADER		12u		/* struct virtio_net_hdr_v1 */
#define ETHERNET	14u
#define FRAME		(ETHERNET + 1500)
#define BUFFER		2048u
#define RECEIVE		0
#define TRANSMIT	1
#define F_MRG_RXBUF	(1u << 15)
#define TYPE_DROP	0x88b6		/* IEEE 802, "Local Experimental Ethertype 2" */
#define TYPE_ASK	0x88b5		/* the same, 1 */

static struct virtio net;
static struct virtqueue queues[2];
static uint8_t received[QUEUE_MAX][BUFFER] __attribute__((aligned(4096)));
static uint8_t sent[BATCH + 1][BUFFER] __attribute__((aligned(4096)));

static void make_frame(unsigned int i, uint16_t type, uint8_t count)
{
	uint8_t *frame = sent[i] + HEADER;
	unsigned int at;

	for (at = 0; at < 6; at++)
		frame[at] = 0xff;		/* to all */
	frame[6] = 2;				/* a local address */
	frame[12] = type >> 8;
	frame[13] = type;
	frame[ETHERNET] = count;
	queues[TRANSMIT].descriptors[i] = (struct descriptor){
		(uintptr_t)sent[i], HEADER + FRAME, 0, 0,
	};
}

static uint64_t sends(unsigned int count)
{
	uint64_t start = rdtsc();
	unsigned int i;

	for (i = 0; i < count; i++)
		virtqueue_add(&queues[TRANSMIT], i);
	virtqueue_kick(&queues[TRANSMIT]);
	virtqueue_wait(&queues[TRANSMIT], count);
	return rdtsc() - start;
}

static uint64_t send_one(void)
{
	return sends(1);
}

static uint64_t send_batch(void)
{
	return sends(BATCH);
}

/* Hands the buffers of the last `count` frames back. */
static void give_back(unsigned int count)
{
	struct virtqueue *queue = &queues[RECEIVE];
	uint16_t at = queue->taken - count;

	while (at != queue->taken)
		virtqueue_add(queue, queue->used.ring[at++ % QUEUE_MAX].id);
	virtqueue_kick(queue);
}

static uint64_t ask(unsigned int count)
{
	uint64_t start = rdtsc();
	unsigned int i;

	virtqueue_add(&queues[TRANSMIT], BATCH);
	sent[BATCH][HEADER + ETHERNET] = count;
	virtqueue_kick(&queues[TRANSMIT]);
	for (i = 0; i < count; i++) {
		virtqueue_wait(&queues[RECEIVE], 1);
		give_back(1);
	}
	start = rdtsc() - start;
	virtqueue_wait(&queues[TRANSMIT], 1);
	if (queues[RECEIVE].used.index != queues[RECEIVE].taken)
		fail("a frame that nobody asked for");
	return start;
}

static uint64_t echo(void)
{
	return ask(1);
}

static uint64_t receive_batch(void)
{
	return ask(BATCH);
}

void measure_net(void)
{
	static const struct operation operations[] = {
		{ "net-send", send_one, 0 },
		{ "net-send-batch", send_batch, BATCH },
		{ "net-echo", echo, 0 },
		{ "net-receive-batch", receive_batch, BATCH },
		{ }
	};
	unsigned int i;

	virtio_find(&net, VIRTIO_NET);
	virtio_start(&net, F_MRG_RXBUF, queues, 2);
	for (i = 0; i < QUEUE_MAX; i++) {
		queues[RECEIVE].descriptors[i] = (struct descriptor){
			(uintptr_t)received[i], BUFFER, DESC_WRITE, 0,
		};
		virtqueue_add(&queues[RECEIVE], i);
	}
	virtqueue_kick(&queues[RECEIVE]);
	for (i = 0; i < BATCH; i++)
		make_frame(i, TYPE_DROP, 0);
	make_frame(BATCH, TYPE_ASK, 0);
	send_batch();
	receive_batch();
	measure(operations, SAMPLES);
}
