// SPDX-License-Identifier: GPL-2.0-or-later
#include "console.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>
#include <uv.h>

#include "console_output.h"
#include "console_tty.h"
#include "error.h"
#include "kept.h"
#include "message.h"

#define PENDING_SIZE	4096u
#define READ_SIZE	256u
#define PTY_MASTER	"/dev/ptmx"	/* pts(4) */
#define FOREGROUND_MS	500

/*
 * How a descriptor is waited for.  libuv makes what it polls non-blocking, and with standard
 * input that would happen to the shell's terminal as well; so it polls an epoll descriptor of
 * ours, and that polls the input.
 */
enum console_input {
	INPUT_NONE,
	INPUT_FILE,		/* always readable, epoll refuses it */
	INPUT_STREAM,		/* a pipe or socket: waited for once, whenever there is room */
	INPUT_TTY,		/* a terminal: waited for always */
	INPUT_PTY,		/* our master: edges only, its hang-up lasts for ever */
};

struct console {
	uv_async_t async;	/* from other threads: the UART has room, or output is drained */
	uv_timer_t foreground;	/* looks whether a background job was brought to the front */
	uv_poll_t poll;
	bool polls;
	unsigned int handles;	/* how many of the three are open */
	int epoll_fd;
	int input_fd;
	int output_fd;		/* -1: not ours to close */
	int link_fd;		/* what console_take_link() gives; -1: nothing */
	enum console_input input;
	const struct console_guest *guest;
	struct console_output *output;
	struct console_escape escape;
	char *pty_path;
	bool started;
	atomic_bool starved;	/* the UART had no room; set before it is asked, so that its
				 * answer and console_room() cannot miss each other */
	atomic_bool drained;
	atomic_bool output_room;
	uint8_t pending[PENDING_SIZE];
	size_t pending_count;
};

static void console_stop_input(struct console *console)
{
	console->input = INPUT_NONE;
	if (console->epoll_fd >= 0)
		epoll_ctl(console->epoll_fd, EPOLL_CTL_DEL, console->input_fd, NULL);
}

/* Gives the guest what it takes. */
static void console_feed(struct console *console)
{
	size_t taken;

	while (console->pending_count) {
		atomic_store(&console->starved, true);
		taken = console->guest->input(console->guest->opaque, console->pending,
					      console->pending_count);
		console->pending_count -= taken;
		memmove(console->pending, console->pending + taken, console->pending_count);
		if (!taken)
			return;
	}
	atomic_store(&console->starved, false);
}

static void console_key(struct console *console, enum console_key key, uint8_t byte)
{
	switch (key) {
	case CONSOLE_KEY_GUEST:
		if (console->pending_count < PENDING_SIZE)
			console->pending[console->pending_count++] = byte;
		break;
	case CONSOLE_KEY_HELP:
		message_text(console_escape_help);
		break;
	case CONSOLE_KEY_LEAVE:
	case CONSOLE_KEY_POWER:
		console->guest->key(console->guest->opaque, key);
		break;
	case CONSOLE_KEY_NOTHING:
		break;
	}
}

static void console_take(struct console *console, const uint8_t *bytes, size_t count)
{
	enum console_key key;
	uint8_t byte;

	for (size_t i = 0; i < count; i++) {
		byte = bytes[i];
		key = CONSOLE_KEY_GUEST;
		if (console->input == INPUT_TTY)
			key = console_escape_take(&console->escape, &byte);
		console_key(console, key, byte);
	}
}

/* Reads once.  True if there may be more at once. */
static bool console_read(struct console *console)
{
	uint8_t bytes[READ_SIZE];
	size_t room = PENDING_SIZE - console->pending_count;
	size_t limit = console->input == INPUT_TTY ? READ_SIZE : MIN(READ_SIZE, room);
	ssize_t count;

	if (console->input == INPUT_NONE || !limit)
		return false;
	count = read(console->input_fd, bytes, limit);
	if (count > 0) {
		console_take(console, bytes, count);
		return console->input == INPUT_FILE || console->input == INPUT_PTY;
	}
	/* A pseudo-terminal that nobody has open says EIO: somebody may open it again.  A
	 * terminal in raw mode may have nothing after all. */
	if (console->input == INPUT_PTY || (console->input == INPUT_TTY && count == 0))
		return false;
	if (count < 0 && (errno == EINTR || errno == EAGAIN))
		return false;
	console_stop_input(console);
	return false;
}

static void console_arm(struct console *console)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLONESHOT };

	if (console->input == INPUT_TTY ||
	    (console->input == INPUT_STREAM && console->pending_count < PENDING_SIZE))
		epoll_ctl(console->epoll_fd, EPOLL_CTL_MOD, console->input_fd, &event);
}

/* Moves bytes from a descriptor that is always readable, or that gives EAGAIN. */
static void console_pump(struct console *console)
{
	console_feed(console);
	if (!console->started || (console->input != INPUT_FILE && console->input != INPUT_PTY))
		return;
	while (console->pending_count < PENDING_SIZE && console_read(console))
		console_feed(console);
	console_feed(console);
}

