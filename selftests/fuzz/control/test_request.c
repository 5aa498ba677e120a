// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Damaged requests.  Whatever the line, it is either a request whose parts can be used, or
 * refused in one line of valid UTF-8 that the other side can parse.  Built with a libFuzzer
 * (-DFUZZER, -fsanitize=fuzzer) this looks for such lines by itself.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../../vmm/control/command.h"
#include "../../../vmm/control/json_check.h"
#include "../../../vmm/control/protocol.h"

#define CHANGES_MAX	6

static const struct control_argument arguments[] = {
	{ .name = "path", .type = CONTROL_STRING, .required = TRUE, .low = 1, .high = 8 },
	{ .name = "size", .type = CONTROL_INTEGER, .low = -2, .high = 500 },
	{ .name = "ro", .type = CONTROL_BOOLEAN },
	{ .name = "descriptors", .type = CONTROL_INTEGER, .low = 1, .high = 1 },
	{ .name = "id", .type = CONTROL_STRING, .low = 1, .high = 32 },
	{ .name = "force", .type = CONTROL_BOOLEAN },
	{ .name = "timeout", .type = CONTROL_INTEGER, .low = 10, .high = 600 },
};

static const struct control_command command = {
	.name = "attach", .arguments = arguments, .argument_count = G_N_ELEMENTS(arguments),
};

static void check(gboolean good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "%s\n", what);
	abort();
}

/* What we say to a client is JSON by our own rules, on one line. */
static void check_reply(const struct control_request *request, const char *field,
			const GError *error)
{
	g_autofree char *line = NULL;
	size_t length;

	check(error && *error->message && !strchr(error->message, '\n'), "an error in one line");
	line = control_failure(request, field, error->message);
	length = strlen(line);
	check(line[length - 1] == '\n' && !memchr(line, '\n', length - 1), "one line");
	check(json_check(line, length - 1, NULL), "a reply that is JSON");
}

static void check_arguments(struct control_request *request)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *field = NULL;

	if (!control_check_arguments(&command, request->arguments, &field, &error)) {
		check(field && g_str_has_prefix(field, "arguments."), "a field");
		check_reply(request, field, error);
		return;
	}
	check(strlen(json_object_get_string_member(request->arguments, "path")) - 1 < 8, "path");
	check(json_object_get_int_member_with_default(request->arguments, "size", 0) + 2 <= 502,
	      "size");
}

/* Returns whether it is a request. */
static gboolean take(const uint8_t *data, size_t size)
{
	g_autofree char *line = g_memdup2(data, size ? size : 1);	/* ends where it ends */
	g_autoptr(GError) error = NULL;
	g_autofree char *field = NULL;
	struct control_request request;
	gboolean good;

	good = control_request_parse(line, size, &request, &field, &error);
	if (good) {
		check(request.has_id && request.id >= 0 && request.id <= CONTROL_ID_MAX, "an id");
		check(request.command && *request.command, "a command");
		check_arguments(&request);
	} else {
		check_reply(&request, field, error);
	}
	control_request_clear(&request);
	return good;
}

#ifdef FUZZER
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	take(data, size);
	return 0;
}
#else
static const char *const seeds[] = {
	"{\"id\":1,\"command\":\"attach\",\"arguments\":{\"path\":\"a\",\"size\":12,\"ro\":true}}",
	"{\"id\":2,\"command\":\"attach-disk\",\"arguments\":{\"path\":\"d.img\",\"descriptors\":1,"
	"\"id\":\"data\",\"size\":500}}",
	"{\"id\":3,\"command\":\"detach\",\"arguments\":{\"path\":\"disk0\",\"force\":true,\"timeout\":30}}",
	"{\"id\":9007199254740991,\"command\":\"status\"}",
	"{ \"arguments\" : { \"path\" : \"\\u00e9\\ud83d\\ude00\" } , \"command\" : \"a\", \"id\" : 0 }",
	"{\"id\":1,\"command\":\"x\",\"arguments\":{\"a\":[[1,2.5e3,-0],{\"b\":null}],\"c\":false}}",
};

static const char tokens[] = "{}[]:,\"\\/0123456789-+.eEutrfalsn \t\r\x7f\x80\xc3\xa9\xff";

static uint64_t iterations = 60000;
static uint64_t seed = 1;

/* Marsaglia, "Xorshift RNGs". */
static uint64_t below(uint64_t *state, uint64_t limit)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state % limit;
}

static void change(uint64_t *state, GByteArray *bytes)
{
	size_t at = bytes->len ? below(state, bytes->len) : 0;
	bool token = below(state, 8);
	uint8_t byte = token ? (uint64_t)tokens[below(state, sizeof(tokens))] : below(state, 256);

	switch (below(state, 4)) {
	case 0:
		if (bytes->len)
			bytes->data[at] = byte;
		break;
	case 1:
		if (bytes->len)
			g_byte_array_remove_range(bytes, at, 1 + below(state, MIN(bytes->len - at, 9)));
		break;
	case 2:
		g_byte_array_append(bytes, &byte, 1);
		if (bytes->len > 1)
			memmove(bytes->data + at + 1, bytes->data + at, bytes->len - 1 - at);
		bytes->data[at] = byte;
		break;
	case 3:
		g_byte_array_set_size(bytes, at);
		break;
	}
}

static void test_changes(void **unused)
{
	uint64_t state = seed * 0x9e3779b97f4a7c15ull | 1;
	uint64_t good = 0;

	(void)unused;
	for (uint64_t i = 0; i < iterations; i++) {
		const char *text = seeds[i % G_N_ELEMENTS(seeds)];
		g_autoptr(GByteArray) bytes = g_byte_array_new();

		g_byte_array_append(bytes, (const uint8_t *)text, strlen(text));
		for (uint64_t n = below(&state, CHANGES_MAX); n; n--)
			change(&state, bytes);
		good += take(bytes->data, bytes->len);
	}
	print_message("seed %" G_GUINT64_FORMAT ": %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT
		      " were requests\n", seed, good, iterations);
	/* Both must come up, or the changes do not reach anything. */
	if (iterations >= 1000)
		assert_in_range(good, iterations / 10, iterations - iterations / 10);
}

/* Long lines of one kind of bracket, of digits, of escapes: the time and the stack they take. */
static void test_deep(void **unused)
{
	static const char *const parts[] = { "[", "{\"\":", "1", "\\", "\"", "{", ",", "\\ud800" };
	static const char *const starts[] = { "", "{\"a\":", "{\"a\":\"" };

	(void)unused;
	for (size_t i = 0; i < G_N_ELEMENTS(parts); i++) {
		for (size_t k = 0; k < G_N_ELEMENTS(starts); k++) {
			g_autoptr(GString) text = g_string_new(starts[k]);

			while (text->len < CONTROL_LINE_MAX)
				g_string_append(text, parts[i]);
			assert_false(take((const uint8_t *)text->str, text->len));
		}
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_deep),
	};

	if (argc > 1)
		iterations = strtoull(argv[1], NULL, 0);
	if (argc > 2)
		seed = strtoull(argv[2], NULL, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif
