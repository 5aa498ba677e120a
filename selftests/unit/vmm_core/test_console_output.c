// SPDX-License-Identifier: GPL-2.0-or-later
#include "core_test.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <termios.h>
#include <unistd.h>

#include "../../../vmm/console_output.h"

/* Each test has a pipe and an output that writes to it. */
struct fixture {
	int reader;
	int writer;
	int drained;		/* eventfd */
	atomic_uint rooms;	/* how often on_room() was called */
	struct console_output *output;
	uint32_t put;		/* how many bytes put_more() has put */
	uint32_t got;		/* how many of them read_until() has read */
};

static void on_drained(void *opaque)
{
	struct fixture *fixture = opaque;

	assert_int_equal(eventfd_write(fixture->drained, 1), 0);
}

static void on_room(void *opaque)
{
	struct fixture *fixture = opaque;

	atomic_fetch_add(&fixture->rooms, 1);
}

static int setup(void **state)
{
	struct fixture *fixture = g_new0(struct fixture, 1);
	int ends[2];

	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(pipe(ends), 0);
	fixture->reader = ends[0];
	fixture->writer = ends[1];
	fixture->drained = eventfd(0, 0);
	fixture->output = console_output_new(fixture->writer, false, on_drained, on_room,
					     fixture, NULL);
	assert_non_null(fixture->output);
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	console_output_free(fixture->output);
	close(fixture->reader);
	close(fixture->writer);
	close(fixture->drained);
	g_free(fixture);
	return 0;
}

static void wait_drained(struct fixture *fixture)
{
	eventfd_t count;

	assert_int_equal(eventfd_read(fixture->drained, &count), 0);
	assert_int_equal(count, 1);
}

static void test_nothing(void **state)
{
	struct fixture *fixture = *state;

	console_output_drain(fixture->output);
	wait_drained(fixture);
}

static void test_order(void **state)
{
	struct fixture *fixture = *state;
	char text[16] = "";

	assert_false(console_output_put(fixture->output, (const uint8_t *)"one ", 4));
	assert_false(console_output_put(fixture->output, (const uint8_t *)"two", 3));
	console_output_drain(fixture->output);
	wait_drained(fixture);
	assert_int_equal(read(fixture->reader, text, sizeof(text)), 7);
	assert_string_equal(text, "one two");
}

/* Without a drain: a prompt has no newline, and must be seen all the same. */
static void test_arrives_by_itself(void **state)
{
	struct fixture *fixture = *state;
	char text[16] = "";

	assert_false(console_output_put(fixture->output, (const uint8_t *)"# ", 2));
	assert_int_equal(read(fixture->reader, text, sizeof(text)), 2);
	assert_string_equal(text, "# ");
}

/* A guest that floods: each byte arrives, in order, though ring and pipe together hold a
 * fraction of them. */
#define FLOOD		(4u << 20)
#define PUT_SIZE	1024u

static uint8_t flood_byte(uint32_t at)
{
	return at * 2654435761u >> 24;
}

static bool put_more(struct fixture *fixture)
{
	uint8_t bytes[PUT_SIZE];

	for (uint32_t i = 0; i < PUT_SIZE; i++)
		bytes[i] = flood_byte(fixture->put++);
	return console_output_put(fixture->output, bytes, PUT_SIZE);
}

static void *flood(void *opaque)
{
	struct fixture *fixture = opaque;

	while (fixture->put < FLOOD)
		if (put_more(fixture))
			console_output_wait(fixture->output);
	console_output_drain(fixture->output);
	return NULL;
}

static void read_until(struct fixture *fixture, uint32_t end)
{
	uint8_t bytes[128];
	ssize_t count;

	while (fixture->got < end) {
		count = read(fixture->reader, bytes, sizeof(bytes));
		assert_true(count > 0);
		for (ssize_t i = 0; i < count; i++, fixture->got++)
			if (bytes[i] != flood_byte(fixture->got))
				fail_msg("byte %u is wrong", fixture->got);
	}
}

static void test_flood(void **state)
{
	struct fixture *fixture = *state;
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, flood, fixture), 0);
	read_until(fixture, FLOOD);
	pthread_join(thread, NULL);
	wait_drained(fixture);
}

static bool is_stuck(struct fixture *fixture)
{
	struct pollfd writable = { .fd = fixture->writer, .events = POLLOUT };

	return poll(&writable, 1, 0) == 0 && thread_state("console") == 'S' &&
	       console_output_put(fixture->output, NULL, 0);
}

/* Until the thread sleeps in a write() that nobody will end: the pipe is full, the thread
 * sleeps, and it does so although the ring is full enough after that. */
static void fill(struct fixture *fixture)
{
	while (!is_stuck(fixture)) {
		if (!console_output_put(fixture->output, NULL, 0))
			put_more(fixture);
		sched_yield();
	}
}

/*
 * The ring, of 512 KiB, is filled almost to its last byte, then emptied a little at its
 * start, and filled again beyond its end.  In between the thread never finds it empty.
 */