static void console_readable(uv_poll_t *handle, int status, int events)
{
	struct console *console = handle->data;
	struct epoll_event event;

	(void)events;
	if (status < 0 || epoll_wait(console->epoll_fd, &event, 1, 0) != 1)
		return;
	if (!console->started)
		return;			/* in the background: reading would stop us */
	if (console->input == INPUT_PTY) {
		console_pump(console);
		return;
	}
	console_read(console);
	if (console->input == INPUT_TTY && (event.events & EPOLLHUP))
		console_stop_input(console);
	console_feed(console);
	console_arm(console);
}

static void console_wake(uv_async_t *handle)
{
	struct console *console = handle->data;

	if (atomic_exchange(&console->output_room, false) && console->guest->room)
		console->guest->room(console->guest->opaque);
	if (atomic_exchange(&console->drained, false))
		console->guest->drained(console->guest->opaque);
	console_pump(console);
	if (console->started)
		console_arm(console);
}

static void console_drained(void *opaque)
{
	struct console *console = opaque;

	atomic_store(&console->drained, true);
	uv_async_send(&console->async);
}

static void console_output_has_room(void *opaque)
{
	struct console *console = opaque;

	atomic_store(&console->output_room, true);
	uv_async_send(&console->async);
}

static gboolean console_open_stdio(struct console *console)
{
	console->input_fd = STDIN_FILENO;
	console->input = isatty(STDIN_FILENO) ? INPUT_TTY : INPUT_STREAM;
	console_tty_prepare();
	return TRUE;
}

static gboolean console_open_file(struct console *console, const char *path, GError **error)
{
	const int flags = O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY;
	struct stat st;

	console->output_fd = kept_open(path, flags | O_NONBLOCK, 0666);
	/* fifo(7): that is how one without a reader says so. */
	if (console->output_fd < 0 && errno == ENXIO && !stat(path, &st) && S_ISFIFO(st.st_mode)) {
		message("the console's file '%s' is a pipe: waiting for somebody to read it", path);
		console->output_fd = kept_open(path, flags, 0666);
	}
	if (console->output_fd < 0)
		return error_set_errno(error, errno, "cannot write the console's file '%s'", path);
	if (!kept_claim(console->output_fd))
		return error_set(error, "the console's file '%s' is in use: a disk, a console or a port "
				 "of this guest or another has it open", path);
	return TRUE;
}

/* Without the slave's echo and line editing, which would come before any program can
 * switch them off.  Opened and closed once, it is known to have no reader. */
static gboolean console_prepare_slave(int master, const char *path, GError **error)
{
	struct termios modes;
	int slave = -1;

	if (grantpt(master) == 0 && unlockpt(master) == 0)
		slave = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0 || tcgetattr(slave, &modes) < 0)
		return error_set_errno(error, errno, "cannot open the pseudo-terminal %s", path);
	cfmakeraw(&modes);
	tcsetattr(slave, TCSANOW, &modes);
	close(slave);
	return TRUE;
}

/* The next life of the guest gets the same one, with whoever has it open. */
static gboolean console_open_pty(struct console *console, GError **error)
{
	const bool again = kept_has(PTY_MASTER);
	char path[64];

	console->input_fd = kept_open(PTY_MASTER, O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK, 0);
	console->output_fd = console->input_fd;
	console->input = INPUT_PTY;
	if (console->input_fd < 0 || ptsname_r(console->input_fd, path, sizeof(path)) != 0)
		return error_set_errno(error, errno, "cannot make a pseudo-terminal");
	if (!again && !console_prepare_slave(console->input_fd, path, error))
		return FALSE;
	console->pty_path = g_strdup(path);
	return TRUE;
}

static gboolean console_open_socket(struct console *console, GError **error)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
		return error_set_errno(error, errno, "cannot make the console's socket");
	console->input_fd = ends[0];
	console->output_fd = ends[0];
	console->link_fd = ends[1];
	console->input = INPUT_STREAM;
	return TRUE;
}

static gboolean console_open(struct console *console, const struct console_config *config,
			     GError **error)
{
	switch (config->kind) {
	case CONSOLE_STDIO:
		return console_open_stdio(console);
	case CONSOLE_PTY:
		return console_open_pty(console, error);
	case CONSOLE_FILE:
		return console_open_file(console, config->path, error);
	case CONSOLE_SOCKET:
		return console_open_socket(console, error);
	}
	g_assert_not_reached();
}

