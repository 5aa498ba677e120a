// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A disk that comes to rest, is saved, and goes on, as the same device or as another one on the
 * same memory: each request is answered once, and no interrupt gets lost.
 */
#include "bench.h"

#include <linux/virtio_blk.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "../../../vmm/devices/block/device.h"
#include "../../../vmm/virtio/iothread.h"

#define SECTORS		2048u
#define RING_SIZE	16u
#define HEADERS		BUFFER_BASE
#define STATUSES	(BUFFER_BASE + 0x1000)
#define DATA		(BUFFER_BASE + 0x2000)
#define REQUESTS	5u		/* at once; 3 descriptors each */

#define COMMON	(VIRTIO_BIT(VIRTIO_BLK_F_FLUSH) | VIRTIO_BIT(VIRTIO_BLK_F_CONFIG_WCE))

static const uint64_t ways[] = {
	SPLIT, SPLIT | EVENT_IDX | INDIRECT, SPLIT | IN_ORDER, PACKED, PACKED | EVENT_IDX,
	PACKED | IN_ORDER,
};

/* ---------------------------------------------------------------- a host that takes its time */

struct slow {
	struct block block;
	struct block_request *waiting[64];
	unsigned int count;		/* of them */
	unsigned int writes, flushes;	/* that have ended */
	atomic_bool hangs;
	int error;			/* of flushes */
	int begun;			/* semaphore: writes that were submitted */
};

static void slow_submit(struct block *block, struct block_request *request)
{
	struct slow *slow = (struct slow *)block;

	assert_in_range(slow->count, 0, G_N_ELEMENTS(slow->waiting) - 1);
	slow->waiting[slow->count++] = request;
	if (request->op == BLOCK_WRITE)
		eventfd_write(slow->begun, 1);
	eventfd_write(block->fd, 1);
}

static bool slow_submitted(struct block *block)
{
	(void)block;
	return true;
}

/* The last one first, and one at a time. */
static void slow_reap(struct block *block)
{
	struct slow *slow = (struct slow *)block;
	struct block_request *request;
	eventfd_t count;

	eventfd_read(block->fd, &count);
	if (atomic_load(&slow->hangs) || !slow->count)
		return;
	request = slow->waiting[--slow->count];
	if (slow->count)
		eventfd_write(block->fd, 1);
	slow->writes += request->op == BLOCK_WRITE;
	slow->flushes += request->op == BLOCK_FLUSH;
	request->done(request, request->op == BLOCK_FLUSH ? slow->error : 0);
}

static void slow_drain(struct block *block)
{
	struct slow *slow = (struct slow *)block;

	atomic_store(&slow->hangs, false);
	while (slow->count)
		slow_reap(block);
}

static void slow_close(struct block *block)
{
	(void)block;
}

static const struct block_ops slow_ops = {
	.submit = slow_submit,
	.submitted = slow_submitted,
	.reap = slow_reap,
	.drain = slow_drain,
	.close = slow_close,
};

static void slow_init(struct slow *slow)
{
	memset(slow, 0, sizeof(*slow));
	slow->block.ops = &slow_ops;
	slow->block.size = SECTORS * 512;
	slow->block.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	slow->begun = eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE);
	assert_true(slow->block.fd >= 0 && slow->begun >= 0);
}

static struct virtio_device *make_disk(struct bench *bench, struct slow *slow)
{
	const struct block_device_config config = { .name = "disk0", .queues = 1 };
	struct virtio_device *device;

	device = block_device_new(&config, &bench->virtio, &slow->block, NULL);
	assert_non_null(device);
	return device;
}

/* ---------------------------------------------------------------- requests */

/* One write of a sector; its notification is the caller's business. */
static uint16_t add_write(struct bench *bench, unsigned int number)
{
	const struct virtio_blk_outhdr header = { .type = VIRTIO_BLK_T_OUT, .sector = number };
	uint64_t at = HEADERS + sizeof(header) * number;
	const struct buffer buffers[] = {
		{ at, sizeof(header), false }, { DATA + 512 * number, 512, false },
		{ STATUSES + number, 1, true },
	};

	memcpy(bench_at(bench, at, sizeof(header)), &header, sizeof(header));
	*(uint8_t *)bench_at(bench, STATUSES + number, 1) = 0xee;
	return driver_add(&bench->drivers[0], buffers, G_N_ELEMENTS(buffers));
}

static void expect_answers(struct bench *bench, unsigned int count)
{
	uint32_t written;
	uint16_t id;

	for (unsigned int i = 0; i < count; i++) {
		bench_wait(bench, 0, &id, &written);
		assert_int_equal(written, 1);
	}
	for (unsigned int i = 0; i < count; i++)
		assert_int_equal(*(uint8_t *)bench_at(bench, STATUSES + i, 1), VIRTIO_BLK_S_OK);
	assert_false(driver_get(&bench->drivers[0], &id, &written));
}

