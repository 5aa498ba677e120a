// SPDX-License-Identifier: GPL-2.0-or-later
#include <inttypes.h>
#include <stdio.h>

#include "../exit_status.h"
#include "../message.h"
#include "cli.h"
#include "guest_verb.h"

static const struct cli_option options[] = {
	{ "json", NULL, "the answer to the command `stats` as it is, on one line", guest_take_json },
};

static const struct guest_verb verb = {
	.name = "stats",
	.about = "Shows what the module has counted for each virtual CPU since the guest was started,\n"
		 "above all its exits by reason, and what memory the guest has touched.  Counters that\n"
		 "are 0 are left out.\n",
	.options = options,
	.option_count = G_N_ELEMENTS(options),
};

static void print_member(JsonObject *object, const char *name, JsonNode *value, gpointer where)
{
	(void)object;
	if (JSON_NODE_HOLDS_VALUE(value) && json_node_get_int(value))
		printf("%s %-24s %" PRId64 "\n", (const char *)where, name,
		       json_node_get_int(value));
}

static void print_vcpu(JsonArray *array, guint index, JsonNode *node, gpointer unused)
{
	JsonObject *vcpu = json_node_get_object(node);
	g_autofree char *where = g_strdup_printf("vcpu%" PRId64, guest_integer(vcpu, "id"));

	(void)array;
	(void)index;
	(void)unused;
	printf("%s %-24s %" PRId64 "\n", where, "cpu_ms", guest_integer(vcpu, "cpu_ms"));
	json_object_foreach_member(json_object_get_object_member(vcpu, "counters"), print_member,
				   where);
}

/* Parts that devices have added are printed as they are. */
static void print_part(JsonObject *object, const char *name, JsonNode *value, gpointer unused)
{
	g_autofree char *text = NULL;

	(void)object;
	(void)unused;
	if (!g_strcmp0(name, "vcpus")) {
		json_array_foreach_element(json_node_get_array(value), print_vcpu, NULL);
	} else if (!g_strcmp0(name, "memory")) {
		json_object_foreach_member(json_node_get_object(value), print_member,
					   (gpointer)"memory");
	} else {
		text = json_to_string(value, FALSE);
		printf("%s %s\n", name, text);
	}
}

static int print(const struct guest_words *words, JsonObject *stats)
{
	g_autoptr(JsonNode) node = NULL;
	g_autofree char *text = NULL;

	if (!words->json) {
		json_object_foreach_member(stats, print_part, NULL);
		return EXIT_STATUS_OK;
	}
	node = json_node_init_object(json_node_alloc(), stats);
	text = json_to_string(node, FALSE);
	printf("%s\n", text);
	return EXIT_STATUS_OK;
}

static int show(const struct guest_words *words)
{
	struct control_client *client = guest_words_open(words);
	g_autoptr(JsonObject) stats = NULL;
	g_autoptr(GError) error = NULL;
	int status = EXIT_STATUS_ERROR;

	if (!client)
		return status;
	stats = control_client_call(client, "stats", NULL, &error);
	if (stats)
		status = print(words, stats);
	else
		message("%s: %s", control_client_name(client), error->message);
	control_client_free(client);
	return status;
}

int cli_stats(int argc, char **argv)
{
	struct guest_words words;
	int status;

	if (guest_verb_parse(&verb, argc, argv, &words, &status))
		status = show(&words);
	guest_words_clear(&words);
	return status;
}
