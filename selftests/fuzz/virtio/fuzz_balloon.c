// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A balloon whose driver does anything.
 */
#include "../../../vmm/devices/balloon/internal.h"
#include "driver.h"
#include "iothread.h"

static struct balloon *balloon_of(struct fuzz_driver *driver)
{
	return (struct balloon *)driver->device;
}

static void work(struct fuzz_driver *driver)
{
	fuzz_iothread_work(balloon_of(driver)->thread);
}

/* Page numbers, mostly of pages that hold no ring; statistics on their queue. */
static void buffer(struct fuzz_driver *driver)
{
	unsigned int queue = take_below(&driver->input, QUEUE_COUNT);
	uint16_t index = take_below(&driver->input, FUZZ_QUEUE_SIZE);
	uint8_t *at = driver->ram + FUZZ_BUFFERS + 4096ull * index;
	uint32_t length = queue == STATISTICS ? 10 * take_below(&driver->input, 40) :
			  4 * take_below(&driver->input, 200);
	uint32_t pfn = FUZZ_BUFFERS / 4096 + take8(&driver->input);

	for (unsigned int i = 0; i + 4 <= length; i += 4, pfn += take_below(&driver->input, 3))
		memcpy(at + i, &pfn, 4);
	if (take8(&driver->input) % 16 == 0)
		length += take8(&driver->input) % 4;
	fuzz_driver_describe(driver, queue, index, &(struct vring_desc){
		FUZZ_BUFFERS + 4096ull * index, length,
		queue >= REPORTING_LINUX ? VRING_DESC_F_WRITE : 0, 0 });
	fuzz_driver_make_available(driver, queue, index);
}

static void ask(struct fuzz_driver *driver)
{
	uint64_t memory = balloon_of(driver)->memory;
	struct balloon_status status;

	balloon_set_target(driver->device, take_value(&driver->input, 8));
	balloon_get_status(driver->device, &status);
	CHECK(status.target <= memory && status.current <= memory);
	CHECK(status.known < 1u << VIRTIO_BALLOON_S_NR);
}

static const fuzz_step steps[] = {
	buffer, buffer, buffer, buffer, work, work, work, ask,
	fuzz_driver_wild, fuzz_driver_config, fuzz_driver_again, fuzz_driver_rest,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct balloon_config balloon_config = { .name = "balloon0", .target = 1 << 20 };
	struct fuzz_driver driver = {
		.input = { data, MIN(size, 512) }, .queues = QUEUE_COUNT, .patience = 4,
	};

	driver.device = balloon_new(&balloon_config, fuzz_memory(), NULL);
	CHECK(driver.device);
	fuzz_driver_run(&driver, steps, G_N_ELEMENTS(steps));
	work(&driver);
	virtio_device_free(driver.device);
	return 0;
}
