// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The console: its ports, its control messages, and ends that are full or gone.
 */
#include <linux/virtio_console.h>
#include <pthread.h>
#include <uv.h>

#include "../../../vmm/devices/console/device.h"
#include "bench.h"

#define RING_SIZE	16u
#define MULTIPORT	VIRTIO_BIT(VIRTIO_CONSOLE_F_MULTIPORT)
#define CONTROL_IN	2u		/* queues */
#define CONTROL_OUT	3u
#define PORT_IN		4u		/* of the second port */
#define PORT_OUT	5u
#define MESSAGES	0x300000ull	/* buffers for control messages, 256 bytes each */

/* An end of the host: it takes `room` bytes. */
struct end {
	uint8_t bytes[8192];
	size_t count, room;
	unsigned int asked;
};

struct fixture {
	struct bench bench;
	uv_loop_t loop;
	uv_async_t keep;		/* else the loop thinks that it has nothing to do */
	pthread_mutex_t lock;
	struct end ends[3];
	unsigned int messages;		/* buffers that were given */
};

static size_t put(void *opaque, const uint8_t *bytes, size_t count)
{
	struct end *end = opaque;
	size_t taken = MIN(count, end->room);

	assert_in_range(end->count + taken, 0, sizeof(end->bytes));
	memcpy(end->bytes + end->count, bytes, taken);
	end->count += taken;
	end->room -= taken;
	return taken;
}

static void room(void *opaque)
{
	struct end *end = opaque;

	end->asked++;
}

/* The console and `named` ports, with these ends on the host. */
static struct virtio_device *make_console(struct fixture *f, unsigned int named)
{
	struct console_port_config ports[] = {
		{ .end = { put, room, &f->ends[0] }, .connected = true },
		{ .name = "org.example.one", .end = { put, room, &f->ends[1] } },
		{ .name = "two", .end = { put, room, &f->ends[2] }, .connected = true },
	};
	const struct console_device_config config = {
		.name = "console0", .ports = ports, .count = 1 + named,
	};

	return console_device_new(&config, &f->bench.virtio, &f->loop, &f->lock, NULL);
}

static void open_console(struct fixture *f, unsigned int named)
{
	memset(f, 0, sizeof(*f));
	bench_init(&f->bench);
	for (unsigned int i = 0; i < 3; i++)
		f->ends[i].room = sizeof(f->ends[i].bytes);
	assert_int_equal(uv_loop_init(&f->loop), 0);
	assert_int_equal(uv_async_init(&f->loop, &f->keep, NULL), 0);
	pthread_mutex_init(&f->lock, NULL);
	bench_attach(&f->bench, make_console(f, named));
}

static void close_console(struct fixture *f)
{
	bench_free(&f->bench);
	uv_close((uv_handle_t *)&f->keep, NULL);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	pthread_mutex_destroy(&f->lock);
}

/* The device may ask itself to go on. */
static void turn(struct fixture *f)
{
	for (unsigned int i = 0; i < 8; i++)
		uv_run(&f->loop, UV_RUN_NOWAIT);
}

static void add(struct fixture *f, unsigned int queue, uint64_t gpa, uint32_t length, bool writable)
{
	const struct buffer buffer = { gpa, length, writable };

	driver_add(&f->bench.drivers[queue], &buffer, 1);
	virtio_device_notify(f->bench.device, queue);
	turn(f);
}

static bool got(struct fixture *f, unsigned int queue, uint32_t *written)
{
	uint16_t id;

	return driver_get(&f->bench.drivers[queue], &id, written);
}

static void write_text(struct fixture *f, unsigned int queue, const char *text)
{
	memcpy(bench_at(&f->bench, BUFFER_BASE, strlen(text)), text, strlen(text));
	add(f, queue, BUFFER_BASE, strlen(text), false);
}

static void expect_text(const struct end *end, const char *text)
{
	assert_int_equal(end->count, strlen(text));
	assert_memory_equal(end->bytes, text, strlen(text));
}

