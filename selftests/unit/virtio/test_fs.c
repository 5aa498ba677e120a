// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The file system device, and the front end of vhost-user below it.
 */
#include "bench.h"

#include <fcntl.h>
#include <linux/virtio_fs.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../../vmm/devices/fs/device.h"
#include "vhost_server.h"

#define RING_SIZE	16u
#define FEATURES	(1ull << 30 | VIRTIO_BIT(VIRTIO_F_VERSION_1) | EVENT_IDX | INDIRECT | PACKED)
#define REPLY_ACK	8u
#define PATIENCE_MS	10000

struct fixture {
	struct bench bench;
	struct vhost_server server;
};

static void init(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	bench_init(&f->bench);
	guest_memory_free(f->bench.memory);
	f->bench.memory = guest_memory_new_shared(-1, MEMORY_SIZE, NULL);
	assert_non_null(f->bench.memory);
	f->bench.virtio.ram = f->bench.memory;
	f->server.features = FEATURES;
	f->server.protocol_features = REPLY_ACK | 1;
}

static struct virtio_device *make_device(struct fixture *f, GError **error)
{
	const struct fs_device_config config = { .name = "share0", .tag = "home" };
	struct vhost_user *vhost = vhost_user_new(vhost_server_start(&f->server), error);

	return vhost ? fs_device_new(&config, &f->bench.virtio, vhost, error) : NULL;
}

static void open_fs(struct fixture *f)
{
	init(f);
	bench_attach(&f->bench, make_device(f, NULL));
}

/* The other end sees the connection close, and ends. */
static void close_fs(struct fixture *f)
{
	bench_free(&f->bench);
	vhost_server_join(&f->server);
}

static void wait_readable(int fd)
{
	struct pollfd waits = { .fd = fd, .events = POLLIN };

	assert_int_equal(poll(&waits, 1, PATIENCE_MS), 1);
}

/* Each message was acknowledged, so the thread has noted it. */
static void expect_notes(const struct vhost_server *server, const uint32_t *requests, size_t count)
{
	assert_int_equal(server->count, count);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(server->notes[i].request, requests[i]);
}

/* ---------------------------------------------------------------- the good case */

static void introduces_itself(void **unused)
{
	static const uint32_t requests[] = { 1, 15, 16, 3, 5 };
	const struct vhost_note *notes;
	struct fixture f;
	uint8_t *mapping;

	(void)unused;
	open_fs(&f);
	notes = f.server.notes;
	expect_notes(&f.server, requests, G_N_ELEMENTS(requests));
	assert_int_equal(notes[2].words[0], REPLY_ACK);
	assert_int_equal(notes[4].words[0], 1);		/* one region, */
	assert_int_equal(notes[4].words[1], 0);		/* at 0 */
	assert_int_equal(notes[4].words[2], MEMORY_SIZE);
	assert_int_equal(notes[4].words[3], 0);		/* named by the same addresses */
	assert_int_equal(notes[4].words[4], 0);
	assert_int_equal(notes[4].fds, 1);
	mapping = mmap(NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, f.server.memory, 0);
	assert_ptr_not_equal(mapping, MAP_FAILED);
	*(uint8_t *)bench_at(&f.bench, 0x12345, 1) = 0x5a;
	assert_int_equal(mapping[0x12345], 0x5a);
	munmap(mapping, MEMORY_SIZE);
	assert_int_equal(ftruncate(f.server.memory, 4096), -1);
	assert_int_equal(ftruncate(f.server.memory, 2 * MEMORY_SIZE), -1);
	assert_memory_equal(f.bench.device->config, "home\0\0", 6);
	assert_int_equal(virtio_device_config_read(f.bench.device, 36, 4), 1);
	assert_int_equal(f.bench.device->offered,
			 VIRTIO_BIT(VIRTIO_F_VERSION_1) | EVENT_IDX | INDIRECT);
	close_fs(&f);
}

