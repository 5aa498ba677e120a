// SPDX-License-Identifier: GPL-2.0-or-later
/* The registry of commands, and arguments against their description. */
#include "control_test.h"

#include "../../../vmm/control/command.h"

static const struct control_argument arguments[] = {
	{ .name = "path", .type = CONTROL_STRING, .required = TRUE, .low = 1, .high = 8,
	  .help = "which" },
	{ .name = "size", .type = CONTROL_INTEGER, .low = -2, .high = 5, .help = "how large" },
	{ .name = "ro", .type = CONTROL_BOOLEAN, .help = "not to be written" },
};

static const struct control_command commands[] = {
	{ .name = "attach", .summary = "a disk", .arguments = arguments,
	  .argument_count = G_N_ELEMENTS(arguments) },
	{ .name = "other", .summary = "nothing" },
};

static void check(const char *text, const char *field, const char *message)
{
	g_autoptr(JsonNode) node = json_from_string(text, NULL);
	GError *error = NULL;
	char *found = NULL;
	gboolean good;

	assert_non_null(node);
	good = control_check_arguments(&commands[0], json_node_get_object(node), &found, &error);
	assert_int_equal(good, !message);
	if (message)
		assert_error_says(&error, message);
	if (g_strcmp0(found, field))
		fail_msg("%s: field %s instead of %s", text, found, field);
	g_free(found);
}

static void test_arguments(void **state)
{
	(void)state;
	check("{\"path\":\"a\"}", NULL, NULL);
	check("{\"path\":\"12345678\",\"size\":-2,\"ro\":true}", NULL, NULL);
	check("{\"path\":\"a\",\"size\":5,\"ro\":false}", NULL, NULL);
	check("{}", "arguments.path", "it is missing");
	check("{\"path\":\"\"}", "arguments.path", "a string of 1 to 8 bytes");
	check("{\"path\":\"123456789\"}", "arguments.path", "a string of 1 to 8 bytes");
	check("{\"path\":1}", "arguments.path", "a string of 1 to 8 bytes");
	check("{\"path\":null}", "arguments.path", "a string of 1 to 8 bytes");
	check("{\"path\":\"a\",\"size\":6}", "arguments.size", "an integer from -2 to 5");
	check("{\"path\":\"a\",\"size\":-3}", "arguments.size", "an integer from -2 to 5");
	check("{\"path\":\"a\",\"size\":1.5}", "arguments.size", "an integer from -2 to 5");
	check("{\"path\":\"a\",\"size\":\"1\"}", "arguments.size", "an integer from -2 to 5");
	check("{\"path\":\"a\",\"ro\":1}", "arguments.ro", "true or false");
	check("{\"path\":\"a\",\"ro\":{}}", "arguments.ro", "true or false");
	check("{\"path\":\"a\",\"rw\":true}", "arguments.rw", "'attach' has no such argument");
}

static void append_first(JsonObject *stats, void *opaque)
{
	json_object_set_string_member(stats, "first", opaque);
}

static void append_second(JsonObject *stats, void *opaque)
{
	json_object_set_string_member(stats, "second", opaque);
}

static void test_registry(void **state)
{
	struct control_registry *registry = control_registry_new();
	g_autoptr(JsonObject) stats = json_object_new();
	g_autoptr(JsonObject) fewer = json_object_new();
	char *one = (char *)"one", *two = (char *)"two";
	void *opaque = NULL;

	(void)state;
	control_registry_add(registry, &commands[0], 1, one);
	control_registry_add(registry, &commands[1], 1, two);
	control_registry_add_stats(registry, append_first, one);
	control_registry_add_stats(registry, append_second, two);
	assert_ptr_equal(control_registry_find(registry, "other", &opaque), &commands[1]);
	assert_ptr_equal(opaque, two);
	assert_ptr_equal(control_registry_find(registry, "attach", &opaque), &commands[0]);
	assert_ptr_equal(opaque, one);
	assert_null(control_registry_find(registry, "att", NULL));
	control_registry_append_stats(registry, stats);
	assert_string_equal(json_object_get_string_member(stats, "first"), "one");
	assert_string_equal(json_object_get_string_member(stats, "second"), "two");
	control_registry_remove(registry, one);
	assert_null(control_registry_find(registry, "attach", NULL));
	assert_non_null(control_registry_find(registry, "other", NULL));
	control_registry_append_stats(registry, fewer);
	assert_false(json_object_has_member(fewer, "first"));
	assert_true(json_object_has_member(fewer, "second"));
	control_registry_free(registry);
}

static void test_description(void **state)
{
	struct control_registry *registry = control_registry_new();
	g_autoptr(JsonNode) node = json_node_alloc();
	g_autofree char *text = NULL;

	(void)state;
	control_registry_add(registry, commands, G_N_ELEMENTS(commands), NULL);
	json_node_init_array(node, control_registry_describe(registry));
	json_array_unref(json_node_get_array(node));
	text = json_to_string(node, FALSE);
	assert_string_equal(text,
		"[{\"name\":\"attach\",\"summary\":\"a disk\",\"arguments\":["
		"{\"name\":\"path\",\"type\":\"string\",\"required\":true,\"low\":1,\"high\":8,"
		"\"help\":\"which\"},"
		"{\"name\":\"size\",\"type\":\"integer\",\"required\":false,\"low\":-2,\"high\":5,"
		"\"help\":\"how large\"},"
		"{\"name\":\"ro\",\"type\":\"boolean\",\"required\":false,"
		"\"help\":\"not to be written\"}]},"
		"{\"name\":\"other\",\"summary\":\"nothing\",\"arguments\":[]}]");
	control_registry_free(registry);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arguments),
		cmocka_unit_test(test_registry),
		cmocka_unit_test(test_description),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