static size_t input(struct fixture *f, unsigned int port, const char *text)
{
	return console_input(f->bench.device, port, (const uint8_t *)text, strlen(text));
}

/* ---------------------------------------------------------------- control messages */

static void say(struct fixture *f, uint32_t id, uint16_t event, uint16_t value)
{
	const struct virtio_console_control message = { id, event, value };
	uint32_t written;

	memcpy(bench_at(&f->bench, BUFFER_BASE, sizeof(message)), &message, sizeof(message));
	add(f, CONTROL_OUT, BUFFER_BASE, sizeof(message), false);
	assert_true(got(f, CONTROL_OUT, &written));
}

/* The next message, in a buffer that is given for it. */
static void expect_message(struct fixture *f, uint32_t id, uint16_t event, uint16_t value,
			   const void *payload, uint32_t size)
{
	struct virtio_console_control message;
	uint64_t gpa = MESSAGES + 256 * (f->messages++ % 1024);
	uint32_t written;

	add(f, CONTROL_IN, gpa, 256, true);
	assert_true(got(f, CONTROL_IN, &written));
	assert_int_equal(written, sizeof(message) + size);
	memcpy(&message, bench_at(&f->bench, gpa, sizeof(message)), sizeof(message));
	assert_int_equal(message.id, id);
	assert_int_equal(message.event, event);
	assert_int_equal(message.value, value);
	if (size)
		assert_memory_equal(bench_at(&f->bench, gpa + sizeof(message), size), payload, size);
}

/* The last message was the last one. */
static void expect_silence(struct fixture *f)
{
	uint32_t written;

	add(f, CONTROL_IN, MESSAGES, 256, true);
	assert_false(got(f, CONTROL_IN, &written));
}

static void start(struct fixture *f, uint64_t features)
{
	bench_start(&f->bench, features, RING_SIZE);
	turn(f);
}

/* Up to where the driver knows all ports and has those open. */
static void start_ports(struct fixture *f)
{
	start(f, MULTIPORT);
	say(f, VIRTIO_CONSOLE_BAD_ID, VIRTIO_CONSOLE_DEVICE_READY, 1);
	for (unsigned int i = 0; i < 3; i++)
		expect_message(f, i, VIRTIO_CONSOLE_PORT_ADD, 0, NULL, 0);
	say(f, 0, VIRTIO_CONSOLE_PORT_READY, 1);
	expect_message(f, 0, VIRTIO_CONSOLE_CONSOLE_PORT, 1, NULL, 0);
	expect_message(f, 0, VIRTIO_CONSOLE_PORT_OPEN, 1, NULL, 0);
	say(f, 1, VIRTIO_CONSOLE_PORT_READY, 1);
	expect_message(f, 1, VIRTIO_CONSOLE_PORT_NAME, 1, "org.example.one", 15);
	expect_message(f, 1, VIRTIO_CONSOLE_PORT_OPEN, 0, NULL, 0);
	say(f, 0, VIRTIO_CONSOLE_PORT_OPEN, 1);
	say(f, 1, VIRTIO_CONSOLE_PORT_OPEN, 1);
}

static void tells_ports(void **unused)
{
	struct fixture f;

	(void)unused;
	open_console(&f, 2);
	assert_true(f.bench.device->offered & MULTIPORT);
	assert_int_equal(virtio_device_config_read(f.bench.device, 4, 4), 3);
	start_ports(&f);
	/* A driver that could not set up a port hears nothing of it. */
	say(&f, 2, VIRTIO_CONSOLE_PORT_READY, 0);
	say(&f, 77, VIRTIO_CONSOLE_PORT_READY, 1);
	say(&f, 1, 999, 1);
	console_connected(f.bench.device, 2, false);
	console_connected(f.bench.device, 1, true);
	turn(&f);
	expect_message(&f, 1, VIRTIO_CONSOLE_PORT_OPEN, 1, NULL, 0);
	/* What is not told yet when it is over is not told. */
	console_connected(f.bench.device, 1, false);
	console_connected(f.bench.device, 1, true);
	console_connected(f.bench.device, 1, false);
	expect_message(&f, 1, VIRTIO_CONSOLE_PORT_OPEN, 0, NULL, 0);
	expect_silence(&f);
	/* All over again for another driver. */
	assert_true(console_guest_open(f.bench.device, 1));
	bench_reset(&f.bench);
	assert_false(console_guest_open(f.bench.device, 1));
	start_ports(&f);
	close_console(&f);
}

