// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest_verb.h"

#include <stdio.h>
#include <string.h>

#include "../control/endpoint.h"
#include "../control/guest_commands.h"
#include "../error.h"
#include "../exit_status.h"
#include "../message.h"
#include "cli.h"

#define SECONDS_MAX	86400u

static gboolean take_control(void *target, const char *value, GError **error)
{
	struct guest_words *words = target;

	if (!*value)
		return error_set_usage(error, "the file's name is empty");
	g_free(words->control);
	words->control = g_strdup(value);
	return TRUE;
}

static const struct cli_option common_options[] = {
	{ "control", "PATH", "the guest's control socket, instead of NAME", take_control },
};

gboolean guest_take_json(void *target, const char *value, GError **error)
{
	struct guest_words *words = target;

	(void)value;
	(void)error;
	words->json = TRUE;
	return TRUE;
}

gboolean guest_take_seconds(void *target, const char *value, GError **error)
{
	struct guest_words *words = target;

	return cli_parse_number(value, 1, SECONDS_MAX, &words->seconds, error);
}

static const struct control_argument *find_argument(const struct control_command *command,
						    const char *name)
{
	for (size_t i = 0; i < command->argument_count; i++)
		if (!strcmp(command->arguments[i].name, name))
			return &command->arguments[i];
	return NULL;
}

gboolean guest_take_argument(struct guest_words *words, const char *name, const char *value,
			     GError **error)
{
	const struct control_argument *argument;
	g_autoptr(JsonNode) node = NULL;
	g_autoptr(GError) why = NULL;
	gint64 number;

	argument = find_argument(guest_command_find(words->verb->name), name);
	if (argument->type == CONTROL_INTEGER && g_ascii_string_to_signed(value, 10,
			argument->low, argument->high, &number, NULL))
		node = json_node_init_int(json_node_alloc(), number);
	else
		node = json_node_init_string(json_node_alloc(), value);
	if (!control_check_value(argument, node, &why))
		return error_set_usage(error, "'%s': %s", value, why->message);
	json_object_set_member(words->arguments, name, g_steal_pointer(&node));
	return TRUE;
}

/* ---------------------------------------------------------------- the command line */

static gboolean take_word(void *target, const char *word, GError **error)
{
	struct guest_words *words = target;

	if (words->verb->all)
		return error_set_usage(error, "'%s' is not an option", word);
	g_ptr_array_add(words->operands, g_strdup(word));
	return TRUE;
}

/* The first word is the guest's name, unless --control says where it is. */
static gboolean take_name(struct guest_words *words, GError **error)
{
	GPtrArray *operands = words->operands;

	if (words->control)
		return TRUE;
	if (!operands->len)
		return error_set_usage(error, "which guest? `mica ps` lists them");
	words->name = g_ptr_array_steal_index(operands, 0);
	if (!*words->name || strchr(words->name, '/'))
		return error_set_usage(error, "'%s' is not the name of a guest", words->name);
	return TRUE;
}

static gboolean check_operands(const struct guest_words *words, GError **error)
{
	const struct guest_verb *verb = words->verb;
	unsigned int count = words->operands->len;

	if (count >= verb->operand_min && count <= verb->operand_max)
		return TRUE;
	if (verb->operands)
		return error_set_usage(error, "too %s words: mica %s NAME %s",
				       count < verb->operand_min ? "few" : "many", verb->name,
				       verb->operands);
	if (words->control)
		return error_set_usage(error, "NAME and --control are two ways to name a guest: "
				       "one is enough");
	return error_set_usage(error, "one guest at a time: '%s' and '%s'", words->name,
			       (const char *)g_ptr_array_index(words->operands, 0));
}

static gboolean take_operands(struct guest_words *words, GError **error)
{
	for (guint i = 0; words->verb->take_operand && i < words->operands->len; i++)
		if (!words->verb->take_operand(words, g_ptr_array_index(words->operands, i), error))
			return FALSE;
	return TRUE;
}

static GArray *options_of(const struct guest_verb *verb)
{
	GArray *options = g_array_new(FALSE, FALSE, sizeof(struct cli_option));

	if (!verb->all)
		g_array_append_vals(options, common_options, G_N_ELEMENTS(common_options));
	if (verb->option_count)
		g_array_append_vals(options, verb->options, verb->option_count);
	return options;
}