static void exchange(struct bench *bench, struct slow *slow, const struct bench_state *state)
{
	virtio_device_free(bench->device);
	bench_load(bench, make_disk(bench, slow), state);
}

/* ---------------------------------------------------------------- rounds */

/*
 * Some requests before, whose notification arrives or does not, some while the device is quiet, and
 * all are answered after it.  Often enough that rings and wrap counters go round.
 */
static void round_of(struct bench *bench, struct slow *slow, unsigned int round)
{
	unsigned int before = round % (REQUESTS + 1), writes = slow->writes;
	struct bench_state state;

	for (unsigned int i = 0; i < before; i++)
		add_write(bench, i);
	if (round & 1)
		virtio_device_notify(bench->device, 0);
	bench_save(bench, &state);
	assert_int_equal(slow->count, 0);
	for (unsigned int i = before; i < REQUESTS; i++)
		add_write(bench, i);
	if (round % 3)
		exchange(bench, slow, &state);
	else
		virtio_device_go_on(bench->device);
	expect_answers(bench, REQUESTS);
	assert_int_equal(slow->writes - writes, REQUESTS);
}

static void answered_once(void **unused)
{
	struct bench bench;
	struct slow slow;

	(void)unused;
	for (size_t i = 0; i < G_N_ELEMENTS(ways); i++) {
		bench_init(&bench);
		slow_init(&slow);
		bench_attach(&bench, make_disk(&bench, &slow));
		bench_start(&bench, ways[i] | COMMON, RING_SIZE);
		for (unsigned int round = 0; round < 40; round++)
			round_of(&bench, &slow, round);
		bench_free(&bench);
		close(slow.block.fd);
		close(slow.begun);
	}
}

/* Three requests, which the host has. */
static void begin_three(struct bench *bench, struct slow *slow)
{
	eventfd_t count;

	for (unsigned int i = 0; i < 3; i++)
		add_write(bench, i);
	virtio_device_notify(bench->device, 0);
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(eventfd_read(slow->begun, &count), 0);
}

static void expect_refusal(struct bench *bench, const char *words)
{
	GError *error = NULL;

	assert_false(virtio_device_quiesce(bench->device, &error));
	assert_non_null(error);
	assert_non_null(strstr(error->message, words));
	assert_false(bench->device->quiet);
	g_error_free(error);
}

static void go_on_reaping(struct slow *slow)
{
	atomic_store(&slow->hangs, false);
	eventfd_write(slow->block.fd, 1);
}

static void open_slow(struct bench *bench, struct slow *slow, uint64_t features)
{
	bench_init(bench);
	slow_init(slow);
	bench_attach(bench, make_disk(bench, slow));
	bench_start(bench, PACKED | EVENT_IDX | features, RING_SIZE);
}

static void close_slow(struct bench *bench, struct slow *slow)
{
	bench_free(bench);
	close(slow->block.fd);
	close(slow->begun);
}

/* What is under way ends first, and what the guest has written is flushed. */
static void waits_for_the_host(void **unused)
{
	struct bench_state state;
	struct bench bench;
	struct slow slow;

	(void)unused;
	open_slow(&bench, &slow, COMMON);
	atomic_store(&slow.hangs, true);
	begin_three(&bench, &slow);
	expect_refusal(&bench, "disk0 still has 3 requests under way");
	go_on_reaping(&slow);
	bench_save(&bench, &state);
	assert_int_equal(slow.writes, 3);
	assert_int_equal(slow.flushes, 1);
	exchange(&bench, &slow, &state);
	expect_answers(&bench, 3);
	close_slow(&bench, &slow);
}

/* A guest whose host hung for too long runs on. */
static void runs_on(void **unused)
{
	struct bench bench;
	struct slow slow;

	(void)unused;
	open_slow(&bench, &slow, COMMON);
	atomic_store(&slow.hangs, true);
	begin_three(&bench, &slow);
	expect_refusal(&bench, "disk0 still has 3 requests under way");
	go_on_reaping(&slow);
	expect_answers(&bench, 3);
	close_slow(&bench, &slow);
}

/* The flush before a save may be what hangs, or fails. */
static void cannot_flush(void **unused)
{
	struct bench_state state;
	struct bench bench;
	struct slow slow;

	(void)unused;
	open_slow(&bench, &slow, COMMON);
	atomic_store(&slow.hangs, true);
	expect_refusal(&bench, "disk0 still has 1 request under way");
	go_on_reaping(&slow);
	slow.error = -EIO;
	expect_refusal(&bench, "cannot make durable");
	begin_three(&bench, &slow);
	expect_answers(&bench, 3);
	slow.error = 0;
	bench_save(&bench, &state);
	virtio_device_go_on(bench.device);
	close_slow(&bench, &slow);
}