static void check_queue(const struct fixture *f, unsigned int index, const struct vhost_note *notes)
{
	static const uint32_t requests[] = { 8, 10, 9, 13, 12, 18 };
	const struct virtqueue_config *config = &f->bench.drivers[index].config;

	for (size_t i = 0; i < G_N_ELEMENTS(requests); i++) {
		assert_int_equal(notes[i].request, requests[i]);
		assert_int_equal(notes[i].words[0] & UINT32_MAX, index);
	}
	assert_int_equal(notes[0].words[0] >> 32, RING_SIZE);
	assert_int_equal(notes[1].words[0] >> 32, 0);
	assert_int_equal(notes[2].words[1], config->descriptors);
	assert_int_equal(notes[2].words[2], config->device);
	assert_int_equal(notes[2].words[3], config->driver);
	assert_int_equal(notes[5].words[0] >> 32, 1);
}

/* Twice: a reset gives the queues back. */
static void starts_and_stops(void **unused)
{
	struct vhost_note *notes;
	struct fixture f;
	eventfd_t count;

	(void)unused;
	open_fs(&f);
	notes = f.server.notes;
	for (unsigned int i = 0; i < 2; i++) {
		f.server.count = 0;
		bench_start(&f.bench, EVENT_IDX, RING_SIZE);
		assert_int_equal(f.server.count, 13);
		assert_int_equal(notes[0].request, 2);
		assert_int_equal(notes[0].words[0],
				 1ull << 30 | VIRTIO_BIT(VIRTIO_F_VERSION_1) | EVENT_IDX);
		check_queue(&f, 0, notes + 1);
		check_queue(&f, 1, notes + 7);
		virtio_device_notify(f.bench.device, 1);
		wait_readable(f.server.kicks[1]);
		eventfd_read(f.server.kicks[1], &count);
		assert_int_equal(eventfd_read(f.server.kicks[0], &count), -1);
		eventfd_write(f.server.calls[0], 1);
		wait_readable(f.bench.interrupts);
		eventfd_read(f.bench.interrupts, &count);
		bench_reset(&f.bench);
		assert_int_equal(f.server.count, 15);
		assert_int_equal(notes[13].request, 11);
		assert_int_equal(notes[14].request, 11);
		assert_int_equal(notes[14].words[0], 1);
	}
	close_fs(&f);
}

/* Without VHOST_USER_F_PROTOCOL_FEATURES: no acknowledgements, and rings that start enabled. */
static void knows_old_ones(void **unused)
{
	static const uint32_t requests[] = { 1, 3, 5, 2, 8, 10, 9, 13, 12, 8, 10, 9, 13, 12, 11, 11 };
	struct fixture f;

	(void)unused;
	init(&f);
	f.server.features = VIRTIO_BIT(VIRTIO_F_VERSION_1);
	bench_attach(&f.bench, make_device(&f, NULL));
	bench_start(&f.bench, SPLIT, RING_SIZE);
	bench_reset(&f.bench);
	expect_notes(&f.server, requests, G_N_ELEMENTS(requests));
	assert_int_equal(f.server.notes[3].words[0], VIRTIO_BIT(VIRTIO_F_VERSION_1));
	close_fs(&f);
}

/* A ring that is no good is not passed on. */
static void keeps_bad_rings(void **unused)
{
	struct virtio_device *device;
	struct fixture f;

	(void)unused;
	open_fs(&f);
	device = f.bench.device;
	virtio_device_set_status(device, 3, false);
	virtio_device_set_features(device, VIRTIO_BIT(VIRTIO_F_VERSION_1));
	virtio_device_set_status(device, 11, false);
	virtio_device_queue(device, 0)->descriptors = MEMORY_SIZE;
	virtio_device_enable_queue(device, 0);
	f.server.count = 0;
	virtio_device_set_status(device, 15, false);
	assert_true(virtio_device_status(device) & VIRTIO_CONFIG_S_NEEDS_RESET);
	assert_int_equal(f.server.count, 1);		/* the features */
	bench_reset(&f.bench);
	assert_int_equal(f.server.count, 1);
	close_fs(&f);
}

/* ---------------------------------------------------------------- bad answers */

