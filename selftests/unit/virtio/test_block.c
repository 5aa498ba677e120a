// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The disk and its file: requests that are right, requests that are wrong, and in which
 * order data reaches the file.
 */
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_blk.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../../vmm/devices/block/device.h"

#define DISK_SIZE	(1u << 20)
#define DISK_SECTORS	(DISK_SIZE / 512)
#define HEADER		BUFFER_BASE
#define STATUS		(BUFFER_BASE + 0x800)
#define DATA		(BUFFER_BASE + 0x1000)
#define RING_SIZE	16u

struct disk {
	struct bench bench;
	char *path;
	int fd;
};

static const uint64_t ways[] = {
	SPLIT, SPLIT | EVENT_IDX | INDIRECT, PACKED | EVENT_IDX, PACKED | IN_ORDER, SPLIT | IN_ORDER,
};

#define COMMON	(VIRTIO_BIT(VIRTIO_BLK_F_FLUSH) | VIRTIO_BIT(VIRTIO_BLK_F_CONFIG_WCE))

static void fill(uint8_t *bytes, size_t count, uint8_t seed)
{
	for (size_t i = 0; i < count; i++)
		bytes[i] = seed + i * 7 + (i >> 9);
}

static void open_disk(struct disk *disk, bool read_only, enum block_cache cache,
		      unsigned int queues)
{
	const struct block_device_config config = {
		.name = "disk0", .serial = "a-serial-of-20-bytes", .queues = queues,
	};
	g_autofree uint8_t *contents = g_malloc(DISK_SIZE);
	GError *error = NULL;
	struct block *block;

	bench_init(&disk->bench);
	disk->fd = g_file_open_tmp("mica-disk-XXXXXX", &disk->path, NULL);
	assert_true(disk->fd >= 0);
	fill(contents, DISK_SIZE, 1);
	assert_int_equal(pwrite(disk->fd, contents, DISK_SIZE, 0), DISK_SIZE);
	block = block_file_open(disk->path, read_only, cache, &error);
	assert_null(error);
	bench_attach(&disk->bench, block_device_new(&config, &disk->bench.virtio, block, NULL));
}

static void close_disk(struct disk *disk)
{
	bench_free(&disk->bench);
	unlink(disk->path);
	g_free(disk->path);
	close(disk->fd);
}

/* ---------------------------------------------------------------- requests */

struct request {
	uint32_t type;
	uint64_t sector;
	uint32_t readable;		/* bytes of data at DATA */
	uint32_t writable;
};

static void send(struct disk *disk, unsigned int queue, const struct request *request)
{
	const struct virtio_blk_outhdr header = {
		.type = request->type, .sector = request->sector,
	};
	const struct buffer buffers[] = {
		{ HEADER, sizeof(header), false },
		{ DATA, request->readable, false },
		{ DATA, request->writable / 2, true },
		{ DATA + request->writable / 2, request->writable - request->writable / 2, true },
		{ STATUS, 1, true },
	};

	memcpy(bench_at(&disk->bench, HEADER, sizeof(header)), &header, sizeof(header));
	*(uint8_t *)bench_at(&disk->bench, STATUS, 1) = 0xee;
	driver_add(&disk->bench.drivers[queue], buffers, G_N_ELEMENTS(buffers));
	virtio_device_notify(disk->bench.device, queue);
}

static uint8_t status_of(struct disk *disk)
{
	return *(uint8_t *)bench_at(&disk->bench, STATUS, 1);
}

static uint8_t transact(struct disk *disk, unsigned int queue, const struct request *request)
{
	uint32_t written;
	uint16_t id;

	send(disk, queue, request);
	bench_wait(&disk->bench, queue, &id, &written);
	assert_int_equal(written, request->writable + 1);
	return status_of(disk);
}

/* What the file has, and the guest's buffer. */
static void assert_same(const struct disk *disk, uint64_t sector, size_t length)
{
	g_autofree uint8_t *contents = g_malloc(length);

	assert_int_equal(pread(disk->fd, contents, length, sector * 512), length);
	assert_memory_equal(contents, bench_at(&disk->bench, DATA, length), length);
}

