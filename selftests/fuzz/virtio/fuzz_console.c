// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A console whose driver does anything, with ends that are full, gone and back as the input
 * says.
 */
#include "../../../vmm/devices/console/internal.h"
#include "driver.h"
#include "loop.h"

#define PORTS		3u
#define QUEUES		(2 * PORTS + 2)

struct end {
	struct fuzz_driver *driver;
	unsigned int port;
	bool full;
};

struct fuzz {
	struct fuzz_driver driver;
	struct fuzz_loop loop;
	struct end ends[PORTS];
};

static struct end *end_of(struct fuzz_driver *driver, unsigned int port)
{
	return &((struct fuzz *)driver)->ends[port];
}

/* ---------------------------------------------------------------- the ends */

static size_t put(void *opaque, const uint8_t *bytes, size_t count)
{
	struct end *end = opaque;
	unsigned int sum = 0;
	size_t taken;

	for (size_t i = 0; i < count; i++)
		sum += bytes[i];
	CHECK(count && !end->full && sum <= 255 * count);
	taken = take8(&end->driver->input) % 4 ? count : take_below(&end->driver->input, count + 1);
	end->full = taken < count;
	return taken;
}

/* As an end of port.c does: from within the device's call. */
static void room(void *opaque)
{
	struct end *end = opaque;
	uint8_t bytes[64] = { 0 };
	size_t count = 1 + take_below(&end->driver->input, sizeof(bytes));

	CHECK(console_input(end->driver->device, end->port, bytes, count) <= count);
}

static void type(struct fuzz_driver *driver)
{
	room(end_of(driver, take_below(&driver->input, PORTS)));
}

static void make_room(struct fuzz_driver *driver)
{
	unsigned int port = take_below(&driver->input, PORTS);

	end_of(driver, port)->full = false;
	console_writable(driver->device, port);
}

/* Who comes or goes makes room. */
static void come_or_go(struct fuzz_driver *driver)
{
	unsigned int port = take_below(&driver->input, PORTS);
	struct console_device *device = (struct console_device *)driver->device;

	end_of(driver, port)->full = false;
	console_connected(driver->device, port, !device->ports[port].connected);
}

static void resize(struct fuzz_driver *driver)
{
	console_resize(driver->device, take8(&driver->input), take8(&driver->input));
}

static void work(struct fuzz_driver *driver)
{
	fuzz_loop_turn(&((struct fuzz *)driver)->loop);
}

/* ---------------------------------------------------------------- the driver */

static void make_all_room(struct fuzz_driver *driver)
{
	for (unsigned int i = 0; i < PORTS; i++)
		end_of(driver, i)->full = false;
}

static void message(struct fuzz_driver *driver)
{
	uint16_t index = take_below(&driver->input, FUZZ_QUEUE_SIZE);
	struct virtio_console_control control = {
		.id = take_below(&driver->input, PORTS + 1),
		.event = take_below(&driver->input, VIRTIO_CONSOLE_PORT_NAME + 2),
		.value = take8(&driver->input) % 4,
	};

	memcpy(driver->ram + FUZZ_BUFFERS + 64 * index, &control, sizeof(control));
	fuzz_driver_describe(driver, CONTROL_TRANSMIT, index, &(struct vring_desc){
		FUZZ_BUFFERS + 64 * index,
		take8(&driver->input) % 64 ? 8 : take8(&driver->input), 0, 0 });
	fuzz_driver_make_available(driver, CONTROL_TRANSMIT, index);
}

static void buffer(struct fuzz_driver *driver)
{
	unsigned int queue = take_below(&driver->input, QUEUES);
	uint16_t index = take_below(&driver->input, FUZZ_QUEUE_SIZE);

	fuzz_driver_describe(driver, queue, index, &(struct vring_desc){
		FUZZ_BUFFERS + 0x10000 + 0x2000 * index, take8(&driver->input) * 32 + 16,
		queue % 2 ? 0 : VRING_DESC_F_WRITE, 0 });
	fuzz_driver_make_available(driver, queue, index);
}

static const fuzz_step steps[] = {
	buffer, buffer, buffer, message, message, message, work, work, work, type, make_room,
	come_or_go, resize, fuzz_driver_wild, fuzz_driver_again, fuzz_driver_rest,
};

/* ---------------------------------------------------------------- a run */

static void open_device(struct fuzz *fuzz)
{
	struct console_port_config ports[PORTS] = {
		{ .name = NULL }, { .name = "one" }, { .name = "two" },
	};
	const struct console_device_config config = { "console0", ports, PORTS };

	for (unsigned int i = 0; i < PORTS; i++) {
		fuzz->ends[i] = (struct end){ .driver = &fuzz->driver, .port = i };
		ports[i].end = (struct console_end){ put, room, &fuzz->ends[i] };
	}
	fuzz->driver.device = console_device_new(&config, fuzz_memory(), &fuzz->loop.loop,
						 &fuzz->loop.lock, NULL);
	CHECK(fuzz->driver.device);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz fuzz = {
		.driver = {
			.input = { data, MIN(size, 512) }, .queues = QUEUES, .notifies = true,
			.patience = 8, .was_reset = make_all_room,
		},
	};

	fuzz_loop_open(&fuzz.loop);
	open_device(&fuzz);
	fuzz_driver_run(&fuzz.driver, steps, G_N_ELEMENTS(steps));
	work(&fuzz.driver);
	virtio_device_free(fuzz.driver.device);
	fuzz_loop_close(&fuzz.loop);
	return 0;
}