static void tells_size(void **unused)
{
	const uint16_t size[] = { 132, 43 }, other[] = { 80, 25 };
	struct fixture f;

	(void)unused;
	open_console(&f, 2);
	console_resize(f.bench.device, 132, 43);
	assert_true(f.bench.device->offered & VIRTIO_BIT(VIRTIO_CONSOLE_F_SIZE));
	start(&f, MULTIPORT);
	say(&f, 0, VIRTIO_CONSOLE_PORT_READY, 1);
	expect_message(&f, 0, VIRTIO_CONSOLE_CONSOLE_PORT, 1, NULL, 0);
	expect_message(&f, 0, VIRTIO_CONSOLE_PORT_OPEN, 1, NULL, 0);
	expect_message(&f, 0, VIRTIO_CONSOLE_RESIZE, 0, size, 4);
	console_resize(f.bench.device, 132, 43);
	console_resize(f.bench.device, 80, 25);
	expect_message(&f, 0, VIRTIO_CONSOLE_RESIZE, 0, other, 4);
	expect_silence(&f);
	close_console(&f);
	/* Without MULTIPORT. */
	open_console(&f, 0);
	assert_false(f.bench.device->offered & MULTIPORT);
	start(&f, VIRTIO_BIT(VIRTIO_CONSOLE_F_SIZE));
	console_resize(f.bench.device, 100, 30);
	assert_int_equal(atomic_load(&f.bench.config_interrupts), 1);
	assert_int_equal(virtio_device_config_read(f.bench.device, 0, 4), 30u << 16 | 100);
	/* The next driver is told as well. */
	bench_reset(&f.bench);
	start(&f, VIRTIO_BIT(VIRTIO_CONSOLE_F_SIZE));
	assert_int_equal(atomic_load(&f.bench.config_interrupts), 2);
	close_console(&f);
}

/* ---------------------------------------------------------------- bytes */

/* A driver of the first days: no features at all. */
static void carries_bytes(void **unused)
{
	struct fixture f;
	uint32_t written;

	(void)unused;
	open_console(&f, 0);
	assert_int_equal(input(&f, 0, "early"), 0);
	start(&f, PACKED | EVENT_IDX);
	assert_int_equal(f.ends[0].asked, 1);	/* it may try again */
	write_text(&f, 1, "hello, ");
	write_text(&f, 1, "world");
	assert_true(got(&f, 1, &written) && got(&f, 1, &written));
	expect_text(&f.ends[0], "hello, world");
	assert_int_equal(input(&f, 0, "typed"), 0);	/* no buffer */
	add(&f, 0, BUFFER_BASE + 0x1000, 3, true);
	assert_int_equal(f.ends[0].asked, 2);
	assert_int_equal(input(&f, 0, "typed"), 3);
	assert_true(got(&f, 0, &written));
	assert_int_equal(written, 3);
	assert_memory_equal(bench_at(&f.bench, BUFFER_BASE + 0x1000, 3), "typ", 3);
	add(&f, 0, BUFFER_BASE + 0x1000, 64, true);
	assert_int_equal(f.ends[0].asked, 3);
	assert_int_equal(input(&f, 0, "ed"), 2);
	assert_true(got(&f, 0, &written));
	assert_int_equal(written, 2);
	close_console(&f);
}

