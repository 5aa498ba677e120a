// SPDX-License-Identifier: GPL-2.0-or-later
#include "core_test.h"

#include "../../../vmm/console_escape.h"

/* What typing `keys` does, as a string: guest's bytes as they are (Ctrl-A as '^'), L leave,
 * P power button, H help; keys that are swallowed leave nothing. */
static void assert_typed(const char *keys, const char *expected)
{
	static const char marks[] = {
		[CONSOLE_KEY_LEAVE] = 'L', [CONSOLE_KEY_POWER] = 'P', [CONSOLE_KEY_HELP] = 'H',
	};
	struct console_escape escape = { 0 };
	g_autoptr(GString) done = g_string_new(NULL);
	enum console_key key;
	uint8_t byte;

	for (; *keys; keys++) {
		byte = *keys;
		key = console_escape_take(&escape, &byte);
		if (key == CONSOLE_KEY_GUEST)
			g_string_append_c(done, byte == 1 ? '^' : byte);
		else if (key != CONSOLE_KEY_NOTHING)
			g_string_append_c(done, marks[key]);
	}
	assert_string_equal(done->str, expected);
}

static void test_passes(void **state)
{
	(void)state;
	assert_typed("uname -a\r", "uname -a\r");
	assert_typed("xph\x02\x03\x1a\x1c?", "xph\x02\x03\x1a\x1c?");
}

static void test_commands(void **state)
{
	(void)state;
	assert_typed("\x01x", "L");
	assert_typed("\x01p", "P");
	assert_typed("\x01h", "H");
	assert_typed("\x01?", "H");
	assert_typed("a\x01xb", "aLb");
}

static void test_literal(void **state)
{
	(void)state;
	assert_typed("\x01\x61", "^");
	assert_typed("\x01\x01", "^");
	/* The second Ctrl-A is not the first of a new pair. */
	assert_typed("\x01\x01x", "^x");
	assert_typed("\x01\x01\x01x", "^L");
}

static void test_unknown(void **state)
{
	(void)state;
	assert_typed("\x01qx", "x");
	assert_typed("\x01X", "");
	assert_typed("\x01", "");
}

static void test_help_names_all(void **state)
{
	(void)state;
	assert_non_null(strstr(console_escape_help, "Ctrl-A x"));
	assert_non_null(strstr(console_escape_help, "Ctrl-A p"));
	assert_non_null(strstr(console_escape_help, "Ctrl-A a"));
	assert_non_null(strstr(console_escape_help, "Ctrl-A h"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_passes),
		cmocka_unit_test(test_commands),
		cmocka_unit_test(test_literal),
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_help_names_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
