// SPDX-License-Identifier: GPL-2.0-or-later
#include "command.h"

#include <inttypes.h>
#include <stdint.h>
#include <string.h>

#include "../error.h"

struct entry {
	const struct control_command *command;
	void (*append)(JsonObject *stats, void *opaque);	/* instead of a command */
	void *opaque;
};

struct control_registry {
	GArray *entries;		/* of struct entry, in the order of their coming */
};

struct control_registry *control_registry_new(void)
{
	struct control_registry *registry = g_new0(struct control_registry, 1);

	registry->entries = g_array_new(FALSE, FALSE, sizeof(struct entry));
	return registry;
}

void control_registry_free(struct control_registry *registry)
{
	if (!registry)
		return;
	g_array_unref(registry->entries);
	g_free(registry);
}

static const struct entry *entry_at(const struct control_registry *registry, guint at)
{
	return &g_array_index(registry->entries, struct entry, at);
}

const struct control_command *control_registry_find(const struct control_registry *registry,
						    const char *name, void **opaque)
{
	const struct entry *entry;

	for (guint i = 0; i < registry->entries->len; i++) {
		entry = entry_at(registry, i);
		if (!entry->command || strcmp(entry->command->name, name))
			continue;
		if (opaque)
			*opaque = entry->opaque;
		return entry->command;
	}
	return NULL;
}

void control_registry_add(struct control_registry *registry,
			  const struct control_command *commands, size_t count, void *opaque)
{
	for (size_t i = 0; i < count; i++) {
		struct entry entry = { .command = &commands[i], .opaque = opaque };

		g_assert(!control_registry_find(registry, commands[i].name, NULL));
		g_array_append_val(registry->entries, entry);
	}
}

void control_registry_remove(struct control_registry *registry, const void *opaque)
{
	for (guint i = registry->entries->len; i > 0; i--)
		if (entry_at(registry, i - 1)->opaque == opaque)
			g_array_remove_index(registry->entries, i - 1);
}

void control_registry_add_stats(struct control_registry *registry,
				void (*append)(JsonObject *stats, void *opaque), void *opaque)
{
	struct entry entry = { .append = append, .opaque = opaque };

	g_array_append_val(registry->entries, entry);
}

void control_registry_append_stats(const struct control_registry *registry, JsonObject *stats)
{
	const struct entry *entry;

	for (guint i = 0; i < registry->entries->len; i++) {
		entry = entry_at(registry, i);
		if (entry->append)
			entry->append(stats, entry->opaque);
	}
}

/* ---------------------------------------------------------------- description */

static const char *const type_names[] = {
	[CONTROL_BOOLEAN] = "boolean",
	[CONTROL_INTEGER] = "integer",
	[CONTROL_STRING] = "string",
};

static JsonObject *describe_argument(const struct control_argument *argument)
{
	JsonObject *object = json_object_new();

	json_object_set_string_member(object, "name", argument->name);
	json_object_set_string_member(object, "type", type_names[argument->type]);
	json_object_set_boolean_member(object, "required", argument->required);
	if (argument->type != CONTROL_BOOLEAN) {
		json_object_set_int_member(object, "low", argument->low);
		json_object_set_int_member(object, "high", argument->high);
	}
	json_object_set_string_member(object, "help", argument->help);
	return object;
}

static JsonObject *describe_command(const struct control_command *command)
{
	JsonObject *object = json_object_new();
	JsonArray *arguments = json_array_new();

	for (size_t i = 0; i < command->argument_count; i++)
		json_array_add_object_element(arguments,
					      describe_argument(&command->arguments[i]));
	json_object_set_string_member(object, "name", command->name);
	json_object_set_string_member(object, "summary", command->summary);
	json_object_set_array_member(object, "arguments", arguments);
	return object;
}

JsonArray *control_registry_describe(const struct control_registry *registry)
{
	JsonArray *array = json_array_new();

	for (guint i = 0; i < registry->entries->len; i++)
		if (entry_at(registry, i)->command)
			json_array_add_object_element(array,
				describe_command(entry_at(registry, i)->command));
	return array;
}

/* ---------------------------------------------------------------- checks */

static gboolean check_boolean(const struct control_argument *argument, JsonNode *value,
			      GError **error)
{
	(void)argument;
	return json_node_get_value_type(value) == G_TYPE_BOOLEAN ||
	       error_set(error, "true or false is expected");
}

static gboolean check_integer(const struct control_argument *argument, JsonNode *value,
			      GError **error)
{
	gint64 number = 0;

	if (json_node_get_value_type(value) == G_TYPE_INT64) {
		number = json_node_get_int(value);
		if (number >= argument->low && number <= argument->high)
			return TRUE;
	}
	return error_set(error, "an integer from %" PRId64 " to %" PRId64 " is expected",
			 argument->low, argument->high);
}

static gboolean check_string(const struct control_argument *argument, JsonNode *value,
			     GError **error)
{
	gint64 length;

	if (json_node_get_value_type(value) == G_TYPE_STRING) {
		length = strlen(json_node_get_string(value));
		if (length >= argument->low && length <= argument->high)
			return TRUE;
	}
	return error_set(error, "a string of %" PRId64 " to %" PRId64 " bytes is expected",
			 argument->low, argument->high);
}

gboolean control_check_value(const struct control_argument *argument, JsonNode *value,
			     GError **error)
{
	static gboolean (*const checks[])(const struct control_argument *argument,
					  JsonNode *value, GError **error) = {
		[CONTROL_BOOLEAN] = check_boolean,
		[CONTROL_INTEGER] = check_integer,
		[CONTROL_STRING] = check_string,
	};

	return checks[argument->type](argument, value, error);
}

static const struct control_argument *find_argument(const struct control_command *command,
						    const char *name)
{
	for (size_t i = 0; i < command->argument_count; i++)
		if (!strcmp(command->arguments[i].name, name))
			return &command->arguments[i];
	return NULL;
}

gboolean control_takes_descriptors(const struct control_command *command)
{
	return find_argument(command, CONTROL_DESCRIPTORS) != NULL;
}

static gboolean check_member(const struct control_command *command, const char *name,
			     JsonNode *value, GError **error)
{
	const struct control_argument *argument = find_argument(command, name);

	if (!argument)
		return error_set(error, "'%s' has no such argument", command->name);
	return control_check_value(argument, value, error);
}

static gboolean fail_argument(const char *name, char **field)
{
	*field = g_strconcat("arguments.", name, NULL);
	return FALSE;
}

gboolean control_check_arguments(const struct control_command *command, JsonObject *arguments,
				 char **field, GError **error)
{
	g_autoptr(GList) names = json_object_get_members(arguments);
	const struct control_argument *argument;

	*field = NULL;
	for (GList *name = names; name; name = name->next)
		if (!check_member(command, name->data,
				  json_object_get_member(arguments, name->data), error))
			return fail_argument(name->data, field);
	for (size_t i = 0; i < command->argument_count; i++) {
		argument = &command->arguments[i];
		if (!argument->required || json_object_has_member(arguments, argument->name))
			continue;
		error_set(error, "it is missing");
		return fail_argument(argument->name, field);
	}
	return TRUE;
}