/* The guest's buffers come back when the end has taken them, not before. */
static void waits_for_room(void **unused)
{
	struct fixture f;
	uint32_t written;

	(void)unused;
	open_console(&f, 2);
	start_ports(&f);
	f.ends[1].room = 4;
	write_text(&f, PORT_OUT, "123456789");
	expect_text(&f.ends[1], "1234");
	assert_false(got(&f, PORT_OUT, &written));
	/* The other ports are not held up. */
	write_text(&f, 1, "console");
	assert_true(got(&f, 1, &written));
	expect_text(&f.ends[0], "console");
	f.ends[1].room = 2;
	write_text(&f, PORT_OUT, "123456789");
	expect_text(&f.ends[1], "1234");
	console_writable(f.bench.device, 1);
	turn(&f);
	expect_text(&f.ends[1], "123456");
	assert_false(got(&f, PORT_OUT, &written));
	f.ends[1].room = 100;
	console_writable(f.bench.device, 1);
	turn(&f);
	expect_text(&f.ends[1], "123456789123456789");
	assert_true(got(&f, PORT_OUT, &written) && got(&f, PORT_OUT, &written));
	/* A reset in the middle of a buffer. */
	f.ends[1].room = 1;
	write_text(&f, PORT_OUT, "rest");
	bench_reset(&f.bench);
	f.ends[1] = (struct end){ .room = 100 };
	start_ports(&f);
	write_text(&f, PORT_OUT, "new");
	expect_text(&f.ends[1], "new");
	close_console(&f);
}

/* More than is moved together. */
static void carries_much(void **unused)
{
	const struct buffer buffers[] = {
		{ BUFFER_BASE, 5000, false }, { BUFFER_BASE + 0x8000, 3000, false },
	};
	struct fixture f;
	uint8_t *bytes;
	uint32_t written;

	(void)unused;
	open_console(&f, 0);
	start(&f, SPLIT);
	bytes = bench_at(&f.bench, BUFFER_BASE, 0x9000);
	for (unsigned int i = 0; i < 8000; i++)
		bytes[i < 5000 ? i : i - 5000 + 0x8000] = i * 7 >> 3;
	driver_add(&f.bench.drivers[1], buffers, 2);
	virtio_device_notify(f.bench.device, 1);
	turn(&f);
	assert_true(got(&f, 1, &written));
	assert_int_equal(f.ends[0].count, 8000);
	for (unsigned int i = 0; i < 8000; i++)
		assert_int_equal(f.ends[0].bytes[i], (i * 7 >> 3) & 0xff);
	close_console(&f);
}

/* A driver that notifies only when it is asked to, as real ones. */
static void add_quietly(struct fixture *f, unsigned int queue, uint64_t gpa, uint32_t length,
			bool writable)
{
	const struct buffer buffer = { gpa, length, writable };

	driver_add(&f->bench.drivers[queue], &buffer, 1);
	if (driver_must_notify(&f->bench.drivers[queue], 1))
		virtio_device_notify(f->bench.device, queue);
	turn(f);
}

static void asks_for_notifications(struct fixture *f, uint64_t features)
{
	unsigned int back = 0, asked;
	size_t taken = 0;
	uint32_t written;

	open_console(f, 0);
	start(f, features);
	for (unsigned int i = 0; i < 80; i++) {
		f->ends[0].room = i % 3 ? 1000 : 50;
		if (i % 3 == 1)
			console_writable(f->bench.device, 0);
		add_quietly(f, 1, BUFFER_BASE, 100, false);
		while (got(f, 1, &written))
			back++;
		assert_int_equal(back, i % 3 ? i + 1 : i);
	}
	assert_int_equal(f->ends[0].count, 8000);
	for (unsigned int i = 0; i < 100; i++) {
		taken += input(f, 0, "0123456789");
		asked = f->ends[0].asked;
		add_quietly(f, 0, BUFFER_BASE, 7, true);
		assert_int_equal(f->ends[0].asked, asked + 1);
		while (got(f, 0, &written))
			taken -= written;
	}
	taken += input(f, 0, "0123456789");
	assert_true(got(f, 0, &written));
	assert_int_equal(taken, written);
	close_console(f);
}

