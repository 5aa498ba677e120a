// SPDX-License-Identifier: GPL-2.0-or-later
/* What is one line of JSON, and what is not. */
#include "control_test.h"

#include "../../../vmm/control/json_check.h"

static void test_good(void **state)
{
	static const char *const good[] = {
		"{}", " { } \t", "{\"a\":1}", "{\"a\":-0}", "{\"a\":0.5e-10}", "{\"a\":1E+2}",
		"{\"a\":[]}", "{\"a\":[1,\"b\",null,true,false,{}]}", "{\"a\":{\"b\":{\"c\":{}}}}",
		"{\"\":\"\"}", "{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\"}",
		"{\"a\":\"\\ud83d\\ude00\"}", "{\"a\":\"\xc3\xa9\"}", "{\"a\":999999999999999999}",
		"{\"a\":[[[[[[[]]]]]]]}",
	};
	GError *error = NULL;

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(good); i++)
		if (!json_check(good[i], strlen(good[i]), &error))
			fail_msg("%s: %s", good[i], error->message);
}

static void test_bad(void **state)
{
	static const struct {
		const char *text;
		const char *message;
	} bad[] = {
		{ "", "an object is missing at byte 0" },
		{ "[]", "an object is missing at byte 0" },
		{ "1", "an object is missing" },
		{ "{", "a string is missing at byte 1" },
		{ "{}x", "something follows the object at byte 2" },
		{ "{}{}", "something follows" },
		{ "{\"a\"}", "a ':' is missing at byte 4" },
		{ "{\"a\":}", "a value is missing at byte 5" },
		{ "{\"a\":1,}", "a string is missing" },
		{ "{\"a\":[1,]}", "a value is missing" },
		{ "{\"a\":[1 2]}", "closing bracket is missing" },
		{ "{\"a\":[1}", "closing bracket is missing" },
		{ "{a:1}", "a string is missing" },
		{ "{'a':1}", "a string is missing" },
		{ "{\"a\":1/**/}", "closing bracket is missing" },
		{ "{\"a\":tru}", "a value is missing" },
		{ "{\"a\":truefalse}", "closing bracket is missing" },
		{ "{\"a\":NaN}", "a value is missing" },
		{ "{\"a\":+1}", "a value is missing" },
		{ "{\"a\":-}", "a bad number" },
		{ "{\"a\":010}", "a bad number" },
		{ "{\"a\":0x10}", "closing bracket is missing" },
		{ "{\"a\":1.}", "a bad number" },
		{ "{\"a\":.5}", "a value is missing" },
		{ "{\"a\":1e}", "a bad number" },
		{ "{\"a\":1000000000000000000}", "too many digits" },
		{ "{\"a\":\"b}", "a string without an end" },
		{ "{\"a\":\"\n\"}", "a control character" },
		{ "{\"a\":\"\\x\"}", "a bad escape" },
		{ "{\"a\":\"\\u12g4\"}", "a bad escape" },
		{ "{\"a\":\"\\u0000\"}", "a bad escape" },
		{ "{\"a\":\"\\ud83d\"}", "half a surrogate pair" },
		{ "{\"a\":\"\\ud83d\\u0041\"}", "half a surrogate pair" },
		{ "{\"a\":\"\\ude00\"}", "a bad escape" },
		{ "{\"a\":\"\\", "a bad escape" },
		{ "{\"a\":\"\xff\"}", "no valid UTF-8" },
		{ "{\"a\":[[[[[[[[]]]]]]]]}", "too deeply nested" },
	};
	GError *error = NULL;

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
		if (json_check(bad[i].text, strlen(bad[i].text), &error))
			fail_msg("%s was taken", bad[i].text);
		assert_error_says(&error, bad[i].message);
	}
}

/* NUL ends a C string, but not a line. */
static void test_nul(void **state)
{
	GError *error = NULL;

	(void)state;
	assert_false(json_check("{\"a\":\"\0\"}", 9, &error));
	assert_error_says(&error, "no valid UTF-8");
	assert_false(json_check("{}\0", 3, &error));
	assert_error_says(&error, "no valid UTF-8");
}

/* Nothing behind the end is looked at. */
static void test_length(void **state)
{
	const char *text = "{\"a\":[1,2,\"b\\u00e9\"]} x";
	GError *error = NULL;

	(void)state;
	for (size_t length = 0; length < strlen("{\"a\":[1,2,\"b\\u00e9\"]}"); length++) {
		g_autofree char *exact = g_memdup2(text, length ? length : 1);

		assert_false(json_check(exact, length, &error));
		g_clear_error(&error);
	}
	assert_true(json_check(text, strlen(text) - 1, &error));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_nul),
		cmocka_unit_test(test_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
