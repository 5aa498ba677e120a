// SPDX-License-Identifier: GPL-2.0-or-later
/* Requests as they are taken or refused, and the lines that are sent. */
#include "control_test.h"

#include <unistd.h>

#include "../../../vmm/control/protocol.h"

static void assert_refused(const char *line, gint64 id, const char *field, const char *message)
{
	struct control_request request;
	GError *error = NULL;
	char *found = NULL;

	if (control_request_parse(line, strlen(line), &request, &found, &error))
		fail_msg("%s was taken", line);
	assert_error_says(&error, message);
	if (g_strcmp0(found, field))
		fail_msg("%s: field %s instead of %s", line, found, field);
	assert_int_equal(request.has_id, id >= 0);
	if (id >= 0)
		assert_int_equal(request.id, id);
	g_free(found);
	control_request_clear(&request);
}

static void test_requests(void **state)
{
	const char *line = "{\"id\":7,\"command\":\"pause\",\"arguments\":{\"a\":1}}";
	struct control_request request;
	char *field = NULL;

	(void)state;
	assert_true(control_request_parse(line, strlen(line), &request, &field, NULL));
	assert_int_equal(request.id, 7);
	assert_string_equal(request.command, "pause");
	assert_int_equal(json_object_get_int_member(request.arguments, "a"), 1);
	control_request_clear(&request);

	line = "{\"command\":\"pause\",\"id\":9007199254740991}";
	assert_true(control_request_parse(line, strlen(line), &request, &field, NULL));
	assert_int_equal(request.id, 9007199254740991);
	assert_int_equal(json_object_get_size(request.arguments), 0);
	control_request_clear(&request);
	assert_null(field);
}

static void test_refusals(void **state)
{
	g_autofree char *longest = g_strnfill(65, 'x');
	g_autofree char *line = g_strdup_printf("{\"id\":1,\"command\":\"%s\"}", longest);

	(void)state;
	assert_refused("", -1, NULL, "not JSON");
	assert_refused("pause", -1, NULL, "not JSON");
	assert_refused("{}", -1, "id", "it is missing");
	assert_refused("{\"id\":-1,\"command\":\"a\"}", -1, "id", "an integer from 0");
	assert_refused("{\"id\":1.0,\"command\":\"a\"}", -1, "id", "an integer from 0");
	assert_refused("{\"id\":\"1\",\"command\":\"a\"}", -1, "id", "an integer from 0");
	assert_refused("{\"id\":null,\"command\":\"a\"}", -1, "id", "an integer from 0");
	assert_refused("{\"id\":[1],\"command\":\"a\"}", -1, "id", "an integer from 0");
	assert_refused("{\"id\":9007199254740992,\"command\":\"a\"}", -1, "id", "an integer from 0");
	assert_refused("{\"id\":1}", 1, "command", "it is missing");
	assert_refused("{\"id\":1,\"command\":2}", 1, "command", "the name of a command");
	assert_refused("{\"id\":1,\"command\":\"\"}", 1, "command", "the name of a command");
	assert_refused("{\"id\":1,\"command\":{}}", 1, "command", "the name of a command");
	assert_refused(line, 1, "command", "the name of a command");
	assert_refused("{\"id\":1,\"command\":\"a\",\"arguments\":[]}", 1, "arguments",
		       "an object is expected");
	assert_refused("{\"id\":1,\"command\":\"a\",\"arguments\":null}", 1, "arguments",
		       "an object is expected");
	assert_refused("{\"id\":1,\"command\":\"a\",\"argument\":{}}", 1, "argument",
		       "nothing else");
}

static void assert_line(char *line, const char *expected)
{
	assert_string_equal(line, expected);
	g_free(line);
}

static void test_lines(void **state)
{
	const struct control_request request = { .id = 3, .has_id = true };
	JsonObject *object = json_object_new();
	g_autofree char *greeting = g_strdup_printf("{\"mica\":{\"protocol\":1,\"version\":\"%s\","
						    "\"name\":\"web\",\"pid\":%d}}\n",
						    MICA_VERSION, getpid());

	(void)state;
	json_object_set_string_member(object, "text", "two\nlines");
	assert_line(control_greeting("web"), greeting);
	assert_line(control_answer(3, json_object_ref(object)),
		    "{\"id\":3,\"result\":{\"text\":\"two\\nlines\"}}\n");
	assert_line(control_event("ended", object),
		    "{\"event\":\"ended\",\"data\":{\"text\":\"two\\nlines\"}}\n");
	assert_line(control_failure(&request, "arguments.a", "no"),
		    "{\"id\":3,\"error\":{\"message\":\"no\",\"field\":\"arguments.a\"}}\n");
	assert_line(control_failure(NULL, NULL, "no"), "{\"id\":null,\"error\":{\"message\":\"no\"}}\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
