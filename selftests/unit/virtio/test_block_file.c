// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A disk in a file, below the device: what many and long requests cost, and how errors of the
 * host end.
 */
#include "bench.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_blk.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../../../vmm/backends/block.h"
#include "../../../vmm/devices/block/device.h"

/* Of the sanitizer's run time; GCC has no header for it. */
size_t __sanitizer_get_current_allocated_bytes(void);

#define MIB		(1u << 20)
#define COUNT		64u
#define PATIENCE_MS	10000

struct task {
	struct block_request request;	/* the first member */
	struct iovec iov[3];
	int error;
	bool done;
};

static void task_done(struct block_request *request, int error)
{
	struct task *task = (struct task *)request;

	assert_false(task->done);
	task->done = true;
	task->error = error;
}

static void begin(struct block *block, struct task *task)
{
	task->request.done = task_done;
	task->done = false;
	block_submit(block, &task->request);
}

static void wait_for(struct block *block, const struct task *task)
{
	struct pollfd fd = { .fd = block->fd, .events = POLLIN };

	block_submitted(block);
	while (!task->done) {
		assert_int_equal(poll(&fd, 1, PATIENCE_MS), 1);
		block_reap(block);
	}
}

/* Nothing in it is where O_DIRECT wants it. */
static void make_transfer(struct task *task, enum block_op op, uint64_t offset, uint8_t *buffer,
			  size_t length)
{
	*task = (struct task){
		.request = { .op = op, .offset = offset, .length = length, .iov_count = 3 },
		.iov = {
			{ buffer, 24 }, { buffer + 24, length / 2 },
			{ buffer + 24 + length / 2, length - length / 2 - 24 },
		},
	};
	task->request.iov = task->iov;
}

struct disk {
	struct block *block;
	char *path;
	int fd;
};

/* Returns false if the host's file system has no direct I/O. */
static bool open_disk(struct disk *disk, off_t size, enum block_cache cache)
{
	disk->fd = g_file_open_tmp("mica-disk-XXXXXX", &disk->path, NULL);
	assert_true(disk->fd >= 0);
	assert_int_equal(ftruncate(disk->fd, size), 0);
	disk->block = block_file_open(disk->path, false, cache, NULL);
	return disk->block;
}

static void close_disk(struct disk *disk)
{
	block_close(disk->block);
	unlink(disk->path);
	g_free(disk->path);
	close(disk->fd);
}

/* ---------------------------------------------------------------- bounce buffers */

static void fill(uint8_t *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		bytes[i] = i * 7 + (i >> 12);
}

static void all_at_once(struct disk *disk, struct task *tasks, enum block_op op, uint8_t *buffer,
			bool one_buffer)
{
	size_t before = __sanitizer_get_current_allocated_bytes();

	for (unsigned int i = 0; i < COUNT; i++) {
		make_transfer(&tasks[i], op, (uint64_t)i * MIB,
			      buffer + (one_buffer ? 0 : (size_t)i * MIB), MIB);
		begin(disk->block, &tasks[i]);
		assert_true(__sanitizer_get_current_allocated_bytes() < before + 17 * MIB);
	}
	for (unsigned int i = 0; i < COUNT; i++) {
		wait_for(disk->block, &tasks[i]);
		assert_int_equal(tasks[i].error, 0);
	}
	/* All has been given back. */
	assert_true(__sanitizer_get_current_allocated_bytes() < before + MIB);
}

/* The same bytes of a small guest, named by many requests. */
static void many_bounces(void **unused)
{
	g_autofree struct task *tasks = g_new0(struct task, COUNT);
	g_autofree uint8_t *data = g_malloc(MIB + 8);
	g_autofree uint8_t *got = g_malloc((size_t)COUNT * MIB + 8);
	struct disk disk;

	(void)unused;
	fill(data, MIB + 8);
	if (!open_disk(&disk, (off_t)COUNT * MIB, BLOCK_CACHE_NONE))
		skip();
	all_at_once(&disk, tasks, BLOCK_WRITE, data + 8, true);
	all_at_once(&disk, tasks, BLOCK_READ, got + 8, false);
	for (unsigned int i = 0; i < COUNT; i++)
		assert_memory_equal(got + 8 + (size_t)i * MIB, data + 8, MIB);
	close_disk(&disk);
}

