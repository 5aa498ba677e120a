// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A virtqueue whose guest writes anything anywhere in its rings, between any two steps of
 * the device's side, and for some runs at the same time from a second thread.
 */
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <pthread.h>
#include <stdatomic.h>

#include "../../../vmm/virtio/ring.h"
#include "../input.h"

#define MEMORY_SIZE	(2ull << 20)
#define RINGS		0x10000ull
#define AVAIL		(RINGS + 0x4000)
#define USED		(RINGS + 0x5000)
#define HELD_MAX	64u

struct fuzz {
	struct input input;
	struct guest_memory *memory;
	const struct memory_range *ram;
	struct virtio_memory virtio;
	struct virtqueue queue;
	struct virtqueue_chain *held[HELD_MAX];
	unsigned int held_count;
	unsigned int broken;
	uint64_t seed;			/* of the second thread */
	atomic_bool end;
};

static void note_broken(void *opaque, struct virtqueue *queue)
{
	struct fuzz *fuzz = opaque;

	CHECK(queue->broken);
	fuzz->broken++;
}

/* What is marked dirty must be RAM. */
static void note_dirty(void *opaque, uint64_t gpa, uint64_t length)
{
	struct fuzz *fuzz = opaque;

	CHECK(length);
	CHECK(guest_memory_pointer(fuzz->memory, gpa, length));
}

static uint8_t *ram(const struct fuzz *fuzz, uint64_t gpa)
{
	return (uint8_t *)fuzz->ram->host + gpa;
}

/* ---------------------------------------------------------------- the guest's side */

static bool is_packed(const struct fuzz *fuzz)
{
	return fuzz->queue.config.features & 1ull << VIRTIO_F_RING_PACKED;
}

/* Of the ring, which may lie at the end of the RAM, or of a table. */
static uint64_t take_entry(struct fuzz *fuzz)
{
	uint64_t at = fuzz->queue.config.descriptors + 16ull * take_below(&fuzz->input, 64);

	return take8(&fuzz->input) % 4 && at < MEMORY_SIZE ?
	       at : MEMORY_SIZE / 2 + 16ull * take8(&fuzz->input);
}

static void write_descriptor(struct fuzz *fuzz)
{
	uint64_t at = take_entry(fuzz);
	struct vring_desc desc = {
		.addr = take_address(&fuzz->input, RINGS, MEMORY_SIZE),
		.len = take_length(&fuzz->input),
		.flags = take8(&fuzz->input) & 7,
		.next = take_below(&fuzz->input, 64),
	};
	uint16_t flags = desc.flags | (take8(&fuzz->input) & 1 ? 1u << 7 : 1u << 15);

	if (is_packed(fuzz)) {
		desc.flags = desc.next;
		desc.next = flags;
	}
	memcpy(ram(fuzz, at), &desc, sizeof(desc));
}

static void write_avail(struct fuzz *fuzz)
{
	uint16_t value = take_below(&fuzz->input, 70);
	uint64_t entry = take_below(&fuzz->input, 64);

	memcpy(ram(fuzz, AVAIL + 4 + 2 * entry), &value, 2);
}

static void advance_avail(struct fuzz *fuzz)
{
	uint16_t value = fuzz->queue.next_avail + take_below(&fuzz->input, 9);

	memcpy(ram(fuzz, AVAIL + 2), &value, 2);
}

static void write_anything(struct fuzz *fuzz)
{
	uint64_t at = RINGS + take_value(&fuzz->input, 2) % 0x8000;
	uint64_t value = take_value(&fuzz->input, 8);

	memcpy(ram(fuzz, at), &value, 1 + take_below(&fuzz->input, 8));
}

static void available_packed(struct fuzz *fuzz, const struct vring_desc *buffer)
{
	struct vring_packed_desc desc = {
		.addr = buffer->addr, .len = buffer->len, .id = take8(&fuzz->input),
		.flags = buffer->flags | (fuzz->queue.avail_wrap ? 1u << 7 : 1u << 15),
	};

	memcpy(ram(fuzz, fuzz->queue.config.descriptors + 16ull * fuzz->queue.next_avail), &desc,
	       sizeof(desc));
}

