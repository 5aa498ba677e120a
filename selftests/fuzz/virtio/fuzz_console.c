// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A console whose driver does anything, with ends that are full, gone and back as the input
 * says.
 */
#include <stdlib.h>
#include <uv.h>

#include "../../../vmm/devices/console/internal.h"
#include "input.h"

#define MEMORY_SIZE	(2ull << 20)
#define RINGS		0x10000ull
#define STRIDE		0x8000ull
#define AVAIL		0x4000ull
#define USED		0x5000ull
#define SIZE		16u
#define BUFFERS		(MEMORY_SIZE / 2)
#define PORTS		3u
#define QUEUES		(2 * PORTS + 2)

#define CHECK(condition)	\
	do {			\
		if (!(condition))	\
			abort();	\
	} while (0)

struct fuzz;

struct end {
	struct fuzz *fuzz;
	unsigned int port;
	bool full;
};

struct fuzz {
	struct input input;
	uint8_t *ram;
	struct virtio_device *device;
	uv_loop_t loop;
	pthread_mutex_t lock;
	struct end ends[PORTS];
	uint16_t avail[QUEUES];
};

static void no_interrupt(void *opaque, uint32_t queue)
{
	(void)opaque;
	(void)queue;
}

static const struct virtio_transport_ops transport_ops = { .interrupt = no_interrupt };

/* ---------------------------------------------------------------- the ends */

static size_t put(void *opaque, const uint8_t *bytes, size_t count)
{
	struct end *end = opaque;
	unsigned int sum = 0;
	size_t taken;

	for (size_t i = 0; i < count; i++)
		sum += bytes[i];
	CHECK(count && !end->full && sum <= 255 * count);
	taken = take8(&end->fuzz->input) % 4 ? count : take_below(&end->fuzz->input, count + 1);
	end->full = taken < count;
	return taken;
}

/* As an end of port.c does: from within the device's call. */
static void room(void *opaque)
{
	struct end *end = opaque;
	uint8_t bytes[64] = { 0 };
	size_t count = 1 + take_below(&end->fuzz->input, sizeof(bytes));

	CHECK(console_input(end->fuzz->device, end->port, bytes, count) <= count);
}

static void type(struct fuzz *fuzz)
{
	room(&fuzz->ends[take_below(&fuzz->input, PORTS)]);
}

static void make_room(struct fuzz *fuzz)
{
	unsigned int port = take_below(&fuzz->input, PORTS);

	fuzz->ends[port].full = false;
	console_writable(fuzz->device, port);
}

/* Who comes or goes makes room. */
static void come_or_go(struct fuzz *fuzz)
{
	unsigned int port = take_below(&fuzz->input, PORTS);
	struct console_device *device = (struct console_device *)fuzz->device;

	fuzz->ends[port].full = false;
	console_connected(fuzz->device, port, !device->ports[port].connected);
}

static void resize(struct fuzz *fuzz)
{
	console_resize(fuzz->device, take8(&fuzz->input), take8(&fuzz->input));
}

/* A driver can keep the device busy for ever; a turn of the loop ends all the same. */
static void work(struct fuzz *fuzz)
{
	uv_run(&fuzz->loop, UV_RUN_NOWAIT);
}

/* ---------------------------------------------------------------- the driver */

static void reset(struct fuzz *fuzz)
{
	virtio_device_set_status(fuzz->device, 0, false);
	for (unsigned int i = 0; i < PORTS; i++)
		fuzz->ends[i].full = false;
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
	virtio_device_notify(fuzz->device, queue);
}

static void write_descriptor(struct fuzz *fuzz, unsigned int queue, uint16_t index,
			     const struct vring_desc *desc)
{
	memcpy(fuzz->ram + RINGS + STRIDE * queue + 16 * index, desc, sizeof(*desc));
}

static void message(struct fuzz *fuzz)
{
	uint16_t index = take_below(&fuzz->input, SIZE);
	struct virtio_console_control control = {
		.id = take_below(&fuzz->input, PORTS + 1),
		.event = take_below(&fuzz->input, VIRTIO_CONSOLE_PORT_NAME + 2),
		.value = take8(&fuzz->input) % 4,
	};

	memcpy(fuzz->ram + BUFFERS + 64 * index, &control, sizeof(control));
	write_descriptor(fuzz, CONTROL_TRANSMIT, index, &(struct vring_desc){
		BUFFERS + 64 * index, take8(&fuzz->input) % 64 ? 8 : take8(&fuzz->input), 0, 0 });
	make_available(fuzz, CONTROL_TRANSMIT, index);
}

static void buffer(struct fuzz *fuzz)
{
	unsigned int queue = take_below(&fuzz->input, QUEUES);
	uint16_t index = take_below(&fuzz->input, SIZE);

	write_descriptor(fuzz, queue, index, &(struct vring_desc){
		BUFFERS + 0x10000 + 0x2000 * index, take8(&fuzz->input) * 32 + 16,
		queue % 2 ? 0 : VRING_DESC_F_WRITE, 0 });
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

static void again(struct fuzz *fuzz)
{
	if (take8(&fuzz->input) % 8 == 0)
		start(fuzz);
}

static void (*const steps[])(struct fuzz *fuzz) = {
	buffer, buffer, buffer, message, message, message, work, work, work, type, make_room,
	come_or_go, resize, wild, again,
};

/* ---------------------------------------------------------------- a run */

static void open_device(struct fuzz *fuzz, const struct virtio_memory *virtio)
{
	struct console_port_config ports[PORTS] = {
		{ .name = NULL }, { .name = "one" }, { .name = "two" },
	};
	const struct console_device_config config = { "console0", ports, PORTS };

	for (unsigned int i = 0; i < PORTS; i++) {
		fuzz->ends[i] = (struct end){ .fuzz = fuzz, .port = i };
		ports[i].end = (struct console_end){ put, room, &fuzz->ends[i] };
	}
	fuzz->device = console_device_new(&config, virtio, &fuzz->loop, &fuzz->lock, NULL);
	CHECK(fuzz->device);
	virtio_device_attach(fuzz->device, &transport_ops, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct virtio_memory virtio;
	struct fuzz fuzz = { .input = { data, MIN(size, 512) } };

	if (!virtio.ram)
		virtio.ram = guest_memory_new(-1, MEMORY_SIZE, NULL);
	CHECK(virtio.ram && uv_loop_init(&fuzz.loop) == 0);
	pthread_mutex_init(&fuzz.lock, NULL);
	open_device(&fuzz, &virtio);
	fuzz.ram = guest_memory_pointer(virtio.ram, 0, MEMORY_SIZE);
	start(&fuzz);
	while (fuzz.input.left)
		steps[take_below(&fuzz.input, G_N_ELEMENTS(steps))](&fuzz);
	work(&fuzz);
	virtio_device_free(fuzz.device);
	uv_run(&fuzz.loop, UV_RUN_DEFAULT);
	CHECK(uv_loop_close(&fuzz.loop) == 0);
	pthread_mutex_destroy(&fuzz.lock);
	return 0;
}
