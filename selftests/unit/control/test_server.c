// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A whole guest with its control socket.  The machine has a thread of its own here, and the
 * test is its client.
 */
#include "../vmm_core/machine_test.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../../vmm/control/client.h"
#include "../../../vmm/control/command.h"
#include "../../../vmm/control/endpoint.h"
#include "../../../vmm/control/protocol.h"
#include "../../../vmm/control/server.h"

/* For what must come; a test that waits this long has failed. */
#define SOON_MS	20000

struct guest {
	struct fixture *fixture;
	const struct control_command *commands;		/* of a device; may be NULL */
	struct control_endpoint *endpoint;
	struct machine *machine;
	struct control_server *server;
	pthread_t thread;
	enum machine_end end;
	uint32_t value;
	char *root;
};

static void event(void *opaque, enum machine_event event)
{
	struct guest *guest = opaque;

	control_server_event(guest->server, event);
}

static void *run(void *opaque)
{
	struct guest *guest = opaque;
	const struct machine_listener listener = { .event = event, .opaque = guest };

	guest->machine = make_machine(guest->fixture);
	if (guest->commands)
		control_registry_add(guest->machine->commands, guest->commands, 1, guest);
	guest->server = control_server_new(guest->machine, guest->endpoint, NULL);
	guest->machine->listener = &listener;
	guest->end = machine_run(guest->machine, &guest->value);
	control_server_finish(guest->server, guest->end, guest->value);
	control_server_free(guest->server);
	machine_free(guest->machine);
	return NULL;
}

static void start(struct guest *guest, struct fixture *fixture, const struct fake_exit *script,
		  size_t length)
{
	guest->fixture = fixture;
	guest->root = g_dir_make_tmp("mica-test-XXXXXX", NULL);
	fake_kernel.script = script;
	fake_kernel.length = length;
	{
		g_autofree char *path = g_build_filename(guest->root, "sock", NULL);

		guest->endpoint = control_endpoint_new("", path, "test", NULL);
	}
	assert_non_null(guest->endpoint);
	assert_int_equal(pthread_create(&guest->thread, NULL, run, guest), 0);
}

static void finish(struct guest *guest, enum machine_end end)
{
	pthread_join(guest->thread, NULL);
	assert_int_equal(guest->end, end);
	control_endpoint_free(guest->endpoint);
	assert_int_equal(rmdir(guest->root), 0);
	g_free(guest->root);
}

static struct control_client *connect_to(const struct guest *guest)
{
	GError *error = NULL;
	struct control_client *client = control_client_open(guest->endpoint->path, &error);

	if (!client)
		fail_msg("%s", error->message);
	return client;
}

static JsonObject *ask(struct control_client *client, const char *command)
{
	GError *error = NULL;
	JsonObject *result = control_client_call(client, command, NULL, &error);

	if (!result)
		fail_msg("%s: %s", command, error->message);
	return result;
}

static void do_ask(struct control_client *client, const char *command)
{
	json_object_unref(ask(client, command));
}

static void assert_fails(struct control_client *client, const char *command, const char *message)
{
	GError *error = NULL;

	assert_null(control_client_call(client, command, NULL, &error));
	assert_error_says(&error, message);
}

static void assert_event(struct control_client *client, const char *name, const char *reason)
{
	gint64 deadline = g_get_monotonic_time() + SOON_MS * 1000;
	JsonObject *event = NULL, *data;

	assert_int_equal(control_client_wait(client, deadline, &event), CONTROL_WAIT_EVENT);
	assert_string_equal(json_object_get_string_member(event, "event"), name);
	data = json_object_get_object_member(event, "data");
	if (reason)
		assert_string_equal(json_object_get_string_member(data, "reason"), reason);
	json_object_unref(event);
}

static void assert_state(struct control_client *client, const char *state)
{
	JsonObject *status = ask(client, "status");

	assert_string_equal(json_object_get_string_member(status, "state"), state);
	json_object_unref(status);
}