static void read_write(enum block_cache cache, uint64_t way, unsigned int queues)
{
	struct disk disk;
	uint8_t seed = 3;

	open_disk(&disk, false, cache, queues);
	bench_start(&disk.bench, way | COMMON, RING_SIZE);
	for (unsigned int round = 0; round < 40; round++) {
		unsigned int queue = round % queues;
		uint32_t length = 512u << round % 6;
		uint64_t sector = round * 37 % (DISK_SECTORS - 32);

		memset(bench_at(&disk.bench, DATA, length), 0, length);
		assert_int_equal(transact(&disk, queue, &(struct request){
			VIRTIO_BLK_T_IN, sector, 0, length }), VIRTIO_BLK_S_OK);
		assert_same(&disk, sector, length);
		fill(bench_at(&disk.bench, DATA, length), length, seed++);
		assert_int_equal(transact(&disk, queue, &(struct request){
			VIRTIO_BLK_T_OUT, sector, length, 0 }), VIRTIO_BLK_S_OK);
		assert_same(&disk, sector, length);
	}
	assert_int_equal(transact(&disk, 0, &(struct request){ .type = VIRTIO_BLK_T_FLUSH }),
			 VIRTIO_BLK_S_OK);
	close_disk(&disk);
}

static void reads_and_writes(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < G_N_ELEMENTS(ways); i++) {
		read_write(BLOCK_CACHE_AUTO, ways[i], 1);
		read_write(BLOCK_CACHE_HOST, ways[i], 3);
	}
}

/* Buffers at odd addresses and of odd lengths: O_DIRECT does not take them as they are. */
static void unaligned(void **unused)
{
	const struct virtio_blk_outhdr header = { .type = VIRTIO_BLK_T_IN, .sector = 5 };
	const struct buffer buffers[] = {
		{ HEADER + 3, 5, false }, { HEADER + 9, 11, false },
		{ DATA + 1, 100, true }, { DATA + 101, 924, true }, { STATUS + 5, 1, true },
	};
	uint8_t expected[1024];
	uint32_t written;
	struct disk disk;
	uint16_t id;

	(void)unused;
	open_disk(&disk, false, BLOCK_CACHE_AUTO, 1);
	bench_start(&disk.bench, COMMON, RING_SIZE);
	memcpy(bench_at(&disk.bench, HEADER + 3, 5), &header, 5);
	memcpy(bench_at(&disk.bench, HEADER + 9, 11), (const uint8_t *)&header + 5, 11);
	driver_add(&disk.bench.drivers[0], buffers, G_N_ELEMENTS(buffers));
	virtio_device_notify(disk.bench.device, 0);
	bench_wait(&disk.bench, 0, &id, &written);
	assert_int_equal(*(uint8_t *)bench_at(&disk.bench, STATUS + 5, 1), VIRTIO_BLK_S_OK);
	assert_int_equal(pread(disk.fd, expected, 1024, 5 * 512), 1024);
	assert_memory_equal(expected, bench_at(&disk.bench, DATA + 1, 1024), 1024);
	close_disk(&disk);
}

/* The guest is told, and what lies behind the old end can be used at once. */
static void another_size(void **unused)
{
	const struct request behind = { VIRTIO_BLK_T_OUT, DISK_SECTORS, 512, 0 };
	g_autoptr(GError) error = NULL;
	struct disk disk;

	(void)unused;
	open_disk(&disk, false, BLOCK_CACHE_AUTO, 1);
	bench_start(&disk.bench, COMMON, RING_SIZE);
	assert_int_equal(transact(&disk, 0, &behind), VIRTIO_BLK_S_IOERR);
	assert_true(block_device_resize(disk.bench.device, 2 * DISK_SIZE, false, NULL));
	assert_int_equal(atomic_load(&disk.bench.config_interrupts), 1);
	assert_int_equal(virtio_device_config_read(disk.bench.device, 0, 8), 2 * DISK_SECTORS);
	assert_int_equal(lseek(disk.fd, 0, SEEK_END), 2 * DISK_SIZE);
	assert_int_equal(transact(&disk, 0, &behind), VIRTIO_BLK_S_OK);
	assert_same(&disk, DISK_SECTORS, 512);
	assert_true(block_device_resize(disk.bench.device, 2 * DISK_SIZE, false, NULL));
	assert_int_equal(atomic_load(&disk.bench.config_interrupts), 1);
	assert_false(block_device_resize(disk.bench.device, DISK_SIZE, false, &error));
	assert_non_null(strstr(error->message, "cut off"));
	assert_true(block_device_resize(disk.bench.device, DISK_SIZE, true, NULL));
	assert_int_equal(atomic_load(&disk.bench.config_interrupts), 2);
	assert_int_equal(block_device_size(disk.bench.device), DISK_SIZE);
	assert_int_equal(transact(&disk, 0, &behind), VIRTIO_BLK_S_IOERR);
	close_disk(&disk);
}

