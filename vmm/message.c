// SPDX-License-Identifier: GPL-2.0-or-later
#include "message.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

/* As standard error is, this is the whole process's. */
static atomic_bool to_syslog;

void message_to_syslog(void)
{
	openlog("mica", LOG_PID | LOG_NDELAY, LOG_USER);
	atomic_store(&to_syslog, true);
}

static void message_log(const char *text)
{
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

	for (unsigned int i = 0; lines[i]; i++)
		if (*lines[i])
			syslog(LOG_NOTICE, "%s", lines[i]);
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
	if (atomic_load(&to_syslog))
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