static void refuses_answers(void **unused)
{
	static const struct {
		uint32_t request;
		enum vhost_fault fault;
		const char *words;
	} cases[] = {
		{ 1, FAULT_END, "closed the connection" },
		{ 1, FAULT_OTHER_REQUEST, "does not speak vhost-user: Protocol error" },
		{ 1, FAULT_SHORT, "Protocol error" },
		{ 1, FAULT_LONG, "Protocol error" },
		{ 1, FAULT_NO_REPLY_FLAG, "Protocol error" },
		{ 1, FAULT_VERSION, "Protocol error" },
		{ 15, FAULT_SHORT, "Protocol error" },
		{ 15, FAULT_END, "closed the connection" },
		{ 3, FAULT_REFUSAL, "Remote I/O error" },
		{ 5, FAULT_REFUSAL, "does not take the guest's memory: Remote I/O error" },
		{ 5, FAULT_END, "does not take the guest's memory" },
	};

	(void)unused;
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GError) error = NULL;
		struct fixture f;

		init(&f);
		f.server.fault = cases[i].fault;
		f.server.fault_at = cases[i].request;
		assert_null(make_device(&f, &error));
		assert_non_null(strstr(error->message, cases[i].words));
		close_fs(&f);
	}
}

/* Five seconds, and not longer. */
static void does_not_wait_for_ever(void **unused)
{
	int64_t begin = g_get_monotonic_time();
	g_autoptr(GError) error = NULL;
	struct fixture f;

	(void)unused;
	init(&f);
	f.server.fault = FAULT_SILENCE;
	f.server.fault_at = 1;
	assert_null(make_device(&f, &error));
	assert_non_null(strstr(error->message, "timed out"));
	assert_true(g_get_monotonic_time() - begin >= 5 * G_USEC_PER_SEC);
	close_fs(&f);
}

static void start_and_reset(struct fixture *f)
{
	bench_start(&f->bench, SPLIT, RING_SIZE);
	virtio_device_notify(f->bench.device, 0);
	bench_reset(&f->bench);
}

/* While the guest runs: the device does nothing from there on, and its resets end. */
static void survives_faults(void **unused)
{
	static const uint32_t requests[] = { 2, 8, 12, 18, 11 };
	static const enum vhost_fault faults[] = { FAULT_END, FAULT_OTHER_REQUEST, FAULT_REFUSAL };

	(void)unused;
	for (size_t i = 0; i < G_N_ELEMENTS(requests) * G_N_ELEMENTS(faults); i++) {
		struct fixture f;
		unsigned int count;

		open_fs(&f);
		f.server.fault_at = requests[i / G_N_ELEMENTS(faults)];
		f.server.fault = faults[i % G_N_ELEMENTS(faults)];
		start_and_reset(&f);
		count = f.server.count;
		start_and_reset(&f);
		assert_int_equal(f.server.count, count);
		close_fs(&f);
	}
}

/* The other end closes, or speaks, without having been asked: the thread sees it. */
static void sees_the_end(void **unused)
{
	struct vhost_user *vhost;
	struct fixture f;
	int ends[2];

	(void)unused;
	for (unsigned int i = 0; i < 2; i++) {
		open_fs(&f);
		bench_start(&f.bench, SPLIT, RING_SIZE);
		if (i)
			assert_int_equal(send(f.server.fd, "x", 1, 0), 1);
		else
			shutdown(f.server.fd, SHUT_RDWR);
		/* It closes its end, which ends the server's thread. */
		g_thread_join(g_thread_ref(f.server.thread));
		bench_reset(&f.bench);
		bench_start(&f.bench, SPLIT, RING_SIZE);
		close_fs(&f);
	}
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	close(ends[1]);
	vhost = vhost_user_new(ends[0], NULL);
	assert_null(vhost);
}

/* What the other end knows cannot be saved. */
static void refuses_to_be_saved(void **unused)
{
	g_autoptr(GError) error = NULL;
	struct bench_state state;
	struct fixture f;

	(void)unused;
	open_fs(&f);
	bench_save(&f.bench, &state);
	virtio_device_go_on(f.bench.device);
	bench_start(&f.bench, SPLIT, RING_SIZE);
	assert_false(virtio_device_quiesce(f.bench.device, &error));
	assert_non_null(strstr(error->message, "share0: a directory that is shared"));
	assert_false(f.bench.device->quiet);
	bench_reset(&f.bench);
	bench_save(&f.bench, &state);
	close_fs(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(introduces_itself), cmocka_unit_test(starts_and_stops),
		cmocka_unit_test(knows_old_ones), cmocka_unit_test(keeps_bad_rings),
		cmocka_unit_test(refuses_answers), cmocka_unit_test(does_not_wait_for_ever),
		cmocka_unit_test(survives_faults), cmocka_unit_test(sees_the_end),
		cmocka_unit_test(refuses_to_be_saved),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
