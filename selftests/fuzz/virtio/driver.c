// SPDX-License-Identifier: GPL-2.0-or-later
#include "driver.h"

#define AVAIL	0x4000ull
#define USED	0x5000ull

static void no_interrupt(void *opaque, uint32_t queue)
{
	(void)opaque;
	(void)queue;
}

static const struct virtio_transport_ops transport_ops = { .interrupt = no_interrupt };

const struct virtio_memory *fuzz_memory(void)
{
	static struct virtio_memory memory;

	if (!memory.ram)
		memory.ram = guest_memory_new(-1, FUZZ_MEMORY_SIZE, NULL);
	CHECK(memory.ram);
	return &memory;
}

static uint64_t rings_of(unsigned int queue)
{
	return FUZZ_RINGS + FUZZ_STRIDE * queue;
}

void fuzz_driver_reset(struct fuzz_driver *driver)
{
	virtio_device_set_status(driver->device, 0, false);
	memset(driver->ram + FUZZ_RINGS, 0, driver->queues * FUZZ_STRIDE);
	memset(driver->avail, 0, sizeof(driver->avail));
	if (driver->was_reset)
		driver->was_reset(driver);
}

static uint64_t any_features(struct fuzz_driver *driver)
{
	uint64_t features = take_value(&driver->input, 5) & driver->device->offered;

	return (features & ~VIRTIO_BIT(VIRTIO_F_RING_PACKED)) | VIRTIO_BIT(VIRTIO_F_VERSION_1);
}

void fuzz_driver_start(struct fuzz_driver *driver)
{
	uint8_t status = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;
	struct virtio_device *device = driver->device;

	fuzz_driver_reset(driver);
	virtio_device_set_status(device, status, false);
	virtio_device_set_features(device, any_features(driver));
	status |= VIRTIO_CONFIG_S_FEATURES_OK;
	virtio_device_set_status(device, status, false);
	for (unsigned int i = 0; i < driver->queues; i++) {
		*virtio_device_queue(device, i) = (struct virtqueue_config){
			.descriptors = rings_of(i), .driver = rings_of(i) + AVAIL,
			.device = rings_of(i) + USED, .size = FUZZ_QUEUE_SIZE,
		};
		virtio_device_enable_queue(device, i);
	}
	virtio_device_set_status(device, status | VIRTIO_CONFIG_S_DRIVER_OK, false);
}

void fuzz_driver_describe(struct fuzz_driver *driver, unsigned int queue, uint16_t index,
			  const struct vring_desc *desc)
{
	memcpy(driver->ram + rings_of(queue) + sizeof(*desc) * index, desc, sizeof(*desc));
}

void fuzz_driver_make_available(struct fuzz_driver *driver, unsigned int queue, uint16_t head)
{
	uint8_t *ring = driver->ram + rings_of(queue) + AVAIL;

	memcpy(ring + 4 + 2 * (driver->avail[queue] % FUZZ_QUEUE_SIZE), &head, 2);
	driver->avail[queue]++;
	__atomic_store_n((uint16_t *)(ring + 2), driver->avail[queue], __ATOMIC_RELEASE);
	if (driver->notifies)
		virtio_device_notify(driver->device, queue);
}

void fuzz_driver_wild(struct fuzz_driver *driver)
{
	struct input *input = &driver->input;
	unsigned int queue = take_below(input, driver->queues);
	uint16_t index = take_below(input, FUZZ_QUEUE_SIZE);
	struct vring_desc desc;

	desc.addr = take_address(input, FUZZ_RINGS, FUZZ_MEMORY_SIZE);
	desc.len = take_length(input);
	desc.flags = take8(input) & 7;
	desc.next = take_below(input, FUZZ_QUEUE_SIZE + 1);
	fuzz_driver_describe(driver, queue, index, &desc);
	fuzz_driver_make_available(driver, queue, take_below(input, FUZZ_QUEUE_SIZE + 1));
}

void fuzz_driver_config(struct fuzz_driver *driver)
{
	struct virtio_device *device = driver->device;
	uint64_t offset = take_below(&driver->input, device->config_size + 4);
	unsigned int size = 1u << take_below(&driver->input, 4);

	virtio_device_config_write(device, offset, size, take_value(&driver->input, 8));
	virtio_device_config_read(device, offset, size);
}

void fuzz_driver_again(struct fuzz_driver *driver)
{
	if (take8(&driver->input) % driver->patience == 0)
		fuzz_driver_start(driver);
}

void fuzz_driver_rest(struct fuzz_driver *driver)
{
	struct virtio_device *device = driver->device;
	struct virtio_state state;
	union {
		uint64_t aligned;
		uint8_t bytes[2048];
	} kind = { 0 };

	CHECK(virtio_device_quiesce(device, NULL));
	virtio_device_save(device, &state);
	if (device->ops->state)
		device->ops->state->save(device, &kind);
	CHECK(virtio_device_check(device, &state, &kind, NULL));
	virtio_device_go_on(device);
}

void fuzz_driver_run(struct fuzz_driver *driver, const fuzz_step *steps, unsigned int count)
{
	CHECK(driver->queues <= FUZZ_QUEUES_MAX);
	virtio_device_attach(driver->device, &transport_ops, NULL);
	driver->ram = guest_memory_pointer(fuzz_memory()->ram, 0, FUZZ_MEMORY_SIZE);
	fuzz_driver_start(driver);
	while (driver->input.left)
		steps[take_below(&driver->input, count)](driver);
}
