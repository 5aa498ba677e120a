// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A balloon whose driver does anything.  In the place of the device's thread is a part of this
 * program that does its work when the input says so: a run depends on its input alone.
 */
#include <stdlib.h>

#include "../../../vmm/devices/balloon/internal.h"
#include "input.h"

#define MEMORY_SIZE	(2ull << 20)
#define RINGS		0x10000ull
#define STRIDE		0x8000ull
#define AVAIL		0x4000ull
#define USED		0x5000ull
#define SIZE		16u
#define BUFFERS		(MEMORY_SIZE / 2)

#define CHECK(condition)	\
	do {			\
		if (!(condition))	\
			abort();	\
	} while (0)

struct fuzz {
	struct input input;
	uint8_t *ram;
	struct virtio_device *device;
	uint16_t avail[QUEUE_COUNT];
};

/* ---------------------------------------------------------------- the thread */

struct iothread {
	void (*work)(void *opaque);
	void *opaque;
	bool runs;
};

struct iothread *iothread_new(const char *name, void (*work)(void *opaque), void *opaque,
			      GError **error)
{
	struct iothread *thread = g_new0(struct iothread, 1);

	(void)name;
	(void)error;
	thread->work = work;
	thread->opaque = opaque;
	return thread;
}

void iothread_free(struct iothread *thread)
{
	CHECK(!thread->runs);
	g_free(thread);
}

void iothread_resume(struct iothread *thread)
{
	CHECK(!thread->runs);
	thread->runs = true;
}

void iothread_pause(struct iothread *thread)
{
	CHECK(thread->runs);
	thread->runs = false;
}

bool iothread_pausing(const struct iothread *thread)
{
	return !thread->runs;
}

int iothread_kick_fd(const struct iothread *thread)
{
	(void)thread;
	return -1;
}

void iothread_kick(struct iothread *thread)
{
	(void)thread;
}

static void work(struct fuzz *fuzz)
{
	struct iothread *thread = ((struct balloon *)fuzz->device)->thread;

	if (thread->runs)
		thread->work(thread->opaque);
}

/* ---------------------------------------------------------------- the driver */

static void no_interrupt(void *opaque, uint32_t queue)
{
	(void)opaque;
	(void)queue;
}

static const struct virtio_transport_ops transport_ops = { .interrupt = no_interrupt };

static struct balloon *balloon_of(struct fuzz *fuzz)
{
	return (struct balloon *)fuzz->device;
}

static void reset(struct fuzz *fuzz)
{
	virtio_device_set_status(fuzz->device, 0, false);
	memset(fuzz->ram + RINGS, 0, QUEUE_COUNT * STRIDE);
	memset(fuzz->avail, 0, sizeof(fuzz->avail));
}

static void start(struct fuzz *fuzz)
{
	uint8_t status = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;
	uint64_t base;

	reset(fuzz);
	virtio_device_set_status(fuzz->device, status, false);
	virtio_device_set_features(fuzz->device, (take(&fuzz->input, 5) & fuzz->device->offered &
						  ~VIRTIO_BIT(VIRTIO_F_RING_PACKED)) |
						 VIRTIO_BIT(VIRTIO_F_VERSION_1));
	status |= VIRTIO_CONFIG_S_FEATURES_OK;
	virtio_device_set_status(fuzz->device, status, false);
	for (unsigned int i = 0; i < QUEUE_COUNT; i++) {
		base = RINGS + STRIDE * i;
		*virtio_device_queue(fuzz->device, i) = (struct virtqueue_config){
			.descriptors = base, .driver = base + AVAIL, .device = base + USED,
			.size = SIZE,
		};
		virtio_device_enable_queue(fuzz->device, i);
	}
	virtio_device_set_status(fuzz->device, status | VIRTIO_CONFIG_S_DRIVER_OK, false);
}

static void make_available(struct fuzz *fuzz, unsigned int queue, uint16_t head)
{
	uint8_t *ring = fuzz->ram + RINGS + STRIDE * queue + AVAIL;

	memcpy(ring + 4 + 2 * (fuzz->avail[queue] % SIZE), &head, 2);
	fuzz->avail[queue]++;
	__atomic_store_n((uint16_t *)(ring + 2), fuzz->avail[queue], __ATOMIC_RELEASE);
}