/* Each write was durable when it was answered. */
static void write_through(void **unused)
{
	struct bench_state state;
	struct bench bench;
	struct slow slow;

	(void)unused;
	open_slow(&bench, &slow, 0);
	begin_three(&bench, &slow);
	bench_save(&bench, &state);
	assert_int_equal(slow.flushes, 0);
	exchange(&bench, &slow, &state);
	expect_answers(&bench, 3);
	assert_int_equal(virtio_device_config_read(bench.device,
						   offsetof(struct virtio_blk_config, wce), 1), 0);
	close_slow(&bench, &slow);
}

/* A guest that is reset, or ends, while its devices are quiet. */
static void ends_while_quiet(void **unused)
{
	struct bench_state state;
	struct bench bench;
	struct slow slow;

	(void)unused;
	open_slow(&bench, &slow, COMMON);
	bench_save(&bench, &state);
	bench_reset(&bench);
	virtio_device_go_on(bench.device);
	bench_start(&bench, SPLIT | COMMON, RING_SIZE);
	begin_three(&bench, &slow);
	expect_answers(&bench, 3);
	bench_save(&bench, &state);
	close_slow(&bench, &slow);
}

/* A driver that was not ready, or broke the device: the same afterwards. */
static void not_working(void **unused)
{
	const struct buffer wild = { MEMORY_SIZE, 8, true };
	struct bench_state state;
	struct bench bench;
	struct slow slow;
	uint8_t status;

	(void)unused;
	open_slow(&bench, &slow, COMMON);
	driver_add(&bench.drivers[0], &wild, 1);
	virtio_device_notify(bench.device, 0);
	bench_wait_broken(&bench);
	status = virtio_device_status(bench.device);
	bench_save(&bench, &state);
	assert_true(state.common.queues[0].broken && state.common.needs_reset);
	/* A ring that has been put in order does not help before a reset. */
	driver_init(&bench.drivers[0], bench.memory, 0, RING_SIZE, PACKED | EVENT_IDX);
	exchange(&bench, &slow, &state);
	assert_int_equal(virtio_device_status(bench.device), status);
	add_write(&bench, 0);
	virtio_device_notify(bench.device, 0);
	bench_save(&bench, &state);
	assert_true(state.common.queues[0].broken && state.common.needs_reset);
	assert_int_equal(slow.count + slow.writes, 0);
	bench_reset(&bench);
	bench_save(&bench, &state);
	exchange(&bench, &slow, &state);
	assert_int_equal(virtio_device_status(bench.device), 0);
	bench_start(&bench, PACKED | COMMON, RING_SIZE);
	begin_three(&bench, &slow);
	expect_answers(&bench, 3);
	close_slow(&bench, &slow);
}

/* The guest is told when it goes on. */
static void larger_disk(void **unused)
{
	struct bench_state state;
	struct bench bench;
	struct slow slow;

	(void)unused;
	open_slow(&bench, &slow, COMMON);
	bench_save(&bench, &state);
	slow.block.size *= 2;
	exchange(&bench, &slow, &state);
	assert_int_equal(atomic_load(&bench.config_interrupts), 1);
	assert_int_equal(virtio_device_config_read(bench.device, 0, 8), 2 * SECTORS);
	close_slow(&bench, &slow);
}

/* ---------------------------------------------------------------- a thread that does not stop */

struct stuck {
	int entered, gate;		/* semaphores */
};

static void stick(void *opaque)
{
	struct stuck *stuck = opaque;
	eventfd_t count;

	eventfd_write(stuck->entered, 1);
	eventfd_read(stuck->gate, &count);
}

static void expect_entered(const struct stuck *stuck)
{
	struct pollfd fd = { .fd = stuck->entered, .events = POLLIN };
	eventfd_t count;

	assert_int_equal(poll(&fd, 1, 10000), 1);
	assert_int_equal(eventfd_read(stuck->entered, &count), 0);
}

/* Who does not wait for it any longer finds that it runs on. */
static void thread_runs_on(void **unused)
{
	struct stuck stuck = {
		eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE), eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE),
	};
	struct iothread *thread = iothread_new("stuck", stick, &stuck, NULL);

	(void)unused;
	assert_non_null(thread);
	iothread_resume(thread);
	expect_entered(&stuck);
	assert_false(iothread_pause_until(thread, g_get_monotonic_time() + 20000));
	assert_false(iothread_pausing(thread));
	eventfd_write(stuck.gate, 1);
	expect_entered(&stuck);
	eventfd_write(stuck.gate, 100);
	assert_true(iothread_pause_until(thread, g_get_monotonic_time() + 10000000));
	iothread_pause(thread);			/* once more has no effect */
	iothread_free(thread);
	close(stuck.entered);
	close(stuck.gate);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answered_once),
		cmocka_unit_test(waits_for_the_host),
		cmocka_unit_test(runs_on),
		cmocka_unit_test(cannot_flush),
		cmocka_unit_test(write_through),
		cmocka_unit_test(ends_while_quiet),
		cmocka_unit_test(not_working),
		cmocka_unit_test(larger_disk),
		cmocka_unit_test(thread_runs_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
