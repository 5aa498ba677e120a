// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A disk whose driver does anything: wrong requests, wrong rings, resets at any moment.
 */
#include <linux/virtio_blk.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../../../vmm/devices/block/device.h"
#include "input.h"

#define MEMORY_SIZE	(2ull << 20)
#define RINGS		0x10000ull
#define STRIDE		0x8000ull
#define AVAIL		0x4000ull
#define USED		0x5000ull
#define SIZE		16u
#define QUEUES		2u
#define DISK_SIZE	(256u << 10)

struct fuzz {
	struct input input;
	uint8_t *ram;
	struct virtio_device *device;
	uint16_t avail[QUEUES];
};

#define CHECK(condition)	\
	do {			\
		if (!(condition))	\
			abort();	\
	} while (0)

static void no_interrupt(void *opaque, uint32_t queue)
{
	(void)opaque;
	(void)queue;
}

static const struct virtio_transport_ops transport_ops = { .interrupt = no_interrupt };

/* A sparse file that is gone when the program is. */
static struct virtio_device *make_device(struct virtio_memory *memory)
{
	const struct block_device_config config = { .name = "disk0", .queues = QUEUES };
	char path[] = "/tmp/mica-fuzz-XXXXXX";
	int fd = mkstemp(path);
	struct block *block;

	CHECK(fd >= 0 && ftruncate(fd, DISK_SIZE) == 0);
	block = block_file_open(path, false, BLOCK_CACHE_AUTO, NULL);
	CHECK(block);
	unlink(path);
	close(fd);
	return block_device_new(&config, memory, block, NULL);
}

static void reset(struct fuzz *fuzz)
{
	virtio_device_set_status(fuzz->device, 0, false);
	memset(fuzz->ram + RINGS, 0, QUEUES * STRIDE);
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
	for (unsigned int i = 0; i < QUEUES; i++) {
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

/* A header that means something, data that may not. */
static void request(struct fuzz *fuzz)
{
	static const uint32_t types[] = {
		VIRTIO_BLK_T_IN, VIRTIO_BLK_T_OUT, VIRTIO_BLK_T_FLUSH, VIRTIO_BLK_T_GET_ID,
		VIRTIO_BLK_T_DISCARD, VIRTIO_BLK_T_WRITE_ZEROES, VIRTIO_BLK_T_SCSI_CMD, 77,
	};
	unsigned int queue = take_below(&fuzz->input, QUEUES);
	uint64_t header_at = MEMORY_SIZE / 2 + 64ull * take8(&fuzz->input);
	uint32_t type = types[take_below(&fuzz->input, G_N_ELEMENTS(types))];
	const struct virtio_blk_outhdr header = {
		.type = type,
		.sector = take8(&fuzz->input) % 8 ? take(&fuzz->input, 2) % 600 :
						    take(&fuzz->input, 8),
	};
	uint16_t data_flags = type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_GET_ID ?
			      VRING_DESC_F_WRITE : 0;

	memcpy(fuzz->ram + header_at, &header, sizeof(header));
	write_descriptor(fuzz, queue, 0, &(struct vring_desc){
		header_at, take8(&fuzz->input) % 16 ? 16 : take8(&fuzz->input),
		VRING_DESC_F_NEXT, 1 });
	write_descriptor(fuzz, queue, 1, &(struct vring_desc){
		take_address(&fuzz->input, RINGS, MEMORY_SIZE), take_length(&fuzz->input),
		VRING_DESC_F_NEXT | data_flags, 2 });
	write_descriptor(fuzz, queue, 2, &(struct vring_desc){
		MEMORY_SIZE - 1 - take8(&fuzz->input), 1, VRING_DESC_F_WRITE, 0 });
	make_available(fuzz, queue, 0);
	virtio_device_notify(fuzz->device, queue);
}

static void wild(struct fuzz *fuzz)
{
	unsigned int queue = take_below(&fuzz->input, QUEUES);

	write_descriptor(fuzz, queue, take_below(&fuzz->input, SIZE), &(struct vring_desc){
		take_address(&fuzz->input, RINGS, MEMORY_SIZE), take_length(&fuzz->input),
		take8(&fuzz->input) & 7, take_below(&fuzz->input, SIZE + 1) });
	make_available(fuzz, queue, take_below(&fuzz->input, SIZE + 1));
	virtio_device_notify(fuzz->device, queue);
}

static void config(struct fuzz *fuzz)
{
	uint64_t offset = take8(&fuzz->input);
	unsigned int size = 1u << take_below(&fuzz->input, 4);

	virtio_device_config_write(fuzz->device, offset, size, take(&fuzz->input, 8));
	virtio_device_config_read(fuzz->device, offset, size);
}

static void again(struct fuzz *fuzz)
{
	if (take8(&fuzz->input) % 4 == 0)
		start(fuzz);
}

static void (*const steps[])(struct fuzz *fuzz) = {
	request, request, request, request, wild, config, again,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct virtio_device *device;	/* the same for all runs: it has a thread */
	static struct virtio_memory virtio;
	static struct guest_memory *memory;
	struct fuzz fuzz = { .input = { data, MIN(size, 256) } };

	if (!device) {
		memory = guest_memory_new(-1, MEMORY_SIZE, NULL);
		CHECK(memory);
		virtio.ram = memory;
		device = make_device(&virtio);
		CHECK(device);
		virtio_device_attach(device, &transport_ops, NULL);
	}
	fuzz.device = device;
	fuzz.ram = guest_memory_pointer(memory, 0, MEMORY_SIZE);
	start(&fuzz);
	while (fuzz.input.left)
		steps[take_below(&fuzz.input, G_N_ELEMENTS(steps))](&fuzz);
	reset(&fuzz);
	return 0;
}