/* From every place in a block, of lengths around the parts that are bounced at once. */
static void parts(void **unused)
{
	static const size_t lengths[] = { 512, 256 << 10, (256 << 10) + 512, (3 << 18) + 1024 };
	g_autofree uint8_t *data = g_malloc(MIB + 8);
	g_autofree uint8_t *got = g_malloc(MIB + 8);
	struct disk disk;
	struct task task;

	(void)unused;
	if (!open_disk(&disk, 2 * MIB, BLOCK_CACHE_NONE))
		skip();
	for (unsigned int i = 0; i < 12; i++) {
		size_t length = lengths[i % G_N_ELEMENTS(lengths)];

		fill(data, MIB + 8);
		data[i] ^= 0xff;
		make_transfer(&task, BLOCK_WRITE, i * 512, data + 8, length);
		task.request.durable = i & 1;
		begin(disk.block, &task);
		wait_for(disk.block, &task);
		assert_int_equal(task.error, 0);
		memset(got, 0, MIB + 8);
		make_transfer(&task, BLOCK_READ, i * 512, got + 8, length);
		begin(disk.block, &task);
		wait_for(disk.block, &task);
		assert_int_equal(task.error, 0);
		assert_memory_equal(got + 8, data + 8, length);
	}
	close_disk(&disk);
}

/* The first part is there, the second is not: the request fails, and once only. */
static void part_fails(void **unused)
{
	g_autofree uint8_t *data = g_malloc(MIB + 8);
	struct disk disk;
	struct task task;

	(void)unused;
	if (!open_disk(&disk, MIB, BLOCK_CACHE_NONE))
		skip();
	assert_int_equal(ftruncate(disk.fd, 256 << 10), 0);
	make_transfer(&task, BLOCK_READ, 0, data + 8, MIB);
	begin(disk.block, &task);
	wait_for(disk.block, &task);
	assert_int_equal(task.error, -EIO);
	block_drain(disk.block);
	close_disk(&disk);
}

/* A drain is for those as well that wait for a bounce buffer. */
static void drained(void **unused)
{
	g_autofree struct task *tasks = g_new0(struct task, COUNT);
	g_autofree uint8_t *data = g_malloc0(MIB + 8);
	struct disk disk;

	(void)unused;
	if (!open_disk(&disk, 2 * MIB, BLOCK_CACHE_NONE))
		skip();
	for (unsigned int i = 0; i < COUNT; i++) {
		make_transfer(&tasks[i], i % 2 ? BLOCK_READ : BLOCK_WRITE, i % 2 * MIB, data + 8,
			      MIB);
		begin(disk.block, &tasks[i]);
	}
	block_drain(disk.block);
	for (unsigned int i = 0; i < COUNT; i++) {
		assert_true(tasks[i].done);
		assert_int_equal(tasks[i].error, 0);
	}
	close_disk(&disk);
}

/* ---------------------------------------------------------------- errors */

static void expect_good(struct disk *disk, enum block_op op, uint8_t *buffer)
{
	struct task task;

	make_transfer(&task, op, 0, buffer, 512);
	task.request.durable = op == BLOCK_WRITE;
	begin(disk->block, &task);
	wait_for(disk->block, &task);
	assert_int_equal(task.error, 0);
}

/* What an error other than EIO has harmed is known: that request. */
static void full_host(void **unused)
{
	g_autofree uint8_t *buffer = g_malloc0(MIB + 8);
	struct rlimit before, limit;
	struct disk disk;
	struct task task;

	(void)unused;
	assert_true(open_disk(&disk, 2 * MIB, BLOCK_CACHE_HOST));
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &before);
	limit = before;
	limit.rlim_cur = MIB;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	make_transfer(&task, BLOCK_WRITE, MIB, buffer + 8, 512);
	task.request.durable = true;
	begin(disk.block, &task);
	wait_for(disk.block, &task);
	setrlimit(RLIMIT_FSIZE, &before);
	assert_int_equal(task.error, -EFBIG);
	expect_good(&disk, BLOCK_WRITE, buffer + 8);
	expect_good(&disk, BLOCK_FLUSH, buffer + 8);
	close_disk(&disk);
}

