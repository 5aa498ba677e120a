// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * jsonget PATH: prints the values that JSONPath PATH names in the line of JSON on standard
 * input, each on a line.  Status 1 if there is none, 2 if the input is not JSON.
 */
#include <json-glib/json-glib.h>
#include <stdio.h>

static int print_values(JsonArray *values)
{
	for (guint i = 0; i < json_array_get_length(values); i++) {
		JsonNode *node = json_array_get_element(values, i);
		g_autofree char *text = json_to_string(node, FALSE);

		printf("%s\n", text);
	}
	return json_array_get_length(values) ? 0 : 1;
}

int main(int argc, char **argv)
{
	g_autoptr(JsonParser) parser = json_parser_new();
	g_autoptr(GError) error = NULL;
	g_autoptr(JsonNode) found = NULL;
	static char text[1 << 20];
	size_t length = fread(text, 1, sizeof(text), stdin);

	if (argc != 2 || !json_parser_load_from_data(parser, text, length, &error)) {
		fprintf(stderr, "jsonget: %s\n", error ? error->message : "one path");
		return 2;
	}
	found = json_path_query(argv[1], json_parser_get_root(parser), &error);
	if (!found) {
		fprintf(stderr, "jsonget: %s\n", error->message);
		return 2;
	}
	return print_values(json_node_get_array(found));
}