static void write_descriptor(struct fuzz *fuzz, unsigned int queue, uint16_t index,
			     const struct vring_desc *desc)
{
	memcpy(fuzz->ram + RINGS + STRIDE * queue + 16 * index, desc, sizeof(*desc));
}

/* Page numbers, mostly of pages that hold no ring; statistics on their queue. */
static void buffer(struct fuzz *fuzz)
{
	unsigned int queue = take_below(&fuzz->input, QUEUE_COUNT);
	uint16_t index = take_below(&fuzz->input, SIZE);
	uint8_t *at = fuzz->ram + BUFFERS + 4096ull * index;
	uint32_t length = queue == STATISTICS ? 10 * take_below(&fuzz->input, 40) :
			  4 * take_below(&fuzz->input, 200);
	uint32_t pfn = BUFFERS / 4096 + take8(&fuzz->input);

	for (unsigned int i = 0; i + 4 <= length; i += 4, pfn += take_below(&fuzz->input, 3))
		memcpy(at + i, &pfn, 4);
	if (take8(&fuzz->input) % 16 == 0)
		length += take8(&fuzz->input) % 4;
	write_descriptor(fuzz, queue, index, &(struct vring_desc){
		BUFFERS + 4096ull * index, length, queue >= REPORTING_LINUX ? VRING_DESC_F_WRITE :
		0, 0 });
	make_available(fuzz, queue, index);
}

static void wild(struct fuzz *fuzz)
{
	unsigned int queue = take_below(&fuzz->input, QUEUE_COUNT);

	write_descriptor(fuzz, queue, take_below(&fuzz->input, SIZE), &(struct vring_desc){
		take_address(&fuzz->input, RINGS, MEMORY_SIZE), take_length(&fuzz->input),
		take8(&fuzz->input) & 7, take_below(&fuzz->input, SIZE + 1) });
	make_available(fuzz, queue, take_below(&fuzz->input, SIZE + 1));
}

static void config(struct fuzz *fuzz)
{
	uint64_t offset = take_below(&fuzz->input, 20);
	unsigned int size = 1u << take_below(&fuzz->input, 4);

	virtio_device_config_write(fuzz->device, offset, size, take(&fuzz->input, 8));
	virtio_device_config_read(fuzz->device, offset, size);
}

static void ask(struct fuzz *fuzz)
{
	uint64_t memory = balloon_of(fuzz)->memory;
	struct balloon_status status;

	balloon_set_target(fuzz->device, take(&fuzz->input, 8));
	balloon_get_status(fuzz->device, &status);
	CHECK(status.target <= memory && status.current <= memory);
	CHECK(status.known < 1u << VIRTIO_BALLOON_S_NR);
}

static void again(struct fuzz *fuzz)
{
	if (take8(&fuzz->input) % 4 == 0)
		start(fuzz);
}

static void (*const steps[])(struct fuzz *fuzz) = {
	buffer, buffer, buffer, buffer, work, work, work, wild, config, ask, again,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct balloon_config balloon_config = { .name = "balloon0", .target = 1 << 20 };
	static struct virtio_memory virtio;
	struct fuzz fuzz = { .input = { data, MIN(size, 512) } };

	if (!virtio.ram)
		virtio.ram = guest_memory_new(-1, MEMORY_SIZE, NULL);
	CHECK(virtio.ram);
	fuzz.device = balloon_new(&balloon_config, &virtio, NULL);
	CHECK(fuzz.device);
	virtio_device_attach(fuzz.device, &transport_ops, NULL);
	fuzz.ram = guest_memory_pointer(virtio.ram, 0, MEMORY_SIZE);
	start(&fuzz);
	while (fuzz.input.left)
		steps[take_below(&fuzz.input, G_N_ELEMENTS(steps))](&fuzz);
	work(&fuzz);
	virtio_device_free(fuzz.device);
	return 0;
}