/* A read-only disk follows its file, and does not change it. */
static void another_size_read_only(void **unused)
{
	g_autoptr(GError) error = NULL;
	struct disk disk;

	(void)unused;
	open_disk(&disk, true, BLOCK_CACHE_AUTO, 1);
	assert_false(block_device_resize(disk.bench.device, 2 * DISK_SIZE, false, &error));
	assert_non_null(strstr(error->message, "read-only"));
	assert_int_equal(ftruncate(disk.fd, DISK_SIZE / 2 + 100), 0);
	assert_true(block_device_resize(disk.bench.device, 0, false, NULL));
	assert_int_equal(block_device_size(disk.bench.device), DISK_SIZE / 2);
	close_disk(&disk);
}

static void serial(void **unused)
{
	struct disk disk;

	(void)unused;
	open_disk(&disk, false, BLOCK_CACHE_AUTO, 1);
	bench_start(&disk.bench, COMMON, RING_SIZE);
	assert_int_equal(transact(&disk, 0, &(struct request){
		VIRTIO_BLK_T_GET_ID, 0, 0, 20 }), VIRTIO_BLK_S_OK);
	assert_memory_equal(bench_at(&disk.bench, DATA, 20), "a-serial-of-20-bytes", 20);
	memset(bench_at(&disk.bench, DATA, 20), 0, 20);
	assert_int_equal(transact(&disk, 0, &(struct request){
		VIRTIO_BLK_T_GET_ID, 0, 0, 4 }), VIRTIO_BLK_S_OK);
	assert_memory_equal(bench_at(&disk.bench, DATA, 6), "a-se\0\0", 6);
	close_disk(&disk);
}

static const struct request wrong[] = {
	{ VIRTIO_BLK_T_IN, DISK_SECTORS, 0, 512 },
	{ VIRTIO_BLK_T_IN, DISK_SECTORS - 1, 0, 1024 },
	{ VIRTIO_BLK_T_IN, UINT64_MAX, 0, 512 },
	{ VIRTIO_BLK_T_IN, UINT64_MAX / 512 + 1, 0, 512 },
	{ VIRTIO_BLK_T_IN, 0, 0, 513 },
	{ VIRTIO_BLK_T_OUT, DISK_SECTORS, 512, 0 },
	{ VIRTIO_BLK_T_OUT, 0, 511, 0 },
	{ VIRTIO_BLK_T_DISCARD, 0, 0, 0 },
	{ VIRTIO_BLK_T_DISCARD, 0, 15, 0 },
};

