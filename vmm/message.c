// SPDX-License-Identifier: GPL-2.0-or-later
#include "message.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#define LOG_SOCKET	"/dev/log"

/*
 * As standard error is, this is the whole process's.  syslog(3) is not used: when the daemon
 * was started anew it makes another socket, which confinement forbids, and a signal's
 * handler may not call it.
 */
static struct {
	int fd;				/* of a datagram socket, not connected */
	char head[32];			/* RFC 3164, 4.1: priority and tag, without a time */
	atomic_bool on;
} logging = { .fd = -1 };

void message_prepare_syslog(void)
{
	if (logging.fd < 0)
		logging.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	g_snprintf(logging.head, sizeof(logging.head), "<%d>mica[%d]: ", LOG_USER | LOG_NOTICE,
		   (int)getpid());
}

void message_to_syslog(void)
{
	message_prepare_syslog();
	if (logging.fd >= 0)
		atomic_store(&logging.on, true);
}

/* Async-signal-safe. */
static void message_log_line(const char *text, size_t length)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = LOG_SOCKET };
	struct iovec parts[] = {
		{ logging.head, strlen(logging.head) }, { (void *)text, length },
	};
	const struct msghdr message = {
		.msg_name = &address, .msg_namelen = sizeof(address),
		.msg_iov = parts, .msg_iovlen = 2,
	};

	while (sendmsg(logging.fd, &message, MSG_NOSIGNAL) < 0 && errno == EINTR)
		;
}

static void message_log(const char *text)
{
	size_t length;

	for (; *text; text += length + (text[length] == '\n')) {
		length = strcspn(text, "\n");
		if (length)
			message_log_line(text, length);
	}
}

static void message_print(const char *text)
{
	size_t left = strlen(text);
	ssize_t written;

	while (left > 0) {
		written = write(STDERR_FILENO, text, left);
		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return;		/* nobody is left to be told */
		text += written;
		left -= written;
	}
}

void message_text(const char *text)
{
	if (atomic_load(&logging.on))
		message_log(text);
	else
		message_print(text);
}

void message(const char *format, ...)
{
	g_autoptr(GString) line = g_string_new("mica: ");
	va_list args;

	va_start(args, format);
	g_string_append_vprintf(line, format, args);
	va_end(args);
	g_string_append_c(line, '\n');
	message_text(line->str);
}
