// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * An entropy device whose driver does anything.
 */
#include "../../../vmm/devices/rng/device.h"
#include "driver.h"
#include "loop.h"

struct fuzz {
	struct fuzz_driver driver;
	struct fuzz_loop loop;
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
	fuzz_loop_turn(&((struct fuzz *)driver)->loop);
}

static const fuzz_step steps[] = {
	buffer, buffer, chain, chain, work, work,
	fuzz_driver_wild, fuzz_driver_config, fuzz_driver_again, fuzz_driver_rest,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz fuzz = {
		.driver = {
			.input = { data, MIN(size, 512) }, .queues = 1, .notifies = true,
			.patience = 4,
		},
	};

	fuzz_loop_open(&fuzz.loop);
	fuzz.driver.device = rng_new("rng0", fuzz_memory(), &fuzz.loop.loop, &fuzz.loop.lock,
				     NULL);
	CHECK(fuzz.driver.device);
	fuzz_driver_run(&fuzz.driver, steps, G_N_ELEMENTS(steps));
	work(&fuzz.driver);
	virtio_device_free(fuzz.driver.device);
	fuzz_loop_close(&fuzz.loop);
	return 0;
}
