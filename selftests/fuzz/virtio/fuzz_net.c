// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A network card whose driver does anything, at a stream whose other end does as well.
 */
#include <sys/socket.h>
#include <unistd.h>

#include "../../../vmm/devices/net/internal.h"
#include "driver.h"
#include "iothread.h"

#define QUEUES		2u

struct fuzz {
	struct fuzz_driver driver;
	int far;
};

static int far_end(struct fuzz_driver *driver)
{
	return ((struct fuzz *)driver)->far;
}

static struct net_pair *pair_of(struct fuzz_driver *driver)
{
	return ((struct net_device *)driver->device)->pairs[0];
}

static void work(struct fuzz_driver *driver)
{
	fuzz_iothread_work(pair_of(driver)->thread);
}

/* Two buffers in memory, of any length that there is room for: a frame to the host or a
 * place for one of its. */
static void buffers(struct fuzz_driver *driver)
{
	unsigned int queue = take_below(&driver->input, QUEUES);
	uint16_t flags = queue ? 0 : VRING_DESC_F_WRITE;
	uint16_t index = take_below(&driver->input, FUZZ_QUEUE_SIZE / 2) * 2;

	fuzz_driver_describe(driver, queue, index, &(struct vring_desc){
		FUZZ_BUFFERS + 4096ull * index, take8(&driver->input) % 4 ? 12 :
		take8(&driver->input), flags | VRING_DESC_F_NEXT, index + 1 });
	fuzz_driver_describe(driver, queue, index + 1, &(struct vring_desc){
		FUZZ_BUFFERS + 4096ull * index + 512, take_value(&driver->input, 2), flags, 0 });
	fuzz_driver_make_available(driver, queue, index);
}

/* A frame of the host's; one in 64 has a length that ends the connection. */
static void frame(struct fuzz_driver *driver)
{
	uint32_t length = 14 + take_value(&driver->input, 2) % 3000;
	uint32_t said = take8(&driver->input) % 64 ? length : take_value(&driver->input, 4);
	uint8_t bytes[4 + 3014] = { 0 };

	said = GUINT32_TO_BE(said);
	memcpy(bytes, &said, 4);
	if (send(far_end(driver), bytes, 4 + length, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return;
}

static void take_frames(struct fuzz_driver *driver)
{
	uint8_t bytes[70000];

	while (recv(far_end(driver), bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
}

static const fuzz_step steps[] = {
	buffers, buffers, buffers, frame, frame, work, work, take_frames,
	fuzz_driver_wild, fuzz_driver_config, fuzz_driver_again, fuzz_driver_rest,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct net_device_config net_config = { .name = "net0", .mac = { 2 } };
	struct fuzz fuzz = {
		.driver = {
			.input = { data, MIN(size, 256) }, .queues = QUEUES, .notifies = true,
			.patience = 4,
		},
	};
	struct net *net;
	int ends[2];

	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
	fuzz.far = ends[1];
	net = net_stream_new(ends[0], 0);
	fuzz.driver.device = net_device_new(&net_config, fuzz_memory(), &net, 1, NULL);
	CHECK(fuzz.driver.device);
	fuzz_driver_run(&fuzz.driver, steps, G_N_ELEMENTS(steps));
	work(&fuzz.driver);
	virtio_device_free(fuzz.driver.device);
	close(fuzz.far);
	return 0;
}
