// SPDX-License-Identifier: GPL-2.0-or-later
#include "console_escape.h"

#include <stddef.h>

static const struct {
	uint8_t byte;
	enum console_key key;
} second_keys[] = {
	{ 'x', CONSOLE_KEY_LEAVE },
	{ 'p', CONSOLE_KEY_POWER },
	{ 'h', CONSOLE_KEY_HELP },
	{ '?', CONSOLE_KEY_HELP },
	{ 'a', CONSOLE_KEY_GUEST },
	{ CONSOLE_ESCAPE_KEY, CONSOLE_KEY_GUEST },
};

const char console_escape_help[] =
	"\n"
	"Ctrl-A x  leave: the guest ends at once\n"
	"Ctrl-A p  press the guest's power button\n"
	"Ctrl-A a  send Ctrl-A to the guest\n"
	"Ctrl-A h  this help\n";

enum console_key console_escape_take(struct console_escape *escape, uint8_t *byte)
{
	if (!escape->armed) {
		escape->armed = *byte == CONSOLE_ESCAPE_KEY;
		return escape->armed ? CONSOLE_KEY_NOTHING : CONSOLE_KEY_GUEST;
	}
	escape->armed = false;
	for (size_t i = 0; i < sizeof(second_keys) / sizeof(second_keys[0]); i++) {
		if (*byte != second_keys[i].byte)
			continue;
		*byte = CONSOLE_ESCAPE_KEY;
		return second_keys[i].key;
	}
	return CONSOLE_KEY_NOTHING;
}