static void wrong_requests(void **unused)
{
	struct disk disk;

	(void)unused;
	open_disk(&disk, false, BLOCK_CACHE_AUTO, 1);
	bench_start(&disk.bench, COMMON, RING_SIZE);
	for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++)
		assert_int_equal(transact(&disk, 0, &wrong[i]), VIRTIO_BLK_S_IOERR);
	assert_int_equal(transact(&disk, 0, &(struct request){ .type = VIRTIO_BLK_T_SCSI_CMD }),
			 VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(transact(&disk, 0, &(struct request){ .type = 0x80000001 }),
			 VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(transact(&disk, 0, &(struct request){ VIRTIO_BLK_T_IN, 0, 0, 512 }),
			 VIRTIO_BLK_S_OK);
	close_disk(&disk);
}

/* Somebody makes the image shorter meanwhile: an error, not old bytes of the buffer. */
static void shrinks(void **unused)
{
	struct disk disk;

	(void)unused;
	for (int cache = BLOCK_CACHE_AUTO; cache <= BLOCK_CACHE_HOST; cache += BLOCK_CACHE_HOST) {
		open_disk(&disk, false, cache, 1);
		bench_start(&disk.bench, COMMON, RING_SIZE);
		assert_int_equal(ftruncate(disk.fd, 4096), 0);
		assert_int_equal(transact(&disk, 0, &(struct request){
			VIRTIO_BLK_T_IN, 0, 0, 8192 }), VIRTIO_BLK_S_IOERR);
		assert_int_equal(transact(&disk, 0, &(struct request){
			VIRTIO_BLK_T_IN, 0, 0, 4096 }), VIRTIO_BLK_S_OK);
		close_disk(&disk);
	}
}

static void read_only(void **unused)
{
	struct disk disk;

	(void)unused;
	open_disk(&disk, true, BLOCK_CACHE_AUTO, 1);
	assert_true(disk.bench.device->offered & VIRTIO_BIT(VIRTIO_BLK_F_RO));
	assert_false(disk.bench.device->offered & VIRTIO_BIT(VIRTIO_BLK_F_DISCARD));
	bench_start(&disk.bench, COMMON, RING_SIZE);
	assert_int_equal(transact(&disk, 0, &(struct request){ VIRTIO_BLK_T_OUT, 0, 512, 0 }),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(transact(&disk, 0, &(struct request){ VIRTIO_BLK_T_DISCARD, 0, 16, 0 }),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(transact(&disk, 0, &(struct request){ VIRTIO_BLK_T_IN, 0, 0, 512 }),
			 VIRTIO_BLK_S_OK);
	assert_int_equal(transact(&disk, 0, &(struct request){ .type = VIRTIO_BLK_T_FLUSH }),
			 VIRTIO_BLK_S_OK);
	close_disk(&disk);
}

/* ---------------------------------------------------------------- ranges */

static uint8_t clear(struct disk *disk, uint32_t type, uint64_t sector, uint32_t count,
		     uint32_t flags)
{
	const struct virtio_blk_discard_write_zeroes segments[] = {
		{ sector, count, flags }, { sector + 2 * count, count, flags },
	};

	memcpy(bench_at(&disk->bench, DATA, sizeof(segments)), segments, sizeof(segments));
	return transact(disk, 0, &(struct request){ type, 0, sizeof(segments), 0 });
}

static void assert_zero(const struct disk *disk, uint64_t sector, size_t sectors, bool zero)
{
	g_autofree uint8_t *contents = g_malloc(sectors * 512);
	size_t others = 0;

	assert_int_equal(pread(disk->fd, contents, sectors * 512, sector * 512), sectors * 512);
	for (size_t i = 0; i < sectors * 512; i++)
		others += contents[i] != 0;
	assert_int_equal(others == 0, zero);
}

/* 32 segments are the most. */
static void many_segments(void **unused)
{
	struct virtio_blk_discard_write_zeroes segments[33];
	struct disk disk;

	(void)unused;
	open_disk(&disk, false, BLOCK_CACHE_AUTO, 1);
	bench_start(&disk.bench, COMMON, RING_SIZE);
	for (unsigned int i = 0; i < G_N_ELEMENTS(segments); i++)
		segments[i] = (struct virtio_blk_discard_write_zeroes){ 2 * i, 1, 0 };
	memcpy(bench_at(&disk.bench, DATA, sizeof(segments)), segments, sizeof(segments));
	assert_int_equal(transact(&disk, 0, &(struct request){
		VIRTIO_BLK_T_WRITE_ZEROES, 0, 33 * 16, 0 }), VIRTIO_BLK_S_IOERR);
	assert_zero(&disk, 0, 1, false);
	assert_int_equal(transact(&disk, 0, &(struct request){
		VIRTIO_BLK_T_WRITE_ZEROES, 0, 32 * 16, 0 }), VIRTIO_BLK_S_OK);
	for (unsigned int i = 0; i < 32; i++)
		assert_zero(&disk, 2 * i, 1, true);
	assert_zero(&disk, 64, 1, false);
	close_disk(&disk);
}

static void ranges(void **unused)
{
	struct disk disk;

	(void)unused;
	open_disk(&disk, false, BLOCK_CACHE_AUTO, 1);
	bench_start(&disk.bench, COMMON, RING_SIZE);
	assert_int_equal(clear(&disk, VIRTIO_BLK_T_WRITE_ZEROES, 3, 10, 0), VIRTIO_BLK_S_OK);
	assert_zero(&disk, 3, 10, true);
	assert_zero(&disk, 2, 1, false);
	assert_zero(&disk, 13, 1, false);
	assert_zero(&disk, 22, 1, false);
	assert_zero(&disk, 23, 10, true);
	assert_int_equal(clear(&disk, VIRTIO_BLK_T_WRITE_ZEROES, 64, 64, 1), VIRTIO_BLK_S_OK);
	assert_zero(&disk, 64, 64, true);
	assert_int_equal(clear(&disk, VIRTIO_BLK_T_DISCARD, 512, 64, 0), VIRTIO_BLK_S_OK);
	assert_int_equal(clear(&disk, VIRTIO_BLK_T_DISCARD, 512, 64, 1), VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(clear(&disk, VIRTIO_BLK_T_WRITE_ZEROES, 512, 64, 2), VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(clear(&disk, VIRTIO_BLK_T_WRITE_ZEROES, DISK_SECTORS - 8, 8, 0),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(clear(&disk, VIRTIO_BLK_T_DISCARD, UINT64_MAX, 8, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(clear(&disk, VIRTIO_BLK_T_DISCARD, 0, 0, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(clear(&disk, VIRTIO_BLK_T_DISCARD, 0, UINT32_MAX, 0), VIRTIO_BLK_S_IOERR);
	close_disk(&disk);
}

/* ---------------------------------------------------------------- broken drivers */

static void bad_chains(void **unused)
{
	const struct buffer short_header[] = { { HEADER, 15, false }, { STATUS, 1, true } };
	const struct buffer no_status[] = { { HEADER, 16, false } };
	const struct buffer wild[] = { { HEADER, 16, false }, { MEMORY_SIZE, 1, true } };
	const struct { const struct buffer *buffers; unsigned int count; } bad[] = {
		{ short_header, 2 }, { no_status, 1 }, { wild, 2 },
	};
	struct disk disk;

	(void)unused;
	open_disk(&disk, false, BLOCK_CACHE_AUTO, 1);
	for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
		bench_start(&disk.bench, COMMON, RING_SIZE);
		driver_add(&disk.bench.drivers[0], bad[i].buffers, bad[i].count);
		virtio_device_notify(disk.bench.device, 0);
		bench_wait_broken(&disk.bench);
		bench_reset(&disk.bench);
		bench_start(&disk.bench, COMMON, RING_SIZE);
		assert_int_equal(transact(&disk, 0, &(struct request){
			VIRTIO_BLK_T_IN, 0, 0, 512 }), VIRTIO_BLK_S_OK);
		bench_reset(&disk.bench);
	}
	close_disk(&disk);
}

/* Reset while requests are under way: none may reach the guest's memory afterwards. */
static void reset_under_load(void **unused)
{
	struct disk disk;

	(void)unused;
	open_disk(&disk, false, BLOCK_CACHE_AUTO, 2);
	for (unsigned int round = 0; round < 50; round++) {
		bench_start(&disk.bench, COMMON, RING_SIZE);
		for (unsigned int i = 0; i < 3; i++) {
			send(&disk, 0, &(struct request){ VIRTIO_BLK_T_IN, i, 0, 65536 });
			send(&disk, 1, &(struct request){ VIRTIO_BLK_T_OUT, i, 65536, 0 });
		}
		bench_reset(&disk.bench);
		memset(bench_at(&disk.bench, DATA, 65536), 0x5a, 65536);
		for (unsigned int i = 0; i < 65536; i += 512)
			assert_int_equal(*(uint8_t *)bench_at(&disk.bench, DATA + i, 1), 0x5a);
	}
	close_disk(&disk);
}

/* ---------------------------------------------------------------- cache modes */

static uint8_t wce(const struct disk *disk)
{
	return virtio_device_config_read(disk->bench.device,
					 offsetof(struct virtio_blk_config, wce), 1);
}

static void cache_modes(void **unused)
{
	struct disk disk;

	(void)unused;
	open_disk(&disk, false, BLOCK_CACHE_AUTO, 1);
	bench_start(&disk.bench, 0, RING_SIZE);
	assert_int_equal(wce(&disk), 0);
	fill(bench_at(&disk.bench, DATA, 512), 512, 9);
	assert_int_equal(transact(&disk, 0, &(struct request){ VIRTIO_BLK_T_OUT, 7, 512, 0 }),
			 VIRTIO_BLK_S_OK);
	assert_same(&disk, 7, 512);
	assert_int_equal(clear(&disk, VIRTIO_BLK_T_WRITE_ZEROES, 64, 64, 0), VIRTIO_BLK_S_OK);
	bench_reset(&disk.bench);
	bench_start(&disk.bench, VIRTIO_BIT(VIRTIO_BLK_F_FLUSH), RING_SIZE);
	assert_int_equal(wce(&disk), 1);
	virtio_device_config_write(disk.bench.device, offsetof(struct virtio_blk_config, wce), 1, 0);
	assert_int_equal(wce(&disk), 1);
	bench_reset(&disk.bench);
	bench_start(&disk.bench, COMMON, RING_SIZE);
	virtio_device_config_write(disk.bench.device, offsetof(struct virtio_blk_config, wce), 1, 0);
	assert_int_equal(wce(&disk), 0);
	virtio_device_config_write(disk.bench.device, 0, 1, 5);	/* read-only */
	assert_int_equal(virtio_device_config_read(disk.bench.device, 0, 8), DISK_SECTORS);
	assert_int_equal(transact(&disk, 0, &(struct request){ VIRTIO_BLK_T_OUT, 7, 512, 0 }),
			 VIRTIO_BLK_S_OK);
	virtio_device_config_write(disk.bench.device, offsetof(struct virtio_blk_config, wce), 1, 1);
	assert_int_equal(wce(&disk), 1);
	bench_reset(&disk.bench);
	close_disk(&disk);
}

/* ---------------------------------------------------------------- images */

static void expect_refused(const char *path, const char *words)
{
	g_autoptr(GError) error = NULL;

	assert_null(block_file_open(path, false, BLOCK_CACHE_AUTO, &error));
	assert_non_null(error);
	if (!strstr(error->message, words))
		fail_msg("'%s' does not say '%s'", error->message, words);
}

static void images(void **unused)
{
	g_autofree char *path = NULL;
	struct block *first, *second;
	int fd = g_file_open_tmp("mica-disk-XXXXXX", &path, NULL);

	(void)unused;
	expect_refused("/nonexistent/disk", "No such file");
	expect_refused("/dev/null", "neither a file nor a block device");
	expect_refused(path, "smaller than a sector");
	assert_int_equal(ftruncate(fd, 1025), 0);
	first = block_file_open(path, false, BLOCK_CACHE_AUTO, NULL);
	assert_non_null(first);
	assert_int_equal(first->size, 1024);
	expect_refused(path, "in use");
	assert_null(block_file_open(path, true, BLOCK_CACHE_AUTO, NULL));
	block_close(first);
	first = block_file_open(path, true, BLOCK_CACHE_AUTO, NULL);
	second = block_file_open(path, true, BLOCK_CACHE_AUTO, NULL);
	assert_non_null(first);
	assert_non_null(second);
	expect_refused(path, "in use");
	block_close(first);
	block_close(second);
	unlink(path);
	close(fd);
}

enum { BURST = 32 };

static void nothing_done(struct block_request *request, int error)
{
	(void)request;
	(void)error;
}

/* In a process of its own: has the kernel write for a while, says so to `ready', and waits. */
static void write_until_killed(const char *path, int ready)
{
	static struct block_request requests[BURST];
	static struct iovec iov[BURST];
	struct block *block = block_file_open(path, false, BLOCK_CACHE_AUTO, NULL);
	uint8_t *data = g_malloc0(DISK_SIZE);

	for (unsigned int i = 0; block && i < BURST; i++) {
		iov[i] = (struct iovec){ data, DISK_SIZE };
		requests[i] = (struct block_request){
			.op = BLOCK_WRITE, .durable = true, .offset = (uint64_t)i * DISK_SIZE,
			.length = DISK_SIZE, .iov = &iov[i], .iov_count = 1, .done = nothing_done,
		};
		block_submit(block, &requests[i]);
	}
	if (block)
		block_submitted(block);
	if (write(ready, block ? "y" : "n", 1) == 1)
		pause();
	_exit(1);
}

/* Whoever comes after a VMM that was killed gets its disk at once. */
static void killed_before(void **unused)
{
	g_autofree char *path = NULL;
	int fd = g_file_open_tmp("mica-disk-XXXXXX", &path, NULL);
	struct block *block;
	char answer = 0;
	int ready[2];
	pid_t pid;

	(void)unused;
	assert_int_equal(ftruncate(fd, (off_t)BURST * DISK_SIZE), 0);
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid)
		write_until_killed(path, ready[1]);
	assert_int_equal(read(ready[0], &answer, 1), 1);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(answer, 'y');
	block = block_file_open(path, false, BLOCK_CACHE_AUTO, NULL);
	assert_non_null(block);
	block_close(block);
	close(ready[0]);
	close(ready[1]);
	unlink(path);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_and_writes), cmocka_unit_test(unaligned),
		cmocka_unit_test(another_size), cmocka_unit_test(another_size_read_only),
		cmocka_unit_test(serial), cmocka_unit_test(wrong_requests),
		cmocka_unit_test(shrinks), cmocka_unit_test(read_only), cmocka_unit_test(ranges), cmocka_unit_test(many_segments),
		cmocka_unit_test(bad_chains), cmocka_unit_test(reset_under_load),
		cmocka_unit_test(cache_modes), cmocka_unit_test(images),
		cmocka_unit_test(killed_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
