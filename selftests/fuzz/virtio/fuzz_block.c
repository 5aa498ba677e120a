// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A disk whose driver does anything: wrong requests, wrong rings, resets at any moment.
 */
#include <linux/virtio_blk.h>
#include <unistd.h>

#include "../../../vmm/devices/block/device.h"
#include "driver.h"

#define QUEUES		2u
#define DISK_SIZE	(256u << 10)

/* A sparse file that is gone when the program is. */
static struct virtio_device *make_device(void)
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
	return block_device_new(&config, fuzz_memory(), block, NULL);
}

/* A header that means something, data that may not. */
static void request(struct fuzz_driver *driver)
{
	static const uint32_t types[] = {
		VIRTIO_BLK_T_IN, VIRTIO_BLK_T_OUT, VIRTIO_BLK_T_FLUSH, VIRTIO_BLK_T_GET_ID,
		VIRTIO_BLK_T_DISCARD, VIRTIO_BLK_T_WRITE_ZEROES, VIRTIO_BLK_T_SCSI_CMD, 77,
	};
	unsigned int queue = take_below(&driver->input, QUEUES);
	uint64_t header_at = FUZZ_BUFFERS + 64ull * take8(&driver->input);
	uint32_t type = types[take_below(&driver->input, G_N_ELEMENTS(types))];
	const struct virtio_blk_outhdr header = {
		.type = type,
		.sector = take8(&driver->input) % 8 ? take_value(&driver->input, 2) % 600 :
						    take_value(&driver->input, 8),
	};
	uint16_t data_flags = type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_GET_ID ?
			      VRING_DESC_F_WRITE : 0;

	memcpy(driver->ram + header_at, &header, sizeof(header));
	fuzz_driver_describe(driver, queue, 0, &(struct vring_desc){
		header_at, take8(&driver->input) % 16 ? 16 : take8(&driver->input),
		VRING_DESC_F_NEXT, 1 });
	fuzz_driver_describe(driver, queue, 1, &(struct vring_desc){
		take_address(&driver->input, FUZZ_RINGS, FUZZ_MEMORY_SIZE),
		take_length(&driver->input), VRING_DESC_F_NEXT | data_flags, 2 });
	fuzz_driver_describe(driver, queue, 2, &(struct vring_desc){
		FUZZ_MEMORY_SIZE - 1 - take8(&driver->input), 1, VRING_DESC_F_WRITE, 0 });
	fuzz_driver_make_available(driver, queue, 0);
}

static const fuzz_step steps[] = {
	request, request, request, request, fuzz_driver_wild, fuzz_driver_config,
	fuzz_driver_again, fuzz_driver_rest,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct virtio_device *device;	/* the same for all runs: it has a thread */
	struct fuzz_driver driver = {
		.input = { data, MIN(size, 256) }, .queues = QUEUES, .notifies = true,
		.patience = 4,
	};

	if (!device)
		device = make_device();
	CHECK(device);
	driver.device = device;
	fuzz_driver_run(&driver, steps, G_N_ELEMENTS(steps));
	fuzz_driver_reset(&driver);
	return 0;
}