/* Waits for nothing yet: console_start() does. */
static gboolean console_watch_input(struct console *console, struct uv_loop_s *loop, GError **error)
{
	struct epoll_event event = {
		.events = console->input == INPUT_PTY ? EPOLLIN | EPOLLET : EPOLLONESHOT,
	};

	if (console->input == INPUT_NONE)
		return TRUE;
	console->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (console->epoll_fd < 0)
		return error_set_errno(error, errno, "cannot watch the console's input");
	if (epoll_ctl(console->epoll_fd, EPOLL_CTL_ADD, console->input_fd, &event) < 0) {
		if (errno != EPERM)
			return error_set_errno(error, errno, "cannot watch the console's input");
		console->input = INPUT_FILE;
		return TRUE;
	}
	if (uv_poll_init(loop, &console->poll, console->epoll_fd) < 0)
		return error_set(error, "cannot watch the console's input");
	console->poll.data = console;
	console->polls = true;
	console->handles++;
	return TRUE;
}

static gboolean console_init(struct console *console, struct uv_loop_s *loop,
			     const struct console_config *config, GError **error)
{
	int fd;

	if (!console_open(console, config, error) || !console_watch_input(console, loop, error))
		return FALSE;
	fd = console->output_fd >= 0 ? console->output_fd : STDOUT_FILENO;
	console->output = console_output_new(fd, config->kind == CONSOLE_PTY, console_drained,
					     console_output_has_room, console, error);
	return console->output != NULL;
}

struct console *console_new(struct uv_loop_s *loop, const struct console_config *config,
			    const struct console_guest *guest, GError **error)
{
	struct console *console = g_new0(struct console, 1);

	console->guest = guest;
	console->epoll_fd = -1;
	console->input_fd = -1;
	console->output_fd = -1;
	console->link_fd = -1;
	if (uv_async_init(loop, &console->async, console_wake) < 0) {
		error_set(error, "cannot make the console's wake-up");
		g_free(console);
		return NULL;
	}
	console->async.data = console;
	uv_timer_init(loop, &console->foreground);
	console->foreground.data = console;
	console->handles = 2;
	if (!console_init(console, loop, config, error)) {
		console_free(console);
		return NULL;
	}
	return console;
}

static void console_closed(uv_handle_t *handle)
{
	struct console *console = handle->data;

	if (--console->handles)
		return;
	if (console->epoll_fd >= 0)
		close(console->epoll_fd);
	if (console->output_fd >= 0)
		close(console->output_fd);
	if (console->link_fd >= 0)
		close(console->link_fd);
	g_free(console->pty_path);
	g_free(console);
}

void console_free(struct console *console)
{
	if (!console)
		return;
	console_tty_leave();
	console_output_free(console->output);
	if (console->polls)
		uv_close((uv_handle_t *)&console->poll, console_closed);
	uv_close((uv_handle_t *)&console->foreground, console_closed);
	uv_close((uv_handle_t *)&console->async, console_closed);
}

const char *console_pty_path(const struct console *console)
{
	return console->pty_path;
}

bool console_size(const struct console *console, uint16_t *columns, uint16_t *rows)
{
	struct winsize size;

	if (console->input != INPUT_TTY || ioctl(console->input_fd, TIOCGWINSZ, &size) < 0 ||
	    !size.ws_col || !size.ws_row)
		return false;
	*columns = size.ws_col;
	*rows = size.ws_row;
	return true;
}

/* Shells do not tell a job that runs when they give it the terminal. */
static void console_look_again(uv_timer_t *timer)
{
	console_start(timer->data);
}

/* Of a pipe or a device there is nothing to empty. */
void console_empty_file(struct console *console)
{
	struct stat st;

	if (console->output_fd >= 0 && !fstat(console->output_fd, &st) && S_ISREG(st.st_mode) &&
	    ftruncate(console->output_fd, 0) < 0)
		message("cannot empty the console's file: %s", strerror(errno));
}

void console_start(struct console *console)
{
	uv_timer_stop(&console->foreground);
	console->started = console->input != INPUT_TTY || console_tty_enter(console->input_fd);
	if (console->polls)
		uv_poll_start(&console->poll, UV_READABLE, console_readable);
	if (!console->started) {
		uv_timer_start(&console->foreground, console_look_again, FOREGROUND_MS, 0);
		return;
	}
	console_pump(console);
	console_arm(console);
}

bool console_put(struct console *console, const uint8_t *bytes, size_t count)
{
	return console_output_put(console->output, bytes, count);
}

void console_wait(struct console *console)
{
	console_output_wait(console->output);
}

void console_room(struct console *console)
{
	if (atomic_load(&console->starved))
		uv_async_send(&console->async);
}

void console_release(struct console *console)
{
	console_output_release(console->output);
}

void console_hold(struct console *console)
{
	console_output_hold(console->output);
}

int console_take_link(struct console *console)
{
	int fd = console->link_fd;

	console->link_fd = -1;
	return fd;
}

void console_drain(struct console *console)
{
	console_stop_input(console);
	uv_timer_stop(&console->foreground);
	console->pending_count = 0;
	console_output_drain(console->output);
}

void console_suspend(struct console *console)
{
	if (console->input == INPUT_TTY)
		console_tty_leave();
	console->started = false;
}

void console_resume(struct console *console)
{
	console_start(console);
}