static int print_help(const struct guest_verb *verb, const GArray *options)
{
	g_autoptr(GString) text = g_string_new("Usage: mica ");

	g_string_append_printf(text, "%s%s%s%s%s\n\n%s", verb->name, verb->all ? "" : " NAME",
			       verb->operands ? " " : "", verb->operands ? verb->operands : "",
			       options->len ? " [OPTION]..." : "", verb->about);
	if (options->len)
		g_string_append_c(text, '\n');
	cli_append_options(text, (const struct cli_option *)(const void *)options->data,
			   options->len);
	return fputs(text->str, stdout) < 0 ? EXIT_STATUS_ERROR : EXIT_STATUS_OK;
}

static gboolean parse(struct guest_words *words, const GArray *options, int argc, char **argv,
		      GError **error)
{
	if (!cli_parse_operands((const struct cli_option *)(const void *)options->data,
				options->len, argc, argv, words, take_word, error))
		return FALSE;
	return words->verb->all || (take_name(words, error) && check_operands(words, error) &&
				    take_operands(words, error));
}

gboolean guest_verb_parse(const struct guest_verb *verb, int argc, char **argv,
			  struct guest_words *words, int *status)
{
	g_autoptr(GArray) options = options_of(verb);
	g_autoptr(GError) error = NULL;

	*words = (struct guest_words){
		.verb = verb, .arguments = json_object_new(),
		.operands = g_ptr_array_new_with_free_func(g_free),
	};
	if (cli_wants_help(argc, argv)) {
		*status = print_help(verb, options);
		return FALSE;
	}
	if (parse(words, options, argc, argv, &error))
		return TRUE;
	message("%s (see `mica %s --help`)", error->message, verb->name);
	*status = EXIT_STATUS_USAGE;
	return FALSE;
}

void guest_words_clear(struct guest_words *words)
{
	g_clear_pointer(&words->name, g_free);
	g_clear_pointer(&words->control, g_free);
	g_clear_pointer(&words->operands, g_ptr_array_unref);
	g_clear_pointer(&words->arguments, json_object_unref);
}

/* ---------------------------------------------------------------- the guest */

char *guest_words_path(const struct guest_words *words, GError **error)
{
	return words->control ? g_strdup(words->control) : control_find("", words->name, error);
}

struct control_client *guest_words_open(const struct guest_words *words)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *path = guest_words_path(words, &error);
	struct control_client *client = path ? control_client_open(path, &error) : NULL;

	if (!client)
		message("%s", error->message);
	return client;
}

JsonObject *guest_words_call(const struct guest_words *words, const char *command,
			     const struct control_extra *extra)
{
	struct control_client *client = guest_words_open(words);
	g_autoptr(GError) error = NULL;
	JsonObject *result;

	if (!client)
		return NULL;
	result = control_client_call_with(client, command, json_object_ref(words->arguments),
					  extra, &error);
	if (!result)
		message("%s: %s", control_client_name(client), error->message);
	control_client_free(client);
	return result;
}

static int call(const struct guest_words *words)
{
	const struct control_extra none = { 0 };
	g_autoptr(JsonObject) result = guest_words_call(words, words->verb->name, &none);

	return result ? EXIT_STATUS_OK : EXIT_STATUS_ERROR;
}

int guest_verb_run(const struct guest_verb *verb, int argc, char **argv)
{
	struct guest_words words;
	int status;

	if (guest_verb_parse(verb, argc, argv, &words, &status))
		status = call(&words);
	guest_words_clear(&words);
	return status;
}

/* ---------------------------------------------------------------- tables */

gint64 guest_integer(JsonObject *object, const char *name)
{
	return json_object_get_int_member_with_default(object, name, 0);
}

const char *guest_string(JsonObject *object, const char *name)
{
	return json_object_get_string_member_with_default(object, name, "");
}

char *guest_size_text(gint64 bytes)
{
	static const char units[] = "KMGT";
	double size = bytes / 1024.0;
	unsigned int unit = 0;

	for (; size >= 1024 && units[unit + 1]; unit++)
		size /= 1024;
	if (size >= 10 || size == (gint64)size)
		return g_strdup_printf("%.0f%c", size, units[unit]);
	return g_strdup_printf("%.1f%c", size, units[unit]);
}

char *guest_time_text(gint64 milliseconds)
{
	gint64 seconds = milliseconds / 1000;
	int minutes = seconds / 60 % 60, hours = seconds / 3600 % 24, days = seconds / 86400;

	if (days)
		return g_strdup_printf("%dd%02dh", days, hours);
	if (hours)
		return g_strdup_printf("%dh%02dm", hours, minutes);
	if (minutes)
		return g_strdup_printf("%dm%02ds", minutes, (int)(seconds % 60));
	return g_strdup_printf("%ds", (int)seconds);
}