static void asks_when_it_waits(void **unused)
{
	struct fixture f;

	(void)unused;
	asks_for_notifications(&f, SPLIT);
	asks_for_notifications(&f, SPLIT | EVENT_IDX);
	asks_for_notifications(&f, PACKED);
	asks_for_notifications(&f, PACKED | EVENT_IDX);
}

/* Input for a port that nobody has open in the guest stays on the host. */
static void minds_who_is_there(void **unused)
{
	struct fixture f;
	uint32_t written;

	(void)unused;
	open_console(&f, 2);
	start_ports(&f);
	add(&f, PORT_IN, BUFFER_BASE + 0x1000, 64, true);
	say(&f, 1, VIRTIO_CONSOLE_PORT_OPEN, 0);
	assert_int_equal(input(&f, 1, "x"), 0);
	f.ends[1].asked = 0;
	turn(&f);
	assert_int_equal(f.ends[1].asked, 0);
	say(&f, 1, VIRTIO_CONSOLE_PORT_OPEN, 1);
	assert_int_equal(f.ends[1].asked, 1);
	assert_int_equal(input(&f, 1, "x"), 1);
	assert_true(got(&f, PORT_IN, &written));
	/* Who comes anew finds a port that is not blocked. */
	f.ends[1].room = 0;
	write_text(&f, PORT_OUT, "lost");
	console_connected(f.bench.device, 1, true);
	f.ends[1].room = 100;
	turn(&f);
	assert_true(got(&f, PORT_OUT, &written));
	close_console(&f);
}

/* ---------------------------------------------------------------- bad drivers */

static void breaks(struct fixture *f, unsigned int queue, uint64_t gpa, uint32_t length, bool writable)
{
	const struct buffer buffer = { gpa, length, writable };

	driver_add(&f->bench.drivers[queue], &buffer, 1);
	virtio_device_notify(f->bench.device, queue);
	turn(f);
	bench_wait_broken(&f->bench);
	assert_int_equal(input(f, 0, "x"), 0);
	bench_reset(&f->bench);
}

static void refuses(void **unused)
{
	struct fixture f;

	(void)unused;
	open_console(&f, 2);
	start(&f, MULTIPORT);
	breaks(&f, CONTROL_OUT, BUFFER_BASE, 7, false);
	start(&f, MULTIPORT);
	breaks(&f, PORT_OUT, MEMORY_SIZE, 7, false);
	start(&f, MULTIPORT);
	say(&f, VIRTIO_CONSOLE_BAD_ID, VIRTIO_CONSOLE_DEVICE_READY, 1);
	breaks(&f, CONTROL_IN, MESSAGES, 7, true);
	start_ports(&f);
	close_console(&f);
}

/* Messages about ports need queues that a console alone does not have. */
static void features_not_offered(void **unused)
{
	struct fixture f;

	(void)unused;
	open_console(&f, 0);
	bench_start_mixed(&f.bench);
	turn(&f);
	bench_reset(&f.bench);
	start(&f, 0);
	write_text(&f, 1, "works");
	expect_text(&f.ends[0], "works");
	close_console(&f);
}