/* ---------------------------------------------------------------- lines */

/* A client that is less polite than control_client. */
static int open_raw(const struct guest *guest)
{
	const struct timeval limit = { .tv_sec = SOON_MS / 1000 };
	int fd = control_connect(guest->endpoint->path, NULL);

	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	return fd;
}

static void send_raw(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* Reads byte by byte, so as not to take more than a line. */
static char *read_line(int fd)
{
	GString *line = g_string_new(NULL);
	char byte = 0;

	while (byte != '\n') {
		if (recv(fd, &byte, 1, 0) != 1)
			break;
		g_string_append_c(line, byte);
	}
	return g_string_free(line, FALSE);
}

static void assert_line(int fd, const char *expected)
{
	g_autofree char *line = read_line(fd);

	if (!strstr(line, expected))
		fail_msg("\"%s\" does not have \"%s\"", line, expected);
}

static void assert_closed(int fd)
{
	char byte;

	assert_true(recv(fd, &byte, 1, 0) <= 0 && errno != EAGAIN);
	close(fd);
}

static void test_lines(void **state)
{
	struct guest guest = { 0 };
	int fd;

	start(&guest, *state, NULL, 0);
	fd = open_raw(&guest);
	assert_line(fd, "{\"mica\":{\"protocol\":1,");
	/* Three at once, and one in pieces. */
	send_raw(fd, "{\"id\":1,\"command\":\"status\"}\n{}\n{\"id\":2,\"command\":\"fly\"}\n{\"id\":");
	assert_line(fd, "{\"id\":1,\"result\":{\"name\":\"test\",");
	assert_line(fd, "{\"id\":null,\"error\":{\"message\":\"it is missing\",\"field\":\"id\"}}");
	assert_line(fd, "{\"id\":2,\"error\":{\"message\":\"there is no command 'fly'\","
		    "\"field\":\"command\"}}");
	send_raw(fd, "2,\"command\":\"balloon\"}\n{\"id\":");
	assert_line(fd, "{\"id\":2,\"error\":{\"message\":\"this guest has no command 'balloon': it was "
		    "started without --balloon\",\"field\":\"command\"}}");
	send_raw(fd, "3,\"command\":\"pause\",\"arguments\":{\"for\":1}}\n");
	assert_line(fd, "{\"id\":3,\"error\":{\"message\":\"'pause' has no such argument\","
		    "\"field\":\"arguments.for\"}}");
	send_raw(fd, "{\"id\":4,\"command\":\"console\",\"arguments\":{\"backlog\":65537}}\n");
	assert_line(fd, "\"field\":\"arguments.backlog\"}}");
	send_raw(fd, "{\"id\":5,\"command\":\"commands\"}\n");
	assert_line(fd, "{\"name\":\"console\",\"summary\":\"attach to the guest's console\","
		    "\"arguments\":[{\"name\":\"backlog\",\"type\":\"integer\"");
	send_raw(fd, "{\"id\":6,\"command\":\"kill\"}\n");
	assert_line(fd, "{\"id\":6,\"result\":{}}");
	assert_line(fd, "{\"event\":\"ended\",\"data\":{\"reason\":\"killed\",\"value\":0}}");
	assert_closed(fd);
	finish(&guest, MACHINE_LEFT);
}

static void test_long_line(void **state)
{
	g_autofree char *spaces = g_strnfill(CONTROL_LINE_MAX - 30, ' ');
	g_autofree char *line = g_strdup_printf("{\"id\":1,\"command\":\"%s\"%s}\n", "status", spaces);
	g_autofree char *endless = g_strnfill(CONTROL_LINE_MAX, ' ');
	struct guest guest = { 0 };
	struct control_client *client;
	int fd;

	start(&guest, *state, NULL, 0);
	fd = open_raw(&guest);
	assert_line(fd, "mica");
	assert_true(strlen(line) <= CONTROL_LINE_MAX);
	send_raw(fd, line);
	assert_line(fd, "{\"id\":1,\"result\":");
	send_raw(fd, endless);
	assert_line(fd, "{\"id\":null,\"error\":{\"message\":\"a line has at most 65536 bytes\"}}");
	assert_closed(fd);
	client = connect_to(&guest);
	do_ask(client, "kill");
	control_client_free(client);
	finish(&guest, MACHINE_LEFT);
}

/* ---------------------------------------------------------------- clients */

static void test_many_clients(void **state)
{
	int fds[CONTROL_CLIENTS_MAX];
	struct guest guest = { 0 };
	int fd;

	start(&guest, *state, NULL, 0);
	for (size_t i = 0; i < G_N_ELEMENTS(fds); i++) {
		fds[i] = open_raw(&guest);
		assert_line(fds[i], "mica");
	}
	fd = open_raw(&guest);
	assert_line(fd, "64 clients are connected");
	assert_closed(fd);
	/* One leaves, and there is room when the guest has seen it. */
	close(fds[0]);
	do {
		g_autofree char *line = NULL;

		fd = open_raw(&guest);
		line = read_line(fd);
		if (strstr(line, "\"mica\""))
			break;
		close(fd);
	} while (true);
	send_raw(fd, "{\"id\":1,\"command\":\"kill\"}\n");
	for (size_t i = 1; i < G_N_ELEMENTS(fds); i++) {
		assert_line(fds[i], "\"ended\"");
		assert_closed(fds[i]);
	}
	close(fd);
	finish(&guest, MACHINE_LEFT);
}

/* It asks and asks and never reads: it is cut off, and the others are answered. */
static void test_unread_answers(void **state)
{
	const char *question = "{\"id\":1,\"command\":\"commands\"}\n";
	struct guest guest = { 0 };
	struct control_client *client;
	struct pollfd poll_fd = { .events = POLLOUT };
	ssize_t sent;

	start(&guest, *state, NULL, 0);
	poll_fd.fd = open_raw(&guest);
	client = connect_to(&guest);
	do {
		assert_true(poll(&poll_fd, 1, SOON_MS) == 1);
		sent = send(poll_fd.fd, question, strlen(question), MSG_NOSIGNAL | MSG_DONTWAIT);
		assert_true(sent > 0 || errno == EPIPE || errno == ECONNRESET || errno == EAGAIN);
	} while (sent > 0 || errno == EAGAIN);
	assert_state(client, "running");
	do_ask(client, "kill");
	control_client_free(client);
	close(poll_fd.fd);
	finish(&guest, MACHINE_LEFT);
}

/* Root may let others reach the socket, and they are refused nevertheless. */
static void test_other_user(void **state)
{
	const struct passwd *nobody = getpwnam("nobody");
	struct guest guest = { 0 };
	struct control_client *client;
	int fd, status;

	if (geteuid() != 0 || !nobody)
		skip();
	start(&guest, *state, NULL, 0);
	assert_int_equal(chmod(guest.root, 0755), 0);
	assert_int_equal(chmod(guest.endpoint->path, 0666), 0);
	if (!fork()) {
		if (setresuid(nobody->pw_uid, nobody->pw_uid, nobody->pw_uid) < 0)
			_exit(1);
		/* Not by control_connect(), which trusts root. */
		fd = open_raw(&guest);
		_exit(strstr(read_line(fd), "this guest obeys user 0 and root, not user") &&
		      !*read_line(fd) ? 0 : 2);
	}
	assert_true(wait(&status) > 0);
	assert_int_equal(WEXITSTATUS(status), 0);
	client = connect_to(&guest);
	do_ask(client, "kill");
	control_client_free(client);
	finish(&guest, MACHINE_LEFT);
}

/* ---------------------------------------------------------------- pause */

/* A guest that never stops by itself. */
static const struct fake_exit busy[] = {
	{ .reason = MICA_EXIT_IO, .io = { .port = 0x80, .size = 1, .flags = MICA_IO_WRITE },
	  .repeat = UINT32_MAX },
};

static uint64_t runs(void)
{
	return __atomic_load_n(&fake_kernel.runs, __ATOMIC_RELAXED);
}

static void wait_for_runs(uint64_t more)
{
	uint64_t before = runs();

	while (runs() < before + more)
		sched_yield();
}

static uint64_t guest_time(struct machine *machine)
{
	uint64_t now;

	pthread_mutex_lock(&machine->lock);
	now = clock_now(machine->clock);
	pthread_mutex_unlock(&machine->lock);
	return now;
}

static void test_pause(void **state)
{
	struct fixture *fixture = *state;
	struct guest guest = { 0 };
	struct control_client *client, *other;
	uint64_t before, time;

	fixture->config.cpus = 3;
	start(&guest, fixture, busy, G_N_ELEMENTS(busy));
	client = connect_to(&guest);
	other = connect_to(&guest);
	wait_for_runs(1000);
	do_ask(client, "pause");
	before = runs();
	time = guest_time(guest.machine);
	assert_event(other, "paused", NULL);
	assert_state(client, "paused");
	do_ask(client, "pause");
	assert_fails(client, "stop", "resume it first");
	assert_int_equal(runs(), before);
	assert_true(guest_time(guest.machine) == time);
	do_ask(client, "resume");
	do_ask(client, "resume");
	/* One event each, though asked for twice. */
	assert_event(other, "resumed", NULL);
	assert_state(client, "running");
	wait_for_runs(1000);
	assert_true(guest_time(guest.machine) > time);
	assert_true(fake_kernel.moved_tsc[0] < 0);
	assert_true(fake_kernel.moved_tsc[1] == fake_kernel.moved_tsc[0]);
	assert_true(fake_kernel.moved_tsc[2] == fake_kernel.moved_tsc[0]);
	do_ask(client, "pause");
	assert_event(other, "paused", NULL);
	do_ask(client, "kill");
	assert_event(other, "ended", "killed");
	control_client_free(client);
	control_client_free(other);
	finish(&guest, MACHINE_LEFT);
}

/* Many times, so that a kick which comes at a bad moment is seen. */
static void test_pause_often(void **state)
{
	struct fixture *fixture = *state;
	struct guest guest = { 0 };
	struct control_client *client;

	fixture->config.cpus = 2;
	start(&guest, fixture, busy, G_N_ELEMENTS(busy));
	client = connect_to(&guest);
	for (unsigned int i = 0; i < 500; i++) {
		do_ask(client, "pause");
		do_ask(client, "resume");
		if (i % 50 == 0)
			wait_for_runs(10);
	}
	wait_for_runs(1000);
	do_ask(client, "kill");
	control_client_free(client);
	finish(&guest, MACHINE_LEFT);
}

/* With nobody reading, the vCPU waits when it has printed this much, and the console's thread
 * may take one chunk from it after that (console_output.c). */
#define RING_HIGH	32768
#define CHUNK_SIZE	4096

/* A vCPU that waits for somebody to read the console is no reason not to pause. */
static void test_pause_stuck(void **state)
{
	struct fixture *fixture = *state;
	struct fake_exit script[] = { FAKE_OUT(COM1, 1, 'x') };
	struct guest guest = { 0 };
	struct control_client *client;
	uint64_t before;
	int fifo;

	script[0].repeat = UINT32_MAX;
	assert_int_equal(unlink(fixture->path), 0);
	assert_int_equal(mkfifo(fixture->path, 0600), 0);
	fifo = open(fixture->path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	while (write(fifo, "full", 4) > 0)
		;
	start(&guest, fixture, script, 1);
	client = connect_to(&guest);
	while (runs() < RING_HIGH)
		sched_yield();
	do_ask(client, "pause");
	before = runs();
	do_ask(client, "resume");
	do_ask(client, "pause");
	assert_in_range(runs() - before, 0, CHUNK_SIZE + 1);
	do_ask(client, "kill");
	control_client_free(client);
	finish(&guest, MACHINE_LEFT);
	close(fifo);
}

/* ---------------------------------------------------------------- commands */

static void test_reset(void **state)
{
	struct guest guest = { 0 };
	struct control_client *client;

	start(&guest, *state, NULL, 0);
	client = connect_to(&guest);
	do_ask(client, "reset");
	assert_event(client, "ended", "reset");
	control_client_free(client);
	finish(&guest, MACHINE_RESET);
}

/* The end that the guest itself makes, with the value that belongs to it. */
static void test_debug_exit(void **state)
{
	const struct fake_exit script[] = {
		{ .reason = MICA_EXIT_IO, .io = { .port = 0x80, .size = 1, .flags = MICA_IO_WRITE } },
		FAKE_OUT(DEBUG_EXIT_PORT, 4, 42),
	};
	struct guest guest = { 0 };
	int fd;

	start(&guest, *state, script, G_N_ELEMENTS(script));
	fd = open_raw(&guest);
	assert_line(fd, "mica");
	assert_line(fd, "{\"reason\":\"debug-exit\",\"value\":42}");
	close(fd);
	finish(&guest, MACHINE_DEBUG_EXIT);
}

static void test_stop(void **state)
{
	struct guest guest = { 0 };
	struct control_client *client;
	uint64_t value;

	start(&guest, *state, NULL, 0);
	client = connect_to(&guest);
	do_ask(client, "stop");
	pthread_mutex_lock(&guest.machine->lock);
	bus_read(guest.machine->ports, PM_BASE, 2, &value);
	pthread_mutex_unlock(&guest.machine->lock);
	assert_int_equal(value & 0x100, 0x100);		/* PWRBTN_STS */
	do_ask(client, "kill");
	control_client_free(client);
	finish(&guest, MACHINE_LEFT);
}

static void append(JsonObject *stats, void *opaque)
{
	json_object_set_string_member(stats, "disks", opaque);
}

static void test_stats(void **state)
{
	struct fixture *fixture = *state;
	struct guest guest = { 0 };
	struct control_client *client;
	JsonObject *status, *stats, *memory, *vcpu, *counters;
	JsonArray *vcpus;

	fixture->config.cpus = 2;
	fixture->config.topology = (struct cpu_topology){ .threads = 2 };
	start(&guest, fixture, busy, G_N_ELEMENTS(busy));
	client = connect_to(&guest);
	wait_for_runs(100);
	control_registry_add_stats(guest.machine->commands, append, (char *)"two");
	status = ask(client, "status");
	assert_string_equal(json_object_get_string_member(status, "cpu"), "host");
	vcpu = json_object_get_object_member(status, "topology");
	assert_int_equal(json_object_get_int_member(vcpu, "sockets"), 1);
	assert_int_equal(json_object_get_int_member(vcpu, "cores"), 1);
	assert_int_equal(json_object_get_int_member(vcpu, "threads"), 2);
	json_object_unref(status);
	stats = ask(client, "stats");
	memory = json_object_get_object_member(stats, "memory");
	assert_int_equal(json_object_get_int_member(memory, "size"), 2 << 20);
	assert_true(json_object_get_int_member(memory, "resident") > 4096);
	vcpus = json_object_get_array_member(stats, "vcpus");
	assert_int_equal(json_array_get_length(vcpus), 2);
	vcpu = json_array_get_object_element(vcpus, 0);
	counters = json_object_get_object_member(vcpu, "counters");
	assert_true(json_object_get_int_member(counters, "entries") >= 100);
	assert_int_equal(json_object_get_int_member(counters, "hlt"), 0);
	assert_string_equal(json_object_get_string_member(stats, "disks"), "two");
	json_object_unref(stats);
	do_ask(client, "kill");
	control_client_free(client);
	finish(&guest, MACHINE_LEFT);
}

/* ---------------------------------------------------------------- calls that wait */

static struct control_call *waiting;

static void wait_handler(struct control_call *call, JsonObject *arguments, void *opaque)
{
	(void)arguments;
	(void)opaque;
	if (!waiting) {
		waiting = call;
		return;
	}
	control_call_fail(waiting, "arguments.a", "number %d", 1);
	waiting = NULL;
	control_call_done(call, NULL);
}

static const struct control_command wait_command = {
	.name = "wait", .summary = "answers when it is called again", .handler = wait_handler,
};

/* Answers in another order than the questions, and one to a client that has left. */
static void test_late_answer(void **state)
{
	struct guest guest = { .commands = &wait_command };
	struct control_client *client;
	int fd, other;

	waiting = NULL;
	start(&guest, *state, NULL, 0);
	client = connect_to(&guest);
	fd = open_raw(&guest);
	assert_line(fd, "mica");
	send_raw(fd, "{\"id\":1,\"command\":\"wait\"}\n{\"id\":2,\"command\":\"status\"}\n"
		 "{\"id\":3,\"command\":\"wait\"}\n");
	assert_line(fd, "\"id\":2");
	assert_line(fd, "{\"id\":1,\"error\":{\"message\":\"number 1\",\"field\":\"arguments.a\"}}");
	assert_line(fd, "{\"id\":3,\"result\":{}}");
	other = open_raw(&guest);
	assert_line(other, "mica");
	send_raw(other, "{\"id\":1,\"command\":\"wait\"}\n{\"id\":2,\"command\":\"status\"}\n");
	assert_line(other, "\"id\":2");
	close(other);
	/* Time for the guest to see that it has left. */
	do_ask(client, "status");
	send_raw(fd, "{\"id\":4,\"command\":\"wait\"}\n{\"id\":5,\"command\":\"kill\"}\n");
	assert_line(fd, "{\"id\":4,\"result\":{}}");
	assert_line(fd, "{\"id\":5,\"result\":{}}");
	close(fd);
	control_client_free(client);
	finish(&guest, MACHINE_LEFT);
}

/* ---------------------------------------------------------------- console */

static void print_exits(struct fake_exit *script, const char *text)
{
	for (; *text; text++)
		*script++ = (struct fake_exit)FAKE_OUT(COM1, 1, *text);
}

static void test_console(void **state)
{
	struct fixture *fixture = *state;
	struct guest guest = { 0 };
	struct fake_exit script[7 + 1];
	int first, second;
	eventfd_t count;

	print_exits(script, "hello\n!");
	script[7] = script[6];
	fixture->config.console.kind = CONSOLE_SOCKET;
	fixture->config.console.path = NULL;
	start(&guest, fixture, script, 7);
	eventfd_read(fake_kernel.running, &count);
	first = open_raw(&guest);
	second = open_raw(&guest);
	assert_line(first, "mica");
	assert_line(second, "mica");
	send_raw(first, "{\"id\":1,\"command\":\"console\"}\n");
	assert_line(first, "{\"id\":1,\"result\":{}}");
	assert_line(first, "hello");
	send_raw(second, "{\"id\":1,\"command\":\"console\",\"arguments\":{\"backlog\":3}}\nkeys");
	assert_line(second, "{\"id\":1,\"result\":{}}");
	assert_line(second, "o\n");
	/* What was typed has come as far as the UART. */
	for (uint64_t status = 0; !(status & 1);) {
		pthread_mutex_lock(&guest.machine->lock);
		bus_read(guest.machine->ports, COM1 + 5, 1, &status);
		if (status & 1)
			bus_read(guest.machine->ports, COM1, 1, &count);
		pthread_mutex_unlock(&guest.machine->lock);
		sched_yield();
	}
	assert_int_equal(count, 'k');
	/* Both readers get what is printed from now on, also at the very end. */
	pthread_mutex_lock(&guest.machine->lock);
	bus_write(guest.machine->ports, COM1, 1, '?');
	bus_write(guest.machine->ports, COM1, 1, '\n');
	machine_request_end(guest.machine, MACHINE_OFF, 0);
	pthread_mutex_unlock(&guest.machine->lock);
	assert_line(first, "!?\n");
	assert_line(second, "!?\n");
	assert_closed(first);
	assert_closed(second);
	finish(&guest, MACHINE_OFF);
}

/* As a vCPU does, which waits when the console says so. */
static void print_much(struct machine *machine, size_t count)
{
	static const uint8_t bytes[4096] = "much";

	for (size_t i = 0; i < count; i += sizeof(bytes))
		if (console_put(machine->console, bytes, sizeof(bytes)))
			console_wait(machine->console);
}

/* A reader that does not read is cut off; the guest prints on. */
static void test_console_unread(void **state)
{
	struct fixture *fixture = *state;
	struct guest guest = { 0 };
	struct control_client *client;
	char bytes[4096];
	ssize_t count;
	size_t all = 0;
	int fd;

	fixture->config.console.kind = CONSOLE_SOCKET;
	fixture->config.console.path = NULL;
	start(&guest, fixture, NULL, 0);
	fd = open_raw(&guest);
	client = connect_to(&guest);
	send_raw(fd, "{\"id\":1,\"command\":\"console\"}\n");
	assert_line(fd, "mica");
	assert_line(fd, "{\"id\":1,\"result\":{}}");
	print_much(guest.machine, CONTROL_QUEUE_MAX * 3);
	while ((count = recv(fd, bytes, sizeof(bytes), 0)) > 0)
		all += count;
	assert_true(all < CONTROL_QUEUE_MAX * 3);
	print_much(guest.machine, CONTROL_QUEUE_MAX);
	do_ask(client, "kill");
	control_client_free(client);
	close(fd);
	finish(&guest, MACHINE_LEFT);
}

/* The guest does not read what is typed: the client waits, its connection is not dropped. */
static void test_console_unread_input(void **state)
{
	struct fixture *fixture = *state;
	struct guest guest = { 0 };
	struct control_client *client;
	g_autofree char *typed = g_strnfill(65536, 'k');
	ssize_t sent, all = 0;
	int fd;

	fixture->config.console.kind = CONSOLE_SOCKET;
	fixture->config.console.path = NULL;
	start(&guest, fixture, NULL, 0);
	fd = open_raw(&guest);
	client = connect_to(&guest);
	assert_line(fd, "mica");
	send_raw(fd, "{\"id\":1,\"command\":\"console\"}\n");
	do {
		do_ask(client, "status");
		sent = send(fd, typed, 65536, MSG_DONTWAIT | MSG_NOSIGNAL);
		all += MAX(sent, 0);
	} while (sent > 0 && all < 100 << 20);
	assert_int_equal(sent, -1);
	assert_int_equal(errno, EAGAIN);
	do_ask(client, "kill");
	control_client_free(client);
	close(fd);
	finish(&guest, MACHINE_LEFT);
}

static void test_no_console(void **state)
{
	struct guest guest = { 0 };
	struct control_client *client;

	start(&guest, *state, NULL, 0);
	client = connect_to(&guest);
	assert_fails(client, "console", "the console of this guest is file");
	do_ask(client, "kill");
	control_client_free(client);
	finish(&guest, MACHINE_LEFT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		MACHINE_TEST(test_lines),
		MACHINE_TEST(test_long_line),
		MACHINE_TEST(test_many_clients),
		MACHINE_TEST(test_unread_answers),
		MACHINE_TEST(test_other_user),
		MACHINE_TEST(test_pause),
		MACHINE_TEST(test_pause_often),
		MACHINE_TEST(test_pause_stuck),
		MACHINE_TEST(test_reset),
		MACHINE_TEST(test_debug_exit),
		MACHINE_TEST(test_stop),
		MACHINE_TEST(test_stats),
		MACHINE_TEST(test_late_answer),
		MACHINE_TEST(test_console),
		MACHINE_TEST(test_console_unread),
		MACHINE_TEST(test_console_unread_input),
		MACHINE_TEST(test_no_console),
	};

	/* As main() of mica does. */
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
