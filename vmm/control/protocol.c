// SPDX-License-Identifier: GPL-2.0-or-later
#include "protocol.h"

#include <string.h>
#include <unistd.h>

#include "../error.h"
#include "json_check.h"

#define COMMAND_LENGTH_MAX	64

JsonObject *control_parse_object(const char *line, size_t length, GError **error)
{
	g_autoptr(JsonParser) parser = NULL;
	JsonNode *root;

	if (!json_check(line, length, error))
		return NULL;
	parser = json_parser_new();
	if (!json_parser_load_from_data(parser, line, length, error))
		return NULL;
	root = json_parser_get_root(parser);
	if (!root || !JSON_NODE_HOLDS_OBJECT(root)) {
		error_set(error, "not JSON: an object is missing");
		return NULL;
	}
	return json_object_ref(json_node_get_object(root));
}

static gboolean take_id(struct control_request *request, JsonNode *node, GError **error)
{
	if (JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_INT64) {
		request->id = json_node_get_int(node);
		request->has_id = request->id >= 0 && request->id <= CONTROL_ID_MAX;
	}
	return request->has_id || error_set(error, "an integer from 0 to 2^53 - 1 is expected");
}

static gboolean take_command(struct control_request *request, JsonNode *node, GError **error)
{
	const char *command = NULL;

	if (JSON_NODE_HOLDS_VALUE(node))
		command = json_node_get_string(node);
	if (!command || !*command || strlen(command) > COMMAND_LENGTH_MAX)
		return error_set(error, "the name of a command is expected");
	request->command = g_strdup(command);
	return TRUE;
}

static gboolean take_arguments(struct control_request *request, JsonNode *node, GError **error)
{
	if (!JSON_NODE_HOLDS_OBJECT(node))
		return error_set(error, "an object is expected");
	request->arguments = json_object_ref(json_node_get_object(node));
	return TRUE;
}

static const struct {
	const char *name;
	bool required;
	gboolean (*take)(struct control_request *request, JsonNode *node, GError **error);
} members[] = {
	{ "id", true, take_id },
	{ "command", true, take_command },
	{ "arguments", false, take_arguments },
};

static gboolean refuse_unknown(JsonObject *object, char **field, GError **error)
{
	g_autoptr(GList) names = json_object_get_members(object);
	bool known;

	for (GList *name = names; name; name = name->next) {
		known = false;
		for (size_t i = 0; i < G_N_ELEMENTS(members); i++)
			known = known || !strcmp(name->data, members[i].name);
		if (known)
			continue;
		*field = g_strdup(name->data);
		return error_set(error, "a request has id, command and arguments, nothing else");
	}
	return TRUE;
}

/* The id first, so that whatever else is wrong is answered by it. */
gboolean control_request_parse(const char *line, size_t length, struct control_request *request,
			       char **field, GError **error)
{
	g_autoptr(JsonObject) object = NULL;
	JsonNode *node;
	gboolean good;

	*request = (struct control_request){ 0 };
	*field = NULL;
	object = control_parse_object(line, length, error);
	if (!object)
		return FALSE;
	for (size_t i = 0; i < G_N_ELEMENTS(members); i++) {
		node = json_object_get_member(object, members[i].name);
		if (!node && !members[i].required)
			continue;
		good = node ? members[i].take(request, node, error)
			    : error_set(error, "it is missing");
		if (good)
			continue;
		*field = g_strdup(members[i].name);
		return FALSE;
	}
	if (!request->arguments)
		request->arguments = json_object_new();
	return refuse_unknown(object, field, error);
}

void control_request_clear(struct control_request *request)
{
	g_clear_pointer(&request->command, g_free);
	g_clear_pointer(&request->arguments, json_object_unref);
}

/* ---------------------------------------------------------------- lines that we send */

char *control_line(JsonObject *object)
{
	g_autoptr(JsonNode) node = json_node_alloc();
	g_autofree char *text = NULL;

	json_node_init_object(node, object);
	text = json_to_string(node, FALSE);
	return g_strconcat(text, "\n", NULL);
}

char *control_greeting(const char *name)
{
	g_autoptr(JsonObject) line = json_object_new();
	JsonObject *mica = json_object_new();

	json_object_set_int_member(mica, "protocol", CONTROL_PROTOCOL);
	json_object_set_string_member(mica, "version", MICA_VERSION);
	json_object_set_string_member(mica, "name", name);
	json_object_set_int_member(mica, "pid", getpid());
	json_object_set_object_member(line, "mica", mica);
	return control_line(line);
}

char *control_answer(gint64 id, JsonObject *result)
{
	g_autoptr(JsonObject) line = json_object_new();

	json_object_set_int_member(line, "id", id);
	json_object_set_object_member(line, "result", result);
	return control_line(line);
}

char *control_failure(const struct control_request *request, const char *field,
		      const char *message)
{
	g_autoptr(JsonObject) line = json_object_new();
	JsonObject *error = json_object_new();

	if (request && request->has_id)
		json_object_set_int_member(line, "id", request->id);
	else
		json_object_set_null_member(line, "id");
	json_object_set_string_member(error, "message", message);
	if (field)
		json_object_set_string_member(error, "field", field);
	json_object_set_object_member(line, "error", error);
	return control_line(line);
}

char *control_event(const char *event, JsonObject *data)
{
	g_autoptr(JsonObject) line = json_object_new();

	json_object_set_string_member(line, "event", event);
	json_object_set_object_member(line, "data", data);
	return control_line(line);
}