/* Named ports alone: they begin at 1, as port 0 is the console's. */
static void starts_at_one(void **unused)
{
	const struct console_port_config port = { .name = "one", .end = { put, room, NULL } };
	const struct console_device_config config = { .name = "c", .ports = &port, .count = 1 };
	struct fixture f;

	(void)unused;
	open_console(&f, 0);
	virtio_device_free(f.bench.device);
	bench_attach(&f.bench, console_device_new(&config, &f.bench.virtio, &f.loop, &f.lock, NULL));
	assert_int_equal(f.bench.device->queue_count, 6);
	assert_false(f.bench.device->offered & VIRTIO_BIT(VIRTIO_CONSOLE_F_SIZE));
	start(&f, MULTIPORT);
	say(&f, VIRTIO_CONSOLE_BAD_ID, VIRTIO_CONSOLE_DEVICE_READY, 1);
	expect_message(&f, 1, VIRTIO_CONSOLE_PORT_ADD, 0, NULL, 0);
	expect_silence(&f);
	close_console(&f);
}

/* ---------------------------------------------------------------- checkpoints */

/* A buffer of which the host has a part is sent to its end, and nothing twice. */
static void goes_on(struct fixture *f, bool as_another)
{
	struct bench_state state;
	uint32_t written;

	f->ends[1].room = 4;
	f->ends[1].count = 0;
	write_text(f, PORT_OUT, "123456789");
	expect_text(&f->ends[1], "1234");
	bench_save(&f->bench, &state);
	f->ends[1].room = sizeof(f->ends[1].bytes) - 4;
	console_writable(f->bench.device, 1);
	assert_int_equal(input(f, 1, "early"), 0);
	turn(f);
	expect_text(&f->ends[1], "1234");
	if (as_another) {
		virtio_device_free(f->bench.device);
		bench_load(&f->bench, make_console(f, 2), &state);
	} else {
		virtio_device_go_on(f->bench.device);
	}
	turn(f);
	assert_true(got(f, PORT_OUT, &written));
	assert_false(got(f, PORT_OUT, &written));
	expect_text(&f->ends[1], "123456789");
	assert_true(console_guest_open(f->bench.device, 1));
	assert_false(console_guest_open(f->bench.device, 2));
}

static void is_saved(void **unused)
{
	struct fixture f;

	(void)unused;
	open_console(&f, 2);
	start_ports(&f);
	goes_on(&f, false);
	goes_on(&f, true);
	goes_on(&f, true);
	expect_silence(&f);
	close_console(&f);
}

/* What the guest was told of the host's ends, and of its size, is put right. */
static void hears_of_changes(void **unused)
{
	const uint16_t size[] = { 100, 30 };
	struct bench_state state;
	struct fixture f;

	(void)unused;
	open_console(&f, 2);
	start_ports(&f);
	console_resize(f.bench.device, 80, 25);
	expect_message(&f, 0, VIRTIO_CONSOLE_RESIZE, 0, (const uint16_t[]){ 80, 25 }, 4);
	console_connected(f.bench.device, 1, true);
	expect_message(&f, 1, VIRTIO_CONSOLE_PORT_OPEN, 1, NULL, 0);
	bench_save(&f.bench, &state);
	virtio_device_free(f.bench.device);
	f.bench.device = make_console(&f, 2);
	console_resize(f.bench.device, 100, 30);
	bench_load(&f.bench, f.bench.device, &state);
	turn(&f);
	expect_message(&f, 0, VIRTIO_CONSOLE_RESIZE, 0, size, 4);
	expect_message(&f, 1, VIRTIO_CONSOLE_PORT_OPEN, 0, NULL, 0);
	expect_silence(&f);
	assert_int_equal(virtio_device_config_read(f.bench.device, 0, 4), 30u << 16 | 100);
	close_console(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tells_ports), cmocka_unit_test(tells_size),
		cmocka_unit_test(carries_bytes), cmocka_unit_test(waits_for_room),
		cmocka_unit_test(asks_when_it_waits),
		cmocka_unit_test(carries_much), cmocka_unit_test(minds_who_is_there),
		cmocka_unit_test(refuses), cmocka_unit_test(features_not_offered),
		cmocka_unit_test(starts_at_one), cmocka_unit_test(is_saved),
		cmocka_unit_test(hears_of_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
