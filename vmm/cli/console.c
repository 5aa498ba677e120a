// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * `mica console`: the terminal, or whatever standard input and output are, at one end, a
 * guest's console socket at the other.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../console_escape.h"
#include "../console_tty.h"
#include "../exit_status.h"
#include "../message.h"
#include "cli.h"
#include "guest_verb.h"

#define PENDING_SIZE	4096u
#define READ_SIZE	4096u
#define FOREGROUND_MS	500

static gboolean take_backlog(void *target, const char *value, GError **error)
{
	return guest_take_argument(target, "backlog", value, error);
}

static const struct cli_option options[] = {
	{ "backlog", "BYTES", "how much of what the guest has printed comes first (65536)",
	  take_backlog },
};

static const struct guest_verb verb = {
	.name = "console",
	.about = "Attaches to the console of a guest that was started with --console socket, which is\n"
		 "what --detach does.  Ctrl-A x leaves, and the guest goes on; Ctrl-A h lists all keys.\n"
		 "If standard input is no terminal all of it goes to the guest, and its end does not\n"
		 "end this; the guest's end does.\n",
	.options = options,
	.option_count = G_N_ELEMENTS(options),
};

static const char help[] =
	"\r\n"
	"Ctrl-A x  leave: the guest goes on\r\n"
	"Ctrl-A p  press the guest's power button\r\n"
	"Ctrl-A a  send Ctrl-A to the guest\r\n"
	"Ctrl-A h  this help\r\n";

struct attached {
	const struct guest_words *words;
	int fd;
	bool tty;			/* standard input is a terminal */
	bool raw;			/* and we have it */
	bool input_ended;
	bool leave;
	struct console_escape escape;
	char pending[PENDING_SIZE];	/* for the guest */
	size_t pending_count;
	int status;
};

static volatile sig_atomic_t signalled;
static volatile sig_atomic_t resized;

static void note_signal(int number)
{
	if (number == SIGWINCH)
		resized = true;
	else if (number != SIGCONT || !signalled)
		signalled = number;
}

/* They come during ppoll() only, so that none is missed.  What was ignored stays so. */
static void watch_signals(sigset_t *before)
{
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGCONT, SIGWINCH };
	struct sigaction action = { .sa_handler = note_signal };
	struct sigaction old;
	sigset_t set;

	sigemptyset(&set);
	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < G_N_ELEMENTS(numbers); i++) {
		if (sigaction(numbers[i], NULL, &old) || old.sa_handler == SIG_IGN)
			continue;
		sigaddset(&set, numbers[i]);
		sigaction(numbers[i], &action, NULL);
	}
	sigprocmask(SIG_BLOCK, &set, before);
}

/* ---------------------------------------------------------------- keys */

/* The socket of this connection is the console's by now: another one carries the command. */
static void press_power(const struct attached *attached)
{
	struct control_client *client = guest_words_open(attached->words);
	g_autoptr(GError) error = NULL;
	JsonObject *result;

	if (!client)
		return;
	result = control_client_call(client, "stop", NULL, &error);
	if (!result)
		message("%s", error->message);
	g_clear_pointer(&result, json_object_unref);
	control_client_free(client);
}

/* A guest whose console is a serial port refuses, and does not need it. */
static void tell_size(const struct attached *attached)
{
	g_autofree char *path = guest_words_path(attached->words, NULL);
	struct control_client *client;
	JsonObject *arguments, *result;
	struct winsize size;

	if (!path || ioctl(STDIN_FILENO, TIOCGWINSZ, &size) < 0 || !size.ws_col || !size.ws_row)
		return;
	client = control_client_open(path, NULL);
	if (!client)
		return;			/* it ends: reading will tell */
	arguments = json_object_new();
	json_object_set_int_member(arguments, "columns", size.ws_col);
	json_object_set_int_member(arguments, "rows", size.ws_row);
	result = control_client_call(client, "console-size", arguments, NULL);
	g_clear_pointer(&result, json_object_unref);
	control_client_free(client);
}

static void take_key(struct attached *attached, enum console_key key, uint8_t byte)
{
	switch (key) {
	case CONSOLE_KEY_GUEST:
		if (attached->pending_count < PENDING_SIZE)
			attached->pending[attached->pending_count++] = byte;
		break;
	case CONSOLE_KEY_LEAVE:
		attached->leave = true;
		break;
	case CONSOLE_KEY_POWER:
		press_power(attached);
		break;
	case CONSOLE_KEY_HELP:
		message_text(help);
		break;
	case CONSOLE_KEY_NOTHING:
		break;
	}
}