static void test_goes_round(void **state)
{
	struct fixture *fixture = *state;
	uint32_t almost_full;
	int in_pipe;

	fill(fixture);
	assert_int_equal(ioctl(fixture->reader, FIONREAD, &in_pipe), 0);
	almost_full = (in_pipe + (512u << 10)) / PUT_SIZE * PUT_SIZE;
	while (fixture->put < almost_full)
		put_more(fixture);
	read_until(fixture, 256 << 10);
	while (!is_stuck(fixture))
		sched_yield();
	while (fixture->put < almost_full + (128u << 10))
		put_more(fixture);
	console_output_drain(fixture->output);
	read_until(fixture, fixture->put);
	wait_drained(fixture);
}

static void *wait_for_room(void *opaque)
{
	struct fixture *fixture = opaque;

	console_output_wait(fixture->output);
	return NULL;
}

static void test_release(void **state)
{
	struct fixture *fixture = *state;
	pthread_t thread;

	fill(fixture);
	assert_int_equal(pthread_create(&thread, NULL, wait_for_room, fixture), 0);
	console_output_release(fixture->output);
	pthread_join(thread, NULL);
}

/* The teardown frees it. */
static void test_free_while_stuck(void **state)
{
	fill(*state);
}

/* Who does not wait loses what does not fit, and nothing else happens. */
static void test_overflow(void **state)
{
	struct fixture *fixture = *state;
	uint8_t bytes[1024] = { 0 };

	for (int i = 0; i < 1000; i++)
		console_output_put(fixture->output, bytes, sizeof(bytes));
	assert_true(console_output_put(fixture->output, bytes, 1));
}

static void test_reader_gone(void **state)
{
	struct fixture *fixture = *state;
	uint8_t bytes[1024] = { 0 };

	int messages = memfd_create("messages", MFD_CLOEXEC), before = dup(STDERR_FILENO);
	char text[4096] = "";

	dup2(messages, STDERR_FILENO);
	close(fixture->reader);
	fixture->reader = -1;
	for (int i = 0; i < 1000; i++)
		if (console_output_put(fixture->output, bytes, sizeof(bytes)))
			console_output_wait(fixture->output);
	console_output_drain(fixture->output);
	wait_drained(fixture);
	dup2(before, STDERR_FILENO);
	close(before);
	assert_true(pread(messages, text, sizeof(text) - 1, 0) > 0);
	close(messages);
	/* The user is told, and told once. */
	assert_string_equal(text, "mica: cannot write the guest's console output (Broken pipe): "
			    "from here on it is thrown away\n");
}

/* The descriptor is somebody else's as well, and may not block. */
static void test_nonblocking(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(fcntl(fixture->writer, F_SETFL, O_NONBLOCK), 0);
	assert_true(fcntl(fixture->writer, F_SETPIPE_SZ, 4096) > 0);
	test_flood(state);
}

/* A pseudo-terminal drops what nobody reads, and works once somebody has opened it. */
static void test_pty(void **state)
{
	struct fixture *fixture = *state;
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK), slave;
	struct console_output *output;
	uint8_t bytes[1024] = { 0 };
	struct termios modes;
	char text[16] = "";

	assert_true(master >= 0 && !grantpt(master) && !unlockpt(master));
	slave = open(ptsname(master), O_RDWR | O_NOCTTY);
	assert_true(slave >= 0);
	tcgetattr(slave, &modes);
	cfmakeraw(&modes);
	tcsetattr(slave, TCSANOW, &modes);
	close(slave);
	output = console_output_new(master, true, on_drained, on_room, fixture, NULL);
	for (int i = 0; i < 1000; i++)
		if (console_output_put(output, bytes, sizeof(bytes)))
			console_output_wait(output);
	console_output_drain(output);
	wait_drained(fixture);
	console_output_free(output);

	output = console_output_new(master, true, on_drained, on_room, fixture, NULL);
	slave = open(ptsname(master), O_RDWR | O_NOCTTY);
	assert_true(slave >= 0);
	console_output_put(output, (const uint8_t *)"hello", 5);
	assert_int_equal(read(slave, text, sizeof(text)), 5);
	assert_string_equal(text, "hello");
	console_output_free(output);
	close(slave);
	close(master);
}

/* Who does not want to wait is told, once for each time that it was full. */
static void test_tells_room(void **state)
{
	struct fixture *fixture = *state;
	uint8_t bytes[1024] = { 0 }, read_bytes[4096];
	uint32_t got = 0;

	/* Nothing like as much as makes the ring full: it stays so until we read. */
	assert_true(fcntl(fixture->writer, F_SETPIPE_SZ, 4096) > 0);
	for (unsigned int turn = 1; turn <= 2; turn++) {
		uint32_t put = 0;

		do
			put += sizeof(bytes);
		while (!console_output_put(fixture->output, bytes, sizeof(bytes)));
		assert_int_equal(atomic_load(&fixture->rooms), turn - 1);
		for (got = 0; got < put;)
			got += read(fixture->reader, read_bytes, sizeof(read_bytes));
		console_output_wait(fixture->output);
		assert_int_equal(atomic_load(&fixture->rooms), turn);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_arrives_by_itself, setup, teardown),
		cmocka_unit_test_setup_teardown(test_flood, setup, teardown),
		cmocka_unit_test_setup_teardown(test_goes_round, setup, teardown),
		cmocka_unit_test_setup_teardown(test_release, setup, teardown),
		cmocka_unit_test_setup_teardown(test_free_while_stuck, setup, teardown),
		cmocka_unit_test_setup_teardown(test_overflow, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reader_gone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nonblocking, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pty, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tells_room, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
