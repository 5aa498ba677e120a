// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A network card whose driver does anything, at a stream whose other end does as well.  The
 * card's thread stays paused and its work is done here, so that a run depends on its input
 * alone.
 */
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../../vmm/devices/net/internal.h"
#include "input.h"

#define MEMORY_SIZE	(2ull << 20)
#define RINGS		0x10000ull
#define STRIDE		0x8000ull
#define AVAIL		0x4000ull
#define USED		0x5000ull
#define SIZE		16u
#define QUEUES		2u

#define CHECK(condition)	\
	do {			\
		if (!(condition))	\
			abort();	\
	} while (0)

struct fuzz {
	struct input input;
	uint8_t *ram;
	struct virtio_device *device;
	int far;
	uint16_t avail[QUEUES];
};

static void no_interrupt(void *opaque, uint32_t queue)
{
	(void)opaque;
	(void)queue;
}

static const struct virtio_transport_ops transport_ops = { .interrupt = no_interrupt };

static void work(struct fuzz *fuzz)
{
	struct net_pair *pair = ((struct net_device *)fuzz->device)->pairs[0];

	if (!fuzz->device->active)
		return;
	for (unsigned int i = 0; i < 4; i++) {
		net_transmit_frames(pair);
		net_receive_frames(pair);
	}
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
	if (fuzz->device->active)
		iothread_pause(((struct net_device *)fuzz->device)->pairs[0]->thread);
}

static void make_available(struct fuzz *fuzz, unsigned int queue, uint16_t head)
{
	uint8_t *ring = fuzz->ram + RINGS + STRIDE * queue + AVAIL;

	memcpy(ring + 4 + 2 * (fuzz->avail[queue] % SIZE), &head, 2);
	fuzz->avail[queue]++;
	__atomic_store_n((uint16_t *)(ring + 2), fuzz->avail[queue], __ATOMIC_RELEASE);
	virtio_device_notify(fuzz->device, queue);
}

static void write_descriptor(struct fuzz *fuzz, unsigned int queue, uint16_t index,
			     const struct vring_desc *desc)
{
	memcpy(fuzz->ram + RINGS + STRIDE * queue + 16 * index, desc, sizeof(*desc));
}

/* Two buffers in memory, of any length that there is room for: a frame to the host or a
 * place for one of its. */
static void buffers(struct fuzz *fuzz)
{
	unsigned int queue = take_below(&fuzz->input, QUEUES);
	uint16_t flags = queue ? 0 : VRING_DESC_F_WRITE;
	uint16_t index = take_below(&fuzz->input, SIZE / 2) * 2;

	write_descriptor(fuzz, queue, index, &(struct vring_desc){
		MEMORY_SIZE / 2 + 4096ull * index, take8(&fuzz->input) % 4 ? 12 :
		take8(&fuzz->input), flags | VRING_DESC_F_NEXT, index + 1 });
	write_descriptor(fuzz, queue, index + 1, &(struct vring_desc){
		MEMORY_SIZE / 2 + 4096ull * index + 512, take(&fuzz->input, 2), flags, 0 });
	make_available(fuzz, queue, index);
}

static void wild(struct fuzz *fuzz)
{
	unsigned int queue = take_below(&fuzz->input, QUEUES);

	write_descriptor(fuzz, queue, take_below(&fuzz->input, SIZE), &(struct vring_desc){
		take_address(&fuzz->input, RINGS, MEMORY_SIZE), take_length(&fuzz->input),
		take8(&fuzz->input) & 7, take_below(&fuzz->input, SIZE + 1) });
	make_available(fuzz, queue, take_below(&fuzz->input, SIZE + 1));
}

/* A frame of the host's; one in 64 has a length that ends the connection. */
static void frame(struct fuzz *fuzz)
{
	uint32_t length = 14 + take(&fuzz->input, 2) % 3000;
	uint32_t said = take8(&fuzz->input) % 64 ? length : take(&fuzz->input, 4);
	uint8_t bytes[4 + 3014] = { 0 };

	said = GUINT32_TO_BE(said);
	memcpy(bytes, &said, 4);
	if (send(fuzz->far, bytes, 4 + length, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return;
}

static void take_frames(struct fuzz *fuzz)
{
	uint8_t bytes[70000];

	while (recv(fuzz->far, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
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
	buffers, buffers, buffers, frame, frame, work, work, take_frames, wild, config, again,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct net_device_config net_config = { .name = "net0", .mac = { 2 } };
	static struct virtio_memory virtio;
	struct fuzz fuzz = { .input = { data, MIN(size, 256) } };
	struct net *net;
	int ends[2];

	if (!virtio.ram)
		virtio.ram = guest_memory_new(-1, MEMORY_SIZE, NULL);
	CHECK(virtio.ram && socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
	fuzz.far = ends[1];
	net = net_stream_new(ends[0], 0);
	fuzz.device = net_device_new(&net_config, &virtio, &net, 1, NULL);
	CHECK(fuzz.device);
	virtio_device_attach(fuzz.device, &transport_ops, NULL);
	fuzz.ram = guest_memory_pointer(virtio.ram, 0, MEMORY_SIZE);
	start(&fuzz);
	while (fuzz.input.left)
		steps[take_below(&fuzz.input, G_N_ELEMENTS(steps))](&fuzz);
	work(&fuzz);
	virtio_device_free(fuzz.device);
	close(fuzz.far);
	return 0;
}
