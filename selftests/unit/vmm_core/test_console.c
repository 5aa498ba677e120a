// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The console with a guest that sends back what it is given.  The tests with a terminal
 * run it in a child of its own, on a pseudo-terminal whose other end the test holds.
 */
#include "core_test.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <pty.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include <uv.h>

#include "../../../vmm/console.h"

#define TIMEOUT_MS	20000
#define UART_ROOM	16u

struct echo {
	uv_loop_t loop;
	struct console *console;
	struct console_guest guest;
};

static size_t echo_input(void *opaque, const uint8_t *bytes, size_t count)
{
	struct echo *echo = opaque;

	(void)count;
	if (*bytes == '!')
		abort();
	if (*bytes == '$')
		raise(SIGSEGV);
	if (*bytes == '~') {
		console_suspend(echo->console);
		console_put(echo->console, (const uint8_t *)"suspended", 9);
		return 1;
	}
	console_put(echo->console, bytes, 1);
	return 1;
}

static void echo_key(void *opaque, enum console_key key)
{
	struct echo *echo = opaque;

	if (key == CONSOLE_KEY_POWER)
		console_put(echo->console, (const uint8_t *)"POWER", 5);
	else
		console_drain(echo->console);
}

static void echo_drained(void *opaque)
{
	struct echo *echo = opaque;

	uv_stop(&echo->loop);
}

/* Returns when the console was left, with all freed. */
static void echo_run(void)
{
	const struct console_config config = { .kind = CONSOLE_STDIO };
	struct echo echo = { .guest = { echo_input, echo_key, NULL, echo_drained, &echo } };

	uv_loop_init(&echo.loop);
	echo.console = console_new(&echo.loop, &config, &echo.guest, NULL);
	console_start(echo.console);
	console_put(echo.console, (const uint8_t *)"ready", 5);
	uv_run(&echo.loop, UV_RUN_DEFAULT);
	console_free(echo.console);
	uv_run(&echo.loop, UV_RUN_DEFAULT);
	if (uv_loop_close(&echo.loop))
		_exit(1);
}

/* ------------------------------------------------------------ with a terminal */

struct terminal {
	pid_t child;
	int master;
};

/* Reads until `text` has come. */
static void expect(struct terminal *terminal, const char *text)
{
	struct pollfd readable = { .fd = terminal->master, .events = POLLIN };
	g_autoptr(GString) seen = g_string_new(NULL);
	char byte;

	while (!strstr(seen->str, text)) {
		if (poll(&readable, 1, TIMEOUT_MS) != 1 || read(terminal->master, &byte, 1) != 1)
			fail_msg("\"%s\" has come, but not \"%s\"", seen->str, text);
		g_string_append_c(seen, byte);
	}
}

static void type(struct terminal *terminal, const char *keys)
{
	assert_int_equal(write(terminal->master, keys, strlen(keys)), strlen(keys));
}

static void assert_raw(struct terminal *terminal, bool raw)
{
	const tcflag_t cooked = ICANON | ECHO | ISIG | IEXTEN;
	struct termios modes;

	/* Linux gives the slave's modes at the master. */
	assert_int_equal(tcgetattr(terminal->master, &modes), 0);
	assert_int_equal(modes.c_lflag & cooked, raw ? 0 : cooked);
	assert_true(!(modes.c_iflag & ICRNL) == raw);
	assert_true(modes.c_oflag & OPOST);
}

/* `controlling`: it is the terminal of the child's session. */
static struct terminal start_with(bool controlling)
{
	struct rlimit no_core = { 0, 0 };
	struct terminal terminal;

	terminal.child = forkpty(&terminal.master, NULL, NULL, NULL);
	assert_true(terminal.child >= 0);
	if (!terminal.child) {
		setrlimit(RLIMIT_CORE, &no_core);
		/* cmocka and sanitizers have handlers of their own. */
		signal(SIGSEGV, SIG_DFL);
		signal(SIGABRT, SIG_DFL);
		if (!controlling) {
			signal(SIGHUP, SIG_IGN);
			ioctl(STDIN_FILENO, TIOCNOTTY);
		}
		echo_run();
		_exit(0);
	}
	expect(&terminal, "ready");
	assert_raw(&terminal, true);
	return terminal;
}

