// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>

#include "../exit_status.h"
#include "cli.h"
#include "guest_list.h"
#include "guest_verb.h"

static const struct cli_option options[] = {
	{ "json", NULL, "an array of objects, as the command `status` gives them", guest_take_json },
};

static const struct guest_verb verb = {
	.name = "ps",
	.about = "Lists the guests that this user may control.\n",
	.options = options,
	.option_count = G_N_ELEMENTS(options),
	.all = TRUE,
};

static void print_row(JsonObject *status)
{
	g_autofree char *memory = guest_size_text(guest_integer(status, "memory"));
	g_autofree char *uptime = guest_time_text(guest_integer(status, "uptime_ms"));

	printf("%-20s %8d %-9s %4d %7s %8s\n", guest_string(status, "name"),
	       (int)guest_integer(status, "pid"), guest_string(status, "state"),
	       (int)guest_integer(status, "cpus"), memory, uptime);
}

static void print_json(JsonArray *array)
{
	g_autoptr(JsonNode) node = json_node_init_array(json_node_alloc(), array);
	g_autofree char *text = json_to_string(node, FALSE);

	printf("%s\n", text);
}

int cli_ps(int argc, char **argv)
{
	g_autoptr(JsonArray) guests = NULL;
	struct guest_words words;
	int status;

	if (!guest_verb_parse(&verb, argc, argv, &words, &status)) {
		guest_words_clear(&words);
		return status;
	}
	guests = guest_list(FALSE);
	if (words.json) {
		print_json(guests);
	} else {
		printf("%-20s %8s %-9s %4s %7s %8s\n", "NAME", "PID", "STATE", "CPUS", "MEMORY",
		       "UPTIME");
		for (guint i = 0; i < json_array_get_length(guests); i++)
			print_row(json_array_get_object_element(guests, i));
	}
	guest_words_clear(&words);
	return EXIT_STATUS_OK;
}