static void take_input(struct attached *attached)
{
	size_t room = PENDING_SIZE - attached->pending_count;
	uint8_t bytes[PENDING_SIZE];
	enum console_key key;
	ssize_t count;

	count = read(STDIN_FILENO, bytes, attached->tty ? sizeof(bytes) : room);
	if (count < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	/* A terminal in raw mode may have nothing after all. */
	if (count < 0 || (count == 0 && !attached->tty))
		attached->input_ended = true;
	for (ssize_t i = 0; i < count; i++) {
		key = CONSOLE_KEY_GUEST;
		if (attached->tty)
			key = console_escape_take(&attached->escape, &bytes[i]);
		take_key(attached, key, bytes[i]);
	}
}

/* ---------------------------------------------------------------- the guest */

static void send_pending(struct attached *attached)
{
	ssize_t count = send(attached->fd, attached->pending, attached->pending_count,
			     MSG_DONTWAIT | MSG_NOSIGNAL);

	if (count < 0 && errno != EAGAIN && errno != EINTR) {
		attached->pending_count = 0;	/* it is gone, as reading will tell */
		attached->input_ended = true;
	}
	if (count <= 0)
		return;
	attached->pending_count -= count;
	memmove(attached->pending, attached->pending + count, attached->pending_count);
}

static void print(struct attached *attached, const char *bytes, size_t count)
{
	ssize_t written;

	while (count) {
		written = write(STDOUT_FILENO, bytes, count);
		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0) {
			message("cannot write to standard output: %s", g_strerror(errno));
			attached->status = EXIT_STATUS_ERROR;
			attached->leave = true;
			return;
		}
		bytes += written;
		count -= written;
	}
}

static void take_output(struct attached *attached)
{
	char bytes[READ_SIZE];
	ssize_t count = recv(attached->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

	if (count > 0) {
		print(attached, bytes, count);
	} else if (count == 0 || (errno != EAGAIN && errno != EINTR)) {
		message("the guest has closed its console");
		attached->leave = true;
	}
}

/* ---------------------------------------------------------------- waiting */

static void take_terminal(struct attached *attached)
{
	if (attached->tty)
		attached->raw = console_tty_enter(STDIN_FILENO);
}

/* A terminal is always read, because of the keys; what does not fit is dropped. */
static bool wants_input(const struct attached *attached)
{
	if (attached->input_ended)
		return false;
	return attached->tty ? attached->raw : attached->pending_count < PENDING_SIZE;
}

static void wait_once(struct attached *attached, const sigset_t *mask)
{
	/* Shells do not tell a background job that it was given the terminal. */
	const struct timespec again = { .tv_nsec = FOREGROUND_MS * 1000000 };
	bool background = attached->tty && !attached->raw;
	struct pollfd fds[] = {
		{ .fd = wants_input(attached) ? STDIN_FILENO : -1, .events = POLLIN },
		{ .fd = attached->fd, .events = POLLIN },
	};

	if (attached->pending_count)
		fds[1].events |= POLLOUT;
	if (ppoll(fds, G_N_ELEMENTS(fds), background ? &again : NULL, mask) <= 0) {
		if (background || signalled == SIGCONT)
			take_terminal(attached);
		return;
	}
	if (fds[0].revents)
		take_input(attached);
	if (attached->pending_count)
		send_pending(attached);
	if (fds[1].revents & ~POLLOUT)
		take_output(attached);
}

static int attach(struct control_client *client, const struct guest_words *words)
{
	g_autoptr(GBytes) ahead = NULL;
	struct attached attached = {
		.words = words, .tty = isatty(STDIN_FILENO), .status = EXIT_STATUS_OK,
	};
	sigset_t before;

	attached.fd = control_client_raw(client, &ahead);
	watch_signals(&before);
	take_terminal(&attached);
	print(&attached, g_bytes_get_data(ahead, NULL), g_bytes_get_size(ahead));
	resized = attached.tty;
	while (!attached.leave && (!signalled || signalled == SIGCONT)) {
		signalled = 0;
		if (resized) {
			resized = false;
			tell_size(&attached);
		}
		wait_once(&attached, &before);
	}
	console_tty_leave();
	sigprocmask(SIG_SETMASK, &before, NULL);
	return signalled && signalled != SIGCONT ? cli_die_of(signalled) : attached.status;
}

static int console(const struct guest_words *words)
{
	struct control_client *client = guest_words_open(words);
	g_autoptr(JsonObject) result = NULL;
	g_autoptr(GError) error = NULL;
	int status = EXIT_STATUS_ERROR;

	if (!client)
		return status;
	result = control_client_call(client, "console", json_object_ref(words->arguments), &error);
	if (result)
		status = attach(client, words);
	else
		message("%s: %s", control_client_name(client), error->message);
	control_client_free(client);
	return status;
}

int cli_console(int argc, char **argv)
{
	struct guest_words words;
	int status;

	if (guest_verb_parse(&verb, argc, argv, &words, &status))
		status = console(&words);
	guest_words_clear(&words);
	return status;
}