static void available_split(struct fuzz *fuzz, const struct vring_desc *buffer)
{
	const struct virtqueue_config *config = &fuzz->queue.config;
	uint16_t next = fuzz->queue.next_avail + 1;
	uint16_t entry = fuzz->queue.next_avail & (config->size - 1);

	memcpy(ram(fuzz, config->descriptors + 16ull * entry), buffer, sizeof(*buffer));
	memcpy(ram(fuzz, config->driver + 4 + 2ull * entry), &entry, 2);
	memcpy(ram(fuzz, config->driver + 2), &next, 2);
}

/* A good buffer in the entry that the device looks at next, whoever owns that. */
static void make_available(struct fuzz *fuzz)
{
	const struct vring_desc buffer = {
		.addr = MEMORY_SIZE / 2 + 16ull * take8(&fuzz->input), .len = 8,
		.flags = take8(&fuzz->input) & VRING_DESC_F_WRITE,
	};

	if (!virtqueue_started(&fuzz->queue) || fuzz->queue.broken)
		return;
	if (is_packed(fuzz))
		available_packed(fuzz, &buffer);
	else
		available_split(fuzz, &buffer);
}

/* ---------------------------------------------------------------- the device's side */

/* What the device has, or has handed back without saying so, is never more than the ring. */
static void check_bounds(const struct fuzz *fuzz)
{
	CHECK(fuzz->queue.in_flight <= fuzz->queue.config.size);
	CHECK(fuzz->queue.in_flight + fuzz->queue.staged <= fuzz->queue.config.size);
}

static void check_part(const struct fuzz *fuzz, const struct iovec *iov, unsigned int count,
		       uint32_t length)
{
	uint64_t total = 0, offset;

	for (unsigned int i = 0; i < count; i++) {
		offset = (uint8_t *)iov[i].iov_base - (uint8_t *)fuzz->ram->host;
		CHECK(iov[i].iov_len && iov[i].iov_len <= MEMORY_SIZE);
		CHECK(offset <= MEMORY_SIZE - iov[i].iov_len);
		total += iov[i].iov_len;
	}
	CHECK(total == length);
}

/* Copies at both ends of both parts: AddressSanitizer looks on. */
static void use_chain(struct fuzz *fuzz, struct virtqueue_chain *chain)
{
	uint32_t offset = take_value(&fuzz->input, 4);
	uint8_t bytes[64];

	check_part(fuzz, chain->readable, chain->readable_count, chain->readable_length);
	check_part(fuzz, chain->writable, chain->writable_count, chain->writable_length);
	virtqueue_chain_read(chain, 0, bytes, sizeof(bytes));
	virtqueue_chain_read(chain, offset, bytes, sizeof(bytes));
	virtqueue_chain_write(chain, offset, bytes, take_below(&fuzz->input, 64));
	if (chain->writable_length)
		CHECK(virtqueue_chain_write(chain, chain->writable_length - 1, bytes, 64) == 1);
}

static void pop(struct fuzz *fuzz)
{
	struct virtqueue_chain *chain;

	if (fuzz->held_count == HELD_MAX)
		return;
	chain = virtqueue_pop(&fuzz->queue);
	check_bounds(fuzz);
	if (!chain)
		return;
	use_chain(fuzz, chain);
	if (take8(&fuzz->input) % 8)
		fuzz->held[fuzz->held_count++] = chain;
	else
		virtqueue_unpop(&fuzz->queue, chain);
}

static void push(struct fuzz *fuzz)
{
	unsigned int which;

	if (!fuzz->held_count)
		return;
	which = take_below(&fuzz->input, fuzz->held_count);
	virtqueue_push(&fuzz->queue, fuzz->held[which], take_value(&fuzz->input, 4));
	fuzz->held[which] = fuzz->held[--fuzz->held_count];
}

/* As a device that hands back many at once, and a guest that does not wait for that. */
static void batch(struct fuzz *fuzz)
{
	struct virtqueue_chain *chain;

	for (unsigned int left = take8(&fuzz->input) % 128; left; left--) {
		make_available(fuzz);
		chain = virtqueue_pop(&fuzz->queue);
		if (!chain)
			break;
		virtqueue_push(&fuzz->queue, chain, 8);
		check_bounds(fuzz);
	}
}

static void commit(struct fuzz *fuzz)
{
	virtqueue_commit(&fuzz->queue);
}

