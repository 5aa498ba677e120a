// SPDX-License-Identifier: GPL-2.0-or-later
#include "message.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

void message_text(const char *text)
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