/* Whoever hands a descriptor over must have its lock: the main loop does not wait for it. */
static void lock_is_not_waited_for(void **unused)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GTimer) timer = NULL;
	struct disk disk;
	int fd;

	(void)unused;
	assert_true(open_disk(&disk, MIB, BLOCK_CACHE_HOST));
	fd = open(disk.path, O_RDWR | O_CLOEXEC);
	timer = g_timer_new();
	assert_null(block_file_take(fd, disk.path, false, BLOCK_CACHE_HOST, &error));
	assert_true(g_timer_elapsed(timer, NULL) < 2);
	assert_non_null(strstr(error->message, "in use"));
	close_disk(&disk);
}

/* ---------------------------------------------------------------- zeroes */

/* A file system that knows holes, but not how to zero a range. */
static struct block *open_tmpfs(off_t size)
{
	int fd = memfd_create("disk", MFD_CLOEXEC);
	struct block *block;

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, size), 0);
	block = block_file_take(fd, "memory", false, BLOCK_CACHE_HOST, NULL);
	assert_non_null(block);
	return block;
}

static struct task zeroes(size_t length)
{
	return (struct task){
		.request = { .op = BLOCK_WRITE_ZEROES, .length = length },
	};
}

/* A guest asks for as many as it likes: they are written one part after the other, and the
 * thread looks at other things between. */
static void zeroes_are_written(void **unused)
{
	g_autofree uint8_t *data = g_malloc(4 * MIB);
	struct block *block = open_tmpfs(4 * MIB);
	struct pollfd fd = { .fd = block->fd, .events = POLLIN };
	struct task task;

	(void)unused;
	if (block->fd < 0)
		skip();
	memset(data, 0x5a, 4 * MIB);
	make_transfer(&task, BLOCK_WRITE, 0, data, 4 * MIB);
	begin(block, &task);
	wait_for(block, &task);
	task = zeroes(3 * MIB + 512);
	begin(block, &task);
	block_submitted(block);
	assert_int_equal(poll(&fd, 1, PATIENCE_MS), 1);
	block_reap(block);
	assert_false(task.done);
	wait_for(block, &task);
	assert_int_equal(task.error, 0);
	make_transfer(&task, BLOCK_READ, 0, data, 4 * MIB);
	begin(block, &task);
	wait_for(block, &task);
	for (size_t i = 0; i < 4 * MIB; i++)
		if (data[i] != (i < 3 * MIB + 512 ? 0 : 0x5a))
			fail_msg("byte %zu is 0x%02x", i, data[i]);
	block_close(block);
}

/* ---------------------------------------------------------------- a host without memory */

struct io_uring;

int io_uring_submit(struct io_uring *ring);
int io_uring_submit_and_wait(struct io_uring *ring, unsigned int count);

static atomic_int refusals;		/* how often the kernel still says no; -1: always */

static atomic_int pace_us;		/* of a host that answers slowly */

static bool refuses(void)
{
	int left = atomic_load(&refusals);

	if (left > 0)
		atomic_fetch_sub(&refusals, 1);
	return left;
}

/* These come before the library's. */
int io_uring_submit(struct io_uring *ring)
{
	int (*real)(struct io_uring *ring) = dlsym(RTLD_NEXT, "io_uring_submit");

	return refuses() ? -EAGAIN : real(ring);
}

int io_uring_submit_and_wait(struct io_uring *ring, unsigned int count)
{
	int (*real)(struct io_uring *ring, unsigned int count) =
		dlsym(RTLD_NEXT, "io_uring_submit_and_wait");

	if (atomic_load(&pace_us))
		g_usleep(atomic_load(&pace_us));
	return refuses() ? -ENOMEM : real(ring, count);
}

/* A reset does not wait for gigabytes. */
static void zeroes_end_at_a_drain(void **unused)
{
	struct block *block = open_tmpfs(32 * MIB);
	g_autoptr(GTimer) timer = g_timer_new();
	struct task task = zeroes(32 * MIB);

	(void)unused;
	if (block->fd < 0)
		skip();
	begin(block, &task);
	atomic_store(&pace_us, 20000);
	block_drain(block);
	atomic_store(&pace_us, 0);
	assert_true(task.done);
	assert_int_equal(task.error, -EIO);
	assert_true(g_timer_elapsed(timer, NULL) < 10);
	task = zeroes(MIB);
	begin(block, &task);
	wait_for(block, &task);
	assert_int_equal(task.error, 0);
	block_close(block);
}

#define CROWD		300u		/* more than the ring has places for */

