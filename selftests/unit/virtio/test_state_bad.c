// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * States that no guest can have led a disk to: each is refused in words, and the device is as it
 * was before.
 */
#include "bench.h"

#include <linux/virtio_blk.h>
#include <linux/virtio_pci.h>
#include <stdlib.h>
#include <unistd.h>

#include "../../../vmm/devices/block/device.h"

#define DISK_SIZE	(1u << 20)
#define RING_SIZE	16u
#define COMMON	(VIRTIO_BIT(VIRTIO_BLK_F_FLUSH) | VIRTIO_BIT(VIRTIO_BLK_F_CONFIG_WCE))

struct world {
	struct bench bench;
	char *path;
	struct bench_state good;
};

static struct virtio_device *make_disk(struct world *world, bool read_only)
{
	const struct block_device_config config = { .name = "disk0", .queues = 2 };
	struct block *block = block_file_open(world->path, read_only, BLOCK_CACHE_HOST, NULL);

	assert_non_null(block);
	return block_device_new(&config, &world->bench.virtio, block, NULL);
}

/* A good state, and a device that has none yet. */
static void open_world(struct world *world, uint64_t features)
{
	int fd = g_file_open_tmp("mica-state-XXXXXX", &world->path, NULL);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, DISK_SIZE), 0);
	close(fd);
	bench_init(&world->bench);
	bench_attach(&world->bench, make_disk(world, false));
	bench_start(&world->bench, features | COMMON, RING_SIZE);
	bench_save(&world->bench, &world->good);
	virtio_device_free(world->bench.device);
	bench_attach(&world->bench, make_disk(world, false));
}

static void close_world(struct world *world)
{
	bench_free(&world->bench);
	unlink(world->path);
	g_free(world->path);
}

static void expect(struct world *world, const struct bench_state *state, const char *words)
{
	struct virtio_device *device = world->bench.device;
	g_autoptr(GError) error = NULL;

	assert_false(virtio_device_check(device, &state->common, &state->kind, &error));
	assert_non_null(error);
	assert_non_null(strstr(error->message, "disk0: "));
	if (!strstr(error->message, words))
		fail_msg("'%s' instead of '%s'", error->message, words);
	assert_false(device->active || device->quiet || device->enabled || device->negotiated);
	assert_int_equal(virtio_device_status(device), 0);
}

/* ---------------------------------------------------------------- numbers */

#define COMMON_FIELD(member, value, words) \
	{ offsetof(struct virtio_state, member), sizeof(((struct virtio_state *)0)->member), \
	  value, words }
#define QUEUE_FIELD(member, value, words) COMMON_FIELD(queues[0].member, value, words)

#define STATUS(bits)	(VIRTIO_CONFIG_S_ACKNOWLEDGE | (bits))