static struct terminal start(void)
{
	return start_with(true);
}

static int finish(struct terminal *terminal)
{
	int status;

	assert_int_equal(waitpid(terminal->child, &status, 0), terminal->child);
	assert_raw(terminal, false);
	close(terminal->master);
	return status;
}

static void test_terminal(void **state)
{
	struct terminal terminal = start();

	(void)state;
	type(&terminal, "hello\r\x03\x1a\x1c\x11\x13");
	expect(&terminal, "hello\r\x03\x1a\x1c\x11\x13");
	type(&terminal, "\x01\x61 \x01\x01");
	expect(&terminal, "\x01 \x01");
	type(&terminal, "\x01p");
	expect(&terminal, "POWER");
	type(&terminal, "\x01h");
	expect(&terminal, "Ctrl-A x");
	expect(&terminal, "this help\r\n");
	type(&terminal, "bye");
	expect(&terminal, "bye");
	type(&terminal, "\x01x");
	assert_int_equal(finish(&terminal), 0);
}

static void test_not_controlling(void **state)
{
	struct terminal terminal = start_with(false);

	(void)state;
	type(&terminal, "hello");
	expect(&terminal, "hello");
	type(&terminal, "\x01x");
	assert_int_equal(finish(&terminal), 0);
}

static void test_abort(void **state)
{
	struct terminal terminal = start();
	int status;

	(void)state;
	type(&terminal, "!");
	status = finish(&terminal);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static void test_segmentation_fault(void **state)
{
	struct terminal terminal = start();
	int status;

	(void)state;
	type(&terminal, "$");
	status = finish(&terminal);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

static void test_suspended(void **state)
{
	struct terminal terminal = start();

	(void)state;
	type(&terminal, "~");
	expect(&terminal, "suspended");
	assert_raw(&terminal, false);
	kill(terminal.child, SIGKILL);
	finish(&terminal);
}

/* ------------------------------------------------------------ without a terminal */

/* A guest with the UART's room, which it empties in a thread of its own. */
struct slow {
	uv_loop_t loop;
	uv_async_t all_read;
	struct console *console;
	struct console_guest guest;
	pthread_mutex_t lock;
	pthread_cond_t some;
	uint8_t uart[UART_ROOM];
	size_t count;
	GByteArray *got;
	size_t expected;
};

static size_t slow_input(void *opaque, const uint8_t *bytes, size_t count)
{
	struct slow *slow = opaque;
	size_t taken;

	pthread_mutex_lock(&slow->lock);
	taken = MIN(count, UART_ROOM - slow->count);
	memcpy(slow->uart + slow->count, bytes, taken);
	slow->count += taken;
	pthread_cond_signal(&slow->some);
	pthread_mutex_unlock(&slow->lock);
	return taken;
}

static void slow_drained(void *opaque)
{
	struct slow *slow = opaque;

	uv_stop(&slow->loop);
}

static void slow_all_read(uv_async_t *handle)
{
	struct slow *slow = handle->data;

	uv_close((uv_handle_t *)handle, NULL);
	console_drain(slow->console);
}

static void *slow_read(void *opaque)
{
	struct slow *slow = opaque;

	pthread_mutex_lock(&slow->lock);
	while (slow->got->len < slow->expected) {
		while (!slow->count)
			pthread_cond_wait(&slow->some, &slow->lock);
		g_byte_array_append(slow->got, slow->uart, 1);
		memmove(slow->uart, slow->uart + 1, --slow->count);
		if (slow->count == UART_ROOM - 1)
			console_room(slow->console);
	}
	pthread_mutex_unlock(&slow->lock);
	uv_async_send(&slow->all_read);
	return NULL;
}

/* `bytes` come from standard input, and each arrives, Ctrl-A x as well. */
static void check_input(int input, const GByteArray *bytes)
{
	const struct console_config config = { .kind = CONSOLE_STDIO };
	struct slow slow = { .guest = { slow_input, NULL, NULL, slow_drained, &slow } };
	int before = dup(STDIN_FILENO);
	pthread_t thread;

	dup2(input, STDIN_FILENO);
	close(input);
	slow.expected = bytes->len;
	slow.got = g_byte_array_new();
	pthread_mutex_init(&slow.lock, NULL);
	pthread_cond_init(&slow.some, NULL);
	uv_loop_init(&slow.loop);
	uv_async_init(&slow.loop, &slow.all_read, slow_all_read);
	slow.all_read.data = &slow;
	slow.console = console_new(&slow.loop, &config, &slow.guest, NULL);
	assert_non_null(slow.console);
	console_start(slow.console);
	pthread_create(&thread, NULL, slow_read, &slow);
	uv_run(&slow.loop, UV_RUN_DEFAULT);
	pthread_join(thread, NULL);
	console_free(slow.console);
	uv_run(&slow.loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&slow.loop), 0);
	assert_int_equal(slow.got->len, bytes->len);
	assert_memory_equal(slow.got->data, bytes->data, bytes->len);
	/* Its modes are its owner's. */
	assert_false(fcntl(STDIN_FILENO, F_GETFL) & O_NONBLOCK);
	g_byte_array_unref(slow.got);
	dup2(before, STDIN_FILENO);
	close(before);
}

static GByteArray *some_bytes(guint count)
{
	GByteArray *bytes = g_byte_array_new();

	g_byte_array_set_size(bytes, count);
	for (guint i = 0; i < count; i++)
		bytes->data[i] = i * 2654435761u >> 24;
	memcpy(bytes->data, "\x01x\x01\x01", MIN(count, 4));
	return bytes;
}

struct feeder {
	int fd;
	const GByteArray *bytes;
};

static void *feed(void *opaque)
{
	struct feeder *feeder = opaque;
	size_t at = 0;
	ssize_t count;

	while (at < feeder->bytes->len) {
		count = write(feeder->fd, feeder->bytes->data + at, feeder->bytes->len - at);
		if (count < 0)
			break;
		at += count;
	}
	close(feeder->fd);
	return NULL;
}

static void test_pipe(void **state)
{
	g_autoptr(GByteArray) bytes = some_bytes(100000);
	struct feeder feeder = { .bytes = bytes };
	pthread_t thread;
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	feeder.fd = ends[1];
	pthread_create(&thread, NULL, feed, &feeder);
	check_input(ends[0], bytes);
	pthread_join(thread, NULL);
}

static void test_file(void **state)
{
	g_autoptr(GByteArray) bytes = some_bytes(100000);
	int fd = memfd_create("input", 0);

	(void)state;
	assert_int_equal(write(fd, bytes->data, bytes->len), bytes->len);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	check_input(fd, bytes);
}

static void test_null(void **state)
{
	g_autoptr(GByteArray) bytes = g_byte_array_new();

	(void)state;
	check_input(open("/dev/null", O_RDONLY), bytes);
}

/* Output does not go into a file that has a disk's lock. */
static void test_output_in_use(void **state)
{
	const struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET };
	char path[] = "/tmp/mica-test-console-XXXXXX";
	const struct console_config config = { .kind = CONSOLE_FILE, .path = path };
	struct echo echo = { .guest = { echo_input, echo_key, NULL, echo_drained, &echo } };
	g_autoptr(GError) error = NULL;
	int disk = mkstemp(path);

	(void)state;
	assert_int_equal(fcntl(disk, F_OFD_SETLK, &lock), 0);
	uv_loop_init(&echo.loop);
	assert_null(console_new(&echo.loop, &config, &echo.guest, &error));
	assert_non_null(strstr(error->message, "is in use"));
	uv_run(&echo.loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&echo.loop), 0);
	close(disk);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_terminal),
		cmocka_unit_test(test_not_controlling),
		cmocka_unit_test(test_abort),
		cmocka_unit_test(test_segmentation_fault),
		cmocka_unit_test(test_suspended),
		cmocka_unit_test(test_pipe),
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_null),
		cmocka_unit_test(test_output_in_use),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
