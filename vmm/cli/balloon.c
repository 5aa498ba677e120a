// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>

#include "../error.h"
#include "../exit_status.h"
#include "../machine_balloon.h"
#include "../message.h"
#include "cli.h"
#include "guest_verb.h"

/* How long the guest may take to tell of its memory, and how old that may be. */
#define ATTEMPTS	20u
#define PAUSE_US	50000u
#define FRESH_MS	1000

static gboolean take_size(struct guest_words *words, const char *word, GError **error)
{
	uint64_t bytes;

	if (!cli_parse_size(word, &bytes, error))
		return FALSE;
	if (bytes < MACHINE_BALLOON_LOWEST)
		return error_set_usage(error, "'%s' is too little: a guest keeps 2M or more", word);
	if (bytes > INT64_MAX)
		return error_set_usage(error, "'%s' is too large", word);
	json_object_set_int_member(words->arguments, "target", bytes);
	return TRUE;
}

static const struct cli_option options[] = {
	{ "json", NULL, "the answer to the command `balloon` as it is, on one line",
	  guest_take_json },
};

static const struct guest_verb verb = {
	.name = "balloon",
	.about = "Asks the guest to keep SIZE of its memory and to give the rest to the host, or to take\n"
		 "it again; it takes its time, and may keep more.  Without SIZE: shows what it keeps,\n"
		 "and what it says of its memory.  The guest must have been started with --balloon.\n",
	.operands = "[SIZE]",
	.operand_max = 1,
	.take_operand = take_size,
	.options = options,
	.option_count = G_N_ELEMENTS(options),
};

static void print_member(JsonObject *object, const char *name, JsonNode *value, gpointer prefix)
{
	g_autofree char *text = NULL;
	gint64 number;

	(void)object;
	if (!JSON_NODE_HOLDS_VALUE(value) || !g_strcmp0(name, "age_ms"))
		return;
	number = json_node_get_int(value);
	if (g_str_has_suffix(name, "faults") || g_str_has_prefix(name, "hugetlb"))
		text = g_strdup_printf("%" G_GINT64_FORMAT, number);
	else
		text = guest_size_text(number);
	printf("%s%-20s %s\n", (const char *)prefix, name, text);
}

static void print(const struct guest_words *words, JsonObject *result)
{
	g_autoptr(JsonNode) node = NULL;
	g_autofree char *text = NULL;

	if (words->json) {
		node = json_node_init_object(json_node_alloc(), result);
		text = json_to_string(node, FALSE);
		printf("%s\n", text);
		return;
	}
	json_object_foreach_member(result, print_member, (gpointer)"");
	if (json_object_has_member(result, "guest"))
		json_object_foreach_member(json_object_get_object_member(result, "guest"),
					   print_member, (gpointer)"guest ");
}

static gboolean fresh(JsonObject *result)
{
	return !json_object_has_member(result, "guest") ||
	       guest_integer(json_object_get_object_member(result, "guest"), "age_ms") < FRESH_MS;
}

/* Each call has the guest asked anew; what it answers is in the result of a later one. */
static JsonObject *ask(const struct guest_words *words, struct control_client *client,
		       GError **error)
{
	JsonObject *result;

	result = control_client_call(client, "balloon", json_object_ref(words->arguments), error);
	if (json_object_get_size(words->arguments))
		return result;
	for (unsigned int i = 0; result && !fresh(result) && i < ATTEMPTS; i++) {
		json_object_unref(result);
		g_usleep(PAUSE_US);
		result = control_client_call(client, "balloon", NULL, error);
	}
	return result;
}

static int call(const struct guest_words *words)
{
	struct control_client *client = guest_words_open(words);
	g_autoptr(JsonObject) result = NULL;
	g_autoptr(GError) error = NULL;

	if (!client)
		return EXIT_STATUS_ERROR;
	result = ask(words, client, &error);
	if (!result)
		message("%s: %s", control_client_name(client), error->message);
	else if (words->json || !json_object_get_size(words->arguments))
		print(words, result);
	control_client_free(client);
	return result ? EXIT_STATUS_OK : EXIT_STATUS_ERROR;
}

int cli_balloon(int argc, char **argv)
{
	struct guest_words words;
	int status;

	if (guest_verb_parse(&verb, argc, argv, &words, &status))
		status = call(&words);
	guest_words_clear(&words);
	return status;
}