static const struct {
	size_t offset, size;
	uint64_t value;
	const char *words;
} bad[] = {
	COMMON_FIELD(type, VIRTIO_ID_NET, "of type 1"),
	COMMON_FIELD(queue_count, 3, "3 queues"),
	COMMON_FIELD(queue_count, 65, "65 queues"),
	COMMON_FIELD(queue_size, 128, "of 128"),
	COMMON_FIELD(negotiated, UINT64_MAX, "features that this host's device does not have: 0x"),
	COMMON_FIELD(negotiated, COMMON, "flags"),			/* without VERSION_1 */
	COMMON_FIELD(wants_more, 1, "flags"),
	COMMON_FIELD(wants_more, 2, "flags"),
	COMMON_FIELD(active, 2, "flags"),
	COMMON_FIELD(active, 0, "flags"),				/* but DRIVER_OK */
	COMMON_FIELD(status, 0, "flags"),
	COMMON_FIELD(status, STATUS(VIRTIO_CONFIG_S_DRIVER), "flags"),	/* more than 32 features */
	COMMON_FIELD(status, 0xff, "flags"),
	COMMON_FIELD(needs_reset, 2, "flags"),
	COMMON_FIELD(isr, 4, "flags"),
	COMMON_FIELD(config_interrupt, 2, "flags"),
	COMMON_FIELD(pad[6], 1, "flags"),
	COMMON_FIELD(config_vector, 3, "vectors"),
	COMMON_FIELD(queues[2].size, 1, "queues"),
	COMMON_FIELD(queues[63].pad[4], 1, "queues"),
	QUEUE_FIELD(descriptors, MEMORY_SIZE, "outside of the guest's memory"),
	QUEUE_FIELD(descriptors, UINT64_MAX & ~15ull, "outside of the guest's memory"),
	QUEUE_FIELD(descriptors, 8, "not aligned"),
	QUEUE_FIELD(driver, MEMORY_SIZE - 4, "outside of the guest's memory"),
	QUEUE_FIELD(device, UINT64_MAX, "not aligned"),
	QUEUE_FIELD(size, 0, "queue 0"),
	QUEUE_FIELD(size, 257, "queue 0"),
	QUEUE_FIELD(vector, 3, "queue 0"),
	QUEUE_FIELD(avail, 1, "chains in flight"),
	QUEUE_FIELD(used, 17, "chains in flight"),
	QUEUE_FIELD(enabled, 2, "queue 0"),
	QUEUE_FIELD(broken, 1, "queue 0"),				/* needs no reset */
	QUEUE_FIELD(broken, 2, "queue 0"),
	QUEUE_FIELD(interrupt, 2, "queue 0"),
	QUEUE_FIELD(pad[0], 1, "queue 0"),
};

static void refuses_numbers(void **unused)
{
	struct bench_state state;
	struct world world;

	(void)unused;
	open_world(&world, SPLIT);
	for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
		state = world.good;
		memcpy((uint8_t *)&state.common + bad[i].offset, &bad[i].value, bad[i].size);
		expect(&world, &state, bad[i].words);
	}
	bench_load(&world.bench, world.bench.device, &world.good);
	close_world(&world);
}

static void refuses_rings(void **unused)
{
	struct bench_state state;
	struct world world;

	(void)unused;
	open_world(&world, SPLIT);
	state = world.good;
	state.common.queues[0].size = 15;
	expect(&world, &state, "not a power of 2");
	state = world.good;
	state.common.queues[1].enabled = 0;	/* and with the place of one that works */
	state.common.queues[1].used = state.common.queues[1].avail = 5;
	expect(&world, &state, "queue 1");
	close_world(&world);
	open_world(&world, PACKED);
	state = world.good;
	state.common.queues[0].avail = state.common.queues[0].used = 0x8000 | RING_SIZE;
	expect(&world, &state, "behind the end of the ring");
	state.common.queues[0].used = 0x8000;
	state.common.queues[0].avail = 0;	/* a round ahead */
	expect(&world, &state, "chains in flight");
	close_world(&world);
}

/* ---------------------------------------------------------------- the kind */

static void refuses_disks(void **unused)
{
	struct bench_state state;
	struct virtio_block_state *block = (struct virtio_block_state *)&state.kind;
	struct world world;

	(void)unused;
	open_world(&world, SPLIT);
	state = world.good;
	block->capacity++;
	expect(&world, &state, "was saved with 2049 sectors of 512 bytes and has 2048 now");
	state = world.good;
	block->read_only = 1;
	expect(&world, &state, "was saved read-only and is writable now");
	block->read_only = 2;
	expect(&world, &state, "flags");
	state = world.good;
	block->writeback = 2;
	expect(&world, &state, "cache mode");
	state = world.good;
	block->pad[5] = 1;
	expect(&world, &state, "flags");
	state = world.good;
	state.common.negotiated &= ~COMMON;	/* then there is no cache to write back */
	expect(&world, &state, "cache mode");
	close_world(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses_numbers),
		cmocka_unit_test(refuses_rings),
		cmocka_unit_test(refuses_disks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