static void notifications(struct fuzz *fuzz)
{
	if (take8(&fuzz->input) & 1)
		virtqueue_enable_notify(&fuzz->queue);
	else
		virtqueue_disable_notify(&fuzz->queue);
}

static void stop(struct fuzz *fuzz)
{
	while (fuzz->held_count)
		virtqueue_drop(&fuzz->queue, fuzz->held[--fuzz->held_count]);
	virtqueue_stop(&fuzz->queue);
	CHECK(!fuzz->queue.in_flight);
	CHECK(fuzz->broken <= 1);
	fuzz->broken = 0;
}

static void start(struct fuzz *fuzz)
{
	static const uint16_t sizes[] = { 1, 2, 4, 8, 16, 64, 7, 0, 1024, 2048, 65535 };
	uint8_t bits = take8(&fuzz->input);
	struct virtqueue_config config = {
		.descriptors = RINGS,
		.driver = bits & 1 ? AVAIL : take_address(&fuzz->input, RINGS, MEMORY_SIZE),
		.device = bits & 1 ? USED : take_address(&fuzz->input, RINGS, MEMORY_SIZE),
		.size = sizes[take_below(&fuzz->input, bits & 1 ? 6 : G_N_ELEMENTS(sizes))],
		.features = (uint64_t)(bits >> 1 & 1) << VIRTIO_F_RING_PACKED |
			    (uint64_t)(bits >> 2 & 1) << VIRTIO_RING_F_EVENT_IDX |
			    (uint64_t)(bits >> 3 & 1) << VIRTIO_F_IN_ORDER |
			    (uint64_t)(bits >> 4 != 0) << VIRTIO_RING_F_INDIRECT_DESC,
	};

	if (take8(&fuzz->input) % 4 == 0)
		config.descriptors = MEMORY_SIZE - 16ull * config.size;
	virtqueue_start(&fuzz->queue, &config, NULL);
}

static void restart(struct fuzz *fuzz)
{
	if (take8(&fuzz->input) % 4)
		return;
	stop(fuzz);
	start(fuzz);
}

static void (*const steps[])(struct fuzz *fuzz) = {
	write_descriptor, write_descriptor, write_descriptor, write_avail, advance_avail,
	advance_avail, write_anything, make_available, pop, pop, pop, push, push, batch, commit,
	notifications, restart,
};

/* ---------------------------------------------------------------- at the same time */

static void *scribble(void *opaque)
{
	struct fuzz *fuzz = opaque;
	uint64_t state = fuzz->seed | 1;
	uint64_t at;

	while (!atomic_load(&fuzz->end)) {
		state = state * 6364136223846793005ull + 1442695040888963407ull;
		at = RINGS + (state >> 32) % 0x600;
		if (state >> 63)
			at += AVAIL - RINGS;
		__atomic_store_n(ram(fuzz, at), (uint8_t)(state >> 40), __ATOMIC_RELAXED);
	}
	return NULL;
}

static void run(struct fuzz *fuzz)
{
	while (fuzz->input.left)
		steps[take_below(&fuzz->input, G_N_ELEMENTS(steps))](fuzz);
}

/* One run in 16 has company; making threads is dear. */
static void run_beside_scribbler(struct fuzz *fuzz)
{
	pthread_t thread;

	fuzz->seed = take_value(&fuzz->input, 8);
	CHECK(!pthread_create(&thread, NULL, scribble, fuzz));
	run(fuzz);
	atomic_store(&fuzz->end, true);
	pthread_join(thread, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct guest_memory *memory;	/* the same for all runs: mapping is dear */
	struct fuzz fuzz = { .input = { data, size } };
	size_t count;

	if (!memory)
		memory = guest_memory_new(-1, MEMORY_SIZE, NULL);
	CHECK(memory);
	fuzz.memory = memory;
	fuzz.ram = guest_memory_ranges(memory, &count);
	fuzz.virtio = (struct virtio_memory){
		.ram = memory, .dirty = note_dirty, .opaque = &fuzz,
	};
	memset(ram(&fuzz, RINGS), 0, 0x8000);
	virtqueue_init(&fuzz.queue, &fuzz.virtio, note_broken, &fuzz);
	start(&fuzz);
	if (take8(&fuzz.input) % 16)
		run(&fuzz);
	else
		run_beside_scribbler(&fuzz);
	stop(&fuzz);
	return 0;
}
