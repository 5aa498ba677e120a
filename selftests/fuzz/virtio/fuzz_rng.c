// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * An entropy device whose driver does anything.
 */
#include <uv.h>

#include "../../../vmm/devices/rng/device.h"
#include "driver.h"

struct fuzz {
	struct fuzz_driver driver;
	uv_loop_t loop;
	pthread_mutex_t lock;
};

static void buffer(struct fuzz_driver *driver)
{
	uint16_t index = take_below(&driver->input, FUZZ_QUEUE_SIZE);

	fuzz_driver_describe(driver, 0, index, &(struct vring_desc){
		FUZZ_BUFFERS + 0x1000 * index, take_value(&driver->input, 2),
		VRING_DESC_F_WRITE, 0 });
	fuzz_driver_make_available(driver, 0, index);
}

static void chain(struct fuzz_driver *driver)
{
	uint16_t index = take_below(&driver->input, FUZZ_QUEUE_SIZE);
	uint8_t flags = take8(&driver->input);

	fuzz_driver_describe(driver, 0, index, &(struct vring_desc){
		take_address(&driver->input, FUZZ_RINGS, FUZZ_MEMORY_SIZE),
		take_length(&driver->input), flags & 7,
		take_below(&driver->input, FUZZ_QUEUE_SIZE) });
	if (flags & 0x80)
		fuzz_driver_make_available(driver, 0, index);
}

static void work(struct fuzz_driver *driver)
{
	uv_run(&((struct fuzz *)driver)->loop, UV_RUN_NOWAIT);
}

static const fuzz_step steps[] = {
	buffer, buffer, chain, chain, work, work,
	fuzz_driver_wild, fuzz_driver_config, fuzz_driver_again,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz fuzz = {
		.driver = {
			.input = { data, MIN(size, 512) }, .queues = 1, .notifies = true,
			.patience = 4,
		},
	};

	CHECK(uv_loop_init(&fuzz.loop) == 0);
	pthread_mutex_init(&fuzz.lock, NULL);
	fuzz.driver.device = rng_new("rng0", fuzz_memory(), &fuzz.loop, &fuzz.lock, NULL);
	CHECK(fuzz.driver.device);
	fuzz_driver_run(&fuzz.driver, steps, G_N_ELEMENTS(steps));
	work(&fuzz.driver);
	virtio_device_free(fuzz.driver.device);
	uv_run(&fuzz.loop, UV_RUN_DEFAULT);
	CHECK(uv_loop_close(&fuzz.loop) == 0);
	pthread_mutex_destroy(&fuzz.lock);
	return 0;
}