static void begin_crowd(struct disk *disk, struct task *tasks, uint8_t *buffer)
{
	assert_true(open_disk(disk, MIB, BLOCK_CACHE_HOST));
	if (disk->block->fd < 0)
		skip();			/* a host without io_uring */
	atomic_store(&refusals, -1);
	for (unsigned int i = 0; i < CROWD; i++) {
		make_transfer(&tasks[i], i % 3 ? BLOCK_READ : BLOCK_WRITE, i * 512, buffer, 512);
		begin(disk->block, &tasks[i]);
	}
	assert_false(block_submitted(disk->block));
	block_reap(disk->block);
	for (unsigned int i = 0; i < CROWD; i++)
		assert_false(tasks[i].done);
}

static void no_memory_for_a_while(void **unused)
{
	g_autofree struct task *tasks = g_new0(struct task, CROWD);
	g_autofree uint8_t *buffer = g_malloc0(512);
	struct disk disk;

	(void)unused;
	begin_crowd(&disk, tasks, buffer);
	atomic_store(&refusals, 0);
	assert_true(block_submitted(disk.block));
	for (unsigned int i = 0; i < CROWD; i++) {
		wait_for(disk.block, &tasks[i]);
		assert_int_equal(tasks[i].error, 0);
	}
	close_disk(&disk);
}

/* A drain ends, and the disk works again later. */
static void no_memory_while_drained(void **unused)
{
	g_autofree struct task *tasks = g_new0(struct task, CROWD);
	g_autofree uint8_t *buffer = g_malloc0(512);
	g_autoptr(GTimer) timer = g_timer_new();
	struct disk disk;

	(void)unused;
	begin_crowd(&disk, tasks, buffer);
	block_drain(disk.block);
	assert_true(g_timer_elapsed(timer, NULL) < 10);
	for (unsigned int i = 0; i < CROWD; i++) {
		assert_true(tasks[i].done);
		assert_int_equal(tasks[i].error, -EIO);
	}
	atomic_store(&refusals, 0);
	for (unsigned int i = 0; i < 3; i++) {
		make_transfer(&tasks[i], BLOCK_READ, 0, buffer, 512);
		begin(disk.block, &tasks[i]);
		wait_for(disk.block, &tasks[i]);
		assert_int_equal(tasks[i].error, 0);
	}
	close_disk(&disk);
}

/* The guest's one request waits for its answer, so nobody will kick the thread again. */
static void thread_tries_again(void **unused)
{
	const struct block_device_config config = { .name = "disk0", .queues = 1 };
	const struct buffer buffers[] = {
		{ BUFFER_BASE, sizeof(struct virtio_blk_outhdr), false },
		{ BUFFER_BASE + 0x1000, 512, true }, { BUFFER_BASE + 0x800, 1, true },
	};
	uint32_t written;
	struct bench bench;
	struct disk disk;
	uint16_t id;

	(void)unused;
	assert_true(open_disk(&disk, MIB, BLOCK_CACHE_HOST));
	bench_init(&bench);
	bench_attach(&bench, block_device_new(&config, &bench.virtio, disk.block, NULL));
	bench_start(&bench, SPLIT, 16);
	memset(bench_at(&bench, BUFFER_BASE, 16), 0, 16);
	for (unsigned int i = 0; i < 5; i++) {
		atomic_store(&refusals, i);
		*(uint8_t *)bench_at(&bench, BUFFER_BASE + 0x800, 1) = 0xee;
		driver_add(&bench.drivers[0], buffers, G_N_ELEMENTS(buffers));
		virtio_device_notify(bench.device, 0);
		bench_wait(&bench, 0, &id, &written);
		assert_int_equal(*(uint8_t *)bench_at(&bench, BUFFER_BASE + 0x800, 1), 0);
	}
	bench_reset(&bench);
	bench_free(&bench);
	disk.block = NULL;
	close_disk(&disk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_bounces), cmocka_unit_test(parts),
		cmocka_unit_test(part_fails), cmocka_unit_test(drained),
		cmocka_unit_test(no_memory_for_a_while), cmocka_unit_test(no_memory_while_drained),
		cmocka_unit_test(thread_tries_again), cmocka_unit_test(full_host),
		cmocka_unit_test(lock_is_not_waited_for),
		cmocka_unit_test(zeroes_are_written), cmocka_unit_test(zeroes_end_at_a_drain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
